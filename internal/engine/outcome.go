package engine

import (
	"errors"
	"fmt"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
)

// What a rail answered to a call, applied.

// settle applies the outcome of a call. Applying it again changes nothing.
func (t *Tx) settle(p *payment.Payment, c call, out rail.Outcome) error {
	switch c.Verb {
	case "authorize":
		if p.Attempt.ID != c.Request.Attempt || p.State() != payment.Started {
			return t.settleLate(p, c, out)
		}
		switch out.Status {
		case rail.Redirect:
			if err := p.Redirect(out.Reference); err != nil {
				return err
			}
			if err := t.save(p); err != nil {
				return err
			}
			return t.announce(p, event.ActionNeeded)
		case rail.Done:
			return t.approved(p, rail.Notice{Reference: out.Reference, Payer: out.Payer})
		case rail.Refused:
			return t.refuse(p, payment.Reason(out.Reason))
		case rail.Waiting:
			if err := t.awaitWallet(p, out); err != nil {
				return err
			}
			return t.announce(p, event.Pending)
		}
	case "capture":
		if p.Attempt.Claim != c.Request.ID {
			return nil
		}
		switch out.Status {
		case rail.Done:
			return t.captured(p, c.Request)
		case rail.Refused:
			return t.refuse(p, payment.Reason(out.Reason))
		case rail.Waiting, rail.Redirect:
		}
	default:
		return fmt.Errorf("engine: unknown call %q", c.Verb)
	}
	// Only a refusal is a refusal. A rail that has not decided is asked again;
	// until then the funds stay where they are and the claim stands.
	return fmt.Errorf("%w: %s %s: the rail answered with status %d", errUndecided, c.Verb, c.Request.ID, out.Status)
}

// Announces reports whether the front is told, as a fact, that a payment waits for
// its payer or wallet. A rail over a network answers when the request's transaction
// is over, and maybe when its process is: whoever learns the answer announces it,
// once. Where the rail decides in-process, the request that asked does.
func (t *Tx) Announces(p *payment.Payment) bool {
	r, err := t.e.rail(p.Attempt.Rail)
	return err == nil && !r.Local()
}

func (t *Tx) announce(p *payment.Payment, kind event.Kind) error {
	if !t.Announces(p) {
		return nil
	}
	return t.state(event.Fact{Kind: kind}, p, nil)
}

// settleLate applies the outcome of an authorisation whose attempt is over, or
// has gone on: funds that nobody will use go back.
func (t *Tx) settleLate(p *payment.Payment, c call, out rail.Outcome) error {
	if out.Status != rail.Done {
		return nil
	}
	return t.approved(p, rail.Notice{Attempt: c.Request.Attempt, Reference: out.Reference, Payer: out.Payer})
}

// awaitWallet records that nothing is left to the payer. A rail over the
// network will tell; a simulated one says now what it will tell and when.
func (t *Tx) awaitWallet(p *payment.Payment, out rail.Outcome) error {
	if err := p.Act(); err != nil {
		return err
	}
	if out.Reference != "" {
		p.Attempt.Reference = out.Reference
	}
	if err := t.save(p); err != nil {
		return err
	}
	n := rail.Notice{ID: p.Attempt.ID, Kind: rail.PaymentApproved, Payment: p.ID, Attempt: p.Attempt.ID, Reference: out.Reference, Payer: out.Payer}
	switch out.Final {
	case 0:
		return nil
	case rail.Refused:
		n.Kind, n.Reason = rail.PaymentRefused, out.Reason
	}
	return t.Job("notice:"+p.Attempt.ID, JobNotice, t.At.Add(out.After), n)
}

// errUndecided leaves a call's job in place, so that the rail is asked again.
var errUndecided = errors.New("engine: outcome is not known yet")
