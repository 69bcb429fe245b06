package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
)

// watchEvery is how long what another process wrote can go unnoticed: ducat keys
// and the like, which take longer to return to whoever ran them.
const watchEvery = time.Millisecond

// watcher is a connection that does nothing but ask whether others have written:
// the version it is told changes with every commit of any other connection, of
// this process or another one, as soon as the commit can be seen. Our own commits
// are counted, so that it is not asked every time.
type watcher struct {
	mu     sync.Mutex
	conn   *conn
	asked  time.Time
	turns  uint64 // when it was last asked: our own commits change what it is told, too
	told   uint64
	closed bool
}

// Version implements store.Versioned.
func (s *Store) Version(ctx context.Context) (uint64, error) {
	turns, now := s.engine.disk.turns.Load(), clock.Wall{}.Now()
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
	if turns != w.turns || now.Sub(w.asked) >= watchEvery {
		told, err := w.conn.version()
		if err != nil {
			return 0, err
		}
		w.asked, w.turns, w.told = now, turns, told
	}
	return turns<<32 | w.told&(1<<32-1), nil
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
