package agreement

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)

func in(t testing.TB, s State) *Agreement {
	t.Helper()
	a := New(Agreement{ID: "agr_1", Created: start}, start.Add(time.Hour))
	a.state = s
	return &a
}

func token(kind TokenKind, until time.Time) Token {
	return Token{Hash: TokenHash("x"), Agreement: "agr_1", Kind: kind, Number: 1, Created: start, Until: until}
}

func TestOnlyAnActiveAgreementIsDebitable(t *testing.T) {
	t.Parallel()
	for _, s := range append([]State{0, 99}, States...) {
		a := in(t, s)
		if _, ok := a.Debitable(start); ok != (s == Active) {
			t.Errorf("%v: debitable %v", s, ok)
		}
		a.generation = 1
		if _, ok := a.DebitableBy(token(Access, start.Add(time.Minute)), start); ok != (s == Active) {
			t.Errorf("%v: debitable by a token: %v", s, ok)
		}
		if _, ok := a.Debitable(start); ok {
			t.Errorf("%v: an agreement with tokens is debitable without one", s)
		}
	}
}

func TestDebitableBy(t *testing.T) {
	t.Parallel()
	a := in(t, Active)
	a.generation = 1
	good := token(Access, start.Add(time.Minute))
	foreign := good
	foreign.Agreement = "agr_2"
	ended := good
	ended.End(start)
	for name, c := range map[string]struct {
		tok  Token
		at   time.Time
		want bool
	}{
		"good":           {good, start, true},
		"just before":    {good, start.Add(time.Minute - 1), true},
		"expired":        {good, start.Add(time.Minute), false},
		"ended":          {ended, start, false},
		"foreign":        {foreign, start, false},
		"refresh":        {token(Refresh, start.Add(time.Minute)), start, false},
		"code":           {token(Code, start.Add(time.Minute)), start, false},
		"agreement over": {token(Access, start.Add(2*time.Hour)), start.Add(time.Hour), false},
	} {
		proof, ok := a.DebitableBy(c.tok, c.at)
		if ok != c.want || ok && proof.Agreement() != a {
			t.Errorf("%s: %v, want %v", name, ok, c.want)
		}
	}
	good.End(start.Add(time.Hour))
	if !good.Until.Equal(start.Add(time.Minute)) {
		t.Errorf("ending a token later than it ends moved its end to %v", good.Until)
	}
}

func TestLifeOfATokenAgreement(t *testing.T) {
	t.Parallel()
	a := in(t, Requested)
	if err := a.Agree(Consent{At: start, Payer: "p", Until: start}); err == nil || a.State() != Requested {
		t.Errorf("a consent that is over at once: %v, %v", a.State(), err)
	}
	if err := a.Agree(Consent{At: start, Payer: "p", Until: start.Add(10 * time.Minute)}); err != nil || a.Payer != "p" {
		t.Fatal(err)
	}
	for _, g := range []Grant{{At: start, AccessUntil: start}, {At: start, AccessUntil: start.Add(1), RefreshUntil: start}, {At: start}} {
		if err := a.Issue(g); err == nil || a.State() != Agreed || a.Generation() != 0 {
			t.Errorf("grant %+v was given", g)
		}
	}
	if err := a.Issue(Grant{At: start, AccessUntil: start.Add(time.Hour), RefreshUntil: start.Add(2 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if !a.Deadline.Equal(start.Add(2*time.Hour)) || a.Generation() != 1 || a.Since != start {
		t.Errorf("active %+v", a)
	}
	if err := a.Issue(Grant{At: start, AccessUntil: start.Add(time.Hour)}); err == nil {
		t.Error("issued twice")
	}
	if err := a.Renew(Grant{At: start, AccessUntil: start.Add(3 * time.Hour)}); err != nil || a.Generation() != 2 || !a.Deadline.Equal(start.Add(3*time.Hour)) {
		t.Errorf("renewed: %v, %+v", err, a)
	}
	if err := a.Revoke(ByPayer); err != nil || a.EndedBy != ByPayer || !a.Deadline.IsZero() {
		t.Errorf("revoked: %v, %+v", err, a)
	}
	if err := a.Revoke(ByMerchant); err == nil || a.EndedBy != ByPayer {
		t.Errorf("revoked twice: %v, %s", err, a.EndedBy)
	}
}

func TestMandate(t *testing.T) {
	t.Parallel()
	a := in(t, Requested)
	if err := a.Activate("p", start, time.Time{}); err != nil || a.Payer != "p" {
		t.Fatal(err)
	}
	if a.Overdue(start.AddDate(50, 0, 0)) {
		t.Error("a mandate without end is overdue")
	}
	if _, ok := a.Debitable(start.AddDate(50, 0, 0)); !ok {
		t.Error("a mandate without end cannot be debited")
	}
	if err := a.Renew(Grant{At: start, AccessUntil: start.Add(1)}); err == nil {
		t.Error("renewed what has no tokens")
	}
	if _, ok := errors.AsType[IllegalMove](a.Expire(start.AddDate(50, 0, 0))); !ok {
		t.Error("expired without a deadline")
	}
}

func TestTheZeroStateIsIllegal(t *testing.T) {
	t.Parallel()
	a := Agreement{ID: "agr_1", Deadline: start}
	for i, err := range []error{
		a.Agree(Consent{At: start, Until: start.Add(1)}), a.Activate("", start, time.Time{}), a.Refuse(), a.Expire(start), a.Revoke(ByPayer),
		a.Issue(Grant{At: start, AccessUntil: start.Add(1)}),
	} {
		if _, ok := errors.AsType[IllegalMove](err); !ok {
			t.Errorf("move %d: %v, want an illegal move", i, err)
		}
	}
	if _, err := Restore(a, a.Stored()); err == nil {
		t.Error("the zero state can be restored")
	}
	if bytes.Equal(TokenHash("a"), TokenHash("b")) || len(TokenHash("")) != 32 {
		t.Error("hashes do not tell tokens apart")
	}
	if got, want := (IllegalMove{Revoked, Renewed}).Error(), "an agreement that is revoked cannot be renewed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("a request without a deadline")
		}
	}()
	New(Agreement{}, time.Time{})
}

// TestRandomEvents runs random moves: none leads anywhere the table does not
// say, and whoever is not active is never debited.
func TestRandomEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := New(Agreement{ID: "agr_1", Created: start}, start.Add(time.Hour))
		at := start
		move := func(e Event, do func() error) func(*rapid.T) {
			return func(t *rapid.T) {
				from := a.State()
				err := do()
				to, legal := Next(from, e)
				if err == nil && (!legal || a.State() != to) || err != nil && a.State() != from {
					t.Fatalf("%v when %v led to %v: %v", e, from, a.State(), err)
				}
			}
		}
		grant := func() Grant {
			return Grant{At: at, AccessUntil: at.Add(time.Hour), RefreshUntil: at.Add(2 * time.Hour)}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				_, ok := a.Debitable(at)
				_, by := a.DebitableBy(token(Access, at.Add(1)), at)
				if (ok || by) && (a.State() != Active || a.Overdue(at)) {
					t.Fatalf("%v at %v is debitable", a.State(), at)
				}
				if got, err := Restore(a, a.Stored()); err != nil || got != a {
					t.Fatalf("restored %+v, want %+v: %v", got, a, err)
				}
			},
			"wait":     func(t *rapid.T) { at = at.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "minutes")) * time.Minute) },
			"agree":    move(Consented, func() error { return a.Agree(Consent{At: at, Until: at.Add(10 * time.Minute)}) }),
			"activate": move(Activated, func() error { return a.Activate("p", at, at.Add(time.Hour)) }),
			"issue":    move(Activated, func() error { return a.Issue(grant()) }),
			"renew":    move(Renewed, func() error { return a.Renew(grant()) }),
			"refuse":   move(Refused, a.Refuse),
			"expire":   move(TimedOut, func() error { return a.Expire(at) }),
			"revoke":   move(Withdrawn, func() error { return a.Revoke(ByPayer) }),
		})
	})
}
