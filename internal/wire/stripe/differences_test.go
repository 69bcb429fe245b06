package stripe_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/stripe"
)

// before is the published version that comes before a date.
func before(t *testing.T, date string) string {
	t.Helper()
	all := stripe.Versions()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i][:10] < date {
			return all[i]
		}
	}
	t.Fatalf("there is no version before %s", date)
	return ""
}

// from is the published version of a date, or the next one.
func from(t *testing.T, date string) string {
	t.Helper()
	for _, v := range stripe.Versions() {
		if v[:10] >= date {
			return v
		}
	}
	t.Fatalf("there is no version since %s", date)
	return ""
}

// at reads a member of an answer by its path, such as data.0.type; absent is
// what is not there.
func at(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case object:
			inner, ok := x[part]
			if !ok {
				return absent
			}
			v = inner
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return absent
			}
			v = x[i]
		default:
			return absent
		}
	}
	return v
}

type missing struct{}

var absent any = missing{}

// something stands for any value but null.
var something any = struct{ some int }{1}

func same(got, want any) bool {
	if want == something {
		return got != nil && got != absent
	}
	return reflect.DeepEqual(got, want)
}

// museum is a world with one of everything whose shape ever changed.
type museum struct {
	*household
	payout, transaction, refundTxn, payoutTxn, intent object
}

func newMuseum(t *testing.T) *museum {
	t.Helper()
	w := newWorld(t)
	w.must(w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2026-03-25.dahlia"})) // the account's default
	h := newHousehold(w)
	m := &museum{household: h, payout: h.first("/v1/payouts")}
	find := func(typ string) object {
		return w.must(w.get("/v1/balance_transactions", "type", typ))["data"].([]any)[0].(object)
	}
	m.transaction, m.refundTxn, m.payoutTxn = find("payment"), find("payment_refund"), find("payout")
	m.intent = w.must(w.post("/v1/payment_intents", "amount", "1099", "currency", "usd", "payment_method_types[]", "alipay", "confirm", "true", "return_url", "https://shop.example/", "payment_method_data[type]", "alipay"))
	return m
}

// id of an object in the museum.
func (m *museum) id(what string) string {
	return map[string]object{
		"charge": m.charge, "customer": m.customer, "refund": m.refund, "dispute": m.dispute, "file": m.must(m.get("/v1/files", "purpose", "dispute_evidence"))["data"].([]any)[0].(object), "payout": m.payout,
		"transaction": m.transaction, "refund transaction": m.refundTxn, "payout transaction": m.payoutTxn, "intent": m.intent, "source": m.source,
	}[what]["id"].(string)
}

// TestDifferences: every difference of stripe-platform §6.4 in the shape of our
// objects, asked for at the version that brought it and at the one before.
func TestDifferences(t *testing.T) {
	t.Parallel()
	m := newMuseum(t)
	charge, customer, dispute := "/v1/charges/"+m.id("charge"), "/v1/customers/"+m.id("customer"), "/v1/disputes/"+m.id("dispute")
	file, payout := "/v1/files/"+m.id("file"), "/v1/payouts/"+m.id("payout")
	txn := "/v1/balance_transactions/"
	intent := "/v1/payment_intents/" + m.id("intent")
	for _, c := range []struct {
		date, path, member string
		now, earlier       any
	}{
		{"2024-11-20", payout, "trace_id", something, absent},
		{"2025-03-31", charge, "invoice", absent, nil},
		{"2025-03-31", intent, "invoice", absent, nil},
		{"2024-09-30", "/v1/sources/" + m.id("source"), "allow_redisplay", "unspecified", absent},
		{"2024-09-30", txn + m.id("transaction"), "balance_type", "payments", absent},
		{"2023-08-16", charge, "dispute", absent, m.id("dispute")},
		{"2023-08-16", charge, "destination", absent, nil},
		{"2023-08-16", charge, "alternate_statement_descriptors", absent, nil},
		{"2022-11-15", charge, "refunds", absent, something},
		{"2022-11-15", intent, "charges.object", absent, "list"},
		{"2022-08-01", customer, "default_currency", absent, nil},
		{"2020-08-27", customer, "sources.data.0.id", absent, m.id("source")},
		{"2020-08-27", customer, "subscriptions.total_count", absent, 0.0},
		{"2020-08-27", customer, "tax_ids.url", absent, customer + "/tax_ids"},
		{"2019-12-03", customer, "tax_info", absent, nil},
		{"2019-12-03", customer, "tax_info_verification", absent, nil},
		{"2019-10-17", customer, "balance", 0.0, absent},
		{"2019-10-17", customer, "account_balance", absent, 0.0},
		{"2019-02-11", intent, "status", "requires_action", "requires_source_action"},
		{"2019-02-11", intent, "payment_method_types.0", "alipay", absent},
		{"2019-02-11", intent, "allowed_source_types.0", absent, "alipay"},
		{"2019-02-11", intent, "next_action", something, absent},
		{"2019-02-11", intent, "next_source_action", absent, something},
		{"2018-09-24", file, "object", "file", "file_upload"},
		{"2017-04-06", txn + m.id("payout transaction"), "type", "payout", "transfer"},
		{"2017-04-06", payout, "object", "payout", "transfer"},
		{"2017-02-14", charge, "dispute", m.id("dispute"), something},
		{"2017-02-14", charge, "dispute.object", absent, "dispute"},
		{"2017-01-27", txn + m.id("transaction"), "sourced_transfers.data", absent, []any{}},
		{"2015-08-19", txn + m.id("refund transaction"), "source", m.id("refund"), m.id("charge")},
		{"2015-02-18", charge, "status", "succeeded", "paid"},
		{"2015-02-18", charge, "source.object", "source", absent},
		{"2015-02-18", charge, "card.object", absent, "source"},
		{"2015-02-18", customer, "default_source", m.id("source"), absent},
		{"2015-02-18", customer, "default_card", absent, m.id("source")},
		{"2015-02-18", customer, "cards.data.0.id", absent, m.id("source")},
		{"2015-02-18", customer, "sources", something, absent},
		{"2015-01-11", file, "type", "png", "image/png"},
		{"2014-12-17", charge, "statement_descriptor", nil, absent},
		{"2014-12-17", charge, "statement_description", absent, nil},
		{"2014-12-08", dispute, "evidence_details.due_by", something, absent},
		{"2014-12-08", dispute, "evidence_due_by", absent, something},
		{"2014-12-08", dispute, "evidence.uncategorized_text", nil, absent},
		{"2014-12-08", dispute, "evidence", something, nil},
		{"2014-08-20", dispute, "balance_transactions.0.object", "balance_transaction", absent},
		{"2014-08-20", dispute, "balance_transaction", something, something},
		{"2014-06-17", charge, "refunds.object", "list", absent},
		{"2014-06-17", charge, "refunds.0.object", absent, "refund"},
		{"2014-03-28", "/v1/customers", "count", absent, 1.0},
		{"2013-08-13", charge, "fee", absent, 62.0},
		{"2013-08-13", charge, "fee_details.0.type", absent, "stripe_fee"},
		{"2012-11-07", charge, "dispute.object", "dispute", absent},
		{"2012-11-07", charge, "disputed", true, true},
		{"2012-02-23", charge, "description", nil, absent},
		{"2012-02-23", charge, "billing_details.name", nil, absent},
		{"2012-02-23", customer, "name", "Ann", "Ann"},
	} {
		for version, want := range map[string]any{from(t, c.date): c.now, before(t, c.date): c.earlier} {
			r := m.do("GET", c.path, map[string]string{"Stripe-Version": version})
			if got := at(any(r.obj), c.member); r.status != 200 || r.header.Get("Stripe-Version") != version || !same(got, want) {
				t.Errorf("%s at %s: %s is %v, want %v", c.path, version, c.member, got, want)
			}
		}
	}
	// An expanded object is rendered in the request's version too.
	r := m.do("GET", "/v1/refunds/"+m.id("refund"), map[string]string{"Stripe-Version": "2014-01-31"}, "expand[]", "charge")
	if at(any(r.obj), "charge.status") != "paid" || at(any(r.obj), "charge.card.object") != "source" {
		t.Errorf("expanded: %s", r.body)
	}
	if r := m.do("GET", charge, map[string]string{"Stripe-Version": "2020-08-27"}, "expand[]", "dispute"); at(any(r.obj), "dispute.object") != "dispute" {
		t.Errorf("expanded dispute: %s", r.body)
	}
	if r := m.get(charge, "expand[]", "dispute"); r.status != 400 {
		t.Errorf("expanding what the version has not: %d", r.status)
	}
}

// TestEveryVersionIsServed: no object and no version meets an error, and the
// shapes come newest first.
func TestEveryVersionIsServed(t *testing.T) {
	t.Parallel()
	m := newMuseum(t)
	for _, version := range stripe.Versions() {
		for _, path := range []string{
			"/v1/charges/" + m.id("charge"), "/v1/customers/" + m.id("customer"), "/v1/disputes/" + m.id("dispute"), "/v1/files/" + m.id("file"),
			"/v1/payouts/" + m.id("payout"), "/v1/balance_transactions/" + m.id("refund transaction"), "/v1/payment_intents/" + m.id("intent"),
		} {
			if r := m.do("GET", path, map[string]string{"Stripe-Version": version}); r.status != 200 || r.header.Get("Stripe-Version") != version {
				t.Errorf("%s at %s: %d %s", path, version, r.status, r.body)
			}
		}
	}
	dates := stripe.DifferenceDates()
	for i := 1; i < len(dates); i++ {
		if dates[i] > dates[i-1] {
			t.Errorf("the difference of %s comes after that of %s", dates[i], dates[i-1])
		}
	}
}

// TestRequestsByVersion: what a version makes of a request.
func TestRequestsByVersion(t *testing.T) {
	t.Parallel()
	m := newMuseum(t)
	src := func() string { return m.chargeable()["id"].(string) }
	ask := func(version, method, path string, params ...string) response {
		return m.do(method, path, map[string]string{"Stripe-Version": version}, params...)
	}
	long := strings.Repeat("d", 351)
	for _, c := range []struct {
		date         string
		ask          func(version string) response
		now, earlier int // statuses
	}{
		{"2026-09-30", func(v string) response {
			return ask(v, "POST", "/v1/payment_intents", "amount", "1099", "currency", "usd", "payment_method_types[]", "card")
		}, 400, 200},
		{"2026-09-30", func(v string) response { return ask(v, "POST", "/v1/setup_intents", "payment_method_types[]", "card") }, 400, 200},
		{"2023-08-16", func(v string) response { return ask(v, "GET", "/v1/balance_transactions", "available_on[gt]", "1") }, 400, 200},
		{"2020-08-27", func(v string) response { return ask(v, "GET", "/v1/customers/search", "query", `name:"Ann"`) }, 200, 404},
		{"2018-10-31", func(v string) response { return ask(v, "POST", "/v1/customers", "description", long) }, 400, 200},
		{"2018-07-27", func(v string) response { return ask(v, "POST", "/v1/customers", "email", "nobody") }, 400, 200},
		{"2015-02-18", func(v string) response { return ask(v, "POST", "/v1/customers", "card", src()) }, 400, 200},
		{"2014-12-17", func(v string) response {
			return ask(v, "POST", "/v1/charges", "amount", "1099", "currency", "usd", "source", src(), "statement_description", "SHOP")
		}, 400, 200},
		{"2011-06-21", func(v string) response { return ask(v, "POST", "/v1/customers", "foo", "bar") }, 400, 200},
	} {
		for version, want := range map[string]int{from(t, c.date): c.now, before(t, c.date): c.earlier} {
			if r := c.ask(version); r.status != want {
				t.Errorf("%s: %d %s, want %d", version, r.status, r.body, want)
			}
		}
	}
	// A key used with other parameters was no error.
	k := map[string]string{"Idempotency-Key": "k", "Stripe-Version": before(t, "2015-09-03")}
	first := m.do("POST", "/v1/customers", k, "name", "Ann")
	if r := m.do("POST", "/v1/customers", k, "name", "Bob"); string(r.body) != string(first.body) || r.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("other parameters before 2015-09-03: %d %s", r.status, r.body)
	}
	k["Stripe-Version"] = from(t, "2015-09-03")
	if r := m.do("POST", "/v1/customers", k, "name", "Bob"); r.status != 400 || r.err()["type"] != "idempotency_error" {
		t.Errorf("other parameters since 2015-09-03: %d %s", r.status, r.body)
	}
	// The list of charges held those paid by card.
	m.must(m.post("/v1/payment_intents", "amount", "1099", "currency", "usd", "payment_method", "pm_card_visa", "payment_method_types[]", "card", "confirm", "true"))
	all := len(ask(from(t, "2015-09-23"), "GET", "/v1/charges").obj["data"].([]any))
	cards := ask(before(t, "2015-09-23"), "GET", "/v1/charges").obj["data"].([]any)
	if len(cards) != 1 || all <= 1 || !strings.HasPrefix(cards[0].(object)["id"].(string), "ch_") {
		t.Errorf("%d of %d charges by card: %v", len(cards), all, cards)
	}
	// An object in an error has the version's shape as well.
	for version, want := range map[string]string{from(t, "2019-02-11"): "requires_payment_method", before(t, "2019-02-11"): "requires_source"} {
		r := ask(version, "POST", "/v1/payment_intents", "amount", "1099", "currency", "usd", "payment_method", "pm_card_chargeDeclined", "payment_method_types[]", "card", "confirm", "true")
		if got := at(any(r.obj), "error.payment_intent.status"); r.status != 402 || got != want {
			t.Errorf("%s: %d, the intent in the error is %v, want %s", version, r.status, got, want)
		}
	}
	// Ids in messages had no quotes.
	for version, want := range map[string]string{"2019-12-03": "No such customer: cus_x", "2020-03-02": "No such customer: 'cus_x'"} {
		if r := ask(version, "GET", "/v1/customers/cus_x"); r.err()["message"] != want {
			t.Errorf("%s: %s", version, r.body)
		}
	}
}

// TestEventsByVersion: an event is rendered once, for the account and for each
// endpoint's version: its name, its object, what changed, what caused it.
func TestEventsByVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2026-03-25.dahlia"}))
	hooks := map[string]receiver{}
	listen := func(version string, types ...string) {
		hooks[version] = newReceiver(t)
		params := []string{"url", hooks[version].URL, "api_version", version}
		for i, typ := range types {
			params = append(params, fmt.Sprintf("enabled_events[%d]", i), typ)
		}
		w.must(w.do("POST", "/v1/webhook_endpoints", map[string]string{"Stripe-Version": version}, params...))
	}
	const ancient, old, middle, recent = "2014-12-22", "2015-02-10", "2017-05-25", "2026-03-25.dahlia"
	listen(ancient, "customer.card.created", "customer.updated", "charge.refunded")
	listen(old, "customer.card.created", "customer.updated", "charge.refunded", "transfer.created")
	listen(middle, "customer.source.created", "customer.updated", "charge.refunded", "payout.created")
	listen(recent, "*")
	if r := w.post("/v1/webhook_endpoints", "url", "http://localhost:1/", "api_version", recent, "enabled_events[]", "customer.card.created"); r.status != 400 {
		t.Errorf("an old name on a new version: %d", r.status)
	}

	w.control("POST", "account", `{"settlement_days": 0, "refund_synchronous": true, "settings": {"stripe.api_version": "2026-03-25.dahlia"}}`)
	ch := w.charged()
	w.must(w.do("POST", "/v1/refunds", keyed("refund"), "charge", ch["id"].(string), "amount", "100"))
	cus := w.must(w.post("/v1/customers", "name", "Ann", "address[city]", "Delft", "address[country]", "NL"))["id"].(string)
	w.must(w.post("/v1/customers/"+cus+"/sources", "source", w.chargeable()["id"].(string)))
	w.must(w.post("/v1/customers/"+cus, "address[city]", "Leiden"))
	w.advance(48 * time.Hour)
	w.must(w.post("/v1/payouts", "amount", "1", "currency", "usd"))
	w.advance(0)

	got := func(version, typ string) object {
		t.Helper()
		for _, g := range hooks[version].all() {
			if g.event["type"] == typ {
				if g.event["api_version"] != version {
					t.Errorf("%s to %s has version %v", typ, version, g.event["api_version"])
				}
				return g.event
			}
		}
		t.Errorf("%s did not get %s", version, typ)
		return object{}
	}
	for _, c := range []struct {
		version, typ, member string
		want                 any
	}{
		{ancient, "customer.card.created", "data.object.object", "source"},
		{old, "customer.card.created", "data.object.object", "source"},
		{middle, "customer.source.created", "data.object.object", "source"},
		{old, "transfer.created", "data.object.object", "transfer"},
		{middle, "payout.created", "data.object.object", "payout"},
		{old, "charge.refunded", "data.object.status", "paid"},
		{old, "charge.refunded", "data.object.card.object", "source"},
		{middle, "charge.refunded", "data.object.status", "succeeded"},
		{old, "charge.refunded", "request", something},
		{old, "charge.refunded", "request.id", absent},
		{middle, "charge.refunded", "request.idempotency_key", "refund"},
		{recent, "charge.refunded", "data.object.refunds", absent},
		{middle, "charge.refunded", "data.object.refunds.data.0.object", "refund"},
		// What changed: the differences, or before 2015-01-26 the whole sub-object.
		{recent, "customer.updated", "data.previous_attributes.address", object{"city": "Delft"}},
		{old, "customer.updated", "data.previous_attributes.address", object{"city": "Delft"}},
		{ancient, "customer.updated", "data.previous_attributes.address.country", "NL"},
	} {
		if e := got(c.version, c.typ); !same(at(any(e), c.member), c.want) {
			t.Errorf("%s to %s: %s is %v, want %v", c.typ, c.version, c.member, at(any(e), c.member), c.want)
		}
	}
	// The stored event is the account's, whatever version asks for it.
	id := got(recent, "charge.refunded")["id"].(string)
	for _, version := range []string{ancient, recent} {
		e := w.do("GET", "/v1/events/"+id, map[string]string{"Stripe-Version": version})
		if e.obj["api_version"] != recent || at(any(e.obj), "data.object.status") != "succeeded" {
			t.Errorf("retrieved at %s: %s", version, e.body)
		}
	}
	// An account of an old version has the old names, and finds them.
	w.control("POST", "account", `{"settings": {"stripe.api_version": "2015-02-10"}}`)
	w.must(w.do("POST", "/v1/customers/"+cus+"/sources", map[string]string{"Stripe-Version": recent}, "source", w.chargeable()["id"].(string)))
	l := w.must(w.get("/v1/events", "type", "customer.card.created"))["data"].([]any)
	if len(l) != 1 || l[0].(object)["api_version"] != "2015-02-10" {
		t.Errorf("events by their old name: %v", l)
	}
}

// TestPreviousArrays: arrays in previous_attributes are complete since 2017-05-25
// and hold what differs before.
func TestPreviousArrays(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]any{"2017-05-25": []any{"en", "nl"}, "2017-04-06": []any{"nl"}} {
		w := newWorld(t)
		w.must(w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": version}))
		cus := w.must(w.post("/v1/customers", "preferred_locales[0]", "en", "preferred_locales[1]", "nl"))["id"].(string)
		w.must(w.post("/v1/customers/"+cus, "preferred_locales[0]", "en", "preferred_locales[1]", "fr"))
		e := w.must(w.get("/v1/events", "type", "customer.updated"))["data"].([]any)[0]
		if got := at(e, "data.previous_attributes.preferred_locales"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", version, got, want)
		}
	}
}
