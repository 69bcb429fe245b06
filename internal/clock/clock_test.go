package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

var start = time.Date(2026, 9, 10, 9, 0, 0, 0, time.FixedZone("CST", 8*60*60))

func TestFakeStandsStill(t *testing.T) {
	t.Parallel()
	f := NewFake(start)
	if got := f.Now(); !got.Equal(start) || got.Location() != time.UTC {
		t.Errorf("now %v", got)
	}
	f.Advance(time.Hour)
	f.Advance(time.Millisecond)
	if got, want := f.Now(), start.Add(time.Hour+time.Millisecond).UTC(); got != want {
		t.Errorf("now %v, want %v", got, want)
	}
}

func TestFakeWait(t *testing.T) {
	t.Parallel()
	// waiting starts a Wait and returns whether it has returned.
	waiting := func(ctx context.Context, f *Fake, d time.Duration, wake <-chan struct{}) func() bool {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.Wait(ctx, d, wake)
		}()
		return func() bool {
			synctest.Wait()
			select {
			case <-done:
				return true
			default:
				return false
			}
		}
	}
	t.Run("Moved", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := NewFake(start)
			short, long := waiting(t.Context(), f, time.Second, nil), waiting(t.Context(), f, time.Minute, nil)
			if short() || long() {
				t.Fatal("returned before the clock moved")
			}
			f.Advance(999 * time.Millisecond)
			if short() {
				t.Fatal("returned too early")
			}
			f.Advance(time.Millisecond)
			if !short() || long() {
				t.Fatalf("after a second: short %v, long %v", short(), long())
			}
			f.Advance(time.Hour)
			if !long() {
				t.Fatal("did not return")
			}
		})
	})
	t.Run("Woken", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			wake := make(chan struct{}, 1)
			done := waiting(t.Context(), NewFake(start), time.Hour, wake)
			if done() {
				t.Fatal("returned unasked")
			}
			wake <- struct{}{}
			if !done() {
				t.Fatal("not woken")
			}
		})
	})
	t.Run("Cancelled", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			done := waiting(ctx, NewFake(start), time.Hour, nil)
			cancel()
			if !done() {
				t.Fatal("not cancelled")
			}
		})
	})
	t.Run("Nothing", func(t *testing.T) {
		t.Parallel()
		NewFake(start).Wait(t.Context(), 0, nil)
		NewFake(start).Wait(t.Context(), -time.Second, nil)
	})
}

func TestWall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := Wall{}
		before := w.Now()
		if before.Location() != time.UTC || before != before.Round(0) {
			t.Errorf("now %#v is not plain UTC", before)
		}
		w.Wait(t.Context(), time.Minute, nil)
		if got := w.Now().Sub(before); got != time.Minute {
			t.Errorf("waited %v", got)
		}
		if got := Since(before); got != time.Minute {
			t.Errorf("since %v", got)
		}
		wake := make(chan struct{}, 1)
		wake <- struct{}{}
		w.Wait(t.Context(), time.Hour, wake)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.Wait(ctx, time.Hour, nil)
		if got := w.Now().Sub(before); got != time.Minute {
			t.Errorf("waited %v though woken", got)
		}
	})
}
