package hosted

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
)

const (
	bodyBytesMax  = 64 << 10 // a form of ours is a few dozen bytes
	tokenBytesMax = 256
)

type handler struct {
	desk        Desk
	log         *slog.Logger
	now         func() time.Time
	crossOrigin *http.CrossOriginProtection
}

// New returns the handler for everything under /pay/. It expects to see the
// full path, so it is mounted without stripping the prefix.
func New(d Desk, opts Options) http.Handler {
	h := &handler{desk: d, log: opts.Log, now: opts.Now, crossOrigin: http.NewCrossOriginProtection()}
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.now == nil {
		h.now = clock.Wall{}.Now
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/pay/{token}", h.payment)
	mux.HandleFunc("/pay/assets/{name}", h.asset)
	mux.HandleFunc("GET /pay/receipts/{token}", h.receipt)
	h.agreementRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { h.problem(w, r, problemNotFound, "") })
	return protect(mux)
}

// protect sets the headers every answer carries, refusals included.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", contentSecurityPolicy("'none'"))
		header.Set("Referrer-Policy", "no-referrer") // the path is a credential
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("X-Robots-Tag", "noindex")
		next.ServeHTTP(w, r)
	})
}

func contentSecurityPolicy(formAction string) string { return policyFor(formAction, "'none'") }

func policyFor(formAction, ancestors string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; form-action " + formAction +
		"; frame-ancestors " + ancestors + "; base-uri 'none'"
}

// framed lets a challenge be shown inside the merchant's page, as banks' pages
// are. Every page above it has to be allowed, and the merchant's can be any.
func framed(w http.ResponseWriter, p Page, formAction string) {
	if !p.Challenge {
		return
	}
	w.Header().Del("X-Frame-Options")
	w.Header().Set("Content-Security-Policy", policyFor(formAction, "*"))
}

func (h *handler) payment(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.show(w, r)
	case http.MethodPost:
		h.decide(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.problem(w, r, problemMethod, "")
	}
}

// show answers a payer who opens, reloads or comes back to the page.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	p, ok := h.open(w, r)
	if !ok {
		return
	}
	switch p.State {
	case Open:
		h.form(w, r, p)
	case Done:
		h.leave(w, r, p, http.StatusFound)
	case Expired:
		h.expired(w, r, p)
	default:
		h.internal(w, r, fmt.Errorf("open page: unknown state %d", p.State))
	}
}

// decide answers the form. Settled payments send the payer on whatever was
// posted, so pressing a button twice ends where pressing it once does.
func (h *handler) decide(w http.ResponseWriter, r *http.Request) {
	req, ok := h.posted(w, r)
	if !ok {
		return
	}
	p, ok := h.open(w, r)
	if !ok {
		return
	}
	if !slices.Contains(decisions, req.Decision) {
		h.problem(w, r, problemRequest, unknownDecision(req.Decision))
		return
	}
	switch p.State {
	case Open:
	case Done, Expired:
		h.leave(w, r, p, http.StatusSeeOther)
		return
	default:
		h.internal(w, r, fmt.Errorf("open page: unknown state %d", p.State))
		return
	}
	if !offers(p, req.Scenario) {
		h.problem(w, r, problemRequest, fmt.Sprintf("%q is not a scenario this page offers.", clip(req.Scenario)))
		return
	}
	h.settle(w, r, p, req)
}

// posted reads a form that a page of ours has posted, or answers the request
// itself.
func (h *handler) posted(w http.ResponseWriter, r *http.Request) (Request, bool) {
	// Scripts post without Origin and Sec-Fetch-Site and pass; a browser always
	// sends one of them.
	if err := h.crossOrigin.Check(r); err != nil {
		h.problem(w, r, problemCrossOrigin, "")
		return Request{}, false
	}
	req, err := decode(w, r)
	if err == nil {
		return req, true
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		h.problem(w, r, problemTooLarge, "")
	} else {
		h.problem(w, r, problemRequest, err.Error())
	}
	return Request{}, false
}

// settle carries out a well-formed decision on the open page before.
func (h *handler) settle(w http.ResponseWriter, r *http.Request, before Page, req Request) {
	after, err := h.desk.Decide(r.Context(), req.Token, req.Decision, req.Scenario)
	switch {
	case errors.Is(err, ErrTooLate):
		h.leave(w, r, before, http.StatusSeeOther)
	case errors.Is(err, ErrNotFound):
		h.problem(w, r, problemNotFound, "")
	case err != nil:
		h.internal(w, r, fmt.Errorf("decide %s: %w", req.Decision, err))
	case req.Decision == AuthorizeNoReturn && after.State != Expired:
		h.authorized(w, r, after)
	default:
		h.leave(w, r, after, http.StatusSeeOther)
	}
}

// open asks the desk for the page, or answers the request itself.
func (h *handler) open(w http.ResponseWriter, r *http.Request) (Page, bool) {
	token := r.PathValue("token")
	if !wellFormed(token) {
		h.problem(w, r, problemNotFound, "")
		return Page{}, false
	}
	p, err := h.desk.Open(r.Context(), token)
	switch {
	case errors.Is(err, ErrNotFound):
		h.problem(w, r, problemNotFound, "")
		return Page{}, false
	case err != nil:
		h.internal(w, r, fmt.Errorf("open page: %w", err))
		return Page{}, false
	}
	framed(w, p, "'none'")
	return p, true
}

// refusal is an error in words the page shows.
type refusal string

func (e refusal) Error() string { return string(e) }

// decode reads the form from the body only: a decision in the query would let
// a link decide. It accepts what browsers and curl send (-d and -F).
func decode(w http.ResponseWriter, r *http.Request) (Request, error) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	// ParseMultipartForm alone would hide the error of a form that is not
	// multipart behind ErrNotMultipart.
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(bodyBytesMax)
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return Request{}, err
		}
		return Request{}, refusal("The body is not a well-formed form.")
	}
	for _, field := range []string{"decision", "scenario"} {
		if len(r.PostForm[field]) > 1 {
			return Request{}, refusal(fmt.Sprintf("The field %q was sent more than once.", field))
		}
	}
	return Request{
		Token:    r.PathValue("token"),
		Decision: Decision(r.PostForm.Get("decision")),
		Scenario: r.PostForm.Get("scenario"),
	}, nil
}

func unknownDecision(d Decision) string {
	names := make([]string, len(decisions))
	for i, known := range decisions {
		names[i] = string(known)
	}
	must := fmt.Sprintf("The field \"decision\" must be one of %s", strings.Join(names, ", "))
	if d == "" {
		return must + "; it is missing."
	}
	return fmt.Sprintf("%s; it was %q.", must, clip(string(d)))
}

func offers(p Page, scenario string) bool {
	return scenario == "" || slices.ContainsFunc(p.Scenarios, func(s Scenario) bool { return s.Key == scenario })
}

// wellFormed keeps paths that cannot be tokens away from the desk.
func wellFormed(token string) bool {
	if token == "" || len(token) > tokenBytesMax {
		return false
	}
	for _, c := range []byte(token) {
		if !isAlphanumeric(c) && c != '_' && c != '-' && c != '.' && c != '~' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// clip shortens what a page repeats of a bad request.
func clip(s string) string {
	const runesMax = 64
	if r := []rune(s); len(r) > runesMax {
		return string(r[:runesMax]) + "…"
	}
	return s
}
