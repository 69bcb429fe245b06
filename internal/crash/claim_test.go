package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
)

// Environment of the process that is killed between claim and finish: the
// database, and the source it is to charge.
const (
	claimDB     = "DUCAT_CRASH_CLAIM_DB"
	claimSource = "DUCAT_CRASH_CLAIM_SOURCE"
	claimKey    = "sk_live_claim0123456789"
	claimFor    = "order-1" // idempotency key
)

// acquirer is a rail over a network. It does what it is asked once per request
// id, however often it is asked.
type acquirer struct {
	mu    sync.Mutex
	asked map[string]int // captures by request id
	hang  bool           // captures are announced and never answered
	lost  bool           // authorisations are made and their answers lost
}

func (*acquirer) Name() string { return "acquirer" }
func (*acquirer) Local() bool  { return false }

func (a *acquirer) Authorize(_ context.Context, r rail.Request) (rail.Outcome, error) {
	if a.lost {
		return rail.Outcome{}, errors.New("connection reset")
	}
	return rail.Outcome{Status: rail.Redirect, Reference: "ref:" + r.ID}, nil
}

func (a *acquirer) Capture(ctx context.Context, r rail.Request) (rail.Outcome, error) {
	if a.hang {
		fmt.Printf("asked %s\n", r.ID)
		<-ctx.Done()
		return rail.Outcome{}, ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[r.ID]++
	return rail.Outcome{Status: rail.Done}, nil
}

func (*acquirer) Void(context.Context, rail.Request) (rail.Outcome, error) {
	return rail.Outcome{Status: rail.Done}, nil
}

func (*acquirer) Refund(context.Context, rail.Request) (rail.Outcome, error) {
	return rail.Outcome{Status: rail.Done}, nil
}

// node is a server in this process whose live payments go to the acquirer.
type node struct {
	*server.Server
	store    store.Store
	clock    *clock.Fake
	acquirer *acquirer
	merchant merchant.Merchant
}

func newNode(t *testing.T, db string, at time.Time, hang bool) *node {
	t.Helper()
	st, err := server.OpenStore(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := &node{store: st, clock: clock.NewFake(at), acquirer: &acquirer{asked: map[string]int{}, hang: hang}}
	n.Server = server.New(st, server.Config{BaseURL: "http://ducat.test", Clock: n.clock, IDs: id.System(), Log: slog.New(slog.DiscardHandler)})
	n.Engine.AddRail(true, n.acquirer)
	n.merchant = merchant.NewSandbox("acct_1Claimed", at)
	n.merchant.ID, n.merchant.Live, n.merchant.Profile.Provisioned = merchant.IDFor(n.merchant.Account, true), true, true
	if err := errors.Join(
		st.CreateMerchant(t.Context(), n.merchant),
		st.PutCredential(t.Context(), store.Credential{Hash: merchant.KeyHash(claimKey), Merchant: n.merchant.ID, Kind: "secret", Created: at}),
	); err != nil {
		t.Fatal(err)
	}
	return n
}

// post calls the API in this process.
func (n *node) post(path, key string, params ...string) *httptest.ResponseRecorder {
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Set(params[i], params[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(v.Encode()))
	r.Header.Set("Authorization", "Bearer "+claimKey)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	n.Handler.ServeHTTP(w, r)
	return w
}

func (n *node) charge(source string) *httptest.ResponseRecorder {
	return n.post("/v1/charges", claimFor, "amount", "1099", "currency", "usd", "source", source)
}

// claimedAt is when all of this happens.
var claimedAt = time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)

// TestClaimChild is the process that dies: it claims the key, asks the acquirer
// and gets no answer.
func TestClaimChild(t *testing.T) {
	db := os.Getenv(claimDB)
	if db == "" {
		t.Skip("this test is run by TestKilledBetweenClaimAndFinish in a process of its own")
	}
	n := newNode(t, db, claimedAt, true)
	n.charge(os.Getenv(claimSource))
	t.Error("the acquirer answered")
}

// TestKilledBetweenClaimAndFinish kills a process while the acquirer is being
// asked on behalf of a keyed request. Whoever comes next, the same request or
// the job, finds out the outcome under the same name; the money moves once and
// there is one answer.
func TestKilledBetweenClaimAndFinish(t *testing.T) {
	t.Parallel()
	databases := map[string]func(t testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "ducat.db") },
		"postgres": pgtest.URL,
	}
	for database, open := range databases {
		for name, next := range map[string]func(t *testing.T, n *node, source string) *httptest.ResponseRecorder{
			"RepeatedByTheClient": func(t *testing.T, n *node, source string) *httptest.ResponseRecorder {
				for range 2 {
					r := n.charge(source)
					if r.Code != http.StatusConflict || !strings.Contains(r.Body.String(), "idempotency_key_in_use") || r.Header().Get("Original-Request") == r.Header().Get("Request-Id") {
						t.Fatalf("within a minute: %d %v %s", r.Code, r.Header(), r.Body)
					}
				}
				n.clock.Advance(time.Minute)
				r := n.charge(source)
				if r.Header().Get("Idempotent-Replayed") != "" || r.Header().Get("Original-Request") == r.Header().Get("Request-Id") {
					t.Errorf("resumed: %v", r.Header())
				}
				return r
			},
			"SettledByTheJob": func(t *testing.T, n *node, source string) *httptest.ResponseRecorder {
				n.clock.Advance(2 * time.Minute)
				n.work(t)
				if len(n.acquirer.asked) != 1 {
					t.Fatalf("the job asked %v", n.acquirer.asked)
				}
				return n.charge(source)
			},
		} {
			t.Run(database+"/"+name, func(t *testing.T) {
				t.Parallel()
				db := open(t)
				n := newNode(t, db, claimedAt, false)
				source := field(t, n.post("/v1/sources", "", "type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/"), "id")
				n.approve(t, source)
				name := dieCapturing(t, db, source)

				first := next(t, n, source)
				charge := field(t, first, "id")
				again := n.charge(source)
				if first.Code != http.StatusOK || again.Body.String() != first.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" ||
					again.Header().Get("Original-Request") != first.Header().Get("Original-Request") {
					t.Errorf("first %d %s\nagain %v %s", first.Code, first.Body, again.Header(), again.Body)
				}
				if len(n.acquirer.asked) != 1 || n.acquirer.asked[name] == 0 {
					t.Errorf("the dead process asked for %s, afterwards these were asked for: %v", name, n.acquirer.asked)
				}
				if !strings.HasPrefix(charge, "py_") || !strings.Contains(first.Body.String(), `"status": "succeeded"`) {
					t.Errorf("charge %s", first.Body)
				}
				if _, err := n.Engine.Verify(t.Context(), func(engine.Audited) {}); err != nil {
					t.Errorf("the books do not balance: %v", err)
				}
			})
		}
	}
}

// work does the jobs that are due.
func (n *node) work(t *testing.T) {
	t.Helper()
	jobs, _, err := n.store.ClaimDueJobs(t.Context(), n.clock.Now(), time.Minute, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		n.Runner.Do(t.Context(), j)
	}
}

// TestActionIsAnnouncedOnce: that the payer has to act is announced by whoever
// learns it from the acquirer: the request, its repeat, or the job that takes over
// from a process that died. It is announced once.
func TestActionIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	confirm := func(n *node) *httptest.ResponseRecorder {
		return n.post("/v1/payment_intents", "order-1", "amount", "1099", "currency", "usd", "confirm", "true", "payment_method_types[]", "alipay",
			"payment_method_data[type]", "alipay", "return_url", "https://shop.example/")
	}
	for name, learn := range map[string]func(t *testing.T, n *node){
		"Request": func(*testing.T, *node) {},
		"Repeat": func(t *testing.T, n *node) {
			n.clock.Advance(time.Minute)
		},
		"Job": func(t *testing.T, n *node) {
			n.clock.Advance(2 * time.Minute)
			n.work(t)
			if got := n.announced(t); got != 1 {
				t.Errorf("after the job it is announced %d times", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "sqlite:"+filepath.Join(t.TempDir(), "ducat.db"), claimedAt, false)
			if name != "Request" {
				n.acquirer.lost = true
				if r := confirm(n); r.Code < 500 {
					t.Fatalf("the acquirer's answer was lost, ours is %d %s", r.Code, r.Body)
				}
				n.acquirer.lost = false
			}
			learn(t, n)
			for range 2 {
				if r := confirm(n); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"status": "requires_action"`) {
					t.Fatalf("confirming: %d %s", r.Code, r.Body)
				}
			}
			n.clock.Advance(2 * time.Minute)
			n.work(t)
			if got := n.announced(t); got != 1 {
				t.Errorf("it is announced %d times, want once", got)
			}
		})
	}
}

// announced counts the events that say that a payer has to act.
func (n *node) announced(t *testing.T) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/v1/events?type=payment_intent.requires_action", nil)
	r.Header.Set("Authorization", "Bearer "+claimKey)
	w := httptest.NewRecorder()
	n.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("events: %d %s", w.Code, w.Body)
	}
	return strings.Count(w.Body.String(), `"type": "payment_intent.requires_action"`)
}

// approve tells that the payer of a source has approved.
func (n *node) approve(t *testing.T, source string) {
	t.Helper()
	var paymentID string
	if err := n.store.View(t.Context(), n.merchant.ID, func(r store.Reader) (err error) {
		paymentID, err = n.Stripe.PaymentOf(r, source)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := n.Engine.Notice(t.Context(), n.merchant.ID, rail.Notice{ID: "notice", Kind: rail.PaymentApproved, Payment: paymentID, Reference: "trade"}); err != nil {
		t.Fatal(err)
	}
}

// dieCapturing charges a source in a process that is killed while it waits for
// the acquirer, and returns the name under which it asked.
func dieCapturing(t *testing.T, db, source string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestClaimChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), claimDB+"="+db, claimSource+"="+source)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name, said := "", strings.Builder{}
	for lines := bufio.NewScanner(io.TeeReader(out, &said)); name == "" && lines.Scan(); {
		name, _ = strings.CutPrefix(lines.Text(), "asked ")
		if !strings.HasPrefix(lines.Text(), "asked ") {
			name = ""
		}
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if name == "" {
		t.Fatalf("the process asked nothing:\n%s", said.String())
	}
	return name
}

// field reads a text member of an answer.
func field(t *testing.T, r *httptest.ResponseRecorder, name string) string {
	t.Helper()
	var o object
	if err := json.Unmarshal(r.Body.Bytes(), &o); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	if o.text(name) == "" {
		t.Fatalf("%d without %s: %s", r.Code, name, r.Body)
	}
	return o.text(name)
}
