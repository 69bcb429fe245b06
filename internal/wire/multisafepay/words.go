package multisafepay

import "strings"

// words are the texts of the payer's pages in one language.
type words struct {
	Tag                                 string // for the lang attribute
	Dir                                 string // rtl, or "" for left to right
	PayTitle, PayTo, Continue, Cancel   string
	Choose, AllMethods, Back            string
	Finished, CloseNote                 string
	Over, OverNote                      string
	NotFound, CrossSite, BadForm, Wrong string
	TestMode, TestNote                  string
}

var english = &words{
	Tag: "en", PayTitle: "Payment", PayTo: "Pay", Continue: "Continue with", Cancel: "Cancel", Choose: "Choose a payment method", AllMethods: "Other payment methods",
	Back: "Return to the merchant", Finished: "This payment is finished", CloseNote: "You may close this window.", Over: "This order can no longer be paid",
	OverNote: "The link has expired, or the order was paid or cancelled.", NotFound: "Page not found", CrossSite: "This request was blocked: it did not come from the payment page.",
	BadForm: "The form was not sent as this page expects it.", Wrong: "Something went wrong. Try again in a moment.", TestMode: "Test mode", TestNote: "No money moves.",
}

var chinese = &words{
	Tag: "zh-Hans", PayTitle: "付款", PayTo: "付款给", Continue: "继续使用", Cancel: "取消", Choose: "选择支付方式", AllMethods: "其他支付方式",
	Back: "返回商户", Finished: "此付款已完成", CloseNote: "您可以关闭此窗口。", Over: "此订单已无法付款", OverNote: "链接已过期，或订单已付款或取消。", NotFound: "页面不存在",
	CrossSite: "请求已被阻止：它并非来自付款页面。", BadForm: "提交的表单不符合本页面的要求。", Wrong: "出现错误，请稍后再试。", TestMode: "测试模式", TestNote: "不会产生真实扣款。",
}

var dutch = &words{
	Tag: "nl", PayTitle: "Betaling", PayTo: "Betaal aan", Continue: "Verder met", Cancel: "Annuleren", Choose: "Kies een betaalmethode", AllMethods: "Andere betaalmethoden",
	Back: "Terug naar de winkel", Finished: "Deze betaling is afgerond", CloseNote: "U kunt dit venster sluiten.", Over: "Deze bestelling kan niet meer worden betaald",
	OverNote: "De link is verlopen, of de bestelling is betaald of geannuleerd.", NotFound: "Pagina niet gevonden", CrossSite: "Dit verzoek is geblokkeerd: het kwam niet van de betaalpagina.",
	BadForm: "Het formulier is niet verzonden zoals deze pagina verwacht.", Wrong: "Er ging iets mis. Probeer het zo nog eens.", TestMode: "Testmodus", TestNote: "Er wordt geen geld overgemaakt.",
}

// words chooses the language of a page: the visitor's, if they changed it, else
// the order's. cn_CN, which published examples use, is Chinese (reference §3.9).
// The page's address carries the site's language where the order's locale is not
// supported, so only another one counts as the visitor's choice.
func (v *view) words(o *order, lang string) *words {
	locale := o.Locale
	if lang != "" && lang != v.language(o) {
		locale = lang
	}
	for _, l := range []string{locale, v.language(o)} {
		if found := languages[languageOf(l)]; found != nil {
			return found
		}
	}
	return english
}

// languageOf is the language of a locale. German of Austria is written at_AT as
// well as de_AT, in the published notes.
func languageOf(locale string) string {
	l, _, _ := strings.Cut(strings.ToLower(locale), "_")
	if l == "at" {
		return "de"
	}
	return l
}
