package sqlstore

import (
	"slices"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
)

// Memory keeps what nearly every transaction asks for from one to the next, for a
// connection that alone changes the database. Its engine lets it forget
// everything when a transaction is undone, or when somebody else turns out to
// have written.
type Memory struct {
	merchants map[int64]merchant.Merchant
	few       map[ofMerchant][]resource.Row // all rows of a kind
	jobs      map[ofMerchant]struct{}       // jobs that are there
}

// ofMerchant names a kind of rows, or a job, of a merchant.
type ofMerchant struct {
	merchant int64
	name     string
}

// memoryMax bounds how many merchants, kinds and jobs are kept: more than a
// server has in use at a time, since all are forgotten when there are more.
const memoryMax = 1 << 14

// Forget empties the memory.
func (m *Memory) Forget() {
	if m != nil {
		clear(m.merchants)
		clear(m.few)
		clear(m.jobs)
	}
}

// put notes something in one of the memory's maps.
func put[K comparable, V any](in *map[K]V, k K, v V) {
	if *in == nil || len(*in) >= memoryMax {
		*in = map[K]V{}
	}
	(*in)[k] = v
}

func (m *Memory) merchant(id int64) (merchant.Merchant, bool) {
	if m == nil {
		return merchant.Merchant{}, false
	}
	who, ok := m.merchants[id]
	who.Profile = cloned(who.Profile)
	return who, ok
}

func (m *Memory) keep(who merchant.Merchant) {
	if m != nil {
		who.Profile = cloned(who.Profile)
		put(&m.merchants, who.ID, who)
	}
}

// changed forgets a merchant that is being written.
func (m *Memory) changed(id int64) {
	if m != nil {
		delete(m.merchants, id)
	}
}

// rows returns all rows of a kind, which their receiver may change but for the
// bytes of a body.
func (m *Memory) rows(merchantID int64, kind string) ([]resource.Row, bool) {
	if m == nil {
		return nil, false
	}
	rows, ok := m.few[ofMerchant{merchantID, kind}]
	return slices.Clone(rows), ok
}

func (m *Memory) keepRows(merchantID int64, kind string, rows []resource.Row) {
	if m != nil {
		put(&m.few, ofMerchant{merchantID, kind}, slices.Clone(rows))
	}
}

// rowsChanged forgets a kind of which a row is being written.
func (m *Memory) rowsChanged(merchantID int64, kind string) {
	if m != nil && len(m.few) > 0 {
		delete(m.few, ofMerchant{merchantID, kind})
	}
}

// job reports that a job is known to be there.
func (m *Memory) job(merchantID int64, id string) bool {
	if m == nil {
		return false
	}
	_, ok := m.jobs[ofMerchant{merchantID, id}]
	return ok
}

func (m *Memory) keepJob(merchantID int64, id string) {
	if m != nil {
		put(&m.jobs, ofMerchant{merchantID, id}, struct{}{})
	}
}

// jobDeleted forgets a job that is being deleted.
func (m *Memory) jobDeleted(merchantID int64, id string) {
	if m != nil && len(m.jobs) > 0 {
		delete(m.jobs, ofMerchant{merchantID, id})
	}
}
