package antom

import (
	"errors"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// payment finds a payment by paymentId, which wins, or by paymentRequestId.
func (c *call) payment(r store.Reader, paymentID, account, requestID string) (resource.Row, paymentBody, error) {
	missing := refuse("ORDER_NOT_EXIST", "There is no such payment.")
	name := rowID(c.client.id, account, requestID)
	if paymentID != "" {
		p, err := r.Payment(paymentID)
		if errors.Is(err, store.ErrNotFound) || err == nil && p.Front != Name {
			return resource.Row{}, paymentBody{}, missing
		}
		if err != nil {
			return resource.Row{}, paymentBody{}, err
		}
		name = p.Owner
	}
	row, err := r.Resource(kindPayment, name)
	if errors.Is(err, store.ErrNotFound) {
		return row, paymentBody{}, missing
	}
	if err != nil {
		return row, paymentBody{}, err
	}
	b, err := decodeBody[paymentBody](row)
	if err == nil && b.Client != c.client.id {
		err = missing
	}
	return row, b, err
}

// named reads the two ids by which a payment can be named.
func (c *call) named() (paymentID, account, requestID string, err error) {
	f := c.in
	paymentID, requestID, account = f.text("paymentId", 64), f.text("paymentRequestId", 64), f.text("merchantAccountId", 64)
	if paymentID == "" && requestID == "" {
		f.bad("paymentId", "it is missing, and so is paymentRequestId; one of them is needed.")
	}
	return paymentID, account, requestID, f.failed()
}

// inquirePayment applies an overdue deadline before it answers: an answer must
// not depend on whether a timer has fired.
func inquirePayment(c *call) (step, error) {
	paymentID, account, requestID, err := c.named()
	if err != nil {
		return step{}, err
	}
	var row resource.Row
	var b paymentBody
	return step{
		begin: func(t *engine.Tx) (err error) {
			if row, b, err = c.payment(t, paymentID, account, requestID); err != nil {
				return err
			}
			switch b.Scenario {
			case "9904":
				c.abort = true
				fallthrough
			case "9903":
				return refuse("UNKNOWN_EXCEPTION", "The outcome is not known; repeat the same request.")
			}
			p, err := t.LoadPayment(row.Payment)
			if err != nil {
				return err
			}
			_, err = t.Lapse(p)
			return err
		},
		finish: func(t *engine.Tx) (object, error) { return c.api.in(t).inquiry(row, b) },
	}, nil
}

func (v *view) inquiry(row resource.Row, b paymentBody) (object, error) {
	p, err := v.Payment(row.Payment)
	if err != nil {
		return nil, err
	}
	state, code := status(b, &p)
	facts, err := v.facts(b, &p)
	if err != nil {
		return nil, err
	}
	out := append(object{{"result", success()}, {"paymentStatus", state}, {"paymentResultCode", code}, {"paymentResultMessage", wordsFor(code)}}, facts...)
	out = append(out, member{"paymentMethodType", wireName(p.Method)}, member{"merchantAccountId", b.Account}, member{"metadata", b.Metadata}, member{"customizedInfo", b.Customized})
	rs, err := v.Refunds(p.ID)
	if err != nil {
		return nil, err
	}
	var transactions []object
	for i := range rs {
		if rs[i].ID == b.Reversal {
			continue
		}
		o, err := v.transaction(&rs[i], b)
		if err != nil {
			return nil, err
		}
		transactions = append(transactions, o)
	}
	return append(out, member{"transactions", transactions}), nil
}
