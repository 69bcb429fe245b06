package stripe_test

import (
	"slices"
	"testing"
	"time"
)

// paidBy takes $20 by a test card and returns the charge.
func (w *world) paidBy(card string) object {
	w.t.Helper()
	pi := w.must(w.post("/v1/payment_intents", "amount", "2000", "currency", "usd", "payment_method_types[]", "card", "payment_method", card, "confirm", "true", "capture_method", "automatic"))
	return w.must(w.get("/v1/charges/"+pi["latest_charge"].(string), "expand[]", "balance_transaction"))
}

// TestBypassPending: the proceeds of one card, or of any payment if the key says
// so, are available at once and can be paid out.
func TestBypassPending(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		charge := w.paidBy("pm_card_bypassPending")
		w.has(charge["balance_transaction"].(object), object{"status": "available", "available_on": charge["created"], "net": 1912})
		if a, pending := w.balance("usd"); a != 1912 || pending != 0 {
			t.Errorf("available %d, pending %d", a, pending)
		}
		if !slices.Contains(w.events(), "balance.available") {
			t.Error("no balance.available")
		}
		w.payout(1100)
		w.paidBy("pm_card_visa")
		if a, pending := w.balance("usd"); a != 812 || pending != 1912 {
			t.Errorf("available %d, pending %d", a, pending)
		}
		w.control("POST", "script", `{"rules": [{"on": "settle", "do": "now", "times": 1}]}`)
		w.charged()
		w.charged()
		if a, pending := w.balance("usd"); a != 812+1037 || pending != 1912+1037 {
			t.Errorf("available %d, pending %d", a, pending)
		}
	})
}

// TestDisputeCards: the cards whose payments are disputed.
func TestDisputeCards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for card, reason := range map[string]string{"pm_card_createDispute": "fraudulent", "pm_card_createDisputeProductNotReceived": "product_not_received"} {
		charge := w.paidBy(card)
		w.advance(time.Second)
		w.has(w.must(w.get("/v1/charges/"+charge["id"].(string)+"/dispute")), object{"status": "needs_response", "reason": reason, "amount": 2000, "charge": charge["id"]})
		w.has(w.must(w.get("/v1/charges/"+charge["id"].(string))), object{"disputed": true})
	}
}
