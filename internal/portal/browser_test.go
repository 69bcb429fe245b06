package portal_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/ducatpay/ducat/internal/browsertest"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// enter signs in with a browser.
func enter(t *testing.T, tab context.Context, w *world) {
	t.Helper()
	if err := chromedp.Do(tab,
		chromedp.Navigate(w.URL+"/portal"),
		chromedp.SendKeys(chromedp.ID("key"), w.key),
		chromedp.Click(`//button[text()="Sign in"]`),
		chromedp.WaitVisible(`//h1[text()="Payments"]`),
	); err != nil {
		t.Fatalf("sign in: %v", err)
	}
}

// TestBrowser: somebody of the merchant's signs in, finds a payment, refunds half
// of it and switches a method off, which the next intent no longer offers.
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	w := worldOn(t, wiretest.NewSQLite(t))
	w.paid("description", "Another lamp", "amount", "9900")
	intent, id := w.paid("description", "The lamp in question")
	w.paid("description", "A third lamp", "amount", "5500")
	tab := browsertest.Tab(t, browser)
	enter(t, tab, w)
	said := func(selector, want string) {
		t.Helper()
		if got, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS(selector))); err != nil || !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q (%v)", selector, got, want, err)
		}
	}
	if err := chromedp.Do(tab,
		chromedp.SendKeys(chromedp.ID("find"), intent+"\r"),
		chromedp.WaitVisible(chromedp.ID("amount")),
		chromedp.SetValue(chromedp.ID("amount"), "25.50"),
		chromedp.Click(`//button[text()="Refund"]`),
		chromedp.WaitVisible(chromedp.CSS(".backs")),
	); err != nil {
		t.Fatalf("refund: %v", err)
	}
	said(".said", "on its way")
	said(".backs", "€25.50 EUR")
	said(".method", "Partly refunded")
	if got := w.api("GET", "/v1/refunds?payment_intent="+intent)["data"].([]any); len(got) != 1 || got[0].(object)["amount"] != 2550.0 {
		t.Errorf("refunds of %s (%s): %v", intent, id, got)
	}
	if !slices.Contains(w.offered(), "alma") {
		t.Error("the method is not offered to begin with")
	}
	if err := chromedp.Do(tab,
		chromedp.Click(`//nav//a[text()="Settings"]`),
		chromedp.Click(chromedp.CSS(`input[value="alma"]`)),
		chromedp.Click(`//button[text()="Save"]`),
		chromedp.WaitVisible(chromedp.CSS(".said")),
	); err != nil {
		t.Fatalf("settings: %v", err)
	}
	if got := w.offered(); slices.Contains(got, "alma") || !slices.Contains(got, "card") {
		t.Errorf("after it was switched off, an intent offers %v", got)
	}
	if err := chromedp.Do(tab,
		chromedp.Click(`//button[text()="Sign out"]`),
		chromedp.WaitVisible(chromedp.ID("key")),
		chromedp.Navigate(w.URL+"/portal/settings"),
		chromedp.WaitVisible(chromedp.ID("key")),
	); err != nil {
		t.Fatalf("sign out: %v", err)
	}
}

// gallery fills a world with something of everything and names the pages to see.
func gallery(t *testing.T, w *world) map[string]string {
	t.Helper()
	receiver := wiretest.NewReceiver(t)
	w.api("POST", "/v1/webhook_endpoints", "url", receiver.URL, "enabled_events[]", "*")
	w.begun("description", "A lamp whose payer is still thinking")
	w.paid("description", "فانوس ورقي", "amount", "123400")
	declined, _ := w.begun("description", `<script>alert("x")</script> `+strings.Repeat("unbroken", 12))
	w.control("decide", `{"id":"`+declined+`","decision":"decline"}`)
	_, paid := w.paid("description", "Paper lamp, folded by hand", "metadata[order]", "A-1077", "receipt_email", "ada@shop.example")
	w.signedIn().refund(paid, "20.99", "reason", "duplicate")
	w.signedIn().refund(paid, "5", "reason", "requested")
	disputed, other := w.paid("description", "A bag that never came", "amount", "12900")
	w.control("disputes", `{"id":"`+disputed+`","reason":"product_not_received"}`)
	w.paid("description", "Held until it is shipped", "capture_method", "manual")
	w.advance(8 * 24 * 3600e9)
	w.api("POST", "/v1/payouts", "amount", "1000", "currency", "eur")
	return map[string]string{
		"payments": "/portal/payments", "payment": "/portal/payments/" + paid, "disputed": "/portal/payments/" + other,
		"settings": "/portal/settings", "balance": "/portal/balance?from=2026-09-01", "empty": "/portal/payments?state=expired", "problem": "/portal/payments/pay_none",
	}
}

func TestScreenshots(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	dir := filepath.Join("..", "..", "artifacts", "portal")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// The pictures are for looking at, never for committing.
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := worldOn(t, wiretest.NewSQLite(t))
	pages := gallery(t, w)
	entrance := browsertest.Tab(t, browser)
	if err := chromedp.Do(entrance, chromedp.Navigate(w.URL+"/portal/sign-in")); err != nil {
		t.Fatal(err)
	}
	shots(t, entrance, dir, "sign-in")
	tab := browsertest.Tab(t, browser)
	enter(t, tab, w)
	for name, path := range pages {
		if err := chromedp.Do(tab, chromedp.Navigate(w.URL+path), chromedp.WaitVisible(chromedp.CSS("main h1"))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "payment" {
			if err := chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](`document.querySelector("details").open = true`)); err != nil {
				t.Fatal(err)
			}
		}
		shots(t, tab, dir, name)
	}
}

// shots takes pictures of what a tab shows, on both screens and in both schemes.
func shots(t *testing.T, tab context.Context, dir, name string) {
	t.Helper()
	for screen, size := range map[string][2]int64{"phone": {390, 844}, "desktop": {1280, 900}} {
		for _, scheme := range []string{"light", "dark"} {
			file := name + "-" + screen + "-" + scheme + ".png"
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
			if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, media); err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(tab, chromedp.EmulateViewport(size[0], size[1])); err != nil {
				t.Fatal(err)
			}
			overflow, err := chromedp.Run(tab, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
			if err != nil {
				t.Fatal(err)
			}
			if overflow {
				t.Errorf("%s scrolls sideways", file)
			}
			png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
