package antom

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/antom/signature"
)

// client is a client id with its merchant and public keys, as last read.
type client struct {
	id         string
	merchantID int64
	account    string
	live       bool
	keys       map[int]*rsa.PublicKey // by version
	newest     int
	read       time.Time // wall
}

// sandboxID is the shape of a client id that opens a world on first use.
var sandboxID = regexp.MustCompile(`^SANDBOX_([0-9A-Za-z]{8,50})$`)

// SandboxAccount returns the account a sandbox client id stands for: the same as
// that of the test keys of other dialects with the same ending.
func SandboxAccount(clientID string) (string, bool) {
	m := sandboxID.FindStringSubmatch(clientID)
	if m == nil {
		return "", false
	}
	return merchant.AccountFor(m[1]), true
}

// clientFor is how long what was read about a client is believed, so that a key
// withdrawn on another node stops working.
const clientFor = 10 * time.Second

// clientsMax bounds the memory of clients.
const clientsMax = 1 << 14

// clients remembers clients with their keys parsed.
type clients struct {
	mu   sync.RWMutex
	byID map[string]*client
}

func (s *clients) get(id string, wall time.Time) *client {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.byID[id]; c != nil && wall.Sub(c.read) < clientFor {
		return c
	}
	return nil
}

func (s *clients) put(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil || len(s.byID) >= clientsMax {
		s.byID = map[string]*client{}
	}
	s.byID[c.id] = c
}

func (s *clients) forget(merchantID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.byID {
		if c.merchantID == merchantID {
			delete(s.byID, id)
		}
	}
}

// merchantOf finds the merchant of a client id, creating a sandbox on first use.
func (a *API) merchantOf(ctx context.Context, clientID string) (int64, error) {
	unknown := refuse("INVALID_CLIENT", "The client id is unknown.")
	cred, err := a.worlds.Credential(ctx, clientID)
	switch {
	case err == nil && (cred.Revoked || cred.Kind != CredentialKind):
		return 0, unknown
	case err == nil:
		return cred.Merchant, nil
	case !errors.Is(err, store.ErrNotFound):
		return 0, err
	}
	account, ok := SandboxAccount(clientID)
	if !ok || !a.config.Sandbox {
		return 0, unknown
	}
	id, err := a.worlds.Sandbox(ctx, account)
	if fault.CodeOf(err) == "not_a_sandbox" {
		return 0, unknown
	}
	return id, err
}

// CredentialKind is the kind of the credential a provisioned client id is.
const CredentialKind = "client"

// load reads a client and its keys.
func (a *API) load(ctx context.Context, clientID string) (*client, error) {
	c := &client{id: clientID, keys: map[int]*rsa.PublicKey{}, read: a.engine.Clock.Now()}
	var err error
	if c.merchantID, err = a.merchantOf(ctx, clientID); err != nil {
		return nil, err
	}
	err = a.engine.Store.View(ctx, c.merchantID, func(r store.Reader) error {
		m, err := r.Merchant()
		if err != nil {
			return err
		}
		c.account, c.live = m.Account, m.Live
		rows, err := r.Resources(store.List{Kind: kindKey, Limit: keysMax})
		for _, row := range rows {
			var b keyBody
			if err := json.Unmarshal(row.Body, &b); err != nil {
				return err
			}
			if b.Client != clientID || b.Revoked {
				continue
			}
			k, err := signature.ParsePublic(b.Public)
			if err != nil {
				return fmt.Errorf("key %s: %w", row.ID, err)
			}
			c.keys[b.Version] = k
			c.newest = max(c.newest, b.Version)
		}
		return err
	})
	if err == nil {
		a.clients.put(c)
	}
	return c, err
}

// admit finds the client and verifies the signature (antom §2.8, steps 2 and 3).
// It returns a client only if the signature is good.
func (a *API) admit(r *http.Request, signed, clientID string, body []byte) (*client, error) {
	if clientID == "" {
		return nil, refuse("INVALID_CLIENT", "The header client-id is missing.")
	}
	bad := refuse("INVALID_SIGNATURE", "The signature is invalid.")
	header, herr := signature.ParseHeader(r.Header.Get("Signature"))
	m := signature.Message{Method: r.Method, Path: signed, Client: clientID, Time: r.Header.Get("Request-Time"), Body: body}
	if c := a.clients.get(clientID, a.engine.Clock.Now()); c != nil && herr == nil && c.verifies(header, m) {
		return c, nil
	}
	// What is remembered may be out of date: a key may have been added since.
	c, err := a.load(r.Context(), clientID)
	switch {
	case err != nil:
		return nil, err
	case len(c.keys) == 0:
		return nil, refuse("KEY_NOT_FOUND", "No public key is registered for the client; register one with POST /_ducat/v1/antom/keys or: ducat antom keys")
	case herr != nil:
		return nil, bad
	case header.KeyVersion != 0 && c.keys[header.KeyVersion] == nil:
		return nil, refuse("KEY_NOT_FOUND", "No public key of version %d is registered for the client.", header.KeyVersion)
	case m.Time == "":
		return nil, refuse("INVALID_SIGNATURE", "The header request-time is missing.")
	case !c.verifies(header, m):
		return nil, bad
	}
	return c, nil
}

func (c *client) verifies(h signature.Header, m signature.Message) bool {
	v := h.KeyVersion
	if v == 0 {
		v = c.newest
	}
	k := c.keys[v]
	return k != nil && m.Time != "" && signature.Verify(k, h, m)
}

const kindKey = "antom.key"

// keysMax bounds the keys of a merchant.
const keysMax = 100

// keyBody is a merchant's public key.
type keyBody struct {
	Client  string `json:"client"`
	Version int    `json:"version"`
	Public  string `json:"public"`
	Revoked bool   `json:"revoked,omitempty"`
}

// registerKey stores a public key as the next version of a client's.
func registerKey(t *engine.Tx, clientID, public string) (int, error) {
	k, err := signature.ParsePublic(public)
	if err != nil {
		return 0, fault.Newf(fault.Invalid, "bad_key", "public_key cannot be used: %v.", err)
	}
	rows, err := t.Resources(store.List{Kind: kindKey, Limit: keysMax})
	if err != nil {
		return 0, err
	}
	if len(rows) == keysMax {
		return 0, fault.Newf(fault.Invalid, "too_many_keys", "A merchant can have at most %d keys.", keysMax)
	}
	version := 1
	for _, row := range rows {
		var b keyBody
		if err := json.Unmarshal(row.Body, &b); err != nil {
			return 0, err
		}
		if b.Client == clientID {
			version = max(version, b.Version+1)
		}
	}
	b := keyBody{Client: clientID, Version: version, Public: signature.Public(k)}
	return version, t.InsertResource(newRow(t, kindKey, keyID(clientID, version), "", b))
}

func keyID(clientID string, version int) string { return clientID + "/" + strconv.Itoa(version) }

// newRow makes a row whose id is not one of ours.
func newRow(t *engine.Tx, kind, rowID, paymentID string, body any, keys ...resource.Key) resource.Row {
	return resource.Row{Kind: kind, ID: rowID, Sort: sortOf(t.NewID("row_")), Payment: paymentID, Created: t.At, Body: encodeBody(body), Keys: keys}
}

// secrets are the installation's: the key answers and notifications are signed
// with, and the one tokens are made with. All nodes agree on them.
type secrets struct {
	mu    sync.Mutex
	rsa   *rsa.PrivateKey
	token []byte
}

// ourVersion is the version of our own key.
const ourVersion = 1

// Names of the installation's settings.
const (
	signingKey = "antom.signing_key"
	tokenKey   = "antom.token_key"
)

// Warm reads the installation's secrets, so that nobody has to do it inside a
// transaction. The signing key takes a moment to make and is made when a
// merchant first registers a key of its own.
func (a *API) Warm(ctx context.Context) error {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	token, err := a.engine.Store.Setting(ctx, tokenKey, random)
	if err != nil {
		return err
	}
	a.secrets.mu.Lock()
	a.secrets.token = token
	a.secrets.mu.Unlock()
	if _, err := a.signer(ctx, false); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// signer returns our signing key, making it if asked to.
func (a *API) signer(ctx context.Context, create bool) (*rsa.PrivateKey, error) {
	a.secrets.mu.Lock()
	key := a.secrets.rsa
	a.secrets.mu.Unlock()
	if key != nil {
		return key, nil
	}
	text, err := a.engine.Store.Setting(ctx, signingKey, nil)
	if errors.Is(err, store.ErrNotFound) && create {
		var made *rsa.PrivateKey
		if made, err = signature.Generate(); err != nil {
			return nil, err
		}
		text, err = a.engine.Store.Setting(ctx, signingKey, []byte(signature.PKCS8(made)))
	}
	if err != nil {
		return nil, fmt.Errorf("the installation's signing key: %w", err)
	}
	if key, err = signature.ParsePrivate(string(text)); err != nil {
		return nil, fmt.Errorf("the installation's signing key: %w", err)
	}
	a.secrets.mu.Lock()
	defer a.secrets.mu.Unlock()
	a.secrets.rsa = key
	return key, nil
}

// sign writes the signature header of a message of ours.
func (a *API) sign(ctx context.Context, m signature.Message) (string, error) {
	key, err := a.signer(ctx, false)
	if err != nil {
		return "", err
	}
	h, err := signature.Sign(key, ourVersion, m)
	return h.String(), err
}

// PublicKey returns our public key as the SDKs take it.
func (a *API) PublicKey(ctx context.Context) (string, error) {
	key, err := a.signer(ctx, true)
	if err != nil {
		return "", err
	}
	return signature.Public(&key.PublicKey), nil
}

// secret makes a token of an agreement. It derives from the installation's key,
// so that it can be shown again without having been stored.
func (a *API) secret(merchantID int64, agreementID string, kind agreement.TokenKind, generation int64) string {
	a.secrets.mu.Lock()
	key := a.secrets.token
	a.secrets.mu.Unlock()
	if key == nil {
		panic("antom: the installation's secrets have not been read (Warm)")
	}
	mac := hmac.New(sha256.New, key)
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], uint64(merchantID))
	binary.BigEndian.PutUint64(n[8:], uint64(generation))
	mac.Write(n[:])
	mac.Write([]byte(string(kind) + "\x00" + agreementID))
	sum := mac.Sum(nil)
	if kind == agreement.Code {
		return hex.EncodeToString(sum[:16])
	}
	// Digits, as samples show: 128 bits of them (antom §5.2).
	digits := new(big.Int).SetBytes(sum[:16]).String()
	return "28100103" + strings.Repeat("0", 39-len(digits)) + digits
}
