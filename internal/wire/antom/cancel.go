package antom

import (
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
)

// cancelWindow is when a payment of a moment can no longer be cancelled: a
// quarter past midnight of the next day in the settlement zone (antom §5.7).
func cancelWindow(paid time.Time) time.Time {
	y, m, d := paid.In(method.SettlementZone()).Date()
	return time.Date(y, m, d+1, 0, 15, 0, 0, method.SettlementZone())
}

func cancelPayment(c *call) (step, error) {
	paymentID, account, requestID, err := c.named()
	if err != nil {
		return step{}, err
	}
	var row resource.Row
	var b paymentBody
	return step{
		begin: func(t *engine.Tx) (err error) {
			if row, b, err = c.payment(t, paymentID, account, requestID); err != nil {
				return err
			}
			p, err := t.LoadPayment(row.Payment)
			if err != nil {
				return err
			}
			// Read again under the payment's lock.
			if row, b, err = c.payment(t, p.ID, account, requestID); err != nil || !b.Canceled.IsZero() {
				return err
			}
			if _, err := t.Lapse(p); err != nil {
				return err
			}
			b.Canceled = t.At
			return c.undo(t, p, row, &b)
		},
		finish: func(*engine.Tx) (object, error) {
			return object{{"result", success()}, {"paymentId", row.Payment}, {"paymentRequestId", b.RequestID}, {"cancelTime", stamp(b.Canceled)}}, nil
		},
	}, nil
}

// undo lets go of a payment that is under way, or reverses one that was made.
func (c *call) undo(t *engine.Tx, p *payment.Payment, row resource.Row, b *paymentBody) error {
	keep := func() error {
		row.Body = encodeBody(b)
		return t.UpdateResource(row)
	}
	switch p.State() {
	case payment.Declined, payment.Expired, payment.Voided:
		return keep()
	case payment.Captured:
	default:
		if err := keep(); err != nil {
			return err
		}
		return t.Void(p)
	}
	switch {
	case p.RefundedAmount().Minor > 0:
		return refuse("PROCESS_FAIL", "Part of the payment or all of it was refunded; it cannot be cancelled.")
	case !engine.Rules(*p).ReversePaid:
		return refuse("ORDER_STATUS_INVALID", "A payment with %s cannot be cancelled once it is paid.", wireName(p.Method))
	case !t.At.Before(cancelWindow(p.CapturedAt())):
		return refuse("CANCEL_WINDOW_EXCEED", "The payment could be cancelled until %s; refund it instead.", stamp(cancelWindow(p.CapturedAt())))
	}
	proof, ok := p.Refundable(p.CapturedAmount())
	if !ok {
		return refuse("ORDER_STATUS_INVALID", "The payment's state does not allow it to be cancelled.")
	}
	_, err := t.ReversePayment(p, proof, money.Of(b.Fee, p.Amount.Currency), "rev_", func(r *payment.Refund) error {
		b.Reversal = r.ID
		return keep()
	})
	if err != nil {
		return fmt.Errorf("cancel %s: %w", p.ID, err)
	}
	return nil
}
