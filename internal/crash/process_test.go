package crash

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait. Nothing is expected to take this long.
const patience = 15 * time.Second

// build makes the program under test.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "ducat")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/ducatpay/ducat/cmd/ducat").CombinedOutput(); err != nil {
		t.Fatalf("build ducat: %v\n%s", err, out)
	}
	return bin
}

// freeAddress returns an address that was free a moment ago. The server keeps
// it over restarts, so that the addresses it gave to payers stay good.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// installation is a program, its database and its address.
type installation struct {
	bin, db, address string
	log              syncBuffer // what all its processes said
}

// process is one life of the server.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when it says so
	ended chan struct{} // closed when it is gone
	err   error         // how it ended
}

func (in *installation) start(t *testing.T) *process {
	t.Helper()
	p := &process{
		cmd:   exec.Command(in.bin, "serve", "--listen", in.address, "--db", in.db, "--log-level", "error"), //nolint:noctx // it is killed
		ready: make(chan struct{}), ended: make(chan struct{}),
	}
	p.cmd.Stderr = &in.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start ducat: %v", err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "ready url=") {
				close(p.ready)
			}
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		<-p.ended
	})
	return p
}

// up waits until the server is ready.
func (p *process) up(t *testing.T) {
	t.Helper()
	select {
	case <-p.ready:
	case <-p.ended:
		t.Fatalf("ducat ended before it was ready: %v", p.err)
	case <-time.After(patience):
		t.Fatal("ducat did not say \"ready url=…\" on standard output")
	}
}

// kill sends SIGKILL, which a process cannot prepare for.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

// stop ends the server in the orderly way.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop ducat: %v", err)
	}
	select {
	case <-p.ended:
		if p.err != nil {
			t.Errorf("ducat serve did not end well: %v", p.err)
		}
	case <-time.After(patience):
		t.Error("ducat did not stop on SIGTERM")
	}
}

// verify has the books checked, and that they speak of so many payments and
// refunds and of none that nobody was told of.
func (in *installation) verify(t *testing.T, payments, refunds int) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), in.bin, "verify", "--db", in.db).CombinedOutput()
	if err != nil {
		t.Errorf("ducat verify: %v\n%s", err, out)
		return
	}
	if want := fmt.Sprintf(" %d payments, %d refunds", payments, refunds); !bytes.Contains(out, []byte(want)) {
		t.Errorf("ducat verify: %s, want%s", out, want)
	}
	t.Logf("%s", bytes.TrimSpace(out))
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

func (b *syncBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.buf.String()
	return fmt.Sprintf("%s (%d bytes in all)", s[max(0, len(s)-n):], len(s))
}
