package control

import (
	"net/http"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// attemptView is an attempt at a delivery.
type attemptView struct {
	At       time.Time `json:"at"` // wall
	Status   int       `json:"status,omitempty"`
	TookMS   float64   `json:"took_ms"` // milliseconds
	Error    string    `json:"error,omitempty"`
	Response string    `json:"response,omitempty"`
	Manual   bool      `json:"manual,omitempty"`
}

func (a *API) deliveries(r *http.Request, id int64) (any, error) {
	type view struct {
		ID       string        `json:"id"`
		Event    string        `json:"event"`
		Endpoint string        `json:"endpoint"`
		State    string        `json:"state"`
		Created  time.Time     `json:"created"`
		Next     *time.Time    `json:"next_attempt"`
		Attempts []attemptView `json:"attempts"`
	}
	list := []view{}
	q := r.URL.Query()
	err := a.Engine.View(r.Context(), id, func(s store.Reader, _ merchant.Merchant, _ time.Time) error {
		ds, err := s.Deliveries(q.Get("event"), q.Get("endpoint"), q.Get("before"), pageMax)
		for _, d := range ds {
			v := view{ID: d.ID, Event: d.Event, Endpoint: d.Endpoint, State: d.State, Created: d.Created, Attempts: []attemptView{}}
			for _, at := range d.Attempts {
				v.Attempts = append(v.Attempts, attemptView{at.At, at.Status, float64(at.Took.Microseconds()) / 1000, at.Error, at.Response, at.Manual})
			}
			if !d.Next.IsZero() {
				v.Next = &d.Next
			}
			list = append(list, v)
		}
		return err
	})
	return map[string]any{"deliveries": list}, err
}

func (a *API) resend(r *http.Request, id int64) (any, error) {
	var q struct {
		Event    string `json:"event"`
		Endpoint string `json:"endpoint"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		return a.front.ResendByID(t, q.Event, q.Endpoint)
	})
	return map[string]any{"resent": err == nil}, err
}

// endpoints tells how the world's endpoints do.
func (a *API) endpoints(r *http.Request, id int64) (any, error) {
	w, ok := a.front.(Watching)
	if !ok {
		return map[string]any{"endpoints": []any{}}, nil
	}
	var list any
	err := a.Engine.View(r.Context(), id, func(s store.Reader, m merchant.Merchant, _ time.Time) (err error) {
		list, err = w.Endpoints(s, m)
		return err
	})
	return map[string]any{"endpoints": list}, err
}

// rollSecret gives an endpoint a new signing secret; the old one signs beside
// it for a while.
func (a *API) rollSecret(r *http.Request, id int64) (any, error) {
	var q struct {
		Endpoint    string `json:"endpoint"`
		KeepSeconds int64  `json:"keep_seconds"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if q.KeepSeconds < 0 || q.KeepSeconds > 24*3600 {
		return nil, fault.New(fault.Invalid, "bad_roll", "keep_seconds must be between 0 and 86400.")
	}
	secret := ""
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) (err error) {
		secret, err = a.front.RollSecret(t, q.Endpoint, time.Duration(q.KeepSeconds)*time.Second)
		return err
	})
	return map[string]any{"endpoint": q.Endpoint, "secret": secret}, err
}
