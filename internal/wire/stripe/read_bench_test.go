package stripe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"
)

// BenchmarkList reads lists of ten objects, the same again and asked differently
// each time so that no kept answer will do: what one costs the server but for
// the network. The processor's time tells more than the clock's on a machine that
// has other things to do.
func BenchmarkList(b *testing.B) {
	w := newWorld(b)
	for range 12 {
		w.charged()
		w.must(w.post("/v1/customers", "name", "Ann", "email", "ann@example.com", "metadata[tier]", "gold"))
	}
	for _, kind := range []string{"charges", "customers"} {
		for name, every := range map[string]int{"again": 0, "anew": 1} {
			b.Run(kind+" "+name, func(b *testing.B) {
				b.ReportAllocs()
				before := processor(b)
				for n := 0; b.Loop(); n++ {
					r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/v1/%s?limit=10&created[gte]=%d", kind, n*every), nil)
					r.Header.Set("Authorization", "Bearer "+w.key)
					rec := httptest.NewRecorder()
					w.srv.Handler.ServeHTTP(rec, r)
					if rec.Code != http.StatusOK {
						b.Fatal(rec.Body)
					}
				}
				b.ReportMetric(float64((processor(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
			})
		}
	}
}

// processor is the time that this process has had the processor.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
