package stripe_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestChargeErrors has one row per refusal of stripe-sources §6.6 that leaves
// the source as it was.
func TestChargeErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := w.chargeable()
	id := src["id"].(string)
	pending := w.source()["id"].(string)
	for _, c := range []struct {
		name, code, param, message string
		params                     []string
	}{
		{"neither", "parameter_missing", "", "Must provide source or customer.", []string{"amount", "1099", "currency", "usd"}},
		{"noAmount", "parameter_missing", "amount", "Missing required param: amount.", []string{"currency", "usd", "source", id}},
		{"noCurrency", "parameter_missing", "currency", "Missing required param: currency.", []string{"amount", "1099", "source", id}},
		{"zero", "parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.", []string{"amount", "0", "currency", "usd", "source", id}},
		{"fraction", "parameter_invalid_integer", "amount", "Invalid integer: 10.99", []string{"amount", "10.99", "currency", "usd", "source", id}},
		{"unknownSource", "resource_missing", "source", "No such source: 'src_none'", []string{"amount", "1099", "currency", "usd", "source", "src_none"}},
		{"token", "resource_missing", "source", "No such token: 'tok_visa'", []string{"amount", "1099", "currency", "usd", "source", "tok_visa"}},
		{"customer", "resource_missing", "customer", "No such customer: 'cus_1'", []string{"amount", "1099", "currency", "usd", "source", id, "customer", "cus_1"}},
		{"pending", "invalid_source_usage", "source", "The source you provided is not in a chargeable state.", []string{"amount", "1099", "currency", "usd", "source", pending}},
		{"otherCurrency", "", "currency", "The currency specified (gbp) does not match the currency on the source (usd). A payment can only be created for the same currency as the corresponding source.", []string{"amount", "1099", "currency", "gbp", "source", id}},
		{"otherAmount", "", "amount", "The amount specified (1200) does not match the amount on the source (1099).", []string{"amount", "1200", "currency", "usd", "source", id}},
		{"smallerAmount", "", "amount", "The amount specified (1000) does not match the amount on the source (1099).", []string{"amount", "1000", "currency", "usd", "source", id}},
		{"captureLater", "", "capture", "Alipay payments cannot be captured separately; `capture` must be true.", []string{"amount", "1099", "currency", "usd", "source", id, "capture", "false"}},
		{"boolean", "", "capture", "Invalid boolean: yes", []string{"amount", "1099", "currency", "usd", "source", id, "capture", "yes"}},
		{"unknownParam", "parameter_unknown", "colour", "Received unknown parameter: colour", []string{"amount", "1099", "currency", "usd", "source", id, "colour", "red"}},
		{"card", "", "source", "Invalid source object", []string{"amount", "1099", "currency", "usd", "source[number]", "4242424242424242"}},
		{"shipping", "parameter_missing", "shipping[name]", "Missing required param: shipping[name].", []string{"amount", "1099", "currency", "usd", "source", id, "shipping[address][line1]", "x"}},
		{"descriptor", "", "statement_descriptor", "Invalid string", []string{"amount", "1099", "currency", "usd", "source", id, "statement_descriptor", strings.Repeat("x", 23)}},
		{"connect", "", "transfer_data", "", []string{"amount", "1099", "currency", "usd", "source", id, "transfer_data[destination]", "acct_1"}},
		{"expand", "", "", "This property cannot be expanded (nonsense).", []string{"amount", "1099", "currency", "usd", "source", id, "expand[]", "nonsense"}},
		{"expandDeep", "property_expansion_max_depth", "", "You cannot expand more than 4 levels of a property.", []string{"amount", "1099", "currency", "usd", "source", id, "expand[]", "a.b.c.d.e"}},
	} {
		r := w.post("/v1/charges", c.params...)
		e := r.err()
		str := func(k string) string { s, _ := e[k].(string); return s }
		if r.status != 400 || e["type"] != "invalid_request_error" || str("code") != c.code || str("param") != c.param || !strings.HasPrefix(str("message"), c.message) {
			t.Errorf("%s: %d %s", c.name, r.status, r.body)
		}
	}
	if l := w.must(w.get("/v1/charges")); len(l["data"].([]any)) != 0 {
		t.Errorf("refused requests left charges")
	}
	w.must(w.chargeOf(src)) // the source is still chargeable
}

// TestOneChargePerSource: many requests at once, one charge, on both databases.
func TestOneChargePerSource(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		src := w.chargeable()
		const n = 12
		results := make([]response, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				results[i] = w.do("POST", "/v1/charges", map[string]string{"Idempotency-Key": fmt.Sprint("key-", i)}, "amount", "1099", "currency", "usd", "source", src["id"].(string))
			})
		}
		wg.Wait()
		ok := 0
		for _, r := range results {
			switch {
			case r.status == 200:
				ok++
			case r.status != 400 || !strings.HasPrefix(r.err()["message"].(string), "The provided source has already been used to make another payment."):
				t.Errorf("%d %s", r.status, r.body)
			}
		}
		if ok != 1 {
			t.Errorf("%d charges succeeded, want 1", ok)
		}
		if l := w.must(w.get("/v1/charges")); len(l["data"].([]any)) != 1 {
			t.Errorf("%d charges stored", len(l["data"].([]any)))
		}
	})
}

// TestSameKeyRace: the return handler and the webhook handler charge with the
// same key at once (stripe-sources §6.8); exactly one is the first execution.
func TestSameKeyRace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		src := w.chargeable()
		const n = 12
		results := make([]response, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				results[i] = w.do("POST", "/v1/charges", map[string]string{"Idempotency-Key": "order-1"}, "amount", "1099", "currency", "usd", "source", src["id"].(string))
			})
		}
		wg.Wait()
		first, body := 0, ""
		for _, r := range results {
			if r.status == 409 { // the first one was under way
				if r.err()["code"] != "idempotency_key_in_use" || r.header.Get("Original-Request") == r.header.Get("Request-Id") {
					t.Errorf("%v %s", r.header, r.body)
				}
				continue
			}
			if body == "" {
				body = string(r.body)
			}
			if r.status != 200 || string(r.body) != body {
				t.Errorf("%d %s", r.status, r.body)
			}
			if r.header.Get("Original-Request") == r.header.Get("Request-Id") {
				first++
			} else if r.header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("a replay does not say so: %v", r.header)
			}
		}
		if first != 1 {
			t.Errorf("%d answers claim to be the first execution", first)
		}
		if e := w.events(); len(e) != 2 {
			t.Errorf("events %v", e)
		}
	})
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := func(k string) map[string]string { return map[string]string{"Idempotency-Key": k} }
	params := []string{"type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/"}
	first := w.do("POST", "/v1/sources", key("k1"), params...)
	again := w.do("POST", "/v1/sources", key("k1"), params...)
	if string(first.body) != string(again.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Original-Request") != first.header.Get("Request-Id") || first.header.Get("Original-Request") != first.header.Get("Request-Id") {
		t.Errorf("replay: %v\n%s\n%s", again.header, first.body, again.body)
	}
	if again.header.Get("Idempotency-Key") != "k1" || again.header.Get("Stripe-Should-Retry") != "false" {
		t.Errorf("headers of a replay: %v", again.header)
	}
	r := w.do("POST", "/v1/sources", key("k1"), append(params, "metadata[x]", "1")...)
	if r.status != 400 || r.err()["type"] != "idempotency_error" || !strings.HasPrefix(r.err()["message"].(string), "Keys for idempotent requests can only be used with the same parameters") {
		t.Errorf("other parameters: %d %s", r.status, r.body)
	}
	r = w.do("POST", "/v1/charges", key("k1"), "amount", "1", "currency", "usd", "source", "src_x")
	if r.status != 400 || r.err()["type"] != "idempotency_error" || !strings.Contains(r.err()["message"].(string), "('/v1/sources' vs '/v1/charges')") {
		t.Errorf("other endpoint: %d %s", r.status, r.body)
	}
	if r := w.do("POST", "/v1/sources", key(strings.Repeat("k", 256)), params...); r.status != 400 {
		t.Errorf("long key: %d", r.status)
	}
	// Validation errors leave the key free.
	if r := w.do("POST", "/v1/sources", key("k2"), "type", "alipay"); r.status != 400 {
		t.Errorf("bad request: %d", r.status)
	}
	w.must(w.do("POST", "/v1/sources", key("k2"), params...))
	// A key is forgotten after a day of wall time, not of the account's time.
	w.advance(25 * time.Hour)
	if r := w.do("POST", "/v1/sources", key("k1"), params...); r.header.Get("Idempotent-Replayed") != "true" {
		t.Error("time travel dropped an idempotency key")
	}
	w.clock.Advance(25 * time.Hour)
	if r := w.do("POST", "/v1/sources", key("k1"), params...); r.header.Get("Idempotent-Replayed") != "" || r.status != 200 {
		t.Errorf("after a day: %d %v", r.status, r.header)
	}
	// Too early is not kept; used up is.
	src := w.source()
	charge := []string{"amount", "1099", "currency", "usd", "source", src["id"].(string)}
	if r := w.do("POST", "/v1/charges", key("c"), charge...); r.status != 400 {
		t.Errorf("too early: %d", r.status)
	}
	w.decide(src, "authorize")
	w.advance(time.Second)
	w.must(w.do("POST", "/v1/charges", key("c"), charge...))
}

func TestChargeUpdateAndRetrieve(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.charged("description", "first", "metadata[a]", "1", "receipt_email", "a@example.com", "shipping[name]", "Ann", "shipping[address][line1]", "1 Road")
	path := "/v1/charges/" + ch["id"].(string)
	got := w.must(w.post(path, "description", "second", "metadata[b]", "2", "fraud_details[user_report]", "safe"))
	if got["description"] != "second" || got["metadata"].(object)["a"] != "1" || got["fraud_details"].(object)["user_report"] != "safe" {
		t.Errorf("after update: %v", got)
	}
	events := w.must(w.get("/v1/events", "type", "charge.updated"))["data"].([]any)
	if len(events) != 1 {
		t.Fatalf("%d charge.updated", len(events))
	}
	prev := events[0].(object)["data"].(object)["previous_attributes"].(object)
	if prev["description"] != "first" || prev["amount"] != nil {
		t.Errorf("previous attributes %v", prev)
	}
	if r := w.post(path+"/capture", "", ""); r.status != 400 {
		t.Errorf("capture with an empty name: %d %s", r.status, r.body)
	}
	if r := w.post(path + "/capture"); r.status != 400 || r.err()["code"] != "charge_already_captured" {
		t.Errorf("capture: %d %s", r.status, r.body)
	}
	if r := w.get("/v1/charges/py_none"); r.status != 404 || r.err()["message"] != "No such charge: 'py_none'" {
		t.Errorf("unknown: %d %s", r.status, r.body)
	}
	got = w.must(w.get(path, "expand[]", "balance_transaction"))
	txn := got["balance_transaction"].(object)
	if txn["amount"] != 1099.0 || txn["fee"] != 62.0 || txn["net"] != 1037.0 || txn["type"] != "payment" || txn["status"] != "pending" || txn["source"] != ch["id"] {
		t.Errorf("balance transaction %v", txn)
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		ch := w.charged("description", "Order 1")
		id := ch["id"].(string)
		r1 := w.must(w.post("/v1/refunds", "charge", id, "amount", "400", "reason", "requested_by_customer", "metadata[why]", "broken"))
		if r1["status"] != "pending" || !strings.HasPrefix(r1["id"].(string), "pyr_") {
			t.Errorf("refund %v", r1)
		}
		w.advance(2 * time.Second)
		if r := w.must(w.get("/v1/refunds/" + r1["id"].(string))); r["status"] != "succeeded" {
			t.Errorf("after two seconds: %v", r["status"])
		}
		if r := w.post("/v1/refunds", "charge", id, "amount", "700"); r.status != 400 || r.err()["param"] != "amount" || r.err()["message"] != "Refund amount ($7.00) is greater than unrefunded amount on charge ($6.99)" {
			t.Errorf("too much: %d %s", r.status, r.body)
		}
		nested := w.must(w.post("/v1/charges/" + id + "/refunds"))
		if nested["amount"] != 699.0 {
			t.Errorf("the rest is %v", nested["amount"])
		}
		if r := w.post("/v1/refunds", "charge", id); r.status != 400 || r.err()["code"] != "charge_already_refunded" {
			t.Errorf("once more: %d %s", r.status, r.body)
		}
		got := w.must(w.get("/v1/charges/"+id, "expand[]", "refunds"))
		if got["refunded"] != true || got["amount_refunded"] != 1099.0 || got["refunds"].(object)["data"].([]any)[0].(object)["id"] != nested["id"] {
			t.Errorf("charge %v", got)
		}
		l := w.must(w.get("/v1/refunds", "charge", id))["data"].([]any)
		if len(l) != 2 || l[0].(object)["id"] != nested["id"] {
			t.Errorf("list %v", l)
		}
		w.advance(2 * time.Second)
		want := []string{"source.chargeable", "charge.succeeded", "charge.refunded", "refund.created", "charge.refund.updated", "refund.updated", "charge.refunded", "refund.created", "charge.refund.updated", "refund.updated"}
		if e := w.events(); strings.Join(e, " ") != strings.Join(want, " ") {
			t.Errorf("events %v", e)
		}
		if a, p := w.balance("usd"); a != -1099 || p != 1037 {
			t.Errorf("balance %d %d", a, p)
		}
		if r := w.must(w.post("/v1/refunds/"+r1["id"].(string), "metadata[why]", "late")); r["metadata"].(object)["why"] != "late" {
			t.Errorf("update %v", r)
		}
		if r := w.post("/v1/refunds/" + r1["id"].(string) + "/cancel"); r.status != 400 {
			t.Errorf("cancel: %d", r.status)
		}
	})
}

func TestRefundFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := w.chargeable("metadata[ducat_scenario]", "refund_failed")
	id := w.must(w.chargeOf(src))["id"].(string)
	re := w.must(w.post("/v1/refunds", "charge", id, "amount", "500"))
	w.advance(2 * time.Second)
	got := w.must(w.get("/v1/refunds/"+re["id"].(string), "expand[]", "failure_balance_transaction"))
	if got["status"] != "failed" || got["failure_reason"] != "declined" || got["failure_balance_transaction"].(object)["amount"] != 500.0 {
		t.Errorf("refund %v", got)
	}
	if ch := w.must(w.get("/v1/charges/" + id)); ch["amount_refunded"] != 0.0 || ch["refunded"] != false {
		t.Errorf("charge %v", ch["amount_refunded"])
	}
	if e := w.events(); e[len(e)-1] != "refund.failed" {
		t.Errorf("events %v", e)
	}
	if a, _ := w.balance("usd"); a != 0 {
		t.Errorf("available %d", a)
	}
}

// TestRefundWindow: 90 days from the charge, to the second.
func TestRefundWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early, late := w.charged(), w.charged()
	w.advance(90*24*time.Hour - time.Second)
	w.must(w.post("/v1/refunds", "charge", early["id"].(string)))
	w.advance(2 * time.Second)
	r := w.post("/v1/refunds", "charge", late["id"].(string))
	if r.status != 400 || r.err()["code"] != "charge_not_refundable" || r.err()["message"] != "This payment is too old to be refunded. It has passed its 90-day refund window." {
		t.Errorf("%d %s", r.status, r.body)
	}
	if ch := w.must(w.get("/v1/charges/" + late["id"].(string))); ch["amount_refunded"] != 0.0 {
		t.Error("a refused refund changed the charge")
	}
}

func TestRefundErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.charged()["id"].(string)
	for _, c := range []struct {
		status                     int
		code, param, message, path string
		params                     []string
	}{
		{400, "parameter_missing", "", "One of the following params should be provided for this request: payment_intent or charge.", "/v1/refunds", nil},
		{400, "resource_missing", "charge", "No such charge: 'py_none'", "/v1/refunds", []string{"charge", "py_none"}},
		{404, "resource_missing", "charge", "No such charge: 'py_none'", "/v1/charges/py_none/refunds", nil},
		{400, "parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.", "/v1/refunds", []string{"charge", id, "amount", "0"}},
		{400, "", "reason", "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer", "/v1/refunds", []string{"charge", id, "reason", "whim"}},
		{400, "parameter_unknown", "x", "Received unknown parameter: x", "/v1/refunds", []string{"charge", id, "x", "1"}},
		{404, "resource_missing", "refund", "No such refund: 'pyr_none'", "/v1/refunds/pyr_none", []string{"metadata[a]", "b"}},
	} {
		r := w.post(c.path, c.params...)
		str := func(k string) string { s, _ := r.err()[k].(string); return s }
		if r.status != c.status || str("code") != c.code || str("param") != c.param || str("message") != c.message {
			t.Errorf("%s %v: %d %s", c.path, c.params, r.status, r.body)
		}
	}
}

// TestConcurrentRefunds never send back more than was captured.
func TestConcurrentRefunds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		id := w.charged()["id"].(string)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { w.post("/v1/refunds", "charge", id, "amount", "300") })
		}
		wg.Wait()
		if ch := w.must(w.get("/v1/charges/" + id)); ch["amount_refunded"] != 900.0 {
			t.Errorf("refunded %v of 1099 in steps of 300", ch["amount_refunded"])
		}
	})
}

// TestImmediateSettlement: with no settlement delay every charge becomes
// available, however many there are on one day.
func TestImmediateSettlement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.control("POST", "account", `{"settlement_days": 0}`)
	for i := range 3 {
		w.charged()
		w.advance(0)
		if a, p := w.balance("usd"); a != int64(1037*(i+1)) || p != 0 {
			t.Errorf("after %d charges: %d available, %d pending", i+1, a, p)
		}
	}
}

// TestReceipt: a charge's receipt shows what was paid and lets nobody act.
func TestReceipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.charged()
	w.must(w.post("/v1/refunds", "charge", ch["id"].(string), "amount", "100"))
	u := ch["receipt_url"].(string)
	path := strings.TrimPrefix(u, w.url)
	r := w.with("").get(path)
	if r.status != 200 || !strings.Contains(string(r.body), "$10.99") || !strings.Contains(string(r.body), "$1.00") || strings.Contains(string(r.body), "client_secret") {
		t.Errorf("%d %s", r.status, r.body)
	}
	pay := strings.Replace(path, "/receipts/", "/", 1)
	if r := w.with("").get(pay); r.status != 404 {
		t.Errorf("the receipt's token opens the payment page: %d", r.status)
	}
	if r := w.with("").get(path + "x"); r.status != 404 {
		t.Errorf("a wrong token: %d", r.status)
	}
	page := strings.TrimPrefix(ch["source"].(object)["redirect"].(object)["url"].(string), w.url+"/pay/")
	if r := w.with("").get("/pay/receipts/" + page); r.status != 404 {
		t.Errorf("the page's token opens the receipt: %d", r.status)
	}
}
