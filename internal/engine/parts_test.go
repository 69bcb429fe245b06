package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// part captures a part of an authorisation.
func (w *world) part(paymentID, name string, minor int64) error {
	_, err := w.Execute(w.t.Context(), engine.Op{
		Merchant: w.merchant, Endpoint: "POST /capture",
		Begin: func(t *engine.Tx) error {
			p, err := t.LoadPayment(paymentID)
			if err != nil {
				return err
			}
			proof, ok := p.Capturable(t.At)
			if !ok {
				return errNotCapturable
			}
			return t.CapturePart(p, proof, "part:"+name+":"+paymentID, money.Of(minor, p.Amount.Currency))
		},
		Finish: func(t *engine.Tx) (engine.Reply, error) { return replyWith(t, paymentID) },
	})
	return err
}

// fee is what a capture of so much costs in these tests: 2.9 % and 30.
func fee(minor int64) int64 { return (minor*290+5000)/10000 + 30 }

// TestCaptureInParts captures an authorisation in three parts, at a rail that
// decides in-process and at one over a network.
func TestCaptureInParts(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) (*world, ledger.Account){
		"Local":  func(t *testing.T) (*world, ledger.Account) { return simulated(t), owed },
		"Remote": func(t *testing.T) (*world, ledger.Account) { return overNetwork(t), owedRemote },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, receivable := make(t)
			p := w.authorized()
			w.must(w.part(p, "1", 2000))
			w.is(p, payment.Authorized)
			w.planned("expire:"+p, "settle:2026-09-17")
			pending := func(minor ...int64) (sum int64) {
				for _, m := range minor {
					sum += m - fee(m)
				}
				return sum
			}
			w.books(map[ledger.Account]int64{
				receivable: -amount, ledger.Hold: amount - 2000, ledger.Pending(settlement): pending(2000), ledger.Fees: fee(2000),
			})
			r := w.refund(p, 500) // of what was captured, while the rest is held
			if w.remote == nil {
				w.refundIs(r, payment.RefundPending)
			}
			w.update(func(t *engine.Tx) error {
				if _, err := refund(t, p, 1501); err == nil {
					return fmt.Errorf("what is only held was refunded")
				}
				return nil
			})
			w.must(w.part(p, "2", 2000))
			if err := w.part(p, "3", amount-4000+1); fault.CodeOf(err) != "capture_amount" {
				t.Errorf("too much: %v", err)
			}
			w.is(p, payment.Authorized)
			w.must(w.part(p, "4", amount-4000)) // all that is left: the last one
			w.is(p, payment.Captured)
			w.books(map[ledger.Account]int64{
				receivable: -amount + 500, ledger.Pending(settlement): pending(2000, 2000, amount-4000), ledger.Available: -500, ledger.Fees: 2*fee(2000) + fee(amount-4000),
			})
			if err := w.part(p, "5", 1); !errors.Is(err, errNotCapturable) {
				t.Errorf("after the last one: %v", err)
			}
			w.facts(event.Authorized, event.Captured, event.RefundCreated, event.Captured, event.Captured)
			w.verify()
		})
	}
}

// TestRestIsLetGo: when what is left is given up, expires, or is refused, it goes
// back to the payer, and what was captured stays captured.
func TestRestIsLetGo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(w *world, p string)
		told event.Kind
	}{
		"Void": {func(w *world, p string) {
			w.update(func(t *engine.Tx) error {
				loaded, err := t.LoadPayment(p)
				if err != nil {
					return err
				}
				return t.Void(loaded)
			})
		}, event.Voided},
		"Expire": {func(w *world, p string) { w.clock.Advance(w.payment(p).Attempt.Deadline.Sub(begin)); w.work() }, event.Expired},
		"Refused": {func(w *world, p string) {
			w.profile(func(pr *merchant.Profile) { pr.Script = script(rail.Rule{On: "capture", Do: "decline", Times: 1}) })
			w.must(w.part(p, "2", 100))
		}, event.CaptureDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := simulated(t)
			p := w.authorized()
			w.must(w.part(p, "1", 2000))
			c.end(w, p)
			w.is(p, payment.Captured)
			w.work()
			if got := w.payment(p); got.CapturedAmount().Minor != 2000 || got.HeldAmount().Minor != 0 || got.Attempt.Reason != "" {
				t.Errorf("%+v", got)
			}
			w.books(map[ledger.Account]int64{owed: -2000, ledger.Pending(settlement): 2000 - fee(2000), ledger.Fees: fee(2000)})
			w.facts(event.Authorized, event.Captured, event.RestLetGo)
			w.view(func(r store.Reader) error {
				fs, _, err := r.Facts(0, 10)
				if f := fs[len(fs)-1]; f.Reason != string(c.told) || f.Amount.Minor != amount-2000 {
					t.Errorf("told %+v", f)
				}
				return err
			})
			if err := w.part(p, "3", 1); !errors.Is(err, errNotCapturable) {
				t.Errorf("more was captured: %v", err)
			}
			w.verify()
		})
	}
}

// TestRestIsVoidedAtTheRail: a rail over a network is asked to give the rest back.
func TestRestIsVoidedAtTheRail(t *testing.T) {
	t.Parallel()
	w := overNetwork(t)
	p := w.authorized()
	w.remote.hooks(func(_ context.Context, verb string, q rail.Request) error {
		if verb == "capture" && (!q.More || q.Amount.Minor != 2000) {
			return fmt.Errorf("asked to capture %s, more: %v", q.Amount, q.More)
		}
		return nil
	}, nil)
	w.must(w.part(p, "1", 2000))
	w.update(func(t *engine.Tx) error {
		loaded, err := t.LoadPayment(p)
		if err != nil {
			return err
		}
		return t.Void(loaded)
	})
	w.planned("settle:2026-09-17", "void:"+w.attempt(p))
	w.work()
	if w.remote.moved("void") != 1 {
		t.Error("the rest stays with the rail")
	}
	w.is(p, payment.Captured)
	w.verify()
}
