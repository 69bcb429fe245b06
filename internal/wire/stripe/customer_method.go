package stripe

import (
	"errors"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// customerMethods is what a request says about a customer's payment methods.
type customerMethods struct {
	attach    string // payment_method
	byDefault string // invoice_settings[default_payment_method]
	settings  bool   // byDefault was sent; "" unsets it
}

func decodeCustomerMethods(p form.Value) (q customerMethods, err error) {
	if q.attach, _, err = text(p.Get("payment_method"), "payment_method", 0); err != nil {
		return q, err
	}
	const name = "invoice_settings"
	h, set, err := hash(p.Get(name), name)
	if err != nil || !set {
		return q, err
	}
	if err := members(h, name, "custom_fields", "default_payment_method", "footer", "rendering_options"); err != nil {
		return q, err
	}
	q.byDefault, q.settings, err = text(h.Get("default_payment_method"), name+"[default_payment_method]", 0)
	return q, err
}

// customersMethods applies a request to a customer that was stored.
func (c *call) customersMethods(t *engine.Tx, q customerMethods, id string) error {
	if q.attach == "" && !q.settings {
		return nil
	}
	row, b, err := storedBody[customerBody](t, kindCustomer, id)
	if err != nil {
		return err
	}
	return c.applyMethods(t, q, row, b)
}

// applyMethods attaches a payment method to a customer and sets the default one,
// which has to be attached. A test id that is both names one new method.
func (c *call) applyMethods(t *engine.Tx, q customerMethods, row resource.Row, b customerBody) error {
	attached := q.attach
	if q.attach != "" {
		id, m, err := c.usableMethod(t, "payment_method", q.attach)
		if err != nil {
			return err
		}
		if err := errors.Join(m.reusable("payment_method"), ownerFits(row.ID, id, m)); err != nil {
			return err
		}
		if m.Customer == "" {
			if err := c.api.save(t, id, row.ID); err != nil {
				return err
			}
			if row, err = t.Resource(kindCustomer, row.ID); err != nil {
				return err
			}
		}
		attached = id
	}
	if !q.settings {
		return nil
	}
	id := q.byDefault
	if id != "" && id == q.attach {
		id = attached
	}
	if id != "" {
		const param = "invoice_settings[default_payment_method]"
		_, m, err := c.methodRow(t, 400, param, id)
		if err != nil {
			return err
		}
		if m.Customer != row.ID {
			return invalid("", param, "The customer does not have a payment method with the ID %s. The payment method must be attached to the customer.", id)
		}
	}
	b.DefaultMethod = id
	row.Body = encodeBody(b)
	return t.UpdateResource(row)
}

// defaultMethod is the customer's default payment method, as long as the
// customer has it.
func (v *view) defaultMethod(customerID, id string) (any, error) {
	if id == "" {
		return nil, nil
	}
	row, err := v.Resource(kindPaymentMethod, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeBody[methodBody](row)
	if err != nil || m.Customer != customerID {
		return nil, err
	}
	return id, nil
}
