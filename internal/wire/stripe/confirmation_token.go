package stripe

import (
	"errors"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindConfirmationToken = "stripe.confirmation_token"

// confirmationTokenFor is how long a token can be used (stripe-payment-intents
// §14).
const confirmationTokenFor = 12 * time.Hour

// confirmationBody is what a browser collected for one confirmation: the payment
// method to be, and where the payer returns to.
type confirmationBody struct {
	Method      methodBody        `json:"method"`
	MethodID    string            `json:"method_id,omitempty"` // one that exists already
	ReturnURL   string            `json:"return_url,omitempty"`
	FutureUsage string            `json:"future_usage,omitempty"`
	Shipping    *shipping         `json:"shipping,omitempty"`
	Acceptance  *acceptance       `json:"acceptance,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	NoSDK       bool              `json:"no_sdk,omitempty"`
	Intent      string            `json:"intent,omitempty"` // confirmed by it; a SetupIntent's id as well
}

var confirmationTokenParams = []string{
	"payment_method", "payment_method_data", "payment_method_options", "return_url", "setup_future_usage", "shipping",
}

// createConfirmationToken is what the browser library calls; the public
// description has it as a test helper, with fewer parameters.
func createConfirmationToken(c *call) (step, error) {
	var b confirmationBody
	var err error
	if b.ReturnURL, _, err = text(c.params.Get("return_url"), "return_url", 0); err != nil {
		return step{}, err
	}
	if b.ReturnURL != "" {
		if err := c.comeBack(b.ReturnURL); err != nil {
			return step{}, err
		}
	}
	if b.FutureUsage, _, err = oneOf(c.params.Get("setup_future_usage"), "setup_future_usage", "off_session", "on_session"); err != nil {
		return step{}, err
	}
	if b.Shipping, err = decodeShipping(c.params.Get("shipping"), nil); err != nil {
		return step{}, err
	}
	if b.Acceptance, err = decodeAcceptance(c, c.params.Get("mandate_data")); err != nil {
		return step{}, err
	}
	if b.Metadata, err = metadata(c.params.Get("metadata"), nil); err != nil {
		return step{}, err
	}
	sdk, err := boolean(c.params.Get("use_stripe_sdk"), "use_stripe_sdk", true)
	if err != nil {
		return step{}, err
	}
	b.NoSDK = !sdk
	return step{
		begin: func(t *engine.Tx) error {
			b := b
			if err := c.collected(t, &b); err != nil {
				return err
			}
			t.Subject = t.NewID("ctoken_")
			return t.InsertResource(newRow(t, kindConfirmationToken, t.Subject, "", encodeBody(b)))
		},
		finish: func(t *engine.Tx) (obj, error) {
			row, err := t.Resource(kindConfirmationToken, t.Subject)
			if err != nil {
				return nil, err
			}
			return c.in(t).renderConfirmationToken(row)
		},
	}, nil
}

// collected reads the payment method of a token.
func (c *call) collected(t *engine.Tx, b *confirmationBody) error {
	data, described, err := hash(c.params.Get("payment_method_data"), "payment_method_data")
	if err != nil {
		return err
	}
	id, _, err := text(c.params.Get("payment_method"), "payment_method", 0)
	if err != nil {
		return err
	}
	switch {
	case described && id != "":
		return invalid("parameters_exclusive", "payment_method_data", "You may only specify one of these parameters: payment_method, payment_method_data.")
	case described:
		b.Method, err = decodeMethod(c, t, data, "payment_method_data")
		return err
	case id != "":
		b.MethodID, b.Method, err = c.usableMethod(t, "payment_method", id)
		return err
	}
	return missingParam("payment_method_data")
}

func retrieveConfirmationToken(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, err := v.Resource(kindConfirmationToken, c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.unknown(404, kindConfirmationToken, "confirmation_token", "confirmation_token", c.path("id"))
		}
		if err != nil {
			return nil, err
		}
		return v.renderConfirmationToken(row)
	})
}

func (v *view) renderConfirmationToken(row resource.Row) (obj, error) {
	b, err := decodeBody[confirmationBody](row)
	if err != nil {
		return nil, err
	}
	m := b.Method
	preview := obj{"type": m.Type, m.Type: obj{}, "billing_details": m.billing(v), "allow_redisplay": orUnspecified(m.Redisplay), "customer": nullable(m.Customer), "customer_account": nil}
	if m.Card != nil {
		preview["card"] = m.Card.render(v)
	}
	o := obj{
		"id": row.ID, "object": "confirmation_token", "created": row.Created.Unix(), "expires_at": row.Created.Add(confirmationTokenFor).Unix(),
		"livemode": v.merchant.Live, "mandate_data": nil, "payment_intent": nil, "payment_method_options": nil, "payment_method_preview": preview,
		"return_url": nullable(b.ReturnURL), "setup_future_usage": nullable(b.FutureUsage), "setup_intent": nil, "shipping": nil, "use_stripe_sdk": !b.NoSDK,
	}
	if b.Intent != "" {
		o["expires_at"] = nil
		o[map[bool]string{true: "setup_intent", false: "payment_intent"}[isSetup(b.Intent)]] = b.Intent
	}
	if b.Acceptance != nil {
		o["mandate_data"] = obj{"customer_acceptance": b.Acceptance.preview()}
	}
	if s := b.Shipping; s != nil {
		o["shipping"] = obj{"address": renderAddress(s.Address), "name": s.Name, "phone": nullable(s.Phone)}
	}
	if !v.public {
		o["metadata"] = b.Metadata
	}
	return o, nil
}

// useConfirmationToken finds the token of a confirmation, marks it as used by
// the intent, and returns its payment method. code is what an unusable one is
// refused with.
func (c *call) useConfirmationToken(t *engine.Tx, v form.Value, intentID, code string) (b confirmationBody, err error) {
	const param = "confirmation_token"
	id, err := must(v, param, 0)
	if err != nil {
		return b, err
	}
	row, err := t.Resource(kindConfirmationToken, id)
	if errors.Is(err, store.ErrNotFound) {
		return b, invalid(code, param, "No such confirmation token: '%s'", id)
	}
	if err != nil {
		return b, err
	}
	if b, err = decodeBody[confirmationBody](row); err != nil {
		return b, err
	}
	switch {
	case b.Intent != "":
		return b, invalid(code, param, "The confirmation token %s was used to confirm %s and cannot be used again.", id, b.Intent)
	case !t.At.Before(row.Created.Add(confirmationTokenFor)):
		return b, invalid(code, param, "The confirmation token %s has expired. Collect the payment details again.", id)
	}
	if b.MethodID == "" {
		if b.MethodID, err = newMethod(t, b.Method); err != nil {
			return b, err
		}
	}
	b.Intent = intentID
	row.Body = encodeBody(b)
	return b, t.UpdateResource(row)
}

// applyToken fills a confirmation with what a token collected; what the request
// says itself wins.
func (c *call) applyToken(t *engine.Tx, i *intent) error {
	v := c.params.Get("confirmation_token")
	if !given(v) {
		return nil
	}
	if name := c.firstGiven([]string{"payment_method", "payment_method_data"}); name != "" {
		return invalid("parameters_exclusive", name, "You may only specify one of these parameters: confirmation_token, %s.", name)
	}
	ct, err := c.useConfirmationToken(t, v, i.id(), "payment_intent_confirmation_token_invalid")
	if err != nil {
		return err
	}
	b := &i.body
	if ct.FutureUsage != "" && b.FutureUsage != "" && ct.FutureUsage != b.FutureUsage {
		return invalid("", "setup_future_usage", "The setup_future_usage of the PaymentIntent (%s) is not that of the confirmation token (%s).", b.FutureUsage, ct.FutureUsage)
	}
	b.PaymentMethod = ct.MethodID
	if c.params.Get("return_url").Kind() == form.Missing && ct.ReturnURL != "" {
		b.ReturnURL = ct.ReturnURL
	}
	if c.params.Get("setup_future_usage").Kind() == form.Missing && ct.FutureUsage != "" {
		b.FutureUsage = ct.FutureUsage
	}
	if c.params.Get("shipping").Kind() == form.Missing && ct.Shipping != nil {
		b.Shipping = ct.Shipping
	}
	if c.params.Get("mandate_data").Kind() == form.Missing && ct.Acceptance != nil {
		b.Acceptance = ct.Acceptance
	}
	return nil
}
