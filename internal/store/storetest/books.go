package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/store"
)

func (f *fixture) transfer(minor int64) ledger.Transfer {
	return ledger.Transfer{
		ID: f.ids.New("capture:pay_", noon), At: noon, Debit: ledger.Receivable("sim"), Credit: ledger.Pending(noon),
		Amount: money.Of(minor, "EUR"), Payment: "pay_1",
	}
}

func post(f *fixture) {
	a, b := f.transfer(10), f.transfer(20)
	f.update(func(tx store.Tx) error { return tx.Post(a, b) })
	f.update(func(tx store.Tx) error { return tx.Post(b, a, a) })
	f.update(func(tx store.Tx) error { return tx.Post() })
	changed := map[string]func(t *ledger.Transfer){
		"amount": func(t *ledger.Transfer) { t.Amount.Minor++ }, "currency": func(t *ledger.Transfer) { t.Amount.Currency = "CHF" },
		"debit": func(t *ledger.Transfer) { t.Debit = ledger.Fees }, "credit": func(t *ledger.Transfer) { t.Credit = ledger.Fees },
		"payment": func(t *ledger.Transfer) { t.Payment = "" },
	}
	for what, change := range changed {
		c := a
		change(&c)
		if err := f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.Post(f.transfer(1), c) }); err == nil {
			f.Errorf("other %s was not refused", what)
		}
	}
	wrong := f.transfer(0)
	if f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.Post(wrong) }) == nil {
		f.Error("a transfer of nothing was not refused")
	}
	f.view(func(r store.Reader) error {
		ts, next, err := r.Transfers(0, 1)
		f.must(err)
		equal(f, ts, []ledger.Transfer{a})
		ts, next, err = r.Transfers(next, 10)
		f.must(err)
		equal(f, ts, []ledger.Transfer{b})
		ts, end, err := r.Transfers(next, 10)
		equal(f, len(ts), 0)
		equal(f, end, next)
		f.must(err)
		last, err := r.LastTransfer()
		equal(f, last, end)
		f.must(err)
		_, first, err := r.Transfers(0, 1)
		f.must(err)
		ts, end, err = r.TransfersUpTo(0, first, 10)
		equal(f, ts, []ledger.Transfer{a})
		equal(f, end, first)
		return err
	})
}

func transfersByID(f *fixture) {
	var all []ledger.Transfer
	var ids []string
	f.view(func(r store.Reader) error {
		last, err := r.LastTransfer()
		equal(f, last, 0)
		ts, terr := r.TransfersByID([]string{"none"})
		equal(f, len(ts), 0)
		return errors.Join(err, terr)
	})
	for i := range 25 { // more than one statement asks for
		all = append(all, f.transfer(int64(i+1)))
		ids = append(ids, all[i].ID)
	}
	slices.Reverse(ids)
	f.update(func(tx store.Tx) error { return tx.Post(all...) })
	f.must(f.Update(f.ctx(), other, func(tx store.Tx) error { return tx.Post(f.transfer(99)) }))
	f.view(func(r store.Reader) error {
		ts, err := r.TransfersByID(append(ids, "none"))
		equal(f, ts, all)
		some, serr := r.TransfersByID(ids[:1])
		equal(f, some, all[24:])
		return errors.Join(err, serr)
	})
	f.must(f.View(f.ctx(), other, func(r store.Reader) error {
		ts, err := r.TransfersByID(ids)
		equal(f, len(ts), 0)
		return err
	}))
}

func postAtOnce(f *fixture) {
	same := f.transfer(10)
	for _, err := range together(8, func(int) error {
		return f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.Post(f.transfer(1), same) })
	}) {
		f.must(err)
	}
	differing := f.transfer(10)
	done := 0
	for _, err := range together(4, func(i int) error {
		return f.Update(f.ctx(), one, func(tx store.Tx) error {
			mine := differing
			mine.Amount.Minor += int64(i)
			return tx.Post(mine)
		})
	}) {
		if err == nil {
			done++
		}
	}
	equal(f, done, 1)
	f.view(func(r store.Reader) error {
		ts, _, err := r.Transfers(0, 100)
		equal(f, len(ts), 8+1+1)
		return err
	})
}

// snapshotter is a store that can be told to store its sums.
type snapshotter interface {
	SnapshotBalances(ctx context.Context, merchantID int64) error
}

func balances(f *fixture) {
	accounts := []ledger.Account{ledger.Hold, ledger.Available, ledger.Fees, ledger.Receivable("sim"), ledger.Pending(noon)}
	rapid.Check(f.T, func(t *rapid.T) {
		f.must(f.ClearMerchant(f.ctx(), one, nil))
		want := ledger.Balances{}
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			ts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ledger.Transfer {
				x := f.transfer(rapid.Int64Range(1, 1_000_000).Draw(t, "minor"))
				pair := rapid.Permutation(accounts).Draw(t, "accounts")
				x.Debit, x.Credit = pair[0], pair[1]
				x.Amount.Currency = rapid.SampledFrom([]money.Currency{"EUR", "JPY"}).Draw(t, "currency")
				return x
			}), 0, 6).Draw(t, "transfers")
			for _, err := range together(2, func(i int) error {
				if i == 1 {
					if s, ok := f.Store.(snapshotter); ok {
						return s.SnapshotBalances(f.ctx(), one)
					}
					return nil
				}
				return f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.Post(ts...) })
			}) {
				f.must(err)
			}
			for _, x := range ts {
				want.Apply(x)
			}
			f.view(func(r store.Reader) error {
				got, err := r.Balances()
				equal(f, got, want)
				return err
			})
		}
	})
	f.must(second(f.MerchantIDs(f.ctx(), 0, 1)))
	equal(f, f.census(other)["balance"], 0)
}

func (f *fixture) fact() event.Fact {
	return event.Fact{
		ID: f.ids.New("fact_", noon), Kind: event.Captured, At: noon, Payment: "pay_1", Refund: "re_1",
		Amount: money.Of(10, "EUR"), Fee: money.Of(1, "CHF"), Due: noon, Reason: "because",
	}
}

func facts(f *fixture) {
	var all []event.Fact
	for i := range 5 {
		x := f.fact()
		x.Reason = fmt.Sprint(i)
		all = append(all, x)
		f.update(func(tx store.Tx) error { return tx.Record(x) })
	}
	bare := event.Fact{ID: "bare", Kind: event.Expired}
	all = append(all, bare)
	f.must(errors.Join(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.Record(bare) })))
	f.view(func(r store.Reader) error {
		fs, next, err := r.Facts(0, 4)
		f.must(err)
		equal(f, fs, all[:4])
		fs, next, err = r.Facts(next, 4)
		f.must(err)
		equal(f, fs, all[4:])
		fs, end, err := r.Facts(next, 4)
		equal(f, len(fs), 0)
		equal(f, end, next)
		return err
	})
}

// heldBooks posts from many sides while somebody reads the books again and
// again from where they stopped: nothing is missed.
func heldBooks(f *fixture) {
	const posts = 40
	done := make(chan []error)
	go func() {
		done <- together(posts, func(i int) error {
			return f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.Post(f.transfer(int64(i + 1))) })
		})
	}()
	seen, after := 0, int64(0)
	read := func() {
		f.update(func(tx store.Tx) error {
			if err := tx.HoldBooks(); err != nil {
				return err
			}
			ts, next, err := tx.Transfers(after, 1000)
			seen, after = seen+len(ts), next
			return err
		})
	}
	for range 10 {
		read()
	}
	for _, err := range <-done {
		f.must(err)
	}
	read()
	equal(f, seen, posts)
}
