package engine_test

import (
	"slices"
	"testing"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/store"
)

// TestShares: what is due to others leaves the merchant's available funds, once,
// and is never more than was captured.
func TestShares(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	held, sold := w.authorized(), w.captured()
	share := func(paymentID string, minor ...int64) error {
		return w.Update(t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error {
			p, err := t.LoadPayment(paymentID)
			if err != nil {
				return err
			}
			var parts []money.Amount
			for _, m := range minor {
				parts = append(parts, money.Of(m, "USD"))
			}
			return t.Share(p, parts)
		})
	}
	for name, err := range map[string]error{
		"only held": share(held, 1), "more than captured": share(sold, amount, 1), "nothing": share(sold, 0), "negative": share(sold, -1), "many": share(sold, slices.Repeat([]int64{1}, engine.SharesMax+1)...),
	} {
		if err == nil {
			t.Errorf("%s was shared", name)
		}
	}
	for range 2 { // once is enough, and again changes nothing
		w.must(share(sold, 1000, 2500))
	}
	w.books(map[ledger.Account]int64{
		owed: -2 * amount, ledger.Hold: amount, ledger.Pending(settlement): amount - 320, ledger.Fees: 320, ledger.Available: -3500, ledger.Partners: 3500,
	})
	w.view(func(r store.Reader) error {
		ts, err := engine.TransfersOf(r, w.payment(sold))
		n := 0
		for _, tr := range ts {
			if tr.Credit == ledger.Partners {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d shares among %v", n, ts)
		}
		return err
	})
	w.verify()
}
