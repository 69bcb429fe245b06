package stripe

import (
	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

func confirmSetupIntent(c *call) (step, error) {
	id := c.path("id")
	return step{
		begin:  with(c.namedSetup, c.confirmSetup),
		finish: func(t *engine.Tx) (obj, error) { return c.setupConfirmed(t, id) },
	}, nil
}

// confirmSetup asks the payer for a standing authorisation.
func (c *call) confirmSetup(t *engine.Tx, s setup) error {
	if !s.open() {
		return c.setupState(t, s, "confirm")
	}
	if err := c.setupTerms(t, &s); err != nil {
		return err
	}
	id := s.body.PaymentMethod
	if !c.creating() {
		chosen, err := c.chosenMethod(t, s.body.Customer)
		if err != nil {
			return err
		}
		id = firstOf(chosen, id)
	}
	if id == "" {
		return c.setupError(t, s, invalid("setup_intent_unexpected_state", "", "You cannot confirm this SetupIntent because it's missing a payment method. Provide one, or update the SetupIntent with one."))
	}
	if err := c.setupFits(t, s, id); err != nil {
		return err
	}
	_, m, err := c.methodRow(t, 400, "payment_method", id)
	if err != nil {
		return err
	}
	if expected := c.params.Get("expected_payment_method_type").String(); expected != "" && expected != m.Type {
		return invalid("setup_intent_invalid_parameter", "expected_payment_method_type", "The payment method is of type %s, but %s was expected.", m.Type, printable(expected))
	}
	away := intentRules[m.Type].Redirect || m.Card != nil && m.Card.card().challenge
	if s.body.ReturnURL == "" && (intentRules[m.Type].Redirect || !c.principal.public && s.body.mayRedirect() && !s.body.BySDK) {
		return c.setupError(t, s, invalid("", "return_url", "You must provide a `return_url` when confirming this SetupIntent: it may send the customer to another page."))
	}
	return c.trySetup(t, s, id, m, away)
}

// setupTerms merges the parameters of a confirmation.
func (c *call) setupTerms(t *engine.Tx, s *setup) error {
	b := &s.body
	if v := c.params.Get("confirmation_token"); given(v) {
		if name := c.firstGiven([]string{"payment_method", "payment_method_data"}); name != "" {
			return invalid("parameters_exclusive", name, "You may only specify one of these parameters: confirmation_token, %s.", name)
		}
		ct, err := c.useConfirmationToken(t, v, s.row.ID, "setup_intent_invalid_parameter")
		if err != nil {
			return err
		}
		if ct.FutureUsage != "" && ct.FutureUsage != b.Usage {
			return invalid("", "usage", "The usage of the SetupIntent (%s) is not the setup_future_usage of the confirmation token (%s).", b.Usage, ct.FutureUsage)
		}
		b.PaymentMethod, b.ReturnURL, b.Acceptance = ct.MethodID, firstOf(ct.ReturnURL, b.ReturnURL), ct.Acceptance
	}
	u, set, err := text(c.params.Get("return_url"), "return_url", 0)
	if err != nil {
		return err
	}
	if set {
		if err := c.comeBack(u); err != nil {
			return err
		}
		b.ReturnURL = u
	}
	if b.BySDK, err = boolean(c.params.Get("use_stripe_sdk"), "use_stripe_sdk", false); err != nil {
		return err
	}
	if a, err := decodeAcceptance(c, c.params.Get("mandate_data")); err != nil {
		return err
	} else if a != nil {
		b.Acceptance = a
	}
	return b.decodeFilters(c.params)
}

// trySetup begins an attempt; what needs nobody's approval is decided at once.
func (c *call) trySetup(t *engine.Tx, s setup, id string, m methodBody, away bool) error {
	if err := c.abandonSetup(t, &s); err != nil {
		return err
	}
	a, err := t.RequestAgreement(agreement.Agreement{Front: Name, Kind: kindSetup, Owner: s.row.ID, Product: method.Intent, Method: m.Type})
	if err != nil {
		return err
	}
	b := &s.body
	b.PaymentMethod, b.Tried, b.Agreement, b.LastError = id, true, a.ID, nil
	b.Attempt = t.NewID("setatt_")
	attempt := attemptBody{Setup: s.row.ID, Method: id, Type: m.Type, Customer: b.Customer, Usage: b.Usage, Agreement: a.ID, Challenge: away}
	if err := t.InsertResource(newRow(t, kindSetupAttempt, b.Attempt, "", encodeBody(attempt), resource.Key{Name: "setup_intent", Value: s.row.ID})); err != nil {
		return err
	}
	if err := s.write(t); err != nil || away {
		return err
	}
	decision := rail.Approve
	if tc := m.Card.card(); tc.decline != "" && tc.name != "chargeCustomerFail" {
		decision = rail.Decline
	}
	return t.DecideAgreement(a, decision, "")
}

// setupConfirmed answers a confirmation: with the intent, or with why its
// attempt failed at once.
func (c *call) setupConfirmed(t *engine.Tx, id string) (obj, error) {
	s, err := loadSetup(t, id)
	if err != nil {
		return nil, err
	}
	o, err := c.in(t).renderSetup(s)
	if err != nil {
		return nil, err
	}
	switch s.status() {
	case needsAction:
		return o, c.api.setupEvent(t, "setup_intent.requires_action", id)
	case needsMethod:
		if e := s.body.LastError; e != nil {
			w := &wireError{status: 402, typ: e.Type, code: e.Code, decline: e.Decline, param: e.Param, message: e.Message, keep: true, more: obj{"setup_intent": o}}
			if e.Advice != "" {
				w.more["advice_code"] = e.Advice
			}
			return nil, w
		}
	}
	return o, nil
}

// TellAgreement implements engine.AgreementFront.
func (a *API) TellAgreement(t *engine.Tx, f event.Fact, ag *agreement.Agreement) error {
	switch f.Kind {
	case event.AgreementActivated:
		if ag.Kind == kindSetup {
			return a.setupSucceeded(t, ag)
		}
		return nil // the payment that began it tells
	case event.AgreementDeclined, event.AgreementExpired, event.AgreementRevoked:
		if !ag.Since.IsZero() {
			return a.mandateEnded(t, ag)
		}
		if ag.EndedBy != "" {
			return nil // the request that gave it up tells
		}
		return a.setupFailed(t, ag, f.Kind == event.AgreementExpired)
	}
	return nil
}

// setupSucceeded keeps the payment method.
func (a *API) setupSucceeded(t *engine.Tx, ag *agreement.Agreement) error {
	row, err := t.Resource(kindSetup, ag.Owner)
	if err != nil {
		return err
	}
	s := setup{row: row, agreement: ag}
	if s.body, err = decodeBody[setupBody](row); err != nil {
		return err
	}
	if ag.Method != "card" {
		if s.body.Mandate, err = a.newMandate(t, ag, s.body.PaymentMethod, s.body.Acceptance, s.body.SingleMinor, s.body.SingleIn); err != nil {
			return err
		}
		if err := s.write(t); err != nil {
			return err
		}
	}
	if err := a.keepMethod(t, s.body.PaymentMethod, s.body.Customer, ag.ID); err != nil {
		return err
	}
	return a.setupEvent(t, "setup_intent.succeeded", s.row.ID)
}

// setupFailed ends an attempt: the intent waits for another payment method.
func (a *API) setupFailed(t *engine.Tx, ag *agreement.Agreement, late bool) error {
	row, err := t.Resource(kindSetup, ag.Owner)
	if err != nil {
		return err
	}
	s := setup{row: row, agreement: ag}
	if s.body, err = decodeBody[setupBody](row); err != nil {
		return err
	}
	mrow, m, err := storedBody[methodBody](t, kindPaymentMethod, s.body.PaymentMethod)
	if err != nil {
		return err
	}
	e := intentError{Type: "invalid_request_error", Code: "setup_intent_authentication_failure", Message: "The latest attempt to set up the payment method has failed because authentication failed."}
	switch {
	case late:
		e = intentError{Type: "invalid_request_error", Code: "setup_intent_setup_attempt_expired", Message: "The latest attempt to set up the payment method has expired."}
	case m.Card != nil && !m.Card.card().challenge:
		e = cardRefusal(m.Card.card().decline)
	}
	e.Method = mrow.ID
	if m.Customer == "" {
		if err := spend(t, mrow, m); err != nil {
			return err
		}
	}
	if err := failAttempt(t, s.body.Attempt, e); err != nil {
		return err
	}
	s.body.LastError, s.body.PaymentMethod, s.body.Tried = &e, "", false
	if err := s.write(t); err != nil {
		return err
	}
	return a.setupEvent(t, "setup_intent.setup_failed", s.row.ID)
}

// keepMethod remembers under which agreement a method can be debited, and
// attaches it to the customer, if there is one.
func (a *API) keepMethod(t *engine.Tx, id, customer, agreementID string) error {
	row, m, err := storedBody[methodBody](t, kindPaymentMethod, id)
	if err != nil {
		return err
	}
	m.Agreement = agreementID
	row.Body = encodeBody(m)
	if err := t.UpdateResource(row); err != nil || customer == "" || m.Customer != "" {
		return err
	}
	return a.save(t, id, customer)
}

// AgreementReturnTo implements engine.AgreementFront.
func (a *API) AgreementReturnTo(r store.Reader, ag agreement.Agreement) (string, []engine.Detail, error) {
	if ag.Kind != kindSetup {
		return "", nil, nil // begun by a payment: its page is the payment's
	}
	row, b, err := storedBody[setupBody](r, kindSetup, ag.Owner)
	if err != nil {
		return "", nil, err
	}
	details := []engine.Detail{{Label: "Type", Value: ag.Method}, {Label: "Setup intent", Value: row.ID}}
	if b.ReturnURL == "" || b.BySDK && ag.Method == "card" {
		return "", details, nil
	}
	details = append(details, engine.Detail{Label: "Return URL", Value: b.ReturnURL})
	return withParameters(b.ReturnURL, []param{
		{"setup_intent", row.ID}, {"setup_intent_client_secret", b.Secret}, {"redirect_pm_type", ag.Method}, {"redirect_status", redirectResult(setupStatus(b, &ag))},
	}), details, nil
}
