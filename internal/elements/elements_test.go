package elements

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/elements/bundle"
)

func get(t *testing.T, h http.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTrains(t *testing.T) {
	t.Parallel()
	h := New(Options{BaseURL: "https://pay.example", TestCards: []string{"4242424242424242"}})
	for path, train := range map[string]string{
		"/v3": "v3", "/v3/": "v3", "/v3/stripe.js": "v3", "/v3/?advancedFraudSignals=false": "v3", "/acacia/stripe.js": "acacia", "/basil/stripe.js": "basil",
		"/clover/stripe.js": "clover", "/dahlia/stripe.js": "dahlia", "/endive/stripe.js": "endive", "/future/stripe.js": "future",
	} {
		r := get(t, h, path)
		body := text(t, r)
		if r.StatusCode != http.StatusOK || !strings.Contains(body, `"train":"`+train+`"`) || !strings.Contains(body, `"origin":"https://pay.example"`) {
			t.Errorf("%s: %d, not the train %s", path, r.StatusCode, train)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/javascript; charset=utf-8", "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin",
			"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=300",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if len(r.Cookies()) > 0 {
			t.Errorf("%s sets cookies", path)
		}
	}
	for _, path := range []string{"/v3/fingerprinted/x.js", "/v3/m-outer-1.html", "/v3/elements-inner-nothing-00ff.html", "/v3/elements-inner-payment.html"} {
		if r := get(t, h, path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	for path, want := range map[string]bool{"/v3": true, "/v3/x": true, "/basil/stripe.js": true, "/v1/charges": false, "/Basil/stripe.js": false, "/a/b/stripe.js": false, "/v31": false, "/v2/stripe.js": false} {
		if Serves(path) != want {
			t.Errorf("%s: served is %v", path, !want)
		}
	}
	post := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v3/", nil)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, post); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestFrames follows a document to its script and its style, which any page may
// frame and nobody may change.
func TestFrames(t *testing.T) {
	t.Parallel()
	h := New(Options{TestCards: []string{"4242424242424242"}})
	for kind := range kinds {
		r := get(t, h, "/v3/elements-inner-"+kind+"-0a1b2c.html")
		body := text(t, r)
		csp := r.Header.Get("Content-Security-Policy")
		if r.StatusCode != http.StatusOK || !strings.Contains(body, `data-kind="`+kind+`"`) || !strings.Contains(csp, "default-src 'none'") ||
			!strings.Contains(csp, "frame-ancestors *") || strings.Contains(csp, "unsafe") || r.Header.Get("Referrer-Policy") != "no-referrer" || r.Header.Get("X-Frame-Options") != "" {
			t.Errorf("%s: %d %q\n%s", kind, r.StatusCode, csp, body)
		}
		for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			a := get(t, h, m[1], "Accept-Encoding", "gzip")
			if a.StatusCode != http.StatusOK || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%s: %d %v", m[1], a.StatusCode, a.Header)
			}
		}
	}
	if body := text(t, get(t, h, "/v3/three-ds-2-challenge")); !strings.Contains(body, `data-kind="challenge"`) {
		t.Errorf("the challenge's document is %s", body)
	}
}

// librarySizeMax is what one release train may weigh, compressed.
const librarySizeMax = 60 << 10

func TestSize(t *testing.T) {
	t.Parallel()
	h := New(Options{})
	library := get(t, h, "/endive/stripe.js", "Accept-Encoding", "gzip").ContentLength
	if all := library + int64(len(h.frame.gzipped)+len(h.style.gzipped)); library <= 0 || all > librarySizeMax {
		t.Errorf("the library weighs %d bytes, with its frames %d; %d are allowed", library, all, librarySizeMax)
	}
}

// TestFresh builds the library and compares it with what is committed.
func TestFresh(t *testing.T) {
	t.Parallel()
	// The sources are read here so that a cached result does not outlive them.
	if err := filepath.WalkDir("src", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	built, err := bundle.Build(".")
	if err != nil {
		t.Fatal(err)
	}
	for name, committed := range map[string][]byte{"library.js": libraryJS, "frame.js": frameJS, "frame.css": frameCSS} {
		if !bytes.Equal(built[name], committed) {
			t.Errorf("dist/%s is not what its sources say: go generate ./internal/elements", name)
		}
	}
}
