package postgres

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/store/sqlstore"
)

// Transactions that wait for each other in a circle are found by the server after
// a second, and one of them is broken off. It does not come to that: all take
// their locks in one order, that of lock.compare. A transaction that comes to want
// one that is before what it holds asks for it without waiting. If somebody else
// has it, the transaction runs again, and then begins with what it turned out to
// need, in order.

// lock is one lock of a transaction.
type lock struct {
	class    sqlstore.Lock
	merchant int64
	id       string
}

func (l lock) compare(o lock) int {
	return cmp.Or(cmp.Compare(l.class, o.class), cmp.Compare(l.merchant, o.merchant), cmp.Compare(l.id, o.id))
}

// locking is how a class of locks is taken.
type locking struct {
	wait string // the statement that takes one
	now  string // the same if nobody else has it; otherwise it fails
	// written says that the lock is held by the write that follows, which waits for
	// it by itself.
	written bool
}

// lockings has a statement for each class. A row is locked by a statement of its
// own before it is read, so that the read that follows sees what the transaction
// it waited for has written.
var lockings = map[sqlstore.Lock]locking{
	sqlstore.LockWorld:     advisoryLock(`pg_advisory_xact_lock_shared`, `pg_try_advisory_xact_lock_shared`, `-$1::bigint`),
	sqlstore.LockClearing:  advisoryLock(`pg_advisory_xact_lock`, `pg_try_advisory_xact_lock`, `-$1::bigint`),
	sqlstore.LockPayment:   rowLock(`payment where merchant = $1 and id = $2`),
	sqlstore.LockRefund:    rowLock(`refund where merchant = $1 and id = $2`),
	sqlstore.LockDispute:   rowLock(`dispute where merchant = $1 and id = $2`),
	sqlstore.LockAgreement: rowLock(`agreement where merchant = $1 and id = $2`),
	sqlstore.LockMerchant:  rowLock(`merchant where id = $1`).byWrite(),
	sqlstore.LockBooks:     advisoryLock(`pg_advisory_xact_lock`, `pg_try_advisory_xact_lock`, `$1`),
	sqlstore.LockPosting:   advisoryLock(`pg_advisory_xact_lock_shared`, `pg_try_advisory_xact_lock_shared`, `$1`),
	sqlstore.LockResource:  rowLock(`resource where merchant = $1 and kind = $2 and sort = $3`).byWrite(),
	sqlstore.LockDelivery:  rowLock(`delivery where merchant = $1 and id = $2`).byWrite(),
	sqlstore.LockAnswer:    rowLock(`answer where merchant = $1 and key = $2`).byWrite(),
	sqlstore.LockJobs:      rowLock(`job where merchant = $1 order by id`),
}

func rowLock(rows string) locking {
	wait := `select 1 from ` + rows + ` for update`
	return locking{wait: wait, now: wait + ` nowait`}
}

func (l locking) byWrite() locking {
	l.written = true
	return l
}

// advisoryLock locks a number: the merchant's stands for its books, the negative of
// it for all its data.
func advisoryLock(wait, try, number string) locking {
	call := `(` + number + `)`
	return locking{wait: `select ` + wait + call, now: `select expect_one(case when ` + try + call + ` then 1 else 0 end)`}
}

// args are the arguments of the lock's statements.
func (l lock) args() []any {
	switch l.class {
	case sqlstore.LockWorld, sqlstore.LockClearing, sqlstore.LockMerchant, sqlstore.LockBooks, sqlstore.LockPosting, sqlstore.LockJobs:
		return []any{l.merchant}
	case sqlstore.LockResource:
		kind, sort, _ := strings.Cut(l.id, "/")
		return []any{l.merchant, kind, sort}
	default:
		return []any{l.merchant, l.id}
	}
}

// Lock implements sqlstore.Conn. A reader sees a snapshot and locks nothing.
func (t *tx) Lock(class sqlstore.Lock, merchant int64, id string) error {
	l := lock{class, merchant, id}
	if t.begin == beginRead || slices.Contains(t.held, l) {
		return nil
	}
	how := lockings[class]
	switch inOrder := t.waitsFor(l); {
	case !inOrder:
		t.add(how.now, l.args())
	case !how.written:
		t.add(how.wait, l.args())
	}
	t.held = append(t.held, l)
	return nil
}

// waitsFor reports whether a transaction may wait for a lock: everything it holds
// comes before it.
func (t *tx) waitsFor(l lock) bool {
	return !slices.ContainsFunc(t.held, func(held lock) bool { return held.compare(l) > 0 })
}

// lockFirst takes what an earlier run of the transaction turned out to need.
func (t *tx) lockFirst() {
	for _, l := range t.first {
		t.queue.Queue(lockings[l.class].wait, l.args()...)
	}
}
