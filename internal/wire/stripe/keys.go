package stripe

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// principal is who a request speaks for.
type principal struct {
	merchantID  int64
	account     string
	live        bool
	public      bool // a publishable key
	restricted  bool // may do only what permissions say
	permissions []string
	customer    string // of an ephemeral key, which is public too
}

// other is the storage id of the same account's other mode.
func (p principal) other() int64 { return merchant.IDFor(p.account, !p.live) }

// wellFormed is the shape of a key. The shortest key accepted has eight
// characters after its prefix.
var wellFormed = regexp.MustCompile(`^(sk|rk|pk)_(test|live)_([0-9A-Za-z_]{8,247})$`)

// documentation maps the keys that published guides print to one world, so that
// a guide's server and browser snippets meet in it.
var documentation = map[string]string{
	"4eC39HqLyjWDarjtT1zdp7dc": "documentation",
	"TYooMQauvdEDq54NiTphI7jx": "documentation",
	"BQokikJOvBiI2HlWgH4olfQ2": "documentation",
	"6pRNASCoBOKtIshFeQd4XMUh": "documentation",
}

// longKey is the length from which a key carries its account: "5", then 16
// characters of the account id (stripe-platform §1.2).
const longKey = 60

// sandboxAccount returns the account a test key's suffix stands for. A secret
// and a publishable key belong together when their suffixes are equal, or, for
// keys of the long form, when they carry the same account.
func sandboxAccount(suffix string) string {
	if alias, ok := documentation[suffix]; ok {
		return merchant.AccountFor(alias)
	}
	if len(suffix) >= longKey && suffix[0] == '5' {
		return "acct_" + suffix[1:17]
	}
	return merchant.AccountFor(suffix)
}

const helpText = " See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/."

// keyOf finds the key a request carries. key is the form or query parameter,
// accepted for publishable keys only; a header wins over it.
func keyOf(r *http.Request, param string) (string, *wireError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		if strings.HasPrefix(param, "pk_") {
			return param, nil
		}
		return "", &wireError{status: 401, message: "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')." + helpText}
	}
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	key := ""
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		key = rest
	case strings.EqualFold(scheme, "Basic"):
		if b, err := base64.StdEncoding.DecodeString(rest); err == nil {
			key, _, _ = strings.Cut(string(b), ":")
		}
	}
	if key == "" {
		return "", &wireError{status: 401, message: fmt.Sprintf("You did not provide an API key, though you did set your Authorization header to %q. Using Bearer auth, your Authorization header should look something like 'Authorization: Bearer YOUR_SECRET_KEY'.%s", printable(header), helpText)}
	}
	return key, nil
}

// printable keeps a quoted header short.
func printable(s string) string { return s[:min(len(s), 100)] }

// authenticate finds the merchant of a key.
func (a *API) authenticate(ctx context.Context, key string) (principal, error) {
	if p, ok := a.sandboxes.Get(key); ok {
		return p, nil
	}
	if strings.HasPrefix(key, "ek_") {
		return a.ephemeral(ctx, key)
	}
	bad := &wireError{status: 401, message: "Invalid API Key provided: " + mask(key)}
	m := wellFormed.FindStringSubmatch(key)
	if m == nil {
		return principal{}, bad
	}
	cred, err := a.worlds.Credential(ctx, key)
	if err == nil {
		return a.provisioned(ctx, cred, key)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return principal{}, err
	}
	if m[2] == "live" || !a.config.Sandbox {
		return principal{}, bad
	}
	p := principal{account: sandboxAccount(m[3]), public: m[1] == "pk"}
	if p.merchantID, err = a.worlds.Sandbox(ctx, p.account); err != nil {
		if faultCode(err) == "not_a_sandbox" {
			return principal{}, bad
		}
		return principal{}, err
	}
	if m[1] != "rk" { // which may be given permissions at any time
		a.sandboxes.Put(key, p)
	}
	return p, nil
}

func (a *API) provisioned(ctx context.Context, c store.Credential, key string) (principal, error) {
	if c.Revoked {
		return principal{}, &wireError{status: 401, code: "api_key_expired", message: "Expired API Key provided: " + mask(key)}
	}
	p := principal{merchantID: c.Merchant, public: c.Kind == "publishable", restricted: c.Kind == "restricted", permissions: c.Permissions}
	err := a.engine.Store.View(ctx, c.Merchant, func(r store.Reader) error {
		m, err := r.Merchant()
		p.account, p.live = m.Account, m.Live
		return err
	})
	return p, err
}

// mask shows a key's prefix and its last four characters.
func mask(key string) string { return maskTo(key, 4) }

// maskTo shows a key's prefix and its last shown characters: four where a key is
// not accepted, six where it may not do what it asks for (stripe-platform §3.6).
func maskTo(key string, shown int) string {
	key = key[:min(len(key), 255)]
	prefix := 0
	if i := strings.LastIndexByte(key, '_'); i >= 0 && i < 9 {
		prefix = i + 1
	}
	if len(key) <= prefix+shown {
		return key[:prefix] + strings.Repeat("*", len(key)-prefix)
	}
	return key[:prefix] + strings.Repeat("*", len(key)-prefix-shown) + key[len(key)-shown:]
}
