"""PostgreSQL goes and comes back: nobody is told 201 in vain, and nobody has to start anything.

The server is a durable one of these tests' own, stopped as a crash would stop it; durable, because
without synchronous commits PostgreSQL itself forgets what was acknowledged.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.connection import ImpatientConnection
from api.operating import embedded
from api.operating.schema import migrate
from application.orders import Unavailable
from tests.over_http import AUTUMN, PROBLEM, Company, company, refused

ANSWER_WITHIN_S = 2.0
RESUME_WITHIN_S = 5.0
GIVE_UP_AFTER_S = 30.0
WRITERS = 4


# ------------------------------------------------------------------------ a server to be stopped


@dataclass
class Postgres:
    """On a directory of sockets that stays the same, so that its address does, too."""

    data: Path
    sockets: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def conninfo(self) -> str:
        return f"postgresql://dealfolio@/postgres?host={quote(str(self.sockets))}&port=5432"

    def start(self) -> None:
        account = embedded._account(self.data)
        binaries = embedded._binaries(self.data, account)
        command = binaries.postgres(self.data, self.sockets, durable=True)
        with self.data.with_name("log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, **embedded._child(account)
            )
        assert embedded._is_ready(self.process, self.data, self.sockets)

    def stop(self, way: signal.Signals) -> None:
        """SIGINT: fast. SIGQUIT: immediate, as in a crash; the next start recovers."""
        assert self.process is not None
        self.process.send_signal(way)
        self.process.wait(GIVE_UP_AFTER_S)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Migrated and running."""
    with tempfile.TemporaryDirectory(prefix="dealfolio-away-", dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o711)
        with embedded.postgres(place / "data", durable=False) as conninfo:
            migrate(conninfo)
        sockets = embedded._account(place / "data").owns(Path(tempfile.mkdtemp(dir=place)))
        server = Postgres(place / "data", sockets)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGINT)
            shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture(scope="module")
def here(postgres: Postgres) -> Iterator[Company]:
    with company(postgres.conninfo, AUTUMN) as begun:
        yield begun


@contextmanager
def away(postgres: Postgres) -> Iterator[None]:
    """PostgreSQL is gone in the block and back after it."""
    postgres.stop(signal.SIGQUIT)
    try:
        yield
    finally:
        postgres.start()


# ------------------------------------------------------------------------------ gone and back


@dataclass(frozen=True)
class Attempt:
    status: int
    seconds: float
    response: httpx.Response


def attempt(request: httpx.Request, client: httpx.Client) -> Attempt:
    begun = monotonic()
    response = client.send(request)
    return Attempt(response.status_code, monotonic() - begun, response)


def unavailable(one: Attempt) -> None:
    refused(one.response, 503, "unavailable")
    assert int(one.response.headers["retry-after"]) >= 1
    assert one.seconds < ANSWER_WITHIN_S


def resumed(here: Company) -> float:
    """How long it took until questions and commands were answered, by nothing but asking."""
    begun = monotonic()
    key = {"idempotency_key": str(uuid4())}
    asked: list[Callable[[], httpx.Response]] = [
        lambda: here.stranger.get("/health/ready"),
        lambda: here.director.get("/v1/portfolios"),
        lambda: here.director.post("/v1/teams", {"name": "Снова на связи"}, **key),
    ]
    for ask in asked:
        while (response := ask()).status_code not in {200, 201}:
            assert response.status_code == 503, response.text
            assert monotonic() - begun < GIVE_UP_AFTER_S, "it does not come back by itself"
    return monotonic() - begun


def opening(manager: str) -> dict[str, Any]:
    check = {"amount": "400000000.00", "currency": "RUB"}
    deal = {"title": "Витрины", "client": "Ромашка", "potential_check": check}
    return deal | {"manager_id": manager, "effective_on": "2026-01-12"}


def test_without_a_database_everything_is_503_soon_and_all_is_there_when_it_returns(
    here: Company, postgres: Postgres
) -> None:
    anna, kind = here.manager(), here.kind("5.00")
    deal = here.deal(anna)
    here.act(deal, anna, kind, "2026-02-03")
    position = here.position
    book = here.director.get(f"/v1/managers/{anna}/portfolio", position=position).content
    client = here.director.http
    questions = ["/v1/portfolios", f"/v1/managers/{anna}/portfolio", f"/v1/deals/{deal}"]
    questions += ["/v1/deals", "/v1/events", "/v1/action-types", "/v1/managers", "/v1/periods"]
    key = {"idempotency-key": str(uuid4())}

    with away(postgres), ThreadPoolExecutor(len(questions) + 4) as pool:
        requests = [client.build_request("GET", path) for path in questions]
        requests += [
            client.build_request("POST", "/v1/deals", json=opening(anna), headers=key),
            client.build_request("POST", f"/v1/deals/{deal}/win", json={
                "contract_amount": "5.00", "effective_on": "2026-03-02",
            }),
            client.build_request("POST", "/v1/teams", json={"name": "Юг"}),
            client.build_request("POST", "/v1/accounts", json={"name": "А", "role": "auditor"}),
        ]  # fmt: skip
        for one in pool.map(lambda request: attempt(request, client), requests):
            unavailable(one)
        refused(here.stranger.get("/health/ready"), 503, "unavailable")
        assert here.stranger.get("/health/live").status_code == 200

    assert resumed(here) < RESUME_WITHIN_S
    assert here.position == position + 1, "one team; what was answered 503 was not recorded"
    again = here.director.get(f"/v1/managers/{anna}/portfolio", position=position).content
    assert again == book
    opened = [client.post("/v1/deals", json=opening(anna), headers=key) for _ in range(2)]
    assert [response.status_code for response in opened] == [201, 201]
    assert opened[0].content == opened[1].content
    assert here.position == position + 2


def test_a_bad_request_is_told_so_also_without_a_database(
    here: Company, postgres: Postgres
) -> None:
    """Whoever was seen a moment ago is believed; nobody else can be."""
    anna = here.manager()
    with away(postgres):
        nonsense = here.director.post("/v1/deals", {"title": ""})
        assert nonsense.status_code in {422, 503}
        refused(here.person("nobody's").get("/v1/portfolios"), 503, "unavailable")
        refused(here.stranger.get("/v1/portfolios"), 401, "unauthenticated")
    assert resumed(here) < RESUME_WITHIN_S
    here.deal(anna)


def test_the_first_command_after_a_restart_is_answered(here: Company, postgres: Postgres) -> None:
    anna = here.manager()
    with away(postgres):
        pass
    while here.director.get("/v1/portfolios").status_code != 200:
        pass
    assert here.director.post("/v1/deals", opening(anna)).status_code == 201


# --------------------------------------------------------------------------- gone, and another


@contextmanager
def restored(postgres: Postgres) -> Iterator[None]:
    """Behind the block the log is what it was before it: a backup was restored, or a standby has
    taken over that had not heard of the rest.
    """
    backup = postgres.data.with_name("backup")
    with away(postgres):
        subprocess.run(["cp", "-a", postgres.data, backup], check=True)
    yield
    with away(postgres):
        shutil.rmtree(postgres.data)
        backup.rename(postgres.data)


def answers(here: Company) -> None:
    """Waits until questions and commands are answered again; records nothing."""
    until = monotonic() + GIVE_UP_AFTER_S
    while here.director.get("/v1/portfolios").status_code != 200 or (
        here.director.post("/v1/deals", opening("nobody")).status_code != 409
    ):
        assert monotonic() < until


def test_a_log_that_has_lost_its_end_goes_on_from_there(here: Company, postgres: Postgres) -> None:
    """Whatever the process knew of the lost events, it tells and does nothing by it."""
    answers(here)
    anna, kind = here.manager(), here.kind("1.00")
    deal = here.deal(anna)
    here.act(deal, anna, kind, "2026-02-03")
    position = here.position
    with restored(postgres):
        answers(here)
        here.act(deal, anna, kind, "2026-02-03")
        lost = here.manager()
        here.learn(anna)
        assert here.director.ask(f"/v1/managers/{anna}/portfolio")["progress"] == "2.00"
    answers(here)
    assert here.director.ask(f"/v1/managers/{anna}/portfolio")["progress"] == "1.00"
    refused(here.director.get(f"/v1/managers/{lost}/portfolio"), 404, "not-found")
    assert lost not in {one["manager_id"] for one in here.director.ask("/v1/managers")["managers"]}
    told = here.director.do(f"/v1/deals/{deal}/actions", action(kind, anna))
    assert (told["position"], told["version"]) == (position + 1, 3)
    assert here.director.ask(f"/v1/managers/{anna}/portfolio")["progress"] == "2.00"
    assert gaps(postgres) == []


OF_A_COMPANY = 2
"""What another director of one that has begun adds to the log."""


@pytest.mark.parametrize("more", [0, 1])
def test_a_log_that_others_have_gone_on_with_is_read_anew(
    here: Company, postgres: Postgres, more: int
) -> None:
    """Also where it is as long as the one that was known, or longer."""
    answers(here)
    anna, kind = here.manager(), here.kind("1.00")
    deal = here.deal(anna)
    with restored(postgres):
        answers(here)
        for _ in range(OF_A_COMPANY + 1):
            here.act(deal, anna, kind, "2026-02-03")
        known = here.position
    later = AUTUMN + timedelta(hours=1 + more)  # than all that the other one has told
    with company(postgres.conninfo, later) as other:
        other.director.do(
            f"/v1/deals/{deal}/loss", {"reason": "цена", "effective_on": "2026-04-01"}
        )
        for _ in range(more):
            other.manager(manager_id=f"new-{other.position}")
        position = other.position
    assert position == known + more
    acting = here.director.post(f"/v1/deals/{deal}/actions", action(kind, anna, "2026-05-04"))
    assert refused(acting, 409, "not-allowed-now")["rule"] == "not-open"
    answers(here)
    assert here.position == position
    assert gaps(postgres) == []


def action(kind: str, manager: str, on: str = "2026-02-03") -> dict[str, str]:
    return {"action_type": kind, "effective_on": on, "manager_id": manager}


def gaps(postgres: Postgres) -> list[int]:
    """Positions behind which one is missing, and versions likewise."""
    with psycopg.connect(postgres.conninfo) as connection:
        return [
            at
            for (at,) in connection.execute(
                "SELECT notification_id FROM (SELECT notification_id, notification_id -"
                " lag(notification_id, 1, 0::bigint) OVER (ORDER BY notification_id) AS step,"
                " originator_version - lag(originator_version, 1, 0::bigint) OVER"
                " (PARTITION BY originator_id ORDER BY notification_id) AS more"
                " FROM books.events) AS log WHERE step <> 1 OR more <> 1"
            )
        ]


# ------------------------------------------------------------------------------- under load


@dataclass
class Work:
    """What one writer was told, by key. A key is repeated until it is answered."""

    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def record(self, here: Company, path: str, kind: str, manager: str) -> None:
        key = str(uuid4())
        body = {"action_type": kind, "effective_on": "2026-02-03", "manager_id": manager}
        until = monotonic() + GIVE_UP_AFTER_S
        while monotonic() < until:
            begun = monotonic()
            try:
                response = here.director.post(path, body | {"comment": key}, idempotency_key=key)
            except httpx.TransportError as error:
                self.troubles.append(repr(error))
                continue
            self.slowest = max(self.slowest, monotonic() - begun)
            if response.status_code == 201:
                self.acknowledged[key] = response.json()
                return
            if (response.status_code, response.headers["content-type"]) != (503, PROBLEM):
                self.troubles.append(f"{response.status_code} {response.text}")
                return
            Event().wait(0.02)  # of the second that Retry-After asks for
        self.troubles.append("never answered")


@contextmanager
def load(here: Company) -> Iterator[list[Work]]:
    """Writers, each on a deal of its own, until the block ends; what was begun is finished."""
    anna, kind = here.manager(), here.kind("0.01")
    deals = [here.deal(anna) for _ in range(WRITERS)]
    works = [Work() for _ in deals]
    over = Event()

    def write(work: Work, deal: str) -> None:
        while not over.is_set():
            work.record(here, f"/v1/deals/{deal}/actions", kind, anna)

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, *pair) for pair in zip(works, deals, strict=True)]
        try:
            yield works
        finally:
            over.set()
            for one in writing:
                one.result(GIVE_UP_AFTER_S)


def more(works: list[Work], number: int) -> None:
    """Wait until every writer has been answered `number` times more."""
    wanted = [len(work.acknowledged) + number for work in works]
    until = monotonic() + GIVE_UP_AFTER_S
    while any(len(work.acknowledged) < n for work, n in zip(works, wanted, strict=True)):
        assert monotonic() < until, [work.troubles for work in works]
        Event().wait(0.005)


def recorded_as_acknowledged(here: Company, works: list[Work]) -> None:
    """Each key is one event, at the position that was told; and there are no others."""
    assert resumed(here) < RESUME_WITHIN_S
    acknowledged = {key: said for work in works for key, said in work.acknowledged.items()}
    found: dict[str, list[int]] = {}
    positions = []
    for page in here.director.pages("/v1/events", limit=1_000):
        for event in page["events"]:
            positions.append(event["position"])
            if event["type"] == "ActionPerformed" and "comment" in event["data"]:
                found.setdefault(event["data"]["comment"], []).append(event["position"])
    assert positions == list(range(1, len(positions) + 1))
    mine = {key: where for key, where in found.items() if key in acknowledged}
    assert mine == {key: [said["position"]] for key, said in acknowledged.items()}
    deals = {said["deal_id"] for said in acknowledged.values()}
    for deal in deals:
        told = [said for said in acknowledged.values() if said["deal_id"] == deal]
        versions = sorted(said["version"] for said in told)
        assert versions == list(range(2, len(versions) + 2))
        shown = here.director.ask(f"/v1/deals/{deal}")
        assert {action["action_id"] for action in shown["actions"]} == {
            said["action_id"] for said in told
        }


def test_a_crash_under_load_loses_nothing_acknowledged_and_doubles_nothing(
    here: Company, postgres: Postgres
) -> None:
    with load(here) as works:
        for _ in range(3):
            more(works, 5)
            with away(postgres):
                pass
        more(works, 5)
    assert [work.troubles for work in works] == [[]] * WRITERS
    assert max(work.slowest for work in works) < ANSWER_WITHIN_S
    recorded_as_acknowledged(here, works)


def test_killed_backends_under_load_lose_nothing_acknowledged_and_double_nothing(
    here: Company, postgres: Postgres
) -> None:
    """Every connection of the service, the writer's among them, again and again."""
    killed = 0
    with closing(psycopg.connect(postgres.conninfo, autocommit=True)) as killer:
        with load(here) as works:
            for _ in range(15):
                more(works, 1)
                killed += len(killer.execute(_KILL).fetchall())
            more(works, 5)
        assert killed >= 15
    assert [work.troubles for work in works] == [[]] * WRITERS
    assert max(work.slowest for work in works) < ANSWER_WITHIN_S
    recorded_as_acknowledged(here, works)


_KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE 'dealfolio%' AND backend_type = 'client backend'
"""


def test_questions_survive_killed_backends(here: Company, postgres: Postgres) -> None:
    """A connection that died in the pool may cost one answer, told as 503, and never a 500."""
    here.deal(here.manager())
    statuses = []
    with closing(psycopg.connect(postgres.conninfo, autocommit=True)) as killer:
        for _ in range(10):
            killer.execute(_KILL)
            statuses += [
                here.director.http.get(path).status_code
                for path in ("/v1/portfolios", "/v1/deals", "/v1/events?limit=1")
            ]
    assert set(statuses) <= {200, 503}
    assert resumed(here) < RESUME_WITHIN_S
    assert here.director.get("/v1/portfolios").status_code == 200


def test_a_stalled_writer_is_answered_503_in_time_and_recorded_at_most_once(
    here: Company, postgres: Postgres
) -> None:
    """Somebody else holds the writers' lock: a command waits, gives up, and may be repeated."""
    assert resumed(here) < RESUME_WITHIN_S
    anna = here.manager()
    key = {"idempotency-key": str(uuid4())}
    client = here.director.http
    before = here.position
    with closing(psycopg.connect(postgres.conninfo)) as holder:
        holder.execute("SELECT books.lock_for_writing()")
        request = client.build_request("POST", "/v1/deals", json=opening(anna), headers=key)
        unavailable(attempt(request, client))
        assert here.director.get("/v1/portfolios").status_code == 200, "reading goes on"
        holder.rollback()
    first = _answered(client, opening(anna), key)
    assert client.post("/v1/deals", json=opening(anna), headers=key).content == first.content
    assert here.position == before + 1


def test_a_new_process_whose_first_command_finds_the_lock_held_gets_over_it(
    here: Company, postgres: Postgres
) -> None:
    """Another process imports, say, while this one begins."""
    assert resumed(here) < RESUME_WITHIN_S
    anna = here.manager()
    with company(postgres.conninfo) as second:
        client = second.director.http
        with closing(psycopg.connect(postgres.conninfo)) as holder:
            holder.execute("SELECT books.lock_for_writing()")
            unavailable(
                attempt(client.build_request("POST", "/v1/deals", json=opening(anna)), client)
            )
            holder.rollback()
        key = {"idempotency-key": str(uuid4())}
        assert _answered(client, opening(anna), key).status_code == 201


@contextmanager
def hanging(postgres: Postgres, *pids: int) -> Iterator[None]:
    """Processes of that server stand still in the block, and go on after it."""
    assert postgres.process is not None
    children = Path(f"/proc/{postgres.process.pid}/task/{postgres.process.pid}/children")
    assert set(pids) <= {int(pid) for pid in children.read_text().split()}, "only our own"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def backends(postgres: Postgres, application: str) -> list[int]:
    with closing(psycopg.connect(postgres.conninfo, autocommit=True)) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s", [application]
        )
        return [pid for (pid,) in found]


def test_a_command_to_a_hanging_database_is_503_in_time_and_recorded_at_most_once(
    here: Company, postgres: Postgres
) -> None:
    assert resumed(here) < RESUME_WITHIN_S
    anna = here.manager()
    before = here.position
    key = {"idempotency-key": str(uuid4())}
    client = here.director.http
    with hanging(postgres, *backends(postgres, "dealfolio writer")):
        request = client.build_request("POST", "/v1/deals", json=opening(anna), headers=key)
        unavailable(attempt(request, client))
        assert here.director.get("/v1/portfolios").status_code == 200, "reading goes on"
    first = _answered(client, opening(anna), key)
    assert client.post("/v1/deals", json=opening(anna), headers=key).content == first.content
    assert here.position == before + 1


def test_a_question_to_a_hanging_database_is_503_in_time(here: Company, postgres: Postgres) -> None:
    assert resumed(here) < RESUME_WITHIN_S
    client = here.director.http
    with hanging(postgres, *backends(postgres, "dealfolio")):
        request = client.build_request("GET", "/v1/portfolios", timeout=ANSWER_WITHIN_S + 0.5)
        unavailable(attempt(request, client))


def test_what_is_in_memory_is_not_told_while_the_database_hangs_and_all_hear_so_in_time(
    here: Company, postgres: Postgres
) -> None:
    """Somebody else may have recorded something meanwhile."""
    assert resumed(here) < RESUME_WITHIN_S
    anna = here.manager()
    here.learn(anna)
    path = f"/v1/managers/{anna}/portfolio"
    client = here.director.http
    with hanging(postgres, *backends(postgres, "dealfolio")), ThreadPoolExecutor(8) as pool:
        request = client.build_request("GET", path, timeout=ANSWER_WITHIN_S + 0.5)
        for one in pool.map(lambda _: attempt(request, client), range(8)):
            unavailable(one)
    assert resumed(here) < RESUME_WITHIN_S
    here.director.ask(path)


def test_a_long_question_is_not_cut_and_one_that_says_nothing_at_first_is(
    here: Company,
) -> None:
    assert resumed(here) < RESUME_WITHIN_S
    with here.service.asking() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.execute("SELECT pg_sleep(1.5), 2").fetchone() == ("", 2)
    begun = monotonic()
    with pytest.raises(Unavailable), here.service.asking() as cursor:
        cursor.execute("SELECT pg_sleep(1.5)")
    assert monotonic() - begun < ANSWER_WITHIN_S
    with here.service.asking() as cursor:
        assert cursor.execute("SELECT 3").fetchone() == (3,)


def test_a_connection_is_given_up_when_the_database_is_silent_and_not_when_it_refuses(
    here: Company, postgres: Postgres
) -> None:
    assert resumed(here) < RESUME_WITHIN_S
    with ImpatientConnection.connect(postgres.conninfo) as connection:
        cursor = connection.question()
        cursor.execute("SET statement_timeout = '50ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            cursor.execute("SELECT pg_sleep(0.5)")
        connection.rollback()
        assert not connection.closed
        connection.execute("SET statement_timeout = 0")
        cursor = connection.question()
        with pytest.raises(psycopg.OperationalError):
            cursor.execute("SELECT pg_sleep(1.5)")
        assert connection.closed


def _answered(
    client: httpx.Client, body: dict[str, Any], headers: dict[str, str]
) -> httpx.Response:
    until = monotonic() + RESUME_WITHIN_S
    while (response := client.post("/v1/deals", json=body, headers=headers)).status_code == 503:
        assert monotonic() < until, "still not answered"
        Event().wait(0.02)
    assert response.status_code == 201, response.text
    return response
