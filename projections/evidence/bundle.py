"""The audit bundle: what is needed to check a result at home, and nothing that must be believed.

JSON Lines, one object a line: a head, the events with what proves them, the result that is claimed.
Of one manager these are the deals that the books have anything of theirs about, each as a whole
stream whose last event is proven, and the rows of a month's closing, which prove that there are no
other deals. Of everybody it is the log. `leaf` beside an event is the hash that the tree has of it,
by which a reader tells which event was changed. `api/audit/audit_verifier.py` reads it, without us.
"""

from base64 import b64encode
from binascii import b2a_base64, hexlify
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from operator import itemgetter
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor
from pydantic_core import from_json, to_json

from domain.values import ManagerId
from projections.evidence.checkpoints import Signed
from projections.evidence.completeness import RowTree, RowTrees, completeness, kept_of
from projections.evidence.leaves import CLOSING, Completeness
from projections.evidence.merkle import Node, consistency_proof, nodes_beside
from projections.evidence.tiles import KnownTiles, hashes_at, reader
from projections.log import heading
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
    """What was asked for, and what writes the `result` that is claimed of it, JSON. `signed` is the
    checkpoint to which all is proven, at least the point's position; `kept` the size of one that
    the reader has, None: none.
    """

    manager: ManagerId | None
    point: Point
    currency: str
    result: Callable[[], bytes]
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

    def line(self, leaf: bytes, more: bytes = b"") -> bytes:
        """As published; with what a leaf has of it beside that. `leaf` is the hash that the tree
        has of it, empty when that is lost.
        """
        return b'%b%b,"version":%d,"leaf":"%b"%b}' % (
            heading(self.stream, self.type), self.state[1:-1], self.version, hexlify(leaf), more,
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
    yield _line("result", wanted.result())


def _beside(cursor: Cursor[Any], event: Event) -> bytes:
    """What the leaf of a closing has more than that of any event."""
    if event.type != CLOSING:
        return b""
    kept = kept_of(cursor, event.position, from_json(event.state)["data"])
    return b"" if kept is None else _shown(kept)


def _shown(completeness: Completeness) -> bytes:
    return b',"completeness":' + to_json(completeness)


class SharedEvidence:
    """What bundles have in common, and never changes."""

    def __init__(self) -> None:
        self.tiles, self.closings = KnownTiles(), RowTrees()


def of_manager(cursor: Cursor[Any], shared: SharedEvidence, wanted: Wanted) -> Iterator[bytes]:
    """The manager's deals, up to the position asked about, or to what the closing behind it knows.
    Raises LookupError when the tree is torn.
    """
    assert wanted.manager is not None
    closing = _closing(cursor, wanted)
    last = max(wanted.point.position, closing.known if closing else 0)
    with cursor.connection.pipeline():
        cursor.execute(_STREAMS, {"manager": wanted.manager, "last": last}, binary=True)
        result = wanted.result()  # while the database looks for the events
        streams = _streams(cursor.fetchall())
    proven = {events[-1].place for events in streams.values()}
    leaves = [event.position - 1 for events in streams.values() for event in events]
    if closing:
        proven.add(closing.event.place)
        leaves += closing.leaves
    beside = nodes_beside(sorted(proven), wanted.size)
    nodes, own = hashes_at(cursor, beside, leaves, shared.tiles)
    hashes = iter(own)

    yield _head(cursor, wanted)
    for stream, events in streams.items():
        shown = b",".join(map(Event.line, events, hashes))  # each event takes one
        yield b'{"stream":{"stream_id":"%b","index":%d,"events":[%b]}}\n' % (
            stream.encode(), events[-1].place, shown,
        )  # fmt: skip
    yield _line("nodes", _nodes(beside, nodes))
    if closing:
        tree = shared.closings.of(cursor, closing.data, closing.certified["root"])
        yield _line("closing", closing.shown(tree, wanted.manager, *hashes))
    yield _line("result", result)


def _streams(rows: list[tuple[Any, ...]]) -> Mapping[str, list[Event]]:
    """The events, by their streams, in the order of the log."""
    rows.sort(key=itemgetter(-1))  # they come nearly so, and the database takes longer
    streams: dict[str, list[Event]] = defaultdict(list)
    for event in map(Event._make, rows):
        streams[event.stream].append(event)
    return streams


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

    @property
    def leaves(self) -> list[int]:
        """Indexes of its own, and of the one before it."""
        return [self.event.place, *([] if self.before is None else [self.before - 1])]

    def shown(
        self, tree: RowTree, manager: ManagerId, leaf: bytes, previous: bytes | None = None
    ) -> bytes:
        """With the manager's rows, which `tree` has; by the hashes of these leaves."""
        around = tree.around(manager)
        beside = nodes_beside(around.places, tree.size)
        return b'{"event":%b,"previous":%b,"first":%d,"rows":[%b],"nodes":%b}' % (
            self.event.line(leaf, _shown(self.certified)),
            to_json(None if previous is None else previous.hex()),
            around.places.start,
            around.shown,
            _nodes(beside, tree.read(beside)),
        )


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
        proof = consistency_proof(reader(cursor), wanted.kept, wanted.size)
        hashes = [b64encode(one).decode() for one in proof]
        head["consistency"] = {"from_size": wanted.kept, "hashes": hashes}
    return to_json(head) + b"\n"


def _nodes(nodes: Iterable[Node], hashes: Iterable[bytes]) -> bytes:
    """With their hashes, which come in the same order."""
    shown = [
        b'"%d/%d":"%b"' % (level, at, b2a_base64(one, newline=False))
        for (level, at), one in zip(nodes, hashes, strict=True)
    ]
    return b"{%b}" % b",".join(shown)


def _line(name: str, shown: bytes) -> bytes:
    return b'{"%b":%b}\n' % (name.encode(), shown)
