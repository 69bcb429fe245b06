//go:build amd64 || arm64

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// gathered returns what a store's connections have gathered for its log.
func gathered(t *testing.T, s *Store) (found []*frames) {
	t.Helper()
	logs.Range(func(fd, f any) bool {
		if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && path == s.engine.log.Name() {
			found = append(found, f.(*frames))
		}
		return true
	})
	return found
}

// TestCommitIsOneWrite commits a hundred rows and counts the writes that they take,
// with and without a cache they all fit in. What does not fit is written before, and
// read back by the transaction itself.
func TestCommitIsOneWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ducat.db")
	s := open(t, path)
	if err := errors.Join(s.Migrate(t.Context()), s.CreateMerchant(t.Context(), merchant.Merchant{ID: 1})); err != nil {
		t.Fatal(err)
	}
	writes, refused := 0, 0
	for _, f := range gathered(t, s) {
		write := f.write
		f.write = func(b []byte, at int64) (int64, bool) {
			writes++
			if refused > 0 {
				refused--
				return -1, true
			}
			return write(b, at)
		}
	}
	if len(gathered(t, s)) == 0 {
		t.Fatal("nothing is gathered")
	}
	const rows = 100
	fill := func(prefix string, then error) error {
		return s.Update(t.Context(), 1, func(tx store.Tx) error {
			for i := range rows {
				if err := tx.InsertJob(store.Job{ID: fmt.Sprintf("%s%03d", prefix, i), Payload: []byte(strings.Repeat("x", 3000))}); err != nil {
					return err
				}
			}
			js, err := tx.Jobs(10 * rows)
			n := 0
			for _, j := range js {
				if strings.HasPrefix(j.ID, prefix) {
					n++
				}
			}
			if err == nil && n != rows {
				err = fmt.Errorf("the transaction sees %d of its rows", n)
			}
			return errors.Join(err, then)
		})
	}
	there := func(want int) {
		t.Helper()
		other := open(t, path)
		if err := other.View(t.Context(), 1, func(r store.Reader) error {
			js, err := r.Jobs(10 * rows)
			if len(js) != want {
				t.Errorf("%d rows, want %d", len(js), want)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := fill("a", nil); err != nil {
		t.Fatal(err)
	}
	if writes != 1 {
		t.Errorf("a commit took %d writes", writes)
	}
	there(rows)

	refused = 1
	if err := fill("b", nil); err == nil {
		t.Error("a commit that could not be written succeeded")
	}
	there(rows)
	errUndone := errors.New("undone")
	if err := fill("c", errUndone); !errors.Is(err, errUndone) {
		t.Error(err)
	}
	if err := fill("d", nil); err != nil {
		t.Fatal(err)
	}
	there(2 * rows)

	if err := s.engine.writer.do(t.Context(), func(c *conn) error { return c.Exec(`pragma cache_size(10)`) }); err != nil {
		t.Fatal(err)
	}
	for i, prefix := range []string{"e", "f", "g"} {
		if err := fill(prefix, []error{nil, errUndone, nil}[i]); !errors.Is(err, []error{nil, errUndone, nil}[i]) {
			t.Fatal(err)
		}
	}
	there(4 * rows)
	for _, f := range gathered(t, s) {
		if len(f.data) > 0 {
			t.Errorf("%d bytes are kept back", len(f.data))
		}
	}
}
