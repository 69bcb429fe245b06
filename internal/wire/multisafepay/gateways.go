package multisafepay

import (
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
)

// kind is how a gateway goes about a payment.
type kind uint8

const (
	redirecting kind = iota // the payer goes to the bank's or wallet's page
	cards                   // card data or a token, or a page for them
	later                   // bought now, paid to the provider after shipping
	transfer                // the payer transfers money by themselves
	debit                   // debited from an account the merchant names
	coupon                  // gift cards
)

// gateway is a payment method in this dialect's words.
type gateway struct {
	ID     string
	Name   string
	Method string // of the core's catalogue
	Kind   kind
	Direct bool // can be used without the payment page (reference §3.1)
	// PlainVoid says that a cancellation is void in both dimensions (§9.2).
	PlainVoid bool
	// Tentative says that a payment stays unsettled until its proceeds are
	// available (§9.2).
	Tentative bool
}

// gateways lists what reference §3.8 lists, in the order of the payment page.
var gateways = []gateway{
	{ID: "ALIPAY", Name: "Alipay", Method: "alipay", Direct: true},
	{ID: "ALIPAYPLUS", Name: "Alipay+", Method: "alipay_plus", Direct: true, PlainVoid: true},
	{ID: "AMAZONBTN", Name: "Amazon Pay", Method: "amazon_pay"},
	{ID: "AMEX", Name: "American Express", Method: "amex", Kind: cards, Direct: true},
	{ID: "APPLEPAY", Name: "Apple Pay", Method: "apple_pay", Direct: true},
	{ID: "MISTERCASH", Name: "Bancontact", Method: "bancontact", Direct: true},
	{ID: "BANKTRANS", Name: "Bank transfer", Method: "bank_transfer", Kind: transfer, Direct: true},
	{ID: "BELFIUS", Name: "Belfius", Method: "belfius", Direct: true},
	{ID: "SANTANDER", Name: "Betaal per Maand", Method: "betaal_per_maand", PlainVoid: true},
	{ID: "BILLINK", Name: "Billink", Method: "billink", Kind: later, PlainVoid: true},
	{ID: "BIZUM", Name: "Bizum", Method: "bizum"},
	{ID: "CBC", Name: "CBC", Method: "cbc", Direct: true},
	{ID: "CREDITCARD", Name: "Card payment", Method: "card", Kind: cards, Direct: true},
	{ID: "DOTPAY", Name: "Dotpay", Method: "dotpay"},
	{ID: "EINVOICE", Name: "E-Invoicing", Method: "e_invoice", Kind: later, Direct: true, PlainVoid: true},
	{ID: "EPS", Name: "EPS", Method: "eps"},
	{ID: "FERBUY", Name: "FerBuy", Method: "pay_in_installments"},
	{ID: "GIROPAY", Name: "Giropay", Method: "giropay"},
	{ID: "GOOGLEPAY", Name: "Google Pay", Method: "google_pay", Direct: true},
	{ID: "IDEAL", Name: "iDEAL", Method: "ideal", Direct: true},
	{ID: "IDEALQR", Name: "iDEAL QR", Method: "ideal"},
	{ID: "IN3", Name: "in3", Method: "in3", Kind: later, Direct: true, PlainVoid: true},
	{ID: "INGHOME", Name: "ING Home'Pay", Method: "kbc", Direct: true},
	{ID: "KBC", Name: "KBC", Method: "kbc", Direct: true},
	{ID: "KLARNA", Name: "Klarna", Method: "klarna", Kind: later, Direct: true, PlainVoid: true},
	{ID: "MAESTRO", Name: "Maestro", Method: "maestro", Kind: cards, Direct: true},
	{ID: "MASTERCARD", Name: "Mastercard", Method: "mastercard", Kind: cards, Direct: true},
	{ID: "MBWAY", Name: "MB WAY", Method: "mb_way"},
	{ID: "MULTIBANCO", Name: "Multibanco", Method: "multibanco"},
	{ID: "MYBANK", Name: "MyBank", Method: "mybank", Direct: true},
	{ID: "BNPL_MF", Name: "Pay After Delivery", Method: "pay_after_delivery", Kind: later, Direct: true, PlainVoid: true},
	{ID: "BNPL_INSTM", Name: "Pay After Delivery Installments", Method: "pay_in_installments", Kind: later, Direct: true, PlainVoid: true},
	{ID: "PAYAFTER", Name: "Pay After Delivery", Method: "pay_after_delivery", Kind: later, Direct: true, PlainVoid: true},
	{ID: "PAYPAL", Name: "PayPal", Method: "paypal", Direct: true, Tentative: true},
	{ID: "PSAFECARD", Name: "Paysafecard", Method: "paysafecard"},
	{ID: "DBRTP", Name: "Request to Pay", Method: "request_to_pay"},
	{ID: "AFTERPAY", Name: "Riverty", Method: "riverty", Kind: later, Direct: true, PlainVoid: true},
	{ID: "DIRDEB", Name: "SEPA Direct Debit", Method: "direct_debit", Kind: debit, Direct: true},
	{ID: "DIRECTBANK", Name: "Sofort", Method: "sofort", Direct: true},
	{ID: "TRUSTLY", Name: "Trustly", Method: "trustly"},
	{ID: "TRUSTPAY", Name: "TrustPay", Method: "trustpay"},
	{ID: "VISA", Name: "Visa", Method: "visa", Kind: cards, Direct: true},
	{ID: "WECHAT", Name: "WeChat Pay", Method: "wechat_pay", Direct: true},
	giftCard("BOEKENBON", "Boekenbon"), giftCard("EDENCO", "Edenred Consumption"), giftCard("EDENCOM", "Edenred Compliments"),
	giftCard("EDENRES", "Edenred Ticket Restaurant"), giftCard("EDENSPORTS", "Edenred Sport & Culture"), giftCard("FASHIONCHQ", "Fashioncheque"),
	giftCard("GEZONDHEID", "Gezondheidsbon"), giftCard("MONIECO", "Monizze eco"), giftCard("MONIGIFT", "Monizze gift"), giftCard("MONIMEAL", "Monizze meal"),
	giftCard("NATNLBIOSC", "Nationale Bioscoopbon"), giftCard("PARFUMCADE", "Parfum Cadeaukaart"), giftCard("SODESPORTS", "Sodexo Sport & Culture"),
	giftCard("SPORTENFIT", "Sport en Fit"), giftCard("VVVGIFTCRD", "VVV Cadeaukaart"), giftCard("WEBSHOPGFT", "Webshop gift card"),
	giftCard("WIJNCADEAU", "Wijncadeau"), giftCard("YOURGIFT", "YourGift"),
}

func giftCard(id, name string) gateway {
	return gateway{ID: id, Name: name, Method: "gift_card", Kind: coupon}
}

// findGateway finds a gateway by its id in any case.
func findGateway(id string) (gateway, bool) {
	for _, g := range gateways {
		if strings.EqualFold(g.ID, id) {
			return g, true
		}
	}
	return gateway{}, false
}

// rules are the catalogue's, which has every gateway's method (a test sees to it).
func (g gateway) rules() method.Rules {
	r, ok := method.Find(method.Order, g.Method)
	if !ok {
		panic("multisafepay: the catalogue has no method " + g.Method)
	}
	return r
}

// enabled reports whether the site offers a gateway.
func (g gateway) enabled(p merchant.Profile) bool {
	return !slices.ContainsFunc(p.MethodsOff, func(off string) bool { return off == g.Method || strings.EqualFold(off, g.ID) })
}

// takes reports whether a gateway takes a currency.
func (g gateway) takes(c money.Currency) bool { return slices.Contains(g.rules().Currencies, c) }

// Settings of a site that its merchant's profile keeps, set through the
// control API.
const (
	settingLanguage     = Name + ".language"            // locale of the payment page when the order's is not supported
	settingNotification = Name + ".notification_url"    // used when an order brings none
	settingRedirect     = Name + ".redirect_url"        // same
	settingCancel       = Name + ".cancel_url"          // same
	settingCurrencies   = Name + ".currencies"          // comma-separated; "" for all
	settingCosts        = Name + ".costs"               // fees_only: no entry before a fee is known
	settingSettleAfter  = Name + ".alipay.settle_after" // seconds a paid Alipay order stays financially initialized
	settingStrictURLs   = Name + ".strict_urls"         // true: the documented limits of notification URLs
	settingSession      = Name + ".session_fields"      // false: answers to hosted orders are the published example's alone
	settingChallenge    = Name + ".three_d_secure"      // challenge: direct card payments are authenticated on a page
	settingBlocked      = Name + ".blocked"             // true: the site is inactive; account: its account is blocked
)

// siteTakes reports whether the site has a currency at all.
func siteTakes(p merchant.Profile, c money.Currency) bool {
	if list := p.Settings[settingCurrencies]; list != "" {
		return slices.Contains(strings.FieldsFunc(strings.ToUpper(list), func(r rune) bool { return r == ',' || r == ' ' }), string(c))
	}
	return slices.ContainsFunc(gateways, func(g gateway) bool { return g.takes(c) })
}

// amsterdam is the zone of all timestamps on the wire (reference §1.9).
var amsterdam = method.Amsterdam

// stamp writes an instant as the wire does.
func stamp(at time.Time) string { return at.In(amsterdam).Format("2006-01-02T15:04:05") }
