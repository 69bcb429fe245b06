package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
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
	prepared map[string]*statement
	args     []driver.NamedValue // of the statement that runs

	memory *sqlstore.Memory // of the connection that writes
	others uint64           // the database's count of others' commits, when it was last looked at

	wrote      bool          // a statement that may write ran
	statements atomic.Uint64 // how many ran
}

// statement is a prepared text.
type statement struct {
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	close func() error
	order []int // which argument, from 0, stands in each place
	reads bool  // it writes nothing
}

// preparedMax bounds the cache; the statements are a fixed set well below it.
const preparedMax = 500

func openConn(ctx context.Context, dsn string) (*conn, error) {
	gather()
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	raw, err := c.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, prepared: map[string]*statement{}}, nil
}

func (c *conn) close() error {
	c.forget()
	return c.raw.Close()
}

func (c *conn) forget() {
	for _, s := range c.prepared {
		_ = s.close()
	}
	clear(c.prepared)
}

func (c *conn) prepare(sql string) (*statement, error) {
	if s, ok := c.prepared[sql]; ok {
		return s, nil
	}
	if len(c.prepared) >= preparedMax {
		c.forget()
	}
	text, order := positional(sql)
	raw, err := c.raw.Prepare(text)
	if err != nil {
		return nil, err
	}
	s := &statement{
		exec: raw.(driver.StmtExecContext), query: raw.(driver.StmtQueryContext), close: raw.Close,
		order: order, reads: strings.HasPrefix(sql, "select "),
	}
	c.prepared[sql] = s
	return s, nil
}

// positional turns $1, $2, … into the ? that the driver binds without looking
// names up, and returns which argument each of them takes.
func positional(sql string) (text string, order []int) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(sql, "$")
		b.WriteString(before)
		if !found {
			return b.String(), order
		}
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			b.WriteByte('$')
		} else {
			b.WriteByte('?')
			order = append(order, n-1)
		}
		sql = rest[len(digits):]
	}
}

// bind returns the arguments in the order the driver wants them; they are good
// until the next call.
func (c *conn) bind(s *statement, args []any) ([]driver.NamedValue, error) {
	vs := c.args[:0]
	for i, n := range s.order {
		if n < 0 || n >= len(args) {
			return nil, fmt.Errorf("sqlite: %d arguments, and one more is wanted: $%d", len(args), n+1)
		}
		v := args[n]
		if b, ok := v.([]byte); ok && len(b) == 0 {
			v = nil
		}
		vs = append(vs, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	c.args = vs
	return vs, nil
}

// Memory implements sqlstore.Conn.
func (c *conn) Memory() *sqlstore.Memory { return c.memory }

// notice forgets what was remembered if another process, such as ducat keys
// create, has written since. It is called at the beginning of a transaction,
// after which nobody else can.
func (c *conn) notice() error {
	n, err := c.version()
	if err == nil && n != c.others {
		c.memory.Forget()
		c.others = n
	}
	return err
}

// version changes when another connection has written.
func (c *conn) version() (uint64, error) {
	r, err := c.Query(`pragma data_version`)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	var n int64
	if r.Next() {
		if err := r.Scan(&n); err != nil {
			return 0, err
		}
	}
	return uint64(n), r.Err()
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
	s, vs, err := c.start(sql, args)
	if err != nil {
		return 0, err
	}
	r, err := s.exec.ExecContext(context.Background(), vs)
	if err != nil {
		return 0, translate(err)
	}
	return r.RowsAffected()
}

// start prepares a statement that is to run at once.
func (c *conn) start(sql string, args []any) (*statement, []driver.NamedValue, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return nil, nil, translate(err)
	}
	c.wrote = c.wrote || !s.reads
	c.statements.Add(1)
	vs, err := c.bind(s, args)
	return s, vs, err
}

// Exec implements sqlstore.Conn.
func (c *conn) Exec(sql string, args ...any) error {
	_, err := c.ExecNow(sql, args...)
	return err
}

// ExecOne implements sqlstore.Conn. A statement that changed nothing has written
// nothing.
func (c *conn) ExecOne(sql string, args ...any) error {
	wrote := c.wrote
	n, err := c.ExecNow(sql, args...)
	if err == nil && n != 1 {
		c.wrote = wrote || n > 0
		return store.ErrStale
	}
	return err
}

// Lock implements sqlstore.Conn: there is one writer.
func (c *conn) Lock(sqlstore.Lock, int64, string) error { return nil }

// Query implements sqlstore.Conn.
func (c *conn) Query(sql string, args ...any) (sqlstore.Rows, error) {
	s, vs, err := c.start(sql, args)
	if err != nil {
		return nil, err
	}
	r, err := s.query.QueryContext(context.Background(), vs)
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
