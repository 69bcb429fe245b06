// Package cli_test drives a running ducat with Stripe's own command line tool,
// unmodified, as a developer at a terminal would. The tool is built from its
// published source, which has a module of its own below tool.
package cli_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"github.com/ducatpay/ducat/internal/servertest"
)

const patience = servertest.Patience

// terminal is where the developer works: a server, the tool, and a program that
// gets what the tool forwards.
type terminal struct {
	*testing.T
	bin, base, key, home string
	hooks                *hooks
}

// tool builds the command line tool.
func tool(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "stripe")
	out, err := exec.Command("go", "build", "-C", "tool", "-o", bin, "github.com/stripe/stripe-cli/cmd/stripe").CombinedOutput()
	if err != nil {
		t.Fatalf("the command line tool: %v\n%s", err, out)
	}
	return bin
}

// command is a call of the tool.
func (t *terminal) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), t.bin, append(args, "--api-base", t.base)...)
	c.Env = append(os.Environ(), "STRIPE_API_KEY="+t.key, "STRIPE_DEVICE_NAME=laptop", "STRIPE_CLI_TELEMETRY_OPTOUT=1", "XDG_CONFIG_HOME="+t.home, "HOME="+t.home)
	return c
}

// run calls the tool and returns what it said.
func (t *terminal) run(args ...string) string {
	t.Helper()
	out, err := t.command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("stripe %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// background runs the tool until the test ends, and returns its lines.
func (t *terminal) background(args ...string) <-chan string {
	t.Helper()
	c := t.command(args...)
	read, write := io.Pipe()
	c.Stdout, c.Stderr = write, write
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(read); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		_ = write.Close()
	})
	return lines
}

// await returns the first line that matches.
func (t *terminal) await(lines <-chan string, pattern string) []string {
	t.Helper()
	wanted, end := regexp.MustCompile(pattern), time.After(patience)
	var said bytes.Buffer
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the tool ended before it said %s:\n%s", pattern, &said)
			}
			fmt.Fprintln(&said, line)
			if m := wanted.FindStringSubmatch(line); m != nil {
				return m
			}
		case <-end:
			t.Fatalf("the tool did not say %s:\n%s", pattern, &said)
		}
	}
}

// hooks is the developer's program.
type hooks struct {
	url    string
	mu     sync.Mutex
	secret string
	got    []stripe.Event
	came   chan struct{}
	wrong  []string
}

func newHooks(t *testing.T) *hooks {
	h := &hooks{came: make(chan struct{}, 1)}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	h.url = s.URL + "/hook"
	return h
}

// ServeHTTP verifies each event as programs do.
func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		var e stripe.Event
		e, err = webhook.ConstructEventWithOptions(body, r.Header.Get("Stripe-Signature"), h.secret, webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
		h.got = append(h.got, e)
	}
	if err != nil {
		h.wrong = append(h.wrong, err.Error())
		w.WriteHeader(http.StatusBadRequest)
	}
	select {
	case h.came <- struct{}{}:
	default:
	}
}

// take removes the first event of a type.
func (h *hooks) take(typ string) (stripe.Event, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, e := range h.got {
		if string(e.Type) == typ {
			h.got = append(h.got[:i:i], h.got[i+1:]...)
			return e, true
		}
	}
	return stripe.Event{}, false
}

// event waits for an event that was forwarded.
func (t *terminal) event(typ string) stripe.Event {
	t.Helper()
	end := time.After(patience)
	for {
		if e, ok := t.hooks.take(typ); ok {
			return e
		}
		select {
		case <-t.hooks.came:
		case <-end:
			t.Fatalf("no %s was forwarded", typ)
		}
	}
}

// triggers are the tool's own, as far as they are about what is served, and an
// event each brings about.
var triggers = map[string]string{
	"payment_intent.created": "payment_intent.created", "payment_intent.succeeded": "payment_intent.succeeded", "payment_intent.payment_failed": "payment_intent.payment_failed",
	"payment_intent.canceled": "payment_intent.canceled", "payment_intent.requires_action": "payment_intent.requires_action",
	"payment_intent.amount_capturable_updated": "payment_intent.amount_capturable_updated",
	"charge.succeeded":                         "charge.succeeded", "charge.failed": "charge.failed", "charge.captured": "charge.captured", "charge.refunded": "charge.refunded",
	"charge.dispute.created": "charge.dispute.created", "balance.available": "balance.available", "payout.created": "payout.created", "payout.updated": "payout.updated",
	"reporting.report_run.succeeded": "reporting.report_run.succeeded", "customer.created": "customer.created", "customer.updated": "customer.updated",
	"customer.deleted": "customer.deleted", "payment_method.attached": "payment_method.attached", "setup_intent.created": "setup_intent.created",
	"setup_intent.succeeded": "setup_intent.succeeded", "setup_intent.canceled": "setup_intent.canceled", "setup_intent.setup_failed": "setup_intent.setup_failed",
}

func TestTool(t *testing.T) {
	t.Parallel()
	url, stop := servertest.Fresh(t).Serve(t)
	term := &terminal{T: t, bin: tool(t), base: url, key: "sk_test_commandlinetool0000001", home: t.TempDir(), hooks: newHooks(t)}

	secret := strings.TrimSpace(term.run("listen", "--print-secret"))
	listen := term.background("listen", "--forward-to", term.hooks.url)
	if said := term.await(listen, `Ready! .* signing secret is (whsec_[0-9a-f]{64})`)[1]; !strings.HasSuffix(secret, said) {
		t.Errorf("the secret is %s, listen says %s", secret, said)
	} else {
		term.hooks.secret = said
	}
	logs := term.background("logs", "tail")
	term.await(logs, `Ready!`)

	for name, event := range triggers {
		term.run("trigger", name)
		term.event(event)
	}
	term.await(logs, `\[200\] POST /v1/payment_intents`)
	files, err := filepath.Glob("../../fixtures/stripe/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, f := range files {
		term.run("fixtures", f)
		term.event(strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	term.run("trigger", "customer.updated")
	first := term.event("customer.updated")
	term.run("events", "resend", first.ID)
	if again := term.event("customer.updated"); again.ID != first.ID {
		t.Errorf("resent %s, got %s", first.ID, again.ID)
	}
	if len(term.hooks.wrong) > 0 {
		t.Errorf("signatures: %v", term.hooks.wrong)
	}
	stop() // while the tool is still connected
}
