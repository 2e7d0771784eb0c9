"""Where the books were written unusually: each block against a count from the events alone, over
any history, at any point and window; and as it is asked for over HTTP.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
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
from tests.browser import page_of
from tests.conftest import new_database
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
    days=st.sampled_from((3, 10, 40, 40)),
    as_of=st.sampled_from((*CALENDAR[3:6], *[date(2026, 3, 1)] * 5)),
    known=st.sampled_from((1000, 1000, 1000, 800, 500)),
    some=st.sampled_from((False, False, True)),
    late_after=st.sampled_from((0, 0, 25, 30)),
    month_end=st.sampled_from((1, 3, 28)),
    near=st.sampled_from((0, 3, 15)),
    weight=st.sampled_from((500, 1, 1)),
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
    """The plot over some days, three events at a time, by three authors; January is closed and
    reopened now and then.
    """
    _record(service, [Order(RegisterManager(who, who), "admin") for who in cast_of(number)])
    orders = list[Order]()
    for place, fact in enumerate(play(plot, number).log):
        command = _written(command_for(fact), LETTERS[(place * 7 + number) % len(LETTERS)])
        orders.append(Order(command, AUTHORS[place * place % len(AUTHORS)]))
        if place % (parts + 3) == parts:
            orders.append(Order(ClosePeriod(JANUARY), "closer"))
            orders.append(Order(ReopenPeriod(JANUARY, "ещё не всё"), "opener"))
        if place % 3 == 2:
            clock.now += timedelta(hours=11 * gaps[place % len(gaps)])
            _record(service, orders)
            orders = []
    _record(service, orders)


@given(
    plots(16, 30),
    st.lists(st.integers(0, 3), min_size=3, max_size=7),
    st.lists(_ASKED, min_size=3, max_size=3),
    st.integers(1, 20),
)
@examples(20)
def test_each_block_is_what_the_events_alone_come_to(
    service: Service, clock: Clock, plot: Plot, gaps: list[int], asked: list[Asked], parts: int
) -> None:
    number, begun = next(_chapters), clock.now
    with service.asking() as cursor:
        start = len(read_log(cursor))
    _told(service, clock, plot, number, gaps, parts)
    with service.asking() as cursor:
        events = read_log(cursor)
        for one in asked:
            end = events[-1].position
            position = end - (end - start) * (1000 - one.known) // 1000
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

    @cached_property
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

    @cached_property
    def theirs(self) -> dict[DealId, list[Fact]]:
        return {
            deal: facts
            for deal, facts in self.deals.items()
            if self.window.managers is None
            or any(
                line.manager_id in self.window.managers
                for line in self.lines[deal]
                if line.effective_on <= self.window.point.as_of
            )
        }

    @cached_property
    def counted(self) -> list[Fact]:
        found = [
            fact
            for facts in self.theirs.values()
            for fact in facts
            if self.within(fact) and self.holds(fact)
        ]
        return sorted(found, key=lambda fact: fact.position)

    @cached_property
    def lines(self) -> dict[DealId, list[Posting]]:
        return {
            deal: [line for recording in replay(facts) for line in recording.postings]
            for deal, facts in self.deals.items()
        }

    def own_steps(self, cause: str) -> list[Posting]:
        """What each event of the window did at its own step, of whosever deals."""
        within = {event.position for event in self.events if self.within(event)}
        return [
            line
            for lines in self.lines.values()
            for line in lines
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
        for fact in self.counted:
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
        for fact in self.counted:
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
        for fact in self.counted:
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
        for fact in self.counted:
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
        theirs = [fact for facts in self.theirs.values() for fact in facts if self.holds(fact)]
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


# ---------------------------------------------------------------------------- as it is asked for

INTEGRITY = "/v1/audit/integrity"
WHY = {"reason": "Ошибка ввода"}


@pytest.fixture(scope="module")
def here(shared_company: str) -> Iterator[Company]:
    """Two managers in two teams. On 29 May, a Friday, a head confirms what was claimed and enters
    late; the check is raised before a proposal of 5 percent; June is closed and reopened.
    """
    with company(shared_company, datetime(2026, 5, 29, 9, tzinfo=UTC)) as begun:
        north, south = (
            begun.director.do("/v1/teams", {"name": name})["team_id"] for name in ("Север", "Юг")
        )
        anna, boris = begun.manager(team_id=north), begun.manager("Борис Крылов", team_id=south)
        begun.head = begun.hire("head", team_id=north)  # type: ignore[attr-defined]
        begun.teams = (north, south)  # type: ignore[attr-defined]
        begun.kind("5.00", code="proposal")
        begun.kind("2.00", code="data", needs_confirmation=True)
        deal = begun.deal(anna, on="2026-05-01")
        begun.deals = (deal, begun.deal(boris, on="2026-05-01"))  # type: ignore[attr-defined]
        claims = [begun.act(deal, anna, "data", "2026-05-28") for _ in range(2)]
        begun.head.do(f"/v1/deals/{deal}/actions/{claims[0]}/confirmation")  # type: ignore[attr-defined]
        raised = {"amount": "500000000.00", "effective_on": "2026-05-29", "reason": "Состав"}
        begun.director.do(f"/v1/deals/{deal}/check-revisions", raised)
        begun.clock.now = datetime(2026, 6, 1, 9, tzinfo=UTC)
        begun.act(deal, anna, "proposal", "2026-05-12", evidence="Письмо № 7")
        begun.clock.now = datetime(2026, 6, 10, 9, tzinfo=UTC)
        other = begun.act(begun.deals[1], boris, "proposal", "2026-06-10", evidence="письмо №7")  # type: ignore[attr-defined]
        wrong = begun.act(deal, anna, "proposal", "2026-06-10", evidence="Письмо № 7")
        begun.clock.now = datetime(2026, 7, 3, 9, tzinfo=UTC)
        begun.director.do(f"/v1/deals/{deal}/actions/{wrong}/withdrawal", WHY)
        begun.director.do("/v1/periods/2026-06/closing")
        begun.director.do("/v1/periods/2026-06/reopening", {"reason": "Забыто действие"})
        begun.act(deal, anna, "data", "2026-06-30")
        begun.director.do("/v1/periods/2026-06/closing")
        assert other
        yield begun


@pytest.fixture(scope="module")
def shared_company(server: str, template: str) -> Iterator[str]:
    with new_database(server, template) as conninfo:
        yield conninfo


def asked_of(here: Company, **asked: object) -> dict[str, Any]:
    return here.director.ask(INTEGRITY, **asked)


def test_the_blocks_say_who_when_and_where(here: Company) -> None:
    told = asked_of(here)
    deal, other = here.deals  # type: ignore[attr-defined]
    director, head = here.director.account_id, here.head.account_id  # type: ignore[attr-defined]
    assert (told["first_day"], told["last_day"]) == ("2026-04-03", "2026-07-03")
    (late,) = told["late"]
    assert (late["actor"], late["entries"], late["late"]) == (director, 9, 4)
    assert (late["lags"], late["median"], late["most"]) == ([3, 2, 1, 3, 0], 14, 19)
    (raised,) = told["raises"]
    assert (raised["event"], raised["deal_id"], raised["days"]) == (
        "PotentialCheckRevised", deal, 3,
    )  # fmt: skip
    assert (raised["before"], raised["after"]) == ("400000000.00", "500000000.00")
    (pair,) = told["pairs"]
    assert (pair["actor"], pair["manager_id"], pair["confirmed"]) == (head, "m-1", 1)
    assert (pair["author_share"], pair["manager_share"]) == ("100.00", "100.00")
    (repeated,) = told["repeated"]
    assert (repeated["text"], repeated["number"], repeated["deals"]) == ("Письмо № 7", 2, 2)
    assert [use["deal_id"] for use in repeated["uses"]] == [deal, other]
    (withdrawn,) = told["withdrawals"]
    assert (withdrawn["weight"], withdrawn["days"]) == ("5.00", 23)
    assert withdrawn["reason"] == WHY["reason"]
    assert [(one["actor"], one["weight"]) for one in told["withdrawn_by"]] == [(director, "5.00")]
    (month,) = told["reopened"]
    assert (month["period"], month["entries"], month["reason"]) == ("2026-06", 1, "Забыто действие")
    assert month["position"] < month["first"] < month["closed_again"]
    (claimed,) = told["unconfirmed"]
    assert (claimed["manager_id"], claimed["claimed"]) == ("m-1", "20000000.00")
    ends = {one["manager_id"]: one for one in told["month_ends"]["managers"]}
    assert (ends["m-1"]["actions"], ends["m-1"]["actions_recorded"]) == (5, 2)
    assert told["month_ends"]["even"] == "9.78"


def test_thresholds_and_the_window_decide(here: Company) -> None:
    assert asked_of(here, late_after=19)["late"] == []
    assert asked_of(here, near=2)["raises"] == []
    assert asked_of(here, high_weight="5.01")["raises"] == []
    assert asked_of(here, to="2026-07-02")["withdrawals"] == []
    assert asked_of(here, from_="2026-06-02", to="2026-06-09")["late"] == []
    assert asked_of(here, position=10)["pairs"] == []


def test_one_manager_or_team_may_be_asked_about(here: Company) -> None:
    north, south = here.teams  # type: ignore[attr-defined]
    assert asked_of(here, manager_id="m-2")["withdrawals"] == []
    assert asked_of(here, team_id=south)["pairs"] == []
    assert asked_of(here, team_id=north)["pairs"] == asked_of(here)["pairs"]
    assert asked_of(here, team_id=north, manager_id="m-2")["late"] == []
    refused(here.director.get(INTEGRITY, manager_id="nobody"), 404, "not-found")


def test_lists_are_cut_and_say_how_long_they_were(here: Company) -> None:
    told = asked_of(here, high_weight="0.01", limit=1)
    assert told["raises_number"] == 1
    assert len(told["withdrawals"]) == told["withdrawals_number"] == 1


def test_days_out_of_order_are_refused(here: Company) -> None:
    refused(here.director.get(INTEGRITY, from_="2026-06-02", to="2026-06-01"), 422, "validation")
    refused(here.director.get(INTEGRITY, to="2026-07-04"), 409, "in-the-future")
    refused(here.director.get(INTEGRITY, month_end="29"), 422, "validation")


# ---------------------------------------------------------------------------- the page


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_tells_each_block_with_its_links(here: Company, language: str) -> None:
    browser = page_of(here, here.director)
    shown = browser.get(f"/log/integrity?lang={language}")
    assert shown.status_code == 200
    told = asked_of(here)
    deal, _ = here.deals  # type: ignore[attr-defined]
    for link in (
        f"/deals/{deal}?lang={language}", f"/managers/m-1?lang={language}",
        f"/periods/2026-06/certified?lang={language}",
        f"#p{told['withdrawals'][0]['position']}", f"#p{told['late'][0]['position']}",
    ):  # fmt: skip
        assert f'{link}"' in shown.text
    assert "Борис Крылов" in shown.text
    assert ("Безобидные причины:" in shown.text) == (language == "ru")


def test_the_page_says_where_nothing_is_found(here: Company) -> None:
    browser = page_of(here, here.director)
    shown = browser.get("/log/integrity?from=2026-01-01&to=2026-01-02&as_of=2026-01-02").text
    assert shown.count("Ничего такого не нашлось.") == 9
    assert "<table" not in shown


def test_a_high_weight_is_written_as_the_reader_writes_it(here: Company) -> None:
    browser = page_of(here, here.director)
    assert 'name="high_weight"' in (shown := browser.get("/log/integrity").text)
    assert 'value="5,00"' in shown
    high = [
        browser.get(f"/log/integrity/raises.json?high_weight={one}") for one in ("5,01", "5,00")
    ]
    assert [bool(taken.json()["rows"]) for taken in high] == [False, True]


@pytest.mark.parametrize("kind", ["json", "csv", "excel.csv", "xlsx"])
def test_each_block_is_taken_along(here: Company, kind: str) -> None:
    names = (
        "late", "month-ends", "raises", "pairs", "evidence", "withdrawn-by", "withdrawals",
        "reopened", "unconfirmed",
    )  # fmt: skip
    browser = page_of(here, here.director)
    for name in names:
        taken = browser.get(f"/log/integrity/{name}.{kind}?from=2026-05-01")
        assert taken.status_code == 200
        assert f"dealfolio-integrity-{name}-2026-07-03" in taken.headers["content-disposition"]
    if kind == "json":
        body = browser.get("/log/integrity/withdrawals.json?from=2026-05-01").json()
        assert body["from"] == "2026-05-01"
        assert [row["Вес"] for row in body["rows"]] == ["5.00"]
    assert browser.get(f"/log/integrity/nothing.{kind}").status_code == 404


def test_whoever_has_no_part_in_audits_gets_no_page(here: Company) -> None:
    browser = page_of(here, here.head)  # type: ignore[attr-defined]
    assert browser.get("/log/integrity").status_code == 403
