package stripe

import (
	"errors"
	"slices"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// customerSourcesMax is how many sources a customer can hold.
const customerSourcesMax = 200

func (c *call) notLinked(customerID, sourceID string) *wireError {
	return invalid("missing", "source", "Customer %s does not have a linked source with ID %s.", customerID, sourceID)
}

// attach links a source to a customer. Only sources that can still be used may
// be attached (stripe-sources §3.8).
func (c *call) attach(t *engine.Tx, customer resource.Row, sourceID string, byDefault bool) error {
	row, err := t.Resource(kindSource, sourceID)
	if errors.Is(err, store.ErrNotFound) {
		return c.unknown(400, kindSource, "source", "source", sourceID)
	}
	if err != nil {
		return err
	}
	sb, err := decodeBody[sourceBody](row)
	if err != nil {
		return err
	}
	if sb.Customer != "" {
		return invalid("", "source", "The source you provided has already been attached to a customer.").kept()
	}
	p, err := t.LoadPayment(row.Payment)
	if err != nil {
		return err
	}
	if _, err := t.Lapse(p); err != nil {
		return err
	}
	if s := sourceStatus(p); s != "pending" && s != "chargeable" {
		return invalid("invalid_source_usage", "source", "The source you provided is %s; only pending or chargeable sources can be attached to a customer.", s).kept()
	}
	b, err := decodeBody[customerBody](customer)
	if err != nil {
		return err
	}
	if len(b.Sources) >= customerSourcesMax {
		return invalid("", "source", "A customer can have up to %d sources.", customerSourcesMax).kept()
	}
	b.Sources = append(b.Sources, sourceID)
	if byDefault || b.DefaultSource == "" {
		b.DefaultSource = sourceID
	}
	customer.Body = encodeBody(b)
	if err := t.UpdateResource(customer); err != nil {
		return err
	}
	sb.Customer = customer.ID
	row.Body = encodeBody(sb)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	row.Version++
	return c.api.emit(t, message{typ: "customer.source.created", render: func(v *view) (obj, obj, error) {
		o, err := v.renderSource(row, p, false)
		return o, nil, err
	}})
}

// letGo ends a source's use: held funds go back to the payer.
func (a *API) letGo(t *engine.Tx, sourceID string) error {
	row, err := t.Resource(kindSource, sourceID)
	if err != nil {
		return err
	}
	p, err := t.LoadPayment(row.Payment)
	if err != nil {
		return err
	}
	sb, err := decodeBody[sourceBody](row)
	if err != nil {
		return err
	}
	sb.Customer = ""
	row.Body = encodeBody(sb)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	row.Version++
	if p.State().Waiting() && p.Attempt.Claim == "" {
		if err := t.Void(p); err != nil {
			return err
		}
	}
	return a.emit(t, message{typ: "customer.source.deleted", render: func(v *view) (obj, obj, error) {
		o, err := v.renderSource(row, p, false)
		return o, nil, err
	}})
}

func attachSource(c *call) (step, error) {
	source, err := must(c.params.Get("source"), "source", 0)
	if err != nil {
		return step{}, err
	}
	customer := c.path("customer")
	return step{
		begin: func(t *engine.Tx) error {
			row, _, err := c.customerRow(t, 404, "customer", customer, false)
			if err != nil {
				return err
			}
			return c.attach(t, row, source, false)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).source(source, false) },
	}, nil
}

// attached checks that a customer has a source.
func (c *call) attached(r store.Reader, customerID, sourceID string) (resource.Row, customerBody, error) {
	row, b, err := c.customerRow(r, 404, "customer", customerID, false)
	if err != nil {
		return row, b, err
	}
	if !slices.Contains(b.Sources, sourceID) {
		e := c.notLinked(customerID, sourceID)
		e.status, e.code, e.param = 404, "resource_missing", "id"
		e.message = "No such source: '" + sourceID + "'"
		return row, b, e
	}
	return row, b, nil
}

func retrieveCustomerSource(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		if _, _, err := c.attached(v, c.path("customer"), c.path("id")); err != nil {
			return nil, err
		}
		return v.source(c.path("id"), false)
	})
}

func updateCustomerSource(c *call) (step, error) {
	s, err := updateSource(c)
	if err != nil {
		return step{}, err
	}
	change := s.begin
	s.begin = func(t *engine.Tx) error {
		if _, _, err := c.attached(t, c.path("customer"), c.path("id")); err != nil {
			return err
		}
		return change(t)
	}
	return s, nil
}

func detachSource(c *call) (step, error) {
	customer, source := c.path("customer"), c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.attached(t, customer, source)
			if err != nil {
				return err
			}
			kept := b.Sources[:0:0]
			for _, s := range b.Sources {
				if s != source {
					kept = append(kept, s)
				}
			}
			b.Sources = kept
			if b.DefaultSource == source {
				b.DefaultSource = ""
				if len(kept) > 0 {
					b.DefaultSource = kept[len(kept)-1]
				}
			}
			row.Body = encodeBody(b)
			if err := t.UpdateResource(row); err != nil {
				return err
			}
			return c.api.letGo(t, source)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).source(source, false) },
	}, nil
}

// listCustomerSources lists what is attached, newest first.
func listCustomerSources(c *call) (obj, error) {
	l, err := c.listing()
	if err != nil {
		return nil, err
	}
	if _, _, err := oneOf(c.params.Get("object"), "object", "source", "card", "bank_account"); err != nil {
		return nil, err
	}
	data, more := []any{}, false
	if l.after != "" && l.before != "" {
		return nil, errBothCursors
	}
	err = c.view(func(v *view) error {
		_, b, err := c.customerRow(v, 404, "customer", c.path("customer"), false)
		if err != nil {
			return err
		}
		if o := c.params.Get("object").String(); o != "" && o != "source" {
			return nil
		}
		ids := make([]string, 0, len(b.Sources))
		for i := len(b.Sources) - 1; i >= 0; i-- {
			ids = append(ids, b.Sources[i])
		}
		if ids, more, err = window(ids, "source", l); err != nil {
			return err
		}
		for _, id := range ids {
			o, err := v.source(id, false)
			if err != nil {
				return err
			}
			data = append(data, o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	path := c.request.URL.Path
	return obj{"object": "list", "data": data, "has_more": more, "url": path}, nil
}

// window cuts a page out of a list of ids.
func window(ids []string, label string, l listing) (page []string, more bool, err error) {
	find := func(id, param string) (int, error) {
		for i, s := range ids {
			if s == id {
				return i, nil
			}
		}
		return 0, noSuch(400, label, param, id)
	}
	if l.before != "" {
		i, err := find(l.before, "ending_before")
		if err != nil {
			return nil, false, err
		}
		from := max(0, i-l.limit)
		return ids[from:i], from > 0, nil
	}
	if l.after != "" {
		i, err := find(l.after, "starting_after")
		if err != nil {
			return nil, false, err
		}
		ids = ids[i+1:]
	}
	return ids[:min(len(ids), l.limit)], len(ids) > l.limit, nil
}

func (v *view) customerSources(id string, b customerBody) (obj, error) {
	data := []any{}
	for i := len(b.Sources) - 1; i >= 0 && len(data) < nestedRefunds; i-- {
		o, err := v.source(b.Sources[i], v.public)
		if err != nil {
			return nil, err
		}
		data = append(data, o)
	}
	return obj{"object": "list", "data": data, "has_more": len(b.Sources) > len(data), "total_count": len(b.Sources), "url": "/v1/customers/" + id + "/sources"}, nil
}
