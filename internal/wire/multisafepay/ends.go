package multisafepay

import (
	"context"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// JobEnds is the job of a span of orders' sessions (see engine.Span): merchants are told
// when one ends unpaid.
const JobEnds = "multisafepay.ends"

// planEnd plans what happens when the session of an order ends that is being made.
func (a *API) planEnd(t *engine.Tx, row resource.Row, o *order) error {
	if s, ok := t.SpanOf(o.Until); ok {
		return t.PlanSpan("orders", JobEnds, s)
	}
	return ownEnd(t, row, o)
}

// ownEnd gives the order a timer of its own.
func ownEnd(t *engine.Tx, row resource.Row, o *order) error {
	return t.Job("order:"+row.ID, JobOrder, o.Until, orderPayload{row.ID})
}

// RunEnds does a JobEnds: it gives the orders of a span that are still open timers of
// their own.
func (a *API) RunEnds(ctx context.Context, j store.Job) error {
	return a.engine.RunSpan(ctx, j, func(t *engine.Tx, s *engine.Span) (more bool, err error) {
		from, before := s.Began()
		rows, err := t.Resources(store.List{
			Kind: kindOrder, From: id.Floor(from), After: s.After, Before: id.Floor(before), Oldest: true, Limit: engine.SpanBatch,
		})
		for i := 0; i < len(rows) && err == nil; i++ {
			var o order
			if o, err = orderOf(rows[i]); err == nil && o.endsAfter(rows[i].Created, s.Lasts) {
				err = ownEnd(t, rows[i], &o)
			}
		}
		if err != nil || len(rows) < engine.SpanBatch {
			return false, err
		}
		s.After = rows[0].Sort // newest first
		return true, nil
	})
}

// endsAfter reports whether the session of an order, which was good for some time, is
// going to end and the merchant has to be told. Once a transaction has begun it is that
// one's end that counts.
func (o *order) endsAfter(made time.Time, goodFor time.Duration) bool {
	return o.hosted() && o.Ended == sessionOpen && o.Current == "" && o.Options.Notification != "" && o.Until.Equal(made.Add(goodFor))
}
