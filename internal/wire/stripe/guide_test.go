package stripe_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// guideCreate is the request of the guide "Accept a payment with Alma", as it is
// printed there.
const guideCreate = `curl https://api.stripe.com/v1/payment_intents \
  -u "sk_test_BQokikJOvBiI2HlWgH4olfQ2:" \
  -d amount=5099 \
  -d currency=eur \
  -d "automatic_payment_methods[enabled]"=true`

// guideKey is the publishable key of the guide's browser snippets.
const guideKey = "pk_test_TYooMQauvdEDq54NiTphI7jx"

// TestGuideAsPrinted runs the guide's own command after changing the host, then
// does over HTTP what its browser snippets make the browser do.
func TestGuideAsPrinted(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		const missing = "CURL IS MISSING: the guide's command was not run (apt-get install -y curl)"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	w := newWorld(t)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(guideCreate, "https://api.stripe.com", w.url, 1)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var pi object
	if err := json.Unmarshal(out, &pi); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	validate(t, response{obj: pi})
	if pi["status"] != "requires_payment_method" || pi["amount"] != 5099.0 || pi["currency"] != "eur" || !slices.Contains(pi["payment_method_types"].([]any), "alma") {
		t.Fatalf("%v", pi)
	}
	// confirmPayment: what the element sends.
	secret := pi["client_secret"].(string)
	browser := w.with(guideKey)
	open := browser.must(browser.post("/v1/payment_intents/"+pi["id"].(string)+"/confirm", "client_secret", secret, "use_stripe_sdk", "true",
		"expected_payment_method_type", "alma", "payment_method_data[type]", "alma", "return_url", "https://example.com/order/123/complete"))
	_, to := w.decideAt(page(open), "authorize")
	// The status page reads the secret from its own address and asks.
	at, err := url.Parse(to)
	if err != nil || at.Host != "example.com" || at.Path != "/order/123/complete" {
		t.Fatalf("returns to %s", to)
	}
	q := at.Query()
	if q.Get("payment_intent") != pi["id"] || q.Get("redirect_pm_type") != "alma" || q.Get("redirect_status") != "succeeded" {
		t.Errorf("returns to %s", to)
	}
	shown := browser.must(browser.get("/v1/payment_intents/"+q.Get("payment_intent"), "client_secret", q.Get("payment_intent_client_secret")))
	if shown["status"] != "succeeded" {
		t.Errorf("%v", shown)
	}
	// Without the parameter that the newest version makes optional, it is the same.
	out, err = exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(strings.Replace(guideCreate, " \\\n  -d \"automatic_payment_methods[enabled]\"=true", "", 1), "https://api.stripe.com", w.url, 1)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &pi); err != nil || pi["automatic_payment_methods"].(object)["enabled"] != true {
		t.Errorf("%v %s", err, out)
	}
}
