"""What a month's closing proves: that of all who had anything, nothing was left out.

A proof that something is in the log never shows that nothing else is. So the leaf of a closing has
the root of a tree over what everybody had at the month's end, as the closing's totals know it: a
*row* for every manager and deal with any posting, sorted, so that the rows of one manager stand
together, and whoever sees their neighbours sees that there are no others. A row names the leaf of
the deal's last event, too, by which all the deal's events are proven.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, LiteralString

from psycopg import Cursor

from domain.periods import Month
from domain.values import decimal_text, value_text
from projections.evidence.leaves import Completeness, canonical
from projections.evidence.merkle import leaf_hash, root_of
from projections.evidence.tiles import leaf_hashes
from projections.ledger import STANDING, standing

Row = dict[str, Any]
"""As it is hashed: JSON."""


class LedgerIncomplete(Exception):
    """A database that was restored without it: what would be proven now would be wrong for ever."""


_HELD: LiteralString = f"""
SELECT manager_id, deal_id::text, currency, held.* FROM (
    SELECT manager, deal, {STANDING} FROM (
        SELECT manager, deal, account, amount * seen AS amount, credit * seen AS credit,
               progress * seen AS progress, actions * seen AS actions, deals * seen AS deals
        FROM (
            SELECT *, (effective_on <= %(as_of)s)::int AS seen FROM ledger.postings
            WHERE position <= %(position)s
        ) AS posted
    ) AS posting
    GROUP BY manager, deal
) AS held JOIN ledger.managers USING (manager) JOIN ledger.deals USING (deal)
"""
_HEADS: LiteralString = """
SELECT originator_id::text, max(originator_version), max(notification_id) FROM books.events
WHERE NOT of_the_directory AND notification_id <= %(position)s GROUP BY originator_id
"""
_KEPT: LiteralString = "SELECT root, size FROM evidence.closings WHERE position = %s"
_KEEP: LiteralString = "INSERT INTO evidence.closings (position, root, size) VALUES (%s, %s, %s)"


def complete(cursor: Cursor[Any], position: int, closing: Mapping[str, Any]) -> Completeness:
    """What the leaf of the closing at `position` says, of its published data. Needs the leaves of
    all events that its totals know. Raises LedgerIncomplete.
    """
    as_of, known = Month.parse(closing["period"]).last_day, closing["position"]
    kept = cursor.execute(_KEPT, [position]).fetchone()
    if kept is None:
        rows = rows_at(cursor, as_of, known)
        kept = root_of(hashes_of(rows)), len(rows)
        cursor.execute(_KEEP, [position, *kept])
    root, size = kept
    return {"root": root.hex(), "size": size, "as_of": as_of.isoformat(), "position": known}


def rows_at(cursor: Cursor[Any], as_of: date, position: int) -> list[Row]:
    """By manager and deal, in the order of their ids: what each has at the end of `as_of`, known at
    `position`; also where that is nothing by then. Raises LedgerIncomplete.
    """
    asked = {"as_of": as_of, "position": position}
    heads = _heads(cursor, position)
    held = sorted(cursor.execute(_HELD, asked).fetchall(), key=lambda row: row[:2])
    if {row[1] for row in held} != heads.keys():  # whoever opens a deal has a posting in it
        raise LedgerIncomplete("the ledger lacks deals of the log: run `dealfolio rebuild`")
    return [
        _row(manager, deal, currency, columns, heads[deal])
        for manager, deal, currency, _, _, *columns in held
    ]


def _row(
    manager: str, deal: str, currency: str, columns: Iterable[Any], head: tuple[bytes, int]
) -> Row:
    held = standing(columns)
    return {
        "manager_id": manager,
        "deal_id": deal,
        "currency": currency,
        **{account: value_text(value) for account, value in held.balance._asdict().items()},
        "progress": decimal_text(held.progress),
        "actions": held.actions,
        "head": head[0].hex(),
        "events": head[1],
    }


def _heads(cursor: Cursor[Any], position: int) -> Mapping[str, tuple[bytes, int]]:
    """By deal: the hash of its last event's leaf, and how many events it has."""
    found = cursor.execute(_HEADS, {"position": position}).fetchall()
    hashes = leaf_hashes(cursor, [last for *_, last in found])
    return {deal: (hashed, events) for (deal, events, _), hashed in zip(found, hashes, strict=True)}


def hashes_of(rows: Iterable[Row]) -> list[bytes]:
    """Of the leaves of the tree over rows."""
    return [leaf_hash(canonical(row)) for row in rows]


def rows_of(rows: Sequence[Row], manager: str) -> range:
    """Where the manager's stand, together; where they would, for one without any."""
    before = sum(row["manager_id"] < manager for row in rows)
    return range(before, before + sum(row["manager_id"] == manager for row in rows))
