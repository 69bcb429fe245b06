// Package job runs durable work: jobs are rows written in the transaction that
// makes them necessary; the runner leases those that are due and hands them to
// whoever registered for their kind. A handler removes or reschedules its job in
// its own transaction; if it returns an error, or the process dies, the job is
// done again later, so handlers must be harmless when repeated.
package job

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// Handler does one job.
type Handler func(ctx context.Context, j store.Job) error

// Runner claims and runs due jobs.
type Runner struct {
	Store    store.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Wake     <-chan struct{} // receives when new work may be due
	Handlers map[string]Handler
	Workers  int // jobs of our own run at once; 0 means 8
}

const (
	// lease is how long a job belongs to the worker that claimed it: longer
	// than any handler may take.
	lease = 30 * time.Second
	// batch is how many jobs are claimed in one transaction.
	batch = 64
	// outsideMax is how many jobs wait for others' servers at once.
	outsideMax = 512
	// outsideLeast is how many of them must be free to claim more, so that a
	// backlog is claimed in batches and not one by one.
	outsideLeast = batch / 4
	// poll is how often other nodes' new work is looked for.
	poll = time.Second
)

// backoff is how long after the n-th failed try a job is tried again.
func backoff(n int) time.Duration {
	return min(time.Second<<min(n, 12), time.Hour)
}

// Run works until ctx ends, then returns when the jobs in hand are done. Jobs
// that wait for somebody else's server run beside the others, so that an
// endpoint that hangs does not hold up anybody's timers.
func (r *Runner) Run(ctx context.Context) {
	workers := r.Workers
	if workers == 0 {
		workers = 8
	}
	wakes := map[store.Lane]chan struct{}{store.Own: make(chan struct{}, 1), store.Outside: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	wg.Go(func() { r.pass(ctx, wakes) })
	own, outside := newPlaces(workers, newTally()), newPlaces(outsideMax, newTally())
	wg.Go(func() { r.runLane(ctx, store.Own, own, 1, wakes[store.Own]) })
	wg.Go(func() { r.runFair(ctx, outside) })
	r.runLane(ctx, store.Outside, outside, outsideLeast, wakes[store.Outside])
	wg.Wait()
}

// pass wakes all lanes.
func (r *Runner) pass(ctx context.Context, wakes map[store.Lane]chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.Wake:
		}
		for _, w := range wakes {
			select {
			case w <- struct{}{}:
			default:
			}
		}
	}
}

// runLane claims the jobs of a lane, never more than can be begun at once, and
// does them.
func (r *Runner) runLane(ctx context.Context, lane store.Lane, p *places, least int, wake <-chan struct{}) {
	defer p.begun.Wait()
	for ctx.Err() == nil {
		free := p.acquire(ctx, least, batch)
		jobs, next, err := r.Store.ClaimDueJobs(ctx, r.Clock.Now(), lease, free, lane)
		p.release(free - len(jobs))
		if err != nil {
			if ctx.Err() == nil {
				r.Log.Error("cannot claim jobs", "error", err)
			}
			r.Clock.Wait(ctx, poll, nil)
			continue
		}
		p.begin(jobs, func(j store.Job) {
			defer p.release(1)
			// A job in hand is finished even when the server stops.
			r.Do(context.WithoutCancel(ctx), j)
		})
		if free > 0 && len(jobs) == free {
			continue
		}
		wait := poll
		if !next.IsZero() {
			wait = min(max(next.Sub(r.Clock.Now()), time.Millisecond), poll)
		}
		r.Clock.Wait(ctx, wait, wake)
	}
}

// handle runs the job's handler. One that panics has failed like any other: one
// bad job must not end the work of all merchants.
func (r *Runner) handle(ctx context.Context, j store.Job) (err error) {
	h, ok := r.Handlers[j.Kind]
	if !ok {
		return fmt.Errorf("no handler for kind %q", j.Kind)
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("handler panicked: %v", v)
			r.Log.Error("job handler panicked", "job", j.ID, "kind", j.Kind, "panic", v, "stack", string(store.PanicStack(v)))
		}
	}()
	return h(ctx, j)
}

// Do runs one claimed job. A failed one is rescheduled.
func (r *Runner) Do(ctx context.Context, j store.Job) {
	err := r.handle(ctx, j)
	if err == nil {
		return
	}
	again := backoff(j.Tries)
	r.Log.Warn("job failed, will be tried again", "job", j.ID, "kind", j.Kind, "tries", j.Tries+1, "in", again, "error", err)
	if err := r.Store.Update(ctx, j.Merchant, func(tx store.Tx) error {
		m := merchant.Merchant{} // a job of nobody's runs on the wall clock
		if j.Merchant != 0 {
			var err error
			if m, err = tx.Merchant(); err != nil {
				return err
			}
		}
		j.RunAt = r.Clock.Now().UTC().Truncate(time.Millisecond).Add(again)
		j.Due = m.Now(j.RunAt)
		return tx.RescheduleJob(j)
	}); err != nil {
		r.Log.Error("cannot reschedule job; its lease will lapse", "job", j.ID, "error", err)
	}
}
