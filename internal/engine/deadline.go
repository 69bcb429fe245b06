package engine

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// JobDeadlines gives the payments whose deadlines are near a timer of their own.
const JobDeadlines = "deadlines"

// Most payers decide long before the deadline, and most deadlines follow from when
// the payment was begun. Those need no timer before they are near: the deadlines of
// a deadlineSpan share one job, due when the span begins, which finds the payments by
// their ids. An authorised payment, another attempt, and a deadline that was asked for
// have a timer of their own from the beginning. So have all where transactions run
// beside each other: a clock that is moved could pass the span while one of its
// payments is being begun.
const (
	deadlineSpan  = time.Minute
	deadlineBatch = 200 // how many payments are looked at in one transaction
)

// deadlines names a span.
type deadlines struct {
	From       time.Time     `json:"from"` // merchant's time
	PendingFor time.Duration `json:"pending_for"`
	After      string        `json:"after,omitempty"` // the last payment that was looked at
}

func (d deadlines) job() string { return fmt.Sprintf("deadlines:%s:%d", d.PendingFor, d.From.Unix()) }

// expireJob is the payment's own timer.
func expireJob(paymentID string) string { return "expire:" + paymentID }

// shared returns the span whose job sees to the payment's deadline, if one does.
func shared(p *payment.Payment) (d deadlines, ok bool) {
	a := p.Attempt
	d.PendingFor = Rules(*p).PendingFor
	d.From = a.Deadline.Truncate(deadlineSpan)
	ok = a.AuthorizedAt.IsZero() && a.Begun.Equal(p.Created) && a.Deadline.Equal(p.Created.Add(d.PendingFor)) && d.PendingFor >= 2*deadlineSpan
	return d, ok
}

// planDeadline plans the deadline of a new attempt.
func (t *Tx) planDeadline(p *payment.Payment) error {
	d, ok := shared(p)
	if !ok || !t.Alone() {
		return t.Job(expireJob(p.ID), JobExpire, p.Attempt.Deadline, paymentPayload{p.ID})
	}
	return t.EnsureJob(d.job(), func() (store.Job, error) { return t.job(d.job(), JobDeadlines, d.From, d) })
}

// ownTimer reports whether the payment can have a timer of its own.
func (t *Tx) ownTimer(p *payment.Payment) bool {
	d, ok := shared(p)
	return !ok || !t.Alone() || !t.At.Before(d.From)
}

// moveDeadline plans the deadline of an attempt that had another one. own is what
// ownTimer said of that.
func (t *Tx) moveDeadline(p *payment.Payment, own bool) error {
	j, err := t.job(expireJob(p.ID), JobExpire, p.Attempt.Deadline, paymentPayload{p.ID})
	if err != nil {
		return err
	}
	if own {
		if err := t.RescheduleJob(j); err != nil {
			return err
		}
	}
	return t.InsertJob(j)
}

// runDeadlines gives the payments of a span that still wait a timer of their own.
func (t *Tx) runDeadlines(j jobRef, d deadlines) error {
	until := id.From(paymentPrefix, d.From.Add(deadlineSpan-d.PendingFor))
	ps, err := t.Payments(cmp.Or(d.After, id.From(paymentPrefix, d.From.Add(-d.PendingFor))), deadlineBatch)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if p.ID >= until {
			return nil
		}
		if p.State().Waiting() {
			if err := t.Job(expireJob(p.ID), JobExpire, p.Attempt.Deadline, paymentPayload{p.ID}); err != nil {
				return err
			}
		}
		d.After = p.ID
	}
	if len(ps) < deadlineBatch {
		return nil
	}
	again, err := t.job(j.ID, JobDeadlines, d.From, d)
	if err != nil {
		return err
	}
	if err := t.RescheduleJob(again); err != nil {
		return err
	}
	return errKeepJob
}
