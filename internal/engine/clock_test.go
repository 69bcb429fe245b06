package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// probe registers a kind of job that writes down when it ran, then does more.
func (w *world) probe(more func(ctx context.Context, t *engine.Tx, j store.Job) error) *[]string {
	ran := &[]string{}
	w.runner.Handlers["probe"] = func(ctx context.Context, j store.Job) error {
		var at time.Time
		err := w.Update(ctx, w.merchant, engine.Cause{}, func(t *engine.Tx) error {
			at = t.At
			if more != nil {
				if err := more(ctx, t, j); err != nil {
					return err
				}
			}
			return t.DeleteJob(j.ID)
		})
		*ran = append(*ran, fmt.Sprintf("%s at %v", j.ID, at.Sub(begin)))
		return err
	}
	return ran
}

func (w *world) plan(id string, due time.Duration) {
	w.t.Helper()
	w.update(func(t *engine.Tx) error { return t.Job(id, "probe", begin.Add(due), nil) })
}

func (w *world) at() (at time.Time) {
	w.t.Helper()
	w.must(w.View(w.t.Context(), w.merchant, func(_ store.Reader, _ merchant.Merchant, now time.Time) error {
		at = now
		return nil
	}))
	return at
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	t.Run("InOrderEachAtItsOwnTime", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		ran := w.probe(func(_ context.Context, t *engine.Tx, j store.Job) error {
			if !t.At.Equal(j.Due) {
				return fmt.Errorf("job due %v runs at %v", j.Due, t.At)
			}
			if j.ID == "b" { // more work on the way, some of it before what is planned
				return errors.Join(
					t.Job("b-later", "probe", t.At.Add(90*time.Minute), nil),
					t.Job("b-now", "probe", t.At, nil),
					t.Job("b-after", "probe", begin.Add(49*time.Hour), nil),
				)
			}
			return nil
		})
		w.plan("c", 3*time.Hour)
		w.plan("a", time.Millisecond)
		w.plan("z", 48*time.Hour)
		w.plan("b", 2*time.Hour)
		w.plan("a2", time.Millisecond)
		w.plan("y", 48*time.Hour+time.Millisecond)
		adv := w.advance(48 * time.Hour)
		want := []string{"a at 1ms", "a2 at 1ms", "b at 2h0m0s", "b-now at 2h0m0s", "c at 3h0m0s", "b-later at 3h30m0s", "z at 48h0m0s"}
		if !slices.Equal(*ran, want) {
			t.Errorf("ran %v, want %v", *ran, want)
		}
		if adv != (engine.Advanced{From: begin, To: begin.Add(48 * time.Hour), Jobs: len(want)}) {
			t.Errorf("advanced %+v", adv)
		}
		if got := w.at(); got != adv.To {
			t.Errorf("the clock stands at %v, want %v", got, adv.To)
		}
		w.planned("y", "b-after")
		// From here on wall time takes over, shifted.
		w.pass(time.Millisecond)
		w.planned("b-after")
		w.pass(time.Hour - time.Millisecond)
		w.planned()
	})
	t.Run("WhatIsOverdueRunsAtOnce", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		ran := w.probe(nil)
		w.plan("late", time.Minute)
		w.clock.Advance(time.Hour)
		w.advance(0)
		if want := []string{"late at 1h0m0s"}; !slices.Equal(*ran, want) {
			t.Errorf("ran %v, want %v", *ran, want)
		}
	})
	t.Run("FailuresAreTriedAgainOnTheWay", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		fails := 3
		ran := w.probe(func(context.Context, *engine.Tx, store.Job) error {
			if fails--; fails >= 0 {
				return errors.New("not yet")
			}
			return nil
		})
		w.plan("a", time.Hour)
		w.plan("b", time.Hour+4*time.Second)
		adv := w.advance(2 * time.Hour)
		// One second, two, then four after the failures.
		want := []string{"a at 1h0m0s", "a at 1h0m1s", "a at 1h0m3s", "b at 1h0m4s", "a at 1h0m7s"}
		if !slices.Equal(*ran, want) || adv.Jobs != 5 {
			t.Errorf("ran %v, want %v", *ran, want)
		}
		w.planned()
	})
	t.Run("AHandlerMayPanic", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		first := true
		ran := w.probe(func(context.Context, *engine.Tx, store.Job) error {
			if first {
				first = false
				panic("broken invariant")
			}
			return nil
		})
		w.plan("a", time.Hour)
		w.advance(2 * time.Hour)
		if want := []string{"a at 1h0m1s"}; !slices.Equal(*ran, want) {
			t.Errorf("ran %v, want %v", *ran, want)
		}
	})
	t.Run("TheBackgroundRunnerStandsAside", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		w.probe(func(ctx context.Context, tx *engine.Tx, j store.Job) error {
			if j.ID != "a" {
				t.Errorf("the background runner got %s", j.ID)
			}
			return nil
		})
		w.plan("a", time.Hour)
		w.plan("b", 3*time.Hour)
		_, err := w.Advance(t.Context(), w.merchant, func(at time.Time) time.Time { return at.Add(2 * time.Hour) }, func(ctx context.Context, j store.Job) {
			js, _, err := w.db.ClaimDueJobs(ctx, w.clock.Now(), time.Minute, 10)
			if err != nil || len(js) != 0 {
				t.Errorf("claimed %v: %v", js, err)
			}
			w.runner.Do(ctx, j)
		})
		w.must(err)
		w.planned("b")
	})
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		ran := w.probe(nil)
		w.plan("a", time.Millisecond)
		live := merchant.Merchant{ID: merchant.IDFor("acct_1", true), Account: "acct_1", Live: true, Created: begin}
		w.must(w.db.CreateMerchant(t.Context(), live))
		for name, c := range map[string]struct {
			merchant int64
			by       time.Duration
			code     string
		}{
			"Backwards": {w.merchant, -time.Millisecond, "clock_backwards"},
			"TooFar":    {w.merchant, engine.AdvanceMax + time.Millisecond, "clock_too_far"},
			"Live":      {live.ID, time.Hour, "live_clock"},
		} {
			_, err := w.Advance(t.Context(), c.merchant, func(at time.Time) time.Time { return at.Add(c.by) }, w.runner.Do)
			if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
		}
		if got := w.at(); got != begin || len(*ran) != 0 {
			t.Errorf("the clock stands at %v, ran %v", got, *ran)
		}
	})
	t.Run("CutShort", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		ctx, cancel := context.WithCancel(t.Context())
		ran := w.probe(func(in context.Context, _ *engine.Tx, j store.Job) error {
			if j.ID == "a" {
				cancel()
			}
			return in.Err() // what was begun is finished, though nobody waits for it
		})
		w.plan("a", time.Hour)
		w.plan("b", 2*time.Hour)
		adv, err := w.Advance(ctx, w.merchant, func(at time.Time) time.Time { return at.Add(3 * time.Hour) }, w.runner.Do)
		if !errors.Is(err, context.Canceled) || adv.Jobs != 1 {
			t.Errorf("advanced %+v: %v", adv, err)
		}
		if got := w.at(); got != begin.Add(time.Hour) {
			t.Errorf("the clock stands at %v", got)
		}
		w.planned("b")
		w.pass(time.Hour) // the background runner has taken over again
		if want := []string{"a at 1h0m0s", "b at 2h0m0s"}; !slices.Equal(*ran, want) {
			t.Errorf("ran %v, want %v", *ran, want)
		}
	})
}

// TestOverlappingAdvancesDoNotAddUp: seconds count from the time at which a call
// begins (docs/control-api.md, Clock).
func TestOverlappingAdvancesDoNotAddUp(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	w.must(w.db.Update(t.Context(), w.merchant, func(tx store.Tx) error {
		return tx.InsertJob(store.Job{ID: "message", Kind: store.JobDeliver, Due: begin, RunAt: begin})
	}))
	hour := func(at time.Time) time.Time { return at.Add(time.Hour) }
	nested := 0
	outer, err := w.Advance(t.Context(), w.merchant, hour, func(ctx context.Context, j store.Job) {
		nested++
		inner, err := w.Advance(t.Context(), w.merchant, hour, w.runner.Do)
		w.must(err)
		if inner.From != begin || inner.To != begin.Add(time.Hour) || inner.UnderWay != 1 {
			t.Errorf("meanwhile: %+v", inner)
		}
		w.must(w.db.Update(ctx, w.merchant, func(tx store.Tx) error { return tx.DeleteJob(j.ID) }))
	})
	w.must(err)
	if outer.To != begin.Add(time.Hour) || nested != 1 {
		t.Errorf("%+v with %d calls meanwhile", outer, nested)
	}
	if got := w.at(); got != begin.Add(time.Hour) {
		t.Errorf("the clock stands at %v, want an hour later", got)
	}
	if w.advance(time.Hour); w.at() != begin.Add(2*time.Hour) {
		t.Errorf("one after the other: the clock stands at %v, want two hours later", w.at())
	}
}

// TestAdvanceThroughALife moves a merchant through everything that happens by
// itself, in one step.
func TestAdvanceThroughALife(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	abandoned, unclaimed, sold := w.start(), w.authorized(), w.captured()
	approved := w.start()
	_, err := w.Decide(t.Context(), w.token(approved), rail.Approve, nil)
	w.must(err)
	adv := w.advance(365 * 24 * time.Hour)
	if adv.Jobs != 8 { // notice, a span of deadlines, three expiries, two voids, settlement
		t.Errorf("did %d jobs", adv.Jobs)
	}
	for p, want := range map[string]payment.State{
		abandoned: payment.Expired, unclaimed: payment.Expired, approved: payment.Expired, sold: payment.Captured,
	} {
		w.is(p, want)
	}
	w.facts(event.Authorized, event.Authorized, event.Captured, event.Authorized, event.Expired, event.Expired, event.Expired, event.FundsAvailable)
	w.view(func(r store.Reader) error {
		fs, _, err := r.Facts(3, 10)
		var got []time.Duration
		for _, f := range fs {
			got = append(got, f.At.Sub(begin))
		}
		want := []time.Duration{time.Second, time.Hour, 6 * time.Hour, 6*time.Hour + time.Second, settlement.Sub(begin)}
		if !slices.Equal(got, want) {
			t.Errorf("happened at %v, want %v", got, want)
		}
		return err
	})
	w.planned()
	w.verify()
}
