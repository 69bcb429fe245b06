// Package elements serves the browser library: the script that pages load, and
// the documents it puts into frames. It has no state and asks nobody anything;
// the script speaks to the API like any other client.
//
// The sources are TypeScript below src, bundled into dist.
package elements

import (
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

//go:generate go run generate.go

var (
	//go:embed dist/library.js
	libraryJS []byte
	//go:embed dist/frame.js
	frameJS []byte
	//go:embed dist/frame.css
	frameCSS []byte
)

// Options say how the library is served.
type Options struct {
	// BaseURL is the public address, without a trailing slash: where the script
	// sends requests if it cannot tell where it was loaded from.
	BaseURL string
	// TestCards are the numbers a card form accepts. Any other stays in the
	// customer's browser.
	TestCards []string
}

// Handler serves the library.
type Handler struct {
	o     Options
	build string
	frame asset
	style asset

	mu      sync.Mutex
	library map[string]asset // by release train
}

// asset is content in both forms it is sent in.
type asset struct{ plain, gzipped []byte }

// New returns the library's handler.
func New(o Options) *Handler {
	h := &Handler{o: o, library: map[string]asset{}}
	sum := sha256.New()
	for _, b := range [][]byte{libraryJS, frameJS, frameCSS} {
		sum.Write(b)
	}
	sum.Write([]byte(strings.Join(o.TestCards, ",")))
	h.build = hex.EncodeToString(sum.Sum(nil))[:10]
	if o.TestCards == nil {
		o.TestCards = []string{}
	}
	h.frame = pack(wrap(frameJS, map[string]any{"cards": o.TestCards}))
	h.style = pack(frameCSS)
	return h
}

const notice = "/*! Ducat browser library, Apache-2.0. Load it from the server that you pay with; do not bundle or copy it. */\n"

// wrap gives a bundle its settings, as a variable of its own.
func wrap(bundle []byte, settings map[string]any) []byte {
	b, err := json.Marshal(settings)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, "%s(function(__DUCAT__){%s})(%s);\n", notice, bundle, b)
}

func pack(plain []byte) asset {
	var b strings.Builder
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = z.Write(plain)
	_ = z.Close()
	return asset{plain, []byte(b.String())}
}

var (
	trainPath = regexp.MustCompile(`^/(v3|[a-z]+)/stripe\.js$`)
	framePath = regexp.MustCompile(`^/v3/elements-inner-([a-z-]+)-[0-9a-f]+\.html$`)
)

// kinds are the documents there are.
var kinds = map[string]bool{
	"payment": true, "card": true, "card-number": true, "card-expiry": true, "card-cvc": true, "iban": true, "au-bank-account": true,
	"link-authentication": true, "address": true, "bank": true, "bank-list": true,
}

// Serves reports whether a path is the library's. Every request is asked about.
func Serves(path string) bool {
	return path == "/v3" || strings.HasPrefix(path, "/v3/") || strings.HasSuffix(path, "/stripe.js") && trainPath.MatchString(path)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The library is read with GET.", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	path := r.URL.Path
	switch {
	case path == "/v3" || path == "/v3/":
		h.serveLibrary(w, r, "v3")
	case path == "/v3/three-ds-2-challenge":
		h.serveFrame(w, "challenge")
	case path == "/v3/frame-"+h.build+".js":
		serve(w, r, h.frame, "text/javascript; charset=utf-8", forever)
	case path == "/v3/frame-"+h.build+".css":
		serve(w, r, h.style, "text/css; charset=utf-8", forever)
	default:
		if m := framePath.FindStringSubmatch(path); m != nil && kinds[m[1]] {
			h.serveFrame(w, m[1])
			return
		}
		if m := trainPath.FindStringSubmatch(path); m != nil {
			h.serveLibrary(w, r, m[1])
			return
		}
		http.Error(w, "There is no such file in the library.", http.StatusNotFound)
	}
}

const (
	forever  = "public, max-age=31536000, immutable"
	fiveMins = "public, max-age=300"
)

func serve(w http.ResponseWriter, r *http.Request, a asset, contentType, cache string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Vary", "Accept-Encoding")
	body := a.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		body = a.gzipped
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = w.Write(body)
}

// librariesMax bounds what is remembered of trains that were asked for: any word
// is one, and six are known.
const librariesMax = 64

func (h *Handler) serveLibrary(w http.ResponseWriter, r *http.Request, train string) {
	h.mu.Lock()
	a, ok := h.library[train]
	if !ok {
		a = pack(wrap(libraryJS, map[string]any{"train": train, "origin": h.o.BaseURL, "build": h.build}))
		if len(h.library) < librariesMax {
			h.library[train] = a
		}
	}
	h.mu.Unlock()
	serve(w, r, a, "text/javascript; charset=utf-8", fiveMins)
}

var document = template.Must(template.New("frame").Parse(`<!DOCTYPE html>
<html lang="en" data-kind="{{.Kind}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>Secure payment form</title><link rel="stylesheet" href="/v3/frame-{{.Build}}.css"></head>
<body><script src="/v3/frame-{{.Build}}.js"></script></body></html>
`))

// serveFrame serves a document that the script puts into a frame. Any page may
// frame it: what is in it comes through a port that the page itself hands over.
func (h *Handler) serveFrame(w http.ResponseWriter, kind string) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", fiveMins)
	header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' https:; font-src https: data:; img-src 'self' data:; "+
		"connect-src 'self' https://api.stripe.com "+h.o.BaseURL+"; frame-src 'self' https://api.stripe.com https://hooks.stripe.com "+h.o.BaseURL+"; form-action 'none'; base-uri 'none'; frame-ancestors *")
	_ = document.Execute(w, map[string]string{"Kind": kind, "Build": h.build})
}
