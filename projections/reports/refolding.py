"""The laboratory at work: one question at a time, in a process of its own where it is long.

A million events take minutes of one core, and whoever serves people has no minutes. So what is long
is folded elsewhere, part by part, and whoever asks is told how far it is; asked again, it has got
on. Nothing is written, so it may be interrupted at any time: it is given up as soon as nobody asks
about it any more. Results are kept while there is room, for at one point they never change.
"""

import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from psycopg import Cursor

from projections.replaying import (
    WORTH_A_PROCESS,
    Failed,
    Process,
    listening,
    without_collector,
)
from projections.reports.kept import Kept
from projections.reports.laboratory import Changes, Plan, begun, folded_by_part

KEPT = 16
"""Results."""
PATIENCE_SECONDS = 60.0
"""So long a question is worked on that nobody asks about any more."""
_PROGRAM = "from projections.reports.refolding import work; work()"


class Progress(NamedTuple):
    """`done` events of `of`; `changes` when all are. Another question may have to be done first:
    then none is done.
    """

    done: int
    of: int
    changes: Changes | None = None


class _Job:
    """A question at work. Whatever is changed is changed under the laboratory's lock."""

    def __init__(self, key: Hashable, plan: Plan) -> None:
        self.key, self.plan = key, plan
        self.done, self.asked_at = 0, monotonic()
        self.changes = begun(plan)
        self.error: Exception | None = None


class Laboratory:
    """One for a process; safe for threads."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._told = Condition()
        self._results = Kept[Hashable, Progress](KEPT)
        self._job: _Job | None = None
        self._closed = False

    def ask(
        self, cursor: Cursor[Any], key: Hashable, plan: Callable[[], Plan], wait_seconds: float
    ) -> Progress:
        """How far the question `key` is; `plan` tells what there is to do for it. What is short is
        done at once; for the rest one waits so long at most. Raises Failed, psycopg.Error.
        """
        until = monotonic() + wait_seconds
        if (known := self._results.find(key)) is not None:
            return known
        if not self._is_at_work(key):
            planned = plan()
            if planned.events < WORTH_A_PROCESS:
                found = _all(cursor, planned)
                self._results.keep(key, found)
                return found
            self._begin(key, planned)
        return self._wait(key, until)

    def close(self) -> None:
        with self._told:
            self._closed = True
            self._told.notify_all()

    def _is_at_work(self, key: Hashable) -> bool:
        with self._told:
            return self._job is not None and self._job.key == key

    def _begin(self, key: Hashable, plan: Plan) -> None:
        """Unless another is at work."""
        with self._told:
            is_idle = self._job is None or self._job.error is not None
            if is_idle and not self._closed:
                self._job = _Job(key, plan)
                Thread(target=self._work, args=(self._job,), name="laboratory", daemon=True).start()

    def _wait(self, key: Hashable, until: float) -> Progress:
        with self._told:
            while (job := self._job) is not None and job.key == key:
                if job.error is not None:
                    self._job = None
                    raise job.error
                job.asked_at = monotonic()
                if (left := until - job.asked_at) <= 0:
                    return Progress(job.done, job.plan.events)
                self._told.wait(left)
            return self._results.find(key) or Progress(0, 0)

    def _work(self, job: _Job) -> None:
        try:
            with Process((self._conninfo, job.plan), _PROGRAM) as process:
                while (part := process.told()) is not None and not self._is_given_up(job):
                    with self._told:
                        job.done += part[0]
                        job.changes.add(part[1])
                        self._told.notify_all()
        except (Failed, psycopg.Error) as error:
            job.error = error
        finally:
            self._end(job, whole=job.done >= job.plan.events)

    def _is_given_up(self, job: _Job) -> bool:
        return self._closed or monotonic() - job.asked_at > PATIENCE_SECONDS

    def _end(self, job: _Job, *, whole: bool) -> None:
        with self._told:
            if whole:
                self._results.keep(job.key, Progress(job.done, job.plan.events, job.changes))
            if job.error is None:
                self._job = None
            self._told.notify_all()


def _all(cursor: Cursor[Any], plan: Plan) -> Progress:
    changes = begun(plan)
    for _, part in folded_by_part(cursor, plan):
        changes.add(part)
    return Progress(plan.events, plan.events, changes)


def work() -> None:
    """What the process does: its first argument is the line to whoever started it."""
    line, given = listening(int(sys.argv[1]))
    conninfo, plan = given.get()
    try:
        with (
            psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection,
            without_collector(),
        ):
            connection.execute("SET ROLE dealfolio_app")
            for part in folded_by_part(connection.cursor(), plan):
                line.send(part)
        line.send(None)
    except (Failed, psycopg.Error) as error:
        with suppress(OSError):
            line.send(error)
