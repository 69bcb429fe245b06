package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/chromedp/chromedp"
)

func explicit(amount, currency string, types ...string) url.Values {
	return url.Values{"amount": {amount}, "currency": {currency}, "payment_method_types[]": types}
}

// samples opens a page that uses whatever pages have used over the years, and
// makes the calls that the published samples make.
func samples(w *world, b *tab) {
	w.page("/samples", "samples.html", nil)
	w.page("/return.html", "intent-return.html", map[string]any{"Train": "v3"})
	b.open(w.shop.URL + "/samples")
	b.until(`window.cardReady && window.wallets === null`)
	if ready := eval[string](b, `document.querySelector("#paymentrequest").innerHTML`); ready != "" {
		w.t.Errorf("the wallet button was mounted: %s", ready)
	}

	// card.js
	f := b.drawn(`#card-element iframe`, `document.querySelector("input[name=cardnumber]")`)
	if title := eval[string](b, `document.querySelector("#card-element iframe").title`); title != "Secure card payment input frame" {
		w.t.Errorf("the card's frame is called %q", title)
	}
	b.do("label", chromedp.Click(chromedp.CSS(`label[for="card-element"]`)))
	f.until(`document.activeElement.name === "cardnumber"`)
	if got := eval[string](b, confirmCard("usd", w, "card")); got != "validation_error incomplete_number" {
		w.t.Errorf("an empty card: %s", got)
	}
	f.fill(`input[name="cardnumber"]`, "4242424242424242")
	f.fill(`input[name="exp-date"]`, "12 / 33")
	f.fill(`input[name="cvc"]`, "123")
	b.until(`changes.length && changes[changes.length - 1].complete && changes[changes.length - 1].brand === "visa"`)
	b.until(`document.querySelector("#card-element").classList.contains("StripeElement--complete")`)
	if got := eval[string](b, confirmCard("usd", w, "card")); got != "succeeded" {
		w.t.Errorf("confirmCardPayment: %s", got)
	}
	for script, want := range map[string]string{
		`stripe.createToken(card, {name: "Jenny"}).then(r => r.error ? r.error.code : r.token.object + " " + r.token.card.last4 + " " + r.token.card.name)`:                                           "token 4242 Jenny",
		`stripe.createPaymentMethod({type: "card", card, billing_details: {name: "Jenny"}}).then(r => r.error ? r.error.message : r.paymentMethod.type + " " + r.paymentMethod.billing_details.name)`: "card Jenny",
		`stripe.createPaymentMethod("card", card).then(r => r.error ? r.error.message : r.paymentMethod.card.brand)`:                                                                                  "visa",
		`stripe.createSource({type: "nothing", currency: "usd"}).then(r => r.error.type)`:                                                                                                             "invalid_request_error",
		`stripe.collectBankAccountForPayment({}).then(r => r.error.code)`:                                                                                                                             "feature_not_supported",
		`Promise.resolve(elements.getElement("card") === card && elements.getElement({__elementType: "iban"}) === iban && String(elements.getElement("payment")))`:                                    "null",
	} {
		if got := eval[string](b, script); got != want {
			w.t.Errorf("%s is %q, want %q", script, got, want)
		}
	}

	// The parts of a split card share what is typed without the page.
	for name, text := range map[string]string{"cardnumber": "4000000000009995", "exp-date": "1233", "cvc": "123"} {
		part := map[string]string{"cardnumber": "#number", "exp-date": "#expiry", "cvc": "#cvc"}[name]
		b.drawn(part+" iframe", `document.querySelector("input")`).fill(`input[name="`+name+`"]`, text)
	}
	if got := eval[string](b, confirmCard("usd", w, "split.getElement('cardExpiry')")); got != "card_error card_declined" {
		w.t.Errorf("a split card without funds: %s", got)
	}

	// Fields of other methods.
	b.drawn("#iban-element iframe", `document.querySelector("input")`).fill(`input[name="iban"]`, "DE89370400440532013000")
	b.until(`window.ibanChange && ibanChange.complete && ibanChange.country === "DE"`)
	bank := b.drawn(`#ideal-bank-element iframe[title*="button"]`, `document.querySelector("#bank-list-value").textContent === "Select bank"`)
	bank.click("button")
	list := b.drawn(`#ideal-bank-element iframe[title*="list"]`, `document.querySelector(".SelectListItem-text")`)
	b.until(`document.querySelector('#ideal-bank-element iframe[title*="list"]').clientHeight > 100`)
	list.click(`.SelectListItem:nth-child(4)`)
	bank.until(`document.querySelector("#bank-list-value").textContent === "ING Bank"`)
	b.until(`window.bankChange && bankChange.value === "ing"`)
	becs := b.drawn("#au-bank-account-element iframe", `document.querySelector("input[name=au_bsb]")`)
	becs.fill(`input[name="au_bsb"]`, "000000")
	becs.fill(`input[name="au_bank_account_number"]`, "000123456")

	// alipay.js: the page is left, and the promise stays open.
	intent := w.intent(explicit("5999", "cny", "alipay"))
	b.do("alipay", chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`void stripe.confirmAlipayPayment(%q, {payment_method: {billing_details: {name: "Jenny"}}, return_url: %q}).then(() => window.resolved = true)`,
		intent["client_secret"], w.shop.URL+"/return.html?mine=1#frag")))
	b.arrive(w.api + "/pay/")
	b.do("authorize", chromedp.Click(chromedp.CSS(`button[value="authorize"]`)))
	q := b.arrive(w.shop.URL + "/return.html")
	if q.Get("mine") != "1" || q.Get("payment_intent_client_secret") != intent["client_secret"] {
		w.t.Errorf("returned with %v", q)
	}
	b.until(`document.querySelector("#message").innerText.startsWith("Success") && location.hash === "#frag"`)
	b.clean()
}

// confirmCard is what card samples do, as a script that says how it went.
func confirmCard(currency string, w *world, card string) string {
	secret := w.intent(explicit("5999", currency, "card"))["client_secret"]
	return fmt.Sprintf(`stripe.confirmCardPayment(%q, {payment_method: {card: %s, billing_details: {name: "Jenny Rosen"}}})
		.then(async r => r.error ? r.error.type + " " + r.error.code : (await stripe.confirmCardPayment(%q)).paymentIntent.status)`, secret, card, secret)
}

// deferred makes the intent after the customer has pressed the button.
func deferred(w *world, b *tab) {
	w.page("/deferred", "samples.html", nil)
	w.page("/done", "intent-return.html", map[string]any{"Train": "v3"})
	b.open(w.shop.URL + "/deferred")
	b.until(`window.cardReady`)
	b.do("mount", chromedp.Evaluate[chromedp.Void](`
		window.group = stripe.elements({mode: "payment", amount: 5099, currency: "eur", paymentMethodTypes: ["alma", "card"]});
		window.pe = group.create("payment", {layout: {type: "tabs"}}); pe.mount("#deferred");
		window.shipping = group.create("address", {mode: "shipping", fields: {phone: "always"}}); shipping.mount("#address");
		shipping.on("change", e => window.shipped = e); null`))
	f := b.drawn(`#deferred iframe`, `document.querySelector("[role=tab]")`)
	f.choose("alma")
	wrong := w.intent(explicit("6099", "eur", "alma", "card"))
	right := w.intent(explicit("5099", "eur", "alma", "card"))
	confirm := func(intent map[string]any) string {
		return fmt.Sprintf(`(async () => { try { const r = await stripe.confirmPayment({elements: group, clientSecret: %q, confirmParams: {return_url: %q}}); return r.error.message } catch (e) { return e.name + ": " + e.message } })()`,
			intent["client_secret"], w.shop.URL+"/done")
	}
	if got := eval[string](b, confirm(right)); !strings.HasPrefix(got, "IntegrationError") || !strings.Contains(got, "elements.submit() must be called before stripe.confirmPayment()") {
		w.t.Errorf("without submit: %s", got)
	}
	if got := eval[string](b, `group.submit().then(r => r.error && r.error.code)`); !strings.HasPrefix(got, "incomplete_") {
		w.t.Errorf("submit with an empty address: %s", got)
	}
	a := b.drawn("#address iframe", `document.querySelector("input[name=addressLine1]")`)
	for name, text := range map[string]string{"name": "Jenny Rosen", "addressLine1": "1 Main St", "locality": "Springfield", "postalCode": "90210", "phone": "+15550100"} {
		a.fill(`input[name="`+name+`"]`, text)
	}
	a.do("state", chromedp.SendKeys(chromedp.CSS(`select[name="administrativeArea"]`), "California", chromedp.FromNode(a.node)))
	b.until(`window.shipped && shipped.complete && shipped.value.address.state === "CA" && shipped.elementMode === "shipping"`)
	if got := eval[string](b, `shipping.getValue().then(v => v.value.name)`); got != "Jenny Rosen" {
		w.t.Errorf("getValue: %s", got)
	}
	if got := eval[string](b, `group.submit().then(r => r.error ? r.error.message : r.selectedPaymentMethod)`); got != "alma" {
		w.t.Errorf("submit: %s", got)
	}
	if got := eval[string](b, confirm(wrong)); !strings.Contains(got, "amount") || !strings.Contains(got, "5099") || !strings.Contains(got, "6099") {
		w.t.Errorf("an intent of another amount: %s", got)
	}
	if got := eval[string](b, `stripe.createConfirmationToken({elements: group}).then(r => r.error ? r.error.message : r.confirmationToken.object)`); got != "confirmation_token" {
		w.t.Errorf("createConfirmationToken: %s", got)
	}
	b.do("confirm", chromedp.Evaluate[chromedp.Void]("void "+confirm(right)))
	b.arrive(w.api + "/pay/")
	b.do("authorize", chromedp.Click(chromedp.CSS(`button[value="authorize"]`)))
	b.arrive(w.shop.URL + "/done")
	if got := w.call("GET", fmt.Sprintf("/v1/payment_intents/%s", right["id"]), nil); got["status"] != "succeeded" || got["shipping"].(map[string]any)["name"] != "Jenny Rosen" {
		w.t.Errorf("the intent is %v, shipped to %v", got["status"], got["shipping"])
	}
	b.clean()
}

// strict is a page that forbids everything but what the guide for content
// security policies names.
func strict(w *world, b *tab) {
	w.page("/inner", "csp.html", nil)
	w.mux.HandleFunc("GET /csp.js", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/javascript")
		_, _ = fmt.Fprintf(rw, `document.addEventListener("securitypolicyviolation", e => (window.violations = window.violations || []).push(e.violatedDirective + " " + e.blockedURI));
			var stripe = Stripe(%q); var card = stripe.elements().create("card"); card.on("ready", () => window.ready = true); card.mount("#card-element");`, w.public)
	})
	w.mux.HandleFunc("GET /strict", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Security-Policy", "default-src 'self'; script-src 'self' "+w.api+"; frame-src "+w.api+"; connect-src "+w.api)
		rw.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		r.URL.Path = "/inner"
		w.mux.ServeHTTP(rw, r)
	})
	b.open(w.shop.URL + "/strict")
	b.until(`window.ready`)
	f := b.drawn("#card-element iframe", `document.querySelector("input[name=cardnumber]")`)
	f.fill(`input[name="cardnumber"]`, "4242424242424242")
	f.fill(`input[name="exp-date"]`, "1233")
	f.fill(`input[name="cvc"]`, "123")
	f.fill(`input[name="postal"]`, "10000")
	if got := eval[string](b, confirmCard("eur", w, "card")); got != "succeeded" {
		w.t.Errorf("the payment: %s", got)
	}
	if got := eval[string](b, `JSON.stringify(window.violations || [])`); got != "[]" {
		w.t.Errorf("the policy was violated: %s", got)
	}
	b.clean()
}

// stranger sends messages to a frame that does not know the sender: nothing it
// says changes what is shown, and nothing is answered.
func stranger(w *world, b *tab) {
	_, address := w.serve(checkout{})
	b.open(address)
	f := b.paymentElement()
	before := f.value(`document.body.innerText`)
	b.do("talk", chromedp.Evaluate[chromedp.Void](`
		window.heard = 0; window.addEventListener("message", () => window.heard++);
		const target = document.querySelector("iframe").contentWindow;
		for (const m of [{ducat: 1, type: "port"}, {type: "init", init: {}}, "x", null, {ducat: 2, type: "port"}, {type: "update", appearance: {rules: {".Input": {color: "red"}}}}]) {
			const c = new MessageChannel();
			c.port1.onmessage = () => window.heard++;
			target.postMessage(m, "*", [c.port2]);
			target.postMessage(m, "*");
			c.port1.postMessage({type: "clear"});
			c.port1.postMessage({type: "init", init: {locale: "zh", options: {}, type: "payment"}});
		}
		paymentElement.focus();`))
	// The Element's own port still works, and came after all of the above.
	b.until(`happened.some(h => h.name === "focus")`)
	if after := f.value(`document.body.innerText`); after != before {
		w.t.Errorf("a stranger changed %q to %q", before, after)
	}
	if n := eval[int](b, `window.heard`); n != 0 {
		w.t.Errorf("a stranger was answered %d times", n)
	}
	b.clean()
}
