package engine

import (
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
)

type settlePayload struct {
	Day time.Time `json:"day"`
}

// settlesAtOnce reports whether the simulator was told to make a payment's
// proceeds available without waiting for their day.
func (t *Tx) settlesAtOnce(p *payment.Payment) (bool, error) {
	rules, err := t.script(p, "settle")
	if err != nil {
		return false, err
	}
	_, ok := rail.Find(rules, "settle")
	return ok, nil
}

// settlementDay is the day (UTC) on which what is captured now becomes
// available.
func (t *Tx) settlementDay(r method.Rules) time.Time {
	if r.SettlesNext {
		y, m, d := t.At.In(method.SettlementZone()).Date()
		return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
	}
	return t.At.UTC().Truncate(24*time.Hour).AddDate(0, 0, t.Who.Profile.SettlementDays)
}

// planSettlement makes pending proceeds of a day become available on it.
func (t *Tx) planSettlement(day time.Time) error {
	return t.Job("settle:"+day.Format(time.DateOnly), JobSettle, day, settlePayload{day})
}

// settleDay makes the pending proceeds of a day available, and of any earlier
// day: a capture that raced with its day's settlement is caught up with by the
// next one.
func (t *Tx) settleDay(day time.Time) error {
	if err := t.lockFunds(); err != nil { // two days' settlements must not both move an earlier day
		return err
	}
	balances, err := t.Balances()
	if err != nil {
		return err
	}
	last := ledger.Pending(day)
	factID := t.NewID("fact_")
	moved := false
	for k, v := range balances {
		// Names of pending accounts sort by day.
		if !k.Account.IsPending() || k.Account > last || v == 0 {
			continue
		}
		tr := ledger.Transfer{ID: "settle:" + string(k.Account) + ":" + string(k.Currency) + ":" + factID, At: t.At, Debit: k.Account, Credit: ledger.Available, Amount: money.Of(max(v, -v), k.Currency)}
		if v < 0 {
			tr.Debit, tr.Credit = tr.Credit, tr.Debit
		}
		if err := t.Post(tr); err != nil {
			return err
		}
		moved = true
	}
	if !moved {
		return nil
	}
	f := event.Fact{ID: factID, Kind: event.FundsAvailable, At: t.At, Due: day}
	if err := t.Record(f); err != nil {
		return err
	}
	for _, front := range t.e.fronts {
		if err := front.TellMerchant(t, f); err != nil {
			return err
		}
	}
	return nil
}
