package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	row, err := v.Resource(kindCharge, chargeID)
	if err != nil {
		return nil, err
	}
	return v.chargeOf(row)
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

// attemptOf shows a payment as it was for a charge: with the attempt the charge
// is about, which need not be the current one.
func (v *view) attemptOf(b chargeBody, p *payment.Payment) (payment.Payment, error) {
	then := *p
	if b.Attempt == "" || b.Attempt == p.Attempt.ID {
		return then, nil
	}
	attempts, err := v.Attempts(p.ID)
	if err != nil {
		return then, err
	}
	for _, at := range attempts {
		if at.ID == b.Attempt {
			then.Attempt, then.Method, then.Amount = at, at.Method, at.Amount
			return then, nil
		}
	}
	return then, fmt.Errorf("payment %s has no attempt %s", p.ID, b.Attempt)
}

// approvedOutcome is the outcome of a charge that nobody objected to.
func approvedOutcome() obj {
	return obj{"advice_code": nil, "network_advice_code": nil, "network_decline_code": nil, "network_status": "approved_by_network", "reason": nil, "risk_level": "not_assessed", "seller_message": "Payment complete.", "type": "authorized"}
}

// refusal says why a charge failed.
func refusal(b chargeBody, p *payment.Payment) intentError {
	if b.Intent != "" {
		return failureOf(p.Method, p.Attempt.Reason)
	}
	code, message := declineText(p.Attempt.Reason)
	return intentError{Code: code, Decline: code, Message: message}
}

// renderCharge fills a charge by the rules of stripe-sources §6.3 and
// stripe-payment-intents §10.1.
func (v *view) renderCharge(row resource.Row, now *payment.Payment) (obj, error) {
	b, err := decodeBody[chargeBody](row)
	if err != nil {
		return nil, err
	}
	then, err := v.attemptOf(b, now)
	if err != nil {
		return nil, err
	}
	p := &then
	var source any
	if b.Source != "" {
		src, err := v.Resource(kindSource, b.Source)
		if err != nil {
			return nil, err
		}
		if source, err = v.renderSource(src, p, false); err != nil {
			return nil, err
		}
	}
	captured := p.State() == payment.Captured
	paid := captured || b.Intent != "" && !p.Attempt.AuthorizedAt.IsZero() && p.State() != payment.Declined
	status := "failed"
	var failureCode, failureMessage any
	outcome := approvedOutcome()
	if p.Method == "card" {
		outcome["risk_level"], outcome["risk_score"] = "normal", 32
	}
	var receipt any
	if captured {
		receipt = v.api.config.BaseURL + "/pay/receipts/" + engine.ReceiptToken(v.merchant, *p)
	}
	switch {
	case paid:
		status = "succeeded"
	case p.State() == payment.Declined:
		e := refusal(b, p)
		failureCode, failureMessage = e.Code, e.Message
		outcome["network_status"], outcome["reason"], outcome["seller_message"], outcome["type"] = "declined_by_network", firstOf(e.Decline, e.Code), e.Message, "issuer_declined"
		outcome["advice_code"] = nullable(e.Advice)
	default:
		status = "pending" // the wallet's word is awaited
	}
	details, err := v.methodDetails(b, p)
	if err != nil {
		return nil, err
	}
	refunded, taken := b.Released, int64(0)
	disputed := false
	if captured {
		refunded, taken, disputed = refunded+p.RefundedAmount().Minor, p.CapturedAmount().Minor, p.Disputed() != ""
	}
	fraud := obj{}
	if b.UserReport != "" {
		fraud["user_report"] = b.UserReport
	}
	o := obj{
		"id": row.ID, "object": "charge", "amount": p.Amount.Minor, "amount_captured": taken, "amount_refunded": refunded,
		"application": nil, "application_fee": nil, "application_fee_amount": nil, "balance_transaction": nullable(b.Transaction),
		"billing_details": methodBody{Billing: b.Billing, TaxID: b.TaxID}.billing(v), "calculated_statement_descriptor": nil, "captured": captured, "created": row.Created.Unix(),
		"currency": p.Amount.Currency.Lower(), "customer": nullable(b.Customer), "description": nullable(b.Description), "disputed": disputed,
		"failure_balance_transaction": nil, "failure_code": failureCode, "failure_message": failureMessage, "fraud_details": fraud,
		"livemode": v.merchant.Live, "metadata": b.Metadata, "on_behalf_of": nil, "outcome": outcome, "paid": paid, "payment_intent": nullable(b.Intent),
		"payment_method":         firstOf(b.Method, b.Source),
		"payment_method_details": details,
		"receipt_email":          nullable(b.ReceiptEmail), "receipt_number": nil, "receipt_url": receipt,
		"refunded": paid && refunded == p.Amount.Minor, "review": nil, "shipping": renderShipping(b.Shipping), "source": source, "source_transfer": nil,
		"statement_descriptor": nullable(b.Descriptor), "statement_descriptor_suffix": nullable(b.Suffix), "status": status,
		"transfer_data": nil, "transfer_group": nullable(b.TransferGroup),
	}
	if since(v.version, versionRecentMembers) {
		o["radar_options"] = obj{}
	}
	if !since(v.version, versionNoInvoice) {
		o["invoice"] = nil
	}
	if !since(v.version, versionNoDispute) {
		if err := v.formerMembers(o, b, p, disputed); err != nil {
			return nil, err
		}
	}
	if !since(v.version, versionNoRefunds) {
		o["order"] = nil
		if o["refunds"], err = v.refundsOf(row.ID); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// formerMembers adds what charges said before 2023-08-16.
func (v *view) formerMembers(o obj, b chargeBody, p *payment.Payment, disputed bool) error {
	o["alternate_statement_descriptors"], o["destination"] = nil, nil
	if since(v.version, versionDispute) {
		o["dispute"] = nil
		if disputed {
			o["dispute"] = disputeID(p.Disputed())
		}
	}
	if disputed && since(v.version, versionDispute) && !since(v.version, versionDisputeID) {
		d, err := v.dispute(disputeID(p.Disputed()))
		if err != nil {
			return err
		}
		o["dispute"] = d
	}
	if b.Transaction != "" && !since(v.version, versionTransactionFees) {
		t, err := v.transaction(b.Transaction)
		if err != nil {
			return err
		}
		o["fee"], o["fee_details"] = t["fee"], t["fee_details"]
	}
	return nil
}

// instalments is how many payments Alma's simulated payer spreads the price
// over.
const instalments = 3

// methodDetails is what a charge says of how it was paid.
func (v *view) methodDetails(b chargeBody, p *payment.Payment) (obj, error) {
	switch p.Method {
	case "alma":
		return obj{"type": "alma", "alma": obj{"installments": obj{"count": instalments}, "transaction_id": nullable(p.Attempt.Reference)}}, nil
	case "card":
		row, err := v.Resource(kindPaymentMethod, b.Method)
		if err != nil {
			return nil, err
		}
		m, err := decodeBody[methodBody](row)
		if err != nil {
			return nil, err
		}
		return obj{"type": "card", "card": m.Card.details(v, b, p)}, nil
	}
	wallet := obj{"fingerprint": nil, "transaction_id": nullable(p.Attempt.Reference)}
	if p.Attempt.Payer != "" {
		wallet["buyer_id"], wallet["fingerprint"] = p.Attempt.Payer, fingerprint(v.merchant.Account, p.Attempt.Payer)
	}
	return obj{"type": p.Method, p.Method: wallet}, nil
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func renderShipping(s *shipping) any {
	if s == nil {
		return nil
	}
	return obj{"address": renderAddress(s.Address), "carrier": nullable(s.Carrier), "name": s.Name, "phone": nullable(s.Phone), "tracking_number": nullable(s.Tracking)}
}

// fingerprint is the same for the same payer of one account, and tells nothing
// about the payer.
func fingerprint(account, payer string) string {
	sum := sha256.Sum256([]byte("ducat fingerprint\x00" + account + "\x00" + payer))
	return hex.EncodeToString(sum[:8])
}
