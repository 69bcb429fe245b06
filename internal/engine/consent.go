package engine

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// AgreementToken names an agreement on its hosted page. It carries the
// agreement's secret: whoever has it may decide.
func AgreementToken(m merchant.Merchant, a agreement.Agreement) string {
	return strconv.FormatUint(uint64(m.ID), 36) + "-" + strings.TrimPrefix(a.ID, "agr_") + "-" + a.Secret
}

// Consent is what the hosted page knows about an agreement.
type Consent struct {
	Merchant  merchant.Merchant
	Agreement agreement.Agreement
	Method    string // its name, for people
	ReturnTo  string
	Details   []Detail
	At        time.Time
}

// Consent finds the agreement of a token. A wrong token is store.ErrNotFound,
// whatever is wrong with it.
func (e *Engine) Consent(ctx context.Context, token string) (Consent, error) {
	merchantID, id, secret, ok := parseToken(token, "agr_")
	if !ok {
		return Consent{}, store.ErrNotFound
	}
	var c Consent
	read := func() error {
		return e.View(ctx, merchantID, func(r store.Reader, m merchant.Merchant, at time.Time) error {
			a, err := r.Agreement(id)
			if err != nil {
				return err
			}
			if subtle.ConstantTimeCompare([]byte(a.Secret), []byte(secret)) != 1 {
				return store.ErrNotFound
			}
			front, ok := e.fronts[a.Front].(AgreementFront)
			if !ok {
				return fmt.Errorf("agreement %s belongs to front %q, which is not running or has none", a.ID, a.Front)
			}
			to, details, err := front.AgreementReturnTo(r, a)
			rules, _ := method.Find(a.Product, a.Method)
			c = Consent{Merchant: m, Agreement: a, Method: rules.Name, ReturnTo: to, Details: details, At: at}
			return err
		})
	}
	if err := read(); err != nil {
		return Consent{}, err
	}
	if !c.Agreement.Overdue(c.At) {
		return c, nil
	}
	if err := e.Update(ctx, merchantID, Cause{}, func(t *Tx) error {
		_, err := t.LoadAgreement(id)
		return err
	}); err != nil {
		return Consent{}, err
	}
	return c, read()
}

// DecideConsent applies the payer's decision on a simulated page. payer is the
// wallet's name for them, "" for a made-up one; deciding twice changes nothing.
func (e *Engine) DecideConsent(ctx context.Context, token string, d rail.Decision, payer string) (Consent, error) {
	c, err := e.Consent(ctx, token)
	if err != nil {
		return Consent{}, err
	}
	if payer == "" {
		payer = "user" + c.Agreement.ID[max(len(c.Agreement.ID)-8, 0):]
	}
	if err := e.Update(ctx, c.Merchant.ID, Cause{}, func(t *Tx) error {
		a, err := t.LoadAgreement(c.Agreement.ID)
		if err != nil {
			return err
		}
		return t.DecideAgreement(a, d, payer)
	}); err != nil {
		return Consent{}, err
	}
	return e.Consent(ctx, token)
}

// WithdrawConsent ends an agreement as the payer would in the wallet, if the
// wallet lets them. Withdrawing what is over changes nothing.
func (e *Engine) WithdrawConsent(ctx context.Context, token string) (Consent, error) {
	c, err := e.Consent(ctx, token)
	if err != nil {
		return Consent{}, err
	}
	if err := e.Update(ctx, c.Merchant.ID, Cause{}, func(t *Tx) error {
		a, err := t.LoadAgreement(c.Agreement.ID)
		if err != nil {
			return err
		}
		return t.WithdrawAgreement(a)
	}); err != nil {
		return Consent{}, err
	}
	return e.Consent(ctx, token)
}

// WithdrawAgreement ends an active agreement on the payer's word, if the wallet
// lets payers do that; otherwise it changes nothing.
func (t *Tx) WithdrawAgreement(a *agreement.Agreement) error {
	if a.State() != agreement.Active || !AgreementRules(*a).Revocable {
		return nil
	}
	return t.RevokeAgreement(a, agreement.ByPayer)
}
