// Package resource is the common shape of a dialect's row: a source, a charge,
// an order, a webhook event. The store keeps the row without knowing what the
// body means; only the dialect that wrote it reads it.
package resource

import (
	"encoding/json"
	"fmt"
	"time"
)

// Row is one object of a dialect.
//
// Sort is the part of the key that decides the order of lists: rows of one
// (merchant, kind) are listed by Sort, newest first. It is derived from the id
// when the id is one of ours (see id.Sort, id.SortNumber), so that finding a row by id and
// listing rows by creation are the same index.
type Row struct {
	Kind    string // "stripe.source", "stripe.charge", … : dialect, dot, object
	ID      string // wire id, unique within (merchant, kind)
	Sort    string
	Payment string // id of the core payment it belongs to, or ""
	Created time.Time
	Version int64 // 1 when first stored; every update expects the version it read
	Body    []byte
	Keys    []Key // further ways to find it; an ordinary update leaves them alone
	// First is the name of the key by which a row that is inserted has to be the first
	// of its kind; "" for none. It is not kept.
	First string
}

// Key is a name and value a row can be found or filtered by, such as
// {"charge", "py_…"} on a refund.
type Key struct {
	Name, Value string
}

// Decode reads a row's body, which Encode wrote.
func Decode[T any](r Row) (T, error) {
	var b T
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return b, fmt.Errorf("%s %s: %w", r.Kind, r.ID, err)
	}
	return b, nil
}

// DecodeAs is Decode of a body that is kept in another form, which plain reads.
func DecodeAs[T any](r Row, plain func(kept []byte) ([]byte, error)) (T, error) {
	text, err := plain(r.Body)
	if err != nil {
		var none T
		return none, fmt.Errorf("%s %s: %w", r.Kind, r.ID, err)
	}
	r.Body = text
	return Decode[T](r)
}

// Encode writes a body. It panics on what cannot be written: bodies are types of
// ours, so that is a broken invariant.
func Encode(body any) []byte {
	b, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("resource: a body of type %T cannot be encoded: %v", body, err))
	}
	return b
}
