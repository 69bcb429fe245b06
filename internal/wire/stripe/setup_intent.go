package stripe

import (
	"errors"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindSetup = "stripe.setup_intent"

// setupBody is a SetupIntent: the wish to keep a payment method for later. Each
// confirmation asks the payer for a standing authorisation, an agreement of the
// core; the status is computed from it and the row.
type setupBody struct {
	methodChoice
	Secret      string            `json:"secret"`
	Customer    string            `json:"customer,omitempty"`
	Description string            `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Usage       string            `json:"usage"`
	Flow        []string          `json:"flow,omitempty"`
	ToSelf      bool              `json:"to_self,omitempty"`

	PaymentMethod string       `json:"payment_method,omitempty"`
	Tried         bool         `json:"tried,omitempty"` // the agreement is about this method
	Agreement     string       `json:"agreement,omitempty"`
	Attempt       string       `json:"attempt,omitempty"` // the latest one
	ReturnURL     string       `json:"return_url,omitempty"`
	BySDK         bool         `json:"by_sdk,omitempty"`
	Acceptance    *acceptance  `json:"acceptance,omitempty"`
	SingleMinor   int64        `json:"single_minor,omitempty"` // single_use: the mandate is for one payment of this amount
	SingleIn      string       `json:"single_in,omitempty"`
	Mandate       string       `json:"mandate,omitempty"`
	LastError     *intentError `json:"last_error,omitempty"`

	Canceled     bool   `json:"canceled,omitempty"`
	CancelReason string `json:"cancel_reason,omitempty"`
}

// setup is a loaded SetupIntent.
type setup struct {
	row       resource.Row
	body      setupBody
	agreement *agreement.Agreement // nil before the first confirmation
}

func (s setup) status() string { return setupStatus(s.body, s.agreement) }

// setupStatus is the wire status: a pure function of the agreement and the row.
// What was set up stays so when the payer withdraws later.
func setupStatus(b setupBody, a *agreement.Agreement) string {
	switch {
	case b.Canceled:
		return isCanceled
	case !b.Tried && b.PaymentMethod == "":
		return needsMethod
	case !b.Tried:
		return needsConfirmation
	case !a.Since.IsZero():
		return hasSucceeded
	}
	switch a.State() {
	case agreement.Requested:
		return needsAction
	case agreement.Agreed:
		return isProcessing
	case agreement.Active:
		return hasSucceeded
	case agreement.Declined, agreement.Expired, agreement.Revoked:
		return needsMethod
	}
	panic("stripe: setup intent of an agreement that is " + a.State().String())
}

var setupParams = []string{
	"allowed_payment_method_types", "attach_to_self", "automatic_payment_methods", "confirm", "confirmation_token", "customer", "customer_account", "description",
	"excluded_payment_method_types", "flow_directions", "mandate_data", "metadata", "on_behalf_of", "payment_method", "payment_method_configuration",
	"payment_method_data", "payment_method_options", "payment_method_types", "return_url", "single_use", "usage", "use_stripe_sdk",
}

var setupUpdateParams = []string{
	"allowed_payment_method_types", "attach_to_self", "customer", "customer_account", "description", "excluded_payment_method_types", "flow_directions",
	"metadata", "payment_method", "payment_method_configuration", "payment_method_data", "payment_method_options", "payment_method_types",
}

var setupConfirmParams = []string{
	"allowed_payment_method_types", "client_secret", "confirmation_token", "mandate_data", "payment_method", "payment_method_data", "payment_method_options",
	"return_url", "use_stripe_sdk", "client_context", "expected_payment_method_type",
}

// setupConfirmOnly can only be sent by a creation that confirms.
var setupConfirmOnly = []string{"confirmation_token", "mandate_data", "return_url"}

// decode merges what creation and update have in common.
func (b *setupBody) decode(p form.Value) error {
	if err := refusePlatform(p); err != nil {
		return err
	}
	if err := b.decodeFilters(p); err != nil {
		return err
	}
	for name, to := range fields(at("customer", &b.Customer), at("description", &b.Description)) {
		if s, set, err := text(p.Get(name), name, 1000); err != nil {
			return err
		} else if set {
			*to = s
		}
	}
	var err error
	if b.ToSelf, err = boolean(p.Get("attach_to_self"), "attach_to_self", b.ToSelf); err != nil {
		return err
	}
	if v := p.Get("flow_directions"); v.Kind() == form.List {
		b.Flow = nil
		for _, item := range v.Items() {
			d, _, err := oneOf(item, "flow_directions", "inbound", "outbound")
			if err != nil {
				return err
			}
			b.Flow = append(b.Flow, d)
		}
	} else if given(v) {
		return invalid("", "flow_directions", "Invalid array")
	}
	b.Metadata, err = metadata(p.Get("metadata"), b.Metadata)
	return err
}

// checkSetup checks an intent against the account, and selects the methods of an
// automatic one.
func (c *call) checkSetup(t *engine.Tx, b *setupBody) error {
	if b.Customer != "" && given(c.params.Get("customer")) {
		if _, _, err := c.customerRow(t, 400, "customer", b.Customer, false); err != nil {
			return err
		}
	}
	on, err := c.in(t).methodsOn(b.Configuration)
	if err != nil {
		return err
	}
	m := t.Who.Profile
	if b.Redirects == "" {
		for _, typ := range b.Types {
			switch rules, ok := intentRules[typ]; {
			case !ok || !slices.Contains(on, typ):
				return unofferedType("payment_method_types", typ)
			case !rules.Reusable:
				return invalid("", "payment_method_types", "The payment method type %s is for a single payment and cannot be set up for later ones.", typ)
			case !rules.OpenTo(m.Country, m.ExtraCurrencies):
				return invalid("", "payment_method_types", "The payment method `%s` cannot be used by your account. This payment method is available to Stripe accounts in %s and your Stripe account is in %s.", typ, strings.Join(rules.Countries, ", "), m.Country)
			}
		}
		return nil
	}
	b.Types = []string{}
	for _, typ := range offered {
		if r := intentRules[typ]; r.Reusable && b.takes(typ, on) && r.OpenTo(m.Country, m.ExtraCurrencies) && (b.Redirects != "never" || !r.Redirect) {
			b.Types = append(b.Types, typ)
		}
	}
	if len(b.Types) == 0 {
		return invalid("setup_intent_invalid_parameter", "automatic_payment_methods", "No payment method that is turned on can be set up for later payments. Turn on others in the payment method settings, or list payment_method_types.")
	}
	return nil
}

func (b setupBody) keys() []resource.Key {
	var keys []resource.Key
	for _, k := range []resource.Key{{Name: "customer", Value: b.Customer}, {Name: "payment_method", Value: b.PaymentMethod}} {
		if k.Value != "" {
			keys = append(keys, k)
		}
	}
	return keys
}

func (s *setup) write(t *engine.Tx) error {
	s.row.Body = encodeBody(s.body)
	keys := s.body.keys()
	put := t.UpdateResource
	if !slices.Equal(keys, s.row.Keys) {
		put = func(r resource.Row) error { return t.RekeyResource(r, keys) }
	}
	if err := put(s.row); err != nil {
		return err
	}
	s.row.Version++
	s.row.Keys = keys
	return nil
}

func createSetup(c *call) (step, error) {
	b := setupBody{Usage: "off_session"}
	if err := b.decodeChoice(c); err != nil {
		return step{}, err
	}
	if err := b.decode(c.params); err != nil {
		return step{}, err
	}
	if u, set, err := oneOf(c.params.Get("usage"), "usage", "off_session", "on_session"); err != nil {
		return step{}, err
	} else if set {
		b.Usage = u
	}
	confirm, err := boolean(c.params.Get("confirm"), "confirm", false)
	if err != nil {
		return step{}, err
	}
	if !confirm {
		if name := c.firstGiven(setupConfirmOnly); name != "" {
			return step{}, invalid("", name, "The parameter %s can only be used when confirm is true.", name)
		}
	}
	if err := b.decodeSingleUse(c.params.Get("single_use")); err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			s := setup{body: b}
			if err := c.checkSetup(t, &s.body); err != nil {
				return err
			}
			id := t.NewID("seti_")
			t.Subject = id
			s.body.Secret = id + "_secret_" + t.Random(31)
			chosen, err := c.chosenMethod(t, s.body.Customer)
			if err != nil {
				return err
			}
			s.body.PaymentMethod = chosen
			s.row = newRow(t, kindSetup, id, "", encodeBody(s.body), s.body.keys()...)
			if err := t.InsertResource(s.row); err != nil {
				return err
			}
			if err := c.api.setupEvent(t, "setup_intent.created", id); err != nil || !confirm {
				return err
			}
			return notMade(c.confirmSetup(t, s))
		},
		finish: func(t *engine.Tx) (obj, error) {
			if confirm {
				return c.setupConfirmed(t, t.Subject)
			}
			return c.in(t).setup(t.Subject)
		},
	}, nil
}

// decodeSingleUse reads single_use: the mandate is for one payment.
func (b *setupBody) decodeSingleUse(v form.Value) error {
	h, set, err := hash(v, "single_use")
	if err != nil || !set {
		return err
	}
	if err := members(h, "single_use", "amount", "currency"); err != nil {
		return err
	}
	if b.SingleMinor, err = positive(h.Get("amount"), "single_use[amount]"); err != nil {
		return err
	}
	cur, err := must(h.Get("currency"), "single_use[currency]", 0)
	if err != nil {
		return err
	}
	parsed, ok := money.ParseCurrency(cur)
	if !ok {
		return invalid("", "single_use[currency]", "Invalid currency: %s", printable(cur))
	}
	b.SingleIn = parsed.Lower()
	return nil
}

// readSetup reads a SetupIntent for showing it.
func readSetup(r store.Reader, id string) (setup, error) {
	row, err := r.Resource(kindSetup, id)
	if err != nil {
		return setup{}, err
	}
	return setupOf(r, row)
}

func setupOf(r store.Reader, row resource.Row) (s setup, err error) {
	s.row = row
	if s.body, err = decodeBody[setupBody](row); err != nil || s.body.Agreement == "" {
		return s, err
	}
	a, err := r.Agreement(s.body.Agreement)
	s.agreement = &a
	return s, err
}

// loadSetup reads and locks a SetupIntent; an overdue deadline is applied. Its
// row is read again under the agreement's lock, so that the two fit together.
func loadSetup(t *engine.Tx, id string) (s setup, err error) {
	if s.row, err = t.Resource(kindSetup, id); err != nil {
		return s, err
	}
	if s.body, err = decodeBody[setupBody](s.row); err != nil || s.body.Agreement == "" {
		return s, err
	}
	named := s.body.Agreement
	if s.agreement, err = t.LoadAgreement(named); err != nil {
		return s, err
	}
	if s.row, err = t.Fresh(kindSetup, id); err != nil {
		return s, err
	}
	if s.body, err = decodeBody[setupBody](s.row); err == nil && s.body.Agreement != named {
		s.agreement, err = t.LoadAgreement(s.body.Agreement)
	}
	return s, err
}

func (c *call) noSetup(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return c.unknown(404, kindSetup, "setupintent", "intent", id)
	}
	return err
}

func (c *call) namedSetup(t *engine.Tx) (setup, error) {
	s, err := loadSetup(t, c.path("id"))
	if err != nil {
		return s, c.noSetup(err, c.path("id"))
	}
	return s, c.secretFits(s.body.Secret, "setup_intent_invalid_parameter", s.row.ID)
}

func retrieveSetup(c *call) (obj, error) {
	overdue := false
	look := func(v *view) (obj, error) {
		s, err := readSetup(v, c.path("id"))
		if err != nil {
			return nil, c.noSetup(err, c.path("id"))
		}
		if err := c.secretFits(s.body.Secret, "setup_intent_invalid_parameter", s.row.ID); err != nil {
			return nil, err
		}
		overdue = s.agreement != nil && s.agreement.Overdue(v.at)
		return v.renderSetup(s)
	}
	o, err := c.single(look)
	if err != nil || !overdue {
		return o, err
	}
	if err := c.api.engine.Update(c.ctx, c.principal.merchantID, engine.Cause{}, func(t *engine.Tx) error {
		_, err := loadSetup(t, c.path("id"))
		return err
	}); err != nil {
		return nil, err
	}
	return c.single(look)
}

// refreshSetup is a retrieval by POST, which keeps the secret out of addresses.
func refreshSetup(c *call) (step, error) {
	return step{finish: func(t *engine.Tx) (obj, error) {
		s, err := c.namedSetup(t)
		if err != nil {
			return nil, err
		}
		return c.in(t).renderSetup(s)
	}}, nil
}

func listSetups(c *call) (obj, error) {
	if err := refusePlatform(c.params); err != nil {
		return nil, err
	}
	keys, err := c.equals("payment_method", "customer")
	if err != nil {
		return nil, err
	}
	toSelf, err := boolean(c.params.Get("attach_to_self"), "attach_to_self", false)
	if err != nil {
		return nil, err
	}
	q := query{kind: kindSetup, label: "setupintent", keys: keys, render: (*view).setupRow}
	if c.params.Get("attach_to_self").Kind() != form.Missing {
		q.keep = func(_ *view, r resource.Row) bool {
			b, err := decodeBody[setupBody](r)
			return err == nil && b.ToSelf == toSelf
		}
	}
	return c.list(q)
}

// setupError refuses a call in the SetupIntent's status, and shows it.
func (c *call) setupError(t *engine.Tx, s setup, e *wireError) error {
	o, err := c.in(t).renderSetup(s)
	if err != nil {
		return err
	}
	shown := *e
	shown.more = obj{"setup_intent": o}
	return &shown
}

func (c *call) setupState(t *engine.Tx, s setup, does string) error {
	return c.setupError(t, s, invalid("setup_intent_unexpected_state", "", "You cannot %s this SetupIntent because it has a status of %s. Only a SetupIntent with one of the following statuses may be used so: %s.", does, s.status(), strings.Join(updatable, ", ")).kept())
}

func (s setup) open() bool { return slices.Contains(updatable, s.status()) }

func updateSetup(c *call) (step, error) {
	id := c.path("id")
	return step{
		begin: with(c.namedSetup, func(t *engine.Tx, s setup) error {
			if name := c.firstGiven(setupUpdateParams); !s.open() && name != "" && (name != "metadata" || c.firstGiven(slices.DeleteFunc(slices.Clone(setupUpdateParams), func(n string) bool { return n == "metadata" })) != "") {
				return c.setupState(t, s, "update")
			}
			if types, set, err := typeList(c.params, "payment_method_types"); err != nil {
				return err
			} else if set {
				s.body.Types, s.body.Redirects = types, ""
			}
			if err := s.body.decode(c.params); err != nil {
				return err
			}
			if s.open() {
				if err := c.changeSetup(t, &s); err != nil {
					return err
				}
			}
			return s.write(t)
		}),
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).setup(id) },
	}, nil
}

// changeSetup applies new terms: an approval that is under way for another
// method is abandoned.
func (c *call) changeSetup(t *engine.Tx, s *setup) error {
	if err := c.checkSetup(t, &s.body); err != nil {
		return err
	}
	s.body.LastError = nil
	chosen, err := c.chosenMethod(t, s.body.Customer)
	if err != nil {
		return err
	}
	v := c.params.Get("payment_method")
	unset := v.Kind() == form.Scalar && v.String() == ""
	if chosen == "" && !unset {
		return nil
	}
	s.body.PaymentMethod = chosen
	if chosen != "" {
		if err := c.setupFits(t, *s, chosen); err != nil {
			return err
		}
	}
	return c.abandonSetup(t, s)
}

// abandonSetup gives up an approval that is under way.
func (c *call) abandonSetup(t *engine.Tx, s *setup) error {
	tried := s.body.Tried
	s.body.Tried = false
	if err := s.write(t); err != nil || !tried || s.agreement.State() != agreement.Requested {
		return err
	}
	if err := t.RevokeAgreement(s.agreement, agreement.Replaced); err != nil {
		return err
	}
	var err error
	s.row, err = t.Resource(kindSetup, s.row.ID)
	return err
}

// setupFits refuses a method that the intent excludes.
func (c *call) setupFits(t *engine.Tx, s setup, id string) error {
	_, m, err := c.methodRow(t, 400, "payment_method", id)
	if err != nil {
		return err
	}
	if !slices.Contains(s.body.Types, m.Type) {
		return invalid("payment_method_unsupported_type", "payment_method", "The PaymentMethod provided (%s) is not allowed for this SetupIntent. Please attach one of the following types: %s.", m.Type, strings.Join(s.body.Types, ", "))
	}
	if err := ownerFits(s.body.Customer, id, m); err != nil {
		return err
	}
	return m.reusable("payment_method")
}

var setupCancelReasons = []string{"abandoned", "duplicate", "requested_by_customer"}

func cancelSetup(c *call) (step, error) {
	reason := ""
	if v := c.params.Get("cancellation_reason"); given(v) {
		var err error
		if reason, _, err = oneOf(v, "cancellation_reason", setupCancelReasons...); err != nil {
			return step{}, err
		}
	}
	id := c.path("id")
	return step{
		begin: with(c.namedSetup, func(t *engine.Tx, s setup) error {
			if !s.open() {
				return c.setupState(t, s, "cancel")
			}
			s.body.Canceled, s.body.CancelReason = true, reason
			if err := s.write(t); err != nil {
				return err
			}
			if s.body.Tried && s.agreement.State() == agreement.Requested {
				if err := t.RevokeAgreement(s.agreement, agreement.ByMerchant); err != nil {
					return err
				}
			}
			return c.api.setupEvent(t, "setup_intent.canceled", id)
		}),
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).setup(id) },
	}, nil
}
