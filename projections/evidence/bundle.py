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
from uuid import UUID

from psycopg import Cursor
from pydantic_core import from_json, to_json

from domain.periods import Month
from domain.values import ManagerId
from projections.evidence import tiles
from projections.evidence.checkpoints import checkpoint_note, rotations
from projections.evidence.completeness import RowTrees, kept_of, rows_at
from projections.evidence.keys import keys_of, origin_of
from projections.evidence.leaves import CLOSING, Completeness
from projections.evidence.merkle import Node, Read, consistency_proof, nodes_beside
from projections.log import as_published
from projections.point import Point

FORMAT, RULES = "dealfolio-audit-bundle/1", "dealfolio-books/1"
AT_ONCE = 5_000
"""Events that are read at once of a bundle of everybody."""

_COLUMNS: LiteralString = """
originator_id, originator_version, topic, state, notification_id,
coalesce(substr(hashes, ((notification_id - 1) %% 256)::int * 32 + 1, 32), '')
"""
_TILE: LiteralString = """
LEFT JOIN evidence.tiles ON level = 0 AND index = (notification_id - 1) / 256
"""
_DEALS: LiteralString = """
SELECT deal_id FROM ledger.deals WHERE deal = ANY (ARRAY(
    SELECT DISTINCT deal FROM ledger.postings
    WHERE manager = (SELECT manager FROM ledger.managers WHERE manager_id = %s) AND position <= %s
))
"""
_STREAMS: LiteralString = f"""
SELECT {_COLUMNS} FROM books.events {_TILE}
WHERE originator_id = ANY (%s::uuid[]) AND notification_id <= %s
ORDER BY originator_id, originator_version
"""
_LOG: LiteralString = f"""
SELECT {_COLUMNS} FROM books.events {_TILE}
WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id
"""
_CLOSING: LiteralString = f"""
SELECT {_COLUMNS} FROM books.events {_TILE}
WHERE of_the_directory AND topic = '{CLOSING}' AND notification_id <= %(size)s
"""
_CLOSINGS: LiteralString = f"""
({_CLOSING} AND notification_id > %(position)s ORDER BY notification_id LIMIT 2)
UNION ALL
({_CLOSING} AND notification_id <= %(position)s ORDER BY notification_id DESC LIMIT 1)
"""
_BEFORE: LiteralString = """
SELECT notification_id FROM books.events WHERE originator_id = %s AND originator_version = %s
"""

Asking = Callable[[], AbstractContextManager[Cursor[Any]]]


class Wanted(NamedTuple):
    """What was asked for, and the `result` that is claimed of it, JSON. `size` is that of the
    checkpoint to which all is proven, at least the point's position; `kept` that of one that the
    reader has, None: none.
    """

    manager: ManagerId | None
    point: Point
    currency: str
    result: bytes
    size: int
    kept: int | None = None


class Event(NamedTuple):
    """As the log has it, and the hash of its leaf as the tree has it; that is empty when lost."""

    stream: UUID
    version: int
    type: str
    state: bytes
    position: int
    leaf: bytes

    def line(self, more: str = "") -> bytes:
        """As published; with what a leaf has of it beside that."""
        shown = as_published(self.stream, self.type, self.state)[:-1]
        beside = f',"version":{self.version},"leaf":"{self.leaf.hex()}"{more}}}'
        return shown + beside.encode()


def of_everybody(asking: Asking, wanted: Wanted) -> Iterator[bytes]:
    """The log up to the checkpoint, some at a time: nothing is held while the reader is slow."""
    with asking() as cursor:
        head = _head(cursor, wanted)
    yield head
    for after in range(0, wanted.size, AT_ONCE):
        with asking() as cursor:
            last = min(after + AT_ONCE, wanted.size)
            rows = cursor.execute(_LOG, [after, last]).fetchall()
            events = [Event(*row) for row in rows]
            lines = [_line("event", one.line(_beside(cursor, one))) for one in events]
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
    read = tiles.reader(cursor)
    closing = _closing(cursor, wanted)
    last = max(wanted.point.position, closing.known if closing else 0)
    deals = [deal for (deal,) in cursor.execute(_DEALS, [wanted.manager, last])]
    rows = cursor.execute(_STREAMS, [deals, last])
    streams: dict[UUID, list[Event]] = {}
    for event in map(Event._make, rows):
        streams.setdefault(event.stream, []).append(event)
    yield _head(cursor, wanted)
    for stream, events in sorted(streams.items(), key=lambda one: one[1][0].position):
        shown = b",".join(one.line() for one in events)
        index = events[-1].position - 1
        yield b'{"stream":{"stream_id":"%b","index":%d,"events":[%b]}}\n' % (
            str(stream).encode(), index, shown,
        )  # fmt: skip
    proven = {events[-1].position - 1 for events in streams.values()}
    if closing:
        proven.add(closing.event.position - 1)
    beside = nodes_beside(sorted(proven), wanted.size)
    yield _line("nodes", to_json(_nodes(read, beside)))
    if closing:
        yield _line("closing", _rows(cursor, trees, closing, wanted.manager))
    yield _line("result", wanted.result)


class _Closing(NamedTuple):
    """`known` is the last position that its totals know."""

    event: Event
    data: Mapping[str, Any]
    certified: Completeness

    @property
    def known(self) -> int:
        return int(self.data["position"])


def _closing(cursor: Cursor[Any], wanted: Wanted) -> _Closing | None:
    """The first one that knows all that was asked about; else the last one."""
    asked = {"size": wanted.size, "position": wanted.point.position}
    found = []
    for row in cursor.execute(_CLOSINGS, asked).fetchall():
        event = Event(*row)
        data = from_json(event.state)["data"]
        if certified := kept_of(cursor, event.position, data):
            found.append(_Closing(event, data, certified))
    found.sort(key=lambda one: one.event.position)
    knowing = (one for one in found if one.known >= wanted.point.position)
    return next(knowing, found[-1] if found else None)


def _rows(cursor: Cursor[Any], trees: RowTrees, closing: _Closing, manager: ManagerId) -> bytes:
    """The closing's rows of the manager with the neighbours, and the nodes beside them."""
    event, as_of = closing.event, Month.parse(closing.data["period"]).last_day
    tree = trees.of(cursor, closing.data, closing.certified["root"])
    around = tree.around(manager)
    rows = rows_at(cursor, as_of, closing.known, around.managers)
    shown = rows[around.skipped : around.skipped + len(around.rows)]
    beside = nodes_beside(around.rows, tree.size)
    return b'{"event":%b,"previous":%b,"first":%d,"rows":%b,"nodes":%b}' % (
        event.line(_shown(closing.certified)),
        to_json(_previous(cursor, event)),
        around.rows.start,
        to_json(shown),
        to_json(_nodes(tree.read, beside)),
    )


def _previous(cursor: Cursor[Any], event: Event) -> str | None:
    """The hash of the leaf before it in its stream."""
    before = cursor.execute(_BEFORE, [event.stream, event.version - 1]).fetchone()
    return None if before is None else tiles.leaf_hashes(cursor, [before[0]])[0].hex()


def _head(cursor: Cursor[Any], wanted: Wanted) -> bytes:
    point = wanted.point
    head: dict[str, Any] = {
        "bundle": FORMAT,
        "rules": RULES,
        "origin": origin_of(cursor, ""),
        "as_of": point.as_of,
        "known_at": point.known_at.isoformat(timespec="microseconds"),
        "position": point.position,
        "manager_id": wanted.manager,
        "currency": wanted.currency,
        "checkpoint": checkpoint_note(cursor, wanted.size),
        "keys": [key.vkey for key in keys_of(cursor)],
        "rotations": rotations(cursor),
    }
    if wanted.kept is not None and wanted.kept <= wanted.size:
        proof = consistency_proof(tiles.reader(cursor), wanted.kept, wanted.size)
        hashes = [b64encode(one).decode() for one in proof]
        head["consistency"] = {"from_size": wanted.kept, "hashes": hashes}
    return to_json(head) + b"\n"


def _nodes(read: Read, nodes: Sequence[Node]) -> dict[str, str]:
    hashes: Iterable[bytes] = read(nodes) if nodes else ()
    return {
        f"{level}/{index}": b64encode(one).decode()
        for (level, index), one in zip(nodes, hashes, strict=True)
    }


def _line(name: str, shown: bytes) -> bytes:
    return b'{"%b":%b}\n' % (name.encode(), shown)
