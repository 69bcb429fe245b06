package stripe_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe"
)

// provision makes an account with one mode and returns a world whose key it is.
func (w *world) provision(account string, live bool) *world {
	w.t.Helper()
	m := merchant.NewSandbox(account, w.clock.Now())
	m.ID, m.Live, m.Profile.Provisioned = merchant.IDFor(account, live), live, true
	if err := w.store.CreateMerchant(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
	key := map[bool]string{false: "sk_test_", true: "sk_live_"}[live] + keys.Random(99)
	w.credential(store.Credential{Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: "secret", Created: w.clock.Now()})
	return w.with(key)
}

func (w *world) credential(c store.Credential) {
	w.t.Helper()
	if err := w.store.PutCredential(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
}

// TestKeySpellings: each way to send a key, and what wins.
func TestKeySpellings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	account := w.must(w.get("/v1/account"))["id"]
	for _, h := range []string{
		"Bearer " + w.key, "bearer " + w.key, "BEARER  " + w.key, basic(w.key + ":"), basic(w.key), basic(w.key + ":a password is ignored"), "basic" + basic(w.key)[5:],
	} {
		if got := w.must(w.do("GET", "/v1/account", map[string]string{"Authorization": h}))["id"]; got != account {
			t.Errorf("%s: account %v", h, got)
		}
	}
	params := []string{"type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/"}
	bare := w.with("")
	src := bare.must(bare.post("/v1/sources", append(params, "key", w.public().key)...))
	bare.must(bare.get("/v1/sources/"+src["id"].(string), "key", w.public().key, "client_secret", src["client_secret"].(string)))
	if r := bare.post("/v1/sources", append(params, "key", w.key)...); r.status != 401 {
		t.Errorf("a secret key as a parameter: %d", r.status)
	}
	// The header wins over the parameter.
	other := "sk_test_" + keys.Random(24)
	theirs := w.with(other).must(w.with(other).post("/v1/sources", append(params, "key", w.public().key)...))
	if r := w.get("/v1/sources/" + theirs["id"].(string)); r.status != 404 {
		t.Errorf("the parameter decided: %d", r.status)
	}
}

// TestAccountHeader: the key's own account is accepted and echoed, from the
// header or as Stripe.js sends it; another is refused.
func TestAccountHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.must(w.get("/v1/account"))["id"].(string)
	for name, r := range map[string]response{
		"header":    w.do("GET", "/v1/balance", map[string]string{"Stripe-Account": account}),
		"parameter": w.get("/v1/balance", "_stripe_account", account),
	} {
		if r.status != 200 || r.header.Get("Stripe-Account") != account {
			t.Errorf("%s: %d %v", name, r.status, r.header)
		}
	}
	if r := w.get("/v1/balance"); r.header.Get("Stripe-Account") != "" {
		t.Errorf("nobody asked for an account: %v", r.header)
	}
	if r := w.do("GET", "/v1/nothing", map[string]string{"Stripe-Account": "acct_1Somebody"}); r.status != 403 || r.err()["code"] != "account_invalid" || r.header.Get("Stripe-Account") != "" {
		t.Errorf("another account, before the route: %d %s", r.status, r.body)
	}
	// Headers that say nothing to us are not in the way.
	if r := w.do("GET", "/v1/balance", map[string]string{"Stripe-Context": account + "/acct_1Somebody"}); r.status != 403 || r.err()["code"] != "account_invalid" {
		t.Errorf("a context that is not the key's account: %d %s", r.status, r.body)
	}
	w.must(w.do("GET", "/v1/balance", map[string]string{"Stripe-Context": account, "Stripe-Account": account}))
	for _, h := range []string{"X-Stripe-Client-Telemetry", "X-Stripe-Client-User-Agent", "Stripe-Request-Trigger", "Stripe-Livemode"} {
		w.must(w.do("GET", "/v1/balance", map[string]string{h: "{}"}))
	}
}

// TestCORS: browsers may call from anywhere; OPTIONS answers on any path, known
// or not, with or without a key.
func TestCORS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := map[string]string{
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods":     "GET, HEAD, PUT, PATCH, POST, DELETE",
		"Access-Control-Allow-Origin":      "*",
		"Access-Control-Expose-Headers":    "Request-Id, Stripe-Manage-Version, Stripe-Should-Retry, X-Stripe-External-Auth-Required, X-Stripe-Privileged-Session-Required",
		"Access-Control-Max-Age":           "300",
		"Cache-Control":                    "no-cache, no-store",
		"Vary":                             "Origin",
	}
	check := func(what string, h http.Header) {
		t.Helper()
		for k, v := range want {
			if h.Get(k) != v {
				t.Errorf("%s: %s is %q, want %q", what, k, h.Get(k), v)
			}
		}
	}
	for _, path := range []string{"/v1/sources", "/v1/sources/src_1", "/v1/nothing", "/v1/charges/", "/v1", "/v2/x"} {
		r := w.with("").do("OPTIONS", path, map[string]string{"Origin": "https://shop.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"})
		if r.status != 204 || len(r.body) != 0 || r.header.Get("Access-Control-Allow-Headers") != "authorization,content-type" {
			t.Errorf("OPTIONS %s: %d %v", path, r.status, r.header)
		}
		check("OPTIONS "+path, r.header)
	}
	check("success", w.get("/v1/balance").header)
	check("refusal", w.get("/v1/charges/py_none").header)
	check("no key", w.with("").get("/v1/balance").header)
	check("unknown route", w.get("/v1/nothing").header)
}

// TestGoldenHeaders is the sample of stripe-platform §19: a keyed POST that
// succeeds.
func TestGoldenHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.do("POST", "/v1/customers", map[string]string{"Idempotency-Key": "5f0c9f6e", "Stripe-Version": "2026-03-25.dahlia"}, "name", "Ann")
	id := r.header.Get("Request-Id")
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Stripe-Version": "2026-03-25.dahlia", "Idempotency-Key": "5f0c9f6e", "Original-Request": id,
		"Stripe-Should-Retry": "false", "Cache-Control": "no-cache, no-store", "Access-Control-Allow-Origin": "*", "Vary": "Origin",
		"Idempotent-Replayed": "", "Stripe-Notice": "", "Strict-Transport-Security": "", "Stripe-Rate-Limited-Reason": "",
	} {
		if r.header.Get(k) != v {
			t.Errorf("%s is %q, want %q", k, r.header.Get(k), v)
		}
	}
	if r.status != 200 || len(id) != 18 || !strings.HasPrefix(id, "req_") || !strings.HasSuffix(string(r.body), "}\n") || !strings.HasPrefix(string(r.body), "{\n  \"id\": \"cus_") {
		t.Errorf("%d %s %s", r.status, id, r.body)
	}
}

// TestStrictTransport: over TLS browsers are told to stay there.
func TestStrictTransport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secure := httptest.NewTLSServer(w.srv.Handler)
	defer secure.Close()
	req, err := http.NewRequest("GET", secure.URL+"/v1/balance", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.key)
	res, err := secure.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Strict-Transport-Security"); res.StatusCode != 200 || got != "max-age=63072000; includeSubDomains; preload" {
		t.Errorf("%d %q", res.StatusCode, got)
	}
}

// TestUnsetting: the empty string clears what can be cleared and nothing else;
// what is not sent stays (stripe-platform §2.4, §2.5).
func TestUnsetting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := []string{
		"name", "Ann", "email", "ann@example.com", "phone", "1", "description", "d", "address[city]", "Delft", "address[country]", "NL",
		"shipping[name]", "Ann", "shipping[address][line1]", "1 Road", "preferred_locales[]", "en", "metadata[a]", "1", "metadata[b]", "2",
	}
	for _, c := range []struct {
		params  []string
		cleared map[string]any // members that change, and what they become
	}{
		{nil, nil},
		{[]string{"name", ""}, map[string]any{"name": nil}},
		{[]string{"email", "", "phone", ""}, map[string]any{"email": nil, "phone": nil}},
		{[]string{"description", ""}, map[string]any{"description": nil}},
		{[]string{"address", ""}, map[string]any{"address": nil}},
		{[]string{"address[city]", ""}, map[string]any{"address": object{"city": nil, "country": "NL", "line1": nil, "line2": nil, "postal_code": nil, "state": nil}}},
		{[]string{"shipping", ""}, map[string]any{"shipping": nil}},
		{[]string{"preferred_locales", ""}, map[string]any{"preferred_locales": []any{}}},
		{[]string{"metadata", ""}, map[string]any{"metadata": object{}}},
		{[]string{"metadata[a]", ""}, map[string]any{"metadata": object{"b": "2"}}},
		{[]string{"metadata[c]", "true"}, map[string]any{"metadata": object{"a": "1", "b": "2", "c": "true"}}},
	} {
		was := w.must(w.post("/v1/customers", full...))
		is := w.must(w.post("/v1/customers/"+was["id"].(string), c.params...))
		for k := range is {
			want, changed := c.cleared[k]
			if !changed {
				want = was[k]
			}
			if !reflect.DeepEqual(is[k], want) {
				t.Errorf("%v: %s is %v, want %v", c.params, k, is[k], want)
			}
		}
	}
}

// TestRestrictedKeys: by default a sandbox's restricted key may do everything;
// once it has permissions it may do what they say, whoever may write may read,
// and the refusal names what is missing (stripe-platform §1.2, §3.6).
func TestRestrictedKeys(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		account := w.must(w.get("/v1/account"))["id"].(string)
		w.must(w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2026-03-25.dahlia"})) // the account's default
		own := w.with(strings.Replace(w.key, "sk_", "rk_", 1))
		own.must(own.post("/v1/customers", "name", "Ann"))
		if got := w.control("POST", "keys", `{"key": "`+own.key+`", "permissions": ["rak_charge_read", "rak_customer_write"]}`); got["key"] != own.key {
			t.Fatalf("%v", got)
		}
		fresh := w.with(w.control("POST", "keys", `{"permissions": ["rak_webhook_read"]}`)["key"].(string))
		if len(fresh.key) != 107 || !strings.HasPrefix(fresh.key, "rk_test_5") {
			t.Errorf("a fresh key: %s", fresh.key)
		}
		none := w.with(w.control("POST", "keys", `{}`)["key"].(string))
		for _, c := range []struct {
			by           *world
			method, path string
			need         string // "" if it may
		}{
			{own, "GET", "/v1/charges", ""},
			{own, "GET", "/v1/refunds", ""}, // part of charges
			{own, "GET", "/v1/customers", ""},
			{own, "POST", "/v1/customers", ""},
			{own, "POST", "/v1/refunds", "rak_charge_write"},
			{own, "POST", "/v1/charges/py_1", "rak_charge_write"},
			{own, "GET", "/v1/balance", "rak_balance_read"},
			{own, "GET", "/v1/balance_transactions", "rak_balance_read"},
			{own, "POST", "/v1/webhook_endpoints", "rak_webhook_write"},
			{fresh, "GET", "/v1/webhook_endpoints", ""},
			{fresh, "DELETE", "/v1/webhook_endpoints/we_1", "rak_webhook_write"},
			{fresh, "GET", "/v1/customers", "rak_customer_read"},
			{none, "GET", "/v1/account", "rak_account_read"},
			{none, "GET", "/v1/files/file_1/contents", "rak_file_read"},
		} {
			r := c.by.do(c.method, c.path, nil)
			if c.need == "" {
				if r.status != 200 {
					t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
				}
				continue
			}
			masked := "rk_test_" + strings.Repeat("*", len(c.by.key)-14) + c.by.key[len(c.by.key)-6:]
			want := "The provided key '" + masked + "' does not have the required permissions for this endpoint on account '" + account + "'. Having the '" + c.need + "' permission would allow this request to continue."
			if r.status != 403 || r.err()["code"] != "more_permissions_required" || r.err()["type"] != "invalid_request_error" || r.err()["message"] != want {
				t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
			}
		}
		// The route is found first, the key is free afterwards, old versions say 401.
		if r := none.get("/v1/nothing"); r.status != 404 {
			t.Errorf("unknown route: %d", r.status)
		}
		if r := none.do("POST", "/v1/customers", keyed("k")); r.status != 403 || r.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("keyed: %d", r.status)
		}
		w.must(w.do("POST", "/v1/customers", keyed("k")))
		if r := none.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2016-07-06"}); r.status != 401 {
			t.Errorf("before 2016-10-19: %d", r.status)
		}
		// Permissions can be changed, and take effect at once.
		w.control("POST", "keys", `{"key": "`+own.key+`", "permissions": ["rak_balance_read"]}`)
		own.must(own.get("/v1/balance"))
		if r := own.get("/v1/customers"); r.status != 403 {
			t.Errorf("after the change: %d", r.status)
		}
		// Nobody but the secret key hands out permissions, and only in its world.
		for _, by := range []*world{own, none, w.public()} {
			if s := by.controlStatus("POST", "keys", `{"permissions": ["rak_charge_write"]}`); s != 401 {
				t.Errorf("%.7s made a key: %d", by.key, s)
			}
		}
		for _, body := range []string{
			`{"key": "rk_test_` + keys.Random(24) + `", "permissions": []}`, `{"key": "` + w.key + `"}`, `{"key": "` + w.public().key + `"}`, `{"key": "rk_live_` + keys.Random(24) + `"}`,
			`{"permissions": ["rak_charge"]}`, `{"permissions": ["rak_nothing_read"]}`, `{"permissions": "all"}`,
		} {
			if s := w.controlStatus("POST", "keys", body); s != 400 {
				t.Errorf("%s: %d", body, s)
			}
		}
	})
}

// TestEveryRouteHasAPermission: a restricted key without permissions may do
// nothing at all.
func TestEveryRouteHasAPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	none := w.with(w.control("POST", "keys", `{}`)["key"].(string))
	for _, r := range stripe.Routes() {
		path := placeholder.ReplaceAllString(r.Path, "x")
		if res := none.do(r.Method, path, nil); res.status != 403 || res.err()["code"] != "more_permissions_required" {
			t.Errorf("%s %s: %d %s", r.Method, r.Path, res.status, res.body)
		}
	}
}

// TestRateLimit: an account that has a limit meets the refusal; a refused request
// does not use up its idempotency key; time gives room again; other accounts do
// not notice.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, bad := range []string{"0", "-1", "fast", "1.5"} {
		if s := w.controlStatus("POST", "account", `{"settings": {"stripe.rate_limit": "`+bad+`"}}`); s != 400 {
			t.Errorf("limit %s: %d", bad, s)
		}
	}
	w.control("POST", "account", `{"settings": {"stripe.rate_limit": "3"}}`)
	for range 3 {
		w.must(w.get("/v1/balance"))
	}
	r := w.do("POST", "/v1/customers", keyed("k"), "name", "Ann")
	if r.status != 429 || r.err()["code"] != "rate_limit" || r.header.Get("Stripe-Rate-Limited-Reason") != "global-rate" {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
	if r := w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2015-09-03"}); r.status != 400 || r.err()["code"] != "rate_limit" {
		t.Errorf("before 2015-09-08: %d %s", r.status, r.body)
	}
	other := w.with("sk_test_" + keys.Random(24))
	other.must(other.get("/v1/balance"))
	w.clock.Advance(time.Second)
	if r := w.do("POST", "/v1/customers", keyed("k"), "name", "Bob"); r.status != 200 || r.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("a second later: %d %s", r.status, r.body)
	}
	w.control("POST", "account", `{"settings": {}}`)
	for range 10 {
		w.must(w.get("/v1/balance"))
	}
}

// TestOrderOfChecks: what is said first when several things are wrong
// (stripe-platform §1.6): key, version, account, route, kind of key, idempotency
// key, form.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrong := map[string]string{"Stripe-Version": "2099-01-01", "Stripe-Account": "acct_1Somebody", "Idempotency-Key": strings.Repeat("k", 256), "Content-Type": "application/json"}
	right := []struct{ name, header, message string }{
		{"version", "Stripe-Version", "Invalid Stripe API version: 2099-01-01"},
		{"account", "Stripe-Account", "does not have access to account 'acct_1Somebody'"},
	}
	send := func(w *world, path, want string, status int) {
		t.Helper()
		if r := w.do("POST", path, wrong, "foo", "1"); r.status != status || !strings.Contains(r.err()["message"].(string), want) {
			t.Errorf("%s: %d %s, want %q", path, r.status, r.body, want)
		}
	}
	send(w.with("sk_test_x"), "/v1/nothing", "Invalid API Key provided", 401)
	for _, c := range right {
		send(w.public(), "/v1/nothing", c.message, map[string]int{"version": 400, "account": 403}[c.name])
		delete(wrong, c.header)
	}
	send(w.public(), "/v1/nothing", "Unrecognized request URL (POST: /v1/nothing)", 404)
	send(w.public(), "/v1/refunds", "cannot be made with a publishable API key", 401)
	send(w, "/v1/refunds", "Idempotency Key must be at most 255 characters long.", 400)
	delete(wrong, "Idempotency-Key")
	send(w, "/v1/refunds", "check that your POST content type is application/x-www-form-urlencoded", 400)
	delete(wrong, "Content-Type")
	send(w, "/v1/refunds", "Received unknown parameter: foo", 400)
	// A library that speaks JSON to a newer API is told that there is none.
	if r := w.do("POST", "/v2/core/events", map[string]string{"Content-Type": "application/json"}, "a", "b"); r.status != 404 {
		t.Errorf("v2: %d %s", r.status, r.body)
	}
	// Whoever is known is told the version, whatever else is wrong.
	for name, r := range map[string]response{
		"version": w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2099-01-01"}), "route": w.get("/v1/nothing"), "form": w.post("/v1/refunds", "foo", "1"),
	} {
		if r.header.Get("Stripe-Version") != "2026-03-25.dahlia" {
			t.Errorf("wrong %s: Stripe-Version %q", name, r.header.Get("Stripe-Version"))
		}
	}
}

// TestPublishableKeyIsKeptOut: a publishable key may call what the surface says
// is public, and nothing else.
func TestPublishableKeyIsKeptOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	public := map[string]bool{}
	for _, r := range stripe.Routes() {
		path := placeholder.ReplaceAllString(r.Path, "x")
		res := w.public().do(r.Method, path, nil)
		refused := res.status == 401 && res.err()["code"] == "secret_key_required"
		if refused == r.Public {
			t.Errorf("%s %s with a publishable key: %d %s", r.Method, r.Path, res.status, res.body)
		}
		if r.Public {
			public[r.Method+" "+r.Path] = true
		}
	}
	// The list of stripe-platform §1.3, as far as it is served: nothing that shows
	// or changes what is the merchant's.
	for route := range public {
		for _, never := range []string{"/refunds", "/customers", "/charges", "/payouts", "/balance", "/events", "/webhook_endpoints", "/disputes", "/files", "/account"} {
			if strings.Contains(route, "/v1"+never) {
				t.Errorf("%s is public", route)
			}
		}
	}
}

// TestTokensAreSecret: a publishable key could retrieve the tokens it made until
// 2014-10-07, and never saw a fingerprint (stripe-platform §1.3).
func TestTokensAreSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tok := w.must(w.public().post("/v1/tokens", "card[number]", "4242424242424242", "card[exp_month]", "12", "card[exp_year]", "2034"))
	path := "/v1/tokens/" + tok["id"].(string)
	if r := w.public().get(path); r.status != 401 || r.err()["code"] != "secret_key_required" {
		t.Errorf("publishable key: %d %s", r.status, r.body)
	}
	old := w.must(w.public().do("GET", path, map[string]string{"Stripe-Version": "2014-09-08"}))
	if old["id"] != tok["id"] || old["card"].(object)["fingerprint"] != nil {
		t.Errorf("before 2014-10-07: %v", old)
	}
	if got := w.must(w.get(path)); got["card"].(object)["fingerprint"] == nil {
		t.Errorf("secret key: %v", got)
	}
}
