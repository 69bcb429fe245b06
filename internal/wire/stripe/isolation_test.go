package stripe_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/stripe"
)

// makers make an object of each collection that a path can name one of. A route
// with a new collection needs a maker here.
var makers = map[string]func(h *household) object{
	"sources":                       func(h *household) object { return h.source },
	"customers":                     func(h *household) object { return h.customer },
	"charges":                       func(h *household) object { return h.charge },
	"payment_intents":               func(h *household) object { return h.intent },
	"setup_intents":                 func(h *household) object { return h.setup },
	"mandates":                      func(h *household) object { return h.mandate },
	"payment_method_configurations": func(h *household) object { return h.configuration },
	"tokens": func(h *household) object {
		return h.public().must(h.public().post("/v1/tokens", "card[number]", "4242424242424242", "card[exp_month]", "12", "card[exp_year]", "2034"))
	},
	"confirmation_tokens": func(h *household) object {
		return h.must(h.post("/v1/test_helpers/confirmation_tokens", "payment_method", "pm_card_visa"))
	},
	"ephemeral_keys":       func(h *household) object { return h.ephemeralKey(h.customer) },
	"payment_methods":      func(h *household) object { return h.method },
	"file_links":           func(h *household) object { return h.first("/v1/file_links") },
	"test_clocks":          func(h *household) object { return h.first(clocks) },
	"refunds":              func(h *household) object { return h.refund },
	"disputes":             func(h *household) object { return h.dispute },
	"files":                func(h *household) object { return h.first("/v1/files") },
	"events":               func(h *household) object { return h.first("/v1/events") },
	"webhook_endpoints":    func(h *household) object { return h.first("/v1/webhook_endpoints") },
	"payouts":              func(h *household) object { return h.first("/v1/payouts") },
	"balance_transactions": func(h *household) object { return h.first("/v1/balance_transactions") },
	"history":              func(h *household) object { return h.first("/v1/balance_transactions") },
	"accounts":             func(h *household) object { return h.must(h.get("/v1/account")) },
	"report_runs":          func(h *household) object { return h.first("/v1/reporting/report_runs") },
	"report_types":         func(*household) object { return object{"id": "nonsense.1"} }, // they are everybody's
	"source_transactions":  func(*household) object { return object{"id": "srctxn_1"} },
}

// needed are the parameters without which an endpoint does not get as far as
// looking for its object.
func needed(route string, h *household) []string {
	switch route {
	case "POST /v1/test_helpers/test_clocks/{test_clock}/advance":
		return []string{"frozen_time", "1577836801"}
	case "POST /v1/sources/{id}/verify":
		return []string{"values[]", "1"}
	case "POST /v1/customers/{customer}/sources":
		return []string{"source", h.source["id"].(string)}
	case "POST /v1/payment_intents/{id}/source_cancel", "POST /v1/setup_intents/{id}/source_cancel":
		return []string{"source", "x"}
	case "POST /v1/payment_intents/{id}/increment_authorization":
		return []string{"amount", "1099"}
	case "POST /v1/payment_methods/{id}/attach":
		return []string{"customer", h.customer["id"].(string)}
	case "POST /v1/events/{id}/retry":
		return []string{"webhook_endpoint", makers["webhook_endpoints"](h)["id"].(string)}
	}
	return nil
}

// household is a world with one object of everything.
type household struct {
	*world
	source, customer, charge, refund, dispute, intent, method, setup, mandate, configuration object
}

func newHousehold(w *world) *household {
	h := &household{world: w}
	e := w.must(w.post("/v1/webhook_endpoints", "url", "http://localhost:1/", "enabled_events[]", "*"))
	w.must(w.post("/v1/webhook_endpoints/"+e["id"].(string), "disabled", "true"))
	w.control("POST", "account", `{"settlement_days": 0}`)
	w.charged() // funds for what follows
	h.charge = w.charged()
	h.refund = w.must(w.post("/v1/refunds", "charge", h.charge["id"].(string), "amount", "100"))
	w.control("POST", "disputes", `{"id": "`+h.charge["id"].(string)+`", "reason": "general"}`)
	h.dispute = h.first("/v1/disputes")
	w.must(w.send("dispute_evidence", "a.png", png, nil))
	w.must(w.post("/v1/reporting/report_runs", "report_type", "balance.summary.1", "parameters[interval_start]", "1641045832", "parameters[interval_end]", "1646143432"))
	w.advance(48 * time.Hour)
	w.must(w.post("/v1/payouts", "amount", "1", "currency", "usd"))
	h.source = w.chargeable()
	h.customer = w.must(w.post("/v1/customers", "name", "Ann", "source", h.source["id"].(string)))
	h.charge = w.must(w.get("/v1/charges/" + h.charge["id"].(string)))
	h.method = w.must(w.post("/v1/payment_methods/pm_card_visa/attach", "customer", h.customer["id"].(string)))
	w.must(w.post(clocks, "frozen_time", "1577836800"))
	w.must(w.post("/v1/file_links", "file", h.first("/v1/files")["id"].(string)))
	w.ephemeralKey(h.customer) // its version is the world's from now on
	h.intent = w.must(w.post("/v1/payment_intents", "amount", "1099", "currency", "usd"))
	h.mandate = object{"id": w.setUp("payment_method_data[type]", "alipay", "return_url", "https://shop.example/")["mandate"]}
	h.setup = w.must(w.post("/v1/setup_intents"))
	h.configuration = w.must(w.post("/v1/payment_method_configurations", "name", "x"))
	return h
}

// first is the newest object of a list.
func (h *household) first(path string) object {
	h.t.Helper()
	data := h.must(h.get(path, "limit", "1"))["data"].([]any)
	if len(data) == 0 {
		h.t.Fatalf("%s is empty: the household lacks one", path)
	}
	return data[0].(object)
}

// everything is what a world shows of itself.
func (h *household) everything() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	for _, r := range stripe.Routes() {
		if r.Method == "GET" && !strings.Contains(r.Path, "{") && r.Path != "/v1/elements/sessions" && r.Path != "/v1/setup_attempts" { // sessions have ids of their own; attempts are of one intent
			all[r.Path] = string(h.get(r.Path, required("GET "+r.Path)...).body)
		}
	}
	for _, path := range []string{"clock", "account", "script", "deliveries", "jobs"} {
		all[path] = fmt.Sprint(h.control("GET", path, ""))
	}
	return all
}

// fill puts an object's id into each placeholder of a path.
func (h *household) fill(t testing.TB, path string) string {
	t.Helper()
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if !strings.HasPrefix(p, "{") {
			continue
		}
		collection := parts[i-1]
		make, ok := makers[collection]
		if !ok {
			t.Fatalf("%s: nothing here makes one of %q; add it to makers", path, collection)
		}
		parts[i] = make(h)["id"].(string)
	}
	return strings.Join(parts, "/")
}

// references are the parameters that name objects, and the household's object
// each can name.
func (h *household) references() map[string]string {
	id := func(o object) string { return o["id"].(string) }
	return map[string]string{
		"charge": id(h.charge), "customer": id(h.customer), "source": id(h.source), "card": id(h.source), "default_source": id(h.source),
		"payment_intent": id(h.intent), "setup_intent": id(h.setup), "payment_method_configuration": id(makers["payment_method_configurations"](h)), "payment_method": id(h.method), "webhook_endpoint": id(makers["webhook_endpoints"](h)), "starting_after": "", "ending_before": "",
	}
}

// unused are parameters that name an object and are never looked at, and why.
var unused = map[string]string{
	"POST /v1/sources customer":                        "refused for this type of source, whatever it says",
	"POST /v1/payment_method_configurations card":      "a hash, not an id",
	"POST /v1/payment_method_configurations/{id} card": "a hash, not an id",
	"POST /v1/tokens card":                             "a hash, not an id",
	"POST /v1/tokens customer":                         "of cards a customer has; refused",
	"POST /v1/payment_methods card":                    "a hash, not an id",
	"POST /v1/payment_methods/{id} card":               "a hash, not an id",
	"POST /v1/payment_methods customer":                "copies between connected accounts, which are not offered",
	"POST /v1/payment_methods payment_method":          "copies between connected accounts, which are not offered",
	"POST /v1/payment_intents/{id}/confirm source":     "an older name, sent along and ignored",
	"POST /v1/refunds customer":                        "only for refunds of a cash balance",
	"POST /v1/charges/{charge}/refunds customer":       "only for refunds of a cash balance",
}

// TestNothingLeaksBetweenWorlds tries every route of the surface with objects of
// another world: by the path, by parameters that name objects, by cursors, with
// publishable keys and the right client secret, and by the control API. The
// routes are those of the server, so a new one is tried too. Afterwards the
// other world is as it was.
func TestNothingLeaksBetweenWorlds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		ours := newHousehold(w)
		thief := w.with("sk_test_" + keys.Random(24))
		theirs := newHousehold(thief)
		before := ours.everything()
		missing := func(what string, r response) {
			t.Helper()
			if r.err()["code"] != "resource_missing" && r.err()["code"] != "account_invalid" || r.status < 400 || r.status > 404 {
				t.Errorf("%s: %d %s", what, r.status, r.body)
			}
			if strings.Contains(string(r.body), "similar object exists") {
				t.Errorf("%s tells that the object exists: %s", what, r.body)
			}
		}
		for _, r := range stripe.Routes() {
			route := r.Method + " " + r.Path
			if strings.Contains(r.Path, "{") {
				path := ours.fill(t, r.Path)
				missing(route, thief.do(r.Method, path, nil, needed(route, theirs)...))
				if r.Public {
					secret := ours.source["client_secret"].(string)
					if strings.HasPrefix(r.Path, "/v1/setup_intents/") {
						secret = ours.setup["client_secret"].(string)
					}
					if strings.HasPrefix(r.Path, "/v1/payment_intents/") {
						secret = ours.intent["client_secret"].(string)
					}
					params := needed(route, theirs)
					if slices.Contains(r.Params, "client_secret") {
						params = append(params, "client_secret", secret)
					}
					missing(route+" with a publishable key", thief.public().do(r.Method, path, nil, params...))
				}
				// The second of two objects in a path, under one of the thief's own.
				if first := theirs.fill(t, firstOf(r.Path)); strings.Count(r.Path, "{") == 2 {
					mixed := first + strings.TrimPrefix(path, ours.fill(t, firstOf(r.Path)))
					missing(route+" under the thief's own", thief.do(r.Method, mixed, nil, needed(route, theirs)...))
				}
			}
			own := theirs.fill(t, r.Path)
			for name, id := range ours.references() {
				if !slices.Contains(r.Params, name) || unused[route+" "+name] != "" {
					continue
				}
				if strings.HasSuffix(name, "_after") || strings.HasSuffix(name, "_before") {
					id = ours.cursor(r)
					if id == "" {
						continue
					}
				}
				params := append(required(route), name, id)
				res := thief.do(r.Method, own, nil, params...)
				if data, ok := res.obj["data"].([]any); ok && r.Method == "GET" && len(data) == 0 {
					continue // a filter that matches nothing
				}
				if res.err()["code"] != "resource_missing" && res.err()["code"] != "missing" {
					t.Errorf("%s with %s of another world: %d %s", route, name, res.status, res.body)
				}
			}
		}
		for path, body := range map[string]string{
			"decide":          `{"id": "` + ours.source["id"].(string) + `", "decision": "decline"}`,
			"disputes":        `{"id": "` + ours.charge["id"].(string) + `", "reason": "general"}`,
			"disputes/close":  `{"id": "` + ours.dispute["id"].(string) + `", "outcome": "won"}`,
			"resend":          `{"event": "` + makers["events"](ours)["id"].(string) + `", "endpoint": "` + makers["webhook_endpoints"](theirs)["id"].(string) + `"}`,
			"endpoints/roll":  `{"endpoint": "` + makers["webhook_endpoints"](ours)["id"].(string) + `"}`,
			"deliveries?x=":   "",
			"clock/advance":   `{"seconds": 3600}`,
			"script":          `{"rules": [{"on": "capture", "do": "decline"}]}`,
			"account":         `{"name": "thief"}`,
			"reset":           "",
			"reset?account=x": "",
		} {
			s := thief.controlStatus("POST", path, body)
			switch path {
			case "clock/advance", "script", "account", "reset", "reset?account=x":
				if s != 200 {
					t.Errorf("control %s on the thief's own world: %d", path, s)
				}
			default:
				if s != 404 {
					t.Errorf("control %s: %d", path, s)
				}
			}
		}
		after := ours.everything()
		for _, k := range slices.Sorted(maps.Keys(before)) {
			if k != "clock" && before[k] != after[k] {
				t.Errorf("%s changed:\n%s\n%s", k, before[k], after[k])
			}
		}
		if !strings.Contains(after["clock"], "offset_seconds") || strings.Contains(after["clock"], "3600") {
			t.Errorf("clock %s", after["clock"])
		}
	})
}

// firstOf is a path up to its first placeholder.
func firstOf(path string) string { return path[:strings.Index(path+"}", "}")] + "}" }

// cursor is an id of the household's in a list, "" if the list is empty.
func (h *household) cursor(r stripe.Route) string {
	path := h.fill(h.t, r.Path)
	data, _ := h.get(path).obj["data"].([]any)
	if len(data) == 0 {
		return ""
	}
	return data[0].(object)["id"].(string)
}

// required are the parameters a request needs beside the one under test.
func required(route string) []string {
	switch route {
	case "POST /v1/setup_intents":
		return nil
	case "POST /v1/payment_intents":
		return []string{"amount", "1099", "currency", "usd"}
	case "GET /v1/charges/search", "GET /v1/customers/search", "GET /v1/payment_intents/search":
		return []string{"query", "created>0"}
	case "POST /v1/test_helpers/test_clocks":
		return []string{"frozen_time", "1577836800"}
	case "POST /v1/charges":
		return []string{"amount", "1099", "currency", "usd"}
	case "POST /v1/sources":
		return []string{"type", "alipay", "amount", "1099", "currency", "usd", "redirect[return_url]", "https://shop.example/"}
	}
	return nil
}
