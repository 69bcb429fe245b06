package sqlite

import "encoding/binary"

// SQLite writes a commit to its log page by page, each in two pieces: a head of 24
// bytes and the page. Under load that is some forty calls of the system for a group,
// a third of what the commit takes. frames gathers the pieces and writes them all at
// once when the last one comes, so that the commit fails if that fails, as it does
// without. Nobody misses them before: other connections look at a frame when its
// commit is announced in the log's index, after the last write; this connection's own
// reads come by here as well.
//
// The format is SQLite's file format, "The Write-Ahead Log": the head of a commit's
// last frame says how many pages the database has, those of others say 0.
//
// One head comes without its page. A transaction that was too large for the cache, and
// has changed a page that was in the log already, ends with new checksums for its
// frames (walRewriteChecksums): each is read, and then its head is written anew.
const (
	frameHead   = 24
	gatheredMax = 1 << 20 // a transaction that is larger than this is written in parts
)

// frames is what one open log has gathered. SQLite uses a file in one goroutine at a
// time.
type frames struct {
	at     int64  // where it belongs
	data   []byte // whole frames, and a head at the end if its page is to come
	open   bool   // it is to come
	commit bool   // that frame is the last of a commit
	failed bool   // it came and could not be written
	read   int64  // where a read began if nothing has happened since, or 0
	write  func(b []byte, at int64) (n int64, failed bool)
}

// end is where the next piece belongs.
func (f *frames) end() int64 { return f.at + int64(len(f.data)) }

// put takes a piece, and reports whether it did: others are the caller's to write. It
// fails if the piece is the last of a commit and they cannot be written; putting it
// once more tries again.
func (f *frames) put(piece []byte, at int64) (taken, failed bool) {
	again := at == f.read
	f.read = 0
	if f.failed && at != f.end() {
		f.giveUp()
	}
	f.failed = false
	switch {
	case f.open && at == f.end():
		return true, f.page(piece)
	case f.open || len(piece) != frameHead || again:
		return false, f.flush()
	case len(f.data) > 0 && at != f.end():
		if f.flush() {
			return false, true
		}
	}
	if len(f.data) == 0 {
		f.at = at
	}
	f.data = append(f.data, piece...)
	f.open, f.commit = true, binary.BigEndian.Uint32(piece[4:]) != 0
	return true, false
}

// page takes the page of the last head, which may be the last of all.
func (f *frames) page(b []byte) (failed bool) {
	f.data, f.open = append(f.data, b...), false
	if (f.commit || len(f.data) >= gatheredMax) && f.flush() {
		f.data = f.data[:len(f.data)-len(b)]
		f.open, f.failed = true, true
	}
	return f.failed
}

// giveUp forgets a transaction of which a page could not be written.
func (f *frames) giveUp() { f.data, f.open, f.failed = f.data[:0], false, false }

// reading writes what was gathered, since the read that follows may be of it.
func (f *frames) reading(at int64) (failed bool) {
	if f.failed {
		f.giveUp()
	}
	f.read = at
	return f.flush()
}

// flush writes what was gathered. After a failure it is still there.
func (f *frames) flush() (failed bool) {
	for done := 0; done < len(f.data); {
		n, failed := f.write(f.data[done:], f.at+int64(done))
		if failed || n == 0 {
			return true
		}
		done += int(n)
	}
	f.data, f.open = f.data[:0], false
	return false
}
