-- What exchanges publish. Times are UTC. Big tables have no PRIMARY KEY, because it doubles the
-- time of a load: their writers leave out rows whose key is stored already.
CREATE TABLE schema_migrations (
    version    INTEGER   NOT NULL PRIMARY KEY,
    name       VARCHAR   NOT NULL,
    applied_at TIMESTAMP NOT NULL
);

CREATE TABLE meta (
    key   VARCHAR NOT NULL PRIMARY KEY,
    value VARCHAR NOT NULL
);

-- Tells one database from another in watermarks.
INSERT INTO meta VALUES ('database_id', uuid()::VARCHAR);

-- Counts the transactions that changed a market's rows.
CREATE TABLE market_revisions (
    exchange VARCHAR NOT NULL,
    symbol   VARCHAR NOT NULL,
    revision BIGINT  NOT NULL,
    PRIMARY KEY (exchange, symbol)
);

-- Key: exchange, symbol, interval_seconds, open_time.
CREATE TABLE candles (
    exchange         VARCHAR   NOT NULL,
    symbol           VARCHAR   NOT NULL,
    interval_seconds INTEGER   NOT NULL,   -- a calendar month counts as 2592000
    open_time        TIMESTAMP NOT NULL,
    open             DOUBLE    NOT NULL,   -- quote
    high             DOUBLE    NOT NULL,   -- quote
    low              DOUBLE    NOT NULL,   -- quote
    close            DOUBLE    NOT NULL,   -- quote
    volume           DOUBLE    NOT NULL,   -- base
    quote_volume     DOUBLE,               -- quote, NULL where the source does not say
    taker_buy_volume DOUBLE                -- base, NULL where the source does not say
);

-- Key: exchange, symbol, interval_seconds, open_time.
CREATE TABLE mark_candles (
    exchange         VARCHAR   NOT NULL,
    symbol           VARCHAR   NOT NULL,
    interval_seconds INTEGER   NOT NULL,   -- a calendar month counts as 2592000
    open_time        TIMESTAMP NOT NULL,
    open             DOUBLE    NOT NULL,   -- quote
    high             DOUBLE    NOT NULL,   -- quote
    low              DOUBLE    NOT NULL,   -- quote
    close            DOUBLE    NOT NULL    -- quote
);

-- Key: exchange, symbol, time.
CREATE TABLE open_interest (
    exchange               VARCHAR   NOT NULL,
    symbol                 VARCHAR   NOT NULL,
    time                   TIMESTAMP NOT NULL,   -- as the exchange stamped it
    open_interest          DOUBLE    NOT NULL,   -- base, one side counted
    open_interest_notional DOUBLE                -- quote, NULL where the source does not say
);

-- Key: exchange, symbol, time.
CREATE TABLE funding_rates (
    exchange       VARCHAR   NOT NULL,
    symbol         VARCHAR   NOT NULL,
    time           TIMESTAMP NOT NULL,
    funding_rate   DOUBLE    NOT NULL,   -- per funding interval
    interval_hours DOUBLE                -- NULL where the source does not say
);

-- Key: all columns; a source that repeats a row adds it once.
CREATE TABLE liquidations (
    exchange VARCHAR   NOT NULL,
    symbol   VARCHAR   NOT NULL,
    time     TIMESTAMP NOT NULL,
    side     VARCHAR   NOT NULL CHECK (side IN ('long', 'short')),   -- of the position
    quantity DOUBLE    NOT NULL,   -- base
    price    DOUBLE    NOT NULL    -- quote, average fill
);

-- Key: exchange, symbol, trade_id.
CREATE TABLE trades (
    exchange  VARCHAR   NOT NULL,
    symbol    VARCHAR   NOT NULL,
    trade_id  BIGINT    NOT NULL,
    time      TIMESTAMP NOT NULL,
    price     DOUBLE    NOT NULL,   -- quote
    quantity  DOUBLE    NOT NULL,   -- base
    taker_buy BOOLEAN   NOT NULL
);

CREATE TABLE leverage_tiers (
    exchange         VARCHAR   NOT NULL,
    symbol           VARCHAR   NOT NULL,
    valid_from       TIMESTAMP NOT NULL,
    floor            DOUBLE    NOT NULL,   -- quote
    cap              DOUBLE    NOT NULL,   -- quote
    max_leverage     DOUBLE    NOT NULL,
    maintenance_rate DOUBLE    NOT NULL,
    deduction        DOUBLE    NOT NULL,   -- quote
    closing_fee      DOUBLE    NOT NULL,
    PRIMARY KEY (exchange, symbol, valid_from, floor)
);

-- The manifest: written in the transaction that stores a file's rows.
CREATE TABLE ingested_files (
    sha256       VARCHAR   NOT NULL,   -- of the file as it lies on disk
    exchange     VARCHAR   NOT NULL,
    symbol       VARCHAR   NOT NULL,
    kind         VARCHAR   NOT NULL,
    path         VARCHAR   NOT NULL,
    bytes        BIGINT    NOT NULL,
    rows_read    BIGINT    NOT NULL,
    rows_added   BIGINT    NOT NULL,
    first_time   TIMESTAMP,
    last_time    TIMESTAMP,
    trades_kept  BOOLEAN   NOT NULL,
    ingested_at  TIMESTAMP NOT NULL,
    PRIMARY KEY (sha256, exchange, symbol, kind)
);

-- End of a candle; a month has no fixed length.
CREATE MACRO candle_stop(open_time, interval_seconds) AS
    CASE
        WHEN interval_seconds = 2592000 THEN open_time + INTERVAL 1 MONTH
        ELSE open_time + to_seconds(interval_seconds)
    END;
