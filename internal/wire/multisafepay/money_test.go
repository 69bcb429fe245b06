package multisafepay_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

func (w *world) refund(id, body string) object {
	w.t.Helper()
	return w.must(w.post("orders/"+url.PathEscape(id)+"/refunds", body))
}

// related returns the related transaction of an index.
func related(o object, i int) object {
	l, _ := o["related_transactions"].([]any)
	if i >= len(l) {
		return object{}
	}
	return l[i].(object)
}

// TestRefunds is reference §6: partial, full, cancelled in time, passed on at
// midnight in Amsterdam.
func TestRefunds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := wiretest.NewReceiver(t)
		hook.Answer(200, "OK")
		paid := w.paid(object{"order_id": "r", "payment_options": notifying(hook)})
		w.advance(10 * time.Second)
		got := w.refund("r", `{"currency":"EUR","amount":"100","description":"one <b>cup</b>","refund_order_id":"r-1","var1":"x","checkout_data":{"items":[]}}`)
		if got["transaction_id"] != paid["transaction_id"] || got["order_id"] != "r" || got["refund_id"] == nil || got["refund_id"] == got["transaction_id"] {
			t.Errorf("answer %v", got)
		}
		o := w.is("r", "partial_refunded", "completed")
		if o["amount_refunded"] != 100.0 || o["modified"] != "2026-09-10T03:00:10" || o["modified"] == paid["modified"] {
			t.Errorf("after a refund: %v, modified %v", o["amount_refunded"], o["modified"])
		}
		child := related(o, 0)
		for k, want := range (object{
			"type": "refund", "status": "reserved", "amount": 100.0, "currency": "EUR", "description": "one cup", "transaction_id": got["refund_id"], "reference_transaction_id": paid["transaction_id"],
			"refund_order_id": "r-1", "order_id": "r", "created": "2026-09-10T03:00:10",
		}) {
			if child[k] != want {
				t.Errorf("related %s is %v, want %v", k, child[k], want)
			}
		}
		// The refund is an order of its own.
		if own := w.is("r-1", "reserved", "reserved"); own["amount"] != 100.0 || own["transaction_id"] != got["refund_id"] || own["var1"] != "x" || own["description"] != "one cup" || own["completed"] != nil || own["auth_order_id"] != nil {
			t.Errorf("refund as an order: %v", own)
		}
		if own := w.order(fmt.Sprintf("%.0f", got["refund_id"])); own["order_id"] != "r-1" {
			t.Errorf("by its PSP id: %v", own["order_id"])
		}
		w.refused(w.post("orders", orderWith(object{"order_id": "r-1"})), 404, 1006)
		// Pressed twice.
		w.refused(w.post("orders/r/refunds", `{"currency":"EUR","amount":100}`), 404, 1034)
		w.advance(5 * time.Minute)
		second := w.refund("r", `{"currency":"EUR","amount":100}`)
		if d := related(w.order("r"), 1)["description"]; d != fmt.Sprintf("Refund order %.0f for Ducat sandbox", paid["transaction_id"]) {
			t.Errorf("description %v", d)
		}
		// Taken back in time.
		void := fmt.Sprintf("orders/r/refunds/%.0f", second["refund_id"])
		if r := w.patch(void, `{"status":"void","description":"x"}`); r.status != 200 || len(r.data()) != 0 {
			t.Errorf("cancel: %s", r.body)
		}
		if o := w.is("r", "partial_refunded", "completed"); o["amount_refunded"] != 100.0 || related(o, 1)["status"] != "void" {
			t.Errorf("after the cancellation: %v %v", o["amount_refunded"], related(o, 1))
		}
		w.refused(w.patch(void, `{"status":"void"}`), 404, 1034)
		// Midnight in Amsterdam is 21 hours after the world begins.
		w.advance(21*time.Hour - 5*time.Minute - 11*time.Second)
		if s := related(w.order("r"), 0)["status"]; s != "reserved" {
			t.Errorf("a second before midnight: %v", s)
		}
		w.advance(time.Second)
		if s := related(w.order("r"), 0)["status"]; s != "completed" {
			t.Errorf("at midnight: %v", s)
		}
		w.refused(w.patch(fmt.Sprintf("orders/r/refunds/%.0f", got["refund_id"]), `{"status":"void"}`), 404, 1034)
		// All that is left.
		w.refund("r", `{"currency":"EUR","amount":""}`)
		if o := w.is("r", "refunded", "completed"); o["amount_refunded"] != 1000.0 {
			t.Errorf("all: %v", o["amount_refunded"])
		}
		w.refused(w.post("orders/r/refunds", `{"currency":"EUR"}`), 404, 1034)
		list := w.get("orders/r/refunds").list()
		if len(list) != 3 || list[0].(object)["order_id"] != "r-1" || list[0].(object)["status"] != "completed" || list[1].(object)["status"] != "void" || list[2].(object)["status"] != "reserved" {
			t.Errorf("list %v", list)
		}
		told := map[any][]wiretest.Received{}
		for _, n := range w.notified(hook) {
			told[n.Object["order_id"]] = append(told[n.Object["order_id"]], n)
		}
		if got := statuses(told["r"]); got != "completed/completed completed/completed"+strings.Repeat(" partial_refunded/completed", 4) {
			t.Errorf("notified %s", got)
		}
		if got := statuses(told["r-1"]); got != "reserved/reserved completed/completed" {
			t.Errorf("notified of the refund %s", got)
		}
	})
}

// TestRefundTiming: the site can have refunds done at once, or left to be
// decided; a refund that fails gives the money back.
func TestRefundTiming(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.control("POST", "account", `{"refund_synchronous": true}`)
	w.paid(object{"order_id": "instant"})
	w.refund("instant", `{"currency":"EUR","amount":1}`)
	if s := related(w.order("instant"), 0)["status"]; s != "completed" {
		t.Errorf("at once: %v", s)
	}
	w.control("POST", "account", `{"refund_synchronous": false}`)
	w.control("POST", "script", `{"rules":[{"on":"refund","do":"decline","times":1},{"on":"refund","do":"pending","times":1}]}`)
	w.paid(object{"order_id": "fails"})
	w.refund("fails", `{"currency":"EUR","amount":400}`)
	w.is("fails", "partial_refunded", "completed")
	w.advance(24 * time.Hour)
	if o := w.is("fails", "completed", "completed"); o["amount_refunded"] != 0.0 || related(o, 0)["status"] != "declined" {
		t.Errorf("after the failure: %v", o)
	}
	w.refund("fails", `{"currency":"EUR","amount":400}`)
	w.advance(48 * time.Hour)
	if s := related(w.order("fails"), 1)["status"]; s != "reserved" {
		t.Errorf("left to be decided: %v", s)
	}
}

// TestRefundReturned: money that had reached the payer comes back.
func TestRefundReturned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.control("POST", "script", `{"rules":[{"on":"refund","do":"return","delay_seconds":3600,"times":1}]}`)
	w.paid(object{"order_id": "back"})
	w.refund("back", `{"currency":"EUR","amount":400}`)
	if o := w.is("back", "partial_refunded", "completed"); o["amount_refunded"] != 400.0 || related(o, 0)["status"] != "completed" {
		t.Errorf("refunded: %v", o)
	}
	w.advance(time.Hour)
	if o := w.is("back", "completed", "completed"); o["amount_refunded"] != 0.0 || related(o, 0)["status"] != "declined" {
		t.Errorf("after it came back: %v", o)
	}
}

// TestRefundByItem is what the official Python SDK sends: for a card the amount
// decides, for what is paid later the mirrored lines do (reference §6.1).
func TestRefundByItem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := object{"name": "Tea", "unit_price": 100, "quantity": 3, "merchant_item_id": "a", "tax_table_selector": "none"}
	cart := `{"items":[{"name":"Tea","unit_price":100,"quantity":3,"tax_table_selector":"none"},{"name":"Tea","unit_price":%s,"quantity":%s,"tax_table_selector":"none"}]}`
	card := object{"card_number": "4111111111111111", "card_expiry_date": "3012", "card_cvc": "123"}
	w.create(object{"type": "direct", "order_id": "card", "gateway": "VISA", "amount": 30000, "gateway_info": card, "shopping_cart": object{"items": []any{item}}})
	w.refund("card", `{"currency":"EUR","amount":30000,"checkout_data":`+fmt.Sprintf(cart, "-100", "1")+`}`)
	if o := w.is("card", "refunded", "completed"); o["amount_refunded"] != 30000.0 {
		t.Errorf("card: %v", o["amount_refunded"])
	}
	for id, c := range map[string][2]string{"by price": {"-100", "1"}, "by quantity": {"100", "-1"}} {
		w.create(object{"type": "direct", "order_id": id, "gateway": "KLARNA", "amount": 30000, "shopping_cart": object{"items": []any{item}}})
		w.refused(w.post("orders/"+url.PathEscape(id)+"/refunds", `{"currency":"EUR"}`), 404, 1034) // nothing was captured
		w.must(w.patch("orders/"+url.PathEscape(id), `{"status":"shipped"}`))
		w.refund(id, `{"currency":"EUR","amount":30000,"checkout_data":`+fmt.Sprintf(cart, c[0], c[1])+`}`)
		if o := w.is(id, "partial_refunded", "completed"); o["amount_refunded"] != 10000.0 {
			t.Errorf("%s: %v", id, o["amount_refunded"])
		}
	}
	w.refused(w.post("orders/card/refunds", `{"currency":"EUR","checkout_data":"x"}`), 404, 1034)
}

// TestPatch is reference §5: what each change does in each state.
func TestPatch(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := wiretest.NewReceiver(t)
		hook.Answer(200, "OK")
		card := func(n string) object {
			return object{"card_number": n, "card_expiry_date": "3012", "card_cvc": "123"}
		}
		change := func(id, body string) {
			t.Helper()
			if r := w.patch("orders/"+id, body); r.status != 200 || len(r.data()) != 0 {
				t.Errorf("patch %s %s: %d %s", id, body, r.status, r.body)
			}
		}
		// Shipped.
		w.create(object{"type": "direct", "order_id": "visa", "gateway": "VISA", "gateway_info": card("4111111111111111"), "payment_options": notifying(hook)})
		change("visa", `{"id":"visa","status":"shipped","tracktrace_code":"3SXXXX","tracktrace_url":"https://post.example/3S","carrier":"PostNL","ship_date":"01-01-1911","po_number":"po","reason":"r","memo":"m","invoice_id":"i-1","invoice_url":"https://shop.example/i-1"}`)
		o := w.is("visa", "shipped", "completed")
		for k, want := range (object{"tracktrace_code": "3SXXXX", "carrier": "PostNL", "invoice_id": "i-1", "invoice_url": "https://shop.example/i-1"}) {
			if o[k] != want {
				t.Errorf("%s is %v", k, o[k])
			}
		}
		change("visa", `{"status":"shipped"}`)
		change("visa", `{"invoice_id":"i-2"}`)
		w.advance(3 * time.Second)
		if got := statuses(w.notified(hook)); got != "shipped/completed shipped/completed" {
			t.Errorf("notified %s", got)
		}
		w.create(object{"type": "direct", "order_id": "review", "gateway": "VISA", "gateway_info": card("4462000000000003")})
		change("review", `{"status":"shipped"}`)
		w.is("review", "shipped", "uncleared")
		w.advance(3 * time.Minute)
		w.is("review", "shipped", "completed")
		// Bought now, paid later: shipping captures.
		w.create(object{"type": "direct", "order_id": "later", "gateway": "PAYAFTER"})
		w.is("later", "completed", "uncleared")
		change("later", `{"status":"shipped"}`)
		w.is("later", "shipped", "completed")
		// Cancelled.
		link := w.create(object{"order_id": "pre", "payment_options": notifying(hook)})["payment_url"].(string)
		change("pre", `{"status":"cancelled","exclude_order":1}`)
		w.is("pre", "cancelled", "cancelled")
		w.page(410, link)
		w.advance(time.Second)
		n := w.notified(hook)
		if last := n[len(n)-1]; last.Object["status"] != "cancelled" || last.Object["financial_status"] != nil || !strings.HasSuffix(last.Query, "payload_type=pretransaction") {
			t.Errorf("pretransaction: %s %s", last.Query, last.Body)
		}
		change("pre", `{"status":"cancelled"}`)
		w.create(object{"order_id": "excluded"})
		change("excluded", `{"exclude_order":true}`)
		w.is("excluded", "cancelled", "cancelled")
		link = w.create(object{"order_id": "begun"})["payment_url"].(string)
		wallet := w.choose(link, "ALIPAY")
		change("begun", `{"status":"cancelled"}`)
		w.is("begun", "void", "cancelled")
		w.page(410, link)
		if r := w.submit(wallet, "scenario", "completed"); r.header.Get("Location") != failure+"begun" {
			t.Errorf("paying what was cancelled: %v", r.header)
		}
		w.create(object{"type": "direct", "order_id": "doubt", "gateway": "VISA", "gateway_info": card("4462000000000003")})
		change("doubt", `{"status":"cancelled"}`)
		w.is("doubt", "void", "cancelled")
		w.advance(3 * time.Minute) // the wallet's word comes too late, and the money goes back
		w.is("doubt", "void", "cancelled")
		change("doubt", `{"status":"shipped"}`)
		w.is("doubt", "void", "cancelled")
	})
}

// TestCapture is reference §7.
func TestCapture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		reserve := func(id, gateway string) object {
			t.Helper()
			return w.create(object{"type": "direct", "order_id": id, "gateway": gateway, "capture": "manual", "gateway_info": object{"card_number": "4111111111111111", "card_expiry_date": "3012", "card_cvc": "123"}})
		}
		o := reserve("full", "VISA")
		d := o["payment_details"].(object)
		if o["status"] != "completed" || o["financial_status"] != "initialized" || d["capture"] != "manual" || d["capture_expiry"] != "2026-09-17T03:00:00" || d["capture_remain"] != 1000.0 {
			t.Errorf("authorised: %v %v", o, d)
		}
		w.refused(w.post("orders/full/refunds", `{"currency":"EUR","amount":1}`), 404, 1034)
		w.refused(w.post("orders/full/capture", `{"amount":1001}`), 404, 1001)
		got := w.must(w.post("orders/full/capture", `{"amount":1000,"new_order_id":"full-1","new_order_status":"completed","invoice_id":"","carrier":"x","reason":"","memo":""}`))
		if got["order_id"] != "full" || got["transaction_id"] != o["transaction_id"] {
			t.Errorf("full capture: %v", got)
		}
		if d := w.is("full", "completed", "completed")["payment_details"].(object); d["capture_remain"] != 0.0 {
			t.Errorf("after the capture: %v", d)
		}
		w.refused(w.post("orders/full/capture", `{"amount":1}`), 404, 1006)

		reserve("part", "MASTERCARD")
		if got := w.must(w.post("orders/part/capture", `{"amount":"10","new_order_id":"part-1"}`)); got["order_id"] != "part-1" {
			t.Errorf("partial capture: %v", got)
		}
		w.is("part", "completed", "initialized")
		for range 2 {
			if got := w.must(w.patch("capture/part", `{"status":"cancelled","reason":"x","description":"y"}`)); got["success"] != true || got["order_id"] != "part" {
				t.Errorf("cancelling the rest: %v", got)
			}
		}
		w.is("part", "completed", "completed")
		w.refund("part", `{"currency":"EUR"}`)
		if o := w.is("part", "refunded", "completed"); o["amount_refunded"] != 10.0 {
			t.Errorf("refunded %v of what was captured", o["amount_refunded"])
		}

		reserve("let go", "VISA")
		w.must(w.patch("capture/let%20go", `{"status":"cancelled"}`))
		w.is("let go", "void", "void")
		w.refused(w.post("orders/let%20go/capture", `{}`), 404, 1006)
		w.refused(w.patch("capture/let%20go", `{"status":"cancelled"}`), 404, 1006)
		// As the published example has it: no gateway, so the page offers those that
		// can authorise only.
		link := w.create(object{"order_id": "page", "gateway": "", "capture": "manual"})["payment_url"].(string)
		if page := w.page(200, link); strings.Contains(page, `value="ALIPAY"`) || !strings.Contains(page, `value="VISA"`) {
			t.Error("the page offers what cannot be captured later")
		}
		if r := w.submit(link, "gateway", "ALIPAY"); r.status != 400 {
			t.Errorf("Alipay, captured later: %d", r.status)
		}
		w.decide(w.choose(link, "VISA"), "completed")
		w.is("page", "completed", "initialized")
		w.must(w.post("orders/page/capture", `{}`))
		w.is("page", "completed", "completed")
		reserve("shipped", "VISA")
		w.must(w.patch("orders/shipped", `{"status":"shipped"}`))
		w.is("shipped", "shipped", "initialized")
		reserve("visa", "VISA")
		reserve("maestro", "MAESTRO")
		w.advance(7 * 24 * time.Hour)
		w.is("visa", "void", "void")
		w.is("maestro", "completed", "initialized")
		w.refused(w.post("orders/visa/capture", `{}`), 404, 1006)
		w.advance(23 * 24 * time.Hour)
		w.is("maestro", "void", "void")
	})
}

// TestCaptureInParts: an authorisation is captured in several parts, each an
// order of its own; the rest is let go, expires, or is the last part (reference
// §7, §4.2, §4.6).
func TestCaptureInParts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := wiretest.NewReceiver(t)
		hook.Answer(200, "OK")
		reserve := func(id string) object {
			return w.create(object{
				"type": "direct", "order_id": id, "gateway": "VISA", "capture": "manual", "payment_options": notifying(hook),
				"gateway_info": object{"card_number": "4111111111111111", "card_expiry_date": "3012", "card_cvc": "123"},
			})
		}
		remain := func(id string, want float64) object {
			t.Helper()
			o := w.order(id)
			if d := o["payment_details"].(object); d["capture_remain"] != want || (d["capture_expiry"] != nil) != (want > 0) {
				t.Errorf("%s: %v, want %v left", id, d, want)
			}
			return o
		}
		whole := reserve("a")
		first := w.must(w.post("orders/a/capture", `{"amount":300,"new_order_id":"a-1","new_order_status":"completed","description":"First parcel"}`))
		if first["order_id"] != "a-1" || first["transaction_id"] == whole["transaction_id"] {
			t.Errorf("first part: %v", first)
		}
		w.is("a", "completed", "initialized")
		remain("a", 700)
		got := w.is("a-1", "completed", "completed")
		if got["amount"] != 300.0 || got["auth_order_id"] != "a" || got["transaction_id"] != first["transaction_id"] || got["description"] != "First parcel" ||
			got["payment_details"].(object)["capture"] != nil || got["payment_details"].(object)["last4"] != "1111" || got["payment_methods"].([]any)[0].(object)["amount"] != 300.0 {
			t.Errorf("the part as an order: %v", got)
		}
		// Its id is used, as any other's.
		w.refused(w.post("orders", orderWith(object{"order_id": "a-1"})), 404, 1006)
		w.refused(w.post("orders/a/capture", `{"amount":100,"new_order_id":"a-1"}`), 404, 1006)
		w.refused(w.post("orders/a/capture", `{"amount":701,"new_order_id":"a-x"}`), 404, 1001)
		remain("a", 700)
		// What was captured can go back while the rest is held; what is held cannot.
		w.refused(w.post("orders/a/refunds", `{"currency":"EUR","amount":301}`), 404, 1034)
		w.must(w.post("orders/a-1/refunds", `{"currency":"EUR","amount":300}`))
		if o := w.is("a", "partial_refunded", "initialized"); o["amount_refunded"] != 300.0 {
			t.Errorf("refunded %v", o["amount_refunded"])
		}
		w.refused(w.patch("orders/a", `{"status":"cancelled"}`), 404, 1034)
		// A part without an id of its own, then all that is left.
		second := w.must(w.post("orders/a/capture", `{"amount":"200"}`))
		if second["order_id"] != "a" || second["transaction_id"] == whole["transaction_id"] {
			t.Errorf("second part: %v", second)
		}
		w.must(w.post("orders/a/capture", `{"new_order_id":"a-3"}`))
		w.is("a", "partial_refunded", "completed")
		o := remain("a", 0)
		var parts []string
		for _, r := range o["related_transactions"].([]any) {
			c := r.(object)
			parts = append(parts, fmt.Sprint(c["type"], " ", c["amount"], " ", c["order_id"], " ", c["status"]))
		}
		if got, want := strings.Join(parts, ", "), "capture 300 a-1 completed, refund 300 a reserved, capture 200 a completed, capture 500 a-3 completed"; got != want {
			t.Errorf("related %s\nwant %s", got, want)
		}
		w.refused(w.post("orders/a/capture", `{"amount":1}`), 404, 1006)
		if l := w.get("transactions?type=capture").list(); len(l) != 3 {
			t.Errorf("captures: %v", l)
		}

		reserve("b")
		w.must(w.post("orders/b/capture", `{"amount":400,"new_order_id":"b-1"}`))
		w.must(w.patch("capture/b", `{"status":"cancelled","reason":"sold out"}`))
		w.is("b", "completed", "completed")
		if c := related(remain("b", 0), 1); c["type"] != "auth-cancellation" || c["amount"] != 600.0 || c["status"] != "void" {
			t.Errorf("the rest: %v", c)
		}
		w.refused(w.post("orders/b/capture", `{"amount":1}`), 404, 1006)

		reserve("c")
		w.must(w.post("orders/c/capture", `{"amount":400,"new_order_id":"c-1"}`))
		reserve("d")
		w.must(w.post("orders/d/capture", `{"amount":100,"new_order_id":"d-1"}`))
		w.control("POST", "script", `{"rules":[{"on":"capture","do":"decline","times":1}]}`)
		w.refused(w.post("orders/d/capture", `{"amount":100,"new_order_id":"d-2"}`), 404, 1024)
		w.is("d", "completed", "completed") // the rest went back
		w.refused(w.get("orders/d-2"), 404, 1006)
		reserve("e")
		w.control("POST", "script", `{"rules":[{"on":"capture","do":"decline","times":1}]}`)
		w.refused(w.post("orders/e/capture", `{}`), 404, 1024)
		w.is("e", "declined", "declined")
		w.advance(7 * 24 * time.Hour)
		w.is("c", "completed", "completed")
		if c := related(remain("c", 0), 1); c["type"] != "auth-cancellation" || c["amount"] != 600.0 || !strings.Contains(c["description"].(string), "expired") {
			t.Errorf("the rest: %v", c)
		}
		if seen := statuses(w.notified(hook)); !strings.Contains(seen, "completed/initialized") || !strings.Contains(seen, "completed/completed") {
			t.Errorf("notified %s", seen)
		}
	})
}

// TestSplitPayments: parts of an order are booked for other accounts (reference
// §3.2, §8.3).
func TestSplitPayments(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		partners := func() (sum int64) {
			t.Helper()
			if err := w.Store.View(t.Context(), w.merchantID(), func(r store.Reader) error {
				b, err := r.Balances()
				sum = b[ledger.Key{Account: ledger.Partners, Currency: "EUR"}]
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return sum
		}
		splits := func(list ...any) object { return object{"split_payments": list} }
		both := splits(object{"merchant": 1001001, "fixed": 112, "description": "Fixed fee"}, object{"merchant": "1001002", "percentage": "11.2"})
		o := w.paid(object{"order_id": "s", "affiliate": both})
		if got := partners(); got != 224 {
			t.Errorf("booked for others: %d", got)
		}
		costs := o["costs"].([]any)
		if len(costs) != 3 || costs[1].(object)["amount"] != 1.12 || costs[1].(object)["description"] != "Fixed fee" || costs[2].(object)["type"] != "internal" || costs[2].(object)["amount"] != 1.12 {
			t.Errorf("costs %v", costs)
		}
		l := w.get("transactions?type=payment").list()[0].(object)
		dst := l["costs"].([]any)[2].(object)
		if l["net"] != 1000-59-224.0 || dst["dst"] != "1001002" || dst["amount"] != 112.0 {
			t.Errorf("listed %v", l)
		}
		w.refund("s", `{"currency":"EUR"}`)
		if got := partners(); got != 224 {
			t.Errorf("after a refund: %d", got)
		}
		// Percentages are of what was captured; nothing is booked before that is known.
		w.create(object{"type": "direct", "order_id": "m", "gateway": "VISA", "capture": "manual", "affiliate": splits(object{"merchant": 1, "percentage": 10}, object{"merchant": 2, "fixed": 700}),
			"gateway_info": object{"card_number": "4111111111111111", "card_expiry_date": "3012"}})
		w.must(w.post("orders/m/capture", `{"amount":500}`))
		if got := partners(); got != 224 {
			t.Errorf("before the rest is let go: %d", got)
		}
		w.must(w.patch("capture/m", `{"status":"cancelled"}`))
		if got := partners(); got != 224+500 {
			t.Errorf("with 500 captured: %d", got)
		}
		// Without a fee the shares are the only costs.
		w.control("POST", "account", `{"fee_basis_points":0,"fee_fixed":0}`)
		if c := w.paid(object{"affiliate": splits(object{"merchant": 1, "percentage": 0.05})})["costs"].([]any); len(c) != 1 || c[0].(object)["amount"] != 0.01 {
			t.Errorf("costs %v", c)
		}
		for name, c := range map[string]struct {
			part object
			code int
		}{
			"no account": {object{"fixed": 1}, 1003}, "account": {object{"merchant": -1, "fixed": 1}, 1003}, "nothing": {object{"merchant": 1}, 1001}, "zero": {object{"merchant": 1, "fixed": 0}, 1001},
			"zero percent": {object{"merchant": 1, "percentage": 0}, 1001}, "percent": {object{"merchant": 1, "percentage": 100.1}, 1001}, "words": {object{"merchant": 1, "percentage": "x"}, 1001},
			"too much": {object{"merchant": 1, "fixed": 1001}, 1001}, "together": {object{"merchant": 1, "fixed": 1, "percentage": 100}, 1001}, "fraction": {object{"merchant": 1, "fixed": 1.5}, 1001},
			"description": {object{"merchant": 1, "fixed": 1, "description": strings.Repeat("x", 201)}, 1008},
		} {
			if r := w.post("orders", orderWith(object{"affiliate": splits(c.part)})); r.obj["error_code"] != float64(c.code) {
				t.Errorf("%s: %s", name, r.body)
			}
		}
		w.refused(w.post("orders", orderWith(object{"affiliate": object{"split_payments": "x"}})), 404, 1016)
	})
}

// TestPartialShipments: what the payer pays for later is captured parcel by
// parcel (reference §5).
func TestPartialShipments(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		dutch := object{"locale": "nl_NL", "country": "NL"}
		o := w.create(object{"type": "direct", "order_id": "k", "gateway": "KLARNA", "customer": dutch})
		w.is("k", "completed", "uncleared")
		name := fmt.Sprintf("case-%.0f-0001", o["transaction_id"])
		if got := w.must(w.patch("orders/k", `{"status":"shipped","amount":400,"tracktrace_code":"3S"}`)); got["order_id"] != name || got["transaction_id"] == o["transaction_id"] {
			t.Errorf("first parcel: %v", got)
		}
		if o := w.is("k", "completed", "uncleared"); o["tracktrace_code"] != "3S" {
			t.Errorf("after the first parcel: %v", o)
		}
		if c := w.is(name, "completed", "completed"); c["amount"] != 400.0 || c["auth_order_id"] != "k" {
			t.Errorf("the case: %v", c)
		}
		w.refused(w.patch("orders/k", `{"partial_shipment_amount":601}`), 404, 1001)
		w.refused(w.patch("orders/k", `{"partial_shipment_amount":0}`), 404, 1001)
		w.refused(w.patch("orders/k", `{"partial_shipment_amount":"x"}`), 404, 1001)
		w.refused(w.patch("orders/k", `{"status":"cancelled","amount":1}`), 404, 1016)
		w.must(w.patch("orders/k", `{"partial_shipment_amount":"100"}`))
		w.must(w.patch("orders/k", `{"status":"shipped"}`)) // the rest
		if o := w.is("k", "shipped", "completed"); len(o["related_transactions"].([]any)) != 3 || related(o, 2)["amount"] != 500.0 {
			t.Errorf("all parcels: %v", o["related_transactions"])
		}
		w.refused(w.patch("orders/k", `{"amount":1}`), 404, 1006)
		w.paid(object{"order_id": "alipay"})
		w.refused(w.patch("orders/alipay", `{"amount":1}`), 404, 1016)
		w.create(object{"order_id": "open"})
		w.refused(w.patch("orders/open", `{"amount":1}`), 404, 1006)
	})
}

// TestChargebacks: raised and decided through the control API (reference §4.6,
// §9.2).
func TestChargebacks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := wiretest.NewReceiver(t)
		hook.Answer(200, "OK")
		for _, outcome := range []string{"won", "lost"} {
			paid := w.create(object{"type": "direct", "order_id": outcome, "gateway": "DIRDEB", "gateway_info": object{"account_id": "NL87ABNA0000000001"}, "payment_options": notifying(hook)})
			w.advance(2 * time.Minute)
			d := w.control("POST", "disputes", `{"id":"`+outcome+`","reason":"MD06"}`)
			if d["amount"] != 1000.0 {
				t.Errorf("dispute %v", d)
			}
			o := w.is(outcome, "chargedback", "void")
			c := related(o, 0)
			if c["type"] != "chargeback" || c["amount"] != 1000.0 || c["reference_transaction_id"] != paid["transaction_id"] || c["dispute"].(object)["reason_code"] != "MD06" || c["dispute"].(object)["status"] != "open" {
				t.Errorf("chargeback %v", c)
			}
			w.refused(w.post("orders/"+outcome+"/refunds", `{"currency":"EUR","amount":1}`), 404, 1034)
			w.must(w.post("orders/"+outcome+"/files", `{"type":"PDF","base64":"JVBERg==","name":"proof.pdf","description":"proof"}`))
			w.control("POST", "disputes/close", `{"id":"`+outcome+`","outcome":"`+outcome+`"}`)
		}
		o := w.is("won", "completed", "completed")
		if c := related(o, 1); c["type"] != "reverse-chargeback" || c["amount"] != 1000.0 {
			t.Errorf("reversed: %v", c)
		}
		if c := related(w.is("lost", "chargedback", "void"), 0); c["dispute"].(object)["status"] != "closed" {
			t.Errorf("lost: %v", c)
		}
		w.advance(time.Second)
		seen := statuses(w.notified(hook))
		if !strings.Contains(seen, "chargedback/void") || !strings.Contains(seen, "completed/completed") {
			t.Errorf("notified %s", seen)
		}
		if l := w.get("transactions?status=chargeback").list(); len(l) != 1 {
			t.Errorf("filtered by chargeback: %v", l)
		}
		if l := w.get("transactions?type=chargeback&debit_credit=D").list(); len(l) != 2 {
			t.Errorf("chargebacks: %v", l)
		}
		status, _ := w.Control(w.t, w.auth(), "POST", "disputes", `{"id":"nobody"}`)
		if status != 404 {
			t.Errorf("dispute about nothing: %d", status)
		}
	})
}

// TestTentative: with alipay.settle_after a paid order stays financially
// initialized until the clock gets there, and the merchant is told twice
// (reference §10.3).
func TestTentative(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := wiretest.NewReceiver(t)
	hook.Answer(200, "OK")
	w.settings("alipay.settle_after", "3600")
	w.paid(object{"order_id": "t", "payment_options": notifying(hook)})
	w.is("t", "completed", "initialized")
	w.advance(time.Hour - time.Second)
	w.is("t", "completed", "initialized")
	w.advance(time.Second)
	w.is("t", "completed", "completed")
	if got := statuses(w.notified(hook)); !strings.HasSuffix(got, "completed/initialized completed/completed") {
		t.Errorf("notified %s", got)
	}
	w.settings("costs", "fees_only")
	if o := w.create(object{"type": "direct"}); len(o["costs"].([]any)) != 0 {
		t.Errorf("costs before a fee is known: %v", o["costs"])
	}
}
