package sqlstore

import (
	"github.com/ducatpay/ducat/internal/agreement"
)

const selectAgreement = `select id, front, owner, kind, product, method, payer, created, since, deadline, secret, ended_by, state, generation, version
from agreement
`

func scanAgreement(r Rows) (agreement.Agreement, error) {
	var a agreement.Agreement
	var s agreement.Stored
	var endedBy string
	var created, since, deadline int64
	if err := r.Scan(&a.ID, &a.Front, &a.Owner, &a.Kind, &a.Product, &a.Method, &a.Payer, &created, &since, &deadline, &a.Secret, &endedBy,
		&s.State, &s.Generation, &a.Version); err != nil {
		return a, err
	}
	a.Created, a.Since, a.Deadline, a.EndedBy = fromMilli(created), fromMilli(since), fromMilli(deadline), agreement.By(endedBy)
	return agreement.Restore(a, s)
}

// Agreement implements store.Reader; inside Update it locks the row.
func (t *Tx) Agreement(id string) (agreement.Agreement, error) {
	if err := t.lock(LockAgreement, id); err != nil {
		return agreement.Agreement{}, err
	}
	return one(t, scanAgreement, selectAgreement+`where merchant = $1 and id = $2`, t.merchant, id)
}

// Agreements implements store.Reader.
func (t *Tx) Agreements(after string, limit int) ([]agreement.Agreement, error) {
	return many(t, scanAgreement, selectAgreement+`where merchant = $1 and id > $2 order by id limit $3 + 0`, t.merchant, after, int64(limit))
}

// InsertAgreement implements store.Tx.
func (t *Tx) InsertAgreement(a agreement.Agreement) error {
	s := a.Stored()
	return t.exec(`insert into agreement (merchant, id, front, owner, kind, product, method, payer, created, since, deadline, secret, ended_by, state, generation, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 1)`,
		t.merchant, a.ID, a.Front, a.Owner, a.Kind, a.Product, a.Method, a.Payer, toMilli(a.Created), toMilli(a.Since), toMilli(a.Deadline),
		a.Secret, string(a.EndedBy), s.State, s.Generation)
}

// UpdateAgreement implements store.Tx; a trigger checks the change of state.
func (t *Tx) UpdateAgreement(a agreement.Agreement) error {
	s := a.Stored()
	return t.execOne(`update agreement set payer = $4, since = $5, deadline = $6, ended_by = $7, state = $8, generation = $9, version = version + 1
where merchant = $1 and id = $2 and version = $3`,
		t.merchant, a.ID, a.Version, a.Payer, toMilli(a.Since), toMilli(a.Deadline), string(a.EndedBy), s.State, s.Generation)
}

const selectToken = `select hash, agreement, kind, number, created, until from agreement_token
`

func scanToken(r Rows) (agreement.Token, error) {
	var k agreement.Token
	var kind string
	var created, until int64
	if err := r.Scan(&k.Hash, &k.Agreement, &kind, &k.Number, &created, &until); err != nil {
		return k, err
	}
	k.Kind, k.Created, k.Until = agreement.TokenKind(kind), fromMilli(created), fromMilli(until)
	return k, nil
}

// AgreementToken implements store.Reader.
func (t *Tx) AgreementToken(hash []byte) (agreement.Token, error) {
	return one(t, scanToken, selectToken+`where merchant = $1 and hash = $2`, t.merchant, hash)
}

// AgreementTokens implements store.Reader.
func (t *Tx) AgreementTokens(agreementID string) ([]agreement.Token, error) {
	return many(t, scanToken, selectToken+`where merchant = $1 and agreement = $2 order by number, kind`, t.merchant, agreementID)
}

// InsertAgreementToken implements store.Tx.
func (t *Tx) InsertAgreementToken(k agreement.Token) error {
	return t.exec(`insert into agreement_token (merchant, hash, agreement, kind, number, created, until) values ($1, $2, $3, $4, $5, $6, $7)`,
		t.merchant, k.Hash, k.Agreement, string(k.Kind), k.Number, toMilli(k.Created), toMilli(k.Until))
}

// EndAgreementToken implements store.Tx.
func (t *Tx) EndAgreementToken(k agreement.Token) error {
	return t.execOne(`update agreement_token set until = $3 where merchant = $1 and hash = $2`, t.merchant, k.Hash, toMilli(k.Until))
}
