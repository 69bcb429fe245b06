package agreement

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// TokenKind says what a token is good for.
type TokenKind string

// The kinds.
const (
	Code    TokenKind = "code"    // exchanged once for the first tokens
	Access  TokenKind = "access"  // debits the payer
	Refresh TokenKind = "refresh" // exchanged for new tokens
)

// Token is a secret given to a merchant, known by its hash only.
type Token struct {
	Hash      []byte // TokenHash of the secret
	Agreement string
	Kind      TokenKind
	Number    int64 // the generation of the agreement it belongs to; a code has 0
	Created   time.Time
	Until     time.Time // when it ends; a token that was used up or replaced ends early
}

// Good reports whether the token can be used at a time.
func (t Token) Good(at time.Time) bool { return at.Before(t.Until) }

// End makes a token end at a time, unless it ends before it.
func (t *Token) End(at time.Time) {
	if at.Before(t.Until) {
		t.Until = at
	}
}

// TokenHash is how a token is known. Tokens are long and random, so that a
// plain hash does not give them away.
func TokenHash(secret string) []byte {
	sum := sha256.Sum256([]byte("ducat agreement token\x00" + secret))
	return sum[:]
}

// Grant is what a payer's consent, or a refresh, gives the merchant. A grant
// whose RefreshUntil is zero cannot be renewed.
type Grant struct {
	At           time.Time
	AccessUntil  time.Time
	RefreshUntil time.Time
}

// check returns when the last of the grant's tokens ends.
func (g Grant) check(id string) (time.Time, error) {
	until := g.AccessUntil
	if g.RefreshUntil.After(until) {
		until = g.RefreshUntil
	}
	if !g.At.Before(g.AccessUntil) || !g.RefreshUntil.IsZero() && !g.At.Before(g.RefreshUntil) {
		return until, fmt.Errorf("agreement %s: tokens given out at %s would end at %s and %s", id, g.At, g.AccessUntil, g.RefreshUntil)
	}
	return until, nil
}
