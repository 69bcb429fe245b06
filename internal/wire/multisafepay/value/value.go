// Package value reads what merchants send as JSON and writes what they get.
//
// Reading is lenient where clients in the field are (reference §1.3): numbers
// may be strings, booleans may be strings or 0 and 1, null and "" mean absent.
// It promises that nothing is guessed beyond that, and bounds depth and the
// length of numbers.
//
// Writing follows reference §1.9 and §12.4: compact, keys sorted, slashes, angle
// brackets and everything beyond ASCII raw, so that the bytes survive being
// parsed and written again by a verifier, as the official Python one does.
package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// depthMax is how deep a document may be nested.
	depthMax = 24
	// digitsMax is the length of a number's text.
	digitsMax = 40
)

// Object is a JSON object on its way out.
type Object map[string]any

// Number is a JSON number on its way out, in its shortest form.
type Number string

// Major writes minor units as a decimal of the major unit, without trailing
// zeros: 49 of a currency with two digits is 0.49.
func Major(minor int64, digits int) Number {
	sign, n := "", new(big.Int).SetInt64(minor)
	if minor < 0 {
		sign, n = "-", n.Neg(n)
	}
	s := n.String()
	if pad := digits + 1 - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	whole, part := s[:len(s)-digits], strings.TrimRight(s[len(s)-digits:], "0")
	if part != "" {
		whole += "." + part
	}
	if whole == "0" {
		sign = ""
	}
	return Number(sign + whole)
}

// Value is a part of a document that was read; the zero value is absent.
type Value struct{ v any }

// ErrSyntax says that a text is not one JSON object.
var ErrSyntax = errors.New("value: not a JSON object")

// Parse reads one JSON object.
func Parse(b []byte) (Value, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any // which is read with less ado than a map
	if err := dec.Decode(&v); err != nil {
		return Value{}, ErrSyntax
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Value{}, ErrSyntax
	}
	if _, ok := v.(map[string]any); !ok || !shallow(v, depthMax) {
		return Value{}, ErrSyntax
	}
	return Value{v}, nil
}

func shallow(v any, left int) bool {
	if left == 0 {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if !shallow(e, left-1) {
				return false
			}
		}
	case []any:
		for _, e := range v {
			if !shallow(e, left-1) {
				return false
			}
		}
	}
	return true
}

// Of wraps what Parse would have read.
func Of(v any) Value { return Value{v} }

// Get returns a member, absent if v has none or is no object.
func (v Value) Get(name string) Value {
	o, _ := v.v.(map[string]any)
	return Value{o[name]}
}

// First returns the first of several members that is present.
func (v Value) First(names ...string) Value {
	for _, n := range names {
		if m := v.Get(n); m.Present() {
			return m
		}
	}
	return Value{}
}

// Present reports whether there is anything but null and "".
func (v Value) Present() bool { return v.v != nil && v.v != "" }

// Object returns the members, or false if v is not an object. An empty array
// stands for an empty object, as some clients write it.
func (v Value) Object() (map[string]any, bool) {
	if l, ok := v.v.([]any); ok && len(l) == 0 {
		return map[string]any{}, true
	}
	o, ok := v.v.(map[string]any)
	return o, ok
}

// Items returns the elements of an array.
func (v Value) Items() ([]Value, bool) {
	l, ok := v.v.([]any)
	out := make([]Value, len(l))
	for i := range l {
		out[i] = Value{l[i]}
	}
	return out, ok
}

// Text returns a string, or the text of a number. It is false for anything
// else that is present.
func (v Value) Text() (string, bool) {
	switch s := v.v.(type) {
	case nil:
		return "", true
	case string:
		return s, true
	case json.Number:
		return s.String(), true
	}
	return "", false
}

// Decimal returns a number, or a string that is one.
func (v Value) Decimal() (*big.Rat, bool) {
	s, ok := v.Text()
	if s = strings.TrimSpace(s); !ok || s == "" || len(s) > digitsMax || !decimal(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// decimal keeps fractions, exponents of astronomic size, hexadecimal and
// underscores away from big.Rat.
func decimal(s string) bool {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(s), "e")
	if scientific {
		if n, err := strconv.Atoi(exponent); err != nil || n < -digitsMax || n > digitsMax {
			return false
		}
	}
	digits := 0
	for i, c := range []byte(mantissa) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && strings.Count(mantissa, ".") == 1:
		case (c == '-' || c == '+') && i == 0:
		default:
			return false
		}
	}
	return digits > 0
}

// Int returns a whole number that fits 64 bits.
func (v Value) Int() (int64, bool) {
	if n, ok := v.count(); ok {
		return n, true
	}
	r, ok := v.Decimal()
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

// count is Int of what numbers nearly always are: digits alone.
func (v Value) count() (int64, bool) {
	s, _ := v.Text()
	if s == "" || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// Bool returns a boolean, which may be written as a string or as 0 and 1.
// Absent is false.
func (v Value) Bool() (value, ok bool) {
	if b, ok := v.v.(bool); ok {
		return b, true
	}
	s, ok := v.Text()
	switch strings.ToLower(s) {
	case "", "0", "false":
		return false, ok
	case "1", "true":
		return true, true
	}
	return false, false
}

// Echo returns v for output with numbers turned into strings, as carts come
// back (reference §4.2).
func (v Value) Echo() any { return echo(v.v) }

func echo(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case map[string]any:
		o := make(map[string]any, len(v))
		for k, e := range v {
			o[k] = echo(e)
		}
		return o
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = echo(e)
		}
		return l
	}
	return v
}

// Encode writes a value.
func Encode(v any) []byte { return appendValue(make([]byte, 0, 1024), v) }

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case Number:
		return append(b, v...)
	case Object:
		return appendObject(b, v)
	case map[string]any:
		return appendObject(b, v)
	case []any:
		return appendList(b, v)
	case []Object:
		return appendList(b, v)
	case []string:
		return appendList(b, v)
	}
	panic(fmt.Sprintf("value: a %T cannot be written", v))
}

func appendObject(b []byte, o map[string]any) []byte {
	b = append(b, '{')
	keys := make([]string, 0, 32) // more than an order has
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = appendValue(b, o[k])
	}
	return append(b, '}')
}

func appendList[T any](b []byte, l []T) []byte {
	b = append(b, '[')
	for i, e := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, e)
	}
	return append(b, ']')
}

// short are the escapes of JSON that have a letter.
var short = [utf8.RuneSelf]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for s != "" {
		n := 0 // bytes that stand for themselves
		for n < len(s) && s[n] >= ' ' && s[n] < utf8.RuneSelf && short[s[n]] == 0 {
			n++
		}
		if b, s = append(b, s[:n]...), s[n:]; s == "" {
			break
		}
		r, size := utf8.DecodeRuneInString(s) // bytes that are not UTF-8 become U+FFFD
		switch s = s[size:]; {
		case r >= utf8.RuneSelf:
			b = utf8.AppendRune(b, r)
		case short[r] != 0:
			b = append(b, '\\', short[r])
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return append(b, '"')
}
