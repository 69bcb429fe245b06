package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/ducatpay/ducat/internal/browsertest"
	"github.com/ducatpay/ducat/internal/servertest"
)

// patience bounds what is waited for; nothing is expected to take as long.
const patience = servertest.Patience

// world is a merchant: a pair of keys, and a shop on an origin of its own.
type world struct {
	t      testing.TB
	api    string // the server
	secret string
	public string
	shop   *httptest.Server
	mux    *http.ServeMux

	pages   int  // checkouts served so far
	returns bool // the return page is there
}

func newWorld(t testing.TB, api string) *world {
	t.Helper()
	suffix := fmt.Sprintf("%016x%08x", rand.Uint64(), rand.Uint32())
	w := &world{t: t, api: api, secret: "sk_test_" + suffix, public: "pk_test_" + suffix, mux: http.NewServeMux()}
	w.shop = httptest.NewServer(w.mux)
	t.Cleanup(w.shop.Close)
	return w
}

// page serves a file of testdata at a path of the shop. Files are templates of
// what a shop's server would have written into them.
func (w *world) page(path, file string, more map[string]any) {
	w.t.Helper()
	values := map[string]any{"API": w.api, "Key": w.public, "Shop": w.shop.URL}
	for k, v := range more {
		values[k] = v
	}
	t, err := template.ParseFiles(filepath.Join("testdata", file))
	if err != nil {
		w.t.Fatal(err)
	}
	w.mux.HandleFunc("GET "+path, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := t.Execute(rw, values); err != nil {
			w.t.Error(err)
		}
	})
}

// call asks the API as the shop's server and decodes the answer into a map.
func (w *world) call(method, path string, params url.Values) map[string]any {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(params.Encode())
	} else if len(params) > 0 {
		path += "?" + params.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, w.api+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.secret)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return w.do(r)
}

// control asks the control API.
func (w *world) control(path, body string) map[string]any {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.api+"/_ducat/v1/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.secret)
	r.Header.Set("Content-Type", "application/json")
	return w.do(r)
}

func (w *world) do(r *http.Request) map[string]any {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		w.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	if resp.StatusCode >= 400 {
		w.t.Fatalf("%s %s: %d %v", r.Method, r.URL.Path, resp.StatusCode, out["error"])
	}
	return out
}

// newBrowser starts Chromium with flags beside the usual ones. A page that is
// shown again as it was would not survive the tests' way of looking into frames.
func newBrowser(t testing.TB, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	return browsertest.New(t, append(flags, chromedp.Flag("disable-back-forward-cache", true))...)
}

// tab is a page being looked at. What it says on its console and what goes wrong
// in it is kept.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	said   []string
	thrown []string
}

func newTab(t testing.TB, browser context.Context) *tab {
	t.Helper()
	b := &tab{t: t}
	ctx, stop := chromedp.NewContext(browser, chromedp.WithListener(b.hear))
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	b.ctx = ctx
	return b
}

func (b *tab) hear(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case runtime.EventConsoleAPICalled:
		for _, a := range e.Args {
			b.said = append(b.said, fmt.Sprintf("%s %s", e.Type, a.Value))
		}
	case runtime.EventExceptionThrown:
		b.thrown = append(b.thrown, fmt.Sprintf("%+v", e.ExceptionDetails))
	}
}

// fail ends the test and shows what the page was at.
func (b *tab) fail(what string, err error) {
	b.t.Helper()
	html, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.documentElement.outerHTML`))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.t.Fatalf("%s: %v\nconsole: %s\nthrown: %s\n%.3000s", what, err, strings.Join(b.said, "\n"), strings.Join(b.thrown, "\n"), html)
}

// do runs actions; a test cannot go on after one that failed.
func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.fail(what, err)
	}
}

func (b *tab) open(u string) { b.t.Helper(); b.do("open "+u, chromedp.Navigate(u)) }

// eval runs a script; a promise is waited for.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.fail(script, err)
	}
	return v
}

// between are errors of a browser that is between two documents.
var between = []string{"navigated or closed", "Cannot find context", "context was destroyed", "executionContextId"}

// until waits until a script's value is true.
func (b *tab) until(script string, opts ...chromedp.PollOption) {
	b.t.Helper()
	opts = append(opts, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience))
	for {
		_, err := chromedp.Run(b.ctx, chromedp.Poll[chromedp.Void](script, opts...))
		if err == nil {
			return
		}
		// A page that is left takes the script with it, and a frame that is
		// being loaded has none yet; the next one is asked.
		if b.ctx.Err() != nil || !slices.ContainsFunc(between, func(what string) bool { return strings.Contains(err.Error(), what) }) {
			b.fail("wait until "+script, err)
		}
	}
}

// arrive waits until the page's address begins with u and has been loaded, and
// returns its query.
func (b *tab) arrive(u string) url.Values {
	b.t.Helper()
	b.until(fmt.Sprintf(`location.href.startsWith(%q) && document.readyState === "complete"`, u))
	parsed, err := url.Parse(eval[string](b, `location.href`))
	if err != nil {
		b.t.Fatal(err)
	}
	return parsed.Query()
}

// frame is a document in the page.
type frame struct {
	*tab
	node *chromedp.Node
}

// frame finds the frame a selector names; within one may look into another.
func (b *tab) frame(selector string, within ...frame) frame {
	b.t.Helper()
	var opts []chromedp.QueryOption
	for _, f := range within {
		opts = append(opts, chromedp.FromNode(f.node))
	}
	nodes, err := chromedp.Run(b.ctx, chromedp.Nodes(chromedp.CSS(selector), opts...))
	if err != nil {
		b.fail("find "+selector, err)
	}
	return frame{b, nodes[0]}
}

// paymentElement is the frame of the Payment Element when it has been drawn.
func (b *tab) paymentElement() frame {
	b.t.Helper()
	f := b.drawn(`iframe[src*="elements-inner-payment"]`, `document.querySelector(".Tab, .AccordionItem, .AccordionButton")`)
	b.until(`!document.querySelector("[data-skeleton]")`)
	f.until(settled)
	return f
}

// drawn finds a frame when a script in it has become true. It is looked for
// again then: until its document is loaded the frame holds another one.
func (b *tab) drawn(selector, script string, within ...frame) frame {
	b.t.Helper()
	b.frame(selector, within...).until(script)
	return b.frame(selector, within...)
}

func (f frame) until(script string) {
	f.t.Helper()
	f.tab.until(script, chromedp.WithPollingInFrame(f.node))
}

func (f frame) click(selector string) {
	f.t.Helper()
	f.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.FromNode(f.node)))
}

// settled says that a frame is as high as what it shows, so that nothing moves.
const settled = `Math.abs(document.body.getBoundingClientRect().height - innerHeight) <= 6`

// choose chooses a method in the Payment Element, and waits until the frame has
// the height of what it shows now: what is clicked next has to stay in place.
func (f frame) choose(method string) {
	f.t.Helper()
	control := `button[data-testid="` + method + `"]`
	f.click(control)
	f.until(`document.querySelector('` + control + `').matches("[aria-expanded=true], [aria-selected=true]") && ` + settled)
}

func (f frame) fill(selector, text string) {
	f.t.Helper()
	f.do("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.FromNode(f.node)))
}

// value reads something out of a frame's document.
func (f frame) value(script string) string {
	f.t.Helper()
	v, err := chromedp.Run(f.ctx, chromedp.Poll[string]("String("+script+") || ' '", chromedp.WithPollingInFrame(f.node)))
	if err != nil {
		f.fail(script, err)
	}
	return strings.TrimSpace(v)
}

// clean fails the test if the page has thrown anything.
func (b *tab) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.thrown) > 0 {
		b.t.Errorf("the page threw: %s", strings.Join(b.thrown, "\n"))
	}
}

// silent fails the test if the console has said something that contains text.
func (b *tab) silent(text string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		if strings.Contains(s, text) {
			b.t.Errorf("the console says %s", s)
		}
	}
}

// picture keeps a screenshot for people to look at.
func (b *tab) picture(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.fail("screenshot", err)
	}
	dir := filepath.Join("..", "..", "artifacts", "elements")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	// The pictures are for looking at, never for committing.
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
