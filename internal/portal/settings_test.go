package portal_test

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/browsertest"
	"github.com/ducatpay/ducat/internal/wire/stripe/signature"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// TestAccount: a test account sets its own terms, by the rules of the control API.
func TestAccount(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		v := w.signedIn()
		const action = "/portal/settings/account"
		valid := func(more ...string) []string {
			return append([]string{
				"name", "Lamps & Co", "statement_descriptor", "LAMPS", "country", "nl", "default_currency", "eur", "extra_currencies", "usd, GBP",
				"fee_percent", "1.5", "fee_fixed", "25", "dispute_fee", "1500", "settlement_days", "2", "stripe.rate_limit", " 50 ",
			}, more...)
		}
		account := func() string {
			t.Helper()
			_, o := w.Control(t, bearer(w.key), "GET", "account", "")
			p := o["profile"].(object)
			var all []string
			for _, k := range []string{"name", "statement_descriptor", "country", "default_currency", "extra_currencies", "fee_basis_points", "fee_fixed", "dispute_fee", "settlement_days", "refund_needs_funds", "methods_off", "settings"} {
				all = append(all, strings.TrimSpace(strings.Trim(strings.ReplaceAll(sprint(p[k]), " ", ","), "[]")))
			}
			return strings.Join(all, "|")
		}
		w.control("account", `{"methods_off":["alipay"],"settings":{"stripe.webhook_disable_days":"3"}}`)
		v.Post(v.Get("/portal/settings"), "/portal/settings/methods", "method", "card") // which the account remembers by a setting
		p := v.Post(v.Get("/portal/settings"), action, valid("refund_needs_funds", "on")...)
		if p.Path != "/portal/settings?done=account" || !p.Has("Saved.", "Lamps & Co") || !strings.Contains(p.Body, `value="USD, GBP"`) {
			t.Errorf("%d at %s: %s", p.Status, p.Path, p.Said())
		}
		const want = "Lamps,&,Co|LAMPS|NL|EUR|USD,GBP|150|25|1500|2|true|alipay|stripe.default_configuration=changed,stripe.rate_limit=50"
		if got := account(); got != want {
			t.Errorf("the account is %s, want %s", got, want)
		}
		for name, c := range map[string]struct{ field, value, says string }{
			"country":        {"country", "NLD", "two-letter"},
			"currency":       {"default_currency", "euro", `"euro" is not a currency`},
			"currencies":     {"extra_currencies", "usd, x", `"x" is not a currency`},
			"percent":        {"fee_percent", "2,9", "a number like 2.90"},
			"more than all":  {"fee_percent", "100.01", "fee_basis_points must be 0 to 10000"},
			"fixed":          {"fee_fixed", "0.30", "whole numbers"},
			"negative":       {"dispute_fee", "-1", "not negative"},
			"days":           {"settlement_days", "soon", "a whole number"},
			"too many days":  {"settlement_days", "366", "settlement_days 0 to 365"},
			"an option":      {"stripe.rate_limit", "fast", `"fast" is not a number of requests`},
			"a long name":    {"name", strings.Repeat("x", 256), "at most 255 characters"},
			"a name of two":  {"name", "two\nlines", "one line"},
			"no text at all": {"statement_descriptor", "\xff", "one line"},
		} {
			page := v.Get("/portal/settings")
			fields := valid()
			for i := 0; i < len(fields); i += 2 {
				if fields[i] == c.field {
					fields[i+1] = c.value
				}
			}
			if p := v.Post(page, action, fields...); p.Status != http.StatusBadRequest || !p.Has(c.says) || !strings.Contains(p.Body, `value="Lamps &amp; Co"`) && c.field != "name" {
				t.Errorf("%s: %d %s", name, p.Status, p.Said())
			}
			if got := account(); got != want {
				t.Fatalf("%s was refused, and the account is %s", name, got)
			}
		}

		site := w.Visitor(t)
		site.SignIn(keys.Random(40))
		for _, wrong := range []string{strings.Repeat("1", 2049), "two\x00parts"} {
			if p := site.Post(site.Get("/portal/settings"), action, valid("multisafepay.notification_url", wrong)...); p.Status != http.StatusBadRequest || !p.Has("one line and at most 2048 characters") {
				t.Errorf("an option of %d characters: %d %s", len(wrong), p.Status, p.Said())
			}
		}

		_, key := w.provision("secret")
		live := w.Visitor(t)
		live.SignIn(key)
		settings := live.Get("/portal/settings")
		if !settings.Has("A live shop", "Fee of a payment, percent 2.90", "changed by whoever runs this server", "Mode Live") || strings.Contains(settings.Body, action) {
			t.Errorf("%s", settings.Said())
		}
		if p := live.Post(settings, action, append(valid(), "token", settings.Hidden("/portal/sign-out", "token"))...); p.Status != http.StatusBadRequest || !p.Has("A live account cannot be changed here") {
			t.Errorf("%d %s", p.Status, p.Said())
		}
	})
}

func sprint(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var all []string
		for _, x := range v {
			all = append(all, sprint(x))
		}
		return strings.Join(all, " ")
	case object:
		var all []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, k+"="+sprint(v[k]))
		}
		return strings.Join(all, " ")
	case bool:
		return strconv.FormatBool(v)
	}
	return v.(string)
}

// TestEndpoints: they are listed with how they do, and can be given a new secret,
// which is shown once and signs at once.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		v := w.signedIn()
		if p := v.Get("/portal/settings"); !p.Has("Webhook endpoints None") {
			t.Errorf("%s", p.Said())
		}
		shop := wiretest.NewReceiver(t)
		e := w.api("POST", "/v1/webhook_endpoints", "url", shop.URL+"/hook", "enabled_events[]", "*")
		shop.Answer(500, "")
		w.paid()
		w.advance(time.Minute)
		page := v.Get("/portal/settings")
		if !page.Has(shop.URL+"/hook", "enabled", e["id"].(string), "Nothing has been accepted since") || strings.Contains(page.Body, e["secret"].(string)) {
			t.Errorf("%s", page.Said())
		}
		const action = "/portal/settings/secret"
		p := v.Post(page, action)
		secret := regexp.MustCompile(`whsec_[0-9A-Za-z]+`).FindString(p.Body)
		if p.Status != http.StatusOK || secret == "" || secret == e["secret"] || !p.Has("shown this once") {
			t.Errorf("%d %s", p.Status, p.Said())
		}
		if p := v.Get("/portal/settings"); strings.Contains(p.Body, secret) {
			t.Error("the secret is shown again")
		}
		// Pressed twice, or the answer reloaded: the secret in use goes on signing.
		if p := v.Post(page, action); p.Status != http.StatusConflict || !p.Has("pressed twice") || strings.Contains(p.Body, "whsec_") {
			t.Errorf("twice: %d %s", p.Status, p.Said())
		}
		shop.Answer(200, "")
		before := len(shop.All())
		w.paid()
		w.advance(time.Minute)
		calls := shop.All()
		if len(calls) == before {
			t.Fatal("nothing was sent")
		}
		last := calls[len(calls)-1]
		for name, s := range map[string]string{"in use": e["secret"].(string), "new": secret} {
			if err := signature.Verify(last.Header.Get("Stripe-Signature"), last.Body, s, 5*time.Minute, w.Clock.Now()); err != nil {
				t.Errorf("the secret %s does not sign: %v", name, err)
			}
		}
		if p := v.Post(page, action, "id", "we_none"); p.Status != http.StatusNotFound {
			t.Errorf("no such endpoint: %d %s", p.Status, p.Said())
		}
		stranger := worldOn(t, w.Server).signedIn()
		token := stranger.Get("/portal/settings").Hidden("/portal/sign-out", "token")
		if p := stranger.Post(page, action, "token", token); p.Status != http.StatusNotFound || strings.Contains(p.Body, "whsec_") {
			t.Errorf("another account's: %d %s", p.Status, p.Said())
		}
		other := w.Visitor(t)
		other.SignIn(keys.Random(40))
		if p := other.Post(page, action, "token", other.Get("/portal/settings").Hidden("/portal/sign-out", "token")); p.Status != http.StatusConflict {
			t.Errorf("a key without endpoints: %d", p.Status)
		}
	})
}

// TestContrast holds the colours that these pages add to WCAG 2.2 AA.
func TestContrast(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("assets/portal.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark scheme")
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		root, _, _ := strings.Cut(text[strings.Index(text, ":root"):], "}")
		colour := map[string]string{"ink": map[string]string{"light": "#12161f", "dark": "#edf1f7"}[scheme]} // of the payer's pages
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(root, -1) {
			colour[m[1]] = m[2]
		}
		for ink, ground := range map[string]string{"good": "good-wash", "warn": "warn-wash", "ink": "calm-wash"} {
			if got := browsertest.Contrast(t, colour[ink], colour[ground]); got < 4.5 {
				t.Errorf("%s: %s on %s is %.2f, want at least 4.5", scheme, ink, ground, got)
			}
		}
	}
}
