// Package simrail is the simulated wallet: it authorises by redirect to our own
// page, approves or declines as the payer decides there, captures, refunds and
// gives back. It decides in-process and keeps no state: what it answers is a
// function of the request and of the instructions (rail.Rule) in force, so a
// repeated request gets the same answer.
package simrail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/rail"
)

// pendingDelay is how long a wallet that was told not to decide at once takes,
// unless instructed otherwise.
const pendingDelay = time.Second

// Rail implements rail.Simulated.
type Rail struct{}

var _ rail.Simulated = Rail{}

// Name implements rail.Rail.
func (Rail) Name() string { return "simrail" }

// Local implements rail.Rail.
func (Rail) Local() bool { return true }

// errOutage is what a scripted outage looks like to the engine.
var errOutage = errors.New("simrail: scripted outage")

// Authorize sends the payer to our page, unless the payer has agreed beforehand
// or the rules say how it ends: approved, declined or redirected, or known only
// later (pending, which a reason makes a refusal).
func (Rail) Authorize(_ context.Context, r rail.Request) (rail.Outcome, error) {
	done := func() rail.Outcome { return rail.Outcome{Status: rail.Done, Reference: reference(r), Payer: payer(r)} }
	if rule, ok := rail.Find(r.Script, "authorize"); ok {
		switch rule.Do {
		case "approve":
			return done(), nil
		case "redirect":
			return rail.Outcome{Status: rail.Redirect}, nil
		case "pending":
			out := done()
			out.Status, out.Final, out.After = rail.Waiting, rail.Done, pendingDelay
			if rule.DelaySeconds > 0 {
				out.After = time.Duration(rule.DelaySeconds) * time.Second
			}
			if rule.Reason != "" {
				out.Final, out.Reason = rail.Refused, rule.Reason
			}
			return out, nil
		case "unavailable":
			return rail.Outcome{}, fault.New(fault.Unavailable, "method_not_available", "The payment method cannot be used at present.")
		case "error":
			return rail.Outcome{}, fault.New(fault.Internal, "processing_error", "The wallet failed unexpectedly.").Because(errOutage)
		case "decline":
			return rail.Outcome{Status: rail.Refused, Reason: orDefault(rule.Reason, "processing_error")}, nil
		}
	}
	if r.Agreement != "" {
		return done(), nil
	}
	return rail.Outcome{Status: rail.Redirect}, nil
}

// Decide plans the notices that follow from the payer's decision.
func (Rail) Decide(r rail.Request, d rail.Decision) []rail.Planned {
	notice := rail.Notice{ID: r.ID + ":" + string(d), Payment: r.Payment, Attempt: r.Attempt}
	switch d {
	case rail.Decline:
		notice.Kind, notice.Reason = rail.PaymentRefused, "payer_declined"
		return []rail.Planned{{Notice: notice}}
	case rail.Abort:
		notice.Kind, notice.Reason = rail.PaymentRefused, "payer_aborted"
		return []rail.Planned{{Notice: notice}}
	}
	notice.Kind, notice.Reference, notice.Payer = rail.PaymentApproved, reference(r), payer(r)
	plan := []rail.Planned{{After: r.Takes, Notice: notice}}
	rule, ok := rail.Find(r.Script, "approve")
	if !ok {
		return plan
	}
	delay := time.Duration(rule.DelaySeconds) * time.Second
	switch rule.Do {
	case "decline", "error":
		notice.Kind, notice.Reason = rail.PaymentRefused, rule.Reason
		if notice.Reason == "" {
			notice.Reason = "processing_error"
		}
		plan[0].Notice, plan[0].After = notice, delay
	case "delay":
		plan[0].After = delay
	case "duplicate":
		plan = append(plan, rail.Planned{After: plan[0].After + delay, Notice: notice})
	case "late":
		// After the payer's time is over, whatever is left of it.
		plan[0].After = r.Until.Sub(r.At) + max(delay, time.Second)
	}
	return plan
}

// Capture moves authorised funds, unless instructed to refuse.
func (Rail) Capture(_ context.Context, r rail.Request) (rail.Outcome, error) {
	if rule, ok := rail.Find(r.Script, "capture"); ok {
		switch rule.Do {
		case "decline":
			return rail.Outcome{Status: rail.Refused, Reason: orDefault(rule.Reason, "processing_error")}, nil
		case "error":
			return rail.Outcome{}, errOutage
		}
	}
	return rail.Outcome{Status: rail.Done, Reference: r.Reference}, nil
}

// Void gives held funds back to the payer.
func (Rail) Void(_ context.Context, r rail.Request) (rail.Outcome, error) {
	if rule, ok := rail.Find(r.Script, "void"); ok && rule.Do == "error" {
		return rail.Outcome{}, errOutage
	}
	return rail.Outcome{Status: rail.Done}, nil
}

// actionFor is how long a payer may take to say where a refund goes.
const actionFor = 45 * 24 * time.Hour

// Refund sends captured funds back; wallets decide refunds asynchronously.
func (Rail) Refund(_ context.Context, r rail.Request) (rail.Outcome, error) {
	delay := r.Takes
	rule, ok := rail.Find(r.Script, "refund")
	if ok {
		if rule.DelaySeconds > 0 {
			delay = time.Duration(rule.DelaySeconds) * time.Second
		}
		switch rule.Do {
		case "decline":
			return rail.Outcome{Status: rail.Waiting, After: delay, Final: rail.Refused, Reason: orDefault(rule.Reason, "declined")}, nil
		case "pending":
			return rail.Outcome{Status: rail.Waiting, After: -1}, nil
		case "action":
			if rule.DelaySeconds > 0 {
				return rail.Outcome{Status: rail.Waiting, Action: true, After: delay, Final: rail.Done}, nil
			}
			return rail.Outcome{Status: rail.Waiting, Action: true, After: actionFor, Final: rail.Refused, Reason: "expired"}, nil
		case "done":
			return rail.Outcome{Status: rail.Done}, nil
		case "return":
			return rail.Outcome{Status: rail.Done, After: delay, Final: rail.Refused, Reason: orDefault(rule.Reason, "declined")}, nil
		case "error":
			return rail.Outcome{}, errOutage
		}
	}
	if delay == 0 {
		return rail.Outcome{Status: rail.Done}, nil
	}
	return rail.Outcome{Status: rail.Waiting, After: delay, Final: rail.Done}, nil
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func digits(seed string) uint64 {
	h := sha256.Sum256([]byte(seed))
	return binary.BigEndian.Uint64(h[:8])
}

// reference is the wallet's trade number: the date, then digits that depend on
// the attempt only.
func reference(r rail.Request) string {
	return fmt.Sprintf("%s22001%015d", r.At.UTC().Format("20060102"), digits("trade:"+r.Attempt)%1e15)
}

// walletNumber is what the wallet calls a payer.
var walletNumber = regexp.MustCompile(`^2088\d{12}$`)

// payer is the wallet's number for the payer: that of whoever gave the standing
// authorisation, which one login has always, or one of their own for each attempt.
func payer(r rail.Request) string {
	if walletNumber.MatchString(r.Payer) {
		return r.Payer
	}
	return fmt.Sprintf("2088%012d", digits("payer:"+cmp.Or(r.Payer, r.Attempt))%1e12)
}
