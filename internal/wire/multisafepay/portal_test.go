package multisafepay_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// TestPortal: the merchant's pages show an order's description (R9), and a refund
// made there is the API's.
func TestPortal(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		shop := wiretest.NewReceiver(t)
		shop.Answer(200, "OK")
		w.paid(object{"order_id": "my-order", "description": "A lamp & its <b>shade</b>", "var1": "A-77", "payment_options": notifying(shop)})
		w.advance(0)
		v := w.Visitor(t)
		if p := v.SignIn(w.key); p.Status != http.StatusOK || !p.Has("A lamp & its", "my-order", "€10.00 EUR") {
			t.Fatalf("%d %s", p.Status, p.Said())
		}
		page := v.Get("/portal/payments?find=my-order")
		if page.Status != http.StatusOK || !page.Has("A lamp & its", "Gateway ALIPAY", "var1 A-77", "simonsmit@example.com", "€10.00 EUR captured", "notification", "answered 200 OK") {
			t.Errorf("%d %s", page.Status, page.Said())
		}
		before := len(w.notified(shop))
		refund := page.Path + "/refund"
		p := v.Post(page, refund, "amount", "4.50", "reason", "requested")
		if p.Status != http.StatusOK || !p.Has("on its way", "€5.50 EUR can be refunded") {
			t.Errorf("%d %s", p.Status, p.Said())
		}
		w.advance(0)
		if n := len(w.notified(shop)); n != before+1 {
			t.Errorf("%d notifications of the refund", n-before)
		}
		refunds := w.must(w.get("orders/my-order"))["related_transactions"].([]any)
		if r := refunds[0].(object); len(refunds) != 1 || r["amount"] != 450.0 || r["description"] != "Requested by the customer" {
			t.Errorf("%v", refunds)
		}
		if p := v.Post(v.Get(page.Path), refund, "amount", "4.50"); p.Status != http.StatusConflict || !p.Has("the same amount was refunded less than five minutes ago") {
			t.Errorf("%d %s", p.Status, p.Said())
		}
		if p := v.Post(v.Get(page.Path), page.Path+"/resend"); p.Status != http.StatusOK || !p.Has("being sent once more") {
			t.Errorf("%d %s", p.Status, p.Said())
		}
		w.advance(0)
		if n := len(w.notified(shop)); n != before+2 {
			t.Errorf("%d more notifications after sending again", n-before-1)
		}
		token := w.must(w.get("auth/api_token"))["api_token"].(string)
		if p := w.Visitor(t).SignIn(token); p.Status != http.StatusBadRequest || !p.Has("Invalid API Key") || strings.Contains(p.Body, token) {
			t.Errorf("an API token: %d %s", p.Status, p.Said())
		}
	})
}

// TestPortalParts: a payment captured in parts shows each of them, and what was
// captured can be refunded while the rest is held.
func TestPortalParts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.create(object{
			"type": "direct", "order_id": "parts", "gateway": "VISA", "capture": "manual",
			"gateway_info": object{"card_number": "4111111111111111", "card_expiry_date": "3012", "card_cvc": "123"},
		})
		w.must(w.post("orders/parts/capture", `{"amount":300,"new_order_id":"parts-1","description":"First parcel"}`))
		w.must(w.post("orders/parts/capture", `{"amount":200,"new_order_id":"parts-2"}`))
		v := w.Visitor(t)
		v.SignIn(w.key)
		page := v.Get("/portal/payments?find=parts")
		if !page.Has("Partly captured", "Captured €5.00 EUR", "€5.00 EUR can be refunded", "€3.00 EUR hold", "€2.00 EUR hold") {
			t.Errorf("%d %s", page.Status, page.Said())
		}
		if p := v.Post(page, page.Path+"/refund", "amount", "1"); p.Status != http.StatusOK || !p.Has("on its way", "€4.00 EUR can be refunded") {
			t.Errorf("%d %s", p.Status, p.Said())
		}
		if p := v.Post(v.Get(page.Path), page.Path+"/refund", "amount", "4.01"); p.Status != http.StatusBadRequest {
			t.Errorf("more than was captured: %d %s", p.Status, p.Said())
		}
		w.must(w.post("orders/parts/capture", `{"amount":500}`))
		if p := v.Get(page.Path); !p.Has("Partly refunded", "Captured €10.00 EUR", "€9.00 EUR can be refunded") {
			t.Errorf("%s", p.Said())
		}
	})
}
