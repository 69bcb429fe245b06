package bench

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/servertest"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlite"
)

// get makes the bytes of a request.
func get(path string) []byte {
	auth := base64.StdEncoding.EncodeToString([]byte(secretKey + ":"))
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic %s\r\n\r\n", path, auth)
}

// keyed is a request under an idempotency key.
func keyed(request []byte, key string) []byte {
	return bytes.Replace(request, []byte("\r\n"), []byte("\r\nIdempotency-Key: "+key+"\r\n"), 1)
}

// asks is a step of a client: one request that must succeed.
func asks(request []byte) func(c *client) error {
	return func(c *client) error { _, err := c.call(request); return err }
}

// anew is a step that reads a list and asks for it differently each time, so
// that no answer can be one that was kept.
func anew(path string) func(c *client) error {
	var n atomic.Int64
	return func(c *client) error {
		_, err := c.call(get(fmt.Sprintf("%s&created[gte]=%d", path, n.Add(1))))
		return err
	}
}

// mock starts stripe-mock.
func mock(b *testing.B) *side {
	b.Helper()
	s := &side{address: servertest.FreeAddress(b)}
	_, port, _ := strings.Cut(s.address, ":")
	s.cmd, _ = launch(b, s.address, program(b, "github.com/stripe/stripe-mock"), "-http-port", port)
	return s
}

// BenchmarkRead has clients read a charge, and lists of ten charges and ten
// customers, here and at stripe-mock, in turns: the same again and again, as
// somebody does who waits for a change, and asked differently each time. Here
// the objects come from the database, or from what was kept because nothing was
// written since; the peer answers with a fixture, and with one in a list.
func BenchmarkRead(b *testing.B) {
	address, cmd, _ := ducat(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
	us, them := &side{address: address, cmd: cmd}, mock(b)
	drive(b, address, clients, 12, pay)
	drive(b, address, clients, 12, asks(post("/v1/customers", "name=Ann&email=ann%40example.com&metadata%5Btier%5D=gold")))
	c, err := dial(address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	body, err := c.call(get("/v1/charges?limit=1"))
	if err != nil {
		b.Fatal(err)
	}
	_, first, _ := bytes.Cut(body, []byte(`"data"`))
	for name, request := range map[string]func(c *client) error{
		"retrieve charge": asks(get("/v1/charges/" + field(first, "id"))),
		"list 10 charges": asks(get("/v1/charges?limit=10")), "list 10 charges anew": anew("/v1/charges?limit=10"),
		"list 10 customers": asks(get("/v1/customers?limit=10")), "list 10 customers anew": anew("/v1/customers?limit=10"),
	} {
		b.Run(name, func(b *testing.B) {
			for _, s := range []*side{us, them} {
				s.load, s.cpu = load{}, 0
				drive(b, s.address, clients, 200, request)
			}
			const turns = 8
			b.ResetTimer()
			for left, turn := b.N, turns; turn > 0; turn-- {
				n := left / turn
				left -= n
				us.drive(b, n, request)
				b.StopTimer()
				them.drive(b, n, request)
				b.StartTimer()
			}
			b.StopTimer()
			compare(b, us, them)
		})
	}
}

func (s *side) drive(b *testing.B, n int, do func(c *client) error) {
	b.Helper()
	before := cpu(b, s.cmd)
	s.load.add(drive(b, s.address, clients, n, do))
	s.cpu += cpu(b, s.cmd) - before
}

// compare reports two sides beside each other.
func compare(b *testing.B, us, them *side) {
	b.Helper()
	b.ReportMetric(us.load.perSecond(), "req/s")
	b.ReportMetric(them.load.perSecond(), "peer-req/s")
	b.ReportMetric(us.load.perSecond()/them.load.perSecond(), "rate-ratio")
	b.ReportMetric(us.load.p99()/them.load.p99(), "p99-ratio")
	b.ReportMetric(float64(us.cpu.Microseconds())/float64(b.N), "cpu-us/req")
	b.ReportMetric(float64(them.cpu.Microseconds())/float64(b.N), "peer-cpu-us/req")
}

// BenchmarkReplay compares requests that are the first under their idempotency
// key with their replays.
func BenchmarkReplay(b *testing.B) {
	address, _, _ := ducat(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
	drive(b, address, clients, 200, asks(createSource))
	run := func(n int) load {
		var next atomic.Int64
		return drive(b, address, clients, n, func(c *client) error {
			_, err := c.call(keyed(createSource, fmt.Sprint("key-", next.Add(1))))
			return err
		})
	}
	n := max(b.N, 1)
	b.ResetTimer()
	first := run(n)
	replay := run(n)
	b.ReportMetric(first.perSecond(), "first/s")
	b.ReportMetric(replay.perSecond(), "replay/s")
	b.ReportMetric(replay.perSecond()/first.perSecond(), "rate-ratio")
	b.ReportMetric(replay.p99()/first.p99(), "p99-ratio")
}

// million is how many objects the longest list has, and deep the page that is
// read of it, of ten objects.
const (
	million = 1_000_000
	deep    = 1000
)

// BenchmarkDeepPage reads the first and the thousandth page of a million
// customers, in turns.
func BenchmarkDeepPage(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.db")
	address, cmd, _ := ducat(b, "sqlite:"+path)
	drive(b, address, 1, 1, asks(get("/v1/balance"))) // the world exists
	halt(cmd)
	cursor := fill(b, path)
	address, _, _ = ducat(b, "sqlite:"+path)
	first, far := anew("/v1/customers?limit=10"), anew("/v1/customers?limit=10&starting_after="+cursor)
	var shallow, remote load
	drive(b, address, 1, 20, far)
	const turns = 8
	b.ResetTimer()
	for left, turn := b.N, turns; turn > 0; turn-- {
		n := left / turn
		left -= n
		shallow.add(drive(b, address, 1, n, first))
		remote.add(drive(b, address, 1, n, far))
	}
	b.StopTimer()
	b.ReportMetric(shallow.perSecond(), "page1/s")
	b.ReportMetric(remote.perSecond(), "page1000/s")
	b.ReportMetric(shallow.perSecond()/remote.perSecond(), "slowdown")
}

// fill gives the one merchant of a database a million customers and returns the
// last one of page deep-1.
func fill(b *testing.B, path string) (cursor string) {
	b.Helper()
	s, err := sqlite.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	merchants, err := s.MerchantIDs(b.Context(), -1, 2)
	if err != nil || len(merchants) != 1 {
		b.Fatal(merchants, err)
	}
	ids := id.System()
	at := time.Now().UTC().Truncate(time.Millisecond).Add(-million * time.Millisecond)
	const batch = 10_000
	for done := 0; done < million; done += batch {
		if err := s.Update(b.Context(), merchants[0], func(tx store.Tx) error {
			for i := range batch {
				made := at.Add(time.Duration(done+i) * time.Millisecond)
				name := ids.New("cus_", made)
				sort, _ := id.Sort(name)
				row := resource.Row{Kind: "stripe.customer", ID: name, Sort: sort, Created: made, Version: 1, Body: []byte(`{"name":"Ann","email":"ann@example.com","prefix":"ABCDEFGH"}`)}
				if err := tx.InsertResource(row); err != nil {
					return err
				}
				if done+i == million-10*(deep-1) {
					cursor = name
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return cursor
}
