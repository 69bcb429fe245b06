-- Standing authorisations. A token is known by its hash only.
create table agreement (
	merchant bigint not null,
	id text collate "C" not null,
	front text collate "C" not null,
	owner text collate "C" not null,
	kind text collate "C" not null,
	product text collate "C" not null,
	method text collate "C" not null,
	payer text collate "C" not null,
	created bigint not null,
	since bigint not null,
	deadline bigint not null,
	secret text collate "C" not null,
	ended_by text collate "C" not null,
	state text collate "C" not null,
	generation bigint not null,
	version bigint not null,
	primary key (merchant, id)
);

create table agreement_token (
	merchant bigint not null,
	hash bytea not null,
	agreement text collate "C" not null,
	kind text collate "C" not null,
	number bigint not null,
	created bigint not null,
	until bigint not null,
	primary key (merchant, hash),
	foreign key (merchant, agreement) references agreement (merchant, id)
);
create index agreement_token_agreement on agreement_token (merchant, agreement);

-- The state machine of an agreement, as agreement.Next has it.
create table agreement_edge (
	from_state text collate "C" not null,
	to_state text collate "C" not null,
	primary key (from_state, to_state)
);
insert into agreement_edge (from_state, to_state) values
	('requested', 'agreed'), ('requested', 'active'), ('requested', 'declined'), ('requested', 'expired'), ('requested', 'revoked'),
	('agreed', 'active'), ('agreed', 'expired'), ('agreed', 'revoked'),
	('active', 'active'), ('active', 'expired'), ('active', 'revoked');

create function agreement_state() returns trigger language plpgsql as $$
begin
	if not exists (select 1 from agreement_edge where from_state = old.state and to_state = new.state) then
		raise exception 'an agreement cannot go from % to %', old.state, new.state;
	end if;
	return new;
end $$;
create trigger agreement_state before update of state on agreement
	for each row when (new.state <> old.state) execute function agreement_state();
