package bench

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// siteKey is a key of the site whose orders are created.
const siteKey = "0123456789abcdefABCD0123456789abcdefABCD"

// notification is the address a redirect order brings. A direct one would be told
// of at once, which is not what is measured.
const notification = `"notification_url":"https://shop.example/client/notification?type=notification",`

// orderBody is an order of the published example, without its type, id and
// notification address.
const orderBody = `{"type":%q,"order_id":%q,"gateway":"ALIPAY","currency":"EUR","amount":1000,"description":"Test order description",` +
	`"payment_options":{%s"redirect_url":"https://shop.example/client/notification?type=redirect","cancel_url":"https://shop.example/client/notification?type=cancel"},` +
	`"customer":{"locale":"cn_CN","first_name":"Simon","last_name":"Smit","country":"NL","email":"simonsmit@example.com"}}`

var createIntent = post("/v1/payment_intents", "amount=1099&currency=usd&payment_method_types%5B%5D=alipay")

// BenchmarkCreateOrder has clients create MultiSafepay orders of both types, and
// PaymentIntents, at one server in turns.
func BenchmarkCreateOrder(b *testing.B) {
	address, _, _ := ducat(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
	var serial atomic.Int64
	order := func(kind, notification string) func(c *client) error {
		return func(c *client) error {
			body := fmt.Sprintf(orderBody, kind, fmt.Sprint("order-", serial.Add(1)), notification)
			_, err := c.call(fmt.Appendf(nil, "POST /v1/json/orders HTTP/1.1\r\nHost: 127.0.0.1\r\napi_key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", siteKey, len(body), body))
			return err
		}
	}
	sides := []struct {
		name string
		do   func(c *client) error
		load load
	}{
		{name: "redirect", do: order("redirect", notification)}, {name: "direct", do: order("direct", "")},
		{name: "intent", do: func(c *client) error { _, err := c.call(createIntent); return err }},
	}
	for i := range sides {
		drive(b, address, clients, 200, sides[i].do)
	}
	const turns = 8
	b.ResetTimer()
	for left, turn := b.N, turns; turn > 0; turn-- {
		n := left / turn
		left -= n
		for i := range sides {
			sides[i].load.add(drive(b, address, clients, n, sides[i].do))
		}
	}
	b.StopTimer()
	for i := range sides {
		b.ReportMetric(sides[i].load.perSecond(), sides[i].name+"-req/s")
		b.ReportMetric(sides[i].load.p99(), sides[i].name+"-p99-ms")
	}
	intent := sides[2].load.perSecond()
	b.ReportMetric(sides[0].load.perSecond()/intent, "redirect-ratio")
	b.ReportMetric(sides[1].load.perSecond()/intent, "direct-ratio")
}
