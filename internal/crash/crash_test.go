package crash

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // for "pgx"
	_ "modernc.org/sqlite"             // for "sqlite"

	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/servertest"
)

const (
	rounds   = 8 // lives that end with SIGKILL
	sellers  = 8
	accounts = 4
	// answersMax is how many answers a life can give before it is killed.
	answersMax = 300
	// patience bounds every wait. Nothing is expected to take this long.
	patience = 15 * time.Second
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	torment(t, "sqlite:"+path, func() (*sql.DB, error) { return sql.Open("sqlite", path) })
}

// TestPostgres kills the server; the database lives on, with the transactions
// the server left open.
func TestPostgres(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	torment(t, url, func() (*sql.DB, error) {
		db, err := sql.Open("pgx", url)
		if err == nil {
			alone(t, db)
		}
		return db, err
	})
}

// alone returns when the dead process's connections are gone: until then
// PostgreSQL may still do what they had asked for, such as to claim jobs.
func alone(t *testing.T, db *sql.DB) {
	t.Helper()
	deadline := time.After(patience)
	for {
		var others int
		if err := db.QueryRowContext(t.Context(), `select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`).Scan(&others); err != nil {
			t.Fatal(err)
		}
		if others == 0 {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatalf("%d connections of a dead process are left", others)
		}
	}
}

// torment kills the server under load, round after round, and then looks what
// became of what it had acknowledged.
func torment(t *testing.T, db string, open func() (*sql.DB, error)) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	// The address is kept over restarts, so that those given to payers stay good.
	in := &servertest.Installation{Bin: servertest.Ducat(t), DB: db, Address: servertest.FreeAddress(t), Flags: []string{"--log-level", "error"}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the server said last:\n%s", in.Log.Tail(8<<10))
		}
	})

	p := in.Start(t)
	p.Up(t)
	s := newShop(t, "http://"+in.Address, accounts)
	s.register()

	s.open(sellers)
	for round := range rounds {
		answers := 1 + chance.IntN(answersMax)
		s.await(t, p, answers)
		if chance.IntN(2) == 0 { // answers come right after commits; other moments count as well
			<-time.After(time.Duration(chance.IntN(5000)) * time.Microsecond)
		}
		p.Kill()
		s.died()
		<-p.Ended
		t.Logf("round %d: killed after %d answers", round, answers)
		if round%3 == 2 { // also while it starts, and takes up what was left
			p = in.Start(t)
			<-time.After(time.Duration(chance.IntN(100)) * time.Millisecond)
			p.Kill()
			<-p.Ended
		}
		if round == rounds-1 {
			// What a dead process had in hand is taken up when its lease lapses,
			// two minutes later. This is those two minutes.
			lapse(t, open)
		}
		p = in.Start(t)
		p.Up(t)
	}
	s.close()
	s.settle()
	s.later()
	orders, refunds := s.audit()
	t.Logf("%d orders, %d refunds; %d answers, of which %d were lost", orders, refunds, s.answers.Load(), s.lost.Load())
	p.Stop(t)
	// The books speak of what was acknowledged, and of nothing nobody was told of.
	said := in.Verify(t)
	if want := fmt.Sprintf(" %d payments, %d refunds", orders, refunds); !strings.Contains(said, want) {
		t.Errorf("ducat verify: %s, want%s", said, want)
	}
	t.Log(said)
}

// await waits for a number of answers.
func (s *shop) await(t *testing.T, p *servertest.Process, answers int) {
	t.Helper()
	deadline := time.After(patience)
	for range answers {
		select {
		case <-s.acked:
		case <-p.Ended:
			t.Fatalf("ducat ended by itself: %v", p.Err)
		case <-deadline:
			t.Fatal("the server answers nobody")
		}
	}
}

// lapse ends all leases of jobs.
func lapse(t *testing.T, open func() (*sql.DB, error)) {
	t.Helper()
	db, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.ExecContext(t.Context(), `update job set leased_until = 0, ready_at = run_at where leased_until > 0`)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := r.RowsAffected()
	t.Logf("%d jobs were in hand", n)
}
