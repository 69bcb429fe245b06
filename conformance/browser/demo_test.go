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
