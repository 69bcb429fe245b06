package antom_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func declaration(p object, request string, minor int64) object {
	return object{
		"declarationRequestId": request, "paymentId": p["paymentId"], "declarationAmount": amount(minor, "CNY"),
		"customs": object{"customsCode": "zongshu", "region": "CN"}, "merchantCustomsInfo": object{"merchantCustomsCode": "MC0001", "merchantCustomsName": "Shop Co"},
		"splitOrder": "true", "subOrderId": "o-7-a",
		"buyerCertificate": object{"certificateType": "ID_CARD", "certificateNo": "110101199003070000", "holderName": object{"fullName": "Test Buyer"}},
	}
}

func (w *world) declare(body object) response {
	w.t.Helper()
	return w.call("/v1/customs/declare", body)
}

func (w *world) declared(request string) object {
	w.t.Helper()
	o := w.ok(w.call("/v1/customs/inquiryDeclarationRequests", object{"declarationRequestIds": []string{request}}))
	return o["declarationRecords"].([]any)[0].(object)
}

func TestCustoms(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		token := w.token("ALIPAY_CN")
		p := w.ok(w.pay(payment("ALIPAY_CN", token, "p", amount(10_050, "CNY"))))
		if fmt.Sprint(p["customsDeclarationAmount"]) != "map[currency:CNY value:10050]" {
			t.Errorf("paid %v", p)
		}
		d := w.ok(w.declare(declaration(p, "d1", 6_000)))
		if d["identityCheckResult"] != "CHECK_PASSED" || d["clearingChannel"] != "NUCC" || d["customsProviderRegistrationId"] != "31222699S7" || d["customsPaymentId"] == nil {
			t.Errorf("declared %v", d)
		}
		if again := w.ok(w.declare(declaration(p, "d1", 6_000))); fmt.Sprint(again) != fmt.Sprint(d) {
			t.Errorf("again %v", again)
		}
		if r := w.declared("d1"); r["declarationRequestStatus"] != "WAITING" || r["splitOrder"] != true || r["customs"].(object)["customsCode"] != "ZONGSHU" {
			t.Errorf("record %v", r)
		}
		w.advance(10 * time.Second)
		if r := w.declared("d1"); r["declarationRequestStatus"] != "PROCESSING" {
			t.Errorf("record %v", r)
		}
		// The declarations together come to no more than the payment.
		w.is(w.declare(declaration(p, "d2", 4_051)), "TOTAL_DECLARATION_AMOUNT_EXCEED", "F")
		w.ok(w.declare(declaration(p, "d2", 4_050)))
		w.advance(20 * time.Second)
		if r := w.declared("d1"); r["declarationRequestStatus"] != "SUCCESS" || r["customsDeclarationReturnTime"] != "2026-09-10T09:00:30+08:00" {
			t.Errorf("record %v", r)
		}
		// Sent again too soon: a change is refused, no change is a repeat.
		w.is(w.declare(declaration(p, "d1", 5_000)), "REPEAT_REQ_INCONSISTENT", "F")
		renamed := declaration(p, "d1", 6_000)
		renamed["merchantCustomsInfo"] = object{"merchantCustomsCode": "MC0001", "merchantCustomsName": "Shop Ltd"}
		w.is(w.declare(renamed), "CONTEXT_INCONSISTENT", "F")
		w.advance(5 * time.Minute)
		w.is(w.declare(with(declaration(p, "d1", 6_000), object{"splitOrder": false})), "CONTEXT_INCONSISTENT", "F")
		renamed["declarationAmount"] = amount(5_000, "CNY")
		w.ok(w.declare(renamed)) // after five minutes it may change, and replaces the first
		if r := w.declared("d1"); r["declarationRequestStatus"] != "WAITING" || fmt.Sprint(r["declarationAmount"]) != "map[currency:CNY value:5000]" {
			t.Errorf("sent again %v", r)
		}
		w.ok(w.declare(declaration(p, "d3", 1_000)))
		// A failed declaration counts no more and can be sent again.
		q := w.ok(w.pay(payment("ALIPAY_CN", token, "q", amount(10_050, "CNY"))))
		w.ok(w.declare(declaration(q, "f", 9931)))
		n := w.ok(w.declare(with(declaration(q, "n", 100), object{"extendInfo": `{"ducatScenario":"9932"}`})))
		if n["identityCheckResult"] != "CHECK_NOT_PASSED" {
			t.Errorf("identity %v", n)
		}
		w.advance(30 * time.Second)
		if r := w.declared("f"); r["declarationRequestStatus"] != "FAIL" || r["customsDeclarationResultCode"] == nil {
			t.Errorf("record %v", r)
		}
		w.ok(w.declare(declaration(q, "f2", 9_900)))

		o := w.ok(w.call("/v1/customs/inquiryDeclarationRequests", object{"declarationRequestIds": []string{"d1", "nope", "f"}}))
		if fmt.Sprint(o["declarationRequestsNotFound"]) != "[nope]" || len(o["declarationRecords"].([]any)) != 2 {
			t.Errorf("inquiry %v", o)
		}
		w.is(w.call("/v1/customs/inquiryDeclarationRequests", object{"declarationRequestIds": strings.Split("a b c d e f g h i j k", " ")}), "PARAM_ILLEGAL", "F")
		w.is(w.call("/v1/customs/inquiryDeclarationRequests", object{}), "PARAM_ILLEGAL", "F")
	})
}

func TestCustomsCodes(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	p := w.ok(w.pay(payment("ALIPAY_CN", w.token("ALIPAY_CN"), "p", amount(10_050, "CNY"))))
	gcash := w.paid(w.token("GCASH"), "g")
	failed := w.is(w.pay(payment("ALIPAY_CN", w.token("ALIPAY_CN"), "bad", amount(9908, "CNY"))), "USER_BALANCE_NOT_ENOUGH", "F")
	for _, c := range []struct {
		name, code string
		body       object
	}{
		{"no id", "PARAM_ILLEGAL", with(declaration(p, "d", 100), object{"declarationRequestId": nil})},
		{"long id", "PARAM_ILLEGAL", declaration(p, strings.Repeat("d", 33), 100)},
		{"office", "PARAM_ILLEGAL", with(declaration(p, "d", 100), object{"customs": object{"customsCode": "MOON", "region": "CN"}})},
		{"region", "PARAM_ILLEGAL", with(declaration(p, "d", 100), object{"customs": object{"customsCode": "ZONGSHU", "region": "US"}})},
		{"merchant", "PARAM_ILLEGAL", with(declaration(p, "d", 100), object{"merchantCustomsInfo": nil})},
		{"currency", "PARAM_ILLEGAL", with(declaration(p, "d", 100), object{"declarationAmount": amount(100, "USD")})},
		{"split without order", "PARAM_ILLEGAL", with(declaration(p, "d", 100), object{"subOrderId": nil})},
		{"unknown payment", "ORDER_NOT_EXIST", with(declaration(p, "d", 100), object{"paymentId": "x"})},
		{"failed payment", "ORDER_STATUS_INVALID", declaration(failed, "d", 100)},
		{"other currency", "PROCESS_FAIL", declaration(gcash, "d", 100)},
		{"too much", "TOTAL_DECLARATION_AMOUNT_EXCEED", declaration(p, "d", 10_051)},
	} {
		if r := w.declare(c.body); r.code() != c.code {
			t.Errorf("%s: %s, want %s", c.name, r.body, c.code)
		}
	}
	w.ok(w.declare(with(declaration(p, "d", 10_050), object{"splitOrder": true, "subOrderId": nil, "suborderId": "x"}))) // the other spelling
}
