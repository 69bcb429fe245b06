package engine

import (
	"context"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/store"
)

// Advanced reports what moving a clock did.
type Advanced struct {
	From, To time.Time // merchant's time
	Jobs     int       // pieces of work that fell due and were done
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
)

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Advance moves a test merchant's clock to an instant, doing everything that
// falls due on the way in order, each at its own time, and returns when nothing
// due is left. Jobs for which aside says so wait for somebody else's server and
// may run beside others of about the same time. run does one job; a failed job is its own business (it has been
// rescheduled), so Advance goes on.
func (e *Engine) Advance(ctx context.Context, merchantID int64, target func(at time.Time) time.Time, aside func(j store.Job) bool, run func(ctx context.Context, j store.Job)) (Advanced, error) {
	var adv Advanced
	if err := e.Update(ctx, merchantID, Cause{}, func(t *Tx) error {
		if t.Who.Live {
			return fault.New(fault.Invalid, "live_clock", "The clock of a live account cannot be moved.")
		}
		adv = Advanced{From: t.At, To: now(target(t.At))}
		switch {
		case adv.To.Before(adv.From):
			return fault.Newf(fault.Invalid, "clock_backwards", "The clock stands at %s and cannot be moved back to %s.", adv.From.Format(time.RFC3339), adv.To.Format(time.RFC3339))
		case adv.To.Sub(adv.From) > AdvanceMax:
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
	var waiting sync.WaitGroup // jobs that wait for somebody else's server
	defer waiting.Wait()
	until := adv.To
	for started := 0; ; {
		jobs, busy, err := e.Store.ClaimMerchantJobs(ctx, merchantID, until, now(e.Clock.Now()), advanceLease, 1)
		if err != nil {
			return adv, err
		}
		if (len(jobs) == 0 || started == asideMax) && started > 0 {
			// Nothing else falls due at this moment: what was set going has to
			// end, and may have planned its next try, before time moves on.
			waiting.Wait()
			started, until = 0, adv.To
			if len(jobs) == 0 {
				continue
			}
		}
		if len(jobs) == 0 {
			if busy == 0 {
				break
			}
			// The background runner holds a due job: it ends within its lease.
			e.Clock.Wait(ctx, 5*time.Millisecond, nil)
			if ctx.Err() != nil {
				return adv, ctx.Err()
			}
			continue
		}
		at := later(jobs[0].Due, adv.From)
		if err := e.moveTo(ctx, merchantID, at); err != nil {
			return adv, err
		}
		adv.Jobs++
		if aside != nil && aside(jobs[0]) {
			if started == 0 {
				until = earlier(adv.To, at.Add(asideSpan))
			}
			started++
			waiting.Go(func() { run(withAt(ctx, at), jobs[0]) })
			continue
		}
		run(withAt(ctx, at), jobs[0])
	}
	return adv, e.moveTo(ctx, merchantID, adv.To)
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
