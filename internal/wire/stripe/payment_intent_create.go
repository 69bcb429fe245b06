package stripe

import (
	"errors"

	"github.com/ducatpay/ducat/internal/engine"
)

// createIntent decodes in the order of stripe-payment-intents §3.1.
func createIntent(c *call) (step, error) {
	b, err := c.newIntent()
	if err != nil {
		return step{}, err
	}
	confirm, err := boolean(c.params.Get("confirm"), "confirm", false)
	if err != nil {
		return step{}, err
	}
	if !confirm {
		for _, name := range confirmOnly {
			if given(c.params.Get(name)) {
				return step{}, invalid("", name, "The parameter %s can only be used when confirm is true.", name)
			}
		}
	}
	var shown obj
	return step{
		begin: func(t *engine.Tx) error {
			id := t.NewID("pi_")
			t.Subject = id
			i := &intent{body: *b}
			var err error
			if err := c.checkIntent(t, &i.body); err != nil {
				return err
			}
			i.body.Secret = id + "_secret_" + t.Random(25)
			if i.body.PaymentMethod, err = c.chosenMethod(t, i.body.Customer); err != nil {
				return err
			}
			i.row = newRow(t, kindIntent, id, "", encodeBody(&i.body), i.body.keys()...)
			if err := t.InsertResource(i.row); err != nil {
				return err
			}
			if !confirm {
				shown, err = c.created(t, i)
				return err
			}
			if err := c.api.intentEvent(t, "payment_intent.created", id); err != nil {
				return err
			}
			return notMade(c.confirm(t, *i))
		},
		finish: func(t *engine.Tx) (obj, error) {
			if confirm {
				return c.confirmed(t, t.Subject)
			}
			return shown, nil // no rail was asked: begin ran just now
		},
	}, nil
}

// notMade leaves the intent out of the error of a creation that is undone: there
// is none to look at.
func notMade(err error) error {
	w, ok := errors.AsType[*wireError](err)
	if !ok || w.keep {
		return err
	}
	undone := *w
	undone.more = nil
	return &undone
}

// created tells of an intent that was made and returns how the caller sees it,
// rendered once if the event is in the caller's version.
func (c *call) created(t *engine.Tx, i *intent) (obj, error) {
	shown, err := c.in(t).renderIntent(*i)
	if err != nil {
		return nil, err
	}
	return shown, c.api.emit(t, message{typ: "payment_intent.created", render: func(v *view) (obj, obj, error) {
		if v.version == c.version && since(v.version, differences[0].from) {
			return shown, nil, nil // nothing in it is reshaped
		}
		o, err := v.renderIntent(*i)
		return o, nil, err
	}})
}
