"""A deal's history: its events in book order, and what one more event does to it.

An event that stands last posts its own step only. A late one is put in its place and everything
behind it is folded again: it posts what it changes at each later step too (design, section 5).
"""

from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import NamedTuple

from domain.deal import Deal, Status, evolve, fold, obstacle
from domain.errors import BeforeOpening, BreaksLaterHistory, NotAllowedNow
from domain.events import AMENDMENTS, ActionPerformed, DealEvent, DealOpened, Recorded
from domain.ledger import NOTHING, Holdings, Posting, difference, holdings
from domain.values import DealId, ManagerId

Fact = Recorded[DealEvent]
BookKey = tuple[date, int, int]
"""Effective date; position of the action amended, or the event's own; own position."""


class DealState(NamedTuple):
    """The deal at the end of the day `effective_on`, as learnt at `position`.

    Written for a day when an event is effective on it, and again whenever a late entry changes it:
    the state at (as_of, k) is the last row by (effective_on, position) with effective_on <= as_of
    and position <= k.
    """

    deal_id: DealId
    effective_on: date
    position: int
    status: Status
    owner: ManagerId
    check: int
    progress: int
    expected_close_on: date | None


class DealOpening(NamedTuple):
    """What a deal keeps for ever; `position` is its opening's."""

    deal_id: DealId
    position: int
    opened_on: date
    title: str
    client: str
    currency: str


class Step(NamedTuple):
    """One event in book order, with what it changed."""

    recorded: Fact
    deal: Deal
    change: Holdings


def on(recorded: Fact) -> date:
    """The business date of a deal's event; every one has it."""
    assert recorded.effective_on is not None
    return recorded.effective_on


def in_book_order(events: Iterable[Fact]) -> list[Fact]:
    """`events` of one deal, all that are to count, in book order (design, section 4)."""
    facts = list(events)
    anchors = {
        fact.event.action_id: fact.position
        for fact in facts
        if isinstance(fact.event, ActionPerformed)
    }

    def key(fact: Fact) -> BookKey:
        event = fact.event
        own = fact.position
        anchor = anchors.get(event.action_id, own) if isinstance(event, AMENDMENTS) else own
        return on(fact), anchor, own

    return sorted(facts, key=key)


def steps(events: Iterable[Fact], deal: Deal | None = None) -> Iterator[Step]:
    """Fold `events`, given in book order, on from `deal`, showing what each of them changed."""
    worth = holdings(deal)
    for recorded in events:
        deal = evolve(deal, recorded)
        after = holdings(deal)
        yield Step(recorded, deal, difference(worth, after))
        worth = after


def state_at(events: Iterable[Fact], as_of: date, position: int) -> Deal | None:
    """The deal at the end of `as_of` (inclusive), from what was known up to `position`."""
    return fold(known(events, as_of, position))


def known(events: Iterable[Fact], as_of: date, position: int) -> list[Fact]:
    """In book order, what holds by the end of `as_of` and was recorded up to `position`."""
    return in_book_order(fact for fact in events if on(fact) <= as_of and fact.position <= position)


@dataclass(frozen=True, slots=True)
class History:
    """All recorded events of one deal in book order, and the state in which they end."""

    deal_id: DealId
    events: tuple[Fact, ...]
    deal: Deal
    worth: Holdings
    last: BookKey

    @property
    def version(self) -> int:
        return len(self.events)

    def key(self, recorded: Fact) -> BookKey:
        event, own = recorded.event, recorded.position
        if isinstance(event, AMENDMENTS):
            return on(recorded), self.deal.actions[event.action_id].position, own
        return on(recorded), own, own

    def record(self, recorded: Fact) -> "Recording":
        """`recorded`, the newest event, in its place; an amended action must be one of the deal's.

        Raises BeforeOpening, NotAllowedNow when the event is not allowed where it stands, and
        BreaksLaterHistory when it makes a later one impossible.
        """
        if on(recorded) < self.deal.opened_on:
            raise BeforeOpening(on(recorded), self.deal.opened_on)
        key = self.key(recorded)
        return self._append(recorded, key) if key > self.last else self._insert(recorded, key)

    def _append(self, recorded: Fact, key: BookKey) -> "Recording":
        if reason := obstacle(self.deal, recorded):
            raise NotAllowedNow(reason, deal_status=self.deal.status)
        deal = evolve(self.deal, recorded)
        worth = holdings(deal)
        history = History(self.deal_id, (*self.events, recorded), deal, worth, key)
        step = Step(recorded, deal, difference(self.worth, worth))
        return Recording(history, list(_postings(recorded, [step])), [_state(recorded, step)])

    def _insert(self, recorded: Fact, key: BookKey) -> "Recording":
        place = bisect(self.events, key, key=self.key)
        later = self.events[place:]
        deal = fold(self.events[:place])
        _require_fit(deal, recorded, later)
        before = list(steps(later, deal))
        after = list(steps((recorded, *later), deal))
        changed = [after[0]] + [
            new._replace(change=difference(old.change, new.change))
            for old, new in zip(before, after[1:], strict=True)
        ]
        events = (*self.events[:place], recorded, *later)
        end = after[-1].deal
        history = History(self.deal_id, events, end, holdings(end), self.last)
        start = [Step(self.events[place - 1], deal, NOTHING)] if deal else []
        states = list(_changed_days(recorded, start + before, after))
        return Recording(history, list(_postings(recorded, changed)), states)


@dataclass(frozen=True, slots=True)
class Recording:
    """What one event adds: the history with it, and the rows of the read model."""

    history: History
    postings: list[Posting]
    states: list[DealState]

    @property
    def opening(self) -> DealOpening | None:
        """Of a deal that begins with this; None for every later event."""
        if self.history.version > 1:
            return None
        deal, opened = self.history.deal, self.history.events[0]
        return DealOpening(
            self.history.deal_id,
            opened.position,
            deal.opened_on,
            deal.title,
            deal.client,
            deal.currency,
        )


def open_history(recorded: Fact) -> Recording:
    """The beginning of a deal; `recorded` is its DealOpened."""
    assert isinstance(recorded.event, DealOpened)
    step = next(steps([recorded]))
    key = (on(recorded), recorded.position, recorded.position)
    deal_id = DealId(recorded.originator_id)
    history = History(deal_id, (recorded,), step.deal, holdings(step.deal), key)
    return Recording(history, list(_postings(recorded, [step])), [_state(recorded, step)])


def replay(events: Iterable[Fact]) -> Iterator[Recording]:
    """Record `events` of one deal, given in the order of their positions, once more.

    The rows that come out are those that were written when the events were first recorded.
    """
    history: History | None = None
    for recorded in events:
        recording = open_history(recorded) if history is None else history.record(recorded)
        history = recording.history
        yield recording


def history_of(events: Iterable[Fact]) -> History | None:
    """The history that `events` (in the order of their positions) make; None if there are none."""
    facts = in_book_order(events)
    deal = fold(facts)
    if deal is None:
        return None
    last = facts[-1]
    history = History(
        DealId(last.originator_id), tuple(facts), deal, holdings(deal), (date.min, 0, 0)
    )
    return History(history.deal_id, history.events, deal, history.worth, history.key(last))


def _require_fit(deal: Deal | None, recorded: Fact, later: Iterable[Fact]) -> None:
    """Raises NotAllowedNow when `recorded` may not follow on `deal`, BreaksLaterHistory when one of
    the `later` events no longer may.
    """
    if reason := obstacle(deal, recorded):
        raise NotAllowedNow(reason, deal_status=deal.status if deal else None)
    deal = evolve(deal, recorded)
    for event in later:
        if reason := obstacle(deal, event):
            raise BreaksLaterHistory(event, reason)
        deal = evolve(deal, event)


def _postings(learnt: Fact, changed: Iterable[Step]) -> Iterator[Posting]:
    for due, deal, change in changed:
        for (manager, account), holding in change.items():
            yield Posting(
                learnt.position,
                due.position,
                due.type,
                DealId(learnt.originator_id),
                manager,
                account,
                on(due),
                deal.currency,
                *holding,
            )


def _state(learnt: Fact, step: Step) -> DealState:
    deal = step.deal
    return DealState(
        DealId(learnt.originator_id),
        on(step.recorded),
        learnt.position,
        deal.status,
        deal.owner,
        deal.check,
        deal.progress,
        deal.expected_close_on,
    )


def _changed_days(learnt: Fact, before: list[Step], after: list[Step]) -> Iterator[DealState]:
    """The ends of those days, from the late event's on, that now differ from what was written."""
    was = {on(step.recorded): _state(learnt, step) for step in before}
    for day, group in groupby(after, key=lambda step: on(step.recorded)):
        *_, last = group
        row = _state(learnt, last)
        if was.get(day) != row:
            yield row
