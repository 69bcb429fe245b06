package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

// holder is a front with agreements: the code of an agreement is its id.
type holder struct{ front }

func (*holder) Name() string { return "holder" }

func (h *holder) TellAgreement(t *engine.Tx, f event.Fact, a *agreement.Agreement) error {
	if f.Refund != a.ID {
		return fmt.Errorf("fact %+v does not fit agreement %s", f, a.ID)
	}
	if err := tell(t, f); err != nil || f.Kind != event.AgreementConsented {
		return err
	}
	return t.GiveCode(a, "code:"+a.ID)
}

func (*holder) AgreementReturnTo(_ store.Reader, a agreement.Agreement) (string, []engine.Detail, error) {
	return "https://shop.example/back?a=" + a.ID, nil, nil
}

func withAgreements(t *testing.T) *world {
	t.Helper()
	w := simulated(t)
	w.AddFront(&holder{})
	w.runner.Handlers[engine.JobAgreement] = w.Run
	return w
}

func (w *world) request(name string) string {
	w.t.Helper()
	var id string
	w.update(func(t *engine.Tx) error {
		a, err := t.RequestAgreement(agreement.Agreement{Front: "holder", Owner: "own_1", Kind: "holder.own", Product: method.AutoDebit, Method: name})
		if err == nil {
			id = a.ID
		}
		return err
	})
	return id
}

func (w *world) agreement(id string) (a agreement.Agreement) {
	w.t.Helper()
	w.view(func(r store.Reader) (err error) {
		a, err = r.Agreement(id)
		return err
	})
	return a
}

func (w *world) consent(id string, d rail.Decision) engine.Consent {
	w.t.Helper()
	var m merchant.Merchant
	w.view(func(r store.Reader) (err error) { m, err = r.Merchant(); return err })
	c, err := w.DecideConsent(w.t.Context(), engine.AgreementToken(m, w.agreement(id)), d, "payer")
	w.must(err)
	return c
}

// exchange gives a secret for tokens named after their kind and generation.
func (w *world) exchange(secret string) (agreement.Grant, error) {
	var g agreement.Grant
	err := w.Update(w.t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error {
		k, a, err := t.TokenOf(secret)
		if err != nil {
			return err
		}
		g, err = t.ExchangeToken(k, a, func(kind agreement.TokenKind, n int64) string { return fmt.Sprintf("%s:%d:%s", kind, n, a.ID) })
		return err
	})
	return g, err
}

func (w *world) debitable(secret string) bool {
	w.t.Helper()
	ok := false
	w.update(func(t *engine.Tx) error {
		k, a, err := t.TokenOf(secret)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			_, ok = a.DebitableBy(k, t.At)
		}
		return err
	})
	return ok
}

func TestAgreementLife(t *testing.T) {
	t.Parallel()
	w := withAgreements(t)
	id := w.request("gcash")
	w.planned("agreement:" + id)
	if c := w.consent(id, rail.Approve); c.Agreement.State() != agreement.Agreed || c.ReturnTo != "https://shop.example/back?a="+id || c.Agreement.Payer != "payer" {
		t.Fatalf("consent %+v", c)
	}
	w.consent(id, rail.Decline) // deciding again changes nothing
	g, err := w.exchange("code:" + id)
	w.must(err)
	if !g.AccessUntil.Equal(begin.Add(180*24*time.Hour)) || !g.RefreshUntil.Equal(begin.Add(365*24*time.Hour)) {
		t.Errorf("grant %+v", g)
	}
	if _, err := w.exchange("code:" + id); fault.CodeOf(err) != engine.CodeToken {
		t.Errorf("a code was good twice: %v", err)
	}
	if !w.debitable("access:1:"+id) || w.debitable("refresh:1:"+id) || w.debitable("code:"+id) || w.debitable("x") {
		t.Error("the wrong token debits")
	}
	if _, err := w.exchange("access:1:" + id); fault.CodeOf(err) != engine.CodeToken {
		t.Errorf("an access token was exchanged: %v", err)
	}
	w.advance(170 * 24 * time.Hour)
	_, err = w.exchange("refresh:1:" + id)
	w.must(err)
	if !w.debitable("access:1:"+id) || !w.debitable("access:2:"+id) {
		t.Error("within the grace both tokens are good")
	}
	w.advance(10 * time.Minute)
	if w.debitable("access:1:"+id) || !w.debitable("access:2:"+id) {
		t.Error("after the grace only the new token is good")
	}
	if _, err := w.exchange("refresh:1:" + id); fault.CodeOf(err) != engine.CodeToken {
		t.Errorf("a replaced token renewed: %v", err)
	}
	w.advance(200 * 24 * time.Hour)
	if w.debitable("access:2:" + id) {
		t.Error("an access token outlived itself")
	}
	if a := w.agreement(id); a.State() != agreement.Active {
		t.Errorf("%v while it can be renewed", a.State())
	}
	w.verify()
	w.advance(200 * 24 * time.Hour)
	if a := w.agreement(id); a.State() != agreement.Expired {
		t.Errorf("%v after the last token", a.State())
	}
	w.planned()
	w.facts(event.AgreementConsented, event.AgreementActivated, event.AgreementRenewed, event.AgreementExpired)
	w.verify()
}

func TestAgreementEnds(t *testing.T) {
	t.Parallel()
	w := withAgreements(t)
	declined, late, uncollected, revoked := w.request("gcash"), w.request("gcash"), w.request("zalopay"), w.request("zalopay")
	w.consent(declined, rail.Decline)
	w.consent(uncollected, rail.Approve)
	w.consent(revoked, rail.Approve)
	if g, err := w.exchange("code:" + revoked); err != nil || !g.RefreshUntil.IsZero() {
		t.Fatalf("grant %+v: %v", g, err)
	}
	revoke := func(by agreement.By) error {
		return w.Update(t.Context(), w.merchant, engine.Cause{}, func(t *engine.Tx) error {
			a, err := t.LoadAgreement(revoked)
			if err != nil {
				return err
			}
			return t.RevokeAgreement(a, by)
		})
	}
	w.must(revoke(agreement.ByPayer))
	if err := revoke(agreement.ByMerchant); fault.CodeOf(err) != engine.CodeToken {
		t.Errorf("revoked twice: %v", err)
	}
	if w.debitable("access:1:" + revoked) {
		t.Error("debitable after the payer withdrew")
	}
	// Nothing ran yet: whoever looks applies the deadline, as the timer would.
	w.clock.Advance(10 * time.Minute)
	if _, err := w.exchange("code:" + uncollected); fault.CodeOf(err) != engine.CodeToken {
		t.Errorf("a code was good for too long: %v", err)
	}
	w.clock.Advance(5 * time.Minute)
	if c := w.consent(late, rail.Approve); c.Agreement.State() != agreement.Expired {
		t.Errorf("consent after the link was over: %v", c.Agreement.State())
	}
	w.work()
	for id, want := range map[string]agreement.State{declined: agreement.Declined, late: agreement.Expired, uncollected: agreement.Expired, revoked: agreement.Revoked} {
		if a := w.agreement(id); a.State() != want {
			t.Errorf("%v, want %v", a.State(), want)
		}
	}
	w.planned()
	w.verify()
}

func TestConsentTokens(t *testing.T) {
	t.Parallel()
	w := withAgreements(t)
	id := w.request("gcash")
	var m merchant.Merchant
	w.view(func(r store.Reader) (err error) { m, err = r.Merchant(); return err })
	a := w.agreement(id)
	good := engine.AgreementToken(m, a)
	a.Secret = "guess"
	for _, token := range []string{"", "x", good + "x", engine.AgreementToken(m, a), "1" + good} {
		if _, err := w.Consent(t.Context(), token); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %v", token, err)
		}
	}
	if _, err := w.Consent(t.Context(), good); err != nil {
		t.Error(err)
	}
}

// TestCodeIsExchangedOnce lets many ask at once.
func TestCodeIsExchangedOnce(t *testing.T) {
	t.Parallel()
	w := withAgreements(t)
	id := w.request("gcash")
	w.consent(id, rail.Approve)
	results := make(chan error)
	for range 8 {
		go func() { _, err := w.exchange("code:" + id); results <- err }()
	}
	good := 0
	for range 8 {
		if err := <-results; err == nil {
			good++
		} else if fault.CodeOf(err) != engine.CodeToken {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("the code was good %d times", good)
	}
	w.verify()
}
