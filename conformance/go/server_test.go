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
)

// patience bounds every wait. Nothing is expected to take this long.
const patience = 60 * time.Second

func TestConformance(t *testing.T) {
	t.Parallel()
	bin := binary(t)
	databases := []struct{ name, url string }{{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "ducat.db")}}
	if url := os.Getenv("DUCAT_TEST_PG"); url != "" {
		databases = append(databases, struct{ name, url string }{"postgres", url})
	}
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			base := serve(t, bin, db.url)
			for _, sc := range scenarios {
				t.Run(sc.name, func(t *testing.T) {
					t.Parallel()
					sc.run(t, newWorld(t, base))
				})
			}
		})
	}
}

// binary returns the path of the program under test.
func binary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("DUCAT_BIN"); bin != "" {
		return bin
	}
	bin := filepath.Join(t.TempDir(), "ducat")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/ducatpay/ducat/cmd/ducat")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build ducat: %v\n%s", err, out)
	}
	return bin
}

// serve runs ducat on a database until the test and its subtests are over, then
// has the books checked. It returns the server's URL.
func serve(t *testing.T, bin, db string) string {
	t.Helper()
	cmd := exec.Command(bin, "serve", "--listen", "127.0.0.1:0", "--db", db)
	var log syncBuffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start ducat: %v", err)
	}

	ready := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "ready url="); ok {
				ready <- strings.TrimSpace(url)
			}
		}
	}()
	exited := make(chan error, 1)
	go func() {
		<-read // Wait closes the pipe, so it must not come before the last read
		exited <- cmd.Wait()
	}()

	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the server said beside its request log:\n%s", log.tail(16<<10))
		}
	})
	select {
	case url := <-ready:
		t.Cleanup(func() { stop(t, cmd, exited, bin, db) })
		return url
	case err := <-exited:
		t.Fatalf("ducat ended before it was ready: %v", err)
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Fatal("ducat did not say \"ready url=…\" on standard output")
	}
	return ""
}

func stop(t *testing.T, cmd *exec.Cmd, exited <-chan error, bin, db string) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("stop ducat: %v", err)
	}
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("ducat serve did not end well: %v", err)
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Error("ducat did not stop on SIGTERM")
	}
	if out, err := exec.Command(bin, "verify", "--db", db).CombinedOutput(); err != nil {
		t.Errorf("ducat verify: %v\n%s", err, out)
	}
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
