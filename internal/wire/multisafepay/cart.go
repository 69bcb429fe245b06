package multisafepay

import (
	"html"
	"math/big"
	"regexp"
	"strings"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// itemsMax bounds a cart.
const itemsMax = 500

// totals are what a cart sums to, in minor units.
type totals struct {
	Total int64 `json:"total"` // with tax
	Tax   int64 `json:"tax"`
}

var rateShape = regexp.MustCompile(`^\d(\.\d{1,4})?$`)

// readCart checks shopping_cart and checkout_options and keeps them in the form
// in which they come back (reference §3.6, §4.2).
func (r *request) readCart(v value.Value, _ merchant.Merchant) error {
	checkout := v.Get("checkout_options")
	if _, ok := checkout.Object(); checkout.Present() && !ok {
		return refusef(codeMissing, "checkout_options must be an object")
	}
	tables, err := readTables(checkout.Get("tax_tables"))
	if err != nil {
		return err
	}
	if checkout.Present() {
		r.Checkout = tables.echo()
	}
	cart := v.Get("shopping_cart")
	if !cart.Present() {
		return nil
	}
	items, ok := cart.Get("items").Items()
	if !ok && cart.Get("items").Present() || len(items) > itemsMax {
		return refusef(codeMissing, "shopping_cart.items must be a list of at most %d items", itemsMax)
	}
	if c, _ := cart.Get("currency").Text(); c != "" && !strings.EqualFold(c, string(r.Currency)) {
		return refuse(codeCartCurrency)
	}
	sum, tax := new(big.Rat), new(big.Rat)
	seen := map[string]bool{}
	for _, item := range items {
		line, rate, err := r.readItem(item, tables, seen)
		if err != nil {
			return err
		}
		sum.Add(sum, line)
		tax.Add(tax, line.Mul(line, rate))
	}
	if len(items) == 0 {
		return nil
	}
	t := totals{Tax: minor(tax, r.Currency)}
	t.Total = minor(sum, r.Currency) + t.Tax
	r.Totals = &t
	if check, _ := checkout.Get("validate_cart").Bool(); check && t.Total != r.Amount {
		return refuse(codeCartAmount)
	}
	if r.Items == "" {
		r.Items = r.itemsTable()
	}
	return nil
}

// minor rounds a sum of major units half up to minor ones (reference §3.6).
func minor(sum *big.Rat, c money.Currency) int64 {
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Exponent())), nil))
	x := new(big.Rat).Mul(sum, scale)
	x.Add(x, big.NewRat(1, 2))
	floor := new(big.Int).Div(x.Num(), x.Denom()) // Euclidean: rounds towards minus infinity
	if !floor.IsInt64() {
		return -1 // larger than any amount; it equals none
	}
	return floor.Int64()
}

// readItem checks a line and returns its amount without tax and its rate.
func (r *request) readItem(v value.Value, tables taxTables, seen map[string]bool) (line, rate *big.Rat, err error) {
	o, ok := v.Object()
	if !ok {
		return nil, nil, refusef(codeMissing, "shopping_cart.items must be objects")
	}
	name, ok := v.Get("name").Text()
	if !ok || name == "" {
		return nil, nil, refusef(codeMissing, "shopping_cart.items need a name")
	}
	if c, ok := v.Get("currency").Text(); !ok {
		return nil, nil, refuse(codeItemCurrency)
	} else if c != "" {
		seen[strings.ToUpper(c)] = true
		if len(seen) > 1 {
			return nil, nil, refuse(codeManyCurrency)
		}
		if !strings.EqualFold(c, string(r.Currency)) {
			return nil, nil, refuse(codeItemCurrency)
		}
	}
	price, ok := v.Get("unit_price").Decimal()
	if !ok {
		return nil, nil, refuse(codeItemPrice)
	}
	quantity, ok := v.Get("quantity").Decimal()
	if !ok {
		return nil, nil, refusef(codeMissing, "shopping_cart.items need a quantity")
	}
	selector, ok := v.Get("tax_table_selector").Text()
	if !ok {
		return nil, nil, refuse(codeTaxSelector)
	}
	if rate, ok = tables.rate(selector); !ok {
		return nil, nil, refuse(codeTaxSelector)
	}
	r.Cart = append(r.Cart, echoItem(o, price))
	return new(big.Rat).Mul(price, quantity), rate, nil
}

// echoItem is a line as it comes back: numbers as texts, prices with ten digits,
// and every member that exists.
func echoItem(o map[string]any, price *big.Rat) any {
	out := value.Of(o).Echo().(map[string]any)
	for _, name := range []string{"cashback", "currency", "description", "image", "merchant_item_id", "product_url", "tax_table_selector"} {
		if out[name] == nil {
			out[name] = ""
		}
	}
	if out["options"] == nil || out["options"] == "" {
		out["options"] = []any{}
	}
	if _, ok := out["weight"].(map[string]any); !ok {
		out["weight"] = map[string]any{"unit": nil, "value": nil}
	}
	out["unit_price"] = price.FloatString(10)
	return out
}

// taxTable is one rate by name.
type taxTable struct {
	name       string
	rate       string
	country    string
	standalone any // true, or "" as empty values come back
}

type taxTables struct {
	fallback string // rate of the default table
	taxed    bool   // whether shipping is
	has      bool   // a default table
	named    []taxTable
}

// readTables reads checkout_options.tax_tables.
func readTables(v value.Value) (taxTables, error) {
	var t taxTables
	d := v.Get("default")
	if members, ok := d.Object(); ok && len(members) > 0 {
		t.has = true
		t.taxed, _ = d.Get("shipping_taxed").Bool()
		var ok bool
		if t.fallback, ok = d.Get("rate").Text(); !ok || !rateShape.MatchString(t.fallback) {
			return t, refuse(codeTaxTable)
		}
	}
	alternate, ok := v.Get("alternate").Items()
	if !ok && v.Get("alternate").Present() || len(alternate) > itemsMax {
		return t, refusef(codeMissing, "checkout_options.tax_tables.alternate must be a list")
	}
	for _, a := range alternate {
		name, ok := a.Get("name").Text()
		rules, listed := a.Get("rules").Items()
		if !ok || !listed || len(rules) == 0 {
			return t, refuse(codeTaxTable)
		}
		rate, ok := rules[0].Get("rate").Text()
		if !ok || !rateShape.MatchString(rate) {
			return t, refuse(codeTaxTable)
		}
		table := taxTable{name: name, rate: rate, standalone: ""}
		table.country, _ = rules[0].Get("country").Text()
		if alone, _ := a.Get("standalone").Bool(); alone {
			table.standalone = true
		}
		t.named = append(t.named, table)
	}
	return t, nil
}

// rate finds the rate a selector names. None, and no selector where there is no
// default table, mean no tax; any other name must be a table's.
func (t taxTables) rate(selector string) (*big.Rat, bool) {
	for _, n := range t.named {
		if n.name == selector && selector != "" {
			return new(big.Rat).SetString(n.rate)
		}
	}
	switch {
	case selector == "none":
		return new(big.Rat), true
	case (selector == "" || selector == "default") && t.has:
		return new(big.Rat).SetString(t.fallback)
	case selector == "":
		return new(big.Rat), true
	}
	return nil, false
}

// echo is checkout_options as answers have it.
func (t taxTables) echo() map[string]any {
	out := map[string]any{}
	alternate := []any{}
	for _, n := range t.named {
		alternate = append(alternate, map[string]any{
			"name": n.name, "standalone": n.standalone, "rules": []any{map[string]any{"country": n.country, "rate": n.rate}},
		})
	}
	out["alternate"] = alternate
	if t.has {
		out["default"] = map[string]any{"rate": t.fallback, "shipping_taxed": t.taxed}
	}
	return out
}

// itemsTable renders the cart as the HTML that answers carry in items.
func (r *request) itemsTable() string {
	var b strings.Builder
	b.WriteString("<table border=\"0\" cellpadding=\"5\" width=\"100%\">\n<tr><th>Quantity</th><th>Description</th><th>Price</th></tr>\n")
	for _, line := range r.Cart {
		item := line.(map[string]any)
		text := func(name string) string { s, _ := item[name].(string); return html.EscapeString(s) }
		b.WriteString("<tr><td>" + text("quantity") + "</td><td>" + text("name") + "</td><td>" + strings.TrimSuffix(strings.TrimRight(text("unit_price"), "0"), ".") + " " + string(r.Currency) + "</td></tr>\n")
	}
	b.WriteString("</table>")
	return b.String()
}
