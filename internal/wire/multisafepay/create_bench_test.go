package multisafepay_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/store/sqlite"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// benchOrder is an order of the published example.
const benchOrder = `{"type":%q,"order_id":"o%d","gateway":"ALIPAY","currency":"EUR","amount":1000,"description":"Test order description",` +
	`"payment_options":{%s"redirect_url":"https://shop.example/client/notification?type=redirect","cancel_url":"https://shop.example/client/notification?type=cancel"},` +
	`"customer":{"locale":"cn_CN","first_name":"Simon","last_name":"Smit","country":"NL","email":"simonsmit@example.com"}}`

// BenchmarkCreate creates orders of both types, and what they are compared with, a
// PaymentIntent, through the handler on SQLite, sixteen at a time. Beside time and
// memory it tells what the database was asked and what was written to its files.
func BenchmarkCreate(b *testing.B) {
	order := func(kind, options string) func(n int64) *http.Request {
		return func(n int64) *http.Request {
			r := httptest.NewRequest("POST", "/v1/json/orders", strings.NewReader(fmt.Sprintf(benchOrder, kind, n, options)))
			r.Header.Set("Api_key", "0123456789abcdefABCD0123456789abcdefABCD")
			return r
		}
	}
	for name, request := range map[string]func(n int64) *http.Request{
		"redirect": order("redirect", `"notification_url":"https://shop.example/client/notification?type=notification",`),
		"direct":   order("direct", ""),
		"intent": func(int64) *http.Request {
			r := httptest.NewRequest("POST", "/v1/payment_intents", strings.NewReader("amount=1099&currency=usd&payment_method_types%5B%5D=alipay"))
			r.Header.Set("Authorization", "Bearer sk_test_0123456789abcdefABCD")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := wiretest.NewSQLite(b)
			var serial atomic.Int64
			serve := func() {
				s.Clock.Advance(time.Millisecond)
				w := httptest.NewRecorder()
				if s.Handler.ServeHTTP(w, request(serial.Add(1))); w.Code != http.StatusOK {
					b.Errorf("%d: %s", w.Code, w.Body)
				}
			}
			for range 500 {
				serve()
			}
			st := s.Store.(*sqlite.Store)
			before, written, spent := st.Stats(), bytesWritten(b), cpu(b)
			b.SetParallelism(8)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					serve()
				}
			})
			b.StopTimer()
			after, n := st.Stats(), float64(b.N)
			b.ReportMetric(float64((cpu(b)-spent).Nanoseconds())/1000/n, "CPU-µs/op")
			b.ReportMetric(float64(after.Statements-before.Statements)/n, "statements/op")
			b.ReportMetric(float64(after.Commits-before.Commits)/n, "commits/op")
			b.ReportMetric(float64(bytesWritten(b)-written)/n, "written-B/op")
		})
	}
}

// cpu is the processor time the process has taken so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bytesWritten is what the process has written to files so far.
func bytesWritten(b *testing.B) (n int64) {
	b.Helper()
	io, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(io)) {
		if _, err := fmt.Sscanf(line, "wchar: %d", &n); err == nil {
			return n
		}
	}
	b.Fatalf("no count of written bytes: %s", io)
	return 0
}
