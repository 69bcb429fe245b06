package stripe_test

import (
	"strings"
	"testing"
	"time"
)

// TestAsyncCapture: an account that wants to meet it gets the balance transaction
// of an asynchronous capture after the charge has succeeded, by charge.updated, on
// both databases (stripe-platform §6.4); the money is booked with the capture.
func TestAsyncCapture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		if s := w.controlStatus("POST", "account", `{"settings": {"stripe.async_capture": "maybe"}}`); s != 400 {
			t.Errorf("maybe: %d", s)
		}
		w.control("POST", "account", `{"settings": {"stripe.async_capture": "true"}}`)
		pay := func(method string) object {
			pi := w.must(w.post("/v1/payment_intents", "amount", "2000", "currency", "usd", "payment_method_types[]", "card", "payment_method", "pm_card_visa", "confirm", "true", "capture_method", method, "expand[]", "latest_charge"))
			return pi["latest_charge"].(object)
		}
		charge := pay("automatic_async")
		w.has(charge, object{"status": "succeeded", "captured": true, "balance_transaction": nil})
		if _, pending := w.balance("usd"); pending != 2000-88 {
			t.Errorf("pending %d", pending)
		}
		w.has(w.list("/v1/events", "type", "charge.succeeded")[0]["data"].(object)["object"].(object), object{"balance_transaction": nil})
		w.advance(time.Second)
		got := w.must(w.get("/v1/charges/"+charge["id"].(string), "expand[]", "balance_transaction"))
		w.has(got["balance_transaction"].(object), object{"amount": 2000, "fee": 88, "source": charge["id"]})
		updated := w.list("/v1/events", "type", "charge.updated")
		if len(updated) != 1 {
			t.Fatalf("%d times charge.updated", len(updated))
		}
		previous := updated[0]["data"].(object)["previous_attributes"].(object)
		if v, ok := previous["balance_transaction"]; !ok || v != nil || len(previous) != 1 {
			t.Errorf("previous %v", previous)
		}
		if pay("automatic")["balance_transaction"] == nil {
			t.Error("a synchronous capture has no balance transaction")
		}
		// What is refunded or disputed in the meantime is not held up.
		early := pay("automatic_async")
		w.must(w.post("/v1/refunds", "charge", early["id"].(string), "amount", "500"))
		w.advance(time.Second)
		w.has(w.must(w.get("/v1/charges/"+early["id"].(string))), object{"amount_refunded": 500})
		w.control("POST", "account", `{"settings": {}}`)
		if pay("automatic_async")["balance_transaction"] == nil {
			t.Error("without the setting")
		}
		if e := strings.Join(w.events(), " "); strings.Count(e, "charge.updated") != 2 {
			t.Errorf("events %s", e)
		}
	})
}
