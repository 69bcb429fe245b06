package sqlite

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/storetest"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func fresh(t *testing.T) *Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "a b?.db"))
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return fresh(t) })
}

func TestKeeps(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ducat.db")
	storetest.Keeps(t, func(t *testing.T) store.Store { return open(t, path) })
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	storetest.Schema(t, s, func(sql string) (rows [][2]string, err error) {
		err = s.engine.writer.do(t.Context(), func(c *conn) error {
			r, err := c.Query(sql)
			if err != nil {
				return err
			}
			defer r.Close()
			for r.Next() {
				var row [2]string
				if err := r.Scan(&row[0], &row[1]); err != nil {
					return err
				}
				rows = append(rows, row)
			}
			return r.Err()
		})
		return rows, err
	})
}

// migrated returns a store with merchant 1.
func migrated(t *testing.T) *Store {
	t.Helper()
	return withMerchant(t, fresh(t))
}

func withMerchant(t *testing.T, s *Store) *Store {
	t.Helper()
	if err := errors.Join(s.Migrate(t.Context()), s.CreateMerchant(t.Context(), merchant.Merchant{ID: 1})); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCommitsAreShared holds the writer with one update until many others wait,
// half of which fail: those leave nothing behind, the others all stay.
func TestCommitsAreShared(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	const n = 60
	errOdd := errors.New("odd")
	begun, release, results := make(chan struct{}), make(chan struct{}), make(chan error, n)
	begin := sync.OnceFunc(func() { close(begun) })
	go func() {
		results <- s.Update(t.Context(), 1, func(store.Tx) error {
			begin()
			<-release
			return nil
		})
	}()
	<-begun
	for i := range n {
		go func() {
			results <- s.Update(t.Context(), 1, func(tx store.Tx) error {
				if err := tx.InsertJob(store.Job{ID: string(rune('A' + i)), Due: time.UnixMilli(1)}); err != nil {
					return err
				}
				if i%2 == 1 {
					return errOdd
				}
				return nil
			})
		}()
	}
	for len(s.engine.writer.queue) < n {
		runtime.Gosched()
	}
	before := s.Stats()
	close(release)
	failed := 0
	for range n + 1 {
		switch err := <-results; {
		case errors.Is(err, errOdd):
			failed++
		case err != nil:
			t.Error(err)
		}
	}
	after := s.Stats()
	if commits, updates := after.Commits-before.Commits, after.Updates-before.Updates; commits > n/2 || updates < n {
		t.Errorf("%d updates took %d commits", updates, commits)
	}
	if failed != n/2 {
		t.Errorf("%d updates failed, want %d", failed, n/2)
	}
	err := s.View(t.Context(), 1, func(r store.Reader) error {
		js, err := r.Jobs(1000)
		if len(js) != n/2 {
			t.Errorf("%d jobs, want %d", len(js), n/2)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRefusedBeforeWriting: an update whose first statement changes nothing fails alone.
// Those it shares a commit with do not run again.
func TestRefusedBeforeWriting(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	row := func(sort string) resource.Row {
		return resource.Row{Kind: "x.y", ID: sort, Sort: sort, Keys: []resource.Key{{Name: "name", Value: "taken"}}, First: "name"}
	}
	if err := s.Update(t.Context(), 1, func(tx store.Tx) error { return tx.InsertResource(row("a")) }); err != nil {
		t.Fatal(err)
	}
	const n = 20
	begun, release, results := make(chan struct{}), make(chan struct{}), make(chan error, n)
	begin := sync.OnceFunc(func() { close(begun) })
	var ran atomic.Int64
	insert := func(i int) error {
		return s.Update(t.Context(), 1, func(tx store.Tx) error {
			if i%2 == 1 {
				return tx.InsertResource(row("b"))
			}
			ran.Add(1)
			return tx.InsertJob(store.Job{ID: string(rune('A' + i)), Due: time.UnixMilli(1)})
		})
	}
	go func() {
		_ = s.Update(t.Context(), 1, func(store.Tx) error { begin(); <-release; return nil })
	}()
	<-begun
	for i := range n {
		go func() { results <- insert(i) }()
	}
	for len(s.engine.writer.queue) < n {
		runtime.Gosched()
	}
	close(release)
	refused := 0
	for range n {
		if err := <-results; errors.Is(err, store.ErrStale) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if refused != n/2 || ran.Load() != n/2 {
		t.Errorf("%d updates were refused, the others ran %d times", refused, ran.Load())
	}
}

// TestOthersWrite has another process, here a store of its own on the same file,
// change what the first one may remember.
func TestOthersWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ducat.db")
	here := withMerchant(t, open(t, path))
	there := open(t, path)
	rename := func(s *Store, from, to string) {
		t.Helper()
		err := s.Update(t.Context(), 1, func(tx store.Tx) error {
			m, err := tx.Merchant()
			if m.Profile.Name != from {
				t.Errorf("the name is %q, want %q", m.Profile.Name, from)
			}
			if m.Profile.Name = to; from != to {
				err = errors.Join(err, tx.UpdateMerchant(m))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rename(here, "", "a")
	rename(here, "a", "a")
	rename(there, "a", "b")
	rename(there, "b", "b")
	rename(here, "b", "c")
	rename(there, "c", "d")
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), 1, func(store.Tx) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("update after close: %v", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("ping after close: %v", err)
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	storetest.Upgrade(t, s, func(migration string, sql ...string) error {
		files, err := fs.Glob(migrations, "migrations/*.sql")
		if err != nil {
			return err
		}
		return s.engine.writer.do(t.Context(), func(c *conn) error {
			if err := c.Exec(schemaTable); err != nil {
				return err
			}
			for i, f := range files {
				if strings.HasSuffix(f, "_"+migration+".sql") {
					break
				}
				if err := apply(c, f, i+1); err != nil {
					return err
				}
			}
			for _, q := range sql {
				if err := c.Exec(q); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
