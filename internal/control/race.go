package control

import (
	"net/http"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/race"
)

// Failing is a Front whose calls take part in the race lab.
type Failing interface {
	// CheckFailure refuses errors that the dialect's wire cannot have.
	CheckFailure(f race.Failure) error
}

// race shows the race lab's rules in force.
func (a *API) race(r *http.Request, id int64) (any, error) {
	rules, err := a.Engine.RaceRules(r.Context(), id)
	return map[string]any{"rules": rules}, err
}

// setRace replaces the race lab's rules. Messages that the former ones held go.
func (a *API) setRace(r *http.Request, id int64) (any, error) {
	var q struct {
		Rules []race.Rule `json:"rules"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	rules, err := race.Check(q.Rules)
	if err != nil {
		return nil, err
	}
	for _, rule := range rules {
		if err := a.checkCall(rule); err != nil {
			return nil, err
		}
	}
	if err := a.Engine.SetRaceRules(r.Context(), id, rules, func(t *engine.Tx, held []race.Held) error {
		return a.Release(t, held)
	}); err != nil {
		return nil, err
	}
	return a.race(r, id)
}

// checkCall refuses rules about calls that the dialect does not obey, and errors
// that its wire cannot have.
func (a *API) checkCall(rule race.Rule) error {
	if rule.On != race.Call {
		return nil
	}
	f, ok := a.front.(Failing)
	if !ok {
		return fault.New(fault.Invalid, "bad_race", "on: the calls of this API take no part in the race lab; its webhooks do.")
	}
	if rule.Error == nil {
		return nil
	}
	return f.CheckFailure(*rule.Error)
}
