"""HTTP by hand: connections kept open and requests made beforehand, so that it costs little."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import uvloop


@dataclass(frozen=True)
class Load:
    """Answers a second, and the seconds that each took, in order."""

    rate: float
    seconds: list[float]
    statuses: dict[int, int]

    def percentile(self, part: float) -> float:
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * part))]


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class _Sending:
    """`requests`, each sent once; with `rate`, so many a second, the first at `begun`."""

    def __init__(self, requests: Sequence[bytes], rate: float | None) -> None:
        self.waiting = list(reversed(requests))
        self.many = len(requests)
        self.rate = rate
        self.begun = perf_counter()
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}


class _Client(asyncio.Protocol):
    """One connection that asks, and asks again when it is answered, until nothing waits."""

    def __init__(self, sending: _Sending) -> None:
        self._all = sending
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._said = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        said = self._said = self._said + data if self._said else data
        end = said.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        at = said.find(b"content-length: ") + 16
        if len(said) < end + int(said[at : said.index(b"\r", at)]):
            return
        self._said = b""
        self._all.seconds.append(perf_counter() - self._started)
        status = int(said[9:12])
        self._all.statuses[status] = self._all.statuses.get(status, 0) + 1
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("hung up"))

    def _next(self) -> None:
        everything = self._all
        if not everything.waiting:
            self.ended.set_result(None)
            self._transport.close()
            return
        request = everything.waiting.pop()
        self._started = perf_counter()
        if everything.rate is None:
            self._transport.write(request)
            return
        turn = everything.many - len(everything.waiting)
        due = everything.begun + turn / everything.rate
        wait, self._started = due - self._started, due
        self._loop.call_later(max(0.0, wait), self._transport.write, request)


async def run(port: int, requests: Sequence[bytes], clients: int, rate: float | None) -> Load:
    """Send all `requests`, `clients` at a time; with `rate`, so many a second, and who has to wait
    for a client waits from the moment on when it was their turn.
    """
    loop = asyncio.get_running_loop()
    sending = _Sending(requests, rate)
    connected = [
        await loop.create_connection(lambda: _Client(sending), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.ended for _, client in connected))
    seconds = perf_counter() - sending.begun
    return Load(len(requests) / seconds, sending.seconds, sending.statuses)


def apply(port: int, requests: Sequence[bytes], clients: int, rate: float | None = None) -> Load:
    return uvloop.run(run(port, requests, clients, rate))
