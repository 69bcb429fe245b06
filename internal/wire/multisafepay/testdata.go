package multisafepay

import (
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
)

// testData is what a payer can type on the test platform's page: published test
// numbers come to what they come to at the real one (reference §11.1).
type testData struct{ Name, Label string }

var (
	cardData = &testData{"card_number", "Card number"}
	ibanData = &testData{"iban", "IBAN"}
)

// dataOf is what a gateway's payers type; nil if they type nothing.
func dataOf(g gateway) *testData {
	switch {
	case g.Kind == cards, g.ID == "MISTERCASH":
		return cardData
	case g.Kind == transfer, g.Kind == debit:
		return ibanData
	}
	return nil
}

// bancontactDeclined are the test cards that are declined; others are not.
var bancontactDeclined = []string{"67034500054610009", "67039902990000045", "67039902990000011"}

// outcomeOf is what a number comes to.
func outcomeOf(g gateway, number string) (opening, error) {
	number = strings.NewReplacer(" ", "", "-", "").Replace(number)
	switch {
	case g.Kind == debit:
		op, err := debitedFrom(number)
		return op, asForm(err)
	case g.Kind == transfer:
		return transferred(number)
	case strings.Trim(number, "0123456789") != "" || len(number) < 12 || len(number) > 19:
		return opening{}, errForm
	case g.ID == "MISTERCASH":
		op := opening{plastic: plasticOf(number)}
		if slices.Contains(bancontactDeclined, number) {
			op.rules = declined(payment.PayerDeclined)
		}
		return op, nil
	case !luhn(number):
		return opening{}, errForm
	}
	op := testCards[number]
	op.plastic = plasticOf(number)
	return op, nil
}

// asForm is the page's answer to what cannot be read.
func asForm(err error) error {
	if err != nil {
		return errForm
	}
	return nil
}

// plasticOf is a card that was typed on a page.
func plasticOf(number string) *plastic {
	return &plastic{Last4: number[len(number)-4:], Bin: number[:6], Expiry: "3012"}
}

// transferred is what a transfer from an account comes to.
func transferred(iban string) (opening, error) {
	if len(iban) < 15 {
		return opening{}, errForm
	}
	after := func(reason payment.Reason) []rail.Rule {
		return []rail.Rule{{On: "authorize", Do: "pending", DelaySeconds: 120, Reason: string(reason)}}
	}
	op := opening{account: masked(iban)}
	switch iban {
	case "NL87ABNA0000000001":
		op.rules = after("")
	case "NL87ABNA0000000002":
		op.rules = after(reasonTimedOut)
	case "NL87ABNA0000000004":
		op.rules = after(payment.PayerDeclined)
	default: // nothing arrives
		op.rules = []rail.Rule{{On: "authorize", Do: "pending", DelaySeconds: 5 * 24 * 3600, Reason: string(reasonTimedOut)}}
	}
	return op, nil
}

// decideByData ends a test payment as the number that was typed says.
func (a *API) decideByData(t *engine.Tx, row resource.Row, tx transaction, number string, approve func(rail.Rule) error) error {
	op, err := outcomeOf(tx.gateway(), number)
	if err != nil {
		return err
	}
	tx.Plastic, tx.Account, tx.Review = op.plastic, op.account, op.review
	tx.Reason, tx.ReasonCode = op.failure.reason, op.failure.code
	if op.doubts > 0 {
		tx.ReviewAt = t.At.Add(op.doubts)
		if err := t.Job("order:review:"+row.ID, JobOrder, tx.ReviewAt, orderPayload{tx.Order}); err != nil {
			return err
		}
	}
	row.Body = resource.Encode(tx)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	v := verdict{Rules: op.rules}
	if err := approve(v.rule()); err != nil || !op.review {
		return err
	}
	return a.lookedAt(t, tx.Order)
}
