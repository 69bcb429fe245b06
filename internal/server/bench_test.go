package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkRequest sends requests through the complete handler: what one costs apart
// from its connection. The balance is an answer that is kept, so next to nothing of it
// is the database's; a refused form has been read, and undone nothing; an intent is
// created.
func BenchmarkRequest(b *testing.B) {
	h := fresh(b, itself, slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))).Handler
	for _, q := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"balance", http.MethodGet, "/v1/balance", "", http.StatusOK},
		{"refused", http.MethodPost, "/v1/payment_intents", "currency=eur&automatic_payment_methods%5Benabled%5D=true", http.StatusBadRequest},
		{"intent", http.MethodPost, "/v1/payment_intents", "amount=5099&currency=eur&automatic_payment_methods%5Benabled%5D=true", http.StatusOK},
	} {
		b.Run(q.name, func(b *testing.B) {
			body := strings.NewReader(q.body)
			r, err := http.NewRequestWithContext(b.Context(), q.method, q.path, io.NopCloser(body))
			if err != nil {
				b.Fatal(err)
			}
			r.ContentLength = body.Size()
			r.Header.Set("Authorization", "Bearer sk_test_benchmark0123456789")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := &answer{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				body.Reset(q.body)
				asked := *r
				h.ServeHTTP(w, &asked)
				if w.status != q.status {
					b.Fatalf("answered %d, want %d", w.status, q.status)
				}
			}
		})
	}
}

// answer is an http.ResponseWriter that costs nothing.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }
