package portal_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/wiretest"
)

var listed = regexp.MustCompile(`href="/portal/payments/(pay_[0-9A-Za-z]+)"`)

// ids are the payments a page lists, in its order.
func ids(p wiretest.Page) (list []string) {
	for _, m := range listed.FindAllStringSubmatch(p.Body, -1) {
		list = append(list, m[1])
	}
	return list
}

var older = regexp.MustCompile(`rel="next" href="(\?[^"]+)"`)

// walk follows the list to its end.
func walk(t *testing.T, v *visitor, query string) (all []string, pages int) {
	t.Helper()
	for pages = 1; ; pages++ {
		p := v.Get("/portal/payments" + query)
		if p.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, p.Status, p.Said())
		}
		all = append(all, ids(p)...)
		m := older.FindStringSubmatch(p.Body)
		if m == nil {
			return all, pages
		}
		query = strings.ReplaceAll(m[1], "&amp;", "&")
	}
}

func TestPayments(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		v := w.signedIn()
		if p := v.Get("/portal/payments"); p.Status != http.StatusOK || !p.Has("No payments yet") {
			t.Errorf("an empty account: %d %s", p.Status, p.Said())
		}
		want := map[string][]string{}
		var made []string
		add := func(state, id string) {
			made = append([]string{id}, made...)
			want[state] = append([]string{id}, want[state]...)
		}
		_, id := w.paid("description", "Lamp & <b>shade</b>")
		add("paid", id)
		_, id = w.paid()
		v.refund(id, "50.99")
		add("refunded", id)
		_, id = w.paid()
		v.refund(id, "0.99")
		add("partly_refunded", id)
		intent, id := w.paid()
		w.control("disputes", `{"id":"`+intent+`","reason":"product_not_received"}`)
		add("disputed", id)
		_, id = w.paid("capture_method", "manual")
		add("authorized", id)
		intent, id = w.begun()
		w.control("decide", `{"id":"`+intent+`","decision":"decline"}`)
		add("declined", id)
		intent, id = w.begun()
		w.api("POST", "/v1/payment_intents/"+intent+"/cancel")
		add("canceled", id)
		_, id = w.begun()
		w.advance(2 * time.Hour)
		add("expired", id)
		for range 30 {
			_, id = w.begun()
			add("waiting", id)
		}
		if got, pages := walk(t, v, ""); !slices.Equal(got, made) || pages != 2 {
			t.Errorf("%d payments on %d pages, want %d, newest first", len(got), pages, len(made))
		}
		for state, ids := range want {
			got, pages := walk(t, v, "?state="+state)
			if !slices.Equal(got, ids) || pages != (len(ids)+24)/25 {
				t.Errorf("%s: %v on %d pages, want %v", state, got, pages, ids)
			}
		}
		if p := v.Get("/portal/payments?state=paid"); !p.Has("Lamp & <b>shade</b>", "€50.99 EUR", "Paid", "Alma", "10 Sep 2026, 01:00:00") {
			t.Errorf("a line says %s", p.Said())
		}
		if p := v.Get("/portal/payments?state=lost"); p.Status != http.StatusBadRequest || !p.Has(`cannot be filtered by "lost"`) {
			t.Errorf("an unknown state: %d %s", p.Status, p.Said())
		}
	})
}

// TestFilteredListsEnd: a page of a filter that few payments pass looks at so many
// of them and goes on from there.
func TestFilteredListsEnd(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	_, only := w.paid()
	p, m := w.stored(only)
	if err := w.Store.Update(context.Background(), m, func(tx store.Tx) error {
		for i := range 2100 {
			copied := p
			copied.Version, copied.ID = 0, fmt.Sprintf("pay_2%023d", i)
			copied.Attempt.ID = fmt.Sprintf("att_2%023d", i)
			if err := tx.InsertPayment(copied); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v := w.signedIn()
	first := v.Get("/portal/payments?state=declined")
	if !first.Has("No payments here are in this state", "newest 2,000 payments were looked through") || !older.MatchString(first.Body) {
		t.Errorf("%s", first.Said())
	}
	if got, pages := walk(t, v, "?state=declined"); len(got) != 0 || pages != 2 {
		t.Errorf("%d declined on %d pages", len(got), pages)
	}
	if err := w.Engine.Reset(context.Background(), m); err != nil { // the copies have no books
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		intent, id := w.paid()
		charge := w.api("GET", "/v1/payment_intents/"+intent)["latest_charge"].(string)
		v := w.signedIn()
		v.refund(id, "1")
		refund := w.api("GET", "/v1/refunds?payment_intent="+intent)["data"].([]any)[0].(object)["id"].(string)
		w.control("disputes", `{"id":"`+intent+`","reason":"product_not_received"}`)
		stored, _ := w.stored(id)
		dispute := w.api("GET", "/v1/disputes")["data"].([]any)[0].(object)["id"].(string)
		for _, name := range []string{id, intent, charge, refund, dispute, stored.Dispute()} {
			if p := v.Get("/portal/payments?find=" + name); p.Path != "/portal/payments/"+id || p.Status != http.StatusOK {
				t.Errorf("%s leads to %s: %s", name, p.Path, p.Said())
			}
		}
		unpaid := w.api("POST", "/v1/payment_intents", "amount", "5099", "currency", "eur")["id"].(string)
		stranger := worldOn(t, w.Server)
		for _, name := range []string{unpaid, "pi_none", "nothing at all", "%00", strings.Repeat("x", 300)} {
			if p := v.Get("/portal/payments?find=" + strings.ReplaceAll(name, " ", "+")); p.Status != http.StatusNotFound || !p.Has("No payment of this account is known") {
				t.Errorf("%q: %d %s", name, p.Status, p.Said())
			}
		}
		if p := stranger.signedIn().Get("/portal/payments?find=" + intent); p.Status != http.StatusNotFound {
			t.Errorf("another account finds it: %d", p.Status)
		}
	})
}

// TestPayment: the page says everything about a payment.
func TestPayment(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		shop := wiretest.NewReceiver(t)
		shop.Answer(500, "out of order")
		w.api("POST", "/v1/webhook_endpoints", "url", shop.URL, "enabled_events[]", "*")
		intent, id := w.begun("description", "Paper lamp", "metadata[order]", "A-77", "receipt_email", "ada@shop.example")
		w.control("decide", `{"id":"`+intent+`","decision":"decline"}`)
		w.api("POST", "/v1/payment_intents/"+intent+"/confirm", "payment_method_data[type]", "alma", "return_url", "https://shop.example/done")
		w.control("decide", `{"id":"`+intent+`","decision":"authorize"}`)
		w.advance(10 * time.Second)
		v := w.signedIn()
		v.refund(id, "20.99", "reason", "duplicate")
		w.advance(time.Minute)
		w.control("disputes", `{"id":"`+intent+`","reason":"product_not_received"}`)
		p := v.Get("/portal/payments/" + id)
		if p.Status != http.StatusOK || !p.Has(
			"Alma Disputed", "€50.99 EUR", "Paper lamp", intent, "metadata: order A-77", "ada@shop.example", "Refunded €20.99 EUR",
			"€50.99 EUR asked for with Alma", "Declined payer_declined", "Authorised by the payer", "€50.99 EUR captured", "Refund of €20.99 EUR begun",
			"Dispute about €30.00 EUR opened", "product_not_received", "The payer disputes the payment",
			"payment_intent.created", "payment_intent.payment_failed", "payment_intent.requires_action", "payment_intent.succeeded", "charge.succeeded", "charge.refunded",
			"refund.created", "charge.dispute.created", "charge.dispute.funds_withdrawn", "answered 500 out of order", "next attempt", "Send again",
		) {
			t.Errorf("%d %s", p.Status, p.Said())
		}
		if n := strings.Count(p.Body, "asked for with"); n != 2 {
			t.Errorf("%d attempts are shown, want 2", n)
		}
		told := strings.Count(p.Body, `<details class="told">`)
		var about int
		for _, e := range w.api("GET", "/v1/events?limit=100")["data"].([]any) {
			if strings.Contains(fmt.Sprint(e), intent) {
				about++
			}
		}
		if told != about || about < 12 {
			t.Errorf("%d events are shown, %d are about the payment", told, about)
		}

		// Every transfer about the payment is there, and no other.
		w.paid()
		stored, m := w.stored(id)
		var all []ledger.Transfer
		if err := w.Store.View(context.Background(), m, func(r store.Reader) (err error) {
			all, _, err = r.Transfers(0, 1000)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var shown []string
		for _, c := range regexp.MustCompile(`<span class="code">([a-z_]+:[^<]+)</span></td></tr>`).FindAllStringSubmatch(p.Body, -1) {
			shown = append(shown, c[1])
		}
		var want []string
		for _, x := range all {
			if x.Payment == stored.ID {
				want = append(want, x.ID)
			}
		}
		if !slices.Equal(shown, want) || len(want) < 5 {
			t.Errorf("the ledger has %v, shown are %v", want, shown)
		}
	})
}

// TestRefund: the button does what POST /v1/refunds does.
func TestRefund(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		shop := wiretest.NewReceiver(t)
		w.api("POST", "/v1/webhook_endpoints", "url", shop.URL, "enabled_events[]", "charge.refunded", "enabled_events[]", "refund.created")
		intent, id := w.paid()
		v := w.signedIn()
		at := "/portal/payments/" + id
		before := v.Get(at)
		p := v.refund(id, "25.49", "reason", "requested")
		if p.Status != http.StatusOK || p.Path != at+"?done=refund" || !p.Has("on its way", "€25.50 EUR can be refunded", "Partly refunded") {
			t.Errorf("%d at %s: %s", p.Status, p.Path, p.Said())
		}
		if p := v.Post(before, at+"/refund", "amount", "1", "reason", ""); p.Status != http.StatusConflict || !p.Has("has changed since this page was shown") {
			t.Errorf("pressed twice: %d %s", p.Status, p.Said())
		}
		w.advance(0)
		if got := shop.All(); len(got) != 2 || got[0].Object["type"] != "charge.refunded" && got[1].Object["type"] != "charge.refunded" {
			t.Errorf("told %v", got)
		}
		refunds := w.api("GET", "/v1/refunds?payment_intent="+intent)["data"].([]any)
		if r := refunds[0].(object); len(refunds) != 1 || r["amount"] != 2549.0 || r["reason"] != "requested_by_customer" || r["status"] != "pending" {
			t.Errorf("%v", refunds)
		}

		for name, c := range map[string]struct {
			amount, reason string
			status         int
			says           string
		}{
			"too much":        {"25.51", "", 400, "€25.51 EUR is more than the €25.50 EUR that can still be refunded"},
			"nothing":         {"0", "", 400, "a number like 25.50, in EUR"},
			"negative":        {"-1", "", 400, "a number like"},
			"no number":       {"all", "", 400, "a number like"},
			"a comma":         {"1,50", "", 400, "a number like"},
			"tenths of cents": {"1.505", "", 400, "a number like"},
			"huge":            {"99999999999999999999", "", 400, "a number like"},
			"empty":           {"", "", 400, "a number like"},
			"unknown reason":  {"1", "whim", 400, `"whim" is not one of the reasons`},
		} {
			p := v.refund(id, c.amount, "reason", c.reason)
			if p.Status != c.status || !p.Has(c.says) || !strings.Contains(p.Body, `role="alert"`) {
				t.Errorf("%s: %d %s", name, p.Status, p.Said())
			}
		}
		if p := v.refund(id, "1", "version", "x"); p.Status != http.StatusConflict {
			t.Errorf("a version that is none: %d", p.Status)
		}
		if p := v.refund(id, "25.5"); !p.Has("All of the payment has been refunded") {
			t.Errorf("the rest: %d %s", p.Status, p.Said())
		}
		if n := len(w.api("GET", "/v1/refunds?payment_intent="+intent)["data"].([]any)); n != 2 {
			t.Errorf("%d refunds, want 2", n)
		}

		// What cannot be refunded has no form, and refuses one that is made up.
		held, heldID := w.paid("capture_method", "manual")
		_, begun := w.begun()
		disputed, disputedID := w.paid()
		w.control("disputes", `{"id":"`+disputed+`","reason":"product_not_received"}`)
		_, old := w.paid()
		says := map[string]string{heldID: "Nothing has been captured", begun: "was not completed", disputedID: "disputes the payment"}
		refuses := func(id, says string) {
			t.Helper()
			page := v.Get("/portal/payments/" + id)
			if page.Hidden("/portal/payments/"+id+"/refund", "token") != "" || !page.Has(says) {
				t.Errorf("the page of %s offers a refund: %s", id, page.Said())
			}
			p, _ := w.stored(id)
			form := map[string]string{"token": page.Hidden("/portal/sign-out", "token"), "version": strconv.FormatInt(p.Version, 10)}
			if p := v.Post(page, "/portal/payments/"+id+"/refund", "token", form["token"], "version", form["version"], "amount", "1", "reason", ""); p.Status != http.StatusConflict || !p.Has(says) {
				t.Errorf("%s: %d %s", id, p.Status, p.Said())
			}
		}
		for id, words := range says {
			refuses(id, words)
		}
		w.api("POST", "/v1/payment_intents/"+held+"/cancel")
		w.advance(181 * 24 * time.Hour)
		refuses(old, "The refund window of 180 days has passed")
	})
}

// TestRefundAtOnce: of two posts of the same form at the same instant, one refunds.
func TestRefundAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		intent, id := w.paid()
		v := w.signedIn()
		at := "/portal/payments/" + id
		page := v.Get(at)
		const posts = 4
		answers := make(chan wiretest.Page, posts)
		for range posts {
			go func() { answers <- v.Post(page, at+"/refund", "amount", "10") }()
		}
		counts := map[int]int{}
		for range posts {
			counts[(<-answers).Status]++
		}
		if counts[http.StatusOK] != 1 || counts[http.StatusConflict] != posts-1 {
			t.Errorf("answers by status: %v", counts)
		}
		if n := len(w.api("GET", "/v1/refunds?payment_intent="+intent)["data"].([]any)); n != 1 {
			t.Errorf("%d refunds, want 1", n)
		}
	})
}

// TestInquiry: a bank's question about a payment withdraws nothing and keeps nobody
// from refunding.
func TestInquiry(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		pi := w.api("POST", "/v1/payment_intents", "amount", "2000", "currency", "usd", "payment_method_types[]", "card", "payment_method", "pm_card_createDisputeInquiry", "confirm", "true")
		w.advance(time.Minute)
		v := w.signedIn()
		page := v.Get("/portal/payments?find=" + pi["id"].(string))
		if !page.Has("Card Paid", "Inquiry open", "Inquiry about $20.00 USD opened", "$20.00 USD can be refunded") {
			t.Errorf("%s", page.Said())
		}
		if p := v.refund(strings.TrimPrefix(page.Path, "/portal/payments/"), "20.00"); !p.Has("on its way", "Refunded") {
			t.Errorf("%d %s", p.Status, p.Said())
		}
	})
}

// TestRefundNeedsFunds: what the core refuses is said in its words.
func TestRefundNeedsFunds(t *testing.T) {
	t.Parallel()
	w := worldOn(t, wiretest.NewSQLite(t))
	w.control("account", `{"refund_needs_funds":true}`)
	_, id := w.paid()
	if p := w.signedIn().refund(id, "50"); p.Status != http.StatusConflict || !p.Has("insufficient funds") || !strings.Contains(p.Body, `value="50"`) {
		t.Errorf("%d %s", p.Status, p.Said())
	}
}

// TestStrangers: another account's payments are not there.
func TestStrangers(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		shop := wiretest.NewReceiver(t)
		w.api("POST", "/v1/webhook_endpoints", "url", shop.URL, "enabled_events[]", "*")
		_, id := w.paid()
		w.advance(0)
		own := w.signedIn().Get("/portal/payments/" + id)
		resend := "/portal/payments/" + id + "/resend"
		stranger := worldOn(t, w.Server)
		_, theirs := stranger.paid()
		v := stranger.signedIn()
		token := v.Get("/portal/payments").Hidden("/portal/sign-out", "token")
		for name, p := range map[string]wiretest.Page{
			"page":   v.Get("/portal/payments/" + id),
			"refund": v.Post(own, "/portal/payments/"+id+"/refund", "token", token, "amount", "1", "reason", ""),
			"resend": v.Post(own, resend, "token", token),
			"their payment, our event": v.Post(own, "/portal/payments/"+theirs+"/resend", "token", token,
				"id", own.Hidden(resend, "id"), "endpoint", own.Hidden(resend, "endpoint")),
		} {
			if p.Status != http.StatusNotFound || strings.Contains(p.Body, "Paper lamp") {
				t.Errorf("%s: %d %s", name, p.Status, p.Said())
			}
		}
		if got, _ := walk(t, v, ""); !slices.Equal(got, []string{theirs}) {
			t.Errorf("the stranger's list has %v", got)
		}
		if p := v.Get("/portal/transfers.csv?from=2026-01-01&to=2027-01-01"); strings.Contains(p.Body, id) || !strings.Contains(p.Body, theirs) {
			t.Errorf("the stranger's file has %s", p.Body)
		}
	})
}

func TestResend(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		shop := wiretest.NewReceiver(t)
		w.api("POST", "/v1/webhook_endpoints", "url", shop.URL, "enabled_events[]", "payment_intent.succeeded")
		_, id := w.paid()
		w.advance(0)
		v := w.signedIn()
		resend := "/portal/payments/" + id + "/resend"
		page := v.Get("/portal/payments/" + id)
		if n := len(shop.All()); n != 1 || !page.Has("nobody subscribed") {
			t.Fatalf("%d messages; %s", n, page.Said())
		}
		if p := v.Post(page, resend); p.Path != "/portal/payments/"+id+"?done=resend" || !p.Has("being sent once more") {
			t.Errorf("%s: %s", p.Path, p.Said())
		}
		w.advance(0)
		got := shop.All()
		if len(got) != 2 || string(got[0].Body) != string(got[1].Body) {
			t.Errorf("%d messages", len(got))
		}
		if p := v.Get("/portal/payments/" + id); !p.Has("(by hand)") {
			t.Errorf("%s", p.Said())
		}
		for name, fields := range map[string][]string{"event": {"id", "evt_none"}, "endpoint": {"endpoint", "we_none"}, "nothing": {"id", "", "endpoint", ""}} {
			if p := v.Post(page, resend, fields...); p.Status != http.StatusNotFound {
				t.Errorf("no such %s: %d %s", name, p.Status, p.Said())
			}
		}
	})
}

func TestMethods(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		v := w.signedIn()
		page := v.Get("/portal/settings")
		if !page.Has("Card", "Alma", "Alipay") || strings.Count(page.Body, " checked") != 3 {
			t.Errorf("%s", page.Said())
		}
		save := func(on ...string) wiretest.Page {
			t.Helper()
			var fields []string
			for _, m := range on {
				fields = append(fields, "method", m)
			}
			return v.Post(v.Get("/portal/settings"), "/portal/settings/methods", fields...)
		}
		for _, on := range [][]string{{"card", "alipay"}, {"card", "alma", "alipay"}, {"alma"}} {
			if p := save(on...); p.Path != "/portal/settings?done=methods" || strings.Count(p.Body, " checked") != len(on) {
				t.Errorf("%v: %s %s", on, p.Path, p.Said())
			}
			if got := w.offered(); !slices.Equal(got, on) {
				t.Errorf("with %v on, an intent offers %v", on, got)
			}
		}
		w.control("account", `{"settings":{}}`)
		if got := w.offered(); !slices.Equal(got, []string{"alma"}) {
			t.Errorf("after the settings were replaced, an intent offers %v", got)
		}
		list := w.api("GET", "/v1/payment_method_configurations")["data"].([]any)
		c := list[0].(object)
		if len(list) != 1 || c["is_default"] != true || c["alma"].(object)["display_preference"].(object)["value"] != "on" || c["card"].(object)["available"] != false {
			t.Errorf("%v", c)
		}
		for _, wrong := range []string{"klarna", "", "card\x00"} {
			if p := save("card", wrong); p.Status != http.StatusBadRequest || !p.Has("is not a payment method that can be switched here") {
				t.Errorf("%q: %d %s", wrong, p.Status, p.Said())
			}
		}
		w.control("account", `{"methods_off":["alipay"]}`)
		if p := save("alipay"); p.Status != http.StatusBadRequest {
			t.Errorf("a method the account may not have was switched on: %d", p.Status)
		}
		if p := v.Get("/portal/settings"); !p.Has("Alipay the account may not have it", "Methods the account may not have alipay") {
			t.Errorf("%s", p.Said())
		}
		if got := w.offered(); !slices.Equal(got, []string{"alma"}) {
			t.Errorf("refused, yet an intent offers %v", got)
		}

		other := w.Visitor(t)
		other.SignIn(keys.Random(40))
		settings := other.Get("/portal/settings")
		if !settings.Has("are not switched here") {
			t.Errorf("%s", settings.Said())
		}
		if p := other.Post(settings, "/portal/settings/methods", "token", settings.Hidden("/portal/sign-out", "token"), "method", "card"); p.Status != http.StatusConflict {
			t.Errorf("%d %s", p.Status, p.Said())
		}
	})
}

func TestBalance(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		v := w.signedIn()
		if p := v.Get("/portal/balance"); !p.Has("USD $0.00 $0.00 $0.00 $0.00 $0.00", "No money moved", "Nothing has left for your bank") {
			t.Errorf("an empty account: %s", p.Said())
		}
		w.paid("capture_method", "manual")
		intent, _ := w.paid("amount", "10000")
		w.paid("amount", "20000")
		w.control("disputes", `{"id":"`+intent+`","reason":"product_not_received"}`)
		p := v.Get("/portal/balance")
		// 300.00 less fees of 2.90 % and 0.30 each are pending.
		if !p.Has("EUR -€100.00 €290.70 €100.00 €50.99 €0.00", "Transfers", "capture:pay_") {
			t.Errorf("%s", p.Said())
		}
		w.advance(8 * 24 * time.Hour)
		payout := w.api("POST", "/v1/payouts", "amount", "1000", "currency", "eur")["id"].(string)
		p = v.Get("/portal/balance")
		if !p.Has("EUR €180.70 €0.00 €100.00 €0.00 €10.00", "€10.00 EUR pending "+payout) {
			t.Errorf("%s", p.Said())
		}
		day := v.Get("/portal/balance?from=2026-09-10&to=2026-09-10")
		if !day.Has("authorize:att_") || day.Has("settle:") {
			t.Errorf("one day: %s", day.Said())
		}
		// What was authorised, less what was captured of it, is held; fees leave what is pending.
		if !day.Has("available €0.00 EUR €100.00 EUR -€100.00 EUR", "hold €350.99 EUR €300.00 EUR €50.99 EUR",
			"pending €300.00 EUR €9.30 EUR €290.70 EUR", "fees €9.30 EUR €0.00 EUR €9.30 EUR", "disputed €100.00 EUR €0.00 EUR €100.00 EUR") {
			t.Errorf("sums of one day: %s", day.Said())
		}
		for query, says := range map[string]string{
			"from=yesterday": `"yesterday" is not a day`, "to=2026-02-30": `"2026-02-30" is not a day`, "from=2026-09-12&to=2026-09-11": "ends before it begins",
		} {
			for _, path := range []string{"/portal/balance?", "/portal/transfers.csv?"} {
				if p := v.Get(path + query); p.Status != http.StatusBadRequest || !p.Has(says) {
					t.Errorf("%s%s: %d %s", path, query, p.Status, p.Said())
				}
			}
		}
	})
}

// TestTransfersFile: the file has every transfer of its days and no other.
func TestTransfersFile(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		var m int64
		for day := range 4 {
			_, id := w.paid("amount", strconv.Itoa(6000+day))
			_, m = w.stored(id)
			w.advance(24 * time.Hour)
		}
		many := 1500 // more than are read at once
		at := w.now(m)
		if err := w.Store.Update(context.Background(), m, func(tx store.Tx) error {
			for i := range many {
				x := ledger.Transfer{ID: fmt.Sprintf("settle:pending/test:%04d", i), At: at.Add(-time.Duration(many-i) * time.Millisecond), Debit: "hold", Credit: "exchange"}
				x.Amount.Minor, x.Amount.Currency = int64(i+1), "JPY"
				if err := tx.Post(x); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		w.advance(48 * time.Hour)
		w.paid("amount", "7000")
		var all []ledger.Transfer
		if err := w.Store.View(context.Background(), m, func(r store.Reader) (err error) {
			all, _, err = r.Transfers(0, 10_000)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		v := w.signedIn()
		for _, days := range [][2]string{{"2026-01-01", "2027-01-01"}, {"2026-09-11", "2026-09-12"}, {"2026-09-14", "2026-09-14"}, {"2026-09-15", "2026-09-15"}, {"2026-09-16", "2026-09-20"}} {
			p := v.Get("/portal/transfers.csv?from=" + days[0] + "&to=" + days[1])
			rows, err := csv.NewReader(strings.NewReader(p.Body)).ReadAll()
			if err != nil || p.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
				t.Fatalf("%v: %v: %v", days, p.Header, err)
			}
			if got := p.Header.Get("Content-Disposition"); got != `attachment; filename="transfers_`+days[0]+`_`+days[1]+`.csv"` {
				t.Error(got)
			}
			want := [][]string{{"posted_at_utc", "transfer_id", "payment_id", "debit_account", "credit_account", "currency", "amount_minor_units", "minor_unit_digits"}}
			for _, x := range all {
				if day := x.At.UTC().Format(time.DateOnly); day >= days[0] && day <= days[1] {
					want = append(want, []string{
						x.At.UTC().Format("2006-01-02T15:04:05.000Z"), x.ID, x.Payment, string(x.Debit), string(x.Credit), string(x.Amount.Currency),
						strconv.FormatInt(x.Amount.Minor, 10), map[bool]string{true: "0", false: "2"}[x.Amount.Currency == "JPY"],
					})
				}
			}
			if !slices.EqualFunc(rows, want, slices.Equal) {
				t.Errorf("%v: %d lines, want %d", days, len(rows), len(want))
			}
			shown := v.Get("/portal/balance?from=" + days[0] + "&to=" + days[1])
			if n := strings.Count(shown.Body, `<td class="wide">`); n != min(len(want)-1, 100) || shown.Has("The first 100 are shown") != (len(want) > 101) {
				t.Errorf("%v: %d of %d transfers are shown", days, n, len(want)-1)
			}
		}
		if err := w.Engine.Reset(context.Background(), m); err != nil { // the transfers made up explain nothing
			t.Fatal(err)
		}
	})
}
