package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/pgtest"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func open(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, pgtest.URL(t)) })
}

func TestKeeps(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	storetest.Keeps(t, func(t *testing.T) store.Store { return open(t, url) })
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	storetest.Schema(t, s, func(sql string) (list [][2]string, err error) {
		r, err := s.engine.pool.Query(t.Context(), sql)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		for r.Next() {
			var row [2]string
			if err := r.Scan(&row[0], &row[1]); err != nil {
				return nil, err
			}
			list = append(list, row)
		}
		return list, r.Err()
	})
}

// TestRoundTrips keeps the price of an update on a distant server: one trip to
// begin, lock and read, one to write and commit.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	noon := time.UnixMilli(1_700_000_000_000).UTC()
	p := payment.New(payment.Payment{ID: "pay_1", Amount: money.Of(5, "EUR")}, "att_1", "sim", noon, noon)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Migrate(t.Context()))
	must(s.CreateMerchant(t.Context(), merchant.Merchant{ID: 1}))
	must(s.Update(t.Context(), 1, func(tx store.Tx) error { return tx.InsertPayment(p) }))
	before := s.Stats()
	must(s.Update(t.Context(), 1, func(tx store.Tx) error {
		p, err := tx.Payment("pay_1")
		must(err)
		must(p.Redirect("ref"))
		must(tx.UpdatePayment(p))
		must(tx.InsertJob(store.Job{ID: "j"}))
		return nil
	}))
	if trips := s.Stats().RoundTrips - before.RoundTrips; trips != 2 {
		t.Errorf("an update took %d round trips, want 2", trips)
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	storetest.Upgrade(t, s, func(migration string, sql ...string) error {
		files, err := fs.Glob(migrations, "migrations/*.sql")
		if err != nil {
			return err
		}
		return pgx.BeginFunc(t.Context(), s.engine.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), schemaTable); err != nil {
				return err
			}
			for i, f := range files {
				if strings.HasSuffix(f, "_"+migration+".sql") {
					break
				}
				if err := apply(t.Context(), tx, f, i+1); err != nil {
					return err
				}
			}
			for _, q := range sql {
				if _, err := tx.Exec(t.Context(), q); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// TestTakenMeanwhile: an update that inserts under a key somebody else takes in
// between runs again, and sees what they wrote; one that does not look is refused.
func TestTakenMeanwhile(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Migrate(t.Context()))
	must(s.CreateMerchant(t.Context(), merchant.Merchant{ID: 1}))
	row := resource.Row{Kind: "x.y", ID: "chosen", Sort: "1", Created: time.UnixMilli(1).UTC(), Body: []byte("{}")}
	runs, found := 0, false
	must(s.Update(t.Context(), 1, func(tx store.Tx) error {
		runs++
		_, err := tx.Resource(row.Kind, row.ID)
		if found = err == nil; found {
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		must(s.Update(t.Context(), 1, func(tx store.Tx) error { return tx.InsertResource(row) }))
		return tx.InsertResource(row)
	}))
	if runs != 2 || !found {
		t.Errorf("ran %d times, found %v", runs, found)
	}
	runs = 0
	err := s.Update(t.Context(), 1, func(tx store.Tx) error { runs++; return tx.InsertResource(row) })
	if !errors.Is(err, store.ErrExists) || runs != takenMax {
		t.Errorf("a second row under the key: %v after %d runs", err, runs)
	}
}

// TestShiftAndClaim: moving all of a merchant's jobs and claiming some of them
// at the same time never wait for each other in a circle.
func TestShiftAndClaim(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Migrate(t.Context()))
	must(s.CreateMerchant(t.Context(), merchant.Merchant{ID: 1}))
	noon := time.UnixMilli(1_700_000_000_000).UTC()
	const jobs = 300
	must(s.Update(t.Context(), 1, func(tx store.Tx) error {
		for i := range jobs { // the order of the heap is not that of the claims
			due := noon.Add(-time.Duration(i) * time.Second)
			if err := tx.InsertJob(store.Job{Merchant: 1, ID: fmt.Sprint("j", i), Kind: "probe", Due: due, RunAt: due}); err != nil {
				return err
			}
		}
		return nil
	}))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 10 {
				if err := s.Update(t.Context(), 1, func(tx store.Tx) error { return tx.ShiftJobs(-time.Second) }); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				if _, _, err := s.ClaimMerchantJobs(t.Context(), 1, noon, noon, time.Hour, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var deadlocks int
	must(s.engine.pool.QueryRow(t.Context(), `select coalesce(sum(deadlocks), 0)::int from pg_stat_database where datname = current_database()`).Scan(&deadlocks))
	if deadlocks != 0 {
		t.Errorf("%d deadlocks", deadlocks)
	}
}
