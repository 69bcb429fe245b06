package engine_test

import (
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

const owed = ledger.Account("receivable/simrail")

var settlement = time.Date(2026, 9, 17, 0, 0, 0, 0, time.UTC)

func TestWalk(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.start()
	w.is(p, payment.AwaitingPayer)
	w.planned("expire:" + p)
	if got := w.payment(p); got.Attempt.Deadline != begin.Add(time.Hour) || got.Created != begin || len(got.Secret) != 22 || got.Attempt.Rail != "simrail" {
		t.Errorf("started as %+v", got)
	}

	v, err := w.Decide(t.Context(), w.token(p), rail.Approve, nil)
	w.must(err)
	if v.Payment.State() != payment.Processing || v.ReturnTo != "https://shop.example/back?payment="+p || len(v.Details) != 1 {
		t.Errorf("after the decision: %+v", v)
	}
	w.planned("expire:"+p, "notice:"+w.attempt(p)+":0")
	w.facts()
	w.pass(time.Second)
	w.is(p, payment.Authorized)
	if got := w.payment(p).Attempt; got.Deadline != begin.Add(time.Second+6*time.Hour) || got.AuthorizedAt != begin.Add(time.Second) || got.Payer == "" || got.Reference == "" {
		t.Errorf("authorised as %+v", got)
	}
	w.books(map[ledger.Account]int64{owed: -amount, ledger.Hold: amount})
	w.planned("expire:" + p)
	w.verify()

	w.must(w.capture(p))
	w.is(p, payment.Captured)
	if got := w.payment(p); got.CapturedAmount() != got.Amount || got.Attempt.Claim != "" {
		t.Errorf("captured as %+v", got)
	}
	pending := ledger.Pending(settlement)
	w.books(map[ledger.Account]int64{owed: -amount, pending: amount - 320, ledger.Fees: 320})
	w.planned("settle:2026-09-17")
	w.verify()

	r := w.refund(p, 4000)
	w.refundIs(r, payment.RefundPending)
	w.planned("notice:"+r.ID, "settle:2026-09-17")
	w.pass(2 * time.Second)
	w.refundIs(r, payment.RefundSucceeded)
	w.books(map[ledger.Account]int64{owed: -amount + 4000, pending: amount - 320, ledger.Available: -4000, ledger.Fees: 320})

	w.advance(settlement.Sub(begin))
	w.books(map[ledger.Account]int64{owed: -amount + 4000, ledger.Available: amount - 320 - 4000, ledger.Fees: 320})
	w.planned()
	w.facts(event.Authorized, event.Captured, event.RefundCreated, event.RefundSucceeded, event.FundsAvailable)
	w.view(func(r store.Reader) error {
		fs, _, err := r.Facts(0, 10)
		if c := fs[1]; c.Fee.Minor != 320 || c.Amount.Minor != amount || c.Due != settlement || c.Payment != p {
			t.Errorf("captured fact %+v", c)
		}
		if a := fs[4]; a.At != settlement || a.Due != settlement {
			t.Errorf("available fact %+v", a)
		}
		return err
	})
	w.verify()
}

func TestPendingExpires(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.start()
	w.pass(time.Hour - time.Millisecond)
	w.is(p, payment.AwaitingPayer)
	w.pass(time.Millisecond)
	w.is(p, payment.Expired)
	w.facts(event.Expired)
	w.books(nil)
	w.planned() // nothing was held, so nothing goes back
	w.verify()
}

func TestAuthorizedExpires(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.authorized()
	w.clock.Advance(6*time.Hour - time.Millisecond)
	w.work()
	w.is(p, payment.Authorized)
	w.clock.Advance(time.Millisecond)
	if err := w.capture(p); !errors.Is(err, errNotCapturable) {
		t.Fatalf("captured at the deadline: %v", err)
	}
	w.is(p, payment.Authorized) // the refused request left everything as it was

	js, _, err := w.db.ClaimDueJobs(t.Context(), w.clock.Now(), time.Minute, 10)
	w.must(err)
	if len(js) != 1 || js[0].ID != "expire:"+p {
		t.Fatalf("due: %+v", js)
	}
	w.must(w.Run(t.Context(), js[0]))
	w.is(p, payment.Expired)
	w.books(map[ledger.Account]int64{"receivable/remote": 0})
	w.planned("void:" + w.attempt(p))
	if n := len(w.remote.calls("void")); n != 0 {
		t.Errorf("the rail was asked %d times before the commit", n)
	}
	w.must(w.Run(t.Context(), js[0])) // done again, as after a crash
	w.work()
	w.planned()
	if got := w.remote.calls("void"); !slices.Equal(got, []string{w.attempt(p) + ":void"}) {
		t.Errorf("voids %v", got)
	}
	w.facts(event.Authorized, event.Expired)
	w.verify()
}

func TestVoidIsAskedUntilThePayerHasTheMoney(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.authorized()
	w.remote.answer["void"] = rail.Outcome{Status: rail.Refused, Reason: "busy"}
	w.pass(6 * time.Hour)
	w.planned("void:" + w.attempt(p))
	w.pass(time.Second)
	w.planned("void:" + w.attempt(p))
	w.remote.answer["void"] = rail.Outcome{Status: rail.Done}
	w.pass(time.Minute)
	w.planned()
	ids := w.remote.calls("void")
	if len(ids) != 3 || len(slices.Compact(ids)) != 1 {
		t.Errorf("voids %v", ids)
	}
}

func TestLateNoticeGivesMoneyBack(t *testing.T) {
	t.Parallel()
	t.Run("Simulated", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.start(rail.Rule{On: "approve", Do: "late", DelaySeconds: 5})
		_, err := w.Decide(t.Context(), w.token(p), rail.Approve, nil)
		w.must(err)
		w.advance(time.Hour)
		w.is(p, payment.Expired)
		w.planned("notice:" + w.attempt(p) + ":0")
		w.advance(5 * time.Second)
		w.is(p, payment.Expired)
		w.planned()
		w.facts(event.Expired)
		w.books(nil)
		w.verify()
	})
	for name, end := range map[string]func(w *world, p string){
		"Expired": func(w *world, _ string) { w.pass(time.Hour) },
		"Declined": func(w *world, p string) {
			w.must(w.Notice(w.t.Context(), w.merchant, rail.Notice{Kind: rail.PaymentRefused, Payment: p, Reason: "payer_declined"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := overNetwork(t)
			p := w.start()
			end(w, p)
			ended := w.payment(p)
			state := ended.State()
			if state.Waiting() {
				t.Fatalf("payment is %v", state)
			}
			w.must(w.Notice(t.Context(), w.merchant, approval(p)))
			w.is(p, state) // what the merchant was told stays
			w.planned("void:" + w.attempt(p))
			w.work()
			if w.remote.moved("void") != 1 {
				t.Error("the payer did not get the money back")
			}
			w.books(nil)
			w.verify()
		})
	}
	t.Run("BeforeTheTimer", func(t *testing.T) {
		t.Parallel()
		w := overNetwork(t)
		p := w.start()
		w.clock.Advance(time.Hour) // the expiry job is due, but has not run
		w.must(w.Notice(t.Context(), w.merchant, approval(p)))
		w.is(p, payment.Expired)
		w.planned("void:" + w.attempt(p))
		w.facts(event.Expired)
	})
}

func TestDuplicateNoticeIsIgnored(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.start(rail.Rule{On: "approve", Do: "duplicate", DelaySeconds: 1})
	_, err := w.Decide(t.Context(), w.token(p), rail.Approve, nil)
	w.must(err)
	w.pass(time.Second)
	first := w.payment(p)
	w.pass(time.Second)
	if got := w.payment(p); got != first {
		t.Errorf("a duplicate changed %+v to %+v", first, got)
	}
	w.must(w.capture(p))
	for _, n := range []rail.Notice{approval(p), {Kind: rail.PaymentRefused, Payment: p}} {
		w.must(w.Notice(t.Context(), w.merchant, n))
	}
	w.is(p, payment.Captured)
	w.facts(event.Authorized, event.Captured)
	w.planned("settle:2026-09-17")
	w.verify()
}

func TestRefusalAfterApprovalIsIgnored(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.authorized()
	w.must(w.Notice(t.Context(), w.merchant, rail.Notice{Kind: rail.PaymentRefused, Payment: p}))
	w.is(p, payment.Authorized)
	w.verify()
}

func TestStrangeNotices(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.authorized()
	for _, n := range []rail.Notice{
		{Kind: rail.PaymentApproved, Payment: "pay_none"},
		{Kind: rail.RefundDone, Payment: p, Refund: "re_none"},
		{Kind: "unheard_of", Payment: p},
	} {
		if err := w.Notice(t.Context(), w.merchant, n); err == nil {
			t.Errorf("notice %+v was accepted", n)
		}
	}
	w.facts(event.Authorized)
}

func TestCaptureDeclined(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.authorized(rail.Rule{On: "capture", Do: "decline", Reason: "insufficient_funds"})
	w.must(w.capture(p))
	w.is(p, payment.Declined)
	if got := w.payment(p).Attempt; got.Reason != payment.InsufficientFunds || got.Claim != "" || !got.Deadline.IsZero() {
		t.Errorf("attempt %+v", got)
	}
	w.books(nil)
	w.facts(event.Authorized, event.CaptureDeclined)
	w.planned("void:" + w.attempt(p))
	w.work()
	w.planned()
	w.verify()
}

func TestSecondCaptureIsRefused(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.captured()
	if err := w.capture(p); !errors.Is(err, errNotCapturable) {
		t.Errorf("second capture: %v", err)
	}
	w.facts(event.Authorized, event.Captured)
	w.verify()
}

func TestScriptedOutageLeavesEverything(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.authorized(rail.Rule{On: "capture", Do: "error"})
	before := w.payment(p)
	if err := w.capture(p); err == nil || errors.Is(err, errNotCapturable) {
		t.Fatalf("capture: %v", err)
	}
	if got := w.payment(p); got != before {
		t.Errorf("the outage changed %+v to %+v", before, got)
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	for do, want := range map[string]fault.Kind{"unavailable": fault.Unavailable, "error": fault.Internal} {
		_, err := w.Execute(t.Context(), w.startOp(sale(rail.Rule{On: "authorize", Do: do}), ""))
		if got := fault.KindOf(err); err == nil || got != want {
			t.Errorf("%s: kind %v, want %v (%v)", do, got, want, err)
		}
	}
	w.view(func(r store.Reader) error {
		ps, err := r.Payments("", 10)
		if len(ps) != 0 {
			t.Errorf("%d payments were kept", len(ps))
		}
		return err
	})
	w.planned()
}

func TestLiveNeedsARail(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	live := merchant.Merchant{ID: merchant.IDFor("acct_1", true), Account: "acct_1", Live: true, Created: begin}
	w.must(w.db.CreateMerchant(t.Context(), live))
	op := w.startOp(sale(), "")
	op.Merchant = live.ID
	if _, err := w.Execute(t.Context(), op); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a live payment on the simulator: %v", err)
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	pending := ledger.Pending(settlement)
	t.Run("NeverMoreThanCaptured", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.captured()
		w.refund(p, 6000)
		for _, minor := range []int64{4001, 10000, 0, -1} {
			err := w.Update(t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error {
				_, err := refund(t, p, minor)
				return err
			})
			if !errors.Is(err, errNotRefundable) {
				t.Errorf("refund of %d: %v", minor, err)
			}
		}
		w.refund(p, 4000)
		w.pass(2 * time.Second)
		w.books(map[ledger.Account]int64{owed: 0, pending: amount - 320, ledger.Available: -amount, ledger.Fees: 320})
		w.verify()
	})
	t.Run("Failed", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.captured(rail.Rule{On: "refund", Do: "decline", Reason: "account_closed"})
		r := w.refund(p, 6000)
		w.pass(2 * time.Second)
		w.refundIs(r, payment.RefundFailed)
		w.must(w.Notice(t.Context(), w.merchant, rail.Notice{Kind: rail.RefundDone, Payment: p, Refund: r.ID}))
		w.refundIs(r, payment.RefundFailed)
		w.books(map[ledger.Account]int64{owed: -amount, pending: amount - 320, ledger.Available: 0, ledger.Fees: 320})
		w.facts(event.Authorized, event.Captured, event.RefundCreated, event.RefundFailed)
		w.refund(p, amount) // all of it is the merchant's again
		w.verify()
	})
	t.Run("Synchronous", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		w.profile(func(p *merchant.Profile) { p.RefundSynchronous = true })
		w.refundIs(w.refund(w.captured(), 1), payment.RefundSucceeded)
		w.verify()
	})
	t.Run("Pending", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.captured(rail.Rule{On: "refund", Do: "pending"})
		r := w.refund(p, 1)
		w.planned("settle:2026-09-17")
		for range 2 {
			w.must(w.Notice(t.Context(), w.merchant, rail.Notice{Kind: rail.RefundDone, Payment: p, Refund: r.ID}))
			w.refundIs(r, payment.RefundSucceeded)
		}
		w.facts(event.Authorized, event.Captured, event.RefundCreated, event.RefundSucceeded)
	})
	t.Run("Outage", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		w.profile(func(p *merchant.Profile) { p.Script = script(rail.Rule{On: "refund", Do: "error", Times: 2}) })
		r := w.refund(w.captured(), 1)
		w.planned("refund:"+r.ID, "settle:2026-09-17")
		w.pass(time.Minute)
		w.refundIs(r, payment.RefundPending) // failed once more
		w.pass(time.Minute)
		w.pass(time.Minute)
		w.refundIs(r, payment.RefundSucceeded)
		w.planned("settle:2026-09-17")
		w.verify()
	})
	t.Run("Canceled", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.captured()
		r := w.refund(p, 6000)
		cancel := func() error {
			return w.Update(t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error {
				p, err := t.LoadPayment(p)
				if err != nil {
					return err
				}
				ref, err := t.Refund(r.ID)
				if err != nil {
					return err
				}
				return t.CancelRefund(p, &ref)
			})
		}
		w.must(cancel())
		w.refundIs(r, payment.RefundFailed)
		w.planned("settle:2026-09-17")
		w.pass(time.Minute) // the simulator says nothing about it any more
		w.refundIs(r, payment.RefundFailed)
		if err := cancel(); fault.CodeOf(err) != "refund_not_cancelable" {
			t.Errorf("canceled again: %v", err)
		}
		w.refund(p, 10000)
		w.verify()
	})
	t.Run("Window", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.captured()
		w.advance(90 * 24 * time.Hour)
		w.refund(p, 1)
		w.advance(time.Second)
		err := w.Update(t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error {
			_, err := refund(t, p, 1)
			return err
		})
		if fault.CodeOf(err) != "refund_window" {
			t.Errorf("refund after the window: %v", err)
		}
		w.verify()
	})
}

// TestSettlementOnTheSameDay captures again after the day's proceeds have
// become available once.
func TestSettlementOnTheSameDay(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	w.profile(func(p *merchant.Profile) { p.SettlementDays = 0 })
	for i := range 3 {
		w.captured()
		w.work()
		w.planned()
		w.books(map[ledger.Account]int64{
			owed: -amount * int64(i+1), ledger.Available: (amount - 320) * int64(i+1), ledger.Fees: 320 * int64(i+1),
		})
	}
	w.verify()
}

// TestMerchantScriptIsUsedUp counts instructions of the whole key.
func TestMerchantScriptIsUsedUp(t *testing.T) {
	t.Parallel()
	left := func(w *world) (s string) {
		w.view(func(r store.Reader) error {
			m, err := r.Merchant()
			s = m.Profile.Script
			return err
		})
		return s
	}
	t.Run("WhenTheWorkWasUndone", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		w.profile(func(p *merchant.Profile) {
			p.Script = script(rail.Rule{On: "authorize", Do: "unavailable", Times: 2}, rail.Rule{On: "void", Do: "error", Times: 1})
		})
		for range 2 {
			_, err := w.Execute(t.Context(), w.startOp(sale(), "key"))
			if fault.KindOf(err) != fault.Unavailable {
				t.Fatalf("start: %v", err)
			}
		}
		if got, want := left(w), script(rail.Rule{On: "void", Do: "error", Times: 1}); got != want {
			t.Errorf("left %s, want %s", got, want)
		}
		w.is(w.start(), payment.AwaitingPayer)
	})
	t.Run("WhenTheWorkWasDone", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		w.profile(func(p *merchant.Profile) { p.Script = script(rail.Rule{On: "capture", Do: "decline", Times: 1}) })
		p := w.authorized()
		w.must(w.capture(p))
		w.is(p, payment.Declined)
		w.captured()
		if got := left(w); got != "" {
			t.Errorf("left %q", got)
		}
	})
	t.Run("NeverWithoutACount", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		want := script(rail.Rule{On: "capture", Do: "decline"})
		w.profile(func(p *merchant.Profile) { p.Script = want })
		for range 3 {
			p := w.authorized()
			w.must(w.capture(p))
			w.is(p, payment.Declined)
		}
		if got := left(w); got != want {
			t.Errorf("left %s", got)
		}
	})
	t.Run("NotWhenThePaymentHasItsOwn", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		want := script(rail.Rule{On: "capture", Do: "error", Times: 1})
		w.profile(func(p *merchant.Profile) { p.Script = want })
		p := w.authorized(rail.Rule{On: "capture", Do: "decline", Reason: "insufficient_funds"})
		w.must(w.capture(p))
		w.is(p, payment.Declined)
		if got := left(w); got != want {
			t.Errorf("left %s", got)
		}
	})
	t.Run("WhenAJobFailed", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		w.profile(func(p *merchant.Profile) { p.Script = script(rail.Rule{On: "void", Do: "error", Times: 1}) })
		p := w.authorized()
		w.pass(6 * time.Hour)
		w.planned("void:" + w.attempt(p))
		w.pass(time.Second)
		w.planned()
	})
}
