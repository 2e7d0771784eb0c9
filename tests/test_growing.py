"""Every version stands for ever, whatever is made of it and of the others."""

from hypothesis import given
from hypothesis import strategies as st

from domain.growing import GrowingDict, GrowingTuple

Change = tuple[int, str, int]
"""Of which version, by place among all; the key; the value."""
changes = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcdef"), st.integers(0, 9)))


@given(changes)
def test_a_version_of_a_sequence_holds_what_was_in_it_when_it_was_made(given: list[Change]) -> None:
    versions, expected = [GrowingTuple[int]()], [tuple[int, ...]()]
    for of, _, value in given:
        versions.append(versions[of % len(versions)].adding(value))
        expected.append((*expected[of % len(expected)], value))
    for version, items in zip(versions, expected, strict=True):
        assert tuple(version) == items
        assert version == GrowingTuple(items)
        assert len(version) == len(items)
        assert [version[place] for place in range(-len(items), len(items))] == [*items, *items]
        for cut in (slice(2), slice(-3, None), slice(1, None), slice(None, None, -1)):
            assert version[cut] == items[cut]


@given(changes)
def test_a_version_of_a_mapping_holds_what_was_in_it_when_it_was_made(given: list[Change]) -> None:
    versions, expected = [GrowingDict[str, int]()], [dict[str, int]()]
    for of, key, value in given:
        version, items = versions[of % len(versions)], expected[of % len(expected)]
        known = key in items
        versions.append(version.replacing({key: value}) if known else version.adding(key, value))
        expected.append({**items, key: value})
    for version, items in zip(versions, expected, strict=True):
        assert [*zip(version, version.values(), strict=True)] == [*items.items()]
        assert version == GrowingDict(items)
        assert len(version) == len(items)
        for key in "abcdef":
            assert (key in version) == (key in items)
            assert version.get(key) == items.get(key)
            assert key not in items or version[key] == items[key]


def test_versions_that_differ_are_not_equal() -> None:
    assert GrowingTuple("ab") != GrowingTuple("abb")
    assert GrowingTuple("ab") != ("a", "b")
    assert GrowingDict({"a": 1}) != GrowingDict({"a": 2})
    assert GrowingDict({"a": 1, "b": 2}) != GrowingDict({"b": 2, "a": 1})
    assert GrowingDict({"a": 1}) != {"a": 1}
