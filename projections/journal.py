"""The ledger for a second opinion: a journal that hledger or beancount adds up by itself.

Every posting is a transaction of its own on the day on which it is effective: its value in
`Portfolio:<manager>:<deal>:<account>`, against `Equity:Books:<due cause>:<account>`. When it was
learnt stands beside it, in the way of each program. So a balance on a date is the portfolio, and
what comes to Equity between two dates is the movement by causes, with the other sign.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import Any, LiteralString, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Cursor

from domain.events import instant_text
from domain.values import ManagerId
from projections.ledger import EVERYBODY, SOME, managers_asked
from projections.point import Point

T = TypeVar("T")
Read = Callable[[Callable[[Cursor[Any]], T]], T]
"""Asks one question of whoever can answer it, and lets go of the connection."""

AT_ONCE = 5_000
"""Postings read by one question, and written as one piece."""


class Format(StrEnum):
    """Which program reads it."""

    HLEDGER = "hledger"
    BEANCOUNT = "beancount"


class Row(NamedTuple):
    """A posting, and when its event was recorded. `amount` in 1/10 000 of a kopeck."""

    position: int
    recorded_at: datetime
    due_position: int
    due_cause: str
    effective_on: date
    deal_id: UUID
    account: str
    amount: int
    currency: str


_MANAGERS: LiteralString = " ORDER BY manager_id"
_COUNT: LiteralString = """
SELECT count(*) FROM ledger.postings
WHERE manager = ANY (%(managers)s) AND position <= %(position)s AND effective_on <= %(as_of)s
"""
_ROWS: LiteralString = """
SELECT position, recorded_at, due_position, due_cause::text, effective_on,
       (SELECT deal_id FROM ledger.deals WHERE deals.deal = next.deal), account::text, amount,
       currency
FROM (
    SELECT * FROM ledger.postings
    WHERE manager = %(manager)s AND position > %(after)s AND position <= %(position)s
      AND effective_on <= %(as_of)s
    ORDER BY position FETCH FIRST %(most)s ROWS WITH TIES
) AS next
JOIN books.events ON notification_id = position
ORDER BY position, effective_on, due_position, next.account, amount
"""
"""What one event has changed comes whole, so that the next question begins behind it. Of what is
known up to a position nothing changes, not even by a rebuild: any number of questions give one
journal.
"""


class Journal:
    """The postings effective by `point.as_of` and known at `point.position`, of everybody or of
    `managers`, manager by manager in the order of ids, each one's in the order of recording.
    Memory does not grow with their number.
    """

    def __init__(
        self, read: Read[Any], point: Point, managers: Collection[ManagerId] | None = None
    ) -> None:
        self._read, self._point = read, point
        self._managers: Sequence[tuple[int, ManagerId]] = read(
            lambda cursor: cursor.execute(
                (EVERYBODY if managers is None else SOME) + _MANAGERS,
                {"managers": managers_asked(managers)},
            ).fetchall()
        )

    def count(self) -> int:
        """How many postings there are in all."""
        asked = self._asked(managers=[number for number, _ in self._managers])
        return int(self._read(lambda cursor: _first(cursor.execute(_COUNT, asked))))

    def text(
        self, format_: Format, zone: ZoneInfo, told: Callable[[int], None] = lambda _: None
    ) -> Iterator[str]:
        """The journal in pieces; `told` how many postings are written. Its last line is there only
        where everything before it is.
        """
        written, entry = 0, _ENTRIES[format_]
        yield _HEADS[format_].format(
            as_of=self._point.as_of,
            known_at=self._point.known_at.isoformat(),
            position=self._point.position,
        )
        for number, manager_id in self._managers:
            holder = component("M", manager_id)
            for rows in self._rows(number):
                yield "".join(entry(row, holder, zone) for row in rows)
                written += len(rows)
                told(written)
        yield f"; The end, after {written} postings.\n"

    def _rows(self, manager: int) -> Iterator[list[Row]]:
        after = 0
        while True:
            asked = self._asked(manager=manager, after=after, most=AT_ONCE)
            rows = self._read(partial(_read_rows, asked=asked))
            if rows:
                yield rows
                after = rows[-1].position
            if len(rows) < AT_ONCE:
                return

    def _asked(self, **more: object) -> dict[str, object]:
        return {"as_of": self._point.as_of, "position": self._point.position, **more}


def _read_rows(cursor: Cursor[Any], asked: Mapping[str, object]) -> list[Row]:
    return [Row._make(row) for row in cursor.execute(_ROWS, asked, binary=True)]


def _first(cursor: Cursor[Any]) -> Any:  # noqa: ANN401 - whatever the one column is
    row = cursor.fetchone()
    assert row is not None, "an aggregate always answers"
    return row[0]


def component(kind: str, name: str) -> str:
    """A part of an account's name, by beancount's rule, which is the stricter one: letters, digits
    and hyphens, a capital first. An id with anything else in it is told by another first letter,
    and then all but letters and digits is written as bytes of UTF-8, each by a hyphen and two
    hexadecimal digits. Two ids never have one name.
    """
    if re.fullmatch(r"[A-Za-z0-9-]+", name):
        return f"{kind}-{name}"
    coded = re.sub(
        r"[^A-Za-z0-9]", lambda one: "".join(f"-{byte:02X}" for byte in one[0].encode()), name
    )
    return f"{kind}X-{coded}"


def portfolio_account(holder: str, deal_id: UUID, account: str) -> str:
    return f"Portfolio:{holder}:D-{deal_id}:{account.capitalize()}"


def books_account(due_cause: str, account: str) -> str:
    return f"Equity:Books:{due_cause}:{account.capitalize()}"


def amount_text(amount: int) -> str:
    """All six decimals, so that no program takes the point for a thousands' mark."""
    sign, digits = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{digits // 1_000_000}.{digits % 1_000_000:06d}"


def _hledger(row: Row, holder: str, zone: ZoneInfo) -> str:
    """The day of recording is the secondary date, by which `hledger print date2:` chooses."""
    given, taken = amount_text(row.amount), amount_text(-row.amount)
    return f"""\
{row.effective_on}={row.recorded_at.astimezone(zone).date()} {row.due_cause}\
  ; position:{row.position}, due_position:{row.due_position},\
 recorded_at:{instant_text(row.recorded_at)}
    {portfolio_account(holder, row.deal_id, row.account)}  {given} {row.currency}
    {books_account(row.due_cause, row.account)}  {taken} {row.currency}

"""


def _beancount(row: Row, holder: str, zone: ZoneInfo) -> str:
    given, taken = amount_text(row.amount), amount_text(-row.amount)
    return f"""\
{row.effective_on} * "{row.due_cause}"
  position: {row.position}
  due_position: {row.due_position}
  recorded_on: {row.recorded_at.astimezone(zone).date()}
  recorded_at: "{instant_text(row.recorded_at)}"
  {portfolio_account(holder, row.deal_id, row.account)}  {given} {row.currency}
  {books_account(row.due_cause, row.account)}  {taken} {row.currency}

"""


_POINT = "; Dealfolio's ledger as of {as_of}, known at {known_at}, up to position {position}.\n"
_HEADS = {
    Format.HLEDGER: _POINT
    + """decimal-mark .
account Portfolio  ; type:A
account Equity  ; type:E

""",
    Format.BEANCOUNT: _POINT
    + """option "title" "Dealfolio, {as_of}, position {position}"
option "name_assets" "Portfolio"
plugin "beancount.plugins.auto_accounts"

""",
}
_ENTRIES: dict[Format, Callable[[Row, str, ZoneInfo], str]] = {
    Format.HLEDGER: _hledger,
    Format.BEANCOUNT: _beancount,
}
