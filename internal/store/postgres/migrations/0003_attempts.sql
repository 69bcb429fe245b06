-- A payment carries its current attempt: making a payment is one row, reading it
-- is one lookup. The table attempt keeps those that were followed by another.
alter table payment
	add column auto_capture bigint not null default 0,
	add column descriptor text collate "C" not null default '',
	add column agreement text collate "C" not null default '',
	add column state text collate "C" not null default '',
	add column begun bigint not null default 0,
	add column rail text collate "C" not null default '',
	add column reference text collate "C" not null default '',
	add column payer text collate "C" not null default '',
	add column reason text collate "C" not null default '',
	add column authorized_at bigint not null default 0,
	add column deadline bigint not null default 0,
	add column claim text collate "C" not null default '';
update payment p set begun = p.created, state = a.state, rail = a.rail, reference = a.reference, payer = a.payer, reason = a.reason,
	authorized_at = a.authorized_at, deadline = a.deadline, claim = a.claim
from attempt a where a.merchant = p.merchant and a.payment = p.id and a.id = p.attempt;

drop table attempt;
drop function attempt_state();
create table attempt (
	merchant bigint not null,
	payment text collate "C" not null,
	id text collate "C" not null,
	state text collate "C" not null,
	method text collate "C" not null,
	currency text collate "C" not null,
	amount bigint not null,
	begun bigint not null,
	rail text collate "C" not null,
	reference text collate "C" not null,
	payer text collate "C" not null,
	reason text collate "C" not null,
	authorized_at bigint not null,
	primary key (merchant, payment, id),
	foreign key (merchant, payment) references payment (merchant, id)
);

insert into attempt_edge (from_state, to_state) values ('started', 'processing');

create function payment_state() returns trigger language plpgsql as $$
begin
	if not exists (select 1 from attempt_edge where from_state = old.state and to_state = new.state) then
		raise exception 'an attempt cannot go from % to %', old.state, new.state;
	end if;
	return new;
end $$;
create trigger payment_state before update of state on payment
	for each row when (new.attempt = old.attempt and new.state <> old.state) execute function payment_state();

create function payment_attempt() returns trigger language plpgsql as $$
begin
	if old.state not in ('declined', 'expired', 'voided') then
		raise exception 'an attempt that is % cannot be followed by another', old.state;
	end if;
	insert into attempt (merchant, payment, id, state, method, currency, amount, begun, rail, reference, payer, reason, authorized_at)
	values (old.merchant, old.id, old.attempt, old.state, old.method, old.currency, old.amount, old.begun, old.rail, old.reference, old.payer,
		old.reason, old.authorized_at);
	return new;
end $$;
create trigger payment_attempt before update of attempt on payment
	for each row when (new.attempt <> old.attempt) execute function payment_attempt();
