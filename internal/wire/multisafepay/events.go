package multisafepay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/reqlog"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/ticket"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// EventsPrefix is where an order can be watched: as a stream of server-sent
// events, and over a WebSocket (reference §1.1, §13).
const EventsPrefix = "/events"

const (
	// ticketFor is how long an events token is good, on the wall's time, as
	// everything does that protects (reference §2).
	ticketFor = 30 * 24 * time.Hour
	// lookEvery is how often the store is asked about an order that is watched.
	// Another node, or a timer, may have changed it.
	lookEvery = time.Second
	// looksMax is how many looks a second a node affords: with more watchers each
	// is told less promptly.
	looksMax = 250
	// stillAfter is after how long without news a stream sends a comment, so that
	// what stands between keeps it open; clients wait half a minute.
	stillAfter = 15 * time.Second
	// sendWithin is how long a watcher may take to accept what is sent.
	sendWithin = 10 * time.Second
	// watchersMax is how many watch at a node at once, watchersOrderMax how many
	// of them one order.
	watchersMax      = 2000
	watchersOrderMax = 8
)

// channelOrders is the channel, and the name of an event, about an order's
// statuses.
const channelOrders = "session.order"

// watchers counts who watches, and knows when they have to go.
type watchers struct {
	mu      sync.Mutex
	all     int
	by      map[string]int // by session
	leaving context.Context
	dismiss context.CancelFunc
}

func newWatchers() *watchers {
	w := &watchers{by: map[string]int{}}
	w.leaving, w.dismiss = context.WithCancel(context.Background())
	return w
}

// enter lets a watcher in, if there is room. The caller calls leave once.
func (w *watchers) enter(session string) (leave func(), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= watchersMax || w.by[session] >= watchersOrderMax {
		return nil, false
	}
	w.all++
	w.by[session]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all--
		if w.by[session]--; w.by[session] == 0 {
			delete(w.by, session)
		}
	}, true
}

// pace is how long to wait between two looks.
func (w *watchers) pace() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(lookEvery, time.Second*time.Duration(w.all)/looksMax)
}

// DismissWatchers ends all streams, and those that begin later: the server is
// going to stop. Clients connect again, to another node or after the restart.
func (a *API) DismissWatchers() { a.watchers.dismiss() }

// watchable are the members of an answer by which an order can be watched
// (reference §3.9).
func (v *view) watchable(o *order, hidden *secrets, wall time.Time) value.Object {
	return value.Object{
		"session_id": o.Session, "events_token": ticket.Issue(hidden.events, o.Session, wall.Add(ticketFor)),
		"events_url": v.api.bus, "events_stream_url": v.api.stream,
	}
}

// news is what a watcher is told about an order.
type news struct {
	order, session    string
	status, financial string
	psp               string
	final             bool // nothing is going to happen while somebody waits for it
}

// body is the documented payload, whose transaction_id is a text.
func (n news) body() value.Object {
	return value.Object{"financial_status": n.financial, "order_id": n.order, "session_id": n.session, "status": n.status, "transaction_id": n.psp}
}

// id tells one piece of news from the next, on every node alike.
func (n news) id() string { return n.psp + "/" + n.status + "/" + n.financial }

// look reads what there is to tell about a session's order.
func (a *API) look(ctx context.Context, session string) (news, error) {
	id, ok := sessionWorld(session)
	if !ok {
		return news{}, store.ErrNotFound
	}
	hidden, err := a.secrets(ctx)
	if err != nil {
		return news{}, err
	}
	n := news{session: session}
	err = a.view(ctx, id, func(v *view) error {
		row, o, err := hidden.order(v, session)
		if err != nil {
			return err
		}
		n.order, n.psp = o.OrderID, row.ID
		if o.Current != "" {
			n.psp = o.Current
		}
		if n.status, n.financial, err = v.statuses(&o); err != nil {
			return err
		}
		n.final = settledForPayer(n.status, &o, v.at)
		return nil
	})
	return n, err
}

// settledForPayer reports whether whoever waits for the outcome has it: the
// order is paid, or it is not and the payer can no longer try again.
func settledForPayer(status string, o *order, at time.Time) bool {
	switch {
	case status == "initialized", status == "uncleared", status == "reserved":
		return false
	case taken(status):
		return true
	}
	return !o.payable(at)
}

// watch tells of an order now, unless last is what there is to tell, and
// whenever its statuses change, until they are final, until the token is over,
// or until ctx ends. still is called now and then while nothing happens.
func (a *API) watch(ctx context.Context, session, last string, until time.Time, tell func(news) error, still func() error) error {
	for sent := a.engine.Clock.Now(); ; {
		n, err := a.look(ctx, session)
		if err != nil {
			return err
		}
		now := a.engine.Clock.Now()
		switch {
		case n.id() != last:
			err, last, sent = tell(n), n.id(), now
		case now.Sub(sent) >= stillAfter:
			err, sent = still(), now
		}
		if err != nil || n.final || !now.Before(until) {
			return err
		}
		a.engine.Clock.Wait(ctx, a.watchers.pace(), nil)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// ticketOf finds an events token in its spellings: alone in the header, as the
// documentation shows, after Bearer, as the Python library sends it, or in the
// query, for browsers.
func ticketOf(r *http.Request) string {
	h := strings.TrimSpace(r.Header.Get("Authorization"))
	if scheme, rest, ok := strings.Cut(h, " "); ok && strings.EqualFold(scheme, "Bearer") {
		h = strings.TrimSpace(rest)
	}
	if h != "" {
		return h
	}
	return r.URL.Query().Get("token")
}

// serveEvents answers what is below EventsPrefix. A token is no credential of a
// browser's own, so any page may use one.
func (a *API) serveEvents(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	cors(h)
	h.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
	h.Set("Cache-Control", "no-store")
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, EventsPrefix), "/")
	serve, found := map[string]func(http.ResponseWriter, *http.Request, string, time.Time) error{"": a.serveBus, "stream": a.serveStream}[path]
	switch {
	case !found:
		a.refuseWatcher(w, r, refuse(codePath))
		return
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case r.Method != http.MethodGet:
		a.refuseWatcher(w, r, refuse(codePath))
		return
	}
	hidden, err := a.secrets(r.Context())
	if err != nil {
		a.refuseWatcher(w, r, err)
		return
	}
	session, until, err := ticket.Parse(hidden.events, ticketOf(r), a.engine.Clock.Now())
	if err != nil {
		a.refuseWatcher(w, r, refuse(codeKey))
		return
	}
	leave, ok := a.watchers.enter(session)
	if !ok {
		h.Set("Retry-After", "5")
		a.refuseWatcher(w, r, &wireError{status: http.StatusTooManyRequests, code: codeUnknown, text: "Too many streams"})
		return
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.watchers.leaving, cancel)()
	if err := serve(w, r.WithContext(ctx), session, until); err != nil {
		a.refuseWatcher(w, r, err)
	}
}

// refuseWatcher answers with an error.
func (a *API) refuseWatcher(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, store.ErrNotFound) {
		err = refuse(codeOrder)
	}
	we := translate(err)
	if we.status >= http.StatusInternalServerError {
		a.log.Error("a stream could not begin", "path", r.URL.Path, "error", err)
	}
	reqlog.Of(w).ErrorCode = fmt.Sprint(we.code)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(we.status)
	_, _ = w.Write(we.envelope())
}

// serveStream sends server-sent events. An error it returns has not been
// answered; one that ends a stream which has begun only ends it, and the client
// comes back.
func (a *API) serveStream(w http.ResponseWriter, r *http.Request, session string, until time.Time) error {
	n, err := a.look(r.Context(), session)
	if err != nil {
		return err
	}
	last := r.Header.Get("Last-Event-ID")
	if n.final && n.id() == last {
		// A browser that comes back after the end is told to stay away.
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // of proxies that collect answers
	out := http.NewResponseController(w)
	// The server's limits are for requests and answers that end.
	if err := out.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	send := func(text string) error {
		if err := out.SetWriteDeadline(clock.Deadline(sendWithin)); err != nil {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return out.Flush()
	}
	w.WriteHeader(http.StatusOK)
	if err := send(": watching\n\n"); err != nil {
		return nil
	}
	tell := func(n news) error {
		return send("event: " + channelOrders + "\nid: " + n.id() + "\ndata: " + string(value.Encode(n.body())) + "\n\n")
	}
	_ = a.watch(r.Context(), session, last, until, tell, func() error { return send(":\n\n") })
	// The end is sent too, and the time for what was sent last may be over.
	_ = out.SetWriteDeadline(clock.Deadline(sendWithin))
	return nil
}

// grantedChannels are those that an events token opens. Nothing is ever said on
// that of QR codes, which are not served.
var grantedChannels = []string{channelOrders, "session.qr"}

func granted(channel string) bool { return slices.Contains(grantedChannels, channel) }
