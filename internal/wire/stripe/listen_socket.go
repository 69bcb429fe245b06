package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/signature"
)

// listenProtocol is what the tool speaks over its socket.
const listenProtocol = "stripecli-devproxy-v1"

const (
	// listenEvery is how often a socket looks whether something happened.
	listenEvery = 200 * time.Millisecond
	// listenOverlap is how long, on the account's clock, an event can come to
	// light after a later one where transactions overlap.
	listenOverlap = 2 * time.Second
	// newsMax is how many events are read at a time.
	newsMax = 200
	// rememberedMax is how many events that were sent are remembered while the tool
	// connects anew.
	rememberedMax = 1000
	// listenMessageMax bounds a message of the tool's, in bytes: what a program
	// answered, shortened to 5,000, and its headers.
	listenMessageMax = 256 << 10
	// keyCheckEvery is how soon a socket ends whose key was revoked.
	keyCheckEvery = 10 * time.Second
	// listenLooksMax is how many looks a second a node affords: with more sockets
	// each is told less promptly.
	listenLooksMax = 250
	// listenersMax is how many sockets a node has at once.
	listenersMax = 1000
	// listenSendWithin is how long the tool may take to accept a message.
	listenSendWithin = 10 * time.Second
)

// serveSocket is the other end of `stripe listen` and `stripe logs tail`.
func (a *API) serveSocket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.listeners.leaving, cancel)()
	r = r.WithContext(ctx) // who is replaced while reading stops reading
	l, err := a.openSocket(r)
	if err == nil {
		leave, ok := a.listeners.enter(l.session, cancel)
		defer leave()
		if ok {
			l, err = a.openSocket(r) // what the one before it was told
		} else {
			w.Header().Set("Retry-After", "5")
			err = &wireError{status: http.StatusTooManyRequests, code: "rate_limit", message: "There are too many sockets of the command line tool at present."}
		}
	}
	if err != nil {
		we := translate(err)
		if we.status >= 500 {
			a.log.Error("a socket could not be opened", "error", err)
		}
		maps.Copy(w.Header(), always)
		w.WriteHeader(we.status)
		_, _ = w.Write(we.envelope("", a.config.BaseURL, a.engine.Clock.Now()))
		return
	}
	l.conn, err = websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{listenProtocol}})
	if err != nil {
		return // Accept has answered
	}
	// One that is not closed properly makes the tool connect again.
	defer func() { _ = l.conn.CloseNow() }()
	l.conn.SetReadLimit(listenMessageMax)
	go func() {
		defer cancel()
		l.hear(ctx)
	}()
	go func() {
		defer cancel()
		l.guard(ctx)
	}()
	if err := l.serve(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errSessionOver) {
		a.log.Warn("a socket was closed", "error", err)
	}
}

// openSocket finds the session a socket is for.
func (a *API) openSocket(r *http.Request) (*listener, error) {
	who, b, rowID, err := a.session(r.Context(), r.Header.Get("Websocket-Id"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, &wireError{status: http.StatusUnauthorized, message: unknownSocket}
	}
	if err != nil {
		return nil, err
	}
	if f := r.URL.Query().Get("websocket_feature"); f != b.Feature {
		return nil, invalid("", "websocket_feature", "This session is for the feature %s, not for %s.", b.Feature, printable(f))
	}
	l := &listener{api: a, who: who, session: rowID, key: b.Key, filters: b.Filters, from: b.From, told: map[string]bool{}}
	for _, id := range b.Told {
		l.told[id] = true
	}
	l.secret, err = a.listenSecret(r.Context(), who.Account, who.Live, b.Device)
	l.serve = l.events
	if b.Feature == featureLogs {
		l.serve = l.requests
	}
	return l, err
}

// listeners are the sockets of this node, by session: there is one of each, and
// it knows when it has to go.
type listeners struct {
	mu      sync.Mutex
	by      map[string]*seat
	max     int // how many there may be
	leaving context.Context
	dismiss context.CancelFunc
}

// seat is a socket's place.
type seat struct {
	cancel context.CancelFunc
	left   chan struct{}
}

func newListeners() *listeners {
	l := &listeners{by: map[string]*seat{}, max: listenersMax}
	l.leaving, l.dismiss = context.WithCancel(context.Background())
	return l
}

// enter takes the session's place, from the socket that had it: the tool has given
// that one up, whether this node has noticed or not. A session without a place gets
// one if there is room.
func (l *listeners) enter(session string, cancel context.CancelFunc) (leave func(), ok bool) {
	mine := &seat{cancel, make(chan struct{})}
	l.mu.Lock()
	before := l.by[session]
	if before == nil && len(l.by) >= l.max {
		l.mu.Unlock()
		return func() {}, false
	}
	l.by[session] = mine
	l.mu.Unlock()
	if before != nil {
		before.cancel()
		<-before.left
	}
	return func() {
		l.mu.Lock()
		if l.by[session] == mine {
			delete(l.by, session)
		}
		l.mu.Unlock()
		close(mine.left)
	}, true
}

// pace is how long a socket waits between two looks.
func (l *listeners) pace() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(listenEvery, time.Second*time.Duration(len(l.by))/listenLooksMax)
}

// DismissListeners closes all sockets, and those that are opened later: the
// server is going to stop. The tool connects again.
func (a *API) DismissListeners() { a.listeners.dismiss() }

// listener is one socket. Its methods are called by one goroutine, but for hear
// and guard.
type listener struct {
	api     *API
	conn    *websocket.Conn
	serve   func(ctx context.Context) error
	who     merchant.Merchant
	session string
	key     []byte // hash of the key that the session ends with
	filters logFilters
	secret  string
	from    string          // as in the session's row
	told    map[string]bool // the same
	seen    time.Time
	looked  uint64 // version of the store at the last look
}

// hear reads what the tool says until it leaves. What programs answered to the
// events it forwarded is for the log; nothing depends on it.
func (l *listener) hear(ctx context.Context) {
	for {
		_, text, err := l.conn.Read(ctx)
		if err != nil {
			return
		}
		var said struct {
			Type    string `json:"type"`
			Event   string `json:"event_id"`
			Webhook string `json:"webhook_id"`
			URL     string `json:"forward_url"`
			Status  int    `json:"status"`
		}
		if err := json.Unmarshal(text, &said); err != nil {
			l.api.log.Debug("a message of the command line tool is not JSON", "session", l.session)
			continue
		}
		l.api.log.Debug("the command line tool says", "session", l.session, "type", said.Type, "event", firstOf(said.Event, said.Webhook), "url", said.URL, "status", said.Status)
	}
}

// guard returns when the session's key no longer stands, or that cannot be found
// out.
func (l *listener) guard(ctx context.Context) {
	for ctx.Err() == nil && l.api.sessionStands(ctx, l.who.ID, l.key) == nil {
		l.api.engine.Clock.Wait(ctx, keyCheckEvery, nil)
	}
}

func (l *listener) send(ctx context.Context, message obj) error {
	ctx, cancel := context.WithTimeout(ctx, listenSendWithin)
	defer cancel()
	return l.conn.Write(ctx, websocket.MessageText, encodeCompact(message))
}

// requests sends what is logged.
func (l *listener) requests(ctx context.Context) error {
	log, leave := l.api.tails.join(l.who.ID)
	defer leave()
	if err := l.mark(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case q := <-log:
			if !l.filters.admits(q) {
				continue
			}
			if err := l.send(ctx, l.logged(q)); err != nil {
				return err
			}
		}
	}
}

// logged is a request as the tool reads it.
func (l *listener) logged(q loggedRequest) obj {
	refusal := obj{}
	if e := q.refusal; e != nil {
		for name, s := range map[string]string{"type": firstOf(e.typ, "invalid_request_error"), "code": e.code, "message": e.message, "param": e.param, "decline_code": e.decline} {
			if s != "" {
				refusal[name] = s
			}
		}
	}
	payload := obj{
		"created_at": q.at.Unix(), "livemode": q.live, "method": q.method, "request_id": q.id, "status": q.status, "url": q.path, "error": refusal,
	}
	return obj{"type": "request_log_event", "event_payload": string(encodeCompact(payload)), "request_log_id": "resp_" + l.api.engine.IDs.Random(24)}
}

// events sends the account's events as they happen.
func (l *listener) events(ctx context.Context) error {
	if err := l.mark(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := l.look(ctx); err != nil {
			return err
		}
		l.api.engine.Clock.Wait(ctx, l.api.listeners.pace(), nil)
	}
	return nil
}

// look sends what happened since the last look.
func (l *listener) look(ctx context.Context) error {
	db, versioned := l.api.engine.Store.(store.Versioned)
	if versioned {
		version, err := db.Version(ctx)
		if err != nil {
			return err
		}
		if version == l.looked {
			return l.stillThere(ctx)
		}
		l.looked = version
	}
	batch, err := l.news(ctx)
	if err != nil {
		return err
	}
	var again []string
	for _, e := range batch {
		if err = l.tell(ctx, e); err != nil {
			break
		}
		if e.again {
			again = append(again, e.id)
			continue
		}
		l.told[e.id] = true
		l.move(e)
	}
	if len(batch) == 0 {
		return l.stillThere(ctx)
	}
	// What was sent is written down although the tool may have left since.
	return errors.Join(err, l.mark(context.WithoutCancel(ctx), again...))
}

// stillThere marks the session as connected now and then.
func (l *listener) stillThere(ctx context.Context) error {
	if l.api.engine.Clock.Now().Sub(l.seen) < sessionSeen {
		return nil
	}
	return l.mark(ctx)
}

// happened is an event to be sent, in the account's version.
type happened struct {
	id, version string
	created     time.Time
	live, again bool
	object      obj
}

// news reads the events to be sent, oldest first.
func (l *listener) news(ctx context.Context) (batch []happened, err error) {
	err = l.api.engine.View(ctx, l.who.ID, func(r store.Reader, m merchant.Merchant, at time.Time) error {
		_, b, err := l.row(r)
		if err != nil {
			return err
		}
		v := &view{Reader: r, api: l.api, merchant: &m, at: at}
		for _, again := range b.Again {
			row, err := r.Resource(kindEvent, again)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			e, err := v.happened(row)
			if err != nil {
				return err
			}
			e.again = true
			batch = append(batch, e)
		}
		return oldestFirst(r, store.List{Kind: kindEvent, After: l.from}, func(row resource.Row) error {
			if l.told[row.ID] {
				return nil
			}
			if len(batch) >= newsMax {
				l.looked = 0 // there is more, whether anything is written or not
				return errEnough
			}
			e, err := v.happened(row)
			batch = append(batch, e)
			return err
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return batch, err
}

// errEnough ends a walk.
var errEnough = errors.New("stripe: enough")

// move puts the place from which events are looked for to one that was told,
// less the time in which earlier ones may come to light: none where one
// transaction writes after the other, but for those of the same millisecond.
func (l *listener) move(e happened) {
	at := e.created
	if _, versioned := l.api.engine.Store.(store.Versioned); !versioned {
		at = at.Add(-listenOverlap)
	}
	l.from = max(l.from, id.Floor(at))
	for told := range l.told {
		if sort, ok := id.Sort(told); ok && sort <= l.from {
			delete(l.told, told)
		}
	}
}

func (v *view) happened(row resource.Row) (happened, error) {
	e, err := renditionOf(row)
	if err != nil {
		return happened{}, err
	}
	pending, err := v.undelivered(row.ID)
	if err != nil {
		return happened{}, err
	}
	o := e.render(row, v.merchant.Live, pending+1) // the tool is an endpoint, too
	return happened{id: row.ID, created: row.Created, version: e.version, live: v.merchant.Live, object: o}, nil
}

// shapesSince is the version since which what this server has looks the same.
const shapesSince = versionNoInvoice

// tell sends an event twice: to those who asked the tool for the latest version,
// and in the account's.
func (l *listener) tell(ctx context.Context, e happened) error {
	own, latest := e.object["api_version"], versions[len(versions)-1]
	if since(e.version, shapesSince) {
		e.object["api_version"] = latest
	}
	if err := l.webhook(ctx, e, latest); err != nil {
		return err
	}
	e.object["api_version"] = own
	return l.webhook(ctx, e, nil)
}

// webhook sends an event as it would be delivered.
func (l *listener) webhook(ctx context.Context, e happened, version any) error {
	body, wall := encode(e.object), l.api.engine.Clock.Now().Unix()
	signed := signature.Header(wall, body, l.secret)
	if !e.live {
		signed = signature.Decoy(signed, wall, body)
	}
	ids := l.api.engine.IDs
	return l.send(ctx, obj{
		"type": "webhook_event", "endpoint": obj{"api_version": version}, "event_payload": string(body),
		"http_headers": obj{
			"Accept": "*/*; q=0.5, application/xml", "Cache-Control": "no-cache", "Content-Type": "application/json; charset=utf-8",
			"Stripe-Signature": signed, "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
		},
		"webhook_conversation_id": "wc_" + ids.Random(24), "webhook_id": "wh_" + ids.Random(24),
	})
}

// row is the session's, if it has not been forgotten.
func (l *listener) row(r store.Reader) (resource.Row, sessionBody, error) {
	row, b, err := sessionOf(r, l.session)
	if errors.Is(err, store.ErrNotFound) {
		err = errSessionOver
	}
	return row, b, err
}

// mark writes down that the session is connected and what it was told.
func (l *listener) mark(ctx context.Context, again ...string) error {
	l.seen = l.api.engine.Clock.Now()
	return l.api.engine.Update(ctx, l.who.ID, engine.Cause{}, func(t *engine.Tx) error {
		row, b, err := l.row(t)
		if err != nil {
			return err
		}
		b.Seen, b.From = t.Wall, l.from
		b.Told = slices.Sorted(maps.Keys(l.told))
		b.Told = b.Told[max(0, len(b.Told)-rememberedMax):]
		b.Again = slices.DeleteFunc(b.Again, func(id string) bool { return slices.Contains(again, id) })
		row.Body = encodeBody(b)
		return t.UpdateResource(row)
	})
}
