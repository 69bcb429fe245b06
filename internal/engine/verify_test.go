package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// eventful fills a world with payments in every state and refunds in every
// state.
func eventful(t *testing.T) (w *world, sold, held string) {
	t.Helper()
	w = simulated(t)
	declined := w.start()
	w.must(w.Notice(t.Context(), w.merchant, rail.Notice{Kind: rail.PaymentRefused, Payment: declined}))
	w.authorized()
	w.start()
	w.pass(6 * time.Hour) // both expire
	failed := w.authorized(rail.Rule{On: "capture", Do: "decline"})
	w.must(w.capture(failed))
	refused := w.captured(rail.Rule{On: "refund", Do: "decline"})
	w.refund(refused, 500)
	w.pass(2 * time.Second)
	sold = w.captured()
	w.refund(sold, 1000)
	w.pass(2 * time.Second)
	w.refund(sold, 2000) // stays pending
	w.start()
	return w, sold, w.authorized()
}

func TestVerifyGoodData(t *testing.T) {
	t.Parallel()
	w, _, _ := eventful(t)
	_, err := engine.NewWorlds(w.Engine).Sandbox(t.Context(), "acct_2")
	w.must(err)
	calls := 0
	got, err := w.Verify(t.Context(), func(engine.Audited) { calls++ })
	w.must(err)
	// Transfers: two authorised and released, two captured with fees and a
	// failed and two good refunds, one held.
	want := engine.Audited{Merchants: 2, Payments: 8, Transfers: 2*2 + 2*3 + 2 + 2 + 1, Refunds: 3}
	if got != want || calls != 2 {
		t.Errorf("looked at %+v in %d steps, want %+v", got, calls, want)
	}
}

func TestVerifyFindsADifference(t *testing.T) {
	t.Parallel()
	pending := ledger.Pending(settlement)
	transfer := func(debit, credit ledger.Account, paymentID string) func(*engine.Tx) error {
		return func(t *engine.Tx) error {
			return t.Post(ledger.Transfer{ID: "by hand", At: t.At, Debit: debit, Credit: credit, Amount: money.Of(1, "USD"), Payment: paymentID})
		}
	}
	for name, plant := range map[string]struct {
		do   func(sold, held string) func(*engine.Tx) error
		want string
	}{
		"Captured":   {func(sold, _ string) func(*engine.Tx) error { return transfer(ledger.Hold, pending, sold) }, "captured is 10001, should be 10000"},
		"Authorised": {func(_, held string) func(*engine.Tx) error { return transfer(owed, ledger.Hold, held) }, "authorised in the ledger is 10001, should be 10000"},
		"Released":   {func(_, held string) func(*engine.Tx) error { return transfer(ledger.Hold, owed, held) }, "still held is 9999, should be 10000"},
		"Refunded":   {func(sold, _ string) func(*engine.Tx) error { return transfer(ledger.Available, owed, sold) }, "taken for refunds is 3001, should be 3000"},
		"Restored":   {func(sold, _ string) func(*engine.Tx) error { return transfer(owed, ledger.Available, sold) }, "returned for failed refunds is 1, should be 0"},
		"Fee":        {func(_, held string) func(*engine.Tx) error { return transfer(pending, ledger.Fees, held) }, "fee 1 is more than was captured (0)"},
		"NoPayment":  {func(_, _ string) func(*engine.Tx) error { return transfer(ledger.Hold, ledger.Available, "") }, "which nothing explains"},
		"NoReason":   {func(sold, _ string) func(*engine.Tx) error { return transfer(pending, ledger.Payouts, sold) }, "which nothing explains"},
		"Unknown":    {func(_, _ string) func(*engine.Tx) error { return transfer(owed, ledger.Hold, "pay_none") }, "payment pay_none, which does not exist"},
		"NoTimer": {func(_, held string) func(*engine.Tx) error {
			return func(t *engine.Tx) error { return t.DeleteJob("expire:" + held) }
		}, "nothing is planned for its deadline"},
		"NoDeadline": {func(_, held string) func(*engine.Tx) error {
			return func(t *engine.Tx) error {
				p, err := t.LoadPayment(held)
				if err != nil {
					return err
				}
				p.Attempt.Deadline = time.Time{}
				return t.UpdatePayment(*p)
			}
		}, "but its deadline is"},
		"CapturedSum": {func(_, held string) func(*engine.Tx) error {
			return func(t *engine.Tx) error {
				p, err := t.LoadPayment(held)
				if err != nil {
					return err
				}
				s := p.Stored()
				s.CapturedMinor++
				changed, err := payment.Restore(*p, s)
				if err != nil {
					return err
				}
				return t.UpdatePayment(changed)
			}
		}, "captured is 0, should be 1"},
		"RefundedSum": {func(sold, _ string) func(*engine.Tx) error {
			return func(t *engine.Tx) error {
				p, err := t.LoadPayment(sold)
				if err != nil {
					return err
				}
				s := p.Stored()
				s.RefundedMinor--
				changed, err := payment.Restore(*p, s)
				if err != nil {
					return err
				}
				return t.UpdatePayment(changed)
			}
		}, "sum of refunds kept on the payment is 2999, should be 3000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, sold, held := eventful(t)
			w.verify()
			w.update(plant.do(sold, held))
			_, err := w.Verify(t.Context(), func(engine.Audited) {})
			d, ok := errors.AsType[*engine.Difference](err)
			if !ok || d.Account != "acct_1" || !strings.Contains(d.What, plant.want) {
				t.Errorf("found %v, want %q", err, plant.want)
			}
		})
	}
	t.Run("Front", func(t *testing.T) {
		t.Parallel()
		w, _, _ := eventful(t)
		w.front.audit = errors.New("a row too many")
		_, err := w.Verify(t.Context(), func(engine.Audited) {})
		if d, ok := errors.AsType[*engine.Difference](err); !ok || d.Error() != "account acct_1: a row too many" {
			t.Errorf("found %v", err)
		}
	})
	t.Run("OwnFundsMayMove", func(t *testing.T) {
		t.Parallel()
		w, _, _ := eventful(t)
		w.update(transfer(ledger.Available, ledger.Payouts, ""))
		w.verify()
	})
	t.Run("SomebodyElse", func(t *testing.T) {
		t.Parallel()
		w, _, _ := eventful(t)
		other, err := engine.NewWorlds(w.Engine).Sandbox(t.Context(), "acct_2")
		w.must(err)
		w.must(w.db.Update(t.Context(), other, func(tx store.Tx) error {
			return tx.Post(ledger.Transfer{ID: "x", At: begin, Debit: ledger.Hold, Credit: owed, Amount: money.Of(1, "USD")})
		}))
		_, err = w.Verify(t.Context(), func(engine.Audited) {})
		if d, ok := errors.AsType[*engine.Difference](err); !ok || d.Account != "acct_2" {
			t.Errorf("found %v", err)
		}
	})
}
