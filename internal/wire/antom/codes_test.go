package antom_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/wire/antom"
)

// unnatural are the codes that no request of this product leads to by itself:
// they are those of cards, codes shown in a store, buyers who have to verify, or
// of troubles only the real service has. The simulator answers them on request.
var unnatural = []string{
	"ACCESS_DENIED", "PROCESS_FAIL", "SYSTEM_ERROR", "UNKNOWN_EXCEPTION", "REQUEST_TRAFFIC_EXCEED_LIMIT", "OAUTH_FAIL", "USER_NOT_EXIST",
	"AUTHENTICATION_REQUIRED", "FRAUD_REJECT", "INVALID_MERCHANT_STATUS", "INVALID_PAYMENT_CODE", "INVALID_PAYMENT_METHOD_META_DATA",
	"MERCHANT_KYB_NOT_QUALIFIED", "MERCHANT_NOT_REGISTERED", "NO_PAY_OPTIONS", "PAYMENT_COUNT_EXCEED_LIMIT", "PAYMENT_PROHIBITED",
	"REGULATION_RESTRICTION", "SELECTED_CARD_BRAND_NOT_AVAILABLE", "UNAVAILABLE_PAYMENT_METHOD", "USER_KYC_NOT_QUALIFIED",
	"USER_PAYMENT_VERIFICATION_FAILED", "VERIFY_TIMES_EXCEED_LIMIT", "VERIFY_UNMATCHED", "PARTIAL_REFUND_NOT_SUPPORTED",
	"MULTIPLE_REFUNDS_NOT_SUPPORTED", "INVALID_CONTRACT", "PAYMENT_METHOD_NOT_SUPPORTED",
}

// TestEveryCode has every result code answered, with its status, by any call.
func TestEveryCode(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, code := range slices.Sorted(maps.Keys(antom.Codes())) {
		if code == "SUCCESS" {
			continue
		}
		status := antom.Codes()[code]
		for _, call := range []string{"/v1/payments/pay", "/v1/payments/inquiryRefund"} {
			w.control("POST", "antom/next", object{"code": code})
			body := object{"refundRequestId": "none"}
			if strings.HasSuffix(call, "pay") {
				body = payment("GCASH", "x", "none", amount(100, "PHP"))
			}
			w.is(w.call(call, body), code, status)
		}
	}
	w.is(w.call("/v1/payments/inquiryPayment", object{"paymentRequestId": "none"}), "ORDER_NOT_EXIST", "F") // used up, nothing was made
	for _, code := range []string{"SUCCESS", "NONSENSE"} {
		if status, _ := w.controlStatus("POST", "antom/next", object{"code": code}); status != 400 {
			t.Errorf("%s can be asked for", code)
		}
	}
}

// TestPayCodes refuses payments, each for its own reason, with nothing changed.
func TestPayCodes(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	token := w.token("GCASH")
	other := w.token("PAYPAY")
	ok := func() object { return payment("GCASH", token, "x", amount(14_900, "PHP")) }
	for _, c := range []struct {
		name string
		body object
		code string
		text string
	}{
		{"empty", object{}, "PARAM_ILLEGAL", "productCode"},
		{"product", with(ok(), object{"productCode": "CASHIER_PAYMENT"}), "BUSINESS_NOT_SUPPORT", "AGREEMENT_PAYMENT"},
		{"unknown product", with(ok(), object{"productCode": "X"}), "PARAM_ILLEGAL", "productCode"},
		{"no request id", with(ok(), object{"paymentRequestId": nil}), "PARAM_ILLEGAL", "paymentRequestId"},
		{"blank in the id", with(ok(), object{"paymentRequestId": "a b"}), "PARAM_ILLEGAL", "paymentRequestId"},
		{"long id", with(ok(), object{"paymentRequestId": strings.Repeat("a", 65)}), "PARAM_ILLEGAL", "paymentRequestId"},
		{"no order", with(ok(), object{"order": nil}), "PARAM_ILLEGAL", "order"},
		{"order is text", with(ok(), object{"order": "x"}), "PARAM_ILLEGAL", "order"},
		{"no reference", with(ok(), object{"order": object{"orderDescription": "d", "orderAmount": amount(1, "PHP")}}), "PARAM_ILLEGAL", "order.referenceOrderId"},
		{"no amount", with(ok(), object{"paymentAmount": nil}), "PARAM_ILLEGAL", "paymentAmount"},
		{"zero", with(ok(), object{"paymentAmount": amount(0, "PHP")}), "PARAM_ILLEGAL", "paymentAmount.value"},
		{"negative", with(ok(), object{"paymentAmount": amount(-5, "PHP")}), "PARAM_ILLEGAL", "paymentAmount.value"},
		{"decimal", with(ok(), object{"paymentAmount": object{"currency": "PHP", "value": "1.5"}}), "PARAM_ILLEGAL", "paymentAmount.value"},
		{"seventeen digits", with(ok(), object{"paymentAmount": object{"currency": "PHP", "value": "12345678901234567"}}), "PARAM_ILLEGAL", "paymentAmount.value"},
		{"no currency there is", with(ok(), object{"paymentAmount": amount(100, "ZZZ")}), "PARAM_ILLEGAL", "paymentAmount.currency"},
		{"lower case", with(ok(), object{"paymentAmount": amount(100, "php")}), "PARAM_ILLEGAL", "paymentAmount.currency"},
		{"no method", with(ok(), object{"paymentMethod": object{"paymentMethodId": token}}), "PARAM_ILLEGAL", "paymentMethod.paymentMethodType"},
		{"no token", with(ok(), object{"paymentMethod": object{"paymentMethodType": "GCASH"}}), "PARAM_ILLEGAL", "paymentMethod.paymentMethodId"},
		{"unknown method", payment("SHELLS", token, "x", amount(100, "PHP")), "PARAM_ILLEGAL", "SHELLS"},
		{"method in lower case", payment("gcash", token, "x", amount(100, "PHP")), "PARAM_ILLEGAL", "gcash"},
		{"uncontracted method", payment("MOMO", token, "x", amount(100, "PHP")), "PAYMENT_NOT_QUALIFIED", "MOMO"},
		{"unknown token", payment("GCASH", "nobody's", "x", amount(14_900, "PHP")), "INVALID_ACCESS_TOKEN", ""},
		{"token of another method", payment("GCASH", other, "x", amount(14_900, "PHP")), "INVALID_ACCESS_TOKEN", ""},
		{"currency", payment("GCASH", token, "x", amount(14_900, "USD")), "CURRENCY_NOT_SUPPORT", "PHP"},
		{"too little", payment("GCASH", token, "x", amount(99, "PHP")), "PAYMENT_AMOUNT_EXCEED_LIMIT", ""},
		{"too much", payment("GCASH", token, "x", amount(10_000_001, "PHP")), "PAYMENT_AMOUNT_EXCEED_LIMIT", ""},
		{"settlement", with(ok(), object{"settlementStrategy": object{"settlementCurrency": "CHF"}}), "SETTLE_CONTRACT_NOT_MATCH", "CHF"},
		{"authorization only", with(ok(), object{"paymentFactor": object{"isAuthorization": "true"}}), "PARAM_ILLEGAL", "isAuthorization"},
		{"address", with(ok(), object{"paymentNotifyUrl": "ftp://x"}), "PARAM_ILLEGAL", "paymentNotifyUrl"},
		{"metadata", with(ok(), object{"metadata": strings.Repeat("x", 2049)}), "PARAM_ILLEGAL", "metadata"},
		{"NUL", with(ok(), object{"order": object{"referenceOrderId": "a\x00", "orderDescription": "d", "orderAmount": amount(1, "PHP")}}), "PARAM_ILLEGAL", "NUL"},
	} {
		r := w.pay(c.body)
		if r.code() != c.code || !strings.Contains(r.result()["resultMessage"].(string), c.text) {
			t.Errorf("%s: %s, want %s naming %q", c.name, r.body, c.code, c.text)
		}
	}
	if told := w.heard("notifyType", "PAYMENT_RESULT"); len(told) != 0 {
		t.Errorf("refused requests were notified: %v", told)
	}
	w.ok(w.pay(ok())) // the id is still free: nothing was made
	w.control("POST", "account", object{"methods_off": []string{"gcash"}})
	w.is(w.pay(payment("GCASH", token, "off", amount(14_900, "PHP"))), "PAYMENT_NOT_QUALIFIED", "F")
	w.is(w.call("/v1/authorizations/consult", consultation("GCASH", "st-off")), "PAYMENT_METHOD_NOT_SUPPORTED", "F")
	w.is(w.call("/v1/authorizations/consult", consultation("MOMO", "st-off")), "PAYMENT_METHOD_NOT_SUPPORTED", "F")
}

// TestWalletRefusals declines payments at the wallet: the refusal is the
// payment's final state under every name it has.
func TestWalletRefusals(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	token := w.token("GCASH")
	refuse := func(name string, body object, code string) {
		t.Helper()
		r := w.is(w.pay(body), code, "F")
		if again := w.is(w.pay(body), code, "F"); again["paymentId"] != r["paymentId"] || r["paymentId"] == nil {
			t.Errorf("%s: %v, then %v", name, r, again)
		}
		if q := w.inquiry(r["paymentId"].(string)); q["paymentStatus"] != "FAIL" || q["paymentResultCode"] != code {
			t.Errorf("%s: inquiry %v", name, q)
		}
		w.is(w.refund(r, "r-"+name, 100), "ORDER_STATUS_INVALID", "F")
	}
	for n, code := range map[int64]string{
		9908: "USER_BALANCE_NOT_ENOUGH", 9909: "RISK_REJECT", 9910: "USER_STATUS_ABNORMAL", 9911: "INVALID_ACCESS_TOKEN",
		9912: "USER_AMOUNT_EXCEED_LIMIT", 9913: "SYSTEM_ERROR",
	} {
		refuse(fmt.Sprint(n), payment("GCASH", token, fmt.Sprint("a", n), amount(n, "PHP")), code)
	}
	// Any code, for currencies whose minimum is above those amounts.
	for i, code := range unnatural {
		if antom.Codes()[code] != "F" {
			continue
		}
		refuse(code, with(payment("GCASH", token, fmt.Sprint("s", i), amount(500, "PHP")), object{"metadata": fmt.Sprintf(`{"ducatScenario":%q}`, code)}), code)
	}
	told := w.heard("notifyType", "PAYMENT_RESULT")
	for _, n := range told {
		if n["result"].(object)["resultStatus"] != "F" || n["paymentTime"] != nil {
			t.Errorf("told %v", n)
		}
	}
	if len(told) < 20 {
		t.Errorf("told %d times", len(told))
	}
}

func TestConsultAndTokenCodes(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	ok := func() object { return consultation("GCASH", "st") }
	for _, c := range []struct {
		name string
		body object
		text string
	}{
		{"method", with(ok(), object{"customerBelongsTo": "SHELLS"}), "customerBelongsTo"},
		{"no method", with(ok(), object{"customerBelongsTo": ""}), "customerBelongsTo"},
		{"no address", with(ok(), object{"authRedirectUrl": nil}), "authRedirectUrl"},
		{"script", with(ok(), object{"authRedirectUrl": "javascript:alert(1)"}), "authRedirectUrl"},
		{"data", with(ok(), object{"authRedirectUrl": "DATA:text/html,x"}), "authRedirectUrl"},
		{"relative", with(ok(), object{"authRedirectUrl": "/back"}), "authRedirectUrl"},
		{"long address", with(ok(), object{"authRedirectUrl": "https://x/" + strings.Repeat("a", 1024)}), "authRedirectUrl"},
		{"no scopes", with(ok(), object{"scopes": nil}), "scopes"},
		{"scopes are text", with(ok(), object{"scopes": "AGREEMENT_PAY"}), "scopes"},
		{"unknown scope", with(ok(), object{"scopes": []string{"AGREEMENT_PAY", "X"}}), "scopes"},
		{"nothing to debit with", with(ok(), object{"scopes": []string{"USER_INFO"}}), "AGREEMENT_PAY"},
		{"five scopes", with(ok(), object{"scopes": []string{"AGREEMENT_PAY", "USER_INFO", "USER_INFO", "USER_INFO", "USER_INFO"}}), "scopes"},
		{"no state", with(ok(), object{"authState": nil}), "authState"},
		{"long state", with(ok(), object{"authState": strings.Repeat("s", 257)}), "authState"},
		{"terminal", with(ok(), object{"terminalType": "FAX"}), "terminalType"},
		{"app without system", with(ok(), object{"terminalType": "APP"}), "osType"},
	} {
		r := w.call("/v1/authorizations/consult", c.body)
		if r.code() != "PARAM_ILLEGAL" || !strings.Contains(r.result()["resultMessage"].(string), c.text) {
			t.Errorf("%s: %s", c.name, r.body)
		}
	}
	code := w.code("GCASH")
	for _, c := range []struct {
		name string
		body object
		code string
	}{
		{"grant", object{"grantType": "X", "customerBelongsTo": "GCASH"}, "PARAM_ILLEGAL"},
		{"no grant", object{"customerBelongsTo": "GCASH"}, "PARAM_ILLEGAL"},
		{"no code", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "GCASH"}, "PARAM_ILLEGAL"},
		{"unknown code", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "GCASH", "authCode": "x"}, "INVALID_CODE"},
		{"code of another method", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "PAYPAY", "authCode": code}, "INVALID_CODE"},
		{"code as refresh token", object{"grantType": "REFRESH_TOKEN", "customerBelongsTo": "GCASH", "refreshToken": code}, "INVALID_CODE"},
		{"no refresh token", object{"grantType": "REFRESH_TOKEN", "customerBelongsTo": "GCASH"}, "PARAM_ILLEGAL"},
	} {
		if r := w.call("/v1/authorizations/applyToken", c.body); r.code() != c.code {
			t.Errorf("%s: %s", c.name, r.body)
		}
	}
	other := in(t, w.Server)
	other.is(other.call("/v1/authorizations/applyToken", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "GCASH", "authCode": code}), "INVALID_CODE", "F")
	w.ok(w.call("/v1/authorizations/applyToken", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "GCASH", "authCode": code}))
	w.is(w.call("/v1/authorizations/revoke", object{}), "PARAM_ILLEGAL", "F")
	w.is(w.call("/v1/payments/inquiryPayment", object{}), "PARAM_ILLEGAL", "F")
	w.is(w.call("/v1/payments/inquiryRefund", object{}), "PARAM_ILLEGAL", "F")
	w.is(w.call("/v1/payments/cancel", object{}), "PARAM_ILLEGAL", "F")
}

func TestRefundCodes(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	p := w.paid(w.token("GCASH"), "p")
	ok := func() object {
		return object{"refundRequestId": "r", "paymentId": p["paymentId"], "refundAmount": amount(100, "PHP")}
	}
	for _, c := range []struct {
		name, code string
		body       object
	}{
		{"no id", "PARAM_ILLEGAL", with(ok(), object{"refundRequestId": nil})},
		{"no payment", "PARAM_ILLEGAL", with(ok(), object{"paymentId": nil})},
		{"no amount", "PARAM_ILLEGAL", with(ok(), object{"refundAmount": nil})},
		{"below the minimum", "PARAM_ILLEGAL", with(ok(), object{"refundAmount": amount(99, "PHP")})},
		{"unknown payment", "ORDER_NOT_EXIST", with(ok(), object{"paymentId": "x"})},
		{"currency", "CURRENCY_NOT_SUPPORT", with(ok(), object{"refundAmount": amount(100, "USD")})},
		{"too much", "REFUND_AMOUNT_EXCEED", with(ok(), object{"refundAmount": amount(14_901, "PHP")})},
		{"address", "PARAM_ILLEGAL", with(ok(), object{"refundNotifyUrl": "x"})},
		{"asked for", "PARTIAL_REFUND_NOT_SUPPORTED", with(ok(), object{"metadata": `{"ducatScenario":"PARTIAL_REFUND_NOT_SUPPORTED"}`})},
		{"asked for", "MULTIPLE_REFUNDS_NOT_SUPPORTED", with(ok(), object{"metadata": object{"ducatScenario": "MULTIPLE_REFUNDS_NOT_SUPPORTED"}})},
	} {
		if r := w.call("/v1/payments/refund", c.body); r.code() != c.code {
			t.Errorf("%s: %s, want %s", c.name, r.body, c.code)
		}
	}
	w.ok(w.call("/v1/payments/refund", ok()))
	d := w.ok(w.pay(payment("DIRECT_DEBIT_KRUNGTHAIBANK", w.token("DIRECT_DEBIT_KRUNGTHAIBANK"), "bank", amount(10_000, "THB"))))
	w.is(w.refund(d, "b", 10_000), "REFUND_NOT_SUPPORTED", "F")
}
