// Package hosted serves the pages a payer sees under /pay/: one form per
// payment, where a sandbox payer authorizes, fails or cancels it, and the few
// pages around that form (expired, authorized, leaving, problem).
//
// It promises that the form works without scripts and without cookies, that
// every text it shows is escaped, that a payer is only ever sent to the return
// URL the desk names and never to a URL that could run script, and that no page
// is cached, framed, indexed or named to the merchant's site by a Referer.
//
// It leaves to its Desk everything about payments: which token means which
// payment, what a decision does, how an amount is written, and which account's
// clock decides that a link has expired. The token in the path is the payer's
// only credential, so it is never logged here.
package hosted

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// State says what can still be done with a payment's page.
type State uint8

const (
	Open    State = iota + 1 // the payer can decide
	Done                     // already decided: the payer is sent on
	Expired                  // too late: the payer is told so
)

// Page is what the page of one payment shows. All its texts are untrusted data.
type Page struct {
	State      State
	Livemode   bool
	MethodName string     // "Alipay"
	MethodKey  string     // "alipay": picks the mark and the colour
	Merchant   string     // who is paid
	AmountText string     // formatted by the caller: "$10.99", "¥1,099"
	Currency   string     // "USD"
	ExpiresAt  time.Time  // UTC; the zero time shows no expiry
	Now        time.Time  // the account's time; the zero time means the machine's
	ReturnURL  string     // complete URL the payer is sent to, possibly of an app scheme; empty when there is none
	Details    []Detail   // rows of the API request, in the order shown
	Scenarios  []Scenario // outcomes the payer can select; may be empty
	Challenge  bool       // the card's bank asks who is there: a small page that the merchant's may frame
}

// Detail is one row of the API request. Labels are English; known ones are
// translated for the payer.
type Detail struct{ Label, Value string }

// Scenario is an outcome the payer can select beside the decision itself.
type Scenario struct{ Key, Label string }

// Decision is what the payer chose. Its text is the value the form posts.
type Decision string

// The decisions a payer can take.
const (
	Authorize         Decision = "authorize"           // pay, and return
	Decline           Decision = "decline"             // the wallet refuses, and the payer returns
	Cancel            Decision = "cancel"              // the payer gives up, and returns
	AuthorizeNoReturn Decision = "authorize_no_return" // pay, and stop at the wallet's own success page
)

// decisions lists every Decision in the order the page offers them.
var decisions = []Decision{Authorize, Decline, Cancel, AuthorizeNoReturn}

// Request is a decision as the form posts it, not yet judged.
type Request struct {
	Token    string
	Decision Decision
	Scenario string // empty for the ordinary outcome
}

// Desk answers for payments; whoever runs them implements it.
type Desk interface {
	// Open returns the page of the payment that token names, or ErrNotFound.
	Open(ctx context.Context, token string) (Page, error)
	// Decide applies the payer's decision and returns the page after it. It is
	// asked only about pages that were open a moment ago; when another decision
	// or the deadline came first it changes nothing and returns ErrTooLate.
	Decide(ctx context.Context, token string, d Decision, scenario string) (Page, error)
}

var (
	// ErrNotFound says that a token names no payment. The payer gets a 404 page
	// without details.
	ErrNotFound = errors.New("hosted: no such payment")
	// ErrTooLate says that a decision came after the payment was settled. The
	// Page returned with it is ignored; the payer is sent on like anyone who
	// opens a decided page.
	ErrTooLate = errors.New("hosted: payment already decided")
)

// Options are what New needs besides a Desk. The zero value works.
type Options struct {
	Log *slog.Logger     // receives the causes of internal errors; nil means slog.Default
	Now func() time.Time // says how long a link stays valid; nil means the machine's clock
}
