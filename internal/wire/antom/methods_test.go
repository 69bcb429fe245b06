package antom_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/method"
)

// TestMethods runs every wallet and bank of seed 001, Table 2: consult, token,
// the limits, refund, its window.
func TestMethods(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, rules := range method.All() {
		if rules.Product != method.AutoDebit {
			continue
		}
		name, currency := strings.ToUpper(rules.Method), string(rules.Currencies[0])
		tk := w.tokens(name)
		if has := tk["refreshToken"] != nil; has != (rules.Agreement.RefreshFor > 0) {
			t.Errorf("%s: refresh token %v", name, has)
		}
		token := tk["accessToken"].(string)
		pay := func(what string, minor int64) response {
			return w.pay(payment(name, token, strings.ToLower(name)+"-"+what, amount(minor, currency)))
		}
		least := rules.MinimumFor(rules.Currencies[0])
		below := least - max(rules.Step, 1)
		p := w.ok(pay("least", least))
		if below > 0 {
			w.is(pay("below", below), "PAYMENT_AMOUNT_EXCEED_LIMIT", "F")
		}
		w.is(pay("above", rules.Maximum+max(rules.Step, 1)), "PAYMENT_AMOUNT_EXCEED_LIMIT", "F")
		most := rules.Maximum
		if rules.DailyMaximum > 0 && rules.DailyMaximum-least < most {
			w.is(pay("day", most), "USER_AMOUNT_EXCEED_LIMIT", "F")
			w.advance(24 * time.Hour)
		}
		big := w.ok(pay("most", most))
		if rules.RefundFor == 0 {
			w.is(w.refund(big, name+"-r", least), "REFUND_NOT_SUPPORTED", "F")
			continue
		}
		w.ok(w.refund(p, name+"-whole", least))
		w.ok(w.refund(big, name+"-part", most/2))
		w.advance(rules.RefundFor + time.Minute)
		w.is(w.refund(big, name+"-late", least), "REFUND_WINDOW_EXCEED", "F")
	}
}

func TestRounding(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	token := w.token("DANA")
	for asked, want := range map[int64]string{100_049: "100000", 100_050: "100000", 100_150: "100200", 100_151: "100200", 100_100: "100100"} {
		p := w.ok(w.pay(payment("DANA", token, fmt.Sprint("p", asked), amount(asked, "IDR"))))
		if got := p["paymentAmount"].(object)["value"]; got != want {
			t.Errorf("%d became %v, want %s", asked, got, want)
		}
		w.ok(w.pay(payment("DANA", token, fmt.Sprint("p", asked), amount(asked, "IDR"))))
	}
}

func TestDailyLimit(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	one, other := w.token("TRUEMONEY"), w.token("TRUEMONEY")
	pay := func(token, request string, minor int64) response {
		return w.pay(payment("TRUEMONEY", token, request, amount(minor, "THB")))
	}
	w.ok(pay(one, "a", 3_000_000))
	w.is(pay(one, "b", 2_000_001), "USER_AMOUNT_EXCEED_LIMIT", "F")
	w.ok(pay(one, "c", 2_000_000))
	w.is(pay(one, "d", 100), "USER_AMOUNT_EXCEED_LIMIT", "F")
	w.ok(pay(other, "e", 3_000_000)) // another payer
	w.to("2026-09-11T00:00:00+08:00")
	w.ok(pay(one, "f", 3_000_000))
}

func TestMethodsByRegion(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.control("POST", "account", object{"methods_off": []string{"boost"}})
	for region, want := range map[string]string{
		"MY": "BOOST- TNG GRABPAY_MY", "my": "BOOST- TNG GRABPAY_MY", "CN": "ALIPAY_CN", "JP": "PAYPAY", "FR": "",
		"TH": "RABBIT_LINE_PAY TRUEMONEY DIRECT_DEBIT_KRUNGTHAIBANK DIRECT_DEBIT_SIAMCOMMERCIALBANK KPLUS", "PH": "GCASH GRABPAY_PH MAYA",
	} {
		var got []string
		for _, m := range w.control("GET", "antom/methods?region="+region, nil)["methods"].([]any) {
			name := m.(object)["payment_method_type"].(string)
			if m.(object)["contracted"] == false {
				name += "-"
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", region, got, want)
		}
	}
	if l := w.control("GET", "antom/methods", nil)["methods"].([]any); len(l) != 21 {
		t.Errorf("%d methods", len(l))
	}
	if status, _ := w.controlStatus("GET", "antom/methods?region=EUROPE", nil); status != 400 {
		t.Errorf("a region of six letters: %d", status)
	}
}

// TestChargeback: of the wallets, Maya's payers can claim their money back.
func TestChargeback(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	p := w.ok(w.pay(payment("MAYA", w.token("MAYA"), "m", amount(10_000, "PHP"))))
	w.control("POST", "disputes", object{"id": p["paymentId"], "reason": "not received"})
	w.is(w.refund(p, "r", 100), "ORDER_STATUS_INVALID", "F")
	w.control("POST", "disputes/close", object{"id": p["paymentId"], "outcome": "lost"})
	g := w.paid(w.token("GCASH"), "g")
	if status, o := w.controlStatus("POST", "disputes", object{"id": g["paymentId"], "reason": "not received"}); status != 400 {
		t.Errorf("a GCash payment was disputed: %d %v", status, o)
	}
	w.advance(48 * time.Hour)
	if w.reconcile(t) != 1 {
		t.Error("no batch")
	}
	for name, tb := range w.reports() {
		if strings.HasPrefix(name, "transactionItems_") && !strings.Contains(fmt.Sprint(tb.rows), "transactionType:DISPUTE") {
			t.Errorf("%s does not have the chargeback: %v", name, tb.rows)
		}
	}
}

// TestPayPay: the token is good for a year and cannot be renewed.
func TestPayPay(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	c := w.ok(w.call("/v1/authorizations/consult", with(consultation("PAYPAY", "st-pp"), object{"recurringPayment": "true"})))
	code := w.decide(c["normalUrl"].(string), "authorize").Query().Get("authCode")
	tk := w.ok(w.call("/v1/authorizations/applyToken", object{"grantType": "AUTHORIZATION_CODE", "customerBelongsTo": "PAYPAY", "authCode": code}))
	if tk["refreshToken"] != nil || tk["accessTokenExpiryTime"] != "2027-09-10T09:00:00+08:00" {
		t.Errorf("tokens %v", tk)
	}
	pay := func(request string) response {
		return w.pay(payment("PAYPAY", tk["accessToken"].(string), request, amount(500, "JPY")))
	}
	w.ok(pay("a"))
	w.to("2027-09-10T08:59:59+08:00")
	w.ok(pay("b"))
	w.to("2027-09-10T09:00:00+08:00")
	w.is(pay("c"), "INVALID_ACCESS_TOKEN", "F")
}
