// Package conformance_test drives a running ducat with the official Go library,
// as a merchant's program would. The list of scenarios, shared with the other
// languages, is in ../SCENARIOS.md.
package conformance_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/servertest"
)

const patience = servertest.Patience

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	bin := servertest.Ducat(t)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		conform(t, bin, "sqlite:"+filepath.Join(t.TempDir(), "ducat.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		db := os.Getenv("DUCAT_TEST_PG")
		if db == "" {
			db = pgtest.URL(t)
		}
		conform(t, bin, db)
	})
}

func conform(t *testing.T, bin, db string) {
	t.Run("restart", func(t *testing.T) { restart(t, bin, db) })
	p := serve(t, bin, db)
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			sc.run(t, newWorld(t, p.url))
		})
	}
}

// process is a running ducat.
type process struct {
	url  string
	stop func()
}

// serve runs ducat on a database until stop, or until the test and its subtests
// are over. Then the books are checked.
func serve(t *testing.T, bin, db string) *process {
	t.Helper()
	in := &servertest.Installation{Bin: bin, DB: db}
	p := in.Start(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the server said beside its request log:\n%s", in.Log.Tail(16<<10))
		}
	})
	p.Up(t)
	stop := sync.OnceFunc(func() {
		p.Stop(t)
		in.Verify(t)
	})
	t.Cleanup(stop)
	return &process{url: p.URL, stop: stop}
}
