package ticket

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	secret  = []byte("a secret of the installation")
	noon    = time.Date(2026, 9, 10, 12, 0, 0, 0, time.UTC)
	session = "8035OnwUENVtofBaUh4h2PIL3k7szAQMeK5"
)

// TestForm compares with the token of the published example, whose parts can be
// read without its key.
func TestForm(t *testing.T) {
	t.Parallel()
	const published = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NDQ4MDQ4NjgsImdydCI6WyJtYnVzOnNlc3Npb24ub3JkZXIiLCJtYnVzOnNlc3Npb24ucXIiXSwicGlkIjoiODAzNU9ud1VFTlZ0b2ZCYVVoNGgyUElMM2s3c3pBUU1lSzUiLCJzdWIiOiJwciJ9"
	got := Issue(secret, session, time.Unix(1744804868, 0))
	if signed := got[:strings.LastIndexByte(got, '.')]; signed != published {
		t.Errorf("signed part %s\nwant %s", signed, published)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	good := Issue(secret, session, noon.Add(time.Hour))
	signed := func(head, payload string) string {
		s := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		return string(sign(secret, []byte(s)))
	}
	for _, c := range []struct {
		name, ticket string
		at           time.Time
		want         error
	}{
		{"good", good, noon, nil},
		{"its last second", good, noon.Add(time.Hour - time.Second), nil},
		{"over", good, noon.Add(time.Hour), ErrOver},
		{"another secret", Issue([]byte("x"), session, noon.Add(time.Hour)), noon, ErrInvalid},
		{"no signature", good[:strings.LastIndexByte(good, '.')+1], noon, ErrInvalid},
		{"cut", good[:len(good)-1], noon, ErrInvalid},
		{"empty", "", noon, ErrInvalid},
		{"long", strings.Repeat("a", lenMax+1), noon, ErrInvalid},
		{"another algorithm", signed(`{"alg":"none"}`, `{"exp":9999999999,"pid":"`+session+`","sub":"pr"}`), noon, ErrInvalid},
		{"another subject", signed(`{"alg":"HS256"}`, `{"exp":9999999999,"pid":"`+session+`","sub":"xx"}`), noon, ErrInvalid},
		{"no session", signed(`{"alg":"HS256"}`, `{"exp":9999999999,"sub":"pr"}`), noon, ErrInvalid},
		{"no JSON", signed(`{"alg":"HS256"}`, `exp`), noon, ErrInvalid},
	} {
		got, until, err := Parse(secret, c.ticket, c.at)
		if !errors.Is(err, c.want) || err == nil && (got != session || !until.Equal(noon.Add(time.Hour))) {
			t.Errorf("%s: %q until %s, %v; want %v", c.name, got, until, err, c.want)
		}
	}
}

// FuzzParse looks for a ticket that is accepted without having been issued.
func FuzzParse(f *testing.F) {
	good := Issue(secret, session, noon.Add(time.Hour))
	f.Add(good)
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, s string) {
		got, until, err := Parse(secret, s, noon)
		if err != nil {
			return
		}
		if Issue(secret, got, until) != s {
			b, _ := json.Marshal(s)
			t.Errorf("accepted %s", b)
		}
	})
}
