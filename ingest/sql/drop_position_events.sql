-- Remove a series' events from one day to another; a day begins after its first moment.
DELETE FROM position_events
WHERE series_id = $series_id
  AND time > $start
  AND time <= $stop;
