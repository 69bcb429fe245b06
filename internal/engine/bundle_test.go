package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/job"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/rail/simrail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlite"
)

// begin is nine in the morning in China: six hours come before the cut-off.
var begin = time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)

// front is a front end that writes down what it is told, in the transaction
// that tells it, so that what was undone was never told.
type front struct {
	audit error // what Audit finds
}

const told = "front.told"

func (*front) Name() string { return "front" }

func (*front) Tell(t *engine.Tx, f event.Fact, p *payment.Payment, r *payment.Refund) error {
	if f.Payment != p.ID || (f.Refund != "") != (r != nil) {
		return fmt.Errorf("fact %+v does not fit payment %s, refund %v", f, p.ID, r)
	}
	return tell(t, f)
}

func (*front) TellMerchant(t *engine.Tx, f event.Fact) error { return tell(t, f) }

func tell(t *engine.Tx, f event.Fact) error {
	if !f.At.Equal(t.At) {
		return fmt.Errorf("fact %s carries %v in a transaction at %v", f.Kind, f.At, t.At)
	}
	s, _ := id.Sort(f.ID)
	return t.InsertResource(resource.Row{Kind: told, ID: f.ID, Sort: s, Created: t.At, Body: []byte(f.Kind)})
}

func (*front) ReturnTo(_ store.Reader, p payment.Payment) (string, []engine.Detail, error) {
	return "https://shop.example/back?payment=" + p.ID, []engine.Detail{{Label: "Payment", Value: p.ID}}, nil
}

func (f *front) Audit(store.Reader, ledger.Balances) error { return f.audit }

// remote is a rail over a network: it remembers what it was asked, and does
// what it is asked once per request id.
type remote struct {
	mu    sync.Mutex
	asked []string          // verb and request id, each time
	done  map[string]string // request id: verb
	// before runs before the rail acts; an error means that the request got
	// lost. after runs when it has acted; an error means that the answer did.
	before, after func(ctx context.Context, verb string, r rail.Request) error
	answer        map[string]rail.Outcome // by verb, instead of the usual
}

func (*remote) Name() string { return "remote" }
func (*remote) Local() bool  { return false }

func (r *remote) act(ctx context.Context, verb string, q rail.Request, usual rail.Outcome) (rail.Outcome, error) {
	r.mu.Lock()
	r.asked = append(r.asked, verb+" "+q.ID)
	before, after := r.before, r.after
	r.mu.Unlock()
	if before != nil {
		if err := before(ctx, verb, q); err != nil {
			return rail.Outcome{}, err
		}
	}
	r.mu.Lock()
	r.done[q.ID] = verb
	out, ok := r.answer[verb]
	r.mu.Unlock()
	if !ok {
		out = usual
	}
	if after != nil {
		if err := after(ctx, verb, q); err != nil {
			return rail.Outcome{}, err
		}
	}
	return out, nil
}

func (r *remote) Authorize(ctx context.Context, q rail.Request) (rail.Outcome, error) {
	return r.act(ctx, "authorize", q, rail.Outcome{Status: rail.Redirect, Reference: "ref:" + q.ID})
}

func (r *remote) Capture(ctx context.Context, q rail.Request) (rail.Outcome, error) {
	return r.act(ctx, "capture", q, rail.Outcome{Status: rail.Done})
}

func (r *remote) Void(ctx context.Context, q rail.Request) (rail.Outcome, error) {
	return r.act(ctx, "void", q, rail.Outcome{Status: rail.Done})
}

func (r *remote) Refund(ctx context.Context, q rail.Request) (rail.Outcome, error) {
	return r.act(ctx, "refund", q, rail.Outcome{Status: rail.Waiting})
}

// hooks sets what surrounds the rail's acts from now on.
func (r *remote) hooks(before, after func(ctx context.Context, verb string, q rail.Request) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before, r.after = before, after
}

// calls returns the request ids the rail was asked for with a verb.
func (r *remote) calls(verb string) (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		if len(a) > len(verb) && a[:len(verb)+1] == verb+" " {
			ids = append(ids, a[len(verb)+1:])
		}
	}
	return ids
}

// moved counts how often a verb took effect.
func (r *remote) moved(verb string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.done {
		if v == verb {
			n++
		}
	}
	return n
}

// world is an engine on a real store, with one merchant and a clock that stands.
type world struct {
	*engine.Engine
	t        *testing.T
	clock    *clock.Fake
	db       *sqlite.Store
	front    *front
	remote   *remote // nil if the simulator answers
	runner   *job.Runner
	merchant int64
}

func simulated(t *testing.T) *world {
	t.Helper()
	w := empty(t)
	w.AddRail(false, simrail.Rail{})
	return w
}

func overNetwork(t *testing.T) *world {
	t.Helper()
	w := empty(t)
	w.remote = &remote{done: map[string]string{}, answer: map[string]rail.Outcome{}}
	w.AddRail(false, w.remote)
	return w
}

func empty(t *testing.T) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ducat.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := clock.NewFake(begin)
	log := slog.New(slog.DiscardHandler)
	w := &world{
		Engine: engine.New(db, c, id.NewSource(rand.NewChaCha8([32]byte{1})), log),
		t:      t, clock: c, db: db, front: &front{},
	}
	w.AddFront(w.front)
	w.runner = &job.Runner{Store: db, Clock: c, Log: log, Wake: w.Wake(), Handlers: map[string]job.Handler{}}
	for _, kind := range []string{engine.JobExpire, engine.JobDeadlines, engine.JobNotice, engine.JobVoid, engine.JobRefund, engine.JobCall, engine.JobSettle} {
		w.runner.Handlers[kind] = w.Run
	}
	w.merchant, err = engine.NewWorlds(w.Engine).Sandbox(t.Context(), "acct_1")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) update(fn func(t *engine.Tx) error) {
	w.t.Helper()
	w.must(w.Update(w.t.Context(), w.merchant, engine.Cause{}, fn))
}

func (w *world) view(fn func(r store.Reader) error) {
	w.t.Helper()
	w.must(w.db.View(w.t.Context(), w.merchant, fn))
}

// profile changes the merchant's settings.
func (w *world) profile(fn func(p *merchant.Profile)) {
	w.t.Helper()
	w.update(func(t *engine.Tx) error {
		m := t.Who
		fn(&m.Profile)
		return t.UpdateMerchant(m)
	})
}

func script(rules ...rail.Rule) string {
	b, err := json.Marshal(rules)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const amount = 10_000 // USD cents; the fee is 290 + 30

func sale(rules ...rail.Rule) payment.Payment {
	p := payment.Payment{
		Front: "front", Owner: "own_1", Kind: "front.own", Product: method.SingleUseSource, Method: "alipay", Amount: money.Of(amount, "USD"),
	}
	if len(rules) > 0 {
		p.Script = script(rules...)
	}
	return p
}

// startOp begins a payment; its reply is the payment's id and state.
func (w *world) startOp(p payment.Payment, key string) engine.Op {
	var started string
	return engine.Op{
		Merchant: w.merchant, Cause: engine.Cause{RequestID: "req_start"}, Key: key, Endpoint: "POST /start", Fingerprint: "f",
		Begin: func(t *engine.Tx) error {
			p, err := t.Start(p, nil)
			if err == nil {
				started = p.ID
			}
			return err
		},
		Finish: func(t *engine.Tx) (engine.Reply, error) { return replyWith(t, started) },
	}
}

func replyWith(t *engine.Tx, paymentID string) (engine.Reply, error) {
	p, err := t.LoadPayment(paymentID)
	if err != nil {
		return engine.Reply{}, err
	}
	return engine.Reply{Status: 200, Keep: true, Body: fmt.Appendf(nil, "%s is %s, captured %s", p.ID, p.State(), p.CapturedAmount().Decimal())}, nil
}

func (w *world) start(rules ...rail.Rule) string {
	w.t.Helper()
	_, err := w.Execute(w.t.Context(), w.startOp(sale(rules...), ""))
	w.must(err)
	return w.last()
}

// last returns the payment that was started last.
func (w *world) last() string {
	w.t.Helper()
	var last string
	w.view(func(r store.Reader) error {
		ps, err := r.Payments("", 1000)
		last = ps[len(ps)-1].ID
		return err
	})
	return last
}

// attempt returns the payment's current attempt.
func (w *world) attempt(paymentID string) string {
	w.t.Helper()
	return w.payment(paymentID).Attempt.ID
}

// errNotCapturable is a merchant's mistake.
var errNotCapturable = errors.New("not capturable")

func (w *world) captureOp(paymentID, operation, key, request string) engine.Op {
	return engine.Op{
		Merchant: w.merchant, Cause: engine.Cause{RequestID: request, IdempotencyKey: key}, Key: key, Endpoint: "POST /capture", Fingerprint: paymentID,
		Begin: func(t *engine.Tx) error {
			p, err := t.LoadPayment(paymentID)
			if err != nil {
				return err
			}
			if _, err := t.Lapse(p); err != nil {
				return err
			}
			proof, ok := p.Capturable(t.At)
			if !ok {
				return errNotCapturable
			}
			return t.Capture(p, proof, operation, p.Amount)
		},
		Finish: func(t *engine.Tx) (engine.Reply, error) { return replyWith(t, paymentID) },
	}
}

func (w *world) capture(paymentID string) error {
	_, err := w.Execute(w.t.Context(), w.captureOp(paymentID, "ch:"+paymentID, "", "req"))
	return err
}

// authorized returns a payment whose funds are held.
func (w *world) authorized(rules ...rail.Rule) string {
	w.t.Helper()
	p := w.start(rules...)
	w.must(w.Notice(w.t.Context(), w.merchant, approval(p)))
	w.is(p, payment.Authorized)
	return p
}

func (w *world) captured(rules ...rail.Rule) string {
	w.t.Helper()
	p := w.authorized(rules...)
	w.must(w.capture(p))
	w.is(p, payment.Captured)
	return p
}

func approval(paymentID string) rail.Notice {
	return rail.Notice{ID: "n:" + paymentID, Kind: rail.PaymentApproved, Payment: paymentID, Reference: "trade", Payer: "2088"}
}

func (w *world) refund(paymentID string, minor int64) *payment.Refund {
	w.t.Helper()
	var out *payment.Refund
	w.update(func(t *engine.Tx) (err error) {
		out, err = refund(t, paymentID, minor)
		return err
	})
	return out
}

var errNotRefundable = errors.New("not refundable")

func refund(t *engine.Tx, paymentID string, minor int64) (*payment.Refund, error) {
	p, err := t.LoadPayment(paymentID)
	if err != nil {
		return nil, err
	}
	proof, ok := p.Refundable(money.Of(minor, "USD"))
	if !ok {
		return nil, errNotRefundable
	}
	return t.RefundPayment(p, proof, "re_", func(*payment.Refund) error { return nil })
}

func (w *world) payment(paymentID string) (p payment.Payment) {
	w.t.Helper()
	w.view(func(r store.Reader) (err error) {
		p, err = r.Payment(paymentID)
		return err
	})
	return p
}

func (w *world) is(paymentID string, want payment.State) {
	w.t.Helper()
	if p := w.payment(paymentID); p.State() != want {
		w.t.Fatalf("payment is %v, want %v", p.State(), want)
	}
}

func (w *world) refundIs(r *payment.Refund, want payment.RefundState) {
	w.t.Helper()
	w.view(func(rd store.Reader) error {
		got, err := rd.Refund(r.ID)
		if got.State() != want {
			w.t.Fatalf("refund is %v, want %v", got.State(), want)
		}
		return err
	})
}

// books checks balances in USD; accounts that are not named must be empty.
func (w *world) books(want map[ledger.Account]int64) {
	w.t.Helper()
	w.view(func(r store.Reader) error {
		got, err := r.Balances()
		for k, v := range got {
			if k.Currency != "USD" || v != want[k.Account] {
				w.t.Errorf("balance of %s in %s is %d, want %d", k.Account, k.Currency, v, want[k.Account])
			}
		}
		for a, v := range want {
			if got[ledger.Key{Account: a, Currency: "USD"}] != v {
				w.t.Errorf("balance of %s is %d, want %d", a, got[ledger.Key{Account: a, Currency: "USD"}], v)
			}
		}
		return err
	})
}

// facts checks what happened, and that the front was told just that. That a payer
// has to act, which only rails over a network make a fact, is checked if it is named.
func (w *world) facts(want ...event.Kind) {
	w.t.Helper()
	unnamed := func(k event.Kind) bool { return k == event.ActionNeeded && !slices.Contains(want, k) }
	w.view(func(r store.Reader) error {
		fs, _, err := r.Facts(0, 1000)
		if err != nil {
			return err
		}
		var got []event.Kind
		for _, f := range fs {
			got = append(got, f.Kind)
		}
		got = slices.DeleteFunc(got, unnamed)
		if !slices.Equal(got, want) {
			w.t.Errorf("facts %v, want %v", got, want)
		}
		rows, err := r.Resources(store.List{Kind: told, Limit: 1000})
		var heard []event.Kind
		for _, row := range slices.Backward(rows) {
			heard = append(heard, event.Kind(row.Body))
		}
		heard = slices.DeleteFunc(heard, unnamed)
		if !slices.Equal(heard, got) {
			w.t.Errorf("the front was told %v of %v", heard, got)
		}
		return err
	})
}

// jobs returns the ids of what is planned.
func (w *world) jobs() (ids []string) {
	w.t.Helper()
	w.view(func(r store.Reader) error {
		js, err := r.Jobs(1000)
		for _, j := range js {
			ids = append(ids, j.ID)
		}
		return err
	})
	return ids
}

// planned checks which jobs there are. A payment whose deadline is seen to by a job
// that it shares counts as having its own.
func (w *world) planned(want ...string) {
	w.t.Helper()
	var got, spans []string
	for _, id := range w.jobs() {
		if strings.HasPrefix(id, engine.JobDeadlines) {
			spans = append(spans, id)
		} else {
			got = append(got, id)
		}
	}
	w.view(func(r store.Reader) error {
		ps, err := r.Payments("", 100)
		for _, p := range ps {
			own := "expire:" + p.ID
			span := fmt.Sprintf("deadlines:1h0m0s:%d", p.Attempt.Deadline.Truncate(time.Minute).Unix())
			if p.State().Waiting() && p.Attempt.AuthorizedAt.IsZero() && !slices.Contains(got, own) && slices.Contains(spans, span) {
				got = append(got, own)
			}
		}
		return err
	})
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("planned %v, want %v", got, want)
	}
}

// work does what is due, as the background runner would.
func (w *world) work() {
	w.t.Helper()
	for range 100 {
		js, _, err := w.db.ClaimDueJobs(w.t.Context(), w.clock.Now(), time.Minute, 10)
		w.must(err)
		if len(js) == 0 {
			return
		}
		for _, j := range js {
			w.runner.Do(w.t.Context(), j)
		}
	}
	w.t.Fatal("there is always more to do")
}

// pass lets wall time pass and does what falls due at the end of it.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.clock.Advance(d)
	w.work()
}

// advance moves the merchant's clock.
func (w *world) advance(d time.Duration) engine.Advanced {
	w.t.Helper()
	adv, err := w.Advance(w.t.Context(), w.merchant, func(at time.Time) time.Time { return at.Add(d) }, w.runner.Do)
	w.must(err)
	return adv
}

// verify fails unless the books are in order.
func (w *world) verify() {
	w.t.Helper()
	if _, err := w.Verify(w.t.Context(), func(engine.Audited) {}); err != nil {
		w.t.Error(err)
	}
	w.view(w.transfersAreFound)
}

// transfersAreFound checks that the transfers of every payment can be found by what
// is known of it, whatever it went through.
func (w *world) transfersAreFound(r store.Reader) error {
	all, _, err := r.Transfers(0, 10_000)
	if err != nil {
		return err
	}
	about := map[string][]string{}
	for _, t := range all {
		about[t.Payment] = append(about[t.Payment], t.ID)
	}
	payments, err := r.Payments("", 1000)
	for _, p := range payments {
		found, ferr := engine.TransfersOf(r, p)
		var ids []string
		for _, t := range found {
			ids = append(ids, t.ID)
		}
		if ferr != nil || !slices.Equal(ids, about[p.ID]) {
			w.t.Errorf("payment %s has the transfers %v, found are %v (%v)", p.ID, about[p.ID], ids, ferr)
		}
	}
	return err
}

func (w *world) token(paymentID string) string {
	w.t.Helper()
	var token string
	w.view(func(r store.Reader) error {
		m, err := r.Merchant()
		token = engine.Token(m, w.payment(paymentID))
		return err
	})
	return token
}
