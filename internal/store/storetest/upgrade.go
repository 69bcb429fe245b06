package storetest

import (
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// Upgrade checks that migrations which move data lose none of it. before brings
// an empty database up to, but not including, the migration with a name, and
// runs statements on it.
func Upgrade(t *testing.T, s store.Store, before func(migration string, sql ...string) error) {
	f := &fixture{T: t, Store: s, ids: id.System()}
	const ms = "1767225600000" // the first instant of 2026
	f.must(before("attempts",
		`insert into merchant (id, account, live, created, clock_offset, profile, advancing_until, version) values (7, 'acct', 0, 0, 0, '{}', 0, 1)`,
		`insert into payment (merchant, id, front, owner, kind, product, method, currency, amount, created, secret, script, attempt,
			captured, refunded, captured_at, dispute, version)
		values (7, 'pay_1', 'x', 'obj_1', 'x.y', 'goods', 'wallet', 'EUR', 1099, `+ms+`, 's', '', 'att_1', 0, 0, 0, '', 3)`,
		`insert into attempt (merchant, payment, id, state, rail, reference, payer, reason, authorized_at, deadline, claim)
		values (7, 'pay_1', 'att_1', 'authorized', 'sim', 'ref', 'payer', '', `+ms+`, `+ms+`, 'op')`,
	))
	f.must(f.Migrate(f.ctx()))
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	want, err := payment.Restore(payment.Payment{
		ID: "pay_1", Front: "x", Owner: "obj_1", Kind: "x.y", Product: "goods", Method: "wallet", Amount: money.Of(1099, "EUR"), Created: at,
		Secret: "s", Version: 3,
		Attempt: payment.Attempt{
			ID: "att_1", Method: "wallet", Amount: money.Of(1099, "EUR"), Begun: at, Rail: "sim", Reference: "ref", Payer: "payer",
			AuthorizedAt: at, Deadline: at, Claim: "op",
		},
	}, payment.Stored{State: payment.Authorized.String()})
	f.must(err)
	f.must(s.View(f.ctx(), 7, func(r store.Reader) error {
		got, err := r.Payment("pay_1")
		equal(f, got, want)
		as, aerr := r.Attempts("pay_1")
		f.must(aerr)
		equal(f, as, []payment.Attempt{want.Attempt})
		return err
	}))
}
