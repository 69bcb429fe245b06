package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	base := New(Conflict, "refund_window", "The refund window has passed.")
	for name, c := range map[string]struct {
		err  error
		kind Kind
		code string
	}{
		"Nil":          {nil, Internal, ""},
		"Unclassified": {io.EOF, Internal, ""},
		"Plain":        {base, Conflict, "refund_window"},
		"Wrapped":      {fmt.Errorf("refund re_1: %w", base), Conflict, "refund_window"},
		"WithCause":    {base.Because(io.EOF), Conflict, "refund_window"},
		"Joined":       {errors.Join(io.EOF, base), Conflict, "refund_window"},
		"Outermost":    {New(Invalid, "outer", "").Because(base), Invalid, "outer"},
		"Formatted":    {Newf(Declined, "d", "%d", 1), Declined, "d"},
	} {
		if got := KindOf(c.err); got != c.kind {
			t.Errorf("%s: kind %v, want %v", name, got, c.kind)
		}
		if got := CodeOf(c.err); got != c.code {
			t.Errorf("%s: code %q, want %q", name, got, c.code)
		}
	}
}

func TestBecauseCopies(t *testing.T) {
	t.Parallel()
	base := Newf(Internal, "processing_error", "The %s failed.", "wallet")
	caused := base.Because(io.ErrUnexpectedEOF)
	if !errors.Is(caused, io.ErrUnexpectedEOF) || errors.Is(base, io.ErrUnexpectedEOF) {
		t.Errorf("caused %v, base %v", caused, base)
	}
	if got, want := caused.Error(), "processing_error: The wallet failed.: unexpected EOF"; got != want {
		t.Errorf("for the log: %q, want %q", got, want)
	}
	if got, want := base.Error(), "processing_error: The wallet failed."; got != want {
		t.Errorf("without a cause: %q, want %q", got, want)
	}
	if caused.Message != base.Message {
		t.Errorf("the message for the caller changed to %q", caused.Message)
	}
}

func TestKindNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for k := Internal; k <= Busy; k++ {
		n := k.String()
		if seen[n] || n == fmt.Sprintf("kind(%d)", k) {
			t.Errorf("kind %d is called %q", k, n)
		}
		seen[n] = true
	}
	if got := (Busy + 1).String(); got != "kind(8)" {
		t.Errorf("a kind without a name is called %q", got)
	}
}
