package hosted_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/hosted"
)

// agreements is a desk with one agreement.
type agreements struct {
	fakeDesk
	a      hosted.Agreement
	err    error
	asked  []hosted.AgreementDecision
	logins []string
}

func (d *agreements) Agreement(_ context.Context, token string) (hosted.Agreement, error) {
	if token != "good" {
		return hosted.Agreement{}, hosted.ErrNotFound
	}
	return d.a, d.err
}

func (d *agreements) DecideAgreement(_ context.Context, token string, decision hosted.AgreementDecision, login string) (hosted.Agreement, error) {
	if token != "good" {
		return hosted.Agreement{}, hosted.ErrNotFound
	}
	d.asked, d.logins = append(d.asked, decision), append(d.logins, login)
	d.a.State, d.a.Active = hosted.Done, false
	return d.a, d.err
}

func openAgreement() hosted.Agreement {
	return hosted.Agreement{
		State: hosted.Open, MethodName: "GCash", MethodKey: "gcash", Merchant: `<b>Shop & Söhne</b>`, ExpiresAt: opened.Add(15 * time.Minute), Now: opened,
		ReturnURL: "https://shop.example/back?authState=s", Details: []hosted.Detail{{Label: "Scopes", Value: `"><script>`}},
	}
}

func agreementCall(d hosted.Desk, method, path, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for k, v := range header {
		r.Header[k] = v
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	hosted.New(d, hosted.Options{Log: slog.New(slog.DiscardHandler)}).ServeHTTP(w, r)
	return w
}

func TestAgreementPage(t *testing.T) {
	t.Parallel()
	d := &agreements{a: openAgreement()}
	w := agreementCall(d, "GET", "/pay/agreements/good", "", nil)
	page := w.Body.String()
	for _, want := range []string{"Allow automatic payments with GCash", "&lt;b&gt;Shop &amp; Söhne&lt;/b&gt;", `value="authorize"`, `value="decline"`, `src="/pay/agreements/good/code.png"`, "25 Nov 2025"} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %s in %s", want, page)
		}
	}
	if w.Code != 200 || strings.Contains(page, "<script>") || strings.Contains(page, "<b>Shop") || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if zh := agreementCall(d, "GET", "/pay/agreements/good?lang=zh", "", nil).Body.String(); !strings.Contains(zh, "授权GCash") {
		t.Errorf("Chinese: %s", zh)
	}
	if w := agreementCall(d, "GET", "/pay/agreements/good/code.png", "", nil); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "\x89PNG") {
		t.Errorf("code: %d", w.Code)
	}
	w = agreementCall(d, "POST", "/pay/agreements/good", "decision=authorize&login=%20me%0A%20", nil)
	if w.Code != 303 || w.Header().Get("Location") != "https://shop.example/back?authState=s" || d.logins[0] != "me" {
		t.Errorf("agreed: %d %s, login %q", w.Code, w.Header().Get("Location"), d.logins)
	}
	if w := agreementCall(d, "GET", "/pay/agreements/good", "", nil); w.Code != 302 {
		t.Errorf("coming back: %d", w.Code)
	}
	d.a.Active, d.a.Revocable, d.a.Payer = true, true, "me"
	if page := agreementCall(d, "GET", "/pay/agreements/good", "", nil).Body.String(); !strings.Contains(page, `value="revoke"`) || strings.Contains(page, `value="authorize"`) {
		t.Errorf("the wallet's page: %s", page)
	}
	d.a.Revocable = false
	if page := agreementCall(d, "GET", "/pay/agreements/good", "", nil).Body.String(); strings.Contains(page, `value="revoke"`) {
		t.Error("a wallet that does not let payers withdraw offers it")
	}
	if w := agreementCall(d, "POST", "/pay/agreements/good", "decision=revoke", nil); w.Code != 200 || d.asked[1] != hosted.Withdraw {
		t.Errorf("withdrawn: %d, %v", w.Code, d.asked)
	}
	d.a.State, d.a.Active = hosted.Expired, false
	if w := agreementCall(d, "GET", "/pay/agreements/good", "", nil); w.Code != 200 || strings.Contains(w.Body.String(), "decision") {
		t.Errorf("expired: %d %s", w.Code, w.Body)
	}
}

func TestAgreementPageRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method, path, body string
		header                   http.Header
		want                     int
	}{
		{"unknown", "GET", "/pay/agreements/other", "", nil, 404},
		{"malformed", "GET", "/pay/agreements/a%20b", "", nil, 404},
		{"unknown code", "GET", "/pay/agreements/other/code.png", "", nil, 404},
		{"unknown, deciding", "POST", "/pay/agreements/other", "decision=authorize", nil, 404},
		{"no decision", "POST", "/pay/agreements/good", "x=y", nil, 400},
		{"unknown decision", "POST", "/pay/agreements/good", "decision=cancel", nil, 400},
		{"twice", "POST", "/pay/agreements/good", "decision=authorize&decision=decline", nil, 400},
		{"by a link", "POST", "/pay/agreements/good?decision=authorize", "x=y", nil, 400},
		{"long login", "POST", "/pay/agreements/good", "decision=authorize&login=" + strings.Repeat("a", 41), nil, 400},
		{"other site", "POST", "/pay/agreements/good", "decision=authorize", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"method", "DELETE", "/pay/agreements/good", "", nil, 405},
		{"large", "POST", "/pay/agreements/good", "decision=" + strings.Repeat("a", 1<<17), nil, 413},
	} {
		d := &agreements{a: openAgreement()}
		if w := agreementCall(d, c.method, c.path, c.body, c.header); w.Code != c.want || len(d.asked) != 0 {
			t.Errorf("%s: %d, want %d; decided %v", c.name, w.Code, c.want, d.asked)
		}
	}
	if w := agreementCall(&fakeDesk{}, "GET", "/pay/agreements/good", "", nil); w.Code != 404 {
		t.Errorf("a desk without agreements: %d", w.Code)
	}
	if w := agreementCall(&agreements{err: errors.New("outage")}, "GET", "/pay/agreements/good", "", nil); w.Code != 500 || strings.Contains(w.Body.String(), "outage") {
		t.Errorf("an outage: %d %s", w.Code, w.Body)
	}
}
