package stripe

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestHeaderNames: what sets headers without a look at their names is given
// canonical ones, so that each name is there once.
func TestHeaderNames(t *testing.T) {
	t.Parallel()
	names := slices.Collect(maps.Keys(always))
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bc\.set\("([^"]*)"`).FindAllSubmatch(b, -1) {
			names = append(names, string(m[1]))
		}
	}
	if len(names) < len(always)+10 {
		t.Errorf("found %q only", names)
	}
	for _, n := range names {
		if want := http.CanonicalHeaderKey(n); n != want {
			t.Errorf("%s is written %s", want, n)
		}
	}
}

// TestHeadersAreApart: headers share an array, and none is ever seen in another, not
// even when one is appended to or there are more than there is room for.
func TestHeadersAreApart(t *testing.T) {
	t.Parallel()
	c := &call{header: http.Header{}}
	c.values = c.room[:0]
	want := http.Header{}
	for i := range 2 * valuesMax {
		name := http.CanonicalHeaderKey("x-" + string(rune('a'+i)))
		c.set(name, name)
		c.header.Add(name, "more")
		want[name] = []string{name, "more"}
	}
	if !maps.EqualFunc(c.header, want, slices.Equal) {
		t.Errorf("%v, want %v", c.header, want)
	}
}
