package value

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestMajor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor  int64
		digits int
		want   Number
	}{
		{49, 2, "0.49"}, {1000, 2, "10"}, {37485, 2, "374.85"}, {0, 2, "0"}, {5, 2, "0.05"}, {10, 0, "10"}, {1, 3, "0.001"},
		{1050, 2, "10.5"}, {-49, 2, "-0.49"}, {-100, 2, "-1"}, {-9223372036854775808, 2, "-92233720368547758.08"},
	} {
		if got := Major(c.minor, c.digits); got != c.want {
			t.Errorf("Major(%d, %d) = %s, want %s", c.minor, c.digits, got, c.want)
		}
	}
}

// TestEncode is the measured table of reference §12.4: what survives being
// parsed and written again.
func TestEncode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want string
	}{
		{Object{"b": 1, "a": []any{nil, true, Number("10.5")}}, `{"a":[null,true,10.5],"b":1}`},
		{"<b>&/ é 茶 \u2028\u2029 \u007f", "\"<b>&/ é 茶 \u2028\u2029 \u007f\""},
		{"\t\n\r\b\f\"\\", `"\t\n\r\b\f\"\\"`},
		{"\x01\x1f", `"\u0001\u001f"`},
		{"\xff", "\"\ufffd\""},
		{"a\xffé\"\xe8\x8c", "\"a\ufffdé\\\"\ufffd\ufffd\""},
		{[]Object{}, `[]`},
		{[]string{"a"}, `["a"]`},
		{map[string]any{}, `{}`},
		{int64(1741782461000017), `1741782461000017`},
	} {
		if got := string(Encode(c.in)); got != c.want {
			t.Errorf("%v is written %s, want %s", c.in, got, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a float was written")
		}
	}()
	Encode(1.5)
}

func parse(t *testing.T, s string) Value {
	t.Helper()
	v, err := Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "null", "[]", "1", `"a"`, "{", "{}{}", `{"a":}`, "{} x", strings.Repeat(`{"a":`, 30) + "1" + strings.Repeat("}", 30)} {
		if _, err := Parse([]byte(s)); err == nil {
			t.Errorf("%q was read", s)
		}
	}
	parse(t, " {} \n")
}

func TestReading(t *testing.T) {
	t.Parallel()
	v := parse(t, `{"int":1000,"text":"1000","whole":10.0,"part":10.5,"big":9223372036854775808,"huge":1e999999999,"hex":"0x10","under":"1_0","ratio":"1/2",
		"true":true,"one":1,"s1":"1","sTrue":"True","sFalse":"false","zero":0,"empty":"","null":null,"two":2,"obj":{"a":{"b":1}},"list":[1,"x"],"none":[]}`)
	for name, want := range map[string]int64{"int": 1000, "text": 1000, "whole": 10, "one": 1} {
		if got, ok := v.Get(name).Int(); !ok || got != want {
			t.Errorf("%s is %d (%v), want %d", name, got, ok, want)
		}
	}
	for _, name := range []string{"part", "big", "huge", "hex", "under", "ratio", "true", "empty", "null", "absent", "obj", "list"} {
		if got, ok := v.Get(name).Int(); ok {
			t.Errorf("%s was taken for the integer %d", name, got)
		}
	}
	for name, want := range map[string]bool{"true": true, "one": true, "s1": true, "sTrue": true, "sFalse": false, "zero": false, "empty": false, "null": false, "absent": false} {
		if got, ok := v.Get(name).Bool(); !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
		}
	}
	for _, name := range []string{"two", "obj", "list", "text"} {
		if got, ok := v.Get(name).Bool(); ok {
			t.Errorf("%s was taken for %v", name, got)
		}
	}
	if d, ok := v.Get("part").Decimal(); !ok || d.FloatString(1) != "10.5" {
		t.Errorf("part is %v", d)
	}
	for _, name := range []string{"empty", "null", "absent"} {
		if v.Get(name).Present() {
			t.Errorf("%s is present", name)
		}
	}
	if _, ok := v.Get("obj").Text(); ok {
		t.Error("an object was taken for text")
	}
	if o, ok := v.Get("none").Object(); !ok || len(o) != 0 {
		t.Error("an empty array does not stand for an empty object")
	}
	if items, ok := v.Get("list").Items(); !ok || len(items) != 2 {
		t.Error("items of a list")
	}
	if got := v.First("empty", "absent", "text").Echo(); got != "1000" {
		t.Errorf("first present is %v", got)
	}
	if got, want := v.Get("obj").Echo(), map[string]any{"a": map[string]any{"b": "1"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("echo %v, want %v", got, want)
	}
	if got, want := v.Get("list").Echo(), []any{"1", "x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("echo %v, want %v", got, want)
	}
	if got := v.Get("int").Get("deeper"); got.Present() {
		t.Errorf("a number has a member: %v", got)
	}
}

// FuzzParse: whatever is read can be asked anything, and its echo is written
// as JSON that reads back the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"amount":"1000","a":[1,2.5,{"b":null}],"s":"é\u2028\u0001"}`))
	f.Add([]byte(`{"a":1e400}`))
	f.Add([]byte("{\"a\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Parse(b)
		if err != nil {
			return
		}
		o, _ := v.Object()
		for name := range o {
			m := v.Get(name)
			m.Int()
			m.Bool()
			m.Decimal()
			m.Text()
			m.Items()
		}
		out := Encode(v.Echo())
		if !json.Valid(out) {
			t.Fatalf("wrote %q", out)
		}
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("%v: %q", err, out)
		}
		if twice := Encode(again.Echo()); !bytes.Equal(out, twice) {
			t.Fatalf("wrote %q, then %q", out, twice)
		}
	})
}
