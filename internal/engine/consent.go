package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// AgreementToken names an agreement on its hosted page: whoever has it may decide.
func AgreementToken(m merchant.Merchant, a agreement.Agreement) string {
	return tokenFor(m, "agr_", a.ID, a.Secret)
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
	k, err := parseToken(token, "agr_")
	if err != nil {
		return Consent{}, err
	}
	var c Consent
	err = e.look(ctx, k, func(r store.Reader, m merchant.Merchant, at time.Time) (overdue bool, err error) {
		c, err = e.consent(r, m, at, k)
		return c.Agreement.Overdue(at), err
	}, func(t *Tx) error {
		_, err := t.LoadAgreement(k.id)
		return err
	})
	if err != nil {
		return Consent{}, err
	}
	return c, nil
}

func (e *Engine) consent(r store.Reader, m merchant.Merchant, at time.Time, k token) (Consent, error) {
	a, err := r.Agreement(k.id)
	if err != nil {
		return Consent{}, err
	}
	if err := k.check(a.Secret); err != nil {
		return Consent{}, err
	}
	front, ok := e.fronts[a.Front].(AgreementFront)
	if !ok {
		return Consent{}, fmt.Errorf("agreement %s belongs to front %q, which is not running or has none", a.ID, a.Front)
	}
	to, details, err := front.AgreementReturnTo(r, a)
	rules, _ := method.Find(a.Product, a.Method)
	return Consent{Merchant: m, Agreement: a, Method: rules.Name, ReturnTo: to, Details: details, At: at}, err
}

// DecideConsent applies the payer's decision on a simulated page. payer is the
// wallet's name for them, "" for a made-up one; deciding twice changes nothing.
func (e *Engine) DecideConsent(ctx context.Context, token string, d rail.Decision, payer string) (Consent, error) {
	return e.changeConsent(ctx, token, func(t *Tx, a *agreement.Agreement) error {
		if payer == "" {
			payer = "user" + a.ID[max(len(a.ID)-8, 0):]
		}
		return t.DecideAgreement(a, d, payer)
	})
}

// WithdrawConsent ends an agreement as the payer would in the wallet, if the
// wallet lets them. Withdrawing what is over changes nothing.
func (e *Engine) WithdrawConsent(ctx context.Context, token string) (Consent, error) {
	return e.changeConsent(ctx, token, (*Tx).WithdrawAgreement)
}

// changeConsent changes the agreement of a token and shows it as it then is.
func (e *Engine) changeConsent(ctx context.Context, token string, change func(t *Tx, a *agreement.Agreement) error) (Consent, error) {
	c, err := e.Consent(ctx, token)
	if err != nil {
		return Consent{}, err
	}
	if err := e.Update(ctx, c.Merchant.ID, Cause{}, func(t *Tx) error {
		a, err := t.LoadAgreement(c.Agreement.ID)
		if err != nil {
			return err
		}
		return change(t, a)
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
