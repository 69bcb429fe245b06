package stripe

import (
	"errors"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// payoutRowsMax is how many transactions one automatic payout pays out, unless
// it takes more to make its sum positive.
const payoutRowsMax = 5000

// settingPayoutDescriptor is where the statement descriptor of automatic payouts
// is kept.
const settingPayoutDescriptor = "stripe.payout_descriptor"

// unpaid collects the transactions of a currency that are available and that no
// payout has paid out, oldest first, with what they come to. more says that
// there are others.
func unpaid(t *engine.Tx, c money.Currency, least int64) (rows []resource.Row, sum int64, more bool, err error) {
	for after := ""; ; {
		page, err := t.Resources(store.List{Kind: kindTransaction, Key: "unpaid", Value: c.Lower(), After: after, Oldest: true, Limit: pageMax})
		if err != nil {
			return nil, 0, false, err
		}
		for i := len(page) - 1; i >= 0; i-- {
			b, err := decodeBody[transactionBody](page[i])
			if err != nil {
				return nil, 0, false, err
			}
			after = page[i].Sort
			if b.AvailableOn.After(t.At) {
				continue
			}
			if len(rows) >= payoutRowsMax && sum > least {
				return rows, sum, true, nil
			}
			rows, sum = append(rows, page[i]), sum+b.Amount-b.Fee
		}
		if len(page) < pageMax {
			return rows, sum, false, nil
		}
	}
}

// PayOut implements engine.PayoutKeeper. A payout and the transactions it pays
// out are written together, and its amount is their sum: they cannot disagree.
func (a *API) PayOut(t *engine.Tx, c money.Currency, least int64) (more bool, err error) {
	rows, sum, more, err := unpaid(t, c, least)
	if err != nil || sum <= least {
		return false, err
	}
	payoutID := t.NewID("po_")
	for _, row := range rows {
		b, err := decodeBody[transactionBody](row)
		if err != nil {
			return false, err
		}
		b.Payout = payoutID
		row.Body = encodeBody(b)
		if err := t.RekeyResource(row, b.keys()); err != nil {
			return false, err
		}
	}
	if err := holdBack(t, payoutID, c, least); err != nil {
		return false, err
	}
	b := payoutBody{
		Description: "STRIPE PAYOUT", Descriptor: t.Who.Profile.Settings[settingPayoutDescriptor], Destination: bankAccount(t.Who), SourceType: "card",
	}
	return more, t.StartPayout(a, engine.Payout{ID: payoutID, Amount: money.Of(sum-least, c), Automatic: true}, "", b.keep(t))
}

// holdBack explains the part of the balance that an automatic payout leaves
// behind: it is withheld from this payout and is there for the next one. No
// money moves.
func holdBack(t *engine.Tx, payoutID string, c money.Currency, least int64) error {
	if least == 0 {
		return nil
	}
	hold := transactionBody{
		Type: "payout_minimum_balance_hold", Category: "other_adjustment", Source: payoutID, Description: "Minimum balance",
		Currency: c, Amount: -least, AvailableOn: t.At, Payout: payoutID,
	}
	if _, err := book(t, hold); err != nil {
		return err
	}
	release := hold
	release.Type, release.Amount, release.Payout = "payout_minimum_balance_release", least, ""
	_, err := book(t, release)
	return err
}

// payoutTransactions checks the payout filter of balance transactions, which
// knows automatic payouts only, and those only once it is certain what they
// paid out.
func (c *call) payoutTransactions(keys []resource.Key) error {
	for _, k := range keys {
		if k.Name != "payout" {
			continue
		}
		return c.view(func(v *view) error { return c.finalPayout(v, k.Value, "payout") })
	}
	return nil
}

// finalPayout refuses payouts of which it is not certain, or never, what they
// paid out. param names the payout.
func (c *call) finalPayout(r store.Reader, payout, param string) error {
	_, b, err := payoutOf(r, payout)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return c.unknown(400, kindPayout, "payout", param, payout)
	case err != nil:
		return err
	case !b.Payout.Automatic:
		return invalid("", param, "Balance transaction history can only be filtered on automatic transfers, not manual.")
	case !b.Reconciled:
		return invalid("payout_reconciliation_not_ready", param, "The transactions of this payout are not final yet. Wait for the event payout.reconciliation_completed.")
	}
	return nil
}
