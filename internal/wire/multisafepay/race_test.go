package multisafepay_test

import (
	"fmt"
	"sync"
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

// TestManyOrdersUnderOneID: the order that is paid is found among all that were
// made under its id, and nothing can be paid under it once more.
func TestManyOrdersUnderOneID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	order := orderWith(object{"type": "direct", "gateway": "ALIPAY", "order_id": "often"})
	wallet := w.must(w.post("orders", order))["payment_url"].(string)
	made := 1
	for ; made < 120; made++ {
		if r := w.post("orders", order); r.status != 200 {
			w.refused(r, 404, 1006)
			break
		}
	}
	if made != 50 {
		t.Errorf("%d orders were made under one id, want 50", made)
	}
	w.decide(wallet, "completed")
	w.advance(2 * time.Second)
	w.is("often", "completed", "completed")
	w.refused(w.post("orders", order), 404, 1006)
}

// TestSiblingsAtOnce: of orders under one id that are approved at the same instant,
// one is paid and the others are void.
func TestSiblingsAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for round := range 8 {
			id := fmt.Sprint("round", round)
			var wallets []string
			for range 4 {
				wallets = append(wallets, w.create(object{"order_id": id, "type": "direct"})["payment_url"].(string))
			}
			var payers sync.WaitGroup
			for _, wallet := range wallets {
				payers.Go(func() {
					if r := w.submit(wallet, "scenario", "completed"); r.status != 303 {
						t.Errorf("deciding: %d %s", r.status, r.body)
					}
				})
			}
			payers.Wait()
			w.is(id, "completed", "completed")
			came := map[any]int{}
			for _, x := range w.get("orders/" + id + "/transactions").list() {
				came[x.(object)["status"]]++
			}
			if came["completed"] != 1 || came["void"] != len(wallets)-1 {
				t.Errorf("%v, want one completed and the others void", came)
			}
		}
	})
}
