package stripe

import (
	"errors"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindToken = "stripe.token"

// tokenBody is a card that a browser sent, on its way to a payment method. It is
// good for one.
type tokenBody struct {
	Card    cardBody `json:"card"`
	CardID  string   `json:"card_id"`
	Billing owner    `json:"billing"`
	Used    bool     `json:"used,omitempty"`
}

// cardAddress names the members of a token's card that belong to the billing
// address.
var cardAddress = map[string]string{
	"address_city": "city", "address_country": "country", "address_line1": "line1", "address_line2": "line2", "address_state": "state", "address_zip": "postal_code",
}

func createToken(c *call) (step, error) {
	for _, name := range []string{"account", "bank_account", "customer", "cvc_update", "person", "pii"} {
		if given(c.params.Get(name)) {
			return step{}, invalid("", name, "Only cards can be made into tokens here: the parameter %s is not offered.", name)
		}
	}
	return step{
		begin: func(t *engine.Tx) error {
			v := c.params.Get("card")
			b := tokenBody{CardID: t.NewID("card_")}
			for param, member := range cardAddress {
				s, set, err := text(v.Get(param), "card["+param+"]", 0)
				if err != nil {
					return err
				}
				if set {
					b.Billing.Address = cloneWith(b.Billing.Address, member, s)
				}
			}
			var err error
			if b.Billing.Name, _, err = text(v.Get("name"), "card[name]", 0); err != nil {
				return err
			}
			card, err := decodeNewCard(c, v, "card", t.At, "name", "currency", "address_city", "address_country", "address_line1", "address_line2", "address_state", "address_zip")
			if err != nil {
				return err
			}
			b.Card = *card
			t.Subject = t.NewID("tok_")
			return t.InsertResource(newRow(t, kindToken, t.Subject, "", encodeBody(b)))
		},
		finish: func(t *engine.Tx) (obj, error) {
			row, err := t.Resource(kindToken, t.Subject)
			if err != nil {
				return nil, err
			}
			return c.in(t).renderToken(row)
		},
	}, nil
}

func retrieveToken(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, err := v.Resource(kindToken, c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.unknown(404, kindToken, "token", "token", c.path("id"))
		}
		if err != nil {
			return nil, err
		}
		return v.renderToken(row)
	})
}

func (v *view) renderToken(row resource.Row) (obj, error) {
	b, err := decodeBody[tokenBody](row)
	if err != nil {
		return nil, err
	}
	tc := b.Card.card()
	card := obj{
		"id": b.CardID, "object": "card", "address_line1_check": nil, "address_zip_check": nil, "brand": tc.displayBrand(), "country": tc.country,
		"cvc_check": b.Card.check("unchecked"), "dynamic_last4": nil, "exp_month": b.Card.Month, "exp_year": b.Card.Year, "funding": tc.funding,
		"last4": tc.last4(), "name": nullable(b.Billing.Name), "networks": obj{"preferred": nil}, "tokenization_method": nil, "wallet": nil,
	}
	for param, member := range cardAddress {
		card[param] = nullable(b.Billing.Address[member])
	}
	if !v.public {
		card["fingerprint"], card["metadata"] = fingerprint(v.merchant.Account, "card:"+tc.name), obj{}
	}
	return obj{
		"id": row.ID, "object": "token", "card": card, "client_ip": nil, "created": row.Created.Unix(), "livemode": v.merchant.Live, "type": "card", "used": b.Used,
	}, nil
}

// redeemToken turns a token into its card: one of the test ids, which are good
// for ever, or one that a browser made, which is good once.
func (c *call) redeemToken(t *engine.Tx, v form.Value, name string) (*cardBody, owner, error) {
	id, err := must(v, name, 0)
	if err != nil {
		return nil, owner{}, err
	}
	if tc, ok := cardBehind(id, "tok_"); ok {
		return tokenCard(tc, t.At), owner{}, nil
	}
	row, err := t.Resource(kindToken, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, owner{}, c.unknown(400, kindToken, "token", name, id)
	}
	if err != nil {
		return nil, owner{}, err
	}
	b, err := decodeBody[tokenBody](row)
	if err != nil {
		return nil, owner{}, err
	}
	if b.Used {
		return nil, owner{}, invalid("token_already_used", name, "You cannot use a token more than once: %s.", id)
	}
	b.Used = true
	row.Body = encodeBody(b)
	return &b.Card, b.Billing, t.UpdateResource(row)
}
