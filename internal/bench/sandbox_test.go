package bench

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// sandboxes is how many worlds live side by side.
const sandboxes = 1000

// BenchmarkSandboxes has clients take b.N payments in each of a thousand worlds,
// and as many in one world, in turns: what a payment costs the server must not
// depend on how many worlds there are, and its memory neither.
func BenchmarkSandboxes(b *testing.B) {
	address, cmd, _ := ducat(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
	defer halt(cmd)
	key := func(i int64) string { return fmt.Sprintf("sk_test_sandbox%09d", i%sandboxes) }
	var next atomic.Int64
	spread := func(c *client) error { return payAs(c, key(next.Add(1))) }
	// Worlds are made once, which is not what is measured.
	drive(b, address, clients, sandboxes, spread)
	drive(b, address, clients, 200, pay)
	var one, many load
	var oneCPU, manyCPU float64
	const turns = 4
	b.ResetTimer()
	var first float64
	for left, turn := b.N*sandboxes, turns; turn > 0; turn-- {
		n := left / turn
		left -= n
		before := cpu(b, cmd)
		many.add(drive(b, address, clients, n, spread))
		manyCPU += (cpu(b, cmd) - before).Seconds()
		if turn == turns {
			first = residentMB(b, cmd)
		}
		b.StopTimer()
		before = cpu(b, cmd)
		one.add(drive(b, address, clients, n, pay))
		oneCPU += (cpu(b, cmd) - before).Seconds()
		b.StartTimer()
	}
	b.StopTimer()
	n := float64(b.N * sandboxes)
	b.ReportMetric(many.perSecond(), "payments/s")
	b.ReportMetric(one.perSecond()/many.perSecond(), "slowdown")
	b.ReportMetric(manyCPU/oneCPU, "cpu-ratio")
	b.ReportMetric(manyCPU*1e6/n, "cpu-us/payment")
	b.ReportMetric(first, "first-MB")
	b.ReportMetric(residentMB(b, cmd), "last-MB")
}
