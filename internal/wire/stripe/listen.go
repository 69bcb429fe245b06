package stripe

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// The command line tool gets events and a request log over a socket instead of
// by webhooks (stripe-platform §16.2): it asks for a session, and connects with
// the session's id. A session is a row, so that any node can serve its socket and
// nothing is lost while the tool connects anew, which it does every minute.

const kindSession = "stripe.cli_session"

// ListenPath is where the tool's socket is.
const ListenPath = "/v1/stripecli/subscribe"

// Features of a session.
const (
	featureWebhooks = "webhooks"
	featureThin     = "v2_events" // accepted; there are none
	featureLogs     = "request_logs"
)

const (
	// sessionFor is how long a session is remembered that nobody is connected
	// with, on the wall's time.
	sessionFor = 10 * time.Minute
	// sessionSeen is how often a connected session is marked as such.
	sessionSeen = time.Minute
	// sessionsMax is how many sessions an account may have at once.
	sessionsMax = 50
	// reconnectDelay is after how many seconds the tool connects anew.
	reconnectDelay = 60
	// deviceMax is how long a device's name may be, in characters.
	deviceMax = 255
)

// sessionBody is a session of the command line tool.
type sessionBody struct {
	Feature string     `json:"feature"`
	Device  string     `json:"device"`
	Key     []byte     `json:"key"` // hash of the key it was asked for with, which it ends with
	Filters logFilters `json:"filters"`
	Seen    time.Time  `json:"seen"`            // on the wall's time: somebody was connected
	From    string     `json:"from"`            // the place from which events are looked for
	Told    []string   `json:"told,omitempty"`  // those after it that were sent already
	Again   []string   `json:"again,omitempty"` // events that are to be sent once more
}

func (b sessionBody) expired(wall time.Time) bool { return wall.Sub(b.Seen) > sessionFor }

// sessions calls fn with every session of the account, at most a few more than
// there may be.
func sessions(r store.Reader, fn func(row resource.Row, b sessionBody) error) error {
	rows, err := r.Resources(store.List{Kind: kindSession, Limit: 2 * sessionsMax})
	if err != nil {
		return err
	}
	for _, row := range rows {
		b, err := decodeBody[sessionBody](row)
		if err != nil {
			return err
		}
		if err := fn(row, b); err != nil {
			return err
		}
	}
	return nil
}

func createSession(c *call) (step, error) {
	device, err := must(c.params.Get("device_name"), "device_name", deviceMax)
	if err != nil {
		return step{}, err
	}
	b := sessionBody{Device: device, Key: merchant.KeyHash(c.apiKey)}
	if b.Feature, err = feature(c.params.Get("websocket_features")); err != nil {
		return step{}, err
	}
	if b.Filters, err = readFilters(c.params.Get("filters")); err != nil {
		return step{}, err
	}
	secret, err := c.api.listenSecret(c.ctx, c.principal.account, c.principal.live, device)
	if err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			live := 0
			if err := sessions(t, func(row resource.Row, b sessionBody) error {
				if b.expired(t.Wall) {
					return t.DeleteResource(kindSession, row.ID)
				}
				live++
				return nil
			}); err != nil {
				return err
			}
			if live >= sessionsMax {
				return &wireError{status: http.StatusTooManyRequests, code: "rate_limit", message: fmt.Sprintf("There can be up to %d sessions of the command line tool at once.", sessionsMax)}
			}
			t.Subject = t.NewID("clis_")
			row := newRow(t, kindSession, t.Subject, "", nil)
			b := b
			b.Seen, b.From = t.Wall, row.Sort
			row.Body = encodeBody(b)
			return t.InsertResource(row)
		},
		finish: func(t *engine.Tx) (obj, error) {
			version := accountVersion(t.Who)
			return obj{
				"default_version": version, "device_token": nil, "display_connect_filter_warning": len(b.Filters.Account) > 0,
				"latest_version": versions[len(versions)-1], "reconnect_delay": reconnectDelay, "secret": secret,
				"websocket_authorized_feature": b.Feature, "websocket_id": socketID(t.Who.ID, t.Subject), "websocket_url": c.socketURL(),
			}, nil
		},
	}, nil
}

// feature is the one of the features asked for that the session has.
func feature(v form.Value) (string, error) {
	if v.Kind() == form.Missing {
		return "", missingParam("websocket_features")
	}
	if v.Kind() != form.List {
		return "", invalid("", "websocket_features", "Invalid array")
	}
	all := []string{featureWebhooks, featureThin, featureLogs}
	for i, item := range v.Items() {
		if _, _, err := oneOf(item, fmt.Sprintf("websocket_features[%d]", i), all...); err != nil {
			return "", err
		}
	}
	return v.Items()[0].String(), nil
}

// socketURL is where the caller's socket is: at the host the caller has reached,
// which may be the end of a tunnel.
func (c *call) socketURL() string {
	scheme := "ws"
	if own, err := url.Parse(c.api.config.BaseURL); c.request.TLS != nil || err == nil && own.Scheme == "https" && own.Host == c.request.Host {
		scheme = "wss"
	}
	return scheme + "://" + c.request.Host + ListenPath
}

// socketID names a session to whoever has no key: the tool connects with it alone.
func socketID(merchantID int64, session string) string {
	return "cliws_" + strconv.FormatInt(merchantID, 36) + "_" + strings.TrimPrefix(session, "clis_")
}

func parseSocketID(id string) (merchantID int64, session string, ok bool) {
	rest, ok := strings.CutPrefix(id, "cliws_")
	who, random, cut := strings.Cut(rest, "_")
	merchantID, err := strconv.ParseInt(who, 36, 64)
	return merchantID, "clis_" + random, ok && cut && err == nil
}

// listenSeed is what the secrets of the command line tool are made of; all nodes
// agree on it.
type listenSeed struct {
	mu   sync.Mutex
	seed []byte
}

// listenSecret is what events for a device are signed with. It is the same for
// every session, so that it can be put into a program's configuration.
func (a *API) listenSecret(ctx context.Context, account string, live bool, device string) (string, error) {
	a.listenSeed.mu.Lock()
	defer a.listenSeed.mu.Unlock()
	if a.listenSeed.seed == nil {
		seed, err := a.engine.Store.Setting(ctx, "stripe.listen_secret", []byte(a.engine.IDs.Random(43)))
		if err != nil {
			return "", err
		}
		a.listenSeed.seed = seed
	}
	mac := hmac.New(sha256.New, a.listenSeed.seed)
	fmt.Fprintf(mac, "%s\x00%t\x00%s", account, live, device)
	return "whsec_" + hex.EncodeToString(mac.Sum(nil)), nil
}

// unknownSocket is what the tool takes as a request for a new session.
const unknownSocket = "Unknown WebSocket ID."

// errSessionOver ends a socket whose session was forgotten, as by a reset.
var errSessionOver = errors.New("stripe: the session is over")

// sendAgain has every session of the account's tools told of an event once more.
func sendAgain(t *engine.Tx, eventID string) error {
	return sessions(t, func(row resource.Row, b sessionBody) error {
		if b.Feature != featureWebhooks || slices.Contains(b.Again, eventID) {
			return nil
		}
		b.Again = append(b.Again, eventID)
		b.Again = b.Again[max(0, len(b.Again)-rememberedMax):]
		row.Body = encodeBody(b)
		return t.UpdateResource(row)
	})
}

func sessionOf(r store.Reader, rowID string) (resource.Row, sessionBody, error) {
	return storedBody[sessionBody](r, kindSession, rowID)
}

// session finds the session of a socket.
func (a *API) session(ctx context.Context, id string) (merchant.Merchant, sessionBody, string, error) {
	merchantID, rowID, ok := parseSocketID(id)
	if !ok {
		return merchant.Merchant{}, sessionBody{}, "", store.ErrNotFound
	}
	var who merchant.Merchant
	var b sessionBody
	err := a.engine.View(ctx, merchantID, func(r store.Reader, m merchant.Merchant, _ time.Time) error {
		who = m
		var err error
		if _, b, err = sessionOf(r, rowID); err == nil && b.expired(a.engine.Clock.Now()) {
			err = store.ErrNotFound
		}
		return err
	})
	if err == nil {
		err = a.sessionStands(ctx, merchantID, b.Key)
	}
	return who, b, rowID, err
}

// sessionStands refuses a session whose key was revoked.
func (a *API) sessionStands(ctx context.Context, merchantID int64, key []byte) error {
	ok, err := a.engine.KeyStands(ctx, merchantID, key, "secret", "restricted")
	if err == nil && !ok {
		err = store.ErrNotFound
	}
	return err
}

// logFilters limit a request log. Empty ones let everything through.
type logFilters struct {
	Account        []string `json:"filter_account,omitempty"`
	Address        []string `json:"filter_ip_address,omitempty"`
	Method         []string `json:"filter_http_method,omitempty"`
	Path           []string `json:"filter_request_path,omitempty"`
	Status         []string `json:"filter_request_status,omitempty"`
	Source         []string `json:"filter_source,omitempty"`
	StatusCode     []string `json:"filter_status_code,omitempty"`
	StatusCodeType []string `json:"filter_status_code_type,omitempty"`
}

func readFilters(v form.Value) (f logFilters, err error) {
	s, _, err := text(v, "filters", 0)
	if err != nil || s == "" {
		return f, err
	}
	if err := json.Unmarshal([]byte(s), &f); err != nil {
		return f, invalid("", "filters", "Invalid filters: they are a JSON object of lists.")
	}
	return f, nil
}

// logged is a request, as a tool that reads the log sees it.
type loggedRequest struct {
	id, method, path, address string
	status                    int
	live                      bool
	at                        time.Time
	refusal                   *wireError // nil if there was none
}

// admits reports whether a request is to be shown.
func (f logFilters) admits(q loggedRequest) bool {
	outcome := "SUCCEEDED"
	if q.status >= 400 {
		outcome = "FAILED"
	}
	for _, c := range []struct {
		wanted []string
		have   string
	}{
		{f.Address, q.address},
		{f.Method, q.method},
		{f.Path, q.path},
		{f.Status, outcome},
		{f.Source, "API"},
		{f.StatusCode, strconv.Itoa(q.status)},
		{f.StatusCodeType, strconv.Itoa(q.status/100) + "XX"},
	} {
		if len(c.wanted) > 0 && !slices.ContainsFunc(c.wanted, func(s string) bool { return strings.EqualFold(s, c.have) }) {
			return false
		}
	}
	return true
}

// tails are the logs that are being read at this node.
type tails struct {
	mu sync.RWMutex
	by map[int64]map[chan loggedRequest]bool
}

// tailBuffer is how many requests a reader may be behind; what is more is lost.
const tailBuffer = 256

func (l *tails) join(merchantID int64) (log chan loggedRequest, leave func()) {
	log = make(chan loggedRequest, tailBuffer)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[int64]map[chan loggedRequest]bool{}
	}
	if l.by[merchantID] == nil {
		l.by[merchantID] = map[chan loggedRequest]bool{}
	}
	l.by[merchantID][log] = true
	return log, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if delete(l.by[merchantID], log); len(l.by[merchantID]) == 0 {
			delete(l.by, merchantID)
		}
	}
}

// tell shows a request to those who read the account's log.
func (l *tails) tell(c *call, status int, refusal *wireError) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	readers := l.by[c.principal.merchantID]
	if len(readers) == 0 {
		return
	}
	q := loggedRequest{
		id: c.requestID, method: c.request.Method, path: c.request.URL.Path, status: status, live: c.principal.live,
		at: c.api.engine.Clock.Now(), refusal: refusal,
	}
	q.address, _, _ = strings.Cut(c.request.RemoteAddr, ":")
	for log := range readers {
		select {
		case log <- q:
		default: // it reads too slowly
		}
	}
}
