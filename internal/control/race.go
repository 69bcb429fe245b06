package control

import (
	"net/http"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/race"
)

// Failing is a Front whose calls can be told to fail.
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
		if f, ok := a.front.(Failing); ok && rule.Error != nil {
			if err := f.CheckFailure(*rule.Error); err != nil {
				return nil, err
			}
		}
	}
	if err := a.Engine.SetRaceRules(r.Context(), id, rules, func(t *engine.Tx, held []race.Held) error {
		return a.Release(t, held)
	}); err != nil {
		return nil, err
	}
	return a.race(r, id)
}
