package stripe

import (
	"errors"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/store"
)

// sessionParams are what browsers and mobile SDKs ask a session with.
var sessionParams = []string{
	"client_secret", "client_default_payment_method", "country", "country_override", "custom_payment_methods", "customer_session_client_secret", "deferred_intent",
	"elements_session_id", "external_payment_methods", "hosted_surface", "legacy_customer_ephemeral_key", "link", "locale", "mobile_app_id", "mobile_session_id",
	"payment_sheet_config", "referrer_host", "seller_details", "type",
}

// sessionTypes are what a session can be about.
var sessionTypes = []string{"payment_intent", "setup_intent", "deferred_intent"}

// elementsSession tells browser code what to offer the payer: an endpoint of the
// provider's own libraries, not published (stripe-payment-intents §16.4).
func elementsSession(c *call) (obj, error) {
	typ, set, err := oneOf(c.params.Get("type"), "type", sessionTypes...)
	if err != nil {
		return nil, err
	}
	if !set {
		return nil, missingParam("type")
	}
	customer, err := c.sessionCustomer()
	if err != nil {
		return nil, err
	}
	sessionID := "elements_session_1" + c.api.engine.IDs.Random(24)
	return c.single(func(v *view) (obj, error) {
		preference := obj{"object": "payment_method_preference", "country_code": v.merchant.Profile.Country, "type": typ}
		types, err := c.sessionTypes(v, typ, preference)
		if err != nil {
			return nil, err
		}
		preference["ordered_payment_method_types"] = types
		specs := make([]any, len(types))
		for i, t := range types {
			specs[i] = v.methodSpec(t)
		}
		m := v.merchant
		o := obj{
			"session_id": sessionID, "merchant_id": m.Account, "merchant_country": m.Profile.Country, "merchant_currency": m.Profile.DefaultCurrency.Lower(),
			"business_name": m.Profile.Name, "apple_pay_preference": "disabled", "google_pay_preference": "disabled",
			"payment_method_preference": preference, "payment_method_specs": specs, "link_settings": obj{}, "flags": obj{}, "experiments_data": obj{},
			"unverified_payment_methods_on_domain": []any{},
		}
		if customer != "" {
			o["legacy_customer"], err = v.savedBy(customer)
		}
		return o, err
	})
}

// sessionCustomer is whose ephemeral key came with the request, "" if none did.
func (c *call) sessionCustomer() (string, error) {
	const name = "legacy_customer_ephemeral_key"
	secret, _, err := text(c.params.Get(name), name, 0)
	if err != nil || secret == "" {
		return "", err
	}
	p, err := c.api.ephemeral(c.ctx, secret)
	if err == nil && p.merchantID != c.principal.merchantID {
		err = invalid("", name, "The ephemeral key belongs to another account than the publishable key.")
	}
	return p.customer, err
}

// savedBy shows mobile SDKs what a customer has saved.
func (v *view) savedBy(customer string) (obj, error) {
	rows, err := v.Resources(store.List{Kind: kindPaymentMethod, Key: "customer", Value: customer, Limit: savedMax})
	if err != nil {
		return nil, err
	}
	saved := make([]any, len(rows))
	for i, r := range rows {
		if saved[i], err = v.renderMethod(r); err != nil {
			return nil, err
		}
	}
	return obj{"payment_methods": saved}, nil
}

// sessionTypes finds the methods a session offers, and puts the intent it is
// about into the preference.
func (c *call) sessionTypes(v *view, typ string, preference obj) ([]string, error) {
	if typ == "deferred_intent" {
		return c.deferredTypes(v)
	}
	secret, err := must(c.params.Get("client_secret"), "client_secret", 0)
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(secret, "_secret_")
	if typ == "setup_intent" {
		return c.setupSession(v, id, preference)
	}
	i, err := readIntent(v, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, c.noIntent(404, id)
	}
	if err != nil {
		return nil, err
	}
	if err := c.secretFits(i.body.Secret, "payment_intent_invalid_parameter", id); err != nil {
		return nil, err
	}
	shown, err := v.renderIntent(i)
	if err != nil {
		return nil, err
	}
	if err := v.expandPath(shown, []string{"payment_method"}); err != nil {
		return nil, err
	}
	preference["payment_intent"] = shown
	return i.body.Types, nil
}

// deferredTypes selects methods for an intent that is not there yet.
func (c *call) deferredTypes(v *view) ([]string, error) {
	const name = "deferred_intent"
	h, set, err := hash(c.params.Get(name), name)
	if err != nil || !set {
		return nil, missingOr(err, name)
	}
	mode, _, err := oneOf(h.Get("mode"), name+"[mode]", "payment", "setup", "subscription")
	if err != nil {
		return nil, err
	}
	chosen := h.Get("payment_method_configuration")
	if members, ok := chosen.AsHash(); ok { // as mobile SDKs send it
		chosen = members.Get("id")
	}
	on, err := v.methodsOn(chosen.String())
	if err != nil {
		return nil, err
	}
	if types, listed, err := typeList(h, "payment_method_types"); err != nil {
		return nil, err
	} else if listed {
		return slices.DeleteFunc(types, func(t string) bool { return !slices.Contains(on, t) }), nil
	}
	b := intentBody{methodChoice: methodChoice{Redirects: "always"}}
	if b.FutureUsage, _, err = oneOf(h.Get("setup_future_usage"), name+"[setup_future_usage]", "", "off_session", "on_session"); err != nil {
		return nil, err
	}
	if mode == "setup" || mode == "subscription" && !given(h.Get("amount")) {
		return savableTypes(on), nil
	}
	if b.Amount, err = positive(h.Get("amount"), name+"[amount]"); err != nil {
		return nil, err
	}
	if b.Currency, err = currency(h.Get("currency")); err != nil {
		return nil, err
	}
	if b.CaptureMethod, _, err = oneOf(h.Get("capture_method"), name+"[capture_method]", "", "automatic", "automatic_async", "manual"); err != nil {
		return nil, err
	}
	if mode == "subscription" {
		b.FutureUsage = "off_session"
	}
	return append([]string{}, eligible(v.merchant.Profile, b, on)...), nil
}

// savableTypes are those that can be kept for later payments.
func savableTypes(on []string) []string {
	types := []string{}
	for _, typ := range on {
		if savable(typ) {
			types = append(types, typ)
		}
	}
	return types
}

// methodSpec says how a method is shown and what follows its confirmation.
func (v *view) methodSpec(typ string) obj {
	icon := v.api.config.BaseURL + "/pay/assets/" + typ + ".svg"
	o := obj{"type": typ, "async": false, "fields": []any{}, "selector_icon": obj{"light_theme_png": nil, "light_theme_svg": icon}}
	if intentRules[typ].Redirect && typ != "alipay" {
		o["next_action_spec"] = obj{
			"confirm_response_status_specs":         obj{"requires_action": obj{"type": "redirect_to_url"}},
			"post_confirm_handling_pi_status_specs": obj{"succeeded": obj{"type": "finished"}, "requires_action": obj{"type": "canceled"}},
		}
	}
	return o
}

// setupSession finds the methods of a session about a SetupIntent.
func (c *call) setupSession(v *view, id string, preference obj) ([]string, error) {
	s, err := readSetup(v, id)
	if err != nil {
		return nil, c.noSetup(err, id)
	}
	if err := c.secretFits(s.body.Secret, "setup_intent_invalid_parameter", id); err != nil {
		return nil, err
	}
	shown, err := v.renderSetup(s)
	if err != nil {
		return nil, err
	}
	if err := v.expandPath(shown, []string{"payment_method"}); err != nil {
		return nil, err
	}
	preference["setup_intent"] = shown
	return s.body.Types, nil
}
