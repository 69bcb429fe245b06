package storetest

import (
	"errors"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/store"
)

func (f *fixture) newAgreement() agreement.Agreement {
	return agreement.New(agreement.Agreement{
		ID: f.ids.New("agr_", noon), Front: "x", Owner: "obj_1", Kind: "x.y", Product: "debit", Method: "wallet", Created: noon, Secret: "s",
	}, noon.Add(time.Hour))
}

func agreements(f *fixture) {
	var all []agreement.Agreement
	for range 3 {
		a := f.newAgreement()
		f.update(func(tx store.Tx) error { return tx.InsertAgreement(a) })
		f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.InsertAgreement(a) }), store.ErrExists)
		a.Version = 1
		all = append(all, a)
	}
	list := func(after string, limit int) (as []agreement.Agreement) {
		f.view(func(r store.Reader) (err error) {
			as, err = r.Agreements(after, limit)
			return err
		})
		return as
	}
	equal(f, list("", 9), all)
	equal(f, list(all[0].ID, 1), all[1:2])

	a := all[1]
	step := func() {
		f.Helper()
		f.update(func(tx store.Tx) error { return tx.UpdateAgreement(a) })
		f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateAgreement(a) }), store.ErrStale)
		a.Version++
		f.update(func(tx store.Tx) error {
			got, err := tx.Agreement(a.ID)
			equal(f, got, a)
			return err
		})
	}
	f.must(a.Agree(agreement.Consent{At: noon, Payer: "pp", Until: noon.Add(time.Minute)}))
	step()
	f.must(a.Issue(agreement.Grant{At: noon, AccessUntil: noon.Add(time.Hour), RefreshUntil: noon.Add(2 * time.Hour)}))
	step()
	f.must(a.Renew(agreement.Grant{At: noon, AccessUntil: noon.Add(3 * time.Hour)}))
	step()
	f.must(a.Revoke(agreement.ByPayer))
	step()
	f.want(f.Update(f.ctx(), other, func(tx store.Tx) error { return tx.UpdateAgreement(a) }), store.ErrStale)
	f.want(f.Update(f.ctx(), other, func(tx store.Tx) error { return second(tx.Agreement(a.ID)) }), store.ErrNotFound)
}

func agreementTokens(f *fixture) {
	a := f.newAgreement()
	f.update(func(tx store.Tx) error { return tx.InsertAgreement(a) })
	tok := func(secret string, kind agreement.TokenKind, number int64) agreement.Token {
		return agreement.Token{Hash: agreement.TokenHash(secret), Agreement: a.ID, Kind: kind, Number: number, Created: noon, Until: noon.Add(time.Hour)}
	}
	code, access, refresh := tok("a", agreement.Code, 0), tok("b", agreement.Access, 1), tok("c", agreement.Refresh, 1)
	f.update(func(tx store.Tx) error {
		return errors.Join(tx.InsertAgreementToken(refresh), tx.InsertAgreementToken(access), tx.InsertAgreementToken(code))
	})
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.InsertAgreementToken(code) }), store.ErrExists)
	code.End(noon)
	f.update(func(tx store.Tx) error { return tx.EndAgreementToken(code) })
	f.view(func(r store.Reader) error {
		got, err := r.AgreementToken(code.Hash)
		equal(f, got, code)
		list, lerr := r.AgreementTokens(a.ID)
		equal(f, list, []agreement.Token{code, access, refresh})
		f.want(second(r.AgreementToken(agreement.TokenHash("none"))), store.ErrNotFound)
		return errors.Join(err, lerr)
	})
	f.want(f.View(f.ctx(), other, func(r store.Reader) error { return second(r.AgreementToken(code.Hash)) }), store.ErrNotFound)
	f.want(f.Update(f.ctx(), other, func(tx store.Tx) error { return tx.EndAgreementToken(code) }), store.ErrStale)
}

// illegalAgreement tries every pair of states, those that the machine forbids
// too.
func illegalAgreement(f *fixture) {
	legal := map[[2]agreement.State]bool{}
	for _, s := range agreement.States {
		for _, e := range agreement.Events {
			if to, ok := agreement.Next(s, e); ok {
				legal[[2]agreement.State{s, to}] = true
			}
		}
	}
	as := func(a agreement.Agreement, s agreement.State) agreement.Agreement {
		a, err := agreement.Restore(a, agreement.Stored{State: s.String()})
		f.must(err)
		return a
	}
	for _, from := range agreement.States {
		for _, to := range agreement.States {
			a := as(f.newAgreement(), from)
			f.update(func(tx store.Tx) error { return tx.InsertAgreement(a) })
			a.Version = 1
			err := f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateAgreement(as(a, to)) })
			if ok := from == to || legal[[2]agreement.State{from, to}]; ok != (err == nil) {
				f.Errorf("%s to %s: %v", from, to, err)
			}
		}
	}
}
