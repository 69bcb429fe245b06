package stripe

import (
	"crypto/subtle"
	"errors"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// Mobile SDKs tell that the payer has closed the page of their card's bank with an
// unpublished call, source_cancel. It carries no client secret: what it names as
// the source, the last part of the page's address, is the credential.

// cancelIntentSource gives up the authentication under way, as if the payer had
// declined it. One that is over already stays as it ended.
func cancelIntentSource(c *call) (step, error) {
	id := c.path("id")
	return c.cancelSource(func(t *engine.Tx) error {
		i, err := loadIntent(t, id)
		if errors.Is(err, store.ErrNotFound) {
			return c.noIntent(404, id)
		}
		if err != nil {
			return err
		}
		if i.payment == nil || !c.closedPage(engine.Token(t.Who, *i.payment)) {
			return c.noPage()
		}
		return t.DecidePayment(i.payment.ID, rail.Abort)
	}, func(t *engine.Tx) (obj, error) {
		i, err := loadIntent(t, id)
		if err != nil {
			return nil, err
		}
		return c.in(t).renderIntent(i)
	})
}

// cancelSetupSource is the same for a SetupIntent.
func cancelSetupSource(c *call) (step, error) {
	id := c.path("id")
	return c.cancelSource(func(t *engine.Tx) error {
		s, err := loadSetup(t, id)
		if err != nil {
			return c.noSetup(err, id)
		}
		if s.agreement == nil || !c.closedPage(engine.AgreementToken(t.Who, *s.agreement)) {
			return c.noPage()
		}
		return t.DecideAgreement(s.agreement, rail.Abort, "")
	}, func(t *engine.Tx) (obj, error) { return c.in(t).setup(id) })
}

func (c *call) cancelSource(begin func(t *engine.Tx) error, finish func(t *engine.Tx) (obj, error)) (step, error) {
	_, err := must(c.params.Get("source"), "source", 0)
	return step{begin: begin, finish: finish}, err
}

// closedPage reports whether the request names the page of a token.
func (c *call) closedPage(token string) bool {
	return subtle.ConstantTimeCompare([]byte(c.params.Get("source").String()), []byte(token)) == 1
}

func (c *call) noPage() error {
	return noSuch(404, "source", "source", c.params.Get("source").String())
}
