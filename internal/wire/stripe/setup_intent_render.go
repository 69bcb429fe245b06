package stripe

import (
	"slices"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
)

func (a *API) setupEvent(t *engine.Tx, typ, id string) error {
	return a.emit(t, message{typ: typ, render: func(v *view) (obj, obj, error) {
		o, err := v.setup(id)
		return o, nil, err
	}})
}

func (v *view) setup(id string) (obj, error) {
	s, err := readSetup(v, id)
	if err != nil {
		return nil, err
	}
	return v.renderSetup(s)
}

func (v *view) setupRow(row resource.Row) (obj, error) {
	s, err := setupOf(v, row)
	if err != nil {
		return nil, err
	}
	return v.renderSetup(s)
}

// renderSetup fills a SetupIntent (stripe-payment-intents §13.2).
func (v *view) renderSetup(s setup) (obj, error) {
	b, status := s.body, s.status()
	lastError, err := v.lastError(b.LastError)
	if err != nil {
		return nil, err
	}
	o := obj{
		"id": s.row.ID, "object": "setup_intent", "allowed_payment_method_types": listOrNil(b.Allowed), "automatic_payment_methods": nil,
		"cancellation_reason": nullable(b.CancelReason), "client_secret": b.Secret, "created": s.row.Created.Unix(), "description": nullable(b.Description),
		"excluded_payment_method_types": listOrNil(b.Excluded), "last_setup_error": lastError, "livemode": v.merchant.Live,
		"next_action": v.setupAction(s, status), "payment_method": nullable(b.PaymentMethod), "payment_method_configuration_details": nil,
		"payment_method_types": b.Types, "status": status, "usage": b.Usage,
	}
	if b.Redirects != "" {
		o["automatic_payment_methods"] = obj{"allow_redirects": b.Redirects, "enabled": true}
		o["payment_method_configuration_details"] = obj{"id": firstOf(b.Configuration, defaultConfiguration(v.merchant.Account)), "parent": nil}
	}
	if v.public {
		return o, nil
	}
	options := obj{}
	if slices.Contains(b.Types, "card") {
		options["card"] = obj{"mandate_options": nil, "network": nil, "request_three_d_secure": firstOf(b.Options["card"].ThreeDSecure, "automatic")}
	}
	o["application"], o["on_behalf_of"], o["customer"], o["customer_account"] = nil, nil, nullable(b.Customer), nil
	o["flow_directions"], o["latest_attempt"], o["metadata"], o["payment_method_options"] = listOrNil(b.Flow), nullable(b.Attempt), b.Metadata, options
	o["mandate"], o["single_use_mandate"] = nullable(b.Mandate), nil
	if b.SingleMinor > 0 {
		o["mandate"], o["single_use_mandate"] = nil, nullable(b.Mandate)
	}
	if b.ToSelf {
		o["attach_to_self"] = true
	}
	return o, nil
}

func (v *view) setupAction(s setup, status string) any {
	if status != needsAction {
		return nil
	}
	page := v.api.config.BaseURL + "/pay/agreements/" + engine.AgreementToken(*v.merchant, *s.agreement)
	if s.agreement.Method == "card" && s.body.BySDK {
		return obj{"type": "use_stripe_sdk", "use_stripe_sdk": obj{"type": "three_d_secure_redirect", "stripe_js": page}}
	}
	return obj{"type": "redirect_to_url", "redirect_to_url": obj{"return_url": nullable(s.body.ReturnURL), "url": page}}
}
