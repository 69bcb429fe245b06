package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
)

const paymentPrefix = "pay_"

type paymentPayload struct {
	Payment string `json:"payment"`
}

// voidPayload names an attempt. In jobs of earlier versions there is none, which
// means the payment's only one.
type voidPayload struct {
	Payment string `json:"payment"`
	Attempt string `json:"attempt,omitempty"`
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
	p.ID, p.Created, p.Secret = t.NewID(paymentPrefix), t.At, t.Random(22)
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
	if err := t.planDeadline(p); err != nil {
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

// refuse ends an attempt that payer, wallet or rail turned down; funds that
// were held go back.
func (t *Tx) refuse(p *payment.Payment, why payment.Reason) error {
	rest, own := p.HeldAmount(), t.ownTimer(p)
	held, err := p.Refuse(why)
	if err != nil {
		return err
	}
	f := event.Fact{Kind: event.Declined, Reason: string(why)}
	if held {
		f.Kind = event.CaptureDeclined
	}
	return t.ended(p, rest, own, f)
}

// Void lets go of an attempt that was not captured, or of what is left of one
// captured in part: held funds go back to the payer.
func (t *Tx) Void(p *payment.Payment) error {
	rest, own := p.HeldAmount(), t.ownTimer(p)
	if _, err := p.Void(); err != nil {
		return err
	}
	return t.ended(p, rest, own, event.Fact{Kind: event.Voided})
}

// ended books the end of an attempt of which nothing more will be captured. What
// is still held goes back to the payer. If a part was captured, the payment is a
// captured one, and what is told concerns the rest alone. own is what ownTimer said
// before.
func (t *Tx) ended(p *payment.Payment, held money.Amount, own bool, f event.Fact) error {
	if err := t.save(p); err != nil {
		return err
	}
	if own {
		if err := t.DeleteJob(expireJob(p.ID)); err != nil {
			return err
		}
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
	rest, own := p.HeldAmount(), t.ownTimer(p)
	if _, err := p.Expire(t.At); err != nil {
		return false, err
	}
	return true, t.ended(p, rest, own, event.Fact{Kind: event.Expired})
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
	own := t.ownTimer(p)
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
	if err := t.moveDeadline(p, own); err != nil {
		return err
	}
	if err := t.state(event.Fact{Kind: event.Authorized}, p, nil); err != nil || !p.AutoCapture {
		return err
	}
	return t.captureAll(p)
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

// runExpire ends an attempt whose deadline has come.
func (e *Engine) runExpire(ctx context.Context, j jobRef) error {
	var pl paymentPayload
	return e.inJob(ctx, j, &pl, func(t *Tx) error {
		p, err := t.LoadPayment(pl.Payment)
		if err != nil {
			return err
		}
		if lapsed, err := t.Lapse(p); lapsed || err != nil || !p.State().Waiting() {
			return err
		}
		// Either the deadline has moved since the job was claimed, or a capture is
		// under way at the rail and its outcome decides.
		due := p.Attempt.Deadline
		if p.Overdue(t.At) {
			due = t.At.Add(overdueAgain(t.At.Sub(due)))
		}
		return t.again(j, due, pl)
	})
}

// overdueAgain is when to look again at a deadline that has been over for some
// time: after as long again, so that an outcome that takes days costs a look now
// and then, not one each second.
func overdueAgain(over time.Duration) time.Duration {
	return min(max(over, time.Second), time.Hour)
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
