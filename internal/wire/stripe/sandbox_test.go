package stripe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// TestSandboxesSideBySide: what a world plans, sends, breaks and forgets is its
// own affair.
func TestSandboxesSideBySide(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, a *world) {
		b := a.with("sk_test_" + keys.Random(24))
		hookA, hookB := newReceiver(t), newReceiver(t)
		weA := a.must(a.post("/v1/webhook_endpoints", "url", hookA.URL, "enabled_events[]", "*"))["id"].(string)
		b.must(b.post("/v1/webhook_endpoints", "url", hookB.URL, "enabled_events[]", "*"))
		srcA, srcB := a.source(), b.source()
		a.control("POST", "race", `{"rules": [{"on": "webhook", "do": "repeat"}, {"on": "call", "do": "fail", "path": "/v1/refunds", "error": {"status": 503}}]}`)
		a.control("POST", "script", `{"rules": [{"on": "capture", "do": "decline", "reason": "insufficient_funds"}]}`)

		// Clocks and jobs.
		a.advance(2 * time.Hour)
		if got := a.must(a.get("/v1/sources/" + srcA["id"].(string)))["status"]; got != "canceled" {
			t.Errorf("a's source is %v", got)
		}
		if got := b.must(b.get("/v1/sources/" + srcB["id"].(string)))["status"]; got != "pending" {
			t.Errorf("b's source is %v, though only a's clock was moved", got)
		}
		if c := b.control("GET", "clock", ""); c["offset_seconds"] != 0.0 || a.control("GET", "clock", "")["offset_seconds"] != 7200.0 {
			t.Errorf("b's clock %v", c)
		}
		if jobs := b.control("GET", "jobs", "")["jobs"].([]any); len(jobs) != 1 {
			t.Errorf("b's jobs %v, want the expiry of its source", jobs)
		}

		// Deliveries: a's message twice, as a's rule says; b's once.
		chB := b.charged()
		b.advance(10 * time.Second)
		if n, m := len(hookA.all()), len(hookB.all()); n != 2 || m != 2 {
			t.Errorf("a's endpoint got %d messages, want source.canceled twice; b's %d, want source.chargeable and charge.succeeded", n, m)
		}
		evA := a.must(a.get("/v1/events"))["data"].([]any)[0].(object)["id"].(string)
		for _, d := range b.deliveries("?event=" + evA) {
			t.Errorf("b sees %v", d)
		}
		for _, d := range b.deliveries("?endpoint=" + weA) {
			t.Errorf("b sees %v", d)
		}
		if before := a.deliveries("")[0].(object)["id"].(string); len(b.deliveries("?before="+before)) > 2 {
			t.Error("b sees more than its own deliveries")
		}
		for path, body := range map[string]string{
			"resend":         fmt.Sprintf(`{"event": %q, "endpoint": %q}`, evA, weA),
			"endpoints/roll": fmt.Sprintf(`{"endpoint": %q}`, weA),
			"decide":         fmt.Sprintf(`{"id": %q, "decision": "decline"}`, srcA["id"]),
		} {
			if s := b.controlStatus("POST", path, body); s != 404 {
				t.Errorf("b's %s of what is a's: %d", path, s)
			}
		}

		// Rules and scripts.
		for _, path := range []string{"race", "script"} {
			if rules := b.control("GET", path, "")["rules"].([]any); len(rules) != 0 {
				t.Errorf("b's %s: %v", path, rules)
			}
		}
		b.must(b.post("/v1/refunds", "charge", chB["id"].(string), "amount", "1"))

		// Reset takes everything of a's and nothing of b's.
		a.must(a.do("POST", "/v1/customers", map[string]string{"Idempotency-Key": "k"}))
		eventsB, deliveriesB := len(b.events()), len(b.deliveries(""))
		idA := a.merchantID()
		a.control("POST", "reset", "")
		if err := a.store.View(t.Context(), idA, func(r store.Reader) error {
			jobs, err := r.Jobs(10)
			if err != nil || len(jobs) > 0 {
				t.Errorf("jobs after the reset: %v, %v", jobs, err)
			}
			m, err := r.Merchant()
			if fresh := merchant.NewSandbox(m.Account, m.Created); m.Offset != 0 || fmt.Sprint(m.Profile) != fmt.Sprint(fresh.Profile) {
				t.Errorf("merchant after the reset: %+v", m)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/v1/events", "/v1/webhook_endpoints", "/v1/customers", "/v1/charges", "/v1/balance_transactions"} {
			if n := a.count(path); n != 0 {
				t.Errorf("%s has %d objects after the reset", path, n)
			}
		}
		if r := a.get("/v1/sources/" + srcA["id"].(string)); r.status != 404 {
			t.Errorf("a's source after the reset: %d", r.status)
		}
		if n := len(a.deliveries("")); n != 0 {
			t.Errorf("%d deliveries after the reset", n)
		}
		if r := a.do("POST", "/v1/customers", map[string]string{"Idempotency-Key": "k"}, "email", "other@example.com"); r.status != 200 || r.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("an idempotency key of before the reset: %d %s", r.status, r.body)
		}
		if n, m := len(b.events()), len(b.deliveries("")); n < eventsB || m < deliveriesB {
			t.Errorf("a's reset took from b: %d events of %d, %d deliveries of %d", n, eventsB, m, deliveriesB)
		}
		if got := b.must(b.get("/v1/charges/" + chB["id"].(string)))["id"]; got != chB["id"] {
			t.Errorf("b's charge: %v", got)
		}
	})
}

// TestResetWhileDelivering: an endpoint that resets its own world before it
// answers leaves nothing behind, least of all its own delivery.
func TestResetWhileDelivering(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			if s := w.controlStatus("POST", "reset", ""); s != 200 {
				t.Errorf("reset: %d", s)
			}
			rw.WriteHeader(500) // would be retried, were there anything left
		}))
		t.Cleanup(hook.Close)
		w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "customer.created"))
		w.must(w.post("/v1/customers"))
		w.advance(0)
		w.advance(48 * time.Hour)
		if n := len(w.deliveries("")); n != 0 {
			t.Errorf("%d deliveries", n)
		}
		if jobs := w.control("GET", "jobs", "")["jobs"].([]any); len(jobs) != 0 {
			t.Errorf("jobs %v", jobs)
		}
	})
}

// TestManySandboxes: every well-formed key is a world, opened by whatever comes
// first, at the same time as others.
func TestManySandboxes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		const n = 200
		var wg sync.WaitGroup
		for part := range 8 {
			wg.Go(func() {
				for i := part; i < n; i += 8 {
					v := w.with(fmt.Sprintf("sk_test_many%08d", i))
					v.must(v.post("/v1/customers", "email", fmt.Sprintf("%d@example.com", i)))
				}
			})
		}
		wg.Wait()
		for i := range n {
			v := w.with(fmt.Sprintf("sk_test_many%08d", i))
			list := v.must(v.get("/v1/customers"))["data"].([]any)
			if len(list) != 1 || list[0].(object)["email"] != fmt.Sprintf("%d@example.com", i) {
				t.Fatalf("world %d: %v", i, list)
			}
		}
	})
}

// TestDocumentationKeys: the keys that guides print work, and meet in one world.
func TestDocumentationKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	browser, server := w.with("pk_test_TYooMQauvdEDq54NiTphI7jx"), w.with("sk_test_4eC39HqLyjWDarjtT1zdp7dc")
	src := browser.source()
	if got := server.must(server.get("/v1/sources/" + src["id"].(string)))["id"]; got != src["id"] {
		t.Errorf("the server's key sees %v", got)
	}
	old := w.with("sk_test_BQokikJOvBiI2HlWgH4olfQ2")
	old.must(old.get("/v1/sources/" + src["id"].(string)))
	page := w.with("pk_test_6pRNASCoBOKtIshFeQd4XMUh")
	page.must(page.get("/v1/sources/"+src["id"].(string), "client_secret", src["client_secret"].(string)))
	if r := w.get("/v1/sources/" + src["id"].(string)); r.status != 404 {
		t.Errorf("another key sees it: %d", r.status)
	}
}
