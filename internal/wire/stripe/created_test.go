package stripe_test

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/golden"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe"
)

// chosen is what a server makes up: the random part of an id or a secret, the
// account that comes of the test's key, the server's port, a page's token.
var chosen = regexp.MustCompile(`(_)[0-9A-Za-z]{14,}|(127\.0\.0\.1:)[0-9]+|(/pay/)[0-9A-Za-z-]+`)

// TestCreated: to the byte, what is answered to those who create an intent or a
// source, what is stored of it, and what endpoints are told, in versions of
// several ages.
func TestCreated(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		var made bytes.Buffer
		for _, version := range []string{"2026-08-26.dahlia", "2019-02-11"} {
			w := w.with("sk_test_" + keys.Random(24))
			post := func(path string, params ...string) {
				res := w.do("POST", path, map[string]string{"Stripe-Version": version}, params...)
				w.must(res)
				fmt.Fprintf(&made, "== %s %s %s\n%s", version, path, strings.Join(params, " "), res.body)
			}
			post("/v1/webhook_endpoints", "url", "https://shop.example/own", "enabled_events[]", "*")
			post("/v1/webhook_endpoints", "url", "https://shop.example/old", "enabled_events[]", "payment_intent.created", "api_version", "2011-08-01")
			post("/v1/payment_intents", "amount", "5099", "currency", "eur", "automatic_payment_methods[enabled]", "true")
			post("/v1/payment_intents", "amount", "100", "currency", "usd", "payment_method_types[]", "card", "capture_method", "manual",
				"payment_method_options[card][request_three_d_secure]", "any", "description", "a \"quoted\" <b>\n\u2028é", "metadata[object]", "customer", "metadata[b]", "2", "metadata[id]", "3",
				"shipping[name]", "Ann", "shipping[address][line1]", "1 Road", "amount_details[tax][total_tax_amount]", "7", "payment_details[order_reference]", "o-1",
				"statement_descriptor", "SHOP", "transfer_group", "g", "receipt_email", "ann@example.com", "confirmation_method", "manual")
			post("/v1/payment_intents", "amount", "5099", "currency", "usd", "payment_method_types[]", "alipay", "payment_method_data[type]", "alipay", "confirm", "true", "return_url", "https://shop.example/")
			post("/v1/sources", "type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/?a=1&b=<2>", "metadata[cart]", "77", "owner[email]", "ann@example.com",
				"owner[address][city]", "Turin", "statement_descriptor", "SHOP")
			w.stored(&made)
		}
		golden.Check(t, filepath.Join("testdata", "created.golden"), chosen.ReplaceAll(made.Bytes(), []byte("$1$2$3…")))
	})
}

// stored writes the bodies of the rows that a test made, and of deliveries.
func (w *world) stored(made *bytes.Buffer) {
	w.t.Helper()
	account := merchant.IDFor(w.must(w.get("/v1/account"))["id"].(string), false)
	text := func(body []byte) []byte {
		b, err := stripe.Unpacked(body)
		if err != nil {
			w.t.Error(err)
		}
		return b
	}
	if err := w.store.View(w.t.Context(), account, func(r store.Reader) error {
		for _, kind := range []string{"stripe.payment_intent", "stripe.source", "stripe.event"} {
			rows, err := r.Resources(store.List{Kind: kind, Limit: 100})
			if err != nil {
				return err
			}
			for _, row := range rows {
				fmt.Fprintf(made, "== %s %v %v\n%s\n", row.Kind, row.Keys, cmp.Or(row.Payment, "no payment"), text(row.Body))
				told, err := r.Deliveries(row.ID, "", "", 10)
				if err != nil {
					return err
				}
				for _, d := range told {
					fmt.Fprintf(made, "-- delivered\n%s", text(d.Body))
				}
			}
		}
		return nil
	}); err != nil {
		w.t.Error(err)
	}
}
