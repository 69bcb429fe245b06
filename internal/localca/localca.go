// Package localca is a certificate authority for one machine: it lets clients
// that insist on HTTPS and on a provider's host name reach this server. Its key
// never leaves its folder, and its certificate can vouch only for the names that
// tests need, so that trusting it opens nothing else.
package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Names of the files in the authority's folder.
const (
	certName = "ca.pem"
	keyName  = "ca.key"
)

const (
	authorityYears = 10
	// leafDays is the longest life of a server certificate that browsers accept.
	leafDays = 397
	// clockSkew is how far behind a client's clock may be.
	clockSkew = time.Hour
)

// domains are what the authority can vouch for, with everything below them.
var domains = []string{
	"stripe.com", "multisafepay.com", "alipay.com", "antglobal-us.com",
	"localhost", "test", "local", "internal", "localdomain", "ducat",
}

// networks are the addresses it can vouch for: this machine and private ones.
var networks = []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}

// Authority issues certificates.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	path string
}

// Open reads the authority in a folder, and makes one if there is none: a folder
// for its owner alone (0700) and a key nobody else can read (0600). One whose key
// others can read, or that has expired, is an error that says what to do.
func Open(dir string, random io.Reader, at time.Time) (*Authority, error) {
	a, err := load(dir, at)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if err := create(dir, random, at); err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	return load(dir, at)
}

func create(dir string, random io.Reader, at time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return err
	}
	serial, err := serialNumber(random)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Ducat local test authority", Organization: []string{"Ducat"}},
		NotBefore: at.Add(-clockSkew), NotAfter: at.AddDate(authorityYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: domains,
	}
	for _, n := range networks {
		_, ipnet, err := net.ParseCIDR(n)
		if err != nil {
			return err
		}
		t.PermittedIPRanges = append(t.PermittedIPRanges, ipnet)
	}
	der, err := x509.CreateCertificate(random, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The certificate comes last: an authority without one is made anew.
	if err := write(filepath.Join(dir, keyName), "PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	return write(filepath.Join(dir, certName), "CERTIFICATE", der, 0o644)
}

// write replaces a file as a whole, so that nobody reads half of one.
func write(path, kind string, der []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	err = errors.Join(f.Chmod(mode), pem.Encode(f, &pem.Block{Type: kind, Bytes: der}), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func load(dir string, at time.Time) (*Authority, error) {
	path := filepath.Join(dir, certName)
	der, err := read(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if at.After(cert.NotAfter) {
		return nil, fmt.Errorf("%s expired on %s: remove %s, start again, and trust the new one", path, cert.NotAfter.Format(time.DateOnly), dir)
	}
	keyPath := filepath.Join(dir, keyName)
	info, err := os.Stat(keyPath)
	if err != nil {
		return nil, fmt.Errorf("the authority's key is missing: remove %s, start again, and trust the new one (%s)", dir, keyPath)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read the authority's key: chmod 600 %s, or better, remove %s and trust a new one", keyPath, dir)
	}
	private, err := read(keyPath, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyPath, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s", keyPath, path)
	}
	return &Authority{cert: cert, key: key, path: path}, nil
}

func read(path, kind string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no %s", path, strings.ToLower(kind))
	}
	return block.Bytes, nil
}

func serialNumber(random io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, err
	}
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b), nil
}

// CertPath is the file to trust.
func (a *Authority) CertPath() string { return a.path }

// Pin is the hash of the authority's public key in the form that browsers take
// on their command line: SHA-256, base64.
func (a *Authority) Pin() string {
	sum := sha256.Sum256(a.cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Issue makes a server certificate for host names and addresses. A name that the
// authority may not vouch for is an error.
func (a *Authority) Issue(hosts []string, random io.Reader, at time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := serialNumber(random)
	if err != nil {
		return tls.Certificate{}, err
	}
	end := at.AddDate(0, 0, leafDays)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: hosts[0]}, NotBefore: at.Add(-clockSkew), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(random, t, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at}); err != nil {
		return tls.Certificate{}, fmt.Errorf("this authority cannot vouch for all of %s: it is limited to %s and private addresses (%w)", strings.Join(hosts, ", "), strings.Join(domains, ", "), err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
