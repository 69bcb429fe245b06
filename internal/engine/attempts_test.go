package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// saleAuto is a sale that is captured when authorised.
func saleAuto(rules ...rail.Rule) payment.Payment {
	p := sale(rules...)
	p.AutoCapture = true
	return p
}

func (w *world) startWith(p payment.Payment) string {
	w.t.Helper()
	_, err := w.Execute(w.t.Context(), w.startOp(p, ""))
	w.must(err)
	return w.last()
}

// retry makes another attempt with what change sets.
func (w *world) retry(paymentID string, change func(p *payment.Payment)) error {
	return w.Update(w.t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error {
		p, err := t.LoadPayment(paymentID)
		if err != nil {
			return err
		}
		proof, ok := p.Retryable()
		if !ok {
			return errNotCapturable
		}
		change(p)
		return t.Retry(p, proof)
	})
}

func TestCapturedWhenAuthorized(t *testing.T) {
	t.Parallel()
	booked := map[ledger.Account]int64{owed: -amount, ledger.Pending(settlement): amount - 320, ledger.Fees: 320}
	for name, c := range map[string]struct {
		rule rail.Rule
		then func(w *world, p string)
	}{
		"Redirected": {rail.Rule{}, func(w *world, p string) {
			_, err := w.Decide(w.t.Context(), w.token(p), rail.Approve, nil)
			w.must(err)
			w.is(p, payment.Processing)
			w.pass(time.Second)
		}},
		"AtOnce":  {rail.Rule{On: "authorize", Do: "approve"}, func(*world, string) {}},
		"Pending": {rail.Rule{On: "authorize", Do: "pending", DelaySeconds: 7}, func(w *world, p string) { w.is(p, payment.Processing); w.pass(7 * time.Second) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := simulated(t)
			p := w.startWith(saleAuto(c.rule))
			c.then(w, p)
			w.is(p, payment.Captured)
			if got := w.payment(p); got.CapturedAmount() != got.Amount || got.Attempt.Payer == "" || got.Attempt.Reference == "" {
				t.Errorf("captured as %+v", got)
			}
			w.books(booked)
			w.facts(event.Authorized, event.Captured)
			w.planned("settle:2026-09-17")
			w.verify()
		})
	}
	t.Run("OverNetwork", func(t *testing.T) {
		t.Parallel()
		w := overNetwork(t)
		p := w.startWith(saleAuto())
		w.must(w.Notice(t.Context(), w.merchant, approval(p)))
		w.is(p, payment.Authorized) // no transaction waits for the rail
		w.verify()
		w.work()
		w.is(p, payment.Captured)
		if got := w.remote.calls("capture"); !slices.Equal(got, []string{"capture:" + w.attempt(p)}) {
			t.Errorf("captures %v", got)
		}
		w.planned("settle:2026-09-17")
		w.verify()
	})
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.startWith(saleAuto(rail.Rule{On: "authorize", Do: "approve"}, rail.Rule{On: "capture", Do: "decline", Reason: "insufficient_funds"}))
		w.is(p, payment.Declined)
		w.facts(event.Authorized, event.CaptureDeclined)
		w.work()
		w.books(nil)
		w.planned()
		w.verify()
	})
}

func TestDecidedAtOnce(t *testing.T) {
	t.Parallel()
	w := withAgreements(t)
	p := w.start(rail.Rule{On: "authorize", Do: "decline", Reason: "insufficient_funds"})
	w.is(p, payment.Declined)
	if got := w.payment(p).Attempt.Reason; got != payment.InsufficientFunds {
		t.Errorf("refused because of %q", got)
	}
	w.facts(event.Declined)
	w.planned()
	q := w.start(rail.Rule{On: "authorize", Do: "pending", Reason: "payer_declined"})
	w.is(q, payment.Processing)
	w.pass(time.Second)
	w.is(q, payment.Declined)
	agreed := sale()
	agreed.Agreement = w.request("gcash")
	r := w.startWith(agreed)
	w.is(r, payment.Authorized)
	w.books(map[ledger.Account]int64{owed: -amount, ledger.Hold: amount})
	w.planned("expire:"+r, "agreement:"+agreed.Agreement)
	w.verify()
}

func TestPartialCapture(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]func(*testing.T) *world{"Simulated": simulated, "OverNetwork": overNetwork} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			p := w.authorized()
			capture := func(minor int64, c money.Currency) error {
				op := w.captureOp(p, "op", "", "req")
				op.Begin = func(t *engine.Tx) error {
					p, err := t.LoadPayment(p)
					if err != nil {
						return err
					}
					proof, _ := p.Capturable(t.At)
					return t.Capture(p, proof, "op", money.Of(minor, c))
				}
				_, err := w.Execute(t.Context(), op)
				return err
			}
			for minor, c := range map[int64]money.Currency{0: "USD", -1: "USD", amount + 1: "USD", 1000: "EUR"} {
				if err := capture(minor, c); fault.KindOf(err) != fault.Invalid {
					t.Errorf("capture of %d %s: %v", minor, c, err)
				}
			}
			w.is(p, payment.Authorized)
			w.must(capture(4000, "USD"))
			w.is(p, payment.Captured)
			got := w.payment(p)
			if got.CapturedAmount() != money.Of(4000, "USD") {
				t.Errorf("captured %s", got.CapturedAmount())
			}
			// The fee is of what was captured; the rest is nobody's debt.
			w.books(map[ledger.Account]int64{ledger.Receivable(got.Attempt.Rail): -4000, ledger.Pending(settlement): 4000 - 146, ledger.Fees: 146})
			w.planned("settle:2026-09-17")
			if r := w.refund(p, 4000); r == nil {
				t.Error("what was captured cannot be refunded")
			}
			w.verify()
		})
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.startWith(saleAuto())
	if err := w.retry(p, func(*payment.Payment) {}); err == nil {
		t.Fatal("a second attempt was made while the first was waiting")
	}
	first := w.token(p)
	_, err := w.Decide(t.Context(), first, rail.Decline, nil)
	w.must(err)
	w.is(p, payment.Declined)
	w.must(w.retry(p, func(p *payment.Payment) { p.Amount = money.Of(500, "USD") }))
	w.is(p, payment.AwaitingPayer)
	w.planned("expire:" + p)
	if _, err := w.Decide(t.Context(), first, rail.Approve, nil); err == nil {
		t.Error("the page of the first attempt decides about the second")
	}
	w.pass(time.Hour)
	w.is(p, payment.Expired)
	w.must(w.retry(p, func(p *payment.Payment) { p.Script = script(rail.Rule{On: "authorize", Do: "approve"}) }))
	w.is(p, payment.Captured)
	if err := w.retry(p, func(*payment.Payment) {}); err == nil {
		t.Error("another attempt was made at what is captured")
	}
	var states []payment.State
	w.view(func(r store.Reader) error {
		as, err := r.Attempts(p)
		for _, a := range as {
			states = append(states, a.State())
		}
		return err
	})
	if want := []payment.State{payment.Declined, payment.Expired, payment.Captured}; !slices.Equal(states, want) {
		t.Errorf("attempts ended as %v, want %v", states, want)
	}
	if last := w.payment(p); last.CapturedAmount() != money.Of(500, "USD") {
		t.Errorf("captured %s", last.CapturedAmount())
	}
	w.facts(event.Declined, event.Expired, event.Authorized, event.Captured)
	w.verify()
}

// TestLateWordOfAFormerAttempt approves and refuses an attempt that was followed
// by another: the money goes back and the other one is not touched.
func TestLateWordOfAFormerAttempt(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.start()
	former := w.attempt(p)
	w.pass(time.Hour)
	w.is(p, payment.Expired)
	if _, err := w.Execute(t.Context(), engine.Op{
		Merchant: w.merchant,
		Begin: func(t *engine.Tx) error {
			loaded, err := t.LoadPayment(p)
			if err != nil {
				return err
			}
			proof, _ := loaded.Retryable()
			return t.Retry(loaded, proof)
		},
		Finish: func(t *engine.Tx) (engine.Reply, error) { return replyWith(t, p) },
	}); err != nil {
		t.Fatal(err)
	}
	w.is(p, payment.AwaitingPayer)
	late := approval(p)
	late.Attempt = former
	w.must(w.Notice(t.Context(), w.merchant, late))
	w.must(w.Notice(t.Context(), w.merchant, rail.Notice{Kind: rail.PaymentRefused, Payment: p, Attempt: former}))
	w.is(p, payment.AwaitingPayer)
	w.planned("expire:"+p, "void:"+former)
	w.work()
	if got := w.remote.calls("void"); !slices.Equal(got, []string{former + ":void"}) {
		t.Errorf("voids %v", got)
	}
	current := approval(p)
	current.Attempt = w.attempt(p)
	w.must(w.Notice(t.Context(), w.merchant, current))
	w.is(p, payment.Authorized)
	w.books(map[ledger.Account]int64{owedRemote: -amount, ledger.Hold: amount})
	w.verify()
}

// TestEveryAuthorisationIsBooked lets funds that were held go and holds others.
func TestEveryAuthorisationIsBooked(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.authorized()
	w.pass(6 * time.Hour)
	w.is(p, payment.Expired)
	w.must(w.retry(p, func(p *payment.Payment) {
		p.Amount, p.Script = money.Of(700, "USD"), script(rail.Rule{On: "authorize", Do: "approve"})
	}))
	w.is(p, payment.Authorized)
	w.books(map[ledger.Account]int64{owed: -700, ledger.Hold: 700})
	w.verify()
	w.must(w.capture(p))
	w.verify()
}
