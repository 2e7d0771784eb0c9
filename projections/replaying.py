"""The log replayed into a ledger in the making, part by part, by as many processes as there are
cores.

Each process has two connections: the server reads on in one while rows are copied on the other. A
process is told its next part when it has committed the last one, and ends itself as soon as whoever
started it is gone. A small log is replayed where one is: a process takes longer to start.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import groupby
from multiprocessing.connection import Connection as Line
from multiprocessing.connection import Pipe, wait
from queue import SimpleQueue
from subprocess import DEVNULL, Popen
from threading import Thread
from typing import Any, LiteralString, NamedTuple, Self, cast

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from domain.errors import Refusal
from domain.events import DealEvent, Recorded, decode, is_about_a_deal
from domain.history import DealOpening, DealState, Recording, replay
from domain.ledger import Posting
from projections.unfinished import Part, claim

AT_ONCE = 1_000
"""Events read at once."""
CHUNK = 20_000
"""Rows copied at once."""
WORTH_A_PROCESS = 20_000
"""Events that take longer to replay than a process to start."""

_PART: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE notification_id <= %(position)s AND NOT of_the_directory AND originator_id >= %(first)s
"""
_ORDER: LiteralString = "ORDER BY originator_id, originator_version"
_PROGRAM = "from projections.replaying import work; work()"


class Failed(Exception):
    """The log could not be replayed: it is not understood, or a process was ended. The live ledger
    is as it was, and what was replayed is kept for the next attempt.
    """


class Work(NamedTuple):
    """A ledger to fill with the log up to `position`."""

    conninfo: str
    schema: str
    position: int


def replay_all(work: Work, parts: list[Part], told: Callable[[int], None]) -> None:
    """`told` the events of each of `parts` when its rows are committed.

    Raises Failed, psycopg.Error; no process is left behind in any case.
    """
    worth = sum(part.events for part in parts) // WORTH_A_PROCESS
    count = min(_cores(), len(parts), worth)
    if count > 1:
        _replay_in_processes(work, parts, told, count)
        return
    with _Replaying(work) as replaying:
        for part in parts:
            replaying.replay(part)
            told(part.events)


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    may_use = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if may_use is None else len(may_use(0))


# ---------------------------------------------------------------------------- many processes


def _replay_in_processes(
    work: Work, parts: list[Part], told: Callable[[int], None], count: int
) -> None:
    waiting = iter(parts)
    with ExitStack() as stack:
        busy: dict[Any, tuple[Process, Part]] = {}
        for part in parts[:count]:
            process = stack.enter_context(Process(work, _PROGRAM))
            process.give(next(waiting))
            busy[process.line] = process, part
        while busy:
            for line in wait(list(busy)):
                process, part = busy.pop(line)
                process.told()
                told(part.events)
                if (another := next(waiting, None)) is not None:
                    process.give(another)
                    busy[line] = process, another


class Process:
    """A process that does the `program` on what it is given; killed at the end, whatever it is
    doing. Raises Failed when it has ended before.

    Not one of multiprocessing's, which would first read again the program that runs here. In a
    group of its own, so that Ctrl-C is for whoever started it alone.
    """

    def __init__(self, work: object, program: str) -> None:
        self.line, there = Pipe()
        with there:
            self._process = Popen(
                [sys.executable, "-P", "-c", program, str(there.fileno())],
                stdin=DEVNULL,
                pass_fds=(there.fileno(),),
                process_group=0,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self._say(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.line.close()

    def give(self, part: Part) -> None:
        self._say(part)

    def told(self) -> Any:  # noqa: ANN401 - by the program
        """What it says next; None where that is all. Raises what went wrong there, too."""
        try:
            said = self.line.recv()
        except (EOFError, ConnectionError):
            raise self._ended() from None
        if isinstance(said, Exception):
            raise said
        return said

    def _say(self, what: object) -> None:
        try:
            self.line.send(what)
        except ConnectionError:
            raise self._ended() from None

    def _ended(self) -> Failed:
        status = self._process.wait()
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return Failed(f"a process that replays events was ended {how}")


def listening(number: int) -> tuple[Line, SimpleQueue[Any]]:
    """In such a process: the line to whoever started it, and what is given by it. When nobody is
    at the other end any more, the process ends.
    """
    line, given = Line(number), SimpleQueue[Any]()
    Thread(target=_listen, args=(line, given), daemon=True).start()
    return line, given


def work() -> None:
    """What such a process does: its first argument is the line to whoever started it."""
    line, given = listening(int(sys.argv[1]))
    try:
        with _Replaying(given.get()) as replaying:
            while True:
                replaying.replay(given.get())
                line.send(None)
    except (Failed, psycopg.Error) as error:
        line.send(error)


def _listen(line: Line, given: SimpleQueue[Any]) -> None:
    """Ends the process in the middle of a part, too, when nobody is at the other end any more."""
    while True:
        try:
            given.put(line.recv())
        except (EOFError, OSError):
            os._exit(1)


# ---------------------------------------------------------------------------- one process


class _Replaying:
    """The connections and the rows of one process at work."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._reader = stack.enter_context(_connected(self._work.conninfo))
            self._writer = stack.enter_context(_connected(self._work.conninfo))
            self._writer.execute("SET synchronous_commit = off")  # the switch waits for all of it
            stack.enter_context(without_collector())
            self._stack = stack.pop_all()
        self._rows = Rows(self._writer, self._work.schema)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def replay(self, part: Part) -> None:
        """Raises Failed for what cannot be understood, psycopg.Error."""
        asked = {"position": self._work.position, "first": part.first, "behind": part.behind}
        until: LiteralString = "" if part.behind is None else "AND originator_id < %(behind)s "
        log = self._reader.cursor().stream(_PART + until + _ORDER, asked, binary=True, size=AT_ONCE)
        with self._writer.transaction(), closing(cast("Any", log)):
            if claim(self._writer, self._work.schema, part):
                for events in deals(log):
                    self._rows.add(recordings(events))
                self._rows.copy()


def _connected(conninfo: str) -> Connection[TupleRow]:
    connection = psycopg.connect(conninfo, autocommit=True, connect_timeout=5)
    connection.execute("SET ROLE dealfolio_owner")
    return connection


@contextmanager
def without_collector() -> Iterator[None]:
    """A replay makes millions of objects without a cycle among them, and none that stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def deals(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Recorded[DealEvent]]]:
    """The events of one deal after the other, each in the order of recording. Raises Failed."""
    for _, stream in groupby(rows, key=lambda row: row[0]):
        yield list(filter(is_about_a_deal, (_understood(*row) for row in stream)))


def recordings(events: list[Recorded[DealEvent]]) -> Iterator[Recording]:
    """`replay` of one deal's. Raises Failed."""
    try:
        yield from replay(events)
    except (Refusal, LookupError, AssertionError) as error:
        stream = events[0].originator_id
        raise Failed(f"the deal {stream} is against the rules of the books: {error!r}") from error


def _understood(stream: Any, version: int, topic: str, state: bytes) -> Recorded[Any]:  # noqa: ANN401 - a UUID
    try:
        return decode(stream, version, topic, state)
    except (LookupError, ValueError) as error:
        where = f"event {version} of {stream}, {topic}"
        raise Failed(f"{where}, is not understood by this version: {error}") from error


class Rows:
    """Rows of the read model, staged in `schema` as they come to be many."""

    def __init__(self, connection: Connection[TupleRow], schema: str) -> None:
        self._connection = connection
        self._postings: list[Posting] = []
        self._states: list[DealState] = []
        self._deals: list[DealOpening] = []
        self._tables: tuple[tuple[sql.Identifier, list[int], list[Any]], ...] = tuple(
            (name, self._types(name), rows)
            for name, rows in (
                (sql.Identifier(schema, "staged_postings"), self._postings),
                (sql.Identifier(schema, "staged_states"), self._states),
                (sql.Identifier(schema, "deals"), self._deals),
            )
        )

    def _types(self, name: sql.Identifier) -> list[int]:
        cursor = self._connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(name))
        return [column.type_code for column in cursor.description or ()]

    def add(self, recordings: Iterable[Recording]) -> None:
        for recording in recordings:
            self._postings += recording.postings
            self._states += recording.states
            if (opening := recording.opening) is not None:
                self._deals.append(opening)
        if len(self._postings) >= CHUNK:
            self.copy()

    def copy(self) -> None:
        for name, types, rows in self._tables:
            if not rows:
                continue
            statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(name)
            with self._connection.cursor().copy(statement) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)
            rows.clear()
