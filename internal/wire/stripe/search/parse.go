package search

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parser reads a query from left to right.
type parser struct {
	rest   string
	fields Fields
}

// Parse reads a query about a resource with the given fields. Errors are of
// type *Error.
func Parse(query string, fields Fields) (Query, error) {
	p := &parser{rest: query, fields: fields}
	var q Query
	joined := "" // the word that joins all clauses, once it is known
	for p.space(); p.rest != ""; p.space() {
		if len(q.Clauses) > 0 {
			word := p.joint()
			if joined != "" && word != joined {
				return Query{}, failf("A search query cannot combine AND with OR.")
			}
			joined = word
		}
		c, err := p.clause()
		if err != nil {
			return Query{}, err
		}
		if q.Clauses = append(q.Clauses, c); len(q.Clauses) > ClausesMax {
			return Query{}, failf("A search query can have up to %d clauses.", ClausesMax)
		}
	}
	if len(q.Clauses) == 0 {
		return Query{}, failf("A search query needs at least one clause, such as currency:\"usd\".")
	}
	q.Any = joined == "OR"
	return q, nil
}

func failf(format string, args ...any) *Error { return &Error{Message: fmt.Sprintf(format, args...)} }

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

var joints = regexp.MustCompile(`^(?i:(and|or))(?:\s|$)`)

// joint reads what joins two clauses. Nothing but space means AND.
func (p *parser) joint() string {
	m := joints.FindStringSubmatch(p.rest)
	if m == nil {
		return "AND"
	}
	p.rest = p.rest[len(m[1]):]
	p.space()
	return strings.ToUpper(m[1])
}

var (
	names     = regexp.MustCompile(`^[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*`)
	operators = regexp.MustCompile(`^(?:[<>]=?|[:~])`)
	bare      = regexp.MustCompile(`^[^\s"']+`)
	integers  = regexp.MustCompile(`^-?[0-9]{1,18}$`)
)

func (p *parser) take(re *regexp.Regexp) string {
	m := re.FindString(p.rest)
	p.rest = p.rest[len(m):]
	return m
}

func (p *parser) clause() (Clause, error) {
	start := p.rest
	var c Clause
	if c.Not = strings.HasPrefix(p.rest, "-"); c.Not {
		p.rest = p.rest[1:]
	}
	if c.Field = p.take(names); c.Field == "" {
		return c, failf("The search query could not be read at: %s", excerpt(start))
	}
	var ok bool
	if c.typ, ok = p.fields.typeOf(c.Field); !ok {
		return c, &Error{Message: fmt.Sprintf("Field `%s` is an unsupported search field.", c.Field), Field: c.Field}
	}
	if err := p.key(&c); err != nil {
		return c, err
	}
	if c.Op = Op(p.take(operators)); c.Op == "" {
		return c, failf("The search query lacks an operator at: %s", excerpt(start))
	}
	text, quoted, err := p.value()
	if err != nil {
		return c, err
	}
	return c, c.compare(text, quoted)
}

// key reads the name in brackets that metadata needs.
func (p *parser) key(c *Clause) error {
	named := strings.HasPrefix(p.rest, "[")
	if named != (c.Field == Metadata) {
		return failf("Metadata is searched by key, as in metadata[\"key\"]:\"value\"; no other field has a key.")
	}
	if !named {
		return nil
	}
	p.rest = p.rest[1:]
	key, quoted, err := p.value()
	if err != nil {
		return err
	}
	if !quoted || key == "" || !strings.HasPrefix(p.rest, "]") {
		return failf("The key of metadata is written in quotes and brackets, as in metadata[\"key\"]:\"value\".")
	}
	p.rest, c.Key = p.rest[1:], key
	return nil
}

// value reads a text in quotes, in which a backslash takes the next character's
// meaning away, or a word without.
func (p *parser) value() (text string, quoted bool, err error) {
	if p.rest == "" || p.rest[0] != '"' && p.rest[0] != '\'' {
		return p.take(bare), false, nil
	}
	end := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch ch := p.rest[i]; {
		case ch == end:
			p.rest = p.rest[i+1:]
			return b.String(), true, nil
		case ch == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(ch)
		}
	}
	return "", true, failf("The search query has a quotation that does not end: %s", excerpt(p.rest))
}

// compare checks that a clause's operator and value fit its field.
func (c *Clause) compare(text string, quoted bool) error {
	if !quoted && strings.EqualFold(text, "null") {
		if c.Null = c.Op == Is; !c.Null {
			return failf("Only : can be used with null, as in %s:null.", c.Field)
		}
		return nil
	}
	switch {
	case c.Op == Has && c.typ != Text:
		return failf("Field `%s` cannot be searched by a part of its value; use %s:\"value\".", c.Field, c.Field)
	case c.Op != Has && c.Op != Is && c.typ != Number:
		return failf("Field `%s` is not a number and cannot be compared with %s.", c.Field, c.Op)
	case c.typ == Number:
		if !integers.MatchString(text) {
			return failf("Field `%s` is a number and cannot be compared with: %s", c.Field, excerpt(text))
		}
		var err error
		if c.Number, err = strconv.ParseInt(text, 10, 64); err != nil {
			return failf("Field `%s` cannot be compared with: %s", c.Field, excerpt(text))
		}
		return nil
	case !quoted && !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") && !integers.MatchString(text):
		return failf("Text in a search query is written in quotes, as in %s:\"value\".", c.Field)
	case c.Op == Has && utf8.RuneCountInString(text) < SubstringMin:
		return failf("A part of a value is searched for with at least %d characters.", SubstringMin)
	}
	c.Text, c.folded = text, Fold(text)
	return nil
}
