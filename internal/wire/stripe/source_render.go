package stripe

import (
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
)

// sourceStatus is the wire status, a pure function of the core's state.
func sourceStatus(p *payment.Payment) string {
	switch p.State() {
	case payment.Started, payment.AwaitingPayer, payment.Processing:
		return "pending"
	case payment.Authorized:
		if p.Attempt.Claim != "" {
			return "consumed"
		}
		return "chargeable"
	case payment.Captured, payment.Voided:
		return "consumed"
	case payment.Declined:
		if !p.Attempt.AuthorizedAt.IsZero() {
			return "consumed" // its one charge request failed
		}
		return "failed"
	case payment.Expired:
		return "canceled"
	}
	panic("stripe: source of a payment that is " + p.State().String())
}

// redirectStatus returns redirect.status and redirect.failure_reason.
func redirectStatus(p *payment.Payment) (string, any) {
	switch {
	case !p.Attempt.AuthorizedAt.IsZero():
		return "succeeded", nil
	case p.State() == payment.Expired || p.State() == payment.Voided:
		return "failed", "user_abort"
	case p.State() != payment.Declined:
		return "pending", nil
	}
	switch p.Attempt.Reason {
	case payment.PayerDeclined:
		return "failed", "declined"
	case payment.PayerAborted:
		return "failed", "user_abort"
	default:
		return "failed", "processing_error"
	}
}

// source renders a source by id.
func (v *view) source(sourceID string, public bool) (obj, error) {
	row, err := v.Resource(kindSource, sourceID)
	if err != nil {
		return nil, err
	}
	p, err := v.Payment(row.Payment)
	if err != nil {
		return nil, err
	}
	return v.renderSource(row, &p, public)
}

func (v *view) renderSource(row resource.Row, p *payment.Payment, public bool) (obj, error) {
	b, err := decodeBody[sourceBody](row)
	if err != nil {
		return nil, err
	}
	return v.sourceOf(row, &b, p, public), nil
}

// sourceOf renders a source whose row has been decoded.
func (v *view) sourceOf(row resource.Row, b *sourceBody, p *payment.Payment, public bool) obj {
	status, failure := redirectStatus(p)
	o := obj{
		"id": row.ID, "object": "source",
		"alipay": obj{"data_string": nil, "native_url": nil, "statement_descriptor": nullable(b.WalletDescriptor)},
		"amount": p.Amount.Minor, "client_secret": b.ClientSecret, "created": row.Created.Unix(), "currency": p.Amount.Currency.Lower(),
		"flow": "redirect", "livemode": v.merchant.Live,
		"owner": obj{
			"address": renderAddress(b.Owner.Address), "email": nullable(b.Owner.Email), "name": nullable(b.Owner.Name), "phone": nullable(b.Owner.Phone),
			"verified_address": nil, "verified_email": nil, "verified_name": nil, "verified_phone": nil,
		},
		"redirect":             obj{"failure_reason": failure, "return_url": b.ReturnURL, "status": status, "url": v.api.config.BaseURL + "/pay/" + engine.Token(*v.merchant, *p)},
		"statement_descriptor": nullable(b.Descriptor), "status": sourceStatus(p), "type": p.Method, "usage": "single_use",
	}
	if since(v.version, versionRecentMembers) {
		o["allow_redisplay"] = "unspecified"
	}
	if b.Customer != "" {
		o["customer"] = b.Customer
	}
	if !public {
		o["metadata"] = b.Metadata
	}
	return o
}
