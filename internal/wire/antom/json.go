package antom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/money"
)

// object is a JSON object whose members keep their order. Members whose value
// is nil or "" are left out: SDKs fail on null (antom §2.7).
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, m := range o {
		if absent(m.value) {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(m.name))
		b.WriteByte(':')
		v, err := marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func absent(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case object:
		return v == nil
	case []object:
		return v == nil
	case json.RawMessage:
		return v == nil
	}
	return false
}

// marshal writes JSON as it is sent: SDKs compare nothing with escapes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// bodyOf writes an answer.
func bodyOf(o object) []byte {
	b, err := marshal(o)
	if err != nil {
		panic("antom: " + err.Error()) // our own values always marshal
	}
	return b
}

// fields reads the members of a request leniently where the SDKs differ (strings
// for numbers and booleans, nulls, empty strings) and strictly where it matters.
// The first thing that is wrong is kept.
type fields struct {
	path string
	in   map[string]any
	err  *error
}

// parse reads a request body, which must be one JSON object.
func parse(body []byte) (fields, error) {
	var in map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&in); err != nil || in == nil {
		return fields{}, refuse("PARAM_ILLEGAL", "The request body is not a JSON object.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fields{}, refuse("PARAM_ILLEGAL", "Something follows the JSON object in the request body.")
	}
	return fields{in: in, err: new(error)}, nil
}

// failed returns the first thing that was wrong.
func (f fields) failed() error { return *f.err }

func (f fields) name(member string) string {
	if f.path == "" {
		return member
	}
	return f.path + "." + member
}

func (f fields) bad(member, format string, args ...any) {
	if *f.err == nil {
		*f.err = illegal(f.name(member), format, args...)
	}
}

// text reads a string that may be missing; numbers and booleans are taken for
// their text. max is in characters.
func (f fields) text(member string, longest int) string {
	var s string
	switch v := f.in[member].(type) {
	case nil:
	case string:
		s = v
	case json.Number:
		s = v.String()
	case bool:
		s = strconv.FormatBool(v)
	default:
		f.bad(member, "it has to be a string.")
	}
	switch {
	case strings.ContainsRune(s, 0):
		f.bad(member, "it contains a NUL character.")
	case utf8.RuneCountInString(s) > longest:
		f.bad(member, "it has %d characters; at most %d are allowed.", utf8.RuneCountInString(s), longest)
	}
	return s
}

// need reads a string that must be there.
func (f fields) need(member string, longest int) string {
	s := f.text(member, longest)
	if s == "" {
		f.bad(member, "it is missing.")
	}
	return s
}

// oneOf reads a string that, if it is there, is one of some; byDefault if not.
func (f fields) oneOf(member, byDefault string, of ...string) string {
	s := f.text(member, 64)
	if s == "" {
		return byDefault
	}
	for _, o := range of {
		if s == o {
			return s
		}
	}
	f.bad(member, "%q is not one of %s.", s, strings.Join(of, ", "))
	return s
}

// requestID is what ids of requests may consist of.
var requestID = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)

// id reads the merchant's own id of a request.
func (f fields) id(member string, longest int) string {
	s := f.need(member, longest)
	if s != "" && !requestID.MatchString(s) {
		f.bad(member, "it may consist of letters, digits, _ and - only.")
	}
	return s
}

// boolean reads a truth value; a missing one is false (Go's SDK drops false).
func (f fields) boolean(member string) bool {
	switch s := strings.ToLower(f.text(member, 5)); s {
	case "", "false":
		return false
	case "true":
		return true
	default:
		f.bad(member, "%q is neither true nor false.", s)
		return false
	}
}

// sub reads an object; there reports whether it is.
func (f fields) sub(member string) (s fields, there bool) {
	s = fields{path: f.name(member), err: f.err}
	switch v := f.in[member].(type) {
	case nil:
	case map[string]any:
		s.in = v
		return s, true
	case string:
		if v != "" {
			f.bad(member, "it has to be an object.")
		}
	default:
		f.bad(member, "it has to be an object.")
	}
	return s, false
}

// must reads an object that must be there.
func (f fields) must(member string) fields {
	s, ok := f.sub(member)
	if !ok {
		f.bad(member, "it is missing.")
	}
	return s
}

// strings reads an array of strings.
func (f fields) strings(member string, most, longest int) []string {
	v := f.in[member]
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		f.bad(member, "it has to be an array.")
		return nil
	}
	if len(list) > most {
		f.bad(member, "it has %d entries; at most %d are allowed.", len(list), most)
		return nil
	}
	var out []string
	for i, e := range list {
		one := fields{path: f.path, in: map[string]any{member: e}, err: f.err}
		s := one.text(member, longest)
		if s == "" {
			f.bad(fmt.Sprintf("%s[%d]", member, i), "it is empty.")
		}
		out = append(out, s)
	}
	return out
}

// raw reads any value, to give it back as it came.
func (f fields) raw(member string, longest int) json.RawMessage {
	v := f.in[member]
	if v == nil || v == "" {
		return nil
	}
	b, err := marshal(v)
	if err != nil || len(b) > longest {
		f.bad(member, "it is longer than %d bytes.", longest)
		return nil
	}
	if strings.Contains(string(b), `\u0000`) {
		f.bad(member, "it contains a NUL character.")
		return nil
	}
	return b
}

// amountDigits bounds an amount's text.
var amountDigits = regexp.MustCompile(`^[0-9]{1,16}$`)

// amount reads an amount that must be there.
func (f fields) amount(member string) money.Amount {
	s := f.must(member)
	if s.in == nil {
		return money.Amount{}
	}
	c := s.need("currency", 3)
	v := s.need("value", 32)
	cur, ok := money.ParseCurrency(c)
	switch {
	case c != "" && (!ok || c != strings.ToUpper(c)):
		s.bad("currency", "%q is not a three-letter ISO 4217 currency.", c)
	case v != "" && !amountDigits.MatchString(v):
		s.bad("value", "%q is not a positive whole number of at most 16 digits.", v)
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if v != "" && (err != nil || n <= 0) {
		s.bad("value", "it has to be more than zero.")
	}
	return money.Of(n, cur)
}

// instant reads a time in ISO 8601 with an offset.
func (f fields) instant(member string) time.Time {
	s := f.text(member, 64)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		f.bad(member, "%q is not a time in ISO 8601 with an offset, such as 2019-11-27T12:01:01+08:00.", s)
	}
	return t
}

// httpURL reads an address we will call.
func (f fields) httpURL(member string, longest int) string {
	s := f.text(member, longest)
	if s == "" {
		return ""
	}
	if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.ContainsAny(s, " \t\r\n") {
		f.bad(member, "%q is not an http or https URL.", s)
	}
	return s
}

// refusedSchemes run script in, or open local content from, the page that leads
// to them.
var refusedSchemes = map[string]bool{
	"javascript": true, "data": true, "vbscript": true, "file": true, "blob": true, "about": true, "filesystem": true, "view-source": true,
}

// anyURL reads an address the payer is sent to: of the web or of an app.
func (f fields) anyURL(member string, longest int) string {
	s := f.need(member, longest)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || refusedSchemes[strings.ToLower(u.Scheme)] || strings.ContainsAny(s, " \t\r\n\x7f") ||
		(u.Scheme == "http" || u.Scheme == "https") && u.Host == "" {
		f.bad(member, "%q is not a URL a payer can be sent to.", s)
	}
	return s
}

// amountOf writes an amount.
func amountOf(a money.Amount) object {
	if a.Currency == "" {
		return nil
	}
	return object{{"currency", string(a.Currency)}, {"value", strconv.FormatInt(a.Minor, 10)}}
}
