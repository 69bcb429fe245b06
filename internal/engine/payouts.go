package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// Jobs about payouts.
const (
	JobPayout  = "payout"  // moves a payout on: to the bank, and into the merchant's account
	JobPayouts = "payouts" // makes the account's automatic payouts that fall due
)

var errNoBank = fault.New(fault.Invalid, "no_bank", "No bank is connected for live payouts.")

// CodeFunds is the code of the refusal to take out more than is available.
const CodeFunds = "insufficient_available"

// Until an instant payout has left, and until it has arrived. Others leave with
// the next day (UTC) and arrive a day later.
const (
	instantLeaves  = time.Minute
	instantArrives = 30 * time.Minute
)

// PayoutState is how far a payout is.
type PayoutState string

// The states. A payout can fail after it was paid: the bank sends it back.
const (
	PayoutPending   PayoutState = "pending" // it can still be canceled
	PayoutInTransit PayoutState = "in_transit"
	PayoutPaid      PayoutState = "paid"
	PayoutFailed    PayoutState = "failed"
	PayoutCanceled  PayoutState = "canceled"
)

// Payout is money on its way to the merchant's bank. The front that made it
// keeps it; its money, its states and its clock are the core's.
type Payout struct {
	ID         string
	Amount     money.Amount
	State      PayoutState
	Instant    bool
	Automatic  bool
	Arrival    time.Time
	Doom       *Doom  `json:",omitempty"`
	Original   string `json:",omitempty"` // set: this one brings that payout's money back from the bank
	ReversedBy string `json:",omitempty"` // the payout that brings the money back
}

// Doom says that the simulator makes a payout fail, and how long after its
// arrival; without delay it fails instead of arriving.
type Doom struct {
	Reason string
	After  time.Duration
}

// PayoutKeeper is a front that has payouts.
type PayoutKeeper interface {
	Front
	// Payout reads a payout.
	Payout(r store.Reader, id string) (Payout, error)
	// TellPayout is called for every fact about a payout of this front, in the
	// transaction that makes it true. It keeps the payout as it is now and
	// writes what must be written with the fact.
	TellPayout(t *Tx, f event.Fact, p Payout) error
	// PayOut starts an automatic payout of what is available in a currency and
	// not paid out yet, but for the least that stays behind. It reports whether
	// more is left, because there was too much for one payout.
	PayOut(t *Tx, c money.Currency, least int64) (more bool, err error)
}

type payoutsPayload struct {
	Front string `json:"front"`
}

type payoutPayload struct {
	Front  string `json:"front"`
	Payout string `json:"payout"`
}

// StartPayout takes an amount out of what is available. script holds the
// object's own instructions to the simulator. prepare keeps the payout for the
// first time.
func (t *Tx) StartPayout(k PayoutKeeper, p Payout, script string, prepare func(p Payout) error) error {
	if t.Who.Live {
		return errNoBank
	}
	if err := t.covers(p.Amount); err != nil {
		return err
	}
	leaves := nextDay(t.At)
	p.State, p.Arrival = PayoutPending, nextDay(leaves)
	if p.Instant {
		leaves, p.Arrival = t.At.Add(instantLeaves), t.At.Add(instantArrives)
	}
	rules, err := t.script(&payment.Payment{Script: script}, "payout")
	if err != nil {
		return err
	}
	if rule, ok := rail.Find(rules, "payout"); ok {
		p.Doom = &Doom{Reason: rule.Reason, After: time.Duration(rule.DelaySeconds) * time.Second}
	}
	if err := prepare(p); err != nil {
		return err
	}
	if err := t.Post(ledger.Transfer{ID: "payout:" + p.ID, At: t.At, Debit: ledger.Available, Credit: ledger.Payouts, Amount: p.Amount}); err != nil {
		return err
	}
	if err := t.Job("payout:"+p.ID, JobPayout, leaves, payoutPayload{Front: k.Name(), Payout: p.ID}); err != nil {
		return err
	}
	return t.tellPayout(k, event.PayoutCreated, p)
}

// CancelPayout stops a payout that has not left yet.
func (t *Tx) CancelPayout(k PayoutKeeper, id string) error {
	if err := t.lockFunds(); err != nil {
		return err
	}
	p, err := k.Payout(t, id)
	if err != nil {
		return err
	}
	if p.Original != "" {
		return fault.New(fault.Conflict, "payout_reversal", "This payout cannot be canceled: it is the reversal of another one.")
	}
	if p.State != PayoutPending {
		return fault.Newf(fault.Conflict, "payout_left", "This payout cannot be canceled: it is %s, and only payouts that are pending can be canceled.", p.State)
	}
	if err := t.DeleteJob("payout:" + p.ID); err != nil {
		return err
	}
	return t.payoutBack(k, p, PayoutCanceled)
}

// lockFunds makes transactions that take out the merchant's money, or decide
// about it, follow one another: each writes the merchant's row, in the version
// it read. It comes before balances and payouts are read.
func (t *Tx) lockFunds() error { return t.UpdateMerchant(t.Who) }

// payoutBack makes a payout's money available again.
func (t *Tx) payoutBack(k PayoutKeeper, p Payout, to PayoutState) error {
	p.State = to
	if err := t.Post(ledger.Transfer{ID: "payout_back:" + p.ID, At: t.At, Debit: ledger.Payouts, Credit: ledger.Available, Amount: p.Amount}); err != nil {
		return err
	}
	if to == PayoutCanceled {
		return t.tellPayout(k, event.PayoutCanceled, p)
	}
	return t.tellPayout(k, event.PayoutFailed, p)
}

func (t *Tx) tellPayout(k PayoutKeeper, kind event.Kind, p Payout) error {
	f := event.Fact{ID: t.NewID("fact_"), Kind: kind, At: t.At, Refund: p.ID, Amount: p.Amount, Due: p.Arrival}
	if kind == event.PayoutFailed {
		f.Reason = p.Doom.Reason
	}
	if err := t.Record(f); err != nil {
		return err
	}
	return k.TellPayout(t, f, p)
}

// movePayout takes a payout's next step. It returns when the one after is due,
// zero if there is none.
func (t *Tx) movePayout(k PayoutKeeper, p Payout) (time.Time, error) {
	switch {
	case p.State == PayoutPending:
		p.State = PayoutInTransit
		return p.Arrival, t.tellPayout(k, event.PayoutSent, p)
	case p.State == PayoutInTransit && (p.Doom == nil || p.Doom.After > 0):
		p.State = PayoutPaid
		var next time.Time
		if p.Doom != nil {
			next = later(p.Arrival, t.At).Add(p.Doom.After)
		}
		return next, t.tellPayout(k, event.PayoutPaid, p)
	case p.Doom != nil && (p.State == PayoutInTransit || p.State == PayoutPaid):
		return time.Time{}, t.payoutBack(k, p, PayoutFailed)
	}
	return time.Time{}, nil // it is over
}

// ReversePayout asks the bank to give a paid payout's money back. The money is
// on its way in a payout of its own, reversal, and available when that arrives.
// prepare keeps it for the first time.
func (t *Tx) ReversePayout(k PayoutKeeper, id, reversal string, prepare func(p Payout) error) error {
	if err := t.lockFunds(); err != nil {
		return err
	}
	p, err := k.Payout(t, id)
	if err != nil {
		return err
	}
	switch {
	case p.Original != "":
		return fault.New(fault.Conflict, "payout_reversal", "This payout cannot be reversed: it is the reversal of another one.")
	case p.ReversedBy != "":
		return fault.Newf(fault.Conflict, "payout_reversed", "This payout has already been reversed by %s.", p.ReversedBy)
	case p.State != PayoutPaid:
		return fault.Newf(fault.Conflict, "payout_not_paid", "This payout cannot be reversed: it is %s, and only payouts that are paid can be reversed.", p.State)
	}
	if err := t.DeleteJob("payout:" + p.ID); err != nil { // it no longer fails
		return err
	}
	leaves := nextDay(t.At)
	back := Payout{ID: reversal, Amount: p.Amount, State: PayoutPending, Arrival: nextDay(leaves), Original: p.ID}
	if err := prepare(back); err != nil {
		return err
	}
	pending := ledger.Pending(back.Arrival)
	if err := t.Post(ledger.Transfer{ID: "payout_reversal:" + p.ID, At: t.At, Debit: ledger.Payouts, Credit: pending, Amount: p.Amount}); err != nil {
		return err
	}
	if err := t.planSettlement(back.Arrival); err != nil {
		return err
	}
	if err := t.Job("payout:"+back.ID, JobPayout, leaves, payoutPayload{Front: k.Name(), Payout: back.ID}); err != nil {
		return err
	}
	if err := t.tellPayout(k, event.PayoutCreated, back); err != nil {
		return err
	}
	p.ReversedBy = reversal
	return t.tellPayout(k, event.PayoutReversed, p)
}

// covers refuses to take out more than is available.
func (t *Tx) covers(amount money.Amount) error {
	if err := t.lockFunds(); err != nil {
		return err
	}
	return t.available(amount)
}

// available refuses an amount that is more than what is available. The funds
// have to be locked.
func (t *Tx) available(amount money.Amount) error {
	balances, err := t.Balances()
	if err != nil {
		return err
	}
	have := money.Of(balances[ledger.Key{Account: ledger.Available, Currency: amount.Currency}], amount.Currency)
	if have.Minor < amount.Minor {
		return fault.Newf(fault.Conflict, CodeFunds, "%s was to be paid out, but only %s is available.", amount, have)
	}
	return nil
}

// nextDay is when the next day begins, in UTC.
func nextDay(at time.Time) time.Time { return at.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1) }

// SchedulePayouts sets when what is available is paid out by itself.
func (t *Tx) SchedulePayouts(k PayoutKeeper, s merchant.PayoutSchedule) error {
	if !s.Valid() {
		return fault.New(fault.Invalid, "bad_schedule", "The schedule of payouts names no day, or days that do not fit its interval.")
	}
	if t.Who.Live && s.Interval != merchant.Manual {
		return errNoBank
	}
	t.Who.Profile.Payouts = s
	if err := t.lockFunds(); err != nil {
		return err
	}
	if err := t.DeleteJob(JobPayouts); err != nil || s.Interval == merchant.Manual {
		return err
	}
	return t.Job(JobPayouts, JobPayouts, s.Next(t.At), payoutsPayload{Front: k.Name()})
}

// runPayouts makes the automatic payouts of a day and plans the next ones. What
// becomes available on the day becomes so first.
func (e *Engine) runPayouts(ctx context.Context, j jobRef) error {
	var pl payoutsPayload
	return e.inJob(ctx, j, &pl, func(t *Tx) error {
		s := t.Who.Profile.Payouts
		next := s.Next(t.At)
		if next.IsZero() {
			return nil
		}
		k, err := t.payoutKeeper(pl.Front)
		if err != nil {
			return err
		}
		if err := t.lockFunds(); err != nil {
			return err
		}
		if err := t.settleDay(t.At.UTC().Truncate(24 * time.Hour)); err != nil {
			return err
		}
		balances, err := t.Balances()
		if err != nil {
			return err
		}
		for _, key := range slices.SortedFunc(maps.Keys(balances), func(a, b ledger.Key) int { return cmp.Compare(a.Currency, b.Currency) }) {
			if key.Account != ledger.Available || balances[key] <= s.Minimum[key.Currency] {
				continue
			}
			more, err := k.PayOut(t, key.Currency, s.Minimum[key.Currency])
			if err != nil {
				return err
			}
			if more {
				next = t.At
			}
		}
		return t.again(j, next, pl)
	})
}

func (t *Tx) payoutKeeper(front string) (PayoutKeeper, error) {
	k, ok := t.e.fronts[front].(PayoutKeeper)
	if !ok {
		return nil, fmt.Errorf("payouts of front %q are due, which is not running", front)
	}
	return k, nil
}

func (e *Engine) runPayout(ctx context.Context, j jobRef) error {
	var pl payoutPayload
	return e.inJob(ctx, j, &pl, func(t *Tx) error {
		k, err := t.payoutKeeper(pl.Front)
		if err != nil {
			return err
		}
		if err := t.lockFunds(); err != nil {
			return err
		}
		p, err := k.Payout(t, pl.Payout)
		if err != nil {
			return err
		}
		next, err := t.movePayout(k, p)
		if err != nil || next.IsZero() {
			return err
		}
		return t.again(j, next, pl)
	})
}
