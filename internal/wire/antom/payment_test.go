package antom_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestThreePaysOneToken is the product on one page: authorize once, pay three
// times, refund, cancel, revoke.
func TestThreePaysOneToken(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		token := w.token("GCASH")
		first := w.paid(token, "p1")
		if first["paymentCreateTime"] != "2026-09-10T09:00:00+08:00" || first["paymentTime"] != "2026-09-10T09:00:00+08:00" ||
			fmt.Sprint(first["paymentAmount"]) != "map[currency:PHP value:14900]" || fmt.Sprint(first["grossSettlementAmount"]) != "map[currency:USD value:257]" ||
			first["settlementQuote"].(object)["quoteCurrencyPair"] != "PHP/USD" || first["settlementQuote"].(object)["quotePrice"] != 0.01724138 ||
			first["pspCustomerInfo"].(object)["pspName"] != "GCash" {
			t.Errorf("paid %v", first)
		}
		second, third := w.paid(token, "p2"), w.paid(token, "p3")
		if first["paymentId"] == second["paymentId"] || second["paymentId"] == third["paymentId"] {
			t.Error("payments share an id")
		}
		told := w.heard("notifyType", "PAYMENT_RESULT")
		if len(told) != 3 || told[0]["result"].(object)["resultCode"] != "SUCCESS" || told[0]["paymentTime"] == nil {
			t.Errorf("told %v", told)
		}
		q := w.inquiry(first["paymentId"].(string))
		if q["paymentStatus"] != "SUCCESS" || q["paymentResultCode"] != "SUCCESS" || q["paymentMethodType"] != "GCASH" || q["transactions"] != nil {
			t.Errorf("inquiry %v", q)
		}
		byRequest := w.ok(w.call("/v1/payments/inquiryPayment", object{"paymentRequestId": "p2"}))
		if byRequest["paymentId"] != second["paymentId"] {
			t.Errorf("by request id: %v", byRequest)
		}
		both := w.ok(w.call("/v1/payments/inquiryPayment", object{"paymentRequestId": "p2", "paymentId": third["paymentId"]}))
		if both["paymentId"] != third["paymentId"] {
			t.Error("paymentId does not win")
		}

		r := w.ok(w.refund(second, "r1", 4_900))
		if r["refundTime"] != "2026-09-10T09:00:00+08:00" || r["paymentId"] != second["paymentId"] {
			t.Errorf("refund %v", r)
		}
		if told := w.heard("notifyType", "REFUND_RESULT"); len(told) != 1 || told[0]["refundId"] != r["refundId"] || told[0]["refundStatus"] != "SUCCESS" {
			t.Errorf("told %v", told)
		}
		ir := w.ok(w.call("/v1/payments/inquiryRefund", object{"refundRequestId": "r1"}))
		if ir["refundStatus"] != "SUCCESS" || ir["refundId"] != r["refundId"] {
			t.Errorf("inquiryRefund %v", ir)
		}
		q = w.inquiry(second["paymentId"].(string))
		if ts := q["transactions"].([]any); q["paymentStatus"] != "SUCCESS" || len(ts) != 1 || ts[0].(object)["transactionType"] != "REFUND" || ts[0].(object)["transactionRequestId"] != "r1" {
			t.Errorf("inquiry after refund %v", q)
		}

		c := w.ok(w.call("/v1/payments/cancel", object{"paymentId": third["paymentId"]}))
		w.advance(time.Minute)
		if again := w.ok(w.call("/v1/payments/cancel", object{"paymentRequestId": "p3"})); again["cancelTime"] != c["cancelTime"] {
			t.Errorf("cancelled again at %v, first at %v", again["cancelTime"], c["cancelTime"])
		}
		if q := w.inquiry(third["paymentId"].(string)); q["paymentStatus"] != "CANCELLED" || q["paymentResultCode"] != "ORDER_IS_CANCELED" {
			t.Errorf("inquiry after cancel %v", q)
		}
		if n := len(w.heard("notifyType", "PAYMENT_RESULT")); n != 3 {
			t.Errorf("a cancellation was notified: %d", n)
		}
		w.is(w.pay(payment("GCASH", token, "p3", amount(14_900, "PHP"))), "ORDER_IS_CANCELED", "F")
		w.is(w.refund(third, "r2", 100), "ORDER_IS_CANCELED", "F")
		w.is(w.call("/v1/payments/cancel", object{"paymentId": second["paymentId"]}), "PROCESS_FAIL", "F")
	})
}

func (w *world) refund(p object, request string, minor int64) response {
	w.t.Helper()
	currency := p["paymentAmount"].(object)["currency"].(string)
	return w.call("/v1/payments/refund", object{"refundRequestId": request, "paymentId": p["paymentId"], "refundAmount": amount(minor, currency)})
}

func TestPayIsIdempotent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		token, other := w.token("GCASH"), w.token("GCASH")
		first := w.paid(token, "same")
		if again := w.paid(token, "same"); fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("repeated: %v, first %v", again, first)
		}
		w.is(w.pay(payment("GCASH", token, "same", amount(14_901, "PHP"))), "REPEAT_REQ_INCONSISTENT", "F")
		w.is(w.pay(payment("GCASH", other, "same", amount(14_900, "PHP"))), "REPEAT_REQ_INCONSISTENT", "F")
		w.ok(w.pay(with(payment("GCASH", token, "same", amount(14_900, "PHP")), object{"merchantAccountId": "A2"}))) // another scope
		if told := w.heard("notifyType", "PAYMENT_RESULT"); len(told) != 2 {
			t.Errorf("told %d times", len(told))
		}
		r := w.ok(w.refund(first, "r", 100))
		if again := w.ok(w.refund(first, "r", 100)); again["refundId"] != r["refundId"] {
			t.Errorf("refunded twice: %v and %v", r, again)
		}
		w.is(w.refund(first, "r", 101), "REPEAT_REQ_INCONSISTENT", "F")

		// Many first calls with one id: one payment, one refund.
		var wg sync.WaitGroup
		seen := make(chan any, 20)
		for range 10 {
			wg.Go(func() {
				a := w.pay(payment("GCASH", token, "race", amount(20_000, "PHP")))
				if c := a.code(); c != "SUCCESS" && c != "PAYMENT_IN_PROCESS" {
					t.Errorf("raced to %s", a.body)
				}
				seen <- a.obj["paymentId"]
			})
		}
		wg.Wait()
		close(seen)
		distinct := map[any]bool{}
		for s := range seen {
			distinct[s] = true
		}
		if len(distinct) != 1 {
			t.Errorf("one request id made %d payments", len(distinct))
		}
	})
}

// TestInProcess is pay with an outcome that comes later, each way it can come.
func TestInProcess(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	token := w.token("GCASH")
	start := func(request string, minor int64) object {
		t.Helper()
		o := w.is(w.pay(payment("GCASH", token, request, amount(minor, "PHP"))), "PAYMENT_IN_PROCESS", "U")
		if o["paymentId"] == nil || o["paymentTime"] != nil {
			t.Errorf("in process %v", o)
		}
		if q := w.inquiry(o["paymentId"].(string)); q["paymentStatus"] != "PROCESSING" {
			t.Errorf("inquiry %v", q)
		}
		w.is(w.pay(payment("GCASH", token, request, amount(minor, "PHP"))), "PAYMENT_IN_PROCESS", "U")
		return o
	}
	good, bad, never, canceled := start("ok", 9905), start("bad", 9906), start("never", 9907), start("cancel", 9916)
	w.ok(w.call("/v1/payments/cancel", object{"paymentId": canceled["paymentId"]}))
	w.is(w.refund(good, "too-early", 100), "ORDER_STATUS_INVALID", "F")
	w.advance(20 * time.Second)
	for _, c := range []struct {
		p            object
		status, code string
	}{{good, "SUCCESS", "SUCCESS"}, {bad, "FAIL", "USER_BALANCE_NOT_ENOUGH"}, {never, "PROCESSING", "PAYMENT_IN_PROCESS"}, {canceled, "CANCELLED", "ORDER_IS_CANCELED"}} {
		if q := w.inquiry(c.p["paymentId"].(string)); q["paymentStatus"] != c.status || q["paymentResultCode"] != c.code {
			t.Errorf("inquiry %v, want %s", q, c.status)
		}
	}
	w.ok(w.pay(payment("GCASH", token, "ok", amount(9905, "PHP"))))
	w.is(w.pay(payment("GCASH", token, "bad", amount(9906, "PHP"))), "USER_BALANCE_NOT_ENOUGH", "F")
	w.ok(w.call("/v1/payments/cancel", object{"paymentId": bad["paymentId"]}))
	w.advance(39 * time.Second)
	if q := w.inquiry(never["paymentId"].(string)); q["paymentStatus"] != "PROCESSING" {
		t.Errorf("a second early: %v", q)
	}
	w.advance(time.Second)
	w.is(w.pay(payment("GCASH", token, "never", amount(9907, "PHP"))), "ORDER_IS_CLOSED", "F")
	// The wallet's late word changes nothing: the money goes back to the payer.
	w.advance(time.Hour)
	for _, p := range []object{never, canceled} {
		if q := w.inquiry(p["paymentId"].(string)); q["paymentStatus"] == "SUCCESS" {
			t.Errorf("late success counts: %v", q)
		}
	}
	codes := map[any]any{}
	for _, n := range w.heard("notifyType", "PAYMENT_RESULT") {
		codes[n["paymentRequestId"]] = n["result"].(object)["resultCode"]
	}
	if fmt.Sprint(codes) != "map[bad:USER_BALANCE_NOT_ENOUGH never:ORDER_IS_CLOSED ok:SUCCESS]" {
		t.Errorf("told %v", codes)
	}
}

func TestPaymentExpiry(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	token := w.token("GCASH")
	at := func(d time.Duration) string { return w.Clock.Now().Add(d).Format(time.RFC3339) }
	body := with(payment("GCASH", token, "soon", amount(9907, "PHP")), object{"paymentExpiryTime": at(10 * time.Second)})
	p := w.is(w.pay(body), "PAYMENT_IN_PROCESS", "U")
	w.Clock.Advance(10 * time.Second) // no timer ran: whoever asks applies the deadline
	if q := w.inquiry(p["paymentId"].(string)); q["paymentStatus"] != "FAIL" || q["paymentResultCode"] != "ORDER_IS_CLOSED" {
		t.Errorf("inquiry %v", q)
	}
	for i, when := range []string{at(61 * time.Second), at(0), at(-time.Hour), "soon"} {
		w.is(w.pay(with(payment("GCASH", token, fmt.Sprint("e", i), amount(500, "PHP")), object{"paymentExpiryTime": when})), "PARAM_ILLEGAL", "F")
	}
	w.ok(w.pay(with(payment("GCASH", token, "edge", amount(500, "PHP")), object{"paymentExpiryTime": at(time.Minute)})))
}

// TestCancelWindow is the edge of antom §5.7, in China's time.
func TestCancelWindow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		token := w.token("GCASH")
		w.to("2026-09-10T23:59:59+08:00")
		early, late := w.paid(token, "a"), w.paid(token, "b")
		w.to("2026-09-11T00:00:00+08:00")
		next := w.paid(token, "c")
		w.to("2026-09-11T00:14:59+08:00")
		w.ok(w.call("/v1/payments/cancel", object{"paymentId": early["paymentId"]}))
		w.to("2026-09-11T00:15:01+08:00")
		w.is(w.call("/v1/payments/cancel", object{"paymentId": late["paymentId"]}), "CANCEL_WINDOW_EXCEED", "F")
		w.ok(w.refund(late, "instead", 14_900))
		w.ok(w.call("/v1/payments/cancel", object{"paymentId": next["paymentId"]}))
		w.is(w.call("/v1/payments/cancel", object{"paymentId": "pay_none"}), "ORDER_NOT_EXIST", "F")
	})
	w := onSQLite(t)
	for method, currency := range map[string]string{"DANA": "IDR", "DIRECT_DEBIT_KRUNGTHAIBANK": "THB", "DIRECT_DEBIT_SIAMCOMMERCIALBANK": "THB"} {
		token := w.token(method)
		p := w.ok(w.pay(payment(method, token, "p-"+method, amount(100_000, currency))))
		w.is(w.call("/v1/payments/cancel", object{"paymentId": p["paymentId"]}), "ORDER_STATUS_INVALID", "F")
		open := w.is(w.pay(with(payment(method, token, "o-"+method, amount(100_000, currency)), object{"metadata": `{"ducatScenario":"9907"}`})), "PAYMENT_IN_PROCESS", "U")
		w.ok(w.call("/v1/payments/cancel", object{"paymentId": open["paymentId"]}))
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		token := w.token("GCASH")
		p := w.paid(token, "p")
		w.ok(w.refund(p, "r1", 4_900))
		w.is(w.refund(p, "r2", 10_001), "REFUND_AMOUNT_EXCEED", "F")
		slow := w.is(w.refund(p, "r3", 9921), "REFUND_IN_PROCESS", "U")
		if q := w.ok(w.call("/v1/payments/inquiryRefund", object{"refundId": slow["refundId"]})); q["refundStatus"] != "PROCESSING" {
			t.Errorf("inquiry %v", q)
		}
		w.is(w.refund(p, "r4", 100), "REFUND_AMOUNT_EXCEED", "F") // 79 are left
		w.advance(20 * time.Second)
		if q := w.ok(w.call("/v1/payments/inquiryRefund", object{"refundId": slow["refundId"]})); q["refundStatus"] != "SUCCESS" || q["refundTime"] != "2026-09-10T09:00:20+08:00" {
			t.Errorf("inquiry %v", q)
		}
		w.ok(w.refund(p, "r5", 79)) // the rest may be below the minimum
		w.is(w.refund(p, "r6", 100), "REFUND_AMOUNT_EXCEED", "F")

		f := w.paid(token, "fails")
		w.is(w.refund(f, "f1", 9922), "REFUND_IN_PROCESS", "U")
		w.advance(20 * time.Second)
		if q := w.ok(w.call("/v1/payments/inquiryRefund", object{"refundRequestId": "f1"})); q["refundStatus"] != "FAIL" || q["refundTime"] != nil {
			t.Errorf("inquiry %v", q)
		}
		w.is(w.refund(f, "f2", 9923), "MERCHANT_BALANCE_NOT_ENOUGH", "F")
		w.is(w.refund(f, "f3", 9924), "UNKNOWN_EXCEPTION", "U")
		w.ok(w.refund(f, "f3", 9924)) // it was executed
		states := map[any]any{}
		for _, n := range w.heard("notifyType", "REFUND_RESULT") {
			states[n["refundRequestId"]] = n["refundStatus"]
		}
		if fmt.Sprint(states) != "map[f1:FAIL f3:SUCCESS r1:SUCCESS r3:SUCCESS r5:SUCCESS]" {
			t.Errorf("told %v", states)
		}
		w.is(w.call("/v1/payments/inquiryRefund", object{"refundRequestId": "f2"}), "REFUND_NOT_EXIST", "F")
		w.is(w.call("/v1/payments/inquiryRefund", object{"refundId": "rfd_x"}), "REFUND_NOT_EXIST", "F")

		// A person's refund follows the same rules and is told to the address of the settings.
		status, o := w.controlStatus("POST", "antom/refund", object{"payment_id": f["paymentId"], "amount": 1_000})
		if status != 200 || o["amount"] != 1000.0 {
			t.Errorf("refund by a person: %d %v", status, o)
		}
		if status, o := w.controlStatus("POST", "antom/refund", object{"payment_id": f["paymentId"], "amount": 1_000_000}); status != 400 {
			t.Errorf("too much: %d %v", status, o)
		}
		if told := w.heard("notifyType", "REFUND_RESULT"); len(told) != 6 {
			t.Errorf("told %d times", len(told))
		}
		w.advance(365*24*time.Hour - time.Minute)
		w.ok(w.refund(f, "last", 100))
		w.advance(time.Hour)
		w.is(w.refund(f, "late", 100), "REFUND_WINDOW_EXCEED", "F")
	})
}

func TestRefundBySomebodyElse(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	other := in(t, w.Server)
	token := w.token("GCASH")
	p := w.paid(token, "p")
	other.is(other.refund(p, "r", 100), "ORDER_NOT_EXIST", "F")
	other.is(other.call("/v1/payments/inquiryPayment", object{"paymentId": p["paymentId"]}), "ORDER_NOT_EXIST", "F")
	other.is(other.call("/v1/payments/cancel", object{"paymentId": p["paymentId"]}), "ORDER_NOT_EXIST", "F")
	other.is(other.pay(payment("GCASH", token, "x", amount(14_900, "PHP"))), "INVALID_ACCESS_TOKEN", "F")
	other.is(other.call("/v1/authorizations/revoke", object{"accessToken": token}), "INVALID_ACCESS_TOKEN", "F")
	w.paid(token, "still")
}

// TestNotificationRetries is the timetable of antom §6.1, on the virtual clock.
func TestNotificationRetries(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	token := w.token("GCASH")
	w.advance(0)
	w.shop.Answer(200, `{"result":{"resultCode":"PROCESS_FAIL","resultStatus":"F"}}`) // an answer, but no acknowledgement
	before := len(w.shop.All())
	w.paid(token, "p")
	count := func() int { return len(w.shop.All()) - before }
	w.advance(0)
	for i, pause := range []time.Duration{2 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour} {
		if count() != i+1 {
			t.Fatalf("%d attempts, want %d", count(), i+1)
		}
		w.advance(pause - time.Second)
		if count() != i+1 {
			t.Fatalf("attempt %d came early", i+2)
		}
		if i == 2 {
			w.shop.Answer(500, "")
		}
		w.advance(time.Second)
	}
	w.advance(100 * time.Hour)
	all := w.shop.All()[before:]
	if len(all) != 8 {
		t.Fatalf("%d attempts, want 8", len(all))
	}
	for _, c := range all[1:] {
		if string(c.Body) != string(all[0].Body) {
			t.Error("the body changed between attempts")
		}
	}
	w.shop.Answer(200, `{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}`)
	w.heard("notifyType", "PAYMENT_RESULT") // every attempt is signed
	w.ok(w.pay(payment("GCASH", token, "three", amount(9914, "PHP"))))
	w.ok(w.pay(payment("GCASH", token, "held", amount(9915, "PHP"))))
	of := func(request string) (n int) {
		for _, o := range w.heard("notifyType", "PAYMENT_RESULT") {
			if o["paymentRequestId"] == request {
				n++
			}
		}
		return n
	}
	if of("three") != 3 || of("held") != 0 {
		t.Errorf("three %d, held %d", of("three"), of("held"))
	}
	w.advance(5 * time.Minute)
	if of("held") != 1 {
		t.Error("the one held back did not come")
	}
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	token := w.token("GCASH")
	w.is(w.pay(payment("GCASH", token, "unknown", amount(9901, "PHP"))), "UNKNOWN_EXCEPTION", "U")
	w.ok(w.pay(payment("GCASH", token, "unknown", amount(9901, "PHP"))))
	silent := w.ok(w.pay(payment("GCASH", token, "dark", amount(9903, "PHP"))))
	w.is(w.call("/v1/payments/inquiryPayment", object{"paymentId": silent["paymentId"]}), "UNKNOWN_EXCEPTION", "U")

	body := []byte(fmt.Sprintf(`{"productCode":"AGREEMENT_PAYMENT","paymentRequestId":"cut","paymentAmount":{"currency":"PHP","value":"9902"},"order":{"referenceOrderId":"o","orderDescription":"d","orderAmount":{"currency":"PHP","value":"9902"}},"paymentMethod":{"paymentMethodType":"GCASH","paymentMethodId":%q}}`, token))
	path := w.prefix + "/v1/payments/pay"
	req, _ := http.NewRequest("POST", w.URL+path, strings.NewReader(string(body)))
	for k, v := range w.signed(path, body) {
		req.Header[k] = []string{v}
	}
	if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
		t.Errorf("an answer came: %s", res.Status)
		res.Body.Close()
	}
	if q := w.ok(w.call("/v1/payments/inquiryPayment", object{"paymentRequestId": "cut"})); q["paymentStatus"] != "SUCCESS" {
		t.Errorf("inquiry %v", q)
	}
}
