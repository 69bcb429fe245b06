package multisafepay

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
)

// sessionName is the session in the path of its page.
func sessionName(r *http.Request) string { return r.PathValue("session") }

// payable reports whether a session can still begin a transaction.
func (o *order) payable(at time.Time) bool {
	return o.Ended == sessionOpen && !o.Closed && at.Before(o.Until) && o.Started < openingsMax
}

// showSession shows the payment page.
func (a *API) showSession(w http.ResponseWriter, r *http.Request, page visit) {
	l := english
	var s screen
	status, over := "", false
	err := a.view(r.Context(), page.world, func(v *view) error {
		_, o, err := page.order(v, page.name)
		if err != nil {
			return err
		}
		l = v.words(&o, r.URL.Query().Get("lang"))
		if status, _, err = v.statuses(&o); err != nil {
			return err
		}
		s = v.screen(l, &o)
		s.To, over = o.returnURL(status), !o.payable(v.at)
		s.Methods, s.All = v.methods(&o, r.URL.Query())
		s.Choose = o.Gateway == "" || s.All == ""
		return nil
	})
	switch {
	case err != nil:
		a.fail(w, r, l, err)
	case taken(status):
		a.leave(w, s, false)
	case over:
		s.Title, s.Note = l.Over, l.OverNote
		a.render(w, http.StatusGone, "notice.html", s)
	default:
		s.Title, s.Cancel = l.PayTitle, true
		a.render(w, http.StatusOK, "session.html", s)
	}
}

// screen is what every page about an order shows.
func (v *view) screen(l *words, o *order) screen {
	return screen{L: l, Merchant: siteName(v.merchant), Amount: total(o.amount()), Description: o.Description, Lines: lines(o.Items), Close: o.Options.CloseWindow}
}

// linesMax bounds the items a page shows.
const linesMax = 30

// lines turns the HTML of items into plain lines: markup is dropped, and what
// ends a line there ends one here.
func lines(items string) (out []string) {
	breaks := strings.NewReplacer("</tr>", "\n", "</li>", "\n", "<br>", "\n", "<br/>", "\n", "<br />", "\n", "</p>", "\n", "</td>", " ", "</th>", " ")
	for line := range strings.SplitSeq(tags.ReplaceAllString(breaks.Replace(items), ""), "\n") {
		if line = strings.TrimSpace(line); line != "" && len(out) < linesMax {
			out = append(out, line)
		}
	}
	return out
}

// methods are those the page offers: the order's own, or else those of the
// payer's country; or all of them, if the visitor asks (reference §11).
func (v *view) methods(o *order, q url.Values) (list []gateway, all string) {
	others := "?lang=" + url.QueryEscape(q.Get("lang")) + "&methods=all"
	everything := q.Get("methods") == "all"
	if g, ok := findGateway(o.Gateway); ok && !everything {
		return []gateway{g}, others
	}
	country := o.country()
	for _, g := range gateways {
		switch {
		case !g.enabled(v.merchant.Profile), !g.takes(o.Currency), g.Kind == coupon, o.Manual && !g.rules().SeparateCapture:
		case !everything && !g.rules().OfferedIn(country):
			all = others
		default:
			list = append(list, g)
		}
	}
	return list, all
}

// country is where the payer is thought to be: their address decides, or else
// the locale. A locale that is not supported says nothing about it.
func (o *order) country() string {
	if c := o.Customer.Country; c != "" {
		return c
	}
	if !locales[o.Locale] {
		return ""
	}
	_, c, _ := strings.Cut(o.Locale, "_")
	return c
}

// chooseMethod begins a transaction with the method the payer chose, or ends the
// session if they gave up.
func (a *API) chooseMethod(w http.ResponseWriter, r *http.Request, page visit) {
	l, to := english, ""
	var s screen
	err := a.engine.Update(r.Context(), page.world, engine.Cause{}, func(t *engine.Tx) error {
		v := a.in(t)
		row, o, err := page.order(t, page.name)
		if err != nil {
			return err
		}
		l = v.words(&o, r.URL.Query().Get("lang"))
		s = v.screen(l, &o)
		if err := a.settle(t, &row, &o); err != nil {
			return err
		}
		status, _, err := v.statuses(&o)
		switch {
		case err != nil:
			return err
		case taken(status):
			to, s.To = "", o.returnURL(status)
			return nil
		case !o.payable(t.At):
			return errOver
		case r.PostForm.Get("action") == "cancel":
			s.To = o.returnURL("cancelled")
			return a.cancel(t, &row, &o)
		}
		g, ok := findGateway(r.PostForm.Get("gateway"))
		if !ok || !g.enabled(t.Who.Profile) || !g.takes(o.Currency) || o.Manual && !g.rules().SeparateCapture {
			return errForm
		}
		to, err = a.begin(t, page.secrets, &row, &o, g)
		return err
	})
	switch {
	case err != nil:
		a.fail(w, r, l, err)
	case to != "":
		http.Redirect(w, r, to, http.StatusSeeOther)
	default:
		a.leave(w, s, true)
	}
}

// begin starts a transaction on the payer's page and returns where they go.
func (a *API) begin(t *engine.Tx, hidden *secrets, row *resource.Row, o *order, g gateway) (string, error) {
	now, err := a.start(t, hidden, row, o, g, byAmount(g, o))
	if err != nil {
		return "", err
	}
	if err := a.reload(t, row, o); err != nil {
		return "", err
	}
	if now.p.State() == payment.AwaitingPayer { // else Tell has told it
		if err := a.notify(t, row, o, t.At.Add(firstAfter)); err != nil {
			return "", err
		}
	}
	return walletPath(now.tx), nil
}

// byAmount decides the methods whose test scenario is the amount: up to 9.99 is
// declined, up to 20 completed, more waits for the payer (reference §11.1).
func byAmount(g gateway, o *order) opening {
	const declinedMax, completedMax = 999, 2000
	switch {
	case g.ID != "MBWAY" && g.ID != "MULTIBANCO", o.Amount > completedMax:
		return opening{}
	case o.Amount <= declinedMax:
		return opening{rules: declined(payment.PayerDeclined)}
	}
	return opening{rules: approve()}
}
