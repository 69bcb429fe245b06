package antom

import (
	"errors"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// What the merchant's people see and do in the portal. toldMax bounds a payment's
// notifications, settledMax the batches that are shown.
const (
	toldMax    = 100
	settledMax = 100
)

// Sale implements portal.Front.
func (a *API) Sale(r store.Reader, p payment.Payment) (engine.Sale, error) {
	row, err := r.Resource(kindPayment, p.Owner)
	if err != nil {
		return engine.Sale{}, err
	}
	b, err := decodeBody[paymentBody](row)
	s := engine.Sale{ID: p.ID, Description: b.Description}
	for _, d := range []engine.Detail{
		{Label: "Payment request", Value: b.RequestID}, {Label: "Order", Value: b.OrderID}, {Label: "Client", Value: b.Client},
		{Label: "Merchant account", Value: b.Account}, {Label: "Secondary merchant", Value: b.MerchantID}, {Label: "Store", Value: b.StoreID},
		{Label: "Settlement currency", Value: string(b.Settlement)}, {Label: "Metadata", Value: string(b.Metadata)},
	} {
		if d.Value != "" {
			s.Details = append(s.Details, d)
		}
	}
	return s, err
}

// Told implements portal.Front.
func (a *API) Told(r store.Reader, p payment.Payment) ([]engine.Told, error) {
	rows, err := r.Resources(store.List{Kind: kindNotice, Key: "payment", Value: p.ID, Limit: toldMax})
	if err != nil {
		return nil, err
	}
	var told []engine.Told
	for _, row := range rows {
		b, err := decodeBody[noticeBody](row)
		if err != nil {
			return nil, err
		}
		ds, err := r.Deliveries(row.ID, "", "", toldMax)
		if err != nil {
			return nil, err
		}
		told = append(told, engine.Told{ID: row.ID, Type: b.Kind, At: row.Created, Deliveries: ds})
	}
	return told, nil
}

// RefundByHand implements portal.Front: the rules are those of the call, and the
// notification goes to the address in the settings.
func (a *API) RefundByHand(t *engine.Tx, p *payment.Payment, amount money.Amount, why engine.RefundReason) error {
	_, err := a.refundInOffice(t, p, amount.Minor, why.Words())
	return inWords(err)
}

// Settlements implements portal.Settler: the batches, newest first.
func (a *API) Settlements(r store.Reader) ([]engine.Settlement, error) {
	rows, err := r.Resources(store.List{Kind: kindBatch, Limit: settledMax})
	var list []engine.Settlement
	for _, row := range rows {
		b, derr := decodeBody[batchBody](row)
		err = errors.Join(err, derr)
		list = append(list, engine.Settlement{ID: row.ID, Amount: money.Of(b.Net, b.Currency), State: "settled", Created: row.Created})
	}
	return list, err
}

// Options implements portal.Optional.
func (a *API) Options() []engine.Option {
	return []engine.Option{
		{Name: settingNotifyPay, Label: "Address for payments' results", Hint: "Of requests that name none"},
		{Name: settingNotifyRefund, Label: "Address for refunds' results", Hint: "The same, and of refunds made here"},
		{Name: settingNotifyAuth, Label: "Address for authorisations", Hint: "The same"},
		{Name: settingTokenCreated, Label: "Tell of tokens created", Hint: "true: also after applyToken"},
		{Name: settingSettlement, Label: "Settlement currencies", Hint: "Codes, with commas between them; the first is the default"},
		{Name: settingStatus, Label: "Client status", Hint: "disabled: calls are refused"},
		{Name: settingClosed, Label: "Closed APIs", Hint: "Paths, with commas between them"},
	}
}
