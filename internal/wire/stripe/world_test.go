package stripe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is a server with a clock that stands still, and a key.
type world struct {
	t     testing.TB
	srv   *server.Server
	url   string
	clock *clock.Fake
	store store.Store
	key   string
	on    *wiretest.Server
	wrong bool // its requests are wrong on purpose, and not held against the document
}

type object = map[string]any

var keys = id.System()

// newWorld starts a server on SQLite.
func newWorld(t testing.TB) *world {
	t.Helper()
	return worldOn(t, wiretest.NewSQLite(t))
}

// onBoth runs a test on both databases.
func onBoth(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	wiretest.OnBoth(t, func(t *testing.T, s *wiretest.Server) { fn(t, worldOn(t, s)) })
}

func worldOn(t testing.TB, s *wiretest.Server) *world {
	return &world{t: t, srv: s.Server, url: s.URL, clock: s.Clock, store: s.Store, key: "sk_test_" + keys.Random(24), on: s}
}

// response is an answer.
type response struct {
	status int
	header http.Header
	body   []byte
	obj    object
}

func (r response) err() object { e, _ := r.obj["error"].(object); return e }

// with is a copy of the world that uses another key.
func (w *world) with(key string) *world { c := *w; c.key = key; return &c }

func (w *world) public() *world {
	return w.with(strings.Replace(w.key, "sk_", "pk_", 1))
}

// do sends a request. params are name, value pairs.
func (w *world) do(method, path string, headers map[string]string, params ...string) response {
	w.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	target, body, header := path, "", w.bearer()
	switch {
	case method == "POST":
		body = v.Encode()
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	case len(v) > 0:
		target += "?" + v.Encode()
	}
	for k, s := range headers {
		header.Set(k, s)
	}
	a := wiretest.Send(w.t, method, w.url+target, header, body)
	out := response{status: a.Status, header: a.Header, body: a.Body}
	if len(a.Body) > 0 && strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(a.Body, &out.obj); err != nil {
			w.t.Fatalf("%s %s answered bad JSON: %v\n%s", method, target, err, a.Body)
		}
		validate(w.t, out)
	}
	if !w.wrong && a.Status == http.StatusOK && a.Header.Get("Stripe-Version") >= publishedShape {
		u, err := url.Parse(w.url + target)
		if err != nil {
			w.t.Fatal(err)
		}
		validateRequest(w.t, method, u.Path, v.Encode())
	}
	return out
}

// bearer is the header of the world's key, if there is one.
func (w *world) bearer() http.Header {
	h := http.Header{}
	if w.key != "" {
		h.Set("Authorization", "Bearer "+w.key)
	}
	return h
}

func (w *world) post(path string, params ...string) response {
	w.t.Helper()
	return w.do("POST", path, nil, params...)
}
func (w *world) get(path string, params ...string) response {
	w.t.Helper()
	return w.do("GET", path, nil, params...)
}

// must is an answer that has to be 200.
func (w *world) must(r response) object {
	w.t.Helper()
	if r.status != 200 {
		w.t.Fatalf("status %d: %s", r.status, r.body)
	}
	return r.obj
}

// control calls the control API.
func (w *world) control(method, path, body string) object {
	w.t.Helper()
	status, o := w.controlAny(method, path, body)
	if status != 200 {
		w.t.Fatalf("control %s: %d %v", path, status, o)
	}
	return o
}

// controlStatus calls the control API and returns the status only.
func (w *world) controlStatus(method, path, body string) int {
	w.t.Helper()
	status, _ := w.controlAny(method, path, body)
	return status
}

// controlAny calls the control API, which may refuse.
func (w *world) controlAny(method, path, body string) (int, object) {
	w.t.Helper()
	return w.on.Control(w.t, http.Header{"Authorization": {"Bearer " + w.key}}, method, path, body)
}

// liveKey provisions a live account and returns its key.
func (w *world) liveKey(account string) string {
	w.t.Helper()
	ctx := context.Background()
	m := merchant.NewSandbox(account, start)
	m.ID, m.Live = merchant.IDFor(m.Account, true), true
	if err := w.store.CreateMerchant(ctx, m); err != nil {
		w.t.Fatal(err)
	}
	key := "sk_live_" + keys.Random(40)
	if err := w.store.PutCredential(ctx, store.Credential{Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: "secret", Created: start}); err != nil {
		w.t.Fatal(err)
	}
	return key
}

// advance moves the world's clock, doing what falls due.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.control("POST", "clock/advance", fmt.Sprintf(`{"seconds": %f}`, d.Seconds()))
}

// decide does what the payer does on the page and returns where they go.
func (w *world) decide(src object, decision string) string {
	w.t.Helper()
	status, location := w.decideAt(src["redirect"].(object)["url"].(string), decision)
	if status != 303 && decision != "authorize_no_return" {
		w.t.Fatalf("the page answered %d", status)
	}
	return location
}

// decideAt posts the payer's decision and returns where they go.
func (w *world) decideAt(page, decision string, more ...string) (status int, location string) {
	w.t.Helper()
	v := url.Values{"decision": {decision}}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	a := wiretest.Send(w.t, "POST", page, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, v.Encode())
	return a.Status, a.Header.Get("Location")
}

// source creates a source of $10.99.
func (w *world) source(params ...string) object {
	w.t.Helper()
	return w.must(w.post("/v1/sources", append([]string{"type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/return?cart=77"}, params...)...))
}

// chargeable creates a source and has the payer authorise it.
func (w *world) chargeable(params ...string) object {
	w.t.Helper()
	src := w.source(params...)
	w.decide(src, "authorize")
	w.advance(time.Second)
	src = w.must(w.get("/v1/sources/" + src["id"].(string)))
	if src["status"] != "chargeable" {
		w.t.Fatalf("source is %v, want chargeable", src["status"])
	}
	return src
}

func (w *world) chargeOf(src object, params ...string) response {
	w.t.Helper()
	return w.post("/v1/charges", append([]string{"amount", "1099", "currency", "usd", "source", src["id"].(string)}, params...)...)
}

// charged takes a whole payment.
func (w *world) charged(params ...string) object {
	w.t.Helper()
	return w.must(w.chargeOf(w.chargeable(), params...))
}

// events returns the types of all events, oldest first.
func (w *world) events() []string {
	w.t.Helper()
	var types []string
	for _, e := range w.must(w.get("/v1/events", "limit", "100"))["data"].([]any) {
		types = append([]string{e.(object)["type"].(string)}, types...)
	}
	return types
}

// balance returns available and pending in a currency.
func (w *world) balance(currency string) (available, pending int64) {
	w.t.Helper()
	b := w.must(w.get("/v1/balance"))
	find := func(l any) int64 {
		for _, e := range l.([]any) {
			if e.(object)["currency"] == currency {
				return int64(e.(object)["amount"].(float64))
			}
		}
		return 0
	}
	return find(b["available"]), find(b["pending"])
}

// start is when every test world begins: 09:00 in China, a plain working hour.
var start = wiretest.Start

// receiver is a webhook endpoint that remembers the events it got.
type receiver struct{ *wiretest.Receiver }

type received struct {
	header http.Header
	body   []byte
	event  object
}

func newReceiver(t *testing.T) receiver { return receiver{wiretest.NewReceiver(t)} }

func (r receiver) all() (got []received) {
	for _, c := range r.All() {
		got = append(got, received{c.Header, c.Body, c.Object})
	}
	return got
}

func (r receiver) answer(status int) { r.Answer(status, "") }
