package multisafepay

import (
	"fmt"
	"sync"
	"testing"
)

// TestWatchersOfANode: there is room for so many in all and of one order, also when
// they come together; who leaves makes room, once.
func TestWatchersOfANode(t *testing.T) {
	t.Parallel()
	w := newWatchers()
	var mu sync.Mutex
	var leaves []func()
	refused := 0
	var all sync.WaitGroup
	for i := range watchersMax + 100 {
		all.Go(func() {
			leave, ok := w.enter(fmt.Sprint("session", i))
			mu.Lock()
			defer mu.Unlock()
			if !ok {
				refused++
				return
			}
			leaves = append(leaves, leave)
		})
	}
	all.Wait()
	if len(leaves) != watchersMax || refused != 100 {
		t.Fatalf("%d were let in, %d refused", len(leaves), refused)
	}
	if w.pace() <= lookEvery {
		t.Error("a full node looks as often as an empty one")
	}
	for _, leave := range leaves {
		leave()
	}
	if w.all != 0 || len(w.by) != 0 {
		t.Errorf("%d are still there, of %d orders", w.all, len(w.by))
	}
	for i := range watchersOrderMax + 1 {
		if _, ok := w.enter("one"); ok != (i < watchersOrderMax) {
			t.Errorf("watcher %d of one order: %v", i+1, ok)
		}
	}
}
