//go:build amd64 || arm64

package sqlite

import (
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// The calls of the system that SQLite's "unix" file system makes, as it lets them be
// replaced (xSetSystemCall). They stay as they are where it has no such calls.
type (
	sysOpen  = func(tls *libc.TLS, path uintptr, flags, mode int32) int32
	sysClose = func(tls *libc.TLS, fd int32) int32
	sysRead  = func(tls *libc.TLS, fd int32, buf uintptr, n uint64, at int64) int64
	sysWrite = sysRead
)

var system struct {
	open  sysOpen
	close sysClose
	read  sysRead
	write sysWrite
}

// logs has the frames of every open log, by descriptor.
var logs sync.Map // int32 → *frames

var gatherOnce sync.Once

// gather makes connections that are opened from now on write commits at once.
func gather() {
	gatherOnce.Do(func() {
		tls := libc.NewTLS()
		defer tls.Close()
		vfs := lib.Xsqlite3_vfs_find(tls, 0)
		replace(tls, vfs, "open", &system.open, openFile)
		replace(tls, vfs, "close", &system.close, closeFile)
		replace(tls, vfs, "pread", &system.read, readFile)
		replace(tls, vfs, "pwrite", &system.write, writeFile)
	})
}

// replace keeps a call in old and puts ours in its place.
func replace[F any](tls *libc.TLS, vfs uintptr, name string, old *F, ours F) {
	type getCall = func(tls *libc.TLS, vfs, name uintptr) uintptr
	type setCall = func(tls *libc.TLS, vfs, name, call uintptr) int32
	v := (*lib.Tsqlite3_vfs)(pointer(vfs))
	text, err := libc.CString(name)
	if err != nil {
		return
	}
	defer libc.Xfree(tls, text)
	was := function[getCall](v.FxGetSystemCall)(tls, vfs, text)
	if was == 0 {
		return
	}
	*old = function[F](was)
	kept = append(kept, ours)
	function[setCall](v.FxSetSystemCall)(tls, vfs, text, *(*uintptr)(unsafe.Pointer(&ours)))
}

// kept are our calls: SQLite has only their addresses.
var kept []any

// function is the Go function behind a pointer of the translated SQLite: it is the
// address of what a func value points to.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

// pointer turns an address of the translated SQLite into a pointer.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

func bytesAt(p uintptr, n uint64) []byte { return unsafe.Slice((*byte)(pointer(p)), n) }

func openFile(tls *libc.TLS, path uintptr, flags, mode int32) int32 {
	fd := system.open(tls, path, flags, mode)
	if fd >= 0 && isLog(path) {
		logs.Store(fd, &frames{write: func(b []byte, at int64) (n int64, failed bool) {
			n = system.write(tls, fd, uintptr(unsafe.Pointer(&b[0])), uint64(len(b)), at)
			runtime.KeepAlive(b)
			return n, n < 0
		}})
	}
	return fd
}

// isLog reports whether a path, which ends with a zero, is that of a log.
func isLog(path uintptr) bool { return strings.HasSuffix(libc.GoString(path), "-wal") }

// closeFile forgets what was gathered and never committed.
func closeFile(tls *libc.TLS, fd int32) int32 {
	logs.Delete(fd)
	return system.close(tls, fd)
}

func readFile(tls *libc.TLS, fd int32, buf uintptr, n uint64, at int64) int64 {
	if f := framesOf(fd); f != nil && f.reading(at) {
		return -1
	}
	return system.read(tls, fd, buf, n, at)
}

func writeFile(tls *libc.TLS, fd int32, buf uintptr, n uint64, at int64) int64 {
	if f := framesOf(fd); f != nil {
		switch taken, failed := f.put(bytesAt(buf, n), at); {
		case failed:
			return -1 // and the call that failed has said why
		case taken:
			return int64(n)
		}
	}
	return system.write(tls, fd, buf, n, at)
}

// framesOf returns the frames of an open log; nil if the file is none.
func framesOf(fd int32) *frames {
	f, _ := logs.Load(fd)
	log, _ := f.(*frames)
	return log
}
