package stripe_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
)

// intent creates an intent of 50.99 euro whose methods are selected.
func (w *world) intent(params ...string) object {
	w.t.Helper()
	return w.must(w.post("/v1/payment_intents", append([]string{"amount", "5099", "currency", "eur", "automatic_payment_methods[enabled]", "true"}, params...)...))
}

// confirmed confirms an intent as the browser does.
func (w *world) confirmed(pi object, params ...string) response {
	w.t.Helper()
	return w.public().post("/v1/payment_intents/"+pi["id"].(string)+"/confirm", append([]string{"client_secret", pi["client_secret"].(string)}, params...)...)
}

var almaData = []string{"payment_method_data[type]", "alma", "return_url", "https://shop.example/order/123/complete?cart=77#top"}

// alma brings an intent to the payer's page.
func (w *world) alma(pi object, params ...string) object {
	w.t.Helper()
	return w.must(w.confirmed(pi, append(slices.Clone(almaData), params...)...))
}

// page is where the payer of an intent has to go.
func page(pi object) string {
	a := pi["next_action"].(object)
	return a[a["type"].(string)].(object)["url"].(string)
}

func (w *world) read(pi object) object {
	w.t.Helper()
	return w.must(w.get("/v1/payment_intents/" + pi["id"].(string)))
}

// TestAlmaWalk is the guide from its first request to the webhook, on both
// databases.
func TestAlmaWalk(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		pi := w.intent("metadata[order]", "6735", "description", "Two chairs")
		if pi["status"] != "requires_payment_method" || pi["next_action"] != nil || pi["latest_charge"] != nil || pi["payment_method"] != nil {
			t.Errorf("created: %v", pi)
		}
		if got := pi["payment_method_types"].([]any); !slices.Equal(got, []any{"card", "alma", "alipay"}) {
			t.Errorf("types %v", got)
		}
		open := w.alma(pi)
		if open["status"] != "requires_action" || open["next_action"].(object)["type"] != "redirect_to_url" {
			t.Fatalf("confirmed: %v", open)
		}
		if w.read(pi)["latest_charge"] != nil {
			t.Error("there is a charge before the payer approved")
		}
		status, to := w.decideAt(page(open), "authorize")
		want := "https://shop.example/order/123/complete?cart=77&payment_intent=" + pi["id"].(string) + "&payment_intent_client_secret=" + pi["client_secret"].(string) + "&redirect_pm_type=alma&redirect_status=succeeded#top"
		if status != 303 || to != want {
			t.Errorf("the page answered %d %s\nwant %s", status, to, want)
		}
		done := w.must(w.get("/v1/payment_intents/"+pi["id"].(string), "expand[]", "latest_charge.balance_transaction"))
		if done["status"] != "succeeded" || done["amount_received"] != 5099.0 || done["next_action"] != nil {
			t.Errorf("after approval: %v", done)
		}
		charge := done["latest_charge"].(object)
		if charge["status"] != "succeeded" || charge["payment_intent"] != pi["id"] || charge["payment_method"] != done["payment_method"] || charge["metadata"].(object)["order"] != "6735" || charge["description"] != "Two chairs" {
			t.Errorf("charge %v", charge)
		}
		if d := charge["payment_method_details"].(object); d["type"] != "alma" || d["alma"].(object)["installments"].(object)["count"] != 3.0 {
			t.Errorf("details %v", d)
		}
		if txn := charge["balance_transaction"].(object); txn["amount"] != 5099.0 || txn["type"] != "payment" {
			t.Errorf("balance transaction %v", txn)
		}
		if got := strings.Join(w.events(), " "); got != "payment_intent.created payment_intent.requires_action charge.succeeded payment_intent.succeeded" {
			t.Errorf("events %s", got)
		}
		w.advance(time.Hour)
	})
}

// fails checks an error answer.
func (w *world) fails(r response, status int, code, param string) object {
	w.t.Helper()
	e := r.err()
	str := func(k string) string { s, _ := e[k].(string); return s }
	if r.status != status || str("code") != code || str("param") != param {
		w.t.Errorf("%d %s, want %d %s %s", r.status, r.body, status, code, param)
	}
	return e
}

// TestIntentErrors has one row per refusal of a creation in
// stripe-payment-intents §3.1.
func TestIntentErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cus := w.must(w.post("/v1/customers"))["id"].(string)
	saved := w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", cus))["id"].(string)
	eur := func(more ...string) []string { return append([]string{"amount", "5099", "currency", "eur"}, more...) }
	for _, c := range []struct {
		name, code, param, message string
		params                     []string
	}{
		{"noAmount", "parameter_missing", "amount", "Missing required param: amount.", []string{"currency", "eur"}},
		{"noCurrency", "parameter_missing", "currency", "Missing required param: currency.", []string{"amount", "5099"}},
		{"fraction", "parameter_invalid_integer", "amount", "", []string{"amount", "50.99", "currency", "eur"}},
		{"zero", "parameter_invalid_integer", "amount", "", []string{"amount", "0", "currency", "eur"}},
		{"negative", "parameter_invalid_integer", "amount", "", []string{"amount", "-1", "currency", "eur"}},
		{"tooSmall", "amount_too_small", "amount", "", []string{"amount", "49", "currency", "eur"}},
		{"tooSmallForint", "amount_too_small", "amount", "", []string{"amount", "17499", "currency", "huf", "payment_method_types[]", "card"}},
		{"tooLarge", "amount_too_large", "amount", "", []string{"amount", "100000000", "currency", "eur"}},
		{"badCurrency", "", "currency", "Invalid currency: zzz", []string{"amount", "5099", "currency", "zzz"}},
		{"bothChoices", "parameters_exclusive", "payment_method_types", "", eur("automatic_payment_methods[enabled]", "true", "payment_method_types[]", "card")},
		{"bothMethods", "parameters_exclusive", "payment_method_data", "", eur("payment_method", "pm_card_visa", "payment_method_data[type]", "alma")},
		{"confirmOnly", "", "return_url", "", eur("return_url", "https://shop.example/")},
		{"offSession", "", "off_session", "", eur("off_session", "true")},
		{"unknown", "parameter_unknown", "colour", "Received unknown parameter: colour", eur("colour", "red")},
		{"unknownType", "", "payment_method_types", "The payment method type provided: grabpay is invalid", eur("payment_method_types[]", "grabpay")},
		{"nonsenseType", "", "payment_method_types", "The payment method type provided: cowrie is invalid", eur("payment_method_types[]", "cowrie")},
		{"restrictedType", "", "payment_method_types", "The payment method `au_becs_debit` cannot be used. This payment method is available to Stripe accounts in AU", eur("payment_method_types[]", "au_becs_debit")},
		{"almaDollars", "payment_intent_invalid_currency", "currency", "", []string{"amount", "5099", "currency", "usd", "payment_method_types[]", "alma"}},
		{"alipayForint", "payment_intent_invalid_currency", "currency", "", []string{"amount", "20000", "currency", "huf", "payment_method_types[]", "alipay"}},
		{"almaTooSmall", "amount_too_small", "amount", "", []string{"amount", "4999", "currency", "eur", "payment_method_types[]", "alma"}},
		{"almaTooLarge", "amount_too_large", "amount", "", []string{"amount", "500001", "currency", "eur", "payment_method_types[]", "alma"}},
		{"alipayManual", "", "capture_method", "", eur("payment_method_types[]", "alipay", "capture_method", "manual")},
		{"almaSaved", "", "setup_future_usage", "", eur("payment_method_types[]", "alma", "setup_future_usage", "off_session")},
		{"nothingLeft", "payment_intent_invalid_parameter", "automatic_payment_methods", "", eur("automatic_payment_methods[enabled]", "true", "allowed_payment_method_types[]", "alma", "excluded_payment_method_types[]", "alma")},
		{"customer", "resource_missing", "customer", "No such customer: 'cus_1'", eur("customer", "cus_1")},
		{"method", "resource_missing", "payment_method", "No such PaymentMethod: 'pm_1'", eur("payment_method", "pm_1")},
		{"methodOfOther", "", "payment_method", "", eur("payment_method", saved)},
		{"optionUnknown", "parameter_unknown", "payment_method_options[alma][colour]", "", eur("payment_method_options[alma][colour]", "red")},
		{"optionValue", "", "payment_method_options[alma][capture_method]", "", eur("payment_method_options[alma][capture_method]", "later")},
		{"optionType", "parameter_unknown", "payment_method_options[cowrie]", "", eur("payment_method_options[cowrie][x]", "1")},
		{"noDataType", "missing_required_parameter", "payment_method_data[type]", "Missing required param: payment_method_data[type].", eur("payment_method_data[billing_details][name]", "x")},
		{"dataUnknown", "parameter_unknown", "payment_method_data[colour]", "", eur("payment_method_data[type]", "alma", "payment_method_data[colour]", "red")},
		{"enabledMissing", "parameter_missing", "automatic_payment_methods[enabled]", "", eur("automatic_payment_methods[allow_redirects]", "never")},
		{"captureMethod", "", "capture_method", "", eur("capture_method", "sometimes")},
		{"confirmation", "", "confirmation_method", "", eur("confirmation_method", "sometimes")},
		{"usage", "", "setup_future_usage", "", eur("setup_future_usage", "sometimes")},
		{"descriptorLong", "", "statement_descriptor", "", eur("statement_descriptor", strings.Repeat("x", 23))},
		{"descriptorChars", "", "statement_descriptor", "", eur("statement_descriptor", "A*B")},
		{"descriptorDigits", "", "statement_descriptor_suffix", "", eur("statement_descriptor_suffix", "123")},
		{"email", "email_invalid", "receipt_email", "", eur("receipt_email", "nobody")},
		{"shipping", "parameter_missing", "shipping[name]", "", eur("shipping[address][line1]", "x")},
		{"connect", "", "transfer_data", "", eur("transfer_data[destination]", "acct_1")},
		{"fee", "", "application_fee_amount", "", eur("application_fee_amount", "1")},
		{"scenario", "", "metadata[ducat_scenario]", "", eur("metadata[ducat_scenario]", "x")},
		{"expand", "", "", "This property cannot be expanded (nonsense).", eur("expand[]", "nonsense")},
		{"typesScalar", "", "payment_method_types", "", eur("payment_method_types", "card")},
		{"confirmBoolean", "", "confirm", "", eur("confirm", "yes")},
		{"confirmWithoutMethod", "payment_intent_unexpected_state", "", "", eur("confirm", "true", "return_url", "https://shop.example/")},
	} {
		e := w.fails(w.post("/v1/payment_intents", c.params...), 400, c.code, c.param)
		if m, _ := e["message"].(string); !strings.HasPrefix(m, c.message) || e["type"] != "invalid_request_error" {
			t.Errorf("%s: %v", c.name, e)
		}
	}
	if l := w.must(w.get("/v1/payment_intents")); len(l["data"].([]any)) != 0 {
		t.Errorf("refused requests left intents: %v", l)
	}
}

// TestIntentConfirmErrors has one row per check of stripe-payment-intents §3.3,
// in its order.
// TestNobodyIsSentAway: a server confirms without return_url if, among the types that
// are allowed by name, none sends the payer away (stripe-payment-intents §3.3, check 13).
func TestNobodyIsSentAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		allowed, excluded string
		may               bool
	}{{"card", "", true}, {"alma", "alma", true}, {"alipay", "", false}, {"", "alma", false}, {"", "", false}} {
		params := []string{"payment_method", "pm_card_visa", "confirm", "true"}
		if c.allowed != "" {
			params = append(params, "allowed_payment_method_types[]", "card")
			if c.allowed != "card" {
				params = append(params, "allowed_payment_method_types[]", c.allowed)
			}
		}
		if c.excluded != "" {
			params = append(params, "excluded_payment_method_types[]", c.excluded)
		}
		pay := w.post("/v1/payment_intents", append([]string{"amount", "5099", "currency", "eur"}, params...)...)
		set := w.post("/v1/setup_intents", params...)
		if c.may {
			w.has(w.must(pay), object{"status": "succeeded"})
			w.has(w.must(set), object{"status": "succeeded"})
			continue
		}
		if e := w.fails(pay, 400, "", ""); !strings.Contains(e["message"].(string), "return_url") {
			t.Errorf("%v: %v", c, e)
		}
		w.fails(set, 400, "", "return_url")
	}
}

func TestIntentConfirmErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.intent()
	id, secret := pi["id"].(string), pi["client_secret"].(string)
	other := w.intent()
	confirm := func(w *world, id string, params ...string) response {
		return w.post("/v1/payment_intents/"+id+"/confirm", params...)
	}
	pub := w.public()
	w.fails(confirm(w, "pi_none", "payment_method", "pm_card_visa"), 404, "resource_missing", "intent")
	w.fails(confirm(pub, id, almaData...), 400, "parameter_missing", "client_secret")
	e := w.fails(confirm(pub, id, append([]string{"client_secret", other["client_secret"].(string)}, almaData...)...), 400, "payment_intent_invalid_parameter", "client_secret")
	if e["payment_intent"] != nil {
		t.Error("a wrong secret is shown the intent")
	}
	manual := w.intent("confirmation_method", "manual")
	w.fails(w.confirmed(manual, almaData...), 400, "payment_intent_invalid_parameter", "")

	e = w.fails(confirm(w, id, "return_url", "https://shop.example/"), 400, "payment_intent_unexpected_state", "")
	if e["payment_intent"] == nil {
		t.Error("the state error does not show the intent")
	}
	w.fails(confirm(w, id, "confirmation_token", "ctoken_1"), 400, "payment_intent_confirmation_token_invalid", "confirmation_token")
	w.fails(confirm(pub, id, "client_secret", secret, "payment_method_data[billing_details][name]", "x"), 400, "missing_required_parameter", "payment_method_data[type]")
	w.fails(confirm(pub, id, "client_secret", secret, "payment_method_data[type]", "klarna"), 400, "", "payment_method_data[type]")
	cardOnly := w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "card"))
	w.fails(w.confirmed(cardOnly, almaData...), 400, "payment_intent_incompatible_payment_method", "payment_method")
	w.fails(w.confirmed(pi, "payment_method_data[type]", "alma"), 400, "payment_intent_redirect_confirmation_without_return_url", "return_url")
	e = w.fails(confirm(w, id, "payment_method", "pm_card_visa"), 400, "", "")
	if !strings.Contains(e["message"].(string), "`return_url`") {
		t.Errorf("%v", e)
	}
	w.fails(confirm(w, id, append([]string{"off_session", "true"}, almaData...)...), 400, "payment_intent_invalid_parameter", "off_session")
	w.fails(confirm(w, id, append([]string{"error_on_requires_action", "true"}, almaData...)...), 400, "payment_intent_action_required", "error_on_requires_action")
	w.fails(confirm(w, id, append([]string{"expected_payment_method_type", "card"}, almaData...)...), 400, "payment_intent_invalid_parameter", "expected_payment_method_type")
	w.fails(confirm(w, id, append([]string{"amount_to_confirm", "1"}, almaData...)...), 400, "payment_intent_invalid_parameter", "amount_to_confirm")
	w.fails(confirm(pub, id, append([]string{"client_secret", secret, "capture_method", "manual"}, almaData...)...), 400, "payment_intent_invalid_parameter", "capture_method")
	w.fails(confirm(pub, id, append([]string{"client_secret", secret, "off_session", "true"}, almaData...)...), 400, "payment_intent_invalid_parameter", "off_session")
	w.fails(confirm(pub, id, append([]string{"client_secret", secret, "amount", "1"}, almaData...)...), 400, "parameter_unknown", "amount")
	w.fails(confirm(w, id, "payment_method_data[type]", "alma", "return_url", "javascript:alert(1)"), 400, "url_invalid", "return_url")
	w.fails(confirm(w, id, append([]string{"mandate_data[customer_acceptance][type]", "x"}, almaData...)...), 400, "", "mandate_data[customer_acceptance][type]")
	if got := w.read(pi); got["status"] != "requires_payment_method" {
		t.Errorf("refused confirmations changed the intent: %v", got)
	}

	// Once it has succeeded.
	open := w.alma(pi)
	w.decideAt(page(open), "authorize")
	for param, r := range map[string]response{
		"payment_method": w.confirmed(pi, almaData...),
		"":               confirm(w, id, "return_url", "https://shop.example/"),
	} {
		e := w.fails(r, 400, "payment_intent_unexpected_state", param)
		if e["payment_intent"].(object)["status"] != "succeeded" {
			t.Errorf("%v", e)
		}
	}
	// The browser's error shows no more than the browser may see.
	if shown := w.confirmed(pi, almaData...).err()["payment_intent"].(object); shown["metadata"] != nil || shown["latest_charge"] != nil || shown["customer"] != nil {
		t.Errorf("the browser sees %v", shown)
	}
	// The used method cannot be used again.
	spent := w.read(pi)["payment_method"].(string)
	w.fails(w.confirmed(w.intent(), "payment_method", spent, "return_url", "https://shop.example/"), 400, "", "payment_method")
}

// TestIntentForBrowsers: what a publishable key may call, and what it sees.
func TestIntentForBrowsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.intent("metadata[a]", "b", "description", "d")
	id := pi["id"].(string)
	pub := w.public()
	for _, r := range []response{
		pub.post("/v1/payment_intents", "amount", "5099", "currency", "eur"), pub.get("/v1/payment_intents"), pub.post("/v1/payment_intents/"+id, "amount", "1"),
		pub.post("/v1/payment_intents/" + id + "/capture"), pub.post("/v1/payment_intents/" + id + "/cancel"), pub.get("/v1/payment_methods"),
		pub.get("/v1/payment_methods/pm_1"), pub.post("/v1/payment_methods/pm_1/attach"), pub.post("/v1/payment_methods/pm_1/detach"), pub.get("/v1/customers/cus_1/payment_methods"),
	} {
		w.fails(r, 401, "secret_key_required", "")
	}
	w.fails(pub.get("/v1/payment_intents/"+id), 400, "parameter_missing", "client_secret")
	w.fails(pub.get("/v1/payment_intents/"+id, "client_secret", "x"), 400, "payment_intent_invalid_parameter", "client_secret")
	w.fails(pub.get("/v1/payment_intents/pi_none", "client_secret", "x"), 404, "resource_missing", "intent")
	w.fails(pub.with("pk_test_"+keys.Random(24)).get("/v1/payment_intents/"+id, "client_secret", pi["client_secret"].(string)), 404, "resource_missing", "intent")
	want := strings.Fields(`id object allowed_payment_method_types amount amount_details automatic_payment_methods canceled_at cancellation_reason capture_method
client_secret confirmation_method created currency description excluded_payment_method_types last_payment_error livemode next_action payment_method
payment_method_configuration_details payment_method_types processing receipt_email setup_future_usage shipping source status`)
	for name, o := range map[string]object{
		"retrieve": pub.must(pub.get("/v1/payment_intents/"+id, "client_secret", pi["client_secret"].(string))),
		"refresh":  pub.must(pub.post("/v1/payment_intents/"+id+"/refresh", "client_secret", pi["client_secret"].(string))),
		"confirm":  w.alma(pi, "expand[]", "payment_method"),
	} {
		for _, k := range want {
			if _, ok := o[k]; !ok {
				t.Errorf("%s lacks %s", name, k)
			}
		}
		for k := range o {
			if !slices.Contains(want, k) {
				t.Errorf("%s shows %s", name, k)
			}
		}
		if m, ok := o["payment_method"].(object); ok {
			if _, shown := m["metadata"]; shown || m["type"] != "alma" || m["object"] != "payment_method" {
				t.Errorf("the expanded method is %v", m)
			}
		}
	}
	// A card's fingerprint stays on the server.
	card := pub.must(pub.post("/v1/payment_methods", "type", "card", "card[number]", "4242 4242 4242 4242", "card[exp_month]", "12", "card[exp_year]", "34", "card[cvc]", "123"))
	if f, ok := card["card"].(object)["fingerprint"]; ok {
		t.Errorf("the browser sees the fingerprint %v", f)
	}
	if w.must(w.get("/v1/payment_methods/" + card["id"].(string)))["card"].(object)["fingerprint"] == nil {
		t.Error("the server does not see the fingerprint")
	}
}

// TestAlmaDeclines: declined by the payer, by the provider, and by time
// (stripe-payment-intents §17.2).
func TestAlmaDeclines(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			name, code string
			failed     bool // a failed charge is left
			do         func(page string) string
			params     []string
		}{
			{"payer", "payment_intent_authentication_failure", false, func(p string) string { _, to := w.decideAt(p, "decline"); return to }, nil},
			{"cancel", "payment_intent_authentication_failure", false, func(p string) string { _, to := w.decideAt(p, "cancel"); return to }, nil},
			{"provider", "payment_intent_payment_attempt_failed", true, func(p string) string { _, to := w.decideAt(p, "authorize", "scenario", "wallet_error"); return to }, nil},
			{"time", "payment_intent_payment_attempt_expired", false, func(string) string { w.advance(time.Hour); return "" }, nil},
		} {
			pi := w.intent(c.params...)
			method := w.alma(pi)
			to := c.do(page(method))
			if to != "" && !strings.Contains(to, "redirect_status=failed") {
				t.Errorf("%s: returns to %s", c.name, to)
			}
			got := w.read(pi)
			e, _ := got["last_payment_error"].(object)
			if got["status"] != "requires_payment_method" || got["payment_method"] != nil || got["next_action"] != nil || e["code"] != c.code || got["client_secret"] != pi["client_secret"] {
				t.Errorf("%s: %v", c.name, got)
			}
			if m := e["payment_method"].(object); m["id"] != method["payment_method"] || m["customer"] != nil {
				t.Errorf("%s: failed with %v", c.name, m)
			}
			if charge := got["latest_charge"]; c.failed != (charge != nil) || c.failed && w.must(w.get("/v1/charges/" + charge.(string)))["status"] != "failed" {
				t.Errorf("%s: charge %v", c.name, charge)
			}
			w.fails(w.confirmed(pi, "payment_method", method["payment_method"].(string), "return_url", "https://shop.example/"), 400, "", "payment_method")
			if events := w.events(); events[len(events)-1] != "payment_intent.payment_failed" || c.failed && events[len(events)-2] != "charge.failed" {
				t.Errorf("%s: events %v", c.name, events)
			}
			// The same intent and secret are good for another try, and the old page
			// for nothing.
			again := w.alma(pi)
			if again["last_payment_error"] != nil {
				t.Errorf("%s: the error outlives the next confirmation", c.name)
			}
			if status, _ := w.decideAt(page(method), "authorize"); status != 404 {
				t.Errorf("%s: the page of the first attempt answers %d", c.name, status)
			}
			if _, to := w.decideAt(page(again), "authorize"); !strings.Contains(to, "redirect_status=succeeded") {
				t.Errorf("%s: the second attempt returns to %s", c.name, to)
			}
			if got := w.read(pi); got["status"] != "succeeded" {
				t.Errorf("%s: %v", c.name, got)
			}
		}
	})
}

// TestIntentCards: cards that succeed, are refused, and want the cardholder
// (stripe-payment-intents §9).
func TestIntentCards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pay := func(method string, more ...string) response {
		return w.post("/v1/payment_intents", append([]string{"amount", "1099", "currency", "usd", "payment_method_types[]", "card", "payment_method", method, "confirm", "true"}, more...)...)
	}
	for _, m := range []string{"pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_threeDSecureOptional"} {
		pi := w.must(pay(m, "expand[]", "latest_charge", "expand[]", "payment_method"))
		charge := pi["latest_charge"].(object)
		if pi["status"] != "succeeded" || charge["status"] != "succeeded" || !strings.HasPrefix(charge["id"].(string), "ch_") || pi["payment_method"].(object)["id"] == m {
			t.Errorf("%s: %v", m, pi)
		}
	}
	for _, c := range []struct{ method, code, decline, param, advice string }{
		{"pm_card_visa_chargeDeclined", "card_declined", "generic_decline", "", "try_again_later"},
		{"pm_card_chargeDeclined", "card_declined", "generic_decline", "", "try_again_later"},
		{"pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", "", "try_again_later"},
		{"pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "", "do_not_try_again"},
		{"pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card", "", "do_not_try_again"},
		{"pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "exp_month", "confirm_card_data"},
		{"pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", "cvc", "confirm_card_data"},
		{"pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error", "", "try_again_later"},
	} {
		e := w.fails(pay(c.method), 402, c.code, c.param)
		pi := e["payment_intent"].(object)
		if e["type"] != "card_error" || e["decline_code"] != c.decline || e["advice_code"] != c.advice || pi["status"] != "requires_payment_method" || e["charge"] != pi["latest_charge"] {
			t.Errorf("%s: %v", c.method, e)
		}
		stored := w.must(w.get("/v1/payment_intents/"+pi["id"].(string), "expand[]", "latest_charge"))
		last, charge := stored["last_payment_error"].(object), stored["latest_charge"].(object)
		if last["code"] != c.code || last["decline_code"] != c.decline || charge["paid"] != false || charge["failure_code"] != c.code || charge["outcome"].(object)["type"] != "issuer_declined" {
			t.Errorf("%s: stored %v", c.method, stored)
		}
	}
	// A failed attempt's charge goes on saying what failed after another attempt.
	pi := w.must(w.post("/v1/payment_intents", "amount", "1099", "currency", "usd", "payment_method_types[]", "card"))
	path := "/v1/payment_intents/" + pi["id"].(string)
	failed := w.fails(w.post(path+"/confirm", "payment_method", "pm_card_visa_chargeDeclined"), 402, "card_declined", "")["charge"].(string)
	w.must(w.post(path, "amount", "2000"))
	w.must(w.post(path+"/confirm", "payment_method", "pm_card_visa"))
	if c := w.must(w.get("/v1/charges/" + failed)); c["status"] != "failed" || c["amount"] != 1099.0 || c["amount_captured"] != 0.0 {
		t.Errorf("the failed charge became %v", c)
	}
	if l := w.must(w.get("/v1/charges", "payment_intent", pi["id"].(string)))["data"].([]any); len(l) != 2 {
		t.Errorf("%d charges of the intent", len(l))
	}
	w.fails(w.post("/v1/refunds", "charge", failed), 400, "charge_not_refundable", "charge")

	// Without the cardholder, or without leave to send them anywhere.
	e := w.fails(pay("pm_card_authenticationRequired", "off_session", "true"), 402, "authentication_required", "")
	if e["decline_code"] != "authentication_required" {
		t.Errorf("%v", e)
	}
	e = w.fails(pay("pm_card_authenticationRequired", "error_on_requires_action", "true"), 402, "authentication_required", "")
	if e["decline_code"] != "authentication_not_handled" || e["payment_intent"].(object)["status"] != "requires_payment_method" {
		t.Errorf("%v", e)
	}
}

// TestCardChallenge: the cardholder authenticates on our page.
func TestCardChallenge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := func(method string, more ...string) object {
		return w.must(w.post("/v1/payment_intents", append([]string{"amount", "1099", "currency", "usd", "payment_method_types[]", "card", "payment_method", method, "confirm", "true", "return_url", "https://shop.example/back"}, more...)...))
	}
	pi := start("pm_card_threeDSecure2Required")
	if pi["status"] != "requires_action" || pi["next_action"].(object)["type"] != "redirect_to_url" {
		t.Fatalf("%v", pi)
	}
	if _, to := w.decideAt(page(pi), "authorize"); !strings.Contains(to, "redirect_pm_type=card&redirect_status=succeeded") {
		t.Errorf("returns to %s", to)
	}
	done := w.must(w.get("/v1/payment_intents/"+pi["id"].(string), "expand[]", "latest_charge"))
	if done["status"] != "succeeded" || done["latest_charge"].(object)["payment_method_details"].(object)["card"].(object)["three_d_secure"].(object)["result"] != "authenticated" {
		t.Errorf("%v", done)
	}
	pi = start("pm_card_authenticationRequired", "use_stripe_sdk", "true")
	action := pi["next_action"].(object)
	if action["type"] != "use_stripe_sdk" || action["use_stripe_sdk"].(object)["type"] != "three_d_secure_redirect" {
		t.Fatalf("%v", pi)
	}
	w.decideAt(action["use_stripe_sdk"].(object)["stripe_js"].(string), "decline")
	if got := w.read(pi); got["status"] != "requires_payment_method" || got["last_payment_error"].(object)["code"] != "payment_intent_authentication_failure" || got["latest_charge"] != nil {
		t.Errorf("%v", got)
	}
	pi = start("pm_card_threeDSecureRequiredChargeDeclined")
	w.decideAt(page(pi), "authorize")
	if got := w.read(pi); got["last_payment_error"].(object)["code"] != "card_declined" || got["latest_charge"] == nil {
		t.Errorf("%v", got)
	}
}

// TestCardNumbers: only test numbers are cards, only a browser may send them,
// and none is kept.
func TestCardNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	send := func(w *world, number string, more ...string) response {
		return w.post("/v1/payment_methods", append([]string{"type", "card", "card[number]", number, "card[exp_month]", "12", "card[exp_year]", "2034", "card[cvc]", "123"}, more...)...)
	}
	pub := w.public()
	for _, c := range []struct {
		name, code, param, decline string
		r                          response
	}{
		{"unknown", "card_declined", "", "test_mode_live_card", send(pub, "4111111111111111")},
		{"luhn", "incorrect_number", "number", "", send(pub, "4242424242424241")},
		{"letters", "incorrect_number", "number", "", send(pub, "4242abcd42424242")},
		{"short", "incorrect_number", "number", "", send(pub, "42")},
		{"month", "invalid_expiry_month", "exp_month", "", pub.post("/v1/payment_methods", "type", "card", "card[number]", "4242424242424242", "card[exp_month]", "13", "card[exp_year]", "2034")},
		{"year", "invalid_expiry_year", "exp_year", "", pub.post("/v1/payment_methods", "type", "card", "card[number]", "4242424242424242", "card[exp_month]", "12", "card[exp_year]", "2020")},
		{"cvc", "invalid_cvc", "cvc", "", pub.post("/v1/payment_methods", "type", "card", "card[number]", "4242424242424242", "card[exp_month]", "12", "card[exp_year]", "2034", "card[cvc]", "1")},
	} {
		e := w.fails(c.r, 402, c.code, c.param)
		if d, _ := e["decline_code"].(string); d != c.decline || e["type"] != "card_error" || strings.Contains(string(c.r.body), "4111") {
			t.Errorf("%s: %s", c.name, c.r.body)
		}
	}
	if e := w.fails(send(w, "4242424242424242"), 402, "", ""); e["type"] != "invalid_request_error" {
		t.Errorf("a secret key sends a number: %v", e)
	}
	w.fails(pub.post("/v1/payment_methods", "type", "card"), 400, "parameter_missing", "card")
	w.fails(pub.post("/v1/payment_methods", "type", "card", "card[exp_month]", "12"), 400, "parameter_missing", "card[number]")
	w.fails(pub.post("/v1/payment_methods", "type", "card", "card[token]", "tok_none"), 400, "resource_missing", "card[token]")
	w.fails(pub.post("/v1/payment_methods", "type", "alma", "card[token]", "tok_visa"), 400, "", "card")
	m := w.must(w.post("/v1/payment_methods", "type", "card", "card[token]", "tok_mastercard"))
	if c := m["card"].(object); c["brand"] != "mastercard" || c["last4"] != "4444" {
		t.Errorf("%v", m)
	}
	kept := pub.must(send(pub, "4242-4242-4242-4242"))
	row, err := w.rawRow("stripe.payment_method", kept["id"].(string))
	if err != nil || strings.Contains(row, "42424242") {
		t.Errorf("stored %s, %v", row, err)
	}
}

// rawRow is what is stored of an object.
func (w *world) rawRow(kind, id string) (body string, err error) {
	err = w.store.View(w.t.Context(), w.merchantID(), func(r store.Reader) error {
		row, err := r.Resource(kind, id)
		body = string(row.Body)
		return err
	})
	return body, err
}

// TestIntentSearch: by what is said to be searchable (stripe-payment-intents
// §3.6).
func TestIntentSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cus := w.must(w.post("/v1/customers"))["id"].(string)
	first := w.intent("customer", cus, "metadata[order]", "6735")["id"].(string)
	second := w.intent("confirm", "true", "payment_method", "pm_card_visa", "return_url", "https://shop.example/")["id"].(string)
	w.must(w.post("/v1/payment_intents/"+first, "metadata[order]", "6736"))
	for query, want := range map[string][]string{
		`status:"succeeded"`:               {second},
		`amount>5000`:                      {second, first},
		`amount>5099`:                      nil,
		`customer:"` + cus + `"`:           {first},
		`metadata["order"]:"6736"`:         {first},
		`metadata["order"]:"6735"`:         nil,
		`currency:"eur" AND -customer:"x"`: {second, first},
	} {
		var got []string
		for _, o := range w.must(w.get("/v1/payment_intents/search", "query", query))["data"].([]any) {
			got = append(got, o.(object)["id"].(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	w.fails(w.get("/v1/payment_intents/search"), 400, "parameter_missing", "query")
	w.fails(w.get("/v1/payment_intents/search", "query", `description:"x"`), 400, "", "query")
	ids := func(params ...string) (got []string) {
		for _, o := range w.must(w.get("/v1/payment_intents", params...))["data"].([]any) {
			got = append(got, o.(object)["id"].(string))
		}
		return got
	}
	if got := ids("customer", cus); !slices.Equal(got, []string{first}) {
		t.Errorf("%v", got)
	}
	if got := ids("limit", "1", "starting_after", second); !slices.Equal(got, []string{first}) {
		t.Errorf("%v", got)
	}
	// A customer that is set later is found, too.
	w.must(w.post("/v1/payment_intents/"+w.intent()["id"].(string), "customer", cus))
	if got := ids("customer", cus); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestIntentVersions: what older versions show (stripe-payment-intents §20).
func TestIntentVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.intent("confirm", "true", "payment_method", "pm_card_visa", "return_url", "https://shop.example/")
	at := func(version string) object {
		return w.must(w.do("GET", "/v1/payment_intents/"+pi["id"].(string), map[string]string{"Stripe-Version": version}))
	}
	old := at("2020-08-27")
	list := old["charges"].(object)
	if l := list["data"].([]any); len(l) != 1 || l[0].(object)["id"] != pi["latest_charge"] || list["total_count"] != 1.0 || old["capture_method"] != "automatic" {
		t.Errorf("%v", old)
	}
	if _, ok := old["invoice"]; !ok {
		t.Errorf("%v", old)
	}
	for version, capture := range map[string]string{"2022-11-15": "automatic", "2024-04-10": "automatic_async", "2026-08-26.dahlia": "automatic_async"} {
		o := at(version)
		if _, ok := o["charges"]; ok || o["capture_method"] != capture {
			t.Errorf("%s: %v", version, o)
		}
	}
}

// TestSecretsAreNotLogged: neither a client secret nor anything of a card
// reaches the log.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	hs := httptest.NewUnstartedServer(nil)
	t.Cleanup(hs.Close)
	s := server.New(w.store, server.Config{BaseURL: "http://" + hs.Listener.Addr().String(), Sandbox: true, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), Clock: w.clock, IDs: keys})
	hs.Config.Handler = s.Handler
	hs.Start()
	w.url = hs.URL
	pi := w.intent()
	secret := pi["client_secret"].(string)
	w.public().must(w.public().get("/v1/payment_intents/"+pi["id"].(string), "client_secret", secret))
	w.fails(w.confirmed(pi, append([]string{"payment_method_data[type]", "card"}, card("payment_method_data[card]", "4111111111111111")...)...), 402, "card_declined", "")
	open := w.alma(pi)
	w.decideAt(page(open), "authorize")
	w.fails(w.confirmed(pi, almaData...), 400, "payment_intent_unexpected_state", "payment_method")
	shop := keys.Random(24)
	for _, path := range []string{"/demo/w/" + shop + "/", "//pay/" + page(open)[strings.LastIndexByte(page(open), '/')+1:]} {
		res, err := http.Get(hs.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	hs.Close()
	_, tail, _ := strings.Cut(secret, "_secret_")
	token := page(open)[strings.LastIndexByte(page(open), '/')+1:]
	for what, hidden := range map[string]string{"the client secret": tail, "a card number": "4111", "a page's token": token, "the key of a visitor's shop": shop, "the key": strings.TrimPrefix(w.key, "sk_test_")} {
		if strings.Contains(log.String(), hidden) {
			t.Errorf("the log has %s", what)
		}
	}
	if !strings.Contains(log.String(), "/v1/payment_intents") {
		t.Error("nothing was logged")
	}
}
