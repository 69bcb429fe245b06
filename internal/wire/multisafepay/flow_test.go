package multisafepay_test

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

const (
	success = "https://shop.example/back?type=redirect&transactionid="
	failure = "https://shop.example/back?type=cancel&transactionid="
)

// TestRedirectFlow: the payer opens the link, chooses the method, pays, and
// lands at the merchant; the merchant is told (reference §10.3, §11, §12).
func TestRedirectFlow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := wiretest.NewReceiver(t)
		hook.Answer(200, "OK")
		o := w.create(object{"order_id": "flow-1", "payment_options": notifying(hook)})
		link := o["payment_url"].(string)
		pre := w.is("flow-1", "initialized", "initialized")
		if d := pre["payment_details"].(object); d["type"] != "ALIPAY" || len(pre["payment_methods"].([]any)) != 0 || len(pre["costs"].([]any)) != 0 || pre["payment_url"] != link {
			t.Errorf("before a method is chosen: %v", pre)
		}
		page := w.page(200, link)
		if !strings.Contains(page, `name="gateway" value="ALIPAY"`) || strings.Contains(page, `value="IDEAL"`) || !strings.Contains(page, "methods=all") {
			t.Errorf("Alipay is not preselected: %s", page)
		}
		if all := w.page(200, link+"&methods=all"); !strings.Contains(all, `value="IDEAL"`) || !strings.Contains(all, `value="ALIPAY"`) || strings.Contains(all, `value="DOTPAY" `) {
			t.Errorf("all methods: %s", all)
		}
		wallet := w.choose(link, "ALIPAY")
		started := w.is("flow-1", "initialized", "initialized")
		if started["transaction_id"] != pre["transaction_id"] || len(started["payment_methods"].([]any)) != 1 {
			t.Errorf("started: %v", started)
		}
		test := w.page(200, wallet)
		for _, text := range []string{"Test platform", "Test scenario", "Completed", "Cancelled", ">Test</button>"} {
			if !strings.Contains(test, text) {
				t.Errorf("the test page does not say %q: %s", text, test)
			}
		}
		if n := w.notified(hook); len(n) != 0 {
			t.Errorf("notified before two seconds: %s", statuses(n))
		}
		w.advance(2 * time.Second)
		if n := w.notified(hook); statuses(n) != "initialized/initialized" {
			t.Errorf("notified: %s", statuses(n))
		}
		if to := w.decide(wallet, "completed"); to != success+"flow-1" {
			t.Errorf("the payer goes to %s", to)
		}
		// A shop looks the moment its customer is back.
		paid := w.is("flow-1", "completed", "completed")
		if paid["completed"] != "2026-09-10T03:00:02" || paid["modified"] != "2026-09-10T03:00:02" || paid["created"] != "2026-09-10T03:00:00" {
			t.Errorf("times: %v %v %v", paid["created"], paid["completed"], paid["modified"])
		}
		if e, _ := paid["payment_details"].(object)["external_transaction_id"].(string); e == "" {
			t.Errorf("no external_transaction_id: %v", paid["payment_details"])
		}
		if m := paid["payment_methods"].([]any)[0].(object); m["status"] != "completed" || m["external_transaction_id"] == nil {
			t.Errorf("payment_methods: %v", m)
		}
		cost := paid["costs"].([]any)[0].(object)
		if cost["amount"] != 0.59 || cost["description"] != "0.59 For Alipay Transactions" || cost["type"] != "SYSTEM" || cost["transaction_id"] != paid["transaction_id"] {
			t.Errorf("costs: %v", cost)
		}
		w.advance(time.Second)
		n := w.notified(hook)
		if statuses(n) != "initialized/initialized completed/completed" {
			t.Errorf("notified: %s", statuses(n))
		}
		subset(t, "notification", withoutURLs(paid), n[1].Object)
		// The link sends a payer who comes back on.
		if r := w.send("GET", strings.TrimPrefix(link, w.URL), "", nil); r.status != 302 || r.header.Get("Location") != success+"flow-1" {
			t.Errorf("the link of a paid order: %d %v", r.status, r.header)
		}
		if r := w.submit(wallet, "scenario", "cancelled"); r.header.Get("Location") != success+"flow-1" {
			t.Errorf("the wallet's page of a paid order: %d %v", r.status, r.header)
		}
		w.is("flow-1", "completed", "completed")
	})
}

func withoutURLs(o object) object {
	c := object{}
	for k, v := range o {
		if k != "payment_url" && k != "cancel_url" {
			c[k] = v
		}
	}
	return c
}

// TestScenarios is what the test platform offers (reference §10.2, §10.3): what
// the payer chooses, what the order becomes, where the payer goes.
func TestScenarios(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			gateway, scenario, status, financial, to string
		}{
			{"ALIPAY", "completed", "completed", "completed", success},
			{"ALIPAY", "cancelled", "void", "cancelled", failure},
			{"ALIPAY", "declined", "declined", "declined", failure},
			{"ALIPAY", "expired", "expired", "expired", failure},
			{"ALIPAY", "uncleared", "uncleared", "uncleared", success},
			{"ALIPAYPLUS", "cancelled", "void", "void", failure},
			{"IDEAL", "completed", "completed", "completed", success},
			{"IDEAL", "cancelled", "void", "cancelled", failure},
			{"PAYPAL", "completed", "completed", "initialized", success},
			{"KLARNA", "completed", "completed", "uncleared", success},
			{"VISA", "completed", "completed", "completed", success},
			{"BANKTRANS", "completed", "completed", "completed", success},
		} {
			id := strings.ToLower(c.gateway) + "-" + c.scenario
			o := w.create(object{"order_id": id, "gateway": c.gateway})
			if to := w.decide(w.choose(o["payment_url"].(string), c.gateway), c.scenario); to != c.to+id {
				t.Errorf("%s %s: to %s", c.gateway, c.scenario, to)
			}
			w.is(id, c.status, c.financial)
		}
		// What these come to is a matter of the amount (reference §11.1).
		for _, gateway := range []string{"MBWAY", "MULTIBANCO"} {
			for amount, want := range map[int]string{1: "declined", 999: "declined", 1000: "completed", 2000: "completed", 2001: "initialized"} {
				id := fmt.Sprint(gateway, amount)
				o := w.create(object{"order_id": id, "gateway": gateway, "amount": amount})
				r := w.send("GET", w.choose(o["payment_url"].(string), gateway), "", nil)
				w.is(id, want, want)
				to := map[string]string{"declined": failure + id, "completed": success + id, "initialized": ""}[want]
				if r.header.Get("Location") != to || to == "" && !strings.Contains(string(r.body), "Test scenario") {
					t.Errorf("%s: %d to %s", id, r.status, r.header.Get("Location"))
				}
			}
		}
		// Nobody answers: the payer closed the window.
		o := w.create(object{"order_id": "nobody"})
		wallet := w.choose(o["payment_url"].(string), "ALIPAY")
		if r := w.submit(wallet, "scenario", "none"); r.status != 200 {
			t.Errorf("no answer: %d", r.status)
		}
		w.is("nobody", "initialized", "initialized")
		if r := w.submit(wallet, "scenario", "magic"); r.status != 400 {
			t.Errorf("unknown scenario: %d %s", r.status, r.body)
		}
		w.advance(3 * time.Minute)
		w.is("alipay-uncleared", "completed", "completed")
		w.advance(8 * 24 * time.Hour)
		w.is("paypal-completed", "completed", "completed")
		w.is("nobody", "expired", "expired")
	})
}

// TestTypedData: numbers that are typed on the test platform's page come to what
// the published test data say (reference §11.1).
func TestTypedData(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for i, c := range []struct {
			gateway, field, number, at string // at: when it was typed
			after                      time.Duration
			then                       string
		}{
			{"VISA", "card_number", "4111 1111 1111 1111", "completed/completed", 0, ""},
			{"CREDITCARD", "card_number", "4012001038488884", "declined/declined", 0, ""},
			{"VISA", "card_number", "4462000000000003", "uncleared/uncleared", 3 * time.Minute, "completed/completed"},
			{"AMEX", "card_number", "378734493671000", "uncleared/uncleared", 3 * time.Minute, "void/void"},
			{"MISTERCASH", "card_number", "67034500054620008", "completed/completed", 0, ""},
			{"MISTERCASH", "card_number", "67039902990000045", "declined/declined", 0, ""},
			{"BANKTRANS", "iban", "NL87 ABNA 0000 0000 01", "initialized/initialized", 2 * time.Minute, "completed/completed"},
			{"BANKTRANS", "iban", "NL87ABNA0000000002", "initialized/initialized", 2 * time.Minute, "expired/expired"},
			{"BANKTRANS", "iban", "NL87ABNA0000000004", "initialized/initialized", 2 * time.Minute, "declined/declined"},
			{"BANKTRANS", "iban", "NL02RABO0123456789", "initialized/initialized", 5 * 24 * time.Hour, "expired/expired"},
			{"DIRDEB", "iban", "NL87ABNA0000000001", "initialized/initialized", 2 * time.Minute, "completed/completed"},
			{"DIRDEB", "iban", "NL87ABNA0000000003", "initialized/initialized", 2 * time.Minute, "uncleared/uncleared"},
			{"DIRDEB", "iban", "NL87ABNA0000000004", "initialized/initialized", 3 * time.Minute, "declined/declined"},
		} {
			id := fmt.Sprint("typed-", i)
			o := w.create(object{"order_id": id, "gateway": c.gateway})
			wallet := w.choose(o["payment_url"].(string), c.gateway)
			if page := w.page(200, wallet); !strings.Contains(page, `name="`+c.field+`"`) {
				t.Errorf("%s asks for no %s", c.gateway, c.field)
			}
			for _, bad := range []string{"12", "x", strings.Repeat("9", 40)} {
				if r := w.submit(wallet, c.field, bad, "scenario", "completed"); r.status != 400 && !(c.field == "iban" && len(bad) > 15) {
					t.Errorf("%s %q: %d", c.gateway, bad, r.status)
				}
				if c.field == "iban" {
					break
				}
			}
			r := w.submit(wallet, c.field, c.number, "scenario", "cancelled")
			status := func() string { o := w.order(id); return fmt.Sprintf("%v/%v", o["status"], o["financial_status"]) }
			if r.status != 303 || status() != c.at {
				t.Errorf("%s %s: %d, %s, want %s", c.gateway, c.number, r.status, status(), c.at)
			}
			if strings.HasPrefix(c.at, "declined") != strings.HasPrefix(r.header.Get("Location"), failure) {
				t.Errorf("%s %s: to %s", c.gateway, c.number, r.header.Get("Location"))
			}
			if c.after > 0 {
				if w.advance(c.after); status() != c.then {
					t.Errorf("%s %s after %v: %s, want %s", c.gateway, c.number, c.after, status(), c.then)
				}
			}
		}
		if d := w.order("typed-0")["payment_details"].(object); d["last4"] != "1111" {
			t.Errorf("card %v", d)
		}
		if d := w.order("typed-6")["payment_details"].(object); d["account_id"] != "*** 0001" {
			t.Errorf("account %v", d)
		}
	})
}

// TestQR: an order that is paid by scanning a code has the code's address, and can
// be cancelled until it is paid (reference §3.7, §3.9, §5).
func TestQR(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	width := func(o object) int {
		t.Helper()
		r := w.send("GET", strings.TrimPrefix(o["qr_url"].(string), w.URL), "", nil)
		if r.status != 200 || r.header.Get("Content-Type") != "image/png" {
			t.Fatalf("code: %d %v", r.status, r.header)
		}
		c, err := png.DecodeConfig(bytes.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		return c.Width
	}
	o := w.create(object{"order_id": "q1", "gateway": "IDEALQR"})
	if n := width(o); n < 150 || n > 250 {
		t.Errorf("%d pixels", n)
	}
	if n := width(w.create(object{"gateway": "IDEALQR", "gateway_info": object{"qr_size": 1000}})); n < 800 || n > 1000 {
		t.Errorf("%d pixels of 1000", n)
	}
	w.must(w.post("orders/q1/cancel", ""))
	w.is("q1", "cancelled", "cancelled")
	o = w.create(object{"order_id": "q2", "gateway": "MISTERCASH", "gateway_info": object{"qr_enabled": true}})
	width(o)
	w.decide(w.choose(o["payment_url"].(string), "MISTERCASH"), "completed")
	w.refused(w.post("orders/q2/cancel", ""), 403, 1006)
	plain := w.create(object{"order_id": "q3", "gateway": "MISTERCASH"})
	if plain["qr_url"] != nil {
		t.Errorf("code %v", plain["qr_url"])
	}
	if r := w.send("GET", "/connect/"+plain["session_id"].(string)+"/code/qr.png", "", nil); r.status != 404 {
		t.Errorf("code of an order without: %d", r.status)
	}
	w.refused(w.post("orders/q3/cancel", ""), 403, 1006)
	w.refused(w.post("orders/nobody/cancel", ""), 404, 1006)
	for name, bad := range map[string]any{"qr_size": 99, "qr_enabled": "maybe"} {
		w.refused(w.post("orders", orderWith(object{"gateway": "IDEALQR", "gateway_info": object{name: bad}})), 404, 1016)
	}
}

// TestChallenge: with 3-D Secure the holder of a card is authenticated before the
// card comes to what it comes to (reference §3.10, §11.1).
func TestChallenge(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.settings("three_d_secure", "challenge")
		for i, c := range []struct {
			number, scenario, status, reason, to string
			after                                time.Duration
			later                                string
		}{
			{"4111111111111111", "completed", "completed", "", success, 0, ""},
			{"4111111111111111", "declined", "declined", "3001", failure, 0, ""},
			{"4111111111111111", "cancelled", "void", "", failure, 0, ""},
			{"4012001038488884", "completed", "declined", "1000", failure, 0, ""},
			{"4462000000000003", "completed", "uncleared", "", success, 3 * time.Minute, "completed"},
			{"4917300000000008", "completed", "uncleared", "", success, 3 * time.Minute, "void"},
		} {
			id := fmt.Sprint("challenge-", i)
			o := w.create(object{"type": "direct", "order_id": id, "gateway": "VISA", "gateway_info": object{"card_number": c.number, "card_expiry_date": "3012", "card_cvc": "123"}})
			form, _ := o["customer_verification"].(object)
			html, _ := form["html"].(string)
			path, query, _ := strings.Cut(strings.TrimPrefix(o["payment_url"].(string), w.URL), "?trxid=")
			if o["status"] != "initialized" || form["type"] != "form" || !strings.Contains(html, `action="`+w.URL+path+`"`) || !strings.Contains(html, `name="trxid" value="`+query+`"`) {
				t.Errorf("%s: %v, %v", id, o["payment_url"], form)
			}
			if page := w.page(200, o["payment_url"].(string)); !strings.Contains(page, "Authenticated (Y)") || strings.Contains(page, "Expired") {
				t.Errorf("page: %s", page)
			}
			if r := w.submit(o["payment_url"].(string), "scenario", "expired"); r.status != 400 {
				t.Errorf("another scenario: %d", r.status)
			}
			if to := w.decide(o["payment_url"].(string), c.scenario); to != c.to+id {
				t.Errorf("%s: to %s", id, to)
			}
			if o := w.order(id); o["status"] != c.status || o["reason_code"] != c.reason || o["customer_verification"] != nil {
				t.Errorf("%s %s: %v %v", c.number, c.scenario, o["status"], o["reason_code"])
			}
			if c.after > 0 {
				w.advance(c.after)
				if o := w.order(id); o["status"] != c.later {
					t.Errorf("%s after %v: %v", c.number, c.after, o["status"])
				}
			}
		}
		// An order by telephone has nobody to ask.
		o := w.create(object{"type": "direct", "gateway": "VISA", "gateway_info": object{"card_number": "4111111111111111", "card_expiry_date": "3012", "moto": true}})
		if o["status"] != "completed" || o["customer_verification"] != nil {
			t.Errorf("by telephone: %v %v", o["status"], o["customer_verification"])
		}
	})
}

// TestDirectOutcomes is reference §3.10 and §11.1: what a direct order becomes
// at once, and later.
func TestDirectOutcomes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		card := func(number string) object {
			return object{"card_number": number, "card_holder_name": "Simon Smit", "card_expiry_date": 3012, "card_cvc": "123"}
		}
		for i, c := range []struct {
			gateway           string
			info              object
			status, financial string
			after             time.Duration
			later             string
		}{
			{"VISA", card("4111111111111111"), "completed", "completed", 0, ""},
			{"VISA", card("4761340000000019"), "completed", "completed", 0, ""},
			{"MASTERCARD", card("5500000000000004"), "completed", "completed", 0, ""},
			{"MAESTRO", card("6799990000000000011"), "completed", "completed", 0, ""},
			{"AMEX", card("374500000000015"), "completed", "completed", 0, ""},
			{"CREDITCARD", card("4111 1111 1111 1111"), "completed", "completed", 0, ""},
			{"VISA", card("4917300000000008"), "uncleared", "uncleared", 3 * time.Minute, "void/void"},
			{"VISA", card("4462000000000003"), "uncleared", "uncleared", 3 * time.Minute, "completed/completed"},
			{"AMEX", card("378734493671000"), "uncleared", "uncleared", 3 * time.Minute, "void/void"},
			{"DIRDEB", object{"account_id": "NL87ABNA0000000001", "account_holder_name": "Simon Smit"}, "initialized", "initialized", 2 * time.Minute, "completed/completed"},
			{"DIRDEB", object{"account_id": "NL87ABNA0000000002"}, "initialized", "initialized", 2 * time.Minute, "declined/declined"},
			{"DIRDEB", object{"account_id": "NL87ABNA0000000003"}, "initialized", "initialized", 2 * time.Minute, "uncleared/uncleared"},
			{"DIRDEB", object{"account_id": "NL87ABNA0000000004"}, "initialized", "initialized", 2 * time.Minute, "uncleared/uncleared"},
			{"DIRDEB", object{"account_id": "NL87ABNA0000000003"}, "initialized", "initialized", 3 * time.Minute, "completed/completed"},
			{"DIRDEB", object{"account_id": "NL87ABNA0000000004"}, "initialized", "initialized", 3 * time.Minute, "declined/declined"},
			{"PAYAFTER", object{"birthday": "1970-12-31", "gender": "mr"}, "completed", "uncleared", 0, ""},
			{"KLARNA", nil, "completed", "uncleared", 0, ""},
			{"APPLEPAY", object{"payment_token": "{}"}, "completed", "completed", 0, ""},
			{"IDEAL", object{"issuer_id": "3151"}, "initialized", "initialized", time.Hour, "expired/expired"},
			{"IDEAL", nil, "initialized", "initialized", 0, ""},
			{"MYBANK", nil, "initialized", "initialized", 0, ""},
			{"ALIPAY", object{}, "initialized", "initialized", 5 * time.Hour, "expired/expired"},
			{"BANKTRANS", nil, "initialized", "initialized", 0, ""},
			{"VISA", nil, "initialized", "initialized", 0, ""},
		} {
			id := fmt.Sprint("direct-", i)
			o := w.create(object{"type": "direct", "order_id": id, "gateway": c.gateway, "gateway_info": c.info})
			if o["status"] != c.status || o["financial_status"] != c.financial || o["order_id"] != id {
				t.Errorf("%s %v: %v/%v", c.gateway, c.info, o["status"], o["financial_status"])
			}
			page := strings.HasPrefix(o["payment_url"].(string), w.URL+"/simulator/")
			if asked := c.status == "initialized" && c.gateway != "DIRDEB" && c.gateway != "BANKTRANS"; asked != page || !page && o["payment_url"] != success+id {
				t.Errorf("%s %v: payment_url %v", c.gateway, c.info, o["payment_url"])
			}
			if o["cancel_url"] != failure+id {
				t.Errorf("%s: cancel_url %v", c.gateway, o["cancel_url"])
			}
			if c.after > 0 {
				w.advance(c.after)
				o := w.order(id)
				if got := fmt.Sprintf("%v/%v", o["status"], o["financial_status"]); got != c.later {
					t.Errorf("%s %v after %v: %s, want %s", c.gateway, c.info, c.after, got, c.later)
				}
			}
		}
		// A card's digits are texts in one place and numbers in the other.
		o := w.order("direct-0")
		d, m := o["payment_details"].(object), o["payment_methods"].([]any)[0].(object)
		if d["last4"] != "1111" || d["card_expiry_date"] != "3012" || m["last4"] != 1111.0 || m["card_expiry_date"] != 3012.0 || d["account_holder_name"] != "Simon Smit" {
			t.Errorf("card: %v %v", d, m)
		}
		if strings.Contains(string(w.get("orders/direct-0").body), "4111111111111111") {
			t.Error("the card's number comes back")
		}
		if d := w.order("direct-9")["payment_details"].(object); d["account_id"] != "*** 0001" || d["account_holder_name"] != "Simon Smit" {
			t.Errorf("direct debit: %v", d)
		}
		if g, _ := w.order("direct-22")["gateway_info"].(object); g["destination_holder_iban"] == nil || g["reference"] == nil {
			t.Errorf("bank transfer: %v", g)
		}
		// A refusal is an error, and can be looked at.
		for number, code := range map[string]string{"4012001037461114": "3001", "374200000000004": "3001", "4012001038488884": "1000"} {
			w.refused(w.post("orders", orderWith(object{"type": "direct", "order_id": number, "gateway": "VISA", "gateway_info": card(number)})), 404, 1024)
			if o := w.is(number, "declined", "declined"); o["reason_code"] != code || o["reason"] == "" {
				t.Errorf("%s: %v %v", number, o["reason"], o["reason_code"])
			}
		}
		for _, info := range []object{
			{"card_number": "4111111111111112", "card_expiry_date": "3012"}, {"card_number": "4111111111111111", "card_expiry_date": "1330"}, {"card_number": "4111111111111111"},
			{"card_number": "4111111111111111", "card_expiry_date": "3012", "card_cvc": "12"}, {"card_number": object{}},
		} {
			w.refused(w.post("orders", orderWith(object{"type": "direct", "gateway": "VISA", "gateway_info": info})), 404, 1016)
		}
		w.refused(w.post("orders", orderWith(object{"type": "direct", "gateway": "DIRDEB", "gateway_info": object{"account_id": "NL1"}})), 404, 1016)
		old := card("4111111111111111")
		old["card_expiry_date"] = "2608"
		w.refused(w.post("orders", orderWith(object{"type": "direct", "gateway": "VISA", "gateway_info": old})), 404, 1024)
	})
}

// TestLenientInput is reference §1.3: what clients in the field send.
func TestLenientInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(object{
		"type": "direct", "order_id": 1042, "gateway": "aLiPay", "amount": "1000", "manual": "false", "days_active": "30", "seconds_active": nil, "description": "<b>x</b> & <i>y</i>",
		"payment_options": object{"redirect_url": "http://localhost:8080/r", "close_window": "", "cancel_url": nil, "notification_url": ""},
		"customer":        object{"locale": "cn_CN", "forwarded_ip": "", "firstname": "Simon", "lastname": "Smit", "country": "nl", "phone": 208500500, "unknown": object{"a": 1}},
		"plugin":          object{"shop": "x"}, "second_chance": nil, "gateway_info": object{}, "google_analytics": object{"account": "UA-1"}, "var1": 7, "custom_info": object{"custom_1": "a"},
		"delivery": object{"first_name": "S", "browser": object{"a": 1}}, "checkout_options": object{"tax_tables": []any{}, "validate_cart": "false"},
	})
	c := o["customer"].(object)
	if o["order_id"] != "1042" || o["amount"] != 1000.0 || o["description"] != "x & y" || c["first_name"] != "Simon" || c["last_name"] != "Smit" || c["country"] != "NL" || c["phone1"] != "208500500" || o["var1"] != "7" {
		t.Errorf("order %v", o)
	}
	if o["custom_info"].(object)["custom_1"] != "a" || o["custom_info"].(object)["custom_2"] != nil {
		t.Errorf("custom_info %v", o["custom_info"])
	}
	for name, change := range map[string]object{
		"type empty": {"type": ""}, "type missing": {"type": nil}, "link": {"type": "paymentlink"}, "checkout": {"type": "checkout"}, "no gateway": {"gateway": nil}, "gateway empty": {"gateway": ""},
		"fifty characters": {"order_id": strings.Repeat("é", 50)}, "two hundred": {"description": strings.Repeat("é", 200)}, "five hundred": {"var3": strings.Repeat("é", 500)},
		"dollars": {"currency": "usd"}, "one cent": {"amount": 1}, "manual": {"manual": false}, "close window": {"payment_options": object{"close_window": "true", "redirect_url": "https://x.example"}},
		"unknown member": {"frobnicate": []any{1, object{}}}, "split": {"affiliate": object{"split_payments": []any{object{"merchant": 1, "fixed": 10}}}},
	} {
		if r := w.post("orders", orderWith(change)); r.status != 200 || !sessionURL.MatchString(r.data()["payment_url"].(string)) {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	if o := w.create(object{"type": "checkout", "order_id": "fco"}); w.order("fco")["fastcheckout"] != "YES" {
		t.Errorf("checkout: %v", o)
	}
	w.settings("redirect_url", "https://shop.example/site?type=redirect", "notification_url", "https://shop.example/site")
	w.create(object{"payment_options": nil})
	w.settings("strict_urls", "true")
	w.refused(w.post("orders", orderWith(object{"payment_options": object{"notification_url": "http://shop.example/x"}})), 404, 1016)
	w.refused(w.post("orders", orderWith(object{"payment_options": object{"notification_url": "https://shop.example:8443/x"}})), 404, 1016)
	w.create(object{"payment_options": object{"notification_url": "https://shop.example/x-y_z.php"}})
	w.settings("currencies", "EUR, GBP")
	w.refused(w.post("orders", orderWith(object{"currency": "USD"})), 404, 1002)
	w.control("POST", "account", `{"methods_off": ["alipay"]}`)
	w.refused(w.post("orders", orderWith(nil)), 404, 1023)
}

// TestCart is reference §3.6 and §4.2, with the figures of the official Python
// suite.
func TestCart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cart := object{"items": []any{
		object{"name": "Candle <b>holder</b>", "unit_price": 90, "quantity": 3, "merchant_item_id": "1111", "tax_table_selector": "0.21", "weight": object{"unit": "kg", "value": 1}},
		object{"name": "Book", "unit_price": "35.00", "quantity": "1", "merchant_item_id": "2222", "tax_table_selector": 0.09},
		object{"name": "Shipping", "unit_price": 10.0, "quantity": 1, "merchant_item_id": "msp-shipping", "tax_table_selector": "0", "currency": "EUR"},
	}}
	checkout := object{"validate_cart": true, "tax_tables": object{"default": object{"shipping_taxed": "true", "rate": "0.21"}, "alternate": []any{
		object{"name": "0.21", "standalone": true, "rules": []any{object{"rate": 0.21, "country": ""}}},
		object{"name": "0.09", "standalone": false, "rules": []any{object{"rate": 0.09, "country": ""}}},
		object{"name": "0", "rules": []any{object{"rate": 0}}},
	}}}
	r := w.post("orders", orderWith(object{"type": "direct", "gateway": "IDEAL", "order_id": "cart", "amount": 37485, "shopping_cart": cart, "checkout_options": checkout}))
	o := w.must(r)
	if o["order_total"] != 374.85 || o["order_adjustment"].(object)["total_tax"] != 59.85 {
		t.Errorf("totals %v %v", o["order_total"], o["order_adjustment"])
	}
	items := o["shopping_cart"].(object)["items"].([]any)
	exactly(t, "item", object{
		"cashback": "", "currency": "", "description": "", "image": "", "merchant_item_id": "1111", "name": "Candle <b>holder</b>", "options": []any{}, "product_url": "",
		"quantity": "3", "tax_table_selector": "0.21", "unit_price": "90.0000000000", "weight": object{"unit": "kg", "value": "1"},
	}, items[0])
	exactly(t, "weight", object{"unit": nil, "value": nil}, items[1].(object)["weight"])
	exactly(t, "checkout_options", object{
		"default": object{"rate": "0.21", "shipping_taxed": true},
		"alternate": []any{
			object{"name": "0.21", "standalone": true, "rules": []any{object{"rate": "0.21", "country": ""}}},
			object{"name": "0.09", "standalone": "", "rules": []any{object{"rate": "0.09", "country": ""}}},
			object{"name": "0", "standalone": "", "rules": []any{object{"rate": "0", "country": ""}}},
		},
	}, o["checkout_options"])
	if s, _ := o["items"].(string); !strings.HasPrefix(s, "<table") || !strings.Contains(s, "Candle &lt;b&gt;holder&lt;/b&gt;") {
		t.Errorf("items %v", o["items"])
	}
	// A cart that does not fit the amount is accepted unless it is to be checked.
	checkout["validate_cart"] = false
	w.create(object{"type": "direct", "gateway": "PAYAFTER", "amount": 1887, "shopping_cart": cart, "checkout_options": checkout})
	// The page shows items as text.
	p := w.create(object{"items": `<ul><li>Tea</li><li><script>alert(1)</script>Biscuits</li></ul>`, "description": "Tea <b>time"})
	page := w.page(200, p["payment_url"].(string))
	if !strings.Contains(page, "<li dir=\"auto\">Tea</li>") || strings.Contains(page, "<script>") || !strings.Contains(page, "Tea &lt;b&gt;time") && !strings.Contains(page, "Tea time") {
		t.Errorf("items on the page: %s", page)
	}
}

// TestLifetimes is reference §3.12: how long links and transactions live.
func TestLifetimes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := wiretest.NewReceiver(t)
		hook.Answer(200, "OK")
		links := map[string]string{}
		for id, change := range map[string]object{
			"default": {}, "days": {"days_active": 2}, "seconds": {"seconds_active": "60", "days_active": 2}, "zero": {"seconds_active": 0, "days_active": "1"},
		} {
			change["order_id"], change["payment_options"] = id, notifying(hook)
			links[id] = w.create(change)["payment_url"].(string)
		}
		// Some methods' links live as long as they do, whatever the merchant asks.
		fixed := map[string]int{"PAYPAL": 14, "BANKTRANS": 60, "KLARNA": 30, "DIRDEB": 30, "PSAFECARD": 30}
		for gateway := range fixed {
			links[gateway] = w.create(object{"order_id": gateway, "gateway": gateway, "days_active": 1, "seconds_active": 60, "payment_options": object{"redirect_url": "https://shop.example/"}})["payment_url"].(string)
		}
		open := func(id string, status int) {
			t.Helper()
			if r := w.send("GET", strings.TrimPrefix(links[id], w.URL), "", nil); r.status != status {
				t.Errorf("link %s: %d, want %d", id, r.status, status)
			}
		}
		w.advance(59 * time.Second)
		open("seconds", 200)
		w.advance(time.Second)
		open("seconds", 410)
		w.is("seconds", "expired", "expired")
		if r := w.submit(links["seconds"], "gateway", "ALIPAY"); r.status != 410 {
			t.Errorf("choosing after the end: %d", r.status)
		}
		n := w.notified(hook)
		if len(n) != 1 || !strings.HasSuffix(n[0].Query, "&payload_type=pretransaction") {
			t.Fatalf("notified %d times: %v", len(n), n)
		}
		exactly(t, "pretransaction", object{
			"costs": []any{}, "created": "2026-09-10T03:00:00", "custom_info": object{"custom_1": nil, "custom_2": nil, "custom_3": nil}, "fastcheckout": "NO",
			"financial_status": nil, "modified": "2026-09-10T03:01:00", "order_id": "seconds", "payment_details": object{}, "payment_methods": nil, "status": "expired",
		}, n[0].Object)
		w.advance(24*time.Hour - 61*time.Second)
		open("zero", 200)
		w.advance(time.Second)
		open("zero", 410)
		open("days", 200)
		w.advance(24 * time.Hour)
		open("days", 410)
		// A transaction that has begun lives as long as its method says, and the
		// link goes on.
		wallet := w.choose(links["default"], "ALIPAY")
		w.advance(5*time.Hour - time.Second)
		w.is("default", "initialized", "initialized")
		w.advance(time.Second)
		w.is("default", "expired", "expired")
		if r := w.send("GET", wallet, "", nil); r.status != 302 || r.header.Get("Location") != strings.Replace(failure, "https://shop.example/back", "https://shop.example/back", 1)+"default" {
			t.Errorf("the wallet's page after its end: %d %v", r.status, r.header)
		}
		open("default", 200)
		first := w.order("default")["transaction_id"]
		w.decide(w.choose(links["default"], "ALIPAY"), "completed")
		if again := w.is("default", "completed", "completed"); again["transaction_id"] == first {
			t.Error("the second transaction has the first one's id")
		}
		passed := 2*24*time.Hour + 5*time.Hour
		for _, days := range []int{14, 30, 60} {
			for gateway, lives := range fixed {
				if lives == days {
					w.advance(time.Duration(days)*24*time.Hour - time.Second - passed)
					passed = time.Duration(days)*24*time.Hour - time.Second
					open(gateway, 200)
				}
			}
			w.advance(time.Second)
			passed += time.Second
			for gateway, lives := range fixed {
				if lives == days {
					open(gateway, 410)
				}
			}
		}
	})
}

// TestLinkOpenings: a link can begin twenty transactions (reference §3.12), each
// of them with an id of its own, and the last one is what the order says.
func TestLinkOpenings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link := w.create(object{"order_id": "often", "type": "paymentlink", "gateway": nil})["payment_url"].(string)
	seen := map[any]bool{}
	for i := range 20 {
		wallet := w.choose(link, []string{"ALIPAY", "IDEAL"}[i%2])
		if i%3 == 0 {
			w.decide(wallet, "declined")
			w.is("often", "declined", "declined")
		}
		id := w.order("often")["transaction_id"]
		if seen[id] {
			t.Errorf("transaction %v twice", id)
		}
		seen[id] = true
	}
	if r := w.submit(link, "gateway", "ALIPAY"); r.status != 410 {
		t.Errorf("opening 21: %d", r.status)
	}
	if l := w.get("orders/often/transactions").list(); len(l) != 20 || l[2].(object)["status"] != "void" {
		t.Errorf("%d transactions, one that was given up %v", len(l), l[2])
	}
}

// TestDuplicates is reference §3.11.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		a := w.create(object{"order_id": "dup"})["payment_url"].(string)
		b := w.create(object{"order_id": "dup"})["payment_url"].(string)
		c := w.create(object{"order_id": "dup", "type": "direct"})
		if a == b {
			t.Error("two orders share a session")
		}
		waiting := w.choose(a, "ALIPAY")
		if got := w.order("dup")["transaction_id"]; got != c["transaction_id"] {
			t.Errorf("the newest is %v, want %v", got, c["transaction_id"])
		}
		w.decide(w.choose(b, "ALIPAY"), "completed")
		paid := w.is("dup", "completed", "completed")
		if paid["transaction_id"] == c["transaction_id"] {
			t.Error("the order answers with a sibling that was not paid")
		}
		w.refused(w.post("orders", orderWith(object{"order_id": "dup"})), 404, 1006)
		// The others are void and take no money.
		if r := w.submit(waiting, "scenario", "completed"); r.header.Get("Location") != failure+"dup" {
			t.Errorf("paying a sibling: %d %v", r.status, r.header)
		}
		if r := w.send("GET", strings.TrimPrefix(a, w.URL), "", nil); r.status != 410 {
			t.Errorf("the link of a sibling: %d", r.status)
		}
		if r := w.submit(a, "gateway", "ALIPAY"); r.status != 410 {
			t.Errorf("choosing on a sibling: %d", r.status)
		}
		voids, done := 0, 0
		for _, x := range w.get("orders/dup/transactions").list() {
			switch x.(object)["status"] {
			case "void":
				voids++
			case "completed":
				done++
			}
		}
		if voids != 2 || done != 1 {
			t.Errorf("%d void and %d completed", voids, done)
		}
		w.is("dup", "completed", "completed")
		// An id whose order failed can be used again.
		for _, scenario := range []string{"declined", "cancelled", "expired"} {
			w.decide(w.create(object{"order_id": scenario, "type": "direct"})["payment_url"].(string), scenario)
			w.create(object{"order_id": scenario})
		}
		// By PSP id.
		if o := w.must(w.get(fmt.Sprintf("orders/%.0f", paid["transaction_id"]))); o["order_id"] != "dup" {
			t.Errorf("by PSP id: %v", o["order_id"])
		}
	})
}

// TestReturns is reference §11: where the payer goes when there is nowhere to
// go, or when the window closes itself.
func TestReturns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(object{"type": "direct", "order_id": "a b&c", "payment_options": object{"redirect_url": "https://shop.example/r#top", "cancel_url": "https://shop.example/c?x=%C3%A9&", "close_window": true}})
	r := w.submit(o["payment_url"].(string), "scenario", "completed")
	if r.status != 200 || !strings.Contains(string(r.body), "close.js") || r.header.Get("Refresh") != "1; url=https://shop.example/r?transactionid=a+b%26c#top" {
		t.Errorf("closing: %d %v %s", r.status, r.header, r.body)
	}
	if js := w.send("GET", "/connect/assets/close.js", "", nil); !strings.Contains(string(js.body), "window.close()") {
		t.Errorf("script: %s", js.body)
	}
	if csp := r.header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if o["cancel_url"] != "https://shop.example/c?x=%C3%A9&transactionid=a+b%26c" {
		t.Errorf("cancel_url %v", o["cancel_url"])
	}
	o = w.create(object{"type": "direct", "payment_options": object{"notification_url": "https://shop.example/n"}})
	if r := w.submit(o["payment_url"].(string), "scenario", "completed"); r.status != 200 || !strings.Contains(string(r.body), "This payment is finished") {
		t.Errorf("nowhere to go: %d %s", r.status, r.body)
	}
	// The payer gives up on the payment page.
	o = w.create(object{"order_id": "given up"})
	link := o["payment_url"].(string)
	if r := w.submit(link, "action", "cancel"); r.status != 303 || r.header.Get("Location") != failure+"given+up" {
		t.Errorf("cancel: %d %v", r.status, r.header)
	}
	w.is("given up", "cancelled", "cancelled")
	w.page(410, link)
	for _, address := range []string{"/connect/nobody/", "/connect/" + strings.Repeat("z", 35) + "/?lang=en_US", "/simulator/alipay/standard/auth.htm?auth_order_id=exc_zz", "/simulator/ideal?trxid=exc_" + strings.Repeat("0", 32), "/connect/assets/secret", "/connect/icons/nobody.svg", "/simulator/"} {
		if r := w.send("GET", address, "", nil); r.status != 404 || !strings.Contains(string(r.body), "Page not found") {
			t.Errorf("%s: %d %s", address, r.status, r.body)
		}
	}
	w.page(200, "/simulator/done")
	if r := w.send("GET", "/connect/icons/alipay.svg", "", nil); r.status != 200 || r.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(string(r.body), "Alipay") {
		t.Errorf("icon: %d %s", r.status, r.body)
	}
	// Another site cannot decide for the payer.
	fresh := w.create(nil)["payment_url"].(string)
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
	if r := w.send("POST", strings.TrimPrefix(fresh, w.URL), "gateway=ALIPAY", h); r.status != 403 {
		t.Errorf("from another site: %d", r.status)
	}
	if r := w.submit(fresh, "gateway", "SHELLS"); r.status != 400 {
		t.Errorf("unknown method: %d", r.status)
	}
}

// TestLanguages: the page speaks the order's language unless the visitor changes
// it (reference §3.9).
func TestLanguages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ locale, lang, says string }{
		{"zh_CN", "zh_CN", "付款"}, {"cn_CN", "en_US", "付款"}, {"nl_NL", "nl_NL", "Annuleren"}, {"nl_BE", "nl_BE", "Annuleren"}, {"en_US", "en_US", "Cancel"}, {"de_DE", "de_DE", "Abbrechen"},
		{"at_AT", "at_AT", "Abbrechen"}, {"fr_BE", "fr_BE", "Annuler"}, {"ar_AR", "ar_AR", `dir="rtl"`}, {"he_IL", "he_IL", "ביטול"}, {"ja_JP", "ja_JP", "キャンセル"},
		{"xx_YY", "en_US", "Cancel"}, {"", "en_US", "Cancel"},
	} {
		link := w.create(object{"customer": object{"locale": c.locale}})["payment_url"].(string)
		if !strings.HasSuffix(link, "?lang="+c.lang) {
			t.Errorf("%s: %s", c.locale, link)
		}
		if page := w.page(200, link); !strings.Contains(page, c.says) {
			t.Errorf("%s does not say %s", c.locale, c.says)
		}
		if page := w.page(200, strings.Replace(link, "lang="+c.lang, "lang=nl_NL", 1)); !strings.Contains(page, "Annuleren") {
			t.Errorf("%s, changed to Dutch", c.locale)
		}
	}
}
