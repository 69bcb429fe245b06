package multisafepay_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// localTime is how a typed client reads the wire's times.
type localTime struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (l *localTime) UnmarshalJSON(b []byte) (err error) {
	l.Time, err = time.Parse("2006-01-02T15:04:05", strings.Trim(string(b), `"`))
	return err
}

// typedCost and typedOrder have the types that a typed client, such as the
// community's Go one, decodes into: another type anywhere is an error there.
type typedCost struct {
	TransactionID int       `json:"transaction_id"`
	Description   string    `json:"description"`
	Type          string    `json:"type"`
	Status        string    `json:"status"`
	Created       localTime `json:"created"`
	Amount        float64   `json:"amount"`
}

type typedOrder struct {
	TransactionID   int               `json:"transaction_id"`
	OrderID         string            `json:"order_id"`
	Created         localTime         `json:"created"`
	Currency        string            `json:"currency"`
	Amount          int               `json:"amount"`
	Description     string            `json:"description"`
	AmountRefunded  int               `json:"amount_refunded"`
	Status          string            `json:"status"`
	FinancialStatus string            `json:"financial_status"`
	Reason          string            `json:"reason"`
	ReasonCode      string            `json:"reason_code"`
	FastCheckout    string            `json:"fastcheckout"`
	Modified        localTime         `json:"modified"`
	Customer        map[string]string `json:"customer"`
	PaymentDetails  map[string]any    `json:"payment_details"`
	Costs           []typedCost       `json:"costs"`
	Related         []struct {
		Amount        int         `json:"amount"`
		Costs         []typedCost `json:"costs"`
		Created       localTime   `json:"created"`
		Currency      string      `json:"currency"`
		Description   string      `json:"description"`
		Modified      localTime   `json:"modified"`
		Status        string      `json:"status"`
		TransactionID int         `json:"transaction_id"`
	} `json:"related_transactions"`
	PaymentMethods []map[string]any `json:"payment_methods"`
}

// TestTypedClient sends and decodes what a typed client does: the key in lower
// case, second_chance and close_window as it writes them, and every member in its
// type through all of an order's life.
func TestTypedClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := wiretest.NewReceiver(t)
	hook.Answer(200, "OK")
	send := func(method, path, body string, into any) {
		t.Helper()
		r := w.send(method, "/v1/json"+path, body, http.Header{"api_key": {w.key}, "Content-Type": {"application/json"}})
		if r.status != 200 {
			t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
		}
		if err := json.Unmarshal(r.body, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, r.body)
		}
	}
	var created struct {
		Success bool
		Data    struct {
			OrderID    string `json:"order_id"`
			PaymentURL string `json:"payment_url"`
		}
	}
	send("POST", "/orders", `{"type":"redirect","order_id":"typed","gateway":"ALIPAY","currency":"EUR","amount":1000,"description":"Typed",
		"payment_options":{"notification_url":"`+hook.URL+`/?type=notification","redirect_url":"https://shop.example/","cancel_url":"https://shop.example/","close_window":"false","notification_method":"POST"},
		"customer":{"locale":"nl_NL","company":"x"},"second_chance":{"send_email":false}}`, &created)
	if !created.Success || created.Data.OrderID != "typed" || !strings.HasPrefix(created.Data.PaymentURL, w.URL) {
		t.Errorf("created %+v", created)
	}
	stage := func(status string) typedOrder {
		t.Helper()
		var got struct{ Data typedOrder }
		send("GET", "/orders/typed", "", &got)
		if o := got.Data; o.Status != status || o.OrderID != "typed" || o.TransactionID == 0 || o.Created.IsZero() || o.Modified.IsZero() {
			t.Errorf("%s: %+v", status, o)
		}
		return got.Data
	}
	stage("initialized")
	wallet := w.choose(created.Data.PaymentURL, "ALIPAY")
	stage("initialized")
	w.decide(wallet, "completed")
	if o := stage("completed"); len(o.Costs) != 1 || o.Costs[0].Amount <= 0 || o.Costs[0].TransactionID != o.TransactionID {
		t.Errorf("costs %+v", o.Costs)
	}
	w.refund("typed", `{"currency":"EUR","amount":100}`)
	if o := stage("partial_refunded"); len(o.Related) != 1 || o.Related[0].Amount != 100 {
		t.Errorf("related %+v", o.Related)
	}
	w.advance(time.Minute)
	for _, n := range w.notified(hook) { // each of them verified
		var o typedOrder
		if err := json.Unmarshal(n.Body, &o); err != nil || o.OrderID != "typed" {
			t.Errorf("notification: %v in %s", err, n.Body)
		}
	}
}
