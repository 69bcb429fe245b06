package ledger

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ducatpay/ducat/internal/money"
)

var day = time.Date(2026, 9, 17, 0, 0, 0, 0, time.UTC)

func accounts() []Account {
	return []Account{Hold, Available, Fees, Payouts, Disputed, Receivable("a"), Receivable("b"), Pending(day), Pending(day.AddDate(0, 0, 1))}
}

func transfer(t *rapid.T) Transfer {
	return Transfer{
		ID:     rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "id"),
		Debit:  rapid.SampledFrom(append(accounts(), "")).Draw(t, "debit"),
		Credit: rapid.SampledFrom(append(accounts(), "")).Draw(t, "credit"),
		Amount: money.Of(rapid.Int64Range(-5, 1<<40).Draw(t, "minor"), rapid.SampledFrom([]money.Currency{"USD", "EUR", "JPY"}).Draw(t, "currency")),
	}
}

func TestBooksBalance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		books := Balances{}
		// An independent model: what went in and out of each account.
		in, out := map[Key]int64{}, map[Key]int64{}
		for range rapid.IntRange(0, 60).Draw(t, "transfers") {
			tr := transfer(t)
			if tr.Check() != nil {
				continue
			}
			books.Apply(tr)
			in[Key{tr.Credit, tr.Amount.Currency}] += tr.Amount.Minor
			out[Key{tr.Debit, tr.Amount.Currency}] += tr.Amount.Minor
		}
		total, pending := map[money.Currency]int64{}, map[money.Currency]int64{}
		for k, v := range books {
			if v != in[k]-out[k] {
				t.Fatalf("%v: %d, want %d", k, v, in[k]-out[k])
			}
			total[k.Currency] += v
			if strings.HasPrefix(string(k.Account), "pending/") {
				pending[k.Currency] += v
			}
		}
		for c, v := range total {
			if v != 0 {
				t.Fatalf("accounts in %s sum to %d", c, v)
			}
			if got := books.Pending(c); got != pending[c] {
				t.Fatalf("pending in %s: %d, want %d", c, got, pending[c])
			}
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var ts []Transfer
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			if tr := transfer(t); tr.Check() == nil {
				ts = append(ts, tr)
			}
		}
		a, b := Balances{}, Balances{}
		for _, tr := range ts {
			a.Apply(tr)
		}
		for _, tr := range rapid.Permutation(ts).Draw(t, "order") {
			b.Apply(tr)
		}
		if !maps.Equal(a, b) {
			t.Fatalf("%v and %v", a, b)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := Transfer{ID: "capture:pay_1", Debit: Hold, Credit: Pending(day), Amount: money.Of(1, "USD"), Payment: "pay_1"}
	for _, c := range []struct {
		name   string
		change func(t *Transfer)
		want   string
	}{
		{"Good", func(*Transfer) {}, ""},
		{"NoPayment", func(t *Transfer) { t.Payment = "" }, ""},
		{"NoID", func(t *Transfer) { t.ID = "" }, "without id"},
		{"Zero", func(t *Transfer) { t.Amount.Minor = 0 }, "amount 0 is not positive"},
		{"Negative", func(t *Transfer) { t.Amount.Minor = -1 }, "amount -1 is not positive"},
		{"SameAccount", func(t *Transfer) { t.Credit = t.Debit }, "debit and credit are both hold"},
		{"NoDebit", func(t *Transfer) { t.Debit = "" }, "an account is missing"},
		{"NoCredit", func(t *Transfer) { t.Credit = "" }, "an account is missing"},
		{"NoAccounts", func(t *Transfer) { t.Debit, t.Credit = "", "" }, "both"},
	} {
		tr := good
		c.change(&tr)
		got := fmt.Sprint(tr.Check())
		if c.want == "" && got != "<nil>" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %q", c.name, got, c.want)
		}
	}
}

// TestCheckRefusesExactlyTheBroken states the rule once more, in other words.
func TestCheckRefusesExactlyTheBroken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr := transfer(t)
		ok := len(tr.ID) > 0 && tr.Amount.Minor >= 1 && tr.Debit != tr.Credit && len(tr.Debit) > 0 && len(tr.Credit) > 0
		if err := tr.Check(); (err == nil) != ok {
			t.Fatalf("%+v: %v", tr, err)
		}
	})
}

func TestOverflowPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a balance overflowed")
		}
	}()
	b := Balances{}
	for range 2 {
		b.Apply(Transfer{ID: "x", Debit: Hold, Credit: Available, Amount: money.Of(1<<62, "USD")})
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("CST", 8*60*60)
	if got, want := Pending(time.Date(2026, 9, 18, 1, 0, 0, 0, east)), Account("pending/2026-09-17"); got != want {
		t.Errorf("pending at one in the morning in the east: %s, want %s", got, want)
	}
	for _, a := range accounts() {
		if got, want := a.IsPending(), a == Pending(day) || a == Pending(day.AddDate(0, 0, 1)); got != want {
			t.Errorf("%s pending: %v", a, got)
		}
	}
	if got := Receivable("simrail"); got != "receivable/simrail" {
		t.Errorf("receivable %s", got)
	}
}
