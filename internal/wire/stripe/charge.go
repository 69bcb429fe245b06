package stripe

import (
	"errors"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindCharge = "stripe.charge"

// chargeBody is what a charge's row keeps beside what the core knows.
//
// A charge belongs to a source, or to an attempt of a payment intent.
type chargeBody struct {
	Source        string            `json:"source,omitempty"`
	Intent        string            `json:"intent,omitempty"`
	Method        string            `json:"method,omitempty"`   // id of the payment method
	Attempt       string            `json:"attempt,omitempty"`  // of the intent's payment
	Later         bool              `json:"later,omitempty"`    // captured by the merchant, not when authorised
	Failed        bool              `json:"failed,omitempty"`   // made for an attempt that was refused
	Released      int64             `json:"released,omitempty"` // authorised and given back uncaptured, in minor units
	Customer      string            `json:"customer,omitempty"`
	Description   string            `json:"description,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	ReceiptEmail  string            `json:"receipt_email,omitempty"`
	Shipping      *shipping         `json:"shipping,omitempty"`
	Descriptor    string            `json:"descriptor,omitempty"`
	Suffix        string            `json:"suffix,omitempty"`
	TransferGroup string            `json:"transfer_group,omitempty"`
	UserReport    string            `json:"user_report,omitempty"`
	Billing       owner             `json:"billing"`
	TaxID         string            `json:"tax_id,omitempty"`
	Transaction   string            `json:"transaction,omitempty"` // id of its balance transaction
	Posting       string            `json:"posting,omitempty"`     // the same, while the charge does not name it yet
}

// chargeUpdated tells what changed of a charge.
func (a *API) chargeUpdated(t *engine.Tx, old, row resource.Row, p *payment.Payment) error {
	return a.emit(t, message{typ: "charge.updated", payment: p.ID, render: func(v *view) (obj, obj, error) {
		o, err := v.renderCharge(row, p)
		if err != nil {
			return nil, nil, err
		}
		was, err := v.renderCharge(old, p)
		if err != nil {
			return nil, nil, err
		}
		return o, v.changed(was, o), nil
	}})
}

// keys are what charges can be found by.
func (b chargeBody) keys(paymentID string) []resource.Key {
	keys := []resource.Key{{Name: "payment", Value: paymentID}}
	for _, k := range []resource.Key{{Name: "payment_intent", Value: b.Intent}, {Name: "customer", Value: b.Customer}, {Name: "transfer_group", Value: b.TransferGroup}} {
		if k.Value != "" {
			keys = append(keys, k)
		}
	}
	return append(keys, byMetadata(b.Metadata)...)
}

type shipping struct {
	Address  map[string]string `json:"address"`
	Name     string            `json:"name"`
	Phone    string            `json:"phone,omitempty"`
	Carrier  string            `json:"carrier,omitempty"`
	Tracking string            `json:"tracking_number,omitempty"`
}

var chargeParams = []string{
	"amount", "currency", "source", "card", "customer", "capture", "description", "metadata", "receipt_email", "shipping",
	"statement_descriptor", "statement_descriptor_suffix", "application_fee", "application_fee_amount", "destination",
	"on_behalf_of", "transfer_data", "transfer_group", "radar_options",
}

// descriptorMax is the longest statement descriptor.
const descriptorMax = 22

func sortOf(rowID string) string {
	s, ok := id.Sort(rowID)
	if !ok {
		panic("stripe: id " + rowID + " is not one of ours")
	}
	return s
}

func cutRoute(route string) (method, path string, ok bool) { return strings.Cut(route, " ") }

// decode reads the parameters a charge keeps and that an update may change.
func (b *chargeBody) decode(p form.Value) error {
	group := b.TransferGroup
	err := keepTexts(p, keptText{"description", &b.Description, 40000}, keptText{"receipt_email", &b.ReceiptEmail, 0}, keptText{"transfer_group", &b.TransferGroup, 0})
	if err != nil {
		return err
	}
	if err := errors.Join(receiptEmail(b.ReceiptEmail), setOnce("transfer_group", group, b.TransferGroup)); err != nil {
		return err
	}
	if b.Metadata, err = metadata(p.Get("metadata"), b.Metadata); err != nil {
		return err
	}
	b.Shipping, err = decodeShipping(p.Get("shipping"), b.Shipping)
	return err
}

func decodeShipping(v form.Value, stored *shipping) (*shipping, error) {
	if v.Kind() == form.Scalar && v.String() == "" {
		return nil, nil
	}
	h, set, err := hash(v, "shipping")
	if err != nil || !set {
		return stored, err
	}
	if err := members(h, "shipping", "address", "name", "phone", "carrier", "tracking_number"); err != nil {
		return nil, err
	}
	s := &shipping{}
	if s.Name, err = must(h.Get("name"), "shipping[name]", 0); err != nil {
		return nil, err
	}
	if h.Get("address").Kind() == form.Missing {
		return nil, missingParam("shipping[address]")
	}
	if s.Address, err = address(h.Get("address"), "shipping[address]", nil); err != nil {
		return nil, err
	}
	if s.Address["line1"] == "" {
		return nil, missingParam("shipping[address][line1]")
	}
	for name, to := range fields(at("phone", &s.Phone), at("carrier", &s.Carrier), at("tracking_number", &s.Tracking)) {
		if *to, _, err = text(h.Get(name), "shipping["+name+"]", 0); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// chargeRequest is a decoded creation.
type chargeRequest struct {
	amount   int64
	currency money.Currency
	source   string
	customer string
	body     chargeBody
}

func decodeCharge(c *call) (q chargeRequest, err error) {
	if q.amount, err = positive(c.params.Get("amount"), "amount"); err != nil {
		return q, err
	}
	if q.currency, err = currency(c.params.Get("currency")); err != nil {
		return q, err
	}
	name := "source"
	if c.params.Get("source").Kind() == form.Missing && c.params.Get("card").Kind() != form.Missing {
		name = "card"
	}
	v := c.params.Get(name)
	if v.Kind() == form.Hash {
		return q, invalid("", name, "Invalid %s object: card details are not accepted here; pass the id of a source.", name)
	}
	if q.source, _, err = text(v, name, 0); err != nil {
		return q, err
	}
	if q.customer, _, err = text(c.params.Get("customer"), "customer", 0); err != nil {
		return q, err
	}
	if q.source == "" && q.customer == "" {
		return q, invalid("parameter_missing", "", "Must provide source or customer.")
	}
	capture, err := boolean(c.params.Get("capture"), "capture", true)
	if err != nil {
		return q, err
	}
	if !capture {
		return q, invalid("", "capture", "Alipay payments cannot be captured separately; `capture` must be true.")
	}
	for _, n := range []string{"application_fee", "application_fee_amount", "destination", "on_behalf_of", "transfer_data"} {
		if v := c.params.Get(n); v.Kind() != form.Missing && (v.Kind() != form.Scalar || v.String() != "") {
			return q, invalid("", n, "The parameter %s is for platforms with connected accounts, which this server does not offer.", n)
		}
	}
	for n, to := range fields(at("statement_descriptor", &q.body.Descriptor), at("statement_descriptor_suffix", &q.body.Suffix)) {
		if *to, _, err = text(c.params.Get(n), n, descriptorMax); err != nil {
			return q, err
		}
	}
	return q, q.body.decode(c.params)
}

const notChargeable = "The source you provided is not in a chargeable state."

// createCharge runs the order of stripe-sources §6.5.
func createCharge(c *call) (step, error) {
	q, err := decodeCharge(c)
	if err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			q := q // begin may run again and starts afresh
			if err := c.payingSource(t, &q); err != nil {
				return err
			}
			row, err := t.Resource(kindSource, q.source)
			if errors.Is(err, store.ErrNotFound) {
				if strings.HasPrefix(q.source, "tok_") {
					return noSuch(400, "token", "source", q.source)
				}
				return c.unknown(400, kindSource, "source", "source", q.source)
			}
			if err != nil {
				return err
			}
			p, err := t.LoadPayment(row.Payment)
			if err != nil {
				return err
			}
			t.Subject = p.ID
			if _, err := t.Lapse(p); err != nil {
				return err
			}
			proof, err := q.chargeable(t, p)
			if err != nil {
				return err
			}
			src, err := decodeBody[sourceBody](row)
			if err != nil {
				return err
			}
			b := q.body
			switch {
			case src.Customer != "" && q.customer == "":
				return invalid("missing", "customer", "The request does not have a linked source with ID %s: it is attached to customer %s, whose id must be passed as well.", row.ID, src.Customer).kept()
			case src.Customer != "" && src.Customer != q.customer:
				return c.notLinked(q.customer, row.ID).kept()
			}
			b.Source, b.Customer, b.Billing = row.ID, q.customer, src.Owner
			chargeID := t.NewID("py_")
			if err := t.InsertResource(newRow(t, kindCharge, chargeID, p.ID, encodeBody(b), b.keys(p.ID)...)); err != nil {
				return err
			}
			return t.Capture(p, proof, chargeID, p.Amount)
		},
		finish: func(t *engine.Tx) (obj, error) {
			row, err := t.ResourceBy(kindCharge, "payment", t.Subject)
			if err != nil {
				return nil, err
			}
			p, err := t.LoadPayment(t.Subject)
			if err != nil {
				return nil, err
			}
			if p.State() == payment.Declined {
				code, message := declineText(p.Attempt.Reason)
				e := &wireError{status: 402, typ: "card_error", code: code, decline: code, charge: row.ID, message: message, keep: true}
				if code == "invalid_amount" {
					e.param = "amount"
				}
				return nil, e
			}
			return c.in(t).renderCharge(row, p)
		},
	}, nil
}

// payingSource checks the customer and, when no source was named, takes the
// customer's default one.
func (c *call) payingSource(t *engine.Tx, q *chargeRequest) error {
	if q.customer == "" {
		return nil
	}
	_, b, err := c.customerRow(t, 400, "customer", q.customer, false)
	if err != nil {
		return err
	}
	if q.source == "" {
		if b.DefaultSource == "" {
			return invalid("missing", "card", "Cannot charge a customer that has no active card").kept()
		}
		q.source = b.DefaultSource
	}
	return nil
}

// chargeable checks state, currency and amount; a refused request leaves the
// source as it was.
func (q chargeRequest) chargeable(t *engine.Tx, p *payment.Payment) (payment.Capturable, error) {
	none := payment.Capturable{}
	switch sourceStatus(p) {
	case "consumed":
		return none, invalid("invalid_source_usage", "source", "The provided source has already been used to make another payment. You cannot reuse sources without attaching them to a Customer object first.").kept()
	case "pending":
		// Not kept under an idempotency key: a merchant who was too early may try
		// again with the same key (stripe-sources §6.8).
		return none, invalid("invalid_source_usage", "source", notChargeable)
	case "failed", "canceled":
		return none, invalid("invalid_source_usage", "source", notChargeable).kept()
	}
	if q.currency != p.Amount.Currency {
		return none, invalid("", "currency", "The currency specified (%s) does not match the currency on the source (%s). A payment can only be created for the same currency as the corresponding source.", q.currency.Lower(), p.Amount.Currency.Lower()).kept()
	}
	if q.amount != p.Amount.Minor {
		return none, invalid("", "amount", "The amount specified (%d) does not match the amount on the source (%d). A payment can only be created for the same amount as the corresponding source.", q.amount, p.Amount.Minor).kept()
	}
	proof, ok := p.Capturable(t.At)
	if !ok {
		return none, invalid("invalid_source_usage", "source", notChargeable).kept()
	}
	return proof, nil
}

// declineText translates a refused capture.
func declineText(r payment.Reason) (code, message string) {
	switch r {
	case payment.InsufficientFunds:
		return "insufficient_funds", "The Alipay account has insufficient funds to complete the purchase. Ask the customer to top it up or to use another payment method."
	case payment.AmountTooLarge:
		return "invalid_amount", "The charge amount is larger than Alipay supports."
	}
	return "processing_error", "An error occurred while processing the payment."
}

func (c *call) chargeRow(r store.Reader, status int, param, chargeID string) (resource.Row, error) {
	row, err := r.Resource(kindCharge, chargeID)
	if errors.Is(err, store.ErrNotFound) {
		return row, c.unknown(status, kindCharge, "charge", param, chargeID)
	}
	return row, err
}

func retrieveCharge(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, err := c.chargeRow(v, 404, "id", c.path("id"))
		if err != nil {
			return nil, err
		}
		p, err := v.Payment(row.Payment)
		if err != nil {
			return nil, err
		}
		return v.renderCharge(row, &p)
	})
}

func listCharges(c *call) (obj, error) {
	keys, err := c.equals("payment_intent", "transfer_group", "customer")
	if err != nil {
		return nil, err
	}
	q := query{kind: kindCharge, label: "charge", keys: keys, render: (*view).chargeOf}
	if !since(c.version, versionAllFunding) {
		q.keep = func(_ *view, r resource.Row) bool { return strings.HasPrefix(r.ID, "ch_") } // paid by card
	}
	return c.list(q)
}

func (v *view) chargeOf(row resource.Row) (obj, error) {
	p, err := v.Payment(row.Payment)
	if err != nil {
		return nil, err
	}
	return v.renderCharge(row, &p)
}

func (v *view) charge(chargeID string) (obj, error) {
	return v.stored(kindCharge, chargeID, (*view).chargeOf)
}

func updateCharge(c *call) (step, error) {
	var check chargeBody
	if err := check.decode(c.params); err != nil {
		return step{}, err
	}
	report, err := fraudReport(c.params.Get("fraud_details"))
	if err != nil {
		return step{}, err
	}
	chargeID := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			customer := c.params.Get("customer").String()
			if customer != "" {
				if _, _, err := c.customerRow(t, 400, "customer", customer, false); err != nil {
					return err
				}
			}
			row, err := c.chargeRow(t, 404, "id", chargeID)
			if err != nil {
				return err
			}
			p, err := t.LoadPayment(row.Payment)
			if err != nil {
				return err
			}
			before, err := decodeBody[chargeBody](row)
			if err != nil {
				return err
			}
			old := row
			b := before
			if err := b.decode(c.params); err != nil {
				return err
			}
			if report != "" {
				b.UserReport = report
			}
			if customer != "" {
				if b.Customer != "" && b.Customer != customer {
					return invalid("", "customer", "This charge already has a customer, which cannot be changed.").kept()
				}
				b.Customer = customer
			}
			row.Body = encodeBody(b)
			if string(row.Body) == string(old.Body) {
				return nil
			}
			if err := t.RekeyResource(row, b.keys(p.ID)); err != nil {
				return err
			}
			row.Version++
			return c.api.chargeUpdated(t, old, row, p)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).charge(chargeID) },
	}, nil
}

func fraudReport(v form.Value) (string, error) {
	h, set, err := hash(v, "fraud_details")
	if err != nil || !set {
		return "", err
	}
	if err := members(h, "fraud_details", "user_report"); err != nil {
		return "", err
	}
	s, _, err := oneOf(h.Get("user_report"), "fraud_details[user_report]", "safe", "fraudulent")
	return s, err
}

func captureCharge(c *call) (step, error) {
	chargeID := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			row, err := c.chargeRow(t, 404, "id", chargeID)
			if err != nil {
				return err
			}
			p, err := t.LoadPayment(row.Payment)
			if err != nil {
				return err
			}
			switch p.State() {
			case payment.Captured:
			case payment.Authorized:
				return invalid("", "", "Charge %s belongs to a PaymentIntent: capture %s instead.", chargeID, p.Owner).kept()
			case payment.Declined:
				return invalid("capture_unauthorized_payment", "", "Charge %s has failed and cannot be captured.", chargeID).kept()
			default:
				return invalid("capture_unauthorized_payment", "", "Charge %s has not been authorized yet and cannot be captured.", chargeID).kept()
			}
			return invalid("charge_already_captured", "", "Charge %s has already been captured.", chargeID).kept()
		},
	}, nil
}
