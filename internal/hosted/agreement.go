package hosted

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rsc.io/qr"
)

// Agreement is what the page of a standing authorisation shows. All its texts
// are untrusted data.
type Agreement struct {
	State      State // Open: the payer can agree; Done: decided; Expired: too late
	Active     bool  // Done, and the merchant can debit: the page is the payer's wallet
	Revocable  bool  // Active, and the payer may withdraw
	Challenge  bool  // the card's bank asks who is there: see Page.Challenge
	Livemode   bool
	MethodName string
	MethodKey  string
	Merchant   string
	Payer      string // who agreed, as the wallet shows it
	ExpiresAt  time.Time
	Now        time.Time
	ReturnURL  string
	Details    []Detail
}

// AgreementDecision is what the payer chose about an agreement.
type AgreementDecision string

// The decisions.
const (
	Agree    AgreementDecision = "authorize"
	Disagree AgreementDecision = "decline"
	Withdraw AgreementDecision = "revoke"
)

// Agreements is a Desk that also has standing authorisations.
type Agreements interface {
	// Agreement returns the page of the agreement a token names, or ErrNotFound.
	Agreement(ctx context.Context, token string) (Agreement, error)
	// DecideAgreement applies a decision; one that came too late changes nothing.
	// login is the account the payer says they log in with, "" for any.
	DecideAgreement(ctx context.Context, token string, d AgreementDecision, login string) (Agreement, error)
}

var agreementTemplate = parsePage("agreement.html")

type agreementPage struct {
	frame
	A                        Agreement
	Own                      agreementWords
	Expires, ExpiresISO, URL string
	Details                  []Detail
}

// agreementWords are the texts of the page.
type agreementWords struct {
	Title, Active, Asks, Login, LoginNote, Agree, AgreeNote, Disagree, DisagreeNote, Scan, Withdraw, WithdrawNote, Fixed, As string
}

var agreementTexts = map[string]agreementWords{
	"en": {
		Title: "Allow automatic payments with %s", Active: "Automatic payments with %s",
		Asks: "asks to debit your account for later purchases without asking you each time.", As: "Agreed as",
		Login: "Account", LoginNote: "Any account is accepted; leave it empty for a made-up one.",
		Agree: "Authorize", AgreeNote: "You agree and return to the merchant.",
		Disagree: "Decline", DisagreeNote: "Nothing is agreed and you return to the merchant.",
		Scan: "Scan this code with your phone, or click it to agree.", Withdraw: "Revoke authorization",
		WithdrawNote: "The merchant can no longer debit your account.", Fixed: "This wallet lets only the merchant end the authorization.",
	},
	"zh": {
		Title: "授权%s自动扣款", Active: "%s自动扣款",
		Asks: "请求在以后购买时自动从您的账户扣款，无需每次确认。", As: "授权账户",
		Login: "账户", LoginNote: "可填写任意账户；留空则自动生成。",
		Agree: "同意授权", AgreeNote: "同意后返回商户。", Disagree: "拒绝", DisagreeNote: "不授权并返回商户。",
		Scan: "请用手机扫描此码，或点击它表示同意。", Withdraw: "取消授权",
		WithdrawNote: "商户将无法再从您的账户扣款。", Fixed: "此钱包只允许商户取消授权。",
	},
}

// agreementRoutes adds the pages to the mux.
func (h *handler) agreementRoutes(mux *http.ServeMux) {
	mux.HandleFunc("/pay/agreements/{token}", h.agreement)
	mux.HandleFunc("GET /pay/agreements/{token}/code.png", h.agreementCode)
}

func (h *handler) agreement(w http.ResponseWriter, r *http.Request) {
	desk, ok := h.desk.(Agreements)
	if token := r.PathValue("token"); !ok || !wellFormed(token) {
		h.problem(w, r, problemNotFound, "")
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		a, err := desk.Agreement(r.Context(), r.PathValue("token"))
		h.showAgreement(w, r, a, err, http.StatusFound)
	case http.MethodPost:
		h.decideAgreement(w, r, desk)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.problem(w, r, problemMethod, "")
	}
}

// loginMax bounds what a payer types for an account, in characters.
const loginMax = 40

func (h *handler) decideAgreement(w http.ResponseWriter, r *http.Request, desk Agreements) {
	req, ok := h.posted(w, r)
	if !ok {
		return
	}
	d := AgreementDecision(req.Decision)
	if d != Agree && d != Disagree && d != Withdraw {
		h.problem(w, r, problemRequest, fmt.Sprintf("The field \"decision\" must be one of %s, %s, %s.", Agree, Disagree, Withdraw))
		return
	}
	login := strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == unicode.ReplacementChar {
			return -1
		}
		return c
	}, strings.TrimSpace(r.PostForm.Get("login")))
	if len([]rune(login)) > loginMax {
		h.problem(w, r, problemRequest, fmt.Sprintf("The field \"login\" can have %d characters.", loginMax))
		return
	}
	a, err := desk.DecideAgreement(r.Context(), req.Token, d, login)
	if err == nil && d == Withdraw && !a.Active {
		h.write(w, r, http.StatusOK, leavingTemplate, leavingPage{frame: agreementFrame(r, a, choose(r).W.Finished)})
		return
	}
	h.showAgreement(w, r, a, err, http.StatusSeeOther)
}

func agreementFrame(r *http.Request, a Agreement, title string) frame {
	return newFrame(r, Page{Livemode: a.Livemode, MethodKey: a.MethodKey}, title)
}

// showAgreement shows the page, or sends the payer on with a status.
func (h *handler) showAgreement(w http.ResponseWriter, r *http.Request, a Agreement, err error, status int) {
	switch {
	case errors.Is(err, ErrNotFound):
		h.problem(w, r, problemNotFound, "")
		return
	case err != nil:
		h.internal(w, r, fmt.Errorf("agreement: %w", err))
		return
	}
	p := Page{Livemode: a.Livemode, MethodKey: a.MethodKey, ReturnURL: a.ReturnURL, Merchant: a.Merchant, Challenge: a.Challenge}
	framed(w, p, "'none'")
	if a.State == Expired {
		h.write(w, r, http.StatusOK, expiredTemplate, expiredPage{frame: agreementFrame(r, a, choose(r).W.ExpiredTitle), summary: summary{Merchant: a.Merchant}})
		return
	}
	// A payer who comes back to a decided page is sent on; when the merchant can
	// debit, the page is where the payer looks it up and withdraws.
	if a.State == Done && (!a.Active || a.Challenge) || status == http.StatusSeeOther {
		h.leave(w, r, p, status)
		return
	}
	if a.Challenge {
		framed(w, p, h.target(r, p).formAction())
		h.write(w, r, http.StatusOK, challengeTemplate, newChallengePage(r, p))
		return
	}
	l := choose(r)
	own := agreementTexts[l.Code]
	title := own.Title
	if a.Active {
		title = own.Active
	}
	v := agreementPage{frame: agreementFrame(r, a, fmt.Sprintf(title, l.method(a.MethodKey, a.MethodName))), A: a, Own: own, URL: r.URL.Path}
	if !a.ExpiresAt.IsZero() {
		v.Expires, v.ExpiresISO = a.ExpiresAt.UTC().Format(l.when), a.ExpiresAt.UTC().Format(time.RFC3339)
	}
	for _, d := range a.Details {
		v.Details = append(v.Details, Detail{Label: l.label(d.Label), Value: d.Value})
	}
	w.Header().Set("Content-Security-Policy", contentSecurityPolicy(h.target(r, p).formAction()))
	h.write(w, r, http.StatusOK, agreementTemplate, v)
}

// agreementCode draws the page's own address as a code for another device.
func (h *handler) agreementCode(w http.ResponseWriter, r *http.Request) {
	desk, ok := h.desk.(Agreements)
	token := r.PathValue("token")
	if !ok || !wellFormed(token) {
		h.problem(w, r, problemNotFound, "")
		return
	}
	if _, err := desk.Agreement(r.Context(), token); err != nil {
		h.showAgreement(w, r, Agreement{}, err, http.StatusFound)
		return
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	code, err := qr.Encode(scheme+"://"+r.Host+strings.TrimSuffix(r.URL.Path, "/code.png"), qr.M)
	if err != nil {
		h.internal(w, r, fmt.Errorf("code: %w", err))
		return
	}
	png := code.PNG()
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Content-Length", strconv.Itoa(len(png)))
	_, _ = w.Write(png)
}
