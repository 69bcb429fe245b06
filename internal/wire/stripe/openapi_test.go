package stripe_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stripe/stripe-mock/embedded"
)

// document loads the published document once.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromData(embedded.OpenAPISpec)
})

func schemas() (openapi3.Schemas, error) {
	doc, err := document()
	if err != nil {
		return nil, err
	}
	return doc.Components.Schemas, nil
}

// publishedShape is the oldest version whose answers have the shape of the
// published document.
const publishedShape = "2024-09-30"

// validate checks an answer against the published schema of its object. Every
// answer of every test comes through here.
func validate(t testing.TB, r response) {
	t.Helper()
	all, err := schemas()
	if err != nil {
		t.Fatalf("OpenAPI document: %v", err)
	}
	if version := r.header.Get("Stripe-Version"); version != "" && version < publishedShape {
		return // the document has today's shape; TestDifferences is about the others
	}
	check := func(name string, v any) {
		t.Helper()
		s, ok := all[name]
		if !ok {
			t.Fatalf("OpenAPI document has no schema %q", name)
		}
		if err := s.Value.VisitJSON(v); err != nil {
			msg := err.Error()
			t.Errorf("answer does not match schema %q: %s", name, msg[:min(len(msg), 900)])
		}
	}
	if r.err() != nil {
		check("error", r.obj)
		return
	}
	object_, _ := r.obj["object"].(string)
	switch {
	case r.header.Get("Stripe-Version") < "2024-09-30":
		// The document describes the newest version.
	case object_ == "list" || object_ == "search_result":
		for _, d := range r.obj["data"].([]any) {
			check(schemaName(d.(object)), d)
		}
		for _, k := range []string{"data", "has_more", "url"} {
			if _, ok := r.obj[k]; !ok {
				t.Errorf("list without %s", k)
			}
		}
	case r.obj["deleted"] == true:
		check("deleted_"+object_, r.obj)
	case object_ != "":
		check(schemaName(r.obj), r.obj)
	}
}

func schemaName(o object) string { return o["object"].(string) }

// TestEventTypes: the list of events an endpoint can subscribe to is the
// published one, and everything that fires is on it.
func TestEventTypes(t *testing.T) {
	t.Parallel()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	enum := doc.Paths.Value("/v1/webhook_endpoints").Post.RequestBody.Value.Content["application/x-www-form-urlencoded"].Schema.Value.Properties["enabled_events"].Value.Items.Value.Enum
	w := newWorld(t)
	params := []string{"url", "http://localhost:1/"}
	for i, e := range enum {
		params = append(params, fmt.Sprintf("enabled_events[%d]", i), e.(string))
	}
	w.must(w.post("/v1/webhook_endpoints", params...))
	last := enum[len(enum)-1].(string)
	r := w.post("/v1/webhook_endpoints", "url", "http://localhost:1/", "enabled_events[0]", "*", "enabled_events[1]", last+"x")
	if m, _ := r.err()["message"].(string); r.status != 400 || r.err()["param"] != "enabled_events[1]" || strings.Count(m, ", ") != len(enum)-1 || !strings.HasPrefix(m, "Invalid enabled_events[1]: must be one of *, account.application.authorized, ") || !strings.HasSuffix(m, ", or "+last) {
		t.Errorf("unknown name: %d %s", r.status, r.body)
	}
}

// TestValidatorBites: an answer that breaks the published schema is noticed.
func TestValidatorBites(t *testing.T) {
	t.Parallel()
	all, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for schema, o := range map[string]object{"source": w.source(), "charge": w.charged(), "balance": w.must(w.get("/v1/balance"))} {
		for _, damage := range []func(object){
			func(o object) { delete(o, "livemode") },
			func(o object) { o["livemode"] = "no" },
		} {
			broken := object{}
			for k, v := range o {
				broken[k] = v
			}
			damage(broken)
			if all[schema].Value.VisitJSON(broken) == nil {
				t.Errorf("a broken %s passes", schema)
			}
		}
	}
}
