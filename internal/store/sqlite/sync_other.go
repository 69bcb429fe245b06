//go:build !linux

package sqlite

import "os"

// syncLog puts the log on disk.
func syncLog(f *os.File) error { return f.Sync() }
