// Package conformance_test drives a running ducat with the official Go library,
// as a merchant's program would. The list of scenarios, shared with the other
// languages, is in ../SCENARIOS.md.
package conformance_test

import (
	"os"
	"path/filepath"
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
		conform(t, &servertest.Installation{Bin: bin, DB: "sqlite:" + filepath.Join(t.TempDir(), "ducat.db")})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		db := os.Getenv("DUCAT_TEST_PG")
		if db == "" {
			db = pgtest.URL(t)
		}
		conform(t, &servertest.Installation{Bin: bin, DB: db})
	})
}

func conform(t *testing.T, in *servertest.Installation) {
	t.Run("restart", func(t *testing.T) { restart(t, in) })
	url, _ := in.Serve(t)
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			sc.run(t, newWorld(t, url))
		})
	}
}
