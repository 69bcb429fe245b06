package multisafepay_test

import (
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// TestRaceLab: notifications take part in the race lab, calls do not and say so.
func TestRaceLab(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		if status, o := w.Control(w.t, w.auth(), "POST", "race", `{"rules": [{"on": "call", "do": "cut"}]}`); status != 400 || o["error"].(object)["code"] != "bad_race" {
			t.Errorf("a rule about calls: %d %v", status, o)
		}
		hook := wiretest.NewReceiver(t)
		hook.Answer(200, "OK")
		w.control("POST", "race", `{"rules": [{"on": "webhook", "do": "repeat", "event": "completed", "delay_seconds": 60, "times": 1}]}`)
		w.paid(object{"order_id": "twice", "payment_options": notifying(hook)})
		w.paid(object{"order_id": "once", "payment_options": notifying(hook)})
		w.advance(0)
		if n := len(w.notified(hook)); n != 2 {
			t.Errorf("%d notifications at once, want one for each order", n)
		}
		w.advance(time.Minute)
		if n := len(w.notified(hook)); n != 3 {
			t.Errorf("%d notifications in the end, want the first order's twice", n)
		}
	})
}
