package form

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// quotedMax bounds how much of a name that cannot be read is repeated in an
// error.
const quotedMax = 100

// Parse decodes an application/x-www-form-urlencoded string, a body or a query,
// into a Hash. Every error it returns is an *Error.
//
// A pair without "=" is an empty string and an empty pair is skipped. The last
// of several equal scalars wins. Indices only order: gaps close. A parameter
// that is used in two ways, as in a=1&a[b]=2, is an error in either order.
func Parse(body string) (Value, error) {
	if body == "" {
		return nothing, nil
	}
	root := &node{shape: named, members: make([]member, 0, min(strings.Count(body, "&")+1, searchedMax))}
	pairs := 0
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		if pairs++; pairs > KeysMax {
			return Value{}, &Error{Message: fmt.Sprintf("You can pass up to %d parameters in one request.", KeysMax)}
		}
		if err := parsePair(root, pair); err != nil {
			return Value{}, err
		}
	}
	return Value{root}, nil
}

// nothing is a form without parameters.
var nothing = Value{&node{shape: named}}

func parsePair(root *node, pair string) error {
	rawName, rawText, _ := strings.Cut(pair, "=")
	name, err := unescape(rawName)
	if err != nil {
		return &Error{Param: quotable(name), Message: "Invalid parameter name: " + err.Error()}
	}
	var segments [DepthMax + 1]string
	path, perr := splitName(segments[:0], name)
	if perr != nil {
		return perr
	}
	text, err := unescape(rawText)
	if err != nil {
		return &Error{Param: name, Message: "Invalid value: " + err.Error()}
	}
	if perr := path.into(root, 1, text); perr != nil {
		return perr
	}
	return nil
}

// The ways in which text can be unreadable. NUL is among them because neither
// database stores it the same way.
var (
	errPercent = errors.New("malformed percent-encoding")
	errUTF8    = errors.New("not valid UTF-8")
	errNUL     = errors.New("contains a NUL character")
)

// unescape undoes percent-encoding and returns its input with the error, so
// that there is something to name.
func unescape(raw string) (string, error) {
	if plain(raw) {
		return raw, nil
	}
	s, err := url.QueryUnescape(raw)
	switch {
	case err != nil:
		return raw, errPercent
	case !utf8.ValidString(s):
		return raw, errUTF8
	case strings.Contains(s, "\x00"):
		return raw, errNUL
	}
	return s, nil
}

// plain reports that a text stands for itself, as most do.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '%' || c == '+' || c == 0 || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// quotable cuts an unreadable name down to something safe to repeat.
func quotable(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), quotedMax)], "")
}

// splitName cuts a[b][] into "a", "b", "", which it appends to path. An empty
// segment after the first stands for "append".
//
// Brackets inside a segment have no meaning that two decoders would agree on
// (metadata keys may not contain them either), so they are refused, not guessed.
func splitName(path path, name string) (path, *Error) {
	malformed := func() *Error {
		return &Error{Param: quotable(name), Message: "Invalid parameter name: brackets do not match"}
	}
	head, rest, nested := strings.Cut(name, "[")
	if head == "" {
		return nil, &Error{Param: quotable(name), Message: "Invalid parameter name: it is empty"}
	}
	path = append(path, head)
	for nested {
		segment, tail, closed := strings.Cut(rest, "]")
		if !closed {
			return nil, malformed()
		}
		path = append(path, segment)
		if len(path) > DepthMax {
			return nil, &Error{
				Param:   quotable(name),
				Message: fmt.Sprintf("Parameters can be nested up to %d levels deep.", DepthMax),
			}
		}
		if tail == "" {
			break
		}
		if rest, nested = strings.CutPrefix(tail, "["); !nested {
			return nil, malformed()
		}
	}
	for _, segment := range path {
		if len(segment) > KeyLenMax {
			return nil, &Error{
				Param:   quotable(name),
				Message: fmt.Sprintf("Parameter names can have up to %d characters at each level.", KeyLenMax),
			}
		}
		if strings.IndexByte(segment, '[') >= 0 || strings.IndexByte(segment, ']') >= 0 {
			return nil, malformed()
		}
	}
	return path, nil
}

// joinName is the inverse of splitName.
func joinName(path path) string {
	var b strings.Builder
	for i, segment := range path {
		if i == 0 {
			b.WriteString(segment)
			continue
		}
		b.WriteString("[" + segment + "]")
	}
	return b.String()
}

// path is the way of a pair to its place in the tree.
type path []string

// into places a text in the container n, in which the depth-th segment of the
// path is a name or, without one, stands for the last element of a list if that is
// still incomplete, for a fresh one otherwise.
func (p path) into(n *node, depth int, text string) *Error {
	segment := p[depth-1]
	if segment == "" && depth > 1 {
		if last := len(n.members) - 1; last >= 0 && p.continues(&n.members[last].node, depth) {
			return p.step(n, &n.members[last].node, depth, text)
		}
		return p.step(n, nil, depth, text)
	}
	if n.shape == indexed && !isIndex(segment) {
		n.shape = named
	}
	return p.step(n, n.child(segment), depth, text)
}

// continues reports whether the pair belongs to the element last. That is so
// until the element already holds a value in the pair's place: a repeated leaf
// starts the next element. A pair that appends to a list inside the element
// never repeats a leaf and always belongs to it.
func (p path) continues(last *node, depth int) bool {
	rest := p[depth:]
	if len(rest) == 0 || last.shape == scalar {
		return false
	}
	at := last
	for _, segment := range rest {
		if segment == "" {
			return true
		}
		if at = at.child(segment); at == nil {
			return true
		}
	}
	// The pair would replace at. Doing so in a fresh element is how a list of
	// hashes is written without indices.
	return false
}

// step moves one level down from n: existing is what stands there already, nil if
// nothing does.
func (p path) step(n, existing *node, depth int, text string) *Error {
	segment := p[depth-1]
	if depth == len(p) {
		leaf := node{shape: scalar, text: text}
		switch {
		case existing == nil:
			n.add(segment, leaf)
		case existing.shape != scalar:
			return p.conflict(existing.shape, depth)
		default:
			*existing = leaf
		}
		return nil
	}
	want := shapeFor(p[depth])
	switch {
	case existing == nil:
		existing = n.add(segment, node{shape: want})
	case existing.shape == scalar:
		return p.conflict(want, depth)
	case (existing.shape == appended) != (want == appended):
		return p.conflict(appended, depth)
	}
	return p.into(existing, depth+1, text)
}

// conflict is the error for a parameter used in two ways, one of which is a
// container of shape s.
func (p path) conflict(s shape, depth int) *Error {
	e := &Error{Param: joinName(p[:depth]), Message: "Invalid array"}
	if s == named {
		e.Message = "Invalid object"
	}
	return e
}

// shapeFor returns the shape of a fresh container whose first name is segment.
func shapeFor(segment string) shape {
	switch {
	case segment == "":
		return appended
	case isIndex(segment):
		return indexed
	}
	return named
}
