package antom

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/ducatpay/ducat/internal/payment"
)

// statusOf is the result status of every code we can answer with (antom §4):
// S done, F failed finally, U unknown or still running. Codes and statuses live
// here alone, so that a correction is one line.
var statusOf = map[string]string{
	"SUCCESS": "S",

	// Common to every call (§4.1).
	"ACCESS_DENIED": "F", "CLIENT_FORBIDDEN_ACCESS_API": "F", "INVALID_API": "F", "INVALID_CLIENT": "F", "INVALID_CLIENT_STATUS": "F",
	"INVALID_SIGNATURE": "F", "KEY_NOT_FOUND": "F", "MEDIA_TYPE_NOT_ACCEPTABLE": "F", "METHOD_NOT_SUPPORTED": "F", "NO_INTERFACE_DEF": "F",
	"PARAM_ILLEGAL": "F", "PROCESS_FAIL": "F", "REPEAT_REQ_INCONSISTENT": "F", "SYSTEM_ERROR": "F",
	"UNKNOWN_EXCEPTION": "U", "REQUEST_TRAFFIC_EXCEED_LIMIT": "U",

	// Authorisation (§4.2).
	"INVALID_ACCESS_TOKEN": "F", "OAUTH_FAIL": "F", "INVALID_CODE": "F", "EXPIRED_CODE": "F", "PAYMENT_METHOD_NOT_SUPPORTED": "F",
	"INVALID_CONTRACT": "F", "USER_NOT_EXIST": "F", "USER_STATUS_ABNORMAL": "F",

	// Payments (§4.3, §4.4).
	"PAYMENT_IN_PROCESS": "U", "AUTHENTICATION_REQUIRED": "F", "BUSINESS_NOT_SUPPORT": "F", "CURRENCY_NOT_SUPPORT": "F", "FRAUD_REJECT": "F",
	"INVALID_MERCHANT_STATUS": "F", "INVALID_PAYMENT_CODE": "F", "INVALID_PAYMENT_METHOD_META_DATA": "F", "MERCHANT_KYB_NOT_QUALIFIED": "F",
	"MERCHANT_NOT_REGISTERED": "F", "NO_PAY_OPTIONS": "F", "ORDER_IS_CANCELED": "F", "ORDER_IS_CLOSED": "F", "ORDER_NOT_EXIST": "F",
	"ORDER_STATUS_INVALID": "F", "PAYMENT_AMOUNT_EXCEED_LIMIT": "F", "PAYMENT_COUNT_EXCEED_LIMIT": "F", "PAYMENT_NOT_QUALIFIED": "F",
	"PAYMENT_PROHIBITED": "F", "REGULATION_RESTRICTION": "F", "RISK_REJECT": "F", "SELECTED_CARD_BRAND_NOT_AVAILABLE": "F",
	"SETTLE_CONTRACT_NOT_MATCH": "F", "UNAVAILABLE_PAYMENT_METHOD": "F", "USER_AMOUNT_EXCEED_LIMIT": "F", "USER_BALANCE_NOT_ENOUGH": "F",
	"USER_KYC_NOT_QUALIFIED": "F", "USER_PAYMENT_VERIFICATION_FAILED": "F", "VERIFY_TIMES_EXCEED_LIMIT": "F", "VERIFY_UNMATCHED": "F",
	"CANCEL_WINDOW_EXCEED": "F",

	// Refunds (§4.5).
	"REFUND_IN_PROCESS": "U", "REFUND_AMOUNT_EXCEED": "F", "REFUND_WINDOW_EXCEED": "F", "REFUND_NOT_SUPPORTED": "F",
	"PARTIAL_REFUND_NOT_SUPPORTED": "F", "MULTIPLE_REFUNDS_NOT_SUPPORTED": "F", "MERCHANT_BALANCE_NOT_ENOUGH": "F", "REFUND_NOT_EXIST": "F",

	// Customs (§4.6).
	"TOTAL_DECLARATION_AMOUNT_EXCEED": "F", "CONTEXT_INCONSISTENT": "F",
}

// refusal is an answer other than success. Returned by a step before anything
// was decided, it undoes what the step wrote.
type refusal struct{ code, message string }

// Error implements error.
func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(code, format string, args ...any) *refusal {
	if statusOf[code] == "" {
		panic("antom: unknown result code " + code)
	}
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// illegal refuses a field.
func illegal(field, format string, args ...any) *refusal {
	return refuse("PARAM_ILLEGAL", "Illegal parameter %s: %s", field, fmt.Sprintf(format, args...))
}

// messageMax is the longest result message.
const messageMax = 256

func (r *refusal) result() object {
	return result(r.code, r.message)
}

func result(code, message string) object {
	if len(message) > messageMax {
		message = strings.ToValidUTF8(message[:messageMax], "")
	}
	return object{{"resultCode", code}, {"resultStatus", statusOf[code]}, {"resultMessage", message}}
}

// success is the result of a call that was done.
func success() object { return result("SUCCESS", "success.") }

// asRefusal finds the refusal in an error; what nobody classified is an outcome
// the caller does not know.
func asRefusal(err error) (r *refusal, known bool) {
	if errors.As(err, &r) {
		return r, true
	}
	return refuse("UNKNOWN_EXCEPTION", "The outcome is not known; repeat the same request."), false
}

// reasons translates why the core refused; others are codes of our own scenarios.
var reasons = map[payment.Reason]string{
	payment.InsufficientFunds: "USER_BALANCE_NOT_ENOUGH",
	payment.AmountTooLarge:    "PAYMENT_AMOUNT_EXCEED_LIMIT",
	payment.ProcessingError:   "PROCESS_FAIL",
	payment.PayerDeclined:     "USER_PAYMENT_VERIFICATION_FAILED",
	payment.PayerAborted:      "USER_PAYMENT_VERIFICATION_FAILED",
}

// codeOf is the result code of a reason.
func codeOf(why payment.Reason) string {
	if c, ok := reasons[why]; ok {
		return c
	}
	if c := string(why); statusOf[c] == "F" {
		return c
	}
	return "PROCESS_FAIL"
}

// wordsFor says in words what a code means to the caller.
func wordsFor(code string) string {
	switch code {
	case "SUCCESS":
		return "success."
	case "PAYMENT_IN_PROCESS":
		return "The payment is being processed."
	case "REFUND_IN_PROCESS":
		return "The refund is being processed."
	case "ORDER_IS_CLOSED":
		return "The payment was not completed in time and is closed."
	case "ORDER_IS_CANCELED":
		return "The payment was cancelled."
	case "USER_BALANCE_NOT_ENOUGH":
		return "The balance of the payer's account is not sufficient."
	case "RISK_REJECT":
		return "The payment was refused by risk control."
	case "USER_STATUS_ABNORMAL":
		return "The payer's account cannot be used at present."
	case "USER_AMOUNT_EXCEED_LIMIT":
		return "The amount exceeds the payer's limit."
	case "INVALID_ACCESS_TOKEN":
		return "The access token is unknown, expired, revoked, or not of this payment method."
	case "SYSTEM_ERROR":
		return "The system failed; do not repeat automatically."
	}
	return "The request was refused: " + code + "."
}

// Codes returns every result code with its status.
func Codes() map[string]string { return maps.Clone(statusOf) }
