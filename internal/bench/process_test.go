package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/servertest"
)

// patience bounds every wait.
const patience = 30 * time.Second

// directory is where the programs are, and built holds the paths of those that
// have been needed.
var (
	directory string
	built     = map[string]string{}
)

// program builds a command once per run. Benchmarks run one after the other.
func program(b *testing.B, pkg string) string {
	b.Helper()
	if built[pkg] == "" {
		built[pkg] = servertest.Build(b, directory, pkg)
	}
	return built[pkg]
}

// launch starts a server and returns its process when it gives its first
// answer, and how long that took.
func launch(b *testing.B, address, path string, args ...string) (*exec.Cmd, time.Duration) {
	b.Helper()
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr // what it prints, the peer a line per request, goes nowhere
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
	address = servertest.FreeAddress(b)
	cmd, took = launch(b, address, program(b, "github.com/ducatpay/ducat/cmd/ducat"), "serve", "--listen", address, "--db", db, "--log-level", "error")
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
