package stripe

import (
	"maps"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// forBrowsers are the members of an intent that a browser gets
// (stripe-payment-intents §2.4), payment_method_options if there are any.
var forBrowsers = []string{
	"id", "object", "allowed_payment_method_types", "amount", "amount_details", "automatic_payment_methods", "canceled_at", "cancellation_reason",
	"capture_method", "client_secret", "confirmation_method", "created", "currency", "description", "excluded_payment_method_types",
	"last_payment_error", "livemode", "next_action", "payment_method", "payment_method_configuration_details", "payment_method_options",
	"payment_method_types", "processing", "receipt_email", "setup_future_usage", "shipping", "source", "status",
}

// renderIntent fills an intent by the rules of stripe-payment-intents §2.2.
func (v *view) renderIntent(i intent) (obj, error) {
	b, status := &i.body, i.status()
	lastError, err := v.lastError(b.LastError)
	if err != nil {
		return nil, err
	}
	options := v.intentOptions(b.methodChoice)
	o := obj{
		"id": i.row.ID, "object": "payment_intent", "allowed_payment_method_types": listOrNil(b.Allowed), "amount": b.Amount, "amount_capturable": 0,
		"amount_details": obj{"tip": obj{}}, "amount_received": 0, "application": nil, "application_fee_amount": nil, "automatic_payment_methods": nil,
		"canceled_at": nil, "cancellation_reason": nullable(b.CancelReason), "capture_method": v.captureMethod(b.CaptureMethod), "client_secret": b.Secret,
		"confirmation_method": "automatic", "created": i.row.Created.Unix(), "currency": b.Currency.Lower(), "customer": nullable(b.Customer),
		"customer_account": nil, "description": nullable(b.Description), "excluded_payment_method_types": listOrNil(b.Excluded),
		"last_payment_error": lastError, "latest_charge": nullable(b.LatestCharge), "livemode": v.merchant.Live, "managed_payments": nil,
		"metadata": b.Metadata, "next_action": v.nextAction(i, status), "on_behalf_of": nil, "payment_method": nullable(b.PaymentMethod),
		"payment_method_configuration_details": nil, "payment_method_options": options, "payment_method_types": b.Types, "processing": nil,
		"receipt_email": nullable(b.ReceiptEmail), "review": nil, "setup_future_usage": nullable(b.FutureUsage), "shipping": renderShipping(b.Shipping),
		"source": nil, "statement_descriptor": nullable(b.Descriptor), "statement_descriptor_suffix": nullable(b.Suffix), "status": status,
		"transfer_data": nil, "transfer_group": nullable(b.TransferGroup),
	}
	if !b.CanceledAt.IsZero() {
		o["canceled_at"] = b.CanceledAt.Unix()
	}
	if b.ByServer {
		o["confirmation_method"] = "manual"
	}
	if b.Redirects != "" {
		o["automatic_payment_methods"] = obj{"allow_redirects": b.Redirects, "enabled": true}
		o["payment_method_configuration_details"] = obj{"id": firstOf(b.Configuration, defaultConfiguration(v.merchant.Account)), "parent": nil}
	}
	if v.public {
		maps.DeleteFunc(o, func(name string, _ any) bool {
			return !slices.Contains(forBrowsers, name) || name == "payment_method_options" && len(options) == 0
		})
		return o, nil
	}
	return o, v.forServer(o, i, status)
}

// forServer fills in what only a secret key sees.
func (v *view) forServer(o obj, i intent, status string) error {
	b := &i.body
	if b.AmountDetails != nil {
		o["amount_details"] = maps.Clone(b.AmountDetails)
		o["amount_details"].(obj)["tip"] = obj{}
	}
	if b.PaymentDetails != nil {
		o["payment_details"] = maps.Clone(b.PaymentDetails) // older versions take members from what is shown
	}
	switch status {
	case needsCapture:
		o["amount_capturable"] = i.payment.Amount.Minor
	case hasSucceeded:
		o["amount_received"] = i.payment.CapturedAmount().Minor
	}
	if !since(v.version, versionNoInvoice) {
		o["invoice"] = nil
	}
	if !since(v.version, versionLatestCharge) {
		list, err := v.chargesOf(i.row.ID)
		if err != nil {
			return err
		}
		o["charges"] = list
	}
	return nil
}

func listOrNil(l []string) any {
	if l == nil {
		return nil
	}
	return l
}

// captureMethod is what was asked for, or the version's default.
func (v *view) captureMethod(asked string) string {
	if asked != "" {
		return asked
	}
	if since(v.version, versionAsyncCapture) {
		return "automatic_async"
	}
	return "automatic"
}

// intentOptions shows the options of each type; to a browser, only those types
// that have some.
func (v *view) intentOptions(b methodChoice) obj {
	all := make(obj, len(b.Types))
	for _, typ := range b.Types {
		set, o := b.Options[typ], obj{}
		if typ == "card" && !v.public {
			o["installments"], o["mandate_options"], o["network"] = nil, nil, nil
			o["request_three_d_secure"] = firstOf(set.ThreeDSecure, "automatic")
		}
		if set.CaptureMethod != "" {
			o["capture_method"] = set.CaptureMethod
		}
		if set.FutureUsage != "" {
			o["setup_future_usage"] = set.FutureUsage
		}
		if !v.public || len(o) > 0 {
			all[typ] = o
		}
	}
	return all
}

// nextAction says where the payer has to go.
func (v *view) nextAction(i intent, status string) any {
	if status != needsAction {
		return nil
	}
	page := v.api.config.BaseURL + "/pay/" + engine.Token(*v.merchant, *i.payment)
	switch {
	case i.payment.Method == "alipay":
		return obj{"type": "alipay_handle_redirect", "alipay_handle_redirect": obj{"native_data": nil, "native_url": nil, "return_url": nullable(i.body.ReturnURL), "url": page}}
	case i.payment.Method == "card" && i.body.BySDK:
		return obj{"type": "use_stripe_sdk", "use_stripe_sdk": obj{"type": "three_d_secure_redirect", "stripe_js": page}}
	}
	return obj{"type": "redirect_to_url", "redirect_to_url": obj{"return_url": nullable(i.body.ReturnURL), "url": page}}
}

// lastError shows why the last attempt failed, with the payment method that
// failed; null if none did.
func (v *view) lastError(e *intentError) (any, error) {
	if e == nil {
		return nil, nil
	}
	o := obj{"type": e.Type, "code": e.Code, "message": e.Message, "doc_url": docURL(e.Code)}
	for name, value := range map[string]string{"decline_code": e.Decline, "advice_code": e.Advice, "param": e.Param, "charge": e.Charge} {
		if value != "" {
			o[name] = value
		}
	}
	if e.Method != "" {
		m, err := v.paymentMethod(e.Method)
		if err != nil {
			return nil, err
		}
		o["payment_method"] = m
	}
	return o, nil
}

func docURL(code string) string {
	return "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(code, "_", "-")
}

// nestedCharges is how many charges an embedded list shows.
const nestedCharges = 10

// chargesOf is the list embedded in an intent before latest_charge replaced it.
func (v *view) chargesOf(intentID string) (obj, error) {
	rows, err := v.Resources(store.List{Kind: kindCharge, Key: "payment_intent", Value: intentID, Limit: nestedCharges + 1})
	if err != nil {
		return nil, err
	}
	more := len(rows) > nestedCharges
	data := []any{}
	for _, r := range rows[:min(len(rows), nestedCharges)] {
		o, err := v.chargeOf(r)
		if err != nil {
			return nil, err
		}
		data = append(data, o)
	}
	return obj{"object": "list", "data": data, "has_more": more, "total_count": len(data), "url": "/v1/charges?payment_intent=" + intentID}, nil
}

// defaultConfiguration is the id of the payment method configuration an account
// has without having made one.
func defaultConfiguration(account string) string {
	return "pmc_1" + strings.TrimPrefix(account, "acct_1") + "Default0"
}

// redirectResult is the redirect_status of a payer's return
// (stripe-payment-intents §6.5).
func redirectResult(status string) string {
	switch status {
	case hasSucceeded, needsCapture:
		return "succeeded"
	case isProcessing:
		return "pending"
	}
	return "failed"
}

// intentReturn is where the payer of an intent goes after deciding.
func (a *API) intentReturn(r store.Reader, p payment.Payment) (string, []engine.Detail, error) {
	row, b, err := storedBody[intentBody](r, kindIntent, p.Owner)
	if err != nil {
		return "", nil, err
	}
	details := []engine.Detail{
		{Label: "Type", Value: p.Method}, {Label: "Amount", Value: p.Amount.Decimal()}, {Label: "Currency", Value: p.Amount.Currency.Lower()},
		{Label: "Payment intent", Value: row.ID}, {Label: "Return URL", Value: b.ReturnURL},
	}
	if b.Description != "" {
		details = append(details, engine.Detail{Label: "Description", Value: b.Description})
	}
	details = slices.DeleteFunc(details, func(d engine.Detail) bool { return d.Value == "" })
	if b.ReturnURL == "" || b.BySDK && p.Method == "card" {
		return "", details, nil // the merchant's page waits around the challenge
	}
	result := redirectResult(intentStatus(b, &p))
	if b.Waits && p.State() == payment.Authorized {
		result = "succeeded" // approved; the server confirms once more
	}
	return withParameters(b.ReturnURL, []param{
		{"payment_intent", row.ID}, {"payment_intent_client_secret", b.Secret}, {"redirect_pm_type", p.Method}, {"redirect_status", result},
	}), details, nil
}
