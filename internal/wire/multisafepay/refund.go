package multisafepay

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// repeatWithin is how long the same amount cannot be refunded again, so that a
// button pressed twice pays once (reference §6.1).
const repeatWithin = 5 * time.Minute

// refundRequest is what POST /orders/{id}/refunds asks for.
type refundRequest struct {
	currency    money.Currency
	amount      int64 // 0: all that is left
	description string
	orderID     string // "": the order's
	vars        [3]string
	cart        value.Value
}

func decodeRefund(v value.Value) (refundRequest, error) {
	var q refundRequest
	code, _ := v.Get("currency").Text()
	c, ok := money.ParseCurrency(code)
	if !ok {
		return q, refuse(codeCurrency)
	}
	q.currency = c
	if a := v.Get("amount"); a.Present() {
		if q.amount, ok = a.Int(); !ok || q.amount < 0 {
			return q, refuse(codeAmount)
		}
	}
	if q.description, ok = v.Get("description").Text(); !ok || utf8.RuneCountInString(plain(q.description)) > descriptionMax {
		return q, refuse(codeDescription)
	}
	q.description = plain(q.description)
	if q.orderID, ok = v.Get("refund_order_id").Text(); !ok || q.orderID != "" && !validID(q.orderID) {
		return q, refuse(codeOrder)
	}
	for i := range q.vars {
		if q.vars[i], ok = v.Get(fmt.Sprintf("var%d", i+1)).Text(); !ok || utf8.RuneCountInString(q.vars[i]) > variableMax {
			return q, refuse(codeVariable)
		}
	}
	q.cart = v.Get("checkout_data")
	return q, nil
}

// createRefund answers POST /orders/{id}/refunds.
func createRefund(c *call) (step, error) {
	q, err := decodeRefund(c.body)
	if err != nil {
		return step{}, err
	}
	var psp, paid, orderID string
	return step{
		begin: func(t *engine.Tx) error {
			row, o, err := c.settled(t)
			if err != nil {
				return err
			}
			orderID, paid = o.OrderID, o.Current
			psp, err = c.api.refund(t, row, &o, q)
			return err
		},
		finish: func(*engine.Tx) (any, error) {
			return value.Object{"transaction_id": number(paid), "refund_id": number(psp), "order_id": orderID}, nil
		},
	}, nil
}

// refund sends money of an order's current transaction back.
func (a *API) refund(t *engine.Tx, row resource.Row, o *order, q refundRequest) (psp string, err error) {
	if o.Current == "" {
		return "", refuse(codeRefund)
	}
	txRow, tx, err := transactionOf(t, o.Current)
	if err != nil {
		return "", err
	}
	p, err := t.LoadPayment(txRow.Payment)
	if err != nil {
		return "", err
	}
	if q.currency != o.Currency {
		return "", refuse(codeCurrency)
	}
	amount, err := q.wanted(tx, p)
	if err != nil {
		return "", err
	}
	if err := a.notRepeated(t, o, amount); err != nil {
		return "", err
	}
	proof, ok := p.Refundable(money.Of(amount, o.Currency))
	if !ok {
		return "", refuse(codeRefund)
	}
	psp = a.newPSP(t.At)
	child := transaction{
		Type: txRefund, Order: row.ID, OrderID: o.OrderID, Parent: txRow.ID, Gateway: tx.Gateway, Currency: tx.Currency, Amount: amount,
		Description: q.description, Vars: q.vars, Modified: t.At,
	}
	if q.orderID != "" {
		child.OrderID = q.orderID
	}
	if child.Description == "" {
		child.Description = fmt.Sprintf("Refund order %s for %s", txRow.ID, siteName(t.Who))
	}
	_, err = t.RefundPayment(p, proof, "ref_", func(r *payment.Refund) error {
		child.Refund = r.ID
		if err := t.InsertResource(a.newRow(t, kindTransaction, psp, p.ID, child, resource.Key{Name: "order_id", Value: child.OrderID}, resource.Key{Name: "refund", Value: r.ID})); err != nil {
			return err
		}
		o.Related = append(o.Related, psp)
		if err := a.saveOrder(t, &row, o); err != nil || child.OrderID == o.OrderID {
			return err
		}
		return a.refundOrder(t, p, psp, child, o)
	})
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind == fault.Conflict {
		return "", refusef(codeRefund, "%s", f.Message)
	}
	return psp, err
}

// refundOrder makes a refund with an id of its own an order, which can be fetched
// and about which the merchant is notified (reference §6.2, §12.6). An id that is
// used already stays with whose it is.
func (a *API) refundOrder(t *engine.Tx, p *payment.Payment, psp string, child transaction, o *order) error {
	_, err := a.unused(t, child.OrderID)
	if _, used := errors.AsType[*wireError](err); used {
		return nil
	}
	if err != nil {
		return err
	}
	own := order{
		OrderID: child.OrderID, Type: typeRefund, Of: child.Order, Current: psp, Gateway: o.Gateway, Currency: o.Currency, Amount: child.Amount,
		Description: child.Description, Options: options{Notification: o.Options.Notification, Post: o.Options.Post}, Key: o.Key, Modified: t.At,
		Status: "reserved", Financial: "reserved",
	}
	row := a.newRow(t, kindOrder, psp, p.ID, own, resource.Key{Name: "order_id", Value: own.OrderID})
	if err := t.InsertResource(row); err != nil {
		return err
	}
	return a.notify(t, &row, &own, t.At)
}

// wanted is the amount to refund: what was asked for; for methods that are paid
// later the negative lines of the cart decide, if there are any (reference §6.1);
// else all that is left.
func (q refundRequest) wanted(tx transaction, p *payment.Payment) (int64, error) {
	left := p.CapturedAmount().Sub(p.RefundedAmount()).Minor
	amount := q.amount
	if g, _ := findGateway(tx.Gateway); g.Kind == later && q.cart.Present() {
		mirrored, err := q.mirrored()
		if err != nil {
			return 0, err
		}
		if mirrored > 0 {
			amount = mirrored
		}
	}
	if amount == 0 {
		amount = left
	}
	if amount < 1 || amount > left {
		return 0, refuse(codeRefund)
	}
	return amount, nil
}

// mirrored sums the lines of a cart that go back: those with a negative price or
// quantity.
func (q refundRequest) mirrored() (int64, error) {
	r := request{order: order{Currency: q.currency}}
	tables, err := readTables(q.cart.Get("tax_table"))
	if err != nil {
		return 0, err
	}
	items, ok := q.cart.Get("items").Items()
	if !ok && q.cart.Get("items").Present() || len(items) > itemsMax {
		return 0, refusef(codeMissing, "checkout_data.items must be a list of at most %d items", itemsMax)
	}
	var sum int64
	for _, item := range items {
		line, rate, err := r.readItem(item, tables, map[string]bool{})
		if err != nil {
			return 0, err
		}
		if line.Sign() < 0 {
			back := line.Neg(line)
			sum += minor(back, q.currency)
			sum += minor(back.Mul(back, rate), q.currency)
		}
	}
	return sum, nil
}

// notRepeated refuses the same amount within five minutes.
func (a *API) notRepeated(t *engine.Tx, o *order, amount int64) error {
	for i := len(o.Related) - 1; i >= 0; i-- {
		row, tx, err := transactionOf(t, o.Related[i])
		if err != nil {
			return err
		}
		if tx.Type != txRefund || t.At.Sub(row.Created) >= repeatWithin {
			continue
		}
		status, err := a.in(t).childStatus(tx)
		if err != nil {
			return err
		}
		if tx.Amount == amount && status != "void" && status != "declined" {
			return refusef(codeRefund, "the same amount was refunded less than five minutes ago")
		}
	}
	return nil
}

// refundRowOf finds the transaction of a refund of the core.
func refundRowOf(r store.Reader, refundID string) (resource.Row, transaction, error) {
	row, err := r.ResourceBy(kindTransaction, "refund", refundID)
	if err != nil {
		return row, transaction{}, err
	}
	tx, err := resource.Decode[transaction](row)
	return row, tx, err
}

// refundTold is told that a refund has begun: its row was written with it.
func (a *API) refundTold(t *engine.Tx, r *payment.Refund) error {
	_, _, err := refundRowOf(t, r.ID)
	return err
}

// refundDecided notes when a refund came to its end.
func (a *API) refundDecided(t *engine.Tx, r *payment.Refund) error {
	row, tx, err := refundRowOf(t, r.ID)
	if err != nil {
		return err
	}
	tx.Modified = t.At
	tx.Completed = time.Time{} // also of one that came back
	if r.State() == payment.RefundSucceeded {
		tx.Completed = t.At
	}
	row.Body = resource.Encode(tx)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	own, err := t.Resource(kindOrder, row.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it is known by the order's id
	}
	if err != nil {
		return err
	}
	o, err := orderOf(own)
	if err != nil {
		return err
	}
	return a.changed(t, &own, &o, false)
}

// updateRefund answers PATCH /orders/{id}/refunds/{refund}: a refund that has
// not been passed on can be made void (reference §6.3).
func updateRefund(c *call) (step, error) {
	status, ok := c.body.Get("status").Text()
	if !ok || !strings.EqualFold(status, "void") {
		return step{}, refusef(codeMissing, "status can be void")
	}
	return step{
		begin: func(t *engine.Tx) error {
			row, o, err := c.api.in(t).orderRow(c.path["order"])
			if err != nil {
				return err
			}
			_, tx, err := transactionOf(t, c.path["refund"])
			if errors.Is(err, store.ErrNotFound) || err == nil && (tx.Type != txRefund || tx.Order != row.ID) {
				return refuse(codeOrder)
			}
			if err != nil {
				return err
			}
			r, err := t.Refund(tx.Refund)
			if err != nil {
				return err
			}
			_, paid, err := transactionOf(t, o.Current)
			if err != nil {
				return err
			}
			if paid.Order != row.ID {
				return refuse(codeOrder)
			}
			p, err := t.LoadPayment(r.Payment)
			if err != nil {
				return err
			}
			if err := t.CancelRefund(p, &r); fault.KindOf(err) == fault.Conflict {
				return refusef(codeRefund, "the refund can no longer be cancelled")
			} else if err != nil {
				return err
			}
			return nil
		},
		finish: func(*engine.Tx) (any, error) { return value.Object{}, nil },
	}, nil
}

// listRefunds answers GET /orders/{id}/refunds, which some connectors call.
func listRefunds(c *call) (any, error) {
	list := []any{}
	err := c.view(func(v *view) error {
		_, o, err := v.orderRow(c.path["order"])
		if err != nil {
			return err
		}
		for _, psp := range o.Related {
			row, tx, err := transactionOf(v, psp)
			if err != nil {
				return err
			}
			if tx.Type != txRefund {
				continue
			}
			status, err := v.childStatus(tx)
			if err != nil {
				return err
			}
			list = append(list, value.Object{
				"transaction_id": number(row.ID), "refund_id": number(row.ID), "order_id": tx.OrderID, "amount": tx.Amount, "currency": tx.Currency,
				"status": status, "financial_status": status, "created": stamp(row.Created), "modified": stamp(tx.Modified), "description": tx.Description,
			})
		}
		return nil
	})
	return list, err
}

// disputeTold adds a chargeback, or its reversal, to an order.
func (a *API) disputeTold(t *engine.Tx, f event.Fact, p *payment.Payment, paid transaction, o *order) error {
	typ, what := txDispute, "Chargeback"
	if f.Kind == event.DisputeWon {
		typ, what = txUndispute, "Reversed chargeback"
	}
	psp := a.newPSP(t.At)
	child := transaction{
		Type: typ, Order: paid.Order, OrderID: o.OrderID, Parent: p.Owner, Dispute: p.Dispute(), Gateway: paid.Gateway, Currency: paid.Currency,
		Amount: f.Amount.Minor, Description: fmt.Sprintf("%s of order %s", what, o.OrderID), Completed: t.At, Modified: t.At,
	}
	o.Related = append(o.Related, psp)
	return t.InsertResource(a.newRow(t, kindTransaction, psp, p.ID, child, resource.Key{Name: "order_id", Value: o.OrderID}))
}
