package payment

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// DisputeState is the state of a dispute. The zero value is illegal.
type DisputeState uint8

// The states of a dispute. Won, Lost and InquiryClosed have no exits.
const (
	DisputeOpen        DisputeState = iota + 1 // the merchant may answer until the deadline
	DisputeUnderReview                         // answered; whoever decides has it
	DisputeWon                                 // the amount is the merchant's again
	DisputeLost                                // the amount is the payer's
	InquiryOpen                                // whoever decides asks first; the merchant may answer until the deadline
	InquiryAnswered                            // answered; it may become a dispute all the same
	InquiryClosed                              // nobody claims the amount
)

var disputeNames = map[DisputeState]string{
	DisputeOpen: "open", DisputeUnderReview: "under_review", DisputeWon: "won", DisputeLost: "lost",
	InquiryOpen: "inquiry", InquiryAnswered: "inquiry_answered", InquiryClosed: "inquiry_closed",
}

// String returns the stored name.
func (s DisputeState) String() string { return disputeNames[s] }

// Inquiry reports whether no money has moved: the dispute is an inquiry, or was
// one when it ended.
func (s DisputeState) Inquiry() bool {
	return s == InquiryOpen || s == InquiryAnswered || s == InquiryClosed
}

// Over reports whether the state has no exits.
func (s DisputeState) Over() bool { return s == DisputeWon || s == DisputeLost || s == InquiryClosed }

// Answerable reports whether the merchant may still answer, if it is in time.
func (s DisputeState) Answerable() bool { return s == DisputeOpen || s == InquiryOpen }

// Dispute is captured money a payer claims back from the merchant. While it
// runs, the amount is withdrawn from the merchant. It may begin as an inquiry,
// which moves nothing.
type Dispute struct {
	ID       string
	Payment  string
	Amount   money.Amount
	Fee      money.Amount // zero while it is an inquiry
	Reason   string       // the payer's complaint, in the words of whoever reported it
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
// that no dispute or inquiry about the payment exists. Only Payment.Disputable makes one.
type Disputable struct {
	p      *Payment
	amount money.Amount
}

// Disputable returns the proof for an amount. A payment can be disputed once,
// whether that begins with an inquiry or not.
func (p *Payment) Disputable(amount money.Amount) (Disputable, bool) {
	if p.Disputed() != "" || !p.claimable(amount) {
		return Disputable{}, false
	}
	return Disputable{p, amount}, true
}

// claimable reports whether an amount remains which a payer can claim.
func (p *Payment) claimable(amount money.Amount) bool {
	left := p.capturedMinor - p.refundedMinor
	return p.State() == Captured && amount.Currency == p.Amount.Currency && amount.Minor > 0 && amount.Minor <= left
}

// Dispute returns the id of the dispute that withdrew money of the payment, or "".
func (p *Payment) Dispute() string { return p.dispute }

// Disputed returns the id of the payment's dispute or inquiry, or "".
func (p *Payment) Disputed() string { return cmp.Or(p.dispute, p.inquiry) }

// Open starts the dispute: from now on nothing of the payment can be refunded.
func (d Disputable) Open(id, reason string, fee money.Amount, at, deadline time.Time) Dispute {
	d.p.dispute = id
	return Dispute{ID: id, Payment: d.p.ID, Amount: d.amount, Fee: fee, Reason: reason, Created: at, Deadline: deadline, state: DisputeOpen}
}

// Inquire starts it as an inquiry: no money moves, and the payment can still be
// refunded.
func (d Disputable) Inquire(id, reason string, at, deadline time.Time) Dispute {
	d.p.inquiry = id
	return Dispute{ID: id, Payment: d.p.ID, Amount: d.amount, Fee: money.Of(0, d.amount.Currency), Reason: reason, Created: at, Deadline: deadline, state: InquiryOpen}
}

// Escalate turns an inquiry into a dispute over what is claimed now. The merchant
// may answer again, until the new deadline.
func (d *Dispute) Escalate(p *Payment, amount, fee money.Amount, deadline time.Time) error {
	if d.state != InquiryOpen && d.state != InquiryAnswered || p.ID != d.Payment || !p.claimable(amount) {
		return fmt.Errorf("dispute %s of %s is %s and cannot claim %s", d.ID, d.Payment, d.state, amount)
	}
	p.dispute = d.ID
	d.Amount, d.Fee, d.Deadline, d.state = amount, fee, deadline, DisputeOpen
	return nil
}

// Answer records that the merchant answered, strictly before the deadline.
func (d *Dispute) Answer(at time.Time) error {
	if !d.state.Answerable() || !at.Before(d.Deadline) {
		return fmt.Errorf("dispute %s is %s with deadline %s and cannot be answered at %s", d.ID, d.state, d.Deadline, at)
	}
	if d.state == InquiryOpen {
		d.state = InquiryAnswered
		return nil
	}
	d.state = DisputeUnderReview
	return nil
}

// Close records the decision.
func (d *Dispute) Close(won bool) error {
	if d.state != DisputeOpen && d.state != DisputeUnderReview {
		return fmt.Errorf("dispute %s is %s and cannot be decided", d.ID, d.state)
	}
	d.state = DisputeLost
	if won {
		d.state = DisputeWon
	}
	return nil
}

// Drop records that an inquiry did not become a dispute.
func (d *Dispute) Drop() error {
	if d.state != InquiryOpen && d.state != InquiryAnswered {
		return fmt.Errorf("dispute %s is %s, not an inquiry", d.ID, d.state)
	}
	d.state = InquiryClosed
	return nil
}
