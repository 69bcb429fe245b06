package engine

import (
	"context"
	"strconv"
	"time"

	"github.com/ducatpay/ducat/internal/store"
)

// Span is a minute in which things end that have lasted for the same time. Most things
// with an end are over long before it, and most ends follow from the beginning. Those
// need no timer of their own before they are near: the ends of a span share one job,
// due when the span begins, which finds the things by when they began.
//
// Where transactions run beside each other there are none: a clock that is moved could
// pass the span while one of its things is being begun.
type Span struct {
	From  time.Time     `json:"from"`            // merchant's time
	Lasts time.Duration `json:"lasts"`           // from the beginning of a thing
	After string        `json:"after,omitempty"` // the last thing that was looked at
}

const (
	spanLength = time.Minute
	// SpanBatch is how many things a span's job looks at in one transaction.
	SpanBatch = 200
)

// spanOf returns the span of what ends at a time and has lasted then for a time. What
// lasts for less than two spans has none.
func spanOf(until time.Time, lasts time.Duration) (s Span, ok bool) {
	return Span{From: until.Truncate(spanLength), Lasts: lasts}, lasts >= 2*spanLength
}

// SpanOf returns the span of something that begins now and ends at a time, if it is to
// share a job.
func (t *Tx) SpanOf(until time.Time) (s Span, ok bool) {
	s, ok = spanOf(until, until.Sub(t.At))
	return s, ok && t.Alone()
}

// Began returns when the things of the span began: from an instant to just before
// another.
func (s Span) Began() (from, before time.Time) {
	from = s.From.Add(-s.Lasts)
	return from, from.Add(spanLength)
}

// job is the id of the span's job, for things of a name.
func (s Span) job(name string) string {
	return name + ":" + s.Lasts.String() + ":" + strconv.FormatInt(s.From.Unix(), 10)
}

// PlanSpan sees to it that there is a job of a kind for the span of things of a name.
func (t *Tx) PlanSpan(name, kind string, s Span) error {
	id := s.job(name)
	return t.EnsureJob(id, func() (store.Job, error) { return t.job(id, kind, s.From, s) })
}

// RunSpan does the job of a span. look gives at most SpanBatch of its things that have
// not ended timers of their own, begins behind s.After, and sets it if there may be more.
func (e *Engine) RunSpan(ctx context.Context, j store.Job, look func(t *Tx, s *Span) (more bool, err error)) error {
	var read Span
	return e.inJob(ctx, j, &read, func(t *Tx) error {
		s := read
		more, err := look(t, &s)
		if err != nil || !more {
			return err
		}
		return t.again(j, s.From, s)
	})
}
