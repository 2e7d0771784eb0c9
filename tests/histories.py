"""Histories of a few deals as a desk would make them, drawn by Hypothesis.

A `Plot` is plain data that shrinks well. `play` tells it to the domain, one event at a time, and
gives back everything that was tried, accepted or refused; who is asked for what depends on how the
deal stands by then, so that most of it is accepted. The calendar is eight business days across a
month's end, which makes late entries and amendments on the same day the rule.

DEALFOLIO_TEST_PROFILE: `long` draws 20 times as many as a test says, anew each time; `fault` as
many, and does not shrink; a default run a fifth, the same each time.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple, TypeVar, assert_never
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from psycopg import Cursor

from domain.deal import Action, Status
from domain.deal_commands import (
    ChangeWeight,
    ConfirmAction,
    HandOver,
    Lose,
    OpenDeal,
    PerformAction,
    RejectAction,
    Reopen,
    Resume,
    ReviseCheck,
    ReviseExpectedClose,
    Suspend,
    Win,
    WithdrawAction,
)
from domain.decisions import Command
from domain.directory_commands import DefineActionType
from domain.errors import Refusal
from domain.events import (
    ActionConfirmed,
    ActionPerformed,
    ActionRejected,
    ActionWithdrawn,
    Credit,
    DealEvent,
    DealHandedOver,
    DealLost,
    DealOpened,
    DealReopened,
    DealResumed,
    DealSuspended,
    DealWon,
    Event,
    ExpectedCloseRevised,
    PotentialCheckRevised,
    Recorded,
    Titles,
    WeightChanged,
    decode,
    encode,
    is_about_a_deal,
)
from domain.history import DealState, History, Recording, open_history
from domain.ledger import Posting
from domain.values import ActionId, ActionTypeCode, DealId, ManagerId, Money

Fact = Recorded[DealEvent]

PROFILE = os.environ.get("DEALFOLIO_TEST_PROFILE", "fast")
"""`fast`; `long`; `fault`, for runs that are to fail."""

Test = TypeVar("Test", bound=Callable[..., None])


def examples(count: int, times: int = 20) -> Callable[[Test], Test]:
    """Settings for a test over `count` histories, `times` as many in the long profile."""
    long = PROFILE == "long"
    return settings(
        max_examples={"long": count * times, "fault": count}.get(PROFILE, -(-count // 5)),
        deadline=None,
        derandomize=not long,
        database=None,
        phases=[Phase.generate] if PROFILE == "fault" else [Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# ---------------------------------------------------------------------------- the desk

CALENDAR = tuple(
    date(2026, *day) for day in ((1, 28), (1, 29), (1, 30), (2, 2), (2, 3), (2, 4), (2, 5), (2, 6))
)
"""Wednesday to Friday, then Monday to Friday."""
DAYS = (date(2026, 1, 27), *CALENDAR, date(2026, 2, 1), date(2026, 2, 28))
"""Dates worth asking about: also the day before, a Sunday inside, and a day long after."""
NOON = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""When all of it is recorded, in Moscow and in UTC after the calendar."""

CAST = ("anna", "boris", "vera", "gleb")
CHECKS = (40_000_000_000, 33_333_333_333, 200_000_000_001, 1, 99_999_999_999_999, 7, 0)
CONTRACTS = (33_333_333_333, 40_000_000_000, 1, 10, 99_999_999_999, 3)
WEIGHTS = (500, 1, 333, 6_000, 10_000, 2, 7, 1_001, 3_333, 199, 2_500, 50)
RATIOS = ((1,), (1, 1, 1), (2, 1), (1,), (1, 9), (5, 3, 1), (1, 1))


class Kind(NamedTuple):
    """An action type: weight in basis points."""

    weight: int
    needs_confirmation: bool = False


CATALOGUE = {
    "proposal": Kind(500),
    "data": Kind(200, needs_confirmation=True),
    "pilot": Kind(2_500),
    "setback": Kind(-300),
    "board": Kind(6_000),
    "tender": Kind(4_900),
    "visit": Kind(333),
    "audit": Kind(1_700, needs_confirmation=True),
    "slip": Kind(-1),
    "rival": Kind(-4_100),
    "call": Kind(1),
    "design": Kind(3_333, needs_confirmation=True),
    "letter": Kind(7),
    "rumour": Kind(-900, needs_confirmation=True),
}
HEAVY = ("board", "setback", "tender", "pilot", "setback", "board", "rumour", "rival")


def catalogue_commands() -> list[Command]:
    return [
        DefineActionType(
            ActionTypeCode(code),
            Titles(ru=code, en=code),
            kind.weight,
            date(2020, 1, 1),
            needs_confirmation=kind.needs_confirmation,
        )
        for code, kind in CATALOGUE.items()
    ]


# ---------------------------------------------------------------------------- what is drawn


class Opening(NamedTuple):
    """How a deal begins, when it is first spoken of; `late` as in Intent, else indices."""

    late: int
    check: int
    owner: int
    currency: str


class Intent(NamedTuple):
    """Something that somebody wants; what it comes to depends on how the deal stands.

    `late` is by how many days of the calendar it is effective before the day on which it is told.
    `wild` takes no heed of the deal's state, and so is often refused.
    """

    deal: int
    kind: int
    late: int
    which: int
    size: int
    who: int
    same_day: bool
    wild: bool


class Plot(NamedTuple):
    """In a `crowded` one everything weighs so much that the deals are full most of the time."""

    openings: tuple[Opening, ...]
    intents: list[Intent]
    crowded: bool = False


class Point(NamedTuple):
    """Where to ask: a date, and how much of the log is known, in thousandths."""

    as_of: date
    known: int

    def position(self, first: int, last: int) -> int:
        """Between `first` and `last`, both inclusive."""
        return first + (last - first) * self.known // 1000


_SMALL = st.integers(0, 11)
_INTENTS = st.builds(
    Intent,
    deal=st.sampled_from((0, 0, 0, 0, 1, 1, 2)),
    kind=st.integers(0, 59),
    late=st.sampled_from((0, 0, 0, 0, 1, 1, 2, 2, 3, 5)),
    which=_SMALL,
    size=st.integers(0, len(CATALOGUE) - 1),
    who=_SMALL,
    same_day=st.sampled_from((True, False, False)),
    wild=st.sampled_from((False, False, False, False, False, True)),
)
_OPENINGS = st.builds(
    Opening,
    late=st.sampled_from((0, 0, 1, 2)),
    check=st.integers(0, len(CHECKS) - 1),
    owner=st.integers(0, len(CAST) - 1),
    currency=st.sampled_from(("RUB", "RUB", "RUB", "USD")),
)


def plots(least: int = 16, most: int = 36) -> st.SearchStrategy[Plot]:
    """One to three deals, and `least` to `most` intents, some of which come to nothing."""
    return st.builds(
        Plot,
        openings=st.tuples(_OPENINGS, _OPENINGS, _OPENINGS),
        intents=st.lists(_INTENTS, min_size=least, max_size=most),
        crowded=st.booleans(),
    )


def points(count: int = 3) -> st.SearchStrategy[list[Point]]:
    one = st.builds(Point, as_of=st.sampled_from(DAYS), known=st.sampled_from(_KNOWN))
    return st.lists(one, min_size=count, max_size=count)


_KNOWN = (1000, 1000, 950, 900, 800, 700, 500, 300, 100, 0)


# ---------------------------------------------------------------------------- what is told


@dataclass(frozen=True, slots=True)
class Tried:
    """A fact that somebody wanted recorded; exactly one of the other two is given."""

    fact: Fact
    recording: Recording | None = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class Story:
    """Everything tried, and what has come of it."""

    tried: list[Tried] = field(default_factory=list)
    histories: dict[DealId, History] = field(default_factory=dict)

    @property
    def log(self) -> list[Fact]:
        return [one.fact for one in self.tried if one.recording is not None]

    @property
    def by_deal(self) -> dict[DealId, list[Fact]]:
        streams: dict[DealId, list[Fact]] = {deal_id: [] for deal_id in self.histories}
        for fact in self.log:
            streams[DealId(fact.originator_id)].append(fact)
        return streams

    @property
    def postings(self) -> list[Posting]:
        return [line for one in self.tried if one.recording for line in one.recording.postings]

    @property
    def states(self) -> list[DealState]:
        return [row for one in self.tried if one.recording for row in one.recording.states]


def play(plot: Plot, chapter: int = 0) -> Story:
    """Tell the plot to the domain. People and deals of one chapter are in no other."""
    story = Story()
    desk = _Desk(chapter, crowded=plot.crowded)
    for number, intent in enumerate(plot.intents):
        today = number * len(CALENDAR) // len(plot.intents)
        deal_id = desk.deal(intent.deal)
        history = story.histories.get(deal_id)
        if history is None:
            day, event = desk.opened(plot.openings[intent.deal], today)
        elif intent.kind == 0:
            continue
        else:
            day, event = desk.wish(history, intent, today)
        position = len(story.log) + 1
        fact = Recorded(
            originator_id=deal_id,
            originator_version=history.version + 1 if history else 1,
            position=position,
            recorded_at=NOON + timedelta(seconds=position),
            actor="desk",
            effective_on=day,
            event=event,
        )
        try:
            recording = history.record(fact) if history else open_history(fact)
        except Refusal as refusal:
            story.tried.append(Tried(fact, refusal=refusal))
        else:
            story.tried.append(Tried(fact, recording))
            story.histories[deal_id] = recording.history
    return story


def lively(seed: int, chapter: int) -> Story:
    """Forty intents, by whatever hand chance leads."""
    chance = Random(seed)
    openings = [Opening(0, chance.randrange(4), number, "RUB") for number in range(3)]
    intents = [
        Intent(
            deal=chance.choice((0, 0, 1, 2)),
            kind=chance.randrange(1, 60),
            late=chance.choice((0, 0, 1, 2, 3)),
            which=chance.randrange(12),
            size=chance.randrange(14),
            who=chance.randrange(12),
            same_day=chance.random() < 0.3,
            wild=False,
        )
        for _ in range(40)
    ]
    return play(Plot((openings[0], openings[1], openings[2]), intents), chapter)


_ANY = (
    *["perform"] * 12, *["confirm"] * 4, "reject", *["reweigh"] * 5, *["withdraw"] * 4,
    *["check"] * 2, "close_on", *["hand_over"] * 3, "suspend", "suspend", "resume", "win", "win",
    "lose", "reopen",
)  # fmt: skip
_MENUS: dict[str, tuple[str, ...]] = {
    Status.OPEN: (
        *["perform"] * 16, *["confirm"] * 6, "reject", *["reweigh"] * 7, *["withdraw"] * 5,
        *["check"] * 3, "close_on", *["hand_over"] * 4, "suspend", "suspend", "win", "lose",
    ),
    "crowded": (
        *["perform"] * 14, *["withdraw"] * 9, *["reweigh"] * 4, "confirm", "hand_over", "check",
        "suspend", "win", "lose",
    ),
    Status.SUSPENDED: (
        *["resume"] * 5, "reweigh", "reweigh", "withdraw", "check", "close_on", "hand_over", "win",
        "lose",
    ),
    Status.WON: ("reopen", "reopen", "reopen", "reject"),
    Status.LOST: ("reopen", "reopen", "reopen", "reject"),
}  # fmt: skip


class _Desk:
    """The people of one chapter, and what they want."""

    def __init__(self, chapter: int, *, crowded: bool) -> None:
        self._chapter = chapter
        self._crowded = crowded
        self._codes = HEAVY if crowded else tuple(CATALOGUE)
        self._actions = 0
        self._cast = cast_of(chapter)

    def deal(self, number: int) -> DealId:
        return DealId(UUID(int=(self._chapter << 32) + number + 1, version=4))

    def opened(self, opening: Opening, today: int) -> tuple[date, DealEvent]:
        money = Money(amount=CHECKS[opening.check], currency=opening.currency)
        return CALENDAR[max(0, today - opening.late)], DealOpened(
            title="Пресс",
            client="Завод",
            potential_check=money,
            manager_id=self._cast[opening.owner],
        )

    def wish(self, history: History, intent: Intent, today: int) -> tuple[date, DealEvent]:
        day = CALENDAR[max(0, today - intent.late)]
        status = history.deal.status
        menu = _MENUS["crowded" if self._crowded and status is Status.OPEN else status]
        menu = _ANY if intent.wild else menu
        match menu[intent.kind % len(menu)]:
            case "confirm" | "reject" | "reweigh" | "withdraw" as what:
                action = _target(history, what, intent)
                if action is None:
                    return day, self._performed(intent)
                return (action.effective_on if intent.same_day else day), _amended(
                    what, action.action_id, intent
                )
            case "perform":
                return day, self._performed(intent)
            case what:
                return day, self._on_deal(what, history, intent, day)

    def _performed(self, intent: Intent) -> DealEvent:
        code = self._codes[intent.size % len(self._codes)]
        kind = CATALOGUE[code]
        self._actions += 1
        return ActionPerformed(
            action_id=ActionId(UUID(int=(self._chapter << 32) + 1000 + self._actions, version=4)),
            action_type=ActionTypeCode(code),
            credits=tuple(self._credits(kind.weight, intent)),
            needs_confirmation=kind.needs_confirmation,
        )

    def _credits(self, weight: int, intent: Intent) -> Iterator[Credit]:
        ratio = RATIOS[intent.which % len(RATIOS)]
        if weight < len(ratio):
            ratio = (1,)
        parts = [max(1, weight * part // sum(ratio)) for part in ratio[1:]]
        for number, part in enumerate([weight - sum(parts), *parts]):
            manager = self._cast[(intent.who + number) % len(CAST)]
            yield Credit(manager_id=manager, weight=part)

    def _on_deal(  # noqa: PLR0911 - one return a kind of event
        self, what: str, history: History, intent: Intent, day: date
    ) -> DealEvent:
        currency = history.deal.currency
        match what:
            case "check":
                money = Money(amount=CHECKS[intent.size % len(CHECKS)], currency=currency)
                return PotentialCheckRevised(potential_check=money, reason="дороже")
            case "close_on":
                return ExpectedCloseRevised(expected_close_on=day + timedelta(days=intent.size))
            case "hand_over":
                owner = self._cast.index(history.deal.owner)
                to = owner + intent.who % len(CAST) if intent.wild else owner + 1 + intent.who % 3
                return DealHandedOver(
                    to_manager_id=self._cast[to % len(CAST)],
                    transfer_credit=intent.size % 3 > 0,
                    reason="отпуск",
                )
            case "suspend":
                return DealSuspended(reason="бюджет", review_on=day)
            case "resume":
                return DealResumed()
            case "win":
                amount = CONTRACTS[intent.size % len(CONTRACTS)]
                return DealWon(contract=Money(amount=amount, currency=currency))
            case "lose":
                return DealLost(reason="цена")
            case _:
                return DealReopened(reason="передумали")


def cast_of(chapter: int) -> tuple[ManagerId, ...]:
    return tuple(ManagerId(f"{name}-{chapter}") for name in CAST)


def _target(history: History, what: str, intent: Intent) -> Action | None:
    """The action to amend; None when the deal has none."""
    actions = list(history.deal.actions.values())
    if what in {"confirm", "reject"}:
        fit = [action for action in actions if action.live and action.claimed]
    elif what == "reweigh":
        fit = [action for action in actions if action.live and action.weight > 0]
    else:
        live = [action for action in actions if action.live]
        setbacks = [action for action in live if action.took]
        fit = setbacks if setbacks and intent.size % 3 else live
    choice = actions if intent.wild else fit
    return choice[intent.which % len(choice)] if choice else None


def _amended(what: str, action_id: ActionId, intent: Intent) -> DealEvent:
    match what:
        case "confirm":
            return ActionConfirmed(action_id=action_id)
        case "reject":
            return ActionRejected(action_id=action_id, reason="не было")
        case "withdraw":
            return ActionWithdrawn(action_id=action_id, reason="ошибка")
        case _:
            weight = WEIGHTS[intent.size % len(WEIGHTS)]
            weight = -weight if intent.wild and intent.who == 0 else weight
            return WeightChanged(action_id=action_id, weight=weight, reason="пересмотр")


# ---------------------------------------------------------------------------- other forms of it


def to_public(recorded: Recorded[Event]) -> dict[str, Any]:
    """The event as `GET /v1/events` shows it."""
    public: dict[str, Any] = json.loads(encode(recorded))
    public |= {"type": recorded.type, "stream_id": str(recorded.originator_id)}
    if is_about_a_deal(recorded):
        public["deal_id"] = str(recorded.originator_id)
    return public


def read_log(cursor: Cursor[Any], after: int = 0) -> list[Recorded[Event]]:
    """Everything recorded behind the position `after`, as the columns and the state have it."""
    rows = cursor.execute(
        "SELECT originator_id, originator_version, topic, state, notification_id, recorded_at"
        " FROM books.events WHERE notification_id > %s ORDER BY notification_id",
        [after],
    ).fetchall()
    log = [decode(*columns) for *columns, _, _ in rows]
    assert [(one.position, one.recorded_at) for one in log] == [(at, on) for *_, at, on in rows]
    return log


def command_for(fact: Fact) -> Command:  # noqa: C901, PLR0911, PLR0912 - one line an event
    """What somebody must ask for to have `fact` recorded."""
    deal, day, event = DealId(fact.originator_id), fact.effective_on, fact.event
    assert day is not None
    match event:
        case DealOpened():
            return OpenDeal(
                deal, event.title, event.client, event.potential_check, event.manager_id, day
            )
        case ActionPerformed():
            return PerformAction(
                deal, event.action_id, event.action_type, day, credits=event.credits
            )
        case ActionConfirmed():
            return ConfirmAction(deal, event.action_id, day)
        case ActionRejected():
            return RejectAction(deal, event.action_id, event.reason, day)
        case WeightChanged():
            return ChangeWeight(deal, event.action_id, event.weight, day, event.reason)
        case ActionWithdrawn():
            return WithdrawAction(deal, event.action_id, event.reason, day)
        case PotentialCheckRevised():
            return ReviseCheck(deal, event.potential_check.amount, day, event.reason)
        case ExpectedCloseRevised():
            return ReviseExpectedClose(deal, event.expected_close_on, day)
        case DealHandedOver():
            return HandOver(deal, event.to_manager_id, event.transfer_credit, day, event.reason)
        case DealSuspended():
            return Suspend(deal, day, event.reason, event.review_on)
        case DealResumed():
            return Resume(deal, day)
        case DealWon():
            return Win(deal, event.contract.amount, day)
        case DealLost():
            return Lose(deal, event.reason, day)
        case DealReopened():
            return Reopen(deal, event.reason, day)
        case _:
            assert_never(event)
