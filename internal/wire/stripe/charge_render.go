package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
)

// attemptOf shows a payment as it was for a charge: with the attempt the charge
// is about, which need not be the current one.
func (v *view) attemptOf(b chargeBody, p *payment.Payment) (payment.Payment, error) {
	then := *p
	if b.Attempt == "" || b.Attempt == p.Attempt.ID {
		return then, nil
	}
	attempts, err := v.Attempts(p.ID)
	if err != nil {
		return then, err
	}
	for _, at := range attempts {
		if at.ID == b.Attempt {
			then.Attempt, then.Method, then.Amount = at, at.Method, at.Amount
			return then, nil
		}
	}
	return then, fmt.Errorf("payment %s has no attempt %s", p.ID, b.Attempt)
}

// approvedOutcome is the outcome of a charge that nobody objected to.
func approvedOutcome() obj {
	return obj{"advice_code": nil, "network_advice_code": nil, "network_decline_code": nil, "network_status": "approved_by_network", "reason": nil, "risk_level": "not_assessed", "seller_message": "Payment complete.", "type": "authorized"}
}

// refusal says why a charge failed.
func refusal(b chargeBody, p *payment.Payment) intentError {
	if b.Intent != "" {
		return failureOf(p.Method, p.Attempt.Reason)
	}
	code, message := declineText(p.Attempt.Reason)
	return intentError{Code: code, Decline: code, Message: message}
}

// renderCharge fills a charge by the rules of stripe-sources §6.3 and
// stripe-payment-intents §10.1.
func (v *view) renderCharge(row resource.Row, now *payment.Payment) (obj, error) {
	b, err := decodeBody[chargeBody](row)
	if err != nil {
		return nil, err
	}
	then, err := v.attemptOf(b, now)
	if err != nil {
		return nil, err
	}
	p := &then
	var source any
	if b.Source != "" {
		src, err := v.Resource(kindSource, b.Source)
		if err != nil {
			return nil, err
		}
		if source, err = v.renderSource(src, p, false); err != nil {
			return nil, err
		}
	}
	captured := p.State() == payment.Captured
	paid := captured || b.Intent != "" && !p.Attempt.AuthorizedAt.IsZero() && p.State() != payment.Declined
	status := "failed"
	var failureCode, failureMessage any
	outcome := approvedOutcome()
	if p.Method == "card" {
		outcome["risk_level"], outcome["risk_score"] = "normal", 32
	}
	var receipt any
	if captured {
		receipt = v.api.config.BaseURL + "/pay/receipts/" + engine.ReceiptToken(*v.merchant, *p)
	}
	switch {
	case paid:
		status = "succeeded"
	case p.State() == payment.Declined:
		e := refusal(b, p)
		failureCode, failureMessage = e.Code, e.Message
		outcome["network_status"], outcome["reason"], outcome["seller_message"], outcome["type"] = "declined_by_network", firstOf(e.Decline, e.Code), e.Message, "issuer_declined"
		outcome["advice_code"] = nullable(e.Advice)
	default:
		status = "pending" // the wallet's word is awaited
	}
	details, err := v.methodDetails(b, p)
	if err != nil {
		return nil, err
	}
	refunded, taken := b.Released, int64(0)
	disputed := false
	if captured {
		refunded, taken, disputed = refunded+p.RefundedAmount().Minor, p.CapturedAmount().Minor, p.Disputed() != ""
	}
	fraud := obj{}
	if b.UserReport != "" {
		fraud["user_report"] = b.UserReport
	}
	o := obj{
		"id": row.ID, "object": "charge", "amount": p.Amount.Minor, "amount_captured": taken, "amount_refunded": refunded,
		"application": nil, "application_fee": nil, "application_fee_amount": nil, "balance_transaction": nullable(b.Transaction),
		"billing_details": methodBody{Billing: b.Billing, TaxID: b.TaxID}.billing(v), "calculated_statement_descriptor": nil, "captured": captured, "created": row.Created.Unix(),
		"currency": p.Amount.Currency.Lower(), "customer": nullable(b.Customer), "description": nullable(b.Description), "disputed": disputed,
		"failure_balance_transaction": nil, "failure_code": failureCode, "failure_message": failureMessage, "fraud_details": fraud,
		"livemode": v.merchant.Live, "metadata": b.Metadata, "on_behalf_of": nil, "outcome": outcome, "paid": paid, "payment_intent": nullable(b.Intent),
		"payment_method":         firstOf(b.Method, b.Source),
		"payment_method_details": details,
		"receipt_email":          nullable(b.ReceiptEmail), "receipt_number": nil, "receipt_url": receipt,
		"refunded": paid && refunded == p.Amount.Minor, "review": nil, "shipping": renderShipping(b.Shipping), "source": source, "source_transfer": nil,
		"statement_descriptor": nullable(b.Descriptor), "statement_descriptor_suffix": nullable(b.Suffix), "status": status,
		"transfer_data": nil, "transfer_group": nullable(b.TransferGroup),
	}
	if since(v.version, versionRecentMembers) {
		o["radar_options"] = obj{}
	}
	if !since(v.version, versionNoInvoice) {
		o["invoice"] = nil
	}
	if !since(v.version, versionNoDispute) {
		if err := v.formerMembers(o, b, p, disputed); err != nil {
			return nil, err
		}
	}
	if !since(v.version, versionNoRefunds) {
		o["order"] = nil
		if o["refunds"], err = v.refundsOf(row.ID); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// formerMembers adds what charges said before 2023-08-16.
func (v *view) formerMembers(o obj, b chargeBody, p *payment.Payment, disputed bool) error {
	o["alternate_statement_descriptors"], o["destination"] = nil, nil
	if since(v.version, versionDispute) {
		o["dispute"] = nil
		if disputed {
			o["dispute"] = disputeID(p.Disputed())
		}
	}
	if disputed && since(v.version, versionDispute) && !since(v.version, versionDisputeID) {
		d, err := v.dispute(disputeID(p.Disputed()))
		if err != nil {
			return err
		}
		o["dispute"] = d
	}
	if b.Transaction != "" && !since(v.version, versionTransactionFees) {
		t, err := v.transaction(b.Transaction)
		if err != nil {
			return err
		}
		o["fee"], o["fee_details"] = t["fee"], t["fee_details"]
	}
	return nil
}

// instalments is how many payments Alma's simulated payer spreads the price
// over.
const instalments = 3

// methodDetails is what a charge says of how it was paid.
func (v *view) methodDetails(b chargeBody, p *payment.Payment) (obj, error) {
	switch p.Method {
	case "alma":
		return obj{"type": "alma", "alma": obj{"installments": obj{"count": instalments}, "transaction_id": nullable(p.Attempt.Reference)}}, nil
	case "card":
		_, m, err := storedBody[methodBody](v, kindPaymentMethod, b.Method)
		if err != nil {
			return nil, err
		}
		return obj{"type": "card", "card": m.Card.details(v, b, p)}, nil
	}
	wallet := obj{"fingerprint": nil, "transaction_id": nullable(p.Attempt.Reference)}
	if p.Attempt.Payer != "" {
		wallet["buyer_id"], wallet["fingerprint"] = p.Attempt.Payer, fingerprint(v.merchant.Account, p.Attempt.Payer)
	}
	return obj{"type": p.Method, p.Method: wallet}, nil
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func renderShipping(s *shipping) any {
	if s == nil {
		return nil
	}
	return obj{"address": renderAddress(s.Address), "carrier": nullable(s.Carrier), "name": s.Name, "phone": nullable(s.Phone), "tracking_number": nullable(s.Tracking)}
}

// fingerprint is the same for the same payer of one account, and tells nothing
// about the payer.
func fingerprint(account, payer string) string {
	sum := sha256.Sum256([]byte("ducat fingerprint\x00" + account + "\x00" + payer))
	return hex.EncodeToString(sum[:8])
}
