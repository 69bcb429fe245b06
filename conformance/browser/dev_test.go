package browser

import (
	"html/template"
	"net/url"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestDev(t *testing.T) {
	api := os.Getenv("DEV_API")
	if api == "" {
		t.Skip()
	}
	w := newWorld(t, api)
	b := newTab(t, newBrowser(t))
	for _, c := range []struct {
		name, train, payment, appearance, locale string
		w, h                                     int64
	}{
		{"accordion", "basil", `{layout: "accordion"}`, `{}`, "en", 480, 900},
		{"tabs-night", "v3", `{}`, `{theme: "night", variables: {colorPrimary: "#ff8800"}, rules: {".Tab": {"borderRadius": "12px"}, ".Evil x": {"color": "red"}}}`, "en", 900, 900},
		{"zh", "clover", `{layout: {type: "accordion", defaultCollapsed: false, spacedAccordionItems: true}}`, `{theme: "flat", labels: "floating"}`, "zh", 390, 900},
	} {
		intent := w.call("POST", "/v1/payment_intents", url.Values{"amount": {"5099"}, "currency": {"eur"}, "payment_method_types[]": {"card", "alipay", "alma"}})
		_ = intent
		w.page("/"+c.name, "intent.html", map[string]any{"Train": c.train, "ClientSecret": intent["client_secret"], "Appearance": template.JS(c.appearance), "Payment": template.JS(c.payment), "Locale": c.locale, "Link": true})
		b.do("size", chromedp.EmulateViewport(c.w, c.h))
		b.open(w.shop.URL + "/" + c.name)
		f := b.paymentElement()
		b.until(`happened.some(h => h.name === "change")`)
		b.picture("dev-" + c.name)
		t.Log(eval[string](b, `JSON.stringify(happened)`))
		if c.name == "accordion" {
			f.click(`[data-value="card"]`)
			f.fill(`input[name=number]`, "4242424242424242")
			f.fill(`input[name=expiry]`, "1233")
			f.fill(`input[name=cvc]`, "123")
			b.until(`happened.some(h => h.name === "change" && h.event.complete === false)`)
			b.picture("dev-card")
			t.Log(f.value(`document.querySelector("input[name=expiry]").value + "|" + document.querySelector("input[name=number]").value`))
		}
	}
	b.clean()
	t.Log(b.said)
}
