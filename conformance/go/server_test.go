// Package conformance_test drives a running ducat with the official Go library,
// as a merchant's program would. The list of scenarios, shared with the other
// languages, is in ../SCENARIOS.md.
package conformance_test

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/pgtest"
	_ "github.com/ducatpay/ducat/internal/server" // a cached result must not outlive a change to the server
)

// patience bounds every wait. Nothing is expected to take this long.
const patience = 60 * time.Second

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	bin := binary(t)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		conform(t, bin, "sqlite:"+filepath.Join(t.TempDir(), "ducat.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		db := os.Getenv("DUCAT_TEST_PG")
		if db == "" {
			db = pgtest.URL(t)
		}
		conform(t, bin, db)
	})
}

func conform(t *testing.T, bin, db string) {
	t.Run("restart", func(t *testing.T) { restart(t, bin, db) })
	p := serve(t, bin, db)
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			sc.run(t, newWorld(t, p.url))
		})
	}
}

// binary returns the path of the program under test.
func binary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("DUCAT_BIN"); bin != "" {
		if _, err := os.Stat(bin); err != nil {
			t.Fatal(err)
		}
		return bin
	}
	// Looking at the command's files makes them inputs of the cached result.
	sources, err := filepath.Glob("../../cmd/ducat/*.go")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources of ducat: %v", err)
	}
	for _, name := range sources {
		if _, err := os.Stat(name); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(t.TempDir(), "ducat")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/ducatpay/ducat/cmd/ducat")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build ducat: %v\n%s", err, out)
	}
	return bin
}

// process is a running ducat.
type process struct {
	url     string
	bin, db string
	cmd     *exec.Cmd
	exited  chan error
	once    sync.Once
}

// serve runs ducat on a database until stop, or until the test and its subtests
// are over.
func serve(t *testing.T, bin, db string) *process {
	t.Helper()
	p := &process{bin: bin, db: db, cmd: exec.Command(bin, "serve", "--listen", "127.0.0.1:0", "--db", db), exited: make(chan error, 1)}
	var log syncBuffer
	p.cmd.Stderr = &log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start ducat: %v", err)
	}

	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "ready url="); ok {
				ready <- strings.TrimSpace(url)
			}
		}
		// Wait closes the pipe, so it must not come before the last read.
		p.exited <- p.cmd.Wait()
	}()

	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the server said beside its request log:\n%s", log.tail(16<<10))
		}
	})
	select {
	case p.url = <-ready:
		t.Cleanup(func() { p.stop(t) })
	case err := <-p.exited:
		t.Fatalf("ducat ended before it was ready: %v", err)
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		t.Fatal("ducat did not say \"ready url=…\" on standard output")
	}
	return p
}

// stop ends the server as an operator would, and has the books checked.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("stop ducat: %v", err)
		}
		select {
		case err := <-p.exited:
			if err != nil {
				t.Errorf("ducat serve did not end well: %v", err)
			}
		case <-time.After(patience):
			_ = p.cmd.Process.Kill()
			t.Error("ducat did not stop on SIGTERM")
		}
		if out, err := exec.Command(p.bin, "verify", "--db", p.db).CombinedOutput(); err != nil {
			t.Errorf("ducat verify: %v\n%s", err, out)
		}
	})
}

// syncBuffer may be written and read at once.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// tail returns the last bytes of what was written, without the request log.
func (b *syncBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var kept []string
	for line := range strings.Lines(b.buf.String()) {
		if !strings.Contains(line, "level=INFO msg=request ") {
			kept = append(kept, line)
		}
	}
	s := strings.Join(kept, "")
	return s[max(0, len(s)-n):]
}
