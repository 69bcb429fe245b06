package multisafepay

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// Types of transaction (reference §4.6, §8.3).
const (
	txPayment   = "payment"
	txRefund    = "refund"
	txDispute   = "chargeback"
	txUndispute = "reverse-chargeback"
	txCapture   = "capture"           // a part of an authorisation
	txRelease   = "auth-cancellation" // what was left of one goes back
)

// transaction is the body of a transaction's row. Its id is the PSP id.
type transaction struct {
	Type        string    `json:"type"`
	Order       string    `json:"order"`             // id of the order's row
	OrderID     string    `json:"order_id"`          // the merchant's, of the transaction itself
	Parent      string    `json:"parent,omitempty"`  // PSP id of the payment a refund or chargeback is about
	Refund      string    `json:"refund,omitempty"`  // of the core
	Dispute     string    `json:"dispute,omitempty"` // of the core
	Gateway     string    `json:"gateway,omitempty"`
	Wallet      string    `json:"wallet,omitempty"` // names it at the method's page
	Description string    `json:"description"`
	Currency    string    `json:"currency"`
	Amount      int64     `json:"amount"`
	Vars        [3]string `json:"vars"`
	Completed   time.Time `json:"completed,omitzero"`
	Modified    time.Time `json:"modified"`
	Fee         int64     `json:"fee,omitempty"`
	SettlesAt   time.Time `json:"settles_at,omitzero"` // until then it is paid, but not settled
	Review      bool      `json:"review,omitempty"`    // somebody has to decide
	Plastic     *plastic  `json:"card,omitempty"`
	Account     string    `json:"account,omitempty"` // masked
	Holder      string    `json:"holder,omitempty"`
	Issuer      string    `json:"issuer,omitempty"`
	Token       string    `json:"token,omitempty"` // recurring id
	Reason      string    `json:"reason,omitempty"`
	ReasonCode  string    `json:"reason_code,omitempty"`
	Shares      []share   `json:"shares,omitempty"`    // what went to other accounts
	Part        *partial  `json:"part,omitempty"`      // a partial capture under way
	ReviewAt    time.Time `json:"review_at,omitzero"`  // somebody has to decide from then on
	Challenge   *verdict  `json:"challenge,omitempty"` // what a card comes to once its holder is authenticated
}

// gateway is the transaction's.
func (tx transaction) gateway() gateway {
	g, _ := findGateway(tx.Gateway)
	return g
}

// plastic is what is kept of a card.
type plastic struct {
	Last4  string `json:"last4"`
	Bin    string `json:"bin"`
	Expiry string `json:"expiry"` // YYMM
	Holder string `json:"holder,omitempty"`
}

// newRow makes a row whose place in lists is the transaction's time: that of its id
// if it was drawn for it.
func (a *API) newRow(t *engine.Tx, kind, rowID, paymentID string, body any, keys ...resource.Key) resource.Row {
	sort, ok := id.SortNumber(rowID)
	if !ok || sort < id.Floor(t.At) {
		sort, _ = id.SortNumber(a.newPSP(t.At))
		sort += t.Random(id.SortLen - len(sort))
	}
	return resource.Row{Kind: kind, ID: rowID, Sort: sort, Payment: paymentID, Created: t.At, Version: 1, Body: resource.Encode(body), Keys: keys}
}

// opening is how a transaction begins: on the payer's page, or decided at once.
type opening struct {
	rules   []rail.Rule // instructions to the simulator
	plastic *plastic
	account string
	holder  string
	issuer  string
	token   string
	review  bool
	doubts  time.Duration // after which somebody has to decide
	failure failure       // what a refusal says
	verdict *verdict      // the card's holder is authenticated first
}

type failure struct{ reason, code string }

// start begins a transaction of an order and makes it the current one. A
// transaction of the order that is still open is given up. What it returns is as it was
// stored first: unless it awaits its payer, Tell has changed it.
func (a *API) start(t *engine.Tx, hidden *secrets, row *resource.Row, o *order, g gateway, op opening) (*paying, error) {
	if last := o.Current; last != "" {
		// The order lets go of it first: its end is nothing the merchant hears of.
		o.Current = ""
		if err := a.saveOrder(t, row, o); err != nil {
			return nil, err
		}
		if err := a.giveUp(t, last); err != nil {
			return nil, err
		}
		if err := a.reload(t, row, o); err != nil {
			return nil, err
		}
	}
	o.Status, o.Financial, o.Modified = "initialized", "initialized", t.At
	psp := row.ID
	if o.Started > 0 {
		psp = a.newPSP(t.At)
	}
	tx := transaction{
		Type: txPayment, Order: row.ID, OrderID: o.OrderID, Gateway: g.ID, Wallet: hidden.wallet(a.engine.IDs, t.Who.ID, psp), Description: o.Description,
		Currency: string(o.Currency), Amount: o.Amount, Vars: o.Vars, Modified: t.At, Review: op.review,
		Challenge: op.verdict, Plastic: op.plastic, Account: op.account, Holder: op.holder, Issuer: op.issuer, Token: op.token, Reason: op.failure.reason, ReasonCode: op.failure.code,
	}
	if op.doubts > 0 {
		tx.ReviewAt = t.At.Add(op.doubts)
		if err := t.Job("order:review:"+psp, JobOrder, tx.ReviewAt, orderPayload{row.ID}); err != nil {
			return nil, err
		}
	}
	p := payment.Payment{
		Front: Name, Kind: kindTransaction, Owner: psp, Product: method.Order, Method: g.Method, Amount: o.amount(),
		AutoCapture: !o.Manual && g.Kind != later, Descriptor: o.Description,
	}
	if len(op.rules) > 0 {
		script, err := json.Marshal(op.rules)
		if err != nil {
			return nil, err
		}
		p.Script = string(script)
	}
	o.Current, o.Started = psp, o.Started+1
	now := &paying{tx: tx}
	started, err := t.Start(p, func(p *payment.Payment) error {
		// The order first: of two that begin at once, one finds it changed.
		if err := a.saveOrder(t, row, o); err != nil {
			return err
		}
		now.row = a.newRow(t, kindTransaction, psp, p.ID, tx, resource.Key{Name: "order_id", Value: o.OrderID})
		return t.InsertResource(now.row)
	})
	if err != nil {
		return nil, err
	}
	now.p = *started
	return now, nil
}

// saveOrder writes an order's row, or inserts it if it is not stored yet.
func (a *API) saveOrder(t *engine.Tx, row *resource.Row, o *order) error {
	row.Body = dictionary().Pack(resource.Encode(o))
	if row.Version == 0 {
		row.Version = 1
		return t.InsertResource(*row)
	}
	if err := t.UpdateResource(*row); err != nil {
		return err
	}
	row.Version++
	return nil
}

// giveUp ends a transaction that is still open.
func (a *API) giveUp(t *engine.Tx, psp string) error {
	if psp == "" {
		return nil
	}
	row, err := t.Resource(kindTransaction, psp)
	if err != nil {
		return err
	}
	p, err := t.LoadPayment(row.Payment)
	if err != nil {
		return err
	}
	if lapsed, err := t.Lapse(p); lapsed || err != nil {
		return err
	}
	if s := p.State(); s == payment.Started || s == payment.AwaitingPayer || s == payment.Processing {
		return t.Void(p)
	}
	return nil
}

// paying is an order's current transaction and its payment.
type paying struct {
	row resource.Row
	tx  transaction
	p   payment.Payment
}

// current loads them; nil if no transaction has begun.
func (v *view) current(o *order) (*paying, error) {
	if o.Current == "" {
		return nil, nil
	}
	row, tx, err := transactionOf(v, o.Current)
	if err != nil {
		return nil, err
	}
	p, err := v.Payment(row.Payment)
	return &paying{row, tx, p}, err
}

// statuses computes an order's two statuses.
func (v *view) statuses(o *order) (status, financial string, err error) {
	if o.Of != "" {
		_, tx, err := transactionOf(v, o.Current)
		if err != nil {
			return "", "", err
		}
		status, err = v.childStatus(tx)
		return status, status, err
	}
	now, err := v.current(o)
	if err != nil {
		return "", "", err
	}
	f, err := v.facts(o, now)
	if err != nil {
		return "", "", err
	}
	status, financial = project(f)
	return status, financial, nil
}

// facts collects what the statuses depend on. Deadlines that have passed count,
// whether or not a timer has noticed.
func (v *view) facts(o *order, now *paying) (facts, error) {
	f := facts{session: o.Ended, shipped: o.Shipped}
	if now == nil {
		if f.session == sessionOpen && o.hosted() && !v.at.Before(o.Until) {
			f.session = sessionExpired
		}
		return f, nil
	}
	return v.paymentFacts(f, now.tx, now.p)
}

// paymentFacts adds what a payment transaction and its payment say.
func (v *view) paymentFacts(f facts, tx transaction, p payment.Payment) (facts, error) {
	g, _ := findGateway(tx.Gateway)
	f.state, f.reason, f.authorized = p.State(), p.Attempt.Reason, !p.Attempt.AuthorizedAt.IsZero()
	if p.Overdue(v.at) && p.Attempt.Claim == "" {
		f.state = payment.Expired
	}
	f.review = tx.Review || !tx.ReviewAt.IsZero() && !v.at.Before(tx.ReviewAt)
	f.later, f.plainVoid = g.Kind == later, g.PlainVoid
	f.tentative = v.at.Before(tx.SettlesAt)
	switch back := p.RefundedAmount().Minor; {
	case back > 0 && back == p.CapturedAmount().Minor && f.state == payment.Captured:
		f.refunded = all
	case back > 0:
		f.refunded = some
	}
	if p.Dispute() != "" {
		d, err := v.Dispute(p.Dispute())
		if err != nil {
			return f, err
		}
		f.disputed = d.State() != payment.DisputeWon
	}
	return f, nil
}

// orderRow is named, but for a part of an authorisation, or a refund, it finds the
// order whose it is: what is asked of the one happens to the other.
func (v *view) orderRow(name string) (resource.Row, order, error) {
	row, o, err := v.named(name)
	if err != nil || o.Of == "" {
		return row, o, err
	}
	if row, err = v.Resource(kindOrder, o.Of); err != nil {
		return row, o, err
	}
	o, err = orderOf(row)
	return row, o, err
}

// named finds an order of the merchant's by its order id: the paid one if
// there is one, else the newest; or else by PSP id (reference §3.11, §4.1).
func (v *view) named(name string) (resource.Row, order, error) {
	if !validID(name) {
		return resource.Row{}, order{}, refuse(codeOrder)
	}
	rows, err := v.Resources(store.List{Kind: kindOrder, Key: "order_id", Value: name, Limit: siblingsMax})
	if err != nil {
		return resource.Row{}, order{}, err
	}
	var newest *order
	for i, row := range rows {
		o, err := orderOf(row)
		if err != nil {
			return row, o, err
		}
		status, _, err := v.statuses(&o)
		if err != nil || taken(status) {
			return row, o, err
		}
		if i == 0 {
			newest = &o
		}
	}
	if newest != nil {
		return rows[0], *newest, nil
	}
	row, err := v.Resource(kindTransaction, name)
	if err == nil {
		tx, err := resource.Decode[transaction](row)
		if err != nil {
			return row, order{}, err
		}
		own, err := v.own(tx, name)
		if err != nil {
			return row, order{}, err
		}
		name = own
	} else if !errors.Is(err, store.ErrNotFound) {
		return row, order{}, err
	}
	row, err = v.Resource(kindOrder, name)
	if errors.Is(err, store.ErrNotFound) {
		return row, order{}, refuse(codeOrder)
	}
	if err != nil {
		return row, order{}, err
	}
	o, err := orderOf(row)
	return row, o, err
}

// own is the order of a transaction: a part or a refund may be one of its own.
func (v *view) own(tx transaction, psp string) (string, error) {
	if tx.Type == txPayment {
		return tx.Order, nil
	}
	_, err := v.Resource(kindOrder, psp)
	if errors.Is(err, store.ErrNotFound) {
		return tx.Order, nil
	}
	return psp, err
}

// siblingsMax is how many orders of one id are looked at, and reordersMax how
// many can be made: fewer, so that those made at the same time are looked at too.
const (
	siblingsMax = 100
	reordersMax = siblingsMax / 2
)

// settle applies deadlines that have passed: of the current transaction, and of
// the session.
func (a *API) settle(t *engine.Tx, row *resource.Row, o *order) error {
	if o.Current != "" {
		tx, err := t.Resource(kindTransaction, o.Current)
		if err != nil {
			return err
		}
		p, err := t.LoadPayment(tx.Payment)
		if err != nil {
			return err
		}
		lapsed, err := t.Lapse(p)
		if err != nil || !lapsed {
			return err
		}
		return a.reload(t, row, o) // Tell has written the order
	}
	if o.Ended == sessionOpen && o.hosted() && !t.At.Before(o.Until) {
		o.Ended = sessionExpired
		return a.changed(t, row, o, false)
	}
	return nil
}

// settled finds the order a call names, with deadlines that have passed applied.
func (c *call) settled(t *engine.Tx) (resource.Row, order, error) {
	row, o, err := c.api.in(t).orderRow(c.path["order"])
	if err == nil {
		err = c.api.settle(t, &row, &o)
	}
	return row, o, err
}

// reload reads an order that a fact has changed in this transaction.
func (a *API) reload(t *engine.Tx, row *resource.Row, o *order) error {
	fresh, err := t.Resource(kindOrder, row.ID)
	if err != nil {
		return err
	}
	*row = fresh
	*o, err = orderOf(fresh)
	return err
}
