-- Truth of the simulated market: every position its traders held. Times are UTC.
CREATE TABLE simulated_positions (
    exchange          VARCHAR   NOT NULL,
    symbol            VARCHAR   NOT NULL,
    opened            TIMESTAMP NOT NULL,
    closed            TIMESTAMP,            -- NULL while open
    end_reason        VARCHAR   NOT NULL CHECK (end_reason IN ('open', 'closed', 'liquidated')),
    side              VARCHAR   NOT NULL CHECK (side IN ('long', 'short')),
    quantity          DOUBLE    NOT NULL,   -- base
    entry_price       DOUBLE    NOT NULL,   -- quote
    leverage          DOUBLE    NOT NULL,
    liquidation_price DOUBLE    NOT NULL    -- quote
);
