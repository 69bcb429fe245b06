package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlstore"
)

const (
	beginWrite = `begin isolation level read committed`
	beginRead  = `begin isolation level repeatable read, read only`

	// rollbackMax is how long a rollback may take before the connection is
	// given up, which rolls back too.
	rollbackMax = 5 * time.Second
)

// tx is a transaction. Statements whose result is not needed at once wait and
// travel with the next that is, begin with the first and commit with the last:
// an update that reads once costs two round trips.
type tx struct {
	ctx    context.Context
	conn   *pgxpool.Conn
	begin  string
	queue  *pgx.Batch
	begun  bool
	err    error // what broke the transaction
	counts *counts

	first []lock // what is locked before anything else
	held  []lock // in the order in which they were taken
}

// ExecNow implements sqlstore.Conn.
func (t *tx) ExecNow(sql string, args ...any) (n int64, err error) {
	t.add(sql, args)
	tag, err := t.flush()
	return tag.RowsAffected(), err
}

// Exec implements sqlstore.Conn.
func (t *tx) Exec(sql string, args ...any) error {
	t.add(sql, args)
	return nil
}

// ExecOne implements sqlstore.Conn: the server counts, so that the statement
// can travel together with the commit that must not follow a wrong count.
func (t *tx) ExecOne(sql string, args ...any) error {
	t.add(`with w as (`+sql+` returning 1) select expect_one(count(*)) from w`, args)
	return nil
}

// Memory implements sqlstore.Conn: other nodes write too.
func (t *tx) Memory() *sqlstore.Memory { return nil }

// Query implements sqlstore.Conn.
func (t *tx) Query(sql string, args ...any) (sqlstore.Rows, error) {
	t.add(sql, args)
	results, err := t.send()
	if err != nil {
		return nil, err
	}
	r, err := results.Query()
	if err != nil {
		r.Close()
		_ = results.Close()
		return nil, t.broken(err)
	}
	return &rows{Rows: r, results: results, tx: t}, nil
}

func (t *tx) add(sql string, args []any) {
	if !t.begun {
		t.begun = true
		t.queue.Queue(t.begin)
		t.lockFirst()
	}
	for i, a := range args {
		if b, ok := a.([]byte); ok && len(b) == 0 {
			args[i] = nil
		}
	}
	t.queue.Queue(sql, args...)
}

// send sends the queue and reads all results but the last.
func (t *tx) send() (pgx.BatchResults, error) {
	if t.err != nil {
		return nil, t.err
	}
	batch := t.queue
	t.queue = &pgx.Batch{}
	t.counts.trips.Add(1)
	t.counts.statements.Add(uint64(batch.Len()))
	results := t.conn.SendBatch(t.ctx, batch)
	for range batch.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			return nil, t.broken(err)
		}
	}
	return results, nil
}

// flush sends the queue and returns what the last statement did.
func (t *tx) flush() (pgconn.CommandTag, error) {
	results, err := t.send()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	if closed := results.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return pgconn.CommandTag{}, t.broken(err)
	}
	return tag, nil
}

// commit sends what is left together with the commit.
func (t *tx) commit() error {
	if t.err != nil {
		return t.err
	}
	if !t.begun {
		return nil
	}
	t.queue.Queue(`commit`)
	tag, err := t.flush()
	if err != nil {
		return err
	}
	t.begun = false
	if tag.String() != "COMMIT" {
		return t.broken(fmt.Errorf("postgres: commit was answered by %s", tag))
	}
	t.counts.commits.Add(1)
	return nil
}

// end rolls back unless the transaction was committed. It works for a request
// that was cancelled, too; a connection that stays in a transaction is not used
// again.
func (t *tx) end() {
	sent := t.queue.Len() == 0 || t.queue.QueuedQueries[0].SQL != t.begin
	if !t.begun || !sent || t.conn.Conn().IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), rollbackMax)
	defer cancel()
	_, _ = t.conn.Conn().PgConn().Exec(ctx, `rollback`).ReadAll()
}

// broken remembers why the transaction cannot go on.
func (t *tx) broken(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == codeDeadlock {
		t.counts.deadlocks.Add(1)
	}
	err = translate(err)
	if t.err == nil {
		t.err = err
	}
	return err
}

// rows implements sqlstore.Rows.
type rows struct {
	pgx.Rows
	results pgx.BatchResults
	tx      *tx
}

// Err implements sqlstore.Rows.
func (r *rows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return r.tx.broken(err)
	}
	return nil
}

// Close implements sqlstore.Rows.
func (r *rows) Close() {
	r.Rows.Close()
	if err := r.results.Close(); err != nil {
		_ = r.tx.broken(err)
	}
}

// errTaken is two transactions inserting under the same key at once, or one under
// a key that was taken before. Running again tells which: it sees what the other
// one wrote.
var errTaken = errors.New("postgres: the key is taken")

// Error codes of the server, and our own of expect_one.
const (
	codeUnique        = "23505"
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeLocked        = "55P03"
	codeCount         = "DU001"
)

// translate gives errors with a meaning to the caller the store's names.
func translate(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch {
	case e.Code == codeUnique:
		return fmt.Errorf("%w: %w: %w", errTaken, store.ErrExists, err)
	case e.Code == codeCount, e.Code == codeSerialization, e.Code == codeDeadlock, e.Code == codeLocked:
		return fmt.Errorf("%w: %w", store.ErrStale, err)
	}
	return err
}
