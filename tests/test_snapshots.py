"""Snapshots make questions cheap and change none of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from itertools import product
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from api import service as service_module
from api.operating.schema import migrate
from api.service import Service
from api.settings import Settings
from application.orders import Order
from domain.decisions import Command
from domain.directory_commands import RegisterManager
from domain.values import ManagerId
from projections import rebuild as rebuild_module
from projections import snapshots as snapshots_module
from projections.ledger import managers_asked
from projections.movement import movement_from_ledger
from projections.portfolio import portfolios_from_ledger
from projections.rebuild import rebuild
from projections.restatement import restatement_from_ledger
from projections.series import Step, dates, day_by_day, series_from_ledger
from projections.snapshots import (
    _ALONE,
    _MARK,
    CLOSERS_LOCK,
    close_next_cut,
    levels_on,
    mark_near,
)
from projections.verify import verify
from tests.histories import CALENDAR, NOON, cast_of, catalogue_commands, command_for, lively

SECONDS = 30
EVERY = 4
ON = dict(
    zip(
        CALENDAR,
        (
            date(2025, 11, 8),
            date(2025, 11, 30),
            date(2025, 12, 1),
            date(2025, 12, 24),
            date(2025, 12, 31),
            date(2026, 1, 17),
            date(2026, 2, 28),
            date(2026, 3, 1),
        ),
        strict=True,
    )
)
"""The same story over four months: on marks, behind them, and with months between."""
DAYS = sorted({day + timedelta(days=more) for day in ON.values() for more in (-1, 0, 1)})


@pytest.fixture
def service(database: str) -> Iterator[Service]:
    migrate(database)  # a copy of a template is not its owner's to make schemas in
    service = Service(database, Settings(), lambda: NOON)
    commands: list[Command] = [*catalogue_commands()]
    commands += [RegisterManager(one, one) for one in cast_of(1)]
    for one in lively(6, 1).tried:
        day = one.fact.effective_on
        assert day is not None
        commands.append(command_for(one.fact._replace(effective_on=ON[day])))
    for command in commands:
        service.dealfolio.transactor.submit_all([Order(command, "desk")]).result(SECONDS)
    yield service
    service.close()


@pytest.fixture
def ledger(
    database: str,
    service: Service,  # noqa: ARG001 - has recorded what is in it
) -> Iterator[Connection[TupleRow]]:
    """As the database's own superuser, who may do to the ledger what nobody else may."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def close_cuts(connection: Connection[TupleRow]) -> int:
    closed = 0
    while close_next_cut(connection, every=EVERY):
        closed += 1
    return closed


def answers(connection: Connection[TupleRow]) -> list[Any]:
    """To every question that adds up, at every position and on many days."""
    cursor = connection.cursor()
    people = cast_of(1)
    row = cursor.execute("SELECT max(notification_id) FROM books.events").fetchone()
    assert row is not None
    told: list[Any] = []
    for position, some in product(range(0, row[0] + 1, 3), (None, people[:2])):
        told += [portfolios_from_ledger(cursor, day, position, some) for day in DAYS]
        months = dates(DAYS[0], DAYS[-1], Step.MONTH)
        told.append(series_from_ledger(cursor, months, position, "RUB", lambda _: some))  # noqa: B023 - asked at once
        told.append(movement_from_ledger(cursor, DAYS[2], DAYS[-1], position, "RUB", some))
        later = min(position + 9, row[0])
        told.append(restatement_from_ledger(cursor, DAYS[-2], position, later, "RUB", some))
    return told


def test_dropping_them_changes_no_answer(
    ledger: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = answers(ledger)
    assert close_cuts(ledger) > 10
    assert answers(ledger) == without, "of the last cut, from which several are taken away"
    monkeypatch.setattr(snapshots_module, "EVERY", EVERY)
    assert answers(ledger) == without
    ledger.execute("UPDATE ledger.snapshots SET active = active + 1")
    assert answers(ledger) != without, "they are what is asked"
    ledger.execute("TRUNCATE ledger.cuts, ledger.snapshots")
    assert answers(ledger) == without


def test_a_question_is_asked_of_the_nearest_cut(
    ledger: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it knows more: what that is, is taken away."""
    monkeypatch.setattr(snapshots_module, "EVERY", EVERY)
    last = EVERY * close_cuts(ledger)

    def told() -> list[Any]:
        return [
            portfolios_from_ledger(ledger.cursor(), DAYS[-1], position)
            for position in range(last - EVERY, last + 1)
        ]

    before = told()
    ledger.execute("UPDATE ledger.snapshots SET active = active + 1 WHERE cut = %s", [last])
    changed = [one != other for one, other in zip(before, told(), strict=True)]
    assert changed == [False, False, True, True, True]


def test_managers_are_asked_about_by_whatever_id_they_have(ledger: Connection[TupleRow]) -> None:
    people = [ManagerId(one) for one in ("null", "a.b_c-d", "0")]
    for asked in (people, []):
        row = ledger.execute("SELECT %s::text[]", [managers_asked(asked)]).fetchone()
        assert row == (asked,)


def test_a_series_is_the_same_by_snapshots_and_day_by_day(ledger: Connection[TupleRow]) -> None:
    close_cuts(ledger)
    days = [DAYS[0] + timedelta(days=number) for number in range((DAYS[-1] - DAYS[0]).days + 1)]
    for position, some in product((0, 9, 21, 2**40), (None, cast_of(1)[1:3])):
        asked = ledger.cursor(), days, position, "RUB", some
        by_snapshots, by_day = (
            [{who: one for who, one in held.items() if any(one)} for held in each(*asked)]
            for each in (levels_on, day_by_day)
        )
        assert by_snapshots == by_day


def test_the_database_and_python_have_the_same_marks(ledger: Connection[TupleRow]) -> None:
    """Four in a month, from the 8th to its last day."""
    rows = ledger.execute(
        f"SELECT effective_on::date, {_MARK} FROM"
        " generate_series(date '2023-12-01', date '2025-03-31', interval '1 day') AS effective_on"
    ).fetchall()
    assert len(rows) == 487
    marks = {mark for _, mark in rows}
    assert {mark for mark in marks if mark.month == 2} == {
        *(date(year, 2, day) for year in (2024, 2025) for day in (8, 16, 24)),
        date(2024, 2, 29),
        date(2025, 2, 28),
    }
    for day, mark in rows:
        assert mark == min(one for one in marks if one >= day)
        assert mark_near(mark) == mark
        near = [date(2023, 11, 30), *sorted(marks)]
        assert mark_near(day) == min(near, key=lambda one: abs(one - day))


def test_what_is_wrong_in_them_is_named(database: str, ledger: Connection[TupleRow]) -> None:
    close_cuts(ledger)

    def found() -> set[str]:
        return {one.what for one in verify(database, lambda _done, _of: None).differences}

    assert found() == set()
    ledger.execute(
        "UPDATE ledger.snapshots SET won = won + 1 WHERE (manager, mark, cut) ="
        " (SELECT manager, mark, cut FROM ledger.snapshots ORDER BY cut, mark LIMIT 1)"
    )
    assert found() == {
        "snapshots: in the ledger and not in the log",
        "snapshots: follows from the log and is not in the ledger",
    }
    ledger.execute("UPDATE ledger.snapshots SET won = won - 1 WHERE won % 100 = 1")
    assert found() == set()
    ledger.execute(
        "DELETE FROM ledger.holders WHERE manager = (SELECT min(manager) FROM ledger.holders)"
    )
    assert found() == {"holders: without somebody who has postings"}


def test_a_rebuilt_ledger_has_them(
    database: str, ledger: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while somebody closes the live ledger's."""

    def stored() -> list[TupleRow]:
        return ledger.execute(
            "SELECT * FROM ledger.snapshots JOIN ledger.cuts ON cut = position"
            " JOIN ledger.holders USING (manager, currency) ORDER BY 1, 2, 3, 4"
        ).fetchall()

    close_cuts(ledger)
    written, told = stored(), answers(ledger)
    assert written
    monkeypatch.setattr(rebuild_module, "close_next_cut", partial(close_next_cut, every=EVERY))
    with psycopg.connect(database) as closing:
        closing.execute("SET search_path = ledger")
        closing.execute(_ALONE, [CLOSERS_LOCK])
        rebuild(database, lambda _done, _of: None)
    assert stored() == written
    assert answers(ledger) == told


def test_several_may_close_them_at_once(database: str, ledger: Connection[TupleRow]) -> None:
    def close() -> int:
        with psycopg.connect(database, autocommit=True) as connection:
            return close_cuts(connection)

    with ThreadPoolExecutor(4) as pool:
        closing = [pool.submit(close) for _ in range(4)]
        closed = sum(one.result(SECONDS) for one in closing)
    cuts = [cut for (cut,) in ledger.execute("SELECT position FROM ledger.cuts ORDER BY 1")]
    assert cuts == [EVERY * number for number in range(1, closed + 1)]


def test_a_service_closes_them_by_itself(
    database: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "CUTS_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(service_module, "close_next_cut", partial(close_next_cut, every=EVERY))
    begun = Service(database, Settings(), lambda: NOON)
    until = monotonic() + SECONDS
    try:
        with service.asking() as cursor:
            while cursor.execute("SELECT count(*) < 10 FROM ledger.cuts").fetchone() == (True,):
                assert monotonic() < until
    finally:
        begun.close()
