package hosted_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/hosted"
)

var opened = time.Date(2025, 11, 25, 12, 35, 0, 0, time.UTC)

// fakeDesk has one payment and settles it by the first decision.
type fakeDesk struct {
	mu      sync.Mutex
	token   string
	page    hosted.Page
	openErr error
	// decideErr is returned by Decide, which then changes nothing.
	decideErr error
	// after is the state Decide leaves; zero means Done.
	after    hosted.State
	requests []hosted.Request
}

func (d *fakeDesk) Open(_ context.Context, token string) (hosted.Page, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.openErr != nil {
		return hosted.Page{}, d.openErr
	}
	if token != d.token {
		return hosted.Page{}, hosted.ErrNotFound
	}
	return d.page, nil
}

func (d *fakeDesk) Decide(_ context.Context, token string, decision hosted.Decision, scenario string) (hosted.Page, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if token != d.token {
		return hosted.Page{}, errors.New("decision about a page that was never opened")
	}
	if d.decideErr != nil {
		return hosted.Page{}, d.decideErr
	}
	d.requests = append(d.requests, hosted.Request{Token: token, Decision: decision, Scenario: scenario})
	d.page.State = hosted.Done
	if d.after != 0 {
		d.page.State = d.after
	}
	return d.page, nil
}

func (d *fakeDesk) decided() []hosted.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]hosted.Request(nil), d.requests...)
}

const token = "tok_3Fz9-aB~c.D"

func ordinaryPage() hosted.Page {
	return hosted.Page{
		State:      hosted.Open,
		MethodName: "Alipay",
		MethodKey:  "alipay",
		Merchant:   "Ducat sandbox acct_1QxP2nKd83bY",
		AmountText: "$10.99",
		Currency:   "USD",
		ExpiresAt:  opened.Add(time.Hour),
		ReturnURL:  "https://shop.example/return?cart=77&client_secret=cs_1&livemode=false&source=src_1",
		Details: []hosted.Detail{
			{Label: "Type", Value: "alipay"},
			{Label: "Amount", Value: "1099"},
			{Label: "Currency", Value: "usd"},
			{Label: "Source", Value: "src_1TcQ7nKd83bYwXr5mHs2Vu9L"},
			{Label: "Return URL", Value: "https://shop.example/return?cart=77"},
			{Label: "Statement descriptor", Value: "SHOP EXAMPLE"},
			{Label: "Livemode", Value: "false"},
		},
		Scenarios: []hosted.Scenario{
			{Key: "insufficient_funds", Label: "Charge fails: insufficient funds"},
			{Key: "chargeable_delay=30", Label: "Chargeable 30 seconds after the return"},
		},
	}
}

// newDesk returns a desk with the ordinary page, changed by edits.
func newDesk(edits ...func(*hosted.Page)) *fakeDesk {
	p := ordinaryPage()
	for _, edit := range edits {
		edit(&p)
	}
	return &fakeDesk{token: token, page: p}
}

func newHandler(t *testing.T, d hosted.Desk) http.Handler {
	t.Helper()
	return hosted.New(d, hosted.Options{
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Now: func() time.Time { return opened },
	})
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
