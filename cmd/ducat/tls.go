package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/localca"
)

// authority is where the local certificate authority lives.
type authority struct {
	Dir string `name:"tls-dir" help:"Folder of the local certificate authority; default ducat in your configuration folder." env:"DUCAT_TLS_DIR"`
}

func (a authority) open() (*localca.Authority, error) {
	dir := a.Dir
	if dir == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return nil, fmt.Errorf("no folder for the certificate authority: %w (name one with --tls-dir)", err)
		}
		dir = filepath.Join(config, "ducat")
	}
	return localca.Open(dir, rand.Reader, time.Now())
}

// secure is what serve needs for HTTPS.
type secure struct {
	TLS       bool     `name:"tls" help:"Serve HTTPS too, under a locally made certificate, also for the providers' own host names (see ducat trust)." env:"DUCAT_TLS"`
	TLSListen string   `name:"tls-listen" help:"Address to listen on for HTTPS." default:"127.0.0.1:12112" env:"DUCAT_TLS_LISTEN"`
	TLSHosts  []string `name:"tls-host" help:"Further host names or addresses of this server for its certificate." env:"DUCAT_TLS_HOSTS"`
	authority `embed:""`
}

// providerHosts are the names that untouched clients ask for.
var providerHosts = []string{
	"api.stripe.com", "js.stripe.com", "hooks.stripe.com", "files.stripe.com", "dashboard.stripe.com", "pay.stripe.com", "connect.stripe.com", "m.stripe.com",
	"testapi.multisafepay.com", "api.multisafepay.com", "testpay.multisafepay.com", "pay.multisafepay.com", "testpayv2.multisafepay.com", "payv2.multisafepay.com",
	"open-sea-global.alipay.com", "open-na-global.alipay.com", "open-de-global.alipay.com", "open-sea.alipay.com", "open-na.alipay.com", "open-eu.alipay.com",
	"open.antglobal-us.com",
}

// listen returns the listener for HTTPS, nil if there is to be none.
func (s secure) listen() (net.Listener, *tls.Config, error) {
	if !s.TLS {
		return nil, nil, nil
	}
	host, _, err := net.SplitHostPort(s.TLSListen)
	if err != nil {
		return nil, nil, fmt.Errorf("--tls-listen %q is not an address: write host:port, for example 127.0.0.1:12112", s.TLSListen)
	}
	ca, err := s.open()
	if err != nil {
		return nil, nil, err
	}
	hosts := append([]string{"localhost", "127.0.0.1", "::1"}, providerHosts...)
	if host != "" && host != "0.0.0.0" && host != "::" {
		hosts = append(hosts, host)
	}
	cert, err := ca.Issue(append(hosts, s.TLSHosts...), rand.Reader, time.Now())
	if err != nil {
		return nil, nil, err
	}
	ln, err := net.Listen("tcp", s.TLSListen)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot listen on %s: %w (choose another address with --tls-listen; ports below 1024 may need a privilege)", s.TLSListen, err)
	}
	return ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// serveTLS serves on a listener, if there is one, until the server is shut down.
func serveTLS(hs *http.Server, ln net.Listener, config *tls.Config, served chan<- error) {
	if ln == nil {
		return
	}
	hs.TLSConfig = config
	go func() {
		if err := hs.ServeTLS(ln, "", ""); !errors.Is(err, http.ErrServerClosed) {
			served <- err
		}
	}()
}

type trustCmd struct {
	authority `embed:""`
	Address   string `help:"Where serve --tls listens, as clients reach it." default:"127.0.0.1:12112"`
}

// Run prints what to set so that clients trust the local authority and find the
// server. It changes nothing by itself but making the authority if there is none.
func (c *trustCmd) Run(_ context.Context, out streams) error {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return fmt.Errorf("--address %q is not an address: write host:port", c.Address)
	}
	ca, err := c.open()
	if err != nil {
		return err
	}
	path, err := filepath.Abs(ca.CertPath())
	if err != nil {
		return err
	}
	c.print(out.out, host, port, path, ca.Pin())
	return nil
}

func (c *trustCmd) print(w io.Writer, host, port, path, pin string) {
	rules := make([]string, len(providerHosts))
	for i, h := range providerHosts {
		rules[i] = fmt.Sprintf("MAP %s:443 %s", h, net.JoinHostPort(host, port))
	}
	fmt.Fprintf(w, `The local authority's certificate is
  %[1]s
It can vouch for the providers' names, localhost and private addresses only. Its
key stays in the same folder; give the folder to nobody. Ducat never changes your
system: set what your client needs, and unset it when you are done.

1. Trust, for one process at a time

  curl      --cacert %[1]s
  Node      export NODE_EXTRA_CA_CERTS=%[1]s
  Python    export REQUESTS_CA_BUNDLE=%[1]s     (requests)
            export SSL_CERT_FILE=%[1]s          (httpx, urllib)
  Go        export SSL_CERT_FILE=%[1]s
  PHP       php -d curl.cainfo=%[1]s -d openssl.cafile=%[1]s …
  Ruby      export SSL_CERT_FILE=%[1]s
  .NET      export SSL_CERT_FILE=%[1]s          (Linux)
  Java      keytool -importcert -noprompt -alias ducat -file %[1]s \
              -keystore ducat-trust.p12 -storetype PKCS12 -storepass changeit
            java -Djavax.net.ssl.trustStore=ducat-trust.p12 -Djavax.net.ssl.trustStorePassword=changeit …
  Chromium  chromium --user-data-dir=$(mktemp -d) --ignore-certificate-errors-spki-list=%[2]s

2. Names, if the client cannot be given another address

  Chromium  --host-resolver-rules="%[3]s"
  curl      --connect-to api.stripe.com:443:%[4]s
  others    these lines in a hosts file (your own container's, for example), with
            ducat serve --tls --tls-listen %[5]s
              %[6]s %[7]s
`, path, pin, strings.Join(rules, ", "), net.JoinHostPort(host, port), net.JoinHostPort(host, "443"), host, strings.Join(providerHosts, " "))
	if port != "443" {
		fmt.Fprintf(w, "            (a hosts file names no port, so that the server has to be at 443)\n")
	}
}
