-- An authorisation can be captured in parts. What is captured never becomes
-- less, and is there in no other state than these; a payment that is captured
-- has something captured.
create trigger payment_captured before update of captured, state on payment
when new.captured < old.captured
	or new.captured > 0 and new.state not in ('authorized', 'captured')
	or new.captured = 0 and new.state = 'captured'
begin
	select raise(abort, 'what is captured does not fit the state of the payment');
end;
