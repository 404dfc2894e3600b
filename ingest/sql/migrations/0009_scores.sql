-- The last score of each market under each set of assumptions. Times are UTC.
CREATE TABLE scores (
    exchange        VARCHAR   NOT NULL,
    symbol          VARCHAR   NOT NULL,
    assumptions     VARCHAR   NOT NULL,   -- model and all its parameters, JSON with sorted keys
    start           TIMESTAMP NOT NULL,   -- of the period that was asked for
    stop            TIMESTAMP NOT NULL,
    watermark       VARCHAR   NOT NULL,   -- of the data
    program_version VARCHAR   NOT NULL,
    scored_at       TIMESTAMP NOT NULL,
    result          VARCHAR   NOT NULL,   -- JSON
    PRIMARY KEY (exchange, symbol, assumptions)
);
