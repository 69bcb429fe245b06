package multisafepay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// Name implements engine.Front and webhook.Front.
func (a *API) Name() string { return Name }

// Tell writes what must be written with a fact: what the transaction's row
// knows of it, the order's statuses, and the notification about them.
func (a *API) Tell(t *engine.Tx, f event.Fact, p *payment.Payment, r *payment.Refund) error {
	txRow, tx, err := transactionOf(t, p.Owner)
	if err != nil {
		return err
	}
	row, err := t.Resource(kindOrder, tx.Order)
	if err != nil {
		return err
	}
	o, err := orderOf(row)
	if err != nil {
		return err
	}
	force := false
	switch f.Kind {
	case event.Authorized:
		if tx.Completed.IsZero() {
			tx.Completed = t.At
		}
		if err := a.issueToken(t, &tx, &o); err != nil {
			return err
		}
		err = a.closeSiblings(t, row.ID, &o)
	case event.Captured:
		if err := a.partTold(t, f, p, &tx, &o); err != nil {
			return err
		}
		if err := a.shareOut(t, p, &tx, &o); err != nil {
			return err
		}
		force = p.State() != payment.Captured
		err = a.capturedFact(t, f, row, &tx)
	case event.RestLetGo:
		if err := a.shareOut(t, p, &tx, &o); err != nil {
			return err
		}
		err = a.restTold(t, f, p, &tx, &o)
		force = true
	case event.RefundCreated:
		err = a.refundTold(t, r)
		force = true
	case event.RefundSucceeded, event.RefundFailed:
		err = a.refundDecided(t, r)
		force = true
	case event.DisputeOpened, event.DisputeEscalated, event.DisputeWon:
		err = a.disputeTold(t, f, p, tx, &o)
	case event.Declined, event.CaptureDeclined, event.Expired, event.Voided:
		tx.Review = false
	case event.ActionNeeded, event.DisputeAnswered, event.DisputeLost, event.InquiryOpened, event.InquiryClosed:
		return nil
	}
	if err != nil {
		return err
	}
	tx.Modified = t.At
	txRow.Body = resource.Encode(tx)
	if err := t.UpdateResource(txRow); err != nil {
		return err
	}
	// With automatic capture the capture follows at once, and is what is told.
	if f.Kind == event.Authorized && p.AutoCapture || f.Kind == event.Voided && o.Current != p.Owner {
		return a.saveOrder(t, &row, &o)
	}
	return a.changed(t, &row, &o, force)
}

// TellMerchant implements engine.Front: nothing is sent about funds that become
// available; transactions that were unsettled until then have a timer of their
// own.
func (a *API) TellMerchant(*engine.Tx, event.Fact) error { return nil }

func transactionOf(r store.Reader, psp string) (resource.Row, transaction, error) {
	row, err := r.Resource(kindTransaction, psp)
	if err != nil {
		return row, transaction{}, err
	}
	tx, err := resource.Decode[transaction](row)
	return row, tx, err
}

func (a *API) capturedFact(t *engine.Tx, f event.Fact, row resource.Row, tx *transaction) error {
	tx.Fee, tx.Review = tx.Fee+f.Fee.Minor, false
	tx.Completed = t.At
	if g, _ := findGateway(tx.Gateway); g.Tentative {
		tx.SettlesAt = f.Due
	} else if seconds, err := strconv.ParseInt(t.Who.Profile.Settings[settingSettleAfter], 10, 64); err == nil && seconds > 0 && g.ID == "ALIPAY" {
		tx.SettlesAt = t.At.Add(time.Duration(seconds) * time.Second)
	}
	if tx.SettlesAt.IsZero() {
		return nil
	}
	return t.Job("order:settled:"+row.ID, JobOrder, tx.SettlesAt, orderPayload{row.ID})
}

// closeSiblings ends everything else that could still be paid under an order
// id, when one has been (reference §3.11).
func (a *API) closeSiblings(t *engine.Tx, paid string, o *order) error {
	rows, err := t.Resources(store.List{Kind: kindOrder, Key: "order_id", Value: o.OrderID, Limit: siblingsMax})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ID == paid {
			continue
		}
		other, err := orderOf(row)
		if err != nil {
			return err
		}
		status, _, err := a.in(t).statuses(&other)
		if err != nil {
			return err
		}
		if taken(status) || other.Closed {
			continue
		}
		// The merchant hears of the order that was paid, not of its siblings:
		// they have the same id.
		other.Closed = true
		if other.Ended == sessionOpen {
			other.Ended = sessionCancelled
		}
		if err := a.saveOrder(t, &row, &other); err != nil {
			return err
		}
		if err := a.giveUp(t, other.Current); err != nil {
			return err
		}
	}
	return nil
}

// Jobs of this dialect.
const (
	// JobOrder looks at an order whose statuses change because time has passed:
	// its session ends, or a payment counts as settled.
	JobOrder = "multisafepay.order"
)

type orderPayload struct {
	Order string `json:"order"`
}

// runOrder does what has fallen due about an order.
func (a *API) runOrder(t *engine.Tx, id string) error {
	row, err := t.Resource(kindOrder, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	o, err := orderOf(row)
	if err != nil {
		return err
	}
	if err := a.settle(t, &row, &o); err != nil {
		return err
	}
	return a.changed(t, &row, &o, false)
}

// ReturnTo implements engine.Front.
func (a *API) ReturnTo(r store.Reader, p payment.Payment) (string, []engine.Detail, error) {
	m, err := r.Merchant()
	if err != nil {
		return "", nil, err
	}
	_, tx, err := transactionOf(r, p.Owner)
	if err != nil {
		return "", nil, err
	}
	row, err := r.Resource(kindOrder, tx.Order)
	if err != nil {
		return "", nil, err
	}
	o, err := orderOf(row)
	if err != nil {
		return "", nil, err
	}
	v := &view{Reader: r, api: a, merchant: m, at: m.Now(a.engine.Clock.Now())}
	f, err := v.paymentFacts(facts{}, tx, p)
	if err != nil {
		return "", nil, err
	}
	status, _ := project(f)
	return o.returnURL(status), []engine.Detail{
		{Label: "Order", Value: o.OrderID}, {Label: "Method", Value: tx.Gateway}, {Label: "Description", Value: o.Description}, {Label: "Amount", Value: fmt.Sprint(o.Amount)}, {Label: "Currency", Value: string(o.Currency)},
	}, nil
}

// returnURL is where the payer goes from a status: success for everything that
// is or may become a payment, failure otherwise (reference §11). "" means a page
// of ours.
func (o *order) returnURL(status string) string {
	if taken(status) || status == "initialized" {
		return withParameter(o.Options.Redirect, "transactionid", o.OrderID)
	}
	return withParameter(o.Options.Cancel, "transactionid", o.OrderID)
}

// Run does one of this dialect's jobs.
func (a *API) Run(ctx context.Context, j store.Job) error {
	var pl orderPayload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	return a.engine.Update(ctx, j.Merchant, engine.Cause{}, func(t *engine.Tx) error {
		if err := a.runOrder(t, pl.Order); err != nil {
			return err
		}
		return t.DeleteJob(j.ID)
	})
}
