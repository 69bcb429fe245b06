package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

func TestWrongTokens(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p, other := w.start(), w.start()
	good := w.token(p)
	parts := strings.Split(good, "-")
	secret := strings.Split(w.token(other), "-")[2]
	for name, token := range map[string]string{
		"Empty":         "",
		"NoSecret":      parts[0] + "-" + parts[1],
		"EmptySecret":   parts[0] + "-" + parts[1] + "-",
		"OthersSecret":  parts[0] + "-" + parts[1] + "-" + secret,
		"PartOfSecret":  good[:len(good)-1],
		"MoreParts":     good + "-x",
		"NoMerchant":    "-" + parts[1] + "-" + parts[2],
		"NotANumber":    "!-" + parts[1] + "-" + parts[2],
		"OtherMerchant": "1-" + parts[1] + "-" + parts[2],
		"HugeMerchant":  "zzzzzzzzzzzzzzz-" + parts[1] + "-" + parts[2],
		"Negative":      "3w5e11264sgsf-" + parts[1] + "-" + parts[2],
		"OtherPayment":  parts[0] + "-" + "1none-" + parts[2],
		"TooLong":       good + strings.Repeat("x", 100),
	} {
		if _, err := w.Visit(t.Context(), token); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: visit: %v", name, err)
		}
		if _, err := w.Decide(t.Context(), token, rail.Approve, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: decide: %v", name, err)
		}
	}
	v, err := w.Visit(t.Context(), good)
	w.must(err)
	if v.Payment.ID != p || v.Merchant.ID != w.merchant || v.At != begin {
		t.Errorf("visit %+v", v)
	}
	w.is(p, payment.AwaitingPayer)
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for d, reason := range map[rail.Decision]payment.Reason{rail.Decline: payment.PayerDeclined, rail.Abort: payment.PayerAborted} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			w := simulated(t)
			p := w.start()
			v, err := w.Decide(t.Context(), w.token(p), d, nil)
			w.must(err)
			if v.Payment.State() != payment.Declined || v.Payment.Attempt.Reason != reason {
				t.Errorf("after the decision: %v, %q", v.Payment.State(), v.Payment.Attempt.Reason)
			}
			// Thinking again changes nothing.
			_, err = w.Decide(t.Context(), w.token(p), rail.Approve, nil)
			w.must(err)
			w.is(p, payment.Declined)
			w.facts(event.Declined)
			w.planned()
			w.verify()
		})
	}
	t.Run("Twice", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.start()
		for _, d := range []rail.Decision{rail.Approve, rail.Approve, rail.Decline} {
			v, err := w.Decide(t.Context(), w.token(p), d, nil)
			w.must(err)
			if v.Payment.State() != payment.Processing {
				t.Errorf("after %s: %v", d, v.Payment.State())
			}
		}
		w.pass(time.Second)
		w.is(p, payment.Authorized)
		w.facts(event.Authorized)
	})
	t.Run("TooLate", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.start()
		w.clock.Advance(time.Hour) // no timer has run
		v, err := w.Decide(t.Context(), w.token(p), rail.Approve, nil)
		w.must(err)
		if v.Payment.State() != payment.Expired {
			t.Errorf("decided too late: %v", v.Payment.State())
		}
		w.facts(event.Expired)
		w.planned()
	})
	t.Run("PayersInstructionsComeFirst", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.start(rail.Rule{On: "approve", Do: "delay", DelaySeconds: 30})
		v, err := w.Decide(t.Context(), w.token(p), rail.Approve, func(payment.Payment) []rail.Rule {
			return []rail.Rule{{On: "approve", Do: "decline", Reason: "insufficient_funds"}}
		})
		w.must(err)
		if v.Payment.State() != payment.Declined || v.Payment.Attempt.Reason != payment.InsufficientFunds {
			t.Errorf("after the decision: %v, %q", v.Payment.State(), v.Payment.Attempt.Reason)
		}
	})
	t.Run("Delayed", func(t *testing.T) {
		t.Parallel()
		w := simulated(t)
		p := w.start(rail.Rule{On: "approve", Do: "delay", DelaySeconds: 30})
		w.update(func(t *engine.Tx) error { return t.DecidePayment(p, rail.Approve) })
		w.pass(29 * time.Second)
		w.is(p, payment.Processing)
		w.pass(time.Second)
		w.is(p, payment.Authorized)
	})
	t.Run("NotOnOurPage", func(t *testing.T) {
		t.Parallel()
		w := overNetwork(t)
		p := w.start()
		v, err := w.Decide(t.Context(), w.token(p), rail.Approve, nil)
		w.must(err)
		if v.Payment.State() != payment.AwaitingPayer {
			t.Errorf("decided for the wallet: %v", v.Payment.State())
		}
		w.update(func(t *engine.Tx) error { return t.DecidePayment(p, rail.Approve) })
		w.is(p, payment.AwaitingPayer)
	})
}
