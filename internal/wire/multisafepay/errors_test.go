package multisafepay_test

import (
	"strings"
	"testing"
)

func with(base, change object) object {
	out := object{}
	for k, v := range base {
		out[k] = v
	}
	for k, v := range change {
		out[k] = v
	}
	return out
}

// TestErrorCatalogue has a row for each code of reference §1.6 that a merchant
// can bring about, with what brings it about. Codes that are deprecated, or
// about wallets and signatures that this API no longer has, cannot be met.
func TestErrorCatalogue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.paid(object{"order_id": "paid"})
	items := func(change object) object {
		return object{"items": []any{with(object{"name": "Tea", "unit_price": 10, "quantity": 1, "tax_table_selector": "none"}, change)}}
	}
	customer := func(change object) object { return with(object{"locale": "en_US"}, change) }
	options := func(change object) object {
		return with(object{"redirect_url": "https://shop.example/"}, change)
	}
	for _, c := range []struct {
		name   string
		change object
		code   int
		text   string // how error_info begins
	}{
		{"amount missing", object{"amount": nil}, 1001, "Invalid amount"},
		{"amount null", object{"amount": []any{}}, 1001, "Invalid amount"},
		{"amount zero", object{"amount": 0}, 1001, "Invalid amount"},
		{"amount negative", object{"amount": -1}, 1001, "Invalid amount"},
		{"amount fraction", object{"amount": 10.5}, 1001, "Invalid amount"},
		{"amount text", object{"amount": "ten"}, 1001, "Invalid amount"},
		{"amount huge", object{"amount": 10_000_000_000}, 1001, "Invalid amount"},
		{"amount object", object{"amount": object{}}, 1001, "Invalid amount"},
		{"amount boolean", object{"amount": true}, 1001, "Invalid amount"},
		{"currency missing", object{"currency": nil}, 1002, "Invalid currency"},
		{"currency short", object{"currency": "EU"}, 1002, "Invalid currency"},
		{"currency long", object{"currency": "FOOBAR"}, 1002, "Invalid currency"},
		{"currency unknown", object{"currency": "XXZ"}, 1002, "Invalid currency"},
		{"currency number", object{"currency": 978}, 1002, "Invalid currency"},
		{"currency of no gateway", object{"currency": "AMD", "gateway": "IDEAL"}, 1002, "Invalid currency"},
		{"currency of no gateway 2", object{"currency": "AZN", "gateway": "IDEAL"}, 1002, "Invalid currency"},
		{"currency of no gateway 3", object{"currency": "CDF", "gateway": "IDEAL"}, 1002, "Invalid currency"},
		{"currency of another gateway", object{"currency": "GBP"}, 1002, "Invalid currency"},
		{"account of a split", object{"affiliate": object{"split_payments": []any{object{"merchant": "x", "percentage": 1}}}}, 1003, "Invalid account ID"},
		{"order id missing", object{"order_id": nil}, 1006, "Invalid transaction ID"},
		{"order id empty", object{"order_id": ""}, 1006, "Invalid transaction ID"},
		{"order id long", object{"order_id": strings.Repeat("x", 51)}, 1006, "Invalid transaction ID"},
		{"order id object", object{"order_id": object{}}, 1006, "Invalid transaction ID"},
		{"order id with a control character", object{"order_id": "a\x00b"}, 1006, "Invalid transaction ID"},
		{"order id used", object{"order_id": "paid"}, 1006, "Invalid transaction ID"},
		{"order id used, for a card that is none", object{"order_id": "paid", "type": "direct", "gateway": "VISA", "gateway_info": object{"card_number": "1"}}, 1006, "Invalid transaction ID"},
		{"ip address", object{"customer": customer(object{"ip_address": "300.1.1.1"})}, 1007, "Invalid IP address"},
		{"forwarded ip", object{"customer": customer(object{"forwarded_ip": "1.1.1.1, nobody"})}, 1007, "Invalid IP address"},
		{"description missing", object{"description": nil}, 1008, "Invalid description"},
		{"description empty", object{"description": ""}, 1008, "Invalid description"},
		{"description of markup only", object{"description": "<br><p></p>"}, 1008, "Invalid description"},
		{"description long", object{"description": strings.Repeat("é", 201)}, 1008, "Invalid description"},
		{"description list", object{"description": []any{}}, 1008, "Invalid description"},
		{"description with a control character", object{"description": "a\x00b"}, 1008, "Invalid description"},
		{"variable long", object{"var2": strings.Repeat("x", 501)}, 1010, "Invalid variable"},
		{"variable object", object{"var1": object{}}, 1010, "Invalid variable"},
		{"custom info long", object{"custom_info": object{"custom_3": strings.Repeat("x", 501)}}, 1010, "Invalid variable"},
		{"customer missing", object{"customer": nil}, 1016, "Missing data: customer"},
		{"customer text", object{"customer": "Simon"}, 1016, "Missing data: customer"},
		{"customer member", object{"customer": customer(object{"first_name": object{}})}, 1016, "Missing data: customer.first_name"},
		{"customer member with a control character", object{"customer": customer(object{"reference": "a\x00b"})}, 1016, "Missing data: customer.reference"},
		{"customer member long", object{"customer": customer(object{"city": strings.Repeat("x", 251)})}, 1016, "Missing data: customer.city"},
		{"options missing", object{"payment_options": nil}, 1016, "Missing data: payment_options"},
		{"options empty", object{"payment_options": object{}}, 1016, "Missing data: payment_options"},
		{"options text", object{"payment_options": "x"}, 1016, "Missing data: payment_options"},
		{"address without scheme", object{"payment_options": options(object{"notification_url": "shop.example/n"})}, 1016, "Missing data: payment_options.notification_url"},
		{"address of a script", object{"payment_options": options(object{"redirect_url": "javascript:alert(1)"})}, 1016, "Missing data: payment_options.redirect_url"},
		{"address long", object{"payment_options": options(object{"cancel_url": "https://shop.example/" + strings.Repeat("x", 2048)})}, 1016, "Missing data: payment_options.cancel_url"},
		{"notification method", object{"payment_options": options(object{"notification_method": "PUT"})}, 1016, "Missing data: payment_options.notification_method"},
		{"close window", object{"payment_options": options(object{"close_window": "perhaps"})}, 1016, "Missing data: payment_options.close_window"},
		{"type", object{"type": "teleport"}, 1016, "Missing data: type"},
		{"manual", object{"manual": "perhaps"}, 1016, "Missing data: manual"},
		{"days", object{"days_active": 366}, 1016, "Missing data: days_active"},
		{"days zero", object{"days_active": 0}, 1016, "Missing data: days_active"},
		{"seconds", object{"seconds_active": 31_536_001}, 1016, "Missing data: seconds_active"},
		{"items", object{"items": []any{}}, 1016, "Missing data: items"},
		{"capture", object{"capture": "later"}, 1016, "Missing data: capture"},
		{"capture without a gateway", object{"gateway": nil, "capture": "later"}, 1016, "Missing data: capture"},
		{"gateway_info as a text", object{"gateway_info": "x"}, 1016, "Missing data: gateway_info"},
		{"delivery as a text", object{"delivery": "x"}, 1016, "Missing data: delivery"},
		{"recurring model", object{"recurring_model": "often"}, 1016, "Missing data: recurring_model"},
		{"recurring without customer", object{"recurring_model": "cardOnFile"}, 1016, "Missing data: customer.reference"},
		{"cart of text", object{"shopping_cart": object{"items": "x"}}, 1016, "Missing data: shopping_cart.items"},
		{"item without name", object{"shopping_cart": items(object{"name": ""})}, 1016, "Missing data: shopping_cart.items"},
		{"item without quantity", object{"shopping_cart": items(object{"quantity": nil})}, 1016, "Missing data: shopping_cart.items"},
		{"checkout options", object{"checkout_options": "x"}, 1016, "Missing data: checkout_options"},
		{"country", object{"customer": customer(object{"country": "XX"})}, 1018, "Invalid country code"},
		{"country name", object{"customer": customer(object{"country": "Netherlands"})}, 1018, "Invalid country code"},
		{"delivery country", object{"delivery": object{"country": "ZZ"}}, 1018, "Invalid country code"},
		{"unreferenced refund", object{"type": "unreferenced_refund"}, 1021, "Cannot create transaction"},
		{"gateway unknown", object{"gateway": "SHELLS"}, 1023, "No gateway (payment method) available"},
		{"gateway object", object{"gateway": object{}}, 1023, "No gateway (payment method) available"},
		{"gateway missing for direct", object{"type": "direct", "gateway": nil}, 1023, "No gateway (payment method) available"},
		{"gateway empty for direct", object{"type": "direct", "gateway": ""}, 1023, "No gateway (payment method) available"},
		{"gateway that cannot be direct", object{"type": "direct", "gateway": "TRUSTLY"}, 1023, "No gateway (payment method) available"},
		{"capture by a gateway without", object{"capture": "manual"}, 1023, "No gateway (payment method) available"},
		{"card declined", object{"type": "direct", "gateway": "VISA", "gateway_info": object{"card_number": "4012001038488884", "card_expiry_date": "3012", "card_cvc": "123"}}, 1024, "Transaction declined"},
		{"currencies in a cart", object{"shopping_cart": object{"items": []any{
			object{"name": "a", "unit_price": 1, "quantity": 1, "currency": "EUR"}, object{"name": "b", "unit_price": 1, "quantity": 1, "currency": "USD"},
		}}}, 1025, "Multiple currencies in cart"},
		{"cart currency", object{"shopping_cart": with(items(nil), object{"currency": "USD"})}, 1026, "Cart currency different to order currency"},
		{"cart amount", object{"shopping_cart": items(object{"unit_price": 11}), "checkout_options": object{"validate_cart": true}}, 1027, "Cart amount must equal order amount"},
		{"tax rate", object{"checkout_options": object{"tax_tables": object{"default": object{"rate": "21"}}}}, 1028, "Incorrect custom tax rate"},
		{"tax rate of a table", object{"checkout_options": object{"tax_tables": object{"alternate": []any{object{"name": "x", "rules": []any{object{"rate": "a"}}}}}}}, 1028, "Incorrect custom tax rate"},
		{"tax selector", object{"shopping_cart": items(object{"tax_table_selector": "high"})}, 1029, "Invalid tax rate specified for item"},
		{"tax selector zero", object{"shopping_cart": items(object{"tax_table_selector": "0"})}, 1029, "Invalid tax rate specified for item"},
		{"item currency", object{"shopping_cart": items(object{"currency": "USD"})}, 1030, "Incorrect item currency"},
		{"item price", object{"shopping_cart": items(object{"unit_price": "ten"})}, 1031, "Incorrect item price"},
		{"item price missing", object{"shopping_cart": items(object{"unit_price": nil})}, 1031, "Incorrect item price"},
		{"issuer", object{"type": "direct", "gateway": "IDEAL", "gateway_info": object{"issuer_id": "9999"}}, 1036, "Invalid iDEAL issuer ID"},
	} {
		r := w.post("orders", orderWith(c.change))
		w.refused(r, 404, c.code)
		if text, _ := r.obj["error_info"].(string); !strings.HasPrefix(text, c.text) {
			t.Errorf("%s: %q does not begin with %q", c.name, text, c.text)
		}
	}
	for name, body := range map[string]string{
		"malformed": `{"type":`, "empty": "", "list": "[]", "null": "null", "trailing": "{} {}", "text": `"x"`, "bytes": "\xff\xfe",
		"deep": strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), "large": `{"items":"` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		r := w.post("orders", body)
		w.refused(r, 404, 1016)
		if text, _ := r.obj["error_info"].(string); !strings.HasPrefix(text, "Missing data: the body") {
			t.Errorf("%s: %q", name, text)
		}
	}
	// Nothing was created by any of it, but the declined card's transaction.
	if l := w.get("transactions").list(); len(l) != 2 {
		t.Errorf("%d transactions", len(l))
	}
}

// TestErrorsOfOtherEndpoints has a row per error of the endpoints around an
// order.
func TestErrorsOfOtherEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.paid(object{"order_id": "paid"})
	w.create(object{"order_id": "open"})
	long := strings.Repeat("x", 51)
	for _, c := range []struct {
		name, method, path, body string
		status, code             int
		text                     string
	}{
		{"order unknown", "GET", "orders/foobar", "", 404, 1006, "Invalid transaction ID"},
		{"order id too long", "GET", "orders/" + long, "", 404, 1006, "Invalid transaction ID"},
		{"patch unknown", "PATCH", "orders/foobar", `{"status":"shipped"}`, 404, 1006, "Invalid transaction ID"},
		{"patch nothing", "PATCH", "orders/open", `{}`, 404, 1016, "Missing data: there is nothing to change"},
		{"patch id only", "PATCH", "orders/open", `{"id":"open"}`, 404, 1016, "Missing data: there is nothing to change"},
		{"patch malformed", "PATCH", "orders/open", `{`, 404, 1016, "Missing data: the body"},
		{"patch status", "PATCH", "orders/open", `{"status":"eaten"}`, 404, 1016, "Missing data: status"},
		{"patch text", "PATCH", "orders/open", `{"memo":{}}`, 404, 1016, "Missing data: memo"},
		{"partial shipment", "PATCH", "orders/paid", `{"status":"shipped","partial_shipment_amount":500}`, 404, 1016, "Missing data: partial_shipment_amount"},
		{"longer expiry", "PATCH", "orders/paid", `{"extend_expiration":true,"reason":"x"}`, 404, 1016, "Missing data: extend_expiration"},
		{"another order id", "PATCH", "orders/paid", `{"new_order_id":"x"}`, 404, 1016, "Missing data: new_order_id"},
		{"ship unpaid", "PATCH", "orders/open", `{"status":"shipped"}`, 404, 1006, "Invalid transaction ID"},
		{"cancel paid", "PATCH", "orders/paid", `{"status":"cancelled"}`, 404, 1034, "Cannot refund transaction"},
		{"refund unknown", "POST", "orders/foobar/refunds", `{"currency":"EUR","amount":1}`, 404, 1006, "Invalid transaction ID"},
		{"refund unpaid", "POST", "orders/open/refunds", `{"currency":"EUR","amount":1}`, 404, 1034, "Cannot refund transaction"},
		{"refund too much", "POST", "orders/paid/refunds", `{"currency":"EUR","amount":1001}`, 404, 1034, "Cannot refund transaction"},
		{"refund negative", "POST", "orders/paid/refunds", `{"currency":"EUR","amount":-1}`, 404, 1001, "Invalid amount"},
		{"refund fraction", "POST", "orders/paid/refunds", `{"currency":"EUR","amount":1.5}`, 404, 1001, "Invalid amount"},
		{"refund currency missing", "POST", "orders/paid/refunds", `{"amount":1}`, 404, 1002, "Invalid currency"},
		{"refund currency other", "POST", "orders/paid/refunds", `{"currency":"USD","amount":1}`, 404, 1002, "Invalid currency"},
		{"refund description", "POST", "orders/paid/refunds", `{"currency":"EUR","description":"` + strings.Repeat("x", 201) + `"}`, 404, 1008, "Invalid description"},
		{"refund order id", "POST", "orders/paid/refunds", `{"currency":"EUR","refund_order_id":"` + long + `"}`, 404, 1006, "Invalid transaction ID"},
		{"refund variable", "POST", "orders/paid/refunds", `{"currency":"EUR","var1":{}}`, 404, 1010, "Invalid variable"},
		{"refund to cancel unknown", "PATCH", "orders/paid/refunds/1", `{"status":"void"}`, 404, 1006, "Invalid transaction ID"},
		{"refund to cancel how", "PATCH", "orders/paid/refunds/1", `{"status":"gone"}`, 404, 1016, "Missing data: status"},
		{"capture unknown", "POST", "orders/foobar/capture", `{"amount":1}`, 404, 1006, "Invalid transaction ID"},
		{"capture captured", "POST", "orders/paid/capture", `{"amount":1}`, 404, 1006, "Invalid transaction ID"},
		{"capture amount", "POST", "orders/paid/capture", `{"amount":"x"}`, 404, 1001, "Invalid amount"},
		{"capture cancel of an automatic one", "PATCH", "capture/paid", `{"status":"cancelled"}`, 404, 1006, "Invalid transaction ID"},
		{"capture cancel how", "PATCH", "capture/paid", `{"status":"x"}`, 404, 1016, "Missing data: status"},
		{"qr cancel", "POST", "orders/paid/cancel", `{}`, 403, 1006, "Invalid transaction ID"},
		{"file type", "POST", "orders/paid/files", `{"type":"EXE","base64":"eA==","name":"x"}`, 404, 1016, "Missing data: type"},
		{"file content", "POST", "orders/paid/files", `{"type":"PDF","base64":"%","name":"x"}`, 404, 1016, "Missing data: base64"},
		{"file order", "POST", "orders/foobar/files", `{"type":"PDF","base64":"eA==","name":"x"}`, 404, 1006, "Invalid transaction ID"},
		{"gateway", "GET", "gateways/SHELLS", "", 404, 1023, "No gateway (payment method) available"},
		{"payment method", "GET", "payment-methods/SHELLS", "", 404, 1023, "No gateway (payment method) available"},
		{"payment methods flag", "GET", "payment-methods?include_coupons=x", "", 404, 1016, "Missing data: include_coupons"},
		{"gateways currency", "GET", "gateways?currency=XXZ", "", 404, 1002, "Invalid currency"},
		{"gateways country", "GET", "gateways?country=XX", "", 404, 1018, "Invalid country code"},
		{"gateways amount", "GET", "gateways?amount=x", "", 404, 1001, "Invalid amount"},
		{"issuers", "GET", "issuers/visa", "", 404, 1023, "No gateway (payment method) available"},
		{"transactions limit", "GET", "transactions?limit=1001", "", 404, 1016, "Missing data: limit"},
		{"transactions date", "GET", "transactions?created_from=yesterday", "", 404, 1016, `Missing data: "yesterday"`},
		{"transactions cursor", "GET", "transactions?after=%25", "", 404, 1016, "Missing data: after"},
		{"token", "GET", "recurring/someone/token/1", "", 410, 1000, "Not found: token"},
		{"token update", "PATCH", "recurring/someone/update/1", `{"expiry_date":"3012"}`, 410, 1000, "Not found: token"},
		{"token update how", "PATCH", "recurring/someone/update/1", `{"expiry_date":"1330"}`, 404, 1016, "Missing data: expiry_date"},
		{"token removal", "DELETE", "recurring/someone/remove/1", "", 410, 1000, "Not found: token"},
	} {
		r := w.do(c.method, c.path, c.body, w.auth())
		w.refused(r, c.status, c.code)
		if text, _ := r.obj["error_info"].(string); !strings.HasPrefix(text, c.text) {
			t.Errorf("%s: %q does not begin with %q", c.name, text, c.text)
		}
	}
	if r := w.get("transactions/1"); r.status != 404 || string(r.body) != `{"message":"Not found"}` {
		t.Errorf("transaction unknown: %d %s", r.status, r.body)
	}
	w.is("paid", "completed", "completed")
	w.is("open", "initialized", "initialized")
	w.settings("blocked", "true")
	w.refused(w.post("orders", orderWith(nil)), 404, 1019)
	w.settings("blocked", "account")
	w.refused(w.post("orders", orderWith(nil)), 404, 1020)
}

// TestValidationOrder breaks everything, then mends one thing after the other:
// the first that is wrong is reported (reference §1.7).
func TestValidationOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.paid(object{"order_id": "paid"})
	o := object{
		"order_id": strings.Repeat("x", 51), "currency": "XXZ", "amount": 0, "description": "", "type": "teleport", "gateway": "SHELLS",
		"payment_options": object{"redirect_url": "x"}, "customer": object{"ip_address": "x", "country": "XX"}, "var1": strings.Repeat("x", 501),
		"shopping_cart": object{"items": []any{object{"name": "x", "unit_price": "x", "quantity": 1}}},
	}
	w.refused(w.do("POST", "orders", "{", nil), 401, 1032)
	w.refused(w.post("orders", "{"), 404, 1016)
	for _, c := range []struct {
		code int
		mend string
		with any
	}{
		{1006, "order_id", "paid"}, {1002, "currency", "EUR"}, {1001, "amount", 1000}, {1008, "description", "x"}, {1016, "type", "redirect"}, {1023, "gateway", "ALIPAY"},
		{1016, "payment_options", object{"redirect_url": "https://shop.example/"}}, {1007, "customer", object{"country": "XX"}}, {1018, "customer", object{"country": "NL"}},
		{1010, "var1", "x"}, {1031, "shopping_cart", nil}, {1006, "order_id", "fresh"},
	} {
		w.refused(w.post("orders", orderWith(o)), 404, c.code)
		o[c.mend] = c.with
	}
	w.must(w.post("orders", orderWith(o)))
}
