package payment

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ducatpay/ducat/internal/golden"
)

// TestTransitions enumerates every state and event. One loop writes the golden
// table and the page for people, so neither can differ from the machine.
func TestTransitions(t *testing.T) {
	t.Parallel()
	var list, diagram, table bytes.Buffer
	fmt.Fprintf(&diagram, "    [*] --> %s\n", States[0])
	table.WriteString("| state |")
	for _, e := range Events {
		fmt.Fprintf(&table, " %s |", e)
	}
	table.WriteString("\n|---|")
	for range Events {
		table.WriteString("---|")
	}
	table.WriteByte('\n')
	for _, s := range States {
		fmt.Fprintf(&table, "| %s |", s)
		exits := 0
		for _, e := range Events {
			to, ok := Next(s, e)
			if !ok {
				fmt.Fprintf(&list, "%s + %s: refused\n", s, e)
				table.WriteString(" |")
				continue
			}
			exits++
			fmt.Fprintf(&list, "%s + %s: %s\n", s, e, to)
			fmt.Fprintf(&diagram, "    %s --> %s: %s\n", s, to, e)
			fmt.Fprintf(&table, " %s |", to)
		}
		table.WriteByte('\n')
		if exits == 0 {
			fmt.Fprintf(&diagram, "    %s --> [*]\n", s)
		}
	}
	page := fmt.Sprintf(`<!-- Written by go test ./internal/payment -update; the same test checks that it is current. -->
# States of a payment attempt

An attempt is one try to get the payer's authorisation for a payment. Its whole machine is `+"`payment.Next`"+`; partial
captures and refunds are sums over the ledger, not states. A state without exits is final.

`+"```mermaid\nstateDiagram-v2\n%s```"+`

Each cell is the state that the event leads to; where it is empty, the event is refused and nothing changes.

%s`, diagram.String(), table.String())

	golden.Check(t, filepath.Join("testdata", "transitions.golden"), list.Bytes())
	golden.Check(t, filepath.Join("..", "..", "docs", "states", "attempt.md"), []byte(page))
}

// TestNothingBeyondTheLists walks the whole range of both types: what is not
// listed, the zero values first of all, leads nowhere.
func TestNothingBeyondTheLists(t *testing.T) {
	t.Parallel()
	states, events := map[State]bool{}, map[Event]bool{}
	for _, s := range States {
		states[s] = true
	}
	for _, e := range Events {
		events[e] = true
	}
	if states[0] || events[0] {
		t.Fatal("a zero value is listed")
	}
	for s := range 256 {
		for e := range 256 {
			to, ok := Next(State(s), Event(e))
			switch {
			case ok && (!states[State(s)] || !events[Event(e)]):
				t.Errorf("state %d accepts event %d", s, e)
			case ok && !states[to], !ok && to != 0:
				t.Errorf("state %d and event %d lead to %d, %v", s, e, to, ok)
			case ok && to <= State(s):
				t.Errorf("%v leads back from %v to %v", Event(e), State(s), to)
			}
		}
	}
}

func TestTerminalStatesHaveNoExits(t *testing.T) {
	t.Parallel()
	for _, s := range States {
		exits := 0
		for _, e := range Events {
			if _, ok := Next(s, e); ok {
				exits++
			}
		}
		if (exits > 0) != s.Waiting() {
			t.Errorf("%v has %d exits; waiting: %v", s, exits, s.Waiting())
		}
	}
}

func TestStateNames(t *testing.T) {
	t.Parallel()
	for _, s := range States {
		if got, ok := ParseState(s.String()); !ok || got != s {
			t.Errorf("%v is read back as %v, %v", s, got, ok)
		}
	}
	for _, name := range []string{"", "state(0)", "Captured", "paid"} {
		if s, ok := ParseState(name); ok {
			t.Errorf("ParseState(%q) = %v", name, s)
		}
	}
	if got := State(0).String(); got != "state(0)" {
		t.Errorf("the zero state is called %q", got)
	}
}
