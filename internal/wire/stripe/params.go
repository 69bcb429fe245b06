package stripe

import (
	"fmt"
	"iter"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// transport lists parameters that belong to how a request is made and are
// accepted everywhere (stripe-sources §3.2, telemetry).
var transport = []string{"key", "_stripe_account", "_stripe_version", "expand"}

// telemetry lists what browsers and mobile SDKs add to publishable-key calls;
// it is accepted and dropped.
var telemetry = []string{"guid", "muid", "sid", "payment_user_agent", "referrer", "time_on_page", "pasted_fields", "radar_options", "client_attribution_metadata"}

// known refuses parameters the endpoint does not know.
func (c *call) known(ep endpoint) error {
	var unknown []string
	for k := range c.params.Keys() {
		switch {
		case slices.Contains(ep.params, k) && c.takes(ep, k) || slices.Contains(transport, k):
		case ep.public && slices.Contains(telemetry, k):
		case ep.object == "source" && ep.write != nil && c.path("id") == "" && k == c.params.Get("type").String() && k != "":
		default:
			unknown = append(unknown, k)
		}
	}
	switch {
	case len(unknown) == 0 || !since(c.version, versionStrict):
		return nil
	case len(unknown) == 1:
		return invalid("parameter_unknown", unknown[0], "Received unknown parameter: %s", unknown[0])
	}
	return invalid("parameter_unknown", unknown[0], "Received unknown parameters: %s", strings.Join(unknown, ", "))
}

// members refuses members of a hash parameter that are not in names.
func members(v form.Value, name string, names ...string) error {
	for k := range v.Keys() {
		if !slices.Contains(names, k) {
			full := name + "[" + k + "]"
			return invalid("parameter_unknown", full, "Received unknown parameter: %s", full)
		}
	}
	return nil
}

// beginning is what a message shows of a text that is too long.
func beginning(s string) string {
	const shown = 20 // characters
	if r := []rune(s); len(r) > shown {
		return string(r[:shown])
	}
	return s
}

// text reads a string. Missing and empty both give "", with set telling whether
// the parameter was there. max is in characters, 0 for 5000.
func text(v form.Value, name string, max int) (s string, set bool, err error) {
	switch v.Kind() {
	case form.Missing:
		return "", false, nil
	case form.Scalar:
	default:
		return "", true, invalid("", name, "Invalid string: %s", v.JSON())
	}
	s = v.String()
	if max == 0 {
		max = 5000
	}
	if n := utf8.RuneCountInString(s); n > max {
		return "", true, invalid("", name, "Invalid string: %s…; must be at most %d characters, but it is %d characters long", beginning(s), max, n)
	}
	return s, true, nil
}

// keptText is a string parameter and where it is kept. max is as in text.
type keptText struct {
	name string
	to   *string
	max  int
}

// keepTexts keeps the parameters that are there.
func keepTexts(p form.Value, all ...keptText) error {
	for _, f := range all {
		s, set, err := text(p.Get(f.name), f.name, f.max)
		if err != nil {
			return err
		}
		if set {
			*f.to = s
		}
	}
	return nil
}

// receiptEmail checks where a receipt is to go.
func receiptEmail(s string) error {
	if s != "" && !strings.Contains(s, "@") {
		return invalid("email_invalid", "receipt_email", "Invalid email address: %s", s)
	}
	return nil
}

// setOnce refuses another value for what can be given only once.
func setOnce(name, was, now string) error {
	if was != "" && now != was {
		return invalid("", name, "The parameter %s can only be provided if it has not been set: it is %s.", name, was)
	}
	return nil
}

// must reads a string that cannot be empty or missing.
func must(v form.Value, name string, max int) (string, error) {
	s, set, err := text(v, name, max)
	switch {
	case err != nil:
		return "", err
	case !set:
		return "", missingParam(name)
	case s == "":
		return "", emptyParam(name)
	}
	return s, nil
}

func emptyParam(name string) *wireError {
	return invalid("parameter_invalid_empty", name, "You passed an empty string for '%s'. We assume empty values are an attempt to unset a parameter; however '%s' cannot be unset. You should remove '%s' from your request or supply a non-empty value.", name, name, name)
}

// integerDigits is how many digits an integer can have: any of them fits.
const integerDigits = 18

// integer reads an integer; ok is false when the parameter is missing.
func integer(v form.Value, name string) (n int64, ok bool, err error) {
	switch v.Kind() {
	case form.Missing:
		return 0, false, nil
	case form.Scalar:
	default:
		return 0, true, invalid("parameter_invalid_integer", name, "Invalid integer: %s", v.JSON())
	}
	s := v.String()
	if s == "" {
		return 0, true, emptyParam(name)
	}
	n, err = strconv.ParseInt(s, 10, 64)
	if digits := strings.TrimPrefix(s, "-"); err != nil || len(digits) > integerDigits || digits[0] == '+' {
		return 0, true, invalid("parameter_invalid_integer", name, "Invalid integer: %s", printable(s))
	}
	return n, true, nil
}

// positive reads a required amount in minor units.
func positive(v form.Value, name string) (int64, error) {
	n, ok, err := integer(v, name)
	switch {
	case err != nil:
		return 0, err
	case !ok:
		return 0, missingParam(name)
	case n < 1:
		return 0, invalid("parameter_invalid_integer", name, "This value must be greater than or equal to 1.")
	}
	return n, nil
}

func boolean(v form.Value, name string, byDefault bool) (bool, error) {
	if v.Kind() == form.Missing {
		return byDefault, nil
	}
	switch v.String() {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "":
		return false, emptyParam(name)
	}
	if v.Kind() != form.Scalar {
		return false, invalid("", name, "Invalid boolean: %s", v.JSON())
	}
	return false, invalid("", name, "Invalid boolean: %s", printable(v.String()))
}

// oneOf reads an enum member.
func oneOf(v form.Value, name string, values ...string) (string, bool, error) {
	s, set, err := text(v, name, 0)
	if err != nil || !set {
		return "", set, err
	}
	if s == "" {
		return "", true, emptyParam(name)
	}
	if !slices.Contains(values, s) {
		return "", true, invalid("", name, "Invalid %s: must be %s", name, choice(values))
	}
	return s, true, nil
}

func choice(values []string) string {
	switch n := len(values); n {
	case 1:
		return values[0]
	case 2:
		return "one of " + values[0] + " or " + values[1]
	default:
		return "one of " + strings.Join(values[:n-1], ", ") + ", or " + values[n-1]
	}
}

// hash reads a parameter that must be a hash if it is there.
func hash(v form.Value, name string) (form.Value, bool, error) {
	if v.Kind() == form.Missing {
		return v, false, nil
	}
	if h, ok := v.AsHash(); ok {
		return h, true, nil
	}
	if v.Kind() == form.Scalar && v.String() == "" {
		return v, true, emptyParam(name)
	}
	return v, true, invalid("", name, "Invalid object")
}

// Limits on metadata (stripe-platform §2.5).
const (
	metadataKeys   = 50
	metadataKeyLen = 40
	metadataValLen = 500
)

// metadata merges the metadata parameter into what is stored: an empty value
// removes its key, and an empty parameter removes all.
func metadata(v form.Value, stored map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(stored))
	if v.Kind() == form.Scalar && v.String() == "" {
		return out, nil
	}
	for k, s := range stored {
		out[k] = s
	}
	h, set, err := hash(v, "metadata")
	if err != nil || !set {
		return out, err
	}
	for k := range h.Keys() {
		name := "metadata[" + k + "]"
		if utf8.RuneCountInString(k) > metadataKeyLen {
			return nil, invalid("", "metadata", "Metadata keys can have up to %d characters, but you passed in a key that is %d characters. Invalid key: %s", metadataKeyLen, utf8.RuneCountInString(k), k)
		}
		s := h.Get(k)
		if s.Kind() != form.Scalar {
			return nil, invalid("", name, "Invalid string: %s", s.JSON())
		}
		if n := utf8.RuneCountInString(s.String()); n > metadataValLen {
			return nil, invalid("", "metadata", "Metadata values can have up to %d characters, but you passed in a value that is %d characters. Invalid value: %s…", metadataValLen, n, s.String()[:20])
		}
		if s.String() == "" {
			delete(out, k)
		} else {
			out[k] = s.String()
		}
	}
	if len(out) > metadataKeys {
		return nil, invalid("", "metadata", "You can specify up to %d metadata keys, but you passed in %d.", metadataKeys, len(out))
	}
	return out, nil
}

// addressMembers are the members of every address.
var addressMembers = []string{"city", "country", "line1", "line2", "postal_code", "state"}

// forbiddenSchemes run code or read files where a return URL is followed.
var forbiddenSchemes = []string{"javascript", "data", "vbscript", "file", "blob", "about"}

var schemeShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// returnURL checks where a payer is to be sent: an absolute URL or an app's
// scheme (stripe-sources §3.4).
func returnURL(s, name string) error {
	bad := func(why string) error { return invalid("url_invalid", name, "Not a valid URL: %s", why) }
	if len(s) > 5000 {
		return bad("it is longer than 5000 characters.")
	}
	for _, r := range s {
		if r <= ' ' || r == 0x7f {
			return bad("it contains a space or a control character.")
		}
	}
	scheme := schemeShape.FindString(s)
	if scheme == "" {
		return bad("an explicit scheme (such as https, or your app's own) must be provided.")
	}
	lower := strings.ToLower(strings.TrimSuffix(scheme, ":"))
	if slices.Contains(forbiddenSchemes, lower) {
		return bad(fmt.Sprintf("the scheme %s is not allowed.", lower))
	}
	u, err := url.Parse(s)
	if err != nil {
		return bad("it cannot be parsed.")
	}
	if (lower == "http" || lower == "https") && u.Host == "" {
		return bad("it has no host.")
	}
	if len(s) == len(scheme) {
		return bad("there is nothing after the scheme.")
	}
	return nil
}

// field is a parameter and where it goes.
type field[T any] struct {
	name string
	to   *T
}

func at[T any](name string, to *T) field[T] { return field[T]{name, to} }

// fields goes through parameters of a type in order: of two that are wrong, the
// first is named.
func fields[T any](fs ...field[T]) iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		for _, f := range fs {
			if !yield(f.name, f.to) {
				return
			}
		}
	}
}

// elements reads an array parameter; the empty string is the empty array.
func elements(v form.Value, name string) (items []form.Value, set bool, err error) {
	switch {
	case v.Kind() == form.Missing:
		return nil, false, nil
	case v.Kind() == form.List:
		return v.Items(), true, nil
	case v.Kind() == form.Scalar && v.String() == "":
		return nil, true, nil
	}
	return nil, true, invalid("", name, "Invalid array")
}

func currency(v form.Value) (money.Currency, error) { return currencyOf(v, "currency") }

// currencyOf reads a currency from a parameter of another name.
func currencyOf(v form.Value, name string) (money.Currency, error) {
	s, err := must(v, name, 0)
	if err != nil {
		return "", err
	}
	cur, ok := money.ParseCurrency(s)
	if !ok {
		return "", invalid("", name, "Invalid currency: %s. Stripe currently supports these currencies: %s", strings.ToLower(printable(s)), supportedCurrencies)
	}
	return cur, nil
}

// supportedCurrencies lists what a currency parameter takes, the dollar first as
// in the real message.
var supportedCurrencies = func() string {
	list := []string{"usd"}
	for _, c := range money.Currencies() {
		if c != "USD" {
			list = append(list, c.Lower())
		}
	}
	return strings.Join(list, ", ")
}()

func address(v form.Value, name string, stored map[string]string) (map[string]string, error) {
	if v.Kind() == form.Scalar && v.String() == "" {
		return nil, nil
	}
	h, set, err := hash(v, name)
	if err != nil || !set {
		return stored, err
	}
	if err := members(h, name, addressMembers...); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for k, s := range stored {
		out[k] = s
	}
	for k := range h.Keys() {
		s, _, err := text(h.Get(k), name+"["+k+"]", 0)
		if err != nil {
			return nil, err
		}
		out[k] = s
	}
	return out, nil
}

func renderAddress(a map[string]string) any {
	if a == nil {
		return nil
	}
	o := make(obj, len(addressMembers))
	for _, k := range addressMembers {
		o[k] = nullable(a[k])
	}
	return o
}
