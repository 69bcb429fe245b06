-- Disputes: captured money a payer claims back. A payment has at most one.
alter table payment add column dispute text not null default '';

create table dispute (
	merchant bigint not null,
	id text not null,
	payment text not null,
	currency text not null,
	amount bigint not null check (amount > 0),
	fee bigint not null check (fee >= 0),
	reason text not null,
	created bigint not null,
	deadline bigint not null,
	state text not null,
	version bigint not null,
	primary key (merchant, id),
	unique (merchant, payment),
	foreign key (merchant, payment) references payment (merchant, id)
) without rowid;
