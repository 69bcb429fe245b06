package sqlite

import (
	"context"
	"fmt"
	"sync"
)

// watcher is a connection that does nothing but ask whether others have written:
// the version it is told changes with every commit of any other connection, of
// this process or another one, as soon as the commit can be seen.
type watcher struct {
	mu     sync.Mutex
	conn   *conn
	closed bool
}

// Version implements store.Versioned.
func (s *Store) Version(ctx context.Context) (uint64, error) {
	w := &s.engine.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, errClosed
	}
	if w.conn == nil {
		c, err := openConn(ctx, s.engine.dsn)
		if err != nil {
			return 0, fmt.Errorf("sqlite: open for watching: %w", err)
		}
		w.conn = c
	}
	return w.conn.version()
}

func (w *watcher) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.conn == nil {
		return nil
	}
	return w.conn.close()
}
