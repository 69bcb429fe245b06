package stripe_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSeedWalk takes the payment of seed 000 from first request to money in the
// ledger.
func TestSeedWalk(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		hook := newReceiver(t)
		w.must(w.post("/v1/webhook_endpoints", "url", hook.URL, "enabled_events[]", "*"))
		src := w.source("metadata[order]", "A-1", "owner[name]", "李雷", "owner[address][line2]", "")
		if src["status"] != "pending" || src["flow"] != "redirect" || src["usage"] != "single_use" || src["livemode"] != false {
			t.Fatalf("new source: %v", src)
		}
		if ok, _ := regexp.MatchString(`^src_[0-9A-Za-z]{24}$`, src["id"].(string)); !ok {
			t.Errorf("source id %v", src["id"])
		}
		if ok, _ := regexp.MatchString(`^src_client_secret_[0-9A-Za-z]{24}$`, src["client_secret"].(string)); !ok {
			t.Errorf("client secret %v", src["client_secret"])
		}
		to := w.decide(src, "authorize")
		want := "https://shop.example/return?cart=77&client_secret=" + src["client_secret"].(string) + "&livemode=false&source=" + src["id"].(string)
		if to != want {
			t.Errorf("return to %s\nwant      %s", to, want)
		}
		if s := w.must(w.get("/v1/sources/" + src["id"].(string))); s["status"] != "pending" {
			t.Errorf("the source is %v before the wallet confirmed: integrations would not learn to wait", s["status"])
		}
		w.advance(time.Second)
		ch := w.must(w.chargeOf(src, "description", "Order A-1", "metadata[order]", "A-1"))
		if ch["status"] != "succeeded" || ch["paid"] != true || ch["captured"] != true || ch["payment_method"] != src["id"] {
			t.Errorf("charge: %v", ch)
		}
		if s := ch["source"].(object); s["status"] != "consumed" || s["metadata"].(object)["order"] != "A-1" {
			t.Errorf("embedded source: %v", s)
		}
		w.advance(time.Second)
		got := hook.all()
		if len(got) != 2 || got[0].event["type"] != "source.chargeable" || got[1].event["type"] != "charge.succeeded" {
			t.Fatalf("webhooks: %d", len(got))
		}
		if o := got[0].event["data"].(object)["object"].(object); o["status"] != "chargeable" || o["client_secret"] != src["client_secret"] {
			t.Errorf("source.chargeable carries %v", o)
		}
		available, pending := w.balance("usd")
		if available != 0 || pending != 1037 {
			t.Errorf("balance %d available, %d pending; want 0 and 1037", available, pending)
		}
		w.advance(8 * 24 * time.Hour)
		if available, pending = w.balance("usd"); available != 1037 || pending != 0 {
			t.Errorf("after settlement: %d available, %d pending; want 1037 and 0", available, pending)
		}
	})
}

func TestSourceOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		decision, status, redirect, reason, event string
	}{
		{"decline", "failed", "failed", "declined", "source.failed"},
		{"cancel", "failed", "failed", "user_abort", "source.failed"},
		{"", "canceled", "failed", "user_abort", "source.canceled"},
	} {
		t.Run(c.decision+c.status, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			src := w.source()
			if c.decision == "" {
				w.advance(time.Hour)
			} else if to := w.decide(src, c.decision); !strings.Contains(to, "source="+src["id"].(string)) {
				t.Errorf("the payer is not sent back: %q", to)
			}
			s := w.must(w.get("/v1/sources/" + src["id"].(string)))
			r := s["redirect"].(object)
			if s["status"] != c.status || r["status"] != c.redirect || r["failure_reason"] != c.reason {
				t.Errorf("source %v, redirect %v", s["status"], r)
			}
			if e := w.events(); len(e) != 1 || e[0] != c.event {
				t.Errorf("events %v, want %s", e, c.event)
			}
			res := w.chargeOf(src)
			if res.status != 400 || res.err()["code"] != "invalid_source_usage" || res.err()["message"] != "The source you provided is not in a chargeable state." {
				t.Errorf("charge: %d %s", res.status, res.body)
			}
		})
	}
}

func TestClosedBrowserStillBecomesChargeable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := w.source()
	w.decide(src, "authorize_no_return")
	w.advance(time.Second)
	if e := w.events(); len(e) != 1 || e[0] != "source.chargeable" {
		t.Errorf("events: %v", e)
	}
}

// TestPendingHour: a pending source lives one hour, to the millisecond.
func TestPendingHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := w.source()
	w.advance(time.Hour - time.Millisecond)
	if s := w.must(w.get("/v1/sources/" + src["id"].(string))); s["status"] != "pending" {
		t.Fatalf("a millisecond before the hour: %v", s["status"])
	}
	w.advance(time.Millisecond)
	if s := w.must(w.get("/v1/sources/" + src["id"].(string))); s["status"] != "canceled" {
		t.Fatalf("at the hour: %v", s["status"])
	}
}

// TestChargeableDeadline: six hours or 23:45 in China, money goes back, nothing
// shows in the balance.
func TestChargeableDeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		at       time.Time // UTC
		lifetime time.Duration
	}{
		{"morning", start, 6 * time.Hour},
		{"evening", time.Date(2026, 9, 10, 10, 30, 0, 0, time.UTC), 5*time.Hour + 15*time.Minute},
		{"afterCutOff", time.Date(2026, 9, 10, 15, 50, 0, 0, time.UTC), 6 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.clock.Advance(c.at.Sub(start) - time.Second)
			src := w.chargeable()
			w.advance(c.lifetime - time.Millisecond)
			if s := w.must(w.get("/v1/sources/" + src["id"].(string))); s["status"] != "chargeable" {
				t.Fatalf("just before the deadline: %v", s["status"])
			}
			w.advance(time.Millisecond)
			s := w.must(w.get("/v1/sources/" + src["id"].(string)))
			if s["status"] != "canceled" || s["redirect"].(object)["status"] != "succeeded" {
				t.Fatalf("at the deadline: %v", s)
			}
			if e := w.events(); len(e) != 2 || e[1] != "source.canceled" {
				t.Errorf("events: %v", e)
			}
			if a, p := w.balance("usd"); a != 0 || p != 0 {
				t.Errorf("balance %d %d: no money may move into the account", a, p)
			}
			for _, path := range []string{"/v1/refunds", "/v1/charges", "/v1/balance_transactions"} {
				if l := w.must(w.get(path)); len(l["data"].([]any)) != 0 {
					t.Errorf("%s is not empty", path)
				}
			}
			if r := w.chargeOf(src); r.status != 400 || r.err()["code"] != "invalid_source_usage" {
				t.Errorf("charge after the deadline: %d %s", r.status, r.body)
			}
			if j := w.control("GET", "jobs", ""); len(j["jobs"].([]any)) != 0 {
				t.Errorf("the wallet's refund is still open: %v", j)
			}
		})
	}
}

// TestLateTimer: the deadline holds even if nothing ran the timer.
func TestLateTimer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := w.source()
	w.clock.Advance(2 * time.Hour)
	if s := w.must(w.get("/v1/sources/" + src["id"].(string))); s["status"] != "canceled" {
		t.Errorf("source is %v", s["status"])
	}
	src2 := w.chargeable()
	w.clock.Advance(7 * time.Hour)
	if r := w.chargeOf(src2); r.status != 400 {
		t.Errorf("charge: %d", r.status)
	}
	if s := w.must(w.get("/v1/sources/" + src2["id"].(string))); s["status"] != "canceled" {
		t.Errorf("source is %v", s["status"])
	}
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	create := []string{"type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/"}
	t.Run("Creation", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		r := w.post("/v1/sources", append(create, "metadata[ducat_scenario]", "payment_method_not_available")...)
		if r.status != 400 || r.err()["code"] != "payment_method_not_available" || r.err()["type"] != "invalid_request_error" {
			t.Errorf("%d %s", r.status, r.body)
		}
		w.control("POST", "script", `{"rules": [{"on": "authorize", "do": "error", "times": 1}]}`)
		key := map[string]string{"Idempotency-Key": "retry-me"}
		r = w.do("POST", "/v1/sources", key, create...)
		if r.status != 500 || r.err()["code"] != "processing_error" || r.header.Get("Stripe-Should-Retry") != "true" {
			t.Errorf("%d %v %s", r.status, r.header, r.body)
		}
		w.must(w.do("POST", "/v1/sources", key, create...)) // the seed: the creation should be retried
	})
	for scenario, code := range map[string]string{"insufficient_funds": "insufficient_funds", "invalid_amount": "invalid_amount", "charge_processing_error": "processing_error"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			src := w.chargeable("metadata[ducat_scenario]", scenario)
			r := w.chargeOf(src)
			if r.status != 402 || r.err()["code"] != code || r.err()["type"] != "card_error" || r.err()["decline_code"] != code {
				t.Fatalf("%d %s", r.status, r.body)
			}
			ch := w.must(w.get("/v1/charges/" + r.err()["charge"].(string)))
			if ch["status"] != "failed" || ch["paid"] != false || ch["failure_code"] != code || ch["balance_transaction"] != nil {
				t.Errorf("failed charge: %v", ch)
			}
			if s := ch["source"].(object)["status"]; s != "consumed" {
				t.Errorf("source is %v: a failed charge uses it up", s)
			}
			if e := w.events(); e[len(e)-1] != "charge.failed" {
				t.Errorf("events %v", e)
			}
			if again := w.chargeOf(src); again.status != 400 || again.err()["code"] != "invalid_source_usage" {
				t.Errorf("second charge: %d %s", again.status, again.body)
			}
			if r := w.post("/v1/refunds", "charge", ch["id"].(string)); r.status != 400 || r.err()["code"] != "charge_not_refundable" {
				t.Errorf("refund: %d %s", r.status, r.body)
			}
			w.charged() // a new source can be used at once
		})
	}
	t.Run("Delay", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		src := w.source("metadata[ducat_scenario]", "chargeable_delay=90")
		w.decide(src, "authorize")
		w.advance(89 * time.Second)
		if s := w.must(w.get("/v1/sources/" + src["id"].(string))); s["status"] != "pending" {
			t.Errorf("after 89 s: %v", s["status"])
		}
		w.advance(time.Second)
		if s := w.must(w.get("/v1/sources/" + src["id"].(string))); s["status"] != "chargeable" {
			t.Errorf("after 90 s: %v", s["status"])
		}
	})
	t.Run("DuplicateAndLate", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		src := w.source("metadata[ducat_scenario]", "duplicate_notice")
		w.decide(src, "authorize")
		w.advance(time.Minute)
		if e := w.events(); len(e) != 1 {
			t.Errorf("a notice that came twice made events %v", e)
		}
		late := w.source("metadata[ducat_scenario]", "late_authorisation")
		w.decide(late, "authorize")
		w.advance(2 * time.Hour)
		if s := w.must(w.get("/v1/sources/" + late["id"].(string))); s["status"] != "canceled" {
			t.Errorf("late: %v", s["status"])
		}
	})
	t.Run("Unknown", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		if r := w.post("/v1/sources", append(create, "metadata[ducat_scenario]", "nonsense")...); r.status != 400 || !strings.Contains(r.err()["message"].(string), "nonsense") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

func TestReturnURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ in, want string }{
		{"https://x.example", "https://x.example?P"},
		{"https://x.example/a?b=c%20d&e", "https://x.example/a?b=c%20d&e&P"},
		{"https://x.example/?source=mine&a=1&livemode=2&source=again&client_secret=s", "https://x.example/?a=1&P"},
		{"https://x.example/p#frag", "https://x.example/p?P#frag"},
		{"myapp://stripe-redirect", "myapp://stripe-redirect?P"},
		{"myapp:pay", "myapp:pay?P"},
		{"http://localhost:3000/back", "http://localhost:3000/back?P"},
	} {
		src := w.must(w.post("/v1/sources", "type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", c.in))
		if got := src["redirect"].(object)["return_url"]; got != c.in {
			t.Errorf("return_url is shown as %v, want %s", got, c.in)
		}
		p := "client_secret=" + src["client_secret"].(string) + "&livemode=false&source=" + src["id"].(string)
		if got, want := w.decide(src, "cancel"), strings.Replace(c.want, "P", p, 1); got != want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, want)
		}
	}
	for _, bad := range []string{"/relative", "//host/x", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:x", "about:blank", "https://", "https:// space.example", "https://x.example/\n", "myapp:", "https://x.example/" + strings.Repeat("a", 5000)} {
		r := w.post("/v1/sources", "type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", bad)
		if r.status != 400 || r.err()["code"] != "url_invalid" || r.err()["param"] != "redirect[return_url]" {
			t.Errorf("%.40q: %d %s", bad, r.status, r.body)
		}
	}
}

// TestSourceErrors has one row per way to get a creation wrong.
func TestSourceErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := map[string]string{"type": "alipay", "amount": "1099", "currency": "usd", "redirect[return_url]": "https://shop.example/"}
	for _, c := range []struct{ name, value, code, param, message string }{
		{"type", "-", "parameter_missing", "type", "Missing required param: type."},
		{"type", "nonsense", "", "type", "Invalid type: must be one of"},
		{"type", "giropay", "payment_method_unactivated", "type", ""},
		{"amount", "-", "parameter_missing", "amount", "Missing required param: amount."},
		{"amount", "0", "parameter_invalid_integer", "amount", "This value must be greater than or equal to 1."},
		{"amount", "-1", "parameter_invalid_integer", "amount", ""},
		{"amount", "10.99", "parameter_invalid_integer", "amount", "Invalid integer: 10.99"},
		{"amount", "abc", "parameter_invalid_integer", "amount", "Invalid integer: abc"},
		{"amount", "", "parameter_invalid_empty", "amount", "You passed an empty string for 'amount'."},
		{"amount", "49", "amount_too_small", "amount", "Amount must be at least $0.50"},
		{"amount", "100000000", "amount_too_large", "amount", ""},
		{"amount", "99999999999999999999", "parameter_invalid_integer", "amount", ""},
		{"currency", "-", "parameter_missing", "currency", "Missing required param: currency."},
		{"currency", "xyz", "", "currency", "Invalid currency: xyz. Stripe currently supports these currencies:"},
		{"currency", "chf", "invalid_currency", "", "Invalid currency: chf. The payment method `alipay` does not support this currency in your region."},
		{"redirect[return_url]", "-", "parameter_missing", "redirect", "Missing required param: redirect."},
		{"redirect[return_url]", "", "parameter_invalid_empty", "redirect[return_url]", ""},
		{"redirect[other]", "x", "parameter_unknown", "redirect[other]", "Received unknown parameter: redirect[other]"},
		{"flow", "receiver", "", "flow", ""},
		{"usage", "reusable", "", "usage", ""},
		{"usage", "often", "", "usage", "Invalid usage: must be one of reusable or single_use"},
		{"foo", "bar", "parameter_unknown", "foo", "Received unknown parameter: foo"},
		{"customer", "cus_1", "", "customer", ""},
		{"metadata", "x", "", "metadata", "Invalid object"},
		{"metadata[" + strings.Repeat("k", 41) + "]", "v", "", "metadata", "Metadata keys can have up to 40 characters"},
		{"metadata[k]", strings.Repeat("v", 501), "", "metadata", "Metadata values can have up to 500 characters, but you passed in a value that is 501 characters."},
		{"owner[email]", "nobody", "email_invalid", "owner[email]", "Invalid email address: nobody"},
		{"owner[shoe]", "44", "parameter_unknown", "owner[shoe]", ""},
		{"type[a]", "b", "", "type", ""},
		{"expand[]", "owner", "", "", "This property cannot be expanded (owner)."},
	} {
		params := url.Values{}
		for k, v := range good {
			params.Set(k, v)
		}
		if c.value == "-" {
			params.Del(c.name)
		} else {
			params.Set(c.name, c.value)
		}
		var flat []string
		for k, vs := range params {
			flat = append(flat, k, vs[0])
		}
		r := w.post("/v1/sources", flat...)
		e := r.err()
		str := func(k string) string { s, _ := e[k].(string); return s }
		if r.status != 400 || e["type"] != "invalid_request_error" || str("code") != c.code || str("param") != c.param || !strings.HasPrefix(str("message"), c.message) {
			t.Errorf("%s=%.20q: %d %s", c.name, c.value, r.status, r.body)
		}
	}
	if e := w.events(); len(e) != 0 {
		t.Errorf("refused requests made events: %v", e)
	}
}

// TestCurrencyByCountry is seed 000's rule about who may charge in what.
func TestCurrencyByCountry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		country, currency, extra string
		allowed                  []string
	}{
		{"US", "usd", "", []string{"usd"}}, {"AU", "aud", "", []string{"aud"}}, {"CA", "cad", "", []string{"cad"}}, {"DE", "eur", "", []string{"eur"}},
		{"GB", "gbp", "", []string{"gbp"}}, {"HK", "hkd", "", []string{"hkd"}}, {"JP", "jpy", "", []string{"jpy"}}, {"NZ", "nzd", "", []string{"nzd"}}, {"SG", "sgd", "", []string{"sgd"}},
		{"DK", "dkk", "", []string{"eur"}}, {"NO", "nok", "", []string{"eur"}}, {"SE", "sek", "", []string{"eur"}}, {"CH", "chf", "", []string{"eur"}},
		{"MX", "mxn", "", nil}, {"US", "eur", "", []string{"eur"}}, {"US", "usd", `"hkd"`, []string{"usd", "hkd"}},
	} {
		w.control("POST", "account", `{"country": "`+c.country+`", "default_currency": "`+c.currency+`", "extra_currencies": [`+c.extra+`]}`)
		for _, cur := range []string{"aud", "cad", "eur", "gbp", "hkd", "jpy", "nzd", "sgd", "usd", "cny", "dkk"} {
			r := w.post("/v1/sources", "type", "alipay", "amount", "1099", "currency", strings.ToUpper(cur), "redirect[return_url]", "https://shop.example/")
			want := 400
			for _, a := range c.allowed {
				if a == cur {
					want = 200
				}
			}
			if r.status != want || want == 400 && r.err()["code"] != "invalid_currency" || want == 200 && r.obj["currency"] != cur {
				t.Errorf("%s (default %s, extra %s) in %s: %d %s", c.country, c.currency, c.extra, cur, r.status, r.body)
			}
		}
	}
}

// TestPublishableKey: the browser creates, sees no metadata, and needs the
// secret to look again.
func TestPublishableKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pk := w.public()
	telemetry := []string{"guid", "NA", "muid", "x", "sid", "y", "payment_user_agent", "stripe.js/1", "time_on_page", "5", "referrer", "https://shop.example", "pasted_fields", "number", "radar_options[hcaptcha_token]", "t"}
	params := append([]string{"key", pk.key, "type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/", "metadata[order]", "7"}, telemetry...)
	r := w.with("").do("POST", "/v1/sources", map[string]string{"Origin": "https://shop.example"}, params...)
	src := w.must(r)
	if _, shown := src["metadata"]; shown || r.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("answer to a browser: %v %v", r.header, src)
	}
	id, secret := src["id"].(string), src["client_secret"].(string)
	if got := w.must(w.get("/v1/sources/" + id)); got["metadata"].(object)["order"] != "7" {
		t.Errorf("secret key sees %v", got["metadata"])
	}
	got := w.must(w.with("").get("/v1/sources/"+id, "key", pk.key, "client_secret", secret))
	if _, shown := got["metadata"]; shown {
		t.Error("metadata is shown to a publishable key")
	}
	if r := pk.get("/v1/sources/" + id); r.status != 400 || r.err()["param"] != "client_secret" {
		t.Errorf("no secret: %d %s", r.status, r.body)
	}
	wrong, unknown := pk.get("/v1/sources/"+id, "client_secret", "src_client_secret_wrong"), pk.get("/v1/sources/src_nothing", "client_secret", "src_client_secret_wrong")
	if wrong.status != 404 || unknown.status != 404 || strings.ReplaceAll(wrong.err()["message"].(string), id, "src_nothing") != unknown.err()["message"] {
		t.Errorf("a wrong secret can be told from an unknown id: %s %s", wrong.body, unknown.body)
	}
	for _, call := range []struct{ method, path string }{{"POST", "/v1/charges"}, {"GET", "/v1/charges"}, {"POST", "/v1/sources/" + id}, {"GET", "/v1/balance"}, {"GET", "/v1/events"}, {"POST", "/v1/refunds"}} {
		if r := pk.do(call.method, call.path, nil); r.status != 401 || r.err()["code"] != "secret_key_required" {
			t.Errorf("%s %s with a publishable key: %d %s", call.method, call.path, r.status, r.body)
		}
	}
	if r := w.with("").do("OPTIONS", "/v1/sources", map[string]string{"Access-Control-Request-Headers": "authorization"}); r.status != http.StatusNoContent || r.header.Get("Access-Control-Allow-Headers") != "authorization" {
		t.Errorf("preflight: %d %v", r.status, r.header)
	}
}

func TestUpdateSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := w.source("metadata[a]", "1", "metadata[b]", "2", "owner[name]", "Ann")
	path := "/v1/sources/" + src["id"].(string)
	got := w.must(w.post(path, "metadata[a]", "", "metadata[c]", "3", "owner[email]", "ann@example.com", "owner[address][city]", "Wien"))
	md, owner := got["metadata"].(object), got["owner"].(object)
	if len(md) != 2 || md["b"] != "2" || md["c"] != "3" || owner["name"] != "Ann" || owner["email"] != "ann@example.com" || owner["address"].(object)["city"] != "Wien" {
		t.Errorf("after update: %v %v", md, owner)
	}
	if got := w.must(w.post(path, "metadata", "")); len(got["metadata"].(object)) != 0 {
		t.Errorf("metadata not cleared: %v", got["metadata"])
	}
	for _, p := range []string{"amount", "mandate", "source_order"} {
		if r := w.post(path, p, "5"); r.status != 400 || r.err()["param"] != p {
			t.Errorf("%s: %d %s", p, r.status, r.body)
		}
	}
	if r := w.post("/v1/sources/src_none", "metadata[a]", "1"); r.status != 404 || r.err()["code"] != "resource_missing" {
		t.Errorf("unknown: %d %s", r.status, r.body)
	}
	if l := w.must(w.get(path + "/source_transactions")); len(l["data"].([]any)) != 0 {
		t.Errorf("source transactions: %v", l)
	}
	if e := w.events(); len(e) != 0 {
		t.Errorf("an update made events %v", e)
	}
}
