package multisafepay

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// scenario is how a test payment can end.
type scenario struct{ Key, Label string }

// scenarios of the test platform; the first two are those of the real one
// (reference §10.3).
var scenarios = []scenario{
	{"completed", "Completed"}, {"cancelled", "Cancelled"}, {"declined", "Declined"}, {"expired", "Expired"}, {"uncleared", "Uncleared"}, {"none", "No answer"},
}

// challenges are how the authentication of a card's holder can end.
var challenges = []scenario{{"completed", "Authenticated (Y)"}, {"declined", "Not authenticated (N)"}, {"cancelled", "Cancelled"}}

// walletName reads the wallet id of a page's address.
func walletName(r *http.Request) string {
	q := r.URL.Query()
	if s := q.Get("auth_order_id"); s != "" {
		return s
	}
	return q.Get("trxid")
}

// walletOrder finds the transaction and the order of a wallet id.
func (p visit) walletOrder(r store.Reader) (row resource.Row, tx transaction, orderRow resource.Row, o order, err error) {
	if row, tx, err = p.transaction(r, p.name); err != nil {
		return row, tx, orderRow, o, err
	}
	orderRow, o, err = readOrder(r.Resource(kindOrder, tx.Order))
	return row, tx, orderRow, o, err
}

// showWallet shows the test platform in place of the method's own page.
func (a *API) showWallet(w http.ResponseWriter, r *http.Request, page visit) {
	l := english
	var s screen
	status, offered := "", scenarios
	err := a.view(r.Context(), page.world, func(v *view) error {
		row, tx, _, o, err := page.walletOrder(v)
		if err != nil {
			return err
		}
		l = v.words(&o, "")
		s = v.screen(l, &o)
		g, _ := findGateway(tx.Gateway)
		s.Title, s.Note = "Test platform", g.Name
		s.Data = dataOf(g)
		if tx.Challenge != nil {
			s.Note, offered, s.Data = g.Name+", 3-D Secure", challenges, nil
		}
		if status, _, err = v.transactionStatuses(row, tx); err != nil {
			return err
		}
		s.To = o.returnURL(status)
		return nil
	})
	switch {
	case err != nil:
		a.fail(w, r, l, err)
	case status != "initialized":
		a.leave(w, s, false)
	default:
		s.Scenarios = offered
		a.render(w, http.StatusOK, "wallet.html", s)
	}
}

// decideWallet ends a test payment as the page was told to.
func (a *API) decideWallet(w http.ResponseWriter, r *http.Request, page visit) {
	l := english
	var s screen
	err := a.engine.Update(r.Context(), page.world, engine.Cause{}, func(t *engine.Tx) error {
		row, tx, orderRow, o, err := page.walletOrder(t)
		if err != nil {
			return err
		}
		v := a.in(t)
		l = v.words(&o, "")
		s = v.screen(l, &o)
		p, err := t.LoadPayment(row.Payment)
		if err != nil {
			return err
		}
		if _, err := t.Lapse(p); err != nil {
			return err
		}
		if p.State() == payment.AwaitingPayer {
			// A sibling may have been paid after this page was opened.
			if _, err := a.unused(t, o.OrderID); err != nil {
				if _, paid := errors.AsType[*wireError](err); !paid {
					return err
				}
				o.Closed = true
				if err := a.saveOrder(t, &orderRow, &o); err != nil {
					return err
				}
				if err := t.Void(p); err != nil {
					return err
				}
			} else if err := a.decide(t, row, tx, orderRow, p, r.PostForm); err != nil {
				return err
			}
		}
		if row, tx, err = transactionOf(t, row.ID); err != nil {
			return err
		}
		status, _, err := v.transactionStatuses(row, tx)
		s.To = o.returnURL(status)
		if r.PostForm.Get("scenario") == "none" {
			s.Title, s.Note, s.To, s.Close = l.Finished, l.CloseNote, "", false
		}
		return err
	})
	if err != nil {
		a.fail(w, r, l, err)
		return
	}
	a.leave(w, s, true)
}

// decide applies a scenario to a payment that waits for its payer. What the
// control API scripted for the key goes before an ordinary approval.
func (a *API) decide(t *engine.Tx, row resource.Row, tx transaction, orderRow resource.Row, p *payment.Payment, posted url.Values) error {
	scenario := posted.Get("scenario")
	approve := func(rule rail.Rule) error {
		rule.On = "approve"
		return t.DecidePayment(p.ID, rail.Approve, rule)
	}
	if tx.Challenge != nil {
		return a.decideChallenge(t, row, tx, orderRow, p, scenario, approve)
	}
	if d := dataOf(tx.gateway()); d != nil && posted.Get(d.Name) != "" {
		return a.decideByData(t, row, tx, posted.Get(d.Name), approve)
	}
	switch scenario {
	case "completed":
		if g, _ := findGateway(tx.Gateway); g.Kind == cards {
			tx.Plastic = &plastic{Last4: "1111", Bin: "411111", Expiry: "3012"}
			row.Body = resource.Encode(tx)
			if err := t.UpdateResource(row); err != nil {
				return err
			}
		}
		if scripted(t.Who.Profile.Script, "approve") {
			return t.DecidePayment(p.ID, rail.Approve)
		}
		return approve(rail.Rule{Do: "delay"}) // at once: shops look when the payer returns
	case "cancelled":
		return t.DecidePayment(p.ID, rail.Abort)
	case "declined":
		return t.DecidePayment(p.ID, rail.Decline)
	case "expired":
		return approve(rail.Rule{Do: "decline", Reason: string(reasonTimedOut)})
	case "uncleared":
		tx.Review = true
		row.Body = resource.Encode(tx)
		if err := t.UpdateResource(row); err != nil {
			return err
		}
		if err := approve(rail.Rule{Do: "delay", DelaySeconds: threeMinutes}); err != nil {
			return err
		}
		o, err := orderOf(orderRow)
		if err != nil {
			return err
		}
		return a.changed(t, &orderRow, &o, false)
	case "none":
		return nil
	}
	return errForm
}

// decideChallenge ends the authentication of a card's holder.
func (a *API) decideChallenge(t *engine.Tx, row resource.Row, tx transaction, orderRow resource.Row, p *payment.Payment, scenario string, approve func(rail.Rule) error) error {
	verdict := *tx.Challenge
	tx.Challenge = nil
	switch scenario {
	case "completed":
		tx.Review, tx.Reason, tx.ReasonCode = verdict.Review, verdict.Reason, verdict.Code
	case "declined":
		tx.Reason, tx.ReasonCode = notAuthenticated.reason, notAuthenticated.code
	case "cancelled":
		return t.DecidePayment(p.ID, rail.Abort)
	default:
		return errForm
	}
	row.Body = resource.Encode(tx)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	if scenario == "declined" {
		return t.DecidePayment(p.ID, rail.Decline)
	}
	if err := approve(verdict.rule()); err != nil || !verdict.Review {
		return err
	}
	return a.lookedAt(t, orderRow.ID)
}

// lookedAt tells of an order that is under review from now on.
func (a *API) lookedAt(t *engine.Tx, id string) error {
	row, err := t.Resource(kindOrder, id)
	if err != nil {
		return err
	}
	o, err := orderOf(row)
	if err != nil {
		return err
	}
	return a.changed(t, &row, &o, false)
}

// scripted reports whether instructions in force say something about a step.
func scripted(script, step string) bool {
	var rules []rail.Rule
	if json.Unmarshal([]byte(script), &rules) != nil {
		return false
	}
	_, ok := rail.Find(rules, step)
	return ok
}
