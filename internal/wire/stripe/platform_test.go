package stripe_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/rail/simrail"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/signature"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(w.key+":"))
	for _, h := range []string{"Bearer " + w.key, "bearer " + w.key, basic, "BASIC" + basic[5:]} {
		w.must(w.do("GET", "/v1/balance", map[string]string{"Authorization": h}))
	}
	for _, c := range []struct{ header, message string }{
		{"", "You did not provide an API key. You need to provide"},
		{"Bearer", "You did not provide an API key, though you did set your Authorization header to \"Bearer\"."},
		{"null", "You did not provide an API key, though you did set"},
		{"Bearer nonsense", "Invalid API Key provided: ****ense"},
		{"Bearer sk_test_short", "Invalid API Key provided: sk_test_*hort"},
		{"Bearer sk_live_0123456789abcdefghijklmn", "Invalid API Key provided: sk_live_********************klmn"},
	} {
		r := w.with("").do("GET", "/v1/balance", map[string]string{"Authorization": c.header})
		if r.status != 401 || r.err()["type"] != "invalid_request_error" || !strings.HasPrefix(r.err()["message"].(string), c.message) {
			t.Errorf("%q: %d %s", c.header, r.status, r.body)
		}
	}
}

func TestRoutesAndHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ method, path, message string }{
		{"GET", "/v1/foo", "Unrecognized request URL (GET: /v1/foo). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."},
		{"GET", "/v1/charges/", "Unrecognized request URL (GET: /v1/charges/). If you are trying to list objects, remove the trailing slash."},
		{"GET", "/v1/sources", "Unrecognized request URL (GET: /v1/sources)."},
		{"PUT", "/v1/charges", "Unrecognized request URL (PUT: /v1/charges)."},
		{"DELETE", "/v1/charges/py_1", "Unrecognized request URL (DELETE: /v1/charges/py_1)."},
		{"GET", "/v1//charges", "Unrecognized request URL (GET: /v1//charges)."},
		{"GET", "/v2/core/events", "Unrecognized request URL (GET: /v2/core/events)."},
	} {
		if r := w.do(c.method, c.path, nil); r.status != 404 || !strings.HasPrefix(r.err()["message"].(string), c.message) {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
	}
	r := w.get("/v1/balance")
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-cache, no-store", "Access-Control-Allow-Origin": "*", "Vary": "Origin",
		"Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "300", "Stripe-Version": "2026-03-25.dahlia",
	} {
		if r.header.Get(k) != v {
			t.Errorf("%s: %q, want %q", k, r.header.Get(k), v)
		}
	}
	if id := r.header.Get("Request-Id"); len(id) != 18 || !strings.HasPrefix(id, "req_") {
		t.Errorf("Request-Id %q", id)
	}
	if r := w.do("HEAD", "/v1/balance", nil); r.status != 200 || len(r.body) != 0 {
		t.Errorf("HEAD: %d", r.status)
	}
}

// TestBadBodies: whatever is sent, the answer is an error envelope and not 5xx.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"json", "application/json", `{"type":"alipay"}`, 400},
		{"percent", "application/x-www-form-urlencoded", "type=%zz", 400},
		{"utf8", "application/x-www-form-urlencoded", "type=%ff%fe", 400},
		{"nul", "application/x-www-form-urlencoded", "type=alipay&amount=1099&currency=usd&redirect[return_url]=https://x.example&metadata[a]=%00", 400},
		{"deep", "application/x-www-form-urlencoded", "a" + strings.Repeat("[b]", 50) + "=1", 400},
		{"many", "application/x-www-form-urlencoded", strings.Repeat("a=1&", 5000), 400},
		{"huge", "application/x-www-form-urlencoded", "type=" + strings.Repeat("x", 2<<20), 413},
	} {
		header := w.bearer()
		header.Set("Content-Type", c.contentType)
		if a := wiretest.Send(t, "POST", w.url+"/v1/sources", header, c.body); a.Status != c.status {
			t.Errorf("%s: %d, want %d", c.name, a.Status, c.status)
		}
	}
	for _, path := range []string{"/v1/sources/%00", "/v1/charges/%ff", "/v1/refunds/" + strings.Repeat("x", 5000), "/v1/events/%2e%2e"} {
		if r := w.get(path); r.status != 404 {
			t.Errorf("%.30s: %d %s", path, r.status, r.body)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.charged()
	path := "/v1/charges/" + ch["id"].(string)
	w.must(w.post("/v1/refunds", "charge", ch["id"].(string), "amount", "100"))
	at := func(v string) map[string]string { return map[string]string{"Stripe-Version": v} }
	old := w.do("GET", path, at("2019-09-09"))
	if _, ok := old.obj["refunds"]; !ok || old.header.Get("Stripe-Version") != "2019-09-09" {
		t.Errorf("2019-09-09 must embed refunds: %s", old.body)
	}
	if _, ok := old.obj["invoice"]; !ok {
		t.Error("2019-09-09 must have invoice")
	}
	recent := w.do("GET", path, at("2026-08-26.dahlia"))
	if _, ok := recent.obj["refunds"]; ok {
		t.Error("2026-08-26.dahlia must not embed refunds")
	}
	for _, bad := range []string{"2099-01-01", "2026-08-26", "nonsense"} {
		if r := w.do("GET", path, at(bad)); r.status != 400 || r.err()["message"] != "Invalid Stripe API version: "+bad {
			t.Errorf("%s: %d %s", bad, r.status, r.body)
		}
	}
	// The first version an account sends is its default from then on.
	if r := w.get("/v1/balance"); r.header.Get("Stripe-Version") != "2019-09-09" {
		t.Errorf("default version %s", r.header.Get("Stripe-Version"))
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		var ids []string
		for range 5 {
			ids = append([]string{w.charged()["id"].(string)}, ids...)
			w.clock.Advance(10 * time.Second)
		}
		page := func(params ...string) ([]string, bool) {
			l := w.must(w.get("/v1/charges", params...))
			var got []string
			for _, d := range l["data"].([]any) {
				got = append(got, d.(object)["id"].(string))
			}
			return got, l["has_more"].(bool)
		}
		for _, c := range []struct {
			params []string
			want   []string
			more   bool
		}{
			{nil, ids, false},
			{[]string{"limit", "2"}, ids[:2], true},
			{[]string{"limit", "2", "starting_after", ids[1]}, ids[2:4], true},
			{[]string{"limit", "2", "starting_after", ids[3]}, ids[4:], false},
			{[]string{"limit", "2", "ending_before", ids[4]}, ids[2:4], true},
			{[]string{"limit", "2", "ending_before", ids[1]}, ids[:1], false},
			{[]string{"limit", "0"}, ids[:1], true},
			{[]string{"limit", "1000"}, ids, false},
		} {
			got, more := page(c.params...)
			if strings.Join(got, " ") != strings.Join(c.want, " ") || more != c.more {
				t.Errorf("%v: %v %v, want %v %v", c.params, got, more, c.want, c.more)
			}
		}
		created := fmt.Sprint(int64(w.must(w.get("/v1/charges/" + ids[2]))["created"].(float64)))
		for _, c := range []struct {
			filter string
			want   []string
		}{{"created", ids[2:3]}, {"created[gte]", ids[:3]}, {"created[gt]", ids[:2]}, {"created[lt]", ids[3:]}, {"created[lte]", ids[2:]}} {
			if got, _ := page(c.filter, created); strings.Join(got, " ") != strings.Join(c.want, " ") {
				t.Errorf("%s: %v, want %v", c.filter, got, c.want)
			}
		}
		for _, c := range []struct{ name, value, param, message string }{
			{"limit", "x", "limit", "Invalid integer: x"},
			{"starting_after", "py_none", "starting_after", "No such charge: 'py_none'"},
			{"created[foo]", "1", "created[foo]", "Received unknown parameter: created[foo]"},
			{"expand[]", "refunds", "", "This property cannot be expanded (refunds). You may want to try expanding 'data.refunds' instead."},
		} {
			r := w.get("/v1/charges", c.name, c.value)
			if p, _ := r.err()["param"].(string); r.status != 400 || p != c.param || r.err()["message"] != c.message {
				t.Errorf("%s=%s: %d %s", c.name, c.value, r.status, r.body)
			}
		}
		if r := w.get("/v1/charges", "starting_after", ids[0], "ending_before", ids[1]); r.err()["message"] != "Received both starting_after and ending_before parameters. Please pass in only one." {
			t.Errorf("both cursors: %s", r.body)
		}
	})
}

// TestWorldsAreSeparate: nothing of one key is visible with another.
func TestWorldsAreSeparate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.charged()
	src := ch["source"].(object)["id"].(string)
	re := w.must(w.post("/v1/refunds", "charge", ch["id"].(string), "amount", "1"))
	ev := w.must(w.get("/v1/events"))["data"].([]any)[0].(object)["id"].(string)
	other := w.with("sk_test_" + keys.Random(24))
	for _, path := range []string{"/v1/sources/" + src, "/v1/charges/" + ch["id"].(string), "/v1/refunds/" + re["id"].(string), "/v1/events/" + ev, "/v1/balance_transactions/" + ch["balance_transaction"].(string)} {
		if r := other.get(path); r.status != 404 || r.err()["code"] != "resource_missing" {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	for _, path := range []string{"/v1/charges", "/v1/refunds", "/v1/events", "/v1/balance_transactions", "/v1/webhook_endpoints"} {
		if l := other.must(other.get(path)); len(l["data"].([]any)) != 0 {
			t.Errorf("%s shows another world's rows", path)
		}
	}
	if r := other.post("/v1/refunds", "charge", ch["id"].(string)); r.status != 400 || r.err()["code"] != "resource_missing" {
		t.Errorf("refund of another world's charge: %d", r.status)
	}
	other.advance(time.Hour)
	if got := w.control("GET", "clock", "")["offset_seconds"].(float64); got > 60 {
		t.Errorf("another world's clock moved this one by %f s", got)
	}
	other.control("POST", "reset", "")
	w.must(w.get("/v1/charges/" + ch["id"].(string)))
	w.control("POST", "reset", "")
	if r := w.get("/v1/charges/" + ch["id"].(string)); r.status != 404 {
		t.Errorf("after a reset: %d", r.status)
	}
	w.charged()
}

// TestLiveAndTest: an account's two halves do not see each other, and say so.
func TestLiveAndTest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	w.srv.Engine.AddRail(true, simrail.Rail{}) // stands for a live acquirer
	live := map[bool]*world{}
	for _, mode := range []bool{false, true} {
		m := merchant.NewSandbox("acct_1LiveAndTest0001", start)
		m.ID, m.Live, m.Profile.Provisioned = merchant.IDFor(m.Account, mode), mode, true
		if err := w.store.CreateMerchant(ctx, m); err != nil {
			t.Fatal(err)
		}
		key := map[bool]string{false: "sk_test_", true: "sk_live_"}[mode] + keys.Random(40)
		if err := w.store.PutCredential(ctx, store.Credential{Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: "secret", Created: start}); err != nil {
			t.Fatal(err)
		}
		live[mode] = w.with(key)
	}
	// The account part is no secret: a key made up around it opens nothing.
	if r := w.with("sk_test_51LiveAndTest0001" + keys.Random(80)).get("/v1/balance"); r.status != 401 {
		t.Errorf("a made-up key opens a provisioned account: %d", r.status)
	}
	src := live[true].source()
	if src["livemode"] != true {
		t.Errorf("livemode %v", src["livemode"])
	}
	r := live[false].get("/v1/sources/" + src["id"].(string))
	want := "No such source: '" + src["id"].(string) + "'; a similar object exists in live mode, but a test mode key was used to make this request."
	if r.status != 404 || r.err()["message"] != want {
		t.Errorf("%d %s", r.status, r.body)
	}
	test := live[false].source()
	r = live[true].chargeOf(test)
	if r.status != 400 || !strings.Contains(r.err()["message"].(string), "a similar object exists in test mode, but a live mode key was used") {
		t.Errorf("%d %s", r.status, r.body)
	}
	for _, url := range []string{"http://shop.example/hook", "https://127.0.0.1/hook", "https://localhost/hook", "https://10.0.0.1/hook"} {
		if r := live[true].post("/v1/webhook_endpoints", "url", url, "enabled_events[]", "*"); r.status != 400 || r.err()["code"] != "url_invalid" {
			// A name is judged when it is dialled; only what the URL shows can be refused here.
			if !strings.Contains(url, "localhost") {
				t.Errorf("live endpoint %s: %d %s", url, r.status, r.body)
			}
		}
	}
}

func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.must(w.post("/v1/webhook_endpoints", "url", "http://localhost:1/hook", "enabled_events[0]", "charge.succeeded", "description", "d", "metadata[a]", "b"))
	id, secret := e["id"].(string), e["secret"].(string)
	if !strings.HasPrefix(secret, "whsec_") || len(secret) != 38 || e["status"] != "enabled" {
		t.Errorf("endpoint %v", e)
	}
	if got := w.must(w.get("/v1/webhook_endpoints/" + id)); got["secret"] != nil {
		t.Error("the secret is shown again")
	}
	if got := w.must(w.post("/v1/webhook_endpoints/"+id, "disabled", "true", "enabled_events[]", "*")); got["status"] != "disabled" || got["enabled_events"].([]any)[0] != "*" {
		t.Errorf("update %v", got)
	}
	for _, c := range []struct {
		params      []string
		code, param string
	}{
		{[]string{"enabled_events[]", "*"}, "parameter_missing", "url"},
		{[]string{"url", "http://x.example"}, "parameter_missing", "enabled_events"},
		{[]string{"url", "x.example/hook", "enabled_events[]", "*"}, "url_invalid", "url"},
		{[]string{"url", "ftp://x.example/hook", "enabled_events[]", "*"}, "url_invalid", "url"},
		{[]string{"url", "http://x.example", "enabled_events[]", "Not An Event"}, "", "enabled_events[0]"},
		{[]string{"url", "http://x.example", "enabled_events", "x"}, "", "enabled_events"},
		{[]string{"url", "http://x.example", "enabled_events[]", "*", "api_version", "1999-01-01"}, "", "api_version"},
	} {
		r := w.post("/v1/webhook_endpoints", c.params...)
		str := func(k string) string { s, _ := r.err()[k].(string); return s }
		if r.status != 400 || str("code") != c.code || str("param") != c.param {
			t.Errorf("%v: %d %s", c.params, r.status, r.body)
		}
	}
	for range 15 {
		w.must(w.post("/v1/webhook_endpoints", "url", "http://localhost:1/hook", "enabled_events[]", "*"))
	}
	if r := w.post("/v1/webhook_endpoints", "url", "http://localhost:1/hook", "enabled_events[]", "*"); r.err()["message"] != "You have reached the maximum of 16 test webhook endpoints." {
		t.Errorf("17th: %s", r.body)
	}
	if d := w.must(w.do("DELETE", "/v1/webhook_endpoints/"+id, nil)); d["deleted"] != true {
		t.Errorf("delete %v", d)
	}
	if r := w.get("/v1/webhook_endpoints/" + id); r.status != 404 {
		t.Errorf("after delete: %d", r.status)
	}
}

// TestDeliveries: signed, rendered at the endpoint's version, retried on the
// timetable with the same body, resendable, and stopped when disabled.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook, oldHook := newReceiver(t), newReceiver(t)
		e := w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "charge.refunded"))
		w.must(w.post("/v1/webhook_endpoints", "url", oldHook.URL, "enabled_events[]", "charge.refunded", "api_version", "2019-09-09"))
		hook.answer(500)
		ch := w.charged()
		w.must(w.do("POST", "/v1/refunds", map[string]string{"Idempotency-Key": "refund-1"}, "charge", ch["id"].(string), "amount", "100"))
		w.advance(0)
		if got := oldHook.all(); len(got) != 1 || got[0].event["api_version"] != "2019-09-09" || got[0].event["data"].(object)["object"].(object)["refunds"] == nil {
			t.Fatalf("old endpoint got %d", len(got))
		}
		ev := w.must(w.get("/v1/events", "type", "charge.refunded"))["data"].([]any)[0].(object)
		if ev["pending_webhooks"] != 1.0 || ev["request"].(object)["idempotency_key"] != "refund-1" || ev["data"].(object)["previous_attributes"].(object)["amount_refunded"] != 0.0 {
			t.Errorf("event %v", ev)
		}
		for i, step := range []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour} {
			w.advance(step - time.Second)
			if n := len(hook.all()); n != i+1 {
				t.Fatalf("before retry %d: %d attempts", i+1, n)
			}
			w.advance(time.Second)
			if n := len(hook.all()); n != i+2 {
				t.Fatalf("after retry %d: %d attempts", i+1, n)
			}
		}
		w.advance(48 * time.Hour)
		got := hook.all()
		if len(got) != 4 {
			t.Fatalf("%d attempts, want 4", len(got))
		}
		for _, g := range got {
			if string(g.body) != string(got[0].body) {
				t.Error("the body changed between attempts")
			}
			if err := signature.Verify(g.header.Get("Stripe-Signature"), g.body, e["secret"].(string), 5*time.Minute, w.clock.Now()); err != nil {
				t.Errorf("signature: %v", err)
			}
			if !strings.HasPrefix(g.header.Get("User-Agent"), "Stripe/1.0 ") {
				t.Errorf("user agent %q", g.header.Get("User-Agent"))
			}
		}
		hook.answer(200)
		w.must(w.post("/v1/events/"+ev["id"].(string)+"/retry", "webhook_endpoint", e["id"].(string)))
		w.advance(0)
		if n := len(hook.all()); n != 5 {
			t.Errorf("after a resend: %d attempts", n)
		}
		if ev := w.must(w.get("/v1/events/" + ev["id"].(string))); ev["pending_webhooks"] != 0.0 {
			t.Errorf("pending_webhooks %v", ev["pending_webhooks"])
		}
		ds := w.control("GET", "deliveries?endpoint="+e["id"].(string), "")["deliveries"].([]any)
		if len(ds) != 1 || len(ds[0].(object)["attempts"].([]any)) != 5 || ds[0].(object)["state"] != "delivered" {
			t.Errorf("deliveries %v", ds)
		}
	})
}

func TestBalanceTransactions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.charged()
	w.must(w.post("/v1/refunds", "charge", ch["id"].(string), "amount", "100"))
	l := w.must(w.get("/v1/balance_transactions"))["data"].([]any)
	if len(l) != 2 || l[0].(object)["type"] != "payment_refund" || l[0].(object)["amount"] != -100.0 || l[0].(object)["fee"] != 0.0 {
		t.Errorf("transactions %v", l)
	}
	for filter, n := range map[string]int{"source=" + ch["id"].(string): 1, "type=payment_refund": 1, "currency=usd": 2, "currency=eur": 0} {
		name, value, _ := strings.Cut(filter, "=")
		if got := w.must(w.get("/v1/balance_transactions", name, value))["data"].([]any); len(got) != n {
			t.Errorf("%s: %d, want %d", filter, len(got), n)
		}
	}
	w.advance(8 * 24 * time.Hour)
	if txn := w.must(w.get("/v1/balance/history/" + ch["balance_transaction"].(string))); txn["status"] != "available" {
		t.Errorf("after settlement: %v", txn["status"])
	}
	if e := w.events(); e[len(e)-1] != "balance.available" {
		t.Errorf("events %v", e)
	}
}

// TestSecretRoll: while a secret is rolled, both sign (stripe-platform §9.1).
func TestSecretRoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := newReceiver(t)
	e := w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "*"))
	id, old := e["id"].(string), e["secret"].(string)
	fresh := w.control("POST", "endpoints/roll", `{"endpoint": "`+id+`", "keep_seconds": 3600}`)["secret"].(string)
	signedBy := func(secret string) bool {
		all := hook.all()
		g := all[len(all)-1]
		return signature.Verify(g.header.Get("Stripe-Signature"), g.body, secret, time.Minute, w.clock.Now()) == nil
	}
	w.chargeable()
	if !signedBy(old) || !signedBy(fresh) {
		t.Error("during the roll both secrets must sign")
	}
	w.clock.Advance(time.Hour)
	w.chargeable()
	if signedBy(old) || !signedBy(fresh) {
		t.Error("after the roll only the new secret signs")
	}
	if s := w.controlStatus("POST", "endpoints/roll", `{"endpoint": "we_none"}`); s != 404 {
		t.Errorf("unknown endpoint: %d", s)
	}
	if s := w.controlStatus("POST", "endpoints/roll", `{"endpoint": "`+id+`", "keep_seconds": 90000}`); s != 400 {
		t.Errorf("too long: %d", s)
	}
}

// TestAdvancePastHangingEndpoint: many messages for an endpoint that never
// answers cost an advance one timeout, side by side, not one each.
func TestAdvancePastHangingEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	waiting, most := 0, 0
	all := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		waiting++
		if most = max(most, waiting); waiting == 5 {
			close(all)
		}
		mu.Unlock()
		<-all // answers only when all five are here at once
		rw.WriteHeader(500)
	}))
	defer hang.Close()
	w.must(w.post("/v1/webhook_endpoints", "url", hang.URL, "enabled_events[]", "*"))
	for range 5 {
		w.decide(w.source(), "decline")
	}
	w.advance(time.Minute)
	if most != 5 {
		t.Errorf("%d deliveries were under way at once, want 5", most)
	}
}

// TestControlNeedsTheSecretKey: nobody moves a world without its secret key.
func TestControlNeedsTheSecretKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, key := range []string{"", w.public().key, "sk_live_0123456789abcdef", "nonsense"} {
		if s := w.with(key).controlStatus("GET", "clock", ""); s != 401 {
			t.Errorf("%q: %d", key, s)
		}
	}
	for body, want := range map[string]int{`{"seconds": -1}`: 400, `{}`: 400, `[]`: 400, `{"second": 1}`: 400, `{"to": "yesterday"}`: 400, `{"to": "2001-01-01T00:00:00Z"}`: 400, `{"seconds": 1}`: 200} {
		if s := w.controlStatus("POST", "clock/advance", body); s != want {
			t.Errorf("advance %s: %d, want %d", body, s, want)
		}
	}
	if s := w.controlStatus("GET", "nothing", ""); s != 404 {
		t.Errorf("unknown route: %d", s)
	}
}
