package conformance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/ephemeralkey"
	"github.com/stripe/stripe-go/v85/payout"
	"github.com/stripe/stripe-go/v85/webhook"
)

const stranger = "acct_000000000000aaaa"

var noAccess = failure{status: 403, code: "account_invalid", says: "does not have access to account '" + stranger + "'"}

func errorClasses(t *testing.T, w *world) {
	src := w.authorized(t, scripted("insufficient_funds"))
	_, err := w.charge(t, src)
	failure{status: 402, typ: stripe.ErrorTypeCard, code: "insufficient_funds"}.check(t, "a decline", err)
	_, err = w.server.V1Sources.Create(t.Context(), order(func(p *stripe.SourceCreateParams) { p.Amount = stripe.Int64(1) }))
	failure{status: 400, code: "amount_too_small", param: "amount"}.check(t, "a bad parameter", err)
	_, err = w.server.V1Charges.Retrieve(t.Context(), "py_x", nil)
	failure{status: 404, code: "resource_missing", param: "id"}.check(t, "an unknown object", err)
	_, err = dial(w.base, "sk_test_x").V1Balance.Retrieve(t.Context(), nil)
	failure{status: 401}.check(t, "a malformed key", err)
	p := &stripe.BalanceRetrieveParams{}
	p.SetStripeAccount(stranger)
	_, err = w.server.V1Balance.Retrieve(t.Context(), p)
	noAccess.check(t, "another's account", err)
	keyed := func(amount int64) error {
		p := order(func(p *stripe.SourceCreateParams) { p.Amount = stripe.Int64(amount) })
		p.SetIdempotencyKey("classes")
		_, err := w.server.V1Sources.Create(t.Context(), p)
		return err
	}
	if err := keyed(1000); err != nil {
		t.Fatal(err)
	}
	failure{status: 400, typ: stripe.ErrorTypeIdempotency}.check(t, "a key used for something else", keyed(2000))
	_, err = w.server.V1Sources.Create(t.Context(), order(scripted("creation_processing_error")))
	failure{status: 500, typ: stripe.ErrorTypeAPI, code: "processing_error"}.check(t, "a failure of the server", err)
	w.race(t, map[string]any{"on": "call", "do": "fail", "path": "/v1/balance", "error": map[string]any{"status": 429, "code": "rate_limit"}})
	_, err = w.server.V1Balance.Retrieve(t.Context(), nil)
	failure{status: 429, code: "rate_limit"}.check(t, "too many requests", err)
	g := newGateway(t, w)
	g.loseNext(1 << 30)
	_, err = dial(g.url, w.sk).V1Balance.Retrieve(t.Context(), nil)
	if _, ok := errors.AsType[*stripe.Error](err); ok || err == nil {
		t.Errorf("an answer that was lost: %v, want an error that is not the API's", err)
	}
}

// scripted has a source end the way the name says.
func scripted(name string) func(*stripe.SourceCreateParams) {
	return func(p *stripe.SourceCreateParams) { p.Metadata = map[string]string{"ducat_scenario": name} }
}

func networkRetries(t *testing.T, w *world) {
	src := w.authorized(t, nil)
	g := newGateway(t, w)
	server := retrying(g.url, w.sk, 2)
	g.loseNext(1)
	ch, err := server.V1Charges.Create(t.Context(), &stripe.ChargeCreateParams{
		Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)},
	})
	if err != nil {
		t.Fatalf("charge through a gateway that loses an answer: %v", err)
	}
	if keys := g.used(); len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] || ch.LastResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("keys of the requests %q, headers of the answer %v", keys, ch.LastResponse.Header)
	}
	if l := all(t, w.server.V1Charges.List(t.Context(), nil)); len(l) != 1 || l[0].ID != ch.ID {
		t.Errorf("there are %d charges, want the one", len(l))
	}

	// This library leaves trying again to the caller when it could read the
	// answer; with the same parameters and key that is safe.
	w.control(t, "script", map[string]any{"rules": []any{map[string]any{"on": "authorize", "do": "error", "times": 1}}})
	p := order(nil)
	p.SetIdempotencyKey("again")
	_, err = server.V1Sources.Create(t.Context(), p)
	e := failure{status: 500, typ: stripe.ErrorTypeAPI, code: "processing_error"}.check(t, "a failure of the server", err)
	if e.LastResponse.Header.Get("Stripe-Should-Retry") != "true" {
		t.Errorf("headers of the failure: %v", e.LastResponse.Header)
	}
	if src, err := server.V1Sources.Create(t.Context(), p); err != nil || src.Status != "pending" {
		t.Errorf("the same again: %+v (%v)", src, err)
	}
	if keys := g.used(); !slices.Equal(keys, []string{"again", "again"}) {
		t.Errorf("keys of the requests: %q", keys)
	}

	_, err = server.V1Sources.Create(t.Context(), order(func(p *stripe.SourceCreateParams) { p.Amount = stripe.Int64(1) }))
	e = failure{status: 400, code: "amount_too_small", param: "amount"}.check(t, "the caller's own fault", err)
	if keys := g.used(); len(keys) != 1 || e.LastResponse.Header.Get("Stripe-Should-Retry") != "false" {
		t.Errorf("a refusal was asked for %d times; headers %v", len(keys), e.LastResponse.Header)
	}
}

func expand(t *testing.T, w *world) {
	ctx := t.Context()
	cus, err := w.server.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Email: stripe.String("li@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	src := w.authorized(t, nil)
	ch, err := w.server.V1Charges.Create(ctx, &stripe.ChargeCreateParams{
		Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Customer: stripe.String(cus.ID),
		Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)}, Expand: stripe.StringSlice([]string{"customer"}),
	})
	if err != nil || ch.Customer == nil || ch.Customer.Email != "li@example.com" {
		t.Fatalf("create with the customer: %+v (%v)", ch, err)
	}
	re, err := w.server.V1Refunds.Create(ctx, &stripe.RefundCreateParams{
		Charge: stripe.String(ch.ID), Amount: stripe.Int64(100), Expand: stripe.StringSlice([]string{"charge.customer", "balance_transaction"}),
	})
	if err != nil || re.Charge.Customer == nil || re.Charge.Customer.Email != "li@example.com" || re.BalanceTransaction.Amount != -100 {
		t.Fatalf("create with charge and customer: %+v (%v)", re, err)
	}
	retrieve := func(paths ...string) (*stripe.Charge, error) {
		return w.server.V1Charges.Retrieve(ctx, ch.ID, &stripe.ChargeRetrieveParams{Expand: stripe.StringSlice(paths)})
	}
	full, err := retrieve("refunds.data.balance_transaction", "balance_transaction.source")
	if err != nil {
		t.Fatal(err)
	}
	if l := full.Refunds.Data; len(l) != 1 || l[0].ID != re.ID || l[0].BalanceTransaction.Net != -100 {
		t.Errorf("refunds with their balance transactions: %+v", l)
	}
	if txn := full.BalanceTransaction; txn.Source == nil || txn.Source.Charge == nil || txn.Source.Charge.Status != "succeeded" {
		t.Errorf("the source of the balance transaction: %+v", txn.Source)
	}
	plain, err := retrieve()
	if err != nil || plain.Customer.Email != "" || plain.BalanceTransaction.Amount != 0 || plain.Refunds != nil {
		t.Errorf("without: %+v (%v)", plain, err)
	}

	w.charged(t, nil)
	p := &stripe.ChargeListParams{Expand: stripe.StringSlice([]string{"data.balance_transaction"})}
	p.Limit = stripe.Int64(1)
	charges := all(t, w.server.V1Charges.List(ctx, p))
	if len(charges) != 2 {
		t.Fatalf("page by page: %d charges", len(charges))
	}
	for _, c := range charges {
		if c.BalanceTransaction.Amount != 1099 || c.BalanceTransaction.Source.ID != c.ID {
			t.Errorf("page by page: balance transaction %+v of %s", c.BalanceTransaction, c.ID)
		}
	}
	if _, err := w.server.V1Customers.Delete(ctx, cus.ID, nil); err != nil {
		t.Fatal(err)
	}
	if full, err := retrieve("customer"); err != nil || !full.Customer.Deleted {
		t.Errorf("with a deleted customer: %+v (%v)", full, err)
	}

	_, err = retrieve("amount")
	failure{status: 400, says: `^This property cannot be expanded \(amount\)`}.check(t, "a plain field", err)
	err = w.server.V1Charges.List(ctx, &stripe.ChargeListParams{Expand: stripe.StringSlice([]string{"customer"})}).Err()
	failure{status: 400, says: `You may want to try expanding 'data\.customer' instead`}.check(t, "a list without data", err)
	_, err = retrieve("refunds.data.charge.customer.default_source")
	failure{status: 400, code: "property_expansion_max_depth", says: "more than 4 levels"}.check(t, "too deep", err)
}

func signatures(t *testing.T, w *world) {
	src := w.source(t, nil)
	pay(t, src, "decline")
	w.hooks.wait(t, stripe.EventTypeSourceFailed, src.ID)
	body, signature := w.hooks.delivery(t, src.ID)
	verify := func(body, signature, secret string, tolerance time.Duration) error {
		_, err := webhook.ConstructEventWithOptions([]byte(body), signature, secret, webhook.ConstructEventOptions{Tolerance: tolerance})
		return err
	}
	// The world's clock is a day ahead, the signature's is not.
	if err := verify(body, signature, w.hooks.secret, time.Minute); err != nil {
		t.Errorf("within a minute: %v", err)
	}
	for what, c := range map[string]struct {
		body, signature, secret string
		tolerance               time.Duration
		want                    error
	}{
		"another secret":     {body, signature, "whsec_" + random(t, 32), time.Minute, webhook.ErrNoValidSignature},
		"another body":       {strings.Replace(body, "1099", "1098", 1), signature, w.hooks.secret, time.Minute, webhook.ErrNoValidSignature},
		"another scheme":     {body, strings.ReplaceAll(signature, "v1=", "v0="), w.hooks.secret, time.Minute, webhook.ErrNoValidSignature},
		"another header":     {body, "nonsense", w.hooks.secret, time.Minute, webhook.ErrInvalidHeader},
		"after its time":     {body, signature, w.hooks.secret, time.Nanosecond, webhook.ErrTooOld}, // its own clock cannot be moved
		"another time in it": {body, regexp.MustCompile(`t=\d+`).ReplaceAllString(signature, fmt.Sprintf("t=%d", time.Now().Unix()+1)), w.hooks.secret, time.Minute, webhook.ErrNoValidSignature},
	} {
		if err := verify(c.body, c.signature, c.secret, c.tolerance); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}

func secretRolling(t *testing.T, w *world) {
	roll := func(keep int) string {
		secret, _ := w.control(t, "endpoints/roll", map[string]any{"endpoint": w.endpoint.ID, "keep_seconds": keep})["secret"].(string)
		return secret
	}
	opens := func(body, signature, secret string) bool {
		_, err := webhook.ConstructEvent([]byte(body), signature, secret)
		return err == nil
	}
	failed := func() (body, signature string) {
		src := w.source(t, nil)
		pay(t, src, "decline")
		w.hooks.wait(t, stripe.EventTypeSourceFailed, src.ID)
		return w.hooks.delivery(t, src.ID)
	}
	first, second := w.endpoint.Secret, roll(3600)
	body, signature := failed() // which the receiver opened with the first
	if n := strings.Count(signature, "v1="); n != 2 || first == second {
		t.Errorf("after a roll there are %d signatures", n)
	}
	if !opens(body, signature, first) || !opens(body, signature, second) {
		t.Error("after a roll one of the two secrets does not open a delivery")
	}
	w.hooks.use(roll(0))
	body, signature = failed()
	if n := strings.Count(signature, "v1="); n != 1 || opens(body, signature, first) || opens(body, signature, second) {
		t.Errorf("after a roll that keeps nothing there are %d signatures, or an old secret opens", n)
	}
}

func accountHeader(t *testing.T, w *world) {
	_, _, body := w.get(t, w.sk, "/_ducat/v1/account")
	account := regexp.MustCompile(`acct_\w+`).FindString(body)
	ch := w.charged(t, nil)
	p := &stripe.ChargeRetrieveParams{}
	p.SetStripeAccount(account)
	got, err := w.server.V1Charges.Retrieve(t.Context(), ch.ID, p)
	if err != nil || got.ID != ch.ID || got.LastResponse.Header.Get("Stripe-Account") != account {
		t.Errorf("with the key's own account: %+v (%v)", got, err)
	}
	p.SetStripeAccount(stranger)
	_, err = w.server.V1Charges.Retrieve(t.Context(), ch.ID, p)
	noAccess.check(t, "retrieve from another account", err)
	_, err = w.server.V1Sources.Create(t.Context(), order(func(p *stripe.SourceCreateParams) { p.SetStripeAccount(stranger) }))
	noAccess.check(t, "create in another account", err)
	if l := all(t, w.server.V1Events.List(t.Context(), nil)); len(l) != 2 {
		t.Errorf("there are %d events, want those of the one charge", len(l))
	}
}

func files(t *testing.T, w *world) {
	ctx := t.Context()
	const pdf = "%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
	upload := func(content, name, purpose string) (*stripe.File, error) {
		return w.server.V1Files.Create(ctx, &stripe.FileCreateParams{FileReader: strings.NewReader(content), Filename: stripe.String(name), Purpose: stripe.String(purpose)})
	}
	file, err := upload(pdf, "receipt.pdf", "dispute_evidence")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(file.ID, "file_") || file.Purpose != "dispute_evidence" || file.Filename != "receipt.pdf" || file.Size != int64(len(pdf)) || file.Type != "pdf" {
		t.Errorf("file: %+v", file)
	}
	if got, err := w.server.V1Files.Retrieve(ctx, file.ID, nil); err != nil || got.Filename != "receipt.pdf" {
		t.Errorf("retrieve: %+v (%v)", got, err)
	}
	if l := all(t, w.server.V1Files.List(ctx, &stripe.FileListParams{Purpose: stripe.String("dispute_evidence")})); len(l) != 1 || l[0].ID != file.ID {
		t.Errorf("list: %+v", l)
	}
	if _, _, body := w.get(t, w.sk, strings.TrimPrefix(file.URL, w.base)); body != pdf {
		t.Errorf("contents: %q", body)
	}
	_, err = upload("plain", "a.txt", "dispute_evidence")
	failure{status: 400, param: "file"}.check(t, "a type that is no evidence", err)
	_, err = upload(pdf, "receipt.pdf", "decoration")
	failure{status: 400, param: "purpose"}.check(t, "an unknown purpose", err)

	_, d := w.disputed(t)
	answer := func(receipt string) (*stripe.Dispute, error) {
		return w.server.V1Disputes.Update(ctx, d.ID, &stripe.DisputeUpdateParams{
			Evidence: &stripe.DisputeUpdateEvidenceParams{Receipt: stripe.String(receipt)}, Submit: stripe.Bool(true),
		})
	}
	_, err = answer("file_000000000000000000000000")
	failure{status: 400, code: "resource_missing", param: "evidence[receipt]", says: "^No such file upload"}.check(t, "an unknown file", err)
	if d, err = answer(file.ID); err != nil || d.Evidence.Receipt == nil || d.Evidence.Receipt.ID != file.ID || d.Status != "under_review" {
		t.Errorf("answer with a file: %+v (%v)", d, err)
	}
}

func payouts(t *testing.T, w *world) {
	ctx := t.Context()
	ch := w.charged(t, nil)
	net := ch.Amount - w.transactions(t)[0].Fee
	create := func(amount int64, metadata map[string]string) (*stripe.Payout, error) {
		return w.server.V1Payouts.Create(ctx, &stripe.PayoutCreateParams{Amount: stripe.Int64(amount), Currency: stripe.String("usd"), Metadata: metadata})
	}
	available := func(want int64) {
		t.Helper()
		b, err := w.server.V1Balance.Retrieve(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range b.Available {
			if part.Currency == "usd" && part.Amount != want {
				t.Errorf("available: %d, want %d", part.Amount, want)
			}
		}
	}
	told := func(typ stripe.EventType, po *stripe.Payout, want stripe.PayoutStatus) *stripe.Payout {
		t.Helper()
		got := object[stripe.Payout](t, w.hooks.wait(t, typ, po.ID))
		if got.Status != want {
			t.Errorf("%s: the payout is %s, want %s", typ, got.Status, want)
		}
		return got
	}
	_, err := create(net, nil)
	failure{status: 400, code: "balance_insufficient"}.check(t, "before anything is available", err)
	w.advance(t, 9*24*time.Hour)
	available(net)

	first, err := create(400, map[string]string{"week": "7"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first.ID, "po_") || first.Status != "pending" || first.Amount != 400 || first.Automatic || first.Metadata["week"] != "7" {
		t.Errorf("payout: %+v", first)
	}
	w.hooks.wait(t, stripe.EventTypePayoutCreated, first.ID)
	available(net - 400)
	w.advance(t, 3*24*time.Hour)
	told(stripe.EventTypePayoutPaid, first, "paid")
	full, err := w.server.V1Payouts.Retrieve(ctx, first.ID, &stripe.PayoutRetrieveParams{Expand: stripe.StringSlice([]string{"balance_transaction"})})
	if err != nil {
		t.Fatal(err)
	}
	if txn := full.BalanceTransaction; txn.Type != "payout" || txn.Amount != -400 || txn.Source.ID != first.ID {
		t.Errorf("balance transaction: %+v", txn)
	}

	second, err := create(100, nil)
	if err != nil {
		t.Fatal(err)
	}
	older := payout.Client{B: stripe.GetBackendWithConfig(stripe.APIBackend, backend(w.base, 0)), Key: w.sk}
	//lint:ignore SA1019 V1Payouts.Cancel of this release asks for /v1/topups; the older client does not.
	if second, err = older.Cancel(second.ID, nil); err != nil || second.Status != "canceled" {
		t.Fatalf("cancel: %+v (%v)", second, err)
	}
	told(stripe.EventTypePayoutCanceled, second, "canceled")
	third, err := create(100, map[string]string{"ducat_scenario": "payout_failed"})
	if err != nil {
		t.Fatal(err)
	}
	w.advance(t, 3*24*time.Hour)
	if got := told(stripe.EventTypePayoutFailed, third, "failed"); got.FailureCode == "" {
		t.Error("a failed payout has no failure code")
	}
	available(net - 400)
	list := func(p *stripe.PayoutListParams) (ids []string) {
		for _, po := range all(t, w.server.V1Payouts.List(ctx, p)) {
			ids = append(ids, po.ID)
		}
		return ids
	}
	if got, want := list(nil), []string{third.ID, second.ID, first.ID}; !slices.Equal(got, want) {
		t.Errorf("list: %v, want %v", got, want)
	}
	if got := list(&stripe.PayoutListParams{Status: stripe.String("paid")}); !slices.Equal(got, []string{first.ID}) {
		t.Errorf("those paid: %v, want %s", got, first.ID)
	}
}

func restrictedKey(t *testing.T, w *world) {
	ch := w.charged(t, nil)
	key, _ := w.control(t, "keys", map[string]any{"permissions": []string{"rak_charge_read"}})["key"].(string)
	if !strings.HasPrefix(key, "rk_test_") {
		t.Fatalf("the key is %q", key)
	}
	restricted := dial(w.base, key)
	if got, err := restricted.V1Charges.Retrieve(t.Context(), ch.ID, nil); err != nil || got.ID != ch.ID {
		t.Errorf("what it may: %+v (%v)", got, err)
	}
	refund := func() (*stripe.Refund, error) {
		return restricted.V1Refunds.Create(t.Context(), &stripe.RefundCreateParams{Charge: stripe.String(ch.ID)})
	}
	_, err := refund()
	failure{status: 403, code: "more_permissions_required", says: "'rak_charge_write' permission would allow"}.check(t, "a refund", err)
	err = restricted.V1Customers.List(t.Context(), nil).Err()
	failure{status: 403, code: "more_permissions_required", says: "'rak_customer_read' permission would allow"}.check(t, "customers", err)
	if l := all(t, w.server.V1Refunds.List(t.Context(), nil)); len(l) != 0 {
		t.Errorf("there are %d refunds, want none", len(l))
	}
	w.control(t, "keys", map[string]any{"key": key, "permissions": []string{"rak_charge_write"}})
	if re, err := refund(); err != nil || re.Amount != 1099 {
		t.Errorf("with the permission: %+v (%v)", re, err)
	}
}

func ephemeralKey(t *testing.T, w *world) {
	ctx := t.Context()
	const version = "2020-08-27" // of the library in the app
	cus, err := w.server.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Email: stripe.String("li@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	to := &stripe.PaymentMethodAttachParams{Customer: stripe.String(cus.ID)}
	saved, err := w.server.V1PaymentMethods.Attach(ctx, "pm_card_visa", to)
	if err != nil {
		t.Fatal(err)
	}
	older := ephemeralkey.Client{B: stripe.GetBackendWithConfig(stripe.APIBackend, backend(w.base, 0)), Key: w.sk}
	//lint:ignore SA1019 V1EphemeralKeys.Create of this release does not send StripeVersion; the older client does.
	key, err := older.New(&stripe.EphemeralKeyParams{Customer: stripe.String(cus.ID), StripeVersion: stripe.String(version)})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key.ID, "ephkey_") || !strings.HasPrefix(key.Secret, "ek_test_") || key.Object != "ephemeral_key" || key.Expires-key.Created != 3600 {
		t.Errorf("key: %+v", key)
	}
	var handedOn struct { // to the app, as it came
		Owners []struct{ ID, Type string } `json:"associated_objects"`
	}
	if err := json.Unmarshal(key.RawJSON, &handedOn); err != nil || len(handedOn.Owners) != 1 || handedOn.Owners[0].ID != cus.ID || handedOn.Owners[0].Type != "customer" {
		t.Errorf("key: %s (%v)", key.RawJSON, err)
	}
	if v := key.LastResponse.Header.Get("Stripe-Version"); v != version {
		t.Errorf("the key was made at %s, want %s", v, version)
	}

	app := dial(w.base, key.Secret)
	of := func(customer string) *stripe.PaymentMethodListParams {
		return &stripe.PaymentMethodListParams{Customer: stripe.String(customer), Type: stripe.String("card")}
	}
	listed := func(want ...string) {
		t.Helper()
		var ids []string
		for _, m := range all(t, app.V1PaymentMethods.List(ctx, of(cus.ID))) {
			ids = append(ids, m.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("list: %v, want %v", ids, want)
		}
	}
	listed(saved.ID)
	card, err := w.client.V1PaymentMethods.Create(ctx, visa())
	if err != nil {
		t.Fatal(err)
	}
	if m, err := app.V1PaymentMethods.Attach(ctx, card.ID, to); err != nil || m.Customer.ID != cus.ID {
		t.Errorf("attach: %+v (%v)", m, err)
	}
	listed(card.ID, saved.ID)
	if m, err := app.V1PaymentMethods.Detach(ctx, saved.ID, nil); err != nil || m.Customer != nil {
		t.Errorf("detach: %+v (%v)", m, err)
	}
	listed(card.ID)
	other, err := w.server.V1Customers.Create(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	forbidden := failure{status: 403, code: "more_permissions_required", says: "ephemeral key"}
	forbidden.check(t, "another customer's methods", app.V1PaymentMethods.List(ctx, of(other.ID)).Err())
	_, err = app.V1Balance.Retrieve(ctx, nil)
	forbidden.check(t, "the balance", err)

	gone, err := w.server.V1EphemeralKeys.Delete(ctx, key.ID, nil)
	if err != nil || gone.ID != key.ID || gone.Secret != "" {
		t.Errorf("delete: %+v (%v)", gone, err)
	}
	failure{status: 401, code: "api_key_expired", says: "^Expired API Key"}.check(t, "with a deleted key", app.V1PaymentMethods.List(ctx, of(cus.ID)).Err())
	if l := all(t, w.server.V1PaymentMethods.List(ctx, of(cus.ID))); len(l) != 1 || l[0].ID != card.ID {
		t.Errorf("the customer's cards: %+v", l)
	}
}

// race puts one rule of the race lab in force.
func (w *world) race(t *testing.T, rule map[string]any) {
	t.Helper()
	w.control(t, "race", map[string]any{"rules": []any{rule}})
}

func raceLab(t *testing.T, w *world) {
	// The webhook is faster than the answer.
	src := w.authorized(t, nil)
	w.race(t, map[string]any{"on": "webhook", "do": "before_response", "event": "charge.succeeded", "times": 1})
	first, err := w.charge(t, src)
	if err != nil {
		t.Fatal(err)
	}
	if types := w.hooks.types(); !slices.Contains(types, stripe.EventTypeChargeSucceeded) {
		t.Errorf("when the answer came, only %v had", types)
	}

	// One event, delivered twice.
	w.race(t, map[string]any{"on": "webhook", "do": "copies", "event": "source.failed", "times": 1})
	src = w.source(t, nil)
	pay(t, src, "decline")
	w.advance(t, 0)
	var copies []string
	w.hooks.mu.Lock()
	for _, ev := range w.hooks.events {
		if ev.Type == stripe.EventTypeSourceFailed {
			copies = append(copies, ev.ID)
		}
	}
	w.hooks.mu.Unlock()
	if len(copies) != 2 || copies[0] != copies[1] {
		t.Errorf("two copies of one event: %v", copies)
	}

	// A 500 after everything was done: trying again answers what was done.
	src = w.authorized(t, nil)
	w.race(t, map[string]any{"on": "call", "do": "fail", "when": "after", "method": "POST", "path": "/v1/charges", "error": map[string]any{"status": 500}, "times": 1})
	p := &stripe.ChargeCreateParams{Amount: stripe.Int64(1099), Currency: stripe.String("usd"), Source: &stripe.PaymentSourceSourceParams{Token: stripe.String(src.ID)}}
	p.SetIdempotencyKey("again")
	_, err = w.server.V1Charges.Create(t.Context(), p)
	failure{status: 500, typ: stripe.ErrorTypeAPI}.check(t, "a failure after the commit", err)
	ch, err := w.server.V1Charges.Create(t.Context(), p)
	if err != nil || ch.LastResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("again: %+v (%v)", ch, err)
	}
	if l := all(t, w.server.V1Charges.List(t.Context(), nil)); len(l) != 2 || l[0].ID != ch.ID || l[1].ID != first.ID {
		t.Errorf("charges: %+v, want the two", l)
	}
}

func testClock(t *testing.T, w *world) {
	ctx, clocks := t.Context(), w.server.V1TestHelpersTestClocks
	dawn := w.dawn.Unix()
	clock, err := clocks.Create(ctx, &stripe.TestHelpersTestClockCreateParams{FrozenTime: stripe.Int64(dawn), Name: stripe.String("two hours later")})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(clock.ID, "clock_") || clock.Status != "ready" || clock.FrozenTime != dawn || clock.Name != "two hours later" {
		t.Errorf("clock: %+v", clock)
	}
	cus, err := w.server.V1Customers.Create(ctx, &stripe.CustomerCreateParams{TestClock: stripe.String(clock.ID)})
	if err != nil || cus.TestClock.ID != clock.ID || cus.Created != dawn {
		t.Fatalf("its customer: %+v (%v)", cus, err)
	}
	src := w.source(t, nil)

	target := dawn + 7200
	moving, err := clocks.Advance(ctx, clock.ID, &stripe.TestHelpersTestClockAdvanceParams{FrozenTime: stripe.Int64(target)})
	if err != nil || moving.Status != "advancing" || moving.StatusDetails.Advancing.TargetFrozenTime != target {
		t.Fatalf("advance: %+v (%v)", moving, err)
	}
	w.hooks.wait(t, stripe.EventTypeTestHelpersTestClockReady, clock.ID)
	w.hooks.wait(t, stripe.EventTypeSourceCanceled, src.ID)
	if moved, err := clocks.Retrieve(ctx, clock.ID, nil); err != nil || moved.Status != "ready" || moved.FrozenTime != target {
		t.Errorf("afterwards: %+v (%v)", moved, err)
	}
	_, err = clocks.Advance(ctx, clock.ID, &stripe.TestHelpersTestClockAdvanceParams{FrozenTime: stripe.Int64(dawn)})
	failure{status: 400, param: "frozen_time"}.check(t, "back", err)
	if l := all(t, clocks.List(ctx, nil)); len(l) != 1 || l[0].ID != clock.ID {
		t.Errorf("list: %+v", l)
	}

	if gone, err := clocks.Delete(ctx, clock.ID, nil); err != nil || !gone.Deleted {
		t.Errorf("delete: %+v (%v)", gone, err)
	}
	if got, err := w.server.V1Customers.Retrieve(ctx, cus.ID, nil); err != nil || !got.Deleted {
		t.Errorf("its customer: %+v (%v)", got, err)
	}
	_, err = clocks.Retrieve(ctx, clock.ID, nil)
	failure{status: 404, code: "resource_missing", param: "test_clock", says: "^No such test clock: "}.check(t, "a deleted clock", err)
}

// gateway stands between a library and the server, and loses answers.
type gateway struct {
	url string

	mu   sync.Mutex
	lose int
	keys []string // of the requests that came
}

var errLost = errors.New("lost")

func newGateway(t *testing.T, w *world) *gateway {
	t.Helper()
	base, err := url.Parse(w.base)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(base) },
		ModifyResponse: func(res *http.Response) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.lose == 0 {
				return nil
			}
			g.lose--
			_, err := io.Copy(io.Discard, res.Body) // the server has done its work
			return errors.Join(errLost, err)
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		g.mu.Lock()
		g.keys = append(g.keys, req.Header.Get("Idempotency-Key"))
		g.mu.Unlock()
		proxy.ServeHTTP(rw, req)
	}))
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

// loseNext has the next n answers lost, after the server has given them.
func (g *gateway) loseNext(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lose = n
}

// used returns the keys of the requests since the last call.
func (g *gateway) used() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	keys := g.keys
	g.keys = nil
	return keys
}
