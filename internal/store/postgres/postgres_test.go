package postgres

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/pgtest"
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
