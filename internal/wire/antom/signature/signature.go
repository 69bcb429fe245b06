// Package signature signs and verifies Antom's requests, answers and
// notifications: RSA with SHA-256 over the exact bytes sent (antom §2.3), and
// reads and writes the keys in the forms the SDKs take (§2.5).
package signature

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Algorithm is the only one there is.
const Algorithm = "RSA256"

// Header is a parsed signature header.
type Header struct {
	Algorithm  string
	KeyVersion int // 0: the newest
	Value      []byte
}

// headerMax bounds a header; a 4096-bit signature takes less than 1,200 bytes.
const headerMax = 4096

// ErrHeader is returned for a header that cannot be a signature.
var ErrHeader = errors.New("signature: malformed header")

// ParseHeader reads a signature header: parts separated by commas, blanks around
// them ignored, each split at its first "=", unknown ones skipped, RSA256 unless
// it says otherwise.
func ParseHeader(s string) (Header, error) {
	if len(s) > headerMax {
		return Header{}, ErrHeader
	}
	h := Header{Algorithm: Algorithm}
	value := ""
	for part := range strings.SplitSeq(s, ",") {
		name, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			continue
		}
		switch strings.TrimSpace(name) {
		case "algorithm":
			h.Algorithm = strings.TrimSpace(v)
		case "keyVersion":
			n, err := strconv.Atoi(strings.TrimSpace(v))
			if err != nil || n < 1 {
				return Header{}, fmt.Errorf("%w: keyVersion %q", ErrHeader, v)
			}
			h.KeyVersion = n
		case "signature":
			value = strings.TrimSpace(v)
		}
	}
	if h.Algorithm != Algorithm {
		return Header{}, fmt.Errorf("%w: algorithm %q", ErrHeader, h.Algorithm)
	}
	// Percent-encoded or raw base64: only the former has a "%". Decoding turns a
	// raw "+" into a blank, which base64 does not have.
	if strings.Contains(value, "%") {
		decoded, err := url.QueryUnescape(value)
		if err != nil {
			return Header{}, fmt.Errorf("%w: percent-encoding", ErrHeader)
		}
		value = strings.ReplaceAll(decoded, " ", "+")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(b) == 0 {
		return Header{}, fmt.Errorf("%w: base64", ErrHeader)
	}
	h.Value = b
	return h, nil
}

// String writes the header as the SDKs read it: this order, no blanks.
func (h Header) String() string {
	return "algorithm=" + h.Algorithm + ",keyVersion=" + strconv.Itoa(h.KeyVersion) + ",signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(h.Value))
}

// Message is what is signed. Path includes the query and is as sent, Time is the
// header's text, Body the raw bytes.
type Message struct {
	Method, Path, Client, Time string
	Body                       []byte
}

// digest hashes the string to sign.
func (m Message) digest() []byte {
	h := sha256.New()
	for _, s := range []string{m.Method, " ", m.Path, "\n", m.Client, ".", m.Time, "."} {
		_, _ = io.WriteString(h, s)
	}
	h.Write(m.Body)
	return h.Sum(nil)
}

// Sign returns the header of a message.
func Sign(key *rsa.PrivateKey, version int, m Message) (Header, error) {
	v, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, m.digest())
	return Header{Algorithm: Algorithm, KeyVersion: version, Value: v}, err
}

// Verify reports whether a header is the signature of a message by a key.
func Verify(key *rsa.PublicKey, h Header, m Message) bool {
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, m.digest(), h.Value) == nil
}

// Sizes of keys, in bits.
const (
	KeyBits    = 2048 // of keys we make
	keyBitsMax = 4096
)

// Generate makes a key pair.
func Generate() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, KeyBits) }

// der finds the DER of a key given as PEM or as base64 on one line or several.
func der(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes, nil
	}
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(b) == 0 {
		return nil, errors.New("it is neither PEM nor base64")
	}
	return b, nil
}

// ParsePublic reads a public key: SubjectPublicKeyInfo, base64 without a frame
// or PEM, of 2048 to 4096 bits.
func ParsePublic(text string) (*rsa.PublicKey, error) {
	b, err := der(text)
	if err != nil {
		return nil, err
	}
	k, err := x509.ParsePKIXPublicKey(b)
	if err != nil {
		return nil, errors.New("it is not an X.509 SubjectPublicKeyInfo")
	}
	pub, ok := k.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("it is not an RSA key")
	}
	if n := pub.N.BitLen(); n < KeyBits || n > keyBitsMax {
		return nil, fmt.Errorf("it has %d bits; %d to %d are accepted", n, KeyBits, keyBitsMax)
	}
	return pub, nil
}

// ParsePrivate reads a private key, PKCS#8 or PKCS#1.
func ParsePrivate(text string) (*rsa.PrivateKey, error) {
	b, err := der(text)
	if err != nil {
		return nil, err
	}
	if k, err := x509.ParsePKCS8PrivateKey(b); err == nil {
		if key, ok := k.(*rsa.PrivateKey); ok {
			return key, nil
		}
		return nil, errors.New("it is not an RSA key")
	}
	return x509.ParsePKCS1PrivateKey(b)
}

// Public writes a public key as the SDKs take it: one line of base64.
func Public(k *rsa.PublicKey) string {
	b, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic("signature: " + err.Error()) // an RSA key always marshals
	}
	return base64.StdEncoding.EncodeToString(b)
}

// PKCS8 writes a private key for the Java, Go, .NET and PHP SDKs.
func PKCS8(k *rsa.PrivateKey) string {
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic("signature: " + err.Error())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// PKCS1 writes a private key for the Python SDK, which puts a PKCS#1 frame
// around whatever it is given.
func PKCS1(k *rsa.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(k))
}
