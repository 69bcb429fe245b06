package multisafepay

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// truth reads a flag of the query; absent is false.
func (c *call) truth(name string) (bool, error) {
	b, ok := value.Of(c.query.Get(name)).Bool()
	if !ok {
		return false, refusef(codeMissing, "%s can be 0 or 1", name)
	}
	return b, nil
}

// offered lists the gateways that a query about the catalogue asks for
// (reference §8.1). Amounts have no limits.
func (c *call) offered(v *view, coupons bool) ([]gateway, error) {
	var currency money.Currency
	if s := c.query.Get("currency"); s != "" {
		var ok bool
		if currency, ok = money.ParseCurrency(s); !ok {
			return nil, refuse(codeCurrency)
		}
	}
	country := strings.ToUpper(c.query.Get("country"))
	if country != "" && countries[country] == "" {
		return nil, refuse(codeCountry)
	}
	if s := c.query.Get("amount"); s != "" {
		if n, err := strconv.ParseInt(s, 10, 64); err != nil || n < 0 {
			return nil, refuse(codeAmount)
		}
	}
	var list []gateway
	for _, g := range gateways {
		if g.enabled(v.merchant.Profile) && (coupons || g.Kind != coupon) && (currency == "" || g.takes(currency)) && g.rules().OfferedIn(country) {
			list = append(list, g)
		}
	}
	return list, nil
}

func (g gateway) brief() value.Object {
	o := value.Object{"id": g.ID, "description": g.Name}
	if g.Kind == coupon {
		o["type"] = "coupon"
	}
	return o
}

func listGateways(c *call) (any, error) {
	data := []any{}
	err := c.view(func(v *view) error {
		list, err := c.offered(v, strings.Contains(c.query.Get("include"), "coupons"))
		for _, g := range list {
			data = append(data, g.brief())
		}
		return err
	})
	return data, err
}

// gateway finds the gateway of a path, if the site has it.
func (c *call) gateway() (gateway, error) {
	g, ok := findGateway(c.path["gateway"])
	if !ok {
		return g, refuse(codeGateway)
	}
	return g, c.view(func(v *view) error {
		if !g.enabled(v.merchant.Profile) {
			return refuse(codeGateway)
		}
		return nil
	})
}

func retrieveGateway(c *call) (any, error) {
	g, err := c.gateway()
	return g.brief(), err
}

// paymentMethod is the object of reference §8.2.
func (v *view) paymentMethod(g gateway) value.Object {
	currencies := []any{}
	for _, c := range g.rules().Currencies {
		if siteTakes(v.merchant.Profile, c) {
			currencies = append(currencies, string(c))
		}
	}
	places := []any{}
	for _, country := range g.rules().Payers {
		places = append(places, country)
	}
	isCard, base := g.Kind == cards, v.api.config.BaseURL+"/connect/icons/"+strings.ToLower(g.ID)
	icons := value.Object{"large": base + ".svg", "medium": base + ".svg", "vector": base + ".svg"}
	typ := "payment-method"
	if g.Kind == coupon {
		typ = "coupon"
	}
	var recurring any
	if isCard {
		recurring = value.Object{"cardonfile": true, "subscription": true, "unscheduled": true}
	}
	brands := []any{}
	if g.ID == "CREDITCARD" {
		for _, id := range []string{"VISA", "MASTERCARD", "MAESTRO", "AMEX"} {
			b, _ := findGateway(id)
			brands = append(brands, value.Object{"id": b.ID, "name": b.Name, "allowed_countries": []any{}, "icon_urls": icons})
		}
	}
	return value.Object{
		"additional_data": value.Object{}, "allowed_amount": value.Object{"max": nil, "min": 0}, "allowed_countries": places, "allowed_currencies": currencies,
		"apps": value.Object{
			"fastcheckout":       value.Object{"is_enabled": false, "qr": value.Object{"supported": false}},
			"payment_components": value.Object{"has_fields": isCard, "is_enabled": true, "qr": value.Object{"supported": false}},
		},
		"brands": brands, "icon_urls": icons, "id": g.ID, "manual_capture": value.Object{"is_enabled": g.rules().SeparateCapture, "supported": g.rules().SeparateCapture},
		"name": g.Name, "preferred_countries": []any{}, "required_customer_data": []any{}, "shopping_cart_required": g.Kind == later,
		"tokenization": value.Object{"is_enabled": isCard, "models": recurring}, "type": typ,
	}
}

func listMethods(c *call) (any, error) {
	coupons, err := c.truth("include_coupons")
	if err != nil {
		return nil, err
	}
	group, err := c.truth("group_cards")
	if err != nil {
		return nil, err
	}
	typ := c.query.Get("type")
	if typ != "" && typ != "coupon" && typ != "payment-method" {
		return nil, refusef(codeMissing, "type can be payment-method or coupon")
	}
	data := []any{}
	err = c.view(func(v *view) error {
		list, err := c.offered(v, coupons || typ == "coupon")
		for _, g := range list {
			if group && g.Kind == cards && g.ID != "CREDITCARD" {
				continue // a brand of CREDITCARD
			}
			if typ != "" && (typ == "coupon") != (g.Kind == coupon) {
				continue
			}
			data = append(data, v.paymentMethod(g))
		}
		return err
	})
	return data, err
}

func retrieveMethod(c *call) (any, error) {
	g, err := c.gateway()
	if err != nil {
		return nil, err
	}
	var out value.Object
	err = c.view(func(v *view) error { out = v.paymentMethod(g); return nil })
	return out, err
}

// issuer is a bank that a payer can choose.
type issuer struct{ code, description string }

// issuers are those of the test platform, by gateway in lower case.
var issuers = map[string][]issuer{
	"ideal": {
		{"0031", "ABN AMRO"}, {"0761", "ASN Bank"}, {"4371", "bunq"}, {"0721", "ING"}, {"0801", "Knab"}, {"9926", "N26"}, {"9927", "Nationale-Nederlanden"},
		{"0021", "Rabobank"}, {"0771", "Regiobank"}, {"1099", "Revolut"}, {"0751", "SNS Bank"}, {"0511", "Triodos Bank"}, {"0161", "Van Lanschot Kempen"}, {"9928", "Yoursafe"}, {"3151", "Test Issuer"},
	},
	"mybank": {},
}

// knownIssuer reports whether a gateway has a bank.
func knownIssuer(gateway, code string) bool {
	return slices.ContainsFunc(issuers[gateway], func(i issuer) bool { return i.code == code })
}

func listIssuers(c *call) (any, error) {
	list, ok := issuers[strings.ToLower(c.path["gateway"])]
	if !ok {
		return nil, refuse(codeGateway)
	}
	data := []any{}
	for _, i := range list {
		data = append(data, value.Object{"code": i.code, "description": i.description})
	}
	return data, nil
}

// categories are what a site can sell (reference §8.1: codes 100 to 114 and
// 999). No source gives their texts.
var categories = []struct {
	code int
	text string
}{
	{100, "Animals and pets"}, {101, "Art and antiques"}, {102, "Books, music and film"}, {103, "Clothing and shoes"}, {104, "Computers and electronics"},
	{105, "Education"}, {106, "Food and drinks"}, {107, "Gifts and flowers"}, {108, "Health and beauty"}, {109, "Home and garden"}, {110, "Services"},
	{111, "Sports and leisure"}, {112, "Tickets and events"}, {113, "Toys and hobbies"}, {114, "Travel"}, {999, "Other"},
}

func listCategories(*call) (any, error) {
	data := []any{}
	for _, x := range categories {
		data = append(data, value.Object{"code": x.code, "description": x.text})
	}
	return data, nil
}

func whoAmI(c *call) (any, error) {
	var out value.Object
	err := c.view(func(v *view) error {
		account, site := idNumbers(v.merchant)
		out = value.Object{"account_id": account, "role": "site", "site_id": site}
		return nil
	})
	return out, err
}
