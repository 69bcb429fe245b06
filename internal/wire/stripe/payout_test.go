package stripe_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// funded is a world with $10.37 available.
func (w *world) funded() {
	w.t.Helper()
	w.charged()
	w.advance(8 * 24 * time.Hour)
	if a, p := w.balance("usd"); a != 1037 || p != 0 {
		w.t.Fatalf("available %d, pending %d", a, p)
	}
}

func (w *world) payout(amount int, params ...string) object {
	w.t.Helper()
	return w.must(w.post("/v1/payouts", append([]string{"amount", fmt.Sprint(amount), "currency", "usd"}, params...)...))
}

func (w *world) payoutStatus(id any, want string) object {
	w.t.Helper()
	p := w.must(w.get("/v1/payouts/" + id.(string)))
	if p["status"] != want {
		w.t.Errorf("payout is %v, want %s", p["status"], want)
	}
	return p
}

// has checks members of an object.
func (w *world) has(o object, members object) {
	w.t.Helper()
	for k, want := range members {
		if fmt.Sprint(o[k]) != fmt.Sprint(want) {
			w.t.Errorf("%s is %v, want %v", k, o[k], want)
		}
	}
}

// TestPayoutLifeCycle: a payout leaves at midnight and arrives a day later; its
// money has left the balance at once.
func TestPayoutLifeCycle(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.funded()
		before := len(w.events())
		p := w.payout(1000, "description", "rent", "statement_descriptor", "SHOP 7", "metadata[month]", "9", "expand[]", "balance_transaction")
		id := p["id"].(string)
		w.has(p, object{
			"amount": 1000, "currency": "usd", "status": "pending", "automatic": false, "method": "standard", "type": "bank_account", "source_type": "card",
			"description": "rent", "statement_descriptor": "SHOP 7", "metadata": object{"month": "9"}, "reconciliation_status": "not_applicable",
			"arrival_date": float64(time.Date(2026, 9, 20, 0, 0, 0, 0, time.UTC).Unix()), "failure_code": nil, "failure_balance_transaction": nil,
		})
		w.has(p["balance_transaction"].(object), object{
			"type": "payout", "reporting_category": "payout", "amount": -1000, "fee": 0, "net": -1000, "source": id, "status": "available", "description": "rent",
		})
		if a, _ := w.balance("usd"); a != 37 {
			t.Errorf("available %d", a)
		}
		w.advance(22 * time.Hour)
		w.payoutStatus(id, "pending")
		w.advance(time.Hour)
		w.payoutStatus(id, "in_transit")
		if r := w.post("/v1/payouts/" + id + "/cancel"); r.status != 400 || !strings.Contains(r.err()["message"].(string), "it is in_transit") {
			t.Errorf("cancel: %d %s", r.status, r.body)
		}
		w.advance(24 * time.Hour)
		w.payoutStatus(id, "paid")
		p = w.must(w.post("/v1/payouts/"+id, "metadata[month]", "", "metadata[year]", "2026"))
		w.has(p, object{"metadata": object{"year": "2026"}, "status": "paid"})
		if e := strings.Join(w.events()[before:], " "); e != "payout.created payout.updated payout.paid payout.updated" {
			t.Errorf("events %s", e)
		}
		update := w.must(w.get("/v1/events", "type", "payout.updated"))["data"].([]any)[1].(object)["data"].(object)
		w.has(update, object{"previous_attributes": object{"status": "pending"}})
		w.has(update["object"].(object), object{"status": "in_transit"})
		w.advance(30 * 24 * time.Hour)
		w.payoutStatus(id, "paid")
		if a, _ := w.balance("usd"); a != 37 {
			t.Errorf("available %d in the end", a)
		}
		txns := w.must(w.get("/v1/balance_transactions", "type", "payout", "expand[]", "data.source"))["data"].([]any)
		if len(txns) != 1 || txns[0].(object)["source"].(object)["id"] != id {
			t.Errorf("transactions %v", txns)
		}
	})
}

func TestPayoutInstant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.funded()
	p := w.payout(1037, "method", "instant")
	w.has(p, object{"method": "instant", "arrival_date": p["created"].(float64) + 1800})
	w.advance(time.Minute)
	w.payoutStatus(p["id"], "in_transit")
	w.advance(29 * time.Minute)
	w.payoutStatus(p["id"], "paid")
	if a, _ := w.balance("usd"); a != 0 {
		t.Errorf("available %d", a)
	}
}

// TestPayoutInsufficient: no more than is available can be paid out, and the
// refusal is the answer to its key for good.
func TestPayoutInsufficient(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.charged() // pending does not count
		refused := func(want string, params ...string) {
			t.Helper()
			r := w.do("POST", "/v1/payouts", map[string]string{"Idempotency-Key": "k" + want}, params...)
			if r.status != 400 || r.err()["code"] != "balance_insufficient" || r.err()["param"] != nil || !strings.HasSuffix(r.err()["message"].(string), want) {
				t.Errorf("%d %s, want %s", r.status, r.body, want)
			}
		}
		refused("$10.37 was to be paid out, but only $0.00 is available.", "amount", "1037", "currency", "usd")
		w.advance(8 * 24 * time.Hour)
		refused("$10.37 was to be paid out, but only $0.00 is available.", "amount", "1037", "currency", "usd")
		refused("$10.38 was to be paid out, but only $10.37 is available.", "amount", "1038", "currency", "usd")
		refused("€0.01 was to be paid out, but only €0.00 is available.", "amount", "1", "currency", "eur")
		refused("the fpx balance, which is empty.", "amount", "1", "currency", "usd", "source_type", "fpx")
		w.payout(1037)
		refused("$0.01 was to be paid out, but only $0.00 is available.", "amount", "1", "currency", "usd")
		if l := w.must(w.get("/v1/payouts"))["data"].([]any); len(l) != 1 {
			t.Errorf("%d payouts", len(l))
		}
	})
}

func TestPayoutCancel(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.funded()
		before := len(w.events())
		p := w.payout(1000)
		path := "/v1/payouts/" + p["id"].(string)
		p = w.must(w.post(path+"/cancel", "expand[]", "failure_balance_transaction"))
		w.has(p, object{"status": "canceled", "failure_code": nil, "failure_message": nil})
		w.has(p["failure_balance_transaction"].(object), object{"type": "payout_cancel", "reporting_category": "payout_reversal", "amount": 1000, "source": p["id"]})
		if a, _ := w.balance("usd"); a != 1037 {
			t.Errorf("available %d", a)
		}
		if r := w.post(path + "/cancel"); r.status != 400 || r.err()["message"] != "This payout cannot be canceled: it is canceled, and only payouts that are pending can be canceled." {
			t.Errorf("again: %d %s", r.status, r.body)
		}
		w.advance(5 * 24 * time.Hour)
		w.payoutStatus(p["id"], "canceled")
		if e := strings.Join(w.events()[before:], " "); e != "payout.created payout.canceled" {
			t.Errorf("events %s", e)
		}
	})
}

// TestPayoutFailure: the bank refuses, at once or after it had said that the
// money arrived, and the money is back.
func TestPayoutFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, rule string
		params     []string
		code       string
		message    string
		events     string
	}{
		{"scenario", "", []string{"metadata[ducat_scenario]", "payout_failed"}, "account_closed", "The bank account has been closed.", "payout.created payout.updated payout.failed"},
		{"rule", `{"on": "payout", "do": "fail", "reason": "no_account", "times": 1}`, nil, "no_account", "The bank account details on file are probably incorrect. No bank account could be located with those details.", "payout.created payout.updated payout.failed"},
		{"noReason", `{"on": "payout", "do": "fail"}`, nil, "could_not_process", "The bank could not process this payout.", "payout.created payout.updated payout.failed"},
		{"late", `{"on": "payout", "do": "fail", "reason": "account_frozen", "delay_seconds": 172800, "times": 1}`, nil, "account_frozen", "The bank account has been frozen.", "payout.created payout.updated payout.paid payout.failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, w *world) {
				w.funded()
				w.control("POST", "script", `{"rules": [`+c.rule+`]}`)
				before := len(w.events())
				p := w.payout(1000, c.params...)
				w.has(p, object{"status": "pending", "failure_code": nil})
				w.advance(5 * 24 * time.Hour)
				p = w.must(w.get("/v1/payouts/"+p["id"].(string), "expand[]", "failure_balance_transaction"))
				w.has(p, object{"status": "failed", "failure_code": c.code, "failure_message": c.message})
				w.has(p["failure_balance_transaction"].(object), object{"type": "payout_failure", "reporting_category": "payout_reversal", "amount": 1000, "source": p["id"]})
				if a, _ := w.balance("usd"); a != 1037 {
					t.Errorf("available %d", a)
				}
				if e := strings.Join(w.events()[before:], " "); e != c.events {
					t.Errorf("events %s, want %s", e, c.events)
				}
				if c.name != "noReason" { // the others were used up
					p = w.payout(1000)
					w.advance(5 * 24 * time.Hour)
					w.payoutStatus(p["id"], "paid")
				}
			})
		})
	}
}

// TestPayoutsNeverOverdraw: payouts asked for at once cannot take more than
// there is, nor is one canceled twice.
func TestPayoutsNeverOverdraw(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.funded()
		at := func(n int, do func() response) (ok int) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			for range n {
				wg.Go(func() {
					r := do()
					mu.Lock()
					defer mu.Unlock()
					switch {
					case r.status == 200:
						ok++
					case r.status != 400 || !strings.Contains(string(r.body), "balance_insufficient") && !strings.Contains(string(r.body), "it is canceled"):
						t.Errorf("%d %s", r.status, r.body)
					}
				})
			}
			wg.Wait()
			return ok
		}
		if ok := at(8, func() response { return w.post("/v1/payouts", "amount", "300", "currency", "usd") }); ok != 3 {
			t.Errorf("%d payouts of $3.00 out of $10.37", ok)
		}
		if a, _ := w.balance("usd"); a != 137 {
			t.Errorf("available %d", a)
		}
		id := w.must(w.get("/v1/payouts"))["data"].([]any)[0].(object)["id"].(string)
		if ok := at(6, func() response { return w.post("/v1/payouts/" + id + "/cancel") }); ok != 1 {
			t.Errorf("canceled %d times", ok)
		}
		if a, _ := w.balance("usd"); a != 437 {
			t.Errorf("available %d", a)
		}
	})
}

func TestPayoutList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.funded()
	first := w.payout(100)
	w.advance(3 * 24 * time.Hour)
	second := w.payout(200)
	w.must(w.post("/v1/payouts/" + second["id"].(string) + "/cancel"))
	third := w.payout(300)
	stamp := func(o object, k string) string { return fmt.Sprintf("%.0f", o[k].(float64)) }
	for _, c := range []struct {
		params []string
		want   []object
	}{
		{nil, []object{third, second, first}},
		{[]string{"limit", "1"}, []object{third}},
		{[]string{"starting_after", second["id"].(string)}, []object{first}},
		{[]string{"status", "paid"}, []object{first}},
		{[]string{"status", "canceled"}, []object{second}},
		{[]string{"status", "failed"}, nil},
		{[]string{"destination", first["destination"].(string)}, []object{third, second, first}},
		{[]string{"destination", "ba_other"}, nil},
		{[]string{"arrival_date", stamp(first, "arrival_date")}, []object{first}},
		{[]string{"arrival_date[gt]", stamp(first, "arrival_date")}, []object{third, second}},
		{[]string{"arrival_date[gte]", stamp(first, "arrival_date"), "arrival_date[lt]", stamp(third, "arrival_date")}, []object{first}},
		{[]string{"arrival_date[lte]", stamp(third, "arrival_date"), "status", "pending"}, []object{third}},
		{[]string{"created[lte]", stamp(first, "created")}, []object{first}},
	} {
		var want, got []any
		for _, o := range c.want {
			want = append(want, o["id"])
		}
		for _, o := range w.must(w.get("/v1/payouts", c.params...))["data"].([]any) {
			got = append(got, o.(object)["id"])
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: %v, want %v", c.params, got, want)
		}
	}
}

func TestPayoutErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.funded()
	for _, c := range []struct{ name, value, code, param, message string }{
		{"amount", "", "parameter_invalid_empty", "amount", ""},
		{"amount", "0", "parameter_invalid_integer", "amount", ""},
		{"amount", "1.5", "parameter_invalid_integer", "amount", "Invalid integer: 1.5"},
		{"currency", "xxx", "", "currency", ""},
		{"currency", "", "parameter_invalid_empty", "currency", ""},
		{"method", "fast", "", "method", "Invalid method: must be one of instant or standard"},
		{"source_type", "cash", "", "source_type", "Invalid source_type: must be one of bank_account, card, or fpx"},
		{"statement_descriptor", strings.Repeat("x", 23), "", "statement_descriptor", ""},
		{"description", strings.Repeat("x", 5001), "", "description", ""},
		{"destination", "ba_other", "resource_missing", "destination", "No such external account: 'ba_other'"},
		{"payout_method", "pm_1", "resource_missing", "payout_method", "No such payout method: 'pm_1'"},
		{"metadata", "x", "", "metadata", "Invalid object"},
		{"metadata[ducat_scenario]", "refund_failed", "", "metadata[ducat_scenario]", "Unknown scenario: refund_failed. The one known for payouts is payout_failed."},
		{"colour", "red", "parameter_unknown", "colour", "Received unknown parameter: colour"},
	} {
		params := map[string]string{"amount": "100", "currency": "usd"}
		params[c.name] = c.value
		var list []string
		for k, v := range params {
			list = append(list, k, v)
		}
		r := w.post("/v1/payouts", list...)
		if e := r.err(); r.status != 400 || e["param"] != c.param || (c.code != "" && e["code"] != c.code) || (c.message != "" && e["message"] != c.message) {
			t.Errorf("%s=%.10s: %d %s", c.name, c.value, r.status, r.body)
		}
	}
	if r := w.post("/v1/payouts", "currency", "usd"); r.err()["message"] != "Missing required param: amount." {
		t.Errorf("no amount: %s", r.body)
	}
	if r := w.post("/v1/payouts", "amount", "1"); r.err()["message"] != "Missing required param: currency." {
		t.Errorf("no currency: %s", r.body)
	}
	for _, r := range []response{w.get("/v1/payouts/po_none"), w.post("/v1/payouts/po_none"), w.post("/v1/payouts/po_none/cancel"), w.post("/v1/payouts/po_none/reverse")} {
		if r.status != 404 || r.err()["message"] != "No such payout: 'po_none'" || r.err()["param"] != "payout" {
			t.Errorf("unknown: %d %s", r.status, r.body)
		}
	}
	p := w.payout(100, "destination", w.payout(100)["destination"].(string))
	path := "/v1/payouts/" + p["id"].(string)
	if r := w.post(path+"/reverse", "metadata[a]", "b"); r.status != 400 || !strings.HasPrefix(r.err()["message"].(string), "This payout cannot be reversed") {
		t.Errorf("reverse: %d %s", r.status, r.body)
	}
	for _, r := range []response{w.post(path, "metadata", "x"), w.post(path+"/reverse", "metadata", "x")} {
		if r.status != 400 || r.err()["param"] != "metadata" {
			t.Errorf("bad metadata: %d %s", r.status, r.body)
		}
	}
	for _, c := range []struct{ path, name, value, param string }{
		{"/v1/payouts", "status", "lost", "status"},
		{"/v1/payouts", "destination[a]", "b", "destination"},
		{"/v1/payouts", "arrival_date", "soon", "arrival_date"},
		{"/v1/payouts", "arrival_date[gt]", "soon", "arrival_date[gt]"},
		{"/v1/payouts", "arrival_date[near]", "1", "arrival_date[near]"},
		{"/v1/payouts", "starting_after", "po_none", "starting_after"},
		{"/v1/balance_transactions", "payout", "po_none", "payout"},
		{"/v1/balance_transactions", "payout", p["id"].(string), "payout"},
	} {
		if r := w.get(c.path, c.name, c.value); r.status != 400 || r.err()["param"] != c.param {
			t.Errorf("%s?%s=%s: %d %s", c.path, c.name, c.value, r.status, r.body)
		}
	}
	for _, rule := range []string{`{"on": "payout", "do": "decline"}`, `{"on": "payout", "do": "fail", "delay_seconds": -1}`} {
		if s := w.controlStatus("POST", "script", `{"rules": [`+rule+`]}`); s != 400 {
			t.Errorf("rule %s: %d", rule, s)
		}
	}
	if a, _ := w.balance("usd"); a != 837 {
		t.Errorf("available %d", a)
	}
}

// TestPayoutLive: no bank is connected, so no live money leaves.
func TestPayoutLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	m := merchant.NewSandbox("acct_1PayoutLive00001", start)
	m.ID, m.Live = merchant.IDFor(m.Account, true), true
	if err := w.store.CreateMerchant(ctx, m); err != nil {
		t.Fatal(err)
	}
	key := "sk_live_" + keys.Random(40)
	if err := w.store.PutCredential(ctx, store.Credential{Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: "secret", Created: start}); err != nil {
		t.Fatal(err)
	}
	if r := w.with(key).post("/v1/payouts", "amount", "1", "currency", "usd"); r.status != 400 || r.err()["message"] != "No bank is connected for live payouts." {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// TestPayoutAudit: ducat verify notices a payout whose state and money, or plan,
// do not agree.
func TestPayoutAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.funded()
	id := w.payout(1000)["id"].(string)
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
	state := func(from, to string) {
		t.Helper()
		update(func(tx store.Tx) error {
			row, err := tx.Resource("stripe.payout", id)
			if err != nil {
				return err
			}
			row.Body = bytes.Replace(row.Body, []byte(`"State":"`+from+`"`), []byte(`"State":"`+to+`"`), 1)
			return tx.UpdateResource(row)
		})
	}
	verify := func(want string) {
		t.Helper()
		if _, err := w.srv.Engine.Verify(ctx, func(engine.Audited) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("verify: %v, want %s", err, want)
		}
	}
	state("pending", "canceled")
	verify("payouts in USD and the ledger differ by -1000")
	state("canceled", "pending")
	update(func(tx store.Tx) error { return tx.DeleteJob("payout:" + id) })
	verify("payout " + id + " is pending, but nothing is planned for it")
	state("pending", "paid")
}
