package engine_test

import (
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

func TestSettleBatch(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	w.captured()
	batch := engine.Batch{
		Front: "front", ID: "b1", Changed: []engine.Change{{From: money.Of(9_000, "USD"), To: money.Of(8_100, "EUR")}}, Payout: money.Of(8_100, "EUR"),
	}
	settle := func(b engine.Batch) error {
		return w.Update(t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error { return t.SettleBatch(b) })
	}
	w.must(settle(batch))
	w.must(settle(batch)) // booking it again changes nothing
	w.view(func(r store.Reader) error {
		b, err := r.Balances()
		for k, want := range map[ledger.Key]int64{
			{Account: ledger.Available, Currency: "USD"}: -9_000, {Account: ledger.Exchange, Currency: "USD"}: 9_000,
			{Account: ledger.Exchange, Currency: "EUR"}: -8_100, {Account: ledger.Available, Currency: "EUR"}: 0, {Account: ledger.Payouts, Currency: "EUR"}: 8_100,
		} {
			if b[k] != want {
				t.Errorf("%v is %d, want %d", k, b[k], want)
			}
		}
		return err
	})
	// What was lost is changed the other way round; nothing at all is no transfer.
	w.must(settle(engine.Batch{Front: "front", ID: "b2", Changed: []engine.Change{{From: money.Of(-100, "USD"), To: money.Of(-90, "EUR")}, {From: money.Of(1, "JPY"), To: money.Of(0, "EUR")}}, Payout: money.Of(0, "EUR")}))
	w.verify()
	for name, b := range map[string]engine.Batch{
		"another content": {Front: "front", ID: "b1", Payout: money.Of(1, "EUR")},
		"below zero":      {Front: "front", ID: "b3", Payout: money.Of(-1, "EUR")},
		"third currency":  {Front: "front", ID: "b4", Changed: []engine.Change{{From: money.Of(1, "USD"), To: money.Of(1, "JPY")}}, Payout: money.Of(1, "EUR")},
		"no change":       {Front: "front", ID: "b5", Changed: []engine.Change{{From: money.Of(1, "EUR"), To: money.Of(1, "EUR")}}, Payout: money.Of(1, "EUR")},
	} {
		if settle(b) == nil {
			t.Errorf("%s was booked", name)
		}
	}
	for id, want := range map[string]string{"batch:front:b1:payout": "front", "batch:front:b1:out:USD": "front", "batch:": "", "payout:po_1": "", "batch:front": ""} {
		if front, ok := engine.BatchOf(id); front != want && ok {
			t.Errorf("%s belongs to %q", id, front)
		}
	}
}

func TestReversePayment(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	id := w.captured(rail.Rule{On: "refund", Do: "done"})
	reverse := func(minor, fee int64) error {
		return w.Update(t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error {
			p, err := t.LoadPayment(id)
			if err != nil {
				return err
			}
			proof, ok := p.Refundable(money.Of(minor, "USD"))
			if !ok {
				return errNotRefundable
			}
			_, err = t.ReversePayment(p, proof, money.Of(fee, "USD"), "rev_", func(*payment.Refund) error { return nil })
			return err
		})
	}
	if reverse(amount-1, 320) == nil {
		t.Error("a part was reversed")
	}
	w.must(reverse(amount, 320))
	if reverse(amount, 320) == nil {
		t.Error("reversed twice")
	}
	w.view(func(r store.Reader) error {
		b, err := r.Balances()
		if n := b[ledger.Key{Account: ledger.Fees, Currency: "USD"}]; n != 0 {
			t.Errorf("a fee of %d is kept", n)
		}
		return err
	})
	w.verify()
}

// TestRefundReturned: money that had reached the payer comes back, once, and
// however often the rail says so.
func TestRefundReturned(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	id := w.captured(rail.Rule{On: "refund", Do: "return", DelaySeconds: 60})
	r := w.refund(id, 1_000)
	w.refundIs(r, payment.RefundSucceeded)
	notice := rail.Notice{ID: "n", Kind: rail.RefundReturned, Payment: id, Refund: r.ID, Reason: "declined"}
	w.pass(time.Minute)
	w.refundIs(r, payment.RefundFailed)
	w.must(w.Notice(t.Context(), w.merchant, notice))
	w.must(w.Notice(t.Context(), w.merchant, rail.Notice{ID: "m", Kind: rail.RefundDone, Payment: id, Refund: r.ID}))
	w.refundIs(r, payment.RefundFailed)
	if p := w.payment(id); p.RefundedAmount().Minor != 0 {
		t.Errorf("%v is refunded", p.RefundedAmount())
	}
	w.verify()
	pending := w.refund(w.captured(rail.Rule{On: "refund", Do: "pending"}), 1_000)
	w.must(w.Notice(t.Context(), w.merchant, rail.Notice{ID: "o", Kind: rail.RefundReturned, Payment: pending.Payment, Refund: pending.ID}))
	w.refundIs(pending, payment.RefundPending) // it cannot come back before it went
	w.verify()
}
