package method

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

func alipay(t *testing.T) Rules {
	t.Helper()
	r, ok := Find(SingleUseSource, "alipay")
	if !ok {
		t.Fatal("not in the catalogue")
	}
	return r
}

// TestAuthorizedUntil is the table of stripe-sources §4.3, row by row.
func TestAuthorizedUntil(t *testing.T) {
	t.Parallel()
	r := alipay(t)
	for _, c := range []struct {
		local     string // China Standard Time, to check the epoch by
		at, until int64
		binding   string
	}{
		{"2026-09-10 09:00:00", 1789002000, 1789023600, "6 h"},
		{"2026-09-10 17:44:59", 1789033499, 1789055099, "6 h"},
		{"2026-09-10 17:45:00", 1789033500, 1789055100, "both"},
		{"2026-09-10 18:30:00", 1789036200, 1789055100, "cut-off"},
		{"2026-09-10 23:30:00", 1789054200, 1789055100, "cut-off"},
		{"2026-09-10 23:44:59", 1789055099, 1789055100, "cut-off"},
		{"2026-09-10 23:45:00", 1789055100, 1789076700, "6 h"},
		{"2026-09-10 23:50:00", 1789055400, 1789077000, "6 h"},
		{"2026-09-11 00:10:00", 1789056600, 1789078200, "6 h"},
	} {
		at := time.Unix(c.at, 0)
		if got := at.In(china).Format(time.DateTime); got != c.local {
			t.Errorf("epoch %d is %s in China, not %s", c.at, got, c.local)
		}
		// The zone the caller happens to use must not matter.
		for _, zone := range []*time.Location{time.UTC, china, time.FixedZone("west", -11*60*60)} {
			got := r.AuthorizedUntil(at.In(zone))
			if got.Unix() != c.until || got.Location() != time.UTC {
				t.Errorf("%s: until %v (%d), want %d (%s)", c.local, got, got.Unix(), c.until, c.binding)
			}
		}
	}
}

// TestAuthorizedUntilEverySecond enumerates a day in China.
func TestAuthorizedUntilEverySecond(t *testing.T) {
	t.Parallel()
	r := alipay(t)
	const cut = 23*3600 + 45*60
	midnight := time.Date(2026, 9, 10, 0, 0, 0, 0, china)
	for s := range 24 * 3600 {
		want := s + 6*3600
		if s < cut {
			want = min(want, cut)
		}
		if got := r.AuthorizedUntil(midnight.Add(time.Duration(s) * time.Second)); got.Sub(midnight) != time.Duration(want)*time.Second {
			t.Fatalf("%d s after midnight: until %v, want %d s", s, got, want)
		}
	}
}

func TestAuthorizedUntilWithoutCutOff(t *testing.T) {
	t.Parallel()
	at := time.Unix(1789055099, 0)
	if got := (Rules{AuthorizedFor: time.Hour}).AuthorizedUntil(at); got.Unix() != at.Unix()+3600 {
		t.Errorf("until %v", got)
	}
}

// TestAllows is the table of stripe-sources §5.2: country, the account's
// default currency, and what may be used.
func TestAllows(t *testing.T) {
	t.Parallel()
	r := alipay(t)
	nine := []money.Currency{"AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "NZD", "SGD", "USD"}
	if !slices.Equal(r.Currencies, nine) {
		t.Fatalf("currencies %v", r.Currencies)
	}
	type row struct {
		country   string
		byDefault money.Currency
		want      money.Currency // "" for none
	}
	rows := []row{
		{"AU", "AUD", "AUD"},
		{"CA", "CAD", "CAD"},
		{"GB", "GBP", "GBP"},
		{"HK", "HKD", "HKD"},
		{"JP", "JPY", "JPY"},
		{"NZ", "NZD", "NZD"},
		{"SG", "SGD", "SGD"},
		{"US", "USD", "USD"},
		{"CZ", "CZK", ""},
		{"CZ", "EUR", "EUR"},
		{"RO", "RON", ""},
		{"RO", "EUR", "EUR"},
		{"DK", "DKK", "EUR"},
		{"DK", "EUR", "EUR"},
		{"DK", "USD", "EUR"},
		{"NO", "NOK", "EUR"},
		{"SE", "SEK", "EUR"},
		{"CH", "CHF", "EUR"},
		{"CH", "USD", "EUR"},
		{"US", "EUR", "EUR"}, // the account's currency decides, not the country's
		{"MY", "MYR", ""},
		{"PL", "PLN", ""},
		{"HU", "HUF", ""},
		{"MX", "MXN", ""},
		{"MX", "USD", "USD"},
		{"CN", "CNY", ""},
	}
	for country := range strings.FieldsSeq("AT BE BG CY EE FI FR DE GR IE IT LV LT LU MT NL PT SK SI ES") {
		rows = append(rows, row{country, "EUR", "EUR"})
	}
	all := append(slices.Clone(nine), "CNY", "MYR", "CZK", "RON", "DKK", "NOK", "SEK", "CHF", "PLN", "HUF", "MXN")
	for _, c := range rows {
		t.Run(fmt.Sprintf("%s_%s", c.country, c.byDefault), func(t *testing.T) {
			t.Parallel()
			for _, cur := range all {
				if got, want := r.Allows(cur, c.country, c.byDefault, nil), cur == c.want; got != want {
					t.Errorf("%s allowed: %v, want %v", cur, got, want)
				}
				// A settlement account of its own always admits a currency, and only that one.
				if !r.Allows(cur, c.country, c.byDefault, []money.Currency{"AED", cur}) {
					t.Errorf("%s is refused though it can be settled", cur)
				}
				if got, want := r.Allows(cur, c.country, c.byDefault, []money.Currency{"AED"}), cur == c.want; got != want {
					t.Errorf("%s allowed beside another: %v, want %v", cur, got, want)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	r := alipay(t)
	for c, want := range map[money.Currency]int64{"GBP": 30, "HKD": 400, "USD": 50, "EUR": 50, "JPY": 50} {
		if got := r.MinimumFor(c); got != want {
			t.Errorf("minimum in %s: %d, want %d", c, got, want)
		}
	}
	if r.PendingFor != time.Hour || r.AuthorizedFor != 6*time.Hour || r.RefundFor != 90*24*time.Hour || r.Maximum != 99_999_999 {
		t.Errorf("limits %+v", r)
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	if _, ok := Find(SingleUseSource, "cowrie"); ok {
		t.Error("found a method that is not there")
	}
	if _, ok := Find("other product", "alipay"); ok {
		t.Error("found a method in a product that does not have it")
	}
	seen := map[string]bool{}
	for _, r := range All() {
		key := r.Product + "/" + r.Method
		switch {
		case seen[key]:
			t.Errorf("%s is there twice", key)
		case r.Name == "" || len(r.Currencies) == 0 && key != "intent/card" || r.MinimumDefault <= 0 || r.Maximum <= r.MinimumDefault:
			t.Errorf("%s is incomplete: %+v", key, r)
		case r.PendingFor <= 0 || r.AuthorizedFor <= 0 || r.RefundFor < 0:
			t.Errorf("%s has no deadlines: %+v", key, r)
		}
		seen[key] = true
		for _, c := range r.Currencies {
			if _, ok := money.ParseCurrency(string(c)); !ok {
				t.Errorf("%s takes %s, which is no currency", key, c)
			}
		}
	}
	All()[0].Name = "changed"
	if All()[0].Name == "changed" {
		t.Error("the catalogue can be changed through All")
	}
}

// TestRefundAfter: refunds of orders go at Amsterdam's midnight, whatever the
// season; the night in which the clock changes is an hour longer or shorter.
func TestRefundAfter(t *testing.T) {
	t.Parallel()
	r, ok := Find(Order, "alipay")
	if !ok {
		t.Fatal("not in the catalogue")
	}
	for _, c := range []struct {
		at   string
		want time.Duration
	}{
		{"2026-09-10T01:00:00Z", 21 * time.Hour}, // summer: 03:00 there
		{"2026-01-10T01:00:00Z", 22 * time.Hour}, // winter: 02:00 there
		{"2026-09-10T21:59:59Z", time.Second},
		{"2026-09-10T22:00:00Z", 24 * time.Hour}, // midnight itself is too late
		{"2026-03-28T23:00:00Z", 23 * time.Hour},
		{"2026-10-24T22:00:00Z", 25 * time.Hour},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.RefundAfter(at); got != c.want {
			t.Errorf("at %s after %v, want %v", c.at, got, c.want)
		}
	}
	if got := alipay(t).RefundAfter(time.Unix(0, 0)); got != 2*time.Second {
		t.Errorf("without a time of day after %v", got)
	}
}

// TestOrderPayers: countries are ISO codes in order, of methods that exist.
func TestOrderPayers(t *testing.T) {
	t.Parallel()
	for name, list := range orderPayers {
		if _, ok := Find(Order, name); !ok {
			t.Errorf("%s is no method", name)
		}
		if len(list) == 0 || !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("%s: %v", name, list)
		}
		for _, c := range list {
			if len(c) != 2 || c != strings.ToUpper(c) {
				t.Errorf("%s: %q is no country", name, c)
			}
		}
	}
	ideal, _ := Find(Order, "ideal")
	alipay, _ := Find(Order, "alipay")
	if !ideal.OfferedIn("NL") || ideal.OfferedIn("BE") || !ideal.OfferedIn("") || !alipay.OfferedIn("ZW") {
		t.Error("methods are offered where they are not")
	}
}
