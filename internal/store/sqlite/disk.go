package sqlite

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// group is the updates that share a commit.
type group struct {
	members []*update
	mark    uint64 // what disk.begin returned; 0 if there is nothing to put on disk
}

// fail gives all members that ran to their end the error of the group.
func (g *group) fail(err error) {
	for _, u := range g.members {
		if !u.abandoned() {
			u.err = err
		}
	}
}

// disk sees to it that nobody learns of a commit before it is on disk. SQLite
// writes a commit to its log without waiting for the disk (synchronous=NORMAL);
// this syncs the log while the writer goes on. A read waits for the commits
// that it can have seen. See docs/decisions/0004-overlapped-sync.md.
type disk struct {
	sync   func() error
	free   chan struct{} // holds a token while no group is on its way to the disk
	groups chan group    // from the writer, who takes the token before it commits
	closed chan struct{}

	// turns goes up before a commit of ours can be seen, and when it can: who reads
	// in between may see it or not, and reads under a number that is soon gone.
	turns atomic.Uint64

	mu     sync.Mutex
	begun  uint64        // commits that readers may see
	synced uint64        // those of them that are on disk
	moved  chan struct{} // closed when synced or err changes; nil if nobody waits
	err    error
}

func startDisk(sync func() error) *disk {
	d := &disk{sync: sync, free: make(chan struct{}, 1), groups: make(chan group, 1), closed: make(chan struct{})}
	d.free <- struct{}{}
	go d.run()
	return d
}

// close returns when all groups are answered.
func (d *disk) close() {
	close(d.groups)
	<-d.closed
}

func (d *disk) run() {
	defer close(d.closed)
	for g := range d.groups {
		if g.mark != 0 {
			if err := d.flush(g.mark); err != nil {
				g.fail(err)
			}
		}
		d.free <- struct{}{}
		for _, u := range g.members {
			close(u.done)
		}
	}
}

// flush puts the log on disk. A sync that failed is never repeated: the system
// may have dropped what it could not write, and would report success.
func (d *disk) flush(mark uint64) error {
	err := d.sync()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.err = fmt.Errorf("sqlite: the log cannot be put on disk, nothing works until a restart: %w", err)
	} else {
		d.synced = mark
	}
	if d.moved != nil {
		close(d.moved)
		d.moved = nil
	}
	return d.err
}

// begin announces a commit, before readers can see it.
func (d *disk) begin() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turns.Add(1)
	d.begun++
	return d.begun
}

// visible returns the last commit that a snapshot taken before can contain.
func (d *disk) visible() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun
}

// failure returns why the store does not work any more.
func (d *disk) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// wait returns when a commit and all before it are on disk.
func (d *disk) wait(ctx context.Context, mark uint64) error {
	for {
		d.mu.Lock()
		err, moved := d.err, d.moved
		if err == nil && d.synced < mark && moved == nil {
			moved = make(chan struct{})
			d.moved = moved
		}
		done := d.synced >= mark
		d.mu.Unlock()
		if err != nil || done {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// openLog opens the log of a database that is open already. It stays the same
// file until the database is closed: SQLite starts it anew in place. Closing it
// here releases none of SQLite's locks, which are on other files.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path+"-wal", os.O_RDWR, 0)
}
