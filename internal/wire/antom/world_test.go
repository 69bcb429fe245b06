package antom_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/wire/antom/signature"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type object = map[string]any

var ids = id.System()

// pair makes one key pair for all tests: making one takes a while.
var pair = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := signature.Generate()
	if err != nil {
		panic(err)
	}
	return k
})

// ourPair is the installation's in all tests, for the same reason.
var ourPair = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := signature.Generate()
	if err != nil {
		panic(err)
	}
	return k
})

// world is a server and a client id with a registered key.
type world struct {
	*wiretest.Server
	t      testing.TB
	client string
	prefix string
	shop   *wiretest.Receiver
}

func onBoth(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	wiretest.OnBoth(t, func(t *testing.T, s *wiretest.Server) { fn(t, in(t, s)) })
}

func onSQLite(t *testing.T) *world { t.Helper(); return in(t, wiretest.NewSQLite(t)) }

func in(t testing.TB, s *wiretest.Server) *world {
	t.Helper()
	if _, err := s.Store.Setting(context.Background(), "antom.signing_key", []byte(signature.PKCS8(ourPair()))); err != nil {
		t.Fatal(err)
	}
	w := &world{Server: s, t: t, client: "SANDBOX_" + ids.Random(16), prefix: "/ams/sandbox/api", shop: wiretest.NewReceiver(t)}
	w.shop.Answer(200, `{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}`)
	got := w.control("POST", "antom/keys", object{"public_key": signature.Public(&pair().PublicKey)})
	if got["antom_public_key"] != signature.Public(&ourPair().PublicKey) || got["version"] != 1.0 {
		t.Fatalf("registered as %v", got)
	}
	w.settings("antom.notify_authorization", w.shop.URL+"/auth?x=1", "antom.notify_payment", w.shop.URL+"/pay", "antom.notify_refund", w.shop.URL+"/refund")
	return w
}

// control calls the control API with the client id; it has to succeed.
func (w *world) control(method, path string, body any) object {
	w.t.Helper()
	status, o := w.controlStatus(method, path, body)
	if status != 200 {
		w.t.Fatalf("%s %s: %d %v", method, path, status, o)
	}
	return o
}

func (w *world) controlStatus(method, path string, body any) (int, object) {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Control(w.t, http.Header{"Authorization": {"Bearer " + w.client}}, method, path, string(b))
}

// settings replaces the merchant's settings: name, value pairs.
func (w *world) settings(pairs ...string) {
	w.t.Helper()
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	w.control("POST", "account", object{"settings": m})
}

func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.control("POST", "clock/advance", object{"seconds": d.Seconds()})
}

// to moves the clock to a time in China.
func (w *world) to(local string) {
	w.t.Helper()
	at, err := time.Parse(time.RFC3339, local)
	if err != nil {
		w.t.Fatal(err)
	}
	w.control("POST", "clock/advance", object{"to": at})
}

// response is an answer.
type response struct {
	status int
	header http.Header
	body   []byte
	obj    object
}

func (r response) result() object { o, _ := r.obj["result"].(object); return o }
func (r response) code() string   { s, _ := r.result()["resultCode"].(string); return s }

// raw sends bytes with the headers given and returns what comes.
func (w *world) raw(method, path string, headers map[string]string, body []byte) response {
	w.t.Helper()
	header := http.Header{}
	for k, v := range headers {
		header[k] = []string{v}
	}
	a := wiretest.Send(w.t, method, w.URL+path, header, string(body))
	out := response{status: a.Status, header: a.Header, body: a.Body}
	_ = json.Unmarshal(a.Body, &out.obj)
	return out
}

// signed are the headers of a request.
func (w *world) signed(path string, body []byte) map[string]string {
	w.t.Helper()
	at := fmt.Sprint(w.Clock.Now().UnixMilli())
	h, err := signature.Sign(pair(), 1, signature.Message{Method: "POST", Path: path, Client: w.client, Time: at, Body: body})
	if err != nil {
		w.t.Fatal(err)
	}
	return map[string]string{"client-id": w.client, "request-time": at, "signature": h.String(), "content-type": "application/json; charset=UTF-8"}
}

// call calls the API and checks the answer's signature and envelope.
func (w *world) call(name string, body any) response {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	path := w.prefix + name
	r := w.raw("POST", path, w.signed(path, b), b)
	if r.status != 200 || r.code() == "" {
		w.t.Fatalf("%s answered %d: %s", name, r.status, r.body)
	}
	w.authentic(r, path)
	return r
}

// authentic checks an answer's signature over the exact bytes.
func (w *world) authentic(r response, path string) {
	w.t.Helper()
	h, err := signature.ParseHeader(r.header.Get("Signature"))
	if err != nil || !signature.Verify(&ourPair().PublicKey, h, signature.Message{
		Method: "POST", Path: path, Client: r.header.Get("Client-Id"), Time: r.header.Get("Response-Time"), Body: r.body,
	}) {
		w.t.Fatalf("the answer's signature %q is not good: %v\n%s", r.header.Get("Signature"), err, r.body)
	}
	if strings.Contains(string(r.body), "null") {
		w.t.Errorf("an answer has a null: %s", r.body)
	}
}

// is fails unless a call answers with a code, and its status.
func (w *world) is(r response, code, status string) object {
	w.t.Helper()
	if r.code() != code || r.result()["resultStatus"] != status {
		w.t.Fatalf("answered %s, want %s %s", r.body, code, status)
	}
	return r.obj
}

func (w *world) ok(r response) object { w.t.Helper(); return w.is(r, "SUCCESS", "S") }

func amount(minor int64, currency string) object {
	return object{"currency": currency, "value": fmt.Sprint(minor)}
}

// consulted asks for the consent page of a method.
func (w *world) consulted(method, state string) object {
	w.t.Helper()
	return w.ok(w.call("/v1/authorizations/consult", consultation(method, state)))
}

func consultation(method, state string) object {
	return object{"customerBelongsTo": method, "authRedirectUrl": "https://shop.example/back?u=7", "scopes": []string{"AGREEMENT_PAY"}, "authState": state, "terminalType": "WEB"}
}

// decide does what the payer does on the page and returns where they go.
func (w *world) decide(page, decision string) *url.URL {
	w.t.Helper()
	r := w.raw("POST", strings.TrimPrefix(page, w.URL), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte("login=63-9170000321&decision="+decision))
	if r.status != 303 {
		w.t.Fatalf("the page answered %d: %s", r.status, r.body)
	}
	u, err := url.Parse(r.header.Get("Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// code has a payer agree and returns the code.
func (w *world) code(method string) string {
	w.t.Helper()
	c := w.consulted(method, "st-"+ids.Random(10))
	back := w.decide(c["authUrl"].(string), "authorize").Query()
	if back.Get("authCode") == "" || back.Get("u") != "7" {
		w.t.Fatalf("returned with %v", back)
	}
	return back.Get("authCode")
}

// tokens has a payer agree and exchanges the code.
func (w *world) tokens(method string) object {
	w.t.Helper()
	return w.ok(w.call("/v1/authorizations/applyToken", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": method, "authCode": w.code(method)}))
}

func (w *world) token(method string) string {
	w.t.Helper()
	return w.tokens(method)["accessToken"].(string)
}

// payment is a request to debit.
func payment(method, token, request string, a object) object {
	return object{
		"productCode": "AGREEMENT_PAYMENT", "paymentRequestId": request, "paymentAmount": a,
		"order":         object{"referenceOrderId": "o-" + request, "orderDescription": "Music plan", "orderAmount": a},
		"paymentMethod": object{"paymentMethodType": method, "paymentMethodId": token},
	}
}

// with adds members to a request.
func with(o object, members object) object {
	for k, v := range members {
		o[k] = v
	}
	return o
}

func (w *world) pay(body object) response { w.t.Helper(); return w.call("/v1/payments/pay", body) }

// paid debits 149 pesos.
func (w *world) paid(token, request string) object {
	w.t.Helper()
	return w.ok(w.pay(payment("GCASH", token, request, amount(14_900, "PHP"))))
}

func (w *world) inquiry(paymentID string) object {
	w.t.Helper()
	return w.ok(w.call("/v1/payments/inquiryPayment", object{"paymentId": paymentID}))
}

// heard are the notifications of a type that came in, verified.
func (w *world) heard(field, kind string) (all []object) {
	w.t.Helper()
	w.advance(0)
	for _, c := range w.shop.All() {
		if c.Object[field] != kind {
			continue
		}
		path := map[string]string{"AUTHCODE_CREATED": "/auth?x=1", "TOKEN_CANCELED": "/auth?x=1", "TOKEN_CREATED": "/auth?x=1", "PAYMENT_RESULT": "/pay", "REFUND_RESULT": "/refund"}[kind]
		h, err := signature.ParseHeader(c.Header.Get("Signature"))
		if err != nil || !signature.Verify(&ourPair().PublicKey, h, signature.Message{Method: "POST", Path: path, Client: w.client, Time: c.Header.Get("Request-Time"), Body: c.Body}) {
			w.t.Errorf("the signature of %s is not good", c.Body)
		}
		all = append(all, c.Object)
	}
	return all
}

// dial sends bytes and returns all that comes back.
func (w *world) dial(request string) string {
	w.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		w.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) context() context.Context { return context.Background() }

func (w *world) cancelable() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}
