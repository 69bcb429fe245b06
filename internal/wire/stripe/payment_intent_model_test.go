package stripe_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// modelIntent is what the table of stripe-payment-intents §4.2 says an intent
// is, kept beside the server and written without looking at its code.
type modelIntent struct {
	id, secret string
	status     string
	amount     int
	later      bool // capture_method is manual
	byServer   bool // confirmation_method is manual

	method   bool   // payment_method is set
	typ      string // its type
	page     string // of the attempt that is open
	old      []string
	deadline time.Time // of the open attempt or the authorisation; zero for none
	waits    bool      // approved, for the server's second confirmation
	lastCode string    // of last_payment_error
	received int
	charges  int
	reason   string // of the cancellation
}

var openStatuses = []string{"requires_payment_method", "requires_confirmation", "requires_action"}

func (m *modelIntent) open() bool { return slices.Contains(openStatuses, m.status) }

// closePage is what happens to the page of an attempt that is over.
func (m *modelIntent) closePage() {
	if m.page != "" {
		m.old = append(m.old, m.page)
	}
	m.page, m.deadline = "", time.Time{}
}

func (m *modelIntent) fail(code string, charged bool) {
	m.closePage()
	m.status, m.method, m.typ, m.lastCode, m.waits = "requires_payment_method", false, "", code, false
	if charged {
		m.charges++
	}
}

// succeed is an approval, or a card that needs none.
func (m *modelIntent) succeed(now time.Time) {
	m.closePage()
	m.charges++
	m.waits = false
	if m.later {
		m.status, m.deadline = "requires_capture", now.Add(7*24*time.Hour)
		return
	}
	m.status, m.received = "succeeded", m.amount
}

// intentShop drives intents of one world and their model.
type intentShop struct {
	*world
	rt      *rapid.T
	intents []*modelIntent
}

// instrument is one way to pay, and what the model expects of it.
type instrument struct {
	name, typ string
	params    []string
	declines  string // code of a refusal at once
	away      bool   // the payer approves elsewhere
}

var instruments = []instrument{
	{"alma", "alma", []string{"payment_method_data[type]", "alma"}, "", true},
	{"visa", "card", []string{"payment_method", "pm_card_visa"}, "", false},
	{"declined", "card", []string{"payment_method", "pm_card_chargeDeclined"}, "card_declined", false},
	{"challenge", "card", []string{"payment_method", "pm_card_threeDSecure2Required"}, "", true},
}

func (s *intentShop) now() time.Time {
	c := s.control("GET", "clock", "")
	at, err := time.Parse(time.RFC3339Nano, c["now"].(string))
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

func (s *intentShop) any() *modelIntent {
	if len(s.intents) == 0 {
		s.rt.Skip("no intent")
	}
	return rapid.SampledFrom(s.intents).Draw(s.rt, "intent")
}

func (s *intentShop) create() {
	m := &modelIntent{
		status: "requires_payment_method", amount: rapid.IntRange(5000, 9000).Draw(s.rt, "amount"),
		later: rapid.Bool().Draw(s.rt, "capture later"), byServer: rapid.Bool().Draw(s.rt, "by server"),
	}
	params := []string{"amount", fmt.Sprint(m.amount), "currency", "eur", "payment_method_types[]", "card", "payment_method_types[]", "alma"}
	if m.later {
		params = append(params, "capture_method", "manual")
	}
	if m.byServer {
		params = append(params, "confirmation_method", "manual")
	}
	pi := s.must(s.post("/v1/payment_intents", params...))
	m.id, m.secret = pi["id"].(string), pi["client_secret"].(string)
	s.intents = append(s.intents, m)
}

// refused checks that a command the model forbids is refused with the state's
// code.
func (s *intentShop) refused(r response, m *modelIntent) {
	s.t.Helper()
	if code := r.err()["code"]; r.status != 400 || code != "payment_intent_unexpected_state" && code != "charge_expired_for_capture" {
		s.rt.Fatalf("a command that is illegal in %s answers %d %s", m.status, r.status, r.body)
	}
	if shown := r.err()["payment_intent"].(object); shown["status"] != m.status {
		s.rt.Fatalf("the refusal shows %v, the model has %s", shown["status"], m.status)
	}
}

func (s *intentShop) confirm() {
	m, how := s.any(), rapid.SampledFrom(instruments).Draw(s.rt, "instrument")
	r := s.post("/v1/payment_intents/"+m.id+"/confirm", append([]string{"return_url", "https://shop.example/"}, how.params...)...)
	if !m.open() {
		s.refused(r, m)
		return
	}
	m.closePage()
	m.lastCode, m.waits, m.method, m.typ = "", false, true, how.typ
	switch {
	case how.declines != "":
		m.fail(how.declines, true)
		if r.status != 402 || r.err()["code"] != how.declines {
			s.rt.Fatalf("a declined card answers %d %s", r.status, r.body)
		}
	case how.away:
		m.status = "requires_action"
		m.page, m.deadline = page(s.must(r)), s.now().Add(time.Hour)
	default:
		s.must(r)
		m.succeed(s.now())
	}
}

// confirmAgain confirms with what is there.
func (s *intentShop) confirmAgain() {
	m := s.any()
	r := s.post("/v1/payment_intents/"+m.id+"/confirm", "return_url", "https://shop.example/")
	switch {
	case !m.open(), m.open() && !m.method:
		s.refused(r, m)
	case m.waits:
		s.must(r)
		m.succeed(s.now())
	default:
		s.must(r) // in the model, a method that is set and not tried is Alma's
		m.closePage()
		m.lastCode, m.status = "", "requires_action"
		m.page, m.deadline = page(r.obj), s.now().Add(time.Hour)
	}
}

func (s *intentShop) setMethod() {
	m := s.any()
	alma := s.must(s.post("/v1/payment_methods", "type", "alma"))["id"].(string)
	r := s.post("/v1/payment_intents/"+m.id, "payment_method", alma)
	if !m.open() {
		s.refused(r, m)
		return
	}
	s.must(r)
	m.closePage()
	m.status, m.method, m.typ, m.lastCode, m.waits = "requires_confirmation", true, "alma", "", false
}

func (s *intentShop) unsetMethod() {
	m := s.any()
	r := s.post("/v1/payment_intents/"+m.id, "payment_method", "")
	if !m.open() {
		s.refused(r, m)
		return
	}
	s.must(r)
	m.closePage()
	m.status, m.method, m.typ, m.lastCode, m.waits = "requires_payment_method", false, "", "", false
}

func (s *intentShop) changeAmount() {
	m := s.any()
	amount := rapid.IntRange(5000, 9000).Draw(s.rt, "amount")
	r := s.post("/v1/payment_intents/"+m.id, "amount", fmt.Sprint(amount))
	if !m.open() {
		s.refused(r, m)
		return
	}
	s.must(r)
	m.closePage()
	m.amount, m.lastCode, m.waits = amount, "", false
	if m.method {
		m.status = "requires_confirmation"
	}
}

// changeWords is legal everywhere but changes no status.
func (s *intentShop) changeWords() {
	m := s.any()
	s.must(s.post("/v1/payment_intents/"+m.id, "metadata[a]", "b"))
	m.lastCode = ""
}

func (s *intentShop) decide() {
	m := s.any()
	if m.page == "" {
		s.rt.Skip("no page")
	}
	approve := rapid.Bool().Draw(s.rt, "approve")
	if !approve {
		_, to := s.decideAt(m.page, "decline")
		m.fail("payment_intent_authentication_failure", false)
		s.returned(m, to)
		return
	}
	_, to := s.decideAt(m.page, "authorize")
	if m.byServer {
		m.closePage()
		m.status, m.waits, m.deadline = "requires_confirmation", true, s.now().Add(7*24*time.Hour)
	} else {
		m.succeed(s.now())
	}
	s.returned(m, to)
}

// returned checks what the payer brings back to the merchant's page.
func (s *intentShop) returned(m *modelIntent, to string) {
	s.t.Helper()
	want := "failed"
	if m.waits || m.status == "succeeded" || m.status == "requires_capture" {
		want = "succeeded"
	}
	u, err := url.Parse(to)
	if err != nil {
		s.rt.Fatal(err)
	}
	q := u.Query()
	if q.Get("redirect_status") != want || q.Get("payment_intent") != m.id || q.Get("payment_intent_client_secret") != m.secret || u.Host != "shop.example" {
		s.rt.Fatalf("the payer of an intent that is %s returns with %s", m.status, to)
	}
}

// decideOld posts to the page of an attempt that is over: nothing happens, and
// no success is claimed. The page of one that was replaced is gone.
func (s *intentShop) decideOld() {
	m := s.any()
	if len(m.old) == 0 {
		s.rt.Skip("no old page")
	}
	status, to := s.decideAt(rapid.SampledFrom(m.old).Draw(s.rt, "old page"), rapid.SampledFrom([]string{"authorize", "decline"}).Draw(s.rt, "decision"))
	if status != http.StatusNotFound {
		s.returned(m, to)
	}
}

func (s *intentShop) cancel() {
	m := s.any()
	r := s.post("/v1/payment_intents/" + m.id + "/cancel")
	if !m.open() && m.status != "requires_capture" {
		s.refused(r, m)
		return
	}
	s.must(r)
	m.closePage()
	m.status, m.waits, m.reason = "canceled", false, ""
}

func (s *intentShop) capture() {
	m := s.any()
	amount := rapid.IntRange(1, 9500).Draw(s.rt, "capture")
	r := s.post("/v1/payment_intents/"+m.id+"/capture", "amount_to_capture", fmt.Sprint(amount))
	switch {
	case m.status != "requires_capture":
		s.refused(r, m)
	case amount > m.amount:
		if r.status != 400 || r.err()["code"] != "amount_too_large" {
			s.rt.Fatalf("capturing %d of %d answers %d %s", amount, m.amount, r.status, r.body)
		}
	default:
		s.must(r)
		m.status, m.received, m.deadline = "succeeded", amount, time.Time{}
	}
}

// wait lets time pass: attempts and authorisations end.
func (s *intentShop) wait() {
	s.advance(time.Duration(rapid.SampledFrom([]int{10, 60, 24 * 60, 8 * 24 * 60}).Draw(s.rt, "minutes")) * time.Minute)
	now := s.now()
	for _, m := range s.intents {
		switch {
		case m.deadline.IsZero() || now.Before(m.deadline):
		case m.status == "requires_capture":
			m.closePage()
			m.status, m.reason = "canceled", "automatic"
		default:
			m.fail("payment_intent_payment_attempt_expired", false)
		}
	}
}

// check compares every intent with its model.
func (s *intentShop) check() {
	for _, m := range s.intents {
		pi := s.must(s.get("/v1/payment_intents/" + m.id))
		code := ""
		if e, ok := pi["last_payment_error"].(object); ok {
			code = e["code"].(string)
		}
		capturable := 0
		if m.status == "requires_capture" {
			capturable = m.amount
		}
		reason, _ := pi["cancellation_reason"].(string)
		charges := s.must(s.get("/v1/charges", "payment_intent", m.id))["data"].([]any)
		for _, c := range []struct {
			what      string
			got, want any
		}{
			{"status", pi["status"], m.status}, {"amount", pi["amount"], float64(m.amount)}, {"amount_capturable", pi["amount_capturable"], float64(capturable)},
			{"amount_received", pi["amount_received"], float64(m.received)}, {"last_payment_error", code, m.lastCode}, {"client_secret", pi["client_secret"], m.secret},
			{"has a method", pi["payment_method"] != nil, m.method}, {"has an action", pi["next_action"] != nil, m.status == "requires_action"},
			{"charges", len(charges), m.charges}, {"cancellation_reason", reason, m.reason},
		} {
			if c.got != c.want {
				s.rt.Fatalf("%s: %s is %v, the model says %v\n%v\n%+v", m.id, c.what, c.got, c.want, pi, m)
			}
		}
	}
}

// TestIntentsFollowTheModel drives random legal and illegal commands against the
// table of stripe-payment-intents §4.2, on both databases.
func TestIntentsFollowTheModel(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		rapid.Check(t, func(rt *rapid.T) {
			s := &intentShop{world: w.with("sk_test_" + keys.Random(24)), rt: rt}
			s.create()
			do := func(f func()) func(*rapid.T) { return func(rt *rapid.T) { s.rt = rt; f() } }
			rt.Repeat(map[string]func(*rapid.T){
				"create": do(s.create), "confirm": do(s.confirm), "confirm2": do(s.confirm), "confirmAgain": do(s.confirmAgain), "setMethod": do(s.setMethod),
				"unsetMethod": do(s.unsetMethod), "changeAmount": do(s.changeAmount), "changeWords": do(s.changeWords), "decide": do(s.decide), "decide2": do(s.decide),
				"decideOld": do(s.decideOld), "cancel": do(s.cancel), "capture": do(s.capture), "wait": do(s.wait), "": do(s.check),
			})
		})
	})
}
