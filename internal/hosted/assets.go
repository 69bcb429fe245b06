package hosted

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed assets
var assetFiles embed.FS

type asset struct {
	body        []byte
	version     string // of the content, so that pages name what they were made for
	contentType string
}

var assets = loadAssets()

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() map[string]asset {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic("hosted: embedded assets are unreadable: " + err.Error())
	}
	found := make(map[string]asset, len(entries))
	for _, e := range entries {
		body, err := assetFiles.ReadFile(path.Join("assets", e.Name()))
		if err != nil {
			panic("hosted: embedded asset is unreadable: " + err.Error())
		}
		contentType, ok := assetTypes[path.Ext(e.Name())]
		if !ok {
			panic("hosted: no content type for asset " + e.Name())
		}
		sum := sha256.Sum256(body)
		found[e.Name()] = asset{body: body, version: hex.EncodeToString(sum[:6]), contentType: contentType}
	}
	return found
}

// AssetURL is how templates, and other pages of the same looks, name an asset.
func AssetURL(name string) string {
	a, ok := assets[name]
	if !ok {
		panic("hosted: template names unknown asset " + name)
	}
	return "/pay/assets/" + name + "?v=" + a.version
}

func (h *handler) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := assets[r.PathValue("name")]
	if !ok {
		h.problem(w, r, problemNotFound, "")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		h.problem(w, r, problemMethod, "")
		return
	}
	header := w.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("ETag", `"`+a.version+`"`)
	// During an upgrade one node's page may ask another node for its assets.
	// Only the content a page was made for may be kept for good.
	if r.URL.Query().Get("v") == a.version {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		header.Set("Cache-Control", "public, max-age=60")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}
