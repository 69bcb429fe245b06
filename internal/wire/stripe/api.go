// Package stripe speaks Stripe's API: routes, decoding, validation, rendering,
// errors, webhook signatures. It owns the resources of that API as rows and
// computes their status from the core; it holds no money.
//
// Departures from the real service are listed in docs/divergences/stripe.md.
package stripe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/reqlog"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// Name is the front's name in stored rows.
const Name = "stripe"

// bodyMax is the largest request body accepted.
const bodyMax = 1 << 20

// Config is what the dialect has to be told.
type Config struct {
	BaseURL string // where payers and merchants reach this server, no trailing slash
	Sandbox bool   // any well-formed test key is a world of its own
}

// API serves /v1.
type API struct {
	// Advance moves a world's clock to an instant, doing everything that falls
	// due on the way. Whoever assembles the server sets it before serving.
	Advance func(ctx context.Context, merchantID int64, to time.Time) error

	engine    *engine.Engine
	worlds    *engine.Worlds
	config    Config
	log       *slog.Logger
	mux       *http.ServeMux
	pins      pins
	limiter   limiter
	sandboxes engine.Opened[principal]
	kept      kept
	rendered  rendered
	reports   reports
	reportMax int // bytes of a report's file

	listeners  *listeners
	listenSeed listenSeed
	tails      tails
}

// New returns the API. The caller registers it with the engine as a front.
func New(e *engine.Engine, w *engine.Worlds, c Config, log *slog.Logger) *API {
	a := &API{engine: e, worlds: w, config: c, log: log, mux: http.NewServeMux(), reportMax: reportMax, listeners: newListeners()}
	for _, ep := range a.endpoints() {
		a.mux.Handle(ep.method+" "+ep.path, a.serve(ep))
	}
	a.mux.HandleFunc("GET "+ListenPath, a.serveSocket)
	a.mux.Handle("/", a.serve(endpoint{}))
	return a
}

// endpoint is one row of the API's surface.
type endpoint struct {
	method, path string
	public       bool     // a publishable key may call it
	publicUntil  string   // or could, before this version
	params       []string // top-level parameters it knows, beside expand
	object       string   // what it answers with; decides what may be expanded
	list         bool
	steady       bool // what it answers follows from the world's rows and, at most, the time
	read         func(c *call) (obj, error)
	write        func(c *call) (step, error)
	bytes        func(c *call) (engine.Reply, string, error) // answers with bytes of a type
}

// step is what a writing endpoint does inside its transaction. Both functions
// may run more than once, and finish in another process than begin: where a rail
// may have been asked in between, they share Tx.Subject and no variables.
type step struct {
	begin  func(t *engine.Tx) error
	finish func(t *engine.Tx) (obj, error)
}

// call is one request.
type call struct {
	api        *API
	ctx        context.Context
	request    *http.Request
	principal  principal
	version    string
	params     form.Value
	path       func(name string) string
	requestID  string
	key        string // idempotency key
	route      string // method and path as called
	expand     []string
	totalCount bool    // a list was asked for how much there is
	timely     bool    // the answer depends on the time
	upload     *upload // the file of a multipart request
	apiKey     string
	unreadable error  // what is wrong with the form
	refused    string // code of a refusal that is kept under an idempotency key
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := r.URL.Path; strings.TrimSuffix(p, "/") != path.Clean(p) && p != "/" {
		a.serve(endpoint{}).ServeHTTP(w, r) // the mux would redirect to the cleaned path
		return
	}
	a.mux.ServeHTTP(w, r)
}

// always are the headers of every answer. Answers share their values.
var always = http.Header{
	"Access-Control-Allow-Credentials": {"true"},
	"Access-Control-Allow-Methods":     {"GET, HEAD, PUT, PATCH, POST, DELETE"},
	"Access-Control-Allow-Origin":      {"*"},
	"Access-Control-Expose-Headers":    {"Request-Id, Stripe-Manage-Version, Stripe-Should-Retry, X-Stripe-External-Auth-Required, X-Stripe-Privileged-Session-Required"},
	"Access-Control-Max-Age":           {"300"},
	"Vary":                             {"Origin"},
	"Cache-Control":                    {"no-cache, no-store"},
	"Content-Type":                     {"application/json"},
}

// serve wraps an endpoint with everything that is the same for all.
func (a *API) serve(ep endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		maps.Copy(h, always)
		if r.Method == http.MethodOptions {
			if v := r.Header.Get("Access-Control-Request-Headers"); v != "" {
				h.Set("Access-Control-Allow-Headers", v)
			}
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		c := &call{api: a, ctx: r.Context(), request: r, path: r.PathValue, requestID: "req_" + a.engine.IDs.Random(14), route: r.Method + " " + r.URL.Path}
		logged := reqlog.From(r.Context())
		logged.RequestID = c.requestID
		h.Set("Request-Id", c.requestID)
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload")
		}
		reply, err := a.handle(c, ep, r, h)
		logged.Account, logged.ErrorCode = c.principal.account, c.refused
		first := reply.RequestID
		var we *wireError
		if err != nil {
			we = c.elsewhere(translate(err)).at(c.version)
			if we.status >= 500 {
				a.log.Error("request failed", "request_id", c.requestID, "route", c.route, "error", err)
			}
			logged.ErrorCode, first = we.code, we.first
			if we.retry != "" {
				h.Set("Stripe-Should-Retry", we.retry)
			}
			if we.reason != "" {
				h.Set("Stripe-Rate-Limited-Reason", we.reason)
			}
			reply = engine.Reply{Status: we.status, Body: we.envelope(c.requestID, a.config.BaseURL, a.engine.Clock.Now())}
		}
		if c.key != "" && r.Method == http.MethodPost {
			h.Set("Idempotency-Key", c.key)
			h.Set("Original-Request", firstOf(first, c.requestID))
			if reply.Replayed {
				h.Set("Idempotent-Replayed", "true")
				h.Set("Stripe-Version", firstOf(string(reply.Headers), c.version))
			}
			if h.Get("Stripe-Should-Retry") == "" {
				// An internal error stored nothing: the same key may try again.
				h.Set("Stripe-Should-Retry", strconv.FormatBool(reply.Status >= 500))
			}
		}
		a.tails.tell(c, reply.Status, we)
		h.Set("Content-Length", strconv.Itoa(len(reply.Body)))
		w.WriteHeader(reply.Status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(reply.Body)
		}
	})
}

// handle runs the checks in the order of stripe-platform §1.6.
func (a *API) handle(c *call, ep endpoint, r *http.Request, h http.Header) (engine.Reply, error) {
	if err := a.admit(c, r, h); err != nil {
		return engine.Reply{}, err
	}
	params := c.params
	known, err := c.settings()
	if err != nil {
		return engine.Reply{}, err
	}
	h.Set("Stripe-Version", known.version)
	asked := plainVersion(firstOf(r.Header.Get("Stripe-Version"), params.Get("_stripe_version").String()))
	if err := c.limited(known, asked); err != nil {
		return engine.Reply{}, err
	}
	if c.version, err = c.resolveVersion(known, asked); err != nil {
		return engine.Reply{}, err
	}
	h.Set("Stripe-Version", c.version)
	if acct := firstOf(r.Header.Get("Stripe-Account"), params.Get("_stripe_account").String()); acct != "" {
		if acct != c.principal.account {
			return engine.Reply{}, c.otherAccount(acct)
		}
		h.Set("Stripe-Account", acct)
	}
	if acct := r.Header.Get("Stripe-Context"); acct != "" && acct != c.principal.account {
		return engine.Reply{}, c.otherAccount(acct) // never done on an account that was not meant
	}
	if ep.read == nil && ep.write == nil && ep.bytes == nil {
		return engine.Reply{}, unrecognized(r)
	}
	if c.principal.customer != "" {
		if err := c.ephemerally(ep); err != nil {
			return engine.Reply{}, err
		}
	} else if c.principal.public && !ep.public && (ep.publicUntil == "" || since(c.version, ep.publicUntil)) {
		return engine.Reply{}, &wireError{status: 401, code: "secret_key_required", message: "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys."}
	}
	if err := c.permitted(ep); err != nil {
		return engine.Reply{}, err
	}
	if r.Method == http.MethodPost {
		if c.key, err = idempotencyKey(r); err != nil {
			return engine.Reply{}, err
		}
	}
	if err := c.accept(ep); err != nil {
		return engine.Reply{}, c.refuse(err)
	}
	return c.raced(r, func() (engine.Reply, error) { return a.run(c, ep, h) })
}

// accept checks what can be known of the parameters from the endpoint's row.
func (c *call) accept(ep endpoint) (err error) {
	if c.unreadable != nil {
		return c.unreadable
	}
	if !since(c.version, parameterRenames[0].from) {
		c.params = c.modernized(ep)
	}
	if err := c.known(ep); err != nil {
		return err
	}
	c.expand, err = c.expansions(ep)
	return err
}

// run does what a call asks for.
func (a *API) run(c *call, ep endpoint, h http.Header) (engine.Reply, error) {
	if ep.bytes != nil {
		reply, contentType, err := ep.bytes(c)
		if err == nil {
			h.Set("Content-Type", contentType)
			h.Set("X-Content-Type-Options", "nosniff")
		}
		return reply, err
	}
	if ep.read != nil {
		body, err := a.kept.answer(c, ep)
		if err != nil {
			return engine.Reply{}, err
		}
		return engine.Reply{Status: 200, Body: body}, nil
	}
	return a.change(c, ep)
}

// admit authenticates a request and reads its parameters. A key in the header is
// judged before a byte of the body is read; without one, only a form can carry
// a publishable key.
func (a *API) admit(c *call, r *http.Request, h http.Header) (err error) {
	inHeader := r.Header.Get("Authorization") != "" || isMultipart(r)
	if !inHeader {
		if c.params, err = c.readParams(r); err != nil {
			return err
		}
	}
	key, refused := keyOf(r, c.params.Get("key").String())
	if refused != nil {
		h.Set("WWW-Authenticate", `Basic realm="Stripe"`)
		return refused
	}
	c.apiKey = key
	if c.principal, err = a.authenticate(c.ctx, key); err != nil || !inHeader {
		return err
	}
	// What is wrong with the form is said when account, route and permission are
	// known to be right.
	c.params, c.unreadable = c.readParams(r)
	return nil
}

func isMultipart(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/form-data")
}

// publicKeys begins the stored form of a browser's or an app's idempotency keys, a
// space of their own: they neither read what a server was answered nor take its
// keys away. No header can spell it.
const publicKeys = "public\n"

// scoped is the idempotency key as it is stored.
func (c *call) scoped() string {
	if c.key != "" && c.principal.public {
		return publicKeys + c.key
	}
	return c.key
}

// op is the call as the engine executes it, but for what it does.
func (c *call) op() engine.Op {
	op := engine.Op{
		Merchant: c.principal.merchantID, Cause: engine.Cause{RequestID: c.requestID, IdempotencyKey: c.key},
		Key: c.scoped(), Endpoint: c.route, AnyParameters: !since(c.version, versionKeyParameters),
	}
	if c.key != "" {
		op.Fingerprint = c.fingerprint()
	}
	return op
}

// refuse is the error of a request whose parameters are not in order: that its
// key was used for something else is said first.
func (c *call) refuse(err error) error {
	if c.key == "" {
		return err
	}
	if kerr := c.api.engine.KeyMisused(c.ctx, c.op()); kerr != nil {
		return keyError(kerr, c)
	}
	return err
}

// change runs a writing endpoint once per idempotency key.
func (a *API) change(c *call, ep endpoint) (engine.Reply, error) {
	op := c.op()
	s, err := ep.write(c)
	if err != nil {
		return engine.Reply{}, c.refuse(err)
	}
	var refusal *wireError
	op.Begin = func(t *engine.Tx) error {
		refusal = nil
		if s.begin == nil {
			return nil
		}
		err := s.begin(t)
		if w, ok := errors.AsType[*wireError](err); ok && w.keep {
			refusal = w
			return nil
		}
		return err
	}
	var answer func() []byte
	op.Finish = func(t *engine.Tx) (engine.Reply, error) {
		reply := engine.Reply{Status: 200, Headers: []byte(c.version), Keep: true}
		if refusal == nil {
			o, err := s.finish(t)
			if err == nil {
				err = c.expandAll(c.in(t), o)
			}
			w, ok := errors.AsType[*wireError](err)
			switch {
			case err == nil:
				older(c.version, o)
				answer = func() []byte { return encode(o) }
			case ok && w.keep:
				refusal = w
			default:
				return engine.Reply{}, err
			}
		}
		if w := refusal; w != nil {
			c.refused, reply.Status = w.code, w.status
			answer = func() []byte { return w.at(c.version).envelope(c.requestID, a.config.BaseURL, t.Wall) }
		}
		if op.Key != "" {
			body := answer()
			answer = func() []byte { return body }
			reply.Body = dictionary().Pack(body)
		}
		return reply, nil
	}
	reply, err := a.engine.Execute(c.ctx, op)
	switch {
	case err != nil:
		return reply, keyError(err, c)
	case reply.Replayed:
		if reply.Body, err = dictionary().Unpack(reply.Body); err != nil {
			err = fmt.Errorf("answer %q: %w", op.Key, err)
		}
	default: // one that is not stored is written here, where nobody waits for it
		reply.Body = answer()
	}
	return reply, err
}

// keyError gives the error about a key used for another endpoint its wire form,
// which names both paths; it leaves other errors alone.
func keyError(err error, c *call) error {
	if faultCode(err) != engine.CodeKeyEndpoint {
		return err
	}
	_, first, _ := cutRoute(faultMessage(err))
	_, now, _ := cutRoute(c.route)
	return &wireError{status: 400, typ: "idempotency_error", first: firstUse(err), message: fmt.Sprintf("Keys for idempotent requests can only be used for the same endpoint they were first used for ('%s' vs '%s'). Try using a key other than '%s' if you meant to execute a different request.", first, now, c.key)}
}

func (c *call) fingerprint() string {
	sum := sha256.New()
	sum.Write([]byte(c.params.Canonical()))
	if c.upload != nil {
		sum.Write([]byte{0})
		sum.Write(c.upload.data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func idempotencyKey(r *http.Request) (string, error) {
	vs, ok := r.Header["Idempotency-Key"]
	if !ok {
		return "", nil
	}
	switch k := vs[0]; {
	case k == "":
		return "", invalid("", "", "Idempotency Key must be a non-empty string.")
	case len(k) > 255:
		return "", invalid("", "", "Idempotency Key must be at most 255 characters long.")
	default:
		return k, nil
	}
}

// readParams decodes the query and, for POST, the body.
func (c *call) readParams(r *http.Request) (form.Value, error) {
	query, err := form.Parse(r.URL.RawQuery)
	if err != nil || r.Method != http.MethodPost {
		return query, err
	}
	if isMultipart(r) {
		body, up, err := readMultipart(r, r.Header.Get("Content-Type"))
		c.upload = up
		if err != nil {
			return form.Value{}, err
		}
		return form.Merge(query, body), nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, bodyMax+1))
	if err != nil {
		return form.Value{}, invalid("", "", "The request body could not be read completely.")
	}
	if len(b) > bodyMax {
		return form.Value{}, &wireError{status: 413, message: fmt.Sprintf("The request body is larger than %d bytes.", bodyMax)}
	}
	ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if ct = strings.TrimSpace(strings.ToLower(ct)); len(b) > 0 && ct == "application/json" {
		return form.Value{}, invalid("", "", "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.")
	}
	body, err := form.Parse(string(b))
	if err != nil {
		return form.Value{}, err
	}
	return form.Merge(query, body), nil
}

func unrecognized(r *http.Request) *wireError {
	path := r.URL.Path
	hint := "Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
	if strings.HasSuffix(path, "/") && len(path) > 1 {
		hint = "If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code. " + hint
	}
	return &wireError{status: 404, message: fmt.Sprintf("Unrecognized request URL (%s: %s). %s", r.Method, path, hint)}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// view runs fn on a snapshot of the caller's data.
func (c *call) view(fn func(v *view) error) error {
	return c.api.engine.View(c.ctx, c.principal.merchantID, func(r store.Reader, m merchant.Merchant, at time.Time) error {
		return fn(&view{Reader: r, api: c.api, merchant: m, at: at, asked: &c.timely, version: c.version, public: c.principal.public})
	})
}

// in gives a transaction the same face as a snapshot.
func (c *call) in(t *engine.Tx) *view {
	return &view{Reader: t, api: c.api, merchant: t.Who, at: t.At, version: c.version, public: c.principal.public}
}

// view is what renderers need: data, the merchant, its time, and the version to
// render.
type view struct {
	store.Reader
	api      *API
	merchant merchant.Merchant
	at       time.Time
	asked    *bool // set when the time was asked for
	version  string
	public   bool // a browser looks: it sees less of some objects
}

// stored shows the object of a kind that has an id.
func (v *view) stored(kind, id string, render func(v *view, row resource.Row) (obj, error)) (obj, error) {
	row, err := v.Resource(kind, id)
	if err != nil {
		return nil, err
	}
	return render(v, row)
}

// now is the merchant's time. What depends on it can change while the rows stay
// as they are.
func (v *view) now() time.Time {
	if v.asked != nil {
		*v.asked = true
	}
	return v.at
}
