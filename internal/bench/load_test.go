package bench

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const secretKey = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"

const sourceForm = "type=alipay&amount=1099&currency=usd&redirect%5Breturn_url%5D=https%3A%2F%2Fshop.example%2Freturn"

const promptForm = sourceForm + "&metadata%5Bducat_scenario%5D=chargeable_delay%3D0"

var (
	createSource = post("/v1/sources", sourceForm)
	// promptSource is confirmed by the wallet when the payer approves, not, as
	// others are, a second later.
	promptSource = post("/v1/sources", promptForm)
	anything     = fmt.Appendf(nil, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", secretKey)
)

// post makes the bytes of a request, so that sending it costs the client next
// to nothing: it shares the machine with the server that is measured.
func post(path, form string) []byte { return postAs(secretKey, path, form) }

// postAs is post with another key.
func postAs(key, path, form string) []byte {
	auth := base64.StdEncoding.EncodeToString([]byte(key + ":"))
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, auth, len(form), form)
}

// client is one kept connection.
type client struct {
	net.Conn
	in   *bufio.Reader
	body bytes.Buffer

	world int64 // it takes payments in, for some benchmarks
	stay  int   // how many more it takes there
}

func dial(address string) (*client, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	return &client{Conn: c, in: bufio.NewReaderSize(c, 16<<10)}, nil
}

// call sends a request that must succeed and returns the body of the answer,
// which is good until the next call.
func (c *client) call(request []byte) ([]byte, error) {
	status, err := c.ask(request)
	if err == nil && status >= http.StatusBadRequest {
		err = fmt.Errorf("status %d: %s", status, c.body.Bytes())
	}
	return c.body.Bytes(), err
}

// ask sends a request and reads the whole answer.
func (c *client) ask(request []byte) (status int, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	c.body.Reset()
	_, err = io.Copy(&c.body, res.Body)
	return res.StatusCode, err
}

// load is what a number of clients saw of a server.
type load struct {
	took  time.Duration
	calls []time.Duration
}

func (l *load) add(m load) {
	l.took += m.took
	l.calls = append(l.calls, m.calls...)
}

func (l *load) perSecond() float64 { return float64(len(l.calls)) / l.took.Seconds() }

// p99 returns how long all but the slowest hundredth took at most, in
// milliseconds.
func (l *load) p99() float64 {
	if len(l.calls) == 0 {
		return 0
	}
	slices.Sort(l.calls)
	return float64(l.calls[(len(l.calls)-1)*99/100]) / 1e6
}

// drive has clients do something n times altogether.
func drive(b *testing.B, address string, clients, n int, do func(c *client) error) load {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	took := make([][]time.Duration, clients)
	failed := make(chan error, clients)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range clients {
		wg.Go(func() {
			c, err := dial(address)
			if err != nil {
				failed <- err
				return
			}
			defer c.Close()
			for left.Add(-1) >= 0 {
				began := time.Now()
				if err := do(c); err != nil {
					failed <- err
					return
				}
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	wg.Wait()
	l := load{took: time.Since(began), calls: slices.Concat(took...)}
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	return l
}

// pay takes a payment from its creation to the charge.
func pay(c *client) error { return payAs(c, secretKey) }

// payAs is pay with another key.
func payAs(c *client, key string) error {
	source := promptSource
	if key != secretKey {
		source = postAs(key, "/v1/sources", promptForm)
	}
	body, err := c.call(source)
	if err != nil {
		return err
	}
	id, page := field(body, "id"), field(body, "url")
	_, path, ok := strings.Cut(strings.TrimPrefix(page, "http://"), "/")
	if !ok {
		return fmt.Errorf("no page in %s", body)
	}
	if _, err := c.call(post("/"+path, "decision=authorize")); err != nil {
		return err
	}
	_, err = c.call(postAs(key, "/v1/charges", "amount=1099&currency=usd&source="+id))
	return err
}

// field finds the first string of a name in a JSON text.
func field(body []byte, name string) string {
	_, rest, _ := bytes.Cut(body, []byte(`"`+name+`": "`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(value)
}
