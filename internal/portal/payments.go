package portal

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

const (
	pageSize = 25
	// lookedAtMax bounds how many payments one page of a filtered list looks at; the
	// next page goes on from there.
	lookedAtMax = 2000
	lookAtOnce  = 100
)

// standing is where a payment stands, in one word for people.
type standing struct{ Key, Words string }

// standings are those there are, in the order in which they are offered.
var standings = []standing{
	{"paid", "Paid"}, {"refunded", "Refunded"}, {"partly_refunded", "Partly refunded"}, {"disputed", "Disputed"}, {"authorized", "Authorised"},
	{"partly_captured", "Partly captured"}, {"waiting", "Waiting"}, {"declined", "Declined"}, {"expired", "Expired"}, {"canceled", "Canceled"},
}

func standingOf(key string) (standing, bool) {
	for _, s := range standings {
		if s.Key == key {
			return s, true
		}
	}
	return standing{}, false
}

// stands says where a payment stands at an instant.
func stands(p *payment.Payment, at time.Time) standing {
	s, ok := standingOf(standingKey(p, at))
	if !ok {
		panic("portal: no words for a payment that is " + p.State().String())
	}
	return s
}

func standingKey(p *payment.Payment, at time.Time) string {
	if p.Overdue(at) {
		return "expired" // its timer has not come by yet
	}
	switch p.State() {
	case payment.Captured, payment.Authorized:
		if p.CapturedAmount().Minor == 0 {
			return "authorized"
		}
		switch back := p.RefundedAmount(); {
		case p.Dispute() != "":
			return "disputed"
		case p.State() == payment.Authorized:
			return "partly_captured"
		case back == p.CapturedAmount():
			return "refunded"
		case back.Minor > 0:
			return "partly_refunded"
		}
		return "paid"
	case payment.Started, payment.AwaitingPayer, payment.Processing:
		return "waiting"
	case payment.Voided:
		return "canceled"
	case payment.Declined, payment.Expired:
	}
	return p.State().String()
}

// line is a payment in the list.
type line struct {
	ID, Amount   string
	Standing     standing
	Method, Name string
	Created      time.Time
	Sale         engine.Sale
}

type paymentsPage struct {
	frame
	Standings []standing
	State     string // the filter
	Lines     []line
	Older     string // where the list goes on, "" at its end
	Searched  bool   // it goes on because enough was looked at
	First     bool   // it begins with the newest
}

// payments lists payments, newest first, or goes to the one that is asked for.
func (v *visit) payments() error {
	q := v.r.URL.Query()
	if id := q.Get("find"); id != "" {
		return v.find(id)
	}
	page := paymentsPage{Standings: standings, State: q.Get("state"), First: q.Get("before") == ""}
	if _, ok := standingOf(page.State); page.State != "" && !ok {
		return fault.Newf(fault.Invalid, "bad_filter", "Payments cannot be filtered by %q.", clip(page.State))
	}
	if err := v.view(func(r store.Reader, m merchant.Merchant, at time.Time) error {
		page.frame = v.frame("Payments", "payments", m, at)
		return v.list(&page, r, at, q.Get("before"))
	}); err != nil {
		return err
	}
	v.write(v.w, v.r, http.StatusOK, "payments", page)
	return nil
}

// list fills a page with the payments before one.
func (v *visit) list(page *paymentsPage, r store.Reader, at time.Time, before string) error {
	for looked := 0; ; looked += lookAtOnce {
		if looked >= lookedAtMax {
			page.Older, page.Searched = page.goOn(before), true
			return nil
		}
		ps, err := r.PaymentsBefore(before, lookAtOnce)
		if err != nil {
			return err
		}
		for i := range ps {
			p := &ps[i]
			stand := stands(p, at)
			if page.State != "" && stand.Key != page.State {
				before = p.ID
				continue
			}
			if len(page.Lines) == pageSize {
				page.Older = page.goOn(before)
				return nil
			}
			before = p.ID
			l, err := v.line(r, p, stand)
			if err != nil {
				return err
			}
			page.Lines = append(page.Lines, l)
		}
		if len(ps) < lookAtOnce {
			return nil
		}
	}
}

// goOn is the address of the page after a payment.
func (p paymentsPage) goOn(before string) string {
	q := url.Values{"before": {before}}
	if p.State != "" {
		q.Set("state", p.State)
	}
	return "?" + q.Encode()
}

func (v *visit) line(r store.Reader, p *payment.Payment, s standing) (line, error) {
	f, err := v.front(p.Front)
	if err != nil {
		return line{}, err
	}
	sale, err := f.Sale(r, *p)
	return line{ID: p.ID, Amount: amounts(p.Amount), Standing: s, Method: p.Method, Name: engine.Rules(*p).Name, Created: p.Created, Sale: sale}, err
}

// idMax bounds an id that is asked for.
const idMax = 255

// find goes to the payment an id means: ours, that of its refund or dispute, or any
// that a dialect knows.
func (v *visit) find(id string) error {
	found := ""
	if err := v.view(func(r store.Reader, _ merchant.Merchant, _ time.Time) (err error) {
		if len(id) <= idMax {
			found, err = v.paymentOf(r, id)
		}
		return err
	}); err != nil {
		return err
	}
	if found == "" {
		return fault.Newf(fault.NotFound, "no_payment", "No payment of this account is known as %q. Something that no payer has begun to pay is not a payment yet.", clip(id))
	}
	http.Redirect(v.w, v.r, Root+"/payments/"+url.PathEscape(found), http.StatusSeeOther)
	return nil
}

// paymentOf returns "" if nobody knows the id.
func (v *visit) paymentOf(r store.Reader, id string) (string, error) {
	asks := []func() (string, error){
		func() (string, error) { p, err := r.Payment(id); return p.ID, err },
		func() (string, error) { f, err := r.Refund(id); return f.Payment, err },
		func() (string, error) { d, err := r.Dispute(id); return d.Payment, err },
	}
	for _, f := range v.Fronts {
		asks = append(asks, func() (string, error) { return f.PaymentOf(r, id) })
	}
	for _, ask := range asks {
		found, err := ask()
		if err == nil && found != "" {
			return found, nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) && fault.KindOf(err) == fault.Internal {
			return "", err
		}
	}
	return "", nil
}
