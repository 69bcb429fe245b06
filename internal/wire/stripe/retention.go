package stripe

import (
	"errors"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// eventsShown is how long, on the account's clock, an event is listed, can be
// delivered again, and is retrieved in full (stripe-platform §8.1). Afterwards
// a summary is left: what happened to which object.
const eventsShown = 30 * 24 * time.Hour

func eventShown(row resource.Row, at time.Time) bool { return row.Created.Add(eventsShown).After(at) }

// oldest is where lists of a kind begin; "" for those that go back to the start.
func (v *view) oldest(kind string) string {
	if kind != kindEvent {
		return ""
	}
	return id.Floor(v.now().Add(time.Millisecond - eventsShown))
}

// summary leaves of an event's object what names it.
func (b eventBody) summary() (eventBody, error) {
	full, err := decodeObject(b.Object)
	if err != nil {
		return b, err
	}
	o := obj{"object": full["object"]}
	if name, ok := full["id"]; ok { // a balance has none
		o["id"] = name
	}
	b.Object, b.Previous = encode(o), nil
	return b, nil
}

// pastEvent renders the summary of an event that is no longer shown, whether or
// not it has been pruned; unknown is the error if there was none.
func (v *view) pastEvent(name string, unknown error) (obj, error) {
	row, err := v.Resource(kindPastEvent, name)
	if errors.Is(err, store.ErrNotFound) {
		row, err = v.Resource(kindEvent, name)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	b, err := decodeEvent(row)
	if err != nil {
		return nil, err
	}
	if b, err = b.summary(); err != nil {
		return nil, err
	}
	e, err := b.rendition(row)
	if err != nil {
		return nil, err
	}
	return e.render(row, v.merchant.Live, 0), nil
}

// Prune implements engine.Keeper: events that are no longer shown become their
// summaries, and their deliveries go.
func (a *API) Prune(t *engine.Tx, limit int) (next time.Time, err error) {
	rows, err := t.Resources(store.List{Kind: kindEvent, Oldest: true, Limit: limit + 1})
	if err != nil {
		return next, err
	}
	for done := 0; done < len(rows); done++ {
		row := rows[len(rows)-1-done] // oldest first
		if eventShown(row, t.At) {
			return row.Created.Add(eventsShown), nil
		}
		if done == limit {
			return t.At, nil
		}
		if err := prunedEvent(t, row); err != nil {
			return next, err
		}
	}
	return next, nil
}

func prunedEvent(t *engine.Tx, row resource.Row) error {
	b, err := decodeEvent(row)
	if err != nil {
		return err
	}
	if b, err = b.summary(); err != nil {
		return err
	}
	if err := errors.Join(t.DeleteDeliveries(row.ID), t.DeleteResource(kindEvent, row.ID)); err != nil {
		return err
	}
	row.Kind, row.Keys, row.Body = kindPastEvent, nil, encodeBody(b)
	return t.InsertResource(row)
}
