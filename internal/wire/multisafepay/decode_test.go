package multisafepay

import (
	"errors"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// TestGateways: every gateway has its method in the catalogue, takes a currency,
// and has an id of its own.
func TestGateways(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, g := range gateways {
		if seen[g.ID] || g.Name == "" || len(g.rules().Currencies) == 0 {
			t.Errorf("gateway %+v", g)
		}
		seen[g.ID] = true
	}
	if len(gateways) < 60 {
		t.Errorf("%d gateways", len(gateways))
	}
}

// TestNames: sessions and former wallet ids lead to their world and to no other.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, id := range []int64{0, 1, 61, 62, 1 << 40, 1<<63 - 1} {
		text := worldText(id)
		if len(text) != worldLen {
			t.Errorf("%d is written %s", id, text)
		}
		session := "13" + "abcdefghijklmnopqrstuv" + text
		if got, ok := sessionWorld(session); !ok || got != id {
			t.Errorf("session %s leads to %d (%v), want %d", session, got, ok, id)
		}
	}
	for _, s := range []string{"", "13", "13oElUaESR7YS2b4gUJV9oI4tUXeb1mj1D-", "13oElUaESR7YS2b4gUJV9oI4tUXeb1mj1D8x"} {
		if _, ok := sessionWorld(s); ok {
			t.Errorf("session %q leads somewhere", s)
		}
	}
	for s, want := range map[string]bool{
		"exc_5fc2c0045b9b455f87fedd6d7f41f021": true, "exc_ffc2c0045b9b455f87fedd6d7f41f021": false, "5fc2c0045b9b455f87fedd6d7f41f021": false, "exc_zz": false, "": false,
	} {
		if _, ok := formerWorld(s); ok != want {
			t.Errorf("wallet id %q: %v", s, ok)
		}
	}
}

// FuzzDecodeOrder: whatever is sent is refused with a code that has a title, or
// is an order within its limits that survives being stored.
func FuzzDecodeOrder(f *testing.F) {
	f.Add([]byte(`{"type":"direct","order_id":"1","gateway":"ALIPAY","currency":"EUR","amount":1000,"description":"x","payment_options":{"redirect_url":"https://shop.example/"},"customer":{"locale":"cn_CN"}}`))
	f.Add([]byte(`{"order_id":"1","currency":"EUR","amount":"1","description":"<b>x</b>","payment_options":{"notification_url":"http://x"},"customer":{},"shopping_cart":{"items":[{"name":"a","unit_price":"1e3","quantity":-1,"tax_table_selector":"x"}]},"checkout_options":{"tax_tables":{"alternate":[{"name":"x","rules":[{"rate":0.21}]}]}}}`))
	f.Add([]byte(`{"order_id":"1","currency":"JPY","amount":1,"description":"x","payment_options":{"redirect_url":"https://x"},"customer":{"country":"NL"},"affiliate":{"split_payments":[{"merchant":1,"fixed":1}]},"recurring":{"id":"1"}}`))
	m := merchant.NewSandbox("acct_1", time.Unix(0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := value.Parse(b)
		if err != nil {
			return
		}
		r, err := decodeOrder(v, m)
		if err != nil {
			w, ok := errors.AsType[*wireError](err)
			if !ok || titles[w.code] == "" || w.status < 400 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if r.Amount < 1 || r.Amount > amountMax || !validID(r.OrderID) || r.Description == "" || r.seconds < 1 || r.seconds > secondsMax {
			t.Fatalf("accepted %+v", r.order)
		}
		row := resource.Row{Body: resource.Encode(r.order)}
		if _, err := orderOf(row); err != nil {
			t.Fatal(err)
		}
		out := value.Object{}
		r.renderCart(out)
		value.Encode(out)
	})
}
