package hosted

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// target is a return URL that is safe to send a browser to. The zero target
// means that there is nowhere to go.
type target struct {
	raw    string
	scheme string // lower case
}

// refusedSchemes run script in, or open local content from, the page that
// links to them. Callers refuse them too; this is the last look before the
// template is told to trust the URL.
var refusedSchemes = []string{"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"}

// parseTarget checks a complete return URL. It reads only the scheme, because
// the rest must leave exactly as it came: app URLs such as myapp:pay?x=1 do not
// survive being parsed and written again.
func parseTarget(raw string) (target, error) {
	if raw == "" {
		return target{}, nil
	}
	for i := range len(raw) {
		// Browsers drop tabs and line ends inside a URL, so "java\tscript:" would
		// pass a check of its scheme and run all the same.
		if raw[i] < ' ' || raw[i] == 0x7f {
			return target{}, fmt.Errorf("return URL holds control character %#x at byte %d", raw[i], i)
		}
	}
	scheme, rest, found := strings.Cut(raw, ":")
	if !found || !validScheme(scheme) {
		return target{}, fmt.Errorf("return URL does not start with a scheme")
	}
	scheme = strings.ToLower(scheme)
	if slices.Contains(refusedSchemes, scheme) {
		return target{}, fmt.Errorf("return URL has the refused scheme %q", scheme)
	}
	if rest == "" {
		return target{}, fmt.Errorf("return URL is only a scheme")
	}
	return target{raw: raw, scheme: scheme}, nil
}

// validScheme is the grammar of RFC 3986, section 3.1. It keeps everything
// that means something in a Content-Security-Policy out of form-action.
func validScheme(s string) bool {
	for i, c := range []byte(s) {
		if i == 0 && (!isAlphanumeric(c) || '0' <= c && c <= '9') {
			return false
		}
		if !isAlphanumeric(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

// Known reports whether there is somewhere to go.
func (t target) Known() bool { return t.raw != "" }

// App reports whether the URL opens an app and not a site.
func (t target) App() bool { return t.Known() && t.scheme != "https" && t.scheme != "http" }

// URL vouches for the target in a template.
func (t target) URL() template.URL { return template.URL(t.raw) }

// location is the target as a Location header: as it came, with only the bytes
// that cannot stand in a URL escaped. http.Redirect would do the same but also
// rewrites URLs it takes for relative.
func (t target) location() string {
	var b strings.Builder
	for _, c := range []byte(t.raw) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// formAction lists where the form may lead. Chromium applies form-action to
// the redirects that follow a post, wherever the merchant's site passes the
// payer on to; and "*" stands for web addresses only, so an app is added by name.
func (t target) formAction() string {
	if t.App() {
		return "* " + t.scheme + ":"
	}
	return "*"
}
