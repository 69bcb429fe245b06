package stripe_test

import (
	"encoding/json"
	"testing"
)

// TestPreviousAttributes: nested differences only; what was absent is null, what
// is gone is shown (stripe-platform §8.1).
func TestPreviousAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.must(w.post("/v1/customers", "name", "A", "metadata[a]", "1", "metadata[b]", "2", "preferred_locales[]", "en", "address[city]", "Bonn", "address[line1]", "Markt 1"))["id"].(string)
	for _, c := range []struct {
		change []string
		want   string
	}{
		{[]string{"metadata[a]", "3"}, `{"metadata":{"a":"1"}}`},
		{[]string{"metadata[b]", ""}, `{"metadata":{"b":"2"}}`},
		{[]string{"metadata[c]", "4", "name", "B"}, `{"metadata":{"c":null},"name":"A"}`},
		{[]string{"description", "x"}, `{"description":null}`},
		{[]string{"preferred_locales[0]", "en", "preferred_locales[1]", "fr"}, `{"preferred_locales":["en"]}`},
		{[]string{"address[city]", "Ulm", "address[line1]", "Markt 1"}, `{"address":{"city":"Bonn"}}`},
		{[]string{"metadata", ""}, `{"metadata":{"a":"3","c":"4"}}`},
	} {
		w.must(w.post("/v1/customers/"+id, c.change...))
		e := w.must(w.get("/v1/events", "type", "customer.updated", "limit", "1"))["data"].([]any)[0].(object)
		got, err := json.Marshal(e["data"].(object)["previous_attributes"])
		if err != nil || string(got) != c.want {
			t.Errorf("%v: previous_attributes %s, want %s", c.change, got, c.want)
		}
	}
	if e := w.must(w.get("/v1/events", "type", "customer.created"))["data"].([]any)[0].(object); len(e["data"].(object)) != 1 {
		t.Errorf("customer.created has %v", e["data"])
	}
}
