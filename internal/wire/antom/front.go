package antom

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/webhook"
	"github.com/ducatpay/ducat/internal/wire/antom/signature"
)

// Name implements engine.Front and webhook.Front.
func (a *API) Name() string { return Name }

func fromMilli(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// Tell writes what must be written with a fact: what the row keeps, the
// notification and its delivery (antom §6.3, §6.4), and the day's closing.
func (a *API) Tell(t *engine.Tx, f event.Fact, p *payment.Payment, r *payment.Refund) error {
	row, err := t.Resource(kindPayment, p.Owner)
	if err != nil {
		return err
	}
	b, err := decodeBody[paymentBody](row)
	if err != nil {
		return err
	}
	switch f.Kind {
	case event.Captured:
		return a.captured(t, f, p, row, b)
	case event.Declined, event.Expired, event.CaptureDeclined:
		return a.tellPayment(t, b, p)
	case event.RefundSucceeded, event.RefundFailed:
		if err := a.planClose(t); err != nil || r.ID == b.Reversal {
			return err // a cancellation is not notified
		}
		return a.tellRefund(t, f, r)
	case event.DisputeOpened, event.DisputeEscalated, event.DisputeWon, event.DisputeLost:
		return a.planClose(t)
	}
	return nil
}

// TellMerchant implements engine.Front.
func (a *API) TellMerchant(*engine.Tx, event.Fact) error { return nil }

// ReturnTo implements engine.Front: a debit has no page.
func (a *API) ReturnTo(store.Reader, payment.Payment) (string, []engine.Detail, error) {
	return "", nil, nil
}

// captured keeps what the capture cost, counts it against the payer's day, and
// tells.
func (a *API) captured(t *engine.Tx, f event.Fact, p *payment.Payment, row resource.Row, b paymentBody) error {
	if f.Fee.Minor > 0 {
		b.Fee = f.Fee.Minor
		row.Body = encodeBody(b)
		if err := t.UpdateResource(row); err != nil {
			return err
		}
	}
	if engine.Rules(*p).DailyMaximum > 0 {
		g, err := t.LoadAgreement(p.Agreement)
		if err != nil {
			return err
		}
		arow, ab, err := authorizationOf(t, g.Owner)
		if err != nil {
			return err
		}
		ab.Spent, ab.Day = ab.spentOn(t.At)+p.Amount.Minor, businessDay(t.At)
		arow.Body = encodeBody(ab)
		if err := t.UpdateResource(arow); err != nil {
			return err
		}
	}
	if err := a.planClose(t); err != nil {
		return err
	}
	return a.tellPayment(t, b, p)
}

// tellPayment notifies the payment's end (antom §6.3).
func (a *API) tellPayment(t *engine.Tx, b paymentBody, p *payment.Payment) error {
	facts, err := a.in(t).facts(b, p)
	if err != nil {
		return err
	}
	_, code := status(b, p)
	words := "success"
	if code != "SUCCESS" {
		words = wordsFor(code)
	}
	body := append(object{{"notifyType", "PAYMENT_RESULT"}, {"result", result(code, words)}}, facts...)
	body = append(body, member{"paymentMethodType", wireName(p.Method)}, member{"metadata", b.Metadata}, member{"customizedInfo", b.Customized})
	n := notice{kind: "PAYMENT_RESULT", client: b.Client, url: orSetting(t, b.NotifyURL, settingNotifyPay), body: body, payment: p.ID}
	switch b.Scenario {
	case "9914":
		n.copies = 3
	case "9915":
		n.after = 5 * time.Minute
	}
	return a.notify(t, n)
}

// tellRefund notifies a refund's end and keeps when it was.
func (a *API) tellRefund(t *engine.Tx, f event.Fact, r *payment.Refund) error {
	row, err := t.ResourceBy(kindRefund, "refund", r.ID)
	if err != nil {
		return err
	}
	b, err := decodeBody[refundBody](row)
	if err != nil {
		return err
	}
	if f.Kind == event.RefundSucceeded {
		b.Done = t.At.UnixMilli()
		row.Body = encodeBody(b)
		if err := t.UpdateResource(row); err != nil {
			return err
		}
	}
	state, code := refundState(r)
	facts, err := a.in(t).refundFacts(b, r)
	if err != nil {
		return err
	}
	words := "success"
	if code != "SUCCESS" {
		words = "The refund failed."
	}
	body := append(object{{"notifyType", "REFUND_RESULT"}, {"result", result(code, words)}, {"refundStatus", state}}, facts...)
	return a.notify(t, notice{
		kind: "REFUND_RESULT", client: b.Client, url: orSetting(t, b.NotifyURL, settingNotifyRefund), body: append(body, member{"metadata", b.Metadata}), payment: r.Payment,
	})
}

// notice is a notification to be written.
type notice struct {
	kind, client, url string
	payment           string
	body              object
	copies            int           // beside none, one
	after             time.Duration // how long it is held back
}

const kindNotice = "antom.notice"

// noticeBody is what a notification's row keeps; its text is the delivery's.
type noticeBody struct {
	Kind   string `json:"kind"`
	Client string `json:"client"`
	URL    string `json:"url"`
}

// notify writes a notification with its delivery. Without an address nothing is
// sent (antom §6.1).
func (a *API) notify(t *engine.Tx, n notice) error {
	if n.url == "" {
		return nil
	}
	noticeID := t.NewID("ntf_")
	row := resource.Row{
		Kind: kindNotice, ID: noticeID, Sort: sortOf(noticeID), Payment: n.payment, Created: t.At,
		Body: encodeBody(noticeBody{Kind: n.kind, Client: n.client, URL: n.url}),
	}
	if n.payment != "" {
		row.Keys = []resource.Key{{Name: "payment", Value: n.payment}}
	}
	if err := t.InsertResource(row); err != nil {
		return err
	}
	body := bodyOf(n.body)
	for range max(n.copies, 1) {
		d := store.Delivery{ID: t.NewID("dlv_"), Event: noticeID, Endpoint: noticeID, State: webhook.Pending, Created: t.At, Body: body}
		if n.after == 0 {
			if err := webhook.Plan(t, Name, n.kind, body, d); err != nil {
				return err
			}
			continue
		}
		d.Next = t.At.Add(n.after)
		if err := t.InsertDelivery(d); err != nil {
			return err
		}
		if err := t.Job(webhook.JobID(d.ID), webhook.Job, d.Next, webhook.Payload{Front: Name, Delivery: d.ID}); err != nil {
			return err
		}
	}
	return nil
}

// Prepare implements webhook.Front: the same bytes at every attempt, freshly
// signed over the path and query of the merchant's address.
func (a *API) Prepare(r store.Reader, d store.Delivery, wall time.Time) (webhook.Call, bool, error) {
	row, err := r.Resource(kindNotice, d.Event)
	if err != nil {
		return webhook.Call{}, false, err
	}
	b, err := decodeBody[noticeBody](row)
	if err != nil {
		return webhook.Call{}, false, err
	}
	u, err := url.Parse(b.URL)
	if err != nil {
		return webhook.Call{}, false, fmt.Errorf("notice %s: %w", row.ID, err)
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		path += "?" + u.RawQuery
	}
	at := wall.In(method.SettlementZone()).Format(time.RFC3339)
	sig, err := a.sign(context.Background(), signature.Message{Method: http.MethodPost, Path: path, Client: b.Client, Time: at, Body: d.Body})
	if err != nil {
		return webhook.Call{}, false, err
	}
	return webhook.Call{Method: http.MethodPost, URL: b.URL, Body: d.Body, Header: http.Header{
		"client-id": {b.Client}, "request-time": {at}, "signature": {sig}, "Content-Type": {"application/json; charset=UTF-8"},
	}}, true, nil
}

// Accepted implements webhook.Front: HTTP 200 with a result that says success.
func (a *API) Accepted(status int, body []byte) bool {
	var answer struct {
		Result struct {
			Code   string `json:"resultCode"`
			Status string `json:"resultStatus"`
		} `json:"result"`
	}
	if status != http.StatusOK || json.NewDecoder(bytes.NewReader(body)).Decode(&answer) != nil {
		return false
	}
	return answer.Result.Code == "SUCCESS" || answer.Result.Status == "S"
}

// retries are the pauses after each failed attempt: eight attempts in all
// (antom §6.1).
var retries = []time.Duration{2 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour}

// RetryAfter implements webhook.Front.
func (a *API) RetryAfter(_ bool, n int) (time.Duration, bool) {
	if n < 1 || n > len(retries) {
		return 0, false
	}
	return retries[n-1], true
}
