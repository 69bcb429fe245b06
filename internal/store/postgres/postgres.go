// Package postgres is the store on PostgreSQL, for any number of nodes. Updates
// run at the default isolation level with the rows they change locked or their
// versions checked; those that meet somebody else's change run again.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlstore"
)

const (
	// connsMax is how many connections a node opens unless the URL says
	// otherwise with pool_max_conns.
	connsMax = 16
	// triesMax is how often an update runs that meets others' changes.
	triesMax = 10
	// takenMax is how often one runs that inserts what others inserted meanwhile:
	// the second run sees theirs, so a third would fail the same way.
	takenMax = 2
	// backoff is how long the second run waits; later ones wait longer.
	backoff = time.Millisecond
)

var dialect = sqlstore.Dialect{
	NextTransfer: `nextval('transfer_seq')`,
	NextFact:     `nextval('fact_seq')`,
	ForUpdate:    ` for update of j`,
	SkipLocked:   ` for update of j skip locked`,
}

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a store.Store on a PostgreSQL database.
type Store struct {
	*sqlstore.Store
	engine *engine
}

var _ store.Store = (*Store)(nil)

// Open connects to the database at a URL.
func Open(ctx context.Context, url string) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = connsMax
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: %w", err)
	}
	e := &engine{pool: pool}
	return &Store{Store: sqlstore.New(e, dialect), engine: e}, nil
}

// Stats counts what the store did since it was opened.
type Stats struct {
	Commits    uint64 // transactions
	Statements uint64
	RoundTrips uint64 // times the server was asked and awaited
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	c := &s.engine.counts
	return Stats{Commits: c.commits.Load(), Statements: c.statements.Load(), RoundTrips: c.trips.Load()}
}

// Deadlocks returns how many transactions the server has broken off, since the
// store was opened, because they and others waited for each other in a circle.
func (s *Store) Deadlocks() uint64 { return s.engine.counts.deadlocks.Load() }

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error { return s.engine.pool.Ping(ctx) }

// Close waits for the transactions under way and closes the connections.
func (s *Store) Close() error {
	s.engine.pool.Close()
	return nil
}

// Migrate implements store.Store. Nodes that start together take turns.
func (s *Store) Migrate(ctx context.Context) error {
	return s.engine.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		return pgx.BeginFunc(ctx, c, func(t pgx.Tx) error { return migrate(ctx, t) })
	})
}

const schemaTable = `create table if not exists schema_version (version bigint not null primary key)`

func migrate(ctx context.Context, t pgx.Tx) error {
	if _, err := t.Exec(ctx, `select pg_advisory_xact_lock(4477, 1)`); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, schemaTable); err != nil {
		return err
	}
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var done int
	if err := t.QueryRow(ctx, `select coalesce(max(version), 0) from schema_version`).Scan(&done); err != nil {
		return err
	}
	if done > len(files) {
		return fmt.Errorf("postgres: the database is at version %d and this program knows %d: use a newer one", done, len(files))
	}
	for i, f := range files[done:] {
		if err := apply(ctx, t, f, done+i+1); err != nil {
			return fmt.Errorf("postgres: %s: %w", f, err)
		}
	}
	return nil
}

func apply(ctx context.Context, t pgx.Tx, file string, version int) error {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	script := string(text) + "\n;insert into schema_version (version) values (" + strconv.Itoa(version) + ")"
	_, err = t.Conn().PgConn().Exec(ctx, script).ReadAll()
	return err
}

type counts struct{ commits, statements, trips, deadlocks atomic.Uint64 }

// engine implements sqlstore.Engine.
type engine struct {
	pool   *pgxpool.Pool
	counts counts
}

// Write implements sqlstore.Engine.
func (e *engine) Write(ctx context.Context, fn func(c sqlstore.Conn) error) error {
	var needed []lock
	for try := 1; ; try++ {
		slices.SortFunc(needed, lock.compare)
		t := &tx{begin: beginWrite, first: needed, held: slices.Clone(needed)}
		err := e.once(ctx, t, fn)
		if needed = t.held; err == nil || !again(t.err, try) {
			return err
		}
		clock.Wall{}.Wait(ctx, backoff*time.Duration(try), nil)
		if ctx.Err() != nil {
			return err
		}
	}
}

// again reports whether an update that failed for a cause may fare better.
func again(cause error, try int) bool {
	if errors.Is(cause, errTaken) {
		return try < takenMax
	}
	return try < triesMax && (errors.Is(cause, store.ErrStale) || pgconn.SafeToRetry(cause))
}

// Read implements sqlstore.Engine.
func (e *engine) Read(ctx context.Context, fn func(c sqlstore.Conn) error) error {
	return e.once(ctx, &tx{begin: beginRead}, fn)
}

// once runs fn in a transaction, which knows afterwards what broke it, whatever fn
// made of that.
func (e *engine) once(ctx context.Context, t *tx, fn func(c sqlstore.Conn) error) error {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer conn.Release()
	t.ctx, t.conn, t.queue, t.counts = ctx, conn, &pgx.Batch{}, &e.counts
	defer t.end()
	if err := fn(t); err != nil {
		return err
	}
	return t.commit()
}
