package multisafepay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

const (
	// busSilence is how long a client of the message bus may be silent; the
	// published one sends a heartbeat when it was for half a minute.
	busSilence = 2 * time.Minute
	// busMessageMax bounds a message of a client's.
	busMessageMax = 4 << 10
)

// Messages of the bus, as its published client writes and reads them: a client
// sends {id, type, channel, filter}; it is answered {type: "ack" or "error",
// replyId, payload}; what happens is {type: "event", channel, payload}.

// serveBus lets a client of the message bus subscribe to an order over a
// WebSocket. An error it returns has not been answered.
func (a *API) serveBus(w http.ResponseWriter, r *http.Request, session string, until time.Time) error {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		if r.ProtoMajor == 1 { // later ones forbid the header
			w.Header().Set("Upgrade", "websocket")
		}
		return &wireError{status: http.StatusUpgradeRequired, code: codeUnknown, text: "This address speaks WebSocket; server-sent events are at " + EventsPrefix + "/stream/"}
	}
	if _, err := a.look(r.Context(), session); err != nil {
		return err
	}
	// The token is what lets a page in, not its origin: browsers add none by
	// themselves.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil // Accept has answered
	}
	conn.SetReadLimit(busMessageMax)
	b := &bus{api: a, conn: conn, session: session, until: until}
	defer b.unsubscribe()
	b.serve(r.Context())
	// One that is not closed properly makes the client connect again.
	_ = conn.CloseNow()
	return nil
}

// bus is one client of the message bus. Its methods are called by one goroutine,
// but for events, which another one sends.
type bus struct {
	api     *API
	conn    *websocket.Conn
	session string
	until   time.Time
	stop    context.CancelFunc // of the subscription to the order, or nil
	ended   chan struct{}
}

func (b *bus) serve(ctx context.Context) {
	for {
		reading, cancel := context.WithTimeout(ctx, busSilence)
		_, text, err := b.conn.Read(reading)
		cancel()
		if err != nil {
			return
		}
		if err := b.answer(ctx, text); err != nil {
			return
		}
	}
}

var errBus = errors.New("not understood")

// answer does what a message asks for, and says so.
func (b *bus) answer(ctx context.Context, text []byte) error {
	m, err := value.Parse(text)
	if err != nil {
		return b.reply(ctx, "", fmt.Errorf("the message is not a JSON object: %w", errBus))
	}
	id, _ := m.Get("id").Text()
	typ, _ := m.Get("type").Text()
	channel, _ := m.Get("channel").Text()
	switch {
	case typ == "heartbeat":
		return b.reply(ctx, id, nil)
	case typ != "subscribe" && typ != "unsubscribe":
		return b.reply(ctx, id, fmt.Errorf("type can be subscribe, unsubscribe or heartbeat: %w", errBus))
	case !granted(channel):
		return b.reply(ctx, id, fmt.Errorf("the token does not open that channel: %w", errBus))
	}
	if channel == channelOrders {
		b.unsubscribe()
	}
	if err := b.reply(ctx, id, nil); err != nil {
		return err
	}
	if channel == channelOrders && typ == "subscribe" {
		b.subscribe(ctx)
	}
	return nil
}

// reply acknowledges a message, or says why not.
func (b *bus) reply(ctx context.Context, id string, why error) error {
	m := value.Object{"type": "ack", "replyId": id}
	if why != nil {
		m["type"], m["payload"] = "error", value.Object{"message": why.Error()}
	}
	return b.send(ctx, m)
}

func (b *bus) send(ctx context.Context, m value.Object) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	return b.conn.Write(ctx, websocket.MessageText, value.Encode(m))
}

// subscribe begins to tell of the order, and closes the connection when there is
// nothing more to tell: properly, so that the client stays away.
func (b *bus) subscribe(ctx context.Context) {
	watching, stop := context.WithCancel(ctx)
	b.stop, b.ended = stop, make(chan struct{})
	go func() {
		defer close(b.ended)
		err := b.api.watch(watching, b.session, "", b.until, func(n news) error {
			// What is being sent when the subscription ends is sent: a message that
			// is given up takes the connection with it.
			return b.send(ctx, value.Object{"type": "event", "channel": channelOrders, "payload": n.body()})
		}, func() error { return nil })
		switch {
		case err == nil:
			_ = b.conn.Close(websocket.StatusNormalClosure, "nothing more will happen")
		case watching.Err() == nil:
			_ = b.conn.CloseNow()
		}
	}()
}

// unsubscribe ends what subscribe began, and waits for it.
func (b *bus) unsubscribe() {
	if b.stop == nil {
		return
	}
	b.stop()
	<-b.ended
	b.stop = nil
}
