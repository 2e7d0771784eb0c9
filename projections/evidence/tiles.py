"""The tree in the database, in tiles as C2SP has them (tlog-tiles): 256 hashes of a level each.

Tile (L, N) holds the nodes of level 8 L from index 256 N on; the last one of each level is not full
yet. A leaf's hash is in the tile (0, index / 256). Whoever appends is alone (`follower`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, LiteralString

from psycopg import Cursor

from projections.evidence.merkle import Node, Read, folded, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
HASH = 32
"""Bytes."""
AT_ONCE = 256
"""Tiles that are read at once, of 8 KB each."""

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
_TILES: LiteralString = """
SELECT hashes FROM unnest(%s::smallint[], %s::bigint[])
    WITH ORDINALITY AS asked (level, index, number)
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
    """All nodes that are asked for at once, each tile looked at once. Raises LookupError for one
    that is not there: whoever asks knows how many leaves there are.
    """

    def read(nodes: Sequence[Node]) -> list[bytes]:
        wanted: dict[tuple[int, int], list[Node]] = defaultdict(list)
        for node in nodes:
            level, height = divmod(node.level, HEIGHT)
            wanted[level, node.at >> (HEIGHT - height)].append(node)
        found: dict[Node, bytes] = {}
        places = list(wanted)
        for first in range(0, len(places), AT_ONCE):
            for place, hashes in _tiles(cursor, places[first : first + AT_ONCE]):
                for node in wanted[place]:
                    found[node] = _hash_of(node, hashes)
        return [found[node] for node in nodes]

    return read


def _tiles(
    cursor: Cursor[Any], places: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], bytes]]:
    """What there is of them, by level and index."""
    asked = [*map(list, zip(*places, strict=True))]
    rows = cursor.execute(_TILES, asked, binary=True).fetchall()
    return zip(places, (row[0] or b"" for row in rows), strict=True)


def _hash_of(node: Node, hashes: bytes) -> bytes:
    """Out of its tile. Raises LookupError."""
    height = node.level % HEIGHT
    row = _rows(hashes)[height] if height else hashes
    first = (node.at & ((WIDTH >> height) - 1)) * HASH
    if len(found := row[first : first + HASH]) != HASH:
        raise LookupError("the tiles lack nodes of the tree")
    return found


@lru_cache(maxsize=512)  # 8 MB
def _rows(hashes: bytes) -> Sequence[bytes]:
    """A tile and, row by row, the nodes above its hashes: of neighbours' proofs most are the same,
    and so they are of the proofs of one bundle and the next.
    """
    rows = [hashes]
    for _ in range(1, HEIGHT):
        below = [rows[-1][at : at + HASH] for at in range(0, len(rows[-1]), HASH)]
        rows.append(b"".join(map(node_hash, below[::2], below[1::2])))
    return rows


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
