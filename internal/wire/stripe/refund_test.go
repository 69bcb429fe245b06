package stripe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRefundRequiresAction: a payer who has to say first where the money goes
// says so, never does, or is not waited for.
func TestRefundRequiresAction(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		charge := w.must(w.chargeOf(w.chargeable("metadata[ducat_scenario]", "refund_requires_action")))["id"].(string)
		refund := func(amount string) object {
			t.Helper()
			r := w.must(w.post("/v1/refunds", "charge", charge, "amount", amount, "instructions_email", "ann@example.com"))
			if _, ok := r["pending_reason"]; ok || r["status"] != "requires_action" || r["instructions_email"] != "ann@example.com" || r["failure_balance_transaction"] != nil {
				t.Errorf("created: %v", r)
			}
			return r
		}
		path := func(r object) string { return "/v1/refunds/" + r["id"].(string) }
		ended := func(r object, status, reason, description string) {
			t.Helper()
			got := w.must(w.get(path(r), "expand[]", "failure_balance_transaction"))
			w.has(got, object{"status": status, "failure_reason": reason, "next_action": nil})
			w.has(got["failure_balance_transaction"].(object), object{"amount": r["amount"], "type": "refund_failure", "reporting_category": "refund_failure", "description": description, "source": r["id"]})
		}

		one := refund("100")
		action := one["next_action"].(object)
		w.has(action, object{"type": "display_details"})
		w.has(action["display_details"].(object), object{
			"expires_at": one["created"].(float64) + 45*24*3600, "email_sent": object{"email_sent_at": one["created"], "email_sent_to": "ann@example.com"},
		})
		if a, _ := w.balance("usd"); a != -100 {
			t.Errorf("available %d while the payer is waited for", a)
		}
		before := len(w.events())
		w.must(w.post(path(one) + "/cancel"))
		ended(one, "canceled", "merchant_request", "REFUND CANCELED")
		if e := strings.Join(w.events()[before:], " "); e != "charge.refund.updated refund.updated" {
			t.Errorf("events of canceling: %s", e)
		}
		update := w.must(w.get("/v1/events", "type", "refund.updated"))["data"].([]any)[0].(object)["data"].(object)
		w.has(update, object{"previous_attributes": object{"status": "requires_action"}})

		two := refund("200")
		before = len(w.events())
		w.must(w.post("/v1/test_helpers" + strings.TrimPrefix(path(two), "/v1") + "/expire"))
		ended(two, "failed", "unknown", "REFUND FAILURE")
		if e := strings.Join(w.events()[before:], " "); e != "charge.refund.updated refund.updated refund.failed" {
			t.Errorf("events of expiring: %s", e)
		}

		three := refund("300")
		w.advance(45*24*time.Hour - time.Second)
		w.has(w.must(w.get(path(three))), object{"status": "requires_action"})
		w.advance(time.Second)
		ended(three, "failed", "unknown", "REFUND FAILURE")
		if ch := w.must(w.get("/v1/charges/" + charge)); ch["amount_refunded"] != 0.0 || ch["refunded"] != false {
			t.Errorf("the charge: %v", ch["amount_refunded"])
		}

		for verb, r := range map[string]object{"/v1/refunds/%s/cancel": one, "/v1/test_helpers/refunds/%s/expire": two} {
			res := w.post(fmt.Sprintf(verb, r["id"]))
			if res.status != 400 || !strings.Contains(res.err()["message"].(string), "only refunds in `requires_action` can be") {
				t.Errorf("%s: %d %s", verb, res.status, res.body)
			}
		}
		if r := w.post("/v1/test_helpers/refunds/re_none/expire"); r.status != 404 || r.err()["code"] != "resource_missing" {
			t.Errorf("unknown refund: %d %s", r.status, r.body)
		}

		w.control("POST", "script", `{"rules": [{"on": "refund", "do": "action", "delay_seconds": 60}]}`)
		plain := w.charged()["id"].(string)
		four := w.must(w.post("/v1/refunds", "charge", plain))
		w.has(four, object{"status": "requires_action"})
		w.advance(time.Minute)
		w.has(w.must(w.get(path(four))), object{"status": "succeeded", "next_action": nil, "failure_reason": nil})
	})
}

// TestRefundOfPlainCharge: what this wallet never does, and what belongs to
// other kinds of refund.
// TestRefundReturned: a refund succeeds, and later the payer's account sends the
// money back (docs/control-api.md, Scripts).
func TestRefundReturned(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.control("POST", "script", `{"rules": [{"on": "refund", "do": "return", "delay_seconds": 60, "reason": "declined", "times": 1}]}`)
		charge := w.must(w.chargeOf(w.chargeable()))["id"].(string)
		r := w.must(w.post("/v1/refunds", "charge", charge, "amount", "100"))
		w.has(r, object{"status": "succeeded"})
		if a, _ := w.balance("usd"); a != -100 {
			t.Errorf("available %d after the refund", a)
		}
		w.advance(59 * time.Second)
		path := "/v1/refunds/" + r["id"].(string)
		w.has(w.must(w.get(path)), object{"status": "succeeded"})
		before := len(w.events())
		w.advance(time.Second)
		w.has(w.must(w.get(path)), object{"status": "failed", "failure_reason": "declined"})
		if a, _ := w.balance("usd"); a != 0 {
			t.Errorf("available %d after it came back", a)
		}
		if e := strings.Join(w.events()[before:], " "); e != "charge.refund.updated refund.updated refund.failed" {
			t.Errorf("events %s", e)
		}
		update := w.must(w.get("/v1/events", "type", "refund.updated"))["data"].([]any)[0].(object)["data"].(object)
		w.has(update, object{"previous_attributes": object{"status": "succeeded"}})
		w.has(w.must(w.post("/v1/refunds", "charge", charge, "amount", "100")), object{"status": "pending"}) // the rule is used up
	})
}

func TestRefundRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	charge := w.charged()["id"].(string)
	pending := w.must(w.post("/v1/refunds", "charge", charge, "amount", "100", "refund_application_fee", "false"))["id"].(string)
	for path, message := range map[string]string{
		"/v1/refunds/" + pending + "/cancel":              "This refund cannot be canceled: it is pending, and only refunds in `requires_action` can be canceled.",
		"/v1/test_helpers/refunds/" + pending + "/expire": "This refund cannot be expired: it is pending, and only refunds in `requires_action` can be expired.",
	} {
		if r := w.post(path); r.status != 400 || r.err()["message"] != message {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	for _, c := range []struct{ name, value string }{
		{"refund_application_fee", "true"}, {"reverse_transfer", "true"}, {"reverse_transfer", "1"}, {"origin", "customer_balance"},
		{"currency", "usd"}, {"customer", "cus_1"}, {"instructions_email", "ann"},
	} {
		if r := w.post("/v1/refunds", "charge", charge, c.name, c.value); r.status != 400 || r.err()["param"] != c.name {
			t.Errorf("%s=%s: %d %s", c.name, c.value, r.status, r.body)
		}
	}
	if l := w.list("/v1/refunds"); len(l) != 1 {
		t.Errorf("%d refunds", len(l))
	}
}

// TestRefundNeedsFunds: an account can refuse refunds that its balance does not
// cover; by default they make it negative.
func TestRefundNeedsFunds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		charge := w.charged()["id"].(string)
		w.control("POST", "account", `{"refund_needs_funds": true}`)
		r := w.post("/v1/refunds", "charge", charge, "amount", "1000")
		if r.status != 400 || r.err()["code"] != "balance_insufficient" {
			t.Errorf("%d %s", r.status, r.body)
		}
		w.advance(8 * 24 * time.Hour)
		w.must(w.post("/v1/refunds", "charge", charge, "amount", "1000"))
		if r := w.post("/v1/refunds", "charge", charge, "amount", "38"); r.status != 400 || r.err()["code"] != "balance_insufficient" {
			t.Errorf("more than is left: %d %s", r.status, r.body)
		}
		w.control("POST", "account", `{"refund_needs_funds": false}`)
		w.must(w.post("/v1/refunds", "charge", charge, "amount", "38"))
		if a, _ := w.balance("usd"); a != -1 {
			t.Errorf("available %d", a)
		}
	})
}

// TestRefundWindowEdges: the second of the request counts, not that of the
// decision, and a refund that fails later cannot be made again.
func TestRefundWindowEdges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	failing := w.must(w.chargeOf(w.chargeable("metadata[ducat_scenario]", "refund_failed")))["id"].(string)
	w.clock.Advance(300 * time.Millisecond) // the charge is made late in its second
	last := w.charged()["id"].(string)
	over := time.Unix(int64(w.must(w.get("/v1/charges/" + last))["created"].(float64)), 0).Add(90 * 24 * time.Hour)
	w.control("POST", "clock/advance", fmt.Sprintf(`{"to": %q}`, over.Add(-2*time.Second).UTC().Format(time.RFC3339)))
	refund := w.must(w.post("/v1/refunds", "charge", failing))["id"].(string)
	w.control("POST", "clock/advance", fmt.Sprintf(`{"to": %q}`, over.Add(999*time.Millisecond).UTC().Format(time.RFC3339Nano)))
	w.must(w.post("/v1/refunds", "charge", last, "amount", "1"))
	w.advance(2 * time.Second)
	if got := w.must(w.get("/v1/refunds/" + refund)); got["status"] != "failed" {
		t.Errorf("the failing one is %v", got["status"])
	}
	for _, charge := range []string{failing, last} {
		if r := w.post("/v1/refunds", "charge", charge, "amount", "1"); r.status != 400 || r.err()["code"] != "charge_not_refundable" || r.err()["param"] != "charge" {
			t.Errorf("after the window: %d %s", r.status, r.body)
		}
	}
}

// TestDisputeFeeKept: an account can be set to lose the fee of a dispute that it
// wins.
func TestDisputeFeeKept(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.control("POST", "account", `{"dispute_fee": 1500, "dispute_fee_kept": true}`)
		charge := w.charged()["id"].(string)
		id := w.control("POST", "disputes", fmt.Sprintf(`{"id": %q, "reason": "general"}`, charge))["id"].(string)
		w.control("POST", "disputes/close", fmt.Sprintf(`{"id": %q, "outcome": "won"}`, id))
		txns := w.must(w.get("/v1/disputes/" + id))["balance_transactions"].([]any)
		w.has(txns[0].(object), object{"amount": -1099, "fee": 1500, "net": -2599, "reporting_category": "dispute"})
		w.has(txns[1].(object), object{"amount": 1099, "fee": 0, "net": 1099, "reporting_category": "dispute_reversal"})
		if a, _ := w.balance("usd"); a != -1500 {
			t.Errorf("available %d", a)
		}
	})
}

// TestRefundParents: a charge and a PaymentIntent that are both named have to
// belong together (stripe-platform §12.1); a card's refund says so on the balance.
func TestRefundParents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	charge, other := w.paidBy("pm_card_visa"), w.paidBy("pm_card_visa")
	id, intent := charge["id"].(string), charge["payment_intent"].(string)
	if r := w.post("/v1/refunds", "charge", other["id"].(string), "payment_intent", intent); r.status != 400 || r.err()["param"] != "charge" || !strings.Contains(r.err()["message"].(string), intent) {
		t.Errorf("another's charge: %d %s", r.status, r.body)
	}
	if r := w.post("/v1/refunds", "charge", "ch_none", "payment_intent", intent); r.status != 400 || r.err()["message"] != "No such charge: 'ch_none'" {
		t.Errorf("no charge: %d %s", r.status, r.body)
	}
	re := w.must(w.post("/v1/refunds", "charge", id, "payment_intent", intent, "amount", "100", "expand[]", "balance_transaction"))
	w.has(re["balance_transaction"].(object), object{"description": "REFUND FOR CHARGE", "amount": -100})
}
