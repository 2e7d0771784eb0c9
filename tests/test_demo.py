"""The demo company keeps its promises: alive, exact, told once, and the same for everybody.

What is counted here is counted from the log, of the story told on 23 November 2026.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from psycopg import sql

from api.demo import loading
from api.demo.company import MONTH_REOPENED
from api.demo.loading import NotEmpty, StoryRefused, load_demo
from api.demo.story import DEMO_ACTOR, demo_orders
from api.service import Service
from api.settings import Settings
from application.orders import Order, Unavailable
from domain.deal import Status
from domain.directory import directory_of
from domain.directory_commands import RegisterManager
from domain.events import (
    EVENT_TYPES,
    AccessEvent,
    ActionConfirmed,
    ActionPerformed,
    ActionRejected,
    ActionTypeDefined,
    ActionWithdrawn,
    DealHandedOver,
    DealOpened,
    Event,
    PeriodClosed,
    PeriodReopened,
    Recorded,
    WeightChanged,
    decode,
    is_about_a_deal,
    is_about_the_directory,
)
from domain.history import state_at
from domain.periods import Month
from domain.values import WHOLE, DealId, ManagerId
from projections.portfolio import portfolios_as_of, portfolios_from_ledger

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
MOSCOW = ZoneInfo("Europe/Moscow")
EVENTS = 3202
FOR_EVER = 10**9

Books = list[Recorded[Event]]


@contextmanager
def service_of(conninfo: str) -> Iterator[Service]:
    service = Service(conninfo, Settings(), lambda: NOW)
    try:
        yield service
    finally:
        service.close()


def log_of(service: Service) -> Books:
    with service.asking() as cursor:
        rows = cursor.execute(
            "SELECT originator_id, originator_version, topic, state"
            " FROM books.events ORDER BY notification_id"
        ).fetchall()
    return [decode(*row) for row in rows]


def those(books: Books, kind: type[Event]) -> list[Recorded[Any]]:
    return [one for one in books if isinstance(one.event, kind)]


def rows_in(service: Service, *tables: str) -> list[int]:
    counts = []
    with service.asking() as cursor:
        for table in tables:
            name = sql.Identifier(*table.split("."))
            counted = cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
            assert counted is not None
            counts.append(counted[0])
    return counts


@cache
def story() -> list[Order]:
    """The rehearsal is the same every time: most tests need not repeat it."""
    return demo_orders(TODAY, MOSCOW)


TABLES = ("books.events", "ledger.postings", "books.receipts", "books.people", "ledger.deals")


TOLD: list[tuple[int, int]] = []


@pytest.fixture(scope="module")
def demonstration(shared_database: str) -> Iterator[Service]:
    """The story, loaded; TOLD is what was said of the progress."""
    with service_of(shared_database) as service:
        assert load_demo(service, TODAY, lambda done, total: TOLD.append((done, total)))
        yield service


@pytest.fixture(scope="module")
def books(demonstration: Service) -> Books:
    return log_of(demonstration)


@pytest.fixture(scope="module")
def deals(books: Books) -> dict[DealId, list[Recorded[Any]]]:
    streams: dict[DealId, list[Recorded[Any]]] = defaultdict(list)
    for recorded in filter(is_about_a_deal, books):
        streams[DealId(recorded.originator_id)].append(recorded)
    return streams


def local(recorded: Recorded[Any]) -> datetime:
    return recorded.recorded_at.astimezone(MOSCOW)


def effective(recorded: Recorded[Any]) -> date:
    assert recorded.effective_on is not None
    return recorded.effective_on


# Loaded once, wholly, or not at all


def test_a_second_load_changes_nothing(demonstration: Service, books: Books) -> None:
    before = rows_in(demonstration, *TABLES)
    assert load_demo(demonstration, TODAY) is False
    assert load_demo(demonstration, TODAY + timedelta(days=1)) is False
    assert rows_in(demonstration, *TABLES) == before
    assert log_of(demonstration) == books
    assert before[0] == len(books) == EVENTS
    assert before[2:] == [1, 16, 122]


@pytest.mark.usefixtures("demonstration")
def test_progress_is_told_to_the_end() -> None:
    assert TOLD[-1] == (EVENTS, EVENTS)
    assert sorted(TOLD) == TOLD
    assert len(TOLD) > 5


def test_an_interrupted_load_leaves_nothing_and_the_next_one_succeeds(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "demo_orders", lambda *_: story())

    def interrupt(done: int, _: int) -> None:
        if done > 2000:
            raise InterruptedError

    with service_of(database) as service:
        with pytest.raises(Unavailable) as raised:
            load_demo(service, TODAY, interrupt)
        assert isinstance(raised.value.__cause__, InterruptedError)
        assert rows_in(service, *TABLES) == [0, 0, 0, 0, 0]
        assert load_demo(service, TODAY)
        assert rows_in(service, "books.events") == [EVENTS]


def test_one_refusal_and_nothing_is_loaded(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    repeated = next(order for order in story() if isinstance(order.command, RegisterManager))
    monkeypatch.setattr(loading, "demo_orders", lambda *_: [*story(), repeated])
    with service_of(database) as service:
        with pytest.raises(StoryRefused, match="already-exists") as raised:
            load_demo(service, TODAY)
        assert len(raised.value.refusals) == 1
        assert rows_in(service, *TABLES) == [0, 0, 0, 0, 0]


def test_the_same_day_tells_the_same_story_in_every_database(books: Books, database: str) -> None:
    with service_of(database) as service:
        assert load_demo(service, TODAY)
        assert log_of(service) == books


def test_other_books_are_left_alone(database: str) -> None:
    with service_of(database) as service:
        order = Order(RegisterManager(ManagerId("anna"), "Анна"), "director")
        service.dealfolio.transactor.submit(order).result(5)
        with pytest.raises(NotEmpty, match="other books") as raised:
            load_demo(service, TODAY)
        assert "книги" in raised.value.russian
        assert rows_in(service, *TABLES) == [1, 0, 0, 1, 0]


def test_books_begun_while_the_story_was_rehearsed_are_left_alone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service_of(database) as service, service_of(database) as other:

        def meanwhile(*_: object) -> list[Order]:
            order = Order(RegisterManager(ManagerId("anna"), "Анна"), "director")
            other.dealfolio.transactor.submit(order).result(5)
            return story()

        monkeypatch.setattr(loading, "demo_orders", meanwhile)
        with pytest.raises(NotEmpty):
            load_demo(service, TODAY)
        assert rows_in(service, *TABLES) == [1, 0, 0, 1, 0]


def test_who_comes_second_while_another_loads_finds_it_loaded(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service_of(database) as service, service_of(database) as other:

        def meanwhile(*_: object) -> list[Order]:
            monkeypatch.setattr(loading, "demo_orders", lambda *_: story())
            assert load_demo(other, TODAY)
            return story()

        monkeypatch.setattr(loading, "demo_orders", meanwhile)
        assert load_demo(service, TODAY) is False
        assert rows_in(service, "books.events") == [EVENTS]


# What the log holds

STORY_EVENTS = (
    EVENT_TYPES.keys()
    - {cls.__name__ for cls in get_args(AccessEvent)}
    - {
        "BackdatingLimitSet",
        "PersonForgotten",
    }
)
"""All but what concerns accounts, the rule on backdating, and the law on personal data."""


def test_every_event_of_the_rules_occurs(books: Books) -> None:
    counted = Counter(recorded.type for recorded in books)
    assert counted.keys() == STORY_EVENTS
    assert counted["TeamCreated"] == 4
    assert counted["ManagerRegistered"] == 16
    assert counted["ManagerTeamChanged"] == 2
    assert counted["ActionTypeDefined"] == 26
    assert counted["ActionTypeWeightChanged"] == 2
    assert counted["ActionTypeRetired"] == 1
    assert counted["DealOpened"] == 122
    assert counted["PeriodReopened"] == 1
    assert counted["ActionPerformed"] > 1800
    assert counted["ActionConfirmed"] > 120
    for many in ("PotentialCheckRevised", "ExpectedCloseRevised", "WeightChanged"):
        assert counted[many] > 50
    for some in ("ActionWithdrawn", "DealHandedOver", "DealSuspended", "DealWon", "DealLost"):
        assert counted[some] > 20
    assert counted["ActionRejected"] > 10
    assert counted["DealResumed"] > 15
    assert counted["DealReopened"] >= 5


@pytest.mark.parametrize("today", [date(2025, 1, 3), date(2024, 2, 29), date(2027, 7, 31)])
def test_the_story_is_as_rich_on_any_other_day(today: date) -> None:
    orders = demo_orders(today, MOSCOW)
    assert 2500 <= len(orders) <= 3500
    assert len({type(order.command) for order in orders}) == len(STORY_EVENTS)
    given = [order.given_at for order in orders if order.given_at]
    assert given == sorted(given)
    assert len(given) == len(orders)
    assert given[-1].astimezone(MOSCOW).date() < today
    assert sum(order.key is not None for order in orders) == 1 == bool(orders[0].key)


def test_the_catalogue_has_the_figures_of_the_case(books: Books) -> None:
    types = [one.event for one in those(books, ActionTypeDefined)]
    weights: dict[str, int] = {one.code: one.weight for one in types}
    assert weights["design-data"] == 200
    assert weights["proposal-presented"] == 500
    assert weights["decision-maker-left"] == -400
    assert sum(one.weight < 0 for one in types) == 3
    assert sum(one.needs_confirmation for one in types) == 6
    assert sum(one.evidence_required for one in types) == 6
    assert sum(one.max_per_deal is None for one in types) == 2


def test_every_action_type_is_used_and_every_manager_works(books: Books) -> None:
    performed = [one.event for one in those(books, ActionPerformed)]
    assert len({one.action_type for one in performed}) == 26
    by_manager = Counter(credit.manager_id for one in performed for credit in one.credits)
    assert len(by_manager) == 16
    assert max(by_manager.values()) > 2 * min(by_manager.values())
    assert sum(len(one.credits) > 1 for one in performed) > 200


def test_some_managers_stand_still_lately(books: Books) -> None:
    lately = {
        credit.manager_id
        for one in those(books, ActionPerformed)
        if local(one).date() > TODAY - timedelta(days=32)
        for credit in one.event.credits
    }
    everybody = directory_of(filter(is_about_the_directory, books)).people.managers
    assert everybody.keys() - lately == {"igor-panfilov", "viktor-tarasov", "artem-zimin"}


def test_knowledge_spans_two_years_of_working_hours_and_none_of_today(books: Books) -> None:
    assert local(books[0]).date() == date(2024, 11, 1)
    assert local(books[-1]).date() == date(2026, 11, 20)
    assert len({(local(one).year, local(one).month) for one in books}) == 25
    assert all(one.recorded_at < NOW for one in books)
    assert all(before.recorded_at < after.recorded_at for before, after in pairwise(books))
    assert all(9 <= local(one).hour < 19 and local(one).weekday() < 5 for one in books)


def test_managers_record_what_they_did_themselves(books: Books) -> None:
    performed = those(books, ActionPerformed)
    assert all(one.actor == one.event.credits[0].manager_id for one in performed)
    assert all(one.actor == one.event.manager_id for one in those(books, DealOpened))
    assert {one.actor for one in those(books, ActionConfirmed)} == {DEMO_ACTOR}


def test_nothing_is_effective_after_its_recording(books: Books) -> None:
    dated = [one for one in books if one.effective_on is not None]
    assert len(dated) > 3000
    assert all(effective(one) <= local(one).date() for one in dated)


def test_late_entries_reach_back_weeks_and_over_the_ends_of_months(books: Books) -> None:
    performed = those(books, ActionPerformed)
    late = [(local(one).date() - effective(one)).days for one in performed]
    assert sum(days > 0 for days in late) > 400
    assert sum(days > 12 for days in late) > 30
    assert sum(effective(one).month != local(one).month for one in performed) > 50


def test_amendments_stand_on_the_day_of_their_action_too(books: Books) -> None:
    done = {one.event.action_id: one for one in those(books, ActionPerformed)}
    for kind in (ActionConfirmed, ActionRejected, WeightChanged, ActionWithdrawn):
        amendments = those(books, kind)
        days = Counter(effective(one) == effective(done[one.event.action_id]) for one in amendments)
        assert days[True] > 3
        assert days[False] > 3


def test_months_are_closed_but_the_last_two(books: Books) -> None:
    directory = list(filter(is_about_the_directory, books))
    periods = directory_of(directory).periods
    assert periods.closed_through == date(2026, 9, 30)
    assert len(periods.closed) == 23
    assert all(periods.closed.values())


def test_nothing_is_effective_in_a_month_that_was_closed_when_it_was_recorded(
    books: Books,
) -> None:
    directory = directory_of([])
    for one in books:
        through = directory.periods.closed_through
        assert through is None or one.effective_on is None or one.effective_on > through
        if is_about_the_directory(one):
            directory = directory.evolve(one)


def test_one_month_was_reopened_corrected_and_closed_again(books: Books) -> None:
    (reopened,) = those(books, PeriodReopened)
    assert reopened.event.reason == MONTH_REOPENED
    month = Month.parse(reopened.event.period)
    assert month == Month(2026, 5)
    (closed,) = [
        one
        for one in those(books, PeriodClosed)
        if one.originator_id == reopened.originator_id and one.position > reopened.position
    ]
    corrections = [
        one
        for one in books[reopened.position : closed.position]
        if one.effective_on and one.effective_on <= month.last_day
    ]
    assert any(isinstance(one.event, ActionPerformed) for one in corrections)


def test_deals_are_worth_what_such_deals_are_worth(books: Books) -> None:
    checks = [one.event.potential_check for one in those(books, DealOpened)]
    roubles = [check.amount for check in checks if check.currency == "RUB"]
    assert min(roubles) >= 200_000_000_00
    assert max(roubles) <= 2_000_000_000_00
    assert max(roubles) > 5 * min(roubles)
    assert Counter(check.currency for check in checks) == {"RUB": 111, "CNY": 6, "KZT": 5}


def test_deals_end_in_every_way_and_some_reach_the_cap(
    deals: dict[DealId, list[Recorded[Any]]],
) -> None:
    ends = [state_at(events, TODAY, FOR_EVER) for events in deals.values()]
    states = [end for end in ends if end is not None]
    by_status = Counter(state.status for state in states)
    assert by_status == {
        Status.OPEN: 59,
        Status.WON: 33,
        Status.LOST: 26,
        Status.SUSPENDED: 4,
    }
    won = [state.progress for state in states if state.status is Status.WON]
    assert min(won) >= 4000
    assert sum(progress <= 9000 for progress in won) >= len(won) - 2
    assert 2 <= sum(state.progress == WHOLE for state in states) <= 10
    claims = [
        action
        for state in states
        if state.status is Status.OPEN
        for action in state.actions.values()
        if action.claimed and action.live
    ]
    assert len(claims) >= 10


def test_deals_are_handed_over_with_and_without_what_was_earned(books: Books) -> None:
    handed = Counter(one.event.transfer_credit for one in those(books, DealHandedOver))
    assert min(handed[True], handed[False]) > 8


@pytest.mark.parametrize(
    ("as_of", "position"),
    [
        (date(2024, 12, 31), FOR_EVER),
        (date(2025, 6, 30), FOR_EVER),
        (date(2025, 6, 30), 900),
        (date(2026, 9, 30), 2900),
        (TODAY, FOR_EVER),
    ],
)
def test_the_ledger_says_what_the_log_says(
    demonstration: Service, deals: dict[DealId, list[Recorded[Any]]], as_of: date, position: int
) -> None:
    folded = portfolios_as_of(deals, as_of, position)
    with demonstration.asking() as cursor:
        assert portfolios_from_ledger(cursor, as_of, position) == folded
    assert len(folded["RUB"]) >= 15
