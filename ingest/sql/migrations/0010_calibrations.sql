-- What was measured of markets and is kept: calibrations, and fitted assumptions. Times are UTC.
CREATE TABLE calibrations (
    exchange        VARCHAR   NOT NULL,
    symbol          VARCHAR   NOT NULL,
    feed            VARCHAR   NOT NULL,   -- exchange that reported the liquidations
    assumptions     VARCHAR   NOT NULL,   -- model and all its parameters, JSON with sorted keys
    inputs          VARCHAR   NOT NULL,   -- digest of the sums that it was made of
    watermark       VARCHAR   NOT NULL,   -- of the data
    program_version VARCHAR   NOT NULL,
    calibrated_at   TIMESTAMP NOT NULL,
    result          VARCHAR   NOT NULL,   -- JSON
    PRIMARY KEY (exchange, symbol, feed, assumptions)
);

CREATE TABLE fits (
    exchange        VARCHAR   NOT NULL,
    symbol          VARCHAR   NOT NULL,
    name            VARCHAR   NOT NULL,   -- of the preset
    assumptions     VARCHAR   NOT NULL,   -- what differs from the model's own, JSON
    watermark       VARCHAR   NOT NULL,   -- of the data
    program_version VARCHAR   NOT NULL,
    fitted_at       TIMESTAMP NOT NULL,
    result          VARCHAR   NOT NULL,   -- JSON
    PRIMARY KEY (exchange, symbol, name)
);
