package stripe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
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
	return written(func(b []byte) []byte { return append(appendValue(b, v, 0), '\n') })
}

// raw is a value that was encoded before, for the place where it stands.
type raw []byte

// compact is the depth of JSON without white space.
const compact = -1

// encodeCompact renders without white space, for what is stored.
func encodeCompact(v any) []byte {
	return written(func(b []byte) []byte { return appendValue(b, v, compact) })
}

// buffers are where answers are written, to be copied in their final size: what
// grows to the size of a list is used again. Larger ones are not kept.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

const bufferMax = 512 << 10

func written(write func(b []byte) []byte) []byte {
	p := buffers.Get().(*[]byte)
	b := write((*p)[:0])
	out := bytes.Clone(b)
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
		kind, _ := v["object"].(string)
		return appendObject(b, v, kind, depth)
	case map[string]any:
		return appendObject(b, v, "", depth)
	case map[string]string:
		o := make(obj, len(v))
		for k, s := range v {
			o[k] = s
		}
		return appendObject(b, o, "", depth)
	case raw:
		return append(b, v...)
	case []any:
		return appendList(b, v, depth)
	case []obj:
		l := make([]any, len(v))
		for i := range v {
			l[i] = v[i]
		}
		return appendList(b, l, depth)
	case []string:
		l := make([]any, len(v))
		for i := range v {
			l[i] = v[i]
		}
		return appendList(b, l, depth)
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

// appendObject writes an object. Its type is "" where others than renderers may have
// named its members.
func appendObject(b []byte, o obj, kind string, depth int) []byte {
	if len(o) == 0 {
		return append(b, '{', '}')
	}
	begin := len(b)
	b, all := appendMembers(b, o, orders.of(kind), depth)
	if !all {
		keys := make([]string, 0, 48) // more than most objects have, so that they stay on the stack
		for k := range o {
			keys = append(keys, k)
		}
		sortKeys(keys)
		orders.learn(kind, keys)
		b, _ = appendMembers(b[:begin], o, keys, depth)
	}
	return append(newline(b, depth), '}')
}

// appendMembers writes the members of an object in an order of keys, some of which
// it need not have. It reports whether that was all of them.
func appendMembers(b []byte, o obj, keys []string, depth int) (_ []byte, all bool) {
	inside := deeper(depth)
	n := 0
	for _, k := range keys {
		v, ok := o[k]
		if !ok {
			continue
		}
		b = append(b, "{,"[min(n, 1)])
		n++
		b = newline(b, inside)
		b = appendString(b, k)
		b = append(b, ':', ' ')
		b = appendValue(b, v, inside)
	}
	return b, n == len(o)
}

// sortKeys puts id first, object second, and the others in alphabetical order.
func sortKeys(keys []string) {
	rest := keys
	for _, first := range [...]string{"id", "object"} {
		if i := slices.Index(rest, first); i >= 0 {
			rest[0], rest[i] = rest[i], rest[0]
			rest = rest[1:]
		}
	}
	slices.Sort(rest)
}

// orders remembers which keys objects of a type have, in order: sorting those of
// each object takes as long as writing them.
var orders keyOrders

type keyOrders struct{ known sync.Map } // type of object → []string

// keysMax is more than any type has.
const keysMax = 128

// of returns the keys that objects of a type were seen with.
func (ks *keyOrders) of(kind string) []string {
	keys, _ := ks.known.Load(kind)
	order, _ := keys.([]string)
	return order
}

// learn adds keys to those of a type that has a name of its own.
func (ks *keyOrders) learn(kind string, keys []string) {
	if _, named := expandable[kind]; !named {
		return
	}
	all := slices.Clone(ks.of(kind))
	for _, k := range keys {
		if !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	if len(all) <= keysMax {
		sortKeys(all)
		ks.known.Store(kind, all)
	}
}

func appendList(b []byte, l []any, depth int) []byte {
	if len(l) == 0 {
		return append(b, '[', ']')
	}
	b = append(b, '[')
	for i, v := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = newline(b, deeper(depth))
		b = appendValue(b, v, deeper(depth))
	}
	return append(newline(b, depth), ']')
}

// appendString quotes s. HTML characters stay as they are.
func appendString(b []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	b = append(b, '"')
	for _, r := range s {
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
