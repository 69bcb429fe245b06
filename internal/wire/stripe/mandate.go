package stripe

import (
	"errors"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const kindMandate = "stripe.mandate"

// mandateBody is a payer's permission to be debited. Its status is that of the
// agreement.
type mandateBody struct {
	Method     string      `json:"method"`
	Type       string      `json:"type"`
	Agreement  string      `json:"agreement"`
	Acceptance *acceptance `json:"acceptance,omitempty"`
	Amount     int64       `json:"amount,omitempty"` // single use: for one payment of this amount
	Currency   string      `json:"currency,omitempty"`
	Used       string      `json:"used,omitempty"` // single use: the intent that was last debited under it
}

// newMandate records a permission that is in force.
func (a *API) newMandate(t *engine.Tx, ag *agreement.Agreement, methodID string, acc *acceptance, amount int64, currency string) (string, error) {
	id := t.NewID("mandate_")
	b := mandateBody{Method: methodID, Type: ag.Method, Agreement: ag.ID, Acceptance: acc, Amount: amount, Currency: currency}
	if err := t.InsertResource(newRow(t, kindMandate, id, "", encodeBody(b), resource.Key{Name: "agreement", Value: ag.ID})); err != nil {
		return "", err
	}
	return id, a.mandateEvent(t, id, "")
}

// mandateEvent tells that a mandate has another status than it was, "" if it is
// new.
func (a *API) mandateEvent(t *engine.Tx, id, was string) error {
	return a.emit(t, message{typ: "mandate.updated", render: func(v *view) (obj, obj, error) {
		row, err := v.Resource(kindMandate, id)
		if err != nil {
			return nil, nil, err
		}
		o, err := v.renderMandate(row)
		if err != nil || was == "" {
			return o, nil, err
		}
		return o, obj{"status": was}, nil
	}})
}

// mandateEnded tells that a permission is over.
func (a *API) mandateEnded(t *engine.Tx, ag *agreement.Agreement) error {
	row, err := t.ResourceBy(kindMandate, "agreement", ag.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // cards have none
	}
	if err != nil {
		return err
	}
	return a.mandateEvent(t, row.ID, "active")
}

func retrieveMandate(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, err := v.Resource(kindMandate, c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.unknown(404, kindMandate, "mandate", "mandate", c.path("id"))
		}
		if err != nil {
			return nil, err
		}
		return v.renderMandate(row)
	})
}

// singleUse finds the mandate of an agreement that is for one payment only; ok is
// false if it is for more, or there is none.
func singleUse(t *engine.Tx, agreementID string) (row resource.Row, b mandateBody, ok bool, err error) {
	row, err = t.ResourceBy(kindMandate, "agreement", agreementID)
	if errors.Is(err, store.ErrNotFound) {
		return row, b, false, nil
	}
	if err != nil {
		return row, b, false, err
	}
	b, err = decodeBody[mandateBody](row)
	return row, b, b.Amount > 0, err
}

// claimSingleUse refuses a debit that a single-use mandate does not cover: of more,
// of another currency, or while another payment under it is not known to have
// failed. It notes which payment it is.
func (c *call) claimSingleUse(t *engine.Tx, i intent, agreementID string) error {
	row, b, ok, err := singleUse(t, agreementID)
	if err != nil || !ok {
		return err
	}
	amount := i.body.total()
	if amount.Currency.Lower() != b.Currency || amount.Minor > b.Amount {
		return invalid("payment_intent_mandate_invalid", "amount", "The mandate %s is for a single payment of at most %d %s.", row.ID, b.Amount, b.Currency)
	}
	if b.Used != "" && b.Used != i.id() {
		other, err := loadIntent(t, b.Used)
		if err != nil {
			return err
		}
		if s := other.status(); s == isProcessing || s == hasSucceeded {
			return invalid("payment_intent_mandate_invalid", "payment_method", "The mandate %s is for a single payment, which is %s.", row.ID, b.Used)
		}
	}
	b.Used = i.id()
	row.Body = encodeBody(b)
	return t.UpdateResource(row)
}

// endSingleUse ends a permission that was for the payment that was made.
func (a *API) endSingleUse(t *engine.Tx, agreementID string) error {
	_, _, ok, err := singleUse(t, agreementID)
	if err != nil || !ok {
		return err
	}
	ag, err := t.LoadAgreement(agreementID)
	if err != nil || ag.State() != agreement.Active {
		return err
	}
	return t.RevokeAgreement(ag, agreement.ByMerchant)
}

func (v *view) mandate(id string) (obj, error) {
	return v.stored(kindMandate, id, (*view).renderMandate)
}

// renderMandate fills a mandate (stripe-payment-intents §13.3).
func (v *view) renderMandate(row resource.Row) (obj, error) {
	b, err := decodeBody[mandateBody](row)
	if err != nil {
		return nil, err
	}
	ag, err := v.Agreement(b.Agreement)
	if err != nil {
		return nil, err
	}
	status := "inactive"
	if ag.State() == agreement.Active {
		status = "active"
	}
	acc := b.Acceptance
	if acc == nil {
		acc = &acceptance{}
	}
	accepted := acc.preview()
	accepted["accepted_at"] = row.Created.Unix()
	if acc.At > 0 {
		accepted["accepted_at"] = acc.At
	}
	o := obj{
		"id": row.ID, "object": "mandate", "customer_acceptance": accepted, "livemode": v.merchant.Live, "payment_method": b.Method,
		"payment_method_details": obj{"type": b.Type}, "status": status, "type": "multi_use", "multi_use": obj{},
	}
	if acc.Offline {
		accepted["offline"] = obj{}
	}
	if b.Amount > 0 {
		delete(o, "multi_use")
		o["type"], o["single_use"] = "single_use", obj{"amount": b.Amount, "currency": b.Currency}
	}
	return o, nil
}
