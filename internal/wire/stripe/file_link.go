package stripe

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindFileLink = "stripe.file_link"

// LinksPath is where files are shown to whoever has a link.
const LinksPath = "/links/"

// linkBody is a link to a file for those who have no key.
type linkBody struct {
	File     string            `json:"file"`
	Secret   string            `json:"secret"`
	Expires  time.Time         `json:"expires,omitzero"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

func (b linkBody) expired(at time.Time) bool { return !b.Expires.IsZero() && !at.Before(b.Expires) }

// linkable are the purposes of files that can be shown by a link.
var linkable = []string{
	"business_icon", "business_logo", "customer_signature", "dispute_evidence", "finance_report_run", "financial_account_statement",
	"identity_document_downloadable", "issuing_regulatory_reporting", "pci_document", "selfie", "sigma_scheduled_query",
	"tax_document_user_upload", "terminal_android_apk", "terminal_reader_splashscreen",
}

// expiry reads when a link ends: a time to come, in a change also "now", or ""
// for never. before is what it is so far.
func expiry(v form.Value, name string, before time.Time, at time.Time, change bool) (time.Time, error) {
	if v.Kind() == form.Missing {
		return before, nil
	}
	if change && v.Kind() == form.Scalar {
		switch v.String() {
		case "":
			return time.Time{}, nil
		case "now":
			return at, nil
		}
	}
	n, _, err := integer(v, name)
	if err != nil {
		return before, err
	}
	if n <= at.Unix() || n > timeMax {
		return before, invalid("", name, "A link can only expire in the future.")
	}
	return time.Unix(n, 0).UTC(), nil
}

// newLink writes a link to a file.
func (a *API) newLink(t *engine.Tx, file resource.Row, b linkBody) (string, error) {
	fb, err := decodeBody[fileBody](file)
	if err != nil {
		return "", err
	}
	if !slices.Contains(linkable, fb.Purpose) {
		return "", invalid("", "file", "Files with the purpose %s cannot be shown by a link.", fb.Purpose).kept()
	}
	b.File, b.Secret = file.ID, t.Random(22)
	row := newRow(t, kindFileLink, t.NewID("link_"), "", encodeBody(b), resource.Key{Name: "file", Value: file.ID})
	return row.ID, t.InsertResource(row)
}

func createFileLink(c *call) (step, error) {
	file, err := must(c.params.Get("file"), "file", 0)
	if err != nil {
		return step{}, err
	}
	md, err := metadata(c.params.Get("metadata"), nil)
	if err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			ends, err := expiry(c.params.Get("expires_at"), "expires_at", time.Time{}, t.At, false)
			if err != nil {
				return err
			}
			row, err := t.Resource(kindFile, file)
			if errors.Is(err, store.ErrNotFound) {
				return c.unknown(400, kindFile, "file upload", "file", file)
			}
			if err != nil {
				return err
			}
			t.Subject, err = c.api.newLink(t, row, linkBody{Expires: ends, Metadata: md})
			return err
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).fileLink(t.Subject) },
	}, nil
}

// linkOfUpload reads file_link_data: a link made together with its file.
func linkOfUpload(v form.Value, at time.Time) (b linkBody, wanted bool, err error) {
	const name = "file_link_data"
	h, set, err := hash(v, name)
	if err != nil || !set {
		return b, false, err
	}
	if err := members(h, name, "create", "expires_at", "metadata"); err != nil {
		return b, false, err
	}
	if h.Get("create").Kind() == form.Missing {
		return b, false, missingParam(name + "[create]")
	}
	if wanted, err = boolean(h.Get("create"), name+"[create]", false); err != nil {
		return b, false, err
	}
	if b.Metadata, err = metadata(h.Get("metadata"), nil); err != nil {
		return b, false, err
	}
	b.Expires, err = expiry(h.Get("expires_at"), name+"[expires_at]", time.Time{}, at, false)
	return b, wanted, err
}

func (c *call) linkRow(r store.Reader) (resource.Row, linkBody, error) {
	row, err := r.Resource(kindFileLink, c.path("link"))
	if errors.Is(err, store.ErrNotFound) {
		return row, linkBody{}, c.unknown(404, kindFileLink, "file link", "link", c.path("link"))
	}
	if err != nil {
		return row, linkBody{}, err
	}
	b, err := decodeBody[linkBody](row)
	return row, b, err
}

func retrieveFileLink(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, _, err := c.linkRow(v)
		if err != nil {
			return nil, err
		}
		return v.renderFileLink(row)
	})
}

func updateFileLink(c *call) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.linkRow(t)
			if err != nil {
				return err
			}
			if v := c.params.Get("expires_at"); v.Kind() != form.Missing && b.expired(t.At) {
				return invalid("", "expires_at", "This link has expired; make a new one.").kept()
			}
			if b.Expires, err = expiry(c.params.Get("expires_at"), "expires_at", b.Expires, t.At, true); err != nil {
				return err
			}
			if b.Metadata, err = metadata(c.params.Get("metadata"), b.Metadata); err != nil {
				return err
			}
			row.Body = encodeBody(b)
			return t.UpdateResource(row)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).fileLink(c.path("link")) },
	}, nil
}

func listFileLinks(c *call) (obj, error) {
	q := query{kind: kindFileLink, label: "file link", render: (*view).renderFileLink}
	var err error
	if q.keys, err = c.equals("file"); err != nil {
		return nil, err
	}
	expired, err := boolean(c.params.Get("expired"), "expired", false)
	if err != nil {
		return nil, err
	}
	if c.params.Get("expired").Kind() != form.Missing {
		q.keep = func(v *view, r resource.Row) bool {
			b, err := decodeBody[linkBody](r)
			return err == nil && b.expired(v.now()) == expired
		}
	}
	return c.list(q)
}

func (v *view) fileLink(id string) (obj, error) {
	return v.stored(kindFileLink, id, (*view).renderFileLink)
}

func (v *view) renderFileLink(row resource.Row) (obj, error) {
	b, err := decodeBody[linkBody](row)
	if err != nil {
		return nil, err
	}
	o := obj{
		"id": row.ID, "object": "file_link", "created": row.Created.Unix(), "expired": b.expired(v.now()), "expires_at": nil,
		"file": b.File, "livemode": v.merchant.Live, "metadata": b.Metadata, "url": nil,
	}
	if !b.Expires.IsZero() {
		o["expires_at"] = b.Expires.Unix()
	}
	if !b.expired(v.now()) {
		o["url"] = v.api.config.BaseURL + LinksPath + linkToken(*v.merchant, row.ID, b.Secret)
	}
	return o, nil
}

// linksOf is the list embedded in a file, newest first.
func (v *view) linksOf(file string) (obj, error) {
	rows, err := v.Resources(store.List{Kind: kindFileLink, Key: "file", Value: file, Limit: nestedRefunds + 1})
	if err != nil {
		return nil, err
	}
	data := []any{}
	for _, r := range rows[:min(len(rows), nestedRefunds)] {
		o, err := v.renderFileLink(r)
		if err != nil {
			return nil, err
		}
		data = append(data, o)
	}
	return obj{"object": "list", "data": data, "has_more": len(rows) > nestedRefunds, "url": "/v1/file_links?file=" + file}, nil
}

// linkToken names a link and proves that it was given.
func linkToken(m merchant.Merchant, link, secret string) string {
	return strconv.FormatInt(m.ID, 36) + "-" + strings.TrimPrefix(link, "link_") + "-" + secret
}

// serveLink shows a file to whoever has a link to it. A wrong link is not found,
// whatever is wrong with it.
func (a *API) serveLink(w http.ResponseWriter, r *http.Request) {
	b, err := a.linked(r, strings.TrimPrefix(r.URL.Path, LinksPath))
	var data []byte
	if err == nil {
		data, err = base64.StdEncoding.DecodeString(b.Data)
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case errors.Is(err, store.ErrNotFound):
		http.Error(w, "There is no such file, or the link to it has expired.", http.StatusNotFound)
		return
	case err != nil:
		a.log.Error("cannot show a file", "error", err)
		http.Error(w, "The file cannot be shown at present.", http.StatusInternalServerError)
		return
	}
	// What a merchant uploaded is never run as a page of this server.
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", strings.Map(plain, b.Filename)))
	h.Set("Content-Type", b.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(data)
	}
}

// plain leaves of a file's name what every client can read in a header.
func plain(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' {
		return '_'
	}
	return r
}

// linked finds the file behind a link.
func (a *API) linked(r *http.Request, token string) (fileBody, error) {
	parts := strings.Split(token, "-")
	if len(parts) != 3 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return fileBody{}, store.ErrNotFound
	}
	merchantID, err := strconv.ParseInt(parts[0], 36, 64)
	if err != nil {
		return fileBody{}, store.ErrNotFound
	}
	var b fileBody
	err = a.engine.View(r.Context(), merchantID, func(rd store.Reader, _ merchant.Merchant, at time.Time) error {
		_, link, err := storedBody[linkBody](rd, kindFileLink, "link_"+parts[1])
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(link.Secret), []byte(parts[2])) != 1 || link.expired(at) {
			return store.ErrNotFound
		}
		file, err := rd.Resource(kindFile, link.File)
		if err == nil {
			b, err = decodeBody[fileBody](file)
		}
		return err
	})
	return b, err
}
