package agreement

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ducatpay/ducat/internal/golden"
)

// TestTransitions enumerates every state and event; the same loop draws the
// diagram.
func TestTransitions(t *testing.T) {
	var table, diagram bytes.Buffer
	diagram.WriteString("    [*] --> requested\n")
	for _, s := range States {
		exits := 0
		for _, e := range Events {
			to, ok := Next(s, e)
			if !ok {
				fmt.Fprintf(&table, "%s + %s: refused\n", s, e)
				continue
			}
			exits++
			fmt.Fprintf(&table, "%s + %s: %s\n", s, e, to)
			fmt.Fprintf(&diagram, "    %s --> %s: %s\n", s, to, e)
		}
		if exits == 0 {
			fmt.Fprintf(&diagram, "    %s --> [*]\n", s)
		}
		if (exits > 0) != s.Live() {
			t.Errorf("%v has %d exits; live: %v", s, exits, s.Live())
		}
	}
	page := fmt.Sprintf(`<!-- Written by go test ./internal/agreement -update; the same test checks that it is current. -->
# States of an agreement

An agreement is a payer's standing authorisation to be debited. Its whole machine is `+"`agreement.Next`"+`. A state without
exits is final; an event that is not drawn is refused and changes nothing.

`+"```mermaid\nstateDiagram-v2\n%s```\n", diagram.String())
	golden.Check(t, filepath.Join("testdata", "transitions.golden"), table.Bytes())
	golden.Check(t, filepath.Join("..", "..", "docs", "states", "agreement.md"), []byte(page))
}

func TestNothingBeyondTheLists(t *testing.T) {
	t.Parallel()
	for s := range 256 {
		for e := range 256 {
			to, ok := Next(State(s), Event(e))
			known := s >= 1 && s <= len(States) && e >= 1 && e <= len(Events)
			switch {
			case ok && !known:
				t.Errorf("state %d accepts event %d", s, e)
			case !ok && to != 0:
				t.Errorf("state %d refuses event %d but leads to %d", s, e, to)
			case ok && to <= State(s) && Event(e) != Renewed:
				t.Errorf("%v leads back from %v to %v", Event(e), State(s), to)
			}
		}
	}
	for _, s := range States {
		if got, ok := ParseState(s.String()); !ok || got != s {
			t.Errorf("%v is read back as %v", s, got)
		}
	}
	for _, name := range []string{"", "Active", "state(0)"} {
		if s, ok := ParseState(name); ok {
			t.Errorf("ParseState(%q) = %v", name, s)
		}
	}
}
