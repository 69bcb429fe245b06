-- Text is compared by its bytes whatever the database's locale, because ids and
-- sorts are ordered so; every text column says it.

-- expect_one fails a transaction whose statement did not change one row. It
-- lets a write and its check travel with the commit.
create function expect_one(n bigint) returns bigint language plpgsql as $$
begin
	if n <> 1 then
		raise exception 'changed % rows instead of one', n using errcode = 'DU001';
	end if;
	return n;
end $$;

-- Positions grow over all merchants; a merchant's own are in order, not dense.
create sequence transfer_seq;
create sequence fact_seq;

create table merchant (
	id bigint not null primary key,
	account text collate "C" not null,
	live bigint not null,
	created bigint not null,
	clock_offset bigint not null, -- nanoseconds
	profile text collate "C" not null,
	advancing_until bigint not null,
	version bigint not null
);
create index merchant_advancing on merchant (advancing_until) where advancing_until > 0;

create table credential (
	hash bytea not null primary key,
	merchant bigint not null,
	kind text collate "C" not null,
	created bigint not null,
	revoked bigint not null
);

create table resource (
	merchant bigint not null,
	kind text collate "C" not null,
	sort text collate "C" not null,
	id text collate "C" not null,
	payment text collate "C" not null,
	version bigint not null,
	created bigint not null,
	keys text collate "C" not null,
	body bytea,
	primary key (merchant, kind, sort)
);

-- Only rows whose sort does not follow from their id are here.
create table resource_id (
	merchant bigint not null,
	kind text collate "C" not null,
	id text collate "C" not null,
	sort text collate "C" not null,
	primary key (merchant, kind, id)
);

create table resource_key (
	merchant bigint not null,
	kind text collate "C" not null,
	name text collate "C" not null,
	value text collate "C" not null,
	sort text collate "C" not null,
	primary key (merchant, kind, name, value, sort)
);

create table payment (
	merchant bigint not null,
	id text collate "C" not null,
	front text collate "C" not null,
	owner text collate "C" not null,
	kind text collate "C" not null,
	product text collate "C" not null,
	method text collate "C" not null,
	currency text collate "C" not null,
	amount bigint not null check (amount > 0),
	created bigint not null,
	secret text collate "C" not null,
	script text collate "C" not null,
	attempt text collate "C" not null,
	captured bigint not null check (captured between 0 and amount),
	refunded bigint not null check (refunded between 0 and captured),
	captured_at bigint not null,
	version bigint not null,
	primary key (merchant, id)
);

create table attempt (
	merchant bigint not null,
	payment text collate "C" not null,
	id text collate "C" not null,
	state text collate "C" not null,
	rail text collate "C" not null,
	reference text collate "C" not null,
	payer text collate "C" not null,
	reason text collate "C" not null,
	authorized_at bigint not null,
	deadline bigint not null,
	claim text collate "C" not null,
	primary key (merchant, payment, id),
	foreign key (merchant, payment) references payment (merchant, id)
);

-- The state machine of an attempt, as payment.Next has it.
create table attempt_edge (
	from_state text collate "C" not null,
	to_state text collate "C" not null,
	primary key (from_state, to_state)
);
insert into attempt_edge (from_state, to_state) values
	('started', 'awaiting_payer'), ('started', 'authorized'), ('started', 'declined'), ('started', 'expired'), ('started', 'voided'),
	('awaiting_payer', 'processing'), ('awaiting_payer', 'authorized'), ('awaiting_payer', 'declined'), ('awaiting_payer', 'expired'), ('awaiting_payer', 'voided'),
	('processing', 'authorized'), ('processing', 'declined'), ('processing', 'expired'), ('processing', 'voided'),
	('authorized', 'captured'), ('authorized', 'declined'), ('authorized', 'expired'), ('authorized', 'voided');

create function attempt_state() returns trigger language plpgsql as $$
begin
	if not exists (select 1 from attempt_edge where from_state = old.state and to_state = new.state) then
		raise exception 'an attempt cannot go from % to %', old.state, new.state;
	end if;
	return new;
end $$;
create trigger attempt_state before update of state on attempt
	for each row when (new.state <> old.state) execute function attempt_state();

create table refund (
	merchant bigint not null,
	id text collate "C" not null,
	payment text collate "C" not null,
	currency text collate "C" not null,
	amount bigint not null check (amount > 0),
	created bigint not null,
	reason text collate "C" not null,
	state text collate "C" not null,
	version bigint not null,
	primary key (merchant, id),
	foreign key (merchant, payment) references payment (merchant, id)
);
create index refund_payment on refund (merchant, payment);

create table transfer (
	merchant bigint not null,
	seq bigint not null,
	id text collate "C" not null,
	at bigint not null,
	debit text collate "C" not null,
	credit text collate "C" not null,
	currency text collate "C" not null,
	amount bigint not null check (amount > 0),
	payment text collate "C" not null,
	primary key (merchant, seq)
);
create unique index transfer_id on transfer (merchant, id);

create table balance_snapshot (
	merchant bigint not null,
	account text collate "C" not null,
	currency text collate "C" not null,
	amount bigint not null,
	upto bigint not null, -- position of the last transfer in the sum
	primary key (merchant, account, currency)
);

create table fact (
	merchant bigint not null,
	seq bigint not null,
	id text collate "C" not null,
	kind text collate "C" not null,
	at bigint not null,
	payment text collate "C" not null,
	refund text collate "C" not null,
	amount bigint not null,
	currency text collate "C" not null,
	fee bigint not null,
	fee_currency text collate "C" not null,
	due bigint not null,
	reason text collate "C" not null,
	primary key (merchant, seq)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
	raise exception 'a row of % is never changed', tg_table_name;
end $$;
create function refuse_loss() returns trigger language plpgsql as $$
begin
	if coalesce((select live from merchant where id = old.merchant), 1) <> 0 then
		raise exception 'a row of % is never deleted', tg_table_name;
	end if;
	return old;
end $$;
create trigger transfer_fixed before update on transfer for each row execute function refuse_change();
create trigger transfer_kept before delete on transfer for each row execute function refuse_loss();
create trigger fact_fixed before update on fact for each row execute function refuse_change();
create trigger fact_kept before delete on fact for each row execute function refuse_loss();

create table job (
	merchant bigint not null,
	id text collate "C" not null,
	kind text collate "C" not null,
	due bigint not null,
	run_at bigint not null,
	leased_until bigint not null,
	ready_at bigint not null, -- the later of run_at and leased_until
	tries bigint not null,
	payload bytea,
	primary key (merchant, id)
);
create index job_ready on job (ready_at, merchant, id);
create index job_due on job (merchant, due, id);

create table answer (
	merchant bigint not null,
	key text collate "C" not null,
	endpoint text collate "C" not null,
	fingerprint text collate "C" not null,
	request_id text collate "C" not null,
	created bigint not null,
	status bigint not null,
	headers bytea,
	body bytea,
	primary key (merchant, key)
);

create table delivery (
	merchant bigint not null,
	id text collate "C" not null,
	event text collate "C" not null,
	endpoint text collate "C" not null,
	state text collate "C" not null,
	created bigint not null,
	next bigint not null,
	attempts text collate "C" not null,
	body bytea,
	version bigint not null,
	primary key (merchant, id)
);
create index delivery_event on delivery (merchant, event, id);
create index delivery_endpoint on delivery (merchant, endpoint, id);

create table setting (
	name text collate "C" not null primary key,
	value bytea
);
