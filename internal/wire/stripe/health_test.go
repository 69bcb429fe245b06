package stripe_test

import (
	"testing"
	"time"
)

// TestFailingEndpointIsDisabled: after so many days without a success, counted
// from the first failure, on the account's clock; never unless the account says
// so in test mode.
func TestFailingEndpointIsDisabled(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	onBoth(t, func(t *testing.T, w *world) {
		hook := newReceiver(t)
		hook.answer(500)
		id := w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "customer.created"))["id"].(string)
		happen := func(after time.Duration, status int) {
			t.Helper()
			w.advance(after)
			hook.answer(status)
			w.must(w.post("/v1/customers"))
			w.advance(0)
		}
		state := func() object {
			t.Helper()
			return w.control("GET", "endpoints", "")["endpoints"].([]any)[0].(object)
		}
		want := func(status string, failing, by, gone bool) {
			t.Helper()
			s := state()
			if s["status"] != status || (s["failing_since"] != nil) != failing || (s["disable_by"] != nil) != by || (s["given_up"] != nil) != gone {
				t.Errorf("endpoint %v, want %s, failing %v, to be disabled %v, given up %v", s, status, failing, by, gone)
			}
			if got := w.must(w.get("/v1/webhook_endpoints/" + id))["status"]; got != status {
				t.Errorf("on the wire: %v, want %s", got, status)
			}
		}
		want("enabled", false, false, false)
		happen(0, 500)
		want("enabled", true, false, false)
		happen(100*day, 500)
		want("enabled", true, false, false)
		happen(0, 200)
		want("enabled", false, false, false)

		w.control("POST", "account", `{"settings": {"stripe.webhook_disable_days": "4"}}`)
		happen(0, 500)
		want("enabled", true, true, false)
		happen(3*day, 500)
		want("enabled", true, true, false)
		happen(0, 200) // one success, and the days are counted anew
		happen(0, 500)
		happen(4*day-3*time.Hour, 500)
		want("enabled", true, true, false)
		happen(3*time.Hour, 500)
		want("disabled", true, false, true)
		n := len(hook.all())
		happen(day, 200)
		if got := len(hook.all()); got != n {
			t.Errorf("a disabled endpoint got %d messages", got-n)
		}
		for _, d := range w.deliveries("") {
			if d.(object)["state"] == "pending" || d.(object)["next_attempt"] != nil {
				t.Errorf("still planned: %v", d)
			}
		}

		w.must(w.post("/v1/webhook_endpoints/"+id, "disabled", "false"))
		want("enabled", false, false, false)
		happen(0, 500)
		want("enabled", true, true, false)
		if got := len(hook.all()); got != n+1 {
			t.Errorf("enabled again, it got %d messages, want 1", got-n)
		}
	})
}

// TestDisabledForAWhile: what was planned goes on if the endpoint is enabled
// again before its time.
func TestDisabledForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := newReceiver(t)
	hook.answer(500)
	id := w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "customer.created"))["id"].(string)
	w.must(w.post("/v1/customers"))
	w.advance(0)
	w.must(w.post("/v1/webhook_endpoints/"+id, "disabled", "true"))
	w.advance(time.Minute)
	w.must(w.post("/v1/webhook_endpoints/"+id, "disabled", "false"))
	w.advance(4 * time.Minute)
	if n := len(hook.all()); n != 2 {
		t.Errorf("%d attempts, want the first and its retry", n)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, bad := range []string{
		`{"stripe.webhook_disable_days": "soon"}`, `{"stripe.webhook_disable_days": "-1"}`, `{"stripe.webhook_disable_days": "366"}`,
		`{"stripe.api_version": "1999-01-01"}`, `{"stripe.webhook_endpoints_max": "101"}`,
	} {
		if s := w.controlStatus("POST", "account", `{"settings": `+bad+`}`); s != 400 {
			t.Errorf("%s: %d, want 400", bad, s)
		}
	}
	w.control("POST", "account", `{"settings": {"stripe.webhook_disable_days": "0", "stripe.api_version": "2019-09-09", "stripe.webhook_endpoints_max": "1"}}`)
	w.must(w.post("/v1/webhook_endpoints", "url", "http://localhost:1/hook", "enabled_events[]", "*"))
	if r := w.post("/v1/webhook_endpoints", "url", "http://localhost:1/hook", "enabled_events[]", "*"); r.err()["message"] != "You have reached the maximum of 1 test webhook endpoints." {
		t.Errorf("the second of one: %s", r.body)
	}
}
