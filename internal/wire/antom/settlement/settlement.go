// Package settlement renders Antom's three reports (antom §9): transaction
// details, settlement details and settlement summary, with the columns and the
// order of the reference, amounts in minor units. It computes sums and reads
// nothing.
package settlement

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/report"
)

// End is the last line of every file.
const End = "<END>"

// PartMax is how many rows a file has before the next part begins.
const PartMax = 10_000

// Issuer is who a file is about and who wrote it.
type Issuer struct{ CustomerID, Acquirer string }

// Item is a row of the reports.
type Item struct {
	Entry                                     report.Entry
	TransactionID, OriginalID                 string
	RequestID, OriginalRequestID, ReferenceID string
	Description, MerchantID, StoreID          string
	Method, Wallet, ProductCode, Pair, Price  string
	PaymentTime                               time.Time
	Currency                                  money.Currency // of settlement
	Amount                                    money.Amount   // in it, before fees
	Fee                                       money.Amount   // in it
}

// types are the names of entries in the files.
var types = map[report.Kind]string{
	report.Payment: "PAYMENT", report.Refund: "REFUND", report.RefundReturned: "REFUND_REVERSAL", report.Reversal: "CANCEL",
	report.Dispute: "DISPUTE", report.DisputeReturned: "DISPUTE_REVERSAL",
}

// column is a column of the details: which files have it, and what it holds.
type column struct {
	name                string
	transaction, detail bool
	value               func(c context, it Item) string
}

// context is what all rows of a file share.
type context struct {
	Issuer
	batch   string
	settled time.Time
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(method.SettlementZone()).Format(time.RFC3339)
}

func minor(a money.Amount) string { return strconv.FormatInt(a.Minor, 10) }

// empty are columns that stay empty: cards, taxes, coupons, and fees that are
// not charged here. Importers read by name.
func empty(context, Item) string { return "" }

// fee is empty unless there is one.
func fee(it Item) string {
	if it.Fee.Minor == 0 {
		return ""
	}
	return minor(it.Fee)
}

// columns is the table of antom §9.2 but for the summary's own.
var columns = func() []column {
	all := []column{
		{"settlementBatchId", false, true, func(c context, _ Item) string { return c.batch }},
		{"customerId", true, true, func(c context, _ Item) string { return c.CustomerID }},
		{"acquirer", true, true, func(c context, _ Item) string { return c.Acquirer }},
		{"acquirerReferenceNo", true, true, empty},
		{"referenceMerchantId", true, true, func(_ context, it Item) string { return it.MerchantID }},
		{"referenceStoreId", true, true, func(_ context, it Item) string { return it.StoreID }},
		{"transactionType", true, true, func(_ context, it Item) string { return types[it.Entry.Kind] }},
		{"transactionId", true, true, func(_ context, it Item) string { return it.TransactionID }},
		{"originalTransactionId", true, true, func(_ context, it Item) string { return it.OriginalID }},
		{"transactionRequestId", true, true, func(_ context, it Item) string { return it.RequestID }},
		{"originalTransactionRequestId", true, true, func(_ context, it Item) string { return it.OriginalRequestID }},
		{"referenceTransactionId", true, true, func(_ context, it Item) string { return it.ReferenceID }},
		{"orderDescription", true, false, func(_ context, it Item) string { return it.Description }},
		{"paymentMethodType", true, true, func(_ context, it Item) string { return it.Method }},
		{"pspName", true, true, func(_ context, it Item) string { return it.Wallet }},
		{"paymentTime", true, true, func(_ context, it Item) string { return stamp(it.PaymentTime) }},
		{"settlementTime", false, true, func(c context, _ Item) string { return stamp(c.settled) }},
		{"productCode", true, true, func(_ context, it Item) string { return it.ProductCode }},
		{"transactionAmountValue", true, true, func(_ context, it Item) string { return minor(it.Entry.Amount) }},
		{"transactionCurrency", true, true, func(_ context, it Item) string { return string(it.Entry.Amount.Currency) }},
		{"settlementAmountValue", true, true, func(_ context, it Item) string { return minor(it.Amount) }},
		{"settlementCurrency", true, true, func(_ context, it Item) string { return string(it.Currency) }},
		{"quoteCurrencyPair", true, true, func(_ context, it Item) string { return it.Pair }},
		{"quotePrice", true, true, func(_ context, it Item) string { return it.Price }},
		{"feeAmountValue", true, true, func(_ context, it Item) string { return fee(it) }},
		{"feeCurrency", true, true, func(_ context, it Item) string {
			if fee(it) == "" {
				return ""
			}
			return string(it.Currency)
		}},
	}
	for _, name := range append(slices.Clone(sideFees[:10]), append([]string{"installmentsNum", "issuingCountry", "cardBrand", "funding"}, sideFees[10:]...)...) {
		all = append(all, column{name, true, true, empty})
	}
	return all
}()

// sideFees are the columns of fees that are not charged here, in their order.
var sideFees = []string{
	"taxFeeAmountValue", "taxFeeCurrency", "processingFeeAmountValue", "processingFeeCurrency", "nonGuaranteeCouponValue", "nonGuaranteeCouponCurrency",
	"disputeHandlingFee", "disputeHandlingFeeCurrency", "disputeReverseFee", "disputeReverseFeeCurrency",
	"interchangeFeeAmountValue", "interchangeFeeCurrency", "schemeFeeAmountValue", "schemeFeeCurrency", "acquirerMarkupAmountValue", "acquirerMarkupCurrency",
}

// The header lines.
var (
	TransactionColumns = names(func(c column) bool { return c.transaction })
	DetailColumns      = names(func(c column) bool { return c.detail })
	SummaryColumns     = append([]string{
		"settlementBatchId", "customerId", "acquirer", "summaryType", "settlementTime", "count", "settlementAmountValue", "settlementCurrency",
		"feeAmountValue", "feeCurrency",
	}, sideFees...)
)

func names(in func(column) bool) (list []string) {
	for _, c := range columns {
		if in(c) {
			list = append(list, c.name)
		}
	}
	return list
}

func rows(c context, items []Item, in func(column) bool) [][]string {
	var all [][]string
	for _, it := range items {
		var row []string
		for _, col := range columns {
			if in(col) {
				row = append(row, col.value(c, it))
			}
		}
		all = append(all, row)
	}
	return all
}

// Transactions renders the rows of a transaction details report.
func Transactions(who Issuer, items []Item) [][]string {
	return rows(context{Issuer: who}, items, func(c column) bool { return c.transaction })
}

// Details renders the rows of a settlement details report.
func Details(who Issuer, batch string, settled time.Time, items []Item) [][]string {
	return rows(context{who, batch, settled}, items, func(c column) bool { return c.detail })
}

// Group is what is settled in one currency.
type Group struct {
	Currency money.Currency
	Items    []Item
}

// ByCurrency groups items by the currency they are settled in, in the order of
// its code.
func ByCurrency(items []Item) []Group {
	var all []Group
	for _, it := range items {
		i := slices.IndexFunc(all, func(g Group) bool { return g.Currency == it.Currency })
		if i < 0 {
			all = append(all, Group{Currency: it.Currency})
			i = len(all) - 1
		}
		all[i].Items = append(all[i].Items, it)
	}
	slices.SortFunc(all, func(a, b Group) int { return cmp.Compare(a.Currency, b.Currency) })
	return all
}

// Net is what the group comes to: amounts and fees, with their signs.
func (g Group) Net() money.Amount {
	sum := money.Of(0, g.Currency)
	for _, it := range g.Items {
		sum = sum.Add(it.Amount).Add(it.Fee)
	}
	return sum
}

// Change is what was earned in another currency, and what that comes to.
type Change struct{ From, To money.Amount }

// Changed sums what has to be changed, per currency of the transactions.
func (g Group) Changed() []Change {
	var all []Change
	for _, it := range g.Items {
		from := it.Entry.Net()
		if from.Currency == g.Currency {
			continue
		}
		i := slices.IndexFunc(all, func(c Change) bool { return c.From.Currency == from.Currency })
		if i < 0 {
			all = append(all, Change{money.Of(0, from.Currency), money.Of(0, g.Currency)})
			i = len(all) - 1
		}
		all[i].From = all[i].From.Add(from)
		all[i].To = all[i].To.Add(it.Amount).Add(it.Fee)
	}
	return all
}

// summaryOrder is the order of the lines of a summary.
var summaryOrder = []report.Kind{report.Payment, report.Refund, report.Reversal, report.Dispute, report.RefundReturned, report.DisputeReturned}

// Summary renders the rows of a settlement summary: a line per kind there is, and
// the total.
func Summary(who Issuer, batch string, settled time.Time, g Group) [][]string {
	var all [][]string
	line := func(name string, keep func(report.Kind) bool) {
		n, amount, fees := 0, money.Of(0, g.Currency), money.Of(0, g.Currency)
		for _, it := range g.Items {
			if keep(it.Entry.Kind) {
				n, amount, fees = n+1, amount.Add(it.Amount), fees.Add(it.Fee)
			}
		}
		if n == 0 && name != "TOTAL" {
			return
		}
		row := []string{batch, who.CustomerID, who.Acquirer, name, stamp(settled), strconv.Itoa(n), minor(amount), string(g.Currency), minor(fees), string(g.Currency)}
		all = append(all, append(row, make([]string, len(sideFees))...))
	}
	for _, k := range summaryOrder {
		line(types[k], func(o report.Kind) bool { return o == k })
	}
	line("TOTAL", func(report.Kind) bool { return true })
	return all
}

// Parts cuts items into files, by number from 0.
func Parts(items []Item) map[int][]Item {
	parts := map[int][]Item{}
	i := 0
	for some := range slices.Chunk(items, PartMax) {
		parts[i] = some
		i++
	}
	return parts
}
