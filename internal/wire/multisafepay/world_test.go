package multisafepay_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/signature"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type object = map[string]any

var keys = id.System()

// world is a server, and a site's key.
type world struct {
	*wiretest.Server
	t   *testing.T
	key string
}

// onBoth runs a test on both databases.
func onBoth(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	wiretest.OnBoth(t, func(t *testing.T, s *wiretest.Server) { fn(t, worldOn(t, s)) })
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldOn(t, wiretest.NewSQLite(t))
}

func worldOn(t *testing.T, s *wiretest.Server) *world {
	return &world{Server: s, t: t, key: keys.Random(40)}
}

// response is an answer.
type response struct {
	status int
	header http.Header
	body   []byte
	obj    object
}

// data is the object of a success.
func (r response) data() object { o, _ := r.obj["data"].(object); return o }

// list is the array of a success.
func (r response) list() []any { l, _ := r.obj["data"].([]any); return l }

// do sends a request below /v1/json. Every answer has to have the form of the
// envelope (reference §1.4).
func (w *world) do(method, path, body string, header http.Header) response {
	w.t.Helper()
	r := w.send(method, "/v1/json/"+path, body, header)
	if method == http.MethodOptions {
		return r
	}
	if ct := r.header.Get("Content-Type"); ct != "application/json; charset=UTF-8" {
		w.t.Errorf("%s %s: content type %q", method, path, ct)
	}
	if err := json.Unmarshal(r.body, &r.obj); err != nil {
		w.t.Fatalf("%s %s answered bad JSON: %v\n%s", method, path, err, r.body)
	}
	if _, bare := r.obj["message"]; bare {
		return r
	}
	switch r.obj["success"] {
	case true:
		_, isObject := r.obj["data"].(object)
		_, isList := r.obj["data"].([]any)
		if r.status != 200 || !isObject && !isList || r.obj["error_code"] != nil {
			w.t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
		}
	case false:
		code, isNumber := r.obj["error_code"].(float64)
		text, isText := r.obj["error_info"].(string)
		if d, ok := r.obj["data"].(object); r.status < 400 || !ok || len(d) > 0 || !isNumber || code != float64(int(code)) || !isText || text == "" {
			w.t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
		}
	default:
		w.t.Errorf("%s %s has no success: %s", method, path, r.body)
	}
	return r
}

func (w *world) send(method, path, body string, header http.Header) response {
	w.t.Helper()
	a := wiretest.Send(w.t, method, w.URL+path, header, body)
	return response{status: a.Status, header: a.Header, body: a.Body}
}

func (w *world) auth() http.Header { return http.Header{"Api_key": {w.key}} }

func (w *world) get(path string) response {
	w.t.Helper()
	return w.do("GET", path, "", w.auth())
}

func (w *world) post(path, body string) response {
	w.t.Helper()
	return w.do("POST", path, body, w.auth())
}

func (w *world) patch(path, body string) response {
	w.t.Helper()
	return w.do("PATCH", path, body, w.auth())
}

// must is the data of an answer that has to be a success.
func (w *world) must(r response) object {
	w.t.Helper()
	if r.status != 200 || r.obj["success"] != true {
		w.t.Fatalf("status %d: %s", r.status, r.body)
	}
	return r.data()
}

// refused asserts that an answer is an error of a code.
func (w *world) refused(r response, status, code int) {
	w.t.Helper()
	if r.status != status || r.obj["success"] != false || r.obj["error_code"] != float64(code) {
		w.t.Errorf("got %d %s, want %d with code %d", r.status, r.body, status, code)
	}
}

// control calls the control API.
func (w *world) control(method, path, body string) object {
	w.t.Helper()
	status, o := w.Control(w.t, w.auth(), method, path, body)
	if status != 200 {
		w.t.Fatalf("control %s: %d %v", path, status, o)
	}
	return o
}

// settings sets the site's settings.
func (w *world) settings(pairs ...string) {
	w.t.Helper()
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m["multisafepay."+pairs[i]] = pairs[i+1]
	}
	b, _ := json.Marshal(object{"settings": m})
	w.control("POST", "account", string(b))
}

// advance moves the world's clock, doing what falls due.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.control("POST", "clock/advance", fmt.Sprintf(`{"seconds": %f}`, d.Seconds()))
}

// orderWith is a valid order; change replaces members, and nil removes them. Nobody
// listens at its notification address, which refuses at once.
func orderWith(change object) string {
	o := object{
		"type": "redirect", "order_id": "order-" + keys.Random(12), "gateway": "ALIPAY", "currency": "EUR", "amount": 1000, "description": "Test order description",
		"payment_options": object{
			"notification_url": "http://127.0.0.1:9/notify?type=notification", "redirect_url": "https://shop.example/back?type=redirect", "cancel_url": "https://shop.example/back?type=cancel",
		},
		"customer": object{"locale": "en_US", "ip_address": "123.123.123.123", "email": "simonsmit@example.com"},
	}
	for k, v := range change {
		if v == nil {
			delete(o, k)
			continue
		}
		o[k] = v
	}
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// options are payment_options that notify a receiver by POST.
func notifying(r *wiretest.Receiver) object {
	return object{
		"notification_url": r.URL + "/notify?type=notification", "notification_method": "POST",
		"redirect_url": "https://shop.example/back?type=redirect", "cancel_url": "https://shop.example/back?type=cancel",
	}
}

// create creates an order that must be accepted.
func (w *world) create(change object) object {
	w.t.Helper()
	return w.must(w.post("orders", orderWith(change)))
}

// order fetches an order.
func (w *world) order(id string) object {
	w.t.Helper()
	return w.must(w.get("orders/" + url.PathEscape(id)))
}

// is asserts an order's two statuses.
func (w *world) is(id, status, financial string) object {
	w.t.Helper()
	o := w.order(id)
	if o["status"] != status || o["financial_status"] != financial {
		w.t.Errorf("order %s is %v/%v, want %s/%s", id, o["status"], o["financial_status"], status, financial)
	}
	return o
}

// page opens a page, which must be HTML with a status.
func (w *world) page(status int, address string) string {
	w.t.Helper()
	r := w.send("GET", strings.TrimPrefix(address, w.URL), "", nil)
	if r.status != status || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") && status < 300 {
		w.t.Fatalf("page %s: %d %s", address, r.status, r.body)
	}
	return string(r.body)
}

// submit posts a form to a page and returns the answer.
func (w *world) submit(address string, fields ...string) response {
	w.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return w.send("POST", strings.TrimPrefix(address, w.URL), v.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

// choose picks a method on the payment page and returns the wallet's page.
func (w *world) choose(paymentURL, gateway string) string {
	w.t.Helper()
	r := w.submit(paymentURL, "gateway", gateway)
	if r.status != 303 || !strings.HasPrefix(r.header.Get("Location"), "/simulator/") {
		w.t.Fatalf("choosing %s: %d %s %s", gateway, r.status, r.header.Get("Location"), r.body)
	}
	return r.header.Get("Location")
}

// decide ends a test payment and returns where the payer goes.
func (w *world) decide(walletURL, scenario string) string {
	w.t.Helper()
	r := w.submit(walletURL, "scenario", scenario)
	if r.status != 303 {
		w.t.Fatalf("deciding %s: %d %s", scenario, r.status, r.body)
	}
	return r.header.Get("Location")
}

// paid creates a direct Alipay order and pays it.
func (w *world) paid(change object) object {
	w.t.Helper()
	all := object{"type": "direct"}
	for k, v := range change {
		all[k] = v
	}
	o := w.create(all)
	w.decide(o["payment_url"].(string), "completed")
	return w.order(o["order_id"].(string))
}

var notificationQuery = regexp.MustCompile(`^type=notification&transactionid=([^&]+)&timestamp=(\d{10})(&payload_type=pretransaction)?$`)

// notified returns the notifications that came, having checked what is true of
// all of them: the address, the signature over the very bytes, and that those
// bytes survive being parsed and written again (reference §12).
func (w *world) notified(r *wiretest.Receiver) []wiretest.Received {
	w.t.Helper()
	all := r.All()
	for _, n := range all {
		if !notificationQuery.MatchString(n.Query) {
			w.t.Errorf("query %s", n.Query)
		}
		if n.Method == "GET" {
			if len(n.Body) > 0 || n.Header.Get("Auth") != "" {
				w.t.Errorf("GET with body %q, Auth %q", n.Body, n.Header.Get("Auth"))
			}
			continue
		}
		if err := signature.Verify(n.Header.Get("Auth"), n.Body, w.key, w.Clock.Now(), 600*time.Second); err != nil {
			w.t.Errorf("%v: %s", err, n.Body)
		}
		if n.Header.Get("Content-Type") != "application/json" || n.Object["success"] != nil || n.Object["order_id"] == nil {
			w.t.Errorf("notification %v %s", n.Header, n.Body)
		}
	}
	return all
}

// statuses are those of notifications, in order.
func statuses(all []wiretest.Received) string {
	var s []string
	for _, n := range all {
		s = append(s, fmt.Sprintf("%v/%v", n.Object["status"], n.Object["financial_status"]))
	}
	return strings.Join(s, " ")
}
