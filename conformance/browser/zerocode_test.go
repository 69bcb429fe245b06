package browser

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/ducatpay/ducat/internal/servertest"
)

// TestZeroCode uses programs and pages that name the provider's own hosts and
// were not changed in any way. What they are given is what `ducat trust` prints:
// a certificate to trust, and where names lead.
func TestZeroCode(t *testing.T) {
	t.Parallel()
	needNPM(t)
	dir := t.TempDir()
	secure := servertest.FreeAddress(t)
	in := servertest.Fresh(t, "--tls", "--tls-listen", secure, "--tls-dir", filepath.Join(dir, "ca"))
	url, _ := in.Serve(t)
	trust, err := exec.CommandContext(t.Context(), in.Bin, "trust", "--tls-dir", filepath.Join(dir, "ca"), "--address", secure).Output()
	if err != nil {
		t.Fatal(err)
	}
	say := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindSubmatch(trust)
		if m == nil {
			t.Fatalf("ducat trust does not say %s:\n%s", pattern, trust)
		}
		return string(m[1])
	}
	w := newWorld(t, url)
	t.Run("Node", func(t *testing.T) { zeroCodeNode(t, w, secure, say(`NODE_EXTRA_CA_CERTS=(\S+)`)) })
	t.Run("Page", func(t *testing.T) {
		browser := newBrowser(t,
			chromedp.Flag("ignore-certificate-errors-spki-list", say(`spki-list=(\S+)`)),
			// Documents of other sites in the page's own process, where the test
			// can look into them.
			chromedp.Flag("disable-site-isolation-trials", true), chromedp.Flag("disable-features", "IsolateOrigins,site-per-process"),
			chromedp.Flag("host-resolver-rules", say(`--host-resolver-rules="([^"]+)"`)))
		zeroCodePage(w, newTab(t, browser))
	})
}

// zeroCodeNode runs the official library as it comes.
func zeroCodeNode(t *testing.T, w *world, secure, ca string) {
	host, port, err := net.SplitHostPort(secure)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("apps")
	if err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), "node", "--require", "./names.cjs", "zerocode.mjs")
	program.Dir = dir
	program.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca, "KEY="+w.secret, "NAMES_HOST="+host, "NAMES_PORT="+port)
	var stderr strings.Builder
	program.Stderr = &stderr
	out, err := program.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var said struct{ Source, Status, Intent, Error string }
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.HasPrefix(said.Source, "src_") || said.Status != "pending" || !strings.HasPrefix(said.Intent, "pi_") || said.Error != "StripeInvalidRequestError" {
		t.Errorf("the program says %s", out)
	}
}

// zeroCodePage opens a page as it is published: the library's own address in its
// head, HTTPS, nothing of ours.
func zeroCodePage(w *world, b *tab) {
	intent := w.intent(url.Values{"amount": {"5099"}, "currency": {"eur"}, "automatic_payment_methods[enabled]": {"true"}})
	w.mux.HandleFunc("GET /published", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(rw, `<!DOCTYPE html><html><head><title>Checkout</title><script src="https://js.stripe.com/v3/"></script></head>
<body><form id="payment-form"><div id="payment-element"></div><button id="submit">Submit</button><div id="error-message"></div></form><script>
const stripe = Stripe(%q);
const elements = stripe.elements({clientSecret: %q, appearance: {}});
elements.create('payment', {layout: 'accordion'}).mount('#payment-element');
document.getElementById('payment-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const {error} = await stripe.confirmPayment({elements, confirmParams: {return_url: location.origin + '/thanks'}});
  document.querySelector('#error-message').textContent = error.message;
});
</script></body></html>`, w.public, intent["client_secret"])
	})
	w.mux.HandleFunc("GET /thanks", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("thanks")) })
	b.open(w.shop.URL + "/published")
	f := b.paymentElement()
	f.choose("alma")
	b.pay()
	b.until(`location.pathname.startsWith("/pay/") && document.querySelector('button[value="authorize"]')`)
	b.do("authorize", chromedp.Click(chromedp.CSS(`button[value="authorize"]`)))
	b.arrive(w.shop.URL + "/thanks")
	if got := w.status(intent); got != "succeeded" {
		w.t.Errorf("the intent is %s", got)
	}
	b.clean()
}
