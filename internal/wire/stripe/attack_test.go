package stripe_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// TestForgedSecrets: secrets that carry names, made up by somebody who knows the
// form, are refused like any other, whatever stands in them.
func TestForgedSecrets(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		customer := w.must(w.post("/v1/customers"))
		cus := customer["id"].(string)
		key := w.ephemeralKey(customer)
		secret, id := key["secret"].(string), strings.TrimPrefix(key["id"].(string), "ephkey_")
		last := secret[strings.LastIndex(secret, "_"):]
		account := w.must(w.get("/v1/account"))["id"].(string)
		other := worldOn(t, w.on)
		stranger := other.must(other.get("/v1/account"))["id"].(string)
		for _, names := range []string{
			stranger + "," + id, account + "," + id + "\x00", account + ",\x00" + id[1:], account + ",\xff" + id[1:], account + "," + strings.ToLower(id), account + ",," + id,
			account + id, "," + id, account + ",", "acct_1,../" + id, account + "," + id + strings.Repeat("x", 80), "\x00" + account + "," + id,
		} {
			forged := "ek_test_" + base64.RawStdEncoding.EncodeToString([]byte(names)) + last
			w.fails(w.with(forged).do("GET", "/v1/customers/"+cus, ios), 401, "", "")
		}
		// A secret is one text: the same names in another spelling are another one.
		if names, _ := base64.RawStdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(secret, "ek_test_"), last)); len(names)%3 != 0 {
			at := strings.LastIndex(secret, "_") - 1
			for _, c := range "BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" {
				if byte(c) != secret[at] {
					w.fails(w.with(secret[:at]+string(c)+secret[at+1:]).do("GET", "/v1/customers/"+cus, ios), 401, "", "")
				}
			}
		}
		w.must(w.with(secret).do("GET", "/v1/customers/"+cus, ios))
		// Nor does it open anything of its account's other mode or of another account.
		w.fails(other.with(secret).do("GET", "/v1/customers/"+other.must(other.post("/v1/customers"))["id"].(string), ios), 403, "more_permissions_required", "")

		file := w.must(w.send("dispute_evidence", "a.png", png, nil, "file_link_data[create]", "true"))
		link := file["links"].(object)["data"].([]any)[0].(object)["url"].(string)
		token := link[strings.LastIndex(link, "/")+1:]
		parts := strings.Split(token, "-")
		get := func(token string) int {
			t.Helper()
			res, err := http.Get(w.url + "/links/" + url.PathEscape(token))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			return res.StatusCode
		}
		if s := get(token); s != 200 {
			t.Fatalf("the link: %d", s)
		}
		for _, forged := range []string{
			parts[0] + "-" + parts[1] + "-", parts[0] + "-\x00-" + parts[2], parts[0] + "-" + parts[1] + "\xff-" + parts[2], parts[0] + "--" + parts[2], "-" + parts[1] + "-" + parts[2],
			"0-" + parts[1] + "-" + parts[2], strings.Repeat("z", 40) + "-" + parts[1] + "-" + parts[2], parts[0] + "-" + parts[1] + "-" + strings.ToLower(parts[2]) + "x", token + "-", "%00",
		} {
			if s := get(forged); s != 404 {
				t.Errorf("link %q: %d", forged, s)
			}
		}

		session := w.authorize("websocket_features[]", "webhooks")
		socket := session["websocket_id"].(string)
		head := socket[:strings.LastIndex(socket, "_")+1]
		for _, id := range []string{head + "\xff", head, "cliws_0_" + socket[len(head):], "cliws_-1_x", head + socket[len(head):] + "\xfe", "cliws_" + strings.Repeat("z", 30) + "_x", strings.Repeat("x", 9000)} {
			_, res, err := w.dial(session, id)
			if err == nil || res == nil || res.StatusCode != 401 {
				t.Errorf("socket %.40q: %v %v", id, res, err)
			}
		}
	})
}

// TestSocketOrigins: a page of somewhere else cannot open a tool's socket, even if
// it knew the session.
func TestSocketOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.authorize("websocket_features[]", "webhooks")
	for origin, want := range map[string]int{"https://evil.example": 403, "null": 403, w.url + ".evil.example": 403} {
		_, res, err := websocket.Dial(context.Background(), session["websocket_url"].(string)+"?websocket_feature=webhooks", &websocket.DialOptions{
			HTTPHeader: http.Header{"Websocket-Id": {session["websocket_id"].(string)}, "Origin": {origin}}, Subprotocols: []string{"stripecli-devproxy-v1"},
		})
		if err == nil || res == nil || res.StatusCode != want {
			t.Errorf("%s: %v %v", origin, res, err)
		}
	}
	l := w.connect(session) // the place is free again
	w.must(w.post("/v1/customers"))
	l.event("customer.created")
}

// TestSocketsEndWithTheirKey: whoever had a key that is revoked hears nothing more.
func TestSocketsEndWithTheirKey(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		live := w.with(w.liveKey("acct_1" + keys.Random(15)))
		session := live.authorize("websocket_features[]", "webhooks")
		logs := live.authorize("websocket_features[]", "request_logs")
		l, tail := live.connect(session), live.connect(logs)
		live.must(live.post("/v1/customers"))
		l.event("customer.created")
		hash := merchant.KeyHash(live.key)
		c, err := w.store.Credential(context.Background(), hash)
		if err != nil {
			t.Fatal(err)
		}
		c.Revoked = true
		if err := w.store.PutCredential(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		for name, l := range map[string]*tool{"events": l, "log": tail} {
			if !l.closes() {
				t.Errorf("%s: the socket outlives its key", name)
			}
		}
		for _, s := range []object{session, logs} {
			if _, res, err := live.dial(s, s["websocket_id"].(string)); err == nil || res == nil || res.StatusCode != 401 {
				t.Errorf("a session of a revoked key: %v %v", res, err)
			}
		}
	})
}

// closes reports whether the server ends the socket, moving the clock on for some
// minutes.
func (l *tool) closes() bool {
	l.t.Helper()
	end := time.After(listenPatience)
	for range 400 {
		select {
		case _, ok := <-l.got:
			if !ok {
				return true
			}
		case <-time.After(5 * time.Millisecond):
			l.clock.Advance(time.Second)
		case <-end:
			return false
		}
	}
	return false
}

// TestDeadTools: a tool that says too much, or nothing that makes sense, loses its
// socket or is not listened to; its session goes on with the next socket.
func TestDeadTools(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.authorize("websocket_features[]", "webhooks")
	l := w.connect(session)
	for _, said := range []string{"", "[]", "null", `{"type":7}`, strings.Repeat("[", 100_000), `{"type":"webhook_response","status":1e400}`} {
		if err := l.conn.Write(context.Background(), websocket.MessageText, []byte(said)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.conn.Ping(context.Background()); err != nil {
		t.Errorf("ping: %v", err)
	}
	w.must(w.post("/v1/customers"))
	l.event("customer.created")
	_ = l.conn.Write(context.Background(), websocket.MessageText, []byte(strings.Repeat("x", 257<<10)))
	if !l.closes() {
		t.Error("a message of 257 KiB is accepted")
	}
	l = w.connect(session)
	w.must(w.post("/v1/customers", "name", "after"))
	if e, _ := l.event("customer.created"); e["data"].(object)["object"].(object)["name"] != "after" {
		t.Errorf("%v", e)
	}
	// A second socket of the session takes the place of the first.
	second := w.connect(session)
	if !l.closes() {
		t.Error("a session has two sockets")
	}
	w.must(w.post("/v1/customers"))
	second.event("customer.created")
}

// TestEphemeralKeyIsNoDetour: what an ephemeral key may call leads nowhere else: not
// by expansion, other headers, other methods, or answers that were stored for the
// account's server.
func TestEphemeralKeyIsNoDetour(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		customer := w.must(w.post("/v1/customers", "email", "jenny@example.com", "metadata[internal]", "a secret note"))
		cus := customer["id"].(string)
		theirs := w.must(w.post("/v1/customers", "email", "bob@example.com"))["id"].(string)
		saved := w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", theirs))["id"].(string)
		ek := w.with(w.ephemeralKey(customer)["secret"].(string))
		ek.wrong = true
		with := func(more ...string) map[string]string {
			h := map[string]string{"Stripe-Version": "2020-08-27"}
			for i := 0; i < len(more); i += 2 {
				h[more[i]] = more[i+1]
			}
			return h
		}
		// The merchant's server has stored an answer; the app knows its key.
		idem := map[string]string{"Idempotency-Key": "order-77", "Stripe-Version": "2020-08-27"}
		stored := w.do("POST", "/v1/customers/"+cus, idem, "shipping[name]", "Jenny", "shipping[address][line1]", "1 rue")
		w.must(stored)
		if !strings.Contains(string(stored.body), "a secret note") {
			t.Fatalf("%s", stored.body)
		}
		for name, r := range map[string]response{
			"replay":             ek.do("POST", "/v1/customers/"+cus, idem, "shipping[name]", "Jenny", "shipping[address][line1]", "1 rue"),
			"own customer":       ek.do("GET", "/v1/customers/"+cus, with()),
			"expanded":           ek.do("GET", "/v1/customers/"+cus, with(), "expand[]", "sources", "expand[]", "invoice_settings.default_payment_method"),
			"expanded too far":   ek.do("GET", "/v1/payment_methods", with(), "customer", cus, "expand[]", "data.customer.sources"),
			"method override":    ek.do("POST", "/v1/customers/"+cus, with("X-HTTP-Method-Override", "DELETE")),
			"their default":      ek.do("POST", "/v1/customers/"+cus, with(), "invoice_settings[default_payment_method]", saved),
			"their method":       ek.do("POST", "/v1/customers/"+cus, with(), "default_source", saved),
			"their method again": ek.do("POST", "/v1/payment_methods/"+saved+"/attach", with(), "customer", cus),
			"two customers":      ek.do("GET", "/v1/payment_methods?customer="+theirs, with(), "customer", cus),
			"a hash of them":     ek.do("GET", "/v1/payment_methods", with(), "customer[]", theirs, "type", "card"),
			"a path":             ek.do("GET", "/v1/customers/"+cus+"/../"+theirs, with()),
			"an encoded path":    ek.do("GET", "/v1/customers/"+cus+"%2f..%2f"+theirs, with()),
			"another account":    ek.do("GET", "/v1/customers/"+cus, with("Stripe-Account", "acct_1")),
			"a list below":       ek.do("GET", "/v1/customers/"+theirs+"/payment_methods", with()),
			"a source below":     ek.do("DELETE", "/v1/customers/"+theirs+"/sources/"+saved, with()),
		} {
			if r.status >= 500 || strings.Contains(string(r.body), "bob@example.com") || strings.Contains(string(r.body), "a secret note") || strings.Contains(string(r.body), `"`+saved+`"`) && r.status == 200 {
				t.Errorf("%s: %d %s", name, r.status, r.body)
			}
		}
		// Nor does it take the server's keys away; its own are its own.
		app := func(params ...string) response {
			return ek.do("POST", "/v1/customers/"+cus, with("Idempotency-Key", "order-78"), params...)
		}
		w.must(app("shipping[name]", "A", "shipping[address][line1]", "1 rue"))
		if r := app("shipping[name]", "A", "shipping[address][line1]", "1 rue"); r.status != 200 || r.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("repeated: %d %v", r.status, r.header)
		}
		if r := app("shipping[name]", "B", "shipping[address][line1]", "1 rue"); r.status != 400 || r.err()["type"] != "idempotency_error" || !strings.Contains(r.err()["message"].(string), "other than 'order-78'") {
			t.Errorf("misused: %d %s", r.status, r.body)
		}
		w.must(w.do("POST", "/v1/payment_intents", map[string]string{"Idempotency-Key": "order-78"}, "amount", "1099", "currency", "usd"))
		// A browser that holds a client secret reads no more by expansion.
		pi := w.intent("customer", cus)
		mine := w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", cus))["id"].(string)
		w.must(w.post("/v1/payment_intents/"+pi["id"].(string), "payment_method", mine))
		for _, path := range []string{"payment_method.customer", "customer", "latest_charge.balance_transaction", "payment_method.customer.invoice_settings"} {
			r := w.public().do("GET", "/v1/payment_intents/"+pi["id"].(string), with(), "client_secret", pi["client_secret"].(string), "expand[]", path)
			if r.status >= 500 || strings.Contains(string(r.body), "a secret note") || strings.Contains(string(r.body), "invoice_prefix") {
				t.Errorf("expanded %s: %d %s", path, r.status, r.body)
			}
		}
		if got := w.must(w.get("/v1/customers/" + cus)); got["deleted"] != nil || got["invoice_settings"].(object)["default_payment_method"] != nil {
			t.Errorf("%v", got)
		}
		if got := w.must(w.get("/v1/payment_methods/" + saved)); got["customer"] != theirs {
			t.Errorf("taken away: %v", got)
		}
		// A source of somebody else's is neither taken nor given up.
		src := w.chargeable()["id"].(string)
		w.must(w.post("/v1/customers/"+theirs+"/sources", "source", src))
		foreign := newSourceOf(w)
		for name, r := range map[string]response{
			"attached":         ek.do("POST", "/v1/customers/"+cus+"/sources", with(), "source", src),
			"detached":         ek.do("DELETE", "/v1/customers/"+cus+"/sources/"+src, with()),
			"made the default": ek.do("POST", "/v1/customers/"+cus, with(), "default_source", src),
			"of another world": ek.do("POST", "/v1/customers/"+cus+"/sources", with(), "source", foreign),
		} {
			if r.status < 400 || r.status >= 500 {
				t.Errorf("another's source is %s: %d %s", name, r.status, r.body)
			}
		}
		if got := w.must(w.get("/v1/sources/" + src)); got["customer"] != theirs {
			t.Errorf("the source is %v's", got["customer"])
		}
		// A key in the query or the body of a request is a browser's, which is not this.
		bare := ek.with("")
		w.fails(bare.do("GET", "/v1/customers/"+cus, with(), "key", ek.key), 401, "", "")
		// The customer is deleted: the key opens what is left, and changes nothing.
		w.must(w.do("DELETE", "/v1/customers/"+cus, nil))
		if r := ek.do("POST", "/v1/customers/"+cus, with(), "shipping[name]", "x", "shipping[address][line1]", "y"); r.status < 400 || r.status >= 500 {
			t.Errorf("a deleted customer is changed: %d %s", r.status, r.body)
		}
	})
}

// newSourceOf makes a source in a world of its own.
func newSourceOf(w *world) string {
	w.t.Helper()
	return w.with("sk_test_" + keys.Random(24)).chargeable()["id"].(string)
}

// TestEphemeralKeyAtOnce: a key that is given up while it is used has either been
// used before or is refused; it is never half alive.
func TestEphemeralKeyAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		customer := w.must(w.post("/v1/customers"))
		cus := customer["id"].(string)
		for range 4 {
			key := w.ephemeralKey(customer)
			ek := w.with(key["secret"].(string))
			for _, status := range atOnce(append(times(3, func() response { return ek.do("GET", "/v1/customers/"+cus, ios) }),
				times(2, func() response { return w.do("DELETE", "/v1/ephemeral_keys/"+key["id"].(string), nil) })...)...) {
				if status != 200 && status != 401 {
					t.Errorf("status %d", status)
				}
			}
			w.fails(ek.do("GET", "/v1/customers/"+cus, ios), 401, "api_key_expired", "")
		}
	})
}

// TestReportsAreNoFormulas: what a payer wrote stands in a report as text that no
// spreadsheet takes for a formula; figures and plain numbers stay as they are.
func TestReportsAreNoFormulas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for written, want := range map[string]string{
		`=HYPERLINK("https://evil.example","x")`: `'=HYPERLINK("https://evil.example","x")`, "@SUM(1)": "'@SUM(1)", "\t=1": "'\t=1", "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0", "-2+3+cmd|x": "'-2+3+cmd|x",
		"-5": "-5", "+33 6 12-34 (56)": "+33 6 12-34 (56)", "plain = text": "plain = text", "": "",
	} {
		customer := w.must(w.post("/v1/customers", "name", "x"+written, "description", written, "address[city]", written, "address[country]", "NL"))
		w.must(w.post("/v1/payment_intents", "amount", "9000", "currency", "usd", "payment_method_types[]", "card", "payment_method", "pm_card_visa", "confirm", "true",
			"customer", customer["id"].(string), "description", written, "metadata[order]", cmp.Or(written, "none")))
		lines, _ := w.report("balance_change_from_activity.itemized.3", append(w.year(), "parameters[columns][]", "description", "parameters[columns][]", "customer_description",
			"parameters[columns][]", "customer_address_city", "parameters[columns][]", "payment_metadata[order]", "parameters[columns][]", "gross", "parameters[columns][]", "fee", "parameters[columns][]", "source_id")...)
		for _, name := range []string{"description", "customer_description", "customer_address_city", "payment_metadata[order]"} {
			if got := column(t, lines, name); len(got) == 0 || got[len(got)-1] != want && (written != "" || got[len(got)-1] != "none") {
				t.Errorf("%s of %q: %q, want %q", name, written, got, want)
			}
		}
	}
	ch := w.charged()
	w.must(w.post("/v1/refunds", "charge", ch["id"].(string)))
	lines, _ := w.report("balance_change_from_activity.itemized.3", w.year()...)
	if got := column(t, lines, "gross"); got[len(got)-1] != "-10.99" {
		t.Errorf("a refund's figure is %q", got[len(got)-1])
	}
	if got := column(t, lines, "net"); total(t, lines, "net") == 0 || !strings.HasPrefix(got[len(got)-1], "-") {
		t.Errorf("net %v", got)
	}
}

// TestReportParametersAttacked: zones that are paths, columns without end, and
// somebody else's files.
func TestReportParametersAttacked(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.wrong = true
		year := w.year()
		run := func(params ...string) response {
			return w.post("/v1/reporting/report_runs", append(append([]string{"report_type", "balance_change_from_activity.itemized.3"}, year...), params...)...)
		}
		for _, zone := range []string{"../../etc/passwd", "/etc/localtime", "Europe", "Europe/../Etc/UTC", "Local", "\\", strings.Repeat("x/", 3000), "Etc/UTC\n", "europe/paris "} {
			if r := run("parameters[timezone]", zone); r.status != 400 || r.err()["param"] != "parameters[timezone]" {
				t.Errorf("zone %.40q: %d %s", zone, r.status, r.body)
			}
		}
		var many []string
		for i := range 900 {
			many = append(many, "parameters[columns][]", fmt.Sprintf("payment_metadata[k%d]", i))
		}
		if r := run(many...); r.status != 400 || r.err()["param"] != "parameters[columns]" {
			t.Errorf("900 columns: %d %.300s", r.status, r.body)
		}
		for _, column := range []string{"payment_metadata[a\"b]", "payment_metadata[=1+1]", "=1+1", "payment_metadata[]", "payment_metadata[\n]"} {
			r := run("parameters[columns][]", column)
			if r.status >= 500 {
				t.Errorf("column %q: %d %s", column, r.status, r.body)
			}
			if r.status == 200 {
				w.advance(time.Second)
				file := w.must(w.get("/v1/reporting/report_runs/" + r.obj["id"].(string)))["result"].(object)
				body := string(w.get("/v1/files/" + file["id"].(string) + "/contents").body)
				if strings.HasPrefix(strings.TrimLeft(body, `"`), "=") {
					t.Errorf("the header is a formula: %s", body)
				}
			}
		}
		_, mine := w.report("balance.summary.1", year...)
		file, id := mine["result"].(object)["id"].(string), mine["id"].(string)
		other := w.with("sk_test_" + keys.Random(24))
		for _, path := range []string{"/v1/files/" + file, "/v1/files/" + file + "/contents", "/v1/reporting/report_runs/" + id} {
			if r := other.get(path); r.status != 404 {
				t.Errorf("%s of another world: %d %s", path, r.status, r.body)
			}
			if r := w.public().get(path); r.status != 401 {
				t.Errorf("%s with a publishable key: %d %s", path, r.status, r.body)
			}
		}
		if r := other.post("/v1/file_links", "file", file); r.status != 400 {
			t.Errorf("a link to another world's file: %d %s", r.status, r.body)
		}
	})
}

// TestSocketsOfANode: there are so many and no more; one that leaves makes room.
func TestSocketsOfANode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.srv.Stripe.LimitSockets(3)
	var all []*tool
	for range 3 {
		one := w.with("sk_test_" + keys.Random(24))
		all = append(all, one.connect(one.authorize("websocket_features[]", "webhooks")))
	}
	session := w.authorize("websocket_features[]", "webhooks")
	_, res, err := w.dial(session, session["websocket_id"].(string))
	if err == nil || res == nil || res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Fatalf("the fourth: %v %v", res, err)
	}
	// A session that has its place keeps it when its tool connects anew.
	all[1] = all[1].connect(all[1].session)
	all[0].close()
	for end := time.After(listenPatience); ; {
		conn, _, err := w.dial(session, session["websocket_id"].(string))
		if err == nil {
			_ = conn.CloseNow()
			return
		}
		select {
		case <-end:
			t.Fatal("who left did not make room")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestReportsTakeFewPlaces: a run that is in hand is not made a second time, however
// often its job comes, and reports leave places to the timers.
func TestReportsTakeFewPlaces(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		run := w.must(w.post("/v1/reporting/report_runs", append([]string{"report_type", "balance.summary.1"}, w.year()...)...))["id"].(string)
		job := store.Job{
			Merchant: merchant.IDFor(w.must(w.get("/v1/account"))["id"].(string), false), ID: "report:" + run, Kind: "report_run", Payload: []byte(`{"run":"` + run + `"}`),
		}
		comes := func(status string) {
			t.Helper()
			if err := w.srv.Stripe.RunReport(context.Background(), job); err != nil {
				t.Fatal(err)
			}
			w.has(w.must(w.get("/v1/reporting/report_runs/"+run)), object{"status": status})
		}
		for _, held := range [][]string{{run}, {"a", "b", "c", "d"}} {
			release := w.srv.Stripe.HoldReports(held...)
			comes("pending")
			release()
		}
		release := w.srv.Stripe.HoldReports("a", "b", "c")
		defer release()
		comes("succeeded")
		comes("succeeded") // and no second file
		files := w.must(w.get("/v1/files", "purpose", "finance_report_run"))["data"].([]any)
		if len(files) != 1 {
			t.Errorf("%d files", len(files))
		}
	})
}
