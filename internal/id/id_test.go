package id

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"
)

func seeded() *Source { return NewSource(rand.NewChaCha8([32]byte{1})) }

var shape = regexp.MustCompile(`^src_1[0-9A-Za-z]{23}$`)

func sortOf(t testing.TB, id string) string {
	t.Helper()
	s, ok := Sort(id)
	if !ok || len(s) != SortLen || !strings.HasSuffix(id, s) {
		t.Fatalf("Sort(%q) = %q, %v", id, s, ok)
	}
	return s
}

func TestIDsSortByCreation(t *testing.T) {
	t.Parallel()
	s := seeded()
	at := time.UnixMilli(1789002000000)
	prefixes := []string{"src_", "py_", "evt_"}
	last := ""
	for i := range 5000 {
		if i%7 == 0 { // several ids of one millisecond
			at = at.Add(time.Duration(i%3) * time.Millisecond)
		}
		got := sortOf(t, s.New(prefixes[i%len(prefixes)], at))
		if got <= last {
			t.Fatalf("id %d: %s does not sort after %s", i, got, last)
		}
		last = got
	}
}

func TestShapeAndUniqueness(t *testing.T) {
	t.Parallel()
	s := System()
	at := time.UnixMilli(1789002000000)
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				id := s.New("src_", at)
				mu.Lock()
				if seen[id] {
					t.Errorf("%s was made twice", id)
				}
				seen[id] = true
				mu.Unlock()
				if !shape.MatchString(id) {
					t.Errorf("%s has another shape", id)
				}
			}
		})
	}
	wg.Wait()
}

func TestFloorAgreesWithSort(t *testing.T) {
	t.Parallel()
	s := seeded()
	// The seven characters of time last until 2081.
	millis := rapid.Int64Range(0, 3_500_000_000_000)
	rapid.Check(t, func(rt *rapid.T) {
		a := time.UnixMilli(millis.Draw(rt, "made at"))
		b := time.UnixMilli(rapid.OneOf(millis, rapid.Int64Range(max(a.UnixMilli()-2, 0), a.UnixMilli()+2)).Draw(rt, "floor of"))
		sort, floor := sortOf(t, s.New("x_", a)), Floor(b)
		if before := a.Before(b); (sort < floor) != before {
			rt.Fatalf("made at %d: %s; floor of %d: %s", a.UnixMilli(), sort, b.UnixMilli(), floor)
		}
	})
	if got, want := Floor(time.UnixMilli(-5)), "0000000"; got != want {
		t.Errorf("floor before 1970: %q, want %q", got, want)
	}
	at := time.UnixMilli(1789002000000)
	if Floor(at) != Floor(at.Add(999*time.Microsecond)) {
		t.Error("Floor is finer than a millisecond")
	}
}

func TestForeignIDsAreRefused(t *testing.T) {
	t.Parallel()
	good := seeded().New("src_", time.UnixMilli(1789002000000))
	body := good[len("src_"):]
	for name, id := range map[string]string{
		"Empty":           "",
		"NoPrefix":        body,
		"OnlyUnderscore":  body[1:],
		"NoUnderscore":    "src" + body,
		"TooShort":        good[:len(good)-1],
		"TooLong":         good + "0",
		"OtherFirstDigit": "src_2" + body[1:],
		"NotBase62":       good[:len(good)-1] + "-",
		"NotASCII":        good[:len(good)-2] + "é",
		"Underscore":      "src_1" + body[1:12] + "_" + body[13:],
		"Space":           good + " ",
		"Customer":        "cus_9s6XKzkNRiz8i3",
		"ForeignSource":   "src_16xhynE8WzK49JbAs9M21jaR" + "x",
	} {
		if s, ok := Sort(id); ok {
			t.Errorf("%s: Sort(%q) = %q", name, id, s)
		}
	}
	if _, ok := Sort("a_" + body); !ok {
		t.Error("a short prefix is refused")
	}
}

// TestNumbers: a number says its second in its first ten digits, and sorts among
// other ids by its millisecond and then by its count.
func TestNumbers(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1789002000123)
	if got := Number(at, 7_045); got != "1789002000123045" {
		t.Errorf("number %s", got)
	}
	if got := Number(time.UnixMilli(5), 1); got != "0000000000005001" {
		t.Errorf("number %s", got)
	}
	millis := rapid.Int64Range(0, 3_500_000_000_000)
	rapid.Check(t, func(rt *rapid.T) {
		a := millis.Draw(rt, "made at")
		b := rapid.OneOf(millis, rapid.Int64Range(a, a+1)).Draw(rt, "another at")
		n, m := rapid.Uint64Range(0, 999).Draw(rt, "count"), rapid.Uint64Range(0, 999).Draw(rt, "count of the other")
		x, ok := SortNumber(Number(time.UnixMilli(a), n))
		y, also := SortNumber(Number(time.UnixMilli(b), m))
		if !ok || !also || cmp.Compare(x, y) != cmp.Or(cmp.Compare(a, b), cmp.Compare(n, m)) {
			rt.Fatalf("%d, %d: %q (%v); %d, %d: %q (%v)", a, n, x, ok, b, m, y, also)
		}
		if floor := Floor(time.UnixMilli(b)); (x < floor) != (a < b) {
			rt.Fatalf("made at %d: %s; floor of %d: %s", a, x, b, floor)
		}
	})
	for _, other := range []string{"", "178900200012304", "17890020001230450", "178900200012304x", "-789002000123045", "9999999999999000", seeded().New("x_", at)} {
		if s, ok := SortNumber(other); ok {
			t.Errorf("SortNumber(%q) = %q", other, s)
		}
	}
}

func TestRandom(t *testing.T) {
	t.Parallel()
	s := seeded()
	const n = 62_000
	text := s.Random(n)
	if len(text) != n {
		t.Fatalf("%d characters, want %d", len(text), n)
	}
	count := map[rune]int{}
	for _, c := range text {
		count[c]++
	}
	for _, c := range alphabet {
		// 1000 expected, standard deviation 31: a fixed seed, so no flake.
		if count[c] < 850 || count[c] > 1150 {
			t.Errorf("%c occurs %d times of %d", c, count[c], n)
		}
		delete(count, c)
	}
	if len(count) > 0 {
		t.Errorf("foreign characters: %v", count)
	}
	if s.Random(0) != "" {
		t.Error("no characters asked, some given")
	}
	a, b := seeded(), seeded()
	if a.Random(100) != b.Random(100) {
		t.Error("the same chance gives different characters")
	}
}

func TestBytesThatWouldBiasAreSkipped(t *testing.T) {
	t.Parallel()
	r := slices.Repeat([]byte{255, 248, 247, 0, 61, 62}, 200)
	if got, want := NewSource(strings.NewReader(string(r))).Random(4), "z0z0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFailingChanceIsFatal(t *testing.T) {
	t.Parallel()
	defer func() {
		if v := recover(); v == nil {
			t.Error("an id was made without chance")
		}
	}()
	NewSource(iotest.ErrReader(errors.New("broken"))).New("src_", time.UnixMilli(0))
}
