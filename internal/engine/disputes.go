package engine

import (
	"cmp"
	"context"
	"fmt"
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
	JobDispute     = "dispute"      // a dispute's deadline
	JobDisputeOpen = "dispute_open" // a dispute the simulator was told to raise
)

// DisputeRefunded is why refunds that were under way fail when the payer
// disputes the payment instead.
const DisputeRefunded payment.Reason = "payment_disputed"

type disputePayload struct {
	Dispute string `json:"dispute"`
	Payment string `json:"payment"`
	Reason  string `json:"reason,omitempty"`
}

// OpenDispute withdraws what a payer claims back. Amount zero means all that
// was captured and not refunded; refunds under way fail first, so that the money
// cannot go back twice.
func (t *Tx) OpenDispute(p *payment.Payment, amount int64, reason string) (*payment.Dispute, error) {
	rs, err := t.Refunds(p.ID)
	if err != nil {
		return nil, err
	}
	if Rules(*p).Undisputed {
		return nil, fault.New(fault.Conflict, "not_disputable", "Payers cannot dispute payments with this method.")
	}
	if p.State() != payment.Captured || p.Dispute() != "" {
		return nil, fault.New(fault.Conflict, "not_disputable", "Only a successful payment that was not disputed before can be disputed.")
	}
	for i := range rs {
		if rs[i].State() == payment.RefundPending {
			if err := t.refundFailed(p, &rs[i], DisputeRefunded); err != nil {
				return nil, err
			}
		}
	}
	if amount == 0 {
		amount = p.CapturedAmount().Sub(p.RefundedAmount()).Minor
	}
	proof, ok := p.Disputable(money.Of(amount, p.Amount.Currency))
	if !ok {
		return nil, fault.New(fault.Conflict, "not_disputable", "The amount is more than what was captured and not refunded.")
	}
	// Until the end of the day (UTC) that many days after it was opened.
	days := cmp.Or(Rules(*p).DisputeDays, method.DisputeDaysDefault)
	deadline := t.At.UTC().Truncate(24*time.Hour).AddDate(0, 0, days+1).Add(-time.Second)
	fee := money.Of(t.Who.Profile.DisputeFeeMinor, p.Amount.Currency)
	d := proof.Open(t.NewID("dsp_"), reason, fee, t.At, deadline)
	if err := t.save(p); err != nil {
		return nil, err
	}
	if err := t.InsertDispute(d); err != nil {
		return nil, err
	}
	d.Version = 1
	ts := []ledger.Transfer{{ID: "dispute:" + d.ID, At: t.At, Debit: ledger.Available, Credit: ledger.Disputed, Amount: d.Amount, Payment: p.ID}}
	if fee.Minor > 0 {
		ts = append(ts, ledger.Transfer{ID: "dispute_fee:" + d.ID, At: t.At, Debit: ledger.Available, Credit: ledger.Fees, Amount: fee, Payment: p.ID})
	}
	if err := t.Post(ts...); err != nil {
		return nil, err
	}
	if err := t.Job("dispute:"+d.ID, JobDispute, deadline, disputePayload{Dispute: d.ID, Payment: p.ID}); err != nil {
		return nil, err
	}
	return &d, t.state(event.Fact{Kind: event.DisputeOpened, Amount: d.Amount, Fee: fee, Due: deadline, Reason: reason}, p, nil)
}

// AnswerDispute records that the merchant answered; the deadline no longer
// matters.
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
	if !ok {
		return nil
	}
	after := max(time.Duration(rule.DelaySeconds)*time.Second, time.Second)
	return t.Job("dispute_open:"+p.ID, JobDisputeOpen, t.At.Add(after), disputePayload{Payment: p.ID, Reason: rule.Reason})
}

func (e *Engine) runDispute(ctx context.Context, j jobRef) error {
	var pl disputePayload
	return e.inJob(ctx, j, &pl, func(t *Tx) error {
		p, err := t.LoadPayment(pl.Payment)
		if err != nil {
			return err
		}
		if j.Kind == JobDisputeOpen {
			if Rules(*p).Undisputed || p.State() != payment.Captured || p.Dispute() != "" || p.RefundedAmount() == p.CapturedAmount() {
				return nil // nothing is left to dispute
			}
			_, err := t.OpenDispute(p, 0, pl.Reason)
			return err
		}
		d, err := t.Dispute(pl.Dispute)
		if err != nil {
			return fmt.Errorf("dispute %s: %w", pl.Dispute, err)
		}
		if d.State() != payment.DisputeOpen {
			return nil
		}
		return t.CloseDispute(p, &d, false)
	})
}
