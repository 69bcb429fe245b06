// Package form decodes the form encoding of the v1 API — a[b][c], a[], a[0],
// a[][k] — into a tree of values.
//
// It promises that the tree says what was sent and nothing more: no types are
// guessed, an empty string stays an empty string, and whatever cannot be read
// without guessing is an *Error that names the parameter. Depth, count and
// name length are bounded by DepthMax, KeysMax and KeyLenMax.
//
// It leaves three things to others: the size of the body (the server caps it),
// which parameters an endpoint knows and of which type (the schema), and what
// an empty string means for each of them (unset, empty list, or a mistake).
package form

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Limits on one request. They are far above what any endpoint takes, so that
// an honest request is refused by its schema, in the endpoint's own words,
// before it meets one of these.
const (
	// DepthMax is the number of levels a parameter may have; a[b][c] has three.
	DepthMax = 8
	// KeysMax is the number of name=value pairs in one Parse.
	KeysMax = 1000
	// KeyLenMax is the length in bytes of one level's name.
	KeyLenMax = 500
)

// indexDigitsMax bounds what is read as a list index. A longer run of digits is
// a name: an order number used as a metadata key, say.
const indexDigitsMax = 9

// Error says which parameter could not be read and why. Message is fit for the
// caller; Param is empty when no single parameter is to blame.
type Error struct {
	Param   string
	Message string
}

// Error returns the message with the parameter it concerns.
func (e *Error) Error() string {
	if e.Param == "" {
		return "form: " + e.Message
	}
	return fmt.Sprintf("form: %s: %s", e.Param, e.Message)
}

// Kind says what shape a value has.
type Kind uint8

// The kinds. Missing is the zero value: what Get answers for a name nobody sent.
const (
	Missing Kind = iota
	Scalar
	Hash
	List
)

// String names the kind for messages of tests and logs.
func (k Kind) String() string {
	switch k {
	case Missing:
		return "missing"
	case Scalar:
		return "scalar"
	case Hash:
		return "hash"
	case List:
		return "list"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Value is a node of a decoded form. It is immutable, and its zero value is
// Missing, so lookups chain without checks.
type Value struct{ n *node }

// shape is how a node was written, which is finer than its Kind: a[7]=x is a
// list to whoever expects a list and a hash to whoever expects a hash.
type shape uint8

const (
	scalar   shape = iota + 1
	appended       // a[]=x: elements without names
	indexed        // a[0]=x: every name is an index
	named          // a[b]=x: at least one name is not an index
)

// node is a value, or a container of members in order of first appearance. What
// has been parsed is not changed, so nodes are copied and share their members.
type node struct {
	shape   shape
	text    string // scalar
	members []member
	index   map[string]int // where members stand, made when there are many
}

// member is an element of a container. Those of an appended list have no name.
type member struct {
	name string
	node
}

// searchedMax is how many members are searched one by one, which is quicker than
// an index for the few that a request has.
const searchedMax = 16

// child finds a member by its name.
func (n *node) child(name string) *node {
	if n.shape == appended {
		return nil
	}
	if n.index != nil {
		if i, ok := n.index[name]; ok {
			return &n.members[i].node
		}
		return nil
	}
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].node
		}
	}
	return nil
}

// add appends a member that is not there yet. The pointer is good until the next.
func (n *node) add(name string, child node) *node {
	n.members = append(n.members, member{name, child})
	switch last := len(n.members) - 1; {
	case n.index != nil:
		n.index[name] = last
	case last == searchedMax && n.shape != appended:
		n.index = make(map[string]int, 2*len(n.members))
		for i := range n.members {
			n.index[n.members[i].name] = i
		}
	}
	return &n.members[len(n.members)-1].node
}

// set puts a member in the place of another of its name, or after all others.
func (n *node) set(name string, child node) {
	if existing := n.child(name); existing != nil {
		*existing = child
		return
	}
	n.add(name, child)
}

// Kind returns the shape of v. A container whose names are all indices is a
// List; see AsHash for its other reading.
func (v Value) Kind() Kind {
	if v.n == nil {
		return Missing
	}
	switch v.n.shape {
	case scalar:
		return Scalar
	case appended, indexed:
		return List
	case named:
		return Hash
	}
	panic(fmt.Sprintf("form: node of shape %d, want one of the four", v.n.shape))
}

// Get returns what was sent under name, or a Missing value. On a list it finds
// elements by the index that was written, if one was.
func (v Value) Get(name string) Value {
	if v.n == nil {
		return Value{}
	}
	return Value{v.n.child(name)}
}

// Keys goes through the names in v in order of first appearance: the keys of a
// hash, the indices of a list as they were written. Anything else has none.
func (v Value) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		if v.n == nil || v.n.shape == appended {
			return
		}
		for i := range v.n.members {
			if !yield(v.n.members[i].name) {
				return
			}
		}
	}
}

// Items returns the elements of a list in order, gaps closed. It is empty for
// anything else.
func (v Value) Items() []Value {
	if v.Kind() != List {
		return nil
	}
	members := v.n.members
	if v.n.shape == indexed {
		members = v.n.sorted()
	}
	items := make([]Value, len(members))
	for i := range members {
		items[i] = Value{&members[i].node}
	}
	return items
}

// AsHash returns the reading of v as a hash, and whether it has one.
// metadata[7]=x looks like a list until one knows that metadata is a hash with
// free names, and only the schema knows; whoever expects a hash asks here
// instead of comparing Kind. An element without a name, as in metadata[]=x, has
// no such reading.
func (v Value) AsHash() (Value, bool) {
	if v.n == nil {
		return Value{}, false
	}
	switch v.n.shape {
	case named:
		return v, true
	case indexed:
		hash := *v.n
		hash.shape = named
		return Value{&hash}, true
	case scalar, appended:
		return Value{}, false
	}
	panic(fmt.Sprintf("form: node of shape %d, want one of the four", v.n.shape))
}

// String returns the text of a scalar, "" for a missing value, and the JSON of
// anything else.
func (v Value) String() string {
	if v.Kind() == Scalar {
		return v.n.text
	}
	return v.JSON()
}

// JSON returns v as compact JSON for messages such as
// Invalid string: {"a":"b"}. Scalars are strings, keys keep their order, and a
// missing value is "".
func (v Value) JSON() string {
	var b strings.Builder
	v.appendJSON(&b)
	return b.String()
}

func (v Value) appendJSON(b *strings.Builder) {
	switch v.Kind() {
	case Missing:
	case Scalar:
		b.WriteString(quote(v.n.text))
	case List:
		b.WriteByte('[')
		for i, item := range v.Items() {
			if i > 0 {
				b.WriteByte(',')
			}
			item.appendJSON(b)
		}
		b.WriteByte(']')
	case Hash:
		b.WriteByte('{')
		for i := range v.n.members {
			if i > 0 {
				b.WriteByte(',')
			}
			m := &v.n.members[i]
			b.WriteString(quote(m.name))
			b.WriteByte(':')
			Value{&m.node}.appendJSON(b)
		}
		b.WriteByte('}')
	}
}

// quote returns s as a JSON string without the escapes that only HTML needs.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(fmt.Sprintf("form: encode a string as JSON: %v", err))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Merge returns the parameters of a with those of b added; for one that both
// name, b's value stands alone. It is made for the query and the body of one
// request: a parameter is never put together from the two, so merging cannot
// fail. A missing value counts as no parameters.
func Merge(a, b Value) Value {
	for _, v := range []Value{a, b} {
		if k := v.Kind(); k != Hash && k != Missing {
			panic("form: Merge of a " + k.String() + ", want what Parse returns")
		}
	}
	if b.Kind() == Hash && (a.n == nil || len(a.n.members) == 0) {
		return b
	}
	merged := &node{shape: named}
	for _, v := range []Value{a, b} {
		for k := range v.Keys() {
			merged.set(k, *v.n.child(k))
		}
	}
	return Value{merged}
}

// Renamed returns the parameters of v with one under another name. One that is
// there under the other name already stands.
func (v Value) Renamed(from, to string) Value {
	if v.Get(from).Kind() == Missing || v.Get(to).Kind() != Missing {
		return v
	}
	renamed := &node{shape: named}
	for k := range v.Keys() {
		name := k
		if k == from {
			name = to
		}
		renamed.add(name, *v.n.child(k))
	}
	return Value{renamed}
}

// sorted returns the members of n in an order that does not depend on how they
// arrived: by number for indices, by bytes for names. Those of an appended list
// are in order.
func (n *node) sorted() []member {
	switch members := slices.Clone(n.members); n.shape {
	case indexed:
		// Indices have no leading zeros, so the longer one is the larger one.
		slices.SortFunc(members, func(a, b member) int {
			return cmp.Or(cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
		})
		return members
	case named:
		slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
		return members
	}
	return n.members
}

// isIndex reports whether a name reads as a list index: decimal, without
// leading zeros, so that no two names are the same index.
func isIndex(name string) bool {
	if name == "" || len(name) > indexDigitsMax || (name[0] == '0' && name != "0") {
		return false
	}
	for _, c := range []byte(name) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
