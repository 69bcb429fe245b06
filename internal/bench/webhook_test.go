package bench

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/webhook"
)

// sink is a webhook endpoint that costs next to nothing: it shares the machine
// with the server that is measured.
type sink struct {
	net.Listener
	got   atomic.Int64
	fresh chan time.Time // when a message came that is not of the backlog
}

const backlogMark = `"type": "bench.backlog"`

func listen(b *testing.B) *sink {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &sink{Listener: ln, fresh: make(chan time.Time, 1<<16)}
	b.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *sink) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 16<<10)
	var body []byte
	for {
		length := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
					return
				}
			}
			if len(bytes.TrimSpace(line)) == 0 {
				break
			}
		}
		body = slices.Grow(body[:0], length)[:length]
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
			return
		}
		if bytes.Contains(body, []byte(backlogMark)) {
			s.got.Add(1)
		} else {
			s.fresh <- time.Now()
		}
	}
}

// seedBacklog makes an endpoint for charges and n more deliveries to it that are
// due, and returns the database.
func seedBacklog(b *testing.B, s *sink, n int) (db string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "x.db")
	db = "sqlite:" + path
	address, cmd, _ := ducat(b, db)
	c, err := dial(address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	answer, err := c.call(post("/v1/webhook_endpoints", "enabled_events%5B%5D=charge.succeeded&url=http%3A%2F%2F"+s.Addr().String()+"%2Fhook"))
	if err != nil {
		b.Fatal(err)
	}
	endpoint := field(answer, "id")
	auth := base64.StdEncoding.EncodeToString([]byte(secretKey + ":"))
	account, err := c.call(fmt.Appendf(nil, "GET /_ducat/v1/account HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic %s\r\n\r\n", auth))
	if err != nil {
		b.Fatal(err)
	}
	world := merchant.IDFor(field(account, "account"), false)
	halt(cmd)

	st, err := server.OpenStore(b.Context(), db)
	if err != nil {
		b.Fatal(err)
	}
	ids, at := id.System(), time.Now().UTC().Truncate(time.Millisecond)
	body := []byte(`{"id": "evt_1", "object": "event", ` + backlogMark + `, "data": "` + strings.Repeat("x", 1500) + `"}`)
	for left := n; left > 0; {
		batch := min(left, 1000)
		left -= batch
		if err := st.Update(b.Context(), world, func(tx store.Tx) error {
			for range batch {
				d := store.Delivery{ID: ids.New("whd_", at), Event: ids.New("evt_", at), Endpoint: endpoint, State: webhook.Pending, Created: at, Next: at, Body: body}
				payload, err := json.Marshal(webhook.Payload{Front: "stripe", Delivery: d.ID})
				if err != nil {
					return err
				}
				if err := tx.InsertDelivery(d); err != nil {
					return err
				}
				if err := tx.InsertJob(store.Job{ID: webhook.JobID(d.ID), Kind: webhook.Job, Due: at, RunAt: at, Payload: payload}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
	_ = os.Remove(path + ".lock")
	return db
}

// BenchmarkWebhooks drains a backlog of b.N deliveries to a local receiver while
// a client takes payments, one after the other, each of which sends a message of
// its own: how many are delivered in a second, and how long a new message takes
// while the backlog is there.
func BenchmarkWebhooks(b *testing.B) {
	for _, clients := range []int{1, 4} {
		b.Run(fmt.Sprintf("%d-payers", clients), func(b *testing.B) {
			s := listen(b)
			db := seedBacklog(b, s, b.N)
			b.ResetTimer()
			began := time.Now()
			address, cmd, _ := ducat(b, db)
			var waits []time.Duration
			var payments atomic.Int64
			var wg sync.WaitGroup
			for i := range clients {
				wg.Go(func() {
					c, err := dial(address)
					if err != nil {
						b.Error(err)
						return
					}
					defer c.Close()
					for s.got.Load() < int64(b.N) {
						if err := pay(c); err != nil {
							b.Error(err)
							return
						}
						payments.Add(1)
						if i > 0 || clients > 1 {
							continue
						}
						charged := time.Now()
						select {
						case at := <-s.fresh:
							waits = append(waits, at.Sub(charged))
						case <-time.After(patience):
							b.Error("a new message did not come")
							return
						}
					}
				})
			}
			wg.Wait()
			took := time.Since(began)
			b.StopTimer()
			b.ReportMetric(float64(s.got.Load()+payments.Load())/took.Seconds(), "deliveries/s")
			b.ReportMetric(float64(payments.Load())/took.Seconds(), "payments/s")
			b.ReportMetric(float64(cpu(b, cmd).Microseconds())/float64(s.got.Load()+payments.Load()), "cpu-us/delivery")
			b.ReportMetric(residentMB(b, cmd), "MB")
			if len(waits) > 0 {
				slices.Sort(waits)
				b.ReportMetric(float64(waits[len(waits)/2])/1e6, "new-p50-ms")
				b.ReportMetric(float64(waits[(len(waits)-1)*99/100])/1e6, "new-p99-ms")
			}
			halt(cmd)
		})
	}
}
