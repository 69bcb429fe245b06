package engine

import (
	"context"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/race"
	"github.com/ducatpay/ducat/internal/store"
)

// UpdateMerchant implements store.Tx. The transaction goes on with what it wrote.
func (t *Tx) UpdateMerchant(m merchant.Merchant) error {
	if err := t.Tx.UpdateMerchant(m); err != nil {
		return err
	}
	m.Version++
	t.Who = m
	return nil
}

// setRace replaces the race lab's rules.
func (t *Tx) setRace(rules []race.Rule) error {
	text, err := race.Encode(rules)
	if err != nil {
		return err
	}
	t.Who.Profile.Race = text
	return t.UpdateMerchant(t.Who)
}

// RaceMessage returns what the race lab wants done with a message, the zero rule
// if nothing. For messages that are held until there are enough of them, the
// rule's Held are those that leave with this one, oldest first; with hold, this
// one waits too.
func (t *Tx) RaceMessage(m race.Message, self race.Held) (r race.Rule, hold bool, err error) {
	if t.Who.Profile.Race == "" {
		return r, false, nil
	}
	rules, err := race.Decode(t.Who.Profile.Race)
	if err != nil {
		return r, false, err
	}
	for i := range rules {
		if !rules[i].Affects(m) {
			continue
		}
		r = rules[i]
		if r.Do == race.Together || r.Do == race.Reverse {
			if len(r.Held)+1 < r.Count {
				rules[i].Held = append(r.Held, self)
				return r, true, t.setRace(rules)
			}
			rules[i].Held = nil
			return r, false, t.setRace(race.Used(rules, i))
		}
		if r.Times > 0 {
			err = t.setRace(race.Used(rules, i))
		}
		return r, false, err
	}
	return r, false, nil
}

// RaceRules returns the race lab's rules in force for a merchant.
func (e *Engine) RaceRules(ctx context.Context, merchantID int64) (rules []race.Rule, err error) {
	err = e.View(ctx, merchantID, func(_ store.Reader, m merchant.Merchant, _ time.Time) error {
		rules, err = race.Decode(m.Profile.Race)
		return err
	})
	return rules, err
}

// SetRaceRules replaces the race lab's rules of a test merchant, and returns the
// messages that the former ones held: the caller lets them go, in the same
// transaction.
func (e *Engine) SetRaceRules(ctx context.Context, merchantID int64, rules []race.Rule, release func(t *Tx, held []race.Held) error) error {
	err := e.Update(ctx, merchantID, Cause{}, func(t *Tx) error {
		if t.Who.Live {
			return fault.New(fault.Invalid, "live_account", "There are no races in a live account but its own.")
		}
		former, err := race.Decode(t.Who.Profile.Race)
		if err != nil {
			return err
		}
		var held []race.Held
		for _, r := range former {
			held = append(held, r.Held...)
		}
		if err := t.setRace(rules); err != nil {
			return err
		}
		return release(t, held)
	})
	e.quiet.forget(merchantID)
	return err
}

// quiet remembers for a moment which merchants have no rules for their calls, so
// that a request need not look: rules that another node was told apply after
// quietKept.
type quiet struct {
	mu      sync.Mutex
	until   map[int64]time.Time
	changes int // how often rules were replaced here
}

const (
	quietMax  = 1 << 17
	quietKept = 5 * time.Second
)

func (q *quiet) is(merchantID int64, at time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return at.Before(q.until[merchantID])
}

// now returns what has to be told with a merchant that is read afterwards.
func (q *quiet) now() (changes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changes
}

// note remembers a merchant, unless it was read before rules were replaced.
func (q *quiet) note(merchantID int64, at time.Time, changes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if changes != q.changes {
		return
	}
	if q.until == nil || len(q.until) >= quietMax {
		q.until = map[int64]time.Time{}
	}
	q.until[merchantID] = at.Add(quietKept)
}

func (q *quiet) forget(merchantID int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changes++
	delete(q.until, merchantID)
}

// Reading returns a function to be told of merchants that are read from now on,
// so that their next calls need not look for rules if they have none.
func (e *Engine) Reading() (seen func(m merchant.Merchant)) {
	changes := e.quiet.now()
	return func(m merchant.Merchant) {
		if m.Profile.Race == "" {
			e.quiet.note(m.ID, e.Clock.Now(), changes)
		}
	}
}

// CallRace is an API call as the race lab sees it. The zero value is a call that
// nothing happens to.
type CallRace struct {
	rule  race.Rule
	first []Message // those that have to be delivered before the answer
	mu    sync.Mutex
}

// Message names a message of a merchant on its way to an endpoint.
type Message struct {
	Merchant int64
	Delivery string
}

type callRaceKey struct{}

// EnterRace asks the race lab what is to happen to a call, and returns a context
// for the call's transactions. It uses up the rule that applies.
func (e *Engine) EnterRace(ctx context.Context, merchantID int64, q race.Request) (context.Context, *CallRace, error) {
	if e.quiet.is(merchantID, e.Clock.Now()) {
		return ctx, &CallRace{}, nil
	}
	var rules []race.Rule
	seen := e.Reading()
	if err := e.View(ctx, merchantID, func(_ store.Reader, m merchant.Merchant, _ time.Time) (err error) {
		seen(m)
		rules, err = race.Decode(m.Profile.Race)
		return err
	}); err != nil || len(rules) == 0 {
		return ctx, &CallRace{}, err
	}
	c := &CallRace{}
	ctx = context.WithValue(ctx, callRaceKey{}, c)
	for _, r := range rules {
		if r.Concerns(q) {
			var err error
			c.rule, err = e.useRace(ctx, merchantID, q)
			return ctx, c, err
		}
	}
	return ctx, c, nil
}

// useRace finds the rule that applies to a call and counts it.
func (e *Engine) useRace(ctx context.Context, merchantID int64, q race.Request) (found race.Rule, err error) {
	err = e.Update(ctx, merchantID, Cause{}, func(t *Tx) error {
		found = race.Rule{}
		rules, err := race.Decode(t.Who.Profile.Race)
		if err != nil {
			return err
		}
		for i, r := range rules {
			if r.Concerns(q) {
				if found = r; r.Times == 0 {
					return nil
				}
				return t.setRace(race.Used(rules, i))
			}
		}
		return nil
	})
	return found, err
}

// Await has a message delivered before the call whose transaction this is gets
// its answer. Outside a call it does nothing.
func (t *Tx) Await(delivery string) {
	if c, ok := t.Ctx.Value(callRaceKey{}).(*CallRace); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.first = append(c.first, Message{t.Who.ID, delivery})
	}
}

// Fails returns the error to answer before (or after) the call is done.
func (c *CallRace) Fails(when string) (race.Failure, bool) {
	if c.rule.Do == race.Fail && c.rule.When == when {
		return *c.rule.Error, true
	}
	return race.Failure{}, false
}

// IsCut reports whether the connection is to be cut before (or after) the call
// is done.
func (c *CallRace) IsCut(when string) bool { return c.rule.Do == race.Cut && c.rule.When == when }

// LeaveRace holds the answer of a call that is done back: until the messages
// that must be first have been delivered, and as long as the call is to be slow.
func (e *Engine) LeaveRace(ctx context.Context, c *CallRace) {
	for _, d := range c.first {
		e.Deliver(ctx, d)
	}
	if c.rule.Do == race.Slow {
		e.Clock.Wait(ctx, c.rule.Delay(), nil)
	}
}
