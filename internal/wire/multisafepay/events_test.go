package multisafepay_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// message is a server-sent event, or a message of the bus.
type message struct {
	name, id string
	body     object
}

// stream is a client of an order's events.
type stream struct {
	t      *testing.T
	s      *wiretest.Server
	got    chan message // closed at the end
	status int
	header http.Header
	cancel context.CancelFunc
}

// watch opens the stream of server-sent events at a server.
func watch(t *testing.T, s *wiretest.Server, query string, header http.Header) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/events/stream/"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	st := &stream{t: t, s: s, got: make(chan message, 100), status: res.StatusCode, header: res.Header, cancel: cancel}
	go func() {
		defer close(st.got)
		defer res.Body.Close()
		m := message{}
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			name, val, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				m.name = val
			case "id":
				m.id = val
			case "data":
				_ = json.Unmarshal([]byte(val), &m.body)
			case "":
				if val == "" && m.name != "" {
					st.got <- m
					m = message{}
				}
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range st.got { //nolint:revive // it ends when the reader does
		}
	})
	return st
}

func (w *world) watch(token string) *stream {
	w.t.Helper()
	s := watch(w.t, w.Server, "", http.Header{"Authorization": {"Bearer " + token}})
	if s.status != 200 || s.header.Get("Content-Type") != "text/event-stream; charset=utf-8" || s.header.Get("Access-Control-Allow-Origin") != "*" {
		w.t.Fatalf("stream: %d %v", s.status, s.header)
	}
	return s
}

// next waits for a message, moving the clock on so that the server looks again.
func (s *stream) next() (m message, ok bool) {
	s.t.Helper()
	end := time.After(patience)
	for {
		select {
		case m, ok = <-s.got:
			return m, ok
		case <-time.After(20 * time.Millisecond):
			s.s.Clock.Advance(time.Second)
		case <-end:
			s.t.Fatal("nothing came")
		}
	}
}

// tells asserts what comes next.
func (s *stream) tells(status, financial string) message {
	s.t.Helper()
	m, ok := s.next()
	if !ok {
		s.t.Fatalf("the stream ended before %s/%s", status, financial)
	}
	if m.name != "session.order" || m.body["status"] != status || m.body["financial_status"] != financial {
		s.t.Fatalf("got %v, want %s/%s", m, status, financial)
	}
	return m
}

// ends asserts that nothing more comes.
func (s *stream) ends() {
	s.t.Helper()
	if m, ok := s.next(); ok {
		s.t.Fatalf("got %v after the end", m)
	}
}

// TestEventStream is the stream of a hosted order from its link to its payment,
// as the documentation of event notifications shows it.
func TestEventStream(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		o := w.create(object{"order_id": "watched"})
		token := o["events_token"].(string)
		if o["events_stream_url"] != w.URL+"/events/stream/" || o["events_url"] != "ws"+strings.TrimPrefix(w.URL, "http")+"/events/" {
			t.Errorf("addresses %v %v", o["events_stream_url"], o["events_url"])
		}
		s := w.watch(token)
		first := s.tells("initialized", "initialized")
		want := object{"financial_status": "initialized", "order_id": "watched", "session_id": o["session_id"], "status": "initialized", "transaction_id": first.body["transaction_id"]}
		if text, _ := first.body["transaction_id"].(string); len(first.body) != len(want) || first.body["order_id"] != "watched" || first.body["session_id"] != o["session_id"] || len(text) != 16 {
			t.Errorf("payload %v, want %v", first.body, want)
		}
		bare := watch(t, w.Server, "", http.Header{"Authorization": {token}})
		asked := watch(t, w.Server, "?token="+token, nil)
		for _, other := range []*stream{bare, asked} {
			other.tells("initialized", "initialized")
		}
		w.decide(w.choose(o["payment_url"].(string), "ALIPAY"), "completed")
		paid := s.tells("completed", "completed")
		s.ends()
		for _, other := range []*stream{bare, asked} {
			other.tells("completed", "completed")
			other.ends()
		}
		// One that comes late is told how it ended; one that knows it stays away.
		late := w.watch(token)
		late.tells("completed", "completed")
		late.ends()
		known := watch(t, w.Server, "", http.Header{"Authorization": {token}, "Last-Event-Id": {paid.id}})
		if known.status != 204 {
			t.Errorf("who knows the end: %d", known.status)
		}
		resumed := watch(t, w.Server, "", http.Header{"Authorization": {token}, "Last-Event-Id": {first.id}})
		resumed.tells("completed", "completed")
		resumed.ends()
	})
}

// TestEventStreamGoesOn: a refused attempt is not the end, because the payer can
// try again; the end of the link is.
func TestEventStreamGoesOn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		o := w.create(object{"seconds_active": 3600})
		s := w.watch(o["events_token"].(string))
		s.tells("initialized", "initialized")
		page := o["payment_url"].(string)
		w.decide(w.choose(page, "ALIPAY"), "declined")
		s.tells("declined", "declined")
		again := w.choose(page, "ALIPAY")
		second := s.tells("initialized", "initialized")
		w.decide(again, "cancelled")
		if m := s.tells("void", "cancelled"); m.body["transaction_id"] != second.body["transaction_id"] {
			t.Errorf("void is told of %v, not of %v", m.body["transaction_id"], second.body["transaction_id"])
		}
		// The link ends on the world's clock. That is no new status, but the end.
		w.advance(time.Hour)
		s.ends()
		unused := w.create(object{"seconds_active": 60})
		s = w.watch(unused["events_token"].(string))
		s.tells("initialized", "initialized")
		w.advance(time.Minute)
		s.tells("expired", "expired")
		s.ends()
		gone := w.create(nil)
		s = w.watch(gone["events_token"].(string))
		s.tells("initialized", "initialized")
		w.must(w.patch("orders/"+gone["order_id"].(string), `{"status":"cancelled"}`))
		s.tells("cancelled", "cancelled")
		s.ends()
	})
}

// TestEventStreamOtherNode: who watches at one node hears of what another did.
func TestEventStreamOtherNode(t *testing.T) {
	t.Parallel()
	db := pgtest.URL(t)
	w := worldOn(t, wiretest.New(t, db))
	other := wiretest.New(t, db)
	o := w.create(nil)
	s := watch(t, other, "", http.Header{"Authorization": {o["events_token"].(string)}})
	s.tells("initialized", "initialized")
	w.decide(w.choose(o["payment_url"].(string), "ALIPAY"), "completed")
	s.tells("completed", "completed")
	s.ends()
}

// TestEventTokens: a token opens the stream of its order, and nothing else.
func TestEventTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(nil)
	token := o["events_token"].(string)
	refused := func(path string, h http.Header, status, code int) {
		t.Helper()
		r := w.send("GET", path, "", h)
		if err := json.Unmarshal(r.body, &r.obj); err != nil {
			t.Fatalf("%s: %d %s", path, r.status, r.body)
		}
		w.refused(r, status, code)
	}
	for _, bad := range []string{"", "x", token + "x", token[1:], w.key} {
		refused("/events/stream/", http.Header{"Authorization": {"Bearer " + bad}}, 401, 1032)
		refused("/events/?token="+bad, nil, 401, 1032)
	}
	refused("/events/nothing", http.Header{"Authorization": {token}}, 404, 404)
	refused("/events/", http.Header{"Authorization": {token}}, 426, 1000)
	r := w.send("POST", "/events/stream/", "", http.Header{"Authorization": {token}})
	if r.status != 404 {
		t.Errorf("POST: %d", r.status)
	}
	if r := w.send("OPTIONS", "/events/stream/", "", nil); r.status != 204 || !strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("OPTIONS: %d %v", r.status, r.header)
	}
	w.refused(w.do("GET", "orders/"+o["order_id"].(string), "", http.Header{"Authorization": {"Bearer " + token}}), 401, 1032)
	w.Clock.Advance(30 * 24 * time.Hour)
	refused("/events/stream/", http.Header{"Authorization": {token}}, 401, 1032)
	// A world that was emptied has no such order any more.
	fresh := w.create(nil)["events_token"].(string)
	w.control("POST", "reset", "{}")
	refused("/events/stream/", http.Header{"Authorization": {fresh}}, 404, 1006)
	w.settings("session_fields", "false")
	if o := w.create(nil); len(o) != 2 {
		t.Errorf("without session fields: %v", o)
	}
}

// TestEventStreamLimits: an order has room for eight watchers, and one who leaves
// makes room; a server that stops dismisses all of them.
func TestEventStreamLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.create(nil)["events_token"].(string)
	other := w.create(nil)["events_token"].(string)
	var all []*stream
	for range 8 {
		s := w.watch(token)
		s.tells("initialized", "initialized")
		all = append(all, s)
	}
	ninth := watch(t, w.Server, "", http.Header{"Authorization": {token}})
	if ninth.status != 429 || ninth.header.Get("Retry-After") == "" {
		t.Errorf("the ninth: %d %v", ninth.status, ninth.header)
	}
	w.watch(other).tells("initialized", "initialized")
	all[0].cancel()
	for end := time.After(patience); ; {
		s := watch(t, w.Server, "", http.Header{"Authorization": {token}})
		if s.status == 200 {
			break
		}
		select {
		case <-end:
			t.Fatal("who left did not make room")
		case <-time.After(10 * time.Millisecond):
		}
	}
	w.EndStreams()
	for _, s := range all[1:] {
		select {
		case m, ok := <-s.got:
			if ok {
				t.Errorf("dismissed with %v", m)
			}
		case <-time.After(patience):
			t.Fatal("a stream outlived its server")
		}
	}
}

// bus is a client of the message bus.
type bus struct {
	*stream
	conn  *websocket.Conn
	ended error // set before got is closed
}

// connect opens the message bus as its published client does.
func (w *world) connect(o object) *bus {
	w.t.Helper()
	conn, res, err := websocket.Dial(context.Background(), o["events_url"].(string)+"?token="+o["events_token"].(string), nil)
	if err != nil {
		w.t.Fatal(err, res)
	}
	b := &bus{conn: conn, stream: &stream{t: w.t, s: w.Server, got: make(chan message, 100)}}
	go func() {
		defer close(b.got)
		for {
			_, text, err := conn.Read(context.Background())
			if err != nil {
				b.ended = err
				return
			}
			var m object
			_ = json.Unmarshal(text, &m)
			name, _ := m["type"].(string)
			id, _ := m["replyId"].(string)
			body, _ := m["payload"].(object)
			if name == "event" {
				name = m["channel"].(string)
			}
			b.got <- message{name, id, body}
		}
	}()
	w.t.Cleanup(func() { _ = conn.CloseNow() })
	return b
}

// says sends a message.
func (b *bus) says(text string) {
	b.t.Helper()
	if err := b.conn.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		b.t.Fatal(err)
	}
}

// replied asserts the answer to a message.
func (b *bus) replied(kind, id string) {
	b.t.Helper()
	m, ok := b.next()
	if !ok || m.name != kind || m.id != id {
		b.t.Fatalf("got %v %v, want %s of %q", m, ok, kind, id)
	}
	if text, _ := m.body["message"].(string); (text == "") != (kind == "ack") {
		b.t.Errorf("%s: payload %v", kind, m.body)
	}
}

// TestMessageBus speaks what MultiSafepay's message bus client speaks.
func TestMessageBus(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		o := w.create(nil)
		b := w.connect(o)
		b.says(`{"id":"1","type":"heartbeat"}`)
		b.replied("ack", "1")
		b.says(`{"id":"2","type":"subscribe","channel":"session.order","filter":{}}`)
		b.replied("ack", "2")
		b.tells("initialized", "initialized")
		b.says(`{"id":"3","type":"subscribe","channel":"session.qr"}`)
		b.replied("ack", "3")
		for id, text := range map[string]string{
			"a": `{"id":"a","type":"subscribe","channel":"session.other"}`, "b": `{"id":"b","type":"publish","channel":"session.order"}`, "": `nonsense`, "d": `{"id":"d"}`,
		} {
			b.says(text)
			b.replied("error", id)
		}
		b.says(`{"id":"4","type":"unsubscribe","channel":"session.order"}`)
		b.replied("ack", "4")
		w.decide(w.choose(o["payment_url"].(string), "ALIPAY"), "completed")
		b.says(`{"id":"5","type":"heartbeat"}`)
		b.replied("ack", "5") // and no event
		b.says(`{"id":"6","type":"subscribe","channel":"session.order"}`)
		b.replied("ack", "6")
		b.tells("completed", "completed")
		b.ends()
		if websocket.CloseStatus(b.ended) != websocket.StatusNormalClosure {
			t.Errorf("closed with %v", b.ended)
		}
		// A message that is too long, and a server that stops, end it improperly:
		// the client connects again.
		b = w.connect(w.create(nil))
		b.says(`{"id":"` + strings.Repeat("x", 5000) + `"}`)
		b.ends()
		b = w.connect(w.create(nil))
		b.says(`{"id":"7","type":"subscribe","channel":"session.order"}`)
		b.replied("ack", "7")
		b.tells("initialized", "initialized")
		w.EndStreams()
		b.ends()
		if websocket.CloseStatus(b.ended) == websocket.StatusNormalClosure {
			t.Error("a server that stops closed properly, so nobody would come back")
		}
	})
}
