package stripe

import (
	"errors"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindRefund = "stripe.refund"

// refundBody is what a refund's row keeps beside what the core knows.
type refundBody struct {
	Charge             string            `json:"charge"`
	Intent             string            `json:"intent,omitempty"`
	Released           int64             `json:"released,omitempty"` // authorised funds that went back uncaptured: no refund of the core's
	Reason             string            `json:"reason,omitempty"`
	Metadata           map[string]string `json:"metadata,omitempty"`
	Transaction        string            `json:"transaction,omitempty"`
	FailureTransaction string            `json:"failure_transaction,omitempty"`
	Email              string            `json:"email,omitempty"`       // where the payer is told how to get the money
	ActionUntil        time.Time         `json:"action_until,omitzero"` // set: the payer has to say where it goes
}

// waiting is the status of the refund while it is under way.
func (b refundBody) waiting() string {
	if b.ActionUntil.IsZero() {
		return "pending"
	}
	return "requires_action"
}

// What creating a refund takes: under a charge's path, and under its legacy
// form, the charge is given.
var (
	legacyRefundParams = []string{"payment_intent", "amount", "reason", "metadata", "refund_application_fee", "reverse_transfer", "instructions_email"}
	chargeRefundParams = append([]string{"origin", "currency", "customer"}, legacyRefundParams...)
	refundParams       = append([]string{"charge"}, chargeRefundParams...)
)

// nestedRefunds is how many refunds an embedded list shows.
const nestedRefunds = 10

func createRefund(c *call) (step, error) {
	s, err := prepareRefund(c)
	if err != nil {
		return step{}, err
	}
	s.finish = func(t *engine.Tx) (obj, error) { return c.in(t).refund(t.Subject) }
	return s, nil
}

// refundCharge is the legacy form that answers with the charge.
func refundCharge(c *call) (step, error) {
	s, err := prepareRefund(c)
	if err != nil {
		return step{}, err
	}
	s.finish = func(t *engine.Tx) (obj, error) { return c.in(t).charge(c.path("charge")) }
	return s, nil
}

func prepareRefund(c *call) (step, error) {
	chargeID, status := c.path("charge"), 404
	intentID, _, err := text(c.params.Get("payment_intent"), "payment_intent", 0)
	if err != nil {
		return step{}, err
	}
	if chargeID == "" {
		status = 400
		if chargeID, _, err = text(c.params.Get("charge"), "charge", 0); err != nil {
			return step{}, err
		}
	}
	if chargeID == "" && intentID == "" {
		return step{}, invalid("parameter_missing", "", "One of the following params should be provided for this request: payment_intent or charge.")
	}
	var amount int64
	if c.params.Get("amount").Kind() != form.Missing {
		if amount, err = positive(c.params.Get("amount"), "amount"); err != nil {
			return step{}, err
		}
	}
	b := refundBody{}
	if err := b.forPlatforms(c.params); err != nil {
		return step{}, err
	}
	if b.Email, _, err = text(c.params.Get("instructions_email"), "instructions_email", 0); err != nil {
		return step{}, err
	}
	if b.Email != "" && !strings.Contains(b.Email, "@") {
		return step{}, invalid("email_invalid", "instructions_email", "Invalid email address: %s", printable(b.Email))
	}
	if v := c.params.Get("reason"); v.Kind() != form.Missing && (v.Kind() != form.Scalar || v.String() != "") {
		if b.Reason, _, err = oneOf(v, "reason", "duplicate", "fraudulent", "requested_by_customer"); err != nil {
			return step{}, err
		}
	}
	if b.Metadata, err = metadata(c.params.Get("metadata"), nil); err != nil {
		return step{}, err
	}
	return step{begin: func(t *engine.Tx) error {
		row, cb, err := c.refundedCharge(t, status, chargeID, intentID)
		if err != nil {
			return err
		}
		t.Subject, err = startRefund(t, row, cb, b, amount)
		return err
	}}, nil
}

// startRefund sends money of a charge back, amount 0 standing for all that is
// left, and returns the refund's id.
func startRefund(t *engine.Tx, charge resource.Row, cb chargeBody, b refundBody, amount int64) (string, error) {
	p, err := t.LoadPayment(charge.Payment)
	if err != nil {
		return "", err
	}
	if cb.Attempt != "" && cb.Attempt != p.Attempt.ID {
		return "", invalid("charge_not_refundable", "charge", "This charge did not succeed and cannot be refunded.").kept()
	}
	proof, err := refundable(p, charge.ID, amount)
	if err != nil {
		return "", err
	}
	b.Charge, b.Intent = charge.ID, cb.Intent
	r, err := t.RefundPayment(p, proof, refundPrefix(p.Method), func(r *payment.Refund) error {
		return t.InsertResource(newRow(t, kindRefund, r.ID, p.ID, encodeBody(b), refundKeys(b)...))
	})
	switch faultCode(err) {
	case "refund_window":
		return "", invalid("charge_not_refundable", "charge", "This payment is too old to be refunded. It has passed its %d-day refund window.", int(engine.Rules(*p).RefundFor.Hours()/24)).kept()
	case engine.CodeFunds:
		return "", invalid("balance_insufficient", "", "You have insufficient funds in your Stripe account for this refund: %s", faultMessage(err)).kept()
	}
	if err != nil {
		return "", err
	}
	return r.ID, nil
}

// refundKeys are what a refund is found by.
func refundKeys(b refundBody) []resource.Key {
	keys := []resource.Key{{Name: "charge", Value: b.Charge}}
	if b.Intent != "" {
		keys = append(keys, resource.Key{Name: "payment_intent", Value: b.Intent})
	}
	return keys
}

// refundedCharge finds the charge a refund is about: the one that is named, or
// the latest one of an intent.
func (c *call) refundedCharge(t *engine.Tx, status int, chargeID, intentID string) (resource.Row, chargeBody, error) {
	if intentID != "" {
		i, err := readIntent(t, intentID)
		if errors.Is(err, store.ErrNotFound) {
			return resource.Row{}, chargeBody{}, c.noIntent(400, intentID)
		}
		if err != nil {
			return resource.Row{}, chargeBody{}, err
		}
		if chargeID != "" && chargeID != i.body.LatestCharge {
			if _, err := c.chargeRow(t, status, "charge", chargeID); err != nil {
				return resource.Row{}, chargeBody{}, err
			}
			return resource.Row{}, chargeBody{}, invalid("", "charge", "The charge %s is not the one that PaymentIntent %s succeeded with.", chargeID, intentID).kept()
		}
		if i.body.LatestCharge == "" {
			return resource.Row{}, chargeBody{}, invalid("", "payment_intent", "This PaymentIntent (%s) does not have a successful charge to refund.", intentID).kept()
		}
		chargeID = i.body.LatestCharge
	}
	row, err := c.chargeRow(t, status, "charge", chargeID)
	if err != nil {
		return row, chargeBody{}, err
	}
	b, err := decodeBody[chargeBody](row)
	return row, b, err
}

// forPlatforms refuses what only refunds of other charges can have: nothing here
// has an application fee, a transfer or a customer's cash balance behind it.
func (refundBody) forPlatforms(p form.Value) error {
	for _, name := range []string{"refund_application_fee", "reverse_transfer"} {
		if set, err := boolean(p.Get(name), name, false); err != nil {
			return err
		} else if set {
			return invalid("", name, "This charge has no application fee and no transfer, so %s cannot be true.", name)
		}
	}
	for _, name := range []string{"origin", "currency", "customer"} {
		if v := p.Get(name); v.Kind() != form.Missing && (v.Kind() != form.Scalar || v.String() != "") {
			return invalid("", name, "%s is for refunds of a customer's cash balance, not of a charge.", name)
		}
	}
	return nil
}

// refundable checks what stripe-sources §10.5 lists and hands out the proof.
// Amount 0 means all that is left.
func refundable(p *payment.Payment, chargeID string, amount int64) (payment.Refundable, error) {
	if p.State() == payment.Authorized {
		return payment.Refundable{}, invalid("", "charge", "This charge has not been captured and cannot be refunded. Cancel its PaymentIntent instead.").kept()
	}
	if p.State() != payment.Captured {
		return payment.Refundable{}, invalid("charge_not_refundable", "charge", "This charge did not succeed and cannot be refunded.").kept()
	}
	if p.Dispute() != "" {
		return payment.Refundable{}, invalid("charge_disputed", "charge", "Charge %s has been charged back; cannot issue a refund.", chargeID).kept()
	}
	left := p.CapturedAmount().Sub(p.RefundedAmount())
	if left.Minor == 0 {
		return payment.Refundable{}, invalid("charge_already_refunded", "", "Charge %s has already been refunded.", chargeID).kept()
	}
	if amount == 0 {
		amount = left.Minor
	}
	proof, ok := p.Refundable(money.Of(amount, p.Amount.Currency))
	if !ok {
		return proof, invalid("", "amount", "Refund amount (%s) is greater than unrefunded amount on charge (%s)", money.Of(amount, p.Amount.Currency), left).kept()
	}
	return proof, nil
}

// refundRow finds a refund; under a charge's path it must be that charge's.
func (c *call) refundRow(r store.Reader) (resource.Row, error) {
	row, err := r.Resource(kindRefund, c.path("id"))
	if err == nil && c.path("charge") != "" {
		b, derr := decodeBody[refundBody](row)
		if derr != nil {
			return row, derr
		}
		if b.Charge != c.path("charge") {
			err = store.ErrNotFound
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return row, c.unknown(404, kindRefund, "refund", "refund", c.path("id"))
	}
	return row, err
}

func retrieveRefund(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, err := c.refundRow(v)
		if err != nil {
			return nil, err
		}
		return v.renderRefund(row)
	})
}

func listRefunds(c *call) (obj, error) {
	keys, err := c.equals("charge", "payment_intent")
	if err != nil {
		return nil, err
	}
	if charge := c.path("charge"); charge != "" {
		if err := c.view(func(v *view) error { _, err := c.chargeRow(v, 404, "charge", charge); return err }); err != nil {
			return nil, err
		}
		keys = []resource.Key{{Name: "charge", Value: charge}}
	}
	return c.list(query{kind: kindRefund, label: "refund", keys: keys, render: (*view).renderRefund})
}

func updateRefund(c *call) (step, error) {
	if _, err := metadata(c.params.Get("metadata"), nil); err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			row, err := c.refundRow(t)
			if err != nil {
				return err
			}
			b, err := decodeBody[refundBody](row)
			if err != nil {
				return err
			}
			if b.Metadata, err = metadata(c.params.Get("metadata"), b.Metadata); err != nil {
				return err
			}
			row.Body = encodeBody(b)
			return t.UpdateResource(row)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).refund(c.path("id")) },
	}, nil
}

// cancelRefund takes a refund back whose payer has not said where it goes.
func cancelRefund(c *call) (step, error) {
	return c.endRefund((*engine.Tx).CancelRefund, "canceled")
}

// expireRefund ends such a refund as the passing of time would.
func expireRefund(c *call) (step, error) {
	return c.endRefund((*engine.Tx).ExpireRefund, "expired")
}

func (c *call) endRefund(end func(t *engine.Tx, p *payment.Payment, r *payment.Refund) error, word string) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			row, err := c.refundRow(t)
			if err != nil {
				return err
			}
			b, err := decodeBody[refundBody](row)
			if err != nil {
				return err
			}
			no := func(status string) error {
				return invalid("", "", "This refund cannot be %s: it is %s, and only refunds in `requires_action` can be %s.", word, status, word).kept()
			}
			if b.Released > 0 {
				return no("succeeded")
			}
			p, err := t.LoadPayment(row.Payment)
			if err != nil {
				return err
			}
			r, err := t.Refund(row.ID)
			if err != nil {
				return err
			}
			if status := refundStatus(b, r); status != "requires_action" {
				return no(status)
			}
			return end(t, p, &r)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).refund(c.path("id")) },
	}, nil
}

// refundStatus is the wire status: a refund that was taken back is canceled, one
// whose payer has to act first requires that.
func refundStatus(b refundBody, r payment.Refund) string {
	switch {
	case r.State() == payment.RefundPending:
		return b.waiting()
	case r.State() == payment.RefundFailed && r.Reason == payment.RefundCanceled:
		return "canceled"
	}
	return r.State().String()
}

func (v *view) refund(refundID string) (obj, error) {
	return v.stored(kindRefund, refundID, (*view).renderRefund)
}

func (v *view) renderRefund(row resource.Row) (obj, error) {
	b, err := decodeBody[refundBody](row)
	if err != nil {
		return nil, err
	}
	p, err := v.Payment(row.Payment)
	if err != nil {
		return nil, err
	}
	o := obj{
		"id": row.ID, "object": "refund", "amount": b.Released, "balance_transaction": nullable(b.Transaction), "charge": b.Charge,
		"created": row.Created.Unix(), "currency": p.Amount.Currency.Lower(), "metadata": b.Metadata, "payment_intent": nullable(b.Intent),
		"reason": nullable(b.Reason), "receipt_number": nil, "source_transfer_reversal": nil, "status": "succeeded", "transfer_reversal": nil,
	}
	if since(v.version, versionDestination) {
		o["destination_details"] = obj{p.Method: refundDestination(p.Method), "type": p.Method}
	}
	if since(v.version, versionRefundCustomer) {
		_, cb, err := storedBody[chargeBody](v, kindCharge, b.Charge)
		if err != nil {
			return nil, err
		}
		o["customer"], o["customer_account"], o["payment_method"] = nullable(cb.Customer), nil, nullable(firstOf(cb.Method, cb.Source))
	}
	if b.Released > 0 {
		return o, nil
	}
	r, err := v.Refund(row.ID)
	if err != nil {
		return nil, err
	}
	o["amount"], o["status"] = r.Amount.Minor, refundStatus(b, r)
	if b.Email != "" {
		o["instructions_email"] = b.Email
	}
	switch {
	case r.State() != payment.RefundPending:
	case !b.ActionUntil.IsZero():
		o["next_action"] = obj{"type": "display_details", "display_details": obj{
			"email_sent": obj{"email_sent_at": row.Created.Unix(), "email_sent_to": b.Email}, "expires_at": b.ActionUntil.Unix(),
		}}
	case since(v.version, versionRecentMembers):
		o["pending_reason"] = "processing"
	}
	if r.State() == payment.RefundFailed {
		o["failure_reason"] = refundFailure(r.Reason)
		o["failure_balance_transaction"] = nullable(b.FailureTransaction)
	}
	return o, nil
}

// refundDestination says where a refund goes; cards have more to say.
func refundDestination(typ string) obj {
	if typ == "card" {
		return obj{"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
	}
	return obj{}
}

// refundFailure maps a rail's reason to the enum of the wire.
func refundFailure(r payment.Reason) string {
	switch r {
	case "declined", payment.PayerDeclined:
		return "declined"
	case payment.InsufficientFunds:
		return "insufficient_funds"
	case payment.RefundCanceled:
		return "merchant_request"
	case engine.DisputeRefunded:
		return "charge_for_pending_refund_disputed"
	}
	return "unknown"
}

// refundsOf is the list embedded in a charge, newest first.
func (v *view) refundsOf(chargeID string) (obj, error) {
	rows, err := v.Resources(store.List{Kind: kindRefund, Key: "charge", Value: chargeID, Limit: nestedRefunds + 1})
	if err != nil {
		return nil, err
	}
	more := len(rows) > nestedRefunds
	data := []any{}
	for _, r := range rows[:min(len(rows), nestedRefunds)] {
		o, err := v.renderRefund(r)
		if err != nil {
			return nil, err
		}
		data = append(data, o)
	}
	list := obj{"object": "list", "data": data, "has_more": more, "url": "/v1/charges/" + chargeID + "/refunds"}
	if !since(v.version, versionNoTotalCount) {
		list["total_count"] = len(data)
	}
	return list, nil
}
