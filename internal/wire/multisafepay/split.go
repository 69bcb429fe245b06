package multisafepay

import (
	"fmt"
	"math/big"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// split is what of an order goes to another account (reference §3.2).
type split struct {
	Merchant    int64  `json:"merchant"`
	Fixed       int64  `json:"fixed,omitempty"`   // in minor units
	Percent     string `json:"percent,omitempty"` // a decimal
	Description string `json:"description,omitempty"`
}

// share is what a split came to.
type share struct {
	Merchant    int64  `json:"merchant"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
}

// readAffiliate reads split payments: the receiving account is a number (1003),
// a part is an amount, a percentage, or both, and never zero (1001). Together they
// are no more than the order.
func (r *request) readAffiliate(v value.Value) error {
	list := v.Get("split_payments")
	items, ok := list.Items()
	if !ok && list.Present() || len(items) > engine.SharesMax {
		return refusef(codeMissing, "affiliate.split_payments must be a list of at most %d parts", engine.SharesMax)
	}
	for _, item := range items {
		s, err := readSplit(item)
		if err != nil {
			return err
		}
		r.Splits = append(r.Splits, s)
	}
	var sum int64
	for _, s := range r.Splits {
		if sum += s.of(r.amount()); sum > r.Amount {
			return refuse(codeAmount)
		}
	}
	return nil
}

func readSplit(v value.Value) (s split, err error) {
	var ok bool
	if s.Merchant, ok = v.Get("merchant").Int(); !ok || s.Merchant <= 0 {
		return s, refuse(codeAccount)
	}
	if f := v.Get("fixed"); f.Present() {
		if s.Fixed, ok = f.Int(); !ok || s.Fixed < 1 || s.Fixed > amountMax {
			return s, refuse(codeAmount)
		}
	}
	if p := v.Get("percentage"); p.Present() {
		rate, ok := p.Decimal()
		if !ok || rate.Sign() <= 0 || rate.Cmp(big.NewRat(100, 1)) > 0 {
			return s, refuse(codeAmount)
		}
		s.Percent = rate.FloatString(percentDigits)
	}
	if s.Fixed == 0 && s.Percent == "" {
		return s, refuse(codeAmount)
	}
	if s.Description, ok = v.Get("description").Text(); !ok || utf8.RuneCountInString(s.Description) > descriptionMax || !storable(s.Description) {
		return s, refuse(codeDescription)
	}
	return s, nil
}

// percentDigits is how exactly a percentage counts.
const percentDigits = 6

// of is the split's part of an amount, in minor units, rounded half up.
func (s split) of(a money.Amount) int64 {
	part := s.Fixed
	if rate, ok := new(big.Rat).SetString(s.Percent); ok {
		exact := rate.Mul(rate, big.NewRat(a.Minor, 100))
		exact.Add(exact, big.NewRat(1, 2))
		part += new(big.Int).Quo(exact.Num(), exact.Denom()).Int64()
	}
	return part
}

// shareOut books the splits of an order when nothing more of it will be captured:
// percentages are of what was captured, and together they are no more than that.
func (a *API) shareOut(t *engine.Tx, p *payment.Payment, tx *transaction, o *order) error {
	if len(o.Splits) == 0 || len(tx.Shares) > 0 || p.State() != payment.Captured {
		return nil
	}
	left := p.CapturedAmount().Minor
	var amounts []money.Amount
	for _, s := range o.Splits {
		part := min(s.of(p.CapturedAmount()), left)
		if part < 1 {
			continue
		}
		left -= part
		description := s.Description
		if description == "" {
			description = fmt.Sprintf("Split payment to %d", s.Merchant)
		}
		tx.Shares = append(tx.Shares, share{Merchant: s.Merchant, Amount: part, Description: description})
		amounts = append(amounts, money.Of(part, o.Currency))
	}
	return t.Share(p, amounts)
}
