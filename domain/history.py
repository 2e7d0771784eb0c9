"""A deal's history: its events in book order, and what one more event does to it.

An event that stands last posts its own step only. A late one is put in its place and everything
behind it is folded again: it posts what it changes at each later step too (design, section 5).
"""

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import NamedTuple

from domain.deal import Deal, Status, evolve, fold, obstacle
from domain.errors import BeforeOpening, BreaksLaterHistory, NotAllowedNow
from domain.events import AMENDMENTS, ActionPerformed, DealEvent, DealOpened, Recorded
from domain.growing import GrowingTuple
from domain.ledger import Holdings, Posting, changed, difference
from domain.values import DealId, ManagerId

Fact = Recorded[DealEvent]
BookKey = tuple[date, int, int]
"""Effective date; position of the action amended, or the event's own; own position."""


RECENT = 8
"""Steps that a history remembers; most late entries are later by fewer events."""


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
    for recorded in events:
        step = _step(deal, recorded)
        yield step
        deal = step.deal


def _step(deal: Deal | None, recorded: Fact) -> Step:
    after = evolve(deal, recorded)
    return Step(recorded, after, changed(deal, after))


def state_at(events: Iterable[Fact], as_of: date, position: int) -> Deal | None:
    """The deal at the end of `as_of` (inclusive), from what was known up to `position`."""
    return fold(known(events, as_of, position))


def known(events: Iterable[Fact], as_of: date, position: int) -> list[Fact]:
    """In book order, what holds by the end of `as_of` and was recorded up to `position`."""
    return in_book_order(fact for fact in events if on(fact) <= as_of and fact.position <= position)


class History(NamedTuple):
    """All recorded events of one deal in book order, and the state in which they end.

    `recent` are the last steps, RECENT at most: an entry that is a little late is put among them,
    and what stands before is not folded again.
    """

    deal_id: DealId
    events: GrowingTuple[Fact]
    recent: tuple[Step, ...]
    last: BookKey

    @property
    def deal(self) -> Deal:
        return self.recent[-1].deal

    @property
    def version(self) -> int:
        return len(self.events)

    def key(self, recorded: Fact) -> BookKey:
        event, own = recorded.event, recorded.position
        if not isinstance(event, ActionPerformed) and isinstance(event, AMENDMENTS):
            return on(recorded), self.deal.actions[event.action_id].position, own
        return on(recorded), own, own

    def record(self, recorded: Fact) -> "Recording":
        """`recorded`, the newest event, in its place; an amended action must be one of the deal's.

        Raises BeforeOpening, NotAllowedNow when the event is not allowed where it stands, and
        BreaksLaterHistory when it makes a later one impossible.
        """
        opened_on = self.deal.opened_on
        if on(recorded) < opened_on:
            raise BeforeOpening(on(recorded), opened_on)
        key = self.key(recorded)
        return self._append(recorded, key) if key > self.last else self._insert(recorded, key)

    def _append(self, recorded: Fact, key: BookKey) -> "Recording":
        deal = self.deal
        if reason := obstacle(deal, recorded):
            raise NotAllowedNow(reason, deal_status=deal.status)
        step = _step(deal, recorded)
        recent = (*self.recent[1 - RECENT :], step)
        history = History(self.deal_id, self.events.adding(recorded), recent, key)
        return Recording(history, _postings(recorded, [step]), [_state(recorded, step)])

    def _insert(self, recorded: Fact, key: BookKey) -> "Recording":
        place = bisect(self.events, key, key=self.key)
        later = self.events[place:]
        start, *before = self._last_steps(1 + len(later))
        after = _fitting(start.deal, recorded, later)
        corrected = [after[0]] + [
            new._replace(change=difference(old.change, new.change))
            for old, new in zip(before, after[1:], strict=True)
        ]
        events = GrowingTuple([*self.events[:place], recorded, *later])
        recent = (*self.recent[: -len(later)], *after)[-RECENT:]
        history = History(self.deal_id, events, recent, self.last)
        states = list(_changed_days(recorded, [start, *before], after))
        return Recording(history, _postings(recorded, corrected), states)

    def _last_steps(self, count: int) -> Iterable[Step]:
        if count <= len(self.recent):
            return self.recent[-count:]
        return _last_steps(self.events, count)


class Recording(NamedTuple):
    """What one event adds: the history with it, and the rows of the read model."""

    history: History
    postings: list[Posting]
    states: list[DealState]
    opening: DealOpening | None = None
    """Of a deal that begins with this; None for every later event."""


def open_history(recorded: Fact) -> Recording:
    """The beginning of a deal; `recorded` is its DealOpened."""
    assert isinstance(recorded.event, DealOpened)
    step = _step(None, recorded)
    key = (on(recorded), recorded.position, recorded.position)
    history = History(DealId(recorded.originator_id), GrowingTuple([recorded]), (step,), key)
    deal = step.deal
    opening = DealOpening(
        history.deal_id, recorded.position, deal.opened_on, deal.title, deal.client, deal.currency
    )
    return Recording(history, _postings(recorded, [step]), [_state(recorded, step)], opening)


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
    if not facts:
        return None
    last = facts[-1]
    recent = tuple(_last_steps(facts, RECENT))
    history = History(DealId(last.originator_id), GrowingTuple(facts), recent, (date.min, 0, 0))
    return history._replace(last=history.key(last))


def _last_steps(events: Sequence[Fact], count: int) -> Iterator[Step]:
    """Of `events` in book order; all of them when they are not that many."""
    return steps(events[-count:], fold(events[:-count]))


def _fitting(deal: Deal, recorded: Fact, later: Iterable[Fact]) -> list[Step]:
    """The steps of `recorded` and the `later` events on from `deal`.

    Raises NotAllowedNow when `recorded` may not follow on `deal`, BreaksLaterHistory when one of
    the `later` events no longer may.
    """
    if reason := obstacle(deal, recorded):
        raise NotAllowedNow(reason, deal_status=deal.status)
    result = [_step(deal, recorded)]
    for event in later:
        deal = result[-1].deal
        if reason := obstacle(deal, event):
            raise BreaksLaterHistory(event, reason)
        result.append(_step(deal, event))
    return result


def _postings(learnt: Fact, changed: Iterable[Step]) -> list[Posting]:
    deal_id = DealId(learnt.originator_id)
    return [
        Posting(
            learnt.position,
            due.position,
            due.type,
            deal_id,
            manager,
            account,
            on(due),
            deal.currency,
            *holding,
        )
        for due, deal, change in changed
        for (manager, account), holding in change.items()
    ]


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
