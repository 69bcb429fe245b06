// Package bench measures the whole program from outside, as a merchant and a
// payer use it: over TCP, durably, one request at a time per client. Absolute
// figures belong to the machine they were taken on, so the creation of a source
// is measured beside a peer, stripe-mock, in the same run.
package bench

import (
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store/sqlite"
)

// clients is how many requests are under way at once.
const clients = 16

// TestMain removes what was built. A PostgreSQL that was started removes itself.
func TestMain(m *testing.M) {
	var err error
	if directory, err = os.MkdirTemp("", "bench"); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	_ = os.RemoveAll(directory)
	os.Exit(code)
}

// BenchmarkCreateSource has clients create sources, here and at stripe-mock,
// which keeps nothing and writes nothing to disk. The two take turns, so that
// what else the machine does falls on both; the CPU time a request takes the
// server says the same when the machine is busy.
func BenchmarkCreateSource(b *testing.B) { creation(b, createSource) }

// creation measures a request that creates something beside the peer.
func creation(b *testing.B, request []byte) {
	b.Helper()
	address, cmd, _ := ducat(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
	us := &side{address: address, cmd: cmd}
	them := mock(b)
	for _, s := range []*side{us, them} {
		s.create(b, request, 500)
		s.load, s.cpu = load{}, 0
	}
	const turns = 8
	b.ResetTimer()
	for left, turn := b.N, turns; turn > 0; turn-- {
		n := left / turn
		left -= n
		us.create(b, request, n)
		b.StopTimer()
		them.create(b, request, n)
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(us.load.p99(), "p99-ms")
	b.ReportMetric(them.load.p99(), "peer-p99-ms")
	compare(b, us, them)
}

// side is one of two servers that are compared.
type side struct {
	address string
	cmd     *exec.Cmd
	load    load
	cpu     time.Duration
}

func (s *side) create(b *testing.B, request []byte, n int) {
	b.Helper()
	before := cpu(b, s.cmd)
	s.load.add(drive(b, s.address, clients, n, func(c *client) error { _, err := c.call(request); return err }))
	s.cpu += cpu(b, s.cmd) - before
}

// BenchmarkPayment has clients take payments: create a source, approve it on
// its page, charge it.
func BenchmarkPayment(b *testing.B) {
	for _, db := range []struct {
		name string
		url  func(b *testing.B) string
	}{
		{"sqlite", func(b *testing.B) string { b.Helper(); return "sqlite:" + filepath.Join(b.TempDir(), "x.db") }},
		{"postgres", func(b *testing.B) string { b.Helper(); return pgtest.URL(b) }},
	} {
		b.Run(db.name, func(b *testing.B) {
			address, cmd, _ := ducat(b, db.url(b))
			b.Cleanup(func() { halt(cmd) })
			drive(b, address, clients, 50, pay)
			b.ResetTimer()
			l := drive(b, address, clients, b.N, pay)
			b.ReportMetric(l.perSecond(), "payments/s")
			b.ReportMetric(l.p99(), "p99-ms")
		})
	}
}

// BenchmarkPaymentCost counts what a payment costs the database: updates, the
// statements they take, and commits, each of which waits for the disk once. One
// client cannot share commits; sixteen can.
func BenchmarkPaymentCost(b *testing.B) {
	for _, load := range []struct {
		name    string
		clients int
	}{{"1-client", 1}, {"16-clients", clients}} {
		b.Run(load.name, func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "x.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if err := s.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			hs := httptest.NewUnstartedServer(nil)
			address := hs.Listener.Addr().String()
			hs.Config.Handler = server.New(s, server.Config{BaseURL: "http://" + address, Sandbox: true, Log: slog.New(slog.DiscardHandler), Clock: clock.Wall{}, IDs: id.System()}).Handler
			hs.Start()
			defer hs.Close()
			drive(b, address, load.clients, 2, pay)
			before := s.Stats()
			b.ResetTimer()
			drive(b, address, load.clients, b.N, pay)
			b.StopTimer()
			after := s.Stats()
			b.ReportMetric(float64(after.Statements-before.Statements)/float64(b.N), "statements/payment")
			b.ReportMetric(float64(after.Updates-before.Updates)/float64(b.N), "updates/payment")
			b.ReportMetric(float64(after.Commits-before.Commits)/float64(b.N), "commits/payment")
		})
	}
}

// BenchmarkStart measures from the start of the process to its first answer, on
// a database that is new and on one that is there.
func BenchmarkStart(b *testing.B) {
	for _, fresh := range []bool{true, false} {
		name := "existing"
		if fresh {
			name = "new"
		}
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "x.db")
			_, cmd, _ := ducat(b, "sqlite:"+path)
			halt(cmd)
			var sum time.Duration
			for b.Loop() {
				if fresh {
					path = filepath.Join(b.TempDir(), "x.db")
				}
				_, cmd, took := ducat(b, "sqlite:"+path)
				sum += took
				halt(cmd)
			}
			b.ReportMetric(float64(sum.Microseconds())/1000/float64(b.N), "ms-to-answer")
		})
	}
}

// BenchmarkIdleMemory measures what a server that was started and has answered
// once holds in memory, and what it still holds some time after a burst.
func BenchmarkIdleMemory(b *testing.B) {
	var idle, after float64
	for b.Loop() {
		address, cmd, _ := ducat(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
		drive(b, address, 1, 1, pay)
		idle = max(idle, residentMB(b, cmd))
		drive(b, address, clients, 2000, pay)
		after = max(after, residentMB(b, cmd))
		halt(cmd)
	}
	b.ReportMetric(idle, "idle-MB")
	b.ReportMetric(after, "after-2000-payments-MB")
}
