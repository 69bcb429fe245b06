package localca

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, at time.Time) (*Authority, error) {
	t.Helper()
	return Open(dir, rand.Reader, at)
}

// TestServe lets a client that trusts the authority, and knows nothing else of
// it, talk to a server under a provider's name.
func TestServe(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, err := open(t, filepath.Join(t.TempDir(), "ca"), now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.Issue([]string{"api.stripe.com", "127.0.0.1", "localhost"}, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	pem, err := os.ReadFile(a.CertPath())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the certificate to trust cannot be read")
	}
	for host, ok := range map[string]bool{"api.stripe.com": true, "localhost": true, "": true, "example.com": false} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host}, ForceAttemptHTTP2: true}}
		r, err := client.Get(srv.URL)
		if (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
		if err != nil {
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "HTTP/2.0" {
			t.Errorf("%q: spoke %s, %v", host, body, err)
		}
		_ = r.Body.Close()
	}
}

func TestItVouchesForLittle(t *testing.T) {
	t.Parallel()
	a, err := open(t, t.TempDir(), at)
	if err != nil {
		t.Fatal(err)
	}
	for host, ok := range map[string]bool{
		"api.stripe.com": true, "js.stripe.com": true, "testapi.multisafepay.com": true, "open-sea-global.alipay.com": true, "open.antglobal-us.com": true,
		"localhost": true, "shop.test": true, "127.0.0.1": true, "::1": true, "192.168.1.5": true,
		"example.com": false, "bank.com": false, "notstripe.com": false, "8.8.8.8": false,
	} {
		if _, err := a.Issue([]string{host}, rand.Reader, at); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "ca")
	first, err := open(t, dir, at)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, keyName: 0o600, certName: 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q has mode %v, want %v (%v)", name, info.Mode().Perm(), want, err)
		}
	}
	again, err := open(t, dir, at.AddDate(1, 0, 0))
	if err != nil || again.Pin() != first.Pin() {
		t.Errorf("opened again it is another one: %v", err)
	}
	for what, spoil := range map[string]func() error{
		"expired on": func() error { _, err := open(t, dir, at.AddDate(11, 0, 0)); return err },
		"others can": func() error {
			return with(t, dir, func() error { return os.Chmod(filepath.Join(dir, keyName), 0o644) })
		},
		"key is missing": func() error { return with(t, dir, func() error { return os.Remove(filepath.Join(dir, keyName)) }) },
		"holds no": func() error {
			return with(t, dir, func() error { return os.WriteFile(filepath.Join(dir, certName), []byte("x"), 0o644) })
		},
	} {
		if err := spoil(); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// with spoils a copy of a folder and opens it.
func with(t *testing.T, dir string, spoil func() error) error {
	t.Helper()
	saved := map[string][]byte{}
	for _, name := range []string{keyName, certName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		saved[name] = b
	}
	if err := spoil(); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, dir, at)
	for name, b := range saved {
		_ = os.Remove(filepath.Join(dir, name))
		if err := os.WriteFile(filepath.Join(dir, name), b, map[string]os.FileMode{keyName: 0o600, certName: 0o644}[name]); err != nil {
			t.Fatal(err)
		}
	}
	return err
}
