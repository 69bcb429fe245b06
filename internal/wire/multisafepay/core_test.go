package multisafepay_test

import (
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// merchantID finds the world's merchant, the only one there is.
func (w *world) merchantID() int64 {
	w.t.Helper()
	ids, err := w.Store.MerchantIDs(w.t.Context(), -1, 10)
	if err != nil || len(ids) != 1 {
		w.t.Fatalf("merchants %v, %v", ids, err)
	}
	return ids[0]
}

// TestStatementText: the description is what the payer reads on their statement
// (reference §18.2, R10): it is handed to the rail as the payment's descriptor.
func TestStatementText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.paid(object{"description": "Tea <b>and</b> biscuits"})
	if err := w.Store.View(t.Context(), w.merchantID(), func(r store.Reader) error {
		ps, err := r.Payments("", 10)
		if len(ps) != 1 || ps[0].Descriptor != "Tea and biscuits" {
			t.Errorf("payments %+v", ps)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestCoreViews: a payment taken here is in every view of the core: payments,
// facts, the ledger's accounts, the payer's page and the receipt.
func TestCoreViews(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.paid(object{"order_id": "v"})
		w.refund("v", `{"currency":"EUR","amount":100}`)
		var m merchant.Merchant
		var p payment.Payment
		if err := w.Store.View(t.Context(), w.merchantID(), func(r store.Reader) (err error) {
			if m, err = r.Merchant(); err != nil {
				return err
			}
			ps, err := r.Payments("", 10)
			if err != nil {
				return err
			}
			p = ps[0]
			if len(ps) != 1 || p.State() != payment.Captured || p.CapturedAmount().Minor != 1000 || p.RefundedAmount().Minor != 100 || p.Method != "alipay" {
				t.Errorf("payments %+v", ps)
			}
			fs, _, err := r.Facts(0, 10)
			if err != nil {
				return err
			}
			var kinds []event.Kind
			for _, f := range fs {
				kinds = append(kinds, f.Kind)
			}
			if len(kinds) != 3 || kinds[0] != event.Authorized || kinds[1] != event.Captured || kinds[2] != event.RefundCreated {
				t.Errorf("facts %v", kinds)
			}
			b, err := r.Balances()
			for account, want := range map[ledger.Account]int64{ledger.Receivable("simrail"): -900, ledger.Fees: 59, ledger.Hold: 0} {
				if got := b[ledger.Key{Account: account, Currency: "EUR"}]; got != want {
					t.Errorf("%s holds %d, want %d", account, got, want)
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if r := w.send("GET", "/pay/"+engine.Token(m, p), "", nil); r.status != 302 || r.header.Get("Location") != success+"v" {
			t.Errorf("the payer's page: %d %v", r.status, r.header)
		}
		if r := w.send("GET", "/pay/receipts/"+engine.ReceiptToken(m, p), "", nil); r.status != 200 || !strings.Contains(string(r.body), "€10.00") {
			t.Errorf("the receipt: %d %s", r.status, r.body)
		}
	})
}
