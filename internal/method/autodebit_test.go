package method

import (
	"testing"
	"time"
)

// TestAutoDebit is the table of antom §10: a row per wallet and bank.
func TestAutoDebit(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range []struct {
		method, region, currency string
		min, max                 int64
		refundDays               int
		revocable, reversePaid   bool
		accessDays, refreshDays  int
	}{
		{"alipay_cn", "CN", "CNY", 10, 30_000_000, 365, true, true, 180, 365},
		{"alipay_hk", "HK", "HKD", 1, 5_000_000, 365, true, true, 180, 365},
		{"boost", "MY", "MYR", 5, 5_000_000, 365, true, true, 180, 365},
		{"dana", "ID", "IDR", 30_000, 2_000_000_000, 365, false, false, 180, 365},
		{"gcash", "PH", "PHP", 100, 10_000_000, 365, false, true, 180, 365},
		{"kakaopay", "KR", "KRW", 50, 2_000_000, 365, false, true, 180, 365},
		{"naverpay", "KR", "KRW", 100, 2_000_000, 365, false, true, 180, 365},
		{"rabbit_line_pay", "TH", "THB", 1, 5_000_000, 365, false, true, 180, 365},
		{"tosspay", "KR", "KRW", 100, 2_000_000, 365, false, true, 180, 365},
		{"tng", "MY", "MYR", 5, 2_000_000, 365, true, true, 180, 365},
		{"truemoney", "TH", "THB", 100, 3_000_000, 365, true, true, 180, 365},
		{"zalopay", "VN", "VND", 1_000, 10_000_000, 180, false, true, 3650, 0},
		{"direct_debit_krungthaibank", "TH", "THB", 100, 200_000_000, 0, false, false, 3650, 0},
		{"direct_debit_siamcommercialbank", "TH", "THB", 100, 200_000_000, 0, false, false, 3650, 0},
		{"grabpay_my", "MY", "MYR", 1, 150_000, 365, false, true, 180, 365},
		{"grabpay_sg", "SG", "SGD", 1, 500_000, 365, false, true, 180, 365},
		{"grabpay_id", "ID", "IDR", 30_000, 2_000_000_000, 365, false, false, 180, 365},
		{"grabpay_ph", "PH", "PHP", 1_000, 2_500_000, 365, false, true, 180, 365},
		{"maya", "PH", "PHP", 100, 10_000_000, 365, false, true, 180, 365},
		{"paypay", "JP", "JPY", 1, 1_000_000, 365, true, true, 365, 0},
		{"kplus", "TH", "THB", 100, 200_000_000, 365, false, true, 180, 365},
	} {
		r, ok := Find(AutoDebit, c.method)
		if !ok {
			t.Errorf("%s is not in the catalogue", c.method)
			continue
		}
		seen[c.method] = true
		const day = 24 * time.Hour
		a := *r.Agreement
		if r.Region != c.region || string(r.Currencies[0]) != c.currency || r.MinimumFor(r.Currencies[0]) != c.min || r.Maximum != c.max ||
			r.RefundFor != time.Duration(c.refundDays)*day || r.ReversePaid != c.reversePaid || a.Revocable != c.revocable ||
			a.AccessFor != time.Duration(c.accessDays)*day || a.RefreshFor != time.Duration(c.refreshDays)*day {
			t.Errorf("%s: %+v with %+v, want %+v", c.method, r, a, c)
		}
		if a.Unheard != (c.method == "truemoney") || r.Undisputed == (c.method == "maya") || r.PendingFor != time.Minute || !r.SettlesNext {
			t.Errorf("%s: %+v with %+v", c.method, r, a)
		}
	}
	for _, r := range All() {
		if r.Product == AutoDebit && !seen[r.Method] {
			t.Errorf("%s is not in this table", r.Method)
		}
	}
}
