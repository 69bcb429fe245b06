-- Sessions are credentials that are deleted when their time is over.
create index credential_kind on credential (kind, created);
