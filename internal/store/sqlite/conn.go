package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlstore"
)

// conn is one connection and the statements prepared on it, used by one
// goroutine at a time. It speaks to the driver directly: database/sql would
// add locks, a pool and conversions that a single owner has no use for.
type conn struct {
	raw      driver.Conn
	prepared map[string]driver.Stmt

	wrote      bool          // a statement that may write ran
	statements atomic.Uint64 // how many ran
}

// preparedMax bounds the cache; the statements are a fixed set well below it.
const preparedMax = 500

func openConn(ctx context.Context, dsn string) (*conn, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	raw, err := c.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, prepared: map[string]driver.Stmt{}}, nil
}

func (c *conn) close() error {
	c.forget()
	return c.raw.Close()
}

func (c *conn) forget() {
	for _, s := range c.prepared {
		_ = s.Close()
	}
	clear(c.prepared)
}

func (c *conn) prepare(sql string) (driver.Stmt, error) {
	if s, ok := c.prepared[sql]; ok {
		return s, nil
	}
	if len(c.prepared) >= preparedMax {
		c.forget()
	}
	s, err := c.raw.Prepare(sql)
	if err != nil {
		return nil, err
	}
	c.prepared[sql] = s
	return s, nil
}

func named(args []any) []driver.NamedValue {
	vs := make([]driver.NamedValue, len(args))
	for i, a := range args {
		vs[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
		if b, ok := a.([]byte); ok && len(b) == 0 {
			vs[i].Value = nil
		}
	}
	return vs
}

// control runs a statement that begins, ends or undoes a transaction.
func (c *conn) control(sql string) error {
	wrote := c.wrote
	err := c.Exec(sql)
	c.wrote = wrote
	return err
}

// ExecNow implements sqlstore.Conn. Statements run to their end whatever
// becomes of the request: they take microseconds, and the connection belongs to
// a whole group of requests.
func (c *conn) ExecNow(sql string, args ...any) (int64, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return 0, translate(err)
	}
	c.wrote = true
	c.statements.Add(1)
	r, err := s.(driver.StmtExecContext).ExecContext(context.Background(), named(args))
	if err != nil {
		return 0, translate(err)
	}
	return r.RowsAffected()
}

// Exec implements sqlstore.Conn.
func (c *conn) Exec(sql string, args ...any) error {
	_, err := c.ExecNow(sql, args...)
	return err
}

// ExecOne implements sqlstore.Conn.
func (c *conn) ExecOne(sql string, args ...any) error {
	n, err := c.ExecNow(sql, args...)
	if err == nil && n != 1 {
		return store.ErrStale
	}
	return err
}

// Lock implements sqlstore.Conn: there is one writer.
func (c *conn) Lock(sqlstore.Lock, int64, string) error { return nil }

// Query implements sqlstore.Conn.
func (c *conn) Query(sql string, args ...any) (sqlstore.Rows, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return nil, translate(err)
	}
	c.wrote = c.wrote || !strings.HasPrefix(sql, "select ")
	c.statements.Add(1)
	r, err := s.(driver.StmtQueryContext).QueryContext(context.Background(), named(args))
	if err != nil {
		return nil, translate(err)
	}
	return &rows{rows: r, row: make([]driver.Value, len(r.Columns()))}, nil
}

// rows implements sqlstore.Rows.
type rows struct {
	rows driver.Rows
	row  []driver.Value
	err  error
}

// Next implements sqlstore.Rows.
func (r *rows) Next() bool {
	if r.err != nil {
		return false
	}
	err := r.rows.Next(r.row)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = translate(err)
	}
	return err == nil
}

// Scan implements sqlstore.Rows.
func (r *rows) Scan(dest ...any) error {
	if len(dest) != len(r.row) {
		return fmt.Errorf("sqlite: %d columns for %d places", len(r.row), len(dest))
	}
	for i, d := range dest {
		if err := assign(d, r.row[i]); err != nil {
			return fmt.Errorf("sqlite: column %d: %w", i, err)
		}
	}
	return nil
}

func assign(dest any, v driver.Value) error {
	var ok bool
	switch d := dest.(type) {
	case *int64:
		*d, ok = v.(int64)
	case *string:
		*d, ok = v.(string)
	case *[]byte:
		if *d, ok = v.([]byte); v == nil {
			ok = true
		}
	}
	if !ok {
		return fmt.Errorf("cannot store %T in %T", v, dest)
	}
	return nil
}

// Err implements sqlstore.Rows.
func (r *rows) Err() error { return r.err }

// Close implements sqlstore.Rows.
func (r *rows) Close() {
	if err := r.rows.Close(); err != nil && r.err == nil {
		r.err = translate(err)
	}
}

// translate gives errors with a meaning to the caller the store's names.
func translate(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_ROWID:
			return fmt.Errorf("%w: %w", store.ErrExists, err)
		}
	}
	return err
}
