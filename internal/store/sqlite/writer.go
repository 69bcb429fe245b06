package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// groupMax is how many updates share a commit at most.
	groupMax = 64
	// groupTime is how long the first of a group waits for others to join it.
	groupTime = 5 * time.Millisecond
	// queueMax is how many updates wait without their callers being held up.
	queueMax = 256
)

// errClosed is returned by updates that come after Close.
var errClosed = errors.New("sqlite: store is closed")

// update is a caller waiting for its turn with the writer connection. The
// caller's function runs in the caller's own goroutine, so that a panic or a
// test's FailNow in it does what it would do anywhere else.
type update struct {
	ctx  context.Context
	turn chan *conn // the writer lends the connection; nobody takes it once ctx ended
	ran  chan error // the caller gives it back
	done chan error // the group's commit
}

// writer owns the connection that writes. It commits the updates that are
// waiting at the same time together: the disk is asked once for all of them.
type writer struct {
	conn    *conn
	queue   chan *update
	stop    chan struct{}
	stopped chan struct{}

	commits, updates atomic.Uint64
}

func startWriter(c *conn) *writer {
	w := &writer{conn: c, queue: make(chan *update, queueMax), stop: make(chan struct{}), stopped: make(chan struct{})}
	go w.run()
	return w
}

// close lets the queued updates finish and ends the writer.
func (w *writer) close() {
	close(w.stop)
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	for {
		select {
		case u := <-w.queue:
			w.group(u)
			continue
		default:
		}
		select {
		case u := <-w.queue:
			w.group(u)
		case <-w.stop:
			w.drain()
			return
		}
	}
}

// drain runs what was queued before the writer was told to stop.
func (w *writer) drain() {
	for {
		select {
		case u := <-w.queue:
			w.group(u)
		default:
			return
		}
	}
}

// member is an update that ran, and what became of it.
type member struct {
	update *update
	err    error
}

// group runs first and whatever is queued meanwhile in one transaction, and
// answers all when it is on disk.
func (w *writer) group(first *update) {
	err := w.conn.Exec("begin immediate")
	if err != nil {
		first.done <- fmt.Errorf("sqlite: begin: %w", err)
		return
	}
	members, broken := w.fill(first)
	err = broken
	if err == nil {
		err = w.conn.Exec("commit")
	}
	if err != nil {
		_ = w.conn.Exec("rollback") // fails if the database did so itself
		err = fmt.Errorf("sqlite: commit: %w", err)
	} else {
		w.commits.Add(1)
	}
	for _, m := range members {
		if err != nil {
			m.err = err
		}
		m.update.done <- m.err
	}
}

// fill runs members until none is waiting or the group is full. broken means
// that nothing of the group can be kept.
func (w *writer) fill(first *update) (members []member, broken error) {
	full := time.NewTimer(groupTime)
	defer full.Stop()
	for u := first; ; {
		ran, err, broken := w.one(u)
		if ran {
			members = append(members, member{u, err})
		}
		if broken != nil || len(members) == groupMax {
			return members, broken
		}
		select {
		case <-full.C:
			return members, nil
		default:
		}
		select {
		case u = <-w.queue:
		default:
			return members, nil
		}
	}
}

// one runs an update inside a savepoint; it does not run if its caller has
// gone. err is the update's own failure, of which nothing is kept.
func (w *writer) one(u *update) (ran bool, err, broken error) {
	if u.ctx.Err() != nil {
		return false, nil, nil // the caller sees the same
	}
	if err := w.conn.Exec("savepoint u"); err != nil {
		u.done <- err
		return false, nil, err
	}
	select {
	case u.turn <- w.conn:
		err = <-u.ran
	case <-u.ctx.Done():
		return false, nil, w.conn.Exec("release u")
	}
	w.updates.Add(1)
	if err != nil {
		if broken := w.conn.Exec("rollback to u"); broken != nil {
			return true, err, broken
		}
	}
	return true, err, w.conn.Exec("release u")
}

// errAbandoned stands for a function that did not return.
var errAbandoned = errors.New("sqlite: update panicked")

// do runs fn with the writer connection and returns when its writes are on
// disk.
func (w *writer) do(ctx context.Context, fn func(c *conn) error) error {
	u := &update{ctx: ctx, turn: make(chan *conn), ran: make(chan error, 1), done: make(chan error, 1)}
	select {
	case <-w.stop:
		return errClosed
	default:
	}
	select {
	case w.queue <- u:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stop:
		return errClosed
	}
	select {
	case c := <-u.turn:
		u.use(c, fn)
	case err := <-u.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stopped:
		return errClosed
	}
	return <-u.done
}

// use runs fn and gives the connection back however fn ends.
func (u *update) use(c *conn, fn func(c *conn) error) {
	err := errAbandoned
	defer func() { u.ran <- err }()
	err = fn(c)
}
