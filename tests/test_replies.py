"""Between the writer's thread and the loop: everybody hears once, and the loop is woken once."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from api.http import replies
from api.http.replies import Replies
from application.orders import Answer, Order, Unavailable
from application.transactor import Outcome, Reply, Transactor
from domain.errors import VersionConflict

ORDER = cast("Order", object())
REFUSED = VersionConflict(3)
ANSWER = Answer({}, 1, 1, datetime(2026, 10, 20, tzinfo=UTC), created=True)


class Writer:
    """Takes orders, and settles them when it is told to."""

    def __init__(self) -> None:
        self.given: list[Reply] = []

    def submit_for(self, reply: Reply, order: Order) -> None:
        assert order is ORDER
        self.given.append(reply)


def asking(given: Replies, writer: Writer) -> "asyncio.Task[Answer]":
    return asyncio.create_task(given.to(ORDER, cast("Transactor", writer)))


def test_the_loop_is_woken_once_for_all_that_a_transaction_settles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    woken: list[object] = []

    async def ask() -> list[Answer | BaseException]:
        loop, given, writer = asyncio.get_running_loop(), Replies(), Writer()
        tasks = [asking(given, writer) for _ in range(3)]
        await asyncio.sleep(0)
        wake = loop.call_soon_threadsafe

        def counted(callback: Callable[[], object], *more: Any) -> asyncio.Handle:
            woken.append(callback)
            return wake(callback, *more)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        outcomes: list[Outcome] = [ANSWER, REFUSED, ANSWER]
        for reply, outcome in zip(writer.given, outcomes, strict=True):
            assert reply.is_wanted()
            reply.settle(outcome)
        heard = await asyncio.gather(*tasks, return_exceptions=True)
        monkeypatch.undo()
        return heard

    assert asyncio.run(ask()) == [ANSWER, REFUSED, ANSWER]
    assert len(woken) == 1


def test_who_was_not_answered_in_time_is_told_so_and_wants_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replies, "PATIENCE_SECONDS", 0.01)

    async def ask() -> None:
        given, writer = Replies(), Writer()
        with pytest.raises(Unavailable):
            await asking(given, writer)
        (late,) = writer.given
        assert not late.is_wanted()
        other = asking(given, writer)
        await asyncio.sleep(0)
        late.settle(ANSWER)  # it was decided already
        writer.given[1].settle(ANSWER)
        assert await asyncio.wait_for(other, 1) == ANSWER

    asyncio.run(ask())


def test_a_loop_that_is_closed_does_not_stop_the_writer() -> None:
    given, writer = Replies(), Writer()

    async def ask() -> Answer:
        task = asking(given, writer)
        await asyncio.sleep(0)
        writer.given[-1].settle(ANSWER)
        return await task

    async def leave() -> None:
        asking(given, writer).add_done_callback(lambda task: task.cancelled())
        await asyncio.sleep(0)

    asyncio.run(leave())
    writer.given[0].settle(ANSWER)
    assert asyncio.run(ask()) == ANSWER
