package multisafepay_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// pluck indexes a list by a member of its elements.
func pluck(list []any, name string) map[any]object {
	out := map[any]object{}
	for _, x := range list {
		out[x.(object)[name]] = x.(object)
	}
	return out
}

// TestCatalogueEndpoints is reference §8.1 and §8.2.
func TestCatalogueEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain, all := pluck(w.get("gateways").list(), "id"), pluck(w.get("gateways?include=coupons&locale=en_US").list(), "id")
	if plain["ALIPAY"]["description"] != "Alipay" || plain["VVVGIFTCRD"] != nil || all["VVVGIFTCRD"]["type"] != "coupon" || len(all) <= len(plain) {
		t.Errorf("gateways %v", all)
	}
	if usd := pluck(w.get("gateways?currency=usd&country=nl&amount=1000").list(), "id"); usd["ALIPAY"] == nil || usd["IDEAL"] != nil {
		t.Errorf("in dollars %v", usd)
	}
	if g := w.must(w.get("gateways/ideal")); g["id"] != "IDEAL" || g["description"] != "iDEAL" {
		t.Errorf("gateway %v", g)
	}
	methods := pluck(w.get("payment-methods").list(), "id")
	for id, m := range methods {
		for _, k := range []string{"id", "name", "type", "allowed_amount", "allowed_countries", "allowed_currencies", "apps", "brands", "icon_urls", "preferred_countries", "required_customer_data", "shopping_cart_required", "tokenization", "manual_capture", "additional_data"} {
			if _, ok := m[k]; !ok {
				t.Errorf("%v has no %s", id, k)
			}
		}
		c := m["apps"].(object)["payment_components"].(object)
		if m["type"] != "payment-method" || c["is_enabled"] != true || c["has_fields"] == nil || c["qr"] == nil {
			t.Errorf("%v: %v", id, m)
		}
		if _, ok := m["shopping_cart_required"].(bool); !ok {
			t.Errorf("%v: shopping_cart_required %v", id, m["shopping_cart_required"])
		}
	}
	if methods["VISA"] == nil || methods["ALIPAY"]["name"] != "Alipay" {
		t.Errorf("methods %v", methods)
	}
	exactly(t, "Alipay's currencies", []any{"EUR", "USD"}, methods["ALIPAY"]["allowed_currencies"])
	if m := pluck(w.get("payment-methods?include_coupons=1").list(), "type"); m["coupon"] == nil {
		t.Error("no coupons")
	}
	if m := pluck(w.get("payment-methods?type=coupon").list(), "type"); len(m) != 1 || m["coupon"] == nil {
		t.Errorf("only coupons: %d types", len(m))
	}
	if m := pluck(w.get("payment-methods?type=payment-method&include_coupons=1").list(), "type"); len(m) != 1 || m["payment-method"] == nil {
		t.Errorf("only methods: %d types", len(m))
	}
	w.refused(w.get("payment-methods?type=x"), 404, 1016)
	if m := pluck(w.get("payment-methods?group_cards=1").list(), "id"); m["VISA"] != nil || len(m["CREDITCARD"]["brands"].([]any)) != 4 {
		t.Errorf("grouped %v", m["CREDITCARD"])
	}
	if m := w.must(w.get("payment-methods/visa")); m["id"] != "VISA" || m["tokenization"].(object)["is_enabled"] != true {
		t.Errorf("Visa %v", m)
	}
	icon, _ := url.Parse(methods["ALIPAY"]["icon_urls"].(object)["vector"].(string))
	if r := w.send("GET", icon.Path, "", nil); r.status != 200 {
		t.Errorf("icon %s: %d", icon, r.status)
	}
	if l := w.get("issuers/ideal").list(); len(l) == 0 || l[0].(object)["code"] == nil || l[0].(object)["description"] == nil {
		t.Errorf("issuers %v", l)
	}
	if r := w.get("issuers/MYBANK"); r.status != 200 || r.list() == nil {
		t.Errorf("issuers: %s", r.body)
	}
	codes := pluck(w.get("categories").list(), "code")
	for c := 100.0; c <= 114; c++ {
		if codes[c]["description"] == nil {
			t.Errorf("no category %v", c)
		}
	}
	if len(codes) != 16 || codes[999.0] == nil {
		t.Errorf("%d categories", len(codes))
	}
	w.control("POST", "account", `{"methods_off": ["ideal", "alipay"]}`)
	w.refused(w.get("gateways/ideal"), 404, 1023)
	if m := pluck(w.get("payment-methods").list(), "id"); m["ALIPAY"] != nil || m["IDEAL"] != nil || m["VISA"] == nil {
		t.Error("methods that are off are offered")
	}
	page := w.page(200, w.create(object{"gateway": nil})["payment_url"].(string))
	if strings.Contains(page, `value="IDEAL"`) || strings.Contains(page, `value="ALIPAY"`) {
		t.Error("the page offers methods that are off")
	}
}

// TestCountries: methods are offered in their countries: by the country that is
// asked about, and on the payment page by the payer's country or else the locale
// (reference §8.1, §11).
func TestCountries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ country, in, out string }{
		{"NL", "IDEAL ALIPAY VISA PAYPAL IN3 TRUSTLY BANKTRANS KLARNA", "MISTERCASH BELFIUS EPS GIROPAY BIZUM MBWAY TRUSTPAY DOTPAY"},
		{"be", "MISTERCASH BELFIUS KBC CBC ALIPAY KLARNA BILLINK", "IDEAL IN3 EPS"},
		{"US", "ALIPAY VISA PAYPAL PSAFECARD EINVOICE WECHAT APPLEPAY", "IDEAL TRUSTLY BANKTRANS DIRDEB SOFORT AMAZONBTN KLARNA"},
		{"PT", "MBWAY MULTIBANCO TRUSTLY", "IDEAL BIZUM"},
		{"", "IDEAL MISTERCASH BIZUM ALIPAY", ""},
	} {
		for _, path := range []string{"gateways?country=", "payment-methods?country="} {
			got := pluck(w.get(path+c.country).list(), "id")
			for _, id := range strings.Fields(c.in) {
				if got[id] == nil {
					t.Errorf("%s%s: no %s", path, c.country, id)
				}
			}
			for _, id := range strings.Fields(c.out) {
				if got[id] != nil {
					t.Errorf("%s%s: %s", path, c.country, id)
				}
			}
		}
	}
	exactly(t, "countries of iDEAL", []any{"NL"}, w.must(w.get("payment-methods/IDEAL"))["allowed_countries"])
	exactly(t, "countries of Alipay", []any{}, w.must(w.get("payment-methods/ALIPAY"))["allowed_countries"])
	offers := func(page, id string) bool { return strings.Contains(page, `value="`+id+`"`) }
	for _, c := range []struct{ country, locale, in, out string }{
		{"BE", "nl_NL", "MISTERCASH", "IDEAL"}, // the country goes before the locale
		{"", "nl_BE", "MISTERCASH", "IDEAL"},
		{"", "nl_NL", "IDEAL", "MISTERCASH"},
		{"", "at_AT", "EPS", "IDEAL"},
		{"", "en_US", "ALIPAY", "IDEAL"},
	} {
		link := w.create(object{"gateway": nil, "customer": object{"locale": c.locale, "country": c.country}})["payment_url"].(string)
		if page := w.page(200, link); !offers(page, c.in) || offers(page, c.out) || !strings.Contains(page, "methods=all") {
			t.Errorf("%s %s: the page offers %t %t", c.country, c.locale, offers(page, c.in), offers(page, c.out))
		}
		if page := w.page(200, link+"&methods=all"); !offers(page, c.in) || !offers(page, c.out) || strings.Contains(page, "methods=all") {
			t.Errorf("%s %s: the filter is not lifted", c.country, c.locale)
		}
		w.choose(link, c.out) // as the page with all methods posts it
	}
	for _, locale := range []string{"", "cn_CN", "xx"} {
		if page := w.page(200, w.create(object{"gateway": nil, "customer": object{"locale": locale}})["payment_url"].(string)); !offers(page, "IDEAL") || !offers(page, "MISTERCASH") {
			t.Errorf("locale %q says nothing about the country, yet the page is filtered", locale)
		}
	}
	// A method that lets its payers pay later takes those of its countries alone.
	french := object{"locale": "fr_FR", "country": "FR"}
	w.refused(w.post("orders", orderWith(object{"gateway": "IN3", "customer": french})), 404, 1023)
	w.create(object{"gateway": "IDEAL", "customer": french})
	w.create(object{"gateway": "KLARNA", "customer": french})
}

// TestTransactions is reference §8.3: newest first, in pages, filtered.
func TestTransactions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := w.get("transactions")
		if p, ok := r.obj["pager"].(object); !ok || len(r.list()) != 0 || p["after"] != nil || p["cursor"].(object)["after"] != nil || p["limit"] != 100.0 {
			t.Errorf("empty: %s", r.body)
		}
		for i := range 7 {
			w.paid(object{"order_id": fmt.Sprint("t", i), "currency": []string{"EUR", "USD"}[i%2], "var1": "v"})
			w.advance(time.Hour)
		}
		w.refund("t6", `{"currency":"EUR","amount":300}`)
		w.create(object{"type": "direct", "order_id": "open"})
		item := pluck(w.get("transactions").list(), "order_id")["t0"]
		for k, want := range (object{
			"amount": 1000.0, "completed": "2026-09-10T03:00:00", "created": "2026-09-10T03:00:00", "currency": "EUR", "debit_credit": "C", "description": "Test order description", "financial_status": "completed",
			"invoice_id": nil, "net": 941.0, "order_id": "t0", "payment_method": "ALIPAY", "status": "completed", "type": "payment", "var1": "v", "var2": nil,
		}) {
			if item[k] != want {
				t.Errorf("%s is %v, want %v", k, item[k], want)
			}
		}
		if c := item["costs"].([]any)[0].(object); c["amount"] != 59.0 || item["customer"].(object)["email"] != "simonsmit@example.com" || item["site_id"] != w.must(w.get("me"))["site_id"] {
			t.Errorf("item %v", item)
		}
		one := w.must(w.get(fmt.Sprintf("transactions/%.0f", item["transaction_id"])))
		exactly(t, "one", item, one)
		// Pages: 4 + 4 + 1, then an empty one without cursors; and back.
		var seen []string
		path := "transactions?limit=4"
		var back string
		for i, want := range []int{4, 4, 1, 0} {
			r := w.get(path)
			if len(r.list()) != want {
				t.Fatalf("page %d has %d", i, len(r.list()))
			}
			for _, x := range r.list() {
				seen = append(seen, fmt.Sprint(x.(object)["type"], " ", x.(object)["order_id"]))
			}
			c := r.obj["pager"].(object)["cursor"].(object)
			if want == 0 {
				if c["after"] != nil || c["before"] != nil {
					t.Errorf("cursors of the empty page: %v", c)
				}
				break
			}
			after, _ := url.Parse(r.obj["pager"].(object)["after"].(string))
			if after.Query().Get("after") != c["after"] || after.Query().Get("limit") != "4" {
				t.Errorf("link %s, cursor %v", after, c)
			}
			path = "transactions?" + after.RawQuery
			if i == 1 {
				back = "transactions?limit=4&before=" + c["before"].(string)
			}
		}
		if got := fmt.Sprint(seen); got != "[payment open refund t6 payment t6 payment t5 payment t4 payment t3 payment t2 payment t1 payment t0]" {
			t.Errorf("seen %s", got)
		}
		if l := w.get(back).list(); len(l) != 4 || l[0].(object)["order_id"] != "open" {
			t.Errorf("back: %v", l)
		}
		for query, want := range map[string]int{
			"currency=usd": 3, "currency=EUR&currency=USD": 9, "currency[]=EUR": 6, "type=refund": 1, "type=payment&status=completed": 6, "status=partial_refunded": 1, "status=initialized": 1,
			"financial_status=completed,reserved": 8, "debit_credit=D": 1, "payment_method=ALIPAY": 9, "payment_method=VISA": 0, "site_id=1": 0,
			"created_from=2026-09-10T05:00:00": 7, "created_until=2026-09-10T05:00:00": 2, "created_from=1789009200&created_until=2026-09-10%2007:00:00": 2, "created_from=2026-09-11": 0,
			"completed_until=2026-09-10T04:00:00": 1, "completed_from=2026-09-10T09:00:00": 1, "status=completed&limit=2": 2,
		} {
			if l := w.get("transactions?" + query).list(); len(l) != want {
				t.Errorf("%s: %d, want %d", query, len(l), want)
			}
		}
	})
}

// TestTokens is reference §8.4: a card that is stored with a payment, listed,
// charged again, changed and removed.
func TestTokens(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		card := object{"card_number": "4111111111111111", "card_holder_name": "Simon Smit", "card_expiry_date": 3012, "card_cvc": "123"}
		customer := object{"locale": "en_US", "reference": "cust/1"}
		o := w.create(object{"type": "direct", "order_id": "first", "gateway": "CREDITCARD", "recurring_model": "cardOnFile", "customer": customer, "gateway_info": card})
		token, _ := o["payment_details"].(object)["recurring_id"].(string)
		if token == "" || o["payment_details"].(object)["recurring_model"] != "cardonfile" {
			t.Fatalf("payment_details %v", o["payment_details"])
		}
		for _, nobody := range []string{"recurring/nobody", "recurring/%00", "recurring/%FF"} {
			if l := w.must(w.get(nobody))["tokens"].([]any); len(l) != 0 {
				t.Errorf("%s: %v", nobody, l)
			}
		}
		list := w.must(w.get("recurring/cust%2F1"))["tokens"].([]any)
		if len(list) != 1 {
			t.Fatalf("tokens %v", list)
		}
		exactly(t, "token", object{
			"token": token, "code": "CREDITCARD", "display": "Card payment **** 1111", "bin": 411111.0, "name_holder": "Simon Smit", "expiry_date": 3012.0, "expired": 0.0, "last4": 1111.0,
			"model": "cardonfile", "recurring_model": "cardonfile",
		}, list[0])
		exactly(t, "token", list[0], w.must(w.get("recurring/cust%2F1/token/"+token)))
		again := w.create(object{"type": "direct", "order_id": "second", "gateway": "CREDITCARD", "recurring": object{"model": "unscheduled", "id": token}, "customer": customer})
		if again["status"] != "completed" || again["payment_details"].(object)["recurring_id"] != token {
			t.Errorf("charged again: %v", again)
		}
		w.refused(w.post("orders", orderWith(object{"type": "direct", "gateway": "VISA", "recurring_id": token, "recurring_model": "unscheduled", "customer": object{"reference": "somebody else"}})), 410, 1000)
		if r := w.patch("recurring/cust%2F1/update/"+token, `{"expiry_date":"2601"}`); w.must(r)["updated"] != true {
			t.Errorf("update: %s", r.body)
		}
		if got := w.must(w.get("recurring/cust%2F1/token/" + token)); got["expired"] != 1.0 || got["expiry_date"] != 2601.0 {
			t.Errorf("expired: %v", got)
		}
		w.refused(w.post("orders", orderWith(object{"type": "direct", "gateway": "VISA", "recurring_id": token, "recurring_model": "unscheduled", "customer": customer})), 404, 1024)
		if r := w.do("DELETE", "recurring/cust%2F1/remove/"+token, "", w.auth()); w.must(r)["removed"] != true {
			t.Errorf("remove: %s", r.body)
		}
		w.refused(w.get("recurring/cust%2F1/token/"+token), 410, 1000)
		if l := w.must(w.get("recurring/cust%2F1"))["tokens"].([]any); len(l) != 0 {
			t.Errorf("after the removal: %v", l)
		}
		// On the payment page too, and in pages.
		for range 3 {
			link := w.create(object{"gateway": "VISA", "recurring_model": "subscription", "customer": object{"reference": "many"}})["payment_url"].(string)
			w.decide(w.choose(link, "VISA"), "completed")
		}
		if l := w.must(w.get("recurring/many?limit=2&offset=1"))["tokens"].([]any); len(l) != 2 {
			t.Errorf("a page: %v", l)
		}
		w.refused(w.get("recurring/many?limit=x"), 404, 1016)
	})
}
