package antom_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// met is a payment that was debited, and the token it was debited with.
type met struct {
	payment object
	token   string
}

// collisions are calls that can meet at a payment of 149 pesos. Each returns the code
// of its answer; i tells the two that meet apart.
var collisions = map[string]func(w *world, m met, i int) string{
	"cancel": func(w *world, m met, _ int) string {
		return w.call("/v1/payments/cancel", object{"paymentId": m.payment["paymentId"]}).code()
	},
	"refund": func(w *world, m met, i int) string { return w.refund(m.payment, fmt.Sprint("all", i), 14_900).code() },
	"part":   func(w *world, m met, i int) string { return w.refund(m.payment, fmt.Sprint("part", i), 10_000).code() },
	"repeat": func(w *world, m met, _ int) string {
		return w.pay(payment("GCASH", m.token, "p", amount(14_900, "PHP"))).code()
	},
	"new": func(w *world, m met, _ int) string {
		return w.pay(payment("GCASH", m.token, "n", amount(9_900, "PHP"))).code()
	},
	"revoke": func(w *world, m met, _ int) string {
		return w.call("/v1/authorizations/revoke", object{"accessToken": m.token}).code()
	},
	"wait": func(w *world, _ met, _ int) string { w.advance(24 * time.Hour); return "" },
}

// TestCollisions lets every two calls about one payment begin together, at two nodes
// where the database allows it: what goes back goes back once, a request is one
// payment, and the books balance.
func TestCollisions(t *testing.T) {
	t.Parallel()
	wiretest.OnNodes(t, func(t *testing.T, nodes [2]*wiretest.Server) {
		for names := range wiretest.Pairs(collisions) {
			collide(t, nodes, names)
		}
	})
}

func collide(t *testing.T, nodes [2]*wiretest.Server, names [2]string) {
	t.Helper()
	w := in(t, nodes[0])
	elsewhere := *w
	elsewhere.Server = nodes[1]
	m := met{token: w.token("GCASH")}
	m.payment = w.paid(m.token, "p")
	var code [2]string
	var both sync.WaitGroup
	for i, at := range []*world{w, &elsewhere} {
		both.Go(func() { code[i] = collisions[names[i]](at, m, i) })
	}
	both.Wait()
	w.advance(time.Minute)
	ok := func(name string) (n int) {
		for i := range names {
			if names[i] == name && code[i] == "SUCCESS" {
				n++
			}
		}
		return n
	}
	for i, name := range names {
		if code[i] == "UNKNOWN_EXCEPTION" || name == "repeat" && ok("cancel") == 0 && code[i] != "SUCCESS" && names != [2]string{"repeat", "revoke"} {
			t.Errorf("%v answered %v", names, code)
		}
	}
	same := names[0] == names[1]
	switch n := ok("refund") + ok("part") + ok("cancel"); {
	case n > 1 && names != [2]string{"cancel", "cancel"}: // a cancellation can be repeated
		t.Errorf("%v answered %v: more goes back than was paid", names, code)
	case same && (names[0] == "refund" || names[0] == "part") && n != 1:
		t.Errorf("%v answered %v: not done once", names, code)
	}
	if again := w.call("/v1/payments/inquiryPayment", object{"paymentRequestId": "n"}); ok("new") > 0 && again.code() != "SUCCESS" {
		t.Errorf("%v answered %v, and then %s", names, code, again.body)
	}
	if same && names[0] == "new" && ok("new") == 0 {
		t.Errorf("%v answered %v", names, code)
	}
}
