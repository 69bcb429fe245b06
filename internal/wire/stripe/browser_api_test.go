package stripe_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/stripe"
)

// card is what a browser sends of a card.
func card(prefix, number string) []string {
	return []string{prefix + "[number]", number, prefix + "[exp_month]", "12", prefix + "[exp_year]", "34", prefix + "[cvc]", "123"}
}

// TestElementsSession: what browser code asks first (stripe-payment-intents
// §16.4).
func TestElementsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pub := w.public()
	pi := w.intent()
	secret := pi["client_secret"].(string)
	types := func(o object) (names []string) {
		for _, n := range o["payment_method_preference"].(object)["ordered_payment_method_types"].([]any) {
			names = append(names, n.(string))
		}
		return names
	}
	ask := []string{"client_secret", secret, "type", "payment_intent", "locale", "en-US"}
	for name, o := range map[string]object{
		"get":  pub.must(pub.get("/v1/elements/sessions", append(ask, "expand[0]", "payment_method_preference.payment_intent.payment_method")...)),
		"post": pub.must(pub.post("/v1/elements/sessions", ask...)),
	} {
		p := o["payment_method_preference"].(object)
		shown := p["payment_intent"].(object)
		if got := types(o); !slices.Equal(got, []string{"card", "alma", "alipay"}) || p["object"] != "payment_method_preference" || p["country_code"] != "US" || shown["id"] != pi["id"] || shown["metadata"] != nil || shown["latest_charge"] != nil {
			t.Errorf("%s: %v", name, o)
		}
		if !strings.HasPrefix(o["session_id"].(string), "elements_session_") || o["business_name"] != "Ducat sandbox" || o["apple_pay_preference"] != "disabled" {
			t.Errorf("%s: %v", name, o)
		}
		for _, s := range o["payment_method_specs"].([]any) {
			spec := s.(object)
			if _, moves := spec["next_action_spec"]; spec["async"] != false || moves != (spec["type"] == "alma") {
				t.Errorf("%s: %v", name, spec)
			}
		}
	}
	w.decideAt(page(w.alma(pi)), "decline")
	shown := pub.must(pub.post("/v1/elements/sessions", ask...))["payment_method_preference"].(object)["payment_intent"].(object)
	if shown["last_payment_error"].(object)["code"] != "payment_intent_authentication_failure" {
		t.Errorf("the element cannot show why the last try failed: %v", shown)
	}
	deferred := func(params ...string) []string {
		return types(pub.must(pub.post("/v1/elements/sessions", append([]string{"type", "deferred_intent"}, params...)...)))
	}
	for _, c := range []struct {
		want   string
		params []string
	}{
		{"card alma alipay", []string{"deferred_intent[mode]", "payment", "deferred_intent[amount]", "5099", "deferred_intent[currency]", "eur"}},
		{"card alipay", []string{"deferred_intent[mode]", "payment", "deferred_intent[amount]", "1099", "deferred_intent[currency]", "eur"}},
		{"card alma", []string{"deferred_intent[mode]", "payment", "deferred_intent[amount]", "5099", "deferred_intent[currency]", "eur", "deferred_intent[capture_method]", "manual"}},
		{"card alipay", []string{"deferred_intent[mode]", "payment", "deferred_intent[amount]", "5099", "deferred_intent[currency]", "eur", "deferred_intent[setup_future_usage]", "off_session"}},
		{"alma", []string{"deferred_intent[mode]", "payment", "deferred_intent[amount]", "5099", "deferred_intent[currency]", "eur", "deferred_intent[payment_method_types][]", "alma", "deferred_intent[payment_method_types][]", "klarna"}},
		{"card alipay", []string{"deferred_intent[mode]", "setup", "deferred_intent[currency]", "eur"}},
	} {
		if got := strings.Join(deferred(c.params...), " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.params, got, c.want)
		}
	}
	w.fails(pub.get("/v1/elements/sessions"), 400, "parameter_missing", "type")
	w.fails(pub.get("/v1/elements/sessions", "type", "checkout"), 400, "", "type")
	w.fails(pub.get("/v1/elements/sessions", "type", "payment_intent"), 400, "parameter_missing", "client_secret")
	w.fails(pub.get("/v1/elements/sessions", "type", "payment_intent", "client_secret", "pi_none_secret_x"), 404, "resource_missing", "intent")
	w.fails(pub.get("/v1/elements/sessions", "type", "payment_intent", "client_secret", pi["id"].(string)+"_secret_x"), 400, "payment_intent_invalid_parameter", "client_secret")
	w.fails(pub.get("/v1/elements/sessions", "type", "deferred_intent"), 400, "parameter_missing", "deferred_intent")
	w.fails(pub.get("/v1/elements/sessions", "type", "deferred_intent", "deferred_intent[mode]", "payment"), 400, "parameter_missing", "deferred_intent[amount]")
}

// TestBrowserCard: a card from the browser's form, with all the fields browsers
// send along, through every endpoint that takes one.
func TestBrowserCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pub := w.public()
	along := []string{
		"use_stripe_sdk", "true", "expected_payment_method_type", "card", "client_context[currency]", "eur", "client_context[mode]", "payment",
		"payment_method_data[type]", "card", "payment_method_data[billing_details][email]", "jenny@example.com", "payment_method_data[allow_redisplay]", "unspecified",
		"payment_method_data[payment_user_agent]", "ducat.js/1.0; stripe-js-v3/basil; payment-element", "return_url", "https://shop.example/done",
	}
	pi := w.intent()
	got := w.must(w.confirmed(pi, append(slices.Clone(along), card("payment_method_data[card]", "4242424242424242")...)...))
	if got["status"] != "succeeded" {
		t.Errorf("%v", got)
	}
	e := w.fails(w.confirmed(w.intent(), append(slices.Clone(along), card("payment_method_data[card]", "4000000000000002")...)...), 402, "card_declined", "")
	if shown := e["payment_intent"].(object); shown["latest_charge"] != nil || shown["status"] != "requires_payment_method" {
		t.Errorf("%v", shown)
	}
	w.fails(w.confirmed(w.intent(), append(slices.Clone(along), card("payment_method_data[card]", "4111111111111111")...)...), 402, "card_declined", "")

	// A challenge inside the merchant's page.
	pi = w.intent()
	got = w.must(w.confirmed(pi, append(slices.Clone(along), card("payment_method_data[card]", "4000002760003184")...)...))
	challenge := page3DS(got)
	if status, to := w.decideAt(challenge, "authorize"); status != 200 || to != "" {
		t.Errorf("the challenge leads the frame away: %d %s", status, to)
	}
	if got := w.read(pi); got["status"] != "succeeded" {
		t.Errorf("%v", got)
	}

	// Tokens: good once.
	tok := pub.must(pub.post("/v1/tokens", append(card("card", "5555555555554444"), "card[name]", "Jenny Rosen", "card[address_zip]", "75001")...))
	if c := tok["card"].(object); c["brand"] != "MasterCard" || c["name"] != "Jenny Rosen" || c["address_zip"] != "75001" || tok["used"] != false {
		t.Errorf("%v", tok)
	}
	id := tok["id"].(string)
	m := w.must(w.post("/v1/payment_methods", "type", "card", "card[token]", id))
	if m["card"].(object)["last4"] != "4444" || m["billing_details"].(object)["name"] != "Jenny Rosen" {
		t.Errorf("%v", m)
	}
	w.fails(w.post("/v1/payment_methods", "type", "card", "card[token]", id), 400, "token_already_used", "card[token]")
	if got := w.must(w.get("/v1/tokens/" + id)); got["used"] != true || got["card"].(object)["fingerprint"] == nil {
		t.Errorf("%v", got)
	}
	w.fails(w.get("/v1/tokens/tok_none"), 404, "resource_missing", "token")
	w.fails(pub.post("/v1/tokens", "pii[id_number]", "1"), 400, "", "pii")
	w.fails(pub.post("/v1/tokens"), 400, "parameter_missing", "card")
	w.fails(pub.post("/v1/tokens", card("card", "4111111111111111")...), 402, "card_declined", "")

	if n := stripe.TestCardNumbers(); !slices.Contains(n, "4242424242424242") || len(n) < 20 {
		t.Errorf("%v", n)
	}
}

// page3DS is the challenge an SDK is to show.
func page3DS(pi object) string {
	a := pi["next_action"].(object)
	return a["use_stripe_sdk"].(object)["stripe_js"].(string)
}

// TestConfirmationTokens: collected in the browser, confirmed by the server,
// once (stripe-payment-intents §14).
func TestConfirmationTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pub := w.public()
	collect := func(params ...string) string {
		t.Helper()
		return pub.must(pub.post("/v1/confirmation_tokens", params...))["id"].(string)
	}
	alma := []string{"payment_method_data[type]", "alma", "payment_method_data[billing_details][name]", "Jenny", "return_url", "https://shop.example/done", "shipping[name]", "Jenny", "shipping[address][line1]", "1 rue"}
	id := collect(alma...)
	ct := w.must(w.get("/v1/confirmation_tokens/" + id))
	if ct["expires_at"] != float64(start.Add(12*time.Hour).Unix()) || ct["payment_method_preview"].(object)["type"] != "alma" || ct["use_stripe_sdk"] != true || ct["payment_intent"] != nil || ct["shipping"].(object)["name"] != "Jenny" {
		t.Errorf("%v", ct)
	}
	confirm := func(pi object, token string, more ...string) response {
		return w.post("/v1/payment_intents/"+pi["id"].(string)+"/confirm", append([]string{"confirmation_token", token}, more...)...)
	}
	pi := w.intent()
	got := w.must(confirm(pi, id))
	if got["status"] != "requires_action" || got["next_action"].(object)["redirect_to_url"].(object)["return_url"] != "https://shop.example/done" || got["shipping"].(object)["name"] != "Jenny" {
		t.Errorf("%v", got)
	}
	if ct := w.must(w.get("/v1/confirmation_tokens/" + id)); ct["payment_intent"] != pi["id"] {
		t.Errorf("%v", ct)
	}
	const code = "payment_intent_confirmation_token_invalid"
	w.fails(confirm(w.intent(), id), 400, code, "confirmation_token")
	w.fails(confirm(w.intent(), "ctoken_none"), 400, code, "confirmation_token")
	old := collect(alma...)
	w.advance(12 * time.Hour)
	w.fails(confirm(w.intent(), old), 400, code, "confirmation_token")
	// A refused confirmation does not use it up.
	fresh := collect(alma...)
	cardOnly := w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "card"))
	w.fails(confirm(cardOnly, fresh), 400, "payment_intent_incompatible_payment_method", "payment_method")
	w.fails(confirm(w.intent(), fresh, "payment_method", "pm_card_visa"), 400, "parameters_exclusive", "payment_method")
	// What the request says wins.
	got = w.must(confirm(w.intent(), fresh, "return_url", "https://shop.example/other"))
	if got["next_action"].(object)["redirect_to_url"].(object)["return_url"] != "https://shop.example/other" {
		t.Errorf("%v", got)
	}
	saving := collect("payment_method_data[type]", "alipay", "setup_future_usage", "off_session", "return_url", "https://shop.example/")
	w.fails(confirm(w.intent("setup_future_usage", "on_session", "payment_method_types[]", "card", "automatic_payment_methods[enabled]", "false"), saving), 400, "", "setup_future_usage")
	helper := w.must(w.post("/v1/test_helpers/confirmation_tokens", "payment_method", "pm_card_visa", "return_url", "https://shop.example/"))
	got = w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "confirm", "true", "confirmation_token", helper["id"].(string)))
	if got["status"] != "succeeded" {
		t.Errorf("%v", got)
	}
	w.fails(w.post("/v1/test_helpers/confirmation_tokens"), 400, "parameter_missing", "payment_method_data")
	w.fails(w.get("/v1/confirmation_tokens/ctoken_none"), 404, "resource_missing", "confirmation_token")
	w.fails(pub.post("/v1/confirmation_tokens", "payment_method_data[type]", "alma", "payment_method", "pm_card_visa"), 400, "parameters_exclusive", "payment_method_data")
	w.fails(pub.post("/v1/confirmation_tokens", "payment_method_data[type]", "alma", "return_url", "nowhere"), 400, "url_invalid", "return_url")
}
