package antom_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAuthorizationWalk(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		c := w.consulted("GCASH", "st-1")
		page := c["normalUrl"].(string)
		if c["authUrl"] != page || !strings.HasPrefix(page, w.URL+"/pay/agreements/") {
			t.Fatalf("consult %v", c)
		}
		if r := w.raw("GET", strings.TrimPrefix(page, w.URL), nil, nil); r.status != 200 || !strings.Contains(string(r.body), "GCash") {
			t.Fatalf("page %d: %s", r.status, r.body)
		}
		if r := w.raw("GET", strings.TrimPrefix(page, w.URL)+"/code.png", nil, nil); r.status != 200 || r.header.Get("Content-Type") != "image/png" || len(r.body) < 100 {
			t.Errorf("code %d %s", r.status, r.header.Get("Content-Type"))
		}
		// The same state again, while nobody has decided, is the same page.
		if again := w.consulted("GCASH", "st-1"); again["normalUrl"] != page {
			t.Errorf("another page: %v", again["normalUrl"])
		}
		back := w.decide(page, "authorize")
		code := back.Query().Get("authCode")
		if got := back.String(); got != "https://shop.example/back?u=7&authCode="+code+"&authState=st-1" || len(code) != 32 {
			t.Errorf("returned to %s", got)
		}
		if r := w.raw("GET", strings.TrimPrefix(page, w.URL), nil, nil); r.status != http.StatusFound || r.header.Get("Location") != back.String() {
			t.Errorf("coming back: %d %s", r.status, r.header.Get("Location"))
		}
		told := w.heard("authorizationNotifyType", "AUTHCODE_CREATED")
		if len(told) != 1 || told[0]["authCode"] != code || told[0]["authState"] != "st-1" || told[0]["result"].(object)["resultStatus"] != "S" {
			t.Errorf("told %v", told)
		}
		w.is(w.call("/v1/authorizations/consult", consultation("GCASH", "st-1")), "REPEAT_REQ_INCONSISTENT", "F")

		apply := object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "GCASH", "authCode": code}
		tk := w.ok(w.call("/v1/authorizations/applyToken", apply))
		if len(tk["accessToken"].(string)) > 128 || tk["accessTokenExpiryTime"] != "2027-03-09T09:00:00+08:00" || tk["refreshTokenExpiryTime"] != "2027-09-10T09:00:00+08:00" ||
			tk["userLoginId"] != "63****321" || tk["pspCustomerInfo"].(object)["pspName"] != "GCash" {
			t.Errorf("tokens %v", tk)
		}
		// The same call again within ten minutes gives the same tokens, then no more.
		if again := w.ok(w.call("/v1/authorizations/applyToken", apply)); again["accessToken"] != tk["accessToken"] || again["refreshToken"] != tk["refreshToken"] {
			t.Errorf("other tokens: %v", again)
		}
		w.advance(10 * time.Minute)
		w.is(w.call("/v1/authorizations/applyToken", apply), "INVALID_CODE", "F")

		refresh := object{"grantType": "refresh_token", "customerBelongsTo": "GCASH", "refreshToken": tk["refreshToken"]}
		second := w.ok(w.call("/v1/authorizations/applyToken", refresh))
		if second["accessToken"] == tk["accessToken"] || second["refreshToken"] == tk["refreshToken"] {
			t.Error("refreshed to the same tokens")
		}
		if again := w.ok(w.call("/v1/authorizations/applyToken", refresh)); again["accessToken"] != second["accessToken"] {
			t.Error("the repeat of a refresh gave other tokens")
		}
		w.paid(tk["accessToken"].(string), "grace") // still good for ten minutes
		w.advance(10 * time.Minute)
		w.is(w.pay(payment("GCASH", tk["accessToken"].(string), "over", amount(14_900, "PHP"))), "INVALID_ACCESS_TOKEN", "F")
		w.is(w.call("/v1/authorizations/applyToken", refresh), "INVALID_CODE", "F")
		access := second["accessToken"].(string)
		w.paid(access, "good")
		if q := w.ok(w.call("/v1/authorizations/query", object{"accessToken": access})); q["tokenStatusType"] != "ACTIVE" || q["refreshToken"] != second["refreshToken"] {
			t.Errorf("query %v", q)
		}

		w.ok(w.call("/v1/authorizations/revoke", object{"accessToken": access}))
		w.is(w.call("/v1/authorizations/revoke", object{"accessToken": access}), "INVALID_ACCESS_TOKEN", "F")
		w.is(w.pay(payment("GCASH", access, "revoked", amount(14_900, "PHP"))), "INVALID_ACCESS_TOKEN", "F")
		w.is(w.call("/v1/authorizations/applyToken", object{"grantType": "REFRESH_TOKEN", "customerBelongsTo": "GCASH", "refreshToken": second["refreshToken"]}), "INVALID_CODE", "F")
		if q := w.ok(w.call("/v1/authorizations/query", object{"accessToken": access})); q["tokenStatusType"] != "CANCELLED" {
			t.Errorf("query after revoke %v", q)
		}
		gone := w.heard("authorizationNotifyType", "TOKEN_CANCELED")
		if len(gone) != 1 || gone[0]["accessToken"] != access {
			t.Errorf("told %v", gone)
		}
	})
}

func TestDeclineAndExpiry(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	c := w.consulted("ALIPAY_HK", "st-no")
	if back := w.decide(c["normalUrl"].(string), "decline"); back.String() != "https://shop.example/back?u=7&authState=st-no" {
		t.Errorf("declined, returned to %s", back)
	}
	w.decide(c["normalUrl"].(string), "authorize") // too late to change one's mind
	if told := w.heard("authorizationNotifyType", "AUTHCODE_CREATED"); len(told) != 0 {
		t.Errorf("told %v", told)
	}
	if again := w.consulted("ALIPAY_HK", "st-no"); again["normalUrl"] == c["normalUrl"] {
		t.Error("the declined page is offered again")
	}
	late := w.consulted("ALIPAY_HK", "st-late")["normalUrl"].(string)
	w.advance(15 * time.Minute)
	if r := w.raw("POST", strings.TrimPrefix(late, w.URL), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte("decision=authorize")); r.status != 200 || strings.Contains(string(r.body), "authCode") {
		t.Errorf("an expired link: %d %s", r.status, r.body)
	}
	code := w.code("ALIPAY_HK")
	w.advance(10 * time.Minute)
	w.is(w.call("/v1/authorizations/applyToken", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "ALIPAY_HK", "authCode": code}), "EXPIRED_CODE", "F")
}

// TestConsultURLs is the table of antom §5.1 by terminal.
func TestConsultURLs(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, c := range []struct {
		method, terminal string
		want             string // members beside the result
	}{
		{"GCASH", "WEB", "authCodeForm authUrl normalUrl"}, {"GCASH", "WAP", "appIdentifier applinkUrl authUrl normalUrl schemeUrl"},
		{"GCASH", "APP", "appIdentifier applinkUrl authUrl normalUrl schemeUrl"}, {"ALIPAY_CN", "WEB", "authCodeForm authUrl normalUrl"},
		{"ALIPAY_CN", "APP", "appIdentifier authUrl normalUrl"}, {"TRUEMONEY", "WEB", "authUrl"}, {"TRUEMONEY", "APP", "appIdentifier applinkUrl authUrl"},
		{"BOOST", "WEB", "authUrl normalUrl"}, {"ZALOPAY", "WAP", "authUrl normalUrl"}, {"DANA", "APP", "appIdentifier applinkUrl authUrl normalUrl"},
		{"DIRECT_DEBIT_KRUNGTHAIBANK", "WEB", "authUrl normalUrl"},
	} {
		body := with(consultation(c.method, "st-"+c.method+c.terminal), object{"terminalType": c.terminal, "osType": "ANDROID"})
		o := w.ok(w.call("/v1/authorizations/consult", body))
		var got []string
		for _, k := range []string{"appIdentifier", "applinkUrl", "authCodeForm", "authUrl", "normalUrl", "schemeUrl"} {
			if o[k] != nil {
				got = append(got, k)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s on %s: %v, want %s", c.method, c.terminal, got, c.want)
		}
	}
	env := consultation("GCASH", "st-env")
	delete(env, "terminalType")
	env["env"] = object{"terminalType": "WAP", "osType": "IOS"}
	if o := w.ok(w.call("/v1/authorizations/consult", env)); o["schemeUrl"] == nil {
		t.Errorf("the terminal in env is not seen: %v", o)
	}
	changed := consultation("GCASH", "st-env")
	changed["authRedirectUrl"] = "myapp://back"
	first := w.ok(w.call("/v1/authorizations/consult", consultation("GCASH", "st-new")))["normalUrl"].(string)
	changed["authState"] = "st-new"
	second := w.ok(w.call("/v1/authorizations/consult", changed))["normalUrl"].(string)
	if first == second {
		t.Error("another content got the same page")
	}
	w.decide(first, "authorize")
	if told := w.heard("authorizationNotifyType", "AUTHCODE_CREATED"); len(told) != 0 {
		t.Errorf("the replaced page still agrees: %v", told)
	}
	if back := w.decide(second, "authorize"); back.Scheme != "myapp" || back.Query().Get("authCode") == "" {
		t.Errorf("returned to %s", back)
	}
}

func TestRevokeInWallet(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, c := range []struct {
		method, currency string
		status, heard    int
	}{{"ALIPAY_CN", "CNY", 200, 1}, {"TRUEMONEY", "THB", 200, 0}, {"KAKAOPAY", "KRW", 400, 0}} {
		before := len(w.heard("authorizationNotifyType", "TOKEN_CANCELED"))
		token := w.token(c.method)
		if status, o := w.controlStatus("POST", "antom/revoke", object{"access_token": token}); status != c.status {
			t.Errorf("%s: %d %v", c.method, status, o)
		}
		if n := len(w.heard("authorizationNotifyType", "TOKEN_CANCELED")) - before; n != c.heard {
			t.Errorf("%s: heard %d times, want %d", c.method, n, c.heard)
		}
		want := "INVALID_ACCESS_TOKEN"
		if c.status != 200 {
			want = "SUCCESS"
		}
		if r := w.pay(payment(c.method, token, "after-"+c.method, amount(10_000, c.currency))); r.code() != want {
			t.Errorf("%s: pay answers %s, want %s", c.method, r.body, want)
		}
	}
	// On the page, too.
	page := w.consulted("TNG", "st-page")["normalUrl"].(string)
	code := w.decide(page, "authorize").Query().Get("authCode")
	w.ok(w.call("/v1/authorizations/applyToken", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "TNG", "authCode": code}))
	if r := w.raw("GET", strings.TrimPrefix(page, w.URL), nil, nil); r.status != 200 || !strings.Contains(string(r.body), `value="revoke"`) {
		t.Errorf("the wallet's page: %d %s", r.status, r.body)
	}
	before := len(w.heard("authorizationNotifyType", "TOKEN_CANCELED"))
	if r := w.raw("POST", strings.TrimPrefix(page, w.URL), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte("decision=revoke")); r.status != 200 {
		t.Errorf("revoking: %d %s", r.status, r.body)
	}
	if n := len(w.heard("authorizationNotifyType", "TOKEN_CANCELED")) - before; n != 1 {
		t.Errorf("heard %d times", n)
	}
}

func TestNothingIsSentWithoutAddress(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.settings()
	token := w.token("GCASH")
	w.paid(token, "silent")
	w.advance(time.Minute)
	if all := w.shop.All(); len(all) != 0 {
		t.Errorf("sent %v", all)
	}
	w.settings("antom.notify_token_created", "true")
	c := with(consultation("GCASH", "st-url"), object{"authNotifyUrl": w.shop.URL + "/auth?x=1"})
	page := w.ok(w.call("/v1/authorizations/consult", c))["normalUrl"].(string)
	code := w.decide(page, "authorize").Query().Get("authCode")
	w.ok(w.call("/v1/authorizations/applyToken", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "GCASH", "authCode": code}))
	if len(w.heard("authorizationNotifyType", "AUTHCODE_CREATED")) != 1 || len(w.heard("authorizationNotifyType", "TOKEN_CREATED")) != 1 {
		t.Error("the address of the request is not used")
	}
}

// TestConsultAtOnce: consults with the same authState that are sent at the same
// time are about one authorization.
func TestConsultAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for _, state := range []string{"once-1", "once-2", "once-3"} {
			pages := make([]any, 4)
			var wg sync.WaitGroup
			for i := range pages {
				wg.Go(func() { pages[i] = w.call("/v1/authorizations/consult", consultation("GCASH", state)).obj["normalUrl"] })
			}
			wg.Wait()
			for _, page := range pages {
				if page == nil || page != pages[0] {
					t.Errorf("%s: pages %v", state, pages)
					break
				}
			}
		}
	})
}
