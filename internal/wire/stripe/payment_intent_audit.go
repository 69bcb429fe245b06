package stripe

import (
	"fmt"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// auditIntents checks that intents and the core agree: what an intent says is
// over is over, and what was taken has a charge that names it.
func auditIntents(r store.Reader) error {
	if err := each(r, kindIntent, func(row resource.Row) error {
		i, err := intentOf(r, row)
		if err != nil {
			return fmt.Errorf("%s: %w", row.ID, err)
		}
		return auditIntent(r, i)
	}); err != nil {
		return err
	}
	if err := each(r, kindSetup, func(row resource.Row) error {
		s, err := setupOf(r, row)
		if err != nil {
			return fmt.Errorf("%s: %w", row.ID, err)
		}
		if a := s.agreement; a != nil && a.State() == agreement.Requested && s.status() != needsAction {
			return fmt.Errorf("%s is %s, but the payer is still asked for agreement %s", row.ID, s.status(), a.ID)
		}
		return nil
	}); err != nil {
		return err
	}
	return each(r, kindMandate, func(row resource.Row) error {
		b, err := decodeBody[mandateBody](row)
		if err != nil {
			return err
		}
		if _, err := r.Agreement(b.Agreement); err != nil {
			return fmt.Errorf("%s: its agreement %s: %w", row.ID, b.Agreement, err)
		}
		return nil
	})
}

// finder finds rows.
type finder interface {
	Resource(kind, id string) (resource.Row, error)
}

func auditIntent(r finder, i intent) error {
	p := i.payment
	if p == nil {
		return nil // not confirmed yet
	}
	if p.Kind != kindIntent || p.Owner != i.id() {
		return fmt.Errorf("%s has payment %s, which is %s's", i.id(), p.ID, p.Owner)
	}
	if open := i.body.Tried && i.body.CanceledAt.IsZero(); p.State().Waiting() && !open {
		return fmt.Errorf("%s is %s, but payment %s is %s", i.id(), i.status(), p.ID, p.State())
	}
	if i.body.Tried && p.Amount != i.body.total() {
		return fmt.Errorf("%s is about %s, but its payment %s about %s", i.id(), i.body.total(), p.ID, p.Amount)
	}
	if taken := p.State() == payment.Captured || p.State() == payment.Authorized && !i.body.Waits; !taken {
		return nil
	}
	row, err := r.Resource(kindCharge, i.body.LatestCharge)
	if err != nil {
		return fmt.Errorf("%s is %s, but its charge %q: %w", i.id(), i.status(), i.body.LatestCharge, err)
	}
	b, err := decodeBody[chargeBody](row)
	if err == nil && (b.Intent != i.id() || b.Attempt != p.Attempt.ID || b.Failed) {
		err = fmt.Errorf("%s is %s, but its charge %s is about attempt %s of %s", i.id(), i.status(), row.ID, b.Attempt, b.Intent)
	}
	return err
}
