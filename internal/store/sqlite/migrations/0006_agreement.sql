-- Standing authorisations. A token is known by its hash only.
create table agreement (
	merchant bigint not null,
	id text not null,
	front text not null,
	owner text not null,
	kind text not null,
	product text not null,
	method text not null,
	payer text not null,
	created bigint not null,
	since bigint not null,
	deadline bigint not null,
	secret text not null,
	ended_by text not null,
	state text not null,
	generation bigint not null,
	version bigint not null,
	primary key (merchant, id)
) without rowid;

create table agreement_token (
	merchant bigint not null,
	hash blob not null,
	agreement text not null,
	kind text not null,
	number bigint not null,
	created bigint not null,
	until bigint not null,
	primary key (merchant, hash),
	foreign key (merchant, agreement) references agreement (merchant, id)
) without rowid;
create index agreement_token_agreement on agreement_token (merchant, agreement);

-- The state machine of an agreement, as agreement.Next has it.
create table agreement_edge (
	from_state text not null,
	to_state text not null,
	primary key (from_state, to_state)
) without rowid;
insert into agreement_edge (from_state, to_state) values
	('requested', 'agreed'), ('requested', 'active'), ('requested', 'declined'), ('requested', 'expired'), ('requested', 'revoked'),
	('agreed', 'active'), ('agreed', 'expired'), ('agreed', 'revoked'),
	('active', 'active'), ('active', 'expired'), ('active', 'revoked');

create trigger agreement_state before update of state on agreement
when new.state <> old.state
	and not exists (select 1 from agreement_edge where from_state = old.state and to_state = new.state)
begin
	select raise(abort, 'an agreement cannot go this way');
end;

insert into sqlite_stat1 (tbl, idx, stat) values
	('agreement', 'agreement', '1000000 100000 1'),
	('agreement_token', 'agreement_token', '1000000 100000 1'), ('agreement_token', 'agreement_token_agreement', '1000000 100000 3');
analyze sqlite_schema;
