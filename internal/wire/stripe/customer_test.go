package stripe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.must(w.post("/v1/customers", "email", "ann@example.com", "name", "Ann", "metadata[tier]", "gold", "address[city]", "Wien", "preferred_locales[0]", "de"))
	id := c["id"].(string)
	got := w.must(w.post("/v1/customers/"+id, "name", "", "metadata[tier]", "", "description", "regular"))
	if got["name"] != nil || got["email"] != "ann@example.com" || got["description"] != "regular" || len(got["metadata"].(object)) != 0 {
		t.Errorf("after update: %v", got)
	}
	other := w.must(w.post("/v1/customers", "email", "bob@example.com"))["id"].(string)
	if l := w.must(w.get("/v1/customers", "email", "ann@example.com"))["data"].([]any); len(l) != 1 || l[0].(object)["id"] != id {
		t.Errorf("by email: %v", l)
	}
	if d := w.must(w.do("DELETE", "/v1/customers/"+other, nil)); d["deleted"] != true || len(d) != 3 {
		t.Errorf("delete: %v", d)
	}
	if d := w.must(w.get("/v1/customers/" + other)); d["deleted"] != true {
		t.Errorf("a deleted customer is retrieved as %v", d)
	}
	if l := w.must(w.get("/v1/customers"))["data"].([]any); len(l) != 1 {
		t.Errorf("the list shows %d", len(l))
	}
	for _, r := range []response{w.post("/v1/customers/"+other, "name", "x"), w.get("/v1/customers/cus_none"), w.do("DELETE", "/v1/customers/"+other, nil)} {
		if r.status != 404 || r.err()["code"] != "resource_missing" || !strings.HasPrefix(r.err()["message"].(string), "No such customer: '") {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if r := w.post("/v1/customers", "email", "nobody"); r.status != 400 || r.err()["code"] != "email_invalid" {
		t.Errorf("bad email: %d %s", r.status, r.body)
	}
	want := "customer.created customer.updated customer.created customer.deleted"
	if e := strings.Join(w.events(), " "); e != want {
		t.Errorf("events %s", e)
	}
}

// TestCustomerSources: attach, charge with both ids, detach with the payer's
// money going back (stripe-sources §3.8).
func TestCustomerSources(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cus := w.must(w.post("/v1/customers"))["id"].(string)
		src := w.chargeable()
		id := src["id"].(string)
		got := w.must(w.post("/v1/customers/"+cus+"/sources", "source", id))
		if got["customer"] != cus {
			t.Errorf("attached: %v", got["customer"])
		}
		if r := w.post("/v1/customers/"+cus+"/sources", "source", id); r.status != 400 || r.err()["message"] != "The source you provided has already been attached to a customer." {
			t.Errorf("twice: %d %s", r.status, r.body)
		}
		if l := w.must(w.get("/v1/customers/"+cus+"/sources", "object", "source"))["data"].([]any); len(l) != 1 {
			t.Errorf("sources %v", l)
		}
		if c := w.must(w.get("/v1/customers/"+cus, "expand[]", "sources", "expand[]", "default_source")); c["default_source"].(object)["id"] != id || c["sources"].(object)["data"].([]any)[0].(object)["id"] != id {
			t.Errorf("customer %v", c)
		}
		if r := w.chargeOf(src); r.status != 400 || r.err()["code"] != "missing" || !strings.Contains(r.err()["message"].(string), "does not have a linked source with ID") {
			t.Errorf("without its customer: %d %s", r.status, r.body)
		}
		ch := w.must(w.chargeOf(src, "customer", cus, "expand[]", "customer"))
		if ch["customer"].(object)["id"] != cus {
			t.Errorf("charge's customer %v", ch["customer"])
		}
		if l := w.must(w.get("/v1/charges", "customer", cus))["data"].([]any); len(l) != 1 {
			t.Errorf("charges of the customer: %d", len(l))
		}
		// An unattached source may be charged for a customer, and stays unattached.
		free := w.chargeable()
		w.must(w.chargeOf(free, "customer", cus))
		// Detaching an authorised source gives the payer's money back.
		held := w.chargeable()
		hid := held["id"].(string)
		w.must(w.post("/v1/customers/"+cus+"/sources", "source", hid))
		w.must(w.post("/v1/customers/"+cus+"/sources/"+hid, "metadata[a]", "b"))
		gone := w.must(w.do("DELETE", "/v1/customers/"+cus+"/sources/"+hid, nil))
		if gone["status"] != "consumed" || gone["customer"] != nil {
			t.Errorf("detached: %v", gone)
		}
		if r := w.chargeOf(held); r.status != 400 {
			t.Errorf("charging a detached source: %d", r.status)
		}
		w.advance(time.Second)
		for _, j := range w.control("GET", "jobs", "")["jobs"].([]any) {
			if kind := j.(map[string]any)["kind"]; kind != engine.JobSettle && kind != engine.JobDeadlines {
				t.Errorf("still open: %v", j)
			}
		}
		if r := w.get("/v1/customers/" + cus + "/sources/" + hid); r.status != 404 {
			t.Errorf("after detaching: %d", r.status)
		}
		all := strings.Join(w.events(), " ")
		for _, e := range []string{"customer.source.created", "customer.source.updated", "customer.source.deleted"} {
			if !strings.Contains(all, e) {
				t.Errorf("no %s in %s", e, all)
			}
		}
		if r := w.post("/v1/customers/"+cus+"/sources", "source", free["id"].(string)); r.status != 400 || r.err()["code"] != "invalid_source_usage" {
			t.Errorf("attaching a used source: %d %s", r.status, r.body)
		}
	})
}
