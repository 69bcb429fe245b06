package stripe_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// TestListsFollow reads lists after each change of what their objects are made of:
// what was remembered of them must never be told again. Retrieving, where nothing
// is remembered for longer than nothing is written, says what is right.
func TestListsFollow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		stranger := w.with("sk_test_" + keys.Random(24))
		path := map[string]string{"charge": "charges", "customer": "customers", "payment_intent": "payment_intents", "refund": "refunds", "payment_method": "payment_methods", "source": "sources"}
		same := func(when string, lists ...string) {
			t.Helper()
			for _, version := range []string{"2026-03-25.dahlia", "2017-08-15"} {
				header := map[string]string{"Stripe-Version": version}
				for _, list := range lists {
					for i := range 2 { // what was read once is remembered
						// Asked differently each time, so that the whole answer is not.
						listed := w.must(w.do("GET", "/v1/"+list, header, "limit", fmt.Sprint(20+i)))["data"].([]any)
						if len(listed) == 0 {
							t.Fatalf("%s: no %s", when, list)
						}
						for _, o := range listed {
							want := w.must(w.do("GET", "/v1/"+path[o.(object)["object"].(string)]+"/"+o.(object)["id"].(string), header))
							if !reflect.DeepEqual(o, want) {
								t.Errorf("%s, version %s: listed\n%v, want\n%v", when, version, o, want)
							}
						}
					}
				}
			}
			for _, list := range lists {
				if l := stranger.must(stranger.get("/v1/" + list))["data"].([]any); len(l) > 0 {
					t.Errorf("%s: another world lists %v", when, l)
				}
			}
		}

		src := w.chargeable()
		charge := w.must(w.chargeOf(src))
		id := charge["id"].(string)
		card := w.must(w.post("/v1/payment_intents", "amount", "700", "currency", "usd", "payment_method", "pm_card_visa", "confirm", "true", "return_url", "https://shop.example/back"))
		cus := w.must(w.post("/v1/customers", "name", "Ann"))["id"].(string)
		w.must(w.post("/v1/customers", "id", "chosen", "name", "First"))
		all := []string{"charges", "customers", "payment_intents"}
		same("at first", all...)

		w.must(w.post("/v1/charges/"+id, "description", "changed"))
		same("the charge's own row", "charges")
		w.must(w.post("/v1/sources/"+src["id"].(string), "metadata[a]", "b"))
		same("its source", "charges")
		w.advance(9 * 24 * time.Hour)
		same("settled", "charges")
		w.must(w.post("/v1/refunds", "charge", id, "amount", "99"))
		same("its payment", "charges", "refunds")
		w.must(w.post("/v1/refunds", "payment_intent", card["id"].(string)))
		w.advance(9 * 24 * time.Hour)
		same("an intent's payment", append(all, "refunds")...)

		w.must(w.post("/v1/customers/"+cus, "metadata[x]", "y"))
		same("a customer", "customers")
		method := w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", cus))["id"].(string)
		w.must(w.post("/v1/customers/"+cus, "invoice_settings[default_payment_method]", method))
		same("its default", "customers")
		w.must(w.post("/v1/payment_methods/" + method + "/detach"))
		same("its default is gone", "customers")
		w.must(w.do("DELETE", "/v1/customers/chosen", nil))
		same("one less", "customers")
		w.control("POST", "reset", "")
		w.must(w.post("/v1/customers", "id", "chosen", "name", "Second"))
		same("another under the same id, the world having been cleared", "customers")
	})
}
