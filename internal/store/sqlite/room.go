package sqlite

import "os"

// roomBytes is how much room is made in the log at a time.
const roomBytes = 1 << 20

// room keeps the log's file ahead of what is written to it. A sync of a file that
// has grown waits for the file system's journal as well; one of a file that has
// not takes less than half as long.
//
// The room is zeros behind the last frame. To SQLite they are no frames, since
// their salt is not the log's: recovery stops there, as at what is left of an
// earlier log. Later frames are written over them.
type room struct {
	log   *os.File
	zeros []byte
	end   int64 // of the file when it was last looked at
}

// make makes room if the log has reached its end. The caller is in a write
// transaction that has written nothing yet, so that nobody, in no process, is
// writing to the log. Making room is a courtesy to the disk: where it fails the
// commit will, or will not.
func (r *room) make() {
	info, err := r.log.Stat()
	if err != nil {
		return
	}
	switch size := info.Size(); {
	case size < r.end: // it was cut off, as when another process has closed it
		r.end = size
	case size > r.end:
		if r.zeros == nil {
			r.zeros = make([]byte, roomBytes)
		}
		n, _ := r.log.WriteAt(r.zeros, size)
		r.end = size + int64(n)
	}
}
