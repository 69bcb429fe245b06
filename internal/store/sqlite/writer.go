package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlstore"
)

const (
	// groupMax is how many updates share a commit at most.
	groupMax = 64
	// groupTime is how long the first of a group waits for others to join it,
	// while the disk could take the group already.
	groupTime = 2 * time.Millisecond
	// crowd is how many a group has at least when the next one waits for as many.
	crowd = 4
	// queueMax is how many updates wait without their callers being held up.
	queueMax = 256
)

// errClosed is returned by updates that come after Close.
var errClosed = errors.New("sqlite: store is closed")

// errAbandoned stands for a function that did not return.
var errAbandoned = errors.New("sqlite: update panicked")

// update is a function that waits to be run by the writer, and then for its
// writes to be on disk.
type update struct {
	fn    func(c *conn) error
	state atomic.Int32
	done  chan struct{} // closed when everything below is final

	err      error
	panicked *store.Panic
	exited   bool // fn ended its goroutine, as a test's FailNow does
}

// States of an update. Whoever moves it on from waiting decides whether it
// runs.
const (
	waiting = iota
	taken   // by the writer: its caller must wait for it
	left    // by its caller
)

// call runs the function. A panic is kept for the caller, with its stack: the
// caller's own does not show where it came from.
func (u *update) call(c *conn) {
	u.err, u.exited = errAbandoned, true
	defer func() {
		if v := recover(); v != nil {
			u.panicked, u.exited = &store.Panic{Value: v, Stack: debug.Stack()}, false
		}
	}()
	u.err = u.fn(c)
	u.exited = false
}

// abandoned reports that the function did not return.
func (u *update) abandoned() bool { return u.panicked != nil || u.exited }

// outcome is what the caller gets to see: what it would have seen had it run
// the function itself.
func (u *update) outcome() error {
	switch {
	case u.panicked != nil:
		panic(u.panicked)
	case u.exited:
		runtime.Goexit()
	}
	return u.err
}

// writer owns the connection that writes, and runs the updates one after the
// other in its own goroutine. Updates that wait at the same time become one
// transaction, a group; while the disk is busy with one group the next gathers.
type writer struct {
	conn    *conn
	disk    *disk
	room    *room
	queue   chan *update
	stop    chan struct{}
	stopped chan struct{}

	// The group whose transaction is open; there is none without members.
	members []*update
	last    int // how many the group before had
	full    *time.Timer
	careful bool  // members have savepoints
	broken  error // nothing of the group can be kept

	commits, updates atomic.Uint64
}

func startWriter(c *conn, d *disk, r *room) *writer {
	c.memory = &sqlstore.Memory{}
	w := &writer{
		conn: c, disk: d, room: r, full: time.NewTimer(groupTime),
		queue: make(chan *update, queueMax), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// close lets the queued updates finish and ends the writer.
func (w *writer) close() {
	close(w.stop)
	<-w.stopped
}

// do runs fn with the writer connection and returns when its writes, and all
// that it read, are on disk.
func (w *writer) do(ctx context.Context, fn func(c *conn) error) error {
	u := &update{fn: fn, done: make(chan struct{})}
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
	case <-u.done:
	case <-ctx.Done():
		if u.state.CompareAndSwap(waiting, left) {
			return ctx.Err()
		}
		<-u.done
	case <-w.stopped:
		if u.state.CompareAndSwap(waiting, left) {
			return errClosed
		}
		<-u.done
	}
	return u.outcome()
}

func (w *writer) run() {
	ended := false
	defer func() {
		if !ended { // an update's function ended this goroutine
			go w.run()
		}
	}()
	for {
		switch u, more := w.next(); {
		case u != nil:
			if u.state.CompareAndSwap(waiting, taken) {
				w.join(u)
			}
		case more:
			w.commit()
		default:
			ended = true
			close(w.stopped)
			return
		}
	}
}

// next returns the update to run next. None, and more, means that it is time
// to commit; no more means that the writer is to stop and nothing waits.
func (w *writer) next() (u *update, more bool) {
	if len(w.members) == 0 {
		select {
		case u = <-w.queue:
			return u, true
		case <-w.stop:
			return w.queued()
		}
	}
	if len(w.members) == groupMax || w.broken != nil {
		return nil, true
	}
	select {
	case <-w.full.C:
		return nil, true
	default:
	}
	if u, more = w.queued(); more {
		return u, true
	}
	// To commit before the disk is free would only make the group smaller. Under
	// load, nor is it time while the callers of the last group are on their way
	// back: the first of them would get a commit and a sync of its own, and all
	// others would wait for it.
	free := w.disk.free
	if w.last >= crowd && len(w.members) < w.last {
		free = nil
	}
	select {
	case u = <-w.queue:
		return u, true
	case <-w.full.C:
		return nil, true
	case <-free:
		free <- struct{}{}
		return nil, true
	}
}

func (w *writer) queued() (u *update, ok bool) {
	select {
	case u = <-w.queue:
		return u, true
	default:
		return nil, false
	}
}

// join runs an update as a member of the group.
func (w *writer) join(u *update) {
	if len(w.members) == 0 {
		w.full.Reset(groupTime)
		w.begin(false)
	}
	w.members = append(w.members, u)
	switch {
	case w.broken != nil:
	case w.careful:
		w.apart(u)
	default:
		w.together(u)
	}
}

func (w *writer) begin(careful bool) {
	w.careful = careful
	if w.broken = w.conn.control("begin immediate"); w.broken == nil {
		w.room.make()
		w.broken = w.conn.notice()
	}
	w.conn.wrote = false
}

// rollback undoes the group. It fails, and need not do more, if the database
// did so itself.
func (w *writer) rollback() {
	_ = w.conn.control("rollback")
	w.conn.memory.Forget()
}

// together runs an update without a savepoint of its own. If it fails before it
// wrote anything there is nothing to undo. Otherwise everything is undone, and
// the group runs anew as if it had not run, with savepoints.
func (w *writer) together(u *update) {
	earlier := w.conn.wrote
	w.conn.wrote = false
	defer func() { // also if the function ends this goroutine
		if u.err != nil && w.conn.wrote {
			w.again()
		}
		w.conn.wrote = w.conn.wrote || earlier
	}()
	u.call(w.conn)
}

func (w *writer) again() {
	w.rollback()
	w.begin(true)
	for _, m := range w.members {
		if w.broken == nil && !m.abandoned() {
			w.apart(m)
		}
	}
}

// apart runs an update in a savepoint, so that it can fail alone.
func (w *writer) apart(u *update) {
	if w.broken = w.conn.control("savepoint u"); w.broken != nil {
		return
	}
	defer func() {
		if u.err != nil {
			w.broken = w.conn.control("rollback to u")
			w.conn.memory.Forget()
		}
		if w.broken == nil {
			w.broken = w.conn.control("release u")
		}
	}()
	u.call(w.conn)
}

// commit makes the group visible to readers and hands it to the disk, which
// answers its members.
func (w *writer) commit() {
	<-w.disk.free
	g := group{members: w.members}
	w.members, w.last = nil, len(w.members)
	err := w.broken
	if err == nil {
		err = w.disk.failure()
	}
	if err == nil {
		if w.conn.wrote {
			g.mark = w.disk.begin()
		}
		err = w.conn.control("commit")
		w.disk.turns.Add(1)
	}
	if err == nil {
		w.commits.Add(1)
		w.updates.Add(uint64(len(g.members)))
	} else {
		w.rollback()
		g.fail(fmt.Errorf("sqlite: commit: %w", err))
	}
	w.disk.groups <- g
}
