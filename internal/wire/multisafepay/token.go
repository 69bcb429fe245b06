package multisafepay

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// tokenPrefix begins an API token: what a browser gets instead of the key
// (reference §1.2, §2).
const tokenPrefix = "pub.v2."

// tokenMax is how long an API token is good.
const tokenMax = 600 * time.Second

// tokenSecret is what API tokens are signed with; all nodes agree on it.
func (a *API) tokenSecret(ctx context.Context) ([]byte, error) {
	return a.engine.Store.Setting(ctx, "multisafepay.api_token_secret", []byte(a.engine.IDs.Random(43)))
}

// createToken answers GET /auth/api_token. Tokens live on the wall's time, as
// everything does that protects.
func createToken(c *call) (any, error) {
	good := tokenMax
	if s := c.query.Get("expires_in"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > int(tokenMax.Seconds()) {
			return nil, &wireError{status: 404, code: codeAmount, text: "Incorrect format"}
		}
		good = time.Duration(n) * time.Second
	}
	secret, err := c.api.tokenSecret(c.ctx)
	if err != nil {
		return nil, err
	}
	until := c.api.engine.Clock.Now().Add(good).Unix()
	claim := fmt.Sprintf("%s.%d", strconv.FormatInt(c.principal.merchantID, 36), until)
	return value.Object{"api_token": tokenPrefix + claim + "." + tokenMAC(secret, claim)}, nil
}

func tokenMAC(secret []byte, claim string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(claim))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// tokenHolder is the principal of an API token.
func (a *API) tokenHolder(ctx context.Context, token string) (principal, error) {
	parts := strings.Split(strings.TrimPrefix(token, tokenPrefix), ".")
	if len(parts) != 3 || len(token) > textMax {
		return principal{}, refuse(codeKey)
	}
	id, err := strconv.ParseInt(parts[0], 36, 64)
	until, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || err2 != nil {
		return principal{}, refuse(codeKey)
	}
	secret, err := a.tokenSecret(ctx)
	if err != nil {
		return principal{}, err
	}
	if !hmac.Equal([]byte(parts[2]), []byte(tokenMAC(secret, parts[0]+"."+parts[1]))) || a.engine.Clock.Now().Unix() >= until {
		return principal{}, refuse(codeKey)
	}
	p := principal{merchantID: id}
	return p, a.engine.Store.View(ctx, id, func(r store.Reader) error {
		m, err := r.Merchant()
		p.account, p.live = m.Account, m.Live
		return err
	})
}
