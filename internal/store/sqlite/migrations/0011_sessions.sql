-- Sessions are credentials that are deleted when their time is over.
create index credential_kind on credential (kind, created);

-- Transfers are asked for by id; a merchant can have many.
insert into sqlite_stat1 (tbl, idx, stat) values
	('transfer', 'transfer', '1000000 100000 1'), ('transfer', 'transfer_id', '1000000 100000 1');
analyze sqlite_schema;
