// Package wiretest is what the tests of all dialects need: a whole server on
// either database with a clock that stands still, whose books are checked when
// the test ends, the control API, and a receiver of notifications.
//
// It knows no dialect: a test passes the header that carries its credential.
package wiretest

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
)

// Start is when every test world begins: 09:00 in China and 03:00 in
// Amsterdam, a plain working day.
var Start = time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)

// Server is a server under test.
type Server struct {
	*server.Server
	URL   string
	Clock *clock.Fake
	Store store.Store
}

// OnBoth runs a test on both databases. The package's TestMain must be
// pgtest.Main.
func OnBoth(t *testing.T, fn func(t *testing.T, s *Server)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); fn(t, NewSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); fn(t, New(t, pgtest.URL(t))) })
}

// NewSQLite starts a server on SQLite.
func NewSQLite(t testing.TB) *Server {
	t.Helper()
	return New(t, "sqlite:"+filepath.Join(t.TempDir(), "ducat.db"))
}

// New starts a server on a database and stops it when the test ends, having
// verified the books.
func New(t testing.TB, db string) *Server {
	t.Helper()
	return Over(t, Open(t, db))
}

// Open opens a database for Over.
func Open(t testing.TB, db string) store.Store {
	t.Helper()
	st, err := server.OpenStore(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// Over is New on a store that is open already, such as one that fails on demand.
func Over(t testing.TB, st store.Store) *Server {
	t.Helper()
	ctx := context.Background()
	if err := st.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{URL: "http://" + ln.Addr().String(), Clock: clock.NewFake(Start), Store: st}
	s.Server = server.New(st, server.Config{
		BaseURL: s.URL, Sandbox: true, Clock: s.Clock, IDs: id.System(),
		Log: slog.New(slog.NewTextHandler(writer{t}, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	hs := &httptest.Server{Listener: ln, Config: &http.Server{Handler: s.Handler}}
	hs.Start()
	t.Cleanup(func() {
		if _, err := s.Engine.Verify(ctx, func(engine.Audited) {}); err != nil {
			t.Errorf("the books do not balance after the test: %v", err)
		}
		if locking, ok := st.(interface{ Deadlocks() uint64 }); ok && locking.Deadlocks() > 0 {
			t.Errorf("%d transactions waited for each other in a circle", locking.Deadlocks())
		}
		hs.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ticking lets the servers' time pass until the test ends: who waits for what another
// one does looks again every so often.
func ticking(t testing.TB, nodes ...*Server) {
	ctx, stop := context.WithCancel(context.Background())
	var ticker sync.WaitGroup
	ticker.Go(func() {
		for ctx.Err() == nil {
			clock.Wall{}.Wait(ctx, time.Millisecond, nil)
			for _, n := range nodes {
				n.Clock.Advance(time.Millisecond)
			}
		}
	})
	t.Cleanup(func() { stop(); ticker.Wait() })
}

// nodes starts two servers on one PostgreSQL database.
func nodes(t testing.TB) [2]*Server {
	t.Helper()
	db := pgtest.URL(t)
	return [2]*Server{New(t, db), New(t, db)}
}

// OnNodes runs a test on both databases, at two nodes where the database allows it;
// on SQLite they are one. Their time passes.
func OnNodes(t *testing.T, fn func(t *testing.T, nodes [2]*Server)) {
	t.Helper()
	for database, open := range map[string]func(t *testing.T) [2]*Server{
		"sqlite":   func(t *testing.T) [2]*Server { s := NewSQLite(t); return [2]*Server{s, s} },
		"postgres": func(t *testing.T) [2]*Server { return nodes(t) },
	} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			two := open(t)
			ticking(t, two[:]...)
			fn(t, two)
		})
	}
}

// Pairs are every two names of a map, and each with itself.
func Pairs[V any](named map[string]V) iter.Seq[[2]string] {
	return func(yield func([2]string) bool) {
		for a := range named {
			for b := range named {
				if a <= b && !yield([2]string{a, b}) {
					return
				}
			}
		}
	}
}

// writer sends the server's log to the test's.
type writer struct{ t testing.TB }

// Write implements io.Writer.
func (w writer) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// Answer is what came to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Send makes a request as it is given and does not follow where the answer leads.
func Send(t testing.TB, method, url string, header http.Header, body string) Answer {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, b}
}

// Control calls the control API with a credential's header and returns the
// status and the decoded answer.
func (s *Server) Control(t testing.TB, credential http.Header, method, path, body string) (int, map[string]any) {
	t.Helper()
	a := Send(t, method, s.URL+"/_ducat/v1/"+path, credential, body)
	var o map[string]any
	if err := json.Unmarshal(a.Body, &o); err != nil {
		t.Fatal(err)
	}
	return a.Status, o
}

// Receiver is a merchant's address for notifications, which remembers what it
// got.
type Receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []Received
	status int
	body   string
}

// Received is one call that a Receiver got.
type Received struct {
	Method string
	Query  string
	Header http.Header
	Body   []byte
	Object map[string]any // the body, if it is a JSON object
}

// NewReceiver starts a receiver that answers 200.
func NewReceiver(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		c := Received{Method: req.Method, Query: req.URL.RawQuery, Header: req.Header, Body: b}
		_ = json.Unmarshal(b, &c.Object)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, c)
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.body)
	}))
	t.Cleanup(r.Close)
	return r
}

// All returns what came, in order.
func (r *Receiver) All() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Received(nil), r.got...)
}

// Answer sets what is answered from here on.
func (r *Receiver) Answer(status int, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.body = status, body
}
