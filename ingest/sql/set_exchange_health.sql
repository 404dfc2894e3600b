-- Write how an exchange's live connection is, in place of how it was.
INSERT OR REPLACE INTO exchange_health BY NAME
SELECT
    $exchange AS exchange,
    $state AS state,
    $last_contact::TIMESTAMP AS last_contact,
    $last_message::TIMESTAMP AS last_message,
    $last_event::TIMESTAMP AS last_event,
    $messages_per_minute AS messages_per_minute,
    $events_per_minute AS events_per_minute,
    $reconnects AS reconnects,
    $lag::DOUBLE AS lag_seconds,
    $last_error::VARCHAR AS last_error,
    $last_error_time::TIMESTAMP AS last_error_time,
    $updated_at::TIMESTAMP AS updated_at;
