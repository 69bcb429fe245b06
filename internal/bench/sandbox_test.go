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
// the way test suites do that have a key of their own each: a client stays in a
// world until it is done with it. Neither the rate nor the server's memory may
// depend on how many worlds there are already: "slowdown" is the rate in the first
// tenth of the worlds by that in the last. "beside-one" is the rate of as many
// payments as a tenth has in one world, where they share pages, by that in all.
func BenchmarkSandboxes(b *testing.B) {
	const parts = 10
	address, cmd, _ := ducat(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
	defer halt(cmd)
	var next atomic.Int64
	suite := func(c *client) error {
		if c.stay == 0 {
			c.world, c.stay = next.Add(1), b.N
		}
		c.stay--
		return payAs(c, fmt.Sprintf("sk_test_sandbox%09d", c.world))
	}
	drive(b, address, clients, 500, suite)
	var all, first, last load
	b.ResetTimer()
	for part := range parts {
		l := drive(b, address, clients, b.N*sandboxes/parts, suite)
		all.add(l)
		last = l
		if part == 0 {
			first = l
			b.ReportMetric(residentMB(b, cmd), "first-MB")
		}
	}
	b.StopTimer()
	b.ReportMetric(residentMB(b, cmd), "last-MB")
	one := drive(b, address, clients, b.N*sandboxes/parts, pay)
	b.ReportMetric(all.perSecond(), "payments/s")
	b.ReportMetric(first.perSecond()/last.perSecond(), "slowdown")
	b.ReportMetric(one.perSecond()/all.perSecond(), "beside-one")
}
