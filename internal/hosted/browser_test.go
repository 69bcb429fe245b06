package hosted_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/ducatpay/ducat/internal/browsertest"
	"github.com/ducatpay/ducat/internal/hosted"
)

// newShop is the merchant's site: it says that the payer returned, and hears
// what their browser told it.
func newShop(t *testing.T) (base string, visits <-chan *http.Request) {
	t.Helper()
	heard := make(chan *http.Request, 8)
	mux := http.NewServeMux()
	mux.HandleFunc("/return", func(w http.ResponseWriter, r *http.Request) {
		heard <- r
		http.Redirect(w, r, "/thanks", http.StatusFound) // shops often pass the payer on
	})
	mux.HandleFunc("/thanks", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<!DOCTYPE html><title>shop</title><h1 id="back">Welcome back</h1>`))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, heard
}

func serve(t *testing.T, d hosted.Desk) string {
	t.Helper()
	srv := httptest.NewServer(newHandler(t, d))
	t.Cleanup(srv.Close)
	return srv.URL + "/pay/" + token
}

// otherHost is the same server under a name that browsers do not treat as local.
func otherHost(t *testing.T, u string) string {
	t.Helper()
	rest, _ := strings.CutPrefix(u, "http://")
	address, path, _ := strings.Cut(rest, "/")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return "http://payer.test:" + port + "/" + path
}

func TestBrowserAuthorizesAndReturns(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	for name, address := range map[string]func(*testing.T, string) string{
		"Local":     func(_ *testing.T, u string) string { return u },
		"PlainHTTP": otherHost, // the browser sends no Sec-Fetch-Site here
	} {
		t.Run(name, func(t *testing.T) {
			shop, visits := newShop(t)
			d := newDesk(returnURL(shop + "/return?source=src_1"))
			tab := browsertest.Tab(t, browser)
			if err := chromedp.Do(tab,
				chromedp.Navigate(address(t, serve(t, d))),
				chromedp.Click(`//button[text()="Authorize Test Payment"]`),
			); err != nil {
				t.Fatal(err)
			}
			heading, err := chromedp.Run(tab, chromedp.Text(chromedp.ID("back")))
			if err != nil {
				t.Fatal(err)
			}
			if heading != "Welcome back" {
				t.Errorf("return page says %q", heading)
			}
			if got := d.decided(); len(got) != 1 || got[0].Decision != hosted.Authorize {
				t.Errorf("desk was asked %v", got)
			}
			visit := <-visits
			if got := visit.URL.RequestURI(); got != "/return?source=src_1" {
				t.Errorf("returned to %q", got)
			}
			if got := visit.Referer(); got != "" {
				t.Errorf("the shop was told the referrer %q", got)
			}
		})
	}
}

// TestBrowserMayOpenApp proves that the page's policy lets a post lead to an
// app. There is no app here, so the browser gets nowhere; what counts is that it
// sets out, which it does not when form-action forbids the scheme.
func TestBrowserMayOpenApp(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	for name, to := range map[string]string{"Opaque": "myapp:pay?x=1", "Slashes": "myapp://x"} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(returnURL(to))
			tab := browsertest.Tab(t, browser)
			if err := chromedp.Do(tab, chromedp.Navigate(serve(t, d))); err != nil {
				t.Fatal(err)
			}
			towards := func(e network.EventRequestWillBeSent) bool { return e.DocumentURL == to }
			if _, err := chromedp.Run(tab, chromedp.WaitEvent(network.RequestWillBeSent, towards,
				chromedp.Click(chromedp.ID("test-source-authorize-3ds")))); err != nil {
				t.Fatalf("the browser never set out for %s: %v", to, err)
			}
		})
	}
}

func TestScreenshots(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	dir := filepath.Join("..", "..", "artifacts", "hosted")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// The pictures are for looking at, never for committing.
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	with := func(p hosted.Page, s hosted.State) *fakeDesk {
		p.State = s
		return &fakeDesk{token: token, page: p}
	}
	generic := ordinaryPage()
	generic.MethodName, generic.MethodKey = "KakaoPay", "kakaopay"
	openDetails := chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`)
	noReturn := chromedp.Steps(
		chromedp.Click(chromedp.CSS(`button[value="authorize_no_return"]`)),
		chromedp.WaitVisible(chromedp.CSS(".sign")),
	)
	type shot struct {
		desk  func() *fakeDesk
		query string
		then  chromedp.Action[chromedp.Void]
	}
	shots := map[string]shot{
		"form":         {desk: func() *fakeDesk { return newDesk() }},
		"form-details": {desk: func() *fakeDesk { return newDesk() }, then: openDetails},
		"form-zh":      {desk: func() *fakeDesk { return newDesk() }, query: "?lang=zh"},
		"form-awkward": {desk: func() *fakeDesk { return with(awkwardPage(), hosted.Open) }, then: openDetails},
		"form-alma":    {desk: func() *fakeDesk { return with(yenPage(), hosted.Open) }},
		"form-wallet":  {desk: func() *fakeDesk { return with(generic, hosted.Open) }},
		"authorized":   {desk: func() *fakeDesk { return newDesk() }, then: noReturn},
		"expired":      {desk: func() *fakeDesk { return with(ordinaryPage(), hosted.Expired) }},
		"problem":      {desk: func() *fakeDesk { return &fakeDesk{} }},
	}
	screens := map[string][2]int64{"phone": {390, 844}, "desktop": {1280, 900}}
	for name, s := range shots {
		for screen, size := range screens {
			for _, scheme := range []string{"light", "dark"} {
				file := name + "-" + screen + "-" + scheme + ".png"
				t.Run(file, func(t *testing.T) {
					tab := browsertest.Tab(t, browser)
					media := emulation.SetEmulatedMediaParams{
						Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
					}
					if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, media); err != nil {
						t.Fatal(err)
					}
					steps := []chromedp.Action[chromedp.Void]{
						chromedp.EmulateViewport(size[0], size[1]),
						chromedp.Navigate(serve(t, s.desk()) + s.query),
					}
					if s.then != nil {
						steps = append(steps, s.then)
					}
					if err := chromedp.Do(tab, steps...); err != nil {
						t.Fatal(err)
					}
					overflow, err := chromedp.Run(tab, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
					if err != nil {
						t.Fatal(err)
					}
					png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
					if err != nil {
						t.Fatal(err)
					}
					if overflow {
						t.Errorf("%s scrolls sideways", file)
					}
					if err := os.WriteFile(filepath.Join(dir, file), png, 0o644); err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}
