-- Events go when they are old enough.
CREATE INDEX events_age ON events (at);
