// Package ticket makes and reads events tokens: what lets a browser or a till
// watch one order without the site's key (reference §2, "events token").
//
// A ticket is a JSON Web Token of exactly one form, signed with HMAC-SHA256. It
// names a payment session and an instant; whoever holds it may watch that
// session's order until then, and do nothing else.
package ticket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Grants are the channels that a ticket opens.
const (
	Orders = "mbus:session.order"
	QR     = "mbus:session.qr"
)

var grants = []string{Orders, QR}

// subject is who holds a ticket, in the words of the published example.
const subject = "pr"

// lenMax bounds what is looked at.
const lenMax = 1024

// Errors of Parse.
var (
	ErrInvalid = errors.New("ticket: not one of ours")
	ErrOver    = errors.New("ticket: its time is over")
)

// claims are the payload, in the order of the published example.
type claims struct {
	Expires int64    `json:"exp"` // Unix seconds
	Grants  []string `json:"grt"`
	Session string   `json:"pid"`
	Subject string   `json:"sub"`
}

var encoding = base64.RawURLEncoding.Strict()

// head is the first part of every ticket.
var head = encoding.EncodeToString([]byte(`{"alg":"HS256"}`))

// Issue makes a ticket for a session, good until an instant.
func Issue(secret []byte, session string, until time.Time) string {
	payload, err := json.Marshal(claims{Expires: until.Unix(), Grants: grants, Session: session, Subject: subject})
	if err != nil {
		panic(err) // numbers and texts
	}
	ticket := make([]byte, 0, len(head)+len(".")+encoding.EncodedLen(len(payload))+len(".")+encoding.EncodedLen(sha256.Size))
	return string(sign(secret, encoding.AppendEncode(append(append(ticket, head...), '.'), payload)))
}

// sign appends the last part of a ticket.
func sign(secret, ticket []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(ticket)
	return encoding.AppendEncode(append(ticket, '.'), h.Sum(nil))
}

// Parse returns the session that a ticket is for and until when it is good. The
// signature is judged before anything of the payload is.
func Parse(secret []byte, ticket string, at time.Time) (session string, until time.Time, err error) {
	if len(ticket) > lenMax {
		return "", time.Time{}, ErrInvalid
	}
	cut := strings.LastIndexByte(ticket, '.')
	if cut < 0 || !hmac.Equal([]byte(ticket), sign(secret, []byte(ticket[:cut]))) {
		return "", time.Time{}, ErrInvalid
	}
	first, second, ok := strings.Cut(ticket[:cut], ".")
	payload, err := encoding.DecodeString(second)
	if !ok || first != head || err != nil {
		return "", time.Time{}, ErrInvalid
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil || c.Subject != subject || c.Session == "" {
		return "", time.Time{}, ErrInvalid
	}
	if until = time.Unix(c.Expires, 0).UTC(); !at.Before(until) {
		return "", time.Time{}, ErrOver
	}
	return c.Session, until, nil
}
