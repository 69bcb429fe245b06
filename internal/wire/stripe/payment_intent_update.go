package stripe

import (
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// given reports whether a parameter was sent with a value.
func given(v form.Value) bool {
	return v.Kind() != form.Missing && (v.Kind() != form.Scalar || v.String() != "")
}

// updatable are the statuses in which the terms of an intent can change.
var updatable = []string{needsMethod, needsConfirmation, needsAction}

// moneyParams change the terms of an intent, in the order in which a refusal
// names them.
var moneyParams = []string{
	"amount", "currency", "payment_method", "payment_method_data", "payment_method_types", "payment_method_options", "payment_method_configuration",
	"allowed_payment_method_types", "excluded_payment_method_types", "capture_method", "setup_future_usage", "customer", "shipping",
	"amount_details", "payment_details", "statement_descriptor", "statement_descriptor_suffix",
}

// retermParams are those after which an approval that is under way would be for
// something else.
var retermParams = []string{"amount", "currency", "payment_method", "payment_method_data", "payment_method_types", "capture_method"}

func (c *call) firstGiven(names []string) string {
	for _, n := range names {
		if c.params.Get(n).Kind() != form.Missing {
			return n
		}
	}
	return ""
}

func updateIntent(c *call) (step, error) {
	id := c.path("id")
	return step{
		begin: with(c.named, func(t *engine.Tx, i intent) error {
			if err := c.mayUpdate(t, i); err != nil {
				return err
			}
			if c.firstGiven(moneyParams) == "" {
				if err := i.body.decodeDetails(c.params); err != nil {
					return err
				}
				i.body.LastError = nil
				return i.write(t)
			}
			return c.reterm(t, i)
		}),
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).intent(id) },
	}, nil
}

// mayUpdate refuses what stripe-payment-intents §3.2 forbids in a status.
func (c *call) mayUpdate(t *engine.Tx, i intent) error {
	switch s := i.status(); s {
	case needsMethod, needsConfirmation, needsAction:
		return nil
	case isCanceled, isProcessing:
		if name := c.firstGiven(append(moneyParams, "description", "receipt_email", "transfer_group")); name != "" {
			return c.stateError(t, i, name, "update "+name+" on", updatable...)
		}
	default:
		if name := c.firstGiven(moneyParams); name != "" {
			return c.stateError(t, i, name, "update "+name+" on", updatable...)
		}
	}
	return nil
}

// reterm changes the terms of an intent. An approval that is under way for other
// terms is abandoned.
func (c *call) reterm(t *engine.Tx, i intent) error {
	was := i.body
	if err := c.changeTerms(&i.body); err != nil {
		return err
	}
	if err := c.checkIntent(t, &i.body); err != nil {
		return err
	}
	chosen, err := c.chosenMethod(t, i.body.Customer)
	if err != nil {
		return err
	}
	if chosen != "" {
		i.body.PaymentMethod = chosen
	} else if v := c.params.Get("payment_method"); v.Kind() == form.Scalar && v.String() == "" {
		i.body.PaymentMethod = ""
	}
	i.body.LastError = nil
	abandon := was.Tried && c.firstGiven(retermParams) != ""
	if abandon {
		i.body.Tried, i.body.Waits = false, false
	}
	if i.body.PaymentMethod != "" {
		if err := c.methodFits(t, &i, i.body.PaymentMethod); err != nil {
			if chosen != "" {
				return err
			}
			i.body.PaymentMethod = "" // the new terms exclude it
			if was.Tried {
				abandon, i.body.Tried, i.body.Waits = true, false, false
			}
		}
	}
	if err := i.write(t); err != nil || !abandon || !i.payment.State().Waiting() {
		return err
	}
	return t.Void(i.payment)
}
