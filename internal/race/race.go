// Package race is the race lab's rules: what is made to go wrong between an
// integration and this server, on purpose and on time. A rule concerns the API
// calls of one world, or the messages to its endpoints; it can be narrowed to an
// object, an endpoint, a type of message, a path. Nothing here is process-wide.
//
// The package judges and matches rules. Who is asked obeys them: a dialect at
// its calls, the deliverer at its messages. docs/race-lab.md is for the reader
// who wants to use them.
package race

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
)

// What a rule is about.
const (
	Call    = "call"    // a request to the API
	Webhook = "webhook" // a message to an endpoint
)

// What happens to a call.
const (
	Fail = "fail" // it answers the rule's error
	Slow = "slow" // its answer comes DelaySeconds of real time later
	Cut  = "cut"  // the connection is cut instead of an answer
)

// When a call fails or is cut.
const (
	Before = "before" // nothing has been done
	After  = "after"  // everything has been done and is on disk
)

// What happens to a message.
const (
	BeforeResponse = "before_response" // it is delivered before the call that caused it is answered
	Late           = "late"            // it leaves DelaySeconds of the world's time later
	Repeat         = "repeat"          // it is delivered Count times, DelaySeconds apart
	Copies         = "copies"          // it is delivered Count times at the same instant
	Together       = "together"        // Count messages are held and leave at the same instant
	Reverse        = "reverse"         // Count messages are held and leave one after the other, the newest first
)

// Rule is one instruction. Times says to how many calls or messages (for
// together and reverse: groups of messages) it applies, 0 to all.
type Rule struct {
	On    string `json:"on"`
	Do    string `json:"do"`
	Times int    `json:"times,omitempty"`

	// Object narrows a rule to calls and messages in which the id occurs.
	Object string `json:"object,omitempty"`
	// Endpoint and Event narrow a rule about messages; Event is a type, or a
	// pattern with *.
	Endpoint string `json:"endpoint,omitempty"`
	Event    string `json:"event,omitempty"`
	// Method and Path narrow a rule about calls; * in Path stands for anything
	// between two slashes.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`

	When         string   `json:"when,omitempty"`
	DelaySeconds float64  `json:"delay_seconds,omitempty"`
	Count        int      `json:"count,omitempty"`
	Error        *Failure `json:"error,omitempty"`

	// Held are the messages that wait for others. It is not for callers to set.
	Held []Held `json:"held,omitempty"`
}

// Failure is the error a call is to answer, in the words of its dialect.
type Failure struct {
	Status  int    `json:"status"`
	Type    string `json:"type,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// Held is a message that waits.
type Held struct {
	Front    string `json:"front"`
	Delivery string `json:"delivery"`
}

// Limits of rules.
const (
	rulesMax = 32
	textMax  = 500
	timesMax = 1_000_000
	countMax = 16
	slowMax  = 60 * time.Second    // of real time; clients give up sooner
	lateMax  = 30 * 24 * time.Hour // of the world's time
)

// Delay is the rule's DelaySeconds.
func (r Rule) Delay() time.Duration { return time.Duration(r.DelaySeconds * float64(time.Second)) }

// Check judges rules as they were sent and fills in what they leave out. The
// error, code bad_race, says what is possible.
func Check(rules []Rule) ([]Rule, error) {
	if len(rules) > rulesMax {
		return nil, bad("At most %d rules can be in force.", rulesMax)
	}
	checked := make([]Rule, len(rules))
	for i, r := range rules {
		var err error
		switch r.On {
		case Call:
			err = r.checkCall()
		case Webhook:
			err = r.checkWebhook()
		default:
			err = bad("on: %q; possible are call and webhook.", r.On)
		}
		if err == nil {
			err = r.checkRest()
		}
		if err != nil {
			return nil, err
		}
		checked[i] = r
	}
	return checked, nil
}

func bad(format string, args ...any) error {
	return fault.Newf(fault.Invalid, "bad_race", format+" See docs/race-lab.md.", args...)
}

func (r *Rule) checkCall() error {
	if r.Endpoint != "" || r.Event != "" {
		return bad("A rule on call cannot have endpoint or event; it can have method, path and object.")
	}
	if r.Count != 0 {
		return bad("count: a call happens once.")
	}
	if r.Do != Fail && r.Do != Slow && r.Do != Cut {
		return bad("do: %q cannot happen to a call; possible are fail, slow and cut.", r.Do)
	}
	if (r.Error != nil) != (r.Do == Fail) {
		return bad(`error: fail needs one, such as {"status": 503}, and nothing else has one.`)
	}
	if r.Error != nil {
		if e := *r.Error; e.Status < 400 || e.Status > 599 {
			return bad("error: status %d is not the status of an error, 400 to 599.", e.Status)
		}
		if len(r.Error.Type) > textMax || len(r.Error.Code) > textMax || len(r.Error.Message) > textMax {
			return bad("error: type, code and message can have up to %d bytes.", textMax)
		}
	}
	switch {
	case r.Do == Slow && r.When != "":
		return bad("when: slow is always after the commit.")
	case r.When != "" && r.When != Before && r.When != After:
		return bad("when: %q; possible are before and after.", r.When)
	case r.When == "" && r.Do == Fail:
		r.When = Before
	case r.When == "" && r.Do == Cut:
		r.When = After
	}
	if r.Do == Slow {
		return r.checkDelay(slowMax)
	}
	return r.noDelay()
}

func (r *Rule) checkWebhook() error {
	if r.Method != "" || r.Path != "" || r.When != "" || r.Error != nil {
		return bad("A rule on webhook cannot have method, path, when or error; it can have endpoint, event and object.")
	}
	switch r.Do {
	case BeforeResponse, Late:
		if r.Count != 0 {
			return bad("count: %s concerns one message.", r.Do)
		}
	case Repeat, Copies, Together, Reverse:
		if r.Count == 0 {
			r.Count = 2
		}
		if r.Count < 2 || r.Count > countMax {
			return bad("count must be 2 to %d.", countMax)
		}
	default:
		return bad("do: %q cannot happen to a webhook; possible are before_response, late, repeat, copies, together and reverse.", r.Do)
	}
	if r.Do == Repeat && r.DelaySeconds == 0 {
		r.DelaySeconds = 1
	}
	if r.Do == Late || r.Do == Repeat {
		return r.checkDelay(lateMax)
	}
	return r.noDelay()
}

func (r *Rule) checkDelay(most time.Duration) error {
	if r.DelaySeconds <= 0 || r.DelaySeconds > most.Seconds() {
		return bad("delay_seconds: %s takes more than 0 and at most %d.", r.Do, int(most.Seconds()))
	}
	return nil
}

func (r *Rule) noDelay() error {
	if r.DelaySeconds != 0 {
		return bad("delay_seconds: %s does not take any.", r.Do)
	}
	return nil
}

func (r *Rule) checkRest() error {
	if len(r.Held) > 0 {
		return bad("held cannot be set.")
	}
	if r.Times < 0 || r.Times > timesMax {
		return bad("times must be 0, for always, to %d.", timesMax)
	}
	for _, f := range [][2]string{{"object", r.Object}, {"endpoint", r.Endpoint}, {"event", r.Event}, {"method", r.Method}, {"path", r.Path}} {
		if name, s := f[0], f[1]; len(s) > textMax || strings.ContainsRune(s, 0) {
			return bad("%s can have up to %d bytes, none of them zero.", name, textMax)
		}
	}
	for _, f := range [][2]string{{"path", r.Path}, {"event", r.Event}} {
		if _, err := path.Match(f[1], ""); err != nil {
			return bad("%s: %q is not a pattern; * stands for anything.", f[0], f[1])
		}
	}
	if r.Path != "" && !strings.HasPrefix(r.Path, "/") {
		return bad("path: %q does not begin with a slash.", r.Path)
	}
	if !slices.Contains([]string{"", "GET", "POST", "DELETE"}, r.Method) {
		return bad("method: %q; possible are GET, POST and DELETE.", r.Method)
	}
	return nil
}

// Request is an API call that rules are asked about.
type Request struct {
	Method, Path string
	Parameters   func() string // as text in which ids can be found
}

// Concerns reports whether a rule about calls applies to one.
func (r Rule) Concerns(q Request) bool {
	return r.On == Call && (r.Method == "" || r.Method == q.Method) && matches(r.Path, q.Path) &&
		(r.Object == "" || slices.Contains(strings.Split(q.Path, "/"), r.Object) || strings.Contains(q.Parameters(), r.Object))
}

// Message is a message that rules are asked about.
type Message struct {
	Event, Endpoint string
	Body            []byte
}

// Affects reports whether a rule about messages applies to one.
func (r Rule) Affects(m Message) bool {
	return r.On == Webhook && (r.Endpoint == "" || r.Endpoint == m.Endpoint) && matches(r.Event, m.Event) &&
		(r.Object == "" || strings.Contains(string(m.Body), `"`+r.Object+`"`))
}

func matches(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}

// Used returns the rules after the i-th has applied once.
func Used(rules []Rule, i int) []Rule {
	left := slices.Clone(rules)
	if left[i].Times == 0 {
		return left
	}
	if left[i].Times--; left[i].Times == 0 {
		return slices.Delete(left, i, i+1)
	}
	return left
}

// Decode reads rules as Encode wrote them.
func Decode(s string) ([]Rule, error) {
	rules := []Rule{}
	if s == "" {
		return rules, nil
	}
	if err := json.Unmarshal([]byte(s), &rules); err != nil {
		return nil, fmt.Errorf("stored rules of the race lab: %w", err)
	}
	return rules, nil
}

// Encode writes rules; none are the empty text.
func Encode(rules []Rule) (string, error) {
	if len(rules) == 0 {
		return "", nil
	}
	b, err := json.Marshal(rules)
	return string(b), err
}
