// Package ledger is double-entry bookkeeping for one merchant: transfers of a
// positive amount from one account to another, in one currency, each with an id
// that derives from its cause so that it cannot happen twice. A transfer is its
// own two postings, so the books balance by construction. Transfers are only
// ever added.
//
// An account's balance is what was credited to it less what was debited. Money
// a rail owes us makes a receivable negative; money we owe the merchant makes
// pending and available positive.
package ledger

import (
	"fmt"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// Account names an account of one merchant.
type Account string

// The accounts. Pending has one account per settlement day, and there is one
// receivable per rail.
const (
	Hold      Account = "hold"      // authorised by payers, not captured yet
	Available Account = "available" // the merchant may take it out
	Fees      Account = "fees"      // what processing cost the merchant
	Payouts   Account = "payouts"   // left for the merchant's bank
	Disputed  Account = "disputed"  // withdrawn while a dispute runs
	Partners  Account = "partners"  // of what the merchant's payments brought, what is due to others
	Exchange  Account = "exchange"  // what was changed for another currency: plus in one, minus in the other
)

// Receivable is what a rail owes for payments it took and we booked.
func Receivable(rail string) Account { return Account("receivable/" + rail) }

// Pending holds proceeds that become available on a day (UTC).
func Pending(day time.Time) Account {
	return Account("pending/" + day.UTC().Format(time.DateOnly))
}

// IsPending reports whether a is one of the pending accounts.
func (a Account) IsPending() bool { return strings.HasPrefix(string(a), "pending/") }

// Transfer moves Amount from Debit to Credit.
type Transfer struct {
	ID      string // "capture:pay_…": cause first, so that a repeat collides
	At      time.Time
	Debit   Account
	Credit  Account
	Amount  money.Amount // > 0
	Payment string       // payment concerned, or ""
}

// Check reports what is wrong with a transfer.
func (t Transfer) Check() error {
	switch {
	case t.ID == "":
		return fmt.Errorf("transfer without id")
	case t.Amount.Minor <= 0:
		return fmt.Errorf("transfer %s: amount %d is not positive", t.ID, t.Amount.Minor)
	case t.Debit == t.Credit:
		return fmt.Errorf("transfer %s: debit and credit are both %s", t.ID, t.Debit)
	case t.Debit == "" || t.Credit == "":
		return fmt.Errorf("transfer %s: an account is missing", t.ID)
	}
	return nil
}

// Key is an account in a currency.
type Key struct {
	Account  Account
	Currency money.Currency
}

// Balances holds credits less debits, in minor units, by account and currency.
type Balances map[Key]int64

// Apply adds a transfer.
func (b Balances) Apply(t Transfer) {
	d, c := Key{t.Debit, t.Amount.Currency}, Key{t.Credit, t.Amount.Currency}
	b[d] = money.Of(b[d], t.Amount.Currency).Sub(t.Amount).Minor
	b[c] = money.Of(b[c], t.Amount.Currency).Add(t.Amount).Minor
}

// Pending sums the pending accounts of a currency.
func (b Balances) Pending(c money.Currency) int64 {
	var sum int64
	for k, v := range b {
		if k.Currency == c && k.Account.IsPending() {
			sum += v
		}
	}
	return sum
}
