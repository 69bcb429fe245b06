package pack

import (
	"bytes"
	"strings"
	"testing"
)

const typical = `{"id":"obj_1","object":"thing","amount":1099,"currency":"eur","description":null,"metadata":{},"payment":null,"reason":null,"status":"succeeded","transfer_data":null,"transfer_group":null}`

func TestPack(t *testing.T) {
	d := New(1, []byte(typical))
	like := []byte(strings.Replace(typical, "1099", "52", 1))
	packed := d.Pack(like)
	if len(packed)*4 > len(like) {
		t.Errorf("%d bytes became %d", len(like), len(packed))
	}
	for name, text := range map[string][]byte{
		"like it": like, "itself": []byte(typical), "long": bytes.Repeat(like, 1000), "short": []byte("{}"), "empty": nil,
		"unlike it": []byte("\x09" + strings.Repeat("ÿ0aB\x00", 99)),
	} {
		got, err := d.Unpack(d.Pack(text))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	d := New(1, []byte(typical))
	packed := d.Pack([]byte(typical))
	for name, b := range map[string][]byte{
		"another's": New(2, []byte(typical)).Pack([]byte(typical)),
		"cut off":   packed[:len(packed)-1],
		"no length": packed[:1],
		"too long":  {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0},
	} {
		if got, err := d.Unpack(b); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestDamage: every bit that is wrong, and every end that is missing, becomes an
// error or another text, at most as long as texts may be.
func TestDamage(t *testing.T) {
	d := New(1, []byte(typical))
	packed := d.Pack(bytes.Repeat([]byte(strings.Replace(typical, "1099", "52", 1)), 3))
	for at := range packed {
		if got, err := d.Unpack(packed[:at]); err == nil && at > 0 {
			t.Errorf("cut at %d: %q", at, got)
		}
		for bit := range 8 {
			b := bytes.Clone(packed)
			b[at] ^= 1 << bit
			if got, err := d.Unpack(b); err == nil && len(got) > textMax {
				t.Errorf("bit %d of byte %d: %d bytes", bit, at, len(got))
			}
		}
	}
}

func FuzzUnpack(f *testing.F) {
	d := New(1, []byte(typical))
	f.Add(d.Pack([]byte(typical)))
	f.Add([]byte{1, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := d.Unpack(b)
		if err != nil {
			return
		}
		if again, err := d.Unpack(d.Pack(text)); len(text) > 0 && text[0] > 8 && (err != nil || !bytes.Equal(again, text)) {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	d := New(1, []byte(typical))
	like := []byte(strings.Replace(typical, "1099", "52", 1))
	b.SetBytes(int64(len(like)))
	for b.Loop() {
		d.Pack(like)
	}
}
