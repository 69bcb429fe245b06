package stripe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
)

// TestKeyOrder encodes objects of a type with ever other members: id and object
// first, the others in alphabetical order, none lost; and none is remembered that a
// merchant named. Nothing else is rendered with this type.
func TestKeyOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o    any
		want string
	}{
		{obj{"object": "invoice_settings", "b": 1, "id": "x"}, `{"id": "x","object": "invoice_settings","b": 1}`},
		{obj{"object": "invoice_settings", "a": nil, "id": "x"}, `{"id": "x","object": "invoice_settings","a": null}`},
		{obj{"object": "invoice_settings", "c": true, "b": 1, "aa": 2}, `{"object": "invoice_settings","aa": 2,"b": 1,"c": true}`},
		{obj{"object": "invoice_settings"}, `{"object": "invoice_settings"}`},
		{obj{"z": obj{}, "id": 1, "a": []any{}}, `{"id": 1,"a": [],"z": {}}`},
		{map[string]string{"object": "invoice_settings", "mine": "1", "id": "2"}, `{"id": "2","object": "invoice_settings","mine": "1"}`},
		{obj{"object": map[string]string{"object": "invoice_settings"}, "k": 1}, `{"object": {"object": "invoice_settings"},"k": 1}`},
	} {
		for range 2 {
			if got := string(encodeCompact(c.o)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		}
	}
	if known := names(orders.of("invoice_settings")); known != "id object a aa b c" {
		t.Errorf("remembered %s", known)
	}
	many := obj{"object": "invoice_settings"}
	for i := range 2 * keysMax {
		many[fmt.Sprintf("k%03d", i)] = i
	}
	if got := encodeCompact(many); strings.Count(string(got), ":") != len(many) || len(orders.of("invoice_settings")) > keysMax {
		t.Errorf("of %d members: %s", len(many), got)
	}
}

func names(keys []key) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
	}
	return strings.Join(all, " ")
}

// BenchmarkIntentTexts is what a new intent costs beside the request and the
// database: rendering it, its answer, and the row of its event.
func BenchmarkIntentTexts(b *testing.B) {
	who := merchant.Merchant{Account: "acct_1BenchmarkAccount"}
	v := &view{api: &API{}, merchant: &who, version: defaultVersion}
	i := intent{row: resource.Row{ID: "pi_3QbenchmarkIntent0000001"}, body: intentBody{
		Amount: 5099, Currency: "EUR", Secret: "pi_3QbenchmarkIntent0000001_secret_0123456789abcdefghijklmno",
		methodChoice: methodChoice{Redirects: "always", Types: []string{"card", "alma", "alipay"}},
	}}
	shown, err := v.renderIntent(i)
	if err != nil {
		b.Fatal(err)
	}
	event := rendition{typ: "payment_intent.created", version: defaultVersion, object: shown, requestID: "req_0123456789abcd"}
	for name, do := range map[string]func(){
		"render": func() { _, _ = v.renderIntent(i) },
		"answer": func() { encode(shown) },
		"event":  func() { written(event.appendTo, dictionary().Pack) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}
