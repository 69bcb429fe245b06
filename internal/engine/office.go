package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// What the merchant's people see of what a front end keeps, in neutral words.

// Sale is how the merchant knows a payment.
type Sale struct {
	ID          string // what its code calls the payment
	Description string // what it said is sold; may be empty
	Details     []Detail
}

// Told is something a front end told the merchant's servers.
type Told struct {
	ID         string // what Resend takes
	Type       string
	At         time.Time // merchant's time
	Deliveries []store.Delivery
}

// RefundReason is why a person gives money back; "" if they do not say.
type RefundReason string

// The reasons.
const (
	RefundRequested RefundReason = "requested"
	RefundDuplicate RefundReason = "duplicate"
	RefundFraud     RefundReason = "fraud"
)

var refundWords = map[RefundReason]string{
	"": "", RefundRequested: "Requested by the customer", RefundDuplicate: "Paid twice", RefundFraud: "Fraudulent payment",
}

// Words says the reason to people.
func (r RefundReason) Words() string { return refundWords[r] }

// Known reports whether r is one of the reasons.
func (r RefundReason) Known() bool { _, ok := refundWords[r]; return ok }

// MethodSwitch is a payment method that can be turned on and off for an account.
type MethodSwitch struct {
	Method string // as in the catalogue
	Name   string
	On     bool
	Barred bool // the account may not have it, whatever is switched
}

// Option is a setting of a front end's own that the merchant may make. Its name is
// that in the account's settings.
type Option struct{ Name, Label, Hint string }

// Listener is an address of the merchant's that is told things.
type Listener struct {
	ID, URL string
	State   string    // in the front's words
	Failing time.Time // since when nothing has been accepted there; zero if something was
	Mark    string    // of its secret: changes with it, and tells nothing of it
}

// Settlement is money that left, or is leaving, for the merchant's bank.
type Settlement struct {
	ID      string
	Amount  money.Amount
	State   string
	Created time.Time
	Arrives time.Time // zero if it is not known
}

// TransfersOf returns the transfers about a payment, in the order they were
// posted. It asks for them by their ids, which derive from their causes.
func TransfersOf(r store.Reader, p payment.Payment) ([]ledger.Transfer, error) {
	ids := []string{"fee_back:" + p.ID}
	captures, err := capturesOf(r, p)
	if err != nil {
		return nil, err
	}
	ids = append(ids, captures...)
	if p.State() == payment.Captured {
		for i := range SharesMax {
			ids = append(ids, shareID(p.ID, i))
		}
	}
	attempts, err := r.Attempts(p.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		ids = append(ids, "authorize:"+a.ID, "release:"+a.ID)
	}
	refunds, err := r.Refunds(p.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range refunds {
		ids = append(ids, "refund:"+f.ID, "refund_failed:"+f.ID)
	}
	if d := p.Dispute(); d != "" {
		ids = append(ids, "dispute:"+d, "dispute_fee:"+d, "dispute_closed:"+d, "dispute_fee_back:"+d)
	}
	return r.TransfersByID(ids)
}

// capturesOf names the transfers of a payment's captures and their fees: each part
// is named after what was captured before it (captureCause).
func capturesOf(r store.Reader, p payment.Payment) (ids []string, err error) {
	for before := int64(0); before < p.CapturedAmount().Minor; {
		cause := causeAfter(p.ID, before)
		ids = append(ids, "capture:"+cause, "fee:"+cause)
		part, err := r.TransfersByID(ids[len(ids)-2 : len(ids)-1])
		if err != nil {
			return nil, err
		}
		if len(part) == 0 {
			return nil, fmt.Errorf("payment %s: %d of %s captured are in the ledger", p.ID, before, p.CapturedAmount())
		}
		before += part[0].Amount.Minor
	}
	return ids, nil
}

// transfersAtOnce is how many transfers are read in one transaction.
const transfersAtOnce = 1000

// disorder bounds how far a transfer's time may lie before that of one posted
// earlier: transactions that run side by side are a moment apart, no more.
const disorder = time.Hour

// firstTransfer returns a position at or before that of the first transfer made
// at or after an instant. Transfers are posted nearly in the order of their
// times, so it halves its way there.
func firstTransfer(r store.Reader, from time.Time, last int64) (int64, error) {
	from = from.Add(-disorder)
	low, high := int64(0), last
	for high-low > transfersAtOnce {
		middle := low + (high-low)/2
		ts, _, err := r.Transfers(middle, 1)
		if err != nil {
			return 0, err
		}
		if len(ts) > 0 && ts[0].At.Before(from) {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

// within keeps the transfers made in [from, to), and reports whether later ones
// cannot be among them.
func within(ts []ledger.Transfer, from, to time.Time) (kept []ledger.Transfer, over bool) {
	for _, t := range ts {
		if t.At.Before(from) || !t.At.Before(to) {
			over = over || t.At.After(to.Add(disorder))
			continue
		}
		kept = append(kept, t)
	}
	return kept, over
}

// Period calls yield with the transfers made in [from, to), in the order they
// were posted, a part at a time. What is posted while it runs is not among them:
// the books are held for a moment first, so that nothing can turn up later before
// the last one seen. No transaction is open while yield runs.
func (e *Engine) Period(ctx context.Context, merchantID int64, from, to time.Time, yield func([]ledger.Transfer) error) error {
	var after, last int64
	if err := e.Update(ctx, merchantID, Cause{}, func(t *Tx) (err error) {
		if err = t.HoldBooks(); err == nil {
			last, err = t.LastTransfer()
		}
		return err
	}); err != nil {
		return err
	}
	if err := e.Store.View(ctx, merchantID, func(r store.Reader) (err error) {
		after, err = firstTransfer(r, from, last)
		return err
	}); err != nil {
		return err
	}
	for after < last {
		var some []ledger.Transfer
		if err := e.Store.View(ctx, merchantID, func(r store.Reader) (err error) {
			some, after, err = r.TransfersUpTo(after, last, transfersAtOnce)
			return err
		}); err != nil {
			return err
		}
		kept, over := within(some, from, to)
		if len(kept) > 0 {
			if err := yield(kept); err != nil {
				return err
			}
		}
		if over || len(some) == 0 {
			return nil
		}
	}
	return nil
}
