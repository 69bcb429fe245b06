package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// JobAgreement is the deadline of an agreement.
const JobAgreement = "agreement"

// CodeToken is the code of the refusal of a token that is unknown, of another
// kind, used up or over, or whose agreement is.
const CodeToken = "agreement_token"

// AgreementFront is a front that has agreements.
type AgreementFront interface {
	Front
	// TellAgreement is called for every fact about an agreement of this front,
	// in the transaction that makes it true, after core rows are written. When
	// the payer has consented to an agreement with tokens, it gives out the code
	// (Tx.GiveCode).
	TellAgreement(t *Tx, f event.Fact, a *agreement.Agreement) error
	// AgreementReturnTo says where the payer goes after deciding, complete with
	// parameters, and what the test page shows of the request.
	AgreementReturnTo(r store.Reader, a agreement.Agreement) (url string, details []Detail, err error)
}

type agreementPayload struct {
	Agreement string `json:"agreement"`
}

// AgreementRules returns the rules of the agreement's method.
func AgreementRules(a agreement.Agreement) method.Agreement {
	r, ok := method.Find(a.Product, a.Method)
	if !ok || r.Agreement == nil {
		panic("engine: agreement " + a.ID + " has no rules for " + a.Product + "/" + a.Method)
	}
	return *r.Agreement
}

// RequestAgreement begins an agreement, about which the payer has to decide on
// the hosted page (AgreementToken). It has to carry everything but its id,
// secret and time.
func (t *Tx) RequestAgreement(a agreement.Agreement) (*agreement.Agreement, error) {
	r, err := t.e.railFor(t.Who.Live)
	if err != nil {
		return nil, err
	}
	if _, ok := r.(rail.Simulated); !ok {
		return nil, fault.New(fault.Unavailable, "method_not_available", "No wallet that offers standing authorisations is connected.")
	}
	a.ID, a.Created, a.Secret = t.NewID("agr_"), t.At, t.Random(22)
	a = agreement.New(a, t.At.Add(AgreementRules(a).AskFor))
	if err := t.InsertAgreement(a); err != nil {
		return nil, err
	}
	a.Version = 1
	t.rememberAgreement(&a)
	return &a, t.planAgreement(&a)
}

func (t *Tx) rememberAgreement(a *agreement.Agreement) {
	if t.agreements == nil {
		t.agreements = map[string]*agreement.Agreement{}
	}
	t.agreements[a.ID] = a
}

// LoadAgreement reads and locks an agreement and applies an overdue deadline.
// Loading it again in the same transaction gives the same object.
func (t *Tx) LoadAgreement(id string) (*agreement.Agreement, error) {
	if a, ok := t.agreements[id]; ok {
		return a, nil
	}
	a, err := t.Tx.Agreement(id)
	if err != nil {
		return nil, fmt.Errorf("agreement %s: %w", id, err)
	}
	t.rememberAgreement(&a)
	if !a.Overdue(t.At) {
		return &a, nil
	}
	if err := a.Expire(t.At); err != nil {
		return nil, err
	}
	return &a, t.agreementChanged(&a, event.AgreementExpired, "")
}

// planAgreement plans the deadline, if there is one, in place of an earlier one.
func (t *Tx) planAgreement(a *agreement.Agreement) error {
	jobID := "agreement:" + a.ID
	if err := t.DeleteJob(jobID); err != nil || a.Deadline.IsZero() {
		return err
	}
	return t.Job(jobID, JobAgreement, a.Deadline, agreementPayload{a.ID})
}

// agreementChanged saves an agreement, plans its deadline and tells its front.
func (t *Tx) agreementChanged(a *agreement.Agreement, kind event.Kind, reason string) error {
	if err := t.UpdateAgreement(*a); err != nil {
		return err
	}
	a.Version++
	if err := t.planAgreement(a); err != nil {
		return err
	}
	f := event.Fact{ID: t.NewID("fact_"), Kind: kind, At: t.At, Refund: a.ID, Reason: reason}
	if err := t.Record(f); err != nil {
		return err
	}
	front, ok := t.e.fronts[a.Front].(AgreementFront)
	if !ok {
		return fmt.Errorf("agreement %s belongs to front %q, which is not running or has none", a.ID, a.Front)
	}
	return front.TellAgreement(t, f, a)
}

// DecideAgreement applies what the payer decided. Deciding about an agreement
// that is decided already changes nothing.
func (t *Tx) DecideAgreement(a *agreement.Agreement, d rail.Decision, payer string) error {
	if a.State() != agreement.Requested {
		return nil
	}
	if d != rail.Approve {
		if err := a.Refuse(); err != nil {
			return err
		}
		return t.agreementChanged(a, event.AgreementDeclined, "")
	}
	rules := AgreementRules(*a)
	if rules.CodeFor > 0 {
		if err := a.Agree(agreement.Consent{At: t.At, Payer: payer, Until: t.At.Add(rules.CodeFor)}); err != nil {
			return err
		}
		return t.agreementChanged(a, event.AgreementConsented, "")
	}
	var until time.Time
	if rules.AccessFor > 0 {
		until = t.At.Add(rules.AccessFor)
	}
	return t.ActivateAgreement(a, payer, until)
}

// ActivateAgreement makes an agreement without tokens debitable until a time,
// zero for no end: for fronts that learn the payer's consent by another way than
// the page, such as a first payment.
func (t *Tx) ActivateAgreement(a *agreement.Agreement, payer string, until time.Time) error {
	if err := a.Activate(payer, t.At, until); err != nil {
		return err
	}
	return t.agreementChanged(a, event.AgreementActivated, "")
}

// Debit starts a payment under a standing authorisation: nothing is left to the
// payer. It is Start otherwise.
func (t *Tx) Debit(p payment.Payment, proof agreement.Debitable, prepare func(p *payment.Payment) error) (*payment.Payment, error) {
	p.Agreement = proof.Agreement().ID
	return t.Start(p, prepare)
}

// GiveCode makes a secret the code of an agreement the payer has consented to.
func (t *Tx) GiveCode(a *agreement.Agreement, secret string) error {
	if a.State() != agreement.Agreed {
		return fmt.Errorf("agreement %s is %s and gets no code", a.ID, a.State())
	}
	return t.InsertAgreementToken(agreement.Token{Hash: agreement.TokenHash(secret), Agreement: a.ID, Kind: agreement.Code, Created: t.At, Until: a.Deadline})
}

// TokenOf finds the token a secret is, and loads its agreement. Whether the two
// are good still has to be judged. A secret that is no token is
// store.ErrNotFound.
func (t *Tx) TokenOf(secret string) (agreement.Token, *agreement.Agreement, error) {
	k, err := t.AgreementToken(agreement.TokenHash(secret))
	if err != nil {
		return k, nil, err
	}
	a, err := t.LoadAgreement(k.Agreement)
	if err != nil {
		return k, nil, err
	}
	// Read again under the lock: the token may have been used up meanwhile.
	k, err = t.AgreementToken(k.Hash)
	return k, a, err
}

// Secrets names the tokens of a generation. A refresh token is asked for only
// if the method can renew.
type Secrets func(kind agreement.TokenKind, generation int64) string

// ExchangeToken gives out tokens for a code or for a refresh token. The code is
// used up; a refresh token is replaced if the method rotates them, and what is
// replaced stays good for the method's grace.
func (t *Tx) ExchangeToken(k agreement.Token, a *agreement.Agreement, secrets Secrets) (agreement.Grant, error) {
	if k.Agreement != a.ID || !k.Good(t.At) {
		return agreement.Grant{}, fault.New(fault.Conflict, CodeToken, "The token is used up or over.")
	}
	rules := AgreementRules(*a)
	g := agreement.Grant{At: t.At, AccessUntil: t.At.Add(rules.AccessFor)}
	if rules.RefreshFor > 0 {
		g.RefreshUntil = t.At.Add(rules.RefreshFor)
	}
	var kind event.Kind
	var err error
	switch k.Kind {
	case agreement.Code:
		kind, err = event.AgreementActivated, a.Issue(g)
		k.End(t.At)
		if err == nil {
			err = t.EndAgreementToken(k)
		}
	case agreement.Refresh:
		if !rules.Rotates {
			// The token that renews stays, with the end it has.
			g.RefreshUntil = k.Until
			if g.AccessUntil.After(k.Until) {
				g.RefreshUntil = time.Time{}
			}
		}
		kind, err = event.AgreementRenewed, t.replaceTokens(a, g, rules)
	case agreement.Access:
		err = fault.New(fault.Conflict, CodeToken, "An access token cannot be exchanged.")
	}
	if err != nil {
		return agreement.Grant{}, notIssued(err)
	}
	for _, n := range []struct {
		kind  agreement.TokenKind
		until time.Time
		give  bool
	}{{agreement.Access, g.AccessUntil, true}, {agreement.Refresh, g.RefreshUntil, rules.RefreshFor > 0 && (k.Kind == agreement.Code || rules.Rotates)}} {
		if !n.give {
			continue
		}
		secret := secrets(n.kind, a.Generation())
		if err := t.InsertAgreementToken(agreement.Token{
			Hash: agreement.TokenHash(secret), Agreement: a.ID, Kind: n.kind, Number: a.Generation(), Created: t.At, Until: n.until,
		}); err != nil {
			return agreement.Grant{}, err
		}
	}
	return g, t.agreementChanged(a, kind, "")
}

// notIssued turns an illegal move into the refusal it is for the caller.
func notIssued(err error) error {
	if move, ok := errors.AsType[agreement.IllegalMove](err); ok {
		return fault.New(fault.Conflict, CodeToken, "The agreement is over.").Because(move)
	}
	return err
}

// replaceTokens renews and ends the tokens of earlier generations.
func (t *Tx) replaceTokens(a *agreement.Agreement, g agreement.Grant, rules method.Agreement) error {
	if err := a.Renew(g); err != nil {
		return err
	}
	return t.endTokens(a, func(k agreement.Token) (time.Time, bool) {
		return t.At.Add(rules.GraceFor), k.Kind == agreement.Access || rules.Rotates
	})
}

// endTokens ends those of an agreement's good tokens that when names.
func (t *Tx) endTokens(a *agreement.Agreement, when func(k agreement.Token) (time.Time, bool)) error {
	ks, err := t.AgreementTokens(a.ID)
	if err != nil {
		return err
	}
	for _, k := range ks {
		at, ok := when(k)
		if !ok || !k.Until.After(at) {
			continue
		}
		k.End(at)
		if err := t.EndAgreementToken(k); err != nil {
			return err
		}
	}
	return nil
}

// RevokeAgreement ends an agreement and all its tokens. Debits that were begun
// go on.
func (t *Tx) RevokeAgreement(a *agreement.Agreement, by agreement.By) error {
	if err := a.Revoke(by); err != nil {
		return fault.New(fault.Conflict, CodeToken, "The agreement is over.").Because(err)
	}
	if err := t.endTokens(a, func(agreement.Token) (time.Time, bool) { return t.At, true }); err != nil {
		return err
	}
	return t.agreementChanged(a, event.AgreementRevoked, string(by))
}

func (e *Engine) runAgreement(ctx context.Context, j jobRef) error {
	var pl agreementPayload
	if err := decodeJob(j, &pl); err != nil {
		return err
	}
	return e.Update(ctx, j.Merchant, Cause{}, func(t *Tx) error {
		a, err := t.LoadAgreement(pl.Agreement) // applies the deadline
		if err != nil {
			return err
		}
		return t.planAgreement(a) // which may have moved since the job was claimed
	})
}
