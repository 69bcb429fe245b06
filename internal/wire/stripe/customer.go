package stripe

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
	"github.com/ducatpay/ducat/internal/wire/stripe/search"
)

const kindCustomer = "stripe.customer"

// customerBody is a customer.
type customerBody struct {
	Name          string            `json:"name,omitempty"`
	Email         string            `json:"email,omitempty"`
	Phone         string            `json:"phone,omitempty"`
	Description   string            `json:"description,omitempty"`
	Address       map[string]string `json:"address,omitempty"`
	Shipping      *shipping         `json:"shipping,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	Locales       []string          `json:"locales,omitempty"`
	DefaultSource string            `json:"default_source,omitempty"`
	Sources       []string          `json:"sources,omitempty"` // attached, oldest first
	Prefix        string            `json:"prefix"`
	Business      string            `json:"business_name,omitempty"`
	Individual    string            `json:"individual_name,omitempty"`
	TaxExempt     string            `json:"tax_exempt,omitempty"`
	Balance       int64             `json:"balance,omitempty"`
	Sequence      int64             `json:"sequence,omitempty"` // of the next invoice; 0 means the first
	TestClock     string            `json:"test_clock,omitempty"`
	DefaultMethod string            `json:"default_method,omitempty"` // invoice_settings.default_payment_method
}

// keys are what customers can be found by.
func (b customerBody) keys() (keys []resource.Key) {
	if b.Email != "" {
		keys = []resource.Key{{Name: "email", Value: b.Email}, {Name: "email.folded", Value: search.Fold(b.Email)}}
	}
	if b.TestClock != "" {
		keys = append(keys, resource.Key{Name: "test_clock", Value: b.TestClock})
	}
	return append(keys, byMetadata(b.Metadata)...)
}

var customerParams = []string{
	"name", "email", "phone", "description", "address", "shipping", "metadata", "preferred_locales", "source",
	"business_name", "individual_name", "tax_exempt", "balance", "invoice_prefix", "next_invoice_sequence", "invoice_settings",
}

func (b *customerBody) decode(p form.Value, version string) error {
	descriptionMax := 350
	if !since(version, versionShortDescription) {
		descriptionMax = 5000
	}
	if err := keepTexts(p, keptText{"name", &b.Name, 256}, keptText{"email", &b.Email, 512}, keptText{"phone", &b.Phone, 20},
		keptText{"description", &b.Description, descriptionMax}, keptText{"business_name", &b.Business, 150}, keptText{"individual_name", &b.Individual, 150}); err != nil {
		return err
	}
	if b.Email != "" && !strings.Contains(b.Email, "@") && since(version, versionCheckedEmail) {
		return invalid("email_invalid", "email", "Invalid email address: %s", b.Email)
	}
	if err := b.decodeInvoicing(p); err != nil {
		return err
	}
	var err error
	if b.Address, err = address(p.Get("address"), "address", b.Address); err != nil {
		return err
	}
	if b.Shipping, err = decodeShipping(p.Get("shipping"), b.Shipping); err != nil {
		return err
	}
	if v := p.Get("preferred_locales"); v.Kind() == form.List {
		b.Locales = nil
		for _, item := range v.Items() {
			b.Locales = append(b.Locales, item.String())
		}
	} else if v.Kind() != form.Missing {
		if v.Kind() != form.Scalar || v.String() != "" {
			return invalid("", "preferred_locales", "Invalid array")
		}
		b.Locales = nil
	}
	b.Metadata, err = metadata(p.Get("metadata"), b.Metadata)
	return err
}

// Shapes of what a merchant may choose.
var (
	invoicePrefixes = regexp.MustCompile(`^[A-Z0-9]{3,12}$`)
	customerIDs     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
)

// decodeInvoicing reads what is kept for invoices, of which there are none.
func (b *customerBody) decodeInvoicing(p form.Value) error {
	exempt, set, err := oneOf(p.Get("tax_exempt"), "tax_exempt", "exempt", "none", "reverse")
	if v := p.Get("tax_exempt"); v.Kind() == form.Scalar && v.String() == "" {
		exempt, set, err = "", true, nil
	}
	if err != nil {
		return err
	}
	if set {
		b.TaxExempt = exempt
	}
	if n, set, err := integer(p.Get("balance"), "balance"); err != nil {
		return err
	} else if set {
		b.Balance = n
	}
	if n, set, err := integer(p.Get("next_invoice_sequence"), "next_invoice_sequence"); err != nil {
		return err
	} else if set && n < 1 {
		return invalid("parameter_invalid_integer", "next_invoice_sequence", "This value must be greater than or equal to 1.")
	} else if set {
		b.Sequence = n
	}
	prefix, set, err := text(p.Get("invoice_prefix"), "invoice_prefix", 12)
	if err != nil || !set {
		return err
	}
	if !invoicePrefixes.MatchString(prefix) {
		return invalid("", "invoice_prefix", "An invoice prefix has 3 to 12 uppercase letters or numbers.")
	}
	b.Prefix = prefix
	return nil
}

// chosenID checks the id a merchant chose for a customer.
func (c *call) chosenID(t *engine.Tx, id string) error {
	if !customerIDs.MatchString(id) {
		return invalid("", "id", "A customer's id has 1 to 255 letters, digits, underscores or hyphens.")
	}
	for _, kind := range []string{kindCustomer, deletedKind(kindCustomer)} {
		_, err := t.Resource(kind, id)
		if err == nil {
			return invalid("resource_already_exists", "id", "Customer already exists.").kept()
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

func createCustomer(c *call) (step, error) {
	var body customerBody
	if err := body.decode(c.params, c.version); err != nil {
		return step{}, err
	}
	chosen, _, err := text(c.params.Get("id"), "id", 0)
	if err != nil {
		return step{}, err
	}
	if body.TestClock, _, err = text(c.params.Get("test_clock"), "test_clock", 0); err != nil {
		return step{}, err
	}
	source, _, err := text(c.params.Get("source"), "source", 0)
	if err != nil {
		return step{}, err
	}
	methods, err := decodeCustomerMethods(c.params)
	if err != nil {
		return step{}, err
	}
	var rowID string
	return step{
		begin: func(t *engine.Tx) error {
			b := body
			b.Prefix = firstOf(b.Prefix, strings.ToUpper(t.Random(8)))
			rowID = t.NewID("cus_")
			row := newRow(t, kindCustomer, rowID, "", encodeBody(b), b.keys()...)
			if b.TestClock != "" {
				clock, err := c.clockFor(t, b.TestClock)
				if err != nil {
					return err
				}
				row.Created = clock.Frozen
			}
			if chosen != "" {
				if err := c.chosenID(t, chosen); err != nil {
					return err
				}
				rowID, row.ID = chosen, chosen
			}
			if err := t.InsertResource(row); err != nil {
				return err
			}
			if source != "" {
				if err := c.attach(t, row, source, true); err != nil {
					return err
				}
			}
			if err := c.customersMethods(t, methods, rowID); err != nil {
				return err
			}
			return c.api.customerEvent(t, "customer.created", rowID, nil)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).customer(rowID) },
	}, nil
}

// customerRow finds a customer; a deleted one is found only if asked for. In a
// transaction, its test clock must not be on the move.
func (c *call) customerRow(r store.Reader, status int, param, id string, deletedToo bool) (resource.Row, customerBody, error) {
	row, err := r.Resource(kindCustomer, id)
	if errors.Is(err, store.ErrNotFound) {
		row, err = r.Resource(deletedKind(kindCustomer), id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return row, customerBody{}, c.unknown(status, kindCustomer, "customer", param, id)
		case err == nil && !deletedToo:
			return row, customerBody{}, noSuch(status, "customer", param, id)
		}
	}
	if err != nil {
		return row, customerBody{}, err
	}
	b, err := decodeBody[customerBody](row)
	if t, ok := r.(*engine.Tx); ok && err == nil && b.TestClock != "" {
		err = clockStands(t, b.TestClock)
	}
	return row, b, err
}

func retrieveCustomer(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, _, err := c.customerRow(v, 404, "id", c.path("id"), true)
		if err != nil {
			return nil, err
		}
		return v.renderCustomer(row)
	})
}

func listCustomers(c *call) (obj, error) {
	q := query{kind: kindCustomer, label: "customer", render: (*view).renderCustomer}
	var err error
	if q.keys, err = c.equals("test_clock", "email"); err != nil {
		return nil, err
	}
	if c.params.Get("test_clock").String() == "" {
		// Customers on a test clock, of which there are few, are seen by asking for it.
		q.keep = func(_ *view, r resource.Row) bool {
			return !slices.ContainsFunc(r.Keys, func(k resource.Key) bool { return k.Name == "test_clock" })
		}
	}
	return c.list(q)
}

func updateCustomer(c *call) (step, error) {
	var check customerBody
	if err := check.decode(c.params, c.version); err != nil {
		return step{}, err
	}
	source, _, err := text(c.params.Get("source"), "source", 0)
	if err != nil {
		return step{}, err
	}
	byDefault, _, err := text(c.params.Get("default_source"), "default_source", 0)
	if err != nil {
		return step{}, err
	}
	methods, err := decodeCustomerMethods(c.params)
	if err != nil {
		return step{}, err
	}
	id := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.customerRow(t, 404, "id", id, false)
			if err != nil {
				return err
			}
			old := row
			if err := b.decode(c.params, c.version); err != nil {
				return err
			}
			if byDefault != "" {
				if !slices.Contains(b.Sources, byDefault) {
					return c.notLinked(id, byDefault)
				}
				b.DefaultSource = byDefault
			}
			row.Body = encodeBody(b)
			if err := t.RekeyResource(row, b.keys()); err != nil {
				return err
			}
			row.Version, row.Keys = row.Version+1, b.keys()
			if source != "" {
				if err := c.attach(t, row, source, true); err != nil {
					return err
				}
			}
			if err := c.customersMethods(t, methods, id); err != nil {
				return err
			}
			return c.api.customerEvent(t, "customer.updated", id, &old)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).customer(id) },
	}, nil
}

func deleteCustomer(c *call) (step, error) {
	id := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			row, _, err := c.customerRow(t, 404, "id", id, false)
			if err != nil {
				return err
			}
			return c.api.removeCustomer(t, row)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).customer(id) },
	}, nil
}

// removeCustomer deletes a customer and what hangs on it. Charges keep its id.
func (a *API) removeCustomer(t *engine.Tx, row resource.Row) error {
	if err := hold(t, row); err != nil {
		return err
	}
	b, err := decodeBody[customerBody](row)
	if err != nil {
		return err
	}
	if err := a.customerEvent(t, "customer.deleted", row.ID, nil); err != nil {
		return err
	}
	for _, s := range b.Sources {
		if err := a.letGo(t, s); err != nil {
			return err
		}
	}
	if err := a.forgetAll(t, row.ID); err != nil {
		return err
	}
	return bury(t, row)
}

func (a *API) customerEvent(t *engine.Tx, typ, id string, old *resource.Row) error {
	return a.emit(t, message{typ: typ, render: func(v *view) (obj, obj, error) {
		o, err := v.customer(id)
		if err != nil || old == nil {
			return o, nil, err
		}
		was, err := v.renderCustomer(*old)
		if err != nil {
			return nil, nil, err
		}
		return o, v.changed(was, o), nil
	}})
}

func (v *view) customer(id string) (obj, error) {
	row, err := v.Resource(kindCustomer, id)
	if errors.Is(err, store.ErrNotFound) {
		row, err = v.Resource(deletedKind(kindCustomer), id)
	}
	if err != nil {
		return nil, err
	}
	return v.renderCustomer(row)
}

func (v *view) renderCustomer(row resource.Row) (obj, error) {
	if row.Kind == deletedKind(kindCustomer) {
		return obj{"id": row.ID, "object": "customer", "deleted": true}, nil
	}
	b, err := decodeBody[customerBody](row)
	if err != nil {
		return nil, err
	}
	o := obj{
		"id": row.ID, "object": "customer", "created": row.Created.Unix(), "default_source": nullable(b.DefaultSource), "description": nullable(b.Description),
		"email": nullable(b.Email), "livemode": v.merchant.Live, "shipping": nil,
	}
	if !v.public { // apps are shown the members above, as the fixtures of their libraries have them
		method, err := v.defaultMethod(row.ID, b.DefaultMethod)
		if err != nil {
			return nil, err
		}
		maps.Copy(o, obj{
			"address": renderAddress(b.Address), "balance": b.Balance, "currency": nil, "delinquent": false,
			"invoice_prefix": b.Prefix, "invoice_settings": obj{"custom_fields": nil, "default_payment_method": method, "footer": nil, "rendering_options": nil},
			"metadata": b.Metadata, "name": nullable(b.Name), "next_invoice_sequence": max(b.Sequence, 1), "phone": nullable(b.Phone),
			"preferred_locales": append([]string{}, b.Locales...), "tax_exempt": firstOf(b.TaxExempt, "none"), "test_clock": nullable(b.TestClock),
		})
		if b.Business != "" {
			o["business_name"] = b.Business
		}
		if b.Individual != "" {
			o["individual_name"] = b.Individual
		}
	}
	if b.Shipping != nil {
		o["shipping"] = renderShipping(b.Shipping)
	}
	if !since(v.version, versionNoCustomerSources) {
		list, err := v.customerSources(row.ID, b)
		if err != nil {
			return nil, err
		}
		o["sources"] = list
	}
	return o, nil
}
