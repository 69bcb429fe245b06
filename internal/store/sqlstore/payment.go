package sqlstore

import (
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
)

const selectPayment = `select p.id, p.front, p.owner, p.kind, p.product, p.method, p.currency, p.amount, p.created, p.secret, p.script,
	p.captured, p.refunded, p.captured_at, p.dispute, p.version,
	a.id, a.state, a.rail, a.reference, a.payer, a.reason, a.authorized_at, a.deadline, a.claim
from payment p join attempt a on a.merchant = p.merchant and a.payment = p.id and a.id = p.attempt
`

func scanPayment(r Rows) (payment.Payment, error) {
	var p payment.Payment
	var s payment.Stored
	var currency, reason string
	var created, capturedAt, authorizedAt, deadline int64
	err := r.Scan(&p.ID, &p.Front, &p.Owner, &p.Kind, &p.Product, &p.Method, &currency, &p.Amount.Minor, &created, &p.Secret, &p.Script,
		&s.CapturedMinor, &s.RefundedMinor, &capturedAt, &s.Dispute, &p.Version,
		&p.Attempt.ID, &s.State, &p.Attempt.Rail, &p.Attempt.Reference, &p.Attempt.Payer, &reason, &authorizedAt, &deadline, &p.Attempt.Claim)
	if err != nil {
		return p, err
	}
	p.Amount.Currency, p.Attempt.Reason = money.Currency(currency), payment.Reason(reason)
	p.Created, s.CapturedAt = fromMilli(created), fromMilli(capturedAt)
	p.Attempt.AuthorizedAt, p.Attempt.Deadline = fromMilli(authorizedAt), fromMilli(deadline)
	return payment.Restore(p, s)
}

// Payment implements store.Reader; inside Update it locks the row.
func (t *Tx) Payment(id string) (payment.Payment, error) {
	if err := t.lock(LockPayment, id); err != nil {
		return payment.Payment{}, err
	}
	return one(t, scanPayment, selectPayment+`where p.merchant = $1 and p.id = $2`, t.merchant, id)
}

// Payments implements store.Reader.
func (t *Tx) Payments(after string, limit int) ([]payment.Payment, error) {
	return many(t, scanPayment, selectPayment+`where p.merchant = $1 and p.id > $2 order by p.id limit $3`, t.merchant, after, int64(limit))
}

// InsertPayment implements store.Tx.
func (t *Tx) InsertPayment(p payment.Payment) error {
	s := p.Stored()
	err := t.exec(`insert into payment (merchant, id, front, owner, kind, product, method, currency, amount, created, secret, script,
	attempt, captured, refunded, captured_at, dispute, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1)`,
		t.merchant, p.ID, p.Front, p.Owner, p.Kind, p.Product, p.Method, string(p.Amount.Currency), p.Amount.Minor, toMilli(p.Created),
		p.Secret, p.Script, p.Attempt.ID, s.CapturedMinor, s.RefundedMinor, toMilli(s.CapturedAt), s.Dispute)
	if err != nil {
		return err
	}
	return t.exec(insertAttempt, t.attemptArgs(p, s)...)
}

// UpdatePayment implements store.Tx.
func (t *Tx) UpdatePayment(p payment.Payment) error {
	s := p.Stored()
	err := t.execOne(`update payment set front = $4, owner = $5, kind = $6, product = $7, method = $8, currency = $9, amount = $10,
	secret = $11, script = $12, attempt = $13, captured = $14, refunded = $15, captured_at = $16, dispute = $17, version = version + 1
where merchant = $1 and id = $2 and version = $3`,
		t.merchant, p.ID, p.Version, p.Front, p.Owner, p.Kind, p.Product, p.Method, string(p.Amount.Currency), p.Amount.Minor,
		p.Secret, p.Script, p.Attempt.ID, s.CapturedMinor, s.RefundedMinor, toMilli(s.CapturedAt), s.Dispute)
	if err != nil {
		return err
	}
	return t.putAttempt(p, s)
}

const insertAttempt = `insert into attempt (merchant, payment, id, state, rail, reference, payer, reason, authorized_at, deadline, claim)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// putAttempt stores the current attempt; a trigger checks the change of state.
func (t *Tx) putAttempt(p payment.Payment, s payment.Stored) error {
	return t.exec(insertAttempt+`
on conflict (merchant, payment, id) do update set state = excluded.state, rail = excluded.rail, reference = excluded.reference,
	payer = excluded.payer, reason = excluded.reason, authorized_at = excluded.authorized_at, deadline = excluded.deadline, claim = excluded.claim`,
		t.attemptArgs(p, s)...)
}

func (t *Tx) attemptArgs(p payment.Payment, s payment.Stored) []any {
	a := p.Attempt
	return []any{t.merchant, p.ID, a.ID, s.State, a.Rail, a.Reference, a.Payer, string(a.Reason), toMilli(a.AuthorizedAt), toMilli(a.Deadline), a.Claim}
}

const selectRefund = `select id, payment, currency, amount, created, reason, state, version from refund
`

func scanRefund(r Rows) (payment.Refund, error) {
	var f payment.Refund
	var currency, reason, state string
	var created int64
	if err := r.Scan(&f.ID, &f.Payment, &currency, &f.Amount.Minor, &created, &reason, &state, &f.Version); err != nil {
		return f, err
	}
	f.Amount.Currency, f.Reason, f.Created = money.Currency(currency), payment.Reason(reason), fromMilli(created)
	return payment.RestoreRefund(f, state)
}

// Refund implements store.Reader; inside Update it locks the row.
func (t *Tx) Refund(id string) (payment.Refund, error) {
	if err := t.lock(LockRefund, id); err != nil {
		return payment.Refund{}, err
	}
	return one(t, scanRefund, selectRefund+`where merchant = $1 and id = $2`, t.merchant, id)
}

// Refunds implements store.Reader.
func (t *Tx) Refunds(paymentID string) ([]payment.Refund, error) {
	return many(t, scanRefund, selectRefund+`where merchant = $1 and payment = $2 order by created, id`, t.merchant, paymentID)
}

// InsertRefund implements store.Tx.
func (t *Tx) InsertRefund(r payment.Refund) error {
	return t.exec(`insert into refund (merchant, id, payment, currency, amount, created, reason, state, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, 1)`,
		t.merchant, r.ID, r.Payment, string(r.Amount.Currency), r.Amount.Minor, toMilli(r.Created), string(r.Reason), r.State().String())
}

// UpdateRefund implements store.Tx.
func (t *Tx) UpdateRefund(r payment.Refund) error {
	return t.execOne(`update refund set reason = $4, state = $5, version = version + 1 where merchant = $1 and id = $2 and version = $3`,
		t.merchant, r.ID, r.Version, string(r.Reason), r.State().String())
}

// Dispute implements store.Reader; inside Update it locks the row.
func (t *Tx) Dispute(id string) (payment.Dispute, error) {
	if err := t.lock(LockDispute, id); err != nil {
		return payment.Dispute{}, err
	}
	return one(t, scanDispute, `select id, payment, currency, amount, fee, reason, created, deadline, state, version from dispute
where merchant = $1 and id = $2`, t.merchant, id)
}

func scanDispute(r Rows) (payment.Dispute, error) {
	var d payment.Dispute
	var currency, state string
	var created, deadline int64
	if err := r.Scan(&d.ID, &d.Payment, &currency, &d.Amount.Minor, &d.Fee.Minor, &d.Reason, &created, &deadline, &state, &d.Version); err != nil {
		return d, err
	}
	d.Amount.Currency, d.Fee.Currency = money.Currency(currency), money.Currency(currency)
	d.Created, d.Deadline = fromMilli(created), fromMilli(deadline)
	return payment.RestoreDispute(d, state)
}

// InsertDispute implements store.Tx.
func (t *Tx) InsertDispute(d payment.Dispute) error {
	return t.exec(`insert into dispute (merchant, id, payment, currency, amount, fee, reason, created, deadline, state, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)`,
		t.merchant, d.ID, d.Payment, string(d.Amount.Currency), d.Amount.Minor, d.Fee.Minor, d.Reason, toMilli(d.Created), toMilli(d.Deadline), d.State().String())
}

// UpdateDispute implements store.Tx.
func (t *Tx) UpdateDispute(d payment.Dispute) error {
	return t.execOne(`update dispute set state = $4, version = version + 1 where merchant = $1 and id = $2 and version = $3`,
		t.merchant, d.ID, d.Version, d.State().String())
}
