package stripe_test

import (
	"strings"
	"testing"
	"time"
)

// TestAbandonedPage: the page of an approval that the merchant gave up by
// changing the terms sends the payer back without claiming success, whether they
// press a button or come back to it; an approval that waits for the server's
// second confirmation is one.
func TestAbandonedPage(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for _, change := range [][]string{{"amount", "6000"}, {"currency", "usd"}, {"payment_method", "pm_card_visa"}} {
			pi := w.intent()
			url := page(w.alma(pi))
			w.must(w.post("/v1/payment_intents/"+pi["id"].(string), change...))
			for _, decision := range []string{"authorize", "decline"} {
				if _, to := w.decideAt(url, decision); !strings.Contains(to, "redirect_status=failed") {
					t.Errorf("%v, then %s: %s", change, decision, to)
				}
			}
			if got := w.read(pi); got["status"] == "succeeded" || got["latest_charge"] != nil {
				t.Errorf("%v: %v", change, got)
			}
		}
		pi := w.intent("confirmation_method", "manual")
		waiting := w.must(w.post("/v1/payment_intents/"+pi["id"].(string)+"/confirm", almaData...))
		if _, to := w.decideAt(page(waiting), "authorize"); !strings.Contains(to, "redirect_status=succeeded") {
			t.Errorf("approved, to be confirmed by the server: %s", to)
		}
	})
}

// TestUndoneCreationsShowNothing: the error of a creation that is undone has no
// intent in it, for there is none; what was refused by the issuer stays, and is
// shown.
func TestUndoneCreationsShowNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	count := func(path string) int { return len(w.must(w.get(path))["data"].([]any)) }
	for _, c := range []struct {
		path, code string
		params     []string
	}{
		{"/v1/payment_intents", "payment_intent_redirect_confirmation_without_return_url", []string{"amount", "5099", "currency", "eur", "confirm", "true", "payment_method_data[type]", "alma"}},
		{"/v1/setup_intents", "", []string{"payment_method_types[]", "alipay", "confirm", "true", "payment_method_data[type]", "alipay"}},
	} {
		e := w.fails(w.post(c.path, c.params...), 400, c.code, "return_url")
		if n := count(c.path); e["payment_intent"] != nil || e["setup_intent"] != nil || n != 0 {
			t.Errorf("%s: %d there, error %v", c.path, n, e)
		}
	}
	r := w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "confirm", "true", "payment_method", "pm_card_visa_chargeDeclined", "return_url", "https://shop.example/")
	w.fails(r, 402, "card_declined", "")
	if shown, _ := r.err()["payment_intent"].(object); shown == nil || w.read(shown)["status"] != "requires_payment_method" {
		t.Errorf("%s", r.body)
	}
}

// TestAlmaIsForEuros: the guide's payment_intent_invalid_currency, also when
// nobody listed Alma and the currency is why it was not selected.
func TestAlmaIsForEuros(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "usd"))
	w.fails(w.confirmed(pi, almaData...), 400, "payment_intent_invalid_currency", "payment_method")
	method := w.must(w.post("/v1/payment_methods", "type", "alma"))["id"].(string)
	w.fails(w.post("/v1/payment_intents/"+pi["id"].(string), "payment_method", method), 400, "payment_intent_invalid_currency", "payment_method")
	small := w.must(w.post("/v1/payment_intents", "amount", "1099", "currency", "eur"))
	w.fails(w.confirmed(small, almaData...), 400, "payment_intent_incompatible_payment_method", "payment_method")
}

// TestOnePayerOfSavedAlipay: all payments of one Alipay account name it alike: the
// one it was saved with and those debited later, and the debits of one that was
// saved without paying.
func TestOnePayerOfSavedAlipay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		customer := w.must(w.post("/v1/customers"))["id"].(string)
		wallet := func(pi object) object {
			charge := w.must(w.get("/v1/charges/" + pi["latest_charge"].(string)))
			return charge["payment_method_details"].(object)["alipay"].(object)
		}
		debit := func(method any) object {
			return wallet(w.must(w.post("/v1/payment_intents", "amount", "1099", "currency", "eur", "customer", customer, "payment_method", method.(string),
				"payment_method_types[]", "alipay", "off_session", "true", "confirm", "true")))
		}
		pi := w.intent("customer", customer, "setup_future_usage", "off_session")
		w.decideAt(page(w.must(w.confirmed(pi, "payment_method_data[type]", "alipay", "return_url", "https://shop.example/"))), "authorize")
		pi = w.read(pi)
		first, again := wallet(pi), debit(pi["payment_method"])
		if first["buyer_id"] != again["buyer_id"] || first["fingerprint"] != again["fingerprint"] || first["transaction_id"] == again["transaction_id"] {
			t.Errorf("saved by %v, debited from %v", first, again)
		}
		set := w.setUp(alipayData...)
		w.must(w.post("/v1/payment_methods/"+set["payment_method"].(string)+"/attach", "customer", customer))
		one, two := debit(set["payment_method"]), debit(set["payment_method"])
		if one["buyer_id"] != two["buyer_id"] || one["buyer_id"] == first["buyer_id"] {
			t.Errorf("debited from %v and %v; another account is %v", one, two, first)
		}
	})
}

// TestAlmaDisputeWindow: Alma's customers can complain for 120 days.
func TestAlmaDisputeWindow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		paid := func() string {
			pi := w.intent()
			w.decideAt(page(w.alma(pi)), "authorize")
			return pi["id"].(string)
		}
		last, late := paid(), paid()
		w.advance(120 * 24 * time.Hour)
		w.control("POST", "disputes", `{"id": "`+last+`", "reason": "general"}`)
		w.advance(time.Second)
		if status, o := w.controlAny("POST", "disputes", `{"id": "`+late+`", "reason": "general"}`); status == 200 {
			t.Errorf("opened after 120 days: %v", o)
		}
		if n := len(w.must(w.get("/v1/disputes"))["data"].([]any)); n != 1 {
			t.Errorf("%d disputes, want 1", n)
		}
	})
}

// TestTransferGroupIsSetOnce: as published, it can only be given when there is
// none yet.
func TestTransferGroupIsSetOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/v1/payment_intents/" + w.intent()["id"].(string)
	w.must(w.post(path, "transfer_group", "G1"))
	w.must(w.post(path, "transfer_group", "G1"))
	w.fails(w.post(path, "transfer_group", "G2"), 400, "", "transfer_group")
	w.fails(w.post(path, "transfer_group", ""), 400, "", "transfer_group")
	if got := w.must(w.get(path))["transfer_group"]; got != "G1" {
		t.Errorf("transfer_group %v", got)
	}
}

// TestCaptureOfAnIntentsCharge: the charge of an intent that waits for its capture
// is captured by the intent only; the refusal names it and changes nothing.
func TestCaptureOfAnIntentsCharge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pi := w.intent("capture_method", "manual")
	w.decideAt(page(w.alma(pi)), "authorize")
	charge := w.read(pi)["latest_charge"].(string)
	e := w.fails(w.post("/v1/charges/"+charge+"/capture", "amount", "100"), 400, "", "")
	if got := w.read(pi); !strings.Contains(e["message"].(string), pi["id"].(string)) || got["status"] != "requires_capture" || got["amount_capturable"] != 5099. {
		t.Errorf("%v; %v", e, got)
	}
}

// TestSingleUseMandate: a permission for one payment covers one, of no more than
// was agreed and in its currency; a debit that fails does not use it up.
func TestSingleUseMandate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		customer := w.must(w.post("/v1/customers"))["id"].(string)
		s := w.must(w.post("/v1/setup_intents", "payment_method_types[]", "alipay", "customer", customer, "single_use[amount]", "1000", "single_use[currency]", "eur"))
		w.decideAt(page(w.must(w.confirmSetup(s, alipayData...))), "authorize")
		s = w.must(w.get("/v1/setup_intents/" + s["id"].(string)))
		mandate := "/v1/mandates/" + s["single_use_mandate"].(string)
		debit := func(amount, currency string, more ...string) response {
			return w.post("/v1/payment_intents", append([]string{"amount", amount, "currency", currency, "customer", customer, "payment_method", s["payment_method"].(string),
				"payment_method_types[]", "alipay", "off_session", "true", "confirm", "true"}, more...)...)
		}
		w.fails(debit("1001", "eur"), 400, "payment_intent_mandate_invalid", "amount")
		w.fails(debit("1000", "usd"), 400, "payment_intent_mandate_invalid", "amount")
		w.fails(debit("1000", "eur", "metadata[ducat_scenario]", "insufficient_funds"), 402, "payment_method_provider_decline", "")
		if got := w.must(w.get(mandate)); got["status"] != "active" || got["type"] != "single_use" {
			t.Errorf("after a debit that failed: %v", got)
		}
		w.control("POST", "script", `{"rules": [{"on": "authorize", "do": "pending", "delay_seconds": 60}]}`)
		waiting := w.must(debit("900", "eur"))
		if waiting["status"] != "processing" {
			t.Fatalf("%v", waiting["status"])
		}
		w.fails(debit("100", "eur"), 400, "payment_intent_mandate_invalid", "payment_method")
		w.advance(time.Minute)
		if got := w.read(waiting); got["status"] != "succeeded" {
			t.Fatalf("%v", got["status"])
		}
		w.fails(debit("100", "eur"), 400, "payment_intent_mandate_invalid", "payment_method")
		last := w.must(w.get("/v1/events", "limit", "1"))["data"].([]any)[0].(object)
		if got := w.must(w.get(mandate)); got["status"] != "inactive" || last["type"] != "mandate.updated" || last["data"].(object)["previous_attributes"].(object)["status"] != "active" {
			t.Errorf("used: %v, told by %v", got, last)
		}
		if n := len(w.must(w.get("/v1/payment_intents"))["data"].([]any)); n != 2 {
			t.Errorf("%d intents, want the failed one and the paid one", n)
		}
	})
}
