package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
)

// Kinds of job the engine handles.
const (
	JobExpire = "expire" // a waiting attempt's deadline
	JobNotice = "notice" // something a simulated wallet will say
	JobVoid   = "void"   // give held funds back at the rail
	JobRefund = "refund" // ask the rail for a refund
	JobCall   = "call"   // find out the outcome of a call whose process died
	JobSettle = "settle" // pending proceeds of a day become available
)

type paymentPayload struct {
	Payment string `json:"payment"`
}

// voidPayload names an attempt. In jobs of earlier versions there is none, which
// means the payment's only one.
type voidPayload struct {
	Payment string `json:"payment"`
	Attempt string `json:"attempt,omitempty"`
}

type refundPayload struct {
	Refund  string `json:"refund"`
	Payment string `json:"payment"`
}

type settlePayload struct {
	Day time.Time `json:"day"`
}

// call is a request to a rail that is made between two transactions.
type call struct {
	Verb    string       `json:"verb"` // authorize, capture
	Payment string       `json:"payment"`
	Rail    string       `json:"rail"`
	Request rail.Request `json:"request"`
}

func (c call) jobID() string { return "call:" + c.Request.ID }

// callPatience is how long a call's outcome may stay unknown before the job
// runner asks the rail again. It is longer than any request may take.
const callPatience = 2 * time.Minute

// perform asks the rail. It is called outside transactions unless the rail is
// local.
func perform(ctx context.Context, r rail.Rail, c call) (rail.Outcome, error) {
	switch c.Verb {
	case "authorize":
		return r.Authorize(ctx, c.Request)
	case "capture":
		return r.Capture(ctx, c.Request)
	}
	return rail.Outcome{}, fmt.Errorf("engine: unknown call %q", c.Verb)
}

// ask asks a local rail at once and settles; for any other it records that it
// will be asked after this transaction: by Execute, whose caller waits for the
// outcome, or else by the job runner.
func (t *Tx) ask(p *payment.Payment, c call) error {
	r, err := t.e.rail(c.Rail)
	if err != nil {
		return err
	}
	if r.Local() {
		out, err := perform(t.Ctx, r, c)
		if err != nil {
			return err
		}
		return t.settle(p, c, out)
	}
	due := t.At
	if t.executes {
		t.calls = append(t.calls, c)
		due = due.Add(callPatience)
	}
	return t.Job(c.jobID(), JobCall, due, c)
}

// Start begins a payment and asks a rail to authorise it. The payment has to
// carry everything but its id, secret and time. prepare, if there is one, runs
// when the payment has its id and before the rail is asked: a rail that decides
// at once has its decision told to the front before Start returns, and the front
// will want its row. An attempt whose deadline is set already and comes before
// the method's own keeps it. For a rail over the network the payment is still started
// when Start returns.
func (t *Tx) Start(p payment.Payment, prepare func(p *payment.Payment) error) (*payment.Payment, error) {
	r, err := t.e.railFor(t.Who.Live)
	if err != nil {
		return nil, err
	}
	p.ID, p.Created, p.Secret = t.NewID("pay_"), t.At, t.Random(22)
	until := t.At.Add(Rules(p).PendingFor)
	if asked := p.Attempt.Deadline; !asked.IsZero() && asked.Before(until) {
		until = asked
	}
	p = payment.New(p, t.NewID("att_"), r.Name(), t.At, until)
	t.payments[p.ID] = &p
	if prepare != nil {
		if err := prepare(&p); err != nil {
			return nil, err
		}
	}
	return &p, t.authorize(&p, r)
}

// Retry makes another attempt at a payment, with the method, amount, script,
// descriptor and agreement the payment carries by now. The page of the attempt
// before it no longer decides anything.
func (t *Tx) Retry(p *payment.Payment, proof payment.Retryable) error {
	r, err := t.e.railFor(t.Who.Live)
	if err != nil {
		return err
	}
	p.Secret = t.Random(22)
	proof.Begin(t.NewID("att_"), r.Name(), t.At, t.At.Add(Rules(*p).PendingFor))
	return t.authorize(p, r)
}

// authorize plans the deadline of a new attempt and asks the rail.
func (t *Tx) authorize(p *payment.Payment, r rail.Rail) error {
	req, err := t.request(p, p.Attempt.ID, "authorize")
	if err != nil {
		return err
	}
	if err := t.Job("expire:"+p.ID, JobExpire, p.Attempt.Deadline, paymentPayload{p.ID}); err != nil {
		return err
	}
	c := call{Verb: "authorize", Payment: p.ID, Rail: r.Name(), Request: req}
	if !r.Local() {
		if err := t.save(p); err != nil {
			return err
		}
	}
	return t.ask(p, c)
}

// Capture moves authorised funds to the merchant, under an operation name that
// is the idempotency key towards the rail; what is authorised beyond the amount
// goes back to the payer. The caller must have obtained the capability in this
// transaction. For a rail over the network the outcome is known only after the
// transaction (see Execute).
func (t *Tx) Capture(p *payment.Payment, proof payment.Capturable, operation string, amount money.Amount) error {
	return t.capture(p, proof, operation, amount, false)
}

// CapturePart is Capture, but what is left stays authorised until its deadline,
// so that more can be captured; Void lets go of it. Each part has an operation
// name of its own.
func (t *Tx) CapturePart(p *payment.Payment, proof payment.Capturable, operation string, amount money.Amount) error {
	return t.capture(p, proof, operation, amount, amount != p.HeldAmount())
}

func (t *Tx) capture(p *payment.Payment, proof payment.Capturable, operation string, amount money.Amount, more bool) error {
	if held := p.HeldAmount(); amount.Currency != held.Currency || amount.Minor <= 0 || amount.Minor > held.Minor {
		return fault.Newf(fault.Invalid, "capture_amount", "The amount to capture has to be between one unit and the %s that are authorised.", held)
	}
	proof.Begin(operation)
	req, err := t.request(p, operation, "capture")
	if err != nil {
		return err
	}
	req.Amount, req.More = amount, more
	c := call{Verb: "capture", Payment: p.ID, Rail: p.Attempt.Rail, Request: req}
	r, err := t.e.rail(c.Rail)
	if err != nil {
		return err
	}
	if !r.Local() {
		if err := t.save(p); err != nil {
			return err
		}
	}
	return t.ask(p, c)
}

// captured books a capture: the funds are the merchant's, less the fee, and
// available on the settlement day. The rest of what was authorised goes back,
// unless more is to be captured.
func (t *Tx) captured(p *payment.Payment, req rail.Request) error {
	amount, cause, take := req.Amount, captureCause(p), p.Capture
	if req.More {
		take = p.CapturePart
	}
	if err := take(req.ID, amount, t.At); err != nil {
		return err
	}
	if err := t.save(p); err != nil {
		return err
	}
	atOnce, err := t.settlesAtOnce(p)
	if err != nil {
		return err
	}
	day := t.settlementDay(Rules(*p))
	due := day
	if atOnce {
		day, due = t.At.UTC().Truncate(24*time.Hour), t.At
	}
	fee := t.Who.Fee(amount)
	pending := ledger.Pending(day)
	ts := []ledger.Transfer{{ID: "capture:" + cause, At: t.At, Debit: ledger.Hold, Credit: pending, Amount: amount, Payment: p.ID}}
	if rest := p.Amount.Sub(p.CapturedAmount()); rest.Minor > 0 && !req.More {
		ts = append(ts, t.letGo(p, rest))
	}
	if fee.Minor > 0 {
		ts = append(ts, ledger.Transfer{ID: "fee:" + cause, At: t.At, Debit: pending, Credit: ledger.Fees, Amount: fee, Payment: p.ID})
	}
	if err := t.Post(ts...); err != nil {
		return err
	}
	if !atOnce {
		if err := t.planSettlement(day); err != nil {
			return err
		}
	}
	if !req.More {
		if err := t.DeleteJob("expire:" + p.ID); err != nil {
			return err
		}
		if err := t.planDispute(p); err != nil {
			return err
		}
	}
	if err := t.state(event.Fact{Kind: event.Captured, Amount: amount, Fee: fee, Due: due}, p, nil); err != nil || !atOnce {
		return err
	}
	return t.settleDay(day)
}

// captureCause names the next capture of a payment in transfers: after the
// payment, and after the first one also by how much was captured before it.
func captureCause(p *payment.Payment) string { return causeAfter(p.ID, p.CapturedAmount().Minor) }

func causeAfter(paymentID string, before int64) string {
	if before > 0 {
		return fmt.Sprintf("%s@%d", paymentID, before)
	}
	return paymentID
}

// settlesAtOnce reports whether the simulator was told to make a payment's
// proceeds available without waiting for their day.
func (t *Tx) settlesAtOnce(p *payment.Payment) (bool, error) {
	rules, err := t.script(p, "settle")
	if err != nil {
		return false, err
	}
	_, ok := rail.Find(rules, "settle")
	return ok, nil
}

// settlementDay is the day (UTC) on which what is captured now becomes
// available.
func (t *Tx) settlementDay(r method.Rules) time.Time {
	if r.SettlesNext {
		y, m, d := t.At.In(method.SettlementZone()).Date()
		return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
	}
	return t.At.UTC().Truncate(24*time.Hour).AddDate(0, 0, t.Who.Profile.SettlementDays)
}

// refuse ends an attempt that payer, wallet or rail turned down; funds that
// were held go back.
func (t *Tx) refuse(p *payment.Payment, why payment.Reason) error {
	rest := p.HeldAmount()
	held, err := p.Refuse(why)
	if err != nil {
		return err
	}
	f := event.Fact{Kind: event.Declined, Reason: string(why)}
	if held {
		f.Kind = event.CaptureDeclined
	}
	return t.ended(p, rest, f)
}

// Void lets go of an attempt that was not captured, or of what is left of one
// captured in part: held funds go back to the payer.
func (t *Tx) Void(p *payment.Payment) error {
	rest := p.HeldAmount()
	if _, err := p.Void(); err != nil {
		return err
	}
	return t.ended(p, rest, event.Fact{Kind: event.Voided})
}

// ended books the end of an attempt of which nothing more will be captured. What
// is still held goes back to the payer. If a part was captured, the payment is a
// captured one, and what is told concerns the rest alone.
func (t *Tx) ended(p *payment.Payment, held money.Amount, f event.Fact) error {
	if err := t.save(p); err != nil {
		return err
	}
	if err := t.DeleteJob("expire:" + p.ID); err != nil {
		return err
	}
	if held.Minor > 0 {
		if err := t.release(p, held); err != nil {
			return err
		}
	}
	if p.State() == payment.Captured {
		if err := t.planDispute(p); err != nil {
			return err
		}
		f = event.Fact{Kind: event.RestLetGo, Amount: held, Reason: string(f.Kind)}
	}
	return t.state(f, p, nil)
}

// Lapse applies an overdue deadline, if there is one, and reports whether it
// did. Everyone who is about to rely on a payment's state calls it first, so
// that a timer that fires late never matters.
func (t *Tx) Lapse(p *payment.Payment) (bool, error) {
	if !p.Overdue(t.At) || p.Attempt.Claim != "" {
		return false, nil
	}
	rest := p.HeldAmount()
	if _, err := p.Expire(t.At); err != nil {
		return false, err
	}
	return true, t.ended(p, rest, event.Fact{Kind: event.Expired})
}

// RefundPayment starts sending captured funds back. The refund window is a rule of the
// method; the second of the request counts.
func (t *Tx) RefundPayment(p *payment.Payment, proof payment.Refundable, prefix string, prepare func(r *payment.Refund) error) (*payment.Refund, error) {
	rules := Rules(*p)
	if rules.RefundFor == 0 || t.At.Truncate(time.Second).After(p.CapturedAt().Truncate(time.Second).Add(rules.RefundFor)) {
		return nil, fault.New(fault.Conflict, "refund_window", "The refund window has passed.")
	}
	if t.Who.Profile.RefundNeedsFunds {
		if err := t.covers(proof.Amount()); err != nil {
			return nil, err
		}
	}
	r := proof.Refund(t.NewID(prefix), t.At)
	if err := t.save(p); err != nil {
		return nil, err
	}
	if err := t.InsertRefund(r); err != nil {
		return nil, err
	}
	r.Version = 1
	if err := t.Post(ledger.Transfer{ID: "refund:" + r.ID, At: t.At, Debit: ledger.Available, Credit: ledger.Receivable(p.Attempt.Rail), Amount: r.Amount, Payment: p.ID}); err != nil {
		return nil, err
	}
	if err := prepare(&r); err != nil {
		return nil, err
	}
	if err := t.state(event.Fact{Kind: event.RefundCreated, Amount: r.Amount}, p, &r); err != nil {
		return nil, err
	}
	rl, err := t.e.rail(p.Attempt.Rail)
	if err != nil {
		return nil, err
	}
	if !rl.Local() {
		return &r, t.Job("refund:"+r.ID, JobRefund, t.At, refundPayload{r.ID, p.ID})
	}
	req, err := t.refundRequest(p, &r)
	if err != nil {
		return nil, err
	}
	out, err := rl.Refund(t.Ctx, req)
	if err != nil {
		// The simulated outage ends; the job asks again.
		return &r, t.Job("refund:"+r.ID, JobRefund, t.At.Add(time.Minute), refundPayload{r.ID, p.ID})
	}
	return &r, t.refundOutcome(p, &r, out)
}

func (t *Tx) refundRequest(p *payment.Payment, r *payment.Refund) (rail.Request, error) {
	req, err := t.request(p, r.ID, "refund")
	if err != nil {
		return req, err
	}
	req.Amount, req.Takes = r.Amount, Rules(*p).RefundAfter(t.At)
	own, err := decodeScript(r.Script)
	req.Script = append(own, req.Script...)
	if _, scripted := rail.Find(req.Script, "refund"); !scripted && t.Who.Profile.RefundSynchronous {
		req.Script = append(req.Script, rail.Rule{On: "refund", Do: "done"})
	}
	return req, err
}

func (t *Tx) refundOutcome(p *payment.Payment, r *payment.Refund, out rail.Outcome) error {
	switch out.Status {
	case rail.Done:
		if err := t.refundDone(p, r); err != nil || out.Final != rail.Refused {
			return err
		}
		n := rail.Notice{ID: r.ID + ":returned", Kind: rail.RefundReturned, Payment: p.ID, Refund: r.ID, Reason: out.Reason}
		return t.Job("notice:"+n.ID, JobNotice, t.At.Add(out.After), n)
	case rail.Refused:
		return t.refundFailed(p, r, payment.Reason(out.Reason))
	case rail.Waiting:
		if out.Final == 0 {
			return nil // a notice will come from outside
		}
		n := rail.Notice{ID: r.ID, Kind: rail.RefundDone, Payment: p.ID, Refund: r.ID}
		if out.Final == rail.Refused {
			n.Kind, n.Reason = rail.RefundRefused, out.Reason
		}
		due := t.At.Add(out.After)
		if err := t.Job("notice:"+r.ID, JobNotice, due, n); err != nil || !out.Action {
			return err
		}
		return t.state(event.Fact{Kind: event.RefundNeedsAction, Amount: r.Amount, Due: due}, p, r)
	}
	return fmt.Errorf("refund %s: rail answered %d", r.ID, out.Status)
}

func (t *Tx) refundDone(p *payment.Payment, r *payment.Refund) error {
	if r.State() != payment.RefundPending {
		return nil
	}
	if err := r.Succeed(); err != nil {
		return err
	}
	if err := t.saveRefund(r); err != nil {
		return err
	}
	if err := t.state(event.Fact{Kind: event.RefundSucceeded, Amount: r.Amount}, p, r); err != nil {
		return err
	}
	return t.inquiryRefunded(p)
}

func (t *Tx) refundFailed(p *payment.Payment, r *payment.Refund, why payment.Reason) error {
	if r.State() != payment.RefundPending {
		return nil
	}
	if err := r.Fail(p, why); err != nil {
		return err
	}
	return t.refundUndone(p, r, why)
}

// CancelRefund takes back a refund that has not been passed on: the amount is the
// merchant's again. A rail over the network has been asked already.
func (t *Tx) CancelRefund(p *payment.Payment, r *payment.Refund) error {
	return t.giveUpRefund(p, r, payment.RefundCanceled)
}

// ExpireRefund ends a refund whose payer did not say in time where it goes.
func (t *Tx) ExpireRefund(p *payment.Payment, r *payment.Refund) error {
	return t.giveUpRefund(p, r, payment.RefundExpired)
}

func (t *Tx) giveUpRefund(p *payment.Payment, r *payment.Refund, why payment.Reason) error {
	rl, err := t.e.rail(p.Attempt.Rail)
	if err != nil {
		return err
	}
	if r.State() != payment.RefundPending || !rl.Local() {
		return fault.New(fault.Conflict, "refund_not_cancelable", "The refund can no longer be canceled.")
	}
	for _, job := range []string{"notice:" + r.ID, "refund:" + r.ID} {
		if err := t.DeleteJob(job); err != nil {
			return err
		}
	}
	return t.refundFailed(p, r, why)
}

func (t *Tx) saveRefund(r *payment.Refund) error {
	if err := t.UpdateRefund(*r); err != nil {
		return err
	}
	r.Version++
	return nil
}

// ApplyNotice applies what a rail told us. It is the one door: saying the same
// thing twice, late, or in another order changes nothing that was settled.
func (t *Tx) ApplyNotice(n rail.Notice) error {
	p, err := t.LoadPayment(n.Payment)
	if err != nil {
		return err
	}
	if _, err := t.Lapse(p); err != nil {
		return err
	}
	switch n.Kind {
	case rail.PaymentApproved:
		return t.approved(p, n)
	case rail.PaymentRefused:
		if s := p.State(); about(n, p) && (s == payment.AwaitingPayer || s == payment.Processing) {
			return t.refuse(p, payment.Reason(n.Reason))
		}
		return nil
	case rail.RefundDone, rail.RefundRefused, rail.RefundReturned:
		r, err := t.Refund(n.Refund)
		if err != nil {
			return err
		}
		switch n.Kind {
		case rail.RefundDone:
			return t.refundDone(p, &r)
		case rail.RefundReturned:
			return t.refundReturned(p, &r, payment.Reason(n.Reason))
		}
		return t.refundFailed(p, &r, payment.Reason(n.Reason))
	}
	return fmt.Errorf("notice %s: unknown kind %q", n.ID, n.Kind)
}

// about reports whether a notice concerns the payment's current attempt.
func about(n rail.Notice, p *payment.Payment) bool {
	return n.Attempt == "" || n.Attempt == p.Attempt.ID
}

func (t *Tx) approved(p *payment.Payment, n rail.Notice) error {
	if !about(n, p) {
		return t.giveBack(p, n.Attempt, "superseded")
	}
	switch p.State() {
	case payment.Authorized, payment.Captured:
		return nil
	case payment.Declined, payment.Expired, payment.Voided:
		return t.giveBack(p, p.Attempt.ID, p.State().String())
	}
	ev := payment.Evidence{At: t.At, Until: Rules(*p).AuthorizedUntil(t.At), Reference: n.Reference, Payer: n.Payer}
	if err := p.Approve(ev); err != nil {
		return err
	}
	if err := t.save(p); err != nil {
		return err
	}
	if err := t.hold(p); err != nil {
		return err
	}
	j, err := t.job("expire:"+p.ID, JobExpire, p.Attempt.Deadline, paymentPayload{p.ID})
	if err != nil {
		return err
	}
	if err := t.RescheduleJob(j); err != nil {
		return err
	}
	if err := t.state(event.Fact{Kind: event.Authorized}, p, nil); err != nil || !p.AutoCapture {
		return err
	}
	return t.captureAll(p)
}

// captureAll captures a payment that wants to be captured when authorised.
func (t *Tx) captureAll(p *payment.Payment) error {
	proof, ok := p.Capturable(t.At)
	if !ok {
		return fmt.Errorf("payment %s: %s until %s, yet not capturable at %s", p.ID, p.State(), p.Attempt.Deadline, t.At)
	}
	return t.Capture(p, proof, "capture:"+p.Attempt.ID, p.Amount)
}

// giveBack deals with a wallet that took the payer's money after we had given
// up: it goes back, and the state the merchant was told stays.
func (t *Tx) giveBack(p *payment.Payment, attemptID, why string) error {
	t.e.Log.Warn("late authorisation, money goes back to the payer", "payment", p.ID, "attempt", attemptID, "state", why)
	return t.planVoid(p.ID, attemptID)
}

// Notice applies what a rail told us, in a transaction of its own.
func (e *Engine) Notice(ctx context.Context, merchantID int64, n rail.Notice) error {
	return e.Update(ctx, merchantID, Cause{}, func(t *Tx) error { return t.ApplyNotice(n) })
}

// planSettlement makes pending proceeds of a day become available on it.
func (t *Tx) planSettlement(day time.Time) error {
	return t.Job("settle:"+day.Format(time.DateOnly), JobSettle, day, settlePayload{day})
}

// settleDay makes the pending proceeds of a day available, and of any earlier
// day: a capture that raced with its day's settlement is caught up with by the
// next one.
func (t *Tx) settleDay(day time.Time) error {
	if err := t.lockFunds(); err != nil { // two days' settlements must not both move an earlier day
		return err
	}
	balances, err := t.Balances()
	if err != nil {
		return err
	}
	last := ledger.Pending(day)
	factID := t.NewID("fact_")
	moved := false
	for k, v := range balances {
		// Names of pending accounts sort by day.
		if !k.Account.IsPending() || k.Account > last || v == 0 {
			continue
		}
		tr := ledger.Transfer{ID: "settle:" + string(k.Account) + ":" + string(k.Currency) + ":" + factID, At: t.At, Debit: k.Account, Credit: ledger.Available, Amount: money.Of(max(v, -v), k.Currency)}
		if v < 0 {
			tr.Debit, tr.Credit = tr.Credit, tr.Debit
		}
		if err := t.Post(tr); err != nil {
			return err
		}
		moved = true
	}
	if !moved {
		return nil
	}
	f := event.Fact{ID: factID, Kind: event.FundsAvailable, At: t.At, Due: day}
	if err := t.Record(f); err != nil {
		return err
	}
	for _, front := range t.e.fronts {
		if err := front.TellMerchant(t, f); err != nil {
			return err
		}
	}
	return nil
}

// Run does the work of one of the engine's jobs and removes it, in one
// transaction (rails over the network are asked before it).
func (e *Engine) Run(ctx context.Context, j jobRef) error {
	switch j.Kind {
	case JobExpire:
		var pl paymentPayload
		return e.inJob(ctx, j, &pl, func(t *Tx) error {
			p, err := t.LoadPayment(pl.Payment)
			if err != nil {
				return err
			}
			if lapsed, err := t.Lapse(p); lapsed || err != nil {
				return err
			}
			if p.State().Waiting() {
				// Either the deadline has moved since the job was claimed, or a
				// capture is under way at the rail and its outcome decides.
				due := p.Attempt.Deadline
				if p.Overdue(t.At) {
					due = t.At.Add(overdueAgain(t.At.Sub(due)))
				}
				again, err := t.job(j.ID, JobExpire, due, pl)
				if err != nil {
					return err
				}
				if err := t.RescheduleJob(again); err != nil {
					return err
				}
				return errKeepJob
			}
			return nil
		})
	case JobNotice:
		var n rail.Notice
		return e.inJob(ctx, j, &n, func(t *Tx) error { return t.ApplyNotice(n) })
	case JobSettle:
		var pl settlePayload
		return e.inJob(ctx, j, &pl, func(t *Tx) error { return t.settleDay(pl.Day) })
	case JobVoid:
		return e.runVoid(ctx, j)
	case JobDispute, JobDisputeOpen:
		return e.runDispute(ctx, j)
	case JobPayout:
		return e.runPayout(ctx, j)
	case JobAgreement:
		return e.runAgreement(ctx, j)
	case JobPayouts:
		return e.runPayouts(ctx, j)
	case JobRefund:
		return e.runRefund(ctx, j)
	case JobCall:
		var c call
		if err := json.Unmarshal(j.Payload, &c); err != nil {
			return err
		}
		_, err := e.resume(ctx, j.Merchant, []call{c}, Cause{}, nil)
		return err
	}
	return fmt.Errorf("job %s: unknown kind %q", j.ID, j.Kind)
}

// overdueAgain is when to look again at a deadline that has been over for some
// time: after as long again, so that an outcome that takes days costs a look now
// and then, not one each second.
func overdueAgain(over time.Duration) time.Duration {
	return min(max(over, time.Second), time.Hour)
}

var errKeepJob = errors.New("engine: job stays")

func decodeJob(j jobRef, payload any) error {
	if err := json.Unmarshal(j.Payload, payload); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	return nil
}

// inJob runs fn and deletes the job in one transaction.
func (e *Engine) inJob(ctx context.Context, j jobRef, payload any, fn func(t *Tx) error) error {
	if err := decodeJob(j, payload); err != nil {
		return err
	}
	return e.Update(ctx, j.Merchant, Cause{}, func(t *Tx) error {
		switch err := fn(t); {
		case errors.Is(err, errKeepJob):
			return nil
		case err != nil:
			return err
		}
		return t.DeleteJob(j.ID)
	})
}

func (e *Engine) runVoid(ctx context.Context, j jobRef) error {
	var pl voidPayload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return err
	}
	var p payment.Payment
	var req rail.Request
	if err := e.Update(ctx, j.Merchant, Cause{}, func(t *Tx) error {
		loaded, err := t.LoadPayment(pl.Payment)
		if err != nil {
			return err
		}
		p = *loaded
		if pl.Attempt != "" && pl.Attempt != p.Attempt.ID {
			if p, err = t.former(p, pl.Attempt); err != nil {
				return err
			}
		}
		req, err = t.request(&p, cmp.Or(pl.Attempt, p.ID)+":void", "void")
		return err
	}); err != nil {
		return err
	}
	r, err := e.rail(p.Attempt.Rail)
	if err != nil {
		return err
	}
	out, err := r.Void(ctx, req)
	if err != nil {
		return fmt.Errorf("void %s: %w", p.ID, err)
	}
	if out.Status != rail.Done {
		return fmt.Errorf("void %s: rail answered %q; it is asked again until the payer has the money", p.ID, out.Reason)
	}
	return e.inJob(ctx, j, &pl, func(*Tx) error { return nil })
}

// former shows a payment as it was with an earlier attempt.
func (t *Tx) former(p payment.Payment, attemptID string) (payment.Payment, error) {
	as, err := t.Attempts(p.ID)
	if err != nil {
		return p, err
	}
	for _, a := range as {
		if a.ID == attemptID {
			p.Attempt, p.Method, p.Amount = a, a.Method, a.Amount
			return p, nil
		}
	}
	return p, fmt.Errorf("payment %s has no attempt %s", p.ID, attemptID)
}

func (e *Engine) runRefund(ctx context.Context, j jobRef) error {
	var pl refundPayload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return err
	}
	var req rail.Request
	var name string
	if err := e.Update(ctx, j.Merchant, Cause{}, func(t *Tx) error {
		p, err := t.LoadPayment(pl.Payment)
		if err != nil {
			return err
		}
		ref, err := t.Refund(pl.Refund)
		if err != nil {
			return err
		}
		name = p.Attempt.Rail
		req, err = t.refundRequest(p, &ref)
		return err
	}); err != nil {
		return err
	}
	r, err := e.rail(name)
	if err != nil {
		return err
	}
	out, err := r.Refund(ctx, req)
	if err != nil {
		return fmt.Errorf("refund %s: %w", pl.Refund, err)
	}
	return e.inJob(ctx, j, &pl, func(t *Tx) error {
		p, err := t.LoadPayment(pl.Payment)
		if err != nil {
			return err
		}
		ref, err := t.Refund(pl.Refund)
		if err != nil {
			return err
		}
		return t.refundOutcome(p, &ref, out)
	})
}
