"""Merkle trees as in RFC 6962 (2.1) and RFC 9162 (2.1): roots, and proofs for whoever has a root.

Pure. Hashes are SHA-256. A tree is built of *nodes*: perfect subtrees that never change once all
their leaves are there. Everything else, roots and proofs, is put together from nodes, which a
`Read` gives: of a list in memory (`in_memory`) or of tiles (`projections.evidence.tiles`).
Indexes of leaves count from 0; ranges of leaves are half open.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import chain
from typing import NamedTuple

EMPTY_ROOT = sha256().digest()
"""Of the tree without leaves."""


class Node(NamedTuple):
    """The subtree of the 2**level leaves from `at` * 2**level on."""

    level: int
    at: int

    @property
    def span(self) -> tuple[int, int]:
        return self.at << self.level, (self.at + 1) << self.level

    @property
    def children(self) -> tuple["Node", "Node"]:
        return Node(self.level - 1, 2 * self.at), Node(self.level - 1, 2 * self.at + 1)


Read = Callable[[Sequence[Node]], Sequence[bytes]]
"""The hashes of nodes, all of whose leaves are there."""


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def folded(hashes: Sequence[bytes]) -> bytes:
    """The hash above those of 2**n neighbours."""
    while len(hashes) > 1:
        hashes = [*map(node_hash, hashes[::2], hashes[1::2])]
    return hashes[0]


def covering(first: int, behind: int) -> list[Node]:
    """The largest nodes that are the leaves [first, behind), from left to right, where `first` is
    where a subtree of that many leaves may begin: any multiple of a power of two not below it.
    """
    nodes = []
    while first < behind:
        level = (behind - first).bit_length() - 1
        nodes.append(Node(level, first >> level))
        first += 1 << level
    return nodes


def joined(hashes: Sequence[bytes]) -> bytes:
    """The hash above those of `covering` nodes."""
    *left, whole = hashes
    for one in reversed(left):
        whole = node_hash(one, whole)
    return whole


def in_memory(leaves: Sequence[bytes]) -> Read:
    """The nodes above the hashes of leaves."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([*map(node_hash, below[::2], below[1::2])])
    return lambda nodes: [levels[level][at] for level, at in nodes]


def root(read: Read, size: int) -> bytes:
    """Of the tree of the first `size` leaves."""
    return joined(read(covering(0, size))) if size else EMPTY_ROOT


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Of the tree over these hashes of leaves."""
    return root(in_memory(leaves), len(leaves))


# ---------------------------------------------------------------------------- proofs of RFC 9162


class Inclusion(NamedTuple):
    """The hash of a leaf, its siblings from there to the root, and the root."""

    leaf: bytes
    hashes: list[bytes]
    root: bytes


def inclusion_proof(read: Read, index: int, size: int) -> list[bytes]:
    """That the leaf at `index` is in the tree of `size` leaves, 0 <= index < size: the siblings
    from the leaf to the root (RFC 9162, 2.1.3.1).
    """
    return inclusion(read, index, size).hashes


def inclusion(read: Read, index: int, size: int) -> Inclusion:
    """The same proof between what it is between, with one look."""
    assert 0 <= index < size
    siblings = []
    first, behind = 0, size
    while behind - first > 1:
        middle = _middle(first, behind)
        if index < middle:
            siblings.append((middle, behind))
            behind = middle
        else:
            siblings.append((first, middle))
            first = middle
    siblings.reverse()
    leaf, *hashes = _hashes(read, [(index, index + 1), *siblings])
    whole = leaf
    for (first, _), beside in zip(siblings, hashes, strict=True):
        whole = node_hash(whole, beside) if index < first else node_hash(beside, whole)
    return Inclusion(leaf, hashes, whole)


def consistency_proof(read: Read, before: int, size: int) -> list[bytes]:
    """That the tree of `size` leaves begins with that of `before`, 0 <= before <= size (RFC 9162,
    2.1.4.1). Empty for 0 leaves, with which every tree begins, and for equal sizes.
    """
    assert 0 <= before <= size
    if before in {0, size}:
        return []
    siblings = []
    first, behind = 0, size
    while before < behind:
        middle = _middle(first, behind)
        if before <= middle:
            siblings.append((middle, behind))
            behind = middle
        else:
            siblings.append((first, middle))
            first = middle
    if first:  # else it is the whole earlier tree, whose root the reader has
        siblings.append((first, behind))
    return _hashes(read, reversed(siblings))


def _middle(first: int, behind: int) -> int:
    """Behind the left subtree: the largest power of two that is less than all."""
    return first + (1 << ((behind - first - 1).bit_length() - 1))


def _hashes(read: Read, spans: Iterable[tuple[int, int]]) -> list[bytes]:
    """Of the subtree over each span, with one look."""
    parts = [covering(*span) for span in spans]
    hashes = iter(read([*chain.from_iterable(parts)]))
    return [joined([next(hashes) for _ in part]) for part in parts]


# ---------------------------------------------------------------------------- many leaves at once


def nodes_beside(indexes: Iterable[int], size: int) -> list[Node]:
    """What is needed beside the leaves at `indexes`, ascending, for the root: the largest nodes
    without any of them, from left to right, shared ones once. Of neighbours it is a range proof.
    """
    wanted = [*indexes]
    """Of one level after the other, the nodes with any of them."""
    beside: list[tuple[int, int, int]] = []
    """First leaf, level, place."""
    for level in range(size.bit_length()):
        if size >> level & 1:  # the last node of the level has no sibling
            last = (size >> level) - 1
            if wanted and wanted[-1] == last:
                wanted.pop()
            else:
                beside.append((last << level, level, last))
        above: list[int] = []
        for at in wanted:
            if above and above[-1] == at >> 1:
                beside.pop()  # itself, as the sibling of the one before
            else:
                above.append(at >> 1)
                beside.append(((at ^ 1) << level, level, at ^ 1))
        wanted = above
    return [Node(level, at) for _, level, at in sorted(beside)]


def root_from(known: Mapping[Node, bytes], size: int) -> bytes:
    """The root of the tree of `size` leaves, from hashes of leaves and of the nodes beside them.
    Raises KeyError when one is missing.
    """

    def found(node: Node) -> bytes:
        if node in known:
            return known[node]
        if not node.level:
            raise KeyError(node)
        return node_hash(*map(found, node.children))

    return joined([*map(found, covering(0, size))]) if size else EMPTY_ROOT
