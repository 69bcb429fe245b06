package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/wire/antom/signature"
)

// debitClient is the client id that debits.
const debitClient = "SANDBOX_5Y0000000000bench"

// debits makes signed requests of Antom's protocol.
type debits struct {
	b       *testing.B
	address string
	keys    struct {
		Private string `json:"private_key_pkcs8"`
		Ours    string `json:"antom_public_key"`
	}
	sign func(path, body string) []byte
}

// newDebits registers a key pair.
func newDebits(b *testing.B, address string) *debits {
	b.Helper()
	d := &debits{b: b, address: address}
	body := d.once(fmt.Appendf(nil, "POST /_ducat/v1/antom/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Length: 2\r\n\r\n{}", debitClient))
	if err := json.Unmarshal(body, &d.keys); err != nil {
		b.Fatal(err)
	}
	key, err := signature.ParsePrivate(d.keys.Private)
	if err != nil {
		b.Fatal(err)
	}
	d.sign = func(path, body string) []byte {
		h, err := signature.Sign(key, 1, signature.Message{Method: "POST", Path: path, Client: debitClient, Time: "1716180000000", Body: []byte(body)})
		if err != nil {
			b.Fatal(err)
		}
		return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nclient-id: %s\r\nrequest-time: 1716180000000\r\nsignature: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			path, debitClient, h, len(body), body)
	}
	return d
}

// once sends one request and returns the body of the answer.
func (d *debits) once(request []byte) []byte {
	d.b.Helper()
	c, err := dial(d.address)
	if err != nil {
		d.b.Fatal(err)
	}
	defer c.Close()
	body, err := c.call(request)
	if err != nil {
		d.b.Fatal(err)
	}
	return bytes.Clone(body)
}

// call asks for something and returns members of the answer.
func (d *debits) call(name, body string) map[string]any {
	d.b.Helper()
	var o map[string]any
	if err := json.Unmarshal(d.once(d.sign("/ams/sandbox/api"+name, body)), &o); err != nil {
		d.b.Fatal(err)
	}
	return o
}

// token has a payer agree.
func (d *debits) token() string {
	d.b.Helper()
	page, _ := d.call("/v1/authorizations/consult", `{"customerBelongsTo":"KAKAOPAY","authRedirectUrl":"https://shop.example/back","scopes":["AGREEMENT_PAY"],"authState":"bench","terminalType":"WEB"}`)["normalUrl"].(string)
	_, path, _ := strings.Cut(strings.TrimPrefix(page, "http://"), "/")
	c, err := dial(d.address)
	if err != nil {
		d.b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.call(post("/"+path, "decision=authorize")); err != nil {
		d.b.Fatal(err)
	}
	// The page's answer is the way back; the code is in the address of a second look.
	if _, err := c.call(fmt.Appendf(nil, "GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)); err != nil {
		d.b.Fatal(err)
	}
	_, code, ok := strings.Cut(c.body.String(), "authCode=")
	if !ok {
		d.b.Fatalf("no code in %s", c.body.String())
	}
	token, _ := d.call("/v1/authorizations/applyToken", fmt.Sprintf(`{"grantType":"AUTHORIZATION_CODE","customerBelongsTo":"KAKAOPAY","authCode":%q}`, code[:32]))["accessToken"].(string)
	return token
}

// BenchmarkDebit has clients debit with a token, signatures both ways included,
// and create PaymentIntents, at one server in turns. Requests are signed
// beforehand, so that only the server's part of the cryptography is measured:
// one verification and one signature.
func BenchmarkDebit(b *testing.B) {
	address, cmd, _ := ducat(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
	d := newDebits(b, address)
	token := d.token()
	const warm = 200
	requests := make([][]byte, b.N+warm)
	for i := range requests {
		requests[i] = d.sign("/ams/sandbox/api/v1/payments/pay", fmt.Sprintf(`{"productCode":"AGREEMENT_PAYMENT","paymentRequestId":"pr-%d","paymentAmount":{"currency":"KRW","value":"5000"},`+
			`"order":{"referenceOrderId":"o-%d","orderDescription":"Music plan","orderAmount":{"currency":"KRW","value":"5000"}},"paymentMethod":{"paymentMethodType":"KAKAOPAY","paymentMethodId":%q}}`, i, i, token))
	}
	var next atomic.Int64
	debit := func(c *client) error {
		body, err := c.call(requests[next.Add(1)-1])
		if err == nil && !bytes.Contains(body, []byte(`"resultCode":"SUCCESS"`)) {
			err = fmt.Errorf("answered %s", body)
		}
		return err
	}
	debits, intents := &side{address: address, cmd: cmd}, &side{address: address, cmd: cmd}
	debits.drive(b, warm, debit)
	intents.drive(b, warm, func(c *client) error { _, err := c.call(createIntent); return err })
	debits.load, debits.cpu, intents.load, intents.cpu = load{}, 0, load{}, 0
	const turns = 8
	b.ResetTimer()
	for left, turn := b.N, turns; turn > 0; turn-- {
		n := left / turn
		left -= n
		debits.drive(b, n, debit)
		b.StopTimer()
		intents.drive(b, n, func(c *client) error { _, err := c.call(createIntent); return err })
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(debits.load.p99(), "p99-ms")
	compare(b, debits, intents)
	rsa := cryptography(b)
	b.ReportMetric(float64(rsa.Microseconds()), "rsa-us/req")
	if debits.cpu > 0 {
		b.ReportMetric(rsa.Seconds()*float64(b.N)/debits.cpu.Seconds(), "rsa-share")
	}
}

// cryptography is the CPU time that one verification and one signature take.
func cryptography(b *testing.B) time.Duration {
	b.Helper()
	key, err := signature.Generate()
	if err != nil {
		b.Fatal(err)
	}
	m := signature.Message{Method: "POST", Path: "/p", Client: debitClient, Time: "t", Body: make([]byte, 400)}
	const times = 500
	self := &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}
	before := cpu(b, self)
	for range times {
		h, err := signature.Sign(key, 1, m)
		if err != nil || !signature.Verify(&key.PublicKey, h, m) {
			b.Fatal(err)
		}
	}
	return (cpu(b, self) - before) / times
}
