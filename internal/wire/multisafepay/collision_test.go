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
	for database, open := range map[string]func(t *testing.T) [2]*wiretest.Server{
		"sqlite": func(t *testing.T) [2]*wiretest.Server {
			s := wiretest.NewSQLite(t)
			return [2]*wiretest.Server{s, s}
		},
		"postgres": func(t *testing.T) [2]*wiretest.Server { return wiretest.Nodes(t) },
	} {
		for paid, operations := range collisions {
			t.Run(fmt.Sprintf("%s/paid=%v", database, paid), func(t *testing.T) {
				t.Parallel()
				nodes := open(t)
				wiretest.Ticking(t, nodes[:]...)
				for a := range operations {
					for b := range operations {
						if a <= b {
							collide(t, nodes, paid, [2]string{a, b}, operations)
						}
					}
				}
			})
		}
	}
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
