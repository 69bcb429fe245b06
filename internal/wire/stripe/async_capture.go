package stripe

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// A PaymentIntent that captures asynchronously succeeds before its charge names
// the balance transaction: charge.updated tells it later (stripe-platform §6.4).
// A program that reads the fee when the charge succeeds does not notice until
// then, so an account can have it that way. The money is booked with the capture in
// any case.

// settingAsync makes charges name their balance transaction later.
const settingAsync = "stripe.async_capture"

// asyncAfter is how long after the capture a charge names it.
const asyncAfter = time.Second

// JobPosted has a charge name its balance transaction.
const JobPosted = "charge_posted"

type postedPayload struct {
	Charge string `json:"charge"`
}

// namesLater reports whether an intent's charge names its balance transaction
// later than it succeeds.
func (i intent) namesLater(t *engine.Tx) bool {
	if t.Who.Profile.Settings[settingAsync] != "true" {
		return false
	}
	v := &view{version: accountVersion(t.Who)}
	return v.captureMethod(i.body.CaptureMethod) == "automatic_async"
}

// postpone hides the balance transaction of a charge that was just captured.
func postpone(t *engine.Tx, row *resource.Row) error {
	b, err := decodeBody[chargeBody](*row)
	if err != nil {
		return err
	}
	b.Posting, b.Transaction = b.Transaction, ""
	row.Body = encodeBody(b)
	if err := t.UpdateResource(*row); err != nil {
		return err
	}
	row.Version++
	return t.Job("charge_posted:"+row.ID, JobPosted, t.At.Add(asyncAfter), postedPayload{Charge: row.ID})
}

// RunPosted names what postpone has hidden, and tells.
func (a *API) RunPosted(ctx context.Context, j store.Job) error {
	var pl postedPayload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	return a.engine.Update(ctx, j.Merchant, engine.Cause{}, func(t *engine.Tx) error {
		if err := t.DeleteJob(j.ID); err != nil {
			return err
		}
		row, b, err := storedBody[chargeBody](t, kindCharge, pl.Charge)
		if err != nil || b.Posting == "" {
			return err
		}
		p, err := t.LoadPayment(row.Payment)
		if err != nil {
			return err
		}
		old := row
		b.Transaction, b.Posting = b.Posting, ""
		row.Body = encodeBody(b)
		if err := t.UpdateResource(row); err != nil {
			return err
		}
		row.Version++
		return a.chargeUpdated(t, old, row, p)
	})
}
