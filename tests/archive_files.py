"""Made-up files, named and laid out as in Binance's archive."""

import hashlib
import zipfile
from datetime import UTC, datetime, timedelta

KLINES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
METRICS = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
FUNDING = "calc_time,funding_interval_hours,last_funding_rate"
TRADES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
LIQUIDATIONS = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,"
    "last_fill_quantity,accumulated_fill_quantity"
)
DAY = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday


def millis(time):
    return int(time.timestamp() * 1000)


def kline(time, minutes=1, *, price=100.0, volume=2.0, taker=0.5):
    """Return a row of klines: it opens and closes at `price`, one up and one down between."""
    stop = millis(time + timedelta(minutes=minutes)) - 1
    return (
        f"{millis(time)},{price},{price + 1},{price - 1},{price},{volume},{stop},"
        f"{price * volume},7,{taker},{price * taker},0"
    )


def klines(n, minutes=1, start=DAY):
    return [
        kline(start + k * timedelta(minutes=minutes), minutes, price=100.0 + k) for k in range(n)
    ]


def metric(time, value="1000.5", notional="100050.0"):
    return f"{time:%Y-%m-%d %H:%M:%S},BTCUSDT,{value},{notional},,,,"


def metrics(n, start=DAY):
    return [metric(start + timedelta(minutes=5 * (k + 1)), f"{1000 + k}") for k in range(n)]


def trade(number, time, *, price=100.0, quantity=1.0, maker="false"):
    return f"{number},{price},{quantity},{number},{number},{millis(time)},{maker}"


def text(rows, header=None):
    return "\n".join([header, *rows] if header else rows) + "\n"


def write_zip(path, content, *, member=None, checksum=True):
    """Write a zip of one CSV file, and its checksum beside it; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member or f"{path.stem}.csv", content)
    if checksum:
        write_checksum(path)
    return path


def write_checksum(path, digest=None):
    digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")


def write_klines(root, rows, name="BTCUSDT-1m-2026-01-05", *, header=KLINES, folder="klines"):
    symbol, interval = name.split("-")[:2]
    path = root / "data/futures/um/daily" / folder / symbol / interval / f"{name}.zip"
    return write_zip(path, text(rows, header))


def write_daily(root, folder, rows, header, symbol="BTCUSDT"):
    path = root / "data/futures/um/daily" / folder / symbol / f"{symbol}-{folder}-2026-01-05.zip"
    return write_zip(path, text(rows, header))
