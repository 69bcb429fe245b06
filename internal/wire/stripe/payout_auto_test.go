package stripe_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// daily makes a world pay out every day.
func (w *world) daily(params ...string) object {
	w.t.Helper()
	return w.must(w.post("/v1/balance_settings", append([]string{"payments[payouts][schedule][interval]", "daily"}, params...)...))
}

// list is all of a list, newest first, page by page.
func (w *world) list(path string, params ...string) (all []object) {
	w.t.Helper()
	for after := ""; ; {
		v := append([]string{"limit", "3"}, params...)
		if after != "" {
			v = append(v, "starting_after", after)
		}
		l := w.must(w.get(path, v...))
		for _, d := range l["data"].([]any) {
			all = append(all, d.(object))
			after = d.(object)["id"].(string)
		}
		if l["has_more"] != true {
			return all
		}
	}
}

// reconciles checks that an automatic payout is the sum of its transactions and
// returns their types, oldest first.
func (w *world) reconciles(payout object) string {
	w.t.Helper()
	var sum float64
	var types []string
	for _, txn := range w.list("/v1/balance_transactions", "payout", payout["id"].(string)) {
		sum += txn["net"].(float64)
		types = append([]string{txn["type"].(string)}, types...)
	}
	if sum != payout["amount"] {
		w.t.Errorf("the transactions of payout %v sum to %v, it is of %v", payout["id"], sum, payout["amount"])
	}
	return strings.Join(types, " ")
}

// TestAutomaticPayouts: what becomes available is paid out the same day, with
// everything else that moved the balance, and each payout is the sum of what it
// paid out.
func TestAutomaticPayouts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.daily("payments[payouts][statement_descriptor]", "SHOP 7")
		first, second := w.charged(), w.charged() // 10.37 each
		w.advance(24 * time.Hour)
		w.charged() // a day later
		w.must(w.post("/v1/refunds", "charge", first["id"].(string), "amount", "400"))
		w.advance(5*24*time.Hour + 22*time.Hour)
		payouts := w.list("/v1/payouts")
		if len(payouts) != 0 {
			t.Fatalf("payouts before anything was available: %v", payouts)
		}
		w.advance(2 * time.Hour) // the first two settle
		payouts = w.list("/v1/payouts")
		if len(payouts) != 1 {
			t.Fatalf("%d payouts: %v", len(payouts), payouts)
		}
		p := payouts[0]
		w.has(p, object{
			"amount": 2*1037 - 400, "automatic": true, "description": "STRIPE PAYOUT", "statement_descriptor": "SHOP 7", "status": "pending",
			"reconciliation_status": "in_progress", "created": float64(time.Date(2026, 9, 17, 0, 0, 0, 0, time.UTC).Unix()), "method": "standard",
		})
		if r := w.get("/v1/balance_transactions", "payout", p["id"].(string)); r.status != 400 || r.err()["code"] != "payout_reconciliation_not_ready" {
			t.Errorf("too early: %d %s", r.status, r.body)
		}
		if a, pending := w.balance("usd"); a != 0 || pending != 1037 {
			t.Errorf("available %d, pending %d", a, pending)
		}
		w.control("POST", "disputes", fmt.Sprintf(`{"id": %q, "reason": "general"}`, second["id"]))
		w.advance(24 * time.Hour) // 1037 - 1099 < 0: nothing to pay out
		w.advance(24 * time.Hour)
		if payouts = w.list("/v1/payouts"); len(payouts) != 1 {
			t.Fatalf("payouts of a negative balance: %v", payouts)
		}
		p = payouts[0]
		w.has(p, object{"status": "paid", "reconciliation_status": "completed"})
		if got := w.reconciles(p); got != "payment payment payment_refund" {
			t.Errorf("paid out: %s", got)
		}
		w.control("POST", "disputes/close", fmt.Sprintf(`{"id": %q, "outcome": "won"}`, second["id"]))
		w.advance(4 * 24 * time.Hour)
		payouts = w.list("/v1/payouts", "status", "paid")
		if len(payouts) != 2 {
			t.Fatalf("paid payouts: %v", payouts)
		}
		if got := w.reconciles(payouts[0]); got != "payment adjustment adjustment" {
			t.Errorf("paid out: %s", got)
		}
		if e := strings.Join(w.events(), " "); !strings.Contains(e, "payout.created payout.updated payout.paid payout.reconciliation_completed") {
			t.Errorf("events %s", e)
		}
	})
}

// TestAutomaticPayoutFails: the money is available again and part of the next
// payout.
func TestAutomaticPayoutFails(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.daily()
		w.control("POST", "script", `{"rules": [{"on": "payout", "do": "fail", "reason": "account_closed", "times": 1}]}`)
		w.charged()
		w.advance(8 * 24 * time.Hour)
		w.advance(24 * time.Hour)
		payouts := w.list("/v1/payouts", "status", "failed")
		if len(payouts) != 1 {
			t.Fatalf("%v", payouts)
		}
		w.has(payouts[0], object{"status": "failed", "failure_code": "account_closed", "reconciliation_status": "completed"})
		if got := w.reconciles(payouts[0]); got != "payment" {
			t.Errorf("the failed one paid out: %s", got)
		}
		w.advance(3 * 24 * time.Hour)
		payouts = w.list("/v1/payouts", "status", "paid")
		if len(payouts) != 1 || payouts[0]["amount"] != 1037.0 || w.reconciles(payouts[0]) != "payout_failure" {
			t.Errorf("the next one: %v", payouts)
		}
	})
}

// TestAutomaticBesideManual: a payout made by hand is no part of the next
// automatic one but lessens it; one that is canceled raises it.
func TestAutomaticBesideManual(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.funded()
	w.payout(200)
	canceled := w.payout(300)
	w.must(w.post("/v1/payouts/" + canceled["id"].(string) + "/cancel"))
	w.daily()
	w.advance(3 * 24 * time.Hour)
	var auto []object
	for _, p := range w.list("/v1/payouts") {
		if p["automatic"] == true {
			auto = append(auto, p)
		}
	}
	if len(auto) != 1 || auto[0]["amount"] != 837.0 {
		t.Fatalf("automatic payouts: %v", auto)
	}
	if got := w.reconciles(auto[0]); got != "payment payout payout payout_cancel" {
		t.Errorf("paid out: %s", got)
	}
	if r := w.get("/v1/balance_transactions", "payout", canceled["id"].(string)); r.status != 400 || r.err()["param"] != "payout" {
		t.Errorf("by a manual payout: %d %s", r.status, r.body)
	}
	w.must(w.post("/v1/balance_settings", "payments[payouts][schedule][interval]", "manual"))
	w.charged()
	w.advance(9 * 24 * time.Hour)
	if a, _ := w.balance("usd"); a != 1037 {
		t.Errorf("available %d on a manual schedule", a)
	}
}

// TestMinimumBalance: what has to stay behind does, and the payouts add up all
// the same.
func TestMinimumBalance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.daily("payments[payouts][minimum_balance_by_currency][usd]", "1000")
	w.charged()
	w.advance(8 * 24 * time.Hour)
	w.charged()
	w.advance(11 * 24 * time.Hour)
	payouts := w.list("/v1/payouts", "status", "paid")
	if len(payouts) != 2 || payouts[0]["amount"] != 1037.0 || payouts[1]["amount"] != 37.0 {
		t.Fatalf("payouts: %v", payouts)
	}
	if got := w.reconciles(payouts[1]); got != "payment payout_minimum_balance_hold" {
		t.Errorf("the first: %s", got)
	}
	if got := w.reconciles(payouts[0]); got != "payout_minimum_balance_release payment payout_minimum_balance_hold" {
		t.Errorf("the second: %s", got)
	}
	if a, _ := w.balance("usd"); a != 1000 {
		t.Errorf("available %d", a)
	}
}

// TestPayoutReversal: a paid payout comes back as a payout of a negative amount
// whose money is available when it arrives.
func TestPayoutReversal(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.funded()
		p := w.payout(1000, "metadata[ducat_scenario]", "")
		path := "/v1/payouts/" + p["id"].(string)
		if r := w.post(path + "/reverse"); r.status != 400 || !strings.Contains(r.err()["message"].(string), "it is pending, and only payouts that are paid can be reversed") {
			t.Errorf("reversing a pending one: %d %s", r.status, r.body)
		}
		w.advance(48 * time.Hour)
		w.payoutStatus(p["id"], "paid")
		back := w.must(w.post(path+"/reverse", "metadata[why]", "typo", "expand[]", "original_payout", "expand[]", "balance_transaction"))
		w.has(back, object{"amount": -1000, "status": "pending", "metadata": object{"why": "typo"}, "automatic": false})
		w.has(back["original_payout"].(object), object{"id": p["id"], "reversed_by": back["id"], "status": "paid"})
		w.has(back["balance_transaction"].(object), object{"amount": 1000, "type": "payout", "reporting_category": "payout_reversal", "status": "pending", "source": back["id"]})
		if a, pending := w.balance("usd"); a != 37 || pending != 1000 {
			t.Errorf("available %d, pending %d", a, pending)
		}
		for _, id := range []any{p["id"], back["id"]} {
			for _, verb := range []string{"/reverse", "/cancel"} {
				if r := w.post("/v1/payouts/" + id.(string) + verb); r.status != 400 {
					t.Errorf("%s%s: %d %s", id, verb, r.status, r.body)
				}
			}
		}
		w.advance(48 * time.Hour)
		w.payoutStatus(back["id"], "paid")
		if a, pending := w.balance("usd"); a != 1037 || pending != 0 {
			t.Errorf("available %d, pending %d in the end", a, pending)
		}
	})
}

func TestBalanceSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	payments := func(o object) object { return o["payments"].(object) }
	got := payments(w.must(w.get("/v1/balance_settings")))
	w.has(got["payouts"].(object)["schedule"].(object), object{"interval": "manual"})
	w.has(got["settlement_timing"].(object), object{"delay_days": 7})
	const p = "payments[payouts]"
	got = payments(w.must(w.post("/v1/balance_settings",
		"payments[debit_negative_balances]", "true", p+"[schedule][interval]", "monthly", p+"[schedule][monthly_payout_days][]", "31", p+"[schedule][monthly_payout_days][]", "5",
		p+"[minimum_balance_by_currency][usd]", "500", p+"[minimum_balance_by_currency][eur]", "700", p+"[statement_descriptor]", "SHOP",
		"payments[settlement_timing][delay_days_override]", "2")))
	w.has(got, object{"debit_negative_balances": true, "settlement_timing": object{"delay_days": 2, "delay_days_override": 2, "start_of_day": nil}})
	w.has(got["payouts"].(object), object{
		"schedule": object{"interval": "monthly", "monthly_payout_days": []any{5, 31}}, "minimum_balance_by_currency": object{"usd": 500, "eur": 700},
		"statement_descriptor": "SHOP", "status": "enabled",
	})
	update := w.must(w.get("/v1/events", "type", "balance_settings.updated"))["data"].([]any)[0].(object)["data"].(object)
	w.has(update["previous_attributes"].(object)["payments"].(object), object{"debit_negative_balances": false})

	// The next 31st is the last day of September.
	w.charged()
	w.advance(20*24*time.Hour + time.Hour)
	payouts := w.list("/v1/payouts")
	if len(payouts) != 1 || payouts[0]["created"] != float64(time.Date(2026, 9, 30, 0, 0, 0, 0, time.UTC).Unix()) {
		t.Errorf("payouts: %v", payouts)
	}
	got = payments(w.must(w.post("/v1/balance_settings", p+"[schedule][interval]", "weekly", p+"[schedule][weekly_payout_days][]", "friday",
		p+"[minimum_balance_by_currency][eur]", "", "payments[settlement_timing][delay_days_override]", "")))
	w.has(got["payouts"].(object), object{"schedule": object{"interval": "weekly", "weekly_payout_days": []any{"friday"}}, "minimum_balance_by_currency": object{"usd": 500}})
	w.has(got["settlement_timing"].(object), object{"delay_days": 7, "delay_days_override": nil})
	w.has(payments(w.must(w.post("/v1/balance_settings", p+"[minimum_balance_by_currency]", "")))["payouts"].(object), object{"minimum_balance_by_currency": nil})

	before := fmt.Sprint(w.must(w.get("/v1/balance_settings")))
	for query, want := range map[string]struct{ param, message string }{
		p + "[schedule][interval]=hourly":                                                 {p + "[schedule][interval]", "must be one of daily, manual, monthly, or weekly"},
		p + "[schedule][interval]=weekly":                                                 {p + "[schedule][weekly_payout_days]", "Missing required param"},
		p + "[schedule][interval]=monthly":                                                {p + "[schedule][monthly_payout_days]", "Missing required param"},
		p + "[schedule][interval]=daily&" + p + "[schedule][weekly_payout_days][]=monday": {p + "[schedule][weekly_payout_days]", "only be given with the interval weekly"},
		p + "[schedule][weekly_payout_days][]=sunday":                                     {p + "[schedule][weekly_payout_days]", "must be one of monday"},
		p + "[schedule][interval]=monthly&" + p + "[schedule][monthly_payout_days][]=32":  {p + "[schedule][monthly_payout_days]", "between 1 and 31"},
		p + "[schedule][interval]=monthly&" + p + "[schedule][monthly_payout_days]=x":     {p + "[schedule][monthly_payout_days]", "Invalid array"},
		p + "[minimum_balance_by_currency][xxq]=5":                                        {p + "[minimum_balance_by_currency][xxq]", "Invalid currency"},
		p + "[minimum_balance_by_currency][usd]=-5":                                       {p + "[minimum_balance_by_currency][usd]", "between 0 and"},
		p + "[statement_descriptor]=" + strings.Repeat("x", 23):                           {p + "[statement_descriptor]", "at most 22 characters"},
		p + "[automatic_transfer_rules_by_currency][usd][0][type]=transfer_all":           {p + "[automatic_transfer_rules_by_currency]", "not offered"},
		"payments[settlement_timing][delay_days_override]=366":                            {"payments[settlement_timing][delay_days_override]", "between 0 and 365"},
		"payments[settlement_timing][start_of_day][hour]=5":                               {"payments[settlement_timing][start_of_day]", "midnight UTC"},
		"payments[debit_negative_balances]=1":                                             {"payments[debit_negative_balances]", "Invalid boolean"},
		"payments=x":                                                                      {"payments", "Invalid object"},
		"payments[foo]=x":                                                                 {"payments[foo]", "unknown parameter"},
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		var params []string
		for k, vs := range values {
			for _, v := range vs {
				params = append(params, k, v)
			}
		}
		r := w.post("/v1/balance_settings", params...)
		if r.status != 400 || r.err()["param"] != want.param || !strings.Contains(r.err()["message"].(string), want.message) {
			t.Errorf("%s: %d %s, want %v", query, r.status, r.body, want)
		}
	}
	if after := fmt.Sprint(w.must(w.get("/v1/balance_settings"))); after != before {
		t.Errorf("a refusal changed the settings: %s, were %s", after, before)
	}
}

// TestPayoutScheduleAudit: an automatic payout that is not the sum of its
// transactions, and a schedule with nothing planned, are found.
func TestPayoutScheduleAudit(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct {
		do   func(tx store.Tx) error
		want string
	}{
		"a transaction goes missing": {func(tx store.Tx) error {
			rows, err := tx.Resources(store.List{Kind: "stripe.balance_transaction", Key: "type", Value: "payment", Limit: 1})
			if err != nil {
				return err
			}
			rows[0].Body = []byte(strings.Replace(string(rows[0].Body), `"payout":"po_`, `"payout":"po_x`, 1))
			return tx.UpdateResource(rows[0])
		}, "sum to 0, it is of 1037"},
		"nothing is planned": {func(tx store.Tx) error { return tx.DeleteJob("payouts") }, "payouts are daily, but nothing is planned for them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.daily()
			w.charged()
			w.advance(8 * 24 * time.Hour)
			ids, err := w.store.MerchantIDs(context.Background(), 0, 9)
			if err != nil || len(ids) != 1 {
				t.Fatal(ids, err)
			}
			if err := w.store.Update(context.Background(), ids[0], damage.do); err != nil {
				t.Fatal(err)
			}
			_, err = w.srv.Engine.Verify(context.Background(), func(engine.Audited) {})
			if err == nil || !strings.Contains(err.Error(), damage.want) {
				t.Errorf("verify: %v, want %s", err, damage.want)
			}
			w.control("POST", "reset", "{}")
		})
	}
}

func TestPayoutScheduleDays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    merchant.PayoutSchedule
		at   string
		want string
	}{
		{merchant.PayoutSchedule{Interval: merchant.Daily}, "2026-02-28T23:59:59Z", "2026-03-01"},
		{merchant.PayoutSchedule{Interval: merchant.Daily}, "2026-03-01T00:00:00Z", "2026-03-02"},
		{merchant.PayoutSchedule{Interval: merchant.Weekly, Weekdays: []time.Weekday{time.Monday, time.Friday}}, "2026-11-25T12:00:00Z", "2026-11-27"},
		{merchant.PayoutSchedule{Interval: merchant.Weekly, Weekdays: []time.Weekday{time.Monday}}, "2026-11-23T00:00:00Z", "2026-11-30"},
		{merchant.PayoutSchedule{Interval: merchant.Monthly, Days: []int{31}}, "2027-01-31T00:00:00Z", "2027-02-28"},
		{merchant.PayoutSchedule{Interval: merchant.Monthly, Days: []int{30, 31}}, "2028-02-01T00:00:00Z", "2028-02-29"},
		{merchant.PayoutSchedule{Interval: merchant.Monthly, Days: []int{1}}, "2027-01-01T00:00:01Z", "2027-02-01"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.s.Next(at).Format(time.DateOnly); got != c.want {
			t.Errorf("%+v after %s: %s, want %s", c.s, c.at, got, c.want)
		}
	}
}
