package stripe_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// setUp makes a SetupIntent, confirms it as the browser does, and has the payer
// agree.
func (w *world) setUp(params ...string) object {
	w.t.Helper()
	s := w.must(w.post("/v1/setup_intents"))
	got := w.must(w.confirmSetup(s, params...))
	if got["status"] == "requires_action" {
		w.decideAt(page(got), "authorize")
	}
	return w.must(w.get("/v1/setup_intents/" + s["id"].(string)))
}

func (w *world) confirmSetup(s object, params ...string) response {
	w.t.Helper()
	return w.public().post("/v1/setup_intents/"+s["id"].(string)+"/confirm", append([]string{"client_secret", s["client_secret"].(string)}, params...)...)
}

var alipayData = []string{"payment_method_data[type]", "alipay", "return_url", "https://shop.example/set?x=1"}

// TestSetupAlipay: saved without paying, debited later, withdrawn
// (stripe-payment-intents §13).
func TestSetupAlipay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cus := w.must(w.post("/v1/customers"))["id"].(string)
		s := w.must(w.post("/v1/setup_intents", "customer", cus, "metadata[a]", "b"))
		if s["status"] != "requires_payment_method" || s["usage"] != "off_session" || !slices.Equal(s["payment_method_types"].([]any), []any{"card", "alipay"}) || len(s["client_secret"].(string)) != len(s["id"].(string))+8+31 {
			t.Errorf("%v", s)
		}
		open := w.must(w.confirmSetup(s, append(slices.Clone(alipayData), "mandate_data[customer_acceptance][type]", "online")...))
		if open["status"] != "requires_action" || open["next_action"].(object)["type"] != "redirect_to_url" || open["metadata"] != nil || open["mandate"] != nil {
			t.Errorf("%v", open)
		}
		_, to := w.decideAt(page(open), "authorize")
		want := "https://shop.example/set?x=1&setup_intent=" + s["id"].(string) + "&setup_intent_client_secret=" + s["client_secret"].(string) + "&redirect_pm_type=alipay&redirect_status=succeeded"
		if to != want {
			t.Errorf("returns to %s\nwant %s", to, want)
		}
		done := w.must(w.get("/v1/setup_intents/"+s["id"].(string), "expand[]", "mandate", "expand[]", "payment_method", "expand[]", "latest_attempt"))
		mandate, method, attempt := done["mandate"].(object), done["payment_method"].(object), done["latest_attempt"].(object)
		if done["status"] != "succeeded" || method["customer"] != cus || attempt["status"] != "succeeded" || mandate["status"] != "active" || mandate["type"] != "multi_use" || mandate["payment_method"] != method["id"] {
			t.Errorf("%v", done)
		}
		if a := mandate["customer_acceptance"].(object); a["type"] != "online" || a["online"].(object)["ip_address"] != "127.0.0.1" || a["accepted_at"] != float64(start.Unix()) {
			t.Errorf("%v", a)
		}
		if got := strings.Join(w.events(), " "); got != "customer.created setup_intent.created setup_intent.requires_action mandate.updated payment_method.attached setup_intent.succeeded" {
			t.Errorf("events %s", got)
		}
		// Debited while the payer is away, again and again.
		pay := func(more ...string) response {
			return w.post("/v1/payment_intents", append([]string{"amount", "1099", "currency", "usd", "customer", cus, "payment_method", method["id"].(string), "payment_method_types[]", "alipay", "off_session", "true", "confirm", "true"}, more...)...)
		}
		for range 2 {
			if pi := w.must(pay("mandate", mandate["id"].(string))); pi["status"] != "succeeded" || pi["next_action"] != nil {
				t.Errorf("%v", pi)
			}
		}
		e := w.fails(pay("metadata[ducat_scenario]", "insufficient_funds"), 402, "payment_method_provider_decline", "")
		if e["type"] != "card_error" || e["payment_intent"].(object)["status"] != "requires_payment_method" {
			t.Errorf("%v", e)
		}
		w.fails(pay("mandate", "mandate_none"), 400, "resource_missing", "mandate")
		// With the payer there, they approve on the wallet's page.
		pi := w.must(w.post("/v1/payment_intents", "amount", "1099", "currency", "usd", "customer", cus, "payment_method", method["id"].(string), "payment_method_types[]", "alipay", "confirm", "true", "return_url", "https://shop.example/"))
		if pi["status"] != "requires_action" {
			t.Errorf("%v", pi)
		}
		// The payer withdraws.
		if got := w.control("POST", "decide", `{"id": "`+mandate["id"].(string)+`", "decision": "withdraw"}`); got["state"] != "revoked" {
			t.Errorf("%v", got)
		}
		if m := w.must(w.get("/v1/mandates/" + mandate["id"].(string))); m["status"] != "inactive" {
			t.Errorf("%v", m)
		}
		w.fails(pay(), 400, "payment_intent_mandate_invalid", "payment_method")
		if got := w.must(w.get("/v1/setup_intents/" + s["id"].(string))); got["status"] != "succeeded" {
			t.Errorf("%v", got)
		}
		if ended := w.must(w.get("/v1/events", "type", "mandate.updated", "limit", "1"))["data"].([]any)[0].(object)["data"].(object); ended["previous_attributes"].(object)["status"] != "active" || ended["object"].(object)["status"] != "inactive" {
			t.Errorf("what the merchant hears of the withdrawal: %v", ended)
		}
		if events := w.events(); events[len(events)-1] != "mandate.updated" {
			t.Errorf("events %v", events)
		}
	})
}

// TestAlipaySavedWhilePaying: the first payment brings the permission for later
// ones (stripe-payment-intents §13.1).
func TestAlipaySavedWhilePaying(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cus := w.must(w.post("/v1/customers"))["id"].(string)
		pi := w.intent("customer", cus, "payment_method_options[alipay][setup_future_usage]", "off_session")
		open := w.must(w.confirmed(pi, alipayData...))
		if open["next_action"].(object)["type"] != "alipay_handle_redirect" {
			t.Errorf("%v", open)
		}
		w.decideAt(page(open), "authorize")
		done := w.must(w.get("/v1/payment_intents/"+pi["id"].(string), "expand[]", "payment_method"))
		method := done["payment_method"].(object)
		if done["status"] != "succeeded" || method["customer"] != cus {
			t.Errorf("%v", done)
		}
		if got := strings.Join(w.events(), " "); !strings.HasSuffix(got, "charge.succeeded payment_method.attached mandate.updated payment_intent.succeeded") {
			t.Errorf("events %s", got)
		}
		later := w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "customer", cus, "payment_method", method["id"].(string), "off_session", "true", "confirm", "true"))
		if later["status"] != "succeeded" {
			t.Errorf("%v", later)
		}
		// Detaching ends the permission.
		w.must(w.post("/v1/payment_methods/" + method["id"].(string) + "/detach"))
		if events := w.events(); !slices.Equal(events[len(events)-2:], []string{"payment_method.detached", "mandate.updated"}) {
			t.Errorf("events %v", events)
		}
	})
}

// TestSetupEnds: declined, expired, canceled, given up for another method.
func TestSetupEnds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		fresh := func() object { return w.must(w.post("/v1/setup_intents")) }
		read := func(s object) object { return w.must(w.get("/v1/setup_intents/" + s["id"].(string))) }
		attempts := func(s object) (states []string) {
			for _, a := range w.must(w.get("/v1/setup_attempts", "setup_intent", s["id"].(string)))["data"].([]any) {
				states = append(states, a.(object)["status"].(string))
			}
			return states
		}
		s := fresh()
		open := w.must(w.confirmSetup(s, alipayData...))
		if _, to := w.decideAt(page(open), "decline"); !strings.Contains(to, "redirect_status=failed") {
			t.Errorf("returns to %s", to)
		}
		got := read(s)
		if e := got["last_setup_error"].(object); got["status"] != "requires_payment_method" || got["payment_method"] != nil || e["code"] != "setup_intent_authentication_failure" || e["payment_method"].(object)["id"] != open["payment_method"] {
			t.Errorf("%v", got)
		}
		w.fails(w.confirmSetup(s, "payment_method", open["payment_method"].(string), "return_url", "https://shop.example/"), 400, "", "payment_method")
		// The same intent can be tried again; a second confirmation replaces the first.
		first := w.must(w.confirmSetup(s, alipayData...))
		second := w.must(w.confirmSetup(s, alipayData...))
		if _, to := w.decideAt(page(first), "authorize"); !strings.Contains(to, "redirect_status=") || read(s)["status"] != "requires_action" {
			t.Errorf("the first page still decides: %s, %v", to, read(s))
		}
		w.decideAt(page(second), "authorize")
		if got := read(s); got["status"] != "succeeded" {
			t.Errorf("%v", got)
		}
		if got := attempts(s); !slices.Equal(got, []string{"succeeded", "abandoned", "failed"}) {
			t.Errorf("attempts %v", got)
		}
		e := w.fails(w.confirmSetup(s, alipayData...), 400, "setup_intent_unexpected_state", "")
		if e["setup_intent"].(object)["status"] != "succeeded" || e["setup_intent"].(object)["metadata"] != nil {
			t.Errorf("%v", e)
		}
		w.fails(w.post("/v1/setup_intents/"+s["id"].(string)+"/cancel"), 400, "setup_intent_unexpected_state", "")
		w.fails(w.post("/v1/setup_intents/"+s["id"].(string), "description", "x"), 400, "setup_intent_unexpected_state", "")
		w.must(w.post("/v1/setup_intents/"+s["id"].(string), "metadata[a]", "b"))

		s = fresh()
		w.must(w.confirmSetup(s, alipayData...))
		w.advance(time.Hour)
		if got := read(s); got["status"] != "requires_payment_method" || got["last_setup_error"].(object)["code"] != "setup_intent_setup_attempt_expired" {
			t.Errorf("%v", got)
		}

		s = fresh()
		open = w.must(w.confirmSetup(s, alipayData...))
		got = w.must(w.post("/v1/setup_intents/"+s["id"].(string)+"/cancel", "cancellation_reason", "abandoned"))
		if got["status"] != "canceled" || got["cancellation_reason"] != "abandoned" || got["next_action"] != nil {
			t.Errorf("%v", got)
		}
		w.decideAt(page(open), "authorize")
		if got := read(s); got["status"] != "canceled" || !slices.Equal(attempts(s), []string{"abandoned"}) {
			t.Errorf("%v", got)
		}
		w.fails(w.confirmSetup(s, alipayData...), 400, "setup_intent_unexpected_state", "")

		// At once: one decision.
		s = fresh()
		open = w.must(w.confirmSetup(s, alipayData...))
		var wg sync.WaitGroup
		var canceled response
		wg.Go(func() { canceled = w.post("/v1/setup_intents/" + s["id"].(string) + "/cancel") })
		wg.Go(func() { w.decideAt(page(open), "authorize") })
		wg.Wait()
		if got := read(s)["status"]; (got == "canceled") != (canceled.status == 200) || got != "canceled" && got != "succeeded" {
			t.Errorf("%v, but canceling answered %d", got, canceled.status)
		}
	})
}

// TestSetupCards: kept at once, refused, challenged.
func TestSetupCards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cus := w.must(w.post("/v1/customers"))["id"].(string)
	make := func(method string, more ...string) response {
		return w.post("/v1/setup_intents", append([]string{"customer", cus, "payment_method", method, "confirm", "true", "payment_method_types[]", "card"}, more...)...)
	}
	s := w.must(make("pm_card_visa", "expand[]", "payment_method"))
	if s["status"] != "succeeded" || s["payment_method"].(object)["customer"] != cus || s["mandate"] != nil {
		t.Errorf("%v", s)
	}
	e := w.fails(make("pm_card_chargeDeclined"), 402, "card_declined", "")
	if si := e["setup_intent"].(object); si["status"] != "requires_payment_method" || si["last_setup_error"].(object)["decline_code"] != "generic_decline" {
		t.Errorf("%v", e)
	}
	if got := w.must(make("pm_card_chargeCustomerFail")); got["status"] != "succeeded" {
		t.Errorf("%v", got)
	}
	s = w.must(make("pm_card_authenticationRequired", "return_url", "https://shop.example/"))
	if s["status"] != "requires_action" {
		t.Fatalf("%v", s)
	}
	w.decideAt(page(s), "authorize")
	got := w.must(w.get("/v1/setup_intents/"+s["id"].(string), "expand[]", "latest_attempt"))
	if d := got["latest_attempt"].(object)["payment_method_details"].(object)["card"].(object); got["status"] != "succeeded" || d["three_d_secure"].(object)["result"] != "authenticated" {
		t.Errorf("%v", got)
	}
	s = w.must(make("pm_card_threeDSecure2Required", "use_stripe_sdk", "true"))
	if status, to := w.decideAt(page3DS(s), "decline"); status != 200 || to != "" {
		t.Errorf("the challenge leads the frame away: %d %s", status, to)
	}
	if got := w.must(w.get("/v1/setup_intents/" + s["id"].(string))); got["last_setup_error"].(object)["code"] != "setup_intent_authentication_failure" {
		t.Errorf("%v", got)
	}
}

// TestSetupErrors: bad input to SetupIntents.
func TestSetupErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pub := w.public()
	s := w.must(w.post("/v1/setup_intents"))
	path := "/v1/setup_intents/" + s["id"].(string)
	create := func(params ...string) response { return w.post("/v1/setup_intents", params...) }
	w.fails(create("usage", "sometimes"), 400, "", "usage")
	w.fails(create("payment_method_types[]", "alma"), 400, "", "payment_method_types")
	w.fails(create("payment_method_types[]", "klarna"), 400, "", "payment_method_types")
	w.fails(create("automatic_payment_methods[enabled]", "true", "payment_method_types[]", "card"), 400, "parameters_exclusive", "payment_method_types")
	w.fails(create("customer", "cus_none"), 400, "resource_missing", "customer")
	w.fails(create("payment_method", "pm_none"), 400, "resource_missing", "payment_method")
	w.fails(create("return_url", "https://shop.example/"), 400, "", "return_url")
	w.fails(create("single_use[currency]", "eur"), 400, "parameter_missing", "single_use[amount]")
	w.fails(create("confirm", "true", "single_use[currency]", "eur"), 400, "parameter_missing", "single_use[amount]")
	w.fails(create("flow_directions[]", "up"), 400, "", "flow_directions")
	w.fails(create("excluded_payment_method_types[]", "card", "excluded_payment_method_types[]", "alipay"), 400, "setup_intent_invalid_parameter", "automatic_payment_methods")
	w.fails(create("confirm", "true", "return_url", "https://shop.example/"), 400, "setup_intent_unexpected_state", "")
	w.fails(create("on_behalf_of", "acct_1"), 400, "", "on_behalf_of")
	w.fails(w.get("/v1/setup_intents/seti_none"), 404, "resource_missing", "intent")
	w.fails(pub.get(path), 400, "parameter_missing", "client_secret")
	w.fails(pub.get(path, "client_secret", "x"), 400, "setup_intent_invalid_parameter", "client_secret")
	w.fails(pub.post(path+"/cancel"), 401, "secret_key_required", "")
	w.fails(w.confirmSetup(s, "payment_method_data[type]", "alma", "return_url", "https://shop.example/"), 400, "payment_method_unsupported_type", "payment_method")
	w.fails(w.confirmSetup(s, "payment_method_data[type]", "alipay"), 400, "", "return_url")
	w.fails(w.confirmSetup(s, append([]string{"expected_payment_method_type", "card"}, alipayData...)...), 400, "setup_intent_invalid_parameter", "expected_payment_method_type")
	w.fails(w.confirmSetup(s, append([]string{"mandate_data[customer_acceptance][type]", "x"}, alipayData...)...), 400, "", "mandate_data[customer_acceptance][type]")
	w.fails(w.post(path+"/cancel", "cancellation_reason", "fraudulent"), 400, "", "cancellation_reason")
	w.fails(w.get("/v1/setup_attempts"), 400, "parameter_missing", "setup_intent")
	w.fails(w.get("/v1/setup_attempts", "setup_intent", "seti_none"), 400, "resource_missing", "setup_intent")
	w.fails(w.get("/v1/mandates/mandate_none"), 404, "resource_missing", "mandate")
	if got := w.must(pub.get(path, "client_secret", s["client_secret"].(string))); got["status"] != "requires_payment_method" || got["metadata"] != nil {
		t.Errorf("%v", got)
	}
	if got := pub.must(pub.post(path+"/refresh", "client_secret", s["client_secret"].(string))); got["id"] != s["id"] {
		t.Errorf("%v", got)
	}
	// Setting and unsetting a method; lists; confirmation tokens; sessions.
	if got := w.must(w.post(path, "payment_method", "pm_card_visa", "description", "d")); got["status"] != "requires_confirmation" || got["description"] != "d" {
		t.Errorf("%v", got)
	}
	if got := w.must(w.post(path, "payment_method", "")); got["status"] != "requires_payment_method" {
		t.Errorf("%v", got)
	}
	ct := pub.must(pub.post("/v1/confirmation_tokens", append(slices.Clone(alipayData), "setup_future_usage", "off_session")...))["id"].(string)
	if got := w.must(w.confirmSetup(s, "confirmation_token", ct)); got["status"] != "requires_action" {
		t.Errorf("%v", got)
	}
	if got := w.must(w.get("/v1/confirmation_tokens/" + ct)); got["setup_intent"] != s["id"] || got["payment_intent"] != nil {
		t.Errorf("%v", got)
	}
	session := pub.must(pub.post("/v1/elements/sessions", "type", "setup_intent", "client_secret", s["client_secret"].(string)))["payment_method_preference"].(object)
	if session["setup_intent"].(object)["status"] != "requires_action" || !slices.Equal(session["ordered_payment_method_types"].([]any), []any{"card", "alipay"}) {
		t.Errorf("%v", session)
	}
	w.fails(pub.post("/v1/elements/sessions", "type", "setup_intent", "client_secret", "seti_none_secret_x"), 404, "resource_missing", "intent")
	if l := w.must(w.get("/v1/setup_intents"))["data"].([]any); len(l) != 1 {
		t.Errorf("%d setup intents", len(l))
	}
	single := w.must(create("confirm", "true", "single_use[amount]", "1099", "single_use[currency]", "usd", "payment_method_data[type]", "alipay", "return_url", "https://shop.example/"))
	w.decideAt(page(single), "authorize")
	got := w.must(w.get("/v1/setup_intents/"+single["id"].(string), "expand[]", "single_use_mandate"))
	if m := got["single_use_mandate"].(object); got["mandate"] != nil || m["type"] != "single_use" || m["single_use"].(object)["amount"] != 1099.0 {
		t.Errorf("%v", got)
	}
}

// TestConfigurations: which methods are on (stripe-payment-intents §15).
func TestConfigurations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := func() (ids []string) {
		for _, c := range w.must(w.get("/v1/payment_method_configurations"))["data"].([]any) {
			ids = append(ids, c.(object)["id"].(string))
		}
		return ids
	}
	pi := w.intent()
	own := pi["payment_method_configuration_details"].(object)["id"].(string)
	if got := list(); !slices.Equal(got, []string{own}) {
		t.Errorf("%v", got)
	}
	path := "/v1/payment_method_configurations/" + own
	d := w.must(w.get(path))
	if a := d["alma"].(object); d["is_default"] != true || a["available"] != true || a["display_preference"].(object)["value"] != "on" || d["klarna"].(object)["available"] != false {
		t.Errorf("%v", d)
	}
	if got := w.must(w.post(path, "alma[display_preference][preference]", "off"))["alma"].(object); got["available"] != false || got["display_preference"].(object)["value"] != "off" {
		t.Errorf("%v", got)
	}
	if types := w.intent()["payment_method_types"].([]any); slices.Contains(types, "alma") {
		t.Errorf("%v with Alma turned off", types)
	}
	w.fails(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "alma"), 400, "", "payment_method_types")
	other := w.must(w.post("/v1/payment_method_configurations", "name", "No cards", "card[display_preference][preference]", "off"))
	if other["name"] != "No cards" || other["is_default"] != false {
		t.Errorf("%v", other)
	}
	got := w.intent("payment_method_configuration", other["id"].(string))
	if types := got["payment_method_types"].([]any); !slices.Equal(types, []any{"alma", "alipay"}) || got["payment_method_configuration_details"].(object)["id"] != other["id"] {
		t.Errorf("%v", got)
	}
	w.must(w.post(path, "alma[display_preference][preference]", "on"))
	if types := w.intent()["payment_method_types"].([]any); !slices.Contains(types, "alma") {
		t.Errorf("%v with Alma turned on again", types)
	}
	if got := list(); !slices.Equal(got, []string{other["id"].(string), own}) {
		t.Errorf("%v", got)
	}
	if got := w.must(w.post("/v1/payment_method_configurations/"+other["id"].(string), "active", "false", "name", "Old")); got["active"] != false || got["name"] != "Old" {
		t.Errorf("%v", got)
	}
	if got := w.must(w.get("/v1/payment_method_configurations", "active", "true"))["data"].([]any); len(got) != 1 {
		t.Errorf("%v", got)
	}
	w.fails(w.post(path, "active", "false"), 400, "", "active")
	w.fails(w.post(path, "alma[display_preference][preference]", "maybe"), 400, "", "alma[display_preference][preference]")
	w.fails(w.post(path, "alma[colour]", "red"), 400, "parameter_unknown", "alma[colour]")
	w.fails(w.post("/v1/payment_method_configurations", "parent", "pmc_1"), 400, "", "parent")
	w.fails(w.get("/v1/payment_method_configurations/pmc_none"), 404, "resource_missing", "configuration")
	w.fails(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_configuration", "pmc_none"), 400, "resource_missing", "payment_method_configuration")
	// Another world's default is not this one's.
	w.fails(w.with("sk_test_"+keys.Random(24)).get(path), 404, "resource_missing", "configuration")
}

// TestCustomersMethods: a payment method attached with the customer, and the one
// for invoices.
func TestCustomersMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cus := w.must(w.post("/v1/customers", "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_visa", "expand[]", "invoice_settings.default_payment_method"))
	m := cus["invoice_settings"].(object)["default_payment_method"].(object)
	path := "/v1/customers/" + cus["id"].(string)
	if m["customer"] != cus["id"] || len(w.must(w.get(path + "/payment_methods"))["data"].([]any)) != 1 {
		t.Errorf("%v", cus)
	}
	other := w.must(w.post("/v1/payment_methods/pm_card_mastercard/attach", "customer", cus["id"].(string)))["id"].(string)
	if got := w.must(w.post(path, "invoice_settings[default_payment_method]", other)); got["invoice_settings"].(object)["default_payment_method"] != other {
		t.Errorf("%v", got)
	}
	w.must(w.post("/v1/payment_methods/" + other + "/detach"))
	if got := w.must(w.get(path)); got["invoice_settings"].(object)["default_payment_method"] != nil {
		t.Errorf("%v", got)
	}
	w.fails(w.post(path, "invoice_settings[default_payment_method]", other), 400, "", "invoice_settings[default_payment_method]")
	w.fails(w.post(path, "invoice_settings[default_payment_method]", "pm_none"), 400, "resource_missing", "invoice_settings[default_payment_method]")
	w.fails(w.post("/v1/customers", "payment_method", "pm_none"), 400, "resource_missing", "payment_method")
	w.fails(w.post("/v1/customers", "payment_method", m["id"].(string)), 400, "", "payment_method")
	w.fails(w.post("/v1/customers", "invoice_settings[colour]", "red"), 400, "parameter_unknown", "invoice_settings[colour]")
	if got := w.must(w.post(path, "invoice_settings[default_payment_method]", "")); got["invoice_settings"].(object)["default_payment_method"] != nil {
		t.Errorf("%v", got)
	}
}
