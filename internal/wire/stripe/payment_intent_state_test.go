package stripe_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// TestIntentUpdate: what can change in which status (stripe-payment-intents
// §3.2).
func TestIntentUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.intent()
	path := "/v1/payment_intents/" + pi["id"].(string)
	w.fails(w.post("/v1/payment_intents/pi_none", "amount", "1"), 404, "resource_missing", "intent")
	w.fails(w.post(path, "automatic_payment_methods[enabled]", "true"), 400, "parameter_unknown", "automatic_payment_methods")

	// Terms of an automatic intent select its methods anew.
	got := w.must(w.post(path, "amount", "4999"))
	if types := got["payment_method_types"].([]any); slices.Contains(types, "alma") {
		t.Errorf("types %v below Alma's minimum", types)
	}
	got = w.must(w.post(path, "amount", "5099", "currency", "usd"))
	if types := got["payment_method_types"].([]any); slices.Contains(types, "alma") || !slices.Contains(types, "alipay") {
		t.Errorf("types %v in dollars", types)
	}
	w.must(w.post(path, "currency", "eur"))

	// Setting and unsetting a method.
	m := w.must(w.post("/v1/payment_methods", "type", "alma"))["id"].(string)
	if got := w.must(w.post(path, "payment_method", m)); got["status"] != "requires_confirmation" || got["payment_method"] != m {
		t.Errorf("with a method: %v", got)
	}
	if got := w.must(w.post(path, "payment_method", "")); got["status"] != "requires_payment_method" || got["payment_method"] != nil {
		t.Errorf("without: %v", got)
	}
	if n := len(w.events()); n != 1 {
		t.Errorf("updates made events: %v", w.events())
	}

	// New terms end an approval that is under way.
	open := w.alma(pi)
	got = w.must(w.post(path, "amount", "6000"))
	if got["status"] != "requires_confirmation" || got["next_action"] != nil || got["payment_method"] == nil {
		t.Errorf("new terms during an approval: %v", got)
	}
	if _, to := w.decideAt(page(open), "authorize"); !strings.Contains(to, "redirect_status=succeeded") {
		// The status of the intent decides, and it waits for a confirmation.
		t.Logf("the abandoned page leads to %s", to)
	}
	if got := w.read(pi); got["status"] != "requires_confirmation" {
		t.Errorf("the abandoned page still decides: %v", got)
	}
	// A currency the chosen method does not take lets go of it.
	w.alma(pi)
	if got := w.must(w.post(path, "currency", "usd")); got["status"] != "requires_payment_method" || got["payment_method"] != nil {
		t.Errorf("a currency Alma does not take: %v", got)
	}
	w.must(w.post(path, "currency", "eur"))
	again := w.alma(pi)
	if again["amount"] != 6000.0 {
		t.Errorf("%v", again)
	}
	// Words may change during an approval.
	if got := w.must(w.post(path, "metadata[a]", "b", "description", "d", "receipt_email", "a@example.com")); got["status"] != "requires_action" || got["next_action"] == nil {
		t.Errorf("%v", got)
	}
	w.decideAt(page(again), "authorize")
	charge := w.must(w.get("/v1/payment_intents/"+pi["id"].(string), "expand[]", "latest_charge"))["latest_charge"].(object)
	if charge["amount"] != 6000.0 || charge["metadata"].(object)["a"] != "b" {
		t.Errorf("%v", charge)
	}

	// Succeeded: words only, and the charge keeps its own.
	got = w.must(w.post(path, "metadata[a]", "c", "description", "e", "receipt_email", "b@example.com"))
	if got["metadata"].(object)["a"] != "c" || w.must(w.get("/v1/charges/" + charge["id"].(string)))["metadata"].(object)["a"] != "b" {
		t.Errorf("%v", got)
	}
	for _, param := range []string{"amount", "currency", "payment_method", "capture_method", "setup_future_usage"} {
		value := map[string]string{"amount": "7000", "currency": "usd", "payment_method": "pm_card_visa", "capture_method": "manual", "setup_future_usage": "off_session"}[param]
		if e := w.fails(w.post(path, param, value), 400, "payment_intent_unexpected_state", param); e["payment_intent"].(object)["id"] != pi["id"] {
			t.Errorf("%v", e)
		}
	}
	// Canceled: metadata only.
	gone := w.intent()
	w.must(w.post("/v1/payment_intents/" + gone["id"].(string) + "/cancel"))
	w.must(w.post("/v1/payment_intents/"+gone["id"].(string), "metadata[a]", "b"))
	w.fails(w.post("/v1/payment_intents/"+gone["id"].(string), "description", "d"), 400, "payment_intent_unexpected_state", "description")

	// last_payment_error goes with any update.
	failed := w.intent()
	w.decideAt(page(w.alma(failed)), "decline")
	if w.read(failed)["last_payment_error"] == nil || w.must(w.post("/v1/payment_intents/"+failed["id"].(string), "metadata[a]", "b"))["last_payment_error"] != nil {
		t.Error("last_payment_error stays")
	}
}

// TestIntentCancel: in which statuses, with which effects
// (stripe-payment-intents §3.5).
func TestIntentCancel(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cancel := func(pi object, params ...string) response {
			return w.post("/v1/payment_intents/"+pi["id"].(string)+"/cancel", params...)
		}
		fresh := w.intent()
		w.fails(cancel(fresh, "cancellation_reason", "bored"), 400, "", "cancellation_reason")
		got := w.must(cancel(fresh, "cancellation_reason", "requested_by_customer"))
		if got["status"] != "canceled" || got["cancellation_reason"] != "requested_by_customer" || got["canceled_at"] != float64(start.Unix()) || got["client_secret"] != fresh["client_secret"] {
			t.Errorf("%v", got)
		}
		w.fails(cancel(fresh), 400, "payment_intent_unexpected_state", "")
		w.fails(w.confirmed(fresh, almaData...), 400, "payment_intent_unexpected_state", "payment_method")
		if r := w.public().get("/v1/payment_intents/"+fresh["id"].(string), "client_secret", fresh["client_secret"].(string)); r.status != 200 {
			t.Errorf("the secret of a canceled intent: %d", r.status)
		}

		open := w.alma(w.intent())
		got = w.must(cancel(open))
		if got["status"] != "canceled" || got["next_action"] != nil || got["payment_method"] == nil || got["cancellation_reason"] != nil {
			t.Errorf("%v", got)
		}
		if _, to := w.decideAt(page(open), "authorize"); !strings.Contains(to, "redirect_status=failed") {
			t.Errorf("the page of a canceled intent returns to %s", to)
		}

		held := w.held()
		got = w.must(cancel(held))
		if got["status"] != "canceled" || got["amount_capturable"] != 0.0 {
			t.Errorf("%v", got)
		}
		charge := w.must(w.get("/v1/charges/"+got["latest_charge"].(string), "expand[]", "refunds"))
		if charge["refunded"] != true || charge["amount_refunded"] != 5099.0 || charge["captured"] != false {
			t.Errorf("%v", charge)
		}
		if rs := charge["refunds"].(object)["data"].([]any); len(rs) != 1 || rs[0].(object)["status"] != "succeeded" || rs[0].(object)["reason"] != nil || rs[0].(object)["balance_transaction"] != nil {
			t.Errorf("%v", rs)
		}
		if a, p := w.balance("eur"); a != 0 || p != 0 {
			t.Errorf("balance %d, %d", a, p)
		}
		events := w.events()
		if !slices.Equal(events[len(events)-2:], []string{"charge.refunded", "payment_intent.canceled"}) {
			t.Errorf("events %v", events)
		}

		paid := w.intent()
		w.decideAt(page(w.alma(paid)), "authorize")
		w.fails(cancel(paid), 400, "payment_intent_unexpected_state", "")
	})
}

// held is an intent whose funds wait for capture.
func (w *world) held(params ...string) object {
	w.t.Helper()
	pi := w.intent(append([]string{"capture_method", "manual"}, params...)...)
	w.decideAt(page(w.alma(pi)), "authorize")
	got := w.read(pi)
	if got["status"] != "requires_capture" || got["amount_capturable"] != 5099.0 || got["amount_received"] != 0.0 {
		w.t.Fatalf("%v", got)
	}
	return got
}

// TestIntentCapture: whole, in part, too late (stripe-payment-intents §3.4,
// §4.7).
func TestIntentCapture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		capture := func(pi object, params ...string) response {
			return w.post("/v1/payment_intents/"+pi["id"].(string)+"/capture", params...)
		}
		w.fails(capture(w.intent()), 400, "payment_intent_unexpected_state", "")
		w.fails(capture(object{"id": "pi_none"}), 404, "resource_missing", "intent")
		pi := w.held()
		if types := pi["payment_method_types"].([]any); slices.Contains(types, "alipay") {
			t.Errorf("types %v with manual capture", types)
		}
		if c := w.must(w.get("/v1/charges/" + pi["latest_charge"].(string))); c["captured"] != false || c["status"] != "succeeded" || c["paid"] != true || c["balance_transaction"] != nil {
			t.Errorf("%v", c)
		}
		w.fails(capture(pi, "amount_to_capture", "5100"), 400, "amount_too_large", "amount_to_capture")
		w.fails(capture(pi, "amount_to_capture", "0"), 400, "parameter_invalid_integer", "amount_to_capture")
		w.fails(capture(pi, "final_capture", "false"), 400, "", "final_capture")
		w.fails(capture(pi, "application_fee_amount", "1"), 400, "", "application_fee_amount")
		w.fails(w.post("/v1/refunds", "payment_intent", pi["id"].(string)), 400, "", "charge")
		w.fails(w.confirmed(pi, almaData...), 400, "payment_intent_unexpected_state", "payment_method")
		got := w.must(capture(pi))
		if got["status"] != "succeeded" || got["amount_received"] != 5099.0 || got["amount_capturable"] != 0.0 {
			t.Errorf("%v", got)
		}
		w.fails(capture(pi), 400, "payment_intent_unexpected_state", "")

		part := w.held()
		got = w.must(capture(part, "amount_to_capture", "5000"))
		if got["status"] != "succeeded" || got["amount_received"] != 5000.0 || got["amount"] != 5099.0 {
			t.Errorf("%v", got)
		}
		charge := w.must(w.get("/v1/charges/" + part["latest_charge"].(string)))
		if charge["amount_captured"] != 5000.0 || charge["amount_refunded"] != 99.0 || charge["captured"] != true || charge["refunded"] != false {
			t.Errorf("%v", charge)
		}
		w.fails(w.post("/v1/refunds", "payment_intent", part["id"].(string), "amount", "5001"), 400, "", "amount")
		w.must(w.post("/v1/refunds", "payment_intent", part["id"].(string)))
		if c := w.must(w.get("/v1/charges/" + charge["id"].(string))); c["refunded"] != true || c["amount_refunded"] != 5099.0 {
			t.Errorf("%v", c)
		}

		late := w.held()
		w.advance(7*24*time.Hour - time.Second)
		if got := w.read(late); got["status"] != "requires_capture" {
			t.Errorf("a second before its end: %v", got)
		}
		w.advance(time.Second)
		got = w.read(late)
		if got["status"] != "canceled" || got["cancellation_reason"] != "automatic" || got["amount_capturable"] != 0.0 {
			t.Errorf("%v", got)
		}
		w.fails(capture(late), 400, "charge_expired_for_capture", "")
		events := w.events()
		if i := slices.Index(events, "charge.expired"); i < 0 || events[i+1] != "payment_intent.canceled" {
			t.Errorf("events %v", events)
		}
	})
}

// TestIntentEvents: the events of each transition, in order
// (stripe-payment-intents §18).
func TestIntentEvents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(w *world)
		want string
	}{
		{"approve", func(w *world) { w.decideAt(page(w.alma(w.intent())), "authorize") }, "payment_intent.created payment_intent.requires_action charge.succeeded payment_intent.succeeded"},
		{"hold", func(w *world) { w.held() }, "payment_intent.created payment_intent.requires_action charge.succeeded payment_intent.amount_capturable_updated"},
		{"capture", func(w *world) { w.must(w.post("/v1/payment_intents/" + w.held()["id"].(string) + "/capture")) }, "payment_intent.created payment_intent.requires_action charge.succeeded payment_intent.amount_capturable_updated charge.captured payment_intent.succeeded"},
		{"captureSome", func(w *world) {
			w.must(w.post("/v1/payment_intents/"+w.held()["id"].(string)+"/capture", "amount_to_capture", "1"))
		}, "payment_intent.created payment_intent.requires_action charge.succeeded payment_intent.amount_capturable_updated charge.captured payment_intent.succeeded charge.refunded"},
		{"decline", func(w *world) { w.decideAt(page(w.alma(w.intent())), "decline") }, "payment_intent.created payment_intent.requires_action payment_intent.payment_failed"},
		{"expire", func(w *world) { w.alma(w.intent()); w.advance(time.Hour) }, "payment_intent.created payment_intent.requires_action payment_intent.payment_failed"},
		{"card", func(w *world) {
			w.intent("confirm", "true", "payment_method", "pm_card_visa", "return_url", "https://shop.example/")
		}, "payment_intent.created charge.succeeded payment_intent.succeeded"},
		{"cardDeclined", func(w *world) {
			w.post("/v1/payment_intents", "amount", "100", "currency", "usd", "confirm", "true", "payment_method", "pm_card_chargeDeclined", "payment_method_types[]", "card")
		}, "payment_intent.created charge.failed payment_intent.payment_failed"},
		{"cancel", func(w *world) { w.must(w.post("/v1/payment_intents/" + w.intent()["id"].(string) + "/cancel")) }, "payment_intent.created payment_intent.canceled"},
		{"save", func(w *world) {
			cus := w.must(w.post("/v1/customers"))["id"].(string)
			w.intent("customer", cus, "setup_future_usage", "off_session", "confirm", "true", "payment_method", "pm_card_visa", "return_url", "https://shop.example/")
		}, "customer.created payment_intent.created charge.succeeded payment_method.attached payment_intent.succeeded"},
		{"refund", func(w *world) {
			pi := w.intent("confirm", "true", "payment_method", "pm_card_visa", "return_url", "https://shop.example/")
			w.must(w.post("/v1/refunds", "payment_intent", pi["id"].(string)))
		}, "payment_intent.created charge.succeeded payment_intent.succeeded charge.refunded refund.created charge.refund.updated refund.updated"},
		{"update", func(w *world) { w.must(w.post("/v1/payment_intents/"+w.intent()["id"].(string), "metadata[a]", "b")) }, "payment_intent.created"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.do(w)
			if got := strings.Join(w.events(), " "); got != c.want {
				t.Errorf("events %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestManualConfirmation: after the payer's action the server confirms again
// (stripe-payment-intents §4.6).
func TestManualConfirmation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	confirm := func(pi object, params ...string) response {
		return w.post("/v1/payment_intents/"+pi["id"].(string)+"/confirm", params...)
	}
	open := func(params ...string) object {
		pi := w.intent(append([]string{"confirmation_method", "manual"}, params...)...)
		got := w.must(confirm(pi, almaData...))
		if got["status"] != "requires_action" {
			t.Fatalf("%v", got)
		}
		w.decideAt(page(got), "authorize")
		if got = w.read(pi); got["status"] != "requires_confirmation" || got["latest_charge"] != nil {
			t.Fatalf("approved: %v", got)
		}
		return got
	}
	pi := open()
	if got := w.must(confirm(pi)); got["status"] != "succeeded" || got["latest_charge"] == nil {
		t.Errorf("confirmed again: %v", got)
	}
	pi = open("capture_method", "manual")
	if got := w.must(confirm(pi)); got["status"] != "requires_capture" {
		t.Errorf("confirmed again: %v", got)
	}
	w.must(w.post("/v1/payment_intents/" + pi["id"].(string) + "/capture"))
	pi = open()
	if got := w.must(w.post("/v1/payment_intents/" + pi["id"].(string) + "/cancel")); got["status"] != "canceled" {
		t.Errorf("%v", got)
	}
	pi = open()
	if got := w.must(w.post("/v1/payment_intents/"+pi["id"].(string), "amount", "7000")); got["status"] != "requires_confirmation" {
		t.Errorf("%v", got)
	}
	if got := w.must(confirm(pi)); got["status"] != "requires_action" {
		t.Errorf("other terms need another approval: %v", got)
	}
	// Before the payer has acted there is nothing to settle: another attempt.
	for _, capture := range []string{"automatic", "manual"} {
		pi := w.intent("confirmation_method", "manual", "capture_method", capture)
		w.must(confirm(pi, almaData...))
		if got := w.must(confirm(pi)); got["status"] != "requires_action" || got["latest_charge"] != nil {
			t.Errorf("confirmed twice before the payer acted: %v", got)
		}
	}
	pi = open()
	w.advance(7 * 24 * time.Hour)
	if got := w.read(pi); got["status"] != "requires_payment_method" || got["last_payment_error"].(object)["code"] != "payment_intent_payment_attempt_expired" {
		t.Errorf("never confirmed again: %v", got)
	}
}

// TestTooManyConfirmations: the 26th cancels (stripe-payment-intents §3.3, check
// 16).
func TestTooManyConfirmations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.intent()
	for range 25 {
		w.alma(pi)
	}
	w.fails(w.confirmed(pi, almaData...), 400, "payment_intent_unexpected_state", "")
	if got := w.read(pi); got["status"] != "canceled" || got["cancellation_reason"] != "automatic" {
		t.Errorf("%v", got)
	}
}

// TestEligibility: which methods an automatic intent has
// (stripe-payment-intents §5).
func TestEligibility(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ want, params string }{
		{"card alma alipay", "amount=5099&currency=eur"},
		{"card alma alipay", "amount=5000&currency=eur"},
		{"card alipay", "amount=4999&currency=eur"},
		{"card alma alipay", "amount=500000&currency=eur"},
		{"card alipay", "amount=500001&currency=eur"},
		{"card alipay", "amount=5099&currency=usd"},
		{"card alipay", "amount=5999&currency=cny"},
		{"card", "amount=50990&currency=huf"},
		{"card alma", "amount=5099&currency=eur&capture_method=manual"},
		{"card alma alipay", "amount=5099&currency=eur&payment_method_options[alma][capture_method]=manual"},
		{"card alipay", "amount=5099&currency=eur&setup_future_usage=off_session"},
		{"card", "amount=5099&currency=eur&setup_future_usage=on_session"},
		{"card alipay", "amount=5099&currency=eur&setup_future_usage=on_session&payment_method_options[alipay][setup_future_usage]=none"},
		{"card", "amount=5099&currency=eur&automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never"},
		{"alma", "amount=5099&currency=eur&allowed_payment_method_types[]=alma"},
		{"card alipay", "amount=5099&currency=eur&excluded_payment_method_types[]=alma"},
		{"alma card", "amount=5099&currency=eur&payment_method_types[]=alma&payment_method_types[]=card"},
		{"card", "amount=5099&currency=eur&automatic_payment_methods[enabled]=false"},
	} {
		var params []string
		for _, pair := range strings.Split(c.params, "&") {
			k, v, _ := strings.Cut(pair, "=")
			params = append(params, k, v)
		}
		pi := w.must(w.post("/v1/payment_intents", params...))
		var got []string
		for _, typ := range pi["payment_method_types"].([]any) {
			got = append(got, typ.(string))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.params, got, c.want)
		}
		if auto := pi["automatic_payment_methods"]; (auto == nil) != strings.Contains(c.params, "payment_method_types[]=alma&") && (auto == nil) != strings.Contains(c.params, "=false") {
			t.Errorf("%s: automatic_payment_methods %v", c.params, auto)
		}
	}
	// Before the feature was the default, absent means cards.
	old := w.must(w.do("POST", "/v1/payment_intents", map[string]string{"Stripe-Version": "2022-11-15"}, "amount", "5099", "currency", "eur"))
	if got := old["payment_method_types"].([]any); len(got) != 1 || got[0] != "card" || old["automatic_payment_methods"] != nil || old["capture_method"] != "automatic" {
		t.Errorf("%v", old)
	}
	// The account decides too.
	w.control("POST", "account", `{"methods_off": ["alma"]}`)
	if got := w.intent()["payment_method_types"].([]any); slices.Contains(got, "alma") {
		t.Errorf("%v with Alma turned off", got)
	}
	w.fails(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "alma"), 400, "", "payment_method_types")
	w.control("POST", "account", `{"methods_off": [], "country": "US", "default_currency": "USD", "extra_currencies": []}`)
	e := w.fails(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "alma"), 400, "", "payment_method_types")
	if !strings.Contains(e["message"].(string), "This payment method is available to Stripe accounts in FR, IT, ES, NL, BE, LU") {
		t.Errorf("%v", e)
	}
	w.control("POST", "account", `{"country": "FR", "default_currency": "EUR"}`)
	if got := w.intent()["payment_method_types"].([]any); !slices.Contains(got, "alma") {
		t.Errorf("%v in France", got)
	}
}

// TestPaymentMethods: the life of a payment method (stripe-payment-intents §11).
func TestPaymentMethods(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cus := w.must(w.post("/v1/customers"))["id"].(string)
		other := w.must(w.post("/v1/customers"))["id"].(string)
		alma := w.must(w.post("/v1/payment_methods", "type", "alma", "billing_details[name]", "Jenny Rosen", "billing_details[address][city]", "Paris", "billing_details[tax_id]", "FR1", "metadata[a]", "b", "allow_redisplay", "always"))
		if b := alma["billing_details"].(object); b["name"] != "Jenny Rosen" || b["tax_id"] != "FR1" || b["address"].(object)["city"] != "Paris" || alma["allow_redisplay"] != "always" || len(alma["alma"].(object)) != 0 {
			t.Errorf("%v", alma)
		}
		path := "/v1/payment_methods/" + alma["id"].(string)
		w.fails(w.post(path, "metadata[a]", "c"), 400, "", "")
		w.fails(w.post(path+"/attach", "customer", cus), 400, "payment_method_unsupported_type", "payment_method")
		w.fails(w.post(path+"/detach"), 400, "", "")
		w.fails(w.post(path+"/attach"), 400, "parameter_missing", "customer")
		w.fails(w.get("/v1/payment_methods/pm_none"), 404, "resource_missing", "payment_method")
		w.fails(w.post("/v1/payment_methods/pm_none/attach", "customer", cus), 404, "resource_missing", "payment_method")
		w.fails(w.post("/v1/payment_methods"), 400, "parameter_missing", "type")
		w.fails(w.post("/v1/payment_methods", "type", "cowrie"), 400, "", "type")
		w.fails(w.post("/v1/payment_methods", "type", "klarna"), 400, "", "type")
		w.fails(w.post("/v1/payment_methods", "type", "alma", "alma[x]", "1"), 400, "parameter_unknown", "alma[x]")
		w.fails(w.post("/v1/payment_methods", "type", "alma", "billing_details[email]", "nobody"), 400, "email_invalid", "billing_details[email]")
		w.fails(w.post("/v1/payment_methods", "type", "alma", "customer", cus), 400, "", "customer")
		w.fails(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", "cus_none"), 400, "resource_missing", "customer")

		card := w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", cus))
		id := card["id"].(string)
		if id == "pm_card_visa" || card["customer"] != cus {
			t.Errorf("%v", card)
		}
		w.must(w.post("/v1/payment_methods/"+id+"/attach", "customer", cus))
		w.fails(w.post("/v1/payment_methods/"+id+"/attach", "customer", other), 400, "", "payment_method")
		bare := w.must(w.post("/v1/payment_methods", "type", "alipay"))
		if a, ok := bare["billing_details"].(object)["address"].(object); !ok || len(a) != 6 || a["city"] != nil {
			t.Errorf("an address that nobody gave: %v", bare["billing_details"])
		}
		wallet := bare["id"].(string)
		w.must(w.post("/v1/payment_methods/"+wallet+"/attach", "customer", cus))
		list := func(params ...string) (ids []string) {
			for _, m := range w.must(w.get("/v1/payment_methods", params...))["data"].([]any) {
				ids = append(ids, m.(object)["id"].(string))
			}
			return ids
		}
		for _, c := range []struct{ params, want []string }{
			{nil, nil},
			{[]string{"customer", cus}, []string{wallet, id}},
			{[]string{"customer", cus, "type", "card"}, []string{id}},
			{[]string{"customer", cus, "type", "alma"}, nil},
			{[]string{"customer", cus, "limit", "1"}, []string{wallet}},
			{[]string{"customer", cus, "starting_after", wallet}, []string{id}},
			{[]string{"customer", cus, "allow_redisplay", "always"}, nil},
			{[]string{"customer", other}, nil},
		} {
			if got := list(c.params...); !slices.Equal(got, c.want) {
				t.Errorf("%v: %v, want %v", c.params, got, c.want)
			}
		}
		if got := w.must(w.get("/v1/customers/" + cus + "/payment_methods"))["data"].([]any); len(got) != 2 {
			t.Errorf("%v", got)
		}
		w.must(w.get("/v1/customers/" + cus + "/payment_methods/" + id))
		w.fails(w.get("/v1/customers/"+other+"/payment_methods/"+id), 404, "resource_missing", "customer")
		w.fails(w.get("/v1/customers/cus_none/payment_methods"), 404, "resource_missing", "customer")

		got := w.must(w.post("/v1/payment_methods/"+id, "metadata[a]", "b", "card[exp_month]", "11", "card[exp_year]", "2040", "billing_details[phone]", "+33"))
		if c := got["card"].(object); c["exp_month"] != 11.0 || c["exp_year"] != 2040.0 || got["billing_details"].(object)["phone"] != "+33" {
			t.Errorf("%v", got)
		}
		w.fails(w.post("/v1/payment_methods/"+wallet, "card[exp_month]", "11"), 400, "", "card")

		// A saved method pays for its customer only, and again and again.
		w.fails(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "customer", other, "payment_method", id), 400, "", "payment_method")
		for range 2 {
			pi := w.intent("customer", cus, "payment_method", id, "confirm", "true", "return_url", "https://shop.example/")
			if pi["status"] != "succeeded" {
				t.Errorf("%v", pi)
			}
		}
		if got := w.must(w.post("/v1/payment_methods/" + id + "/detach")); got["customer"] != nil {
			t.Errorf("%v", got)
		}
		w.fails(w.post("/v1/payment_methods/"+id+"/detach"), 400, "", "")
		w.fails(w.post("/v1/payment_methods/"+id+"/attach", "customer", cus), 400, "", "payment_method")
		w.fails(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "customer", cus, "payment_method", id, "confirm", "true", "return_url", "https://shop.example/"), 400, "", "payment_method")
		if got := list("customer", cus); !slices.Equal(got, []string{wallet}) {
			t.Errorf("after detaching: %v", got)
		}
		// Deleting the customer lets go of the rest.
		w.must(w.do("DELETE", "/v1/customers/"+cus, nil))
		if got := w.must(w.get("/v1/payment_methods/" + wallet)); got["customer"] != nil {
			t.Errorf("%v", got)
		}
		counts := map[string]int{}
		for _, e := range w.events() {
			counts[e]++
		}
		if counts["payment_method.attached"] != 2 || counts["payment_method.updated"] != 1 || counts["payment_method.detached"] != 2 {
			t.Errorf("%v", counts)
		}
	})
}

// TestIntentRefunds: asynchronous for wallets, at once for cards
// (stripe-payment-intents §10.2).
func TestIntentRefunds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fails(w.post("/v1/refunds", "payment_intent", "pi_none"), 400, "resource_missing", "payment_intent")
	w.fails(w.post("/v1/refunds", "payment_intent", w.intent()["id"].(string)), 400, "", "payment_intent")
	pi := w.intent()
	w.decideAt(page(w.alma(pi)), "authorize")
	id := pi["id"].(string)
	r := w.must(w.post("/v1/refunds", "payment_intent", id, "amount", "1000", "reason", "requested_by_customer"))
	if r["status"] != "pending" || r["payment_intent"] != id || r["destination_details"].(object)["type"] != "alma" || r["pending_reason"] != "processing" {
		t.Errorf("%v", r)
	}
	w.fails(w.post("/v1/refunds", "payment_intent", id, "amount", "4100"), 400, "", "amount")
	w.advance(5 * time.Second)
	if got := w.must(w.get("/v1/refunds/" + r["id"].(string))); got["status"] != "succeeded" {
		t.Errorf("%v", got)
	}
	if l := w.must(w.get("/v1/refunds", "payment_intent", id))["data"].([]any); len(l) != 1 {
		t.Errorf("%v", l)
	}
	w.advance(180*24*time.Hour + time.Second)
	e := w.fails(w.post("/v1/refunds", "payment_intent", id), 400, "charge_not_refundable", "charge")
	if !strings.Contains(e["message"].(string), "180-day") {
		t.Errorf("%v", e)
	}
	card := w.intent("confirm", "true", "payment_method", "pm_card_visa", "return_url", "https://shop.example/")
	r = w.must(w.post("/v1/refunds", "payment_intent", card["id"].(string), "expand[]", "payment_intent"))
	if r["status"] != "succeeded" || !strings.HasPrefix(r["id"].(string), "re_") || r["payment_intent"].(object)["status"] != "succeeded" {
		t.Errorf("%v", r)
	}
	w.fails(w.post("/v1/refunds", "charge", r["charge"].(string)), 400, "charge_already_refunded", "")
}

// TestIntentRaces: one decision wins, whatever comes at the same moment.
func TestIntentRaces(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		race := func(do ...func() response) []response {
			out := make([]response, len(do))
			var wg sync.WaitGroup
			for i, f := range do {
				wg.Go(func() { out[i] = f() })
			}
			wg.Wait()
			return out
		}
		post := func(pi object, verb string, params ...string) func() response {
			return func() response { return w.post("/v1/payment_intents/"+pi["id"].(string)+"/"+verb, params...) }
		}
		confirm := func(pi object) func() response {
			return post(pi, "confirm", "payment_method", "pm_card_visa", "return_url", "https://shop.example/")
		}
		allowed := func(name string, rs []response) (ok int) {
			t.Helper()
			for _, r := range rs {
				code, _ := r.err()["code"].(string)
				switch {
				case r.status == 200:
					ok++
				case r.status == 400 && code == "payment_intent_unexpected_state", r.status == 400 && code == "charge_expired_for_capture":
				default:
					t.Errorf("%s: %d %s", name, r.status, r.body)
				}
			}
			return ok
		}
		one := func(name string, pi object, rs []response, charges int) {
			t.Helper()
			if ok := allowed(name, rs); ok != 1 {
				t.Errorf("%s: %d succeeded, want one", name, ok)
			}
			if l := w.must(w.get("/v1/charges", "payment_intent", pi["id"].(string)))["data"].([]any); len(l) > charges {
				t.Errorf("%s: %d charges", name, len(l))
			}
		}
		for range 3 {
			pi := w.intent()
			one("confirm and cancel", pi, race(confirm(pi), post(pi, "cancel"), confirm(pi), post(pi, "cancel")), 1)
			pi = w.held()
			one("capture and cancel", pi, race(post(pi, "capture"), post(pi, "cancel"), post(pi, "capture", "amount_to_capture", "100"), post(pi, "cancel")), 1)
			pi = w.held()
			w.clock.Advance(7 * 24 * time.Hour)
			rs := race(post(pi, "capture"), func() response { return w.get("/v1/payment_intents/" + pi["id"].(string)) }, post(pi, "cancel"))
			allowed("capture and expire", rs)
			if got := w.read(pi); got["status"] != "canceled" || got["cancellation_reason"] != "automatic" {
				t.Errorf("capture and expire: %v", got)
			}
			// The payer and the merchant at once.
			open := w.alma(w.intent())
			rs = race(post(open, "cancel"), func() response {
				s, to := w.decideAt(page(open), "authorize")
				return response{status: s, body: []byte(to)}
			})
			got := w.read(open)
			switch got["status"] {
			case "canceled":
				if rs[0].status != 200 || !strings.Contains(string(rs[1].body), "redirect_status=failed") {
					t.Errorf("canceled, but %d and %s", rs[0].status, rs[1].body)
				}
			case "succeeded":
				if rs[0].status != 400 || !strings.Contains(string(rs[1].body), "redirect_status=succeeded") {
					t.Errorf("succeeded, but %d and %s", rs[0].status, rs[1].body)
				}
			default:
				t.Errorf("%v", got)
			}
		}
	})
}

// TestIntentsPend: a wallet that takes its time (stripe-payment-intents §4.1,
// processing).
func TestIntentsPend(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		pi := w.intent()
		_, to := w.decideAt(page(w.alma(pi)), "authorize", "scenario", "delay_60")
		if !strings.Contains(to, "redirect_status=pending") {
			t.Errorf("returns to %s", to)
		}
		got := w.read(pi)
		if got["status"] != "processing" || got["next_action"] != nil || got["latest_charge"] != nil {
			t.Errorf("%v", got)
		}
		w.fails(w.post("/v1/payment_intents/"+pi["id"].(string)+"/cancel"), 400, "payment_intent_unexpected_state", "")
		w.fails(w.confirmed(pi, almaData...), 400, "payment_intent_unexpected_state", "payment_method")
		w.fails(w.post("/v1/payment_intents/"+pi["id"].(string), "amount", "6000"), 400, "payment_intent_unexpected_state", "amount")
		w.must(w.post("/v1/payment_intents/"+pi["id"].(string), "metadata[a]", "b"))
		w.advance(time.Minute)
		if got := w.read(pi); got["status"] != "succeeded" {
			t.Errorf("%v", got)
		}
		if got := strings.Join(w.events(), " "); got != "payment_intent.created payment_intent.requires_action payment_intent.processing charge.succeeded payment_intent.succeeded" {
			t.Errorf("events %s", got)
		}
		// Later than the hour: the money goes back, and another try is possible.
		pi = w.intent()
		w.decideAt(page(w.alma(pi)), "authorize", "scenario", "late")
		w.advance(2 * time.Hour)
		if got := w.read(pi); got["status"] != "requires_payment_method" || got["last_payment_error"].(object)["code"] != "payment_intent_payment_attempt_expired" {
			t.Errorf("%v", got)
		}
		w.decideAt(page(w.alma(pi)), "authorize")
		if got := w.read(pi); got["status"] != "succeeded" {
			t.Errorf("%v", got)
		}
		// Said twice is said once.
		pi = w.intent()
		w.decideAt(page(w.alma(pi)), "authorize", "scenario", "duplicate")
		w.advance(time.Minute)
		if l := w.must(w.get("/v1/charges", "payment_intent", pi["id"].(string)))["data"].([]any); len(l) != 1 {
			t.Errorf("%d charges", len(l))
		}
	})
}

// TestIntentScenarios: outcomes chosen by the request (stripe-payment-intents
// §19).
func TestIntentScenarios(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.intent("metadata[ducat_scenario]", "payment_method_not_available")
	w.fails(w.confirmed(pi, almaData...), 400, "payment_method_not_available", "payment_method")
	if got := w.read(pi); got["status"] != "requires_payment_method" || got["last_payment_error"] != nil {
		t.Errorf("%v", got)
	}
	pi = w.intent("metadata[ducat_scenario]", "creation_processing_error")
	if r := w.confirmed(pi, almaData...); r.status != 500 || r.err()["code"] != "processing_error" || r.header.Get("Stripe-Should-Retry") != "true" {
		t.Errorf("%d %s", r.status, r.body)
	}
	pi = w.intent()
	open := w.alma(pi)
	if got := w.control("POST", "decide", `{"id": "`+pi["id"].(string)+`", "decision": "authorize"}`); got["state"] != "captured" {
		t.Errorf("%v", got)
	}
	if status, _ := w.decideAt(page(open), "decline"); status != 303 || w.read(pi)["status"] != "succeeded" {
		t.Errorf("a decided page answers %d", status)
	}
	// Alma declines because of the risk; a wallet without money.
	pi = w.intent()
	w.decideAt(page(w.alma(pi)), "authorize", "scenario", "risk")
	if e := w.read(pi)["last_payment_error"].(object); e["code"] != "payment_intent_payment_attempt_failed" || !strings.Contains(e["message"].(string), "risk") {
		t.Errorf("%v", e)
	}
	pi = w.intent()
	w.decideAt(page(w.must(w.confirmed(pi, alipayData...))), "authorize", "scenario", "insufficient_funds")
	if e := w.read(pi)["last_payment_error"].(object); e["code"] != "payment_method_provider_decline" || e["type"] != "card_error" {
		t.Errorf("%v", e)
	}
}

// TestIntentDisputes: Alma gives fourteen days to answer
// (stripe-payment-intents §10.3).
func TestIntentDisputes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.intent()
	w.decideAt(page(w.alma(pi)), "authorize")
	w.control("POST", "disputes", `{"id": "`+pi["id"].(string)+`", "reason": "product_not_received"}`)
	l := w.must(w.get("/v1/disputes", "payment_intent", pi["id"].(string)))["data"].([]any)
	if len(l) != 1 {
		t.Fatalf("%v", l)
	}
	d := l[0].(object)
	due := time.Unix(int64(d["evidence_details"].(object)["due_by"].(float64)), 0).UTC()
	if want := start.Truncate(24*time.Hour).AddDate(0, 0, 15).Add(-time.Second); !due.Equal(want) || d["payment_intent"] != pi["id"] || d["payment_method_details"] != nil {
		t.Errorf("due %v, want %v; %v", due, want, d)
	}
	w.fails(w.post("/v1/refunds", "payment_intent", pi["id"].(string)), 400, "charge_disputed", "charge")
	if c := w.must(w.get("/v1/payment_intents/"+pi["id"].(string), "expand[]", "latest_charge"))["latest_charge"].(object); c["disputed"] != true {
		t.Errorf("%v", c)
	}
	if got := w.read(pi); got["status"] != "succeeded" {
		t.Errorf("%v", got)
	}
}

// TestIntentsLive: nothing simulated stands in for a live payment.
func TestIntentsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := merchant.NewSandbox("acct_1IntentsLive0001", start)
	m.ID, m.Live, m.Profile.Provisioned = merchant.IDFor(m.Account, true), true, true
	if err := w.store.CreateMerchant(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	live := map[string]*world{}
	for kind, name := range map[string]string{"sk": "secret", "pk": "publishable"} {
		key := kind + "_live_" + keys.Random(40)
		if err := w.store.PutCredential(t.Context(), store.Credential{Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: name, Created: start}); err != nil {
			t.Fatal(err)
		}
		live[kind] = w.with(key)
	}
	pi := live["sk"].intent()
	if pi["livemode"] != true {
		t.Errorf("%v", pi)
	}
	confirm := func(params ...string) response {
		return live["pk"].post("/v1/payment_intents/"+pi["id"].(string)+"/confirm", append([]string{"client_secret", pi["client_secret"].(string)}, params...)...)
	}
	w.fails(confirm(almaData...), 400, "payment_method_not_available", "payment_method")
	w.fails(confirm("payment_method_data[type]", "alma", "return_url", "http://shop.example/"), 400, "url_invalid", "return_url")
	w.fails(confirm(append([]string{"payment_method_data[type]", "card"}, card("payment_method_data[card]", "4242424242424242")...)...), 400, "", "payment_method_data[card]")
	w.fails(confirm("payment_method", "pm_card_visa"), 400, "resource_missing", "payment_method")
	w.fails(live["pk"].post("/v1/tokens", card("card", "4242424242424242")...), 400, "", "card")
	w.fails(live["sk"].post("/v1/payment_methods", "type", "card", "card[token]", "tok_visa"), 400, "", "card")
	if got := live["sk"].must(live["sk"].get("/v1/payment_intents/" + pi["id"].(string))); got["status"] != "requires_payment_method" {
		t.Errorf("%v", got)
	}
	e := w.fails(w.get("/v1/payment_intents/"+pi["id"].(string)), 404, "resource_missing", "intent")
	if e["payment_intent"] != nil {
		t.Errorf("%v", e)
	}
}
