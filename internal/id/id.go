// Package id makes the ids and secrets that appear on the wire. It reads
// chance only from the source it is given.
//
// An object's id is a prefix and 24 base62 characters:
//
//	1 | mmmmmmm | ccc | rrrrrrrrrrrrr
//
// a constant digit, the creation time in milliseconds since 1970, a counter
// that keeps ids of one millisecond in the order they were made, and 77 random
// bits. Ids of one kind therefore sort by creation, whatever their prefix, and
// a time range is an id range: lists need no index of their own. Callers must
// treat ids as opaque, as every provider asks.
package id

import (
	"crypto/rand"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	alphabet  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	timeLen   = 7
	countLen  = 3
	randomLen = 13
	// SortLen is the length of what Sort returns for one of our ids.
	SortLen = timeLen + countLen + randomLen
)

// Source makes ids. It is safe for concurrent use.
type Source struct {
	mu    sync.Mutex
	rand  io.Reader
	buf   [512]byte
	left  int
	count atomic.Uint64
}

// NewSource returns a source that reads chance from r.
func NewSource(r io.Reader) *Source { return &Source{rand: r} }

// System returns a source backed by the operating system's generator.
func System() *Source { return NewSource(rand.Reader) }

// New returns prefix followed by 24 characters that sort by at.
func (s *Source) New(prefix string, at time.Time) string {
	b := make([]byte, 0, len(prefix)+1+SortLen)
	b = append(b, prefix...)
	b = append(b, '1')
	b = appendNumber(b, uint64(at.UnixMilli()), timeLen)
	b = appendNumber(b, s.count.Add(1), countLen)
	return string(s.appendRandom(b, randomLen))
}

// Random returns n random base62 characters, 5.95 bits each.
func (s *Source) Random(n int) string {
	return string(s.appendRandom(make([]byte, 0, n), n))
}

// appendRandom appends n unbiased base62 characters. A failing source of
// chance is fatal: an id or secret made without it must never be used.
func (s *Source) appendRandom(b []byte, n int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n > 0 {
		if s.left == 0 {
			if _, err := io.ReadFull(s.rand, s.buf[:]); err != nil {
				panic("id: source of chance failed: " + err.Error())
			}
			s.left = len(s.buf)
		}
		c := s.buf[len(s.buf)-s.left]
		s.left--
		// 248 = 4 × 62: bytes above would favour the first characters.
		if c >= 248 {
			continue
		}
		b = append(b, alphabet[c%62])
		n--
	}
	return b
}

func appendNumber(b []byte, v uint64, width int) []byte {
	start := len(b)
	for range width {
		b = append(b, '0')
	}
	for i := start + width - 1; i >= start; i-- {
		b[i] = alphabet[v%62]
		v /= 62
	}
	return b
}

// Sort returns the part of one of our ids that orders it among its kind, and
// false if the id is not of our shape.
func Sort(id string) (string, bool) {
	i := len(id) - SortLen - 1
	if i < 1 || id[i] != '1' || id[i-1] != '_' {
		return "", false
	}
	for _, c := range []byte(id[i:]) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", false
		}
	}
	return id[i+1:], true
}

// Numbers are ids too, where a protocol wants them: sixteen digits, of which the
// first thirteen are the time in milliseconds since 1970.
const (
	numberLen  = 16
	numberTail = 3
	tails      = 1000
	timeEnd    = 62 * 62 * 62 * 62 * 62 * 62 * 62 // what timeLen characters cannot say
)

// Number returns an id of digits that sorts by at, its last three are count's. Whoever
// makes more than a thousand in a millisecond meets one that is taken.
func Number(at time.Time, count uint64) string {
	n := strconv.FormatUint(uint64(at.UnixMilli())*tails+count%tails, 10)
	return strings.Repeat("0", max(numberLen-len(n), 0)) + n
}

// SortNumber is Sort of an id that Number made. What others call such a number may
// be something else that happens to look like it.
func SortNumber(id string) (string, bool) {
	if len(id) != numberLen || strings.Trim(id, "0123456789") != "" {
		return "", false
	}
	at, err := strconv.ParseUint(id[:numberLen-numberTail], 10, 64)
	if err != nil || at >= timeEnd {
		return "", false
	}
	b := appendNumber(make([]byte, 0, timeLen+numberTail), at, timeLen)
	return string(append(b, id[numberLen-numberTail:]...)), true
}

// From returns a string that sorts before every id with a prefix that New made at or
// after t and after every one made before it (t is rounded to milliseconds).
func From(prefix string, t time.Time) string { return prefix + "1" + Floor(t) }

// Floor returns a string that sorts before every Sort made at or after t and
// after every one made before it (t is rounded to milliseconds).
func Floor(t time.Time) string {
	ms := max(t.UnixMilli(), 0)
	return string(appendNumber(nil, uint64(ms), timeLen))
}
