package stripe_test

import (
	"strings"
	"testing"
)

// TestAccount: the key's own account, by both routes; no other.
func TestAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.must(w.get("/v1/account"))
	if !strings.HasPrefix(a["id"].(string), "acct_1") || a["country"] != "US" || a["default_currency"] != "usd" || a["charges_enabled"] != true || a["settings"].(object)["payments"].(object)["statement_descriptor"] != "DUCAT SANDBOX" {
		t.Errorf("account %v", a)
	}
	if got := w.must(w.get("/v1/accounts/" + a["id"].(string))); got["id"] != a["id"] {
		t.Errorf("by id: %v", got)
	}
	r := w.get("/v1/accounts/acct_1Somebodys0ther")
	if r.status != 403 || r.err()["code"] != "account_invalid" {
		t.Errorf("another: %d %s", r.status, r.body)
	}
	w.control("POST", "account", `{"country": "nl", "default_currency": "eur", "name": "Shop"}`)
	if a := w.must(w.get("/v1/account")); a["country"] != "NL" || a["default_currency"] != "eur" || a["settings"].(object)["dashboard"].(object)["display_name"] != "Shop" {
		t.Errorf("after a change: %v", a)
	}
}

// TestMethodsOff: only known methods can be switched off.
func TestMethodsOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, want := range map[string]int{`{"methods_off": ["alpay"]}`: 400, `{"methods_off": ["alipay"]}`: 200, `{"methods_off": []}`: 200} {
		if s := w.controlStatus("POST", "account", body); s != want {
			t.Errorf("%s: %d, want %d", body, s, want)
		}
	}
}

// TestEmptyScript: rules that were removed or used up leave nothing behind.
func TestEmptyScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left := func(when string) {
		t.Helper()
		if _, ok := w.control("GET", "account", "")["profile"].(object)["script"]; ok {
			t.Errorf("%s: the account still has a script", when)
		}
		if rules := w.control("GET", "script", "")["rules"].([]any); len(rules) != 0 {
			t.Errorf("%s: %v", when, rules)
		}
	}
	w.control("POST", "script", `{"rules": [{"on": "capture", "do": "decline", "reason": "insufficient_funds", "times": 1}]}`)
	if r := w.chargeOf(w.chargeable()); r.status != 402 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	left("used up")
	w.control("POST", "script", `{"rules": [{"on": "refund", "do": "pending"}]}`)
	w.control("POST", "script", `{"rules": []}`)
	left("removed")
	w.control("POST", "script", `{}`)
	left("without rules")
}

// TestScriptRefuses: rules that mean nothing are refused, and those in force stay.
func TestScriptRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.control("POST", "script", `{"rules": [{"on": "refund", "do": "pending"}]}`)
	for _, rule := range []string{
		`{"on": "charge", "do": "decline"}`, `{"on": "capture"}`, `{"on": "capture", "do": "redirect"}`, `{"on": "authorize", "do": "decline approve"}`,
		`{"on": "dispute", "do": "open", "reason": "none"}`, `{"on": "approve", "do": "delay", "delay_seconds": -1}`, `{"on": "capture", "do": "decline", "times": -1}`,
	} {
		if status, o := w.controlAny("POST", "script", `{"rules": [`+rule+`]}`); status != 400 {
			t.Errorf("%s: %d %v", rule, status, o)
		}
	}
	if rules := w.control("GET", "script", "")["rules"].([]any); len(rules) != 1 {
		t.Errorf("what is left: %v", rules)
	}
}

// TestVerifySource: the route is known, and no alipay source can be verified.
func TestVerifySource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/v1/sources/" + w.source()["id"].(string)
	for _, c := range []struct {
		path    string
		params  []string
		status  int
		message string
	}{
		{path + "/verify", nil, 400, "Missing required param: values."},
		{path + "/verify", []string{"values", "12"}, 400, "Invalid array"},
		{path + "/verify", []string{"values[0]", "12"}, 400, "You cannot verify this source: sources of type alipay use the redirect flow, and only sources with the code_verification flow are verified."},
		{"/v1/sources/src_none/verify", []string{"values[]", "12"}, 404, "No such source: 'src_none'"},
	} {
		if r := w.post(c.path, c.params...); r.status != c.status || r.err()["message"] != c.message {
			t.Errorf("%s %v: %d %s", c.path, c.params, r.status, r.body)
		}
	}
	if r := w.get(path + "/source_transactions/srctxn_1"); r.status != 404 || r.err()["code"] != "resource_missing" {
		t.Errorf("transaction: %d %s", r.status, r.body)
	}
}

// TestCaptureOfAFailedCharge says that it failed.
func TestCaptureOfAFailedCharge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := w.chargeable("metadata[ducat_scenario]", "insufficient_funds")
	id := w.chargeOf(src).err()["charge"].(string)
	if r := w.post("/v1/charges/" + id + "/capture"); r.status != 400 || r.err()["code"] != "capture_unauthorized_payment" || r.err()["message"] != "Charge "+id+" has failed and cannot be captured." {
		t.Errorf("%d %s", r.status, r.body)
	}
}
