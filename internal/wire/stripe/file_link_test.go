package stripe_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// open follows a link, without a key.
func (w *world) open(method, url string) (status int, header http.Header, body string) {
	w.t.Helper()
	a := wiretest.Send(w.t, method, url, nil, "")
	return a.Status, a.Header, string(a.Body)
}

// TestFileLinks: a file is shown to whoever has a link, until it expires.
func TestFileLinks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		file := w.must(w.send("dispute_evidence", `a"b.png`, png, nil))["id"].(string)
		link := w.must(w.post("/v1/file_links", "file", file, "metadata[for]", "court", "expand[]", "file"))
		id, url := link["id"].(string), link["url"].(string)
		w.has(link, object{"object": "file_link", "expired": false, "expires_at": nil, "metadata": object{"for": "court"}, "livemode": false})
		w.has(link["file"].(object), object{"id": file})
		shown := func(url string) bool {
			t.Helper()
			status, h, body := w.open("GET", url)
			if status == 200 && (body != string(png) || h.Get("Content-Type") != "image/png" || h.Get("X-Content-Type-Options") != "nosniff" ||
				h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" || !strings.HasPrefix(h.Get("Content-Disposition"), `attachment; filename="a`)) {
				t.Errorf("shown as %v", h)
			}
			return status == 200
		}
		if !shown(url) {
			t.Error("the link does not work")
		}
		if status, h, body := w.open("HEAD", url); status != 200 || body != "" || h.Get("Content-Length") == "0" {
			t.Errorf("HEAD: %d %q", status, body)
		}
		parts := strings.Split(strings.TrimPrefix(url, w.url+"/links/"), "-")
		for _, bad := range []string{
			url + "x", url[:len(url)-1], w.url + "/links/", w.url + "/links/a-b-c", w.url + "/links/" + parts[0] + "-" + parts[1] + "-",
			w.url + "/links/zz-" + parts[1] + "-" + parts[2], w.url + "/links/" + parts[0] + "-" + file[5:] + "-" + parts[2],
		} {
			if status, _, _ := w.open("GET", bad); status != 404 {
				t.Errorf("%s: %d", bad, status)
			}
		}
		if status, _, _ := w.open("POST", url); status != 404 {
			t.Errorf("POST: %d", status)
		}

		w.advance(10 * time.Second)
		soon := unix(start.Add(time.Hour))
		w.has(w.must(w.post("/v1/file_links/"+id, "expires_at", soon, "metadata[for]", "")), object{"expired": false, "metadata": object{}})
		second := w.must(w.post("/v1/file_links", "file", file, "expires_at", unix(start.Add(2*time.Hour))))
		w.shows([]string{second["id"].(string), id}, "/v1/file_links")
		w.advance(time.Hour)
		if shown(url) || !shown(second["url"].(string)) {
			t.Error("after an hour the first link has expired and the second has not")
		}
		w.has(w.must(w.get("/v1/file_links/"+id)), object{"expired": true, "url": nil})
		w.shows([]string{id}, "/v1/file_links", "expired", "true")
		w.shows([]string{second["id"].(string)}, "/v1/file_links", "expired", "false", "file", file)
		w.fails(w.get("/v1/file_links", "file", "file_none"), 400, "resource_missing", "file")
		w.has(w.must(w.post("/v1/file_links/"+second["id"].(string), "expires_at", "")), object{"expired": false, "expires_at": nil})
		w.has(w.must(w.post("/v1/file_links/"+second["id"].(string), "expires_at", "now")), object{"expired": true, "url": nil})

		both := w.must(w.send("business_logo", "logo.png", png, nil, "file_link_data[create]", "true", "file_link_data[metadata][a]", "b"))
		made := both["links"].(object)["data"].([]any)
		if len(made) != 1 || !strings.HasPrefix(made[0].(object)["url"].(string), w.url+"/links/") {
			t.Errorf("made with the file: %v", both["links"])
		}
		w.has(both["links"].(object), object{"url": "/v1/file_links?file=" + both["id"].(string), "has_more": false})
		if got := ids(w.must(w.get(both["links"].(object)["url"].(string)))); len(got) != 1 {
			t.Errorf("the list's own url: %v", got)
		}

		identity := w.must(w.send("identity_document", "id.png", png, nil))["id"].(string)
		for _, c := range []struct {
			path           string
			status         int
			param, message string
			params         []string
		}{
			{"/v1/file_links", 400, "file", "Missing required param: file.", nil},
			{"/v1/file_links", 400, "file", "No such file upload: 'file_none'", []string{"file", "file_none"}},
			{"/v1/file_links", 400, "file", "purpose identity_document cannot be shown", []string{"file", identity}},
			{"/v1/file_links", 400, "expires_at", "in the future", []string{"file", file, "expires_at", unix(start)}},
			{"/v1/file_links", 400, "expires_at", "Invalid integer: now", []string{"file", file, "expires_at", "now"}},
			{"/v1/file_links/link_none", 404, "link", "No such file link: 'link_none'", []string{"metadata[a]", "b"}},
			{"/v1/file_links/" + id, 400, "expires_at", "has expired", []string{"expires_at", unix(start.Add(9 * time.Hour))}},
		} {
			r := w.post(c.path, c.params...)
			if p, _ := r.err()["param"].(string); r.status != c.status || p != c.param || !strings.Contains(r.err()["message"].(string), c.message) {
				t.Errorf("%s %v: %d %s", c.path, c.params, r.status, r.body)
			}
		}
		for name, value := range map[string]string{"file_link_data[create]": "maybe", "file_link_data[expires_at]": "1", "file_link_data[x]": "1"} {
			if r := w.send("business_logo", "logo.png", png, nil, name, value); r.status != 400 || !strings.HasPrefix(r.err()["param"].(string), "file_link_data[") {
				t.Errorf("%s=%s: %d %s", name, value, r.status, r.body)
			}
		}
	})
}
