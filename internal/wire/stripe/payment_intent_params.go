package stripe

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// Parameters of the intent endpoints.
var (
	confirmOnly  = []string{"confirmation_token", "error_on_requires_action", "mandate", "mandate_data", "off_session", "return_url"}
	intentShared = []string{
		"allowed_payment_method_types", "amount", "amount_details", "application_fee_amount", "capture_method", "currency", "customer", "customer_account",
		"description", "excluded_payment_method_types", "hooks", "metadata", "on_behalf_of", "payment_details", "payment_method", "payment_method_configuration",
		"payment_method_data", "payment_method_options", "payment_method_types", "receipt_email", "setup_future_usage", "shipping",
		"statement_descriptor", "statement_descriptor_suffix", "transfer_data", "transfer_group",
	}
	intentParams        = slices.Concat(intentShared, confirmOnly, []string{"automatic_payment_methods", "confirm", "confirmation_method", "radar_options", "use_stripe_sdk"})
	intentUpdateParams  = slices.DeleteFunc(slices.Clone(intentShared), func(s string) bool { return s == "on_behalf_of" })
	intentConfirmParams = slices.Concat(confirmOnly, []string{
		"allowed_payment_method_types", "amount_details", "amount_to_confirm", "capture_method", "client_secret", "excluded_payment_method_types", "hooks",
		"payment_details", "payment_method", "payment_method_data", "payment_method_options", "payment_method_types", "radar_options", "receipt_email",
		"setup_future_usage", "shipping", "use_stripe_sdk",
		// What browsers and mobile SDKs send along (stripe-payment-intents §3.3).
		"client_context", "expected_payment_method_type", "save_payment_method", "source", "spc_eligible",
	})
	intentCaptureParams = []string{
		"amount_details", "amount_to_capture", "application_fee_amount", "final_capture", "hooks", "metadata", "payment_details",
		"statement_descriptor", "statement_descriptor_suffix", "transfer_data",
	}
)

// intentMaximum is the largest amount, in minor units: eight digits.
const intentMaximum = 99_999_999

// newIntent decodes a creation.
func (c *call) newIntent() (b *intentBody, err error) {
	b = &intentBody{}
	if b.Amount, err = intentAmount(c.params.Get("amount")); err != nil {
		return b, err
	}
	if b.Currency, err = currency(c.params.Get("currency")); err != nil {
		return b, err
	}
	if err := b.decodeChoice(c); err != nil {
		return b, err
	}
	if m, _, err := oneOf(c.params.Get("confirmation_method"), "confirmation_method", "automatic", "manual"); err != nil {
		return b, err
	} else if m == "manual" {
		b.ByServer = true
	}
	return b, b.decodeTerms(c.params)
}

func intentAmount(v form.Value) (int64, error) {
	amount, err := positive(v, "amount")
	if err != nil {
		return 0, err
	}
	if amount > intentMaximum {
		return 0, invalid("amount_too_large", "amount", "Amount must be no more than %d in the smallest currency unit", intentMaximum)
	}
	return amount, nil
}

// changeTerms decodes an update.
func (c *call) changeTerms(b *intentBody) (err error) {
	if v := c.params.Get("amount"); v.Kind() != form.Missing {
		if b.Amount, err = intentAmount(v); err != nil {
			return err
		}
	}
	if v := c.params.Get("currency"); v.Kind() != form.Missing {
		if b.Currency, err = currency(v); err != nil {
			return err
		}
	}
	if types, set, err := typeList(c.params, "payment_method_types"); err != nil {
		return err
	} else if set {
		b.Types, b.Redirects = types, ""
	}
	return b.decodeTerms(c.params)
}

// decodeChoice decides between automatic methods and listed ones
// (stripe-payment-intents §5).
func (b *methodChoice) decodeChoice(c *call) error {
	h, auto, err := hash(c.params.Get("automatic_payment_methods"), "automatic_payment_methods")
	if err != nil {
		return err
	}
	types, listed, err := typeList(c.params, "payment_method_types")
	if err != nil {
		return err
	}
	if auto {
		if err := members(h, "automatic_payment_methods", "enabled", "allow_redirects"); err != nil {
			return err
		}
		if h.Get("enabled").Kind() == form.Missing {
			return missingParam("automatic_payment_methods[enabled]")
		}
		if auto, err = boolean(h.Get("enabled"), "automatic_payment_methods[enabled]", false); err != nil {
			return err
		}
		if b.Redirects, _, err = oneOf(h.Get("allow_redirects"), "automatic_payment_methods[allow_redirects]", "always", "never"); err != nil {
			return err
		}
	}
	switch {
	case auto && listed:
		return invalid("parameters_exclusive", "payment_method_types", "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.")
	case listed:
		b.Types, b.Redirects = types, ""
	case auto || since(c.version, versionAutomatic) && c.params.Get("automatic_payment_methods").Kind() == form.Missing:
		if b.Redirects == "" {
			b.Redirects = "always"
		}
	default:
		b.Types, b.Redirects = []string{"card"}, ""
	}
	return nil
}

// typeList reads a list of payment method types.
func typeList(p form.Value, name string) (types []string, set bool, err error) {
	v := p.Get(name)
	if v.Kind() == form.Missing || v.Kind() == form.Scalar && v.String() == "" {
		return nil, v.Kind() != form.Missing && name != "payment_method_types", nil
	}
	if v.Kind() != form.List {
		return nil, false, invalid("", name, "Invalid array")
	}
	for _, item := range v.Items() {
		typ := item.String()
		if item.Kind() != form.Scalar || typ == "" || len(typ) > 50 {
			return nil, false, invalid("", name, "Invalid string: %s", item.JSON())
		}
		if !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	return types, true, nil
}

// refusePlatform refuses parameters that need connected accounts.
func refusePlatform(p form.Value) error {
	for _, n := range []string{"application_fee_amount", "customer_account", "on_behalf_of", "transfer_data"} {
		if given(p.Get(n)) {
			return invalid("", n, "The parameter %s is for platforms with connected accounts, which this server does not offer.", n)
		}
	}
	return nil
}

// decodeTerms reads what creation, update and confirmation have in common.
func (b *intentBody) decodeTerms(p form.Value) error {
	if err := refusePlatform(p); err != nil {
		return err
	}
	if s, set, err := oneOf(p.Get("capture_method"), "capture_method", "automatic", "automatic_async", "manual"); err != nil {
		return err
	} else if set {
		b.CaptureMethod = s
	}
	if v := p.Get("setup_future_usage"); v.Kind() == form.Scalar && v.String() == "" {
		b.FutureUsage = ""
	} else if s, set, err := oneOf(v, "setup_future_usage", "off_session", "on_session"); err != nil {
		return err
	} else if set {
		b.FutureUsage = s
	}
	if err := b.decodeFilters(p); err != nil {
		return err
	}
	if s, set, err := text(p.Get("customer"), "customer", 0); err != nil {
		return err
	} else if set {
		b.Customer = s
	}
	if err := b.decodeDescriptors(p); err != nil {
		return err
	}
	var err error
	if b.Shipping, err = decodeShipping(p.Get("shipping"), b.Shipping); err != nil {
		return err
	}
	if b.AmountDetails, err = decodeAmountDetails(p.Get("amount_details"), b.AmountDetails); err != nil {
		return err
	}
	if b.PaymentDetails, err = decodePaymentDetails(p.Get("payment_details"), b.PaymentDetails); err != nil {
		return err
	}
	return b.decodeDetails(p)
}

// mayRedirect reports whether a payer might be sent away, for all that is known of
// a choice made for the merchant: not if the types that are allowed are named and
// none of them does.
func (b *methodChoice) mayRedirect() bool {
	away := func(typ string) bool { return intentRules[typ].Redirect && !slices.Contains(b.Excluded, typ) }
	return b.Redirects == "always" && (len(b.Allowed) == 0 || slices.ContainsFunc(b.Allowed, away))
}

// decodeFilters reads what narrows a choice.
func (b *methodChoice) decodeFilters(p form.Value) error {
	for name, to := range fields(at("allowed_payment_method_types", &b.Allowed), at("excluded_payment_method_types", &b.Excluded)) {
		types, set, err := typeList(p, name)
		if err != nil {
			return err
		}
		if set {
			*to = types
		}
	}
	if s, set, err := text(p.Get("payment_method_configuration"), "payment_method_configuration", 0); err != nil {
		return err
	} else if set {
		b.Configuration = s
	}
	return b.decodeOptions(p.Get("payment_method_options"))
}

// decodeDetails reads what may change in every status but canceled.
func (b *intentBody) decodeDetails(p form.Value) error {
	group := b.TransferGroup
	err := keepTexts(p, keptText{"description", &b.Description, 1000}, keptText{"receipt_email", &b.ReceiptEmail, 512}, keptText{"transfer_group", &b.TransferGroup, 0})
	if err != nil {
		return err
	}
	if err := errors.Join(receiptEmail(b.ReceiptEmail), setOnce("transfer_group", group, b.TransferGroup)); err != nil {
		return err
	}
	if b.Metadata, err = metadata(p.Get("metadata"), b.Metadata); err != nil {
		return err
	}
	_, err = scenario(b.Metadata)
	return err
}

// decodeDescriptors reads what the payer's statement will say.
func (b *intentBody) decodeDescriptors(p form.Value) error {
	for name, to := range fields(at("statement_descriptor", &b.Descriptor), at("statement_descriptor_suffix", &b.Suffix)) {
		s, set, err := text(p.Get(name), name, descriptorMax)
		switch {
		case err != nil:
			return err
		case !set:
			continue
		case strings.ContainsAny(s, `<>'"*\`):
			return invalid("", name, "The statement descriptor contains invalid characters. Please remove any of the following: < > ' \" * \\.")
		case s != "" && strings.Trim(s, "0123456789") == "":
			return invalid("", name, "The statement descriptor must contain at least one letter.")
		}
		*to = s
	}
	return nil
}

// Values of the options of a type of method.
var (
	captureOptions = []string{"manual"}
	threeDSecure   = []string{"any", "automatic", "challenge"}
	futureOptions  = map[string][]string{"alipay": {"none", "off_session"}, "card": {"none", "off_session", "on_session"}}
	ignoredOptions = map[string][]string{
		"alipay": {"app_bundle_id", "app_version_key", "currency"}, // what iOS sends along
		"card": {
			"cvc", "cvc_token", "installments", "mandate_options", "moto", "network", "request_extended_authorization", "request_incremental_authorization",
			"request_multicapture", "request_overcapture", "require_cvc_recollection", "statement_descriptor_suffix_kana", "statement_descriptor_suffix_kanji", "three_d_secure",
		}}
)

// decodeOptions merges payment_method_options. Options of types this server
// does not offer are accepted: SDKs send them along.
func (b *methodChoice) decodeOptions(v form.Value) error {
	const name = "payment_method_options"
	h, set, err := hash(v, name)
	if err != nil || !set {
		return err
	}
	options := maps.Clone(b.Options)
	if options == nil {
		options = map[string]methodOptions{}
	}
	for typ := range h.Keys() {
		full := name + "[" + typ + "]"
		if !slices.Contains(methodTypes, typ) && typ != "card_present" && typ != "interac_present" {
			return invalid("parameter_unknown", full, "Received unknown parameter: %s", full)
		}
		if !slices.Contains(offered, typ) {
			continue
		}
		if v := h.Get(typ); v.Kind() == form.Scalar && v.String() == "" {
			delete(options, typ)
			continue
		}
		if options[typ], err = decodeOption(h.Get(typ), full, typ, options[typ]); err != nil {
			return err
		}
	}
	b.Options = options
	return nil
}

func decodeOption(v form.Value, name, typ string, o methodOptions) (methodOptions, error) {
	h, _, err := hash(v, name)
	if err != nil {
		return o, err
	}
	rules := intentRules[typ]
	known := slices.Clone(ignoredOptions[typ])
	if futureOptions[typ] != nil {
		known = append(known, "setup_future_usage")
	}
	if rules.SeparateCapture {
		known = append(known, "capture_method")
	}
	if typ == "card" {
		known = append(known, "request_three_d_secure")
	}
	if err := members(h, name, known...); err != nil {
		return o, err
	}
	for _, f := range []struct {
		name   string
		to     *string
		values []string
	}{{"capture_method", &o.CaptureMethod, captureOptions}, {"setup_future_usage", &o.FutureUsage, futureOptions[typ]}, {"request_three_d_secure", &o.ThreeDSecure, threeDSecure}} {
		v := h.Get(f.name)
		if v.Kind() == form.Scalar && v.String() == "" {
			*f.to = ""
			continue
		}
		s, set, err := oneOf(v, name+"["+f.name+"]", f.values...)
		if err != nil {
			return o, err
		}
		if set {
			*f.to = s
		}
	}
	return o, nil
}

// decodeAmountDetails reads amount_details; it is shown again and decides
// nothing here.
func decodeAmountDetails(v form.Value, stored obj) (obj, error) {
	const name = "amount_details"
	if v.Kind() == form.Scalar && v.String() == "" {
		return nil, nil
	}
	h, set, err := hash(v, name)
	if err != nil || !set {
		return stored, err
	}
	if err := members(h, name, "discount_amount", "enforce_arithmetic_validation", "line_items", "shipping", "tax"); err != nil {
		return nil, err
	}
	o := obj{}
	if given(h.Get("discount_amount")) {
		n, err := positive(h.Get("discount_amount"), name+"[discount_amount]")
		if err != nil {
			return nil, err
		}
		o["discount_amount"] = n
	}
	for _, of := range [][2]string{{"shipping", "amount"}, {"tax", "total_tax_amount"}} {
		part, amount := of[0], of[1]
		p, set, err := hash(h.Get(part), name+"["+part+"]")
		if err != nil {
			return nil, err
		}
		if !set {
			continue
		}
		shown := obj{}
		for k := range p.Keys() {
			full := name + "[" + part + "][" + k + "]"
			if k == amount {
				n, _, err := integer(p.Get(k), full)
				if err != nil {
					return nil, err
				}
				shown[k] = n
				continue
			}
			if k != "from_postal_code" && k != "to_postal_code" || part != "shipping" {
				return nil, invalid("parameter_unknown", full, "Received unknown parameter: %s", full)
			}
			if shown[k], _, err = text(p.Get(k), full, 10); err != nil {
				return nil, err
			}
		}
		o[part] = shown
	}
	return o, nil
}

func decodePaymentDetails(v form.Value, stored obj) (obj, error) {
	const name = "payment_details"
	if v.Kind() == form.Scalar && v.String() == "" {
		return nil, nil
	}
	h, set, err := hash(v, name)
	if err != nil || !set {
		return stored, err
	}
	if err := members(h, name, "customer_reference", "order_reference"); err != nil {
		return nil, err
	}
	o := maps.Clone(stored)
	if o == nil {
		o = obj{"customer_reference": nil, "order_reference": nil}
	}
	for k := range h.Keys() {
		s, _, err := text(h.Get(k), name+"["+k+"]", 0)
		if err != nil {
			return nil, err
		}
		o[k] = nullable(s)
	}
	return o, nil
}

// checkIntent checks terms against the account, and selects the methods of an
// automatic intent.
func (c *call) checkIntent(t *engine.Tx, b *intentBody) error {
	if least := general.MinimumFor(b.Currency); b.Amount < least {
		return tooSmall(money.Of(least, b.Currency))
	}
	if b.Customer != "" && given(c.params.Get("customer")) {
		if _, _, err := c.customerRow(t, 400, "customer", b.Customer, false); err != nil {
			return err
		}
	}
	on, err := c.in(t).methodsOn(b.Configuration)
	if err != nil {
		return err
	}
	if b.Redirects == "" {
		for _, typ := range b.Types {
			if err := listable(t.Who.Profile, *b, typ, on); err != nil {
				return err
			}
		}
		return nil
	}
	if b.Types = eligible(t.Who.Profile, *b, on); len(b.Types) == 0 {
		return invalid("payment_intent_invalid_parameter", "automatic_payment_methods", "No payment method that is turned on can be used for this PaymentIntent: its amount, currency, capture method and future usage exclude all of them. Turn on others in the payment method settings, or list payment_method_types.")
	}
	return nil
}

// general is the rules that hold for every method.
var general = intentRules["card"]

// restricted are types that exist for accounts of some countries only.
var restricted = map[string]string{
	"acss_debit": "CA, US", "au_becs_debit": "AU", "bacs_debit": "GB", "boleto": "BR", "fpx": "MY", "konbini": "JP", "nz_bank_account": "NZ", "oxxo": "MX",
	"paynow": "SG", "pix": "BR", "promptpay": "TH", "us_bank_account": "US",
}

// listable refuses a listed type that the terms or the account exclude
// (stripe-payment-intents §3.1).
func listable(m merchant.Profile, b intentBody, typ string, on []string) error {
	const param = "payment_method_types"
	rules, ok := intentRules[typ]
	if countries, known := restricted[typ]; !ok && known {
		return invalid("", param, "The payment method `%s` cannot be used. This payment method is available to Stripe accounts in %s, and this server does not offer it.", typ, countries)
	}
	if !ok || !slices.Contains(on, typ) {
		return unofferedType(param, typ)
	}
	if !rules.OpenTo(m.Country, m.ExtraCurrencies) {
		return invalid("", param, "The payment method `%s` cannot be used by your account. This payment method is available to Stripe accounts in %s and your Stripe account is in %s.", typ, strings.Join(rules.Countries, ", "), m.Country)
	}
	if err := currencyFits(m, rules, b.Currency, "currency"); err != nil {
		return err
	}
	if b.CaptureMethod == "manual" && !rules.SeparateCapture {
		return invalid("", "capture_method", "Payment method type %s cannot be captured separately; capture_method must not be manual.", typ)
	}
	if use := b.saveFor(typ); use != "" && !keeps(rules, use) {
		return invalid("", "setup_future_usage", "Payment method type %s does not support setup_future_usage=%s.", typ, use)
	}
	return limitsFit(rules, b.total())
}

func currencyFits(m merchant.Profile, rules method.Rules, cur money.Currency, param string) error {
	if rules.Takes(cur) && rules.Allows(cur, m.Country, m.DefaultCurrency, m.ExtraCurrencies) {
		return nil
	}
	takes := make([]string, len(rules.Currencies))
	for i, c := range rules.Currencies {
		takes[i] = c.Lower()
	}
	return invalid("payment_intent_invalid_currency", param, "The currency %s is not supported by the payment method %s on this account. It supports: %s.", cur.Lower(), rules.Method, strings.Join(takes, ", "))
}

func limitsFit(rules method.Rules, a money.Amount) error {
	if least := rules.MinimumFor(a.Currency); a.Minor < least {
		return invalid("amount_too_small", "amount", "Amount must be at least %s for the payment method %s", money.Of(least, a.Currency), rules.Method)
	}
	if a.Minor > rules.Maximum {
		return invalid("amount_too_large", "amount", "Amount must be no more than %s for the payment method %s", money.Of(rules.Maximum, a.Currency), rules.Method)
	}
	return nil
}

// keeps reports whether a method can be saved for a later use.
func keeps(r method.Rules, use string) bool {
	return r.Reusable && (r.Method == "card" || use == "off_session")
}

// eligible selects the methods of an automatic intent, in the order of the
// catalogue (stripe-payment-intents §5).
func eligible(m merchant.Profile, b intentBody, on []string) []string {
	var types []string
	for _, typ := range offered {
		r, use := intentRules[typ], b.saveFor(typ)
		if b.takes(typ, on) && r.OpenTo(m.Country, m.ExtraCurrencies) && currencyFits(m, r, b.Currency, "") == nil && limitsFit(r, b.total()) == nil &&
			(b.CaptureMethod != "manual" || r.SeparateCapture) && (use == "" || keeps(r, use)) && (b.Redirects != "never" || !r.Redirect) {
			types = append(types, typ)
		}
	}
	return types
}

// chosenMethod returns the payment method a request names or describes, "" if it
// does neither.
func (c *call) chosenMethod(t *engine.Tx, customer string) (string, error) {
	id, _, err := text(c.params.Get("payment_method"), "payment_method", 0)
	if err != nil {
		return "", err
	}
	data, described, err := hash(c.params.Get("payment_method_data"), "payment_method_data")
	if err != nil {
		return "", err
	}
	switch {
	case id != "" && described:
		return "", invalid("parameters_exclusive", "payment_method_data", "You may only specify one of these parameters: payment_method, payment_method_data.")
	case described:
		m, err := decodeMethod(c, t, data, "payment_method_data")
		if err != nil {
			return "", err
		}
		return newMethod(t, m)
	case id == "":
		return "", nil
	}
	id, m, err := c.usableMethod(t, "payment_method", id)
	if err != nil {
		return "", err
	}
	return id, ownerFits(customer, id, m)
}

// ownerFits refuses a payment method of another customer.
func ownerFits(customer, id string, m methodBody) error {
	switch {
	case m.Customer == "" || m.Customer == customer:
		return nil
	case customer == "":
		return invalid("", "payment_method", "The payment method you provided is attached to a customer so for security purposes you must provide the customer in the request.")
	}
	return invalid("", "payment_method", "The customer does not have a payment method with the ID %s. The payment method must be attached to the customer.", id)
}

// methodFits refuses a payment method that the intent's terms exclude, in the
// order of stripe-payment-intents §3.3, checks 9 to 11.
func (c *call) methodFits(t *engine.Tx, i *intent, id string) error {
	_, m, err := c.methodRow(t, 400, "payment_method", id)
	if err != nil {
		return err
	}
	rules := intentRules[m.Type]
	if !slices.Contains(i.body.Types, m.Type) {
		if i.body.Redirects != "" { // nobody listed types: the currency may be why this one was not selected
			if err := currencyFits(t.Who.Profile, rules, i.body.Currency, "payment_method"); err != nil {
				return err
			}
		}
		return invalid("payment_intent_incompatible_payment_method", "payment_method", "The PaymentMethod provided (%s) is not allowed for this PaymentIntent. Please attach one of the following types: %s.", m.Type, strings.Join(i.body.Types, ", "))
	}
	if err := currencyFits(t.Who.Profile, rules, i.body.Currency, "payment_method"); err != nil {
		return err
	}
	if err := ownerFits(i.body.Customer, id, m); err != nil {
		return err
	}
	return m.reusable("payment_method")
}
