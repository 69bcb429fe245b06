// Package money holds amounts: integer minor units of an ISO 4217 currency.
// Arithmetic is checked; there are no floats.
package money

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Currency is an upper-case ISO 4217 code.
type Currency string

// Amount is a number of minor units (cents, yen, fils) of a currency.
type Amount struct {
	Minor    int64
	Currency Currency
}

// Of makes an amount.
func Of(minor int64, c Currency) Amount { return Amount{Minor: minor, Currency: c} }

// exponents lists the currencies whose minor unit is not a hundredth
// (ISO 4217:2015 amendment list). Locale libraries describe how amounts are
// displayed and disagree; they must not be used here.
var exponents = map[Currency]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
	"RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

const hundredths = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD " +
	"CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL " +
	"HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR " +
	"MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD " +
	"SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW"

func init() {
	for c := range strings.FieldsSeq(hundredths) {
		exponents[Currency(c)] = 2
	}
}

// ParseCurrency accepts a code in any case.
func ParseCurrency(s string) (Currency, bool) {
	c := Currency(strings.ToUpper(s))
	_, ok := exponents[c]
	return c, ok && len(s) == 3
}

// Currencies returns every currency, in alphabetical order.
func Currencies() []Currency { return slices.Sorted(maps.Keys(exponents)) }

// Exponent returns the number of decimal digits of the currency's minor unit.
// It panics on a code that ParseCurrency would refuse.
func (c Currency) Exponent() int {
	e, ok := exponents[c]
	if !ok {
		panic("money: not an ISO 4217 currency: " + string(c))
	}
	return e
}

// Lower returns the code as most wire formats spell it.
func (c Currency) Lower() string { return strings.ToLower(string(c)) }

// Add returns a+b. It panics if the currencies differ or the sum overflows:
// both are broken invariants, not input errors.
func (a Amount) Add(b Amount) Amount {
	if a.Currency != b.Currency {
		panic(fmt.Sprintf("money: adding %s to %s", b.Currency, a.Currency))
	}
	s := a.Minor + b.Minor
	if (s > a.Minor) != (b.Minor > 0) && b.Minor != 0 {
		panic("money: overflow")
	}
	return Amount{s, a.Currency}
}

// Neg returns -a.
func (a Amount) Neg() Amount {
	if a.Minor == math.MinInt64 {
		panic("money: overflow")
	}
	return Amount{-a.Minor, a.Currency}
}

// Sub returns a-b.
func (a Amount) Sub(b Amount) Amount { return a.Add(b.Neg()) }

// Share returns basisPoints hundredths of a percent of a, rounded half away
// from zero, computed without intermediate overflow.
func (a Amount) Share(basisPoints int64) Amount {
	n := new(big.Int).Mul(big.NewInt(a.Minor), big.NewInt(basisPoints))
	half := big.NewInt(5000)
	if n.Sign() < 0 {
		half.Neg(half)
	}
	n.Add(n, half).Quo(n, big.NewInt(10000))
	if !n.IsInt64() {
		panic("money: overflow")
	}
	return Amount{n.Int64(), a.Currency}
}

// Split divides a in proportion to weights by largest remainder, so that the
// parts always sum to a. Weights must be non-negative and not all zero.
func (a Amount) Split(weights ...int64) []Amount {
	total := new(big.Int)
	for _, w := range weights {
		if w < 0 {
			panic("money: negative weight")
		}
		total.Add(total, big.NewInt(w))
	}
	if total.Sign() == 0 {
		panic("money: nothing to split by")
	}
	parts := make([]Amount, len(weights))
	rests := make([]*big.Int, len(weights))
	left := a.Minor
	for i, w := range weights {
		q, r := new(big.Int).QuoRem(new(big.Int).Mul(big.NewInt(a.Minor), big.NewInt(w)), total, new(big.Int))
		parts[i], rests[i] = Amount{q.Int64(), a.Currency}, r.Abs(r)
		left -= q.Int64()
	}
	step := int64(1)
	if left < 0 {
		step = -1
	}
	for ; left != 0; left -= step {
		best := 0
		for i := range rests {
			if rests[i].Cmp(rests[best]) > 0 {
				best = i
			}
		}
		parts[best].Minor += step
		rests[best] = big.NewInt(-1)
	}
	return parts
}

// Decimal formats the amount in major units, "10.99" or "1099", without sign
// of the currency.
func (a Amount) Decimal() string {
	e := a.Currency.Exponent()
	s := strconv.FormatInt(a.Minor, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if e == 0 {
		return sign + s
	}
	for len(s) <= e {
		s = "0" + s
	}
	return sign + s[:len(s)-e] + "." + s[len(s)-e:]
}

// Parse reads what Decimal writes: digits, and after a point as many as the
// currency's minor unit has, or fewer. It has neither sign nor separators.
func Parse(text string, c Currency) (Amount, error) {
	bad := fmt.Errorf("money: %q is not an amount of %s", text, c)
	whole, fraction, pointed := strings.Cut(text, ".")
	digits := c.Exponent()
	if whole == "" || pointed && (fraction == "" || len(fraction) > digits) || strings.Trim(whole+fraction, "0123456789") != "" {
		return Amount{}, bad
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil {
		return Amount{}, bad
	}
	return Amount{n, c}, nil
}

var symbols = map[Currency]string{
	"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥", "AUD": "A$", "CAD": "CA$", "HKD": "HK$", "NZD": "NZ$", "SGD": "S$",
}

// String formats the amount for people: "$1,099.00", "¥1,099", "CHF 10.00".
func (a Amount) String() string {
	d := a.Decimal()
	sign := ""
	if strings.HasPrefix(d, "-") {
		sign, d = "-", d[1:]
	}
	whole, frac, _ := strings.Cut(d, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if frac != "" {
		whole += "." + frac
	}
	if s, ok := symbols[a.Currency]; ok {
		return sign + s + whole
	}
	return sign + string(a.Currency) + " " + whole
}
