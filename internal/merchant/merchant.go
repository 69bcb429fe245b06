// Package merchant knows accounts, the keys that speak for them, and the wall
// between test and live. A Merchant is one account in one mode: nothing is
// shared between an account's test and live halves, nor between two accounts.
package merchant

import (
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// Merchant is one account in one mode: the unit of isolation. Every stored row
// begins with its ID.
type Merchant struct {
	ID      int64
	Account string // "acct_…"; the same for an account's two modes
	Live    bool
	Created time.Time
	Offset  time.Duration // business time = wall time + Offset; zero in live mode
	Profile Profile
	Version int64
}

// Profile is what can be set about a merchant.
type Profile struct {
	Name              string            `json:"name"`
	Country           string            `json:"country"`
	DefaultCurrency   money.Currency    `json:"default_currency"`
	ExtraCurrencies   []money.Currency  `json:"extra_currencies,omitempty"` // settlement accounts beside the default
	MethodsOff        []string          `json:"methods_off,omitempty"`
	Descriptor        string            `json:"statement_descriptor"`
	FeeBasisPoints    int64             `json:"fee_basis_points"`
	FeeFixedMinor     int64             `json:"fee_fixed"`
	DisputeFeeMinor   int64             `json:"dispute_fee,omitempty"`
	SettlementDays    int               `json:"settlement_days"`
	Payouts           PayoutSchedule    `json:"payouts,omitzero"`
	RefundNeedsFunds  bool              `json:"refund_needs_funds,omitempty"` // refunds cannot make the balance negative
	DisputeFeeKept    bool              `json:"dispute_fee_kept,omitempty"`   // a dispute's fee is not given back when it is won
	RefundSynchronous bool              `json:"refund_synchronous,omitempty"`
	Provisioned       bool              `json:"provisioned,omitempty"` // its keys were made by us; no other key opens it
	Script            string            `json:"script,omitempty"`      // simulator instructions for the whole key, JSON
	Race              string            `json:"race,omitempty"`        // the race lab's rules, JSON
	Settings          map[string]string `json:"settings,omitempty"`    // a front end's own, prefixed with its name
}

// Now returns the merchant's business time at a wall time.
func (m Merchant) Now(wall time.Time) time.Time { return wall.Add(m.Offset) }

// Fee returns what processing an amount costs.
func (m Merchant) Fee(a money.Amount) money.Amount {
	f := a.Share(m.Profile.FeeBasisPoints)
	f.Minor += m.Profile.FeeFixedMinor
	if f.Minor > a.Minor {
		f.Minor = a.Minor
	}
	return f
}
