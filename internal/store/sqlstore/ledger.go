package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
)

// tailMax is how many transfers Balances may have to add up before the sums
// are stored again.
const tailMax = 10_000

// Post implements store.Tx. When a transfer was posted is no part of its
// content: a repeat of the same cause comes later by nature.
func (t *Tx) Post(ts ...ledger.Transfer) error {
	if len(ts) == 0 {
		return t.err
	}
	if err := t.lock(LockPosting, ""); err != nil {
		return err
	}
	for _, x := range ts {
		if err := x.Check(); err != nil {
			return t.fail(err)
		}
		err := t.exec(t.sql.insertTransfer, t.merchant, x.ID, toMilli(x.At), string(x.Debit), string(x.Credit),
			string(x.Amount.Currency), x.Amount.Minor, x.Payment)
		if err != nil {
			return fmt.Errorf("post %s: %w", x.ID, err)
		}
	}
	return nil
}

type posted struct {
	seq      int64
	transfer ledger.Transfer
}

func scanTransfer(r Rows) (p posted, err error) {
	var at int64
	var debit, credit, currency string
	x := &p.transfer
	err = r.Scan(&p.seq, &x.ID, &at, &debit, &credit, &currency, &x.Amount.Minor, &x.Payment)
	x.At, x.Amount.Currency = fromMilli(at), money.Currency(currency)
	x.Debit, x.Credit = ledger.Account(debit), ledger.Account(credit)
	return p, err
}

// HoldBooks implements store.Tx.
func (t *Tx) HoldBooks() error { return t.lock(LockBooks, "") }

const selectTransfer = `select seq, id, at, debit, credit, currency, amount, payment from transfer
`

// Transfers implements store.Reader.
func (t *Tx) Transfers(after int64, limit int) ([]ledger.Transfer, int64, error) {
	return t.TransfersUpTo(after, math.MaxInt64, limit)
}

// TransfersUpTo implements store.Reader.
func (t *Tx) TransfersUpTo(after, upto int64, limit int) ([]ledger.Transfer, int64, error) {
	list, err := many(t, scanTransfer, selectTransfer+`where merchant = $1 and seq > $2 and seq <= $3 order by seq limit $4 + 0`, t.merchant, after, upto, int64(limit))
	if err != nil {
		return nil, after, err
	}
	ts := make([]ledger.Transfer, len(list))
	for i, p := range list {
		ts[i], after = p.transfer, p.seq
	}
	return ts, after, nil
}

var selectTransfersByID = selectTransfer + `where merchant = $1 and id in ` + places(2)

// TransfersByID implements store.Reader.
func (t *Tx) TransfersByID(ids []string) ([]ledger.Transfer, error) {
	var list []posted
	for some := range slices.Chunk(ids, namesAtOnce) {
		more, err := many(t, scanTransfer, selectTransfersByID, named([]any{t.merchant}, some)...)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	slices.SortFunc(list, func(a, b posted) int { return cmp.Compare(a.seq, b.seq) })
	ts := make([]ledger.Transfer, len(list))
	for i, p := range list {
		ts[i] = p.transfer
	}
	return ts, nil
}

// LastTransfer implements store.Reader.
func (t *Tx) LastTransfer() (int64, error) {
	return one(t, scanInt, `select coalesce(max(seq), 0) from transfer where merchant = $1`, t.merchant)
}

// selectBalances adds the transfers after the stored sums to them.
const selectBalances = `select account, currency, cast(sum(amount) as bigint), cast(sum(n) as bigint) from (
	select account, currency, amount, 0 as n from balance_snapshot where merchant = $1
	union all
	select credit, currency, amount, 1 from transfer
	where merchant = $1 and seq > (select coalesce(max(upto), 0) from balance_snapshot where merchant = $1)
	union all
	select debit, currency, -amount, 0 from transfer
	where merchant = $1 and seq > (select coalesce(max(upto), 0) from balance_snapshot where merchant = $1)
) x group by account, currency`

type balance struct {
	key   ledger.Key
	minor int64
	n     int64 // transfers added to the stored sum
}

func scanBalance(r Rows) (b balance, err error) {
	var account, currency string
	err = r.Scan(&account, &currency, &b.minor, &b.n)
	b.key = ledger.Key{Account: ledger.Account(account), Currency: money.Currency(currency)}
	return b, err
}

// Balances implements store.Reader.
func (t *Tx) Balances() (ledger.Balances, error) {
	list, err := many(t, scanBalance, selectBalances, t.merchant)
	if err != nil {
		return nil, err
	}
	sums := make(ledger.Balances, len(list))
	t.tail = 0
	for _, b := range list {
		sums[b.key] = b.minor
		t.tail += b.n
	}
	return sums, nil
}

// tidyBooks stores the sums if reading them was long-winded. Sums are only ever
// a short cut, so a failure is left to the next reader.
func (s *Store) tidyBooks(ctx context.Context, merchantID, tail int64) {
	if tail > tailMax {
		_ = s.SnapshotBalances(ctx, merchantID)
	}
}

// SnapshotBalances stores the sums of all transfers posted so far. It keeps
// others from posting meanwhile, so that no transfer with an earlier position
// can turn up later.
func (s *Store) SnapshotBalances(ctx context.Context, merchantID int64) error {
	return s.write(ctx, merchantID, func(t *Tx) error {
		if err := t.lock(LockWorld, ""); err != nil {
			return err
		}
		if err := t.lock(LockBooks, ""); err != nil {
			return err
		}
		upto, err := t.LastTransfer()
		if err != nil {
			return err
		}
		sums, err := t.Balances()
		if err != nil {
			return err
		}
		if err := t.exec(`delete from balance_snapshot where merchant = $1`, merchantID); err != nil {
			return err
		}
		for k, minor := range sums {
			err := t.exec(`insert into balance_snapshot (merchant, account, currency, amount, upto) values ($1, $2, $3, $4, $5)`,
				merchantID, string(k.Account), string(k.Currency), minor, upto)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Record implements store.Tx.
func (t *Tx) Record(f event.Fact) error {
	return t.exec(t.sql.insertFact, t.merchant, f.ID, string(f.Kind), toMilli(f.At), f.Payment, f.Refund,
		f.Amount.Minor, string(f.Amount.Currency), f.Fee.Minor, string(f.Fee.Currency), toMilli(f.Due), f.Reason)
}

type recorded struct {
	seq  int64
	fact event.Fact
}

func scanFact(r Rows) (p recorded, err error) {
	var kind, currency, feeCurrency string
	var at, due int64
	f := &p.fact
	err = r.Scan(&p.seq, &f.ID, &kind, &at, &f.Payment, &f.Refund, &f.Amount.Minor, &currency, &f.Fee.Minor, &feeCurrency, &due, &f.Reason)
	f.Kind, f.At, f.Due = event.Kind(kind), fromMilli(at), fromMilli(due)
	f.Amount.Currency, f.Fee.Currency = money.Currency(currency), money.Currency(feeCurrency)
	return p, err
}

// Facts implements store.Reader.
func (t *Tx) Facts(after int64, limit int) ([]event.Fact, int64, error) {
	list, err := many(t, scanFact, `select seq, id, kind, at, payment, refund, amount, currency, fee, fee_currency, due, reason from fact
where merchant = $1 and seq > $2 order by seq limit $3 + 0`, t.merchant, after, int64(limit))
	if err != nil {
		return nil, after, err
	}
	fs := make([]event.Fact, len(list))
	for i, p := range list {
		fs[i], after = p.fact, p.seq
	}
	return fs, after, nil
}
