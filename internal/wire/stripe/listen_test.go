package stripe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/wire/stripe/signature"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

// listenPatience is how long a test waits for what has to come.
const listenPatience = 20 * time.Second

// tool is the command line tool's end of a socket.
type tool struct {
	*world
	session object
	conn    *websocket.Conn
	got     chan object // closed at the end
}

// authorize asks for a session, as the tool does.
func (w *world) authorize(params ...string) object {
	w.t.Helper()
	return w.must(w.post("/v1/stripecli/sessions", append([]string{"device_name", "laptop"}, params...)...))
}

// dial connects with a session, or tells why not.
func (w *world) dial(session object, header string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), listenPatience)
	defer cancel()
	return websocket.Dial(ctx, session["websocket_url"].(string)+"?websocket_feature="+session["websocket_authorized_feature"].(string), &websocket.DialOptions{
		HTTPHeader: http.Header{"Websocket-Id": {header}, "Accept-Encoding": {"identity"}}, Subprotocols: []string{"stripecli-devproxy-v1"},
	})
}

func (w *world) connect(session object) *tool {
	w.t.Helper()
	conn, _, err := w.dial(session, session["websocket_id"].(string))
	if err != nil {
		w.t.Fatal(err)
	}
	if conn.Subprotocol() != "stripecli-devproxy-v1" {
		w.t.Errorf("subprotocol %q", conn.Subprotocol())
	}
	conn.SetReadLimit(1 << 20)
	l := &tool{world: w, session: session, conn: conn, got: make(chan object, 1000)}
	go func() {
		defer close(l.got)
		for {
			_, b, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			var o object
			if json.Unmarshal(b, &o) == nil {
				l.got <- o
			}
		}
	}()
	w.t.Cleanup(func() { l.close() })
	return l
}

func (l *tool) close() {
	_ = l.conn.CloseNow()
	for range l.got { //nolint:revive // it ends when the reader does
	}
}

// next waits for a message, moving the clock on so that the server looks again.
func (l *tool) next() object {
	l.t.Helper()
	end := time.After(listenPatience)
	for {
		select {
		case o, ok := <-l.got:
			if !ok {
				l.t.Fatal("the socket was closed")
			}
			return o
		case <-time.After(20 * time.Millisecond):
			l.clock.Advance(250 * time.Millisecond)
		case <-end:
			l.t.Fatal("nothing came")
		}
	}
}

// event waits for an event of a type, in the account's version, and checks how it
// is signed. Others that come before are told as well.
func (l *tool) event(typ string) (event object, before []string) {
	l.t.Helper()
	for {
		m := l.next()
		if m["type"] != "webhook_event" {
			l.t.Fatalf("message %v", m)
		}
		payload := m["event_payload"].(string)
		var e object
		if err := json.Unmarshal([]byte(payload), &e); err != nil {
			l.t.Fatal(err)
		}
		headers := m["http_headers"].(object)
		if err := signature.Verify(headers["Stripe-Signature"].(string), []byte(payload), l.session["secret"].(string), 5*time.Minute, l.clock.Now()); err != nil {
			l.t.Errorf("signature: %v", err)
		}
		for name, prefix := range map[string]string{"webhook_id": "wh_", "webhook_conversation_id": "wc_"} {
			if !strings.HasPrefix(m[name].(string), prefix) {
				l.t.Errorf("%s is %v", name, m[name])
			}
		}
		if version := m["endpoint"].(object)["api_version"]; version != nil {
			if version != l.session["latest_version"] || e["api_version"] != version {
				l.t.Errorf("version %v, the event says %v", version, e["api_version"])
			}
			continue
		}
		if e["type"] == typ {
			return e, before
		}
		before = append(before, e["type"].(string))
	}
}

// TestListen: events come over the socket as they happen, signed with the secret
// that was told, each once, also after the tool has connected anew; on both
// databases (stripe-platform §16.2).
func TestListen(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.must(w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2026-03-25.dahlia"})) // the account's default
		w.must(w.post("/v1/customers", "name", "before"))
		session := w.authorize("websocket_features[]", "webhooks", "websocket_features[]", "v2_events", "forward_to_url", "http://localhost:3000/hook")
		w.has(session, object{"websocket_authorized_feature": "webhooks", "reconnect_delay": 60, "default_version": "2026-03-25.dahlia", "latest_version": "2026-10-28.endive", "display_connect_filter_warning": false})
		if s := session["secret"].(string); !strings.HasPrefix(s, "whsec_") || len(s) != len("whsec_")+64 || w.authorize("websocket_features[]", "webhooks")["secret"] != s {
			t.Errorf("secret %s", s)
		}
		early := w.must(w.post("/v1/customers", "name", "between"))
		l := w.connect(session)
		e, before := l.event("customer.created")
		if e["data"].(object)["object"].(object)["id"] != early["id"] || before != nil || e["pending_webhooks"] != 1.0 {
			t.Errorf("the event between authorisation and connection: %v, after %v", e, before)
		}
		w.charged()
		if _, before := l.event("charge.succeeded"); fmt.Sprint(before) != "[source.chargeable]" {
			t.Errorf("before the charge: %v", before)
		}
		for _, said := range []string{`{"type":"event_ack","event_id":"evt_1"}`, `{"type":"webhook_response","status":200,"body":"ok"}`, "nonsense"} {
			if err := l.conn.Write(context.Background(), websocket.MessageText, []byte(said)); err != nil {
				t.Fatal(err)
			}
		}
		late := w.must(w.post("/v1/customers", "name", "after"))
		if e, before := l.event("customer.created"); e["data"].(object)["object"].(object)["id"] != late["id"] || before != nil {
			t.Errorf("after the tool spoke: %v, after %v", e, before)
		}
		l.close()
		missed := w.must(w.post("/v1/customers", "name", "missed"))
		l = w.connect(session)
		if e, before := l.event("customer.created"); e["data"].(object)["object"].(object)["id"] != missed["id"] || before != nil {
			t.Errorf("while it was away: %v, after %v", e, before)
		}
		first := w.list("/v1/events")[0]["id"].(string)
		w.must(w.post("/v1/events/"+first+"/retry", "for_stripecli", "true"))
		if e, before := l.event("customer.created"); e["id"] != first || before != nil {
			t.Errorf("resent: %v, after %v", e, before)
		}
		w.must(w.post("/v1/customers", "name", "last"))
		if _, before := l.event("customer.created"); before != nil {
			t.Errorf("resent twice: %v", before)
		}
	})
}

// TestListenOnTwoNodes: what happens at one node is told over another's socket,
// and a session can move.
func TestListenOnTwoNodes(t *testing.T) {
	t.Parallel()
	db := pgtest.URL(t)
	a, b := worldOn(t, wiretest.New(t, db)), worldOn(t, wiretest.New(t, db))
	b.key = a.key
	session := a.authorize("websocket_features[]", "webhooks")
	l := b.connect(mergeURL(session, b.url))
	made := a.must(a.post("/v1/customers", "name", "Ann"))
	if e, _ := l.event("customer.created"); e["data"].(object)["object"].(object)["id"] != made["id"] {
		t.Errorf("%v", e)
	}
	l.close()
	l = a.connect(session)
	made = b.must(b.post("/v1/customers", "name", "Bob"))
	// The node it left may not have written down what it had sent.
	for range 2 {
		if e, _ := l.event("customer.created"); e["data"].(object)["object"].(object)["id"] == made["id"] {
			return
		}
	}
	t.Error("what the second node did was not told")
}

func mergeURL(session object, base string) object {
	moved := object{}
	for k, v := range session {
		moved[k] = v
	}
	moved["websocket_url"] = "ws" + strings.TrimPrefix(base, "http") + "/v1/stripecli/subscribe"
	return moved
}

// TestListenBacklog: what happened while the tool was away comes in order, each
// event once, however much it is.
func TestListenBacklog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.authorize("websocket_features[]", "webhooks")
	const backlog = 450 // more than are read at a time, twice
	var made []string
	for range backlog {
		made = append(made, w.must(w.post("/v1/customers"))["id"].(string))
	}
	l := w.connect(session)
	for i, id := range made {
		if e, before := l.event("customer.created"); e["data"].(object)["object"].(object)["id"] != id || before != nil {
			t.Fatalf("event %d: %v after %v, want %s", i, e, before, id)
		}
	}
	last := w.must(w.post("/v1/customers"))["id"].(string)
	if e, _ := l.event("customer.created"); e["data"].(object)["object"].(object)["id"] != last {
		t.Errorf("afterwards: %v", e)
	}
}

// TestListenIsOneWorlds: nothing of another world comes over a socket; a session
// ends with its world, and is forgotten when nobody uses it.
func TestListenIsOneWorlds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.authorize("websocket_features[]", "webhooks")
	l := w.connect(session)
	other := w.with("sk_test_" + keys.Random(24))
	other.must(other.post("/v1/customers", "name", "Bob"))
	mine := w.must(w.post("/v1/customers", "name", "Ann"))
	if e, before := l.event("customer.created"); e["data"].(object)["object"].(object)["id"] != mine["id"] || before != nil {
		t.Errorf("%v after %v", e, before)
	}
	unknown := func(what string, session object, id string) {
		t.Helper()
		_, res, err := w.dial(session, id)
		if err == nil || res == nil {
			t.Fatalf("%s: connected (%v)", what, err)
		}
		body, _ := io.ReadAll(res.Body)
		if !strings.Contains(string(body), `"message": "Unknown WebSocket ID."`) {
			t.Errorf("%s: %d %s", what, res.StatusCode, body)
		}
	}
	for _, id := range []string{"", "cliws_", "cliws_1_2", "cliws_zz_" + keys.Random(24), session["websocket_id"].(string) + "x"} {
		unknown(fmt.Sprintf("id %q", id), session, id)
	}
	forgotten := w.authorize("websocket_features[]", "webhooks")
	w.clock.Advance(11 * time.Minute)
	unknown("a forgotten session", forgotten, forgotten["websocket_id"].(string))
	w.control("POST", "reset", "{}")
	unknown("after a reset", session, session["websocket_id"].(string))
}

// TestListenErrors: what is refused, and that sessions do not pile up.
func TestListenErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		param  string
		params []string
	}{
		{"device_name", []string{"websocket_features[]", "webhooks"}},
		{"device_name", []string{"device_name", "", "websocket_features[]", "webhooks"}},
		{"websocket_features", []string{"device_name", "x"}},
		{"websocket_features", []string{"device_name", "x", "websocket_features", "webhooks"}},
		{"websocket_features[1]", []string{"device_name", "x", "websocket_features[]", "webhooks", "websocket_features[]", "telepathy"}},
		{"filters", []string{"device_name", "x", "websocket_features[]", "request_logs", "filters", "["}},
		{"foo", []string{"device_name", "x", "websocket_features[]", "webhooks", "foo", "x"}},
	} {
		if r := w.post("/v1/stripecli/sessions", c.params...); r.status != 400 || r.err()["param"] != c.param {
			t.Errorf("%v: %d %s", c.params, r.status, r.body)
		}
	}
	if r := w.public().post("/v1/stripecli/sessions", "device_name", "x", "websocket_features[]", "webhooks"); r.status != 401 {
		t.Errorf("publishable key: %d", r.status)
	}
	session := w.authorize("websocket_features[]", "webhooks")
	if r := w.get("/v1/stripecli/subscribe"); r.status != 401 {
		t.Errorf("no session: %d %s", r.status, r.body)
	}
	if r := w.do("GET", "/v1/stripecli/subscribe", map[string]string{"Websocket-Id": session["websocket_id"].(string)}, "websocket_feature", "request_logs"); r.status != 400 || r.err()["param"] != "websocket_feature" {
		t.Errorf("another feature: %d %s", r.status, r.body)
	}
	if r := w.do("GET", "/v1/stripecli/subscribe", map[string]string{"Websocket-Id": session["websocket_id"].(string)}, "websocket_feature", "webhooks"); r.status != 426 {
		t.Errorf("without an upgrade: %d %s", r.status, r.body)
	}
	for range 49 {
		w.authorize("websocket_features[]", "webhooks")
	}
	if r := w.post("/v1/stripecli/sessions", "device_name", "x", "websocket_features[]", "webhooks"); r.status != 429 || r.err()["code"] != "rate_limit" {
		t.Errorf("the fifty-first: %d %s", r.status, r.body)
	}
	w.clock.Advance(11 * time.Minute)
	w.authorize("websocket_features[]", "webhooks")
}

// TestLogsTail: requests are shown as they are answered, those that the filters
// let through.
func TestLogsTail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := w.connect(w.authorize("websocket_features[]", "request_logs"))
	failed := w.connect(w.authorize("websocket_features[]", "request_logs", "filters", `{"filter_status_code_type": ["4xx"], "filter_http_method": ["POST"]}`))
	none := w.authorize("websocket_features[]", "request_logs", "filters", `{"filter_account": ["acct_1"]}`)
	if none["display_connect_filter_warning"] != true {
		t.Error("no warning about the account filter")
	}
	read := func(m object) (string, object) {
		if m["type"] != "request_log_event" || !strings.HasPrefix(m["request_log_id"].(string), "resp_") {
			t.Fatalf("message %v", m)
		}
		var p object
		if err := json.Unmarshal([]byte(m["event_payload"].(string)), &p); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%v %v %v", p["method"], p["url"], p["status"]), p
	}
	// The tools are there when a request of theirs is shown.
	seen := func(l *tool, do func() response) (string, object) {
		end := time.After(listenPatience)
		for {
			do()
			select {
			case m := <-l.got:
				return read(m)
			case <-time.After(20 * time.Millisecond):
			case <-end:
				t.Fatal("nothing came")
			}
		}
	}
	bad := func() response { return w.post("/v1/charges", "amount", "x", "currency", "usd") }
	line, p := seen(failed, bad)
	if line != "POST /v1/charges 400" {
		t.Errorf("line %s", line)
	}
	w.has(p, object{"livemode": false})
	w.has(p["error"].(object), object{"type": "invalid_request_error", "code": "parameter_invalid_integer", "param": "amount", "message": "Invalid integer: x"})
	for {
		line, _ = seen(all, func() response { return w.get("/v1/balance") })
		if line == "GET /v1/balance 200" {
			break
		}
	}
	for len(failed.got) > 0 {
		if line, _ := read(<-failed.got); line != "POST /v1/charges 400" {
			t.Errorf("the filter let through %s", line)
		}
	}
}

// TestToolDoesNotPin: the version in which the tool reads webhook endpoints does
// not become the account's; a program's does.
func TestToolDoesNotPin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.do("GET", "/v1/webhook_endpoints", map[string]string{"Stripe-Version": "2019-03-14", "User-Agent": "Stripe/v1 stripe-cli/1.19.0"}, "limit", "30"))
	w.must(w.do("GET", "/v1/balance", map[string]string{"Stripe-Version": "2024-06-20", "User-Agent": "Stripe/v1 GoBindings/85.0.0"}))
	if v := w.get("/v1/balance").header.Get("Stripe-Version"); v != "2024-06-20" {
		t.Errorf("the account's version is %s", v)
	}
}
