"""What the one writer promises, by example, on a real PostgreSQL.

Anna and Boris sell; the director decides. It is 10 November 2026; `proposal` adds 5 %, `visit` 2 %
and at most three times to a deal.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from threading import Event as Signal
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from api.service import Service
from api.settings import Settings
from application.log import Log, Writing
from application.orders import Answer, Caller, Foreseen, Order, Unavailable
from application.transactor import GROUP, QUEUE, SENT
from domain.deal_commands import Lose, OpenDeal, PerformAction, ReviseExpectedClose, Suspend
from domain.decisions import Command
from domain.directory_commands import (
    ClosePeriod,
    CreateTeam,
    DefineActionType,
    RegisterManager,
    RetireActionType,
)
from domain.errors import (
    ActionLimitReached,
    ActionTypeNotInForce,
    BreaksLaterHistory,
    IdempotencyKeyReused,
    InTheFuture,
    Invalid,
    NotAllowedNow,
    NotFound,
    PeriodClosed,
    SignedOut,
    UnknownManager,
    VersionConflict,
)
from domain.events import (
    ActionPerformed,
    Credit,
    DealOpened,
    Event,
    Recorded,
    Titles,
    is_about_a_deal,
)
from domain.events import PeriodClosed as Closed
from domain.events import encode as written
from domain.periods import Month
from domain.values import (
    AccountId,
    ActionId,
    ActionTypeCode,
    DealId,
    ManagerId,
    Money,
    TeamId,
    stream_of,
)
from projections.ledger import ZERO
from projections.portfolio import portfolios_as_of, portfolios_from_ledger
from tests.histories import read_log

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
TODAY = date(2026, 11, 10)
SECONDS = 20
ANNA, BORIS = ManagerId("anna"), ManagerId("boris")
PROPOSAL, VISIT = ActionTypeCode("proposal"), ActionTypeCode("visit")
_actions = count(1)


class Gate:
    """Whoever comes through it says so, and waits until it is let go."""

    def __init__(self) -> None:
        self.reached, self.let_go = Signal(), Signal()

    def pass_through(self) -> None:
        self.reached.set()
        assert self.let_go.wait(SECONDS)


class Clock:
    """Stands at `now`. The writer asks it once an order, and can be held there."""

    def __init__(self) -> None:
        self.now = NOW
        self._gates: deque[Gate] = deque()

    def __call__(self) -> datetime:
        if self._gates:
            self._gates.popleft().pass_through()
        return self.now

    def hold(self) -> Gate:
        """At the next order that is decided."""
        self._gates.append(Gate())
        return self._gates[-1]

    @contextmanager
    def held(self, service: Service, order: Order) -> Iterator["Future[Answer]"]:
        """The writer in the middle of deciding `order`, until the block is left."""
        gate = self.hold()
        future = service.dealfolio.transactor.submit(order)
        assert gate.reached.wait(SECONDS)
        try:
            yield future
        finally:
            gate.let_go.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def serving(database: str, now: Callable[[], datetime]) -> Iterator[Service]:
    service = Service(database, Settings(), now)
    try:
        yield service
    finally:
        service.close()


@pytest.fixture
def service(database: str, clock: Clock) -> Iterator[Service]:
    with serving(database, clock) as service:
        for command in (
            RegisterManager(ANNA, "Анна"),
            RegisterManager(BORIS, "Борис"),
            DefineActionType(PROPOSAL, Titles(ru="ТКП", en="Proposal"), 500, date(2020, 1, 1)),
            DefineActionType(
                VISIT, Titles(ru="Визит", en="Visit"), 200, date(2020, 1, 1), max_per_deal=3
            ),
        ):
            do(service, command)
        yield service


@pytest.fixture
def deal(service: Service) -> DealId:
    """Opened on 10 January."""
    return opened(service)


@pytest.fixture
def other(database: str) -> Iterator[Service]:
    """A second server on the same database."""
    with serving(database, Clock()) as other:
        yield other


class Heard:
    """A reply that keeps what it hears."""

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted
        self.outcomes: list[object] = []

    def is_wanted(self) -> bool:
        return self.wanted

    def settle(self, outcome: object) -> None:
        self.outcomes.append(outcome)


def submit(service: Service, command: Command, actor: str = "director", **more: Any) -> Any:
    return service.dealfolio.transactor.submit(Order(command, actor, **more))


def do(service: Service, command: Command, actor: str = "director", **more: Any) -> Answer:
    answer = submit(service, command, actor, **more).result(SECONDS)
    assert isinstance(answer, Answer)
    return answer


def do_all(service: Service, commands: list[Command], **more: Any) -> list[Answer | Exception]:
    orders = [Order(command, "director") for command in commands]
    return service.dealfolio.transactor.submit_all(orders, **more).result(SECONDS)


def foresee(service: Service, command: PerformAction, **more: Any) -> Foreseen:
    order = Order(command, "director", **more)
    return service.dealfolio.transactor.foresee(order, command.deal_id).result(SECONDS)


def opened(service: Service, on: date = date(2026, 1, 10)) -> DealId:
    deal = DealId(uuid4())
    do(service, opening(deal, on))
    return deal


def opening(deal: DealId, on: date = date(2026, 1, 10)) -> OpenDeal:
    return OpenDeal(deal, "Пресс", "Завод", rub(40_000_000_000), ANNA, on)


def rub(amount: int) -> Money:
    return Money(amount=amount, currency="RUB")


def proposal(deal: DealId, on: date = date(2026, 3, 2), who: ManagerId = ANNA) -> PerformAction:
    return PerformAction(deal, ActionId(UUID(int=next(_actions))), PROPOSAL, on, who)


def visit(deal: DealId, on: date = date(2026, 3, 2)) -> PerformAction:
    return PerformAction(deal, ActionId(UUID(int=next(_actions))), VISIT, on, ANNA)


def log_of(service: Service) -> list[Recorded[Event]]:
    with service.asking() as cursor:
        log = read_log(cursor)
    assert [event.position for event in log] == list(range(1, len(log) + 1))
    return log


def stream_in(service: Service, stream: UUID) -> list[Recorded[Event]]:
    events = [event for event in log_of(service) if event.originator_id == stream]
    assert [event.originator_version for event in events] == list(range(1, len(events) + 1))
    return events


def transaction_of(database: str, *answers: Answer) -> set[str]:
    """By which transactions their events were stored."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT xmin::text FROM books.events WHERE notification_id = ANY(%s)",
            [[answer.position for answer in answers]],
        ).fetchall()
    return {xmin for (xmin,) in rows}


def rows_in(database: str) -> dict[str, int]:
    """How many rows each table has that a command writes to."""
    tables = (
        "books.events", "books.receipts", "books.people",
        "ledger.postings", "ledger.deals", "ledger.deal_states",
    )  # fmt: skip
    with psycopg.connect(database) as connection:
        return {table: len(connection.execute(f"TABLE {table}").fetchall()) for table in tables}


# ---------------------------------------------------------------------------- idempotency


def test_the_same_key_and_request_get_the_first_answer_and_record_nothing_more(
    service: Service, deal: DealId, database: str
) -> None:
    first = do(service, proposal(deal), key="k", request=b"r")
    do(service, proposal(deal))
    rows = rows_in(database)
    assert do(service, proposal(deal), key="k", request=b"r") == first
    assert rows_in(database) == rows


def test_the_first_answer_is_given_also_by_another_server_and_after_a_restart(
    service: Service, other: Service, deal: DealId, database: str
) -> None:
    do(other, proposal(deal))
    first = do(service, proposal(deal), key="k", request=b"r")
    assert do(other, proposal(deal), key="k", request=b"r") == first
    with serving(database, Clock()) as restarted:
        assert do(restarted, proposal(deal), key="k", request=b"r") == first
        assert len(stream_in(restarted, deal)) == 3


def test_an_answer_to_something_new_says_so_again(service: Service) -> None:
    deal = DealId(uuid4())
    first = do(service, opening(deal), key="k", request=b"r")
    assert first.created
    assert do(service, opening(DealId(uuid4())), key="k", request=b"r") == first
    assert first.ids == {"deal_id": str(deal)}


def test_the_same_key_for_another_request_is_refused(service: Service, deal: DealId) -> None:
    do(service, proposal(deal), key="k", request=b"r")
    with pytest.raises(IdempotencyKeyReused):
        do(service, proposal(deal), key="k", request=b"other")
    assert len(stream_in(service, deal)) == 2


def test_a_key_is_its_actors_own(service: Service, deal: DealId) -> None:
    first = do(service, proposal(deal), "anna", key="k", request=b"r")
    second = do(service, proposal(deal), "boris", key="k", request=b"other")
    assert (first.version, second.version) == (2, 3)


def test_a_refused_command_leaves_its_key_free(service: Service, database: str) -> None:
    deal = DealId(uuid4())
    with pytest.raises(NotFound):
        do(service, proposal(deal), key="k", request=b"r")
    assert rows_in(database)["books.receipts"] == 0
    do(service, opening(deal))
    assert do(service, proposal(deal), key="k", request=b"r").version == 2


def test_the_same_key_twice_in_one_group_is_recorded_once(
    service: Service, deal: DealId, clock: Clock
) -> None:
    with clock.held(service, Order(proposal(deal), "director")):
        twice = [submit(service, proposal(deal), key="k", request=b"r") for _ in range(2)]
        reused = submit(service, proposal(deal), key="k", request=b"other")
    one, two = (future.result(SECONDS) for future in twice)
    assert one == two
    assert isinstance(reused.exception(SECONDS), IdempotencyKeyReused)
    assert len(stream_in(service, deal)) == 3


def test_the_same_key_twice_in_a_long_batch_is_recorded_once(
    service: Service, deal: DealId
) -> None:
    orders = [Order(proposal(deal), "director") for _ in range(SENT + 4)]
    orders[3] = orders[-1] = Order(proposal(deal), "director", "k", b"r")
    outcomes = service.dealfolio.transactor.submit_all(orders).result(SECONDS)
    assert outcomes[3] == outcomes[-1]
    assert len(stream_in(service, deal)) == 1 + SENT + 3


def test_what_a_long_batch_needs_is_read_in_parts_of_it(
    service: Service, deal: DealId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of what its own earlier parts have sent, and of what was recorded before it."""
    monkeypatch.setattr("application.transactor.READ", 3)
    before = do(service, proposal(deal), key="before", request=b"r")
    fresh = DealId(uuid4())
    orders = [Order(opening(fresh), "director")]
    orders += [Order(proposal(fresh), "director", f"k{n}", b"r") for n in range(7)]
    orders += [Order(proposal(deal), "director", "before", b"r"), orders[2]]
    outcomes = service.dealfolio.transactor.submit_all(orders).result(SECONDS)
    assert outcomes[-2:] == [before, outcomes[2]]
    assert [one.version for one in outcomes[:8] if isinstance(one, Answer)] == [*range(1, 9)]
    assert len(stream_in(service, fresh)) == 8


def test_a_batch_of_which_something_cannot_be_inserted_stores_nothing(
    service: Service, deal: DealId, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for what is sent: that it failed is known when the batch is to be committed."""
    rows = rows_in(database)
    with monkeypatch.context() as broken:
        fails = "SELECT jsonb_array_length(%s::jsonb) / 0, %s::text, %s::text, %s::text"
        broken.setattr("application.log._APPEND", fails)
        with pytest.raises(Unavailable, match="division by zero"):
            do_all(service, [proposal(deal) for _ in range(SENT + 9)])
    assert rows_in(database) == rows
    assert do(service, proposal(deal)).version == 2


def test_the_same_key_at_two_servers_at_once_is_recorded_once(
    service: Service, other: Service, deal: DealId
) -> None:
    for number in range(20):
        same = [
            submit(one, proposal(deal), key=str(number), request=b"r") for one in (service, other)
        ]
        first, second = (future.result(SECONDS) for future in same)
        assert first == second
    assert len(stream_in(service, deal)) == 1 + 20


# ---------------------------------------------------------------------------- If-Match


def test_a_command_meant_for_another_version_is_refused_and_told_the_one_that_holds(
    service: Service, deal: DealId
) -> None:
    do(service, proposal(deal))
    with pytest.raises(VersionConflict) as refused:
        do(service, proposal(deal), expected=frozenset({1}))
    assert refused.value.facts == {"version": 2}
    assert do(service, proposal(deal), expected=frozenset({2})).version == 3
    assert do(service, proposal(deal), expected=frozenset({7, 3})).version == 4
    with pytest.raises(VersionConflict):
        do(service, proposal(deal), expected=frozenset())


def test_of_two_commands_for_one_version_the_first_wins_also_in_one_group(
    service: Service, deal: DealId, clock: Clock
) -> None:
    with clock.held(service, Order(proposal(opened(service)), "director")):
        first, second = (submit(service, proposal(deal), expected=frozenset({1})) for _ in range(2))
        after = submit(service, proposal(deal), expected=frozenset({2}))
    assert isinstance(second.exception(SECONDS), VersionConflict)
    assert after.result(SECONDS).version == 3
    assert first.result().position + 1 == after.result().position


def test_a_version_that_another_server_made_counts_too(
    service: Service, other: Service, deal: DealId
) -> None:
    do(other, proposal(deal))
    with pytest.raises(VersionConflict):
        do(service, proposal(deal), expected=frozenset({1}))


def test_a_managers_and_a_types_stream_have_versions_too(service: Service) -> None:
    with pytest.raises(VersionConflict) as refused:
        do(service, RetireActionType(VISIT, date(2027, 1, 1)), expected=frozenset({2}))
    assert refused.value.facts == {"version": 1}
    answer = do(service, RetireActionType(VISIT, date(2027, 1, 1)), expected=frozenset({1}))
    assert (answer.ids, answer.version) == ({"code": "visit"}, 2)
    assert len(stream_in(service, stream_of("action-type", "visit"))) == 2


# ---------------------------------------------------------------------------- group commit


def test_a_refusal_touches_only_its_own_command(
    service: Service, deal: DealId, clock: Clock, database: str
) -> None:
    early = date(2026, 2, 1)
    with clock.held(service, Order(proposal(deal), "director")):
        before = submit(service, proposal(deal))
        refused = submit(service, Lose(deal, "цена", early))
        behind = submit(service, Suspend(deal, date(2026, 4, 1), "бюджет", TODAY))
        late = submit(service, proposal(deal, date(2026, 4, 2)))
        last = submit(service, proposal(deal))
    assert isinstance(refused.exception(SECONDS), BreaksLaterHistory)
    assert isinstance(late.exception(SECONDS), NotAllowedNow)
    answers = [future.result(SECONDS) for future in (before, behind, last)]
    assert [answer.version for answer in answers] == [3, 4, 5]
    assert len(transaction_of(database, *answers[1:])) == 1
    assert [event.type for event in stream_in(service, deal)] == [
        "DealOpened", "ActionPerformed", "ActionPerformed", "DealSuspended", "ActionPerformed",
    ]  # fmt: skip


def test_what_is_recorded_is_answered_also_where_the_rest_of_its_group_fails(
    service: Service, deal: DealId, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise psycopg.OperationalError("the database is gone")

    do(service, proposal(deal))
    with monkeypatch.context() as meanwhile:
        with clock.held(service, Order(proposal(deal), "director")):
            recorded = submit(service, proposal(deal))
            refused = submit(service, Lose(deal, "цена", date(2026, 2, 1)))
            meanwhile.setattr(Log, "writing", gone)
        assert recorded.result(SECONDS).version == 4
        assert isinstance(refused.exception(SECONDS), Unavailable)
    assert do(service, proposal(deal)).version == 5


def test_one_that_cannot_be_written_down_leaves_no_gap(
    service: Service, deal: DealId, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(recorded: Recorded[Event]) -> bytes:
        if recorded.actor == "broken":
            raise ValueError("it cannot be written down")
        return written(recorded)

    monkeypatch.setattr("application.knowledge.encode", encode)
    with clock.held(service, Order(proposal(deal), "director")):
        group = [submit(service, proposal(deal), who) for who in ("anna", "broken", "boris")]
    failed = [future.exception(SECONDS) for future in group]
    assert [type(one) for one in failed] == [type(None), ValueError, type(None)]
    assert do(service, proposal(deal)).version == 5
    assert len(stream_in(service, deal)) == 5


def test_a_deal_is_opened_and_worked_on_in_one_group(
    service: Service, deal: DealId, clock: Clock
) -> None:
    new = DealId(uuid4())
    with clock.held(service, Order(proposal(deal), "director")):
        futures = [submit(service, opening(new)), submit(service, proposal(new))]
    assert [future.result(SECONDS).version for future in futures] == [1, 2]


def test_a_cancelled_order_is_not_decided(service: Service, deal: DealId, clock: Clock) -> None:
    with clock.held(service, Order(proposal(deal), "director")):
        cancelled, kept = (submit(service, proposal(deal)) for _ in range(2))
        assert cancelled.cancel()
    assert kept.result(SECONDS).version == 3


def test_what_nobody_wants_any_more_is_not_decided_and_its_neighbours_are(
    service: Service, deal: DealId, clock: Clock
) -> None:
    given_up, waiting = Heard(wanted=False), Heard(wanted=True)
    with clock.held(service, Order(proposal(deal), "director")):
        for reply in (given_up, waiting):
            order = Order(proposal(deal), "director")
            service.dealfolio.transactor.submit_for(reply, order)
        last = submit(service, proposal(deal))
    assert last.result(SECONDS).version == 4
    (answer,) = waiting.outcomes
    assert isinstance(answer, Answer)
    assert answer.version == 3
    assert given_up.outcomes == []


def test_more_than_can_wait_is_refused_at_once(
    service: Service, deal: DealId, clock: Clock
) -> None:
    unknown = DealId(uuid4())
    with clock.held(service, Order(proposal(deal), "director")):
        waiting = [submit(service, proposal(unknown)) for _ in range(QUEUE)]
        with pytest.raises(Unavailable):
            submit(service, proposal(deal))
    assert all(isinstance(future.exception(SECONDS), NotFound) for future in waiting)
    assert do(service, proposal(deal)).version == 3


def test_what_waits_is_decided_before_the_writer_stops(database: str, deal: DealId) -> None:
    clock = Clock()
    stopping = Service(database, Settings(), clock)
    with ThreadPoolExecutor(1) as pool:
        with clock.held(stopping, Order(proposal(deal), "director")):
            waiting = submit(stopping, proposal(deal))
            closing = pool.submit(stopping.close)
        closing.result(SECONDS)
    assert waiting.result(0).version == 3


# ---------------------------------------------------------------------------- all or nothing


def test_a_batch_is_recorded_in_one_transaction(
    service: Service, deal: DealId, database: str
) -> None:
    outcomes = do_all(service, [proposal(deal) for _ in range(SENT + 9)])
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert [answer.version for answer in answers] == list(range(2, SENT + 11))
    assert len(transaction_of(database, *answers)) == 1


@pytest.mark.parametrize("size", [5, SENT + 9])
def test_a_batch_with_refusals_names_them_all_and_stores_nothing(
    service: Service, deal: DealId, database: str, size: int
) -> None:
    rows = rows_in(database)
    commands: list[Command] = [proposal(deal) for _ in range(size)]
    commands[1] = proposal(deal, who=ManagerId("nobody"))
    commands[-1] = proposal(DealId(uuid4()))
    told: list[int] = []
    outcomes = do_all(service, commands, progress=told.append)
    refusals = {n: type(one) for n, one in enumerate(outcomes) if not isinstance(one, Answer)}
    assert refusals == {1: UnknownManager, size - 1: NotFound}
    assert len(outcomes) == size
    assert told == ([size] if size < SENT else [SENT, size])
    assert rows_in(database) == rows
    assert do(service, proposal(deal)).version == 2
    log_of(service)


def test_a_dry_run_answers_as_the_real_one_will_and_stores_nothing(
    service: Service, deal: DealId, database: str
) -> None:
    rows = rows_in(database)
    commands: list[Command] = [
        RegisterManager(ManagerId("vera"), "Вера"),
        proposal(deal, who=ManagerId("vera")),
        ClosePeriod(Month(2026, 2)),
    ]
    rehearsed = do_all(service, commands, dry_run=True)
    assert rows_in(database) == rows
    with pytest.raises(UnknownManager):
        do(service, proposal(deal, who=ManagerId("vera")))
    assert do_all(service, commands) == rehearsed
    assert log_of(service)[-1].type == "PeriodClosed"


def test_what_an_order_would_come_to_is_told_and_nothing_is_stored(
    service: Service, deal: DealId, database: str
) -> None:
    do(service, proposal(deal))
    rows, command = rows_in(database), proposal(deal, who=BORIS)
    foreseen = foresee(service, command)
    assert (foreseen.before.progress, foreseen.after.progress) == (500, 1_000)
    assert foreseen.after.actions[command.action_id].credit == 500
    (posting,) = foreseen.postings
    assert (posting.manager_id, posting.amount) == (BORIS, 500 * 40_000_000_000)
    assert rows_in(database) == rows
    assert do(service, command).version == 3
    assert foresee(service, visit(deal)).before == foreseen.after


def test_a_late_order_tells_what_it_would_take_from_those_behind_it(
    service: Service, deal: DealId
) -> None:
    """Of 100 %, all are taken in April; 5 % in March leave the last of them nothing."""
    for _ in range(19):
        do(service, proposal(deal, date(2026, 4, 1)))
    foreseen = foresee(service, proposal(deal, date(2026, 3, 2), BORIS))
    assert foreseen.after.progress == 10_000
    do(service, proposal(deal, date(2026, 4, 2)))
    foreseen = foresee(service, proposal(deal, date(2026, 3, 2), BORIS))
    by_manager = {posting.manager_id: posting.credit for posting in foreseen.postings}
    assert by_manager == {BORIS: 500, ANNA: -500}
    assert foreseen.before.progress == foreseen.after.progress == 10_000
    assert foreseen.there.progress == 0


def test_what_is_foreseen_is_refused_as_the_order_would_be(
    service: Service, deal: DealId, database: str
) -> None:
    for _ in range(3):
        do(service, visit(deal))
    rows = rows_in(database)
    with pytest.raises(ActionLimitReached):
        foresee(service, visit(deal))
    with pytest.raises(NotFound):
        foresee(service, proposal(DealId(uuid4())))
    nobody = Caller(AccountId(uuid4()))
    with pytest.raises(SignedOut):
        foresee(service, proposal(deal), caller=nobody)
    assert rows_in(database) == rows
    assert do(service, proposal(deal)).version == 5


def test_what_is_foreseen_waits_its_turn(service: Service, deal: DealId, clock: Clock) -> None:
    transactor, order = service.dealfolio.transactor, Order(proposal(deal), "director")
    with clock.held(service, Order(proposal(deal), "director")):
        submit(service, proposal(deal))
        waiting, dropped = (transactor.foresee(order, deal) for _ in range(2))
        assert dropped.cancel()
        behind = submit(service, proposal(deal))
    assert waiting.result(SECONDS).before.progress == 1_000
    assert behind.result(SECONDS).version == 4


def test_a_batch_waits_for_those_before_it_and_goes_before_those_behind_it(
    service: Service, deal: DealId, clock: Clock
) -> None:
    with clock.held(service, Order(proposal(deal), "director")):
        before = submit(service, proposal(deal))
        orders = [Order(proposal(deal), "director") for _ in range(3)]
        batch = service.dealfolio.transactor.submit_all(orders)
        behind = submit(service, proposal(deal))
    versions = [one.version for one in batch.result(SECONDS) if isinstance(one, Answer)]
    assert (before.result(SECONDS).version, versions) == (3, [4, 5, 6])
    assert behind.result(SECONDS).version == 7


def test_a_cancelled_batch_is_not_decided(service: Service, deal: DealId, clock: Clock) -> None:
    with clock.held(service, Order(proposal(deal), "director")):
        orders = [Order(proposal(deal), "director")]
        assert service.dealfolio.transactor.submit_all(orders).cancel()
        kept = submit(service, proposal(deal))
    assert kept.result(2).version == 3


# ---------------------------------------------------------------------------- time and order


def test_recorded_at_never_runs_backwards_when_the_clock_does(
    service: Service, deal: DealId, clock: Clock
) -> None:
    before = do(service, proposal(deal)).recorded_at
    clock.now = NOW - timedelta(days=1)
    answers = [do(service, proposal(deal)) for _ in range(3)]
    assert [answer.recorded_at - before for answer in answers] == [
        timedelta(microseconds=number) for number in (1, 2, 3)
    ]
    clock.now = NOW + timedelta(seconds=1)
    assert do(service, proposal(deal)).recorded_at == clock.now
    times = [event.recorded_at for event in log_of(service)]
    assert times == sorted(set(times))


def test_recorded_at_never_runs_backwards_between_servers_whose_clocks_differ(
    service: Service, database: str, deal: DealId
) -> None:
    behind = Clock()
    behind.now = NOW - timedelta(hours=5)
    first = do(service, proposal(deal))
    with serving(database, behind) as slow:
        second = do(slow, proposal(deal))
        third = do(service, proposal(deal))
        fourth = do(slow, proposal(deal))
    times = [answer.recorded_at for answer in (first, second, third, fourth)]
    assert times == sorted(set(times))


def test_nothing_is_effective_after_the_business_day_of_the_clock(
    service: Service, deal: DealId, clock: Clock
) -> None:
    clock.now = datetime(2026, 11, 10, 20, 59, tzinfo=UTC)  # 23:59 in Moscow
    with pytest.raises(InTheFuture):
        do(service, proposal(deal, date(2026, 11, 11)))
    clock.now = datetime(2026, 11, 10, 21, 0, tzinfo=UTC)  # midnight in Moscow
    assert do(service, proposal(deal, date(2026, 11, 11))).version == 2


def test_positions_and_versions_have_no_gaps_whatever_was_refused(
    service: Service, other: Service, deal: DealId
) -> None:
    for number in range(4):
        one = (service, other)[number % 2]
        do(one, proposal(deal))
        with pytest.raises(NotFound):
            do(one, proposal(DealId(uuid4())))
        do_all(one, [proposal(deal), proposal(DealId(uuid4()))])
        do_all(one, [proposal(deal)], dry_run=True)
        do_all(one, [proposal(deal), proposal(deal)])
    assert len(stream_in(service, deal)) == 1 + 4 * 3
    assert len(log_of(service)) == 4 + 1 + 4 * 3


def test_the_log_stores_what_was_answered(service: Service, deal: DealId, clock: Clock) -> None:
    clock.now = NOW + timedelta(microseconds=123_456)
    answer = do(service, proposal(deal), "anna")
    stored = log_of(service)[-1]
    assert (stored.position, stored.originator_version) == (answer.position, answer.version)
    assert (stored.recorded_at, stored.actor) == (clock.now, "anna")
    assert answer.recorded_at == clock.now


@pytest.mark.parametrize(
    "text", ['"в кавычках" и \\ с чертой', r"\u0000 \ud800", "🏭 🇷🇺 e\u0301 \u2028", "а\nб\tв\x1f"]
)
def test_any_text_comes_back_as_it_was_given(service: Service, database: str, text: str) -> None:
    deal, action = DealId(uuid4()), ActionId(uuid4())
    do(service, OpenDeal(deal, text, text, rub(1), ANNA, date(2026, 1, 10)), text)
    command = PerformAction(deal, action, PROPOSAL, date(2026, 3, 2), ANNA, None, text, text)
    first = do(service, command, text, key=text, request=b"\x00\xff")
    assert do(service, command, text, key=text, request=b"\x00\xff") == first
    do(service, RegisterManager(ManagerId("vera"), text))
    opened, performed = stream_in(service, deal)
    assert (opened.actor, performed.actor) == (text, text)
    assert isinstance(opened.event, DealOpened)
    assert isinstance(performed.event, ActionPerformed)
    assert (opened.event.title, opened.event.client) == (text, text)
    assert (performed.event.evidence, performed.event.comment) == (text, text)
    with psycopg.connect(database) as connection:
        shown = connection.execute("SELECT title, client FROM ledger.deals").fetchall()
        named = connection.execute("SELECT name FROM books.people WHERE person_id = 'vera'")
        assert (shown, named.fetchall()) == ([(text, text)], [(text,)])


# ---------------------------------------------------------------------------- rules for all deals


def test_no_entry_into_a_month_is_recorded_behind_its_closing(
    service: Service, other: Service
) -> None:
    """Round by round one server enters into the month while the other closes it; who is first of
    those at once is not known, but that something is entered and something refused.
    """
    deal = opened(service, date(2026, 1, 1))
    refused = 0
    for month in (Month(2026, number) for number in range(1, 10)):
        do(service, proposal(deal, month.last_day))
        entries = [submit(service, proposal(deal, month.last_day)) for _ in range(6)]
        closing = submit(other, ClosePeriod(month))
        entries += [submit(service, proposal(deal, month.last_day)) for _ in range(6)]
        closing.result(SECONDS)
        entries += [submit(service, proposal(deal, month.last_day))]
        for entry in entries:
            error = entry.exception(SECONDS)
            assert error is None or isinstance(error, PeriodClosed)
            refused += error is not None
    assert refused >= 9, "what was asked behind a closing was not refused"
    closed = date.min
    for event in log_of(service):
        if isinstance(event.event, Closed):
            closed = Month.parse(event.event.period).last_day
            assert event.event.position == event.position - 1
        else:
            assert event.effective_on is None or event.effective_on > closed


def test_a_closing_keeps_the_totals_of_all_that_was_entered_before_it(
    service: Service, deal: DealId, clock: Clock
) -> None:
    with clock.held(service, Order(proposal(opened(service)), "director")):
        submit(service, proposal(deal))
        closing = submit(service, ClosePeriod(Month(2026, 3)))
        submit(service, proposal(deal, date(2026, 4, 1)))
    position = closing.result(SECONDS).position
    log = log_of(service)
    event = log[position - 1].event
    assert isinstance(event, Closed)
    (total,) = event.totals
    assert (total.manager_id, total.currency) == ("anna", "RUB")
    assert (total.active, total.claimed) == ("40000000.00", "0.00")  # twice 5 % of 400 million


def test_a_limit_per_deal_holds_when_two_servers_are_asked_at_once(
    service: Service, other: Service
) -> None:
    for _ in range(5):
        deal = opened(service)
        asked = [submit(one, visit(deal)) for _ in range(5) for one in (service, other)]
        errors = [future.exception(SECONDS) for future in asked]
        assert errors.count(None) == 3
        assert all(isinstance(error, ActionLimitReached) for error in errors if error)


def test_a_retired_type_is_refused_at_once_by_the_other_server(
    service: Service, other: Service, deal: DealId
) -> None:
    do(other, proposal(deal))
    do(service, RetireActionType(PROPOSAL, date(2026, 3, 2)))
    with pytest.raises(ActionTypeNotInForce):
        do(other, proposal(deal))
    assert do(other, proposal(deal, date(2026, 3, 1))).version == 3


# ---------------------------------------------------------------------------- append only

_CHANGES = (
    "UPDATE {} SET {} = {}",
    "DELETE FROM {}",
    "DELETE FROM {} WHERE false",
    "TRUNCATE {}",
)


@pytest.mark.parametrize("change", _CHANGES)
@pytest.mark.parametrize(
    ("role", "why"),
    [("dealfolio_app", "permission denied"), ("dealfolio_owner", "append-only"), (None, "append")],
)
@pytest.mark.parametrize(("table", "column"), [("events", "topic"), ("receipts", "key")])
def test_nobody_changes_or_removes_what_was_recorded(
    database: str, service: Service, deal: DealId,
    change: str, role: str | None, why: str, table: str, column: str,
) -> None:  # fmt: skip
    do(service, proposal(deal), key="k", request=b"r")
    rows = rows_in(database)
    with psycopg.connect(database, autocommit=True) as connection:
        if role:
            connection.execute(f"SET ROLE {role}")
        statement = change.format(f"books.{table}", column, column)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=why):
            connection.execute(statement)
    assert rows_in(database) == rows


def test_the_service_cannot_lift_the_protection_of_the_log(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET ROLE dealfolio_app")
        for statement in (
            "ALTER TABLE books.events DISABLE TRIGGER append_only",
            "DROP TRIGGER append_only ON books.events",
            "DROP TABLE books.events",
            "CREATE OR REPLACE FUNCTION books.refuse() RETURNS trigger LANGUAGE sql AS ''",
            "SET session_replication_role = replica",
        ):
            connection.execute("SELECT 1")
            with pytest.raises(psycopg.errors.Error):
                connection.execute(statement)


@pytest.mark.parametrize(
    ("table", "column"),
    [("postings", "position"), ("deals", "deal"), ("deal_states", "deal"), ("managers", "manager")],
)
def test_the_service_may_add_to_the_ledger_and_change_nothing_in_it(
    database: str, table: str, column: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET ROLE dealfolio_app")
        for statement in ("DELETE FROM {}", "TRUNCATE {}", f"UPDATE {{}} SET {column} = 1"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.format(f"ledger.{table}"))


def test_the_library_cannot_append_past_the_writer(service: Service, deal: DealId) -> None:
    stored = service.dealfolio.mapper.to_stored_event(stream_in(service, deal)[0])
    with pytest.raises(TypeError):
        service.dealfolio.recorder.insert_events([stored])
    assert len(log_of(service)) == 5


# ---------------------------------------------------------------------------- what goes wrong


_FORGED = b'{"position":6,"recorded_at":"2026-11-10T12:00:09Z","actor":"x","data":{}}'


@contextmanager
def forged(database: str, stream: UUID, version: int, topic: str) -> Iterator[None]:
    """An event that this version does not know, at the end of the log."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO books.events SELECT %s, %s, %s, %s, max(notification_id) + 1,"
            " max(recorded_at) + interval '1 s' FROM books.events",
            [stream, version, topic, _FORGED],
        )
    yield


def test_an_event_of_a_type_that_is_not_known_stops_the_writer_loudly(
    service: Service, deal: DealId, database: str
) -> None:
    with forged(database, deal, 2, "DealTeleported"):
        rows = rows_in(database)
        for _ in range(2):
            with pytest.raises(Unavailable, match="DealTeleported"):
                do(service, proposal(deal))
        assert rows_in(database) == rows


def test_a_rule_that_is_not_known_stops_the_writer_for_good(
    service: Service, deal: DealId, database: str
) -> None:
    """A newer version may lock periods in a way of its own: to go on would be to break it."""
    with forged(database, uuid4(), 1, "PeriodLocked"):
        for _ in range(2):
            with pytest.raises(Unavailable, match="PeriodLocked"):
                do(service, proposal(deal))


def test_an_event_of_a_type_that_is_not_known_stops_who_reads_the_log(
    service: Service, deal: DealId, database: str
) -> None:
    with forged(database, deal, 2, "DealTeleported"), pytest.raises(KeyError, match="DealTelepo"):
        log_of(service)


def test_a_gap_in_the_log_stops_the_writer_loudly(
    service: Service, deal: DealId, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO books.events SELECT %s, 2, topic, state, 7, recorded_at + interval '1 s'"
            " FROM books.events WHERE notification_id = 5",
            [deal],
        )
    with pytest.raises(Unavailable, match="position 6 is missing"):
        do(service, proposal(deal))


def writers_gone(database: str) -> int:
    """Terminate the connections of all writers; how many there were."""
    with psycopg.connect(database, autocommit=True) as connection:
        return len(
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'dealfolio writer' AND datname = current_database()"
            ).fetchall()
        )


def test_after_the_database_went_away_between_orders_at_most_one_fails(
    service: Service, deal: DealId, database: str
) -> None:
    assert writers_gone(database) == 1
    failed = submit(service, proposal(deal), key="k", request=b"r").exception(SECONDS)
    assert failed is None or isinstance(failed, Unavailable)
    answer = do(service, proposal(deal), key="k", request=b"r")
    assert answer.version == 2
    assert len(stream_in(service, deal)) == 2


def test_orders_that_fail_with_the_database_are_not_half_stored_and_the_next_one_works(
    service: Service, deal: DealId, database: str, clock: Clock
) -> None:
    rows = rows_in(database)
    new = DealId(uuid4())
    with clock.held(service, Order(opening(new), "director", "k", b"r")) as first:
        second = submit(service, proposal(deal))
        assert writers_gone(database) == 1
    assert isinstance(first.exception(SECONDS), Unavailable)
    assert second.exception(SECONDS) is None
    now = rows_in(database)
    assert now["books.events"] == rows["books.events"] + 1
    assert now["books.receipts"] == rows["books.receipts"]
    assert now["ledger.deals"] == rows["ledger.deals"]
    assert do(service, opening(new), key="k", request=b"r").version == 1
    assert len(stream_in(service, new)) == 1
    assert len(log_of(service)) == 7


def test_a_group_that_fails_with_the_database_fails_as_a_whole(
    service: Service, deal: DealId, database: str, clock: Clock
) -> None:
    with clock.held(service, Order(proposal(deal), "director")):
        group = [submit(service, proposal(deal)) for _ in range(3)]
        gate = clock.hold()
    assert gate.reached.wait(SECONDS)
    assert writers_gone(database) == 1
    gate.let_go.set()
    assert all(isinstance(future.exception(SECONDS), Unavailable) for future in group)
    assert do(service, proposal(deal)).version == 3
    assert len(stream_in(service, deal)) == 3


def test_a_batch_that_fails_with_the_database_is_unavailable_and_not_half_stored(
    service: Service, deal: DealId, database: str, clock: Clock
) -> None:
    rows = rows_in(database)
    orders = [Order(proposal(deal), "director") for _ in range(GROUP + 3)]
    gate = clock.hold()
    batch = service.dealfolio.transactor.submit_all(orders)
    assert gate.reached.wait(SECONDS)
    assert writers_gone(database) == 1
    gate.let_go.set()
    assert isinstance(batch.exception(SECONDS), Unavailable)
    assert rows_in(database) == rows
    assert do(service, proposal(deal)).version == 2


def test_a_lock_that_somebody_keeps_makes_the_order_unavailable_and_not_lost(
    service: Service, deal: DealId, database: str
) -> None:
    with psycopg.connect(database) as keeper:
        keeper.execute("SELECT books.lock_for_writing()")
        with pytest.raises(Unavailable):
            do(service, proposal(deal))
    assert do(service, proposal(deal)).version == 2
    assert len(stream_in(service, deal)) == 2


def test_a_commit_that_warns_is_not_taken_for_done_and_its_key_tells_later(
    service: Service, deal: DealId, database: str
) -> None:
    """As when it no longer waits for the standby. The event may be stored, and here it is."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE WARNING 'not on the standby'; RETURN NULL; END $$;"
            "CREATE CONSTRAINT TRIGGER warns AFTER INSERT ON books.events"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()"
        )
        with pytest.raises(Unavailable, match="not on the standby"):
            do(service, proposal(deal), key="k", request=b"r")
        connection.execute("DROP TRIGGER warns ON books.events")
    assert do(service, proposal(deal), key="k", request=b"r").version == 2
    assert do(service, proposal(deal)).version == 3
    assert len(stream_in(service, deal)) == 3


def test_whoever_appends_holds_the_writers_lock_until_the_commit(
    service: Service, deal: DealId, database: str
) -> None:
    """Also somebody who knows nothing of it."""
    del service
    with psycopg.connect(database) as stranger, psycopg.connect(database) as other:
        stranger.execute(
            "INSERT INTO books.events SELECT originator_id, 2, topic, state, 6, recorded_at"
            " FROM books.events WHERE originator_id = %s",
            [deal],
        )
        other.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SELECT books.lock_for_writing()")
        other.rollback()
        stranger.rollback()
        other.execute("SELECT books.lock_for_writing()")


def test_whoever_opens_a_deal_waits_for_the_writers_lock_with_empty_hands(
    service: Service, deal: DealId, database: str
) -> None:
    """Else the one with the lock would wait for a row of the other, and the other for the lock."""
    waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = %s AND NOT granted"
    with psycopg.connect(database) as stranger:
        row = stranger.execute(
            "SELECT oid, books.lock_for_writing() FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
        assert row is not None
        future = submit(service, opening(DealId(uuid4())))
        while stranger.execute(waiting, row[:1]).fetchone() is None:
            assert not future.done()
        stranger.execute("SET lock_timeout = '100ms'")
        stranger.execute(
            "INSERT INTO ledger.deals SELECT gen_random_uuid(), 6, opened_on, title, client,"
            " currency FROM ledger.deals WHERE deal_id = %s",
            [deal],
        )
        stranger.rollback()
    assert future.result(SECONDS).position == 6


def test_after_a_commit_that_failed_nothing_of_it_is_remembered(
    service: Service, deal: DealId, database: str
) -> None:
    """The writer had decided on what it thought was there: it must forget it."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE ledger.postings ADD CONSTRAINT no CHECK (amount < 0) NOT VALID"
        )
        with pytest.raises(Unavailable):
            do(service, proposal(deal))
        connection.execute("ALTER TABLE ledger.postings DROP CONSTRAINT no")
    assert do(service, ReviseExpectedClose(deal, date(2027, 1, 1), TODAY)).version == 2
    with service.asking() as cursor:
        log = {deal: [event for event in stream_in(service, deal) if is_about_a_deal(event)]}
        held = portfolios_from_ledger(cursor, TODAY, 10**6)
        assert held == portfolios_as_of(log, TODAY, 10**6)
        assert held["RUB"][ANNA].balance == ZERO


# ------------------------------------------------------------------- what only a program can do


def test_a_deal_is_opened_once_and_who_asks_again_is_refused_alone(
    service: Service, other: Service, deal: DealId, clock: Clock
) -> None:
    new = DealId(uuid4())
    with clock.held(service, Order(opening(new), "director")) as first:
        again = [submit(service, opening(one)) for one in (new, deal)]
        beside = submit(service, proposal(deal))
    assert first.result(SECONDS).version == 1
    for one in (*again, submit(other, opening(new))):
        with pytest.raises(NotAllowedNow, match="already-exists"):
            one.result(SECONDS)
    assert beside.result(SECONDS).version == 2
    assert len(stream_in(service, new)) == 1


def test_an_action_id_is_taken_once(service: Service, deal: DealId) -> None:
    command = proposal(deal)
    do(service, command)
    with pytest.raises(NotAllowedNow):
        do(service, command)


def test_a_manager_stands_once_among_the_credits(service: Service, deal: DealId) -> None:
    one = proposal(deal)
    assert one.manager_id is not None
    halves = (
        Credit(manager_id=one.manager_id, weight=250),
        Credit(manager_id=one.manager_id, weight=250),
    )
    with pytest.raises(Invalid):
        do(service, one._replace(manager_id=None, credits=halves))


def test_an_order_that_comes_in_the_moment_of_the_stop_is_decided_or_refused(
    service: Service, deal: DealId
) -> None:
    """Behind the stop nobody would ever settle it."""
    transactor = service.dealfolio.transactor
    queue = vars(transactor)["_queue"]
    stopping = Thread(target=transactor.close)

    class Stopping:
        get, get_nowait, put = queue.get, queue.get_nowait, queue.put

        def qsize(self) -> int:
            """Asked when it is known that the service is not stopping yet."""
            if stopping.ident is None:
                stopping.start()
                stopping.join(0.2)  # it ends if nothing holds it
            return int(queue.qsize())

    vars(transactor)["_queue"] = Stopping()
    assert submit(service, proposal(deal)).result(SECONDS).version == 2
    stopping.join(SECONDS)
    assert not stopping.is_alive()


def test_an_order_to_a_service_that_is_stopping_is_refused(database: str) -> None:
    service = Service(database, Settings())
    service.close()
    with pytest.raises(Unavailable):
        service.dealfolio.transactor.submit(Order(CreateTeam(TeamId(uuid4()), "Юг"), "director"))


# ---------------------------------------------------------------- the guess that nobody else writes


def test_on_the_guess_that_nobody_else_writes_the_log_is_not_read(
    service: Service, deal: DealId, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = list[int]()
    monkeypatch.setattr(Writing, "lock", lambda *_: locked.append(1))
    do(service, proposal(deal))
    do(service, proposal(deal), key="k", request=b"r")
    assert not locked
    assert len(stream_in(service, deal)) == 3


def test_a_log_that_was_short_when_the_database_looked_is_not_read_through_for_every_order(
    service: Service, deal: DealId, database: str
) -> None:
    """The way to an event that was found then is kept while the log grows."""
    orders = 60
    do(service, proposal(deal))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ANALYZE books.events")
        for _ in range(orders):
            do(service, proposal(deal))
        service.close()
        while connection.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'dealfolio writer'"
        ).fetchone():
            pass  # what it has read is told when it ends
        row = connection.execute(
            "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relid = 'books.events'::regclass"
        ).fetchone()
    assert row is not None
    assert row[0] < orders


def test_a_wrong_guess_is_found_out_and_decided_again(
    service: Service, other: Service, deal: DealId
) -> None:
    do(service, proposal(deal))
    do(other, visit(deal))
    before = do(other, Suspend(deal, date(2026, 3, 4), "бюджет", TODAY))
    after = do(service, proposal(deal, date(2026, 3, 3)))
    assert (after.position, after.version) == (before.position + 1, before.version + 1)
    with pytest.raises(NotAllowedNow):
        do(service, proposal(deal, date(2026, 3, 5)))


def test_a_guess_about_another_log_is_found_out_and_decided_again(
    service: Service, deal: DealId, caplog: pytest.LogCaptureFixture
) -> None:
    """As behind a proxy that keeps its connections while the server behind it is replaced: the
    event at that position is another than the one that is known.
    """
    before = do(service, proposal(deal))
    transactor = service.dealfolio.transactor
    assert transactor._alone
    assert transactor._known
    transactor._known.recorded_at += timedelta(microseconds=1)
    after = do(service, visit(deal))
    assert (after.position, after.version) == (before.position + 1, before.version + 1)
    assert "the log is not the one that was known" in caplog.text


def test_a_refusal_is_never_a_guess(service: Service, other: Service, deal: DealId) -> None:
    do(service, visit(deal))
    expert = ActionTypeCode("expert-review")
    titles = Titles(ru="Экспертиза", en="Review")
    do(other, DefineActionType(expert, titles, 300, date(2020, 1, 1)))
    review = PerformAction(deal, ActionId(uuid4()), expert, date(2026, 3, 2), ANNA)
    assert do(service, review).version == 3


def test_of_a_guess_that_only_refused_nothing_is_known(
    service: Service, other: Service, deal: DealId
) -> None:
    fresh = DealId(uuid4())
    do(service, visit(deal))
    do(other, opening(fresh))
    with pytest.raises(InTheFuture):
        do(service, visit(fresh, TODAY + timedelta(days=1)))
    assert do(service, visit(fresh)).version == 2
    assert len(stream_in(service, fresh)) == 2
