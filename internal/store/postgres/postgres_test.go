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

// TestLockOrder: two transactions that want the same two things in opposite order
// are done one after the other. Neither has to be broken off.
func TestLockOrder(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	noon := time.UnixMilli(1_700_000_000_000).UTC()
	row := func(id string) resource.Row {
		return resource.Row{Kind: "x.y", ID: id, Sort: id, Created: noon, Body: []byte("{}")}
	}
	update(t, s, func(tx store.Tx) error {
		var errs []error
		for _, n := range []string{"1", "2"} {
			p := payment.New(payment.Payment{ID: "pay_" + n, Amount: money.Of(5, "EUR")}, "att_"+n, "sim", noon, noon)
			errs = append(errs, tx.InsertPayment(p), tx.InsertResource(row("row_"+n)), tx.InsertDelivery(store.Delivery{ID: "dlv_" + n}))
		}
		return errors.Join(errs...)
	})

	lockPayment := func(id string) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			_, err := tx.Payment(id)
			return err
		}
	}
	writeRow := func(id string) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			r, err := tx.Resource("x.y", id)
			return errors.Join(err, tx.UpdateResource(r))
		}
	}
	writeMerchant := func(tx store.Tx) error {
		m, err := tx.Merchant()
		return errors.Join(err, tx.UpdateMerchant(m))
	}
	writeDelivery := func(tx store.Tx) error {
		d, err := tx.Delivery("dlv_1")
		return errors.Join(err, tx.UpdateDelivery(d))
	}
	for name, pair := range map[string][2]func(tx store.Tx) error{
		"two payments":           {lockPayment("pay_1"), lockPayment("pay_2")},
		"two rows":               {writeRow("row_1"), writeRow("row_2")},
		"a payment and a row":    {lockPayment("pay_1"), writeRow("row_1")},
		"a payment and merchant": {lockPayment("pay_1"), writeMerchant},
		"merchant and a row":     {writeMerchant, writeRow("row_1")},
		"a row and a delivery":   {writeRow("row_1"), writeDelivery},
		"books and a row":        {store.Tx.HoldBooks, writeRow("row_1")},
		"books and a payment":    {store.Tx.HoldBooks, lockPayment("pay_1")},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.Deadlocks()
			var first sync.WaitGroup // each has the first of its two
			first.Add(2)
			var both sync.WaitGroup
			for _, steps := range [][2]func(tx store.Tx) error{pair, {pair[1], pair[0]}} {
				both.Go(func() {
					var once sync.Once
					if err := s.Update(t.Context(), 1, func(tx store.Tx) error {
						if err := steps[0](tx); err != nil {
							return err
						}
						if _, err := tx.Balances(); err != nil { // sends what is written
							return err
						}
						once.Do(func() { first.Done(); first.Wait() })
						return steps[1](tx)
					}); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
			if n := s.Deadlocks() - before; n != 0 {
				t.Errorf("%d deadlocks", n)
			}
		})
	}
}

// TestShiftAndClaim: moving all of a merchant's jobs, claiming some of them and
// changing them in whatever order never wait for each other in a circle.
func TestShiftAndClaim(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	noon := time.UnixMilli(1_700_000_000_000).UTC()
	const jobs = 300
	newJob := func(i int) store.Job { // the order of the heap is not that of the claims
		due := noon.Add(-time.Duration(i) * time.Second)
		return store.Job{Merchant: 1, ID: fmt.Sprint("j", i), Kind: "probe", Due: due, RunAt: due}
	}
	update(t, s, func(tx store.Tx) error {
		for i := range jobs {
			if err := tx.InsertJob(newJob(i)); err != nil {
				return err
			}
		}
		return nil
	})
	var wg sync.WaitGroup
	for n := range 2 {
		wg.Go(func() {
			for range 20 {
				update(t, s, func(tx store.Tx) error { return tx.ShiftJobs(-time.Second) })
			}
		})
		wg.Go(func() {
			for range 100 {
				if _, _, err := s.ClaimMerchantJobs(t.Context(), 1, noon, noon, time.Hour, 1); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for i := range 100 { // one goes up, the other down; each moves jobs to where others are due
				a, b := newJob(i), newJob(jobs-1-i)
				if n == 1 {
					a, b = b, a
				}
				a.Due, b.Due = b.Due, a.Due
				update(t, s, func(tx store.Tx) error { return errors.Join(tx.RescheduleJob(a), tx.RescheduleJob(b)) })
			}
		})
	}
	wg.Wait()
	if n := s.Deadlocks(); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// TestClaimGoesOn: a claim that waited for a job that turns out to be no longer due
// takes the next one.
func TestClaimGoesOn(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	noon := time.UnixMilli(1_700_000_000_000).UTC()
	soon, later := store.Job{Merchant: 1, ID: "a", Due: noon, RunAt: noon}, store.Job{Merchant: 1, ID: "b", Due: noon.Add(time.Second), RunAt: noon}
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.InsertJob(soon), tx.InsertJob(later)) })

	claimed := make(chan []store.Job)
	update(t, s, func(tx store.Tx) error {
		soon.Due = noon.Add(time.Hour)
		if err := tx.RescheduleJob(soon); err != nil {
			return err
		}
		if _, err := tx.Jobs(1); err != nil { // sends what is written
			return err
		}
		go func() {
			js, _, err := s.ClaimMerchantJobs(t.Context(), 1, noon.Add(time.Minute), noon, time.Hour, 1)
			if err != nil {
				t.Error(err)
			}
			claimed <- js
		}()
		return waiting(t, s)
	})
	if js := <-claimed; len(js) != 1 || js[0].ID != "b" {
		t.Errorf("claimed %v, want b", js)
	}
}

// waiting returns when some transaction waits for another.
func waiting(t *testing.T, s *Store) error {
	for t.Context().Err() == nil {
		var n int
		err := s.engine.pool.QueryRow(t.Context(), `select count(*) from pg_locks where not granted`).Scan(&n)
		if err != nil || n > 0 {
			return err
		}
	}
	return t.Context().Err()
}

// migrated opens a database with a merchant.
func migrated(t *testing.T) *Store {
	t.Helper()
	s := open(t, pgtest.URL(t))
	if err := errors.Join(s.Migrate(t.Context()), s.CreateMerchant(t.Context(), merchant.Merchant{ID: 1})); err != nil {
		t.Fatal(err)
	}
	return s
}

func update(t *testing.T, s *Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), 1, fn); err != nil {
		t.Error(err)
	}
}
