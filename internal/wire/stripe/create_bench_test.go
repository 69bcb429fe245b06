package stripe_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkCreateIntent creates intents that nobody has confirmed yet, the way
// guides do.
func BenchmarkCreateIntent(b *testing.B) {
	benchmarkCreate(b, "/v1/payment_intents", "amount=5099&currency=eur&automatic_payment_methods%5Benabled%5D=true")
}

// BenchmarkCreateSource creates sources that wait for their payers.
func BenchmarkCreateSource(b *testing.B) {
	benchmarkCreate(b, "/v1/sources", "type=alipay&amount=1099&currency=usd&redirect%5Breturn_url%5D=https%3A%2F%2Fshop.example%2Freturn")
}

// benchmarkCreate makes one request again and again: what it costs the server but
// for the network.
func benchmarkCreate(b *testing.B, path, params string) {
	w := newWorld(b)
	b.ReportAllocs()
	before := processor(b)
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(params))
		r.Header.Set("Authorization", "Bearer "+w.key)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		w.srv.Handler.ServeHTTP(rec, r)
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
	}
	b.ReportMetric(float64((processor(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
}
