package multisafepay_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ducatpay/ducat/internal/wire/multisafepay/ticket"
)

// TestForgedTokens: no token but one that was issued opens a stream: not one without
// a signature, signed with what an attacker has, altered, over, or in another
// spelling; and one of an order opens no other's.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		mine, victim := w.create(nil), worldOn(t, w.Server).create(nil)
		token, session := mine["events_token"].(string), victim["session_id"].(string)
		parts := strings.Split(token, ".")
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		payload := func(session string) string {
			return part(`{"exp":9999999999,"grt":["mbus:session.order","mbus:session.qr"],"pid":"` + session + `","sub":"pr"}`)
		}
		signed := func(head, payload string, secret []byte) string {
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(part(head) + "." + payload))
			return part(head) + "." + payload + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
		}
		last := token[len(token)-1]
		forged := map[string]string{
			"no algorithm":               part(`{"alg":"none"}`) + "." + payload(session) + ".",
			"no algorithm, no end":       part(`{"alg":"none"}`) + "." + payload(session),
			"none, signed by nobody":     part(`{"alg":"HS256"}`) + "." + payload(session) + ".",
			"another's payload":          parts[0] + "." + payload(session) + "." + parts[2],
			"an empty secret":            signed(`{"alg":"HS256"}`, payload(session), nil),
			"the site's key":             signed(`{"alg":"HS256"}`, payload(session), []byte(w.key)),
			"another algorithm":          signed(`{"alg":"HS512"}`, payload(session), []byte(w.key)),
			"a header with a key":        signed(`{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`, payload(session), []byte{0}),
			"four parts":                 token + "." + parts[2],
			"an empty part":              parts[0] + ".." + parts[1] + "." + parts[2],
			"padding":                    token + "=",
			"white space":                parts[0] + ". " + parts[1] + "." + parts[2],
			"another spelling":           token[:len(token)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", last)+1)%64]),
			"the session":                session,
			"a session of another order": parts[0] + "." + part(session) + "." + parts[2],
			"a client's own secret":      ticket.Issue([]byte("a secret"), session, w.Clock.Now().Add(time.Hour)),
			"without end":                strings.Repeat("a.", 5000),
			"zero bytes":                 "\x01" + token,
		}
		for name, bad := range forged {
			for _, h := range []http.Header{{"Authorization": {"Bearer " + bad}}, {"Authorization": {bad}}} {
				if strings.ContainsAny(bad, "\x00\x01") {
					continue // no header
				}
				if r := w.send("GET", "/events/stream/", "", h); r.status != 401 {
					t.Errorf("%s: %d %s", name, r.status, r.body)
				}
			}
			if len(bad) > 4000 {
				continue
			}
			if _, res, err := websocket.Dial(context.Background(), strings.Replace(w.URL, "http", "ws", 1)+"/events/?token="+strings.NewReplacer(" ", "%20", "=", "%3D", "\x01", "%01").Replace(bad), nil); err == nil || res == nil || res.StatusCode != 401 {
				t.Errorf("%s on the bus: %v %v", name, res, err)
			}
		}
		// The token of one's own order tells of that one, whatever else is asked for.
		s := watch(t, w.Server, "?session_id="+session+"&order_id="+fmt.Sprint(victim["order_id"]), http.Header{"Authorization": {token}})
		if m := s.tells("initialized", "initialized"); m.body["session_id"] != mine["session_id"] {
			t.Errorf("told of %v", m.body)
		}
		b := w.connect(mine)
		b.says(`{"id":"1","type":"subscribe","channel":"session.order","filter":{"session_id":"` + session + `"}}`)
		b.replied("ack", "1")
		if m := b.tells("initialized", "initialized"); m.body["session_id"] != mine["session_id"] {
			t.Errorf("the bus told of %v", m.body)
		}
		for _, channel := range []string{"session.order." + session, "session.*", "*", "mbus:session.order", "Session.Order", ""} {
			b.says(`{"id":"2","type":"subscribe","channel":"` + channel + `"}`)
			b.replied("error", "2")
		}
	})
}

// TestBusIsPatientNotGenerous: a client that says nonsense, too much or the same
// again and again is answered or dismissed, and holds no more than its place.
func TestBusIsPatientNotGenerous(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(nil)
	b := w.connect(o)
	for range 50 {
		b.says(`{"id":"s","type":"subscribe","channel":"session.order"}`)
		b.replied("ack", "s")
		b.tells("initialized", "initialized")
	}
	for _, text := range []string{"", "null", "[]", `"x"`, strings.Repeat("[", 4000), `{"id":{"a":1},"type":["subscribe"]}`, "\x00", "{\"id\":\"\xff\"}"} {
		if err := b.conn.Write(context.Background(), websocket.MessageBinary, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if m, ok := b.next(); !ok || m.name != "error" {
			t.Fatalf("%.20q is answered with %v", text, m)
		}
	}
	// Silence ends it, and its place is free again.
	var all []*bus
	for range 7 {
		all = append(all, w.connect(o))
	}
	if _, res, err := websocket.Dial(context.Background(), o["events_url"].(string)+"?token="+o["events_token"].(string), nil); err == nil || res == nil || res.StatusCode != 429 {
		t.Errorf("the ninth: %v %v", res, err)
	}
	for _, c := range all {
		_ = c.conn.CloseNow()
	}
	for end := time.After(patience); ; {
		s := watch(t, w.Server, "", http.Header{"Authorization": {o["events_token"].(string)}})
		if s.status == 200 {
			break
		}
		select {
		case <-end:
			t.Fatal("who left did not make room")
		case <-time.After(10 * time.Millisecond):
		}
	}
	// Any page may watch with a token, and none with a cookie.
	r := w.send("GET", "/events/stream/", "", http.Header{"Origin": {"https://shop.example"}, "Cookie": {"token=" + o["events_token"].(string)}})
	if r.status != 401 || r.header.Get("Access-Control-Allow-Origin") != "*" || r.header.Get("Access-Control-Allow-Credentials") != "" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("with a cookie: %d %v", r.status, r.header)
	}
}
