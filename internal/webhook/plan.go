package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/race"
	"github.com/ducatpay/ducat/internal/store"
)

// Tx is what planning a delivery asks of a transaction.
type Tx interface {
	store.Tx
	// Job adds durable work due at a merchant's time.
	Job(id, kind string, due time.Time, payload any) error
	// RaceMessage asks the race lab about a message.
	RaceMessage(m race.Message, self race.Held) (r race.Rule, hold bool, err error)
	// Await has a message delivered before the API call at hand is answered.
	Await(delivery string)
}

// JobID is the id of the job that delivers a message.
func JobID(delivery string) string { return "deliver:" + delivery }

func job(m merchant.Merchant, delivery string, due time.Time, pl Payload) (store.Job, error) {
	b, err := json.Marshal(pl)
	return store.Job{Merchant: m.ID, ID: JobID(delivery), Kind: Job, Due: due, RunAt: due.Add(-m.Offset), Payload: b}, err
}

// Plan writes a message's delivery and the job that makes its first attempt, in
// the transaction of what it is about: at once, unless the race lab has other
// plans. text is what is sent, if that is known already; d.Body is what the front
// keeps of it, in a form of its own. d.Created is the transaction's time.
func Plan(t Tx, front, event string, text []byte, d store.Delivery) error {
	rule, hold, err := t.RaceMessage(race.Message{Event: event, Endpoint: d.Endpoint, Body: text}, race.Held{Front: front, Delivery: d.ID})
	if err != nil {
		return err
	}
	d.Next = d.Created
	pl := Payload{Front: front, Delivery: d.ID}
	switch rule.Do {
	case race.BeforeResponse:
		t.Await(d.ID)
	case race.Late:
		d.Next = d.Created.Add(rule.Delay())
	case race.Copies:
		pl.With = slices.Repeat([]string{d.ID}, rule.Count-1)
	case race.Together:
		pl.With = ids(rule.Held)
	case race.Reverse:
		pl.Then = ids(rule.Held)
		slices.Reverse(pl.Then)
	}
	if hold {
		d.Next = time.Time{}
		return t.InsertDelivery(d)
	}
	if err := t.InsertDelivery(d); err != nil {
		return err
	}
	if rule.Do == race.Repeat {
		pl.Always = true // a repeat may overtake it
		for i := range rule.Count - 1 {
			due := d.Created.Add(time.Duration(i+1) * rule.Delay())
			if err := t.Job(fmt.Sprintf("repeat:%s:%d", d.ID, i+1), Job, due, Payload{Front: front, Delivery: d.ID, Manual: true}); err != nil {
				return err
			}
		}
	}
	return t.Job(JobID(d.ID), Job, d.Next, pl)
}

// Release plans the first attempts at messages that were held.
func Release(t Tx, held []race.Held, at time.Time) error {
	for _, h := range held {
		if err := t.Job(JobID(h.Delivery), Job, at, Payload{Front: h.Front, Delivery: h.Delivery}); err != nil {
			return err
		}
	}
	return nil
}

func ids(held []race.Held) []string {
	var list []string
	for _, h := range held {
		list = append(list, h.Delivery)
	}
	return list
}
