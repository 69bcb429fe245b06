package stripe_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/rail/simrail"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// scene is where a row of the message catalogue happens.
type scene struct {
	*world
	live         *world // the live half of an account, whose test half is test
	test         *world
	revoked      *world // a key that was revoked
	restricted   *world // a key that may read charges
	gate         *gate
	liveSource   string
	testCustomer string
}

// row is one entry of the message catalogue: a request, and all that the error
// object says beside type (invalid_request_error) and the link to the log.
type row struct {
	name    string
	ask     func(s *scene) response
	status  int
	typ     string // "" for invalid_request_error
	code    string // doc_url follows from it
	param   string
	message func(s *scene) string
}

// says is a message that is always the same.
func says(format string, args ...any) func(*scene) string {
	return func(*scene) string { return fmt.Sprintf(format, args...) }
}

// masked shows a key the way errors do.
func masked(key string, shown int) string {
	prefix := key[:strings.LastIndex(key, "_")+1]
	return prefix + strings.Repeat("*", len(key)-len(prefix)-shown) + key[len(key)-shown:]
}

func posts(path string, params ...string) func(*scene) response {
	return func(s *scene) response { return s.post(path, params...) }
}

func gets(path string, params ...string) func(*scene) response {
	return func(s *scene) response { return s.get(path, params...) }
}

func with(header, value, method, path string, params ...string) func(*scene) response {
	return func(s *scene) response { return s.do(method, path, map[string]string{header: value}, params...) }
}

// aSource are the parameters of a source that is fine.
func aSource(more ...string) []string {
	return append([]string{"type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/"}, more...)
}

const (
	needsKey   = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/."
	noUsable   = "You did not provide an API key, though you did set your Authorization header to \"%s\". Using Bearer auth, your Authorization header should look something like 'Authorization: Bearer YOUR_SECRET_KEY'. See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/."
	noEmpty    = "You passed an empty string for '%[1]s'. We assume empty values are an attempt to unset a parameter; however '%[1]s' cannot be unset. You should remove '%[1]s' from your request or supply a non-empty value."
	lockedText = "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request. If you see this error frequently and are making multiple concurrent requests to a single object, make your requests serially or at a lower rate. For more details, see https://stripe.com/docs/rate-limits#object-lock-timeouts."
)

// catalogue is stripe-platform §3.5, §3.6 and §5.3, row by row. Left out are
// platform_api_key_expired, because there are no platforms, and the row about an
// advancing clock, which belongs to test clocks.
var catalogue = []row{
	// §3.5 parameters and objects
	{"unknown parameter", posts("/v1/customers", "foo", "1"), 400, "", "parameter_unknown", "foo", says("Received unknown parameter: foo")},
	{"unknown parameters", posts("/v1/customers", "a_b", "1", "c_d", "1"), 400, "", "parameter_unknown", "a_b", says("Received unknown parameters: a_b, c_d")},
	{"unknown member", posts("/v1/customers", "address[street]", "1"), 400, "", "parameter_unknown", "address[street]", says("Received unknown parameter: address[street]")},
	{"missing", posts("/v1/charges", "currency", "usd"), 400, "", "parameter_missing", "amount", says("Missing required param: amount.")},
	{"missing member", posts("/v1/sources", "type", "alipay", "amount", "1099", "currency", "usd", "redirect[x]", ""), 400, "", "parameter_unknown", "redirect[x]", says("Received unknown parameter: redirect[x]")},
	{"missing nested", posts("/v1/customers", "shipping[name]", "Ann"), 400, "", "parameter_missing", "shipping[address]", says("Missing required param: shipping[address].")},
	{"empty", posts("/v1/charges", "amount", "1099", "currency", ""), 400, "", "parameter_invalid_empty", "currency", says(noEmpty, "currency")},
	{"empty member", posts("/v1/sources", "type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", ""), 400, "", "parameter_invalid_empty", "redirect[return_url]", says(noEmpty, "redirect[return_url]")},
	{"empty boolean", posts("/v1/webhook_endpoints", "url", "http://localhost:1/", "enabled_events[]", "*", "connect", ""), 400, "", "parameter_invalid_empty", "connect", says(noEmpty, "connect")},
	{"empty enum", posts("/v1/sources", "type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/", "usage", ""), 400, "", "parameter_invalid_empty", "usage", says(noEmpty, "usage")},
	{"empty hash", posts("/v1/sources", aSource("owner", "")...), 400, "", "parameter_invalid_empty", "owner", says(noEmpty, "owner")},
	{"integer", posts("/v1/charges", "amount", "abc"), 400, "", "parameter_invalid_integer", "amount", says("Invalid integer: abc")},
	{"integer with decimals", posts("/v1/charges", "amount", "1099.0"), 400, "", "parameter_invalid_integer", "amount", says("Invalid integer: 1099.0")},
	{"boolean", posts("/v1/webhook_endpoints", "url", "http://localhost:1/", "enabled_events[]", "*", "connect", "1"), 400, "", "", "connect", says("Invalid boolean: 1")},
	{"long string", posts("/v1/customers", "name", strings.Repeat("é", 257)), 400, "", "", "name",
		says("Invalid string: %s…; must be at most 256 characters, but it is 257 characters long", strings.Repeat("é", 20))},
	{"string got a hash", posts("/v1/customers", "name[first]", "Ann"), 400, "", "", "name", says(`Invalid string: {"first":"Ann"}`)},
	{"array", posts("/v1/webhook_endpoints", "url", "http://localhost:1/", "enabled_events", "charge.succeeded"), 400, "", "", "enabled_events", says("Invalid array")},
	{"object", posts("/v1/customers", "address", "1 Road"), 400, "", "", "address", says("Invalid object")},
	{"metadata is an object", posts("/v1/customers", "metadata", "x"), 400, "", "", "metadata", says("Invalid object")},
	{"enum", posts("/v1/refunds", "charge", "py_1", "reason", "whim"), 400, "", "", "reason", says("Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer")},
	{"amount below 1", posts("/v1/charges", "amount", "0"), 400, "", "parameter_invalid_integer", "amount", says("This value must be greater than or equal to 1.")},
	{"amount negative", posts("/v1/charges", "amount", "-5"), 400, "", "parameter_invalid_integer", "amount", says("This value must be greater than or equal to 1.")},
	{"mutually exclusive", gets("/v1/events", "type", "charge.succeeded", "types[]", "charge.failed"), 400, "", "parameters_exclusive", "", says("You may only specify one of these parameters: type, types.")},
	{"both cursors", func(s *scene) response {
		one := s.must(s.post("/v1/customers"))["id"].(string)
		return s.get("/v1/customers", "starting_after", one, "ending_before", one)
	}, 400, "", "", "", says("Received both starting_after and ending_before parameters. Please pass in only one.")},
	{"url", posts("/v1/webhook_endpoints", "url", "shop.example/hook", "enabled_events[]", "*"), 400, "", "url_invalid", "url", says("Invalid URL: An explicit scheme (such as https) must be provided.")},
	{"email", posts("/v1/customers", "email", "nobody"), 400, "", "email_invalid", "email", says("Invalid email address: nobody")},
	{"currency", posts("/v1/charges", "amount", "1099", "currency", "xyz"), 400, "", "", "currency", func(*scene) string {
		return "Invalid currency: xyz. Stripe currently supports these currencies: " + stripe.SupportedCurrencies
	}},
	{"too small", posts("/v1/sources", "type", "alipay", "amount", "49", "currency", "usd", "redirect[return_url]", "https://shop.example/"), 400, "", "amount_too_small", "amount", says("Amount must be at least $0.50 usd")},
	{"too small elsewhere", posts("/v1/sources", "type", "alipay", "amount", "29", "currency", "gbp", "redirect[return_url]", "https://shop.example/"), 400, "", "amount_too_small", "amount", says("Amount must be at least £0.30 gbp")},
	{"id in a parameter", posts("/v1/charges", "amount", "1099", "currency", "usd", "customer", "cus_x"), 400, "", "resource_missing", "customer", says("No such customer: 'cus_x'")},
	{"id in a cursor", gets("/v1/charges", "starting_after", "py_x"), 400, "", "resource_missing", "starting_after", says("No such charge: 'py_x'")},
	{"id in the path", gets("/v1/customers/cus_x"), 404, "", "resource_missing", "id", says("No such customer: 'cus_x'")},
	{"id of live mode", func(s *scene) response { return s.test.get("/v1/sources/" + s.liveSource) }, 404, "", "resource_missing", "source", func(s *scene) string {
		return "No such source: '" + s.liveSource + "'; a similar object exists in live mode, but a test mode key was used to make this request."
	}},
	{"id of test mode", func(s *scene) response { return s.live.get("/v1/customers/" + s.testCustomer) }, 404, "", "resource_missing", "id", func(s *scene) string {
		return "No such customer: '" + s.testCustomer + "'; a similar object exists in test mode, but a live mode key was used to make this request."
	}},
	{"id of test mode in a parameter", func(s *scene) response {
		return s.live.post("/v1/charges", "amount", "1099", "currency", "usd", "customer", s.testCustomer)
	}, 400, "", "resource_missing", "customer", func(s *scene) string {
		return "No such customer: '" + s.testCustomer + "'; a similar object exists in test mode, but a live mode key was used to make this request."
	}},
	{"unexpandable", posts("/v1/sources", aSource("expand[]", "owner")...), 400, "", "", "", says("This property cannot be expanded (owner).")},
	{"unexpandable on a list", gets("/v1/charges", "expand[]", "foo"), 400, "", "", "", says("This property cannot be expanded (foo). You may want to try expanding 'data.foo' instead.")},
	{"expanded too deep", gets("/v1/charges", "expand[]", "data.customer.default_source.a.b"), 400, "", "property_expansion_max_depth", "", says("You cannot expand more than 4 levels of a property. Property: data.customer.default_source.a.b")},

	// §2.5 metadata
	{"metadata key", posts("/v1/customers", "metadata["+strings.Repeat("k", 41)+"]", "1"), 400, "", "", "metadata", says("Metadata keys can have up to 40 characters, but you passed in a key that is 41 characters. Invalid key: %s", strings.Repeat("k", 41))},
	{"metadata value", posts("/v1/customers", "metadata[k]", strings.Repeat("v", 512)), 400, "", "", "metadata", says("Metadata values can have up to 500 characters, but you passed in a value that is 512 characters. Invalid value: %s…", strings.Repeat("v", 20))},

	// §3.6 keys, routes, limits
	{"no key", func(s *scene) response { return s.with("").get("/v1/balance") }, 401, "", "", "", says(needsKey)},
	{"no usable key", with("Authorization", "Bearer", "GET", "/v1/balance"), 401, "", "", "", says(noUsable, "Bearer")},
	{"null as a key", with("Authorization", "null", "GET", "/v1/balance"), 401, "", "", "", says(noUsable, "null")},
	{"unknown key", with("Authorization", "Bearer sk_live_aaaaaaaaaaaaaaaaaaaaAso0", "GET", "/v1/balance"), 401, "", "", "", says("Invalid API Key provided: sk_live_********************Aso0")},
	{"expired key", func(s *scene) response { return s.revoked.get("/v1/balance") }, 401, "", "api_key_expired", "", func(s *scene) string { return "Expired API Key provided: " + masked(s.revoked.key, 4) }},
	{"publishable key", func(s *scene) response { return s.public().get("/v1/balance") }, 401, "", "secret_key_required", "", says("This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.")},
	{"restricted key", func(s *scene) response { return s.restricted.post("/v1/webhook_endpoints") }, 403, "", "more_permissions_required", "", func(s *scene) string {
		return "The provided key '" + masked(s.restricted.key, 6) + "' does not have the required permissions for this endpoint on account 'acct_1CatalogueAccount'. Having the 'rak_webhook_write' permission would allow this request to continue."
	}},
	{"account unreachable", with("Stripe-Account", "acct_1Nobody", "GET", "/v1/balance"), 403, "", "account_invalid", "", func(s *scene) string {
		return "The provided key '" + masked(s.key, 6) + "' does not have access to account 'acct_1Nobody' (or that account does not exist). Application access may have been revoked."
	}},
	{"test account used live", func(s *scene) response {
		own := s.must(s.get("/v1/account"))["id"].(string)
		return s.live.do("GET", "/v1/balance", map[string]string{"Stripe-Account": own})
	}, 403, "", "", "", func(s *scene) string {
		return "The account " + s.must(s.get("/v1/account"))["id"].(string) + " was a test account created with a testmode key, and therefore can only be used with testmode keys"
	}},
	{"unknown route", gets("/v1/foo"), 404, "", "", "", says("Unrecognized request URL (GET: /v1/foo). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.")},
	{"trailing slash", gets("/v1/customers/"), 404, "", "", "", says("Unrecognized request URL (GET: /v1/customers/). If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code. Please see https://stripe.com/docs or we can help at https://support.stripe.com/.")},
	{"bad version", with("Stripe-Version", "2099-01-01", "GET", "/v1/balance"), 400, "", "", "", says("Invalid Stripe API version: 2099-01-01")},
	{"search on an old version", with("Stripe-Version", "2020-03-02", "GET", "/v1/charges/search", "query", "amount:1"), 404, "", "", "", says("Search is not supported on api version 2020-03-02. Update your API version, or set the API Version of this request to 2020-08-27 or greater.")},
	{"rate limit", func(s *scene) response { return s.exhausted(s.with("sk_test_" + keys.Random(24))) }, 429, "", "rate_limit", "", says("Testmode request rate limit exceeded, the rate limits in testmode are lower than livemode. You can learn more about rate limits here https://stripe.com/docs/rate-limits.")},
	{"rate limit live", func(s *scene) response { return s.exhausted(s.provision("acct_1LimitedAccount", true)) }, 429, "", "rate_limit", "", says("Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.")},
	{"object lock", func(s *scene) response { return s.failing(store.ErrStale) }, 429, "", "lock_timeout", "", says(lockedText)},
	{"too many endpoints", func(s *scene) response {
		w := s.with("sk_test_" + keys.Random(24))
		for range 16 {
			w.must(w.post("/v1/webhook_endpoints", "url", "http://localhost:1/", "enabled_events[]", "*"))
		}
		return w.post("/v1/webhook_endpoints", "url", "http://localhost:1/", "enabled_events[]", "*")
	}, 400, "", "", "", says("You have reached the maximum of 16 test webhook endpoints.")},
	{"internal", func(s *scene) response { return s.failing(fmt.Errorf("disk full")) }, 500, "api_error", "", "", says("An error occurred on our side while handling your request. It has been logged; retrying with the same idempotency key is safe.")},

	// §5.3 idempotency
	{"key with other parameters", func(s *scene) response {
		s.must(s.do("POST", "/v1/customers", keyed("K"), "name", "Ann"))
		return s.do("POST", "/v1/customers", keyed("K"), "name", "Bob")
	}, 400, "idempotency_error", "", "", says("Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than 'K' if you meant to execute a different request.")},
	{"key at another endpoint", func(s *scene) response {
		s.must(s.do("POST", "/v1/customers", keyed("E"), "name", "Ann"))
		return s.do("POST", "/v1/charges", keyed("E"), "amount", "1")
	}, 400, "idempotency_error", "", "", says("Keys for idempotent requests can only be used for the same endpoint they were first used for ('/v1/customers' vs '/v1/charges'). Try using a key other than 'E' if you meant to execute a different request.")},
	{"key in use", func(s *scene) response { return s.meanwhile("U") }, 409, "", "idempotency_key_in_use", "", says("There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): U. Please try again later.")},
	{"key with an unknown parameter", func(s *scene) response {
		s.must(s.do("POST", "/v1/customers", keyed("P"), "name", "Ann"))
		return s.do("POST", "/v1/customers", keyed("P"), "foo", "1")
	}, 400, "idempotency_error", "", "", says("Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than 'P' if you meant to execute a different request.")},
	{"empty key", with("Idempotency-Key", "", "POST", "/v1/customers"), 400, "", "", "", says("Idempotency Key must be a non-empty string.")},
	{"long key", with("Idempotency-Key", strings.Repeat("k", 256), "POST", "/v1/customers"), 400, "", "", "", says("Idempotency Key must be at most 255 characters long.")},
}

// exhausted has a world reach its limit of one request a second.
func (s *scene) exhausted(w *world) response {
	s.t.Helper()
	live := strings.HasPrefix(w.key, "sk_live")
	if !live {
		w.control("POST", "account", `{"settings": {"stripe.rate_limit": "1"}}`)
	} else if err := s.store.Update(s.t.Context(), merchant.IDFor("acct_1LimitedAccount", true), func(tx store.Tx) error {
		m, err := tx.Merchant()
		if err != nil {
			return err
		}
		m.Profile.Settings = map[string]string{"stripe.rate_limit": "1"}
		return tx.UpdateMerchant(m)
	}); err != nil {
		s.t.Fatal(err)
	}
	w.must(w.get("/v1/balance"))
	r := w.get("/v1/balance")
	if r.header.Get("Stripe-Rate-Limited-Reason") != "global-rate" {
		s.t.Errorf("a limiter's answer without its reason: %v", r.header)
	}
	return r
}

// failing has the next write fail.
func (s *scene) failing(err error) response {
	s.t.Helper()
	s.gate.armed.Store(true)
	done := make(chan response, 1)
	go func() { done <- s.do("POST", "/v1/customers", nil, "name", "Ann") }()
	<-s.gate.reached
	s.gate.open <- err
	return <-done
}

// meanwhile repeats a request while it is under way.
func (s *scene) meanwhile(key string) response {
	s.t.Helper()
	s.gate.armed.Store(true)
	done := make(chan response, 1)
	go func() { done <- s.do("POST", "/v1/customers", keyed(key), "name", "Ann") }()
	<-s.gate.reached
	r := s.do("POST", "/v1/customers", keyed(key), "name", "Ann")
	s.gate.open <- nil
	s.must(<-done)
	return r
}

// TestMessageCatalogue produces every row of the reference's message catalogue
// by a real request and compares the whole error object.
func TestMessageCatalogue(t *testing.T) {
	t.Parallel()
	g := newGate(wiretest.Open(t, "sqlite:"+t.TempDir()+"/ducat.db"))
	w := worldOn(t, wiretest.Over(t, g))
	s := &scene{world: w, gate: g}
	// The account's default, whatever version the rows ask for.
	w.must(w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2026-03-25.dahlia"}))
	s.live, s.test = w.provision("acct_1CatalogueAccount", true), w.provision("acct_1CatalogueAccount", false)
	s.testCustomer = s.test.must(s.test.post("/v1/customers", "name", "Ann"))["id"].(string)
	s.liveSource = s.live.livePayment(t)
	s.revoked = w.with("sk_test_5" + keys.Random(98))
	w.credential(store.Credential{Hash: merchant.KeyHash(s.revoked.key), Merchant: merchant.IDFor("acct_1CatalogueAccount", false), Kind: "secret", Created: w.clock.Now(), Revoked: true})
	s.restricted = s.test.with(s.test.control("POST", "keys", `{"permissions": ["rak_charge_read"]}`)["key"].(string))

	log := regexp.MustCompile(`^http://127\.0\.0\.1:\d+/portal/logs/(req_[0-9A-Za-z]{14})\?t=\d+$`)
	for _, c := range catalogue {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			r := c.ask(s)
			want := object{"type": "invalid_request_error", "message": c.message(s)}
			if c.typ != "" {
				want["type"] = c.typ
			}
			if c.code != "" {
				want["code"] = c.code
				want["doc_url"] = "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(c.code, "_", "-")
			}
			if c.param != "" {
				want["param"] = c.param
			}
			got := maps.Clone(r.err())
			m := log.FindStringSubmatch(fmt.Sprint(got["request_log_url"]))
			if m == nil || m[1] != r.header.Get("Request-Id") {
				t.Errorf("request_log_url %v, Request-Id %s", got["request_log_url"], r.header.Get("Request-Id"))
			}
			delete(got, "request_log_url")
			if r.status != c.status || !maps.Equal(got, want) {
				a, _ := json.MarshalIndent(got, "", "  ")
				b, _ := json.MarshalIndent(want, "", "  ")
				t.Errorf("%d %s\nwant %d %s", r.status, a, c.status, b)
			}
			if r.header.Get("Content-Type") != "application/json" || len(r.obj) != 1 {
				t.Errorf("the answer is not only an error: %v %s", r.header, r.body)
			}
		})
	}
	for _, code := range []string{"null", `"param": ""`} {
		if strings.Contains(string(w.get("/v1/nothing").body), code) {
			t.Errorf("an error shows an attribute it has not: %s", code)
		}
	}
}

// livePayment is the id of a live source.
func (w *world) livePayment(t *testing.T) string {
	t.Helper()
	w.srv.Engine.AddRail(true, simrail.Rail{})
	return w.must(w.post("/v1/sources", aSource()...))["id"].(string)
}

// TestLabels: every route that takes an id says what it did not find, as the
// reference calls it.
func TestLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	labels := map[string]string{ // by collection; the reference's list, and ours for what it does not name
		"customers": "customer", "charges": "charge", "payment_intents": "payment_intent", "refunds": "refund", "disputes": "dispute", "events": "event",
		"sources": "source", "files": "file upload", "payment_methods": "PaymentMethod", "webhook_endpoints": "webhook endpoint",
		"setup_intents": "setupintent",
	}
	seen := map[string]bool{}
	for _, r := range stripe.Routes() {
		parts := strings.Split(r.Path, "/")
		label, ok := labels[parts[2]]
		if !ok || r.Method != http.MethodGet || len(parts) != 4 || !strings.HasPrefix(parts[3], "{") {
			continue
		}
		seen[parts[2]] = true
		res := w.get("/v1/" + parts[2] + "/none_x")
		if res.status != 404 || res.err()["code"] != "resource_missing" || res.err()["message"] != "No such "+label+": 'none_x'" {
			t.Errorf("%s: %d %s", r.Path, res.status, res.body)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(labels)) {
		if !seen[c] {
			t.Errorf("nobody serves /v1/%s/{id}", c)
		}
	}
}
