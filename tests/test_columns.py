"""The ledger in columns: what is held is what the database has, however it came to be known."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event, Semaphore
from typing import Any, get_type_hints

import numpy as np
import psycopg
import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Cursor

from api.answers import Asked
from api.background import Behind
from api.operating.schema import migrate
from api.reports import ROUTERS, concentration
from api.reports.activity import ActivityAnswer
from api.reports.calibration import CalibrationAnswer
from api.reports.concentration import ConcentrationAnswer
from api.reports.digest import DigestAnswer
from api.reports.forecast import ForecastAnswer, ForecastRecordAnswer
from api.reports.months import MonthsAnswer
from api.reports.stalled import StalledAnswer
from api.service import Remembered, Service
from api.settings import Settings
from domain.events import Recorded, is_about_a_deal
from domain.history import on
from projections.rebuild import rebuild
from projections.reports import columns as columns_module
from projections.reports import postings
from projections.reports.columns import Column, Columns, NotHeld, Table, number_of
from projections.reports.overviews import Overviews
from projections.reports.postings import DEALS, EVENTS, MANAGERS, POSTINGS, Cells, Groups
from projections.reports.standings import STATES
from tests.conftest import new_database
from tests.histories import examples, read_log
from tests.over_http import AUTUMN, Company, company, serving

TABLES = {
    "states": STATES, "postings": POSTINGS, "events": EVENTS, "deals": DEALS, "people": MANAGERS,
}  # fmt: skip


@pytest.fixture(scope="module")
def database(server: str, template: str) -> Iterator[str]:
    with new_database(server, template) as database:
        yield database


@pytest.fixture(scope="module")
def here(database: str) -> Iterator[Company]:
    """Deals of two managers over half a year; what was done is entered late, and amended."""
    with company(database) as begun:
        for who in ("anna", "boris"):
            begun.director.do("/v1/managers", {"name": who.title(), "manager_id": who})
        for code, weight in (("call", "2.00"), ("proposal", "5.00"), ("setback", "-1.00")):
            begun.kind(weight, code=code)
        for number in range(4):
            _deal(begun, number)
        yield begun


def _deal(begun: Company, number: int) -> None:
    do, who = begun.director.do, ("anna", "boris")[number % 2]
    deal = begun.deal(who, f"{number + 1}00000000.00", currency=("RUB", "EUR")[number // 3])
    calls = [begun.act(deal, who, "call", f"2026-0{month}-11") for month in (5, 3, 4, 2)]
    begun.act(deal, who, "setback", "2026-04-20")
    begun.act(deal, "boris", "proposal", "2026-03-01")
    taken = {"reason": "Не было", "effective_on": "2026-06-06"}
    do(f"/v1/deals/{deal}/actions/{calls[number]}/withdrawal", taken)
    body = {"amount": "70000000.00", "effective_on": "2026-03-11", "reason": "Состав"}
    do(f"/v1/deals/{deal}/check-revisions", body)
    if number == 2:
        do(f"/v1/deals/{deal}/loss", {"reason": "Цена", "effective_on": "2026-07-01"})


@pytest.mark.parametrize("far", [0, 5_000], ids=["gone through", "looked up"])
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_is_held_is_what_one_reading_finds(
    here: Company, monkeypatch: pytest.MonkeyPatch, table: Table[Any], far: int
) -> None:
    """In whatever pieces it was learnt, by whichever statement."""
    monkeypatch.setattr(columns_module, "FAR", far)
    monkeypatch.setattr(columns_module, "FEW", far)
    monkeypatch.setattr(columns_module, "PIECE", 7)
    columns, last = Columns(), here.position
    with here.service.asking() as cursor:
        for position in (last // 3, last // 2, last // 2, last - 9, last):
            held = columns.at(cursor, position).of(table).columns()
            whole = table.read(cursor, 0, position)
            assert len(whole[0])
            assert [rows(column) for column in held[:3]] == [rows(column) for column in whole[:3]]
            assert sorted(zip(*map(rows, held), strict=True)) == sorted(
                zip(*map(rows, whole), strict=True)
            )  # one event may post several times on one day, in no order
            assert [column.dtype for column in held] == [*map(np.dtype, table.held)]


def rows(column: Column) -> list[Any]:
    found: list[Any] = column.tolist()
    return found


def test_what_is_known_already_is_not_read_again(here: Company) -> None:
    columns, statements = Columns(), list[str]()
    with here.service.asking() as cursor:
        watched: Any = _Watched(cursor, statements.append)
        first = columns.at(watched, here.position).of(POSTINGS)
        read = len(statements)
        second = columns.at(watched, here.position - 5).of(POSTINGS)
    assert second is first
    assert len(statements) == read + 1, "which ledger it is"


class _Watched:
    """A cursor that tells of each statement before it is executed."""

    def __init__(self, cursor: Cursor[Any], told: Callable[[str], None]) -> None:
        self._cursor, self._told = cursor, told

    def execute(self, statement: Any, *given: Any, **more: Any) -> Cursor[Any]:
        self._told(statement)
        return self._cursor.execute(statement, *given, **more)


def test_a_longer_log_is_not_held(here: Company) -> None:
    columns = Columns(most_events=here.position - 1)
    with here.service.asking() as cursor:
        columns.at(cursor, here.position - 1)
        with pytest.raises(NotHeld):
            columns.at(cursor, here.position)


def test_no_question_waits_for_a_long_log(here: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns_module, "MOST_AT_ONCE", here.position - 1)
    wanted = list[bool]()
    columns = Columns(wanted=lambda: wanted.append(True))
    overviews, day = Overviews(columns), AUTUMN.date()
    with here.service.asking() as cursor:
        at = columns.at(cursor, here.position)
        with pytest.raises(NotHeld):
            at.of(POSTINGS)
        with pytest.raises(NotHeld):
            overviews.at(at, day)
        assert len(wanted) == 2
        overviews.read(cursor, lambda: True)
        assert len(at.of(POSTINGS).deal)
        assert len(overviews.at(at, day).deals.deal)
        assert len(wanted) == 2


def test_reading_stops_when_it_is_not_to_go_on(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns_module, "FAR", 0)
    monkeypatch.setattr(columns_module, "PIECE", 1)
    columns, asked = Columns(), iter((True, True, False))
    with here.service.asking() as cursor:
        Overviews(columns).read(cursor, lambda: next(asked))
    assert not columns._held


def test_what_is_done_behind_is_done_by_one_and_stops_when_it_is_closed() -> None:
    begun, ends = Event(), Semaphore(0)

    def work(go_on: Callable[[], bool]) -> None:
        begun.set()
        while go_on():
            ends.acquire(timeout=0.001)
        ends.release()

    behind = Behind("test", work)
    behind.wanted()
    assert begun.wait(10)
    begun.clear()
    behind.wanted()
    behind.close()
    assert ends.acquire(timeout=0)
    behind.wanted()
    assert not begun.is_set()


def test_while_the_columns_are_read_the_database_tells(
    here: Company, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first question of a process has them read; the next is answered from them."""
    monkeypatch.setattr(columns_module, "MOST_AT_ONCE", 0)
    service = Service(database, Settings(), here.clock)
    path = f"/v1/reports/concentration?as_of=2026-07-31&position={here.position}"
    expected = here.director.http.get(path).content
    with serving(service) as address:
        assert here.director.http.get(f"{address}{path}").content == expected
        reading = service._reading._thread
        assert reading is not None
        reading.join(10)
        assert service.columns._held
        service._remembered = Remembered(None)
        monkeypatch.delattr(concentration, "active_from_ledger")
        assert here.director.http.get(f"{address}{path}").content == expected


REPORTS = (
    "activity?from=2026-03-01",
    "stalled?minimum_days=10",
    "stalled?minimum_days=10&manager_id=boris",
    "concentration?limit=1",
    "months?from=2026-01-01",
    "digest?limit=3",
    "forecast?by=month",
)


@pytest.mark.parametrize("report", REPORTS)
def test_without_memory_the_database_gives_the_same_answer(
    here: Company, database: str, report: str
) -> None:
    service = Service(database, Settings(), here.clock)
    service.columns.most_events = 0
    path = f"/v1/reports/{report}&as_of=2026-07-31&position={here.position}"
    with serving(service) as address:
        told = here.director.http.get(f"{address}{path}")
    assert told.status_code == 200, told.text
    assert told.content == here.director.http.get(path).content
    assert not service.columns._held


@pytest.mark.parametrize("report", [*REPORTS, "forecast/record?", "calibration?"])
def test_whatever_was_asked_before_the_answer_is_that_of_the_point(
    here: Company, database: str, report: str
) -> None:
    """At positions between which something was learnt of the day, or of a later one only."""
    service = Service(database, Settings(), here.clock)
    service.columns.most_events = 0
    asked = [
        f"/v1/reports/{report}&as_of={day}&position={position}"
        for day in ("2026-04-15", "2026-06-30")
        for position in range(here.position, 8, -7)
    ]
    with serving(service) as address:
        expected = [here.director.http.get(f"{address}{path}").content for path in asked]
    assert [here.director.http.get(path).content for path in asked] == expected


@pytest.fixture
def log(here: Company) -> list[Recorded[Any]]:
    with here.service.asking() as cursor:
        return read_log(cursor)


def test_where_something_was_learnt_last_is_told_of_every_point(
    here: Company, log: list[Recorded[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "LAST", 3)
    about_deals = [one for one in log if is_about_a_deal(one)]
    places = [one.position for one in log if not is_about_a_deal(one)]
    with here.service.asking() as cursor:
        events = Columns().at(cursor, here.position).of(EVENTS)
        for position in range(here.position + 3):
            known = [one for one in about_deals if one.position <= position]
            for day in {on(one) + timedelta(days=some) for one in about_deals for some in (-1, 0)}:
                learnt = (one.position for one in known if on(one) <= day)
                told = events.last_learnt(number_of(day), position)
                assert told == max(learnt, default=0)
            told = here.service.directory.last_learnt(cursor, position)
            assert told == max((one for one in places if one <= position), default=0)


def test_a_report_is_kept_until_something_is_learnt_that_holds_by_its_day(
    server: str, template: str
) -> None:
    with new_database(server, template) as database, company(database) as begun:
        anna = begun.manager("Anna")
        begun.kind("2.00", code="call")
        deal = begun.deal(anna, "100000000.00")
        begun.act(deal, anna, "call", "2026-03-02")
        made = list[int]()

        def asked() -> str:
            point = {"as_of": "2026-03-31", "position": begun.position}
            told = begun.director.ask("/v1/reports/concentration", **point)
            made.append(len(begun.service._remembered.answers._told))
            return str(told["total"]["largest"][0]["amount"])

        first = asked()
        begun.act(deal, anna, "call", "2026-04-01")
        assert asked() == first
        assert made == [1, 1]
        begun.act(deal, anna, "call", "2026-03-31")
        assert asked() != first
        begun.kind("5.00", code="visit")
        asked()
        assert made == [1, 1, 2, 3]


def test_answers_that_are_kept_have_one_list_of_names_between_them(
    server: str, template: str
) -> None:
    """Of a company of 300 it is 33 kB, and many an answer has two."""
    with new_database(server, template) as database, company(database) as begun:
        begun.manager()
        for day in ("2026-10-01", "2026-10-02"):
            begun.director.ask("/v1/reports/concentration", as_of=day)
        begun.manager()
        begun.director.ask("/v1/reports/concentration", as_of="2026-10-03")
        keys: list[Any] = [*begun.service._remembered.answers._told]
    first, second, behind = (key[-1] for key in keys)
    assert first is second
    assert len(behind) == len(first) + 1


def test_each_report_has_questions_of_its_own_type() -> None:
    """By which what one told is not taken for another's."""
    routes = [route for module in ROUTERS for route in module.router.routes]
    types = [
        get_type_hints(one.endpoint)["question"] for one in routes if isinstance(one, APIRoute)
    ]
    assert len({*types}) == len(types) == len(routes)


MODELS: dict[str, type[Asked]] = {
    "activity": ActivityAnswer, "stalled": StalledAnswer, "concentration": ConcentrationAnswer,
    "months": MonthsAnswer, "digest": DigestAnswer, "forecast": ForecastAnswer,
    "forecast/record": ForecastRecordAnswer, "calibration": CalibrationAnswer,
}  # fmt: skip


@pytest.mark.parametrize("report", [*REPORTS, "forecast/record?", "calibration?"])
def test_a_report_says_what_its_model_does_and_in_its_order(here: Company, report: str) -> None:
    told = here.director.http.get(f"/v1/reports/{report}&as_of=2026-07-31").content
    model = MODELS[report.partition("?")[0]]
    assert told == model.model_validate_json(told).model_dump_json(by_alias=True).encode()


def test_a_rebuilt_ledger_is_read_anew(server: str, template: str) -> None:
    with new_database(server, template) as database, company(database) as begun:
        begun.director.do("/v1/managers", {"name": "Anna", "manager_id": "anna"})
        begun.kind("2.00", code="call")
        begun.act(begun.deal("anna", "100000000.00"), "anna", "call", "2026-02-02")
        columns = Columns()
        overviews = Overviews(columns)
        day, last = AUTUMN.date(), begun.position
        with begun.service.asking() as cursor:
            at = columns.at(cursor, last)
            before, told = at.of(POSTINGS), overviews.at(at, day)
            migrate(database)
            rebuild(database, lambda _done, _of: None)
            at = columns.at(cursor, last)
            after, again = at.of(POSTINGS), overviews.at(at, day)
        assert after is not before
        assert again is not told
        assert sorted(zip(*map(rows, after.columns()), strict=True)) == sorted(
            zip(*map(rows, before.columns()), strict=True)
        )


_DAMAGE = """
UPDATE ledger.deals SET title = 'Чужая';
UPDATE ledger.postings SET amount = 2 * amount WHERE account = 'active'
"""


def test_what_a_damaged_ledger_told_is_forgotten_with_it(server: str, template: str) -> None:
    """Also by the laboratory, and to a head, whose answers are not kept."""
    with new_database(server, template) as database, company(database) as begun:
        team = begun.director.do("/v1/teams", {"name": "Юг"})["team_id"]
        anna = begun.manager("Anna", team_id=team)
        begun.kind("2.00", code="call")
        begun.act(begun.deal(anna, "100000000.00", title="Витрины"), anna, "call", "2026-02-02")
        people = begun.director, begun.hire("head", team_id=team)

        def told() -> set[tuple[str, str, str]]:
            found = set()
            for person in people:
                share = person.ask("/v1/reports/concentration")["total"]["largest"][0]
                tried = person.ask("/v1/reports/laboratory", weights="call:3.00")["result"]
                found.add((share["title"], share["amount"], tried["total"]["laboratory"]["active"]))
            return found

        migrate(database)
        with psycopg.connect(database) as damaging:
            damaging.execute(_DAMAGE)
        assert told() == {("Чужая", "4000000.00", "3000000.00")}
        rebuild(database, lambda _done, _of: None)
        assert told() == {("Витрины", "2000000.00", "3000000.00")}


def test_a_ledger_that_was_replaced_meanwhile_is_not_held(server: str, template: str) -> None:
    with new_database(server, template) as database, company(database) as begun:
        begun.director.do("/v1/managers", {"name": "Anna", "manager_id": "anna"})
        begun.deal("anna", "100000000.00")
        migrate(database)
        columns, statements = Columns(), list[str]()

        def replaced(statement: str) -> None:
            statements.append(statement)
            if len(statements) == 3:  # behind the reading, before it is asked which ledger that was
                rebuild(database, lambda _done, _of: None)

        last = begun.position
        with begun.service.asking() as cursor:
            watched: Any = _Watched(cursor, replaced)
            with pytest.raises(NotHeld):
                columns.at(watched, last).of(STATES)
        assert not columns._held


AMOUNTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-(2**63), 2**63 - 1)), max_size=40
)


@given(AMOUNTS)
@examples(60)
def test_sums_are_exact_however_large(given_rows: list[tuple[int, int, int]]) -> None:
    keys, others = (np.array([row[place] for row in given_rows], np.int64) for place in (0, 1))
    amounts = np.array([row[2] for row in given_rows], np.int64)
    groups, cells = Groups(keys), Cells(keys, others, 4, 3)
    expected = {key: sum(row[2] for row in given_rows if row[0] == key) for key in {*keys.tolist()}}
    assert dict(zip(groups.keys.tolist(), groups.sums(amounts), strict=True)) == expected
    positive = amounts > 0
    told = cells.sums(positive, amounts)
    assert {
        (row, column): one
        for row, of_row in enumerate(told)
        for column, one in enumerate(of_row)
        if one
    } == {
        place: one
        for place in {row[:2] for row in given_rows}
        if (one := sum(row[2] for row in given_rows if row[:2] == place and row[2] > 0))
    }


def test_sums_of_cells_do_not_end_at_64_bits() -> None:
    cells = Cells(np.zeros(2, np.intp), np.zeros(2, np.intp), 1, 1)
    assert cells.sums(np.ones(2, np.bool_), np.full(2, 2**63 - 1)) == [[2**64 - 2]]
