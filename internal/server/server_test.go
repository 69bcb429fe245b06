package server_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
)

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
	st, err := server.OpenStore(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ducat.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := server.New(broken{st}, server.Config{
		BaseURL: "http://ducat.test", Sandbox: true, Clock: clock.Wall{}, IDs: id.System(),
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
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
