package stripe_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// moneyFacts counts what must never be deleted.
func (w *world) moneyFacts() (transfers, facts, payments int) {
	w.t.Helper()
	if err := w.store.View(context.Background(), w.merchantID(), func(r store.Reader) error {
		ts, _, err := r.Transfers(0, 1000)
		if err != nil {
			return err
		}
		fs, _, err := r.Facts(0, 1000)
		if err != nil {
			return err
		}
		ps, err := r.Payments("", 1000)
		transfers, facts, payments = len(ts), len(fs), len(ps)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return transfers, facts, payments
}

func (w *world) merchantID() int64 {
	w.t.Helper()
	return merchant.IDFor(w.control("GET", "account", "")["account"].(string), false)
}

func (w *world) deliveries(query string) []any {
	w.t.Helper()
	return w.control("GET", "deliveries"+query, "")["deliveries"].([]any)
}

// TestEventRetention: thirty days on the account's clock.
func TestEventRetention(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := newReceiver(t)
		we := w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "*"))
		w.charged()
		w.advance(0)
		charge := w.must(w.get("/v1/events", "type", "charge.succeeded"))["data"].([]any)[0].(object)
		id := charge["id"].(string)
		w.advance(8 * 24 * time.Hour) // past the settlement, so that no more money moves
		transfers, facts, payments := w.moneyFacts()

		w.advance(30*24*time.Hour - 8*24*time.Hour - 2*time.Second)
		if got := w.must(w.get("/v1/events/" + id)); got["data"].(object)["object"].(object)["amount"] != 1099.0 {
			t.Errorf("after almost 30 days the event is %v", got)
		}
		if n := len(w.must(w.get("/v1/events", "type", "charge.succeeded"))["data"].([]any)); n != 1 {
			t.Errorf("after almost 30 days %d events are listed", n)
		}
		if n := len(w.deliveries("?event=" + id)); n != 1 {
			t.Errorf("after almost 30 days %d deliveries are listed", n)
		}

		// The clock is moved on the wall, so that no job has run yet: what is
		// over is not shown, pruned or not.
		for _, pruned := range []bool{false, true} {
			if pruned {
				w.advance(48 * time.Hour)
			} else {
				w.clock.Advance(3 * time.Second)
			}
			if n := len(w.must(w.get("/v1/events", "type", "charge.succeeded"))["data"].([]any)); n != 0 {
				t.Errorf("pruned %v: %d events are listed after 30 days", pruned, n)
			}
			got := w.must(w.get("/v1/events/" + id))
			summary := got["data"].(object)["object"].(object)
			if len(summary) != 2 || summary["id"] != charge["data"].(object)["object"].(object)["id"] || summary["object"] != "charge" {
				t.Errorf("pruned %v: the event's object is %v, want its id and kind", pruned, summary)
			}
			if got["type"] != "charge.succeeded" || got["created"] != charge["created"] || got["pending_webhooks"] != 0.0 || got["api_version"] != charge["api_version"] {
				t.Errorf("pruned %v: the event is %v", pruned, got)
			}
			r := w.post("/v1/events/"+id+"/retry", "webhook_endpoint", we["id"].(string))
			if r.status != 404 || r.err()["code"] != "resource_missing" {
				t.Errorf("pruned %v: delivering it again: %d %s", pruned, r.status, r.body)
			}
			if s := w.controlStatus("POST", "resend", `{"event":"`+id+`","endpoint":"`+we["id"].(string)+`"}`); s != 404 {
				t.Errorf("pruned %v: delivering it again by the control API: %d", pruned, s)
			}
		}
		if n := len(w.deliveries("?event=" + id)); n != 0 {
			t.Errorf("%d deliveries are left of a pruned event", n)
		}
		if r := w.get("/v1/events", "starting_after", id); r.status != 400 || r.err()["param"] != "starting_after" {
			t.Errorf("a pruned event as cursor: %d %s", r.status, r.body)
		}
		if a, b, c := w.moneyFacts(); a != transfers || b != facts || c != payments {
			t.Errorf("pruning left %d transfers, %d facts, %d payments of %d, %d, %d", a, b, c, transfers, facts, payments)
		}
		// Nothing to show is nothing to look through.
		w.advance(31 * 24 * time.Hour)
		if err := w.store.View(t.Context(), w.merchantID(), func(r store.Reader) error {
			jobs, err := r.Jobs(10)
			if len(jobs) > 0 {
				t.Errorf("still planned: %v", jobs)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		w.source()
		w.advance(2 * time.Hour) // canceled: an event, and a plan to forget it
		if n := len(w.must(w.get("/v1/events"))["data"].([]any)); n != 1 {
			t.Errorf("%d events afterwards, want 1", n)
		}
	})
}

// TestPruneIsBounded: one transaction deletes no more than it is told.
func TestPruneIsBounded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for range 5 {
			w.must(w.post("/v1/customers", "email", "a@example.com"))
		}
		w.clock.Advance(time.Hour)
		w.must(w.post("/v1/customers"))
		last := w.clock.Now()
		w.clock.Advance(30*24*time.Hour - time.Hour)
		prune := func(limit int, more bool) {
			t.Helper()
			if err := w.srv.Engine.Update(t.Context(), w.merchantID(), engine.Cause{}, func(tx *engine.Tx) error {
				next, err := w.srv.Stripe.Prune(tx, limit)
				if want := last.Add(30 * 24 * time.Hour); err == nil && (more && !next.Equal(tx.At) || !more && !next.Equal(want)) {
					t.Errorf("next at %v, want more %v", next, more)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		prune(2, true)
		prune(2, true)
		prune(2, false)
		prune(2, false)
		if got := strings.Join(w.events(), " "); got != "customer.created" {
			t.Errorf("left: %s", got)
		}
	})
}

// TestAnswersArePruned: on the wall clock, whosever they are.
func TestAnswersArePruned(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		key := map[string]string{"Idempotency-Key": "k"}
		w.must(w.do("POST", "/v1/customers", key))
		w.advance(100 * 24 * time.Hour) // the account's clock does not count
		if err := w.srv.Engine.PlanAnswers(ctx); err != nil {
			t.Fatal(err)
		}
		stored := func() bool {
			err := w.store.View(ctx, w.merchantID(), func(r store.Reader) error { _, err := r.Answer("k"); return err })
			return err == nil
		}
		run := func() {
			t.Helper()
			jobs, _, err := w.store.ClaimDueJobs(ctx, w.clock.Now(), time.Minute, 10)
			if err != nil || len(jobs) != 1 || jobs[0].Kind != engine.JobAnswers {
				t.Fatalf("claimed %v, %v", jobs, err)
			}
			w.srv.Runner.Do(ctx, jobs[0])
		}
		run()
		if !stored() {
			t.Error("the answer was deleted at once")
		}
		w.clock.Advance(24 * time.Hour)
		run()
		if !stored() {
			t.Error("the answer was deleted while it can be replayed")
		}
		w.clock.Advance(time.Hour)
		run()
		if stored() {
			t.Error("the answer is still there after a day")
		}
	})
}
