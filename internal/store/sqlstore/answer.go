package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/store"
)

// answerLife is how long a key is remembered.
const answerLife = 24 * time.Hour

func scanAnswer(r Rows) (a store.Answer, err error) {
	var created, status int64
	err = r.Scan(&a.Key, &a.Endpoint, &a.Fingerprint, &a.RequestID, &created, &status, &a.Headers, &a.Body)
	a.Created, a.Status = fromMilli(created), int(status)
	return a, err
}

// Answer implements store.Reader.
func (t *Tx) Answer(key string) (store.Answer, error) {
	return one(t, scanAnswer, `select key, endpoint, fingerprint, request_id, created, status, headers, body from answer
where merchant = $1 and key = $2`, t.merchant, key)
}

// InsertAnswer implements store.Tx. It waits for another transaction that is
// claiming the same key. Unlike after other inserts, the transaction can go on
// after store.ErrExists, so that the key's answer can be read.
func (t *Tx) InsertAnswer(a store.Answer) error {
	if err := t.lock(LockAnswer, a.Key); err != nil {
		return err
	}
	n, err := t.execNow(`insert into answer (merchant, key, endpoint, fingerprint, request_id, created, status, headers, body)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (merchant, key) do update set endpoint = excluded.endpoint, fingerprint = excluded.fingerprint,
	request_id = excluded.request_id, created = excluded.created, status = excluded.status, headers = excluded.headers, body = excluded.body
where answer.created < $10`,
		t.merchant, a.Key, a.Endpoint, a.Fingerprint, a.RequestID, toMilli(a.Created), int64(a.Status), a.Headers, a.Body,
		toMilli(a.Created.Add(-answerLife)))
	if err == nil && n == 0 {
		return store.ErrExists
	}
	return err
}

// FinishAnswer implements store.Tx. A claim that is gone is store.ErrStale.
func (t *Tx) FinishAnswer(a store.Answer) error {
	if err := t.lock(LockAnswer, a.Key); err != nil {
		return err
	}
	return t.execOne(`update answer set status = $3, headers = $4, body = $5 where merchant = $1 and key = $2`,
		t.merchant, a.Key, int64(a.Status), a.Headers, a.Body)
}

// DeleteAnswer implements store.Tx. Deleting what is not there does nothing.
func (t *Tx) DeleteAnswer(key string) error {
	if err := t.lock(LockAnswer, key); err != nil {
		return err
	}
	return t.exec(`delete from answer where merchant = $1 and key = $2`, t.merchant, key)
}

// PruneAnswers implements store.Store. An answer that was replaced since it was
// found is looked at once more before it goes.
func (s *Store) PruneAnswers(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.write(ctx, 0, func(t *Tx) error {
		deleted, err := t.execNow(`delete from answer where created < $1 and (merchant, key) in
	(select merchant, key from answer where created < $1 order by created, merchant, key limit $2 + 0)`, toMilli(before), int64(max(limit, 0)))
		n = int(deleted)
		return err
	})
	return n, err
}

const selectDelivery = `select id, event, endpoint, state, created, next, attempts, body, version from delivery
`

func scanDelivery(r Rows) (d store.Delivery, err error) {
	var created, next int64
	var attempts string
	if err := r.Scan(&d.ID, &d.Event, &d.Endpoint, &d.State, &created, &next, &attempts, &d.Body, &d.Version); err != nil {
		return d, err
	}
	d.Created, d.Next = fromMilli(created), fromMilli(next)
	if attempts == "" {
		return d, nil
	}
	if err := json.Unmarshal([]byte(attempts), &d.Attempts); err != nil {
		return d, fmt.Errorf("delivery %s: attempts: %w", d.ID, err)
	}
	return d, nil
}

func encodeAttempts(as []store.Attempt) (string, error) {
	if len(as) == 0 {
		return "", nil
	}
	b, err := json.Marshal(as)
	return string(b), err
}

// Delivery implements store.Reader.
func (t *Tx) Delivery(id string) (store.Delivery, error) {
	return one(t, scanDelivery, selectDelivery+`where merchant = $1 and id = $2`, t.merchant, id)
}

// Deliveries implements store.Reader.
func (t *Tx) Deliveries(event, endpoint string, before string, limit int) ([]store.Delivery, error) {
	if before == "" {
		before = last
	}
	const end = ` and id < $2 order by id desc limit $3 + 0`
	args := []any{t.merchant, before, int64(max(limit, 0))}
	switch {
	case event != "" && endpoint != "":
		return many(t, scanDelivery, selectDelivery+`where merchant = $1 and event = $4 and endpoint = $5`+end, append(args, event, endpoint)...)
	case event != "":
		return many(t, scanDelivery, selectDelivery+`where merchant = $1 and event = $4`+end, append(args, event)...)
	case endpoint != "":
		return many(t, scanDelivery, selectDelivery+`where merchant = $1 and endpoint = $4`+end, append(args, endpoint)...)
	}
	return many(t, scanDelivery, selectDelivery+`where merchant = $1`+end, args...)
}

// InsertDelivery implements store.Tx.
func (t *Tx) InsertDelivery(d store.Delivery) error {
	attempts, err := encodeAttempts(d.Attempts)
	if err != nil {
		return t.fail(err)
	}
	return t.exec(`insert into delivery (merchant, id, event, endpoint, state, created, next, attempts, body, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)`,
		t.merchant, d.ID, d.Event, d.Endpoint, d.State, toMilli(d.Created), toMilli(d.Next), attempts, d.Body)
}

// UpdateDelivery implements store.Tx.
func (t *Tx) UpdateDelivery(d store.Delivery) error {
	attempts, err := encodeAttempts(d.Attempts)
	if err != nil {
		return t.fail(err)
	}
	if err := t.lock(LockDelivery, d.ID); err != nil {
		return err
	}
	return t.execOne(`update delivery set state = $4, next = $5, attempts = $6, version = version + 1
where merchant = $1 and id = $2 and version = $3`, t.merchant, d.ID, d.Version, d.State, toMilli(d.Next), attempts)
}

// DeleteDeliveries implements store.Tx. It may have to wait for any delivery.
func (t *Tx) DeleteDeliveries(event string) error {
	if err := t.lock(LockDelivery, last); err != nil {
		return err
	}
	return t.exec(`delete from delivery where merchant = $1 and event = $2`, t.merchant, event)
}
