package multisafepay

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// principal is who a request speaks for.
type principal struct {
	merchantID int64
	account    string
	live       bool
	key        string // the API key, "" for an API token
}

// wellFormed is the shape of an API key. The examples that are published have
// 40 letters and digits; white space around them is not part of the key.
var wellFormed = regexp.MustCompile(`^[0-9A-Za-z-]{20,128}$`)

// keyOf finds the key of a request in its four spellings; an earlier one wins
// (reference §1.2).
func keyOf(r *http.Request) string {
	for _, name := range []string{"Api_key", "Api-Key"} {
		if k := strings.TrimSpace(r.Header.Get(name)); k != "" {
			return k
		}
	}
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(r.URL.Query().Get("api_key"))
}

// accountOf is the account of a test key. Nothing that another kind of
// credential hashes begins like this, so worlds of different dialects cannot
// meet.
func accountOf(key string) string { return merchant.AccountFor("multisafepay\x00" + key) }

// authenticate finds the merchant of a key or an API token.
func (a *API) authenticate(ctx context.Context, key string) (principal, error) {
	if strings.HasPrefix(key, tokenPrefix) {
		return a.tokenHolder(ctx, key)
	}
	if p, ok := a.opened.Get(key); ok {
		return p, nil
	}
	if !wellFormed.MatchString(key) {
		return principal{}, refuse(codeKey)
	}
	cred, err := a.worlds.Credential(ctx, key)
	if err == nil {
		return a.provisioned(ctx, cred, key)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return principal{}, err
	}
	if !a.config.Sandbox {
		return principal{}, refuse(codeKey)
	}
	p := principal{account: accountOf(key), key: key}
	if p.merchantID, err = a.worlds.Sandbox(ctx, p.account); fault.CodeOf(err) == "not_a_sandbox" {
		return principal{}, refuse(codeKey)
	}
	if err == nil {
		a.opened.Put(key, p)
	}
	return p, err
}

// provisioned is the principal of a key that was made by us.
func (a *API) provisioned(ctx context.Context, c store.Credential, key string) (principal, error) {
	if c.Revoked || c.Kind != "secret" {
		return principal{}, refuse(codeKey)
	}
	p := principal{merchantID: c.Merchant, key: key}
	err := a.engine.Store.View(ctx, c.Merchant, func(r store.Reader) error {
		m, err := r.Merchant()
		p.account, p.live = m.Account, m.Live
		return err
	})
	return p, err
}
