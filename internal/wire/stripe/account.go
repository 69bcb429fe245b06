package stripe

import (
	"fmt"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

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

// otherAccount is the error about an account that a header names: a live key
// with an account that has no live half is told so.
func (c *call) otherAccount(account string) error {
	known := func(live bool) bool {
		return c.api.engine.Store.View(c.ctx, merchant.IDFor(account, live), func(r store.Reader) error {
			_, err := r.Merchant()
			return err
		}) == nil
	}
	if c.principal.live && known(false) && !known(true) {
		return &wireError{status: 403, message: fmt.Sprintf("The account %s was a test account created with a testmode key, and therefore can only be used with testmode keys", printable(account))}
	}
	return c.noAccess(account)
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
