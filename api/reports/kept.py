"""A report of the whole company takes long to add up, and at an exact point is the same for ever:
so it is kept.

Reports are told as plain members and lists, in the order of the model that the documentation has of
them, and written down at once: a hundred thousand figures, made here, need not be checked one by
one. A test holds every report to its model.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from api.answers import asked
from api.asking import Desk
from domain.access import Reach
from projections.point import Point

Fields = Mapping[str, Any]
"""Those of an answer, without its point, or of a part of it."""


def kept(at: Desk, point: Point, question: Hashable, make: Callable[[], Fields]) -> Response:
    """What `make` tells, from memory where it was made before. `question` is everything that the
    answer depends on beside the day and the position: names too. Whoever does not see everybody
    is told of those whom they may see today, and so anew each time.
    """
    if at.reach is not Reach.ALL:
        return _told(point, to_json(make()))
    answers, whole = at.remembered.answers, (point.as_of, point.position, question)
    rest = answers.find(whole)
    if rest is None:
        rest = to_json(make())
        answers.keep(whole, rest)
    return _told(point, rest)


def _told(point: Point, rest: bytes) -> Response:
    head = to_json(asked(point))
    return Response(b"".join((head[:-1], b",", rest[1:])), media_type="application/json")
