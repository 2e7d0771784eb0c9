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
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString, NamedTuple
from zlib import compress, decompress

from psycopg import Cursor
from pydantic_core import to_json

from domain.periods import Month
from domain.values import decimal_text, value_text
from projections.evidence.leaves import Completeness, canonical
from projections.evidence.merkle import Read, in_memory, leaf_hash, root_of
from projections.evidence.merkle import root as root_at
from projections.evidence.tiles import leaf_hashes
from projections.ledger import STANDING, Standing, standing

Row = dict[str, Any]
"""As it is hashed: JSON."""
_PACKED = 1
"""Of zlib's levels: it takes three quarters off already."""


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
    return completeness(root, size, closing)


def kept_of(cursor: Cursor[Any], position: int, closing: Mapping[str, Any]) -> Completeness | None:
    """The same of a closing that is in the tree; None where that is not kept."""
    kept = cursor.execute(_KEPT, [position]).fetchone()
    if kept is None:
        return None
    root, size = kept
    return completeness(root, size, closing)


def completeness(root: bytes, size: int, closing: Mapping[str, Any]) -> Completeness:
    """What the leaf of a closing says, as it is kept."""
    as_of, known = Month.parse(closing["period"]).last_day, closing["position"]
    return {"root": root.hex(), "size": size, "as_of": as_of.isoformat(), "position": known}


def rows_at(cursor: Cursor[Any], as_of: date, position: int, *, whole: bool = True) -> list[Row]:
    """By manager and deal, in the order of their ids: what each has at the end of `as_of`, known at
    `position`; also where that is nothing by then. Raises LedgerIncomplete when they are to be
    `whole`.
    """
    asked = {"as_of": as_of, "position": position}
    held = sorted(cursor.execute(_HELD, asked).fetchall())
    heads = {deal: (events, last) for deal, events, last in cursor.execute(_HEADS, asked)}
    if whole and {row[1] for row in held} != heads.keys():  # whoever opens a deal has a posting
        raise LedgerIncomplete("the ledger lacks deals of the log: run `dealfolio rebuild`")
    hashes = leaf_hashes(cursor, [heads[deal][1] for _, deal, *_ in held])
    return [
        _row(manager, deal, currency, standing(columns), heads[deal][0], head)
        for (manager, deal, currency, _, _, *columns), head in zip(held, hashes, strict=True)
    ]


def _row(manager: str, deal: str, currency: str, held: Standing, events: int, head: bytes) -> Row:
    """What the manager has in the deal, which has so many `events`; `head` is the hash of the leaf
    of the last one.
    """
    return {
        "manager_id": manager,
        "deal_id": deal,
        "currency": currency,
        **{account: value_text(value) for account, value in held.balance._asdict().items()},
        "progress": decimal_text(held.progress),
        "actions": held.actions,
        "head": head.hex(),
        "events": events,
    }


def hashes_of(rows: Iterable[Row]) -> list[bytes]:
    """Of the leaves of the tree over rows."""
    return [leaf_hash(canonical(row)) for row in rows]


class Around(NamedTuple):
    """A manager's rows and the one on either side, which are other managers': their places in the
    tree, and themselves, JSON.
    """

    places: range
    shown: bytes


class _Own(NamedTuple):
    """The rows of one manager, from the place `first` on: in JSON, the first and the last of them,
    and all, packed.
    """

    first: int
    ends: tuple[bytes, bytes]
    packed: bytes


class RowTree(NamedTuple):
    """The tree over a closing's rows, and the rows, by manager in the order of their ids."""

    size: int
    managers: Sequence[str]
    owned: Sequence[_Own]
    read: Read

    @classmethod
    def over(cls, rows: Sequence[Row]) -> "RowTree":
        """By manager and deal."""
        owned, first = {}, 0
        for manager, own in groupby(rows, key=itemgetter("manager_id")):
            shown = [*map(to_json, own)]
            packed = compress(b",".join(shown), _PACKED)
            owned[manager] = _Own(first, (shown[0], shown[-1]), packed)
            first += len(shown)
        return cls(len(rows), [*owned], [*owned.values()], in_memory(hashes_of(rows)))

    def around(self, manager: str) -> Around:
        """Also where those of one who has no rows would stand."""
        at = bisect_left(self.managers, manager)
        behind = at + (at < len(self.managers) and self.managers[at] == manager)
        before, own, after = self.owned[:at][-1:], self.owned[at:behind], self.owned[behind:][:1]
        first, end = (one[0].first if one else self.size for one in (own or after, after))
        shown = [
            *(one.ends[1] for one in before),
            *(decompress(one.packed) for one in own),
            *(one.ends[0] for one in after),
        ]
        return Around(range(first - len(before), end + len(after)), b",".join(shown))


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
