package method

import (
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// AutoDebit is the product in which a payer agrees once in their wallet or at
// their bank, and the merchant debits them with a token, without the payer being
// there.
const AutoDebit = "auto_debit"

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// walletTokens is what an agreement is like where nothing else is published
// (antom §10, "Default token profile", §5.1, §5.2).
func walletTokens() Agreement {
	return Agreement{
		AskFor: 15 * time.Minute, CodeFor: 10 * time.Minute,
		AccessFor: 180 * day, RefreshFor: year, Rotates: true, GraceFor: 10 * time.Minute,
	}
}

// revocable are tokens that payers can withdraw in the wallet (antom §6.2).
func revocable() Agreement {
	a := walletTokens()
	a.Revocable = true
	return a
}

// lasting are tokens that cannot be renewed and are good for so long.
func lasting(how time.Duration) Agreement {
	a := walletTokens()
	a.AccessFor, a.RefreshFor, a.Rotates = how, 0, false
	return a
}

// debit is a row of the table below.
type debit struct {
	method, name, region string
	currency             money.Currency
	min, max, daily      int64 // minor units; 0: none
	step                 int64
	refund               time.Duration
	reversePaid          bool
	disputes             bool
	agreement            Agreement
}

// autoDebit is reference antom §10 (seed 001, Table 2). Figures the reference
// marks as unknown are those it says to use.
var autoDebit = func() (all []Rules) {
	whileTokensLast := 10 * year
	unheard := revocable()
	unheard.Unheard = true
	aYear := lasting(year)
	aYear.Revocable = true
	for _, d := range []debit{
		{method: "alipay_cn", name: "Alipay", region: "CN", currency: "CNY", min: 10, max: 30_000_000, refund: year, reversePaid: true, agreement: revocable()},
		{method: "alipay_hk", name: "AlipayHK", region: "HK", currency: "HKD", min: 1, max: 5_000_000, refund: year, reversePaid: true, agreement: revocable()},
		{method: "boost", name: "Boost", region: "MY", currency: "MYR", min: 5, max: 5_000_000, refund: year, reversePaid: true, agreement: revocable()},
		{method: "dana", name: "DANA", region: "ID", currency: "IDR", min: 300_00, max: 20_000_000_00, daily: 20_000_000_00, step: 100, refund: year, agreement: walletTokens()},
		{method: "gcash", name: "GCash", region: "PH", currency: "PHP", min: 100, max: 10_000_000, daily: 10_000_000, refund: year, reversePaid: true, agreement: walletTokens()},
		{method: "kakaopay", name: "Kakao Pay", region: "KR", currency: "KRW", min: 50, max: 2_000_000, refund: year, reversePaid: true, agreement: walletTokens()},
		{method: "naverpay", name: "NAVER Pay", region: "KR", currency: "KRW", min: 100, max: 2_000_000, refund: year, reversePaid: true, agreement: walletTokens()},
		{method: "rabbit_line_pay", name: "Rabbit LINE Pay", region: "TH", currency: "THB", min: 1, max: 5_000_000, refund: year, reversePaid: true, agreement: walletTokens()},
		{method: "tosspay", name: "Toss Pay", region: "KR", currency: "KRW", min: 100, max: 2_000_000, refund: year, reversePaid: true, agreement: walletTokens()},
		{method: "tng", name: "Touch 'n Go eWallet", region: "MY", currency: "MYR", min: 5, max: 2_000_000, refund: year, reversePaid: true, agreement: revocable()},
		{method: "truemoney", name: "TrueMoney", region: "TH", currency: "THB", min: 100, max: 3_000_000, daily: 5_000_000, refund: year, reversePaid: true, agreement: unheard},
		{method: "zalopay", name: "ZaloPay", region: "VN", currency: "VND", min: 1_000, max: 10_000_000, daily: 20_000_000, refund: 180 * day, reversePaid: true, agreement: lasting(whileTokensLast)},
		{method: "direct_debit_krungthaibank", name: "Krungthai Bank", region: "TH", currency: "THB", min: 100, max: 200_000_000, agreement: lasting(whileTokensLast)},
		{method: "direct_debit_siamcommercialbank", name: "Siam Commercial Bank", region: "TH", currency: "THB", min: 100, max: 200_000_000, agreement: lasting(whileTokensLast)},
		{method: "grabpay_my", name: "GrabPay", region: "MY", currency: "MYR", min: 1, max: 150_000, refund: year, reversePaid: true, agreement: walletTokens()},
		{method: "grabpay_sg", name: "GrabPay", region: "SG", currency: "SGD", min: 1, max: 500_000, refund: year, reversePaid: true, agreement: walletTokens()},
		{method: "grabpay_id", name: "GrabPay", region: "ID", currency: "IDR", min: 300_00, max: 20_000_000_00, step: 100, refund: year, agreement: walletTokens()},
		{method: "grabpay_ph", name: "GrabPay", region: "PH", currency: "PHP", min: 1_000, max: 2_500_000, refund: year, reversePaid: true, agreement: walletTokens()},
		{method: "maya", name: "Maya", region: "PH", currency: "PHP", min: 100, max: 10_000_000, refund: year, reversePaid: true, disputes: true, agreement: walletTokens()},
		{method: "paypay", name: "PayPay", region: "JP", currency: "JPY", min: 1, max: 1_000_000, daily: 1_000_000, refund: year, reversePaid: true, agreement: aYear},
		{method: "kplus", name: "K PLUS", region: "TH", currency: "THB", min: 100, max: 200_000_000, refund: year, reversePaid: true, agreement: walletTokens()},
	} {
		all = append(all, Rules{
			Product: AutoDebit, Method: d.method, Name: d.name, Region: d.region,
			Currencies: []money.Currency{d.currency}, MinimumDefault: d.min, Maximum: d.max, DailyMaximum: d.daily, Step: d.step,
			PendingFor: time.Minute, AuthorizedFor: time.Minute, // antom §7.2; captured as it is authorised
			RefundFor: d.refund, ReversePaid: d.reversePaid, Undisputed: !d.disputes, SettlesNext: true,
			ApprovalDelay: afterReturn, Agreement: &d.agreement,
		})
	}
	return all
}()

// SettlementZone is where the product's business day is counted (antom §7.2).
// It is fixed at UTC+8.
func SettlementZone() *time.Location { return china }
