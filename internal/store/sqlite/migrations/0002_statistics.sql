-- The planner guesses that a merchant has ten rows of anything and then reads
-- all of them. This tells it that merchants can be large. Nothing else gathers
-- statistics, so plans do not change with the data.
analyze sqlite_schema;
insert into sqlite_stat1 (tbl, idx, stat) values
	('refund', 'refund', '1000000 100000 1'), ('refund', 'refund_payment', '1000000 100000 2'),
	('delivery', 'delivery', '1000000 100000 1'), ('delivery', 'delivery_event', '1000000 100000 2'),
	('delivery', 'delivery_endpoint', '1000000 100000 50000'),
	('job', 'job', '100000 10000 1'), ('job', 'job_ready', '100000 2'), ('job', 'job_due', '100000 10000 2');
analyze sqlite_schema;
