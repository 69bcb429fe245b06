-- An authorisation can be captured in parts. What is captured never becomes
-- less, and is there in no other state than these; a payment that is captured
-- has something captured.
create function payment_captured() returns trigger language plpgsql as $$
begin
	raise exception 'payment %: % captured when %, after %', new.id, new.captured, new.state, old.captured;
end $$;
create trigger payment_captured before update of captured, state on payment
	for each row when (new.captured < old.captured
		or new.captured > 0 and new.state not in ('authorized', 'captured')
		or new.captured = 0 and new.state = 'captured')
	execute function payment_captured();
