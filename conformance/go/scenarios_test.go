package conformance_test

import (
	"context"
	"encoding/csv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"
)

var scenarios = []struct {
	name string
	run  func(*testing.T, *world)
}{
	{"walk", walk},
	{"publishable-key", publishableKey},
	{"return-url", ownReturnURL},
	{"app-scheme", appScheme},
	{"decline", decline},
	{"cancel", cancel},
	{"customer-stays", customerStays},
	{"late-confirmation", lateConfirmation},
	{"charge-pending", chargePending},
	{"charge-once", chargeOnce},
	{"charge-race", chargeRace},
	{"charge-mismatch", chargeMismatch},
	{"refunds", refunds},
	{"refund-window", refundWindow},
	{"dispute-won", disputeWon},
	{"dispute-lost", disputeLost},
	{"inquiry", inquiry},
	{"report", report},
	{"customer", customer},
	{"pending-expiry", pendingExpiry},
	{"chargeable-expiry", chargeableExpiry},
	{"settlement-cutoff", settlementCutoff},
	{"sandbox-outcomes", sandboxOutcomes},
	{"currencies", currencies},
	{"parameter-errors", parameterErrors},
	{"key-errors", keyErrors},
	{"idempotency", idempotency},
	{"update", update},
	{"pages", pages},
	{"events", events},
	{"versions", versions},
	{"webhook-endpoints", webhookEndpoints},
	{"webhook-retry", webhookRetry},
	{"worlds-apart", worldsApart},
	{"error-classes", errorClasses},
	{"network-retries", networkRetries},
	{"expand", expand},
	{"signatures", signatures},
	{"secret-rolling", secretRolling},
	{"account-header", accountHeader},
	{"files", files},
	{"payouts", payouts},
	{"quickstart", quickstart},
	{"restricted-key", restrictedKey},
	{"ephemeral-key", ephemeralKey},
	{"race-lab", raceLab},
	{"test-clock", testClock},
	{"search", search},
	{"intent-alma", intentAlma},
	{"intent-decline", intentDecline},
	{"intent-cards", intentCards},
	{"intent-capture", intentCapture},
	{"intent-errors", intentErrors},
	{"intent-refund", intentRefund},
	{"payment-methods", paymentMethods},
	{"setup-intent", setupIntent},
}

func walk(t *testing.T, w *world) {
	src := w.source(t, func(p *stripe.SourceCreateParams) {
		p.Metadata = map[string]string{"order": "A-10045"}
		p.Owner = &stripe.SourceCreateOwnerParams{Name: stripe.String("Li Wei"), Email: stripe.String("li@example.com")}
	})
	if len(src.ID) != len("src_")+24 || !strings.HasPrefix(src.ID, "src_") {
		t.Errorf("id %q, want src_ and 24 characters", src.ID)
	}
	if len(src.ClientSecret) != len("src_client_secret_")+24 || !strings.HasPrefix(src.ClientSecret, "src_client_secret_") {
		t.Errorf("client secret %q, want src_client_secret_ and 24 characters", src.ClientSecret)
	}
	if src.Object != "source" || src.Type != "alipay" || src.Flow != "redirect" || src.Usage != "single_use" || src.Livemode {
		t.Errorf("object %s, type %s, flow %s, usage %s, livemode %v", src.Object, src.Type, src.Flow, src.Usage, src.Livemode)
	}
	if src.Amount != 1099 || src.Currency != "usd" || src.Metadata["order"] != "A-10045" || src.Alipay == nil || src.Owner.Name != "Li Wei" || src.Owner.VerifiedName != "" {
		t.Errorf("amount %d %s, metadata %v, alipay %v, owner %+v", src.Amount, src.Currency, src.Metadata, src.Alipay, src.Owner)
	}
	if src.Redirect.Status != "pending" || src.Redirect.ReturnURL != returnURL {
		t.Errorf("redirect %+v", src.Redirect)
	}
	if d := src.Created - w.dawn.Unix(); d < 0 || d > 300 {
		t.Errorf("created %d seconds after the world's clock said it was nine", d)
	}

	page, body := open(t, src)
	if page.StatusCode != http.StatusOK || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("page: %s, %s", page.Status, page.Header.Get("Content-Type"))
	}
	for _, text := range []string{"10.99", "Alipay", "Authorize Test Payment", "Fail Test Payment", src.ID} {
		if !strings.Contains(body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}

	// The merchant charges inside the handler, before acknowledging.
	charges := make(chan *stripe.Charge, 1)
	w.hooks.handle(stripe.EventTypeSourceChargeable, func(ctx context.Context, ev stripe.Event) {
		got := object[stripe.Source](t, ev)
		ch, err := w.server.V1Charges.Create(ctx, &stripe.ChargeCreateParams{
			Amount: stripe.Int64(got.Amount), Currency: stripe.String(string(got.Currency)),
			Source:      &stripe.PaymentSourceSourceParams{Token: stripe.String(got.ID)},
			Description: stripe.String("Order A-10045"), Metadata: map[string]string{"order": "A-10045"},
		})
		if err != nil {
			t.Errorf("charge from the webhook: %v", err)
			ch = nil
		}
		charges <- ch
	})
	if location := pay(t, src, "authorize"); !strings.HasPrefix(location, returnURL+"&") {
		t.Errorf("Location %q, want %q with more parameters", location, returnURL)
	}
	var ch *stripe.Charge
	select {
	case ch = <-charges:
	case <-time.After(patience):
		t.Fatalf("no source.chargeable; arrived: %v", w.hooks.types())
	}
	if ch == nil {
		t.FailNow()
	}
	ev := w.hooks.wait(t, stripe.EventTypeSourceChargeable, src.ID)
	if got := object[stripe.Source](t, ev); got.Status != "chargeable" || got.Redirect.Status != "succeeded" || got.ClientSecret != src.ClientSecret || got.Metadata["order"] != "A-10045" {
		t.Errorf("source in the event: %s, redirect %s, metadata %v", got.Status, got.Redirect.Status, got.Metadata)
	}
	if ev.Request == nil || ev.Request.ID != "" || ev.APIVersion != stripe.APIVersion || ev.Livemode {
		t.Errorf("event: request %+v, version %s, livemode %v", ev.Request, ev.APIVersion, ev.Livemode)
	}

	if !strings.HasPrefix(ch.ID, "py_") || ch.Status != "succeeded" || !ch.Paid || !ch.Captured || ch.Amount != 1099 || ch.AmountCaptured != 1099 || ch.AmountRefunded != 0 || ch.Refunded || ch.Disputed {
		t.Errorf("charge: %s %s, %d captured of %d, %d refunded", ch.ID, ch.Status, ch.AmountCaptured, ch.Amount, ch.AmountRefunded)
	}
	if ch.Source == nil || ch.Source.Source == nil || ch.Source.Source.ID != src.ID || ch.Source.Source.Status != "consumed" || ch.PaymentMethod != src.ID {
		t.Errorf("source in the charge: %+v, payment method %s", ch.Source, ch.PaymentMethod)
	}
	if ch.PaymentMethodDetails == nil || ch.PaymentMethodDetails.Type != "alipay" || ch.PaymentMethodDetails.Alipay == nil || ch.PaymentMethodDetails.Alipay.TransactionID == "" {
		t.Errorf("payment method details: %+v", ch.PaymentMethodDetails)
	}
	if ch.BillingDetails == nil || ch.BillingDetails.Name != "Li Wei" || ch.BillingDetails.Email != "li@example.com" || ch.Outcome == nil || ch.Outcome.Type != "authorized" {
		t.Errorf("billing details %+v, outcome %+v", ch.BillingDetails, ch.Outcome)
	}

	ev = w.hooks.wait(t, stripe.EventTypeChargeSucceeded, ch.ID)
	got := object[stripe.Charge](t, ev)
	if got.Amount != 1099 || got.Metadata["order"] != "A-10045" || got.Source == nil || got.Source.Source == nil || got.Source.Source.Metadata["order"] != "A-10045" {
		t.Errorf("charge in the event: %d, metadata %v, source %+v", got.Amount, got.Metadata, got.Source)
	}
	if ev.Request == nil || ev.Request.ID != ch.LastResponse.RequestID || ev.Request.IdempotencyKey == "" {
		t.Errorf("request of the event: %+v, want id %s", ev.Request, ch.LastResponse.RequestID)
	}
	if s := w.fetch(t, src.ID); s.Status != "consumed" {
		t.Errorf("after the charge the source is %s", s.Status)
	}

	// Whoever comes back to the page is sent on.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, src.Redirect.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := payer.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusFound || !strings.HasPrefix(res.Header.Get("Location"), returnURL) {
		t.Errorf("coming back to the page: %s, Location %q", res.Status, res.Header.Get("Location"))
	}

	full, err := w.server.V1Charges.Retrieve(t.Context(), ch.ID, &stripe.ChargeRetrieveParams{Expand: stripe.StringSlice([]string{"balance_transaction"})})
	if err != nil {
		t.Fatal(err)
	}
	txn := full.BalanceTransaction
	if txn == nil || txn.Amount != 1099 || txn.Fee <= 0 || txn.Net != 1099-txn.Fee || txn.Type != "payment" || txn.ReportingCategory != "charge" || txn.Source == nil || txn.Source.ID != ch.ID {
		t.Fatalf("balance transaction: %+v", txn)
	}
	if b := w.balance(t, "usd"); b != txn.Net {
		t.Errorf("the balance is %d, want %d", b, txn.Net)
	}
}

func publishableKey(t *testing.T, w *world) {
	src, err := w.client.V1Sources.Create(t.Context(), order(func(p *stripe.SourceCreateParams) { p.Metadata = map[string]string{"order": "B-1"} }))
	if err != nil {
		t.Fatal(err)
	}
	hidden := func(what string, s *stripe.Source) {
		t.Helper()
		if strings.Contains(string(s.LastResponse.RawJSON), `"metadata"`) {
			t.Errorf("%s: a publishable key is shown metadata", what)
		}
	}
	hidden("create", src)
	if src.ClientSecret == "" {
		t.Error("the creator is not told the client secret")
	}
	if s := w.fetch(t, src.ID); s.Metadata["order"] != "B-1" {
		t.Errorf("metadata for the secret key: %v", s.Metadata)
	}
	s, err := w.client.V1Sources.Retrieve(t.Context(), src.ID, &stripe.SourceRetrieveParams{ClientSecret: stripe.String(src.ClientSecret)})
	if err != nil {
		t.Fatal(err)
	}
	hidden("retrieve", s)

	_, err = w.client.V1Sources.Retrieve(t.Context(), src.ID, nil)
	failure{status: 400, code: "parameter_missing", param: "client_secret"}.check(t, "retrieve without the secret", err)
	wrong := &stripe.SourceRetrieveParams{ClientSecret: stripe.String("src_client_secret_" + random(t, 24))}
	_, err = w.client.V1Sources.Retrieve(t.Context(), src.ID, wrong)
	e1 := failure{status: 404, code: "resource_missing", param: "source", says: "^No such source: "}.check(t, "retrieve with a wrong secret", err)
	unknown := "src_" + random(t, 24)
	_, err = w.client.V1Sources.Retrieve(t.Context(), unknown, wrong)
	e2 := failure{status: 404, code: "resource_missing", param: "source", says: "^No such source: "}.check(t, "retrieve an unknown source", err)
	if strings.ReplaceAll(e1.Msg, src.ID, "") != strings.ReplaceAll(e2.Msg, unknown, "") {
		t.Errorf("a wrong secret and an unknown id can be told apart: %q, %q", e1.Msg, e2.Msg)
	}

	pay(t, src, "authorize")
	ev := w.hooks.wait(t, stripe.EventTypeSourceChargeable, src.ID)
	if got := object[stripe.Source](t, ev); got.Metadata["order"] != "B-1" {
		t.Errorf("metadata in the event: %v", got.Metadata)
	}
	if ch, err := w.charge(t, src); err != nil || ch.Status != "succeeded" {
		t.Errorf("charge: %v", err)
	}
}

func ownReturnURL(t *testing.T, w *world) {
	for given, want := range map[string]string{
		"https://shop.example/return":                          "https://shop.example/return?",
		"https://shop.example/return?cart=7%2F7&b=a+b":         "https://shop.example/return?cart=7%2F7&b=a+b&",
		"http://localhost:3000/x?source=evil&cart=1&source=e2": "http://localhost:3000/x?cart=1&",
		"https://shop.example/return?livemode=true#part":       "https://shop.example/return?",
	} {
		src := w.source(t, func(p *stripe.SourceCreateParams) { p.Redirect.ReturnURL = stripe.String(given) })
		if src.Redirect.ReturnURL != given {
			t.Errorf("return_url %q came back as %q", given, src.Redirect.ReturnURL)
		}
		location := pay(t, src, "authorize")
		if !strings.HasPrefix(location, want) {
			t.Errorf("return_url %q leads to %q, want it to begin with %q", given, location, want)
		}
		if _, fragment, ok := strings.Cut(given, "#"); ok && !strings.HasSuffix(location, "#"+fragment) {
			t.Errorf("the fragment of %q is lost in %q", given, location)
		}
	}
}

func appScheme(t *testing.T, w *world) {
	src := w.source(t, func(p *stripe.SourceCreateParams) { p.Redirect.ReturnURL = stripe.String("myapp://pay") })
	location := pay(t, src, "authorize")
	if u, err := url.Parse(location); err != nil || u.Scheme != "myapp" || u.Host != "pay" {
		t.Errorf("Location %q, want myapp://pay", location)
	}
	w.hooks.wait(t, stripe.EventTypeSourceChargeable, src.ID)
}

func decline(t *testing.T, w *world) { refuse(t, w, "decline", "declined") }

func cancel(t *testing.T, w *world) { refuse(t, w, "cancel", "user_abort") }

func refuse(t *testing.T, w *world, decision, reason string) {
	src := w.source(t, nil)
	pay(t, src, decision)
	ev := w.hooks.wait(t, stripe.EventTypeSourceFailed, src.ID)
	for what, s := range map[string]*stripe.Source{"event": object[stripe.Source](t, ev), "object": w.fetch(t, src.ID)} {
		if s.Status != "failed" || s.Redirect.Status != "failed" || string(s.Redirect.FailureReason) != reason {
			t.Errorf("%s: %s, redirect %s for %q, want failed for %q", what, s.Status, s.Redirect.Status, s.Redirect.FailureReason, reason)
		}
	}
	_, err := w.charge(t, src)
	failure{status: 400, code: "invalid_source_usage", param: "source", says: "not in a chargeable state"}.check(t, "charge a failed source", err)
	w.untouched(t)
}

func customerStays(t *testing.T, w *world) {
	src := w.source(t, nil)
	page, _ := open(t, src)
	res, err := payer.PostForm(page.Request.URL.String(), url.Values{"decision": {"authorize_no_return"}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Location") != "" {
		t.Errorf("staying at the wallet: %s to %q, want a page", res.Status, res.Header.Get("Location"))
	}
	w.hooks.wait(t, stripe.EventTypeSourceChargeable, src.ID)
	if _, err := w.charge(t, src); err != nil {
		t.Errorf("charge a customer who did not return: %v", err)
	}
}

func lateConfirmation(t *testing.T, w *world) {
	src := w.source(t, func(p *stripe.SourceCreateParams) {
		p.Metadata = map[string]string{"ducat_scenario": "chargeable_delay=600"}
	})
	pay(t, src, "authorize")
	if s := w.fetch(t, src.ID); s.Status != "pending" {
		t.Errorf("back in the shop before the wallet confirmed, the source is %s", s.Status)
	}
	_, err := w.charge(t, src)
	failure{status: 400, code: "invalid_source_usage", param: "source", says: "not in a chargeable state"}.check(t, "charge before the confirmation", err)
	w.advance(t, 10*time.Minute)
	w.hooks.wait(t, stripe.EventTypeSourceChargeable, src.ID)
	if _, err := w.charge(t, src); err != nil {
		t.Errorf("charge after the confirmation: %v", err)
	}
}

func chargePending(t *testing.T, w *world) {
	src := w.source(t, nil)
	_, err := w.charge(t, src)
	failure{status: 400, code: "invalid_source_usage", param: "source", says: "not in a chargeable state"}.check(t, "charge a pending source", err)
	pay(t, src, "authorize")
	w.hooks.wait(t, stripe.EventTypeSourceChargeable, src.ID)
	if _, err := w.charge(t, src); err != nil {
		t.Errorf("charge after authorizing: %v", err)
	}
}

func chargeOnce(t *testing.T, w *world) {
	ch := w.charged(t, nil)
	_, err := w.charge(t, ch.Source.Source)
	failure{status: 400, code: "invalid_source_usage", param: "source", says: "already been used"}.check(t, "charge again", err)
	if l := all(t, w.server.V1Charges.List(t.Context(), nil)); len(l) != 1 || l[0].ID != ch.ID {
		t.Errorf("there are %d charges, want the first one only", len(l))
	}
}

// race calls fn n times at once.
func race(n int, fn func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() { <-start; fn(i) })
	}
	close(start)
	all.Wait()
}

func chargeRace(t *testing.T, w *world) {
	const n = 8
	src := w.authorized(t, nil)
	var charges [n]*stripe.Charge
	var errs [n]error
	race(n, func(i int) { charges[i], errs[i] = w.charge(t, src) })
	succeeded := 0
	for i := range n {
		if errs[i] == nil {
			succeeded++
			continue
		}
		failure{status: 400, code: "invalid_source_usage", param: "source", says: "already been used"}.check(t, "charge at the same time", errs[i])
	}
	if succeeded != 1 {
		t.Errorf("%d of %d charges succeeded, want 1", succeeded, n)
	}

	src = w.authorized(t, nil)
	key := random(t, 20)
	race(n, func(i int) {
		p := &stripe.ChargeCreateParams{Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)}}
		p.SetIdempotencyKey(key)
		charges[i], errs[i] = w.server.V1Charges.Create(t.Context(), p)
	})
	id, first := "", 0
	for i := range n {
		if errs[i] != nil {
			failure{status: 409, code: "idempotency_key_in_use"}.check(t, "the same request at the same time", errs[i])
			continue
		}
		if id == "" {
			id = charges[i].ID
		}
		if charges[i].ID != id {
			t.Errorf("one key made two charges: %s and %s", id, charges[i].ID)
		}
		if h := charges[i].LastResponse.Header; h.Get("Original-Request") == h.Get("Request-Id") {
			first++
		}
	}
	if id == "" || first != 1 {
		t.Errorf("%d answers claim to be the first execution, want 1", first)
	}
	if l := all(t, w.server.V1Charges.List(t.Context(), nil)); len(l) != 2 {
		t.Errorf("there are %d charges, want 2", len(l))
	}
}

func chargeMismatch(t *testing.T, w *world) {
	src := w.authorized(t, nil)
	try := func(change func(*stripe.ChargeCreateParams)) error {
		p := &stripe.ChargeCreateParams{Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)}}
		change(p)
		_, err := w.server.V1Charges.Create(t.Context(), p)
		return err
	}
	failure{status: 400, param: "amount", says: `1200.*does not match.*1099`}.check(t, "more", try(func(p *stripe.ChargeCreateParams) { p.Amount = stripe.Int64(1200) }))
	failure{status: 400, param: "amount", says: `1000.*does not match.*1099`}.check(t, "less", try(func(p *stripe.ChargeCreateParams) { p.Amount = stripe.Int64(1000) }))
	failure{status: 400, param: "currency", says: `The currency specified \(eur\) does not match the currency on the source \(usd\)`}.check(t, "another currency", try(func(p *stripe.ChargeCreateParams) { p.Currency = stripe.String("eur") }))
	failure{status: 400, param: "capture"}.check(t, "without capture", try(func(p *stripe.ChargeCreateParams) { p.Capture = stripe.Bool(false) }))
	if s := w.fetch(t, src.ID); s.Status != "chargeable" {
		t.Fatalf("after refused charges the source is %s", s.Status)
	}
	w.untouched(t)
	if err := try(func(*stripe.ChargeCreateParams) {}); err != nil {
		t.Errorf("the right charge: %v", err)
	}
}

func refunds(t *testing.T, w *world) {
	ch := w.charged(t, nil)
	txns := w.transactions(t)
	if len(txns) != 1 {
		t.Fatalf("%d balance transactions after a charge", len(txns))
	}
	fee := txns[0].Fee

	first, err := w.refund(t, ch.ID, 549)
	if err != nil {
		t.Fatal(err)
	}
	if first.Amount != 549 || first.Currency != "usd" || first.Charge.ID != ch.ID || !strings.HasPrefix(first.ID, "pyr_") || first.Status != "pending" && first.Status != "succeeded" {
		t.Errorf("refund %s: %d %s of %s, %s", first.ID, first.Amount, first.Currency, first.Charge.ID, first.Status)
	}
	refunded := func(sum int64) func(stripe.Event) bool {
		return func(ev stripe.Event) bool {
			return ev.Type == stripe.EventTypeChargeRefunded && ev.Data.Object["id"] == ch.ID && object[stripe.Charge](t, ev).AmountRefunded == sum
		}
	}
	ev := w.hooks.waitFor(t, "charge.refunded with 549", refunded(549))
	if object[stripe.Charge](t, ev).Refunded {
		t.Error("half a refund counts as a full one")
	}
	w.hooks.wait(t, stripe.EventTypeRefundCreated, first.ID)
	if b := w.balance(t, "usd"); b != 1099-fee-549 {
		t.Errorf("after the first refund the balance is %d, want %d", b, 1099-fee-549)
	}

	_, err = w.refund(t, ch.ID, 551)
	failure{status: 400, param: "amount", says: "5.51.*greater than.*5.50"}.check(t, "refund too much", err)

	rest, err := w.refund(t, ch.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if rest.Amount != 550 {
		t.Errorf("the rest is %d, want 550", rest.Amount)
	}
	ev = w.hooks.waitFor(t, "charge.refunded with 1099", refunded(1099))
	if !object[stripe.Charge](t, ev).Refunded {
		t.Error("a full refund does not count as one")
	}
	for _, amount := range []int64{0, 1} {
		_, err = w.refund(t, ch.ID, amount)
		failure{status: 400, code: "charge_already_refunded", says: ch.ID + " has already been refunded"}.check(t, "one too many", err)
	}

	w.advance(t, 10*time.Minute)
	for _, r := range []*stripe.Refund{first, rest} {
		now, err := w.server.V1Refunds.Retrieve(t.Context(), r.ID, nil)
		if err != nil || now.Status != "succeeded" {
			t.Errorf("ten minutes later refund %s is %v (%v)", r.ID, now, err)
		}
	}
	if l := all(t, w.server.V1Refunds.List(t.Context(), &stripe.RefundListParams{Charge: stripe.String(ch.ID)})); len(l) != 2 || l[0].ID != rest.ID || l[1].ID != first.ID {
		t.Errorf("refunds of the charge: %d, want the two, newest first", len(l))
	}
	full, err := w.server.V1Charges.Retrieve(t.Context(), ch.ID, &stripe.ChargeRetrieveParams{Expand: stripe.StringSlice([]string{"refunds"})})
	if err != nil {
		t.Fatal(err)
	}
	if full.Status != "succeeded" || full.AmountRefunded != 1099 || !full.Refunded || full.Refunds == nil || len(full.Refunds.Data) != 2 {
		t.Errorf("charge: %s, %d refunded (%v), refunds %+v", full.Status, full.AmountRefunded, full.Refunded, full.Refunds)
	}

	txns = w.transactions(t)
	if len(txns) != 3 {
		t.Fatalf("%d balance transactions, want 3", len(txns))
	}
	var net int64
	for i, want := range []struct {
		typ    stripe.BalanceTransactionType
		amount int64
		source string
	}{{"payment_refund", -550, rest.ID}, {"payment_refund", -549, first.ID}, {"payment", 1099, ch.ID}} {
		got := txns[i]
		if got.Type != want.typ || got.Amount != want.amount || got.Source == nil || got.Source.ID != want.source || got.Net != got.Amount-got.Fee {
			t.Errorf("balance transaction %d: %s %d − %d = %d of %+v, want %+v", i, got.Type, got.Amount, got.Fee, got.Net, got.Source, want)
		}
		net += got.Net
	}
	if b := w.balance(t, "usd"); b != net || net != -fee {
		t.Errorf("the balance is %d, its transactions sum to %d, the fee was %d", b, net, fee)
	}
}

func refundWindow(t *testing.T, w *world) {
	ch := w.charged(t, nil)
	end := time.Unix(ch.Created, 0).Add(90 * 24 * time.Hour)
	w.advanceTo(t, end.Add(-time.Minute))
	if _, err := w.refund(t, ch.ID, 100); err != nil {
		t.Errorf("a minute before the window ends: %v", err)
	}
	w.advanceTo(t, end.Add(time.Minute))
	before := w.balance(t, "usd")
	_, err := w.refund(t, ch.ID, 100)
	failure{status: 400, code: "charge_not_refundable", param: "charge", says: "too old to be refunded"}.check(t, "a minute after the window ended", err)
	if after := w.balance(t, "usd"); after != before {
		t.Errorf("a refused refund moved the balance from %d to %d", before, after)
	}
}

// disputed charges a source and has its payer complain.
func (w *world) disputed(t *testing.T) (*stripe.Charge, *stripe.Dispute) {
	t.Helper()
	ch := w.charged(t, nil)
	w.control(t, "disputes", map[string]any{"id": ch.ID, "reason": "product_not_received"})
	ev := w.hooks.waitFor(t, "charge.dispute.created", func(ev stripe.Event) bool {
		return ev.Type == stripe.EventTypeChargeDisputeCreated && ev.Data.Object["charge"] == ch.ID
	})
	d := object[stripe.Dispute](t, ev)
	w.hooks.wait(t, stripe.EventTypeChargeDisputeFundsWithdrawn, d.ID)
	return ch, d
}

func disputeWon(t *testing.T, w *world) {
	ch, d := w.disputed(t)
	if !strings.HasPrefix(d.ID, "dp_") || d.Amount != 1099 || d.Currency != "usd" || d.Reason != "product_not_received" || d.Status != "needs_response" || len(d.BalanceTransactions) != 1 {
		t.Errorf("dispute: %+v", d)
	}
	full, err := w.server.V1Charges.Retrieve(t.Context(), ch.ID, &stripe.ChargeRetrieveParams{Expand: stripe.StringSlice([]string{"balance_transaction"})})
	if err != nil {
		t.Fatal(err)
	}
	fee := full.BalanceTransaction.Fee
	if !full.Disputed || full.Refunded || full.AmountRefunded != 0 {
		t.Errorf("charge: disputed %v, refunded %d", full.Disputed, full.AmountRefunded)
	}
	if b := w.balance(t, "usd"); b != -fee {
		t.Errorf("the balance is %d, want %d", b, -fee)
	}
	_, err = w.refund(t, ch.ID, 0)
	failure{status: 400, code: "charge_disputed", param: "charge"}.check(t, "refund a disputed charge", err)

	d, err = w.server.V1Disputes.Update(t.Context(), d.ID, &stripe.DisputeUpdateParams{
		Evidence: &stripe.DisputeUpdateEvidenceParams{ProductDescription: stripe.String("tea")}, Submit: stripe.Bool(false),
	})
	if err != nil || d.Status != "needs_response" || d.Evidence.ProductDescription != "tea" || !d.EvidenceDetails.HasEvidence {
		t.Fatalf("stage evidence: %+v (%v)", d, err)
	}
	d, err = w.server.V1Disputes.Update(t.Context(), d.ID, &stripe.DisputeUpdateParams{
		Evidence: &stripe.DisputeUpdateEvidenceParams{UncategorizedText: stripe.String("It was delivered.")}, Submit: stripe.Bool(true),
	})
	if err != nil || d.Status != "under_review" || d.EvidenceDetails.SubmissionCount != 1 {
		t.Fatalf("submit evidence: %+v (%v)", d, err)
	}
	w.control(t, "disputes/close", map[string]any{"id": d.ID, "outcome": "won"})
	ev := w.hooks.wait(t, stripe.EventTypeChargeDisputeClosed, d.ID)
	if got := object[stripe.Dispute](t, ev); got.Status != "won" || len(got.BalanceTransactions) != 2 {
		t.Errorf("dispute in the event: %s with %d balance transactions", got.Status, len(got.BalanceTransactions))
	}
	w.hooks.wait(t, stripe.EventTypeChargeDisputeFundsReinstated, d.ID)
	if b := w.balance(t, "usd"); b != 1099-fee {
		t.Errorf("after the dispute was won the balance is %d, want %d", b, 1099-fee)
	}
	if sum := net(w.transactions(t)); sum != 1099-fee {
		t.Errorf("the balance transactions sum to %d, want %d", sum, 1099-fee)
	}
}

func disputeLost(t *testing.T, w *world) {
	ch, d := w.disputed(t)
	after := w.balance(t, "usd")
	d, err := w.server.V1Disputes.Close(t.Context(), d.ID, nil)
	if err != nil || d.Status != "lost" {
		t.Fatalf("accept the loss: %+v (%v)", d, err)
	}
	w.hooks.wait(t, stripe.EventTypeChargeDisputeClosed, d.ID)
	if b := w.balance(t, "usd"); b != after {
		t.Errorf("closing moved the balance from %d to %d", after, b)
	}
	if l := all(t, w.server.V1Disputes.List(t.Context(), &stripe.DisputeListParams{Charge: stripe.String(ch.ID)})); len(l) != 1 || l[0].ID != d.ID || l[0].Status != "lost" {
		t.Errorf("disputes of the charge: %+v", l)
	}
	_, err = w.server.V1Disputes.Close(t.Context(), d.ID, nil)
	failure{status: 400}.check(t, "close it again", err)
	_, err = w.refund(t, ch.ID, 0)
	failure{status: 400, code: "charge_disputed", param: "charge"}.check(t, "refund after the loss", err)
}

// asked takes $20 with a card whose bank asks about it, and returns the inquiry,
// which moves no money.
func (w *world) asked(t *testing.T, method string) *stripe.Dispute {
	t.Helper()
	before := w.balance(t, "usd")
	pi, err := w.card(t, method, func(p *stripe.PaymentIntentCreateParams) {
		p.Amount, p.Expand = stripe.Int64(2000), stripe.StringSlice([]string{"latest_charge.balance_transaction"})
	})
	if err != nil {
		t.Fatalf("pay with %s: %v", method, err)
	}
	w.advance(t, confirming)
	l := all(t, w.server.V1Disputes.List(t.Context(), &stripe.DisputeListParams{Charge: stripe.String(pi.LatestCharge.ID)}))
	if len(l) != 1 {
		t.Fatalf("there are %d disputes of the charge, want the inquiry", len(l))
	}
	told := object[stripe.Dispute](t, w.hooks.wait(t, stripe.EventTypeChargeDisputeCreated, l[0].ID))
	for _, d := range []*stripe.Dispute{l[0], told} {
		if d.Status != stripe.DisputeStatusWarningNeedsResponse || d.Amount != 2000 || d.Reason != "fraudulent" || !d.IsChargeRefundable || len(d.BalanceTransactions) != 0 || d.PaymentMethodDetails.Card.CaseType != "inquiry" {
			t.Errorf("inquiry: %+v", d)
		}
	}
	if ch, err := w.server.V1Charges.Retrieve(t.Context(), pi.LatestCharge.ID, nil); err != nil || !ch.Disputed || ch.AmountRefunded != 0 {
		t.Errorf("charge: %+v (%v)", ch, err)
	}
	if got, want := w.balance(t, "usd"), before+pi.LatestCharge.BalanceTransaction.Net; got != want {
		t.Errorf("while the bank asks the balance is %d, want %d", got, want)
	}
	return told
}

// answer submits evidence of which the text says what becomes of the case.
func (w *world) answer(t *testing.T, d *stripe.Dispute, text string, want stripe.DisputeStatus) *stripe.Dispute {
	t.Helper()
	got, err := w.server.V1Disputes.Update(t.Context(), d.ID, &stripe.DisputeUpdateParams{
		Evidence: &stripe.DisputeUpdateEvidenceParams{UncategorizedText: stripe.String(text)}, Submit: stripe.Bool(true),
	})
	if err != nil || got.Status != want {
		t.Fatalf("answer with %q: %+v (%v), want %s", text, got, err, want)
	}
	return got
}

// inquiryClosed asserts that an inquiry ended without having cost anything.
func (w *world) inquiryClosed(t *testing.T, d *stripe.Dispute) {
	t.Helper()
	got := object[stripe.Dispute](t, w.hooks.wait(t, stripe.EventTypeChargeDisputeClosed, d.ID))
	if got.Status != stripe.DisputeStatusWarningClosed || len(got.BalanceTransactions) != 0 {
		t.Errorf("the inquiry ended as %s with %d balance transactions", got.Status, len(got.BalanceTransactions))
	}
	_, err := w.server.V1Disputes.Close(t.Context(), d.ID, nil)
	failure{status: 400, says: "already closed"}.check(t, "close it again", err)
}

func inquiry(t *testing.T, w *world) {
	ctx := t.Context()
	w.control(t, "account", map[string]any{"dispute_fee": 1500})
	waiting := w.asked(t, "pm_card_createDisputeInquiry")
	if d := w.answer(t, waiting, "It was delivered.", stripe.DisputeStatusWarningUnderReview); d.EvidenceDetails.SubmissionCount != 1 {
		t.Errorf("evidence: %+v", d.EvidenceDetails)
	}
	decided := w.asked(t, "pm_card_createDisputeInquiry")
	w.answer(t, decided, "winning_evidence", stripe.DisputeStatusWarningClosed)
	w.inquiryClosed(t, decided)

	p := &stripe.PaymentMethodCreateParams{Type: stripe.String("card"), Card: &stripe.PaymentMethodCreateCardParams{Token: stripe.String("tok_createDisputeInquiry")}}
	method, err := w.server.V1PaymentMethods.Create(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	escalated := w.asked(t, method.ID)
	before := w.balance(t, "usd")
	d := w.answer(t, escalated, "escalate_inquiry_evidence", stripe.DisputeStatusNeedsResponse)
	if d.IsChargeRefundable || d.PaymentMethodDetails.Card.CaseType != "chargeback" {
		t.Errorf("escalated: %+v", d)
	}
	if l := d.BalanceTransactions; len(l) != 1 || l[0].Amount != -2000 || l[0].Fee != 1500 || l[0].Net != -3500 {
		t.Errorf("balance transactions: %+v", l)
	}
	w.hooks.wait(t, stripe.EventTypeChargeDisputeFundsWithdrawn, d.ID)
	if b := w.balance(t, "usd"); b != before-3500 {
		t.Errorf("after the escalation the balance is %d, want %d", b, before-3500)
	}
	_, err = w.refund(t, d.Charge.ID, 0)
	failure{status: 400, code: "charge_disputed", param: "charge"}.check(t, "refund after the escalation", err)
	w.answer(t, d, "winning_evidence", stripe.DisputeStatusWon)
	w.hooks.wait(t, stripe.EventTypeChargeDisputeFundsReinstated, d.ID)

	if d, err := w.server.V1Disputes.Retrieve(ctx, waiting.ID, nil); err != nil || d.Status != stripe.DisputeStatusWarningUnderReview {
		t.Errorf("before its time is over: %+v (%v)", d, err)
	}
	w.advance(t, 120*24*time.Hour)
	w.inquiryClosed(t, waiting)
	if b := w.balance(t, "usd"); b != before {
		t.Errorf("in the end the balance is %d, want %d", b, before)
	}
	if sum := net(w.transactions(t)); sum != before {
		t.Errorf("the balance transactions sum to %d, want %d", sum, before)
	}
}

func net(txns []*stripe.BalanceTransaction) (sum int64) {
	for _, txn := range txns {
		sum += txn.Net
	}
	return sum
}

func report(t *testing.T, w *world) {
	ctx := t.Context()
	const name = "balance_change_from_activity.itemized.3"
	runs, day := w.server.V1ReportingReportRuns, int64(24*60*60)
	start := w.dawn.Unix() + day
	end := start + day
	w.charged(t, nil) // too early to be in it
	w.advanceTo(t, time.Unix(start, 0))
	if _, err := w.refund(t, w.charged(t, nil).ID, 300); err != nil {
		t.Fatal(err)
	}
	w.disputed(t)
	create := func(columns ...string) (*stripe.ReportingReportRun, error) {
		return runs.Create(ctx, &stripe.ReportingReportRunCreateParams{
			ReportType: stripe.String(name), Parameters: &stripe.ReportingReportRunCreateParametersParams{
				IntervalStart: stripe.Int64(start), IntervalEnd: stripe.Int64(end), Columns: stripe.StringSlice(columns),
			},
		})
	}
	_, err := create("balance_transaction_id", "net")
	failure{status: 400, param: "parameters[interval_end]", says: "data_available_end"}.check(t, "before the period is over", err)
	w.advanceTo(t, time.Unix(end, 0))
	w.charged(t, nil) // too late
	if typ, err := w.server.V1ReportingReportTypes.Retrieve(ctx, name, nil); err != nil || typ.DataAvailableEnd < end {
		t.Errorf("report type: %+v (%v)", typ, err)
	}
	_, err = create("balance_transaction_id", "nett")
	failure{status: 400, param: "parameters[columns][1]"}.check(t, "an unknown column", err)

	run, err := create("balance_transaction_id", "net")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(run.ID, "frr_") || run.Object != "reporting.report_run" || run.Status != "pending" || run.Result != nil {
		t.Errorf("run: %+v", run)
	}
	for tries := 0; run.Status == "pending" && tries < 10; tries++ {
		w.advance(t, time.Second)
		if run, err = runs.Retrieve(ctx, run.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	if run.Status != "succeeded" || run.Error != "" || run.Result.Purpose != "finance_report_run" || run.Result.Type != "csv" {
		t.Fatalf("run: %+v", run)
	}
	w.hooks.wait(t, stripe.EventTypeReportingReportRunSucceeded, run.ID)
	status, _, body := w.get(t, w.sk, strings.TrimPrefix(run.Result.URL, w.base))
	lines, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if status != http.StatusOK || err != nil || !slices.Equal(lines[0], []string{"balance_transaction_id", "net"}) {
		t.Fatalf("file: %d (%v)\n%s", status, err, body)
	}
	got, want, sum := map[string]int64{}, map[string]int64{}, int64(0)
	for _, l := range lines[1:] {
		n, err := strconv.ParseInt(strings.Replace(l[1], ".", "", 1), 10, 64) // dollars and cents
		if err != nil {
			t.Fatal(err)
		}
		got[l[0]] = n
		sum += n
	}
	txns := all(t, w.server.V1BalanceTransactions.List(ctx, &stripe.BalanceTransactionListParams{
		CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: start, LesserThan: end},
	}))
	for _, txn := range txns {
		want[txn.ID] = txn.Net
	}
	if len(lines) != 5 || !maps.Equal(got, want) || sum != net(txns) { // two charges, a refund, a dispute
		t.Errorf("lines %v, sum %d; balance transactions %v, sum %d", lines, sum, want, net(txns))
	}
}

func customer(t *testing.T, w *world) {
	cus, err := w.server.V1Customers.Create(t.Context(), &stripe.CustomerCreateParams{Email: stripe.String("li@example.com"), Metadata: map[string]string{"shop": "7"}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(cus.ID, "cus_") || cus.Email != "li@example.com" || cus.Metadata["shop"] != "7" {
		t.Errorf("customer: %+v", cus)
	}
	// A logged-in checkout names the customer and the unattached source.
	src := w.authorized(t, nil)
	ch, err := w.server.V1Charges.Create(t.Context(), &stripe.ChargeCreateParams{
		Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Customer: stripe.String(cus.ID), Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if ch.Status != "succeeded" || ch.Customer == nil || ch.Customer.ID != cus.ID {
		t.Errorf("charge: %s of %+v", ch.Status, ch.Customer)
	}
	w.charged(t, nil)
	if l := all(t, w.server.V1Charges.List(t.Context(), &stripe.ChargeListParams{Customer: stripe.String(cus.ID)})); len(l) != 1 || l[0].ID != ch.ID {
		t.Errorf("the customer has %d charges, want the one", len(l))
	}
	gone, err := w.server.V1Customers.Delete(t.Context(), cus.ID, nil)
	if err != nil || !gone.Deleted {
		t.Errorf("delete: %+v (%v)", gone, err)
	}
	got, err := w.server.V1Customers.Retrieve(t.Context(), cus.ID, nil)
	if err != nil || !got.Deleted {
		t.Errorf("retrieve the deleted customer: %+v (%v)", got, err)
	}
	_, err = w.server.V1Customers.Retrieve(t.Context(), "cus_00000000000000", nil)
	failure{status: 404, code: "resource_missing", param: "id", says: "^No such customer: 'cus_00000000000000'$"}.check(t, "unknown customer", err)
}

func pendingExpiry(t *testing.T, w *world) {
	src := w.source(t, func(p *stripe.SourceCreateParams) { p.Metadata = map[string]string{"order": "C-1"} })
	w.advance(t, 59*time.Minute)
	if s := w.fetch(t, src.ID); s.Status != "pending" {
		t.Fatalf("after 59 minutes the source is %s", s.Status)
	}
	w.advance(t, time.Minute+time.Second)
	ev := w.hooks.wait(t, stripe.EventTypeSourceCanceled, src.ID)
	if got := object[stripe.Source](t, ev); got.Status != "canceled" || got.Metadata["order"] != "C-1" {
		t.Errorf("source in the event: %s, metadata %v", got.Status, got.Metadata)
	}
	if d := ev.Created - src.Created; d < 3600 || d > 3660 {
		t.Errorf("the event says it was created %d seconds after the source, want an hour", d)
	}
	if s := w.fetch(t, src.ID); s.Status != "canceled" {
		t.Errorf("after an hour the source is %s", s.Status)
	}
	page, body := open(t, src)
	if page.StatusCode >= 500 || strings.Contains(body, "Authorize Test Payment") {
		t.Errorf("the page of a canceled source: %s\n%s", page.Status, body)
	}
	_, err := w.charge(t, src)
	failure{status: 400, code: "invalid_source_usage", param: "source", says: "not in a chargeable state"}.check(t, "charge a canceled source", err)
	w.untouched(t)
}

func chargeableExpiry(t *testing.T, w *world) {
	src := w.authorized(t, func(p *stripe.SourceCreateParams) { p.Metadata = map[string]string{"order": "D-1"} })
	w.advance(t, 6*time.Hour-5*time.Minute)
	if s := w.fetch(t, src.ID); s.Status != "chargeable" {
		t.Fatalf("after 5:55 hours the source is %s", s.Status)
	}
	w.advance(t, 5*time.Minute+time.Second)
	ev := w.hooks.wait(t, stripe.EventTypeSourceCanceled, src.ID)
	if got := object[stripe.Source](t, ev); got.Status != "canceled" || got.Metadata["order"] != "D-1" || got.Redirect.Status != "succeeded" {
		t.Errorf("source in the event: %s, metadata %v, redirect %s", got.Status, got.Metadata, got.Redirect.Status)
	}
	if s := w.fetch(t, src.ID); s.Status != "canceled" {
		t.Errorf("after six hours the source is %s", s.Status)
	}
	_, err := w.charge(t, src)
	failure{status: 400, code: "invalid_source_usage", param: "source", says: "not in a chargeable state"}.check(t, "charge an expired source", err)
	w.untouched(t)
	if l := all(t, w.server.V1Charges.List(t.Context(), nil)); len(l) != 0 {
		t.Errorf("there are %d charges, want none", len(l))
	}
}

func settlementCutoff(t *testing.T, w *world) {
	w.advanceTo(t, w.dawn.Add(13*time.Hour)) // 22:00 in China
	src := w.authorized(t, nil)
	w.advanceTo(t, w.dawn.Add(14*time.Hour+44*time.Minute))
	if s := w.fetch(t, src.ID); s.Status != "chargeable" {
		t.Fatalf("at 23:44 in China the source is %s", s.Status)
	}
	w.advanceTo(t, w.dawn.Add(14*time.Hour+45*time.Minute))
	ev := w.hooks.wait(t, stripe.EventTypeSourceCanceled, src.ID)
	if at := time.Unix(ev.Created, 0); at.Before(w.dawn.Add(14*time.Hour+45*time.Minute)) || at.After(w.dawn.Add(14*time.Hour+46*time.Minute)) {
		t.Errorf("canceled at %s, want 23:45 in China", at.UTC())
	}
	_, err := w.charge(t, src)
	failure{status: 400, code: "invalid_source_usage", param: "source", says: "not in a chargeable state"}.check(t, "charge after the cut-off", err)
	w.untouched(t)
}

func sandboxOutcomes(t *testing.T, w *world) {
	_, err := w.server.V1Sources.Create(t.Context(), order(scripted("payment_method_not_available")))
	failure{status: 400, code: "payment_method_not_available", param: "type"}.check(t, "payment_method_not_available", err)
	_, err = w.server.V1Sources.Create(t.Context(), order(scripted("creation_processing_error")))
	failure{status: 500, typ: stripe.ErrorTypeAPI, code: "processing_error"}.check(t, "creation_processing_error", err)

	for _, code := range []string{"insufficient_funds", "invalid_amount"} {
		src := w.authorized(t, scripted(code))
		_, err := w.charge(t, src)
		want := failure{status: 402, typ: stripe.ErrorTypeCard, code: code, says: "Alipay"}
		if code == "invalid_amount" {
			want.param = "amount"
		}
		e := want.check(t, code, err)
		if string(e.DeclineCode) != code || !strings.HasPrefix(e.ChargeID, "py_") {
			t.Errorf("%s: decline code %q, charge %q", code, e.DeclineCode, e.ChargeID)
			continue
		}
		ev := w.hooks.wait(t, stripe.EventTypeChargeFailed, e.ChargeID)
		got := object[stripe.Charge](t, ev)
		if got.Status != "failed" || got.Paid || got.FailureCode != code || got.FailureMessage == "" || got.BalanceTransaction != nil {
			t.Errorf("%s: charge %s, paid %v, failure %s %q", code, got.Status, got.Paid, got.FailureCode, got.FailureMessage)
		}
		ch, err := w.server.V1Charges.Retrieve(t.Context(), e.ChargeID, nil)
		if err != nil || ch.Status != "failed" {
			t.Errorf("%s: retrieve the failed charge: %v", code, err)
		}
		if s := w.fetch(t, src.ID); s.Status != "consumed" {
			t.Errorf("%s: after the failed charge the source is %s", code, s.Status)
		}
		_, err = w.refund(t, e.ChargeID, 0)
		failure{status: 400, code: "charge_not_refundable", param: "charge"}.check(t, "refund a failed charge", err)
	}
	w.untouched(t)
	// The customer can try again at once with a new source.
	w.charged(t, nil)
}
