package payment

import (
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// DisputeState is the state of a dispute. The zero value is illegal.
type DisputeState uint8

// The states of a dispute. Won and Lost have no exits.
const (
	DisputeOpen        DisputeState = iota + 1 // the merchant may answer until the deadline
	DisputeUnderReview                         // answered; whoever decides has it
	DisputeWon                                 // the amount is the merchant's again
	DisputeLost                                // the amount is the payer's
)

var disputeNames = map[DisputeState]string{DisputeOpen: "open", DisputeUnderReview: "under_review", DisputeWon: "won", DisputeLost: "lost"}

// String returns the stored name.
func (s DisputeState) String() string { return disputeNames[s] }

// Dispute is captured money a payer claims back from the merchant. While it
// runs, the amount is withdrawn from the merchant.
type Dispute struct {
	ID       string
	Payment  string
	Amount   money.Amount
	Fee      money.Amount
	Reason   string // the payer's complaint, in the words of whoever reported it
	Created  time.Time
	Deadline time.Time // until when the merchant may answer
	Version  int64
	state    DisputeState
}

// State returns the dispute's state.
func (d *Dispute) State() DisputeState { return d.state }

// RestoreDispute rebuilds a dispute the store has read.
func RestoreDispute(d Dispute, state string) (Dispute, error) {
	for s, n := range disputeNames {
		if n == state {
			d.state = s
			return d, nil
		}
	}
	return Dispute{}, fmt.Errorf("dispute %s: unknown state %q", d.ID, state)
}

// Disputable is proof that captured funds remain which a payer can claim and
// that no dispute about the payment exists. Only Payment.Disputable makes one.
type Disputable struct {
	p      *Payment
	amount money.Amount
}

// Disputable returns the proof for an amount. A payment can be disputed once.
func (p *Payment) Disputable(amount money.Amount) (Disputable, bool) {
	left := p.capturedMinor - p.refundedMinor
	if p.State() != Captured || p.dispute != "" || amount.Currency != p.Amount.Currency || amount.Minor <= 0 || amount.Minor > left {
		return Disputable{}, false
	}
	return Disputable{p, amount}, true
}

// Dispute returns the id of the payment's dispute, or "".
func (p *Payment) Dispute() string { return p.dispute }

// Open starts the dispute: from now on nothing of the payment can be refunded.
func (d Disputable) Open(id, reason string, fee money.Amount, at, deadline time.Time) Dispute {
	d.p.dispute = id
	return Dispute{ID: id, Payment: d.p.ID, Amount: d.amount, Fee: fee, Reason: reason, Created: at, Deadline: deadline, state: DisputeOpen}
}

// Answer records that the merchant answered, strictly before the deadline.
func (d *Dispute) Answer(at time.Time) error {
	if d.state != DisputeOpen || !at.Before(d.Deadline) {
		return fmt.Errorf("dispute %s is %s with deadline %s and cannot be answered at %s", d.ID, d.state, d.Deadline, at)
	}
	d.state = DisputeUnderReview
	return nil
}

// Close records the decision.
func (d *Dispute) Close(won bool) error {
	if d.state != DisputeOpen && d.state != DisputeUnderReview {
		return fmt.Errorf("dispute %s is %s already", d.ID, d.state)
	}
	d.state = DisputeLost
	if won {
		d.state = DisputeWon
	}
	return nil
}
