"""The leaf of an event: what is proven of it.

A leaf's data is canonical JSON (RFC 8785) that says who recorded what where and when, and, by their
hashes, what the event tells and which event came before it in its stream. So leaves are small, tell
no figures, and one proof of a stream's last event proves all of them: none is changed, and none is
missing before it. The leaf at index i is the event at position i + 1, always.

The leaf of a month's closing has the root of what everybody had then, too (`completeness`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor
from pydantic_core import from_json, to_json

from projections.evidence.merkle import leaf_hash

CLOSING = "PeriodClosed"

Completeness = dict[str, Any]
"""Beside the leaf of a closing."""
Complete = Callable[[int, Mapping[str, Any]], Completeness | None]
"""That of the closing at a position, of its published data; None: it is not known."""


def canonical(value: Any) -> bytes:  # noqa: ANN401 - JSON
    """RFC 8785: of text, integers below 2**53, and what is made of them; the keys are ASCII."""
    return to_json(_in_order(value))


def _in_order(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Its names in the order of the alphabet; the rest of RFC 8785 is how JSON is written anyway,
    and by whom it is written fastest.
    """
    if type(value) is dict:
        return {
            name: one if type(one) is str else _in_order(one) for name, one in sorted(value.items())
        }
    return [*map(_in_order, value)] if type(value) is list else value


def leaf_data(
    stream_id: str,
    version: int,
    kind: str,
    stored: Mapping[str, Any],
    previous: bytes | None,
    completeness: Completeness | None = None,
) -> bytes:
    """`stored` is what the log keeps of the event, or `GET /v1/events` shows; `previous` the hash
    of the leaf before it in its stream.
    """
    leaf: dict[str, Any] = {"actor": stored["actor"]}  # in the order of the alphabet, as below
    if completeness is not None:
        leaf["completeness"] = _in_order(completeness)
    leaf["data_sha256"] = sha256(canonical(stored["data"])).hexdigest()
    if "effective_on" in stored:
        leaf["effective_on"] = stored["effective_on"]
    return to_json(
        leaf
        | {
            "position": stored["position"],
            "previous": None if previous is None else previous.hex(),
            "recorded_at": stored["recorded_at"],
            "stream_id": stream_id,
            "type": kind,
            "version": version,
        }
    )


class Leaf(NamedTuple):
    """The one of the event at `position`."""

    position: int
    data: bytes
    hash: bytes


Row = tuple[str, int, str, bytes, int]
"""Stream, version, type, stored state, position."""
Hashes = Mapping[tuple[str, int], bytes]
"""Of the leaves at versions of streams."""
Previous = Callable[[Sequence[tuple[str, int]]], Hashes]

_AFTER: LiteralString = """
SELECT originator_id::text, originator_version, topic, state, notification_id FROM books.events
WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id
"""


def events_between(cursor: Cursor[Any], after: int, last: int) -> list[Row]:
    """Those at positions in (after, last], in order."""
    return cursor.execute(_AFTER, [after, last]).fetchall()


def leaves_of(rows: Sequence[Row], previous: Previous, complete: Complete) -> Iterator[Leaf]:
    """The leaves of events that follow each other in the log, one by one as they are made."""
    here = {(stream, version) for stream, version, *_ in rows}
    before = ((stream, version - 1) for stream, version, *_ in rows if version > 1)
    known = dict(previous([one for one in before if one not in here]))
    for stream, version, kind, state, position in rows:
        stored = from_json(state)
        proven = complete(position, stored["data"]) if kind == CLOSING else None
        before_it = known[stream, version - 1] if version > 1 else None
        data = leaf_data(stream, version, kind, stored, before_it, proven)
        known[stream, version] = hashed = leaf_hash(data)
        yield Leaf(position, data, hashed)
