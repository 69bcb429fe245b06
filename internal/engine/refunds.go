package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
)

type refundPayload struct {
	Refund  string `json:"refund"`
	Payment string `json:"payment"`
}

// RefundPayment starts sending captured funds back. The refund window is a rule of the
// method; the second of the request counts.
func (t *Tx) RefundPayment(p *payment.Payment, proof payment.Refundable, prefix string, prepare func(r *payment.Refund) error) (*payment.Refund, error) {
	rules := Rules(*p)
	if rules.RefundFor == 0 || t.At.Truncate(time.Second).After(p.CapturedAt().Truncate(time.Second).Add(rules.RefundFor)) {
		return nil, fault.New(fault.Conflict, "refund_window", "The refund window has passed.")
	}
	if t.Who.Profile.RefundNeedsFunds {
		if err := t.covers(proof.Amount()); err != nil {
			return nil, err
		}
	}
	r := proof.Refund(t.NewID(prefix), t.At)
	if err := t.save(p); err != nil {
		return nil, err
	}
	if err := t.InsertRefund(r); err != nil {
		return nil, err
	}
	r.Version = 1
	if err := t.Post(ledger.Transfer{ID: "refund:" + r.ID, At: t.At, Debit: ledger.Available, Credit: ledger.Receivable(p.Attempt.Rail), Amount: r.Amount, Payment: p.ID}); err != nil {
		return nil, err
	}
	if err := prepare(&r); err != nil {
		return nil, err
	}
	if err := t.state(event.Fact{Kind: event.RefundCreated, Amount: r.Amount}, p, &r); err != nil {
		return nil, err
	}
	rl, err := t.e.rail(p.Attempt.Rail)
	if err != nil {
		return nil, err
	}
	if !rl.Local() {
		return &r, t.Job("refund:"+r.ID, JobRefund, t.At, refundPayload{r.ID, p.ID})
	}
	req, err := t.refundRequest(p, &r)
	if err != nil {
		return nil, err
	}
	out, err := rl.Refund(t.Ctx, req)
	if err != nil {
		// The simulated outage ends; the job asks again.
		return &r, t.Job("refund:"+r.ID, JobRefund, t.At.Add(time.Minute), refundPayload{r.ID, p.ID})
	}
	return &r, t.refundOutcome(p, &r, out)
}

func (t *Tx) refundRequest(p *payment.Payment, r *payment.Refund) (rail.Request, error) {
	req, err := t.request(p, r.ID, "refund")
	if err != nil {
		return req, err
	}
	req.Amount, req.Takes = r.Amount, Rules(*p).RefundAfter(t.At)
	own, err := decodeScript(r.Script)
	req.Script = append(own, req.Script...)
	if _, scripted := rail.Find(req.Script, "refund"); !scripted && t.Who.Profile.RefundSynchronous {
		req.Script = append(req.Script, rail.Rule{On: "refund", Do: "done"})
	}
	return req, err
}

func (t *Tx) refundOutcome(p *payment.Payment, r *payment.Refund, out rail.Outcome) error {
	switch out.Status {
	case rail.Done:
		if err := t.refundDone(p, r); err != nil || out.Final != rail.Refused {
			return err
		}
		n := rail.Notice{ID: r.ID + ":returned", Kind: rail.RefundReturned, Payment: p.ID, Refund: r.ID, Reason: out.Reason}
		return t.Job("notice:"+n.ID, JobNotice, t.At.Add(out.After), n)
	case rail.Refused:
		return t.refundFailed(p, r, payment.Reason(out.Reason))
	case rail.Waiting:
		if out.Final == 0 {
			return nil // a notice will come from outside
		}
		n := rail.Notice{ID: r.ID, Kind: rail.RefundDone, Payment: p.ID, Refund: r.ID}
		if out.Final == rail.Refused {
			n.Kind, n.Reason = rail.RefundRefused, out.Reason
		}
		due := t.At.Add(out.After)
		if err := t.Job("notice:"+r.ID, JobNotice, due, n); err != nil || !out.Action {
			return err
		}
		return t.state(event.Fact{Kind: event.RefundNeedsAction, Amount: r.Amount, Due: due}, p, r)
	}
	return fmt.Errorf("refund %s: rail answered %d", r.ID, out.Status)
}

func (t *Tx) refundDone(p *payment.Payment, r *payment.Refund) error {
	if r.State() != payment.RefundPending {
		return nil
	}
	if err := r.Succeed(); err != nil {
		return err
	}
	if err := t.saveRefund(r); err != nil {
		return err
	}
	if err := t.state(event.Fact{Kind: event.RefundSucceeded, Amount: r.Amount}, p, r); err != nil {
		return err
	}
	return t.inquiryRefunded(p)
}

func (t *Tx) refundFailed(p *payment.Payment, r *payment.Refund, why payment.Reason) error {
	if r.State() != payment.RefundPending {
		return nil
	}
	if err := r.Fail(p, why); err != nil {
		return err
	}
	return t.refundUndone(p, r, why)
}

// refundReturned books that money which had reached the payer came back.
func (t *Tx) refundReturned(p *payment.Payment, r *payment.Refund, why payment.Reason) error {
	if r.State() != payment.RefundSucceeded {
		return nil
	}
	if err := r.Return(p, why); err != nil {
		return err
	}
	return t.refundUndone(p, r, why)
}

// refundUndone gives the amount of a failed refund back to the merchant.
func (t *Tx) refundUndone(p *payment.Payment, r *payment.Refund, why payment.Reason) error {
	if err := t.saveRefund(r); err != nil {
		return err
	}
	if err := t.save(p); err != nil {
		return err
	}
	if err := t.Post(ledger.Transfer{ID: "refund_failed:" + r.ID, At: t.At, Debit: ledger.Receivable(p.Attempt.Rail), Credit: ledger.Available, Amount: r.Amount, Payment: p.ID}); err != nil {
		return err
	}
	return t.state(event.Fact{Kind: event.RefundFailed, Amount: r.Amount, Reason: string(why)}, p, r)
}

// CancelRefund takes back a refund that has not been passed on: the amount is the
// merchant's again. A rail over the network has been asked already.
func (t *Tx) CancelRefund(p *payment.Payment, r *payment.Refund) error {
	return t.giveUpRefund(p, r, payment.RefundCanceled)
}

// ExpireRefund ends a refund whose payer did not say in time where it goes.
func (t *Tx) ExpireRefund(p *payment.Payment, r *payment.Refund) error {
	return t.giveUpRefund(p, r, payment.RefundExpired)
}

func (t *Tx) giveUpRefund(p *payment.Payment, r *payment.Refund, why payment.Reason) error {
	rl, err := t.e.rail(p.Attempt.Rail)
	if err != nil {
		return err
	}
	if r.State() != payment.RefundPending || !rl.Local() {
		return fault.New(fault.Conflict, "refund_not_cancelable", "The refund can no longer be canceled.")
	}
	for _, job := range []string{"notice:" + r.ID, "refund:" + r.ID} {
		if err := t.DeleteJob(job); err != nil {
			return err
		}
	}
	return t.refundFailed(p, r, why)
}

func (t *Tx) saveRefund(r *payment.Refund) error {
	if err := t.UpdateRefund(*r); err != nil {
		return err
	}
	r.Version++
	return nil
}

func (e *Engine) runRefund(ctx context.Context, j jobRef) error {
	var pl refundPayload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return err
	}
	var req rail.Request
	var name string
	if err := e.Update(ctx, j.Merchant, Cause{}, func(t *Tx) error {
		p, err := t.LoadPayment(pl.Payment)
		if err != nil {
			return err
		}
		ref, err := t.Refund(pl.Refund)
		if err != nil {
			return err
		}
		name = p.Attempt.Rail
		req, err = t.refundRequest(p, &ref)
		return err
	}); err != nil {
		return err
	}
	r, err := e.rail(name)
	if err != nil {
		return err
	}
	out, err := r.Refund(ctx, req)
	if err != nil {
		return fmt.Errorf("refund %s: %w", pl.Refund, err)
	}
	return e.inJob(ctx, j, &pl, func(t *Tx) error {
		p, err := t.LoadPayment(pl.Payment)
		if err != nil {
			return err
		}
		ref, err := t.Refund(pl.Refund)
		if err != nil {
			return err
		}
		return t.refundOutcome(p, &ref, out)
	})
}
