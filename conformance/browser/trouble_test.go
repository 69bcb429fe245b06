package browser

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/chromedp/chromedp"
)

// line is the way from the customer to the server, which can be cut.
type line struct {
	*httptest.Server
	confirms atomic.Int32
	cut      atomic.Int32 // what happens to a confirmation: 0 nothing, 1 it gets lost, 2 its answer does
}

func newLine(w *world) *line {
	target, err := url.Parse(w.api)
	if err != nil {
		w.t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	l := &line{}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/confirm") {
			through.ServeHTTP(rw, r)
			return
		}
		l.confirms.Add(1)
		switch l.cut.Load() {
		case 2:
			through.ServeHTTP(httptest.NewRecorder(), r)
			fallthrough
		case 1:
			panic(http.ErrAbortHandler)
		}
		through.ServeHTTP(rw, r)
	}))
	// Browsers send again what got lost on a connection they had used before.
	l.Config.SetKeepAlivesEnabled(false)
	l.Start()
	w.t.Cleanup(l.Close)
	return l
}

// lost cuts the connection while a payment is confirmed, before the server has
// heard of it and after.
func lost(w *world, b *tab) {
	l := newLine(w)
	shop := *w
	shop.api = l.URL
	intent, address := shop.serve(checkout{})
	b.open(address)
	f := b.paymentElement()
	f.choose("card")
	f.card("4242424242424242")

	l.cut.Store(1)
	b.pay()
	if code := b.failed(); code != "api_connection_error" {
		w.t.Errorf("a confirmation that got lost: %s", code)
	}
	if got := w.status(intent); got != "requires_payment_method" {
		w.t.Errorf("the intent is %s", got)
	}

	// The answer gets lost: the payment has gone through, and the page finds out
	// without sending it again.
	l.cut.Store(2)
	before := l.confirms.Load()
	b.pay()
	b.arrive(w.shop.URL + "/order/123/complete")
	if n := l.confirms.Load() - before; n != 1 {
		w.t.Errorf("the payment was sent %d times", n)
	}
	if got := w.status(intent); got != "succeeded" {
		w.t.Errorf("the intent is %s", got)
	}
	b.clean()
}

// back leaves the wallet's page by the Back button; the checkout can be used
// again, with another method.
func back(w *world, b *tab) {
	intent, address := w.serve(checkout{})
	b.open(address)
	f := b.paymentElement()
	f.choose("alma")
	// A browser that has kept the page shows it as it was: with a payment that
	// is waiting for the customer to have left. The page is told that they are
	// back, so that it can enable its button.
	b.do("stay", chromedp.Evaluate[chromedp.Void](`navigation.onnavigate = e => { e.preventDefault(); window.left = e.destination.url; }`))
	b.pay()
	b.until(`window.left`)
	if eval[bool](b, `!!window.failed`) {
		w.t.Error("the promise was resolved while the customer was leaving")
	}
	b.do("return", chromedp.Evaluate[chromedp.Void](`navigation.onnavigate = null; dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))`))
	if code := b.failed(); code != "payment_intent_authentication_failure" {
		w.t.Errorf("back on the page: %s", code)
	}
	f.choose("card")
	f.choose("alma")
	b.pay()
	b.arrive(w.api + "/pay/")
	b.do("back", chromedp.NavigateBack())
	b.arrive(address)
	f = b.paymentElement()
	f.choose("alipay")
	b.pay()
	b.arrive(w.api + "/pay/")
	b.do("authorize", chromedp.Click(chromedp.CSS(`button[value="authorize"]`)))
	b.arrive(w.shop.URL + "/order/123/complete")
	if got := w.status(intent); got != "succeeded" {
		w.t.Errorf("the intent is %s", got)
	}
	b.clean()
}

// unknown mounts with a key of somebody else's account, and with the secret
// of an intent that is over.
func unknown(w *world, b *tab) {
	intent := w.intent(nil)
	stranger := *w
	stranger.public = "pk_test_" + strings.Repeat("z", 24)
	stranger.pages, stranger.returns = 100, true
	stranger.page("/stranger", "intent.html", map[string]any{"Train": "basil", "ClientSecret": intent["client_secret"], "Locale": "en", "Link": false, "Appearance": template.JS("{}"), "Payment": template.JS("{}")})
	b.open(w.shop.URL + "/stranger")
	b.until(`happened.some(h => h.name === "loaderror")`)
	if got := eval[string](b, `happened.filter(h => h.name === "loaderror")[0].event.error.type`); got != "invalid_request_error" {
		w.t.Errorf("a key of another account: %s", got)
	}
	b.pay()
	if code := b.failed(); code == "" {
		w.t.Error("a payment with another account's key went on")
	}
	w.call("POST", "/v1/payment_intents/"+intent["id"].(string)+"/cancel", nil)
	for train, refused := range map[string]bool{"basil": false, "clover": true} {
		stranger.public = w.public
		stranger.page("/over/"+train, "intent.html", map[string]any{"Train": train, "ClientSecret": intent["client_secret"], "Locale": "en", "Link": false, "Appearance": template.JS("{}"), "Payment": template.JS("{}")})
		b.open(w.shop.URL + "/over/" + train)
		if refused {
			b.until(`happened.some(h => h.name === "loaderror" && h.event.error.code === "payment_intent_unexpected_state")`)
			continue
		}
		f := b.paymentElement()
		f.choose("alma")
		b.pay()
		if code := b.failed(); code != "payment_intent_unexpected_state" {
			w.t.Errorf("%s: a canceled intent: %s", train, code)
		}
	}

	b.clean()
}
