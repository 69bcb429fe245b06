package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

const owedRemote = ledger.Account("receivable/remote")

var errLost = errors.New("connection reset")

func TestRemoteWalk(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.start()
	w.is(p, payment.AwaitingPayer)
	if got := w.payment(p).Attempt.Reference; got != "ref:"+w.attempt(p) {
		t.Errorf("reference %q", got)
	}
	w.planned("expire:" + p)
	w.must(w.Notice(t.Context(), w.merchant, approval(p)))
	w.must(w.capture(p))
	w.is(p, payment.Captured)
	r := w.refund(p, 4000)
	w.planned("refund:"+r.ID, "settle:2026-09-17")
	w.work()
	w.refundIs(r, payment.RefundPending) // until the rail's notice
	w.planned("settle:2026-09-17")
	w.must(w.Notice(t.Context(), w.merchant, rail.Notice{Kind: rail.RefundDone, Payment: p, Refund: r.ID}))
	w.refundIs(r, payment.RefundSucceeded)
	w.books(map[ledger.Account]int64{
		owedRemote: -amount + 4000, ledger.Pending(settlement): amount - 320, ledger.Available: -4000, ledger.Fees: 320,
	})
	w.facts(event.ActionNeeded, event.Authorized, event.Captured, event.RefundCreated, event.RefundSucceeded)
	if got, want := w.remote.asked, []string{"authorize " + w.attempt(p), "capture ch:" + p, "refund " + r.ID}; !slices.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
	w.verify()
}

// TestNoTransactionIsOpenWhileTheRailIsAsked writes for somebody else while the
// rail is busy: SQLite has one writer, so that an open transaction would keep
// it waiting.
func TestNoTransactionIsOpenWhileTheRailIsAsked(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	other, err := engine.NewWorlds(w.Engine).Sandbox(t.Context(), "acct_2")
	w.must(err)
	var verbs []string
	w.remote.hooks(func(ctx context.Context, verb string, _ rail.Request) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		verbs = append(verbs, verb)
		return w.db.Update(ctx, other, func(tx store.Tx) error {
			m, err := tx.Merchant()
			if err != nil {
				return err
			}
			m.Profile.Name = verb
			return tx.UpdateMerchant(m)
		})
	}, nil)
	p := w.captured()
	w.refund(p, 1)
	w.work()
	w.authorized()
	w.pass(6 * time.Hour)
	w.work()
	if want := []string{"authorize", "capture", "refund", "authorize", "void"}; !slices.Equal(verbs, want) {
		t.Errorf("asked to %v, want %v", verbs, want)
	}
	w.must(w.db.View(t.Context(), other, func(r store.Reader) error {
		m, err := r.Merchant()
		if m.Profile.Name != "void" {
			t.Errorf("the other merchant's last write: %q", m.Profile.Name)
		}
		return err
	}))
	w.verify()
}

// TestTheClaimHolds tries everything that could spoil a capture while the rail
// is at it.
func TestTheClaimHolds(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.authorized()
	tried := false
	w.remote.hooks(func(ctx context.Context, verb string, _ rail.Request) error {
		if verb != "capture" {
			return nil
		}
		w.remote.hooks(nil, nil)
		tried = true
		if err := w.capture(p); !errors.Is(err, errNotCapturable) {
			t.Errorf("second capture meanwhile: %v", err)
		}
		if _, err := w.Execute(ctx, w.captureOp(p, "ch_1", "key", "req_2")); fault.KindOf(err) != fault.Busy || fault.CodeOf(err) != engine.CodeKeyBusy {
			t.Errorf("the same request meanwhile: %v", err)
		}
		w.clock.Advance(6 * time.Hour) // past the deadline
		w.must(w.Notice(ctx, w.merchant, approval(p)))
		w.is(p, payment.Authorized)
		return nil
	}, nil)
	_, err := w.Execute(t.Context(), w.captureOp(p, "ch_1", "key", "req_1"))
	w.must(err)
	if !tried {
		t.Fatal("the rail was not asked")
	}
	w.is(p, payment.Captured)
	if got := w.remote.calls("capture"); !slices.Equal(got, []string{"ch_1"}) {
		t.Errorf("captures %v", got)
	}
	w.work()
	w.is(p, payment.Captured)
	w.facts(event.Authorized, event.Captured)
	w.verify()
}

// TestExpiryWaitsForTheOutcome runs the deadline's job under a claim.
func TestExpiryWaitsForTheOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status rail.Status
		want   payment.State
	}{"Done": {rail.Done, payment.Captured}, "Refused": {rail.Refused, payment.Declined}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := overNetwork(t)
			p := w.authorized()
			w.remote.hooks(nil, func(context.Context, string, rail.Request) error { return errLost })
			if err := w.capture(p); !errors.Is(err, errLost) {
				t.Fatalf("capture: %v", err)
			}
			w.pass(6 * time.Hour)
			w.is(p, payment.Authorized)
			w.planned("call:ch:"+p, "expire:"+p)
			w.remote.hooks(nil, nil)
			w.remote.answer["capture"] = rail.Outcome{Status: c.status}
			w.pass(time.Hour)
			w.is(p, c.want)
			w.work()
			w.planned(map[payment.State][]string{payment.Captured: {"settle:2026-09-17"}}[c.want]...)
			w.verify()
		})
	}
}

func TestRemoteCaptureRefused(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.authorized()
	w.remote.answer["capture"] = rail.Outcome{Status: rail.Refused, Reason: "insufficient_funds"}
	reply, err := w.Execute(t.Context(), w.captureOp(p, "ch_1", "key", "req_1"))
	w.must(err)
	if got, want := string(reply.Body), p+" is declined, captured 0.00"; got != want {
		t.Errorf("reply %q, want %q", got, want)
	}
	w.planned("void:" + w.attempt(p))
	w.work()
	if w.remote.moved("void") != 1 {
		t.Error("held funds stay with the rail")
	}
	w.facts(event.Authorized, event.CaptureDeclined)
	w.books(nil)
	w.verify()
}

func TestRemoteStartRefused(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	w.remote.answer["authorize"] = rail.Outcome{Status: rail.Refused, Reason: "blocked"}
	p := w.start()
	w.is(p, payment.Declined)
	w.facts(event.Declined)
	w.planned()
	w.verify()
}

// crashes are the places where a process can die between claim and outcome.
var crashes = map[string]func(w *world){
	"BeforeTheRailActed": func(w *world) {
		w.remote.hooks(func(context.Context, string, rail.Request) error { return errLost }, nil)
	},
	"AfterTheRailActed": func(w *world) {
		w.remote.hooks(nil, func(context.Context, string, rail.Request) error { return errLost })
	},
}

func TestCrashBetweenClaimAndOutcome(t *testing.T) {
	t.Parallel()
	for name, crash := range crashes {
		// begun has a capture whose outcome nobody knows.
		begun := func(t *testing.T) (*world, string, engine.Op) {
			w := overNetwork(t)
			p := w.authorized()
			crash(w)
			op := w.captureOp(p, "ch_1", "key", "req_1")
			if _, err := w.Execute(t.Context(), op); !errors.Is(err, errLost) {
				t.Fatalf("capture: %v", err)
			}
			w.remote.hooks(nil, nil)
			w.is(p, payment.Authorized)
			if got := w.payment(p).Attempt.Claim; got != "ch_1" {
				t.Fatalf("claimed by %q", got)
			}
			w.planned("call:ch_1", "expire:"+p)
			w.verify()
			return w, p, op
		}
		once := func(t *testing.T, w *world, p string) {
			t.Helper()
			w.is(p, payment.Captured)
			ids := w.remote.calls("capture")
			if len(slices.Compact(ids)) != 1 || w.remote.moved("capture") != 1 {
				t.Errorf("captured %d times as %v", w.remote.moved("capture"), ids)
			}
			w.books(map[ledger.Account]int64{owedRemote: -amount, ledger.Pending(settlement): amount - 320, ledger.Fees: 320})
			w.planned("settle:2026-09-17")
			w.facts(event.Authorized, event.Captured)
			w.verify()
		}
		t.Run(name+"/Replayed", func(t *testing.T) {
			t.Parallel()
			w, p, op := begun(t)
			w.clock.Advance(time.Minute - time.Millisecond)
			if _, err := w.Execute(t.Context(), op); fault.CodeOf(err) != engine.CodeKeyBusy {
				t.Fatalf("within a minute: %v", err)
			}
			w.clock.Advance(time.Millisecond)
			replay := w.captureOp(p, "ch_another", "key", "req_2") // a new process makes up a new name
			reply, err := w.Execute(t.Context(), replay)
			w.must(err)
			// What the first request began is finished in its name.
			if reply.Replayed || reply.RequestID != "req_1" || string(reply.Body) != p+" is captured, captured 100.00" {
				t.Errorf("reply %+v, body %s", reply, reply.Body)
			}
			once(t, w, p)
			again, err := w.Execute(t.Context(), op)
			w.must(err)
			if !again.Replayed || string(again.Body) != string(reply.Body) || again.RequestID != "req_1" {
				t.Errorf("replay %+v, body %s", again, again.Body)
			}
			once(t, w, p)
		})
		t.Run(name+"/SettledByTheJob", func(t *testing.T) {
			t.Parallel()
			w, p, op := begun(t)
			w.pass(2*time.Minute - time.Millisecond)
			w.is(p, payment.Authorized)
			w.pass(time.Millisecond)
			once(t, w, p)
			reply, err := w.Execute(t.Context(), op)
			w.must(err)
			if string(reply.Body) != p+" is captured, captured 100.00" {
				t.Errorf("reply %s", reply.Body)
			}
			once(t, w, p)
		})
		t.Run(name+"/ReplayedByMany", func(t *testing.T) {
			t.Parallel()
			w, p, op := begun(t)
			w.clock.Advance(time.Minute)
			results := make(chan error, 8)
			for range cap(results) {
				go func() {
					reply, err := w.Execute(t.Context(), op)
					for fault.CodeOf(err) == engine.CodeKeyBusy { // as a client would, who is told to try again
						reply, err = w.Execute(t.Context(), op)
					}
					if err == nil && string(reply.Body) != p+" is captured, captured 100.00" {
						t.Errorf("reply %s", reply.Body)
					}
					results <- err
				}()
			}
			for range cap(results) {
				w.must(<-results)
			}
			once(t, w, p)
		})
	}
}

func TestCrashWhileStarting(t *testing.T) {
	t.Parallel()
	for name, crash := range crashes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := overNetwork(t)
			crash(w)
			if _, err := w.Execute(t.Context(), w.startOp(sale(), "key")); !errors.Is(err, errLost) {
				t.Fatalf("start: %v", err)
			}
			w.remote.hooks(nil, nil)
			p := w.last()
			w.is(p, payment.Started)
			w.pass(2 * time.Minute)
			w.is(p, payment.AwaitingPayer)
			w.planned("expire:" + p)
			w.facts(event.ActionNeeded)
			if ids := w.remote.calls("authorize"); len(ids) != 2 || ids[0] != w.attempt(p) || ids[1] != ids[0] {
				t.Errorf("authorisations %v", ids)
			}
			w.verify()
		})
	}
}

// TestAnApprovalOvertakesTheAnswer delivers the wallet's notice before the
// answer to the request that led to it.
func TestAnApprovalOvertakesTheAnswer(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	w.remote.hooks(nil, func(ctx context.Context, verb string, q rail.Request) error {
		return w.Notice(ctx, w.merchant, approval(q.Payment))
	})
	p := w.start()
	w.is(p, payment.Authorized)
	if got := w.payment(p).Attempt.Reference; got != "trade" {
		t.Errorf("reference %q", got)
	}
	w.facts(event.Authorized)
	w.planned("expire:" + p)
	w.verify()
}

func TestRemoteRefunds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		out  rail.Outcome
		want payment.RefundState
	}{
		"Done":    {rail.Outcome{Status: rail.Done}, payment.RefundSucceeded},
		"Refused": {rail.Outcome{Status: rail.Refused, Reason: "closed"}, payment.RefundFailed},
		"Waiting": {rail.Outcome{Status: rail.Waiting}, payment.RefundPending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := overNetwork(t)
			w.remote.answer["refund"] = c.out
			p := w.captured()
			r := w.refund(p, 1)
			w.remote.hooks(nil, func(context.Context, string, rail.Request) error { return errLost })
			w.work() // the answer got lost
			w.refundIs(r, payment.RefundPending)
			w.remote.hooks(nil, nil)
			w.pass(time.Second)
			w.refundIs(r, c.want)
			w.planned("settle:2026-09-17")
			if ids := w.remote.calls("refund"); len(ids) != 2 || ids[0] != r.ID || ids[1] != r.ID {
				t.Errorf("refunds %v", ids)
			}
			w.verify()
		})
	}
}

// TestRailThatIsGone keeps the work until somebody connects the rail again.
func TestRailThatIsGone(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.authorized()
	bare := engine.New(w.db, w.clock, w.IDs, w.Log)
	bare.AddFront(w.front)
	op := w.captureOp(p, "ch_1", "key", "req_1")
	if _, err := bare.Execute(t.Context(), op); err == nil {
		t.Error("captured on a rail that is not connected")
	}
	if got := w.payment(p).Attempt.Claim; got != "" {
		t.Errorf("claimed by %q", got)
	}
	noFront := engine.New(w.db, w.clock, w.IDs, w.Log)
	noFront.AddRail(false, w.remote)
	if _, err := noFront.Execute(t.Context(), op); err == nil {
		t.Error("captured though nobody could be told")
	}
	w.books(map[ledger.Account]int64{owedRemote: -amount, ledger.Hold: amount})
	w.clock.Advance(2 * time.Minute)
	w.work() // the claim was committed before the front was missed; the job settles it
	w.is(p, payment.Captured)
	w.verify()
}

func TestWorlds(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	worlds := engine.NewWorlds(w.Engine)
	ids := make(chan int64, 8)
	for range cap(ids) {
		go func() {
			id, err := worlds.Sandbox(t.Context(), "acct_9")
			if err != nil {
				t.Error(err)
			}
			ids <- id
		}()
	}
	for range cap(ids) {
		if got := <-ids; got != merchant.IDFor("acct_9", false) {
			t.Errorf("world %d", got)
		}
	}
	if _, err := worlds.Credential(t.Context(), "sk_none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
	want := store.Credential{Hash: merchant.KeyHash("sk_1"), Merchant: w.merchant, Kind: "secret", Created: begin}
	w.must(w.db.PutCredential(t.Context(), want))
	if got, err := worlds.Credential(t.Context(), "sk_1"); err != nil || got.Merchant != w.merchant {
		t.Errorf("credential %+v: %v", got, err)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.captured()
	w.advance(time.Hour)
	w.profile(func(p *merchant.Profile) { p.Country = "DK" })
	w.must(w.Reset(t.Context(), w.merchant))
	w.view(func(r store.Reader) error {
		if _, err := r.Payment(p); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the payment is still there: %v", err)
		}
		m, err := r.Merchant()
		if m.Offset != 0 || m.Profile.Country != "US" {
			t.Errorf("merchant %+v", m)
		}
		return err
	})
	w.planned()
	w.books(nil)
	w.verify()
	live := merchant.Merchant{ID: merchant.IDFor("acct_1", true), Account: "acct_1", Live: true, Created: begin}
	w.must(w.db.CreateMerchant(t.Context(), live))
	if err := w.Reset(t.Context(), live.ID); fault.KindOf(err) != fault.Invalid {
		t.Errorf("reset of a live account: %v", err)
	}
	if err := w.Reset(t.Context(), 12345); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("reset of nobody: %v", err)
	}
}

// TestUndecidedCaptureIsNotARefusal: a rail that has not decided about a capture
// keeps the claim and the funds; the job asks again and the answer counts.
func TestUndecidedCaptureIsNotARefusal(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.start()
	w.must(w.Notice(t.Context(), w.merchant, approval(p)))
	w.remote.mu.Lock()
	w.remote.answer = map[string]rail.Outcome{"capture": {Status: rail.Waiting}}
	w.remote.mu.Unlock()
	if err := w.capture(p); err == nil {
		t.Error("an undecided capture is reported as done")
	}
	w.is(p, payment.Authorized)
	w.planned("call:ch:"+p, "expire:"+p)
	w.remote.mu.Lock()
	w.remote.answer = nil
	w.remote.mu.Unlock()
	w.pass(3 * time.Minute)
	w.work()
	w.is(p, payment.Captured)
	w.verify()
}

// TestAnOutcomeThatTakesDays costs an advance a look now and then.
func TestAnOutcomeThatTakesDays(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.authorized()
	w.remote.hooks(func(_ context.Context, verb string, _ rail.Request) error {
		if verb == "capture" {
			return errLost
		}
		return nil
	}, nil)
	if err := w.capture(p); err == nil {
		t.Fatal("captured")
	}
	adv := w.advance(4 * 24 * time.Hour)
	// The capture is asked for and the deadline looked at about once an hour.
	if adv.Jobs < 50 || adv.Jobs > 300 {
		t.Errorf("%d pieces of work in four days", adv.Jobs)
	}
	w.is(p, payment.Authorized)
	w.remote.hooks(nil, nil)
	w.advance(2 * time.Hour)
	w.is(p, payment.Captured)
	w.verify()
}

// TestAnUnavailableRailHasAnswered: the request fails, what it began is over, and
// its key is free.
func TestAnUnavailableRailHasAnswered(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	unavailable := func(_ context.Context, verb string, _ rail.Request) error {
		return fault.New(fault.Unavailable, "method_not_available", "Not at present.")
	}
	only := func(want payment.State) {
		t.Helper()
		w.view(func(r store.Reader) error {
			ps, err := r.Payments("", 10)
			if len(ps) != 1 || ps[0].State() != want {
				t.Errorf("payments %+v, want one that is %v", ps, want)
			}
			return err
		})
	}
	w.remote.hooks(unavailable, nil)
	if _, err := w.Execute(t.Context(), w.startOp(sale(), "key")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("kind %v, want unavailable (%v)", fault.KindOf(err), err)
	}
	only(payment.Declined)
	w.planned()
	w.remote.hooks(nil, nil)
	reply, err := w.Execute(t.Context(), w.startOp(sale(), "key"))
	if err != nil || reply.Replayed {
		t.Errorf("again with the same key: %+v, %v", reply, err)
	}
	w.verify()

	// The same when only the job is left to ask.
	w = overNetwork(t)
	w.remote.hooks(func(context.Context, string, rail.Request) error { return errLost }, nil)
	if _, err := w.Execute(t.Context(), w.startOp(sale(), "")); err == nil {
		t.Fatal("started")
	}
	only(payment.Started)
	w.remote.hooks(unavailable, nil)
	w.advance(3 * time.Minute)
	only(payment.Declined)
	w.planned()
	w.verify()
}

// TestDescriptor looks at what a rail is told to put on the payer's statement:
// the payment's own words, or else the merchant's.
func TestDescriptor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ own, want string }{"Merchant": {"", "TEA HOUSE"}, "Payment": {"ORDER 77", "ORDER 77"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := overNetwork(t)
			w.profile(func(p *merchant.Profile) { p.Descriptor = "TEA HOUSE" })
			var told []string
			w.remote.hooks(func(_ context.Context, verb string, q rail.Request) error {
				told = append(told, verb+" "+q.Descriptor)
				return nil
			}, nil)
			p := sale()
			p.Descriptor = c.own
			id := w.startWith(p)
			w.must(w.Notice(t.Context(), w.merchant, approval(id)))
			w.must(w.capture(id))
			w.refund(id, 100)
			w.work()
			if want := []string{"authorize " + c.want, "capture " + c.want, "refund " + c.want}; !slices.Equal(told, want) {
				t.Errorf("the rail was told %v, want %v", told, want)
			}
		})
	}
}
