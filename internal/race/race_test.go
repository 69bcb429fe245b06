package race

import (
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
)

func TestConcerns(t *testing.T) {
	t.Parallel()
	q := Request{Method: "POST", Path: "/v1/refunds/re_1", Parameters: func() string { return "charge=py_1&amount=3" }}
	for _, c := range []struct {
		rule Rule
		want bool
	}{
		{Rule{On: Call}, true},
		{Rule{On: Webhook}, false},
		{Rule{On: Call, Method: "POST"}, true},
		{Rule{On: Call, Method: "GET"}, false},
		{Rule{On: Call, Path: "/v1/refunds/re_1"}, true},
		{Rule{On: Call, Path: "/v1/*/re_1"}, true},
		{Rule{On: Call, Path: "/v1/*"}, false}, // * is between two slashes
		{Rule{On: Call, Object: "re_1"}, true},
		{Rule{On: Call, Object: "py_1"}, true},
		{Rule{On: Call, Object: "re_"}, false},
		{Rule{On: Call, Object: "py_2"}, false},
	} {
		if got := c.rule.Concerns(q); got != c.want {
			t.Errorf("%+v: %v, want %v", c.rule, got, c.want)
		}
	}
}

func TestAffects(t *testing.T) {
	t.Parallel()
	m := Message{Event: "charge.refunded", Endpoint: "we_1", Body: []byte(`{"source": "src_1"}`)}
	for _, c := range []struct {
		rule Rule
		want bool
	}{
		{Rule{On: Webhook}, true},
		{Rule{On: Call}, false},
		{Rule{On: Webhook, Event: "charge.*"}, true},
		{Rule{On: Webhook, Event: "charge"}, false},
		{Rule{On: Webhook, Endpoint: "we_1"}, true},
		{Rule{On: Webhook, Endpoint: "we_2"}, false},
		{Rule{On: Webhook, Object: "src_1"}, true},
		{Rule{On: Webhook, Object: "src_"}, false}, // ids are whole
	} {
		if got := c.rule.Affects(m); got != c.want {
			t.Errorf("%+v: %v, want %v", c.rule, got, c.want)
		}
	}
}

func TestCheckFillsIn(t *testing.T) {
	t.Parallel()
	got, err := Check([]Rule{
		{On: Call, Do: Fail, Error: &Failure{Status: 500}},
		{On: Call, Do: Cut},
		{On: Webhook, Do: Repeat},
		{On: Webhook, Do: Late, DelaySeconds: 0.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].When != Before || got[1].When != After || got[2].Count != 2 || got[2].Delay() != time.Second || got[3].Delay() != time.Second/2 {
		t.Errorf("%+v", got)
	}
	_, err = Check([]Rule{{On: Call, Do: "twice"}})
	if fault.CodeOf(err) != "bad_race" || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "fail, slow and cut") {
		t.Errorf("%v does not say what is possible", err)
	}
}

func TestUsed(t *testing.T) {
	t.Parallel()
	rules := []Rule{{Do: "a"}, {Do: "b", Times: 2}, {Do: "c", Times: 1}}
	if got := Used(rules, 0); len(got) != 3 || got[0].Times != 0 {
		t.Errorf("always: %+v", got)
	}
	if got := Used(rules, 1); len(got) != 3 || got[1].Times != 1 || rules[1].Times != 2 {
		t.Errorf("once of twice: %+v, and before %+v", got, rules)
	}
	if got := Used(rules, 2); len(got) != 2 || got[1].Do != "b" {
		t.Errorf("used up: %+v", got)
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	if s, err := Encode(nil); s != "" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	s, err := Encode([]Rule{{On: Webhook, Do: Together, Count: 3, Held: []Held{{"f", "d"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(s); err != nil || len(got) != 1 || got[0].Held[0] != (Held{"f", "d"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Decode(""); err != nil || got == nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Decode("{"); err == nil {
		t.Error("nonsense was read")
	}
}
