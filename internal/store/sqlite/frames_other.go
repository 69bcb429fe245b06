//go:build !linux || !(amd64 || arm64)

package sqlite

// gather does nothing here: SQLite writes page by page.
func gather() {}
