"""How endpoints are declared, for the door that calls them and for the documentation.

An endpoint that returns a Command only says what is asked for, one that returns a Batch does so
many times; every other answers a question.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Response

from api.http.answered import Ready

Batch = tuple[tuple[str, object], ...]
"""The address and the body of each command."""
PlainText = Annotated[str, Body(media_type="text/plain")]
"""A body that is no JSON."""
AtOnce = Callable[..., Awaitable[Ready | None]]
_AT_ONCE: dict[Callable[..., Any], AtOnce] = {}
_TOLD_AGAIN: set[Callable[..., Any]] = set()
Report = TypeVar("Report", bound=Callable[..., Response])


def v1_router(**options: Any) -> APIRouter:  # noqa: ANN401 - the framework's options
    return APIRouter(prefix="/v1", **options)


def at_once(endpoint: Callable[..., Response]) -> Callable[[AtOnce], AtOnce]:
    """Marks a coroutine that gives a question's answer on the loop, without a thread, as long as it
    can do so soon, and None otherwise; the endpoint gives the same in any case.
    """

    def marked(sooner: AtOnce) -> AtOnce:
        _AT_ONCE[endpoint] = sooner
        return sooner

    return marked


def sooner_than(endpoint: Callable[..., Any]) -> AtOnce | None:
    """What was marked for it."""
    return _AT_ONCE.get(endpoint)


def told_again(endpoint: Report) -> Report:
    """Marks a report that is kept, and is told again when something was learnt: it depends on its
    `question`, and on `asking` by whom its caller may see.
    """
    _TOLD_AGAIN.add(endpoint)
    return endpoint


def is_told_again(endpoint: Callable[..., Any]) -> bool:
    return endpoint in _TOLD_AGAIN
