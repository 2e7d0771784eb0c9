"""How requests arrive: whole, soon, and of a bounded size, or the connection is cut.

uvicorn waits for ever for the rest of a head or of a body, and takes a head of any length. Both are
here, where bytes come in; what was read is the application's business.
"""

import socket
from asyncio import TimerHandle
from dataclasses import dataclass
from errno import EADDRINUSE
from typing import Any, cast

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.http.guard import Guard, is_loopback, lines_of
from api.http.way_out import open_way_out
from api.problems import Problem, language_of, respond
from api.settings import Settings
from api.words import Language

MOST_HEAD_BYTES = 32_768
"""Of the request line and all headers; somewhat more is taken when it comes in many pieces."""
MOST_URL_BYTES = 8_192
BOUNDS = "bounds"
"""The name under which an application's lifespan hands its Bounds to the protocol."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the protocol needs to know of the application: what `guard` adds is on its refusals too,
    and on answers that leave in one piece.
    """

    request_seconds: float
    connections: int
    language: Language
    guard: Guard


class UnsafeHost(Exception):
    """Anybody on the way could read along: `str()` in English, `russian` in Russian."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Keys and figures would go to {host} in the clear, for anybody on their way to read."
            " Leave --host out and put a proxy that speaks TLS in front. If that runs on another"
            " machine, set DEALFOLIO_BEHIND_TLS=yes; to do without, DEALFOLIO_INSECURE_HOST=yes."
        )
        self.russian = (
            f"Ключи и суммы шли бы на {host} открыто, и их прочёл бы любой по пути. Не указывайте"
            " --host и поставьте впереди прокси с TLS. Если прокси на другой машине, задайте"
            " DEALFOLIO_BEHIND_TLS=yes; если TLS не нужен — DEALFOLIO_INSECURE_HOST=yes."
        )


def require_safe(settings: Settings) -> None:
    """Raises UnsafeHost for an address that others reach, without TLS and without a word for it."""
    if not (is_loopback(settings.host) or settings.behind_tls or settings.insecure_host):
        raise UnsafeHost(settings.host or "0.0.0.0")  # noqa: S104 - named, not listened on


class CannotListen(Exception):
    """At an address that is another program's, or none of this machine's: `str()` in English,
    `russian` in Russian.
    """

    def __init__(self, address: str, error: OSError) -> None:
        if error.errno == EADDRINUSE:
            super().__init__(
                f"Another program listens at {address}. Choose another port with --port, or end it."
            )
            self.russian = (
                f"По адресу {address} слушает другая программа. Выберите порт: --port, или"
                " завершите её."
            )
        else:
            super().__init__(f"Nobody can listen at {address}: {error.strerror}. See --host.")
            self.russian = f"По адресу {address} слушать нельзя: {error.strerror}. См. --host."


def require_free(settings: Settings) -> None:
    """Raises CannotListen before anything is made for a service that could not be reached."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        raise CannotListen(settings.address, error) from None


def server_options(settings: Settings) -> dict[str, Any]:
    """Of uvicorn, wherever it serves this application."""
    return {
        "http": Patient,
        "ws": "none",
        "access_log": False,
        "server_header": False,  # which names what to attack
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
    }


class Patient(HttpToolsProtocol):
    """One connection. Patient for `request_seconds` with each request, from its first byte to its
    last; and as long with a new connection that says nothing.

    Nearly all requests arrive in one piece: for them no timer is set.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as uvicorn calls it
        super().__init__(*args, **options)
        self.access_log = self.config.access_log  # not whether anybody listens to that logger
        self._bounds: Bounds = self.app_state[BOUNDS]
        self._timer: TimerHandle | None = None
        self._under_way = self._in_head = False
        self._arrived = self._piece = 0
        self._refusal = "malformed-request"

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's and uvloop's
        super().connection_made(transport)
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._piece = len(data)
        self._arrived += self._piece
        super().data_received(data)
        if not self._under_way:
            return
        if self._timer is None:
            self._set_timer()
        if self._in_head and self._arrived > MOST_HEAD_BYTES:
            self._refuse("head-too-large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._under_way = self._in_head = True
        self._arrived = 0

    def on_headers_complete(self) -> None:
        """What is raised here ends in `send_400_response`."""
        self._in_head = False
        if len(self.url) > MOST_URL_BYTES:
            self._give_up("uri-too-long")
        if self._arrived + self._piece > MOST_HEAD_BYTES:  # else it cannot be: no need to count
            lengths = (len(name) + len(value) for name, value in self.headers)
            if len(self.url) + sum(lengths) > MOST_HEAD_BYTES:
                self._give_up("head-too-large")
        if len(self.connections) > self._bounds.connections:
            self._give_up("unavailable")
        super().on_headers_complete()
        open_way_out(cast("Scope", self.scope), self.cycle, self._bounds.guard.data_lines)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._under_way = False
        self._unset_timer()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, in English
        self._refuse(self._refusal)

    def _give_up(self, slug: str) -> None:
        self._refusal = slug
        raise httptools.HttpParserError(slug)

    def _set_timer(self) -> None:
        self._timer = self.loop.call_later(self._bounds.request_seconds, self._expired)

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        if self._under_way:
            self._refuse("request-timeout")
        else:
            self.transport.close()

    def _refuse(self, slug: str) -> None:
        """Say why, where that is the answer that is waited for, and hang up."""
        if self._answer_is_due():
            self.transport.write(self._problem(slug))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _answer_is_due(self) -> bool:
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:  # this request was not handed on yet
            return cycle is None or cycle.response_complete
        return not cycle.response_started and not self.pipeline

    def _problem(self, slug: str) -> bytes:
        accepted = dict(self.headers or ()).get(b"accept-language", b"").decode("latin-1")
        response = respond(Problem(slug), language_of(accepted, self._bounds.language))
        pairs = [*response.raw_headers, *self._bounds.guard.data, (b"connection", b"close")]
        head = lines_of(pairs)
        return STATUS_LINE[response.status_code] + head + b"\r\n" + bytes(response.body)
