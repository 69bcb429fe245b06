package report

import (
	"encoding/csv"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// FileKind is the kind of the rows that hold files. A row's id is the file's
// path, its body the contents.
const FileKind = "report.file"

// filesMax bounds a listing.
const filesMax = 10_000

// File is a report as it is handed out.
type File struct {
	Path    string // begins with /
	Created time.Time
	Data    []byte
}

// ContentType says what the file is.
func (f File) ContentType() string { return "text/csv; charset=utf-8" }

// Content is the file's text.
func (f File) Content() []byte { return f.Data }

// Row is the file as a row; sort decides the order of lists.
func (f File) Row(sort string) resource.Row {
	return resource.Row{Kind: FileKind, ID: f.Path, Sort: sort, Created: f.Created, Body: f.Data}
}

// Files lists a merchant's reports, oldest first, with their contents.
func Files(r store.Reader) ([]File, error) {
	var all []File
	for after := ""; len(all) < filesMax; {
		rows, err := r.Resources(store.List{Kind: FileKind, After: after, Oldest: true, Limit: 100})
		if err != nil || len(rows) == 0 {
			return all, err
		}
		for i := len(rows) - 1; i >= 0; i-- {
			all = append(all, File{Path: rows[i].ID, Created: rows[i].Created, Data: rows[i].Body})
		}
		after = rows[0].Sort
	}
	return all, nil
}

// Find returns one report, or store.ErrNotFound.
func Find(r store.Reader, name string) (File, error) {
	row, err := r.Resource(FileKind, path.Clean("/"+name))
	return File{Path: row.ID, Created: row.Created, Data: row.Body}, err
}

// CSV writes a table with a line for its end, as importers expect.
func CSV(header []string, rows [][]string, end string) ([]byte, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := errors.Join(w.Write(header), w.WriteAll(rows)); err != nil {
		return nil, err
	}
	w.Flush()
	_, _ = io.WriteString(&b, end+"\n")
	return []byte(b.String()), w.Error()
}
