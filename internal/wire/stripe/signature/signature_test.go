package signature

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// The vector that the Node and Python SDKs accept.
const (
	vectorSecret = "whsec_test"
	vectorTime   = int64(1700000000)
	vectorBody   = `{"id":"evt_1"}`
	vectorSum    = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"
	vectorHeader = "t=1700000000,v1=" + vectorSum
)

const tolerance = 5 * time.Minute

var vectorNow = time.Unix(vectorTime, 0)

func TestHeader(t *testing.T) {
	t.Parallel()

	t.Run("Vector", func(t *testing.T) {
		t.Parallel()
		if got := Header(vectorTime, []byte(vectorBody), vectorSecret); got != vectorHeader {
			t.Errorf("Header = %s, want %s", got, vectorHeader)
		}
	})

	t.Run("OneSignaturePerSecret", func(t *testing.T) {
		t.Parallel()
		got := Header(vectorTime, []byte(vectorBody), "whsec_new", vectorSecret)
		if !strings.HasSuffix(got, ",v1="+vectorSum) || strings.Count(got, ",v1=") != 2 {
			t.Errorf("Header = %s, want two v1, the last of them %s", got, vectorSum)
		}
		for _, secret := range []string{"whsec_new", vectorSecret} {
			if err := Verify(got, []byte(vectorBody), secret, tolerance, vectorNow); err != nil {
				t.Errorf("Verify with %s: %v", secret, err)
			}
		}
	})

	t.Run("Decoy", func(t *testing.T) {
		t.Parallel()
		got := Decoy(vectorHeader, vectorTime, []byte(vectorBody))
		if !strings.HasPrefix(got, vectorHeader+",v0=") || strings.Contains(got, "v0="+vectorSum) {
			t.Errorf("Decoy = %s", got)
		}
		if err := Verify(got, []byte(vectorBody), vectorSecret, tolerance, vectorNow); err != nil {
			t.Errorf("Verify: %v", err)
		}
	})

	t.Run("RefusesToSignWithNothing", func(t *testing.T) {
		t.Parallel()
		for name, call := range map[string]func(){
			"no secret":    func() { Header(1, nil) },
			"empty secret": func() { Header(1, nil, "whsec_a", "") },
			"negative t":   func() { Header(-1, nil, "whsec_a") },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: Header did not panic", name)
					}
				}()
				call()
			}()
		}
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("0", len(vectorSum))
	cases := []struct {
		name, header, body, secret string
		offset                     time.Duration // of now from the timestamp
		want                       error
	}{
		{"Vector", vectorHeader, vectorBody, vectorSecret, 0, nil},
		{"SecondOfTwo", "t=1700000000,v1=" + other + ",v1=" + vectorSum, vectorBody, vectorSecret, 0, nil},
		{"FirstOfTwo", "t=1700000000,v1=" + vectorSum + ",v1=" + other, vectorBody, vectorSecret, 0, nil},
		{"OtherSchemes", vectorHeader + ",v0=zz,v2=", vectorBody, vectorSecret, 0, nil},
		{"AnyOrder", "v1=" + vectorSum + ",t=1700000000", vectorBody, vectorSecret, 0, nil},
		{"OldAtTheLimit", vectorHeader, vectorBody, vectorSecret, tolerance, nil},
		{"EarlyAtTheLimit", vectorHeader, vectorBody, vectorSecret, -tolerance, nil},

		{"TooOld", vectorHeader, vectorBody, vectorSecret, tolerance + time.Second, ErrTimestamp},
		{"TooEarly", vectorHeader, vectorBody, vectorSecret, -tolerance - time.Second, ErrTimestamp},
		{"WrongSecret", vectorHeader, vectorBody, "whsec_other", 0, ErrMismatch},
		{"SecretWithoutPrefix", vectorHeader, vectorBody, "test", 0, ErrMismatch},
		{"EmptySecret", Header(vectorTime, []byte(vectorBody), "x"), vectorBody, "", 0, ErrMismatch},
		{"BodyChanged", vectorHeader, vectorBody + "\n", vectorSecret, 0, ErrMismatch},
		{"TimeChanged", "t=1700000001,v1=" + vectorSum, vectorBody, vectorSecret, 0, ErrMismatch},
		{"OnlyV0", "t=1700000000,v0=" + vectorSum, vectorBody, vectorSecret, 0, ErrMalformed},

		{"Empty", "", vectorBody, vectorSecret, 0, ErrMalformed},
		{"NoTimestamp", "v1=" + vectorSum, vectorBody, vectorSecret, 0, ErrMalformed},
		{"TwoTimestamps", "t=1700000000," + vectorHeader, vectorBody, vectorSecret, 0, ErrMalformed},
		{"NoSignature", "t=1700000000", vectorBody, vectorSecret, 0, ErrMalformed},
		{"Space", "t=1700000000, v1=" + vectorSum, vectorBody, vectorSecret, 0, ErrMalformed},
		{"TwoEquals", vectorHeader + "=", vectorBody, vectorSecret, 0, ErrMalformed},
		{"NoEquals", vectorHeader + ",x", vectorBody, vectorSecret, 0, ErrMalformed},
		{"NoScheme", vectorHeader + ",=x", vectorBody, vectorSecret, 0, ErrMalformed},
		{"TrailingComma", vectorHeader + ",", vectorBody, vectorSecret, 0, ErrMalformed},
		{"UpperCase", "t=1700000000,v1=" + strings.ToUpper(vectorSum), vectorBody, vectorSecret, 0, ErrMalformed},
		{"Short", vectorHeader[:len(vectorHeader)-1], vectorBody, vectorSecret, 0, ErrMalformed},
		{"Long", vectorHeader + "0", vectorBody, vectorSecret, 0, ErrMalformed},
		{"NotHex", "t=1700000000,v1=z" + vectorSum[1:], vectorBody, vectorSecret, 0, ErrMalformed},
		{"OneBadAmongGood", vectorHeader + ",v1=abc", vectorBody, vectorSecret, 0, ErrMalformed},
		{"SignedTimestamp", "t=+1700000000,v1=" + vectorSum, vectorBody, vectorSecret, 0, ErrMalformed},
		{"NegativeTimestamp", "t=-1,v1=" + vectorSum, vectorBody, vectorSecret, 0, ErrMalformed},
		{"LeadingZero", "t=01700000000,v1=" + vectorSum, vectorBody, vectorSecret, 0, ErrMalformed},
		{"EmptyTimestamp", "t=,v1=" + vectorSum, vectorBody, vectorSecret, 0, ErrMalformed},
		{"HugeTimestamp", "t=1700000000000000,v1=" + vectorSum, vectorBody, vectorSecret, 0, ErrMalformed},
		{"TooLong", vectorHeader + strings.Repeat(",v0=x", HeaderLenMax/5), vectorBody, vectorSecret, 0, ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := Verify(c.header, []byte(c.body), c.secret, tolerance, vectorNow.Add(c.offset))
			if !errors.Is(err, c.want) {
				t.Errorf("Verify(%.80s) = %v, want %v", c.header, err, c.want)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	cases := []struct {
		t, now    int64
		tolerance time.Duration
		want      bool
	}{
		{10, 10, 0, true},
		{10, 11, 0, false},
		{10, 11, 999 * time.Millisecond, false},
		{10, 11, time.Second, true},
		{11, 10, time.Second, true},
		{10, 10, -1, false},
		{math.MaxInt64, math.MinInt64, math.MaxInt64, false},
		{math.MinInt64, math.MaxInt64, math.MaxInt64, false},
	}
	for _, c := range cases {
		if got := within(c.t, c.now, c.tolerance); got != c.want {
			t.Errorf("within(%d, %d, %v) = %v, want %v", c.t, c.now, c.tolerance, got, c.want)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, seed := range []string{
		"", vectorHeader, vectorHeader + ",v0=abc", vectorHeader + ",v1=" + vectorSum, "t=0,v1=", "t=1", "v1=" + vectorSum,
		"t=01,v1=" + vectorSum, "t=1=2", ",", "=", "t=1, v1=" + vectorSum,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		p, err := parse(header)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("parse(%q): %v, want ErrMalformed", header, err)
			}
			if err := Verify(header, []byte(vectorBody), vectorSecret, tolerance, vectorNow); !errors.Is(err, ErrMalformed) {
				t.Fatalf("Verify(%q) = %v, want ErrMalformed", header, err)
			}
			return
		}
		// What was understood, written again, is understood the same way, and
		// each of its elements was in the header letter for letter.
		again := fmt.Sprintf("t=%d", p.t)
		for _, v1 := range p.v1 {
			again += ",v1=" + hex.EncodeToString(v1[:])
		}
		for element := range strings.SplitSeq(again, ",") {
			if !strings.Contains(","+header+",", ","+element+",") {
				t.Fatalf("parse(%q) found %q, which is not there", header, element)
			}
		}
		q, err := parse(again)
		if err != nil || q.t != p.t || len(q.v1) != len(p.v1) {
			t.Fatalf("parse(%q) = %v, %v; want %v", again, q, err, p)
		}
		// Nothing verifies that we did not sign.
		err = Verify(header, []byte("never signed"), vectorSecret, tolerance, time.Unix(p.t, 0))
		if !errors.Is(err, ErrMismatch) {
			t.Fatalf("Verify(%q) of another body = %v, want ErrMismatch", header, err)
		}
	})
}
