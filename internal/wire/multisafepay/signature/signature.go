// Package signature makes and checks the signature of MultiSafepay's POST
// notifications (reference §12.4):
//
//	sig  = lower-case hex( HMAC-SHA512( API key, ts ":" body ) )
//	Auth = base64( ts ":" sig )
//
// ts is Unix seconds of the wall clock in decimal; receivers refuse one older
// than 600 s. The body is signed byte for byte.
package signature

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// ErrInvalid says that a header is not the signature of a body under a key.
var ErrInvalid = errors.New("signature: the notification was not signed with this key")

// ErrOld says that a signature is older than the receiver accepts.
var ErrOld = errors.New("signature: the notification is too old")

// Header returns the value of the header Auth. White space around the key is
// not part of it.
func Header(unix int64, body []byte, key string) string {
	ts := strconv.FormatInt(unix, 10)
	return base64.StdEncoding.EncodeToString([]byte(ts + ":" + sum(ts, body, key)))
}

func sum(ts string, body []byte, key string) string {
	mac := hmac.New(sha512.New, []byte(strings.TrimSpace(key)))
	mac.Write([]byte(ts + ":"))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify checks a header the way the official verifiers do. With within zero the
// age is not checked.
func Verify(header string, body []byte, key string, now time.Time, within time.Duration) error {
	b, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return ErrInvalid
	}
	ts, sig, ok := strings.Cut(string(b), ":")
	unix, err := strconv.ParseInt(ts, 10, 64)
	if !ok || err != nil {
		return ErrInvalid
	}
	if !hmac.Equal([]byte(strings.ToLower(sig)), []byte(sum(ts, body, key))) {
		return ErrInvalid
	}
	if within > 0 && now.Sub(time.Unix(unix, 0)) > within {
		return ErrOld
	}
	return nil
}
