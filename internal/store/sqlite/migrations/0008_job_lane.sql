-- Jobs that wait for somebody else's server are claimed apart from our own.
alter table job add column lane bigint not null default 0;
update job set lane = 1 where kind = 'deliver';
drop index job_ready;
create index job_lane on job (lane, ready_at);
insert into sqlite_stat1 (tbl, idx, stat) values ('job', 'job_lane', '100000 50000 2');
delete from sqlite_stat1 where idx = 'job_ready';
analyze sqlite_schema;
