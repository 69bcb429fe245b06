// Package signature writes and checks the Stripe-Signature header of webhook
// deliveries.
//
// The signed text is the decimal timestamp, a full stop and the raw body; the
// key is the whole endpoint secret, whsec_ included. Both functions are pure:
// the caller supplies the time.
//
// Header promises a form that every official SDK accepts: no spaces, one "="
// per element. Verify is for our own tools and tests; it is as strict as the
// strictest SDK, so that what it accepts all of them accept. The caller keeps
// secrets and chooses t, which must be wall-clock time even for an account
// whose own clock is elsewhere, because receivers compare it with theirs.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Name is the name of the header.
const Name = "Stripe-Signature"

// Limits on a header to verify.
const (
	// HeaderLenMax is the length in bytes of a header that Verify reads.
	HeaderLenMax = 4096
	// timestampDigitsMax keeps a timestamp well inside int64.
	timestampDigitsMax = 15
)

// The ways in which Verify refuses.
var (
	// ErrMalformed says that the header does not follow the grammar.
	ErrMalformed = errors.New("signature: malformed header")
	// ErrMismatch says that no v1 signature was made with the secret over the body.
	ErrMismatch = errors.New("signature: no signature matches")
	// ErrTimestamp says that the signature is right and too far from now.
	ErrTimestamp = errors.New("signature: timestamp outside the tolerance")
)

// Header returns the header for body, signed at t (Unix seconds) once with each
// secret: while a secret is being rolled, the old and the new one both sign.
//
// Signing with nothing would deliver events that anyone could have made, so no
// secret, an empty one or a negative t is a bug of the caller and panics.
func Header(t int64, body []byte, secrets ...string) string {
	if t < 0 {
		panic(fmt.Sprintf("signature: t is %d, want Unix seconds", t))
	}
	if len(secrets) == 0 {
		panic("signature: no secret to sign with")
	}
	var b strings.Builder
	b.WriteString("t=" + strconv.FormatInt(t, 10))
	for _, secret := range secrets {
		if secret == "" {
			panic("signature: empty secret")
		}
		b.WriteString(",v1=" + hex.EncodeToString(sum(t, body, secret)))
	}
	return b.String()
}

// decoySecret signs nothing of worth.
const decoySecret = "a receiver that accepts this accepts anything"

// Decoy returns header with a signature of scheme v0 added, as messages of test
// mode have it: it is made with no secret of the endpoint's, and a receiver must
// not take it for one (stripe-platform §9.2).
func Decoy(header string, t int64, body []byte) string {
	return header + ",v0=" + hex.EncodeToString(sum(t, body, decoySecret))
}

// Verify checks that header carries a v1 signature of body made with secret, at
// a time no further than tolerance from now in either direction. Its errors
// match ErrMalformed, ErrMismatch or ErrTimestamp.
func Verify(header string, body []byte, secret string, tolerance time.Duration, now time.Time) error {
	if secret == "" {
		return fmt.Errorf("%w: the secret is empty", ErrMismatch)
	}
	p, err := parse(header)
	if err != nil {
		return err
	}
	want := sum(p.t, body, secret)
	matches := false
	for _, got := range p.v1 {
		// No early exit: the time taken says nothing about which one matched.
		matches = hmac.Equal(got[:], want) || matches
	}
	if !matches {
		return ErrMismatch
	}
	if !within(p.t, now.Unix(), tolerance) {
		return ErrTimestamp
	}
	return nil
}

func sum(t int64, body []byte, secret string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(strconv.AppendInt(nil, t, 10))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return mac.Sum(nil)
}

// within reports whether two instants in Unix seconds are at most tolerance
// apart. The distance is unsigned because the difference of two int64 may not
// fit into one.
func within(t, now int64, tolerance time.Duration) bool {
	if tolerance < 0 {
		return false
	}
	distance := uint64(t) - uint64(now)
	if t < now {
		distance = uint64(now) - uint64(t)
	}
	return distance <= uint64(tolerance/time.Second)
}

// parsed is what a header says.
type parsed struct {
	t  int64
	v1 [][sha256.Size]byte
}

// parse reads a header: elements separated by commas, each a scheme and a value
// around exactly one "="; t once; v1 at least once. Elements of other schemes,
// such as v0, are skipped, as a receiver must do to survive the next scheme.
func parse(header string) (parsed, error) {
	if len(header) > HeaderLenMax {
		return parsed{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, HeaderLenMax)
	}
	var p parsed
	timestamps := 0
	for element := range strings.SplitSeq(header, ",") {
		scheme, value, ok := strings.Cut(element, "=")
		if !ok || scheme == "" || strings.Contains(value, "=") || strings.ContainsAny(element, " \t\r\n") {
			return parsed{}, fmt.Errorf("%w: want elements like t=1 or v1=ab", ErrMalformed)
		}
		var err error
		switch scheme {
		case "t":
			timestamps++
			p.t, err = parseTimestamp(value)
		case "v1":
			var v1 [sha256.Size]byte
			v1, err = parseSum(value)
			p.v1 = append(p.v1, v1)
		}
		if err != nil {
			return parsed{}, err
		}
	}
	if timestamps != 1 {
		return parsed{}, fmt.Errorf("%w: %d timestamps, want one", ErrMalformed, timestamps)
	}
	if len(p.v1) == 0 {
		return parsed{}, fmt.Errorf("%w: no v1 signature", ErrMalformed)
	}
	return p, nil
}

// parseTimestamp accepts only the spelling that Header writes, so that the
// digits received are the digits that were signed.
func parseTimestamp(s string) (int64, error) {
	if len(s) > timestampDigitsMax {
		return 0, fmt.Errorf("%w: timestamp too long", ErrMalformed)
	}
	t, err := strconv.ParseInt(s, 10, 64)
	if err != nil || t < 0 || strconv.FormatInt(t, 10) != s {
		return 0, fmt.Errorf("%w: timestamp is not a decimal number", ErrMalformed)
	}
	return t, nil
}

func parseSum(s string) ([sha256.Size]byte, error) {
	var out [sha256.Size]byte
	if len(s) != hex.EncodedLen(len(out)) || strings.ToLower(s) != s {
		return out, fmt.Errorf("%w: v1 is not %d lower-case hex digits", ErrMalformed, hex.EncodedLen(len(out)))
	}
	if _, err := hex.Decode(out[:], []byte(s)); err != nil {
		return out, fmt.Errorf("%w: v1 is not hex", ErrMalformed)
	}
	return out, nil
}
