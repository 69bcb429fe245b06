// Package portal serves the merchant's own pages under /portal: payments and what
// became of them, refunds by hand, which payment methods are on, balances and the
// ledger. Whoever has an account's secret key may sign in with it.
//
// The pages work without scripts and without anything from elsewhere. Nothing is
// changed without a session, a token that only our own form carries, and a post
// from our own origin. The portal is neutral: what a dialect keeps it asks of the
// dialect, through the interfaces here. See docs/portal.md.
package portal

import (
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/reqlog"
	"github.com/ducatpay/ducat/internal/store"
)

// Front is what the portal asks of a dialect.
type Front interface {
	Name() string
	// Claims reports whether a request carries a credential of the dialect's form.
	Claims(r *http.Request) bool
	// MerchantOf returns the merchant a request's secret credential speaks for.
	MerchantOf(r *http.Request) (int64, error)
	// PaymentOf finds the core payment behind an id of the dialect.
	PaymentOf(r store.Reader, id string) (string, error)
	// Sale says how the merchant knows a payment of this front.
	Sale(r store.Reader, p payment.Payment) (engine.Sale, error)
	// Told lists what the merchant's servers were told about it, newest first.
	Told(r store.Reader, p payment.Payment) ([]engine.Told, error)
	// ResendByID plans one more delivery of something that was told.
	ResendByID(t *engine.Tx, id, endpoint string) error
	// RefundByHand does what the dialect's refund call does. What it refuses is a
	// fault in words for people.
	RefundByHand(t *engine.Tx, p *payment.Payment, amount money.Amount, why engine.RefundReason) error
	// Forget drops what is remembered of a merchant that was changed.
	Forget(merchantID int64)
}

// Listening is a Front whose merchants name the addresses they are told things at,
// each with a secret of its own.
type Listening interface {
	Listeners(r store.Reader) ([]engine.Listener, error)
	// RollSecret gives one a new secret; the old one signs beside it for a while.
	RollSecret(t *engine.Tx, id string, keep time.Duration) (string, error)
}

// Optional is a Front with settings of its own in an account's.
type Optional interface {
	// Options are those that are worth a form.
	Options() []engine.Option
}

// Judge is an Optional that refuses values which mean nothing.
type Judge interface {
	CheckSettings(settings map[string]string) error
}

// Switcher is a Front whose merchants turn payment methods on and off.
type Switcher interface {
	Methods(r store.Reader, m merchant.Merchant) ([]engine.MethodSwitch, error)
	// SwitchMethods changes those that are named and leaves the others.
	SwitchMethods(t *engine.Tx, on map[string]bool) error
}

// Settler is a Front that sends money to the merchant's bank.
type Settler interface {
	// Settlements lists the newest, newest first.
	Settlements(r store.Reader) ([]engine.Settlement, error)
}

// Options are what the portal needs to know.
type Options struct {
	Engine  *engine.Engine
	Fronts  []Front // the first one answers for keys that nobody claims
	Secure  bool    // the public address is one of TLS
	Sandbox bool    // any well-formed test key opens a world
	Log     *slog.Logger
	// Style is the address of the style sheet of the payer's pages, whose looks
	// these pages share; Mark that of a payment method's mark.
	Style string
	Mark  func(method string) string
}

// Root is where the portal is.
const Root = "/portal"

type handler struct {
	Options
	crossOrigin *http.CrossOriginProtection
	pages       map[string]*template.Template
}

// New returns the handler for everything at and under Root. It expects to see the
// full path.
func New(o Options) http.Handler {
	h := &handler{Options: o, crossOrigin: http.NewCrossOriginProtection(), pages: parsePages(o)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Root+"/assets/{name}", h.asset)
	mux.HandleFunc("GET "+Root+"/sign-in", h.signInPage)
	mux.HandleFunc("POST "+Root+"/sign-in", h.signIn)
	for pattern, serve := range map[string]func(*visit) error{
		"GET " + Root:                            (*visit).home,
		"GET " + Root + "/{$}":                   (*visit).home,
		"POST " + Root + "/sign-out":             (*visit).signOut,
		"GET " + Root + "/payments":              (*visit).payments,
		"GET " + Root + "/payments/{id}":         (*visit).payment,
		"POST " + Root + "/payments/{id}/refund": (*visit).refund,
		"POST " + Root + "/payments/{id}/resend": (*visit).resend,
		"GET " + Root + "/settings":              (*visit).settings,
		"POST " + Root + "/settings/methods":     (*visit).switchMethods,
		"POST " + Root + "/settings/account":     (*visit).changeAccount,
		"POST " + Root + "/settings/secret":      (*visit).rollSecret,
		"GET " + Root + "/balance":               (*visit).balance,
		"GET " + Root + "/transfers.csv":         (*visit).transfersFile,
	} {
		mux.HandleFunc(pattern, h.signedIn(serve))
	}
	mux.HandleFunc("/", h.signedIn(func(*visit) error { return errNoPage }))
	return protect(mux)
}

var errNoPage = fault.New(fault.NotFound, "no_page", "There is no such page here.")

// protect sets the headers every answer carries, refusals included.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Robots-Tag", "noindex")
		next.ServeHTTP(w, r)
	})
}

// visit is one request of somebody who is signed in.
type visit struct {
	*handler
	session
	w http.ResponseWriter
	r *http.Request
}

// view runs fn on a snapshot of the account's data.
func (v *visit) view(fn func(r store.Reader, m merchant.Merchant, at time.Time) error) error {
	return v.Engine.View(v.r.Context(), v.merchant, func(r store.Reader, m merchant.Merchant, at time.Time) error {
		reqlog.Of(v.w).Account = m.Account
		return fn(r, m, at)
	})
}

// update runs fn in a transaction of the account.
func (v *visit) update(fn func(t *engine.Tx) error) error {
	return v.Engine.Update(v.r.Context(), v.merchant, engine.Cause{}, func(t *engine.Tx) error {
		reqlog.Of(v.w).Account = t.Who.Account
		return fn(t)
	})
}

// front is the dialect that owns a payment.
func (h *handler) front(name string) (Front, error) {
	for _, f := range h.Fronts {
		if f.Name() == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("front %q is not running", name)
}

// formMax bounds a form. Ours are a few dozen bytes.
const formMax = 16 << 10

// posted reads a form that one of our own pages has sent: it carries the token of
// the cookie that went with the page.
func (h *handler) posted(w http.ResponseWriter, r *http.Request, cookie string) error {
	// Programs send neither Origin nor Sec-Fetch-Site and pass; a browser always
	// sends one of them.
	if err := h.crossOrigin.Check(r); err != nil {
		return errForged
	}
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "bad_form", "The form could not be read.").Because(err)
	}
	if !genuine(cookie, r.PostForm.Get("token")) {
		return errForged
	}
	for name, values := range r.PostForm {
		if len(values) > 1 && name != "method" {
			return fault.Newf(fault.Invalid, "bad_form", "The field %q was sent more than once.", clip(name))
		}
	}
	return nil
}

var errForged = fault.New(fault.Invalid, "forged", "This form does not come from a page of your session, so nothing was changed. Open the page again and repeat what you did.")

// statusOf is the status that goes with an error.
func statusOf(err error) int {
	if errors.Is(err, errForged) {
		return http.StatusForbidden
	}
	if errors.Is(err, store.ErrNotFound) {
		return http.StatusNotFound
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict, fault.Declined:
		return http.StatusConflict
	case fault.Limited, fault.Busy:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
	}
	return http.StatusInternalServerError
}

// wordsOf is what an error says to people; an outage's cause is for the log.
func (h *handler) wordsOf(w http.ResponseWriter, r *http.Request, err error) string {
	reqlog.Of(w).ErrorCode = fault.CodeOf(err)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind != fault.Internal {
		return f.Message
	}
	if errors.Is(err, store.ErrNotFound) {
		return "There is no such thing in this account."
	}
	if r.Context().Err() == nil {
		h.Log.Error("portal page failed", "path", r.URL.Path, "error", err)
	}
	return "Something went wrong on our side. It has been logged, and nothing was changed."
}

// clip shortens what a page repeats of a bad request.
func clip(s string) string {
	const runesMax = 64
	if r := []rune(s); len(r) > runesMax {
		return string(r[:runesMax]) + "…"
	}
	return s
}

// local reports whether a path is one of ours to go on to. It is written into a
// header, and browsers read a backslash as a slash.
func local(path string) bool {
	return (path == Root || strings.HasPrefix(path, Root+"/")) && !strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
}
