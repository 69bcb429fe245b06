package sqlite

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// crashEnv names the database a child process is to write to until it is killed.
const crashEnv = "DUCAT_TEST_CRASH"

// TestCrash kills a process in the middle of its writing and looks for every
// update that had been acknowledged.
func TestCrash(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(crashEnv); path != "" {
		writeForever(t, path)
	}
	path := filepath.Join(t.TempDir(), "ducat.db")
	child := exec.Command(os.Args[0], "-test.run=^TestCrash$")
	child.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := map[string]bool{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		acknowledged[lines.Text()] = true
		if len(acknowledged) == 200 {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait()
	if len(acknowledged) < 200 {
		t.Fatalf("the child wrote %d updates only", len(acknowledged))
	}
	s := open(t, path)
	err = s.View(t.Context(), 1, func(r store.Reader) error {
		js, err := r.Jobs(1_000_000)
		for _, j := range js {
			delete(acknowledged, j.ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged updates were lost", len(acknowledged))
	}
}

func writeForever(t *testing.T, path string) {
	s := open(t, path)
	if err := errors.Join(s.Migrate(t.Context()), s.CreateMerchant(t.Context(), merchant.Merchant{ID: 1})); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d", w, i)
				err := s.Update(t.Context(), 1, func(tx store.Tx) error { return tx.InsertJob(store.Job{ID: name}) })
				if err != nil {
					done <- err
				}
				fmt.Println(name)
			}
		}()
	}
	t.Fatal(<-done)
}

// BenchmarkUpdate measures concurrent small updates, which share commits.
func BenchmarkUpdate(b *testing.B) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "ducat.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := errors.Join(s.Migrate(b.Context()), s.CreateMerchant(b.Context(), merchant.Merchant{ID: 1})); err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			err := s.Update(b.Context(), 1, func(tx store.Tx) error {
				if _, err := tx.Merchant(); err != nil {
					return err
				}
				return tx.InsertJob(store.Job{ID: fmt.Sprint(n.Add(1))})
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
	st := s.Stats()
	b.ReportMetric(float64(st.Updates)/float64(st.Commits), "updates/commit")
}
