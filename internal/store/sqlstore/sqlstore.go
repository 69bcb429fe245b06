// Package sqlstore holds the statements both databases share. It promises that
// a verb of the store means the same on either; an engine brings connections,
// transactions and the few words of SQL that differ, and leaves the rest here.
//
// Columns are only BIGINT, TEXT and BLOB (BYTEA). Times are milliseconds since
// 1970, zero for the zero time; durations are nanoseconds. Empty bytes are
// stored as null. Every table that holds a merchant's data begins its primary
// key with the merchant.
package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/store"
)

// Conn is a transaction as an engine gives it. Arguments are int64, string or
// []byte. An engine may put writes off until the next read or the commit, so an
// error of Exec may come up later; it must come up before the commit succeeds.
type Conn interface {
	// Query runs a statement that returns rows. The rows must be closed before
	// the connection is used again.
	Query(sql string, args ...any) (Rows, error)
	// Exec runs a statement without caring how many rows it changes.
	Exec(sql string, args ...any) error
	// ExecOne runs a statement that must change exactly one row; otherwise the
	// transaction fails with store.ErrStale.
	ExecOne(sql string, args ...any) error
	// ExecNow runs a statement at once and returns how many rows it changed.
	ExecNow(sql string, args ...any) (int64, error)
	// Lock takes a lock that is held until the transaction ends, or announces a
	// write that will. Transactions take locks in the order of Lock and id; one
	// that comes to want an earlier one must not wait for it, but may fail with
	// store.ErrStale. An engine with one writer at a time has nothing to do.
	Lock(l Lock, merchant int64, id string) error
	// Memory is what the connection remembers of former transactions; nil if
	// others can change the database between them.
	Memory() *Memory
}

// Lock says what is locked.
type Lock uint8

// The locks, in the order in which they are taken. Those that are announced are
// held by the write that follows. Writes of jobs need no announcement: they are
// put off until the transaction ends, and made in the order of the jobs' ids.
const (
	LockWorld     Lock = iota + 1 // all of the merchant's data, against being cleared: shared
	LockClearing                  // the same, for clearing it: exclusive
	LockPayment                   // the payment with the id
	LockRefund                    // the refund with the id
	LockDispute                   // the dispute with the id
	LockAgreement                 // the agreement with the id
	LockMerchant                  // announced: the merchant itself
	LockBooks                     // the merchant's books, against posting: exclusive
	LockPosting                   // the merchant's books, for posting: shared
	LockResource                  // announced: the resource with the id resourceLock makes
	LockDelivery                  // announced: the delivery with the id
	LockAnswer                    // announced: the answer with the key
	LockJobs                      // all the merchant's jobs
)

// Rows is a result being read.
type Rows interface {
	Next() bool
	// Scan stores the row's columns in *int64, *string or *[]byte.
	Scan(dest ...any) error
	Err() error
	Close()
}

// Engine runs transactions.
type Engine interface {
	// Write runs fn in a transaction that is durable when Write returns nil. It
	// may run fn again after store.ErrStale.
	Write(ctx context.Context, fn func(c Conn) error) error
	// Read runs fn on a consistent snapshot.
	Read(ctx context.Context, fn func(c Conn) error) error
}

// Dialect is the SQL that differs.
type Dialect struct {
	NextTransfer string // expression for the next position; $1 is the merchant
	NextFact     string // the same for facts
	ForUpdate    string // what a select of job j appends to lock its rows
	SkipLocked   string // the same, passing over rows that others hold
}

// Store implements store.Store but for Migrate, Ping and Close.
type Store struct {
	engine Engine
	sql    *statements
}

// New returns a store on an engine.
func New(e Engine, d Dialect) *Store { return &Store{engine: e, sql: newStatements(d)} }

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, merchantID int64, fn func(tx store.Tx) error) error {
	var tail int64
	err := s.write(ctx, merchantID, func(t *Tx) error {
		if err := t.lock(LockWorld, ""); err != nil {
			return err
		}
		err := fn(t)
		tail = t.tail
		return err
	})
	if err == nil {
		s.tidyBooks(ctx, merchantID, tail)
	}
	return err
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, merchantID int64, fn func(r store.Reader) error) error {
	var tail int64
	err := s.engine.Read(ctx, func(c Conn) error {
		t := &Tx{conn: c, sql: s.sql, merchant: merchantID}
		err := fn(t)
		tail = t.tail
		return err
	})
	if err == nil {
		s.tidyBooks(ctx, merchantID, tail)
	}
	return err
}

// write runs fn in a transaction and sees to it that a transaction in which a
// statement failed is never committed, even if fn overlooks the error.
func (s *Store) write(ctx context.Context, merchantID int64, fn func(t *Tx) error) error {
	return s.engine.Write(ctx, func(c Conn) error {
		t := &Tx{conn: c, sql: s.sql, merchant: merchantID}
		if err := fn(t); err != nil {
			return err
		}
		return t.writeJobs()
	})
}

// Tx implements store.Tx, and store.Reader for View.
type Tx struct {
	conn     Conn
	sql      *statements
	merchant int64
	err      error // of the first statement that failed; nothing runs after it
	tail     int64 // transfers that Balances had to add up
	jobs     []jobWrite
}

var _ store.Tx = (*Tx)(nil)

// Alone implements store.Tx.
func (t *Tx) Alone() bool { return t.conn.Memory() != nil }

// fail remembers the error that ended the transaction.
func (t *Tx) fail(err error) error {
	if err != nil && t.err == nil {
		t.err = err
	}
	return err
}

func (t *Tx) exec(sql string, args ...any) error {
	if err := t.ready(args); err != nil {
		return err
	}
	return t.fail(t.conn.Exec(sql, args...))
}

func (t *Tx) execOne(sql string, args ...any) error {
	if err := t.ready(args); err != nil {
		return err
	}
	return t.fail(t.conn.ExecOne(sql, args...))
}

func (t *Tx) execNow(sql string, args ...any) (int64, error) {
	if err := t.ready(args); err != nil {
		return 0, err
	}
	n, err := t.conn.ExecNow(sql, args...)
	return n, t.fail(err)
}

func (t *Tx) lock(l Lock, id string) error {
	if t.err != nil {
		return t.err
	}
	if checkText(id) != nil {
		return nil // there is no such row, as the read that follows will say
	}
	return t.fail(t.conn.Lock(l, t.merchant, id))
}

// ready reports why a write cannot run.
func (t *Tx) ready(args []any) error {
	if t.err != nil {
		return t.err
	}
	return t.fail(checkArgs(args))
}

// many reads all rows of a query.
func many[T any](t *Tx, scan func(Rows) (T, error), sql string, args ...any) ([]T, error) {
	if t.err != nil {
		return nil, t.err
	}
	if err := checkArgs(args); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	rows, err := t.conn.Query(sql, args...)
	if err != nil {
		return nil, t.fail(err)
	}
	list, err := scanAll(rows, scan)
	return list, t.fail(err)
}

// scanAll reads and closes rows.
func scanAll[T any](rows Rows, scan func(Rows) (T, error)) ([]T, error) {
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// one reads a query's only row; none is store.ErrNotFound.
func one[T any](t *Tx, scan func(Rows) (T, error), sql string, args ...any) (T, error) {
	list, err := many(t, scan, sql, args...)
	if err != nil {
		var zero T
		return zero, err
	}
	if len(list) == 0 {
		var zero T
		return zero, store.ErrNotFound
	}
	return list[0], nil
}

func scanInt(r Rows) (n int64, err error) { return n, r.Scan(&n) }

var errText = errors.New("store: text is not valid UTF-8 without NUL")

// checkArgs refuses text that one of the databases would refuse or cut off.
func checkArgs(args []any) error {
	for _, a := range args {
		switch a := a.(type) {
		case string:
			if err := checkText(a); err != nil {
				return err
			}
		case int64, []byte:
		default:
			panic(fmt.Sprintf("sqlstore: argument of type %T", a))
		}
	}
	return nil
}

func checkText(s string) error {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return errText
	}
	return nil
}

// toMilli is how a time is stored.
func toMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMilli is the inverse of toMilli.
func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func toBit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
