// Package control serves the control API under /_ducat/v1/: what a test needs
// beside the wire of any provider. It speaks JSON, takes the credential of the
// world it controls, and never touches another one. See docs/control-api.md.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/race"
	"github.com/ducatpay/ducat/internal/rail"
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
			status, code, message := http.StatusInternalServerError, "internal", "An internal error occurred; it has been logged."
			if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind == fault.Invalid {
				status, code, message = http.StatusUnauthorized, "unauthorized", f.Message
			} else {
				a.Log.Error("control request failed", "path", r.URL.Path, "error", err)
			}
			write(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
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
		if err == nil {
			write(w, http.StatusOK, v)
			return
		}
		status, code, message := http.StatusInternalServerError, "internal", "An internal error occurred; it has been logged."
		switch f := new(fault.Error); {
		case errors.As(err, &f) && f.Kind == fault.NotFound:
			status, code, message = http.StatusNotFound, f.Code, f.Message
		case errors.Is(err, store.ErrNotFound):
			status, code, message = http.StatusNotFound, "not_found", "There is no such object in this world."
		case errors.As(err, &f) && f.Kind != fault.Internal:
			status, code, message = http.StatusBadRequest, f.Code, f.Message
		default:
			a.Log.Error("control request failed", "path", r.URL.Path, "error", err)
		}
		write(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
	})
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

type clockView struct {
	Now           time.Time `json:"now"`
	Wall          time.Time `json:"wall"`
	OffsetSeconds float64   `json:"offset_seconds"`
}

func (a *API) clock(r *http.Request, id int64) (any, error) {
	var v clockView
	err := a.Engine.View(r.Context(), id, func(_ store.Reader, m merchant.Merchant, at time.Time) error {
		v = clockView{Now: at, Wall: at.Add(-m.Offset), OffsetSeconds: m.Offset.Seconds()}
		return nil
	})
	return v, err
}

func (a *API) advance(r *http.Request, id int64) (any, error) {
	var q struct {
		Seconds *float64   `json:"seconds"`
		To      *time.Time `json:"to"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if (q.Seconds == nil) == (q.To == nil) {
		return nil, fault.New(fault.Invalid, "bad_advance", `Say how far: {"seconds": 3600} or {"to": "2026-01-02T15:04:05Z"}, one of the two.`)
	}
	if q.Seconds != nil && (*q.Seconds < 0 || *q.Seconds > engine.AdvanceMax.Seconds()) {
		return nil, fault.New(fault.Invalid, "bad_advance", "seconds must be between 0 and two years.")
	}
	done, err := a.Engine.Advance(r.Context(), id, func(at time.Time) time.Time {
		if q.To != nil {
			return *q.To
		}
		return at.Add(time.Duration(*q.Seconds * float64(time.Second)))
	}, a.Run)
	return map[string]any{"from": done.From, "now": done.To, "jobs_run": done.Jobs, "under_way": done.UnderWay}, err
}

func (a *API) reset(r *http.Request, id int64) (any, error) {
	if err := a.Engine.Reset(r.Context(), id); err != nil {
		return nil, err
	}
	a.forget(id)
	return map[string]any{"reset": true}, nil
}

func (a *API) account(r *http.Request, id int64) (any, error) {
	var v any
	err := a.Engine.View(r.Context(), id, func(_ store.Reader, m merchant.Merchant, _ time.Time) error {
		v = map[string]any{"account": m.Account, "livemode": m.Live, "profile": m.Profile}
		return nil
	})
	return v, err
}

// forget has all fronts look a merchant up again: several dialects' credentials can
// speak for one.
func (a *API) forget(id int64) {
	for _, f := range a.Fronts {
		f.Forget(id)
	}
}

// setAccount changes what an account may do; members that are not sent stay.
func (a *API) setAccount(r *http.Request, id int64) (any, error) {
	var q engine.AccountChange
	if err := read(r, &q); err != nil {
		return nil, err
	}
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		change := q
		if q.Settings != nil {
			change.Settings = maps.Clone(q.Settings)
			if err := a.settle(change.Settings, t.Who.Profile.Settings); err != nil {
				return err
			}
		}
		return t.ChangeAccount(change)
	})
	if err != nil {
		return nil, err
	}
	a.forget(id)
	return a.account(r, id)
}

// settle has the fronts judge new settings, and adds what they keep of the old ones.
func (a *API) settle(settings, old map[string]string) error {
	for _, f := range a.Fronts {
		s, ok := f.(Settling)
		if !ok {
			continue
		}
		if err := s.CheckSettings(settings); err != nil {
			return err
		}
		for _, name := range s.KeptSettings() {
			if v, ok := old[name]; ok && settings[name] == "" {
				settings[name] = v
			}
		}
	}
	return nil
}

func (a *API) script(r *http.Request, id int64) (any, error) {
	rules := []rail.Rule{}
	err := a.Engine.View(r.Context(), id, func(_ store.Reader, m merchant.Merchant, _ time.Time) error {
		if m.Profile.Script == "" {
			return nil
		}
		return json.Unmarshal([]byte(m.Profile.Script), &rules)
	})
	return map[string]any{"rules": rules}, err
}

// steps lists what a simulator can be instructed to do at each step.
var steps = map[string][]string{
	"authorize": {"unavailable", "error", "decline", "approve", "redirect", "pending"},
	"approve":   {"decline", "error", "delay", "duplicate", "late"},
	"capture":   {"decline", "error"},
	"void":      {"error"},
	"dispute":   {"open", "inquire"},
	"refund":    {"decline", "pending", "action", "done", "delay", "return", "error"},
	"payout":    {"fail"},
	"settle":    {"now"},
}

// setScript replaces the key's instructions to the simulator.
func (a *API) setScript(r *http.Request, id int64) (any, error) {
	var q struct {
		Rules []rail.Rule `json:"rules"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	for _, rule := range q.Rules {
		does, ok := steps[rule.On]
		if !ok {
			return nil, fault.Newf(fault.Invalid, "bad_script", "on: %q is not a step; steps are authorize, approve, capture, void, refund, dispute, payout and settle.", rule.On)
		}
		if !strings.Contains(" "+strings.Join(does, " ")+" ", " "+rule.Do+" ") || rule.Do == "" {
			return nil, fault.Newf(fault.Invalid, "bad_script", "do: %q cannot happen on %s; possible are %s.", rule.Do, rule.On, strings.Join(does, ", "))
		}
		if rule.On == "dispute" {
			if err := a.front.CheckDispute("", rule.Do == "inquire", rule.Reason); err != nil {
				return nil, err
			}
		}
		if rule.DelaySeconds < 0 || rule.DelaySeconds > int64(engine.AdvanceMax.Seconds()) || rule.Times < 0 {
			return nil, fault.New(fault.Invalid, "bad_script", "delay_seconds must be between 0 and two years, and times cannot be negative.")
		}
	}
	b, err := json.Marshal(q.Rules)
	if err != nil {
		return nil, err
	}
	if err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		if t.Who.Live {
			return fault.New(fault.Invalid, "live_account", "Live payments are not simulated.")
		}
		t.Who.Profile.Script = ""
		if len(q.Rules) > 0 {
			t.Who.Profile.Script = string(b)
		}
		return t.UpdateMerchant(t.Who)
	}); err != nil {
		return nil, err
	}
	return a.script(r, id)
}

// decide does what the payer would do on the hosted page.
func (a *API) decide(r *http.Request, id int64) (any, error) {
	var q struct {
		ID       string `json:"id"`
		Decision string `json:"decision"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	d, ok := map[string]rail.Decision{"authorize": rail.Approve, "decline": rail.Decline, "cancel": rail.Abort, "withdraw": ""}[q.Decision]
	if !ok {
		return nil, fault.Newf(fault.Invalid, "bad_decision", "decision: %q; possible are authorize, decline, cancel and withdraw.", q.Decision)
	}
	state := ""
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		if s, found, err := a.decideAgreement(t, q.ID, d); found || err != nil {
			state = s
			return err
		}
		if d == "" {
			return fault.Newf(fault.Invalid, "bad_decision", "withdraw: %q is not a standing authorisation.", q.ID)
		}
		paymentID, err := a.front.PaymentOf(t, q.ID)
		if err != nil {
			return err
		}
		if err := t.DecidePayment(paymentID, d); err != nil {
			return err
		}
		p, err := t.LoadPayment(paymentID)
		if err == nil {
			state = p.State().String()
		}
		return err
	})
	return map[string]any{"id": q.ID, "state": state}, err
}

// decideAgreement decides about the standing authorisation an id names, or ends
// it as the payer would in the wallet (no decision).
func (a *API) decideAgreement(t *engine.Tx, id string, d rail.Decision) (state string, found bool, err error) {
	front, ok := a.front.(Agreeing)
	if !ok {
		return "", false, nil
	}
	agreementID, err := front.AgreementOf(t, id)
	if err != nil || agreementID == "" {
		return "", false, err
	}
	ag, err := t.LoadAgreement(agreementID)
	if err != nil {
		return "", true, err
	}
	if d == "" {
		err = t.WithdrawAgreement(ag)
	} else {
		err = t.DecideAgreement(ag, d, "")
	}
	return ag.State().String(), true, err
}

// openDispute raises a dispute, as a payer who complains would.
func (a *API) openDispute(r *http.Request, id int64) (any, error) {
	var q struct {
		ID      string `json:"id"`
		Reason  string `json:"reason"`
		Amount  int64  `json:"amount"`
		Inquiry bool   `json:"inquiry"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if q.Amount < 0 {
		return nil, fault.New(fault.Invalid, "bad_dispute", "amount is in minor units and cannot be negative; leave it out for all that is left.")
	}
	var v any
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		paymentID, err := a.front.PaymentOf(t, q.ID)
		if err != nil {
			return err
		}
		p, err := t.LoadPayment(paymentID)
		if err != nil {
			return err
		}
		if err := a.front.CheckDispute(p.Method, q.Inquiry, q.Reason); err != nil {
			return err
		}
		open := t.OpenDispute
		if q.Inquiry {
			open = t.OpenInquiry
		}
		d, err := open(p, q.Amount, q.Reason)
		if err == nil {
			v = a.disputeView(d)
		}
		return err
	})
	return v, err
}

func (a *API) disputeView(d *payment.Dispute) any {
	return map[string]any{"id": a.front.DisputeID(d.ID), "state": d.State().String(), "amount": d.Amount.Minor, "answer_until": d.Deadline}
}

// escalateInquiry makes an inquiry a dispute, as whoever asked would.
func (a *API) escalateInquiry(r *http.Request, id int64) (any, error) {
	var q struct {
		ID string `json:"id"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	return a.withDispute(r, id, q.ID, (*engine.Tx).EscalateInquiry)
}

// closeDispute decides a dispute, as the wallet would.
func (a *API) closeDispute(r *http.Request, id int64) (any, error) {
	var q struct {
		ID      string `json:"id"`
		Outcome string `json:"outcome"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if q.Outcome != "won" && q.Outcome != "lost" && q.Outcome != "closed" {
		return nil, fault.Newf(fault.Invalid, "bad_dispute", "outcome: %q; possible are won and lost, and closed for an inquiry.", q.Outcome)
	}
	return a.withDispute(r, id, q.ID, func(t *engine.Tx, p *payment.Payment, d *payment.Dispute) error {
		if d.State().Inquiry() != (q.Outcome == "closed") && !d.State().Over() {
			return fault.New(fault.Invalid, "bad_dispute", "A dispute is won or lost; an inquiry is closed, or escalated first.")
		}
		if q.Outcome == "closed" {
			return t.CloseInquiry(p, d)
		}
		return t.CloseDispute(p, d, q.Outcome == "won")
	})
}

// withDispute changes the dispute behind an id and answers with it.
func (a *API) withDispute(r *http.Request, id int64, name string, change func(t *engine.Tx, p *payment.Payment, d *payment.Dispute) error) (any, error) {
	var v any
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		paymentID, err := a.front.PaymentOf(t, name)
		if err != nil {
			return err
		}
		p, err := t.LoadPayment(paymentID)
		if err != nil {
			return err
		}
		if p.Disputed() == "" {
			return fault.New(fault.NotFound, "no_dispute", "The payment is not disputed.")
		}
		d, err := t.Dispute(p.Disputed())
		if err != nil {
			return err
		}
		if err := change(t, p, &d); err != nil {
			return err
		}
		v = a.disputeView(&d)
		return nil
	})
	return v, err
}

// pageMax bounds lists.
const pageMax = 100

// attemptView is an attempt at a delivery.
type attemptView struct {
	At       time.Time `json:"at"` // wall
	Status   int       `json:"status,omitempty"`
	TookMS   float64   `json:"took_ms"` // milliseconds
	Error    string    `json:"error,omitempty"`
	Response string    `json:"response,omitempty"`
	Manual   bool      `json:"manual,omitempty"`
}

func (a *API) deliveries(r *http.Request, id int64) (any, error) {
	type view struct {
		ID       string        `json:"id"`
		Event    string        `json:"event"`
		Endpoint string        `json:"endpoint"`
		State    string        `json:"state"`
		Created  time.Time     `json:"created"`
		Next     *time.Time    `json:"next_attempt"`
		Attempts []attemptView `json:"attempts"`
	}
	list := []view{}
	q := r.URL.Query()
	err := a.Engine.View(r.Context(), id, func(s store.Reader, _ merchant.Merchant, _ time.Time) error {
		ds, err := s.Deliveries(q.Get("event"), q.Get("endpoint"), q.Get("before"), pageMax)
		for _, d := range ds {
			v := view{ID: d.ID, Event: d.Event, Endpoint: d.Endpoint, State: d.State, Created: d.Created, Attempts: []attemptView{}}
			for _, at := range d.Attempts {
				v.Attempts = append(v.Attempts, attemptView{at.At, at.Status, float64(at.Took.Microseconds()) / 1000, at.Error, at.Response, at.Manual})
			}
			if !d.Next.IsZero() {
				v.Next = &d.Next
			}
			list = append(list, v)
		}
		return err
	})
	return map[string]any{"deliveries": list}, err
}

func (a *API) resend(r *http.Request, id int64) (any, error) {
	var q struct {
		Event    string `json:"event"`
		Endpoint string `json:"endpoint"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		return a.front.ResendByID(t, q.Event, q.Endpoint)
	})
	return map[string]any{"resent": err == nil}, err
}

// endpoints tells how the world's endpoints do.
func (a *API) endpoints(r *http.Request, id int64) (any, error) {
	w, ok := a.front.(Watching)
	if !ok {
		return map[string]any{"endpoints": []any{}}, nil
	}
	var list any
	err := a.Engine.View(r.Context(), id, func(s store.Reader, m merchant.Merchant, _ time.Time) (err error) {
		list, err = w.Endpoints(s, m)
		return err
	})
	return map[string]any{"endpoints": list}, err
}

// rollSecret gives an endpoint a new signing secret; the old one signs beside
// it for a while.
func (a *API) rollSecret(r *http.Request, id int64) (any, error) {
	var q struct {
		Endpoint    string `json:"endpoint"`
		KeepSeconds int64  `json:"keep_seconds"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if q.KeepSeconds < 0 || q.KeepSeconds > 24*3600 {
		return nil, fault.New(fault.Invalid, "bad_roll", "keep_seconds must be between 0 and 86400.")
	}
	secret := ""
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) (err error) {
		secret, err = a.front.RollSecret(t, q.Endpoint, time.Duration(q.KeepSeconds)*time.Second)
		return err
	})
	return map[string]any{"endpoint": q.Endpoint, "secret": secret}, err
}

func (a *API) jobs(r *http.Request, id int64) (any, error) {
	type view struct {
		ID   string    `json:"id"`
		Kind string    `json:"kind"`
		Due  time.Time `json:"due"`
	}
	list := []view{}
	err := a.Engine.View(r.Context(), id, func(s store.Reader, _ merchant.Merchant, _ time.Time) error {
		js, err := s.Jobs(pageMax)
		for _, j := range js {
			if j.Kind != engine.JobPrune { // housekeeping changes nothing that can be seen
				list = append(list, view{j.ID, j.Kind, j.Due})
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return map[string]any{"jobs": list}, nil
}

// makeKey makes a restricted key, or changes what one may do.
func (a *API) makeKey(r *http.Request, id int64) (any, error) {
	var q struct {
		Key         string   `json:"key"`
		Permissions []string `json:"permissions"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	maker, ok := a.front.(KeyMaker)
	if !ok {
		return nil, fault.New(fault.Invalid, "no_restricted_keys", "This API has no restricted keys.")
	}
	key, err := maker.RestrictedKey(r.Context(), id, q.Key, q.Permissions)
	if err != nil {
		return nil, err
	}
	return map[string]any{"key": key, "permissions": append([]string{}, q.Permissions...)}, nil
}
