package stripe_test

import (
	"slices"
	"strconv"
	"sync"
	"testing"
)

// atOnce sends requests at the same time and returns the sorted statuses.
func atOnce(requests ...func() response) (statuses []int) {
	statuses = make([]int, len(requests))
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i, request := range requests {
		wg.Go(func() {
			<-begin
			statuses[i] = request().status
		})
	}
	close(begin)
	wg.Wait()
	slices.Sort(statuses)
	return statuses
}

// times repeats a request.
func times(n int, request func() response) []func() response {
	return slices.Repeat([]func() response{request}, n)
}

// TestOnlyOnceAtOnce: of requests that can succeed only once, and are sent at
// the same time, one succeeds, and the others are told why they do not.
func TestOnlyOnceAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		const n = 4
		remove := func(path string) func() response {
			return func() response { return w.do("DELETE", path, nil) }
		}
		for i := range 3 {
			customer := w.must(w.post("/v1/customers"))["id"].(string)
			endpoint := w.must(w.post("/v1/webhook_endpoints", "url", "http://127.0.0.1:9/", "enabled_events[]", "charge.failed"))["id"].(string)
			clock := w.must(w.post("/v1/test_helpers/test_clocks", "frozen_time", "1700000000"))["id"].(string)
			for name, c := range map[string]struct {
				request func() response
				refusal int
			}{
				"customer":   {remove("/v1/customers/" + customer), 404},
				"endpoint":   {remove("/v1/webhook_endpoints/" + endpoint), 404},
				"test clock": {remove("/v1/test_helpers/test_clocks/" + clock), 404},
				"chosen id":  {func() response { return w.post("/v1/customers", "id", "chosen"+strconv.Itoa(i)) }, 400},
			} {
				want := append([]int{200}, slices.Repeat([]int{c.refusal}, n-1)...)
				if got := atOnce(times(n, c.request)...); !slices.Equal(got, want) {
					t.Errorf("%s: %v, want %v", name, got, want)
				}
			}
		}
	})
}

// TestLimitsAtOnce: a limit holds for requests that are sent at the same time.
func TestLimitsAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		clock := w.must(w.post("/v1/test_helpers/test_clocks", "frozen_time", "1700000000"))["id"].(string)
		onClock := times(6, func() response { return w.post("/v1/customers", "test_clock", clock) })
		if got, want := atOnce(onClock...), []int{200, 200, 200, 400, 400, 400}; !slices.Equal(got, want) {
			t.Errorf("customers of a clock: %v, want %v", got, want)
		}
		w.control("POST", "account", `{"settings": {"stripe.webhook_endpoints_max": "2"}}`)
		endpoints := times(5, func() response {
			return w.post("/v1/webhook_endpoints", "url", "http://127.0.0.1:9/", "enabled_events[]", "charge.failed")
		})
		if got, want := atOnce(endpoints...), []int{200, 200, 400, 400, 400}; !slices.Equal(got, want) {
			t.Errorf("endpoints: %v, want %v", got, want)
		}
	})
}

// TestAttachWhileDeleted: nothing stays attached to a customer, or to a test
// clock, that was deleted at the same time.
func TestAttachWhileDeleted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for range 6 {
			customer := w.must(w.post("/v1/customers"))["id"].(string)
			method := w.must(w.post("/v1/payment_methods", "type", "card", "card[token]", "tok_visa"))["id"].(string)
			clock := w.must(w.post("/v1/test_helpers/test_clocks", "frozen_time", "1700000000"))["id"].(string)
			atOnce(
				func() response { return w.post("/v1/payment_methods/"+method+"/attach", "customer", customer) },
				func() response { return w.do("DELETE", "/v1/customers/"+customer, nil) },
				func() response { return w.post("/v1/customers", "test_clock", clock) },
				func() response { return w.do("DELETE", "/v1/test_helpers/test_clocks/"+clock, nil) },
			)
			if owner := w.must(w.get("/v1/payment_methods/" + method))["customer"]; owner != nil {
				t.Errorf("%s is attached to %v, who was deleted", method, owner)
			}
			if left := w.must(w.get("/v1/customers", "test_clock", clock))["data"].([]any); len(left) != 0 {
				t.Errorf("%d customers of a clock that was deleted", len(left))
			}
		}
	})
}

// TestSavedForNobody: a payment method that was to be saved for a customer who
// is deleted before the payer decides is saved for nobody; the payment is made.
func TestSavedForNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.must(w.post("/v1/customers"))["id"].(string)
	intent := w.must(w.post("/v1/payment_intents", "amount", "1000", "currency", "eur", "confirm", "true", "payment_method", "pm_card_authenticationRequired",
		"payment_method_types[]", "card", "setup_future_usage", "off_session", "customer", customer, "return_url", "https://shop.example/"))
	w.must(w.do("DELETE", "/v1/customers/"+customer, nil))
	w.control("POST", "decide", `{"id": "`+intent["id"].(string)+`", "decision": "authorize"}`)
	got := w.must(w.get("/v1/payment_intents/" + intent["id"].(string)))
	if got["status"] != "succeeded" {
		t.Errorf("the payment is %v", got["status"])
	}
	if owner := w.must(w.get("/v1/payment_methods/" + got["payment_method"].(string)))["customer"]; owner != nil {
		t.Errorf("the payment method is attached to %v, who was deleted", owner)
	}
}
