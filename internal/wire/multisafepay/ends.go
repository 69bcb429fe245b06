package multisafepay

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// JobEnds gives the orders whose sessions end soon a timer of their own.
const JobEnds = "multisafepay.ends"

// Merchants are told when a session ends unpaid. Most are paid long before, so those
// that end within an endsSpan, having been good for as long, share a job that is due
// when the span begins and finds the orders by when they were made. Where transactions
// run beside each other every session has a timer of its own from the beginning: a
// clock that is moved could pass the span while one of its orders is being made.
const (
	endsSpan  = time.Minute
	endsBatch = 200 // how many orders are looked at in one transaction
)

// ends names a span.
type ends struct {
	From    time.Time     `json:"from"` // merchant's time
	GoodFor time.Duration `json:"good_for"`
	After   string        `json:"after,omitempty"` // place of the last order that was looked at
}

func (e ends) job() string {
	return "orders:" + strconv.FormatInt(int64(e.GoodFor/time.Second), 10) + ":" + strconv.FormatInt(e.From.Unix(), 10)
}

// planEnd plans what happens when the session of an order ends that is being made.
func (a *API) planEnd(t *engine.Tx, row resource.Row, o *order) error {
	e := ends{From: o.Until.Truncate(endsSpan), GoodFor: o.Until.Sub(row.Created)}
	if !t.Alone() || e.GoodFor < 2*endsSpan {
		return ownEnd(t, row, o)
	}
	return t.EnsureJob(e.job(), func() (store.Job, error) {
		b, err := json.Marshal(e)
		return store.Job{Kind: JobEnds, Due: e.From, RunAt: e.From.Add(-t.Who.Offset), Payload: b}, err
	})
}

// ownEnd gives the order a timer of its own.
func ownEnd(t *engine.Tx, row resource.Row, o *order) error {
	return t.Job("order:"+row.ID, JobOrder, o.Until, orderPayload{row.ID})
}

// RunEnds does a JobEnds.
func (a *API) RunEnds(ctx context.Context, j store.Job) error {
	var e ends
	if err := json.Unmarshal(j.Payload, &e); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	return a.engine.Update(ctx, j.Merchant, engine.Cause{}, func(t *engine.Tx) error {
		left, more, err := e.look(t)
		if err != nil {
			return err
		}
		if !more {
			return t.DeleteJob(j.ID)
		}
		again := j
		again.Payload, err = json.Marshal(left)
		return cmp.Or(err, t.RescheduleJob(again))
	})
}

// look gives the orders of a span that are still open timers of their own: some of
// them, and then there are more left.
func (e ends) look(t *engine.Tx) (left ends, more bool, err error) {
	made := e.From.Add(-e.GoodFor)
	rows, err := t.Resources(store.List{
		Kind: kindOrder, From: id.Floor(made), After: e.After, Before: id.Floor(made.Add(endsSpan)), Oldest: true, Limit: endsBatch,
	})
	for i := 0; i < len(rows) && err == nil; i++ {
		var o order
		if o, err = orderOf(rows[i]); err == nil && o.endsAfter(rows[i].Created, e.GoodFor) {
			err = ownEnd(t, rows[i], &o)
		}
	}
	if err != nil || len(rows) < endsBatch {
		return e, false, err
	}
	e.After = rows[0].Sort
	return e, true, nil
}

// endsAfter reports whether the session of an order, which was good for some time, is
// going to end and the merchant has to be told. Once a transaction has begun it is that
// one's end that counts.
func (o *order) endsAfter(made time.Time, goodFor time.Duration) bool {
	return o.hosted() && o.Ended == sessionOpen && o.Current == "" && o.Options.Notification != "" && o.Until.Equal(made.Add(goodFor))
}
