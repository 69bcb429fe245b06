package stripe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/store"
)

// integration is a shop: it has an order, sells it by a charge, and hears of it
// by messages.
type integration struct {
	*httptest.Server
	w        *world
	endpoint string

	mu   sync.Mutex
	done map[string]bool // events
	// The order.
	charge            string // its id, once the shop knows it
	state             string
	paid, refunded    bool
	parcels, messages int
	meet              chan struct{} // handlers that wait for each other
}

func newIntegration(t *testing.T, w *world, events string, handle func(s *integration, e object) int) *integration {
	s := &integration{w: w, done: map[string]bool{}, state: "open", meet: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var e object
		_ = json.Unmarshal(b, &e)
		s.mu.Lock()
		s.messages++
		s.mu.Unlock()
		rw.WriteHeader(handle(s, e))
	}))
	t.Cleanup(s.Close)
	s.endpoint = w.must(w.post("/v1/webhook_endpoints", "url", s.URL, "enabled_events[]", events))["id"].(string)
	return s
}

// leave makes room for the next shop.
func (s *integration) leave() {
	s.w.t.Helper()
	s.w.must(s.w.do("DELETE", "/v1/webhook_endpoints/"+s.endpoint, nil))
}

// together returns when two handlers are here.
func (s *integration) together() {
	select {
	case s.meet <- struct{}{}:
	case <-s.meet:
	case <-time.After(5 * time.Second): // alone; the test will say so
	}
}

func (s *integration) locked(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

func about(e object) object { return e["data"].(object)["object"].(object) }

// recipes reads the rules of docs/race-lab.md by the names of its recipes.
func recipes(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../../docs/race-lab.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "\n## Recipes\n")
	if !ok {
		t.Fatal("docs/race-lab.md has no recipes")
	}
	found := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)\n### ([^\n]+)\n.*?```json\n(.*?)```").FindAllStringSubmatch(text, -1) {
		found[m[1]] = m[2]
	}
	if n := strings.Count(text, "\n### "); n != len(found) {
		t.Fatalf("%d recipes, %d of them with a rule", n, len(found))
	}
	return found
}

// TestRaceRecipes runs the recipes of docs/race-lab.md: the rule as printed
// there makes the careless shop go wrong, and not the careful one.
func TestRaceRecipes(t *testing.T) {
	t.Parallel()
	rules := recipes(t)
	tests := map[string]func(t *testing.T, w *world, rule string){
		"webhook before response":        webhookFirst,
		"webhook late":                   webhookLate,
		"duplicate event":                duplicate,
		"duplicate at the same instant":  duplicateAtOnce,
		"out of order":                   outOfOrder,
		"two events at the same instant": twoAtOnce,
		"lost answer":                    lostAnswer,
		"error after the commit":         errorAfter,
		"error before the commit":        errorBefore,
		"slow answer":                    slowAnswer,
		"the return is not the payment":  returnIsNotPayment,
		"one endpoint of two":            oneEndpoint,
		"one object of many":             oneObject,
	}
	for name := range rules {
		if tests[name] == nil {
			t.Errorf("the recipe %q is not tested", name)
		}
	}
	for name, test := range tests {
		if rules[name] == "" {
			t.Errorf("there is no recipe %q", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, w *world) { test(t, w, rules[name]) })
		})
	}
}

func (w *world) race(rule string) { w.t.Helper(); w.control("POST", "race", rule) }

// try is post by a client that may lose the answer.
func (w *world) try(path, key string, params ...string) (r response, lost bool) {
	w.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	req, err := http.NewRequest("POST", w.url+path, strings.NewReader(v.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+w.key)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	// A connection of its own: on a used one the transport would try again by
	// itself.
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return r, true
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return r, true
	}
	r = response{status: res.StatusCode, header: res.Header, body: b}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&r.obj); err != nil {
		w.t.Fatal(err)
	}
	return r, false
}

func (w *world) count(path string, params ...string) int {
	w.t.Helper()
	return len(w.must(w.get(path, params...))["data"].([]any))
}

func chargeParams(src object, more ...string) []string {
	return append([]string{"amount", "1099", "currency", "usd", "source", src["id"].(string), "metadata[order]", "77"}, more...)
}

func webhookFirst(t *testing.T, w *world, rule string) {
	for careful, want := range map[bool]string{false: "open", true: "paid"} {
		s := newIntegration(t, w, "charge.succeeded", func(s *integration, e object) int {
			s.locked(func() {
				if s.charge == about(e)["id"] || careful && about(e)["metadata"].(object)["order"] == "77" {
					s.state = "paid"
				}
			})
			return 200
		})
		src := w.chargeable()
		w.race(rule)
		ch := w.must(w.post("/v1/charges", chargeParams(src)...))
		s.locked(func() { s.charge = ch["id"].(string) })
		if s.state != want || s.messages != 1 {
			t.Errorf("careful %v: the order is %s after %d messages, want %s after one", careful, s.state, s.messages, want)
		}
		w.advance(0) // nothing is left to deliver
		if s.messages != 1 {
			t.Errorf("careful %v: %d messages", careful, s.messages)
		}
		s.leave()
	}
}

func webhookLate(t *testing.T, w *world, rule string) {
	s := newIntegration(t, w, "charge.succeeded", func(s *integration, _ object) int {
		s.locked(func() {
			if s.state == "open" {
				s.state = "paid"
			}
		})
		return 200
	})
	w.race(rule)
	ch := w.charged()
	w.advance(7199 * time.Second)
	if s.messages != 0 {
		t.Fatal("the message has come already")
	}
	// The careless shop would cancel here; the careful one asks.
	if got := w.must(w.get("/v1/charges/" + ch["id"].(string)))["paid"]; got != true {
		t.Errorf("paid: %v", got)
	}
	s.locked(func() { s.state = "paid by asking" })
	w.advance(time.Second)
	if s.messages != 1 || s.state != "paid by asking" {
		t.Errorf("%d messages, the order is %s", s.messages, s.state)
	}
}

func duplicate(t *testing.T, w *world, rule string) {
	for careful, want := range map[bool]int{false: 3, true: 1} {
		s := newIntegration(t, w, "charge.succeeded", func(s *integration, e object) int {
			s.locked(func() {
				id := e["id"].(string)
				if !careful || !s.done[id] {
					s.parcels++
				}
				s.done[id] = true
			})
			return 200
		})
		w.race(rule)
		w.charged()
		w.advance(0)
		if s.messages != 1 {
			t.Errorf("careful %v: %d messages at once, want one", careful, s.messages)
		}
		w.advance(2 * time.Second)
		if s.messages != 3 || s.parcels != want {
			t.Errorf("careful %v: %d messages, %d parcels, want 3 and %d", careful, s.messages, s.parcels, want)
		}
		w.advance(48 * time.Hour)
		if s.messages != 3 {
			t.Errorf("careful %v: %d messages in the end", careful, s.messages)
		}
		s.leave()
	}
}

func duplicateAtOnce(t *testing.T, w *world, rule string) {
	for careful, want := range map[bool]int{false: 2, true: 1} {
		s := newIntegration(t, w, "charge.succeeded", func(s *integration, e object) int {
			id, seen := e["id"].(string), false
			s.locked(func() {
				seen = s.done[id]
				if careful {
					s.done[id] = true
				}
			})
			s.together()
			s.locked(func() {
				if !seen {
					s.parcels++
				}
				s.done[id] = true
			})
			return 200
		})
		w.race(rule)
		w.charged()
		w.advance(0)
		if s.messages != 2 || s.parcels != want {
			t.Errorf("careful %v: %d messages, %d parcels, want 2 and %d", careful, s.messages, s.parcels, want)
		}
		s.leave()
	}
}

func outOfOrder(t *testing.T, w *world, rule string) {
	for careful, want := range map[bool]string{false: "paid", true: "refunded"} {
		var order []string
		s := newIntegration(t, w, "*", func(s *integration, e object) int {
			if !strings.HasPrefix(e["type"].(string), "charge.") || strings.Count(e["type"].(string), ".") != 1 {
				return 200
			}
			refunded := e["type"] == "charge.refunded"
			if careful {
				refunded = w.must(w.get("/v1/charges/" + about(e)["id"].(string)))["refunded"] == true
			}
			s.locked(func() {
				order = append(order, e["type"].(string))
				if s.state = "paid"; refunded {
					s.state = "refunded"
				}
			})
			return 200
		})
		src := w.chargeable()
		w.race(rule)
		ch := w.must(w.chargeOf(src))
		w.advance(0)
		if len(order) != 0 {
			t.Errorf("careful %v: %v came before there were two", careful, order)
		}
		w.must(w.post("/v1/refunds", "charge", ch["id"].(string)))
		w.advance(0)
		if fmt.Sprint(order) != "[charge.refunded charge.succeeded]" || s.state != want {
			t.Errorf("careful %v: %v, the order is %s, want %s", careful, order, s.state, want)
		}
		s.leave()
	}
}

func twoAtOnce(t *testing.T, w *world, rule string) {
	for _, careful := range []bool{false, true} {
		s := newIntegration(t, w, "*", func(s *integration, e object) int {
			typ := e["type"].(string)
			if typ != "charge.succeeded" && typ != "charge.refunded" {
				return 200
			}
			var paid, refunded bool
			s.locked(func() { paid, refunded = s.paid, s.refunded })
			s.together()
			s.locked(func() {
				if careful {
					paid, refunded = s.paid, s.refunded // read in the transaction that writes
				}
				s.paid, s.refunded = paid || typ == "charge.succeeded", refunded || typ == "charge.refunded"
			})
			return 200
		})
		src := w.chargeable()
		w.race(rule)
		ch := w.must(w.chargeOf(src))
		w.must(w.post("/v1/refunds", "charge", ch["id"].(string)))
		w.advance(0)
		if both := s.paid && s.refunded; both != careful || !s.paid && !s.refunded {
			t.Errorf("careful %v: paid %v, refunded %v", careful, s.paid, s.refunded)
		}
		s.leave()
	}
}

func lostAnswer(t *testing.T, w *world, rule string) {
	for key, want := range map[string]float64{"": 600, "refund-77": 300} {
		ch := w.charged()["id"].(string)
		w.race(rule)
		if r, lost := w.try("/v1/refunds", key, "charge", ch, "amount", "300"); !lost {
			t.Fatalf("key %q: the answer was not lost: %d %s", key, r.status, r.body)
		}
		r, lost := w.try("/v1/refunds", key, "charge", ch, "amount", "300")
		if lost || r.status != 200 || (r.header.Get("Idempotent-Replayed") == "true") != (key != "") {
			t.Errorf("key %q: again: %d %s", key, r.status, r.body)
		}
		if got := w.must(w.get("/v1/charges/" + ch))["amount_refunded"]; got != want {
			t.Errorf("key %q: %v refunded, want %v", key, got, want)
		}
	}
}

func errorAfter(t *testing.T, w *world, rule string) {
	src := w.chargeable()
	w.race(rule)
	r := w.do("POST", "/v1/charges", map[string]string{"Idempotency-Key": "order-77"}, chargeParams(src)...)
	if r.status != 500 || r.err()["type"] != "api_error" || r.header.Get("Stripe-Should-Retry") != "true" {
		t.Errorf("first: %d %s", r.status, r.body)
	}
	if n := w.count("/v1/charges"); n != 1 {
		t.Errorf("%d charges behind an error after the commit, want 1", n)
	}
	again := w.do("POST", "/v1/charges", map[string]string{"Idempotency-Key": "order-77"}, chargeParams(src)...)
	if again.status != 200 || again.header.Get("Idempotent-Replayed") != "true" || again.obj["paid"] != true {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	if n := w.count("/v1/charges"); n != 1 {
		t.Errorf("%d charges in the end, want 1", n)
	}
}

func errorBefore(t *testing.T, w *world, rule string) {
	src := w.chargeable()
	w.race(rule)
	for n := 1; ; n++ {
		r := w.do("POST", "/v1/charges", map[string]string{"Idempotency-Key": "order-77"}, chargeParams(src)...)
		if n == 3 {
			if r.status != 200 || r.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("third: %d %s", r.status, r.body)
			}
			break
		}
		if r.status != 429 || r.err()["code"] != "rate_limit" || r.err()["type"] != "invalid_request_error" || r.header.Get("Stripe-Should-Retry") != "true" {
			t.Errorf("try %d: %d %s", n, r.status, r.body)
		}
		if n := w.count("/v1/charges"); n != 0 {
			t.Errorf("%d charges behind an error before the commit", n)
		}
	}
	if n := w.count("/v1/charges"); n != 1 {
		t.Errorf("%d charges, want 1", n)
	}
}

func slowAnswer(t *testing.T, w *world, rule string) {
	src := w.chargeable()
	w.race(rule)
	ctx, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	v := url.Values{}
	for i := 0; i < len(chargeParams(src)); i += 2 {
		v.Set(chargeParams(src)[i], chargeParams(src)[i+1])
	}
	req, err := http.NewRequestWithContext(ctx, "POST", w.url+"/v1/charges", strings.NewReader(v.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+w.key)
	req.Header.Set("Idempotency-Key", "order-77")
	go func() {
		res, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			res.Body.Close()
		}
		gaveUp <- err
	}()
	for w.count("/v1/charges") == 0 { // until it is committed
		if len(gaveUp) > 0 {
			t.Fatal("there was an answer at once")
		}
	}
	w.clock.Advance(39 * time.Second)
	giveUp()
	if err := <-gaveUp; err == nil {
		t.Error("the answer came before its time")
	}
	again := w.do("POST", "/v1/charges", map[string]string{"Idempotency-Key": "order-77"}, chargeParams(src)...)
	if again.status != 200 || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	if n := w.count("/v1/charges"); n != 1 {
		t.Errorf("%d charges, want 1", n)
	}
}

func returnIsNotPayment(t *testing.T, w *world, rule string) {
	s := newIntegration(t, w, "*", func(*integration, object) int { return 200 })
	w.race(rule)
	src := w.source()
	to := w.decide(src, "decline")
	back, err := url.Parse(to)
	if err != nil || back.Query().Get("source") != src["id"] {
		t.Fatalf("the payer comes back to %s", to)
	}
	// The careless shop says thank you here; the careful one asks.
	if got := w.must(w.get("/v1/sources/" + back.Query().Get("source")))["status"]; got != "failed" {
		t.Errorf("the source is %v", got)
	}
	if n := w.count("/v1/charges"); n != 0 || s.messages != 0 {
		t.Errorf("%d charges, %d messages", n, s.messages)
	}
	w.advance(time.Minute)
	if s.messages != 1 {
		t.Errorf("%d messages in the end", s.messages)
	}
}

func oneEndpoint(t *testing.T, w *world, rule string) {
	first, second := newReceiver(t), newReceiver(t)
	w.must(w.post("/v1/webhook_endpoints", "url", first.URL, "enabled_events[]", "customer.created"))
	late := w.must(w.post("/v1/webhook_endpoints", "url", second.URL, "enabled_events[]", "customer.created"))
	w.race(strings.Replace(rule, "we_…", late["id"].(string), 1))
	w.must(w.post("/v1/customers"))
	w.advance(599 * time.Second)
	if a, b := len(first.all()), len(second.all()); a != 1 || b != 0 {
		t.Errorf("at first: %d and %d messages, want 1 and 0", a, b)
	}
	w.advance(time.Second)
	if a, b := len(first.all()), len(second.all()); a != 1 || b != 1 {
		t.Errorf("later: %d and %d messages, want one each", a, b)
	}
}

func oneObject(t *testing.T, w *world, rule string) {
	bad, good := w.chargeable(), w.chargeable()
	w.race(strings.Replace(rule, "src_…", bad["id"].(string), 1))
	for range 2 {
		if r := w.chargeOf(bad); r.status != 402 || r.err()["type"] != "card_error" || r.err()["code"] != "card_declined" || r.err()["message"] != "Your card was declined." {
			t.Errorf("the object of the rule: %d %s", r.status, r.body)
		}
		if r := w.get("/v1/sources/" + bad["id"].(string)); r.status != 402 {
			t.Errorf("its own path: %d", r.status)
		}
	}
	if r := w.chargeOf(good); r.status != 200 {
		t.Errorf("another object: %d %s", r.status, r.body)
	}
	w.race(`{"rules": []}`)
	if r := w.chargeOf(bad); r.status != 200 {
		t.Errorf("without the rule: %d %s", r.status, r.body)
	}
}

// TestRaceRules: what is refused, what is shown, what ends, and what is nobody
// else's.
func TestRaceRules(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for _, bad := range []string{
			`{"on": "x", "do": "fail"}`,
			`{"on": "call", "do": "twice"}`,
			`{"on": "call", "do": "late", "delay_seconds": 1}`,
			`{"on": "webhook", "do": "fail", "error": {"status": 500}}`,
			`{"on": "call", "do": "fail"}`,
			`{"on": "call", "do": "fail", "error": {"status": 200}}`,
			`{"on": "call", "do": "fail", "error": {"status": 600}}`,
			`{"on": "call", "do": "fail", "error": {"status": 500, "type": "rate_limit_error"}}`,
			`{"on": "call", "do": "fail", "error": {"status": 500, "text": "x"}}`,
			`{"on": "call", "do": "fail", "error": {"status": 500}, "when": "during"}`,
			`{"on": "call", "do": "fail", "error": {"status": 500}, "delay_seconds": 1}`,
			`{"on": "call", "do": "fail", "error": {"status": 500}, "count": 2}`,
			`{"on": "call", "do": "cut", "error": {"status": 500}}`,
			`{"on": "call", "do": "slow"}`,
			`{"on": "call", "do": "slow", "delay_seconds": 61}`,
			`{"on": "call", "do": "slow", "delay_seconds": -1}`,
			`{"on": "call", "do": "slow", "delay_seconds": 1, "when": "before"}`,
			`{"on": "call", "do": "cut", "endpoint": "we_1"}`,
			`{"on": "call", "do": "cut", "method": "PUT"}`,
			`{"on": "call", "do": "cut", "path": "v1/charges"}`,
			`{"on": "call", "do": "cut", "path": "/v1/[a"}`,
			`{"on": "call", "do": "cut", "times": -1}`,
			`{"on": "webhook", "do": "late"}`,
			`{"on": "webhook", "do": "late", "delay_seconds": 2592001}`,
			`{"on": "webhook", "do": "late", "delay_seconds": 1, "count": 2}`,
			`{"on": "webhook", "do": "repeat", "count": 1}`,
			`{"on": "webhook", "do": "repeat", "count": 17}`,
			`{"on": "webhook", "do": "copies", "delay_seconds": 1}`,
			`{"on": "webhook", "do": "reverse", "path": "/v1/charges"}`,
			`{"on": "webhook", "do": "reverse", "when": "before"}`,
			`{"on": "webhook", "do": "reverse", "event": "[x"}`,
			`{"on": "webhook", "do": "reverse", "held": [{"front": "stripe", "delivery": "whd_1"}]}`,
			`{"on": "webhook", "do": "reverse", "object": "` + strings.Repeat("x", 501) + `"}`,
			`{"on": "webhook", "do": "reverse", "surprise": 1}`,
		} {
			status, o := w.controlAny("POST", "race", `{"rules": [`+bad+`]}`)
			e, _ := o["error"].(object)
			if status != 400 || e["code"] != "bad_race" && e["code"] != "bad_json" || e["message"] == "" {
				t.Errorf("%s: %d %v", bad, status, o)
			}
		}
		many := strings.Repeat(`{"on": "call", "do": "cut"},`, 33)
		if status, _ := w.controlAny("POST", "race", `{"rules": [`+strings.TrimSuffix(many, ",")+`]}`); status != 400 {
			t.Errorf("33 rules: %d", status)
		}
		if got := w.control("GET", "race", "")["rules"].([]any); len(got) != 0 {
			t.Errorf("refused rules are in force: %v", got)
		}

		w.control("POST", "race", `{"rules": [{"on": "call", "do": "fail", "method": "GET", "path": "/v1/customers/*", "error": {"status": 503}, "times": 2}]}`)
		other := w.with("sk_test_" + keys.Random(24))
		id := w.must(w.post("/v1/customers"))["id"].(string)
		theirs := other.must(other.post("/v1/customers"))["id"].(string)
		w.must(w.get("/v1/customers"))
		other.must(other.get("/v1/customers/" + theirs))
		if r := w.get("/v1/customers/" + id); r.status != 503 || r.err()["type"] != "api_error" {
			t.Errorf("%d %s", r.status, r.body)
		}
		if got := w.control("GET", "race", "")["rules"].([]any); len(got) != 1 || got[0].(object)["times"] != 1.0 {
			t.Errorf("after one use: %v", got)
		}
		if r := w.get("/v1/customers/cus_none"); r.status != 503 {
			t.Errorf("%d", r.status)
		}
		if got := w.control("GET", "race", "")["rules"].([]any); len(got) != 0 {
			t.Errorf("after two uses: %v", got)
		}
		w.must(w.get("/v1/customers/" + id))

		// Held messages go when the rules do.
		hook := newReceiver(t)
		w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "customer.created"))
		w.control("POST", "race", `{"rules": [{"on": "webhook", "do": "together", "count": 3}]}`)
		w.must(w.post("/v1/customers"))
		w.must(w.post("/v1/customers"))
		w.advance(time.Hour)
		if n := len(hook.all()); n != 0 {
			t.Errorf("%d of 2 held messages came", n)
		}
		w.control("POST", "race", `{"rules": []}`)
		w.advance(0)
		if n := len(hook.all()); n != 2 {
			t.Errorf("%d messages after the rules were replaced, want 2", n)
		}

		// A group that fails is retried message by message.
		w.control("POST", "race", `{"rules": [{"on": "webhook", "do": "together", "times": 1}]}`)
		hook.answer(500)
		w.must(w.post("/v1/customers"))
		w.must(w.post("/v1/customers"))
		w.advance(0)
		w.advance(5 * time.Minute)
		hook.answer(200)
		w.advance(30 * time.Minute)
		if n := len(hook.all()); n != 2+2*3 {
			t.Errorf("%d messages, want 2 and three attempts at two", n)
		}
		for _, d := range w.deliveries("") {
			if d.(object)["state"] != "delivered" {
				t.Errorf("%v", d)
			}
		}

		// Reset ends everything.
		w.control("POST", "race", `{"rules": [{"on": "call", "do": "fail", "error": {"status": 500}}]}`)
		w.control("POST", "reset", "")
		w.must(w.get("/v1/customers"))
	})
}

// TestRaceLive: a live account has no lab.
func TestRaceLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	live := w.with(w.liveKey("acct_1RaceLive000001"))
	if status, o := live.controlAny("POST", "race", `{"rules": [{"on": "call", "do": "cut"}]}`); status != 400 || o["error"].(object)["code"] != "live_account" {
		t.Errorf("%d %v", status, o)
	}
}

// TestRaceRepeatOvertakes makes the repeat of a message arrive, and be accepted,
// before the message itself, which has to arrive all the same.
func TestRaceRepeatOvertakes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := newReceiver(t)
		w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "source.failed"))
		w.race(`{"rules": [{"on": "webhook", "do": "repeat"}]}`)
		w.decide(w.source(), "decline")
		at := w.clock.Now()
		jobs, _, err := w.store.ClaimMerchantJobs(t.Context(), w.merchantID(), at.Add(time.Minute), at, time.Minute, 10)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		slices.SortFunc(jobs, func(a, b store.Job) int { return strings.Compare(b.ID, a.ID) })
		for _, j := range jobs {
			kind, _, _ := strings.Cut(j.ID, ":")
			order = append(order, kind)
			w.srv.Runner.Do(t.Context(), j)
		}
		if !slices.Equal(order, []string{"repeat", "deliver"}) {
			t.Fatalf("the jobs were %v", order)
		}
		if got := hook.all(); len(got) != 2 {
			t.Errorf("the message arrived %d times, want twice", len(got))
		}
	})
}
