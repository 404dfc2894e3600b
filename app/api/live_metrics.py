"""Figures of live connections for Prometheus."""

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from app.exchange_states import ExchangeState
from app.live.feed import LiveFeed
from ingest.live.health import State


class LiveMetrics(Collector):
    """Connections to exchanges and to those who listen, as they are when Prometheus asks.

    Parameters
    ----------
    states : callable
        Tells how connections to exchanges are.
    feed : LiveFeed, optional
        Tells others what has been stored.
    """

    def __init__(
        self, states: Callable[[], Sequence[ExchangeState]], feed: LiveFeed | None = None
    ) -> None:
        self._states, self._feed = states, feed

    def collect(self) -> Iterable[Metric]:
        """Yield the figures."""
        states = self._states()
        yield _state(states)
        for name, (field, about) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"liqheat_exchange_{name}", about, labels=["exchange"])
            for each in states:
                if (value := getattr(each, field)) is not None:
                    gauge.add_metric([each.exchange], value)
            yield gauge
        for name, (field, about) in _COUNTERS.items():
            counter = CounterMetricFamily(f"liqheat_exchange_{name}", about, labels=["exchange"])
            for each in states:
                if (value := getattr(each, field)) is not None:
                    counter.add_metric([each.exchange], value)
            yield counter
        if self._feed is not None:
            yield from _feed(self._feed)


def _state(states: Sequence[ExchangeState]) -> Metric:
    metric = StateSetMetricFamily(
        "liqheat_exchange_state", "How the live connection is.", labels=["exchange"]
    )
    for each in states:
        metric.add_metric([each.exchange], {name: name == each.state for name in get_args(State)})
    return metric


def _feed(feed: LiveFeed) -> Iterable[Metric]:
    yield GaugeMetricFamily("liqheat_sockets", "Clients that listen.", value=feed.listeners)
    yield CounterMetricFamily(
        "liqheat_live_liquidations", "Liquidations stored as they came.", value=feed.published
    )
    yield CounterMetricFamily(
        "liqheat_live_dropped", "Liquidations that slow clients missed.", value=feed.dropped
    )


_GAUGES = {
    "lag_seconds": ("lag", "Time from liquidations to their receipt, median."),
    "events_per_minute": ("events_per_minute", "Liquidations of the last minute."),
    "messages_per_minute": ("messages_per_minute", "Messages of the last minute."),
}
_COUNTERS = {
    "reconnects": ("reconnects", "Connections made again after a loss."),
    "events": ("events", "Liquidations that came."),
    "overflows": ("overflows", "Liquidations dropped because too many waited to be stored."),
}
