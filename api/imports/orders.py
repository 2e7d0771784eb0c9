"""Rows as the orders that the API would give: managers first, then openings, actions and ends.

Each order has an Idempotency-Key made of the row's external id, and so has the deal or action its
UUID: the same row is answered from its receipt, and another row under the same id is refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256

from api.imports.managers import Staff
from api.imports.rows import WON, ActionRow, DealRow, Origin, Row, digest
from api.imports.words import Flaw
from application.orders import Order
from domain.deal_commands import Lose, OpenDeal, PerformAction, Win
from domain.decisions import Command
from domain.directory_commands import RegisterManager
from domain.values import ActionId, ActionTypeCode, DealId, ManagerId, Money, stream_of

ACTOR = "import"


Seen = dict[tuple[str, str], tuple[Origin, bytes]]
"""By what a row is and its external id: where it was first met, and the digest of what it said."""


class StepKind(IntEnum):
    """In the order in which they are done."""

    MANAGER = 0
    OPENING = 1
    ACTION = 2
    CLOSING = 3


@dataclass(frozen=True, slots=True)
class Step:
    """An order, and the row to be named when it is refused.

    `dated_by` is the column with the order's date; `deal` the external id of the deal concerned.
    """

    kind: StepKind
    order: Order
    origin: Origin
    dated_by: str = ""
    deal: str = ""


@dataclass(slots=True)
class Plan:
    """What is to be done, in order; `repeated` counts the rows that stand in the files twice."""

    steps: list[Step] = field(default_factory=list)
    flaws: list[tuple[Origin, Flaw]] = field(default_factory=list)
    deals_amiss: set[str] = field(default_factory=set)
    repeated: int = 0


def plan(rows: Iterable[Row], staff: Staff) -> Plan:
    """Openings by date, then actions by date, then the ends of deals by date; ties as in the files.

    A row whose manager cannot be told, or whose external id another row has too, is a flaw.
    """
    result = Plan()
    seen: Seen = {}
    dated: list[tuple[date, Step]] = []
    for row in rows:
        try:
            manager = staff.id_of(row.manager, row.origin)
            request = digest(row, manager)
            if _is_repeated(row, request, seen):
                result.repeated += 1
            else:
                dated += _steps(row, manager, request)
        except Flaw as flaw:
            result.flaws.append((row.origin, flaw))
            if isinstance(row, DealRow):
                result.deals_amiss.add(row.deal)
    dated.sort(key=lambda one: (one[1].kind, one[0]))
    result.steps = [*_registrations(staff), *(step for _, step in dated)]
    return result


def _is_repeated(row: Row, request: bytes, seen: Seen) -> bool:
    """Raises Flaw when the id is another row's."""
    subject, name = ("deal", row.deal) if isinstance(row, DealRow) else ("action", row.action)
    first, asked = seen.setdefault((subject, name), (row.origin, request))
    if asked != request:
        raise Flaw(f"twice-{subject}", subject, file=first.file, other=first.line)
    return first is not row.origin


def _registrations(staff: Staff) -> Iterator[Step]:
    for manager, origin in staff.new.items():
        command = RegisterManager(manager, staff.names[manager])
        order = _order(f"manager/{manager}", sha256(manager.encode()).digest(), command)
        yield Step(StepKind.MANAGER, order, origin)


def _steps(row: Row, manager: ManagerId, request: bytes) -> Iterator[tuple[date, Step]]:
    origin, deal = row.origin, row.deal
    if isinstance(row, ActionRow):
        order = _order(f"action/{row.action}", request, _action(row, manager))
        yield row.effective_on, Step(StepKind.ACTION, order, origin, "effective_on", deal)
        return
    order = _order(f"deal/{deal}/opening", request, _opening(row, manager))
    yield row.opened_on, Step(StepKind.OPENING, order, origin, "opened_on", deal)
    if row.closed_on is not None:
        order = _order(f"deal/{deal}/closing", request, _closing(row, row.closed_on))
        yield row.closed_on, Step(StepKind.CLOSING, order, origin, "closed_on", deal)


def _order(key: str, request: bytes, command: Command) -> Order:
    return Order(command, ACTOR, key=f"import/{key}", request=request)


def _opening(row: DealRow, manager: ManagerId) -> OpenDeal:
    return OpenDeal(
        _deal_id(row.deal),
        row.title,
        row.client,
        Money(amount=row.potential_check, currency=row.currency),
        manager,
        row.opened_on,
        row.expected_close_on,
    )


def _action(row: ActionRow, manager: ManagerId) -> PerformAction:
    return PerformAction(
        _deal_id(row.deal),
        ActionId(stream_of("imported-action", row.action)),
        ActionTypeCode(row.action_type),
        row.effective_on,
        manager,
        evidence=row.evidence,
        comment=row.comment,
    )


def _closing(row: DealRow, closed_on: date) -> Win | Lose:
    if row.outcome == WON:
        assert row.contract_amount is not None, "a row that is won has a contract"
        return Win(_deal_id(row.deal), row.contract_amount, closed_on)
    assert row.loss_reason is not None, "a row that is lost has a reason"
    return Lose(_deal_id(row.deal), row.loss_reason, closed_on)


@lru_cache(maxsize=10_000)  # each is named by all its actions
def _deal_id(external_id: str) -> DealId:
    return DealId(stream_of("imported-deal", external_id))
