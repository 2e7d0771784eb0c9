"""Which open deals stand still, what is at stake in them, and what could be done next.

A deal of two billion may well rest for a month; another of the same size is called every week. So
each is held to its own pace.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median_low
from typing import Any, LiteralString, NamedTuple, cast
from uuid import UUID

from psycopg import Cursor

from domain.authority import sees_deal
from domain.catalogue import Catalogue
from domain.deal import Deal, fold
from domain.events import AMENDMENTS, ActionPerformed, DealEvent, DealOpened, Recorded, decode
from domain.history import known, on
from domain.values import WHOLE, ActionTypeCode, DealId, ManagerId
from projections.actions import EFFECTIVE_ON
from projections.portfolio import Log

FEWEST_GAPS = 3
"""With fewer a deal has no pace of its own, and the least number of days alone decides."""


class Pace(NamedTuple):
    """How long is too long: silent for `minimum_days` at least, and for more than `factor` times
    the median of the deal's own gaps.
    """

    minimum_days: int
    factor: int


class Stake(NamedTuple):
    """What a manager has in a deal, in 1/10 000 of a kopeck: credit times the check, and claims
    times the check.
    """

    active: int
    claimed: int


@dataclass(frozen=True, slots=True)
class Stalled:
    """`position` is that of the deal's opening. `stakes` are of the owner and of whoever holds
    credit or a claim. `silent_since` is the last day on which something was done with the deal.
    `median_gap`: days from one day of actions to the next, the lower median; None with fewer than
    FEWEST_GAPS, and then the deal was held to the least number of days alone. `last_action` is the
    position of the last that counts or is claimed; None: there is none. `done`: how many actions of
    each type are neither withdrawn nor rejected.
    """

    position: int
    owner: ManagerId
    check: int
    progress: int
    expected_close_on: date | None
    stakes: Mapping[ManagerId, Stake]
    silent_since: date
    silent_days: int
    gaps: int
    median_gap: int | None
    last_action: int | None
    done: Mapping[ActionTypeCode, int]

    @property
    def active(self) -> int:
        """What it is worth in all portfolios, in 1/10 000 of a kopeck; `claimed` likewise."""
        return sum(stake.active for stake in self.stakes.values())

    @property
    def claimed(self) -> int:
        return sum(stake.claimed for stake in self.stakes.values())


class Sum(NamedTuple):
    """Of the stalled deals that count as one manager's, or of all."""

    deals: int = 0
    active: int = 0
    claimed: int = 0

    def plus(self, stake: Stake) -> "Sum":
        return Sum(self.deals + 1, self.active + stake.active, self.claimed + stake.claimed)


@dataclass(frozen=True, slots=True)
class Standstill:
    """Everything that is stalled: what is at stake in all, and for each manager; and of the deals
    those with most at stake.
    """

    total: Sum
    managers: Mapping[ManagerId, Sum]
    deals: Sequence[Stalled]

    @classmethod
    def of(cls, found: Sequence[Stalled], most: int) -> "Standstill":
        """Of all that are stalled, in their order, at most so many are told."""
        total, managers = Sum(), dict[ManagerId, Sum]()
        for one in found:
            total = total.plus(Stake(one.active, one.claimed))
            for who, stake in one.stakes.items():
                managers[who] = managers.get(who, Sum()).plus(stake)
        return cls(total, managers, found[:most])


@dataclass(frozen=True, slots=True)
class Next:
    """What could be done: `credit` (basis points) is what the cap leaves of `weight`, `amount` what
    that adds, in 1/10 000 of a kopeck; once it is confirmed, where it `needs_confirmation`.
    """

    action_type: ActionTypeCode
    weight: int
    credit: int
    amount: int
    needs_confirmation: bool


def stalled_as_of(
    log: Log,
    as_of: date,
    position: int,
    currency: str,
    pace: Pace,
    seen: Collection[ManagerId] | None,
) -> list[Stalled]:
    """The definition: every open deal in `currency` that one of `seen` has a part in (None:
    everybody's), folded, and left out unless it is stalled. The largest at stake comes first, then
    the longest silent.

    Silence is counted from the last event that holds by `as_of`, of any kind but those by which
    somebody judges an action that was done before: a confirmation, a rejection, a new weight and a
    withdrawal are no work on the deal. An action that was withdrawn later broke the silence all the
    same; into the deal's pace and as its last action come only positive ones that still count or
    are claimed.
    """
    found = (_stalled(events, as_of, position, currency, pace, seen) for events in log.values())
    return _in_order(one for one in found if one is not None)


def _in_order(found: Iterable[Stalled]) -> list[Stalled]:
    return sorted(
        found, key=lambda one: (-(one.active + one.claimed), -one.silent_days, one.position)
    )


def _stalled(
    events: Iterable[Recorded[DealEvent]],
    as_of: date,
    position: int,
    currency: str,
    pace: Pace,
    seen: Collection[ManagerId] | None,
) -> Stalled | None:
    facts = known(events, as_of, position)
    deal = fold(facts)
    if deal is None or not deal.is_open or deal.currency != currency:
        return None
    if seen is not None and not sees_deal(seen.__contains__, deal):
        return None
    since = max(on(fact) for fact in facts if not isinstance(fact.event, AMENDMENTS))
    live = [one for one in deal.actions.values() if one.live]
    done = [one for one in live if not one.is_setback]
    days = sorted({one.effective_on for one in done})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    own = median_low(gaps) if len(gaps) >= FEWEST_GAPS else None
    silent = (as_of - since).days
    if silent < pace.minimum_days or (own is not None and silent <= pace.factor * own):
        return None
    last = max(done, key=lambda one: (one.effective_on, one.position), default=None)
    return Stalled(
        next(fact.position for fact in facts if isinstance(fact.event, DealOpened)),
        deal.owner,
        deal.check,
        deal.progress,
        deal.expected_close_on,
        _stakes(deal),
        since,
        silent,
        len(gaps),
        own,
        None if last is None else last.position,
        Counter(one.action_type for one in live),
    )


def _stakes(deal: Deal) -> Mapping[ManagerId, Stake]:
    held = {
        who: Stake(stake.credit * deal.check, stake.claim * deal.check)
        for who, stake in deal.stakes.items()
        if stake.in_the_deal
    }
    return {deal.owner: Stake(0, 0)} | held


def next_actions(one: Stalled, catalogue: Catalogue, day: date) -> list[Next]:
    """What the catalogue has in force on `day` and the deal has not had as often as it may; what
    adds most comes first, then by code. Nothing that adds nothing: setbacks, and where the deal has
    100 % already.
    """
    found = []
    for code, kind in catalogue.types.items():
        weight, most = kind.weight_on(day), kind.max_per_deal
        credit = min(weight or 0, WHOLE - one.progress)
        if weight is not None and credit > 0 and (most is None or one.done.get(code, 0) < most):
            found.append(Next(code, weight, credit, credit * one.check, kind.needs_confirmation))
    return sorted(found, key=lambda one: (-one.credit, one.action_type))


class About(NamedTuple):
    """What a stalled deal is called, and its last action."""

    deal_id: UUID
    title: str
    client: str
    last_action: Recorded[ActionPerformed] | None


_ABOUT: LiteralString = """
SELECT deal, deal_id, title, client, originator_id, originator_version, topic, state
FROM unnest(%s::int[], %s::bigint[]) AS asked (number, place)
JOIN ledger.deals ON deal = number
LEFT JOIN LATERAL (
    SELECT * FROM books.events WHERE notification_id = place OFFSET 0  -- by its key
) AS events ON true
"""


def about(cursor: Cursor[Any], found: Sequence[Stalled]) -> Mapping[int, About]:
    """By the positions of their openings."""
    asked = [one.position for one in found], [one.last_action for one in found]
    return {
        deal: About(deal_id, title, client, _performed(*stored) if stored[0] else None)
        for deal, deal_id, title, client, *stored in cursor.execute(_ABOUT, asked)
    }


def _performed(stream: UUID, version: int, topic: str, state: bytes) -> Recorded[ActionPerformed]:
    return cast("Recorded[ActionPerformed]", decode(stream, version, topic, state))


# ---------------------------------------------------------------------------- from the log

_SEEN: LiteralString = """
(%(seen)s::text[] IS NULL
 OR owner = ANY (ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(seen)s)))
 OR deals.deal IN (
    SELECT deal FROM ledger.postings
    WHERE manager = ANY (
        ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(seen)s)))))
"""
_SILENT: LiteralString = f"""
WITH alive AS MATERIALIZED (
    SELECT DISTINCT originator_id FROM books.events
    WHERE notification_id <= %(position)s AND notification_id >= coalesce((
        SELECT notification_id FROM books.events WHERE recorded_at >= %(since)s
        ORDER BY recorded_at, notification_id LIMIT 1), %(position)s + 1)
      AND topic NOT IN ('ActionConfirmed', 'ActionRejected', 'WeightChanged', 'ActionWithdrawn')
      AND NOT of_the_directory
      AND {EFFECTIVE_ON.format(event="events")} > %(alive_after)s
      AND {EFFECTIVE_ON.format(event="events")} <= %(as_of)s
)
SELECT deal_id FROM ledger.deals
CROSS JOIN LATERAL (
    SELECT status, owner FROM ledger.deal_states
    WHERE deal = deals.deal AND effective_on <= %(day)s AND position <= %(position)s
    ORDER BY effective_on DESC, position DESC LIMIT 1
) AS state
WHERE deals.deal <= %(position)s AND opened_on <= %(opened_by)s AND currency = %(currency)s
  AND deal_id NOT IN (SELECT originator_id FROM alive)
  AND status = 'open' AND {_SEEN}
"""
"""Nothing is recorded before the day on which it holds: what was done on a late day was recorded
late in the log.
"""
_STREAMS: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE originator_id = ANY (%s) AND notification_id <= %s
"""
FOLDED_AT_ONCE = 200
"""Deals whose events are in memory together: some 2,500 bytes each, of maybe hundreds a deal."""


def stalled_from_log(
    cursor: Cursor[Any],
    as_of: date,
    position: int,
    currency: str,
    pace: Pace,
    seen: Collection[ManagerId] | None,
) -> list[Stalled]:
    """The same: only those open deals are folded with which nothing was done for as long as the
    least number of days.
    """
    alive_after = as_of - timedelta(days=pace.minimum_days)
    asked = {
        "position": position,
        "day": as_of,
        "as_of": _day(as_of),
        "alive_after": _day(alive_after),
        "since": alive_after - timedelta(days=1),  # any zone's
        "opened_by": alive_after,
        "currency": currency,
        "seen": None if seen is None else list(seen),
    }
    silent = [deal for (deal,) in cursor.execute(_SILENT, asked)]
    found = list[Stalled | None]()
    for first in range(0, len(silent), FOLDED_AT_ONCE):
        some = silent[first : first + FOLDED_AT_ONCE]
        streams = _by_deal(cursor.execute(_STREAMS, [some, position]))
        found += (
            _stalled(events, as_of, position, currency, pace, seen) for events in streams.values()
        )
    return _in_order(one for one in found if one is not None)


def _by_deal(rows: Iterable[Any]) -> Mapping[DealId, list[Recorded[DealEvent]]]:
    streams: dict[DealId, list[Recorded[DealEvent]]] = {}
    for stream, version, topic, state in rows:
        event = cast("Recorded[DealEvent]", decode(stream, version, topic, state))
        streams.setdefault(DealId(stream), []).append(event)
    return streams


def _day(day: date) -> bytes:
    """Stored days are in the order of their bytes."""
    return day.isoformat().encode()
