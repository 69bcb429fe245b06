package stripe

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// What the merchant's people see and do in the portal. toldMax bounds a payment's
// events, settledMax the payouts that are shown.
const (
	toldMax    = 100
	settledMax = 100
)

// Sale implements portal.Front.
func (a *API) Sale(r store.Reader, p payment.Payment) (engine.Sale, error) {
	s := engine.Sale{ID: p.Owner}
	charge, cb, err := chargeOf(r, p.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return s, err
	}
	var md map[string]string
	var about []engine.Detail
	if p.Kind == kindIntent {
		_, b, err := storedBody[intentBody](r, kindIntent, p.Owner)
		if err != nil {
			return s, err
		}
		s.Description, md = b.Description, b.Metadata
		about = []engine.Detail{{Label: "Payment method", Value: b.PaymentMethod}, {Label: "Customer", Value: b.Customer}, {Label: "Receipt to", Value: b.ReceiptEmail}}
	} else {
		_, b, err := storedBody[sourceBody](r, kindSource, p.Owner)
		if err != nil {
			return s, err
		}
		s.Description, md = cb.Description, b.Metadata
		about = []engine.Detail{{Label: "Owner", Value: b.Owner.Name}, {Label: "Email", Value: b.Owner.Email}, {Label: "Customer", Value: cmp.Or(cb.Customer, b.Customer)}}
	}
	about = append([]engine.Detail{{Label: "Charge", Value: charge.ID}}, about...)
	for _, k := range slices.Sorted(maps.Keys(md)) {
		about = append(about, engine.Detail{Label: "metadata: " + k, Value: md[k]})
	}
	s.Details = slices.DeleteFunc(about, func(d engine.Detail) bool { return d.Value == "" })
	return s, nil
}

// chargeOf is the newest charge of a payment.
func chargeOf(r store.Reader, paymentID string) (resource.Row, chargeBody, error) {
	row, err := r.ResourceBy(kindCharge, "payment", paymentID)
	if err != nil {
		return row, chargeBody{}, err
	}
	b, err := decodeBody[chargeBody](row)
	return row, b, err
}

// Told implements portal.Front: the events about a payment that are still shown,
// newest first.
func (a *API) Told(r store.Reader, p payment.Payment) ([]engine.Told, error) {
	rows, err := r.Resources(store.List{Kind: kindEvent, Key: "payment", Value: p.ID, Limit: toldMax})
	if err != nil {
		return nil, err
	}
	first, err := creationOf(r, p)
	if err != nil {
		return nil, err
	}
	var told []engine.Told
	for _, row := range append(rows, first...) {
		b, err := decodeEvent(row)
		if err != nil {
			return nil, err
		}
		ds, err := r.Deliveries(row.ID, "", "", deliveriesMax)
		if err != nil {
			return nil, err
		}
		told = append(told, engine.Told{ID: row.ID, Type: b.Type, At: row.Created, Deliveries: ds})
	}
	return told, nil
}

// creationOf finds the event that an intent was created, at whose time there was
// no payment yet: among those of the same millisecond.
func creationOf(r store.Reader, p payment.Payment) ([]resource.Row, error) {
	if p.Kind != kindIntent {
		return nil, nil
	}
	i, err := r.Resource(kindIntent, p.Owner)
	if err != nil {
		return nil, err
	}
	rows, err := r.Resources(store.List{
		Kind: kindEvent, Key: "type", Value: "payment_intent.created", Limit: toldMax,
		From: id.Floor(i.Created), Before: id.Floor(i.Created.Add(time.Millisecond)),
	})
	return slices.DeleteFunc(rows, func(row resource.Row) bool {
		b, err := decodeEvent(row)
		return err != nil || !strings.Contains(string(b.Object), `"`+p.Owner+`"`) || slices.ContainsFunc(row.Keys, func(k resource.Key) bool { return k.Name == "payment" })
	}), err
}

// officeReasons are the wire's words for why a person refunds.
var officeReasons = map[engine.RefundReason]string{
	engine.RefundRequested: "requested_by_customer", engine.RefundDuplicate: "duplicate", engine.RefundFraud: "fraudulent",
}

// RefundByHand implements portal.Front: what POST /v1/refunds does.
func (a *API) RefundByHand(t *engine.Tx, p *payment.Payment, amount money.Amount, why engine.RefundReason) error {
	charge, cb, err := chargeOf(t, p.ID)
	if errors.Is(err, store.ErrNotFound) {
		return fault.New(fault.Conflict, "not_charged", "The payment was never charged, so there is nothing to refund.")
	}
	if err != nil {
		return err
	}
	_, err = startRefund(t, charge, cb, refundBody{Reason: officeReasons[why]}, amount.Minor)
	if w, ok := errors.AsType[*wireError](err); ok {
		return fault.New(fault.Conflict, cmp.Or(w.code, "refund_refused"), w.message)
	}
	return err
}

// Methods implements portal.Switcher: what the account's default configuration
// turns on.
func (a *API) Methods(r store.Reader, m merchant.Merchant) ([]engine.MethodSwitch, error) {
	_, b, err := configuration(r, m.Account, defaultConfiguration(m.Account))
	var list []engine.MethodSwitch
	for _, typ := range offered {
		list = append(list, engine.MethodSwitch{
			Method: typ, Name: intentRules[typ].Name, On: b.value(typ), Barred: slices.Contains(m.Profile.MethodsOff, typ),
		})
	}
	return list, err
}

// SwitchMethods implements portal.Switcher: it changes the account's default
// configuration, which the next intent with automatic methods follows.
func (a *API) SwitchMethods(t *engine.Tx, on map[string]bool) error {
	row, b, err := configuration(t, t.Who.Account, defaultConfiguration(t.Who.Account))
	if err != nil {
		return err
	}
	changed := false
	for _, typ := range offered {
		if want, ok := on[typ]; ok && want != b.value(typ) {
			b.Preferences, changed = cloneWith(b.Preferences, typ, map[bool]string{true: "on", false: "off"}[want]), true
		}
	}
	if !changed {
		return nil
	}
	return b.write(t, row)
}

// Settlements implements portal.Settler: the payouts, newest first.
func (a *API) Settlements(r store.Reader) ([]engine.Settlement, error) {
	rows, err := r.Resources(store.List{Kind: kindPayout, Limit: settledMax})
	var list []engine.Settlement
	for _, row := range rows {
		b, derr := decodeBody[payoutBody](row)
		err = errors.Join(err, derr)
		list = append(list, engine.Settlement{ID: row.ID, Amount: b.Payout.Amount, State: string(b.Payout.State), Created: row.Created, Arrives: b.Payout.Arrival})
	}
	return list, err
}

// Listeners implements portal.Listening: the webhook endpoints, newest first.
func (a *API) Listeners(r store.Reader) ([]engine.Listener, error) {
	rows, err := r.Resources(store.List{Kind: kindEndpoint, Limit: endpointsMax})
	var list []engine.Listener
	for _, row := range rows {
		b, derr := decodeBody[endpointBody](row)
		err = errors.Join(err, derr)
		mark := sha256.Sum256([]byte("ducat secret of an endpoint\x00" + b.Secret))
		list = append(list, engine.Listener{ID: row.ID, URL: b.URL, State: b.status(), Failing: b.FailingSince, Mark: hex.EncodeToString(mark[:8])})
	}
	return list, err
}

// Options implements portal.Optional.
func (a *API) Options() []engine.Option {
	return []engine.Option{
		{Name: settingVersion, Label: "API version", Hint: "Of requests that name none and of events; empty: that of the first request"},
		{Name: settingLimit, Label: "Rate limit", Hint: "Requests a second; none unless set"},
		{Name: settingEndpoints, Label: "Webhook endpoints at most", Hint: "16 unless set"},
		{Name: settingDisableDays, Label: "Disable failing endpoints after days", Hint: "0: never"},
	}
}
