package hosted

import (
	"context"
	"errors"
	"slices"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// Counter is the Desk of an engine.
type Counter struct{ Engine *engine.Engine }

// outcome is one a payer can choose beside the decision.
type outcome struct {
	Scenario
	rule rail.Rule
}

// selectable are the outcomes of every method.
var selectable = []outcome{
	{Scenario{"delay_60", "Wallet confirms after one minute"}, rail.Rule{On: "approve", Do: "delay", DelaySeconds: 60}},
	{Scenario{"duplicate", "Wallet confirms twice"}, rail.Rule{On: "approve", Do: "duplicate", DelaySeconds: 1}},
	{Scenario{"late", "Wallet confirms after the link has expired"}, rail.Rule{On: "approve", Do: "late", DelaySeconds: 60}},
	{Scenario{"wallet_error", "Wallet fails technically"}, rail.Rule{On: "approve", Do: "error", Reason: string(payment.ProcessingError)}},
}

// ofMethod are the outcomes of one method.
var ofMethod = map[string][]outcome{
	"alma":   {{Scenario{"risk", "Alma declines because of the risk"}, rail.Rule{On: "approve", Do: "decline", Reason: "risk"}}},
	"alipay": {{Scenario{"insufficient_funds", "The wallet has too little money"}, rail.Rule{On: "approve", Do: "decline", Reason: string(payment.InsufficientFunds)}}},
}

func outcomes(p payment.Payment) []outcome { return slices.Concat(selectable, ofMethod[p.Method]) }

// Open implements Desk.
func (c Counter) Open(ctx context.Context, token string) (Page, error) {
	v, err := c.Engine.Visit(ctx, token)
	return page(v), notFound(err)
}

// Decide implements Desk.
func (c Counter) Decide(ctx context.Context, token string, d Decision, scenario string) (Page, error) {
	v, err := c.Engine.Decide(ctx, token, map[Decision]rail.Decision{
		Authorize: rail.Approve, AuthorizeNoReturn: rail.Approve, Decline: rail.Decline, Cancel: rail.Abort,
	}[d], func(p payment.Payment) (extra []rail.Rule) {
		for _, s := range outcomes(p) {
			if s.Key == scenario {
				extra = append(extra, s.rule)
			}
		}
		return extra
	})
	if err == nil && !v.Decided {
		return page(v), ErrTooLate
	}
	return page(v), notFound(err)
}

// Receipt implements Receipts.
func (c Counter) Receipt(ctx context.Context, token string) (Receipt, error) {
	m, p, err := c.Engine.Receipt(ctx, token)
	if err != nil {
		return Receipt{}, notFound(err)
	}
	r := Receipt{
		Livemode: m.Live, MethodName: engine.Rules(p).Name, MethodKey: p.Method, Merchant: m.Profile.Name,
		AmountText: p.CapturedAmount().String(), Currency: string(p.Amount.Currency), PaidAt: p.CapturedAt(), Number: p.Attempt.Reference,
	}
	if back := p.RefundedAmount(); back.Minor > 0 {
		r.RefundedText = back.String()
	}
	return r, nil
}

func notFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return ErrNotFound
	}
	return err
}

// asksTheBank reports whether a method's page is its bank asking who is there:
// the payer of any other chose on the merchant's page to be sent to it.
func asksTheBank(product, key string) bool {
	rules, _ := method.Find(product, key)
	return product == method.Intent && !rules.Redirect
}

func page(v engine.Visit) Page {
	if v.Payment.ID == "" {
		return Page{}
	}
	rules := engine.Rules(v.Payment)
	p := Page{
		State: Done, Livemode: v.Merchant.Live, MethodName: rules.Name, MethodKey: v.Payment.Method, Merchant: v.Merchant.Profile.Name,
		AmountText: v.Payment.Amount.String(), Currency: string(v.Payment.Amount.Currency), ExpiresAt: v.Payment.Attempt.Deadline, Now: v.At, ReturnURL: v.ReturnTo,
		Challenge: asksTheBank(rules.Product, rules.Method),
	}
	switch v.Payment.State() {
	case payment.AwaitingPayer:
		p.State = Open
		for _, s := range outcomes(v.Payment) {
			p.Scenarios = append(p.Scenarios, s.Scenario)
		}
	case payment.Expired:
		p.State = Expired
	}
	for _, d := range v.Details {
		p.Details = append(p.Details, Detail(d))
	}
	return p
}

// Agreement implements Agreements.
func (c Counter) Agreement(ctx context.Context, token string) (Agreement, error) {
	v, err := c.Engine.Consent(ctx, token)
	return agreementOf(v), notFound(err)
}

// DecideAgreement implements Agreements.
func (c Counter) DecideAgreement(ctx context.Context, token string, d AgreementDecision, login string) (Agreement, error) {
	if d == Withdraw {
		v, err := c.Engine.WithdrawConsent(ctx, token)
		return agreementOf(v), notFound(err)
	}
	decision := rail.Decline
	if d == Agree {
		decision = rail.Approve
	}
	v, err := c.Engine.DecideConsent(ctx, token, decision, login)
	return agreementOf(v), notFound(err)
}

func agreementOf(v engine.Consent) Agreement {
	if v.Agreement.ID == "" {
		return Agreement{}
	}
	rules := engine.AgreementRules(v.Agreement)
	a := Agreement{
		State: Done, Livemode: v.Merchant.Live, MethodName: v.Method, MethodKey: v.Agreement.Method, Merchant: v.Merchant.Profile.Name,
		Payer: v.Agreement.Payer, Now: v.At, ReturnURL: v.ReturnTo, Challenge: asksTheBank(v.Agreement.Product, v.Agreement.Method),
	}
	switch v.Agreement.State() {
	case agreement.Requested:
		a.State, a.ExpiresAt = Open, v.Agreement.Deadline
	case agreement.Active:
		a.Active, a.Revocable = true, rules.Revocable
	case agreement.Expired:
		a.State = Expired
	}
	for _, d := range v.Details {
		a.Details = append(a.Details, Detail(d))
	}
	return a
}
