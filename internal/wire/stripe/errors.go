package stripe

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// wireError is an error as Stripe's envelope shows it. Empty attributes are
// left out of the envelope (stripe-platform §3.1).
type wireError struct {
	status  int
	typ     string // "" means invalid_request_error
	code    string
	param   string
	message string
	decline string
	charge  string
	retry   string // Stripe-Should-Retry, "" to leave it out
	reason  string // Stripe-Rate-Limited-Reason
	first   string // the request that used the idempotency key before
	kind    string // of the row that is missing here and may exist in the other mode
	id      string
	keep    bool // stored under the idempotency key: execution had begun
	more    obj  // further attributes: the objects concerned
}

// Error implements error.
func (e *wireError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

func invalid(code, param, format string, args ...any) *wireError {
	return &wireError{status: 400, code: code, param: param, message: fmt.Sprintf(format, args...)}
}

// exclusive is for parameters of which only one may be there.
func exclusive(names ...string) *wireError {
	return invalid("parameters_exclusive", "", "You may only specify one of these parameters: %s.", strings.Join(names, ", "))
}

func tooSmall(least money.Amount) *wireError {
	return invalid("amount_too_small", "amount", "Amount must be at least %s %s", least, least.Currency.Lower())
}

func missingParam(name string) *wireError {
	return invalid("parameter_missing", name, "Missing required param: %s.", name)
}

// at words an error for a version, and gives the objects in it that shape.
func (e *wireError) at(version string) *wireError {
	if version == "" {
		return e
	}
	older(version, e.more)
	if e.code != "resource_missing" || e.id == "" || since(version, versionQuotedIDs) {
		return e
	}
	old := *e
	old.message = strings.Replace(e.message, "'"+e.id+"'", e.id, 1)
	return &old
}

// kept marks an error that is decided after execution began.
func (e *wireError) kept() *wireError {
	c := *e
	c.keep = true
	return &c
}

func noSuch(status int, label, param, id string) *wireError {
	return &wireError{status: status, code: "resource_missing", param: param, id: id, message: fmt.Sprintf("No such %s: '%s'", label, id)}
}

// envelope renders the error body.
func (e *wireError) envelope(requestID, logBase string, at time.Time) []byte {
	typ := e.typ
	if typ == "" {
		typ = "invalid_request_error"
	}
	o := obj{"type": typ, "message": e.message}
	if e.code != "" {
		o["code"] = e.code
		o["doc_url"] = "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(e.code, "_", "-")
	}
	for k, v := range map[string]string{"param": e.param, "decline_code": e.decline, "charge": e.charge} {
		if v != "" {
			o[k] = v
		}
	}
	maps.Copy(o, e.more)
	if requestID != "" {
		o["request_log_url"] = fmt.Sprintf("%s/portal/logs/%s?t=%d", logBase, requestID, at.Unix())
	}
	return encode(obj{"error": o})
}

// translate turns any error into one of the wire. What it does not know is an
// internal error whose details stay in the log.
func translate(err error) *wireError {
	if w, ok := errors.AsType[*wireError](err); ok {
		return w
	}
	if f, ok := errors.AsType[*form.Error](err); ok {
		return invalid("", f.Param, "%s", f.Message)
	}
	if errors.Is(err, store.ErrStale) {
		return &wireError{status: 429, code: "lock_timeout", retry: "true", message: "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request. If you see this error frequently and are making multiple concurrent requests to a single object, make your requests serially or at a lower rate. For more details, see https://stripe.com/docs/rate-limits#object-lock-timeouts."}
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return internalError()
	}
	switch f.Code {
	case engine.CodeKeyParameters:
		return &wireError{status: 400, typ: "idempotency_error", first: firstUse(err), message: fmt.Sprintf("Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '%s' if you meant to execute a different request.", strings.TrimPrefix(f.Message, publicKeys))}
	case engine.CodeKeyBusy:
		return &wireError{status: 409, code: "idempotency_key_in_use", retry: "true", first: firstUse(err), message: fmt.Sprintf("There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): %s. Please try again later.", strings.TrimPrefix(f.Message, publicKeys))}
	case "method_not_available":
		return invalid("payment_method_not_available", "type", "The payment method is temporarily unavailable. Ask the customer to choose another payment method.")
	case "processing_error":
		// stripe-sources §3.3: the seed asks that the creation be retried.
		return &wireError{status: 500, typ: "api_error", code: "processing_error", retry: "true", message: "An unexpected error occurred preventing us from creating the source. Please retry the creation."}
	}
	switch f.Kind {
	case fault.Invalid:
		return invalid("", "", "%s", f.Message)
	case fault.NotFound:
		return &wireError{status: 404, code: "resource_missing", message: f.Message}
	case fault.Conflict:
		return invalid("", "", "%s", f.Message)
	case fault.Declined:
		return &wireError{status: 402, typ: "card_error", code: f.Code, message: f.Message}
	case fault.Limited:
		return &wireError{status: 429, code: "rate_limit", message: f.Message}
	case fault.Unavailable:
		return invalid("payment_method_not_available", "", "%s", f.Message)
	case fault.Busy:
		return &wireError{status: 429, code: "lock_timeout", retry: "true", message: f.Message}
	case fault.Internal:
	}
	return internalError()
}

// firstUse is the request that used a key first, as an error about the key has
// it.
func firstUse(err error) string {
	if u, ok := errors.AsType[*engine.Used](err); ok {
		return u.RequestID
	}
	return ""
}

func internalError() *wireError {
	return &wireError{status: 500, typ: "api_error", message: "An error occurred on our side while handling your request. It has been logged; retrying with the same idempotency key is safe."}
}
