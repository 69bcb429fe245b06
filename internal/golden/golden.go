// Package golden compares what a test made with a file that is kept beside it, for
// results that are read rather than asserted: tables, pages, diagrams.
//
// With -update the test writes the file instead; the change to it is then read like
// any other.
package golden

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// Check reports how a file differs from what was made.
func Check(t testing.TB, path string, made []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, made, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update)", err)
	}
	if diff := cmp.Diff(string(kept), string(made)); diff != "" {
		t.Errorf("%s is not current (-kept +made); run the test with -update if that is meant:\n%s", path, diff)
	}
}
