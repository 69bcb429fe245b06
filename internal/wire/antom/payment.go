package antom

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const kindPayment = "antom.payment"

// productCode is the only product served.
const productCode = "AGREEMENT_PAYMENT"

// paymentBody is what a payment's row keeps beside what the core knows.
type paymentBody struct {
	Client      string          `json:"client"`
	Account     string          `json:"account,omitempty"` // merchantAccountId
	RequestID   string          `json:"request_id"`
	Asked       money.Amount    `json:"asked"` // as requested; the core's may be rounded
	Token       string          `json:"token"` // hash of the token it was asked with
	OrderID     string          `json:"order_id"`
	Description string          `json:"description"`
	MerchantID  string          `json:"merchant_id,omitempty"` // secondary merchant
	StoreID     string          `json:"store_id,omitempty"`
	NotifyURL   string          `json:"notify_url,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Customized  json.RawMessage `json:"customized,omitempty"`
	Settlement  money.Currency  `json:"settlement"`
	Quote       *quote          `json:"quote,omitempty"`
	Scenario    string          `json:"scenario,omitempty"`
	Shaky       bool            `json:"shaky,omitempty"`    // the first answer was withheld by a scenario
	Canceled    time.Time       `json:"canceled,omitzero"`  // when it was cancelled
	Reversal    string          `json:"reversal,omitempty"` // the refund that undid it
	Fee         int64           `json:"fee,omitempty"`      // charged with the capture, in the payment's currency
}

// payRequest is a decoded request (antom §5.5).
type payRequest struct {
	body    paymentBody
	method  string
	token   string
	until   time.Time // asked-for expiry
	settle  string
	product string
}

func decodePay(c *call) (q payRequest, err error) {
	f := c.in
	q.product = f.oneOf("productCode", "", productCode, "CASHIER_PAYMENT", "IN_STORE_PAYMENT")
	if q.product == "" {
		f.need("productCode", 32)
	}
	b := &q.body
	b.Client, b.RequestID, b.Account = c.client.id, f.id("paymentRequestId", 64), f.text("merchantAccountId", 64)
	order := f.must("order")
	if order.in != nil {
		b.OrderID = order.need("referenceOrderId", 64)
		b.Description = order.need("orderDescription", 256)
		order.amount("orderAmount")
		if m, ok := order.sub("merchant"); ok {
			b.MerchantID = m.text("referenceMerchantId", 256)
			if s, ok := m.sub("store"); ok {
				b.StoreID = s.text("referenceStoreId", 256)
			}
		}
	}
	b.Asked = f.amount("paymentAmount")
	pm := f.must("paymentMethod")
	if pm.in != nil {
		q.method = pm.need("paymentMethodType", 64)
		q.token = pm.need("paymentMethodId", 128)
	}
	b.Token = hex.EncodeToString(agreement.TokenHash(q.token))
	q.until = f.instant("paymentExpiryTime")
	f.text("paymentRedirectUrl", 2048)
	b.NotifyURL = f.httpURL("paymentNotifyUrl", 2048)
	if s, ok := f.sub("settlementStrategy"); ok {
		q.settle = s.text("settlementCurrency", 3)
	}
	if factor, ok := f.sub("paymentFactor"); ok && factor.boolean("isAuthorization") {
		factor.bad("isAuthorization", "auto debit captures at once; it cannot only authorize.")
	}
	b.Metadata = f.raw("metadata", 2048)
	b.Customized = f.raw("customizedInfo", 8192)
	b.Scenario = scenarioOf(c.client, b.Asked.Minor, b.Metadata, f.in["extendInfo"])
	return q, f.failed()
}

// rowID is the id of a payment's or a refund's row: the merchant's own request
// id, in the scope in which it has to be unique (antom §7.1). Its uniqueness is
// what makes a request happen once.
func rowID(clientID, account, requestID string) string {
	return clientID + "/" + account + "/" + requestID
}

func pay(c *call) (step, error) {
	q, err := decodePay(c)
	if err != nil {
		return step{}, err
	}
	if q.product != productCode {
		return step{}, refuse("BUSINESS_NOT_SUPPORT", "The product %s is not open; use %s.", q.product, productCode)
	}
	name := rowID(q.body.Client, q.body.Account, q.body.RequestID)
	fresh := false
	return step{
		begin: func(t *engine.Tx) error {
			fresh = false
			row, err := t.Resource(kindPayment, name)
			if err == nil {
				return q.same(t, row)
			}
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
			fresh = true
			return q.start(c, t, name)
		},
		finish: func(t *engine.Tx) (object, error) {
			row, err := t.Resource(kindPayment, name)
			if err != nil {
				return nil, err
			}
			b, err := decodeBody[paymentBody](row)
			if err != nil {
				return nil, err
			}
			if fresh && b.Shaky {
				c.abort = b.Scenario == "9902"
				return withheld(), nil
			}
			return c.api.in(t).payAnswer(row, b)
		},
	}, nil
}

// withheld is the answer of a scenario that leaves the caller in the dark about
// what was done all the same.
func withheld() object {
	return object{{"result", result("UNKNOWN_EXCEPTION", "The outcome is not known; repeat the same request.")}}
}

// same checks that a repeated request asks for what the first one did.
func (q payRequest) same(t *engine.Tx, row resource.Row) error {
	b, err := decodeBody[paymentBody](row)
	if err != nil {
		return err
	}
	if b.Asked != q.body.Asked || b.Token != q.body.Token {
		return refuse("REPEAT_REQ_INCONSISTENT", "A payment with this paymentRequestId was requested with another amount or payment method.")
	}
	p, err := t.LoadPayment(row.Payment)
	if err != nil {
		return err
	}
	_, err = t.Lapse(p)
	return err
}

// start makes the checks of antom §5.5.4 and debits.
func (q payRequest) start(c *call, t *engine.Tx, name string) error {
	b := q.body
	rules, err := rulesOf(t.Who, "paymentMethod.paymentMethodType", q.method, "PAYMENT_NOT_QUALIFIED")
	if err != nil {
		return err
	}
	proof, err := c.access(t, q.token)
	if err != nil {
		return err
	}
	if proof.Agreement().Method != rules.Method || b.Scenario == "INVALID_ACCESS_TOKEN" {
		return refuse("INVALID_ACCESS_TOKEN", "%s", wordsFor("INVALID_ACCESS_TOKEN"))
	}
	amount, err := q.within(t, rules, proof.Agreement())
	if err != nil {
		return err
	}
	if err := b.settle(t, q.settle, amount.Currency); err != nil {
		return err
	}
	deadline := t.At.Add(rules.PendingFor)
	if !q.until.IsZero() {
		if q.until.After(deadline) || !q.until.After(t.At) {
			return illegal("paymentExpiryTime", "it has to lie between now and one minute from now (%s).", stamp(deadline))
		}
		deadline = q.until.UTC().Truncate(time.Millisecond)
	}
	b.Shaky = b.Scenario == "9901" || b.Scenario == "9902"
	_, err = t.Debit(payment.Payment{
		Front: Name, Owner: name, Kind: kindPayment, Product: rules.Product, Method: rules.Method, Amount: amount,
		AutoCapture: true, Script: scriptOf(b.Scenario), Attempt: payment.Attempt{Deadline: deadline},
	}, proof, func(p *payment.Payment) error {
		return t.InsertResource(newRow(t, kindPayment, name, p.ID, b))
	})
	return err
}

// within checks currency and limits; it returns the amount as the method takes
// it, rounded to its step.
func (q payRequest) within(t *engine.Tx, rules method.Rules, g *agreement.Agreement) (money.Amount, error) {
	a := q.body.Asked
	if a.Currency != rules.Currencies[0] {
		return a, refuse("CURRENCY_NOT_SUPPORT", "%s takes %s, not %s.", wireName(rules.Method), rules.Currencies[0], a.Currency)
	}
	if rules.Step > 1 {
		steps, rest := a.Minor/rules.Step, a.Minor%rules.Step
		if rest*2 > rules.Step || rest*2 == rules.Step && steps%2 == 1 {
			steps++
		}
		a.Minor = steps * rules.Step
	}
	if least := rules.MinimumFor(a.Currency); a.Minor < least || a.Minor > rules.Maximum {
		return a, refuse("PAYMENT_AMOUNT_EXCEED_LIMIT", "%s takes %s to %s per payment.", wireName(rules.Method), money.Of(least, a.Currency), money.Of(rules.Maximum, a.Currency))
	}
	if rules.DailyMaximum == 0 {
		return a, nil
	}
	_, b, err := authorizationOf(t, g.Owner)
	if err != nil {
		return a, err
	}
	if b.spentOn(t.At)+a.Minor > rules.DailyMaximum {
		return a, refuse("USER_AMOUNT_EXCEED_LIMIT", "The payer can spend %s a day with %s.", money.Of(rules.DailyMaximum, a.Currency), wireName(rules.Method))
	}
	return a, nil
}

// authorizationOf reads a consult's row.
func authorizationOf(r store.Reader, rowID string) (resource.Row, authorizationBody, error) {
	row, err := r.Resource(kindAuthorization, rowID)
	if err != nil {
		return row, authorizationBody{}, err
	}
	b, err := decodeBody[authorizationBody](row)
	return row, b, err
}

// businessDay is the day in the settlement zone.
func businessDay(at time.Time) string {
	return at.In(method.SettlementZone()).Format("20060102")
}

func (b authorizationBody) spentOn(at time.Time) int64 {
	if b.Day != businessDay(at) {
		return 0
	}
	return b.Spent
}

// settle finds the currency of settlement and locks a price.
func (b *paymentBody) settle(t *engine.Tx, asked string, from money.Currency) error {
	contract := settlementCurrencies(t.Who.Profile.Settings[settingSettlement])
	b.Settlement = contract[0]
	if asked != "" {
		b.Settlement = ""
		for _, c := range contract {
			if string(c) == asked {
				b.Settlement = c
			}
		}
		if b.Settlement == "" {
			return refuse("SETTLE_CONTRACT_NOT_MATCH", "The contract does not settle in %s.", asked)
		}
	}
	if b.Settlement == from {
		return nil
	}
	q, ok := quoteFor(from, b.Settlement, t.At)
	if !ok {
		return refuse("SETTLE_CONTRACT_NOT_MATCH", "There is no price of %s in %s.", from, b.Settlement)
	}
	b.Quote = q
	return nil
}

// contractDefault is what a sandbox settles in unless its settings say
// otherwise, the default first.
var contractDefault = []money.Currency{"USD", "EUR", "GBP", "HKD", "JPY", "SGD", "AUD", "CNY", "MYR", "PHP", "THB", "KRW", "IDR", "VND"}

func settlementCurrencies(setting string) []money.Currency {
	var cs []money.Currency
	for s := range strings.SplitSeq(setting, ",") {
		if c, ok := money.ParseCurrency(strings.TrimSpace(s)); ok {
			cs = append(cs, c)
		}
	}
	if len(cs) == 0 {
		return contractDefault
	}
	return cs
}

// The scenarios of antom §11.2 for a payment, by amount or by name.
var payScenarios = map[string]rail.Rule{
	"9905": {On: "authorize", Do: "pending", DelaySeconds: 20},
	"9906": {On: "authorize", Do: "pending", DelaySeconds: 20, Reason: string(payment.InsufficientFunds)},
	"9907": {On: "authorize", Do: "pending", DelaySeconds: 90},
	"9908": {On: "authorize", Do: "decline", Reason: string(payment.InsufficientFunds)},
	"9909": {On: "authorize", Do: "decline", Reason: "RISK_REJECT"},
	"9910": {On: "authorize", Do: "decline", Reason: "USER_STATUS_ABNORMAL"},
	"9911": {On: "authorize", Do: "decline", Reason: "INVALID_ACCESS_TOKEN"},
	"9912": {On: "authorize", Do: "decline", Reason: "USER_AMOUNT_EXCEED_LIMIT"},
	"9913": {On: "authorize", Do: "decline", Reason: "SYSTEM_ERROR"},
	"9916": {On: "authorize", Do: "pending", DelaySeconds: 30},
}

// scenarioKey names a scenario in metadata or extendInfo, for currencies whose
// minimum is above the amounts.
const scenarioKey = "ducatScenario"

// scenarioOf finds the scenario a test request asks for: by name, or by its
// amount in minor units.
func scenarioOf(c *client, minor int64, metadata json.RawMessage, extendInfo any) string {
	if c.live {
		return ""
	}
	for _, v := range []any{metadata, extendInfo} {
		var m map[string]any
		b, ok := v.(json.RawMessage)
		if !ok {
			b, _ = json.Marshal(v)
		}
		var text string
		if json.Unmarshal(b, &text) == nil { // a JSON string that holds JSON
			b = json.RawMessage(text)
		}
		if json.Unmarshal(b, &m) == nil {
			if s, ok := m[scenarioKey].(string); ok && s != "" && len(s) <= 64 {
				return s
			}
		}
	}
	if minor >= 9901 && minor <= 9999 {
		return strconv.FormatInt(minor, 10)
	}
	return ""
}

// scriptOf turns a scenario into instructions for the simulator. A result code
// is a refusal with it.
func scriptOf(scenario string) string {
	rule, ok := payScenarios[scenario]
	if !ok {
		if statusOf[scenario] != "F" {
			return ""
		}
		rule = rail.Rule{On: "authorize", Do: "decline", Reason: scenario}
	}
	return string(encodeBody([]rail.Rule{rule}))
}

// status is a payment's state on the wire, with the code that explains it.
func status(b paymentBody, p *payment.Payment) (state, code string) {
	if !b.Canceled.IsZero() {
		return "CANCELLED", "ORDER_IS_CANCELED"
	}
	switch p.State() {
	case payment.Captured:
		return "SUCCESS", "SUCCESS"
	case payment.Declined:
		return "FAIL", codeOf(p.Attempt.Reason)
	case payment.Expired:
		return "FAIL", "ORDER_IS_CLOSED"
	case payment.Voided:
		return "CANCELLED", "ORDER_IS_CANCELED"
	}
	return "PROCESSING", "PAYMENT_IN_PROCESS"
}

// gross is what a payment comes to in the currency of settlement, if that is
// known and another one.
func (b paymentBody) gross(a money.Amount) object {
	if b.Quote == nil {
		return nil
	}
	g := b.Quote.convert(a)
	if g.Minor == 0 {
		return nil
	}
	return amountOf(g)
}

// facts renders what pay, inquiryPayment and notifyPayment have in common.
func (v *view) facts(b paymentBody, p *payment.Payment) (object, error) {
	out := object{
		{"paymentRequestId", b.RequestID}, {"paymentId", p.ID}, {"paymentAmount", amountOf(p.Amount)}, {"paymentCreateTime", stamp(p.Created)},
	}
	if p.State() != payment.Captured {
		return out, nil
	}
	out = append(out, member{"paymentTime", stamp(p.CapturedAt())}, member{"grossSettlementAmount", b.gross(p.Amount)}, member{"settlementQuote", b.Quote.render()})
	if p.Amount.Currency == "CNY" {
		out = append(out, member{"customsDeclarationAmount", amountOf(p.Amount)})
	}
	g, err := v.Agreement(p.Agreement)
	if err != nil {
		return nil, err
	}
	return append(out, member{"pspCustomerInfo", payerInfo(&g)}), nil
}

// payAnswer renders the answer of pay: the outcome of the call is the payment's.
func (v *view) payAnswer(row resource.Row, b paymentBody) (object, error) {
	p, err := v.Payment(row.Payment)
	if err != nil {
		return nil, err
	}
	facts, err := v.facts(b, &p)
	if err != nil {
		return nil, err
	}
	_, code := status(b, &p)
	return append(object{{"result", result(code, wordsFor(code))}}, facts...), nil
}
