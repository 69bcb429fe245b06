// Package payment is the state machine of one payment: attempts to get the
// payer's authorisation, what was captured, and refunds. It is pure: no clock,
// no store, no rail. Illegal moves cannot be written: state fields are private,
// moves are methods that take evidence, and moves that touch money demand a
// capability that only the right state hands out.
package payment

import (
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// State is the state of an attempt. The zero value is illegal.
type State uint8

// The states. Declined, Expired and Voided have no exits; Captured neither.
const (
	Started       State = iota + 1 // decided, rail not asked yet
	AwaitingPayer                  // the payer has to act
	Processing                     // nothing is left to the payer, the wallet has not confirmed
	Authorized                     // funds are held for us
	Captured                       // funds are the merchant's
	Declined                       // payer or wallet said no
	Expired                        // nobody acted in time
	Voided                         // given back before capture
)

// States lists all states.
var States = []State{Started, AwaitingPayer, Processing, Authorized, Captured, Declined, Expired, Voided}

var stateNames = map[State]string{
	Started: "started", AwaitingPayer: "awaiting_payer", Processing: "processing", Authorized: "authorized",
	Captured: "captured", Declined: "declined", Expired: "expired", Voided: "voided",
}

// String returns the state's stored name.
func (s State) String() string {
	if n, ok := stateNames[s]; ok {
		return n
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// ParseState is the inverse of String.
func ParseState(name string) (State, bool) {
	for s, n := range stateNames {
		if n == name {
			return s, true
		}
	}
	return 0, false
}

// Waiting reports whether something still has to happen, so that the attempt
// must have a deadline.
func (s State) Waiting() bool {
	return s == Started || s == AwaitingPayer || s == Processing || s == Authorized
}

// Event is what can happen to an attempt.
type Event uint8

// The events.
const (
	Redirected Event = iota + 1 // the rail wants the payer to act
	Acted                       // the payer acted, or need not; the wallet decides
	Approved                    // the wallet confirmed the funds
	CaptureOK                   // the rail captured
	Refused                     // payer, wallet or rail refused
	TimedOut                    // the deadline passed
	GivenUp                     // the merchant let go of the authorisation
	RestLetGo                   // part was captured; what was left of the authorisation goes back
)

// Events lists all events.
var Events = []Event{Redirected, Acted, Approved, CaptureOK, Refused, TimedOut, GivenUp, RestLetGo}

var eventNames = map[Event]string{
	Redirected: "redirected", Acted: "acted", Approved: "approved", CaptureOK: "captured",
	Refused: "refused", TimedOut: "timed_out", GivenUp: "given_up", RestLetGo: "rest_let_go",
}

// String names the event.
func (e Event) String() string { return eventNames[e] }

// Next is the whole machine.
func Next(s State, e Event) (State, bool) {
	switch s {
	case Started:
		switch e {
		case Redirected:
			return AwaitingPayer, true
		case Acted:
			return Processing, true
		case Approved:
			return Authorized, true
		case Refused:
			return Declined, true
		case TimedOut:
			return Expired, true
		case GivenUp:
			return Voided, true
		}
	case AwaitingPayer:
		switch e {
		case Acted:
			return Processing, true
		case Approved:
			return Authorized, true
		case Refused:
			return Declined, true
		case TimedOut:
			return Expired, true
		case GivenUp:
			return Voided, true
		}
	case Processing:
		switch e {
		case Approved:
			return Authorized, true
		case Refused:
			return Declined, true
		case TimedOut:
			return Expired, true
		case GivenUp:
			return Voided, true
		}
	case Authorized:
		switch e {
		case CaptureOK, RestLetGo:
			return Captured, true
		case Refused:
			return Declined, true
		case TimedOut:
			return Expired, true
		case GivenUp:
			return Voided, true
		}
	case Captured, Declined, Expired, Voided:
	}
	return 0, false
}

// Reason says why an attempt or a refund failed.
type Reason string

// Reasons of the core. A rail may report others; dialects translate those they
// know and treat the rest as ProcessingError.
const (
	PayerDeclined     Reason = "payer_declined"
	PayerAborted      Reason = "payer_aborted"
	ProcessingError   Reason = "processing_error"
	InsufficientFunds Reason = "insufficient_funds"
	AmountTooLarge    Reason = "amount_too_large"
	RefundExpired     Reason = "refund_expired"  // the payer did not say in time where it goes
	RefundCanceled    Reason = "refund_canceled" // the merchant took a refund back in time
)

// Payment is one sale a merchant wants money for. Method, Amount, Secret and
// Script are those of the current attempt.
type Payment struct {
	ID      string
	Front   string // the front end that owns it
	Owner   string // id of the row of that front end which began it
	Kind    string // kind of that row
	Product string
	Method  string
	Amount  money.Amount
	Created time.Time
	Secret  string // proves that a visitor of the hosted page was sent there
	Script  string // simulator instructions of this object, JSON or ""
	Version int64

	AutoCapture bool   // funds are captured as soon as they are authorised
	Descriptor  string // what the payer should read on their statement; "" for the merchant's own
	Agreement   string // standing authorisation it is debited under, or ""

	capturedMinor int64
	refundedMinor int64
	capturedAt    time.Time
	dispute       string // that withdrew money
	inquiry       string // that asked first, whatever came of it

	Attempt Attempt // the current one
}

// Attempt is one try to get the payer's authorisation of an amount.
type Attempt struct {
	ID           string
	state        State
	Method       string
	Amount       money.Amount
	Begun        time.Time
	Rail         string
	Reference    string // the rail's name for it
	Payer        string // the wallet's name for the payer, if it tells
	Reason       Reason
	AuthorizedAt time.Time // zero until authorised
	Deadline     time.Time // when a waiting state ends; zero in terminal states
	Claim        string    // operation at the rail that owns the attempt until its outcome is known
}

// New starts a payment with its first attempt, which must leave the waiting
// states before deadline.
func New(p Payment, attemptID, rail string, at, deadline time.Time) Payment {
	p.Version = 0
	p.begin(attemptID, rail, at, deadline)
	return p
}

func (p *Payment) begin(attemptID, rail string, at, deadline time.Time) {
	if p.Amount.Minor <= 0 {
		panic("payment: amount must be positive")
	}
	p.Attempt = Attempt{
		ID: attemptID, state: Started, Method: p.Method, Amount: p.Amount, Begun: at, Rail: rail, Deadline: deadline,
	}
}

// Retryable is proof that an attempt ended without any money having been
// captured, so that another may be made. Only Payment.Retryable makes one.
type Retryable struct{ p *Payment }

// Retryable returns the proof.
func (p *Payment) Retryable() (Retryable, bool) {
	switch p.State() {
	case Declined, Expired, Voided:
		return Retryable{p}, true
	}
	return Retryable{}, false
}

// Begin makes another attempt the current one. The payment's method, amount and
// secret have been set to those of the new attempt. A proof is good once: it
// panics if the payment has moved on since.
func (r Retryable) Begin(attemptID, rail string, at, deadline time.Time) {
	if _, ok := r.p.Retryable(); !ok {
		panic(fmt.Sprintf("payment %s: attempt %s begins on a stale proof (%s)", r.p.ID, attemptID, r.p.State()))
	}
	r.p.begin(attemptID, rail, at, deadline)
}

// State returns the attempt's state.
func (a *Attempt) State() State { return a.state }

// RestoreAttempt rebuilds an attempt the store has read.
func RestoreAttempt(a Attempt, state string) (Attempt, error) {
	st, ok := ParseState(state)
	if !ok {
		return Attempt{}, fmt.Errorf("attempt %s: unknown state %q", a.ID, state)
	}
	a.state = st
	return a, nil
}

// Stored is what the store keeps of the private fields.
type Stored struct {
	State         string
	CapturedMinor int64
	RefundedMinor int64
	CapturedAt    time.Time
	Dispute       string
	Inquiry       string
}

// Restore rebuilds a payment the store has read.
func Restore(p Payment, s Stored) (Payment, error) {
	a, err := RestoreAttempt(p.Attempt, s.State)
	if err != nil {
		return Payment{}, fmt.Errorf("payment %s: %w", p.ID, err)
	}
	p.Attempt = a
	p.capturedMinor, p.refundedMinor, p.capturedAt = s.CapturedMinor, s.RefundedMinor, s.CapturedAt
	p.dispute, p.inquiry = s.Dispute, s.Inquiry
	return p, nil
}

// Stored returns what the store must keep of the private fields.
func (p *Payment) Stored() Stored {
	return Stored{
		State: p.Attempt.state.String(), CapturedMinor: p.capturedMinor, RefundedMinor: p.refundedMinor, CapturedAt: p.capturedAt,
		Dispute: p.dispute, Inquiry: p.inquiry,
	}
}

// State returns the state of the current attempt.
func (p *Payment) State() State { return p.Attempt.state }

// CapturedAmount is what was captured.
func (p *Payment) CapturedAmount() money.Amount { return money.Of(p.capturedMinor, p.Amount.Currency) }

// RefundedAmount is the sum of refunds that have not failed.
func (p *Payment) RefundedAmount() money.Amount { return money.Of(p.refundedMinor, p.Amount.Currency) }

// HeldAmount is what is authorised and neither captured nor let go.
func (p *Payment) HeldAmount() money.Amount {
	if p.State() != Authorized {
		return money.Of(0, p.Amount.Currency)
	}
	return money.Of(p.Amount.Minor-p.capturedMinor, p.Amount.Currency)
}

// CapturedAt is when funds were last captured; zero if they were not.
func (p *Payment) CapturedAt() time.Time { return p.capturedAt }

// Overdue reports whether a waiting attempt's deadline has come.
func (p *Payment) Overdue(at time.Time) bool {
	return p.State().Waiting() && !at.Before(p.Attempt.Deadline)
}

// IllegalMove is returned when an event cannot happen in a state.
type IllegalMove struct {
	State State
	Event Event
}

// Error implements error.
func (e IllegalMove) Error() string {
	return fmt.Sprintf("an attempt that is %s cannot be %s", e.State, e.Event)
}

func (p *Payment) step(e Event) error {
	to, ok := Next(p.Attempt.state, e)
	if !ok {
		return IllegalMove{p.Attempt.state, e}
	}
	p.Attempt.state = to
	if !to.Waiting() {
		p.Attempt.Deadline = time.Time{}
	}
	return nil
}

// Redirect records that the rail wants the payer to act.
func (p *Payment) Redirect(reference string) error {
	if err := p.step(Redirected); err != nil {
		return err
	}
	p.Attempt.Reference = reference
	return nil
}

// Act records that nothing is left to the payer and the wallet's word is awaited.
func (p *Payment) Act() error { return p.step(Acted) }

// Evidence is a wallet's confirmation that it holds the funds.
type Evidence struct {
	At        time.Time
	Until     time.Time // when the authorisation lapses
	Reference string
	Payer     string
}

// Approve records the wallet's confirmation.
func (p *Payment) Approve(ev Evidence) error {
	if err := p.step(Approved); err != nil {
		return err
	}
	p.Attempt.AuthorizedAt, p.Attempt.Deadline = ev.At, ev.Until
	if ev.Reference != "" {
		p.Attempt.Reference = ev.Reference
	}
	p.Attempt.Payer = ev.Payer
	return nil
}

// end takes an attempt out of the waiting states without a capture, and reports
// whether funds were held and must go back. An authorisation of which a part was
// captured ends as captured: only its rest is let go.
func (p *Payment) end(e Event) (held bool, err error) {
	if held = p.State() == Authorized; held && p.capturedMinor > 0 {
		e = RestLetGo
	}
	if err := p.step(e); err != nil {
		return false, err
	}
	return held, nil
}

// Refuse records that payer, wallet or rail said no. It reports whether funds
// were held and must go back.
func (p *Payment) Refuse(why Reason) (held bool, err error) {
	if held, err = p.end(Refused); err != nil {
		return false, err
	}
	p.Attempt.Claim = ""
	if p.State() == Declined {
		p.Attempt.Reason = why
	}
	return held, nil
}

// Expire records that the deadline passed. It reports whether funds were held
// and must go back. An attempt whose capture is under way at the rail does not
// expire: its outcome decides.
func (p *Payment) Expire(at time.Time) (held bool, err error) {
	if !p.Overdue(at) || p.Attempt.Claim != "" {
		return false, IllegalMove{p.State(), TimedOut}
	}
	return p.end(TimedOut)
}

// Void gives an attempt up. It reports whether funds were held and must go back.
func (p *Payment) Void() (held bool, err error) {
	if p.Attempt.Claim != "" {
		return false, IllegalMove{p.State(), GivenUp}
	}
	return p.end(GivenUp)
}

// Capturable is proof that an attempt holds authorised funds which no other
// operation has claimed. Only Payment.Capturable makes one.
type Capturable struct{ p *Payment }

// Capturable returns the proof, if at is strictly before the deadline.
func (p *Payment) Capturable(at time.Time) (Capturable, bool) {
	if p.State() != Authorized || p.Attempt.Claim != "" || !at.Before(p.Attempt.Deadline) {
		return Capturable{}, false
	}
	return Capturable{p}, true
}

// Begin claims the attempt for the operation, so that no second one can start
// while the rail is asked. A proof is good for one operation: it panics if the
// attempt has moved on or been claimed since.
func (c Capturable) Begin(operation string) {
	if operation == "" || c.p.State() != Authorized || c.p.Attempt.Claim != "" {
		panic(fmt.Sprintf("payment %s: %q begins on a stale proof (%s, claimed by %q)", c.p.ID, operation, c.p.State(), c.p.Attempt.Claim))
	}
	c.p.Attempt.Claim = operation
}

// Capture records that the rail captured amount under the claim, and that
// nothing more will be captured.
func (p *Payment) Capture(operation string, amount money.Amount, at time.Time) error {
	if err := p.mayTake(operation, amount); err != nil {
		return err
	}
	if err := p.step(CaptureOK); err != nil {
		return err
	}
	p.take(amount, at)
	return nil
}

// CapturePart records that the rail captured a part under the claim. The rest
// stays authorised; there has to be one.
func (p *Payment) CapturePart(operation string, amount money.Amount, at time.Time) error {
	if err := p.mayTake(operation, amount); err != nil {
		return err
	}
	if amount == p.HeldAmount() {
		return fmt.Errorf("payment %s: %s is all that is held, and no part of it", p.ID, amount)
	}
	p.take(amount, at)
	return nil
}

func (p *Payment) mayTake(operation string, amount money.Amount) error {
	if p.Attempt.Claim != operation || operation == "" {
		return fmt.Errorf("payment %s: capture %q does not hold the claim (%q)", p.ID, operation, p.Attempt.Claim)
	}
	if held := p.HeldAmount(); amount.Currency != held.Currency || amount.Minor <= 0 || amount.Minor > held.Minor {
		return fmt.Errorf("payment %s: cannot capture %s of %s", p.ID, amount, held)
	}
	return nil
}

func (p *Payment) take(amount money.Amount, at time.Time) {
	p.Attempt.Claim = ""
	p.capturedMinor, p.capturedAt = p.capturedMinor+amount.Minor, at
}

// taken reports whether the state is one in which funds can have been captured:
// all that was wanted, or a part while the rest is held.
func (p *Payment) taken() bool { return p.State() == Captured || p.State() == Authorized }

// Refundable is proof that captured funds remain which may go back.
type Refundable struct {
	p      *Payment
	amount money.Amount
}

// Refundable returns the proof for an amount, if that much remains and the
// payer has not claimed the money back by a dispute.
func (p *Payment) Refundable(amount money.Amount) (Refundable, bool) {
	left := p.capturedMinor - p.refundedMinor
	if !p.taken() || p.dispute != "" || amount.Currency != p.Amount.Currency || amount.Minor <= 0 || amount.Minor > left {
		return Refundable{}, false
	}
	return Refundable{p, amount}, true
}

// Amount is what may go back.
func (r Refundable) Amount() money.Amount { return r.amount }

// RefundState is the state of a refund. The zero value is illegal.
type RefundState uint8

// The states of a refund.
const (
	RefundPending RefundState = iota + 1
	RefundSucceeded
	RefundFailed
)

var refundNames = map[RefundState]string{RefundPending: "pending", RefundSucceeded: "succeeded", RefundFailed: "failed"}

// String returns the stored name.
func (s RefundState) String() string { return refundNames[s] }

// Refund is captured money on its way back to the payer.
type Refund struct {
	ID      string
	Payment string
	Amount  money.Amount
	Created time.Time
	Reason  Reason // why it failed, or ""
	Script  string // simulator instructions for the first try, JSON or ""; not stored
	// Returned says, while it is told, that a refund failed that had succeeded; not
	// stored.
	Returned bool
	Version  int64
	state    RefundState
}

// State returns the refund's state.
func (r *Refund) State() RefundState { return r.state }

// RestoreRefund rebuilds a refund the store has read.
func RestoreRefund(r Refund, state string) (Refund, error) {
	for s, n := range refundNames {
		if n == state {
			r.state = s
			return r, nil
		}
	}
	return Refund{}, fmt.Errorf("refund %s: unknown state %q", r.ID, state)
}

// Refund starts a refund: from now on the amount no longer belongs to the
// merchant. It panics if the amount has ceased to be there since the proof was
// given, as when a proof is used twice.
func (r Refundable) Refund(id string, at time.Time) Refund {
	if _, ok := r.p.Refundable(r.amount); !ok {
		panic(fmt.Sprintf("payment %s: refund %s begins on a stale proof (%s, %d of %d refunded)", r.p.ID, id, r.p.State(), r.p.refundedMinor, r.p.capturedMinor))
	}
	r.p.refundedMinor += r.amount.Minor
	return Refund{ID: id, Payment: r.p.ID, Amount: r.amount, Created: at, state: RefundPending}
}

// Succeed records that the payer has the money.
func (r *Refund) Succeed() error {
	if r.state != RefundPending {
		return fmt.Errorf("refund %s is %s already", r.ID, r.state)
	}
	r.state = RefundSucceeded
	return nil
}

// Fail records that the payer could not be paid; the amount is the merchant's
// again.
func (r *Refund) Fail(p *Payment, why Reason) error {
	if r.state != RefundPending || p.ID != r.Payment {
		return fmt.Errorf("refund %s of %s is %s and cannot fail", r.ID, r.Payment, r.state)
	}
	r.state, r.Reason = RefundFailed, why
	p.refundedMinor -= r.Amount.Minor
	return nil
}

// Return records that money which had reached the payer came back; the amount is
// the merchant's again.
func (r *Refund) Return(p *Payment, why Reason) error {
	if r.state != RefundSucceeded || p.ID != r.Payment {
		return fmt.Errorf("refund %s of %s is %s and cannot come back", r.ID, r.Payment, r.state)
	}
	r.state, r.Reason = RefundFailed, why
	p.refundedMinor -= r.Amount.Minor
	r.Returned = true
	return nil
}
