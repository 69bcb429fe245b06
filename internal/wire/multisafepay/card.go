package multisafepay

import (
	"errors"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// threeMinutes is how long a test card's review takes.
const threeMinutes = 180

// testCards are the numbers with a meaning of their own (reference §11.1); every
// other number that could be a card's is approved.
var testCards = map[string]opening{
	"4917300000000008": {rules: reviewed(string(reasonReview)), review: true},
	"4462000000000003": {rules: reviewed(""), review: true},
	"378734493671000":  {rules: reviewed(string(reasonReview)), review: true},
	"4012001037461114": {rules: declined(payment.PayerDeclined), failure: notAuthenticated},
	"374200000000004":  {rules: declined(payment.PayerDeclined), failure: notAuthenticated},
	"4012001038488884": {rules: declined(payment.InsufficientFunds), failure: failure{"Insufficient funds", "1000"}},
}

func reviewed(reason string) []rail.Rule {
	return []rail.Rule{{On: "authorize", Do: "pending", DelaySeconds: threeMinutes, Reason: reason}}
}

func declined(why payment.Reason) []rail.Rule {
	return []rail.Rule{{On: "authorize", Do: "decline", Reason: string(why)}}
}

// charge begins a direct card payment: with a stored token, with the card's
// data, or, with neither, on the page for them.
func (a *API) charge(t *engine.Tx, r *request) (opening, error) {
	if r.token != "" {
		return a.chargeToken(t, r)
	}
	number, ok := r.info.Get("card_number").Text()
	if !ok {
		return opening{}, refusef(codeMissing, "gateway_info.card_number must be a text")
	}
	if number == "" {
		return opening{}, nil
	}
	number = strings.NewReplacer(" ", "", "-", "").Replace(number)
	if !luhn(number) {
		return opening{}, refusef(codeMissing, "gateway_info.card_number is not a card's")
	}
	expiry, ok := r.info.Get("card_expiry_date").Text()
	if !ok || !validExpiry(expiry) {
		return opening{}, refusef(codeMissing, "gateway_info.card_expiry_date must be written YYMM")
	}
	if cvc, ok := r.info.Get("card_cvc").Text(); !ok || cvc != "" && (len(cvc) < 3 || len(cvc) > 4 || strings.Trim(cvc, "0123456789") != "") {
		return opening{}, refusef(codeMissing, "gateway_info.card_cvc must be three or four digits")
	}
	holder, err := short("gateway_info.card_holder_name", r.info.Get("card_holder_name"))
	if err != nil {
		return opening{}, err
	}
	op, ok := testCards[number]
	if !ok {
		op = opening{rules: approve()}
	}
	if expired(expiry, t.At) {
		op = opening{rules: declined(payment.PayerDeclined), failure: failure{"Expired card", "1000"}}
	}
	moto, ok := r.info.Get("moto").Bool()
	if !ok {
		return opening{}, refusef(codeMissing, "gateway_info.moto must be a boolean")
	}
	if t.Who.Profile.Settings[settingChallenge] == "challenge" && !moto {
		op = opening{verdict: &verdict{Rules: op.rules, Review: op.review, Reason: op.failure.reason, Code: op.failure.code}}
	}
	op.plastic = &plastic{Last4: number[len(number)-4:], Bin: number[:6], Expiry: expiry, Holder: holder}
	return op, nil
}

// verdict is what a card comes to, told once its holder has been authenticated.
type verdict struct {
	Rules  []rail.Rule `json:"rules"` // as at an authorisation
	Review bool        `json:"review,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Code   string      `json:"code,omitempty"`
}

// rule says to the simulated wallet what it would have answered without the
// challenge.
func (v *verdict) rule() rail.Rule {
	r := rail.Rule{Do: "delay"}
	for _, said := range v.Rules {
		r.DelaySeconds, r.Reason = said.DelaySeconds, said.Reason
		if said.Do == "decline" || said.Reason != "" {
			r.Do = "decline"
		}
	}
	return r
}

// notAuthenticated is what a failed challenge says (reference §4.7).
var notAuthenticated = failure{"3DS Authentication Failed / Card authentication failed", "3001"}

// challengeForm is what a merchant shows the holder of a card, who authenticates
// themselves on the page it leads to (reference §3.10).
func challengeForm(base string, tx transaction) string {
	path, query, _ := strings.Cut(walletPath(tx), "?")
	name, val, _ := strings.Cut(query, "=")
	return `<form method="get" action="` + template.HTMLEscapeString(base+path) + `"><input type="hidden" name="` + template.HTMLEscapeString(name) +
		`" value="` + template.HTMLEscapeString(val) + `"></form>`
}

// luhn reports whether a text could be a card's number.
func luhn(s string) bool {
	if len(s) < 12 || len(s) > 19 {
		return false
	}
	sum := 0
	for i := range len(s) {
		c := s[len(s)-1-i]
		if c < '0' || c > '9' {
			return false
		}
		d := int(c - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func validExpiry(s string) bool {
	if len(s) != 4 || strings.Trim(s, "0123456789") != "" {
		return false
	}
	month, _ := strconv.Atoi(s[2:])
	return month >= 1 && month <= 12
}

// expired reports whether a card's last month is over.
func expired(yymm string, at time.Time) bool { return yymm < at.In(amsterdam).Format("0601") }

// kindToken is a stored card. Its id is the token.
const kindToken = Name + ".token"

// cardToken is the body of a token's row.
type cardToken struct {
	Reference string  `json:"reference"` // the merchant's id of the customer
	Gateway   string  `json:"gateway"`
	Model     string  `json:"model"`
	Card      plastic `json:"card"`
}

// tokensMax is how many tokens of a customer are looked at.
const tokensMax = 1000

// issueToken stores a card that was paid with, if the order asked for it. The
// merchant gets it in payment_details.recurring_id.
func (a *API) issueToken(t *engine.Tx, tx *transaction, o *order) error {
	if o.Model == "" || tx.Plastic == nil || tx.Token != "" {
		return nil
	}
	tx.Token = "9" + digitsOf(t.Random(19))
	body := cardToken{Reference: o.Reference, Gateway: tx.Gateway, Model: o.Model, Card: *tx.Plastic}
	return t.InsertResource(a.newRow(t, kindToken, tx.Token, "", body, resource.Key{Name: "customer", Value: o.Reference}))
}

// chargeToken charges a stored card; nobody has to be there.
func (a *API) chargeToken(t *engine.Tx, r *request) (opening, error) {
	_, tok, err := findToken(t, r.Reference, r.token)
	if err != nil {
		return opening{}, err
	}
	op := opening{rules: approve(), plastic: &tok.Card, token: r.token}
	if expired(tok.Card.Expiry, t.At) {
		op.rules, op.failure = declined(payment.PayerDeclined), failure{"Expired card", "1000"}
	}
	if r.Model == "" {
		r.Model = tok.Model
	}
	return op, nil
}

// findToken finds a customer's token.
func findToken(r store.Reader, reference, token string) (resource.Row, cardToken, error) {
	if token == "" || len(token) > textMax {
		return resource.Row{}, cardToken{}, gone("Not found: token")
	}
	row, err := r.Resource(kindToken, token)
	if errors.Is(err, store.ErrNotFound) {
		return row, cardToken{}, gone("Not found: token")
	}
	if err != nil {
		return row, cardToken{}, err
	}
	b, err := resource.Decode[cardToken](row)
	if err == nil && reference != "" && b.Reference != reference {
		return row, b, gone("Not found: token")
	}
	return row, b, err
}

func (v *view) renderToken(row resource.Row, b cardToken) value.Object {
	g, _ := findGateway(b.Gateway)
	last4, _ := strconv.Atoi(b.Card.Last4)
	expiry, _ := strconv.Atoi(b.Card.Expiry)
	bin, _ := strconv.Atoi(b.Card.Bin)
	gone := 0
	if expired(b.Card.Expiry, v.at) {
		gone = 1
	}
	return value.Object{
		"token": row.ID, "code": b.Gateway, "display": g.Name + " **** " + b.Card.Last4, "bin": bin, "name_holder": nullable(b.Card.Holder),
		"expiry_date": expiry, "expired": gone, "last4": last4, "model": b.Model, "recurring_model": b.Model,
	}
}

// listTokens answers GET /recurring/{customer}.
func listTokens(c *call) (any, error) {
	limit, offset, err := c.window(10, tokensMax)
	if err != nil {
		return nil, err
	}
	list := []any{}
	if !storable(c.path["customer"]) {
		return value.Object{"tokens": list}, nil
	}
	err = c.view(func(v *view) error {
		rows, err := v.Resources(store.List{Kind: kindToken, Key: "customer", Value: c.path["customer"], Limit: tokensMax})
		if err != nil {
			return err
		}
		for _, row := range rows[min(offset, len(rows)):min(offset+limit, len(rows))] {
			b, err := resource.Decode[cardToken](row)
			if err != nil {
				return err
			}
			list = append(list, v.renderToken(row, b))
		}
		return nil
	})
	return value.Object{"tokens": list}, err
}

// window reads limit and offset.
func (c *call) window(limit, limitMax int) (n, offset int, err error) {
	n = limit
	for _, f := range []struct {
		name string
		to   *int
	}{{"limit", &n}, {"offset", &offset}} {
		name, s := f.name, c.query.Get(f.name)
		if s == "" {
			continue
		}
		v, err := strconv.Atoi(s)
		if err != nil || v < 0 || name == "limit" && (v < 1 || v > limitMax) || v > 1<<30 {
			return 0, 0, refusef(codeMissing, "%s must be a number, a limit at most %d", name, limitMax)
		}
		*f.to = v
	}
	return n, offset, nil
}

func retrieveRecurring(c *call) (any, error) {
	var out value.Object
	err := c.view(func(v *view) error {
		row, b, err := findToken(v, c.path["customer"], c.path["token"])
		if err == nil {
			out = v.renderToken(row, b)
		}
		return err
	})
	return out, err
}

func updateRecurring(c *call) (step, error) {
	expiry, ok := c.body.Get("expiry_date").Text()
	if !ok || !validExpiry(expiry) {
		return step{}, refusef(codeMissing, "expiry_date must be written YYMM")
	}
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := findToken(t, c.path["customer"], c.path["token"])
			if err != nil {
				return err
			}
			b.Card.Expiry = expiry
			row.Body = resource.Encode(b)
			return t.UpdateResource(row)
		},
		finish: func(*engine.Tx) (any, error) { return value.Object{"updated": true}, nil },
	}, nil
}

func removeRecurring(c *call) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			row, _, err := findToken(t, c.path["customer"], c.path["token"])
			if err != nil {
				return err
			}
			return t.DeleteResource(kindToken, row.ID)
		},
		finish: func(*engine.Tx) (any, error) { return value.Object{"removed": true}, nil },
	}, nil
}
