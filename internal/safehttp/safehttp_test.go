package safehttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var sandbox = Policy{AllowPrivate: true, AllowPlain: true}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func client(t testing.TB, p Policy, o Options) *Client {
	t.Helper()
	c := New(p, o)
	t.Cleanup(c.CloseIdle)
	return c
}

func TestPost(t *testing.T) {
	t.Parallel()

	t.Run("SendsAndReceives", func(t *testing.T) {
		t.Parallel()
		type seen struct {
			method, uri, agent, kind, body string
			length                         int64
		}
		got := make(chan seen, 1)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got <- seen{r.Method, r.RequestURI, r.UserAgent(), r.Header.Get("Content-Type"), string(body), r.ContentLength}
			w.Header().Set("X-Answer", "yes")
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, "thanks")
		})
		h := http.Header{"User-Agent": {"Ducat/1.0"}, "Content-Type": {"application/json"}}
		resp, err := client(t, sandbox, Options{}).Post(t.Context(), s.URL+"/hook?k=1#frag", h, []byte(`{"a":1}`))
		if err != nil {
			t.Fatalf("Post: %v", err)
		}
		want := seen{"POST", "/hook?k=1", "Ducat/1.0", "application/json", `{"a":1}`, 7}
		if g := <-got; g != want {
			t.Errorf("received %+v, want %+v", g, want)
		}
		if resp.Status != 202 || string(resp.Body) != "thanks" || !resp.Complete || resp.Header.Get("X-Answer") != "yes" {
			t.Errorf("response %+v, want 202 thanks", resp)
		}
		if len(h) != 2 {
			t.Errorf("Post changed the header it was given: %v", h)
		}
	})

	t.Run("NeverFollowsRedirects", func(t *testing.T) {
		t.Parallel()
		for _, location := range []string{"/elsewhere", "http://169.254.169.254/", "http://[bad", ""} {
			var calls atomic.Int32
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusTemporaryRedirect)
			})
			resp, err := client(t, sandbox, Options{}).Post(t.Context(), s.URL, nil, nil)
			if err != nil || resp.Status != http.StatusTemporaryRedirect || calls.Load() != 1 {
				t.Errorf("redirect to %q: status %d, %d calls, err %v; want 307, one call", location, resp.Status, calls.Load(), err)
			}
		}
	})

	t.Run("KeepsTheFirstBytes", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
		})
		c := client(t, sandbox, Options{MaxResponseBytes: 10})
		for _, n := range []int{0, 9, 10, 11, 1 << 20} {
			resp, err := c.Post(t.Context(), s.URL, nil, bytes.Repeat([]byte("x"), n))
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			if len(resp.Body) != min(n, 10) || resp.Complete != (n <= 10) {
				t.Errorf("%d bytes: kept %d, complete %v", n, len(resp.Body), resp.Complete)
			}
		}
	})

	t.Run("BrokenBodyIsStillAnAnswer", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "part")
		})
		resp, err := client(t, sandbox, Options{}).Post(t.Context(), s.URL, nil, nil)
		if err != nil || resp.Status != 200 || string(resp.Body) != "part" || resp.Complete {
			t.Errorf("response %+v, err %v; want 200, an incomplete body and no error", resp, err)
		}
	})

	t.Run("StalledBodyIsStillAnAnswer", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "part")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		resp, err := client(t, sandbox, Options{Timeout: time.Second}).Post(t.Context(), s.URL, nil, nil)
		if err != nil || resp.Status != 200 || string(resp.Body) != "part" || resp.Complete {
			t.Errorf("response %+v, err %v; want 200, an incomplete body and no error", resp, err)
		}
	})

	t.Run("DecompressesUnlessAsked", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, "plain words")
			z.Close()
		})
		c := client(t, sandbox, Options{})
		resp, err := c.Post(t.Context(), s.URL, nil, nil)
		if err != nil || string(resp.Body) != "plain words" {
			t.Errorf("body %q, err %v; want it decompressed", resp.Body, err)
		}
		resp, err = c.Post(t.Context(), s.URL, http.Header{"Accept-Encoding": {"gzip"}}, nil)
		if err != nil || !bytes.HasPrefix(resp.Body, []byte{0x1f, 0x8b}) {
			t.Errorf("body %q, err %v; want it as sent", resp.Body, err)
		}
	})

	t.Run("BoundsTheHeader", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 2*responseHeaderBytesMax))
		})
		if resp, err := client(t, sandbox, Options{}).Post(t.Context(), s.URL, nil, nil); err == nil {
			t.Errorf("status %d for a header beyond the limit, want an error", resp.Status)
		}
	})
}

func TestPostTimeout(t *testing.T) {
	t.Parallel()
	silent := func(t *testing.T) *httptest.Server {
		return serve(t, func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then does the server notice the client leave
			<-r.Context().Done()
		})
	}

	t.Run("Own", func(t *testing.T) {
		t.Parallel()
		c := client(t, sandbox, Options{Timeout: 30 * time.Millisecond})
		_, err := c.Post(t.Context(), silent(t).URL+"/?token=hidden", nil, []byte("x"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err %v, want DeadlineExceeded", err)
		}
		if strings.Contains(fmt.Sprint(err), "hidden") {
			t.Errorf("the error quotes the URL: %v", err)
		}
	})

	t.Run("Callers", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		_, err := client(t, sandbox, Options{}).Post(ctx, s.URL, nil, nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err %v, want Canceled", err)
		}
	})

	t.Run("TLSHandshake", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, never answers
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := client(t, sandbox, Options{DialTimeout: 30 * time.Millisecond})
		if _, err := c.Post(t.Context(), "https://"+l.Addr().String(), nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err %v, want DeadlineExceeded", err)
		}
	})
}

func TestPostRefuses(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Errorf("a refused call arrived") })
	port := s.Listener.Addr().(*net.TCPAddr).Port

	t.Run("ByURL", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			policy Policy
			url    string
			want   Reason
		}{
			"Loopback": {Policy{AllowPlain: true}, s.URL, Loopback},
			"Plain":    {Policy{AllowPrivate: true}, s.URL, Plain},
			"NoScheme": {sandbox, s.Listener.Addr().String(), NoScheme},
		} {
			_, err := client(t, c.policy, Options{}).Post(t.Context(), c.url, nil, nil)
			if refused, ok := errors.AsType[*Refused](err); !ok || refused.Reason != c.want {
				t.Errorf("%s: err %v, want refusal because %q", name, err, c.want)
			}
		}
	})

	// The name passes every check of the URL; only its address gives it away.
	t.Run("ByAddressAfterDNS", func(t *testing.T) {
		t.Parallel()
		for address, want := range map[string]Reason{
			"127.0.0.1":       Loopback,
			"10.1.2.3":        Private,
			"169.254.169.254": LinkLocal,
			"0.0.0.0":         Unspecified,
		} {
			resolver := fakeDNS(t, address)
			c := newClient(Policy{AllowPlain: true}, Options{}, resolver)
			_, err := c.Post(t.Context(), fmt.Sprintf("http://shop.example:%d/hook", port), nil, nil)
			refused, ok := errors.AsType[*Refused](err)
			if !ok || refused.Reason != want || refused.Address != address || !strings.HasPrefix(refused.Host, "shop.example:") {
				t.Errorf("resolved to %s: err %v, want refusal because %q", address, err, want)
			}
		}
	})

	// Without this one, the case above would also pass if the fake never answered.
	t.Run("AddressAllowedAfterDNS", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(sandbox, Options{}, fakeDNS(t, "127.0.0.1"))
		t.Cleanup(c.CloseIdle)
		host := "shop.example:" + u.Port()
		resp, err := c.Post(t.Context(), "http://"+host, nil, nil)
		if err != nil || string(resp.Body) != host {
			t.Errorf("body %q, err %v; want %q", resp.Body, err, host)
		}
	})

	t.Run("ErrorText", func(t *testing.T) {
		t.Parallel()
		for want, r := range map[string]Refused{
			"refused to call the URL: it is too long":                                      {Reason: TooLong},
			"refused to call h:1: the scheme must be https":                                {Host: "h:1", Reason: Plain},
			"refused to call 10.0.0.1: the address is in a private network":                {Address: "10.0.0.1", Reason: Private},
			"refused to call h:1 at 10.0.0.1: the address is in a private network":         {Host: "h:1", Address: "10.0.0.1", Reason: Private},
			"refused to call h at 127.0.0.1: the address is a loopback address":            {Host: "h", Address: "127.0.0.1", Reason: Loopback},
			"refused to call h: it must not contain a user name or password":               {Host: "h", Reason: UserInfo},
			"refused to call h at nonsense: the address is reserved":                       {Host: "h", Address: "nonsense", Reason: Reserved},
			"refused to call the URL: an explicit scheme (such as https) must be provided": {Reason: NoScheme},
		} {
			if got := r.Error(); got != want {
				t.Errorf("Error() = %q, want %q", got, want)
			}
		}
	})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy           Policy
		network, address string
		ok               bool
	}{
		{Policy{}, "tcp4", "8.8.8.8:443", true},
		{Policy{}, "tcp6", "[2606:4700::1111]:443", true},
		{Policy{}, "tcp4", "127.0.0.1:443", false},
		{Policy{}, "tcp6", "[::ffff:8.8.8.8]:443", false},
		{Policy{}, "tcp6", "[fe80::1%eth0]:443", false},
		{Policy{}, "udp4", "8.8.8.8:443", false},
		{Policy{}, "unix", "/run/socket", false},
		{Policy{AllowPrivate: true}, "tcp4", "127.0.0.1:443", true},
	} {
		if err := c.policy.judge(c.network, c.address); (err == nil) != c.ok {
			t.Errorf("%+v judges %s %s: %v, want ok %v", c.policy, c.network, c.address, err, c.ok)
		}
	}
}

// Not parallel: it sets the environment.
func TestPostIgnoresProxy(t *testing.T) {
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { t.Errorf("the proxy was used") })
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := newClient(sandbox, Options{}, fakeDNS(t, "127.0.0.1"))
	t.Cleanup(c.CloseIdle)
	// The standard library exempts localhost from proxies, hence a name.
	target := fmt.Sprintf("http://shop.example:%d/", s.Listener.Addr().(*net.TCPAddr).Port)
	if resp, err := c.Post(t.Context(), target, nil, nil); err != nil || resp.Status != 200 {
		t.Errorf("status %d, err %v; want 200", resp.Status, err)
	}
}

func TestPostTLS(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, config *tls.Config) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %#x", r.Proto, r.TLS.Version)
		}))
		s.EnableHTTP2 = true
		s.TLS = config
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	trusting := func(t *testing.T, s *httptest.Server) *Client {
		return client(t, sandbox, Options{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	}

	t.Run("Trusted", func(t *testing.T) {
		t.Parallel()
		s := start(t, nil)
		resp, err := trusting(t, s).Post(t.Context(), s.URL, nil, nil)
		if want := "HTTP/1.1 0x304"; err != nil || string(resp.Body) != want {
			t.Errorf("body %q, err %v; want %q", resp.Body, err, want)
		}
	})

	t.Run("Unknown", func(t *testing.T) {
		t.Parallel()
		_, err := client(t, sandbox, Options{}).Post(t.Context(), start(t, nil).URL, nil, nil)
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
			t.Errorf("err %v, want a certificate error", err)
		}
	})

	t.Run("TooOld", func(t *testing.T) {
		t.Parallel()
		s := start(t, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
		if resp, err := trusting(t, s).Post(t.Context(), s.URL, nil, nil); err == nil {
			t.Errorf("TLS 1.1 accepted: %s", resp.Body)
		}
	})
}

func TestPostReusesConnections(t *testing.T) {
	t.Parallel()
	const workers, calls = 32, 50
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(bytes.Repeat([]byte("x"), 64<<10)) // more than is kept: it must be drained
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := client(t, sandbox, Options{MaxResponseBytes: 100, Timeout: time.Minute})

	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range calls {
				if _, err := c.Post(t.Context(), s.URL, nil, []byte("{}")); err != nil {
					t.Errorf("Post: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	// A worker may start dialling while another one's connection becomes free;
	// twice the workers leaves room for that and none for one per call.
	if n := opened.Load(); n > 2*workers {
		t.Errorf("%d connections for %d calls by %d workers, want at most %d", n, workers*calls, workers, 2*workers)
	}
}

func TestNewRefusesNegativeOptions(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Errorf("New with a negative timeout did not panic")
		}
	}()
	New(Policy{}, Options{Timeout: -1})
}

func BenchmarkPost(b *testing.B) {
	s := serve(b, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	c := client(b, sandbox, Options{})
	body := bytes.Repeat([]byte("x"), 3<<10)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Post(context.Background(), s.URL, nil, body); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// fakeDNS returns a resolver that answers every question for an IPv4 address
// with address, and has no other records.
func fakeDNS(t *testing.T, address string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := dnsAnswer(buf[:n], net.ParseIP(address).To4()); answer != nil {
				pc.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp", pc.LocalAddr().String())
		},
	}
}

// dnsAnswer answers the one question of query: a header of twelve bytes, then
// the name as labels up to an empty one, then type and class.
func dnsAnswer(query []byte, ip4 net.IP) []byte {
	const headerLen, typeA = 12, 1
	if len(query) < headerLen {
		return nil
	}
	nameLen := bytes.IndexByte(query[headerLen:], 0)
	end := headerLen + nameLen + 1 + 4
	if nameLen < 0 || len(query) < end {
		return nil
	}
	answer := append([]byte(nil), query[:end]...)
	binary.BigEndian.PutUint16(answer[2:], 0x8180) // an answer, recursion available
	isA := binary.BigEndian.Uint16(query[end-4:]) == typeA
	var answers uint16
	if isA {
		answers = 1
	}
	binary.BigEndian.PutUint16(answer[6:], answers)
	binary.BigEndian.PutUint32(answer[8:], 0) // no authority, no additional records
	if isA {
		answer = append(answer, 0xc0, headerLen, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
		answer = append(answer, ip4...)
	}
	return answer
}
