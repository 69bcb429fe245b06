package stripe

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const kindTransaction = "stripe.balance_transaction"

// transactionBody is a balance transaction: one movement of the merchant's
// balance, in the terms of the wire. The ledger holds the money.
type transactionBody struct {
	Type        string         `json:"type"`
	Category    string         `json:"category"`
	Source      string         `json:"source"`
	Description string         `json:"description,omitempty"`
	Currency    money.Currency `json:"currency"`
	Amount      int64          `json:"amount"`
	Fee         int64          `json:"fee,omitempty"` // negative when it is given back
	FeeText     string         `json:"fee_text,omitempty"`
	AvailableOn time.Time      `json:"available_on"`
	Payout      string         `json:"payout,omitempty"`   // the automatic payout that paid it out
	Clearing    bool           `json:"clearing,omitempty"` // it is an automatic payout: no other pays it out
}

// book writes a balance transaction and returns its id.
func book(t *engine.Tx, b transactionBody) (string, error) {
	txn := t.NewID("txn_")
	return txn, t.InsertResource(newRow(t, kindTransaction, txn, "", encodeBody(b), b.keys()...))
}

// keys are what balance transactions can be listed by. One that no automatic
// payout has paid out yet is found by its currency.
func (b transactionBody) keys() []resource.Key {
	keys := []resource.Key{{Name: "source", Value: b.Source}, {Name: "type", Value: b.Type}, {Name: "currency", Value: b.Currency.Lower()}}
	switch {
	case b.Clearing:
		return keys
	case b.Payout != "":
		return append(keys, resource.Key{Name: "payout", Value: b.Payout})
	}
	return append(keys, resource.Key{Name: "unpaid", Value: b.Currency.Lower()})
}

func (v *view) renderTransaction(row resource.Row) (obj, error) {
	b, err := decodeBody[transactionBody](row)
	if err != nil {
		return nil, err
	}
	details := []any{}
	if b.Fee != 0 {
		details = append(details, obj{"amount": b.Fee, "application": nil, "currency": b.Currency.Lower(), "description": firstOf(b.FeeText, "Stripe processing fees"), "type": "stripe_fee"})
	}
	status := "pending"
	if !v.now().Before(b.AvailableOn) {
		status = "available"
	}
	o := obj{
		"id": row.ID, "object": "balance_transaction", "amount": b.Amount, "available_on": b.AvailableOn.Unix(), "created": row.Created.Unix(),
		"currency": b.Currency.Lower(), "description": nullable(b.Description), "exchange_rate": nil, "fee": b.Fee, "fee_details": details,
		"net": b.Amount - b.Fee, "reporting_category": b.Category, "source": b.Source, "status": status, "type": b.Type,
	}
	if since(v.version, versionRecentMembers) {
		o["balance_type"] = "payments"
	}
	if !since(v.version, versionTransactionSource) {
		o["source"], err = v.chargeBehind(b.Source)
	}
	return o, err
}

// chargeBehind is the charge that a refund or a dispute is about, and the id
// itself for anything else.
func (v *view) chargeBehind(id string) (string, error) {
	for _, kind := range []string{kindRefund, kindDispute} {
		row, err := v.Resource(kind, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return id, err
		}
		b, err := decodeBody[struct {
			Charge string `json:"charge"`
		}](row)
		return b.Charge, err
	}
	return id, nil
}

func (v *view) transaction(txn string) (obj, error) {
	return v.stored(kindTransaction, txn, (*view).renderTransaction)
}

func retrieveTransaction(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		o, err := v.transaction(c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.unknown(404, kindTransaction, "balance transaction", "id", c.path("id"))
		}
		return o, err
	})
}

// settlementMax is the longest time from a movement to its availability.
const settlementMax = 366 * 24 * time.Hour

func listTransactions(c *call) (obj, error) {
	q := query{kind: kindTransaction, label: "balance transaction", render: (*view).renderTransaction}
	var err error
	if q.keys, err = c.equals("source", "payout", "type", "currency"); err != nil {
		return nil, err
	}
	if err := c.payoutTransactions(q.keys); err != nil {
		return nil, err
	}
	available, set, err := times(c.params.Get("available_on"), "available_on")
	if err != nil {
		return nil, err
	}
	if set {
		if since(c.version, versionNoAvailableOn) {
			return nil, invalid("parameter_unknown", "available_on", "Received unknown parameter: available_on")
		}
		// Money becomes available after it moved, and not much later.
		q.from, q.to = period{available.from - int64(settlementMax.Seconds()), available.to}.sorts()
		q.keep = func(_ *view, r resource.Row) bool {
			b, err := decodeBody[transactionBody](r)
			return err == nil && available.has(b.AvailableOn)
		}
	}
	return c.list(q)
}

func retrieveBalance(c *call) (obj, error) {
	return c.single((*view).balance)
}

// balance renders the ledger's accounts, one element per currency; the default
// currency is always there.
//
// Payouts with method instant are taken from what is available, so all of it,
// if it is positive, is available for them.
func (v *view) balance() (obj, error) {
	balances, err := v.Balances()
	if err != nil {
		return nil, err
	}
	currencies := map[money.Currency]bool{v.merchant.Profile.DefaultCurrency: true}
	for k := range balances {
		if k.Account == ledger.Available || k.Account.IsPending() {
			currencies[k.Currency] = true
		}
	}
	available, pending, instant, reserved := []any{}, []any{}, []any{}, []any{}
	for _, c := range slices.Sorted(maps.Keys(currencies)) {
		entry := func(amount int64) obj {
			return obj{"amount": amount, "currency": c.Lower(), "source_types": obj{"card": amount}}
		}
		has := balances[ledger.Key{Account: ledger.Available, Currency: c}]
		available = append(available, entry(has))
		pending = append(pending, entry(balances.Pending(c)))
		instant = append(instant, entry(max(has, 0)))
		reserved = append(reserved, obj{"amount": 0, "currency": c.Lower()})
	}
	return obj{
		"object": "balance", "available": available, "connect_reserved": reserved, "instant_available": instant,
		"livemode": v.merchant.Live, "pending": pending,
	}, nil
}
