package stripe_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// fixture is a file that the command line tool runs (stripe-platform §16.3).
type fixture struct {
	Requests []struct {
		Name   string `json:"name"`
		Path   string `json:"path"`
		Method string `json:"method"`
		Params object `json:"params"`
	} `json:"fixtures"`
}

var fromAnswer = regexp.MustCompile(`\$\{(\w+):(\w+)\}`)

// run makes a file's requests in order, as the tool does.
func (f fixture) run(w *world) {
	w.t.Helper()
	answers := map[string]object{}
	fill := func(s string) string {
		return fromAnswer.ReplaceAllStringFunc(s, func(ref string) string {
			m := fromAnswer.FindStringSubmatch(ref)
			v, ok := answers[m[1]][m[2]].(string)
			if !ok {
				w.t.Fatalf("%s: nothing there", ref)
			}
			return v
		})
	}
	for _, r := range f.Requests {
		answers[r.Name] = w.must(w.do(strings.ToUpper(r.Method), fill(r.Path), nil, flat("", r.Params, fill)...))
	}
}

// flat is an object as parameters of a form.
func flat(name string, v any, fill func(string) string) (params []string) {
	o, ok := v.(object)
	if !ok {
		return []string{name, fill(fmt.Sprint(v))}
	}
	for k, inner := range o {
		full := k
		if name != "" {
			full = name + "[" + k + "]"
		}
		params = append(params, flat(full, inner, fill)...)
	}
	return params
}

// TestFixtures: each of the files for the command line tool brings about the
// event it is named after.
func TestFixtures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../fixtures/stripe/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{"source.chargeable", "source.failed", "source.canceled"} {
		if !slices.ContainsFunc(files, func(f string) bool { return filepath.Base(f) == event+".json" }) {
			t.Errorf("no fixture for %s", event)
		}
	}
	for _, file := range files {
		event := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var f fixture
			dec := json.NewDecoder(strings.NewReader(string(b)))
			dec.UseNumber()
			if err := dec.Decode(&f); err != nil {
				t.Fatal(err)
			}
			f.run(w)
			w.work() // a test clock that is moved
			w.advance(2 * time.Second)
			if !slices.Contains(w.events(), event) {
				t.Errorf("events %v", w.events())
			}
		})
	}
}

// TestPayerScenarios: a source that its payer decides about without a page.
func TestPayerScenarios(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		src := w.source("metadata[ducat_scenario]", "payer_authorizes")
		w.has(src, object{"status": "chargeable"})
		w.has(w.must(w.chargeOf(src)), object{"status": "succeeded"})
		src = w.source("metadata[ducat_scenario]", "payer_declines")
		w.has(src, object{"status": "pending"})
		w.advance(time.Second)
		w.has(w.must(w.get("/v1/sources/"+src["id"].(string))), object{"status": "failed"})
		if e := strings.Join(w.events(), " "); e != "source.chargeable charge.succeeded source.failed" {
			t.Errorf("events %s", e)
		}
	})
}
