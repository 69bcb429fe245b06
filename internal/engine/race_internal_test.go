package engine

import (
	"testing"
	"time"
)

// TestQuiet: a merchant that was read before its rules were replaced is not
// taken to have none.
func TestQuiet(t *testing.T) {
	t.Parallel()
	var q quiet
	at := time.UnixMilli(1)
	before := q.now()
	q.note(1, at, before)
	if !q.is(1, at) || q.is(1, at.Add(quietKept)) || q.is(2, at) {
		t.Error("not remembered for its time")
	}
	q.forget(1)
	if q.is(1, at) {
		t.Error("not forgotten")
	}
	if q.note(1, at, before); q.is(1, at) {
		t.Error("an old reading was believed")
	}
	if q.note(1, at, q.now()); !q.is(1, at) {
		t.Error("a new reading was not")
	}
}
