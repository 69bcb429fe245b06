package multisafepay

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// createOrder answers POST /orders.
func createOrder(c *call) (step, error) {
	hidden, err := c.api.secrets(c.ctx)
	if err != nil {
		return step{}, err
	}
	var row resource.Row
	var made order    // what is stored of it
	var now *paying   // with what, if that was not read yet
	var in *engine.Tx // as of this transaction
	again := false
	return step{
		begin: func(t *engine.Tx) error {
			first := !again
			in, now, again = t, nil, true
			switch t.Who.Profile.Settings[settingBlocked] {
			case "true":
				return refuse(codeSite)
			case "account":
				return refuse(codeBlocked)
			}
			r, err := decodeOrder(c.body, t.Who)
			if err != nil {
				return err
			}
			if !first {
				if err := c.api.reorder(t, r.OrderID); err != nil {
					return err
				}
			}
			r.Key, r.Modified, r.Status, r.Financial = c.principal.key, t.At, "initialized", "initialized"
			row = c.api.newRow(t, kindOrder, c.api.newPSP(t.At), "", nil, resource.Key{Name: "order_id", Value: r.OrderID})
			row.Version = 0
			if first { // nearly every order is the first of its id; one that is not comes again
				row.First = "order_id"
			}
			if r.hosted() {
				err = c.api.openSession(t, hidden, &row, r)
			} else {
				now, err = c.api.openDirect(t, hidden, &row, r)
			}
			made = r.order
			return err
		},
		finish: func(t *engine.Tx) (any, error) {
			if t != in { // a rail was asked meanwhile
				now = nil
				if err := c.api.reload(t, &row, &made); err != nil {
					return nil, err
				}
			}
			return c.api.in(t).created(row, &made, now, hidden, t.Wall)
		},
	}, nil
}

// reorder refuses an order id under which another order cannot be made.
func (a *API) reorder(t *engine.Tx, orderID string) error {
	n, err := a.unused(t, orderID)
	if err == nil && n >= reordersMax { // an order that is paid could be overlooked among more
		return refusef(codeOrder, "%d orders were made under it already", n)
	}
	return err
}

// unused refuses an order id under which money was taken or promised already
// (reference §3.11), and counts the orders that were made under it.
func (a *API) unused(t *engine.Tx, orderID string) (n int, err error) {
	rows, err := t.Resources(store.List{Kind: kindOrder, Key: "order_id", Value: orderID, Limit: siblingsMax})
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		o, err := orderOf(row)
		if err != nil {
			return 0, err
		}
		status, _, err := a.in(t).statuses(&o)
		if err != nil {
			return 0, err
		}
		if taken(status) {
			return 0, refuse(codeOrder)
		}
	}
	return len(rows), nil
}

// kindClaim is a row per order id that was paid for without a payer's page. Its
// only use is to be written: two requests that pay under one id at the same time
// both find it unused, and one of them is run again by this.
const kindClaim = Name + ".claim"

func (a *API) claim(t *engine.Tx, orderID string) error {
	row, err := t.Resource(kindClaim, orderID)
	if errors.Is(err, store.ErrNotFound) {
		return t.InsertResource(a.newRow(t, kindClaim, orderID, "", nil))
	}
	if err != nil {
		return err
	}
	return t.UpdateResource(row)
}

// openSession stores an order that is paid on the payment page.
func (a *API) openSession(t *engine.Tx, hidden *secrets, row *resource.Row, r *request) error {
	r.Session = hidden.session(a.engine.IDs, t.Who.ID, row.ID)
	r.Until = t.At.Add(time.Duration(r.seconds) * time.Second)
	if err := a.saveOrder(t, row, &r.order); err != nil {
		return err
	}
	if r.Options.Notification == "" {
		return nil // whoever looks sees that the time is over; nobody has to be told
	}
	return a.planEnd(t, *row, &r.order)
}

// openDirect begins the transaction at once, and returns it if it awaits its payer.
func (a *API) openDirect(t *engine.Tx, hidden *secrets, row *resource.Row, r *request) (*paying, error) {
	op, err := a.directly(t, r)
	if err != nil {
		return nil, cmp.Or(a.reorder(t, r.OrderID), err) // an id that is taken is told first
	}
	if len(op.rules) > 0 {
		if err := a.claim(t, r.OrderID); err != nil {
			return nil, err
		}
		if _, err := a.unused(t, r.OrderID); err != nil { // whoever had it before has committed
			return nil, err
		}
	}
	o := &r.order
	now, err := a.start(t, hidden, row, o, r.gateway, op)
	if err != nil {
		return nil, err
	}
	switch now.p.State() {
	case payment.Declined:
		return nil, &wireError{status: 404, code: codeDeclined, text: titles[codeDeclined], keep: true}
	case payment.AwaitingPayer:
		return now, a.notify(t, row, o, t.At.Add(firstAfter))
	case payment.Processing:
		if err := a.reload(t, row, o); err != nil {
			return nil, err
		}
		return nil, a.changed(t, row, o, false)
	}
	return nil, a.reload(t, row, o) // Tell has told it
}

// directly says how a direct transaction begins (reference §3.10, §11.1).
func (a *API) directly(t *engine.Tx, r *request) (opening, error) {
	switch r.gateway.Kind {
	case cards:
		return a.charge(t, r)
	case later:
		// Bought now: the provider has accepted, and pays when it has shipped.
		return opening{rules: approve()}, nil
	case debit:
		return debited(r)
	case redirecting, transfer, coupon:
	}
	issuer, err := short("gateway_info.issuer_id", r.info.Get("issuer_id"))
	if r.info.Get("payment_token").Present() {
		return opening{rules: approve()}, err
	}
	return opening{issuer: issuer}, err
}

func approve() []rail.Rule { return []rail.Rule{{On: "authorize", Do: "approve"}} }

// debited reads the account a direct debit is about.
func debited(r *request) (opening, error) {
	iban, err := short("gateway_info.account_id", r.info.First("account_id", "account_holder_iban"))
	if err != nil {
		return opening{}, err
	}
	holder, err := short("gateway_info.account_holder_name", r.info.Get("account_holder_name"))
	if err != nil {
		return opening{}, err
	}
	op, err := debitedFrom(strings.ReplaceAll(iban, " ", ""))
	op.holder = holder
	return op, err
}

// debitedFrom is what a direct debit of an account comes to: the last digits of the
// test accounts say it.
func debitedFrom(iban string) (opening, error) {
	if len(iban) < 15 {
		return opening{}, refusef(codeMissing, "gateway_info.account_id")
	}
	op := opening{account: masked(iban)}
	const two, three = 120, 180
	switch {
	case strings.HasSuffix(iban, "02"):
		op.rules = []rail.Rule{{On: "authorize", Do: "pending", DelaySeconds: two, Reason: string(payment.PayerDeclined)}}
	case strings.HasSuffix(iban, "03"):
		op.rules, op.doubts = []rail.Rule{{On: "authorize", Do: "pending", DelaySeconds: three}}, two*time.Second
	case strings.HasSuffix(iban, "04"):
		op.rules, op.doubts = []rail.Rule{{On: "authorize", Do: "pending", DelaySeconds: three, Reason: string(payment.PayerDeclined)}}, two*time.Second
	default:
		op.rules = []rail.Rule{{On: "authorize", Do: "pending", DelaySeconds: two}}
	}
	return op, nil
}

// masked shows the end of an account's number (reference §12.6).
func masked(iban string) string { return "*** " + iban[max(0, len(iban)-4):] }

// created is the answer to POST /orders.
func (v *view) created(row resource.Row, o *order, now *paying, hidden *secrets, wall time.Time) (_ any, err error) {
	if o.hosted() {
		return v.createdSession(o, hidden, wall), nil
	}
	if now == nil {
		if now, err = v.current(o); err != nil {
			return nil, err
		}
	}
	out, err := v.renderWith(row, o, now)
	if err != nil {
		return nil, err
	}
	out["payment_url"] = v.walletURL(now.tx, now.p, o.returnURL("completed"))
	out["cancel_url"] = o.returnURL("void")
	if now.tx.Challenge != nil && now.p.State() == payment.AwaitingPayer {
		out["customer_verification"] = value.Object{"type": "form", "html": challengeForm(v.api.config.BaseURL, now.tx)}
	}
	return out, nil
}

// createdSession is created for an order that is paid on the payment page.
func (v *view) createdSession(o *order, hidden *secrets, wall time.Time) value.Object {
	out := value.Object{}
	if v.setting(settingSession) != "false" {
		out = v.watchable(o, hidden, wall)
	}
	out["order_id"], out["payment_url"] = o.OrderID, v.paymentURL(o)
	if o.QR > 0 {
		out["qr_url"] = v.api.config.BaseURL + "/connect/" + o.Session + "/code/qr.png"
	}
	return out
}

// walletURL is where the payer of a transaction goes: the method's page, which
// is a simulator's in a sandbox, or straight back to the merchant when nothing
// is left to do.
func (v *view) walletURL(tx transaction, p payment.Payment, back string) string {
	g, _ := findGateway(tx.Gateway)
	if p.State() != payment.AwaitingPayer || g.Kind == transfer {
		if back == "" {
			return v.api.config.BaseURL + "/simulator/done"
		}
		return back
	}
	return v.api.config.BaseURL + walletPath(tx)
}

// walletPath is the path of a transaction's page.
func walletPath(tx transaction) string {
	if tx.Gateway == "ALIPAY" {
		return "/simulator/alipay/standard/auth.htm?auth_order_id=" + tx.Wallet
	}
	return "/simulator/" + strings.ToLower(tx.Gateway) + "?trxid=" + tx.Wallet
}

// siteName is who the payer pays.
func siteName(m merchant.Merchant) string { return m.Profile.Name }

// idNumbers are the ids of an account and its site on the wire, which are
// integers (reference §2, /me).
func idNumbers(m merchant.Merchant) (account, site int64) {
	n := m.ID % 1_000_000_0
	return 10_000_000 + n, 1_000_000 + n%1_000_000
}

// retrieveLink answers GET /orders/{id}/paymentlink, which old clients call.
func retrieveLink(c *call) (any, error) {
	var out value.Object
	err := c.view(func(v *view) error {
		_, o, err := v.orderRow(c.path["order"])
		if err != nil {
			return err
		}
		if !o.hosted() {
			return refuse(codeOrder)
		}
		out = value.Object{"order_id": o.OrderID, "payment_url": v.paymentURL(&o)}
		return nil
	})
	return out, err
}

// cancelQR answers POST /orders/{id}/cancel: an order that is paid by QR code is
// cancelled while nobody has paid; no other is (reference §5, §8.1).
func cancelQR(c *call) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			row, o, err := c.settled(t)
			if err != nil {
				return err
			}
			status, _, err := c.api.in(t).statuses(&o)
			if err != nil {
				return err
			}
			if o.QR == 0 || taken(status) {
				return &wireError{status: 403, code: codeOrder, text: titles[codeOrder] + ": only orders that are to be paid by QR code can be cancelled like this"}
			}
			return c.api.cancel(t, &row, &o)
		},
		finish: func(*engine.Tx) (any, error) { return value.Object{}, nil },
	}, nil
}
