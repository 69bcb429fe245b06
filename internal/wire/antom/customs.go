package antom

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const kindDeclaration = "antom.declaration"

// declarationBody is a declaration to customs. It moves no money and is this
// dialect's alone.
type declarationBody struct {
	Client       string       `json:"client"`
	RequestID    string       `json:"request_id"`
	Payment      string       `json:"payment"`
	Amount       money.Amount `json:"amount"`
	Office       string       `json:"office"` // customsCode
	Region       string       `json:"region"`
	MerchantCode string       `json:"merchant_code"`
	MerchantName string       `json:"merchant_name"`
	Split        bool         `json:"split,omitempty"`
	SubOrder     string       `json:"sub_order,omitempty"`
	CertType     string       `json:"cert_type,omitempty"`
	CertNumber   string       `json:"cert_number,omitempty"`
	Holder       string       `json:"holder,omitempty"`

	Scenario   string    `json:"scenario,omitempty"`
	State      string    `json:"state"`
	Sent       time.Time `json:"sent"` // last
	Times      int       `json:"times"`
	Modified   time.Time `json:"modified"`
	Returned   time.Time `json:"returned,omitzero"`
	ResultCode string    `json:"result_code,omitempty"`
	ResultText string    `json:"result_text,omitempty"`
}

// States of a declaration (antom §5.11).
const (
	declarationWaiting    = "WAITING"
	declarationProcessing = "PROCESSING"
	declarationSuccess    = "SUCCESS"
	declarationFail       = "FAIL"
)

// offices are the customs offices with the registration id that customs see.
var offices = map[string]string{
	"ZONGSHU": "31222699S7", "ZHENGZHOU": "31222699S7", "NINGBO": "31222699S7", "SHANGHAI_CBT": "31222699S7",
}

// How long customs take to begin and to decide, in the simulator.
const (
	customsBegin  = 10 * time.Second
	customsDecide = 20 * time.Second
)

// resendAfter is how long a declaration cannot be sent again.
const resendAfter = 5 * time.Minute

func decodeDeclaration(c *call) (b declarationBody, err error) {
	f := c.in
	b.Client = c.client.id
	b.RequestID = f.id("declarationRequestId", 32)
	b.Payment = f.need("paymentId", 64)
	b.Amount = f.amount("declarationAmount")
	if b.Amount.Currency != "" && b.Amount.Currency != "CNY" {
		f.bad("declarationAmount.currency", "customs take CNY, not %s.", b.Amount.Currency)
	}
	if s := f.must("customs"); s.in != nil {
		b.Office = strings.ToUpper(s.need("customsCode", 32))
		b.Region = s.oneOf("region", "", "CN")
		if b.Region == "" {
			s.bad("region", "it is missing.")
		}
		if b.Office != "" && offices[b.Office] == "" {
			s.bad("customsCode", "%q is not a customs office.", b.Office)
		}
	}
	if s := f.must("merchantCustomsInfo"); s.in != nil {
		b.MerchantCode, b.MerchantName = s.need("merchantCustomsCode", 64), s.need("merchantCustomsName", 256)
	}
	b.Split = f.boolean("splitOrder")
	if b.SubOrder = f.text("subOrderId", 64); b.SubOrder == "" {
		b.SubOrder = f.text("suborderId", 64)
	}
	if b.Split && b.SubOrder == "" {
		f.bad("subOrderId", "it is missing; a split order needs it.")
	}
	if s, ok := f.sub("buyerCertificate"); ok {
		b.CertType, b.CertNumber = s.text("certificateType", 32), s.text("certificateNo", 64)
		if h, ok := s.sub("holderName"); ok {
			b.Holder = h.text("fullName", 128)
		}
	}
	if !c.client.live {
		b.Scenario = scenarioOf(c.client, b.Amount.Minor, nil, f.in["extendInfo"])
	}
	return b, f.failed()
}

// asked is what of a declaration the merchant asked for.
func (b declarationBody) asked() declarationBody {
	return declarationBody{
		Payment: b.Payment, Amount: b.Amount, Office: b.Office, Region: b.Region, MerchantCode: b.MerchantCode, MerchantName: b.MerchantName,
		Split: b.Split, SubOrder: b.SubOrder, CertType: b.CertType, CertNumber: b.CertNumber, Holder: b.Holder,
	}
}

// fixed is the part that may never change.
func (b declarationBody) fixed() declarationBody {
	return declarationBody{Payment: b.Payment, Split: b.Split, CertType: b.CertType, Amount: money.Of(0, b.Amount.Currency)}
}

func declare(c *call) (step, error) {
	b, err := decodeDeclaration(c)
	if err != nil {
		return step{}, err
	}
	name := rowID(b.Client, "", b.RequestID)
	return step{
		begin: func(t *engine.Tx) error {
			b := b
			if err := c.declarable(t, b); err != nil {
				return err
			}
			row, err := t.Resource(kindDeclaration, name)
			switch {
			case errors.Is(err, store.ErrNotFound):
				row = newRow(t, kindDeclaration, name, b.Payment, b, resource.Key{Name: "payment", Value: b.Payment})
			case err != nil:
				return err
			default:
				old, err := decodeBody[declarationBody](row)
				if err != nil {
					return err
				}
				again, err := b.after(t, old)
				if err != nil || !again {
					return err
				}
				b.Times = old.Times
			}
			return b.send(t, row)
		},
		finish: func(t *engine.Tx) (object, error) {
			row, err := t.Resource(kindDeclaration, name)
			if err != nil {
				return nil, err
			}
			kept, err := decodeBody[declarationBody](row)
			return kept.answer(), err
		},
	}, nil
}

// declarable checks the payment, and that its declarations together do not come
// to more than it did.
func (c *call) declarable(t *engine.Tx, b declarationBody) error {
	row, pb, err := c.payment(t, b.Payment, "", "")
	if err != nil {
		return err
	}
	p, err := t.LoadPayment(row.Payment)
	if err != nil {
		return err
	}
	if state, _ := status(pb, p); state != "SUCCESS" {
		return refuse("ORDER_STATUS_INVALID", "The payment was not successful; there is nothing to declare.")
	}
	if p.Amount.Currency != "CNY" {
		return refuse("PROCESS_FAIL", "Payments in %s are not declared to customs.", p.Amount.Currency)
	}
	rows, err := t.Resources(store.List{Kind: kindDeclaration, Key: "payment", Value: b.Payment, Limit: 1000})
	if err != nil {
		return err
	}
	sum := b.Amount
	for _, row := range rows {
		o, err := decodeBody[declarationBody](row)
		if err != nil {
			return err
		}
		if o.RequestID != b.RequestID && o.State != declarationFail {
			sum = sum.Add(o.Amount)
		}
	}
	if sum.Minor > p.Amount.Minor {
		return refuse("TOTAL_DECLARATION_AMOUNT_EXCEED", "The declarations of the payment would come to %s; it was of %s.", sum, p.Amount)
	}
	return nil
}

// after judges a repeat of a declaration (antom §5.10, "Retransmission"). It
// reports whether it is to be sent again.
func (b declarationBody) after(t *engine.Tx, old declarationBody) (bool, error) {
	same := b.asked() == old.asked()
	decided := old.State == declarationSuccess || old.State == declarationFail
	switch {
	case b.fixed() == old.fixed() && decided && t.At.After(old.Sent.Add(resendAfter)):
		return !same || old.State == declarationFail, nil
	case same:
		return false, nil
	case b.Amount != old.Amount:
		return false, refuse("REPEAT_REQ_INCONSISTENT", "A declaration with this declarationRequestId was made of another amount; use another id, or send it again after it was decided and five minutes have passed.")
	}
	return false, refuse("CONTEXT_INCONSISTENT", "A declaration with this declarationRequestId was made with other contents; it can be sent again with some of them changed after it was decided and five minutes have passed.")
}

type customsPayload struct {
	Row   string `json:"row"`
	Times int    `json:"times"`
}

// send hands a declaration to customs, who decide later.
func (b declarationBody) send(t *engine.Tx, row resource.Row) error {
	b.State, b.Sent, b.Modified, b.Times = declarationWaiting, t.At, t.At, b.Times+1
	row.Body = encodeBody(b)
	write := t.UpdateResource
	if row.Version == 0 {
		write = t.InsertResource
	}
	if err := write(row); err != nil {
		return err
	}
	return planCustoms(t, row.ID, b, customsBegin)
}

func planCustoms(t *engine.Tx, name string, b declarationBody, after time.Duration) error {
	return t.Job(fmt.Sprintf("antom_customs:%s:%d:%s", name, b.Times, b.State), jobCustoms, t.At.Add(after), customsPayload{name, b.Times})
}

// customsStep takes a declaration one step on.
func (a *API) customsStep(t *engine.Tx, payload []byte) error {
	var pl customsPayload
	if err := json.Unmarshal(payload, &pl); err != nil {
		return err
	}
	row, err := t.Resource(kindDeclaration, pl.Row)
	if err != nil {
		return err
	}
	b, err := decodeBody[declarationBody](row)
	if err != nil || b.Times != pl.Times {
		return err // it was sent again since
	}
	b.Modified = t.At
	switch b.State {
	case declarationWaiting:
		b.State = declarationProcessing
		if err := planCustoms(t, row.ID, b, customsDecide); err != nil {
			return err
		}
	case declarationProcessing:
		b.State, b.Returned, b.ResultCode, b.ResultText = declarationSuccess, t.At, "2", "accepted"
		if b.Scenario == "9931" {
			b.State, b.ResultCode, b.ResultText = declarationFail, "-1", "the declaration was refused by customs"
		}
	default:
		return nil
	}
	row.Body = encodeBody(b)
	return t.UpdateResource(row)
}

// numbers are the ids a declaration has elsewhere; they derive from the payment
// and the request.
func (b declarationBody) numbers() (customsPayment, customsOrder, clearing string) {
	return "cp" + digits("payment"+b.Payment), "co" + digits("order"+b.Payment+"/"+b.SubOrder), "ct" + digits("clearing"+b.Payment)
}

func (b declarationBody) answer() object {
	customsPayment, customsOrder, clearing := b.numbers()
	identity := ""
	if b.CertNumber != "" || b.Holder != "" {
		identity = "CHECK_PASSED"
		if b.Scenario == "9932" {
			identity = "CHECK_NOT_PASSED"
		}
	}
	return object{
		{"result", success()}, {"customsPaymentId", customsPayment}, {"customsOrderId", customsOrder}, {"identityCheckResult", identity},
		{"clearingChannel", "NUCC"}, {"clearingTransactionId", clearing}, {"customsProviderRegistrationId", offices[b.Office]},
	}
}

// inquiriesMax is how many declarations can be asked for at once.
const inquiriesMax = 10

func inquireDeclarations(c *call, v *view) (object, error) {
	names := c.in.strings("declarationRequestIds", inquiriesMax, 32)
	if len(names) == 0 {
		c.in.bad("declarationRequestIds", "it is missing.")
	}
	if err := c.in.failed(); err != nil {
		return nil, err
	}
	var missing []string
	records := []object{}
	for _, n := range names {
		row, err := v.Resource(kindDeclaration, rowID(c.client.id, "", n))
		if errors.Is(err, store.ErrNotFound) {
			missing = append(missing, n)
			continue
		}
		if err != nil {
			return nil, err
		}
		b, err := decodeBody[declarationBody](row)
		if err != nil {
			return nil, err
		}
		records = append(records, b.record())
	}
	out := object{{"result", success()}, {"declarationRecords", records}}
	if missing != nil {
		out = append(out, member{"declarationRequestsNotFound", missing})
	}
	return out, nil
}

func (b declarationBody) record() object {
	customsPayment, customsOrder, _ := b.numbers()
	return object{
		{"declarationRequestId", b.RequestID}, {"customsPaymentId", customsPayment}, {"customsOrderId", customsOrder},
		{"customs", object{{"customsCode", b.Office}, {"region", b.Region}}},
		{"merchantCustomsInfo", object{{"merchantCustomsCode", b.MerchantCode}, {"merchantCustomsName", b.MerchantName}}},
		{"declarationAmount", amountOf(b.Amount)}, {"splitOrder", b.Split}, {"declarationRequestStatus", b.State}, {"lastModifiedTime", stamp(b.Modified)},
		{"customsDeclarationResultCode", b.ResultCode}, {"customsDeclarationResultDesc", b.ResultText}, {"customsDeclarationReturnTime", stamp(b.Returned)},
	}
}
