package server_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
)

// fresh returns a server on a database of its own.
func fresh(t testing.TB, around func(store.Store) store.Store, log *slog.Logger) *server.Server {
	t.Helper()
	st, err := server.OpenStore(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ducat.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server.New(around(st), server.Config{
		BaseURL: "http://ducat.test", Sandbox: true, Clock: clock.Wall{}, IDs: id.System(), Log: log,
	})
}

func itself(st store.Store) store.Store { return st }

// TestRequestIsLogged: one line for each request, with what the dialect tells of it
// and without what is not there.
func TestRequestIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := fresh(t, itself, slog.New(slog.NewTextHandler(&log, nil)))
	for _, c := range []struct{ path, agent, key, want string }{
		{"/v1/balance", "shop/1", "sk_test_logged0123456789", `method=GET path=/v1/balance status=200 bytes=BYTES took=TIME request_id=req_ID account=acct_ID agent=shop/1`},
		{"/v1/balance?limit=1", "", "sk_test_logged0123456789", `method=GET path=/v1/balance status=400 bytes=BYTES took=TIME request_id=req_ID account=acct_ID code=parameter_unknown`},
		{"/v1/balance", "", "", `method=GET path=/v1/balance status=401 bytes=BYTES took=TIME request_id=req_ID`},
		{"/pay/secret", "", "", `method=GET path=/pay/[hidden] status=404 bytes=BYTES took=TIME`},
		{"/healthz", "", "", `method=GET path=/healthz status=200 bytes=BYTES took=TIME`},
	} {
		log.Reset()
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		if c.key != "" {
			r.Header.Set("Authorization", "Bearer "+c.key)
		}
		r.Header.Set("User-Agent", c.agent)
		s.Handler.ServeHTTP(httptest.NewRecorder(), r)
		_, got, _ := strings.Cut(log.String(), "level=INFO msg=request ")
		for pattern, short := range map[string]string{`took=\S+`: "took=TIME", `bytes=[1-9]\d*`: "bytes=BYTES", `req_\w{14}\b`: "req_ID", `acct_\w+`: "acct_ID"} {
			got = regexp.MustCompile(pattern).ReplaceAllString(got, short)
		}
		if got != c.want+"\n" {
			t.Errorf("GET %s is logged as %s, want %s", c.path, got, c.want)
		}
	}
}

// broken is a store whose updates panic in the function they are given.
type broken struct{ store.Store }

func (b broken) Update(ctx context.Context, merchantID int64, _ func(tx store.Tx) error) error {
	return b.Store.Update(ctx, merchantID, breaksAnInvariant)
}

//go:noinline
func breaksAnInvariant(store.Tx) error { panic("the sum is -1") }

// TestPanicIsLoggedWithItsStack: SQLite's updates run in another goroutine than the
// request; what is logged is the stack of what panicked, not of who waited for it.
func TestPanicIsLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := fresh(t, func(st store.Store) store.Store { return broken{st} }, slog.New(slog.NewTextHandler(&log, nil)))
	r := httptest.NewRequest(http.MethodPost, "/v1/customers", strings.NewReader("name=Jenny"))
	r.Header.Set("Authorization", "Bearer sk_test_panicking0123456789")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if got := log.String(); !strings.Contains(got, `panic="the sum is -1"`) || !strings.Contains(got, "breaksAnInvariant(") {
		t.Errorf("logged %s", got)
	}
}
