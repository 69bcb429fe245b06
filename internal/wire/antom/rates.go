package antom

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
)

// perDollar are the sandbox's exchange rates: units of a currency for one US
// dollar. They do not move, so that a test can state what it expects; there is
// no published table to copy.
var perDollar = map[money.Currency]string{
	"USD": "1", "AUD": "1.52", "BRL": "5.40", "CAD": "1.37", "CHF": "0.88", "CNY": "7.10", "EUR": "0.92", "GBP": "0.79", "HKD": "7.80",
	"IDR": "15800", "JPY": "150", "KRW": "1350", "MXN": "18", "MYR": "4.40", "NZD": "1.66", "PHP": "58", "SGD": "1.34", "THB": "35",
	"TWD": "32", "VND": "25000",
}

// priceDigits is how many digits after the point a quoted price has.
const priceDigits = 8

// quote is a price locked for a payment: what one unit of its currency is worth
// in the currency of settlement.
type quote struct {
	ID    string         `json:"id"`
	From  money.Currency `json:"from"`
	To    money.Currency `json:"to"`
	Price string         `json:"price"`
	Start time.Time      `json:"start"`
	End   time.Time      `json:"end"`
}

// quoteFor quotes a price that is good for the day; there is none between a
// currency and itself.
func quoteFor(from, to money.Currency, at time.Time) (*quote, bool) {
	a, okA := new(big.Rat).SetString(perDollar[from])
	b, okB := new(big.Rat).SetString(perDollar[to])
	if !okA || !okB {
		return nil, false
	}
	y, m, d := at.In(method.SettlementZone()).Date()
	start := time.Date(y, m, d, 0, 0, 0, 0, method.SettlementZone())
	price := new(big.Rat).Quo(b, a).FloatString(priceDigits)
	price = strings.TrimSuffix(strings.TrimRight(price, "0"), ".")
	return &quote{
		ID: "quote" + start.Format("20060102") + string(from) + string(to), From: from, To: to, Price: price, Start: start, End: start.AddDate(0, 0, 1),
	}, true
}

// convert applies a price, rounding half to even, so that the error of many
// conversions does not lean to a side. It keeps the sign.
func (q *quote) convert(a money.Amount) money.Amount {
	price, ok := new(big.Rat).SetString(q.Price)
	if !ok || a.Currency != q.From {
		panic("antom: quote " + q.ID + " does not apply to " + string(a.Currency))
	}
	v := new(big.Rat).Mul(new(big.Rat).SetInt64(a.Minor), price)
	shift := q.To.Exponent() - q.From.Exponent()
	ten := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(shift, -shift))), nil))
	if shift < 0 {
		ten.Inv(ten)
	}
	return money.Of(roundHalfEven(v.Mul(v, ten)), q.To)
}

// roundHalfEven rounds to a whole number.
func roundHalfEven(v *big.Rat) int64 {
	floor := new(big.Int).Div(v.Num(), v.Denom()) // Euclidean: the floor, as the denominator is positive
	rest := new(big.Rat).Sub(v, new(big.Rat).SetInt(floor))
	switch rest.Cmp(big.NewRat(1, 2)) {
	case 1:
		floor.Add(floor, big.NewInt(1))
	case 0:
		if floor.Bit(0) == 1 {
			floor.Add(floor, big.NewInt(1))
		}
	}
	return floor.Int64()
}

// number writes a price as a JSON number: SDKs parse it into one.
type number string

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func (q *quote) render() object {
	if q == nil {
		return nil
	}
	return object{
		{"quoteId", q.ID}, {"quoteCurrencyPair", string(q.From) + "/" + string(q.To)}, {"quotePrice", number(q.Price)},
		{"quoteStartTime", stamp(q.Start)}, {"quoteExpiryTime", stamp(q.End)}, {"guaranteed", true},
	}
}

func escape(s string) string { return url.QueryEscape(s) }

// digits makes eighteen digits that depend on a seed alone.
func digits(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return fmt.Sprintf("%018d", binary.BigEndian.Uint64(sum[:8])%1_000_000_000_000_000_000)
}
