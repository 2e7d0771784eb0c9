"""A report of the whole company takes long to add up, and says the same at all positions between
which nothing was learnt that holds by its day: so it is kept.

Reports are told as plain members and lists, in the order of the model that the documentation has of
them, and written down at once: a hundred thousand figures, made here, need not be checked one by
one. A test holds every report to its model.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from api.answers import asked
from api.asking import Desk, PointQuestion
from domain.access import Reach
from domain.values import ManagerId
from projections.point import Point

Fields = Mapping[str, Any]
"""Those of an answer, without its point, or of a part of it."""


def kept(
    at: Desk,
    point: Point,
    question: PointQuestion,
    called: Mapping[ManagerId, str],
    make: Callable[[], Fields],
) -> Response:
    """What `make` tells, from memory where it was made before: it depends on the point, on what
    else is asked by a `question` of the report's own type, and on what managers are `called`.
    Whoever does not see everybody is told of those whom they may see today, and so anew each time.
    """
    if at.reach is not Reach.ALL:
        return _told(point, to_json(make()))
    remembered = at.remembered
    answers, names = remembered.answers, remembered.names(called)
    day, learnt = point.as_of, _last_learnt(at, point)
    whole = day, learnt, question.beside_the_point, names
    rest = answers.find(whole)
    if rest is None:
        rest = to_json(make())
        answers.keep(whole, rest)
    return _told(point, rest)


def learnt_of(at: Desk, position: int) -> Callable[[date], int]:
    """The last position, up to that, from which on nothing more was learnt of deals that holds by a
    day; the position itself, as long as that takes long to tell.
    """
    from projections.reports.columns import NotHeld, number_of  # noqa: PLC0415 - with numpy
    from projections.reports.postings import EVENTS  # noqa: PLC0415 - likewise

    try:
        events = at.tables(position).of(EVENTS)
    except NotHeld:
        return lambda _: position
    return lambda day: events.last_learnt(number_of(day), position)


def _last_learnt(at: Desk, point: Point) -> int:
    """The same of the point's day, and of people, catalogue and targets."""
    return max(
        learnt_of(at, point.position)(point.as_of),
        at.service.directory.last_learnt(at.cursor, point.position),
    )


def _told(point: Point, rest: bytes) -> Response:
    head = to_json(asked(point))
    return Response(b"".join((head[:-1], b",", rest[1:])), media_type="application/json")
