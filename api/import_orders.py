"""Rows as the orders that the API would give: managers first, then openings, actions and ends.

Each order has an Idempotency-Key made of the row's external id, and so has the deal or action its
UUID: the same row is answered from its receipt, and another row under the same id is refused.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from api.import_rows import WON, ActionRow, DealRow, Origin, Row, digest
from api.import_words import Flaw
from application.orders import Order
from domain.deal_commands import Lose, OpenDeal, PerformAction, Win
from domain.decisions import Command
from domain.directory_commands import RegisterManager
from domain.values import ActionId, ActionTypeCode, DealId, ManagerId, Money, stream_of

ACTOR = "import"


@dataclass(frozen=True, slots=True)
class Step:
    """An order, and the row to be named when it is refused.

    `subject` is "manager", "deal" or "action"; `dated_by` the column with the order's date.
    `deal` is the external id of the deal concerned. `new` tells what counts as one row.
    """

    order: Order
    origin: Origin
    subject: str
    dated_by: str
    deal: str | None = None
    closing: bool = False


@dataclass(slots=True)
class Plan:
    """What is to be done, in order; `repeated` counts the rows that stand in the files twice."""

    steps: list[Step]
    flaws: list[tuple[Origin, Flaw]]
    repeated: int


def plan(rows: Iterable[Row], staff: "Staff") -> Plan:
    """Openings by date, then actions by date, then the ends of deals by date; ties as in the files.

    A row whose manager cannot be told, or whose external id another row has too, is a flaw.
    """
    result = Plan([], [], 0)
    seen: dict[tuple[str, str], tuple[Origin, bytes]] = {}
    dated: list[tuple[int, date, Step]] = []
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
    dated.sort(key=lambda one: one[:2])
    result.steps = [*staff.registrations(), *(step for _, _, step in dated)]
    return result


def _is_repeated(
    row: Row, request: bytes, seen: dict[tuple[str, str], tuple[Origin, bytes]]
) -> bool:
    """Raises Flaw when the id is another row's."""
    subject, name = ("deal", row.deal) if isinstance(row, DealRow) else ("action", row.action)
    if (subject, name) not in seen:
        seen[subject, name] = row.origin, request
        return False
    first, asked = seen[subject, name]
    if asked != request:
        raise Flaw(f"twice-{subject}", subject, file=first.file, other=first.line)
    return True


def _steps(row: Row, manager: ManagerId, request: bytes) -> list[tuple[int, date, Step]]:
    if isinstance(row, ActionRow):
        order = _order(f"action/{row.action}", request, _action(row, manager))
        step = Step(order, row.origin, "action", "effective_on", row.deal)
        return [(1, row.effective_on, step)]
    key = f"deal/{row.deal}"
    opening = _order(f"{key}/opening", request, _opening(row, manager))
    result = [(0, row.opened_on, Step(opening, row.origin, "deal", "opened_on", row.deal))]
    if row.outcome is not None and row.closed_on is not None:
        closing = _order(f"{key}/closing", request, _closing(row, row.closed_on))
        step = Step(closing, row.origin, "deal", "closed_on", row.deal, closing=True)
        result.append((2, row.closed_on, step))
    return result


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


def _deal_id(external_id: str) -> DealId:
    return DealId(stream_of("imported-deal", external_id))
