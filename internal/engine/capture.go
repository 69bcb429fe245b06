package engine

import (
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
)

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
		if err := t.DeleteJob(expireJob(p.ID)); err != nil {
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

// captureAll captures a payment that wants to be captured when authorised.
func (t *Tx) captureAll(p *payment.Payment) error {
	proof, ok := p.Capturable(t.At)
	if !ok {
		return fmt.Errorf("payment %s: %s until %s, yet not capturable at %s", p.ID, p.State(), p.Attempt.Deadline, t.At)
	}
	return t.Capture(p, proof, "capture:"+p.Attempt.ID, p.Amount)
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
