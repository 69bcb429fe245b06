package signature

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// The first vector of reference §12.4; its signature was accepted by the
// official PHP and Python verifiers.
const (
	vectorKey  = "ducat-test-key-0123456789abcdef012345678"
	vectorTime = 1600000000
	vectorBody = `{"amount":1000,"amount_refunded":0,"costs":[],"created":"2020-01-08T10:51:04","currency":"EUR","description":"Tea & biscuits, café/茶","order_id":"my-order-id-1","order_total":10,"status":"completed","transaction_id":123456789}`
	vectorAuth = "MTYwMDAwMDAwMDpmZTFmN2IxZmEwMTE1ZmUxYjhlMGE3YWQ2ZDI3MDQwMTBiZmU3ZDExMGU5NjZkYzE2MjJkYWNhNTI1NjJjMWI5NzFmNDFjN2RjODc2ZDQ3YjJiODM4NzY1MTEzNjBiMDJmZWIzNDA4YmEzMzBjMjE0NTlmYzRhNTQyMGUyMzM3Nw=="
)

func TestVector(t *testing.T) {
	t.Parallel()
	if len(vectorBody) != 229 {
		t.Fatalf("the vector's body has %d bytes", len(vectorBody))
	}
	if got := Header(vectorTime, []byte(vectorBody), vectorKey); got != vectorAuth {
		t.Errorf("header %s\nwant %s", got, vectorAuth)
	}
	if got := Header(vectorTime, []byte(vectorBody), " "+vectorKey+"\n"); got != vectorAuth {
		t.Error("white space around the key is part of it")
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	at := time.Unix(vectorTime, 0)
	other := Header(vectorTime, []byte(vectorBody), vectorKey+"x")
	upper := base64.StdEncoding.EncodeToString([]byte("1600000000:" + strings.ToUpper(sum("1600000000", []byte(vectorBody), vectorKey))))
	for _, c := range []struct {
		name, header, body string
		now                time.Time
		within             time.Duration
		want               error
	}{
		{"fresh", vectorAuth, vectorBody, at.Add(600 * time.Second), 600 * time.Second, nil},
		{"old", vectorAuth, vectorBody, at.Add(601 * time.Second), 600 * time.Second, ErrOld},
		{"age unchecked", vectorAuth, vectorBody, at.AddDate(10, 0, 0), 0, nil},
		{"upper case", upper, vectorBody, at, 0, nil},
		{"another key", other, vectorBody, at, 0, ErrInvalid},
		{"another body", vectorAuth, vectorBody + "\n", at, 0, ErrInvalid},
		{"no base64", "%%%", vectorBody, at, 0, ErrInvalid},
		{"no colon", base64.StdEncoding.EncodeToString([]byte("1600000000")), vectorBody, at, 0, ErrInvalid},
		{"no time", base64.StdEncoding.EncodeToString([]byte("now:abc")), vectorBody, at, 0, ErrInvalid},
		{"empty", "", vectorBody, at, 0, ErrInvalid},
	} {
		if got := Verify(c.header, []byte(c.body), vectorKey, c.now, c.within); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// FuzzVerify looks for a header that is accepted without being what Header
// makes, and for panics.
func FuzzVerify(f *testing.F) {
	f.Add(vectorAuth, []byte(vectorBody))
	f.Add("", []byte{})
	f.Add("MTox", []byte("{}"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		if Verify(header, body, vectorKey, time.Time{}, 0) != nil {
			return
		}
		b, err := base64.StdEncoding.DecodeString(header)
		if err != nil {
			t.Fatal(err)
		}
		ts, sig, _ := strings.Cut(string(b), ":")
		if !strings.EqualFold(sig, sum(ts, body, vectorKey)) {
			t.Fatalf("accepted %q", b)
		}
	})
}
