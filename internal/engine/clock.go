package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/store"
)

// Advanced reports what moving a clock did.
type Advanced struct {
	From, To time.Time // merchant's time
	Jobs     int       // pieces of work that fell due and were done
	UnderWay int       // messages that others were delivering, and were not waited for
}

// AdvanceMax is how far a clock may be moved in one call.
const AdvanceMax = 2 * 366 * 24 * time.Hour

// advanceLease is how long an advance may take before the background runner
// may touch the merchant's jobs again.
const advanceLease = 10 * time.Minute

const (
	// asideSpan is how much of the merchant's time may pass while jobs that wait
	// for others' servers are under way: an endpoint that hangs then costs an
	// advance one timeout, not one for every message.
	asideSpan = time.Second
	// asideMax is how many of them are under way at once.
	asideMax = 64
	// othersPoll is how often work is looked at that somebody else does, and
	// othersPatience how long a message of others may be under way before it is
	// taken to wait for us.
	othersPoll     = 5 * time.Millisecond
	othersPatience = time.Second
)

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Advance moves a test merchant's clock to an instant, doing everything that
// falls due on the way in order, each at its own time, and returns when nothing
// due is left. Jobs that wait for somebody else's server may run beside others
// of about the same time. run does one job; a failed job is its own business (it
// has been rescheduled), so Advance goes on.
//
// Messages that others are delivering when it begins are waited for as long as
// their number falls: their receiver may be the very caller, who cannot answer
// before Advance returns. Advanced says how many it left.
func (e *Engine) Advance(ctx context.Context, merchantID int64, target func(at time.Time) time.Time, run func(ctx context.Context, j store.Job)) (Advanced, error) {
	a := &advance{e: e, ctx: ctx, merchant: merchantID, run: run}
	if err := e.Update(ctx, merchantID, Cause{}, func(t *Tx) error {
		if t.Who.Live {
			return fault.New(fault.Invalid, "live_clock", "The clock of a live account cannot be moved.")
		}
		a.Advanced = Advanced{From: t.At, To: now(target(t.At))}
		switch {
		case a.To.Before(a.From):
			return fault.Newf(fault.Invalid, "clock_backwards", "The clock stands at %s and cannot be moved back to %s.", a.From.Format(time.RFC3339), a.To.Format(time.RFC3339))
		case a.To.Sub(a.From) > AdvanceMax:
			return fault.New(fault.Invalid, "clock_too_far", "The clock can be moved by at most two years at a time.")
		}
		return t.SetAdvancing(t.Wall.Add(advanceLease))
	}); err != nil {
		return Advanced{}, err
	}
	defer func() {
		// Also when ctx has ended: the background runner must take over again.
		_ = e.Store.Update(context.WithoutCancel(ctx), merchantID, func(tx store.Tx) error { return tx.SetAdvancing(time.Time{}) })
		e.signal()
	}()
	defer a.aside.Wait()
	if err := a.work(); err != nil {
		return a.Advanced, err
	}
	return a.Advanced, e.moveTo(ctx, merchantID, a.To)
}

// advance is one Advance under way.
type advance struct {
	Advanced
	e        *Engine
	ctx      context.Context
	merchant int64
	run      func(ctx context.Context, j store.Job)
	aside    sync.WaitGroup // jobs that wait for somebody else's server
	started  int            // how many of them since the last were waited for
}

func (a *advance) claim(ctx context.Context, until time.Time, limit int) ([]store.Job, store.Held, error) {
	return a.e.Store.ClaimMerchantJobs(ctx, a.merchant, until, now(a.e.Clock.Now()), advanceLease, limit)
}

// work does what falls due until nothing is left, or until nobody waits for it
// any more. What was begun is finished all the same: a job that was claimed and
// not done is nobody's until its lease ends, and holds up the next advance.
func (a *advance) work() error {
	until, caller := a.To, a.ctx
	ctx := context.WithoutCancel(caller)
	for caller.Err() == nil {
		jobs, held, err := a.claim(ctx, until, 1)
		if err != nil {
			return err
		}
		if (len(jobs) == 0 || a.started == asideMax) && a.started > 0 {
			// Nothing else falls due at this moment: what was set going has to
			// end, and may have planned its next try, before time moves on.
			a.aside.Wait()
			a.started, until = 0, a.To
			if len(jobs) == 0 {
				continue
			}
		}
		if len(jobs) == 0 {
			if done, err := a.others(held); done || err != nil {
				return err
			}
			continue
		}
		at := later(jobs[0].Due, a.From)
		if err := a.e.moveTo(ctx, a.merchant, at); err != nil {
			return errors.Join(err, a.leave(ctx, jobs[0]))
		}
		a.Jobs++
		if store.LaneOf(jobs[0].Kind) != store.Outside {
			a.run(withAt(ctx, at), jobs[0])
			continue
		}
		if a.started++; a.started == 1 {
			until = earlier(a.To, at.Add(asideSpan))
		}
		a.aside.Go(func() { a.run(withAt(ctx, at), jobs[0]) })
	}
	return caller.Err()
}

// leave ends the lease of a job that was claimed and cannot be run.
func (a *advance) leave(ctx context.Context, j store.Job) error {
	return a.e.Store.Update(ctx, a.merchant, func(tx store.Tx) error {
		m, err := tx.Merchant()
		if err != nil {
			return err
		}
		j.RunAt = j.Due.Add(-m.Offset)
		return tx.RescheduleJob(j)
	})
}

// others waits for due jobs that somebody else holds, and reports whether there
// is nothing left to wait for.
func (a *advance) others(held store.Held) (done bool, err error) {
	switch {
	case held.Own > 0:
		// The background runner does it, or its lease ends.
		a.e.Clock.Wait(a.ctx, othersPoll, nil)
		return false, a.ctx.Err()
	case held.Outside == 0:
		return true, nil
	}
	patience, cancel := context.WithTimeout(a.ctx, othersPatience)
	defer cancel()
	for patience.Err() == nil {
		a.e.Clock.Wait(patience, othersPoll, nil)
		_, left, err := a.claim(a.ctx, a.To, 0)
		if err != nil || left.Outside < held.Outside || left.Own > 0 {
			return false, err
		}
	}
	a.UnderWay = held.Outside
	return true, a.ctx.Err()
}

// moveTo sets the clock so that the merchant's time is at least at.
func (e *Engine) moveTo(ctx context.Context, merchantID int64, at time.Time) error {
	return e.Store.Update(ctx, merchantID, func(tx store.Tx) error {
		m, err := tx.Merchant()
		if err != nil {
			return err
		}
		d := at.Sub(m.Now(now(e.Clock.Now())))
		if d <= 0 {
			return nil
		}
		m.Offset += d
		if err := tx.UpdateMerchant(m); err != nil {
			return err
		}
		return tx.ShiftJobs(-d)
	})
}
