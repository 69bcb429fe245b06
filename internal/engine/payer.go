package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// Token names a payment on its hosted page: whoever has it may decide.
func Token(m merchant.Merchant, p payment.Payment) string {
	return tokenFor(m, paymentPrefix, p.ID, p.Secret)
}

// receiptSecret is derived from the payment's secret and does not reveal it: who
// has a receipt's address can look, not decide.
func receiptSecret(p payment.Payment) string {
	sum := sha256.Sum256([]byte("ducat receipt\x00" + p.Secret))
	return hex.EncodeToString(sum[:12])
}

// ReceiptToken names a payment on its receipt.
func ReceiptToken(m merchant.Merchant, p payment.Payment) string {
	p.Secret = receiptSecret(p)
	return Token(m, p)
}

// Receipt finds the captured payment a receipt's token names. A wrong token is
// store.ErrNotFound, whatever is wrong with it.
func (e *Engine) Receipt(ctx context.Context, token string) (merchant.Merchant, payment.Payment, error) {
	k, err := parseToken(token, paymentPrefix)
	if err != nil {
		return merchant.Merchant{}, payment.Payment{}, err
	}
	var who merchant.Merchant
	var p payment.Payment
	err = e.View(ctx, k.merchant, func(r store.Reader, m merchant.Merchant, _ time.Time) (err error) {
		who = m
		if p, err = r.Payment(k.id); err != nil {
			return err
		}
		if p.State() != payment.Captured {
			return store.ErrNotFound
		}
		return k.check(receiptSecret(p))
	})
	return who, p, err
}

// Visit is what the hosted page knows about a payment.
type Visit struct {
	Merchant merchant.Merchant
	Payment  payment.Payment
	ReturnTo string
	Details  []Detail
	At       time.Time
	Decided  bool // by the decision that the visit answers
}

// Visit finds the payment of a token. A wrong token is store.ErrNotFound,
// whatever is wrong with it.
func (e *Engine) Visit(ctx context.Context, token string) (Visit, error) {
	k, err := parseToken(token, paymentPrefix)
	if err != nil {
		return Visit{}, err
	}
	var v Visit
	err = e.look(ctx, k, func(r store.Reader, m merchant.Merchant, at time.Time) (overdue bool, err error) {
		p, err := r.Payment(k.id)
		if err != nil {
			return false, err
		}
		v, err = e.visit(r, m, at, p, k)
		return p.Overdue(at), err
	}, func(t *Tx) error {
		p, err := t.LoadPayment(k.id)
		if err != nil {
			return err
		}
		_, err = t.Lapse(p)
		return err
	})
	if err != nil {
		return Visit{}, err
	}
	return v, nil
}

func (e *Engine) visit(r store.Reader, m merchant.Merchant, at time.Time, p payment.Payment, k token) (Visit, error) {
	if err := k.check(p.Secret); err != nil {
		return Visit{}, err
	}
	front, ok := e.fronts[p.Front]
	if !ok {
		return Visit{}, fmt.Errorf("payment %s belongs to front %q, which is not running", p.ID, p.Front)
	}
	to, details, err := front.ReturnTo(r, p)
	return Visit{Merchant: m, Payment: p, ReturnTo: to, Details: details, At: at}, err
}

// errUndecidable undoes a decision that came too late to matter.
var errUndecidable = errors.New("engine: nothing to decide")

// Decide applies the payer's decision on a simulated page. Deciding about a
// payment that is decided already changes nothing. extra, if there is one, gives
// the instructions the payer chose on the page, put before the payment's own.
func (e *Engine) Decide(ctx context.Context, token string, d rail.Decision, extra func(p payment.Payment) []rail.Rule) (v Visit, err error) {
	k, err := parseToken(token, paymentPrefix)
	if err != nil {
		return Visit{}, err
	}
	err = e.Update(ctx, k.merchant, Cause{}, func(t *Tx) error {
		p, err := t.LoadPayment(k.id)
		if err != nil {
			return err
		}
		if err := k.check(p.Secret); err != nil {
			return err
		}
		if _, err := t.Lapse(p); err != nil {
			return err
		}
		decided := p.State() == payment.AwaitingPayer
		var rules []rail.Rule
		if decided && extra != nil {
			rules = extra(*p)
		}
		if err := t.decide(p, d, rules); err != nil {
			return err
		}
		v, err = e.visit(t, t.Who, t.At, *p, k)
		v.Decided = decided
		return err
	})
	if errors.Is(err, errUndecidable) {
		return e.Visit(ctx, token)
	}
	if err != nil {
		return Visit{}, err
	}
	return v, nil
}

// DecidePayment is Decide for those who know the payment: the control API, and
// fronts that have pages of their own.
func (t *Tx) DecidePayment(paymentID string, d rail.Decision, extra ...rail.Rule) error {
	p, err := t.LoadPayment(paymentID)
	if err != nil {
		return err
	}
	if _, err := t.Lapse(p); err != nil {
		return err
	}
	if err := t.decide(p, d, extra); err != nil && !errors.Is(err, errUndecidable) {
		return err
	}
	return nil
}

func (t *Tx) decide(p *payment.Payment, d rail.Decision, extra []rail.Rule) error {
	if p.State() != payment.AwaitingPayer {
		return nil
	}
	r, err := t.e.rail(p.Attempt.Rail)
	if err != nil {
		return err
	}
	sim, ok := r.(rail.Simulated)
	if !ok {
		return errUndecidable
	}
	req, err := t.request(p, p.Attempt.ID, "approve")
	if err != nil {
		return err
	}
	req.Takes = Rules(*p).ApprovalDelay
	req.Script = append(append([]rail.Rule(nil), extra...), req.Script...)
	plan := sim.Decide(req, d)
	if len(plan) == 0 {
		return nil
	}
	if plan[0].After > 0 {
		if err := p.Act(); err != nil {
			return err
		}
		if err := t.save(p); err != nil {
			return err
		}
		// Where a confirmation comes at once, waiting for one is news.
		if req.Takes == 0 {
			if err := t.state(event.Fact{Kind: event.Pending}, p, nil); err != nil {
				return err
			}
		}
	}
	for i, n := range plan {
		if n.After <= 0 {
			if err := t.ApplyNotice(n.Notice); err != nil {
				return err
			}
			continue
		}
		if err := t.Job(fmt.Sprintf("notice:%s:%d", req.Attempt, i), JobNotice, t.At.Add(n.After), n.Notice); err != nil {
			return err
		}
	}
	return nil
}
