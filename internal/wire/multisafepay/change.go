package multisafepay

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// kept are the members of a PATCH that are stored and come back (reference §5).
var kept = []string{"tracktrace_code", "tracktrace_url", "carrier", "ship_date", "po_number", "invoice_id", "invoice_url", "memo"}

// unserved are members that would change more than is served: to accept them
// without effect would tell the merchant something that is not so.
var unserved = []string{"extend_expiration", "new_order_id"}

// heard are members that are known beside them; a PATCH without any is refused.
var heard = slices.Concat([]string{"status", "exclude_order", "reason", "amount", "partial_shipment_amount"}, unserved, kept)

// patch is what PATCH /orders/{id} asks for.
type patch struct {
	status  string
	exclude bool
	ships   bool  // a part
	amount  int64 // of it
	texts   map[string]string
}

func decodePatch(v value.Value) (patch, error) {
	p := patch{texts: map[string]string{}}
	if !slices.ContainsFunc(heard, func(name string) bool { return v.Get(name).Present() }) {
		return p, refusef(codeMissing, "there is nothing to change")
	}
	s, ok := v.Get("status").Text()
	switch p.status = strings.ToLower(s); {
	case !ok, p.status != "" && p.status != "shipped" && p.status != "cancelled":
		return p, refusef(codeMissing, "status can be shipped or cancelled")
	}
	if p.exclude, ok = v.Get("exclude_order").Bool(); !ok {
		return p, refusef(codeMissing, "exclude_order must be a boolean")
	}
	if a := v.First("partial_shipment_amount", "amount"); a.Present() {
		if p.amount, p.ships = a.Int(); !p.ships {
			return p, refuse(codeAmount)
		}
		if p.exclude || p.status == "cancelled" {
			return p, refusef(codeMissing, "an amount is shipped, not cancelled")
		}
	}
	for _, name := range kept {
		text, err := short(name, v.Get(name))
		if err != nil {
			return p, err
		}
		if text != "" {
			p.texts[name] = text
		}
	}
	if _, err := short("reason", v.Get("reason")); err != nil {
		return p, err
	}
	for _, name := range unserved {
		if v.Get(name).Present() {
			return p, refusef(codeMissing, "%s is not supported here", name)
		}
	}
	return p, nil
}

// updateOrder answers PATCH /orders/{id}: update, ship, cancel.
func updateOrder(c *call) (step, error) {
	q, err := decodePatch(c.body)
	if err != nil {
		return step{}, err
	}
	var shipped partial
	return step{
		begin: func(t *engine.Tx) error {
			row, o, err := c.settled(t)
			if err != nil {
				return err
			}
			if len(q.texts) > 0 && o.Shipment == nil {
				o.Shipment = map[string]string{}
			}
			for name, text := range q.texts {
				o.Shipment[name] = text
			}
			switch {
			case q.ships:
				shipped, err = c.api.shipPart(t, &row, &o, q.amount)
				return err
			case q.status == "shipped":
				return c.api.ship(t, &row, &o)
			case q.status == "cancelled", q.exclude:
				return c.api.cancel(t, &row, &o)
			}
			return c.api.saveOrder(t, &row, &o)
		},
		finish: func(t *engine.Tx) (any, error) {
			if !q.ships {
				return value.Object{}, nil
			}
			if err := happened(t, shipped); err != nil {
				return nil, err
			}
			return value.Object{"order_id": shipped.OrderID, "transaction_id": number(shipped.PSP)}, nil
		},
	}, nil
}

// ship marks an order as sent (reference §5). What the payer pays for later is
// captured with it.
func (a *API) ship(t *engine.Tx, row *resource.Row, o *order) error {
	status, _, err := a.in(t).statuses(o)
	if err != nil {
		return err
	}
	switch status {
	case "initialized":
		return refusef(codeOrder, "an order that is not paid cannot be shipped")
	case "completed", "uncleared", "reserved":
	default:
		return a.saveOrder(t, row, o) // shipped already, or over
	}
	o.Shipped = true
	_, tx, p, err := a.open(t, o)
	if err != nil {
		return err
	}
	if g, _ := findGateway(tx.Gateway); g.Kind == later && p.State() == payment.Authorized {
		if p.CapturedAmount().Minor > 0 {
			_, err := a.shipPart(t, row, o, p.HeldAmount().Minor)
			return err
		}
		if err := a.saveOrder(t, row, o); err != nil {
			return err
		}
		return capture(t, p) // Tell does the rest
	}
	return a.changed(t, row, o, false)
}

// open loads an order's current transaction and locks its payment.
func (a *API) open(t *engine.Tx, o *order) (resource.Row, transaction, *payment.Payment, error) {
	row, tx, err := transactionOf(t, o.Current)
	if err != nil {
		return row, tx, nil, err
	}
	p, err := t.LoadPayment(row.Payment)
	return row, tx, p, err
}

// cancel ends an order that is not paid: its link is dead, and what is held goes
// back to the payer (reference §5).
func (a *API) cancel(t *engine.Tx, row *resource.Row, o *order) error {
	status, _, err := a.in(t).statuses(o)
	if err != nil {
		return err
	}
	if o.Current == "" {
		if o.Ended == sessionOpen {
			o.Ended = sessionCancelled
		}
		return a.changed(t, row, o, false)
	}
	_, _, p, err := a.open(t, o)
	if err != nil {
		return err
	}
	if o.hosted() && o.Ended == sessionOpen {
		o.Ended = sessionCancelled
	}
	switch {
	case p.CapturedAmount().Minor > 0 && p.State() == payment.Authorized:
		return refusef(codeRefund, "a part of the order is captured; let the rest go with PATCH /capture, and refund that part")
	case p.State().Waiting():
		if err := a.saveOrder(t, row, o); err != nil {
			return err
		}
		return t.Void(p) // Tell does the rest
	case p.State() == payment.Captured && status != "refunded" && status != "chargedback":
		return refusef(codeRefund, "the order is paid; refund it instead")
	}
	return a.saveOrder(t, row, o) // over already
}

// fileTypes are the documents that contest a chargeback can have.
var fileTypes = []string{"PDF", "JPEG", "PNG", "CHARGEBACK"}

// kindFile is a document about an order.
const kindFile = Name + ".file"

type file struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Type        string `json:"type"`
	Content     []byte `json:"content"`
}

// attachFile answers POST /orders/{id}/files.
func attachFile(c *call) (step, error) {
	typ, ok := c.body.Get("type").Text()
	if !ok || !slices.Contains(fileTypes, strings.ToUpper(typ)) {
		return step{}, refusef(codeMissing, "type can be PDF, JPEG or PNG")
	}
	encoded, ok := c.body.Get("base64").Text()
	content, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(content) == 0 {
		return step{}, refusef(codeMissing, "base64 must be the file's content in base64")
	}
	f := file{Type: strings.ToUpper(typ), Content: content}
	if f.Name, err = short("name", c.body.Get("name")); err != nil {
		return step{}, err
	}
	if f.Description, err = short("description", c.body.Get("description")); err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			row, o, err := c.api.in(t).orderRow(c.path["order"])
			if err != nil {
				return err
			}
			return t.InsertResource(c.api.newRow(t, kindFile, t.NewID("file_"), "", f, resource.Key{Name: "order", Value: row.ID}, resource.Key{Name: "order_id", Value: o.OrderID}))
		},
		finish: func(*engine.Tx) (any, error) { return value.Object{}, nil },
	}, nil
}
