package stripe_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// year is the interval around everything a test does: from the first of the year
// to the last second there is data of.
func (w *world) year() []string {
	w.advance(2 * time.Second) // the second at hand is over
	end := w.must(w.get("/v1/reporting/report_types/balance.summary.1"))["data_available_end"].(float64)
	return []string{"parameters[interval_start]", fmt.Sprint(int64(end) - 364*24*3600), "parameters[interval_end]", fmt.Sprint(int64(end))}
}

// report runs a report and returns its lines, the first of which names the
// columns, and the run.
func (w *world) report(typ string, params ...string) ([][]string, object) {
	w.t.Helper()
	run := w.must(w.post("/v1/reporting/report_runs", append([]string{"report_type", typ}, params...)...))
	w.has(run, object{"status": "pending", "result": nil, "error": nil, "succeeded_at": nil, "report_type": typ})
	w.advance(time.Second)
	run = w.must(w.get("/v1/reporting/report_runs/" + run["id"].(string)))
	if run["status"] != "succeeded" {
		w.t.Fatalf("%s: %v", typ, run)
	}
	file := run["result"].(object)
	w.has(file, object{"purpose": "finance_report_run", "type": "csv"})
	r := w.get(strings.TrimPrefix(file["url"].(string), w.url))
	if ct := r.header.Get("Content-Type"); r.status != 200 || ct != "text/csv" {
		w.t.Fatalf("%s: %d %s", file["url"], r.status, ct)
	}
	lines, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", typ, err, r.body)
	}
	return lines, run
}

// column is what a report has in a column, line by line.
func column(t *testing.T, lines [][]string, name string) []string {
	t.Helper()
	n := slices.Index(lines[0], name)
	if n < 0 {
		t.Fatalf("no column %s in %v", name, lines[0])
	}
	values := make([]string, 0, len(lines))
	for _, l := range lines[1:] {
		values = append(values, l[n])
	}
	return values
}

// total sums a column of money, in minor units.
func total(t *testing.T, lines [][]string, name string) (sum int64) {
	t.Helper()
	for _, v := range column(t, lines, name) {
		n, err := strconv.ParseInt(strings.Replace(v, ".", "", 1), 10, 64)
		if err != nil || !strings.HasPrefix(v[max(0, len(v)-3):], ".") {
			t.Fatalf("%s: %q is no amount of dollars and cents", name, v)
		}
		sum += n
	}
	return sum
}

// shopYear is a world with something in every report: charges by wallet and card,
// refunds, a dispute, payouts of both kinds, one of which failed.
func shopYear(w *world) (charge object) {
	w.control("POST", "account", `{"dispute_fee": 1500, "settlement_days": 1}`)
	customer := w.must(w.post("/v1/customers", "name", `Ann "Q" O'Neill, Ltd.`, "email", "ann@shop.example", "description", "first", "address[city]", "Delft", "address[country]", "NL"))
	pi := w.must(w.post("/v1/payment_intents", "amount", "9000", "currency", "usd", "payment_method_types[]", "card", "payment_method", "pm_card_visa", "confirm", "true",
		"capture_method", "automatic", "customer", customer["id"].(string), "description", "Order 1, \"express\"", "metadata[order]", "A-17", "shipping[name]", "Ann", "shipping[address][line1]", "Canal 1"))
	charge = w.must(w.get("/v1/charges/" + pi["latest_charge"].(string)))
	w.charged()
	w.must(w.post("/v1/refunds", "charge", charge["id"].(string), "amount", "1000", "metadata[why]", "late"))
	w.advance(3 * 24 * time.Hour)
	w.payout(500)
	w.paidBy("pm_card_createDisputeProductNotReceived")
	w.advance(3 * 24 * time.Hour)
	w.must(w.post("/v1/balance_settings", "payments[payouts][schedule][interval]", "daily"))
	w.advance(5 * 24 * time.Hour)
	w.control("POST", "script", `{"rules": [{"on": "payout", "do": "fail", "reason": "declined", "times": 1}]}`)
	w.charged()
	w.advance(7 * 24 * time.Hour)
	w.must(w.post("/v1/balance_settings", "payments[payouts][schedule][interval]", "manual"))
	w.charged()
	return charge
}

// TestReports: what reports add up to is what the balance shows; each line has
// its transaction's figures (stripe-platform §11).
func TestReports(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		charge := shopYear(w)
		interval := w.year()
		available, pending := w.balance("usd")
		balance := available + pending

		summary, run := w.report("balance.summary.1", interval...)
		if got := strings.Join(summary[0], ","); got != "category,currency,description,net_amount" || len(summary) != 5 {
			t.Fatalf("balance summary: %v", summary)
		}
		if c := strings.Join(column(t, summary, "category"), " "); c != "starting_balance activity payouts ending_balance" {
			t.Errorf("categories %s", c)
		}
		w.has(run["parameters"].(object), object{"interval_start": parse(t, interval[1]), "interval_end": parse(t, interval[3])})
		amount := func(n int) int64 { return total(t, [][]string{summary[0], summary[n]}, "net_amount") }
		if amount(1) != 0 || amount(1)+amount(2)+amount(3) != amount(4) || amount(4) != balance {
			t.Errorf("%v, the balance is %d", summary, balance)
		}
		for typ, want := range map[string]int64{"balance_change_from_activity": amount(2), "payouts": amount(3), "ending_balance_reconciliation": balance} {
			sums, _ := w.report(typ+".summary.1", interval...)
			version := map[string]string{"ending_balance_reconciliation": "4"}[typ]
			items, _ := w.report(typ+".itemized."+orElse(version, "3"), interval...)
			if got := strings.Join(sums[0], ","); got != "reporting_category,currency,count,gross,fee,net" {
				t.Errorf("%s: columns %s", typ, got)
			}
			for _, c := range []string{"gross", "fee", "net"} {
				if a, b := total(t, sums, c), total(t, items, c); a != b {
					t.Errorf("%s: %s is %d in the summary, %d in the items", typ, c, a, b)
				}
			}
			if got := total(t, items, "net"); got != want {
				t.Errorf("%s: %d, want %d", typ, got, want)
			}
		}

		items, _ := w.report("balance_change_from_activity.itemized.3", interval...)
		if got := column(t, items, "created_utc"); !slices.IsSorted(got) || len(got) != 7 {
			t.Errorf("in order of time: %v", got)
		}
		for i, id := range column(t, items, "balance_transaction_id") {
			txn := w.must(w.get("/v1/balance_transactions/" + id))
			line := [][]string{items[0], items[i+1]}
			for c, m := range map[string]string{"gross": "amount", "fee": "fee", "net": "net"} {
				if total(t, line, c) != int64(txn[m].(float64)) {
					t.Errorf("%s: %s is %v, the transaction's %v", id, c, column(t, line, c), txn[m])
				}
			}
			for c, m := range map[string]string{"reporting_category": "reporting_category", "source_id": "source", "currency": "currency"} {
				if got := column(t, line, c)[0]; got != txn[m] {
					t.Errorf("%s: %s is %s, the transaction's %v", id, c, got, txn[m])
				}
			}
		}
		w.cardLine(charge, interval)
		w.payoutReports(interval)
	})
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func parse(t *testing.T, s string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cardLine checks the columns that tell about other objects, in another zone.
func (w *world) cardLine(charge object, interval []string) {
	t := w.t.(*testing.T)
	t.Helper()
	columns := strings.Fields(`source_id created created_utc charge_created description customer_name customer_email customer_description customer_address_city
customer_address_country shipping_address_line1 charge_id payment_intent_id payment_method_type card_brand card_funding card_country payment_metadata[order]
refund_metadata[why] transfer_metadata[x] dispute_reason customer_facing_amount customer_facing_currency invoice_id is_link`)
	params := append([]string{"parameters[timezone]", "Asia/Shanghai"}, interval...)
	for i, c := range columns {
		params = append(params, fmt.Sprintf("parameters[columns][%d]", i), c)
	}
	lines, _ := w.report("balance_change_from_activity.itemized.3", params...)
	if !slices.Equal(lines[0], columns) {
		t.Fatalf("columns %v", lines[0])
	}
	of := func(category string) map[string]string {
		all, _ := w.report("balance_change_from_activity.itemized.3", append([]string{"parameters[reporting_category]", category}, params...)...)
		for _, l := range all[1:] {
			if strings.HasPrefix(l[11], "ch_") { // charge_id
				line := map[string]string{}
				for i, c := range columns {
					line[c] = l[i]
				}
				return line
			}
		}
		t.Fatalf("no %s of a card in %v", category, all)
		return nil
	}
	created := time.Unix(int64(charge["created"].(float64)), 0)
	for c, want := range map[string]string{
		"source_id": charge["id"].(string), "charge_id": charge["id"].(string), "payment_intent_id": charge["payment_intent"].(string),
		"created": created.In(time.FixedZone("", 8*3600)).Format(time.DateTime), "created_utc": created.UTC().Format(time.DateTime),
		"charge_created": created.In(time.FixedZone("", 8*3600)).Format(time.DateTime),
		"description":    `Order 1, "express"`, "customer_name": `Ann "Q" O'Neill, Ltd.`, "customer_email": "ann@shop.example", "customer_description": "first",
		"customer_address_city": "Delft", "customer_address_country": "NL", "shipping_address_line1": "Canal 1", "payment_method_type": "card",
		"card_brand": "visa", "card_funding": "credit", "card_country": "US", "payment_metadata[order]": "A-17", "refund_metadata[why]": "",
		"transfer_metadata[x]": "", "dispute_reason": "", "customer_facing_amount": "90.00", "customer_facing_currency": "usd", "invoice_id": "", "is_link": "false",
	} {
		if got := of("charge")[c]; got != want {
			t.Errorf("charge: %s is %q, want %q", c, got, want)
		}
	}
	refund, dispute := of("refund"), of("dispute")
	if refund["refund_metadata[why]"] != "late" || refund["charge_id"] != charge["id"] || refund["customer_facing_amount"] != "-10.00" || refund["payment_metadata[order]"] != "A-17" {
		t.Errorf("refund: %v", refund)
	}
	if dispute["dispute_reason"] != "product_not_received" || dispute["payment_method_type"] != "card" {
		t.Errorf("dispute: %v", dispute)
	}
}

// payoutReports checks that the lines of each automatic payout come to its
// amount, and what payouts tell of themselves.
func (w *world) payoutReports(interval []string) {
	t := w.t.(*testing.T)
	t.Helper()
	lines, _ := w.report("payout_reconciliation.itemized.5", interval...)
	want := "automatic_payout_id,automatic_payout_effective_at,balance_transaction_id,created_utc,created,available_on_utc,available_on,currency,gross,fee,net,reporting_category,source_id,description,customer_facing_amount,customer_facing_currency"
	if got := strings.Join(lines[0], ","); got != want {
		t.Errorf("columns %s", got)
	}
	sums, _ := w.report("payout_reconciliation.summary.1", interval...)
	if total(t, sums, "net") != total(t, lines, "net") {
		t.Error("payout reconciliation: summary and items differ")
	}
	seen := 0
	for _, p := range w.list("/v1/payouts") {
		id := p["id"].(string)
		of := slices.DeleteFunc(slices.Clone(lines), func(l []string) bool { return l[0] != id && l[0] != "automatic_payout_id" })
		if p["automatic"] != true {
			if len(of) > 1 {
				t.Errorf("%s was made by hand and is reconciled: %v", id, of)
			}
			r := w.post("/v1/reporting/report_runs", "report_type", "payout_reconciliation.by_id.summary.1", "parameters[payout]", id)
			if r.status != 400 || r.err()["param"] != "parameters[payout]" {
				t.Errorf("%s: %s", id, r.body)
			}
			continue
		}
		seen++
		one, _ := w.report("payout_reconciliation.by_id.itemized.4", "parameters[payout]", id)
		filtered, _ := w.report("payout_reconciliation.itemized.5", append([]string{"parameters[payout]", id}, interval...)...)
		sum, _ := w.report("payout_reconciliation.by_id.summary.1", "parameters[payout]", id)
		for what, l := range map[string][][]string{"its lines": of, "by id": one, "filtered": filtered, "summary": sum} {
			if got := total(t, l, "net"); got != int64(p["amount"].(float64)) {
				t.Errorf("%s: %s come to %d, it is of %v", id, what, got, p["amount"])
			}
		}
		arrival := time.Unix(int64(p["arrival_date"].(float64)), 0).UTC().Format(time.DateTime)
		if got := column(t, one, "automatic_payout_effective_at")[0]; got != arrival {
			t.Errorf("%s: effective at %s, it arrives %s", id, got, arrival)
		}
	}
	if seen < 3 {
		t.Errorf("only %d automatic payouts", seen)
	}
	items, _ := w.report("payouts.itemized.3", interval...)
	back := 0
	for i, id := range column(t, items, "payout_id") {
		p := w.must(w.get("/v1/payouts/" + id))
		l := [][]string{items[0], items[i+1]}
		for c, m := range map[string]string{"payout_status": "status", "payout_type": "type", "payout_destination_id": "destination"} {
			if got := column(t, l, c)[0]; got != p[m] {
				t.Errorf("%s: %s is %s, the payout's %v", id, c, got, p[m])
			}
		}
		if reversed := column(t, l, "payout_reversed_at")[0]; (reversed != "") != (p["status"] == "failed") {
			t.Errorf("%s is %v and reversed at %q", id, p["status"], reversed)
		} else if reversed != "" {
			back++
		}
	}
	if back != 2 { // the payout, and its coming back
		t.Errorf("%d lines of payouts that came back", back)
	}
}

// TestReportRuns: types, events, lists, files, and who may see them.
func TestReportRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.charged()
	types := w.must(w.get("/v1/reporting/report_types"))
	if n := len(types["data"].([]any)); n != 11 || types["has_more"] != false || types["url"] != "/v1/reporting/report_types" {
		t.Errorf("%d types: %v", n, types["url"])
	}
	for _, typ := range types["data"].([]any) {
		typ := typ.(object)
		w.has(w.must(w.get("/v1/reporting/report_types/"+typ["id"].(string))), object{"id": typ["id"], "name": typ["name"]})
		if itemized := strings.Contains(typ["id"].(string), ".itemized."); itemized != (typ["default_columns"] != nil) {
			t.Errorf("%v: default columns %v", typ["id"], typ["default_columns"])
		}
	}
	_, run := w.report("balance.summary.1", w.year()...)
	var event object
	for _, e := range w.list("/v1/events", "type", "reporting.report_run.succeeded") {
		event = e["data"].(object)["object"].(object)
	}
	w.has(event, object{"id": run["id"], "status": "succeeded"})
	_, second := w.report("payouts.summary.1", w.year()...)
	list := w.must(w.get("/v1/reporting/report_runs"))["data"].([]any)
	if len(list) != 2 || list[0].(object)["id"] != second["id"] {
		t.Errorf("list %v", list)
	}
	files := w.must(w.get("/v1/files", "purpose", "finance_report_run"))["data"].([]any)
	if len(files) != 2 {
		t.Errorf("files %v", files)
	}
	w.must(w.get("/v1/reporting/report_runs/"+run["id"].(string), "expand[]", "result.links"))
	if r := w.with("sk_test_" + keys.Random(24)).get(strings.TrimPrefix(run["result"].(object)["url"].(string), w.url)); r.status != 404 {
		t.Errorf("another world reads the file: %d", r.status)
	}
}

// TestReportTrigger is what the command line tool runs for
// reporting.report_run.succeeded (stripe-platform §16.3): years before there was
// anything to report.
func TestReportTrigger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines, _ := w.report("balance.summary.1", "parameters[interval_start]", "1641045832", "parameters[interval_end]", "1646143432")
	want := `[[category currency description net_amount] [starting_balance usd Starting balance (2022-01-01) 0.00] [activity usd Activity 0.00] [payouts usd Total payouts 0.00] [ending_balance usd Ending balance (2022-03-01) 0.00]]`
	if got := fmt.Sprint(lines); got != want {
		t.Errorf("%s", got)
	}
}

// TestReportErrors: every refusal names its parameter and makes no run.
func TestReportErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wrong = true
	interval := w.year()
	end, _ := strconv.ParseInt(interval[3], 10, 64)
	itemized := append([]string{"report_type", "balance_change_from_activity.itemized.3"}, interval...)
	with := func(base []string, more ...string) []string { return append(slices.Clone(base), more...) }
	for _, c := range []struct {
		param  string
		params []string
	}{
		{"report_type", interval},
		{"report_type", with(interval, "report_type", "nonsense.1")},
		{"report_type", with(interval, "report_type", "")},
		{"foo", with(itemized, "foo", "x")},
		{"parameters", []string{"report_type", "balance.summary.1", "parameters", "x"}},
		{"parameters[foo]", with(itemized, "parameters[foo]", "x")},
		{"parameters[interval_start]", []string{"report_type", "balance.summary.1", "parameters[interval_end]", interval[3]}},
		{"parameters[interval_end]", []string{"report_type", "balance.summary.1", "parameters[interval_start]", interval[1]}},
		{"parameters[interval_start]", []string{"report_type", "balance.summary.1"}},
		{"parameters[interval_start]", []string{"report_type", "balance.summary.1", "parameters[interval_start]", "soon", "parameters[interval_end]", interval[3]}},
		{"parameters[interval_start]", []string{"report_type", "balance.summary.1", "parameters[interval_start]", "0", "parameters[interval_end]", interval[3]}},
		{"parameters[interval_end]", []string{"report_type", "balance.summary.1", "parameters[interval_start]", interval[3], "parameters[interval_end]", interval[3]}},
		{"parameters[interval_end]", []string{"report_type", "balance.summary.1", "parameters[interval_start]", interval[1], "parameters[interval_end]", fmt.Sprint(end + 3600)}},
		{"parameters[timezone]", with(itemized, "parameters[timezone]", "Mars/Olympus")},
		{"parameters[timezone]", with(itemized, "parameters[timezone]", "Local")},
		{"parameters[timezone]", with(itemized, "parameters[timezone]", "../../etc/passwd")},
		{"parameters[currency]", with(itemized, "parameters[currency]", "xxq")},
		{"parameters[reporting_category]", with(itemized, "parameters[reporting_category]", "gift")},
		{"parameters[connected_account]", with(itemized, "parameters[connected_account]", "acct_1")},
		{"parameters[payout]", with(itemized, "parameters[payout]", "po_1")},
		{"parameters[payout]", with(interval, "report_type", "payout_reconciliation.itemized.5", "parameters[payout]", "po_none")},
		{"parameters[payout]", []string{"report_type", "payout_reconciliation.by_id.summary.1"}},
		{"parameters[interval_end]", with(interval, "report_type", "payout_reconciliation.by_id.summary.1", "parameters[payout]", "po_1")},
		{"parameters[columns]", with(itemized, "parameters[columns]", "net")},
		{"parameters[columns]", with(interval, "report_type", "balance.summary.1", "parameters[columns][]", "net_amount")},
		{"parameters[columns][1]", with(itemized, "parameters[columns][]", "net", "parameters[columns][]", "gros")},
		{"parameters[columns][1]", with(itemized, "parameters[columns][]", "net", "parameters[columns][]", "net")},
		{"parameters[columns][0]", with(itemized, "parameters[columns][]", "payment_metadata[]")},
		{"parameters[columns][0]", with(interval, "report_type", "payouts.itemized.3", "parameters[columns][]", "payment_metadata[x]")},
	} {
		r := w.post("/v1/reporting/report_runs", c.params...)
		if p, _ := r.err()["param"].(string); r.status != 400 || p != c.param {
			t.Errorf("%v: %d %s, want %s", c.params, r.status, r.body, c.param)
		}
	}
	for path, want := range map[string]string{"/v1/reporting/report_runs/frr_none": "No such report run: 'frr_none'", "/v1/reporting/report_types/x.1": "No such report type: 'x.1'"} {
		if r := w.get(path); r.status != 404 || r.err()["message"] != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if n := len(w.list("/v1/reporting/report_runs")); n != 0 {
		t.Errorf("%d runs", n)
	}
}

// TestReportTooLarge: a report that is too large fails and says why.
func TestReportTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Stripe.LimitReports(100)
	run := w.must(w.post("/v1/reporting/report_runs", append(w.year(), "report_type", "balance.summary.1")...))
	w.advance(time.Second)
	run = w.must(w.get("/v1/reporting/report_runs/" + run["id"].(string)))
	w.has(run, object{"status": "failed", "result": nil, "succeeded_at": nil, "error": "The report would be larger than 100 bytes. Run it for a shorter interval or with fewer columns."})
	if e := w.list("/v1/events", "type", "reporting.report_run.failed"); len(e) != 1 {
		t.Errorf("%d events of failure", len(e))
	}
}
