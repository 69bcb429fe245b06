// Package pgtest gives tests a PostgreSQL of their own: a private cluster that
// is started once per test process, listens on a Unix socket only, writes to
// disk as a real one does, and is gone when the process is.
//
// A package that uses it should have
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// so that the cluster has been removed when the process ends; without it, the
// cluster removes itself a moment later.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
	startMax  = 60 * time.Second
	stopMax   = 30 * time.Second
)

// Main runs a package's tests, stops the cluster if they started one, and ends
// the process.
func Main(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}

// URL returns the address of a fresh, empty database, which is dropped when the
// test ends. Without PostgreSQL's programs the test is skipped, except in CI.
func URL(t testing.TB) string {
	t.Helper()
	c, err := start()
	if errors.Is(err, errAbsent) {
		absent(t)
	}
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := fmt.Sprintf("t%d", c.databases.Add(1))
	if err := c.run(t.Context(), `create database `+name); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := c.run(context.Background(), `drop database if exists `+name+` with (force)`); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return c.url(name)
}

func absent(t testing.TB) {
	t.Helper()
	const message = "PostgreSQL is not installed (no initdb in PATH or /usr/lib/postgresql): NOTHING ABOUT IT WAS TESTED"
	if os.Getenv("CI") != "" {
		t.Fatal(message)
	}
	fmt.Fprintln(os.Stderr, "pgtest: "+message)
	t.Skip(message)
}

var errAbsent = errors.New("no initdb found")

// start starts the cluster, once.
var start = sync.OnceValues(func() (*cluster, error) {
	c, err := newCluster()
	if err == nil {
		running.Store(c)
	}
	return c, err
})

var running atomic.Pointer[cluster]

func stop() {
	if c := running.Load(); c != nil {
		c.stop()
	}
}

type cluster struct {
	dir       string
	owner     *syscall.Credential // whom the server runs as; nil for ourselves
	leash     io.Closer           // the server stops when it is closed, or we are gone
	server    *exec.Cmd
	databases atomic.Int64
}

func newCluster() (*cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	c := &cluster{}
	if c.owner, err = owner(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return nil, err
	}
	if c.owner != nil {
		if err := os.Chown(c.dir, int(c.owner.Uid), int(c.owner.Gid)); err != nil {
			return nil, err
		}
	}
	if err := c.launch(bin); err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		_ = os.RemoveAll(c.dir)
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return c, nil
}

// programs finds the directory of initdb and postgres.
func programs() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		if _, err := os.Stat(filepath.Join(filepath.Dir(p), "postgres")); err == nil {
			return filepath.Dir(p), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errAbsent
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// owner returns whom to run as: PostgreSQL refuses to run as root.
func owner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(superuser)
	if err != nil {
		return nil, fmt.Errorf("running as root, and there is no user to run as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// script runs the server until its input ends, which it does when the test
// process closes it or dies of anything at all, and clears up. $1 is the
// program, $2 the directory.
const script = `"$1" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=on -c max_connections=200 -c shared_buffers=64MB &
pid=$!
read -r _
kill -INT $pid
wait $pid
rm -rf "$2"`

func (c *cluster) launch(bin string) error {
	log, err := os.Create(filepath.Join(c.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startMax)
	defer cancel()
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", filepath.Join(c.dir, "data"),
		"-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	c.outfit(initdb, log)
	if err := initdb.Run(); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	c.server = exec.Command("/bin/sh", "-c", script, "pgtest", filepath.Join(bin, "postgres"), c.dir) //nolint:gosec,noctx // a fixed script; it outlives every context
	c.outfit(c.server, log)
	if c.leash, err = c.server.StdinPipe(); err != nil {
		return err
	}
	if err := c.server.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	for {
		err := c.run(ctx, `select 1`)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			_ = c.leash.Close()
			return fmt.Errorf("the server does not answer: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// outfit makes a command run as the owner, away from our terminal and output.
func (c *cluster) outfit(cmd *exec.Cmd, log *os.File) {
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.owner}
}

// run runs a statement as the superuser.
func (c *cluster) run(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

func (c *cluster) url(database string) string {
	return "postgres://" + superuser + "@/" + database + "?host=" + url.QueryEscape(c.dir)
}

// stop stops the server and waits until it has cleared up.
func (c *cluster) stop() {
	_ = c.leash.Close()
	ended := make(chan struct{})
	go func() {
		_ = c.server.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopMax):
		fmt.Fprintln(os.Stderr, "pgtest: the server did not stop in time")
	}
}
