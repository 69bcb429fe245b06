-- What a restricted key may do: names separated by spaces, in the words of the
-- dialect that reads them.
alter table credential add column permissions text not null default '';
