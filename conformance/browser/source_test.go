package browser

import (
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/ducatpay/ducat/internal/servertest"
)

// TestBrowser runs all pages against one server; the books are checked when they
// are done.
func TestBrowser(t *testing.T) {
	t.Parallel()
	url, _ := servertest.Fresh(t).Serve(t)
	browser := newBrowser(t)
	for name, run := range map[string]func(*world, *tab){
		"Source": source, "DemoAlipay": demoAlipay, "DemoCheckout": demoCheckout, "Keyboard": keyboard, "Alma": alma, "Expired": expired, "Cards": cards, "Challenge": challenge, "Usable": usable,
		"Limits": limits, "Looks": looks, "Events": events, "Lost": lost, "Back": back, "Unknown": unknown, "Setup": setup, "Samples": samples, "Deferred": deferred, "Strict": strict, "Stranger": stranger, "Loaders": loaders, "React": reactBindings,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newWorld(t, url), newTab(t, browser))
		})
	}
}

// source is the client side of the guide for Alipay with Sources, as it is
// printed there, from a page on another origin.
func source(w *world, b *tab) {
	w.page("/pay", "source.html", nil)
	w.page("/crtA6B28E1", "source-return.html", nil)
	for decision, status := range map[string]string{"authorize": "chargeable", "decline": "failed"} {
		b.open(w.shop.URL + "/pay")
		b.do("pay", chromedp.Click(chromedp.CSS("#pay")))
		b.arrive(w.api + "/pay/")
		b.do(decision, chromedp.Click(chromedp.CSS(`button[value="`+decision+`"]`)))
		q := b.arrive(w.shop.URL + "/crtA6B28E1")
		if q.Get("source") == "" || q.Get("client_secret") == "" || q.Get("livemode") != "false" {
			w.t.Errorf("%s: returned with %v", decision, q)
		}
		b.until(`["` + status + `", "pending"].includes(document.querySelector("#status").textContent)`)
		w.control("clock/advance", `{"seconds": 5}`)
		if got := w.call("GET", "/v1/sources/"+q.Get("source"), nil)["status"]; got != status {
			w.t.Errorf("%s: the source is %v, want %s", decision, got, status)
		}
		if decision == "authorize" {
			w.call("POST", "/v1/charges", url.Values{"amount": {"1099"}, "currency": {"usd"}, "source": {q.Get("source")}})
		}
	}
	b.clean()
}
