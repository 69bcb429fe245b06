// Package demo is a small shop inside the sandbox: what a newcomer opens first.
// It is a client of the API like any shop, with a key of its own for every
// visitor, and shows what its server sends, what its page does and which
// webhooks arrive. It keeps what it has heard in memory; nothing is lost with it.
package demo

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed assets
var assets embed.FS

var pages = template.Must(template.New("").ParseFS(pageFiles, "pages/*.html"))

// Options are what the shop needs to know.
type Options struct {
	API     http.Handler // the payments API
	BaseURL string       // public address, without a trailing slash
	Now     func() time.Time
	Random  func(n int) string // n letters and digits
	Log     *slog.Logger
}

// Shop is the demo.
type Shop struct {
	Options
	mux *http.ServeMux

	mu     sync.Mutex
	worlds map[string]*world
	order  []string // of worlds, the oldest first
}

const (
	worldsMax = 200 // visitors remembered; the oldest are forgotten
	eventsMax = 50  // messages remembered of each
	bodyMax   = 1 << 20
)

// world is one visitor's shop: an account of its own, made by its key.
type world struct {
	key    string
	mu     sync.Mutex
	secret string // of the webhook endpoint
	events []heard
	seen   int // messages ever heard
}

// heard is a webhook that arrived.
type heard struct {
	N      int             `json:"n"`
	Type   string          `json:"type"`
	ID     string          `json:"id"`
	At     string          `json:"at"`
	Object string          `json:"object"`
	Did    string          `json:"did,omitempty"` // what the shop did about it
	Body   json.RawMessage `json:"body"`
}

// product is something to buy. Amounts are in the smallest unit.
type product struct {
	ID, Name, Text string
	Amount         int64
	Currency       string
	Price          string
}

var products = []product{
	{"lamp", "Paper lamp", "Folded by hand, warm light.", 5900, "eur", "€59.00"},
	{"bag", "Canvas bag", "Carries what you need, and a baguette.", 12900, "eur", "€129.00"},
	{"mug", "Stoneware mug", "Keeps its temper, and your tea's.", 1800, "usd", "$18.00"},
}

// New returns the shop.
func New(o Options) *Shop {
	s := &Shop{Options: o, worlds: map[string]*world{}, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /demo", s.enter)
	s.mux.HandleFunc("GET /demo/{$}", s.enter)
	s.mux.Handle("GET /demo/assets/", http.StripPrefix("/demo/", http.FileServerFS(assets)))
	s.mux.HandleFunc("GET /demo/w/{world}/{$}", s.inWorld(s.shelf))
	s.mux.HandleFunc("GET /demo/w/{world}/alipay", s.inWorld(s.alipay))
	s.mux.HandleFunc("GET /demo/w/{world}/checkout", s.inWorld(s.checkout))
	s.mux.HandleFunc("GET /demo/w/{world}/done", s.inWorld(s.done))
	s.mux.HandleFunc("GET /demo/w/{world}/events", s.inWorld(s.events))
	s.mux.HandleFunc("POST /demo/w/{world}/hooks", s.inWorld(s.hook))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' "+s.BaseURL+
		"; frame-src 'self' "+s.BaseURL+"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	s.mux.ServeHTTP(w, r)
}

// enter gives a visitor a world of their own.
func (s *Shop) enter(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/demo/w/"+s.Random(24)+"/", http.StatusSeeOther)
}

var worldName = regexp.MustCompile(`^[A-Za-z0-9]{24}$`)

// inWorld finds the visitor's world by its name in the address.
func (s *Shop) inWorld(fn func(http.ResponseWriter, *http.Request, *world) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("world")
		if !worldName.MatchString(name) {
			http.Redirect(w, r, "/demo", http.StatusSeeOther)
			return
		}
		if err := fn(w, r, s.world(name)); err != nil {
			// Not the path: the visitor's name is the key of their account.
			s.Log.Warn("demo shop", "page", r.Pattern, "error", err)
			s.render(w, http.StatusBadGateway, "oops.html", map[string]any{"World": name, "Error": err.Error()})
		}
	}
}

func (s *Shop) world(name string) *world {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.worlds[name]
	if !ok {
		v = &world{key: name}
		s.worlds[name] = v
		s.order = append(s.order, name)
		if len(s.order) > worldsMax {
			delete(s.worlds, s.order[0])
			s.order = s.order[1:]
		}
	}
	return v
}

func (s *Shop) render(w http.ResponseWriter, status int, page string, data map[string]any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, page, data); err != nil {
		s.Log.Error("demo page", "page", page, "error", err)
		http.Error(w, "The page could not be drawn.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// answer is what the API answered.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// call asks the API as the shop's server would, with its secret key.
func (s *Shop) call(r *http.Request, v *world, method, path string, params url.Values, idempotencyKey string) (map[string]any, error) {
	q, err := http.NewRequestWithContext(r.Context(), method, s.BaseURL+path, strings.NewReader(params.Encode()))
	if err != nil {
		return nil, err
	}
	q.RemoteAddr, q.RequestURI = r.RemoteAddr, path
	q.Header.Set("Authorization", "Bearer sk_test_"+v.key)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("User-Agent", "Ducat demo shop")
	if idempotencyKey != "" {
		q.Header.Set("Idempotency-Key", idempotencyKey)
	}
	a := &answer{status: http.StatusOK, header: http.Header{}}
	s.API.ServeHTTP(a, q)
	var out map[string]any
	if err := json.Unmarshal(a.body.Bytes(), &out); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if e, ok := out["error"].(map[string]any); ok {
		return nil, fmt.Errorf("%s %s: %v", method, path, e["message"])
	}
	return out, nil
}

// listen makes the webhook endpoint of a world, once.
func (s *Shop) listen(r *http.Request, v *world) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.secret != "" {
		return nil
	}
	e, err := s.call(r, v, http.MethodPost, "/v1/webhook_endpoints", url.Values{"url": {s.BaseURL + "/demo/w/" + v.key + "/hooks"}, "enabled_events[]": {"*"}}, "")
	if err != nil {
		return err
	}
	v.secret, _ = e["secret"].(string)
	if v.secret == "" {
		return errors.New("the new webhook endpoint has no secret")
	}
	return nil
}

func chosen(r *http.Request) (product, bool) {
	id := r.URL.Query().Get("product")
	i := slices.IndexFunc(products, func(p product) bool { return p.ID == id })
	if i < 0 {
		return product{}, false
	}
	return products[i], true
}

func (s *Shop) common(v *world) map[string]any {
	return map[string]any{"World": v.key, "Secret": "sk_test_" + v.key, "Public": "pk_test_" + v.key, "BaseURL": s.BaseURL, "Products": products}
}

func (s *Shop) shelf(w http.ResponseWriter, r *http.Request, v *world) error {
	if err := s.listen(r, v); err != nil {
		return err
	}
	s.render(w, http.StatusOK, "shelf.html", s.common(v))
	return nil
}

// alipay is the page that pays by a source: its script makes the source and
// sends the customer away; the charge is made when the webhook says so.
func (s *Shop) alipay(w http.ResponseWriter, r *http.Request, v *world) error {
	p, ok := chosen(r)
	if !ok {
		http.Redirect(w, r, "./", http.StatusSeeOther)
		return nil
	}
	if err := s.listen(r, v); err != nil {
		return err
	}
	data := s.common(v)
	data["Product"], data["Return"] = p, s.BaseURL+"/demo/w/"+v.key+"/done?product="+p.ID
	s.render(w, http.StatusOK, "alipay.html", data)
	return nil
}

// checkout is the page with the Payment Element.
func (s *Shop) checkout(w http.ResponseWriter, r *http.Request, v *world) error {
	p, ok := chosen(r)
	if !ok {
		http.Redirect(w, r, "./", http.StatusSeeOther)
		return nil
	}
	if err := s.listen(r, v); err != nil {
		return err
	}
	pi, err := s.call(r, v, http.MethodPost, "/v1/payment_intents", url.Values{
		"amount": {fmt.Sprint(p.Amount)}, "currency": {p.Currency}, "automatic_payment_methods[enabled]": {"true"}, "description": {p.Name},
	}, "")
	if err != nil {
		return err
	}
	data := s.common(v)
	data["Product"], data["ClientSecret"], data["Return"] = p, pi["client_secret"], s.BaseURL+"/demo/w/"+v.key+"/done?product="+p.ID
	s.render(w, http.StatusOK, "checkout.html", data)
	return nil
}

func (s *Shop) done(w http.ResponseWriter, r *http.Request, v *world) error {
	p, _ := chosen(r)
	data := s.common(v)
	data["Product"] = p
	s.render(w, http.StatusOK, "done.html", data)
	return nil
}

// events answers what arrived after a number.
func (s *Shop) events(w http.ResponseWriter, r *http.Request, v *world) error {
	var after int
	_, _ = fmt.Sscan(r.URL.Query().Get("after"), &after)
	v.mu.Lock()
	list := []heard{}
	for _, e := range v.events {
		if e.N > after {
			list = append(list, e)
		}
	}
	v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(map[string]any{"events": list})
}

// hook receives a webhook. What is not signed with the endpoint's secret is not
// believed.
func (s *Shop) hook(w http.ResponseWriter, r *http.Request, v *world) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		http.Error(w, "The message is too long.", http.StatusRequestEntityTooLarge)
		return nil
	}
	v.mu.Lock()
	secret := v.secret
	v.mu.Unlock()
	if secret == "" || !signed(r.Header.Get("Stripe-Signature"), body, secret) {
		http.Error(w, "The signature is wrong.", http.StatusBadRequest)
		return nil
	}
	var e struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			Object map[string]any `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "The message is not JSON.", http.StatusBadRequest)
		return nil
	}
	object := fmt.Sprint(e.Data.Object["id"])
	did := ""
	if e.Type == "source.chargeable" {
		if did, err = s.charge(r, v, e.Data.Object); err != nil {
			return err
		}
	}
	v.hear(heard{Type: e.Type, ID: e.ID, At: s.Now().UTC().Format(time.TimeOnly), Object: object, Did: did, Body: body})
	_, err = io.WriteString(w, "thanks\n")
	return err
}

// hear remembers a message once, however often it is delivered.
func (v *world) hear(h heard) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if slices.ContainsFunc(v.events, func(other heard) bool { return other.ID == h.ID }) {
		return
	}
	v.seen++
	h.N = v.seen
	v.events = append(v.events, h)
	if len(v.events) > eventsMax {
		v.events = v.events[1:]
	}
}

// charge takes the money of a source that has become chargeable, once however
// often the message comes.
func (s *Shop) charge(r *http.Request, v *world, source map[string]any) (string, error) {
	id, amount, currency := fmt.Sprint(source["id"]), source["amount"], fmt.Sprint(source["currency"])
	minor, ok := amount.(float64)
	if !ok {
		return "", fmt.Errorf("source %s has the amount %v", id, amount)
	}
	ch, err := s.call(r, v, http.MethodPost, "/v1/charges", url.Values{"amount": {fmt.Sprintf("%.0f", minor)}, "currency": {currency}, "source": {id}}, "charge-"+id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("POST /v1/charges → %v", ch["id"]), nil
}

// signed checks a signature header: t=time,v1=HMAC-SHA256 of "time.body".
func signed(header string, body []byte, secret string) bool {
	var at string
	var signatures []string
	for part := range strings.SplitSeq(header, ",") {
		if k, v, _ := strings.Cut(part, "="); k == "t" {
			at = v
		} else if k == "v1" {
			signatures = append(signatures, v)
		}
	}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", at, body)
	want := hex.EncodeToString(mac.Sum(nil))
	return slices.ContainsFunc(signatures, func(got string) bool { return hmac.Equal([]byte(got), []byte(want)) })
}
