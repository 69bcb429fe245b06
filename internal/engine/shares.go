package engine

import (
	"fmt"

	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
)

// SharesMax is how many others can have a share of a payment.
const SharesMax = 50

// Share books what of a captured payment is due to others: it leaves what is
// available to the merchant. The shares of a payment are booked together, once; a
// refund leaves them where they are.
func (t *Tx) Share(p *payment.Payment, shares []money.Amount) error {
	left := p.CapturedAmount()
	if p.State() != payment.Captured || len(shares) > SharesMax {
		return fmt.Errorf("payment %s: %d shares of a payment that is %s", p.ID, len(shares), p.State())
	}
	var ts []ledger.Transfer
	for i, s := range shares {
		if left = left.Sub(s); s.Minor <= 0 || left.Minor < 0 {
			return fmt.Errorf("payment %s: a share of %s of %s", p.ID, s, p.CapturedAmount())
		}
		ts = append(ts, ledger.Transfer{ID: shareID(p.ID, i), At: t.At, Debit: ledger.Available, Credit: ledger.Partners, Amount: s, Payment: p.ID})
	}
	return t.Post(ts...)
}

// shareID names the transfer of one of a payment's shares.
func shareID(paymentID string, i int) string { return fmt.Sprintf("share:%s:%d", paymentID, i+1) }
