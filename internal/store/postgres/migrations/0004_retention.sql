-- Answers are deleted when their time is over, whosever they are.
create index answer_created on answer (created, merchant, key);
