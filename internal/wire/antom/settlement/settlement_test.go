package settlement

import (
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/report"
)

// TestColumns pins the header lines; the summary's is printed in antom §9.2.
func TestColumns(t *testing.T) {
	t.Parallel()
	const summary = "settlementBatchId,customerId,acquirer,summaryType,settlementTime,count,settlementAmountValue,settlementCurrency,feeAmountValue,feeCurrency,taxFeeAmountValue,taxFeeCurrency,processingFeeAmountValue,processingFeeCurrency,nonGuaranteeCouponValue,nonGuaranteeCouponCurrency,disputeHandlingFee,disputeHandlingFeeCurrency,disputeReverseFee,disputeReverseFeeCurrency,interchangeFeeAmountValue,interchangeFeeCurrency,schemeFeeAmountValue,schemeFeeCurrency,acquirerMarkupAmountValue,acquirerMarkupCurrency"
	if got := strings.Join(SummaryColumns, ","); got != summary {
		t.Errorf("summary %s", got)
	}
	for name, c := range map[string]struct {
		columns []string
		n       int
		without []string
		with    []string
	}{
		"transactions": {TransactionColumns, 44, []string{"settlementBatchId", "settlementTime", "summaryType", "count"}, []string{"orderDescription", "installmentsNum"}},
		"details":      {DetailColumns, 45, []string{"orderDescription", "summaryType", "count"}, []string{"settlementBatchId", "settlementTime", "funding"}},
	} {
		text := "," + strings.Join(c.columns, ",") + ","
		if len(c.columns) != c.n {
			t.Errorf("%s has %d columns, want %d: %s", name, len(c.columns), c.n, text)
		}
		for _, w := range c.without {
			if strings.Contains(text, ","+w+",") {
				t.Errorf("%s has %s", name, w)
			}
		}
		for _, w := range c.with {
			if !strings.Contains(text, ","+w+",") {
				t.Errorf("%s does not have %s", name, w)
			}
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	item := func(kind report.Kind, amount int64, from, to money.Currency, settled, fee int64) Item {
		return Item{
			Entry:    report.Entry{Kind: kind, Amount: money.Of(amount, from), Fee: money.Of(-2, from)},
			Currency: to, Amount: money.Of(settled, to), Fee: money.Of(fee, to),
		}
	}
	groups := ByCurrency([]Item{
		item(report.Payment, 1000, "PHP", "USD", 17, -1), item(report.Payment, 500, "EUR", "EUR", 500, -2), item(report.Refund, -500, "PHP", "USD", -9, 0),
		item(report.Payment, 3000, "KRW", "USD", 2, 0),
	})
	if len(groups) != 2 || groups[0].Currency != "EUR" || groups[1].Net() != money.Of(9, "USD") || len(groups[0].Changed()) != 0 {
		t.Fatalf("groups %+v", groups)
	}
	changed := groups[1].Changed()
	if len(changed) != 2 || changed[0] != (Change{money.Of(496, "PHP"), money.Of(7, "USD")}) || changed[1] != (Change{money.Of(2998, "KRW"), money.Of(2, "USD")}) {
		t.Errorf("changed %+v", changed)
	}
	var lines []string
	for _, r := range Summary(Issuer{"c", "a"}, "b", time.Unix(0, 0), groups[1]) {
		if len(r) != len(SummaryColumns) {
			t.Errorf("%d cells", len(r))
		}
		lines = append(lines, strings.Join(r[3:9], " "))
	}
	if got := strings.Join(lines, ", "); got != "PAYMENT 1970-01-01T08:00:00+08:00 2 19 USD -1, REFUND 1970-01-01T08:00:00+08:00 1 -9 USD 0, TOTAL 1970-01-01T08:00:00+08:00 3 10 USD -1" {
		t.Errorf("summary %s", got)
	}
	parts := Parts(make([]Item, PartMax+1))
	if len(parts) != 2 || len(parts[0]) != PartMax || len(parts[1]) != 1 {
		t.Errorf("%d parts", len(parts))
	}
}
