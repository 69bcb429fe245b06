package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
)

// Jobs about disputes.
const (
	JobDispute     = "dispute"      // a dispute's deadline, or the end of an inquiry
	JobDisputeOpen = "dispute_open" // a dispute the simulator was told to raise
)

// DisputeRefunded is why refunds that were under way fail when the payer
// disputes the payment instead.
const DisputeRefunded payment.Reason = "payment_disputed"

type disputePayload struct {
	Dispute string `json:"dispute"`
	Payment string `json:"payment"`
	Reason  string `json:"reason,omitempty"`
	Inquiry bool   `json:"inquiry,omitempty"` // it begins as one
}

// OpenDispute withdraws what a payer claims back. Amount zero means all that
// was captured and not refunded; refunds under way fail first, so that the money
// cannot go back twice.
func (t *Tx) OpenDispute(p *payment.Payment, amount int64, reason string) (*payment.Dispute, error) {
	if err := t.disputed(p); err != nil {
		return nil, err
	}
	if err := t.failPendingRefunds(p); err != nil {
		return nil, err
	}
	proof, err := disputable(p, amount)
	if err != nil {
		return nil, err
	}
	d := proof.Open(t.NewID("dsp_"), reason, t.disputeFee(p), t.At, t.answerBy(p))
	if err := t.save(p); err != nil {
		return nil, err
	}
	if err := t.InsertDispute(d); err != nil {
		return nil, err
	}
	d.Version = 1
	return &d, t.withdraw(p, &d, event.DisputeOpened)
}

// OpenInquiry records that whoever decides disputes asks about a payment before
// it becomes one. Nothing is withdrawn and refunds go on; an inquiry that does
// not become a dispute in time is closed.
func (t *Tx) OpenInquiry(p *payment.Payment, amount int64, reason string) (*payment.Dispute, error) {
	if !Rules(*p).Inquiries {
		return nil, fault.New(fault.Conflict, "no_inquiries", "Payments with this method are disputed without an inquiry before.")
	}
	if err := t.disputed(p); err != nil {
		return nil, err
	}
	proof, err := disputable(p, amount)
	if err != nil {
		return nil, err
	}
	d := proof.Inquire(t.NewID("dsp_"), reason, t.At, t.answerBy(p))
	if err := t.save(p); err != nil {
		return nil, err
	}
	if err := t.InsertDispute(d); err != nil {
		return nil, err
	}
	d.Version = 1
	if err := t.Job(inquiryJob(d.ID), JobDispute, t.At.Add(method.InquiryFor), disputePayload{Dispute: d.ID, Payment: p.ID}); err != nil {
		return nil, err
	}
	return &d, t.state(event.Fact{Kind: event.InquiryOpened, Amount: d.Amount, Due: d.Deadline, Reason: reason}, p, nil)
}

// EscalateInquiry makes an inquiry a dispute: what it was about, as far as it was
// not refunded since, is withdrawn, and the merchant may answer anew.
func (t *Tx) EscalateInquiry(p *payment.Payment, d *payment.Dispute) error {
	if d.State() != payment.InquiryOpen && d.State() != payment.InquiryAnswered {
		return fault.New(fault.Conflict, "no_inquiry", "Only an inquiry that is not closed can become a dispute.")
	}
	if err := t.failPendingRefunds(p); err != nil {
		return err
	}
	left := p.CapturedAmount().Sub(p.RefundedAmount())
	claimed := money.Of(min(d.Amount.Minor, left.Minor), d.Amount.Currency)
	if err := d.Escalate(p, claimed, t.disputeFee(p), t.answerBy(p)); err != nil {
		return fault.New(fault.Conflict, "not_disputable", "Nothing is left of the payment that could be claimed.").Because(err)
	}
	if err := t.save(p); err != nil {
		return err
	}
	if err := t.saveDispute(d); err != nil {
		return err
	}
	if err := t.DeleteJob(inquiryJob(d.ID)); err != nil {
		return err
	}
	return t.withdraw(p, d, event.DisputeEscalated)
}

// CloseInquiry ends an inquiry: the money stays where it is.
func (t *Tx) CloseInquiry(p *payment.Payment, d *payment.Dispute) error {
	if err := d.Drop(); err != nil {
		return fault.New(fault.Conflict, "dispute_closed", "This is not an inquiry, or it is closed already.").Because(err)
	}
	if err := t.saveDispute(d); err != nil {
		return err
	}
	if err := t.DeleteJob(inquiryJob(d.ID)); err != nil {
		return err
	}
	return t.state(event.Fact{Kind: event.InquiryClosed, Amount: d.Amount}, p, nil)
}

// inquiryRefunded closes a payment's inquiry when everything has been refunded:
// nothing is left to claim.
func (t *Tx) inquiryRefunded(p *payment.Payment) error {
	if p.Disputed() == "" || p.Dispute() != "" || p.RefundedAmount() != p.CapturedAmount() {
		return nil
	}
	rs, err := t.Refunds(p.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(rs, func(r payment.Refund) bool { return r.State() == payment.RefundPending }) {
		return nil // it may fail
	}
	d, err := t.Dispute(p.Disputed())
	if err != nil || d.State().Over() {
		return err
	}
	return t.CloseInquiry(p, &d)
}

// disputed refuses payments that cannot be disputed, or not any more.
func (t *Tx) disputed(p *payment.Payment) error {
	rules := Rules(*p)
	if rules.Undisputed {
		return fault.New(fault.Conflict, "not_disputable", "Payers cannot dispute payments with this method.")
	}
	if p.State() != payment.Captured || p.Disputed() != "" {
		return fault.New(fault.Conflict, "not_disputable", "Only a successful payment that was not disputed before can be disputed.")
	}
	if rules.DisputedFor > 0 && t.At.Truncate(time.Second).After(p.CapturedAt().Truncate(time.Second).Add(rules.DisputedFor)) {
		return fault.Newf(fault.Conflict, "not_disputable", "Payers can dispute payments with this method for %d days.", int(rules.DisputedFor/(24*time.Hour)))
	}
	return nil
}

// disputable returns the proof; amount zero means all that is left.
func disputable(p *payment.Payment, amount int64) (payment.Disputable, error) {
	if amount == 0 {
		amount = p.CapturedAmount().Sub(p.RefundedAmount()).Minor
	}
	proof, ok := p.Disputable(money.Of(amount, p.Amount.Currency))
	if !ok {
		return proof, fault.New(fault.Conflict, "not_disputable", "The amount is more than what was captured and not refunded.")
	}
	return proof, nil
}

func (t *Tx) failPendingRefunds(p *payment.Payment) error {
	rs, err := t.Refunds(p.ID)
	if err != nil {
		return err
	}
	for i := range rs {
		if err := t.refundFailed(p, &rs[i], DisputeRefunded); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) disputeFee(p *payment.Payment) money.Amount {
	return money.Of(t.Who.Profile.DisputeFeeMinor, p.Amount.Currency)
}

// answerBy is until when the merchant may answer what is opened now: the end of
// the day (UTC) that many days later.
func (t *Tx) answerBy(p *payment.Payment) time.Time {
	days := cmp.Or(Rules(*p).DisputeDays, method.DisputeDaysDefault)
	return t.At.UTC().Truncate(24*time.Hour).AddDate(0, 0, days+1).Add(-time.Second)
}

// withdraw takes a dispute's amount and fee from the merchant and plans its
// deadline.
func (t *Tx) withdraw(p *payment.Payment, d *payment.Dispute, kind event.Kind) error {
	ts := []ledger.Transfer{{ID: "dispute:" + d.ID, At: t.At, Debit: ledger.Available, Credit: ledger.Disputed, Amount: d.Amount, Payment: p.ID}}
	if d.Fee.Minor > 0 {
		ts = append(ts, ledger.Transfer{ID: "dispute_fee:" + d.ID, At: t.At, Debit: ledger.Available, Credit: ledger.Fees, Amount: d.Fee, Payment: p.ID})
	}
	if err := t.Post(ts...); err != nil {
		return err
	}
	if err := t.Job("dispute:"+d.ID, JobDispute, d.Deadline, disputePayload{Dispute: d.ID, Payment: p.ID}); err != nil {
		return err
	}
	return t.state(event.Fact{Kind: kind, Amount: d.Amount, Fee: d.Fee, Due: d.Deadline, Reason: d.Reason}, p, nil)
}

// inquiryJob is the id of the job that closes an inquiry.
func inquiryJob(disputeID string) string { return "inquiry:" + disputeID }

// AnswerDispute records that the merchant answered; the deadline no longer
// matters. An inquiry goes on being closed in time.
func (t *Tx) AnswerDispute(p *payment.Payment, d *payment.Dispute) error {
	if err := d.Answer(t.At); err != nil {
		return fault.New(fault.Conflict, "dispute_closed", "This dispute can no longer be answered.").Because(err)
	}
	if err := t.saveDispute(d); err != nil {
		return err
	}
	if err := t.DeleteJob("dispute:" + d.ID); err != nil {
		return err
	}
	return t.state(event.Fact{Kind: event.DisputeAnswered, Amount: d.Amount}, p, nil)
}

// CloseDispute books the decision: won, the amount and, unless the account says
// otherwise, the fee are the merchant's again; lost, the amount is the payer's.
func (t *Tx) CloseDispute(p *payment.Payment, d *payment.Dispute, won bool) error {
	if err := d.Close(won); err != nil {
		return fault.New(fault.Conflict, "dispute_closed", "This dispute is already closed.").Because(err)
	}
	if err := t.saveDispute(d); err != nil {
		return err
	}
	if err := t.DeleteJob("dispute:" + d.ID); err != nil {
		return err
	}
	to, kind := ledger.Receivable(p.Attempt.Rail), event.DisputeLost
	if won {
		to, kind = ledger.Available, event.DisputeWon
	}
	ts := []ledger.Transfer{{ID: "dispute_closed:" + d.ID, At: t.At, Debit: ledger.Disputed, Credit: to, Amount: d.Amount, Payment: p.ID}}
	fee := money.Of(0, d.Amount.Currency) // given back
	if won && !t.Who.Profile.DisputeFeeKept {
		fee = d.Fee
	}
	if fee.Minor > 0 {
		ts = append(ts, ledger.Transfer{ID: "dispute_fee_back:" + d.ID, At: t.At, Debit: ledger.Fees, Credit: ledger.Available, Amount: fee, Payment: p.ID})
	}
	if err := t.Post(ts...); err != nil {
		return err
	}
	return t.state(event.Fact{Kind: kind, Amount: d.Amount, Fee: fee}, p, nil)
}

func (t *Tx) saveDispute(d *payment.Dispute) error {
	if err := t.UpdateDispute(*d); err != nil {
		return err
	}
	d.Version++
	return nil
}

// planDispute lets the simulator raise a dispute about a payment, if it was
// told to.
func (t *Tx) planDispute(p *payment.Payment) error {
	rules, err := t.script(p, "dispute")
	if err != nil {
		return err
	}
	rule, ok := rail.Find(rules, "dispute")
	if !ok || rule.Do == inquire && !Rules(*p).Inquiries {
		return nil
	}
	after := max(time.Duration(rule.DelaySeconds)*time.Second, time.Second)
	return t.Job("dispute_open:"+p.ID, JobDisputeOpen, t.At.Add(after), disputePayload{Payment: p.ID, Reason: rule.Reason, Inquiry: rule.Do == inquire})
}

// inquire is the simulator's instruction to begin a dispute by an inquiry.
const inquire = "inquire"

func (e *Engine) runDispute(ctx context.Context, j jobRef) error {
	var pl disputePayload
	return e.inJob(ctx, j, &pl, func(t *Tx) error {
		p, err := t.LoadPayment(pl.Payment)
		if err != nil {
			return err
		}
		if j.Kind == JobDisputeOpen {
			if Rules(*p).Undisputed || p.State() != payment.Captured || p.Disputed() != "" || p.RefundedAmount() == p.CapturedAmount() {
				return nil // nothing is left to dispute
			}
			open := t.OpenDispute
			if pl.Inquiry {
				open = t.OpenInquiry
			}
			_, err := open(p, 0, pl.Reason)
			return err
		}
		d, err := t.Dispute(pl.Dispute)
		if err != nil {
			return fmt.Errorf("dispute %s: %w", pl.Dispute, err)
		}
		switch {
		case d.State().Inquiry() && !d.State().Over():
			return t.CloseInquiry(p, &d)
		case d.State() == payment.DisputeOpen:
			return t.CloseDispute(p, &d, false)
		}
		return nil
	})
}
