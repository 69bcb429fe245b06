package payment

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ducatpay/ducat/internal/money"
)

var start = time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)

// in returns a payment of 1000 in a state, with an authorisation until an hour
// after start if it got that far.
func in(t testing.TB, s State) *Payment {
	t.Helper()
	p := New(Payment{ID: "pay_1", Amount: money.Of(1000, "USD")}, "att_1", "rail", start, start.Add(time.Hour))
	p.Attempt.state = s
	if s == Captured {
		p.capturedMinor, p.capturedAt = 1000, start
	}
	if !s.Waiting() {
		p.Attempt.Deadline = time.Time{}
	}
	return &p
}

// panics reports whether fn panicked.
func panics(fn func()) (did bool) {
	defer func() { did = recover() != nil }()
	fn()
	return false
}

func TestCapabilitiesComeOnlyFromTheRightState(t *testing.T) {
	t.Parallel()
	for _, s := range append([]State{0, 99}, States...) {
		p := in(t, s)
		p.Attempt.Deadline = start.Add(time.Hour)
		if _, ok := p.Capturable(start); ok != (s == Authorized) {
			t.Errorf("%v: capturable %v", s, ok)
		}
		p.capturedMinor = 1000
		if _, ok := p.Refundable(money.Of(1, "USD")); ok != (s == Captured || s == Authorized) {
			t.Errorf("%v: refundable %v", s, ok)
		}
	}
}

// TestRetryable gives every proof of an attempt that is over a second use, which
// must not hide the attempt the first use began.
func TestRetryable(t *testing.T) {
	t.Parallel()
	for _, s := range States {
		p := in(t, s)
		proof, ok := p.Retryable()
		if over := s == Declined || s == Expired || s == Voided; ok != over {
			t.Errorf("%v: retryable %v", s, ok)
		}
		if !ok {
			continue
		}
		p.Method, p.Amount, p.Attempt.AuthorizedAt, p.Attempt.Reason = "other", money.Of(2000, "EUR"), start, ProcessingError
		proof.Begin("att_2", "rail2", start.Add(time.Hour), start.Add(2*time.Hour))
		want := Attempt{
			ID: "att_2", state: Started, Method: "other", Amount: money.Of(2000, "EUR"), Begun: start.Add(time.Hour), Rail: "rail2",
			Deadline: start.Add(2 * time.Hour),
		}
		if p.Attempt != want {
			t.Errorf("%v: the next attempt is %+v, want %+v", s, p.Attempt, want)
		}
		if !panics(func() { proof.Begin("att_3", "rail", start, start) }) {
			t.Errorf("%v: a stale proof began an attempt", s)
		}
	}
}

func TestCapturable(t *testing.T) {
	t.Parallel()
	p := in(t, Authorized)
	until := p.Attempt.Deadline
	if _, ok := p.Capturable(until.Add(-time.Nanosecond)); !ok {
		t.Error("not capturable just before the deadline")
	}
	for _, at := range []time.Time{until, until.Add(time.Second)} {
		if _, ok := p.Capturable(at); ok {
			t.Errorf("capturable at %v, deadline %v", at, until)
		}
	}
	one, _ := p.Capturable(start)
	two, _ := p.Capturable(start)
	one.Begin("ch_1")
	if _, ok := p.Capturable(start); ok {
		t.Error("capturable though claimed")
	}
	if !panics(func() { two.Begin("ch_2") }) || p.Attempt.Claim != "ch_1" {
		t.Errorf("a second proof took the claim: %q", p.Attempt.Claim)
	}
	if !panics(func() { Capturable{}.Begin("ch_3") }) {
		t.Error("an empty proof is good")
	}
	if err := p.Capture("ch_2", p.Amount, start); err == nil {
		t.Error("captured without the claim")
	}
	for _, a := range []money.Amount{money.Of(1001, "USD"), money.Of(0, "USD"), money.Of(-1, "USD"), money.Of(1000, "EUR")} {
		if err := p.Capture("ch_1", a, start); err == nil {
			t.Errorf("captured %v of %v", a, p.Amount)
		}
	}
	if _, err := p.Expire(until); err == nil {
		t.Error("expired under a claim")
	}
	if _, err := p.Void(); err == nil {
		t.Error("voided under a claim")
	}
	if err := p.Capture("ch_1", money.Of(900, "USD"), start.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if p.State() != Captured || p.CapturedAmount() != money.Of(900, "USD") || p.CapturedAt() != start.Add(time.Second) || p.Attempt.Claim != "" {
		t.Errorf("after capture: %+v", p)
	}
	if err := p.Capture("ch_1", p.Amount, start); err == nil {
		t.Error("captured twice")
	}
	if err := in(t, Authorized).Capture("", money.Of(1, "USD"), start); err == nil {
		t.Error("captured without an operation")
	}
}

// TestCaptureInParts: parts add up to what is authorised; the end of what is left
// does not undo them.
func TestCaptureInParts(t *testing.T) {
	t.Parallel()
	take := func(p *Payment, name string, minor int64) error {
		proof, ok := p.Capturable(start)
		if !ok {
			return errors.New("not capturable")
		}
		proof.Begin(name)
		err := p.CapturePart(name, money.Of(minor, "USD"), start.Add(time.Second))
		p.Attempt.Claim = ""
		return err
	}
	p := in(t, Authorized)
	for i, minor := range []int64{300, 200} {
		if err := take(p, "op", minor); err != nil {
			t.Fatal(err)
		}
		if p.State() != Authorized || p.Attempt.Deadline.IsZero() || p.CapturedAt() != start.Add(time.Second) {
			t.Errorf("part %d: %+v", i, p)
		}
	}
	if p.CapturedAmount() != money.Of(500, "USD") || p.HeldAmount() != money.Of(500, "USD") {
		t.Errorf("captured %v, held %v", p.CapturedAmount(), p.HeldAmount())
	}
	for _, minor := range []int64{0, -1, 500, 501, 1000} {
		if err := take(p, "op", minor); err == nil {
			t.Errorf("%d is no part of the 500 that are left", minor)
		}
	}
	if _, ok := p.Refundable(money.Of(501, "USD")); ok {
		t.Error("what is only held can be refunded")
	}
	proof, ok := p.Refundable(money.Of(500, "USD"))
	if !ok {
		t.Fatal("captured parts cannot be refunded")
	}
	proof.Refund("re_1", start)
	for name, end := range map[string]func(p *Payment) (bool, error){
		"Refuse": func(p *Payment) (bool, error) { return p.Refuse(PayerDeclined) },
		"Expire": func(p *Payment) (bool, error) { return p.Expire(p.Attempt.Deadline) },
		"Void":   func(p *Payment) (bool, error) { return p.Void() },
	} {
		q := *p
		if held, err := end(&q); err != nil || !held || q.State() != Captured || q.CapturedAmount() != p.CapturedAmount() || q.Attempt.Reason != "" || !q.Attempt.Deadline.IsZero() {
			t.Errorf("%s: held %v, %+v: %v", name, held, q, err)
		}
		if _, ok := q.Retryable(); ok || q.HeldAmount().Minor != 0 {
			t.Errorf("%s: retryable %v, held %v", name, ok, q.HeldAmount())
		}
	}
	claim, _ := p.Capturable(start)
	claim.Begin("last")
	if err := p.Capture("last", money.Of(400, "USD"), start); err != nil || p.State() != Captured || p.CapturedAmount() != money.Of(900, "USD") {
		t.Errorf("the last one: %v, %+v", err, p)
	}
}

func TestRefundable(t *testing.T) {
	t.Parallel()
	p := in(t, Captured)
	for _, a := range []money.Amount{money.Of(1001, "USD"), money.Of(0, "USD"), money.Of(-1, "USD"), money.Of(1, "EUR")} {
		if _, ok := p.Refundable(a); ok {
			t.Errorf("%v refundable of %v", a, p.CapturedAmount())
		}
	}
	proof, ok := p.Refundable(money.Of(600, "USD"))
	if !ok {
		t.Fatal("not refundable")
	}
	r := proof.Refund("re_1", start)
	if !panics(func() { proof.Refund("re_2", start) }) || p.RefundedAmount() != money.Of(600, "USD") {
		t.Errorf("a proof was good twice: %v refunded", p.RefundedAmount())
	}
	if _, ok := p.Refundable(money.Of(401, "USD")); ok {
		t.Error("more refundable than is left")
	}
	if err := r.Fail(in(t, Authorized), ProcessingError); err != nil || r.State() != RefundFailed {
		t.Fatalf("fail: %v (%v)", err, r.State())
	}
	if r.Fail(p, ProcessingError) == nil || r.Succeed() == nil {
		t.Error("a failed refund moved on")
	}
	other := in(t, Captured)
	other.ID = "pay_2"
	rest, _ := p.Refundable(money.Of(400, "USD"))
	r = rest.Refund("re_3", start)
	if r.Fail(other, ProcessingError) == nil {
		t.Error("a refund failed on another payment")
	}
	if err := r.Succeed(); err != nil {
		t.Fatal(err)
	}
	if r.Succeed() == nil || r.Fail(p, ProcessingError) == nil {
		t.Error("a refund that succeeded moved on")
	}
	var zero Refund
	if zero.Succeed() == nil {
		t.Error("the zero refund succeeded")
	}
	for _, s := range []RefundState{RefundPending, RefundSucceeded, RefundFailed} {
		if got, err := RestoreRefund(Refund{ID: "re_1"}, s.String()); err != nil || got.State() != s {
			t.Errorf("%v restored as %v: %v", s, got.State(), err)
		}
	}
	if _, err := RestoreRefund(Refund{}, ""); err == nil {
		t.Error("restored a refund without a state")
	}
}

func TestRefundComesBack(t *testing.T) {
	t.Parallel()
	p, other := in(t, Captured), in(t, Captured)
	other.ID = "pay_2"
	proof, _ := p.Refundable(money.Of(600, "USD"))
	r := proof.Refund("re_1", start)
	if r.Return(p, ProcessingError) == nil {
		t.Error("a pending refund came back")
	}
	if err := r.Succeed(); err != nil {
		t.Fatal(err)
	}
	if r.Return(other, ProcessingError) == nil {
		t.Error("a refund came back to another payment")
	}
	if err := r.Return(p, ProcessingError); err != nil || r.State() != RefundFailed || r.Reason != ProcessingError || p.RefundedAmount().Minor != 0 {
		t.Errorf("%v: %v, %v refunded", err, r.State(), p.RefundedAmount())
	}
	if r.Return(p, ProcessingError) == nil {
		t.Error("a refund came back twice")
	}
}

func TestTheZeroStateIsIllegal(t *testing.T) {
	t.Parallel()
	var p Payment
	p.Attempt.Deadline = start
	_, refused := p.Refuse(PayerDeclined)
	_, expired := p.Expire(start.Add(time.Hour))
	_, voided := p.Void()
	for i, err := range []error{p.Redirect("x"), p.Act(), p.Approve(Evidence{At: start}), refused, expired, voided} {
		if _, ok := errors.AsType[IllegalMove](err); !ok {
			t.Errorf("move %d: %v, want an illegal move", i, err)
		}
	}
	if p.State() != 0 || p.Attempt.Reference != "" || !p.Attempt.AuthorizedAt.IsZero() || p.Attempt.Reason != "" {
		t.Errorf("refused moves changed something: %+v", p)
	}
	if _, err := Restore(p, p.Stored()); err == nil {
		t.Error("the zero state can be restored")
	}
	for _, minor := range []int64{0, -1} {
		if !panics(func() { New(Payment{Amount: money.Of(minor, "USD")}, "a", "r", start, start) }) {
			t.Errorf("a payment of %d", minor)
		}
	}
}

func TestHeldFundsAreReported(t *testing.T) {
	t.Parallel()
	for _, s := range []State{Started, AwaitingPayer, Processing, Authorized} {
		for name, end := range map[string]func(p *Payment) (bool, error){
			"Refuse": func(p *Payment) (bool, error) { return p.Refuse(PayerDeclined) },
			"Expire": func(p *Payment) (bool, error) { return p.Expire(p.Attempt.Deadline) },
			"Void":   func(p *Payment) (bool, error) { return p.Void() },
		} {
			p := in(t, s)
			if held, err := end(p); err != nil || held != (s == Authorized) || !p.Attempt.Deadline.IsZero() {
				t.Errorf("%s when %v: held %v, deadline %v: %v", name, s, held, p.Attempt.Deadline, err)
			}
		}
	}
	p := in(t, AwaitingPayer)
	if _, err := p.Expire(p.Attempt.Deadline.Add(-time.Nanosecond)); err == nil {
		t.Error("expired early")
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	p := in(t, Started)
	if err := p.Redirect("ref_1"); err != nil {
		t.Fatal(err)
	}
	if p.Redirect("ref_2") == nil || p.Attempt.Reference != "ref_1" {
		t.Errorf("a refused redirect left the reference %q", p.Attempt.Reference)
	}
	if err := p.Approve(Evidence{At: start, Until: start.Add(time.Minute), Payer: "2088"}); err != nil {
		t.Fatal(err)
	}
	if a := p.Attempt; a.Reference != "ref_1" || a.Payer != "2088" || a.AuthorizedAt != start || a.Deadline != start.Add(time.Minute) {
		t.Errorf("attempt %+v", a)
	}
	got := IllegalMove{Captured, TimedOut}.Error()
	if want := "an attempt that is captured cannot be timed_out"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// model repeats in plain sums what the payment must know.
type model struct {
	p       *Payment
	at      time.Time
	ended   State // the terminal state once reached
	refunds []Refund
	parts   int
	n       int
}

func (m *model) name(prefix string) string {
	m.n++
	return fmt.Sprintf("%s%d", prefix, m.n)
}

// moved checks an event's result against the table.
func (m *model) moved(t *rapid.T, from State, e Event, err error, mayRefuse bool) {
	to, ok := Next(from, e)
	switch {
	case err != nil && ok && !mayRefuse:
		t.Fatalf("%v when %v: %v", e, from, err)
	case err != nil && m.p.State() != from:
		t.Fatalf("%v was refused (%v) but moved %v to %v", e, err, from, m.p.State())
	case err == nil && ok && to != m.p.State() && m.p.State() == Captured && m.parts > 0:
		// What was captured in part ends as captured.
	case err == nil && (!ok || m.p.State() != to):
		t.Fatalf("%v moved %v to %v, want %v, %v", e, from, m.p.State(), to, ok)
	}
}

// TestRandomEvents runs random sequences of moves and checks after each that
// no money was made and no final state left.
func TestRandomEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := money.Of(rapid.Int64Range(1, 2000).Draw(t, "amount"), "USD")
		p := New(Payment{ID: "pay_1", Amount: amount}, "att_1", "rail", start, start.Add(time.Hour))
		m := &model{p: &p, at: start}
		if p.State() != Started {
			t.Fatalf("begins as %v", p.State())
		}
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"wait": func(t *rapid.T) {
				m.at = m.at.Add(time.Duration(rapid.IntRange(1, 45).Draw(t, "minutes")) * time.Minute)
			},
			"redirect": func(t *rapid.T) { from := p.State(); m.moved(t, from, Redirected, p.Redirect("ref"), false) },
			"act":      func(t *rapid.T) { from := p.State(); m.moved(t, from, Acted, p.Act(), false) },
			"approve": func(t *rapid.T) {
				from := p.State()
				m.moved(t, from, Approved, p.Approve(Evidence{At: m.at, Until: m.at.Add(2 * time.Hour)}), false)
			},
			"refuse": func(t *rapid.T) {
				from := p.State()
				held, err := p.Refuse(PayerDeclined)
				m.moved(t, from, Refused, err, false)
				if held != (err == nil && from == Authorized) {
					t.Fatalf("refused when %v: held %v", from, held)
				}
			},
			"expire": func(t *rapid.T) {
				from, early := p.State(), m.at.Before(p.Attempt.Deadline) || p.Attempt.Claim != ""
				_, err := p.Expire(m.at)
				if err == nil && early {
					t.Fatal("expired early or under a claim")
				}
				m.moved(t, from, TimedOut, err, early)
			},
			"void": func(t *rapid.T) {
				from, claimed := p.State(), p.Attempt.Claim != ""
				_, err := p.Void()
				if err == nil && claimed {
					t.Fatal("voided under a claim")
				}
				m.moved(t, from, GivenUp, err, claimed)
			},
			"retry": func(t *rapid.T) {
				proof, ok := p.Retryable()
				if over := p.State() == Declined || p.State() == Expired || p.State() == Voided; ok != over {
					t.Fatalf("%v: retryable %v", p.State(), ok)
				}
				if ok {
					proof.Begin(m.name("att"), "rail", m.at, m.at.Add(time.Hour))
					m.ended, m.parts = 0, 0
				}
			},
			"claim": func(t *rapid.T) {
				proof, ok := p.Capturable(m.at)
				if ok != (p.State() == Authorized && p.Attempt.Claim == "" && m.at.Before(p.Attempt.Deadline)) {
					t.Fatalf("%v, claim %q, deadline in %v: capturable %v", p.State(), p.Attempt.Claim, p.Attempt.Deadline.Sub(m.at), ok)
				}
				if ok {
					proof.Begin(m.name("op"))
				}
			},
			"capture": func(t *rapid.T) {
				from, claim := p.State(), p.Attempt.Claim
				op := rapid.SampledFrom([]string{claim, "", "op0"}).Draw(t, "operation")
				a := money.Of(rapid.Int64Range(-1, amount.Minor+2).Draw(t, "captured"), "USD")
				err := p.Capture(op, a, m.at)
				if err == nil && (op != claim || claim == "") {
					t.Fatalf("%q captured under the claim %q", op, claim)
				}
				m.moved(t, from, CaptureOK, err, true)
			},
			"part": func(t *rapid.T) {
				proof, ok := p.Capturable(m.at)
				if !ok {
					t.Skip("not capturable")
				}
				op, left, before := m.name("op"), p.HeldAmount().Minor, p.CapturedAmount().Minor
				a := money.Of(rapid.Int64Range(-1, left+2).Draw(t, "part"), "USD")
				proof.Begin(op)
				err := p.CapturePart(op, a, m.at)
				if (err == nil) != (a.Minor > 0 && a.Minor < left) {
					t.Fatalf("%d of %d held: %v", a.Minor, left, err)
				}
				if err != nil {
					return // the claim stands until its outcome is known
				}
				if m.parts++; p.State() != Authorized || p.CapturedAmount().Minor != before+a.Minor || p.HeldAmount().Minor != left-a.Minor || p.Attempt.Claim != "" {
					t.Fatalf("after a part of %d: %+v", a.Minor, p)
				}
			},
			"refund": func(t *rapid.T) {
				a := money.Of(rapid.Int64Range(-1, amount.Minor+2).Draw(t, "refunded"), "USD")
				left := p.CapturedAmount().Minor - p.RefundedAmount().Minor
				proof, ok := p.Refundable(a)
				if ok != (a.Minor > 0 && a.Minor <= left) {
					t.Fatalf("%v: %d of %d refundable: %v", p.State(), a.Minor, left, ok)
				}
				if ok {
					m.refunds = append(m.refunds, proof.Refund(m.name("re"), m.at))
				}
			},
			"end refund": func(t *rapid.T) {
				if len(m.refunds) == 0 {
					t.Skip("none")
				}
				r := &m.refunds[rapid.IntRange(0, len(m.refunds)-1).Draw(t, "which")]
				pending := r.State() == RefundPending
				var err error
				if rapid.Bool().Draw(t, "fails") {
					err = r.Fail(&p, ProcessingError)
				} else {
					err = r.Succeed()
				}
				if (err == nil) != pending {
					t.Fatalf("refund ended (pending %v): %v", pending, err)
				}
			},
			"store": func(t *rapid.T) {
				public := p
				public.Attempt.state, public.capturedMinor, public.refundedMinor, public.capturedAt = 0, 0, 0, time.Time{}
				got, err := Restore(public, p.Stored())
				if err != nil || got != p {
					t.Fatalf("restored %+v, want %+v: %v", got, p, err)
				}
			},
		})
	})
}

func (m *model) check(t *rapid.T) {
	p := m.p
	if m.ended != 0 && p.State() != m.ended {
		t.Fatalf("left the final state %v for %v", m.ended, p.State())
	}
	if !slices.Contains(States, p.State()) {
		t.Fatalf("state %v", p.State())
	}
	if !p.State().Waiting() {
		m.ended = p.State()
	}
	if p.State().Waiting() == p.Attempt.Deadline.IsZero() {
		t.Fatalf("%v with deadline %v", p.State(), p.Attempt.Deadline)
	}
	if p.Attempt.Claim != "" && p.State() != Authorized {
		t.Fatalf("%v with claim %q", p.State(), p.Attempt.Claim)
	}
	var refunded int64
	for _, r := range m.refunds {
		if r.State() != RefundFailed {
			refunded += r.Amount.Minor
		}
	}
	captured := p.CapturedAmount().Minor
	switch {
	case captured < 0 || captured > p.Amount.Minor:
		t.Fatalf("captured %d of %d", captured, p.Amount.Minor)
	case captured > 0 && p.State() != Captured && p.State() != Authorized, captured == 0 && p.State() == Captured:
		t.Fatalf("captured %d when %v", captured, p.State())
	case p.State() == Authorized && p.HeldAmount().Minor != p.Amount.Minor-captured, p.State() != Authorized && p.HeldAmount().Minor != 0:
		t.Fatalf("held %v when %v with %d captured", p.HeldAmount(), p.State(), captured)
	case captured > 0 && p.Attempt.AuthorizedAt.IsZero():
		t.Fatal("captured what was never authorised")
	case p.RefundedAmount().Minor != refunded:
		t.Fatalf("refunded %d, want %d", p.RefundedAmount().Minor, refunded)
	case refunded > captured:
		t.Fatalf("refunded %d of %d", refunded, captured)
	}
}
