// Package report reads the books for the files a merchant reconciles with: what
// a front's payments earned and cost in a span of time, entry by entry, as the
// ledger has it. It changes nothing and knows no provider's columns: a dialect
// renders entries, keeps the files as rows, and says when. Files are handed out
// over HTTP by whoever asks for them here, and over SFTP by report/sftp.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// Kind says what an entry is about.
type Kind string

// The kinds.
const (
	Payment         Kind = "payment"          // captured
	Refund          Kind = "refund"           // taken from the merchant for the payer
	RefundReturned  Kind = "refund_returned"  // a refund that failed
	Reversal        Kind = "reversal"         // a payment undone as a whole, with its fee
	Dispute         Kind = "dispute"          // withdrawn by the payer
	DisputeReturned Kind = "dispute_returned" // won by the merchant
)

// Entry is one thing that changed what the merchant is owed.
type Entry struct {
	Kind    Kind         `json:"kind"`
	At      time.Time    `json:"at"`
	Payment string       `json:"payment"`
	Subject string       `json:"subject,omitempty"` // the refund or dispute
	Amount  money.Amount `json:"amount"`            // negative when it is taken from the merchant
	Fee     money.Amount `json:"fee"`               // negative when charged, positive when given back
}

// Net is what the entry comes to.
func (e Entry) Net() money.Amount { return e.Amount.Add(e.Fee) }

// page is how many transfers are read at a time.
const page = 1000

// Read returns the entries of a front's payments, in the order of the books,
// from a position on and before an instant, with the position to go on from. The
// books have to be held (store.Tx.HoldBooks) for nothing to be missed.
func Read(r store.Reader, front string, after int64, until time.Time) ([]Entry, int64, error) {
	b := builder{front: front, mine: map[string]bool{}}
	for {
		ts, next, err := r.Transfers(after, page)
		if err != nil || len(ts) == 0 {
			return b.entries, after, err
		}
		// Times are in the order of the books but for transactions that overlap;
		// one that comes late is in the next report.
		stop := slices.IndexFunc(ts, func(t ledger.Transfer) bool { return !t.At.Before(until) })
		for _, t := range ts[:max(stop, 0)] {
			if err := b.add(r, t); err != nil {
				return nil, after, err
			}
		}
		switch stop {
		case -1:
			for _, t := range ts {
				if err := b.add(r, t); err != nil {
					return nil, after, err
				}
			}
			after = next
		case 0:
			return b.entries, after, nil
		default:
			_, after, err = r.Transfers(after, stop)
			return b.entries, after, err
		}
	}
}

// builder turns transfers into entries.
type builder struct {
	front   string
	mine    map[string]bool // by payment
	entries []Entry
}

// owns reports whether a payment is the front's.
func (b *builder) owns(r store.Reader, id string) (bool, error) {
	if known, ok := b.mine[id]; ok {
		return known, nil
	}
	p, err := r.Payment(id)
	if err != nil {
		return false, fmt.Errorf("report: %w", err)
	}
	b.mine[id] = p.Front == b.front
	return b.mine[id], nil
}

// ReversalPrefix begins the ids of refunds that undo a payment as a whole.
const ReversalPrefix = "rev_"

// add makes an entry of a transfer, or completes the last one. Transfers are told
// by the cause their id begins with (ledger.Transfer.ID).
func (b *builder) add(r store.Reader, t ledger.Transfer) error {
	cause, subject, _ := strings.Cut(t.ID, ":")
	if t.Payment == "" {
		return nil
	}
	if mine, err := b.owns(r, t.Payment); err != nil || !mine {
		return err
	}
	e := Entry{At: t.At, Payment: t.Payment, Subject: subject, Amount: t.Amount, Fee: money.Of(0, t.Amount.Currency)}
	switch cause {
	case "capture":
		e.Kind, e.Subject = Payment, ""
	case "refund":
		e.Kind, e.Amount = Refund, t.Amount.Neg()
		if strings.HasPrefix(subject, ReversalPrefix) {
			e.Kind = Reversal
		}
	case "refund_failed":
		e.Kind = RefundReturned
	case "dispute":
		e.Kind, e.Amount = Dispute, t.Amount.Neg()
	case "dispute_closed":
		if t.Credit != ledger.Available {
			return nil // lost: it was withdrawn already
		}
		e.Kind = DisputeReturned
	case "fee", "dispute_fee":
		return b.fee(t, t.Amount.Neg())
	case "fee_back", "dispute_fee_back":
		return b.fee(t, t.Amount)
	default:
		return nil // authorised, released: nothing the merchant is owed
	}
	b.entries = append(b.entries, e)
	return nil
}

// fee books a fee on the payment's last entry of the same moment; a fee that is
// given back before its entry comes gets one of its own.
func (b *builder) fee(t ledger.Transfer, fee money.Amount) error {
	for i := len(b.entries) - 1; i >= 0; i-- {
		e := &b.entries[i]
		if e.Payment == t.Payment && e.At.Equal(t.At) && e.Fee.Minor == 0 && (fee.Minor < 0) == (e.Kind == Payment || e.Kind == Dispute) {
			e.Fee = fee
			return nil
		}
	}
	return fmt.Errorf("report: transfer %s has no entry to belong to", t.ID)
}

// Refund reports which refund of a payment an entry is about, if it is.
func (e Entry) Refund(r store.Reader) (payment.Refund, bool, error) {
	switch e.Kind {
	case Refund, RefundReturned, Reversal:
		f, err := r.Refund(e.Subject)
		return f, err == nil, err
	case Payment, Dispute, DisputeReturned:
	}
	return payment.Refund{}, false, nil
}
