"""How often, how slowly, how much at once: what one caller may take from the others."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from threading import Event
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Cursor

from api.http.limits import MOST_ACCOUNTS, RateLimit
from api.operating.schema import migrate
from api.service import Service
from api.settings import Settings
from application.orders import Unavailable
from projections.rebuild import owner, rebuild
from projections.verify import verify
from tests.browser import page_of
from tests.over_http import AUTUMN, FIRST_TOKEN, PROBLEM, Company, company, refused

ANNA, BORIS = UUID(int=1), UUID(int=2)
SOON_S = 0.4


# ------------------------------------------------------------------------- how often


class Seconds:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_admitted_and_then_as_many_a_second_as_were_granted() -> None:
    seconds = Seconds()
    limit = RateLimit(10, 5, seconds)
    assert [limit.admit(ANNA) for _ in range(5)] == [0.0] * 5
    assert limit.admit(ANNA) == pytest.approx(0.1)
    assert limit.admit(ANNA) == pytest.approx(0.1)  # what was refused is not counted
    seconds.now += 0.1
    assert limit.admit(ANNA) == 0.0
    assert limit.admit(ANNA) == pytest.approx(0.1)
    seconds.now += 60  # a bucket is never fuller than full
    assert [limit.admit(ANNA) for _ in range(5)] == [0.0] * 5
    assert limit.admit(ANNA) > 0


def test_many_in_one_request_are_counted_and_more_than_a_burst_takes_all_of_one() -> None:
    seconds = Seconds()
    limit = RateLimit(10, 5, seconds)
    assert (limit.admit(ANNA), limit.admit(ANNA, 3)) == (0.0, 0.0)
    assert limit.admit(ANNA) == 0.0
    assert limit.admit(ANNA) > 0
    seconds.now += 60
    assert (limit.admit(ANNA), limit.admit(ANNA, 50)) == (0.0, 0.0)
    assert limit.admit(ANNA) == pytest.approx(0.1)
    seconds.now += 0.3
    assert limit.admit(ANNA) == 0.0
    assert limit.admit(ANNA, 50) > 0, "who has saved up less has to wait"


def test_an_account_does_not_pay_for_another() -> None:
    limit = RateLimit(1, 1, Seconds())
    assert limit.admit(ANNA) == 0.0
    assert limit.admit(ANNA) > 0
    assert limit.admit(BORIS) == 0.0


def test_a_rate_of_nothing_is_no_limit() -> None:
    limit = RateLimit(0, 1, Seconds())
    assert not any(limit.admit(ANNA) for _ in range(1_000))


def test_accounts_that_ask_no_more_are_forgotten() -> None:
    seconds = Seconds()
    limit = RateLimit(1, 1, seconds)
    for number in range(MOST_ACCOUNTS):
        limit.admit(UUID(int=number))
    seconds.now += 1
    limit.admit(UUID(int=MOST_ACCOUNTS))
    assert len(limit._full_at) == 1
    assert limit.admit(UUID(int=MOST_ACCOUNTS)) > 0


def test_who_asks_too_often_is_told_when_to_come_again(database: str) -> None:
    with company(database, AUTUMN, Settings(rate=0.5, burst=3)) as here:
        before = here.position
        assert [here.director.get("/v1/deals").status_code for _ in range(3)] == [200] * 3
        answer = here.director.post("/v1/managers", {"name": "Анна"}, accept_language="en")
        problem = refused(answer, 429, "rate-limited")
        assert answer.headers["retry-after"] == str(problem["seconds"]) == "2"
        assert problem["detail"] == "Wait 2 s and try again."
        assert here.position == before
        assert here.admin.get("/v1/accounts").status_code == 200
        refused(here.stranger.get("/v1/deals"), 401, "unauthenticated")


def test_a_page_counts_as_one_request_whatever_it_asks(database: str) -> None:
    with company(database, AUTUMN, Settings(rate=0.5, burst=3)) as here:
        reader = page_of(here, here.director)
        answers = [reader.get("/") for _ in range(4)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["content-type"].startswith("text/html")
        assert answers[-1].headers["retry-after"] == "2"


def test_the_limit_is_part_of_the_documentation(here: Company) -> None:
    for path, operations in here.stranger.ask("/openapi.json")["paths"].items():
        for operation in operations.values() if path.startswith("/v1") else ():
            assert {"408", "414", "429", "431", "500", "503"} <= set(operation["responses"]), path


# ------------------------------------------------------------------------- how slowly


class Line:
    """A connection and what is said on it, byte by byte."""

    def __init__(self, here: Company) -> None:
        host, _, port = here.address.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)

    def say(self, *lines: str) -> None:
        """What the other side does not want to hear any more is left unsaid."""
        with suppress(ConnectionError):
            self.socket.sendall("\r\n".join(lines).encode())

    def answer(self) -> bytes:
        """Everything until the other side hangs up."""
        said = b""
        with suppress(ConnectionResetError):
            while piece := self.socket.recv(65_536):
                said += piece
        return said

    def answers(self) -> Iterator[bytes]:
        """One after the other, on a connection that is kept."""
        said = b""
        while True:
            while b"\r\n\r\n" not in said:
                piece = self.socket.recv(65_536)
                if not piece:
                    return
                said += piece
            head, _, said = said.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while len(said) < length:
                said += self.socket.recv(65_536)
            yield head
            said = said[length:]


@contextmanager
def line(here: Company) -> Iterator[Line]:
    opened = Line(here)
    with opened.socket:
        yield opened


def problem_in(said: bytes, status: int, slug: str) -> dict[str, Any]:
    """The one and only answer in `said`: a problem, with the headers of every answer."""
    head, _, body = said.partition(b"\r\n\r\n")
    assert said.count(b"HTTP/1.1") == 1, said
    assert head.startswith(b"HTTP/1.1 %d " % status), said
    for needed in (PROBLEM.encode(), b"connection: close", b"nosniff", b"default-src 'none'"):
        assert needed in head
    assert b"\nserver:" not in head
    problem: dict[str, Any] = json.loads(body)
    assert problem["type"] == f"/problems/{slug}"
    return problem


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Impatient."""
    settings = Settings(request_seconds=SOON_S, connections=12)
    with company(shared_database, AUTUMN, settings) as begun:
        yield begun


LIVE = ("GET /health/live HTTP/1.1", "Host: localhost")
OPENING = (
    "POST /v1/teams HTTP/1.1",
    "Host: localhost",
    f"Authorization: Bearer {FIRST_TOKEN}",
    "Accept-Language: en",
    "Content-Type: application/json",
)


def test_a_head_that_does_not_end_is_cut(here: Company) -> None:
    with line(here) as slow:
        started = monotonic()
        slow.say(*LIVE, "")
        problem_in(slow.answer(), 408, "request-timeout")
        assert SOON_S * 0.9 < monotonic() - started < 5


def test_a_head_is_cut_also_when_it_trickles(here: Company) -> None:
    with line(here) as slow:
        slow.say(*LIVE)
        slow.socket.settimeout(SOON_S / 8)
        for _ in range(40):
            slow.say("", "X: y")
            with suppress(TimeoutError):
                problem_in(slow.socket.recv(65_536), 408, "request-timeout")
                return
        pytest.fail("it is still listening")


def test_a_body_that_does_not_end_is_cut_and_nothing_is_recorded(here: Company) -> None:
    before = here.position
    with line(here) as slow:
        slow.say(*OPENING, "Content-Length: 30", "", '{"name": "Nor')
        problem = problem_in(slow.answer(), 408, "request-timeout")
        assert problem["detail"].startswith("The whole of it did not come in time")
    assert here.position == before


def test_a_request_in_two_pieces_is_taken_when_it_comes_in_time(here: Company) -> None:
    with line(here) as slow:
        slow.say(*OPENING, "Content-Length: 17", "", '{"name":')
        slow.socket.settimeout(SOON_S / 4)
        with pytest.raises(TimeoutError):
            slow.socket.recv(1)
        slow.socket.settimeout(10)
        slow.say(' "North"}')
        assert next(slow.answers()).startswith(b"HTTP/1.1 201")


def test_each_request_on_a_connection_has_its_own_time(here: Company) -> None:
    with line(here) as kept:
        answers = kept.answers()
        for _ in range(4):
            kept.say(*LIVE)
            kept.socket.settimeout(SOON_S / 2)
            with pytest.raises(TimeoutError):
                kept.socket.recv(1)
            kept.socket.settimeout(10)
            kept.say("", "", "")
            assert next(answers).startswith(b"HTTP/1.1 200")
        kept.say(*LIVE, "")
        problem_in(kept.answer(), 408, "request-timeout")


def test_who_was_refused_already_is_not_answered_twice(here: Company) -> None:
    with line(here) as slow:
        slow.say("POST /v1/teams HTTP/1.1", "Host: localhost", "Content-Length: 30", "", "{")
        said = slow.answer()
        assert said.startswith(b"HTTP/1.1 401")
        assert said.count(b"HTTP/1.1") == 1


def test_who_says_nothing_is_not_waited_for(here: Company) -> None:
    with line(here) as silent:
        assert silent.answer() == b""


# ------------------------------------------------------------------------- how many, how long


def test_more_connections_than_there_may_be_are_told_to_come_again(database: str) -> None:
    with company(database, AUTUMN, Settings(connections=6)) as here, ExitStack() as idle:
        for client in here.clients:
            client.close()
        for _ in range(6):
            idle.enter_context(line(here))
        with line(here) as late:
            late.say(*LIVE, "Accept-Language: en", "", "")
            said = late.answer()
        problem = problem_in(said, 503, "unavailable")
        assert "too many" in problem["detail"]
        assert b"retry-after: 1" in said.lower()
        idle.close()
        with line(here) as later:
            later.say(*LIVE, "", "")
            assert next(later.answers()).startswith(b"HTTP/1.1 200")
        here.clients.clear()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["X: " + "y" * 32_000], 200),
        (["X: " + "y" * 33_000], 431),
        (["X: " + "y" * 600_000], 431),
        ([f"X-{number}: {'y' * 300}" for number in range(100)], 200),
        ([f"X-{number}: {'y' * 300}" for number in range(120)], 431),
    ],
    ids=["one nearly", "one too long", "one without end", "many nearly", "too many"],
)
def test_a_head_has_a_size(here: Company, headers: list[str], status: int) -> None:
    with line(here) as connection:
        connection.say(*LIVE, *headers, "", "")
        if status == 200:
            assert next(connection.answers()).startswith(b"HTTP/1.1 200")
        else:
            problem_in(connection.answer(), 431, "head-too-large")


def test_a_head_in_small_pieces_has_the_same_size(here: Company) -> None:
    with line(here) as connection:
        connection.say(*LIVE, "")
        connection.socket.settimeout(0.002)
        for number in range(60):
            connection.say(f"X-{number}: {'y' * 1_000}", "")
            with suppress(TimeoutError):
                problem_in(connection.socket.recv(65_536), 431, "head-too-large")
                assert number >= 30
                return
        pytest.fail("it is still listening")


@pytest.mark.parametrize("what", ["path", "query"])
def test_an_address_has_a_length(here: Company, what: str) -> None:
    base = "/v1/deals/" if what == "path" else "/v1/deals?x="
    answer = here.director.http.get(base + "a" * (8_192 - len(base)))
    assert answer.status_code == (404 if what == "path" else 422)
    refused(here.director.http.get(base + "a" * (8_193 - len(base))), 414, "uri-too-long")


@pytest.mark.parametrize(
    "said",
    [
        "\x16\x03\x01\x02\x00\x01\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1, 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"
        "\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_or_two_things_at_once_is_refused(here: Company, said: str) -> None:
    with line(here) as connection:
        connection.say(said)
        problem_in(connection.answer(), 400, "malformed-request")


# ------------------------------------------------------------------------- in the database


def test_a_question_that_takes_too_long_is_ended_and_told_as_unavailable(database: str) -> None:
    with closing(Service(database, Settings(statement_seconds=1))) as service:
        started = monotonic()
        with pytest.raises(Unavailable), service.asking() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        assert monotonic() - started < 5


def test_one_question_that_takes_too_long_is_no_reason_to_connect_anew(database: str) -> None:
    def pid(cursor: Cursor[Any]) -> object:
        return cursor.execute("SELECT pg_backend_pid()").fetchone()

    def sleep(service: Service) -> None:
        with service.asking() as cursor:
            pid(cursor)  # of the first statement nobody knows whether there is a database
            cursor.execute("SELECT pg_sleep(20)")

    with closing(Service(database, Settings(statement_seconds=1))) as service:
        with service.asking() as one, service.asking() as other:
            known = {pid(one), pid(other)}
        with pytest.raises(Unavailable):
            sleep(service)
        with service.asking() as one, service.asking() as other:
            assert known & {pid(one), pid(other)}


def test_nothing_waits_for_a_lock_for_ever(database: str) -> None:
    with closing(Service(database, Settings())) as service:
        with service.asking() as cursor:
            shown = [
                cursor.execute(f"SHOW {name}").fetchone()
                for name in ("lock_timeout", "statement_timeout", "role")
            ]
        assert shown == [("3s",), ("30s",), ("dealfolio_app",)]
        recorder: Any = service.dealfolio.recorder
        with recorder.datastore.get_connection() as connection:
            (row,) = connection.execute("SHOW lock_timeout").fetchall()
        assert list(row.values() if isinstance(row, dict) else row) == ["1500ms"]
    with owner(database) as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == ("30s",)


def test_a_long_question_delays_a_rebuild_and_a_rebuild_delays_nobody(database: str) -> None:
    with company(database) as here, ThreadPoolExecutor() as threads:
        migrate(database)  # a copied database lacks what was granted on it
        anna = here.manager()
        here.deal(anna)
        with psycopg.connect(database) as reading:
            reading.execute("SELECT count(*) FROM ledger.postings")  # its lock is held to the end
            rebuilding = threads.submit(rebuild, database, lambda _done, _all: None)
            until = monotonic() + 3
            while monotonic() < until:
                assert here.director.get("/v1/portfolios").status_code == 200
                assert here.director.post("/v1/teams", {"name": "Север"}).status_code == 201
            assert not rebuilding.done()
        position = rebuilding.result(20)
        here.deal(anna)
        assert here.position > position > 1
        assert verify(database, lambda _done, _all: None).count == 0


def test_a_rebuild_outwaits_whoever_looks_after_its_tables(database: str) -> None:
    """Autovacuum gives way after deadlock_timeout, a second."""
    with company(database) as here:
        here.deal(here.manager())
    migrate(database)
    locked = Event()

    def hold() -> None:
        with psycopg.connect(database) as connection:
            connection.execute(
                "LOCK TABLE ledger_fresh.staged_postings IN SHARE UPDATE EXCLUSIVE MODE"
            )
            locked.set()
            connection.execute("SELECT pg_sleep(1.5)")

    with ThreadPoolExecutor() as threads:

        def replayed(_done: int, _all: int) -> None:
            if not locked.is_set():
                threads.submit(hold)
                assert locked.wait(20)

        assert rebuild(database, replayed) > 1
