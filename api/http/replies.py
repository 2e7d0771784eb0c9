"""Answers on their way from the writer's thread to the loop: all of a transaction in one."""

import asyncio
from collections import deque
from collections.abc import Iterable

from application.orders import PATIENCE_SECONDS, Answer, Order, Unavailable
from application.transactor import Outcome, Transactor

_TOO_LATE = "no answer from the database in time"


class Replies:
    """One for a loop."""

    def __init__(self) -> None:
        self._settled: deque[tuple[asyncio.Future[Answer], Outcome]] = deque()
        self._called = False

    async def to(self, order: Order, transactor: Transactor) -> Answer:
        """Raises Refusal; Unavailable when too many wait, or the answer does not come in time."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        transactor.submit_for(_Reply(self, future), order)
        timer = loop.call_later(PATIENCE_SECONDS, _give_up, future)
        try:
            return await future
        finally:
            timer.cancel()

    def take(self, future: "asyncio.Future[Answer]", outcome: Outcome) -> None:
        """In the writer's thread: the loop is woken once, however many are settled meanwhile."""
        self._settled.append((future, outcome))
        if self._called:
            return
        self._called = True
        try:
            future.get_loop().call_soon_threadsafe(self._deliver)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._called = False

    def _deliver(self) -> None:
        self._called = False  # before the first is taken: what comes later calls again
        while self._settled:
            future, outcome = self._settled.popleft()
            if future.done():
                continue
            if isinstance(outcome, Answer):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)


class _Reply:
    """To whoever awaits `future`."""

    __slots__ = ("_future", "_replies")

    def __init__(self, replies: Replies, future: "asyncio.Future[Answer]") -> None:
        self._replies = replies
        self._future = future

    def is_wanted(self) -> bool:
        """Whoever gives up in this very moment is told so, whether it is recorded or not."""
        return not self._future.done()

    def settle(self, outcome: Outcome) -> None:
        self._replies.take(self._future, outcome)


async def reply_to_all(
    orders: Iterable[Order], transactor: Transactor, patience: float = PATIENCE_SECONDS
) -> list[Outcome]:
    """The outcomes of a batch. Raises Unavailable."""
    submitted = transactor.submit_all(orders)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(submitted), patience)
    except TimeoutError:
        raise Unavailable(_TOO_LATE) from None


def _give_up(future: "asyncio.Future[Answer]") -> None:
    if not future.done():
        future.set_exception(Unavailable(_TOO_LATE))
