package antom_test

import (
	"net/http"
	"testing"
	"time"
)

// TestPortal: a person's refund in the merchant's pages follows the rules of the
// call and sends notifyRefund to the address in the settings.
func TestPortal(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		p := w.paid(w.token("GCASH"), "p")
		w.heard("notifyType", "PAYMENT_RESULT") // delivers what is due
		id := p["paymentId"].(string)
		v := w.Visitor(t)
		if p := v.SignIn(w.client); p.Status != http.StatusOK || !p.Has("Music plan", id, "PHP 149.00") {
			t.Fatalf("%d %s", p.Status, p.Said())
		}
		at := "/portal/payments/" + id
		page := v.Get(at)
		if !page.Has("Music plan", "Order o-p", "Payment request p", "PAYMENT_RESULT", "answered 200", "PHP 149.00 captured") {
			t.Errorf("%s", page.Said())
		}
		if p := v.Post(page, at+"/refund", "amount", "49.00", "reason", "duplicate"); p.Status != http.StatusOK || !p.Has("on its way", "PHP 100.00 can be refunded") {
			t.Errorf("%d %s", p.Status, p.Said())
		}
		told := w.heard("notifyType", "REFUND_RESULT")
		if len(told) != 1 || told[0]["refundStatus"] != "SUCCESS" || told[0]["refundAmount"].(object)["value"] != "4900" {
			t.Errorf("told %v", told)
		}
		if p := v.Post(v.Get(at), at+"/refund", "amount", "0.01"); p.Status != http.StatusBadRequest || !p.Has("refunds at least") {
			t.Errorf("below the minimum: %d %s", p.Status, p.Said())
		}
		if p := v.Post(v.Get(at), at+"/resend"); p.Status != http.StatusOK || len(w.heard("notifyType", "REFUND_RESULT")) != 2 {
			t.Errorf("sent again: %d %s", p.Status, p.Said())
		}
		// The day's payments are settled in a batch, which leaves for the bank.
		w.advance(72 * time.Hour)
		if p := v.Get("/portal/balance?from=2026-09-01"); !p.Has("settled", "batch:antom:") {
			t.Errorf("%s", p.Said())
		}
	})
}
