"""The tree in the database, in tiles as C2SP has them (tlog-tiles): 256 hashes of a level each.

Tile (L, N) holds the nodes of level 8 L from index 256 N on; the last one of each level is not full
yet. A leaf's hash is in the tile (0, index / 256). Whoever appends is alone (`follower`).
"""

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


Place = tuple[int, int]
"""Level and index of a tile."""
Rows = Sequence[bytes]
"""A tile's hashes and, row by row, the nodes above them; where those are not wanted, not them."""


class KnownTiles:
    """Full tiles of leaves that were read lately. Each is known by the hash above all of its own:
    so none is ever taken for another, whatever becomes of the database.
    """

    def __init__(self, most: int = 512) -> None:  # 8 MB
        self._most = most
        self._all: dict[bytes, Rows] = {}

    def among(self, cursor: Cursor[Any], places: Iterable[Place]) -> dict[Place, Rows]:
        """Those that are known of these, with one look at the tiles above."""
        indexes = [index for level, index in places if not level]
        above = dict(_tiles(cursor, [*{(1, index // WIDTH) for index in indexes}]))
        known = {}
        for index in indexes:
            first = index % WIDTH * HASH
            hashed = above[1, index // WIDTH][first : first + HASH]
            if rows := self._all.pop(hashed, None):
                known[0, index] = self._all[hashed] = rows  # the latest
        return known

    def keep(self, rows: Rows) -> None:
        """What was read, if it is full, and the nodes above were made."""
        if len(rows) == HEIGHT and len(rows[-1]) == 2 * HASH:
            self._all[node_hash(rows[-1][:HASH], rows[-1][HASH:])] = rows
            while len(self._all) > self._most:
                self._all.pop(next(iter(self._all)), None)


def reader(cursor: Cursor[Any], known: KnownTiles | None = None) -> Read:
    """As `hashes_at`, of nodes."""
    return lambda nodes: hashes_at(cursor, nodes, (), known)[0]


def hashes_at(
    cursor: Cursor[Any],
    nodes: Sequence[Node],
    leaves: Sequence[int],
    known: KnownTiles | None = None,
) -> tuple[list[bytes], list[bytes]]:
    """Of all nodes and leaves that are asked for, each tile looked at once, and those that are
    `known` not at all. Raises LookupError for one that is not there: whoever asks knows how many
    leaves there are.
    """
    wanted: dict[Place, list[tuple[int, int, int]]] = {(0, at // WIDTH): [] for at in leaves}
    for number, (level, at) in enumerate(nodes):
        height = level % HEIGHT
        place = level // HEIGHT, at >> (HEIGHT - height)
        wanted.setdefault(place, []).append((number, height, at))
    tiles = {} if known is None else known.among(cursor, wanted)
    for place, hashes in _tiles(cursor, [place for place in wanted if place not in tiles]):
        higher = any(height for _, height, _ in wanted[place])
        tiles[place] = rows = _rows(hashes) if higher else [hashes]
        if known is not None and not place[0]:
            known.keep(rows)
    found = [b""] * len(nodes)
    for place, asked in wanted.items():
        rows = tiles[place]
        for number, height, at in asked:
            first = (at & (WIDTH >> height) - 1) * HASH
            found[number] = rows[height][first : first + HASH]
    firsts = [(tiles[0, at // WIDTH][0], at % WIDTH * HASH) for at in leaves]
    own = [hashes[first : first + HASH] for hashes, first in firsts]
    if {*map(len, found), *map(len, own)} - {HASH}:
        raise LookupError("the tiles lack nodes of the tree")
    return found, own


def _tiles(cursor: Cursor[Any], places: Sequence[Place]) -> Iterator[tuple[Place, bytes]]:
    """What there is of them, some at a time."""
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        asked = [*map(list, zip(*some, strict=True))]
        rows = cursor.execute(_TILES, asked, binary=True).fetchall()
        yield from zip(some, (row[0] or b"" for row in rows), strict=True)


@lru_cache(maxsize=64)  # those at the end, which are not full, are the same until it has grown
def _rows(hashes: bytes) -> Rows:
    rows = [hashes]
    for _ in range(1, HEIGHT):
        below = [rows[-1][at : at + HASH] for at in range(0, len(rows[-1]), HASH)]
        rows.append(b"".join(map(node_hash, below[::2], below[1::2])))
    return rows


def leaf_hashes(cursor: Cursor[Any], positions: Sequence[int]) -> list[bytes]:
    """Of the events at these positions. Raises LookupError."""
    return hashes_at(cursor, (), [position - 1 for position in positions])[1]


def hashes_in_streams(
    cursor: Cursor[Any], places: Iterable[tuple[str, int]]
) -> Mapping[tuple[str, int], bytes]:
    """Of the leaves at versions of streams, as far as they are there."""
    asked = [*map(list, zip(*places, strict=True))] or [[], []]
    rows = cursor.execute(_IN_STREAMS, asked)
    return {(stream, version): hashed for stream, version, hashed in rows}
