package method

import (
	"time"
	_ "time/tzdata" // the zone must be the same on every machine

	"github.com/ducatpay/ducat/internal/money"
)

// Order is the product in which a payer pays a merchant's order on a page of
// ours or of the method, and funds are captured on approval unless the merchant
// asked to capture later.
const Order = "order"

// Amsterdam is the zone in whose midnight refunds of orders are passed on
// (multisafepay reference §6.2).
var Amsterdam = mustZone("Europe/Amsterdam")

func mustZone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic("method: the embedded time zone database lacks " + name)
	}
	return z
}

const (
	// unlimited stands for "no limit" where a deadline must exist all the same.
	unlimited = 100 * year
	// neverExpires is the lifetime of transactions that do not expire by
	// themselves; every waiting state has an end.
	neverExpires = year
)

// Currencies by reach. No source lists them per method; euro methods take euro,
// and cards what the published examples use.
var (
	euro    = []money.Currency{"EUR"}
	euroUSD = []money.Currency{"EUR", "USD"}
	many    = []money.Currency{"AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "INR", "ISK",
		"JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PEN", "PHP", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "VEF", "ZAR"}
	paypal = []money.Currency{"AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RUB", "SEK", "SGD", "THB", "TRY", "TWD", "USD"}
	nordic = []money.Currency{"CHF", "DKK", "EUR", "GBP", "NOK", "SEK", "USD"}
)

// Countries in which methods are offered: the table "Payment methods by country"
// of MultiSafepay's documentation, and the methods' own pages for those that came
// after it. Methods that are not named are offered everywhere.
var (
	austria, belgium, czechia, germany, italy, netherlands, poland, portugal, spain = []string{"AT"}, []string{"BE"}, []string{"CZ"}, []string{"DE"},
		[]string{"IT"}, []string{"NL"}, []string{"PL"}, []string{"PT"}, []string{"ES"}
	sepa = []string{"AD", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU",
		"LV", "MC", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK", "SM", "VA"}

	orderPayers = map[string][]string{
		"amazon_pay": {"AT", "BE", "CH", "CY", "DE", "DK", "ES", "FR", "HU", "IE", "IT", "LU", "NL", "PT", "SE"},
		"bancontact": belgium, "belfius": belgium, "cbc": belgium, "kbc": belgium,
		"bank_transfer": sepa, "direct_debit": sepa,
		"billink": {"BE", "DE", "NL"},
		"bizum":   spain,
		"dotpay":  poland,
		"eps":     austria,
		"giropay": germany, "request_to_pay": germany,
		"gift_card": {"BE", "NL"}, "riverty": {"BE", "NL"},
		"ideal": netherlands, "betaal_per_maand": netherlands, "in3": netherlands, "pay_after_delivery": netherlands, "pay_in_installments": netherlands,
		"klarna": {"AT", "BE", "DE", "DK", "ES", "FR", "IT", "NL", "NO", "SE"},
		"mb_way": portugal, "multibanco": portugal,
		"mybank": italy,
		"sofort": {"AT", "BE", "CH", "DE", "ES", "IT", "PL"},
		"trustly": {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "GB", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT",
			"RO", "SE", "SI", "SK"},
		"trustpay": czechia,
	}
)

// order makes an entry. pendingFor is how long a transaction may take
// (multisafepay reference §3.12); amounts start at one cent.
func order(method, name string, currencies []money.Currency, pendingFor time.Duration) Rules {
	return Rules{
		Product: Order, Method: method, Name: name, Currencies: known(currencies),
		MinimumDefault: 1, Maximum: 99_999_999_99, PendingFor: pendingFor, AuthorizedFor: 90 * day, RefundFor: unlimited,
		RefundAt: &CutOff{Zone: Amsterdam}, ApprovalDelay: afterReturn, Payers: orderPayers[method],
	}
}

// known leaves out codes that have gone out of use since a list was published.
func known(list []money.Currency) (out []money.Currency) {
	for _, c := range list {
		if _, ok := money.ParseCurrency(string(c)); ok {
			out = append(out, c)
		}
	}
	return out
}

// card is an order's entry for a card brand, whose authorisation can be captured
// later within a window (multisafepay reference §7).
func card(method, name string, window time.Duration) Rules {
	r := order(method, name, many, time.Hour)
	r.SeparateCapture, r.AuthorizedFor = true, window
	return r
}

var orders = []Rules{
	order("alipay", "Alipay", euroUSD, 5*time.Hour),
	order("alipay_plus", "Alipay+", []money.Currency{"EUR", "GBP", "USD"}, time.Hour),
	order("amazon_pay", "Amazon Pay", []money.Currency{"EUR", "GBP", "USD"}, time.Hour),
	card("amex", "American Express", 7*day),
	card("apple_pay", "Apple Pay", 7*day),
	order("bancontact", "Bancontact", euro, time.Hour),
	order("bank_transfer", "Bank transfer", []money.Currency{"AUD", "CHF", "CZK", "DKK", "EUR", "GBP", "HUF", "NOK", "PLN", "RON", "SEK", "USD"}, 60*day),
	order("belfius", "Belfius", euro, 5*day),
	order("betaal_per_maand", "Betaal per Maand", euro, day),
	order("billink", "Billink", euro, day),
	order("bizum", "Bizum", euro, 30*time.Minute),
	order("cbc", "CBC", euro, 5*day),
	card("card", "Cards", 7*day),
	order("dotpay", "Dotpay", []money.Currency{"EUR", "PLN"}, 3*day),
	order("direct_debit", "SEPA Direct Debit", euro, neverExpires),
	order("e_invoice", "E-Invoicing", euro, neverExpires),
	order("eps", "EPS", euro, neverExpires),
	order("gift_card", "Gift card", euro, neverExpires),
	order("giropay", "Giropay", euro, neverExpires),
	card("google_pay", "Google Pay", 7*day),
	order("ideal", "iDEAL", euro, time.Hour),
	order("in3", "in3", euro, 2*time.Hour),
	order("kbc", "KBC", euro, 5*day),
	order("klarna", "Klarna", nordic, day),
	card("maestro", "Maestro", 30*day),
	card("mastercard", "Mastercard", 30*day),
	order("mb_way", "MB WAY", euro, 4*time.Minute),
	order("multibanco", "Multibanco", euro, 72*time.Hour),
	order("mybank", "MyBank", euro, time.Hour),
	order("pay_after_delivery", "Pay After Delivery", euro, 90*day),
	order("pay_in_installments", "Pay in installments", euro, 14*day),
	order("paypal", "PayPal", paypal, 14*day),
	order("paysafecard", "Paysafecard", []money.Currency{"EUR", "GBP", "USD"}, 3*time.Hour),
	order("request_to_pay", "Request to Pay", euro, time.Hour),
	order("riverty", "Riverty", euro, 90*day),
	order("sofort", "Sofort", []money.Currency{"CHF", "EUR", "GBP"}, day),
	order("trustly", "Trustly", []money.Currency{"DKK", "EUR", "NOK", "SEK"}, 2*time.Hour),
	order("trustpay", "TrustPay", []money.Currency{"CZK", "EUR"}, 10*day),
	card("visa", "Visa", 7*day),
	order("wechat_pay", "WeChat Pay", euroUSD, 2*time.Hour),
}
