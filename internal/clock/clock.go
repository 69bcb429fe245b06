// Package clock is the only place that reads time. Everything else is handed
// an instant, or a Clock to ask.
package clock

import (
	"context"
	"sync"
	"time"
)

// Clock tells the wall time and can wait for it to pass.
type Clock interface {
	// Now returns the wall time in UTC.
	Now() time.Time
	// Wait blocks for d, or until ctx ends or wake receives, whichever is first.
	Wait(ctx context.Context, d time.Duration, wake <-chan struct{})
}

// Wall is the machine's clock.
type Wall struct{}

// Now returns the machine's time in UTC, without a monotonic reading, so that
// instants compare the same before and after a round trip through the store.
func (Wall) Now() time.Time { return time.Now().UTC().Round(0) }

// Wait implements Clock.
func (Wall) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wake:
	}
}

// Since returns the time that passed since start on the machine's clock; it is
// for measuring durations to report, never for decisions about payments.
func Since(start time.Time) time.Duration { return time.Since(start) }

// Deadline returns the instant d from here on the machine's clock; it is for
// limits of connections, which know no other clock.
func Deadline(d time.Duration) time.Time { return time.Now().Add(d) }

// Fake is a clock for tests: it stands still until moved.
type Fake struct {
	mu    sync.Mutex
	now   time.Time
	moved chan struct{}
}

// NewFake returns a clock standing at t.
func NewFake(t time.Time) *Fake {
	return &Fake{now: t.UTC(), moved: make(chan struct{})}
}

// Now implements Clock.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Advance moves the clock forward by d and wakes those who wait.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	close(f.moved)
	f.moved = make(chan struct{})
}

// Wait returns when the clock has been moved by at least d, or ctx ends, or
// wake receives.
func (f *Fake) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	until := f.Now().Add(d)
	for {
		f.mu.Lock()
		now, moved := f.now, f.moved
		f.mu.Unlock()
		if !now.Before(until) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
			return
		case <-moved:
		}
	}
}
