package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/store"
)

// TestVersion: the version changes with what anybody writes, here or in another
// process, and with nothing else.
func TestVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	open := func() *Store {
		s, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	one, other := open(), open()
	if err := one.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	version := func() uint64 {
		t.Helper()
		v, err := one.Version(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i, s := range []*Store{one, one, other, one, other} {
		before := version()
		if err := one.View(t.Context(), 1, func(r store.Reader) error { _, err := r.Jobs(1); return err }); err != nil {
			t.Fatal(err)
		}
		if after := version(); after != before {
			t.Errorf("%d: reading changed the version", i)
		}
		if _, err := s.Setting(t.Context(), string(rune('a'+i)), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if s == one {
			if after := version(); after == before {
				t.Errorf("%d: writing did not change the version", i)
			}
			continue
		}
		for deadline := time.Now().Add(10 * time.Second); version() == before; { // the other's writes are looked for now and then
			if time.Now().After(deadline) {
				t.Fatalf("%d: another's writing did not change the version", i)
			}
		}
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Version(t.Context()); err == nil {
		t.Error("a closed database has a version")
	}
}
