package merchant

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ducatpay/ducat/internal/money"
)

func TestFee(t *testing.T) {
	t.Parallel()
	m := NewSandbox("acct_1", time.UnixMilli(0))
	for _, c := range []struct{ amount, want int64 }{
		{1099, 62}, // 31.871 + 30
		{10000, 320},
		{50, 31}, // 1.45 + 30
		{20, 20}, // never more than the amount
		{1, 1},
	} {
		if got := m.Fee(money.Of(c.amount, "USD")); got != money.Of(c.want, "USD") {
			t.Errorf("fee of %d: %v, want %d", c.amount, got.Minor, c.want)
		}
	}
}

func TestFeeIsBetweenNothingAndAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := Merchant{Profile: Profile{
			FeeBasisPoints: rapid.Int64Range(0, 10000).Draw(t, "basis points"),
			FeeFixedMinor:  rapid.Int64Range(0, 1<<40).Draw(t, "fixed"),
		}}
		a := money.Of(rapid.Int64Range(1, 99_999_999).Draw(t, "amount"), "EUR")
		if f := m.Fee(a); f.Minor < 0 || f.Minor > a.Minor || f.Currency != a.Currency {
			t.Fatalf("fee of %v is %v", a, f)
		}
	})
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^acct_1[0-9A-Za-z]{15}$`)
	seen := map[int64]string{}
	for _, pairing := range []string{"", "a", "b", "sk", "51Hxyz", "a\x00"} {
		account := AccountFor(pairing)
		if !shape.MatchString(account) || account != AccountFor(pairing) {
			t.Errorf("account of %q: %s", pairing, account)
		}
		for _, live := range []bool{false, true} {
			id := IDFor(account, live)
			if id < 0 || seen[id] != "" || id != IDFor(account, live) {
				t.Errorf("id of %s, live %v: %d (also %s)", account, live, id, seen[id])
			}
			seen[id] = account
		}
	}
	if bytes.Equal(KeyHash("a"), KeyHash("b")) || !bytes.Equal(KeyHash("a"), KeyHash("a")) || len(KeyHash("")) != 32 {
		t.Error("key hashes do not tell keys apart")
	}
}

func TestSandbox(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1789002000000)
	m := NewSandbox("acct_1", at)
	if m.Live || m.ID != IDFor("acct_1", false) || m.Account != "acct_1" || m.Created != at {
		t.Errorf("sandbox %+v", m)
	}
	m.Offset = time.Hour
	if got := m.Now(at); got != at.Add(time.Hour) {
		t.Errorf("now %v", got)
	}
}
