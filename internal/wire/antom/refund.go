package antom

import (
	"encoding/json"
	"errors"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const kindRefund = "antom.refund"

// refundBody is what a refund's row keeps beside what the core knows.
type refundBody struct {
	Client    string          `json:"client"`
	Account   string          `json:"account,omitempty"`
	RequestID string          `json:"request_id"`
	Refund    string          `json:"refund"` // the core's, and on the wire
	Payment   string          `json:"payment"`
	Amount    money.Amount    `json:"amount"`
	Reference string          `json:"reference,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	NotifyURL string          `json:"notify_url,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
	Shaky     bool            `json:"shaky,omitempty"` // the first answer was withheld by a scenario
	Done      int64           `json:"done,omitempty"`  // when it succeeded, milliseconds
}

// refundScenarios are those of antom §11.2 for a refund.
var refundScenarios = map[string]rail.Rule{
	"9921": {On: "refund", Do: "delay", DelaySeconds: 20},
	"9922": {On: "refund", Do: "decline", DelaySeconds: 20},
	"9925": {On: "refund", Do: "return", DelaySeconds: 3600},
}

func refund(c *call) (step, error) {
	f := c.in
	b := refundBody{Client: c.client.id, Account: f.text("merchantAccountId", 64)}
	b.RequestID = f.id("refundRequestId", 64)
	b.Payment = f.need("paymentId", 64)
	b.Amount = f.amount("refundAmount")
	b.Reference, b.Reason = f.text("referenceRefundId", 64), f.text("refundReason", 256)
	b.NotifyURL = f.httpURL("refundNotifyUrl", 1024)
	b.Metadata = f.raw("metadata", 2048)
	scenario := scenarioOf(c.client, b.Amount.Minor, b.Metadata, f.in["extendInfo"])
	if err := f.failed(); err != nil {
		return step{}, err
	}
	name := rowID(b.Client, b.Account, b.RequestID)
	fresh := false
	return step{
		begin: func(t *engine.Tx) error {
			fresh = false
			row, err := t.Resource(kindRefund, name)
			if err == nil {
				return b.same(row)
			}
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
			fresh = true
			return c.startRefund(t, name, b, scenario)
		},
		finish: func(t *engine.Tx) (object, error) {
			row, err := t.Resource(kindRefund, name)
			if err != nil {
				return nil, err
			}
			kept, err := decodeBody[refundBody](row)
			if err != nil {
				return nil, err
			}
			if fresh && kept.Shaky {
				return withheld(), nil
			}
			return c.api.in(t).refundAnswer(kept)
		},
	}, nil
}

func (b refundBody) same(row resource.Row) error {
	old, err := decodeBody[refundBody](row)
	if err == nil && (old.Payment != b.Payment || old.Amount != b.Amount) {
		err = refuse("REPEAT_REQ_INCONSISTENT", "A refund with this refundRequestId was requested of another payment or amount.")
	}
	return err
}

// startRefund makes the checks of antom §5.8 and refunds.
func (c *call) startRefund(t *engine.Tx, name string, b refundBody, scenario string) error {
	_, _, err := c.payment(t, b.Payment, "", "")
	if err != nil {
		return err
	}
	p, err := t.LoadPayment(b.Payment)
	if err != nil {
		return err
	}
	if _, err := t.Lapse(p); err != nil {
		return err
	}
	row, pb, err := c.payment(t, b.Payment, "", "") // under the payment's lock
	if err != nil {
		return err
	}
	proof, err := refundable(t, p, pb, b.Amount, scenario)
	if err != nil {
		return err
	}
	_, err = t.RefundPayment(p, proof, "rfd_", func(r *payment.Refund) error {
		b.Refund = r.ID
		b.Shaky = scenario == "9924"
		if rule, ok := refundScenarios[scenario]; ok {
			r.Script = string(encodeBody([]rail.Rule{rule}))
		}
		return t.InsertResource(newRow(t, kindRefund, name, row.Payment, b, resource.Key{Name: "refund", Value: r.ID}))
	})
	if fault.CodeOf(err) == "refund_window" {
		return refuse("REFUND_WINDOW_EXCEED", "The refund window of %s has passed.", wireName(p.Method))
	}
	return err
}

// refundable judges a refund; nothing has been written yet.
func refundable(t *engine.Tx, p *payment.Payment, pb paymentBody, amount money.Amount, scenario string) (payment.Refundable, error) {
	none := payment.Refundable{}
	state, _ := status(pb, p)
	rules := engine.Rules(*p)
	left := p.CapturedAmount().Sub(p.RefundedAmount())
	switch {
	case state == "CANCELLED":
		return none, refuse("ORDER_IS_CANCELED", "The payment was cancelled; there is nothing to refund.")
	case state != "SUCCESS":
		return none, refuse("ORDER_STATUS_INVALID", "The payment was not successful; there is nothing to refund.")
	case amount.Currency != p.Amount.Currency:
		return none, refuse("CURRENCY_NOT_SUPPORT", "The payment is in %s; it cannot be refunded in %s.", p.Amount.Currency, amount.Currency)
	case rules.RefundFor == 0:
		return none, refuse("REFUND_NOT_SUPPORTED", "Payments with %s cannot be refunded.", wireName(p.Method))
	case t.At.After(p.CapturedAt().Add(rules.RefundFor)):
		return none, refuse("REFUND_WINDOW_EXCEED", "The refund window of %s has passed.", wireName(p.Method))
	case amount.Minor > left.Minor:
		return none, refuse("REFUND_AMOUNT_EXCEED", "%s of the payment can still be refunded.", left)
	case amount.Minor < rules.MinimumFor(amount.Currency) && amount != left:
		return none, illegal("refundAmount.value", "%s refunds at least %s.", wireName(p.Method), money.Of(rules.MinimumFor(amount.Currency), amount.Currency))
	case scenario == "9923":
		return none, refuse("MERCHANT_BALANCE_NOT_ENOUGH", "The unsettled balance is not enough for the refund.")
	case statusOf[scenario] == "F":
		return none, refuse(scenario, "%s", wordsFor(scenario))
	}
	proof, ok := p.Refundable(amount)
	if !ok {
		return none, refuse("ORDER_STATUS_INVALID", "The payer disputes the payment; it cannot be refunded.")
	}
	return proof, nil
}

// refundState is a refund's state on the wire.
func refundState(r *payment.Refund) (state, code string) {
	switch r.State() {
	case payment.RefundSucceeded:
		return "SUCCESS", "SUCCESS"
	case payment.RefundFailed:
		return "FAIL", "PROCESS_FAIL"
	case payment.RefundPending:
	}
	return "PROCESSING", "REFUND_IN_PROCESS"
}

// refundFacts renders what refund, inquiryRefund and notifyRefund have in common.
func (v *view) refundFacts(b refundBody, r *payment.Refund) (object, error) {
	p, err := v.Payment(r.Payment)
	if err != nil {
		return nil, err
	}
	row, err := v.Resource(kindPayment, p.Owner)
	if err != nil {
		return nil, err
	}
	pb, err := decodeBody[paymentBody](row)
	if err != nil {
		return nil, err
	}
	out := object{{"refundRequestId", b.RequestID}, {"refundId", r.ID}, {"refundAmount", amountOf(r.Amount)}}
	if r.State() == payment.RefundSucceeded {
		out = append(out, member{"refundTime", stamp(fromMilli(b.Done))})
	}
	return append(out, member{"grossSettlementAmount", pb.gross(r.Amount)}, member{"settlementQuote", pb.Quote.render()}), nil
}

func (v *view) refundAnswer(b refundBody) (object, error) {
	r, err := v.Refund(b.Refund)
	if err != nil {
		return nil, err
	}
	_, code := refundState(&r)
	facts, err := v.refundFacts(b, &r)
	return append(append(object{{"result", result(code, wordsFor(code))}}, facts...), member{"paymentId", b.Payment}), err
}

// transaction renders a refund within an inquiry about its payment.
func (v *view) transaction(r *payment.Refund, pb paymentBody) (object, error) {
	row, err := v.ResourceBy(kindRefund, "refund", r.ID)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody[refundBody](row)
	if err != nil {
		return nil, err
	}
	state, code := refundState(r)
	return object{
		{"transactionResult", result(code, wordsFor(code))}, {"transactionId", r.ID}, {"transactionType", "REFUND"}, {"transactionStatus", state},
		{"transactionAmount", amountOf(r.Amount)}, {"transactionRequestId", b.RequestID}, {"transactionTime", stamp(fromMilli(b.Done))},
		{"grossSettlementAmount", pb.gross(r.Amount)}, {"settlementQuote", pb.Quote.render()},
	}, nil
}

func inquireRefund(c *call, v *view) (object, error) {
	f := c.in
	refundID, requestID, account := f.text("refundId", 64), f.text("refundRequestId", 64), f.text("merchantAccountId", 64)
	if refundID == "" && requestID == "" {
		f.bad("refundId", "it is missing, and so is refundRequestId; one of them is needed.")
	}
	if err := f.failed(); err != nil {
		return nil, err
	}
	var row resource.Row
	var err error
	if refundID != "" {
		row, err = v.ResourceBy(kindRefund, "refund", refundID)
	} else {
		row, err = v.Resource(kindRefund, rowID(c.client.id, account, requestID))
	}
	missing := refuse("REFUND_NOT_EXIST", "There is no such refund.")
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	b, err := decodeBody[refundBody](row)
	if err != nil {
		return nil, err
	}
	if b.Client != c.client.id {
		return nil, missing
	}
	r, err := v.Refund(b.Refund)
	if err != nil {
		return nil, err
	}
	state, _ := refundState(&r)
	facts, err := v.refundFacts(b, &r)
	return append(append(object{{"result", success()}, {"refundStatus", state}}, facts...), member{"metadata", b.Metadata}), err
}
