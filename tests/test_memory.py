"""What is kept in memory answers as the definition does, whatever happens between two questions.

Some 80 drawn histories are recorded in parts, and between the parts everybody's portfolio is asked
for, at points of which some come again; by a memory that has room, and by one that has little.
"""

from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date
from itertools import chain, count
from random import Random
from threading import Event as Signal
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple, NoReturn

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Cursor

from api.accounts import Accounts
from api.operating.schema import migrate
from api.service import Service
from api.settings import Settings
from application.orders import Answer, Order, Unavailable
from domain.directory_commands import RegisterManager
from domain.events import DealEvent, Recorded, is_about_a_deal
from domain.history import DealState
from domain.ledger import Posting
from domain.values import MOST_MINOR_UNITS, WHOLE, Account, DealId, ManagerId
from projections import directory as directory_module
from projections import memory as memory_module
from projections.book import A_POSTING, A_STATE
from projections.directory import DirectoryView
from projections.ledger import NOBODY, Balance, Standing, standing
from projections.memory import MOST_BYTES, Memory
from projections.point import End, Knowledge, end_of, look, point_from
from projections.point import Point as Knowing
from projections.portfolio import (
    About,
    DealRow,
    Figures,
    Line,
    ShowDeal,
    State,
    line_of,
    manager_portfolio_as_of,
    manager_portfolio_from_ledger,
)
from projections.portfolio import summed as summed_lines
from projections.rebuild import rebuild
from projections.timeline import Order as Learnt
from projections.timeline import Postings, States, day_of
from tests.browser import page_of
from tests.histories import (
    DAYS,
    NOON,
    Plot,
    Point,
    Story,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    lively,
    play,
    plots,
    points,
    read_log,
)
from tests.over_http import AUTUMN, Company, company, refused

SECONDS = 30
LITTLE = 24_000
"""Bytes: for some two managers of a history."""
_chapters = count(1)
Rows = tuple[DealRow, ...]


@pytest.fixture(scope="module")
def service(shared_database: str) -> Iterator[Service]:
    service = Service(shared_database, Settings(), lambda: NOON)
    assert all(isinstance(one, Answer) for one in record(service, catalogue_commands()))
    yield service
    service.close()


def record(service: Service, commands: list[Any]) -> list[object]:
    orders = [Order(command, "desk") for command in commands]
    return [*service.dealfolio.transactor.submit_all(orders).result(SECONDS)]


def tell(service: Service, story: Story) -> None:
    for one in story.tried:
        record(service, [command_for(one.fact)])


def employ(service: Service, number: int) -> tuple[ManagerId, ...]:
    people = cast_of(number)
    answers = record(service, [RegisterManager(one, one) for one in people])
    assert all(isinstance(answer, Answer) for answer in answers)
    return people


def as_it_is(about: About) -> ShowDeal[Rows]:
    def shown(state: State, figures: Figures) -> Rows:
        return (DealRow(*about, *state, Standing(Balance(*figures[:5]), *figures[5:])),)

    return shown


def joined(rows: list[Rows]) -> Rows:
    return tuple(chain.from_iterable(rows))


def rows_of(lines: list[Line[Rows]]) -> list[DealRow]:
    for line in lines:
        own = [line_of(row, as_it_is) for row in line.shown]
        assert {one.currency for one in own} == {line.currency}
        assert (line.figures, line.shown) == (summed_lines(own), joined([one.shown for one in own]))
    return [row for line in lines for row in line.shown]


class Seen(NamedTuple):
    end: End
    point: Knowing


def looked(cursor: Cursor[Any], service: Service, on: date, at: int) -> Seen:
    clock, knowledge = service.clock, Knowledge(position=at)
    row = look(cursor, clock, knowledge)
    return Seen(end_of(row), point_from(row, clock, on, knowledge))


def recalled(
    memory: Memory[Rows, list[DealRow]], service: Service, manager: ManagerId, on: date, at: int
) -> list[DealRow] | None:
    """None for a manager who is not known by heart."""
    with service.asking() as cursor:
        seen = looked(cursor, service, on, at)
        return memory.told(cursor, manager, seen.end, seen.point)


def learn(memory: Memory[Rows, list[DealRow]], service: Service, manager: ManagerId) -> None:
    with service.asking() as cursor:
        memory.learn(cursor, manager)


def last(service: Service) -> int:
    with service.asking() as cursor:
        row = cursor.execute("SELECT max(notification_id) FROM books.events").fetchone()
    assert row is not None
    return int(row[0])


# ---------------------------------------------------------------------------- the definition


@given(
    plots(16, 30), points(4), st.integers(1, 6), st.sampled_from((MOST_BYTES, MOST_BYTES, LITTLE))
)
@examples(80, times=10)
def test_whatever_is_recorded_between_two_questions_memory_answers_as_the_definition(
    service: Service, plot: Plot, asked: list[Point], parts: int, most_bytes: int
) -> None:
    number = next(_chapters)
    people = employ(service, number)
    begun = last(service)
    memory = Memory(as_it_is, joined, rows_of, most_bytes)
    story = play(plot, number)
    width = -(-len(story.tried) // parts)
    for part in range(parts):
        tell(service, Story(story.tried[part * width : (part + 1) * width]))
        end = last(service)
        log = read(service, begun)
        for manager in people:
            for point in asked:
                at = point.position(begun, end)
                found = recalled(memory, service, manager, point.as_of, at)
                if found is None:
                    learn(memory, service, manager)
                    found = recalled(memory, service, manager, point.as_of, at)
                expected = manager_portfolio_as_of(log, manager, point.as_of, at)
                assert found == expected or (found is None and most_bytes == LITTLE)
        assert sum(book.size for book in memory._books.values()) <= most_bytes


def read(service: Service, after: int) -> dict[DealId, list[Recorded[DealEvent]]]:
    log: dict[DealId, list[Recorded[DealEvent]]] = {}
    with service.asking() as cursor:
        for event in filter(is_about_a_deal, read_log(cursor, after)):
            log.setdefault(DealId(event.originator_id), []).append(event)
    return log


@given(plots(), st.lists(st.integers(0, 40), max_size=3), st.data())
@examples(200)
def test_rows_told_in_parts_are_the_rows_told_at_once(
    plot: Plot, cuts: list[int], data: st.DataObject
) -> None:
    """And a point sees of them what it sees in the definition; no database."""
    story = play(plot)
    position = data.draw(st.integers(0, len(story.log)))
    as_of = data.draw(st.sampled_from(DAYS))
    day = day_of(as_of)
    for deal_id in story.by_deal:
        states = [row for row in story.states if row.deal_id == deal_id]
        stood = in_parts(states, state_row, States, cuts)
        assert stood == States.of([state_row(row) for row in states])
        place = stood.last(*stood.order.seen(day, position))
        known = [row for row in states if row.effective_on <= as_of and row.position <= position]
        newest = max(known, key=lambda row: (row.effective_on, row.position), default=None)
        assert (None if place < 0 else states[place]) == newest
        for manager in cast_of(0):
            postings = [
                row for row in story.postings if (row.deal_id, row.manager_id) == (deal_id, manager)
            ]
            if postings:
                held = in_parts(postings, posting_row, Postings, cuts)
                assert held == Postings.of([posting_row(row) for row in postings])
                seen = held.order.seen(day, position)
                assert held.figures(*seen) == summed(postings, as_of, position)


def posting_row(row: Posting) -> tuple[object, ...]:
    return row.position, day_of(row.effective_on), row.account, row.amount, *row[9:]


def state_row(row: DealState) -> tuple[object, ...]:
    return row.position, day_of(row.effective_on), row.status, row.check, row.progress


def in_parts(rows: list[Any], as_row: Callable[[Any], Any], kind: Any, cuts: list[int]) -> Any:
    places = sorted({cut for cut in cuts if 0 < cut < len(rows)})
    told = None
    for first, end in zip([0, *places], [*places, len(rows)], strict=True):
        part = kind.of([as_row(row) for row in rows[first:end]])
        told = part if told is None else told.plus(part)
    return told


def summed(postings: list[Posting], as_of: date, position: int) -> tuple[int, ...]:
    held = NOBODY
    for row in postings:
        if row.effective_on <= as_of and row.position <= position:
            columns = [row.amount if row.account is account else 0 for account in Account]
            held = held.plus(standing([*columns, *row[9:]]))
    return *held.balance, held.credit, held.progress, held.actions, held.deals


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1).map(sorted),
    st.integers(-1, 21),
    st.integers(0, 21),
)
@examples(500)
def test_a_point_sees_each_row_learnt_and_effective_by_then_and_no_other(
    rows: list[tuple[int, int]], day: int, position: int
) -> None:
    positions, days = zip(*rows, strict=True)
    learnt = Learnt.of(positions, days)
    seen = learnt.seen(day, position)
    assert [*range(seen.first), *seen.late] == [
        place for place, row in enumerate(rows) if row[0] <= position and row[1] <= day
    ]
    behind = [row for row in rows[seen.first :] if row[1] <= day]
    in_time = seen.first == len([row for row in rows if row[0] <= position])
    assert learnt.prefix(day, position) == (seen.first if in_time or not behind else None)


# ---------------------------------------------------------------------------- the bounds


def test_claims_on_the_largest_deals_are_summed_exactly() -> None:
    largest = MOST_MINOR_UNITS * WHOLE
    claims = [(place, 1, "claimed", largest, 0, 0, 0, 0) for place in range(1, 21)]
    held = Postings.of(claims[:15]).plus(Postings.of(claims[15:]))
    for rows in (5, 10, 15, 20):
        assert held.figures(rows)[:2] == (0, rows * largest)
    assert held.figures(3, (12, 18))[:2] == (0, 5 * largest)
    assert Postings.of(claims[:5]).plus(Postings.of(claims[5:])) == held


def test_a_row_has_as_many_bytes_as_it_is_counted_for() -> None:
    posting = 1, 2, "active", 3, 4, 5, 6, 7
    state = 1, 2, "open", 3, 4
    assert bytes_in(Postings.of([posting] * 10)) == 10 * A_POSTING
    assert bytes_in(States.of([state] * 10)) == 10 * A_STATE


def bytes_in(held: Any) -> int:
    if isinstance(held, array):
        return len(held) * held.itemsize
    return sum(map(bytes_in, held)) if isinstance(held, tuple) else 0


def told(service: Service, seed: int = 1) -> tuple[tuple[ManagerId, ...], int]:
    """The people of a history that is recorded to its end, and that end."""
    number = next(_chapters)
    people = employ(service, number)
    tell(service, lively(seed, number))
    return people, last(service)


def from_ledger(service: Service, manager: ManagerId, on: date, at: int) -> list[DealRow]:
    with service.asking() as cursor:
        return manager_portfolio_from_ledger(cursor, manager, on, at)


def test_whoever_was_asked_about_longest_ago_is_forgotten_first(service: Service) -> None:
    (anna, boris, vera, _), end = told(service)
    memory = Memory(as_it_is, joined, rows_of)
    for manager in (anna, boris, vera):
        recalled(memory, service, manager, DAYS[-1], end)
        learn(memory, service, manager)
    sizes = {manager: memory._books[manager].size for manager in (anna, boris, vera)}
    memory = Memory(as_it_is, joined, rows_of, sum(sizes.values()) - 1)
    for manager in (anna, boris):
        recalled(memory, service, manager, DAYS[-1], end)
        learn(memory, service, manager)
    recalled(memory, service, anna, DAYS[-1], end)
    learn(memory, service, vera)
    assert list(memory._books) == [anna, vera]


def test_somebody_is_forgotten_only_for_one_who_is_asked_about_twice_as_often(
    service: Service,
) -> None:
    """Else many who are asked about in turn would all be learnt, and all in vain."""
    (anna, boris, *_), end = told(service)
    memory = Memory(as_it_is, joined, rows_of)
    recalled(memory, service, anna, DAYS[-1], end)
    assert [memory.asks_again(anna) for _ in range(2)] == [False, True]
    learn(memory, service, anna)
    memory._most_bytes = memory._books[anna].size
    assert [memory.asks_again(boris) for _ in range(4)] == [False, False, False, True]
    recalled(memory, service, anna, DAYS[-1], end)
    assert [memory.asks_again(boris) for _ in range(2)] == [False, True]


def test_behind_many_events_memory_begins_anew(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    (anna, *_), end = told(service)
    memory = Memory(as_it_is, joined, rows_of)
    recalled(memory, service, anna, DAYS[-1], end)
    learn(memory, service, anna)
    monkeypatch.setattr(memory_module, "FAR", 10)
    told(service)
    assert recalled(memory, service, anna, DAYS[-1], last(service)) is None
    assert not memory._books


def test_a_rebuilt_ledger_is_not_answered_from_memory_of_the_old_one(
    service: Service, shared_database: str
) -> None:
    """Also by statements that were prepared before."""
    (anna, *_), end = told(service)
    memory = Memory(as_it_is, joined, rows_of)
    for _ in range(8):
        recalled(memory, service, anna, DAYS[-1], end)
        learn(memory, service, anna)
    expected = from_ledger(service, anna, DAYS[-1], end)
    assert recalled(memory, service, anna, DAYS[-1], end) == expected
    migrate(shared_database)  # a copy of a template is not its owner's to make schemas in
    rebuild(shared_database, lambda _done, _of: None)
    assert recalled(memory, service, anna, DAYS[-1], end) is None
    learn(memory, service, anna)
    assert recalled(memory, service, anna, DAYS[-1], end) == expected


def keep(
    memory: Memory[Rows, list[DealRow]], service: Service, manager: ManagerId, on: date, at: int
) -> list[DealRow]:
    """The ledger's answer, of somebody who is not known by heart."""
    assert recalled(memory, service, manager, on, at) is None
    answer = from_ledger(service, manager, on, at)
    with service.asking() as cursor:
        seen = looked(cursor, service, on, at)
    memory.keep(manager, seen.end, seen.point, answer)
    return answer


def test_a_kept_answer_is_told_until_another_ledger_is_there(
    service: Service, shared_database: str
) -> None:
    """At its point and at no other, also when more was recorded since."""
    (anna, *_), end = told(service)
    memory = Memory(as_it_is, joined, rows_of)
    answer = keep(memory, service, anna, DAYS[-1], end)
    assert answer
    told(service)
    assert recalled(memory, service, anna, DAYS[-1], end) == answer
    assert recalled(memory, service, anna, DAYS[-1], end - 1) is None
    assert recalled(memory, service, anna, DAYS[-2], end) is None
    migrate(shared_database)  # a copy of a template is not its owner's to make schemas in
    rebuild(shared_database, lambda _done, _of: None)
    assert recalled(memory, service, anna, DAYS[-1], end) is None
    assert not memory.knows(anna)


def test_answers_that_were_wanted_longest_ago_are_forgotten_first(service: Service) -> None:
    (anna, *_), end = told(service)
    size = len(from_ledger(service, anna, DAYS[-1], end))
    memory = Memory(as_it_is, joined, rows_of, most_bytes_of_answers=2 * size)
    answer = keep(memory, service, anna, DAYS[-1], end)
    for number in range(1, 4):
        assert len(keep(memory, service, anna, DAYS[-1], end - number)) == size
        assert recalled(memory, service, anna, DAYS[-1], end) == answer
    assert recalled(memory, service, anna, DAYS[-1], end - 2) is None
    assert recalled(memory, service, anna, DAYS[-1], end - 3) is not None


class _Interrupted:
    """A cursor before each statement of which something else happens."""

    def __init__(self, cursor: Cursor[Any], happens: Callable[[], None]) -> None:
        self._cursor = cursor
        self._happens = happens

    def execute(self, *given: Any) -> Cursor[Any]:
        self._happens()
        return self._cursor.execute(*given)


def test_what_is_recorded_while_a_manager_is_learnt_is_known_too(service: Service) -> None:
    number = next(_chapters)
    (anna, boris, *_), story = employ(service, number), lively(2, number)
    memory = Memory(as_it_is, joined, rows_of)
    tell(service, Story(story.tried[:15]))
    recalled(memory, service, boris, DAYS[-1], last(service))
    learn(memory, service, boris)
    rest = iter(story.tried[15:])

    def more() -> None:
        tell(service, Story([one for _, one in zip(range(4), rest, strict=False)]))
        recalled(memory, service, boris, DAYS[-1], last(service))
        learn(memory, service, boris)

    with service.asking() as cursor:
        memory.learn(_Interrupted(cursor, more), anna)  # type: ignore[arg-type]
    end = last(service)
    found = recalled(memory, service, anna, DAYS[-1], end)
    assert found is None or found == from_ledger(service, anna, DAYS[-1], end)
    learn(memory, service, anna)
    for on in DAYS:
        assert recalled(memory, service, anna, on, end) == from_ledger(service, anna, on, end)


def test_a_manager_learnt_while_the_ledger_is_replaced_is_not_kept(
    service: Service, shared_database: str
) -> None:
    (anna, *_), end = told(service)
    migrate(shared_database)
    memory = Memory(as_it_is, joined, rows_of)
    recalled(memory, service, anna, DAYS[-1], end)
    statements = count(1)

    def replace() -> None:
        if next(statements) == 3:
            rebuild(shared_database, lambda _done, _of: None)

    with service.asking() as cursor:
        memory.learn(_Interrupted(cursor, replace), anna)  # type: ignore[arg-type]
    assert not memory._books


def test_the_same_news_brought_twice_is_told_once(service: Service) -> None:
    """The earlier question's news are a part of the later one's, which were read before."""
    number = next(_chapters)
    people, story = employ(service, number), lively(4, number)
    anna = people[0]
    memory = Memory(as_it_is, joined, rows_of)
    tell(service, Story(story.tried[:20]))
    for manager in people:
        recalled(memory, service, manager, DAYS[-1], last(service))
        learn(memory, service, manager)
    with service.asking() as one, service.asking() as other:
        tell(service, Story(story.tried[20:30]))
        earlier = looked(other, service, DAYS[-1], last(service))
        tell(service, Story(story.tried[30:]))
        later = looked(one, service, DAYS[-1], last(service))

        def between() -> None:
            memory.told(other, anna, earlier.end, earlier.point)

        memory.told(_Interrupted(one, between), anna, later.end, later.point)  # type: ignore[arg-type]
    end = later.point.position
    assert memory._books
    for manager in list(memory._books):
        for on in DAYS:
            rows = recalled(memory, service, manager, on, end)
            assert rows == from_ledger(service, manager, on, end)


def test_many_ask_at_once_while_more_is_recorded(service: Service) -> None:
    number = next(_chapters)
    people, story = employ(service, number), lively(3, number)
    memory = Memory(as_it_is, joined, rows_of, LITTLE)

    def ask(seed: int) -> int:
        chance, found = Random(seed), 0
        for _ in range(60):
            manager, on, end = chance.choice(people), chance.choice(DAYS), last(service)
            at = max(0, end - chance.choice((0, 0, 0, 1, 5)))
            rows = recalled(memory, service, manager, on, at)
            if rows is None:
                learn(memory, service, manager)
            else:
                assert rows == from_ledger(service, manager, on, at)
                found += 1
        return found

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, seed) for seed in range(7)]
        tell(service, story)
        assert sum(one.result(SECONDS) for one in asking) > 100


# ---------------------------------------------------------------------------- over HTTP


@pytest.fixture
def here(database: str) -> Iterator[Company]:
    with company(database, AUTUMN) as begun:
        yield begun


def test_over_http_memory_tells_byte_for_byte_what_the_ledger_tells(here: Company) -> None:
    anna, boris = here.manager('Анна "Скала" Соколова'), here.manager("Борис")
    kind, claim = here.kind("5.01"), here.kind("3.00", needs_confirmation=True)
    roubles, dollars = here.deal(anna, amount="400000000.07"), here.deal(anna, currency="USD")
    here.act(roubles, anna, kind, "2026-02-03")
    here.act(dollars, anna, claim, "2026-02-03")
    learnt = by_heart(here, anna)
    assert learnt == by_ledger(here, anna)

    here.act(roubles, anna, kind, "2026-01-20")
    here.director.do(f"/v1/deals/{dollars}/loss", {"reason": "цена", "effective_on": "2026-04-01"})
    assert ManagerId(anna) in here.service.memory._books
    assert asked(here, anna) == by_ledger(here, anna) != learnt
    handover = {"to_manager_id": boris, "transfer_credit": True, "effective_on": "2026-05-04"}
    by_heart(here, boris)
    here.director.do(f"/v1/deals/{roubles}/handovers", handover | {"reason": "отпуск"})
    for manager in (anna, boris):
        assert by_heart(here, manager) == by_ledger(here, manager)


def test_what_is_in_memory_with_all_that_was_recorded_is_told_at_once(here: Company) -> None:
    """By the loop, without a connection for threads; byte for byte what a thread tells."""
    anna = here.manager()
    deal, kind = here.deal(anna), here.kind()
    learnt = by_heart(here, anna)
    here.act(deal, anna, kind, "2026-02-03")
    with here.service.asking() as cursor:  # another question has looked who is who meanwhile
        look_who_is_who(here, cursor)
    assert at_once(here, anna) is None
    told = asked(here, anna)
    assert at_once(here, anna) == told == in_threads(here, anna) != learnt
    here.manager()
    assert at_once(here, anna) is None, "a colleague more may be a role less"


def test_who_may_see_whom_counts_also_for_what_is_told_at_once(here: Company) -> None:
    team, other = (here.director.do("/v1/teams", {"name": name})["team_id"] for name in "АБ")
    anna, boris = here.manager(team_id=team), here.manager(team_id=other)
    own, colleague = (here.hire("manager", manager_id=manager) for manager in (anna, boris))
    by_heart(here, anna)
    assert at_once(here, anna) is not None
    path, end = f"/v1/managers/{anna}/portfolio", last(here.service)
    for person in (own, colleague, here.admin):
        person.get(path)  # whose key it is, is asked of the database once
    with no_threads(here):
        refused(colleague.get(path), 404, "not-found")
        refused(here.admin.get(path), 404, "not-found")
        refused(here.director.get(path, as_of="2026-10-21"), 409, "in-the-future")
        refused(here.director.get(path, position=end + 1), 409, "in-the-future")
        assert own.ask(path)["manager_id"] == anna
    here.admin.http.delete(f"/v1/accounts/{own.account_id}").raise_for_status()
    refused(own.get(path), 401, "unauthenticated")


def test_whoever_another_server_forgot_is_called_nothing_from_then_on(
    here: Company, database: str
) -> None:
    """Names are in memory too, and go with the event that says so."""
    anna, boris = here.manager("Анна"), here.manager("Борис")
    path, before = f"/v1/managers/{anna}/portfolio", {"position": last(here.service)}
    by_heart(here, anna)
    with no_threads(here):
        assert here.director.ask(path, **before)["name"] == "Анна"
    with closing(Service(database, Settings())) as other:
        Accounts(other).forget(anna)
    with here.service.asking() as cursor:  # another question has looked who is who meanwhile
        look_who_is_who(here, cursor)
    with no_threads(here):
        assert here.director.get(path, **before).status_code == 503
    assert here.director.ask(path)["name"] is None
    (of_roubles,) = here.director.ask("/v1/portfolios")["currencies"]
    called = {line["manager_id"]: line["name"] for line in of_roubles["managers"]}
    assert called == {anna: None, boris: "Борис"}
    with no_threads(here):
        assert here.director.ask(path)["name"] is None


def test_who_comes_while_a_question_is_answered_is_not_in_its_answer(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, view = here.manager(), DirectoryView()
    position, caught_up = here.position, vars(DirectoryView)["_caught_up"]

    def by_another_thread_too(view: DirectoryView, cursor: Cursor[Any]) -> object:
        events = caught_up(view, cursor)
        here.manager()
        caught_up(view, cursor)
        return events

    monkeypatch.setattr(DirectoryView, "_caught_up", by_another_thread_too)
    with here.service.asking() as cursor:
        assert [*view.at(cursor, position).people.managers] == [first]


class _HeldUp:
    """A lock at which whoever comes behind a reading is overtaken, once."""

    def __init__(self, overtake: Callable[[], object]) -> None:
        self._lock, self._overtake = Lock(), overtake
        self.has_read, self.was_overtaken = False, False

    def __enter__(self) -> None:
        if self.has_read and not self.was_overtaken:
            self.was_overtaken = True
            self._overtake()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_everybody_is_known_while_the_ledger_is_replaced(
    here: Company, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    first, view = here.manager(), DirectoryView()
    position, read = here.position, vars(directory_module)["_read"]
    with here.service.asking() as cursor:

        def replace() -> None:
            rebuild(database, lambda _done, _of: None)
            view.at(cursor, position)

        def read_before_it_is_replaced(cursor: Cursor[Any], after: int) -> object:
            told, held_up.has_read = read(cursor, after), True
            return told

        view.at(cursor, position)
        held_up = _HeldUp(replace)
        monkeypatch.setattr(view, "_lock", held_up)
        monkeypatch.setattr(directory_module, "_read", read_before_it_is_replaced)
        assert [*view.at(cursor, position).people.managers] == [first]
    assert held_up.was_overtaken


def test_a_database_that_cut_the_loop_off_is_asked_by_threads_until_it_is_back(
    here: Company, database: str
) -> None:
    anna = here.manager()
    by_heart(here, anna)
    assert at_once(here, anna)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'dealfolio' AND datname = current_database()"
        )
    path, until = f"/v1/managers/{anna}/portfolio", monotonic() + SECONDS
    while here.director.get(path).status_code != 200 or not at_once(here, anna):
        assert monotonic() < until


def look_who_is_who(here: Company, cursor: Cursor[Any]) -> None:
    end = end_of(look(cursor, here.service.clock, Knowledge()))
    here.service.directory.now(cursor, end)


def here_end(here: Company) -> int:
    return last(here.service)


def asked(here: Company, manager: str, end: int | None = None) -> list[bytes]:
    path = f"/v1/managers/{manager}/portfolio"
    end = last(here.service) if end is None else end
    return [
        here.director.get(path, as_of=as_of, position=position).content
        for as_of in ("2025-12-31", "2026-01-12", "2026-01-20", "2026-02-03", "2026-10-20")
        for position in (0, end - 3, end - 1, end)
    ]


def by_heart(here: Company, manager: str) -> list[bytes]:
    here.learn(manager)
    return asked(here, manager)


def by_ledger(here: Company, manager: str) -> list[bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.service.memory, "knows", lambda _: False)
        patch.setattr(here.service.memory, "told", lambda *_: None)
        patch.setattr(here.service.memory, "asks_again", lambda _: False)
        return asked(here, manager)


def in_threads(here: Company, manager: str) -> list[bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.service.memory, "knows", lambda _: False)
        return asked(here, manager)


@contextmanager
def no_threads(here: Company) -> Iterator[None]:
    """Only what needs no connection of a thread is answered."""

    def asking() -> NoReturn:
        raise Unavailable

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.service, "asking", asking)
        yield


def at_once(here: Company, manager: str) -> list[bytes] | None:
    """None: a thread is needed."""
    end = last(here.service)
    with no_threads(here):
        response = here.director.get(f"/v1/managers/{manager}/portfolio")
        if response.status_code == 503:
            return None
        return asked(here, manager, end)


def test_a_page_does_not_wait_until_a_manager_is_learnt(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, begun, ends = here.manager(), Signal(), Signal()

    def learn(manager: ManagerId) -> None:
        assert manager == anna
        begun.set()
        assert ends.wait(20)

    monkeypatch.setattr(here.service, "learn", learn)
    browser = page_of(here, here.director)
    try:
        for day in range(1, 5):
            assert browser.get(f"/managers/{anna}?as_of=2026-09-0{day}").status_code == 200
        assert begun.wait(20), "it is learnt behind the page"
    finally:
        ends.set()


def test_one_question_about_a_manager_is_not_worth_learning(here: Company) -> None:
    anna = here.manager()
    here.director.ask(f"/v1/managers/{anna}/portfolio")
    assert not here.service.memory._books
