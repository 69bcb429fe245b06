package stripe

import (
	"github.com/ducatpay/ducat/internal/engine"
)

var cancelReasons = []string{"abandoned", "duplicate", "fraudulent", "requested_by_customer"}

func cancelIntent(c *call) (step, error) {
	reason := ""
	if v := c.params.Get("cancellation_reason"); given(v) {
		var err error
		if reason, _, err = oneOf(v, "cancellation_reason", cancelReasons...); err != nil {
			return step{}, err
		}
	}
	id := c.path("id")
	return step{
		begin: with(c.named, func(t *engine.Tx, i intent) error {
			switch i.status() {
			case needsMethod, needsConfirmation, needsAction, needsCapture:
			default:
				return c.stateError(t, i, "", "cancel", needsMethod, needsCapture, needsConfirmation, needsAction)
			}
			return c.api.cancelIntent(t, i, reason)
		}),
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).intent(id) },
	}, nil
}

// cancelIntent ends an intent: held funds go back to the payer.
func (a *API) cancelIntent(t *engine.Tx, i intent, reason string) error {
	held := i.status() == needsCapture
	i.body.CanceledAt, i.body.CancelReason = t.At, reason
	if err := i.write(t); err != nil {
		return err
	}
	if p := i.payment; p != nil && p.State().Waiting() {
		if err := t.Void(p); err != nil {
			return err
		}
	}
	if held {
		if err := a.released(t, i, i.payment.Amount.Minor, "charge.refunded"); err != nil {
			return err
		}
	}
	return a.intentEvent(t, "payment_intent.canceled", i.id())
}
