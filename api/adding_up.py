"""Where a report is added up: from columns in memory, or else by the database."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg import Cursor

from api.asking import Desk

if TYPE_CHECKING:  # numpy comes with the first report, and not with the service
    from projections.reports.columns import Tables

T = TypeVar("T")


def added_up(
    at: Desk,
    position: int,
    from_columns: Callable[["Tables"], T],
    from_database: Callable[[Cursor[Any]], T],
) -> T:
    """The same from either, at a position that the primary has named; a standby may add up."""
    from projections.reports.columns import NotHeld  # noqa: PLC0415 - with numpy

    try:
        return from_columns(at.tables(position))
    except NotHeld:
        return at.read(position, from_database)
