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
from projections.ledger import STANDING, Standing, standing

Row = dict[str, Any]
"""As it is hashed: JSON."""


class LedgerIncomplete(Exception):
    """A database that was restored without it: what would be proven now would be wrong for ever."""


_OF_ALL: LiteralString = "position <= %(position)s"
_OF_SOME: LiteralString = """
manager = ANY (ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(managers)s)))
AND (manager = (SELECT manager FROM ledger.managers WHERE manager_id = %(whole)s)
     OR deal = ANY (ARRAY(SELECT deal FROM ledger.deals WHERE deal_id = ANY (%(deals)s::uuid[]))))
AND position <= %(position)s
"""


def _held(which: LiteralString) -> LiteralString:
    return f"""
(
    SELECT manager, deal, {STANDING} FROM (
        SELECT manager, deal, account, amount * seen AS amount, credit * seen AS credit,
               progress * seen AS progress, actions * seen AS actions, deals * seen AS deals
        FROM (
            SELECT *, (effective_on <= %(as_of)s)::int AS seen FROM ledger.postings WHERE {which}
        ) AS posted
    ) AS posting
    GROUP BY manager, deal
) AS held JOIN ledger.managers USING (manager)
"""


_EVERYBODY: LiteralString = f"""
SELECT manager_id, deal_id::text, currency, held.*
FROM {_held(_OF_ALL)} JOIN ledger.deals USING (deal)
"""
_SOME: LiteralString = f"""
SELECT manager_id, about.deal_id::text, about.currency, head.events, head.last, held.*
FROM {_held(_OF_SOME)} CROSS JOIN LATERAL (
    SELECT deal_id, currency FROM ledger.deals
    WHERE deal = held.deal LIMIT 1  -- by its key: a join would read all deals
) AS about CROSS JOIN LATERAL (
    SELECT originator_version AS events, notification_id AS last FROM books.events
    WHERE originator_id = about.deal_id AND notification_id <= %(position)s
    ORDER BY originator_version DESC LIMIT 1
) AS head
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


class Held(NamedTuple):
    """What a manager has in a deal, and how many events that has, the last one at `last`."""

    manager: str
    deal: str
    currency: str
    events: int
    last: int
    standing: Standing

    def row(self, head: bytes) -> Row:
        """`head` is the hash of the leaf of the last event."""
        held = self.standing
        return {
            "manager_id": self.manager,
            "deal_id": self.deal,
            "currency": self.currency,
            **{account: value_text(value) for account, value in held.balance._asdict().items()},
            "progress": decimal_text(held.progress),
            "actions": held.actions,
            "head": head.hex(),
            "events": self.events,
        }


def rows_at(cursor: Cursor[Any], as_of: date, position: int, *, whole: bool = True) -> list[Row]:
    """By manager and deal, in the order of their ids: what each has at the end of `as_of`, known at
    `position`; also where that is nothing by then. Raises LedgerIncomplete when they are to be
    `whole`.
    """
    asked = {"as_of": as_of, "position": position}
    held = cursor.execute(_EVERYBODY, asked).fetchall()
    heads = {deal: (events, last) for deal, events, last in cursor.execute(_HEADS, asked)}
    if whole and {row[1] for row in held} != heads.keys():  # whoever opens a deal has a posting
        raise LedgerIncomplete("the ledger lacks deals of the log: run `dealfolio rebuild`")
    known = sorted(
        Held(manager, deal, currency, *heads[deal], standing(columns))
        for manager, deal, currency, _, _, *columns in held
    )
    hashes = leaf_hashes(cursor, [one.last for one in known])
    return [one.row(head) for one, head in zip(known, hashes, strict=True)]


def hashes_of(rows: Iterable[Row]) -> list[bytes]:
    """Of the leaves of the tree over rows."""
    return [leaf_hash(canonical(row)) for row in rows]


class Around(NamedTuple):
    """The places of a manager's rows and of the one on either side, which are other managers'."""

    rows: range
    manager: str
    neighbours: Sequence[tuple[str, str]]

    def held(self, cursor: Cursor[Any], as_of: date, position: int) -> list[Held]:
        """What these rows are made of, with one look; in their order."""
        asked = {
            "as_of": as_of,
            "position": position,
            "whole": self.manager,
            "managers": [self.manager, *(manager for manager, _ in self.neighbours)],
            "deals": [deal for _, deal in self.neighbours],
        }
        found = (
            Held(manager, deal, currency, events, last, standing(columns))
            for manager, deal, currency, events, last, _, _, *columns in (
                cursor.execute(_SOME, asked).fetchall()
            )
        )
        return sorted(
            one for one in found if one.manager == self.manager or one[:2] in self.neighbours
        )


class RowTree(NamedTuple):
    """The tree over a closing's rows. Of the rows it knows where each manager's begin, and the
    deals of the first and the last; the rest is read when it is asked for.
    """

    size: int
    managers: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[tuple[str, str]]
    read: Read

    @classmethod
    def over(cls, rows: Sequence[Row]) -> "RowTree":
        """By manager and deal."""
        starts: dict[str, int] = {}
        for number, row in enumerate(rows):
            starts.setdefault(row["manager_id"], number)
        behind = [*starts.values(), len(rows)][1:]
        ends = [
            (rows[first]["deal_id"], rows[end - 1]["deal_id"])
            for first, end in zip(starts.values(), behind, strict=True)
        ]
        return cls(len(rows), [*starts], [*starts.values()], ends, in_memory(hashes_of(rows)))

    def around(self, manager: str) -> Around:
        """Also where those of one who has no rows would stand."""
        at = bisect_left(self.managers, manager)
        behind = at + (at < len(self.managers) and self.managers[at] == manager)
        starts = [*self.starts, self.size]
        neighbours = []
        if at:
            neighbours.append((self.managers[at - 1], self.ends[at - 1][1]))
        if behind < len(self.managers):
            neighbours.append((self.managers[behind], self.ends[behind][0]))
        rows = range(max(0, starts[at] - 1), min(self.size, starts[behind] + 1))
        return Around(rows, manager, neighbours)


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
