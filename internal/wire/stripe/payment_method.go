package stripe

import (
	"errors"
	"slices"
	"strconv"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindPaymentMethod = "stripe.payment_method"

// methodBody is a payment method. One that was used without having been saved,
// or was detached, cannot be used again.
type methodBody struct {
	Type      string            `json:"type"`
	Card      *cardBody         `json:"card,omitempty"`
	Billing   owner             `json:"billing"`
	TaxID     string            `json:"tax_id,omitempty"`
	Redisplay string            `json:"redisplay,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Customer  string            `json:"customer,omitempty"`
	Spent     bool              `json:"spent,omitempty"`
	Detached  bool              `json:"detached,omitempty"`
	Agreement string            `json:"agreement,omitempty"` // standing authorisation it can be debited under
}

// methodTypes are the types a payment method can have; the catalogue says which
// of them this server offers.
var methodTypes = []string{
	"acss_debit", "affirm", "afterpay_clearpay", "alipay", "alma", "amazon_pay", "au_becs_debit", "bacs_debit", "bancontact", "billie", "bizum",
	"blik", "boleto", "card", "cashapp", "crypto", "customer_balance", "eps", "fpx", "giropay", "grabpay", "ideal", "kakao_pay", "klarna", "konbini",
	"kr_card", "link", "mb_way", "mobilepay", "multibanco", "naver_pay", "nz_bank_account", "oxxo", "p24", "pay_by_bank", "payco", "paynow", "paypal",
	"payto", "pix", "promptpay", "revolut_pay", "samsung_pay", "satispay", "scalapay", "sepa_debit", "sofort", "sunbit", "swish", "twint", "upi",
	"us_bank_account", "wechat_pay", "zip",
}

var methodParams = append([]string{"type", "billing_details", "allow_redisplay", "metadata", "customer", "payment_method", "radar_options", "custom", "interac_present"}, methodTypes...)

// displays are the values of allow_redisplay.
var displays = []string{"always", "limited", "unspecified"}

// unofferedType is the error about a type that exists but is not offered.
func unofferedType(param, typ string) *wireError {
	return invalid("", param, "The payment method type provided: %s is invalid. Please ensure the provided type is activated in your account's payment method settings; this server offers %s.", typ, choice(offered))
}

// offered are the types of the catalogue, in its order; intentRules are their
// rules.
var offered, intentRules = func() (types []string, rules map[string]method.Rules) {
	rules = map[string]method.Rules{}
	for _, r := range method.All() {
		if r.Product == method.Intent {
			types, rules[r.Method] = append(types, r.Method), r
		}
	}
	return types, rules
}()

// decodeMethod reads a payment method from the parameters of its own endpoint
// (prefix "") or from payment_method_data.
func decodeMethod(c *call, t *engine.Tx, v form.Value, prefix string) (b methodBody, err error) {
	name := func(k string) string {
		if prefix == "" {
			return k
		}
		return prefix + "[" + k + "]"
	}
	if prefix != "" {
		if err := members(v, prefix, slices.Concat(methodParams[:4], methodTypes, telemetry, []string{"interac_present"})...); err != nil {
			return b, err
		}
	}
	typ, set, err := text(v.Get("type"), name("type"), 0)
	switch {
	case err != nil:
		return b, err
	case !set && prefix != "":
		// The guide's own code for what a chosen method needs (seed 003).
		return b, invalid("missing_required_parameter", name("type"), "Missing required param: %s.", name("type"))
	case !set || typ == "":
		return b, missingParam(name("type"))
	case !slices.Contains(methodTypes, typ):
		return b, invalid("", name("type"), "Invalid %s: must be %s", name("type"), choice(methodTypes))
	case !slices.Contains(offered, typ):
		return b, unofferedType(name("type"), typ)
	}
	b.Type = typ
	for _, other := range append([]string{"custom", "interac_present"}, methodTypes...) {
		if other != typ && v.Get(other).Kind() != form.Missing {
			return b, invalid("", name(other), "You may not specify %s when the type is %s.", name(other), typ)
		}
	}
	if typ == "card" {
		if b.Card, b.Billing, err = decodeCard(c, t, v.Get("card"), name("card")); err != nil {
			return b, err
		}
	} else if h, given, err := hash(v.Get(typ), name(typ)); err != nil {
		return b, err
	} else if given {
		if err := members(h, name(typ)); err != nil {
			return b, err
		}
	}
	return b, b.merge(v, name)
}

// merge applies what an update may change too.
func (b *methodBody) merge(v form.Value, name func(string) string) error {
	billing := v.Get("billing_details")
	if err := b.Billing.merge(billing, name("billing_details"), "tax_id"); err != nil {
		return err
	}
	if s, set, err := text(billing.Get("tax_id"), name("billing_details")+"[tax_id]", 0); err != nil {
		return err
	} else if set {
		b.TaxID = s
	}
	if s, set, err := oneOf(v.Get("allow_redisplay"), name("allow_redisplay"), displays...); err != nil {
		return err
	} else if set {
		b.Redisplay = s
	}
	var err error
	b.Metadata, err = metadata(v.Get("metadata"), b.Metadata)
	return err
}

// newMethod stores a payment method.
func newMethod(t *engine.Tx, b methodBody) (string, error) {
	id := t.NewID("pm_")
	return id, t.InsertResource(newRow(t, kindPaymentMethod, id, "", encodeBody(b)))
}

func createPaymentMethod(c *call) (step, error) {
	for _, name := range []string{"customer", "payment_method"} {
		if c.params.Get(name).Kind() != form.Missing {
			return step{}, invalid("", name, "The parameter %s copies payment methods between connected accounts, which this server does not offer.", name)
		}
	}
	return step{
		begin: func(t *engine.Tx) error {
			b, err := decodeMethod(c, t, c.params, "")
			if err != nil {
				return err
			}
			t.Subject, err = newMethod(t, b)
			return err
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).paymentMethod(t.Subject) },
	}, nil
}

// methodRow finds a payment method.
func (c *call) methodRow(r store.Reader, status int, param, id string) (resource.Row, methodBody, error) {
	row, err := r.Resource(kindPaymentMethod, id)
	if errors.Is(err, store.ErrNotFound) {
		return row, methodBody{}, c.unknown(status, kindPaymentMethod, "PaymentMethod", param, id)
	}
	if err != nil {
		return row, methodBody{}, err
	}
	b, err := decodeBody[methodBody](row)
	return row, b, err
}

// usableMethod finds the payment method a request names. A test id stands for a
// card, of which every use makes a new payment method.
func (c *call) usableMethod(t *engine.Tx, param, id string) (string, methodBody, error) {
	if tc, ok := cardBehind(id, "pm_card_"); ok && !c.principal.live {
		b := methodBody{Type: "card", Card: tokenCard(tc, t.At)}
		id, err := newMethod(t, b)
		return id, b, err
	}
	row, b, err := c.methodRow(t, 400, param, id)
	return row.ID, b, err
}

// reusable refuses a method whose one use is over.
func (b methodBody) reusable(param string) error {
	if b.Spent || b.Detached {
		return invalid("", param, "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be used again.")
	}
	return nil
}

func retrievePaymentMethod(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, _, err := c.methodRow(v, 404, "payment_method", c.path("id"))
		if err != nil {
			return nil, err
		}
		return v.renderMethod(row)
	})
}

func updatePaymentMethod(c *call) (step, error) {
	id := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.methodRow(t, 404, "payment_method", id)
			if err != nil {
				return err
			}
			if b.Customer == "" {
				return invalid("", "", "You must save this PaymentMethod to a customer before you can update it.").kept()
			}
			old := row
			if err := b.merge(c.params, func(k string) string { return k }); err != nil {
				return err
			}
			if err := b.changeCard(c.params.Get("card"), t); err != nil {
				return err
			}
			row.Body = encodeBody(b)
			if string(row.Body) == string(old.Body) {
				return nil
			}
			if err := t.UpdateResource(row); err != nil {
				return err
			}
			return c.api.methodEvent(t, "payment_method.updated", id, &old)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).paymentMethod(id) },
	}, nil
}

// changeCard gives a saved card a new expiry date.
func (b *methodBody) changeCard(v form.Value, t *engine.Tx) error {
	h, set, err := hash(v, "card")
	if err != nil || !set {
		return err
	}
	if b.Card == nil {
		return invalid("", "card", "You may not specify card when the type is %s.", b.Type)
	}
	if err := members(h, "card", "exp_month", "exp_year", "networks"); err != nil {
		return err
	}
	month, year := h.Get("exp_month"), h.Get("exp_year")
	if month.Kind() == form.Missing && year.Kind() == form.Missing {
		return nil
	}
	changed := *b.Card
	changed.Month, changed.Year, err = cardExpiry(firstOf(month.String(), strconv.Itoa(changed.Month)), firstOf(year.String(), strconv.Itoa(changed.Year)), t.At)
	if err != nil {
		return err
	}
	b.Card = &changed
	return nil
}

// savable reports whether a type can be kept for later payments.
func savable(typ string) bool { return intentRules[typ].Reusable }

func attachPaymentMethod(c *call) (step, error) {
	customer, err := must(c.params.Get("customer"), "customer", 0)
	if err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			if _, _, err := c.customerRow(t, 400, "customer", customer, false); err != nil {
				return err
			}
			id, b, err := c.usableMethod(t, "payment_method", c.path("id"))
			if w, ok := errors.AsType[*wireError](err); ok && w.code == "resource_missing" {
				w.status = 404 // the id is in the path
			}
			if err != nil {
				return err
			}
			t.Subject = id
			if err := b.reusable("payment_method"); err != nil {
				return err
			}
			if b.Customer == customer {
				return nil
			}
			if b.Customer != "" {
				return invalid("", "payment_method", "The payment method you provided has already been attached to a customer.")
			}
			return c.api.save(t, id, customer)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).paymentMethod(t.Subject) },
	}, nil
}

// save attaches a payment method to a customer. One who was deleted meanwhile,
// while the payer decided, has nothing attached any more.
func (a *API) save(t *engine.Tx, id, customer string) error {
	row, b, err := storedBody[methodBody](t, kindPaymentMethod, id)
	if err != nil {
		return err
	}
	if !savable(b.Type) {
		return invalid("payment_method_unsupported_type", "payment_method", "Payment methods of type %s are for a single payment and cannot be attached to a customer.", b.Type)
	}
	owner, err := t.Resource(kindCustomer, customer)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := hold(t, owner); err != nil {
		return err
	}
	b.Customer = customer
	row.Body = encodeBody(b)
	if err := t.RekeyResource(row, []resource.Key{{Name: "customer", Value: customer}, {Name: "type", Value: b.Type}}); err != nil {
		return err
	}
	return a.methodEvent(t, "payment_method.attached", id, nil)
}

func detachPaymentMethod(c *call) (step, error) {
	id := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			_, b, err := c.methodRow(t, 404, "payment_method", id)
			if err != nil {
				return err
			}
			if b.Customer == "" {
				return invalid("", "", "The payment method you provided is not attached to a customer so detachment is impossible.").kept()
			}
			return c.api.forget(t, id)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).paymentMethod(id) },
	}, nil
}

// forget detaches a payment method for good.
func (a *API) forget(t *engine.Tx, id string) error {
	row, b, err := storedBody[methodBody](t, kindPaymentMethod, id)
	if err != nil {
		return err
	}
	old := row
	b.Customer, b.Detached = "", true
	row.Body = encodeBody(b)
	if err := t.RekeyResource(row, nil); err != nil {
		return err
	}
	if err := a.methodEvent(t, "payment_method.detached", id, &old); err != nil || b.Agreement == "" {
		return err
	}
	ag, err := t.LoadAgreement(b.Agreement)
	if err != nil || ag.State() != agreement.Active {
		return err
	}
	return t.RevokeAgreement(ag, agreement.ByMerchant)
}

// savedMax is how many methods of a customer are let go of at once.
const savedMax = 1000

// forgetAll detaches what a customer that is being deleted has.
func (a *API) forgetAll(t *engine.Tx, customer string) error {
	rows, err := t.Resources(store.List{Kind: kindPaymentMethod, Key: "customer", Value: customer, Limit: savedMax})
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := a.forget(t, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// listPaymentMethods lists what a customer has saved; without a customer there
// is nothing to list.
func listPaymentMethods(c *call) (obj, error) {
	customer := c.path("customer")
	if customer == "" {
		var err error
		if customer, _, err = text(c.params.Get("customer"), "customer", 0); err != nil {
			return nil, err
		}
	}
	typ, _, err := oneOf(c.params.Get("type"), "type", append([]string{"custom"}, methodTypes...)...)
	if err != nil {
		return nil, err
	}
	display, _, err := oneOf(c.params.Get("allow_redisplay"), "allow_redisplay", displays...)
	if err != nil {
		return nil, err
	}
	if c.path("customer") != "" {
		if err := c.view(func(v *view) error { _, _, err := c.customerRow(v, 404, "customer", customer, false); return err }); err != nil {
			return nil, err
		}
	}
	if customer == "" {
		if _, err := c.listing(); err != nil {
			return nil, err
		}
		path := c.request.URL.Path
		return obj{"object": "list", "data": []any{}, "has_more": false, "url": path}, nil
	}
	return c.filtered(kindPaymentMethod, "payment_method", "customer", customer, func(_ *view, row resource.Row) bool {
		b, err := decodeBody[methodBody](row)
		return err == nil && (typ == "" || b.Type == typ) && (display == "" || orUnspecified(b.Redisplay) == display)
	}, (*view).renderMethod)
}

func retrieveCustomerMethod(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		if _, _, err := c.customerRow(v, 404, "customer", c.path("customer"), false); err != nil {
			return nil, err
		}
		row, b, err := c.methodRow(v, 404, "payment_method", c.path("id"))
		if err != nil {
			return nil, err
		}
		if b.Customer != c.path("customer") {
			return nil, &wireError{status: 404, code: "resource_missing", param: "customer", message: "The customer does not have a payment method with the ID " + row.ID + ". The payment method must be attached to the customer."}
		}
		return v.renderMethod(row)
	})
}

func (a *API) methodEvent(t *engine.Tx, typ, id string, old *resource.Row) error {
	return a.emit(t, message{typ: typ, render: func(v *view) (obj, obj, error) {
		o, err := v.paymentMethod(id)
		if err != nil || old == nil {
			return o, nil, err
		}
		was, err := v.renderMethod(*old)
		if err != nil {
			return nil, nil, err
		}
		return o, v.changed(was, o), nil
	}})
}

func (v *view) paymentMethod(id string) (obj, error) {
	return v.stored(kindPaymentMethod, id, (*view).renderMethod)
}

func orUnspecified(display string) string {
	if display == "" {
		return "unspecified"
	}
	return display
}

// renderMethod shows a payment method; a browser sees neither metadata nor the
// card's fingerprint (stripe-payment-intents §2.4).
func (v *view) renderMethod(row resource.Row) (obj, error) {
	b, err := decodeBody[methodBody](row)
	if err != nil {
		return nil, err
	}
	o := obj{
		"id": row.ID, "object": "payment_method", "billing_details": b.billing(v), "created": row.Created.Unix(), "customer": nullable(b.Customer),
		"customer_account": nil, "livemode": v.merchant.Live, "type": b.Type, b.Type: obj{},
	}
	if b.Card != nil {
		o["card"] = b.Card.render(v)
	}
	if since(v.version, versionRecentMembers) {
		o["allow_redisplay"] = orUnspecified(b.Redisplay)
	}
	if !v.public {
		o["metadata"] = b.Metadata
	}
	return o, nil
}

func (b methodBody) billing(v *view) obj {
	o := obj{
		"address": renderAddress(orEmpty(b.Billing.Address)), "email": nullable(b.Billing.Email), "name": nullable(b.Billing.Name), "phone": nullable(b.Billing.Phone),
	}
	if since(v.version, versionRecentMembers) {
		o["tax_id"] = nullable(b.TaxID)
	}
	return o
}
