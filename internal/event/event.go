// Package event holds the facts the core states about itself. A fact is
// recorded in the transaction that makes it true and never changed. Front ends
// turn facts into the messages of their protocol.
package event

import (
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// Kind names what happened.
type Kind string

// The facts.
const (
	ActionNeeded      Kind = "action_needed"    // the payer has to act; only of rails over a network (engine.Tx.Announces)
	Pending           Kind = "pending"          // the payer acted; the wallet's word takes longer than usual
	Authorized        Kind = "authorized"       // the wallet holds the payer's funds
	Declined          Kind = "declined"         // refused before any funds were held
	Expired           Kind = "expired"          // not authorised, or not captured, in time
	Captured          Kind = "captured"         // funds are the merchant's
	CaptureDeclined   Kind = "capture_declined" // refused at capture; held funds go back
	Voided            Kind = "voided"           // authorisation let go
	RestLetGo         Kind = "rest_let_go"      // of an authorisation captured in part: Fact.Amount goes back; Reason: the fact it would have been without a capture
	RefundCreated     Kind = "refund_created"
	RefundNeedsAction Kind = "refund_needs_action" // the payer has to say where it goes; Fact.Due: until when
	RefundSucceeded   Kind = "refund_succeeded"
	RefundFailed      Kind = "refund_failed"
	InquiryOpened     Kind = "inquiry_opened"    // no money moved; Fact.Due: until when it can be answered
	InquiryClosed     Kind = "inquiry_closed"    // it did not become a dispute
	DisputeOpened     Kind = "dispute_opened"    // Fact.Due: until when it can be answered
	DisputeEscalated  Kind = "dispute_escalated" // an inquiry became a dispute; otherwise as DisputeOpened
	DisputeAnswered   Kind = "dispute_answered"  // or the inquiry was
	DisputeWon        Kind = "dispute_won"
	DisputeLost       Kind = "dispute_lost"
	PayoutCreated     Kind = "payout_created" // Fact.Due: when it arrives
	PayoutSent        Kind = "payout_sent"
	PayoutPaid        Kind = "payout_paid"
	PayoutFailed      Kind = "payout_failed" // the money is available again
	PayoutCanceled    Kind = "payout_canceled"
	PayoutReversed    Kind = "payout_reversed" // the bank is asked to give the money back, by a payout of its own
	FundsAvailable    Kind = "funds_available" // pending proceeds of a day became available

	AgreementConsented Kind = "agreement_consented" // the payer agreed; the merchant has to collect the tokens
	AgreementActivated Kind = "agreement_activated" // the payer can be debited
	AgreementRenewed   Kind = "agreement_renewed"   // tokens were replaced
	AgreementDeclined  Kind = "agreement_declined"
	AgreementExpired   Kind = "agreement_expired"
	AgreementRevoked   Kind = "agreement_revoked" // Fact.Reason: by whom
)

// Fact is one thing that happened.
type Fact struct {
	ID      string
	Kind    Kind
	At      time.Time // the merchant's time
	Payment string
	Refund  string // or the payout or agreement concerned
	Amount  money.Amount
	Fee     money.Amount // Captured: what processing costs
	Due     time.Time    // Captured: when the proceeds become available
	Reason  string
}
