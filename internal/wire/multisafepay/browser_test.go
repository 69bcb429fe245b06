package multisafepay_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/ducatpay/ducat/internal/browsertest"
)

// newShop is the merchant's site: a page that opens the payment in a window of
// its own, and the pages payers come back to.
func newShop(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/checkout", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `<!DOCTYPE html><title>shop</title><button id="pay" onclick="win = window.open('%s')">Pay</button>`, r.URL.Query().Get("pay"))
	})
	for _, path := range []string{"/success", "/cancel"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `<!DOCTYPE html><title>shop</title><h1 id="back">%s %s</h1>`, r.URL.Path, r.URL.Query().Get("transactionid"))
		})
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func toShop(shop string, closes bool) object {
	return object{"redirect_url": shop + "/success?type=redirect", "cancel_url": shop + "/cancel?type=cancel", "close_window": closes}
}

// TestBrowser: a payer with a browser chooses the method, ends the payment on the
// test platform, and is back at the shop.
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	w := newWorld(t)
	shop := newShop(t)
	for scenario, back := range map[string]string{"completed": "/success ", "cancelled": "/cancel "} {
		link := w.create(object{"order_id": scenario, "payment_options": toShop(shop, false)})["payment_url"].(string)
		tab := browsertest.Tab(t, browser)
		if err := chromedp.Do(tab,
			chromedp.Navigate(link),
			chromedp.Click(`//button[@value="ALIPAY"]`),
			chromedp.WaitVisible(`//h1[text()="Test platform"]`),
			chromedp.SetValue(chromedp.ID("scenario"), scenario),
			chromedp.Click(`//button[text()="Test"]`),
		); err != nil {
			t.Fatalf("%s: %v", scenario, err)
		}
		if said, err := chromedp.Run(tab, chromedp.Text(chromedp.ID("back"))); err != nil || said != back+scenario {
			t.Errorf("%s: back at %q, %v", scenario, said, err)
		}
	}
	w.is("completed", "completed", "completed")
	w.is("cancelled", "void", "cancelled")
}

// TestBrowserWindowCloses: with close_window the payment runs in a window of its
// own, which closes itself (reference §18.2, R18); a tab that no script opened
// goes on to the shop.
func TestBrowserWindowCloses(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	w := newWorld(t)
	shop := newShop(t)
	pay := func(tab context.Context) error {
		return chromedp.Do(tab, chromedp.Click(`//button[text()="Test"]`))
	}
	wallet := func(id string) string {
		return w.create(object{"type": "direct", "order_id": id, "payment_options": toShop(shop, true)})["payment_url"].(string)
	}
	tab := browsertest.Tab(t, browser)
	opened := chromedp.WaitNewTarget(tab, func(info *target.Info) bool { return info.URL != "" })
	if err := chromedp.Do(tab, chromedp.Navigate(shop+"/checkout?pay="+wallet("own-window")), chromedp.Click(chromedp.ID("pay"))); err != nil {
		t.Fatal(err)
	}
	window := browsertest.Tab(t, tab, chromedp.WithTargetID(<-opened))
	// The window may close before the click is answered for.
	if err := pay(window); err != nil && window.Err() == nil {
		t.Logf("the window: %v", err)
	}
	if _, err := chromedp.Run(tab, chromedp.Poll[bool](`win.closed`)); err != nil {
		t.Errorf("the window did not close: %v", err)
	}
	w.is("own-window", "completed", "completed")

	tab = browsertest.Tab(t, browser)
	if err := chromedp.Do(tab, chromedp.Navigate(wallet("same-tab"))); err != nil {
		t.Fatal(err)
	}
	if err := pay(tab); err != nil {
		t.Fatal(err)
	}
	if said, err := chromedp.Run(tab, chromedp.Text(chromedp.ID("back"))); err != nil || said != "/success same-tab" {
		t.Errorf("back at %q, %v", said, err)
	}
}

// TestBrowserEvents: a page of another origin watches an order, as a browser does
// it: with the token in the address, for server-sent events, and over a
// WebSocket. When it is paid, the browser stays away.
func TestBrowserEvents(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	w := newWorld(t)
	o := w.create(nil)
	tab := browsertest.Tab(t, browser)
	watch := fmt.Sprintf(`told = []; heard = [];
		es = new EventSource(%q); es.addEventListener("session.order", e => told.push(JSON.parse(e.data).status));
		ws = new WebSocket(%q); ws.onopen = () => ws.send('{"id":"1","type":"subscribe","channel":"session.order"}');
		ws.onmessage = e => { m = JSON.parse(e.data); heard.push(m.type == "event" ? m.payload.status : m.type) }; ws.onclose = e => heard.push(e.wasClean); 0`,
		o["events_stream_url"].(string)+"?token="+o["events_token"].(string), o["events_url"].(string)+"?token="+o["events_token"].(string))
	if err := chromedp.Do(tab, chromedp.Navigate(newShop(t)+"/checkout")); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(tab, chromedp.Evaluate[int](watch)); err != nil {
		t.Fatal(err)
	}
	until := func(condition string) {
		t.Helper()
		end := time.After(patience)
		for {
			ok, err := chromedp.Run(tab, chromedp.Evaluate[bool](condition))
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				return
			}
			select {
			case <-end:
				said, _ := chromedp.Run(tab, chromedp.Evaluate[string](`JSON.stringify([told, heard, es.readyState])`))
				t.Fatalf("%s: %s", condition, said)
			case <-time.After(50 * time.Millisecond):
				w.Clock.Advance(time.Second)
			}
		}
	}
	until(`told.join() == "initialized" && heard.join() == "ack,initialized"`)
	w.decide(w.choose(o["payment_url"].(string), "ALIPAY"), "completed")
	until(`told.join() == "initialized,completed" && heard.join() == "ack,initialized,completed,true"`)
	until(`es.readyState == EventSource.CLOSED && told.length == 2`)
}
