-- A payment carries its current attempt: making a payment is one row, reading it
-- is one lookup. The table attempt keeps those that were followed by another.
alter table payment add column auto_capture bigint not null default 0;
alter table payment add column descriptor text not null default '';
alter table payment add column agreement text not null default '';
alter table payment add column state text not null default '';
alter table payment add column begun bigint not null default 0;
alter table payment add column rail text not null default '';
alter table payment add column reference text not null default '';
alter table payment add column payer text not null default '';
alter table payment add column reason text not null default '';
alter table payment add column authorized_at bigint not null default 0;
alter table payment add column deadline bigint not null default 0;
alter table payment add column claim text not null default '';
update payment set begun = created,
	(state, rail, reference, payer, reason, authorized_at, deadline, claim) =
	(select a.state, a.rail, a.reference, a.payer, a.reason, a.authorized_at, a.deadline, a.claim from attempt a
	where a.merchant = payment.merchant and a.payment = payment.id and a.id = payment.attempt);

drop trigger attempt_state;
drop table attempt;
create table attempt (
	merchant bigint not null,
	payment text not null,
	id text not null,
	state text not null,
	method text not null,
	currency text not null,
	amount bigint not null,
	begun bigint not null,
	rail text not null,
	reference text not null,
	payer text not null,
	reason text not null,
	authorized_at bigint not null,
	primary key (merchant, payment, id),
	foreign key (merchant, payment) references payment (merchant, id)
) without rowid;

insert into attempt_edge (from_state, to_state) values ('started', 'processing');

create trigger payment_state before update of state on payment
when new.attempt = old.attempt and new.state <> old.state
	and not exists (select 1 from attempt_edge where from_state = old.state and to_state = new.state)
begin
	select raise(abort, 'an attempt cannot go this way');
end;
create trigger payment_attempt before update of attempt on payment
when new.attempt <> old.attempt and old.state not in ('declined', 'expired', 'voided')
begin
	select raise(abort, 'an attempt that is not over cannot be followed by another');
end;
create trigger payment_attempt_kept after update of attempt on payment
when new.attempt <> old.attempt
begin
	insert into attempt (merchant, payment, id, state, method, currency, amount, begun, rail, reference, payer, reason, authorized_at)
	values (old.merchant, old.id, old.attempt, old.state, old.method, old.currency, old.amount, old.begun, old.rail, old.reference, old.payer,
		old.reason, old.authorized_at);
end;
