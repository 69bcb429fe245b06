-- A dispute may begin as an inquiry, which moves no money. dispute names the one
-- that withdrew money, inquiry the one that asked first.
alter table payment add column inquiry text not null default '';

create table dispute_edge (
	from_state text not null,
	to_state text not null,
	primary key (from_state, to_state)
) without rowid;
insert into dispute_edge (from_state, to_state) values
	('inquiry', 'inquiry_answered'), ('inquiry', 'inquiry_closed'), ('inquiry', 'open'),
	('inquiry_answered', 'inquiry_closed'), ('inquiry_answered', 'open'),
	('open', 'under_review'), ('open', 'won'), ('open', 'lost'),
	('under_review', 'won'), ('under_review', 'lost');

create trigger dispute_state before update of state on dispute
when new.state <> old.state
	and not exists (select 1 from dispute_edge where from_state = old.state and to_state = new.state)
begin
	select raise(abort, 'a dispute cannot go this way');
end;
