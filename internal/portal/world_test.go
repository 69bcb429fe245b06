package portal_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type object = map[string]any

var keys = id.System()

// world is an account with a key of the dialect that has intents, sources and
// charges.
type world struct {
	*wiretest.Server
	t   testing.TB
	key string
}

func onBoth(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	wiretest.OnBoth(t, func(t *testing.T, s *wiretest.Server) { fn(t, worldOn(t, s)) })
}

func worldOn(t testing.TB, s *wiretest.Server) *world {
	return &world{Server: s, t: t, key: "sk_test_" + keys.Random(24)}
}

func bearer(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }

// call sends a request as it is and returns the status and the body.
func (w *world) call(method, path string, header http.Header, body string) (int, string) {
	w.t.Helper()
	a := wiretest.Send(w.t, method, w.URL+path, header, body)
	return a.Status, string(a.Body)
}

// api calls the API of intents, which has to answer 200.
func (w *world) api(method, path string, params ...string) object {
	w.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	h := bearer(w.key)
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body := w.call(method, path, h, v.Encode())
	return w.decode(status, body)
}

func (w *world) decode(status int, body string) object {
	w.t.Helper()
	var o object
	if err := json.Unmarshal([]byte(body), &o); err != nil || status != http.StatusOK {
		w.t.Fatalf("%d %s (%v)", status, body, err)
	}
	return o
}

// control calls the control API, which has to answer 200.
func (w *world) control(path, body string) object {
	w.t.Helper()
	status, o := w.Control(w.t, bearer(w.key), "POST", path, body)
	if status != http.StatusOK {
		w.t.Fatalf("control %s: %d %v", path, status, o)
	}
	return o
}

// advance moves the world's clock.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	b, err := json.Marshal(object{"seconds": d.Seconds()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.control("clock/advance", string(b))
}

// offered are the methods a new intent offers.
func (w *world) offered() (types []string) {
	for _, typ := range w.api("POST", "/v1/payment_intents", "amount", "5099", "currency", "eur", "automatic_payment_methods[enabled]", "true")["payment_method_types"].([]any) {
		types = append(types, typ.(string))
	}
	return types
}

// begun is an intent whose payer has been sent away to decide, and its core payment.
func (w *world) begun(params ...string) (intent, payment string) {
	w.t.Helper()
	pi := w.api("POST", "/v1/payment_intents", append([]string{
		"amount", "5099", "currency", "eur", "automatic_payment_methods[enabled]", "true", "description", "Paper lamp", "confirm", "true",
		"payment_method_data[type]", "alma", "return_url", "https://shop.example/done",
	}, params...)...)
	intent = pi["id"].(string)
	return intent, w.paymentOf(intent)
}

// paid is an intent that was paid, and its core payment.
func (w *world) paid(params ...string) (intent, payment string) {
	w.t.Helper()
	intent, payment = w.begun(params...)
	w.control("decide", `{"id":"`+intent+`","decision":"authorize"}`)
	w.advance(10 * time.Second)
	return intent, payment
}

// paymentOf finds the core payment as a person would.
func (w *world) paymentOf(id string) string {
	w.t.Helper()
	p := w.signedIn().Get("/portal/payments?find=" + url.QueryEscape(id))
	name, ok := strings.CutPrefix(p.Path, "/portal/payments/")
	if !ok || p.Status != http.StatusOK {
		w.t.Fatalf("%s is not found: %d %s", id, p.Status, p.Said())
	}
	return name
}

// signedIn is a visitor with the world's session.
func (w *world) signedIn() *visitor {
	w.t.Helper()
	v := w.Visitor(w.t)
	if p := v.SignIn(w.key); p.Status != http.StatusOK || p.Path != "/portal/payments" {
		w.t.Fatalf("sign in: %d at %s: %s", p.Status, p.Path, p.Said())
	}
	return &visitor{v}
}

// visitor is somebody who is signed in.
type visitor struct{ *wiretest.Visitor }

// refund gives money of a payment back, by the button.
func (v *visitor) refund(payment, amount string, more ...string) wiretest.Page {
	at := "/portal/payments/" + payment
	return v.Post(v.Get(at), at+"/refund", append([]string{"amount", amount}, more...)...)
}

// stored is a core payment and its merchant, as the database has them.
func (w *world) stored(id string) (p payment.Payment, m int64) {
	w.t.Helper()
	status, account := w.Control(w.t, bearer(w.key), "GET", "account", "")
	if status != http.StatusOK {
		w.t.Fatal(status)
	}
	m = merchant.IDFor(account["account"].(string), false)
	if err := w.Store.View(context.Background(), m, func(r store.Reader) (err error) {
		p, err = r.Payment(id)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return p, m
}

// now is the account's time.
func (w *world) now(m int64) (at time.Time) {
	w.t.Helper()
	if err := w.Engine.View(context.Background(), m, func(_ store.Reader, _ merchant.Merchant, now time.Time) error { at = now; return nil }); err != nil {
		w.t.Fatal(err)
	}
	return at
}
