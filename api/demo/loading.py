"""The demo company: its story is loaded into an empty database, once, wholly or not at all."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import LiteralString, get_args

from api.demo.story import DEMO_ACTOR, RECEIPT_KEY, demo_orders
from api.service import Service
from application.orders import Answer, Unavailable
from domain.access import Grant
from domain.events import AccessEvent
from domain.values import Role
from projections.point import BEYOND

_RECEIPT: LiteralString = "SELECT FROM books.receipts WHERE principal = %s AND key = %s"
_ANYTHING: LiteralString = """
SELECT FROM books.events
WHERE topic <> ALL(%s) LIMIT 1
"""
_OF_ACCOUNTS = [event.__name__ for event in get_args(AccessEvent)]
"""What may be in the log before the story: whoever serves it has an account."""


class NotEmpty(Exception):
    """There are books in this database that are not the demo's; they were left as they are."""

    russian = (
        "В этой базе уже ведутся книги. Демонстрационная компания загружается только в пустую базу;"
        " ничего не изменено."
    )

    def __init__(self) -> None:
        super().__init__(
            "There are other books in this database. The demo company is loaded into an empty"
            " database only; nothing was changed."
        )


class StoryRefused(Exception):
    """The rehearsal and the books disagree; nothing was stored. `refusals` in order."""

    def __init__(self, refusals: Sequence[Exception]) -> None:
        super().__init__(*refusals)
        self.refusals = refusals


def load_demo(
    service: Service, today: date, progress: Callable[[int, int], None] = lambda _, __: None
) -> bool:
    """Load the story that ends on the evening before `today`, the company's date.

    True when it was loaded now, False when this data has it already. `progress` is told, in the
    writer's thread, how many of how many orders are decided; if it raises, nothing is stored.
    Raises NotEmpty, StoryRefused, Unavailable.
    """
    if _is_loaded(service):
        return False
    _require_empty(service)
    orders = demo_orders(today, service.settings.zone)

    def told(done: int) -> None:
        _require_empty(service)  # once more: now under the writers' lock
        progress(done, len(orders))

    try:
        outcomes = service.dealfolio.transactor.submit_all(orders, progress=told).result()
    except Unavailable as error:
        if not isinstance(error.__cause__, NotEmpty):
            raise
        if _is_loaded(service):  # somebody else did, meanwhile
            return False
        raise error.__cause__ from None
    if refusals := [one for one in outcomes if not isinstance(one, Answer)]:
        raise StoryRefused(refusals)
    return True


def grant_in_the_demo(service: Service, role: Role) -> Grant:
    """The manager is the first of the story; the head leads that manager's team of today."""
    with service.asking() as cursor:
        people = service.directory.at(cursor, BEYOND).people
    manager = next(iter(people.managers))
    team = people.team_of(manager, service.clock.today)
    return Grant(
        role,
        manager if role is Role.MANAGER else None,
        team if role is Role.HEAD else None,
    )


def _is_loaded(service: Service) -> bool:
    with service.asking() as cursor:
        return cursor.execute(_RECEIPT, [DEMO_ACTOR, RECEIPT_KEY]).fetchone() is not None


def _require_empty(service: Service) -> None:
    with service.asking() as cursor:
        if cursor.execute(_ANYTHING, [_OF_ACCOUNTS]).fetchone() is not None:
            raise NotEmpty
