// Package multisafepay speaks MultiSafepay's JSON API: routes, decoding,
// validation, rendering, errors, notifications, and the pages on which payers of
// that service choose a method and, in a sandbox, how the payment ends. It owns
// orders and transactions as rows and computes their statuses from the core; it
// holds no money.
//
// An order is what one POST asked for. Each attempt at paying it is a
// transaction with a PSP id of its own, and a payment of the core, captured on
// approval. Departures from the real service are listed in
// docs/divergences/multisafepay.md.
package multisafepay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/reqlog"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// Name is the front's name in stored rows.
const Name = "multisafepay"

// Prefix is where the API lives; the SDKs keep /v1/ as their base.
const Prefix = "/v1/json"

const (
	bodyMax     = 1 << 20
	bodyMaxFile = 16 << 20
)

// Config is what the dialect has to be told.
type Config struct {
	BaseURL string // where payers and merchants reach this server, no trailing slash
	Sandbox bool   // any well-formed key is a world of its own
}

// API serves /v1/json, /events/, and the payer's pages under /connect/ and
// /simulator/.
type API struct {
	engine *engine.Engine
	worlds *engine.Worlds
	config Config
	log    *slog.Logger
	routes []endpoint
	bus    string // where an order is watched over a WebSocket
	stream string // and as a stream of events
	pages  http.Handler
	serial atomic.Uint64 // of PSP ids
	opened engine.Opened[principal]
	known  atomic.Pointer[secrets]

	watchers *watchers
}

// New returns the API. The caller registers it with the engine as a front.
func New(e *engine.Engine, w *engine.Worlds, c Config, log *slog.Logger) *API {
	a := &API{engine: e, worlds: w, config: c, log: log, watchers: newWatchers()}
	a.routes = a.endpoints()
	for i := range a.routes {
		a.routes[i].segments = strings.Split(a.routes[i].pattern, "/")
	}
	watch := c.BaseURL + EventsPrefix
	a.bus, a.stream = "ws"+strings.TrimPrefix(watch, "http")+"/", watch+"/stream/"
	a.pages = a.pageRoutes()
	start, _ := strconv.ParseUint(digitsOf(e.IDs.Random(3)), 10, 64)
	a.serial.Store(start / 2) // far from where the last three digits begin anew
	return a
}

// digitsOf turns random letters into random digits.
func digitsOf(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b)
}

// endpoint is one row of the API's surface. A segment of the pattern in braces
// stands for any one segment.
type endpoint struct {
	method, pattern string
	segments        []string // of the pattern
	public          bool     // an API token may call it, from a browser
	file            bool     // takes a large body
	bodyless        bool     // needs no body
	read            func(c *call) (any, error)
	write           func(c *call) (step, error)
}

// step is what a writing endpoint does inside its transaction. Both functions
// may run more than once.
type step struct {
	begin  func(t *engine.Tx) error
	finish func(t *engine.Tx) (any, error)
}

// call is one request.
type call struct {
	api       *API
	ctx       context.Context
	principal principal
	path      map[string]string // segments by name
	query     url.Values
	body      value.Value
	requestID string
}

// page is data with a pager beside it.
type page struct{ data, pager any }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, Prefix):
		a.serve(w, r)
	case strings.HasPrefix(r.URL.Path, EventsPrefix):
		a.serveEvents(w, r)
	default:
		a.pages.ServeHTTP(w, r)
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	c := &call{api: a, ctx: r.Context(), query: r.URL.Query(), requestID: "msp_" + a.engine.IDs.Random(14)}
	ep, found := a.route(r, c)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if ep.public && (r.Method == http.MethodOptions || strings.HasPrefix(keyOf(r), tokenPrefix)) {
		cors(h)
	}
	if r.Method == http.MethodOptions && found {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status, body := a.answer(c, ep, found, r, reqlog.Of(w))
	h.Set("Content-Type", "application/json; charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// cors lets payment components read what their API token may see. Keys of a
// site get no such header: they do not belong into a browser (reference §1.8).
func cors(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "api_key, api-key, Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "300")
}

// answer runs a request and returns its status and body.
func (a *API) answer(c *call, ep endpoint, found bool, r *http.Request, logged *reqlog.Record) (int, []byte) {
	logged.RequestID = c.requestID
	reply, err := a.handle(c, ep, found, r)
	logged.Account = c.principal.account
	if err == nil {
		return reply.Status, reply.Body
	}
	we := translate(err)
	if we.status >= http.StatusInternalServerError {
		a.log.Error("request failed", "request_id", c.requestID, "route", r.Method+" "+r.URL.Path, "error", err)
	}
	logged.ErrorCode = strconv.Itoa(we.code)
	return we.status, we.envelope()
}

// handle checks the key, then the route, then the syntax of the body; members
// come last (reference §1.7).
func (a *API) handle(c *call, ep endpoint, found bool, r *http.Request) (engine.Reply, error) {
	var err error
	if c.principal, err = a.authenticate(c.ctx, keyOf(r)); err != nil {
		return engine.Reply{}, err
	}
	if !found {
		return engine.Reply{}, refuse(codePath)
	}
	if c.principal.key == "" && !ep.public {
		return engine.Reply{}, refuse(codeKey)
	}
	if err := c.readBody(r, ep); err != nil {
		return engine.Reply{}, err
	}
	if ep.read != nil {
		data, err := ep.read(c)
		if err != nil {
			return engine.Reply{}, err
		}
		return success(data), nil
	}
	return a.change(c, ep)
}

// route finds the endpoint of a request. OPTIONS and HEAD are about the endpoint
// that GET would reach. A trailing slash is tolerated, and old clients write
// PATCH as a POST with a header (reference §1.1, §1.3).
func (a *API) route(r *http.Request, c *call) (endpoint, bool) {
	method := r.Method
	switch o := r.Header.Get("X-Http-Method-Override"); {
	case method == http.MethodPost && o != "":
		method = strings.ToUpper(o)
	case method == http.MethodHead, method == http.MethodOptions:
		method = http.MethodGet
	}
	segments := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.EscapedPath(), Prefix), "/"), "/")
	for _, ep := range a.routes {
		if ep.method == method && match(ep.segments, segments, c) {
			return ep, true
		}
	}
	return endpoint{}, false
}

// match compares segments with those of a pattern and notes what stands in braces,
// decoded once.
func match(want, segments []string, c *call) bool {
	if len(want) != len(segments) {
		return false
	}
	var named map[string]string
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == "" {
			return false
		}
		if name, ok := strings.CutPrefix(want[i], "{"); ok {
			if named == nil {
				named = map[string]string{}
			}
			named[strings.TrimSuffix(name, "}")] = decoded
		} else if want[i] != decoded {
			return false
		}
	}
	c.path = named
	return true
}

// readBody reads the body of POST and PATCH as JSON, whatever its label says.
func (c *call) readBody(r *http.Request, ep endpoint) error {
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		return nil
	}
	limit := int64(bodyMax)
	if ep.file {
		limit = bodyMaxFile
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return refusef(codeMissing, "the body could not be read completely")
	}
	if int64(len(b)) > limit {
		return refusef(codeMissing, "the body is larger than %d bytes", limit)
	}
	if ep.bodyless && len(b) == 0 {
		return nil
	}
	if c.body, err = value.Parse(b); err != nil {
		return refusef(codeMissing, "the body is not a JSON object")
	}
	return nil
}

// success is the envelope of an answer.
func success(data any) engine.Reply {
	o := value.Object{"success": true, "data": data}
	if p, ok := data.(page); ok {
		o["data"], o["pager"] = p.data, p.pager
	}
	return engine.Reply{Status: http.StatusOK, Body: value.Encode(o)}
}

// pspTries is how often a request is run again because the PSP id it drew was
// taken, or its order id, which it took to be new.
const pspTries = 5

// change runs a writing endpoint. The protocol has no idempotency keys: order
// ids are the only protection (reference §3.11).
func (a *API) change(c *call, ep endpoint) (engine.Reply, error) {
	s, err := ep.write(c)
	if err != nil {
		return engine.Reply{}, err
	}
	var refusal *wireError
	var answer func() engine.Reply // is written after the update, where nobody waits for it
	op := engine.Op{
		Merchant: c.principal.merchantID, Cause: engine.Cause{RequestID: c.requestID}, Endpoint: ep.method + " " + ep.pattern,
		Begin: func(t *engine.Tx) error {
			refusal = nil
			err := s.begin(t)
			if w, ok := errors.AsType[*wireError](err); ok && w.keep {
				refusal = w
				return nil
			}
			return err
		},
		Finish: func(t *engine.Tx) (engine.Reply, error) {
			w := refusal
			var data any
			if w == nil {
				var err error
				data, err = s.finish(t)
				if refused, ok := errors.AsType[*wireError](err); ok && refused.keep {
					w = refused
				} else if err != nil {
					return engine.Reply{}, err
				}
			}
			answer = func() engine.Reply {
				if w != nil {
					return engine.Reply{Status: w.status, Body: w.envelope()}
				}
				return success(data)
			}
			return engine.Reply{}, nil
		},
	}
	for try := 1; ; try++ {
		_, err := a.engine.Execute(c.ctx, op)
		switch {
		case err == nil:
			return answer(), nil
		case !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrStale) || try == pspTries:
			return engine.Reply{}, err
		}
	}
}

// newPSP draws a PSP id: ten digits of Unix seconds, then six, of which three are
// the milliseconds and three count up from a random start (reference §2). Rows are
// unique by it; whoever draws one that is taken tries again.
func (a *API) newPSP(at time.Time) string { return id.Number(at, a.serial.Add(1)) }

// view is what renderers need: data, the merchant, and its time.
type view struct {
	store.Reader
	api      *API
	merchant merchant.Merchant
	at       time.Time
}

// view runs fn on a snapshot of a merchant's data.
func (a *API) view(ctx context.Context, merchantID int64, fn func(v *view) error) error {
	return a.engine.View(ctx, merchantID, func(r store.Reader, m merchant.Merchant, at time.Time) error {
		return fn(&view{Reader: r, api: a, merchant: m, at: at})
	})
}

// view runs fn on a snapshot of the caller's data.
func (c *call) view(fn func(v *view) error) error {
	return c.api.view(c.ctx, c.principal.merchantID, fn)
}

// in gives a transaction the same face as a snapshot.
func (a *API) in(t *engine.Tx) *view {
	return &view{Reader: t, api: a, merchant: t.Who, at: t.At}
}

// setting reads a site's setting.
func (v *view) setting(name string) string { return v.merchant.Profile.Settings[name] }
