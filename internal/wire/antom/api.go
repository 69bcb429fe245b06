// Package antom speaks Antom's Auto Debit API (AMS): routes, signatures both
// ways, decoding, validation, rendering, result codes and notifications. It owns
// the resources of that API as rows and computes their status from the core; it
// holds no money.
//
// Behaviour is that of the reference cited as "antom §…"; departures from the
// real service are listed in docs/divergences/antom.md.
package antom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/reqlog"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/antom/signature"
)

// Name is the front's name in stored rows.
const Name = "antom"

// bodyMax is the largest request body accepted.
const bodyMax = 1 << 20

// Prefixes of the API. The sandbox has its own; test clients may use either.
const (
	prefixLive    = "/ams/api"
	prefixSandbox = "/ams/sandbox/api"
)

// Config is what the dialect has to be told.
type Config struct {
	BaseURL string // where payers reach this server, no trailing slash
	Sandbox bool   // any well-formed sandbox client id is a world of its own
}

// API serves /ams/.
type API struct {
	engine     *engine.Engine
	worlds     *engine.Worlds
	config     Config
	log        *slog.Logger
	operations map[string]operation
	clients    clients
	secrets    secrets
}

// New returns the API. The caller registers it with the engine as a front.
func New(e *engine.Engine, w *engine.Worlds, c Config, log *slog.Logger) *API {
	a := &API{engine: e, worlds: w, config: c, log: log}
	a.operations = a.surface()
	return a
}

// operation is one call of the API.
type operation struct {
	read  func(c *call, v *view) (object, error)
	write func(c *call) (step, error)
}

// step is what a call that changes something does inside its transaction. Both
// functions may run more than once; begin's error undoes everything.
type step struct {
	begin  func(t *engine.Tx) error
	finish func(t *engine.Tx) (object, error)
}

// call is one request.
type call struct {
	api    *API
	ctx    context.Context
	client *client
	id     string // of the request, in our records
	name   string // path after the prefix, such as /v1/payments/pay
	in     fields
	abort  bool // the connection is broken off instead of answering
}

// surface lists the whole surface of the dialect (antom §5).
func (a *API) surface() map[string]operation {
	return map[string]operation{
		"/v1/authorizations/consult":             {write: consult},
		"/v1/authorizations/applyToken":          {write: applyToken},
		"/v1/authorizations/revoke":              {write: revoke},
		"/v1/authorizations/query":               {write: queryToken},
		"/v1/payments/pay":                       {write: pay},
		"/v1/payments/inquiryPayment":            {write: inquirePayment},
		"/v1/payments/cancel":                    {write: cancelPayment},
		"/v1/payments/refund":                    {write: refund},
		"/v1/payments/inquiryRefund":             {read: inquireRefund},
		"/v1/customs/declare":                    {write: declare},
		"/v1/customs/inquiryDeclarationRequests": {read: inquireDeclarations},
	}
}

// foreign are calls of the real service that are not part of this product: they
// answer INVALID_API, so that SDKs show a clean error (antom §13).
var foreign = []string{
	"/v1/payments/", "/v1/authorizations/", "/v1/vaults/", "/v1/subscriptions/", "/v1/merchants/", "/v1/accounts/",
	"/v1/funds/", "/v1/risk/", "/v1/users/", "/v1/customs/",
}

// signedPath is the path and query as sent, which the signature covers. Clients
// that send an absolute-form target sign the path alone.
func signedPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		p, _, _ := strings.Cut(r.RequestURI, "#")
		return p
	}
	p := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		p += "?" + r.URL.RawQuery
	}
	return p
}

// ServeHTTP implements http.Handler. Every business answer is 200, failures
// included (antom §2.4).
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := reqlog.Of(w)
	rec.RequestID = "req_" + a.engine.IDs.Random(14)
	clientID := r.Header.Get("Client-Id")
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyMax+1))
	if err != nil || len(body) > bodyMax {
		http.Error(w, fmt.Sprintf("The body is incomplete or larger than %d bytes.", bodyMax), http.StatusRequestEntityTooLarge)
		return
	}
	c := &call{api: a, ctx: r.Context(), id: rec.RequestID}
	signed := signedPath(r)
	name, sandboxPath, op, routed := a.route(r)
	c.name = name
	cl, denied := a.admit(r, signed, clientID, body)
	c.client = cl // nil unless the signature is good
	if cl != nil {
		rec.Account = cl.account
	}
	var out object
	switch {
	case routed != nil:
		err = routed
	case denied != nil:
		err = denied
	case cl.live && sandboxPath:
		err = refuse("ACCESS_DENIED", "A live client id has no access to the sandbox.")
	default:
		out, err = a.run(c, op, body)
	}
	code := "SUCCESS"
	if err != nil {
		ref, known := asRefusal(err)
		if !known {
			a.log.Error("request failed", "request_id", rec.RequestID, "route", r.URL.Path, "error", err)
		}
		code = ref.code
		out = object{{"result", ref.result()}}
	} else if len(out) > 0 {
		if res, ok := out[0].value.(object); ok {
			code, _ = res[0].value.(string)
		}
	}
	if code != "SUCCESS" {
		rec.ErrorCode = code
	}
	if c.abort {
		panic(http.ErrAbortHandler) // a scripted network failure
	}
	a.answer(w, cl, clientID, r.Method, signed, bodyOf(out))
}

// answer signs and sends. An answer to a request whose signature could not be
// verified carries none.
func (a *API) answer(w http.ResponseWriter, cl *client, clientID, verb, signed string, body []byte) {
	h := w.Header()
	at := a.engine.Clock.Now().In(method.SettlementZone()).Format(time.RFC3339)
	// Lower case on the wire: one SDK looks them up as they are (antom §2.4).
	h["client-id"] = []string{clientID}
	h["response-time"] = []string{at}
	if cl != nil {
		sig, err := a.sign(context.Background(), signature.Message{Method: verb, Path: signed, Client: clientID, Time: at, Body: body})
		if err != nil {
			a.log.Error("cannot sign an answer", "error", err)
			http.Error(w, "The answer cannot be signed; it has been logged.", http.StatusInternalServerError)
			return
		}
		h["signature"] = []string{sig}
	}
	h.Set("Content-Type", "application/json; charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// route finds the operation a path names, without redirecting: what is signed is
// the path as it was sent, doubled slashes included (antom §2.1).
func (a *API) route(r *http.Request) (name string, sandbox bool, op operation, err error) {
	p := path.Clean(r.URL.Path)
	if name, sandbox = strings.CutPrefix(p, prefixSandbox); !sandbox {
		var ok bool
		if name, ok = strings.CutPrefix(p, prefixLive); !ok {
			return p, false, op, refuse("NO_INTERFACE_DEF", "There is no API at %s.", p)
		}
	}
	op, ok := a.operations[name]
	switch {
	case !ok:
		for _, f := range foreign {
			if strings.HasPrefix(name, f) {
				return name, sandbox, op, refuse("INVALID_API", "The API %s is not active.", name)
			}
		}
		err = refuse("NO_INTERFACE_DEF", "There is no API at %s.", p)
	case r.Method != http.MethodPost:
		err = refuse("METHOD_NOT_SUPPORTED", "The API has to be called with POST, not %s.", r.Method)
	case !isJSON(r.Header.Get("Content-Type")):
		err = refuse("MEDIA_TYPE_NOT_ACCEPTABLE", "The content type has to be application/json.")
	}
	return name, sandbox, op, err
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && t == "application/json"
}

// run does what the operation says, for a client whose signature is good.
func (a *API) run(c *call, op operation, body []byte) (object, error) {
	in, err := parse(body)
	if err != nil {
		return nil, err
	}
	c.in = in
	if op.read != nil {
		var out object
		err := c.view(func(v *view) (err error) {
			if err = c.allowed(v.merchant); err != nil {
				return err
			}
			out, err = op.read(c, v)
			return err
		})
		return out, c.consumed(err)
	}
	s, err := op.write(c)
	if err != nil {
		return nil, err
	}
	var out object
	_, err = a.engine.Execute(c.ctx, engine.Op{
		Merchant: c.client.merchantID, Cause: engine.Cause{RequestID: c.id}, Endpoint: c.name,
		Begin: func(t *engine.Tx) error {
			if err := c.allowed(t.Who); err != nil {
				return err
			}
			return s.begin(t)
		},
		Finish: func(t *engine.Tx) (engine.Reply, error) {
			o, err := s.finish(t)
			out = o
			return engine.Reply{Status: http.StatusOK}, err
		},
	})
	if errors.Is(err, store.ErrExists) {
		// Somebody else's first call with the same id came first; it has been
		// committed, so that looking again finds it.
		return a.again(c, op, body)
	}
	return out, c.consumed(err)
}

// againMax bounds how often a call that lost a race starts over.
const againMax = 3

type againKey struct{}

func (a *API) again(c *call, op operation, body []byte) (object, error) {
	n, _ := c.ctx.Value(againKey{}).(int)
	if n == againMax {
		return nil, refuse("UNKNOWN_EXCEPTION", "The outcome is not known; repeat the same request.")
	}
	next := *c
	next.ctx = context.WithValue(c.ctx, againKey{}, n+1)
	out, err := a.run(&next, op, body)
	c.abort = next.abort
	return out, err
}

// Settings of a merchant that concern this dialect. All are optional.
const (
	settingStatus       = "antom.client_status"         // "disabled": INVALID_CLIENT_STATUS
	settingClosed       = "antom.closed_apis"           // comma-separated paths: CLIENT_FORBIDDEN_ACCESS_API
	settingNext         = "antom.next_result"           // code the next call answers with, once
	settingNotifyAuth   = "antom.notify_authorization"  // addresses for notifications, as in the dashboard
	settingNotifyPay    = "antom.notify_payment"        //
	settingNotifyRefund = "antom.notify_refund"         //
	settingTokenCreated = "antom.notify_token_created"  // "true": TOKEN_CREATED also after applyToken
	settingSettlement   = "antom.settlement_currencies" // comma-separated; the first is the default
)

// allowed judges what a client may do at all (antom §2.8, steps 4 and 5).
func (c *call) allowed(m merchant.Merchant) error {
	s := m.Profile.Settings
	if s[settingStatus] == "disabled" {
		return refuse("INVALID_CLIENT_STATUS", "The client is disabled.")
	}
	for p := range strings.SplitSeq(s[settingClosed], ",") {
		if p = strings.TrimSpace(p); p != "" && strings.HasSuffix(c.name, p) {
			return refuse("CLIENT_FORBIDDEN_ACCESS_API", "The API %s is not open for this client.", c.name)
		}
	}
	if code := s[settingNext]; code != "" && !m.Live {
		return &injected{refuse(code, "%s", wordsFor(code))}
	}
	return nil
}

// injected is a result somebody asked for through the control API.
type injected struct{ *refusal }

// Unwrap lets the refusal be found.
func (i *injected) Unwrap() error { return i.refusal }

// consumed removes an injected result that was used.
func (c *call) consumed(err error) error {
	if _, ok := errors.AsType[*injected](err); !ok {
		return translate(err)
	}
	if uerr := c.api.engine.Update(c.ctx, c.client.merchantID, engine.Cause{}, func(t *engine.Tx) error {
		delete(t.Who.Profile.Settings, settingNext)
		return t.UpdateMerchant(t.Who)
	}); uerr != nil {
		return uerr
	}
	return err
}

// translate gives the core's refusals their code.
func translate(err error) error {
	switch fault.CodeOf(err) {
	case "method_not_available":
		return refuse("UNAVAILABLE_PAYMENT_METHOD", "The payment method cannot be used at present.")
	case engine.CodeToken:
		return refuse("INVALID_ACCESS_TOKEN", "%s", wordsFor("INVALID_ACCESS_TOKEN"))
	case engine.CodeFunds:
		return refuse("MERCHANT_BALANCE_NOT_ENOUGH", "The balance is not enough for the refund.")
	case "refund_window":
		return refuse("REFUND_WINDOW_EXCEED", "The refund window of the payment method has passed.")
	}
	return err
}

// view is what renderers need: data, the merchant, and its time.
type view struct {
	store.Reader
	api      *API
	merchant merchant.Merchant
	at       time.Time
}

// view runs fn on a snapshot of the caller's data.
func (c *call) view(fn func(v *view) error) error {
	return c.api.engine.View(c.ctx, c.client.merchantID, func(r store.Reader, m merchant.Merchant, at time.Time) error {
		return fn(&view{Reader: r, api: c.api, merchant: m, at: at})
	})
}

// in gives a transaction the same face as a snapshot.
func (a *API) in(t *engine.Tx) *view {
	return &view{Reader: t, api: a, merchant: t.Who, at: t.At}
}

// stamp writes a time as the API does: with the offset of the settlement zone.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(method.SettlementZone()).Format(time.RFC3339)
}
