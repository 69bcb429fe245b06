package money

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// panics reports what fn panicked with, or "".
func panics(fn func()) (what string) {
	defer func() {
		if v := recover(); v != nil {
			what, _ = v.(string)
		}
	}()
	fn()
	return ""
}

func TestExponents(t *testing.T) {
	t.Parallel()
	for c, want := range map[Currency]int{
		"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "ISK": 0, "UGX": 0, "XAF": 0, "XOF": 0, "XPF": 0, "PYG": 0, "RWF": 0,
		"USD": 2, "EUR": 2, "GBP": 2, "CNY": 2, "HKD": 2, "AUD": 2, "CAD": 2, "NZD": 2, "SGD": 2, "CHF": 2,
		"IDR": 2, "PKR": 2, "COP": 2, "HUF": 2, "TWD": 2, "MGA": 2, "MRU": 2, // where locale data says otherwise
		"BHD": 3, "KWD": 3, "JOD": 3, "OMR": 3, "TND": 3, "IQD": 3, "LYD": 3,
	} {
		if got := c.Exponent(); got != want {
			t.Errorf("%s has exponent %d, want %d", c, got, want)
		}
	}
	for c, e := range exponents {
		if len(c) != 3 || string(c) != strings.ToUpper(string(c)) || e < 0 || e > 3 {
			t.Errorf("entry %q: %d is no currency", c, e)
		}
	}
	if got := panics(func() { Currency("XYZ").Exponent() }); !strings.Contains(got, "not an ISO 4217 currency: XYZ") {
		t.Errorf("exponent of XYZ: panic %q", got)
	}
}

func TestParseCurrency(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want Currency
		ok   bool
	}{
		{"usd", "USD", true},
		{"USD", "USD", true},
		{"jPy", "JPY", true},
		{"xyz", "", false},
		{"", "", false},
		{"us", "", false},
		{"usdx", "", false},
		{" usd", "", false},
		{"uſd", "", false}, // ToUpper turns the long s into S
	} {
		got, ok := ParseCurrency(c.in)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("ParseCurrency(%q) = %q, %v, want %q, %v", c.in, got, ok, c.want, c.ok)
		}
	}
	if got := Currency("EUR").Lower(); got != "eur" {
		t.Errorf("Lower: %q", got)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount          Amount
		decimal, string string
	}{
		{Of(0, "USD"), "0.00", "$0.00"},
		{Of(5, "USD"), "0.05", "$0.05"},
		{Of(50, "USD"), "0.50", "$0.50"},
		{Of(1099, "USD"), "10.99", "$10.99"},
		{Of(-1099, "USD"), "-10.99", "-$10.99"},
		{Of(-5, "EUR"), "-0.05", "-€0.05"},
		{Of(99_999, "EUR"), "999.99", "€999.99"},
		{Of(100_000, "EUR"), "1000.00", "€1,000.00"},
		{Of(123_456_789_00, "GBP"), "123456789.00", "£123,456,789.00"},
		{Of(1099, "JPY"), "1099", "¥1,099"},
		{Of(0, "JPY"), "0", "¥0"},
		{Of(-1099, "JPY"), "-1099", "-¥1,099"},
		{Of(1000, "CHF"), "10.00", "CHF 10.00"},
		{Of(1234, "BHD"), "1.234", "BHD 1.234"},
		{Of(7, "KWD"), "0.007", "KWD 0.007"},
		{Of(1000, "CNY"), "10.00", "CN¥10.00"},
		{Of(math.MaxInt64, "USD"), "92233720368547758.07", "$92,233,720,368,547,758.07"},
		{Of(math.MinInt64, "USD"), "-92233720368547758.08", "-$92,233,720,368,547,758.08"},
	} {
		if got := c.amount.Decimal(); got != c.decimal {
			t.Errorf("%v.Decimal() = %q, want %q", c.amount.Minor, got, c.decimal)
		}
		if got := c.amount.String(); got != c.string {
			t.Errorf("%v.String() = %q, want %q", c.amount.Minor, got, c.string)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := Of(rapid.Int64Min(0).Draw(t, "minor"), rapid.SampledFrom(Currencies()).Draw(t, "currency"))
		if got, err := Parse(a.Decimal(), a.Currency); got != a || err != nil {
			t.Fatalf("Parse(%q) = %v, %v", a.Decimal(), got, err)
		}
	})
	for text, want := range map[string]int64{"1": 100, "1.5": 150, "1.50": 150, "0.01": 1, "007.00": 700} {
		if got, err := Parse(text, "EUR"); got != Of(want, "EUR") || err != nil {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
		}
	}
	for text, c := range map[string]Currency{
		"": "EUR", ".5": "EUR", "1.": "EUR", "1.505": "EUR", "1,50": "EUR", "1 000": "EUR", "-1": "EUR", "+1": "EUR", "1e3": "EUR", "١": "EUR", "1.2.3": "EUR",
		"1.0": "JPY", "1.2345": "KWD", "92233720368547758.08": "USD", "0x10": "EUR", "1_0": "EUR",
	} {
		if got, err := Parse(text, c); err == nil {
			t.Errorf("Parse(%q, %s) = %v", text, c, got)
		}
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ minor, basisPoints, want int64 }{
		{10000, 290, 290},
		{1099, 290, 32}, // 31.871
		{50, 100, 1},    // half up
		{49, 100, 0},
		{-50, 100, -1}, // half away from zero
		{-49, 100, 0},
		{150, 100, 2},
		{0, 290, 0},
		{1099, 0, 0},
		{1099, 10000, 1099},
		{1099, -10000, -1099},
		{math.MaxInt64, 10000, math.MaxInt64},
		{math.MinInt64, 10000, math.MinInt64},
		{math.MaxInt64, 5000, math.MaxInt64/2 + 1},
	} {
		if got := Of(c.minor, "USD").Share(c.basisPoints); got != Of(c.want, "USD") {
			t.Errorf("%d basis points of %d = %v, want %d", c.basisPoints, c.minor, got.Minor, c.want)
		}
	}
}

func TestBrokenInvariantsPanic(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fn   func()
		want string
	}{
		"SumTooLarge":     {func() { Of(math.MaxInt64, "USD").Add(Of(1, "USD")) }, "overflow"},
		"SumTooSmall":     {func() { Of(math.MinInt64, "USD").Add(Of(-1, "USD")) }, "overflow"},
		"SmallestTwice":   {func() { Of(math.MinInt64, "USD").Add(Of(math.MinInt64, "USD")) }, "overflow"},
		"NegateSmallest":  {func() { Of(math.MinInt64, "USD").Neg() }, "overflow"},
		"Difference":      {func() { Of(math.MinInt64, "USD").Sub(Of(1, "USD")) }, "overflow"},
		"ShareTooLarge":   {func() { Of(math.MaxInt64, "USD").Share(10001) }, "overflow"},
		"OtherCurrency":   {func() { Of(1, "USD").Add(Of(1, "EUR")) }, "adding EUR to USD"},
		"NegativeWeight":  {func() { Of(1, "USD").Split(1, -1) }, "negative weight"},
		"NoWeights":       {func() { Of(1, "USD").Split() }, "nothing to split by"},
		"OnlyZeroWeights": {func() { Of(1, "USD").Split(0, 0) }, "nothing to split by"},
	} {
		if got := panics(c.fn); !strings.Contains(got, c.want) {
			t.Errorf("%s: panic %q, want %q", name, got, c.want)
		}
	}
}

func TestAddAgreesWithBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		want := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		var got Amount
		what := panics(func() { got = Of(a, "JPY").Add(Of(b, "JPY")) })
		switch {
		case want.IsInt64() && (what != "" || got.Minor != want.Int64()):
			t.Fatalf("%d + %d = %d (panic %q), want %s", a, b, got.Minor, what, want)
		case !want.IsInt64() && what == "":
			t.Fatalf("%d + %d = %d, want a panic", a, b, got.Minor)
		}
	})
}

func TestSplitSumsToTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := Of(rapid.Int64().Draw(t, "minor"), "EUR")
		weights := rapid.SliceOfN(rapid.Int64Min(0), 1, 12).Filter(func(ws []int64) bool {
			for _, w := range ws {
				if w > 0 {
					return true
				}
			}
			return false
		}).Draw(t, "weights")
		total := new(big.Int)
		for _, w := range weights {
			total.Add(total, big.NewInt(w))
		}
		parts := a.Split(weights...)
		if len(parts) != len(weights) {
			t.Fatalf("%d parts for %d weights", len(parts), len(weights))
		}
		sum := new(big.Int)
		for i, p := range parts {
			if p.Currency != a.Currency {
				t.Fatalf("part %d is in %s", i, p.Currency)
			}
			sum.Add(sum, big.NewInt(p.Minor))
			if weights[i] == 0 && p.Minor != 0 {
				t.Errorf("weight 0 gets %d", p.Minor)
			}
			// No part is a whole unit away from its exact share:
			// |part × total − minor × weight| < total.
			off := new(big.Int).Mul(big.NewInt(p.Minor), total)
			off.Sub(off, new(big.Int).Mul(big.NewInt(a.Minor), big.NewInt(weights[i])))
			if off.CmpAbs(total) >= 0 {
				t.Errorf("part %d is %d: a unit or more from its share", i, p.Minor)
			}
		}
		if !sum.IsInt64() || sum.Int64() != a.Minor {
			t.Fatalf("parts %v sum to %s, want %d", parts, sum, a.Minor)
		}
	})
}

func TestSplitGivesTheRestToTheLargestRemainder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor   int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{101, []int64{1, 1, 1}, []int64{34, 34, 33}},
		{-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		{10, []int64{1, 2}, []int64{3, 7}}, // 3⅓, 6⅔
		{1, []int64{0, 5}, []int64{0, 1}},
		{0, []int64{3, 5}, []int64{0, 0}},
	} {
		for i, p := range Of(c.minor, "USD").Split(c.weights...) {
			if p.Minor != c.want[i] {
				t.Errorf("%d by %v: part %d is %d, want %d", c.minor, c.weights, i, p.Minor, c.want[i])
			}
		}
	}
}
