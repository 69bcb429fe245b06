package engine

import (
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
)

// ReversePayment undoes a captured payment as if it had not been: the whole
// amount goes back to the payer, and the fee, which the caller was told with the
// capture, to the merchant. The caller must have obtained the proof for all that
// was captured, in this transaction.
func (t *Tx) ReversePayment(p *payment.Payment, proof payment.Refundable, fee money.Amount, prefix string, prepare func(r *payment.Refund) error) (*payment.Refund, error) {
	if p.RefundedAmount().Minor != 0 || proof.Amount() != p.CapturedAmount() {
		return nil, fault.New(fault.Conflict, "not_whole", "Only a payment of which nothing was refunded can be reversed.")
	}
	r, err := t.RefundPayment(p, proof, prefix, prepare)
	if err != nil || fee.Minor <= 0 {
		return r, err
	}
	return r, t.Post(ledger.Transfer{ID: "fee_back:" + p.ID, At: t.At, Debit: ledger.Fees, Credit: ledger.Available, Amount: fee, Payment: p.ID})
}

// refundReturned books that money which had reached the payer came back.
func (t *Tx) refundReturned(p *payment.Payment, r *payment.Refund, why payment.Reason) error {
	if r.State() != payment.RefundSucceeded {
		return nil
	}
	if err := r.Return(p, why); err != nil {
		return err
	}
	return t.refundUndone(p, r, why)
}

// refundUndone gives the amount of a failed refund back to the merchant.
func (t *Tx) refundUndone(p *payment.Payment, r *payment.Refund, why payment.Reason) error {
	if err := t.saveRefund(r); err != nil {
		return err
	}
	if err := t.save(p); err != nil {
		return err
	}
	if err := t.Post(ledger.Transfer{ID: "refund_failed:" + r.ID, At: t.At, Debit: ledger.Receivable(p.Attempt.Rail), Credit: ledger.Available, Amount: r.Amount, Payment: p.ID}); err != nil {
		return err
	}
	return t.state(event.Fact{Kind: event.RefundFailed, Amount: r.Amount, Reason: string(why)}, p, r)
}
