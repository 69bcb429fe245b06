package browser

import (
	"strings"

	"github.com/chromedp/chromedp"
)

// demoAlipay walks through the demo shop as a newcomer does: the payment is
// complete when the page shows the webhook that the shop charged upon.
func demoAlipay(w *world, b *tab) {
	b.open(w.api + "/demo")
	b.arrive(w.api + "/demo/w/")
	b.picture("demo-shelf")
	b.do("choose", chromedp.Click(chromedp.CSS(`a[href="alipay?product=lamp"]`)))
	b.until(`document.readyState === "complete" && document.querySelector("#pay")`)
	b.do("pay", chromedp.Click(chromedp.CSS("#pay")))
	b.arrive(w.api + "/pay/")
	b.do("authorize", chromedp.Click(chromedp.CSS(`button[value="authorize"]`)))
	b.arrive(w.api + "/demo/w/")
	b.until(`document.querySelector("li[data-type='charge.succeeded']") && document.querySelector("#status").textContent.includes("Payment received")`)
	if text := eval[string](b, `document.querySelector("li[data-type='source.chargeable']").textContent`); !strings.Contains(text, "POST /v1/charges → ch_") && !strings.Contains(text, "POST /v1/charges → py_") {
		w.t.Errorf("the shop did not say what it did: %s", text)
	}
	b.picture("demo-done")
	b.clean()
}

// demoCheckout buys with the Payment Element: with Alma, and with a card that
// has to be authenticated.
func demoCheckout(w *world, b *tab) {
	b.open(w.api + "/demo")
	b.arrive(w.api + "/demo/w/")
	shelf := eval[string](b, `location.href`)
	for method, pay := range map[string]func(frame){
		"alma": func(f frame) {
			f.choose("alma")
			b.pay()
			b.arrive(w.api + "/pay/")
			b.do("authorize", chromedp.Click(chromedp.CSS(`button[value="authorize"]`)))
		},
		"card": func(f frame) {
			f.choose("card")
			f.card("4000002760003184")
			b.picture("demo-checkout")
			b.pay()
			overlay := b.drawn(`body > div > iframe`, `document.querySelector("iframe#challengeFrame")?.src`)
			b.drawn("iframe#challengeFrame", `document.querySelector("#test-source-authorize-3ds")`, overlay).click("#test-source-authorize-3ds")
		},
	} {
		b.open(shelf + "checkout?product=bag")
		pay(b.paymentElement())
		b.arrive(shelf + "done")
		b.until(`document.querySelector("li[data-type='payment_intent.succeeded']") && document.querySelector("#status").textContent.includes("Payment received")`)
		if text := eval[string](b, `document.querySelector("#what").textContent`); text != "Status: succeeded" {
			w.t.Errorf("%s: %s", method, text)
		}
	}
	b.clean()
}
