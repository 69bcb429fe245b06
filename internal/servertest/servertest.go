// Package servertest builds the program under test, starts it as an operator
// would, and has its books checked. It is for tests that are clients of the
// whole program; it knows its command line and nothing it serves.
package servertest

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/ducatpay/ducat/internal/server" // a cached result must not outlive a change to the server
)

// Patience bounds every wait. Nothing is expected to take this long.
const Patience = 60 * time.Second

const ducat = "github.com/ducatpay/ducat/cmd/ducat"

// Ducat returns the path of the program under test: the one that DUCAT_BIN
// names, or one that is built and removed with the test.
func Ducat(tb testing.TB) string {
	tb.Helper()
	if bin := os.Getenv("DUCAT_BIN"); bin != "" {
		if _, err := os.Stat(bin); err != nil {
			tb.Fatal(err)
		}
		return bin
	}
	// Looking at the command's files makes them inputs of the cached result.
	dir, err := exec.CommandContext(tb.Context(), "go", "list", "-f", "{{.Dir}}", ducat).Output()
	if err != nil {
		tb.Fatalf("find the sources of ducat: %v", err)
	}
	sources, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	if err != nil || len(sources) == 0 {
		tb.Fatalf("no sources of ducat: %v", err)
	}
	for _, name := range sources {
		if _, err := os.Stat(name); err != nil {
			tb.Fatal(err)
		}
	}
	return Build(tb, tb.TempDir(), ducat)
}

// Build builds a command into a directory and returns its path.
func Build(tb testing.TB, dir, pkg string) string {
	tb.Helper()
	bin := filepath.Join(dir, path.Base(pkg))
	build := exec.CommandContext(tb.Context(), "go", "build", "-o", bin, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return bin
}

// FreeAddress returns an address that was free a moment ago.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Installation is a program and its database, which outlive its processes.
type Installation struct {
	Bin, DB string
	// Address is where it listens. When it is empty each process picks its own.
	Address string
	// Flags are further ones of serve.
	Flags []string
	// Log is what all processes said, one after the other.
	Log Log
}

// Fresh is an installation on an empty SQLite database.
func Fresh(tb testing.TB, flags ...string) *Installation {
	tb.Helper()
	return &Installation{Bin: Ducat(tb), DB: "sqlite:" + filepath.Join(tb.TempDir(), "ducat.db"), Flags: flags}
}

// Serve starts the server and waits until it is ready. When the test ends, or
// before that by calling stop, it is stopped in the orderly way and the books are
// checked; what it said is shown if the test failed.
func (in *Installation) Serve(tb testing.TB) (url string, stop func()) {
	tb.Helper()
	p := in.Start(tb)
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("what the server said beside its request log:\n%s", in.Log.Tail(16<<10))
		}
	})
	p.Up(tb)
	stop = sync.OnceFunc(func() {
		p.Stop(tb)
		in.Verify(tb)
	})
	tb.Cleanup(stop)
	return p.URL, stop
}

// Process is one life of the server. It is killed when the test ends.
type Process struct {
	// URL is where it answers, from the moment Up has returned.
	URL string
	// Ended is closed when the process is gone; Err says how it ended.
	Ended chan struct{}
	Err   error

	cmd   *exec.Cmd
	ready chan string
}

// Start starts the server and does not wait for it.
func (in *Installation) Start(tb testing.TB) *Process {
	tb.Helper()
	listen := in.Address
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	args := append([]string{"serve", "--listen", listen, "--db", in.DB}, in.Flags...)
	p := &Process{cmd: exec.Command(in.Bin, args...), ready: make(chan string, 1), Ended: make(chan struct{})} //nolint:gosec,noctx // the program under test, which is killed below
	p.cmd.Stderr = &in.Log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		tb.Fatalf("start ducat: %v", err)
	}
	go func() {
		defer close(p.Ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "ready url="); ok {
				p.ready <- strings.TrimSpace(url)
			}
		}
		// Wait closes the pipe, so it must not come before the last read.
		p.Err = p.cmd.Wait()
	}()
	tb.Cleanup(func() {
		p.Kill()
		<-p.Ended
	})
	return p
}

// Up waits until the server says that it is ready.
func (p *Process) Up(tb testing.TB) {
	tb.Helper()
	select {
	case p.URL = <-p.ready:
	case <-p.Ended:
		tb.Fatalf("ducat ended before it was ready: %v", p.Err)
	case <-time.After(Patience):
		tb.Fatal("ducat did not say \"ready url=…\" on standard output")
	}
}

// Kill sends SIGKILL, which a process cannot prepare for.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// Stop ends the server in the orderly way.
func (p *Process) Stop(tb testing.TB) {
	tb.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		tb.Errorf("stop ducat: %v", err)
	}
	select {
	case <-p.Ended:
		if p.Err != nil {
			tb.Errorf("ducat serve did not end well: %v", p.Err)
		}
	case <-time.After(Patience):
		tb.Error("ducat did not stop on SIGTERM")
	}
}

// Verify has the books checked and returns what was said of them.
func (in *Installation) Verify(tb testing.TB) string {
	tb.Helper()
	// The test's context is over when its cleanups run, and this may be one.
	out, err := exec.Command(in.Bin, "verify", "--db", in.DB).CombinedOutput() //nolint:gosec,noctx // it ends by itself
	if err != nil {
		tb.Errorf("ducat verify: %v\n%s", err, out)
	}
	return string(bytes.TrimSpace(out))
}

// Log collects what a program says. It may be written and read at once.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// Tail returns the last bytes of what was written, without the request log.
func (l *Log) Tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kept strings.Builder
	for line := range strings.Lines(l.buf.String()) {
		if !strings.Contains(line, "level=INFO msg=request ") {
			kept.WriteString(line)
		}
	}
	s := kept.String()
	return s[max(0, len(s)-n):]
}
