package hosted

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strconv"
	"time"
	"unicode/utf8"
)

//go:embed templates
var templateFiles embed.FS

var (
	formTemplate       = parsePage("form.html")
	challengeTemplate  = parsePage("challenge.html")
	authorizedTemplate = parsePage("authorized.html")
	expiredTemplate    = parsePage("expired.html")
	leavingTemplate    = parsePage("leaving.html")
	problemTemplate    = parsePage("problem.html")
)

func parsePage(name string) *template.Template {
	return template.Must(template.New("layout.html").
		Funcs(template.FuncMap{"asset": AssetURL}).
		ParseFS(templateFiles, "templates/layout.html", path.Join("templates", name)))
}

// frame is what every page has around its content.
type frame struct {
	Lang      *language
	Title     string
	Look      string // a key of looks
	Test      bool   // shows the ribbon
	OfferLang bool   // a post cannot be repeated in another language by a link
}

// W returns the words of the page's language.
func (f frame) W() words { return f.Lang.W }

// Mark is the asset drawn for the payment method.
func (f frame) Mark() string { return f.Look + ".svg" }

// summary says what the payment is about.
type summary struct {
	Merchant, Amount, Currency string
}

// LongAmount asks for smaller type, so that the amount stays on one line.
func (s summary) LongAmount() bool { return utf8.RuneCountInString(s.Amount) > 12 }

type formPage struct {
	frame
	summary
	Expires, ExpiresISO, Left string
	Authorize, Decline        string
	Details                   []Detail
	Scenarios                 []Scenario
}

type challengePage struct {
	frame
	summary
}

func newChallengePage(r *http.Request, p Page) challengePage {
	return challengePage{frame: newFrame(r, p, choose(r).W.Challenge), summary: newSummary(p)}
}

type authorizedPage struct {
	frame
	summary
	Return target
}

type expiredPage struct {
	frame
	summary
	Return target
}

type leavingPage struct {
	frame
	Return target
}

type problemPage struct {
	frame
	Note, Detail string
	Retry        bool
}

// looks are the method keys with a mark and a colour of their own.
var looks = map[string]bool{"alipay": true, "alma": true, "card": true}

const genericLook = "wallet"

func look(methodKey string) string {
	if looks[methodKey] {
		return methodKey
	}
	return genericLook
}

// Mark is the address of the mark drawn for a payment method.
func Mark(methodKey string) string { return AssetURL(look(methodKey) + ".svg") }

func newFrame(r *http.Request, p Page, title string) frame {
	return frame{
		Lang:      choose(r),
		Title:     title,
		Look:      look(p.MethodKey),
		Test:      !p.Livemode,
		OfferLang: r.Method != http.MethodPost,
	}
}

func newSummary(p Page) summary {
	return summary{Merchant: p.Merchant, Amount: p.AmountText, Currency: p.Currency}
}

func newFormPage(r *http.Request, p Page, now time.Time) formPage {
	l := choose(r)
	v := formPage{summary: newSummary(p), Scenarios: p.Scenarios}
	heading := l.W.HeadingTest
	v.Authorize, v.Decline = l.W.Authorize, l.W.Decline
	if p.Livemode {
		heading = l.W.HeadingLive
		v.Authorize, v.Decline = l.W.AuthorizeLive, l.W.DeclineLive
	}
	v.frame = newFrame(r, p, fmt.Sprintf(heading, l.method(p.MethodKey, p.MethodName)))
	if !p.Now.IsZero() {
		now = p.Now
	}
	if !p.ExpiresAt.IsZero() {
		at := p.ExpiresAt.UTC()
		v.Expires, v.ExpiresISO, v.Left = at.Format(l.when), at.Format(time.RFC3339), l.left(at.Sub(now))
	}
	for _, d := range p.Details {
		v.Details = append(v.Details, Detail{Label: l.label(d.Label), Value: d.Value})
	}
	return v
}

func (h *handler) form(w http.ResponseWriter, r *http.Request, p Page) {
	action := h.target(r, p).formAction()
	if p.Challenge {
		framed(w, p, action)
		h.write(w, r, http.StatusOK, challengeTemplate, newChallengePage(r, p))
		return
	}
	w.Header().Set("Content-Security-Policy", contentSecurityPolicy(action))
	h.write(w, r, http.StatusOK, formTemplate, newFormPage(r, p, h.now()))
}

func (h *handler) authorized(w http.ResponseWriter, r *http.Request, p Page) {
	h.write(w, r, http.StatusOK, authorizedTemplate, authorizedPage{
		frame:   newFrame(r, p, choose(r).W.Authorized),
		summary: newSummary(p),
		Return:  h.target(r, p),
	})
}

func (h *handler) expired(w http.ResponseWriter, r *http.Request, p Page) {
	h.write(w, r, http.StatusOK, expiredTemplate, expiredPage{
		frame:   newFrame(r, p, choose(r).W.ExpiredTitle),
		summary: newSummary(p),
		Return:  h.target(r, p),
	})
}

// leave sends the payer to the return URL. The body is for those whose browser
// does not follow it, as when the app is not on this device. Without a return
// URL the page says that the payment is finished.
func (h *handler) leave(w http.ResponseWriter, r *http.Request, p Page, status int) {
	to := h.target(r, p)
	if !to.Known() {
		f := newFrame(r, p, choose(r).W.Finished)
		h.write(w, r, http.StatusOK, leavingTemplate, leavingPage{frame: f})
		return
	}
	w.Header().Set("Location", to.location())
	h.write(w, r, status, leavingTemplate, leavingPage{frame: newFrame(r, p, choose(r).W.Leaving), Return: to})
}

// target returns where the payer goes. An unusable return URL is a bug of the
// caller; the payer is then left on our pages, never sent to it.
func (h *handler) target(r *http.Request, p Page) target {
	to, err := parseTarget(p.ReturnURL)
	if err != nil {
		h.log.ErrorContext(r.Context(), "hosted page without usable return URL", "err", err)
	}
	return to
}

var problemStatus = map[problem]int{
	problemRequest:     http.StatusBadRequest,
	problemNotFound:    http.StatusNotFound,
	problemMethod:      http.StatusMethodNotAllowed,
	problemTooLarge:    http.StatusRequestEntityTooLarge,
	problemCrossOrigin: http.StatusForbidden,
	problemInternal:    http.StatusInternalServerError,
}

// problem shows why the page that was asked for is not shown. The detail is
// for developers and stays in English.
func (h *handler) problem(w http.ResponseWriter, r *http.Request, why problem, detail string) {
	l := choose(r)
	text := l.W.problems[why]
	h.write(w, r, problemStatus[why], problemTemplate, problemPage{
		frame:  frame{Lang: l, Title: text.Title, Look: genericLook, OfferLang: r.Method != http.MethodPost},
		Note:   text.Note,
		Detail: detail,
		Retry:  why == problemRequest || why == problemCrossOrigin,
	})
}

// internal answers for an outage or a bug. The cause goes to the log only.
func (h *handler) internal(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the payer has left; there is nobody to answer
	}
	h.log.ErrorContext(r.Context(), "hosted page failed", "err", err)
	h.problem(w, r, problemInternal, "")
}

// write renders before it sends, so that a failing template cannot leave half
// a page with a success status.
func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, t *template.Template, data any) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		h.log.ErrorContext(r.Context(), "hosted page failed to render", "err", err)
		w.Header().Del("Location")
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Length", strconv.Itoa(b.Len())) // for HEAD too
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", choose(r).Tag)
	header.Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // a payer who hung up is no error of ours
}
