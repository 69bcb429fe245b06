package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// Difference is an invariant that does not hold. It names the first thing that
// is wrong.
type Difference struct {
	Account string
	What    string
}

// Error implements error.
func (d *Difference) Error() string { return "account " + d.Account + ": " + d.What }

// Auditor is a front that can check its rows against the core.
type Auditor interface {
	// Audit returns an error that names the first difference. balances leave out
	// what was moved for payments and batches of other fronts.
	Audit(r store.Reader, balances ledger.Balances) error
}

// Audited counts what Verify has looked at.
type Audited struct{ Merchants, Payments, Transfers, Refunds int }

// auditPage is how many rows are read at a time.
const auditPage = 1000

// Verify recomputes the ledger and every invariant from the stored rows and
// returns the first Difference it finds. progress is called now and then.
func (e *Engine) Verify(ctx context.Context, progress func(Audited)) (Audited, error) {
	var done Audited
	after := int64(-1)
	for {
		ids, err := e.Store.MerchantIDs(ctx, after, auditPage)
		if err != nil {
			return done, err
		}
		if len(ids) == 0 {
			return done, nil
		}
		for _, id := range ids {
			after = id
			err := e.Store.View(ctx, id, func(r store.Reader) error {
				m, err := r.Merchant()
				if err != nil {
					return err
				}
				a := audit{Reader: r, m: m, e: e, done: &done, flows: map[string]flow{}, owner: map[string]string{}}
				return a.run()
			})
			if err != nil {
				return done, err
			}
			done.Merchants++
			progress(done)
		}
	}
}

// flow is what the ledger says about one payment, in minor units.
type flow struct{ held, captured, released, fee, refunded, restored, disputed, disputeOver, disputeFee, feeBack, shared int64 }

type audit struct {
	store.Reader
	m     merchant.Merchant
	e     *Engine
	done  *Audited
	flows map[string]flow
	owner map[string]string // front by payment
}

func (a *audit) differ(format string, args ...any) error {
	return &Difference{Account: a.m.Account, What: fmt.Sprintf(format, args...)}
}

func (a *audit) run() error {
	balances, err := a.ledger()
	if err != nil {
		return err
	}
	if err := a.payments(); err != nil {
		return err
	}
	if err := a.agreements(); err != nil {
		return err
	}
	for id := range a.flows {
		return a.differ("the ledger has transfers of payment %s, which does not exist", id)
	}
	for name, f := range a.e.fronts {
		au, ok := f.(Auditor)
		if !ok {
			continue
		}
		own, err := a.without(balances, name)
		if err != nil {
			return err
		}
		if err := au.Audit(a.Reader, own); err != nil {
			return a.differ("%v", err)
		}
	}
	return nil
}

// without takes what was moved for payments and batches of other fronts out of balances.
func (a *audit) without(balances ledger.Balances, front string) (ledger.Balances, error) {
	foreign := false
	for _, owner := range a.owner {
		foreign = foreign || owner != front
	}
	if !foreign {
		return balances, nil
	}
	own := ledger.Balances{}
	for after := int64(0); ; {
		ts, next, err := a.Transfers(after, auditPage)
		if err != nil || len(ts) == 0 {
			return own, err
		}
		after = next
		for _, t := range ts {
			owner := a.owner[t.Payment]
			if of, ok := BatchOf(t.ID); ok {
				owner = of
			}
			if owner == "" || owner == front {
				own.Apply(t)
			}
		}
	}
}

// ledger folds all transfers and compares with the balances the store keeps.
func (a *audit) ledger() (ledger.Balances, error) {
	sums := ledger.Balances{}
	seen := map[string]bool{}
	for after := int64(0); ; {
		ts, next, err := a.Transfers(after, auditPage)
		if err != nil {
			return nil, err
		}
		if len(ts) == 0 {
			break
		}
		after = next
		for _, t := range ts {
			if err := t.Check(); err != nil {
				return nil, a.differ("%v", err)
			}
			if seen[t.ID] {
				return nil, a.differ("transfer %s is there twice", t.ID)
			}
			seen[t.ID] = true
			sums.Apply(t)
			if !a.note(t) {
				return nil, a.differ("transfer %s moves %s from %s to %s, which nothing explains", t.ID, t.Amount, t.Debit, t.Credit)
			}
			a.done.Transfers++
		}
	}
	kept, err := a.Balances()
	if err != nil {
		return nil, err
	}
	total := map[money.Currency]int64{}
	for k, v := range sums {
		total[k.Currency] += v
		if kept[k] != v {
			return nil, a.differ("balance of %s in %s: kept %d, transfers say %d", k.Account, k.Currency, kept[k], v)
		}
	}
	for k, v := range kept {
		if _, ok := sums[k]; !ok && v != 0 {
			return nil, a.differ("balance of %s in %s: kept %d, but no transfer touches it", k.Account, k.Currency, v)
		}
	}
	for c, v := range total {
		if v != 0 {
			return nil, a.differ("debits and credits in %s differ by %d", c, v)
		}
	}
	return sums, nil
}

// note adds a transfer to what the ledger says about its payment. It reports
// false if no use case makes such a transfer.
func (a *audit) note(t ledger.Transfer) bool {
	if t.Payment == "" {
		return ownFunds(t.Debit) && ownFunds(t.Credit)
	}
	f := a.flows[t.Payment]
	switch {
	case t.Credit == ledger.Hold:
		f.held += t.Amount.Minor
	case t.Debit == ledger.Hold && t.Credit.IsPending():
		f.captured += t.Amount.Minor
	case t.Debit == ledger.Hold:
		f.released += t.Amount.Minor
	case t.Credit == ledger.Partners:
		f.shared += t.Amount.Minor
	case t.Credit == ledger.Disputed:
		f.disputed += t.Amount.Minor
	case t.Debit == ledger.Disputed:
		f.disputeOver += t.Amount.Minor
	case t.Credit == ledger.Fees && t.Debit == ledger.Available:
		f.disputeFee += t.Amount.Minor
	case t.Debit == ledger.Fees && strings.HasPrefix(t.ID, "fee_back:"):
		f.feeBack += t.Amount.Minor
	case t.Debit == ledger.Fees:
		f.disputeFee -= t.Amount.Minor
	case t.Credit == ledger.Fees:
		f.fee += t.Amount.Minor
	case t.Debit == ledger.Available:
		f.refunded += t.Amount.Minor
	case t.Credit == ledger.Available:
		f.restored += t.Amount.Minor
	default:
		return false
	}
	a.flows[t.Payment] = f
	return true
}

// ownFunds reports whether an account holds what is the merchant's already, so
// that moving it concerns no single payment.
func ownFunds(a ledger.Account) bool {
	return a.IsPending() || a == ledger.Available || a == ledger.Payouts || a == ledger.Disputed || a == ledger.Exchange
}

// planned reads the ids of all jobs.
func (a *audit) planned() (map[string]bool, error) {
	jobs, err := a.Jobs(1 << 30)
	planned := map[string]bool{}
	for _, j := range jobs {
		planned[j.ID] = true
	}
	return planned, err
}

// agreements checks that every live agreement has its deadline planned and that
// no token outlives its agreement.
func (a *audit) agreements() error {
	planned, err := a.planned()
	if err != nil {
		return err
	}
	for after := ""; ; {
		as, err := a.Agreements(after, auditPage)
		if err != nil || len(as) == 0 {
			return err
		}
		for _, g := range as {
			after = g.ID
			if g.State().Live() && !g.Deadline.IsZero() && !planned["agreement:"+g.ID] {
				return a.differ("agreement %s is %s, but nothing is planned for its deadline %s", g.ID, g.State(), g.Deadline)
			}
			ks, err := a.AgreementTokens(g.ID)
			if err != nil {
				return err
			}
			for _, k := range ks {
				if k.Number > g.Generation() || g.State() == agreement.Active && k.Until.After(g.Deadline) {
					return a.differ("agreement %s (%s, %d issued): its %s token of issue %d lasts until %s", g.ID, g.State(), g.Generation(), k.Kind, k.Number, k.Until)
				}
			}
		}
	}
}

func (a *audit) payments() error {
	planned, err := a.planned()
	if err != nil {
		return err
	}
	if s := a.m.Profile.Payouts; s.Interval != merchant.Manual && !planned[JobPayouts] {
		return a.differ("payouts are %s, but nothing is planned for them", s.Interval)
	}
	for after := ""; ; {
		ps, err := a.Payments(after, auditPage)
		if err != nil {
			return err
		}
		if len(ps) == 0 {
			return nil
		}
		for _, p := range ps {
			after = p.ID
			a.owner[p.ID] = p.Front
			if err := a.payment(&p, planned); err != nil {
				return err
			}
			a.done.Payments++
		}
	}
}

// authorized sums what the payment's attempts got authorised.
func (a *audit) authorized(p *payment.Payment) (sum int64, err error) {
	as, err := a.Attempts(p.ID)
	if err != nil {
		return 0, err
	}
	for _, at := range as {
		if !at.AuthorizedAt.IsZero() {
			sum += at.Amount.Minor
		}
		if at.ID != p.Attempt.ID && (at.State().Waiting() || at.State() == payment.Captured) {
			return 0, a.differ("payment %s: attempt %s is %s, but %s came after it", p.ID, at.ID, at.State(), p.Attempt.ID)
		}
	}
	return sum, nil
}

// inquiry checks that an inquiry ends some time. Whether it moved money is seen
// by what the payment's dispute withdrew.
func (a *audit) inquiry(p *payment.Payment, planned map[string]bool) error {
	if p.Disputed() == "" {
		return nil
	}
	d, err := a.Dispute(p.Disputed())
	if err != nil {
		return a.differ("payment %s: its inquiry %s: %v", p.ID, p.Disputed(), err)
	}
	if !d.State().Inquiry() {
		return a.differ("dispute %s is %s, but payment %s does not say that it withdrew money", d.ID, d.State(), p.ID)
	}
	if !d.State().Over() && !planned[inquiryJob(d.ID)] {
		return a.differ("dispute %s is an inquiry, but nothing is planned for its end", d.ID)
	}
	return nil
}

func (a *audit) payment(p *payment.Payment, planned map[string]bool) error {
	f := a.flows[p.ID]
	delete(a.flows, p.ID)
	rs, err := a.Refunds(p.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	var all, failed int64
	for _, r := range rs {
		a.done.Refunds++
		all += r.Amount.Minor
		if r.State() == payment.RefundFailed {
			failed += r.Amount.Minor
		}
	}
	var disputed, over, disputeFee int64
	if p.Dispute() != "" {
		d, err := a.Dispute(p.Dispute())
		if err != nil {
			return a.differ("payment %s: its dispute %s: %v", p.ID, p.Dispute(), err)
		}
		disputed, disputeFee = d.Amount.Minor, d.Fee.Minor
		switch d.State() {
		case payment.DisputeWon:
			if over = disputed; f.disputeFee != disputeFee { // the account kept the fee, or was given it back
				disputeFee = 0
			}
		case payment.DisputeLost:
			over = disputed
		case payment.DisputeOpen:
			if !planned["dispute:"+d.ID] {
				return a.differ("dispute %s is open, but nothing is planned for its deadline %s", d.ID, d.Deadline)
			}
		case payment.DisputeUnderReview:
		case payment.InquiryOpen, payment.InquiryAnswered, payment.InquiryClosed:
			return a.differ("dispute %s is an inquiry, but payment %s says that it withdrew money", d.ID, p.ID)
		}
	} else if err := a.inquiry(p, planned); err != nil {
		return err
	}
	authorized, err := a.authorized(p)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what      string
		got, want int64
	}{
		{"authorised in the ledger", f.held, authorized},
		{"captured", f.captured, p.CapturedAmount().Minor},
		{"still held", f.held - f.captured - f.released, p.HeldAmount().Minor},
		{"taken for refunds", f.refunded, all},
		{"returned for failed refunds", f.restored, failed},
		{"withdrawn for its dispute", f.disputed, disputed},
		{"settled of its dispute", f.disputeOver, over},
		{"dispute fee", f.disputeFee, disputeFee},
		{"sum of refunds kept on the payment", p.RefundedAmount().Minor, all - failed},
	} {
		if c.got != c.want {
			return a.differ("payment %s (%s): %s is %d, should be %d", p.ID, p.State(), c.what, c.got, c.want)
		}
	}
	if f.feeBack != 0 && (f.feeBack != f.fee || p.RefundedAmount() != p.CapturedAmount() && f.restored == 0) {
		return a.differ("payment %s: %d of its fee %d came back, which happens only when it is reversed as a whole", p.ID, f.feeBack, f.fee)
	}
	if f.shared > f.captured {
		return a.differ("payment %s: %d of it are due to others, more than was captured (%d)", p.ID, f.shared, f.captured)
	}
	if f.fee > f.captured {
		return a.differ("payment %s: fee %d is more than was captured (%d)", p.ID, f.fee, f.captured)
	}
	if span, ok := shared(p); p.State().Waiting() && !planned[expireJob(p.ID)] && !(ok && planned[span.job(JobDeadlines)]) {
		return a.differ("payment %s is %s, but nothing is planned for its deadline %s", p.ID, p.State(), p.Attempt.Deadline)
	}
	if p.State().Waiting() == p.Attempt.Deadline.IsZero() {
		return a.differ("payment %s is %s, but its deadline is %s", p.ID, p.State(), p.Attempt.Deadline)
	}
	return nil
}
