package stripe_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// gate is a store whose next Update waits until it is let in, or fails.
type gate struct {
	store.Store
	armed   atomic.Bool
	reached chan struct{}
	open    chan error // what the update fails with, nil to go on
}

func newGate(s store.Store) *gate {
	return &gate{Store: s, reached: make(chan struct{}), open: make(chan error)}
}

func (g *gate) Update(ctx context.Context, merchantID int64, fn func(tx store.Tx) error) error {
	if g.armed.CompareAndSwap(true, false) {
		g.reached <- struct{}{}
		if err := <-g.open; err != nil {
			return err
		}
	}
	return g.Store.Update(ctx, merchantID, fn)
}

// gated runs a test on both databases behind a gate.
func gated(t *testing.T, fn func(t *testing.T, w *world, g *gate)) {
	t.Helper()
	for name, db := range map[string]func(t testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "ducat.db") },
		"postgres": pgtest.URL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(wiretest.Open(t, db(t)))
			fn(t, worldOn(t, wiretest.Over(t, g)), g)
		})
	}
}

func keyed(key string) map[string]string { return map[string]string{"Idempotency-Key": key} }

// TestKeyInUse: while the first request with a key is under way, a repeat is
// told so; other uses of the key are told what is wrong with them; other keys
// go on; and afterwards the first answer is replayed (stripe-platform §5.3).
func TestKeyInUse(t *testing.T) {
	t.Parallel()
	gated(t, func(t *testing.T, w *world, g *gate) {
		w.must(w.post("/v1/customers", "name", "the world is open"))
		params := []string{"name", "Ann"}
		g.armed.Store(true)
		first := make(chan response, 1)
		go func() { first <- w.do("POST", "/v1/customers", keyed("k"), params...) }()
		<-g.reached

		r := w.do("POST", "/v1/customers", keyed("k"), params...)
		want := "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): k. Please try again later."
		if r.status != 409 || r.err()["type"] != "invalid_request_error" || r.err()["code"] != "idempotency_key_in_use" || r.err()["message"] != want {
			t.Errorf("repeat: %d %s", r.status, r.body)
		}
		if h := r.header; h.Get("Stripe-Should-Retry") != "true" || h.Get("Idempotency-Key") != "k" || h.Get("Idempotent-Replayed") != "" || h.Get("Original-Request") == h.Get("Request-Id") {
			t.Errorf("headers of the refusal: %v", h)
		}
		if r := w.do("POST", "/v1/customers", keyed("k"), "name", "Bob"); r.status != 400 || r.err()["type"] != "idempotency_error" {
			t.Errorf("other parameters: %d %s", r.status, r.body)
		}
		if r := w.do("POST", "/v1/refunds", keyed("k"), "charge", "py_x"); r.status != 400 || r.err()["type"] != "idempotency_error" {
			t.Errorf("another endpoint: %d %s", r.status, r.body)
		}
		w.must(w.do("POST", "/v1/customers", keyed("another"), params...))
		other := w.with("sk_test_" + keys.Random(24))
		other.must(other.do("POST", "/v1/customers", keyed("k"), "name", "of another account"))

		g.open <- nil
		done := <-first
		w.must(done)
		again := w.do("POST", "/v1/customers", keyed("k"), params...)
		if string(again.body) != string(done.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Original-Request") != done.header.Get("Request-Id") || r.header.Get("Original-Request") != done.header.Get("Request-Id") {
			t.Errorf("replay %v\n%s", again.header, again.body)
		}
		if n := len(w.must(w.get("/v1/customers"))["data"].([]any)); n != 3 {
			t.Errorf("%d customers, want 3", n)
		}
	})
}

// TestKeyFreeAfterFailure: what fails before it is decided stores nothing.
func TestKeyFreeAfterFailure(t *testing.T) {
	t.Parallel()
	gated(t, func(t *testing.T, w *world, g *gate) {
		w.must(w.post("/v1/customers", "name", "the world is open"))
		for _, c := range []struct {
			err    error
			status int
			code   any
			retry  string
		}{
			{fmt.Errorf("wrapped: %w", store.ErrStale), 429, "lock_timeout", "true"},
			{fmt.Errorf("disk full"), 500, nil, "true"},
		} {
			g.armed.Store(true)
			failed := make(chan response, 1)
			go func() { failed <- w.do("POST", "/v1/customers", keyed(fmt.Sprint(c.status)), "name", "Ann") }()
			<-g.reached
			g.open <- c.err
			if r := <-failed; r.status != c.status || r.err()["code"] != c.code || r.header.Get("Stripe-Should-Retry") != c.retry {
				t.Errorf("%v: %d %v %s", c.err, r.status, r.header, r.body)
			}
			if r := w.do("POST", "/v1/customers", keyed(fmt.Sprint(c.status)), "name", "Bob"); r.status != 200 || r.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("the key is not free: %d %s", r.status, r.body)
			}
		}
	})
}

// TestKeyRaceOnTwoNodes: two nodes on one database execute a request once.
func TestKeyRaceOnTwoNodes(t *testing.T) {
	t.Parallel()
	db := pgtest.URL(t)
	nodes := []*world{worldOn(t, wiretest.New(t, db)), worldOn(t, wiretest.New(t, db))}
	nodes[1].key = nodes[0].key
	for round := range 5 {
		results := make([]response, 8)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				results[i] = nodes[i%2].do("POST", "/v1/customers", keyed(fmt.Sprint("k", round)), "name", "Ann")
			})
		}
		wg.Wait()
		body, fresh := "", 0
		for _, r := range results {
			switch r.status {
			case 409:
			case 200:
				if body == "" {
					body = string(r.body)
				}
				if string(r.body) != body {
					t.Errorf("two answers:\n%s\n%s", body, r.body)
				}
				if r.header.Get("Original-Request") == r.header.Get("Request-Id") {
					fresh++
				}
			default:
				t.Errorf("%d %s", r.status, r.body)
			}
		}
		if fresh != 1 {
			t.Errorf("round %d: %d first executions", round, fresh)
		}
	}
	if n := len(nodes[0].must(nodes[1].get("/v1/customers"))["data"].([]any)); n != 5 {
		t.Errorf("%d customers, want 5", n)
	}
}

// TestReplayIsASnapshot: a replay shows the object as it was, in the version of
// the first call, byte for byte, whatever happened since; refusals that were
// decided replay like successes; a fresh Request-Id each time.
func TestReplayIsASnapshot(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		old := map[string]string{"Idempotency-Key": "k", "Stripe-Version": "2019-09-09"}
		first := w.do("POST", "/v1/customers", old, "name", "Ann")
		w.must(first)
		w.must(w.post("/v1/customers/"+first.obj["id"].(string), "name", "Bob"))
		again := w.do("POST", "/v1/customers", map[string]string{"Idempotency-Key": "k", "Stripe-Version": "2026-03-25.dahlia"}, "name", "Ann")
		if string(again.body) != string(first.body) || again.status != first.status {
			t.Errorf("replay:\n%s\n%s", first.body, again.body)
		}
		for name, want := range map[string]string{
			"Idempotency-Key": "k", "Original-Request": first.header.Get("Request-Id"), "Idempotent-Replayed": "true",
			"Stripe-Should-Retry": "false", "Stripe-Version": "2019-09-09", "Content-Type": "application/json",
		} {
			if got := again.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		third := w.do("POST", "/v1/customers", old, "name", "Ann")
		if ids := map[string]bool{first.header.Get("Request-Id"): true, again.header.Get("Request-Id"): true, third.header.Get("Request-Id"): true}; len(ids) != 3 {
			t.Errorf("request ids %v", ids)
		}

		// A decline is stored; so is a refusal about an object's state.
		declined := w.chargeable("metadata[ducat_scenario]", "insufficient_funds")
		charge := []string{"amount", "1099", "currency", "usd", "source", declined["id"].(string)}
		for _, c := range []struct {
			key    string
			status int
			code   string
		}{{"declined", 402, "insufficient_funds"}, {"used", 400, "invalid_source_usage"}} {
			a := w.do("POST", "/v1/charges", keyed(c.key), charge...)
			b := w.do("POST", "/v1/charges", keyed(c.key), charge...)
			if a.status != c.status || a.err()["code"] != c.code || b.status != c.status || string(a.body) != string(b.body) || b.header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("%s: %d %s, then %v %s", c.key, a.status, a.body, b.header, b.body)
			}
		}
		// Not stored: refusals of form, unknown ids, wrong keys; a key has no meaning on GET and DELETE.
		for _, c := range []struct {
			method, path string
			status       int
			params       []string
		}{
			{"POST", "/v1/customers", 400, []string{"nmae", "Ann"}},
			{"POST", "/v1/refunds", 400, []string{"charge", "py_none"}},
			{"POST", "/v1/customers/cus_none", 404, nil},
			{"POST", "/v1/nothing", 404, nil},
		} {
			if r := w.do(c.method, c.path, keyed("free"), c.params...); r.status != c.status || r.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("%s: %d %s", c.path, r.status, r.body)
			}
		}
		if r := w.with("sk_test_x").do("POST", "/v1/customers", keyed("free"), "name", "Ann"); r.status != 401 {
			t.Errorf("bad key: %d", r.status)
		}
		if r := w.do("POST", "/v1/customers", keyed("free"), "name", "Ann"); r.status != 200 || r.header.Get("Original-Request") != r.header.Get("Request-Id") {
			t.Errorf("the key was not free: %d %v", r.status, r.header)
		}
		id := first.obj["id"].(string)
		for _, method := range []string{"GET", "DELETE"} {
			if r := w.do(method, "/v1/customers/"+id, keyed("free")); r.status != 200 || r.header.Get("Original-Request") != "" || r.header.Get("Idempotency-Key") != "" {
				t.Errorf("%s: %d %v", method, r.status, r.header)
			}
		}
	})
}
