//go:build unix

package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ducat.db")
	release, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(path)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("another server (process %d) is using the database %s", os.Getpid(), path)) {
		t.Errorf("locked twice: %v", err)
	}
	if _, err := Lock(path + "2"); err != nil {
		t.Errorf("another file: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatalf("after it was released: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}
