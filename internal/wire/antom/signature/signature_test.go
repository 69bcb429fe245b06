package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := Generate()
	if err != nil {
		panic(err)
	}
	return k
})

// TestVectors are the hashes of antom §2.3.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		m    Message
		want string
	}{
		{Message{"POST", "/ams/sandbox/api/v1/authorizations/consult", "SANDBOX_5YDUCAT0001", "1716180000000",
			[]byte(`{"customerBelongsTo":"GCASH","authRedirectUrl":"https://shop.example/auth/back","scopes":["AGREEMENT_PAY"],"authState":"ducat-st-0001","terminalType":"WEB"}`)},
			"2812b6d025e41d2d00dcb1bbe90505ce8b15ab5d404417ce4356d817b19ac459"},
		{Message{"POST", "/ams/sandbox/api/v1/authorizations/consult", "SANDBOX_5YDUCAT0001", "2024-05-20T12:40:00+08:00",
			[]byte(`{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success."},"normalUrl":"https://pay.ducat.test/antom/auth/a1b2"}`)},
			"6f57ffb960c2edafc9e5efd542954769df4a32e8df012e3d9b466e19faf2c332"},
	} {
		if got := hex.EncodeToString(c.m.digest()); got != c.want {
			t.Errorf("hash %s, want %s", got, c.want)
		}
	}
}

func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	m := Message{"POST", "/p?q=1", "C", "T", []byte("body")}
	h, err := Sign(testKey(), 3, m)
	if err != nil {
		t.Fatal(err)
	}
	text := h.String()
	if !strings.HasPrefix(text, "algorithm=RSA256,keyVersion=3,signature=") || strings.ContainsAny(text[40:], "+/= ") {
		t.Errorf("header %s", text)
	}
	raw := "algorithm=RSA256, keyVersion=3 , signature=" + base64.StdEncoding.EncodeToString(h.Value)
	lower := strings.ReplaceAll(strings.ReplaceAll(text, "%2B", "%2b"), "%2F", "%2f")
	for _, s := range []string{text, raw, lower, "signature=" + base64.StdEncoding.EncodeToString(h.Value), "x=y," + text, "junk," + text} {
		got, err := ParseHeader(s)
		if err != nil || !bytes.Equal(got.Value, h.Value) || !Verify(&testKey().PublicKey, got, m) {
			t.Errorf("%s: %v", s, err)
		}
	}
	for i, other := range []Message{
		{"GET", m.Path, m.Client, m.Time, m.Body}, {m.Method, "/p", m.Client, m.Time, m.Body}, {m.Method, m.Path, "c", m.Time, m.Body},
		{m.Method, m.Path, m.Client, "t", m.Body}, {m.Method, m.Path, m.Client, m.Time, []byte("body ")}, {m.Method, m.Path, m.Client + ".", m.Time, m.Body},
	} {
		if Verify(&testKey().PublicKey, h, other) {
			t.Errorf("message %d has the same signature", i)
		}
	}
}

func TestBadHeaders(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "signature=", "signature", "algorithm=RSA256", "signature=%zz", "signature=a", "signature=!!!!", "algorithm=HMAC,signature=YQ==",
		"keyVersion=x,signature=YQ==", "keyVersion=0,signature=YQ==", "keyVersion=-1,signature=YQ==", "signature=" + strings.Repeat("YWFh", 2000),
	} {
		if h, err := ParseHeader(s); err == nil {
			t.Errorf("%.60q was read as %+v", s, h)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	k := testKey()
	for _, text := range []string{PKCS8(k), PKCS1(k), "  " + PKCS8(k) + "\n"} {
		got, err := ParsePrivate(text)
		if err != nil || !got.Equal(k) {
			t.Errorf("private key: %v", err)
		}
	}
	spki, _ := x509.MarshalPKIXPublicKey(&k.PublicKey)
	for _, text := range []string{Public(&k.PublicKey), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})), Public(&k.PublicKey)[:64] + "\n" + Public(&k.PublicKey)[64:]} {
		got, err := ParsePublic(text)
		if err != nil || !got.Equal(&k.PublicKey) {
			t.Errorf("public key: %v", err)
		}
	}
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ecText, _ := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	for _, text := range []string{"", "x", "!", PKCS8(k), base64.StdEncoding.EncodeToString(ecText), Public(&small.PublicKey)} {
		if _, err := ParsePublic(text); err == nil {
			t.Errorf("%.40q is a public key", text)
		}
	}
	for _, text := range []string{"", "x", Public(&k.PublicKey)} {
		if _, err := ParsePrivate(text); err == nil {
			t.Errorf("%.40q is a private key", text)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, s := range []string{"algorithm=RSA256,keyVersion=1,signature=YQ%3D%3D", "signature=YQ==", "signature=a+b/", " , =,algorithm=", "keyVersion=99999999999999999999,signature=YQ=="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHeader(s)
		if err != nil {
			return
		}
		if h.KeyVersion == 0 {
			h.KeyVersion = 1
		}
		again, err := ParseHeader(h.String())
		if err != nil || !bytes.Equal(again.Value, h.Value) || again.KeyVersion != h.KeyVersion {
			t.Fatalf("%q was read as %+v, written as %q and read as %+v: %v", s, h, h.String(), again, err)
		}
	})
}

func FuzzParsePublic(f *testing.F) {
	f.Add(Public(&testKey().PublicKey))
	f.Add("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParsePublic(s)
		if err != nil {
			return
		}
		if again, err := ParsePublic(Public(k)); err != nil || !again.Equal(k) {
			t.Fatalf("%q does not survive: %v", s, err)
		}
	})
}
