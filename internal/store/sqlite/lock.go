package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// errLocked says that another process holds a file's lock.
var errLocked = errors.New("sqlite: locked")

// Lock claims a database for one server: a second one that writes to the same
// file would be safe but starved, and each would remember what the other has
// changed. Looking at the database, as verify does, needs no claim. It is an
// advisory lock on a file beside the database, and ends with the process at the
// latest, however that ends.
func Lock(path string) (release func() error, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(abs+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := lockFile(f); err != nil {
		defer f.Close()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("sqlite: lock %s: %w", f.Name(), err)
		}
		holder := ""
		if b, err := io.ReadAll(io.LimitReader(f, 32)); err == nil && len(b) > 0 {
			holder = " (process " + strings.TrimSpace(string(b)) + ")"
		}
		return nil, fmt.Errorf("another server%s is using the database %s: a SQLite file belongs to one server at a time; stop the other one, name another file with --db, or use PostgreSQL for several nodes", holder, path)
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: %w", err), f.Close())
	}
	return f.Close, nil
}

func writePID(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}
