package form

import (
	"net/url"
	"strconv"
)

// Encode writes v in the encoding that Parse reads, keys in order of first
// appearance and lists with indices. Parsing a Hash back gives the same
// Canonical and the same JSON. Anything but a Hash has no name of its own, so
// its encoding is for comparing only.
func Encode(v Value) string {
	return encode(v, func(n *node) []member { return n.members })
}

// Canonical returns an encoding of v that two requests share exactly when they
// say the same thing: the order of keys, the spelling of brackets and a[] in
// place of a[0], a[1]… do not matter, while the order of list items, gaps in
// indices and everything else do. Gaps count because metadata[1]=x and
// metadata[2]=x are different requests. It is made for the fingerprint of an
// idempotent request.
func (v Value) Canonical() string {
	return encode(v, (*node).sorted)
}

func encode(v Value, order func(*node) []member) string {
	if v.n == nil {
		return ""
	}
	e := encoder{out: make([]byte, 0, 256), name: make([]byte, 0, 64), order: order}
	if v.n.shape == named {
		// The first level is written without brackets.
		members := order(v.n)
		for i := range members {
			e.name = append(e.name[:0], url.QueryEscape(members[i].name)...)
			e.node(&members[i].node)
		}
	} else {
		e.node(v.n)
	}
	return string(e.out)
}

type encoder struct {
	out   []byte
	name  []byte // of the node that is written
	order func(*node) []member
}

func (e *encoder) node(n *node) {
	if n.shape == scalar {
		if len(e.out) > 0 {
			e.out = append(e.out, '&')
		}
		e.out = append(append(e.out, e.name...), '=')
		e.out = append(e.out, url.QueryEscape(n.text)...)
		return
	}
	outer, members := len(e.name), e.order(n)
	for i := range members {
		e.name = append(e.name, '[')
		if n.shape == appended {
			e.name = strconv.AppendInt(e.name, int64(i), 10)
		} else {
			e.name = append(e.name, url.QueryEscape(members[i].name)...)
		}
		e.name = append(e.name, ']')
		e.node(&members[i].node)
		e.name = e.name[:outer]
	}
}
