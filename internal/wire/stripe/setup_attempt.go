package stripe

import (
	"errors"
	"fmt"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const kindSetupAttempt = "stripe.setup_attempt"

// attemptBody is one confirmation of a SetupIntent.
type attemptBody struct {
	Setup     string       `json:"setup"`
	Method    string       `json:"method"`
	Type      string       `json:"type"`
	Customer  string       `json:"customer,omitempty"`
	Usage     string       `json:"usage"`
	Agreement string       `json:"agreement"`
	Challenge bool         `json:"challenge,omitempty"`
	Error     *intentError `json:"error,omitempty"`
}

func failAttempt(t *engine.Tx, id string, e intentError) error {
	row, b, err := storedBody[attemptBody](t, kindSetupAttempt, id)
	if err != nil {
		return err
	}
	b.Error = &e
	row.Body = encodeBody(b)
	return t.UpdateResource(row)
}

func listSetupAttempts(c *call) (obj, error) {
	id, err := must(c.params.Get("setup_intent"), "setup_intent", 0)
	if err != nil {
		return nil, err
	}
	if err := c.view(func(v *view) error {
		if _, err := v.Resource(kindSetup, id); errors.Is(err, store.ErrNotFound) {
			return c.unknown(400, kindSetup, "setupintent", "setup_intent", id)
		} else if err != nil {
			return err
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return c.page(kindSetupAttempt, "setup_attempt", "setup_intent", id, (*view).setupAttempt)
}

func (v *view) setupAttempt(row resource.Row) (obj, error) {
	b, err := decodeBody[attemptBody](row)
	if err != nil {
		return nil, err
	}
	ag, err := v.Agreement(b.Agreement)
	if err != nil {
		return nil, fmt.Errorf("%s: its agreement: %w", row.ID, err)
	}
	status := "failed"
	switch {
	case !ag.Since.IsZero():
		status = "succeeded"
	case ag.State() == agreement.Requested:
		status = "requires_action"
	case ag.State() == agreement.Revoked:
		status = "abandoned"
	}
	details := obj{"type": b.Type}
	if b.Type == "card" {
		_, m, err := storedBody[methodBody](v, kindPaymentMethod, b.Method)
		if err != nil {
			return nil, err
		}
		details["card"] = m.Card.setupDetails(v, b.Challenge && status == "succeeded")
	}
	o := obj{
		"id": row.ID, "object": "setup_attempt", "application": nil, "created": row.Created.Unix(), "customer": nullable(b.Customer), "customer_account": nil,
		"flow_directions": nil, "livemode": v.merchant.Live, "on_behalf_of": nil, "payment_method": b.Method, "payment_method_details": details,
		"setup_intent": b.Setup, "status": status, "usage": b.Usage,
	}
	o["setup_error"], err = v.lastError(b.Error)
	return o, err
}

// setupDetails is the card of an attempt to set it up.
func (b cardBody) setupDetails(v *view, authenticated bool) obj {
	tc := b.card()
	o := obj{
		"brand": tc.brand, "checks": obj{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": b.check("pass")}, "country": tc.country,
		"exp_month": b.Month, "exp_year": b.Year, "fingerprint": fingerprint(v.merchant.Account, "card:"+tc.name), "funding": tc.funding, "last4": tc.last4(),
		"network": tc.brand, "three_d_secure": nil, "wallet": nil,
	}
	if authenticated {
		o["three_d_secure"] = threeDSecurePassed()
	}
	return o
}
