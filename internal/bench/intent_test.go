package bench

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/pgtest"
)

// guideIntent is the request of the guide for Alma.
var guideIntent = post("/v1/payment_intents", "amount=5099&currency=eur&automatic_payment_methods%5Benabled%5D=true")

// BenchmarkCreateIntent has clients create payment intents, here and at
// stripe-mock.
func BenchmarkCreateIntent(b *testing.B) { creation(b, guideIntent) }

// payIntent takes a payment from its creation to the payer's approval, which
// captures it.
func payIntent(c *client) error {
	body, err := c.call(guideIntent)
	if err != nil {
		return err
	}
	id := field(body, "id")
	body, err = c.call(post("/v1/payment_intents/"+id+"/confirm", "payment_method_data%5Btype%5D=alma&return_url=https%3A%2F%2Fshop.example%2F"))
	if err != nil {
		return err
	}
	_, path, ok := strings.Cut(strings.TrimPrefix(field(body, "url"), "http://"), "/")
	if !ok {
		return fmt.Errorf("no page in %s", body)
	}
	if _, err := c.call(post("/"+path, "decision=authorize")); err != nil {
		return err
	}
	body, err = c.call(fmt.Appendf(nil, "GET /v1/payment_intents/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", id, secretKey))
	if err == nil && field(body, "status") != "succeeded" {
		err = fmt.Errorf("intent %s did not succeed: %s", id, body)
	}
	return err
}

// BenchmarkIntentPayment has clients take whole payments: create, confirm,
// approve, read, with ledger and events. On PostgreSQL it is reported beside
// pgbench's TPC-B on the same server.
func BenchmarkIntentPayment(b *testing.B) {
	run := func(b *testing.B, db string) load {
		b.Helper()
		address, cmd, _ := ducat(b, db)
		b.Cleanup(func() { halt(cmd) })
		drive(b, address, clients, 50, payIntent)
		b.ResetTimer()
		l := drive(b, address, clients, b.N, payIntent)
		b.StopTimer()
		b.ReportMetric(l.perSecond(), "payments/s")
		b.ReportMetric(l.p99(), "p99-ms")
		return l
	}
	b.Run("sqlite", func(b *testing.B) { run(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db")) })
	b.Run("postgres", func(b *testing.B) {
		url := pgtest.URL(b)
		l := run(b, url)
		if tps := tpcb(b, url); tps > 0 {
			b.ReportMetric(tps, "tpcb/s")
			b.ReportMetric(l.perSecond()/tps, "tpcb-ratio")
		}
	})
}

var tpsLine = regexp.MustCompile(`tps = ([0-9.]+)`)

// tpcb is how many TPC-B transactions a second pgbench makes of a database, with
// as many clients as ours, 0 without pgbench.
func tpcb(b *testing.B, url string) float64 {
	b.Helper()
	if _, err := exec.LookPath("pgbench"); err != nil {
		b.Log("pgbench is not installed: no TPC-B to compare with")
		return 0
	}
	if out, err := exec.CommandContext(b.Context(), "pgbench", "-i", "-q", "-s", "10", url).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(b.Context(), "pgbench", "-c", strconv.Itoa(clients), "-j", "2", "-T", "5", url).CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	m := tpsLine.FindSubmatch(out)
	if m == nil {
		b.Fatalf("no rate in %s", out)
	}
	tps, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return tps
}
