package stripe

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindFile = "stripe.file"

// Limits on uploads, in bytes.
const (
	uploadMax   = 16 << 20           // the whole request
	evidenceMax = 4<<20 + 512<<10    // a file for dispute evidence, stripe-platform §12.3
	fileMax     = uploadMax - 64<<10 // any other file
	filenameMax = 255                // characters of a name
	typeByName  = "application/octet-stream"
)

// filePurposes are the purposes a merchant may upload for.
var filePurposes = []string{
	"account_requirement", "additional_verification", "business_icon", "business_logo", "customer_signature", "dispute_evidence",
	"identity_document", "issuing_regulatory_reporting", "pci_document", "platform_terms_of_service", "tax_document_user_upload",
	"terminal_android_apk", "terminal_reader_splashscreen", "terminal_wifi_certificate", "terminal_wifi_private_key",
}

// generatedPurposes are those of files that the server makes; reports are the
// only ones here.
var generatedPurposes = []string{
	"document_provider_identity_document", purposeReport, "financial_account_statement", "identity_document_downloadable", "selfie", "sigma_scheduled_query",
}

// evidenceTypes are the types dispute evidence may have, by what the bytes are.
var evidenceTypes = map[string]string{"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}

// fileBody is an uploaded file.
type fileBody struct {
	Filename    string `json:"filename"`
	Purpose     string `json:"purpose"`
	Type        string `json:"type"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
	Data        string `json:"data"` // base64
}

// upload is a file that came with a request.
type upload struct {
	filename string
	data     []byte
}

// readMultipart decodes a multipart body into parameters and one file.
func readMultipart(r *http.Request, contentType string) (form.Value, *upload, error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return form.Value{}, nil, invalid("", "", "The Content-Type of a multipart request must name its boundary.")
	}
	mr := multipart.NewReader(http.MaxBytesReader(nil, r.Body, uploadMax), params["boundary"])
	var pairs []string
	var up *upload
	for {
		part, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return form.Value{}, nil, uploadError(err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return form.Value{}, nil, uploadError(err)
		}
		if part.FileName() == "" && part.FormName() != "file" {
			pairs = append(pairs, url.QueryEscape(part.FormName())+"="+url.QueryEscape(string(b)))
			continue
		}
		if up != nil || part.FormName() != "file" {
			return form.Value{}, nil, invalid("", "file", "Send exactly one file, in the parameter file.")
		}
		up = &upload{filename: path.Base(strings.ReplaceAll(part.FileName(), "\\", "/")), data: b}
		pairs = append(pairs, "file="+url.QueryEscape(part.FileName()))
	}
	v, err := form.Parse(strings.Join(pairs, "&"))
	return v, up, err
}

func uploadError(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return &wireError{status: 413, param: "file", message: fmt.Sprintf("The upload is larger than %d bytes.", uploadMax)}
	}
	return invalid("", "", "The multipart body could not be read.")
}

func createFile(c *call) (step, error) {
	purpose, set, err := oneOf(c.params.Get("purpose"), "purpose", filePurposes...)
	if err != nil {
		return step{}, err
	}
	if !set {
		return step{}, missingParam("purpose")
	}
	if c.upload == nil {
		return step{}, missingParam("file")
	}
	b, err := newFile(*c.upload, purpose)
	if err != nil {
		return step{}, err
	}
	var rowID string
	return step{
		begin: func(t *engine.Tx) error {
			rowID = t.NewID("file_")
			row := newRow(t, kindFile, rowID, "", encodeBody(b), resource.Key{Name: "purpose", Value: purpose})
			if err := t.InsertResource(row); err != nil {
				return err
			}
			link, wanted, err := linkOfUpload(c.params.Get("file_link_data"), t.At)
			if err != nil {
				return err
			}
			if wanted {
				if _, err := c.api.newLink(t, row, link); err != nil {
					return err
				}
			}
			return c.api.emit(t, message{typ: "file.created", render: func(v *view) (obj, obj, error) {
				o, err := v.file(rowID)
				return o, nil, err
			}})
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).file(rowID) },
	}, nil
}

func newFile(u upload, purpose string) (fileBody, error) {
	if len(u.data) == 0 {
		return fileBody{}, invalid("", "file", "The file is empty.")
	}
	if len([]rune(u.filename)) > filenameMax {
		return fileBody{}, invalid("", "file", "The file's name is longer than %d characters.", filenameMax)
	}
	ct, _, _ := strings.Cut(http.DetectContentType(u.data), ";")
	short, known := evidenceTypes[ct]
	limit := fileMax
	if purpose == "dispute_evidence" {
		limit = evidenceMax
		if !known {
			return fileBody{}, invalid("", "file", "Dispute evidence must be a PDF, JPEG or PNG file; this one is %s.", ct)
		}
	}
	if len(u.data) > limit {
		return fileBody{}, invalid("", "file", "The file has %d bytes; files for %s may have up to %d.", len(u.data), purpose, limit)
	}
	if !known {
		short = strings.TrimPrefix(path.Ext(u.filename), ".")
		if short == "" {
			short = "bin"
		}
	}
	return fileBody{Filename: u.filename, Purpose: purpose, Type: short, ContentType: firstOf(ct, typeByName), Size: int64(len(u.data)), Data: base64.StdEncoding.EncodeToString(u.data)}, nil
}

func (v *view) file(id string) (obj, error) {
	return v.stored(kindFile, id, (*view).renderFile)
}

func (v *view) renderFile(row resource.Row) (obj, error) {
	b, err := decodeBody[fileBody](row)
	if err != nil {
		return nil, err
	}
	links, err := v.linksOf(row.ID)
	if err != nil {
		return nil, err
	}
	return obj{
		"id": row.ID, "object": "file", "created": row.Created.Unix(), "expires_at": nil, "filename": b.Filename, "links": links,
		"purpose": b.Purpose, "size": b.Size, "title": nil, "type": b.Type, "url": v.api.config.BaseURL + "/v1/files/" + row.ID + "/contents",
	}, nil
}

func retrieveFile(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		o, err := v.file(c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.unknown(404, kindFile, "file upload", "file", c.path("id"))
		}
		return o, err
	})
}

func listFiles(c *call) (obj, error) {
	purpose, set, err := text(c.params.Get("purpose"), "purpose", 0)
	if err != nil {
		return nil, err
	}
	if !set {
		return c.page(kindFile, "file upload", "", "", (*view).renderFile)
	}
	if possible := slices.Concat(filePurposes, generatedPurposes); !slices.Contains(possible, purpose) {
		return nil, invalid("", "purpose", "Invalid purpose: must be %s", choice(possible))
	}
	return c.page(kindFile, "file upload", "purpose", purpose, (*view).renderFile)
}

// fileContents answers with the file itself.
func fileContents(c *call) (engine.Reply, string, error) {
	var b fileBody
	err := c.view(func(v *view) error {
		row, err := v.Resource(kindFile, c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return c.unknown(404, kindFile, "file upload", "file", c.path("id"))
		}
		if err == nil {
			b, err = decodeBody[fileBody](row)
		}
		return err
	})
	if err != nil {
		return engine.Reply{}, "", err
	}
	data, err := base64.StdEncoding.DecodeString(b.Data)
	return engine.Reply{Status: http.StatusOK, Body: bytes.Clone(data)}, b.ContentType, err
}
