package engine

import (
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
