-- Tables whose key is text are clustered on it, so that one merchant's rows lie
-- together and a lookup is one descent.

create table merchant (
	id integer primary key,
	account text not null,
	live bigint not null,
	created bigint not null,
	clock_offset bigint not null, -- nanoseconds
	profile text not null,
	advancing_until bigint not null,
	version bigint not null
);
create index merchant_advancing on merchant (advancing_until) where advancing_until > 0;

create table credential (
	hash blob not null primary key,
	merchant bigint not null,
	kind text not null,
	created bigint not null,
	revoked bigint not null
) without rowid;

create table resource (
	merchant bigint not null,
	kind text not null,
	sort text not null,
	id text not null,
	payment text not null,
	version bigint not null,
	created bigint not null,
	keys text not null,
	body blob,
	primary key (merchant, kind, sort)
) without rowid;

-- Only rows whose sort does not follow from their id are here.
create table resource_id (
	merchant bigint not null,
	kind text not null,
	id text not null,
	sort text not null,
	primary key (merchant, kind, id)
) without rowid;

create table resource_key (
	merchant bigint not null,
	kind text not null,
	name text not null,
	value text not null,
	sort text not null,
	primary key (merchant, kind, name, value, sort)
) without rowid;

create table payment (
	merchant bigint not null,
	id text not null,
	front text not null,
	owner text not null,
	kind text not null,
	product text not null,
	method text not null,
	currency text not null,
	amount bigint not null check (amount > 0),
	created bigint not null,
	secret text not null,
	script text not null,
	attempt text not null,
	captured bigint not null check (captured between 0 and amount),
	refunded bigint not null check (refunded between 0 and captured),
	captured_at bigint not null,
	version bigint not null,
	primary key (merchant, id)
) without rowid;

create table attempt (
	merchant bigint not null,
	payment text not null,
	id text not null,
	state text not null,
	rail text not null,
	reference text not null,
	payer text not null,
	reason text not null,
	authorized_at bigint not null,
	deadline bigint not null,
	claim text not null,
	primary key (merchant, payment, id),
	foreign key (merchant, payment) references payment (merchant, id)
) without rowid;

-- The state machine of an attempt, as payment.Next has it.
create table attempt_edge (
	from_state text not null,
	to_state text not null,
	primary key (from_state, to_state)
) without rowid;
insert into attempt_edge (from_state, to_state) values
	('started', 'awaiting_payer'), ('started', 'authorized'), ('started', 'declined'), ('started', 'expired'), ('started', 'voided'),
	('awaiting_payer', 'processing'), ('awaiting_payer', 'authorized'), ('awaiting_payer', 'declined'), ('awaiting_payer', 'expired'), ('awaiting_payer', 'voided'),
	('processing', 'authorized'), ('processing', 'declined'), ('processing', 'expired'), ('processing', 'voided'),
	('authorized', 'captured'), ('authorized', 'declined'), ('authorized', 'expired'), ('authorized', 'voided');

create trigger attempt_state before update of state on attempt
when new.state <> old.state
	and not exists (select 1 from attempt_edge where from_state = old.state and to_state = new.state)
begin
	select raise(abort, 'an attempt cannot go this way');
end;

create table refund (
	merchant bigint not null,
	id text not null,
	payment text not null,
	currency text not null,
	amount bigint not null check (amount > 0),
	created bigint not null,
	reason text not null,
	state text not null,
	version bigint not null,
	primary key (merchant, id),
	foreign key (merchant, payment) references payment (merchant, id)
) without rowid;
create index refund_payment on refund (merchant, payment);

create table transfer (
	merchant bigint not null,
	seq bigint not null,
	id text not null,
	at bigint not null,
	debit text not null,
	credit text not null,
	currency text not null,
	amount bigint not null check (amount > 0),
	payment text not null,
	primary key (merchant, seq)
) without rowid;
create unique index transfer_id on transfer (merchant, id);

create table balance_snapshot (
	merchant bigint not null,
	account text not null,
	currency text not null,
	amount bigint not null,
	upto bigint not null, -- position of the last transfer in the sum
	primary key (merchant, account, currency)
) without rowid;

create table fact (
	merchant bigint not null,
	seq bigint not null,
	id text not null,
	kind text not null,
	at bigint not null,
	payment text not null,
	refund text not null,
	amount bigint not null,
	currency text not null,
	fee bigint not null,
	fee_currency text not null,
	due bigint not null,
	reason text not null,
	primary key (merchant, seq)
) without rowid;

create trigger transfer_fixed before update on transfer begin
	select raise(abort, 'a transfer is never changed');
end;
create trigger transfer_kept before delete on transfer
when coalesce((select live from merchant where id = old.merchant), 1) <> 0 begin
	select raise(abort, 'a transfer is never deleted');
end;
create trigger fact_fixed before update on fact begin
	select raise(abort, 'a fact is never changed');
end;
create trigger fact_kept before delete on fact
when coalesce((select live from merchant where id = old.merchant), 1) <> 0 begin
	select raise(abort, 'a fact is never deleted');
end;

create table job (
	merchant bigint not null,
	id text not null,
	kind text not null,
	due bigint not null,
	run_at bigint not null,
	leased_until bigint not null,
	ready_at bigint not null, -- the later of run_at and leased_until
	tries bigint not null,
	payload blob,
	primary key (merchant, id)
) without rowid;
create index job_ready on job (ready_at);
create index job_due on job (merchant, due);

create table answer (
	merchant bigint not null,
	key text not null,
	endpoint text not null,
	fingerprint text not null,
	request_id text not null,
	created bigint not null,
	status bigint not null,
	headers blob,
	body blob,
	primary key (merchant, key)
) without rowid;

create table delivery (
	merchant bigint not null,
	id text not null,
	event text not null,
	endpoint text not null,
	state text not null,
	created bigint not null,
	next bigint not null,
	attempts text not null,
	body blob,
	version bigint not null,
	primary key (merchant, id)
) without rowid;
create index delivery_event on delivery (merchant, event);
create index delivery_endpoint on delivery (merchant, endpoint);

create table setting (
	name text not null primary key,
	value blob
) without rowid;
