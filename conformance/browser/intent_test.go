package browser

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// checkout is the guide's page for an intent, and what may differ in it.
type checkout struct {
	train, payment, appearance, locale string
	link                               bool
	params                             url.Values // of the intent
}

func (w *world) intent(params url.Values) map[string]any {
	w.t.Helper()
	if params == nil {
		params = url.Values{"amount": {"5099"}, "currency": {"eur"}, "automatic_payment_methods[enabled]": {"true"}}
	}
	return w.call("POST", "/v1/payment_intents", params)
}

// serve puts the guide's two pages into the shop and returns the intent and the
// checkout's address. Every address is served once.
func (w *world) serve(c checkout) (intent map[string]any, address string) {
	w.t.Helper()
	orDefault := func(s, d string) string {
		if s == "" {
			return d
		}
		return s
	}
	intent = w.intent(c.params)
	w.pages++
	path := fmt.Sprintf("/checkout/%d", w.pages)
	train := orDefault(c.train, "basil")
	w.page(path, "intent.html", map[string]any{
		"Train": train, "ClientSecret": intent["client_secret"], "Locale": orDefault(c.locale, "en"), "Link": c.link,
		"Appearance": template.JS(orDefault(c.appearance, "{}")), "Payment": template.JS(orDefault(c.payment, `{layout: "accordion"}`)),
	})
	if !w.returns {
		w.returns = true
		w.page("/order/123/complete", "intent-return.html", map[string]any{"Train": train})
	}
	return intent, w.shop.URL + path
}

func (b *tab) pay() { b.t.Helper(); b.do("pay", chromedp.Click(chromedp.CSS("#submit"))) }

// failed waits for the error the page shows and returns its code.
func (b *tab) failed() string {
	b.t.Helper()
	b.until(`window.failed && document.querySelector("#error-message").textContent !== ""`)
	code := eval[string](b, `window.failed.code || window.failed.type`)
	b.do("forget", chromedp.Evaluate[chromedp.Void](`window.failed = null; document.querySelector("#error-message").textContent = ""`))
	return code
}

func (w *world) status(intent map[string]any) string {
	w.t.Helper()
	return fmt.Sprint(w.call("GET", fmt.Sprintf("/v1/payment_intents/%s", intent["id"]), nil)["status"])
}

// alma is the guide for Alma: choose it, press the button, decide on the test
// page, come back and read the intent.
func alma(w *world, b *tab) {
	for _, c := range []struct{ decision, status, says string }{
		{"authorize", "succeeded", "Success! Payment received."},
		{"decline", "requires_payment_method", "Payment failed. Please try another payment method."},
	} {
		intent, address := w.serve(checkout{link: true})
		b.open(address)
		f := b.paymentElement()
		f.choose("alma")
		b.until(`happened.some(h => h.name === "change" && h.event.complete && h.event.value.type === "alma")`)
		b.pay()
		b.arrive(w.api + "/pay/")
		b.do(c.decision, chromedp.Click(chromedp.CSS(`button[value="`+c.decision+`"]`)))
		q := b.arrive(w.shop.URL + "/order/123/complete")
		if q.Get("order") != "123" || q.Get("payment_intent") != intent["id"] || q.Get("payment_intent_client_secret") != intent["client_secret"] || q.Get("redirect_pm_type") != "alma" || q.Get("redirect_status") == "" {
			w.t.Errorf("%s: returned with %v", c.decision, q)
		}
		b.until(`document.querySelector("#message").innerText !== ""`)
		if says := eval[string](b, `document.querySelector("#message").innerText`); says != c.says {
			w.t.Errorf("%s: the page says %q, want %q", c.decision, says, c.says)
		}
		if got := w.status(intent); got != c.status {
			w.t.Errorf("%s: the intent is %s, want %s", c.decision, got, c.status)
		}
		if c.decision == "authorize" {
			continue
		}
		// The customer goes back to the checkout: the same secret, what went
		// wrong is shown, and another try succeeds.
		b.open(address)
		f = b.paymentElement()
		f.until(`document.querySelector("[role=alert]")`)
		if text := f.value(`document.querySelector("[data-alert]").textContent`); !strings.HasPrefix(text, "We are unable to authenticate your payment method.") {
			w.t.Errorf("the Element says %q", text)
		}
		b.picture("payment-element-after-decline")
		f.choose("alipay")
		f.until(`!document.querySelector("[data-alert]")`)
		b.pay()
		b.arrive(w.api + "/pay/")
		b.do("authorize", chromedp.Click(chromedp.CSS(`button[value="authorize"]`)))
		b.arrive(w.shop.URL + "/order/123/complete")
		b.until(`document.querySelector("#message").innerText.startsWith("Success")`)
	}
	b.clean()
}

// expired leaves the customer on the wallet's page for more than an hour.
func expired(w *world, b *tab) {
	intent, address := w.serve(checkout{})
	b.open(address)
	b.paymentElement().choose("alma")
	b.pay()
	b.arrive(w.api + "/pay/")
	w.control("clock/advance", `{"seconds": 3700}`)
	if got := w.status(intent); got != "requires_payment_method" {
		w.t.Errorf("the intent is %s", got)
	}
	b.open(address)
	f := b.paymentElement()
	f.until(`document.querySelector("[data-alert]").textContent.includes("expired")`)
	f.choose("card")
	f.card("4242424242424242")
	b.pay()
	b.arrive(w.shop.URL + "/order/123/complete")
	b.until(`document.querySelector("#message").innerText.startsWith("Success")`)
	b.clean()
}

// card types a card into the Payment Element.
func (f frame) card(number string) {
	f.t.Helper()
	f.fill(`input[name="number"]`, number)
	f.fill(`input[name="expiry"]`, "1233")
	f.fill(`input[name="cvc"]`, "123")
	f.do("country", chromedp.SetValue(chromedp.CSS(`select[name="country"]`), "US", chromedp.FromNode(f.node)))
	f.fill(`input[name="postalCode"]`, "10000")
}

// cards go through the Payment Element: success goes straight to the return
// address, a refusal is shown, a real number never leaves the frame.
func cards(w *world, b *tab) {
	intent, address := w.serve(checkout{train: "v3", payment: `{layout: "tabs"}`})
	b.open(address)
	f := b.paymentElement()
	f.choose("card")
	b.pay()
	if code := b.failed(); code != "incomplete_payment_details" {
		w.t.Errorf("an empty form: %s", code)
	}
	f.card("4000000000000002")
	b.until(`happened.some(h => h.name === "change" && h.event.complete)`)
	b.pay()
	if code := b.failed(); code != "card_declined" {
		w.t.Errorf("a refused card: %s", code)
	}
	for number, want := range map[string]string{"4111111111111111": "test_mode_live_card", "4000000000009995": "card_declined"} {
		f.do("clear", chromedp.SetValue(chromedp.CSS(`input[name="number"]`), "", chromedp.FromNode(f.node)))
		f.fill(`input[name="number"]`, number)
		b.pay()
		if code := b.failed(); code != want {
			w.t.Errorf("%s: %s, want %s", number, code, want)
		}
	}
	f.do("clear", chromedp.SetValue(chromedp.CSS(`input[name="number"]`), "", chromedp.FromNode(f.node)))
	f.fill(`input[name="number"]`, "4242 4242 4242 4242")
	b.pay()
	q := b.arrive(w.shop.URL + "/order/123/complete")
	if q.Get("redirect_status") != "succeeded" || q.Get("payment_intent") != intent["id"] || q.Get("order") != "123" || q.Has("redirect_pm_type") {
		w.t.Errorf("returned with %v", q)
	}
	if got := w.status(intent); got != "succeeded" {
		w.t.Errorf("the intent is %s", got)
	}
	b.clean()
}

// challenge authenticates a card in the overlay: allowed, refused and closed.
func challenge(w *world, b *tab) {
	for _, c := range []struct{ what, press, want string }{
		{"refused", "#test-source-fail-3ds", "payment_intent_authentication_failure"},
		{"closed", "", "payment_intent_authentication_failure"},
		{"allowed", "#test-source-authorize-3ds", ""},
	} {
		intent, address := w.serve(checkout{})
		b.open(address)
		f := b.paymentElement()
		f.choose("card")
		f.card("4000002760003184")
		b.pay()
		overlay := b.drawn(`body > div > iframe[name^="__privateStripeFrame"]`,
			`location.pathname.endsWith("/three-ds-2-challenge") && document.querySelector("iframe#challengeFrame")?.src`)
		if c.press == "" {
			overlay.click(".ChallengeClose")
		} else {
			bank := b.drawn("iframe#challengeFrame", `document.querySelector("#test-source-fail-3ds")`, overlay)
			b.picture("card-challenge")
			bank.click(c.press)
		}
		if c.want != "" {
			if code := b.failed(); code != c.want {
				w.t.Errorf("%s: %s, want %s", c.what, code, c.want)
			}
			b.until(`!document.querySelector("body > div > iframe")`)
			if got := w.status(intent); got != "requires_payment_method" {
				w.t.Errorf("%s: the intent is %s", c.what, got)
			}
			continue
		}
		b.arrive(w.shop.URL + "/order/123/complete")
		if got := w.status(intent); got != "succeeded" {
			w.t.Errorf("%s: the intent is %s", c.what, got)
		}
	}
	b.clean()
}

// useable makes mistakes on the page: nothing chosen, pressed twice, wrong
// secret. The page stays usable after each.
func usable(w *world, b *tab) {
	intent, address := w.serve(checkout{})
	b.open(address)
	f := b.paymentElement()
	b.pay()
	if code := b.failed(); code != "incomplete_payment_details" {
		w.t.Errorf("nothing chosen: %s", code)
	}
	f.choose("alma")
	codes := eval[[]string](b, `(async () => {
		const params = {elements, redirect: "if_required", confirmParams: {payment_method_data: {billing_details: {name: "A"}}}};
		const all = await Promise.all([stripe.confirmPayment(params), stripe.confirmPayment(params)]);
		return all.map(r => r.error.code);
	})()`)
	if codes[1] != "confirm_in_progress" || codes[0] != "payment_intent_redirect_confirmation_without_return_url" {
		w.t.Errorf("pressed twice: %v", codes)
	}
	for script, want := range map[string]string{
		`stripe.retrievePaymentIntent("` + fmt.Sprint(intent["id"]) + `_secret_wrong").then(r => r.error.code)`:                 "payment_intent_invalid_parameter",
		`stripe.retrievePaymentIntent("pi_doesnotexist_secret_x").then(r => r.error.code)`:                                      "resource_missing",
		`Promise.resolve().then(() => stripe.retrievePaymentIntent(null)).catch(e => e.name)`:                                   "IntegrationError",
		`Promise.resolve().then(() => stripe.confirmPayment({elements})).catch(e => e.name)`:                                    "IntegrationError",
		`Promise.resolve().then(() => stripe.elements({clientSecret: "x"})).catch(e => e.name)`:                                 "IntegrationError",
		`Promise.resolve().then(() => elements.create("payment")).catch(e => e.name)`:                                           "IntegrationError",
		`Promise.resolve().then(() => Stripe("sk_test_12345678")).catch(e => e.name)`:                                           "IntegrationError",
		`Promise.resolve().then(() => Stripe("")).catch(e => e.name)`:                                                           "IntegrationError",
		`stripe.verifyIdentity("x").then(r => r.error.code)`:                                                                    "feature_not_supported",
		`Promise.resolve(String(stripe.confirmAlmaPayment))`:                                                                    "undefined",
		`Promise.resolve(String(stripe.confirmAlipaySetup))`:                                                                    "undefined",
		`Promise.resolve(Stripe.version)`:                                                                                       "basil",
		`stripe.paymentRequest({country: "US", currency: "usd", total: {label: "x", amount: 1}}).canMakePayment().then(String)`: "null",
		`elements.fetchUpdates().then(r => JSON.stringify(r))`:                                                                  "{}",
		`elements.submit().then(r => r.selectedPaymentMethod)`:                                                                  "alma",
	} {
		if got := eval[string](b, script); got != want {
			w.t.Errorf("%s is %q, want %q", script, got, want)
		}
	}
	// No secret in any address the browser has asked for.
	if leaked := eval[bool](b, `performance.getEntries().some(e => e.name.includes("_secret_"))`); leaked {
		w.t.Error("a client secret is in an address")
	}
	b.pay()
	b.arrive(w.api + "/pay/")
	b.clean()
}

// limits shows Alma only where it can be used.
func limits(w *world, b *tab) {
	for amount, c := range map[string]struct {
		currency string
		shown    bool
	}{"5000": {"eur", true}, "4999": {"eur", false}, "5099": {"usd", false}} {
		_, address := w.serve(checkout{params: url.Values{"amount": {amount}, "currency": {c.currency}, "automatic_payment_methods[enabled]": {"true"}}})
		b.open(address)
		f := b.paymentElement()
		if got := f.value(`!!document.querySelector("[data-value=alma]")`); got != fmt.Sprint(c.shown) {
			w.t.Errorf("%s %s: Alma shown is %s", amount, c.currency, got)
		}
	}
}

// looks takes pictures at phone and desktop sizes, and proves that what the
// merchant chose is applied and nothing else.
func looks(w *world, b *tab) {
	for _, c := range []struct {
		name          string
		width, height int64
		checkout
	}{
		{"phone", 390, 760, checkout{payment: `{layout: {type: "accordion", defaultCollapsed: false}}`, link: true}},
		{"desktop-tabs", 1200, 700, checkout{train: "v3"}},
		{"night", 600, 700, checkout{appearance: `{theme: "night", labels: "floating", variables: {colorPrimary: "#ff8800", borderRadius: "14px"}}`, payment: `{layout: {type: "accordion", defaultCollapsed: false, spacedAccordionItems: true, radios: "never"}}`}},
		{"chinese", 390, 760, checkout{locale: "zh", appearance: `{theme: "flat"}`, payment: `{layout: {type: "accordion", defaultCollapsed: false}}`}},
	} {
		_, address := w.serve(c.checkout)
		b.do("size", chromedp.EmulateViewport(c.width, c.height))
		b.open(address)
		b.paymentElement()
		b.until(`happened.some(h => h.name === "ready")`)
		b.picture("payment-element-" + c.name)
	}
	_, address := w.serve(checkout{appearance: `{variables: {colorPrimary: "rgb(1, 2, 3)", fontFamily: "serif;} body{display:none"}, rules: {".AccordionItem": {borderColor: "rgb(4, 5, 6)", background: "url(https://evil.example/)"}, "body": {display: "none"}}}`})
	b.open(address)
	f := b.paymentElement()
	f.choose("alma")
	f.until(`getComputedStyle(document.querySelector(".AccordionItem")).borderTopColor === "rgb(4, 5, 6)"`)
	f.until(`getComputedStyle(document.querySelector(".AccordionItem--selected .AccordionButton")).color === "rgb(1, 2, 3)"`)
	if got := f.value(`getComputedStyle(document.body).display + getComputedStyle(document.querySelector(".AccordionItem")).backgroundImage`); got != "blocknone" {
		w.t.Errorf("a dangerous rule was applied: %s", got)
	}
	b.clean()
}

// events are delivered after mounting, in order, with their payloads; ready and
// the first change come to handlers attached later, as React does.
func events(w *world, b *tab) {
	_, address := w.serve(checkout{})
	b.open(address)
	f := b.paymentElement()
	b.until(`happened.some(h => h.name === "change")`)
	if got, want := eval[string](b, `happened.map(h => h.name).join()`), "loaderstart,ready,availablepaymentmethodschange,change"; got != want {
		w.t.Errorf("events %s, want %s", got, want)
	}
	f.choose("card")
	f.fill(`input[name="number"]`, "4242")
	b.until(`happened.some(h => h.name === "change" && !h.event.empty && h.event.value.type === "card")`)
	got := eval[[]string](b, `happened.filter(h => h.name === "change").map(h => JSON.stringify(h.event))`)
	want := []string{
		`{"elementType":"payment","empty":true,"complete":false,"collapsed":true,"value":{"type":""}}`,
		`{"elementType":"payment","empty":true,"complete":false,"collapsed":false,"value":{"type":"card"}}`,
		`{"elementType":"payment","empty":false,"complete":false,"collapsed":false,"value":{"type":"card"}}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := eval[int](b, `document.querySelectorAll("iframe[name*=__privateStripeFrame]").length`); n != 1 {
		w.t.Errorf("%d frames on a page with one Element", n)
	}
	if classes := eval[string](b, `document.querySelector("#payment-element").className`); !strings.Contains(classes, "StripeElement") || strings.Contains(classes, "StripeElement--empty") {
		w.t.Errorf("the container's classes are %q", classes)
	}
	// Destroyed and made again, as React's development mode does.
	b.do("again", chromedp.Evaluate[chromedp.Void](`paymentElement.destroy(); window.second = elements.create("payment"); second.on("ready", () => window.again = true); second.mount("#payment-element")`))
	b.until(`window.again`)
	b.clean()
}

// keyboard pays without a pointer, and finds every control named.
func keyboard(w *world, b *tab) {
	_, address := w.serve(checkout{train: "v3", payment: `{layout: "tabs"}`})
	b.open(address)
	f := b.paymentElement()
	f.until(`document.querySelector('[role=tablist]').getAttribute("aria-label") && [...document.querySelectorAll("[role=tab]")].every(t => document.getElementById(t.getAttribute("aria-controls")).getAttribute("aria-labelledby") === t.id)`)
	f.do("to the tabs", chromedp.Focus(chromedp.CSS(`[role="tab"][aria-selected="true"]`), chromedp.FromNode(f.node)))
	for _, want := range []string{"alma", "alipay", "card", "alma"} {
		b.do("right", chromedp.KeyEvent(kb.ArrowRight))
		f.until(`document.activeElement.dataset.testid === "` + want + `" && document.activeElement.getAttribute("aria-selected") === "true"`)
	}
	b.do("home", chromedp.KeyEvent(kb.Home))
	f.until(`document.activeElement.dataset.testid === "card"`)
	b.do("into the panel, typing on", chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("4242424242424242"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("1233"),
		chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("123"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("10000"))
	b.until(`happened.some(h => h.name === "change" && h.event.complete)`)
	f.until(`[...document.querySelectorAll("input, select")].every(i => i.labels.length === 1 || i.getAttribute("aria-label"))`)
	b.do("escape", chromedp.KeyEvent(kb.Escape))
	b.until(`happened.some(h => h.name === "escape")`)
	b.do("pay", chromedp.Focus(chromedp.CSS("#submit")), chromedp.KeyEvent(kb.Enter))
	b.arrive(w.shop.URL + "/order/123/complete")

	_, address = w.serve(checkout{})
	b.open(address)
	f = b.paymentElement()
	f.do("to the second method", chromedp.Focus(chromedp.CSS(`[data-value="alma"]`), chromedp.FromNode(f.node)), chromedp.KeyEvent(kb.Enter))
	f.until(`document.querySelector('[data-value="alma"]').getAttribute("aria-expanded") === "true"`)
	b.clean()
}
