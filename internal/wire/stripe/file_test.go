package stripe_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// send uploads a file; purpose "" leaves the parameter out.
func (w *world) send(purpose, filename string, data []byte, headers map[string]string, fields ...string) response {
	w.t.Helper()
	var body bytes.Buffer
	mw := multipart.NewWriter(&body)
	if purpose != "" {
		_ = mw.WriteField("purpose", purpose)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		_ = mw.WriteField(fields[i], fields[i+1])
	}
	if data != nil {
		part, err := mw.CreateFormFile("file", filename)
		if err != nil {
			w.t.Fatal(err)
		}
		_, _ = part.Write(data)
	}
	_ = mw.Close()
	header := w.bearer()
	header.Set("Content-Type", mw.FormDataContentType())
	for k, v := range headers {
		header.Set(k, v)
	}
	a := wiretest.Send(w.t, "POST", w.url+"/v1/files", header, body.String())
	out := response{status: a.Status, header: a.Header, body: a.Body}
	if err := json.Unmarshal(a.Body, &out.obj); err != nil {
		w.t.Fatal(err)
	}
	validate(w.t, out)
	return out
}

var png = []byte("\x89PNG\r\n\x1a\n0000")

// TestFiles: upload, look, list, read back, use as evidence.
func TestFiles(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		f := w.must(w.send("dispute_evidence", `C:\docs\receipt.png`, png, nil))
		id := f["id"].(string)
		if f["filename"] != "receipt.png" || f["type"] != "png" || f["size"] != float64(len(png)) {
			t.Errorf("file %v", f)
		}
		res := w.do("GET", "/v1/files/"+id+"/contents", nil)
		if res.status != 200 || !bytes.Equal(res.body, png) || res.header.Get("Content-Type") != "image/png" {
			t.Errorf("contents: %d %v", res.status, res.header)
		}
		if l := w.must(w.get("/v1/files", "purpose", "dispute_evidence"))["data"].([]any); len(l) != 1 {
			t.Errorf("list %v", l)
		}
		if l := w.must(w.get("/v1/files", "purpose", "business_logo"))["data"].([]any); len(l) != 0 {
			t.Errorf("list of another purpose %v", l)
		}
		ch := w.charged()
		dp := w.control("POST", "disputes", `{"id": "`+ch["id"].(string)+`", "reason": "general"}`)["id"].(string)
		if r := w.post("/v1/disputes/"+dp, "evidence[receipt]", "file_none"); r.status != 400 || r.err()["message"] != "No such file upload: 'file_none'" {
			t.Errorf("unknown file: %d %s", r.status, r.body)
		}
		if d := w.must(w.post("/v1/disputes/"+dp, "evidence[receipt]", id)); d["evidence"].(object)["receipt"] != id {
			t.Errorf("evidence %v", d["evidence"])
		}
		// An upload with a key happens once, and only for the same file.
		key := map[string]string{"Idempotency-Key": "up"}
		first, again := w.send("business_logo", "a.png", png, key), w.send("business_logo", "a.png", png, key)
		if first.obj["id"] != again.obj["id"] {
			t.Error("the same upload made two files")
		}
		if r := w.send("business_logo", "a.png", append(png, '1'), key); r.status != 400 || r.err()["type"] != "idempotency_error" {
			t.Errorf("another file under the key: %d %s", r.status, r.body)
		}
	})
}

func TestFileErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		r      response
		status int
		param  string
	}{
		{"noPurpose", w.send("", "a.png", png, nil), 400, "purpose"},
		{"badPurpose", w.send("fun", "a.png", png, nil), 400, "purpose"},
		{"noFile", w.send("dispute_evidence", "", nil, nil), 400, "file"},
		{"empty", w.send("business_logo", "a.png", []byte{}, nil), 400, "file"},
		{"wrongType", w.send("dispute_evidence", "a.txt", []byte("text"), nil), 400, "file"},
		{"tooLarge", w.send("dispute_evidence", "a.png", append(append([]byte{}, png...), make([]byte, 5<<20)...), nil), 400, "file"},
		{"huge", w.send("business_logo", "a.png", make([]byte, 17<<20), nil), 413, "file"},
		{"notMultipart", w.post("/v1/files", "purpose", "dispute_evidence"), 400, "file"},
		{"unknown", w.get("/v1/files/file_none"), 404, "file"},
		{"unknownContents", w.get("/v1/files/file_none/contents"), 404, "file"},
	} {
		if p, _ := c.r.err()["param"].(string); c.r.status != c.status || p != c.param {
			t.Errorf("%s: %d %s", c.name, c.r.status, c.r.body)
		}
	}
	if r := w.with("").send("business_logo", "a.png", png, map[string]string{"Authorization": ""}); r.status != 401 {
		t.Errorf("without a key: %d", r.status)
	}
	if l := w.must(w.get("/v1/files"))["data"].([]any); len(l) != 0 {
		t.Errorf("refused uploads left files: %v", l)
	}
	if e := strings.Join(w.events(), " "); e != "" {
		t.Errorf("events %s", e)
	}
}
