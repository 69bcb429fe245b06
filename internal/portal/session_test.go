package portal_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/portal"
	"github.com/ducatpay/ducat/internal/reqlog"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// provision gives an account a secret key of its own and returns it.
func (w *world) provision(kind string) (m merchant.Merchant, key string) {
	w.t.Helper()
	account := "acct_1" + keys.Random(15)
	m = merchant.Merchant{ID: merchant.IDFor(account, true), Account: account, Live: true, Created: wiretest.Start, Profile: merchant.NewSandbox("", wiretest.Start).Profile}
	m.Profile.Provisioned, m.Profile.Name = true, "A live shop"
	key = map[string]string{"secret": "sk", "publishable": "pk", "restricted": "rk"}[kind] + "_live_5" + strings.TrimPrefix(account, "acct_") + keys.Random(82)
	ctx := context.Background()
	if err := w.Store.CreateMerchant(ctx, m); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Store.PutCredential(ctx, store.Credential{Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: kind, Created: wiretest.Start}); err != nil {
		w.t.Fatal(err)
	}
	return m, key
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		_, live := w.provision("secret")
		_, publishable := w.provision("publishable")
		_, restricted := w.provision("restricted")
		for name, key := range map[string]string{
			"sandbox": w.key, "white space around it": "  " + w.key + "\n", "without a prefix": keys.Random(40), "client id": "SANDBOX_" + keys.Random(16), "live": live,
		} {
			if p := w.Visitor(t).SignIn(key); p.Status != http.StatusOK || p.Path != "/portal/payments" || p.Has("Test mode") != (name != "live") {
				t.Errorf("%s: %d at %s: %s", name, p.Status, p.Path, p.Said())
			}
		}
		for name, c := range map[string]struct{ key, says string }{
			"publishable":      {publishable, "secret key, not a publishable one"},
			"test publishable": {strings.Replace(w.key, "sk_", "pk_", 1), "secret key, not a publishable one"},
			"restricted":       {restricted, "secret key, not a restricted one"},
			"nothing":          {"", "Enter the secret key"},
			"two words":        {"sk_test_ 12345678", "Enter the secret key"},
			"not text":         {"sk_test_1234567\x00", "Enter the secret key"},
			"too long":         {strings.Repeat("x", 600), "Enter the secret key"},
			"no key's form":    {"hunter2", "Invalid API Key provided"},
			"unknown live":     {"sk_live_" + keys.Random(99), "Invalid API Key provided: sk_live_***"},
			"a session":        {"ducat_" + keys.Random(40), "Invalid API Key"},
		} {
			v := w.Visitor(t)
			p := v.SignIn(c.key)
			if p.Status != http.StatusBadRequest || !p.Has(c.says, "Sign in") {
				t.Errorf("%s: %d: %s", name, p.Status, p.Said())
			}
			if p := v.Get("/portal/payments"); p.Path != "/portal/sign-in?next=%2Fportal%2Fpayments" {
				t.Errorf("%s: signed in all the same: %s", name, p.Path)
			}
		}
	})
}

// TestKeysAreNotKept: neither the cookie nor what is stored tells the key.
func TestKeysAreNotKept(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	cookies := w.cookies()
	if len(cookies) != 2 {
		t.Fatalf("%v", cookies)
	}
	for _, c := range cookies {
		if strings.Contains(c.Value, w.key[8:]) || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/portal" || c.Secure {
			t.Errorf("%v", c)
		}
	}
	for name, h := range map[string]http.Handler{
		"TLS here":      w.Handler,
		"TLS before us": w.behindTLS(),
	} {
		r := httptest.NewRequest("GET", "/portal/sign-in", nil)
		if name == "TLS here" {
			r.TLS = &tls.ConnectionState{}
		}
		res := httptest.NewRecorder()
		h.ServeHTTP(res, r)
		if c := res.Result().Cookies(); len(c) != 1 || !c[0].Secure {
			t.Errorf("%s: %v", name, c)
		}
	}
	if again := w.cookies(); again[0].Value == cookies[0].Value {
		t.Error("two sessions have the same cookie")
	}
}

// behindTLS is the portal of a server whose public address is one of TLS.
func (w *world) behindTLS() http.Handler {
	return portal.New(portal.Options{Engine: w.Engine, Fronts: []portal.Front{w.Stripe}, Secure: true, Log: slog.Default(), Mark: func(string) string { return "" }})
}

// TestRequestsAreLogged: the request log says whose account was looked at, and why
// something was refused.
func TestRequestsAreLogged(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	cookie := w.cookies()[0]
	_, account := w.Control(t, bearer(w.key), "GET", "account", "")
	for path, code := range map[string]string{"/portal/payments": "", "/portal/payments?find=x": "no_payment", "/portal/balance?from=x": "bad_period"} {
		answer := recorded{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("GET", path, nil)
		r.AddCookie(cookie)
		w.behindTLS().ServeHTTP(&answer, r)
		if record := answer.record; record.Account != account["account"] || record.ErrorCode != code {
			t.Errorf("%s: %+v", path, record)
		}
	}
}

// recorded is an answer and what the request log is told about it.
type recorded struct {
	*httptest.ResponseRecorder
	record reqlog.Record
}

// Record implements reqlog.Recorder.
func (r *recorded) Record() *reqlog.Record { return &r.record }

// cookies are those that signing in gives.
func (w *world) cookies() []*http.Cookie {
	w.t.Helper()
	get := httptest.NewRecorder()
	w.Handler.ServeHTTP(get, httptest.NewRequest("GET", "/portal/sign-in", nil))
	form := get.Result().Cookies()[0]
	page := wiretest.Page{Body: get.Body.String()}
	post := httptest.NewRequest("POST", "/portal/sign-in", strings.NewReader(url.Values{"token": {page.Hidden("/portal/sign-in", "token")}, "key": {w.key}}.Encode()))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	post.AddCookie(form)
	res := httptest.NewRecorder()
	w.Handler.ServeHTTP(res, post)
	if res.Code != http.StatusSeeOther {
		w.t.Fatalf("%d %s", res.Code, res.Body)
	}
	return res.Result().Cookies()
}

// TestSessionsEnd: by signing out, by time, and with their key.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		in := func(v *wiretest.Visitor) bool {
			t.Helper()
			return v.Get("/portal/payments").Path == "/portal/payments"
		}

		v := w.signedIn().Visitor
		stolen := w.Visitor(t)
		at, err := url.Parse(w.URL + "/portal")
		if err != nil {
			t.Fatal(err)
		}
		stolen.Jar.SetCookies(at, v.Jar.Cookies(at))
		if !in(v) || !in(stolen) {
			t.Fatal("a session is not one")
		}
		if p := v.Post(v.Get("/portal/payments"), "/portal/sign-out"); p.Path != "/portal/sign-in" {
			t.Errorf("signed out to %s", p.Path)
		}
		if in(v) || in(stolen) {
			t.Error("the session goes on after signing out")
		}

		v = w.signedIn().Visitor
		w.Clock.Advance(12*time.Hour - time.Millisecond)
		if !in(v) {
			t.Error("the session ended early")
		}
		w.Clock.Advance(time.Millisecond)
		if in(v) {
			t.Error("the session never ends")
		}

		m, key := w.provision("secret")
		v = w.Visitor(t)
		v.SignIn(key)
		if !in(v) {
			t.Fatal("no session with a live key")
		}
		if err := w.Store.PutCredential(ctx, store.Credential{Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: "secret", Created: wiretest.Start, Revoked: true}); err != nil {
			t.Fatal(err)
		}
		if in(v) {
			t.Error("the session outlives its key")
		}

		v = w.signedIn().Visitor
		status, account := w.Control(t, bearer(w.key), "GET", "account", "")
		if status != http.StatusOK {
			t.Fatal(status)
		}
		if err := w.Engine.Update(ctx, merchant.IDFor(account["account"].(string), false), engine.Cause{}, func(t *engine.Tx) error {
			t.Who.Profile.Provisioned = true
			return t.UpdateMerchant(t.Who)
		}); err != nil {
			t.Fatal(err)
		}
		if in(v) {
			t.Error("a sandbox's session opens an account that has keys of its own")
		}
	})
}

// TestForgery: nothing is changed by a post that no page of the session made.
func TestForgery(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		_, id := w.paid()
		v := w.signedIn()
		at := "/portal/payments/" + id
		page := v.Get(at)
		version := page.Hidden(at+"/refund", "version")
		token := page.Hidden(at+"/refund", "token")
		other := w.signedIn().Get(at).Hidden(at+"/refund", "token")
		if token == "" || token == other {
			t.Fatalf("tokens %q and %q", token, other)
		}
		form := func(token string) url.Values {
			return url.Values{"token": {token}, "version": {version}, "amount": {"1.00"}, "reason": {""}, "method": {"card"}}
		}
		for _, action := range []string{at + "/refund", at + "/resend", "/portal/settings/methods", "/portal/sign-out"} {
			for name, f := range map[string]url.Values{"no token": form(""), "another session's": form(other), "a guess": form(strings.Repeat("0", 32))} {
				if p := v.Do("POST", action, f); p.Status != http.StatusForbidden || !p.Has("does not come from a page of your session") {
					t.Errorf("%s, %s: %d %s", action, name, p.Status, p.Said())
				}
			}
			for name, h := range map[string]http.Header{
				"fetch metadata": {"Sec-Fetch-Site": {"cross-site"}}, "origin": {"Origin": {"https://evil.example"}}, "sandboxed frame": {"Origin": {"null"}},
			} {
				v.Header = h
				if p := v.Do("POST", action, form(token)); p.Status != http.StatusForbidden {
					t.Errorf("%s, %s: %d %s", action, name, p.Status, p.Said())
				}
				v.Header = http.Header{}
			}
			if p := w.Visitor(t).Do("POST", action, form(token)); p.Path != "/portal/sign-in" {
				t.Errorf("%s, nobody: %d at %s", action, p.Status, p.Path)
			}
			if p := v.Get(action); p.Status != http.StatusNotFound && p.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s by GET: %d", action, p.Status)
			}
		}
		if p := v.Get(at); !p.Has("€50.99 EUR can be refunded") {
			t.Errorf("changed: %s", p.Said())
		}

		// Signing in is protected in the same way, before there is a session.
		stranger := w.Visitor(t)
		enter := stranger.Get("/portal/sign-in")
		for name, token := range map[string]string{"no token": "", "another visitor's": w.Visitor(t).Get("/portal/sign-in").Hidden("/portal/sign-in", "token")} {
			if p := stranger.Post(enter, "/portal/sign-in", "token", token, "key", w.key); p.Status != http.StatusForbidden {
				t.Errorf("sign in, %s: %d", name, p.Status)
			}
		}
		stranger.Header.Set("Sec-Fetch-Site", "cross-site")
		if p := stranger.Post(enter, "/portal/sign-in", "key", w.key); p.Status != http.StatusForbidden {
			t.Errorf("sign in from elsewhere: %d", p.Status)
		}
		stranger.Header.Set("Sec-Fetch-Site", "same-origin")
		if p := stranger.Post(enter, "/portal/sign-in", "key", strings.Repeat("k", 20<<10)); p.Status != http.StatusBadRequest {
			t.Errorf("a form of 20 KiB: %d", p.Status)
		}
		if p := stranger.Post(enter, "/portal/sign-in", "key", w.key, "key", "hunter2"); p.Status != http.StatusBadRequest || !p.Has(`"key" was sent more than once`) {
			t.Errorf("two keys: %d %s", p.Status, p.Said())
		}
		if p := stranger.Post(enter, "/portal/sign-in", "key", w.key); p.Path != "/portal/payments" {
			t.Errorf("at last: %s", p.Path)
		}
	})
}

// TestNext: signing in leads back to the page that was asked for, and nowhere else.
func TestNext(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	for next, lands := range map[string]string{
		"/portal/settings": "/portal/settings", "/portal/payments?state=paid": "/portal/payments?state=paid", "": "/portal/payments",
		"https://evil.example/portal": "/portal/payments", "//evil.example": "/portal/payments", `/portal/\evil.example`: "/portal/payments",
		"/portalx": "/portal/payments", "javascript:alert(1)": "/portal/payments",
	} {
		v := w.Visitor(t)
		page := v.Get("/portal/sign-in?next=" + url.QueryEscape(next))
		if p := v.Post(page, "/portal/sign-in", "key", w.key); p.Path != lands {
			t.Errorf("%q leads to %q, want %q", next, p.Path, lands)
		}
		if p := v.Post(page, "/portal/sign-in", "key", w.key, "next", next); p.Status == http.StatusOK && p.Path != lands {
			t.Errorf("%q, posted, leads to %q, want %q", next, p.Path, lands)
		}
	}
}

// TestHeadersOnEveryAnswer: no page of the portal is framed, kept, indexed, or able
// to load anything from elsewhere.
func TestHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	_, id := w.paid()
	v := w.signedIn()
	for _, path := range []string{
		"/portal/sign-in", "/portal", "/portal/", "/portal/payments", "/portal/payments/" + id, "/portal/payments/none", "/portal/settings",
		"/portal/balance", "/portal/balance?from=x", "/portal/transfers.csv", "/portal/nothing", "/portal/logs/req_1",
	} {
		p := v.Get(path)
		want := map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"Cache-Control":           "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex",
		}
		for name, value := range want {
			if got := p.Header.Get(name); got != value {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
		if strings.Contains(p.Body, "<script") || strings.Contains(p.Body, "style=") || strings.Contains(p.Body, "ZgotmplZ") || p.Status >= 500 {
			t.Errorf("%s: %d %s", path, p.Status, p.Body)
		}
	}
}
