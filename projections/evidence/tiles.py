"""The tree in the database, in tiles as C2SP has them (tlog-tiles): 256 hashes of a level each.

Tile (L, N) holds the nodes of level 8 L from index 256 N on; the last one of each level is not full
yet. A leaf's hash is in the tile (0, index / 256). Whoever appends is alone (`follower`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from psycopg import Cursor

from projections.evidence.merkle import Node, Read, folded

HEIGHT = 8
WIDTH = 1 << HEIGHT
HASH = 32
"""Bytes."""

_SIZE: LiteralString = """
SELECT index * 256 + octet_length(hashes) / 32 FROM evidence.tiles
WHERE level = 0 ORDER BY index DESC LIMIT 1
"""
_TILE: LiteralString = """
SELECT substr(hashes, 1, %s) FROM evidence.tiles WHERE level = %s AND index = %s
"""
_KEEP: LiteralString = """
INSERT INTO evidence.tiles (level, index, hashes)
SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[])
ON CONFLICT (level, index) DO UPDATE SET hashes = excluded.hashes
"""
_READ: LiteralString = """
SELECT substr(hashes, first * 32 + 1, many * 32)
FROM unnest(%s::smallint[], %s::bigint[], %s::int[], %s::int[])
    WITH ORDINALITY AS asked (level, index, first, many, number)
LEFT JOIN evidence.tiles USING (level, index)
ORDER BY number
"""
_IN_STREAMS: LiteralString = """
SELECT originator_id::text, originator_version,
       substr(hashes, ((notification_id - 1) %% 256)::int * 32 + 1, 32)
FROM unnest(%s::uuid[], %s::bigint[]) AS asked (originator_id, originator_version)
JOIN books.events USING (originator_id, originator_version)
JOIN evidence.tiles ON level = 0 AND index = (notification_id - 1) / 256
"""


def size_of(cursor: Cursor[Any]) -> int:
    """How many leaves there are."""
    row = cursor.execute(_SIZE).fetchone()
    return row[0] if row else 0


def append(cursor: Cursor[Any], size: int, hashes: Sequence[bytes]) -> None:
    """Hashes of leaves behind the `size` that there are, and of the nodes that they complete."""
    tiles: list[tuple[int, int, bytes]] = []
    level = 0
    while hashes:
        index, held = divmod(size, WIDTH)
        row = [*_begun(cursor, level, index, held), *hashes]
        parts = [row[first : first + WIDTH] for first in range(0, len(row), WIDTH)]
        tiles += [(level, at, b"".join(part)) for at, part in enumerate(parts, index)]
        hashes = [folded(part) for part in parts if len(part) == WIDTH]
        level, size = level + 1, size // WIDTH
    cursor.execute(_KEEP, [*map(list, zip(*tiles, strict=True))])


def _begun(cursor: Cursor[Any], level: int, index: int, held: int) -> list[bytes]:
    """What is in the last tile of a level."""
    if not held:
        return []
    whole = tile(cursor, level, index, held)
    assert whole is not None, "appended before"
    return [whole[at : at + HASH] for at in range(0, len(whole), HASH)]


def tile(cursor: Cursor[Any], level: int, index: int, width: int) -> bytes | None:
    """The first `width` hashes of a tile; None when there are not so many yet."""
    row = cursor.execute(_TILE, [width * HASH, level, index]).fetchone()
    return row[0] if row and len(row[0]) == width * HASH else None


def reader(cursor: Cursor[Any]) -> Read:
    """All nodes that are asked for at once, with one look. Raises LookupError for one that is not
    there: whoever asks knows how many leaves there are.
    """

    def read(nodes: Sequence[Node]) -> list[bytes]:
        if not nodes:
            return []
        places = [_place(node) for node in nodes]
        found = [row[0] for row in cursor.execute(_READ, [*map(list, zip(*places, strict=True))])]
        if any(
            len(one or b"") != many * HASH for one, (*_, many) in zip(found, places, strict=True)
        ):
            raise LookupError("the tiles lack nodes of the tree")
        return [folded([one[at : at + HASH] for at in range(0, len(one), HASH)]) for one in found]

    return read


def _place(node: Node) -> tuple[int, int, int, int]:
    """Level and index of the tile, where in it the node's hashes begin, and how many there are."""
    level, height = divmod(node.level, HEIGHT)
    index, first = divmod(node.at << height, WIDTH)
    return level, index, first, 1 << height


def leaf_hashes(cursor: Cursor[Any], positions: Sequence[int]) -> list[bytes]:
    """Of the events at these positions. Raises LookupError."""
    return [*reader(cursor)([Node(0, position - 1) for position in positions])]


def hashes_in_streams(
    cursor: Cursor[Any], places: Iterable[tuple[str, int]]
) -> Mapping[tuple[str, int], bytes]:
    """Of the leaves at versions of streams, as far as they are there."""
    asked = [*map(list, zip(*places, strict=True))] or [[], []]
    rows = cursor.execute(_IN_STREAMS, asked)
    return {(stream, version): hashed for stream, version, hashed in rows}
