package multisafepay_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// seedRequests are the two request bodies of the published example, byte for
// byte (testdata/seed).
func seedRequest(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/seed/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func decode(t *testing.T, s string) object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(s), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

var (
	sessionURL = regexp.MustCompile(`^https?://[^/]+/connect/[A-Za-z0-9]{35}/\?lang=[a-z]{2}_[A-Z]{2}$`)
	walletURL  = regexp.MustCompile(`^https?://[^/]+/(.+/)?standard/auth\.htm\?auth_order_id=exc_[0-9a-f]{32}$`)
	timestamp  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`)
)

// TestSeedRedirect sends the published redirect request and compares with the
// published answer (reference §18.2, §18.3).
func TestSeedRedirect(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := w.post("orders", seedRequest(t, "redirect_request"))
		got := w.must(r)
		want := decode(t, seedRequest(t, "redirect_response"))["data"].(object)
		for k := range want {
			if got[k] == nil {
				t.Errorf("%s is missing: %s", k, r.body)
			}
		}
		for k := range got {
			if want[k] == nil && !slices.Contains([]string{"session_id", "events_token", "events_url", "events_stream_url"}, k) {
				t.Errorf("%s is not in the published answer", k)
			}
		}
		if got["order_id"] != want["order_id"] {
			t.Errorf("order_id %v", got["order_id"])
		}
		u := got["payment_url"].(string)
		if !sessionURL.MatchString(u) || !sessionURL.MatchString(want["payment_url"].(string)) {
			t.Errorf("payment_url %s", u)
		}
		if !strings.Contains(u, got["session_id"].(string)) {
			t.Errorf("session_id %v is not that of %s", got["session_id"], u)
		}
		// cn_CN is answered with the site's language, and the page is Chinese.
		if !strings.HasSuffix(u, "/?lang=en_US") {
			t.Errorf("lang of %s", u)
		}
		page := w.page(200, u)
		for _, text := range []string{"付款", "Alipay", "€10.00", "Test order description"} {
			if !strings.Contains(page, text) {
				t.Errorf("the page does not say %q:\n%s", text, page)
			}
		}
		w.settings("language", "nl_NL")
		if got := w.create(object{"customer": object{"locale": "cn_CN"}}); !strings.HasSuffix(got["payment_url"].(string), "/?lang=nl_NL") {
			t.Errorf("with a Dutch site: %v", got["payment_url"])
		}
	})
}

// TestSeedDirect sends the published direct request and compares with the
// published answer, key by key (reference §18.4, §18.5).
func TestSeedDirect(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := w.post("orders", seedRequest(t, "direct_request"))
		got := w.must(r)
		want := decode(t, seedRequest(t, "direct_response"))["data"].(object)
		psp := got["transaction_id"]
		if n, ok := psp.(float64); !ok || n < 1e15 || n >= 1e16 {
			t.Fatalf("transaction_id %v", psp)
		}
		for _, k := range []string{"created", "modified"} {
			if s, _ := got[k].(string); !timestamp.MatchString(s) || !timestamp.MatchString(want[k].(string)) {
				t.Errorf("%s is %v", k, got[k])
			}
		}
		if got["created"] != got["modified"] || got["created"] != "2026-09-10T03:00:00" {
			t.Errorf("created %v, modified %v: not nine in China in Amsterdam's time", got["created"], got["modified"])
		}
		if u := got["payment_url"].(string); !walletURL.MatchString(u) || !walletURL.MatchString(want["payment_url"].(string)) {
			t.Errorf("payment_url %s", u)
		}
		// What chance and time decide is taken over; all else must be equal.
		for _, k := range []string{"created", "modified", "payment_url", "transaction_id"} {
			want[k] = got[k]
		}
		want["costs"].([]any)[0].(object)["transaction_id"] = psp
		subset(t, "data", want, got)
		exactly(t, "customer", want["customer"], got["customer"])
		exactly(t, "payment_details", want["payment_details"], got["payment_details"])
		exactly(t, "costs", want["costs"], got["costs"])
		exactly(t, "payment_methods", want["payment_methods"], got["payment_methods"])
		for k := range got {
			if _, ok := want[k]; !ok && !newer[k] {
				t.Errorf("%s is neither in the published answer nor in today's", k)
			}
		}
		for _, k := range []string{"ip_address", "forwarded_ip", "referrer", "user_agent"} {
			if strings.Contains(string(r.body), k) {
				t.Errorf("%s comes back", k)
			}
		}
		if page := w.page(200, got["payment_url"].(string)); !strings.Contains(page, "Test platform") {
			t.Errorf("the wallet's page: %s", page)
		}
		// The same object comes back later.
		later := w.order("my-order-id-1")
		delete(want, "payment_url")
		subset(t, "later", want, later)
	})
}

// newer are root members that the service answers with today beside the
// published ones (reference §3.10).
var newer = map[string]bool{"cancel_url": true, "custom_info": true, "related_transactions": true, "var1": true, "var2": true, "var3": true}

// subset asserts that got has everything that want has.
func subset(t *testing.T, path string, want, got any) {
	t.Helper()
	switch w := want.(type) {
	case object:
		g, ok := got.(object)
		if !ok {
			t.Errorf("%s is %v, want an object", path, got)
			return
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				t.Errorf("%s.%s is missing", path, k)
				continue
			}
			subset(t, path+"."+k, w[k], g[k])
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			t.Errorf("%s is %v, want %v", path, got, want)
			return
		}
		for i := range w {
			subset(t, path, w[i], g[i])
		}
	default:
		if got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

// exactly asserts that two values are the same.
func exactly(t *testing.T, path string, want, got any) {
	t.Helper()
	subset(t, path, want, got)
	subset(t, path, got, want)
}
