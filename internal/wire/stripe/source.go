package stripe

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindSource = "stripe.source"

// sourceBody is what a source's row keeps beside what the core knows.
type sourceBody struct {
	ClientSecret     string            `json:"client_secret"`
	ReturnURL        string            `json:"return_url"`
	Descriptor       string            `json:"descriptor,omitempty"`
	WalletDescriptor string            `json:"wallet_descriptor,omitempty"`
	Owner            owner             `json:"owner"`
	Metadata         map[string]string `json:"metadata,omitempty"`
	Customer         string            `json:"customer,omitempty"` // attached to
}

// owner is who a source belongs to; "" is null.
type owner struct {
	Name    string            `json:"name,omitempty"`
	Email   string            `json:"email,omitempty"`
	Phone   string            `json:"phone,omitempty"`
	Address map[string]string `json:"address,omitempty"`
}

var sourceParams = []string{
	"type", "amount", "currency", "redirect", "flow", "usage", "statement_descriptor", "owner", "metadata",
	"customer", "original_source", "token", "mandate", "receiver", "source_order",
}

// sourceTypes are the types a source can have; only alipay can be created.
var sourceTypes = []string{
	"ach_credit_transfer", "ach_debit", "acss_debit", "alipay", "au_becs_debit", "bancontact", "card", "card_present", "eps", "giropay",
	"ideal", "klarna", "multibanco", "p24", "sepa_debit", "sofort", "three_d_secure", "wechat",
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func decodeBody[T any](r resource.Row) (T, error) { return resource.Decode[T](r) }

// storedBody reads an object's row and its body.
func storedBody[T any](r store.Reader, kind, id string) (row resource.Row, b T, err error) {
	if row, err = r.Resource(kind, id); err == nil {
		b, err = decodeBody[T](row)
	}
	return row, b, err
}

func encodeBody(v any) []byte { return resource.Encode(v) }

// createSource decodes in the order of stripe-sources §3.3.
func createSource(c *call) (step, error) {
	typ, set, err := text(c.params.Get("type"), "type", 0)
	if err != nil {
		return step{}, err
	}
	if !set || typ == "" {
		return step{}, missingParam("type")
	}
	rules, ok := method.Find(method.SingleUseSource, typ)
	if !ok {
		for _, t := range sourceTypes {
			if t == typ {
				return step{}, invalid("payment_method_unactivated", "type", "The payment method type \"%s\" is not offered by this server. Sources can be created with type alipay.", typ)
			}
		}
		return step{}, invalid("", "type", "Invalid type: must be %s", choice(sourceTypes))
	}
	amount, err := sourceAmount(c.params.Get("amount"), rules)
	if err != nil {
		return step{}, err
	}
	cur, err := currency(c.params.Get("currency"))
	if err != nil {
		return step{}, err
	}
	body := &sourceBody{}
	if body.ReturnURL, err = redirectURL(c.params.Get("redirect")); err != nil {
		return step{}, err
	}
	if err := sourceShape(c.params, typ); err != nil {
		return step{}, err
	}
	if err := body.decode(c.params, typ); err != nil {
		return step{}, err
	}
	script, err := scenario(body.Metadata)
	if err != nil {
		return step{}, err
	}
	var shown obj
	return step{
		begin: func(t *engine.Tx) error {
			m := &t.Who.Profile
			if slices.Contains(m.MethodsOff, typ) {
				return invalid("payment_method_unactivated", "type", "The payment method type \"%s\" is not activated on this account.", typ)
			}
			if !rules.Allows(cur, m.Country, m.DefaultCurrency, m.ExtraCurrencies) {
				return invalid("invalid_currency", "", "Invalid currency: %s. The payment method `%s` does not support this currency in your region.", cur.Lower(), typ)
			}
			if least := rules.MinimumFor(cur); amount < least {
				return tooSmall(money.Of(least, cur))
			}
			b, row := *body, resource.Row{}
			rowID := t.NewID("src_")
			t.Subject = rowID
			p, err := t.Start(payment.Payment{
				Front: Name, Kind: kindSource, Owner: rowID, Product: method.SingleUseSource, Method: typ,
				Amount: money.Of(amount, cur), Descriptor: body.Descriptor, Script: script,
			}, func(p *payment.Payment) error {
				b.ClientSecret = "src_client_secret_" + t.Random(24)
				row = newRow(t, kindSource, rowID, p.ID, encodeBody(&b))
				return t.InsertResource(row)
			})
			if err == nil && p.State() == payment.Declined {
				err = fault.New(fault.Internal, "processing_error", "The wallet could not start the payment.")
			}
			if shown = nil; err == nil && !t.Announces(p) {
				shown = c.in(t).sourceOf(row, &b, p, c.principal.public) // the rail has answered
			}
			return err
		},
		finish: func(t *engine.Tx) (obj, error) {
			if shown != nil {
				return shown, nil
			}
			return c.in(t).source(t.Subject, c.principal.public)
		},
	}, nil
}

// sourceAmount checks what can be checked without the currency.
func sourceAmount(v form.Value, rules method.Rules) (int64, error) {
	amount, err := positive(v, "amount")
	if err != nil {
		return 0, err
	}
	if amount > rules.Maximum {
		return 0, invalid("amount_too_large", "amount", "Amount must be no more than %d in the smallest currency unit", rules.Maximum)
	}
	return amount, nil
}

func redirectURL(v form.Value) (string, error) {
	h, set, err := hash(v, "redirect")
	if err != nil {
		return "", err
	}
	if !set {
		return "", missingParam("redirect")
	}
	if err := members(h, "redirect", "return_url"); err != nil {
		return "", err
	}
	const name = "redirect[return_url]"
	if h.Get("return_url").Kind() == form.Missing {
		return "", missingParam(name)
	}
	if h.Get("return_url").Kind() != form.Scalar {
		return "", invalid("", name, "Invalid string: %s", h.Get("return_url").JSON())
	}
	s := h.Get("return_url").String()
	if s == "" {
		return "", emptyParam(name)
	}
	return s, returnURL(s, name)
}

// sourceShape checks what an alipay source cannot be.
func sourceShape(p form.Value, typ string) error {
	if _, _, err := oneOf(p.Get("flow"), "flow", "redirect", "receiver", "code_verification", "none"); err != nil {
		return err
	}
	if f := p.Get("flow").String(); f != "" && f != "redirect" {
		return invalid("", "flow", "Invalid flow: %s sources use the redirect flow.", typ)
	}
	usage, _, err := oneOf(p.Get("usage"), "usage", "reusable", "single_use")
	if err != nil {
		return err
	}
	if usage == "reusable" {
		return invalid("", "usage", "Invalid usage: %s sources are single_use.", typ)
	}
	for _, name := range []string{"customer", "original_source", "token", "mandate", "receiver", "source_order"} {
		if p.Get(name).Kind() != form.Missing {
			return invalid("", name, "You may not specify %s when creating a source of type %s.", name, typ)
		}
	}
	return nil
}

func (b *sourceBody) decode(p form.Value, typ string) error {
	var err error
	if b.Descriptor, _, err = text(p.Get("statement_descriptor"), "statement_descriptor", 0); err != nil {
		return err
	}
	b.WalletDescriptor = b.Descriptor
	h, set, err := hash(p.Get(typ), typ)
	if err != nil {
		return err
	}
	if set {
		if err := members(h, typ, "statement_descriptor"); err != nil {
			return err
		}
		if s, given, err := text(h.Get("statement_descriptor"), typ+"[statement_descriptor]", 0); err != nil {
			return err
		} else if given {
			b.WalletDescriptor = s
		}
	}
	if err := b.Owner.merge(p.Get("owner"), "owner"); err != nil {
		return err
	}
	b.Metadata, err = metadata(p.Get("metadata"), b.Metadata)
	return err
}

// merge applies the owner parameter, or another of the same shape, member by
// member; "" clears one. more are members that somebody else reads.
func (o *owner) merge(v form.Value, param string, more ...string) error {
	h, set, err := hash(v, param)
	if err != nil || !set {
		return err
	}
	if err := members(h, param, append([]string{"name", "email", "phone", "address"}, more...)...); err != nil {
		return err
	}
	for name, to := range fields(at("name", &o.Name), at("email", &o.Email), at("phone", &o.Phone)) {
		s, given, err := text(h.Get(name), param+"["+name+"]", 0)
		if err != nil {
			return err
		}
		if given {
			*to = s
		}
	}
	if o.Email != "" && !strings.Contains(o.Email, "@") {
		return invalid("email_invalid", param+"[email]", "Invalid email address: %s", o.Email)
	}
	o.Address, err = address(h.Get("address"), param+"[address]", o.Address)
	return err
}

// scenarioKey is the metadata key that chooses what the simulator does with one
// source (stripe-sources §9.4).
const scenarioKey = "ducat_scenario"

// scenario turns a scenario's name into simulator instructions.
func scenario(md map[string]string) (string, error) {
	s := md[scenarioKey]
	if s == "" {
		return "", nil
	}
	r, ok := Scenario(s)
	if !ok {
		return "", invalid("", "metadata["+scenarioKey+"]", "Unknown scenario: %s. Known are payer_authorizes, payer_declines, payment_method_not_available, creation_processing_error, insufficient_funds, invalid_amount, charge_processing_error, wallet_error, chargeable_delay=<seconds>, duplicate_notice, late_authorisation, void_outage, refund_pending, refund_requires_action, refund_failed, dispute_product_not_received, dispute_product_unacceptable, dispute_credit_not_processed, dispute_duplicate and dispute_general.", s)
	}
	return string(encodeBody([]rail.Rule{r})), nil
}

// Scenario returns the simulator instruction a scenario's name stands for.
func Scenario(name string) (rail.Rule, bool) {
	switch name {
	case "payer_authorizes":
		return rail.Rule{On: "authorize", Do: "approve"}, true
	case "payer_declines":
		return rail.Rule{On: "authorize", Do: "pending", Reason: string(payment.PayerDeclined)}, true
	case "payment_method_not_available":
		return rail.Rule{On: "authorize", Do: "unavailable"}, true
	case "creation_processing_error":
		return rail.Rule{On: "authorize", Do: "error"}, true
	case "insufficient_funds":
		return rail.Rule{On: "capture", Do: "decline", Reason: string(payment.InsufficientFunds)}, true
	case "invalid_amount":
		return rail.Rule{On: "capture", Do: "decline", Reason: string(payment.AmountTooLarge)}, true
	case "charge_processing_error":
		return rail.Rule{On: "capture", Do: "decline", Reason: string(payment.ProcessingError)}, true
	case "wallet_error":
		return rail.Rule{On: "approve", Do: "error", Reason: string(payment.ProcessingError)}, true
	case "duplicate_notice":
		return rail.Rule{On: "approve", Do: "duplicate", DelaySeconds: 1}, true
	case "late_authorisation":
		return rail.Rule{On: "approve", Do: "late", DelaySeconds: 60}, true
	case "void_outage":
		return rail.Rule{On: "void", Do: "error"}, true
	case "refund_pending":
		return rail.Rule{On: "refund", Do: "pending"}, true
	case "refund_requires_action":
		return rail.Rule{On: "refund", Do: "action"}, true
	case "refund_failed":
		return rail.Rule{On: "refund", Do: "decline"}, true
	}
	if reason, ok := strings.CutPrefix(name, "dispute_"); ok && slices.Contains(disputeReasons, reason) {
		return rail.Rule{On: "dispute", Do: "open", Reason: reason}, true
	}
	if d, ok := strings.CutPrefix(name, "chargeable_delay="); ok {
		if n, err := strconv.ParseInt(d, 10, 32); err == nil && n >= 0 && n <= 7*24*3600 {
			return rail.Rule{On: "approve", Do: "delay", DelaySeconds: n}, true
		}
	}
	return rail.Rule{}, false
}

func newRow(t *engine.Tx, kind, rowID, paymentID string, body []byte, keys ...resource.Key) resource.Row {
	return resource.Row{Kind: kind, ID: rowID, Sort: sortOf(rowID), Payment: paymentID, Created: t.At, Version: 1, Body: body, Keys: keys}
}

func retrieveSource(c *call) (obj, error) {
	secret, set, err := text(c.params.Get("client_secret"), "client_secret", 0)
	if err != nil {
		return nil, err
	}
	if c.principal.public && !set {
		return nil, missingParam("client_secret")
	}
	overdue := ""
	look := func(v *view) (obj, error) {
		row, err := v.Resource(kindSource, c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.unknown(404, kindSource, "source", "source", c.path("id"))
		}
		if err != nil {
			return nil, err
		}
		p, err := v.Payment(row.Payment)
		if err != nil {
			return nil, err
		}
		if p.Overdue(v.now()) {
			overdue = p.ID
		}
		o, err := v.renderSource(row, &p, c.principal.public)
		if err != nil {
			return nil, err
		}
		// A wrong secret must look like an unknown id.
		if set && subtle.ConstantTimeCompare([]byte(secret), []byte(o["client_secret"].(string))) != 1 {
			return nil, noSuch(404, "source", "source", c.path("id"))
		}
		return o, nil
	}
	o, err := c.single(look)
	if err != nil || overdue == "" {
		return o, err
	}
	// Its deadline has come and no timer has told yet: apply it, and look again.
	if err := c.api.engine.Update(c.ctx, c.principal.merchantID, engine.Cause{}, func(t *engine.Tx) error {
		p, err := t.LoadPayment(overdue)
		if err != nil {
			return err
		}
		_, err = t.Lapse(p)
		return err
	}); err != nil {
		return nil, err
	}
	return c.single(look)
}

// unknown is the error for an id that is not there. Whether the object exists in
// the account's other mode is found out when no transaction is open any more:
// see elsewhere.
func (c *call) unknown(status int, kind, label, param, rowID string) error {
	e := noSuch(status, label, param, rowID)
	e.kind, e.id = kind, rowID
	return e
}

// elsewhere completes the error about a missing object that exists in the
// account's other mode (stripe-platform §3.5).
func (c *call) elsewhere(e *wireError) *wireError {
	if e.kind == "" || c.api.engine.Store.View(c.ctx, c.principal.other(), func(r store.Reader) error {
		_, err := r.Resource(e.kind, e.id)
		return err
	}) != nil {
		return e
	}
	there, here := "live", "test"
	if c.principal.live {
		there, here = here, there
	}
	full := *e
	full.message += fmt.Sprintf("; a similar object exists in %s mode, but a %s mode key was used to make this request.", there, here)
	return &full
}

func updateSource(c *call) (step, error) {
	for _, name := range []string{"amount", "mandate", "source_order"} {
		if c.params.Get(name).Kind() != form.Missing {
			return step{}, invalid("", name, "You may not update %s on a source of type alipay.", name)
		}
	}
	var check owner
	if err := check.merge(c.params.Get("owner"), "owner"); err != nil {
		return step{}, err
	}
	if _, err := metadata(c.params.Get("metadata"), nil); err != nil {
		return step{}, err
	}
	sourceID := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			row, err := t.Resource(kindSource, sourceID)
			if errors.Is(err, store.ErrNotFound) {
				return c.unknown(404, kindSource, "source", "source", sourceID)
			}
			if err != nil {
				return err
			}
			b, err := decodeBody[sourceBody](row)
			if err != nil {
				return err
			}
			if b.Metadata, err = metadata(c.params.Get("metadata"), b.Metadata); err != nil {
				return err
			}
			if err := b.Owner.merge(c.params.Get("owner"), "owner"); err != nil {
				return err
			}
			old := row
			row.Body = encodeBody(b)
			if err := t.UpdateResource(row); err != nil || b.Customer == "" {
				return err
			}
			row.Version++
			p, err := t.LoadPayment(row.Payment)
			if err != nil {
				return err
			}
			return c.api.emit(t, message{typ: "customer.source.updated", render: func(v *view) (obj, obj, error) {
				o, err := v.renderSource(row, p, false)
				if err != nil {
					return nil, nil, err
				}
				was, err := v.renderSource(old, p, false)
				if err != nil {
					return nil, nil, err
				}
				return o, v.changed(was, o), nil
			}})
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).source(sourceID, false) },
	}, nil
}

// verifySource is for sources whose payer is told a code, of which this server
// has none (stripe-sources §3.1).
func verifySource(c *call) (step, error) {
	v := c.params.Get("values")
	switch {
	case v.Kind() == form.Missing:
		return step{}, missingParam("values")
	case v.Kind() != form.List:
		return step{}, invalid("", "values", "Invalid array")
	}
	return step{begin: func(t *engine.Tx) error {
		_, err := t.Resource(kindSource, c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return c.unknown(404, kindSource, "source", "source", c.path("id"))
		}
		if err != nil {
			return err
		}
		return invalid("", "", "You cannot verify this source: sources of type alipay use the redirect flow, and only sources with the code_verification flow are verified.").kept()
	}}, nil
}

// sourceTransaction finds none: sources of the redirect flow receive no
// transactions.
func sourceTransaction(c *call) (obj, error) {
	if _, err := sourceTransactions(c); err != nil {
		return nil, err
	}
	return nil, noSuch(404, "source_transaction", "source_transaction", c.path("transaction"))
}

func sourceTransactions(c *call) (obj, error) {
	if _, err := c.listing(); err != nil {
		return nil, err
	}
	if _, err := c.single(func(v *view) (obj, error) {
		o, err := v.source(c.path("id"), false)
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.unknown(404, kindSource, "source", "source", c.path("id"))
		}
		return o, err
	}); err != nil {
		return nil, err
	}
	path := c.request.URL.Path
	return obj{"object": "list", "data": []any{}, "has_more": false, "url": path}, nil
}
