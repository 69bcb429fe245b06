package browser

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/evanw/esbuild/pkg/api"
)

var installed = sync.OnceValue(func() error {
	lock, err := os.ReadFile("apps/package-lock.json")
	if err != nil {
		return err
	}
	const stamp = "apps/node_modules/.installed"
	if done, err := os.ReadFile(stamp); err == nil && bytes.Equal(done, lock) {
		return nil
	}
	ci := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
	ci.Dir = "apps"
	ci.Stderr = os.Stderr
	if err := ci.Run(); err != nil {
		return err
	}
	return os.WriteFile(stamp, lock, 0o644)
})

// needNPM installs what shops install.
func needNPM(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		const missing = "NPM IS MISSING: the library was not used through its loader and its React bindings (apt-get install -y npm)"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	if err := installed(); err != nil {
		t.Fatalf("npm ci in conformance/browser/apps: %v", err)
	}
}

// bundle builds an app as a shop's tools do and serves it at a path.
func (w *world) bundle(path, entry string, alias map[string]string) {
	w.t.Helper()
	abs, err := filepath.Abs("apps")
	if err != nil {
		w.t.Fatal(err)
	}
	r := api.Build(api.BuildOptions{
		AbsWorkingDir: abs, EntryPoints: []string{entry}, Bundle: true, Format: api.FormatIIFE, Alias: alias, LogLevel: api.LogLevelSilent,
		Define: map[string]string{"process.env.NODE_ENV": `"development"`},
	})
	if len(r.Errors) > 0 {
		w.t.Fatalf("bundle %s: %s", entry, r.Errors[0].Text)
	}
	w.mux.HandleFunc("GET "+path, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = rw.Write(r.OutputFiles[0].Contents)
	})
}

// loaders puts our tag in front of an app that loads the library by npm, in
// every major release there has been.
func loaders(w *world, b *tab) {
	needNPM(w.t)
	for _, c := range []struct{ pkg, script, version string }{
		{"stripe-js-1", "v3/", "3"}, {"stripe-js-4", "v3/", "3"}, {"stripe-js-5", "v3/stripe.js", "3"}, {"stripe-js-6", "acacia/stripe.js", "acacia"},
		{"stripe-js-7", "basil/stripe.js", "basil"}, {"stripe-js-8", "clover/stripe.js", "clover"}, {"stripe-js-9", "dahlia/stripe.js", "dahlia"},
		{"stripe-js-10", "endive/stripe.js", "endive"},
	} {
		w.bundle("/"+c.pkg+".js", "loader.js", map[string]string{"loader": c.pkg})
		w.page("/"+c.pkg, "app.html", map[string]any{"Script": c.script, "Bundle": "/" + c.pkg + ".js", "ClientSecret": ""})
		b.open(w.shop.URL + "/" + c.pkg)
		got := eval[struct {
			Functions bool
			Version   string
		}](b, `window.result`)
		if !got.Functions || got.Version != c.version {
			w.t.Errorf("%s: %+v", c.pkg, got)
		}
		if n := eval[int](b, `document.querySelectorAll("script[src*='js.stripe.com']").length`); n != 0 {
			w.t.Errorf("%s: the loader injected another script", c.pkg)
		}
	}
	b.silent("warning")
	b.silent("warn ")
	b.clean()
}

// reactBindings mounts everything twice, as development mode does; one frame of
// each Element stays, handlers hear once, and a payment goes through.
func reactBindings(w *world, b *tab) {
	needNPM(w.t)
	intent := w.intent(nil)
	w.bundle("/react.js", "react.js", nil)
	w.page("/react", "app.html", map[string]any{"Script": "dahlia/stripe.js", "Bundle": "/react.js", "ClientSecret": intent["client_secret"]})
	w.page("/order/123/complete", "intent-return.html", map[string]any{"Train": "dahlia"})
	b.open(w.shop.URL + "/react")
	f := b.paymentElement()
	b.until(`calls.ready > 0 && calls.card > 0 && document.querySelector("#loaded").textContent === "yes"`)
	for selector, want := range map[string]int{`iframe[src*=inner-payment]`: 1, `iframe[src*=inner-link]`: 1, `iframe[src*=inner-card]`: 1} {
		if n := eval[int](b, `document.querySelectorAll("`+selector+`").length`); n != want {
			w.t.Errorf("%d frames %s", n, selector)
		}
	}
	if got := eval[string](b, `calls.ready + " " + readyWith + " " + typeof cardElement().mount`); got != "1 function function" {
		w.t.Errorf("onReady was called %s", got)
	}
	mail := b.frame(`iframe[title="Secure email input frame"]`)
	mail.fill(`input[name="email"]`, "jenny@example.com")
	b.until(`window.email === "jenny@example.com"`)
	f.choose("card")
	b.until(`calls.change.join().endsWith("card")`)
	b.do("too early", chromedp.Click(chromedp.CSS("#submit")))
	b.until(`document.querySelector("#message").textContent !== ""`)
	f.card("4242424242424242")
	b.do("pay", chromedp.Click(chromedp.CSS("#submit")))
	b.arrive(w.shop.URL + "/order/123/complete")
	b.until(`document.querySelector("#message").innerText.startsWith("Success")`)
	if got := w.status(intent); got != "succeeded" {
		w.t.Errorf("the intent is %s", got)
	}
	pm := w.call("GET", "/v1/payment_methods/"+w.call("GET", "/v1/payment_intents/"+intent["id"].(string), nil)["payment_method"].(string), nil)
	if details := pm["billing_details"].(map[string]any); details["email"] != "jenny@example.com" {
		w.t.Errorf("the payment method's details are %v", details)
	}
	b.clean()
}

// TestTypes has the library's sources checked by the compiler of their language.
func TestTypes(t *testing.T) {
	t.Parallel()
	needNPM(t)
	check := exec.CommandContext(t.Context(), "apps/node_modules/.bin/tsc", "-p", filepath.Join("..", "..", "internal", "elements"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, strings.TrimSpace(string(out)))
	}
}
