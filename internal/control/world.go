package control

import (
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

type clockView struct {
	Now           time.Time `json:"now"`
	Wall          time.Time `json:"wall"`
	OffsetSeconds float64   `json:"offset_seconds"`
}

func (a *API) clock(r *http.Request, id int64) (any, error) {
	var v clockView
	err := a.Engine.View(r.Context(), id, func(_ store.Reader, m merchant.Merchant, at time.Time) error {
		v = clockView{Now: at, Wall: at.Add(-m.Offset), OffsetSeconds: m.Offset.Seconds()}
		return nil
	})
	return v, err
}

func (a *API) advance(r *http.Request, id int64) (any, error) {
	var q struct {
		Seconds *float64   `json:"seconds"`
		To      *time.Time `json:"to"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if (q.Seconds == nil) == (q.To == nil) {
		return nil, fault.New(fault.Invalid, "bad_advance", `Say how far: {"seconds": 3600} or {"to": "2026-01-02T15:04:05Z"}, one of the two.`)
	}
	if q.Seconds != nil && (*q.Seconds < 0 || *q.Seconds > engine.AdvanceMax.Seconds()) {
		return nil, fault.New(fault.Invalid, "bad_advance", "seconds must be between 0 and two years.")
	}
	done, err := a.Engine.Advance(r.Context(), id, func(at time.Time) time.Time {
		if q.To != nil {
			return *q.To
		}
		return at.Add(time.Duration(*q.Seconds * float64(time.Second)))
	}, a.Run)
	return map[string]any{"from": done.From, "now": done.To, "jobs_run": done.Jobs, "under_way": done.UnderWay}, err
}

func (a *API) reset(r *http.Request, id int64) (any, error) {
	if err := a.Engine.Reset(r.Context(), id); err != nil {
		return nil, err
	}
	a.forget(id)
	return map[string]any{"reset": true}, nil
}

func (a *API) account(r *http.Request, id int64) (any, error) {
	var v any
	err := a.Engine.View(r.Context(), id, func(_ store.Reader, m merchant.Merchant, _ time.Time) error {
		v = map[string]any{"account": m.Account, "livemode": m.Live, "profile": m.Profile}
		return nil
	})
	return v, err
}

// forget has all fronts look a merchant up again: several dialects' credentials can
// speak for one.
func (a *API) forget(id int64) {
	for _, f := range a.Fronts {
		f.Forget(id)
	}
}

// setAccount changes what an account may do; members that are not sent stay.
func (a *API) setAccount(r *http.Request, id int64) (any, error) {
	var q engine.AccountChange
	if err := read(r, &q); err != nil {
		return nil, err
	}
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		change := q
		if q.Settings != nil {
			change.Settings = maps.Clone(q.Settings)
			if err := a.settle(change.Settings, t.Who.Profile.Settings); err != nil {
				return err
			}
		}
		return t.ChangeAccount(change)
	})
	if err != nil {
		return nil, err
	}
	a.forget(id)
	return a.account(r, id)
}

// settle has the fronts judge new settings, and adds what they keep of the old ones.
func (a *API) settle(settings, old map[string]string) error {
	for _, f := range a.Fronts {
		s, ok := f.(Settling)
		if !ok {
			continue
		}
		if err := s.CheckSettings(settings); err != nil {
			return err
		}
		for _, name := range s.KeptSettings() {
			if v, ok := old[name]; ok && settings[name] == "" {
				settings[name] = v
			}
		}
	}
	return nil
}

func (a *API) jobs(r *http.Request, id int64) (any, error) {
	type view struct {
		ID   string    `json:"id"`
		Kind string    `json:"kind"`
		Due  time.Time `json:"due"`
	}
	list := []view{}
	err := a.Engine.View(r.Context(), id, func(s store.Reader, _ merchant.Merchant, _ time.Time) error {
		js, err := s.Jobs(pageMax)
		for _, j := range js {
			if j.Kind != engine.JobPrune { // housekeeping changes nothing that can be seen
				list = append(list, view{j.ID, j.Kind, j.Due})
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return map[string]any{"jobs": list}, nil
}

// makeKey makes a restricted key, or changes what one may do.
func (a *API) makeKey(r *http.Request, id int64) (any, error) {
	var q struct {
		Key         string   `json:"key"`
		Permissions []string `json:"permissions"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	maker, ok := a.front.(KeyMaker)
	if !ok {
		return nil, fault.New(fault.Invalid, "no_restricted_keys", "This API has no restricted keys.")
	}
	key, err := maker.RestrictedKey(r.Context(), id, q.Key, q.Permissions)
	if err != nil {
		return nil, err
	}
	return map[string]any{"key": key, "permissions": append([]string{}, q.Permissions...)}, nil
}
