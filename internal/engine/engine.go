// Package engine holds the use cases: the only place where the core, the store
// and the rails meet. It keeps two promises. No database transaction is open
// while a rail is called over a network. Whatever must happen after a commit is
// a row written in that commit, so that losing the process at any instruction
// loses nothing acknowledged and repeats nothing visible.
package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// Detail is a labelled value shown to the payer on a test page.
type Detail struct{ Label, Value string }

// Front is what the engine asks of the front end that owns a payment.
type Front interface {
	Name() string
	// Tell is called for every fact about a payment of this front, in the
	// transaction that makes it true, after core rows are written. It writes
	// what must be written with the fact: resources, messages, deliveries.
	Tell(t *Tx, f event.Fact, p *payment.Payment, r *payment.Refund) error
	// TellMerchant is called for facts that concern no single payment.
	TellMerchant(t *Tx, f event.Fact) error
	// ReturnTo says where the payer goes after deciding, complete with
	// parameters, and what the test page shows of the request.
	ReturnTo(r store.Reader, p payment.Payment) (url string, details []Detail, err error)
}

// Engine runs use cases.
type Engine struct {
	Store store.Store
	Clock clock.Clock
	IDs   *id.Source
	Log   *slog.Logger
	// Deliver makes the next attempt to deliver a message at once, and returns
	// when it is over. Set before serving.
	Deliver func(ctx context.Context, m Message)

	fronts map[string]Front
	rails  map[bool][]rail.Rail // by live
	wake   chan struct{}
	quiet  quiet

	underWay underWay
}

// New returns an engine without fronts or rails.
func New(s store.Store, c clock.Clock, ids *id.Source, log *slog.Logger) *Engine {
	return &Engine{
		Store: s, Clock: c, IDs: ids, Log: log,
		fronts: map[string]Front{}, rails: map[bool][]rail.Rail{}, wake: make(chan struct{}, 1),
	}
}

// AddFront registers a front end. Call before serving.
func (e *Engine) AddFront(f Front) { e.fronts[f.Name()] = f }

// AddRail registers a rail for test or live payments; the first one registered
// takes new payments. Call before serving.
func (e *Engine) AddRail(live bool, r rail.Rail) { e.rails[live] = append(e.rails[live], r) }

// Wake receives when new work may be due; the job runner waits on it.
func (e *Engine) Wake() <-chan struct{} { return e.wake }

func (e *Engine) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Cause says which request makes a transaction happen; both are empty when a
// timer or the payer does.
type Cause struct{ RequestID, IdempotencyKey string }

// Tx is a transaction of one merchant with the core's verbs.
type Tx struct {
	store.Tx
	Ctx   context.Context
	Who   merchant.Merchant
	At    time.Time // the merchant's time; every row of the transaction carries it
	Wall  time.Time
	Cause Cause
	// Subject is the id of what the request is about, set by Op.Begin for
	// Op.Finish. It is kept with a request whose process dies in between.
	Subject string

	e          *Engine
	payments   map[string]*payment.Payment
	agreements map[string]*agreement.Agreement
	rows       map[rowKey]resource.Row
	written    map[rowKey]bool
	calls      []call
	executes   bool  // calls are made as soon as the transaction is over
	soon       bool  // planned work that is due at once
	spent      []int // instructions of the merchant's script that were used
}

// NewID makes an id that sorts by the transaction's time.
func (t *Tx) NewID(prefix string) string { return t.e.IDs.New(prefix, t.At) }

// Random returns n random base62 characters.
func (t *Tx) Random(n int) string { return t.e.IDs.Random(n) }

type atKey struct{}

// withAt makes transactions of ctx happen at a merchant's instant; it is how an
// advancing clock gives each piece of due work its own time.
func withAt(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, atKey{}, at)
}

// now truncates to what the store keeps.
func now(wall time.Time) time.Time { return wall.UTC().Truncate(time.Millisecond) }

// Update runs fn in a transaction. fn may run more than once.
func (e *Engine) Update(ctx context.Context, merchantID int64, cause Cause, fn func(t *Tx) error) error {
	var spent []int
	var soon bool
	err := e.Store.Update(ctx, merchantID, func(stx store.Tx) error {
		m, err := stx.Merchant()
		if err != nil {
			return fmt.Errorf("merchant %d: %w", merchantID, err)
		}
		wall := now(e.Clock.Now())
		t := &Tx{Tx: stx, Ctx: ctx, Who: m, At: m.Now(wall), Wall: wall, Cause: cause, e: e, payments: map[string]*payment.Payment{}}
		if at, ok := ctx.Value(atKey{}).(time.Time); ok {
			t.At = at
		}
		err = fn(t)
		spent, soon = t.spent, t.soon
		if err == nil && len(t.spent) > 0 {
			err = t.spend(t.spent)
		}
		return err
	})
	if err != nil && len(spent) > 0 {
		// The work was undone, the instruction that undid it was still used up.
		if serr := e.Store.Update(ctx, merchantID, func(stx store.Tx) error {
			m, err := stx.Merchant()
			if err != nil {
				return err
			}
			return (&Tx{Tx: stx, Who: m}).spend(spent)
		}); serr != nil {
			return serr
		}
	}
	if err == nil && soon {
		e.signal()
	}
	return err
}

// soonMargin is how soon a new job must be due to wake the runner, which looks
// for due work about this often anyway.
const soonMargin = time.Second

// InsertJob implements store.Tx.
func (t *Tx) InsertJob(j store.Job) error {
	t.noteDue(j)
	return t.Tx.InsertJob(j)
}

// RescheduleJob implements store.Tx.
func (t *Tx) RescheduleJob(j store.Job) error {
	t.noteDue(j)
	return t.Tx.RescheduleJob(j)
}

func (t *Tx) noteDue(j store.Job) {
	if j.RunAt.Before(t.Wall.Add(soonMargin)) {
		t.soon = true
	}
}

// View runs fn on a snapshot, with the merchant and its time.
func (e *Engine) View(ctx context.Context, merchantID int64, fn func(r store.Reader, m merchant.Merchant, at time.Time) error) error {
	return e.Store.View(ctx, merchantID, func(r store.Reader) error {
		m, err := r.Merchant()
		if err != nil {
			return err
		}
		return fn(known{r, m}, m, m.Now(now(e.Clock.Now())))
	})
}

// known is a snapshot whose merchant has been read.
type known struct {
	store.Reader
	who merchant.Merchant
}

// Merchant implements store.Reader.
func (k known) Merchant() (merchant.Merchant, error) { return k.who, nil }

// Merchant implements store.Reader: it is Who.
func (t *Tx) Merchant() (merchant.Merchant, error) { return t.Who, nil }

// LoadPayment reads and locks a payment. Loading it again in the same
// transaction gives the same object.
func (t *Tx) LoadPayment(id string) (*payment.Payment, error) {
	if p, ok := t.payments[id]; ok {
		return p, nil
	}
	p, err := t.Tx.Payment(id)
	if err != nil {
		return nil, fmt.Errorf("payment %s: %w", id, err)
	}
	t.payments[id] = &p
	return &p, nil
}

// save writes a payment that was loaded or started in this transaction.
func (t *Tx) save(p *payment.Payment) error {
	write := t.UpdatePayment
	if p.Version == 0 {
		write = t.InsertPayment
	}
	if err := write(*p); err != nil {
		return err
	}
	p.Version++
	return nil
}

// state records a fact and tells the front that owns the payment.
func (t *Tx) state(f event.Fact, p *payment.Payment, r *payment.Refund) error {
	f.ID, f.At, f.Payment = t.NewID("fact_"), t.At, p.ID
	if r != nil {
		f.Refund = r.ID
	}
	if f.Amount.Currency == "" {
		f.Amount = p.Amount
	}
	if err := t.Record(f); err != nil {
		return err
	}
	front, ok := t.e.fronts[p.Front]
	if !ok {
		return fmt.Errorf("payment %s belongs to front %q, which is not running", p.ID, p.Front)
	}
	return front.Tell(t, f, p, r)
}

// Job adds durable work due at a merchant's time.
func (t *Tx) Job(id, kind string, due time.Time, payload any) error {
	j, err := t.job(id, kind, due, payload)
	if err != nil {
		return err
	}
	return t.InsertJob(j)
}

func (t *Tx) job(id, kind string, due time.Time, payload any) (store.Job, error) {
	b, err := json.Marshal(payload)
	if err != nil {
		return store.Job{}, err
	}
	return store.Job{Merchant: t.Who.ID, ID: id, Kind: kind, Due: due, RunAt: due.Add(-t.Who.Offset), Payload: b}, nil
}

// Rules returns the rules of the payment's method.
func Rules(p payment.Payment) method.Rules {
	r, ok := method.Find(p.Product, p.Method)
	if !ok {
		panic("engine: payment " + p.ID + " has no rules for " + p.Product + "/" + p.Method)
	}
	return r
}

func (e *Engine) railFor(live bool) (rail.Rail, error) {
	if rs := e.rails[live]; len(rs) > 0 {
		return rs[0], nil
	}
	return nil, fault.New(fault.Unavailable, "method_not_available", "No acquirer is connected for live payments.")
}

func (e *Engine) rail(name string) (rail.Rail, error) {
	for _, rs := range e.rails {
		for _, r := range rs {
			if r.Name() == name {
				return r, nil
			}
		}
	}
	return nil, fmt.Errorf("rail %q is not connected", name)
}

// rules collects the simulator instructions for a step: the object's own come
// first, then the key's. Instructions with a count are used up by being asked
// for.
func (t *Tx) script(p *payment.Payment, step string) ([]rail.Rule, error) {
	own, err := decodeScript(p.Script)
	if err != nil {
		return nil, err
	}
	if _, ok := rail.Find(own, step); ok {
		return own, nil
	}
	key, err := decodeScript(t.Who.Profile.Script)
	if err != nil {
		return nil, err
	}
	for i, r := range key {
		if r.On == step {
			if r.Times > 0 {
				t.spent = append(t.spent, i)
			}
			return append(own, r), nil
		}
	}
	return own, nil
}

func decodeScript(s string) ([]rail.Rule, error) {
	if s == "" {
		return nil, nil
	}
	var rules []rail.Rule
	if err := json.Unmarshal([]byte(s), &rules); err != nil {
		return nil, fmt.Errorf("stored script: %w", err)
	}
	return rules, nil
}

func (t *Tx) spend(used []int) error {
	rules, err := decodeScript(t.Who.Profile.Script)
	if err != nil {
		return err
	}
	var left []rail.Rule
	for i, r := range rules {
		for _, u := range used {
			if u == i {
				r.Times--
				if r.Times <= 0 {
					r.On = ""
				}
			}
		}
		if r.On != "" {
			left = append(left, r)
		}
	}
	t.Who.Profile.Script = ""
	if len(left) > 0 {
		b, err := json.Marshal(left)
		if err != nil {
			return err
		}
		t.Who.Profile.Script = string(b)
	}
	return t.UpdateMerchant(t.Who)
}

func (t *Tx) request(p *payment.Payment, id, step string) (rail.Request, error) {
	script, err := t.script(p, step)
	if err != nil {
		return rail.Request{}, err
	}
	payer := ""
	if p.Agreement != "" {
		a, err := t.LoadAgreement(p.Agreement)
		if err != nil {
			return rail.Request{}, err
		}
		payer = a.Payer
	}
	return rail.Request{
		ID: id, Payment: p.ID, Attempt: p.Attempt.ID, Merchant: t.Who.Account, Descriptor: cmp.Or(p.Descriptor, t.Who.Profile.Descriptor),
		Method: p.Method, Amount: p.Amount, Agreement: p.Agreement, Payer: payer, Reference: p.Attempt.Reference, Until: p.Attempt.Deadline, At: t.At, Script: script,
	}, nil
}

// hold books an authorisation.
func (t *Tx) hold(p *payment.Payment) error {
	return t.Post(ledger.Transfer{ID: "authorize:" + p.Attempt.ID, At: t.At, Debit: ledger.Receivable(p.Attempt.Rail), Credit: ledger.Hold, Amount: p.Amount, Payment: p.ID})
}

// letGo is the transfer by which held funds go back to the payer.
func (t *Tx) letGo(p *payment.Payment, amount money.Amount) ledger.Transfer {
	return ledger.Transfer{ID: "release:" + p.Attempt.ID, At: t.At, Debit: ledger.Hold, Credit: ledger.Receivable(p.Attempt.Rail), Amount: amount, Payment: p.ID}
}

// release books that held funds go back to the payer and plans to tell the rail
// so.
func (t *Tx) release(p *payment.Payment, held money.Amount) error {
	if err := t.Post(t.letGo(p, held)); err != nil {
		return err
	}
	return t.planVoid(p.ID, p.Attempt.ID)
}

func (t *Tx) planVoid(paymentID, attemptID string) error {
	return t.Job("void:"+attemptID, JobVoid, t.At, voidPayload{paymentID, attemptID})
}
