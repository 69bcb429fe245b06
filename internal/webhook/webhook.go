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
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/safehttp"
	"github.com/ducatpay/ducat/internal/store"
)

// Job is the kind of job that delivers a message.
const Job = "deliver"

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
}

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
	var (
		dv   store.Delivery
		m    merchant.Merchant
		call Call
		live bool
	)
	err := d.Store.View(ctx, j.Merchant, func(r store.Reader) (err error) {
		if m, err = r.Merchant(); err != nil {
			return err
		}
		if dv, err = r.Delivery(pl.Delivery); err != nil {
			return err
		}
		call, live, err = front.Prepare(r, dv, wall)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && (!live || dv.State == Delivered && !pl.Manual) {
		return d.drop(ctx, j, pl)
	}
	if err != nil {
		return err
	}
	at, accepted := d.attempt(ctx, m, front, call, wall)
	at.Manual = pl.Manual
	return d.record(ctx, j, pl, front, at, accepted, call.Ailing)
}

// drop ends the plan of a delivery that has nothing to deliver, or nobody to
// deliver it to.
func (d *Deliverer) drop(ctx context.Context, j store.Job, pl Payload) error {
	return d.Store.Update(ctx, j.Merchant, func(tx store.Tx) error {
		dv, err := tx.Delivery(pl.Delivery)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && dv.State == Pending && !pl.Manual {
			dv.State, dv.Next = Failed, time.Time{}
			if err := tx.UpdateDelivery(dv); err != nil {
				return err
			}
		}
		return tx.DeleteJob(j.ID)
	})
}

func (d *Deliverer) attempt(ctx context.Context, m merchant.Merchant, front Front, call Call, wall time.Time) (at store.Attempt, accepted bool) {
	client := d.Test
	if m.Live {
		client = d.Live
	}
	at = store.Attempt{At: wall}
	res, err := client.Send(ctx, call.Method, call.URL, call.Header, call.Body)
	at.Took = clock.Since(wall)
	if err != nil {
		at.Error = err.Error()
	} else {
		at.Status, at.Response = res.Status, string(res.Body[:min(len(res.Body), excerptMax)])
		accepted = front.Accepted(res.Status, res.Body)
	}
	if d.Observe != nil {
		d.Observe(accepted, at.Took)
	}
	return at, accepted
}

// record writes the attempt and what follows from it.
func (d *Deliverer) record(ctx context.Context, j store.Job, pl Payload, front Front, at store.Attempt, accepted, ailing bool) error {
	return d.Store.Update(ctx, j.Merchant, func(tx store.Tx) error {
		m, err := tx.Merchant()
		if err != nil {
			return err
		}
		dv, err := tx.Delivery(pl.Delivery)
		if err != nil {
			return err
		}
		dv.Attempts = append(dv.Attempts, at)
		if n := len(dv.Attempts); n > attemptsKept {
			dv.Attempts = dv.Attempts[n-attemptsKept:]
		}
		planned := false
		switch {
		case accepted:
			dv.State = Delivered
		case dv.State == Delivered || pl.Manual:
			// A manual resend changes neither the result nor the plan.
		default:
			if after, ok := front.RetryAfter(m.Live, automatic(dv.Attempts)); ok {
				planned = true
				dv.Next = j.Due.Add(after)
				if now := m.Now(at.At).UTC().Truncate(time.Millisecond); dv.Next.Before(now) {
					dv.Next = now.Add(after)
				}
			} else {
				dv.State = Failed
			}
		}
		if !planned && !pl.Manual {
			dv.Next = time.Time{}
		}
		if err := tx.UpdateDelivery(dv); err != nil {
			return err
		}
		if w, ok := front.(Watcher); ok && (!accepted || ailing) {
			if err := w.Attempted(tx, m, dv.Endpoint, m.Now(at.At).UTC().Truncate(time.Millisecond), accepted); err != nil {
				return err
			}
		}
		if !planned {
			return tx.DeleteJob(j.ID)
		}
		j.Due = dv.Next
		j.RunAt = dv.Next.Add(-m.Offset)
		return tx.RescheduleJob(j)
	})
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
