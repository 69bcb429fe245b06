package stripe

import (
	"fmt"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// captureIntent takes authorised funds; what is not taken goes back.
func captureIntent(c *call) (step, error) {
	var amount int64
	if v := c.params.Get("amount_to_capture"); v.Kind() != form.Missing {
		var err error
		if amount, err = positive(v, "amount_to_capture"); err != nil {
			return step{}, err
		}
	}
	final, err := boolean(c.params.Get("final_capture"), "final_capture", true)
	if err != nil {
		return step{}, err
	}
	if !final {
		return step{}, invalid("", "final_capture", "A payment is captured once: what is not captured goes back to the payer, and final_capture must be true.")
	}
	if err := refusePlatform(c.params); err != nil {
		return step{}, err
	}
	id := c.path("id")
	return step{
		begin: with(c.named, func(t *engine.Tx, i intent) error {
			if i.status() != needsCapture {
				if i.body.CancelReason == "automatic" && i.status() == isCanceled {
					return c.withIntent(t, i, invalid("charge_expired_for_capture", "", "The authorization of this PaymentIntent has expired and it can no longer be captured.")).kept()
				}
				return c.stateError(t, i, "", "capture", needsCapture)
			}
			take := i.payment.Amount
			if amount > take.Minor {
				return invalid("amount_too_large", "amount_to_capture", "The amount to capture (%s) is greater than the capturable amount (%s).", money.Of(amount, take.Currency), take).kept()
			}
			if amount > 0 {
				take.Minor = amount
			}
			if err := i.body.decodeCapture(c.params); err != nil {
				return err
			}
			if err := i.write(t); err != nil {
				return err
			}
			proof, ok := i.payment.Capturable(t.At)
			if !ok {
				return fmt.Errorf("intent %s requires capture, but payment %s is %s", i.id(), i.payment.ID, i.payment.State())
			}
			return t.Capture(i.payment, proof, i.body.LatestCharge, take)
		}),
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).intent(id) },
	}, nil
}

// decodeCapture reads what a capture may set beside the amount.
func (b *intentBody) decodeCapture(p form.Value) error {
	if err := b.decodeDescriptors(p); err != nil {
		return err
	}
	var err error
	b.Metadata, err = metadata(p.Get("metadata"), b.Metadata)
	return err
}
