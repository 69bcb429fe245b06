package stripe

import (
	"errors"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// confirmationsMax is how often an intent can be confirmed before it is
// canceled.
const confirmationsMax = 25

// Reasons of a refusal because the cardholder is not there to authenticate.
const (
	authenticationRequired   payment.Reason = "authentication_required"
	authenticationNotHandled payment.Reason = "authentication_not_handled"
)

func confirmIntent(c *call) (step, error) {
	id := c.path("id")
	return step{
		begin:  with(c.named, c.confirm),
		finish: func(t *engine.Tx) (obj, error) { return c.confirmed(t, id) },
	}, nil
}

// presence says who is there during a confirmation.
type presence struct {
	offSession bool // the payer is not there
	noAction   bool // the merchant will not send the payer anywhere
}

func decodePresence(p form.Value) (s presence, err error) {
	if v := p.Get("off_session"); v.String() == "one_off" || v.String() == "recurring" {
		s.offSession = true
	} else if s.offSession, err = boolean(v, "off_session", false); err != nil {
		return s, err
	}
	s.noAction, err = boolean(p.Get("error_on_requires_action"), "error_on_requires_action", false)
	return s, err
}

// confirm starts an attempt to be paid, checking in the order of
// stripe-payment-intents §3.3.
func (c *call) confirm(t *engine.Tx, i intent) error {
	if c.principal.public && i.body.ByServer {
		return c.withIntent(t, i, invalid("payment_intent_invalid_parameter", "", "This PaymentIntent's confirmation_method is manual, so it can only be confirmed with a secret key.")).kept()
	}
	described := c.firstGiven([]string{"payment_method", "payment_method_data", "confirmation_token"}) != ""
	switch i.status() {
	case needsMethod, needsConfirmation, needsAction:
	default:
		param := ""
		if described {
			param = "payment_method"
		}
		return c.stateError(t, i, param, "confirm", updatable...)
	}
	if i.body.Waits && i.status() == needsConfirmation && !described {
		return c.settleWaiting(t, i)
	}
	if i.body.Confirmations >= confirmationsMax {
		if err := c.api.cancelIntent(t, i, "automatic"); err != nil {
			return err
		}
		i, err := loadIntent(t, i.id())
		if err != nil {
			return err
		}
		return c.stateError(t, i, "", "confirm", updatable...)
	}
	s, err := decodePresence(c.params)
	if err != nil {
		return err
	}
	if err := c.confirmTerms(t, &i); err != nil {
		return err
	}
	id, m, err := c.confirmMethod(t, &i)
	if err != nil {
		return err
	}
	if err := c.confirmable(t, i, m, s); err != nil {
		return err
	}
	return attemptFault(c.attempt(t, i, id, m, s))
}

// attemptFault words the faults of a rail that could not start an attempt.
func attemptFault(err error) error {
	switch faultCode(err) {
	case "method_not_available":
		return invalid("payment_method_not_available", "payment_method", "The payment method is temporarily unavailable. Ask the customer to choose another payment method.")
	case "processing_error":
		return &wireError{status: 500, typ: "api_error", code: "processing_error", retry: "true", message: "An unexpected error occurred preventing us from starting the payment. Please retry the confirmation."}
	}
	return err
}

// confirmTerms merges the parameters of a confirmation into the intent.
func (c *call) confirmTerms(t *engine.Tx, i *intent) error {
	b := &i.body
	if err := c.applyToken(t, i); err != nil {
		return err
	}
	if err := c.browserMay(b); err != nil {
		return err
	}
	if v := c.params.Get("amount_to_confirm"); v.Kind() != form.Missing {
		if n, err := positive(v, "amount_to_confirm"); err != nil {
			return err
		} else if n != b.Amount {
			return invalid("payment_intent_invalid_parameter", "amount_to_confirm", "The amount to confirm (%d) is not the amount of the PaymentIntent (%d).", n, b.Amount)
		}
	}
	if u, set, err := text(c.params.Get("return_url"), "return_url", 0); err != nil {
		return err
	} else if set {
		if err := c.comeBack(u); err != nil {
			return err
		}
		b.ReturnURL = u
	}
	sdk, err := boolean(c.params.Get("use_stripe_sdk"), "use_stripe_sdk", false)
	if err != nil {
		return err
	}
	b.BySDK = sdk
	if a, err := decodeAcceptance(c, c.params.Get("mandate_data")); err != nil {
		return err
	} else if a != nil {
		b.Acceptance = a
	}
	if c.creating() {
		return nil // decoded and checked already
	}
	if types, set, err := typeList(c.params, "payment_method_types"); err != nil {
		return err
	} else if set {
		b.Types, b.Redirects = types, ""
	}
	if err := b.decodeTerms(c.params); err != nil || c.firstGiven(selecting) == "" {
		return err
	}
	return c.checkIntent(t, b)
}

// selecting are the parameters of a confirmation that decide which methods an
// intent can have.
var selecting = []string{
	"payment_method_types", "allowed_payment_method_types", "excluded_payment_method_types", "capture_method", "setup_future_usage", "payment_method_options",
}

// comeBack checks where the payer returns to. In live mode that is never plain
// HTTP, except on the merchant's own machine.
func (c *call) comeBack(u string) error {
	if err := returnURL(u, "return_url"); err != nil {
		return err
	}
	lower := strings.ToLower(u)
	if c.principal.live && strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "http://localhost") && !strings.HasPrefix(lower, "http://127.0.0.1") {
		return invalid("url_invalid", "return_url", "Not a valid URL: in live mode the payer can only return to an https page or to an app.")
	}
	return nil
}

// browserMay refuses what a publishable key may not change.
func (c *call) browserMay(b *intentBody) error {
	if !c.principal.public {
		return nil
	}
	if name := c.firstGiven([]string{"capture_method", "payment_method_types", "amount_details", "payment_details", "off_session", "mandate"}); name != "" {
		return invalid("payment_intent_invalid_parameter", name, "The parameter %s can only be set with a secret key.", name)
	}
	use := c.params.Get("setup_future_usage")
	if use.Kind() != form.Missing && b.FutureUsage != "" && use.String() != b.FutureUsage && (b.FutureUsage != "on_session" || use.String() != "off_session") {
		return invalid("payment_intent_invalid_parameter", "setup_future_usage", "setup_future_usage is %s on this PaymentIntent; with a publishable key it can only be changed from on_session to off_session.", b.FutureUsage)
	}
	return nil
}

// confirmMethod finds the payment method of an attempt.
func (c *call) confirmMethod(t *engine.Tx, i *intent) (string, methodBody, error) {
	id := i.body.PaymentMethod
	if !c.creating() {
		chosen, err := c.chosenMethod(t, i.body.Customer)
		if err != nil {
			return "", methodBody{}, err
		}
		if chosen != "" {
			id = chosen
		}
	}
	if id == "" {
		e := invalid("payment_intent_unexpected_state", "", "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.")
		return "", methodBody{}, c.withIntent(t, *i, e)
	}
	_, m, err := c.methodRow(t, 400, "payment_method", id)
	if err != nil {
		return "", m, err
	}
	if expected := c.params.Get("expected_payment_method_type").String(); expected != "" && expected != m.Type {
		return "", m, invalid("payment_intent_invalid_parameter", "expected_payment_method_type", "The payment method is of type %s, but %s was expected.", m.Type, printable(expected))
	}
	return id, m, c.methodFits(t, i, id)
}

// creating reports whether the request creates the intent it confirms.
func (c *call) creating() bool { return c.path("id") == "" }

// confirmable makes the checks 12 to 15 of stripe-payment-intents §3.3.
func (c *call) confirmable(t *engine.Tx, i intent, m methodBody, s presence) error {
	rules := intentRules[m.Type]
	if rules.Redirect && s.offSession && m.Agreement != "" {
		return nil // debited under the payer's standing authorisation
	}
	switch {
	case rules.Redirect && s.offSession:
		return invalid("payment_intent_invalid_parameter", "off_session", "Payments with %s need the customer: off_session cannot be true.", m.Type)
	case rules.Redirect && s.noAction:
		return c.withIntent(t, i, invalid("payment_intent_action_required", "error_on_requires_action", "Payments with %s always send the customer to another page, which error_on_requires_action forbids.", m.Type))
	case rules.Redirect && i.body.ReturnURL == "":
		return c.withIntent(t, i, invalid("payment_intent_redirect_confirmation_without_return_url", "return_url", "You must provide a `return_url` when confirming a PaymentIntent with the payment method type %s.", m.Type))
	case !c.principal.public && i.body.mayRedirect() && i.body.ReturnURL == "" && !i.body.BySDK:
		return c.withIntent(t, i, invalid("", "", "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."))
	}
	return nil
}

// cardScript is how the simulator treats a card's attempt.
func cardScript(m methodBody, s presence) []rail.Rule {
	tc := m.Card.card()
	setUp := tc.name == "authenticationRequiredOnSetup" && m.Customer != "" && s.offSession
	switch {
	case setUp:
		return []rail.Rule{{On: "authorize", Do: "approve"}}
	case tc.challenge && s.offSession:
		return []rail.Rule{{On: "authorize", Do: "decline", Reason: string(authenticationRequired)}}
	case tc.challenge && s.noAction:
		return []rail.Rule{{On: "authorize", Do: "decline", Reason: string(authenticationNotHandled)}}
	}
	return tc.script()
}

// attempt asks the payer for the money, with a payment method that was checked.
// An attempt that is under way is given up.
func (c *call) attempt(t *engine.Tx, i intent, id string, m methodBody, s presence) error {
	b := &i.body
	var rules []rail.Rule
	if chosen, ok := Scenario(b.Metadata[scenarioKey]); ok {
		rules = append(rules, chosen)
	}
	away := true // the payer approves elsewhere
	if m.Card != nil {
		own := cardScript(m, s)
		rules, away = append(rules, own...), own[0].Do == "redirect"
	} else if s.offSession && m.Agreement != "" {
		away = false
	}
	b.PaymentMethod, b.LastError = id, nil
	b.Tried, b.Waits = true, b.ByServer && away
	b.Confirmations++
	terms := payment.Payment{
		Front: Name, Kind: kindIntent, Owner: i.id(), Product: method.Intent, Method: m.Type, Amount: b.total(),
		AutoCapture: !b.Waits && !b.captureLater(m.Type), Descriptor: b.Descriptor,
	}
	if len(rules) > 0 {
		terms.Script = string(encodeBody(rules))
	}
	proof, debit, err := c.debitable(t, i, m, s)
	if err != nil {
		return err
	}
	if i.payment == nil {
		prepare := func(p *payment.Payment) error {
			i.row.Payment = p.ID
			return i.write(t)
		}
		if debit {
			_, err = t.Debit(terms, proof, prepare)
		} else {
			_, err = t.Start(terms, prepare)
		}
		return err
	}
	if debit {
		terms.Agreement = proof.Agreement().ID
	}
	if i.payment.State().Waiting() {
		if err := t.Void(i.payment); err != nil {
			return err
		}
	}
	if err := i.write(t); err != nil {
		return err
	}
	p := i.payment
	again, ok := p.Retryable()
	if !ok {
		panic("stripe: intent " + i.id() + " is confirmable, but its payment is " + p.State().String())
	}
	p.Method, p.Amount, p.AutoCapture, p.Descriptor, p.Script, p.Agreement = terms.Method, terms.Amount, terms.AutoCapture, terms.Descriptor, terms.Script, terms.Agreement
	return t.Retry(p, again)
}

// debitable proves that a payment method can be debited while its payer is away;
// debit is false when the payer approves the payment. Only an agreement that is
// in force allows it.
func (c *call) debitable(t *engine.Tx, i intent, m methodBody, s presence) (proof agreement.Debitable, debit bool, err error) {
	if err := c.mandateFits(t, m); err != nil {
		return proof, false, err
	}
	if !s.offSession || m.Agreement == "" || !intentRules[m.Type].Redirect {
		return proof, false, nil
	}
	a, err := t.LoadAgreement(m.Agreement)
	if err != nil {
		return proof, false, err
	}
	proof, ok := a.Debitable(t.At)
	if !ok {
		return proof, false, invalid("payment_intent_mandate_invalid", "payment_method", "The permission to debit this payment method is over: the payer has withdrawn it, or it was for a single payment that was made. Ask for it again.")
	}
	return proof, true, c.claimSingleUse(t, i, m.Agreement)
}

// mandateFits checks that the mandate a request names is the payment method's.
func (c *call) mandateFits(t *engine.Tx, m methodBody) error {
	id, _, err := text(c.params.Get("mandate"), "mandate", 0)
	if err != nil || id == "" {
		return err
	}
	row, err := t.Resource(kindMandate, id)
	if errors.Is(err, store.ErrNotFound) {
		return c.unknown(400, kindMandate, "mandate", "mandate", id)
	}
	if err != nil {
		return err
	}
	b, err := decodeBody[mandateBody](row)
	if err == nil && b.Agreement != m.Agreement {
		err = invalid("payment_intent_mandate_invalid", "mandate", "The mandate %s is for another payment method.", id)
	}
	return err
}

// settleWaiting takes what the payer approved before, now that the server has
// confirmed again (stripe-payment-intents §4.6).
func (c *call) settleWaiting(t *engine.Tx, i intent) error {
	i.body.Waits = false
	if err := i.write(t); err != nil {
		return err
	}
	charge, err := c.api.intentCharge(t, i, false)
	if err != nil {
		return err
	}
	if i.body.captureLater(i.payment.Method) {
		return c.api.announceHold(t, i.id())
	}
	proof, ok := i.payment.Capturable(t.At)
	if !ok {
		panic("stripe: intent " + i.id() + " waits for the server, but its payment is " + i.payment.State().String())
	}
	return t.Capture(i.payment, proof, charge, i.payment.Amount)
}

// confirmed answers a confirmation: with the intent, or with why its attempt
// failed at once.
func (c *call) confirmed(t *engine.Tx, id string) (obj, error) {
	i, err := loadIntent(t, id)
	if err != nil {
		return nil, err
	}
	switch status := i.status(); status {
	case needsAction, isProcessing:
		if !t.Announces(i.payment) {
			err = c.api.intentEvent(t, "payment_intent."+status, id)
		}
	case needsMethod:
		if e := i.body.LastError; e != nil {
			return nil, c.attemptError(t, i, *e)
		}
	}
	if err != nil {
		return nil, err
	}
	return c.in(t).renderIntent(i)
}

// attemptError is the answer to a confirmation that was refused at once.
func (c *call) attemptError(t *engine.Tx, i intent, e intentError) error {
	w := &wireError{status: 402, typ: "card_error", code: e.Code, decline: e.Decline, param: e.Param, charge: e.Charge, message: e.Message}
	w = c.withIntent(t, i, w)
	if e.Advice != "" {
		w.more["advice_code"] = e.Advice
	}
	if e.Method != "" {
		m, err := c.in(t).paymentMethod(e.Method)
		if err != nil {
			return errors.Join(w, err)
		}
		w.more["payment_method"] = m
	}
	return w.kept()
}

// authenticationReasons are refusals because nobody authenticated.
var authenticationReasons = []payment.Reason{authenticationRequired, authenticationNotHandled}

// failureOf says why an attempt failed, in the wire's words
// (stripe-payment-intents §9, §17.2).
func failureOf(typ string, why payment.Reason) intentError {
	switch {
	case why == payment.PayerDeclined || why == payment.PayerAborted:
		return intentError{Type: "invalid_request_error", Code: "payment_intent_authentication_failure", Message: "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again."}
	case slices.Contains(authenticationReasons, why):
		return intentError{Type: "card_error", Code: "authentication_required", Decline: string(why), Message: "Your card was declined. This transaction requires authentication."}
	case typ == "card":
		return cardRefusal(why)
	case typ == "alipay" && why == payment.InsufficientFunds:
		return intentError{Type: "card_error", Code: "payment_method_provider_decline", Decline: string(why), Message: "The Alipay account has insufficient funds to complete the purchase. Ask the customer to top it up or to use another payment method."}
	case typ == "alipay":
		return intentError{Type: "card_error", Code: "payment_method_provider_decline", Message: "Alipay declined the payment. Ask the customer to use another payment method."}
	}
	return intentError{Type: "invalid_request_error", Code: "payment_intent_payment_attempt_failed", Message: "The payment was declined by the payment method's provider (" + string(why) + "). Ask the customer to try again with another payment method."}
}

// expiredAttempt is what an attempt fails with when nobody acts in time.
var expiredAttempt = intentError{Type: "invalid_request_error", Code: "payment_intent_payment_attempt_expired", Message: "The latest payment attempt for this PaymentIntent has expired. Provide a payment method and confirm the PaymentIntent again."}
