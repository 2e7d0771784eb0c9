"""Answers that are sent as they are: ASGI, without a framework on the way."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from api.http.guard import lines_of
from api.http.way_out import way_out
from application.orders import Answer
from domain.events import instant_text


def told(answer: Answer) -> dict[str, Any]:
    return {
        **answer.ids,
        "version": answer.version,
        "position": answer.position,
        "recorded_at": instant_text(answer.recorded_at),
    }


class Ready:
    """JSON that is there already. What `more` says must be fit for a header."""

    def __init__(
        self, body: bytes, status: int = 200, more: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        self._body, self._status, self._more = body, status, more

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self._body)),
            *self._more,
        ]
        way = way_out(scope)
        if way is not None and way.send(self._status, lines_of(headers), self._body):
            return
        start = {"type": "http.response.start", "status": self._status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._body})


def answered(answer: Answer) -> Ready:
    """A command's answer."""
    status = 201 if answer.created else 200
    return Ready(to_json(told(answer)), status, [(b"etag", b'"%d"' % answer.version)])


def answered_all(answers: Sequence[Answer]) -> Ready:
    """The answers to a batch: 201 when one of its commands made something."""
    status = 201 if any(answer.created for answer in answers) else 200
    return Ready(to_json({"results": [told(answer) for answer in answers]}), status)
