// Package method is the catalogue of payment methods: what each can do, per
// product, as data. A rule belongs to a (product, method) pair because the same
// wallet has other limits in another product. Figures name their source.
package method

import (
	"slices"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// CutOff is a time of day, in a zone, after which money can no longer be taken
// on that day.
type CutOff struct {
	Hour, Minute int
	Zone         *time.Location
}

// Rules says what one method can do in one product.
type Rules struct {
	Product, Method string
	Name            string // for people

	Currencies      []money.Currency
	RegionCurrency  map[string]money.Currency // country that must use a currency other than its account's
	Minimum         map[money.Currency]int64  // minor units; others: MinimumDefault
	MinimumDefault  int64
	Maximum         int64         // minor units, any currency
	PendingFor      time.Duration // how long the payer may take
	AuthorizedFor   time.Duration // how long an authorisation can be captured
	CutOff          *CutOff       // and until when on the day it was given
	RefundFor       time.Duration // how long after capture a refund can be submitted; 0: never
	SeparateCapture bool          // whether the merchant may choose to capture later
	RefundDelay     time.Duration // how long the simulator takes to decide a refund; 0: at once
	RefundAt        *CutOff       // or the time of day at which it decides all of them

	Region       string     // ISO 3166 country whose payers use it; "" for many
	Payers       []string   // ISO 3166 countries whose payers it is offered to; empty: to all
	Step         int64      // amounts are multiples of it, in minor units; 0: any
	ReversePaid  bool       // a captured payment can be reversed within the day
	Undisputed   bool       // payers cannot claim their money back
	Inquiries    bool       // whoever decides disputes may ask the merchant first
	DailyMaximum int64      // minor units per payer and day in the settlement zone; 0: none
	SettlesNext  bool       // proceeds are available on the day after the capture, whatever the account's settlement days
	Agreement    *Agreement // what a standing authorisation of it is like; nil if it has none

	AnyAccount    []money.Currency // beside Currencies: for accounts of every country
	Countries     []string         // of the accounts that can take it; empty: of all
	Redirect      bool             // the payer always approves it elsewhere
	Reusable      bool             // the payer can let the merchant keep it for later payments
	ApprovalDelay time.Duration    // how long after the payer's approval the simulated wallet confirms; zero: at once
	DisputedFor   time.Duration    // how long after its capture the payer can dispute a payment; zero: as long as they like
	DisputeDays   int              // how long a merchant may answer a dispute; zero: DisputeDaysDefault
}

// Agreement says what a payer's standing authorisation is like.
type Agreement struct {
	AskFor     time.Duration // how long the payer may take to decide
	CodeFor    time.Duration // how long the merchant may take to exchange the code; 0: there is no code and there are no tokens
	AccessFor  time.Duration // how long a token, or an agreement without tokens, is good; 0: until it is withdrawn
	RefreshFor time.Duration // how long tokens can be renewed; 0: they cannot
	Rotates    bool          // whether a renewal replaces the token that renews
	GraceFor   time.Duration // how long replaced tokens are still good
	Revocable  bool          // whether payers can withdraw in their wallet
	Unheard    bool          // such a withdrawal is not announced to the merchant
}

// afterReturn is an ApprovalDelay longer than a redirect takes, so that a
// merchant who looks only when the payer returns learns to wait for the
// notification.
const afterReturn = time.Second

// DisputeDaysDefault is how long a merchant may answer a dispute unless the
// method says otherwise.
const DisputeDaysDefault = 9

// InquiryFor is how long an inquiry can become a dispute: the time card networks
// give for claims.
const InquiryFor = 120 * 24 * time.Hour

// SingleUseSource is the product in which a payer authorises one payment by
// redirect and the merchant captures it by a separate request.
const SingleUseSource = "single_use_source"

// china is fixed at UTC+8: China has had no daylight saving since 1991, and the
// rule names GMT+8.
var china = time.FixedZone("CST", 8*60*60)

var catalogue = []Rules{{
	Product: SingleUseSource, Method: "alipay", Name: "Alipay",
	Currencies:     []money.Currency{"AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "NZD", "SGD", "USD"}, // seed 000, step 1
	RegionCurrency: map[string]money.Currency{"DK": "EUR", "NO": "EUR", "SE": "EUR", "CH": "EUR"},   // seed 000, step 1
	Minimum:        map[money.Currency]int64{"GBP": 30, "HKD": 400},                                 // reference §3.3
	MinimumDefault: 50,
	Maximum:        99_999_999,                                 // reference §3.3
	PendingFor:     time.Hour,                                  // seed 000, "Single-use Sources expiration"
	AuthorizedFor:  6 * time.Hour,                              // same
	CutOff:         &CutOff{Hour: 23, Minute: 45, Zone: china}, // same
	RefundFor:      90 * 24 * time.Hour,                        // seed 000, "Disputed payments"
	RefundDelay:    2 * time.Second,                            // reference §10.4
	ApprovalDelay:  afterReturn,
}}

// Find returns the rules of a method in a product.
func Find(product, method string) (Rules, bool) {
	for _, table := range [][]Rules{catalogue, autoDebit, orders, intents} {
		for i := range table {
			if r := &table[i]; r.Product == product && r.Method == method {
				return *r, true
			}
		}
	}
	return Rules{}, false
}

// All returns every entry of the catalogue.
func All() []Rules { return slices.Concat(catalogue, autoDebit, orders, intents) }

// AuthorizedUntil returns the instant at which an authorisation given at is no
// longer good: it can be captured strictly before it. An authorisation given at
// or after the cut-off has the next day's, since the day's own cannot be met.
func (r Rules) AuthorizedUntil(at time.Time) time.Time {
	until := at.Add(r.AuthorizedFor)
	if c := r.CutOff; c != nil {
		if cut := c.next(at); cut.Before(until) {
			until = cut
		}
	}
	return until.UTC()
}

// RefundAfter returns how long after a request made at an instant the simulator
// decides the refund.
func (r Rules) RefundAfter(at time.Time) time.Duration {
	if r.RefundAt == nil {
		return r.RefundDelay
	}
	return r.RefundAt.next(at).Sub(at)
}

// next returns the first instant after at with the time of day.
func (c CutOff) next(at time.Time) time.Time {
	local := at.In(c.Zone)
	next := time.Date(local.Year(), local.Month(), local.Day(), c.Hour, c.Minute, 0, 0, c.Zone)
	if !next.After(at) {
		next = time.Date(local.Year(), local.Month(), local.Day()+1, c.Hour, c.Minute, 0, 0, c.Zone)
	}
	return next
}

// MinimumFor returns the smallest amount in minor units.
func (r Rules) MinimumFor(c money.Currency) int64 {
	if m, ok := r.Minimum[c]; ok {
		return m
	}
	return r.MinimumDefault
}

// Takes reports whether the method exists in a currency at all. A method that
// names no currencies takes all of them.
func (r Rules) Takes(c money.Currency) bool {
	return len(r.Currencies) == 0 || slices.Contains(r.Currencies, c)
}

// OpenTo reports whether an account of a country may have the method. An account
// that settles in one of the method's currencies beside its own stands for one
// of a country that has it.
func (r Rules) OpenTo(country string, extra []money.Currency) bool {
	return len(r.Countries) == 0 || slices.Contains(r.Countries, country) ||
		slices.ContainsFunc(extra, func(c money.Currency) bool { return slices.Contains(r.Currencies, c) })
}

// OfferedIn reports whether the method is offered to payers of a country. Whose
// country is not known is offered everything.
func (r Rules) OfferedIn(country string) bool {
	return country == "" || len(r.Payers) == 0 || slices.Contains(r.Payers, country)
}

// Allows reports whether a merchant of a country, with a default currency and
// further currencies it can settle in, may take this method in c. Settlement is
// like for like: no conversion ever happens.
func (r Rules) Allows(c money.Currency, country string, byDefault money.Currency, extra []money.Currency) bool {
	if len(r.Currencies) == 0 || slices.Contains(extra, c) || slices.Contains(r.AnyAccount, c) {
		return true
	}
	if forced, ok := r.RegionCurrency[country]; ok {
		return c == forced
	}
	return c == byDefault && slices.Contains(r.Currencies, c)
}
