package multisafepay

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"rsc.io/qr"

	"github.com/ducatpay/ducat/internal/store"
)

//go:embed pages
var files embed.FS

var templates = template.Must(template.ParseFS(files, "pages/*.html"))

// openingsMax is how many transactions a payment link can begin (reference
// §3.12).
const openingsMax = 20

// formMax bounds what a page posts.
const formMax = 4 << 10

// pageRoutes serves the payer's pages: the payment page of a session, and the
// method's own page, which the simulator stands in for.
func (a *API) pageRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /connect/{session}/{$}", a.ofWorld(sessionName, a.sessionWorld, a.showSession))
	mux.HandleFunc("POST /connect/{session}/{$}", a.ofWorld(sessionName, a.sessionWorld, a.chooseMethod))
	mux.HandleFunc("GET /connect/{session}/code/qr.png", a.ofWorld(sessionName, a.sessionWorld, a.code))
	mux.HandleFunc("GET /connect/assets/{name}", a.asset)
	mux.HandleFunc("GET /connect/icons/{name}", a.icon)
	mux.HandleFunc("GET /simulator/done", a.finished)
	mux.HandleFunc("GET /simulator/{rest...}", a.ofWorld(walletName, a.walletWorld, a.showWallet))
	mux.HandleFunc("POST /simulator/{rest...}", a.ofWorld(walletName, a.walletWorld, a.decideWallet))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { a.problem(w, english, http.StatusNotFound) })
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { a.problem(w, english, http.StatusForbidden) }))
	return protected(guard.Handler(mux))
}

// protected sets the headers every page carries. Pages may be framed, because
// merchants do (reference §11), and run no script but the one that closes them.
func protected(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action *; base-uri 'none'")
		h.Set("Referrer-Policy", "same-origin") // the path is a credential
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		next.ServeHTTP(w, r)
	})
}

// screen is what a page shows. All its texts are escaped by the template.
type screen struct {
	L           *words
	Title       string
	Merchant    string
	Amount      string
	Description string
	Lines       []string // of the order's items
	Methods     []gateway
	Choose      bool   // among several methods
	All         string // link to all methods, "" on the page that has them
	Cancel      bool
	Scenarios   []scenario
	Data        *testData // what can be typed instead of choosing a scenario
	Note        string
	To          string // where the payer goes on
	Close       bool   // the window closes itself
}

func (a *API) render(w http.ResponseWriter, status int, name string, s screen) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, s); err != nil {
		a.log.Error("page failed", "page", name, "error", err)
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func (a *API) problem(w http.ResponseWriter, l *words, status int) {
	note := map[int]string{http.StatusNotFound: l.NotFound, http.StatusForbidden: l.CrossSite, http.StatusGone: l.Over, http.StatusBadRequest: l.BadForm}[status]
	if note == "" {
		note = l.Wrong
	}
	a.render(w, status, "notice.html", screen{L: l, Title: note})
}

// fail answers a request whose work ended in an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, l *words, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		a.problem(w, l, http.StatusNotFound)
	case errors.Is(err, errOver):
		a.problem(w, l, http.StatusGone)
	case errors.Is(err, errForm):
		a.problem(w, l, http.StatusBadRequest)
	default:
		a.log.Error("page failed", "path", r.URL.Path, "error", err)
		a.problem(w, l, http.StatusInternalServerError)
	}
}

var (
	errOver = errors.New("multisafepay: the order can no longer be paid")
	errForm = errors.New("multisafepay: the form was not sent as the page expects it")
)

// visit is what the address of a page names, and what it takes to find it.
type visit struct {
	*secrets
	world int64
	name  string
}

// ofWorld serves a page about something whose name, a part of the path, says which
// world it is of. What was posted has been read.
func (a *API) ofWorld(named func(r *http.Request) string, worldOf func(ctx context.Context, hidden *secrets, name string) (int64, error), serve func(w http.ResponseWriter, r *http.Request, page visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		hidden, err := a.secrets(r.Context())
		if err != nil {
			a.fail(w, r, english, err)
			return
		}
		page := visit{secrets: hidden, name: named(r)}
		if page.world, err = worldOf(r.Context(), hidden, page.name); err != nil {
			a.fail(w, r, english, err)
			return
		}
		if r.Method == http.MethodPost {
			if err := form(w, r); err != nil {
				a.fail(w, r, english, err)
				return
			}
		}
		serve(w, r, page)
	}
}

// sessionWorld returns the merchant of a session.
func (a *API) sessionWorld(_ context.Context, _ *secrets, name string) (int64, error) {
	id, ok := sessionWorld(name)
	if !ok {
		return 0, store.ErrNotFound
	}
	return id, nil
}

// walletWorld returns the merchant of a wallet id: the one it speaks of if it is
// there, or else that of a wallet id of former versions.
func (a *API) walletWorld(ctx context.Context, hidden *secrets, name string) (int64, error) {
	if id, _, ok := hidden.walletPSP(name); ok {
		err := a.view(ctx, id, func(*view) error { return nil })
		if !errors.Is(err, store.ErrNotFound) {
			return id, err
		}
	}
	id, ok := formerWorld(name)
	if !ok {
		return 0, store.ErrNotFound
	}
	return id, nil
}

// form reads what a page posted.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	if err := r.ParseForm(); err != nil {
		return errForm
	}
	return nil
}

// leave sends the payer on: back to the merchant, or to a page that closes its
// window, or, if there is nowhere to go, to a page of ours.
func (a *API) leave(w http.ResponseWriter, s screen, posted bool) {
	status := http.StatusFound
	if posted {
		status = http.StatusSeeOther
	}
	switch {
	case s.To == "":
		if s.Title == "" || s.Title == "Test platform" {
			s.Title, s.Note = s.L.Finished, s.L.CloseNote
		}
		a.render(w, http.StatusOK, "notice.html", s)
	case s.Close && posted:
		// The window closes itself; one that may not goes on to the merchant.
		w.Header().Set("Refresh", "1; url="+location(s.To))
		s.Title, s.Note = s.L.Finished, s.L.CloseNote
		a.render(w, http.StatusOK, "close.html", s)
	default:
		w.Header().Set("Location", location(s.To))
		w.WriteHeader(status)
	}
}

// location writes an address as a header: as the merchant wrote it, with only
// the bytes escaped that cannot stand there.
func location(to string) string {
	var b strings.Builder
	for _, c := range []byte(to) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// finished is the page of ours for merchants without a redirect_url.
func (a *API) finished(w http.ResponseWriter, _ *http.Request) {
	a.render(w, http.StatusOK, "notice.html", screen{L: english, Title: english.Finished, Note: english.CloseNote})
}

// asset serves the style sheet and the script.
func (a *API) asset(w http.ResponseWriter, r *http.Request) {
	types := map[string]string{"page.css": "text/css; charset=utf-8", "close.js": "text/javascript; charset=utf-8"}
	name := r.PathValue("name")
	typ, ok := types[name]
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	b, err := files.ReadFile("pages/" + name)
	if err != nil {
		a.fail(w, r, english, err)
		return
	}
	w.Header().Set("Content-Type", typ)
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(b)
}

// code draws the QR code of a session: its payment page's address.
func (a *API) code(w http.ResponseWriter, r *http.Request, page visit) {
	var png []byte
	err := a.view(r.Context(), page.world, func(v *view) error {
		_, o, err := page.order(v, page.name)
		if err != nil {
			return err
		}
		if o.QR == 0 {
			return store.ErrNotFound
		}
		drawn, err := qr.Encode(v.paymentURL(&o), qr.M)
		if err != nil {
			return err
		}
		const quiet = 8 // modules around it
		drawn.Scale = max(1, o.QR/(drawn.Size+quiet))
		png = drawn.PNG()
		return nil
	})
	if err != nil {
		a.fail(w, r, english, err)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(png)
}

// icon draws a gateway's name, for lists of methods.
func (a *API) icon(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutSuffix(r.PathValue("name"), ".svg")
	g, ok := findGateway(name)
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "max-age=3600")
	_ = templates.ExecuteTemplate(w, "icon.html", g)
}
