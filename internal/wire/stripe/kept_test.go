package stripe_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// TestKeptAnswers: an answer that is asked for again is what it would be if it
// were made anew, whoever wrote meanwhile, and whatever time it is.
func TestKeptAnswers(t *testing.T) {
	t.Parallel()
	db := "sqlite:" + filepath.Join(t.TempDir(), "ducat.db")
	w := worldOn(t, wiretest.New(t, db))
	elsewhere := worldOn(t, wiretest.New(t, db)).with(w.key) // another process on the same file
	var want []string
	for i := range 6 {
		for range 3 {
			w.shows(want, "/v1/customers")
		}
		w.clock.Advance(time.Second) // so that it is certain who comes first
		elsewhere.clock.Advance(time.Second)
		by := []*world{w, elsewhere}[i%2]
		want = append(by.customers(1), want...)
	}
	w.shows(want, "/v1/customers")
	w.must(elsewhere.post("/v1/customers/"+want[0], "name", "Ann"))
	for range 2 {
		w.has(w.must(w.get("/v1/customers/"+want[0])), object{"name": "Ann"})
		w.has(w.must(w.get("/v1/customers/"+want[1])), object{"name": nil})
		if got := w.with("sk_test_" + keys.Random(24)).page("/v1/customers"); got != nil {
			t.Errorf("another world sees %v", got)
		}
		if got := w.page("/v1/customers", "limit", "2"); !slices.Equal(got, want[:2]) {
			t.Errorf("another page: %v", got)
		}
		old := w.do("GET", "/v1/customers/"+want[0], map[string]string{"Stripe-Version": "2019-12-03"})
		if _, ok := old.obj["sources"]; !ok {
			t.Errorf("another version: %s", old.body)
		}
	}

	charge := w.charged()["id"].(string)
	id := w.control("POST", "disputes", fmt.Sprintf(`{"id": %q, "reason": "general"}`, charge))["id"].(string)
	due := func(want bool) {
		t.Helper()
		if got := w.must(w.get("/v1/disputes/" + id))["evidence_details"].(object)["past_due"]; got != want {
			t.Errorf("past_due is %v, want %v", got, want)
		}
	}
	due(false)
	due(false)
	w.clock.Advance(11 * 24 * time.Hour) // and nobody writes anything
	due(true)
	w.advance(0) // the deadline is applied before the books are audited
}
