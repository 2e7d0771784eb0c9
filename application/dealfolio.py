"""The eventsourcing application: the log that everything follows from, and its one writer."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from eventsourcing.application import Application
from eventsourcing.utils import EnvType

from application.calendar import ProductionCalendar
from application.log import Log
from application.mapper import FactMapper
from application.session import Totals
from application.transactor import Transactor

RUSSIAN = ProductionCalendar("RU")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Dealfolio(Application[UUID]):
    """The log, its mapper, and the one writer. Everything is recorded through `transactor`."""

    name = "books"

    def __init__(
        self,
        conninfo: str,
        totals: Totals,
        zone: ZoneInfo,
        now: Callable[[], datetime] = utc_now,
        calendar: ProductionCalendar = RUSSIAN,
        env: EnvType | None = None,
    ) -> None:
        self._conninfo = conninfo
        super().__init__(env)
        self.transactor = Transactor(self._log, totals, zone, now, calendar)

    def construct_mapper(self) -> FactMapper:
        return FactMapper()

    def construct_recorder(self) -> Log:
        self._log = Log(self._conninfo)
        return self._log

    def close(self) -> None:
        self.transactor.close()
        self._log.close()
        super().close()
