package stripe_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/ducatpay/ducat/internal/wire/stripe"
)

// notExpanded are members of the published objects that this server's objects do
// not have: of other methods, and of connected accounts.
var notExpanded = []string{
	"account.", "payment_method.sepa_debit.", "confirmation_token.payment_method_preview.sepa_debit.", "setup_attempt.payment_method_details.",
	"charge.payment_method_details.bancontact.", "charge.payment_method_details.ideal.", "charge.payment_method_details.sofort.", "charge.payment_method_details.us_bank_account.",
}

// expandablePaths walks a published object and its plain parts for members that can
// be expanded.
func expandablePaths(s *openapi3.Schema, path []string, seen map[*openapi3.Schema]bool, found func(path []string)) {
	if seen[s] || len(path) > 3 {
		return
	}
	seen[s] = true
	defer delete(seen, s)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name].Value
		full := append(slices.Clone(path), name)
		if _, ok := p.Extensions["x-expansionResources"]; ok {
			found(full)
			continue
		}
		if len(p.AnyOf) == 1 {
			p = p.AnyOf[0].Value
		}
		if _, resource := p.Extensions["x-resourceId"]; !resource && p.Type.Is("object") {
			expandablePaths(p, full, seen, found)
		}
	}
}

// TestExpandableAsPublished: what the published document can expand in our
// objects, nested parts included, is accepted (stripe-platform §7.3).
func TestExpandableAsPublished(t *testing.T) {
	t.Parallel()
	all, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	objects := map[string]bool{}
	for _, r := range stripe.Routes() {
		objects[r.Object] = true
	}
	for object := range objects {
		s, ok := all[object]
		if !ok {
			continue
		}
		expandablePaths(s.Value, nil, map[*openapi3.Schema]bool{}, func(path []string) {
			full := object + "." + strings.Join(path, ".")
			if slices.ContainsFunc(notExpanded, func(p string) bool { return strings.HasPrefix(full, p) }) {
				return
			}
			seen++
			if !stripe.CanExpand("2026-08-26.dahlia", object, path) {
				t.Errorf("%s cannot be expanded", full)
			}
		})
	}
	if seen < 50 {
		t.Errorf("only %d members", seen)
	}
	for _, c := range []struct {
		version, object, path string
		want                  bool
	}{
		{"2026-08-26.dahlia", "charge", "payment_method_details.card.mandate", false},
		{"2026-09-30.endive", "charge", "payment_method_details.card.mandate", true},
		{"2026-06-24.dahlia", "refund", "customer", false},
		{"2026-07-29.dahlia", "refund", "customer", true},
		{"2026-08-26.dahlia", "charge", "amount", false},
		{"2026-08-26.dahlia", "dispute", "evidence.product_description", false},
	} {
		if got := stripe.CanExpand(c.version, c.object, strings.Split(c.path, ".")); got != c.want {
			t.Errorf("%s %s.%s: %v", c.version, c.object, c.path, got)
		}
	}
}

// TestExpandEvidence: the files of a dispute's evidence come in place of their ids.
func TestExpandEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.charged()
	w.control("POST", "disputes", `{"id": "`+ch["id"].(string)+`", "reason": "general"}`)
	file := w.must(w.send("dispute_evidence", "a.png", png, nil))
	d := w.must(w.post("/v1/charges/"+ch["id"].(string)+"/dispute", "submit", "false", "evidence[receipt]", file["id"].(string), "expand[]", "evidence.receipt"))
	w.has(d["evidence"].(object)["receipt"].(object), object{"id": file["id"], "object": "file", "type": "png"})
	list := w.must(w.get("/v1/disputes", "expand[]", "data.evidence.receipt", "expand[]", "data.evidence.refund_policy"))["data"].([]any)[0].(object)["evidence"].(object)
	if list["receipt"].(object)["id"] != file["id"] || list["refund_policy"] != nil {
		t.Errorf("in a list: %v", list)
	}
}

// TestRefundCustomer: refunds name whose they are and what they go back to, since
// 2026-07-29.
func TestRefundCustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.must(w.post("/v1/customers", "name", "Ann"))["id"].(string)
	pi := w.must(w.post("/v1/payment_intents", "amount", "2000", "currency", "usd", "payment_method_types[]", "card", "payment_method", "pm_card_visa", "confirm", "true", "customer", customer))
	re := w.must(w.post("/v1/refunds", "payment_intent", pi["id"].(string)))
	newest := map[string]string{"Stripe-Version": "2026-07-29.dahlia"}
	got := w.must(w.do("GET", "/v1/refunds/"+re["id"].(string), newest))
	w.has(got, object{"customer": customer, "customer_account": nil, "payment_method": pi["payment_method"]})
	got = w.must(w.do("GET", "/v1/refunds/"+re["id"].(string), newest, "expand[]", "customer", "expand[]", "payment_method"))
	w.has(got["customer"].(object), object{"object": "customer", "name": "Ann"})
	w.has(got["payment_method"].(object), object{"object": "payment_method", "type": "card"})
	if _, ok := w.must(w.do("GET", "/v1/refunds/"+re["id"].(string), map[string]string{"Stripe-Version": "2026-06-24.dahlia"}))["customer"]; ok {
		t.Error("before 2026-07-29 refunds had a customer")
	}
	wallet := w.must(w.post("/v1/refunds", "charge", w.charged()["id"].(string)))
	w.has(w.must(w.do("GET", "/v1/refunds/"+wallet["id"].(string), newest)), object{"customer": nil})
}
