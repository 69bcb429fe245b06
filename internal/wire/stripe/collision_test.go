package stripe_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// collision is what two operations on one payment that begin together came to.
type collision struct {
	t      *testing.T
	w      *world
	names  [2]string
	status [2]int
	intent object
	events map[string]int
}

// succeeded counts how often an operation was answered by a success.
func (c *collision) succeeded(name string) (n int) {
	for i := range c.names {
		if c.names[i] == name && c.status[i] == http.StatusOK {
			n++
		}
	}
	return n
}

func (c *collision) want(what string, got, want int) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("%v answered %v, the intent is %v: %d times %s, want %d; events %v", c.names, c.status, c.intent["status"], got, what, want, c.events)
	}
}

// operation is one thing that can happen to a payment intent. It returns the status
// of its answer.
type operation func(w *world, id string) int

func calls(path string, params ...string) operation {
	return func(w *world, id string) int { return w.post(fmt.Sprintf(path, id), params...).status }
}

func controls(path, body string) operation {
	return func(w *world, id string) int { return w.controlStatus("POST", path, fmt.Sprintf(body, id)) }
}

func advances(seconds int) operation {
	return func(w *world, _ string) int {
		return w.controlStatus("POST", "clock/advance", fmt.Sprintf(`{"seconds": %d}`, seconds))
	}
}

var resets operation = func(w *world, _ string) int { return w.controlStatus("POST", "reset", "") }

// collisions are the operations that can meet at a payment in some state, and what
// has to be true afterwards.
var collisions = map[string]struct {
	begin      func(w *world) object
	operations map[string]operation
	check      func(c *collision)
}{
	"authorized": {
		func(w *world) object {
			return w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "card", "payment_method", "pm_card_visa", "capture_method", "manual", "confirm", "true"))
		},
		map[string]operation{
			"capture": calls("/v1/payment_intents/%s/capture"), "cancel": calls("/v1/payment_intents/%s/cancel"), "expire": advances(8 * 24 * 3600),
			"look": calls("/v1/payment_intents/%s", "description", "looked at"), "reset": resets,
		},
		func(c *collision) {
			captured := c.succeeded("capture")
			c.want("payment_intent.succeeded", c.events["payment_intent.succeeded"], captured)
			c.want("charge.captured", c.events["charge.captured"], captured)
			switch c.intent["status"] {
			case "succeeded":
				c.want("captured", captured, 1)
				c.want("canceled", c.succeeded("cancel")+c.events["payment_intent.canceled"], 0)
			case "canceled":
				c.want("captured", captured, 0)
				c.want("payment_intent.canceled", c.events["payment_intent.canceled"], 1)
				if n := c.succeeded("cancel"); n > 1 {
					c.want("canceled", n, 1)
				}
			case "requires_capture":
				c.want("decided", captured+c.succeeded("cancel")+c.succeeded("expire"), 0)
			default:
				c.want("in a strange state", 1, 0)
			}
		},
	},
	"awaiting": {
		func(w *world) object {
			return w.must(w.post("/v1/payment_intents", "amount", "1099", "currency", "usd", "payment_method_types[]", "alipay", "payment_method_data[type]", "alipay",
				"return_url", "https://shop.example/", "confirm", "true"))
		},
		map[string]operation{
			"approve": controls("decide", `{"id": %q, "decision": "authorize"}`), "decline": controls("decide", `{"id": %q, "decision": "decline"}`),
			"cancel": calls("/v1/payment_intents/%s/cancel"), "expire": advances(2 * 3600),
			"again": calls("/v1/payment_intents/%s/confirm", "payment_method_data[type]", "alipay", "return_url", "https://shop.example/"), "reset": resets,
		},
		func(c *collision) {
			n := map[string]int{c.intent["status"].(string): 1}
			c.want("payment_intent.succeeded", c.events["payment_intent.succeeded"], n["succeeded"])
			c.want("charge.succeeded", c.events["charge.succeeded"], n["succeeded"])
			c.want("payment_intent.canceled", c.events["payment_intent.canceled"], n["canceled"])
			c.want("canceled", c.succeeded("cancel"), n["canceled"])
			if c.names == [2]string{"approve", "decline"} && n["succeeded"]+c.events["payment_intent.payment_failed"] != 1 {
				c.want("decided", n["succeeded"]+c.events["payment_intent.payment_failed"], 1)
			}
		},
	},
	"captured": {
		func(w *world) object {
			return w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "card", "payment_method", "pm_card_visa", "confirm", "true"))
		},
		map[string]operation{
			"refund": func(w *world, id string) int { return w.post("/v1/refunds", "payment_intent", id).status },
			"half": func(w *world, id string) int {
				return w.post("/v1/refunds", "payment_intent", id, "amount", "3000").status
			},
			"dispute": controls("disputes", `{"id": %q, "reason": "general"}`), "settle": advances(10 * 24 * 3600),
			"cancel": calls("/v1/payment_intents/%s/cancel"), "reset": resets,
			"another": func(w *world, _ string) int {
				return w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "card", "payment_method", "pm_card_visa", "confirm", "true").status
			},
		},
		func(c *collision) {
			if c.names[0] == "another" || c.names[1] == "another" {
				return // what is counted is of both payments
			}
			c.want("canceled", c.succeeded("cancel"), 0)
			charge := c.w.must(c.w.get("/v1/charges/" + c.intent["latest_charge"].(string)))
			taken := charge["amount_refunded"].(float64)
			for _, d := range c.w.must(c.w.get("/v1/disputes"))["data"].([]any) {
				taken += d.(object)["amount"].(float64)
			}
			if taken > charge["amount"].(float64) {
				c.t.Errorf("%v answered %v: of %v, %v were taken back", c.names, c.status, charge["amount"], taken)
			}
			c.want("charge.dispute.created", c.events["charge.dispute.created"], min(c.succeeded("dispute"), 1))
			c.want("charge.refunded", c.events["charge.refunded"], c.succeeded("refund")+c.succeeded("half"))
			// A half and the rest go together if the half comes first; two halves of more than half do not.
			if c.names[0] == c.names[1] && c.names[0] != "settle" && c.names[0] != "cancel" {
				c.want("done", c.succeeded(c.names[0]), 1)
			}
		},
	},
	"inquiry": {
		func(w *world) object {
			pi := w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "card", "payment_method", "pm_card_createDisputeInquiry", "confirm", "true"))
			w.advance(time.Second)
			return pi
		},
		map[string]operation{
			"refund": func(w *world, id string) int { return w.post("/v1/refunds", "payment_intent", id).status },
			"half": func(w *world, id string) int {
				return w.post("/v1/refunds", "payment_intent", id, "amount", "3000").status
			},
			"escalate": controls("disputes/escalate", `{"id": %q}`), "close": controls("disputes/close", `{"id": %q, "outcome": "closed"}`),
			"time": advances(121 * 24 * 3600), "reset": resets,
			"answer": func(w *world, id string) int {
				list, _ := w.get("/v1/disputes", "payment_intent", id).obj["data"].([]any)
				if len(list) == 0 {
					return http.StatusNotFound // the world was reset
				}
				return w.post("/v1/disputes/"+list[0].(object)["id"].(string), "evidence[product_description]", "a chair").status
			},
		},
		func(c *collision) {
			charge := c.w.must(c.w.get("/v1/charges/" + c.intent["latest_charge"].(string)))
			dispute := c.w.must(c.w.get("/v1/charges/" + charge["id"].(string) + "/dispute"))
			taken, moved := charge["amount_refunded"].(float64), 0
			for _, b := range dispute["balance_transactions"].([]any) {
				taken -= b.(object)["amount"].(float64)
				moved++
			}
			status := dispute["status"].(string)
			inquiry := strings.HasPrefix(status, "warning_")
			if taken > charge["amount"].(float64) || inquiry == (moved > 0) {
				c.t.Errorf("%v answered %v: of %v, %v were taken back; the dispute is %s with %d entries", c.names, c.status, charge["amount"], taken, status, moved)
			}
			if c.names[0] == "time" || c.names[1] == "time" {
				return // what happened is too old to be listed, and an escalated one may be lost by now
			}
			if n := c.succeeded("escalate"); n > 1 || n != map[bool]int{false: 1, true: 0}[inquiry] || c.events["charge.dispute.funds_withdrawn"] != n {
				c.want("escalated to "+status, n, 0)
			}
			c.want("charge.dispute.closed", c.events["charge.dispute.closed"], map[bool]int{true: 1}[status == "warning_closed"])
			c.want("charge.refunded", c.events["charge.refunded"], c.succeeded("refund")+c.succeeded("half"))
			if c.names[0] == c.names[1] {
				c.want("done", c.succeeded(c.names[0]), 1)
			}
		},
	},
	"inquiry with a wallet that takes its time": {
		func(w *world) object {
			w.control("POST", "script", `{"rules": [{"on": "refund", "do": "delay", "delay_seconds": 60}]}`)
			pi := w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "card", "payment_method", "pm_card_createDisputeInquiry", "confirm", "true"))
			w.advance(time.Second)
			w.must(w.post("/v1/refunds", "payment_intent", pi["id"].(string), "amount", "1000"))
			return pi
		},
		map[string]operation{
			"refund":   func(w *world, id string) int { return w.post("/v1/refunds", "payment_intent", id).status },
			"escalate": controls("disputes/escalate", `{"id": %q}`), "wait": advances(61),
		},
		func(c *collision) {
			c.w.advance(2 * time.Minute) // whatever is pending is decided
			charge := c.w.must(c.w.get("/v1/charges/" + c.intent["latest_charge"].(string)))
			dispute := c.w.must(c.w.get("/v1/charges/" + charge["id"].(string) + "/dispute"))
			taken, refunded := 0.0, 0.0
			for _, b := range dispute["balance_transactions"].([]any) {
				taken -= b.(object)["amount"].(float64)
			}
			for _, r := range c.w.must(c.w.get("/v1/refunds", "charge", charge["id"].(string)))["data"].([]any) {
				switch r := r.(object); r["status"] {
				case "succeeded":
					refunded += r["amount"].(float64)
				case "failed":
				default:
					c.t.Errorf("%v answered %v: a refund is still %v", c.names, c.status, r["status"])
				}
			}
			if taken+refunded > charge["amount"].(float64) || refunded != charge["amount_refunded"].(float64) || (taken > 0) != (c.succeeded("escalate") == 1) {
				c.t.Errorf("%v answered %v: of %v, %v were refunded (the charge says %v) and %v withdrawn; the dispute is %v", c.names, c.status, charge["amount"], refunded, charge["amount_refunded"], taken, dispute["status"])
			}
		},
	},
	"available": {
		func(w *world) object {
			w.control("POST", "account", `{"refund_needs_funds": true}`)
			pi := w.must(w.post("/v1/payment_intents", "amount", "5099", "currency", "eur", "payment_method_types[]", "card", "payment_method", "pm_card_visa", "confirm", "true"))
			w.advance(10 * 24 * time.Hour)
			return pi
		},
		map[string]operation{
			"payout": func(w *world, _ string) int { return w.post("/v1/payouts", "amount", "4000", "currency", "eur").status },
			"refund": func(w *world, id string) int {
				return w.post("/v1/refunds", "payment_intent", id, "amount", "3000").status
			},
			"settings": func(w *world, _ string) int {
				return w.controlStatus("POST", "account", `{"name": "Another name"}`)
			},
			"wait": advances(24 * 3600), "reset": resets,
		},
		func(c *collision) {
			if n := c.succeeded("payout") + c.succeeded("refund"); n > 1 {
				c.want("taken out more than there is", n, 1)
			}
			if a, _ := c.w.balance("eur"); a < 0 {
				c.want("below zero", int(a), 0)
			}
			if c.names[0] == c.names[1] && (c.names[0] == "payout" || c.names[0] == "refund") {
				c.want("done", c.succeeded(c.names[0]), 1)
			}
		},
	},
}

// collideRounds is how often each two meet.
const collideRounds = 3

// TestCollisions lets every two operations on one payment begin together, at two
// nodes where the database allows it. Each is answered, exactly one of those that
// exclude each other succeeds, what is told fits, and the books balance.
func TestCollisions(t *testing.T) {
	t.Parallel()
	for state, s := range collisions {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			wiretest.OnNodes(t, func(t *testing.T, servers [2]*wiretest.Server) {
				nodes := [2]*world{worldOn(t, servers[0]), worldOn(t, servers[1])}
				for names := range wiretest.Pairs(s.operations) {
					for range collideRounds {
						c := collide(t, nodes, names, s.begin, s.operations)
						if !slices.Contains(names[:], "reset") {
							s.check(c)
						}
					}
				}
			})
		})
	}
}

// collide runs two operations together, in a world of their own.
func collide(t *testing.T, nodes [2]*world, names [2]string, begin func(w *world) object, operations map[string]operation) *collision {
	t.Helper()
	key := "sk_test_" + keys.Random(24)
	c := &collision{t: t, w: nodes[0].with(key), names: names, events: map[string]int{}}
	id := begin(c.w)["id"].(string)
	var both sync.WaitGroup
	for i, name := range names {
		both.Go(func() { c.status[i] = operations[name](nodes[i].with(key), id) })
	}
	both.Wait()
	for i := range names {
		if c.status[i] >= 500 {
			t.Errorf("%v answered %v", names, c.status)
		}
	}
	c.w.advance(0)
	c.w.advance(2 * time.Second) // the wallet confirms a second after the payer does
	r := c.w.get("/v1/payment_intents/" + id)
	if names[0] == "reset" || names[1] == "reset" {
		if r.status != http.StatusNotFound {
			t.Errorf("%v: the intent is there after the reset: %s", names, r.body)
		}
		return c
	}
	c.intent = c.w.must(r)
	for _, e := range c.w.events() {
		c.events[e]++
	}
	return c
}
