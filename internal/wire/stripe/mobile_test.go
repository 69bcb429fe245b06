package stripe_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The requests of this file are those of the native libraries, as their sources
// make them: stripe-ios (STPAPIClient, STPSourceParams, STPConfirmAlipayOptions,
// STPAPIClient+PaymentSheet) and stripe-android (StripeApiRepository,
// ApiRequest). conformance/android drives the latter itself.

// ios and android are the headers of the native libraries.
var (
	ios = map[string]string{
		"Stripe-Version":      "2020-08-27; alipay_beta=v1",
		"X-Stripe-User-Agent": `{"lang":"objective-c","bindings_version":"24.1.0","os_version":"18.1","type":"iPhone17,1","model":"iPhone"}`,
	}
	android = map[string]string{
		"Accept": "application/json", "Accept-Charset": "UTF-8", "Accept-Language": "en_US", "User-Agent": "Stripe/v1 AndroidBindings/20.47.3",
		"Stripe-Version":             "2020-03-02;alipay_beta=v1;wechat_pay_beta=v1",
		"X-Stripe-Client-User-Agent": `{"os.name":"android","os.version":"34","bindings.version":"20.47.3","lang":"Java","publisher":"Stripe","http.agent":""}`,
		"X-Stripe-User-Agent":        `{"lang":"kotlin","bindings_version":"20.47.3","os_version":"34","type":"Google_Pixel_8","model":"Pixel 8"}`,
	}
)

// iosTelemetry and androidTelemetry are what they say about the device; nothing
// depends on it.
var (
	iosTelemetry = []string{
		"guid", "f0b1c2d3-0000-4000-8000-1234567890ab1a2b3c", "muid", "f0b1c2d3-0000-4000-8000-1234567890ab4d5e6f", "sid", "f0b1c2d3-0000-4000-8000-1234567890ab7a8b9c",
		"pasted_fields", "number", "payment_user_agent", "stripe-ios/24.1.0; variant.legacy; PaymentSheet", "time_on_page", "48213",
	}
	androidTelemetry = []string{"guid", "g", "muid", "m", "sid", "s", "payment_user_agent", "stripe-android/20.47.3;PaymentSheet"}
)

// within puts parameters into a hash.
func within(hash string, params []string) []string {
	out := slices.Clone(params)
	for i := 0; i < len(out); i += 2 {
		out[i] = hash + "[" + out[i] + "]"
	}
	return out
}

// TestMobileSources: a source as the native libraries make it, its payer's way
// back into the app, and how the app polls for what became of it.
func TestMobileSources(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		pub := w.public()
		for name, c := range map[string]struct {
			headers   map[string]string
			version   string
			returnURL string
			params    []string
		}{
			"ios": {ios, "2020-08-27", "myapp://safepay/?redirect_merchant_name=My%20Shop", append([]string{"metadata[order]", "A-1"}, iosTelemetry...)},
			"android": {android, "2020-03-02", "mystripeapp://safepay/", append([]string{
				"owner[name]", "Jenny Rosen", "owner[email]", "jenny@example.com"}, androidTelemetry...)},
		} {
			r := pub.do("POST", "/v1/sources", c.headers, append([]string{"type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", c.returnURL}, c.params...)...)
			src := pub.must(r)
			if got := r.header.Get("Stripe-Version"); got != c.version {
				t.Errorf("%s: answered at %s, want %s", name, got, c.version)
			}
			// The libraries' parsers drop a source without these.
			redirect, _ := src["redirect"].(object)
			alipay, _ := src["alipay"].(object)
			if src["object"] != "source" || src["flow"] != "redirect" || src["status"] != "pending" || src["usage"] != "single_use" || src["livemode"] != false || src["metadata"] != nil ||
				redirect["return_url"] != c.returnURL || redirect["status"] != "pending" || alipay == nil {
				t.Errorf("%s: %v", name, src)
			}
			// Test mode has nothing for the wallet's app, so the page opens in a browser.
			for _, k := range []string{"native_url", "data_string"} {
				if v, there := alipay[k]; !there || v != nil {
					t.Errorf("%s: alipay.%s is %v", name, k, v)
				}
			}
			to := w.decide(src, "authorize")
			secret := src["client_secret"].(string)
			if !strings.HasPrefix(to, c.returnURL) || !strings.Contains(to, "source="+src["id"].(string)) || !strings.Contains(to, "client_secret="+secret) {
				t.Errorf("%s: the app is opened with %s", name, to)
			}
			w.advance(time.Second)
			// STPSourcePoller gives up at any 4xx and stops at any status but pending.
			polled := pub.must(pub.do("GET", "/v1/sources/"+src["id"].(string), c.headers, "client_secret", secret))
			if polled["status"] != "chargeable" || polled["redirect"].(object)["status"] != "succeeded" {
				t.Errorf("%s: %v", name, polled)
			}
			w.must(w.chargeOf(src))
		}
		w.fails(pub.do("POST", "/v1/sources", android, append([]string{"type", "alipay", "usage", "reusable", "amount", "1099", "currency", "usd", "redirect[return_url]", "a://b"}, androidTelemetry...)...), 400, "", "usage")
	})
}

// TestVersionOfApps: the betas that mobile SDKs append to a version are dropped,
// nonsense is refused, and what an app was built with does not become the
// account's version.
func TestVersionOfApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(w *world, version string) response {
		return w.do("GET", "/v1/elements/sessions", map[string]string{"Stripe-Version": version}, "type", "deferred_intent", "deferred_intent[mode]", "setup")
	}
	before := w.get("/v1/balance").header.Get("Stripe-Version")
	for version, want := range map[string]string{
		"2020-08-27": "2020-08-27", "2020-08-27; alipay_beta=v1": "2020-08-27", "2020-03-02;alipay_beta=v1;link_beta=v1": "2020-03-02",
		"2020-08-27; us_bank_account_beta=v2; server_side_confirmation_beta=v1": "2020-08-27",
	} {
		if r := at(w.public(), version); r.status != 200 || r.header.Get("Stripe-Version") != want {
			t.Errorf("%q: %d %s, want %s: %s", version, r.status, r.header.Get("Stripe-Version"), want, r.body)
		}
	}
	for _, version := range []string{"2020-08-27;", "2020-08-27;alipay", "2020-08-28;alipay_beta=v1", ";alipay_beta=v1", "2020-08-27; =v1", "2020-08-27,2020-03-02"} {
		if r := at(w.public(), version); r.status != 400 || !strings.Contains(r.err()["message"].(string), "Invalid Stripe API version") {
			t.Errorf("%q: %d %s", version, r.status, r.body)
		}
	}
	if got := w.get("/v1/balance").header.Get("Stripe-Version"); got != before {
		t.Errorf("an app moved the account from %s to %s", before, got)
	}
	at(w, "2020-08-27; alipay_beta=v1")
	if got := w.get("/v1/balance").header.Get("Stripe-Version"); got != "2020-08-27" {
		t.Errorf("the account's version is %s, want that of its server's first request", got)
	}
}

// TestMobileIntents: how the native libraries confirm Alipay and Alma, follow the
// action, and poll.
func TestMobileIntents(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		pub := w.public()
		for _, c := range []struct {
			name, method, action, back string
			headers                    map[string]string
			params                     []string
		}{
			// STPConfirmAlipayOptions fills the bundle and its version in by itself.
			{"ios", "alipay", "alipay_handle_redirect", "myapp://safepay/", ios, slices.Concat([]string{
				"expand[0]", "payment_method", "use_stripe_sdk", "true", "payment_method_options[alipay][app_bundle_id]", "com.example.shop", "payment_method_options[alipay][app_version_key]", "1.0.0",
				"payment_method_data[type]", "alipay", "payment_method_data[allow_redisplay]", "unspecified", "payment_method_data[client_attribution_metadata][client_session_id]", "x",
				"payment_method_data[radar_options][hcaptcha_token]", "t", "client_attribution_metadata[client_session_id]", "x"}, within("payment_method_data", iosTelemetry))},
			{"android", "alipay", "alipay_handle_redirect", "stripesdk://payment_return_url/com.example.shop", android, slices.Concat([]string{
				"expand[]", "payment_method", "use_stripe_sdk", "true", "payment_method_data[type]", "alipay"}, within("payment_method_data", androidTelemetry))},
			{"android without the SDK's help", "alipay", "alipay_handle_redirect", "stripesdk://payment_return_url/com.example.shop", android, slices.Concat([]string{
				"expand[]", "payment_method", "use_stripe_sdk", "false", "payment_method_data[type]", "alipay"}, within("payment_method_data", androidTelemetry))},
			{"ios", "alma", "redirect_to_url", "myapp://stripe-redirect", ios, slices.Concat([]string{
				"expand[0]", "payment_method", "use_stripe_sdk", "true", "payment_method_data[type]", "alma"}, within("payment_method_data", iosTelemetry))},
			{"android", "alma", "redirect_to_url", "stripesdk://payment_return_url/com.example.shop", android, slices.Concat([]string{
				"expand[]", "payment_method", "use_stripe_sdk", "true", "payment_method_data[type]", "alma"}, within("payment_method_data", androidTelemetry))},
		} {
			name := c.name + ", " + c.method
			pi := w.intent()
			id, secret := pi["id"].(string), pi["client_secret"].(string)
			along := []string{"client_secret", secret, "return_url", c.back}
			confirmed := pub.must(pub.do("POST", "/v1/payment_intents/"+id+"/confirm", c.headers, append(along, c.params...)...))
			action, _ := confirmed["next_action"].(object)
			data, _ := action[c.action].(object)
			if confirmed["status"] != "requires_action" || action["type"] != c.action || data["return_url"] != c.back || !strings.HasPrefix(data["url"].(string), "http") {
				t.Fatalf("%s: %v", name, confirmed)
			}
			if c.method == "alipay" {
				// Android's parser throws when native_data is not there; null is a test payment.
				for _, k := range []string{"native_data", "native_url"} {
					if v, there := data[k]; !there || v != nil {
						t.Errorf("%s: %s is %v", name, k, v)
					}
				}
			}
			if method, _ := confirmed["payment_method"].(object); method["type"] != c.method || method["livemode"] != false || method["metadata"] != nil {
				t.Errorf("%s: payment method %v", name, confirmed["payment_method"])
			}
			if got := pub.must(pub.do("POST", "/v1/payment_intents/"+id+"/refresh", c.headers, "client_secret", secret, "expand[]", "payment_method")); got["status"] != "requires_action" {
				t.Errorf("%s: %v", name, got)
			}
			if _, to := w.decideAt(data["url"].(string), "authorize"); !strings.HasPrefix(to, c.back+"?payment_intent="+id) || !strings.Contains(to, "redirect_status=succeeded") {
				t.Errorf("%s: the app is opened with %s", name, to)
			}
			if got := pub.must(pub.do("GET", "/v1/payment_intents/"+id, c.headers, "client_secret", secret, "expand[]", "payment_method")); got["status"] != "succeeded" || got["next_action"] != nil {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

// TestMobileSavedCard: a saved card whose code is asked for again, which the
// published document calls by a token only.
func TestMobileSavedCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.must(w.post("/v1/customers"))["id"].(string)
	saved := w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", customer))["id"].(string)
	for name, headers := range map[string]map[string]string{"ios": ios, "android": android} {
		pi := w.intent("customer", customer)
		paid := w.must(w.public().do("POST", "/v1/payment_intents/"+pi["id"].(string)+"/confirm", headers, "client_secret", pi["client_secret"].(string),
			"payment_method", saved, "payment_method_options[card][cvc]", "123", "use_stripe_sdk", "true", "return_url", "myapp://stripe-redirect"))
		if options, _ := paid["payment_method_options"].(object); paid["status"] != "succeeded" || strings.Contains(fmt.Sprint(options), "123") {
			t.Errorf("%s: %v", name, paid)
		}
	}
}

// TestMobileSession: what PaymentSheet asks first, on iOS and Android.
func TestMobileSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pub := w.public()
	pi := w.intent()
	customer := w.must(w.post("/v1/customers"))
	saved := w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", customer["id"].(string)))
	key := w.ephemeralKey(customer)["secret"].(string)
	along := []string{
		"locale", "en-US", "external_payment_methods", "", "custom_payment_methods[0]", "cpmt_1", "link[disallow_funding_source_creation][0]", "somevalue", "country_override", "FR",
		"mobile_session_id", "fc2e200b-581a-4f24-93b6-990912a337db", "mobile_app_id", "com.example.shop", "legacy_customer_ephemeral_key", key, "client_default_payment_method", saved["id"].(string),
		"payment_sheet_config[appearance]", "automatic", "seller_details[network_id]", "x",
	}
	pmc := w.must(w.post("/v1/payment_method_configurations", "name", "app", "alipay[display_preference][preference]", "off"))
	for name, c := range map[string]struct {
		types  string
		params []string
	}{
		"payment intent": {"card alma alipay", []string{"type", "payment_intent", "client_secret", pi["client_secret"].(string), "expand[0]", "payment_method_preference.payment_intent.payment_method"}},
		"deferred": {"card alma", []string{
			"type", "deferred_intent", "deferred_intent[mode]", "payment", "deferred_intent[amount]", "5099", "deferred_intent[currency]", "eur", "deferred_intent[capture_method]", "automatic",
			"deferred_intent[payment_method_configuration][id]", pmc["id"].(string), "deferred_intent[payment_method_options][card][setup_future_usage]", "off_session",
		}},
	} {
		o := pub.must(pub.do("GET", "/v1/elements/sessions", ios, append(c.params, along...)...))
		var types []string
		for _, s := range o["payment_method_specs"].([]any) {
			types = append(types, s.(object)["type"].(string))
		}
		if got := strings.Join(types, " "); got != c.types {
			t.Errorf("%s: %s, want %s", name, got, c.types)
		}
		methods := o["legacy_customer"].(object)["payment_methods"].([]any)
		if len(methods) != 1 || methods[0].(object)["id"] != saved["id"] || methods[0].(object)["metadata"] != nil {
			t.Errorf("%s: the customer has saved %v", name, methods)
		}
	}
	stranger := newWorld(t)
	theirs := stranger.ephemeralKey(stranger.must(stranger.post("/v1/customers")))["secret"].(string)
	ask := []string{"type", "payment_intent", "client_secret", pi["client_secret"].(string), "legacy_customer_ephemeral_key"}
	w.fails(pub.get("/v1/elements/sessions", append(ask, theirs)...), 401, "", "")
	w.fails(pub.get("/v1/elements/sessions", append(ask, "ek_test_x")...), 401, "", "")
	w.fails(pub.get("/v1/elements/sessions", append(ask[:4:4], "deferred_intent[payment_method_configuration][id]", "pmc_none", "type", "deferred_intent", "deferred_intent[mode]", "setup")...), 400, "resource_missing", "payment_method_configuration")
}

// ephemeralKey makes a key as the server of a mobile app does.
func (w *world) ephemeralKey(customer object) object {
	w.t.Helper()
	return w.must(w.do("POST", "/v1/ephemeral_keys", map[string]string{"Stripe-Version": "2026-03-25.dahlia"}, "customer", customer["id"].(string)))
}

// TestEphemeralKeys: a key for one customer does what a mobile SDK does with it,
// for an hour, and nothing else.
func TestEphemeralKeys(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		customer := w.must(w.post("/v1/customers", "email", "jenny@example.com"))
		other := w.must(w.post("/v1/customers"))
		cus, theirs := customer["id"].(string), other["id"].(string)
		key := w.ephemeralKey(customer)
		owner := key["associated_objects"].([]any)[0].(object)
		if !strings.HasPrefix(key["id"].(string), "ephkey_") || owner["id"] != cus || owner["type"] != "customer" || key["livemode"] != false || key["expires"].(float64) != key["created"].(float64)+3600 {
			t.Errorf("%v", key)
		}
		ek := w.with(key["secret"].(string))
		call := func(w *world, method, path string, params ...string) response {
			return w.do(method, path, ios, params...)
		}

		if got := w.must(call(ek, "GET", "/v1/customers/"+cus)); got["email"] != "jenny@example.com" {
			t.Errorf("%v", got)
		}
		card := w.must(call(w.public(), "POST", "/v1/payment_methods", "type", "card", "card[number]", "4242424242424242", "card[exp_month]", "12", "card[exp_year]", "2034", "card[cvc]", "123"))
		id := card["id"].(string)
		w.must(call(ek, "POST", "/v1/payment_methods/"+id+"/attach", "customer", cus))
		list := w.must(call(ek, "GET", "/v1/payment_methods", "customer", cus, "type", "card", "limit", "100"))["data"].([]any)
		if len(list) != 1 || list[0].(object)["id"] != id || list[0].(object)["metadata"] != nil || list[0].(object)["card"].(object)["fingerprint"] != nil {
			t.Errorf("%v", list)
		}
		for _, c := range [][2]string{{"card[exp_year]", "2035"}, {"card[exp_month]", "11"}, {"card[networks][preferred]", "visa"}} {
			w.must(call(ek, "POST", "/v1/payment_methods/"+id, c[0], c[1]))
		}
		if got := w.must(w.get("/v1/payment_methods/" + id))["card"].(object); got["exp_year"] != 2035. || got["exp_month"] != 11. {
			t.Errorf("a card changed by one member at a time expires %v/%v", got["exp_month"], got["exp_year"])
		}
		w.must(call(ek, "POST", "/v1/customers/"+cus, "shipping[name]", "Jenny", "shipping[address][line1]", "1 rue", "shipping[phone]", "555"))
		w.must(call(ek, "POST", "/v1/customers/"+cus, "invoice_settings[default_payment_method]", id))
		src := w.source()
		w.must(call(ek, "POST", "/v1/customers/"+cus+"/sources", "source", src["id"].(string)))
		w.must(call(ek, "POST", "/v1/customers/"+cus, "default_source", src["id"].(string)))
		w.must(call(ek, "DELETE", "/v1/customers/"+cus+"/sources/"+src["id"].(string)))
		w.must(call(ek, "POST", "/v1/payment_methods/"+id+"/detach"))

		// What is somebody else's, or nothing an app does, is refused and changes nothing.
		saved := w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", theirs))["id"].(string)
		loose := w.must(w.post("/v1/payment_methods", "type", "card", "card[token]", "tok_visa"))["id"].(string)
		before, events := w.get("/v1/customers/"+cus), len(w.events())
		for _, c := range []struct {
			method, path string
			params       []string
		}{
			{"GET", "/v1/customers/" + theirs, nil},
			{"GET", "/v1/customers", nil},
			{"POST", "/v1/customers/" + theirs, []string{"shipping[name]", "x"}},
			{"POST", "/v1/customers/" + cus, []string{"balance", "100"}},
			{"POST", "/v1/customers/" + cus, []string{"metadata[a]", "b", "shipping[name]", "x"}},
			{"DELETE", "/v1/customers/" + cus, nil},
			{"GET", "/v1/payment_methods", []string{"customer", theirs}},
			{"GET", "/v1/payment_methods", nil},
			{"GET", "/v1/payment_methods/" + saved, nil},
			{"POST", "/v1/payment_methods/" + saved + "/detach", nil},
			{"POST", "/v1/payment_methods/" + saved, []string{"card[exp_year]", "2040"}},
			{"POST", "/v1/payment_methods/" + loose + "/attach", []string{"customer", theirs}},
			{"POST", "/v1/payment_methods/pm_none/detach", nil},
			{"POST", "/v1/payment_intents", []string{"amount", "1099", "currency", "usd"}},
			{"POST", "/v1/sources", []string{"type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://a.example"}},
			{"POST", "/v1/refunds", []string{"charge", "py_x"}},
			{"GET", "/v1/balance", nil},
			{"POST", "/v1/ephemeral_keys", []string{"customer", theirs}},
		} {
			r := call(ek, c.method, c.path, c.params...)
			if r.status != http.StatusForbidden || r.err()["code"] != "more_permissions_required" || strings.Contains(string(r.body), key["secret"].(string)) {
				t.Errorf("%s %s %v: %d %s", c.method, c.path, c.params, r.status, r.body)
			}
		}
		if after := w.get("/v1/customers/" + cus); string(after.body) != string(before.body) || len(w.events()) != events {
			t.Errorf("a refused request changed something: %s, was %s", after.body, before.body)
		}
		w.fails(ek.do("GET", "/v1/customers/"+cus, nil), 400, "", "") // an app names its version
		if got := ek.controlStatus("GET", "clock", ""); got != http.StatusUnauthorized && got != http.StatusForbidden && got != http.StatusBadRequest {
			t.Errorf("the control API answers an ephemeral key with %d", got)
		}

		// Making them.
		version := map[string]string{"Stripe-Version": "2020-08-27"}
		w.fails(w.post("/v1/ephemeral_keys", "customer", cus), 400, "", "")
		w.fails(w.do("POST", "/v1/ephemeral_keys", version), 400, "parameter_missing", "customer")
		w.fails(w.do("POST", "/v1/ephemeral_keys", version, "customer", "cus_none"), 400, "resource_missing", "customer")
		w.fails(w.do("POST", "/v1/ephemeral_keys", version, "issuing_card", "ic_1", "nonce", "x"), 400, "", "issuing_card")
		w.fails(call(w.public(), "POST", "/v1/ephemeral_keys", "customer", cus), 401, "secret_key_required", "")

		// A key that was changed, given up, or is too old.
		secret := key["secret"].(string)
		last := "x"
		if strings.HasSuffix(secret, last) {
			last = "y"
		}
		for _, wrong := range []string{secret[:len(secret)-1] + last, strings.Replace(secret, "ek_test_", "ek_live_", 1), "ek_test_", "ek_test_YWJj_00", "ek_test_" + strings.Repeat("x", 43) + secret[strings.LastIndex(secret, "_"):]} {
			w.fails(call(w.with(wrong), "GET", "/v1/customers/"+cus), 401, "", "")
		}
		second := w.ephemeralKey(customer)
		w.must(call(w.with(second["secret"].(string)), "GET", "/v1/customers/"+cus))
		gone := w.must(w.do("DELETE", "/v1/ephemeral_keys/"+second["id"].(string), nil))
		if gone["id"] != second["id"] || gone["secret"] != nil {
			t.Errorf("%v", gone)
		}
		w.fails(call(w.with(second["secret"].(string)), "GET", "/v1/customers/"+cus), 401, "api_key_expired", "")
		w.fails(w.do("DELETE", "/v1/ephemeral_keys/ephkey_none", nil), 404, "resource_missing", "key")
		w.advance(time.Hour - time.Second)
		w.must(call(ek, "GET", "/v1/customers/"+cus))
		w.advance(time.Second)
		w.fails(call(ek, "GET", "/v1/customers/"+cus), 401, "api_key_expired", "")
	})
}

// TestPayerClosesTheBanksPage: a mobile SDK whose payer closes the page of their
// card's bank says so, by the page's address; the payment can be tried again.
func TestPayerClosesTheBanksPage(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		pub := w.public()
		card := slices.Concat([]string{"use_stripe_sdk", "true", "payment_method_data[type]", "card", "payment_method_data[card][number]", "4000002760003184",
			"payment_method_data[card][exp_month]", "12", "payment_method_data[card][exp_year]", "2034", "payment_method_data[card][cvc]", "123"}, within("payment_method_data", androidTelemetry))
		pi := w.intent()
		seti := w.must(w.post("/v1/setup_intents", "payment_method_types[]", "card"))
		for path, c := range map[string]struct {
			made        object
			code, field string
		}{
			"/v1/payment_intents/": {pi, "payment_intent_authentication_failure", "last_payment_error"},
			"/v1/setup_intents/":   {seti, "setup_intent_authentication_failure", "last_setup_error"},
		} {
			path += c.made["id"].(string)
			confirmed := pub.must(pub.do("POST", path+"/confirm", android, append([]string{"client_secret", c.made["client_secret"].(string)}, card...)...))
			sdk := confirmed["next_action"].(object)["use_stripe_sdk"].(object)
			url := sdk["stripe_js"].(string)
			if sdk["type"] != "three_d_secure_redirect" {
				t.Fatalf("%v", sdk)
			}
			w.fails(pub.do("POST", path+"/source_cancel", android), 400, "parameter_missing", "source")
			w.fails(pub.do("POST", path+"/source_cancel", android, "source", "src_1"), 404, "resource_missing", "source")
			w.fails(pub.do("POST", strings.Replace(path, "_1", "_2", 1)+"/source_cancel", android, "source", "src_1"), 404, "resource_missing", "intent")
			page := url[strings.LastIndexByte(url, '/')+1:]
			for range 2 { // saying it twice changes nothing
				got := pub.must(pub.do("POST", path+"/source_cancel", android, "source", page))
				failure, _ := got[c.field].(object)
				if got["status"] != "requires_payment_method" || failure["code"] != c.code {
					t.Errorf("%s: %v", path, got)
				}
			}
		}
		if n := len(slices.DeleteFunc(w.events(), func(e string) bool { return e != "payment_intent.payment_failed" && e != "setup_intent.setup_failed" })); n != 2 {
			t.Errorf("%d events of failure, want one for each: %v", n, w.events())
		}
		w.fails(pub.do("POST", "/v1/payment_intents/"+w.intent()["id"].(string)+"/source_cancel", android, "source", "src_1"), 404, "resource_missing", "source")
	})
}
