package stripe

import (
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
)

// refundBodies loads a refund's row and body.
func refundBodies(t *engine.Tx, r *payment.Refund) (resource.Row, refundBody, error) {
	return storedBody[refundBody](t, kindRefund, r.ID)
}

func (a *API) refundCreated(t *engine.Tx, p *payment.Payment, r *payment.Refund) error {
	row, b, err := refundBodies(t, r)
	if err != nil {
		return err
	}
	charge, cb, err := storedBody[chargeBody](t, kindCharge, b.Charge)
	if err != nil {
		return err
	}
	description := "REFUND FOR PAYMENT"
	if p.Method == "card" {
		description = "REFUND FOR CHARGE"
	}
	if cb.Description != "" {
		description += " (" + cb.Description + ")"
	}
	if b.Transaction, err = book(t, transactionBody{
		Type: refundType(p.Method), Category: "refund", Source: r.ID, Description: description,
		Currency: r.Amount.Currency, Amount: -r.Amount.Minor, AvailableOn: t.At,
	}); err != nil {
		return err
	}
	row.Body = encodeBody(b)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	if err := a.emit(t, message{typ: "charge.refunded", payment: p.ID, render: func(v *view) (obj, obj, error) {
		o, err := v.renderCharge(charge, p)
		if err != nil {
			return nil, nil, err
		}
		prev := obj{"amount_refunded": p.RefundedAmount().Minor - r.Amount.Minor}
		if o["refunded"] == true {
			prev["refunded"] = false
		}
		if list, ok := o["refunds"].(obj); ok {
			data := list["data"].([]any)
			prev["refunds"] = obj{"data": data[min(1, len(data)):], "total_count": max(len(data)-1, 0)}
		}
		return o, prev, nil
	}}); err != nil {
		return err
	}
	return a.refundEvent(t, "refund.created", r, nil)
}

// refundType is the type of a refund's balance transaction.
func refundType(typ string) string {
	if typ == "card" {
		return "refund"
	}
	return "payment_refund"
}

// refundEvent emits an event about a refund; the refund.* types exist for every
// method only since a version.
func (a *API) refundEvent(t *engine.Tx, typ string, r *payment.Refund, prev obj) error {
	if strings.HasPrefix(typ, "refund.") && !since(accountVersion(t.Who), versionRefundEvents) {
		return nil
	}
	return a.emit(t, message{typ: typ, payment: r.Payment, render: func(v *view) (obj, obj, error) {
		o, err := v.refund(r.ID)
		return o, prev, err
	}})
}

// refundNeedsAction: the payer has to say where the money goes.
func (a *API) refundNeedsAction(t *engine.Tx, f event.Fact, r *payment.Refund) error {
	row, b, err := refundBodies(t, r)
	if err != nil {
		return err
	}
	b.ActionUntil = f.Due
	row.Body = encodeBody(b)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	return a.refundChanged(t, r, "pending")
}

func (a *API) refundSucceeded(t *engine.Tx, r *payment.Refund) error {
	_, b, err := refundBodies(t, r)
	if err != nil {
		return err
	}
	return a.refundChanged(t, r, b.waiting())
}

// refundFailed books that the amount is the merchant's again, be it that the
// payer could not be paid or that the refund was canceled.
func (a *API) refundFailed(t *engine.Tx, r *payment.Refund) error {
	row, b, err := refundBodies(t, r)
	if err != nil {
		return err
	}
	canceled := r.Reason == payment.RefundCanceled
	txn := transactionBody{
		Type: "refund_failure", Category: "refund_failure", Source: r.ID, Description: "REFUND FAILURE",
		Currency: r.Amount.Currency, Amount: r.Amount.Minor, AvailableOn: t.At,
	}
	if canceled {
		txn.Description = "REFUND CANCELED"
	}
	if b.FailureTransaction, err = book(t, txn); err != nil {
		return err
	}
	row.Body = encodeBody(b)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	was := b.waiting()
	if r.Returned {
		was = "succeeded"
	}
	if err := a.refundChanged(t, r, was); err != nil || canceled {
		return err
	}
	return a.refundEvent(t, "refund.failed", r, nil)
}

// refundChanged tells of a refund's new status.
func (a *API) refundChanged(t *engine.Tx, r *payment.Refund, was string) error {
	if err := a.refundEvent(t, "charge.refund.updated", r, obj{"status": was}); err != nil {
		return err
	}
	return a.refundEvent(t, "refund.updated", r, obj{"status": was})
}
