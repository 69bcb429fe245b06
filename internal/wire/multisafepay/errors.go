package multisafepay

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// Codes of errors that this server gives (reference §1.6); the rest have no cause
// here (docs/divergences/multisafepay.md).
const (
	codeUnknown      = 1000
	codeAmount       = 1001
	codeCurrency     = 1002
	codeAccount      = 1003
	codeOrder        = 1006
	codeIP           = 1007
	codeDescription  = 1008
	codeVariable     = 1010
	codeMissing      = 1016
	codeCountry      = 1018
	codeSite         = 1019
	codeBlocked      = 1020
	codeCreate       = 1021
	codeGateway      = 1023
	codeDeclined     = 1024
	codeCartCurrency = 1026
	codeCartAmount   = 1027
	codeTaxTable     = 1028
	codeTaxSelector  = 1029
	codeItemCurrency = 1030
	codeItemPrice    = 1031
	codeKey          = 1032
	codeRefund       = 1034
	codeIssuer       = 1036
	codePath         = 404
	codeManyCurrency = 1025
)

// titles are the texts that go into error_info (reference §1.6).
var titles = map[int]string{
	codeUnknown: "Unknown error", codeAmount: "Invalid amount", codeCurrency: "Invalid currency", codeAccount: "Invalid account ID",
	codeOrder: "Invalid transaction ID", codeIP: "Invalid IP address", codeDescription: "Invalid description", codeVariable: "Invalid variable",
	codeMissing: "Missing data", codeCountry: "Invalid country code", codeSite: "The site is blocked in your account.", codeBlocked: "Account is blocked",
	codeCreate: "Cannot create transaction", codeGateway: "No gateway (payment method) available", codeDeclined: "Transaction declined",
	codeManyCurrency: "Multiple currencies in cart", codeCartCurrency: "Cart currency different to order currency",
	codeCartAmount: "Cart amount must equal order amount", codeTaxTable: "Incorrect custom tax rate", codeTaxSelector: "Invalid tax rate specified for item",
	codeItemCurrency: "Incorrect item currency", codeItemPrice: "Incorrect item price", codeKey: "Invalid API key",
	codeRefund: "Cannot refund transaction", codeIssuer: "Invalid iDEAL issuer ID", codePath: "Not found",
}

// statuses are the HTTP statuses of codes; all others are answered with 404
// (reference §1.5).
var statuses = map[int]int{codeKey: http.StatusUnauthorized}

// wireError is an error as the merchant sees it.
type wireError struct {
	status int
	code   int
	text   string
	keep   bool // what was done before it stands, as after a decline
	bare   bool // {"message": text}, the form of newer resources
}

// Error implements error.
func (e *wireError) Error() string { return fmt.Sprintf("%d %s", e.code, e.text) }

// refuse makes the error of a code, with its title.
func refuse(code int) *wireError {
	status := statuses[code]
	if status == 0 {
		status = http.StatusNotFound
	}
	return &wireError{status: status, code: code, text: titles[code]}
}

// refusef is refuse with what exactly is wrong, after the title.
func refusef(code int, format string, args ...any) *wireError {
	e := refuse(code)
	e.text += ": " + fmt.Sprintf(format, args...)
	return e
}

// gone is the answer about a token that does not exist.
func gone(text string) *wireError {
	return &wireError{status: http.StatusGone, code: codeUnknown, text: text}
}

func (e *wireError) envelope() []byte {
	if e.bare {
		return value.Encode(value.Object{"message": e.text})
	}
	return value.Encode(value.Object{"success": false, "data": value.Object{}, "error_code": e.code, "error_info": e.text})
}

// translate gives any error its wire form.
func translate(err error) *wireError {
	if w, ok := errors.AsType[*wireError](err); ok {
		return w
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return &wireError{status: http.StatusInternalServerError, code: codeUnknown, text: titles[codeUnknown]}
	}
	switch f.Kind {
	case fault.Invalid:
		return &wireError{status: http.StatusNotFound, code: codeMissing, text: titles[codeMissing] + ": " + f.Message}
	case fault.NotFound:
		return refuse(codeOrder)
	case fault.Conflict:
		return &wireError{status: http.StatusNotFound, code: codeCreate, text: titles[codeCreate] + ": " + f.Message}
	case fault.Declined:
		return refuse(codeDeclined)
	case fault.Unavailable:
		return refuse(codeGateway)
	case fault.Busy, fault.Limited:
		return &wireError{status: http.StatusServiceUnavailable, code: codeUnknown, text: "Temporarily unavailable"}
	case fault.Internal:
	}
	return &wireError{status: http.StatusInternalServerError, code: codeUnknown, text: titles[codeUnknown]}
}
