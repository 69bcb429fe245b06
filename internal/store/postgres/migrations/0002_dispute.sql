-- Disputes: captured money a payer claims back. A payment has at most one.
alter table payment add column dispute text collate "C" not null default '';

create table dispute (
	merchant bigint not null,
	id text collate "C" not null,
	payment text collate "C" not null,
	currency text collate "C" not null,
	amount bigint not null check (amount > 0),
	fee bigint not null check (fee >= 0),
	reason text collate "C" not null,
	created bigint not null,
	deadline bigint not null,
	state text collate "C" not null,
	version bigint not null,
	primary key (merchant, id),
	unique (merchant, payment),
	foreign key (merchant, payment) references payment (merchant, id)
);
