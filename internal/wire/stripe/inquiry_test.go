package stripe_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// inquiry takes $20 by the card whose payments are asked about, a week before
// so that the proceeds are available, and returns the charge and its inquiry.
func (w *world) inquiry() (charge, dispute object) {
	w.t.Helper()
	w.control("POST", "account", `{"dispute_fee": 1500}`)
	charge = w.paidBy("pm_card_createDisputeInquiry")
	w.advance(8 * 24 * time.Hour)
	return charge, w.must(w.get("/v1/charges/" + charge["id"].(string) + "/dispute"))
}

// TestInquiryLifeCycle: each end of an inquiry, its events, and the money
// (stripe-platform §12.2), on both databases.
func TestInquiryLifeCycle(t *testing.T) {
	t.Parallel()
	const proceeds = 2000 - 88
	evidence := func(text string) func(w *world, _, id string) {
		return func(w *world, _, id string) {
			w.must(w.post("/v1/disputes/"+id, "evidence[uncategorized_text]", text))
		}
	}
	for _, c := range []struct {
		name   string
		end    func(w *world, charge, id string)
		status string
		events string
		after  int64 // available
	}{
		{"refunded", func(w *world, charge, _ string) { w.must(w.post("/v1/refunds", "charge", charge)) }, "warning_closed",
			"charge.refunded refund.created charge.refund.updated refund.updated charge.dispute.closed", proceeds - 2000},
		{"time", func(w *world, _, _ string) { w.advance(120 * 24 * time.Hour) }, "warning_closed", "charge.dispute.closed", proceeds},
		{"accepted", func(w *world, _, id string) { w.must(w.post("/v1/disputes/" + id + "/close")) }, "warning_closed", "charge.dispute.closed", proceeds},
		{"closed", func(w *world, _, id string) {
			w.control("POST", "disputes/close", `{"id": "`+id+`", "outcome": "closed"}`)
		}, "warning_closed", "charge.dispute.closed", proceeds},
		{"winning", evidence("winning_evidence"), "warning_closed", "charge.dispute.updated charge.dispute.closed", proceeds},
		{"losing", evidence("losing_evidence"), "warning_closed", "charge.dispute.updated charge.dispute.closed", proceeds},
		{"answered", evidence("it was delivered"), "warning_under_review", "charge.dispute.updated", proceeds},
		{"escalated", func(w *world, charge, _ string) { w.control("POST", "disputes/escalate", `{"id": "`+charge+`"}`) }, "needs_response",
			"charge.dispute.updated charge.dispute.funds_withdrawn", proceeds - 2000 - 1500},
		{"escalatedByEvidence", evidence("escalate_inquiry_evidence"), "needs_response",
			"charge.dispute.updated charge.dispute.updated charge.dispute.funds_withdrawn", proceeds - 2000 - 1500},
		{"escalatedInPart", func(w *world, charge, _ string) {
			w.must(w.post("/v1/refunds", "charge", charge, "amount", "500"))
			w.control("POST", "disputes/escalate", `{"id": "`+charge+`"}`)
		}, "needs_response", "charge.refunded refund.created charge.refund.updated refund.updated charge.dispute.updated charge.dispute.funds_withdrawn", proceeds - 2000 - 1500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, w *world) {
				ch, d := w.inquiry()
				charge, id := ch["id"].(string), d["id"].(string)
				w.has(d, object{
					"status": "warning_needs_response", "amount": 2000, "reason": "fraudulent", "is_charge_refundable": true,
					"balance_transactions": []any{}, "charge": charge,
				})
				w.has(d["payment_method_details"].(object)["card"].(object), object{"brand": "visa", "case_type": "inquiry", "network": "visa", "network_reason_code": nil})
				w.has(w.must(w.get("/v1/charges/"+charge)), object{"disputed": true, "amount_refunded": 0})
				if a, _ := w.balance("usd"); a != proceeds {
					t.Errorf("available %d while it is asked", a)
				}
				all := w.events()
				if e := strings.Join(all, " "); !strings.Contains(e, "charge.dispute.created") || strings.Contains(e, "funds_withdrawn") {
					t.Errorf("events %s", e)
				}
				c.end(w, charge, id)
				if c.name == "time" {
					all = nil // they are too old to be listed
				}
				d = w.must(w.get("/v1/disputes/" + id))
				escalated := d["status"] == "needs_response"
				if d["status"] != c.status || (len(d["balance_transactions"].([]any)) == 1) != escalated {
					t.Errorf("ended as %v with %v", d["status"], d["balance_transactions"])
				}
				if e := strings.Join(w.events()[len(all):], " "); e != c.events {
					t.Errorf("events %s, want %s", e, c.events)
				}
				if a, _ := w.balance("usd"); a != c.after {
					t.Errorf("available %d, want %d", a, c.after)
				}
				if d["is_charge_refundable"] != (!escalated && c.name != "refunded") {
					t.Errorf("refundable: %v", d["is_charge_refundable"])
				}
				r := w.post("/v1/refunds", "charge", charge, "amount", "1")
				if want := map[bool]any{true: "charge_disputed", false: nil}[escalated]; c.name != "refunded" && r.err()["code"] != want {
					t.Errorf("refund: %s", r.body)
				}
				if c.status == "warning_closed" {
					for _, path := range []string{"/v1/disputes/" + id, "/v1/disputes/" + id + "/close"} {
						if r := w.post(path, map[bool][]string{true: {"evidence[product_description]", "late"}}[!strings.HasSuffix(path, "close")]...); r.status != 400 || r.err()["message"] != "This dispute is already closed" {
							t.Errorf("%s afterwards: %d %s", path, r.status, r.body)
						}
					}
					for _, path := range []string{"disputes/escalate", "disputes"} {
						if s := w.controlStatus("POST", path, map[bool]string{true: `{"id": "` + charge + `"}`, false: `{"id": "` + charge + `", "reason": "general"}`}[path == "disputes/escalate"]); s != 400 {
							t.Errorf("%s afterwards: %d", path, s)
						}
					}
				}
			})
		})
	}
}

// TestInquiryBecomesDispute: what the merchant said to the inquiry is not an
// answer to the dispute, which has a deadline of its own; from then on it is like
// any other.
func TestInquiryBecomesDispute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch, d := w.inquiry()
	path := "/v1/disputes/" + d["id"].(string)
	asked := d["evidence_details"].(object)["due_by"].(float64)
	d = w.must(w.post(path, "evidence[product_description]", "a chair"))
	w.has(d["evidence_details"].(object), object{"submission_count": 1, "past_due": false})
	if r := w.post(path, "evidence[product_description]", "a table"); r.status != 400 || !strings.Contains(r.err()["message"].(string), "under review") {
		t.Errorf("answered twice: %s", r.body)
	}
	w.advance(20 * 24 * time.Hour)
	w.has(w.must(w.get(path)), object{"status": "warning_under_review"})
	re := w.must(w.post("/v1/refunds", "charge", ch["id"].(string), "amount", "500"))
	before := len(w.list("/v1/events"))
	w.has(w.control("POST", "disputes/escalate", `{"id": "`+d["id"].(string)+`"}`), object{"id": d["id"], "state": "open", "amount": 1500})
	d = w.must(w.get(path))
	w.has(d, object{"status": "needs_response", "amount": 1500, "is_charge_refundable": false, "reason": "fraudulent"})
	w.has(d["payment_method_details"].(object)["card"].(object), object{"case_type": "chargeback", "network_reason_code": "10.4"})
	details := d["evidence_details"].(object)
	if due := details["due_by"].(float64); due <= asked {
		t.Errorf("due by %v, the inquiry was by %v", due, asked)
	}
	w.has(details, object{"submission_count": 1, "past_due": false, "has_evidence": true})
	w.has(d["balance_transactions"].([]any)[0].(object), object{"amount": -1500, "fee": 1500, "net": -3000, "reporting_category": "dispute"})
	w.has(w.must(w.get("/v1/refunds/"+re["id"].(string))), object{"status": "succeeded"})
	var updated object
	events := w.list("/v1/events")
	for _, e := range events[:len(events)-before] {
		if e["type"] == "charge.dispute.updated" {
			updated = e["data"].(object)["previous_attributes"].(object)
		}
	}
	want := object{"status": "warning_under_review", "amount": 2000.0, "is_charge_refundable": true, "balance_transactions": []any{}, "evidence_details": object{"due_by": asked}}
	for k, v := range want {
		if !reflect.DeepEqual(updated[k], v) {
			t.Errorf("previous %s: %v, want %v", k, updated[k], v)
		}
	}
	w.advance(12 * 24 * time.Hour)
	d = w.must(w.get(path))
	if d["status"] != "lost" || d["evidence_details"].(object)["past_due"] != true {
		t.Errorf("unanswered: %v %v", d["status"], d["evidence_details"])
	}
}

// TestInquiryPendingRefund: money that is on its way back when an inquiry is
// escalated stays; a full refund closes the inquiry only when it has succeeded.
func TestInquiryPendingRefund(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.control("POST", "script", `{"rules": [{"on": "refund", "do": "decline", "delay_seconds": 60, "times": 1}, {"on": "refund", "do": "delay", "delay_seconds": 60, "times": 2}]}`)
	ch, d := w.inquiry()
	path := "/v1/disputes/" + d["id"].(string)
	refund := func() object { return w.must(w.post("/v1/refunds", "charge", ch["id"].(string))) }
	refund()
	w.has(w.must(w.get(path)), object{"status": "warning_needs_response", "is_charge_refundable": false})
	w.advance(time.Minute)
	w.has(w.must(w.get(path)), object{"status": "warning_needs_response", "is_charge_refundable": true})
	pending := refund()
	w.control("POST", "disputes/escalate", `{"id": "`+d["id"].(string)+`"}`)
	w.has(w.must(w.get(path)), object{"status": "needs_response", "amount": 2000})
	w.has(w.must(w.get("/v1/refunds/"+pending["id"].(string))), object{"status": "failed", "failure_reason": "charge_for_pending_refund_disputed"})

	ch, d = w.inquiry()
	refund()
	w.has(w.must(w.get("/v1/disputes/"+d["id"].(string))), object{"status": "warning_needs_response"})
	w.advance(time.Minute)
	w.has(w.must(w.get("/v1/disputes/"+d["id"].(string))), object{"status": "warning_closed", "is_charge_refundable": false})
}

// TestInquiryPastDue: an inquiry nobody answers can still be escalated, but no
// longer answered.
func TestInquiryPastDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, d := w.inquiry()
	path := "/v1/disputes/" + d["id"].(string)
	w.advance(11 * 24 * time.Hour)
	d = w.must(w.get(path))
	if d["status"] != "warning_needs_response" || d["evidence_details"].(object)["past_due"] != true {
		t.Errorf("%v %v", d["status"], d["evidence_details"])
	}
	if r := w.post(path, "evidence[product_description]", "late"); r.status != 400 || !strings.Contains(r.err()["message"].(string), "past its due date") {
		t.Errorf("late evidence: %s", r.body)
	}
	w.control("POST", "disputes/escalate", `{"id": "`+d["id"].(string)+`"}`)
	w.has(w.must(w.get(path))["evidence_details"].(object), object{"past_due": false})
}

// TestInquiriesRaised: by a token, by the control API, by a key's rule; only
// about methods that have them.
func TestInquiriesRaised(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pm := w.must(w.post("/v1/payment_methods", "type", "card", "card[token]", "tok_visa_createDisputeInquiry"))
	charge := w.paidBy(pm["id"].(string))
	w.advance(time.Second)
	w.has(w.must(w.get("/v1/charges/"+charge["id"].(string)+"/dispute")), object{"status": "warning_needs_response"})

	charge = w.paidBy("pm_card_visa")
	raise := func(id, reason string) (int, object) {
		return w.controlAny("POST", "disputes", fmt.Sprintf(`{"id": %q, "reason": %q, "amount": 700, "inquiry": true}`, id, reason))
	}
	if s, o := raise(charge["id"].(string), "nonsense"); s != 400 {
		t.Errorf("nonsense: %d %v", s, o)
	}
	s, o := raise(charge["id"].(string), "unrecognized")
	if s != 200 || o["state"] != "inquiry" || o["amount"] != 700.0 {
		t.Errorf("raised: %d %v", s, o)
	}
	w.has(w.must(w.get("/v1/charges/"+charge["id"].(string)+"/dispute")), object{"status": "warning_needs_response", "reason": "unrecognized", "amount": 700})
	for _, outcome := range []string{"won", "lost", "nonsense"} {
		if s := w.controlStatus("POST", "disputes/close", fmt.Sprintf(`{"id": %q, "outcome": %q}`, charge["id"], outcome)); s != 400 {
			t.Errorf("an inquiry was %s: %d", outcome, s)
		}
	}
	wallet := w.charged()
	if s, o := raise(wallet["id"].(string), "general"); s != 400 || o["error"].(object)["code"] != "no_inquiries" {
		t.Errorf("a wallet's inquiry: %d %v", s, o)
	}
	w.control("POST", "disputes", fmt.Sprintf(`{"id": %q, "reason": "general"}`, wallet["id"]))
	for path, body := range map[string]string{"disputes/escalate": `{"id": %q}`, "disputes/close": `{"id": %q, "outcome": "closed"}`} {
		if s := w.controlStatus("POST", path, fmt.Sprintf(body, wallet["id"])); s != 400 {
			t.Errorf("%s of a dispute: %d", path, s)
		}
	}

	w.control("POST", "script", `{"rules": [{"on": "dispute", "do": "inquire", "reason": "unrecognized", "delay_seconds": 60}]}`)
	charge, wallet = w.paidBy("pm_card_visa_debit"), w.charged()
	w.advance(time.Minute)
	w.has(w.must(w.get("/v1/charges/"+charge["id"].(string)+"/dispute")), object{"status": "warning_needs_response", "reason": "unrecognized", "amount": 2000})
	if r := w.get("/v1/charges/" + wallet["id"].(string) + "/dispute"); r.status != 404 {
		t.Errorf("the rule raised an inquiry about a wallet's payment: %s", r.body)
	}
}

// TestInquiryVersions: statuses before there were warnings, and disputes that do
// not say what kind of case they are.
func TestInquiryVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, d := w.inquiry()
	path := "/v1/disputes/" + d["id"].(string)
	status := func(version string) any {
		return w.must(w.do("GET", path, map[string]string{"Stripe-Version": version}))["status"]
	}
	card := func(version string) object {
		return w.must(w.do("GET", path, map[string]string{"Stripe-Version": version}))["payment_method_details"].(object)["card"].(object)
	}
	if card("2024-09-30.acacia")["case_type"] != "inquiry" || card("2024-06-20")["case_type"] != nil {
		t.Error("case_type by version")
	}
	for _, step := range []struct{ end, newest, y2014, older string }{
		{"", "warning_needs_response", "warning_needs_response", "needs_response"},
		{"evidence", "warning_under_review", "warning_under_review", "under_review"},
		{"close", "warning_closed", "warning_under_review", "under_review"},
	} {
		switch step.end {
		case "evidence":
			w.must(w.post(path, "evidence[product_description]", "a chair"))
		case "close":
			w.must(w.post(path + "/close"))
		}
		if a, b, c := status("2015-02-10"), status("2014-08-20"), status("2014-08-04"); a != step.newest || b != step.y2014 || c != step.older {
			t.Errorf("%s: %v, %v, %v", step.newest, a, b, c)
		}
	}
}

// TestInquiryAudit: verify notices an inquiry that would never end, and a payment
// that says its inquiry withdrew money.
func TestInquiryAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, d := w.inquiry()
	core := "dsp_" + strings.TrimPrefix(d["id"].(string), "dp_")
	ctx := context.Background()
	ids, err := w.store.MerchantIDs(ctx, -1, 10)
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	update := func(fn func(tx store.Tx) error) {
		t.Helper()
		if err := w.store.Update(ctx, ids[0], fn); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(want string) {
		t.Helper()
		if _, err := w.srv.Engine.Verify(ctx, func(engine.Audited) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("verify: %v, want %s", err, want)
		}
	}
	var ends store.Job
	update(func(tx store.Tx) error {
		jobs, err := tx.Jobs(1000)
		for _, j := range jobs {
			if j.ID == "inquiry:"+core {
				ends = j
			}
		}
		return errors.Join(err, tx.DeleteJob(ends.ID))
	})
	verify("dispute " + core + " is an inquiry, but nothing is planned for its end")
	update(func(tx store.Tx) error { return tx.InsertJob(ends) })

	withdrew := func(dispute string) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			d, err := tx.Dispute(core)
			if err != nil {
				return err
			}
			p, err := tx.Payment(d.Payment)
			if err != nil {
				return err
			}
			stored := p.Stored()
			stored.Dispute = dispute
			if p, err = payment.Restore(p, stored); err != nil {
				return err
			}
			return tx.UpdatePayment(p)
		}
	}
	update(withdrew(core))
	verify("dispute " + core + " is an inquiry, but payment")
	update(withdrew(""))
}

// TestInquiryRace: a bank that escalates, a merchant who refunds and one who
// answers, all at once: the money goes back once.
func TestInquiryRace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for round := range 6 {
			ch, d := w.inquiry()
			charge, path := ch["id"].(string), "/v1/disputes/"+d["id"].(string)
			answers := make(chan response, 2)
			escalated := make(chan int, 1)
			go func() { answers <- w.post("/v1/refunds", "charge", charge) }()
			go func() { answers <- w.post(path, "evidence[product_description]", "a chair") }()
			go func() {
				escalated <- w.controlStatus("POST", "disputes/escalate", `{"id": "`+d["id"].(string)+`"}`)
			}()
			for range 2 {
				if r := <-answers; r.status != 200 && r.status != 400 {
					t.Errorf("round %d: %d %s", round, r.status, r.body)
				}
			}
			withdrawn := <-escalated == 200
			d = w.must(w.get(path))
			refunded := w.must(w.get("/v1/charges/" + charge))["amount_refunded"].(float64)
			if withdrawn == (refunded == 2000) || withdrawn != (len(d["balance_transactions"].([]any)) == 1) || withdrawn == (d["status"] == "warning_closed") {
				t.Errorf("round %d: escalated %v, refunded %v, the dispute is %v", round, withdrawn, refunded, d["status"])
			}
		}
	})
}
