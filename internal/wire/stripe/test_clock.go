package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// A test clock has a time of its own that stands still and is moved by request;
// customers are attached to it (stripe-platform §13.2). Moving it by a month
// moves the world's clock by a month, so that everything of the world that falls
// due on the way is done, whoever it belongs to.

const kindClock = "stripe.test_clock"

// JobClock moves the world's clock on behalf of a test clock.
const JobClock = store.JobAdvance

// JobClockEnd deletes a test clock that nobody deleted.
const JobClockEnd = "test_clock_end"

// Limits of test clocks.
const (
	clockNameMax   = 300
	clockCustomers = 3                  // customers created on one clock
	clockLives     = 7 * 24 * time.Hour // on the wall
	// clockPatience is how long a clock that is being moved belongs to whoever
	// moves it; a process that dies leaves it to another one after that.
	clockPatience = 10 * time.Minute
)

// notDue is a merchant's time that no clock is moved to: jobs due then are run
// by the wall alone.
var notDue = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// clockBody is a test clock. Target is set while it is being moved.
type clockBody struct {
	Name    string    `json:"name,omitempty"`
	Created time.Time `json:"created"` // wall
	Frozen  time.Time `json:"frozen"`
	Target  time.Time `json:"target,omitzero"`
	From    time.Time `json:"from,omitzero"`  // the world's time when the move began
	Until   time.Time `json:"until,omitzero"` // the world's time when it ends
}

func (b clockBody) advancing() bool { return !b.Target.IsZero() }

// now is the clock's time when the world's is at.
func (b clockBody) now(at time.Time) time.Time {
	if !b.advancing() {
		return b.Frozen
	}
	passed := at.Sub(b.From)
	if now := b.Frozen.Add(max(passed, 0)); now.Before(b.Target) {
		return now
	}
	return b.Target
}

type clockPayload struct {
	Clock string `json:"clock"`
}

func clockJob(id string) string    { return "test_clock:" + id }
func clockEndJob(id string) string { return "test_clock_end:" + id }

// clockTime reads a frozen_time.
func clockTime(c *call) (time.Time, error) {
	n, set, err := integer(c.params.Get("frozen_time"), "frozen_time")
	switch {
	case err != nil:
		return time.Time{}, err
	case !set:
		return time.Time{}, missingParam("frozen_time")
	case n < 0 || n > timeMax:
		return time.Time{}, invalid("parameter_invalid_integer", "frozen_time", "This value must be between 0 and %d.", timeMax)
	}
	return time.Unix(n, 0).UTC(), nil
}

func createClock(c *call) (step, error) {
	frozen, err := clockTime(c)
	if err != nil {
		return step{}, err
	}
	name, _, err := text(c.params.Get("name"), "name", clockNameMax)
	if err != nil {
		return step{}, err
	}
	customer, _, err := text(c.params.Get("customer"), "customer", 0)
	if err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			if t.Who.Live {
				return invalid("", "", "Test clocks can only be used in test mode.").kept()
			}
			b := clockBody{Name: name, Created: t.Wall, Frozen: frozen}
			row := newRow(t, kindClock, t.NewID("clock_"), "", encodeBody(b))
			t.Subject = row.ID
			if err := t.InsertResource(row); err != nil {
				return err
			}
			if customer != "" {
				if err := c.bindCustomer(t, customer, row.ID); err != nil {
					return err
				}
			}
			if err := insertWallJob(t, clockEndJob(row.ID), JobClockEnd, t.Wall.Add(clockLives), row.ID); err != nil {
				return err
			}
			return c.api.clockEvent(t, "created", row.ID)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).testClock(t.Subject) },
	}, nil
}

// insertWallJob plans work at a time of the wall, whatever the world's clock says.
func insertWallJob(t *engine.Tx, id, kind string, at time.Time, clock string) error {
	payload, err := json.Marshal(clockPayload{clock})
	if err != nil {
		return err
	}
	return t.InsertJob(store.Job{Merchant: t.Who.ID, ID: id, Kind: kind, Due: notDue, RunAt: at, Payload: payload})
}

// bindCustomer attaches a customer that exists to a clock.
func (c *call) bindCustomer(t *engine.Tx, customer, clock string) error {
	row, b, err := c.customerRow(t, 400, "customer", customer, false)
	if err != nil {
		return err
	}
	if b.TestClock != "" {
		return invalid("", "customer", "Customer %s is attached to %s already.", customer, b.TestClock).kept()
	}
	old := row
	b.TestClock = clock
	row.Body = encodeBody(b)
	if err := t.RekeyResource(row, b.keys()); err != nil {
		return err
	}
	return c.api.customerEvent(t, "customer.updated", customer, &old)
}

// clockFor finds the clock a new customer is to be attached to.
func (c *call) clockFor(t *engine.Tx, id string) (clockBody, error) {
	row, err := t.Resource(kindClock, id)
	if errors.Is(err, store.ErrNotFound) {
		return clockBody{}, c.unknown(400, kindClock, "test clock", "test_clock", id)
	}
	if err != nil {
		return clockBody{}, err
	}
	b, err := decodeBody[clockBody](row)
	if err != nil {
		return b, err
	}
	if b.advancing() {
		return b, errClockBusy(id)
	}
	if err := hold(t, row); err != nil {
		return b, err
	}
	n, err := t.CountResources(store.List{Kind: kindCustomer, Key: "test_clock", Value: id})
	if err == nil && n >= clockCustomers {
		err = invalid("", "test_clock", "A test clock can have up to %d customers.", clockCustomers).kept()
	}
	return b, err
}

// errClockBusy refuses changes to what is attached to a clock that is being
// moved. It is not kept under an idempotency key.
func errClockBusy(id string) *wireError {
	return &wireError{status: 429, code: "rate_limit", retry: "true", message: "Test clock advancement underway - cannot perform modifications: " + id}
}

// clockStands refuses changes while the clock is being moved.
func clockStands(r store.Reader, id string) error {
	row, err := r.Resource(kindClock, id)
	if err != nil {
		return fmt.Errorf("test clock %s: %w", id, err)
	}
	b, err := decodeBody[clockBody](row)
	if err == nil && b.advancing() {
		return errClockBusy(id)
	}
	return err
}

func (c *call) clockRow(r store.Reader) (resource.Row, clockBody, error) {
	row, err := r.Resource(kindClock, c.path("test_clock"))
	if errors.Is(err, store.ErrNotFound) {
		return row, clockBody{}, c.unknown(404, kindClock, "test clock", "test_clock", c.path("test_clock"))
	}
	if err != nil {
		return row, clockBody{}, err
	}
	b, err := decodeBody[clockBody](row)
	return row, b, err
}

func retrieveClock(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, _, err := c.clockRow(v)
		if err != nil {
			return nil, err
		}
		return v.renderClock(row)
	})
}

func listClocks(c *call) (obj, error) {
	return c.list(query{kind: kindClock, label: "test clock", render: (*view).renderClock})
}

// advanceClock begins to move a clock and answers at once; a job does the moving.
func advanceClock(c *call) (step, error) {
	target, err := clockTime(c)
	if err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.clockRow(t)
			if err != nil {
				return err
			}
			switch {
			case b.advancing():
				return errClockBusy(row.ID)
			case !target.After(b.Frozen):
				return invalid("", "frozen_time", "A test clock can only be advanced: it stands at %d.", b.Frozen.Unix()).kept()
			case target.Sub(b.Frozen) > engine.AdvanceMax:
				return invalid("", "frozen_time", "A test clock can be advanced by at most two years at a time.").kept()
			}
			b.Target, b.From, b.Until = target, t.At, t.At.Add(target.Sub(b.Frozen))
			row.Body = encodeBody(b)
			if err := t.UpdateResource(row); err != nil {
				return err
			}
			if err := insertWallJob(t, clockJob(row.ID), JobClock, t.Wall, row.ID); err != nil {
				return err
			}
			return c.api.clockEvent(t, "advancing", row.ID)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).testClock(c.path("test_clock")) },
	}, nil
}

// RunClock moves the world's clock to where a test clock is going. It can be
// repeated: what was done stays done, and the clock is moved on from there.
func (a *API) RunClock(ctx context.Context, j store.Job) error {
	var pl clockPayload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	var until time.Time
	if err := a.engine.Update(ctx, j.Merchant, engine.Cause{}, func(t *engine.Tx) error {
		b, _, err := movingClock(t, pl.Clock)
		if err != nil || !b.advancing() {
			return err
		}
		until = b.Until
		// The job is nobody's for a while, and never due on the way.
		j.Due, j.RunAt = notDue, t.Wall.Add(clockPatience)
		return t.RescheduleJob(j)
	}); err != nil {
		return err
	}
	if !until.IsZero() {
		if err := a.Advance(ctx, j.Merchant, until); err != nil {
			return fmt.Errorf("test clock %s: %w", pl.Clock, err)
		}
	}
	return a.engine.Update(ctx, j.Merchant, engine.Cause{}, func(t *engine.Tx) error {
		if err := t.DeleteJob(j.ID); err != nil {
			return err
		}
		b, row, err := movingClock(t, pl.Clock)
		if err != nil || !b.advancing() {
			return err
		}
		b = clockBody{Name: b.Name, Created: b.Created, Frozen: b.Target}
		row.Body = encodeBody(b)
		if err := t.UpdateResource(row); err != nil {
			return err
		}
		return a.clockEvent(t, "ready", row.ID)
	})
}

// movingClock loads a clock; one that was deleted meanwhile does not move.
func movingClock(t *engine.Tx, id string) (clockBody, resource.Row, error) {
	row, err := t.Resource(kindClock, id)
	if errors.Is(err, store.ErrNotFound) {
		return clockBody{}, row, nil
	}
	if err != nil {
		return clockBody{}, row, err
	}
	b, err := decodeBody[clockBody](row)
	return b, row, err
}

func deleteClock(c *call) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.clockRow(t)
			if err != nil {
				return err
			}
			if b.advancing() {
				return errClockBusy(row.ID)
			}
			return c.api.removeClock(t, row)
		},
		finish: func(*engine.Tx) (obj, error) {
			return obj{"id": c.path("test_clock"), "object": "test_helpers.test_clock", "deleted": true}, nil
		},
	}, nil
}

// removeClock deletes a clock and everything attached to it.
func (a *API) removeClock(t *engine.Tx, row resource.Row) error {
	if err := hold(t, row); err != nil {
		return err
	}
	if err := a.clockEvent(t, "deleted", row.ID); err != nil {
		return err
	}
	customers, err := t.Resources(store.List{Kind: kindCustomer, Key: "test_clock", Value: row.ID, Limit: pageMax})
	if err != nil {
		return err
	}
	for _, customer := range customers {
		if err := a.removeCustomer(t, customer); err != nil {
			return err
		}
	}
	if err := t.DeleteJob(clockEndJob(row.ID)); err != nil {
		return err
	}
	return bury(t, row)
}

// RunClockEnd deletes a clock that has lived long enough. Its job's time on the
// wall moves with the world's clock, so it may come early.
func (a *API) RunClockEnd(ctx context.Context, j store.Job) error {
	var pl clockPayload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	return a.engine.Update(ctx, j.Merchant, engine.Cause{}, func(t *engine.Tx) error {
		b, row, err := movingClock(t, pl.Clock)
		switch {
		case err != nil:
			return err
		case row.ID == "":
			return t.DeleteJob(j.ID)
		}
		ends := b.Created.Add(clockLives)
		if b.advancing() {
			ends = t.Wall.Add(clockPatience)
		}
		if t.Wall.Before(ends) {
			j.Due, j.RunAt = notDue, ends
			return t.RescheduleJob(j)
		}
		return a.removeClock(t, row)
	})
}

func (a *API) clockEvent(t *engine.Tx, what, id string) error {
	return a.emit(t, message{typ: "test_helpers.test_clock." + what, render: func(v *view) (obj, obj, error) {
		o, err := v.testClock(id)
		return o, nil, err
	}})
}

func (v *view) testClock(id string) (obj, error) {
	return v.stored(kindClock, id, (*view).renderClock)
}

func (v *view) renderClock(row resource.Row) (obj, error) {
	b, err := decodeBody[clockBody](row)
	if err != nil {
		return nil, err
	}
	o := obj{
		"id": row.ID, "object": "test_helpers.test_clock", "created": b.Created.Unix(), "deletes_after": b.Created.Add(clockLives).Unix(),
		"frozen_time": b.now(v.now()).Unix(), "livemode": v.merchant.Live, "name": nullable(b.Name), "status": "ready",
	}
	details := obj{}
	if b.advancing() {
		o["status"] = "advancing"
		details["advancing"] = obj{"target_frozen_time": b.Target.Unix()}
	}
	if b.advancing() || since(v.version, versionRecentMembers) {
		o["status_details"] = details
	}
	return o, nil
}

// auditClocks checks that every clock that is moving has somebody to move it.
func auditClocks(r store.Reader) error {
	planned, err := plannedJobs(r)
	if err != nil {
		return err
	}
	return each(r, kindClock, func(row resource.Row) error {
		b, err := decodeBody[clockBody](row)
		if err == nil && b.advancing() && !planned[clockJob(row.ID)] {
			return fmt.Errorf("test clock %s is being advanced, but nothing is planned for it", row.ID)
		}
		return err
	})
}
