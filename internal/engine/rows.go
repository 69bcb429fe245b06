package engine

import (
	"slices"

	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
)

// Rows that a transaction has written or read are remembered for as long as it
// lasts: the fact that is told, the message about it and the answer to the
// request look at the same few rows, and asking the database each time is a
// good part of what a request costs.

type rowKey struct{ kind, id string }

// Resource implements store.Reader.
func (t *Tx) Resource(kind, id string) (resource.Row, error) {
	if r, ok := t.rows[rowKey{kind, id}]; ok {
		return r, nil
	}
	r, err := t.Tx.Resource(kind, id)
	if err == nil {
		t.remember(r)
	}
	return r, err
}

// Fresh reads a row past what this transaction remembers of it. Who has waited
// for a lock looks again: what was read before may be old.
func (t *Tx) Fresh(kind, id string) (resource.Row, error) {
	r, err := t.Tx.Resource(kind, id)
	if err == nil {
		t.remember(r)
	}
	return r, err
}

// ResourceBy implements store.Reader: the newest row with the key. Rows written
// by this transaction are the newest.
func (t *Tx) ResourceBy(kind, key, value string) (resource.Row, error) {
	best, found := resource.Row{}, false
	for k, r := range t.rows {
		if k.kind == kind && t.written[k] && slices.Contains(r.Keys, resource.Key{Name: key, Value: value}) && r.Sort > best.Sort {
			best, found = r, true
		}
	}
	if found {
		return best, nil
	}
	r, err := t.Tx.ResourceBy(kind, key, value)
	if err == nil {
		t.remember(r)
	}
	return r, err
}

// InsertResource implements store.Tx.
func (t *Tx) InsertResource(r resource.Row) error {
	if err := t.Tx.InsertResource(r); err != nil {
		return err
	}
	r.Version = 1
	t.remember(r)
	t.written[rowKey{r.Kind, r.ID}] = true
	return nil
}

// UpdateResource implements store.Tx.
func (t *Tx) UpdateResource(r resource.Row) error {
	if err := t.Tx.UpdateResource(r); err != nil {
		return err
	}
	r.Version++
	t.remember(r)
	return nil
}

// RekeyResource implements store.Tx.
func (t *Tx) RekeyResource(r resource.Row, keys []resource.Key) error {
	if err := t.Tx.RekeyResource(r, keys); err != nil {
		return err
	}
	r.Version, r.Keys = r.Version+1, keys
	t.remember(r)
	return nil
}

// DeleteResource implements store.Tx.
func (t *Tx) DeleteResource(kind, id string) error {
	delete(t.rows, rowKey{kind, id})
	delete(t.written, rowKey{kind, id})
	return t.Tx.DeleteResource(kind, id)
}

func (t *Tx) remember(r resource.Row) {
	if t.rows == nil {
		t.rows, t.written = map[rowKey]resource.Row{}, map[rowKey]bool{}
	}
	t.rows[rowKey{r.Kind, r.ID}] = r
}

// Payment implements store.Reader. A payment this transaction works on is shown
// as it stands there.
func (t *Tx) Payment(id string) (payment.Payment, error) {
	if p, ok := t.payments[id]; ok {
		return *p, nil
	}
	return t.Tx.Payment(id)
}
