-- What the model and the live collector leave behind. Times are UTC.
CREATE TABLE liquidation_snapshots (
    timestamp       TIMESTAMP NOT NULL,
    exchange        VARCHAR   NOT NULL,
    symbol          VARCHAR   NOT NULL,
    price_bucket    DOUBLE    NOT NULL,   -- quote, low edge
    side            VARCHAR   NOT NULL CHECK (side IN ('long', 'short')),
    active_volume   DOUBLE    NOT NULL,   -- quote
    consumed_volume DOUBLE    NOT NULL,   -- quote
    UNIQUE (timestamp, exchange, symbol, price_bucket, side)
);

CREATE TABLE position_events (
    time     TIMESTAMP NOT NULL,
    exchange VARCHAR   NOT NULL,
    symbol   VARCHAR   NOT NULL,
    side     VARCHAR   NOT NULL CHECK (side IN ('long', 'short')),
    event    VARCHAR   NOT NULL CHECK (event IN ('opened', 'closed', 'liquidated')),
    price    DOUBLE    NOT NULL,   -- quote
    quantity DOUBLE    NOT NULL,   -- base
    leverage DOUBLE                -- NULL where unknown
);

CREATE TABLE exchange_health (
    exchange     VARCHAR   NOT NULL PRIMARY KEY,
    state        VARCHAR   NOT NULL,
    last_message TIMESTAMP,
    last_event   TIMESTAMP,
    reconnects   BIGINT    NOT NULL,
    updated_at   TIMESTAMP NOT NULL
);
