package stripe_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// init makes a run of this package's properties short; -rapid.checks overrides.
func init() {
	for name, value := range map[string]string{"rapid.checks": "12", "rapid.steps": "30"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}

// shop is a merchant at work: whatever it does, its books agree.
type shop struct {
	*world
	rt       *rapid.T
	id       int64
	charges  []string
	refunds  []string
	disputes []string
	payouts  []string
}

// newShop opens a world of its own beside others on the same server.
func newShop(w *world, rt *rapid.T) *shop {
	before := w.merchants()
	s := &shop{world: w.with("sk_test_" + keys.Random(24)), rt: rt}
	s.must(s.get("/v1/balance"))
	for id := range w.merchants() {
		if !before[id] {
			s.id = id
		}
	}
	return s
}

func (w *world) merchants() map[int64]bool {
	w.t.Helper()
	all := map[int64]bool{}
	for after := int64(-1); ; {
		ids, err := w.store.MerchantIDs(context.Background(), after, 100)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(ids) == 0 {
			return all
		}
		for _, id := range ids {
			all[id], after = true, id
		}
	}
}

func (s *shop) pick(of []string, what string) string {
	if len(of) == 0 {
		s.rt.Skip("no " + what)
	}
	return rapid.SampledFrom(of).Draw(s.rt, what)
}

// may answers that it was done or, with a reason, that it cannot be; anything
// else is a failure.
func (s *shop) may(r response) bool {
	s.t.Helper()
	if r.status != 200 && (r.status != 400 || r.err()["message"] == nil) {
		s.rt.Fatalf("%d %s", r.status, r.body)
	}
	return r.status == 200
}

// actions are what the shop and its payers can do.
func (s *shop) actions() map[string]func(*rapid.T) {
	do := func(f func()) func(*rapid.T) {
		return func(rt *rapid.T) { s.rt = rt; f() }
	}
	number := func(name string, low, high int) string {
		return fmt.Sprint(rapid.IntRange(low, high).Draw(s.rt, name))
	}
	of := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(s.rt, name) }
	return map[string]func(*rapid.T){
		"charge": do(func() {
			amount, currency := number("amount", 50, 5000), of("currency", "usd", "usd", "eur")
			scenario := of("scenario", "", "", "", "refund_failed", "refund_pending", "refund_requires_action", "insufficient_funds", "dispute_general")
			src := s.must(s.post("/v1/sources", "type", "alipay", "amount", amount, "currency", currency, "redirect[return_url]", "https://shop.example/", "metadata[ducat_scenario]", scenario))
			s.decide(src, "authorize")
			s.advance(time.Second)
			r := s.post("/v1/charges", "amount", amount, "currency", currency, "source", src["id"].(string))
			if r.status == 200 {
				s.charges = append(s.charges, r.obj["id"].(string))
			} else if scenario != "insufficient_funds" || r.status != 402 {
				s.rt.Fatalf("charge: %d %s", r.status, r.body)
			}
		}),
		"card": do(func() {
			card := of("card", "pm_card_visa", "pm_card_createDispute", "pm_card_createDisputeInquiry", "pm_card_createDisputeInquiry")
			s.charges = append(s.charges, s.paidBy(card)["id"].(string))
			s.advance(time.Second)
			for _, d := range s.must(s.get("/v1/disputes", "charge", s.charges[len(s.charges)-1]))["data"].([]any) {
				s.disputes = append(s.disputes, d.(object)["id"].(string))
			}
		}),
		"refund": do(func() {
			params := []string{"charge", s.pick(s.charges, "charge")}
			if rapid.Bool().Draw(s.rt, "in part") {
				params = append(params, "amount", number("amount", 1, 2000))
			}
			if r := s.post("/v1/refunds", params...); s.may(r) {
				s.refunds = append(s.refunds, r.obj["id"].(string))
			}
		}),
		"cancel refund": do(func() { s.may(s.post("/v1/refunds/" + s.pick(s.refunds, "refund") + "/cancel")) }),
		"dispute": do(func() {
			charge := s.pick(s.charges, "charge")
			if s.controlStatus("POST", "disputes", fmt.Sprintf(`{"id": %q, "reason": "general", "inquiry": %s}`, charge, of("inquiry", "true", "false"))) == 200 {
				s.disputes = append(s.disputes, s.must(s.get("/v1/charges/" + charge + "/dispute"))["id"].(string))
			}
		}),
		"answer": do(func() {
			text := of("evidence", "it was delivered", "winning_evidence", "losing_evidence", "escalate_inquiry_evidence", "escalate_inquiry_evidence")
			s.may(s.post("/v1/disputes/"+s.pick(s.disputes, "dispute"), "evidence[uncategorized_text]", text))
		}),
		"decide": do(func() {
			s.controlStatus("POST", "disputes/close", fmt.Sprintf(`{"id": %q, "outcome": %q}`, s.pick(s.disputes, "dispute"), of("outcome", "won", "lost", "closed")))
		}),
		"escalate": do(func() {
			s.controlStatus("POST", "disputes/escalate", fmt.Sprintf(`{"id": %q}`, s.pick(s.disputes, "dispute")))
		}),
		"accept": do(func() { s.may(s.post("/v1/disputes/" + s.pick(s.disputes, "dispute") + "/close")) }),
		"payout": do(func() {
			r := s.post("/v1/payouts", "amount", number("amount", 1, 3000), "currency", of("currency", "usd", "eur"), "method", of("method", "standard", "instant"),
				"metadata[ducat_scenario]", of("scenario", "", "", "payout_failed"))
			if s.may(r) {
				s.payouts = append(s.payouts, r.obj["id"].(string))
			}
		}),
		"cancel":  do(func() { s.may(s.post("/v1/payouts/" + s.pick(s.payouts, "payout") + "/cancel")) }),
		"reverse": do(func() { s.may(s.post("/v1/payouts/" + s.pick(s.payouts, "payout") + "/reverse")) }),
		"schedule": do(func() {
			s.must(s.post("/v1/balance_settings", "payments[payouts][schedule][interval]", of("interval", "daily", "daily", "manual"),
				"payments[payouts][minimum_balance_by_currency][usd]", of("minimum", "", "", "700"),
				"payments[settlement_timing][delay_days_override]", number("days", 0, 7)))
		}),
		"instruct": do(func() {
			s.control("POST", "script", of("rules", `{"rules": []}`, `{"rules": [{"on": "payout", "do": "fail", "reason": "declined", "times": 1}]}`,
				`{"rules": [{"on": "payout", "do": "fail", "delay_seconds": 90000, "times": 1}]}`, `{"rules": [{"on": "settle", "do": "now", "times": 2}]}`))
		}),
		"fees": do(func() {
			s.control("POST", "account", fmt.Sprintf(`{"fee_fixed": %s, "dispute_fee": %s, "dispute_fee_kept": %s, "refund_needs_funds": %s}`,
				number("fee", 0, 60), number("dispute fee", 0, 1500), of("kept", "true", "false"), of("needs funds", "true", "false", "false")))
		}),
		"wait": do(func() { s.advance(time.Duration(rapid.IntRange(1, 5*24).Draw(s.rt, "hours")) * time.Hour) }),
		"":     func(*rapid.T) { s.agree() },
	}
}

// agree checks that balance transactions, ledger and the balance object say the
// same about every currency, and that automatic payouts are the sum of what they
// paid out.
func (s *shop) agree() {
	sums := map[string]float64{}
	paidOut := map[string]float64{}
	for _, txn := range s.all("/v1/balance_transactions") {
		sums[txn["currency"].(string)] += txn["net"].(float64)
		if txn["net"].(float64) != txn["amount"].(float64)-txn["fee"].(float64) {
			s.rt.Fatalf("net is not amount less fee: %v", txn)
		}
	}
	balance := s.must(s.get("/v1/balance"))
	shown := map[string]float64{}
	for _, part := range []string{"available", "pending"} {
		for _, e := range balance[part].([]any) {
			shown[e.(object)["currency"].(string)] += e.(object)["amount"].(float64)
		}
	}
	booked := map[string]float64{}
	if err := s.srv.Engine.View(context.Background(), s.id, func(r store.Reader, _ merchant.Merchant, _ time.Time) error {
		balances, err := r.Balances()
		for k, v := range balances {
			if k.Account == ledger.Available || k.Account.IsPending() {
				booked[k.Currency.Lower()] += float64(v)
			}
		}
		return err
	}); err != nil {
		s.rt.Fatal(err)
	}
	for _, m := range []map[string]float64{sums, shown, booked} {
		maps.DeleteFunc(m, func(_ string, v float64) bool { return v == 0 })
	}
	if !maps.Equal(sums, booked) || !maps.Equal(shown, booked) {
		s.rt.Fatalf("transactions sum to %v, the ledger holds %v, the balance shows %v", sums, booked, shown)
	}
	for _, d := range s.all("/v1/disputes") {
		moved := len(d["balance_transactions"].([]any))
		if strings.HasPrefix(d["status"].(string), "warning_") != (moved == 0) {
			s.rt.Fatalf("a dispute that is %v has %d balance transactions", d["status"], moved)
		}
	}
	for _, p := range s.all("/v1/payouts") {
		if p["reconciliation_status"] != "completed" {
			continue
		}
		for _, txn := range s.all("/v1/balance_transactions", "payout", p["id"].(string)) {
			paidOut[p["id"].(string)] += txn["net"].(float64)
		}
		if got := paidOut[p["id"].(string)]; got != p["amount"] {
			s.rt.Fatalf("payout %v is of %v and pays out %v", p["id"], p["amount"], got)
		}
	}
}

// all is a whole list, in pages of a hundred.
func (s *shop) all(path string, params ...string) (rows []object) {
	for after := ""; ; {
		q := append([]string{"limit", "100"}, params...)
		if after != "" {
			q = append(q, "starting_after", after)
		}
		l := s.must(s.get(path, q...))
		for _, d := range l["data"].([]any) {
			rows = append(rows, d.(object))
			after = d.(object)["id"].(string)
		}
		if l["has_more"] != true {
			return rows
		}
	}
}

// TestBooksAgree: for any sequence of charges, refunds, failed refunds, inquiries, disputes,
// payouts of every kind and days that pass, the sum of the balance transactions,
// the ledger and the balance object are the same for every currency, and the
// audit of everything passes.
func TestBooksAgree(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		rapid.Check(t, func(rt *rapid.T) {
			s := newShop(w, rt)
			rt.Repeat(s.actions())
			s.advance(20 * 24 * time.Hour) // whatever is under way ends
			s.rt = rt
			s.agree()
			if _, err := w.srv.Engine.Verify(context.Background(), func(engine.Audited) {}); err != nil {
				rt.Fatalf("verify: %v", err)
			}
		})
	})
}
