package stripe

import (
	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// witness is a reader that remembers the versions of what was read. It names
// every method of store.Reader, so that one that is added there cannot be overlooked
// here.
type witness struct {
	reader  store.Reader
	origins map[origin]int64
	more    bool // something was read that has no version, or was not there
}

var _ store.Reader = (*witness)(nil)

// saw remembers one thing that was read. Under an id that is not one of ours, which
// a merchant chose, another row can come to stand.
func (w *witness) saw(from origin, version int64, err error) {
	if _, ours := id.Sort(from.id); err != nil || !ours {
		w.more = true
		return
	}
	w.origins[from] = version
}

// rest is for what is not remembered by version.
func (w *witness) rest() store.Reader {
	w.more = true
	return w.reader
}

// Resource implements store.Reader.
func (w *witness) Resource(kind, name string) (resource.Row, error) {
	r, err := w.reader.Resource(kind, name)
	w.saw(origin{kind, name}, r.Version, err)
	return r, err
}

// Payment implements store.Reader.
func (w *witness) Payment(id string) (payment.Payment, error) {
	p, err := w.reader.Payment(id)
	w.saw(origin{id: id}, p.Version, err)
	return p, err
}

// Merchant implements store.Reader. Every rendering has its version.
func (w *witness) Merchant() (merchant.Merchant, error) { return w.reader.Merchant() }

// ResourceVersions implements store.Reader.
func (w *witness) ResourceVersions(kind string, ids []string) (map[string]int64, error) {
	return w.rest().ResourceVersions(kind, ids)
}

// ResourceBy implements store.Reader.
func (w *witness) ResourceBy(kind, key, value string) (resource.Row, error) {
	return w.rest().ResourceBy(kind, key, value)
}

// Resources implements store.Reader.
func (w *witness) Resources(q store.List) ([]resource.Row, error) {
	return w.rest().Resources(q)
}

// Few implements store.Reader.
func (w *witness) Few(kind string) ([]resource.Row, error) {
	return w.rest().Few(kind)
}

// CountResources implements store.Reader.
func (w *witness) CountResources(q store.List) (int64, error) {
	return w.rest().CountResources(q)
}

// PaymentVersions implements store.Reader.
func (w *witness) PaymentVersions(ids []string) (map[string]int64, error) {
	return w.rest().PaymentVersions(ids)
}

// Attempts implements store.Reader.
func (w *witness) Attempts(paymentID string) ([]payment.Attempt, error) {
	return w.rest().Attempts(paymentID)
}

// Payments implements store.Reader.
func (w *witness) Payments(after string, limit int) ([]payment.Payment, error) {
	return w.rest().Payments(after, limit)
}

// PaymentsBefore implements store.Reader.
func (w *witness) PaymentsBefore(before string, limit int) ([]payment.Payment, error) {
	return w.rest().PaymentsBefore(before, limit)
}

// Refund implements store.Reader.
func (w *witness) Refund(id string) (payment.Refund, error) {
	return w.rest().Refund(id)
}

// Refunds implements store.Reader.
func (w *witness) Refunds(paymentID string) ([]payment.Refund, error) {
	return w.rest().Refunds(paymentID)
}

// Dispute implements store.Reader.
func (w *witness) Dispute(id string) (payment.Dispute, error) {
	return w.rest().Dispute(id)
}

// Agreement implements store.Reader.
func (w *witness) Agreement(id string) (agreement.Agreement, error) {
	return w.rest().Agreement(id)
}

// Agreements implements store.Reader.
func (w *witness) Agreements(after string, limit int) ([]agreement.Agreement, error) {
	return w.rest().Agreements(after, limit)
}

// AgreementToken implements store.Reader.
func (w *witness) AgreementToken(hash []byte) (agreement.Token, error) {
	return w.rest().AgreementToken(hash)
}

// AgreementTokens implements store.Reader.
func (w *witness) AgreementTokens(agreementID string) ([]agreement.Token, error) {
	return w.rest().AgreementTokens(agreementID)
}

// Balances implements store.Reader.
func (w *witness) Balances() (ledger.Balances, error) {
	return w.rest().Balances()
}

// Transfers implements store.Reader.
func (w *witness) Transfers(after int64, limit int) (ts []ledger.Transfer, next int64, err error) {
	return w.rest().Transfers(after, limit)
}

// TransfersUpTo implements store.Reader.
func (w *witness) TransfersUpTo(after, upto int64, limit int) (ts []ledger.Transfer, next int64, err error) {
	return w.rest().TransfersUpTo(after, upto, limit)
}

// TransfersByID implements store.Reader.
func (w *witness) TransfersByID(ids []string) ([]ledger.Transfer, error) {
	return w.rest().TransfersByID(ids)
}

// LastTransfer implements store.Reader.
func (w *witness) LastTransfer() (int64, error) {
	return w.rest().LastTransfer()
}

// Facts implements store.Reader.
func (w *witness) Facts(after int64, limit int) (fs []event.Fact, next int64, err error) {
	return w.rest().Facts(after, limit)
}

// Answer implements store.Reader.
func (w *witness) Answer(key string) (store.Answer, error) {
	return w.rest().Answer(key)
}

// Delivery implements store.Reader.
func (w *witness) Delivery(id string) (store.Delivery, error) {
	return w.rest().Delivery(id)
}

// Deliveries implements store.Reader.
func (w *witness) Deliveries(event, endpoint string, before string, limit int) ([]store.Delivery, error) {
	return w.rest().Deliveries(event, endpoint, before, limit)
}

// Jobs implements store.Reader.
func (w *witness) Jobs(limit int) ([]store.Job, error) {
	return w.rest().Jobs(limit)
}
