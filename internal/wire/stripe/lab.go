package stripe

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/race"
)

// raced runs an endpoint the way the race lab wants it (docs/race-lab.md). A
// call that was refused for its form never comes here.
func (c *call) raced(ep endpoint) (engine.Reply, error) {
	ctx, lab, err := c.api.engine.EnterRace(c.ctx, c.principal.merchantID, race.Request{Method: c.request.Method, Path: c.request.URL.Path, Parameters: c.params.Canonical})
	if err != nil {
		return engine.Reply{}, err
	}
	c.ctx = ctx
	if f, ok := lab.Fails(race.Before); ok {
		return engine.Reply{}, raceError(f)
	}
	if lab.IsCut(race.Before) {
		c.cut(race.Before)
	}
	reply, err := c.api.run(c, ep)
	c.api.engine.LeaveRace(ctx, lab)
	if lab.IsCut(race.After) {
		c.cut(race.After)
	}
	if f, ok := lab.Fails(race.After); ok {
		return engine.Reply{}, raceError(f)
	}
	return reply, err
}

// cut ends the call's connection without an answer, and so without a record of
// the request but this one.
func (c *call) cut(when string) {
	c.api.log.Info("connection cut by the race lab", "request_id", c.requestID, "account", c.principal.account, "route", c.route(), "when", when)
	panic(http.ErrAbortHandler)
}

// raceError is the error a call was told to answer. Clients may try again what
// the real service would have them try again.
func raceError(f race.Failure) *wireError {
	w := &wireError{status: f.Status, typ: f.Type, code: f.Code, message: f.Message}
	if w.typ == "" {
		w.typ = raceType(f.Status)
	}
	if w.message == "" {
		w.message = fmt.Sprintf("The race lab was told to answer this call with status %d.", f.Status)
	}
	if f.Status >= 500 || f.Status == http.StatusConflict || f.Status == http.StatusTooManyRequests {
		w.retry = "true"
	}
	return w
}

func raceType(status int) string {
	switch {
	case status >= 500:
		return "api_error"
	case status == http.StatusPaymentRequired:
		return "card_error"
	}
	return "invalid_request_error"
}

// errorTypes are the types of error of the wire (stripe-platform §3.1).
var errorTypes = []string{"api_error", "card_error", "idempotency_error", "invalid_request_error"}

// CheckFailure refuses errors that the wire cannot have.
func (a *API) CheckFailure(f race.Failure) error {
	if f.Type != "" && !slices.Contains(errorTypes, f.Type) {
		return fault.Newf(fault.Invalid, "bad_race", "error: type %q; possible are api_error, card_error, idempotency_error and invalid_request_error.", f.Type)
	}
	return nil
}
