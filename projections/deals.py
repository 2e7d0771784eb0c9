"""The deals at a point: a page of them from the ledger, and one whole from its own short stream."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Cursor

from domain.deal import Deal, Status, fold
from domain.events import DealEvent, Recorded
from domain.history import Step, known, state_at, steps
from domain.values import DealId, ManagerId
from projections.log import deal_events
from projections.portfolio import Log


@dataclass(frozen=True, slots=True)
class DealLine:
    """A deal in a list. `position` is its opening's: the order of the list, and the cursor."""

    position: int
    deal_id: DealId
    title: str
    client: str
    opened_on: date
    currency: str
    status: Status
    owner: ManagerId
    potential_check: int
    progress: int
    expected_close_on: date | None


def deals_as_of(log: Log, as_of: date, position: int) -> list[DealLine]:
    """The definition: every deal open by `as_of`, folded."""
    lines = []
    for deal_id, events in log.items():
        facts = list(events)
        deal = state_at(facts, as_of, position)
        if deal is not None:
            lines.append(_line(min(fact.position for fact in facts), deal_id, deal))
    return sorted(lines, key=lambda line: line.position)


def _line(position: int, deal_id: DealId, deal: Deal) -> DealLine:
    return DealLine(
        position,
        deal_id,
        deal.title,
        deal.client,
        deal.opened_on,
        deal.currency,
        deal.status,
        deal.owner,
        deal.check,
        deal.progress,
        deal.expected_close_on,
    )


_DEALS: LiteralString = """
SELECT deals.deal, deals.deal_id, title, client, opened_on, currency,
       status, managers.manager_id, potential_check, progress, expected_close_on
FROM ledger.deals
CROSS JOIN LATERAL (
    SELECT status, owner, potential_check, progress, expected_close_on
    FROM ledger.deal_states
    WHERE deal = deals.deal AND effective_on <= %(as_of)s AND position <= %(position)s
    ORDER BY effective_on DESC, position DESC LIMIT 1
) AS state
JOIN ledger.managers ON manager = owner
WHERE deals.deal > %(after)s AND deals.deal <= %(position)s
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(owner)s::text IS NULL OR manager_id = %(owner)s)
  AND (%(seen)s::text[] IS NULL OR manager_id = ANY(%(seen)s) OR deals.deal IN (
      SELECT deal FROM ledger.postings
      WHERE manager = ANY (
          ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(seen)s)))
        AND effective_on <= %(as_of)s AND position <= %(position)s
      GROUP BY deal, manager
      HAVING sum(credit) <> 0 OR sum(actions) <> 0
          OR sum(amount) FILTER (WHERE account = 'claimed') <> 0))
ORDER BY deals.deal LIMIT %(limit)s
"""


def deals_from_ledger(
    cursor: Cursor[Any],
    as_of: date,
    position: int,
    *,
    after: int = 0,
    limit: int = 100,
    status: Status | None = None,
    owner: ManagerId | None = None,
    seen: Collection[ManagerId] | None = None,
) -> list[DealLine]:
    """The same: at most `limit` of them behind the opening at position `after`; with `seen`, only
    deals of which one of those managers is the owner or has a part.
    """
    asked = {
        "as_of": as_of,
        "position": position,
        "after": after,
        "limit": limit,
        "status": status,
        "owner": owner,
        "seen": None if seen is None else list(seen),
    }
    lines = (DealLine(*row) for row in cursor.execute(_DEALS, asked))
    return [replace(line, status=Status(line.status)) for line in lines]


@dataclass(frozen=True, slots=True)
class DealAtPoint:
    """One deal with its history: `history` is in book order, `version` counts what is known."""

    deal_id: DealId
    deal: Deal
    version: int
    history: tuple[Step, ...]


def deal_at(cursor: Cursor[Any], deal_id: UUID, as_of: date, position: int) -> DealAtPoint | None:
    """The deal from its own stream; None when it is unknown or not yet open at the point."""
    events: Iterable[Recorded[DealEvent]] = deal_events(cursor, deal_id, position)
    history = tuple(steps(known(events, as_of, position)))
    deal = fold(step.recorded for step in history)
    if deal is None:
        return None
    version = max(recorded.originator_version for recorded in events)
    return DealAtPoint(DealId(deal_id), deal, version, history)
