-- What is measured of a live connection beside its state. Times are UTC.
ALTER TABLE exchange_health ADD COLUMN last_contact TIMESTAMP;
ALTER TABLE exchange_health ADD COLUMN messages_per_minute BIGINT;
ALTER TABLE exchange_health ADD COLUMN events_per_minute BIGINT;
ALTER TABLE exchange_health ADD COLUMN lag_seconds DOUBLE;   -- NULL where nothing came
ALTER TABLE exchange_health ADD COLUMN last_error VARCHAR;
ALTER TABLE exchange_health ADD COLUMN last_error_time TIMESTAMP;
