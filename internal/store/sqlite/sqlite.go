// Package sqlite is the store on a SQLite file, for one node. One connection
// writes, and updates that wait at the same time share a commit; several others
// read. An update that was acknowledged is on disk, and so is whatever a read
// has returned.
package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlstore"
)

// readersMax is how many reads can run at once.
const readersMax = 8

// pragmas are set on every connection; waiting for locks comes first, so that
// the others can. Commits are synced by us, checkpoints and the start of a new
// log by SQLite.
var pragmas = []string{
	"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)", "wal_autocheckpoint(1000)",
	"temp_store(MEMORY)", "cache_size(-16000)",
}

var dialect = sqlstore.Dialect{
	NextTransfer: `(select coalesce(max(seq), 0) + 1 from transfer where merchant = $1)`,
	NextFact:     `(select coalesce(max(seq), 0) + 1 from fact where merchant = $1)`,
}

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a store.Store on a SQLite file.
type Store struct {
	*sqlstore.Store
	engine *engine
}

var (
	_ store.Store     = (*Store)(nil)
	_ store.Versioned = (*Store)(nil)
)

// Open opens the database in a file, which is made if there is none.
func Open(ctx context.Context, path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := create(abs); err != nil {
		return nil, err
	}
	return openWith(ctx, abs, syncLog)
}

// openWith opens the database with a way to put its log on disk.
func openWith(ctx context.Context, path string, sync func(log *os.File) error) (_ *Store, err error) {
	// The first connection puts the file into WAL mode, which readers need.
	c, err := openConn(ctx, dsn(path, false))
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = c.close()
		}
	}()
	// What a process that was killed left in the log may not be on disk, and
	// nothing would tell readers so. Moving it into the file settles it.
	if err := checkpoint(c, "passive"); err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	log, err := openLog(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	if err := sync(log); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open %s: %w", path, err), log.Close())
	}
	d := startDisk(func() error { return sync(log) })
	e := &engine{log: log, disk: d, writer: startWriter(c, d, &room{log: log}), dsn: dsn(path, true), slots: make(chan struct{}, readersMax)}
	return &Store{Store: sqlstore.New(e, dialect), engine: e}, nil
}

// create makes the file, for nobody else to read; the log beside it gets the
// same permissions.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return f.Close()
}

func dsn(path string, readOnly bool) string {
	v := url.Values{"_pragma": pragmas}
	if readOnly {
		v.Add("_pragma", "query_only(1)")
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: v.Encode()}).String()
}

// Stats counts what the store did since it was opened.
type Stats struct {
	Commits    uint64 // transactions
	Updates    uint64 // updates that ran in them
	Statements uint64 // statements they took, those that begin and end them included
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	w := s.engine.writer
	return Stats{Commits: w.commits.Load(), Updates: w.updates.Load(), Statements: w.conn.statements.Load()}
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	return s.engine.Read(ctx, func(c sqlstore.Conn) error {
		r, err := c.Query(`select 1`)
		if err != nil {
			return err
		}
		r.Close()
		return r.Err()
	})
}

// Close lets queued updates finish, moves the log into the file, and closes it.
func (s *Store) Close() error { return s.engine.close() }

const schemaTable = `create table if not exists schema_version (version bigint not null primary key) without rowid`

// Migrate implements store.Store.
func (s *Store) Migrate(ctx context.Context) error {
	return s.engine.writer.do(ctx, func(c *conn) error {
		if err := c.Exec(schemaTable); err != nil {
			return err
		}
		files, err := fs.Glob(migrations, "migrations/*.sql")
		if err != nil {
			return err
		}
		done, err := schemaVersion(c)
		if err != nil {
			return err
		}
		if done > len(files) {
			return fmt.Errorf("sqlite: the database is at version %d and this program knows %d: use a newer one", done, len(files))
		}
		for i, f := range files[done:] {
			if err := apply(c, f, done+i+1); err != nil {
				return fmt.Errorf("sqlite: %s: %w", f, err)
			}
		}
		return nil
	})
}

func schemaVersion(c *conn) (int, error) {
	r, err := c.Query(`select coalesce(max(version), 0) from schema_version`)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	var n int64
	if r.Next() {
		err = r.Scan(&n)
	}
	return int(n), errors.Join(err, r.Err())
}

func apply(c *conn, file string, version int) error {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	if err := c.Exec(string(text)); err != nil {
		return err
	}
	return c.Exec(`insert into schema_version (version) values ($1)`, int64(version))
}

// engine implements sqlstore.Engine.
type engine struct {
	log    *os.File
	disk   *disk
	writer *writer
	dsn    string

	slots  chan struct{} // one for every read under way
	mu     sync.Mutex
	idle   []*conn
	closed bool

	watcher watcher
}

// Write implements sqlstore.Engine. Nothing is tried again: with one writer, a
// row that fn has read cannot change before fn writes it.
func (e *engine) Write(ctx context.Context, fn func(c sqlstore.Conn) error) error {
	return e.writer.do(ctx, func(c *conn) error { return fn(c) })
}

// Read implements sqlstore.Engine. It returns when all that fn can have seen is
// on disk.
func (e *engine) Read(ctx context.Context, fn func(c sqlstore.Conn) error) error {
	mark, err := e.read(ctx, fn)
	if lost := e.disk.wait(ctx, mark); lost != nil {
		return lost
	}
	return err
}

// read runs fn on a snapshot and returns the last commit the snapshot can have.
func (e *engine) read(ctx context.Context, fn func(c sqlstore.Conn) error) (mark uint64, err error) {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-e.slots }()
	c, err := e.reader(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { e.release(c) }()
	if err := c.control("begin"); err != nil {
		return 0, err
	}
	s := snapshot{conn: c, disk: e.disk}
	err = fn(&s)
	return s.mark, err
}

// snapshot is a read transaction. The database fixes what it sees at its first
// query.
type snapshot struct {
	*conn
	disk *disk
	mark uint64 // the last commit it can see
}

// Query implements sqlstore.Conn.
func (s *snapshot) Query(sql string, args ...any) (sqlstore.Rows, error) {
	r, err := s.conn.Query(sql, args...)
	if s.mark == 0 {
		s.mark = s.disk.visible()
	}
	return r, err
}

// reader takes an idle connection or opens one.
func (e *engine) reader(ctx context.Context) (*conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed
	}
	if n := len(e.idle); n > 0 {
		c := e.idle[n-1]
		e.idle = e.idle[:n-1]
		return c, nil
	}
	c, err := openConn(ctx, e.dsn)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open for reading: %w", err)
	}
	return c, nil
}

// release ends the connection's snapshot and keeps it for the next read.
func (e *engine) release(c *conn) {
	err := c.control("rollback")
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil || e.closed {
		_ = c.close()
		return
	}
	e.idle = append(e.idle, c)
}

func (e *engine) close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	idle := e.idle
	e.idle = nil
	e.mu.Unlock()

	errs := []error{e.watcher.close()}
	for _, c := range idle {
		errs = append(errs, c.close())
	}
	e.writer.close()
	e.disk.close()
	if err := e.disk.failure(); err != nil {
		// Closing the connection would copy the log, of which nobody knows what
		// it holds, into the file. The next start judges it by its checksums.
		return errors.Join(append(errs, err, e.log.Close())...)
	}
	return errors.Join(append(errs, checkpoint(e.writer.conn, "truncate"), e.writer.conn.close(), e.log.Close())...)
}

// checkpoint moves the log into the file: what can be moved at once (passive),
// or all of it (truncate).
func checkpoint(c *conn, mode string) error {
	r, err := c.Query(`pragma wal_checkpoint(` + mode + `)`)
	if err != nil {
		return err
	}
	r.Close()
	return r.Err()
}
