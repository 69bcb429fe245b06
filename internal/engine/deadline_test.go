package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// spans returns the jobs that payments share.
func (w *world) spans() []string {
	return slices.DeleteFunc(w.jobs(), func(id string) bool { return !strings.HasPrefix(id, engine.JobDeadlines) })
}

// own reports whether a payment has a timer of its own.
func (w *world) own(paymentID string) bool { return slices.Contains(w.jobs(), "expire:"+paymentID) }

// expiries returns when payments expired, since the world began.
func (w *world) expiries() map[string]time.Duration {
	w.t.Helper()
	at := map[string]time.Duration{}
	w.view(func(r store.Reader) error {
		fs, _, err := r.Facts(0, 10_000)
		for _, f := range fs {
			if f.Kind == event.Expired {
				at[f.Payment] = f.At.Sub(begin)
			}
		}
		return err
	})
	return at
}

// TestSharedDeadlines has payments of two minutes wait, be approved and be refused
// before their deadlines come near, and when they have.
func TestSharedDeadlines(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	const first, second, near = 30 * time.Second, 90 * time.Second, time.Hour + 10*time.Second // since the world began
	w.clock.Advance(first)
	waiting, approved, refused, late := w.start(), w.start(), w.start(), w.start()
	w.clock.Advance(second - first)
	next := w.start()
	if got := w.spans(); len(got) != 2 {
		t.Fatalf("payments of two minutes share the jobs %v", got)
	}
	for _, p := range []string{waiting, approved, refused, late, next} {
		if w.own(p) {
			t.Errorf("%s has a timer of its own, an hour ahead", p)
		}
	}
	w.must(w.Notice(t.Context(), w.merchant, approval(approved)))
	w.must(w.Notice(t.Context(), w.merchant, rail.Notice{ID: "no", Kind: rail.PaymentRefused, Payment: refused, Reason: string(payment.Declined)}))
	if !w.own(approved) || w.own(refused) {
		t.Errorf("timers of their own: approved %t, refused %t", w.own(approved), w.own(refused))
	}
	w.verify()

	w.advance(near - second) // twenty seconds before the first deadlines
	if !w.own(waiting) || !w.own(late) || w.own(refused) || w.own(next) {
		t.Errorf("near: waiting %t, late %t, refused %t, next %t", w.own(waiting), w.own(late), w.own(refused), w.own(next))
	}
	w.must(w.Notice(t.Context(), w.merchant, approval(late)))
	w.verify()
	w.advance(24 * time.Hour)
	want := map[string]time.Duration{
		waiting: first + time.Hour, next: second + time.Hour, approved: second + 6*time.Hour, late: near + 6*time.Hour,
	}
	got := w.expiries()
	for p, at := range want {
		if got[p] != at {
			t.Errorf("%s expired at %v, want %v", p, got[p], at)
		}
	}
	if len(got) != len(want) {
		t.Errorf("expired: %v", got)
	}
	w.planned()
	w.verify()
}

// TestSharedDeadlinesOfACrowd has more payments share a job than one transaction
// looks at.
func TestSharedDeadlinesOfACrowd(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	const n = 450
	want := map[string]time.Duration{}
	for i := range n {
		want[w.start()] = time.Hour + time.Duration(i)*10*time.Millisecond
		w.clock.Advance(10 * time.Millisecond)
	}
	if got := w.spans(); len(got) != 1 {
		t.Fatalf("they share the jobs %v", got)
	}
	w.advance(2 * time.Hour)
	got := w.expiries()
	for p, at := range want {
		if got[p] != at {
			t.Fatalf("%s expired at %v, want %v", p, got[p], at)
		}
	}
	w.planned()
	w.verify()
}

// TestSharedDeadlinesRunLate has the background runner come to them an hour late:
// those that expired when they were looked at are left alone, and the others expire.
func TestSharedDeadlinesRunLate(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	looked, waiting := w.start(), w.start()
	w.clock.Advance(2 * time.Hour)
	w.must(w.Notice(t.Context(), w.merchant, approval(looked))) // too late
	w.is(looked, payment.Expired)
	w.work()
	w.is(waiting, payment.Expired)
	if got := w.expiries(); len(got) != 2 {
		t.Errorf("expired: %v", got)
	}
	for _, p := range []string{looked, waiting} {
		if w.own(p) {
			t.Errorf("%s is over and has a timer", p)
		}
	}
	w.verify()
}
