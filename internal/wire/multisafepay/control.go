package multisafepay

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// Claims implements control.Front: a key in any of its spellings.
func (a *API) Claims(r *http.Request) bool {
	k := keyOf(r)
	return wellFormed.MatchString(k)
}

// MerchantOf implements control.Front.
func (a *API) MerchantOf(r *http.Request) (int64, error) {
	p, err := a.authenticate(r.Context(), keyOf(r))
	if w, ok := errors.AsType[*wireError](err); ok {
		return 0, fault.New(fault.Invalid, "bad_key", w.text)
	}
	if err == nil && p.key == "" {
		return 0, fault.New(fault.Invalid, "api_token", "This needs the site's API key, not an API token.")
	}
	return p.merchantID, err
}

// PaymentOf implements control.Front: an order id, or a PSP id.
func (a *API) PaymentOf(r store.Reader, id string) (string, error) {
	m, err := r.Merchant()
	if err != nil {
		return "", err
	}
	v := &view{Reader: r, api: a, merchant: m, at: m.Now(a.engine.Clock.Now())}
	_, o, err := v.orderRow(id)
	if _, ok := errors.AsType[*wireError](err); ok {
		return "", fault.Newf(fault.NotFound, "no_order", "There is no order %q in this world.", id)
	}
	if err != nil {
		return "", err
	}
	if o.Current == "" {
		return "", fault.Newf(fault.Conflict, "no_method", "The payer of order %q has not chosen a method yet.", id)
	}
	row, err := r.Resource(kindTransaction, o.Current)
	return row.Payment, err
}

// ResendByID implements control.Front: the event is an order id, the endpoint
// its notification address, which needs no name.
func (a *API) ResendByID(t *engine.Tx, orderID, _ string) error {
	row, o, err := a.in(t).orderRow(orderID)
	if _, ok := errors.AsType[*wireError](err); ok {
		return fault.Newf(fault.NotFound, "no_order", "There is no order %q in this world.", orderID)
	}
	if err != nil {
		return err
	}
	if o.Options.Notification == "" {
		return fault.Newf(fault.Conflict, "no_endpoint", "Order %q has no notification_url.", orderID)
	}
	return a.notify(t, &row, &o, t.At)
}

// RollSecret implements control.Front: notifications are signed with the API
// key, which cannot be rolled.
func (a *API) RollSecret(*engine.Tx, string, time.Duration) (string, error) {
	return "", fault.New(fault.Invalid, "no_secret", "Notifications are signed with the API key; there is no secret of their own to roll.")
}

// disputeReasons are what a chargeback can be about: any short word or code.
const disputeReasonMax = 64

// CheckDispute implements control.Front.
func (a *API) CheckDispute(_ string, _ bool, reason string) error {
	if len(reason) > disputeReasonMax || strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' }) {
		return fault.Newf(fault.Invalid, "bad_reason", "reason is a code or a word of at most %d bytes.", disputeReasonMax)
	}
	return nil
}

// DisputeID implements control.Front: chargebacks are known by their core id.
func (a *API) DisputeID(coreID string) string { return coreID }

// Forget implements control.Front: nothing is remembered between requests.
func (a *API) Forget(int64) {}

// Audit implements engine.Auditor: every payment transaction has its payment,
// every refund its refund of the same amount, and the refunds of a payment, and
// the parts in which it was captured, sum to what the core knows.
func (a *API) Audit(r store.Reader, _ ledger.Balances) error {
	refunded, parts := map[string]int64{}, map[string]int64{}
	for before := ""; ; {
		rows, err := r.Resources(store.List{Kind: kindTransaction, Before: before, Limit: 1000})
		if err != nil {
			return err
		}
		for _, row := range rows {
			before = row.Sort
			if err := auditTransaction(r, row, refunded, parts); err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			break
		}
	}
	for id, sum := range refunded {
		p, err := r.Payment(id)
		if err != nil {
			return err
		}
		if got := p.RefundedAmount().Minor; got != sum {
			return fmt.Errorf("refund transactions of payment %s sum to %d, the payment says %d", id, sum, got)
		}
		if sum, got := parts[id], p.CapturedAmount().Minor; sum > 0 && got != sum {
			return fmt.Errorf("captures of payment %s sum to %d, the payment says %d", id, sum, got)
		}
	}
	return nil
}

func auditTransaction(r store.Reader, row resource.Row, refunded, parts map[string]int64) error {
	tx, err := resource.Decode[transaction](row)
	if err != nil {
		return err
	}
	p, err := r.Payment(row.Payment)
	if err != nil {
		return fmt.Errorf("transaction %s has no payment: %w", row.ID, err)
	}
	switch tx.Type {
	case txPayment:
		if p.Amount.Minor != tx.Amount || string(p.Amount.Currency) != tx.Currency {
			return fmt.Errorf("transaction %s is over %d %s, its payment over %s", row.ID, tx.Amount, tx.Currency, p.Amount)
		}
		if _, ok := refunded[p.ID]; !ok {
			refunded[p.ID] = 0
		}
	case txCapture:
		parts[p.ID] += tx.Amount
	case txRefund:
		ref, err := r.Refund(tx.Refund)
		if err != nil {
			return fmt.Errorf("transaction %s has no refund: %w", row.ID, err)
		}
		if ref.Payment != p.ID || ref.Amount.Minor != tx.Amount {
			return fmt.Errorf("transaction %s refunds %d of %s, its refund %d of %s", row.ID, tx.Amount, p.ID, ref.Amount.Minor, ref.Payment)
		}
		if ref.State() != payment.RefundFailed {
			refunded[p.ID] += tx.Amount
		}
	}
	return nil
}
