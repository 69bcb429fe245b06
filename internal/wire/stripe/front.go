package stripe

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/webhook"
	"github.com/ducatpay/ducat/internal/wire/stripe/signature"
)

// Name implements engine.Front and webhook.Front.
func (a *API) Name() string { return Name }

// Tell writes what must be written with a fact: balance transactions, events
// and their deliveries (stripe-sources §12.3).
func (a *API) Tell(t *engine.Tx, f event.Fact, p *payment.Payment, r *payment.Refund) error {
	switch f.Kind {
	case event.ActionNeeded, event.Pending, event.Authorized, event.Declined, event.Expired, event.Captured, event.CaptureDeclined:
		if p.Kind == kindIntent {
			return a.tellIntent(t, f, p)
		}
		return a.tellSource(t, f, p)
	case event.RefundCreated:
		return a.refundCreated(t, p, r)
	case event.RefundNeedsAction:
		return a.refundNeedsAction(t, f, r)
	case event.RefundSucceeded:
		return a.refundSucceeded(t, r)
	case event.RefundFailed:
		return a.refundFailed(t, r)
	case event.DisputeOpened, event.InquiryOpened:
		return a.disputeOpened(t, f, p)
	case event.DisputeEscalated:
		return a.disputeEscalated(t, f, p)
	case event.DisputeAnswered:
		return nil // the request that answers tells it, with what it changed
	case event.DisputeWon, event.DisputeLost, event.InquiryClosed:
		return a.disputeClosed(t, f, p)
	case event.Voided, event.FundsAvailable:
	}
	return nil
}

// tellSource writes what must be written with a fact about a source's payment.
func (a *API) tellSource(t *engine.Tx, f event.Fact, p *payment.Payment) error {
	switch f.Kind {
	case event.ActionNeeded, event.Pending:
		return nil // a source is pending anyway
	case event.Authorized:
		return a.sourceEvent(t, "source.chargeable", p)
	case event.Declined:
		return a.sourceEvent(t, "source.failed", p)
	case event.Expired:
		return a.sourceEvent(t, "source.canceled", p)
	case event.Captured:
		return a.captured(t, f, p)
	}
	row, err := t.ResourceBy(kindCharge, "payment", p.ID)
	if err != nil {
		return err
	}
	return a.chargeEvent(t, "charge.failed", row, p)
}

// TellMerchant announces funds that became available.
func (a *API) TellMerchant(t *engine.Tx, f event.Fact) error {
	if f.Kind != event.FundsAvailable {
		return nil
	}
	return a.emit(t, message{typ: "balance.available", render: func(v *view) (obj, obj, error) {
		o, err := v.balance()
		return o, nil, err
	}})
}

func (a *API) sourceEvent(t *engine.Tx, typ string, p *payment.Payment) error {
	row, err := t.Resource(kindSource, p.Owner)
	if err != nil {
		return err
	}
	return a.emit(t, message{typ: typ, payment: p.ID, render: func(v *view) (obj, obj, error) {
		o, err := v.renderSource(row, p, false)
		return o, nil, err
	}})
}

func (a *API) chargeEvent(t *engine.Tx, typ string, row resource.Row, p *payment.Payment) error {
	return a.emit(t, message{typ: typ, payment: p.ID, render: func(v *view) (obj, obj, error) {
		o, err := v.renderCharge(row, p)
		return o, nil, err
	}})
}

func (a *API) captured(t *engine.Tx, f event.Fact, p *payment.Payment) error {
	row, err := t.ResourceBy(kindCharge, "payment", p.ID)
	if err != nil {
		return err
	}
	b, err := decodeBody[chargeBody](row)
	if err != nil {
		return err
	}
	if err := bookCharge(t, &row, b, f, p.Method); err != nil {
		return err
	}
	return a.chargeEvent(t, "charge.succeeded", row, p)
}

// param is a parameter a return URL gets.
type param struct{ name, value string }

// ReturnTo implements engine.Front. Parameters come in the order seen on the
// wire (stripe-sources §4.8, stripe-payment-intents §6.5).
func (a *API) ReturnTo(r store.Reader, p payment.Payment) (string, []engine.Detail, error) {
	if p.Kind == kindIntent {
		return a.intentReturn(r, p)
	}
	row, err := r.Resource(p.Kind, p.Owner)
	if err != nil {
		return "", nil, err
	}
	m, err := r.Merchant()
	if err != nil {
		return "", nil, err
	}
	b, err := decodeBody[sourceBody](row)
	if err != nil {
		return "", nil, err
	}
	details := []engine.Detail{
		{Label: "Type", Value: p.Method}, {Label: "Amount", Value: fmt.Sprint(p.Amount.Minor)}, {Label: "Currency", Value: p.Amount.Currency.Lower()},
		{Label: "Source", Value: row.ID}, {Label: "Return URL", Value: b.ReturnURL},
	}
	for _, d := range []engine.Detail{{Label: "Statement descriptor", Value: firstOf(b.Descriptor, m.Profile.Descriptor)}, {Label: "Name", Value: b.Owner.Name}, {Label: "Email", Value: b.Owner.Email}} {
		if d.Value != "" {
			details = append(details, d)
		}
	}
	details = append(details, engine.Detail{Label: "Live mode", Value: fmt.Sprint(m.Live)})
	return withParameters(b.ReturnURL, []param{{"client_secret", b.ClientSecret}, {"livemode", fmt.Sprint(m.Live)}, {"source", row.ID}}), details, nil
}

// withParameters appends parameters to a return URL, removing any of the same
// name and leaving everything else as the merchant wrote it.
func withParameters(to string, values []param) string {
	to, fragment, hasFragment := strings.Cut(to, "#")
	base, query, _ := strings.Cut(to, "?")
	var kept []string
	for _, pair := range strings.Split(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		if taken := slices.ContainsFunc(values, func(p param) bool { return p.name == name }); !taken && pair != "" {
			kept = append(kept, pair)
		}
	}
	for _, p := range values {
		kept = append(kept, p.name+"="+url.QueryEscape(p.value))
	}
	out := base + "?" + strings.Join(kept, "&")
	if hasFragment {
		out += "#" + fragment
	}
	return out
}

// testMode is in the body of every event of test mode: an event and its object
// are of the same mode.
var testMode = []byte(`"livemode": false`)

// Prepare implements webhook.Front. The body never changes between attempts; the
// signature's time is always the wall's.
func (a *API) Prepare(r store.Reader, d store.Delivery, wall time.Time) (webhook.Call, bool, error) {
	_, b, err := storedBody[endpointBody](r, kindEndpoint, d.Endpoint)
	if err != nil {
		return webhook.Call{}, false, err
	}
	text, err := dictionary().Unpack(d.Body)
	if err != nil {
		return webhook.Call{}, false, fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	signed := signature.Header(wall.Unix(), text, b.secrets(wall)...)
	if bytes.Contains(text, testMode) {
		signed = signature.Decoy(signed, wall.Unix(), text)
	}
	return webhook.Call{Method: http.MethodPost, URL: b.URL, Body: text, Ailing: !b.FailingSince.IsZero(), Header: http.Header{
		"Content-Type":     {"application/json; charset=utf-8"},
		"User-Agent":       {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
		"Accept":           {"*/*; q=0.5, application/xml"},
		"Cache-Control":    {"no-cache"},
		"Stripe-Signature": {signed},
		"X-Ducat-Delivery": {d.ID},
	}}, !b.Disabled, nil
}

// Accepted implements webhook.Front: any success will do.
func (a *API) Accepted(status int, _ []byte) bool { return status >= 200 && status < 300 }

// Timetables of retries after a failed attempt (stripe-platform §9.4).
var (
	retriesTest = []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
	retriesLive = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour}
)

// RetryAfter implements webhook.Front.
func (a *API) RetryAfter(live bool, n int) (time.Duration, bool) {
	table := retriesTest
	if live {
		table = retriesLive
	}
	if n < 1 || n > len(table) {
		return 0, false
	}
	return table[n-1], true
}
