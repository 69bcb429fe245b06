package stripe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/golden"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// TestIntentStatus enumerates what the status of an intent is computed from.
func TestIntentStatus(t *testing.T) {
	t.Parallel()
	var table bytes.Buffer
	line := func(what string, b intentBody, p *payment.Payment) {
		fmt.Fprintf(&table, "%-66s %s\n", what, intentStatus(b, p))
	}
	line("no method", intentBody{}, nil)
	line("method", intentBody{PaymentMethod: "pm_1"}, nil)
	line("no method, canceled", intentBody{CanceledAt: time.Unix(1, 0)}, nil)
	for _, s := range payment.States {
		for _, auto := range []bool{true, false} {
			for _, claim := range []string{"", "capture"} {
				p, err := payment.Restore(payment.Payment{Amount: money.Of(1, "EUR"), AutoCapture: auto, Attempt: payment.Attempt{Claim: claim}}, payment.Stored{State: s.String()})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range []struct {
					what string
					b    intentBody
				}{
					{"", intentBody{PaymentMethod: "pm_1", Tried: true}},
					{", waits for the server", intentBody{PaymentMethod: "pm_1", Tried: true, Waits: true}},
					{", canceled", intentBody{PaymentMethod: "pm_1", Tried: true, CanceledAt: time.Unix(1, 0)}},
					{", other terms since", intentBody{PaymentMethod: "pm_1"}},
					{", no method since", intentBody{}},
				} {
					capture := "later"
					if auto {
						capture = "at once"
					}
					if claim != "" {
						capture += ", under way"
					}
					line(fmt.Sprintf("%s, captured %s%s", s, capture, c.what), c.b, &p)
				}
			}
		}
	}
	golden.Check(t, filepath.Join("testdata", "intent_status.golden"), table.Bytes())
}

// TestCardTable: every test card is a card, has a name of its own, and says how
// its payments end.
func TestCardTable(t *testing.T) {
	t.Parallel()
	names, numbers := map[string]bool{}, map[string]bool{}
	for _, tc := range testCards {
		if names[tc.name] || numbers[tc.number] || !luhn(tc.number) || !digitsOnly.MatchString(tc.number) {
			t.Errorf("%s is there twice, or its number is not a card's", tc.name)
		}
		names[tc.name], numbers[tc.number] = true, true
		script := tc.script()
		want := "approve"
		switch {
		case tc.challenge:
			want = "redirect"
		case tc.decline != "":
			want = "decline"
		}
		if script[0].On != "authorize" || script[0].Do != want {
			t.Errorf("%s: %v", tc.name, script)
		}
		if e := cardRefusal(tc.decline); e.Message == "" || e.Code == "" || e.Decline == "" {
			t.Errorf("%s: %+v", tc.name, e)
		}
	}
}

// TestEventBody: an event's row is what encoding it field by field makes, in as
// few bytes.
func TestEventBody(t *testing.T) {
	t.Parallel()
	for _, e := range []rendition{
		{typ: "charge.succeeded", version: "2026-08-26.dahlia", object: obj{"id": "ch_1", "list": []any{1, obj{"a": "b"}, []string{"x"}}, "none": []any{}, "empty": obj{}}},
		{typ: "a.b", version: "v", object: obj{"name": "\"\\\n\u2028é<&>"}, previous: obj{"x": nil}, requestID: "req_1", key: "a \"key\"\t\x01"},
		{typ: "a.c", version: "v", object: obj{"object": "customer"}, previous: obj{}},
	} {
		text := e.appendTo(nil)
		var got eventBody
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		want := eventBody{Type: e.typ, APIVersion: e.version, Object: encodeCompact(e.object), RequestID: e.requestID, Key: e.key}
		if e.previous != nil {
			want.Previous = encodeCompact(e.previous)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n%s", text, encodeBody(want))
		}
		if bytes.ContainsAny(text, "\n\t") {
			t.Errorf("white space in %s", text)
		}
	}
}

// TestAuditIntent: each way in which an intent and its payment can disagree is
// noticed.
func TestAuditIntent(t *testing.T) {
	t.Parallel()
	make := func(state payment.State, change func(b *intentBody, p *payment.Payment)) intent {
		p, err := payment.Restore(payment.Payment{
			ID: "pay_1", Kind: kindIntent, Owner: "pi_1", Amount: money.Of(100, "EUR"), Attempt: payment.Attempt{ID: "att_1"},
		}, payment.Stored{State: state.String()})
		if err != nil {
			t.Fatal(err)
		}
		i := intent{row: resource.Row{ID: "pi_1"}, body: intentBody{Amount: 100, Currency: "EUR", PaymentMethod: "pm_1", Tried: true, LatestCharge: "ch_1"}, payment: &p}
		change(&i.body, &p)
		return i
	}
	same := func(*intentBody, *payment.Payment) {}
	good := charges{"ch_1": {Intent: "pi_1", Attempt: "att_1"}}
	for _, c := range []struct {
		name    string
		i       intent
		charges charges
		wrong   bool
	}{
		{"never confirmed", intent{}, nil, false},
		{"open", make(payment.AwaitingPayer, same), nil, false},
		{"captured", make(payment.Captured, same), good, false},
		{"waits for the server", make(payment.Authorized, func(b *intentBody, _ *payment.Payment) { b.Waits = true }), nil, false},
		{"other terms, attempt over", make(payment.Voided, func(b *intentBody, _ *payment.Payment) { b.Tried, b.Amount = false, 5 }), nil, false},
		{"another's payment", make(payment.AwaitingPayer, func(_ *intentBody, p *payment.Payment) { p.Owner = "pi_2" }), nil, true},
		{"canceled, funds held", make(payment.Authorized, func(b *intentBody, _ *payment.Payment) { b.CanceledAt = time.Unix(1, 0) }), good, true},
		{"other terms, attempt open", make(payment.AwaitingPayer, func(b *intentBody, _ *payment.Payment) { b.Tried = false }), nil, true},
		{"another amount", make(payment.AwaitingPayer, func(b *intentBody, _ *payment.Payment) { b.Amount = 5 }), nil, true},
		{"no charge", make(payment.Captured, same), nil, true},
		{"charge of another attempt", make(payment.Captured, same), charges{"ch_1": {Intent: "pi_1", Attempt: "att_0"}}, true},
		{"charge of another intent", make(payment.Authorized, same), charges{"ch_1": {Intent: "pi_2", Attempt: "att_1"}}, true},
		{"failed charge", make(payment.Captured, same), charges{"ch_1": {Intent: "pi_1", Attempt: "att_1", Failed: true}}, true},
	} {
		if err := auditIntent(c.charges, c.i); (err != nil) != c.wrong {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// charges is a store that has charges only.
type charges map[string]chargeBody

func (c charges) Resource(kind, id string) (resource.Row, error) {
	b, ok := c[id]
	if !ok || kind != kindCharge {
		return resource.Row{}, store.ErrNotFound
	}
	return resource.Row{Kind: kind, ID: id, Body: encodeBody(b)}, nil
}
