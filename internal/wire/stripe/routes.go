package stripe

import (
	"errors"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
)

// endpoints lists the whole surface of the dialect.
func (a *API) endpoints() []endpoint {
	cursors := []string{"limit", "starting_after", "ending_before"}
	page := append([]string{"created"}, cursors...)
	searchParams := []string{"query", "limit", "page"}
	with := func(more ...string) []string { return append(append([]string(nil), page...), more...) }
	return []endpoint{
		{method: "POST", path: "/v1/sources", public: true, object: "source", params: sourceParams, write: createSource},
		{method: "GET", path: "/v1/sources/{id}", public: true, object: "source", params: []string{"client_secret"}, read: retrieveSource},
		{method: "POST", path: "/v1/sources/{id}", object: "source", params: []string{"metadata", "owner", "amount", "mandate", "source_order"}, write: updateSource},
		{method: "POST", path: "/v1/sources/{id}/verify", public: true, object: "source", params: []string{"values"}, write: verifySource},
		{method: "GET", path: "/v1/sources/{id}/source_transactions/{transaction}", object: "source_transaction", read: sourceTransaction},
		{method: "GET", path: "/v1/sources/{id}/source_transactions", list: true, object: "source_transaction", params: cursors, read: sourceTransactions},

		{method: "POST", path: "/v1/customers", object: "customer", params: append([]string{"id", "payment_method", "test_clock"}, customerParams...), write: createCustomer},
		{method: "GET", path: "/v1/customers", steady: true, list: true, object: "customer", params: with("email", "test_clock"), read: listCustomers},
		{method: "GET", path: "/v1/customers/search", list: true, object: "customer", params: searchParams, read: func(c *call) (obj, error) { return c.search(searchCustomers) }},
		{method: "GET", path: "/v1/customers/{id}", steady: true, object: "customer", read: retrieveCustomer},
		{method: "POST", path: "/v1/customers/{id}", object: "customer", params: append([]string{"default_source"}, customerParams...), write: updateCustomer},
		{method: "DELETE", path: "/v1/customers/{id}", object: "customer", write: deleteCustomer},
		{method: "POST", path: "/v1/customers/{customer}/sources", object: "source", params: []string{"source"}, write: attachSource},
		{method: "GET", path: "/v1/customers/{customer}/sources", list: true, object: "source", params: append([]string{"object"}, cursors...), read: listCustomerSources},
		{method: "GET", path: "/v1/customers/{customer}/sources/{id}", object: "source", read: retrieveCustomerSource},
		{method: "POST", path: "/v1/customers/{customer}/sources/{id}", object: "source", params: []string{"metadata", "owner", "amount", "mandate", "source_order"}, write: updateCustomerSource},
		{method: "DELETE", path: "/v1/customers/{customer}/sources/{id}", object: "source", write: detachSource},

		{method: "POST", path: "/v1/ephemeral_keys", object: "ephemeral_key", params: []string{"customer", "issuing_card", "nonce", "verification_session"}, write: createEphemeralKey},
		{method: "DELETE", path: "/v1/ephemeral_keys/{key}", object: "ephemeral_key", write: deleteEphemeralKey},

		{method: "POST", path: "/v1/payment_intents", object: "payment_intent", params: intentParams, write: createIntent},
		{method: "GET", path: "/v1/payment_intents", list: true, object: "payment_intent", params: with("customer", "customer_account"), read: listIntents},
		{method: "GET", path: "/v1/payment_intents/search", list: true, object: "payment_intent", params: searchParams, read: func(c *call) (obj, error) { return c.search(searchIntents) }},
		{method: "GET", path: "/v1/payment_intents/{id}", public: true, object: "payment_intent", params: []string{"client_secret"}, read: retrieveIntent},
		{method: "POST", path: "/v1/payment_intents/{id}", object: "payment_intent", params: intentUpdateParams, write: updateIntent},
		{method: "POST", path: "/v1/payment_intents/{id}/confirm", public: true, object: "payment_intent", params: intentConfirmParams, write: confirmIntent},
		{method: "POST", path: "/v1/payment_intents/{id}/capture", object: "payment_intent", params: intentCaptureParams, write: captureIntent},
		{method: "POST", path: "/v1/payment_intents/{id}/cancel", object: "payment_intent", params: []string{"cancellation_reason"}, write: cancelIntent},
		{method: "POST", path: "/v1/payment_intents/{id}/refresh", public: true, object: "payment_intent", params: []string{"client_secret"}, write: refreshIntent},
		{method: "POST", path: "/v1/payment_intents/{id}/source_cancel", public: true, object: "payment_intent", params: []string{"source"}, write: cancelIntentSource},
		{method: "POST", path: "/v1/payment_intents/{id}/increment_authorization", object: "payment_intent", params: []string{"amount", "amount_details", "application_fee_amount", "description", "hooks", "metadata", "payment_details", "statement_descriptor", "transfer_data"}, write: incrementIntent},
		{method: "POST", path: "/v1/payment_intents/{id}/apply_customer_balance", object: "payment_intent", params: []string{"amount", "currency"}, write: notForMethods},
		{method: "POST", path: "/v1/payment_intents/{id}/verify_microdeposits", public: true, object: "payment_intent", params: []string{"amounts", "client_secret", "descriptor_code"}, write: notForMethods},
		{method: "GET", path: "/v1/payment_intents/{id}/amount_details_line_items", list: true, params: cursors, read: intentLineItems},

		{method: "POST", path: "/v1/setup_intents", object: "setup_intent", params: setupParams, write: createSetup},
		{method: "GET", path: "/v1/setup_intents", list: true, object: "setup_intent", params: with("attach_to_self", "customer", "customer_account", "payment_method"), read: listSetups},
		{method: "GET", path: "/v1/setup_intents/{id}", public: true, object: "setup_intent", params: []string{"client_secret"}, read: retrieveSetup},
		{method: "POST", path: "/v1/setup_intents/{id}", object: "setup_intent", params: setupUpdateParams, write: updateSetup},
		{method: "POST", path: "/v1/setup_intents/{id}/confirm", public: true, object: "setup_intent", params: setupConfirmParams, write: confirmSetupIntent},
		{method: "POST", path: "/v1/setup_intents/{id}/cancel", object: "setup_intent", params: []string{"cancellation_reason"}, write: cancelSetup},
		{method: "POST", path: "/v1/setup_intents/{id}/refresh", public: true, object: "setup_intent", params: []string{"client_secret"}, write: refreshSetup},
		{method: "POST", path: "/v1/setup_intents/{id}/source_cancel", public: true, object: "setup_intent", params: []string{"source"}, write: cancelSetupSource},
		{method: "GET", path: "/v1/setup_attempts", list: true, object: "setup_attempt", params: with("setup_intent"), read: listSetupAttempts},
		{method: "GET", path: "/v1/mandates/{id}", object: "mandate", read: retrieveMandate},

		{method: "POST", path: "/v1/payment_method_configurations", object: "payment_method_configuration", params: append([]string{"name", "parent"}, configurationTypes...), write: createConfiguration},
		{method: "GET", path: "/v1/payment_method_configurations", list: true, object: "payment_method_configuration", params: append([]string{"active", "application"}, cursors...), read: listConfigurations},
		{method: "GET", path: "/v1/payment_method_configurations/{id}", object: "payment_method_configuration", read: retrieveConfiguration},
		{method: "POST", path: "/v1/payment_method_configurations/{id}", object: "payment_method_configuration", params: append([]string{"active", "name"}, configurationTypes...), write: updateConfiguration},

		{method: "POST", path: "/v1/tokens", public: true, object: "token", params: []string{"account", "bank_account", "card", "customer", "cvc_update", "person", "pii"}, write: createToken},
		{method: "GET", path: "/v1/tokens/{id}", publicUntil: versionSecretTokens, object: "token", read: retrieveToken},
		{method: "POST", path: "/v1/confirmation_tokens", public: true, object: "confirmation_token", params: append([]string{"client_context", "mandate_data", "metadata", "use_stripe_sdk"}, confirmationTokenParams...), write: createConfirmationToken},
		{method: "GET", path: "/v1/confirmation_tokens/{id}", object: "confirmation_token", read: retrieveConfirmationToken},
		{method: "POST", path: "/v1/test_helpers/confirmation_tokens", object: "confirmation_token", params: confirmationTokenParams, write: createConfirmationToken},
		{method: "GET", path: "/v1/elements/sessions", public: true, object: "elements_session", params: sessionParams, read: elementsSession},
		{method: "POST", path: "/v1/elements/sessions", public: true, object: "elements_session", params: sessionParams, read: elementsSession},

		{method: "POST", path: "/v1/payment_methods", public: true, object: "payment_method", params: methodParams, write: createPaymentMethod},
		{method: "GET", path: "/v1/payment_methods", list: true, object: "payment_method", params: append([]string{"allow_redisplay", "customer", "customer_account", "type"}, cursors...), read: listPaymentMethods},
		{method: "GET", path: "/v1/payment_methods/{id}", object: "payment_method", read: retrievePaymentMethod},
		{method: "POST", path: "/v1/payment_methods/{id}", object: "payment_method", params: []string{"allow_redisplay", "billing_details", "card", "metadata", "payto", "us_bank_account"}, write: updatePaymentMethod},
		{method: "POST", path: "/v1/payment_methods/{id}/attach", object: "payment_method", params: []string{"customer", "customer_account"}, write: attachPaymentMethod},
		{method: "POST", path: "/v1/payment_methods/{id}/detach", object: "payment_method", write: detachPaymentMethod},
		{method: "GET", path: "/v1/customers/{customer}/payment_methods", list: true, object: "payment_method", params: append([]string{"allow_redisplay", "type"}, cursors...), read: listPaymentMethods},
		{method: "GET", path: "/v1/customers/{customer}/payment_methods/{id}", object: "payment_method", read: retrieveCustomerMethod},

		{method: "POST", path: "/v1/charges", object: "charge", params: chargeParams, write: createCharge},
		{method: "GET", path: "/v1/charges", steady: true, list: true, object: "charge", params: with("customer", "payment_intent", "transfer_group"), read: listCharges},
		{method: "GET", path: "/v1/charges/search", list: true, object: "charge", params: searchParams, read: func(c *call) (obj, error) { return c.search(searchCharges) }},
		{method: "GET", path: "/v1/charges/{id}", steady: true, object: "charge", read: retrieveCharge},
		{method: "POST", path: "/v1/charges/{id}", object: "charge", params: []string{"customer", "description", "fraud_details", "metadata", "receipt_email", "shipping", "transfer_group"}, write: updateCharge},
		{method: "POST", path: "/v1/charges/{id}/capture", object: "charge", params: []string{"amount", "application_fee_amount", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group"}, write: captureCharge},
		{method: "GET", path: "/v1/charges/{charge}/refunds", list: true, object: "refund", params: cursors, read: listRefunds},
		{method: "POST", path: "/v1/charges/{charge}/refunds", object: "refund", params: chargeRefundParams, write: createRefund},
		{method: "GET", path: "/v1/charges/{charge}/refunds/{id}", object: "refund", read: retrieveRefund},
		{method: "POST", path: "/v1/charges/{charge}/refunds/{id}", object: "refund", params: []string{"metadata"}, write: updateRefund},
		{method: "POST", path: "/v1/charges/{charge}/refund", object: "charge", params: legacyRefundParams, write: refundCharge},

		{method: "POST", path: "/v1/refunds", object: "refund", params: refundParams, write: createRefund},
		{method: "GET", path: "/v1/refunds", steady: true, list: true, object: "refund", params: with("charge", "payment_intent"), read: listRefunds},
		{method: "GET", path: "/v1/refunds/{id}", steady: true, object: "refund", read: retrieveRefund},
		{method: "POST", path: "/v1/refunds/{id}", object: "refund", params: []string{"metadata"}, write: updateRefund},
		{method: "POST", path: "/v1/refunds/{id}/cancel", object: "refund", write: cancelRefund},

		{method: "POST", path: "/v1/test_helpers/test_clocks", object: "test_helpers.test_clock", params: []string{"customer", "frozen_time", "name"}, write: createClock},
		{method: "GET", path: "/v1/test_helpers/test_clocks", list: true, object: "test_helpers.test_clock", params: cursors, read: listClocks},
		{method: "GET", path: "/v1/test_helpers/test_clocks/{test_clock}", object: "test_helpers.test_clock", read: retrieveClock},
		{method: "POST", path: "/v1/test_helpers/test_clocks/{test_clock}/advance", object: "test_helpers.test_clock", params: []string{"frozen_time"}, write: advanceClock},
		{method: "DELETE", path: "/v1/test_helpers/test_clocks/{test_clock}", object: "test_helpers.test_clock", write: deleteClock},
		{method: "POST", path: "/v1/test_helpers/refunds/{id}/expire", object: "refund", write: expireRefund},

		{method: "GET", path: "/v1/disputes", steady: true, list: true, object: "dispute", params: with("charge", "payment_intent"), read: listDisputes},
		{method: "GET", path: "/v1/disputes/{id}", steady: true, object: "dispute", read: retrieveDispute},
		{method: "POST", path: "/v1/disputes/{id}", object: "dispute", params: []string{"evidence", "metadata", "submit"}, write: updateDispute},
		{method: "POST", path: "/v1/disputes/{id}/close", object: "dispute", write: closeDispute},
		{method: "GET", path: "/v1/charges/{charge}/dispute", object: "dispute", read: retrieveDispute},
		{method: "POST", path: "/v1/charges/{charge}/dispute", object: "dispute", params: []string{"evidence", "metadata", "submit"}, write: updateDispute},
		{method: "POST", path: "/v1/charges/{charge}/dispute/close", object: "dispute", write: closeDispute},

		{method: "POST", path: "/v1/files", object: "file", params: []string{"file", "purpose", "file_link_data"}, write: createFile},
		{method: "GET", path: "/v1/files", list: true, object: "file", params: with("purpose"), read: listFiles},
		{method: "GET", path: "/v1/files/{id}", object: "file", read: retrieveFile},
		{method: "GET", path: "/v1/files/{id}/contents", bytes: fileContents},

		{method: "POST", path: "/v1/file_links", object: "file_link", params: []string{"expires_at", "file", "metadata"}, write: createFileLink},
		{method: "GET", path: "/v1/file_links", list: true, object: "file_link", params: with("expired", "file"), read: listFileLinks},
		{method: "GET", path: "/v1/file_links/{link}", object: "file_link", read: retrieveFileLink},
		{method: "POST", path: "/v1/file_links/{link}", object: "file_link", params: []string{"expires_at", "metadata"}, write: updateFileLink},

		{method: "GET", path: "/v1/events", list: true, object: "event", params: with("type", "types", "delivery_success"), read: listEvents},
		{method: "GET", path: "/v1/events/{id}", object: "event", read: retrieveEvent},
		{method: "POST", path: "/v1/events/{id}/retry", object: "event", params: []string{"account", "webhook_endpoint", "for_stripecli"}, write: retryEvent},

		{method: "POST", path: "/v1/webhook_endpoints", object: "webhook_endpoint", params: []string{"url", "enabled_events", "api_version", "connect", "description", "metadata"}, write: createEndpoint},
		{method: "GET", path: "/v1/webhook_endpoints", list: true, object: "webhook_endpoint", params: cursors, read: listEndpoints},
		{method: "GET", path: "/v1/webhook_endpoints/{id}", object: "webhook_endpoint", read: retrieveEndpoint},
		{method: "POST", path: "/v1/webhook_endpoints/{id}", object: "webhook_endpoint", params: []string{"url", "enabled_events", "disabled", "description", "metadata"}, write: updateEndpoint},
		{method: "DELETE", path: "/v1/webhook_endpoints/{id}", object: "webhook_endpoint", write: deleteEndpoint},

		{method: "POST", path: "/v1/payouts", object: "payout", params: payoutParams, write: createPayout},
		{method: "GET", path: "/v1/payouts", steady: true, list: true, object: "payout", params: with("arrival_date", "destination", "status"), read: listPayouts},
		{method: "GET", path: "/v1/payouts/{id}", steady: true, object: "payout", read: retrievePayout},
		{method: "POST", path: "/v1/payouts/{id}", object: "payout", params: []string{"metadata"}, write: updatePayout},
		{method: "POST", path: "/v1/payouts/{id}/cancel", object: "payout", write: cancelPayout},
		{method: "POST", path: "/v1/payouts/{id}/reverse", object: "payout", params: []string{"metadata"}, write: reversePayout},

		{method: "POST", path: "/v1/reporting/report_runs", object: "reporting.report_run", params: []string{"parameters", "report_type"}, write: createReport},
		{method: "GET", path: "/v1/reporting/report_runs", list: true, object: "reporting.report_run", params: page, read: listReports},
		{method: "GET", path: "/v1/reporting/report_runs/{report_run}", object: "reporting.report_run", read: retrieveReport},
		{method: "GET", path: "/v1/reporting/report_types", list: true, object: "reporting.report_type", read: listReportTypes},
		{method: "GET", path: "/v1/reporting/report_types/{report_type}", object: "reporting.report_type", read: retrieveReportType},

		{method: "POST", path: "/v1/stripecli/sessions", params: []string{"device_name", "filters", "forward_connect_to_url", "forward_thin_connect_to_url", "forward_thin_to_url", "forward_to_url", "websocket_features"}, write: createSession},

		{method: "GET", path: "/v1/account", object: "account", read: retrieveAccount},
		{method: "GET", path: "/v1/accounts/{account}", object: "account", read: retrieveAccount},
		{method: "GET", path: "/v1/balance", steady: true, object: "balance", read: retrieveBalance},
		{method: "GET", path: "/v1/balance_settings", object: "balance_settings", read: retrieveBalanceSettings},
		{method: "POST", path: "/v1/balance_settings", object: "balance_settings", params: []string{"payments"}, write: updateBalanceSettings},
		{method: "GET", path: "/v1/balance_transactions", list: true, object: "balance_transaction", params: with("available_on", "currency", "payout", "source", "type"), read: listTransactions},
		{method: "GET", path: "/v1/balance_transactions/{id}", object: "balance_transaction", read: retrieveTransaction},
		{method: "GET", path: "/v1/balance/history", list: true, object: "balance_transaction", params: with("available_on", "currency", "payout", "source", "type"), read: listTransactions},
		{method: "GET", path: "/v1/balance/history/{id}", object: "balance_transaction", read: retrieveTransaction},
	}
}

// pins remembers accounts' settings for a moment, so that a request need not look
// them up. A change, or a reset, applies at once on the node that makes it, and on
// the others within pinKept.
type pins struct {
	mu      sync.Mutex
	set     map[int64]pin
	changes int // how often settings were changed here
}

type pin struct {
	version string
	fixed   bool    // the account has sent a version
	limit   float64 // requests a second, 0 for no limit
	until   time.Time
}

const (
	pinsMax = 1 << 17
	pinKept = 5 * time.Second
)

func (a *API) pin(id int64) (pin, bool) {
	now := a.engine.Clock.Now()
	a.pins.mu.Lock()
	defer a.pins.mu.Unlock()
	p, ok := a.pins.set[id]
	return p, ok && now.Before(p.until)
}

// pinning returns what has to be told with settings that are read afterwards.
func (a *API) pinning() (changes int) {
	a.pins.mu.Lock()
	defer a.pins.mu.Unlock()
	return a.pins.changes
}

// setPin remembers settings, unless they were read before some were changed.
func (a *API) setPin(id int64, p pin, changes int) {
	p.until = a.engine.Clock.Now().Add(pinKept)
	a.pins.mu.Lock()
	defer a.pins.mu.Unlock()
	if changes != a.pins.changes {
		return
	}
	if a.pins.set == nil || len(a.pins.set) >= pinsMax {
		a.pins.set = map[int64]pin{}
	}
	a.pins.set[id] = p
}

// Forget makes the API look a merchant's settings up again, after a change.
func (a *API) Forget(id int64) {
	a.pins.mu.Lock()
	defer a.pins.mu.Unlock()
	a.pins.changes++
	delete(a.pins.set, id)
}

func faultCode(err error) string { return fault.CodeOf(err) }

func faultMessage(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return ""
}
