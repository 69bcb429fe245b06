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
	"slices"
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

// bodyFirst is how much room a body is given, at most, before any of it has come.
const bodyFirst = 16 << 10

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
	return &API{engine: e, worlds: w, config: c, log: log, reportMax: reportMax, listeners: newListeners()}
}

// Routes gives a mux the API's whole surface, and what nobody else takes.
func (a *API) Routes(mux *http.ServeMux) {
	for _, ep := range a.endpoints() {
		mux.Handle(ep.method+" "+ep.path, a.serve(ep))
	}
	mux.HandleFunc("GET "+ListenPath, a.serveSocket)
	mux.HandleFunc(LinksPath, a.serveLink)
	mux.Handle("/", a.Unknown())
}

// Unknown answers a path that is not the API's with the API's own error.
func (a *API) Unknown() http.Handler { return a.serve(endpoint{}) }

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

// with is the beginning of a step that does something with one object.
func with[T any](load func(t *engine.Tx) (T, error), do func(t *engine.Tx, object T) error) func(t *engine.Tx) error {
	return func(t *engine.Tx) error {
		object, err := load(t)
		if err != nil {
			return err
		}
		return do(t, object)
	}
}

// call is one request.
type call struct {
	api        *API
	ctx        context.Context
	request    *http.Request
	principal  principal
	version    string
	params     form.Value
	header     http.Header // of the answer
	values     []string    // of those headers that calls do not share
	room       [valuesMax]string
	requestID  string
	key        string // idempotency key
	expand     []string
	totalCount bool    // a list was asked for how much there is
	timely     bool    // the answer depends on the time
	upload     *upload // the file of a multipart request
	apiKey     string
	unreadable error  // what is wrong with the form
	refused    string // code of a refusal that is kept under an idempotency key
}

// path is a wildcard of the endpoint's path.
func (c *call) path(name string) string { return c.request.PathValue(name) }

// route is the method and path as called.
func (c *call) route() string { return c.request.Method + " " + c.request.URL.Path }

// valuesMax is how many headers of its own an answer usually has at most.
const valuesMax = 8

// set gives the answer a header. The name is in its canonical form.
func (c *call) set(name, value string) {
	c.values = append(c.values, value)
	n := len(c.values)
	c.header[name] = c.values[n-1 : n : n]
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
		c := &call{api: a, ctx: r.Context(), request: r, header: h, requestID: "req_" + a.engine.IDs.Random(14)}
		c.values = c.room[:0]
		logged := reqlog.Of(w)
		logged.RequestID = c.requestID
		c.set("Request-Id", c.requestID)
		if r.TLS != nil {
			c.set("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload")
		}
		reply, err := a.handle(c, ep, r)
		logged.Account, logged.ErrorCode = c.principal.account, c.refused
		first := reply.RequestID
		var we *wireError
		if err != nil {
			we = c.elsewhere(translate(err)).at(c.version)
			if we.status >= 500 {
				a.log.Error("request failed", "request_id", c.requestID, "route", c.route(), "error", err)
			}
			logged.ErrorCode, first = we.code, we.first
			if we.retry != "" {
				c.set("Stripe-Should-Retry", we.retry)
			}
			if we.reason != "" {
				c.set("Stripe-Rate-Limited-Reason", we.reason)
			}
			reply = engine.Reply{Status: we.status, Body: we.envelope(c.requestID, a.config.BaseURL, a.engine.Clock.Now())}
		}
		if c.key != "" && r.Method == http.MethodPost {
			c.set("Idempotency-Key", c.key)
			c.set("Original-Request", firstOf(first, c.requestID))
			if reply.Replayed {
				c.set("Idempotent-Replayed", "true")
				c.set("Stripe-Version", firstOf(string(reply.Headers), c.version))
			}
			if we == nil || we.retry == "" {
				// An internal error stored nothing: the same key may try again.
				c.set("Stripe-Should-Retry", strconv.FormatBool(reply.Status >= 500))
			}
		}
		a.tails.tell(c, reply.Status, we)
		c.set("Content-Length", strconv.Itoa(len(reply.Body)))
		w.WriteHeader(reply.Status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(reply.Body)
		}
	})
}

// handle runs the checks in the order of stripe-platform §1.6.
func (a *API) handle(c *call, ep endpoint, r *http.Request) (engine.Reply, error) {
	if err := a.admit(c, r); err != nil {
		return engine.Reply{}, err
	}
	params := c.params
	known, err := c.settings()
	if err != nil {
		return engine.Reply{}, err
	}
	c.set("Stripe-Version", known.version)
	asked := plainVersion(firstOf(r.Header.Get("Stripe-Version"), params.Get("_stripe_version").String()))
	if err := c.limited(known, asked); err != nil {
		return engine.Reply{}, err
	}
	if c.version, err = c.resolveVersion(known, asked); err != nil {
		return engine.Reply{}, err
	}
	if c.version != known.version {
		c.set("Stripe-Version", c.version)
	}
	if acct := firstOf(r.Header.Get("Stripe-Account"), params.Get("_stripe_account").String()); acct != "" {
		if acct != c.principal.account {
			return engine.Reply{}, c.otherAccount(acct)
		}
		c.set("Stripe-Account", acct)
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
	return c.raced(ep)
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
func (a *API) run(c *call, ep endpoint) (engine.Reply, error) {
	if ep.bytes != nil {
		reply, contentType, err := ep.bytes(c)
		if err == nil {
			c.set("Content-Type", contentType)
			c.set("X-Content-Type-Options", "nosniff")
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
func (a *API) admit(c *call, r *http.Request) (err error) {
	inHeader := r.Header.Get("Authorization") != "" || isMultipart(r)
	if !inHeader {
		if c.params, err = c.readParams(r); err != nil {
			return err
		}
	}
	key, refused := keyOf(r, c.params.Get("key").String())
	if refused != nil {
		c.set("Www-Authenticate", `Basic realm="Stripe"`)
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
	const multipart = "multipart/form-data"
	ct := r.Header.Get("Content-Type")
	return len(ct) >= len(multipart) && strings.EqualFold(ct[:len(multipart)], multipart)
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
		Key: c.scoped(), AnyParameters: !since(c.version, versionKeyParameters),
	}
	if c.key != "" {
		op.Endpoint, op.Fingerprint = c.route(), c.fingerprint()
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
	x := &execution{call: c, step: s}
	op.Begin, op.Finish = x.begin, x.finish
	reply, err := a.engine.Execute(c.ctx, op)
	switch {
	case err != nil:
		return reply, keyError(err, c)
	case reply.Replayed:
		if reply.Body, err = dictionary().Unpack(reply.Body); err != nil {
			err = fmt.Errorf("answer %q: %w", op.Key, err)
		}
	default:
		reply.Body = x.answer()
	}
	return reply, err
}

// execution is a step on its way through the engine, and what came of it.
type execution struct {
	*call
	step    step
	refusal *wireError
	object  obj
	at      time.Time // on the wall
	body    []byte
}

func (x *execution) begin(t *engine.Tx) error {
	x.refusal = nil
	if x.step.begin == nil {
		return nil
	}
	err := x.step.begin(t)
	if w, ok := errors.AsType[*wireError](err); ok && w.keep {
		x.refusal = w
		return nil
	}
	return err
}

func (x *execution) finish(t *engine.Tx) (engine.Reply, error) {
	reply := engine.Reply{Status: 200, Keep: true}
	x.object, x.body, x.at = nil, nil, t.Wall
	if x.refusal == nil {
		o, err := x.step.finish(t)
		if err == nil && len(x.expand) > 0 {
			err = x.expandAll(x.in(t), o)
		}
		w, ok := errors.AsType[*wireError](err)
		switch {
		case err == nil:
			older(x.version, o)
			x.object = o
		case ok && w.keep:
			x.refusal = w
		default:
			return engine.Reply{}, err
		}
	}
	if w := x.refusal; w != nil {
		x.refused, reply.Status = w.code, w.status
	}
	if x.key != "" {
		reply.Headers, reply.Body = []byte(x.version), dictionary().Pack(x.answer())
	}
	return reply, nil
}

// answer is the body of the answer. One that is not stored is written after the
// transaction, where nobody waits for it.
func (x *execution) answer() []byte {
	switch {
	case x.body != nil:
	case x.refusal != nil:
		x.body = x.refusal.at(x.version).envelope(x.requestID, x.api.config.BaseURL, x.at)
	default:
		x.body = encode(x.object)
	}
	return x.body
}

// keyError gives the error about a key used for another endpoint its wire form,
// which names both paths; it leaves other errors alone.
func keyError(err error, c *call) error {
	if faultCode(err) != engine.CodeKeyEndpoint {
		return err
	}
	_, first, _ := cutRoute(faultMessage(err))
	now := c.request.URL.Path
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
	b, err := readBody(r)
	if err != nil {
		return form.Value{}, invalid("", "", "The request body could not be read completely.")
	}
	if len(b) > bodyMax {
		return form.Value{}, &wireError{status: 413, message: fmt.Sprintf("The request body is larger than %d bytes.", bodyMax)}
	}
	ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if len(b) > 0 && strings.EqualFold(strings.TrimSpace(ct), "application/json") {
		return form.Value{}, invalid("", "", "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.")
	}
	body, err := form.Parse(string(b))
	if err != nil {
		return form.Value{}, err
	}
	return form.Merge(query, body), nil
}

// readBody reads a body, or as much of it as shows that it is too large.
func readBody(r *http.Request) ([]byte, error) {
	b := make([]byte, 0, min(max(r.ContentLength, 0), bodyFirst)+1)
	for len(b) <= bodyMax {
		b = slices.Grow(b, 1)
		n, err := r.Body.Read(b[len(b):min(cap(b), bodyMax+1)])
		b = b[:len(b)+n]
		if err == io.EOF {
			_ = r.Body.Close() // or the server looks for what is left of it
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
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
		return fn(&view{Reader: r, api: c.api, merchant: &m, at: at, asked: &c.timely, version: c.version, public: c.principal.public})
	})
}

// in gives a transaction the same face as a snapshot.
func (c *call) in(t *engine.Tx) *view {
	return &view{Reader: t, api: c.api, merchant: &t.Who, at: t.At, version: c.version, public: c.principal.public}
}

// view is what renderers need: data, the merchant, its time, and the version to
// render.
type view struct {
	store.Reader
	api      *API
	merchant *merchant.Merchant
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
