package antom_test

import (
	"encoding/csv"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"crypto/ed25519"
	"crypto/rand"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/report/sftp"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/antom"
	"github.com/ducatpay/ducat/internal/wire/wiretest"

	"log/slog"

	"github.com/ducatpay/ducat/internal/merchant"
)

// table is a report file by column.
type table struct {
	path string
	rows []map[string]string
}

// reports downloads all files over the control API.
func (w *world) reports() map[string]table {
	w.t.Helper()
	all := map[string]table{}
	for _, f := range w.control("GET", "reports", nil)["reports"].([]any) {
		path := f.(object)["path"].(string)
		req, _ := http.NewRequest("GET", w.URL+"/_ducat/v1/reports"+path, nil)
		req.Header.Set("Authorization", "Bearer "+w.client)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			w.t.Fatal(err)
		}
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
			w.t.Fatalf("%s: %d %s", path, res.StatusCode, res.Header.Get("Content-Type"))
		}
		r := csv.NewReader(res.Body)
		r.FieldsPerRecord = -1
		lines, err := r.ReadAll()
		res.Body.Close()
		if err != nil || len(lines) < 2 || lines[len(lines)-1][0] != "<END>" {
			w.t.Fatalf("%s does not end with <END>: %v %v", path, lines, err)
		}
		tb := table{path: path}
		for _, l := range lines[1 : len(lines)-1] {
			if len(l) != len(lines[0]) {
				w.t.Fatalf("%s: %d columns, %d in the header", path, len(l), len(lines[0]))
			}
			m := map[string]string{}
			for i, c := range lines[0] {
				m[c] = l[i]
			}
			tb.rows = append(tb.rows, m)
		}
		all[path[strings.LastIndex(path, "/")+1:]] = tb
	}
	return all
}

func number(t interface{ Fatalf(string, ...any) }, s string) int64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatalf("%q is no number", s)
	}
	return n
}

// reconcile checks the invariants of antom §9.3 over all files and the ledger.
func (w *world) reconcile(t interface {
	Fatalf(string, ...any)
	Helper()
}) (batches int) {
	t.Helper()
	type line struct{ n, amount, fee int64 }
	details, transactions := map[string]map[string]line{}, map[string]bool{}
	summaries := map[string]map[string]line{}
	for name, tb := range w.reports() {
		for _, r := range tb.rows {
			l := line{1, number(t, r["settlementAmountValue"]), number(t, r["feeAmountValue"])}
			batch := r["settlementBatchId"] + " " + r["settlementCurrency"]
			switch {
			case strings.HasPrefix(name, "transactionItems_"):
				transactions[r["transactionType"]+r["transactionId"]] = true
			case strings.HasPrefix(name, "settlementItems_"):
				if details[batch] == nil {
					details[batch] = map[string]line{}
				}
				if !transactions[r["transactionType"]+r["transactionId"]] {
					// Maps have no order: look in the files themselves below.
					details[batch]["?"+r["transactionType"]+r["transactionId"]] = line{}
				}
				d := details[batch][r["transactionType"]]
				details[batch][r["transactionType"]] = line{d.n + 1, d.amount + l.amount, d.fee + l.fee}
			case strings.HasPrefix(name, "settlementSummary_"):
				if summaries[batch] == nil {
					summaries[batch] = map[string]line{}
				}
				l.n = number(t, r["count"])
				summaries[batch][r["summaryType"]] = l
			}
		}
	}
	paid := map[string]int64{}
	if err := w.Store.View(w.context(), w.merchantID(), func(r store.Reader) error {
		ts, _, err := r.Transfers(0, 1_000_000)
		for _, x := range ts {
			if strings.HasPrefix(x.ID, "batch:antom:") && x.Credit == ledger.Payouts {
				paid[strings.Split(x.ID, ":")[2]+" "+string(x.Amount.Currency)] += x.Amount.Minor
			}
		}
		return err
	}); err != nil {
		t.Fatalf("%v", err)
	}
	if len(summaries) != len(details) {
		t.Fatalf("%d summaries, %d details", len(summaries), len(details))
	}
	for batch, s := range summaries {
		var total line
		for kind, l := range s {
			if kind == "TOTAL" {
				continue
			}
			if d := details[batch][kind]; d != l {
				t.Fatalf("batch %s: %s is %+v in the summary, %+v in the details", batch, kind, l, d)
			}
			total = line{total.n + l.n, total.amount + l.amount, total.fee + l.fee}
		}
		if s["TOTAL"] != total {
			t.Fatalf("batch %s: the total is %+v, its lines are %+v", batch, s["TOTAL"], total)
		}
		if paid[batch] != total.amount+total.fee {
			t.Fatalf("batch %s came to %d, the books paid out %d", batch, total.amount+total.fee, paid[batch])
		}
		for k := range details[batch] {
			if rest, ok := strings.CutPrefix(k, "?"); ok && !transactions[rest] {
				t.Fatalf("batch %s: %s is in no transaction file", batch, rest)
			}
		}
	}
	return len(summaries)
}

func (w *world) merchantID() int64 {
	account, _ := antom.SandboxAccount(w.client)
	return merchant.IDFor(account, false)
}

func TestReports(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.control("POST", "account", object{"fee_basis_points": 250, "fee_fixed": 0})
		token := w.token("GCASH")
		first, second, third := w.paid(token, "p1"), w.paid(token, "p2"), w.paid(token, "p3")
		eur := w.ok(w.pay(with(payment("GCASH", token, "p4", amount(10_000, "PHP")), object{"settlementStrategy": object{"settlementCurrency": "EUR"}})))
		w.ok(w.refund(first, "r1", 4_900))
		w.ok(w.call("/v1/payments/cancel", object{"paymentId": third["paymentId"]}))
		if n := len(w.reports()); n != 0 {
			t.Errorf("%d files during the day", n)
		}
		w.to("2026-09-11T00:15:00+08:00")
		customer := "2188" + fmt.Sprintf("%012d", uint64(w.merchantID())%1_000_000_000_000)
		ts, ok := w.reports()["transactionItems_20260910_000.csv"]
		if !ok || ts.path != "/v1/settlements/"+customer+"/20260910/transactionItems_20260910_000.csv" || len(ts.rows) != 6 {
			t.Fatalf("transactions %+v", w.reports())
		}
		var kinds []string
		for _, r := range ts.rows {
			kinds = append(kinds, r["transactionType"]+" "+r["transactionAmountValue"]+" "+r["settlementAmountValue"]+r["settlementCurrency"]+" "+r["feeAmountValue"])
		}
		if got := strings.Join(kinds, ", "); got != "PAYMENT 14900 257USD -6, PAYMENT 14900 257USD -6, PAYMENT 14900 257USD -6, PAYMENT 10000 159EUR -4, REFUND -4900 -84USD , CANCEL -14900 -257USD 6" {
			t.Errorf("transactions %s", got)
		}
		r := ts.rows[4]
		if r["originalTransactionId"] != first["paymentId"] || r["transactionRequestId"] != "r1" || r["originalTransactionRequestId"] != "p1" || r["productCode"] != "AGREEMENT_PAYMENT" || r["customerId"] != customer ||
			r["paymentMethodType"] != "GCASH" || r["pspName"] != "GCash" || r["quoteCurrencyPair"] != "PHP/USD" || r["transactionCurrency"] != "PHP" {
			t.Errorf("refund row %v", r)
		}
		w.to("2026-09-11T10:00:00+08:00")
		all := w.reports()
		if len(all) != 5 {
			t.Fatalf("%d files", len(all))
		}
		sum := all["settlementSummary_USD_2026091100000002_000.csv"]
		var lines []string
		for _, r := range sum.rows {
			lines = append(lines, r["summaryType"]+" "+r["count"]+" "+r["settlementAmountValue"]+" "+r["feeAmountValue"])
		}
		if got := strings.Join(lines, ", "); got != "PAYMENT 3 771 -18, REFUND 1 -84 0, CANCEL 1 -257 6, TOTAL 5 430 -12" || sum.rows[0]["settlementTime"] != "2026-09-11T10:00:00+08:00" {
			t.Errorf("summary %s of %v", got, sum)
		}
		if w.reconcile(t) != 2 {
			t.Error("two batches were expected")
		}
		// A day of refunds alone comes to less than nothing and waits.
		w.ok(w.refund(second, "r2", 14_900))
		w.to("2026-09-13T00:00:00+08:00")
		if n := w.reconcile(t); n != 2 {
			t.Errorf("%d batches", n)
		}
		w.paid(token, "p5")
		w.paid(token, "p6")
		w.to("2026-09-15T00:00:00+08:00")
		if n := w.reconcile(t); n != 3 {
			t.Errorf("%d batches", n)
		}
		_ = eur
		if status, _ := w.controlStatus("GET", "reports/v1/none", nil); status != 404 {
			t.Errorf("a file that is not there: %d", status)
		}
	})
}

// TestReportsOfRandomHistories checks the invariants whatever happens.
func TestReportsOfRandomHistories(t *testing.T) {
	t.Parallel()
	server := wiretest.NewSQLite(t)
	rapid.Check(t, func(rt *rapid.T) {
		w := in(t, server) // a world of its own in one server
		tokens := map[string]string{"GCASH": w.token("GCASH"), "KAKAOPAY": w.token("KAKAOPAY"), "MAYA": w.token("MAYA")}
		currency := map[string]string{"GCASH": "PHP", "KAKAOPAY": "KRW", "MAYA": "PHP"}
		var paid []object
		steps := rapid.IntRange(3, 14).Draw(rt, "steps")
		for i := range steps {
			switch rapid.SampledFrom([]string{"pay", "pay", "refund", "cancel", "dispute", "wait"}).Draw(rt, "step") {
			case "pay":
				m := rapid.SampledFrom([]string{"GCASH", "KAKAOPAY", "MAYA"}).Draw(rt, "method")
				body := payment(m, tokens[m], fmt.Sprint("p", i), amount(rapid.Int64Range(200, 9_000).Draw(rt, "amount"), currency[m]))
				if s := rapid.SampledFrom([]string{"", "EUR", "JPY", currency[m]}).Draw(rt, "settlement"); s != "" {
					body["settlementStrategy"] = object{"settlementCurrency": s}
				}
				paid = append(paid, w.ok(w.pay(body)))
			case "wait":
				w.advance(time.Duration(rapid.IntRange(1, 40).Draw(rt, "hours")) * time.Hour)
			default:
				if len(paid) == 0 {
					continue
				}
				p := paid[rapid.IntRange(0, len(paid)-1).Draw(rt, "which")]
				switch rapid.SampledFrom([]string{"refund", "cancel", "dispute"}).Draw(rt, "what") {
				case "refund":
					w.refund(p, fmt.Sprint("r", i), rapid.Int64Range(200, 9_000).Draw(rt, "refunded"))
				case "cancel":
					w.call("/v1/payments/cancel", object{"paymentId": p["paymentId"]})
				case "dispute":
					if status, d := w.controlStatus("POST", "disputes", object{"id": p["paymentId"], "reason": "fraud"}); status == 200 && rapid.Bool().Draw(rt, "won") {
						w.control("POST", "disputes/close", object{"id": p["paymentId"], "outcome": "won"})
						_ = d
					}
				}
			}
		}
		w.advance(60 * time.Hour)
		w.reconcile(rt)
	})
}

// TestRefundReversal: a refund that succeeded comes back an hour later; the
// files list both.
func TestRefundReversal(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		p := w.paid(w.token("GCASH"), "p")
		w.ok(w.refund(p, "r", 9925))
		w.advance(time.Hour)
		if q := w.ok(w.call("/v1/payments/inquiryRefund", object{"refundRequestId": "r"})); q["refundStatus"] != "FAIL" {
			t.Errorf("inquiry %v", q)
		}
		w.ok(w.refund(p, "again", 14_900)) // the amount is there again
		w.to("2026-09-11T00:15:00+08:00")
		var kinds []string
		for _, r := range w.reports()["transactionItems_20260910_000.csv"].rows {
			kinds = append(kinds, r["transactionType"]+" "+r["transactionAmountValue"])
		}
		if got := strings.Join(kinds, ", "); got != "PAYMENT 14900, REFUND -9925, REFUND_REVERSAL 9925, REFUND -14900" {
			t.Errorf("transactions %s", got)
		}
	})
}

// TestThreeDialects has one merchant use three protocols; the books balance
// across them (the harness checks).
func TestThreeDialects(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		token := w.token("GCASH")
		p := w.paid(token, "p")
		secret := "sk_test_" + strings.TrimPrefix(w.client, "SANDBOX_")
		stripe := func(path string, form url.Values) object {
			r := w.raw("POST", path, map[string]string{"Authorization": "Bearer " + secret, "Content-Type": "application/x-www-form-urlencoded"}, []byte(form.Encode()))
			if r.status != 200 {
				t.Fatalf("%s: %d %s", path, r.status, r.body)
			}
			return r.obj
		}
		src := stripe("/v1/sources", url.Values{"type": {"alipay"}, "amount": {"1099"}, "currency": {"usd"}, "redirect[return_url]": {"https://shop.example/back"}})
		w.raw("POST", strings.TrimPrefix(src["redirect"].(object)["url"].(string), w.URL), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte("decision=authorize"))
		w.advance(time.Second)
		stripe("/v1/charges", url.Values{"amount": {"1099"}, "currency": {"usd"}, "source": {src["id"].(string)}})
		key := ids.Random(40)
		if err := w.Store.PutCredential(w.context(), store.Credential{Hash: merchant.KeyHash(key), Merchant: w.merchantID(), Kind: "secret", Created: w.Clock.Now()}); err != nil {
			t.Fatal(err)
		}
		order := w.raw("POST", "/v1/json/orders", map[string]string{"Api_key": key, "Content-Type": "application/json"}, []byte(`{"type":"direct","order_id":"three","gateway":"ALIPAY","currency":"EUR","amount":1000,"description":"d","customer":{"locale":"en_US","ip_address":"123.123.123.123","email":"s@example.com"},
			"payment_options":{"notification_url":"`+w.shop.URL+`","redirect_url":"https://shop.example/back","cancel_url":"https://shop.example/no"}}`))
		page, _ := order.obj["data"].(object)["payment_url"].(string)
		if order.status != 200 || page == "" {
			t.Fatalf("order: %d %s", order.status, order.body)
		}
		w.raw("POST", strings.TrimPrefix(page, w.URL), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte("scenario=completed"))
		w.ok(w.refund(p, "r", 4_900))
		w.advance(72 * time.Hour)
		fronts := map[string]bool{}
		if err := w.Store.View(w.context(), w.merchantID(), func(r store.Reader) error {
			ps, err := r.Payments("", 100)
			for _, p := range ps {
				if p.CapturedAmount().Minor > 0 {
					fronts[p.Front] = true
				}
			}
			return err
		}); err != nil || len(fronts) != 3 {
			t.Errorf("captured by %v: %v", fronts, err)
		}
		if w.reconcile(t) != 1 {
			t.Error("no batch")
		}
	})
}

// TestSFTP reads reports as a reconciliation job would, and tries what it may not.
func TestSFTP(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.paid(w.token("GCASH"), "p")
	w.to("2026-09-11T11:00:00+08:00")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	w.control("POST", "reports/access", object{"password": "correct horse battery"})
	w.control("POST", "reports/access", object{"public_key": string(ssh.MarshalAuthorizedKey(signer.PublicKey()))})
	for _, q := range []object{{}, {"password": "short"}, {"public_key": "x"}, {"password": "long enough it is", "public_key": "x"}, {"user": "SANDBOX_5Y77777777777777", "password": "long enough it is"}} {
		if status, o := w.controlStatus("POST", "reports/access", q); status != 400 {
			t.Errorf("%v: %d %v", q, status, o)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &sftp.Server{Store: w.Store, Clock: clock.Wall{}, Log: slog.New(slog.DiscardHandler)}
	host, err := sftp.HostKey(t.Context(), w.Store)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	ctx, stop := w.cancelable()
	go func() { served <- server.Serve(ctx, ln) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	dial := func(user string, auth ssh.AuthMethod) (*ssh.Client, error) {
		return ssh.Dial("tcp", ln.Addr().String(), &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.FixedHostKey(host.PublicKey())})
	}
	for name, bad := range map[string]ssh.AuthMethod{"password": ssh.Password("wrong"), "nothing": ssh.Password("")} {
		if c, err := dial(w.client, bad); err == nil {
			c.Close()
			t.Errorf("%s lets one in", name)
		}
	}
	if c, err := dial("SANDBOX_5Y77777777777777", ssh.PublicKeys(signer)); err == nil {
		c.Close()
		t.Error("the key is good for another user")
	}
	for name, auth := range map[string]ssh.AuthMethod{"password": ssh.Password("correct horse battery"), "key": ssh.PublicKeys(signer)} {
		conn, err := dial(w.client, auth)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s, err := conn.NewSession(); err == nil {
			if err := s.Run("ls"); err == nil {
				t.Error("a command was run")
			}
		}
		files, err := client.NewClient(conn)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for walker := files.Walk("/"); walker.Step(); {
			if walker.Err() != nil {
				t.Fatal(walker.Err())
			}
			if !walker.Stat().IsDir() {
				found = append(found, walker.Path())
			}
		}
		if len(found) != 3 || !strings.HasPrefix(found[0], "/v1/settlements/2188") {
			t.Errorf("%s found %v", name, found)
		}
		f, err := files.Open(found[0])
		if err != nil {
			t.Fatal(err)
		}
		info, _ := f.Stat()
		b := make([]byte, info.Size())
		if n, err := f.Read(b); n == 0 || !strings.Contains(string(b), "<END>") {
			t.Errorf("read %d: %v", n, err)
		}
		if _, err := files.Create("/v1/new.csv"); err == nil {
			t.Error("a file was written")
		}
		if files.Remove(found[0]) == nil || files.Rename(found[0], "/x") == nil || files.Mkdir("/d") == nil {
			t.Error("something was changed")
		}
		if _, err := files.Open("/v1/../../etc/passwd"); err == nil {
			t.Error("a way out")
		}
		if _, err := files.Stat("/nowhere"); !os.IsNotExist(err) {
			t.Errorf("stat of nothing: %v", err)
		}
		conn.Close()
	}
}

// TestQuotes pins the conversion: half to even, with the sign kept.
func TestQuotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to money.Currency
		minor    int64
		want     int64
	}{
		{"PHP", "USD", 14_900, 257}, {"PHP", "USD", -14_900, -257}, {"KRW", "USD", 18_000, 1333}, {"USD", "KRW", 100, 1350}, {"USD", "JPY", 1, 2}, {"USD", "JPY", 3, 4},
		{"THB", "USD", 1, 0}, {"VND", "USD", 1_000, 4},
	} {
		if got := antom.Convert(c.from, c.to, c.minor); got != c.want {
			t.Errorf("%d %s are %d %s, want %d", c.minor, c.from, got, c.to, c.want)
		}
	}
}
