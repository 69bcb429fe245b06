// Package fault is the one error type of the core: a kind that every dialect
// can translate, a stable code, and words fit for the caller. The cause is for
// the log only and never reaches the wire.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what went wrong in terms every dialect can translate.
type Kind uint8

// The kinds. The zero value is Internal, so that an error nobody classified is
// never mistaken for the caller's mistake.
const (
	Internal    Kind = iota // a bug or an outage; details stay in the log
	Invalid                 // the caller sent something we cannot accept
	NotFound                // no such object for this merchant
	Conflict                // the object is not in a state that allows this
	Declined                // the rail or the payer said no
	Limited                 // too many requests
	Unavailable             // the method or rail cannot be used at present; another may
	Busy                    // the same request is being worked on
)

// String names the kind for logs.
func (k Kind) String() string {
	switch k {
	case Internal:
		return "internal"
	case Invalid:
		return "invalid"
	case NotFound:
		return "not_found"
	case Conflict:
		return "conflict"
	case Declined:
		return "declined"
	case Limited:
		return "limited"
	case Unavailable:
		return "unavailable"
	case Busy:
		return "busy"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is an error with a kind, a stable machine-readable code and a message
// for the caller.
type Error struct {
	Kind    Kind
	Code    string
	Message string
	cause   error
}

// New makes an error without a cause.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Newf makes an error with a formatted message.
func Newf(kind Kind, code, format string, args ...any) *Error {
	return New(kind, code, fmt.Sprintf(format, args...))
}

// Because attaches the cause, which is logged and never shown.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Error includes the cause: it is the text for the log.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of err; an error that carries none is Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// CodeOf returns the code of err, or "" if it carries none.
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}
