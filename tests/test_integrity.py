"""Where the books were written unusually: each block against a count from the events alone, over
any history, at any point and window; and as it is asked for over HTTP.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from statistics import median_low
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Cursor

from api.service import Service
from api.settings import Settings
from application.dealfolio import RUSSIAN
from application.orders import Answer, Order
from domain.deal import Deal
from domain.deal_commands import PerformAction
from domain.decisions import Command
from domain.directory_commands import ClosePeriod, RegisterManager, ReopenPeriod
from domain.events import (
    ActionConfirmed,
    ActionPerformed,
    ActionRejected,
    ActionWithdrawn,
    DealEvent,
    Event,
    PeriodClosed,
    PeriodReopened,
    PotentialCheckRevised,
    Recorded,
    WeightChanged,
    is_about_a_deal,
)
from domain.history import known, replay, state_at, steps
from domain.ledger import Posting
from domain.periods import Month
from domain.values import Account, ActionId, DealId, ManagerId
from projections.integrity import (
    LAGS,
    LateAuthor,
    MonthEnd,
    Pair,
    Raise,
    Window,
    by_author,
    confirming_pairs,
    even_share,
    late_entries,
    month_ends,
    normalised,
    raises_near_weights,
    reopened_months,
    repeated_evidence,
    unconfirmed_value,
    window_at,
    withdrawals,
)
from projections.point import Point
from projections.portfolio import portfolios_as_of
from tests.histories import (
    CALENDAR,
    NOON,
    Plot,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    play,
    plots,
    read_log,
)
from tests.over_http import Clock, Company, company, refused

Fact = Recorded[DealEvent]
MOSCOW = ZoneInfo("Europe/Moscow")
JANUARY = Month(2026, 1)
LETTERS = (None, "Письмо № 7", "письмо №7.", "Письмо № 8", "ПИСЬМО\n№ 7!", None, "a letter", '"]}')
AUTHORS = ("anna's", "head", "second head")
_chapters = count(1)


# ---------------------------------------------------------------------------- any history


class Asked(NamedTuple):
    """Where to ask, in thousandths of what there is, and by which thresholds."""

    first: int
    days: int
    as_of: date
    known: int
    some: bool
    late_after: int
    month_end: int
    near: int
    weight: int


_THOUSANDTHS = st.integers(0, 1000)
_ASKED = st.builds(
    Asked,
    first=_THOUSANDTHS,
    days=st.sampled_from((0, 3, 10, 40)),
    as_of=st.sampled_from((*CALENDAR, date(2026, 3, 1), date(2026, 3, 1))),
    known=st.sampled_from((1000, 1000, 900, 700, 400)),
    some=st.booleans(),
    late_after=st.sampled_from((0, 20, 25, 30)),
    month_end=st.sampled_from((1, 3, 28)),
    near=st.sampled_from((0, 1, 4)),
    weight=st.sampled_from((500, 1, 2_500, -400)),
)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture(scope="module")
def service(shared_database: str, clock: Clock) -> Iterator[Service]:
    service = Service(shared_database, Settings(), clock)
    _record(service, [Order(command, "director") for command in catalogue_commands()])
    yield service
    service.close()


def _record(service: Service, orders: list[Order]) -> None:
    outcomes = service.dealfolio.transactor.submit_all(orders).result(30)
    assert all(isinstance(one, Answer) for one in outcomes)


def _written(command: Command, letter: str | None) -> Command:
    """Actions get evidence, which histories have none of."""
    return command._replace(evidence=letter) if isinstance(command, PerformAction) else command


def _told(
    service: Service, clock: Clock, plot: Plot, number: int, gaps: list[int], parts: int
) -> None:
    """The plot, event by event over some days, by three authors; January is closed and reopened
    now and then.
    """
    _record(service, [Order(RegisterManager(who, who), "admin") for who in cast_of(number)])
    for place, fact in enumerate(play(plot, number).log):
        clock.now += timedelta(hours=11 * gaps[place % len(gaps)])
        command = _written(command_for(fact), LETTERS[(place * 7 + number) % len(LETTERS)])
        _record(service, [Order(command, AUTHORS[place * place % len(AUTHORS)])])
        if place % (parts + 3) == parts:
            _record(service, [Order(ClosePeriod(JANUARY), "closer")])
            _record(service, [Order(ReopenPeriod(JANUARY, "ещё не всё"), "opener")])


@given(plots(16, 30), st.lists(st.integers(0, 4), min_size=3, max_size=7), st.lists(_ASKED, min_size=3, max_size=3), st.integers(1, 20))  # fmt: skip
@examples(12)
def test_each_block_is_what_the_events_alone_come_to(
    service: Service, clock: Clock, plot: Plot, gaps: list[int], asked: list[Asked], parts: int
) -> None:
    number, begun = next(_chapters), clock.now
    _told(service, clock, plot, number, gaps, parts)
    with service.asking() as cursor:
        events = read_log(cursor)
        for one in asked:
            position = events[-1].position * one.known // 1000
            point = Point(one.as_of, clock.now, position)
            first = (begun + (clock.now - begun) * one.first / 1000).astimezone(MOSCOW).date()
            first -= timedelta(days=one.days // 2)
            last = first + timedelta(days=one.days)
            some = frozenset(cast_of(number)[:2]) if one.some else None
            window = window_at(cursor, point, first, last, MOSCOW, "RUB", some)
            _hold(service, cursor, Counted(events, window), one)


def _hold(service: Service, cursor: Cursor[Any], counted: "Counted", asked: Asked) -> None:
    window = counted.window
    late = late_entries(cursor, window, RUSSIAN.between, asked.late_after)
    assert late == counted.late(asked.late_after)
    assert month_ends(cursor, window, asked.month_end) == counted.month_ends(asked.month_end)
    assert even_share(window, asked.month_end) == counted.even(asked.month_end)
    raises = raises_near_weights(cursor, window, asked.near, asked.weight)
    assert raises == counted.raises(asked.near, asked.weight)
    assert confirming_pairs(cursor, window) == counted.pairs()
    repeated = repeated_evidence(cursor, window)
    assert [[use.position for use in one.uses] for one in repeated] == counted.repeated()
    withdrawn = withdrawals(cursor, window)
    assert [(one.position, one.weight, one.days) for one in withdrawn] == counted.withdrawals()
    authors = Counter(one.actor for one in withdrawn)
    assert {one.actor: one.withdrawals for one in by_author(withdrawn)} == authors
    reopenings = service.directory.reopenings(cursor, window.point.position)
    reopened = reopened_months(cursor, window, reopenings)
    assert [
        (one.reopening.position, one.reopening.closed_again, dict(one.entries), one.position)
        for one in reopened
    ] == counted.reopened()
    found = {one.manager_id: (one.active, one.claimed) for one in unconfirmed_value(cursor, window)}
    assert found == counted.unconfirmed()


@dataclass(frozen=True)
class Counted:
    """The plain recomputation: every event is looked at, one by one."""

    events: list[Recorded[Event]]
    window: Window

    @property
    def deals(self) -> dict[DealId, list[Fact]]:
        """What is known, by deal."""
        deals: dict[DealId, list[Fact]] = {}
        for event in self.events[: self.window.point.position]:
            if is_about_a_deal(event):
                deals.setdefault(DealId(event.originator_id), []).append(event)
        return deals

    def day(self, event: Recorded[Event]) -> date:
        return event.recorded_at.astimezone(MOSCOW).date()

    def holds(self, fact: Recorded[Event]) -> bool:
        assert fact.effective_on is not None
        return fact.effective_on <= self.window.point.as_of

    def within(self, event: Recorded[Event]) -> bool:
        return self.window.first <= self.day(event) <= self.window.last

    def theirs(self) -> dict[DealId, list[Fact]]:
        return {
            deal: facts
            for deal, facts in self.deals.items()
            if self.window.managers is None
            or any(
                line.manager_id in self.window.managers
                for line in self.postings(facts)
                if line.effective_on <= self.window.point.as_of
            )
        }

    def counted(self) -> list[Fact]:
        found = [
            fact
            for facts in self.theirs().values()
            for fact in facts
            if self.within(fact) and self.holds(fact)
        ]
        return sorted(found, key=lambda fact: fact.position)

    def postings(self, facts: list[Fact]) -> list[Posting]:
        return [line for recording in replay(facts) for line in recording.postings]

    def own_steps(self, cause: str) -> list[Posting]:
        """What each event of the window did at its own step, of whosever deals."""
        within = {event.position for event in self.events if self.within(event)}
        return [
            line
            for facts in self.deals.values()
            for line in self.postings(facts)
            if line.position == line.due_position and line.due_cause == cause
            if line.position in within and line.effective_on <= self.window.point.as_of
        ]

    def stood(self, fact: Fact) -> Deal | None:
        """The deal just before the fact, in book order."""
        deal, point = None, self.window.point
        facts = self.deals[DealId(fact.originator_id)]
        for step in steps(known(facts, point.as_of, point.position)):
            if step.recorded.position == fact.position:
                return deal
            deal = step.deal
        raise AssertionError(fact)

    # ------------------------------------------------------------------ the blocks

    def late(self, late_after: int) -> list[LateAuthor]:
        lags: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for fact in self.counted():
            if not isinstance(fact.event, ActionConfirmed | ActionRejected | ActionWithdrawn):
                day, lag = fact.effective_on, 0
                assert day is not None
                while day < self.day(fact):
                    day += timedelta(days=1)
                    lag += RUSSIAN.before(day + timedelta(days=1), 1) == day
                lags[fact.actor].append((lag, fact.position))
        lines = []
        for actor, found in lags.items():
            late = [lag for lag, _ in found if lag > late_after]
            if late:
                lines.append(
                    LateAuthor(
                        actor,
                        len(found),
                        len(late),
                        tuple(
                            sum(least < lag <= most for lag, _ in found)
                            for least, most in zip((-1, *LAGS), (*LAGS, 10**9), strict=True)
                        ),
                        median_low(late),
                        max(late),
                        next(place for lag, place in found if lag == max(late)),
                    )
                )
        return sorted(lines, key=lambda one: (-one.late, one.actor))

    def month_ends(self, days: int) -> list[MonthEnd]:
        sums: dict[ManagerId, list[int]] = defaultdict(lambda: [0] * 6)
        events = {event.position: event for event in self.events}
        for line in self.own_steps("ActionPerformed"):
            if line.actions <= 0 and line.amount <= 0:
                continue
            value = line.amount if line.currency == "RUB" else 0
            dated = is_last(line.effective_on, days)
            recorded = is_last(self.day(events[line.position]), days)
            for place, what in ((0, line.actions), (3, value)):
                sums[line.manager_id][place] += what
                sums[line.manager_id][place + 1] += what * dated
                sums[line.manager_id][place + 2] += what * recorded
        lines = [
            MonthEnd(who, *found)
            for who, found in sums.items()
            if self.window.managers is None or who in self.window.managers
        ]

        def shared(one: MonthEnd) -> int:
            return one.actions_recorded * 10_000 // one.actions if one.actions else 0

        return sorted(lines, key=lambda one: (-shared(one), one.manager_id))

    def even(self, days: int) -> int:
        number = (self.window.last - self.window.first).days + 1
        all_ = [self.window.first + timedelta(days=place) for place in range(number)]
        return sum(is_last(day, days) for day in all_) * 10_000 // number

    def raises(self, near: int, weight: int) -> list[Raise]:
        found = []
        for fact in self.counted():
            event = fact.event
            if not isinstance(event, WeightChanged | PotentialCheckRevised):
                continue
            stood = self.stood(fact)
            assert stood is not None
            if isinstance(event, WeightChanged):
                before, after = stood.actions[event.action_id].weight, event.weight
            else:
                before, after = stood.check, event.potential_check.amount
            heavy = [
                (abs(apart), one.position, one, apart)
                for one in self.deals[DealId(fact.originator_id)]
                if isinstance(one.event, ActionPerformed) and self.holds(one)
                if sum(credit.weight for credit in one.event.credits) >= weight
                if abs(apart := (self.day(one) - self.day(fact)).days) <= near
            ]
            if after > before and heavy:
                _, place, one, apart = min(heavy)
                assert isinstance(one.event, ActionPerformed)
                assert fact.effective_on is not None
                found.append(
                    Raise(
                        fact.position, DealId(fact.originator_id), fact.type, fact.actor,
                        fact.recorded_at, fact.effective_on, before, after, one.event.action_id,
                        place, one.event.action_type,
                        sum(credit.weight for credit in one.event.credits), apart, len(heavy),
                    )
                )  # fmt: skip
        return found

    def pairs(self) -> list[Pair]:
        events = {event.position: event for event in self.events}
        taken = [
            (events[line.position].actor, line.manager_id, line.position)
            for line in self.own_steps("ActionConfirmed")
            if line.account is Account.CLAIMED and line.amount < 0
        ]
        lines = [
            Pair(
                actor,
                manager,
                sum(one[:2] == (actor, manager) for one in taken),
                sum(one[0] == actor for one in taken),
                sum(one[1] == manager for one in taken),
                max(one[2] for one in taken if one[:2] == (actor, manager)),
            )
            for actor, manager in {one[:2] for one in taken}
            if self.window.managers is None or manager in self.window.managers
        ]
        return sorted(lines, key=lambda one: (-one.confirmed, one.actor, one.manager_id))

    def repeated(self) -> list[list[int]]:
        point, uses = self.window.point, defaultdict[str, list[int]](list)
        for fact in self.counted():
            event = fact.event
            if isinstance(event, ActionPerformed) and event.evidence:
                facts = self.deals[DealId(fact.originator_id)]
                deal = state_at(facts, point.as_of, point.position)
                assert deal is not None
                if deal.actions[event.action_id].live and normalised(event.evidence):
                    uses[normalised(event.evidence)].append(fact.position)
        twice = [found for found in uses.values() if len(found) > 1]
        return sorted(twice, key=lambda found: (-len(found), found[0]))

    def withdrawals(self) -> list[tuple[int, int, int]]:
        found = []
        for fact in self.counted():
            event = fact.event
            if isinstance(event, ActionWithdrawn):
                stood = self.stood(fact)
                assert stood is not None
                weight = stood.actions[event.action_id].weight
                recorded = self._recorded(fact, event.action_id)
                found.append((fact.position, weight, (self.day(fact) - recorded).days))
        return found

    def _recorded(self, fact: Fact, action: ActionId) -> date:
        return next(
            self.day(one)
            for one in self.deals[DealId(fact.originator_id)]
            if isinstance(one.event, ActionPerformed) and one.event.action_id == action
        )

    def reopened(self) -> list[tuple[int, int | None, dict[str, int], int | None]]:
        known_ = self.events[: self.window.point.position]
        theirs = [fact for facts in self.theirs().values() for fact in facts if self.holds(fact)]
        found = []
        for event in known_:
            if isinstance(event.event, PeriodReopened) and self.within(event):
                closed = next(
                    (
                        one.position
                        for one in known_[event.position :]
                        if isinstance(one.event, PeriodClosed)
                    ),
                    None,
                )
                meanwhile = sorted(
                    (fact.position, fact.actor)
                    for fact in theirs
                    if event.position < fact.position < (closed or 10**9)
                    if fact.effective_on is not None
                    if (fact.effective_on.year, fact.effective_on.month) == JANUARY
                )
                first = meanwhile[0][0] if meanwhile else None
                authors = dict(Counter(actor for _, actor in meanwhile))
                found.append((event.position, closed, authors, first))
        return found

    def unconfirmed(self) -> dict[ManagerId, tuple[int, int]]:
        point, managers = self.window.point, self.window.managers
        held = portfolios_as_of(self.deals, point.as_of, point.position).get("RUB", {})
        return {
            who: (one.balance.active, one.balance.claimed)
            for who, one in held.items()
            if one.balance.claimed and (managers is None or who in managers)
        }


def is_last(day: date, days: int) -> bool:
    """Of the last days of its month."""
    return (day + timedelta(days=days)).month != day.month
