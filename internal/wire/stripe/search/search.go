// Package search reads and evaluates the query language of Stripe's search
// endpoints (stripe-platform §7.2): clauses such as currency:"eur", amount>1000,
// email~"@example" or -metadata["order"]:null, all joined by AND or all by OR.
//
// It knows the language and nothing about objects: which fields a resource has
// is told to Parse, what an object holds in them to Query.Match.
package search

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a query.
const (
	ClausesMax   = 10 // clauses in one query
	SubstringMin = 3  // characters a substring is looked for with
)

// Type decides which operators a field has.
type Type uint8

// The types of fields. The zero value is illegal.
const (
	Token  Type = iota + 1 // compared as a whole
	Text                   // compared as a whole or by a part
	Number                 // compared as a whole or by order
)

// Fields are what a resource can be searched by, by dotted path. A segment *
// stands for any name; the values of Metadata are tokens.
type Fields map[string]Type

// Metadata is the field whose members are named in brackets.
const Metadata = "metadata"

// Op is how a clause compares.
type Op string

// The operators.
const (
	Is      Op = ":"
	Has     Op = "~"
	More    Op = ">"
	AtLeast Op = ">="
	Less    Op = "<"
	AtMost  Op = "<="
)

// Clause is one condition.
type Clause struct {
	Not    bool
	Field  string // dotted path
	Key    string // of the metadata, if Field is Metadata
	Op     Op
	Null   bool   // whether the field is absent is asked for
	Text   string // what is compared with, as it was written; case does not count
	Number int64  // the same, for a field that is a number
	typ    Type
	folded string
}

// Query is a parsed query. It has at least one clause.
type Query struct {
	Any     bool // one clause has to hold rather than all
	Clauses []Clause
}

// Error says what is wrong with a query.
type Error struct {
	Message string
	Field   string // the field that cannot be searched by, if that is it
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Fold makes texts that differ in case only equal: comparisons ignore case.
func Fold(s string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, s)
}

// Match reports whether an object satisfies the query. value returns what the
// object holds in a field: a string, a bool, an int64, or nil if nothing is there.
func (q Query) Match(value func(field, key string) any) bool {
	for _, c := range q.Clauses {
		if c.match(value(c.Field, c.Key)) == q.Any {
			return q.Any
		}
	}
	return !q.Any
}

func (c Clause) match(v any) bool { return c.holds(v) != c.Not }

func (c Clause) holds(v any) bool {
	if c.Null {
		return v == nil
	}
	if n, ok := v.(int64); ok && c.typ == Number {
		switch c.Op {
		case More:
			return n > c.Number
		case AtLeast:
			return n >= c.Number
		case Less:
			return n < c.Number
		case AtMost:
			return n <= c.Number
		case Is:
			return n == c.Number
		case Has:
		}
		return false
	}
	var s string
	switch v := v.(type) {
	case string:
		s = Fold(v)
	case bool:
		s = strconv.FormatBool(v)
	case int64:
		s = strconv.FormatInt(v, 10)
	default:
		return false
	}
	if c.Op == Has {
		return strings.Contains(s, c.folded)
	}
	return s == c.folded
}

// Equal returns the text every match has in a field, but for its case, if the
// query names one; key is that of the metadata, if that is the field.
func (q Query) Equal(field string) (key, text string, ok bool) {
	if q.Any && len(q.Clauses) > 1 {
		return "", "", false
	}
	for _, c := range q.Clauses {
		if c.Field == field && c.Op == Is && !c.Not && !c.Null && c.typ != Number {
			return c.Key, c.Text, true
		}
	}
	return "", "", false
}

// Between returns the bounds, both possible values, that the query sets to a
// number every match has; bounds it does not set are returned as given.
func (q Query) Between(field string, low, high int64) (int64, int64) {
	if q.Any && len(q.Clauses) > 1 {
		return low, high
	}
	for _, c := range q.Clauses {
		if c.Field != field || c.typ != Number || c.Not || c.Null {
			continue
		}
		switch c.Op {
		case Is:
			low, high = max(low, c.Number), min(high, c.Number)
		case More:
			low = max(low, c.Number+1)
		case AtLeast:
			low = max(low, c.Number)
		case Less:
			high = min(high, c.Number-1)
		case AtMost:
			high = min(high, c.Number)
		case Has:
		}
	}
	return low, high
}

// typeOf finds a field, by name or with * for a segment.
func (f Fields) typeOf(path string) (Type, bool) {
	if t, ok := f[path]; ok && !strings.Contains(path, "*") {
		return t, true
	}
	for pattern, t := range f {
		if strings.Contains(pattern, "*") && fits(strings.Split(pattern, "."), strings.Split(path, ".")) {
			return t, true
		}
	}
	return 0, false
}

func fits(pattern, path []string) bool {
	return slices.EqualFunc(pattern, path, func(p, s string) bool { return p == s || p == "*" && s != "*" })
}

// textMax is how much of a query an error repeats.
const textMax = 60

// excerpt shortens what an error repeats.
func excerpt(s string) string {
	if utf8.RuneCountInString(s) <= textMax {
		return s
	}
	return string([]rune(s)[:textMax]) + "…"
}
