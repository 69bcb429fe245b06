package portal

import (
	"net/http"
	"slices"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

type paymentPage struct {
	frame
	line
	Version                  int64
	Captured, Refunded, Left string
	LeftDecimal, Currency    string
	CapturedAt               time.Time
	Refundable               string // why not, "" if it is
	Steps                    []step
	Refunds                  []payment.Refund
	Dispute                  *payment.Dispute
	Told                     []engine.Told
	Transfers                []ledger.Transfer
	Reasons                  []reason

	Done, Error   string
	Entered       string // an amount that was refused
	EnteredReason string
}

// reason is a refund's to choose from.
type reason struct{ Key, Words string }

// step is something that happened to a payment.
type step struct {
	At    time.Time
	Words string
	Note  string
	Kind  string // good, bad or "": how it looks
}

// done are the words after something was done, by their key in the address.
var done = map[string]string{
	"refund": "The refund is on its way.",
	"resend": "It is being sent once more.",
}

// payment shows one payment.
func (v *visit) payment() error {
	return v.showPayment(http.StatusOK, paymentPage{Done: done[v.r.URL.Query().Get("done")]})
}

func (v *visit) showPayment(status int, page paymentPage) error {
	if err := v.view(func(r store.Reader, m merchant.Merchant, at time.Time) error {
		p, err := r.Payment(v.r.PathValue("id"))
		if err != nil {
			return err
		}
		page.frame = v.frame("Payment of "+amounts(p.Amount), "payments", m, at)
		return v.fill(&page, r, p, at)
	}); err != nil {
		return err
	}
	v.write(v.w, v.r, status, "payment", page)
	return nil
}

// fill reads everything about a payment.
func (v *visit) fill(page *paymentPage, r store.Reader, p payment.Payment, at time.Time) (err error) {
	if page.line, err = v.line(r, &p, stands(&p, at)); err != nil {
		return err
	}
	left := p.CapturedAmount().Sub(p.RefundedAmount())
	page.Version, page.CapturedAt, page.Currency = p.Version, p.CapturedAt(), string(p.Amount.Currency)
	page.Captured, page.Refunded, page.Left, page.LeftDecimal = amounts(p.CapturedAmount()), amounts(p.RefundedAmount()), amounts(left), left.Decimal()
	if err := refundable(&p, left, at); err != nil {
		page.Refundable = err.Message
	}
	for _, why := range []engine.RefundReason{"", engine.RefundRequested, engine.RefundDuplicate, engine.RefundFraud} {
		page.Reasons = append(page.Reasons, reason{string(why), why.Words()})
	}
	if page.Refunds, err = r.Refunds(p.ID); err != nil {
		return err
	}
	if id := p.Disputed(); id != "" {
		d, err := r.Dispute(id)
		if err != nil {
			return err
		}
		page.Dispute = &d
	}
	attempts, err := r.Attempts(p.ID)
	if err != nil {
		return err
	}
	page.Steps = steps(&p, attempts, page.Refunds, page.Dispute, at)
	if page.Transfers, err = engine.TransfersOf(r, p); err != nil {
		return err
	}
	f, err := v.front(p.Front)
	if err != nil {
		return err
	}
	page.Told, err = f.Told(r, p)
	return err
}

// endings say how an attempt ended.
var endings = map[payment.State]step{
	payment.Declined: {Words: "Declined", Kind: "bad"},
	payment.Expired:  {Words: "Expired: not decided, or not captured, in time", Kind: "bad"},
	payment.Voided:   {Words: "Canceled"},
}

// steps tells what happened to a payment, in order as far as times are known: how
// an attempt that is over ended has no time of its own and follows its beginning.
func steps(p *payment.Payment, attempts []payment.Attempt, refunds []payment.Refund, d *payment.Dispute, at time.Time) []step {
	var all []step
	for _, a := range attempts {
		name := methodName(p.Product, a.Method)
		all = append(all, step{At: a.Begun, Words: amounts(a.Amount) + " asked for with " + name, Note: a.ID})
		if !a.AuthorizedAt.IsZero() {
			all = append(all, step{At: a.AuthorizedAt, Words: "Authorised by the payer", Note: a.Reference})
		}
		end, over := endings[a.State()]
		switch {
		case over:
			end.Note = string(a.Reason)
			all = append(all, end)
		case a.ID == p.Attempt.ID && p.Overdue(at):
			all = append(all, step{At: a.Deadline, Words: "Expired", Kind: "bad"})
		case a.State().Waiting():
			all = append(all, step{At: a.Deadline, Words: waitingFor[a.State()], Note: "until then"})
		}
	}
	if !p.CapturedAt().IsZero() {
		all = append(all, step{At: p.CapturedAt(), Words: amounts(p.CapturedAmount()) + " captured", Kind: "good"})
	}
	var later []step
	for _, f := range refunds {
		later = append(later, step{At: f.Created, Words: "Refund of " + amounts(f.Amount) + " begun", Note: f.ID})
	}
	if d != nil {
		what := "Dispute"
		if d.State().Inquiry() {
			what = "Inquiry"
		}
		later = append(later, step{At: d.Created, Words: what + " about " + amounts(d.Amount) + " opened", Note: d.Reason, Kind: "bad"})
	}
	slices.SortStableFunc(later, func(a, b step) int { return a.At.Compare(b.At) })
	return append(all, later...)
}

var waitingFor = map[payment.State]string{
	payment.Started: "Being started", payment.AwaitingPayer: "Waiting for the payer",
	payment.Processing: "Waiting for the wallet's word", payment.Authorized: "Waiting to be captured",
}

// refundable says in words why nothing of a payment can be refunded, nil if it
// can. The dialect judges again when it is asked.
func refundable(p *payment.Payment, left money.Amount, at time.Time) *fault.Error {
	no := func(format string, args ...any) *fault.Error {
		return fault.Newf(fault.Conflict, "not_refundable", format, args...)
	}
	switch window := engine.Rules(*p).RefundFor; {
	case p.State() == payment.Authorized && p.CapturedAmount().Minor == 0:
		return no("Nothing has been captured, so there is nothing to refund.")
	case p.CapturedAmount().Minor == 0:
		return no("The payment was not completed, so there is nothing to refund.")
	case p.Dispute() != "":
		return no("The payer disputes the payment. While the money is claimed that way, and after it, it cannot be refunded.")
	case left.Minor == 0:
		return no("All of the payment has been refunded.")
	case window == 0:
		return no("Payments with %s cannot be refunded.", engine.Rules(*p).Name)
	case at.Truncate(time.Second).After(p.CapturedAt().Truncate(time.Second).Add(window)):
		return no("The refund window of %d days has passed.", int(window.Hours()/24))
	}
	return nil
}
