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
}

// book writes a balance transaction and returns its id.
func book(t *engine.Tx, b transactionBody) (string, error) {
	txn := t.NewID("txn_")
	return txn, t.InsertResource(newRow(t, kindTransaction, txn, "", encodeBody(b), resource.Key{Name: "source", Value: b.Source}))
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
	if !v.at.Before(b.AvailableOn) {
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
	return o, nil
}

func (v *view) transaction(txn string) (obj, error) {
	row, err := v.Resource(kindTransaction, txn)
	if err != nil {
		return nil, err
	}
	return v.renderTransaction(row)
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

func listTransactions(c *call) (obj, error) {
	var filters [3]string
	for i, name := range []string{"source", "currency", "type"} {
		s, _, err := text(c.params.Get(name), name, 0)
		if err != nil {
			return nil, err
		}
		filters[i] = s
	}
	if p := c.params.Get("payout").String(); p != "" {
		return nil, c.transactionsOfPayout(p)
	}
	key := ""
	if filters[0] != "" {
		key = "source"
	}
	keep := func(_ *view, r resource.Row) bool {
		b, err := decodeBody[transactionBody](r)
		return err == nil && (filters[1] == "" || b.Currency.Lower() == filters[1]) && (filters[2] == "" || b.Type == filters[2])
	}
	if filters[1] == "" && filters[2] == "" {
		keep = nil
	}
	return c.filtered(kindTransaction, "balance transaction", key, filters[0], keep, (*view).renderTransaction)
}

func retrieveBalance(c *call) (obj, error) {
	return c.single((*view).balance)
}

// balance renders the ledger's accounts, one element per currency; the default
// currency is always there.
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
	available, pending := []any{}, []any{}
	for _, c := range slices.Sorted(maps.Keys(currencies)) {
		entry := func(amount int64) obj {
			return obj{"amount": amount, "currency": c.Lower(), "source_types": obj{"card": amount}}
		}
		available = append(available, entry(balances[ledger.Key{Account: ledger.Available, Currency: c}]))
		pending = append(pending, entry(balances.Pending(c)))
	}
	return obj{"object": "balance", "available": available, "livemode": v.merchant.Live, "pending": pending}, nil
}
