"""How an answer that is there already leaves: head and body in one piece.

As ASGI has it, it goes in two messages, through whoever adds headers, and the server looks through
each of them with two patterns: 40 us, a quarter of what a command costs the loop. Its headers are
ours, and were looked through when the process began.
"""

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_WAY_OUT = "dealfolio.way_out"


class WayOut:
    """Of one request's answer. `head` is what every answer carries, in lines."""

    __slots__ = ("_cycle", "_head")

    def __init__(self, cycle: RequestResponseCycle, head: bytes) -> None:
        self._cycle = cycle
        self._head = head

    def send(self, status: int, head: bytes, body: bytes) -> bool:
        """The whole answer; `head` are more lines. False, and nothing is sent: the server has more
        to do for this one, so it goes the usual way.
        """
        cycle = self._cycle
        if cycle.flow.write_paused or cycle.access_log or cycle.scope["method"] == "HEAD":
            return False
        if cycle.disconnected:
            return True
        lines = [STATUS_LINE[status]]
        lines += [b"%s: %s\r\n" % pair for pair in cycle.default_headers]
        lines += [self._head, head]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += [b"\r\n", body]
        cycle.response_started, cycle.waiting_for_100_continue = True, False
        cycle.transport.write(b"".join(lines))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


def open_way_out(scope: Scope, cycle: RequestResponseCycle, head: bytes) -> None:
    scope[_WAY_OUT] = WayOut(cycle, head)


def way_out(scope: Scope) -> WayOut | None:
    """None where another server serves, as in some tests."""
    return scope.get(_WAY_OUT)
