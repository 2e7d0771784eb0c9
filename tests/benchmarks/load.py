"""HTTP by hand: connections kept open and requests made beforehand, so that it costs little."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

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


async def run(port: int, requests: Sequence[bytes], clients: int, rate: float | None) -> Load:
    """Send all `requests`, `clients` at a time; with `rate`, so many a second, and who has to wait
    for a client waits from the moment on when it was their turn.
    """
    waiting = list(reversed(requests))
    seconds: list[float] = []
    statuses: dict[int, int] = {}

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            started = perf_counter()
            given = waiting.pop()
            if rate is not None:
                due = begun + (len(requests) - len(waiting)) / rate
                await asyncio.sleep(due - started)
                started = due
            writer.write(given)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            seconds.append(perf_counter() - started)
            status = int(head[9:12])
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()
        await writer.wait_closed()

    begun = perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(len(requests) / (perf_counter() - begun), seconds, statuses)


def apply(port: int, requests: Sequence[bytes], clients: int, rate: float | None = None) -> Load:
    return uvloop.run(run(port, requests, clients, rate))
