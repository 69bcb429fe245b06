// Package rail is the port to whoever holds the payer's money: an acquirer, a
// wallet, or the simulator. It says what a rail can be asked and what it may
// tell us.
package rail

import (
	"context"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// Request asks a rail to do something for one attempt. ID is the idempotency
// key towards the rail: asking again with the same ID is asking once.
type Request struct {
	ID         string
	Payment    string
	Attempt    string
	Merchant   string // account as the rail knows it
	Descriptor string // what the payer should read on their statement
	Method     string
	Amount     money.Amount
	Agreement  string // the payer's standing authorisation, if there is one: nothing is left to the payer
	Payer      string // the rail's name for the payer of that authorisation, if it has told
	Reference  string // the rail's name of the attempt, if it has given one
	More       bool   // captures only: others may follow, so the rest stays held
	Until      time.Time
	Takes      time.Duration // simulator only: how long the wallet takes to confirm, or to decide a refund, unless instructed otherwise
	At         time.Time     // the merchant's time
	Script     []Rule        // instructions for a simulator; live rails ignore them
}

// Status is a rail's answer.
type Status uint8

// The answers.
const (
	Done     Status = iota + 1 // it happened
	Refused                    // it did not and will not; Reason says why
	Waiting                    // a Notice will tell
	Redirect                   // the payer has to act first
)

// Outcome is what a rail says about a request.
type Outcome struct {
	Status    Status
	Reason    string
	Reference string
	Payer     string
	After     time.Duration // Waiting, simulator only: its notice comes this much later
	Final     Status        // simulator only: what the notice will say; after Done, Refused: it comes back
	Action    bool          // Waiting, refunds: the payer has to say first where the money goes
}

// Rail is an acquirer or wallet. Errors mean that the outcome is unknown and
// the same request may be asked again; a refusal is an Outcome, not an error.
// Unavailable is returned by Authorize when the payer cannot use it at present.
type Rail interface {
	Name() string
	// Local reports that the rail decides in-process, without I/O, so that it
	// may be asked while a transaction is open.
	Local() bool
	Authorize(ctx context.Context, r Request) (Outcome, error)
	Capture(ctx context.Context, r Request) (Outcome, error)
	Void(ctx context.Context, r Request) (Outcome, error)
	Refund(ctx context.Context, r Request) (Outcome, error)
}

// Decision is what a payer decided on a simulated page.
type Decision string

// The decisions.
const (
	Approve Decision = "approve"
	Decline Decision = "decline"
	Abort   Decision = "abort"
)

// Planned is a notice that will come After some time.
type Planned struct {
	After  time.Duration
	Notice Notice
}

// Simulated is a rail whose payers decide on our own page.
type Simulated interface {
	Rail
	// Decide returns the notices that follow from the payer's decision.
	Decide(r Request, d Decision) []Planned
}

// NoticeKind says what a notice is about.
type NoticeKind string

// What a rail may tell us.
const (
	PaymentApproved NoticeKind = "payment_approved"
	PaymentRefused  NoticeKind = "payment_refused"
	RefundDone      NoticeKind = "refund_done"
	RefundRefused   NoticeKind = "refund_refused"
	RefundReturned  NoticeKind = "refund_returned" // it had succeeded; the payer's account sent it back
)

// Notice is something a rail tells us on its own. ID is the same when it tells
// the same thing again.
type Notice struct {
	ID        string     `json:"id"`
	Kind      NoticeKind `json:"kind"`
	Payment   string     `json:"payment"`
	Attempt   string     `json:"attempt,omitempty"` // of the payment; "" for the current one
	Refund    string     `json:"refund,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Reference string     `json:"reference,omitempty"`
	Payer     string     `json:"payer,omitempty"`
}

// Rule is an instruction to a simulator, scoped to an object or to a key.
type Rule struct {
	On           string `json:"on"`                      // authorize, approve, capture, void, refund
	Do           string `json:"do"`                      // approve, decline, redirect, unavailable, error, delay, duplicate, late, pending
	Reason       string `json:"reason,omitempty"`        // for decline
	DelaySeconds int64  `json:"delay_seconds,omitempty"` // for delay, duplicate, late; decline on approve
	Times        int    `json:"times,omitempty"`         // how often it applies; 0 = always
}

// Find returns the first rule for a step.
func Find(rules []Rule, on string) (Rule, bool) {
	for _, r := range rules {
		if r.On == on {
			return r, true
		}
	}
	return Rule{}, false
}
