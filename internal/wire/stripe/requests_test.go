package stripe_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/ducatpay/ducat/internal/wire/stripe"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// operations indexes the published document by method and path, the names of
// path parameters left out: POST /v1/charges/{}/capture.
var operations = sync.OnceValues(func() (map[string]*openapi3.Operation, error) {
	doc, err := document()
	if err != nil {
		return nil, err
	}
	all := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all[method+" "+placeholder.ReplaceAllString(path, "{}")] = op
		}
	}
	return all, nil
})

// documented returns an operation's parameters by name.
func documented(op *openapi3.Operation) map[string]*openapi3.SchemaRef {
	all := map[string]*openapi3.SchemaRef{}
	for _, p := range op.Parameters {
		if p.Value.In == "query" {
			all[p.Value.Name] = p.Value.Schema
		}
	}
	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Value.Content {
			for name, s := range media.Schema.Value.Properties {
				all[name] = s
			}
		}
	}
	return all
}

// validateRequest checks that the published document allows the parameters of a
// request that succeeded. Every such request of every test comes through here.
func validateRequest(t testing.TB, method, path, encoded string) {
	t.Helper()
	for _, wrong := range undocumented(t, method, path, encoded) {
		t.Errorf("%s %s succeeded with %s", method, path, wrong)
	}
}

// undocumented says what the published document does not allow in a request.
func undocumented(t testing.TB, method, path, encoded string) (wrong []string) {
	t.Helper()
	ops, err := operations()
	if err != nil {
		t.Fatalf("OpenAPI document: %v", err)
	}
	route, ok := routeOf(method, path)
	op := ops[method+" "+placeholder.ReplaceAllString(route.Path, "{}")]
	if !ok || op == nil {
		return nil // TestRoutesAreDocumented lists those that are not
	}
	params, err := form.Parse(encoded)
	if err != nil {
		return []string{"unreadable parameters: " + err.Error()}
	}
	known := documented(op)
	extra := beyond(t)[method+" "+route.Path]
	for k := range params.Keys() {
		s, ok := known[k]
		switch {
		case !ok && (slices.Contains(extra, k) || slices.Contains(stripe.Transport(), k) || route.Public && slices.Contains(stripe.Telemetry(), k)):
		case !ok:
			wrong = append(wrong, "a parameter that the published document does not have: "+k)
		case k == "payment_method_data" && route.Public:
			// The card that browsers send, and what they send with it, is not published.
			for m := range params.Get(k).Keys() {
				if inner := s.Value.Properties[m]; inner == nil && m != "card" && !slices.Contains(stripe.Telemetry(), m) {
					wrong = append(wrong, "a parameter that the published document does not have: "+k+"["+m+"]")
				} else if inner != nil && m != "type" {
					if err := fits(params.Get(k).Get(m), inner.Value); err != nil {
						wrong = append(wrong, fmt.Sprintf("a parameter that the published document does not allow: %s[%s]: %v", k, m, err))
					}
				}
			}
		default:
			if err := fits(params.Get(k), s.Value); err != nil {
				wrong = append(wrong, fmt.Sprintf("a parameter that the published document does not allow: %s: %v", k, err))
			}
		}
	}
	return wrong
}

// TestRequestValidatorBites: a request that breaks the published document is
// noticed.
func TestRequestValidatorBites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, path, params string }{
		{"POST", "/v1/charges", "amuont=1"},
		{"POST", "/v1/charges", "amount=1.5"},
		{"POST", "/v1/charges", "capture=yes"},
		{"POST", "/v1/charges", "metadata=a&expand=b"},
		{"POST", "/v1/charges", "shipping[nmae]=Ann"},
		{"POST", "/v1/refunds", "reason=whim"},
		{"POST", "/v1/webhook_endpoints", "enabled_events[]=*&enabled_events[]=nothing.happened"},
		{"POST", "/v1/webhook_endpoints", "description=" + strings.Repeat("x", 5001)},
		{"GET", "/v1/charges", "created[after]=1"},
		{"GET", "/v1/charges/py_1", "limit=1"},
	} {
		if undocumented(t, c.method, c.path, c.params) == nil {
			t.Errorf("%s %s %s passes", c.method, c.path, c.params)
		}
	}
	if wrong := undocumented(t, "GET", "/v1/charges", "created[gte]=1&limit=3&expand[]=data.refunds"); wrong != nil {
		t.Errorf("a good request: %v", wrong)
	}
}

// routeOf finds the row of the surface a request belongs to. Literal segments
// go before placeholders.
func routeOf(method, path string) (stripe.Route, bool) {
	best, bestHoles, found := stripe.Route{}, 0, false
	got := strings.Split(path, "/")
	for _, r := range stripe.Routes() {
		want := strings.Split(r.Path, "/")
		if r.Method != method || len(want) != len(got) {
			continue
		}
		holes, ok := 0, true
		for i := range want {
			if strings.HasPrefix(want[i], "{") {
				holes++
			} else if want[i] != got[i] {
				ok = false
			}
		}
		if ok && (!found || holes < bestHoles) {
			best, bestHoles, found = r, holes, true
		}
	}
	return best, found
}

// fits checks a decoded form value against a schema of the document.
func fits(v form.Value, s *openapi3.Schema) error {
	if len(s.AnyOf) > 0 {
		var why error
		for _, one := range s.AnyOf {
			err := fits(v, one.Value)
			if err == nil {
				return nil
			}
			why = err
		}
		return why
	}
	text := v.String()
	switch {
	case s.Type.Is("object"):
		h, ok := v.AsHash()
		if !ok {
			return fmt.Errorf("%s is not an object", text)
		}
		for k := range h.Keys() {
			inner := s.Properties[k]
			if inner == nil {
				inner = s.AdditionalProperties.Schema
			}
			if inner == nil {
				return fmt.Errorf("there is no member %s", k)
			}
			if err := fits(h.Get(k), inner.Value); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
		return nil
	case s.Type.Is("array"):
		if v.Kind() == form.Scalar && text == "" {
			return nil // how libraries send an empty list
		}
		if v.Kind() != form.List {
			return fmt.Errorf("%s is not an array", text)
		}
		for _, item := range v.Items() {
			if err := fits(item, s.Items.Value); err != nil {
				return err
			}
		}
		return nil
	case v.Kind() != form.Scalar:
		return fmt.Errorf("%s is not a scalar", text)
	case s.Type.Is("integer"):
		_, err := strconv.ParseInt(text, 10, 64)
		return err
	case s.Type.Is("boolean"):
		if text != "true" && text != "false" {
			return fmt.Errorf("%s is not a boolean", text)
		}
	case s.Type.Is("string"):
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, any(text)) {
			return fmt.Errorf("%q is not among %v", text, s.Enum)
		}
		if s.MaxLength != nil && uint64(len([]rune(text))) > *s.MaxLength {
			return fmt.Errorf("%d characters, at most %d", len([]rune(text)), *s.MaxLength)
		}
	}
	return nil
}

// divergences reads a table of docs/divergences/stripe.md: rows of a route and
// names, under a heading.
func divergences(t testing.TB, heading string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "divergences", "stripe.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("docs/divergences/stripe.md has no section %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n#")
	rows := map[string][]string{}
	for line := range strings.SplitSeq(rest, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		route := strings.Trim(strings.TrimSpace(cells[1]), "`")
		rows[route] = []string{}
		for name := range strings.SplitSeq(cells[2], ",") {
			if name = strings.Trim(strings.TrimSpace(name), "`"); name != "" {
				rows[route] = append(rows[route], name)
			}
		}
	}
	return rows
}

// beyond is what endpoints take though the published document has it not, by
// method and path.
func beyond(t testing.TB) map[string][]string {
	t.Helper()
	beyondOnce.Do(func() { beyondRows = divergences(t, "Parameters beyond the published document") })
	return beyondRows
}

var (
	beyondOnce sync.Once
	beyondRows map[string][]string
)

// TestRoutesAreDocumented: every route is in the published document, or listed
// as one that is not; each parameter the document has for it is taken, or listed
// as not taken; and each one taken is in the document, or listed. The lists are
// tables of docs/divergences/stripe.md, and a row there that is not true any
// longer is an error as well.
func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	ops, err := operations()
	if err != nil {
		t.Fatal(err)
	}
	unpublished := divergences(t, "Routes beyond the published document")
	missing := divergences(t, "Parameters not taken")
	extra := divergences(t, "Parameters beyond the published document")
	check := func(table map[string][]string, route, what string, names []string) {
		t.Helper()
		slices.Sort(names)
		listed := slices.Sorted(slices.Values(table[route]))
		if !slices.Equal(names, listed) {
			t.Errorf("%s: %s\n  are   %s\n  listed %s", route, what, strings.Join(names, ", "), strings.Join(listed, ", "))
		}
		delete(table, route)
	}
	for _, r := range stripe.Routes() {
		route := r.Method + " " + r.Path
		op := ops[r.Method+" "+placeholder.ReplaceAllString(r.Path, "{}")]
		if op == nil {
			if _, ok := unpublished[route]; !ok {
				t.Errorf("%s is not in the published document: list it under \"Routes beyond the published document\"", route)
			}
			delete(unpublished, route)
			continue
		}
		var absent, more []string
		known := documented(op)
		for name := range known {
			if !slices.Contains(r.Params, name) && !slices.Contains(stripe.Transport(), name) {
				absent = append(absent, "`"+name+"`")
			}
		}
		for _, name := range r.Params {
			if known[name] == nil {
				more = append(more, "`"+name+"`")
			}
		}
		quoted := func(table map[string][]string) {
			for i, n := range table[route] {
				table[route][i] = "`" + n + "`"
			}
		}
		quoted(missing)
		quoted(extra)
		check(missing, route, "parameters not taken", absent)
		check(extra, route, "parameters beyond the published document", more)
	}
	for name, table := range map[string]map[string][]string{"Routes beyond the published document": unpublished, "Parameters not taken": missing, "Parameters beyond the published document": extra} {
		for route := range table {
			t.Errorf("docs/divergences/stripe.md, %q: %s is not a route, or is in the document", name, route)
		}
	}
}

// TestMembersAreDocumented: the members of each hash parameter that the document
// has are taken, or listed as not taken, one level down, as far as an endpoint
// reads before it finds something else wrong.
func TestMembersAreDocumented(t *testing.T) {
	t.Parallel()
	ops, err := operations()
	if err != nil {
		t.Fatal(err)
	}
	listed := divergences(t, "Members not taken")
	h := newHousehold(newWorld(t))
	h.wrong = true // a member is tried with a value of no type
	for _, r := range stripe.Routes() {
		op := ops[r.Method+" "+placeholder.ReplaceAllString(r.Path, "{}")]
		if r.Method != "POST" || op == nil {
			continue
		}
		route := r.Method + " " + r.Path
		refused := []string{}
		for name, s := range documented(op) {
			if !slices.Contains(r.Params, name) {
				continue
			}
			for _, member := range slices.Sorted(maps.Keys(hashMembers(s.Value))) {
				full := name + "[" + member + "]"
				params := slices.Concat(required(route), needed(route, h), []string{full, "x"})
				if route == "POST /v1/charges" {
					params = append(params, "source", "src_none") // without one, nothing else is read
				}
				res := h.do("POST", h.fill(t, r.Path), nil, params...)
				if res.err()["code"] == "parameter_unknown" && res.err()["param"] == full {
					refused = append(refused, full)
				}
			}
		}
		slices.Sort(refused)
		if want := slices.Sorted(slices.Values(listed[route])); !slices.Equal(refused, want) {
			t.Errorf("| `%s` | `%s` | |\n listed %s", route, strings.Join(refused, "`, `"), strings.Join(want, ", "))
		}
		delete(listed, route)
	}
	for route := range listed {
		t.Errorf("docs/divergences/stripe.md, \"Members not taken\": %s refuses none", route)
	}
}

// hashMembers are the members of a parameter that can be a hash.
func hashMembers(s *openapi3.Schema) openapi3.Schemas {
	for _, one := range s.AnyOf {
		if len(one.Value.Properties) > 0 {
			return one.Value.Properties
		}
	}
	return s.Properties
}
