// Package reqlog is how a dialect tells the request log what it alone knows
// about a request. The server puts a Record into the request's context and
// writes it down when the request has been answered.
package reqlog

import "context"

// Record is filled on the way. It holds no keys and no personal data.
type Record struct {
	RequestID string
	Account   string
	ErrorCode string
}

type key struct{}

// With returns a context that carries r.
func With(ctx context.Context, r *Record) context.Context { return context.WithValue(ctx, key{}, r) }

// From returns the context's record, or one that nobody reads.
func From(ctx context.Context) *Record {
	if r, ok := ctx.Value(key{}).(*Record); ok {
		return r
	}
	return &Record{}
}
