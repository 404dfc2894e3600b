"""Data that move when a test says so, and the socket that tells of it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from app.exchange_states import ExchangeState
from components.view import Positions

from .fake_heatmaps import START, STOP, FakeHeatmaps

BAR = timedelta(minutes=15)


class MovingHeatmaps(FakeHeatmaps):
    """The fake market as known at a time that a test moves on."""

    def __init__(self, stop=STOP - timedelta(days=2)):
        self.stop = stop
        self.drawn = 0
        self.gate = None
        """While it is set to an event, pictures wait for it."""

    def extent(self, symbol, exchanges=(), assumed=None):
        super().extent(symbol)
        return START, self.stop

    def view(self, request):
        known = self.stop
        self.drawn += 1
        if self.gate is not None:
            assert self.gate.wait(180)
        view = super().view(request)
        stop = np.datetime64(known.replace(tzinfo=None), "us")
        return replace(view, data_stop=stop, watermark=f"fake-{known:%d%H%M}")


class WithPositions(FakeHeatmaps):
    """The fake market with positions that were observed in it."""

    def view(self, request):
        view = super().view(request)
        times, edges = view.heatmap.times, view.heatmap.edges
        random = np.random.default_rng(5)
        n = 60
        start = times[0] + (random.random(n) * (times[-1] - times[0])).astype("timedelta64[us]")
        seen = Positions(
            first_seen=start,
            last_seen=start + (random.random(n) * (times[-1] - start)).astype("timedelta64[us]"),
            liquidation_price=edges[0] + random.random(n) * (edges[-1] - edges[0]),
            notional=random.gamma(0.5, 4e6, n),
            side=np.where(random.random(n) < 0.5, 1, -1).astype(np.int8),
            exchange=np.full(n, "hyperliquid"),
            account=np.arange(n),
        )
        return replace(view, positions=seen)


class FakeChanges:
    """``WS /ws/changes`` that says what a test tells it to."""

    def __init__(self, heatmaps):
        self.heatmaps = heatmaps
        self.open = {}
        self.connects = 0
        self.refuses = False
        self.number = 0
        self.router = APIRouter()
        self.router.websocket("/ws/changes")(self._serve)

    def move(self, by=BAR):
        """Let the data go on, and tell all who listen."""
        self.heatmaps.stop += by
        self.number += 1
        for socket, loop in list(self.open.items()):
            asyncio.run_coroutine_threadsafe(self._tell(socket), loop).result(10)

    def drop(self):
        """Close all sockets."""
        for socket, loop in list(self.open.items()):
            asyncio.run_coroutine_threadsafe(socket.close(), loop).result(10)

    async def _serve(self, socket: WebSocket):
        if self.refuses:
            await socket.close()
            return
        await socket.accept()
        self.connects += 1
        self.open[socket] = asyncio.get_running_loop()
        try:
            await self._tell(socket)
            while True:
                await socket.receive_text()
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.open.pop(socket, None)

    async def _tell(self, socket):
        await socket.send_json(
            {
                "symbol": socket.query_params["symbol"],
                "watermark": f"w{self.number}",
                "map_watermark": f"m{self.number}",
                "data_end": self.heatmaps.stop.isoformat().replace("+00:00", "Z"),
            }
        )


@dataclass
class FakeStates:
    """States of exchanges that a test changes."""

    states: dict

    def __call__(self):
        return [self._state(exchange, state) for exchange, state in self.states.items()]

    def _state(self, exchange, state):
        seen = None if state == "off" else datetime(2026, 2, 8, 12, 3, 5, tzinfo=UTC)
        return ExchangeState(
            exchange=exchange,
            state=state,
            last_message=seen,
            last_event=seen,
            messages_per_minute=0,
            events_per_minute=0,
            reconnects=0,
            lag=None if seen is None else 0.12,
            last_error="timed out" if state == "down" else None,
            last_error_time=seen if state == "down" else None,
            updated_at=seen,
        )
