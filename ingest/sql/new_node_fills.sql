-- An empty table for the liquidations of a file of node fills.
CREATE OR REPLACE TEMP TABLE batch (
    exchange      VARCHAR,
    symbol        VARCHAR,
    time          TIMESTAMP,
    side          TINYINT,
    quantity      DOUBLE,
    price         DOUBLE,
    price_kind    VARCHAR,
    trigger_price DOUBLE,
    received_at   TIMESTAMP,
    trade_id      BIGINT
);
