"""Sequences and mappings of which every version stands for ever, and each costs little to make.

Versions share what they have in common: one list that only grows, of which each sees as much as
there was when it was made. So what is added costs the same however many there are. What is added to
a version that is not the newest, or replaced in any, goes into a list of its own.

For one thread at a time: two that add to one version would both take it for the newest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
_NEW = object.__new__


class GrowingTuple(Sequence[V]):
    """A tuple to which one may be added."""

    __slots__ = ("_items", "_length")

    def __init__(self, items: Iterable[V] = ()) -> None:
        self._items = [*items]
        self._length = len(self._items)

    def adding(self, item: V) -> "GrowingTuple[V]":
        length, items = self._length, self._items
        if not length or len(items) > length:  # an empty one is everybody's, and never grows
            items = items[:length]
        items.append(item)
        result: GrowingTuple[V] = _NEW(GrowingTuple)
        result._items = items
        result._length = length + 1
        return result

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[V]:
        return islice(self._items, self._length)

    @overload
    def __getitem__(self, place: int) -> V: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[V, ...]: ...
    def __getitem__(self, place: int | slice) -> V | tuple[V, ...]:
        places = range(self._length)[place]
        if isinstance(places, int):
            return self._items[places]
        return tuple([self._items[one] for one in places])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GrowingTuple) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment]  # as that of what it mostly holds

    def __repr__(self) -> str:
        return f"GrowingTuple({[*self]})"


class GrowingDict(Generic[K, V]):
    """A mapping to which a key may be added; keys stay in that order, whatever is replaced."""

    __slots__ = ("_length", "_places", "_values")

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        given = items or {}
        self._places = {key: place for place, key in enumerate(given)}
        self._values = [*given.values()]
        self._length = len(given)

    def adding(self, key: K, value: V) -> "GrowingDict[K, V]":
        """`key` must be new."""
        length, places, values = self._length, self._places, self._values
        if not length or len(places) > length:  # likewise
            places = dict(islice(places.items(), length))
        if not length or len(values) > length:
            values = values[:length]
        places[key] = length
        values.append(value)
        return self._version(places, values, length + 1)

    def replacing(self, changed: Mapping[K, V]) -> "GrowingDict[K, V]":
        """Every key of `changed` must be there."""
        values = self._values[: self._length]
        for key, value in changed.items():
            values[self._places[key]] = value
        return self._version(self._places, values, self._length)

    @staticmethod
    def _version(places: dict[K, int], values: list[V], length: int) -> "GrowingDict[K, V]":
        result: GrowingDict[K, V] = _NEW(GrowingDict)
        result._places = places
        result._values = values
        result._length = length
        return result

    def get(self, key: K) -> V | None:
        length = self._length
        place = self._places.get(key, length)
        return self._values[place] if place < length else None

    def __getitem__(self, key: K) -> V:
        place = self._places[key]
        if place >= self._length:
            raise KeyError(key)
        return self._values[place]

    def __contains__(self, key: K) -> bool:
        length = self._length
        return self._places.get(key, length) < length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[K]:
        return islice(self._places, self._length)

    def values(self) -> list[V]:
        """In the order of the keys."""
        return self._values[: self._length]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GrowingDict):
            return False
        return [*self] == [*other] and self.values() == other.values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"GrowingDict({dict(zip(self, self.values(), strict=True))})"
