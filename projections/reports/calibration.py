"""Did progress tell what came? Closed deals as they stood some months before their outcome.

Progress is read as the chance of winning, as the case has it: 70 % of progress, seven of ten won.
What was learnt after that day must not count, or a deal that was won would look as if everybody
had known: actions are entered when the contract is there. So a deal stands as its events have it
that were effective by that day and, unless somebody asks otherwise, recorded by then, too. The
second is left out for a history that was imported, all of which was recorded on one day; then late
entries count, and flatter.

What remains is that the day is counted back from the outcome. On it nobody knew that it was
so many months before one; deals that are still open are not there, and those that took less than
that are not, either. Nothing here is ever written into a weight.
"""

from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import cache
from itertools import chain, groupby
from typing import Any, LiteralString, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Cursor

from domain.deal import Deal, Status
from domain.events import DealEvent, Recorded
from domain.history import known, on, state_at, steps
from domain.values import WHOLE, ActionTypeCode, ManagerId
from projections.actions import EFFECTIVE_ON
from projections.point import BEYOND, Point, last_positions
from projections.portfolio import Log
from projections.reports.kept import Kept
from projections.reports.scores import (
    Forecast,
    Interval,
    Pooled,
    Score,
    Share,
    difference,
    groups,
    pooled,
    score,
    wilson,
)

HORIZONS = (3, 6, 12)
"""Months before the outcome that may be asked for."""
FEWEST = 30
"""Cases: of fewer, nothing is said at all."""
FEWEST_IN_A_BIN = 20
FEWEST_ON_A_SIDE = 10
"""Cases with an action of some type, and without: of fewer, no difference is told."""
FEWEST_OF_A_MANAGER = 5
MOST_BINS = 10
CLOSED = (Status.WON, Status.LOST)


class AsKnown(StrEnum):
    """Of the past day: what was recorded by its end, or all that is known at the point."""

    THEN = "then"
    NOW = "now"


class Outcome(NamedTuple):
    """A deal that is won or lost at the point, and how it stood on the day `stood_on`.

    `position` is that of its opening. `closed_on` is the day from which on it was closed at the
    end of every day. `progress` (basis points) is None where it was not yet known or not under way
    on that day. `owner` is that day's, or that of the outcome where there is none. `kinds` are the
    types of the actions that had been done by then, counted or claimed, neither withdrawn nor
    rejected. Of all that is known, what counts for the day is known up to the position `known`.
    """

    position: int
    won: bool
    closed_on: date
    stood_on: date
    known: int
    owner: ManagerId
    progress: int | None
    kinds: frozenset[ActionTypeCode]


@cache
def months_before(day: date, months: int) -> date:
    """The same day of that month, or its last one."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


# ---------------------------------------------------------------------------- the definition


def outcomes_as_of(
    log: Log, as_of: date, position: int, months: int, known_by: Callable[[date], int]
) -> list[Outcome]:
    """The definition: every deal folded, at the point and on its day before. In the order of
    opening. `known_by` gives the last position that counts for a past day.
    """
    found = []
    for events in log.values():
        facts = [*events]
        if one := _outcome(facts, as_of, position, months, known_by):
            found.append(one)
    return sorted(found, key=lambda one: one.position)


def _outcome(
    facts: list[Recorded[DealEvent]],
    as_of: date,
    position: int,
    months: int,
    known_by: Callable[[date], int],
) -> Outcome | None:
    closed_on, deal = None, None
    for day, group in groupby(
        steps(known(facts, as_of, position)), key=lambda one: on(one.recorded)
    ):
        *_, (_, deal, _) = group
        closed_on = (closed_on or day) if deal.status in CLOSED else None
    if closed_on is None or deal is None:
        return None
    stood_on = months_before(closed_on, months)
    last = known_by(stood_on)
    then = state_at(facts, stood_on, min(last, position))
    if then is not None and then.status in CLOSED:
        then = None
    return Outcome(
        min(fact.position for fact in facts),
        deal.status is Status.WON,
        closed_on,
        stood_on,
        last,
        deal.owner if then is None else then.owner,
        None if then is None else then.progress,
        frozenset() if then is None else _done(then),
    )


def _done(deal: Deal) -> frozenset[ActionTypeCode]:
    return frozenset(action.action_type for action in deal.actions.values() if action.live)


# ---------------------------------------------------------------------------- from the ledger

_KNOWN: LiteralString = """
deal = deals.deal AND effective_on <= %(as_of)s AND position <= %(position)s
"""
_CLOSED: LiteralString = f"""
SELECT deals.deal, deal_id, now.status, closed_on, manager_id
FROM ledger.deals
CROSS JOIN LATERAL (
    SELECT status, owner FROM ledger.deal_states
    WHERE {_KNOWN} ORDER BY effective_on DESC, position DESC LIMIT 1
) AS now
CROSS JOIN LATERAL (
    SELECT effective_on AS closed_on FROM ledger.deal_states
    WHERE {_KNOWN} AND effective_on > coalesce((
        SELECT effective_on FROM (
            SELECT DISTINCT ON (effective_on) effective_on, status FROM ledger.deal_states
            WHERE {_KNOWN} ORDER BY effective_on DESC, position DESC
        ) AS ends
        WHERE status NOT IN ('won', 'lost') ORDER BY effective_on DESC LIMIT 1), '-infinity')
    ORDER BY effective_on LIMIT 1
) AS since
JOIN ledger.managers ON manager = owner
WHERE deals.deal <= %(position)s AND now.status IN ('won', 'lost')
ORDER BY deals.deal
"""
_THEN: LiteralString = """
SELECT place, manager_id, progress
FROM unnest(%(deals)s::int[], %(days)s::date[], %(known)s::int[])
    WITH ORDINALITY AS asked (number, day, known, place)
CROSS JOIN LATERAL (
    SELECT status, owner, progress FROM ledger.deal_states
    WHERE deal = number AND effective_on <= day AND position <= known
    ORDER BY effective_on DESC, position DESC LIMIT 1
) AS state
JOIN ledger.managers ON manager = owner
WHERE status NOT IN ('won', 'lost')
"""
_MEMBER: LiteralString = """
substring({event}.state FROM position('"{name}":"'::bytea IN {event}.state) + {length} FOR {most})
"""
_ACTION: LiteralString = _MEMBER.format(event="{event}", name="action_id", length=13, most=36)
_KIND: LiteralString = _MEMBER.format(event="done", name="action_type", length=15, most=64)
_KINDS: LiteralString = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(%(streams)s::uuid[], %(stored)s::bytea[], %(known)s::int[])
        WITH ORDINALITY AS asked (stream, day, known, place)
), gone AS MATERIALIZED (
    SELECT place, {_ACTION.format(event="event")} AS action_id
    FROM asked JOIN books.events AS event ON originator_id = stream
    WHERE topic IN ('ActionRejected', 'ActionWithdrawn') AND notification_id <= known
      AND {EFFECTIVE_ON.format(event="event")} <= day
)
SELECT place, array_agg(split_part(encode(kind, 'escape'), '"', 1)) FROM (
    SELECT DISTINCT place, {_KIND} AS kind
    FROM asked JOIN books.events AS done ON originator_id = stream
    WHERE topic = 'ActionPerformed' AND notification_id <= known
      AND {EFFECTIVE_ON.format(event="done")} <= day
      AND (place NOT IN (SELECT place FROM gone)
           OR (place, {_ACTION.format(event="done")}) NOT IN (SELECT place, action_id FROM gone))
) AS kinds
GROUP BY place
"""
"""Both members stand before any text that somebody wrote, and no text has a quotation mark that is
not escaped.
"""


class Horizon(NamedTuple):
    """From which past day deals are looked at, and as known when; `zone` is where days end."""

    months: int
    as_known: AsKnown
    zone: ZoneInfo


DayEnds = Kept[date, int]
"""The last position that was recorded by the end of a day."""


def known_by(
    cursor: Cursor[Any], days: Collection[date], horizon: Horizon, point: Point, ends: DayEnds
) -> Mapping[date, int]:
    """The last position that counts for each of the past days. Behind each of them an outcome was
    recorded that is known at the point: so what is remembered of them never changes.
    """
    if horizon.as_known is AsKnown.NOW:
        return dict.fromkeys(days, BEYOND)

    def read(some: list[date]) -> Mapping[date, int]:
        return dict(zip(some, last_positions(cursor, some, horizon.zone, point), strict=True))

    return ends.all({*days}, read)


def outcomes_from_ledger(
    cursor: Cursor[Any], point: Point, horizon: Horizon, ends: DayEnds
) -> list[Outcome]:
    """The same: what is closed, and how it stood, by the ends of days that the ledger keeps; what
    had been done, from the log.
    """
    asked = {"as_of": point.as_of, "position": point.position}
    closed = cursor.execute(_CLOSED, asked).fetchall()
    days = [months_before(closed_on, horizon.months) for *_, closed_on, _ in closed]
    last = known_by(cursor, days, horizon, point, ends)
    places = {
        "deals": [deal for deal, *_ in closed],
        "streams": [stream for _, stream, *_ in closed],
        "days": days,
        "stored": [day.isoformat().encode() for day in days],
        "known": [min(last[day], point.position) for day in days],
    }
    then = {place: rest for place, *rest in cursor.execute(_THEN, places)}
    kinds = dict(cursor.execute(_KINDS, places).fetchall())
    return [
        _read(row, day, last[day], then.get(place), kinds.get(place, ()))
        for place, (row, day) in enumerate(zip(closed, days, strict=True), 1)
    ]


def _read(
    row: tuple[int, UUID, str, date, str],
    stood_on: date,
    last: int,
    then: Sequence[Any] | None,
    kinds: Iterable[str],
) -> Outcome:
    position, _, status, closed_on, owner = row
    owner_then, progress = (owner, None) if then is None else then
    done = kinds if then is not None else ()
    return Outcome(
        position,
        status == Status.WON,
        closed_on,
        stood_on,
        last,
        ManagerId(owner_then),
        progress,
        frozenset(map(ActionTypeCode, done)),
    )


# ---------------------------------------------------------------------------- what it comes to


class Scored(NamedTuple):
    """`progress` is what was told. `base_rate` tells every deal the share that was won of them all,
    known only afterwards: the best that one number for all could do. `half` knows nothing, and
    tells 50 % always.
    """

    progress: Score
    base_rate: Score
    half: Score


class Bin(NamedTuple):
    """Deals of about the same progress, from `least` to `most`, both inclusive, in basis points;
    `mean` is that of their progress, rounded. `holds`: it lies where the true share may lie.
    """

    share: Share
    least: int
    most: int
    mean: int
    interval: Interval
    holds: bool


class Kind(NamedTuple):
    """Deals in which an action of the type had been done, and all others. `interval` is that of the
    difference of their rates; None: too few on one side. What goes together need not be a cause.
    """

    action_type: ActionTypeCode
    done: Share
    others: Share
    interval: Interval | None


class Bias(NamedTuple):
    """Of one manager's deals: what was won less what progress told, on average, above 0 where it
    told too little. `pooled` is drawn towards everybody's; None: too few.
    """

    manager_id: ManagerId
    share: Share
    mean: int
    bias: float
    pooled: Pooled | None


class Calibration(NamedTuple):
    """`closed` is how many deals have an outcome; `all` those of them that stood under way on their
    day. What is None, or empty, cannot be said of so few. `spread` is the standard deviation
    between managers beyond chance.
    """

    closed: int
    all: Share
    scored: Scored | None
    bins: list[Bin]
    kinds: list[Kind]
    bias: list[Bias]
    spread: float | None


def calibration_of(
    outcomes: Iterable[Outcome],
    kinds: Collection[ActionTypeCode],
    managers: Collection[ManagerId] | None,
) -> Calibration:
    """Of the outcomes of those managers (by `owner`), or of everybody's; `kinds` are the types to
    be told about, in their order.
    """
    closed = [one for one in outcomes if managers is None or one.owner in managers]
    cases = [one for one in closed if one.progress is not None]
    share = _share(cases)
    if share.cases < FEWEST:
        return Calibration(len(closed), share, None, [], [], [], None)
    bias, spread = _biases(cases)
    told = sorted(((_told(one), one.won) for one in cases), key=lambda pair: pair[0])
    return Calibration(
        len(closed), share, scored(told), bins(told), _kinds(kinds, cases, share), bias, spread
    )


def _told(one: Outcome) -> int:
    assert one.progress is not None
    return one.progress


def _share(cases: Sequence[Outcome]) -> Share:
    return Share(len(cases), sum(one.won for one in cases))


def chance(progress: int) -> float:
    """What is read from basis points; more than 100 % is certain, too."""
    return min(progress, WHOLE) / WHOLE


def scored(told: Sequence[tuple[int, bool]]) -> Scored:
    """Of progress and outcome, of one deal at least."""
    share = Share(len(told), sum(won for _, won in told))
    outcomes = {True: share.won, False: share.cases - share.won}
    forecasts = Counter[Forecast]()
    for (progress, won), times in Counter(told).items():
        forecasts[Forecast(chance(progress), won)] += times
    return Scored(
        score(forecasts),
        score({Forecast(share.rate, won): times for won, times in outcomes.items()}),
        score({Forecast(0.5, won): times for won, times in outcomes.items()}),
    )


def bins(told: Sequence[tuple[int, bool]]) -> list[Bin]:
    """Of progress and outcome, ascending: about equally many in each, MOST_BINS at most, with
    FEWEST_IN_A_BIN at least.
    """
    places = groups([progress for progress, _ in told], FEWEST_IN_A_BIN, MOST_BINS)
    return [_bin([told[place] for place in group]) for group in places]


def _bin(told: Sequence[tuple[int, bool]]) -> Bin:
    share = Share(len(told), sum(won for _, won in told))
    whole = sum(progress for progress, _ in told)
    interval = wilson(share)
    return Bin(
        share, told[0][0], told[-1][0], _mean(whole, len(told)), interval,
        interval.has(whole / len(told) / WHOLE),
    )  # fmt: skip


def _mean(whole: int, count: int) -> int:
    """Rounded, half up."""
    return (2 * whole + count) // (2 * count)


def _kinds(codes: Iterable[ActionTypeCode], cases: Sequence[Outcome], of_all: Share) -> list[Kind]:
    done = Counter(chain.from_iterable(one.kinds for one in cases))
    won = Counter(chain.from_iterable(one.kinds for one in cases if one.won))
    return [_kind(code, Share(done[code], won[code]), of_all) for code in codes]


def _kind(code: ActionTypeCode, done: Share, of_all: Share) -> Kind:
    others = Share(of_all.cases - done.cases, of_all.won - done.won)
    few = min(done.cases, others.cases) < FEWEST_ON_A_SIDE
    return Kind(code, done, others, None if few else difference(done, others))


def _biases(cases: Sequence[Outcome]) -> tuple[list[Bias], float | None]:
    """By manager, who has most cases first; all of them are pooled, those with few are not told."""
    own: Mapping[ManagerId, list[Outcome]] = defaultdict(list)
    for one in cases:
        own[one.owner].append(one)
    ordered = sorted(own.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    missed = [[one.won - chance(_told(one)) for one in theirs] for _, theirs in ordered]
    pool = pooled(missed)
    told = []
    for number, (manager, theirs) in enumerate(ordered):
        few = pool is None or len(theirs) < FEWEST_OF_A_MANAGER
        mean = _mean(sum(map(_told, theirs)), len(theirs))
        bias = sum(missed[number]) / len(theirs)
        told.append(
            Bias(
                manager, _share(theirs), mean, bias,
                None if few or pool is None else pool.groups[number],
            )
        )  # fmt: skip
    return told, None if pool is None else pool.spread
