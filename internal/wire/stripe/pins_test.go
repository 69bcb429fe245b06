package stripe_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// tardy is a store whose next View is over long after it has read.
type tardy struct {
	store.Store
	armed   atomic.Bool
	read    chan struct{}
	returns chan struct{}
}

func (s *tardy) View(ctx context.Context, merchantID int64, fn func(r store.Reader) error) error {
	err := s.Store.View(ctx, merchantID, fn)
	if s.armed.CompareAndSwap(true, false) {
		s.read <- struct{}{}
		<-s.returns
	}
	return err
}

// served returns the version a request that names none is answered in.
func (w *world) served() string {
	w.t.Helper()
	r := w.get("/v1/balance")
	w.must(r)
	return r.header.Get("Stripe-Version")
}

// TestVersionIsChanged: an account's default version that is changed, or forgotten in
// a reset, applies at once on the node that did it, whatever was being read at that
// moment, and on others after five seconds at the latest.
func TestVersionIsChanged(t *testing.T) {
	t.Parallel()
	const old, young = "2020-08-27", "2026-03-25.dahlia"
	for name, db := range map[string]func(t testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "ducat.db") },
		"postgres": pgtest.URL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := db(t)
			s := &tardy{Store: wiretest.Open(t, at), read: make(chan struct{}), returns: make(chan struct{})}
			here := worldOn(t, wiretest.Over(t, s))
			there := worldOn(t, wiretest.New(t, at)).with(here.key)
			fresh := here.served()
			serves := func(want string) {
				t.Helper()
				if got := here.served(); got != want {
					t.Errorf("on the node that changed it: %s, want %s", got, want)
				}
				there.clock.Advance(5 * time.Second)
				if got := there.served(); got != want {
					t.Errorf("on another node, five seconds later: %s, want %s", got, want)
				}
			}
			there.served()
			change := func(version string) {
				here.control("POST", "account", `{"settings": {"stripe.api_version": "`+version+`"}}`)
			}
			change(old)
			serves(old)

			here.clock.Advance(5 * time.Second) // so that the next request looks
			s.armed.Store(true)
			late := make(chan string, 1)
			go func() { late <- here.served() }()
			<-s.read
			change(young)
			s.returns <- struct{}{}
			<-late
			serves(young)

			here.control("POST", "reset", "")
			serves(fresh)

			// The account's other credentials change it as well.
			antom := http.Header{"Authorization": {"Bearer SANDBOX_" + strings.TrimPrefix(here.key, "sk_test_")}}
			if status, o := here.on.Control(t, antom, "POST", "account", `{"settings": {"stripe.api_version": "`+old+`"}}`); status != 200 {
				t.Fatalf("%d %v", status, o)
			}
			serves(old)
			if status, o := here.on.Control(t, antom, "POST", "reset", ""); status != 200 {
				t.Fatalf("%d %v", status, o)
			}
			serves(fresh)
		})
	}
}
