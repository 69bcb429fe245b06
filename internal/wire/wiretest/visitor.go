package wiretest

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Visitor is a browser without a window: it keeps cookies, follows redirects and
// fills in forms.
type Visitor struct {
	Jar    http.CookieJar
	Header http.Header // sent with every request
	t      testing.TB
	base   string
}

// Visitor returns a new one.
func (s *Server) Visitor(t testing.TB) *Visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Visitor{Jar: jar, Header: http.Header{}, t: t, base: s.URL}
}

// Page is what a visitor sees.
type Page struct {
	Status int
	Path   string // where redirects led, with the query
	Header http.Header
	Body   string
}

// Do sends a request, with a form if there is one.
func (v *Visitor) Do(method, path string, form url.Values) Page {
	v.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, v.base+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header = v.Header.Clone()
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := (&http.Client{Jar: v.Jar, Transport: http.DefaultTransport}).Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return Page{res.StatusCode, res.Request.URL.RequestURI(), res.Header, string(b)}
}

// Get opens a page.
func (v *Visitor) Get(path string) Page { v.t.Helper(); return v.Do("GET", path, nil) }

// Post fills the form of a page: its hidden fields, then pairs of
// name and value, which replace them.
func (v *Visitor) Post(from Page, action string, params ...string) Page {
	v.t.Helper()
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(from.form(action), -1) {
		form.Set(m[1], m[2])
	}
	for i := 0; i+1 < len(params); i += 2 {
		form.Del(params[i])
	}
	for i := 0; i+1 < len(params); i += 2 {
		form.Add(params[i], params[i+1])
	}
	return v.Do("POST", action, form)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// form is the page's form with an action.
func (p Page) form(action string) string {
	_, rest, _ := strings.Cut(p.Body, `action="`+action+`"`)
	form, _, _ := strings.Cut(rest, "</form>")
	return form
}

// Hidden is the value of a hidden field of a form.
func (p Page) Hidden(action, name string) string {
	for _, m := range hidden.FindAllStringSubmatch(p.form(action), -1) {
		if m[1] == name {
			return m[2]
		}
	}
	return ""
}

var tags = regexp.MustCompile(`(?s)<[^>]*>|\s+`)

// Said is the page's text.
func (p Page) Said() string {
	return html.UnescapeString(strings.Join(strings.Fields(tags.ReplaceAllString(p.Body, " ")), " "))
}

// Has reports whether the page says all of the texts.
func (p Page) Has(texts ...string) bool {
	said := p.Said()
	for _, s := range texts {
		if !strings.Contains(said, s) {
			return false
		}
	}
	return true
}

// SignIn opens a session of the portal with a secret key.
func (v *Visitor) SignIn(key string) Page {
	v.t.Helper()
	return v.Post(v.Get("/portal/sign-in"), "/portal/sign-in", "key", key)
}
