//go:build !unix

package sqlite

import "os"

// lockFile claims nothing where there is no flock.
func lockFile(*os.File) error { return nil }
