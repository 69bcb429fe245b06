package stripe

import (
	"errors"
	"net/http"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/store"
)

// Claims implements control.Front: keys have one of three prefixes.
func (a *API) Claims(r *http.Request) bool {
	key, werr := keyOf(r, "")
	return werr == nil && wellFormed.MatchString(key)
}

// MerchantOf returns the merchant a request's secret key speaks for.
func (a *API) MerchantOf(r *http.Request) (int64, error) {
	key, werr := keyOf(r, "")
	if werr != nil {
		return 0, fault.New(fault.Invalid, "no_key", werr.message)
	}
	p, err := a.authenticate(r.Context(), key)
	if w, ok := errors.AsType[*wireError](err); ok {
		return 0, fault.New(fault.Invalid, "bad_key", w.message)
	}
	if err == nil && p.public {
		return 0, fault.New(fault.Invalid, "publishable_key", "This needs the world's secret key, not a publishable one.")
	}
	if err == nil && p.restricted {
		return 0, fault.New(fault.Invalid, "restricted_key", "This needs the world's secret key, not a restricted one.")
	}
	return p.merchantID, err
}

// PaymentOf finds the core payment behind a source, a payment intent, a charge or a dispute.
func (a *API) PaymentOf(r store.Reader, id string) (string, error) {
	kind := kindSource
	switch {
	case strings.HasPrefix(id, "py_"), strings.HasPrefix(id, "ch_"):
		kind = kindCharge
	case strings.HasPrefix(id, "pi_"):
		kind = kindIntent
	case strings.HasPrefix(id, "dp_"):
		kind = kindDispute
	}
	row, err := r.Resource(kind, id)
	return row.Payment, err
}

// AgreementOf finds the agreement behind a SetupIntent, a mandate or a payment
// method.
func (a *API) AgreementOf(r store.Reader, id string) (string, error) {
	prefix, _, _ := strings.Cut(id, "_")
	switch prefix {
	case "seti":
		s, err := readSetup(r, id)
		return s.body.Agreement, err
	case "mandate":
		_, b, err := storedBody[mandateBody](r, kindMandate, id)
		return b.Agreement, err
	case "pm":
		_, b, err := storedBody[methodBody](r, kindPaymentMethod, id)
		return b.Agreement, err
	}
	return "", nil
}

// ResendByID plans one more delivery of an event to an endpoint.
func (a *API) ResendByID(t *engine.Tx, eventID, endpointID string) error {
	event, err := t.Resource(kindEvent, eventID)
	if err != nil || !eventShown(event, t.At) {
		return fault.Newf(fault.NotFound, "no_event", "There is no event %q in this world, or it is older than 30 days.", eventID).Because(err)
	}
	endpoint, err := t.Resource(kindEndpoint, endpointID)
	if err != nil {
		return fault.Newf(fault.NotFound, "no_endpoint", "There is no webhook endpoint %q in this world.", endpointID).Because(err)
	}
	return a.Resend(t, event, endpoint)
}
