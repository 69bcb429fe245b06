package engine

import (
	"cmp"
	"context"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// JobDeadlines is the job of a span of deadlines (see Span). An authorised payment,
// another attempt, and a deadline that was asked for have a timer of their own from the
// beginning.
const JobDeadlines = "deadlines"

// expireJob is the payment's own timer.
func expireJob(paymentID string) string { return "expire:" + paymentID }

// deadlineJob is the payment's own timer, for the deadline it has now.
func (t *Tx) deadlineJob(p *payment.Payment) (store.Job, error) {
	return t.job(expireJob(p.ID), JobExpire, p.Attempt.Deadline, paymentPayload{p.ID})
}

// shared returns the span whose job can see to the payment's deadline.
func shared(p *payment.Payment) (s Span, ok bool) {
	a, lasts := p.Attempt, Rules(*p).PendingFor
	s, ok = spanOf(a.Deadline, lasts)
	return s, ok && a.AuthorizedAt.IsZero() && a.Begun.Equal(p.Created) && a.Deadline.Equal(p.Created.Add(lasts))
}

// planDeadline plans the deadline of a new attempt.
func (t *Tx) planDeadline(p *payment.Payment) error {
	if s, ok := shared(p); ok && t.Alone() {
		return t.PlanSpan(JobDeadlines, JobDeadlines, s)
	}
	return t.planOwn(p)
}

func (t *Tx) planOwn(p *payment.Payment) error {
	j, err := t.deadlineJob(p)
	if err != nil {
		return err
	}
	return t.InsertJob(j)
}

// ownTimer reports whether the payment can have a timer of its own.
func (t *Tx) ownTimer(p *payment.Payment) bool {
	s, ok := shared(p)
	return !ok || !t.Alone() || !t.At.Before(s.From)
}

// moveDeadline plans the deadline of an attempt that had another one. own is what
// ownTimer said of that.
func (t *Tx) moveDeadline(p *payment.Payment, own bool) error {
	j, err := t.deadlineJob(p)
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
func (e *Engine) runDeadlines(ctx context.Context, j jobRef) error {
	return e.RunSpan(ctx, j, func(t *Tx, s *Span) (more bool, err error) {
		from, before := s.Began()
		end := id.From(paymentPrefix, before)
		ps, err := t.Payments(cmp.Or(s.After, id.From(paymentPrefix, from)), SpanBatch)
		if err != nil {
			return false, err
		}
		for _, p := range ps {
			if p.ID >= end {
				return false, nil
			}
			if p.State().Waiting() {
				if err := t.planOwn(&p); err != nil {
					return false, err
				}
			}
			s.After = p.ID
		}
		return len(ps) == SpanBatch, nil
	})
}
