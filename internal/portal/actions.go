package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/store"
)

// methodName is a payment method's name for people.
func methodName(product, key string) string {
	if r, ok := method.Find(product, key); ok {
		return r.Name
	}
	return key
}

// refund sends money of a payment back. What is refused is said beside the form,
// and changes nothing.
func (v *visit) refund() error {
	form := v.r.PostForm
	err := v.update(func(t *engine.Tx) error { return v.refundIn(t, form) })
	if f := fault.KindOf(err); err != nil && f != fault.Internal {
		return v.showPayment(statusOf(err), paymentPage{Error: v.wordsOf(v.w, v.r, err), Entered: form.Get("amount"), EnteredReason: form.Get("reason")})
	}
	if err != nil {
		return err
	}
	v.back("refund")
	return nil
}

func (v *visit) refundIn(t *engine.Tx, form url.Values) error {
	p, err := t.LoadPayment(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := t.Lapse(p); err != nil {
		return err
	}
	// The page's version makes a button that is pressed twice pay once.
	if version, err := strconv.ParseInt(form.Get("version"), 10, 64); err != nil || version != p.Version {
		return fault.New(fault.Conflict, "changed", "The payment has changed since this page was shown, perhaps because the button was pressed twice. Nothing was refunded now; look at the refunds below before you repeat it.")
	}
	left := p.CapturedAmount().Sub(p.RefundedAmount())
	if err := refundable(p, left, t.At); err != nil {
		return err
	}
	amount, err := money.Parse(strings.TrimSpace(form.Get("amount")), left.Currency)
	if err != nil || amount.Minor <= 0 {
		return fault.Newf(fault.Invalid, "bad_amount", "The amount to refund is a number like %s, in %s.", left.Decimal(), left.Currency)
	}
	if amount.Minor > left.Minor {
		return fault.Newf(fault.Invalid, "bad_amount", "%s is more than the %s that can still be refunded.", amounts(amount), amounts(left))
	}
	why := engine.RefundReason(form.Get("reason"))
	if !why.Known() {
		return fault.Newf(fault.Invalid, "bad_reason", "%q is not one of the reasons.", clip(string(why)))
	}
	f, err := v.front(p.Front)
	if err != nil {
		return err
	}
	return f.RefundByHand(t, p, amount, why)
}

// resend tells the merchant's server once more what it was told about a payment.
func (v *visit) resend() error {
	id, endpoint := v.r.PostForm.Get("id"), v.r.PostForm.Get("endpoint")
	if err := v.update(func(t *engine.Tx) error {
		p, err := t.Payment(v.r.PathValue("id"))
		if err != nil {
			return err
		}
		f, err := v.front(p.Front)
		if err != nil {
			return err
		}
		told, err := f.Told(t, p)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(told, func(m engine.Told) bool {
			return m.ID == id && slices.ContainsFunc(m.Deliveries, func(d store.Delivery) bool { return d.Endpoint == endpoint })
		}) {
			return fault.New(fault.NotFound, "no_delivery", "This was not sent about this payment.")
		}
		return f.ResendByID(t, id, endpoint)
	}); err != nil {
		return err
	}
	v.back("resend")
	return nil
}

// back goes to the payment's page, so that reloading it does nothing again.
func (v *visit) back(done string) {
	http.Redirect(v.w, v.r, Root+"/payments/"+url.PathEscape(v.r.PathValue("id"))+"?done="+done, http.StatusSeeOther)
}
