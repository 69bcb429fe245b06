package stripe_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stripe/stripe-mock/embedded"
)

// schemas loads the published document once.
var schemas = sync.OnceValues(func() (openapi3.Schemas, error) {
	b, err := embedded.OpenAPISpec, error(nil)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		return nil, err
	}
	return doc.Components.Schemas, nil
})

// validate checks an answer against the published schema of its object. Every
// answer of every test comes through here.
func validate(t *testing.T, r response) {
	t.Helper()
	all, err := schemas()
	if err != nil {
		t.Fatalf("OpenAPI document: %v", err)
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
	case object_ == "list":
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

func schemaName(o object) string { return strings.ReplaceAll(o["object"].(string), ".", "_") }

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
