"""Which months were empty: by manager, deals closed, progress without a closing, or nothing.

A deal of years closes in few months, so a funnel sees nothing in all the others. The books see what
was done in them.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor

from domain.deal import Deal, Status, fold
from domain.history import Step, known, on, steps
from domain.periods import Month
from domain.values import Account, ManagerId
from projections.actions import ACTION_ID, EFFECTIVE_ON
from projections.ledger import EVERYBODY, SOME, THEIRS_BY_DAY, managers_asked, whose
from projections.portfolio import Log

EFFORT = (
    "ActionPerformed", "ActionConfirmed", "ActionRejected", "WeightChanged", "ActionWithdrawn",
)  # fmt: skip
"""Causes by which a portfolio moves with what was done; not with checks, handovers, closings."""
OUTCOMES: Mapping[str, Status] = {
    "DealWon": Status.WON, "DealLost": Status.LOST, "DealReopened": Status.OPEN,
}  # fmt: skip


class MonthState(StrEnum):
    __hash__ = str.__hash__  # as `Account`'s

    CLOSED = "closed"
    PROGRESS = "progress"
    NOTHING = "nothing"


_CLOSED, _PROGRESS, _NOTHING = MonthState  # members take their time to be found


class Done(NamedTuple):
    """What one manager did in one month. The closings, the positive `actions` and the `credit`
    (basis points) by effort are of all currencies; `gained` (active, by effort), `won` and `lost`
    are the changes of these accounts in the currency asked for, in 1/10 000 of a kopeck.
    """

    deals_won: int = 0
    deals_lost: int = 0
    actions: int = 0
    credit: int = 0
    gained: int = 0
    won: int = 0
    lost: int = 0

    @property
    def state(self) -> MonthState:
        """A month in which only weights were changed or claims confirmed is empty, too."""
        if self.deals_won or self.deals_lost:
            return _CLOSED
        return _PROGRESS if self.actions else _NOTHING


NOTHING = Done()
Months = Mapping[Month, Mapping[ManagerId, Done]]
"""Whatever is left out is NOTHING."""


@dataclass(frozen=True, slots=True)
class Closing:
    """A deal that was won or lost, and what that added for one manager to the account of its name,
    in 1/10 000 of a kopeck; 0 for who held nothing that counted. `position` is the closing's event.
    """

    manager_id: ManagerId
    deal: int
    status: Status
    effective_on: date
    position: int
    currency: str
    amount: int


def month_of(day: date) -> Month:
    return Month(day.year, day.month)


def months_between(first: date, last: date) -> list[Month]:
    """From that of `first` to that of `last`, both inclusive."""
    months = [month_of(first)]
    while months[-1].last_day < last:
        months.append(month_of(months[-1].last_day + timedelta(days=1)))
    return months


def months_as_of(
    log: Log,
    first: date,
    last: date,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Months:
    """The definition, at (as_of, position), `as_of` not before `last`: every step effective from
    `first` to `last`, both inclusive, that changed something of the manager's; and the actions of
    these days that they performed and that are neither withdrawn nor rejected by `as_of`.

    Of one deal in one month the last of winning, losing and reopening counts: what was reopened
    before the month's end was not closed in it. It is a manager's closing whose value or whose
    number of open deals it changed; so a deal that was lost while it was suspended, and in which
    nobody had earned anything, is nobody's.
    """
    found: dict[tuple[ManagerId, Month], Done] = defaultdict(Done)
    for events in log.values():
        facts = known(events, as_of, position)
        outcomes: dict[tuple[ManagerId, Month], Status] = {}
        for step in steps(facts):
            day, cause = on(step.recorded), step.recorded.type
            if first <= day <= last:
                for manager, done in _of_step(step, currency):
                    place = manager, month_of(day)
                    found[place] = summed(found[place], done)
                    if cause in OUTCOMES:
                        outcomes[place] = OUTCOMES[cause]
        for place, status in outcomes.items():
            found[place] = closed(found[place], status)
        for manager, day in _performed(fold(facts)):
            if first <= day <= last:
                place = manager, month_of(day)
                found[place] = summed(found[place], Done(actions=1))
    return _by_month(
        {place: done for place, done in found.items() if managers is None or place[0] in managers}
    )


def _by_month(found: Mapping[tuple[ManagerId, Month], Done]) -> Months:
    months: dict[Month, dict[ManagerId, Done]] = {}
    for (manager, month), done in found.items():
        if done != NOTHING:
            months.setdefault(month, {})[manager] = done
    return months


def _performed(deal: Deal | None) -> Iterator[tuple[ManagerId, date]]:
    for action in deal.actions.values() if deal else ():
        if action.live and not action.is_setback:
            for manager in action.performers:
                yield manager, action.effective_on


def _of_step(step: Step, currency: str) -> Iterator[tuple[ManagerId, Done]]:
    by_effort = step.recorded.type in EFFORT
    ours = step.deal.currency == currency
    for (manager, account), held in step.change.items():
        amounts = Counter({account: held.amount if ours else 0})
        yield (
            manager,
            Done(
                credit=held.credit if by_effort else 0,
                gained=amounts[Account.ACTIVE] if by_effort else 0,
                won=amounts[Account.WON],
                lost=amounts[Account.LOST],
            ),
        )


def summed(one: Done, other: Done) -> Done:
    return Done(*map(sum, zip(one, other, strict=True)))


def closed(done: Done, status: Status) -> Done:
    return done._replace(
        deals_won=done.deals_won + (status is Status.WON),
        deals_lost=done.deals_lost + (status is Status.LOST),
    )


_MONTHS: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who})
SELECT manager_id, extract(year FROM month)::int, extract(month FROM month)::int,
       actions, credit, gained, won, lost
FROM (
    SELECT manager, date_trunc('month', effective_on) AS month,
           coalesce(sum(actions) FILTER (WHERE due_cause = 'ActionPerformed'), 0) AS actions,
           coalesce(sum(credit) FILTER (WHERE due_cause = ANY (%(effort)s::books.cause[])), 0)
               AS credit,
           coalesce(sum(amount) FILTER (
               WHERE account = 'active' AND currency = %(currency)s
                 AND due_cause = ANY (%(effort)s::books.cause[])), 0) AS gained,
           coalesce(sum(amount) FILTER (
               WHERE account = 'won' AND currency = %(currency)s), 0) AS won,
           coalesce(sum(amount) FILTER (
               WHERE account = 'lost' AND currency = %(currency)s), 0) AS lost
    FROM ledger.postings
    WHERE {THEIRS_BY_DAY[who]} AND effective_on >= %(first)s AND effective_on <= %(last)s
      AND position + 0 <= %(position)s
    GROUP BY 1, 2
) AS month JOIN who USING (manager)
"""
    for who in (EVERYBODY, SOME)
}
_TAKEN_BACK: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who}), taken AS MATERIALIZED (
    SELECT manager, due_position AS place, sum(actions) AS actions
    FROM ledger.postings
    WHERE {THEIRS_BY_DAY[who]} AND effective_on >= %(first)s AND effective_on <= %(as_of)s
      AND position + 0 <= %(position)s AND due_cause IN ('ActionRejected', 'ActionWithdrawn')
    GROUP BY manager, due_position HAVING sum(actions) <> 0
)
SELECT manager_id, actions,
       convert_from({EFFECTIVE_ON.format(event="performed")}, 'UTF8')::date
FROM taken JOIN who USING (manager)
CROSS JOIN LATERAL (
    SELECT * FROM books.events WHERE notification_id = place OFFSET 0  -- by its key
) AS amending
CROSS JOIN LATERAL (
    SELECT * FROM books.events WHERE originator_id = amending.originator_id OFFSET 0
) AS performed
WHERE performed.topic = 'ActionPerformed'
  AND {ACTION_ID.format(event="performed")} = {ACTION_ID.format(event="amending")}
"""
    for who in (EVERYBODY, SOME)
}
"""An action counts no more from the day on which it was withdrawn; here, not on its own day."""
_CLOSINGS: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who}), held AS (
    SELECT manager, deal, due_cause, due_position, effective_on, currency, account,
           sum(amount) AS amount, sum(deals) AS deals
    FROM ledger.postings
    WHERE {THEIRS_BY_DAY[who]} AND effective_on >= %(first)s AND effective_on <= %(last)s
      AND position + 0 <= %(position)s
      AND due_cause IN ('DealWon', 'DealLost', 'DealReopened')
    GROUP BY manager, deal, due_cause, due_position, effective_on, currency, account
), step AS (
    SELECT manager, deal, due_cause, due_position, effective_on, currency,
           coalesce(sum(amount) FILTER (WHERE account IN ('won', 'lost')), 0) AS amount
    FROM held
    GROUP BY manager, deal, due_cause, due_position, effective_on, currency
    HAVING bool_or(amount <> 0 OR deals <> 0)
), outcome AS (
    SELECT DISTINCT ON (manager, deal, date_trunc('month', effective_on)) *
    FROM step
    ORDER BY manager, deal, date_trunc('month', effective_on), effective_on DESC, due_position DESC
)
SELECT manager_id, deal, due_cause, effective_on, due_position, currency, amount
FROM outcome JOIN who USING (manager) WHERE due_cause <> 'DealReopened'
ORDER BY effective_on, due_position, manager_id COLLATE "C"
"""
    for who in (EVERYBODY, SOME)
}


def months_from_ledger(
    cursor: Cursor[Any],
    first: date,
    last: date,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Months:
    """The same as sums of postings, and what was taken back by its own day."""
    asked = _asked(first, last, position, managers) | {
        "as_of": as_of,
        "currency": currency,
        "effort": list(EFFORT),
    }
    found = defaultdict[tuple[ManagerId, Month], Done](Done)
    for manager, year, month, *sums in cursor.execute(_MONTHS[whose(managers)], asked):
        found[manager, Month(year, month)] = Done(0, 0, *sums)
    for closing in closings_from_ledger(cursor, first, last, position, managers):
        place = closing.manager_id, month_of(closing.effective_on)
        found[place] = closed(found[place], closing.status)
    for manager, actions, day in cursor.execute(_TAKEN_BACK[whose(managers)], asked):
        if first <= day <= last:
            place = manager, month_of(day)
            found[place] = summed(found[place], Done(actions=int(actions)))
    return _by_month(found)


def closings_from_ledger(
    cursor: Cursor[Any],
    first: date,
    last: date,
    position: int,
    managers: Collection[ManagerId] | None,
) -> list[Closing]:
    """The closings that count, in book order, one for each manager who has a part in it."""
    asked = _asked(first, last, position, managers)
    return [
        Closing(manager, deal, OUTCOMES[cause], day, place, currency, amount)
        for manager, deal, cause, day, place, currency, amount in cursor.execute(
            _CLOSINGS[whose(managers)], asked
        )
    ]


def _asked(
    first: date, last: date, position: int, managers: Collection[ManagerId] | None
) -> dict[str, Any]:
    return {
        "first": first,
        "last": last,
        "position": position,
        "managers": managers_asked(managers),
    }
