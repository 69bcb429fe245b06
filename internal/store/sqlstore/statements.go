package sqlstore

// statements are the texts that need the dialect's words.
type statements struct {
	insertTransfer string
	insertFact     string
	claimDue       string
	claimLast      string
	claimMerchant  string
	claimOne       string
	claimWaiting   string
}

func newStatements(d Dialect) *statements {
	return &statements{
		insertTransfer: `insert into transfer (merchant, seq, id, at, debit, credit, currency, amount, payment)
select cast($1 as bigint), ` + d.NextTransfer + `, cast($2 as text), cast($3 as bigint), cast($4 as text), cast($5 as text),
	cast($6 as text), cast($7 as bigint), cast($8 as text)
where not exists (select 1 from transfer where merchant = $1 and id = $2
	and debit = $4 and credit = $5 and currency = $6 and amount = $7 and payment = $8)`,

		insertFact: `insert into fact (merchant, seq, id, kind, at, payment, refund, amount, currency, fee, fee_currency, due, reason)
values ($1, ` + d.NextFact + `, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,

		claimDue:  claimLane("", d),
		claimLast: claimLane(" desc", d),

		// The jobs are found in the order they are due and locked in that of their ids.
		claimMerchant: `with c(m, i) as (
	select j.merchant, j.id from job j
	where j.merchant = $4 and j.due <= $5 and j.leased_until <= $1 and j.id in (
		select id from job where merchant = $4 and due <= $5 and leased_until <= $1 order by due, id limit $3 + 0)
	order by j.id` + d.ForUpdate + `)
` + claim,

		claimOne: `with c(m, i) as (
	select j.merchant, j.id from job j where j.merchant = $3 and j.id = $4 and j.leased_until <= $1` + d.ForUpdate + `)
` + claim,

		claimWaiting: `with c(m, i) as (
	select j.merchant, j.id from job j where j.merchant = $3 and j.id = $4 and j.ready_at <= $1
		and ` + notAdvancing + d.SkipLocked + `)
` + claim,
	}
}

// notAdvancing leaves out jobs of merchants whose clock is being advanced at $1.
const notAdvancing = `not exists (select 1 from merchant a where a.id = j.merchant and a.advancing_until > $1)`

// claimLane leases up to $3 jobs of lane $4 that are due at $1, from one end.
func claimLane(order string, d Dialect) string {
	return `with c(m, i) as (
	select j.merchant, j.id from job j
	where j.lane = $4 and j.ready_at <= $1
		and ` + notAdvancing + `
	order by j.ready_at` + order + `, j.merchant` + order + `, j.id` + order + ` limit $3 + 0` + d.SkipLocked + `)
` + claim
}

// claim leases the jobs of c until $2.
const claim = `update job set leased_until = $2, ready_at = case when run_at > $2 then run_at else $2 end, tries = tries + 1
from c where merchant = c.m and id = c.i
returning merchant, id, kind, due, run_at, tries - 1, payload`
