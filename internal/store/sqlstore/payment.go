package sqlstore

import (
	"cmp"

	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
)

const selectPayment = `select id, front, owner, kind, product, method, currency, amount, created, secret, script,
	auto_capture, descriptor, agreement, captured, refunded, captured_at, dispute, inquiry, version,
	attempt, state, begun, rail, reference, payer, reason, authorized_at, deadline, claim
from payment
`

func scanPayment(r Rows) (payment.Payment, error) {
	var p payment.Payment
	var s payment.Stored
	var currency, reason string
	var created, auto, capturedAt, begun, authorizedAt, deadline int64
	a := &p.Attempt
	err := r.Scan(&p.ID, &p.Front, &p.Owner, &p.Kind, &p.Product, &p.Method, &currency, &p.Amount.Minor, &created, &p.Secret, &p.Script,
		&auto, &p.Descriptor, &p.Agreement, &s.CapturedMinor, &s.RefundedMinor, &capturedAt, &s.Dispute, &s.Inquiry, &p.Version,
		&a.ID, &s.State, &begun, &a.Rail, &a.Reference, &a.Payer, &reason, &authorizedAt, &deadline, &a.Claim)
	if err != nil {
		return p, err
	}
	p.Amount.Currency, p.AutoCapture, p.Created, s.CapturedAt = money.Currency(currency), auto != 0, fromMilli(created), fromMilli(capturedAt)
	a.Method, a.Amount, a.Begun, a.Reason = p.Method, p.Amount, fromMilli(begun), payment.Reason(reason)
	a.AuthorizedAt, a.Deadline = fromMilli(authorizedAt), fromMilli(deadline)
	return payment.Restore(p, s)
}

// Payment implements store.Reader; inside Update it locks the row.
func (t *Tx) Payment(id string) (payment.Payment, error) {
	if err := t.lock(LockPayment, id); err != nil {
		return payment.Payment{}, err
	}
	return one(t, scanPayment, selectPayment+`where merchant = $1 and id = $2`, t.merchant, id)
}

// PaymentVersions implements store.Reader.
func (t *Tx) PaymentVersions(ids []string) (map[string]int64, error) {
	return t.versions(selectPaymentVersions, []any{t.merchant}, ids)
}

// Payments implements store.Reader.
func (t *Tx) Payments(after string, limit int) ([]payment.Payment, error) {
	return many(t, scanPayment, selectPayment+`where merchant = $1 and id > $2 order by id limit $3 + 0`, t.merchant, after, int64(limit))
}

// PaymentsBefore implements store.Reader.
func (t *Tx) PaymentsBefore(before string, limit int) ([]payment.Payment, error) {
	return many(t, scanPayment, selectPayment+`where merchant = $1 and id < $2 order by id desc limit $3 + 0`, t.merchant, cmp.Or(before, last), int64(limit))
}

// Attempts implements store.Reader. The database keeps an attempt when another
// takes its place; ids sort by time.
func (t *Tx) Attempts(paymentID string) ([]payment.Attempt, error) {
	return many(t, scanAttempt, `select id, state, method, currency, amount, begun, rail, reference, payer, reason, authorized_at, 0 as deadline, '' as claim
from attempt where merchant = $1 and payment = $2
union all
select attempt, state, method, currency, amount, begun, rail, reference, payer, reason, authorized_at, deadline, claim
from payment where merchant = $1 and id = $2
order by begun, id`, t.merchant, paymentID)
}

func scanAttempt(r Rows) (payment.Attempt, error) {
	var a payment.Attempt
	var state, currency, reason string
	var begun, authorizedAt, deadline int64
	err := r.Scan(&a.ID, &state, &a.Method, &currency, &a.Amount.Minor, &begun, &a.Rail, &a.Reference, &a.Payer, &reason, &authorizedAt, &deadline, &a.Claim)
	if err != nil {
		return a, err
	}
	a.Amount.Currency, a.Begun, a.Reason = money.Currency(currency), fromMilli(begun), payment.Reason(reason)
	a.AuthorizedAt, a.Deadline = fromMilli(authorizedAt), fromMilli(deadline)
	return payment.RestoreAttempt(a, state)
}

// InsertPayment implements store.Tx.
func (t *Tx) InsertPayment(p payment.Payment) error {
	return t.exec(`insert into payment (merchant, id, version, front, owner, kind, product, method, currency, amount, secret, script,
	auto_capture, descriptor, agreement, captured, refunded, captured_at, dispute, inquiry,
	attempt, state, begun, rail, reference, payer, reason, authorized_at, deadline, claim, created)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)`,
		append(t.paymentArgs(p, 1), toMilli(p.Created))...)
}

// UpdatePayment implements store.Tx. Triggers check the change of state, and
// keep an attempt that is followed by another.
func (t *Tx) UpdatePayment(p payment.Payment) error {
	return t.execOne(`update payment set version = $3 + 1, front = $4, owner = $5, kind = $6, product = $7, method = $8, currency = $9, amount = $10,
	secret = $11, script = $12, auto_capture = $13, descriptor = $14, agreement = $15, captured = $16, refunded = $17, captured_at = $18, dispute = $19,
	inquiry = $20, attempt = $21, state = $22, begun = $23, rail = $24, reference = $25, payer = $26, reason = $27, authorized_at = $28, deadline = $29, claim = $30
where merchant = $1 and id = $2 and version = $3`, t.paymentArgs(p, p.Version)...)
}

// paymentArgs are the arguments $1 to $30 of both statements.
func (t *Tx) paymentArgs(p payment.Payment, version int64) []any {
	s, a := p.Stored(), p.Attempt
	args := make([]any, 0, 31) // with room for one more
	return append(args,
		t.merchant, p.ID, version, p.Front, p.Owner, p.Kind, p.Product, p.Method, string(p.Amount.Currency), p.Amount.Minor, p.Secret, p.Script,
		toBit(p.AutoCapture), p.Descriptor, p.Agreement, s.CapturedMinor, s.RefundedMinor, toMilli(s.CapturedAt), s.Dispute, s.Inquiry,
		a.ID, s.State, toMilli(a.Begun), a.Rail, a.Reference, a.Payer, string(a.Reason), toMilli(a.AuthorizedAt), toMilli(a.Deadline), a.Claim,
	)
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
	if err := t.lock(LockRefund, r.ID); err != nil {
		return err
	}
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
	if err := t.lock(LockDispute, d.ID); err != nil {
		return err
	}
	return t.execOne(`update dispute set state = $4, amount = $5, fee = $6, deadline = $7, version = version + 1
where merchant = $1 and id = $2 and version = $3`,
		t.merchant, d.ID, d.Version, d.State().String(), d.Amount.Minor, d.Fee.Minor, toMilli(d.Deadline))
}
