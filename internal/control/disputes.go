package control

import (
	"net/http"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/payment"
)

// openDispute raises a dispute, as a payer who complains would.
func (a *API) openDispute(r *http.Request, id int64) (any, error) {
	var q struct {
		ID      string `json:"id"`
		Reason  string `json:"reason"`
		Amount  int64  `json:"amount"`
		Inquiry bool   `json:"inquiry"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if q.Amount < 0 {
		return nil, fault.New(fault.Invalid, "bad_dispute", "amount is in minor units and cannot be negative; leave it out for all that is left.")
	}
	var v any
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		paymentID, err := a.front.PaymentOf(t, q.ID)
		if err != nil {
			return err
		}
		p, err := t.LoadPayment(paymentID)
		if err != nil {
			return err
		}
		if err := a.front.CheckDispute(p.Method, q.Inquiry, q.Reason); err != nil {
			return err
		}
		open := t.OpenDispute
		if q.Inquiry {
			open = t.OpenInquiry
		}
		d, err := open(p, q.Amount, q.Reason)
		if err == nil {
			v = a.disputeView(d)
		}
		return err
	})
	return v, err
}

func (a *API) disputeView(d *payment.Dispute) any {
	return map[string]any{"id": a.front.DisputeID(d.ID), "state": d.State().String(), "amount": d.Amount.Minor, "answer_until": d.Deadline}
}

// escalateInquiry makes an inquiry a dispute, as whoever asked would.
func (a *API) escalateInquiry(r *http.Request, id int64) (any, error) {
	var q struct {
		ID string `json:"id"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	return a.withDispute(r, id, q.ID, (*engine.Tx).EscalateInquiry)
}

// closeDispute decides a dispute, as the wallet would.
func (a *API) closeDispute(r *http.Request, id int64) (any, error) {
	var q struct {
		ID      string `json:"id"`
		Outcome string `json:"outcome"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if q.Outcome != "won" && q.Outcome != "lost" && q.Outcome != "closed" {
		return nil, fault.Newf(fault.Invalid, "bad_dispute", "outcome: %q; possible are won and lost, and closed for an inquiry.", q.Outcome)
	}
	return a.withDispute(r, id, q.ID, func(t *engine.Tx, p *payment.Payment, d *payment.Dispute) error {
		if d.State().Inquiry() != (q.Outcome == "closed") && !d.State().Over() {
			return fault.New(fault.Invalid, "bad_dispute", "A dispute is won or lost; an inquiry is closed, or escalated first.")
		}
		if q.Outcome == "closed" {
			return t.CloseInquiry(p, d)
		}
		return t.CloseDispute(p, d, q.Outcome == "won")
	})
}

// withDispute changes the dispute behind an id and answers with it.
func (a *API) withDispute(r *http.Request, id int64, name string, change func(t *engine.Tx, p *payment.Payment, d *payment.Dispute) error) (any, error) {
	var v any
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		paymentID, err := a.front.PaymentOf(t, name)
		if err != nil {
			return err
		}
		p, err := t.LoadPayment(paymentID)
		if err != nil {
			return err
		}
		if p.Disputed() == "" {
			return fault.New(fault.NotFound, "no_dispute", "The payment is not disputed.")
		}
		d, err := t.Dispute(p.Disputed())
		if err != nil {
			return err
		}
		if err := change(t, p, &d); err != nil {
			return err
		}
		v = a.disputeView(&d)
		return nil
	})
	return v, err
}
