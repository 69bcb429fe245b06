package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"
)

const (
	amount = 1099
	// tryEvery is how long a client waits before it repeats a request that got
	// no answer.
	tryEvery = 10 * time.Millisecond
	// wayMax is how long an answer can be on its way.
	wayMax = 3 * time.Millisecond
	// enough is how long a seller waits for an order's end.
	enough = 200 * time.Millisecond
	// wrongMax is how many differences are shown.
	wrongMax = 10
)

// order is one sale as the shop knows it: only what the server acknowledged.
type order struct {
	account *account
	source  string
	refuses bool // the customer sends the goods back

	authorized            bool
	charge, refund        string
	chargeable, succeeded map[string]int // deliveries by event id
	doneOnce              sync.Once
	done                  chan struct{} // closed when nothing more is to happen
}

// account is one of the shop's sandboxes.
type account struct {
	key, secret string
	name        string
}

// shop is a merchant's server and its customers. Whatever it asks it asks again
// under the same idempotency key until there is an answer.
type shop struct {
	t        *testing.T
	base     string
	client   *http.Client
	hooks    *httptest.Server
	accounts []*account
	acked    chan struct{} // receives for every answer, while somebody listens
	gone     chan struct{} // closed when the test is over

	closing chan struct{} // closed when sellers are to stop
	once    sync.Once
	sellers sync.WaitGroup
	answers atomic.Int64
	lost    atomic.Int64                  // answers among them that were on their way
	death   atomic.Pointer[chan struct{}] // closed when the server dies

	mu      sync.Mutex
	orders  map[string]*order // by source
	changed chan struct{}     // closed when an order changes
}

func newShop(t *testing.T, base string, accounts int) *shop {
	t.Helper()
	s := &shop{
		t: t, base: base, acked: make(chan struct{}), gone: make(chan struct{}), closing: make(chan struct{}), orders: map[string]*order{}, changed: make(chan struct{}),
		client: &http.Client{
			Timeout:       patience,
			Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	death := make(chan struct{})
	s.death.Store(&death)
	s.hooks = httptest.NewServer(s)
	t.Cleanup(func() {
		close(s.gone) // whoever still waits for an answer gives up
		s.close()
		s.hooks.Close()
		s.client.CloseIdleConnections()
	})
	for i := range accounts {
		s.accounts = append(s.accounts, &account{key: fmt.Sprintf("sk_test_crash%08d", i), name: strconv.Itoa(i)})
	}
	return s
}

// register subscribes every account's endpoint to everything.
func (s *shop) register() {
	for _, a := range s.accounts {
		o := s.ask(a, http.MethodPost, "/v1/webhook_endpoints", "endpoint", url.Values{"url": {s.hooks.URL + "/" + a.name}, "enabled_events[]": {"*"}})
		if a.secret = o.text("secret"); a.secret == "" {
			s.t.Fatalf("no endpoint: %v", o)
		}
	}
}

// open lets a number of sellers trade until close.
func (s *shop) open(sellers int) {
	for n := range sellers {
		s.sellers.Go(func() { s.trade(n) })
	}
}

// close ends the trade when the sales in hand are made. It may be called twice.
func (s *shop) close() {
	s.once.Do(func() { close(s.closing) })
	s.sellers.Wait()
}

// trade makes one sale after the other. It waits for each order's end, but not
// long: its messages may have been in the hands of a process that died.
func (s *shop) trade(seller int) {
	for n := 0; ; n++ {
		o := s.sell(s.accounts[(seller+n)%len(s.accounts)], fmt.Sprintf("seller-%d-sale-%d", seller, n), seller%2 == 1, n%2 == 1)
		select {
		case <-s.closing:
			return
		case <-o.done:
		case <-time.After(enough):
		}
	}
}

// object is a decoded answer.
type object map[string]any

func (o object) text(name string) string { v, _ := o[name].(string); return v }

// in returns a nested object.
func (o object) in(name string) object { v, _ := o[name].(map[string]any); return v }

var errOver = errors.New("the test is over")

// ask calls the API and repeats the call until it is answered. Only success is
// an answer the shop can live with.
func (s *shop) ask(a *account, method, path, key string, form url.Values) object {
	res, body, err := s.send(func() (*http.Request, error) {
		req, err := http.NewRequest(method, s.base+path, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(a.key, "")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if key != "" {
			req.Header.Set("Idempotency-Key", key)
		}
		return req, nil
	})
	if errors.Is(err, errOver) {
		return nil
	}
	var o object
	if err == nil {
		err = json.Unmarshal(body, &o)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Errorf("%s %s %v: %v %v\n%s", method, path, form, res, err, body)
	}
	return o
}

// send makes a request until it is answered completely. An answer that is on
// its way when the server dies is lost. A request whose twin is under way, as
// when a message is delivered twice, is made again, as the libraries do.
func (s *shop) send(make func() (*http.Request, error)) (*http.Response, []byte, error) {
	for {
		req, err := make()
		if err != nil {
			return nil, nil, err
		}
		death := *s.death.Load()
		if res, err := s.client.Do(req); err == nil {
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil && res.StatusCode != http.StatusConflict && s.arrives(death) {
				return res, body, nil
			}
		}
		select {
		case <-time.After(tryEvery):
		case <-s.gone:
			return nil, nil, errOver
		}
	}
}

// arrives reports whether an answer that was just received by this computer
// reaches the shop before the server dies.
func (s *shop) arrives(death chan struct{}) bool {
	s.answers.Add(1)
	select {
	case s.acked <- struct{}{}:
	default:
	}
	select {
	case <-death:
		s.lost.Add(1)
		return false
	case <-time.After(rand.N(wayMax)):
		return true
	}
}

// died tells that the server did.
func (s *shop) died() {
	next := make(chan struct{})
	close(*s.death.Swap(&next))
}

// sell takes an order up to the customer's approval; the rest happens when
// messages arrive.
// prompt is whether the wallet confirms the approval at once; if not, a timer
// does.
func (s *shop) sell(a *account, key string, prompt, refuses bool) *order {
	form := url.Values{"type": {"alipay"}, "amount": {strconv.Itoa(amount)}, "currency": {"usd"}, "redirect[return_url]": {"https://shop.example/return"}}
	if prompt {
		form.Set("metadata[ducat_scenario]", "chargeable_delay=0")
	}
	src := s.ask(a, http.MethodPost, "/v1/sources", key, form)
	o := &order{account: a, source: src.text("id"), refuses: refuses, chargeable: map[string]int{}, succeeded: map[string]int{}, done: make(chan struct{})}
	if o.source == "" {
		return o
	}
	s.change(func() {
		if s.orders[o.source] != nil {
			s.t.Errorf("%s was created for two keys", o.source)
		}
		s.orders[o.source] = o
	})
	res, body, err := s.send(func() (*http.Request, error) {
		req, err := http.NewRequest(http.MethodPost, src.in("redirect").text("url"), strings.NewReader("decision=authorize"))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	})
	switch {
	case errors.Is(err, errOver):
	case err != nil || res.StatusCode != http.StatusSeeOther:
		s.t.Errorf("authorize %s: %v %v\n%s", o.source, res, err, body)
	default:
		s.change(func() { o.authorized = true })
	}
	return o
}

// change changes orders under the lock, and tells who waits.
func (s *shop) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
	close(s.changed)
	s.changed = make(chan struct{})
}

// ServeHTTP receives messages: it charges what became chargeable and refunds
// half of what was charged before it acknowledges.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the server died while it was telling
	}
	n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil || n >= len(s.accounts) {
		s.t.Errorf("a message to %s", r.URL.Path)
		return
	}
	a := s.accounts[n]
	if err := webhook.ValidatePayload(body, r.Header.Get("Stripe-Signature"), a.secret); err != nil {
		s.t.Errorf("a message's signature: %v", err)
	}
	var ev struct {
		ID, Type string
		Data     struct{ Object object }
	}
	if err := json.Unmarshal(body, &ev); err != nil {
		s.t.Errorf("a message: %v\n%s", err, body)
	}
	switch ev.Type {
	case "source.chargeable":
		s.chargeable(a, ev.ID, ev.Data.Object.text("id"))
	case "charge.succeeded":
		s.succeeded(a, ev.ID, ev.Data.Object.text("id"), ev.Data.Object.in("source").text("id"))
	}
	w.WriteHeader(http.StatusNoContent)
}

// find returns the order of a source. A message may not be about something the
// shop never asked for.
func (s *shop) find(a *account, source string) *order {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[source]
	if o == nil || o.account != a {
		s.t.Errorf("account %s is told of %q, which is not its own", a.name, source)
		return nil
	}
	return o
}

func (s *shop) chargeable(a *account, event, source string) {
	o := s.find(a, source)
	if o == nil {
		return
	}
	ch := s.ask(a, http.MethodPost, "/v1/charges", "charge-"+source, url.Values{"source": {source}, "amount": {strconv.Itoa(amount)}, "currency": {"usd"}}).text("id")
	if ch == "" {
		return
	}
	s.change(func() {
		o.chargeable[event]++
		if o.charge != "" && o.charge != ch {
			s.t.Errorf("the charge of %s is %s and then %s", source, o.charge, ch)
		}
		o.charge = ch
		s.finish(o)
	})
}

func (s *shop) succeeded(a *account, event, charge, source string) {
	o := s.find(a, source)
	if o == nil {
		return
	}
	refund := ""
	if o.refuses {
		if refund = s.ask(a, http.MethodPost, "/v1/refunds", "refund-"+charge, url.Values{"charge": {charge}}).text("id"); refund == "" {
			return
		}
	}
	s.change(func() {
		o.succeeded[event]++
		if o.refund != "" && o.refund != refund {
			s.t.Errorf("the refund of %s is %s and then %s", charge, o.refund, refund)
		}
		o.refund = refund
		s.finish(o)
	})
}

// finish tells who waits for the order. Called with the lock held.
func (s *shop) finish(o *order) {
	if o.complete() {
		o.doneOnce.Do(func() { close(o.done) })
	}
}

// complete reports whether everything happened that should. Called with the
// lock held.
func (o *order) complete() bool {
	return o.authorized && o.charge != "" && len(o.chargeable) > 0 && len(o.succeeded) > 0 && (!o.refuses || o.refund != "")
}

// settle waits until every order is complete.
func (s *shop) settle() {
	for deadline := time.After(patience); ; {
		s.mu.Lock()
		var waiting []*order
		for _, o := range s.orders {
			if !o.complete() {
				waiting = append(waiting, o)
			}
		}
		changed := s.changed
		s.mu.Unlock()
		if len(waiting) == 0 {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, o := range waiting[:min(len(waiting), 5)] {
				s.t.Errorf("%s: authorized %v, charge %q, refund %q (wanted: %v), messages %v %v", o.source, o.authorized, o.charge, o.refund, o.refuses, o.chargeable, o.succeeded)
			}
			s.t.Fatalf("%d of %d orders are not complete", len(waiting), len(s.orders))
		}
	}
}

// list returns all objects of a kind by id.
func (s *shop) list(a *account, path string) map[string]object {
	all := map[string]object{}
	for after := ""; ; {
		q := url.Values{"limit": {"100"}}
		if after != "" {
			q.Set("starting_after", after)
		}
		page := s.ask(a, http.MethodGet, path+"?"+q.Encode(), "", nil)
		items, _ := page["data"].([]any)
		for _, it := range items {
			o := object(it.(map[string]any))
			after = o.text("id")
			all[after] = o
		}
		if more, _ := page["has_more"].(bool); !more || len(items) == 0 {
			return all
		}
	}
}

// later moves the accounts' clocks over the time that refunds need to succeed
// and proceeds to become available.
func (s *shop) later() {
	for _, a := range s.accounts {
		s.control(a, "/_ducat/v1/clock/advance", `{"seconds":1209600}`)
	}
}

func (s *shop) control(a *account, path, body string) {
	req, err := http.NewRequest(http.MethodPost, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth(a.key, "")
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		s.t.Fatalf("POST %s %s: %s\n%s", path, body, res.Status, b)
	}
}

// audit compares what the server has with what the shop was told. It returns
// how many orders and refunds there were.
func (s *shop) audit() (orders, refunds int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byAccount := map[*account][]*order{}
	for _, o := range s.orders {
		byAccount[o.account] = append(byAccount[o.account], o)
		if o.refuses {
			refunds++
		}
	}
	var wrong []string
	for _, a := range s.accounts {
		wrong = append(wrong, s.differences(a, byAccount[a])...)
	}
	for _, w := range wrong[:min(len(wrong), wrongMax)] {
		s.t.Error(w)
	}
	if n := len(wrong); n > wrongMax {
		s.t.Errorf("and %d more differences", n-wrongMax)
	}
	return len(s.orders), refunds
}

func (s *shop) differences(a *account, orders []*order) (wrong []string) {
	charges, refunds, refunded := s.list(a, "/v1/charges"), s.list(a, "/v1/refunds"), 0
	for _, o := range orders {
		src, ch, re := s.ask(a, http.MethodGet, "/v1/sources/"+o.source, "", nil), charges[o.charge], refunds[o.refund]
		if src.text("status") != "consumed" {
			wrong = append(wrong, fmt.Sprintf("source %s: %v", o.source, src))
		}
		if ch.text("status") != "succeeded" || ch.in("source").text("id") != o.source || ch["refunded"] != o.refuses || ch["amount"] != float64(amount) {
			wrong = append(wrong, fmt.Sprintf("charge %q of %s (refund %q): %v", o.charge, o.source, o.refund, ch))
		}
		if o.refuses {
			refunded++
			if re.text("status") != "succeeded" || re.text("charge") != o.charge || re["amount"] != float64(amount) {
				wrong = append(wrong, fmt.Sprintf("refund %q of %s: %v", o.refund, o.charge, re))
			}
		}
		// A message may arrive twice; the same thing may not be said in two.
		if len(o.chargeable) != 1 || len(o.succeeded) != 1 {
			wrong = append(wrong, fmt.Sprintf("%s: different events say the same: %v %v", o.source, o.chargeable, o.succeeded))
		}
	}
	if len(charges) != len(orders) || len(refunds) != refunded {
		wrong = append(wrong, fmt.Sprintf("account %s has %d charges and %d refunds, asked for %d and %d", a.name, len(charges), len(refunds), len(orders), refunded))
	}
	return wrong
}
