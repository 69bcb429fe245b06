package antom_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/antom"
	"github.com/ducatpay/ducat/internal/wire/antom/signature"
)

func TestTransport(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	body := []byte(`{"paymentRequestId":"none"}`)
	path := w.prefix + "/v1/payments/inquiryPayment"
	good := w.signed(path, body)
	send := func(method, path string, h map[string]string, b []byte) response {
		t.Helper()
		r := w.raw(method, path, h, b)
		if r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") || r.header.Get("Response-Time") == "" {
			t.Fatalf("answered %d %v: %s", r.status, r.header, r.body)
		}
		return r
	}
	without := func(name string) map[string]string { h := maps.Clone(good); delete(h, name); return h }
	but := func(name, value string) map[string]string { h := maps.Clone(good); h[name] = value; return h }

	// What verifies is answered signed, whatever the answer.
	for _, p := range []string{path, "/ams/api/v1/payments/inquiryPayment", "/ams/sandbox/api//v1/payments/inquiryPayment", path + "?trace=1"} {
		r := send("POST", p, w.signed(p, body), body)
		w.is(r, "ORDER_NOT_EXIST", "F")
		w.authentic(r, p)
	}
	for _, c := range []struct {
		name, method, path string
		headers            map[string]string
		body               string
		code               string
		signed             bool
	}{
		{"unknown path", "POST", w.prefix + "/v1/nothing", w.signed(w.prefix+"/v1/nothing", body), "", "NO_INTERFACE_DEF", true},
		{"outside the API", "POST", "/ams/other", w.signed("/ams/other", body), "", "NO_INTERFACE_DEF", true},
		{"another product", "POST", w.prefix + "/v1/payments/capture", w.signed(w.prefix+"/v1/payments/capture", body), "", "INVALID_API", true},
		{"method", "GET", path, good, "", "METHOD_NOT_SUPPORTED", false},
		{"content type", "POST", path, but("content-type", "text/plain"), "", "MEDIA_TYPE_NOT_ACCEPTABLE", true},
		{"no content type", "POST", path, without("content-type"), "", "MEDIA_TYPE_NOT_ACCEPTABLE", true},
		{"no client", "POST", path, without("client-id"), "", "INVALID_CLIENT", false},
		{"unknown client", "POST", path, but("client-id", "5Y00000000000000"), "", "INVALID_CLIENT", false},
		{"malformed client", "POST", path, but("client-id", "SANDBOX_1"), "", "INVALID_CLIENT", false},
		{"client without key", "POST", path, but("client-id", "SANDBOX_5Y77777777777777"), "", "KEY_NOT_FOUND", false},
		{"key version", "POST", path, but("signature", strings.Replace(good["signature"], "keyVersion=1", "keyVersion=7", 1)), "", "KEY_NOT_FOUND", false},
		{"no signature", "POST", path, without("signature"), "", "INVALID_SIGNATURE", false},
		{"garbage signature", "POST", path, but("signature", "algorithm=RSA256,signature=!"), "", "INVALID_SIGNATURE", false},
		{"other signature", "POST", path, but("signature", w.signed(path, []byte("{}"))["signature"]), "", "INVALID_SIGNATURE", false},
		{"other algorithm", "POST", path, but("signature", strings.Replace(good["signature"], "RSA256", "HMAC", 1)), "", "INVALID_SIGNATURE", false},
		{"other time", "POST", path, but("request-time", "1"), "", "INVALID_SIGNATURE", false},
		{"no time", "POST", path, without("request-time"), "", "INVALID_SIGNATURE", false},
		{"other body", "POST", path, good, `{"paymentRequestId":"other"}`, "INVALID_SIGNATURE", false},
		{"other path", "POST", w.prefix + "/v1/payments/cancel", good, "", "INVALID_SIGNATURE", false},
	} {
		b := body
		if c.body != "" {
			b = []byte(c.body)
		}
		r := send(c.method, c.path, c.headers, b)
		if r.code() != c.code || r.result()["resultStatus"] != "F" {
			t.Errorf("%s: %s, want %s", c.name, r.body, c.code)
		}
		if c.signed {
			w.authentic(r, c.path)
		} else if r.header.Get("Signature") != "" {
			t.Errorf("%s: a refused signature got a signed answer", c.name)
		}
	}
	// A signature that is not percent-encoded, and one without a version.
	h, _ := signature.ParseHeader(good["signature"])
	raw := base64.StdEncoding.EncodeToString(h.Value)
	for _, s := range []string{"algorithm=RSA256, keyVersion=1, signature=" + raw, "signature=" + raw} {
		w.is(send("POST", path, but("signature", s), body), "ORDER_NOT_EXIST", "F")
	}
	if r := w.raw("POST", path, good, make([]byte, 1<<20+1)); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", r.status)
	}
	// Bodies that are not one object change nothing and name what is wrong.
	for _, s := range []string{"", "x", "[]", "null", `"a"`, `{} {}`, `{"a":`, `{"paymentId":{}}`, `{"paymentId":"\u0000"}`, strings.Repeat(`{"a":`, 20_000)} {
		w.is(send("POST", path, w.signed(path, []byte(s)), []byte(s)), "PARAM_ILLEGAL", "F")
	}
}

// TestHeaderCase looks at the bytes: one SDK wants these names in lower case.
func TestHeaderCase(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	r := w.call("/v1/payments/inquiryPayment", object{"paymentRequestId": "none"})
	if got := r.header.Get("Client-Id"); got != w.client {
		t.Errorf("client-id %q", got)
	}
	body := `{"paymentRequestId":"none"}`
	path := w.prefix + "/v1/payments/inquiryPayment"
	var text strings.Builder
	fmt.Fprintf(&text, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n", path, len(body))
	for k, v := range w.signed(path, []byte(body)) {
		fmt.Fprintf(&text, "%s: %s\r\n", k, v)
	}
	answer := w.dial(text.String() + "\r\n" + body)
	for _, name := range []string{"\r\nclient-id: ", "\r\nresponse-time: ", "\r\nsignature: algorithm=RSA256,keyVersion=1,signature="} {
		if !strings.Contains(answer, name) {
			t.Errorf("there is no %q in %s", name, answer)
		}
	}
	// A target in absolute form, as one SDK sends it: the path alone is signed.
	absolute := strings.Replace(text.String(), "POST "+path, "POST "+w.URL+path, 1)
	if answer := w.dial(absolute + "\r\n" + body); !strings.Contains(answer, "ORDER_NOT_EXIST") {
		t.Errorf("absolute form: %s", answer)
	}
}

func TestKeyVersions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		made := w.control("POST", "antom/keys", object{})
		second, err := signature.ParsePrivate(made["private_key_pkcs8"].(string))
		if err != nil || made["version"] != 2.0 {
			t.Fatalf("made %v: %v", made, err)
		}
		if one, err := signature.ParsePrivate(made["private_key_pkcs1"].(string)); err != nil || !one.Equal(second) {
			t.Errorf("the two encodings differ: %v", err)
		}
		body := []byte(`{"paymentRequestId":"none"}`)
		path := w.prefix + "/v1/payments/inquiryPayment"
		with := func(key any, version int, header string) string {
			h := w.signed(path, body)
			k := pair()
			if key != nil {
				k = second
			}
			sig, err := signature.Sign(k, version, signature.Message{Method: "POST", Path: path, Client: w.client, Time: h["request-time"], Body: body})
			if err != nil {
				t.Fatal(err)
			}
			h["signature"] = strings.Replace(sig.String(), fmt.Sprintf("keyVersion=%d,", version), header, 1)
			return w.raw("POST", path, h, body).code()
		}
		for _, c := range []struct {
			key     any
			version int
			header  string
			want    string
		}{
			{nil, 1, "keyVersion=1,", "ORDER_NOT_EXIST"}, {2, 2, "keyVersion=2,", "ORDER_NOT_EXIST"}, {2, 2, "", "ORDER_NOT_EXIST"}, // none: the newest
			{nil, 1, "", "INVALID_SIGNATURE"}, {2, 2, "keyVersion=1,", "INVALID_SIGNATURE"},
		} {
			if got := with(c.key, c.version, c.header); got != c.want {
				t.Errorf("%+v: %s", c, got)
			}
		}
		w.control("POST", "antom/keys/revoke", object{"version": 1})
		if got := with(nil, 1, "keyVersion=1,"); got != "KEY_NOT_FOUND" {
			t.Errorf("a revoked key: %s", got)
		}
		if l := w.control("GET", "antom/keys", nil)["keys"].([]any); len(l) != 2 {
			t.Errorf("keys %v", l)
		}
		for _, q := range []object{{"public_key": "x"}, {"client_id": "SANDBOX_5Y77777777777777"}, {"client_id": "x"}, {"other": 1}} {
			if status, o := w.controlStatus("POST", "antom/keys", q); status != 400 {
				t.Errorf("%v: %d %v", q, status, o)
			}
		}
	})
}

func TestClientStanding(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	q := object{"paymentRequestId": "none"}
	w.settings("antom.client_status", "disabled")
	w.is(w.call("/v1/payments/inquiryPayment", q), "INVALID_CLIENT_STATUS", "F")
	w.settings("antom.closed_apis", "payments/pay, payments/inquiryPayment")
	w.is(w.call("/v1/payments/inquiryPayment", q), "CLIENT_FORBIDDEN_ACCESS_API", "F")
	w.is(w.call("/v1/payments/cancel", q), "ORDER_NOT_EXIST", "F")
	w.settings()
	w.is(w.call("/v1/payments/inquiryPayment", q), "ORDER_NOT_EXIST", "F")
}

// TestLiveClient: a live client id is provisioned, has no access to the sandbox,
// and no wallet is connected for it.
func TestLiveClient(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	m := merchant.NewSandbox("acct_1Live000000000", w.Clock.Now())
	m.Live, m.ID, m.Profile.Provisioned = true, merchant.IDFor(m.Account, true), true
	if err := w.Store.CreateMerchant(w.context(), m); err != nil {
		t.Fatal(err)
	}
	w.client = "5Y11111111111111"
	if err := w.Store.PutCredential(w.context(), store.Credential{Hash: merchant.KeyHash(w.client), Merchant: m.ID, Kind: antom.CredentialKind, Created: w.Clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Antom.RegisterKey(w.context(), m.ID, w.client, signature.Public(&pair().PublicKey)); err != nil {
		t.Fatal(err)
	}
	w.is(w.call("/v1/authorizations/consult", consultation("GCASH", "st")), "ACCESS_DENIED", "F")
	w.prefix = "/ams/api"
	w.is(w.call("/v1/authorizations/consult", consultation("GCASH", "st")), "UNAVAILABLE_PAYMENT_METHOD", "F")
	if status, _ := w.controlStatus("GET", "clock", nil); status != 401 {
		t.Errorf("a live client id opens the control API: %d", status)
	}
}
