package multisafepay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlite"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// timers are the jobs that orders have, of their own or together.
func (w *world) timers() (own, shared []string) {
	w.t.Helper()
	if err := w.Store.View(w.t.Context(), w.merchantID(), func(r store.Reader) error {
		js, err := r.Jobs(1000)
		for _, j := range js {
			switch {
			case strings.HasPrefix(j.ID, "order:"):
				own = append(own, j.ID)
			case strings.HasPrefix(j.ID, "orders:"):
				shared = append(shared, j.ID)
			}
		}
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return own, shared
}

// endings are the instants at which merchants were told that orders were over, by
// order.
func (w *world) endings(hook *wiretest.Receiver) map[string]string {
	w.t.Helper()
	at := map[string]string{}
	for _, n := range w.notified(hook) {
		if n.Object["status"] == "expired" {
			at[fmt.Sprint(n.Object["order_id"])] = fmt.Sprint(n.Object["modified"])
		}
	}
	return at
}

// TestEnds: merchants are told to the second when sessions end, of those that nobody
// paid, that nobody cancelled, and that were good for whatever time.
func TestEnds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := wiretest.NewReceiver(t)
		create := func(id string, change object) object {
			t.Helper()
			all := object{"order_id": id, "payment_options": notifying(hook), "seconds_active": 600}
			for k, v := range change {
				all[k] = v
			}
			return w.create(all)
		}
		create("first", nil)
		paid := create("paid", nil)
		create("cancelled", nil)
		create("direct", object{"type": "direct"})
		create("quiet", object{"payment_options": object{"redirect_url": "https://shop.example/"}})
		create("short", object{"seconds_active": 119})
		create("long", object{"seconds_active": 601})
		w.advance(20 * time.Second)
		create("second", nil)
		w.advance(time.Minute)
		create("third", nil)
		w.must(w.patch("orders/cancelled", `{"status":"cancelled"}`))
		w.decide(w.choose(paid["payment_url"].(string), "ALIPAY"), "completed")
		own, shared := w.timers()
		open := []string{"first", "paid", "cancelled", "long", "second", "third"} // "quiet" and "direct" have no end to tell of
		if _, alone := w.Store.(*sqlite.Store); alone && (len(own) > 1 || len(shared) != 3) || !alone && len(own) < len(open) {
			t.Errorf("timers %v, shared %v", own, shared)
		}
		w.advance(time.Hour)
		want := map[string]string{
			"short": "2026-09-10T03:01:59", "first": "2026-09-10T03:10:00", "long": "2026-09-10T03:10:01", "second": "2026-09-10T03:10:20", "third": "2026-09-10T03:11:20",
		}
		if got := w.endings(hook); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told of %v, want %v", got, want)
		}
		if own, shared := w.timers(); len(own)+len(shared) > 0 {
			t.Errorf("timers that are left: %v %v", own, shared)
		}
	})
}

// TestEndsOfACrowd has more orders share a timer than one transaction looks at.
func TestEndsOfACrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := wiretest.NewReceiver(t)
	const n = 450
	for i := range n {
		w.create(object{"order_id": fmt.Sprint("order-", i), "payment_options": notifying(hook), "days_active": 1})
		w.Clock.Advance(100 * time.Millisecond)
	}
	own, shared := w.timers()
	if len(own) > 0 || len(shared) != 1 {
		t.Fatalf("timers %v, shared %v", own, shared)
	}
	w.advance(25 * time.Hour)
	got := w.endings(hook)
	for i := range n {
		at := wiretest.Start.Add(24*time.Hour + time.Duration(i)*100*time.Millisecond).Add(2 * time.Hour).Format("2006-01-02T15:04:05")
		if id := fmt.Sprint("order-", i); got[id] != at {
			t.Fatalf("%s ended at %s, want %s", id, got[id], at)
		}
	}
	if len(got) != n {
		t.Errorf("told of %d orders", len(got))
	}
}
