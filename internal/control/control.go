// Package control serves the control API under /_ducat/v1/: what a test needs
// beside the wire of any provider. It speaks JSON, takes the credential of the
// world it controls, and never touches another one. See docs/control-api.md.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/race"
	"github.com/ducatpay/ducat/internal/store"
)

// Front is what the control API asks of a dialect.
type Front interface {
	// Claims reports whether a request carries a credential of the dialect's form.
	Claims(r *http.Request) bool
	// MerchantOf returns the merchant a request's credential speaks for.
	MerchantOf(r *http.Request) (int64, error)
	// PaymentOf finds the core payment behind an id of the dialect.
	PaymentOf(r store.Reader, id string) (string, error)
	// Resend plans one more delivery of an event.
	ResendByID(t *engine.Tx, eventID, endpointID string) error
	// RollSecret gives an endpoint a new signing secret.
	RollSecret(t *engine.Tx, endpointID string, keep time.Duration) (string, error)
	// CheckDispute refuses reasons that disputes about payments with a method, or
	// about any if it is "", cannot have in the dialect.
	CheckDispute(method string, inquiry bool, reason string) error
	// DisputeID is the dialect's id of a dispute.
	DisputeID(coreID string) string
	// Forget drops what is remembered of a merchant that was changed or reset.
	Forget(merchantID int64)
}

// Agreeing is a Front that has standing authorisations.
type Agreeing interface {
	// AgreementOf finds the standing authorisation behind an id of the dialect,
	// "" if the id is not one of those.
	AgreementOf(r store.Reader, id string) (string, error)
}

// Watching is a Front that tells how its endpoints do.
type Watching interface {
	// Endpoints lists the merchant's endpoints, ready to be encoded.
	Endpoints(r store.Reader, m merchant.Merchant) (any, error)
}

// Settling is a Front that has settings of its own in an account's.
type Settling interface {
	// CheckSettings refuses values that mean nothing; it ignores what is others'.
	CheckSettings(settings map[string]string) error
	// KeptSettings names those that the front writes itself. Replacing all settings
	// leaves them.
	KeptSettings() []string
}

// KeyMaker is a Front with keys that may do only part of what a secret one may.
type KeyMaker interface {
	Front
	// RestrictedKey gives a key of the merchant's permissions, and makes a fresh
	// one if key is "".
	RestrictedKey(ctx context.Context, merchantID int64, key string, permissions []string) (string, error)
}

// Extension is a Front with routes of its own. Whoever may control a world may
// use them, whichever dialect's credential they have.
type Extension interface {
	// Control returns handlers by pattern, such as "GET /_ducat/v1/<dialect>/…".
	Control() map[string]func(r *http.Request, merchantID int64) (any, error)
}

// File is an answer that is not JSON.
type File interface {
	ContentType() string
	Content() []byte
}

// API is the control API.
type API struct {
	Engine *engine.Engine
	Fronts []Front                                // the first one answers for credentials that nobody claims
	Run    func(ctx context.Context, j store.Job) // does one claimed job
	// Release plans the delivery of messages that the race lab held.
	Release func(t *engine.Tx, held []race.Held) error
	Log     *slog.Logger

	front Front // whose credential the request at hand carries
}

// Handler returns the routes.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(*API, *http.Request, int64) (any, error){
		"GET /_ducat/v1/clock":              (*API).clock,
		"POST /_ducat/v1/clock/advance":     (*API).advance,
		"POST /_ducat/v1/reset":             (*API).reset,
		"GET /_ducat/v1/account":            (*API).account,
		"POST /_ducat/v1/account":           (*API).setAccount,
		"GET /_ducat/v1/script":             (*API).script,
		"POST /_ducat/v1/script":            (*API).setScript,
		"GET /_ducat/v1/race":               (*API).race,
		"POST /_ducat/v1/race":              (*API).setRace,
		"POST /_ducat/v1/decide":            (*API).decide,
		"POST /_ducat/v1/disputes":          (*API).openDispute,
		"POST /_ducat/v1/disputes/close":    (*API).closeDispute,
		"POST /_ducat/v1/disputes/escalate": (*API).escalateInquiry,
		"GET /_ducat/v1/deliveries":         (*API).deliveries,
		"POST /_ducat/v1/resend":            (*API).resend,
		"GET /_ducat/v1/endpoints":          (*API).endpoints,
		"POST /_ducat/v1/endpoints/roll":    (*API).rollSecret,
		"GET /_ducat/v1/jobs":               (*API).jobs,
		"POST /_ducat/v1/keys":              (*API).makeKey,
		"/_ducat/":                          (*API).unknown,
	} {
		mux.Handle(pattern, a.handle(h))
	}
	for _, f := range a.Fronts {
		x, ok := f.(Extension)
		if !ok {
			continue
		}
		for pattern, h := range x.Control() {
			mux.Handle(pattern, a.handle(func(_ *API, r *http.Request, id int64) (any, error) { return h(r, id) }))
		}
	}
	return mux
}

// bodyMax bounds a request.
const bodyMax = 1 << 16

// of returns the API as it serves one request: for the dialect whose credential
// the request carries.
func (a *API) of(r *http.Request) *API {
	b := *a
	b.front = a.Fronts[0]
	for _, f := range a.Fronts {
		if f.Claims(r) {
			b.front = f
			break
		}
	}
	return &b
}

func (a *API) handle(h func(*API, *http.Request, int64) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		a := a.of(r)
		id, err := a.front.MerchantOf(r)
		if err != nil {
			if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind == fault.Invalid {
				refuse(w, http.StatusUnauthorized, "unauthorized", f.Message)
				return
			}
			a.fail(w, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
		v, err := h(a, r, id)
		if f, ok := v.(File); ok && err == nil {
			w.Header().Set("Content-Type", f.ContentType())
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(f.Content())
			return
		}
		switch f := new(fault.Error); {
		case err == nil:
			write(w, http.StatusOK, v)
		case errors.As(err, &f) && f.Kind == fault.NotFound:
			refuse(w, http.StatusNotFound, f.Code, f.Message)
		case errors.Is(err, store.ErrNotFound):
			refuse(w, http.StatusNotFound, "not_found", "There is no such object in this world.")
		case errors.As(err, &f) && f.Kind != fault.Internal:
			refuse(w, http.StatusBadRequest, f.Code, f.Message)
		default:
			a.fail(w, r, err)
		}
	})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	write(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

// fail answers a request that ended in an error of ours.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	a.Log.Error("control request failed", "path", r.URL.Path, "error", err)
	refuse(w, http.StatusInternalServerError, "internal", "An internal error occurred; it has been logged.")
}

func write(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
}

// read decodes a JSON body strictly.
func read(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && typed.Field != "" {
			return fault.Newf(fault.Invalid, "bad_json", "The member %s cannot be a %s; see docs/control-api.md.", typed.Field, typed.Value)
		}
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return fault.Newf(fault.Invalid, "bad_json", "There is no member %s here; see docs/control-api.md.", field)
		}
		return fault.New(fault.Invalid, "bad_json", "The body is not the JSON object expected here; see docs/control-api.md.").Because(err)
	}
	return nil
}

func (a *API) unknown(r *http.Request, _ int64) (any, error) {
	return nil, fault.Newf(fault.NotFound, "unknown_route", "There is no %s %s in the control API; see docs/control-api.md.", r.Method, r.URL.Path)
}

// pageMax bounds lists.
const pageMax = 100
