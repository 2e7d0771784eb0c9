"""The tree follows the log, in whatever process comes first, off the way of those who record.

How far it has come is how many leaves it has. One transaction is some events: read, made leaves,
appended; so it may end anywhere and goes on there, and a reader never sees half of it.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from time import sleep
from typing import Any, LiteralString

from psycopg import Cursor

from projections.evidence import tiles
from projections.evidence.completeness import complete, kept_of
from projections.evidence.leaves import CLOSING, Hashes, Leaf, Row, events_between, leaves_of

AT_ONCE = 2_000
"""Events in one transaction."""
FEW = 16
"""Events whose leaves are made between two rests."""
REST_SECONDS = 0.001
FOLLOWERS_LOCK = 7305815021847160067

_TRY: LiteralString = "SELECT pg_try_advisory_xact_lock(%s)"
_WAIT: LiteralString = "SELECT true FROM pg_advisory_xact_lock(%s)"


class LogBroken(Exception):
    """The log is not what the tree was made of: it has lost events, or has others in their place.
    Nothing is appended to the tree any more.
    """


def follow(cursor: Cursor[Any], *, patiently: bool = False, resting: bool = False) -> bool:
    """Append what was recorded since, AT_ONCE events at most; whether there is more to do now.

    One process at a time: another one that is at it is waited for only `patiently`. `resting`: it
    lets those go first who answer and record in this process, and would wait until all leaves are
    made. Raises LogBroken, LedgerIncomplete.
    """
    with cursor.connection.transaction():
        if not is_alone(cursor, patiently=patiently):
            return False
        size = tiles.size_of(cursor)
        require_same(cursor, size)
        rows = events_between(cursor, size, size + AT_ONCE)
        if not rows:
            return False
        if rows[0][-1] != size + 1:
            raise LogBroken(f"the log has later events, and none at position {size + 1}")
        now = _up_to_a_closing(rows)
        leaves = _leaves(cursor, now)
        made = _with_rests(leaves) if resting else leaves
        tiles.append(cursor, size, [leaf.hash for leaf in made])
        return len(now) < len(rows) or len(rows) == AT_ONCE


def require_same(cursor: Cursor[Any], size: int) -> None:
    """That the last event in the tree of `size` leaves is the log's. A log that was cut, and maybe
    has grown since, has none there or another. Raises LogBroken.
    """
    if size and [one.hash for one in leaves_between(cursor, size - 1, size)] != (
        tiles.leaf_hashes(cursor, [size])
    ):
        raise LogBroken(f"the log has not the event at position {size} that the tree was made of")


def leaves_between(cursor: Cursor[Any], after: int, last: int) -> list[Leaf]:
    """Of the events at positions in (after, last], which are in the tree: the same as then."""
    return [*_leaves(cursor, events_between(cursor, after, last))]


def _leaves(cursor: Cursor[Any], rows: Sequence[Row]) -> Iterator[Leaf]:
    previous = partial(tiles.hashes_in_streams, cursor)
    return leaves_of(rows, previous, partial(complete, cursor))


def _with_rests(leaves: Iterator[Leaf]) -> Iterator[Leaf]:
    while some := [*islice(leaves, FEW)]:
        yield from some
        sleep(REST_SECONDS)


def changed_between(cursor: Cursor[Any], after: int, last: int) -> Iterator[int]:
    """Positions in (after, last] whose events are not those of which the tree has the leaves."""
    rows = events_between(cursor, after, last)
    places = {(stream, at) for stream, version, *_ in rows for at in (version - 1, version) if at}
    kept = tiles.hashes_in_streams(cursor, places)
    for row in rows:
        stream, version, *_, position = row
        if version > 1 and (stream, version - 1) not in kept:
            yield position
            continue
        before = {(stream, version - 1): kept.get((stream, version - 1), b"")}
        (leaf,) = leaves_of([row], partial(_known, before), partial(kept_of, cursor))
        if leaf.hash != kept.get((stream, version)):
            yield position


def _known(hashes: Hashes, _places: object) -> Hashes:
    return hashes


def is_alone(cursor: Cursor[Any], *, patiently: bool) -> bool:
    """Until the end of the transaction nobody else appends or signs."""
    row = cursor.execute(_WAIT if patiently else _TRY, [FOLLOWERS_LOCK]).fetchone()
    return row is not None and bool(row[0])


def _up_to_a_closing(rows: Sequence[Row]) -> Sequence[Row]:
    """A closing's leaf is made of hashes that are in tiles by then: so it comes first, or later."""
    closings = (at for at, (_, _, kind, *_) in enumerate(rows) if at and kind == CLOSING)
    return rows[: next(closings, len(rows))]
