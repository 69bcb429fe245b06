package multisafepay_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestAnySequence walks at random through everything a merchant and a payer can
// do with a few orders. Whatever the sequence: no answer is a fault of ours, every
// status exists, never more goes back than came, and the books balance (the
// harness verifies them).
func TestAnySequence(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			walk(t, newWorld(t), rand.New(rand.NewPCG(seed, 6)))
		})
	}
}

// pick returns one of several.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func walk(t *testing.T, w *world, r *rand.Rand) {
	links, wallets := map[string]string{}, map[string]string{}
	card := object{"card_number": "4111111111111111", "card_expiry_date": "3012", "card_cvc": "123"}
	create := func(id string) {
		change := object{"order_id": id, "type": pick(r, "redirect", "direct", "paymentlink"), "gateway": pick(r, "ALIPAY", "IDEAL", "VISA", "KLARNA", "PAYPAL"), "gateway_info": card}
		if change["gateway"] == "VISA" && r.IntN(2) == 0 {
			change["capture"] = "manual"
		}
		if r.IntN(4) == 0 {
			change["seconds_active"] = 3600
		}
		if r.IntN(3) == 0 {
			change["affiliate"] = object{"split_payments": []any{object{"merchant": 1, "fixed": 300}, object{"merchant": 2, "percentage": 33.3}}}
		}
		res := w.post("orders", orderWith(change))
		if u, _ := res.data()["payment_url"].(string); strings.Contains(u, "/connect/") {
			links[id] = u
		} else if strings.Contains(u, "/simulator/") {
			wallets[id] = u
		}
	}
	steps := []func(id string) response{
		func(id string) response {
			if links[id] == "" {
				return response{}
			}
			res := w.submit(links[id], "gateway", pick(r, "ALIPAY", "IDEAL", "VISA"))
			if to := res.header.Get("Location"); strings.HasPrefix(to, "/simulator/") {
				wallets[id] = to
			}
			return res
		},
		func(id string) response {
			if wallets[id] == "" {
				return response{}
			}
			return w.submit(wallets[id], "scenario", pick(r, "completed", "completed", "cancelled", "declined", "expired", "uncleared", "none"))
		},
		func(id string) response {
			return w.post("orders/"+id+"/refunds", fmt.Sprintf(`{"currency":"EUR","amount":%d,"refund_order_id":"%s"}`, pick(r, 0, 1, 300, 700, 1000, 1001), pick(r, "", "back-1", "back-2", id)))
		},
		func(id string) response {
			return w.post("orders/"+id+"/capture", fmt.Sprintf(`{"amount":%d,"new_order_id":"%s"}`, pick(r, 0, 10, 10, 400, 1000, 1001), pick(r, "", "part-1", "part-2", id)))
		},
		func(id string) response { return w.patch("capture/"+id, `{"status":"cancelled"}`) },
		func(id string) response {
			return w.patch("orders/"+id, pick(r, `{"status":"shipped"}`, `{"status":"cancelled"}`, `{"invoice_id":"i"}`, `{"partial_shipment_amount":250}`))
		},
		func(id string) response {
			if links[id] == "" {
				return response{}
			}
			return w.submit(links[id], "action", "cancel")
		},
		func(id string) response {
			for _, x := range w.get("orders/" + id + "/refunds").list() {
				return w.patch(fmt.Sprintf("orders/%s/refunds/%.0f", id, x.(object)["refund_id"]), `{"status":"void"}`)
			}
			return response{}
		},
		func(id string) response {
			w.Control(t, w.auth(), "POST", "disputes", `{"id":"`+id+`","reason":"x"}`)
			return response{}
		},
		func(id string) response {
			w.Control(t, w.auth(), "POST", "disputes/close", `{"id":"`+id+`","outcome":"`+pick(r, "won", "lost")+`"}`)
			return response{}
		},
		func(string) response {
			w.advance(pick(r, time.Second, 3*time.Minute, time.Hour, 6*time.Hour, 24*time.Hour))
			return response{}
		},
	}
	for range 250 {
		id := fmt.Sprint("walk-", r.IntN(6))
		if r.IntN(5) == 0 {
			create(id)
			continue
		}
		if res := pick(r, steps...)(id); res.status >= 500 {
			t.Fatalf("%s: %d %s", id, res.status, res.body)
		}
		res := w.get("orders/" + id)
		if res.status != 200 {
			continue // not created yet
		}
		o := res.data()
		if !exists[o["status"].(string)] || !exists[o["financial_status"].(string)] || o["amount_refunded"].(float64) > o["amount"].(float64) {
			t.Fatalf("%s is %v/%v with %v refunded", id, o["status"], o["financial_status"], o["amount_refunded"])
		}
		parts := 0.0
		all, _ := o["related_transactions"].([]any)
		for _, x := range all {
			if c := x.(object); c["type"] == "capture" || c["type"] == "auth-cancellation" {
				parts += c["amount"].(float64)
			}
		}
		if remain, ok := o["payment_details"].(object)["capture_remain"].(float64); parts > 0 && ok && parts+remain != 1000 {
			t.Fatalf("%s: %v captured or let go in parts, %v left", id, parts, remain)
		}
	}
	paid := map[any]int{}
	for _, x := range w.get("transactions?limit=1000&type=payment").list() {
		switch x.(object)["status"] {
		case "completed", "shipped", "refunded", "partial_refunded", "chargedback", "uncleared":
			paid[x.(object)["order_id"]]++
		}
	}
	for id, n := range paid {
		if n > 1 {
			t.Errorf("%v was paid %d times", id, n)
		}
	}
}

// exists are the statuses of reference §9.1.
var exists = map[string]bool{
	"initialized": true, "declined": true, "cancelled": true, "completed": true, "expired": true, "uncleared": true, "refunded": true,
	"partial_refunded": true, "reserved": true, "void": true, "chargedback": true, "shipped": true,
}
