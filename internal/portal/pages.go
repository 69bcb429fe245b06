package portal

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// styleVersion changes with the style sheet, so that pages name the one they were
// made for.
var styleVersion = func() string {
	b, err := assetFiles.ReadFile("assets/portal.css")
	if err != nil {
		panic("portal: no style sheet: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}()

// parsePages reads the pages, each in the layout.
func parsePages(o Options) map[string]*template.Template {
	pages := map[string]*template.Template{}
	for _, name := range []string{"sign-in", "payments", "payment", "settings", "balance", "problem"} {
		pages[name] = template.Must(template.New("layout.html").Funcs(template.FuncMap{
			"mark": o.Mark, "style": func() string { return o.Style }, "own": func() string { return Root + "/assets/portal.css?v=" + styleVersion },
			"iso": func(t time.Time) string { return t.UTC().Format(time.RFC3339) }, "money": amounts, "words": disputeWords,
		}).ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html"))
	}
	return pages
}

// frame is what every page has around its content.
type frame struct {
	Title   string
	Tab     string // which part of the portal it belongs to; "" outside of a session
	Token   string // of the page's forms
	Account string
	Test    bool
	Now     time.Time // the account's
}

// shownTime is how pages write an instant.
const shownTime = "2 Jan 2006, 15:04:05"

// When is a time for people, in UTC.
func (frame) When(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format(shownTime)
}

// frame makes the frame of a page of the account's.
func (v *visit) frame(title, tab string, m merchant.Merchant, at time.Time) frame {
	return frame{Title: title, Tab: tab, Token: formToken(v.token), Account: m.Profile.Name, Test: !m.Live, Now: at}
}

// write renders before it sends, so that a failing template cannot leave half a
// page with a success status.
func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := h.pages[name].Execute(&b, data); err != nil {
		h.Log.ErrorContext(r.Context(), "portal page failed to render", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

type problemPage struct {
	frame
	Error string
}

// problem shows why the page that was asked for is not shown.
func (h *handler) problem(v *visit, err error) {
	status, words := statusOf(err), h.wordsOf(v.w, v.r, err)
	page := problemPage{Error: words}
	page.Title = "That did not work"
	if status == http.StatusNotFound {
		page.Title = "Not found"
	}
	_ = v.view(func(_ store.Reader, m merchant.Merchant, at time.Time) error {
		page.frame = v.frame(page.Title, "-", m, at)
		return nil
	}) // without the account the page still says what went wrong
	h.write(v.w, v.r, status, "problem", page)
}

func (h *handler) asset(w http.ResponseWriter, r *http.Request) {
	b, err := assetFiles.ReadFile(path.Join("assets", path.Base(r.PathValue("name"))))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	if r.URL.Query().Get("v") == styleVersion {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(b)
}

// amounts shows an amount with its code, since a sign alone can mean several
// currencies.
func amounts(a money.Amount) string {
	text := a.String()
	if strings.Contains(text, string(a.Currency)) {
		return text
	}
	return text + " " + string(a.Currency)
}

// disputeWords says where a dispute stands, under a heading that says which of the
// two it is.
func disputeWords(s payment.DisputeState) string {
	if s == payment.InquiryOpen {
		return payment.DisputeOpen.String()
	}
	return strings.ReplaceAll(strings.TrimPrefix(s.String(), "inquiry_"), "_", " ")
}

func (v *visit) home() error {
	http.Redirect(v.w, v.r, Root+"/payments", http.StatusSeeOther)
	return nil
}
