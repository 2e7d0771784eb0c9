"""The parts put together: the write side, and the connections by which questions are asked."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import Cursor
from psycopg_pool import ConnectionPool, PoolTimeout

from api.background import Behind, Regularly
from api.connection import (
    CHECKOUT_SECONDS,
    CONNECTING,
    Glance,
    ImpatientConnection,
    become_the_service,
    is_of_the_connection,
)
from api.portfolio_answers import portfolio_deal, portfolio_deals, portfolio_figures
from api.proving import Proving
from api.pushing import Pushing
from api.reads import ReadLog
from api.retelling import Retelling
from api.settings import Settings
from api.standbys import Standbys
from application.dealfolio import Dealfolio, utc_now
from application.orders import Unavailable
from domain.values import ManagerId
from projections.directory import DirectoryView
from projections.evidence.bundle import SharedEvidence
from projections.journal import Read
from projections.memory import Memory
from projections.point import EVERYTHING, LOOK, Clock, Point, end_of, look
from projections.portfolio import totals_at
from projections.reports.activity import MOST_FACTS, Facts
from projections.reports.calibration import DayEnds
from projections.reports.called import MOST_CALLED, Called
from projections.reports.kept import Kept
from projections.reports.refolding import Laboratory
from projections.snapshots import close_next_cut

if TYPE_CHECKING:  # numpy comes with the first report, and not with the service
    from projections.reports.columns import Columns
    from projections.reports.forecast_record import Scored
    from projections.reports.overviews import Overviews

CUTS_EVERY_SECONDS = 5.0
FORGETS_EVERY_SECONDS = 600.0
MOST_BYTES_OF_ANSWERS = 24 * 2**20
DAYS_REMEMBERED = 40_000
"""More than there are from 2000 to 2100."""
QUARTERS_REMEMBERED = 1_000
"""Each takes some 500 bytes, and 100 for each owner that was asked about."""
READERS = 20
"""Most questions asked of the database at once; the threads of the server are as many."""
_FORGET_FILES: LiteralString = """
DELETE FROM books.imports WHERE begun_at < now() - interval '1 day'
"""


class Remembered:
    """What reports of one ledger were found to say, and what they are made of. With another ledger,
    as after a rebuild, or a restore behind this process, all of it is forgotten.
    """

    def __init__(self, ledger: Hashable) -> None:
        self.ledger = ledger
        self.answers = Kept[Hashable, bytes](MOST_BYTES_OF_ANSWERS, len)
        self.facts, self.called = Facts(MOST_FACTS), Called(MOST_CALLED)
        self.day_ends = DayEnds(DAYS_REMEMBERED)
        self.quarters: Kept[Hashable, Scored] = Kept(QUARTERS_REMEMBERED)
        self._names = frozenset[tuple[ManagerId, str]]()

    def names(self, called: Mapping[ManagerId, str]) -> Hashable:
        """What managers are called, by which an answer is kept. As long as nobody comes or goes
        there is one for all answers: many are smaller than the names of a company are.
        """
        names, known = frozenset(called.items()), self._names
        if names == known:
            return known
        self._names = names
        return names


class Service:
    """One for a process. `now` is the clock, in UTC."""

    def __init__(
        self, conninfo: str, settings: Settings, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.settings = settings
        self.dealfolio = Dealfolio(conninfo, totals_at, settings.zone, now)
        self.directory = DirectoryView()
        self.memory = Memory(
            portfolio_deal,
            portfolio_deals,
            lambda lines: portfolio_figures(lines, settings.currency),
        )
        self._remembered = Remembered(None)
        self.reads = ReadLog(self.asking)
        self._learning, self._making = Lock(), Lock()
        self.foreseeing = Lock()
        self._overviews: Overviews | None = None
        self._now = now
        self.standbys = Standbys(settings.standbys, READERS, settings.statement_seconds)
        self.glance = Glance(conninfo, settings.statement_seconds, LOOK)
        self._pool = ConnectionPool(
            conninfo,
            min_size=0,
            max_size=READERS,
            timeout=CHECKOUT_SECONDS,
            reconnect_timeout=1,
            connection_class=ImpatientConnection,
            kwargs=CONNECTING,
            configure=partial(become_the_service, settings.statement_seconds),
            open=True,
        )
        self._reading = Behind("columns", self._read_columns)
        self._snapshots = Regularly("snapshots", CUTS_EVERY_SECONDS, self._close_a_cut)
        self._forgetting = Regularly("imports", FORGETS_EVERY_SECONDS, self.forget_files)
        self.retelling = Retelling(self._end)
        self.proving = Proving(self.asking, settings)
        to = settings.checkpoints_to
        self.pushing = None if to is None else Pushing(self.asking, to)
        self.evidence = SharedEvidence()
        self.laboratory = Laboratory(conninfo)

    @property
    def clock(self) -> Clock:
        return Clock(self._now(), self.settings.zone)

    @property
    def overviews(self) -> "Overviews":
        from projections.reports.columns import Columns  # noqa: PLC0415 - with numpy
        from projections.reports.overviews import Overviews  # noqa: PLC0415 - likewise

        with self._making:
            if self._overviews is None:
                self._overviews = Overviews(Columns(wanted=self._reading.wanted))
            return self._overviews

    @property
    def columns(self) -> "Columns":
        return self.overviews.columns

    def remembered(self, ledger: Hashable) -> Remembered:
        """Of the ledger that the primary had before what is to be remembered was read."""
        remembered = self._remembered
        if remembered.ledger != ledger:
            remembered = self._remembered = Remembered(ledger)
        return remembered

    @contextmanager
    def asking(self) -> Iterator[Cursor[Any]]:
        """A cursor for one question. Raises Unavailable when the database does not answer."""
        try:
            with self._pool.connection() as connection:
                yield connection.question()
        except PoolTimeout as error:
            raise Unavailable(str(error)) from error
        except psycopg.OperationalError as error:
            if is_of_the_connection(error):
                self._pool.drain()  # the others are as likely to be dead, and may not even say so
            raise Unavailable(str(error)) from error

    def reading(self, point: Point) -> Read[Any]:
        """Many questions about one point, each by a connection of its own, so that a slow reader
        holds none.
        """

        def read(question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - what the question gives
            with self.asking() as cursor:
                return self.standbys.read(cursor, point.position, question)

        return read

    def learn(self, manager: ManagerId) -> None:
        """Learn a manager's deals by heart; one manager at a time, others when they come again."""
        if self._learning.acquire(blocking=False):
            try:
                with suppress(Unavailable), self.asking() as cursor:
                    self.memory.learn(cursor, manager)
            finally:
                self._learning.release()

    def _read_columns(self, go_on: Callable[[], bool]) -> None:
        with self.asking() as cursor:
            self.overviews.read(cursor, go_on)

    def _close_a_cut(self) -> bool:
        """In whatever process comes first; off the way of those who record."""
        with self.asking() as cursor:
            return close_next_cut(cursor.connection)

    def forget_files(self) -> None:
        """What was sent to be imported a day ago or earlier: names of people are in it."""
        with self.asking() as cursor:
            cursor.execute(_FORGET_FILES)

    def _end(self) -> Hashable:
        """Changes whenever a report may say something else: with the day, the log, the ledger."""
        with self.asking() as cursor:
            clock = self.clock
            return clock.today, end_of(look(cursor, clock, EVERYTHING))

    def close(self) -> None:
        self.retelling.close()
        self._reading.close()
        self.laboratory.close()
        self.proving.close()
        if self.pushing is not None:
            self.pushing.close()
        self._snapshots.close()
        self._forgetting.close()
        self.dealfolio.close()
        self.reads.close()
        self.glance.close()
        self.standbys.close()
        self._pool.close()
