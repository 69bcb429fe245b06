package engine

import (
	"fmt"
	"strings"

	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
)

// Batch is the settlement of what a front's payments came to: the proceeds of
// each currency are changed into the currency of settlement and leave for the
// merchant's bank.
type Batch struct {
	Front string
	ID    string // unique among the front's batches
	// Changed says, per currency that is not the one of settlement, what was
	// earned in it and what that comes to. Either may be negative.
	Changed []Change
	Payout  money.Amount // what leaves, in the currency of settlement; not negative
}

// Change is an amount given for another, at a price somebody else knows.
type Change struct{ From, To money.Amount }

// batchID names a transfer of a batch, in such a way that its owner can be told.
func batchID(b Batch, what string) string { return "batch:" + b.Front + ":" + b.ID + ":" + what }

// BatchOf tells whose batch a transfer belongs to.
func BatchOf(transferID string) (front string, ok bool) {
	rest, ok := strings.CutPrefix(transferID, "batch:")
	if !ok {
		return "", false
	}
	front, _, ok = strings.Cut(rest, ":")
	return front, ok
}

// SettleBatch books a batch. Booking it again changes nothing.
func (t *Tx) SettleBatch(b Batch) error {
	for _, c := range b.Changed {
		if c.To.Currency != b.Payout.Currency || c.From.Currency == c.To.Currency {
			return fmt.Errorf("engine: batch %s of %s changes %s into %s for a payout of %s", b.ID, b.Front, c.From, c.To, b.Payout)
		}
		if err := t.move(batchID(b, "out:"+string(c.From.Currency)), ledger.Available, ledger.Exchange, c.From); err != nil {
			return err
		}
		if err := t.move(batchID(b, "in:"+string(c.From.Currency)), ledger.Exchange, ledger.Available, c.To); err != nil {
			return err
		}
	}
	if b.Payout.Minor < 0 {
		return fmt.Errorf("engine: batch %s of %s would pay out %s", b.ID, b.Front, b.Payout)
	}
	return t.move(batchID(b, "payout"), ledger.Available, ledger.Payouts, b.Payout)
}

// move posts an amount of either sign from one account to another; nothing for
// zero.
func (t *Tx) move(id string, from, to ledger.Account, a money.Amount) error {
	switch {
	case a.Minor == 0:
		return nil
	case a.Minor < 0:
		from, to, a = to, from, a.Neg()
	}
	return t.Post(ledger.Transfer{ID: id, At: t.At, Debit: from, Credit: to, Amount: a})
}
