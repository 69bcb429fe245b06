package multisafepay_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/merchant"
)

// TestKeys is reference §1.2: four spellings, their precedence, and what is no
// key.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := strings.Repeat("x", 5)
	for name, c := range map[string]struct {
		path   string
		header http.Header
		ok     bool
	}{
		"api_key":               {"me", http.Header{"Api_key": {w.key}}, true},
		"api_key lower case":    {"me", http.Header{"api_key": {w.key}}, true},
		"api-key":               {"me", http.Header{"Api-Key": {w.key}}, true},
		"bearer":                {"me", http.Header{"Authorization": {"Bearer " + w.key}}, true},
		"bearer lower case":     {"me", http.Header{"Authorization": {"bearer " + w.key}}, true},
		"query":                 {"me?api_key=" + w.key, nil, true},
		"white space":           {"me", http.Header{"Api_key": {"  " + w.key + "  "}}, true},
		"header before query":   {"me?api_key=" + bad, http.Header{"Api_key": {w.key}}, true},
		"api_key before others": {"me?api_key=" + w.key, http.Header{"Api_key": {bad}, "Api-Key": {w.key}, "Authorization": {"Bearer " + w.key}}, false},
		"api-key before bearer": {"me", http.Header{"Api-Key": {bad}, "Authorization": {"Bearer " + w.key}}, false},
		"bearer before query":   {"me?api_key=" + w.key, http.Header{"Authorization": {"Bearer " + bad}}, false},
		"none":                  {"me", nil, false},
		"empty":                 {"me", http.Header{"Api_key": {""}}, false},
		"short":                 {"me", http.Header{"Api_key": {bad}}, false},
		"other dialect":         {"me", http.Header{"Authorization": {"Bearer sk_test_4eC39HqLyjWDarjtT1zdp7dc"}}, false},
		"basic":                 {"me", http.Header{"Authorization": {"Basic " + w.key}}, false},
		"expired token":         {"payment-methods", http.Header{"Api_key": {"pub.v2.abc.1.def"}}, false},
		"long":                  {"me", http.Header{"Api_key": {strings.Repeat("k", 129)}}, false},
	} {
		r := w.do("GET", c.path, "", c.header)
		if c.ok {
			w.must(r)
			continue
		}
		if r.obj["error_info"] != "Invalid API key" {
			t.Errorf("%s: %s", name, r.body)
		}
		w.refused(r, 401, 1032)
	}
}

// TestWorlds: two keys do not see each other, and neither does a key of another
// dialect with the same letters.
func TestWorlds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(object{"order_id": "shared"})
	other := worldOn(t, w.Server)
	other.refused(other.get("orders/shared"), 404, 1006)
	ids := map[any]bool{}
	for _, x := range []*world{w, other} {
		me := x.must(x.get("me"))
		if me["role"] != "site" || me["site_id"] == nil || ids[me["account_id"]] {
			t.Errorf("me: %v", me)
		}
		ids[me["account_id"]] = true
	}
	// The same letters as a key of the other dialect are another world.
	status, o := w.Control(t, http.Header{"Authorization": {"Bearer sk_test_" + w.key}}, "GET", "account", "")
	mine := w.control("GET", "account", "")
	if status != 200 || o["account"] == mine["account"] {
		t.Errorf("%d: %v is also the account of sk_test_ and the same letters", status, o["account"])
	}
	if merchant.AccountFor(w.key) == mine["account"] {
		t.Error("the account is what the bare letters hash to")
	}
	for name, h := range map[string]http.Header{"api-key": {"Api-Key": {w.key}}, "bearer": {"Authorization": {"Bearer " + w.key}}} {
		if status, o := w.Control(t, h, "GET", "account", ""); status != 200 || o["account"] != mine["account"] {
			t.Errorf("control API with %s: %d %v", name, status, o)
		}
	}
	token := w.must(w.get("auth/api_token"))["api_token"].(string)
	if status, _ := w.Control(t, http.Header{"Api_key": {token}}, "POST", "reset", ""); status != 401 {
		t.Errorf("an API token controls its world: %d", status)
	}
}

// TestRouting is reference §1.1, §1.3 and §1.5.
func TestRouting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(object{"order_id": "a/b c.d_e-f"})
	for _, c := range []struct{ method, path string }{
		{"GET", "orders/a%2Fb%20c.d_e-f"}, {"GET", "orders/a%2Fb%20c.d_e-f/"}, {"GET", "orders/a%2Fb%20c.d_e-f?order_id=x&locale=en_US&unknown=1"},
		{"GET", "gateways"}, {"GET", "gateways/"}, {"GET", "gateways?locale=en_us&include=coupons"},
	} {
		w.must(w.do(c.method, c.path, "", w.auth()))
	}
	for _, c := range []struct{ method, path string }{
		{"GET", "gateways-wrong"}, {"GET", ""}, {"GET", "orders"}, {"PUT", "orders"}, {"DELETE", "orders/x"}, {"POST", "gateways"}, {"GET", "orders//x"}, {"GET", "orders/../me"},
		{"TRACE", "me"}, {"GET", "orders/%zz"}, {"POST", "auth/api_token"},
	} {
		if c.path == "orders/%zz" {
			continue // the client refuses to send it
		}
		r := w.do(c.method, c.path, "{}", w.auth())
		w.refused(r, 404, 404)
		if r.obj["error_info"] != "Not found" {
			t.Errorf("%s %s: %s", c.method, c.path, r.body)
		}
	}
	// Old clients write PATCH as a POST with a header, and label JSON as a form.
	h := w.auth()
	h.Set("X-HTTP-Method-Override", "PATCH")
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	h.Set("Accept-Encoding", "application/json")
	w.must(w.do("POST", "orders/a%2Fb%20c.d_e-f", `{"tracktrace_code": "3SXXXX", "carrier": "PostNL"}`, h))
	if o := w.order("a/b c.d_e-f"); o["tracktrace_code"] != "3SXXXX" || o["carrier"] != "PostNL" {
		t.Errorf("shipment data: %v", o)
	}
	// HEAD answers as GET does, without the body.
	if r := w.send("HEAD", "/v1/json/me", "", w.auth()); r.status != 200 || len(r.body) != 0 {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}
}

// TestCORS is reference §1.8: only what an API token may read is open to
// browsers.
func TestCORS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const allow = "Access-Control-Allow-Origin"
	token := w.must(w.get("auth/api_token"))["api_token"].(string)
	if !strings.HasPrefix(token, "pub.v2.") {
		t.Fatalf("token %s", token)
	}
	if r := w.do("OPTIONS", "payment-methods", "", nil); r.status != 204 || r.header.Get(allow) != "*" {
		t.Errorf("preflight: %d %v", r.status, r.header)
	}
	if r := w.do("GET", "payment-methods", "", http.Header{"Api_key": {token}}); r.status != 200 || r.header.Get(allow) != "*" {
		t.Errorf("with a token: %d %v", r.status, r.header)
	}
	if r := w.get("payment-methods"); r.status != 200 || r.header.Get(allow) != "" {
		t.Errorf("with a key: %d %v", r.status, r.header)
	}
	if r := w.do("OPTIONS", "me", "", nil); r.header.Get(allow) != "" {
		t.Errorf("preflight of what a token may not read: %v", r.header)
	}
	for _, path := range []string{"me", "orders/x", "transactions", "auth/api_token"} {
		r := w.do("GET", path, "", http.Header{"Api_key": {token}})
		w.refused(r, 401, 1032)
		if r.header.Get(allow) != "" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
	w.Clock.Advance(600e9)
	w.refused(w.do("GET", "payment-methods", "", http.Header{"Api_key": {token}}), 401, 1032)
	for _, c := range []struct {
		in string
		ok bool
	}{{"600", true}, {"1", true}, {"0", false}, {"601", false}, {"x", false}} {
		r := w.get("auth/api_token?expires_in=" + c.in)
		if c.ok {
			w.must(r)
			continue
		}
		w.refused(r, 404, 1001)
		if r.obj["error_info"] != "Incorrect format" {
			t.Errorf("expires_in %s: %s", c.in, r.body)
		}
	}
}

// TestEmission is reference §1.9: compact, sorted, raw.
func TestEmission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.post("orders", orderWith(object{"type": "direct", "order_id": "007", "description": "Tea & biscuits, café/茶 \u2028 \"quoted\"", "var1": "1 > 0"}))
	o := w.must(r)
	body := string(r.body)
	for _, want := range []string{`"order_id":"007"`, `Tea & biscuits, café/茶 ` + "\u2028" + ` \"quoted\"`, `"amount":1000,`, `"var1":"1 > 0"`, `"items":null`, `"related_transactions":null`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if strings.Contains(body, ": ") || strings.Contains(body, "\n") || strings.Contains(body, `\u0026`) || strings.Contains(body, `\/`) {
		t.Errorf("not compact and raw: %s", body)
	}
	if strings.Index(body, `"amount":`) > strings.Index(body, `"created":`) || strings.Index(body, `"status":`) > strings.LastIndex(body, `"transaction_id":`) {
		t.Errorf("keys are not sorted: %s", body)
	}
	if o["order_id"] != "007" {
		t.Errorf("order_id %v", o["order_id"])
	}
}
