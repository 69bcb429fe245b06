package servertest_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/servertest"
)

// TestLives starts a server twice on one address and one database.
func TestLives(t *testing.T) {
	t.Parallel()
	in := &servertest.Installation{
		Bin: servertest.Ducat(t), DB: "sqlite:" + filepath.Join(t.TempDir(), "ducat.db"), Address: servertest.FreeAddress(t),
	}
	p := in.Start(t)
	p.Up(t)
	if want := "http://" + in.Address; p.URL != want {
		t.Errorf("it says it is at %q, want %q", p.URL, want)
	}
	p.Kill()
	<-p.Ended
	if p.Err == nil {
		t.Error("a killed server ended well")
	}
	p = in.Start(t)
	p.Up(t)
	p.Stop(t)
	if p.Err != nil {
		t.Errorf("a stopped server: %v", p.Err)
	}
	if said := in.Verify(t); !strings.HasPrefix(said, "the books balance") {
		t.Errorf("verify says %q", said)
	}
}

func TestLogTail(t *testing.T) {
	t.Parallel()
	var log servertest.Log
	for _, line := range []string{"level=INFO msg=request path=/\n", "level=ERROR msg=one\n", "level=ERROR msg=two\n"} {
		if _, err := log.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := log.Tail(1000), "level=ERROR msg=one\nlevel=ERROR msg=two\n"; got != want {
		t.Errorf("all of it: %q, want %q", got, want)
	}
	if got, want := log.Tail(8), "msg=two\n"; got != want {
		t.Errorf("the last 8 bytes: %q, want %q", got, want)
	}
}
