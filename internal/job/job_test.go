package job_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/job"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlite"
)

var begin = time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)

// safeBuffer is a log that several workers write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type bundle struct {
	*job.Runner
	t     *testing.T
	db    *sqlite.Store
	clock *clock.Fake
	log   *safeBuffer
	wake  chan struct{}
	ran   chan string // ids of jobs in the order they ran
}

const offset = 3 * time.Hour // the merchant's time runs ahead

func setup(t *testing.T) *bundle {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ducat.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	m := merchant.Merchant{ID: 1, Account: "acct_1", Created: begin, Offset: offset}
	if err := errors.Join(db.Migrate(t.Context()), db.CreateMerchant(t.Context(), m)); err != nil {
		t.Fatal(err)
	}
	b := &bundle{t: t, db: db, clock: clock.NewFake(begin), log: &safeBuffer{}, wake: make(chan struct{}, 1), ran: make(chan string, 1000)}
	b.Runner = &job.Runner{
		Store: db, Clock: b.clock, Wake: b.wake, Log: slog.New(slog.NewTextHandler(b.log, nil)),
		Handlers: map[string]job.Handler{
			"good": func(ctx context.Context, j store.Job) error {
				defer func() { b.ran <- j.ID }()
				return b.delete(ctx, j)
			},
			"bad":   func(context.Context, store.Job) error { return errors.New("the endpoint is down") },
			"panic": func(context.Context, store.Job) error { panic("balance is -1") },
		},
	}
	return b
}

func (b *bundle) delete(ctx context.Context, j store.Job) error {
	return b.db.Update(ctx, j.Merchant, func(tx store.Tx) error { return tx.DeleteJob(j.ID) })
}

// plan adds a job due after d on the wall.
func (b *bundle) plan(id, kind string, d time.Duration) {
	b.t.Helper()
	run := b.clock.Now().Add(d)
	if err := b.db.Update(b.t.Context(), 1, func(tx store.Tx) error {
		return tx.InsertJob(store.Job{Merchant: 1, ID: id, Kind: kind, Due: run.Add(offset), RunAt: run, Payload: []byte("{}")})
	}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) jobs() (js []store.Job) {
	b.t.Helper()
	if err := b.db.View(b.t.Context(), 1, func(r store.Reader) (err error) {
		js, err = r.Jobs(1000)
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return js
}

// do runs what is due once and returns how many jobs that was.
func (b *bundle) do() int {
	b.t.Helper()
	js, _, err := b.db.ClaimDueJobs(b.t.Context(), b.clock.Now(), time.Minute, 10)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, j := range js {
		b.Do(b.t.Context(), j)
	}
	return len(js)
}

func TestFailedJobsAreTriedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	for kind, logged := range map[string]string{
		"bad":     "the endpoint is down",
		"panic":   "handler panicked: balance is -1",
		"unheard": "no handler for kind",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.plan("j", kind, 0)
			want := time.Second
			for try := range 20 {
				if n := b.do(); n != 1 {
					t.Fatalf("try %d: %d jobs are due", try, n)
				}
				js := b.jobs()
				if len(js) != 1 {
					t.Fatalf("try %d: %d jobs are left", try, len(js))
				}
				j := js[0]
				if wait := j.RunAt.Sub(b.clock.Now()); wait != want || j.Tries != try+1 {
					t.Fatalf("try %d: tried again in %v, %d tries; want %v", try, wait, j.Tries, want)
				}
				if got := j.Due.Sub(j.RunAt); got != offset {
					t.Fatalf("due %v after the wall, want %v", got, offset)
				}
				b.clock.Advance(want - time.Millisecond)
				if n := b.do(); n != 0 {
					t.Fatalf("try %d: tried early", try)
				}
				b.clock.Advance(time.Millisecond)
				want = min(2*want, time.Hour)
			}
			if !strings.Contains(b.log.String(), logged) {
				t.Errorf("the log does not say %q:\n%s", logged, b.log.String())
			}
			if stack := strings.Contains(b.log.String(), "job_test.go"); stack != (kind == "panic") {
				t.Errorf("a stack is logged: %v", stack)
			}
		})
	}
}

func TestDoneJobsAreLeftToTheirHandler(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plan("j", "good", 0)
	if n := b.do(); n != 1 || len(b.jobs()) != 0 {
		t.Errorf("%d due, %d left", n, len(b.jobs()))
	}
	// A job whose handler said nothing belongs to it until the lease ends.
	b.Handlers["forgetful"] = func(context.Context, store.Job) error { return nil }
	b.plan("k", "forgetful", 0)
	if got := []int{b.do(), b.do()}; !slices.Equal(got, []int{1, 0}) {
		t.Errorf("claimed %v", got)
	}
	b.clock.Advance(time.Minute)
	if n := b.do(); n != 1 {
		t.Errorf("%d due after the lease", n)
	}
}

func TestFailedRescheduleLeavesTheLease(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Do(t.Context(), store.Job{Merchant: 2, ID: "j", Kind: "bad"})
	if !strings.Contains(b.log.String(), "its lease will lapse") {
		t.Errorf("log:\n%s", b.log.String())
	}
}

// start runs the runner until the returned function is called.
func (b *bundle) start() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	b.t.Cleanup(stop)
	return stop
}

func (b *bundle) next() string {
	b.t.Helper()
	select {
	case id := <-b.ran:
		return id
	case <-b.t.Context().Done():
		b.t.Fatal("nothing ran")
		return ""
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	t.Run("MoreThanABatch", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for i := range 150 {
			b.plan(fmt.Sprintf("j%03d", i), "good", time.Duration(i-150)*time.Millisecond)
		}
		b.start()
		seen := map[string]bool{}
		for range 150 {
			id := b.next()
			if seen[id] {
				t.Errorf("%s ran twice", id)
			}
			seen[id] = true
		}
	})
	t.Run("OneWorkerKeepsTheOrder", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.Workers = 1
		for _, i := range []int{3, 1, 2} {
			b.plan(fmt.Sprintf("j%d", i), "good", time.Duration(i-5)*time.Second)
		}
		b.start()
		if got := []string{b.next(), b.next(), b.next()}; !slices.Equal(got, []string{"j1", "j2", "j3"}) {
			t.Errorf("ran %v", got)
		}
	})
	t.Run("WokenByNewWork", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.start()
		b.plan("j", "good", 0)
		b.wake <- struct{}{} // the clock stands still
		if got := b.next(); got != "j" {
			t.Errorf("ran %s", got)
		}
	})
	t.Run("WaitsForWhatIsDueNext", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan("now", "good", 0)
		b.plan("later", "good", 300*time.Millisecond)
		b.start()
		if got := b.next(); got != "now" {
			t.Fatalf("ran %s", got)
		}
		b.clock.Advance(300 * time.Millisecond)
		b.wake <- struct{}{} // in case it was not yet waiting when the clock moved
		if got := b.next(); got != "later" {
			t.Errorf("ran %s", got)
		}
	})
	t.Run("HangingEndpointsHoldNobodyUp", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.Workers = 1
		hang := make(chan struct{})
		b.Handlers[store.JobDeliver] = func(ctx context.Context, j store.Job) error {
			<-hang
			return b.delete(ctx, j)
		}
		for i := range 30 {
			b.plan(fmt.Sprintf("h%02d", i), store.JobDeliver, -time.Hour)
		}
		b.plan("timer", "good", 0)
		b.start()
		if got := b.next(); got != "timer" {
			t.Errorf("ran %s", got)
		}
		close(hang)
	})
	t.Run("SurvivesAPanic", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.Workers = 1
		b.plan("a", "panic", -time.Second)
		b.plan("b", "good", 0)
		b.start()
		if got := b.next(); got != "b" {
			t.Errorf("ran %s", got)
		}
		if js := b.jobs(); len(js) != 1 || js[0].ID != "a" || js[0].RunAt != begin.Add(time.Second) {
			t.Errorf("left %+v", js)
		}
	})
	t.Run("FinishesWhatIsInHand", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		begun, release := make(chan struct{}), make(chan struct{})
		b.Handlers["slow"] = func(ctx context.Context, j store.Job) error {
			close(begun)
			<-release
			if ctx.Err() != nil {
				return ctx.Err()
			}
			defer func() { b.ran <- j.ID }()
			return b.delete(ctx, j)
		}
		b.plan("j", "slow", 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.Run(ctx)
		}()
		<-begun
		cancel()
		select {
		case <-done:
			t.Error("returned with a job in hand")
		default:
		}
		close(release)
		<-done
		if got := b.next(); got != "j" || len(b.jobs()) != 0 {
			t.Errorf("ran %s, left %v", got, b.jobs())
		}
	})
	t.Run("SurvivesADatabaseThatFails", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		flaky := &flaky{Store: b.db, failures: 2}
		b.Store = flaky
		b.plan("j", "good", 0)
		b.start()
		// The runner waits on the clock: move it until the job has run, since one
		// move may come before the wait.
		for len(b.ran) == 0 {
			b.tick()
		}
		if !strings.Contains(b.log.String(), "cannot claim jobs") {
			t.Errorf("log:\n%s", b.log.String())
		}
	})
}

// tick moves the clock by more than the runner ever waits.
func (b *bundle) tick() {
	b.clock.Advance(2 * time.Second)
	runtime.Gosched()
}

// flaky fails to claim jobs a number of times.
type flaky struct {
	store.Store
	mu       sync.Mutex
	failures int
}

func (f *flaky) ClaimDueJobs(ctx context.Context, wall time.Time, lease time.Duration, limit int, lanes ...store.Lane) ([]store.Job, time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failures > 0 {
		f.failures--
		return nil, time.Time{}, errors.New("database is locked")
	}
	return f.Store.ClaimDueJobs(ctx, wall, lease, limit, lanes...)
}

// TestOneMerchantCannotTakeAllPlaces: however many deliveries of a merchant hang,
// those of others are made; and one that is alone has nearly all the places.
func TestOneMerchantCannotTakeAllPlaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Runner.Clock = clock.Wall{}
	if err := b.db.CreateMerchant(t.Context(), merchant.Merchant{ID: 2, Account: "acct_2", Created: begin}); err != nil {
		t.Fatal(err)
	}
	hang := make(chan struct{})
	began := make(chan int64, 2000)
	b.Handlers[store.JobDeliver] = func(ctx context.Context, j store.Job) error {
		began <- j.Merchant
		if j.Merchant == 1 {
			<-hang
		}
		return b.delete(ctx, j)
	}
	add := func(merchant int64, from, to int) {
		t.Helper()
		now := clock.Wall{}.Now().UTC().Truncate(time.Millisecond)
		if err := b.db.Update(t.Context(), merchant, func(tx store.Tx) error {
			for i := from; i < to; i++ {
				if err := tx.InsertJob(store.Job{ID: fmt.Sprintf("d%04d", i), Kind: store.JobDeliver, Due: now, RunAt: now}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	// More than are looked at in one query, and what the others send is in between.
	add(1, 0, 800)
	add(2, 0, 40)
	add(1, 800, 1600)

	ctx, stop := context.WithCancel(t.Context())
	var runner sync.WaitGroup
	runner.Go(func() { b.Run(ctx) })
	t.Cleanup(func() { close(hang); stop(); runner.Wait() })
	count := map[int64]int{}
	for count[2] < 40 || count[1] < 512 {
		count[<-began]++
	}
	add(2, 40, 50)
	for count[2] < 50 {
		count[<-began]++
	}
	if count[1] > 512 {
		t.Errorf("%d deliveries of one merchant hang, of 512 places", count[1])
	}
}
