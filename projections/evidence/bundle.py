"""The audit bundle: what is needed to check a result at home, and nothing that must be believed.

JSON Lines, one object a line: a head, the events with what proves them, the result that is claimed.
Of one manager these are the deals that the books have anything of theirs about, each as a whole
stream whose last event is proven, and the rows of a month's closing, which prove that there are no
other deals. Of everybody it is the log. `leaf` beside an event is the hash that the tree has of it,
by which a reader tells which event was changed. `api/audit_verifier.py` reads it, without us.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor
from pydantic_core import from_json, to_json

from domain.periods import Month
from domain.values import ManagerId
from projections.evidence import tiles
from projections.evidence.checkpoints import Signed
from projections.evidence.completeness import Held, RowTrees, completeness, kept_of
from projections.evidence.leaves import CLOSING, Completeness
from projections.evidence.merkle import Node, Read, consistency_proof, nodes_beside
from projections.log import as_published
from projections.point import Point

FORMAT, RULES = "dealfolio-audit-bundle/1", "dealfolio-books/1"
AT_ONCE = 5_000
"""Events that are read at once of a bundle of everybody."""

_COLUMNS: LiteralString = """
originator_id::text, originator_version, topic, state, notification_id
"""
_STREAMS: LiteralString = f"""
SELECT {_COLUMNS} FROM books.events
WHERE originator_id = ANY (ARRAY(
    SELECT deal_id FROM ledger.deals WHERE deal = ANY (ARRAY(
        SELECT DISTINCT deal FROM ledger.postings
        WHERE manager = (SELECT manager FROM ledger.managers WHERE manager_id = %(manager)s)
          AND position <= %(last)s
    ))
)) AND notification_id + 0 <= %(last)s  -- found by their streams, and not by all positions
ORDER BY notification_id
"""
_LOG: LiteralString = f"""
SELECT {_COLUMNS},
       coalesce(substr(hashes, ((notification_id - 1) %% 256)::int * 32 + 1, 32), '')
FROM books.events LEFT JOIN evidence.tiles ON level = 0 AND index = (notification_id - 1) / 256
WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id
"""
_CLOSINGS: LiteralString = f"""
SELECT {_COLUMNS}, root, size, (
    SELECT notification_id FROM books.events
    WHERE originator_id = one.originator_id AND originator_version = one.originator_version - 1
) AS before FROM (
    (SELECT * FROM evidence.closings WHERE position > %(position)s AND position <= %(size)s
     ORDER BY position LIMIT 2)
    UNION ALL
    (SELECT * FROM evidence.closings WHERE position <= %(position)s
     ORDER BY position DESC LIMIT 1)
) AS kept JOIN books.events AS one ON notification_id = position
WHERE topic = '{CLOSING}' ORDER BY position
"""

Asking = Callable[[], AbstractContextManager[Cursor[Any]]]


class Wanted(NamedTuple):
    """What was asked for, and the `result` that is claimed of it, JSON. `signed` is the checkpoint
    to which all is proven, at least the point's position; `kept` the size of one that the reader
    has, None: none.
    """

    manager: ManagerId | None
    point: Point
    currency: str
    result: bytes
    signed: Signed
    kept: int | None = None

    @property
    def size(self) -> int:
        return self.signed.size


class Event(NamedTuple):
    """As the log has it."""

    stream: str
    version: int
    type: str
    state: bytes
    position: int

    @property
    def place(self) -> int:
        """Of its leaf in the tree, from 0."""
        return self.position - 1

    def line(self, leaf: bytes, more: str = "") -> bytes:
        """As published; with what a leaf has of it beside that. `leaf` is the hash that the tree
        has of it, empty when that is lost.
        """
        shown = as_published(self.stream, self.type, self.state)[:-1]
        return b'%b,"version":%d,"leaf":"%b"%b}' % (
            shown, self.version, leaf.hex().encode(), more.encode(),
        )  # fmt: skip


def of_everybody(asking: Asking, wanted: Wanted) -> Iterator[bytes]:
    """The log up to the checkpoint, some at a time: nothing is held while the reader is slow."""
    with asking() as cursor:
        head = _head(cursor, wanted)
    yield head
    for after in range(0, wanted.size, AT_ONCE):
        with asking() as cursor:
            last = min(after + AT_ONCE, wanted.size)
            rows = cursor.execute(_LOG, [after, last], binary=True).fetchall()
            shown = [(Event._make(columns), leaf) for *columns, leaf in rows]
            lines = [_line("event", one.line(leaf, _beside(cursor, one))) for one, leaf in shown]
        yield b"".join(lines)
    yield _line("result", wanted.result)


def _beside(cursor: Cursor[Any], event: Event) -> str:
    """What the leaf of a closing has more than that of any event."""
    if event.type != CLOSING:
        return ""
    kept = kept_of(cursor, event.position, from_json(event.state)["data"])
    return "" if kept is None else _shown(kept)


def _shown(completeness: Completeness) -> str:
    return f',"completeness":{to_json(completeness).decode()}'


def of_manager(cursor: Cursor[Any], trees: RowTrees, wanted: Wanted) -> Iterator[bytes]:
    """The manager's deals, up to the position asked about, or to what the closing behind it knows.

    `trees` remembers those of closings. Raises LookupError when the tree is torn.
    """
    assert wanted.manager is not None
    closing = _closing(cursor, wanted)
    last = max(wanted.point.position, closing.known if closing else 0)
    asked = {"manager": wanted.manager, "last": last}
    streams: dict[str, list[Event]] = {}
    for event in map(Event._make, cursor.execute(_STREAMS, asked, binary=True).fetchall()):
        streams.setdefault(event.stream, []).append(event)
    rows = None if closing is None else _rows(cursor, trees, closing, wanted.manager)
    proven = {events[-1].place for events in streams.values()}
    if closing:
        proven.add(closing.event.place)
    beside = nodes_beside(sorted(proven), wanted.size)
    leaves = [event.place for events in streams.values() for event in events]
    leaves += [] if rows is None else rows.leaves
    hashes = _hashes(tiles.reader(cursor), beside, leaves)

    yield _head(cursor, wanted)
    for stream, events in streams.items():
        shown = b",".join([one.line(hashes[0, one.place]) for one in events])
        yield b'{"stream":{"stream_id":"%b","index":%d,"events":[%b]}}\n' % (
            stream.encode(), events[-1].place, shown,
        )  # fmt: skip
    yield _line("nodes", to_json(_nodes(beside, hashes)))
    if rows is not None:
        yield _line("closing", rows.shown(hashes))
    yield _line("result", wanted.result)


class _Closing(NamedTuple):
    """`known` is the last position that its totals know, `before` that of the event before it in
    its stream.
    """

    event: Event
    data: Mapping[str, Any]
    certified: Completeness
    before: int | None

    @property
    def known(self) -> int:
        return int(self.data["position"])


def _closing(cursor: Cursor[Any], wanted: Wanted) -> _Closing | None:
    """The first one that knows all that was asked about; else the last one."""
    asked = {"size": wanted.size, "position": wanted.point.position}
    found = []
    for *columns, root, size, before in cursor.execute(_CLOSINGS, asked, binary=True):
        event = Event._make(columns)
        data = from_json(event.state)["data"]
        found.append(_Closing(event, data, completeness(root, size, data), before))
    knowing = (one for one in found if one.known >= wanted.point.position)
    return next(knowing, found[-1] if found else None)


class _Rows(NamedTuple):
    """The closing's rows of one manager with the neighbours, and the nodes beside them."""

    closing: _Closing
    first: int
    held: Sequence[Held]
    nodes: dict[str, str]

    @property
    def leaves(self) -> list[int]:
        """Which hashes of leaves they need."""
        closing, heads = self.closing, [one.last - 1 for one in self.held]
        before = [] if closing.before is None else [closing.before - 1]
        return [closing.event.place, *before, *heads]

    def shown(self, hashes: Mapping[tuple[int, int], bytes]) -> bytes:
        """By the hashes of these leaves."""
        event, certified, before = self.closing.event, self.closing.certified, self.closing.before
        rows = [one.row(hashes[0, one.last - 1]) for one in self.held]
        return b'{"event":%b,"previous":%b,"first":%d,"rows":%b,"nodes":%b}' % (
            event.line(hashes[0, event.place], _shown(certified)),
            to_json(None if before is None else hashes[0, before - 1].hex()),
            self.first,
            to_json(rows),
            to_json(self.nodes),
        )


def _rows(cursor: Cursor[Any], trees: RowTrees, closing: _Closing, manager: ManagerId) -> _Rows:
    as_of = Month.parse(closing.data["period"]).last_day
    tree = trees.of(cursor, closing.data, closing.certified["root"])
    around = tree.around(manager)
    beside = nodes_beside(around.rows, tree.size)
    held = around.held(cursor, as_of, closing.known)
    return _Rows(closing, around.rows.start, held, _nodes(beside, _hashes(tree.read, beside)))


def _head(cursor: Cursor[Any], wanted: Wanted) -> bytes:
    point, signed = wanted.point, wanted.signed
    head: dict[str, Any] = {
        "bundle": FORMAT,
        "rules": RULES,
        "origin": signed.origin,
        "as_of": point.as_of,
        "known_at": point.known_at.isoformat(timespec="microseconds"),
        "position": point.position,
        "manager_id": wanted.manager,
        "currency": wanted.currency,
        "checkpoint": signed.note,
        "keys": signed.keys,
        "rotations": signed.rotations,
    }
    if wanted.kept is not None and wanted.kept <= wanted.size:
        proof = consistency_proof(tiles.reader(cursor), wanted.kept, wanted.size)
        hashes = [b64encode(one).decode() for one in proof]
        head["consistency"] = {"from_size": wanted.kept, "hashes": hashes}
    return to_json(head) + b"\n"


def _hashes(
    read: Read, nodes: Sequence[Node], leaves: Iterable[int] = ()
) -> Mapping[tuple[int, int], bytes]:
    """Of nodes and of the leaves at indexes, with one look."""
    wanted = [*nodes, *(Node(0, index) for index in leaves)]
    return dict(zip(wanted, read(wanted), strict=True)) if wanted else {}


def _nodes(nodes: Iterable[Node], hashes: Mapping[tuple[int, int], bytes]) -> dict[str, str]:
    return {f"{level}/{at}": b64encode(hashes[level, at]).decode() for level, at in nodes}


def _line(name: str, shown: bytes) -> bytes:
    return b'{"%b":%b}\n' % (name.encode(), shown)
