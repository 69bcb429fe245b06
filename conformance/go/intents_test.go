package conformance_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"
)

// unexpected is how an intent in the wrong state refuses.
var unexpected = failure{status: 400, code: "payment_intent_unexpected_state"}

// intent creates one of 50.99 euro, as the guide does.
func (w *world) intent(t *testing.T, change func(*stripe.PaymentIntentCreateParams)) *stripe.PaymentIntent {
	t.Helper()
	p := &stripe.PaymentIntentCreateParams{
		Amount: stripe.Int64(5099), Currency: stripe.String("eur"),
		AutomaticPaymentMethods: &stripe.PaymentIntentCreateAutomaticPaymentMethodsParams{Enabled: stripe.Bool(true)},
	}
	if change != nil {
		change(p)
	}
	pi, err := w.server.V1PaymentIntents.Create(t.Context(), p)
	if err != nil {
		t.Fatalf("create an intent: %v", err)
	}
	return pi
}

// byBrowser confirms an intent with the publishable key and the client secret.
func (w *world) byBrowser(t *testing.T, pi *stripe.PaymentIntent, secret, method, returnTo string) (*stripe.PaymentIntent, error) {
	t.Helper()
	p := &stripe.PaymentIntentConfirmParams{PaymentMethodData: &stripe.PaymentIntentPaymentMethodDataParams{Type: stripe.String(method)}}
	if returnTo != "" {
		p.ReturnURL = stripe.String(returnTo)
	}
	p.AddExtra("client_secret", secret)
	return w.client.V1PaymentIntents.Confirm(t.Context(), pi.ID, p)
}

// confirmed brings an intent to the payer's page.
func (w *world) confirmed(t *testing.T, pi *stripe.PaymentIntent, method string) *stripe.PaymentIntent {
	t.Helper()
	open, err := w.byBrowser(t, pi, pi.ClientSecret, method, returnURL)
	if err != nil {
		t.Fatalf("confirm: %v", err)
	}
	return open
}

// card creates and confirms an intent with a test card.
func (w *world) card(t *testing.T, method string, change func(*stripe.PaymentIntentCreateParams)) (*stripe.PaymentIntent, error) {
	t.Helper()
	p := &stripe.PaymentIntentCreateParams{
		Amount: stripe.Int64(1099), Currency: stripe.String("usd"), PaymentMethodTypes: stripe.StringSlice([]string{"card"}),
		PaymentMethod: stripe.String(method), Confirm: stripe.Bool(true),
	}
	if change != nil {
		change(p)
	}
	return w.server.V1PaymentIntents.Create(t.Context(), p)
}

// page is where the payer of an intent has to go.
func page(pi *stripe.PaymentIntent) (at, returnTo string) {
	switch a := pi.NextAction; {
	case a == nil:
	case a.RedirectToURL != nil:
		return a.RedirectToURL.URL, a.RedirectToURL.ReturnURL
	case a.AlipayHandleRedirect != nil:
		return a.AlipayHandleRedirect.URL, a.AlipayHandleRedirect.ReturnURL
	}
	return "", ""
}

// approve posts a decision to the page of an intent, and returns the query the
// payer comes back with.
func approve(t *testing.T, pi *stripe.PaymentIntent, decision string) url.Values {
	t.Helper()
	at, returnTo := page(pi)
	if pi.Status != "requires_action" || returnTo != returnURL {
		t.Fatalf("the intent is %s and returns to %q", pi.Status, returnTo)
	}
	location := decide(t, at, url.Values{"decision": {decision}})
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, returnURL+"&") {
		t.Fatalf("Location %q (%v)", location, err)
	}
	query, want := u.Query(), "failed"
	if decision == "authorize" {
		want = "succeeded"
	}
	if query.Get("payment_intent") != pi.ID || query.Get("payment_intent_client_secret") != pi.ClientSecret || query.Get("redirect_status") != want {
		t.Errorf("the payer returns with %v, want %s of %s", query, want, pi.ID)
	}
	return query
}

func (w *world) again(t *testing.T, pi *stripe.PaymentIntent, expand ...string) *stripe.PaymentIntent {
	t.Helper()
	got, err := w.server.V1PaymentIntents.Retrieve(t.Context(), pi.ID, &stripe.PaymentIntentRetrieveParams{Expand: stripe.StringSlice(expand)})
	if err != nil {
		t.Fatalf("retrieve the intent: %v", err)
	}
	return got
}

func intentAlma(t *testing.T, w *world) {
	pi := w.intent(t, func(p *stripe.PaymentIntentCreateParams) {
		p.Metadata, p.Description = map[string]string{"order": "6735"}, stripe.String("Two chairs")
	})
	if !strings.HasPrefix(pi.ID, "pi_") || !strings.HasPrefix(pi.ClientSecret, pi.ID+"_secret_") || pi.Status != "requires_payment_method" || pi.Amount != 5099 || pi.Currency != "eur" || pi.NextAction != nil || pi.LatestCharge != nil {
		t.Errorf("intent: %+v", pi)
	}
	if !slices.Contains(pi.PaymentMethodTypes, "alma") {
		t.Errorf("methods: %v", pi.PaymentMethodTypes)
	}
	w.hooks.wait(t, stripe.EventTypePaymentIntentCreated, pi.ID)

	open := w.confirmed(t, pi, "alma")
	if open.NextAction.Type != "redirect_to_url" || strings.Contains(string(open.LastResponse.RawJSON), `"metadata"`) {
		t.Errorf("next action %s; a publishable key is shown %s", open.NextAction.Type, open.LastResponse.RawJSON)
	}
	w.hooks.wait(t, stripe.EventTypePaymentIntentRequiresAction, pi.ID)
	at, _ := page(open)
	_, body := visit(t, at)
	for _, text := range []string{"50.99", "Alma", "Authorize Test Payment", "Fail Test Payment"} {
		if !strings.Contains(body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if query := approve(t, open, "authorize"); query.Get("redirect_pm_type") != "alma" {
		t.Errorf("the payer returns with %v", query)
	}

	told := object[stripe.PaymentIntent](t, w.hooks.wait(t, stripe.EventTypePaymentIntentSucceeded, pi.ID))
	if told.Status != "succeeded" || told.AmountReceived != 5099 || told.Metadata["order"] != "6735" {
		t.Errorf("intent in the event: %+v", told)
	}
	done := w.again(t, pi, "latest_charge.balance_transaction", "payment_method")
	ch := done.LatestCharge
	if done.Status != "succeeded" || done.PaymentMethod.Type != "alma" || ch.Status != "succeeded" || ch.PaymentIntent.ID != pi.ID || ch.Description != "Two chairs" || ch.PaymentMethodDetails.Type != "alma" {
		t.Errorf("intent %+v, charge %+v", done, ch)
	}
	w.hooks.wait(t, stripe.EventTypeChargeSucceeded, ch.ID)
	if txn := ch.BalanceTransaction; txn.Amount != 5099 || txn.Currency != "eur" || w.balance(t, "eur") != txn.Net {
		t.Errorf("balance transaction %+v, balance %d", txn, w.balance(t, "eur"))
	}
	seen, err := w.client.V1PaymentIntents.Retrieve(t.Context(), pi.ID, &stripe.PaymentIntentRetrieveParams{ClientSecret: stripe.String(pi.ClientSecret)})
	if err != nil || seen.Status != "succeeded" {
		t.Fatalf("retrieve with the client secret: %+v (%v)", seen, err)
	}
	for _, hidden := range []string{`"metadata"`, `"latest_charge"`} {
		if strings.Contains(string(seen.LastResponse.RawJSON), hidden) {
			t.Errorf("a publishable key is shown %s", hidden)
		}
	}
}

func intentDecline(t *testing.T, w *world) {
	pi := w.intent(t, nil)
	failed := func(code stripe.ErrorCode) {
		t.Helper()
		got := w.again(t, pi)
		if got.Status != "requires_payment_method" || got.PaymentMethod != nil || got.NextAction != nil || got.LastPaymentError == nil || got.LastPaymentError.Code != code {
			t.Fatalf("want %s, got %+v", code, got)
		}
		w.hooks.waitFor(t, "payment_intent.payment_failed with "+string(code), func(ev stripe.Event) bool {
			return ev.Type == stripe.EventTypePaymentIntentPaymentFailed && object[stripe.PaymentIntent](t, ev).LastPaymentError.Code == code
		})
	}
	approve(t, w.confirmed(t, pi, "alma"), "decline")
	failed("payment_intent_authentication_failure")
	// The page is good for an hour.
	w.confirmed(t, pi, "alma")
	w.advance(t, 59*time.Minute)
	if got := w.again(t, pi); got.Status != "requires_action" {
		t.Errorf("after 59 minutes the intent is %s", got.Status)
	}
	w.advance(t, time.Minute+time.Second)
	failed("payment_intent_payment_attempt_expired")
	if b := w.balance(t, "eur"); b != 0 {
		t.Errorf("the balance is %d, want 0", b)
	}
	// The same intent and secret are good for another try.
	approve(t, w.confirmed(t, pi, "alma"), "authorize")
	done := w.again(t, pi)
	if done.Status != "succeeded" || done.LastPaymentError != nil {
		t.Fatalf("another try: %+v", done)
	}
	if l := all(t, w.server.V1Charges.List(t.Context(), &stripe.ChargeListParams{PaymentIntent: stripe.String(pi.ID)})); len(l) != 1 || l[0].ID != done.LatestCharge.ID {
		t.Errorf("charges of the intent: %+v", l)
	}
}

func intentCards(t *testing.T, w *world) {
	paid, err := w.card(t, "pm_card_visa", func(p *stripe.PaymentIntentCreateParams) { p.AddExpand("latest_charge") })
	if err != nil {
		t.Fatal(err)
	}
	if ch := paid.LatestCharge; paid.Status != "succeeded" || !strings.HasPrefix(ch.ID, "ch_") || ch.Status != "succeeded" || ch.PaymentMethodDetails.Card.Last4 != "4242" {
		t.Errorf("intent %+v, charge %+v", paid, ch)
	}
	for _, c := range []struct{ method, code, decline, param string }{
		{"pm_card_visa_chargeDeclined", "card_declined", "generic_decline", ""},
		{"pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", ""},
		{"pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "exp_month"},
	} {
		_, err := w.card(t, c.method, nil)
		e := failure{status: 402, typ: stripe.ErrorTypeCard, code: c.code, param: c.param}.check(t, c.method, err)
		if string(e.DeclineCode) != c.decline || e.PaymentIntent == nil || e.PaymentIntent.Status != "requires_payment_method" {
			t.Errorf("%s: decline code %s, intent %+v", c.method, e.DeclineCode, e.PaymentIntent)
		}
		if ch, err := w.server.V1Charges.Retrieve(t.Context(), e.ChargeID, nil); err != nil || ch.FailureCode != c.code {
			t.Errorf("%s: charge %+v (%v)", c.method, ch, err)
		}
	}
	challenged := func() *stripe.PaymentIntent {
		t.Helper()
		pi, err := w.card(t, "pm_card_threeDSecure2Required", func(p *stripe.PaymentIntentCreateParams) { p.ReturnURL = stripe.String(returnURL) })
		if err != nil {
			t.Fatal(err)
		}
		return pi
	}
	pi := challenged()
	if query := approve(t, pi, "authorize"); query.Get("redirect_pm_type") != "card" || w.again(t, pi).Status != "succeeded" {
		t.Errorf("authenticated: returned with %v, then %s", query, w.again(t, pi).Status)
	}
	pi = challenged()
	approve(t, pi, "decline")
	if got := w.again(t, pi); got.Status != "requires_payment_method" || got.LastPaymentError.Code != "payment_intent_authentication_failure" {
		t.Errorf("not authenticated: %+v", got)
	}
	_, err = w.card(t, "pm_card_authenticationRequired", func(p *stripe.PaymentIntentCreateParams) { p.OffSession = stripe.Bool(true) })
	failure{status: 402, typ: stripe.ErrorTypeCard, code: "authentication_required"}.check(t, "off session", err)
}

func intentCapture(t *testing.T, w *world) {
	held := func() *stripe.PaymentIntent {
		t.Helper()
		pi := w.intent(t, func(p *stripe.PaymentIntentCreateParams) { p.CaptureMethod = stripe.String("manual") })
		approve(t, w.confirmed(t, pi, "alma"), "authorize")
		got := w.again(t, pi)
		if got.Status != "requires_capture" || got.AmountCapturable != 5099 || got.AmountReceived != 0 {
			t.Fatalf("held: %+v", got)
		}
		return got
	}
	capture := func(pi *stripe.PaymentIntent, amount *int64) (*stripe.PaymentIntent, error) {
		p := &stripe.PaymentIntentCaptureParams{AmountToCapture: amount}
		p.AddExpand("latest_charge.balance_transaction")
		return w.server.V1PaymentIntents.Capture(t.Context(), pi.ID, p)
	}
	first := held()
	w.hooks.wait(t, stripe.EventTypePaymentIntentAmountCapturableUpdated, first.ID)
	if b := w.balance(t, "eur"); b != 0 {
		t.Errorf("held money is in the balance: %d", b)
	}
	_, err := capture(first, stripe.Int64(5100))
	failure{status: 400, code: "amount_too_large", param: "amount_to_capture"}.check(t, "capture too much", err)
	done, err := capture(first, stripe.Int64(3000))
	if err != nil {
		t.Fatal(err)
	}
	if done.Status != "succeeded" || done.AmountReceived != 3000 || done.AmountCapturable != 0 || done.LatestCharge.AmountCaptured != 3000 {
		t.Errorf("captured: %+v", done)
	}
	net := done.LatestCharge.BalanceTransaction.Net
	if b := w.balance(t, "eur"); b != net {
		t.Errorf("the balance is %d, want %d", b, net)
	}
	_, err = capture(first, nil)
	unexpected.check(t, "capture again", err)

	second := held()
	canceled, err := w.server.V1PaymentIntents.Cancel(t.Context(), second.ID, &stripe.PaymentIntentCancelParams{CancellationReason: stripe.String("requested_by_customer")})
	if err != nil || canceled.Status != "canceled" || canceled.CancellationReason != "requested_by_customer" || canceled.AmountCapturable != 0 {
		t.Fatalf("cancel: %+v (%v)", canceled, err)
	}
	w.hooks.wait(t, stripe.EventTypePaymentIntentCanceled, second.ID)
	_, err = capture(second, nil)
	unexpected.check(t, "capture what was canceled", err)
	if b := w.balance(t, "eur"); b != net {
		t.Errorf("canceling moved the balance from %d to %d", net, b)
	}
}

func intentErrors(t *testing.T, w *world) {
	ctx := t.Context()
	create := func(change func(*stripe.PaymentIntentCreateParams)) error {
		p := &stripe.PaymentIntentCreateParams{Amount: stripe.Int64(5099), Currency: stripe.String("eur")}
		change(p)
		_, err := w.server.V1PaymentIntents.Create(ctx, p)
		return err
	}
	alma := stripe.StringSlice([]string{"alma"})
	// The four of the guide.
	failure{status: 400, code: "payment_intent_invalid_currency", param: "currency"}.check(t, "dollars", create(func(p *stripe.PaymentIntentCreateParams) {
		p.Currency, p.PaymentMethodTypes = stripe.String("usd"), alma
	}))
	failure{status: 400, code: "missing_required_parameter", param: "payment_method_data[type]", says: `^Missing required param: payment_method_data\[type\]\.$`}.check(t, "no type", create(func(p *stripe.PaymentIntentCreateParams) {
		p.PaymentMethodData = &stripe.PaymentIntentCreatePaymentMethodDataParams{BillingDetails: &stripe.PaymentIntentCreatePaymentMethodDataBillingDetailsParams{Name: stripe.String("x")}}
	}))
	pi := w.intent(t, nil)
	_, err := w.byBrowser(t, pi, pi.ClientSecret, "alma", "")
	failure{status: 400, code: "payment_intent_redirect_confirmation_without_return_url", param: "return_url"}.check(t, "no return_url", err)
	at, _ := page(w.confirmed(t, pi, "alma"))
	decide(t, at, url.Values{"decision": {"authorize"}, "scenario": {"wallet_error"}})
	if got := w.again(t, pi, "latest_charge"); got.Status != "requires_payment_method" || got.LastPaymentError.Code != "payment_intent_payment_attempt_failed" || got.LatestCharge.Status != "failed" {
		t.Errorf("refused by the provider: %+v", got)
	}

	other := w.intent(t, nil)
	wrong := failure{status: 400, code: "payment_intent_invalid_parameter", param: "client_secret"}
	_, err = w.byBrowser(t, pi, other.ClientSecret, "alma", returnURL)
	wrong.check(t, "confirm with another's secret", err)
	_, err = w.client.V1PaymentIntents.Retrieve(ctx, pi.ID, &stripe.PaymentIntentRetrieveParams{ClientSecret: stripe.String(other.ClientSecret)})
	wrong.check(t, "retrieve with another's secret", err)
	if _, err := w.server.V1PaymentIntents.Cancel(ctx, other.ID, nil); err != nil {
		t.Fatal(err)
	}
	_, err = w.byBrowser(t, other, other.ClientSecret, "alma", returnURL)
	failure{status: 400, code: unexpected.code, param: "payment_method"}.check(t, "confirm what was canceled", err)
	_, err = w.server.V1PaymentIntents.Update(ctx, other.ID, &stripe.PaymentIntentUpdateParams{Amount: stripe.Int64(6000)})
	failure{status: 400, code: unexpected.code, param: "amount"}.check(t, "update what was canceled", err)
	_, err = w.server.V1PaymentIntents.Retrieve(ctx, "pi_000000000000000000000000", nil)
	failure{status: 404, code: "resource_missing", param: "intent", says: "^No such payment_intent: "}.check(t, "an unknown intent", err)
	for code, amount := range map[string]int64{"amount_too_small": 4999, "amount_too_large": 500001} {
		failure{status: 400, code: code, param: "amount"}.check(t, code, create(func(p *stripe.PaymentIntentCreateParams) {
			p.Amount, p.PaymentMethodTypes = stripe.Int64(amount), alma
		}))
	}
	if b := w.balance(t, "eur"); b != 0 {
		t.Errorf("the balance is %d, want 0", b)
	}
}

func intentRefund(t *testing.T, w *world) {
	ctx := t.Context()
	pi := w.intent(t, func(p *stripe.PaymentIntentCreateParams) {
		p.AutomaticPaymentMethods, p.PaymentMethodTypes = nil, stripe.StringSlice([]string{"alipay"})
	})
	open := w.confirmed(t, pi, "alipay")
	if open.NextAction.Type != "alipay_handle_redirect" {
		t.Errorf("next action %s", open.NextAction.Type)
	}
	approve(t, open, "authorize")
	w.advance(t, confirming)
	w.hooks.wait(t, stripe.EventTypePaymentIntentSucceeded, pi.ID)
	refund := func(pi *stripe.PaymentIntent, amount int64) (*stripe.Refund, error) {
		return w.server.V1Refunds.Create(ctx, &stripe.RefundCreateParams{
			PaymentIntent: stripe.String(pi.ID), Amount: stripe.Int64(amount), Reason: stripe.String("requested_by_customer"),
		})
	}
	done, err := refund(pi, 1000)
	if err != nil || done.Amount != 1000 || done.PaymentIntent.ID != pi.ID || done.Reason != "requested_by_customer" {
		t.Fatalf("refund: %+v (%v)", done, err)
	}
	w.advance(t, 10*time.Minute)
	if got, err := w.server.V1Refunds.Retrieve(ctx, done.ID, nil); err != nil || got.Status != "succeeded" {
		t.Errorf("ten minutes later: %+v (%v)", got, err)
	}
	if l := all(t, w.server.V1Refunds.List(ctx, &stripe.RefundListParams{PaymentIntent: stripe.String(pi.ID)})); len(l) != 1 || l[0].ID != done.ID {
		t.Errorf("refunds of the intent: %+v", l)
	}
	if l := all(t, w.server.V1Charges.List(ctx, &stripe.ChargeListParams{PaymentIntent: stripe.String(pi.ID)})); len(l) != 1 || l[0].ID != done.Charge.ID || l[0].AmountRefunded != 1000 || l[0].Refunded {
		t.Errorf("charges of the intent: %+v", l)
	}
	_, err = refund(pi, 4100)
	failure{status: 400, param: "amount", says: `40\.99`}.check(t, "too much", err)
	_, err = refund(w.intent(t, nil), 1)
	failure{status: 400, param: "payment_intent", says: "does not have a successful charge to refund"}.check(t, "nothing to refund", err)
}

// visa is a test card as a payer types it in.
func visa() *stripe.PaymentMethodCreateParams {
	return &stripe.PaymentMethodCreateParams{Type: stripe.String("card"), Card: &stripe.PaymentMethodCreateCardParams{
		Number: stripe.String("4242424242424242"), ExpMonth: stripe.Int64(12), ExpYear: stripe.Int64(2034), CVC: stripe.String("123"),
	}}
}

func paymentMethods(t *testing.T, w *world) {
	ctx := t.Context()
	methods := w.server.V1PaymentMethods
	cus, err := w.server.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Email: stripe.String("li@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	to := &stripe.PaymentMethodAttachParams{Customer: stripe.String(cus.ID)}
	saved, err := methods.Attach(ctx, "pm_card_visa", to)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(saved.ID, "pm_") || saved.ID == "pm_card_visa" || saved.Type != "card" || saved.Card.Brand != "visa" || saved.Card.Last4 != "4242" || saved.Customer.ID != cus.ID {
		t.Errorf("attached: %+v", saved)
	}
	w.hooks.wait(t, stripe.EventTypePaymentMethodAttached, saved.ID)
	updated, err := methods.Update(ctx, saved.ID, &stripe.PaymentMethodUpdateParams{
		Metadata: map[string]string{"a": "b"}, BillingDetails: &stripe.PaymentMethodUpdateBillingDetailsParams{Name: stripe.String("Li Wei")},
	})
	if err != nil || updated.Metadata["a"] != "b" || updated.BillingDetails.Name != "Li Wei" {
		t.Errorf("updated: %+v (%v)", updated, err)
	}
	wallet, err := methods.Create(ctx, &stripe.PaymentMethodCreateParams{Type: stripe.String("alipay")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := methods.Attach(ctx, wallet.ID, to); err != nil {
		t.Fatal(err)
	}
	p := &stripe.PaymentMethodListParams{Customer: stripe.String(cus.ID)}
	p.Limit = stripe.Int64(1)
	if l := all(t, methods.List(ctx, p)); len(l) != 2 || l[0].ID != wallet.ID || l[1].ID != saved.ID {
		t.Errorf("list: %+v", l)
	}
	cards := &stripe.CustomerListPaymentMethodsParams{Customer: stripe.String(cus.ID), Type: stripe.String("card")}
	if l := all(t, w.server.V1Customers.ListPaymentMethods(ctx, cards)); len(l) != 1 || l[0].ID != saved.ID {
		t.Errorf("the customer's cards: %+v", l)
	}

	// A saved card pays for its customer without them, and for nobody else.
	pi, err := w.card(t, saved.ID, func(p *stripe.PaymentIntentCreateParams) {
		p.Customer, p.OffSession = stripe.String(cus.ID), stripe.Bool(true)
	})
	if err != nil || pi.Status != "succeeded" || pi.PaymentMethod.ID != saved.ID || pi.Customer.ID != cus.ID {
		t.Errorf("pay with a saved card: %+v (%v)", pi, err)
	}
	_, err = w.card(t, saved.ID, nil)
	failure{status: 400, param: "payment_method"}.check(t, "without its customer", err)
	if detached, err := methods.Detach(ctx, saved.ID, nil); err != nil || detached.Customer != nil {
		t.Errorf("detach: %+v (%v)", detached, err)
	}
	w.hooks.wait(t, stripe.EventTypePaymentMethodDetached, saved.ID)
	_, err = methods.Retrieve(ctx, "pm_000000000000000000000000", nil)
	failure{status: 404, code: "resource_missing", param: "payment_method", says: "^No such PaymentMethod: "}.check(t, "an unknown method", err)
	// Only test cards are cards, and only a browser may send one.
	if m, err := w.client.V1PaymentMethods.Create(ctx, visa()); err != nil || m.Card.Last4 != "4242" {
		t.Errorf("from a browser: %+v (%v)", m, err)
	}
	_, err = methods.Create(ctx, visa())
	failure{status: 402}.check(t, "from a server", err)
}

func setupIntent(t *testing.T, w *world) {
	ctx, setups := t.Context(), w.server.V1SetupIntents
	cus, err := w.server.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Email: stripe.String("li@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	create := func() *stripe.SetupIntent {
		t.Helper()
		si, err := setups.Create(ctx, &stripe.SetupIntentCreateParams{
			Customer: stripe.String(cus.ID), PaymentMethodTypes: stripe.StringSlice([]string{"alipay"}), Usage: stripe.String("off_session"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return si
	}
	agree := func(si *stripe.SetupIntent, decision string) *stripe.SetupIntent {
		t.Helper()
		p := &stripe.SetupIntentConfirmParams{ReturnURL: stripe.String(returnURL)}
		p.AddExtra("client_secret", si.ClientSecret)
		p.AddExtra("payment_method_data[type]", "alipay")
		p.AddExtra("mandate_data[customer_acceptance][type]", "online")
		p.AddExtra("mandate_data[customer_acceptance][online][infer_from_client]", "true")
		open, err := w.client.V1SetupIntents.Confirm(ctx, si.ID, p)
		if err != nil || open.Status != "requires_action" || open.NextAction.Type != "redirect_to_url" {
			t.Fatalf("confirm: %+v (%v)", open, err)
		}
		location := decide(t, open.NextAction.RedirectToURL.URL, url.Values{"decision": {decision}})
		if u, err := url.Parse(location); err != nil || u.Query().Get("setup_intent") != si.ID || u.Query().Get("setup_intent_client_secret") != si.ClientSecret {
			t.Errorf("the payer returns to %q (%v)", location, err)
		}
		got, err := setups.Retrieve(ctx, si.ID, &stripe.SetupIntentRetrieveParams{Expand: stripe.StringSlice([]string{"mandate", "payment_method"})})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	si := create()
	if !strings.HasPrefix(si.ID, "seti_") || si.Status != "requires_payment_method" || si.Usage != "off_session" {
		t.Errorf("setup intent: %+v", si)
	}
	if got := agree(si, "decline"); got.Status != "requires_payment_method" || got.LastSetupError.Code != "setup_intent_authentication_failure" {
		t.Errorf("declined: %+v", got)
	}
	w.hooks.wait(t, stripe.EventTypeSetupIntentSetupFailed, si.ID)
	done := agree(si, "authorize")
	if done.Status != "succeeded" || done.PaymentMethod.Customer.ID != cus.ID || done.Mandate.Status != "active" || done.Mandate.Type != "multi_use" {
		t.Fatalf("agreed: %+v", done)
	}
	w.hooks.wait(t, stripe.EventTypeSetupIntentSucceeded, si.ID)
	if l := all(t, setups.List(ctx, &stripe.SetupIntentListParams{Customer: stripe.String(cus.ID)})); len(l) != 1 || l[0].ID != si.ID {
		t.Errorf("list: %+v", l)
	}

	// Debited while the payer is away, until they withdraw.
	debit := func() (*stripe.PaymentIntent, error) {
		return w.card(t, done.PaymentMethod.ID, func(p *stripe.PaymentIntentCreateParams) {
			p.Customer, p.PaymentMethodTypes, p.OffSession = stripe.String(cus.ID), stripe.StringSlice([]string{"alipay"}), stripe.Bool(true)
		})
	}
	if pi, err := debit(); err != nil || pi.Status != "succeeded" {
		t.Fatalf("debit: %+v (%v)", pi, err)
	}
	w.control(t, "decide", map[string]any{"id": done.Mandate.ID, "decision": "withdraw"})
	if m, err := w.server.V1Mandates.Retrieve(ctx, done.Mandate.ID, nil); err != nil || m.Status != "inactive" {
		t.Errorf("withdrawn: %+v (%v)", m, err)
	}
	w.hooks.waitFor(t, "mandate.updated to inactive", func(ev stripe.Event) bool {
		return ev.Type == stripe.EventTypeMandateUpdated && ev.Data.Object["status"] == "inactive"
	})
	_, err = debit()
	failure{status: 400, code: "payment_intent_mandate_invalid", param: "payment_method"}.check(t, "debit after that", err)

	other := create()
	if got, err := setups.Cancel(ctx, other.ID, nil); err != nil || got.Status != "canceled" {
		t.Errorf("cancel: %+v (%v)", got, err)
	}
	_, err = setups.Update(ctx, other.ID, &stripe.SetupIntentUpdateParams{Description: stripe.String("x")})
	failure{status: 400, code: "setup_intent_unexpected_state"}.check(t, "update what was canceled", err)
}

func search(t *testing.T, w *world) {
	ctx := t.Context()
	var made []string
	for _, colour := range []string{"red", "red", "blue"} {
		ch := w.charged(t, nil)
		made = append(made, ch.ID)
		if _, err := w.server.V1Charges.Update(ctx, ch.ID, &stripe.ChargeUpdateParams{Metadata: map[string]string{"colour": colour}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.server.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Email: stripe.String("li@example.com"), Name: stripe.String("Li Wei")}); err != nil {
		t.Fatal(err)
	}
	pi, err := w.card(t, "pm_card_visa", func(p *stripe.PaymentIntentCreateParams) { p.Metadata = map[string]string{"colour": "red"} })
	if err != nil {
		t.Fatal(err)
	}
	one := func(query string) stripe.SearchParams {
		return stripe.SearchParams{Query: query, Limit: stripe.Int64(1)}
	}
	found := w.server.V1Charges.Search(ctx, &stripe.ChargeSearchParams{SearchParams: one("metadata['colour']:'red' AND amount>1000 AND status:'succeeded'")})
	if m := found.Meta(); found.Err() != nil || len(found.Data()) != 1 || !m.HasMore || m.NextPage == nil || m.URL != "/v1/charges/search" {
		t.Errorf("found %d, %+v (%v)", len(found.Data()), m, found.Err())
	}
	var reds []string
	for ch, err := range w.server.V1Charges.Search(ctx, &stripe.ChargeSearchParams{SearchParams: one("metadata['colour']:'red'")}).All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(made, ch.ID) {
			reds = append(reds, ch.ID)
		}
	}
	if !slices.Equal(reds, []string{made[1], made[0]}) {
		t.Errorf("page by page: %v, want the second and the first of %v", reds, made)
	}
	if l := w.server.V1PaymentIntents.Search(ctx, &stripe.PaymentIntentSearchParams{SearchParams: one("metadata['colour']:'red'")}); l.Err() != nil || len(l.Data()) != 1 || l.Data()[0].ID != pi.ID {
		t.Errorf("intents: %+v (%v)", l.Data(), l.Err())
	}
	if l := w.server.V1Customers.Search(ctx, &stripe.CustomerSearchParams{SearchParams: one("email:'LI@example.com'")}); l.Err() != nil || len(l.Data()) != 1 || l.Data()[0].Name != "Li Wei" {
		t.Errorf("customers: %+v (%v)", l.Data(), l.Err())
	}
	for _, query := range []string{"colour is red", "flavour:'sweet'"} {
		failure{status: 400, param: "query"}.check(t, query, w.server.V1Charges.Search(ctx, &stripe.ChargeSearchParams{SearchParams: one(query)}).Err())
	}
}
