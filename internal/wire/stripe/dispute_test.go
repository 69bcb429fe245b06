package stripe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDisputeLifeCycle: each end of a dispute, its events, and the money, on
// both databases (stripe-sources §11.4).
func TestDisputeLifeCycle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		end    func(w *world, id string)
		status string
		events string
		after  int64 // available after settlement and decision
	}{
		{"won", func(w *world, id string) { w.control("POST", "disputes/close", `{"id": "`+id+`", "outcome": "won"}`) }, "won", "charge.dispute.closed charge.dispute.funds_reinstated", 1037},
		{"lost", func(w *world, id string) { w.control("POST", "disputes/close", `{"id": "`+id+`", "outcome": "lost"}`) }, "lost", "charge.dispute.closed", 1037 - 1099 - 1500},
		{"accepted", func(w *world, id string) { w.must(w.post("/v1/disputes/" + id + "/close")) }, "lost", "charge.dispute.closed", 1037 - 1099 - 1500},
		{"deadline", func(w *world, _ string) { w.advance(11 * 24 * time.Hour) }, "lost", "charge.dispute.closed", 1037 - 1099 - 1500},
		{"winningEvidence", func(w *world, id string) {
			w.must(w.post("/v1/disputes/"+id, "evidence[uncategorized_text]", "winning_evidence"))
		}, "won", "charge.dispute.updated charge.dispute.closed charge.dispute.funds_reinstated", 1037},
		{"losingEvidence", func(w *world, id string) {
			w.must(w.post("/v1/disputes/"+id, "evidence[uncategorized_text]", "losing_evidence"))
		}, "lost", "charge.dispute.updated charge.dispute.closed", 1037 - 1099 - 1500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, w *world) {
				w.control("POST", "account", `{"dispute_fee": 1500}`)
				ch := w.charged()
				w.advance(8 * 24 * time.Hour)
				opened := w.control("POST", "disputes", `{"id": "`+ch["id"].(string)+`", "reason": "product_not_received"}`)
				id := opened["id"].(string)
				d := w.must(w.get("/v1/disputes/" + id))
				if d["status"] != "needs_response" || d["amount"] != 1099.0 || d["reason"] != "product_not_received" || d["charge"] != ch["id"] {
					t.Errorf("opened: %v", d)
				}
				txn := d["balance_transactions"].([]any)[0].(object)
				if txn["amount"] != -1099.0 || txn["fee"] != 1500.0 || txn["net"] != -2599.0 || txn["type"] != "adjustment" || txn["reporting_category"] != "dispute" {
					t.Errorf("transaction %v", txn)
				}
				if a, _ := w.balance("usd"); a != 1037-1099-1500 {
					t.Errorf("available %d while it runs", a)
				}
				if got := w.must(w.get("/v1/charges/" + ch["id"].(string))); got["disputed"] != true || got["amount_refunded"] != 0.0 {
					t.Errorf("charge %v", got)
				}
				if r := w.post("/v1/refunds", "charge", ch["id"].(string)); r.status != 400 || r.err()["code"] != "charge_disputed" {
					t.Errorf("refund: %d %s", r.status, r.body)
				}
				before := len(w.events())
				c.end(w, id)
				d = w.must(w.get("/v1/charges/" + ch["id"].(string) + "/dispute"))
				if d["status"] != c.status {
					t.Errorf("status %v", d["status"])
				}
				if e := strings.Join(w.events()[before:], " "); e != c.events {
					t.Errorf("events %s, want %s", e, c.events)
				}
				if a, _ := w.balance("usd"); a != c.after {
					t.Errorf("available %d, want %d", a, c.after)
				}
				if r := w.post("/v1/disputes/" + id + "/close"); r.status != 400 {
					t.Errorf("closing again: %d", r.status)
				}
				if r := w.post("/v1/disputes/"+id, "evidence[product_description]", "late"); r.status != 400 {
					t.Errorf("late evidence: %d", r.status)
				}
			})
		})
	}
}

func TestDisputeEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.must(w.chargeOf(w.chargeable("metadata[ducat_scenario]", "dispute_product_unacceptable")))
	w.advance(time.Second)
	l := w.must(w.get("/v1/disputes", "charge", ch["id"].(string)))["data"].([]any)
	if len(l) != 1 || l[0].(object)["reason"] != "product_unacceptable" {
		t.Fatalf("disputes %v", l)
	}
	path := "/v1/disputes/" + l[0].(object)["id"].(string)
	d := w.must(w.post(path, "submit", "false", "evidence[customer_name]", "Ann", "evidence[product_description]", "a chair", "metadata[case]", "7"))
	if d["status"] != "needs_response" || d["evidence_details"].(object)["has_evidence"] != true || d["evidence_details"].(object)["submission_count"] != 0.0 {
		t.Errorf("staged: %v", d)
	}
	staged := w.must(w.post(path, "submit", "false", "evidence[customer_name]", ""))
	if staged["status"] != "needs_response" {
		t.Errorf("staged again: %v", staged["status"])
	}
	d = w.must(w.post(path, "submit", "true"))
	if d["status"] != "under_review" || d["evidence"].(object)["customer_name"] != nil || d["evidence"].(object)["product_description"] != "a chair" || d["evidence_details"].(object)["submission_count"] != 1.0 {
		t.Errorf("submitted: %v", d)
	}
	w.advance(30 * 24 * time.Hour)
	if d := w.must(w.get(path)); d["status"] != "under_review" || d["evidence_details"].(object)["past_due"] != false {
		t.Errorf("an answered dispute lapsed: %v", d["status"])
	}
	for _, c := range []struct{ name, value, param string }{
		{"evidence[nonsense]", "x", "evidence[nonsense]"},
		{"evidence", "x", "evidence"},
		{"evidence[customer_name]", strings.Repeat("x", 5001), "evidence[customer_name]"},
		{"evidence[uncategorized_text]", strings.Repeat("x", 20001), "evidence[uncategorized_text]"},
		{"submit", "maybe", "submit"},
	} {
		if r := w.post(path, c.name, c.value); r.status != 400 || r.err()["param"] != c.param {
			t.Errorf("%s: %d %s", c.name, r.status, r.body)
		}
	}
	for path, want := range map[string]string{"/v1/disputes/dp_none": "No such dispute: 'dp_none'", "/v1/charges/py_none/dispute": "No such charge: 'py_none'"} {
		if r := w.get(path); r.status != 404 || r.err()["message"] != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

// TestDisputeReasons: illicit use of a wallet is never a dispute (seed 000).
func TestDisputeReasons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.charged()
	for _, reason := range []string{"fraudulent", "unrecognized", ""} {
		req := fmt.Sprintf(`{"id": %q, "reason": %q}`, ch["id"], reason)
		if s := w.controlStatus("POST", "script", `{"rules": [{"on": "dispute", "do": "open", "reason": "`+reason+`"}]}`); s != 400 {
			t.Errorf("script %s: %d", reason, s)
		}
		if s := w.controlStatus("POST", "disputes", req); s != 400 {
			t.Errorf("%s: %d", reason, s)
		}
	}
	if r := w.post("/v1/sources", "type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://x.example", "metadata[ducat_scenario]", "dispute_fraudulent"); r.status != 400 {
		t.Errorf("scenario: %d", r.status)
	}
}

// TestDisputeFailsPendingRefund: money cannot go back twice.
func TestDisputeFailsPendingRefund(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.must(w.chargeOf(w.chargeable("metadata[ducat_scenario]", "refund_pending")))
	re := w.must(w.post("/v1/refunds", "charge", ch["id"].(string), "amount", "100"))
	w.control("POST", "disputes", `{"id": "`+ch["id"].(string)+`", "reason": "general"}`)
	got := w.must(w.get("/v1/refunds/" + re["id"].(string)))
	if got["status"] != "failed" || got["failure_reason"] != "charge_for_pending_refund_disputed" {
		t.Errorf("refund %v", got)
	}
	if d := w.must(w.get("/v1/charges/" + ch["id"].(string) + "/dispute")); d["amount"] != 1099.0 {
		t.Errorf("dispute over %v", d["amount"])
	}
}
