package portal

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// A session is a credential of its own kind: random, known by its hash, gone when
// it is over. All nodes know it. It names the key it was opened with by that key's
// hash, so that it ends when the key is revoked.
const (
	sessionKind = "portal session"
	sessionFor  = 12 * time.Hour // on the wall clock

	sessionCookie = "ducat_session" // who is signed in
	formCookie    = "ducat_form"    // goes with the sign-in form, whose visitor has no session yet

	// An underscore is in no key of any dialect whose keys have no prefix, so that a
	// session is no key.
	tokenPrefix = "ducat_"
	tokenRandom = 40 // base62, 238 bits
	tokenMax    = 128
	keyMax      = 512
)

// session is who is signed in.
type session struct {
	merchant int64
	token    string // the cookie's
	name     string // of the front whose key it was opened with
}

func hashOf(what, token string) []byte {
	sum := sha256.Sum256([]byte("ducat portal " + what + "\x00" + token))
	return sum[:]
}

// formToken is what our forms carry beside a cookie. It derives from the cookie,
// which no other site can read.
func formToken(cookie string) string { return hex.EncodeToString(hashOf("form", cookie)[:16]) }

// genuine reports whether a form's token goes with a cookie.
func genuine(cookie, token string) bool {
	return cookie != "" && subtle.ConstantTimeCompare([]byte(formToken(cookie)), []byte(token)) == 1
}

func (h *handler) newToken() string { return tokenPrefix + h.Engine.IDs.Random(tokenRandom) }

// setCookie gives a cookie that only our own pages send back and no script reads.
func (h *handler) setCookie(w http.ResponseWriter, r *http.Request, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: Root, MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: h.Secure || r.TLS != nil,
	})
}

// cookieOf reads a cookie of ours.
func cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil || len(c.Value) > tokenMax || !strings.HasPrefix(c.Value, tokenPrefix) {
		return ""
	}
	return c.Value
}

// errNoSession says that nobody is signed in, or no longer.
var errNoSession = errors.New("portal: no session")

// open finds the session of a request.
func (h *handler) open(r *http.Request) (session, error) {
	s := session{token: cookieOf(r, sessionCookie)}
	if s.token == "" {
		return s, errNoSession
	}
	c, err := h.Engine.Store.Credential(r.Context(), hashOf("session", s.token))
	if errors.Is(err, store.ErrNotFound) {
		return s, errNoSession
	}
	if err != nil {
		return s, err
	}
	if c.Kind != sessionKind || c.Revoked || !h.Engine.Clock.Now().Before(c.Created.Add(sessionFor)) || len(c.Permissions) != 2 {
		return s, errNoSession
	}
	s.merchant, s.name = c.Merchant, c.Permissions[0]
	return s, h.keyStands(r.Context(), c.Merchant, c.Permissions[1])
}

// keyStands checks that the key a session was opened with would open it still.
func (h *handler) keyStands(ctx context.Context, merchantID int64, hash string) error {
	b, err := hex.DecodeString(hash)
	if err != nil {
		return errNoSession
	}
	ok, err := h.Engine.KeyStands(ctx, merchantID, b, "secret")
	if err == nil && !ok {
		err = errNoSession
	}
	return err
}

// signedIn serves those who are signed in and sends others to sign in. A post must
// come from a page of the session.
func (h *handler) signedIn(serve func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := h.open(r)
		if errors.Is(err, errNoSession) {
			h.toSignIn(w, r)
			return
		}
		v := &visit{handler: h, session: s, w: w, r: r}
		if err == nil && r.Method == http.MethodPost {
			err = h.posted(w, r, s.token)
		}
		if err == nil {
			err = serve(v)
		}
		if err != nil {
			h.problem(v, err)
		}
	}
}

// toSignIn remembers the page that was asked for.
func (h *handler) toSignIn(w http.ResponseWriter, r *http.Request) {
	to := Root + "/sign-in"
	if r.Method == http.MethodGet && r.URL.Path != Root {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

type signInPage struct {
	frame
	Next, Error string
	Sandbox     bool
}

func (h *handler) signInPage(w http.ResponseWriter, r *http.Request) {
	h.showSignIn(w, r, http.StatusOK, "")
}

// showSignIn shows the form, with a cookie that its token goes with.
func (h *handler) showSignIn(w http.ResponseWriter, r *http.Request, status int, problem string) {
	cookie := cookieOf(r, formCookie)
	if cookie == "" {
		cookie = h.newToken()
		h.setCookie(w, r, formCookie, cookie, 0)
	}
	next := r.FormValue("next")
	if !local(next) {
		next = ""
	}
	h.write(w, r, status, "sign-in", signInPage{frame: frame{Title: "Sign in", Token: formToken(cookie)}, Next: next, Error: problem, Sandbox: h.Sandbox})
}

// signIn opens a session with a secret key. Keys are known by their hashes, so the
// time this takes says nothing about those there are.
func (h *handler) signIn(w http.ResponseWriter, r *http.Request) {
	if err := h.posted(w, r, cookieOf(r, formCookie)); err != nil {
		h.showSignIn(w, r, statusOf(err), h.wordsOf(w, r, err))
		return
	}
	key := strings.TrimSpace(r.PostForm.Get("key"))
	name, id, err := h.keyOpens(r.Context(), key)
	if err != nil {
		h.showSignIn(w, r, statusOf(err), h.wordsOf(w, r, err))
		return
	}
	now := h.Engine.Clock.Now().UTC().Truncate(time.Millisecond)
	if err = h.Engine.Store.PruneCredentials(r.Context(), sessionKind, now.Add(-sessionFor)); err == nil {
		token := h.newToken()
		err = h.Engine.Store.PutCredential(r.Context(), store.Credential{
			Hash: hashOf("session", token), Merchant: id, Kind: sessionKind, Created: now,
			Permissions: []string{name, hex.EncodeToString(merchant.KeyHash(key))},
		})
		h.setCookie(w, r, sessionCookie, token, int(sessionFor.Seconds()))
		h.setCookie(w, r, formCookie, "", -1)
	}
	if err != nil {
		h.showSignIn(w, r, statusOf(err), h.wordsOf(w, r, err))
		return
	}
	to := r.PostForm.Get("next")
	if !local(to) {
		to = Root + "/payments"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// keyOpens finds the dialect and the merchant of a secret key.
func (h *handler) keyOpens(ctx context.Context, key string) (front string, merchantID int64, err error) {
	if key == "" || len(key) > keyMax || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", 0, fault.New(fault.Invalid, "bad_key", "Enter the secret key that your server uses.")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return "", 0, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	f := h.Fronts[0]
	for _, other := range h.Fronts {
		if other.Claims(r) {
			f = other
			break
		}
	}
	merchantID, err = f.MerchantOf(r)
	return f.Name(), merchantID, err
}

// signOut ends the session, for everybody who may have its cookie.
func (v *visit) signOut() error {
	hash := hashOf("session", v.token)
	c, err := v.Engine.Store.Credential(v.r.Context(), hash)
	if err != nil {
		return err
	}
	c.Revoked = true
	if err := v.Engine.Store.PutCredential(v.r.Context(), c); err != nil {
		return err
	}
	v.setCookie(v.w, v.r, sessionCookie, "", -1)
	http.Redirect(v.w, v.r, Root+"/sign-in", http.StatusSeeOther)
	return nil
}
