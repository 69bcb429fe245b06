package stripe

import (
	"fmt"

	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// Audit implements engine.Auditor: the balance transactions of each currency
// sum to what the ledger says the merchant has, and every charge and
// source has its payment; intents agree with theirs.
func (a *API) Audit(r store.Reader, balances ledger.Balances) error {
	net, paidOut := map[money.Currency]int64{}, map[string]int64{}
	if err := each(r, kindTransaction, func(row resource.Row) error {
		b, err := decodeBody[transactionBody](row)
		net[b.Currency] += b.Amount - b.Fee
		paidOut[b.Payout] += b.Amount - b.Fee
		return err
	}); err != nil {
		return err
	}
	held := map[money.Currency]int64{}
	for k, v := range balances {
		if k.Account == ledger.Available || k.Account.IsPending() {
			held[k.Currency] += v
		}
	}
	for c := range held {
		net[c] += 0
	}
	for c, n := range net {
		if held[c] != n {
			return fmt.Errorf("balance transactions in %s sum to %d, the ledger holds %d", c, n, held[c])
		}
	}
	if err := auditClocks(r); err != nil {
		return err
	}
	if err := auditPayouts(r, balances, paidOut); err != nil {
		return err
	}
	if err := auditIntents(r); err != nil {
		return err
	}
	for _, kind := range []string{kindSource, kindCharge} {
		if err := each(r, kind, func(row resource.Row) error {
			if _, err := r.Payment(row.Payment); err != nil {
				return fmt.Errorf("%s has no payment: %w", row.ID, err)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// each walks all rows of a kind.
func each(r store.Reader, kind string, fn func(row resource.Row) error) error {
	for before := ""; ; {
		rows, err := r.Resources(store.List{Kind: kind, Before: before, Limit: 1000})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			before = row.Sort
			if err := fn(row); err != nil {
				return err
			}
		}
	}
}

// plannedJobs are the ids of all jobs.
func plannedJobs(r store.Reader) (map[string]bool, error) {
	jobs, err := r.Jobs(1 << 30)
	planned := map[string]bool{}
	for _, j := range jobs {
		planned[j.ID] = true
	}
	return planned, err
}
