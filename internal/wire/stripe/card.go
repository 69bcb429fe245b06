package stripe

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// testCard is one of the cards that exist for testing only. Nothing else is a
// card here: a number that is not in the table is refused, and no number is ever
// stored, only the name of the card it belongs to.
type testCard struct {
	name    string // pm_card_NAME and tok_NAME stand for it
	number  string
	brand   string
	funding string
	country string

	challenge bool           // the bank wants the cardholder to authenticate
	decline   payment.Reason // why its payments are refused, or ""
	dispute   string         // why its payments are disputed, or ""
	inquiry   bool           // and whether that begins with an inquiry
	atOnce    bool           // its proceeds are available at once
}

// Reasons of a card's issuer, in the words of the wire.
const (
	genericDecline  payment.Reason = "generic_decline"
	lostCard        payment.Reason = "lost_card"
	stolenCard      payment.Reason = "stolen_card"
	expiredCard     payment.Reason = "expired_card"
	incorrectCVC    payment.Reason = "incorrect_cvc"
	velocityReached payment.Reason = "card_velocity_exceeded"
)

// testCards are the published test numbers that stand for what integrations
// test: brands, refusals, authentication.
var testCards = []testCard{
	{name: "visa", number: "4242424242424242", brand: "visa", funding: "credit", country: "US"},
	{name: "visa_debit", number: "4000056655665556", brand: "visa", funding: "debit", country: "US"},
	{name: "mastercard", number: "5555555555554444", brand: "mastercard", funding: "credit", country: "US"},
	{name: "mastercard_2series", number: "2223003122003222", brand: "mastercard", funding: "credit", country: "US"},
	{name: "mastercard_debit", number: "5200828282828210", brand: "mastercard", funding: "debit", country: "US"},
	{name: "mastercard_prepaid", number: "5105105105105100", brand: "mastercard", funding: "prepaid", country: "US"},
	{name: "amex", number: "378282246310005", brand: "amex", funding: "credit", country: "US"},
	{name: "discover", number: "6011111111111117", brand: "discover", funding: "credit", country: "US"},
	{name: "diners", number: "3056930009020004", brand: "diners", funding: "credit", country: "US"},
	{name: "jcb", number: "3566002020360505", brand: "jcb", funding: "credit", country: "JP"},
	{name: "unionpay", number: "6200000000000005", brand: "unionpay", funding: "credit", country: "CN"},
	{name: "fr", number: "4000002500000003", brand: "visa", funding: "credit", country: "FR"},
	{name: "gb", number: "4000008260000000", brand: "visa", funding: "credit", country: "GB"},
	{name: "de", number: "4000002760000016", brand: "visa", funding: "credit", country: "DE"},

	{name: "chargeDeclined", number: "4000000000000002", brand: "visa", funding: "credit", country: "US", decline: genericDecline},
	{name: "chargeDeclinedInsufficientFunds", number: "4000000000009995", brand: "visa", funding: "credit", country: "US", decline: payment.InsufficientFunds},
	{name: "chargeDeclinedLostCard", number: "4000000000009987", brand: "visa", funding: "credit", country: "US", decline: lostCard},
	{name: "chargeDeclinedStolenCard", number: "4000000000009979", brand: "visa", funding: "credit", country: "US", decline: stolenCard},
	{name: "chargeDeclinedExpiredCard", number: "4000000000000069", brand: "visa", funding: "credit", country: "US", decline: expiredCard},
	{name: "chargeDeclinedIncorrectCvc", number: "4000000000000127", brand: "visa", funding: "credit", country: "US", decline: incorrectCVC},
	{name: "chargeDeclinedProcessingError", number: "4000000000000119", brand: "visa", funding: "credit", country: "US", decline: payment.ProcessingError},
	{name: "chargeDeclinedVelocityLimitExceeded", number: "4000000000006975", brand: "visa", funding: "credit", country: "US", decline: velocityReached},
	{name: "chargeCustomerFail", number: "4000000000000341", brand: "visa", funding: "credit", country: "US", decline: genericDecline},

	{name: "bypassPending", number: "4000000000000077", brand: "visa", funding: "credit", country: "US", atOnce: true},
	{name: "createDispute", number: "4000000000000259", brand: "visa", funding: "credit", country: "US", dispute: "fraudulent"},
	{name: "createDisputeInquiry", number: "4000000000001976", brand: "visa", funding: "credit", country: "US", dispute: "fraudulent", inquiry: true},
	{name: "createDisputeProductNotReceived", number: "4000000000002685", brand: "visa", funding: "credit", country: "US", dispute: "product_not_received"},

	{name: "authenticationRequired", number: "4000002760003184", brand: "visa", funding: "credit", country: "DE", challenge: true},
	{name: "authenticationRequiredOnSetup", number: "4000002500003155", brand: "visa", funding: "credit", country: "FR", challenge: true},
	{name: "threeDSecure2Required", number: "4000000000003220", brand: "visa", funding: "credit", country: "US", challenge: true},
	{name: "threeDSecureRequired", number: "4000000000003063", brand: "visa", funding: "credit", country: "US", challenge: true},
	{name: "threeDSecureOptional", number: "4000000000003055", brand: "visa", funding: "credit", country: "US"},
	{name: "threeDSecureRequiredChargeDeclined", number: "4000008400001629", brand: "visa", funding: "credit", country: "US", challenge: true, decline: genericDecline},
	{name: "authenticationRequiredChargeDeclinedInsufficientFunds", number: "4000008260003178", brand: "visa", funding: "credit", country: "GB", challenge: true, decline: payment.InsufficientFunds},
}

// script is how the simulator has to treat the card's payments.
func (tc testCard) script() []rail.Rule {
	switch {
	case tc.challenge && tc.decline != "":
		return []rail.Rule{{On: "authorize", Do: "redirect"}, {On: "approve", Do: "decline", Reason: string(tc.decline)}}
	case tc.challenge:
		return []rail.Rule{{On: "authorize", Do: "redirect"}}
	case tc.decline != "":
		return []rail.Rule{{On: "authorize", Do: "decline", Reason: string(tc.decline)}}
	}
	rules := []rail.Rule{{On: "authorize", Do: "approve"}}
	if tc.dispute != "" {
		do := "open"
		if tc.inquiry {
			do = "inquire"
		}
		rules = append(rules, rail.Rule{On: "dispute", Do: do, Reason: tc.dispute})
	}
	if tc.atOnce {
		rules = append(rules, rail.Rule{On: "settle", Do: "now"})
	}
	return rules
}

func cardNamed(name string) (testCard, bool) {
	for _, tc := range testCards {
		if tc.name == name {
			return tc, true
		}
	}
	return testCard{}, false
}

// cardBehind finds the card a test id stands for. Ids of refusals may carry the
// brand: pm_card_visa_chargeDeclined.
func cardBehind(id, prefix string) (testCard, bool) {
	name, ok := strings.CutPrefix(id, prefix)
	if !ok {
		return testCard{}, false
	}
	if tc, ok := cardNamed(name); ok {
		return tc, true
	}
	name, ok = strings.CutPrefix(name, "visa_")
	if !ok {
		return testCard{}, false
	}
	return cardNamed(name)
}

// cardBody is what is kept of a card.
type cardBody struct {
	Name  string `json:"name"`
	Month int    `json:"month"`
	Year  int    `json:"year"`
	CVC   bool   `json:"cvc,omitempty"` // a code was given
}

func (b cardBody) card() testCard {
	tc, ok := cardNamed(b.Name)
	if !ok {
		panic("stripe: stored card " + b.Name + " is not in the table of test cards")
	}
	return tc
}

func (tc testCard) last4() string { return tc.number[len(tc.number)-4:] }

// tokenCard is the card behind a test id, with an expiry date of its own.
func tokenCard(tc testCard, at time.Time) *cardBody {
	return &cardBody{Name: tc.name, Month: int(at.Month()), Year: at.Year() + 1, CVC: true}
}

func cardError(code, param, message string) *wireError {
	return &wireError{status: 402, typ: "card_error", code: code, param: param, message: message}
}

// digitsOnly is what a card number may look like once spaces and dashes are
// taken out.
var digitsOnly = regexp.MustCompile(`^[0-9]{12,19}$`)

// decodeCard reads the card hash of a payment method: a token, or what the payer
// typed.
func decodeCard(c *call, t *engine.Tx, v form.Value, name string) (*cardBody, owner, error) {
	if v.Get("token").Kind() == form.Missing {
		b, err := decodeNewCard(c, v, name, t.At)
		return b, owner{}, err
	}
	if err := members(v, name, "token", "networks"); err != nil {
		return nil, owner{}, err
	}
	if c.principal.live {
		return nil, owner{}, noLiveCards(name)
	}
	return c.redeemToken(t, v.Get("token"), name+"[token]")
}

func noLiveCards(param string) *wireError {
	return invalid("", param, "Cards are simulated on this server and can only be used in test mode.")
}

// decodeNewCard reads what the payer typed. Its errors never repeat what was
// sent: it may be a real card's number. more are members that somebody else
// reads.
func decodeNewCard(c *call, v form.Value, name string, at time.Time, more ...string) (*cardBody, error) {
	h, set, err := hash(v, name)
	if err != nil || !set {
		return nil, missingOr(err, name)
	}
	if err := members(h, name, append([]string{"number", "exp_month", "exp_year", "cvc", "networks"}, more...)...); err != nil {
		return nil, err
	}
	if c.principal.live {
		return nil, noLiveCards(name)
	}
	return decodeNumber(c, h, name, at)
}

func missingOr(err error, name string) error {
	if err != nil {
		return err
	}
	return missingParam(name)
}

func decodeNumber(c *call, h form.Value, name string, at time.Time) (*cardBody, error) {
	number, set, err := text(h.Get("number"), name+"[number]", 0)
	switch {
	case err != nil:
		return nil, invalid("", name+"[number]", "Invalid string: the card number has to be digits.")
	case !set:
		return nil, missingParam(name + "[number]")
	case !c.principal.public:
		return nil, &wireError{status: 402, message: "Sending credit card numbers directly to the API with a secret key is unsafe and is not offered. Use a test payment method such as pm_card_visa, or let the browser send the card with the publishable key."}
	}
	number = strings.NewReplacer(" ", "", "-", "").Replace(number)
	if !digitsOnly.MatchString(number) || !luhn(number) {
		return nil, cardError("incorrect_number", "number", "Your card number is incorrect.")
	}
	var found testCard
	for _, tc := range testCards {
		if tc.number == number {
			found = tc
		}
	}
	if found.name == "" {
		e := cardError("card_declined", "", "Your card was declined. Your request was in test mode, but used a card that is not one of the test cards. Known test cards are listed at https://docs.stripe.com/testing.")
		e.decline = "test_mode_live_card"
		return nil, e
	}
	b := &cardBody{Name: found.name}
	if b.Month, b.Year, err = cardExpiry(h.Get("exp_month").String(), h.Get("exp_year").String(), at); err != nil {
		return nil, err
	}
	cvc, set, err := text(h.Get("cvc"), name+"[cvc]", 0)
	if err != nil || set && (len(cvc) < 3 || len(cvc) > 4 || strings.Trim(cvc, "0123456789") != "") {
		return nil, cardError("invalid_cvc", "cvc", "Your card's security code is invalid.")
	}
	b.CVC = set
	return b, nil
}

// cardExpiry reads month and year; a year may have two digits.
func cardExpiry(m, y string, at time.Time) (month, year int, err error) {
	month, err = strconv.Atoi(m)
	if err != nil || month < 1 || month > 12 {
		return 0, 0, cardError("invalid_expiry_month", "exp_month", "Your card's expiration month is invalid.")
	}
	year, err = strconv.Atoi(y)
	if err == nil && year >= 0 && year < 100 {
		year += 2000
	}
	if err != nil || year < at.Year() || year > at.Year()+50 {
		return 0, 0, cardError("invalid_expiry_year", "exp_year", "Your card's expiration year is invalid.")
	}
	if year == at.Year() && month < int(at.Month()) {
		return 0, 0, cardError("invalid_expiry_month", "exp_month", "Your card's expiration month is invalid.")
	}
	return month, year, nil
}

// luhn checks the last digit of a card number.
func luhn(number string) bool {
	sum := 0
	for i, d := range []byte(number) {
		n := int(d - '0')
		if (len(number)-i)%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// check is the result of checking the security code, if one was given.
func (b cardBody) check(result string) any {
	if !b.CVC {
		return nil
	}
	return result
}

// displayBrand is how cards of old call the brand.
func (tc testCard) displayBrand() string {
	if name, ok := map[string]string{"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express", "discover": "Discover", "diners": "Diners Club", "jcb": "JCB", "unionpay": "UnionPay"}[tc.brand]; ok {
		return name
	}
	return "Unknown"
}

// TestCardNumbers are the numbers of all cards there are.
func TestCardNumbers() []string {
	numbers := make([]string, len(testCards))
	for i, tc := range testCards {
		numbers[i] = tc.number
	}
	return numbers
}

// render is the card of a payment method; the browser does not get the
// fingerprint.
func (b cardBody) render(v *view) obj {
	tc := b.card()
	o := obj{
		"brand": tc.brand, "checks": obj{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": b.check("unchecked")}, "country": tc.country,
		"display_brand": tc.brand, "exp_month": b.Month, "exp_year": b.Year, "funding": tc.funding, "generated_from": nil, "last4": tc.last4(),
		"networks": obj{"available": []any{tc.brand}, "preferred": nil}, "three_d_secure_usage": obj{"supported": true}, "wallet": nil,
	}
	if since(v.version, versionRecentMembers) {
		o["regulated_status"] = "unregulated"
	}
	if !v.public {
		o["fingerprint"] = fingerprint(v.merchant.Account, "card:"+tc.name)
	}
	return o
}

// details is the card of a charge.
func (b cardBody) details(v *view, charge chargeBody, p *payment.Payment) obj {
	tc := b.card()
	check := b.check("pass")
	if p.Attempt.Reason == incorrectCVC {
		check = "fail"
	}
	o := obj{
		"amount_authorized": nil, "authorization_code": nil, "brand": tc.brand,
		"checks":  obj{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": check},
		"country": tc.country, "exp_month": b.Month, "exp_year": b.Year,
		"fingerprint": fingerprint(v.merchant.Account, "card:"+tc.name), "funding": tc.funding, "installments": nil, "last4": tc.last4(), "mandate": nil,
		"network": tc.brand, "three_d_secure": nil, "wallet": nil,
	}
	if !p.Attempt.AuthorizedAt.IsZero() {
		o["amount_authorized"], o["authorization_code"] = p.Amount.Minor, p.Attempt.Reference[max(0, len(p.Attempt.Reference)-6):]
		if charge.Later && p.State() == payment.Authorized {
			o["capture_before"] = p.Attempt.Deadline.Unix()
		}
	}
	if tc.challenge && !charge.Failed {
		o["three_d_secure"] = threeDSecurePassed()
	}
	return o
}

// threeDSecurePassed says that the cardholder was asked and answered well.
func threeDSecurePassed() obj {
	return obj{"authentication_flow": "challenge", "electronic_commerce_indicator": "05", "exemption_indicator": nil, "result": "authenticated", "result_reason": nil, "transaction_id": nil, "version": "2.2.0"}
}

// cardRefusal is what the wire says about a refusal of the card's issuer
// (stripe-payment-intents §9).
func cardRefusal(r payment.Reason) intentError {
	e := intentError{Type: "card_error", Code: "card_declined", Decline: string(r), Advice: "try_again_later"}
	switch r {
	case payment.InsufficientFunds:
		e.Message = "Your card has insufficient funds."
	case lostCard, stolenCard:
		e.Advice, e.Message = "do_not_try_again", "Your card was declined."
	case velocityReached:
		e.Message = "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."
	case expiredCard:
		e.Code, e.Param, e.Advice, e.Message = "expired_card", "exp_month", "confirm_card_data", "Your card has expired."
	case incorrectCVC:
		e.Code, e.Param, e.Advice, e.Message = "incorrect_cvc", "cvc", "confirm_card_data", "Your card's security code is incorrect."
	case payment.ProcessingError:
		e.Code, e.Message = "processing_error", "An error occurred while processing your card. Try again in a little bit."
	default:
		e.Decline, e.Message = string(genericDecline), "Your card was declined."
	}
	return e
}
