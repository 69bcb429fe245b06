package portal_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// awkward are texts that a database, a header or a page might stumble over.
var awkward = []string{
	"\x00", "pay_\x00", "\xff\xfe", "\r\nSet-Cookie: a=b", "/portal/\r\nSet-Cookie: a=b", "../../v1/charges", "/", "%", "'; drop table payment; --", "<script>alert(1)</script>",
	strings.Repeat("x", 5000), "pay_1" + strings.Repeat("z", 23), "\u202e\u0000",
}

// TestAwkwardTexts: whatever stands where an id, a filter or a day is expected is
// refused in words, and changes nothing.
func TestAwkwardTexts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.api("POST", "/v1/webhook_endpoints", "url", wiretest.NewReceiver(t).URL, "enabled_events[]", "*")
		_, id := w.paid()
		v := w.signedIn()
		at := "/portal/payments/" + id
		page := v.Get(at)
		version, token := page.Hidden(at+"/refund", "version"), page.Hidden(at+"/refund", "token")
		before := v.Get(at).Said()
		fine := func(what, text string, p wiretest.Page, wrong bool) {
			t.Helper()
			if p.Status >= 500 || wrong && p.Status < 400 || strings.Contains(p.Header.Get("Set-Cookie"), "a=b") || strings.Contains(p.Body, "<script") || len(p.Body) > 100_000 {
				t.Errorf("%s of %.40q: %d %v %.300s", what, text, p.Status, p.Header, p.Said())
			}
		}
		for _, text := range awkward {
			in := url.QueryEscape(text)
			fine("find", text, v.Get("/portal/payments?find="+in), true)
			fine("before", text, v.Get("/portal/payments?before="+in), false)
			fine("before, filtered", text, v.Get("/portal/payments?state=paid&before="+in), false)
			fine("state", text, v.Get("/portal/payments?state="+in), true)
			fine("from", text, v.Get("/portal/balance?from="+in), true)
			fine("file", text, v.Get("/portal/transfers.csv?to="+in), true)
			fine("next", text, v.Get("/portal/sign-in?next="+in), false)
			fine("done", text, v.Get("/portal/settings?done="+in), false)
			fine("asset", text, w.Visitor(t).Get("/portal/assets/"+url.PathEscape(text)), true)
			if text != "/" { // a path of its own
				fine("payment", text, v.Get("/portal/payments/"+url.PathEscape(text)), true)
				fine("refund of", text, v.Do("POST", "/portal/payments/"+url.PathEscape(text)+"/refund", url.Values{"token": {token}, "version": {version}, "amount": {"1"}}), true)
				fine("resend of", text, v.Do("POST", "/portal/payments/"+url.PathEscape(text)+"/resend", url.Values{"token": {token}, "id": {"evt_1"}}), true)
			}
			for action, fields := range map[string][]string{
				at + "/refund": {"version", "amount", "reason"}, at + "/resend": {"id", "endpoint"}, "/portal/settings/secret": {"id"}, "/portal/settings/methods": {"method"},
				"/portal/settings/account": {"name", "country", "default_currency", "fee_percent", "settlement_days", "stripe.api_version"},
			} {
				for _, name := range fields {
					form := url.Values{
						"token": {token}, "version": {version}, "amount": {"1.00"}, "reason": {""}, "name": {"Shop"}, "country": {"NL"}, "default_currency": {"EUR"},
						"fee_percent": {"1"}, "fee_fixed": {"1"}, "dispute_fee": {"1"}, "settlement_days": {"x"}, // which is refused
					}
					form.Set(name, text)
					fine(action+" with "+name, text, v.Do("POST", action, form), true)
				}
			}
			stranger := w.Visitor(t)
			fine("key", text, stranger.SignIn(text), true)
		}
		if after := v.Get(at).Said(); after != before {
			t.Errorf("something changed: %s, was %s", after, before)
		}
	})
}

// TestPeriodsWithoutEnd: any two days are a period, also those that no clock of
// ours will ever show.
func TestPeriodsWithoutEnd(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.paid()
		v := w.signedIn()
		for _, q := range []string{"from=0000-01-01&to=9999-12-31", "from=0001-01-01&to=0001-01-01", "from=9999-12-31&to=9999-12-31", "from=1677-01-01&to=2262-12-31"} {
			for _, path := range []string{"/portal/balance?", "/portal/transfers.csv?"} {
				if p := v.Get(path + q); p.Status != http.StatusOK {
					t.Errorf("%s%s: %d %s", path, q, p.Status, p.Said())
				}
			}
		}
		if p := v.Get("/portal/transfers.csv?from=0000-01-01&to=9999-12-31"); strings.Count(p.Body, "\n") < 2 {
			t.Errorf("all of time has no transfers: %s", p.Body)
		}
	})
}

// TestLesserCredentials: what an app, a browser or a stream was given for a
// purpose of its own opens no session, also not as a session's cookie.
func TestLesserCredentials(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		customer := w.api("POST", "/v1/customers")["id"].(string)
		h := bearer(w.key)
		h.Set("Stripe-Version", "2020-08-27")
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		status, body := w.call("POST", "/v1/ephemeral_keys", h, "customer="+customer)
		ephemeral := w.decode(status, body)["secret"].(string)
		intent := w.api("POST", "/v1/payment_intents", "amount", "1099", "currency", "eur")["client_secret"].(string)
		listen := w.api("POST", "/v1/stripecli/sessions", "device_name", "x", "websocket_features[]", "webhooks")
		at, err := url.Parse(w.URL + "/portal")
		if err != nil {
			t.Fatal(err)
		}
		for name, secret := range map[string]string{
			"an app's key": ephemeral, "a client secret": intent, "a tool's secret": listen["secret"].(string), "a socket's id": listen["websocket_id"].(string),
			"a cookie's form": "ducat_" + strings.Repeat("0", 40),
		} {
			v := w.Visitor(t)
			if p := v.SignIn(secret); p.Status != http.StatusBadRequest || strings.Contains(p.Body, secret) {
				t.Errorf("%s: %d %s", name, p.Status, p.Said())
			}
			v.Jar.SetCookies(at, []*http.Cookie{{Name: "ducat_session", Value: secret, Path: "/portal"}})
			if p := v.Get("/portal/payments"); !strings.HasPrefix(p.Path, "/portal/sign-in") {
				t.Errorf("%s as a cookie: %d at %s", name, p.Status, p.Path)
			}
		}
	})
}

// TestFixation: a cookie that somebody planted never becomes a session.
func TestFixation(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	at, err := url.Parse(w.URL + "/portal")
	if err != nil {
		t.Fatal(err)
	}
	planted := &http.Cookie{Name: "ducat_session", Value: "ducat_" + keys.Random(40), Path: "/portal"}
	victim := w.Visitor(t)
	victim.Jar.SetCookies(at, []*http.Cookie{planted})
	if p := victim.SignIn(w.key); p.Path != "/portal/payments" {
		t.Fatalf("%d at %s", p.Status, p.Path)
	}
	attacker := w.Visitor(t)
	attacker.Jar.SetCookies(at, []*http.Cookie{planted})
	if p := attacker.Get("/portal/payments"); !strings.HasPrefix(p.Path, "/portal/sign-in") {
		t.Errorf("the planted cookie is a session: %d at %s", p.Status, p.Path)
	}
}

// TestNextStaysHere: however the page to return to is written, the answer names a
// page of this origin and no second header.
func TestNextStaysHere(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	for _, next := range []string{
		"/portal/..//evil.example", "/portal/../\\evil.example", "/portal/\t//evil.example", "/portal/%0d%0aSet-Cookie:%20a=b", "/portal/\r\nSet-Cookie: a=b",
		"/portal/..%2f%2fevil.example", "/portal/%zz//evil.example", "/portal/.//evil.example", "/portal/%5c%5cevil.example", "/portal/payments?x=\x00", "\t/portal/payments",
		"/portal//evil.example/..//", "/portal#//evil.example", "/portal@evil.example", "/portal/\u2028",
	} {
		v := w.Visitor(t)
		page := v.Get("/portal/sign-in")
		form := url.Values{"token": {page.Hidden("/portal/sign-in", "token")}, "key": {w.key}, "next": {next}}
		req, err := http.NewRequest("POST", w.URL+"/portal/sign-in", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range v.Jar.Cookies(&url.URL{Scheme: "http", Host: strings.TrimPrefix(w.URL, "http://"), Path: "/portal"}) {
			req.AddCookie(c)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		to := res.Header.Get("Location")
		if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t\x00") || len(res.Cookies()) != 2 {
			t.Errorf("%q leads to %d %q with %v", next, res.StatusCode, to, res.Cookies())
		}
	}
}

// TestNothingIsAFormula: what a payer or a program wrote does not reach the file of
// transfers, so that no spreadsheet takes it for a formula.
func TestNothingIsAFormula(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	const formula = `=HYPERLINK("https://evil.example","x")`
	_, id := w.paid("description", formula, "metadata[a]", formula, "payment_method_data[billing_details][name]", formula)
	v := w.signedIn()
	v.refund(id, "1.00")
	file := v.Get("/portal/transfers.csv").Body
	for _, line := range strings.Split(file, "\n") {
		for _, cell := range strings.Split(line, ",") {
			if strings.ContainsAny(strings.TrimLeft(cell, `"`)+" ", `"`) || cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("%s", line)
			}
		}
	}
	if !strings.Contains(file, "refund:") {
		t.Errorf("the refund is missing: %s", file)
	}
}

// TestManyRefunds: a payment that went back in hundreds of parts is still shown and
// still adds up.
func TestManyRefunds(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	intent, id := w.paid()
	const many = 400
	for range many {
		w.api("POST", "/v1/refunds", "payment_intent", intent, "amount", "1")
	}
	w.advance(0)
	p := w.signedIn().Get("/portal/payments/" + id)
	if p.Status != http.StatusOK || !p.Has("€46.99 EUR can be refunded") || strings.Count(p.Body, "refund:") < many || len(p.Body) > 4<<20 {
		t.Errorf("%d, %d bytes, %d refunds: %.2000s", p.Status, len(p.Body), strings.Count(p.Body, "refund:"), p.Said())
	}
}
