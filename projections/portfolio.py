"""What was the portfolio of every manager on a date? And of one, deal by deal."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from operator import itemgetter
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar

from psycopg import Cursor

from domain.deal import Deal, Status
from domain.events import DealEvent, PeriodTotal, Recorded
from domain.history import state_at
from domain.ledger import holdings
from domain.values import DealId, ManagerId, value_text
from projections.ledger import NOBODY, STANDING, ZERO, Standing, standing
from projections.snapshots import standings

Shown = TypeVar("Shown")
Figures = tuple[int, int, int, int, int, int, int, int, int]
"""The five of a Balance; then credit, progress, actions and deals, as in a Standing."""
Portfolios = Mapping[str, Mapping[ManagerId, Standing]]
"""By currency and manager; whoever has nothing at all is left out."""
Log = Mapping[DealId, Iterable[Recorded[DealEvent]]]
"""Every deal's events, in any order."""


def portfolios_as_of(log: Log, as_of: date, position: int) -> Portfolios:
    """The definition: fold every deal, and add up what its state is worth to whom."""
    result: dict[str, dict[ManagerId, Standing]] = defaultdict(lambda: defaultdict(Standing))
    for events in log.values():
        deal = state_at(events, as_of, position)
        for (manager, account), held in holdings(deal).items():
            assert deal is not None, "what is not open is worth nothing"
            managers = result[deal.currency]
            managers[manager] = managers[manager].with_holding(account, held)
    return result


def portfolios_from_ledger(
    cursor: Cursor[Any], as_of: date, position: int, managers: Collection[ManagerId] | None = None
) -> Portfolios:
    """The same as the sum of the postings, of everybody or of `managers`."""
    result: dict[str, dict[ManagerId, Standing]] = {}
    for currency, manager, held in standings(cursor, as_of, position, managers):
        result.setdefault(currency, {})[manager] = held
    return result


def totals_at(cursor: Cursor[Any], as_of: date, position: int) -> tuple[PeriodTotal, ...]:
    """What a period's closing keeps: every manager who has a value, by currency and id."""
    return tuple(
        PeriodTotal(
            manager_id=manager,
            currency=currency,
            **{account: value_text(value) for account, value in held.balance._asdict().items()},
        )
        for currency, managers in portfolios_from_ledger(cursor, as_of, position).items()
        for manager, held in managers.items()
        if held.balance != ZERO
    )


class About(NamedTuple):
    """What a deal keeps for ever."""

    deal_id: DealId
    title: str
    client: str
    currency: str


State = tuple[Status, int, int]
"""How a deal stands: its status, its check in kopecks, its progress in basis points."""


class DealRow(NamedTuple):
    """One deal in one manager's portfolio; `standing` is that manager's part of it."""

    deal_id: DealId
    title: str
    client: str
    currency: str
    status: Status
    potential_check: int
    deal_progress: int
    standing: Standing


_NOTHING: Figures = (0, 0, 0, 0, 0, 0, 0, 0, 0)


class Line(NamedTuple, Generic[Shown]):
    """A row as it is shown, beside what is summed: the fields of its standing, one by one. Or rows
    of one currency that follow each other.
    """

    currency: str
    figures: Figures
    shown: Shown


ShowDeal = Callable[[State, Figures], Shown]
"""How to show one deal: how it stands, and what of it is held."""
Show = Callable[[About], ShowDeal[Shown]]
"""How to show any deal: made once for what is the same of it for ever."""


def line_of(row: DealRow, show: Show[Shown]) -> Line[Shown]:
    figures = figures_of(row.standing)
    return Line(row.currency, figures, show(About(*row[:4]))(row[4:7], figures))


def figures_of(held: Standing) -> Figures:
    return *held.balance, held.credit, held.progress, held.actions, held.deals


def is_shown(figures: Figures) -> bool:
    """Whether the manager has anything in the deal beside the memory of an action."""
    active, claimed, suspended, lost, won, _, progress, _, deals = figures
    return bool(active or claimed or suspended or lost or won or progress or deals)


def summed(lines: Iterable[Line[Any]]) -> Figures:
    active, claimed, suspended, lost, won, *counts = map(
        sum, zip(_NOTHING, *(line.figures for line in lines), strict=True)
    )
    credit, progress, actions, deals = counts
    return active, claimed, suspended, lost, won, credit, progress, actions, deals


def manager_portfolio_as_of(
    log: Log, manager: ManagerId, as_of: date, position: int
) -> list[DealRow]:
    """The definition: every deal in which the manager has anything, in the order of opening."""
    rows = []
    for deal_id, events in log.items():
        facts = list(events)
        deal = state_at(facts, as_of, position)
        held = NOBODY
        for (who, account), holding in holdings(deal).items():
            if who == manager:
                held = held.with_holding(account, holding)
        if deal is not None and held != NOBODY:
            opened = min(fact.position for fact in facts)
            rows.append((opened, _row(deal_id, deal, held)))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _row(deal_id: DealId, deal: Deal, held: Standing) -> DealRow:
    return DealRow(
        deal_id,
        deal.title,
        deal.client,
        deal.currency,
        deal.status,
        deal.check,
        deal.progress,
        held,
    )


_OPENED = itemgetter(7)
"""Of a row: where its deal was opened."""
_MANAGER: LiteralString = f"""
SELECT deals.deal_id, deals.title, deals.client, deals.currency,
       state.status, state.potential_check, state.progress, held.*
FROM (
    SELECT deal, {STANDING}
    FROM ledger.postings
    WHERE manager = (SELECT manager FROM ledger.managers WHERE manager_id = %(manager)s)
      AND effective_on <= %(as_of)s AND position <= %(position)s
    GROUP BY deal
) AS held (deal, active, claimed, suspended, lost, won, credit, in_open, actions, counted)
CROSS JOIN LATERAL (
    SELECT deal_id, title, client, currency FROM ledger.deals
    WHERE deal = held.deal LIMIT 1  -- by its key: a join would read all deals
) AS deals
CROSS JOIN LATERAL (
    SELECT status, potential_check, progress FROM ledger.deal_states
    WHERE deal = held.deal
      AND effective_on <= %(as_of)s AND position <= %(position)s
    ORDER BY effective_on DESC, position DESC LIMIT 1
) AS state
"""
"""In no order: for one the database would put all postings in it, and not only the deals."""


def manager_portfolio_from_ledger(
    cursor: Cursor[Any], manager: ManagerId, as_of: date, position: int
) -> list[DealRow]:
    """The same from the ledger."""
    asked = {"manager": manager, "as_of": as_of, "position": position}
    rows = (
        DealRow(
            deal_id, title, client, currency, Status(status), check, progress, standing(columns)
        )
        for deal_id, title, client, currency, status, check, progress, _, *columns in sorted(
            cursor.execute(_MANAGER, asked).fetchall(), key=_OPENED
        )
    )
    return [row for row in rows if row.standing != NOBODY]
