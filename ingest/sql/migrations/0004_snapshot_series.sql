-- Snapshots belong to a series: one market under one model on one grid. Nothing has written the
-- tables that these replace. Times are UTC.
DROP TABLE liquidation_snapshots;
DROP TABLE position_events;

CREATE SEQUENCE snapshot_series_ids;

CREATE TABLE snapshot_series (
    series_id        INTEGER NOT NULL PRIMARY KEY DEFAULT nextval('snapshot_series_ids'),
    exchange         VARCHAR NOT NULL,
    symbol           VARCHAR NOT NULL,
    model            VARCHAR NOT NULL,   -- its name and all its parameters
    interval_seconds INTEGER NOT NULL,   -- between snapshots
    bucket_width     DOUBLE  NOT NULL,   -- quote
    bins             INTEGER,            -- that the width was chosen for, NULL where it was given
    program          VARCHAR NOT NULL,   -- digest of the sources that computed it
    watermark        VARCHAR,            -- of the market when all pieces were known to be current
    book_start       TIMESTAMP,          -- of the book that they were then drawn from
    crossing_price   VARCHAR NOT NULL DEFAULT 'last',   -- which price killed its levels
    assumed_margin   BOOLEAN NOT NULL DEFAULT false     -- whether its leverage tiers were unknown
);

-- What has been computed of a series: one UTC day or the known part of it, written in the
-- transaction that stores its rows. Key: series_id, start.
CREATE TABLE snapshot_pieces (
    series_id  INTEGER   NOT NULL,
    start      TIMESTAMP NOT NULL,
    stop       TIMESTAMP NOT NULL,   -- of its last snapshot; before the day's end, more follow
    inputs     VARCHAR   NOT NULL,   -- digest of all that it was computed from
    cells      BIGINT    NOT NULL,   -- rows of liquidation_snapshots
    has_events BOOLEAN   NOT NULL    -- whether position_events hold its events
);

-- A book from which to go on, as bytes of an npz file without pickles. Key: series_id.
CREATE TABLE snapshot_checkpoints (
    series_id INTEGER   NOT NULL,
    stop      TIMESTAMP NOT NULL,   -- end of the book's last bar
    inputs    VARCHAR   NOT NULL,   -- digest of all that it was computed from
    content   BLOB      NOT NULL
);

-- Key: series_id, timestamp, price_bucket, side.
CREATE TABLE liquidation_snapshots (
    series_id       INTEGER   NOT NULL,
    timestamp       TIMESTAMP NOT NULL,   -- end of the interval
    exchange        VARCHAR   NOT NULL,
    symbol          VARCHAR   NOT NULL,
    price_bucket    DOUBLE    NOT NULL,   -- quote, low edge
    side            VARCHAR   NOT NULL CHECK (side IN ('long', 'short')),
    active_volume   DOUBLE    NOT NULL,   -- quote, notional open at the timestamp
    consumed_volume DOUBLE    NOT NULL    -- quote, notional liquidated within the interval
);

-- What a snapshot holds at any price. Key: series_id, timestamp.
CREATE TABLE snapshot_totals (
    series_id        INTEGER   NOT NULL,
    timestamp        TIMESTAMP NOT NULL,   -- end of the interval
    open_interest    DOUBLE    NOT NULL,   -- base
    opened_long      DOUBLE    NOT NULL,   -- base, within the interval
    opened_short     DOUBLE    NOT NULL,   -- base
    closed_long      DOUBLE    NOT NULL,   -- base
    closed_short     DOUBLE    NOT NULL,   -- base
    liquidated_long  DOUBLE    NOT NULL,   -- base
    liquidated_short DOUBLE    NOT NULL,   -- base
    tracked_long     DOUBLE    NOT NULL,   -- base, levels open at the timestamp
    tracked_short    DOUBLE    NOT NULL    -- base
);

CREATE TABLE position_events (
    series_id INTEGER   NOT NULL,
    time      TIMESTAMP NOT NULL,   -- end of the bar
    exchange  VARCHAR   NOT NULL,
    symbol    VARCHAR   NOT NULL,
    side      VARCHAR   NOT NULL CHECK (side IN ('long', 'short')),
    event     VARCHAR   NOT NULL CHECK (event IN ('opened', 'closed', 'liquidated')),
    price     DOUBLE    NOT NULL,   -- quote: entry, the bar's close, or liquidation
    quantity  DOUBLE    NOT NULL,   -- base
    leverage  DOUBLE                -- NULL where all levels shrink alike
);
