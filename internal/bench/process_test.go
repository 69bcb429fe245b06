package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait.
const patience = 30 * time.Second

// built is where the programs are, once there are any.
var built string

// programs builds ducat and its peer once per run.
var programs = sync.OnceValue(func() (err error) {
	if built, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	for _, p := range []struct{ name, path string }{{"ducat", "github.com/ducatpay/ducat/cmd/ducat"}, {"stripe-mock", "github.com/stripe/stripe-mock"}} {
		build := exec.CommandContext(context.Background(), "go", "build", "-o", filepath.Join(built, p.name), p.path)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", p.name, err, out)
		}
	}
	return nil
})

func program(b *testing.B, name string) string {
	b.Helper()
	if err := programs(); err != nil {
		b.Fatal(err)
	}
	return filepath.Join(built, name)
}

func freeAddress(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// launch starts a server and returns its process when it gives its first
// answer, and how long that took.
func launch(b *testing.B, address, path string, args ...string) (*exec.Cmd, time.Duration) {
	b.Helper()
	cmd := exec.Command(path, args...) //nolint:noctx // it is stopped below
	cmd.Stderr = os.Stderr             // what it prints, the peer a line per request, goes nowhere
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { halt(cmd) })
	for {
		c, err := dial(address)
		if err == nil {
			_, err = c.ask(anything)
			c.Close()
		}
		took := time.Since(began)
		switch {
		case err == nil:
			return cmd, took
		case took > patience:
			halt(cmd)
			b.Fatalf("%s does not answer: %v", path, err)
		}
		<-time.After(time.Millisecond)
	}
}

func halt(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// ducat starts ducat on a database with what the operator would get, but for
// the request log.
func ducat(b *testing.B, db string) (address string, cmd *exec.Cmd, took time.Duration) {
	b.Helper()
	address = freeAddress(b)
	cmd, took = launch(b, address, program(b, "ducat"), "serve", "--listen", address, "--db", db, "--log-level", "error")
	return address, cmd, took
}

// ticks is how many parts of a second the kernel counts CPU time in.
const ticks = 100

// cpu reads how much CPU time a process has used. Unlike elapsed time it does
// not depend on what else the machine does.
func cpu(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // the name before may contain anything
	fields := bytes.Fields(rest)
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * (time.Second / ticks)
}

// residentMB reads how much memory a process has.
func residentMB(b *testing.B, cmd *exec.Cmd) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		b.Skip("there is no /proc here")
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
