-- Positions that really were open, as an exchange shows everybody's. Times are UTC.
-- One row for as long as a position's side, quantity and liquidation price were seen unchanged.
CREATE TABLE observed_positions (
    exchange          VARCHAR   NOT NULL,
    symbol            VARCHAR   NOT NULL,
    address           VARCHAR   NOT NULL,   -- of the user
    side              VARCHAR   NOT NULL CHECK (side IN ('long', 'short')),
    quantity          DOUBLE    NOT NULL,   -- base
    entry_price       DOUBLE    NOT NULL,   -- quote
    leverage          DOUBLE    NOT NULL,   -- as the user has set it
    isolated          BOOLEAN   NOT NULL,
    liquidation_price DOUBLE,               -- quote, the exchange's own; NULL if it has none
    margin            DOUBLE    NOT NULL,   -- USD
    first_seen        TIMESTAMP NOT NULL,
    last_seen         TIMESTAMP NOT NULL,
    PRIMARY KEY (exchange, symbol, address, first_seen)
);
