package multisafepay_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// TestSessions: a session leads to its order, and nothing that differs from one leads
// anywhere, whether or not it speaks of an order that is there.
func TestSessions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		o := w.create(nil)
		session := o["session_id"].(string)
		w.page(200, "/connect/"+session+"/")
		for i, c := range session {
			other := "1"
			if c == '1' {
				other = "0"
			}
			w.page(404, "/connect/"+session[:i]+other+session[i+1:]+"/")
		}
	})
}

// TestFormerSessions: an order that a former version stored, whose session says nothing
// and whose PSP id only looks like one of ours, is shown, fetched and paid.
func TestFormerSessions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		world := w.create(nil)["session_id"].(string)[24:]
		for i, middle := range []string{"oElUaESR7YS2b4gUJV9oI4", "0ElUaESR7YS2b4gUJV9oI4"} {
			session, orderID, psp := "13"+middle+world, fmt.Sprint("former-", i), fmt.Sprint(w.Clock.Now().Unix()*1_000_000+17+int64(i))
			row := resource.Row{
				Kind: "multisafepay.order", ID: psp, Sort: keys.New("msp_", w.Clock.Now())[5:], Created: w.Clock.Now(),
				Body: fmt.Appendf(nil, `{"order_id":%q,"type":"redirect","currency":"EUR","amount":1000,"description":"Tea","options":{"redirect":"https://shop.example/back"},"vars":["","",""],"custom":["","",""],"key":%q,"session":%q,"until":%q,"modified":%q,"status":"initialized","financial":"initialized"}`,
					orderID, w.key, session, w.Clock.Now().Add(24*time.Hour).Format(time.RFC3339), w.Clock.Now().Format(time.RFC3339)),
				Keys: []resource.Key{{Name: "order_id", Value: orderID}, {Name: "session", Value: session}},
			}
			if err := w.Store.Update(t.Context(), w.merchantID(), func(tx store.Tx) error { return tx.InsertResource(row) }); err != nil {
				t.Fatal(err)
			}
			address := "/connect/" + session + "/"
			if page := w.page(200, address); !strings.Contains(page, "Tea") {
				t.Errorf("the page of a former session: %s", page)
			}
			w.decide(w.choose(address, "ALIPAY"), "completed")
			if o := w.is(orderID, "completed", "completed"); fmt.Sprintf("%.0f", o["transaction_id"]) != psp {
				t.Errorf("transaction %.0f, want %s", o["transaction_id"], psp)
			}
			w.refused(w.post("orders", orderWith(object{"order_id": orderID})), 404, 1006)
		}
	})
}

// TestWalletIDs: a wallet id leads to its transaction, nothing that differs from one
// leads anywhere, and one that a former version gave goes on leading to its own.
func TestWalletIDs(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		o := w.create(object{"order_id": "direct", "type": "direct"})
		address := strings.TrimPrefix(o["payment_url"].(string), w.URL)
		path, name, _ := strings.Cut(address, "exc_")
		w.page(200, address)
		for i, c := range name {
			other := "1"
			if c == '1' {
				other = "0"
			}
			w.page(404, path+"exc_"+name[:i]+other+name[i+1:])
		}
		w.page(404, path+"exc_"+name+"00")
		w.page(404, path+name)

		former := fmt.Sprintf("exc_%016x87fedd6d7f41f021", w.merchantID())
		w.page(404, path+former)
		if err := w.Store.Update(t.Context(), w.merchantID(), func(tx store.Tx) error {
			row, err := tx.Resource("multisafepay.transaction", fmt.Sprintf("%.0f", o["transaction_id"]))
			if err != nil {
				return err
			}
			row.Body = bytes.ReplaceAll(row.Body, []byte("exc_"+name), []byte(former))
			return tx.RekeyResource(row, append(row.Keys, resource.Key{Name: "wallet", Value: former}))
		}); err != nil {
			t.Fatal(err)
		}
		w.page(404, address)
		w.page(200, path+former)
		w.decide(path+former, "completed")
		w.is("direct", "completed", "completed")
	})
}
