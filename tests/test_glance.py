"""One statement asked on the loop: who looks at the same time waits for no other, and each is told
their own; whoever cannot be told hears so, and the next finds another connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, LiteralString, TypeVar

import psycopg
import pytest
import uvloop
from psycopg.rows import TupleRow

from api.connection import Glance
from application.orders import Unavailable

T = TypeVar("T")
SECONDS = 10
THIRDS: LiteralString = "SELECT %(of)s::int / 3, pg_sleep(0.001 * (%(of)s::int %% 3))::text"


def on_a_loop(
    database: str, statement: LiteralString, ask: Callable[[Glance], Awaitable[T]]
) -> "T":
    async def asked() -> T:
        glance = Glance(database, 30, statement)
        try:
            return await asyncio.wait_for(ask(glance), SECONDS)
        finally:
            glance.close()

    return uvloop.run(asked())


async def row(glance: Glance, **asked: Any) -> TupleRow:
    """As soon as there is a connection."""
    looking = glance.row(asked)
    if looking is None:
        await asyncio.sleep(0.01)
        return await row(glance, **asked)
    return await looking


def test_what_is_asked_arrives_as_it_is_and_so_does_what_is_told(database: str) -> None:
    moment = datetime(2026, 6, 30, 20, 59, 59, 999_999, UTC)
    given = {"at": moment, "number": 2**40, "name": "Анна'", "nothing": None}
    statement: LiteralString = (
        "SELECT %(at)s::timestamptz, %(number)s::bigint + 1, %(name)s::text, %(nothing)s::text,"
        " %(name)s = 'Анна''', 7 %% 4"
    )
    told = on_a_loop(database, statement, lambda glance: row(glance, **given))
    assert told == (moment, 2**40 + 1, "Анна'", None, True, 3)


def test_those_who_look_at_the_same_time_are_told_each_their_own(database: str) -> None:
    async def many(glance: Glance) -> list[TupleRow]:
        await row(glance, of=0)
        return await asyncio.gather(*(row(glance, of=number) for number in range(100)))

    told = on_a_loop(database, THIRDS, many)
    assert [third for third, _ in told] == [number // 3 for number in range(100)]


def test_a_look_that_is_refused_is_told_so_and_asked_anew(database: str) -> None:
    """With it those behind it: nobody knows what the connection is good for."""

    async def refused(glance: Glance) -> None:
        assert await row(glance, of=2) == (6,)
        looking = [row(glance, of=number) for number in (3, 0, 4)]
        begun = monotonic()
        first, *others = await asyncio.gather(*looking, return_exceptions=True)
        assert monotonic() - begun < 0.5
        assert first == (4,)
        assert [type(other) for other in others] == [Unavailable] * 2
        assert not glance.is_connected
        assert await row(glance, of=6) == (2,)

    on_a_loop(database, "SELECT 12 / %(of)s::int", refused)


def test_a_look_that_takes_too_long_is_given_up_by_all_who_wait(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.connection.FIRST_SECONDS", 0.2)

    async def late(glance: Glance) -> None:
        await row(glance, seconds=0)
        begun = monotonic()
        looking = [row(glance, seconds=seconds) for seconds in (0, 5, 0)]
        first, *others = await asyncio.gather(*looking, return_exceptions=True)
        assert (first, [type(other) for other in others]) == (("",), [Unavailable] * 2)
        assert 0.1 < monotonic() - begun < 1  # the loop rounds its clock
        await asyncio.sleep(0.3)
        await row(glance, seconds=0)
        await asyncio.sleep(0.3)
        assert glance.is_connected, "nobody waited meanwhile"

    on_a_loop(database, "SELECT pg_sleep(%(seconds)s::float)::text", late)


def test_an_end_that_comes_while_nobody_looks_is_noticed(database: str) -> None:
    async def ended(glance: Glance) -> None:
        (pid,) = await row(glance)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s::int)", [pid])
        await asyncio.sleep(0.3)
        assert not glance.is_connected
        (other,) = await row(glance)
        assert other != pid

    on_a_loop(database, "SELECT pg_backend_pid()", ended)


def test_without_a_database_nobody_waits(database: str) -> None:
    async def nowhere(glance: Glance) -> None:
        for _ in range(3):
            assert glance.row({}) is None
            await asyncio.sleep(0.05)

    on_a_loop(f"{database}_that_is_not_there", "SELECT 1", nowhere)
