// Package storetest is the contract of package store: every database must pass
// Run. It knows the ports only; what a database promises beyond them is tested
// beside it, with Keeps and Schema for what needs more than an open store.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/store"
)

// Run checks the contract. open returns an empty store, not migrated yet, that
// is closed when the test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(f *fixture)
	}{
		{"MigrateTwice", migrateTwice},
		{"Merchants", merchants},
		{"MerchantIsCurrent", merchantIsCurrent},
		{"Credentials", credentials},
		{"Settings", settings},
		{"ClearMerchant", clearMerchant},
		{"ClearedMeanwhile", clearedMeanwhile},
		{"Isolation", isolation},

		{"RollBack", rollBack},
		{"FailedStatementIsNotCommitted", failedStatement},
		{"OwnWritesAreSeen", ownWrites},
		{"Panic", panics},
		{"Cancelled", cancelled},
		{"SnapshotIsConsistent", snapshot},
		{"NoUpdateIsLost", lostUpdate},
		{"BadText", badText},

		{"Resources", resources},
		{"ResourceConflicts", resourceConflicts},
		{"FewResources", few},
		{"FirstResource", first},
		{"ResourceWindows", windows},
		{"ResourceKeys", rekeyed},
		{"ResourceOrderIsOfBytes", byteOrder},

		{"Payments", payments},
		{"CapturedParts", capturedParts},
		{"Attempts", attempts},
		{"PaymentVersions", paymentVersions},
		{"Versions", versions},
		{"IllegalMove", illegalMove},
		{"Refunds", refunds},
		{"Disputes", disputes},
		{"Agreements", agreements},
		{"AgreementTokens", agreementTokens},
		{"IllegalAgreement", illegalAgreement},

		{"Post", post},
		{"TransfersByID", transfersByID},
		{"PostAtOnce", postAtOnce},
		{"HeldBooks", heldBooks},
		{"Balances", balances},
		{"Facts", facts},

		{"Jobs", jobs},
		{"JobsAreClaimedOnce", claimOnce},
		{"LeasesEnd", leases},
		{"AdvancingMerchantIsLeftAlone", advancing},
		{"ShiftJobs", shiftJobs},
		{"ClaimMerchantJobs", claimMerchant},
		{"ClaimJob", claimJob},
		{"Lanes", lanes},
		{"WaitingJobs", waitingJobs},
		{"EnsureJob", ensureJob},

		{"Answers", answers},
		{"AnswerIsClaimedOnce", answerOnce},
		{"PruneAnswers", pruneAnswers},
		{"Deliveries", deliveries},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fixture{T: t, Store: open(t), ids: id.System()}
			f.must(f.Migrate(f.ctx()))
			f.addMerchant(one)
			f.addMerchant(other)
			c.test(f)
		})
	}
}

// Keeps checks that data is there after a database was closed and opened again.
// open opens the same database each time.
func Keeps(t *testing.T, open func(t *testing.T) store.Store) {
	f := &fixture{T: t, Store: open(t), ids: id.System()}
	f.must(f.Migrate(f.ctx()))
	f.addMerchant(one)
	p := f.newPayment()
	f.update(func(tx store.Tx) error { return errors.Join(tx.InsertPayment(p), tx.Post(f.transfer(5))) })
	f.must(f.Close())

	f.Store = open(t)
	f.must(f.Migrate(f.ctx()))
	f.view(func(r store.Reader) error {
		got, err := r.Payment(p.ID)
		p.Version = 1
		equal(f, got, p)
		b, berr := r.Balances()
		equal(f, len(b), 2)
		return errors.Join(err, berr)
	})
	f.must(f.Close())
}

// Schema checks what the database itself refuses. raw runs a statement and
// returns its rows, of two columns of text each.
func Schema(t *testing.T, s store.Store, raw func(sql string) ([][2]string, error)) {
	f := &fixture{T: t, Store: s, ids: id.System()}
	f.must(f.Migrate(f.ctx()))
	f.addMerchant(live)
	rows, err := raw(`select from_state, to_state from attempt_edge`)
	f.must(err)
	got := map[[2]string]bool{}
	for _, r := range rows {
		got[r] = true
	}
	equal(f, got, edges())

	f.must(s.Update(f.ctx(), live, func(tx store.Tx) error {
		return errors.Join(tx.Post(f.transfer(1)), tx.Record(f.fact()))
	}))
	for _, sql := range []string{
		`update transfer set amount = amount + 1`, `update fact set reason = 'x'`,
		`delete from transfer`, `delete from fact`,
	} {
		if _, err := raw(sql); err == nil {
			t.Errorf("%s was not refused", sql)
		}
	}
}

// edges lists the changes of state that payment.Next allows.
func edges() map[[2]string]bool {
	all := map[[2]string]bool{}
	for _, s := range payment.States {
		for _, e := range payment.Events {
			if to, ok := payment.Next(s, e); ok {
				all[[2]string{s.String(), to.String()}] = true
			}
		}
	}
	return all
}

// The merchants of a test.
const (
	one   int64 = 1001
	other int64 = 1002
	live  int64 = 1003
)

// noon is when everything happens unless said otherwise.
var noon = time.Date(2024, 5, 17, 12, 0, 0, int(250*time.Millisecond), time.UTC)

// fixture is a store under test with two merchants in it.
type fixture struct {
	*testing.T
	store.Store
	ids *id.Source
}

func (f *fixture) ctx() context.Context { return f.Context() }

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) want(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("error %v, want %v", err, want)
	}
}

func (f *fixture) update(fn func(tx store.Tx) error) {
	f.Helper()
	f.must(f.Update(f.ctx(), one, fn))
}

func (f *fixture) view(fn func(r store.Reader) error) {
	f.Helper()
	f.must(f.View(f.ctx(), one, fn))
}

func (f *fixture) addMerchant(n int64) {
	f.Helper()
	f.must(f.CreateMerchant(f.ctx(), newMerchant(n)))
}

func newMerchant(n int64) merchant.Merchant {
	return merchant.Merchant{
		ID: n, Account: fmt.Sprintf("acct_%d", n), Live: n == live, Created: noon, Version: 1,
		Profile: merchant.Profile{Name: "Café “Zoë”", Country: "CH", DefaultCurrency: "CHF", ExtraCurrencies: []money.Currency{"EUR"},
			FeeBasisPoints: 290, Settings: map[string]string{"a.b": "c"}},
	}
}

func equal[T any](f *fixture, got, want T) {
	f.Helper()
	if !reflect.DeepEqual(got, want) {
		f.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// together runs fn n times at once and returns the errors.
func together(n int, fn func(i int) error) []error {
	begin := make(chan struct{})
	results := make(chan error)
	for i := range n {
		go func() {
			<-begin
			results <- fn(i)
		}()
	}
	close(begin)
	errs := make([]error, n)
	for i := range errs {
		errs[i] = <-results
	}
	return errs
}
