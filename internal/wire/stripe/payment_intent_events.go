package stripe

import (
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
)

// intentEvent emits an event about an intent.
func (a *API) intentEvent(t *engine.Tx, typ, id string) error {
	row, err := t.Resource(kindIntent, id)
	if err != nil {
		return err
	}
	return a.emit(t, message{typ: typ, payment: row.Payment, render: func(v *view) (obj, obj, error) {
		o, err := v.intent(id)
		return o, nil, err
	}})
}

// tellIntent writes what must be written with a fact about an intent's payment,
// in the order of stripe-payment-intents §18.
func (a *API) tellIntent(t *engine.Tx, f event.Fact, p *payment.Payment) error {
	row, err := t.Resource(kindIntent, p.Owner)
	if err != nil {
		return err
	}
	i := intent{row: row, payment: p}
	if i.body, err = decodeBody[intentBody](row); err != nil {
		return err
	}
	switch f.Kind {
	case event.ActionNeeded:
		return a.intentEvent(t, "payment_intent.requires_action", i.id())
	case event.Pending:
		return a.intentEvent(t, "payment_intent.processing", i.id())
	case event.Authorized:
		return a.intentAuthorized(t, i)
	case event.Captured:
		if err := a.intentCaptured(t, i, f); err != nil || p.Agreement == "" {
			return err
		}
		return a.endSingleUse(t, p.Agreement)
	case event.Declined, event.CaptureDeclined:
		return a.intentFailed(t, i, failureOf(p.Method, p.Attempt.Reason))
	case event.Expired:
		return a.intentExpired(t, i)
	}
	return nil
}

// intentAuthorized makes the charge, unless the approval waits for the server.
// A charge that is captured at once is told about then.
func (a *API) intentAuthorized(t *engine.Tx, i intent) error {
	if i.body.Waits {
		return nil
	}
	if _, err := a.intentCharge(t, i, false); err != nil || i.payment.AutoCapture {
		return err
	}
	return a.announceHold(t, i.id())
}

// announceHold tells of funds that wait for the merchant's capture.
func (a *API) announceHold(t *engine.Tx, id string) error {
	i, err := loadIntent(t, id)
	if err != nil {
		return err
	}
	if err := a.chargeEventOf(t, "charge.succeeded", i.body.LatestCharge); err != nil {
		return err
	}
	if err := a.methodUsed(t, i); err != nil {
		return err
	}
	return a.intentEvent(t, "payment_intent.amount_capturable_updated", id)
}

// intentCharge makes the charge of the current attempt and names it on the
// intent. What the charge says of the sale is copied: later changes of the
// intent do not reach it.
func (a *API) intentCharge(t *engine.Tx, i intent, failed bool) (string, error) {
	_, m, err := (&call{api: a}).methodRow(t, 400, "payment_method", i.body.PaymentMethod)
	if err != nil {
		return "", err
	}
	b := chargeBody{
		Intent: i.id(), Method: i.body.PaymentMethod, Attempt: i.payment.Attempt.ID, Later: i.body.captureLater(m.Type), Failed: failed,
		Customer: i.body.Customer, Description: i.body.Description, Metadata: i.body.Metadata, ReceiptEmail: i.body.ReceiptEmail, Shipping: i.body.Shipping,
		Descriptor: i.body.Descriptor, Suffix: i.body.Suffix, TransferGroup: i.body.TransferGroup, Billing: m.Billing, TaxID: m.TaxID,
	}
	prefix := "py_"
	if m.Card != nil {
		prefix = "ch_"
	}
	id := t.NewID(prefix)
	if err := t.InsertResource(newRow(t, kindCharge, id, i.payment.ID, encodeBody(b), b.keys(i.payment.ID)...)); err != nil {
		return "", err
	}
	i.body.LatestCharge = id
	return id, i.write(t)
}

func (a *API) chargeEventOf(t *engine.Tx, typ, id string) error {
	row, err := t.Resource(kindCharge, id)
	if err != nil {
		return err
	}
	return a.emit(t, message{typ: typ, payment: row.Payment, render: func(v *view) (obj, obj, error) {
		o, err := v.charge(id)
		return o, nil, err
	}})
}

// methodUsed saves the payment method for later if that was asked for, and else
// marks one that was not saved before as used up.
func (a *API) methodUsed(t *engine.Tx, i intent) error {
	row, m, err := storedBody[methodBody](t, kindPaymentMethod, i.body.PaymentMethod)
	if err != nil || m.Customer != "" {
		return err
	}
	if i.body.saveFor(m.Type) != "" {
		return a.keepPaid(t, i, m.Type)
	}
	return spend(t, row, m)
}

// keepPaid saves the payment method a payment was made with. A wallet's payer
// agreed to later debits with the payment; without a customer the method may be
// attached later.
func (a *API) keepPaid(t *engine.Tx, i intent, typ string) error {
	if !intentRules[typ].Redirect {
		if i.body.Customer == "" {
			return nil
		}
		return a.save(t, i.body.PaymentMethod, i.body.Customer)
	}
	ag, err := t.RequestAgreement(agreement.Agreement{Front: Name, Kind: kindIntent, Owner: i.id(), Product: method.Intent, Method: typ})
	if err != nil {
		return err
	}
	if err := t.ActivateAgreement(ag, i.payment.Attempt.Payer, time.Time{}); err != nil {
		return err
	}
	if err := a.keepMethod(t, i.body.PaymentMethod, i.body.Customer, ag.ID); err != nil {
		return err
	}
	_, err = a.newMandate(t, ag, i.body.PaymentMethod, i.body.Acceptance, 0, "")
	return err
}

func spend(t *engine.Tx, row resource.Row, m methodBody) error {
	m.Spent = true
	row.Body = encodeBody(m)
	return t.UpdateResource(row)
}

// intentCaptured books the charge and tells.
func (a *API) intentCaptured(t *engine.Tx, i intent, f event.Fact) error {
	charge := i.body.LatestCharge
	row, b, err := storedBody[chargeBody](t, kindCharge, charge)
	if err != nil {
		return err
	}
	if err := bookCharge(t, &row, b, f, i.payment.Method); err != nil {
		return err
	}
	if !b.Later && i.namesLater(t) {
		if err := postpone(t, &row); err != nil {
			return err
		}
	}
	if !b.Later {
		if err := a.chargeEventOf(t, "charge.succeeded", charge); err != nil {
			return err
		}
		if err := a.methodUsed(t, i); err != nil {
			return err
		}
		return a.intentEvent(t, "payment_intent.succeeded", i.id())
	}
	rest := i.payment.Amount.Sub(f.Amount)
	if rest.Minor > 0 {
		if err := a.addRelease(t, i, rest); err != nil {
			return err
		}
	}
	if err := a.chargeEventOf(t, "charge.captured", charge); err != nil {
		return err
	}
	if err := a.intentEvent(t, "payment_intent.succeeded", i.id()); err != nil || rest.Minor == 0 {
		return err
	}
	return a.chargeEventOf(t, "charge.refunded", charge)
}

// bookCharge gives a captured charge its balance transaction.
func bookCharge(t *engine.Tx, row *resource.Row, b chargeBody, f event.Fact, typ string) error {
	kind := "payment"
	if typ == "card" {
		kind = "charge"
	}
	var err error
	if b.Transaction, err = book(t, transactionBody{
		Type: kind, Category: "charge", Source: row.ID, Description: b.Description,
		Currency: f.Amount.Currency, Amount: f.Amount.Minor, Fee: f.Fee.Minor, AvailableOn: f.Due,
	}); err != nil {
		return err
	}
	row.Body = encodeBody(b)
	if err := t.UpdateResource(*row); err != nil {
		return err
	}
	row.Version++
	return nil
}

// intentFailed ends an attempt: the payment method is used up, the intent waits
// for another one (stripe-payment-intents §4.4). A refusal by whoever holds the
// payer's money leaves a failed charge.
func (a *API) intentFailed(t *engine.Tx, i intent, e intentError) error {
	charged := i.payment.Attempt.AuthorizedAt.IsZero() && e != expiredAttempt && e.Code != "payment_intent_authentication_failure"
	if charged {
		id, err := a.intentCharge(t, i, true)
		if err != nil {
			return err
		}
		if i, err = a.reload(t, i); err != nil {
			return err
		}
		e.Charge = id
	} else if e != expiredAttempt && !i.payment.Attempt.AuthorizedAt.IsZero() && i.body.LatestCharge != "" {
		e.Charge, charged = i.body.LatestCharge, true // refused at capture
	}
	row, m, err := storedBody[methodBody](t, kindPaymentMethod, i.body.PaymentMethod)
	if err != nil {
		return err
	}
	if m.Customer == "" {
		if err := spend(t, row, m); err != nil {
			return err
		}
	}
	e.Method = row.ID
	i.body.LastError = &e
	i.body.PaymentMethod, i.body.Tried, i.body.Waits = "", false, false
	if err := i.write(t); err != nil {
		return err
	}
	if charged {
		if err := a.chargeEventOf(t, "charge.failed", e.Charge); err != nil {
			return err
		}
	}
	return a.intentEvent(t, "payment_intent.payment_failed", i.id())
}

// reload reads the row again after it was written.
func (a *API) reload(t *engine.Tx, i intent) (intent, error) {
	row, err := t.Resource(kindIntent, i.id())
	if err != nil {
		return i, err
	}
	i.row = row
	i.body, err = decodeBody[intentBody](row)
	return i, err
}

// intentExpired ends an attempt that nobody acted on in time, or an intent whose
// authorisation nobody captured.
func (a *API) intentExpired(t *engine.Tx, i intent) error {
	if i.payment.Attempt.AuthorizedAt.IsZero() || i.body.Waits {
		return a.intentFailed(t, i, expiredAttempt)
	}
	i.body.CanceledAt, i.body.CancelReason = t.At, "automatic"
	if err := i.write(t); err != nil {
		return err
	}
	if err := a.released(t, i, i.payment.Amount.Minor, "charge.expired"); err != nil {
		return err
	}
	return a.intentEvent(t, "payment_intent.canceled", i.id())
}

// released shows on the charge that authorised funds went back to the payer.
func (a *API) released(t *engine.Tx, i intent, minor int64, typ string) error {
	if err := a.addRelease(t, i, money.Of(minor, i.payment.Amount.Currency)); err != nil {
		return err
	}
	return a.chargeEventOf(t, typ, i.body.LatestCharge)
}

// addRelease adds the refund by which a charge shows funds that were authorised
// and never captured. No money of the merchant's moves.
func (a *API) addRelease(t *engine.Tx, i intent, amount money.Amount) error {
	row, b, err := storedBody[chargeBody](t, kindCharge, i.body.LatestCharge)
	if err != nil {
		return err
	}
	b.Released = amount.Minor
	row.Body = encodeBody(b)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	refund := refundBody{Charge: row.ID, Intent: i.id(), Released: amount.Minor}
	return t.InsertResource(newRow(t, kindRefund, t.NewID(refundPrefix(i.payment.Method)), i.payment.ID, encodeBody(refund), refundKeys(refund)...))
}

// refundPrefix is how ids of refunds begin: those of cards differ.
func refundPrefix(typ string) string {
	if typ == "card" {
		return "re_"
	}
	return "pyr_"
}
