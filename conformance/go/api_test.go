package conformance_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"

	"github.com/ducatpay/ducat/internal/servertest"
)

func currencies(t *testing.T, w *world) {
	for _, c := range []string{"aud", "cad", "eur", "gbp", "hkd", "jpy", "nzd", "sgd", "usd", "EUR"} {
		src := w.source(t, func(p *stripe.SourceCreateParams) { p.Currency = stripe.String(c) })
		if string(src.Currency) != strings.ToLower(c) {
			t.Errorf("currency %q came back as %q", c, src.Currency)
		}
	}
	ch := w.charged(t, func(p *stripe.SourceCreateParams) { p.Currency = stripe.String("jpy") })
	full, err := w.server.V1Charges.Retrieve(t.Context(), ch.ID, &stripe.ChargeRetrieveParams{Expand: stripe.StringSlice([]string{"balance_transaction"})})
	if err != nil {
		t.Fatal(err)
	}
	txn := full.BalanceTransaction
	if txn.Currency != "jpy" || txn.Amount != 1099 || txn.ExchangeRate != 0 {
		t.Errorf("balance transaction: %d %s, exchange rate %v", txn.Amount, txn.Currency, txn.ExchangeRate)
	}
	if jpy, usd := w.balance(t, "jpy"), w.balance(t, "usd"); jpy != txn.Net || usd != 0 {
		t.Errorf("balance %d jpy and %d usd, want %d and 0", jpy, usd, txn.Net)
	}
	src := w.source(t, func(p *stripe.SourceCreateParams) { p.Currency = stripe.String("jpy") })
	if _, body := open(t, src); !strings.Contains(body, "1,099") || strings.Contains(body, "10.99") {
		t.Error("the page does not show 1,099 yen")
	}

	_, err = w.server.V1Sources.Create(t.Context(), order(func(p *stripe.SourceCreateParams) { p.Currency = stripe.String("mxn") }))
	failure{status: 400, code: "invalid_currency", says: "^Invalid currency: mxn. The payment method `alipay` does not support this currency"}.check(t, "mxn", err)
	_, err = w.server.V1Sources.Create(t.Context(), order(func(p *stripe.SourceCreateParams) { p.Currency = stripe.String("xyz") }))
	failure{status: 400, param: "currency", says: "^Invalid currency: xyz"}.check(t, "xyz", err)
}

func parameterErrors(t *testing.T, w *world) {
	for _, c := range []struct {
		what   string
		change func(*stripe.SourceCreateParams)
		want   failure
	}{
		{"no type", func(p *stripe.SourceCreateParams) { p.Type = nil }, failure{code: "parameter_missing", param: "type", says: "^Missing required param: type.$"}},
		{"unknown type", func(p *stripe.SourceCreateParams) { p.Type = stripe.String("barter") }, failure{param: "type"}},
		{"no amount", func(p *stripe.SourceCreateParams) { p.Amount = nil }, failure{code: "parameter_missing", param: "amount", says: "^Missing required param: amount.$"}},
		{"amount 0", func(p *stripe.SourceCreateParams) { p.Amount = stripe.Int64(0) }, failure{code: "parameter_invalid_integer", param: "amount"}},
		{"amount −1", func(p *stripe.SourceCreateParams) { p.Amount = stripe.Int64(-1) }, failure{code: "parameter_invalid_integer", param: "amount"}},
		{"amount 10.99", func(p *stripe.SourceCreateParams) { p.Amount = nil; p.AddExtra("amount", "10.99") }, failure{code: "parameter_invalid_integer", param: "amount", says: "^Invalid integer: 10.99$"}},
		{"amount 49", func(p *stripe.SourceCreateParams) { p.Amount = stripe.Int64(49) }, failure{code: "amount_too_small", param: "amount"}},
		{"amount 100000000", func(p *stripe.SourceCreateParams) { p.Amount = stripe.Int64(100000000) }, failure{code: "amount_too_large", param: "amount"}},
		{"no currency", func(p *stripe.SourceCreateParams) { p.Currency = nil }, failure{code: "parameter_missing", param: "currency"}},
		{"no redirect", func(p *stripe.SourceCreateParams) { p.Redirect = nil }, failure{code: "parameter_missing", param: "redirect", says: "^Missing required param: redirect.$"}},
		{"no scheme", func(p *stripe.SourceCreateParams) { p.Redirect.ReturnURL = stripe.String("shop.example/return") }, failure{code: "url_invalid", param: "redirect[return_url]"}},
		{"a script", func(p *stripe.SourceCreateParams) { p.Redirect.ReturnURL = stripe.String("javascript:alert(1)") }, failure{code: "url_invalid", param: "redirect[return_url]"}},
		{"flow none", func(p *stripe.SourceCreateParams) { p.Flow = stripe.String("none") }, failure{param: "flow"}},
		{"usage twice", func(p *stripe.SourceCreateParams) { p.Usage = stripe.String("twice") }, failure{param: "usage", says: "^Invalid usage: must be one of reusable or single_use"}},
		{"usage reusable", func(p *stripe.SourceCreateParams) { p.Usage = stripe.String("reusable") }, failure{param: "usage"}},
		{"unknown param", func(p *stripe.SourceCreateParams) { p.AddExtra("colour", "red") }, failure{code: "parameter_unknown", param: "colour", says: "^Received unknown parameter: colour$"}},
	} {
		_, err := w.server.V1Sources.Create(t.Context(), order(c.change))
		c.want.status = 400
		c.want.check(t, c.what, err)
	}

	src := w.authorized(t, nil)
	for _, c := range []struct {
		what   string
		change func(*stripe.ChargeCreateParams)
		want   failure
	}{
		{"charge without amount", func(p *stripe.ChargeCreateParams) { p.Amount = nil }, failure{code: "parameter_missing", param: "amount"}},
		{"charge without currency", func(p *stripe.ChargeCreateParams) { p.Currency = nil }, failure{code: "parameter_missing", param: "currency"}},
		{"charge without source", func(p *stripe.ChargeCreateParams) { p.Source = nil }, failure{code: "parameter_missing", says: "^Must provide source or customer.$"}},
		{"charge with an unknown source", func(p *stripe.ChargeCreateParams) { p.Source.Token = stripe.String("src_000000000000000000000000") }, failure{code: "resource_missing", param: "source", says: "No such (source|token)"}},
		{"charge with an unknown parameter", func(p *stripe.ChargeCreateParams) { p.AddExtra("colour", "red") }, failure{code: "parameter_unknown", param: "colour"}},
		{"charge with amount 0", func(p *stripe.ChargeCreateParams) { p.Amount = stripe.Int64(0) }, failure{code: "parameter_invalid_integer", param: "amount"}},
	} {
		p := &stripe.ChargeCreateParams{Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)}}
		c.change(p)
		_, err := w.server.V1Charges.Create(t.Context(), p)
		c.want.status = 400
		c.want.check(t, c.what, err)
	}

	unknown := random(t, 24)
	_, err := w.server.V1Sources.Retrieve(t.Context(), "src_"+unknown, nil)
	failure{status: 404, code: "resource_missing", param: "source", says: "^No such source: 'src_" + unknown + "'$"}.check(t, "unknown source", err)
	_, err = w.server.V1Charges.Retrieve(t.Context(), "py_"+unknown, nil)
	failure{status: 404, code: "resource_missing", param: "id", says: "^No such charge: 'py_" + unknown + "'$"}.check(t, "unknown charge", err)
	_, err = w.refund(t, "py_"+unknown, 0)
	failure{status: 400, code: "resource_missing", param: "charge", says: "^No such charge: 'py_" + unknown + "'$"}.check(t, "refund of an unknown charge", err)
	_, err = w.server.V1Refunds.Create(t.Context(), &stripe.RefundCreateParams{})
	failure{status: 400, code: "parameter_missing"}.check(t, "refund of nothing", err)
	if s := w.fetch(t, src.ID); s.Status != "chargeable" {
		t.Errorf("after refused charges the source is %s", s.Status)
	}
}

func keyErrors(t *testing.T, w *world) {
	_, err := dial(w.base, "sk_test_x").V1Charges.Retrieve(t.Context(), "py_1", nil)
	failure{status: 401, says: "^Invalid API Key provided: sk_test_"}.check(t, "a malformed key", err)
	_, err = dial(w.base, "sk_live_"+random(t, 24)).V1Charges.Retrieve(t.Context(), "py_1", nil)
	failure{status: 401, says: "^Invalid API Key provided: sk_live_"}.check(t, "an unknown live key", err)
	src := w.authorized(t, nil)
	_, err = w.client.V1Charges.Create(t.Context(), &stripe.ChargeCreateParams{
		Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)},
	})
	failure{status: 401, code: "secret_key_required", says: "publishable API key"}.check(t, "charge with a publishable key", err)

	status, _, body := w.get(t, w.sk, "/v1/sources")
	var envelope struct {
		Error struct{ Type, Message string }
	}
	if err := json.Unmarshal([]byte(body), &envelope); err != nil || status != http.StatusNotFound || envelope.Error.Type != "invalid_request_error" || !strings.HasPrefix(envelope.Error.Message, "Unrecognized request URL (GET: /v1/sources)") {
		t.Errorf("listing sources: %d %s", status, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/v1/charges", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("without a key: %s, WWW-Authenticate %q", res.Status, res.Header.Get("WWW-Authenticate"))
	}
}

func idempotency(t *testing.T, w *world) {
	key := "order-" + random(t, 12)
	keyed := func(change func(*stripe.SourceCreateParams)) *stripe.SourceCreateParams {
		p := order(change)
		p.SetIdempotencyKey(key)
		return p
	}
	first, err := w.server.V1Sources.Create(t.Context(), keyed(nil))
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.server.V1Sources.Create(t.Context(), keyed(nil))
	if err != nil {
		t.Fatal(err)
	}
	h1, h2 := first.LastResponse.Header, second.LastResponse.Header
	if first.ID != second.ID || string(first.LastResponse.RawJSON) != string(second.LastResponse.RawJSON) {
		t.Errorf("the same request twice gave %s and %s", first.ID, second.ID)
	}
	if h1.Get("Idempotent-Replayed") != "" || h2.Get("Idempotent-Replayed") != "true" {
		t.Errorf("Idempotent-Replayed is %q, then %q", h1.Get("Idempotent-Replayed"), h2.Get("Idempotent-Replayed"))
	}
	if h1.Get("Original-Request") != h1.Get("Request-Id") || h2.Get("Original-Request") != h1.Get("Request-Id") || h2.Get("Request-Id") == h1.Get("Request-Id") || h2.Get("Idempotency-Key") != key {
		t.Errorf("headers of the first: %v\nof the second: %v", h1, h2)
	}

	_, err = w.server.V1Sources.Create(t.Context(), keyed(func(p *stripe.SourceCreateParams) { p.Amount = stripe.Int64(1100) }))
	failure{status: 400, typ: stripe.ErrorTypeIdempotency, says: "same parameters.*'" + key + "'"}.check(t, "other parameters", err)
	p := &stripe.RefundCreateParams{Charge: stripe.String("py_000000000000000000000000")}
	p.SetIdempotencyKey(key)
	_, err = w.server.V1Refunds.Create(t.Context(), p)
	failure{status: 400, typ: stripe.ErrorTypeIdempotency, says: "same endpoint.*'/v1/sources' vs '/v1/refunds'"}.check(t, "another endpoint", err)

	// A refusal of parameters leaves the key free.
	key = "order-" + random(t, 12)
	_, err = w.server.V1Sources.Create(t.Context(), keyed(func(p *stripe.SourceCreateParams) { p.Amount = nil }))
	failure{status: 400, code: "parameter_missing", param: "amount"}.check(t, "missing amount", err)
	if _, err := w.server.V1Sources.Create(t.Context(), keyed(nil)); err != nil {
		t.Errorf("the key of a refused request: %v", err)
	}

	// A decline is the answer for good.
	src := w.authorized(t, func(p *stripe.SourceCreateParams) {
		p.Metadata = map[string]string{"ducat_scenario": "insufficient_funds"}
	})
	var charges [2]string
	for i := range charges {
		p := &stripe.ChargeCreateParams{Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)}}
		p.SetIdempotencyKey("charge-" + key)
		_, err := w.server.V1Charges.Create(t.Context(), p)
		charges[i] = failure{status: 402, typ: stripe.ErrorTypeCard, code: "insufficient_funds"}.check(t, "decline", err).ChargeID
	}
	if charges[0] != charges[1] {
		t.Errorf("a replayed decline names another charge: %v", charges)
	}
	// The same key in another world is another key.
	other := newWorld(t, w.base)
	theirs, err := other.server.V1Sources.Create(t.Context(), keyed(nil))
	if err != nil || theirs.LastResponse.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the key in another world: %v", err)
	}
}

func update(t *testing.T, w *world) {
	src := w.source(t, func(p *stripe.SourceCreateParams) {
		p.Metadata = map[string]string{"a": "1", "b": "2"}
		p.Owner = &stripe.SourceCreateOwnerParams{Name: stripe.String("Li Wei"), Email: stripe.String("li@example.com")}
	})
	src, err := w.server.V1Sources.Update(t.Context(), src.ID, &stripe.SourceUpdateParams{
		Metadata: map[string]string{"b": "", "c": "3"},
		Owner:    &stripe.SourceUpdateOwnerParams{Phone: stripe.String("+8613800138000")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(src.Metadata) != "map[a:1 c:3]" || src.Owner.Name != "Li Wei" || src.Owner.Phone != "+8613800138000" {
		t.Errorf("metadata %v, owner %+v", src.Metadata, src.Owner)
	}
	_, err = w.server.V1Sources.Update(t.Context(), src.ID, &stripe.SourceUpdateParams{Amount: stripe.Int64(1)})
	failure{status: 400, param: "amount"}.check(t, "change the amount", err)

	ch := w.charged(t, nil)
	ch, err = w.server.V1Charges.Update(t.Context(), ch.ID, &stripe.ChargeUpdateParams{Description: stripe.String("tea"), Metadata: map[string]string{"k": "v"}})
	if err != nil || ch.Description != "tea" || ch.Metadata["k"] != "v" {
		t.Fatalf("update the charge: %+v (%v)", ch, err)
	}
	w.hooks.wait(t, stripe.EventTypeChargeUpdated, ch.ID)
	re, err := w.refund(t, ch.ID, 100)
	if err != nil {
		t.Fatal(err)
	}
	re, err = w.server.V1Refunds.Update(t.Context(), re.ID, &stripe.RefundUpdateParams{Metadata: map[string]string{"k": "v"}})
	if err != nil || re.Metadata["k"] != "v" {
		t.Errorf("update the refund: %+v (%v)", re, err)
	}
}

func pages(t *testing.T, w *world) {
	const n = 5
	var want []string // newest first
	for range n {
		want = slices.Insert(want, 0, w.charged(t, nil).ID)
	}
	ids := func(l []*stripe.Charge) []string {
		var ids []string
		for _, ch := range l {
			ids = append(ids, ch.ID)
		}
		return ids
	}
	list := func(change func(*stripe.ChargeListParams)) *stripe.V1List[*stripe.Charge] {
		p := &stripe.ChargeListParams{}
		p.Limit = stripe.Int64(2)
		change(p)
		return w.server.V1Charges.List(t.Context(), p)
	}
	same := func(what string, got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}

	first := list(func(*stripe.ChargeListParams) {})
	if first.Err() != nil || !first.Meta().HasMore || first.Meta().URL != "/v1/charges" {
		t.Errorf("first page: %+v (%v)", first.Meta(), first.Err())
	}
	same("first page", ids(first.Data()), want[:2])
	same("all, by itself", ids(all(t, first)), want)
	last := list(func(p *stripe.ChargeListParams) { p.StartingAfter = stripe.String(want[3]) })
	same("last page", ids(last.Data()), want[4:])
	if last.Meta().HasMore {
		t.Error("there is more after the last page")
	}
	// The library turns pages around when it walks backward.
	back := list(func(p *stripe.ChargeListParams) { p.EndingBefore = stripe.String(want[3]) })
	same("the page before the fourth", ids(back.Data()), []string{want[2], want[1]})
	if !back.Meta().HasMore {
		t.Error("there is nothing before the second")
	}
	same("backward, by itself", ids(all(t, list(func(p *stripe.ChargeListParams) { p.EndingBefore = stripe.String(want[4]) }))), []string{want[3], want[2], want[1], want[0]})

	both := list(func(p *stripe.ChargeListParams) {
		p.EndingBefore, p.StartingAfter = stripe.String(want[4]), stripe.String(want[0])
	})
	failure{status: 400, says: "^Received both starting_after and ending_before parameters. Please pass in only one.$"}.check(t, "both cursors", both.Err())
	unknown := list(func(p *stripe.ChargeListParams) { p.StartingAfter = stripe.String("py_000000000000000000000000") })
	failure{status: 400, code: "resource_missing", param: "starting_after", says: "^No such charge: "}.check(t, "unknown cursor", unknown.Err())

	later := list(func(p *stripe.ChargeListParams) {
		p.CreatedRange = &stripe.RangeQueryParams{GreaterThan: w.dawn.Unix() + 86400}
	})
	same("created tomorrow", ids(all(t, later)), nil)
	since := list(func(p *stripe.ChargeListParams) {
		p.CreatedRange = &stripe.RangeQueryParams{GreaterThanOrEqual: w.dawn.Unix()}
	})
	same("created since dawn", ids(all(t, since)), want)
}

func events(t *testing.T, w *world) {
	ch := w.charged(t, nil)
	delivered := w.hooks.wait(t, stripe.EventTypeChargeSucceeded, ch.ID)
	types := func(p *stripe.EventListParams) []string {
		t.Helper()
		var types []string
		for _, ev := range all(t, w.server.V1Events.List(t.Context(), p)) {
			types = append(types, string(ev.Type))
		}
		return types
	}
	for what, c := range map[string]struct {
		params *stripe.EventListParams
		want   []string
	}{
		"all":          {nil, []string{"charge.succeeded", "source.chargeable"}},
		"one type":     {&stripe.EventListParams{Type: stripe.String("source.chargeable")}, []string{"source.chargeable"}},
		"a family":     {&stripe.EventListParams{Type: stripe.String("charge.*")}, []string{"charge.succeeded"}},
		"two types":    {&stripe.EventListParams{Types: stripe.StringSlice([]string{"source.chargeable", "charge.succeeded"})}, []string{"charge.succeeded", "source.chargeable"}},
		"another type": {&stripe.EventListParams{Type: stripe.String("source.failed")}, nil},
	} {
		if got := types(c.params); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
	ev, err := w.server.V1Events.Retrieve(t.Context(), delivered.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ev.Type != delivered.Type || ev.Created != delivered.Created || ev.Data.Object["id"] != ch.ID || !strings.HasPrefix(ev.ID, "evt_") {
		t.Errorf("event %s: %s at %d about %v", ev.ID, ev.Type, ev.Created, ev.Data.Object["id"])
	}
	_, err = w.server.V1Events.Retrieve(t.Context(), "evt_000000000000000000000000", nil)
	failure{status: 404, code: "resource_missing", param: "id", says: "^No such event: "}.check(t, "unknown event", err)
}

// before refunds left the charge.
const oldVersion = "2019-09-09"

func versions(t *testing.T, w *world) {
	old := newReceiver(t)
	old.lenient = true // this library accepts no event of another release
	ep, err := w.server.V1WebhookEndpoints.Create(t.Context(), &stripe.WebhookEndpointCreateParams{
		URL: stripe.String(old.url), EnabledEvents: stripe.StringSlice([]string{"charge.succeeded"}), APIVersion: stripe.String(oldVersion),
	})
	if err != nil {
		t.Fatal(err)
	}
	if ep.APIVersion != oldVersion {
		t.Errorf("api_version of the endpoint: %q", ep.APIVersion)
	}
	old.use(ep.Secret)

	ch := w.charged(t, nil)
	if v := ch.LastResponse.Header.Get("Stripe-Version"); v != stripe.APIVersion {
		t.Errorf("Stripe-Version of an answer is %q, want %q", v, stripe.APIVersion)
	}
	_, header, body := w.get(t, w.sk, "/v1/charges/"+ch.ID, "Stripe-Version", oldVersion)
	if header.Get("Stripe-Version") != oldVersion || !strings.Contains(body, `"refunds"`) {
		t.Errorf("in version %s: header %q, refunds %v", oldVersion, header.Get("Stripe-Version"), strings.Contains(body, `"refunds"`))
	}
	// The account keeps the version of its first request.
	_, header, body = w.get(t, w.sk, "/v1/charges/"+ch.ID)
	if header.Get("Stripe-Version") != stripe.APIVersion || strings.Contains(body, `"refunds"`) {
		t.Errorf("without a version: header %q, refunds %v", header.Get("Stripe-Version"), strings.Contains(body, `"refunds"`))
	}

	then, now := old.wait(t, stripe.EventTypeChargeSucceeded, ch.ID), w.hooks.wait(t, stripe.EventTypeChargeSucceeded, ch.ID)
	if then.ID != now.ID || then.APIVersion != oldVersion || now.APIVersion != stripe.APIVersion {
		t.Errorf("one event in two versions: %s in %s, %s in %s", then.ID, then.APIVersion, now.ID, now.APIVersion)
	}
	if then.Data.Object["refunds"] == nil || now.Data.Object["refunds"] != nil {
		t.Errorf("refunds in the old rendering: %v, in the new one: %v", then.Data.Object["refunds"] != nil, now.Data.Object["refunds"] != nil)
	}

	status, _, body := w.get(t, w.sk, "/v1/charges/"+ch.ID, "Stripe-Version", "2099-01-01")
	if status != http.StatusBadRequest || !strings.Contains(body, "Invalid Stripe API version: 2099-01-01") {
		t.Errorf("an unknown version: %d %s", status, body)
	}
}

func webhookEndpoints(t *testing.T, w *world) {
	r := newReceiver(t)
	ep := w.register(t, r, "source.failed")
	if !strings.HasPrefix(ep.ID, "we_") || !strings.HasPrefix(ep.Secret, "whsec_") || ep.Status != "enabled" || ep.URL != r.url || ep.Livemode {
		t.Errorf("endpoint %+v", ep)
	}
	got, err := w.server.V1WebhookEndpoints.Retrieve(t.Context(), ep.ID, nil)
	if err != nil || got.Secret != "" || !slices.Equal(got.EnabledEvents, []string{"source.failed"}) {
		t.Errorf("retrieve: %+v (%v)", got, err)
	}
	if l := all(t, w.server.V1WebhookEndpoints.List(t.Context(), nil)); len(l) != 2 || l[0].ID != ep.ID || l[1].ID != w.endpoint.ID {
		t.Errorf("list: %d endpoints, want this one and the world's own", len(l))
	}

	w.authorized(t, nil)
	failed := w.source(t, nil)
	pay(t, failed, "decline")
	r.wait(t, stripe.EventTypeSourceFailed, failed.ID)
	if types := r.types(); len(types) != 1 {
		t.Errorf("an endpoint for source.failed got %v", types)
	}

	got, err = w.server.V1WebhookEndpoints.Update(t.Context(), ep.ID, &stripe.WebhookEndpointUpdateParams{Disabled: stripe.Bool(true)})
	if err != nil || got.Status != "disabled" {
		t.Errorf("disable: %+v (%v)", got, err)
	}
	failed = w.source(t, nil)
	pay(t, failed, "decline")
	w.hooks.wait(t, stripe.EventTypeSourceFailed, failed.ID)
	got, err = w.server.V1WebhookEndpoints.Update(t.Context(), ep.ID, &stripe.WebhookEndpointUpdateParams{Disabled: stripe.Bool(false), EnabledEvents: stripe.StringSlice([]string{"source.canceled", "source.failed"})})
	if err != nil || got.Status != "enabled" || len(got.EnabledEvents) != 2 {
		t.Errorf("enable: %+v (%v)", got, err)
	}
	again := w.source(t, nil)
	pay(t, again, "decline")
	r.wait(t, stripe.EventTypeSourceFailed, again.ID)
	if types := r.types(); len(types) != 2 {
		t.Errorf("with a pause in between the endpoint got %v, want two", types)
	}

	gone, err := w.server.V1WebhookEndpoints.Delete(t.Context(), ep.ID, nil)
	if err != nil || !gone.Deleted {
		t.Errorf("delete: %+v (%v)", gone, err)
	}
	_, err = w.server.V1WebhookEndpoints.Retrieve(t.Context(), ep.ID, nil)
	failure{status: 404, code: "resource_missing", param: "webhook_endpoint", says: "^No such webhook endpoint: "}.check(t, "a deleted endpoint", err)

	_, err = w.server.V1WebhookEndpoints.Create(t.Context(), &stripe.WebhookEndpointCreateParams{URL: stripe.String("ftp://shop.example/hook"), EnabledEvents: stripe.StringSlice([]string{"*"})})
	failure{status: 400, code: "url_invalid", param: "url"}.check(t, "an endpoint by ftp", err)
}

func webhookRetry(t *testing.T, w *world) {
	src := w.source(t, nil)
	w.hooks.outage(1)
	pay(t, src, "decline")
	w.hooks.outageOver(t)
	w.advance(t, 10*time.Minute)
	ev := w.hooks.wait(t, stripe.EventTypeSourceFailed, src.ID)
	if l := all(t, w.server.V1Events.List(t.Context(), nil)); len(l) != 1 || l[0].ID != ev.ID {
		t.Errorf("there are %d events, want the one that was delivered twice", len(l))
	}
	if types := w.hooks.types(); len(types) != 1 {
		t.Errorf("after a success there came %v", types)
	}
}

// restart shows that nothing is lost when the server is stopped and started.
func restart(t *testing.T, in *servertest.Installation) {
	url, stop := in.Serve(t)
	w := newWorld(t, url)
	pending, chargeable := w.source(t, nil), w.authorized(t, nil)
	keyed := order(nil)
	keyed.SetIdempotencyKey("before")
	first, err := w.server.V1Sources.Create(t.Context(), keyed)
	if err != nil {
		t.Fatal(err)
	}
	ch := w.charged(t, nil)
	re, err := w.refund(t, ch.ID, 100)
	if err != nil {
		t.Fatal(err)
	}
	balance := w.balance(t, "usd")
	stop()

	url, _ = in.Serve(t)
	w.base, w.server = url, dial(url, w.sk)
	if b := w.balance(t, "usd"); b != balance {
		t.Errorf("the balance was %d and is %d", balance, b)
	}
	again, err := w.server.V1Sources.Create(t.Context(), keyed)
	if err != nil || again.ID != first.ID || again.LastResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same request before and after: %s and %v (%v)", first.ID, again, err)
	}
	if _, err := w.charge(t, chargeable); err != nil {
		t.Errorf("charge what was authorized before: %v", err)
	}
	pending = w.fetch(t, pending.ID)
	pay(t, pending, "authorize")
	w.advance(t, confirming)
	w.hooks.wait(t, stripe.EventTypeSourceChargeable, pending.ID)
	w.advance(t, 10*time.Minute)
	if re, err = w.server.V1Refunds.Retrieve(t.Context(), re.ID, nil); err != nil || re.Status != "succeeded" {
		t.Errorf("a refund begun before: %+v (%v)", re, err)
	}
	w.advance(t, 6*time.Hour)
	w.hooks.wait(t, stripe.EventTypeSourceCanceled, pending.ID)
}

func worldsApart(t *testing.T, w *world) {
	ch := w.charged(t, nil)
	src := ch.Source.Source
	other := newWorld(t, w.base)
	_, err := other.server.V1Sources.Retrieve(t.Context(), src.ID, nil)
	failure{status: 404, code: "resource_missing", param: "source", says: "^No such source: '" + src.ID + "'$"}.check(t, "another's source", err)
	_, err = other.server.V1Charges.Retrieve(t.Context(), ch.ID, nil)
	failure{status: 404, code: "resource_missing", param: "id"}.check(t, "another's charge", err)
	_, err = other.refund(t, ch.ID, 0)
	failure{status: 400, code: "resource_missing", param: "charge"}.check(t, "another's refund", err)
	_, err = other.client.V1Sources.Retrieve(t.Context(), src.ID, &stripe.SourceRetrieveParams{ClientSecret: stripe.String(src.ClientSecret)})
	failure{status: 404, code: "resource_missing", param: "source"}.check(t, "another's source with its secret", err)
	if l := all(t, other.server.V1Charges.List(t.Context(), nil)); len(l) != 0 {
		t.Errorf("another world lists %d charges", len(l))
	}
	if l := all(t, other.server.V1Events.List(t.Context(), nil)); len(l) != 0 {
		t.Errorf("another world lists %d events", len(l))
	}
	other.untouched(t)
	if types := other.hooks.types(); len(types) != 0 {
		t.Errorf("another world was delivered %v", types)
	}
}
