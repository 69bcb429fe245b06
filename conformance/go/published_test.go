package conformance_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"

	"github.com/ducatpay/ducat/internal/servertest"
)

// root is the repository's, where programs are run that need its modules.
const root = "../.."

// published returns the blocks of code of one language that a document prints,
// with the addresses in them replaced by those that this test may use.
func published(t *testing.T, document, language string, replace ...string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, block := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, strings.NewReplacer(replace...).Replace(block[1]))
	}
	if len(blocks) == 0 {
		t.Fatalf("%s prints no %s", document, language)
	}
	return blocks
}

// quickstart runs the program that README.md prints for this library.
func quickstart(t *testing.T, w *world) {
	dir := t.TempDir()
	source := published(t, "README.md", "go", "http://127.0.0.1:12111", w.base, "127.0.0.1:4244", servertest.FreeAddress(t))[0]
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "shop")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, filepath.Join(dir, "main.go"))
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build it: %v\n%s", err, out)
	}
	shop := exec.CommandContext(t.Context(), bin)
	stdout, err := shop.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shop.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = shop.Process.Kill()
		for range lines { // so that the reader ends
		}
		_ = shop.Wait()
	})
	for _, want := range []string{`^open (http://\S+)$`, `^charged py_\w+ succeeded refunded pyr_\w+ pending$`} {
		found := until(t, lines, want)
		if len(found) < 2 {
			continue
		}
		res, err := payer.PostForm(found[1], url.Values{"decision": {"authorize"}})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("authorize: %s", res.Status)
		}
	}
}

// until reads lines up to one that matches, and returns the match.
func until(t *testing.T, lines <-chan string, pattern string) []string {
	t.Helper()
	want, deadline := regexp.MustCompile(pattern), time.After(patience)
	var said []string
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("it ended without %s; it said %q", pattern, said)
			}
			said = append(said, line)
			if found := want.FindStringSubmatch(line); found != nil {
				return found
			}
		case <-deadline:
			t.Fatalf("it did not say %s; it said %q", pattern, said)
		}
	}
}

// TestReadme takes README.md's five minutes: its commands as printed, one block
// after the other, in one shell.
func TestReadme(t *testing.T) {
	t.Parallel()
	in := servertest.Fresh(t)
	url, _ := in.Serve(t)
	hook := filepath.Join(t.TempDir(), "hook")
	blocks := published(t, "README.md", "sh",
		// What the receiver prints would come between the lines of the commands.
		"python3 /tmp/hook.py &", "python3 "+hook+".py > "+hook+".log &", "/tmp/hook.py", hook+".py",
		"http://127.0.0.1:12111", url, "4242", port(servertest.FreeAddress(t)),
		"./bin/ducat verify", in.Bin+" verify --db "+in.DB)
	if blocks[0] != "make run\n" {
		t.Fatalf("it begins with %q", blocks[0])
	}
	// What runs in the background is ended with the shell.
	script := "set -eu -o pipefail\ntrap 'kill $(jobs -p)' EXIT\n" + strings.Join(blocks[1:], "\n")
	shell := exec.CommandContext(t.Context(), "bash", "-c", script)
	shell.Dir = t.TempDir()
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rest := string(out)
	for _, want := range []string{
		`whsec_\w{32}\nsrc_\w{24}\n` + regexp.QuoteMeta(url) + `/pay/\S+\n`,
		`303 https://example.com/return\?cart=77&client_secret=src_client_secret_\w+&livemode=false&source=src_\w+\n`,
		`  "status": "succeeded",\n  "id": "pyr_\w+",\n  "amount": 550,\n  "status": "pending",\n`,
		`  "available": \[\n      "amount": -550,\n(?s:.*)  "pending": \[\n      "amount": 1037,\nthe books balance: 1 accounts, 1 payments, 1 refunds, 4 transfers\n`,
		`  "jobs_run": \d+,\n  "now": "\S+",\n  "under_way": 0\n}\n  "status": "canceled",\n`,
		`processing\n    "code": "insufficient_funds",\n    "type": "card_error"\n`,
	} {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("after what was found there is no\n%s\nin\n%s", want, rest)
		}
		rest = rest[at[1]:]
	}
	told, err := os.ReadFile(hook + ".log")
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{"source.chargeable src_", "charge.succeeded py_", "refund.created pyr_", "charge.refunded py_", "refund.updated pyr_", "source.canceled src_"} {
		if !strings.Contains(string(told), event) {
			t.Errorf("the receiver was not told of %s…; it printed\n%s", event, told)
		}
	}
}

// TestGuides makes the requests that the provider's guides print.
func TestGuides(t *testing.T) {
	t.Parallel()
	url, _ := servertest.Fresh(t).Serve(t)
	key := "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
	w := &world{base: url, sk: key, server: dial(url, key)}
	src := w.source(t, func(p *stripe.SourceCreateParams) { p.Currency = stripe.String("eur") })
	pay(t, src, "authorize")
	w.advance(t, confirming)

	blocks := published(t, "conformance/go/testdata/guides.md", "sh", "https://api.stripe.com", url, "src_18eYalAHEMiOZZp1l9ZTjSU0", src.ID)
	var charge stripe.Charge
	curl(t, blocks[0], &charge)
	if charge.Status != "succeeded" || !charge.Paid || charge.Amount != 1099 || charge.Currency != "eur" || charge.Source.ID != src.ID {
		t.Errorf("the charge: %+v", charge)
	}
	var intent stripe.PaymentIntent
	curl(t, blocks[1], &intent)
	if intent.Status != "requires_payment_method" || intent.Amount != 5099 || intent.ClientSecret == "" || !slices.Contains(intent.PaymentMethodTypes, "alma") {
		t.Errorf("the intent: %+v", intent)
	}
}

// curl runs a command and decodes what it prints.
func curl(t *testing.T, command string, into any) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "bash", "-c", command).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
