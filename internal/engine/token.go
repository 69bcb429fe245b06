package engine

import (
	"context"
	"crypto/subtle"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// A token names something of a merchant on a page and carries its secret: whoever
// has it may do there what the page offers. A wrong one is store.ErrNotFound,
// whatever is wrong with it.
type token struct {
	merchant int64
	id       string
	secret   string
}

// tokenFor writes a token. The prefix of the id is left out: the page's path says
// what is meant.
func tokenFor(m merchant.Merchant, prefix, id, secret string) string {
	return strconv.FormatUint(uint64(m.ID), 36) + "-" + strings.TrimPrefix(id, prefix) + "-" + secret
}

// parseToken reads what tokenFor wrote with the same prefix.
func parseToken(text, prefix string) (token, error) {
	parts := strings.Split(text, "-")
	if len(parts) != 3 || len(text) > 100 {
		return token{}, store.ErrNotFound
	}
	n, err := strconv.ParseUint(parts[0], 36, 64)
	if err != nil {
		return token{}, store.ErrNotFound
	}
	return token{merchant: int64(n), id: prefix + parts[1], secret: parts[2]}, nil
}

// check refuses a token whose secret is not the one of what it names.
func (k token) check(secret string) error {
	if subtle.ConstantTimeCompare([]byte(secret), []byte(k.secret)) != 1 {
		return store.ErrNotFound
	}
	return nil
}

// look reads what a token names. If read finds a deadline overdue, lapse applies it
// and the result is read again.
func (e *Engine) look(ctx context.Context, k token, read func(r store.Reader, m merchant.Merchant, at time.Time) (overdue bool, err error), lapse func(t *Tx) error) error {
	overdue := false
	view := func() error {
		return e.View(ctx, k.merchant, func(r store.Reader, m merchant.Merchant, at time.Time) (err error) {
			overdue, err = read(r, m, at)
			return err
		})
	}
	if err := view(); err != nil || !overdue {
		return err
	}
	if err := e.Update(ctx, k.merchant, Cause{}, lapse); err != nil {
		return err
	}
	return view()
}
