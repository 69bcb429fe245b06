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
		w.advance(time.Minute)
		came := map[any]int{}
		for _, n := range w.notified(hook) {
			came[n.Object["order_id"]]++
		}
		if came["once"] == 0 || came["twice"] != came["once"]+1 {
			t.Errorf("notifications %v, want one more of the first order", came)
		}
	})
}
