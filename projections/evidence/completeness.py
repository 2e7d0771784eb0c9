"""What a month's closing proves: that of all who had anything, nothing was left out.

A proof that something is in the log never shows that nothing else is. So the leaf of a closing has
the root of a tree over what everybody had at the month's end, as the closing's totals know it: a
*row* for every manager and deal with any posting, sorted, so that the rows of one manager stand
together, and whoever sees their neighbours sees that there are no others. A row names the leaf of
the deal's last event, too, by which all the deal's events are proven.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor

from domain.periods import Month
from domain.values import decimal_text, value_text
from projections.evidence.leaves import Completeness, canonical
from projections.evidence.merkle import Read, in_memory, leaf_hash, root_of
from projections.evidence.merkle import root as root_at
from projections.evidence.tiles import leaf_hashes
from projections.ledger import STANDING, standing

Row = dict[str, Any]
"""As it is hashed: JSON."""


class LedgerIncomplete(Exception):
    """A database that was restored without it: what would be proven now would be wrong for ever."""


def _held_by(who: LiteralString) -> LiteralString:
    return f"""
SELECT manager_id, deal_id::text, currency, held.* FROM (
    SELECT manager, deal, {STANDING} FROM (
        SELECT manager, deal, account, amount * seen AS amount, credit * seen AS credit,
               progress * seen AS progress, actions * seen AS actions, deals * seen AS deals
        FROM (
            SELECT *, (effective_on <= %(as_of)s)::int AS seen FROM ledger.postings
            WHERE {who} position <= %(position)s
        ) AS posted
    ) AS posting
    GROUP BY manager, deal
) AS held JOIN ledger.managers USING (manager) JOIN ledger.deals USING (deal)
"""


_HELD_BY_ALL = _held_by("")
_HELD_BY_SOME = _held_by("""
manager = ANY (ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(who)s))) AND
""")
_HEADS: LiteralString = """
SELECT originator_id::text, max(originator_version), max(notification_id) FROM books.events
WHERE NOT of_the_directory AND notification_id <= %(position)s GROUP BY originator_id
"""
_HEADS_OF_SOME: LiteralString = """
SELECT originator_id::text, max(originator_version), max(notification_id) FROM books.events
WHERE originator_id = ANY (%(deals)s::uuid[]) AND notification_id <= %(position)s
GROUP BY originator_id
"""
_KEPT: LiteralString = "SELECT root, size FROM evidence.closings WHERE position = %s"
_KEEP: LiteralString = """
INSERT INTO evidence.closings (position, root, size) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""


def complete(cursor: Cursor[Any], position: int, closing: Mapping[str, Any]) -> Completeness:
    """What the leaf of the closing at `position` says, of its published data. Needs the leaves of
    all events that its totals know. Raises LedgerIncomplete.
    """
    if kept := kept_of(cursor, position, closing):
        return kept
    rows = rows_at(cursor, Month.parse(closing["period"]).last_day, closing["position"])
    root, size = root_of(hashes_of(rows)), len(rows)
    cursor.execute(_KEEP, [position, root, size])
    return _completeness(root, size, closing)


def kept_of(cursor: Cursor[Any], position: int, closing: Mapping[str, Any]) -> Completeness | None:
    """The same of a closing that is in the tree; None where that is not kept."""
    kept = cursor.execute(_KEPT, [position]).fetchone()
    if kept is None:
        return None
    root, size = kept
    return _completeness(root, size, closing)


def _completeness(root: bytes, size: int, closing: Mapping[str, Any]) -> Completeness:
    as_of, known = Month.parse(closing["period"]).last_day, closing["position"]
    return {"root": root.hex(), "size": size, "as_of": as_of.isoformat(), "position": known}


def rows_at(
    cursor: Cursor[Any],
    as_of: date,
    position: int,
    who: Sequence[str] | None = None,
    *,
    whole: bool = True,
) -> list[Row]:
    """By manager and deal, in the order of their ids: what each has at the end of `as_of`, known at
    `position`; also where that is nothing by then. Of everybody, or of those in `who`. Raises
    LedgerIncomplete when everybody's are to be `whole`.
    """
    asked = {"as_of": as_of, "position": position, "who": who}
    held = cursor.execute(_HELD_BY_ALL if who is None else _HELD_BY_SOME, asked).fetchall()
    held.sort(key=lambda row: row[:2])
    deals = {row[1] for row in held}
    asked["deals"] = [*deals]
    heads = _heads(cursor, _HEADS if who is None else _HEADS_OF_SOME, asked)
    if whole and who is None and deals != heads.keys():  # whoever opens a deal has a posting in it
        raise LedgerIncomplete("the ledger lacks deals of the log: run `dealfolio rebuild`")
    return [
        _row(manager, deal, currency, columns, heads[deal])
        for manager, deal, currency, _, _, *columns in held
    ]


def _row(
    manager: str, deal: str, currency: str, columns: Sequence[Any], head: tuple[bytes, int]
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


def _heads(
    cursor: Cursor[Any], statement: LiteralString, asked: Mapping[str, Any]
) -> Mapping[str, tuple[bytes, int]]:
    """By deal: the hash of its last event's leaf, and how many events it has."""
    found = cursor.execute(statement, asked).fetchall()
    hashes = leaf_hashes(cursor, [last for *_, last in found])
    return {deal: (hashed, events) for (deal, events, _), hashed in zip(found, hashes, strict=True)}


def hashes_of(rows: Iterable[Row]) -> list[bytes]:
    """Of the leaves of the tree over rows."""
    return [leaf_hash(canonical(row)) for row in rows]


class Around(NamedTuple):
    """The rows of a manager with one neighbour on either side: they are among those of `managers`,
    of which the first `skipped` stand before.
    """

    rows: range
    managers: Sequence[str]
    skipped: int


class RowTree(NamedTuple):
    """The tree over a closing's rows: the rows themselves are read when they are asked for."""

    size: int
    managers: Sequence[str]
    starts: Sequence[int]
    read: Read

    @classmethod
    def over(cls, rows: Sequence[Row]) -> "RowTree":
        """By manager and deal."""
        starts: dict[str, int] = {}
        for number, row in enumerate(rows):
            starts.setdefault(row["manager_id"], number)
        return cls(len(rows), [*starts], [*starts.values()], in_memory(hashes_of(rows)))

    def around(self, manager: str) -> Around:
        """Also where those of one who has no rows would stand."""
        at = bisect_left(self.managers, manager)
        has = at < len(self.managers) and self.managers[at] == manager
        ends = [*self.starts, self.size]
        first, behind = max(0, ends[at] - 1), min(self.size, ends[at + has] + 1)
        shown = range(max(0, at - 1), min(len(self.managers), at + has + 1))
        skipped = first - ends[shown.start] if shown else 0
        return Around(range(first, behind), [self.managers[one] for one in shown], skipped)


class RowTrees:
    """Those of the closings that were asked for lately: each is made of all rows of all managers,
    and for ever the same.
    """

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._trees: dict[str, RowTree] = {}

    def of(self, cursor: Cursor[Any], closing: Mapping[str, Any], root: str) -> RowTree:
        """Of a closing, of its published data and the root in its leaf. Where the ledger is no
        longer what it was, its rows have another root, for whoever reads them to see.
        """
        if (tree := self._trees.get(root)) is not None:
            return tree
        as_of = Month.parse(closing["period"]).last_day
        tree = RowTree.over(rows_at(cursor, as_of, closing["position"], whole=False))
        if root_at(tree.read, tree.size).hex() == root:
            self._trees[root] = tree
            while len(self._trees) > self._most:
                self._trees.pop(next(iter(self._trees)), None)
        return tree
