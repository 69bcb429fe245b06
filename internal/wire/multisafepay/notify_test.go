package multisafepay_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// TestNotificationForms is reference §12.1 to §12.4: POST with its signature, and
// GET, which is the default.
func TestNotificationForms(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := wiretest.NewReceiver(t)
		hook.Answer(200, "OK")
		o := notifying(hook)
		w.paid(object{"order_id": "post & more", "description": "Tea & biscuits, café/茶 \u2028\u0001<", "payment_options": o, "var1": "a\tb"})
		w.advance(0)
		n := w.notified(hook)
		if len(n) != 1 || n[0].Method != "POST" || !strings.Contains(n[0].Query, "&transactionid=post+%26+more&timestamp=") {
			t.Fatalf("notifications %v", n)
		}
		if ua := n[0].Header.Get("User-Agent"); !strings.HasPrefix(ua, "Mozilla/5.0 (X11; Debian") {
			t.Errorf("user agent %q", ua)
		}
		// The header's time is that of the address.
		auth, _ := base64.StdEncoding.DecodeString(n[0].Header.Get("Auth"))
		ts, _, _ := strings.Cut(string(auth), ":")
		if q, _ := url.ParseQuery(n[0].Query); q.Get("timestamp") != ts {
			t.Errorf("timestamp %v, signed at %s", q, ts)
		}
		if body := string(n[0].Body); strings.ContainsAny(body, "\n") || strings.Contains(body, `": `) || !strings.Contains(body, "café/茶 \u2028\\u0001<") && !strings.Contains(body, "café/茶") {
			t.Errorf("body %s", body)
		}
		o["notification_method"] = "GET"
		w.paid(object{"order_id": "get", "payment_options": o})
		delete(o, "notification_method")
		w.paid(object{"order_id": "default", "payment_options": o})
		delete(o, "notification_url")
		w.paid(object{"order_id": "none", "payment_options": o})
		w.advance(0)
		n = w.notified(hook)
		if len(n) != 3 || n[1].Method != "GET" || n[2].Method != "GET" {
			t.Errorf("notifications %v", n)
		}
	})
}

// TestAcknowledgement is reference §12.5: what counts, when it is tried again,
// and that a retry carries the order as it is then, signed anew.
func TestAcknowledgement(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			name   string
			status int
			body   string
			want   bool
		}{
			{"plain", 200, "OK", true}, {"lower", 200, "ok", true}, {"quotes", 200, `"OK"`, true}, {"long", 200, "MULTISAFEPAY_OK", true}, {"late", 200, strings.Repeat(" ", 98) + "OK", true},
			{"too late", 200, strings.Repeat(" ", 99) + "OK", false}, {"empty", 200, "", false}, {"refusal", 200, "ng: no", false}, {"204", 204, "", false}, {"201", 201, "OK", false},
			{"302", 302, "OK", false}, {"404", 404, "OK", false}, {"500", 500, "OK", false},
		} {
			hook := wiretest.NewReceiver(t)
			hook.Answer(c.status, c.body)
			w.paid(object{"payment_options": notifying(hook)})
			w.advance(time.Minute) // the first one, and that of the payment
			got := len(w.notified(hook))
			w.advance(14 * time.Minute)
			again := len(w.notified(hook)) - got
			if acknowledged := again == 0; got != 2 || acknowledged != c.want {
				t.Errorf("%s: %d attempts, then %d more after a quarter of an hour", c.name, got, again)
			}
		}
		hook := wiretest.NewReceiver(t)
		hook.Answer(500, "")
		o := w.create(object{"order_id": "retried", "type": "direct", "payment_options": notifying(hook)})
		w.advance(2 * time.Second)
		first := w.notified(hook)
		if statuses(first) != "initialized/initialized" {
			t.Fatalf("first: %s", statuses(first))
		}
		w.Clock.Advance(time.Minute)
		w.decide(o["payment_url"].(string), "completed")
		w.advance(14 * time.Minute)
		all := w.notified(hook)
		if statuses(all[1:]) != "completed/completed completed/completed" {
			t.Fatalf("then: %s", statuses(all[1:]))
		}
		if all[0].Header.Get("Auth") == all[2].Header.Get("Auth") {
			t.Error("a retry carries the first attempt's signature")
		}
		w.advance(2 * time.Hour)
		if n := len(w.notified(hook)); n != 8 {
			t.Errorf("%d attempts at two notifications, want four each", n)
		}
		for _, d := range w.control("GET", "deliveries?event=retried", "")["deliveries"].([]any) {
			if d.(object)["state"] != "failed" || len(d.(object)["attempts"].([]any)) != 4 {
				t.Errorf("delivery %v", d)
			}
		}
		// Sent again by hand.
		hook.Answer(200, "OK")
		w.control("POST", "resend", `{"event":"retried"}`)
		w.advance(0)
		if n := len(w.notified(hook)); n != 9 {
			t.Errorf("%d after sending again", n)
		}
		if status, _ := w.Control(w.t, w.auth(), "POST", "resend", `{"event":"nobody"}`); status != 404 {
			t.Errorf("resend of nothing: %d", status)
		}
		if status, _ := w.Control(w.t, w.auth(), "POST", "endpoints/roll", `{"endpoint":"x"}`); status != 400 {
			t.Errorf("rolling a secret: %d", status)
		}
	})
}

// TestControl: the control API works on orders by their id (docs/control-api.md).
func TestControl(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.create(object{"type": "direct", "order_id": "c"})
		if got := w.control("POST", "decide", `{"id":"c","decision":"authorize"}`); got["state"] != "processing" {
			t.Errorf("decided: %v", got)
		}
		w.is("c", "initialized", "initialized")
		w.advance(time.Second)
		w.is("c", "completed", "completed")
		w.create(object{"order_id": "linked"})
		if status, o := w.Control(w.t, w.auth(), "POST", "decide", `{"id":"linked","decision":"authorize"}`); status != 400 {
			t.Errorf("deciding before a method is chosen: %d %v", status, o)
		}
		// A script goes before the ordinary outcome of the test platform.
		w.control("POST", "script", `{"rules":[{"on":"approve","do":"decline","reason":"insufficient_funds","times":1}]}`)
		o := w.create(object{"type": "direct", "order_id": "scripted"})
		if to := w.decide(o["payment_url"].(string), "completed"); to != failure+"scripted" {
			t.Errorf("to %s", to)
		}
		w.is("scripted", "declined", "declined")
		w.control("POST", "script", `{"rules":[{"on":"authorize","do":"unavailable"}]}`)
		w.refused(w.post("orders", orderWith(object{"type": "direct"})), 404, 1023)
		w.control("POST", "reset", "")
		w.refused(w.get("orders/c"), 404, 1006)
		w.create(object{"type": "direct", "order_id": "c"})
	})
}

// TestAtTheSameTime: many at once pay, cancel and refund one order; one of them
// wins, and the books balance (the harness verifies them).
func TestAtTheSameTime(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		link := w.create(object{"order_id": "race"})["payment_url"].(string)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if i == 7 {
					w.patch("orders/race", `{"carrier":"x"}`)
					return
				}
				r := w.submit(link, "gateway", "ALIPAY")
				if to := r.header.Get("Location"); strings.HasPrefix(to, "/simulator/") {
					w.submit(to, "scenario", "completed")
				}
			})
		}
		wg.Wait()
		w.is("race", "completed", "completed")
		done := 0
		for _, x := range w.get("orders/race/transactions").list() {
			if x.(object)["status"] == "completed" {
				done++
			}
		}
		if done != 1 {
			t.Errorf("paid %d times", done)
		}
		for i := range 6 {
			wg.Go(func() {
				w.do("POST", "orders/race/refunds", `{"currency":"EUR","amount":`+string('3'+rune(i))+`00}`, w.auth())
			})
		}
		wg.Wait()
		if o := w.order("race"); o["amount_refunded"].(float64) > 1000 {
			t.Errorf("refunded %v", o["amount_refunded"])
		}
		// Eight orders of one id: at most one is paid.
		for range 8 {
			wg.Go(func() {
				r := w.do("POST", "orders", orderWith(object{"type": "direct", "order_id": "eight", "gateway": "APPLEPAY", "gateway_info": object{"payment_token": "x"}}), w.auth())
				if r.status != 200 && r.obj["error_code"] != 1006.0 {
					t.Errorf("create: %d %s", r.status, r.body)
				}
			})
		}
		wg.Wait()
		done = 0
		for _, x := range w.get("orders/eight/transactions").list() {
			if x.(object)["status"] == "completed" {
				done++
			}
		}
		if done != 1 {
			t.Errorf("paid %d times under one id", done)
		}
	})
}
