package multisafepay

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/webhook"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/signature"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// firstAfter is how long after a transaction has begun its first notification
// goes out (reference §12.6: 2 to 4 seconds).
const firstAfter = 2 * time.Second

// changed writes an order whose facts may have changed, and plans a
// notification if its statuses did, or if force says that something else did
// which the merchant hears about.
func (a *API) changed(t *engine.Tx, row *resource.Row, o *order, force bool) error {
	status, financial, err := a.in(t).statuses(o)
	if err != nil {
		return err
	}
	moved := status != o.Status || financial != o.Financial
	if o.Closed {
		moved, force = false, false
	}
	if moved || force {
		o.Status, o.Financial, o.Modified = status, financial, t.At
	}
	if err := a.saveOrder(t, row, o); err != nil || !moved && !force {
		return err
	}
	return a.notify(t, row, o, t.At)
}

// notify plans a notification about an order. What it says is rendered when it
// goes out: a retry carries the order as it is then, signed anew (reference
// §12.5).
func (a *API) notify(t *engine.Tx, row *resource.Row, o *order, at time.Time) error {
	if o.Options.Notification == "" {
		return nil
	}
	return webhook.Plan(t, Name, o.Status, nil, store.Delivery{ID: t.NewID("ntf_"), Event: o.OrderID, Endpoint: row.ID, State: webhook.Pending, Created: at})
}

// Prepare implements webhook.Front. Signatures have the time of the wall,
// because receivers refuse other times.
func (a *API) Prepare(r store.Reader, d store.Delivery, wall time.Time) (webhook.Call, bool, error) {
	row, err := r.Resource(kindOrder, d.Endpoint)
	if err != nil {
		return webhook.Call{}, false, err
	}
	o, err := orderOf(row)
	if err != nil {
		return webhook.Call{}, false, err
	}
	m, err := r.Merchant()
	if err != nil {
		return webhook.Call{}, false, err
	}
	v := &view{Reader: r, api: a, merchant: m, at: m.Now(wall)}
	to := withParameter(o.Options.Notification, "transactionid", o.OrderID) + "&timestamp=" + strconv.FormatInt(wall.Unix(), 10)
	pre := o.Current == ""
	if pre {
		to += "&payload_type=pretransaction"
	}
	call := webhook.Call{Method: http.MethodGet, URL: to, Header: http.Header{"User-Agent": {userAgent}}}
	if !o.Options.Post {
		return call, true, nil
	}
	body := v.pretransaction(row, &o)
	if !pre {
		if body, err = v.object(row, &o); err != nil {
			return call, false, err
		}
	}
	call.Method, call.Body = http.MethodPost, value.Encode(body)
	call.Header.Set("Content-Type", "application/json")
	call.Header.Set("Auth", signature.Header(wall.Unix(), call.Body, o.Key))
	return call, true, nil
}

// userAgent is what receivers have seen (reference §12.2).
const userAgent = "Mozilla/5.0 (X11; Debian; Linux x86_64; rv:33.0) Gecko/20100101"

// ackWithin is how many bytes into the answer the acknowledgement may stand.
const ackWithin = 100

// Accepted implements webhook.Front: 200, and OK near the beginning. Receivers in
// the field write it in quotes or in lower case (reference §12.5).
func (a *API) Accepted(status int, body []byte) bool {
	return status == http.StatusOK && bytes.Contains(bytes.ToUpper(body[:min(len(body), ackWithin)]), []byte("OK"))
}

// retryEvery and retries are the timetable after a failure (reference §12.5).
const (
	retryEvery = 15 * time.Minute
	retries    = 3
)

// RetryAfter implements webhook.Front.
func (a *API) RetryAfter(_ bool, n int) (time.Duration, bool) {
	return retryEvery, n >= 1 && n <= retries
}

// withParameter appends a parameter to an address of the merchant's, whose own
// query stays in front as it was written.
func withParameter(to, name, val string) string {
	if to == "" {
		return ""
	}
	to, fragment, has := strings.Cut(to, "#")
	switch {
	case !strings.Contains(to, "?"):
		to += "?"
	case !strings.HasSuffix(to, "?") && !strings.HasSuffix(to, "&"):
		to += "&"
	}
	to += name + "=" + url.QueryEscape(val)
	if has {
		to += "#" + fragment
	}
	return to
}
