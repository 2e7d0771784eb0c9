"""The one writer of a process: every order that waits is decided in one transaction.

Under the writers' lock it takes in what other processes appended, decides the waiting orders one
after the other, each on what the one before it left, and appends all that they decided (group
commit). So the order of positions is the order of commits, rules across aggregates hold without
races, a refusal touches only its own order, and nobody is answered before it is durable.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from application.calendar import ProductionCalendar
from application.knowledge import Knowledge
from application.log import Log, Stale, Writing
from application.orders import Answer, Foreseen, ForeseenBatch, Order, Unavailable
from application.session import Session, Totals, keys_of
from domain.errors import Refusal
from domain.values import DealId

T = TypeVar("T")
Outcome = Answer | Exception

GROUP = 256
"""Most orders decided in one transaction; what waits longer goes into the next."""
READ = 4_000
"""Of so many orders of a batch, what they need is read at once: to read waits for what was sent."""
SENT = 64
"""So many of a batch are sent at once, to be inserted while the next are decided."""
QUEUE = 2_000
"""More waiting orders than this are refused at once: they would time out anyway."""

_LOGGER = logging.getLogger("dealfolio.transactor")


class Reply(Protocol):
    """Where the outcome of an order goes. Both are called in the writer's thread, soon to return
    and never to raise.
    """

    def is_wanted(self) -> bool:
        """Asked once, before the order is decided; if not, it is not decided, nor settled."""

    def settle(self, outcome: Outcome) -> None:
        """An Answer, whose facts are stored; else Refusal or Unavailable."""


class _Promise:
    """A reply to a thread that waits for it."""

    def __init__(self) -> None:
        self.future: Future[Answer] = Future()

    def is_wanted(self) -> bool:
        return self.future.set_running_or_notify_cancel()

    def settle(self, outcome: Outcome) -> None:
        if isinstance(outcome, Answer):
            self.future.set_result(outcome)
        else:
            self.future.set_exception(outcome)


_Waiting = tuple[Order, Reply]


@dataclass(slots=True)
class _Batch:
    """Orders that stand or fall together."""

    orders: Iterable[Order]
    dry_run: bool
    progress: Callable[[int], None]
    future: "Future[list[Outcome]]" = field(default_factory=Future)


@dataclass(slots=True)
class _Rehearsal:
    """Orders that are decided and never stored; `foresee` says what they come to."""

    orders: Sequence[Order]
    foresee: Callable[[Session, datetime], Any]
    future: "Future[Any]" = field(default_factory=Future)


class _Stop:
    pass


_Alone = _Batch | _Rehearsal | _Stop


class Transactor:
    """Decides and appends, in a thread of its own. `now` is the clock, in UTC."""

    def __init__(
        self,
        log: Log,
        totals: Totals,
        zone: ZoneInfo,
        now: Callable[[], datetime],
        calendar: ProductionCalendar,
    ) -> None:
        self._log = log
        self._totals = totals
        self._zone = zone
        self._now = now
        self._calendar = calendar
        self._known: Knowledge | None = None
        self._alone = False
        self._closed, self._closing = False, Lock()
        self._queue: SimpleQueue[_Waiting | _Alone] = SimpleQueue()
        self._thread = Thread(target=self._run, name="transactor", daemon=True)
        self._thread.start()

    def submit(self, order: Order) -> "Future[Answer]":
        """Have `order` decided with those that wait. The future raises Refusal or Unavailable; one
        that is cancelled before its turn is not decided.
        """
        promise = _Promise()
        self.submit_for(promise, order)
        return promise.future

    def submit_for(self, reply: Reply, order: Order) -> None:
        """The same; the outcome goes to `reply`. Raises Unavailable: too many wait."""
        self._put((order, reply))

    def submit_all(
        self,
        orders: Iterable[Order],
        *,
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> "Future[list[Outcome]]":
        """All of `orders` in one transaction, or none.

        Every order is decided, also after a refusal, so that all refusals are known at once; the
        result has an Answer or a Refusal for each. With any refusal, or with `dry_run`, nothing is
        stored. `progress` is told, in the writer's thread, how many are decided.
        """
        batch = _Batch(orders, dry_run, progress)
        self._put(batch)
        return batch.future

    def foresee(self, order: Order, deal_id: DealId) -> "Future[Foreseen]":
        """What `order`, on that deal, would come to in its turn among those that wait; nothing is
        stored. The future raises Refusal or Unavailable.
        """
        return self._rehearsed([order], lambda session, now: session.foresee(order, deal_id, now))

    def foresee_all(self, orders: Sequence[Order]) -> "Future[ForeseenBatch]":
        """The same of a batch, also of what it comes to without the orders that are refused."""
        return self._rehearsed(orders, lambda session, now: session.foresee_all(orders, now))

    def close(self) -> None:
        """Decide what waits, then stop; whoever comes after is refused."""
        with self._closing:  # behind this one nothing would ever be decided
            self._closed = True
            self._queue.put(_Stop())
        self._thread.join()

    def _rehearsed(
        self, orders: Sequence[Order], foresee: Callable[[Session, datetime], T]
    ) -> "Future[T]":
        rehearsal = _Rehearsal(orders, foresee)
        self._put(rehearsal)
        return rehearsal.future

    def _put(self, item: _Waiting | _Batch | _Rehearsal) -> None:
        with self._closing:
            if self._closed:
                raise Unavailable("the service is stopping")
            if self._queue.qsize() >= QUEUE:
                raise Unavailable("too many orders are waiting")
            self._queue.put(item)

    def _run(self) -> None:
        while True:
            group, alone = self._next()
            if group:
                self._commit_group(group)
            if isinstance(alone, _Batch):
                self._commit_batch(alone)
            elif isinstance(alone, _Rehearsal):
                self._rehearse(alone)
            elif isinstance(alone, _Stop):
                return

    def _next(self) -> tuple[list[_Waiting], _Alone | None]:
        """What waits now, at least one item; a batch or a rehearsal goes alone, behind those before
        it.
        """
        group: list[_Waiting] = []
        item = self._queue.get()
        while isinstance(item, tuple):
            group.append(item)
            if len(group) == GROUP:
                return group, None
            try:
                item = self._queue.get_nowait()
            except Empty:
                return group, None
        return group, item

    def _commit_group(self, group: Sequence[_Waiting]) -> None:
        waiting = [(order, reply) for order, reply in group if reply.is_wanted()]
        try:
            outcomes = self._decide_group([order for order, _ in waiting])
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            outcomes = [self._failed(error)] * len(waiting)
        for (_, reply), outcome in zip(waiting, outcomes, strict=True):
            reply.settle(outcome)

    def _commit_batch(self, batch: _Batch) -> None:
        if not batch.future.set_running_or_notify_cancel():
            return
        try:
            batch.future.set_result(self._decide_batch(batch))
        except Exception as error:  # noqa: BLE001 - as above
            batch.future.set_exception(self._failed(error))

    def _rehearse(self, rehearsal: _Rehearsal) -> None:
        if not rehearsal.future.set_running_or_notify_cancel():
            return
        try:
            with self._writing(rehearsal.orders) as writing:
                session = self._session(writing, rehearsal.orders)
                foreseen = rehearsal.foresee(session, self._now())
            rehearsal.future.set_result(foreseen)
        except Refusal as refusal:
            rehearsal.future.set_exception(refusal)
        except Exception as error:  # noqa: BLE001 - as above
            rehearsal.future.set_exception(self._failed(error))

    def _decide_group(self, orders: Sequence[Order]) -> list[Outcome]:
        """First on the guess that nobody else writes, where that was so the last time.

        An answer proves the guess, because it is stored, whatever becomes of the rest. A refusal
        would not: from the first one on, orders are decided on everything recorded, and with the
        receipts that their keys have.
        """
        known = self._known if self._alone and self._log.is_connected else None
        guessed = [] if known is None else self._guessed(orders, known)
        rest = orders[len(guessed) :]
        if not rest:
            return guessed
        try:
            return [*guessed, *self._decided(rest)]
        except Exception as error:  # noqa: BLE001 - as above
            return [*guessed, *[self._failed(error)] * len(rest)]

    def _guessed(self, orders: Sequence[Order], known: Knowledge) -> list[Outcome]:
        """Answers to the first of `orders`: recorded."""
        answers: list[Outcome] = []
        try:
            with self._log.appending(known.last) as writing:
                session = self._session(writing, orders)
                for order in orders:
                    outcome = self._outcome(session, order, self._now())
                    if not isinstance(outcome, Answer):
                        break
                    answers.append(outcome)
                if answers:  # else nothing would prove the guess, and nothing of it may be known
                    session.commit()
        except Stale:
            return []
        return answers

    def _decided(self, orders: Sequence[Order]) -> list[Outcome]:
        with self._writing(orders) as writing:
            session = self._session(writing, orders)
            outcomes = [self._outcome(session, order, self._now()) for order in orders]
            session.commit()
        return outcomes

    def _decide_batch(self, batch: _Batch) -> list[Outcome]:
        outcomes: list[Outcome] = []
        orders = iter(batch.orders)
        chunk = list(islice(orders, READ))
        with self._writing(chunk) as writing, writing.sending():
            session = self._session(writing, chunk)
            while chunk:
                for first in range(0, len(chunk), SENT):
                    now, few = self._now(), chunk[first : first + SENT]
                    outcomes += [self._outcome(session, order, now) for order in few]
                    session.send()
                    batch.progress(len(outcomes))
                if chunk := list(islice(orders, READ)):
                    session.more(chunk)
            if not batch.dry_run and all(isinstance(one, Answer) for one in outcomes):
                session.commit()
        return outcomes

    def _writing(self, orders: Sequence[Order]) -> AbstractContextManager[Writing]:
        return self._log.writing(self._known.last if self._known else None, keys_of(orders))

    def _session(self, writing: Writing, orders: Sequence[Order]) -> Session:
        session = Session(
            writing,
            self._known,
            orders,
            zone=self._zone,
            totals=self._totals,
            calendar=self._calendar,
        )
        if self._known is not None and writing.tail is None:
            _LOGGER.warning("the log is not the one that was known; all of it is read anew")
        self._known, self._alone = session.known, not writing.tail
        return session

    def _outcome(self, session: Session, order: Order, now: datetime) -> Outcome:
        try:
            return session.decide(order, now)
        except Refusal as refusal:
            return refusal
        except Stale:
            raise
        except Exception as error:
            _LOGGER.exception("%s could not be decided", type(order.command).__name__)
            return error

    def _failed(self, error: Exception) -> Exception:
        """What was known may be ahead of what is stored: forget it, and tell those who wait."""
        self._known, self._alone = None, False
        _LOGGER.error("not recorded: %s", error)
        unavailable = Unavailable(str(error))
        unavailable.__cause__ = error
        return unavailable
