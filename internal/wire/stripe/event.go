package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/webhook"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// Events are rows of two kinds: those that are shown in full, and what is left
// of those that were (see retention.go).
const (
	kindEvent     = "stripe.event"
	kindPastEvent = "stripe.event.past"
)

// eventBody is an event as its row keeps it: as it was rendered when it happened.
type eventBody struct {
	Type       string          `json:"type"`
	APIVersion string          `json:"api_version"`
	Object     json.RawMessage `json:"object"`
	Previous   json.RawMessage `json:"previous,omitempty"`
	RequestID  string          `json:"request_id,omitempty"`
	Key        string          `json:"key,omitempty"`
}

// rendition is an event as it is rendered in one version.
type rendition struct {
	typ, version     string
	object, previous obj // previous is nil for events that do not tell it
	requestID, key   string
}

// appendTo writes an event as its row keeps it: an eventBody, without white space.
func (e rendition) appendTo(b []byte) []byte {
	b = appendString(append(b, `{"type":`...), e.typ)
	b = appendString(append(b, `,"api_version":`...), e.version)
	b = appendObject(append(b, `,"object":`...), e.object, compact)
	if e.previous != nil {
		b = appendObject(append(b, `,"previous":`...), e.previous, compact)
	}
	if e.requestID != "" {
		b = appendString(append(b, `,"request_id":`...), e.requestID)
	}
	if e.key != "" {
		b = appendString(append(b, `,"key":`...), e.key)
	}
	return append(b, '}')
}

// renditionOf reads an event's row.
func renditionOf(row resource.Row) (rendition, error) {
	b, err := decodeEvent(row)
	if err != nil {
		return rendition{}, err
	}
	return b.rendition(row)
}

// rendition reads the objects of an event's body.
func (b eventBody) rendition(row resource.Row) (e rendition, err error) {
	e = rendition{typ: b.Type, version: b.APIVersion, requestID: b.RequestID, key: b.Key}
	if e.object, err = decodeObject(b.Object); err == nil && b.Previous != nil {
		e.previous, err = decodeObject(b.Previous)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", row.Kind, row.ID, err)
	}
	return e, err
}

// message is an event about to be written. render returns the object and, for
// events that carry them, the previous values of what changed; it is called
// once per version, and what it returns is reshaped for that version.
type message struct {
	typ     string
	payment string // the core payment it is about, "" for none
	render  func(v *view) (object, previous obj, err error)
}

// emit writes an event and its deliveries, in the transaction of the change.
func (a *API) emit(t *engine.Tx, m message) error {
	endpoints, err := a.subscribed(t, accountVersion(t.Who), m.typ)
	if err != nil {
		return err
	}
	eventID := t.NewID("evt_")
	rendered := map[string]rendition{}
	at := func(version string) (rendition, error) {
		if e, ok := rendered[version]; ok {
			return e, nil
		}
		e := rendition{typ: eventName(version, m.typ), version: version, requestID: t.Cause.RequestID, key: t.Cause.IdempotencyKey}
		var err error
		if e.object, e.previous, err = m.render(&view{Reader: t, api: a, merchant: &t.Who, at: t.At, version: version}); err != nil {
			return e, err
		}
		older(version, e.object)
		rendered[version] = e
		return e, nil
	}
	account, err := at(accountVersion(t.Who))
	if err != nil {
		return err
	}
	keys := []resource.Key{{Name: "type", Value: account.typ}}
	if m.payment != "" {
		keys = append(keys, resource.Key{Name: "payment", Value: m.payment})
	}
	row := newRow(t, kindEvent, eventID, "", written(account.appendTo, dictionary().Pack), keys...)
	if err := t.InsertResource(row); err != nil {
		return err
	}
	if err := t.PlanPrune(Name, row.Created.Add(eventsShown)); err != nil {
		return err
	}
	for _, to := range endpoints {
		version := to.body.APIVersion
		if version == "" {
			version = account.version
		}
		e, err := at(version)
		if err != nil {
			return err
		}
		text := encode(e.render(row, t.Who.Live, len(endpoints)))
		d := store.Delivery{ID: t.NewID("whd_"), Event: eventID, Endpoint: to.row.ID, State: webhook.Pending, Created: t.At, Body: dictionary().Pack(text)}
		if err := webhook.Plan(t, Name, m.typ, text, d); err != nil {
			return err
		}
	}
	return nil
}

// render shows an event with the number of its deliveries that are outstanding.
func (e rendition) render(row resource.Row, live bool, pending int) obj {
	data := obj{"object": e.object}
	if e.previous != nil {
		data["previous_attributes"] = e.previous
	}
	var request any = obj{"id": nullable(e.requestID), "idempotency_key": nullable(e.key)}
	if !since(e.version, versionRequestHash) {
		request = nullable(e.requestID)
	}
	return obj{
		"id": row.ID, "object": "event", "api_version": e.version, "created": row.Created.Unix(), "data": data,
		"livemode": live, "pending_webhooks": pending, "request": request, "type": e.typ,
	}
}

// deliveriesMax bounds the endpoints of an event, and so its deliveries that
// are looked at.
const deliveriesMax = 100

func (v *view) event(row resource.Row) (obj, error) {
	e, err := renditionOf(row)
	if err != nil {
		return nil, err
	}
	pending, err := v.undelivered(row.ID)
	if err != nil {
		return nil, err
	}
	return e.render(row, v.merchant.Live, pending), nil
}

// undelivered counts an event's deliveries that have not succeeded.
func (v *view) undelivered(eventID string) (int, error) {
	ds, err := v.Deliveries(eventID, "", "", deliveriesMax)
	n := 0
	for _, d := range ds {
		if d.State != webhook.Delivered {
			n++
		}
	}
	return n, err
}

func retrieveEvent(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, err := c.shownEvent(v, v.now())
		if w, ok := errors.AsType[*wireError](err); ok && w.status == 404 {
			return v.pastEvent(c.path("id"), err)
		}
		if err != nil {
			return nil, err
		}
		return v.event(row)
	})
}

// shownEvent is the event of the path, if it is still shown in full.
func (c *call) shownEvent(r store.Reader, at time.Time) (resource.Row, error) {
	row, err := r.Resource(kindEvent, c.path("id"))
	if errors.Is(err, store.ErrNotFound) || err == nil && !eventShown(row, at) {
		return row, c.unknown(404, kindEvent, "event", "id", c.path("id"))
	}
	return row, err
}

// typesMax is how many types a list may be filtered by.
const typesMax = 20

func listEvents(c *call) (obj, error) {
	typ, one, err := text(c.params.Get("type"), "type", 0)
	if err != nil {
		return nil, err
	}
	var types []string
	if v := c.params.Get("types"); v.Kind() != form.Missing && (v.Kind() != form.Scalar || v.String() != "") {
		if v.Kind() != form.List {
			return nil, invalid("", "types", "Invalid array")
		}
		if one {
			return nil, exclusive("type", "types")
		}
		for _, item := range v.Items() {
			types = append(types, item.String())
		}
		if len(types) > typesMax {
			return nil, invalid("", "types", "You may specify up to %d types.", typesMax)
		}
	}
	success, err := boolean(c.params.Get("delivery_success"), "delivery_success", true)
	if err != nil {
		return nil, err
	}
	filterDelivery := c.params.Get("delivery_success").Kind() != form.Missing
	if typ != "" && !strings.Contains(typ, "*") && !filterDelivery {
		return c.page(kindEvent, "event", "type", typ, (*view).event)
	}
	if typ == "" && types == nil && !filterDelivery {
		return c.page(kindEvent, "event", "", "", (*view).event)
	}
	keep := func(v *view, r resource.Row) bool {
		b, err := decodeEvent(r)
		if err != nil {
			return false
		}
		if typ != "" {
			if ok, _ := path.Match(typ, b.Type); !ok {
				return false
			}
		}
		if types != nil && !slices.Contains(types, b.Type) {
			return false
		}
		if !filterDelivery {
			return true
		}
		pending, err := v.undelivered(r.ID)
		return err == nil && (pending == 0) == success
	}
	return c.filtered(kindEvent, "event", "", "", keep, (*view).event)
}

// retryEvent delivers an event again (stripe-platform §16.4).
func retryEvent(c *call) (step, error) {
	toTool, err := boolean(c.params.Get("for_stripecli"), "for_stripecli", false)
	if err != nil {
		return step{}, err
	}
	endpointID := ""
	if c.params.Get("webhook_endpoint").Kind() != form.Missing || !toTool {
		if endpointID, err = must(c.params.Get("webhook_endpoint"), "webhook_endpoint", 0); err != nil {
			return step{}, err
		}
	}
	eventID := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			row, err := c.shownEvent(t, t.At)
			if err != nil {
				return err
			}
			if endpointID == "" {
				return sendAgain(t, row.ID)
			}
			e, err := t.Resource(kindEndpoint, endpointID)
			if errors.Is(err, store.ErrNotFound) {
				return noSuch(400, "webhook endpoint", "webhook_endpoint", endpointID)
			}
			if err != nil {
				return err
			}
			return c.api.Resend(t, row, e)
		},
		finish: func(t *engine.Tx) (obj, error) {
			row, err := t.Resource(kindEvent, eventID)
			if err != nil {
				return nil, err
			}
			return c.in(t).event(row)
		},
	}, nil
}

// Resend plans one more attempt to deliver an event to an endpoint, beside the
// automatic ones. An endpoint that was not there when the event happened gets
// the account's rendering.
func (a *API) Resend(t *engine.Tx, event, endpoint resource.Row) error {
	ds, err := t.Deliveries(event.ID, endpoint.ID, "", 1)
	if err != nil {
		return err
	}
	var deliveryID string
	if len(ds) > 0 {
		deliveryID = ds[0].ID
	} else {
		e, err := renditionOf(event)
		if err != nil {
			return err
		}
		text := encode(e.render(event, t.Who.Live, 1))
		d := store.Delivery{ID: t.NewID("whd_"), Event: event.ID, Endpoint: endpoint.ID, State: webhook.Pending, Created: t.At, Next: t.At, Body: dictionary().Pack(text)}
		if err := t.InsertDelivery(d); err != nil {
			return err
		}
		return t.Job(webhook.JobID(d.ID), webhook.Job, t.At, webhook.Payload{Front: Name, Delivery: d.ID})
	}
	return t.Job("resend:"+t.NewID("rs_"), webhook.Job, t.At, webhook.Payload{Front: Name, Delivery: deliveryID, Manual: true})
}
