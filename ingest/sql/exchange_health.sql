-- How exchanges' live connections were when that was last written.
SELECT
    exchange,
    state,
    last_contact,
    last_message,
    last_event,
    coalesce(messages_per_minute, 0) AS messages_per_minute,
    coalesce(events_per_minute, 0) AS events_per_minute,
    reconnects,
    lag_seconds AS lag,
    last_error,
    last_error_time,
    updated_at
FROM exchange_health;
