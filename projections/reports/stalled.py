"""Which open deals stand still, what is at stake in them, and what could be done next.

A deal of two billion may well rest for a month; another of the same size is called every week. So
each is held to its own pace.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median_low
from typing import Any, LiteralString, NamedTuple, cast

from psycopg import Cursor

from domain.authority import sees_deal
from domain.catalogue import Catalogue
from domain.deal import Action, Deal, fold
from domain.events import AMENDMENTS, DealEvent, DealOpened, Recorded, decode
from domain.history import known, on
from domain.values import ActionTypeCode, DealId, ManagerId
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


@dataclass(frozen=True, slots=True)
class Stalled:
    """`silent_since` is the last day on which something was done with the deal. `median_gap`: days
    from one day of actions to the next, the lower median; None with fewer than FEWEST_GAPS, and
    then the deal was held to the least number of days alone. `last_action` is the last that counts
    or is claimed; None: there is none.
    """

    deal_id: DealId
    position: int
    deal: Deal
    silent_since: date
    silent_days: int
    gaps: int
    median_gap: int | None
    last_action: Action | None

    @property
    def active(self) -> int:
        """What it is worth in all portfolios, in 1/10 000 of a kopeck; `claimed` likewise."""
        return self.deal.progress * self.deal.check

    @property
    def claimed(self) -> int:
        return sum(stake.claim for stake in self.deal.stakes.values()) * self.deal.check


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
    found = (_stalled(deal_id, events, as_of, position, pace) for deal_id, events in log.items())
    return _in_order(one for one in found if one is not None and _is_asked(one, currency, seen))


def _is_asked(one: Stalled, currency: str, seen: Collection[ManagerId] | None) -> bool:
    deal = one.deal
    return deal.currency == currency and (seen is None or sees_deal(seen.__contains__, deal))


def _in_order(found: Iterable[Stalled]) -> list[Stalled]:
    return sorted(
        found, key=lambda one: (-(one.active + one.claimed), -one.silent_days, one.position)
    )


def _stalled(
    deal_id: DealId, events: Iterable[Recorded[DealEvent]], as_of: date, position: int, pace: Pace
) -> Stalled | None:
    facts = known(events, as_of, position)
    deal = fold(facts)
    if deal is None or not deal.is_open:
        return None
    since = max(on(fact) for fact in facts if not isinstance(fact.event, AMENDMENTS))
    done = [one for one in deal.actions.values() if one.live and not one.is_setback]
    days = sorted({one.effective_on for one in done})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    own = median_low(gaps) if len(gaps) >= FEWEST_GAPS else None
    silent = (as_of - since).days
    if silent < pace.minimum_days or (own is not None and silent <= pace.factor * own):
        return None
    last = max(done, key=lambda one: (one.effective_on, one.position), default=None)
    opened = next(fact.position for fact in facts if isinstance(fact.event, DealOpened))
    return Stalled(deal_id, opened, deal, since, silent, len(gaps), own, last)


def next_actions(deal: Deal, catalogue: Catalogue, day: date) -> list[Next]:
    """What the catalogue has in force on `day` and the deal has not had as often as it may; what
    adds most comes first, then by code. Nothing that adds nothing: setbacks, and where the deal has
    100 % already.
    """
    found = []
    for code, kind in catalogue.types.items():
        weight, most = kind.weight_on(day), kind.max_per_deal
        done = sum(one.live and one.action_type == code for one in deal.actions.values())
        credit = min(weight or 0, deal.room)
        if weight is not None and credit > 0 and (most is None or done < most):
            found.append(Next(code, weight, credit, credit * deal.check, kind.needs_confirmation))
    return sorted(found, key=lambda one: (-one.credit, one.action_type))


# ---------------------------------------------------------------------------- from the log

_SEEN: LiteralString = """
(%(seen)s::text[] IS NULL
 OR owner = ANY (ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(seen)s)))
 OR deals.deal IN (
    SELECT deal FROM ledger.postings
    WHERE manager = ANY (
        ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(seen)s)))))
"""
_STREAMS: LiteralString = f"""
WITH alive AS MATERIALIZED (
    SELECT DISTINCT originator_id FROM books.events
    WHERE notification_id <= %(position)s AND notification_id >= coalesce((
        SELECT notification_id FROM books.events WHERE recorded_at >= %(since)s
        ORDER BY recorded_at, notification_id LIMIT 1), %(position)s + 1)
      AND topic NOT IN ('ActionConfirmed', 'ActionRejected', 'WeightChanged', 'ActionWithdrawn')
      AND NOT of_the_directory
      AND {EFFECTIVE_ON.format(event="events")} > %(alive_after)s
      AND {EFFECTIVE_ON.format(event="events")} <= %(as_of)s
), silent AS MATERIALIZED (
    SELECT deal_id FROM ledger.deals
    CROSS JOIN LATERAL (
        SELECT status, owner FROM ledger.deal_states
        WHERE deal = deals.deal AND effective_on <= %(day)s AND position <= %(position)s
        ORDER BY effective_on DESC, position DESC LIMIT 1
    ) AS state
    WHERE deals.deal <= %(position)s AND opened_on <= %(opened_by)s AND currency = %(currency)s
      AND deal_id NOT IN (SELECT originator_id FROM alive)
      AND status = 'open' AND {_SEEN}
)
SELECT originator_id, originator_version, topic, state FROM silent
CROSS JOIN LATERAL (
    SELECT * FROM books.events
    WHERE originator_id = silent.deal_id AND notification_id <= %(position)s OFFSET 0  -- by its key
) AS events
"""
"""Nothing is recorded before the day on which it holds: what was done on a late day was recorded
late in the log.
"""


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
    streams = _by_deal(cursor.execute(_STREAMS, asked))
    found = (_stalled(deal, events, as_of, position, pace) for deal, events in streams.items())
    return _in_order(one for one in found if one is not None and _is_asked(one, currency, seen))


def _by_deal(rows: Iterable[Any]) -> Mapping[DealId, list[Recorded[DealEvent]]]:
    streams: dict[DealId, list[Recorded[DealEvent]]] = {}
    for stream, version, topic, state in rows:
        event = cast("Recorded[DealEvent]", decode(stream, version, topic, state))
        streams.setdefault(DealId(stream), []).append(event)
    return streams


def _day(day: date) -> bytes:
    """Stored days are in the order of their bytes."""
    return day.isoformat().encode()
