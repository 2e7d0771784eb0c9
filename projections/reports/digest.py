"""Monday's page: what moved in a week, what stands still, what waits, and what was entered late.

Each part is a question of its own, asked of one week at one knowledge.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Any, NamedTuple

from psycopg import Cursor

from domain.values import Account, ManagerId
from projections.actions import ActionLine, State, Wanted, actions_from_log
from projections.ledger import NOBODY, ZERO, Balance
from projections.lines import Line, Told, lines_from_ledger, told
from projections.point import Point
from projections.portfolio import portfolios_from_ledger
from projections.reports.months import Closing, closings_from_ledger
from projections.reports.stalled import About, Standstill, about
from projections.restatement import RestatementLine
from projections.restatement import lines_from_ledger as restated_lines

MOST_CLAIMS = 1_000
"""So many waiting claims are counted; what they are worth is of all."""


MOST_LINES = 100_000
"""Of each cause: more than a week has. A cause may both add and take away, so that all are looked
through.
"""


class Week(NamedTuple):
    """From a Monday to a Sunday, both inclusive (ISO 8601); `last` may be an earlier day, as far as
    a week has come.
    """

    first: date
    last: date

    @classmethod
    def of(cls, day: date) -> "Week":
        monday = day - timedelta(days=day.weekday())
        return cls(monday, monday + timedelta(days=6))

    @property
    def eve(self) -> date:
        return self.first - timedelta(days=1)

    def up_to(self, day: date) -> "Week":
        return self._replace(last=min(self.last, day))


class Recorded(NamedTuple):
    """What was recorded in the week: behind position `begun`, up to and with `ended`."""

    begun: int
    ended: int


class LateEntry(NamedTuple):
    """An event that was recorded in the week, and what it changed in what stood on its eve."""

    position: int
    managers: tuple[ManagerId, ...]
    active: int
    claimed: int


@dataclass(frozen=True, slots=True)
class Digest:
    """Values in 1/10 000 of a kopeck. `held` is by manager what stood on the week's eve and what
    stands at its end, of whoever had anything. `gains` and `losses` are steps of the week that
    changed a portfolio, the largest first, and at most so many; `told` says what the events are of
    these, of the closings, and of as many late entries, `still` what so many stalled deals are.
    """

    held: Mapping[ManagerId, tuple[Balance, Balance]]
    gains: Sequence[Line]
    losses: Sequence[Line]
    closings: Sequence[Closing]
    stalled: Standstill
    still: Mapping[int, About]
    waiting: Sequence[ActionLine]
    late: Sequence[LateEntry]
    told: Mapping[int, Told]

    @property
    def opening(self) -> Balance:
        return reduce(Balance.plus, (before for before, _ in self.held.values()), ZERO)

    @property
    def closing(self) -> Balance:
        return reduce(Balance.plus, (after for _, after in self.held.values()), ZERO)


def digest_from_ledger(
    cursor: Cursor[Any],
    point: Point,
    week: Week,
    recorded: Recorded,
    currency: str,
    managers: Collection[ManagerId] | None,
    stalled: Standstill,
    most: int,
) -> Digest:
    """The week at the point, whose day is the week's last: movement from the eve to it (section 5
    of the design), closings dated in it, what is claimed at its end beside what is `stalled` then,
    and the restatement of the eve by what was recorded in the week.
    """
    position = point.position
    lines, _ = lines_from_ledger(
        cursor, week.eve, week.last, position, currency, managers, MOST_LINES
    )
    gains = [one for one in lines if one.active > 0][:most]
    losses = [one for one in lines if one.active < 0][:most]
    closings = closings_from_ledger(cursor, week.first, week.last, position, managers)
    late = _late(
        restated_lines(cursor, week.eve, recorded.begun, recorded.ended, currency, managers)
    )
    wanted = Wanted(State.CLAIMED, managers=managers, seen=managers)
    waiting = actions_from_log(cursor, week.last, position, wanted, limit=MOST_CLAIMS)
    named = {one.position for part in (gains, losses, closings, late[:most]) for one in part}
    return Digest(
        _held(cursor, week, position, currency, managers),
        gains,
        losses,
        closings,
        stalled,
        about(cursor, stalled.deals),
        [one for one in waiting if one.deal.currency == currency],
        late,
        told(cursor, named),
    )


def _held(
    cursor: Cursor[Any],
    week: Week,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Mapping[ManagerId, tuple[Balance, Balance]]:
    before, after = (
        portfolios_from_ledger(cursor, day, position, managers).get(currency, {})
        for day in (week.eve, week.last)
    )
    return {
        who: (before.get(who, NOBODY).balance, after.get(who, NOBODY).balance)
        for who in {**before, **after}
    }


def _late(lines: Sequence[RestatementLine]) -> list[LateEntry]:
    """By event; what changed most comes first, then what was recorded earlier."""
    events: dict[int, list[RestatementLine]] = {}
    for line in lines:
        events.setdefault(line.position, []).append(line)
    entries = [
        LateEntry(
            position,
            tuple(dict.fromkeys(line.manager_id for line in own)),
            _amount(own, Account.ACTIVE),
            _amount(own, Account.CLAIMED),
        )
        for position, own in events.items()
    ]
    return sorted(entries, key=lambda one: (-abs(one.active), -abs(one.claimed), one.position))


def _amount(lines: Sequence[RestatementLine], account: Account) -> int:
    return sum(line.amount for line in lines if line.account is account)
