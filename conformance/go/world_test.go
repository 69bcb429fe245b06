package conformance_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"
)

// returnURL is where payers are sent in scenarios that do not care. Nothing
// listens there: the payer below does not follow redirects.
const returnURL = "https://shop.example/checkout/return?cart=77"

// world is one merchant's sandbox and the programs around it: the merchant's
// server, a browser with the publishable key, a webhook receiver, a payer.
type world struct {
	base           string
	sk, pk         string
	server, client *stripe.Client
	hooks          *receiver
	endpoint       *stripe.WebhookEndpoint
	dawn           time.Time // the world's time when the scenario began, 09:00 in China
}

func newWorld(t *testing.T, base string) *world {
	t.Helper()
	suffix := random(t, 24)
	w := &world{base: base, sk: "sk_test_" + suffix, pk: "pk_test_" + suffix}
	w.server, w.client = dial(base, w.sk), dial(base, w.pk)
	y, m, d := time.Now().UTC().AddDate(0, 0, 1).Date()
	w.dawn = time.Date(y, m, d, 1, 0, 0, 0, time.UTC)
	w.advanceTo(t, w.dawn)
	w.hooks = newReceiver(t)
	w.endpoint = w.register(t, w.hooks, "*")
	return w
}

// dial returns a client that retries nothing: a failure that goes away is a
// failure.
func dial(base, key string) *stripe.Client { return retrying(base, key, 0) }

func retrying(base, key string, retries int64) *stripe.Client {
	return stripe.NewClient(key, stripe.WithBackends(stripe.NewBackendsWithConfig(backend(base, retries))))
}

func backend(base string, retries int64) *stripe.BackendConfig {
	return &stripe.BackendConfig{
		URL: stripe.String(base), MaxNetworkRetries: stripe.Int64(retries),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	}
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func random(t *testing.T, n int) string {
	t.Helper()
	b := make([]byte, n)
	for i := range b {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(base62))))
		if err != nil {
			t.Fatal(err)
		}
		b[i] = base62[k.Int64()]
	}
	return string(b)
}

// register subscribes a receiver through the API.
func (w *world) register(t *testing.T, r *receiver, types ...string) *stripe.WebhookEndpoint {
	t.Helper()
	ep, err := w.server.V1WebhookEndpoints.Create(t.Context(), &stripe.WebhookEndpointCreateParams{
		URL: stripe.String(r.url), EnabledEvents: stripe.StringSlice(types),
	})
	if err != nil {
		t.Fatalf("register a webhook endpoint: %v", err)
	}
	r.use(ep.Secret)
	return ep
}

// control calls the control API, and fails the test if it does not answer 200.
func (w *world) control(t *testing.T, path string, in any) (out map[string]any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/_ducat/v1/"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.sk)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("POST %s %s: %s\n%s", path, body, res.Status, answer)
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatalf("POST %s %s: %v\n%s", path, body, err, answer)
	}
	return out
}

func (w *world) advance(t *testing.T, d time.Duration) {
	t.Helper()
	w.control(t, "clock/advance", map[string]any{"seconds": int64(d / time.Second)})
}

func (w *world) advanceTo(t *testing.T, at time.Time) {
	t.Helper()
	w.control(t, "clock/advance", map[string]any{"to": at.UTC().Format(time.RFC3339)})
}

// get makes a request without the library, for what it does not show.
func (w *world) get(t *testing.T, key, path string, headers ...string) (status int, header http.Header, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(key, "")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// order returns the parameters of an ordinary source; change is applied to them.
func order(change func(*stripe.SourceCreateParams)) *stripe.SourceCreateParams {
	p := &stripe.SourceCreateParams{
		Type: stripe.String("alipay"), Amount: stripe.Int64(1099), Currency: stripe.String("usd"),
		Redirect: &stripe.SourceCreateRedirectParams{ReturnURL: stripe.String(returnURL)},
	}
	if change != nil {
		change(p)
	}
	return p
}

// source creates a source that must be accepted.
func (w *world) source(t *testing.T, change func(*stripe.SourceCreateParams)) *stripe.Source {
	t.Helper()
	src, err := w.server.V1Sources.Create(t.Context(), order(change))
	if err != nil {
		t.Fatalf("create a source: %v", err)
	}
	if src.Status != stripe.SourceStatusPending {
		t.Fatalf("a new source is %s", src.Status)
	}
	return src
}

// confirming is longer than the wallet takes to confirm an authorization.
const confirming = 2 * time.Second

// authorized creates a source, authorizes it and waits for the webhook, moving
// the clock rather than waiting for the wallet.
func (w *world) authorized(t *testing.T, change func(*stripe.SourceCreateParams)) *stripe.Source {
	t.Helper()
	src := w.source(t, change)
	pay(t, src, "authorize")
	w.advance(t, confirming)
	w.hooks.wait(t, stripe.EventTypeSourceChargeable, src.ID)
	return w.fetch(t, src.ID)
}

// charged goes all the way.
func (w *world) charged(t *testing.T, change func(*stripe.SourceCreateParams)) *stripe.Charge {
	t.Helper()
	src := w.authorized(t, change)
	ch, err := w.charge(t, src)
	if err != nil {
		t.Fatalf("charge %s: %v", src.ID, err)
	}
	if ch.Status != stripe.ChargeStatusSucceeded || !ch.Paid {
		t.Fatalf("charge is %s, paid %v", ch.Status, ch.Paid)
	}
	return ch
}

func (w *world) fetch(t *testing.T, id string) *stripe.Source {
	t.Helper()
	src, err := w.server.V1Sources.Retrieve(t.Context(), id, nil)
	if err != nil {
		t.Fatalf("retrieve %s: %v", id, err)
	}
	return src
}

func (w *world) charge(t *testing.T, src *stripe.Source) (*stripe.Charge, error) {
	t.Helper()
	return w.server.V1Charges.Create(t.Context(), &stripe.ChargeCreateParams{
		Amount: stripe.Int64(src.Amount), Currency: stripe.String(string(src.Currency)),
		Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)},
	})
}

func (w *world) refund(t *testing.T, charge string, amount int64) (*stripe.Refund, error) {
	t.Helper()
	p := &stripe.RefundCreateParams{Charge: stripe.String(charge)}
	if amount != 0 {
		p.Amount = stripe.Int64(amount)
	}
	return w.server.V1Refunds.Create(t.Context(), p)
}

// balance returns what the merchant has in a currency, pending and available.
func (w *world) balance(t *testing.T, c stripe.Currency) int64 {
	t.Helper()
	b, err := w.server.V1Balance.Retrieve(t.Context(), nil)
	if err != nil {
		t.Fatalf("retrieve the balance: %v", err)
	}
	var sum int64
	for _, part := range append(append([]*stripe.BalanceAmount{}, b.Pending...), b.Available...) {
		if part.Currency == c {
			sum += part.Amount
		}
	}
	return sum
}

// transactions returns all balance transactions, newest first.
func (w *world) transactions(t *testing.T) []*stripe.BalanceTransaction {
	t.Helper()
	return all(t, w.server.V1BalanceTransactions.List(t.Context(), nil))
}

// untouched asserts that no money came in or went out.
func (w *world) untouched(t *testing.T) {
	t.Helper()
	if b := w.balance(t, stripe.CurrencyUSD); b != 0 {
		t.Errorf("the balance is %d, want 0", b)
	}
	if l := w.transactions(t); len(l) != 0 {
		t.Errorf("there are %d balance transactions, want none", len(l))
	}
	if l := all(t, w.server.V1Refunds.List(t.Context(), nil)); len(l) != 0 {
		t.Errorf("there are %d refunds, want none", len(l))
	}
}

func all[T any](t *testing.T, l *stripe.V1List[T]) []T {
	t.Helper()
	var items []T
	for item, err := range l.All(t.Context()) {
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		items = append(items, item)
	}
	return items
}

// payer is a browser without JavaScript that shows where it would go next.
var payer = &http.Client{
	Timeout: patience,
	CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if req.URL.Host != via[0].URL.Host || len(via) > 5 {
			return http.ErrUseLastResponse
		}
		return nil
	},
}

// open visits a source's page; it returns where the payer ended up.
func open(t *testing.T, src *stripe.Source) (res *http.Response, body string) {
	t.Helper()
	return visit(t, src.Redirect.URL)
}

func visit(t *testing.T, page string) (res *http.Response, body string) {
	t.Helper()
	res, err := payer.Get(page)
	if err != nil {
		t.Fatalf("open %s: %v", page, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// decide posts the payer's form to a page, and returns the Location of the
// answer.
func decide(t *testing.T, page string, form url.Values) string {
	t.Helper()
	res, err := payer.PostForm(page, form)
	if err != nil {
		t.Fatalf("post %v: %v", form, err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("posting %v: %s, want 303\n%s", form, res.Status, b)
	}
	return res.Header.Get("Location")
}

// pay opens the page, posts a decision to it, and returns the Location of the
// answer after checking what must always be true of it.
func pay(t *testing.T, src *stripe.Source, decision string) string {
	t.Helper()
	page, body := open(t, src)
	if page.StatusCode != http.StatusOK {
		t.Fatalf("the page of %s: %s\n%s", src.ID, page.Status, body)
	}
	location := decide(t, page.Request.URL.String(), url.Values{"decision": {decision}})
	u, err := url.Parse(location)
	if err != nil {
		t.Fatalf("Location %q: %v", location, err)
	}
	for name, want := range map[string]string{"source": src.ID, "livemode": "false", "client_secret": src.ClientSecret} {
		if got := u.Query()[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s in Location %q is %q, want %q once", name, location, got, want)
		}
	}
	return location
}

// failure is what is expected of an error. Empty members other than status and
// class must be empty in the error, too.
type failure struct {
	status            int
	typ               stripe.ErrorType
	code, param, says string // says is a regular expression for the message
}

func (want failure) check(t *testing.T, what string, err error) *stripe.Error {
	t.Helper()
	if want.typ == "" {
		want.typ = stripe.ErrorTypeInvalidRequest
	}
	if err == nil {
		t.Fatalf("%s: accepted, want a refusal with %s %s", what, want.typ, want.code)
	}
	e, ok := err.(*stripe.Error) //nolint:errorlint // the library promises this very type
	if !ok {
		t.Fatalf("%s: %T %v, want the library's error type", what, err, err)
	}
	class := map[stripe.ErrorType]string{
		stripe.ErrorTypeAPI: "*stripe.APIError", stripe.ErrorTypeCard: "*stripe.CardError",
		stripe.ErrorTypeIdempotency: "*stripe.IdempotencyError", stripe.ErrorTypeInvalidRequest: "*stripe.InvalidRequestError",
	}[want.typ]
	if got := fmt.Sprintf("%T", e.Err); got != class {
		t.Errorf("%s: class %s, want %s", what, got, class)
	}
	got := failure{e.HTTPStatusCode, e.Type, string(e.Code), e.Param, want.says}
	if got != want {
		t.Errorf("%s:\n got %+v\nwant %+v\nmessage: %s", what, got, want, e.Msg)
	}
	if !regexp.MustCompile(want.says).MatchString(e.Msg) {
		t.Errorf("%s: message %q, want a match of %q", what, e.Msg, want.says)
	}
	if e.Msg == "" || !strings.HasPrefix(e.RequestID, "req_") {
		t.Errorf("%s: message %q, request id %q", what, e.Msg, e.RequestID)
	}
	return e
}

// raw is a delivery as it came.
type raw struct{ body, signature string }

// receiver is a merchant's webhook endpoint.
type receiver struct {
	t      *testing.T
	url    string
	closed atomic.Bool

	mu      sync.Mutex
	secret  string
	lenient bool // accepts any API version
	outages int  // deliveries still to be answered with 500
	events  []stripe.Event
	raw     map[string]raw // by the id of the event's object
	changed chan struct{}  // closed when a delivery arrives
	on      map[stripe.EventType]func(context.Context, stripe.Event)
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{t: t, changed: make(chan struct{}), raw: map[string]raw{}, on: map[stripe.EventType]func(context.Context, stripe.Event){}}
	s := httptest.NewServer(r)
	t.Cleanup(func() {
		r.closed.Store(true)
		s.Close()
	})
	r.url = s.URL + "/webhooks"
	return r
}

func (r *receiver) use(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret = secret
}

// outage has the next n deliveries answered with 500.
func (r *receiver) outage(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outages = n
}

// outageOver waits until no delivery is left to be answered with 500.
func (r *receiver) outageOver(t *testing.T) {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		left, changed := r.outages, r.changed
		r.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d deliveries did not come", left)
		}
	}
}

// handle has fn called inside the handler, before the delivery is acknowledged.
func (r *receiver) handle(typ stripe.EventType, fn func(context.Context, stripe.Event)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on[typ] = fn
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		// What is still on its way when the scenario is over is cut off.
		if !r.closed.Load() {
			r.t.Errorf("read a delivery: %v", err)
		}
		return
	}
	r.mu.Lock()
	secret, lenient := r.secret, r.lenient
	r.mu.Unlock()
	ev, err := webhook.ConstructEventWithOptions(body, req.Header.Get("Stripe-Signature"), secret, webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: lenient})
	if err != nil {
		r.t.Errorf("the library refuses a delivery: %v\nsignature: %s\n%s", err, req.Header.Get("Stripe-Signature"), body)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") || !strings.Contains(req.Header.Get("User-Agent"), "Stripe") {
		r.t.Errorf("headers of a delivery: %v", req.Header)
	}
	r.mu.Lock()
	fn, down := r.on[ev.Type], r.outages > 0
	if down {
		r.outages--
		r.change()
	}
	r.mu.Unlock()
	if down {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	if fn != nil {
		fn(req.Context(), ev)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
	if id, ok := ev.Data.Object["id"].(string); ok {
		r.raw[id] = raw{string(body), req.Header.Get("Stripe-Signature")}
	}
	r.change()
}

// change wakes who waits; the caller holds the lock.
func (r *receiver) change() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns the first delivery of a type whose object has the id, waiting for
// it if need be.
func (r *receiver) wait(t *testing.T, typ stripe.EventType, id string) stripe.Event {
	t.Helper()
	return r.waitFor(t, string(typ)+" for "+id, func(ev stripe.Event) bool { return ev.Type == typ && ev.Data.Object["id"] == id })
}

func (r *receiver) waitFor(t *testing.T, what string, match func(stripe.Event) bool) stripe.Event {
	t.Helper()
	deadline := time.After(patience)
	for seen := 0; ; {
		r.mu.Lock()
		fresh, changed := r.events[seen:], r.changed
		seen = len(r.events)
		r.mu.Unlock()
		for _, ev := range fresh {
			if match(ev) {
				return ev
			}
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no delivery of %s within %s; arrived: %v", what, patience, r.types())
		}
	}
}

// delivery returns the last delivery about an object, as it came.
func (r *receiver) delivery(t *testing.T, id string) (body, signature string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.raw[id]
	if !ok {
		t.Fatalf("no delivery about %s", id)
	}
	return d.body, d.signature
}

// types lists what arrived.
func (r *receiver) types() []stripe.EventType {
	r.mu.Lock()
	defer r.mu.Unlock()
	var types []stripe.EventType
	for _, ev := range r.events {
		types = append(types, ev.Type)
	}
	return types
}

// object decodes an event's object.
func object[T any](t *testing.T, ev stripe.Event) *T {
	t.Helper()
	v := new(T)
	if err := json.Unmarshal(ev.Data.Raw, v); err != nil {
		t.Fatalf("decode the object of %s: %v", ev.Type, err)
	}
	return v
}
