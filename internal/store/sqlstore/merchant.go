package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

const merchantColumns = `id, account, live, created, clock_offset, profile, version`

func scanMerchant(r Rows) (m merchant.Merchant, err error) {
	var live, created, offset int64
	var profile string
	if err := r.Scan(&m.ID, &m.Account, &live, &created, &offset, &profile, &m.Version); err != nil {
		return m, err
	}
	m.Live, m.Created, m.Offset = live != 0, fromMilli(created), time.Duration(offset)
	if err := profiles.decode(m.ID, profile, &m.Profile); err != nil {
		return m, fmt.Errorf("merchant %d: profile: %w", m.ID, err)
	}
	return m, nil
}

// profiles remembers decoded profiles: every use case reads its merchant, and
// decoding costs more than reading. It is only ever a matter of time: a text
// that differs is decoded anew.
var profiles profileCache

const profilesMax = 4096

type profileCache [profilesMax]atomic.Pointer[decodedProfile]

type decodedProfile struct {
	text    string
	profile merchant.Profile
}

func (c *profileCache) decode(merchantID int64, text string, p *merchant.Profile) error {
	place := &c[uint64(merchantID)%profilesMax]
	d := place.Load()
	if d == nil || d.text != text {
		d = &decodedProfile{text: text}
		if err := json.Unmarshal([]byte(text), &d.profile); err != nil {
			return err
		}
		place.Store(d)
	}
	*p = cloned(d.profile)
	return nil
}

// cloned returns a profile that its receiver may change.
func cloned(p merchant.Profile) merchant.Profile {
	p.ExtraCurrencies, p.MethodsOff, p.Settings = slices.Clone(p.ExtraCurrencies), slices.Clone(p.MethodsOff), maps.Clone(p.Settings)
	return p
}

func encodeProfile(p merchant.Profile) (string, error) {
	b, err := json.Marshal(p)
	return string(b), err
}

// Merchant implements store.Reader.
func (t *Tx) Merchant() (merchant.Merchant, error) {
	if t.err != nil {
		return merchant.Merchant{}, t.err
	}
	if m, ok := t.conn.Memory().merchant(t.merchant); ok {
		return m, nil
	}
	m, err := one(t, scanMerchant, `select `+merchantColumns+` from merchant where id = $1`, t.merchant)
	if err == nil {
		t.conn.Memory().keep(m)
	}
	return m, err
}

// UpdateMerchant implements store.Tx.
func (t *Tx) UpdateMerchant(m merchant.Merchant) error {
	profile, err := encodeProfile(m.Profile)
	if err != nil {
		return t.fail(err)
	}
	if err := t.lock(LockMerchant, ""); err != nil {
		return err
	}
	t.conn.Memory().changed(t.merchant)
	return t.execOne(`update merchant set clock_offset = $3, profile = $4, version = version + 1 where id = $1 and version = $2`,
		t.merchant, m.Version, int64(m.Offset), profile)
}

// SetAdvancing implements store.Tx.
func (t *Tx) SetAdvancing(until time.Time) error {
	if err := t.lock(LockMerchant, ""); err != nil {
		return err
	}
	return t.exec(`update merchant set advancing_until = $2 where id = $1`, t.merchant, toMilli(until))
}

// CreateMerchant implements store.Store.
func (s *Store) CreateMerchant(ctx context.Context, m merchant.Merchant) error {
	profile, err := encodeProfile(m.Profile)
	if err != nil {
		return err
	}
	return s.write(ctx, m.ID, func(t *Tx) error {
		return t.exec(`insert into merchant (id, account, live, created, clock_offset, profile, advancing_until, version)
values ($1, $2, $3, $4, $5, $6, 0, 1) on conflict (id) do nothing`,
			m.ID, m.Account, toBit(m.Live), toMilli(m.Created), int64(m.Offset), profile)
	})
}

// MerchantIDs implements store.Store.
func (s *Store) MerchantIDs(ctx context.Context, after int64, limit int) (ids []int64, err error) {
	err = s.read(ctx, func(t *Tx) error {
		ids, err = many(t, scanInt, `select id from merchant where id > $1 order by id limit $2 + 0`, after, int64(limit))
		return err
	})
	return ids, err
}

// read runs fn on a snapshot for no particular merchant.
func (s *Store) read(ctx context.Context, fn func(t *Tx) error) error {
	return s.engine.Read(ctx, func(c Conn) error { return fn(&Tx{conn: c, sql: s.sql}) })
}

// dataTables lists the tables that hold a merchant's data, children first.
var dataTables = []string{
	"resource_key", "resource_id", "resource", "dispute", "refund", "attempt", "payment", "agreement_token", "agreement",
	"balance_snapshot", "transfer", "fact", "job", "answer", "delivery",
}

// ClearMerchant implements store.Store.
func (s *Store) ClearMerchant(ctx context.Context, merchantID int64, after func(tx store.Tx) error) error {
	return s.write(ctx, merchantID, func(t *Tx) error {
		if err := errors.Join(t.lock(LockClearing, ""), t.lock(LockJobs, "")); err != nil { // claims take no part in the first
			return err
		}
		m, err := t.Merchant()
		if err != nil {
			return err
		}
		if m.Live {
			return fmt.Errorf("store: merchant %d is live and is not cleared", merchantID)
		}
		t.conn.Memory().Forget()
		for _, table := range dataTables {
			if err := t.exec(`delete from `+table+` where merchant = $1`, merchantID); err != nil {
				return err
			}
		}
		if after == nil {
			return nil
		}
		return after(t)
	})
}

// PutCredential implements store.Store.
func (s *Store) PutCredential(ctx context.Context, c store.Credential) error {
	return s.write(ctx, c.Merchant, func(t *Tx) error {
		return t.exec(`insert into credential (hash, merchant, kind, permissions, created, revoked) values ($1, $2, $3, $4, $5, $6)
on conflict (hash) do update set merchant = excluded.merchant, kind = excluded.kind, permissions = excluded.permissions,
	created = excluded.created, revoked = excluded.revoked`,
			c.Hash, c.Merchant, c.Kind, strings.Join(c.Permissions, " "), toMilli(c.Created), toBit(c.Revoked))
	})
}

func scanCredential(r Rows) (c store.Credential, err error) {
	var permissions string
	var created, revoked int64
	err = r.Scan(&c.Hash, &c.Merchant, &c.Kind, &permissions, &created, &revoked)
	if permissions != "" {
		c.Permissions = strings.Fields(permissions)
	}
	c.Created, c.Revoked = fromMilli(created), revoked != 0
	return c, err
}

// Credential implements store.Store.
func (s *Store) Credential(ctx context.Context, hash []byte) (c store.Credential, err error) {
	err = s.read(ctx, func(t *Tx) error {
		c, err = one(t, scanCredential, `select hash, merchant, kind, permissions, created, revoked from credential where hash = $1`, hash)
		return err
	})
	return c, err
}

// PruneCredentials implements store.Store.
func (s *Store) PruneCredentials(ctx context.Context, kind string, before time.Time) error {
	return s.write(ctx, 0, func(t *Tx) error {
		return t.exec(`delete from credential where kind = $1 and created < $2`, kind, toMilli(before))
	})
}

func scanBytes(r Rows) (b []byte, err error) { return b, r.Scan(&b) }

// Setting implements store.Store.
func (s *Store) Setting(ctx context.Context, name string, propose []byte) (value []byte, err error) {
	const get = `select value from setting where name = $1`
	err = s.read(ctx, func(t *Tx) error {
		value, err = one(t, scanBytes, get, name)
		return err
	})
	if err == nil || len(propose) == 0 {
		return value, err
	}
	err = s.write(ctx, 0, func(t *Tx) error {
		if err := t.exec(`insert into setting (name, value) values ($1, $2) on conflict (name) do nothing`, name, propose); err != nil {
			return err
		}
		value, err = one(t, scanBytes, get, name)
		return err
	})
	return value, err
}
