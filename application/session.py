"""One transaction of the writer: orders decided one after the other, under the lock."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Cursor

from application.calendar import ProductionCalendar
from application.knowledge import Draft, Knowledge
from application.log import TAIL, Rows, Stale, StoredRow, Writing
from application.mapper import FactMapper
from application.orders import Answer, Foreseen, ForeseenBatch, Order
from domain.access import Grant
from domain.authority import require_permitted
from domain.decisions import Books, Decision
from domain.directory import directory_of
from domain.errors import IdempotencyKeyReused, Refusal
from domain.events import (
    DealOpened,
    Event,
    ManagerRegistered,
    PeriodTotal,
    Recorded,
    is_about_a_deal,
    is_about_the_directory,
)
from domain.history import History, Recording, history_of, on, state_at
from domain.ledger import Posting
from domain.values import DealId

Totals = Callable[[Cursor[Any], date, int], tuple[PeriodTotal, ...]]
"""The value of every manager at the end of a date, from the ledger up to a position."""

_MAPPER = FactMapper()


class Session:
    """`writing`, with the process's knowledge brought up to date and the orders decided so far.

    Nothing is known outside before `commit` returns; a session that is dropped leaves no trace.
    """

    def __init__(
        self,
        writing: Writing,
        known: Knowledge | None,
        orders: Sequence[Order],
        *,
        zone: ZoneInfo,
        totals: Totals,
        calendar: ProductionCalendar,
    ) -> None:
        self._writing = writing
        self._zone = zone
        self._totals = totals
        self._calendar = calendar
        self._rows = Rows()
        self._asked_at: datetime | None = None
        self._receipts = writing.known
        self.known = _caught_up(writing, known)
        self.draft = Draft(self.known, self._load)
        self._prepare(orders)

    def more(self, orders: Sequence[Order]) -> None:
        """Make ready for the next orders of a long batch."""
        self._receipts |= self._writing.receipts(keys_of(orders))
        self._prepare(orders)

    def send(self) -> None:
        """What was decided up to now is on its way, to be seen by nobody before `commit`."""
        self._writing.append(self._rows)
        self._rows = Rows()

    def decide(self, order: Order, now: datetime) -> Answer:
        """Decide and draft. Raises Refusal, and then the draft is as it was.

        Who gives the order may do so by what is recorded before it: a role that was taken away, in
        whatever process, counts at once.
        """
        grant = self._grant(order)
        key = order.receipt_key
        if key is not None and key in self._receipts:
            request, receipt = self._receipts[key]
            if request != order.request:
                raise IdempotencyKeyReused(key[1])
            return Answer.from_receipt(receipt)
        now = order.given_at or now
        books = self._books(now)
        if grant is not None:
            require_permitted(order.command, grant, books)
        self._require_version(order)
        decision = order.command.decide(books)
        version = self._version(decision)
        order.require_version(version)
        recorded, state, recording = self.draft.record(decision, version, order.actor, now)
        answer = Answer(
            decision.ids,
            recorded.originator_version,
            recorded.position,
            recorded.recorded_at,
            decision.created,
        )
        self._write_down(recorded, state, recording, decision, order, answer)
        return answer

    def foresee(self, order: Order, deal_id: DealId, now: datetime) -> Foreseen:
        """Decide the first order of a session that is then dropped. Raises Refusal: first of all
        for whoever may not see the deal.
        """
        known = self.draft.histories.get(deal_id.int)
        self.decide(order, now)
        assert known is not None, "nothing can be decided on a deal that there is not"
        after = self.draft.histories[deal_id.int]
        day = next(on(one) for one in after.events if one.position == self.draft.position)
        there = state_at(known.events, day, self.draft.position)
        assert there is not None, "nothing stands before the opening"
        return Foreseen(known.deal, there, after.deal, self._rows.postings)

    def foresee_all(self, orders: Sequence[Order], now: datetime) -> ForeseenBatch:
        """Decide all orders of a session that is then dropped, each on what those before it left;
        one that is refused leaves nothing.
        """
        position = self.draft.position
        outcomes, postings = list[Answer | Refusal](), list[Posting]()
        for order in orders:
            rows = self._rows  # a period's closing sends them, posts nothing, and begins new ones
            known = len(rows.postings)
            try:
                outcomes.append(self.decide(order, now))
            except Refusal as refusal:
                outcomes.append(refusal)
            postings += rows.postings[known:]
        return ForeseenBatch(position, outcomes, postings)

    def commit(self) -> None:
        """Raises psycopg.Error when it is not certain that everything is stored."""
        self._writing.commit(self._rows)
        self.draft.commit()

    def _grant(self, order: Order) -> Grant | None:
        """What the caller was given; None for the operator at the machine. Raises SignedOut."""
        caller = order.caller
        if caller is None:
            return None
        return self.draft.directory.access.grant_of(caller.account_id, caller.key_id)

    def _books(self, now: datetime) -> Books:
        draft = self.draft
        if now is not self._asked_at:  # many orders are decided at one time
            self._asked_at, today = now, now.astimezone(self._zone).date()
            self._today, self._before = today, partial(self._calendar.before, today)
        return Books(
            self._today,
            draft.position,
            draft.directory,
            draft.deal,
            self._totals_at,
            self._before,
        )

    def _totals_at(self, as_of: date) -> tuple[PeriodTotal, ...]:
        if not self._writing.locked:
            raise Stale  # they are summed in the database, up to an end of the log that stays
        self.send()
        return self._totals(self._writing.cursor(), as_of, self.draft.position)

    def _require_version(self, order: Order) -> None:
        """Whoever means another version of a deal than there is hears that first: what else is
        wrong may be so because of what they have not seen. Raises VersionConflict.
        """
        deal_id = _deal_of(order)
        if order.expected is None or deal_id is None:
            return
        known = self.draft.version(deal_id)
        if known is not None:
            order.require_version(known)

    def _version(self, decision: Decision) -> int:
        stream = decision.stream_id
        if (known := self.draft.version(stream)) is not None:
            return known
        if isinstance(decision.event, DealOpened):
            return 0
        version = self.draft.versions[stream.int] = self._writing.version(stream)
        return version

    def _write_down(
        self,
        recorded: Recorded[Event],
        state: bytes,
        recording: Recording | None,
        decision: Decision,
        order: Order,
        answer: Answer,
    ) -> None:
        rows = self._rows
        rows.events.append(_stored(recorded, state))
        if recording is not None:
            rows.postings += recording.postings
            rows.states += recording.states
            if (opening := recording.opening) is not None:
                rows.deals.append(opening)
        if isinstance(registered := recorded.event, ManagerRegistered):
            rows.managers.append((recorded.position, registered.manager_id))
        if decision.name is not None:
            rows.people.append((decision.ids["manager_id"], decision.name))
        rows.forgotten += decision.forgets
        if (key := order.receipt_key) is not None:
            receipt = answer.to_receipt()
            rows.receipts.append((*key, order.request.hex(), receipt))
            self._receipts[key] = (order.request, receipt)

    def _prepare(self, orders: Iterable[Order]) -> None:
        """Read the histories that the orders will ask for in one go."""
        self.draft.prepare(deal_id for order in orders if (deal_id := _deal_of(order)) is not None)

    def _load(self, deals: Iterable[DealId]) -> Iterable[History]:
        streams: dict[UUID, list[Recorded[Any]]] = {}
        for stored in self._writing.streams(list(deals)):
            recorded = _MAPPER.to_domain_event(stored)
            if is_about_a_deal(recorded):
                streams.setdefault(recorded.originator_id, []).append(recorded)
        return [history for events in streams.values() if (history := history_of(events))]


def _deal_of(order: Order) -> DealId | None:
    """Which deal the command is about, if it is about one."""
    return getattr(order.command, "deal_id", None)


def _stored(recorded: Recorded[Event], state: bytes) -> StoredRow:
    return (
        recorded.originator_id,
        recorded.originator_version,
        recorded.type,
        state,
        recorded.position,
        recorded.recorded_at,
    )


def keys_of(orders: Iterable[Order]) -> list[tuple[str, str]]:
    return [key for order in orders if (key := order.receipt_key) is not None]


def _caught_up(writing: Writing, known: Knowledge | None) -> Knowledge:
    """`known` with the tail; afresh when there is none yet, the tail is too long to follow, or the
    log another.
    """
    tail = writing.tail
    if known is not None and tail is not None and len(tail) < TAIL:
        known.learn(map(_MAPPER.to_domain_event, tail))
        return known
    directory = map(_MAPPER.to_domain_event, writing.directory())
    position, recorded_at = writing.end()
    return Knowledge(position, recorded_at, directory_of(filter(is_about_the_directory, directory)))
