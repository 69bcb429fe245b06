package multisafepay

import (
	"fmt"
	"testing"
	"time"
)

// TestPace: the more watch, the less often each is looked after, so that a node
// asks its store no more than so often; and there is room for so many.
func TestPace(t *testing.T) {
	t.Parallel()
	w := newWatchers()
	for i := range watchersMax {
		if _, ok := w.enter(fmt.Sprint("session ", i)); !ok {
			t.Fatalf("no room for %d", i)
		}
		if perSecond := float64(w.all) / w.pace().Seconds(); perSecond > looksMax+1 || w.pace() < lookEvery || w.pace() >= stillAfter {
			t.Fatalf("%d watch, each every %v", w.all, w.pace())
		}
	}
	if w.pace() != 8*time.Second {
		t.Errorf("when it is full: %v", w.pace())
	}
	if _, ok := w.enter("one more"); ok {
		t.Error("there is room for one more")
	}
}
