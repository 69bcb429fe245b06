package multisafepay

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// relatedMax bounds the parts of an authorisation that are captured.
const relatedMax = 100

// partial is a partial capture that has been asked for: what it will be called when
// it is told. It waits in its payment's transaction.
type partial struct {
	PSP         string `json:"psp"`
	OrderID     string `json:"order_id"`
	Description string `json:"description"`
}

// captureRequest is what POST /orders/{id}/capture asks for.
type captureRequest struct {
	amount      int64 // 0: all that is held
	orderID     string
	description string
}

func decodeCapture(v value.Value) (q captureRequest, err error) {
	var ok bool
	if q.amount, ok = v.Get("amount").Int(); !ok && v.Get("amount").Present() || q.amount < 0 {
		return q, refuse(codeAmount)
	}
	if q.orderID, ok = v.Get("new_order_id").Text(); !ok || q.orderID != "" && !validID(q.orderID) {
		return q, refuse(codeOrder)
	}
	if q.description, ok = v.Get("description").Text(); !ok || utf8.RuneCountInString(plain(q.description)) > descriptionMax {
		return q, refuse(codeDescription)
	}
	q.description = plain(q.description)
	return q, nil
}

// captureOrder answers POST /orders/{id}/capture (reference §7): all at once
// under the order's own id, or a part, which is an order of its own.
func captureOrder(c *call) (step, error) {
	q, err := decodeCapture(c.body)
	if err != nil {
		return step{}, err
	}
	var answered partial
	return step{
		begin: func(t *engine.Tx) error {
			row, o, p, err := c.authorised(t)
			if err != nil {
				return err
			}
			q, held := q, p.HeldAmount().Minor
			if q.amount == 0 {
				q.amount = held
			}
			if q.amount > held {
				return refuse(codeAmount)
			}
			if q.amount == p.Amount.Minor {
				answered = partial{PSP: o.Current, OrderID: o.OrderID}
				if err := c.api.saveOrder(t, &row, &o); err != nil {
					return err
				}
				return capture(t, p)
			}
			if q.orderID != "" && q.orderID != o.OrderID {
				if err := c.api.claim(t, q.orderID); err != nil { // of two at once, one finds it used
					return err
				}
				if _, err := c.api.unused(t, q.orderID); err != nil {
					return err
				}
			}
			answered, err = c.api.capturePart(t, &row, &o, p, q)
			return err
		},
		finish: func(t *engine.Tx) (any, error) {
			if err := happened(t, answered); err != nil {
				return nil, err
			}
			return value.Object{"transaction_id": number(answered.PSP), "order_id": answered.OrderID}, nil
		},
	}, nil
}

// happened refuses a capture that was refused by whoever holds the money.
func happened(t *engine.Tx, asked partial) error {
	row, tx, err := transactionOf(t, asked.PSP)
	if err == nil && tx.Type == txPayment {
		var p *payment.Payment
		if p, err = t.LoadPayment(row.Payment); err == nil && p.State() != payment.Captured {
			err = store.ErrNotFound
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return &wireError{status: 404, code: codeDeclined, text: titles[codeDeclined], keep: true}
	}
	return err
}

// authorised finds an order whose payment is authorised and waits to be
// captured.
func (c *call) authorised(t *engine.Tx) (resource.Row, order, *payment.Payment, error) {
	row, o, err := c.settled(t)
	if err != nil {
		return row, o, nil, err
	}
	if o.Current == "" {
		return row, o, nil, refuse(codeOrder)
	}
	_, _, p, err := c.api.open(t, &o)
	if err == nil && p.State() != payment.Authorized {
		err = refuse(codeOrder)
	}
	return row, o, p, err
}

// capture takes all that is held.
func capture(t *engine.Tx, p *payment.Payment) error {
	proof, ok := p.Capturable(t.At)
	if !ok {
		return refuse(codeOrder)
	}
	return t.Capture(p, proof, "capture:"+p.Attempt.ID, p.HeldAmount())
}

// capturePart takes a part of what is held. When it is told, it becomes a
// transaction and, under an id of its own, an order.
func (a *API) capturePart(t *engine.Tx, row *resource.Row, o *order, p *payment.Payment, q captureRequest) (partial, error) {
	proof, ok := p.Capturable(t.At)
	if !ok {
		return partial{}, refuse(codeOrder)
	}
	txRow, tx, err := transactionOf(t, o.Current)
	if err != nil {
		return partial{}, err
	}
	if len(o.Related) >= relatedMax {
		return partial{}, refusef(codeOrder, "at most %d parts and refunds", relatedMax)
	}
	next := partial{PSP: a.newPSP(t.At), OrderID: q.orderID, Description: q.description}
	if next.OrderID == "" {
		next.OrderID = o.OrderID
	}
	if next.Description == "" {
		next.Description = o.Description
	}
	tx.Part = &next
	txRow.Body = resource.Encode(tx)
	if err := t.UpdateResource(txRow); err != nil {
		return partial{}, err
	}
	if err := a.saveOrder(t, row, o); err != nil {
		return partial{}, err
	}
	return next, t.CapturePart(p, proof, "capture:"+next.PSP, money.Of(q.amount, o.Currency))
}

// partTold writes what a partial capture is: a transaction related to the order,
// and an order of its own if it has an id of its own.
func (a *API) partTold(t *engine.Tx, f event.Fact, p *payment.Payment, tx *transaction, o *order) error {
	if tx.Part == nil {
		return nil
	}
	child := transaction{
		Type: txCapture, Order: tx.Order, OrderID: tx.Part.OrderID, Parent: p.Owner, Gateway: tx.Gateway, Currency: tx.Currency, Amount: f.Amount.Minor,
		Description: tx.Part.Description, Completed: t.At, Modified: t.At, Plastic: tx.Plastic,
	}
	psp := tx.Part.PSP
	tx.Part = nil
	o.Related = append(o.Related, psp)
	if child.OrderID != o.OrderID {
		own := order{
			OrderID: child.OrderID, Type: typeCapture, Of: tx.Order, Current: psp, Gateway: o.Gateway, Currency: o.Currency, Amount: child.Amount,
			Description: child.Description, Modified: t.At, Status: "completed", Financial: "completed",
		}
		if err := t.InsertResource(a.newRow(t, kindOrder, psp, p.ID, own, resource.Key{Name: "order_id", Value: own.OrderID})); err != nil {
			return err
		}
	}
	return t.InsertResource(a.newRow(t, kindTransaction, psp, p.ID, child, resource.Key{Name: "order_id", Value: child.OrderID}))
}

// restTold notes that what was left of an authorisation went back to the payer.
func (a *API) restTold(t *engine.Tx, f event.Fact, p *payment.Payment, tx *transaction, o *order) error {
	why := map[string]string{string(event.Expired): "expired", string(event.CaptureDeclined): "was refused"}[f.Reason]
	if why == "" {
		why = "was cancelled"
	}
	psp := a.newPSP(t.At)
	tx.Part = nil
	o.Related = append(o.Related, psp)
	child := transaction{
		Type: txRelease, Order: tx.Order, OrderID: o.OrderID, Parent: p.Owner, Gateway: tx.Gateway, Currency: tx.Currency, Amount: f.Amount.Minor,
		Description: fmt.Sprintf("The rest of order %s %s", o.OrderID, why), Modified: t.At,
	}
	return t.InsertResource(a.newRow(t, kindTransaction, psp, p.ID, child, resource.Key{Name: "order_id", Value: child.OrderID}))
}

// cancelCapture answers PATCH /capture/{id}: what is left of an authorisation
// goes back. When nothing is left, nothing happens.
func cancelCapture(c *call) (step, error) {
	status, ok := c.body.Get("status").Text()
	if !ok || !strings.EqualFold(status, "cancelled") {
		return step{}, refusef(codeMissing, "status can be cancelled")
	}
	var psp, orderID string
	return step{
		begin: func(t *engine.Tx) error {
			_, o, err := c.settled(t)
			if err != nil {
				return err
			}
			if !o.Manual || o.Current == "" {
				return refuse(codeOrder)
			}
			orderID, psp = o.OrderID, o.Current
			_, _, p, err := c.api.open(t, &o)
			if err != nil {
				return err
			}
			switch p.State() {
			case payment.Authorized:
				return t.Void(p)
			case payment.Captured:
				return nil
			}
			return refuse(codeOrder)
		},
		finish: func(*engine.Tx) (any, error) {
			return value.Object{"transaction_id": number(psp), "order_id": orderID, "success": true}, nil
		},
	}, nil
}

// shipPart answers a PATCH that ships a part of what the payer pays for later:
// that part is captured, as a case of its own (reference §5).
func (a *API) shipPart(t *engine.Tx, row *resource.Row, o *order, amount int64) (partial, error) {
	if o.Current == "" {
		return partial{}, refusef(codeOrder, "an order that is not paid cannot be shipped")
	}
	_, tx, p, err := a.open(t, o)
	if err != nil {
		return partial{}, err
	}
	if g, _ := findGateway(tx.Gateway); g.Kind != later {
		return partial{}, refusef(codeMissing, "partial_shipment_amount: only what the payer pays for later is shipped in parts")
	}
	held := p.HeldAmount().Minor
	switch {
	case p.State() != payment.Authorized:
		return partial{}, refusef(codeOrder, "nothing is left to ship")
	case amount < 1 || amount > held:
		return partial{}, refuse(codeAmount)
	}
	cases := 1
	for _, psp := range o.Related {
		_, child, err := transactionOf(t, psp)
		if err != nil {
			return partial{}, err
		}
		if child.Type == txCapture {
			cases++
		}
	}
	o.Shipped = amount == held
	return a.capturePart(t, row, o, p, captureRequest{amount: amount, orderID: fmt.Sprintf("case-%s-%04d", row.ID, cases)})
}
