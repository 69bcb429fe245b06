package method

import (
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// Intent is the product in which a merchant states what it wants to be paid and
// the payer chooses how: one method after another until one succeeds.
const Intent = "intent"

var intents = []Rules{{
	Product: Intent, Method: "card", Name: "Card",
	Minimum: smallest, MinimumDefault: 50, Maximum: 99_999_999,
	PendingFor:      time.Hour,            // our choice: how long an authentication may take
	AuthorizedFor:   7 * 24 * time.Hour,   // reference §9
	RefundFor:       180 * 24 * time.Hour, // our choice
	SeparateCapture: true, Reusable: true, Inquiries: true,
	Agreement: &Agreement{AskFor: time.Hour}, // no code: good until the merchant lets go
}, {
	Product: Intent, Method: "alma", Name: "Alma",
	Currencies:      []money.Currency{"EUR"},                      // seed 003, "Error codes"
	Countries:       []string{"FR", "IT", "ES", "NL", "BE", "LU"}, // reference §7
	Minimum:         map[money.Currency]int64{"EUR": 5000},        // reference §7
	MinimumDefault:  5000,
	Maximum:         500_000,              // reference §7
	PendingFor:      time.Hour,            // seed 003, "Redirect and authenticate transactions"
	AuthorizedFor:   7 * 24 * time.Hour,   // reference §7
	RefundFor:       180 * 24 * time.Hour, // reference §7
	RefundDelay:     5 * time.Second,      // reference §10.2
	SeparateCapture: true, Redirect: true,
	DisputedFor: 120 * 24 * time.Hour, // reference §7
	DisputeDays: 14,                   // same
}, {
	Product: Intent, Method: "alipay", Name: "Alipay",
	Currencies:     []money.Currency{"AUD", "CAD", "CNY", "EUR", "GBP", "HKD", "JPY", "MYR", "NZD", "SGD", "USD"}, // reference §8
	AnyAccount:     []money.Currency{"CNY"},                                                                       // same
	RegionCurrency: map[string]money.Currency{"BG": "EUR", "CZ": "EUR", "DK": "EUR", "NO": "EUR", "RO": "EUR", "SE": "EUR", "CH": "EUR"},
	Countries: []string{ // same
		"AT", "AU", "BE", "BG", "CA", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GI", "GR", "HK", "HR", "HU", "IE", "IT", "JP", "LI",
		"LT", "LU", "LV", "MT", "MY", "NL", "NO", "NZ", "PT", "RO", "SE", "SG", "SI", "SK", "US",
	},
	Minimum: smallest, MinimumDefault: 50, Maximum: 99_999_999,
	PendingFor:    time.Hour,           // reference §6.6
	AuthorizedFor: 24 * time.Hour,      // captured at once: never reached
	RefundFor:     90 * 24 * time.Hour, // reference §8
	RefundDelay:   5 * time.Second,     // reference §10.2
	Redirect:      true, Reusable: true,
	Agreement: &Agreement{AskFor: time.Hour, Revocable: true}, // reference §13.3: good until the buyer withdraws
}}

// smallest is what a payment must at least be, in minor units: about half a
// dollar, as published for each currency (docs: currencies, "minimum charge").
var smallest = map[money.Currency]int64{
	"AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50, "GBP": 30, "HKD": 400, "HUF": 17500,
	"INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50, "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "USD": 50,
}
