package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// slowDisk opens a store whose disk does what sync says.
func slowDisk(t *testing.T, sync func(log *os.File) error) *Store {
	t.Helper()
	s, err := openWith(t.Context(), filepath.Join(t.TempDir(), "ducat.db"), sync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return withMerchant(t, s)
}

// heldDisk opens a store whose disk is made to wait by hold, until it is released.
func heldDisk(t *testing.T) (s *Store, hold func() (release func())) {
	t.Helper()
	var held atomic.Pointer[chan struct{}]
	s = slowDisk(t, func(log *os.File) error {
		if c := held.Load(); c != nil {
			<-*c
		}
		return syncLog(log)
	})
	return s, func() (release func()) {
		c := make(chan struct{})
		held.Store(&c)
		return func() {
			held.Store(nil)
			close(c)
		}
	}
}

func addJob(name string) func(tx store.Tx) error {
	return func(tx store.Tx) error { return tx.InsertJob(store.Job{ID: name}) }
}

// TestNobodyIsAheadOfTheDisk holds the disk and looks who returns meanwhile:
// neither the update that is to be put there, nor a read that saw it, nor an
// update that failed because of it. The writer goes on, and a read from before
// returns.
func TestNobodyIsAheadOfTheDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, hold := heldDisk(t)
		release := hold()
		var returned, sawFirst, ranSecond atomic.Int32
		view := func() {
			err := s.View(t.Context(), 1, func(r store.Reader) error {
				js, err := r.Jobs(10)
				sawFirst.Store(int32(len(js)))
				return err
			})
			if err != nil {
				t.Error(err)
			}
			returned.Add(1)
		}
		view()
		if returned.Load() != 1 {
			t.Fatal("a read of what is on disk waited for the disk")
		}
		go func() {
			if err := s.Update(t.Context(), 1, addJob("first")); err != nil {
				t.Error(err)
			}
			returned.Add(1)
		}()
		synctest.Wait()
		go view()
		errTaken := errors.New("taken")
		go func() {
			err := s.Update(t.Context(), 1, func(tx store.Tx) error {
				ranSecond.Add(1)
				js, err := tx.Jobs(10)
				if err == nil && len(js) == 1 {
					err = errTaken
				}
				return err
			})
			if !errors.Is(err, errTaken) {
				t.Errorf("second update: %v", err)
			}
			returned.Add(1)
		}()
		synctest.Wait()
		if sawFirst.Load() != 1 || ranSecond.Load() != 1 {
			t.Errorf("the read saw %d jobs and the second update ran %d times, while the disk was busy", sawFirst.Load(), ranSecond.Load())
		}
		if n := returned.Load(); n != 1 {
			t.Errorf("%d callers returned before the disk did", n-1)
		}
		release()
		synctest.Wait()
		if n := returned.Load(); n != 4 {
			t.Errorf("%d of 4 callers returned", n)
		}
	})
}

// TestGroupWaitsForCompany has as many callers come back as were answered
// together, one by one: they share a commit again, without a moment's wait. Fewer
// wait for the others no longer than groupTime, and once only.
func TestGroupWaitsForCompany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, hold := heldDisk(t)
		var returned atomic.Int32
		call := func(name string) {
			go func() {
				if err := s.Update(t.Context(), 1, addJob(name)); err != nil {
					t.Error(err)
				}
				returned.Add(1)
			}()
			synctest.Wait()
		}
		check := func(what string, want int32, commits uint64) {
			t.Helper()
			if n := returned.Load(); n != want {
				t.Errorf("%s: %d callers have returned, want %d", what, n, want)
			}
			if n := s.Stats().Commits; n != commits {
				t.Errorf("%s: %d commits, want %d", what, n, commits)
			}
		}
		release := hold()
		before := s.Stats().Commits
		for _, name := range []string{"busy", "a", "b", "c", "d"} { // the disk is busy with the first
			call(name)
		}
		release()
		synctest.Wait()
		check("a group", 5, before+2)

		began := time.Now()
		for _, name := range []string{"e", "f", "g"} {
			call(name)
		}
		check("three of four are back", 5, before+2)
		call("h")
		check("all four are back", 9, before+3)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("they waited %v", waited)
		}

		call("i")
		check("one is back", 9, before+3)
		<-time.NewTimer(groupTime).C
		synctest.Wait()
		check("one has waited", 10, before+4)
		call("j")
		check("one comes again", 11, before+5)
	})
}

// TestBrokenDisk lets one sync fail: nothing succeeds after it, and the disk is
// not asked again.
func TestBrokenDisk(t *testing.T) {
	t.Parallel()
	errDisk := errors.New("no space on the moon")
	var broken atomic.Bool
	var asked atomic.Int32
	s := slowDisk(t, func(log *os.File) error {
		if broken.Load() {
			asked.Add(1)
			return errDisk
		}
		return syncLog(log)
	})
	broken.Store(true)
	if err := s.Update(t.Context(), 1, addJob("a")); !errors.Is(err, errDisk) {
		t.Errorf("update: %v", err)
	}
	broken.Store(false)
	if err := s.Update(t.Context(), 1, addJob("b")); !errors.Is(err, errDisk) {
		t.Errorf("next update: %v", err)
	}
	if err := s.View(t.Context(), 1, func(store.Reader) error { return nil }); !errors.Is(err, errDisk) {
		t.Errorf("read: %v", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("ping: %v", err)
	}
	if err := s.Close(); !errors.Is(err, errDisk) {
		t.Errorf("close: %v", err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the disk was asked %d times", n)
	}
}

// TestLogStaysTheSameFile writes until the log has been started anew many times.
func TestLogStaysTheSameFile(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	err := s.engine.writer.do(t.Context(), func(c *conn) error {
		r, err := c.Query(`pragma wal_autocheckpoint(50)`)
		if err == nil {
			r.Close()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Repeat("x", 100_000))
	for range 60 {
		err := s.Update(t.Context(), 1, func(tx store.Tx) error {
			if err := tx.DeleteJob("big"); err != nil {
				return err
			}
			return tx.InsertJob(store.Job{ID: "big", Payload: body})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mine, err := s.engine.log.Stat()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.Stat(s.engine.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(mine, theirs) || theirs.Size() > 30*int64(len(body)) {
		t.Errorf("the log is %v of %d bytes, the file that is synced is %v", theirs.Name(), theirs.Size(), mine.Name())
	}
}

// TestRoom writes while another process would: the room in the log hides nothing
// that anybody has committed, survives being cut off, and is not data.
func TestRoom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ducat.db")
	s := open(t, path)
	if err := errors.Join(s.Migrate(t.Context()), s.CreateMerchant(t.Context(), merchant.Merchant{ID: 1})); err != nil {
		t.Fatal(err)
	}
	add := func(s *Store, name string) {
		t.Helper()
		if err := s.Update(t.Context(), 1, addJob(name)); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		t.Helper()
		info, err := s.engine.log.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	add(s, "a")
	add(s, "b")
	if n := size(); n < roomBytes {
		t.Errorf("the log has %d bytes, no room", n)
	}
	other := open(t, path) // as ducat verify does beside a server
	add(other, "c")
	add(s, "d")
	add(other, "e")
	add(s, "f")
	before := size()
	add(s, "g")
	if n := size(); n != before {
		t.Errorf("a small commit made the log grow from %d to %d bytes", before, n)
	}
	if err := s.engine.writer.do(t.Context(), func(c *conn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := checkpoint(other.engine.writer.conn, "truncate"); err != nil {
		t.Fatal(err)
	}
	add(s, "h")
	add(s, "i")
	if n := size(); n < roomBytes {
		t.Errorf("after it was cut off the log has %d bytes, no room", n)
	}
	var names string
	if err := s.View(t.Context(), 1, func(r store.Reader) error {
		js, err := r.Jobs(100)
		for _, j := range js {
			names += j.ID
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if names != "abcdefghi" {
		t.Errorf("the jobs %q are there", names)
	}
}

// TestFunctionEndsItsGoroutine has an update do what a test's FailNow does: its
// caller ends, and the writer goes on with the others of the group.
func TestFunctionEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	returned := false
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Update(t.Context(), 1, func(tx store.Tx) error {
			if err := addJob("lost")(tx); err != nil {
				return err
			}
			runtime.Goexit()
			return nil
		})
		returned = true
	}()
	<-ended
	if returned {
		t.Error("the caller went on")
	}
	if err := s.Update(t.Context(), 1, addJob("kept")); err != nil {
		t.Fatal(err)
	}
	err := s.View(t.Context(), 1, func(r store.Reader) error {
		js, err := r.Jobs(10)
		if len(js) != 1 || js[0].ID != "kept" {
			t.Errorf("jobs: %v", js)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
