package antom

import (
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
)

// known are the members of the SDKs' enum that are not part of the product: they
// are known and not contracted (antom §10).
var known = []string{
	"MPAY", "HIPAY", "ACH_DIRECT_DEBIT", "MOMO", "VIETTELMONEY", "JKOPAY", "BKASH", "EASYPAISA", "DIRECTDEBIT_YAPILY", "ANTOM_BIZ_ACCOUNT",
}

// wireName is a method's name on the wire: the catalogue's in capitals.
func wireName(name string) string { return strings.ToUpper(name) }

// links says what a wallet's consent page is reached by (antom §5.1).
type links struct {
	scan    bool   // on the web the payer scans a code
	scheme  string // of its app, "" if none is known
	applink bool   // its app opens by an applink
	appID   string // Android package
	authURL bool   // only authUrl is returned
}

// links by method; others have the page alone.
var linksOf = map[string]links{
	"alipay_cn":       {scan: true, appID: "com.eg.android.AlipayGphone"},
	"alipay_hk":       {scan: true, applink: true, appID: "hk.alipay.wallet"},
	"dana":            {applink: true, appID: "id.dana"},
	"gcash":           {scan: true, scheme: "gcash", applink: true, appID: "com.globe.gcash.android"},
	"naverpay":        {applink: true, appID: "com.nhn.android.search"},
	"rabbit_line_pay": {scan: true, scheme: "line", applink: true, appID: "jp.naver.line.android"},
	"tng":             {applink: true, appID: "my.com.tngdigital.ewallet"},
	"truemoney":       {applink: true, authURL: true, appID: "th.co.truemoney.wallet"},
	"tosspay":         {appID: "viva.republica.toss"},
	"kakaopay":        {appID: "com.kakao.talk"},
	"boost":           {appID: "my.com.myboost"},
	"maya":            {appID: "com.paymaya"},
}

// rulesOf finds a method by its wire name. field names where it stood;
// uncontracted is the code for one that is known but not part of the contract.
func rulesOf(m merchant.Merchant, field, name, uncontracted string) (method.Rules, error) {
	if name != strings.ToUpper(name) {
		return method.Rules{}, illegal(field, "%q is not a payment method.", name)
	}
	r, ok := method.Find(method.AutoDebit, strings.ToLower(name))
	switch {
	case !ok && slices.Contains(known, name):
		return r, refuse(uncontracted, "The contract does not cover the payment method %s.", name)
	case !ok:
		return r, illegal(field, "%q is not a payment method.", name)
	case slices.Contains(m.Profile.MethodsOff, r.Method):
		return r, refuse(uncontracted, "The contract does not cover the payment method %s.", name)
	}
	return r, nil
}
