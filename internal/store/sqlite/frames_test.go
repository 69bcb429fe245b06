package sqlite

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// diskFile is a file of which writes can be made to fail.
type diskFile struct {
	content []byte
	writes  int
	fail    int // so many of the next writes
	short   bool
}

func (f *diskFile) write(b []byte, at int64) (n int64, failed bool) {
	f.writes++
	if f.fail > 0 {
		f.fail--
		return -1, true
	}
	if f.short && len(b) > 1 {
		b = b[:len(b)/2]
	}
	if end := int(at) + len(b); end > len(f.content) {
		f.content = append(f.content, make([]byte, end-len(f.content))...)
	}
	copy(f.content[at:], b)
	return int64(len(b)), false
}

// TestFrames drives commits, spilled and undone transactions, other writes and reads,
// some of which fail, into a log with and without gathering. What was committed is the
// same in both, always; and whatever is read is.
func TestFrames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const page = 64
		var plain diskFile
		disk := diskFile{short: rapid.Bool().Draw(t, "short")}
		f := frames{write: disk.write}
		next := byte(0)
		piece := func(n int) []byte {
			next++
			return bytes.Repeat([]byte{next}, n)
		}
		// both makes a write, and reports whether the gathered one was accepted.
		both := func(b []byte, at int64) bool {
			plain.write(b, at)
			taken, failed := f.put(b, at)
			if !taken && !failed {
				for done := 0; done < len(b); {
					n, bad := disk.write(b[done:], at+int64(done))
					if bad {
						return false
					}
					done += int(n)
				}
			}
			return !failed
		}
		committed, live := int64(32), int64(32) // live ends what the transaction under way may read
		both(piece(32), 0)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			disk.fail = rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "failures")
			switch rapid.SampledFrom([]string{"frames", "frames", "frames", "read", "restart"}).Draw(t, "step") {
			case "frames":
				at, ok, commits := live, true, rapid.Bool().Draw(t, "commits")
				if rapid.Bool().Draw(t, "undone") {
					at = committed
				}
				first := at
				n := rapid.IntRange(1, 5).Draw(t, "frames")
				for i := 0; i < n && ok; i++ {
					head := piece(frameHead)
					binary.BigEndian.PutUint32(head[4:], 0)
					if commits && i == n-1 {
						binary.BigEndian.PutUint32(head[4:], 7)
					}
					ok = both(head, at) && both(piece(page), at+frameHead)
					at += frameHead + page
				}
				if ok && commits && rapid.Bool().Draw(t, "checksums") {
					for p := first; p < at && ok; p += frameHead + page {
						ok = !f.reading(p) && both(piece(frameHead), p)
					}
				}
				switch {
				case !ok:
					live = committed
				case commits:
					committed, live = at, at
				default:
					live = at
				}
			case "read":
				if f.reading(32) {
					live = committed
				} else if !bytes.Equal(disk.content[32:live], plain.content[32:live]) {
					t.Fatalf("a read sees\n%x, want\n%x", disk.content[32:live], plain.content[32:live])
				}
			case "restart": // the log starts anew
				if both(piece(32), 0) {
					committed, live = 32, 32
				}
			}
			if int64(len(disk.content)) < committed || !bytes.Equal(disk.content[32:committed], plain.content[32:committed]) {
				t.Fatalf("of %d committed bytes the file has\n%x, want\n%x", committed, disk.content, plain.content[:committed])
			}
		}
	})
}

// TestFramesAreWrittenAtOnce commits many pages and counts the writes.
func TestFramesAreWrittenAtOnce(t *testing.T) {
	t.Parallel()
	var disk diskFile
	f := frames{write: disk.write}
	at := int64(32)
	for i := range 40 {
		head := make([]byte, frameHead)
		if i == 39 {
			head[7] = 1
		}
		f.put(head, at)
		f.put(make([]byte, 4096), at+frameHead)
		at += frameHead + 4096
	}
	if disk.writes != 1 || int64(len(disk.content)) != at || len(f.data) != 0 {
		t.Errorf("%d writes of %d bytes, %d kept back", disk.writes, len(disk.content), len(f.data))
	}
}
