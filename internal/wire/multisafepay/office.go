package multisafepay

import (
	"errors"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// toldMax bounds the notifications about an order that the portal shows.
const toldMax = 100

// saleOf finds the transaction a payment is, and its order.
func saleOf(r store.Reader, p payment.Payment) (row resource.Row, o order, tx transaction, err error) {
	if _, tx, err = transactionOf(r, p.Owner); err != nil {
		return row, o, tx, err
	}
	if row, err = r.Resource(kindOrder, tx.Order); err != nil {
		return row, o, tx, err
	}
	o, err = orderOf(row)
	return row, o, tx, err
}

// Sale implements portal.Front: the order and its description (reference §3.1).
func (a *API) Sale(r store.Reader, p payment.Payment) (engine.Sale, error) {
	_, o, tx, err := saleOf(r, p)
	s := engine.Sale{ID: o.OrderID, Description: o.Description}
	for _, d := range []engine.Detail{
		{Label: "Transaction", Value: p.Owner}, {Label: "Gateway", Value: tx.Gateway}, {Label: "Reference", Value: o.Reference},
		{Label: "Customer", Value: strings.TrimSpace(o.Customer.FirstName + " " + o.Customer.LastName)}, {Label: "Email", Value: o.Email},
		{Label: "var1", Value: o.Vars[0]}, {Label: "var2", Value: o.Vars[1]}, {Label: "var3", Value: o.Vars[2]},
	} {
		if d.Value != "" {
			s.Details = append(s.Details, d)
		}
	}
	return s, err
}

// Told implements portal.Front. A notification says only that an order changed;
// those of an order are all of the payments that were tried for it.
func (a *API) Told(r store.Reader, p payment.Payment) ([]engine.Told, error) {
	row, o, _, err := saleOf(r, p)
	if err != nil {
		return nil, err
	}
	ds, err := r.Deliveries(o.OrderID, row.ID, "", toldMax)
	var told []engine.Told
	for _, d := range ds {
		told = append(told, engine.Told{ID: o.OrderID, Type: "notification", At: d.Created, Deliveries: []store.Delivery{d}})
	}
	return told, err
}

// RefundByHand implements portal.Front: the rules and the notification are those
// of POST /orders/{id}/refunds.
func (a *API) RefundByHand(t *engine.Tx, p *payment.Payment, amount money.Amount, why engine.RefundReason) error {
	row, o, _, err := saleOf(t, *p)
	if err != nil {
		return err
	}
	if err := a.settle(t, &row, &o); err != nil {
		return err
	}
	if o.Current != p.Owner {
		return fault.New(fault.Conflict, "not_current", "Another payment has taken the place of this one in its order, which is refunded by that one.")
	}
	_, err = a.refund(t, row, &o, refundRequest{currency: amount.Currency, amount: amount.Minor, description: why.Words()})
	if w, ok := errors.AsType[*wireError](err); ok {
		return fault.New(fault.Conflict, "refund_refused", w.text+".")
	}
	return err
}

// Options implements portal.Optional.
func (a *API) Options() []engine.Option {
	return []engine.Option{
		{Name: settingNotification, Label: "Notification address", Hint: "Of orders that bring none"},
		{Name: settingRedirect, Label: "Redirect address", Hint: "The same"},
		{Name: settingCancel, Label: "Cancel address", Hint: "The same"},
		{Name: settingCurrencies, Label: "Currencies of the site", Hint: "Codes, with commas between them; all unless set"},
		{Name: settingLanguage, Label: "Language of the payment page", Hint: "A locale like nl_NL, where an order's is not supported"},
		{Name: settingSettleAfter, Label: "Alipay settles after seconds", Hint: "At once unless set"},
		{Name: settingChallenge, Label: "Cards of direct orders", Hint: "challenge: the holder is authenticated on a page first"},
		{Name: settingCosts, Label: "Costs in answers", Hint: "fees_only: no entry before a fee is known"},
		{Name: settingStrictURLs, Label: "Limits of addresses", Hint: "true: the documented ones apply"},
		{Name: settingSession, Label: "Session in answers", Hint: "false: as in the published example"},
		{Name: settingBlocked, Label: "Site is inactive", Hint: "true: calls are refused; account: the whole account is blocked"},
	}
}
