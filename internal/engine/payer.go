package engine

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// Token names a payment on its hosted page. It carries the payment's secret:
// whoever has it may decide.
func Token(m merchant.Merchant, p payment.Payment) string {
	return strconv.FormatUint(uint64(m.ID), 36) + "-" + strings.TrimPrefix(p.ID, "pay_") + "-" + p.Secret
}

func parseToken(token, prefix string) (merchantID int64, id, secret string, ok bool) {
	parts := strings.Split(token, "-")
	if len(parts) != 3 || len(token) > 100 {
		return 0, "", "", false
	}
	n, err := strconv.ParseUint(parts[0], 36, 64)
	if err != nil {
		return 0, "", "", false
	}
	return int64(n), prefix + parts[1], parts[2], true
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
	merchantID, paymentID, secret, ok := parseToken(token, "pay_")
	if !ok {
		return merchant.Merchant{}, payment.Payment{}, store.ErrNotFound
	}
	var who merchant.Merchant
	var p payment.Payment
	err := e.View(ctx, merchantID, func(r store.Reader, m merchant.Merchant, _ time.Time) (err error) {
		who = m
		if p, err = r.Payment(paymentID); err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(receiptSecret(p)), []byte(secret)) != 1 || p.State() != payment.Captured {
			return store.ErrNotFound
		}
		return nil
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
	merchantID, paymentID, secret, ok := parseToken(token, "pay_")
	if !ok {
		return Visit{}, store.ErrNotFound
	}
	var v Visit
	read := func() error {
		return e.View(ctx, merchantID, func(r store.Reader, m merchant.Merchant, at time.Time) (err error) {
			v, err = e.visit(r, m, at, paymentID, secret)
			return err
		})
	}
	if err := read(); err != nil {
		return Visit{}, err
	}
	if !v.Payment.Overdue(v.At) {
		return v, nil
	}
	if err := e.Update(ctx, merchantID, Cause{}, func(t *Tx) error {
		p, err := t.LoadPayment(paymentID)
		if err != nil {
			return err
		}
		_, err = t.Lapse(p)
		return err
	}); err != nil {
		return Visit{}, err
	}
	return v, read()
}

func (e *Engine) visit(r store.Reader, m merchant.Merchant, at time.Time, paymentID, secret string) (Visit, error) {
	p, err := r.Payment(paymentID)
	if err != nil {
		return Visit{}, err
	}
	return e.visitOf(r, m, at, p, secret)
}

func (e *Engine) visitOf(r store.Reader, m merchant.Merchant, at time.Time, p payment.Payment, secret string) (Visit, error) {
	if subtle.ConstantTimeCompare([]byte(p.Secret), []byte(secret)) != 1 {
		return Visit{}, store.ErrNotFound
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
	merchantID, paymentID, secret, ok := parseToken(token, "pay_")
	if !ok {
		return Visit{}, store.ErrNotFound
	}
	err = e.Update(ctx, merchantID, Cause{}, func(t *Tx) error {
		p, err := t.LoadPayment(paymentID)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(p.Secret), []byte(secret)) != 1 {
			return store.ErrNotFound
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
		v, err = e.visitOf(t, t.Who, t.At, *p, secret)
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
