// Package webhook delivers messages to merchants' endpoints: durable, retried
// on the front end's timetable, signed by the front end at every attempt. It
// knows no wire format. The front end says what each attempt sends and which
// answer acknowledges it.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/safehttp"
	"github.com/ducatpay/ducat/internal/store"
)

// Job is the kind of job that delivers a message.
const Job = store.JobDeliver

// States of a delivery.
const (
	Pending   = "pending"
	Delivered = "delivered"
	Failed    = "failed"
)

// attemptsKept is how many attempts of a delivery are remembered; the newest
// win.
const attemptsKept = 32

// excerptMax is how much of an endpoint's answer is kept, in bytes.
const excerptMax = 2048

// Call is one attempt as it goes out.
type Call struct {
	Method string // GET or POST
	URL    string
	Header http.Header
	Body   []byte
	// Ailing says that the endpoint's latest attempts have failed, so that a
	// Watcher wants to know of a success.
	Ailing bool
}

// Watcher is a Front that keeps an eye on how its endpoints do.
type Watcher interface {
	Front
	// Attempted is told of every failed attempt, and of successes at endpoints
	// that are ailing, at a merchant's time, in the transaction that records it.
	Attempted(tx store.Tx, m merchant.Merchant, endpoint string, at time.Time, accepted bool) error
}

// Front is what the deliverer asks of the front end that wrote a message.
type Front interface {
	Name() string
	// Prepare returns the call of one attempt, made at a wall time, or false if
	// the endpoint is gone or disabled.
	Prepare(r store.Reader, d store.Delivery, wall time.Time) (c Call, ok bool, err error)
	// Accepted reports whether an endpoint's answer acknowledges the message.
	// body is the beginning of the answer's.
	Accepted(status int, body []byte) bool
	// RetryAfter returns how long after the n-th attempt (from 1) to try again.
	RetryAfter(live bool, n int) (time.Duration, bool)
}

// Payload is what a delivery job carries.
type Payload struct {
	Front    string `json:"front"`
	Delivery string `json:"delivery"`
	Manual   bool   `json:"manual,omitempty"`
	// Always has the attempt made even if another one has been accepted already.
	Always bool `json:"always,omitempty"`
	// With are deliveries to be attempted at the same instant. One that is named
	// again gets another attempt, like a manual one.
	With []string `json:"with,omitempty"`
	// Then are deliveries to be attempted when this attempt is over, one after
	// the other.
	Then []string `json:"then,omitempty"`
}

// Deliverer makes attempts.
type Deliverer struct {
	Store  store.Store
	Clock  clock.Clock
	Log    *slog.Logger
	Test   *safehttp.Client // for test merchants: any address, plain HTTP too
	Live   *safehttp.Client
	Fronts map[string]Front
	// Observe is called after every attempt, for metrics; may be nil.
	Observe func(ok bool, took time.Duration)

	once    sync.Once
	writers chan struct{} // one for every result being recorded
}

// writersMax is how many results are recorded at once. Hundreds of endpoints may
// answer at the same moment; requests that write must not queue behind them all.
const writersMax = 32

// Deliver handles a delivery job: one attempt, whose result is recorded with
// the plan for the next.
func (d *Deliverer) Deliver(ctx context.Context, j store.Job) error {
	var pl Payload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	front, ok := d.Fronts[pl.Front]
	if !ok {
		return fmt.Errorf("job %s: front %q is not running", j.ID, pl.Front)
	}
	wall := d.Clock.Now()
	tries := []*try{{delivery: pl.Delivery, manual: pl.Manual, always: pl.Always}}
	for _, id := range pl.With {
		again := slices.ContainsFunc(tries, func(t *try) bool { return t.delivery == id })
		tries = append(tries, &try{delivery: id, manual: again})
	}
	if err := d.Store.View(ctx, j.Merchant, func(r store.Reader) error {
		m, err := r.Merchant()
		for _, t := range tries {
			if err == nil {
				err = t.prepare(r, m, front, wall)
			}
		}
		return err
	}); err != nil {
		return err
	}
	var under sync.WaitGroup
	for _, t := range tries[1:] {
		under.Go(func() { d.attempt(ctx, front, t) })
	}
	d.attempt(ctx, front, tries[0])
	under.Wait()
	return d.record(ctx, j, pl, front, tries)
}

const (
	// nowPatience bounds how long Now waits for an attempt that somebody else is
	// making: longer than that attempt may take.
	nowPatience = 15 * time.Second
	nowPoll     = 5 * time.Millisecond
)

// Now has the next attempt at a delivery made without waiting for the runner,
// by run, which does a claimed job; or waits for the first one if it is under
// way. An attempt that cannot be made now is made later all the same.
func (d *Deliverer) Now(ctx context.Context, merchantID int64, delivery string, run func(ctx context.Context, j store.Job)) {
	for end := d.Clock.Now().Add(nowPatience); d.Clock.Now().Before(end) && ctx.Err() == nil; d.Clock.Wait(ctx, nowPoll, nil) {
		j, ok, err := d.Store.ClaimJob(ctx, merchantID, JobID(delivery), d.Clock.Now(), nowPatience)
		if err != nil {
			d.Log.Warn("cannot deliver now; the runner will", "delivery", delivery, "error", err)
			return
		}
		if ok {
			run(context.WithoutCancel(ctx), j)
			return
		}
		var dv store.Delivery
		err = d.Store.View(ctx, merchantID, func(r store.Reader) (err error) {
			dv, err = r.Delivery(delivery)
			return err
		})
		if err != nil || len(dv.Attempts) > 0 {
			return
		}
	}
}

// try is one attempt at one delivery.
type try struct {
	delivery string
	manual   bool
	always   bool
	live     bool // of a live merchant
	call     Call
	goes     bool // there is something to deliver and somebody to deliver it to
	result   store.Attempt
	accepted bool
}

func (t *try) prepare(r store.Reader, m merchant.Merchant, front Front, wall time.Time) error {
	dv, err := r.Delivery(t.delivery)
	if err == nil && (dv.State != Delivered || t.manual || t.always) {
		t.call, t.goes, err = front.Prepare(r, dv, wall)
	}
	if errors.Is(err, store.ErrNotFound) {
		t.goes, err = false, nil
	}
	t.live, t.result = m.Live, store.Attempt{At: wall, Manual: t.manual}
	return err
}

func (d *Deliverer) attempt(ctx context.Context, front Front, t *try) {
	if !t.goes {
		return
	}
	client := d.Test
	if t.live {
		client = d.Live
	}
	at := &t.result
	res, err := client.Send(ctx, t.call.Method, t.call.URL, t.call.Header, t.call.Body)
	at.Took = clock.Since(at.At)
	if err != nil {
		at.Error = err.Error()
	} else {
		at.Status, at.Response = res.Status, string(res.Body[:min(len(res.Body), excerptMax)])
		t.accepted = front.Accepted(res.Status, res.Body)
	}
	if d.Observe != nil {
		d.Observe(t.accepted, at.Took)
	}
}

// record writes the attempts and what follows from them.
func (d *Deliverer) record(ctx context.Context, j store.Job, pl Payload, front Front, tries []*try) error {
	d.once.Do(func() { d.writers = make(chan struct{}, writersMax) })
	d.writers <- struct{}{}
	defer func() { <-d.writers }()
	return d.Store.Update(ctx, j.Merchant, func(tx store.Tx) error {
		m, err := tx.Merchant()
		if err != nil {
			return err
		}
		again := false // the job goes on
		for i, t := range tries {
			next, err := t.record(tx, m, front, j.Due)
			if err != nil {
				return err
			}
			if next.IsZero() {
				continue
			}
			retry, err := job(m, t.delivery, next, Payload{Front: pl.Front, Delivery: t.delivery})
			if err != nil {
				return err
			}
			if retry.ID == j.ID && i == 0 {
				again = true
				err = tx.RescheduleJob(retry)
			} else {
				err = tx.InsertJob(retry)
			}
			if err != nil {
				return err
			}
		}
		if !again {
			if err := tx.DeleteJob(j.ID); err != nil {
				return err
			}
		}
		if len(pl.Then) == 0 {
			return nil
		}
		then, err := job(m, pl.Then[0], j.Due, Payload{Front: pl.Front, Delivery: pl.Then[0], Then: pl.Then[1:]})
		if err != nil {
			return err
		}
		return tx.InsertJob(then)
	})
}

// record writes one attempt and returns when the next is due, the zero time if
// there is none to plan.
func (t *try) record(tx store.Tx, m merchant.Merchant, front Front, due time.Time) (next time.Time, err error) {
	dv, err := tx.Delivery(t.delivery)
	if errors.Is(err, store.ErrNotFound) {
		return next, nil
	}
	if err != nil {
		return next, err
	}
	if !t.goes {
		if dv.State != Pending || t.manual {
			return next, nil
		}
		dv.State, dv.Next = Failed, next
		return next, tx.UpdateDelivery(dv)
	}
	dv.Attempts = append(dv.Attempts, t.result)
	if n := len(dv.Attempts); n > attemptsKept {
		dv.Attempts = dv.Attempts[n-attemptsKept:]
	}
	switch {
	case t.accepted:
		dv.State = Delivered
	case dv.State == Delivered || t.manual:
		// A manual resend changes neither the result nor the plan.
	default:
		next = t.retry(m, front, dv, due)
		if next.IsZero() {
			dv.State = Failed
		}
	}
	if !t.manual {
		dv.Next = next
	}
	if err := tx.UpdateDelivery(dv); err != nil {
		return next, err
	}
	if w, ok := front.(Watcher); ok && (!t.accepted || t.call.Ailing) {
		err = w.Attempted(tx, m, dv.Endpoint, t.at(m), t.accepted)
	}
	return next, err
}

// at is the attempt's time on the merchant's clock.
func (t *try) at(m merchant.Merchant) time.Time {
	return m.Now(t.result.At).UTC().Truncate(time.Millisecond)
}

// retry returns when to try a delivery again: so long after it was due, or from
// now if that is over.
func (t *try) retry(m merchant.Merchant, front Front, dv store.Delivery, due time.Time) (next time.Time) {
	after, ok := front.RetryAfter(m.Live, automatic(dv.Attempts))
	if !ok {
		return next
	}
	if next = due.Add(after); next.Before(t.at(m)) {
		next = t.at(m).Add(after)
	}
	return next
}

func automatic(as []store.Attempt) int {
	n := 0
	for _, a := range as {
		if !a.Manual {
			n++
		}
	}
	return n
}
