// Package safehttp makes outbound HTTP calls to addresses that merchants choose:
// webhook endpoints, notification URLs.
//
// It promises that a call never reaches an address the policy forbids, whatever
// the URL or DNS says: the address is judged after resolution, at the moment of
// connecting, so a name that changes its mind between check and use gains
// nothing. It never follows redirects, never uses a proxy from the environment,
// speaks TLS 1.2 or later, and bounds time and memory.
//
// It leaves to others what an answer means, when to try again and what to log.
package safehttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Policy says which destinations are acceptable. The zero value is the strict
// one, for live mode: public addresses over TLS only.
type Policy struct {
	// AllowPrivate permits addresses that are not on the public internet:
	// loopback, private networks, link-local and the rest. For sandboxes.
	AllowPrivate bool
	// AllowPlain permits http beside https.
	AllowPlain bool
}

// Options tune a Client. The zero value of each field stands for its default.
type Options struct {
	// Timeout bounds a whole call, from resolving the name to the end of the
	// answer. Default TimeoutDefault.
	Timeout time.Duration
	// DialTimeout bounds connecting, and the TLS handshake after it. Default
	// DialTimeoutDefault.
	DialTimeout time.Duration
	// MaxResponseBytes is how much of an answer's body is kept. Default
	// MaxResponseBytesDefault.
	MaxResponseBytes int64
	// RootCAs are the authorities trusted for TLS. Default: the machine's.
	RootCAs *x509.CertPool
}

// Defaults for Options.
const (
	TimeoutDefault          = 10 * time.Second
	DialTimeoutDefault      = 5 * time.Second
	MaxResponseBytesDefault = 16 << 10
)

const (
	// responseHeaderBytesMax bounds the header of an answer.
	responseHeaderBytesMax = 64 << 10
	// drainBytesMax is how much of a body is read beyond what is kept, in order
	// to use the connection again. Past it a fresh connection is cheaper.
	drainBytesMax = 256 << 10
	// idlePerHostMax is at least the number of deliveries that one busy receiver
	// gets at the same time; with less, every burst would open connections anew.
	idlePerHostMax = 256
	idleMax        = 2048
	// idleTimeout stays below the five seconds after which common servers close
	// an idle connection. Writing a POST into a connection that is being closed
	// fails, and it cannot be told from a POST that was received.
	idleTimeout = 4 * time.Second
)

// Client makes calls under one policy. It is safe for concurrent use, and one
// Client should serve all calls of a kind because it owns their connections.
type Client struct {
	policy           Policy
	timeout          time.Duration
	maxResponseBytes int64
	transport        *http.Transport
}

// New returns a client for p.
func New(p Policy, opts Options) *Client {
	return newClient(p, opts, net.DefaultResolver)
}

func newClient(p Policy, opts Options, resolver *net.Resolver) *Client {
	if opts.Timeout < 0 || opts.DialTimeout < 0 || opts.MaxResponseBytes < 0 {
		panic(fmt.Sprintf("safehttp: options %+v, want none below zero", opts))
	}
	if opts.Timeout == 0 {
		opts.Timeout = TimeoutDefault
	}
	if opts.DialTimeout == 0 {
		opts.DialTimeout = DialTimeoutDefault
	}
	if opts.MaxResponseBytes == 0 {
		opts.MaxResponseBytes = MaxResponseBytesDefault
	}
	dialer := &net.Dialer{
		Timeout:  opts.DialTimeout,
		Resolver: resolver,
		Control: func(network, address string, _ syscall.RawConn) error {
			return p.judge(network, address)
		},
	}
	// One request per connection at a time: HTTP/2 would put all deliveries to
	// a receiver behind one connection and its health.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &Client{
		policy:           p,
		timeout:          opts.Timeout,
		maxResponseBytes: opts.MaxResponseBytes,
		transport: &http.Transport{
			Proxy:                  nil, // a proxy would choose the address, after our judgement
			DialContext:            dialer.DialContext,
			Protocols:              &protocols,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: opts.RootCAs},
			TLSHandshakeTimeout:    opts.DialTimeout,
			MaxIdleConns:           idleMax,
			MaxIdleConnsPerHost:    idlePerHostMax,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: responseHeaderBytesMax,
		},
	}
}

// Response is an answer. Redirects are answers like any other.
type Response struct {
	Status int
	Header http.Header
	// Body is the first MaxResponseBytes of the body.
	Body []byte
	// Complete says that Body is the whole body. It is false when the body is
	// longer than what is kept, or broke off.
	Complete bool
}

// Post sends body to url and returns the answer. Header is sent as given and
// left unchanged; without Accept-Encoding in it, a compressed answer is
// decompressed.
//
// Once a status has arrived Post returns no error, even when the body breaks
// off: the receiver has answered, and callers decide by the status. A URL or an
// address that the policy forbids is a *Refused; a call that took too long
// matches context.DeadlineExceeded. Errors do not quote the URL, whose query may
// hold the receiver's secrets.
func (c *Client) Post(ctx context.Context, url string, header http.Header, body []byte) (Response, error) {
	return c.Send(ctx, http.MethodPost, url, header, body)
}

// Send is Post with another method.
func (c *Client) Send(ctx context.Context, method, url string, header http.Header, body []byte) (Response, error) {
	if refused := c.policy.check(url); refused != nil {
		return Response{}, refused
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		// It parses the URL as check did, methods are constants of ours, and
		// nothing else can fail.
		panic(fmt.Sprintf("safehttp: request for a checked URL: %v", err))
	}
	if header != nil {
		req.Header = header.Clone()
	}
	// Not http.Client: it insists on parsing where a redirect leads.
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return Response{}, explain(req.URL.Host, err)
	}
	kept, complete := readBody(resp.Body, c.maxResponseBytes)
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: kept, Complete: complete}, nil
}

// explain adds the host to err, and makes the several ways in which a timeout
// shows match context.DeadlineExceeded.
func explain(host string, err error) error {
	if refused, ok := errors.AsType[*Refused](err); ok {
		return &Refused{Host: host, Address: refused.Address, Reason: refused.Reason}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("post to %s: %w: %w", host, context.DeadlineExceeded, err)
	}
	return fmt.Errorf("post to %s: %w", host, err)
}

// CloseIdle closes the connections that no call is using.
func (c *Client) CloseIdle() { c.transport.CloseIdleConnections() }

// readBody keeps the first limit bytes, reads on a little so that the
// connection can be used again, and closes.
func readBody(body io.ReadCloser, limit int64) (kept []byte, complete bool) {
	defer body.Close()
	kept, err := io.ReadAll(io.LimitReader(body, limit))
	if err != nil {
		return kept, false
	}
	more, err := io.CopyN(io.Discard, body, drainBytesMax)
	return kept, more == 0 && errors.Is(err, io.EOF)
}

// judge is called with the address of every connection about to be made. Its
// refusal aborts that connection; if the name has other addresses, they are
// tried and judged in turn.
func (p Policy) judge(network, address string) error {
	if p.AllowPrivate {
		return nil
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return &Refused{Address: address, Reason: Reserved}
	}
	if reason, ok := classify(to.Addr()); !ok {
		return &Refused{Address: to.Addr().String(), Reason: reason}
	}
	return nil
}
