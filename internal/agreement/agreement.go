// Package agreement is the state machine of a standing authorisation: a payer
// agrees once that a merchant may debit them, and the merchant debits many
// times. It covers authorisations with a code and tokens (the payer agrees, the
// merchant exchanges a code for tokens and renews them) and those without (a
// mandate, which is active as soon as the payer agrees). It is pure: no clock,
// no store, no rail. State fields are private, moves are methods, and a debit
// demands a proof that only an active agreement hands out.
package agreement

import (
	"fmt"
	"time"
)

// State is the state of an agreement. The zero value is illegal.
type State uint8

// The states. Declined, Expired and Revoked have no exits.
const (
	Requested State = iota + 1 // the payer has not decided
	Agreed                     // the payer agreed; the merchant has to collect the tokens
	Active                     // the payer can be debited
	Declined                   // the payer said no
	Expired                    // nobody acted in time, or the last token ended
	Revoked                    // withdrawn by payer, wallet or merchant, or replaced
)

// States lists all states.
var States = []State{Requested, Agreed, Active, Declined, Expired, Revoked}

var stateNames = map[State]string{
	Requested: "requested", Agreed: "agreed", Active: "active", Declined: "declined", Expired: "expired", Revoked: "revoked",
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

// Live reports whether something can still happen.
func (s State) Live() bool { return s == Requested || s == Agreed || s == Active }

// Event is what can happen to an agreement.
type Event uint8

// The events.
const (
	Consented Event = iota + 1 // the payer agreed
	Activated                  // the merchant holds what it needs to debit
	Renewed                    // tokens were replaced by new ones
	Refused                    // the payer said no
	TimedOut                   // the deadline passed
	Withdrawn                  // payer, wallet or merchant ended it
)

// Events lists all events.
var Events = []Event{Consented, Activated, Renewed, Refused, TimedOut, Withdrawn}

var eventNames = map[Event]string{
	Consented: "consented", Activated: "activated", Renewed: "renewed", Refused: "refused", TimedOut: "timed_out", Withdrawn: "withdrawn",
}

// String names the event.
func (e Event) String() string { return eventNames[e] }

// Next is the whole machine.
func Next(s State, e Event) (State, bool) {
	switch s {
	case Requested:
		switch e {
		case Consented:
			return Agreed, true
		case Activated:
			return Active, true
		case Refused:
			return Declined, true
		case TimedOut:
			return Expired, true
		case Withdrawn:
			return Revoked, true
		}
	case Agreed:
		switch e {
		case Activated:
			return Active, true
		case TimedOut:
			return Expired, true
		case Withdrawn:
			return Revoked, true
		}
	case Active:
		switch e {
		case Renewed:
			return Active, true
		case TimedOut:
			return Expired, true
		case Withdrawn:
			return Revoked, true
		}
	case Declined, Expired, Revoked:
	}
	return 0, false
}

// By says who ended an agreement.
type By string

// Who can end one.
const (
	ByMerchant By = "merchant"
	ByPayer    By = "payer" // in the wallet, or at the bank
	Replaced   By = "replaced"
)

// Agreement is a payer's standing authorisation to be debited by a merchant
// with one method.
type Agreement struct {
	ID       string
	Front    string // the front end that owns it
	Owner    string // id of the row of that front end which began it
	Kind     string // kind of that row
	Product  string
	Method   string
	Payer    string // the wallet's name for the payer, "" until it tells
	Created  time.Time
	Since    time.Time // when it became active; zero before
	Deadline time.Time // when a live state ends; zero if an active one has no end
	Secret   string    // proves that a visitor of the hosted page was sent there
	EndedBy  By        // who withdrew it, or ""
	Version  int64

	state      State
	generation int64 // how many pairs of tokens were given out
}

// New begins an agreement the payer has to decide about before deadline.
func New(a Agreement, deadline time.Time) Agreement {
	if deadline.IsZero() {
		panic("agreement: a request needs a deadline")
	}
	a.Version, a.state, a.generation, a.Deadline = 0, Requested, 0, deadline
	return a
}

// Stored is what the store keeps of the private fields.
type Stored struct {
	State      string
	Generation int64
}

// Restore rebuilds an agreement the store has read.
func Restore(a Agreement, s Stored) (Agreement, error) {
	st, ok := ParseState(s.State)
	if !ok {
		return Agreement{}, fmt.Errorf("agreement %s: unknown state %q", a.ID, s.State)
	}
	a.state, a.generation = st, s.Generation
	return a, nil
}

// Stored returns what the store must keep of the private fields.
func (a *Agreement) Stored() Stored {
	return Stored{State: a.state.String(), Generation: a.generation}
}

// State returns the agreement's state.
func (a *Agreement) State() State { return a.state }

// Generation counts the pairs of tokens that were given out; zero if the
// agreement has none.
func (a *Agreement) Generation() int64 { return a.generation }

// Overdue reports whether a live agreement's deadline has come.
func (a *Agreement) Overdue(at time.Time) bool {
	return a.state.Live() && !a.Deadline.IsZero() && !at.Before(a.Deadline)
}

// IllegalMove is returned when an event cannot happen in a state.
type IllegalMove struct {
	State State
	Event Event
}

// Error implements error.
func (e IllegalMove) Error() string {
	return fmt.Sprintf("an agreement that is %s cannot be %s", e.State, e.Event)
}

func (a *Agreement) step(e Event) error {
	to, ok := Next(a.state, e)
	if !ok {
		return IllegalMove{a.state, e}
	}
	a.state = to
	if !to.Live() {
		a.Deadline = time.Time{}
	}
	return nil
}

// Consent is a payer's word that they agree.
type Consent struct {
	At    time.Time
	Payer string    // the wallet's name for the payer
	Until time.Time // until when the merchant must have collected the tokens
}

// Agree records the payer's consent; the merchant has until Consent.Until.
func (a *Agreement) Agree(c Consent) error {
	if !c.At.Before(c.Until) {
		return fmt.Errorf("agreement %s: consent at %s lasts until %s", a.ID, c.At, c.Until)
	}
	if err := a.step(Consented); err != nil {
		return err
	}
	a.Payer, a.Deadline = c.Payer, c.Until
	return nil
}

// Activate makes the agreement debitable without tokens, until a time or, if it
// is zero, until it is withdrawn.
func (a *Agreement) Activate(payer string, at, until time.Time) error {
	if err := a.step(Activated); err != nil {
		return err
	}
	if payer != "" {
		a.Payer = payer
	}
	a.Since, a.Deadline = at, until
	return nil
}

// Issue gives out the first tokens for a code: the agreement is active until
// the last of them ends.
func (a *Agreement) Issue(g Grant) error {
	until, err := g.check(a.ID)
	if err != nil {
		return err
	}
	if a.state != Agreed {
		return IllegalMove{a.state, Activated}
	}
	if err := a.step(Activated); err != nil {
		return err
	}
	a.Since, a.Deadline = g.At, until
	a.generation++
	return nil
}

// Renew replaces the tokens by new ones.
func (a *Agreement) Renew(g Grant) error {
	until, err := g.check(a.ID)
	if err != nil {
		return err
	}
	if a.generation == 0 {
		return fmt.Errorf("agreement %s has no tokens to renew", a.ID)
	}
	if err := a.step(Renewed); err != nil {
		return err
	}
	a.Deadline = until
	a.generation++
	return nil
}

// Refuse records that the payer said no.
func (a *Agreement) Refuse() error { return a.step(Refused) }

// Expire records that the deadline passed.
func (a *Agreement) Expire(at time.Time) error {
	if !a.Overdue(at) {
		return IllegalMove{a.state, TimedOut}
	}
	return a.step(TimedOut)
}

// Revoke ends the agreement. Debits that were begun are not touched.
func (a *Agreement) Revoke(by By) error {
	if err := a.step(Withdrawn); err != nil {
		return err
	}
	a.EndedBy = by
	return nil
}

// Debitable is proof that a payer has agreed to be debited and still does. Only
// an active agreement hands one out.
type Debitable struct{ a *Agreement }

// Agreement returns the agreement the proof is about.
func (d Debitable) Agreement() *Agreement { return d.a }

// Debitable returns the proof for an agreement without tokens, at a time
// strictly before its end. One that has tokens is debited by showing one
// (DebitableBy).
func (a *Agreement) Debitable(at time.Time) (Debitable, bool) {
	if a.generation != 0 || !a.debitable(at) {
		return Debitable{}, false
	}
	return Debitable{a}, true
}

// DebitableBy returns the proof for whoever shows an access token of the
// agreement that is good at a time.
func (a *Agreement) DebitableBy(t Token, at time.Time) (Debitable, bool) {
	if t.Kind != Access || t.Agreement != a.ID || !t.Good(at) || !a.debitable(at) {
		return Debitable{}, false
	}
	return Debitable{a}, true
}

func (a *Agreement) debitable(at time.Time) bool { return a.state == Active && !a.Overdue(at) }
