"""Thirty-two people at two servers work on eight deals at once, while somebody reads along.

The log gives a total order, so what each of them saw is checked against it in linear time.
"""

import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from hashlib import sha256
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from queue import Empty
from random import Random
from time import monotonic_ns
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import psycopg
import pytest

from api.service import Service
from api.settings import Settings
from application.orders import Answer, Order
from domain.deal_commands import (
    ChangeWeight,
    ConfirmAction,
    HandOver,
    OpenDeal,
    PerformAction,
    Resume,
    ReviseCheck,
    Suspend,
    WithdrawAction,
)
from domain.decisions import Command
from domain.directory_commands import RegisterManager
from domain.errors import BreaksLaterHistory, NotAllowedNow, NotFound
from domain.events import Event, Recorded, is_about_a_deal
from domain.history import replay
from domain.values import ActionId, ActionTypeCode, DealId, ManagerId, Money
from projections.portfolio import portfolios_as_of, portfolios_from_ledger
from tests.histories import catalogue_commands, read_log

SERVERS, THREADS, ORDERS = 2, 16, 28
DEALS = [DealId(UUID(int=number, version=4)) for number in range(1, 9)]
PEOPLE = [ManagerId(name) for name in ("anna", "boris", "vera")]
CODES = [ActionTypeCode(code) for code in ("proposal", "data", "call", "visit", "setback", "audit")]
DAYS = [date(2026, 3, day) for day in (2, 3, 4, 5, 6)]
SECONDS = 60
_SPACE = UUID(int=7)


class Heard(NamedTuple):
    """What one person did and heard; times are of one clock for all processes."""

    key: str
    invoked: int
    answered: int
    answer: Answer | None
    refusal: str | None


class Run(NamedTuple):
    heard: list[Heard]
    tail: list[int]
    log: list[Recorded[Event]]
    first: int


def _now() -> datetime:
    return datetime(2026, 11, 10, 12, tzinfo=UTC)


# ---------------------------------------------------------------------------- the two servers


def serve(database: str, server: int, start: Barrier, heard: "Queue[list[Heard]]") -> None:
    """One process: a service, and the people who work with it."""
    with closing(Service(database, Settings(), _now)) as service:
        service.dealfolio.transactor.submit_all([]).result(SECONDS)
        start.wait(SECONDS)
        with ThreadPoolExecutor(THREADS) as pool:
            people = [pool.submit(_work, service, server, person) for person in range(THREADS)]
            heard.put([one for person in people for one in person.result(SECONDS)])


def _work(service: Service, server: int, person: int) -> list[Heard]:
    heard = []
    done: list[tuple[DealId, ActionId]] = []
    for number in range(ORDERS):
        # Every fourth order is somebody's at the other server too, under the same key.
        key = f"{person}-{number}" if number % 4 == 0 else f"{server}-{person}-{number}"
        command = _command(key, done)
        order = Order(command, "desk", key, sha256(key.encode()).digest())
        invoked = monotonic_ns()
        future = service.dealfolio.transactor.submit(order)
        error = future.exception(SECONDS)
        answered = monotonic_ns()
        if error is None and isinstance(command, PerformAction):
            done.append((command.deal_id, command.action_id))
        answer = None if error else future.result()
        refusal = type(error).__name__ if error else None
        heard.append(Heard(key, invoked, answered, answer, refusal))
    return heard


def _command(  # noqa: PLR0911 - one return a kind of command
    key: str, done: list[tuple[DealId, ActionId]]
) -> Command:
    """Those with a shared key follow from it alone."""
    random = Random(key)
    deal, day = random.choice(DEALS), random.choice((*DAYS, *DAYS[-1:] * 6))
    what = random.randrange(20)
    if done and key.count("-") == 2 and what < 7:
        deal, action = random.choice(done)
        if what < 3:
            return ChangeWeight(deal, action, random.randrange(1, 3000), day, "пересмотр")
        return WithdrawAction(deal, action, "ошибка") if what < 5 else ConfirmAction(deal, action)
    match what:
        case 16:
            return ReviseCheck(deal, random.randrange(1, 10**11), day, "дороже")
        case 17:
            return HandOver(deal, random.choice(PEOPLE), random.random() < 0.5, day, "отпуск")
        case 18:
            return Suspend(deal, DAYS[-1], "бюджет", DAYS[-1])
        case 19:
            return Resume(deal, DAYS[-1])
        case _:
            action = ActionId(uuid5(_SPACE, key))
            return PerformAction(deal, action, random.choice(CODES), day, random.choice(PEOPLE))


@pytest.fixture(scope="module")
def run(shared_database: str) -> Iterator[Run]:
    """All of it once; the tests below look at what came of it."""
    first = _prepared(shared_database)
    spawn = multiprocessing.get_context("spawn")
    start, heard = spawn.Barrier(SERVERS), spawn.Queue()
    servers = [
        spawn.Process(target=serve, args=(shared_database, number, start, heard))
        for number in range(SERVERS)
    ]
    for server in servers:
        server.start()
    try:
        with psycopg.connect(shared_database, autocommit=True) as connection:
            answers, tail = _read_along(connection, servers, heard, first)
            log = read_log(connection.cursor())
    finally:
        for server in servers:
            server.join(3)
            server.kill()
            server.join(SECONDS)
    yield Run(answers, tail, log, first)
    heard.close()


def _prepared(database: str) -> int:
    """The position behind which the work begins."""
    commands = [
        *catalogue_commands(),
        *(RegisterManager(manager, manager) for manager in PEOPLE),
        *(_opening(number, deal) for number, deal in enumerate(DEALS)),
    ]
    with closing(Service(database, Settings(), _now)) as service:
        orders = [Order(command, "desk") for command in commands]
        *_, last = service.dealfolio.transactor.submit_all(orders).result(SECONDS)
    assert isinstance(last, Answer)
    return last.position


def _opening(number: int, deal: DealId) -> OpenDeal:
    money = Money(amount=33_333_333_333 + number, currency="RUB")
    return OpenDeal(deal, "Пресс", "Завод", money, PEOPLE[number % 3], DAYS[0])


def _read_along(
    connection: psycopg.Connection[Any],
    servers: Sequence[BaseProcess],
    heard: "Queue[list[Heard]]",
    first: int,
) -> tuple[list[Heard], list[int]]:
    """What the servers' people heard, and the positions as a reader came to see them."""
    end = monotonic_ns() + SECONDS * 10**9
    answers: list[list[Heard]] = []
    tail: list[int] = []
    last = first
    while True:
        finished = len(answers) == SERVERS
        found = connection.execute(
            "SELECT notification_id FROM books.events WHERE notification_id > %s"
            " ORDER BY notification_id LIMIT 20",
            [last],
        ).fetchall()
        tail += [position for (position,) in found]
        last = tail[-1] if tail else first
        if finished and not found:
            return [one for server in answers for one in server], tail
        if not finished and not found:
            try:
                answers.append(heard.get(timeout=0.002))
            except Empty:
                assert not any(server.exitcode for server in servers), "a server has failed"
                assert monotonic_ns() < end, "a server does not come to an end"


# ---------------------------------------------------------------------------- what must hold


def test_nobody_is_told_anything_but_an_answer_or_a_rule(run: Run) -> None:
    assert len(run.heard) == SERVERS * THREADS * ORDERS
    told = Counter(one.refusal for one in run.heard)
    rules = {rule.__name__ for rule in (NotAllowedNow, BreaksLaterHistory, NotFound)}
    assert set(told) - {None} <= rules, told
    assert told[None] > len(run.heard) / 2
    assert told.total() - told[None] > 10


def test_every_answer_is_in_the_log_exactly_once_and_nothing_else_is(run: Run) -> None:
    answers: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for one in run.heard:
        if one.answer:
            answers[one.key].add((one.answer.position, one.answer.version))
    assert all(len(places) == 1 for places in answers.values())
    places = sorted(place for (place,) in answers.values())
    assert places == [(event.position, event.originator_version) for event in run.log[run.first :]]
    for one in run.heard:
        if one.answer:
            event = run.log[one.answer.position - 1]
            assert one.answer.recorded_at == event.recorded_at
            assert one.answer.ids["deal_id"] == str(event.originator_id)
            if action_id := one.answer.ids.get("action_id"):
                assert action_id == str(getattr(event.event, "action_id", None))


def test_a_key_used_at_both_servers_is_answered_the_same(run: Run) -> None:
    """Also when one of them was refused first: then it was free for the other."""
    by_key: dict[str, list[Heard]] = defaultdict(list)
    for one in run.heard:
        by_key[one.key].append(one)
    both = [
        [one.answer for one in pair]
        for pair in by_key.values()
        if len(pair) == SERVERS and all(one.answer for one in pair)
    ]
    assert len(both) > 50
    assert all(one == two for one, two in both)


def test_who_reads_behind_the_last_position_sees_every_event_once_and_in_order(run: Run) -> None:
    assert run.tail == list(range(run.first + 1, len(run.log) + 1))


def test_positions_and_versions_have_no_gaps(run: Run) -> None:
    assert [event.position for event in run.log] == list(range(1, len(run.log) + 1))
    versions: dict[UUID, list[int]] = defaultdict(list)
    for event in run.log:
        versions[event.originator_id].append(event.originator_version)
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    times = [event.recorded_at for event in run.log]
    assert times == sorted(set(times))


def test_what_was_answered_before_something_else_was_asked_stands_before_it(run: Run) -> None:
    """An order under a shared key took effect between its first asking and its first answer."""
    spans: dict[int, tuple[int, int]] = {}
    for one in run.heard:
        if one.answer:
            invoked, answered = spans.get(one.answer.position, (one.invoked, one.answered))
            span = min(invoked, one.invoked), min(answered, one.answered)
            spans[one.answer.position] = span
    latest = last_answer = overlaps = 0
    for position in sorted(spans):
        invoked, answered = spans[position]
        assert answered > latest, f"{position} was answered before an earlier one was asked"
        overlaps += invoked < last_answer
        latest, last_answer = max(latest, invoked), max(last_answer, answered)
    assert overlaps > 100, "they did not work at once"


_POSTINGS = """
SELECT position, due_position, due_cause, deal_id, manager_id, account, effective_on,
       postings.currency, amount, credit, progress, actions, postings.deals
FROM ledger.postings JOIN ledger.deals USING (deal) JOIN ledger.managers USING (manager)
"""
_STATES = """
SELECT deal_id, effective_on, position, status, manager_id, potential_check, progress,
       expected_close_on
FROM ledger.deal_states JOIN ledger.deals USING (deal) JOIN ledger.managers ON manager = owner
"""


def test_the_ledger_is_what_a_replay_of_the_log_writes(run: Run, shared_database: str) -> None:
    streams: dict[DealId, list[Any]] = defaultdict(list)
    for event in filter(is_about_a_deal, run.log):
        streams[DealId(event.originator_id)].append(event)
    recordings = [recording for facts in streams.values() for recording in replay(facts)]
    with psycopg.connect(shared_database) as connection:
        cursor = connection.cursor()
        postings = cursor.execute(_POSTINGS).fetchall()
        assert Counter(postings) == Counter(
            tuple(line) for recording in recordings for line in recording.postings
        )
        states = cursor.execute(_STATES).fetchall()
        assert Counter(states) == Counter(
            tuple(row) for recording in recordings for row in recording.states
        )
        for position in (len(run.log), len(run.log) // 2):
            for day in DAYS:
                found = portfolios_from_ledger(cursor, day, position)
                assert found == portfolios_as_of(streams, day, position)
