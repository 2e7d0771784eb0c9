"""A report of the whole company takes long to add up, and at an exact point is the same for ever:
so it is kept.
"""

from collections.abc import Callable, Hashable

from fastapi import Response
from pydantic_core import to_json

from api.answers import Asked, asked
from api.asking import Desk
from domain.access import Reach
from projections.point import Point

_POINT = {"as_of", "known_at", "position"}


def kept(at: Desk, point: Point, question: Hashable, make: Callable[[], Asked]) -> Response:
    """What `make` makes, from memory where it was made before. `question` is everything that the
    answer depends on beside the day and the position: names too. Whoever does not see everybody
    is told of those whom they may see today, and so anew each time.
    """
    if at.reach is not Reach.ALL:
        return _told(point, _rest(make()))
    answers, whole = at.remembered.answers, (point.as_of, point.position, question)
    rest = answers.find(whole)
    if rest is None:
        rest = _rest(make())
        answers.keep(whole, rest)
    return _told(point, rest)


def _rest(made: Asked) -> bytes:
    return made.__pydantic_serializer__.to_json(made, exclude=_POINT)


def _told(point: Point, rest: bytes) -> Response:
    head = to_json(asked(point))
    return Response(b"".join((head[:-1], b",", rest[1:])), media_type="application/json")
