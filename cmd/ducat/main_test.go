package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// command runs a command line and returns what it printed.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(context.Background(), args, &out, &out)
	return out.String(), err
}

func TestVersion(t *testing.T) {
	t.Parallel()
	out, err := command(t, "version")
	if err != nil || !strings.HasPrefix(out, "ducat ") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"srve"}, "try ducat --help"},
		{[]string{"verify", "--db", "sqlite:" + filepath.Join(dir, "none.db")}, "there is no database at"},
		{[]string{"migrate", "--db", "mysql://x"}, "use sqlite:path/to/file.db or postgres://"},
		{[]string{"serve", "--db", "sqlite:" + filepath.Join(dir, "a.db"), "--listen", "127.0.0.1:99999"}, "choose another address with --listen"},
		{[]string{"keys", "create", "--name", "x", "--currency", "zzz", "--db", "sqlite:" + filepath.Join(dir, "a.db")}, `--currency "zzz" is not an ISO 4217 currency`},
	} {
		out, err := command(t, c.args...)
		if err == nil || !strings.Contains(err.Error()+out, c.want) {
			t.Errorf("%v: %v; want it to say %q", c.args, err, c.want)
		}
	}
}

func TestMigrateAndVerify(t *testing.T) {
	t.Parallel()
	db := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	if out, err := command(t, "migrate", "--db", db); err != nil || !strings.Contains(out, "up to date") {
		t.Fatalf("%q %v", out, err)
	}
	out, err := command(t, "keys", "create", "--name", "Shop", "--country", "DE", "--currency", "eur", "--db", db)
	if err != nil || !strings.Contains(out, "sk_live_5") || !strings.Contains(out, "pk_test_5") {
		t.Fatalf("%q %v", out, err)
	}
	if out, err := command(t, "verify", "--db", db); err != nil || !strings.Contains(out, "the books balance: 2 accounts") {
		t.Fatalf("%q %v", out, err)
	}
}

// TestServe starts the server, asks it everything an operator would, and stops
// it.
func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	trusted := filepath.Join(t.TempDir(), "ca")
	pr, pw := io.Pipe()
	var log bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--db", db, "--log-format", "json",
			"--tls", "--tls-listen", "127.0.0.1:0", "--tls-dir", trusted}, pw, &log)
		pw.Close()
	}()
	lines := bufio.NewScanner(pr)
	base, greeting := "", ""
	for base == "" && lines.Scan() {
		greeting += lines.Text() + "\n"
		base = strings.TrimPrefix(lines.Text(), "ready url=")
		if base == lines.Text() {
			base = ""
		}
	}
	if base == "" || !strings.Contains(greeting, "curl "+base+"/v1/sources -u sk_test_") || !strings.Contains(greeting, base+"/portal") {
		t.Fatalf("greeting:\n%s", greeting)
	}
	go func() {
		for lines.Scan() { // keep the pipe empty while the server stops
		}
	}()
	get := func(path string) (int, string, http.Header) {
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b), res.Header
	}
	if s, b, _ := get("/healthz"); s != 200 || b != "ok\n" {
		t.Errorf("healthz %d %q", s, b)
	}
	if s, _, _ := get("/readyz"); s != 200 {
		t.Errorf("readyz %d", s)
	}
	s, _, h := get("/v1/balance")
	if s != 401 {
		t.Errorf("balance without a key: %d", s)
	}
	if s, b, _ := get("/metrics"); s != 200 || !strings.Contains(b, `ducat_requests_total{method="GET",status="401",surface="v1"} 1`) {
		t.Errorf("metrics %d %.300s", s, b)
	}
	if s, b, _ := get("/"); s != 200 || !strings.Contains(b, "Ducat is running") {
		t.Errorf("welcome %d %q", s, b)
	}
	speaksTLS(t, greeting, trusted)
	if out, err := command(t, "serve", "--listen", "127.0.0.1:0", "--db", db); err == nil || !strings.Contains(err.Error(), "is using the database") {
		t.Errorf("a second server on the same file: %q, %v", out, err)
	}
	if out, err := command(t, "verify", "--db", db); err != nil {
		t.Errorf("verify beside the server: %q, %v", out, err)
	}
	ended := watchesOrder(t, base)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the stream of an order ended with %v", err)
	}
	if !strings.Contains(log.String(), `"request_id":"`+h.Get("Request-Id")+`"`) {
		t.Errorf("no log line with the request's id %s:\n%s", h.Get("Request-Id"), log.String())
	}
}

// watchesOrder opens the stream of an order, which a server that stops does not
// wait for. What it returns receives how the stream ended.
func watchesOrder(t *testing.T, base string) <-chan error {
	t.Helper()
	order := `{"type":"redirect","order_id":"1","currency":"EUR","amount":100,"description":"x","customer":{"locale":"en_US"},"payment_options":{"redirect_url":"https://shop.example/"}}`
	res, err := http.Post(base+"/v1/json/orders?api_key="+strings.Repeat("k", 40), "application/json", strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var o struct {
		Data struct {
			Token  string `json:"events_token"`
			Stream string `json:"events_stream_url"`
		} `json:"data"`
	}
	if err := json.NewDecoder(res.Body).Decode(&o); err != nil || o.Data.Token == "" {
		t.Fatalf("order: %d %+v %v", res.StatusCode, o, err)
	}
	stream, err := http.Get(o.Data.Stream + "?token=" + o.Data.Token)
	if err != nil || stream.StatusCode != http.StatusOK {
		t.Fatalf("stream: %v %v", stream, err)
	}
	ended := make(chan error, 1)
	go func() {
		defer stream.Body.Close()
		_, err := io.Copy(io.Discard, stream.Body)
		ended <- err
	}()
	return ended
}

// speaksTLS asks the server under a provider's name, trusting nothing but what
// ducat trust prints.
func speaksTLS(t *testing.T, greeting, dir string) {
	t.Helper()
	m := regexp.MustCompile(`HTTPS +https://([^,]+),`).FindStringSubmatch(greeting)
	if m == nil {
		t.Fatalf("the greeting names no address for HTTPS:\n%s", greeting)
	}
	said, err := command(t, "trust", "--tls-dir", dir, "--address", m[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NODE_EXTRA_CA_CERTS=", "SSL_CERT_FILE=", "REQUESTS_CA_BUNDLE=", "keytool", "--host-resolver-rules=\"MAP api.stripe.com:443 " + m[1], "api.stripe.com js.stripe.com"} {
		if !strings.Contains(said, want) {
			t.Errorf("ducat trust does not say %q:\n%s", want, said)
		}
	}
	path := regexp.MustCompile(`NODE_EXTRA_CA_CERTS=(\S+)`).FindStringSubmatch(said)[1]
	pem, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, m[1])
		},
	}}
	for _, u := range []string{"https://api.stripe.com/healthz", "https://js.stripe.com/v3/", "https://testapi.multisafepay.com/healthz", "https://open-sea-global.alipay.com/healthz"} {
		r, err := client.Get(u)
		if err != nil {
			t.Errorf("%s: %v", u, err)
			continue
		}
		if r.StatusCode != http.StatusOK || r.ProtoMajor != 2 {
			t.Errorf("%s: %d over %s", u, r.StatusCode, r.Proto)
		}
		_ = r.Body.Close()
	}
	if _, err := http.Get("https://" + m[1]); err == nil {
		t.Error("somebody who does not trust the authority was served")
	}
}
