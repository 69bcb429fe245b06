package stripe_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestHandlerAdvancesItsOwnClock: an endpoint that moves its world's clock before
// it answers neither waits for itself nor fails, whoever delivers to it.
func TestHandlerAdvancesItsOwnClock(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"an advance", "the runner"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, w *world) {
				answers := make(chan object, 10)
				hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
					status, o := w.controlAny("POST", "clock/advance", `{"seconds": 3600}`)
					if status != 200 {
						t.Errorf("from the handler: %d %v", status, o)
					}
					answers <- o
					rw.WriteHeader(200)
				}))
				t.Cleanup(hook.Close)
				w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "customer.created"))
				src := w.source() // something that falls due meanwhile: canceled after an hour
				before := w.clock.Now()
				if by == "the runner" {
					ctx, stop := context.WithCancel(t.Context())
					stopped := make(chan struct{})
					go func() { w.srv.Runner.Run(ctx); close(stopped) }()
					t.Cleanup(func() { stop(); <-stopped })
					w.must(w.post("/v1/customers"))
				} else {
					w.must(w.post("/v1/customers"))
					w.advance(0)
				}
				if got := (<-answers)["under_way"]; got != 1.0 {
					t.Errorf("under way: %v, want the handler's own message", got)
				}
				w.advance(0)
				now, err := time.Parse(time.RFC3339, w.control("GET", "clock", "")["now"].(string))
				if err != nil || now.Before(before.Add(time.Hour)) {
					t.Errorf("the clock stands at %v, %v", now, err)
				}
				if got := w.must(w.get("/v1/sources/" + src["id"].(string)))["status"]; got != "canceled" {
					t.Errorf("the source is %v", got)
				}
				ds := w.deliveries("")
				if len(ds) != 1 || ds[0].(object)["state"] != "delivered" || len(ds[0].(object)["attempts"].([]any)) != 1 {
					t.Errorf("%s", strings.TrimSpace(fmt.Sprint(ds)))
				}
			})
		})
	}
}
