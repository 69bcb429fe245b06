package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// Worlds opens merchants by credential. Test credentials are worlds of their
// own, created on first use; live ones must have been provisioned.
type Worlds struct {
	e     *Engine
	mu    sync.Mutex
	known map[int64]struct{}
}

// knownMax bounds the memory of worlds that are known to be stored.
const knownMax = 1 << 17

// NewWorlds returns an opener of worlds.
func NewWorlds(e *Engine) *Worlds { return &Worlds{e: e, known: map[int64]struct{}{}} }

// Sandbox returns the id of an account's test half, creating it if this is its
// first use.
func (w *Worlds) Sandbox(ctx context.Context, account string) (int64, error) {
	id := merchant.IDFor(account, false)
	w.mu.Lock()
	_, ok := w.known[id]
	w.mu.Unlock()
	if ok {
		return id, nil
	}
	if err := w.e.Store.CreateMerchant(ctx, merchant.NewSandbox(account, now(w.e.Clock.Now()))); err != nil {
		return 0, fmt.Errorf("open sandbox: %w", err)
	}
	if err := w.e.Store.View(ctx, id, func(r store.Reader) error {
		m, err := r.Merchant()
		if err == nil && m.Account != account {
			return fmt.Errorf("accounts %s and %s have the same storage id", m.Account, account)
		}
		if err == nil && m.Profile.Provisioned {
			return fault.New(fault.NotFound, "not_a_sandbox", "This account has keys of its own.")
		}
		return err
	}); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.known) >= knownMax {
		clear(w.known)
	}
	w.known[id] = struct{}{}
	return id, nil
}

// Opened remembers which sandbox a credential opened, as a front's P, so that a
// request with one costs no look-up. Only credentials that were found not to be
// provisioned belong here: provisioned ones are made of fresh randomness, never
// take over one that was seen before, and are looked up every time, so that
// revoking one takes effect at once. The zero value works.
type Opened[P any] struct {
	mu  sync.RWMutex
	set map[string]P
}

// openedMax bounds the memory of credentials.
const openedMax = 1 << 16

// Get returns what a credential opened.
func (o *Opened[P]) Get(credential string) (P, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	p, ok := o.set[credential]
	return p, ok
}

// Put remembers what a credential opened.
func (o *Opened[P]) Put(credential string, p P) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.set == nil || len(o.set) >= openedMax {
		o.set = map[string]P{}
	}
	o.set[credential] = p
}

// Credential finds a provisioned key.
func (w *Worlds) Credential(ctx context.Context, key string) (store.Credential, error) {
	return w.e.Store.Credential(ctx, merchant.KeyHash(key))
}

// KeyStands reports whether a key, known by its hash, opens what it opened before:
// it is one of the merchant's and of one of the kinds, and not revoked. A sandbox's
// key is stored nowhere; it opens nothing once the account has keys of its own.
func (e *Engine) KeyStands(ctx context.Context, merchantID int64, hash []byte, kinds ...string) (bool, error) {
	c, err := e.Store.Credential(ctx, hash)
	if err == nil {
		return !c.Revoked && c.Merchant == merchantID && slices.Contains(kinds, c.Kind), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	var m merchant.Merchant
	err = e.Store.View(ctx, merchantID, func(r store.Reader) (err error) {
		m, err = r.Merchant()
		return err
	})
	return err == nil && !m.Profile.Provisioned, err
}

// Reset empties a test merchant and gives it the settings of a fresh one.
func (e *Engine) Reset(ctx context.Context, merchantID int64) error {
	if err := e.View(ctx, merchantID, func(_ store.Reader, m merchant.Merchant, _ time.Time) error {
		if m.Live {
			return fault.New(fault.Invalid, "live_reset", "A live account cannot be reset.")
		}
		return nil
	}); err != nil {
		return err
	}
	return e.Store.ClearMerchant(ctx, merchantID, func(tx store.Tx) error {
		m, err := tx.Merchant()
		if err != nil {
			return err
		}
		fresh := merchant.NewSandbox(m.Account, m.Created)
		fresh.Profile.Provisioned = m.Profile.Provisioned
		m.Offset, m.Profile = 0, fresh.Profile
		return tx.UpdateMerchant(m)
	})
}
