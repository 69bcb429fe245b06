package stripe_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/store"
)

const clocks = "/v1/test_helpers/test_clocks"

// unix is an instant as a parameter.
func unix(at time.Time) string { return fmt.Sprint(at.Unix()) }

// work does what is due on the wall, once, as the background runner would.
func (w *world) work() {
	w.t.Helper()
	for _, j := range w.claim() {
		w.srv.Runner.Do(context.Background(), j)
	}
}

func (w *world) claim() []store.Job {
	w.t.Helper()
	jobs, _, err := w.store.ClaimDueJobs(context.Background(), w.clock.Now(), 30*time.Second, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return jobs
}

// TestTestClock: a clock is made, moved and deleted, with what hangs on it.
func TestTestClock(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		frozen := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) // before the world's time
		clock := w.must(w.post(clocks, "frozen_time", unix(frozen), "name", "annual renewal"))
		id := clock["id"].(string)
		w.has(clock, object{
			"object": "test_helpers.test_clock", "name": "annual renewal", "status": "ready", "status_details": object{}, "livemode": false,
			"frozen_time": float64(frozen.Unix()), "created": float64(start.Unix()), "deletes_after": float64(start.Unix() + 604800),
		})
		cus := w.must(w.post("/v1/customers", "test_clock", id, "email", "ann@example.com", "expand[]", "test_clock"))
		w.has(cus, object{"created": float64(frozen.Unix())})
		w.has(cus["test_clock"].(object), object{"id": id})
		customer := cus["id"].(string)
		plain := w.customers(1, "email", "ann@example.com")
		w.shows(plain, "/v1/customers")
		w.shows(plain, "/v1/customers", "email", "ann@example.com")
		w.shows([]string{customer}, "/v1/customers", "test_clock", id)
		src := w.source()

		target := frozen.AddDate(0, 0, 20)
		moving := w.must(w.post(clocks+"/"+id+"/advance", "frozen_time", unix(target)))
		w.has(moving, object{"status": "advancing", "frozen_time": float64(frozen.Unix()), "status_details": object{"advancing": object{"target_frozen_time": float64(target.Unix())}}})
		busy := "Test clock advancement underway - cannot perform modifications: " + id
		for _, r := range []response{
			w.post("/v1/customers/"+customer, "name", "Ann"),
			w.do("DELETE", "/v1/customers/"+customer, nil),
			w.post("/v1/customers/"+customer+"/sources", "source", src["id"].(string)),
			w.post("/v1/charges", "amount", "1099", "currency", "usd", "customer", customer, "source", src["id"].(string)),
			w.post("/v1/customers", "test_clock", id),
			w.post(clocks+"/"+id+"/advance", "frozen_time", unix(target.Add(time.Hour))),
			w.do("DELETE", clocks+"/"+id, nil),
		} {
			if r.status != 429 || r.err()["message"] != busy || r.header.Get("Stripe-Should-Retry") != "true" {
				t.Errorf("while the clock is moved: %d %s", r.status, r.body)
			}
		}
		w.must(w.get("/v1/customers/" + customer))
		w.must(w.post("/v1/customers/"+plain[0], "name", "Bob"))

		w.work()
		done := w.must(w.get(clocks + "/" + id))
		w.has(done, object{"status": "ready", "frozen_time": float64(target.Unix()), "status_details": object{}})
		if got := w.must(w.get("/v1/sources/" + src["id"].(string))); got["status"] != "canceled" {
			t.Errorf("twenty days later the source is %v", got["status"])
		}
		if now := w.control("GET", "clock", "")["now"].(string); !strings.HasPrefix(now, start.AddDate(0, 0, 20).Format(time.DateOnly)) {
			t.Errorf("the world's time is %s", now)
		}
		w.must(w.post("/v1/customers/"+customer, "name", "Ann"))
		e := strings.Join(w.events(), " ")
		if !strings.Contains(e, "test_helpers.test_clock.created customer.created") || !strings.Contains(e, "test_helpers.test_clock.advancing customer.updated source.canceled test_helpers.test_clock.ready") {
			t.Errorf("events %s", e)
		}

		w.must(w.post("/v1/customers/"+customer+"/sources", "source", w.chargeable()["id"].(string)))
		deleted := w.must(w.do("DELETE", clocks+"/"+id, nil))
		if len(deleted) != 3 || deleted["deleted"] != true || deleted["object"] != "test_helpers.test_clock" {
			t.Errorf("deleted: %v", deleted)
		}
		if got := w.must(w.get("/v1/customers/" + customer)); got["deleted"] != true {
			t.Errorf("its customer: %v", got)
		}
		if r := w.get(clocks + "/" + id); r.status != 404 || r.err()["code"] != "resource_missing" {
			t.Errorf("a deleted clock: %d %s", r.status, r.body)
		}
		types := w.events()
		for _, want := range []string{"test_helpers.test_clock.deleted", "customer.deleted", "customer.source.deleted"} {
			if !slices.Contains(types, want) {
				t.Errorf("no %s", want)
			}
		}
	})
}

// TestTestClockInterrupted: a process that dies while it moves a clock leaves
// the move to another one, and moving twice is moving once.
func TestTestClockInterrupted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		id := w.must(w.post(clocks, "frozen_time", "1577836800"))["id"].(string)
		w.must(w.post(clocks+"/"+id+"/advance", "frozen_time", "1580515200"))
		lost := w.claim() // and the process is gone
		w.work()
		if got := w.must(w.get(clocks + "/" + id)); got["status"] != "advancing" {
			t.Errorf("leased by the dead: %v", got)
		}
		w.clock.Advance(time.Minute)
		w.work()
		w.has(w.must(w.get(clocks+"/"+id)), object{"status": "ready", "frozen_time": 1580515200.0})
		before := w.control("GET", "clock", "")["now"]
		for _, j := range lost {
			w.srv.Runner.Do(context.Background(), j)
		}
		if after := w.control("GET", "clock", "")["now"]; after != before {
			t.Errorf("moved again, from %v to %v", before, after)
		}
		if n := strings.Count(strings.Join(w.events(), " "), "test_clock.ready"); n != 1 {
			t.Errorf("%d times ready", n)
		}
		// The world's own clock may overtake a move that has not begun.
		w.must(w.post(clocks+"/"+id+"/advance", "frozen_time", "1580601600"))
		w.advance(48 * time.Hour)
		w.has(w.must(w.get(clocks+"/"+id)), object{"status": "advancing", "frozen_time": 1580601600.0})
		w.work()
		w.has(w.must(w.get(clocks+"/"+id)), object{"status": "ready", "frozen_time": 1580601600.0})
	})
}

// TestTestClockEnds: a clock nobody deletes is deleted after a week on the wall,
// however far it or the world's clock was moved.
func TestTestClockEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.must(w.post(clocks, "frozen_time", "1577836800"))["id"].(string)
	w.must(w.post("/v1/customers", "test_clock", id))
	w.advance(300 * 24 * time.Hour)
	w.work()
	w.clock.Advance(7*24*time.Hour - time.Second)
	w.work()
	w.must(w.get(clocks + "/" + id))
	w.clock.Advance(time.Second)
	w.work()
	if r := w.get(clocks + "/" + id); r.status != 404 {
		t.Errorf("after a week: %d %s", r.status, r.body)
	}
	w.shows(nil, "/v1/customers", "test_clock", id)
}

func TestTestClockErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.must(w.post(clocks, "frozen_time", "1577836800"))["id"].(string)
	other := w.must(w.post(clocks, "frozen_time", "1577836800", "customer", w.customers(1)[0]))["id"].(string)
	w.shows([]string{other, id}, clocks)
	w.shows([]string{id}, clocks, "starting_after", other)
	for range 3 {
		w.must(w.post("/v1/customers", "test_clock", id))
	}
	bound := w.page("/v1/customers", "test_clock", id)[0]
	advance := clocks + "/" + id + "/advance"
	for _, c := range []struct {
		path           string
		status         int
		param, message string
		params         []string
	}{
		{clocks, 400, "frozen_time", "Missing required param: frozen_time.", nil},
		{clocks, 400, "frozen_time", "Invalid integer: soon", []string{"frozen_time", "soon"}},
		{clocks, 400, "frozen_time", "This value must be between 0 and 3521614605.", []string{"frozen_time", "-1"}},
		{clocks, 400, "frozen_time", "This value must be between 0 and 3521614605.", []string{"frozen_time", "99999999999"}},
		{clocks, 400, "name", "at most 300 characters", []string{"frozen_time", "1", "name", strings.Repeat("x", 301)}},
		{clocks, 400, "customer", "No such customer: 'cus_none'", []string{"frozen_time", "1", "customer", "cus_none"}},
		{clocks, 400, "customer", "is attached to " + id + " already", []string{"frozen_time", "1", "customer", bound}},
		{advance, 400, "frozen_time", "Missing required param: frozen_time.", nil},
		{advance, 400, "frozen_time", "can only be advanced: it stands at 1577836800", []string{"frozen_time", "1577836800"}},
		{advance, 400, "frozen_time", "at most two years", []string{"frozen_time", "1677836800"}},
		{clocks + "/clock_none/advance", 404, "test_clock", "No such test clock: 'clock_none'", []string{"frozen_time", "1577836801"}},
		{"/v1/customers", 400, "test_clock", "No such test clock: 'clock_none'", []string{"test_clock", "clock_none"}},
		{"/v1/customers", 400, "test_clock", "up to 3 customers", []string{"test_clock", id}},
	} {
		r := w.post(c.path, c.params...)
		if p, _ := r.err()["param"].(string); r.status != c.status || p != c.param || !strings.Contains(r.err()["message"].(string), c.message) {
			t.Errorf("%s %v: %d %s", c.path, c.params, r.status, r.body)
		}
	}
	old := w.do("GET", clocks+"/"+id, map[string]string{"Stripe-Version": "2024-06-20"})
	if _, ok := old.obj["status_details"]; ok {
		t.Errorf("before 2024-09-30: %s", old.body)
	}
}

// TestTestClockAudit: a clock that is being moved by nobody is found.
func TestTestClockAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.must(w.post(clocks, "frozen_time", "1577836800"))["id"].(string)
	w.must(w.post(clocks+"/"+id+"/advance", "frozen_time", "1580515200"))
	for merchant := range w.merchants() {
		if err := w.store.Update(context.Background(), merchant, func(tx store.Tx) error { return tx.DeleteJob("test_clock:" + id) }); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.srv.Engine.Verify(context.Background(), func(engine.Audited) {})
	if err == nil || !strings.Contains(err.Error(), "test clock "+id+" is being advanced, but nothing is planned for it") {
		t.Errorf("verify: %v", err)
	}
	w.control("POST", "reset", "{}")
}

// TestCustomerChoices: ids a merchant chooses, and what is kept for invoices.
func TestCustomerChoices(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		c := w.must(w.post("/v1/customers", "id", "user_42", "business_name", "Ann Ltd", "individual_name", "Ann", "tax_exempt", "exempt", "balance", "-500",
			"invoice_prefix", "ANN7", "next_invoice_sequence", "5"))
		want := object{"id": "user_42", "business_name": "Ann Ltd", "individual_name": "Ann", "tax_exempt": "exempt", "balance": -500, "invoice_prefix": "ANN7", "next_invoice_sequence": 5}
		w.has(c, want)
		w.has(w.must(w.get("/v1/customers/user_42")), want)
		w.has(w.must(w.post("/v1/customers/user_42", "tax_exempt", "", "business_name", "", "balance", "0")), object{"tax_exempt": "none", "business_name": nil, "balance": 0, "invoice_prefix": "ANN7"})
		ours := w.customers(1)[0]
		shaped := "cus_1" + strings.Repeat("a", 23) // looks like one of ours
		w.must(w.post("/v1/customers", "id", shaped))
		w.shows([]string{shaped, ours, "user_42"}, "/v1/customers")
		w.shows([]string{"user_42"}, "/v1/customers", "starting_after", ours)
		charge := w.charged("customer", "user_42", "expand[]", "customer")
		w.has(charge["customer"].(object), object{"id": "user_42"})
		for _, bad := range []struct{ name, value, code string }{
			{"id", "user_42", "resource_already_exists"}, {"id", "user 42", ""}, {"id", strings.Repeat("x", 256), ""}, {"tax_exempt", "maybe", ""},
			{"balance", "much", "parameter_invalid_integer"}, {"invoice_prefix", "a", ""}, {"next_invoice_sequence", "0", "parameter_invalid_integer"},
		} {
			r := w.post("/v1/customers", bad.name, bad.value)
			if code, _ := r.err()["code"].(string); r.status != 400 || code != bad.code || r.err()["param"] != bad.name {
				t.Errorf("%s=%s: %d %s", bad.name, bad.value, r.status, r.body)
			}
		}
		w.must(w.do("DELETE", "/v1/customers/user_42", nil))
		if r := w.post("/v1/customers", "id", "user_42"); r.status != 400 || r.err()["code"] != "resource_already_exists" {
			t.Errorf("the id of a deleted one: %d %s", r.status, r.body)
		}
		w.shows([]string{shaped, ours}, "/v1/customers")
	})
}
