package sqlite

import (
	"os"
	"syscall"
)

// syncLog puts the log's content on disk, and of what is known about the file
// only what is needed to find the content again.
func syncLog(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
