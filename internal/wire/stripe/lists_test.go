package stripe_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ids are those of a page.
func ids(l object) (got []string) {
	for _, d := range l["data"].([]any) {
		got = append(got, d.(object)["id"].(string))
	}
	return got
}

func (w *world) page(path string, params ...string) []string {
	w.t.Helper()
	return ids(w.must(w.get(path, params...)))
}

// shows checks the ids of a list.
func (w *world) shows(want []string, path string, params ...string) {
	w.t.Helper()
	if got := w.page(path, params...); !slices.Equal(got, want) {
		w.t.Errorf("%s %v: %v, want %v", path, params, got, want)
	}
}

// customers creates some, newest first.
func (w *world) customers(n int, params ...string) (made []string) {
	w.t.Helper()
	for range n {
		made = append([]string{w.must(w.post("/v1/customers", params...))["id"].(string)}, made...)
	}
	return made
}

// TestListCursors: pages in both directions, at every edge.
func TestListCursors(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		c := w.customers(7)
		for _, q := range []struct {
			params []string
			want   []string
			more   bool
		}{
			{[]string{"limit", "7"}, c, false},
			{[]string{"limit", "6"}, c[:6], true},
			{[]string{"limit", "-3"}, c[:1], true},
			{[]string{"limit", "101"}, c, false},
			{[]string{"limit", "3", "starting_after", c[3]}, c[4:], false},
			{[]string{"limit", "2", "starting_after", c[3]}, c[4:6], true},
			{[]string{"starting_after", c[6]}, nil, false},
			{[]string{"limit", "3", "ending_before", c[3]}, c[:3], false},
			{[]string{"limit", "2", "ending_before", c[3]}, c[1:3], true},
			{[]string{"ending_before", c[0]}, nil, false},
			{[]string{"starting_after", c[2], "created[gte]", "9999999999"}, nil, false},
			{[]string{"created[lte]", "99999999999"}, c, false},
			{[]string{"created[gt]", "99999999999"}, nil, false},
			{[]string{"created", "-5"}, nil, false},
			{[]string{"created[gte]", "-5"}, c, false},
			{[]string{"created[gt]", "1789002000", "created[lt]", "1789001000"}, nil, false},
		} {
			l := w.must(w.get("/v1/customers", q.params...))
			if got := ids(l); !slices.Equal(got, q.want) || l["has_more"] != q.more || l["url"] != "/v1/customers" || len(l) != 4 {
				t.Errorf("%v: %v, want %v, more %v", q.params, l, q.want, q.more)
			}
		}
		l := w.must(w.get("/v1/customers", "limit", "2", "starting_after", c[2], "expand[]", "total_count", "expand[]", "data"))
		if l["total_count"] != 7.0 || len(l) != 5 {
			t.Errorf("total_count: %v", l)
		}
		for _, q := range []struct {
			params         []string
			param, message string
		}{
			{[]string{"starting_after", c[1], "ending_before", c[4]}, "", "Received both starting_after and ending_before parameters. Please pass in only one."},
			{[]string{"starting_after", "cus_none", "ending_before", c[4]}, "starting_after", "No such customer: 'cus_none'"},
			{[]string{"starting_after", c[1], "ending_before", "cus_none"}, "ending_before", "No such customer: 'cus_none'"},
			{[]string{"starting_after", strings.Replace(c[1], "cus_", "py_", 1)}, "starting_after", "No such customer: '" + strings.Replace(c[1], "cus_", "py_", 1) + "'"},
			{[]string{"limit", "1.5"}, "limit", "Invalid integer: 1.5"},
			{[]string{"created[gte]", "soon"}, "created[gte]", "Invalid integer: soon"},
		} {
			r := w.get("/v1/customers", q.params...)
			if p, _ := r.err()["param"].(string); r.status != 400 || p != q.param || r.err()["message"] != q.message {
				t.Errorf("%v: %d %s", q.params, r.status, r.body)
			}
		}

		// Deleted objects are in no list, and a page can still begin after one.
		w.must(w.do("DELETE", "/v1/customers/"+c[3], nil))
		w.shows(slices.Concat(c[:3], c[4:]), "/v1/customers")
		w.shows(c[4:6], "/v1/customers", "starting_after", c[3], "limit", "2")
		w.shows(c[1:3], "/v1/customers", "ending_before", c[3], "limit", "2")
		hook := func() string {
			return w.must(w.post("/v1/webhook_endpoints", "url", "https://shop.example/hook", "enabled_events[]", "*"))["id"].(string)
		}
		first, second, third := hook(), hook(), hook()
		w.must(w.do("DELETE", "/v1/webhook_endpoints/"+second, nil))
		w.shows([]string{third, first}, "/v1/webhook_endpoints")
		w.shows([]string{first}, "/v1/webhook_endpoints", "starting_after", second)
		w.shows([]string{third}, "/v1/webhook_endpoints", "ending_before", second)
		if r := w.get("/v1/webhook_endpoints/" + second); r.status != 404 {
			t.Errorf("a deleted endpoint: %d %s", r.status, r.body)
		}
	})
}

// TestListsWhileWritten: whoever pages forward sees each object that was there
// at the beginning once, however much is added meanwhile; whoever pages back
// from the newest sees each that was added once.
func TestListsWhileWritten(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		before := w.customers(9)
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				for range 8 {
					w.post("/v1/customers")
				}
			})
		}
		var seen []string
		for _, c := range w.list("/v1/customers") {
			if slices.Contains(before, c["id"].(string)) {
				seen = append(seen, c["id"].(string))
			}
		}
		if !slices.Equal(seen, before) {
			t.Errorf("paging forward while others write: %v, want %v", seen, before)
		}
		writers.Wait()
		var back []string
		for cursor := before[0]; ; {
			l := w.must(w.get("/v1/customers", "limit", "5", "ending_before", cursor))
			page := ids(l)
			back = slices.Concat(page, back)
			if l["has_more"] != true {
				break
			}
			cursor = page[0]
		}
		all := w.page("/v1/customers", "limit", "100")
		if len(all) != 33 || !slices.Equal(back, all[:24]) {
			t.Errorf("paging back: %d of %d", len(back), len(all))
		}
	})
}

// TestListFilters: every filter, alone and with others, as the objects change.
func TestListFilters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		ann := w.customers(1, "email", "ann@example.com")[0]
		bob := w.customers(1, "email", "Bob@example.com")[0]
		w.shows([]string{ann}, "/v1/customers", "email", "ann@example.com")
		w.shows(nil, "/v1/customers", "email", "bob@example.com") // case counts
		w.must(w.post("/v1/customers/"+bob, "email", "ann@example.com"))
		w.shows([]string{bob, ann}, "/v1/customers", "email", "ann@example.com")
		w.shows(nil, "/v1/customers", "email", "Bob@example.com")
		w.must(w.post("/v1/customers/"+ann, "email", ""))
		w.shows([]string{bob}, "/v1/customers", "email", "ann@example.com", "expand[]", "total_count")

		one := w.charged("customer", ann, "transfer_group", "G1")["id"].(string)
		two := w.charged("customer", ann)["id"].(string)
		three := w.charged()["id"].(string)
		w.shows([]string{two, one}, "/v1/charges", "customer", ann)
		w.shows([]string{one}, "/v1/charges", "transfer_group", "G1")
		w.shows([]string{one}, "/v1/charges", "transfer_group", "G1", "customer", ann)
		w.fails(w.get("/v1/charges", "payment_intent", "pi_none"), 400, "resource_missing", "payment_intent")
		w.must(w.post("/v1/charges/"+three, "customer", bob, "transfer_group", "G2"))
		w.fails(w.post("/v1/charges/"+three, "transfer_group", "G1"), 400, "", "transfer_group") // only if it has not been set
		w.shows([]string{one}, "/v1/charges", "transfer_group", "G1")
		w.shows([]string{three}, "/v1/charges", "customer", bob, "transfer_group", "G2")

		r1 := w.must(w.post("/v1/refunds", "charge", one, "amount", "100"))["id"].(string)
		r2 := w.must(w.post("/v1/refunds", "charge", two, "amount", "100"))["id"].(string)
		w.shows([]string{r2, r1}, "/v1/refunds")
		w.shows([]string{r1}, "/v1/refunds", "charge", one)
		w.shows([]string{r2}, "/v1/charges/"+two+"/refunds")
		w.fails(w.get("/v1/refunds", "payment_intent", "pi_none"), 400, "resource_missing", "payment_intent")
		if l := w.must(w.get("/v1/charges/" + two + "/refunds")); l["url"] != "/v1/charges/"+two+"/refunds" {
			t.Errorf("url %v", l["url"])
		}
		dispute := w.control("POST", "disputes", fmt.Sprintf(`{"id": %q, "reason": "general"}`, three))["id"].(string)
		w.shows([]string{dispute}, "/v1/disputes", "charge", three)
		w.shows(nil, "/v1/disputes", "charge", one)
		idle := w.must(w.post("/v1/payment_intents", "amount", "500", "currency", "usd"))["id"].(string)
		w.shows(nil, "/v1/charges", "payment_intent", idle)
		for path, filter := range map[string]string{
			"/v1/refunds": "charge", "/v1/disputes": "charge", "/v1/charges": "customer", "/v1/payment_intents": "customer", "/v1/setup_intents": "payment_method",
			"/v1/file_links": "file", "/v1/customers": "test_clock",
		} {
			w.fails(w.get(path, filter, "x_none"), 400, "resource_missing", filter)
		}
		w.fails(w.get("/v1/disputes", "payment_intent", "pi_none"), 400, "resource_missing", "payment_intent")

		euros := w.must(w.post("/v1/sources", "type", "alipay", "amount", "500", "currency", "eur", "redirect[return_url]", "https://shop.example/"))
		w.decide(euros, "authorize")
		w.advance(time.Second)
		paid := w.must(w.post("/v1/charges", "amount", "500", "currency", "eur", "source", euros["id"].(string)))
		txn := func(o object) string { return o["balance_transaction"].(string) }
		w.shows([]string{txn(paid)}, "/v1/balance_transactions", "currency", "eur")
		w.shows([]string{txn(paid)}, "/v1/balance_transactions", "source", paid["id"].(string), "type", "payment", "currency", "eur")
		w.shows(nil, "/v1/balance_transactions", "source", paid["id"].(string), "type", "payment", "currency", "usd")
		if got := w.page("/v1/balance_transactions", "type", "payment_refund"); len(got) != 2 {
			t.Errorf("by type: %v", got)
		}
		if got := w.page("/v1/balance/history", "type", "payment", "currency", "usd"); len(got) != 3 {
			t.Errorf("the old alias: %v", got)
		}
		soon := fmt.Sprint(start.AddDate(0, 0, 7).Truncate(24 * time.Hour).Unix())
		r := w.do("GET", "/v1/balance_transactions", map[string]string{"Stripe-Version": "2022-11-15"}, "available_on", soon, "currency", "usd", "expand[]", "total_count")
		if len(w.must(r)["data"].([]any)) != 3 || r.obj["total_count"] != 3.0 {
			t.Errorf("by availability: %s", r.body)
		}
		if r := w.do("GET", "/v1/balance_transactions", map[string]string{"Stripe-Version": "2023-08-16"}, "available_on", soon); r.status != 400 || r.err()["code"] != "parameter_unknown" {
			t.Errorf("by availability, too new a version: %d %s", r.status, r.body)
		}
		gone := w.must(w.post("/v1/customers"))["id"].(string)
		late := w.charged("customer", gone)["id"].(string)
		w.must(w.do("DELETE", "/v1/customers/"+gone, nil))
		w.shows([]string{late}, "/v1/charges", "customer", gone)
	})
}

// TestListPayoutFilters: statuses change and the lists with them.
func TestListPayoutFilters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.funded() // 02:00 on the 18th
		slow := w.payout(100)["id"].(string)
		fast := w.payout(100, "method", "instant")
		w.shows([]string{fast["id"].(string), slow}, "/v1/payouts", "status", "pending")
		w.advance(time.Hour)
		w.shows([]string{fast["id"].(string)}, "/v1/payouts", "status", "paid")
		w.shows([]string{slow}, "/v1/payouts", "status", "pending", "destination", fast["destination"].(string))
		w.shows(nil, "/v1/payouts", "status", "pending", "destination", "ba_none")
		at := fmt.Sprint(int64(fast["arrival_date"].(float64)))
		w.shows([]string{fast["id"].(string)}, "/v1/payouts", "arrival_date", at)
		w.shows([]string{fast["id"].(string)}, "/v1/payouts", "arrival_date[lte]", at)
		w.shows([]string{slow}, "/v1/payouts", "arrival_date[gt]", at)
		w.shows(nil, "/v1/payouts", "arrival_date[gt]", at, "status", "paid")
		w.shows(nil, "/v1/payouts", "arrival_date[lt]", "0")
		w.advance(3 * 24 * time.Hour)
		w.shows([]string{fast["id"].(string), slow}, "/v1/payouts", "status", "paid")
		w.shows(nil, "/v1/payouts", "status", "pending")
		if r := w.get("/v1/payouts", "status", "lost"); r.status != 400 || r.err()["param"] != "status" {
			t.Errorf("unknown status: %d %s", r.status, r.body)
		}
	})
}

// TestExpandDepth: four levels, data counted; every level is looked up in the
// schema before anything is read.
func TestExpandDepth(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cus := w.customers(1)[0]
		charge := w.charged("customer", cus)["id"].(string)
		refund := w.must(w.post("/v1/refunds", "charge", charge, "amount", "100"))
		in := func(o object, path ...string) (at any) {
			at = o
			for _, p := range path {
				at = at.(object)[p]
			}
			return at
		}
		txns := w.must(w.get("/v1/balance_transactions", "type", "payment_refund", "expand[]", "data.source.charge.customer", "expand[]", "data.source.balance_transaction"))["data"].([]any)
		if got := in(txns[0].(object), "source", "charge", "customer", "id"); got != cus {
			t.Errorf("data.source.charge.customer: %v", txns[0])
		}
		if got := in(txns[0].(object), "source", "balance_transaction", "id"); got != refund["balance_transaction"] {
			t.Errorf("data.source.balance_transaction: %v", txns[0])
		}
		got := w.must(w.get("/v1/charges/"+charge, "expand[]", "refunds.data.balance_transaction.source"))
		if id := in(got["refunds"].(object)["data"].([]any)[0].(object), "balance_transaction", "source", "id"); id != refund["id"] {
			t.Errorf("refunds.data.balance_transaction.source: %v", got["refunds"])
		}
		list := w.must(w.get("/v1/charges", "expand[]", "data.refunds.data.charge"))["data"].([]any)[0].(object)
		if id := in(list["refunds"].(object)["data"].([]any)[0].(object), "charge", "id"); id != charge {
			t.Errorf("data.refunds.data.charge: %v", list["refunds"])
		}
		w.must(w.do("DELETE", "/v1/customers/"+cus, nil))
		deleted := w.must(w.get("/v1/charges/"+charge, "expand[]", "customer.default_source"))["customer"].(object)
		if len(deleted) != 3 || deleted["deleted"] != true || deleted["id"] != cus {
			t.Errorf("a deleted customer expands to %v", deleted)
		}
		for path, want := range map[string]struct{ param, code, message string }{
			"/v1/balance_transactions?expand[]=data.source.charge.customer.default_source": {"", "property_expansion_max_depth", "You cannot expand more than 4 levels of a property. Property: data.source.charge.customer.default_source"},
			"/v1/charges?expand[]=customer":       {"", "", "This property cannot be expanded (customer). You may want to try expanding 'data.customer' instead."},
			"/v1/charges?expand[]=data.amount":    {"", "", "This property cannot be expanded (data.amount)."},
			"/v1/charges/py_none?expand[]=amount": {"", "", "This property cannot be expanded (amount)."},
			"/v1/charges?expand=customer":         {"expand", "", "Invalid array"},
		} {
			r := w.get(path)
			code, _ := r.err()["code"].(string)
			param, _ := r.err()["param"].(string)
			if r.status != 400 || code != want.code || param != want.param || r.err()["message"] != want.message {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
	})
}

// TestSearch: charges and customers by what they hold, page by page.
func TestSearch(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cus := w.customers(1, "email", "Ann@Example.com", "name", "Ann Óg", "metadata[tier]", "Gold")[0]
		other := w.customers(1, "email", "bob@example.com", "phone", "+43 1 234")[0]
		one := w.charged("customer", cus, "metadata[order]", "A-17", "metadata[it's]", "odd")["id"].(string)
		w.clock.Advance(time.Minute)
		two := w.charged("metadata[order]", "A-18")["id"].(string)
		w.must(w.post("/v1/refunds", "charge", two))
		w.control("POST", "disputes", fmt.Sprintf(`{"id": %q, "reason": "general"}`, one))
		created := int64(w.must(w.get("/v1/charges/" + two))["created"].(float64))
		for query, want := range map[string][]string{
			`currency:"usd"`:                 {two, one},
			`currency:"USD" AND amount:1099`: {two, one},
			`amount>1099`:                    nil,
			`metadata["order"]:"a-17"`:       {one},
			`metadata["order"]:"A-17" AND customer:"` + cus + `"`: {one},
			`metadata["order"]:"A-18" AND customer:"` + cus + `"`: nil,
			`metadata["order"]:"A-18" OR customer:"` + cus + `"`:  {two, one},
			`metadata["it's"]:'odd'`:                              {one},
			`-metadata["it's"]:null`:                              {one},
			`customer:null`:                                       {two},
			`refunded:"true"`:                                     {two},
			`disputed:true`:                                       {one},
			`status:"succeeded" -disputed:true`:                   {two},
			fmt.Sprintf(`created>=%d`, created):                   {two},
			fmt.Sprintf(`created<%d AND created>0`, created):      {one},
			fmt.Sprintf(`created:%d OR disputed:true`, created):   {two, one},
			`billing_details.address.postal_code:null`:            {two, one},
			`payment_method_details.card.last4:"4242"`:            nil,
		} {
			l := w.must(w.get("/v1/charges/search", "query", query, "expand[]", "total_count", "expand[]", "data.customer"))
			if got := ids(l); !slices.Equal(got, want) || l["object"] != "search_result" || l["has_more"] != false || l["next_page"] != nil || l["total_count"] != float64(len(want)) || l["url"] != "/v1/charges/search" {
				t.Errorf("%s: %v, want %v", query, l, want)
			}
		}
		for query, want := range map[string][]string{
			`email:"ann@example.com"`:                 {cus},
			`email~"EXAMPLE"`:                         {other, cus},
			`name~"n óg"`:                             {cus},
			`phone:"+43 1 234"`:                       {other},
			`-name:null`:                              {cus},
			`metadata["tier"]:"gold"`:                 {cus},
			`metadata["tier"]:"gold" AND email~"bob"`: nil,
		} {
			w.shows(want, "/v1/customers/search", "query", query)
		}
		w.must(w.post("/v1/charges/"+one, "metadata[order]", "B-1"))
		w.shows(nil, "/v1/charges/search", "query", `metadata["order"]:"A-17"`)
		w.shows([]string{one}, "/v1/charges/search", "query", `metadata["order"]:"B-1"`)
		w.must(w.do("DELETE", "/v1/customers/"+other, nil))
		w.shows([]string{cus}, "/v1/customers/search", "query", `created>0`)

		w.customers(5, "name", "many")
		var all []string
		for page := ""; ; {
			params := []string{"query", `name:"many"`, "limit", "2"}
			if page != "" {
				params = append(params, "page", page)
			}
			l := w.must(w.get("/v1/customers/search", params...))
			if l["total_count"] != nil {
				t.Error("total_count was not asked for")
			}
			all = append(all, ids(l)...)
			if l["has_more"] != true {
				break
			}
			page = l["next_page"].(string)
		}
		w.shows(all, "/v1/customers/search", "query", `name:"many"`)
		if len(all) != 5 {
			t.Errorf("pages hold %d", len(all))
		}
		next := w.must(w.get("/v1/customers/search", "query", `name:"many"`, "limit", "2"))["next_page"].(string)
		for _, c := range []struct {
			version, param, message string
			status                  int
			params                  []string
		}{
			{"2020-03-02", "", "Search is not supported on api version 2020-03-02. Update your API version, or set the API Version of this request to 2020-08-27 or greater.", 404, []string{"query", `name:"many"`}},
			{"", "query", "Missing required param: query.", 400, nil},
			{"", "query", "Field `iban` is an unsupported search field for resource `customers`. See http://stripe.com/docs/search#query-fields-for-customers for a list of supported fields.", 400, []string{"query", `iban:"x"`}},
			{"", "query", "A search query cannot combine AND with OR.", 400, []string{"query", `name:"a" OR name:"b" AND name:"c"`}},
			{"", "page", "Invalid page: it is not a next_page of this search. Leave page out to begin, and send the same query with each page.", 400, []string{"query", `name:"other"`, "page", next}},
			{"", "page", "Invalid page: it is not a next_page of this search. Leave page out to begin, and send the same query with each page.", 400, []string{"query", `name:"many"`, "page", next[:8] + "AAAA"}},
			{"", "starting_after", "Received unknown parameter: starting_after", 400, []string{"query", `name:"many"`, "starting_after", cus}},
			{"", "", "This property cannot be expanded (sources). You may want to try expanding 'data.sources' instead.", 400, []string{"query", `name:"many"`, "expand[]", "sources"}},
		} {
			headers := map[string]string{}
			headers["Stripe-Version"] = cmp.Or(c.version, "2026-03-25.dahlia")
			r := w.do("GET", "/v1/customers/search", headers, c.params...)
			if p, _ := r.err()["param"].(string); r.status != c.status || p != c.param || r.err()["message"] != c.message {
				t.Errorf("%v: %d %s", c.params, r.status, r.body)
			}
		}
	})
}
