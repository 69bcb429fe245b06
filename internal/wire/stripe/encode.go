package stripe

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// obj is a JSON object on its way out.
type obj map[string]any

// encode renders the way Stripe does: two-space indentation, id first, object
// second, other keys in alphabetical order, a final newline (stripe-sources
// §2.1). Nothing may depend on it; it makes comparisons with recorded traffic
// easy.
func encode(v any) []byte {
	return written(func(b []byte) []byte { return append(appendValue(b, v, 0), '\n') }, bytes.Clone)
}

// raw is a value that was encoded before, for the place where it stands.
type raw []byte

// compact is the depth of JSON without white space.
const compact = -1

// encodeCompact renders without white space, for what is stored.
func encodeCompact(v any) []byte {
	return written(func(b []byte) []byte { return appendValue(b, v, compact) }, bytes.Clone)
}

// buffers are where texts are written, to be copied in their final size: what grows
// to the size of a list is used again. Larger ones are not kept.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

const bufferMax = 512 << 10

// written is a text that write appends to an empty buffer, in the form that it is
// kept in.
func written(write func(b []byte) []byte, kept func(text []byte) []byte) []byte {
	p := buffers.Get().(*[]byte)
	b := write((*p)[:0])
	out := kept(b)
	if cap(b) <= bufferMax {
		*p = b
		buffers.Put(p)
	}
	return out
}

// deeper is the depth of what is inside.
func deeper(depth int) int {
	if depth == compact {
		return compact
	}
	return depth + 1
}

func appendValue(b []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	case obj:
		return appendObject(b, v, depth)
	case map[string]any:
		return appendSorted(b, v, "", depth, appendValue)
	case map[string]string:
		return appendSorted(b, v, "", depth, appendText)
	case raw:
		return append(b, v...)
	case []any:
		return appendList(b, v, depth, appendValue)
	case []obj:
		return appendList(b, v, depth, appendObject)
	case []string:
		return appendList(b, v, depth, appendText)
	case *string:
		if v == nil {
			return append(b, "null"...)
		}
		return appendString(b, *v)
	}
	panic(fmt.Sprintf("stripe: cannot encode %T", v))
}

func newline(b []byte, depth int) []byte {
	const line = "\n                                        " // deep enough for nearly everything
	if depth == compact {
		return b
	}
	b = append(b, line[:min(1+2*depth, len(line))]...)
	for n := len(line); n < 1+2*depth; n++ {
		b = append(b, ' ')
	}
	return b
}

// appendObject writes an object that a renderer made.
func appendObject(b []byte, o obj, depth int) []byte {
	kind, _ := o["object"].(string)
	keys := orders.of(kind)
	if keys == nil {
		return appendSorted(b, o, kind, depth, appendValue)
	}
	begin, n, inside := len(b), 0, deeper(depth)
	b = append(b, '{')
	for _, k := range keys {
		v, ok := o[k.name]
		if !ok {
			continue
		}
		if n > 0 {
			b = append(b, ',')
		}
		n++
		b = newline(b, inside)
		b = append(b, k.written...)
		b = appendValue(b, v, inside)
	}
	if n < len(o) { // it has more than others of its type
		return appendSorted(b[:begin], o, kind, depth, appendValue)
	}
	return append(newline(b, depth), '}')
}

// appendSorted writes an object whose members are of one type. Its kind is "" where
// others than renderers may have named them.
func appendSorted[V any](b []byte, o map[string]V, kind string, depth int, appendItem func(b []byte, v V, depth int) []byte) []byte {
	if len(o) == 0 {
		return append(b, '{', '}')
	}
	keys := make([]string, 0, 16) // as many as most have, so that they stay on the stack
	for k := range o {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, inOrder)
	orders.learn(kind, keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = newline(b, deeper(depth))
		b = append(appendString(b, k), colon...)
		b = appendItem(b, o[k], deeper(depth))
	}
	return append(newline(b, depth), '}')
}

// colon is between the name of a member and its value.
const colon = ": "

// inOrder compares keys: id comes first, object second, and the others in
// alphabetical order.
func inOrder(a, b string) int {
	return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a, b))
}

func place(key string) int {
	switch key {
	case "id":
		return 0
	case "object":
		return 1
	}
	return 2
}

// orders remembers which keys objects of a type have, in order: sorting those of
// each object takes as long as writing them.
var orders keyOrders

type keyOrders struct{ known sync.Map } // type of object → []key

// key is the name of a member and how it is written, colon included.
type key struct{ name, written string }

// keysMax is more than any type has.
const keysMax = 128

// of returns the keys that objects of a type were seen with.
func (ks *keyOrders) of(kind string) []key {
	if kind == "" {
		return nil
	}
	keys, _ := ks.known.Load(kind)
	order, _ := keys.([]key)
	return order
}

// learn adds keys to those of a type that has a name of its own.
func (ks *keyOrders) learn(kind string, names []string) {
	if _, named := expandable[kind]; !named {
		return
	}
	all := slices.Clone(ks.of(kind))
	for _, name := range names {
		if !slices.ContainsFunc(all, func(k key) bool { return k.name == name }) {
			all = append(all, key{name, string(appendString(nil, name)) + colon})
		}
	}
	if len(all) <= keysMax {
		slices.SortFunc(all, func(a, b key) int { return inOrder(a.name, b.name) })
		ks.known.Store(kind, all)
	}
}

func appendList[V any](b []byte, l []V, depth int, appendItem func(b []byte, v V, depth int) []byte) []byte {
	if len(l) == 0 {
		return append(b, '[', ']')
	}
	b = append(b, '[')
	for i, v := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = newline(b, deeper(depth))
		b = appendItem(b, v, deeper(depth))
	}
	return append(newline(b, depth), ']')
}

// appendText writes a string as a value of any depth.
func appendText(b []byte, s string, _ int) []byte { return appendString(b, s) }

// literal are the ASCII characters that stand for themselves in a string.
var literal = func() (is [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// appendString quotes s. HTML characters stay as they are.
func appendString(b []byte, s string) []byte {
	n := 0
	for n < len(s) && literal[s[n]] {
		n++
	}
	b = append(append(b, '"'), s[:n]...)
	for _, r := range s[n:] {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r < ' ' || r == '\u2028' || r == '\u2029':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// decodeObject reads a rendered object back, for embedding.
func decodeObject(b []byte) (obj, error) {
	var o map[string]any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&o); err != nil {
		return nil, err
	}
	return numbers(o).(map[string]any), nil
}

// numbers turns json.Number into int64, or float64 where it has a fraction.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}
