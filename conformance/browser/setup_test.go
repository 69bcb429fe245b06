package browser

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/chromedp/chromedp"
)

// setup saves a card and a wallet for later: by the Payment Element, by a card
// Element, and by confirmSetup alone.
func setup(w *world, b *tab) {
	page := template.Must(template.New("").Parse(`<!DOCTYPE html><html lang="en"><head><title>Save</title><script src="{{.API}}/clover/stripe.js"></script></head>
<body><div id="payment-element"></div><div id="card-element"></div><button id="submit">Save</button><script>
var stripe = Stripe('{{.Key}}');
var elements = stripe.elements({clientSecret: '{{.Secret}}'});
elements.create('payment', {layout: 'tabs'}).mount('#payment-element');
var card = stripe.elements().create('card', {hidePostalCode: true});
card.mount('#card-element');
document.getElementById('submit').addEventListener('click', async () => {
  const {error} = await stripe.confirmSetup({elements, confirmParams: {return_url: '{{.Shop}}/saved?mine=1'}});
  window.failed = error;
});
</script></body></html>`))
	intent := func(types ...string) map[string]any {
		return w.call("POST", "/v1/setup_intents", url.Values{"payment_method_types[]": types})
	}
	first := intent("card", "alipay")
	w.mux.HandleFunc("GET /save", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(rw, map[string]any{"API": w.api, "Key": w.public, "Shop": w.shop.URL, "Secret": first["client_secret"]})
	})
	w.mux.HandleFunc("GET /saved", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("saved")) })
	status := func(si map[string]any) any {
		return w.call("GET", fmt.Sprintf("/v1/setup_intents/%s", si["id"]), nil)["status"]
	}

	b.open(w.shop.URL + "/save")
	f := b.paymentElement()
	if terms := f.value(`document.querySelector(".TermsText").textContent`); terms == "" {
		w.t.Error("the customer is not told what saving means")
	}
	f.choose("card")
	f.card("4242424242424242")
	b.pay()
	q := b.arrive(w.shop.URL + "/saved")
	if q.Get("setup_intent") != first["id"] || q.Get("setup_intent_client_secret") != first["client_secret"] || q.Get("redirect_status") != "succeeded" || q.Get("mine") != "1" {
		w.t.Errorf("returned with %v", q)
	}
	if got := status(first); got != "succeeded" {
		w.t.Errorf("the first intent is %v", got)
	}

	first = intent("card", "alipay")
	b.open(w.shop.URL + "/save")
	line := b.drawn("#card-element iframe", `document.querySelector("input[name=cardnumber]")`)
	line.fill(`input[name="cardnumber"]`, "4242424242424242")
	line.fill(`input[name="exp-date"]`, "1233")
	line.fill(`input[name="cvc"]`, "123")
	second := intent("card")
	for script, want := range map[string]string{
		fmt.Sprintf(`stripe.confirmCardSetup(%q, {payment_method: {card, billing_details: {name: "Jenny"}}}).then(r => r.error ? r.error.message : r.setupIntent.status)`, second["client_secret"]): "succeeded",
		fmt.Sprintf(`stripe.retrieveSetupIntent(%q).then(r => r.setupIntent.object)`, first["client_secret"]):                                                                                       "setup_intent",
		fmt.Sprintf(`Promise.resolve().then(() => stripe.retrievePaymentIntent(%q)).catch(e => e.name)`, first["client_secret"]):                                                                    "IntegrationError",
		fmt.Sprintf(`stripe.handleNextAction({clientSecret: %q}).catch(e => e.name)`, first["client_secret"]):                                                                                       "IntegrationError",
	} {
		if got := eval[string](b, script); got != want {
			w.t.Errorf("%s is %q, want %q", script, got, want)
		}
	}
	b.paymentElement().choose("alipay")
	b.pay()
	b.arrive(w.api + "/pay/")
	b.do("authorize", chromedp.Click(chromedp.CSS(`button[value="authorize"]`)))
	b.arrive(w.shop.URL + "/saved")
	if got := status(first); got != "succeeded" {
		w.t.Errorf("the wallet's intent is %v", got)
	}

	// The server confirms; the page does what is left to do.
	third := w.call("POST", "/v1/payment_intents", url.Values{"amount": {"5099"}, "currency": {"eur"}, "payment_method_types[]": {"alma"}, "confirm": {"true"},
		"payment_method_data[type]": {"alma"}, "return_url": {w.shop.URL + "/saved"}})
	b.open(w.shop.URL + "/save")
	b.until(`!!window.card`)
	b.do("next action", chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`void stripe.handleNextAction({clientSecret: %q})`, third["client_secret"])))
	b.arrive(w.api + "/pay/")
	b.clean()
}
