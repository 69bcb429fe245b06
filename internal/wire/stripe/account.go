package stripe

import "fmt"

// retrieveAccount answers with the key's own account; there are no connected
// ones.
func retrieveAccount(c *call) (obj, error) {
	if id := c.path("account"); id != "" && id != c.principal.account {
		return nil, c.noAccess(id)
	}
	return c.single(func(v *view) (obj, error) { return v.account(), nil })
}

// noAccess is the error about an account that is not the key's.
func (c *call) noAccess(account string) *wireError {
	return &wireError{status: 403, code: "account_invalid", message: fmt.Sprintf("The provided key '%s' does not have access to account '%s' (or that account does not exist). Application access may have been revoked.", maskTo(c.apiKey, 6), printable(account))}
}

// account renders an account: a standard one that is verified and can do what
// its settings say.
func (v *view) account() obj {
	p := v.merchant.Profile
	return obj{
		"id": v.merchant.Account, "object": "account", "business_profile": nil, "business_type": nil, "capabilities": obj{"legacy_payments": "active"},
		"charges_enabled": true, "country": p.Country, "created": v.merchant.Created.Unix(), "default_currency": p.DefaultCurrency.Lower(),
		"details_submitted": true, "email": nil, "metadata": obj{}, "payouts_enabled": true, "type": "standard",
		"external_accounts": obj{"object": "list", "data": []any{}, "has_more": false, "url": "/v1/accounts/" + v.merchant.Account + "/external_accounts"},
		"settings": obj{
			"branding":      obj{"icon": nil, "logo": nil, "primary_color": nil, "secondary_color": nil},
			"card_payments": obj{"statement_descriptor_prefix": nil, "statement_descriptor_prefix_kana": nil, "statement_descriptor_prefix_kanji": nil},
			"dashboard":     obj{"display_name": nullable(p.Name), "timezone": "Etc/UTC"},
			"payments":      obj{"statement_descriptor": nullable(p.Descriptor), "statement_descriptor_kana": nil, "statement_descriptor_kanji": nil},
		},
	}
}
