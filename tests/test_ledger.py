"""The ledger in PostgreSQL against the definitions and the oracle, to the last digit.

Drawn histories go through the writer into one database: one by one, together in one group,
and in batches that stand or fall together. Each has people and deals of its own, so that its
questions can be asked among all that the others have left.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from datetime import date, timedelta
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Cursor

from api.service import Service
from api.settings import Settings
from api.v1.previews import changes_of
from application.orders import Answer, Order
from domain.deal import Status
from domain.directory_commands import RegisterManager
from domain.errors import BreaksLaterHistory
from domain.events import DealEvent, Recorded, is_about_a_deal
from domain.values import ActionTypeCode, DealId, ManagerId
from projections.actions import ActionLine, State, Wanted, actions_as_of, actions_from_log
from projections.deals import deals_as_of, deals_from_ledger
from projections.ledger import ZERO, Balance, Standing
from projections.log import deal_events, published_after
from projections.movement import movement_between, movement_from_ledger
from projections.portfolio import (
    DealRow,
    figures_of,
    is_shown,
    manager_portfolio_as_of,
    manager_portfolio_from_ledger,
    portfolios_as_of,
    portfolios_from_ledger,
)
from projections.restatement import restatement_from_ledger, restatement_of
from projections.series import Step, dates, series_as_of, series_from_ledger
from projections.snapshots import close_next_cut
from tests import oracle
from tests.histories import (
    CATALOGUE,
    DAYS,
    NOON,
    Plot,
    Point,
    Story,
    Tried,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    play,
    plots,
    points,
    read_log,
    to_public,
)

SECONDS = 30
_chapters = count(1)


@pytest.fixture(scope="module")
def service(shared_database: str) -> Iterator[Service]:
    service = Service(shared_database, Settings(), lambda: NOON)
    orders = [Order(command, "director") for command in catalogue_commands()]
    assert all(isinstance(one, Answer) for one in _all(service, orders))
    yield service
    service.close()


class Chapter(NamedTuple):
    """A history as it was recorded: `log` behind position `first`, up to and with `last`."""

    people: tuple[ManagerId, ...]
    first: int
    last: int
    log: dict[DealId, list[Recorded[DealEvent]]]
    public: list[dict[str, Any]]

    def at(self, point: Point) -> tuple[date, int]:
        return point.as_of, point.position(self.first, self.last)


class Wish(NamedTuple):
    """Which actions are asked for; people by their number in the cast."""

    state: State
    action_type: str | None
    managers: frozenset[int] | None
    first: date | None
    last: date | None
    deal_status: Status | None
    seen: frozenset[int] | None

    def of(self, people: tuple[ManagerId, ...]) -> Wanted:
        managers, seen = (
            None if some is None else [people[number] for number in sorted(some)]
            for some in (self.managers, self.seen)
        )
        kind = None if self.action_type is None else ActionTypeCode(self.action_type)
        return Wanted(self.state, kind, managers, self.first, self.last, self.deal_status, seen)


def wanted() -> st.SearchStrategy[Wish]:
    some = st.none() | st.frozensets(st.integers(0, 3), max_size=3)
    day = st.none() | st.sampled_from(DAYS)
    return st.builds(
        Wish,
        st.sampled_from(State),
        st.none() | st.sampled_from(sorted(CATALOGUE)),
        some,
        day,
        day,
        st.none() | st.sampled_from(Status),
        some,
    )


@given(
    plots(16, 30),
    points(2),
    st.lists(st.integers(0, 5), min_size=8, max_size=8),
    st.sets(st.integers(0, 3), min_size=1),
    st.sampled_from(Step),
    st.integers(3, 40),
    st.lists(wanted(), min_size=4, max_size=4),
)
@examples(120, times=16)
def test_every_question_is_answered_from_the_ledger_as_the_definition_and_the_oracle_do(
    service: Service,
    plot: Plot,
    asked: list[Point],
    ways: list[int],
    who: set[int],
    step: Step,
    every: int,
    wishes: list["Wish"],
) -> None:
    """Cuts are closed now and then, every so many events."""
    number = next(_chapters)
    people = cast_of(number)
    first = _all(service, [Order(RegisterManager(one, one), "admin") for one in people])[-1]
    assert isinstance(first, Answer)
    _record(service, play(plot, number), ways, first.position, every)
    some = [people[index] for index in sorted(who)]
    with service.asking() as cursor:
        chapter = _read(cursor, people, first.position)
        for point in asked:
            _portfolios_agree(cursor, chapter, *chapter.at(point))
            _deals_agree(cursor, chapter, *chapter.at(point))
            _actions_agree(cursor, chapter, *chapter.at(point), wishes)
        _movement_agrees(cursor, chapter, asked, some)
        _restatement_agrees(cursor, chapter, asked, some)
        _series_agree(cursor, chapter, asked, some, step)


# ---------------------------------------------------------------------------- recording


def _record(service: Service, story: Story, ways: list[int], first: int, every: int) -> None:
    """Record `story` behind position `first` in parts, and hear the answers that the domain gave.

    A batch with a refusal in it, or a dry run, is answered the same and leaves nothing; and what is
    foreseen of a part is what everybody then has more or less.
    """
    transactor = service.dealfolio.transactor
    width = max(1, -(-len(story.tried) // len(ways)))
    for part, way in enumerate(ways):
        if way in {1, 4}:
            close_cuts(service, every)
        tried = story.tried[part * width : (part + 1) * width]
        orders = [Order(command_for(one.fact), "desk") for one in tried]
        if way <= 2:
            for one, order in zip(tried, orders, strict=True):
                _agree(one, _heard(transactor.submit(order)), first)
            continue
        refused = any(one.refusal for one in tried)
        if way == 5 or refused:
            batch = transactor.submit_all(orders, dry_run=not refused)
            for one, rehearsed in zip(tried, batch.result(SECONDS), strict=True):
                _agree(one, rehearsed, first)
        with _foreseen(service, tried, orders, first) if way == 5 else nullcontext():
            if way == 3 or refused:
                futures = [transactor.submit(order) for order in orders]
                outcomes: list[object] = [_heard(future) for future in futures]
            else:
                outcomes = [*_all(service, orders)]
        for one, outcome in zip(tried, outcomes, strict=True):
            _agree(one, outcome, first)


@contextmanager
def _foreseen(
    service: Service, tried: Sequence[Tried], orders: Sequence[Order], first: int
) -> Iterator[None]:
    """What is foreseen of `orders` before they are recorded."""
    foreseen = service.dealfolio.transactor.foresee_all(orders).result(SECONDS)
    for one, outcome in zip(tried, foreseen.outcomes, strict=True):
        _agree(one, outcome, first)
    held = _held(service)
    for currency, managers in changes_of(foreseen.postings).items():
        for who, change in managers.items():
            held[currency, who] = held.get((currency, who), ZERO).plus(change)
    yield
    assert _held(service) == {who: own for who, own in held.items() if own != ZERO}


def _held(service: Service) -> dict[tuple[str, ManagerId], Balance]:
    """What everybody has at the end of the tests' day, from the ledger; nothing is left out."""
    with service.asking() as cursor:
        found = portfolios_from_ledger(cursor, NOON.date(), 2**40)
    return {
        (currency, who): held.balance
        for currency, managers in found.items()
        for who, held in managers.items()
        if held.balance != ZERO
    }


def close_cuts(service: Service, every: int) -> None:
    with service.asking() as cursor:
        while close_next_cut(cursor.connection, every=every):
            pass


def _agree(tried: Tried, outcome: object, first: int) -> None:
    if tried.refusal is None:
        assert isinstance(outcome, Answer), outcome
        assert outcome.position == first + tried.fact.position
        assert outcome.version == tried.fact.originator_version
        return
    assert type(outcome) is type(tried.refusal), outcome
    if isinstance(tried.refusal, BreaksLaterHistory):
        assert isinstance(outcome, BreaksLaterHistory)
        assert outcome.broken.position == first + tried.refusal.broken.position


def _heard(future: "Future[Answer]") -> Answer | BaseException:
    return future.exception(SECONDS) or future.result()


def _all(service: Service, orders: list[Order]) -> list[Answer | Exception]:
    return service.dealfolio.transactor.submit_all(orders).result(SECONDS)


def _read(cursor: Cursor[Any], people: tuple[ManagerId, ...], first: int) -> Chapter:
    events = read_log(cursor, first)
    log: dict[DealId, list[Recorded[DealEvent]]] = {}
    for event in filter(is_about_a_deal, events):
        log.setdefault(DealId(event.originator_id), []).append(event)
    for deal_id, facts in log.items():
        assert deal_events(cursor, deal_id, 2**40) == facts
    assert [event.position for event in events] == list(range(first + 1, first + 1 + len(events)))
    public = [json.loads(published.body) for published in published_after(cursor, first, 1000)]
    assert public == [to_public(event) for event in events]
    return Chapter(people, first, first + len(events), log, public)


# ---------------------------------------------------------------------------- each question


def _portfolios_agree(cursor: Cursor[Any], chapter: Chapter, as_of: date, position: int) -> None:
    everybody = portfolios_from_ledger(cursor, as_of, position)
    held = {
        currency: own
        for currency, managers in everybody.items()
        if (own := {name: managers[name] for name in chapter.people if name in managers})
    }
    assert held == portfolios_as_of(chapter.log, as_of, position)
    assert {
        currency: {manager: _figures(standing) for manager, standing in managers.items()}
        for currency, managers in held.items()
    } == oracle.portfolio(chapter.public, as_of.isoformat(), position)
    for manager in chapter.people:
        found = manager_portfolio_from_ledger(cursor, manager, as_of, position)
        assert found == manager_portfolio_as_of(chapter.log, manager, as_of, position)
        rows: dict[str, list[DealRow]] = {}
        for row in found:
            if is_shown(figures_of(row.standing)):
                rows.setdefault(row.currency, []).append(row)
        assert {
            currency: [_row(row) for row in rows] for currency, rows in rows.items()
        } == oracle.deal_rows(chapter.public, manager, as_of.isoformat(), position)
        for currency, managers in held.items():
            whole = _figures(managers.get(manager, Standing()))
            shown = [_figures(row.standing) for row in rows.get(currency, [])]
            for name in (*oracle.ACCOUNTS, "progress", "deals"):
                assert sum(row[name] for row in shown) == whole[name]


def _figures(standing: Standing) -> dict[str, int]:
    return standing.balance._asdict() | {
        "progress": standing.progress,
        "actions": standing.actions,
        "deals": standing.deals,
    }


def _row(row: DealRow) -> dict[str, Any]:
    return {
        "deal_id": str(row.deal_id),
        "status": row.status.value,
        "check": row.potential_check,
        "deal_progress": row.deal_progress,
        "credit": row.standing.credit,
    } | row.standing.balance._asdict()


def _deals_agree(cursor: Cursor[Any], chapter: Chapter, as_of: date, position: int) -> None:
    expected = deals_as_of(chapter.log, as_of, position)
    assert deals_from_ledger(cursor, as_of, position, after=chapter.first) == expected
    for status in Status:
        found = deals_from_ledger(cursor, as_of, position, after=chapter.first, status=status)
        assert found == [line for line in expected if line.status == status]
    for owner in chapter.people:
        found = deals_from_ledger(cursor, as_of, position, owner=owner)
        assert found == [line for line in expected if line.owner == owner]
    paged, after = [], chapter.first
    while page := deals_from_ledger(cursor, as_of, position, after=after, limit=1):
        paged += page
        after = page[-1].position
    assert paged == expected
    for line in expected:
        publics = [one for one in chapter.public if one["deal_id"] == str(line.deal_id)]
        deal = oracle.fold_deal(publics, as_of.isoformat(), position)
        assert deal is not None
        closing = line.expected_close_on and line.expected_close_on.isoformat()
        assert (
            (line.title, line.client, line.status, line.owner, line.potential_check)
            == (deal["title"], deal["client"], deal["status"], deal["owner"], deal["check"])
        )  # fmt: skip
        assert (line.progress, line.currency) == (deal["progress"], deal["currency"])
        assert closing == deal["expected_close_on"]


def _actions_agree(
    cursor: Cursor[Any], chapter: Chapter, as_of: date, position: int, wishes: list[Wish]
) -> None:
    everything = actions_as_of(chapter.log, as_of, position, Wanted(State.ALL))
    for state in State:
        found = actions_from_log(cursor, as_of, position, Wanted(state), after=chapter.first)
        assert found == [line for line in everything if state.has(line.action)]
    whose = [Wanted(State.ALL, managers=[one]) for one in chapter.people]
    for wanted in [*whose, *(wish.of(chapter.people) for wish in wishes)]:
        expected = actions_as_of(chapter.log, as_of, position, wanted)
        assert actions_from_log(cursor, as_of, position, wanted, after=chapter.first) == expected
    paged, after, live = [], chapter.first, Wanted(State.LIVE)
    while page := actions_from_log(cursor, as_of, position, live, after=after, limit=2):
        paged += page
        after = page[-1].position
    assert paged == [line for line in everything if line.action.live]
    _worth_as_the_oracle_says(chapter, as_of, position, everything)


def _worth_as_the_oracle_says(
    chapter: Chapter, as_of: date, position: int, lines: list[ActionLine]
) -> None:
    """Actions of open deals make up what is active and, but for setbacks, what is claimed."""
    worth: dict[str, dict[str, int]] = {}
    for line in lines:
        account = "claimed" if line.action.state == "claimed" else "active"
        if line.deal.is_open and line.amount > 0:
            held = worth.setdefault(line.deal.currency, {"active": 0, "claimed": 0})
            held[account] += line.amount
    told = oracle.portfolio(chapter.public, as_of.isoformat(), position)
    for currency in told.keys() | worth.keys():
        held = worth.get(currency, {"active": 0, "claimed": 0})
        for account, amount in held.items():
            people = told.get(currency, {}).values()
            assert sum(one[account] for one in people) == amount


def _movement_agrees(
    cursor: Cursor[Any], chapter: Chapter, asked: list[Point], some: list[ManagerId]
) -> None:
    first, last = sorted(point.as_of for point in asked)
    _, position = chapter.at(asked[0])
    for currency in ("RUB", "USD"):
        moved = movement_from_ledger(cursor, first, last, position, currency, some)
        assert moved == movement_between(chapter.log, first, last, position, currency, some)
        assert (
            moved.opening._asdict(),
            {(cause, account.value): amount for (cause, account), amount in moved.lines.items()},
            moved.closing._asdict(),
        ) == oracle.movement(
            chapter.public, first.isoformat(), last.isoformat(), position, some, currency
        )


def _restatement_agrees(
    cursor: Cursor[Any], chapter: Chapter, asked: list[Point], some: list[ManagerId]
) -> None:
    as_of = asked[0].as_of
    first, last = sorted(chapter.at(point)[1] for point in asked)
    found = restatement_from_ledger(cursor, as_of, first, last, "RUB", some)
    assert found == restatement_of(chapter.log, as_of, first, last, "RUB", some)
    lines = {(line.position, line.manager_id, line.account.value): line for line in found.lines}
    assert len(lines) == len(found.lines)
    assert (
        found.earlier._asdict(),
        {key: line.amount for key, line in lines.items()},
        found.later._asdict(),
    ) == oracle.restatement(chapter.public, as_of.isoformat(), first, last, some)
    publics = {public["position"]: public for public in chapter.public}
    for line in found.lines:
        public = publics[line.position]
        assert (line.event, str(line.deal_id)) == (public["type"], public["deal_id"])
        assert line.effective_on.isoformat() == public["effective_on"]


def _series_agree(
    cursor: Cursor[Any], chapter: Chapter, asked: list[Point], some: list[ManagerId], step: Step
) -> None:
    first, last = sorted(point.as_of for point in asked)
    _, position = chapter.at(asked[1])
    days = dates(first, last, step)

    def members(day: date) -> list[ManagerId]:
        """A team that somebody leaves in the middle."""
        return some[day >= date(2026, 2, 3) :]

    series = series_from_ledger(cursor, days, position, "RUB", members)
    assert series == series_as_of(chapter.log, days, position, "RUB", members)
    assert [point.as_of for point in series] == list(_step_ends(first, last, step))
    for point in series:
        on = point.as_of.isoformat()
        managers = oracle.portfolio(chapter.public, on, position).get("RUB", {})
        team = [managers[name] for name in members(point.as_of) if name in managers]
        expected = {account: sum(one[account] for one in team) for account in oracle.ACCOUNTS}
        assert point.balance._asdict() == expected
        assert point.progress == sum(one["progress"] for one in team)


def _step_ends(first: date, last: date, step: Step) -> Iterator[date]:
    """Every Sunday or last of a month on the way, and `last`."""
    day = first
    while day < last:
        tomorrow = day + timedelta(days=1)
        sunday, month_end = day.isoweekday() == 7, tomorrow.month != day.month
        if {Step.DAY: True, Step.WEEK: sunday, Step.MONTH: month_end}[step]:
            yield day
        day = tomorrow
    yield last
