package form

import (
	"net/url"
	"strconv"
	"strings"
)

// Encode writes v in the encoding that Parse reads, keys in order of first
// appearance and lists with indices. Parsing a Hash back gives the same
// Canonical and the same JSON. Anything but a Hash has no name of its own, so
// its encoding is for comparing only.
func Encode(v Value) string {
	return encode(v, func(n *node) []string { return n.keys })
}

// Canonical returns an encoding of v that two requests share exactly when they
// say the same thing: the order of keys, the spelling of brackets and a[] in
// place of a[0], a[1]… do not matter, while the order of list items, gaps in
// indices and everything else do. Gaps count because metadata[1]=x and
// metadata[2]=x are different requests. It is made for the fingerprint of an
// idempotent request.
func (v Value) Canonical() string {
	return encode(v, (*node).sortedKeys)
}

func encode(v Value, order func(*node) []string) string {
	if v.n == nil {
		return ""
	}
	e := encoder{order: order}
	if v.n.shape == named {
		// The first level is written without brackets.
		for _, k := range order(v.n) {
			e.node(url.QueryEscape(k), v.n.children[k])
		}
	} else {
		e.node("", v.n)
	}
	return e.out.String()
}

type encoder struct {
	out   strings.Builder
	order func(*node) []string
}

func (e *encoder) node(name string, n *node) {
	switch n.shape {
	case scalar:
		if e.out.Len() > 0 {
			e.out.WriteByte('&')
		}
		e.out.WriteString(name + "=" + url.QueryEscape(n.text))
	case appended:
		for i, item := range n.items {
			e.node(name+"["+strconv.Itoa(i)+"]", item)
		}
	case indexed, named:
		for _, k := range e.order(n) {
			e.node(name+"["+url.QueryEscape(k)+"]", n.children[k])
		}
	}
}
