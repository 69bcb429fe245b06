package job

import (
	"context"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/store"
)

// One merchant whose endpoints hang can have all the places there are for jobs that
// wait for others' servers, and is welcome to them as long as nobody else wants one.
// So that the others do not wait until its endpoints have been given up, there are
// some places more, which only those get who have few.

const (
	// fairMax is how many places there are for merchants that have few, and
	// fairShare how many those are.
	fairMax   = 128
	fairShare = fairMax / 8
	// fairWindow is how many waiting jobs are looked at in one query for some that
	// may have such a place.
	fairWindow = 1024
	// fairRest is how often is looked for them while the other places are taken, and
	// fairAgain how often among all that wait, not only what has come since.
	fairRest  = 100 * time.Millisecond
	fairAgain = time.Second
)

// places are for the jobs that run at once.
type places struct {
	slots chan struct{}
	full  chan struct{} // receives when somebody waits for a place
	begun sync.WaitGroup
	*tally
}

// tally counts each merchant's jobs that run.
type tally struct {
	mu sync.Mutex
	of map[int64]int
}

func newPlaces(most int, t *tally) *places {
	return &places{slots: make(chan struct{}, most), full: make(chan struct{}, 1), tally: t}
}

func newTally() *tally { return &tally{of: map[int64]int{}} }

// acquire waits until least places are free and takes up to most. It takes fewer
// if ctx ends first.
func (p *places) acquire(ctx context.Context, least, most int) (taken int) {
	for taken < most {
		select {
		case p.slots <- struct{}{}:
			taken++
			continue
		default:
		}
		if taken >= least {
			break
		}
		select {
		case p.full <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return taken
		case p.slots <- struct{}{}:
			taken++
		}
	}
	return taken
}

func (p *places) release(n int) {
	for range n {
		<-p.slots
	}
}

// taken reports whether who wants least places has to wait.
func (p *places) taken(least int) bool { return len(p.slots) > cap(p.slots)-least }

// begin runs jobs beside each other.
func (p *places) begin(jobs []store.Job, run func(j store.Job)) {
	for _, j := range jobs {
		p.count(j.Merchant, 1)
		p.begun.Go(func() {
			defer p.count(j.Merchant, -1)
			run(j)
		})
	}
}

func (t *tally) count(merchant int64, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[merchant] += n; t.of[merchant] == 0 {
		delete(t.of, merchant)
	}
}

// fair picks up to most jobs whose merchants have few places, none more than a
// merchant may have.
func (t *tally) fair(waiting []store.JobPlace, most int) (picked []store.JobPlace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	more := map[int64]int{}
	for _, w := range waiting {
		if len(picked) == most {
			break
		}
		if t.of[w.Merchant]+more[w.Merchant] < fairShare {
			more[w.Merchant]++
			picked = append(picked, w)
		}
	}
	return picked
}

// runFair does, while the places p are taken, jobs of those who have few of them.
func (r *Runner) runFair(ctx context.Context, p *places) {
	own := newPlaces(fairMax, p.tally)
	defer own.begun.Wait()
	var s sweep
	for {
		for !p.taken(outsideLeast) { // everybody's turn comes
			s = sweep{}
			select {
			case <-ctx.Done():
				return
			case <-p.full:
			}
		}
		if ctx.Err() != nil {
			return
		}
		free := own.acquire(ctx, 1, batch)
		jobs, more, err := r.claimFair(ctx, p, &s, free)
		own.release(free - len(jobs))
		if err != nil && ctx.Err() == nil {
			r.Log.Error("cannot claim jobs", "error", err)
		}
		own.begin(jobs, func(j store.Job) {
			defer own.release(1)
			// A job in hand is finished even when the server stops.
			r.Do(context.WithoutCancel(ctx), j)
		})
		if err != nil || !more {
			r.Clock.Wait(ctx, fairRest, nil)
		}
	}
}

// sweep is how far the waiting jobs have been looked at.
type sweep struct {
	begun time.Time
	after store.JobPlace
	over  bool // only what has come since is still looked at
}

// claimFair goes on with a sweep and claims up to free jobs. more says that it did
// not come to the end of what waits.
func (r *Runner) claimFair(ctx context.Context, p *places, s *sweep, free int) (jobs []store.Job, more bool, err error) {
	wall := r.Clock.Now()
	if s.over && wall.Sub(s.begun) >= fairAgain || s.begun.IsZero() {
		*s = sweep{begun: wall}
	}
	waiting, err := r.Store.WaitingJobs(ctx, wall, store.Outside, s.after, fairWindow)
	if err != nil || len(waiting) == 0 {
		s.over = s.over || err == nil
		return nil, false, err
	}
	picked := p.fair(waiting, free)
	s.after = waiting[len(waiting)-1]
	if len(picked) == free { // those behind the last one were not looked at
		s.after = picked[len(picked)-1]
	}
	if more = len(waiting) == fairWindow || len(picked) == free; !more {
		s.over = true
	}
	if len(picked) > 0 {
		jobs, err = r.Store.ClaimJobs(ctx, wall, lease, picked)
	}
	return jobs, more, err
}
