package multisafepay_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// operation is one thing that can happen to an order with the id "o", whose wallet's
// pages are at the addresses. It returns the status of its answer.
type operation func(w *world, wallets []string) int

func decides(wallet int, scenario string) operation {
	return func(w *world, wallets []string) int { return w.submit(wallets[wallet], "scenario", scenario).status }
}

func moves(d time.Duration) operation {
	return func(w *world, _ []string) int {
		status, _ := w.Control(w.t, w.auth(), "POST", "clock/advance", fmt.Sprintf(`{"seconds": %f}`, d.Seconds()))
		return status
	}
}

// collisions are the operations that can meet at an order before and after it is
// paid.
var collisions = map[bool]map[string]operation{
	false: {
		"pay": decides(0, "completed"), "pay the sibling": decides(1, "completed"), "decline": decides(0, "declined"), "expire": moves(400 * 24 * time.Hour),
		"cancel": func(w *world, _ []string) int { return w.patch("orders/o", `{"status":"cancelled"}`).status },
		"another": func(w *world, _ []string) int {
			return w.post("orders", orderWith(object{"order_id": "o", "type": "direct"})).status
		},
	},
	true: {
		"refund": func(w *world, _ []string) int {
			return w.post("orders/o/refunds", `{"currency":"EUR","amount":1000}`).status
		},
		"part": func(w *world, _ []string) int {
			return w.post("orders/o/refunds", `{"currency":"EUR","amount":600}`).status
		},
		"chargeback": func(w *world, _ []string) int {
			status, _ := w.Control(w.t, w.auth(), "POST", "disputes", `{"id":"o","reason":"MD06"}`)
			return status
		},
		"ship": func(w *world, _ []string) int { return w.patch("orders/o", `{"status":"shipped"}`).status },
		"wait": moves(24 * time.Hour),
	},
}

// TestCollisions lets every two operations on one order, or on it and its sibling,
// begin together, at two nodes where the database allows it: it is paid once at most,
// what goes back is no more than was paid, and the books balance.
func TestCollisions(t *testing.T) {
	t.Parallel()
	for paid, operations := range collisions {
		t.Run(fmt.Sprintf("paid=%v", paid), func(t *testing.T) {
			t.Parallel()
			wiretest.OnNodes(t, func(t *testing.T, nodes [2]*wiretest.Server) {
				for names := range wiretest.Pairs(operations) {
					collide(t, nodes, paid, names, operations)
				}
			})
		})
	}
}

// parts are the operations that can meet at an authorisation that is captured in
// parts.
var parts = map[string]operation{
	"part": func(w *world, _ []string) int {
		return w.post("orders/o/capture", `{"amount":300,"new_order_id":"o-1"}`).status
	},
	"big part": func(w *world, _ []string) int {
		return w.post("orders/o/capture", `{"amount":800,"new_order_id":"o-2"}`).status
	},
	"unnamed": func(w *world, _ []string) int { return w.post("orders/o/capture", `{"amount":600}`).status },
	"all":     func(w *world, _ []string) int { return w.post("orders/o/capture", `{}`).status },
	"cancel":  func(w *world, _ []string) int { return w.patch("capture/o", `{"status":"cancelled"}`).status },
	"refund": func(w *world, _ []string) int {
		return w.post("orders/o/refunds", `{"currency":"EUR","amount":100}`).status
	},
	"the id": func(w *world, _ []string) int {
		return w.post("orders", orderWith(object{"order_id": "o-1"})).status
	},
	"expire": moves(8 * 24 * time.Hour),
}

// TestPartsCollide lets every two operations on one authorisation, a hundred of which
// is captured, begin together: no more is captured than was held, nothing goes back
// that was not captured, an id is one order's, and the books balance.
func TestPartsCollide(t *testing.T) {
	t.Parallel()
	wiretest.OnNodes(t, func(t *testing.T, nodes [2]*wiretest.Server) {
		for names := range wiretest.Pairs(parts) {
			collideParts(t, nodes, names)
		}
	})
}

func collideParts(t *testing.T, nodes [2]*wiretest.Server, names [2]string) {
	t.Helper()
	w := worldOn(t, nodes[0])
	elsewhere := &world{Server: nodes[1], t: t, key: w.key}
	w.create(object{
		"type": "direct", "order_id": "o", "gateway": "VISA", "capture": "manual",
		"gateway_info": object{"card_number": "4111111111111111", "card_expiry_date": "3012", "card_cvc": "123"},
	})
	w.must(w.post("orders/o/capture", `{"amount":100,"new_order_id":"o-0"}`))
	var status [2]int
	var both sync.WaitGroup
	for i, at := range []*world{w, elsewhere} {
		both.Go(func() { status[i] = parts[names[i]](at, nil) })
	}
	both.Wait()
	w.advance(0)
	o := w.order("o")
	captured, back, released := 0.0, 0.0, 0.0
	related, _ := o["related_transactions"].([]any)
	called := map[any]int{}
	for _, x := range related {
		r := x.(object)
		amount, _ := r["amount"].(float64)
		switch r["type"] {
		case "capture":
			captured += amount
			called[r["order_id"]]++
		case "refund":
			back += amount
		case "auth-cancellation":
			released += amount
		}
	}
	remain, _ := o["payment_details"].(object)["capture_remain"].(float64)
	fail := func(what string) {
		t.Helper()
		t.Errorf("%v answered %v: %s; captured %v, refunded %v, released %v, left %v, order %v", names, status, what, captured, back, released, remain, o)
	}
	switch {
	case status[0] >= 500 || status[1] >= 500:
		fail("an internal error")
	case captured+released+remain != 1000:
		fail("something was captured twice, or is lost")
	case back > captured:
		fail("more goes back than was captured")
	case called["o-1"] > 1 || called["o-2"] > 1:
		fail("an id is used twice")
	case names[0] == names[1] && (names[0] == "part" || names[0] == "big part" || names[0] == "unnamed" || names[0] == "all") && (status[0] == 200) == (status[1] == 200):
		fail("not done once")
	}
	made := false
	for i := range names {
		made = made || status[i] == 200 && (names[i] == "part" || names[i] == "the id")
	}
	if (w.get("orders/o-1").status == 200) != made {
		fail("an id is nobody's")
	}
}

// TestPartTakesAnId: an order that nobody has paid can no longer be paid once a part
// of an authorisation was captured under its id.
func TestPartTakesAnId(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		wallet := w.create(object{"order_id": "o-1", "type": "direct"})["payment_url"].(string)
		w.create(object{
			"type": "direct", "order_id": "o", "gateway": "VISA", "capture": "manual",
			"gateway_info": object{"card_number": "4111111111111111", "card_expiry_date": "3012", "card_cvc": "123"},
		})
		w.must(w.post("orders/o/capture", `{"amount":300,"new_order_id":"o-1"}`))
		w.submit(wallet, "scenario", "completed")
		w.advance(2 * time.Second)
		if o := w.is("o-1", "completed", "completed"); o["auth_order_id"] != "o" || o["amount"] != 300.0 {
			t.Errorf("the order under the part's id is %v", o)
		}
		paid := 0
		for _, x := range w.get("orders/o-1/transactions").list() {
			if x.(object)["status"] == "completed" {
				paid++
			}
		}
		if paid != 1 {
			t.Errorf("%d payments under one id", paid)
		}
	})
}

func collide(t *testing.T, nodes [2]*wiretest.Server, paid bool, names [2]string, operations map[string]operation) {
	t.Helper()
	w := worldOn(t, nodes[0])
	elsewhere := &world{Server: nodes[1], t: t, key: w.key}
	var wallets []string
	for range 2 {
		wallets = append(wallets, strings.TrimPrefix(w.create(object{"order_id": "o", "type": "direct"})["payment_url"].(string), w.URL))
	}
	if paid {
		w.decide(wallets[0], "completed")
	}
	var status [2]int
	var both sync.WaitGroup
	for i, at := range []*world{w, elsewhere} {
		both.Go(func() { status[i] = operations[names[i]](at, wallets) })
	}
	both.Wait()
	w.advance(0)
	came := map[any]int{}
	for _, x := range w.get("orders/o/transactions").list() {
		came[x.(object)["status"]]++
	}
	o := w.order("o")
	fail := func(what string) {
		t.Helper()
		t.Errorf("%v answered %v: %s; the order is %v/%v, %v came back, transactions %v", names, status, what, o["status"], o["financial_status"], o["amount_refunded"], came)
	}
	ok := func(name string) (n int) {
		for i := range names {
			if names[i] == name && status[i] == 200 {
				n++
			}
		}
		return n
	}
	if status[0] >= 500 || status[1] >= 500 {
		fail("an internal error")
	}
	if paid {
		// A chargeback undoes refunds that are not passed on yet, and takes the rest.
		back, _ := o["amount_refunded"].(float64)
		for i := range 3 {
			if r := related(o, i); r["type"] == "chargeback" {
				back += r["amount"].(float64)
			}
		}
		if back > 1000 {
			fail("more goes back than was paid")
		}
		if names[0] == names[1] && names[0] != "ship" && names[0] != "wait" && ok(names[0]) != 1 {
			fail("not done once")
		}
		return
	}
	if came["completed"] > 1 {
		fail("paid twice")
	}
	if (o["status"] == "completed") != (came["completed"] == 1) {
		fail("the order does not say what became of it")
	}
	// What is cancelled is the order that was made last, unless another one was paid.
	if ok("cancel") > 0 && o["status"] == "completed" && names != [2]string{"cancel", "pay"} {
		fail("cancelled, and paid")
	}
}
