"""A rebuild on all cores: whoever made the rows, and however often it was interrupted, they are the
same.
"""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from api.operating.schema import migrate
from api.service import Service
from api.settings import Settings
from application.orders import Order, Unavailable
from domain.decisions import Command
from domain.directory_commands import RegisterManager
from projections import rebuild as rebuild_module
from projections import replaying, unfinished
from projections.rebuild import Busy, Phase, owner, rebuild
from projections.replaying import Failed, Work
from projections.snapshots import close_next_cut
from projections.verify import verify
from tests.histories import NOON, Story, cast_of, catalogue_commands, command_for, lively

ROOT = Path(__file__).parent.parent
SECONDS = 30
EVERY = 16
SMALL = {"PART": 12, "CORES": 2}
"""Parts of a few events for two processes, however few cores and events there are."""
TABLES = ("managers", "holders", "postings", "deals", "deal_states", "cuts", "snapshots")
Ledger = dict[str, Counter[TupleRow]]
CHAPTERS = range(1, 9)
_TOLD = [lively(2 * chapter, chapter).tried for chapter in CHAPTERS]
EARLIER = Story([one for chapter in _TOLD[:6] for one in chapter[:24]])
LATER = [
    one for four in zip(*(chapter[24:] for chapter in _TOLD[:6]), strict=False) for one in four
]
LATER += _TOLD[6] + _TOLD[7]
"""Of the same deals, in turn, and then of some that are new."""
PROGRAM = f"""
import signal
import sys
from projections import rebuild, replaying, unfinished

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell has behind it

unfinished.PART, replaying.WORTH_A_PROCESS = {SMALL["PART"]}, 1
replaying._cores = lambda: {SMALL["CORES"]}

def told(done, total):
    print(done, total, flush=True)
    sys.stdin.readline()

rebuild.rebuild(sys.argv[1], told)
"""
"""A rebuild that stops at each part until it hears a line."""


@pytest.fixture(autouse=True)
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "PART", SMALL["PART"])
    monkeypatch.setattr(replaying, "WORTH_A_PROCESS", 1)
    monkeypatch.setattr(replaying, "_cores", lambda: SMALL["CORES"])
    monkeypatch.setattr(
        rebuild_module,
        "close_next_cut",
        lambda connection, schema, end: close_next_cut(connection, schema, end, EVERY),
    )


@pytest.fixture
def alone(several: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - replaced
    """What is replayed in here starts nobody, where that is not what is asked: it takes longer."""
    monkeypatch.setattr(replaying, "_cores", lambda: 1)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    """The processes that a rebuild in here has started."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*given: Any, **options: Any) -> "subprocess.Popen[bytes]":
        processes.append(subprocess.Popen(*given, **options))
        return processes[-1]

    monkeypatch.setattr(replaying, "Popen", start)
    return processes


@pytest.fixture
def service(database: str) -> Iterator[Service]:
    """Of a company with some deals, late entries among them."""
    migrate(database)  # a copy of a template is not its owner's to make schemas in
    service = Service(database, Settings(), lambda: NOON)
    commands: list[Command] = [*catalogue_commands()]
    commands += [RegisterManager(one, one) for chapter in CHAPTERS for one in cast_of(chapter)]
    service.dealfolio.transactor.submit_all([Order(one, "desk") for one in commands]).result(30)
    record(service, EARLIER)
    with psycopg.connect(database, autocommit=True) as connection:
        while close_next_cut(connection, every=EVERY):
            pass
    yield service
    service.close()


@pytest.fixture
def ledger(database: str, service: Service) -> Iterator[Connection[TupleRow]]:  # noqa: ARG001 - recorded
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def record(service: Service, story: Story) -> None:
    orders = [Order(command_for(one.fact), "desk") for one in story.tried]
    for future in [*map(service.dealfolio.transactor.submit, orders)]:
        assert not isinstance(future.exception(SECONDS), Unavailable)


def rows(connection: Connection[TupleRow], schema: str = "ledger") -> Ledger:
    return {
        table: Counter(connection.execute(f"SELECT * FROM {schema}.{table}").fetchall())
        for table in TABLES
    }


def quiet(_done: int, _of: int) -> None:
    pass


def spoil(connection: Connection[TupleRow]) -> None:
    """What only a rebuild mends: so it is seen to have been done."""
    connection.execute("UPDATE ledger.postings SET amount = amount + 1")


# ---------------------------------------------------------------------------- the same rows


def test_rows_made_by_several_processes_are_those_that_the_service_wrote(
    database: str, ledger: Connection[TupleRow], started: list["subprocess.Popen[bytes]"]
) -> None:
    written = rows(ledger)
    assert all(written.values())
    told: list[tuple[int, int]] = []
    spoil(ledger)
    position = rebuild(database, lambda *far: told.append(far))
    assert rows(ledger) == written
    assert len(started) == SMALL["CORES"]
    assert [one.poll() for one in started] == [-signal.SIGKILL] * SMALL["CORES"]
    done = [done for done, _ in told]
    assert done == sorted(set(done))
    assert len(done) > 5
    assert (told[0], told[-1]) == ((0, position), (position, position))
    tables = ledger.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'ledger'")
    assert {name for (name,) in tables} == set(TABLES)


def test_a_small_log_is_replayed_without_starting_anybody(
    database: str,
    ledger: Connection[TupleRow],
    started: list["subprocess.Popen[bytes]"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replaying, "WORTH_A_PROCESS", 1_000)
    written = rows(ledger)
    spoil(ledger)
    rebuild(database, quiet)
    assert rows(ledger) == written
    assert not started


def test_what_is_recorded_meanwhile_is_in_it(
    database: str, service: Service, ledger: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every phase but the last, and between the parts."""
    monkeypatch.setattr(rebuild_module, "FEW", 3)
    later = iter(LATER)

    def more() -> None:
        record(service, Story([one for _, one in zip(range(6), later, strict=False)]))

    phases: list[Phase] = []

    def phase(of: Phase) -> None:
        phases.append(of)
        if of is not Phase.SWITCHING:
            more()

    spoil(ledger)
    rebuild(database, lambda _done, _of: more(), phase)
    assert phases == list(Phase)[:-1]
    assert verify(database, quiet).count == 0
    assert rows(ledger)["postings"] == rows_of_one_process(database, monkeypatch)["postings"]


def rows_of_one_process(database: str, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(replaying, "_cores", lambda: 1)
    rebuild(database, quiet, afresh=True)
    with psycopg.connect(database, autocommit=True) as connection:
        return rows(connection)


# ---------------------------------------------------------------------------- interrupted


@contextmanager
def rebuilding(database: str) -> Iterator["subprocess.Popen[str]"]:
    """PROGRAM, under way; whoever it has started prints where it does."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: "subprocess.Popen[str]", lines: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
    assert process.stdout.readline()


def ended(process: "subprocess.Popen[str]", by: signal.Signals) -> None:
    """The process, and all that it had started: only then is nobody left who could print."""
    process.send_signal(by)
    process.communicate(timeout=SECONDS)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_rebuild_is_gone_on_with(
    database: str, service: Service, ledger: Connection[TupleRow], by: signal.Signals
) -> None:
    """And again; with commands in between, in deals that were replayed and in others."""
    begun = 0
    for attempt, parts in enumerate((3, 1)):
        before = rows(ledger)
        with rebuilding(database) as process:
            heard(process, parts)
            ended(process, by)
        assert rows(ledger) == before
        done, left = unfinished.parts(ledger, "ledger_fresh")
        assert done > begun
        assert left
        begun = done
        record(service, Story(LATER[attempt::2]))
    told: list[tuple[int, int]] = []
    written = rows(ledger)
    spoil(ledger)
    rebuild(database, lambda *far: told.append(far))
    assert told[0][0] >= begun
    assert told[0][0] < told[-1][0] == told[-1][1]
    for table in ("postings", "deals", "deal_states"):
        assert rows(ledger)[table] == written[table]
    assert verify(database, quiet).count == 0


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("phase", [Phase.INDEXES, *list(Phase)[3:-1]])
def test_whatever_it_was_doing(
    database: str, service: Service, ledger: Connection[TupleRow], phase: Phase
) -> None:
    def until(reached: Phase) -> None:
        if reached is phase:
            raise InterruptedError

    before = rows(ledger)
    with pytest.raises(InterruptedError):
        rebuild(database, quiet, until)
    assert rows(ledger) == before
    record(service, Story(LATER))
    spoil(ledger)
    told: list[tuple[int, int]] = []
    rebuild(database, lambda *far: told.append(far))
    assert told[0][0] == told[0][1], "nothing is replayed twice"
    assert verify(database, quiet).count == 0


@pytest.mark.usefixtures("alone")
def test_what_was_caught_up_is_caught_up_once(
    database: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted behind it, and again."""
    monkeypatch.setattr(rebuild_module, "FEW", 3)

    def until(reached: Phase) -> None:
        if reached is Phase.CATCHING_UP:
            record(service, Story(LATER[:40]))
        if reached is Phase.SWITCHING:
            raise InterruptedError

    for _ in range(2):
        with pytest.raises(InterruptedError):
            rebuild(database, quiet, until)
    rebuild(database, quiet)
    assert verify(database, quiet).count == 0


@pytest.mark.usefixtures("alone")
def test_a_part_counts_as_done_with_its_rows_and_not_before(
    database: str, ledger: Connection[TupleRow]
) -> None:
    written = rows(ledger)
    with psycopg.connect(database) as locking, rebuilding(database) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        locking.execute("LOCK ledger_fresh.staged_postings IN SHARE MODE")
        process.stdin.write("\n")
        process.stdin.flush()
        until = monotonic() + SECONDS
        while ledger.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() != (
            SMALL["CORES"],
        ):
            assert monotonic() < until
        ended(process, signal.SIGKILL)
    spoil(ledger)
    rebuild(database, quiet)
    assert rows(ledger) == written


def test_two_who_are_at_the_same_part_write_its_rows_once(
    database: str, ledger: Connection[TupleRow]
) -> None:
    """Somebody who was killed may not be gone yet when the next one comes."""
    with owner(database) as connection:
        position = unfinished.begin(connection, "ledger_fresh")
        _, parts = unfinished.parts(connection, "ledger_fresh")
        work = Work(database, "ledger_fresh", position)
        for _ in range(2):
            replaying._replay_in_processes(work, parts, lambda _: None, SMALL["CORES"])
        with connection.transaction():
            unfinished.settle(connection, "ledger_fresh")
    for table in ("postings", "deal_states"):
        assert rows(ledger, "ledger_fresh")[table] == rows(ledger)[table]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_fresh.made SET code = ''",
        "UPDATE ledger_fresh.made SET recorded_at = now()",
        "TRUNCATE ledger_fresh.made, ledger_fresh.staged_postings, ledger_fresh.parts",
        "DROP TABLE ledger_fresh.made",
        None,
    ],
    ids=["other code", "another log", "the server crashed", "an older version's", "told to"],
)
def test_what_does_not_fit_is_begun_anew(
    database: str, ledger: Connection[TupleRow], change: str | None
) -> None:
    written = rows(ledger)
    with rebuilding(database) as process:
        heard(process, 3)
        ended(process, signal.SIGKILL)
    if change is not None:
        ledger.execute(change)
    told: list[tuple[int, int]] = []
    spoil(ledger)
    rebuild(database, lambda *far: told.append(far), afresh=change is None)
    assert told[0][0] == 0
    assert rows(ledger) == written


# ---------------------------------------------------------------------------- what goes wrong


def test_a_process_that_is_killed_ends_the_rebuild_and_nothing_else(
    database: str, ledger: Connection[TupleRow], started: list["subprocess.Popen[bytes]"]
) -> None:
    written = rows(ledger)
    spoil(ledger)
    spoilt = rows(ledger)

    def kill(done: int, _of: int) -> None:
        if done:
            started[0].kill()

    with pytest.raises(Failed, match="was ended by signal 9"):
        rebuild(database, kill)
    assert all(one.poll() is not None for one in started)
    assert rows(ledger) == spoilt
    rebuild(database, quiet)
    assert rows(ledger) == written


def test_who_ends_without_a_word_has_not_done_the_part(
    database: str, ledger: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no other part is left to be given."""
    listens = (
        "import sys; from multiprocessing.connection import Connection as Line;"
        " line = Line(int(sys.argv[1])); line.recv(), line.recv()"
    )
    monkeypatch.setattr(unfinished, "PART", 100)
    monkeypatch.setattr(replaying, "_cores", lambda: 100)  # a process for each part
    monkeypatch.setattr(replaying, "_PROGRAM", listens)
    written = rows(ledger)
    with pytest.raises(Failed, match="was ended with status 0"):
        rebuild(database, quiet)
    assert rows(ledger) == written


def test_a_lost_connection_ends_the_rebuild_and_nothing_else(
    database: str, ledger: Connection[TupleRow], started: list["subprocess.Popen[bytes]"]
) -> None:
    written = rows(ledger)

    def hang_up(done: int, _of: int) -> None:
        if done:
            ledger.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query ~ 'ledger_fresh'"
                " AND pid <> pg_backend_pid()"
            )

    with pytest.raises(psycopg.OperationalError):
        rebuild(database, hang_up)
    assert all(one.poll() is not None for one in started)
    assert rows(ledger) == written
    rebuild(database, quiet)
    assert rows(ledger) == written


@pytest.mark.parametrize("cores", [1, SMALL["CORES"]])
@pytest.mark.parametrize("doing", [rebuild, verify])
def test_an_event_that_is_not_understood_is_named_and_changes_nothing(
    database: str,
    ledger: Connection[TupleRow],
    started: list["subprocess.Popen[bytes]"],
    monkeypatch: pytest.MonkeyPatch,
    doing: Callable[[str, Any], object],
    cores: int,
) -> None:
    monkeypatch.setattr(replaying, "_cores", lambda: cores)
    stream = UUID(int=2**127)
    written = rows(ledger)
    ledger.execute(
        "INSERT INTO books.events SELECT %s, 1, 'DealOpened', '{}', max(notification_id) + 1,"
        " max(recorded_at) + interval '1 s' FROM books.events",
        [stream],
    )
    with pytest.raises(Failed, match=f"event 1 of {stream}, DealOpened, is not understood"):
        doing(database, quiet)
    assert len(started) == (0 if cores == 1 else cores)
    assert all(one.poll() is not None for one in started)
    assert rows(ledger) == written
    assert ledger.execute("SELECT to_regnamespace('ledger_check')").fetchone() == (None,)


@pytest.mark.usefixtures("alone")
def test_only_one_at_a_time(
    database: str, ledger: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(done: int, _of: int) -> None:
        if not done:
            monkeypatch.setattr(rebuild_module, "OTHERS_LEAVE_WITHIN_S", 0.1)
            with pytest.raises(Busy):
                rebuild(database, quiet)
            with pytest.raises(Busy):
                verify(database, quiet)

    written = rows(ledger)
    rebuild(database, another)
    assert rows(ledger) == written
